"""Continuous variables: Gaussian states, open linear systems, and networks of them joined by light."""
