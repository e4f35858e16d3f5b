"""Do the error bars of fits hold the truth, by curvature and by MINOS, and does the band of a prediction?

Run:  .venv/bin/python validation/fit_coverage.py > fit_coverage.md     (some five minutes on two cores)

Data of d = 35 and d = 55 are simulated with the rates of 002 Fig. 2 (21 times, standard error 0.01 each); Gamma-tilde,
Gamma and the loss rate are fitted, and xi at d = 100 is predicted. tests/studies does the same with fewer data sets.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np

from darkstate.studies.bands import fit_bands
from darkstate.studies.coverage import coverage
from darkstate.studies.fit import minimise
from darkstate.studies.fit_table import FitTable, read_problem
from darkstate.studies.likelihood import Likelihood
from darkstate.studies.study import read_study
from oracles import mean_field as mf
from sample_fits import TRUTH, write_depths

COUNT, MINOS = 1000, 200


def with_data(likelihood: Likelihood, values: np.ndarray) -> Likelihood:
    """The likelihood with other measured values."""
    first, pieces = 0, []
    for piece in likelihood.pieces:
        last = first + len(piece.data.values)
        pieces.append(replace(piece, data=replace(piece.data, values=values[first:last])))
        first = last
    return replace(likelihood, pieces=tuple(pieces))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        study, table = read_study(write_depths(Path(folder)), "fit", FitTable)
        problem = read_problem(study, table)
    likelihood, truth = problem.likelihood, np.array(list(TRUTH.values()))
    found = coverage(likelihood, truth, count=COUNT, seed=20111)
    print(
        f"# Coverage of fits\n\n{COUNT} data sets, all fitted at once, errors by the curvature of chi^2; expected are"
    )
    print("68.3 % within one and 95.4 % within two standard errors.\n")
    print("| parameter | within one (%) | within two (%) | mean pull | spread of pulls |\n|---|---|---|---|---|")
    for name, one, two, pull in zip(found.names, found.share(), found.share(2.0), found.pulls.T, strict=True):
        error = 100 * np.sqrt(one * (1 - one) / len(pull))
        print(f"| {name} | {100 * one:.1f} +- {error:.1f} | {100 * two:.1f} | {pull.mean():+.3f} | {pull.std():.3f} |")
    print(f"\nConverged: {found.converged.sum()} of {COUNT}.\n")

    curve = mf.curve(mf.cesium_cells(100), "corrected", 61.0)
    generator = np.random.default_rng(20112)
    clean = likelihood.linearised(truth)[0]
    inside, held, chances = [], [], []
    for _ in range(MINOS):
        own = with_data(likelihood, clean + likelihood.errors * generator.standard_normal(len(clean)))
        m = minimise(own)
        inside.append([e.value + e.lower <= t <= e.value + e.upper for e, t in zip(m.estimates, truth, strict=True)])
        band = fit_bands(replace(problem, likelihood=own), m)[-1]
        k = int(np.argmin(band.values))
        held.append(abs(band.values[k] - curve(1e3 * band.times[k])) <= band.errors[k])
        chances.append(m.chance)
    print(f"{MINOS} data sets with MIGRAD and MINOS, one after the other.\n")
    print("| what | within its interval (%) |\n|---|---|")
    for name, share in zip(found.names, np.mean(inside, axis=0), strict=True):
        print(f"| {name}, MINOS | {100 * share:.1f} +- {100 * np.sqrt(share * (1 - share) / MINOS):.1f} |")
    share = float(np.mean(held))
    print(
        f"| smallest xi predicted at d = 100 | {100 * share:.1f} +- {100 * np.sqrt(share * (1 - share) / MINOS):.1f} |"
    )
    print(
        f"\np-values of chi^2: {np.mean(np.array(chances) < 0.1):.3f} below 0.1, {np.mean(np.array(chances) < 0.5):.3f}"
    )
    print("below 0.5.")


if __name__ == "__main__":
    main()
