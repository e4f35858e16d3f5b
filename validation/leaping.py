"""Does leaping agree with exact trajectories at 1000 atoms, and with the moment equations at 10^9 and 10^12?

Run:  .venv/bin/python validation/leaping.py [trajectories] > leaping.md         (60 000: some three minutes, two cores)
"""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import date

import numpy as np

from darkstate.experiments.two_level_ensembles import Drive, Ensembles, Noise, TwoLevelEnsembles
from darkstate.solve.evolve import evolve
from darkstate.solve.methods import Leaping, Trajectories
from darkstate.solve.trajectories import exact_samples
from darkstate.witness.epr import epr_variance

TIMES = np.array([0.1, 0.2, 0.4])
FASTEST = 8.41
"""Gamma_d in units of Gamma, the unit of the inverse of the step."""

number = int(sys.argv[1]) if sys.argv[1:] else 60_000
commit = subprocess.run(
    ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
).stdout.strip()


def model(atoms: float):
    return TwoLevelEnsembles(Ensembles(optical_depth=30, atoms=atoms), Drive(1.0, z=2.5), noise=Noise(2.0)).model()


def xi(state):
    return epr_variance(state).value


def cells(value, error):
    return " | ".join(f"{v:.4f} +- {e:.4f}" for v, e in zip(value, error, strict=True))


print(f"""# Leaping

{date.today()}, commit {commit}, `validation/leaping.py`

xi at d = 30, Z = 2.5, Gamma_d = 2(cooling + heating) + 2, all up, {number} trajectories per row, with their
standard error.

| atoms | method | t = 0.1/Gamma | 0.2 | 0.4 | seconds | leap range |
|---|---|---|---|---|---|---|""")
for atoms in (1e3, 1e9, 1e12):
    if atoms == 1e3:
        begin = time.perf_counter()
        found = exact_samples(model(atoms), TIMES, method=Trajectories(number, seed=1))
        spent = time.perf_counter() - begin
        print(f"| {atoms:.0e} | exact trajectories | {cells(*found.estimate(xi))} | {spent:.0f} | |", flush=True)
    else:
        exact = np.asarray(xi(evolve(model(atoms), TIMES).state))
        print(f"| {atoms:.0e} | moment equations | {' | '.join(f'{v:.4f}' for v in exact)} | | |")
    begin = time.perf_counter()
    found = exact_samples(model(atoms), TIMES, method=Leaping(number, seed=2, step=0.01 * FASTEST))
    spent = time.perf_counter() - begin
    for part, step in ((found.coarse, "0.01"), (found, "0.005")):
        ours, reach = cells(*part.estimate(xi)), part.figures["leap_range"]
        print(f"| {atoms:.0e} | step {step}/Gamma | {ours} | {spent:.0f} for both | {reach:.1e} |", flush=True)
