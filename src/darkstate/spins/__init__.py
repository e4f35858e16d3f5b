"""Spin ensembles: populations, moments, closed forms."""
