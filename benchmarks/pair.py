"""How fast are the levels of two atoms in a tweezer? Ratio to numpy.linalg.eigh of the same matrix, in the same run.

Run:  .venv/bin/python benchmarks/pair.py            (half a minute)

Axially symmetric tweezer of 003, three spin states, 0.5 G; the cutoff sets the number of rows. The second part times
the kinetic model, 1000 temperatures in one call, against SciPy's exponential of its Liouvillian on a random subset.
"""

from __future__ import annotations

import platform
import time

import numpy as np
from scipy.linalg import expm

from darkstate.atoms.species import species
from darkstate.backend import jax, jnp
from darkstate.pair.atom_pair import AtomPair
from darkstate.pair.harmonic import dense, structured, time_average
from darkstate.pair.kinetic import kinetic_liouvillian, kinetic_states
from darkstate.pair.spin import pair_zeeman_hz
from darkstate.pair.trap import tweezer

OFTEN, SUBSET, SEED = 5, 20, 1
BOHR = 5.29177210903e-11
rubidium = species("85Rb")
pair = AtomPair(
    np.array([-740.0, -570.0, -390.0]) * BOHR,
    np.asarray(pair_zeeman_hz(rubidium, 2, 0.5e-4)),
    tweezer(22e6, 1e-6, 1064e-9, rubidium.mass),
    40e-6,
)


def timed(call, often: int):
    spent = []
    for _ in range(often):
        begin = time.perf_counter()
        found = call()
        spent.append(time.perf_counter() - begin)
    return min(spent), found


print(f"{platform.machine()}, {jax.default_backend()}, jax {jax.__version__}, numpy {np.__version__}")
for cutoff in (3.0, 4.3, 5.2):
    structured(pair, cutoff)  # compiles
    fast, found = timed(lambda c=cutoff: structured(pair, c), OFTEN)
    slow, (energies, *_) = timed(lambda c=cutoff: dense(pair, c), 1)
    worst = np.abs(found.energies_hz / energies - 1).max()
    print(
        f"{len(energies):5d} rows: structured {fast:.3f} s, numpy.linalg.eigh {slow:.2f} s: {slow / fast:.0f} times "
        f"faster; largest relative difference {worst:.0e}"
    )
structured(pair)
fast, _ = timed(lambda: time_average(structured(pair)), OFTEN)
print(f"10725 rows: time average at 40 uK in {fast:.2f} s")

temperatures = jnp.linspace(10e-6, 100e-6, 1000)


@jax.jit
@jax.vmap
def populations(temperature):
    changed = AtomPair(pair.lengths, pair.zeeman_hz, pair.trap, temperature)
    return jnp.diagonal(kinetic_states(changed, 0.1)).real


jax.block_until_ready(populations(temperatures))
fast, ours = timed(lambda: jax.block_until_ready(populations(temperatures)), OFTEN)
chosen = np.random.default_rng(SEED).choice(1000, SUBSET, replace=False)
start = np.zeros(9)
start[0] = 1


def peer(temperature):
    changed = AtomPair(pair.lengths, pair.zeeman_hz, pair.trap, temperature)
    return (expm(np.asarray(kinetic_liouvillian(changed)) * 0.1) @ start).real[::4]


peer(20e-6)
slow, theirs = timed(lambda: np.array([peer(float(temperatures[k])) for k in chosen]), 1)
print(
    f"kinetic model: 1000 temperatures in {1e3 * fast:.0f} ms, {slow / SUBSET * 1000 / fast:.0f} times faster than a "
    f"loop over scipy.linalg.expm; largest difference {np.abs(theirs - np.asarray(ours)[chosen]).max():.0e}"
)
