"""Is what `darkstate infer` samples the posterior, and would a mistake be noticed? Simulation-based calibration.

Run:  .venv/bin/python validation/sbc.py > sbc.md     (some five minutes on two cores)

500 times parameters are drawn from the prior, data simulated, the posterior sampled and the parameters ranked among its
draws; then 100 times each with a mistake planted into the likelihood. tests/studies does all of it with 100 runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from darkstate.studies.simulated_calibration import calibrate
from sample_priors import PRIORS, small

RUNS, BROKEN = 500, 100

CASES = {
    "the likelihood as it is": None,
    "errors halved": {"sigma": 0.005},
    "errors a fifth too small": {"sigma": 0.008},
    "Gamma 10 % too large": {"rate": 2.2},
    "Gamma doubled": {"rate": 4.0},
}


def main() -> None:
    print("# Simulation-based calibration\n\n63 draws per posterior, eight bins of ranks.\n")
    print("| likelihood | runs | parameter | histogram of ranks | p |\n|---|---|---|---|---|")
    for name, wrong in CASES.items():
        runs, assumed = (RUNS, None) if wrong is None else (BROKEN, small(**wrong))
        found = calibrate(small(), PRIORS, runs=runs, seed=1806, assumed=assumed)
        for key, counts, p in zip(found.names, found.histogram(), found.chance(), strict=True):
            print(f"| {name} | {runs} | {key} | {' '.join(map(str, counts))} | {p:.2g} |", flush=True)


if __name__ == "__main__":
    main()
