"""Verbs on models: steady_state, evolve, optimum; what they return."""
