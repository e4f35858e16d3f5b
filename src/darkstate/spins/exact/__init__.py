"""One or two ensembles of N atoms without approximation: density operators, trajectories, leaping."""
