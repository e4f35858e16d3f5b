"""How fast are maps of Z? Ratio to a loop that diagonalises the excited level at each point, in the same run.

Run:  .venv/bin/python benchmarks/light.py            (seconds)

The peer is what a careful notebook does: the excited level of caesium D2 as a dense matrix in |m_I, m_J>, diagonalised
by numpy.linalg.eigh at every field, and second-order amplitudes summed over its 32 states. It is timed on a random
subset of the same points of detuning and field. Absolute times are those of this machine and are not promised.
"""

from __future__ import annotations

import platform
import sys
import time
from math import sqrt
from pathlib import Path

import numpy as np

from darkstate.atoms.light import light_rates
from darkstate.atoms.species import line
from darkstate.backend import jax, jnp

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from oracles.atomic_levels import line_of

SIDE, SUBSET, SEED, OFTEN = 300, 40, 1, 3

d2 = line("133Cs", "D2")
dense = line_of(d2)
detuning, field = (a.ravel() for a in jnp.meshgrid(jnp.linspace(400e6, 3e9, SIDE), jnp.linspace(1e-6, 1e-2, SIDE)))


@jax.jit
def z_map(detuning, field):
    return light_rates(d2, detuning_hz=detuning, polarization="y", rabi=1.0, field=field).z


def peer(detuning_hz, field):
    """Z by dense diagonalisation."""
    light = {"detuning_hz": detuning_hz, "polarization": "y", "field": field}
    cooling, heating = dense.rate((4, 3), (4, 4), **light), dense.rate((4, 4), (4, 3), **light)
    return sqrt(cooling - heating) / (sqrt(cooling) - sqrt(heating))


jax.block_until_ready(z_map(detuning, field))
spent = []
for _ in range(OFTEN):
    begin = time.perf_counter()
    ours = np.asarray(jax.block_until_ready(z_map(detuning, field)))
    spent.append(time.perf_counter() - begin)
points = np.random.default_rng(SEED).choice(SIDE**2, SUBSET, replace=False)
begin = time.perf_counter()
theirs = np.array([peer(float(detuning[i]), float(field[i])) for i in points])
each = (time.perf_counter() - begin) / SUBSET
print(f"{platform.machine()}, {jax.default_backend()}, jax {jax.__version__}; peer timed on {SUBSET} random points")
print(f"Z: {SIDE} x {SIDE} points of detuning and field in {min(spent):.3g} s")
print(
    f"  {each * SIDE**2 / min(spent):8.0f} times faster than a loop of numpy.linalg.eigh, {each * 1e3:.2f} ms each; "
    f"largest relative difference {np.abs(theirs / ours[points] - 1).max():.1e}"
)
