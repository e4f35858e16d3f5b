"""Many solves, one answer: read a study file, evaluate quantities over parameters, choose and fit parameters."""
