"""A hundred thousand levels of two atoms in a trap of three different frequencies, times three spin states.

Run:  .venv/bin/python validation/pair_levels.py > pair_levels.md     (about a minute on two cores)

Eigenvalues are checked one by one on a random subset: the number of eigenvalues below E - e and below E + e, counted
by the inertia of M with F summed directly over all levels, must differ by the one that was found.
"""

from __future__ import annotations

import os
import resource
import time
from datetime import date

import numpy as np

from darkstate.atoms.species import species
from darkstate.pair.atom_pair import AtomPair
from darkstate.pair.harmonic import pair_levels, structured, time_average
from darkstate.pair.spin import pair_zeeman_hz
from darkstate.pair.trap import Trap

BOHR, CUTOFF, SUBSET, SEED = 5.29177210903e-11, 12.36, 300, 1
rubidium = species("85Rb")
zeeman = np.asarray(pair_zeeman_hz(rubidium, 2, 0.5e-4))
trap = Trap((102.348e3, 100.3e3, 24.511e3), rubidium.mass)
pair = AtomPair(np.array([-740.0, -570.0, -390.0]) * BOHR, zeeman, trap, 40e-6)


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


levels, inverse = pair_levels(pair, CUTOFF)
structured(pair, 2.0)  # loads and compiles
before = megabytes()
begin = time.perf_counter()
found = structured(pair, CUTOFF)
spent = time.perf_counter() - begin
average = time_average(found)
base = inverse + levels.counterterm * np.eye(3)


def below(energy: float) -> int:
    """Number of eigenvalues below an energy, by direct sums."""
    shifted = energy - zeeman
    f = [(levels.weights / (levels.energies_hz - x)).sum() for x in shifted]
    poles = sum(int((levels.energies_hz < x).sum()) for x in shifted)
    positive = [int((np.linalg.eigvalsh(m) > 0).sum()) for m in (base + np.diag(f), base)]
    return poles + positive[0] - positive[1]


wrong = 0
for m in np.random.default_rng(SEED).choice(len(found.energies_hz), SUBSET, replace=False):
    energy = found.energies_hz[m]
    e = 1e-10 * energy
    wrong += not below(energy - e) <= m < below(energy + e)
commit = os.popen("git rev-parse --short HEAD").read().strip()
print("# Levels of a pair in a trap of three frequencies\n")
print(f"{date.today()}, commit {commit}, `validation/pair_levels.py`\n")
print("| | |\n|---|---|")
print(f"| levels that the contact sees, below {CUTOFF} kT at 40 uK | {levels.below} |")
print(f"| eigenvalues, three spin states | {len(found.energies_hz)} |")
print(f"| time with compilation | {spent:.0f} s on {os.cpu_count()} cores |")
print(f"| memory above what was loaded before | {megabytes() - before:.0f} MB |")
print(f"| eigenvalues wrong by more than 1e-10, of {SUBSET} chosen at random | {wrong} |")
print(f"| trace of the time average - 1 | {np.trace(average) - 1:.0e} |")
print("| time average of the pairs that collide | " + ", ".join(f"{p:.4f}" for p in np.diag(average)) + " |")
