"""Sweeps killed at 100 random moments and at every write call: do the bytes stay the same, is no chunk lost or doubled?

Run:  .venv/bin/python validation/sweep_kills.py            about ten minutes
"""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from killed_sweeps import CHUNKS, every_call, random_kills

KILLS, SEED = 100, 1

print("# Sweeps that are killed\n")
print(f"`validation/sweep_kills.py`, {platform.machine()}, Python {platform.python_version()},", end=" ")
print(f"jax {version('jax')}, h5py {version('h5py')}\n")
sweeps, stages = random_kills(KILLS, SEED)
said = ", ".join(f"{count} {stage}" for stage, count in stages.items())
print(f"{KILLS} random kills (seed {SEED}) over {sweeps} sweeps of {CHUNKS} chunks: {said}.")
print(
    "Every file but the log has the bytes of an undisturbed run in the end, and the journal names every chunk once.\n"
)
calls = every_call()
print(f"Killed before and after each of {calls} write calls of a sweep of 4 chunks ({2 * calls} kills): the same.")
