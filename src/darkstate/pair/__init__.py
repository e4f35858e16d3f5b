"""Two atoms in one trap: spin space, thermal relative motion, collisions, pulse sequences."""
