"""What does a jump cost, and how do time and memory grow from 10^3 to 10^12 atoms per ensemble?

Run:  .venv/bin/python benchmarks/trajectories.py [N ...]            (10^3, 10^5, 10^6 by default: half a minute)

001 Sec. III D at d = 30, Z = 2.5, Gamma_d = 2(cooling + heating) + 2, all up, t = 0.4/Gamma: exact trajectories on one
core, after a call that compiles or loads; goals 1.5 microseconds per jump, 200 MB above the memory of the imports. Then
10^12 atoms by leaping on all cores, against the moment equations, which hold there; and what N = 10 costs by
trajectories and by the density matrix.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import time

import numba
import numpy as np

from darkstate.backend import jax
from darkstate.experiments.two_level_ensembles import Drive, Ensembles, Noise, TwoLevelEnsembles
from darkstate.solve.evolve import evolve
from darkstate.solve.methods import ExactLiouvillian, Leaping, Trajectories
from darkstate.solve.trajectories import exact_samples
from darkstate.witness.epr import epr_variance

TIMES = np.array([0.1, 0.2, 0.3, 0.4])
NUMBER = {1e3: 2000, 1e5: 20, 1e6: 2}
LEAPS = 10_000


def model(atoms: float):
    return TwoLevelEnsembles(Ensembles(optical_depth=30, atoms=atoms), Drive(1.0, z=2.5), noise=Noise(2.0)).model()


def xi(state):
    return epr_variance(state).value


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def percent(part, whole) -> str:
    return f"{100 * np.abs(part / whole).max():.2f} %"


def one(atoms: float) -> None:
    """Time and memory of one N, in a process of its own."""
    jax.numpy.zeros(1).block_until_ready()
    before = megabytes()
    exact_samples(model(100.0), TIMES, method=Trajectories(2, threads=1))
    begin = time.process_time()
    found = exact_samples(model(atoms), TIMES, method=Trajectories(NUMBER.get(atoms, 2), seed=1, threads=1))
    each = (time.process_time() - begin) / found.trajectories
    print(
        f"N = {atoms:.0e}: {1e6 * each / found.jumps:5.2f} microseconds of processor time per jump, {found.jumps:.3g} "
        f"jumps and {each:.3g} s per trajectory;\n    peak memory {megabytes() - before:.0f} MB above the imports, "
        f"window tail {found.figures['window_tail']:.0e}"
    )


def leap() -> None:
    exact_samples(model(1e12), TIMES, method=Leaping(4))
    begin = time.perf_counter()
    found = exact_samples(model(1e12), TIMES, method=Leaping(LEAPS, seed=1))
    spent = time.perf_counter() - begin
    value, error = found.estimate(xi)
    change, noise = found.step_change(xi)
    print(
        f"N = 1e+12 by leaping: {spent:.1f} s for 2 x {found.trajectories} trajectories, two steps, {os.cpu_count()} "
        f"cores; {1e6 * spent / LEAPS / 2:.0f} microseconds each.\n    Moment equations differ by "
        f"{percent(np.asarray(xi(evolve(model(1e12), TIMES).state)) - value, value)} (one sigma "
        f"{percent(error, value)}), half the step by {percent(change, value)} (one sigma {percent(noise, value)})"
    )


def few() -> None:
    begin = time.perf_counter()
    exact = np.asarray(xi(evolve(model(10.0), TIMES, method=ExactLiouvillian()).state))
    dense = time.perf_counter() - begin
    begin = time.perf_counter()
    found = exact_samples(model(10.0), TIMES, method=Trajectories(10_000, seed=1))
    spent = time.perf_counter() - begin
    value, error = found.estimate(xi)
    print(
        f"N = 10: {dense:.2f} s by the density matrix to 1e-10, {spent:.2f} s by {found.trajectories} trajectories to "
        f"{percent(error, value)}; largest difference {np.abs((value - exact) / error).max():.1f} standard errors"
    )


if sys.argv[1:2] == ["--one"]:
    one(float(sys.argv[2]))
else:
    print(f"{platform.machine()}, {os.cpu_count()} cores, numba {numba.__version__}, jax {jax.__version__}", flush=True)
    for atoms in [float(a) for a in sys.argv[1:]] or list(NUMBER):
        subprocess.run([sys.executable, __file__, "--one", str(atoms)], check=True)
    leap()
    few()
