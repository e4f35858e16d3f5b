"""Questions put to states: is it entangled, and how much."""
