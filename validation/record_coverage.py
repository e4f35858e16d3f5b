"""Do the intervals hold the truth, and how often are separable cells called entangled?

Run:  .venv/bin/python validation/record_coverage.py > record_coverage.md     (some twenty minutes on two cores)

Exact currents of two cells in 25 bins per read-out window, 400 cycles per experiment, as many of shot noise, and the
estimators of darkstate.records. tests/records does the same with fewer experiments.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more only wait on matrices this small
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import dataclasses

import numpy as np

from planted import ERRORS, Setting, coverage, false_verdicts

EXPERIMENTS, VERDICTS, CYCLES = 2000, 5000, 400

SETTINGS = [
    Setting(xi=0.3, eta=1.0, w=1.0, probe=1e-3),
    Setting(xi=0.3, eta=0.84, w=1.3, probe=3e-3),
    Setting(xi=0.6, eta=0.84, w=1.0, probe=1e-3),
    Setting(xi=1.0, eta=1.0, w=1.3, probe=1e-3),
    Setting(xi=1.0, eta=0.84, w=1.3, probe=3e-3),
    Setting(xi=1.6, eta=1.0, w=1.0, probe=3e-3),
    Setting(xi=1.6, eta=0.84, w=1.3, probe=1e-3),
    Setting(xi=0.5, eta=0.84, w=1.3, probe=1e-3, feed=3e-3, method="exponential"),
]
VARIANTS = [(0.0, None), (0.5, None), (0.5, ERRORS)]
"""Correlation of the starting state from cycle to cycle, errors of the calibration."""


def row(job: tuple[int, int]) -> str:
    """One line of the table."""
    k, v = job
    correlation, errors = VARIANTS[v]
    setting = dataclasses.replace(SETTINGS[k], correlation=correlation)
    one, two, mean, width = coverage(setting, EXPERIMENTS, CYCLES, seed=100_000 * (3 * k + v), errors=errors)
    s = setting
    return (
        f"| {s.truth:.3f} | {s.eta} | {s.w} | {1e3 * s.probe:g} | {1e3 * s.feed:g} | {correlation} "
        f"| {'drawn' if errors else 'true'} | {100 * one:.1f} | {100 * two:.1f} | {mean:+.3f} | {width:.3f} |"
    )


def verdicts(part: int) -> tuple[np.ndarray, np.ndarray]:
    """p-values of a fifth of the experiments at xi = 1: chosen on other cycles, chosen in-sample."""
    return false_verdicts(0.84, VERDICTS // 5, CYCLES, seed=10_000_000 + 100_000 * part)[1:]


def main() -> None:
    """Print the tables as Markdown."""
    jobs = [(k, v) for k in range(len(SETTINGS)) for v in range(len(VARIANTS))]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(verdicts, range(5)))
        rows = list(pool.map(row, jobs))
    sixty, ninety = (100 * np.sqrt(p * (1 - p) / EXPERIMENTS) for p in (0.68, 0.95))
    print("# Coverage of the intervals\n")
    print("2026-11-21, commit (to be filled in), `validation/record_coverage.py`\n")
    print(f"{EXPERIMENTS} experiments per line, {CYCLES} cycles each; binomial errors {sixty:.1f} and {ninety:.1f} %.")
    print("Wanted: 68 +- 4 and 95 +- 2. Z = 2.5, gamma_s = 100/s, gamma_extra = 170/s; errors of a drawn calibration:")
    print(", ".join(f"{name} {error:g}" for name, error in ERRORS.items()) + ".\n")
    print("| xi | eta | w | T [ms] | feed [ms] | rho | calibration | 68 % | 95 % | mean pull | width |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    print("\n".join(rows))
    honest, naive = (np.concatenate(p) for p in zip(*found, strict=True))
    print("\n# Separable cells called entangled\n")
    print(
        f"xi = 1 given the light, {VERDICTS} experiments, p < 0.05; exponent and gain of the past chosen anew in each."
    )
    print("Wanted: at most 5.9 % (three binomial errors above 5 %).\n")
    print(f"- chosen on one half of the cycles, judged on the other: {100 * (honest < 0.05).mean():.2f} %")
    print(f"- chosen and judged on the same cycles: {100 * (naive < 0.05).mean():.2f} %")


if __name__ == "__main__":
    main()
