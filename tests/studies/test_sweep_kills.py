"""A sweep killed by SIGKILL at any moment and gone on with leaves the bytes of an undisturbed one.

100 random moments and every write call: validation/sweep_kills.py.
"""

import pytest

from killed_sweeps import random_kills


@pytest.mark.slow
def test_killed_at_twenty_random_moments():
    sweeps, stages = random_kills(20, seed=2)  # compares every byte itself
    assert sweeps >= 1 and stages.total() == 20
