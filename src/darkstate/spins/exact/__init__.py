"""Two ensembles of N two-level atoms without approximation, in permutation-symmetric sectors."""
