"""Steady-state xi of 100 atoms per ensemble by exact trajectories, against the density operator of up to 50 atoms.

Run:  .venv/bin/python validation/hundred_atoms.py [ERROR] > hundred_atoms.md

Trajectories share no step with the density operator and have no bias; the values of N <= 50 (`finite_n.md`), continued
in 1/N, say where N = 100 must lie. tests/agreement/test_trajectories.py compares both at N = 20.
"""

from __future__ import annotations

import datetime
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from darkstate.experiments.values import with_values
from darkstate.report.papers.finite import SETS, _experiment, continued
from darkstate.solve.methods import Trajectories
from darkstate.solve.trajectories import steady_samples
from darkstate.witness.epr import epr_variance

ATOMS = 100
TABLE = Path(__file__).with_name("finite_n.md")


def known() -> tuple[np.ndarray, np.ndarray]:
    """Atom numbers and xi [n set] of the density operator, as recorded."""
    rows = [
        line.strip("| ").split(" | ") for line in TABLE.read_text().splitlines() if re.match(r"\| \d+ \| 1?\.?\d", line)
    ]
    rows = [row for row in rows if int(row[0]) >= 10]
    return np.array([float(r[0]) for r in rows]), np.array([[float(x) for x in r[1:]] for r in rows])


def main() -> None:
    """Print the table as Markdown."""
    error = float(sys.argv[1]) if len(sys.argv) > 1 else 0.001
    atoms, xi = known()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    print("# Steady-state xi of 100 atoms per ensemble\n")
    print(f"{datetime.date.today()}, commit {commit}, `validation/hundred_atoms.py {error:g}`, two busy cores\n")
    print("| Z, d, x, Gamma_d_add | xi | error | from N <= 50 | standard errors apart | trajectories | time |")
    print("|---|---|---|---|---|---|---|")
    for k, values in enumerate(SETS):
        model = with_values(_experiment(values), {"ensembles.atoms": float(ATOMS)}).model()
        begin = time.perf_counter()
        method = Trajectories(number=1_000_000, seed=k + 1)
        found = steady_samples(model, method=method, until=(lambda state: epr_variance(state).value, error))
        value, sigma = (float(x[0]) for x in found.estimate(lambda state: epr_variance(state).value))
        expected = float(np.polynomial.polynomial.polyval(1 / ATOMS, continued(atoms, xi[:, k], 6)))
        spent = time.perf_counter() - begin
        print(
            f"| {', '.join(f'{v:g}' for v in values)} | {value:.6f} | {sigma:.6f} | {expected:.6f} "
            f"| {(value - expected) / sigma:+.2f} | {found.trajectories} | {spent:.0f} s |",
            flush=True,
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nPeak memory {peak:.0f} MiB, import included.")


if __name__ == "__main__":
    main()
