"""Do the lower bounds of the fidelity hold the truth, and how often is "no entanglement" rejected?

Run:  .venv/bin/python validation/fidelity_coverage.py > fidelity_coverage.md     (some ten minutes on two cores)

Counts of 11 pulse areas from 0 to pi, 300 shots each (003), of the count model R1, and the profiles of records.
tests/records/test_fidelity.py does the same with fewer data sets.
"""

from __future__ import annotations

import datetime
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np

from planted_counts import EDGE, KNOWN, UNCERTAIN, coverage

DATA_SETS = 2000
FIDELITIES = (1.0, 0.9, 0.5)


def main() -> None:
    """Print the tables as Markdown."""
    errors = [100 * np.sqrt(p * (1 - p) / DATA_SETS) for p in (0.68, EDGE, 0.95)]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    print("# Coverage of the lower bounds of the fidelity\n")
    print(f"{datetime.date.today()}, commit {commit}, `validation/fidelity_coverage.py`\n")
    print(f"{DATA_SETS} data sets per line; binomial errors {', '.join(f'{e:.1f}' for e in errors)} % at 68, 84, 95 %.")
    print("Share of data sets [%] whose one-sided lower bound is at most the true F, by the profile likelihood (L) and")
    print("with a flat prior on 0..1 (B), nominal 68 and 95 %; `edge` is where the deviance is 1 above its least,")
    print(
        "nominally 84.1 %. At F = 1 every lower bound holds. Calibrations: known, or sector 0.37 +- 0.02, preparation"
    )
    print("0.93 +- 0.01 (drawn anew for each data set), inelastic loss free.\n")
    print("| F | counts | calibration | L 68 | B 68 | edge | L 95 | B 95 |")
    print("|---|---|---|---|---|---|---|---|")
    rest = []
    for f in FIDELITIES:
        for use, shown in (("joint", "all"), ("two_atoms", "n2")):
            for model, name in ((KNOWN, "known"), (UNCERTAIN, "uncertain")):
                one = coverage(model, f, use, DATA_SETS, seed=20260211 + len(rest))
                cells = [one.likelihood[0.68], one.posterior[0.68], one.likelihood[EDGE], one.likelihood[0.95]]
                shares = " | ".join(f"{100 * c:.1f}" for c in (*cells, one.posterior[0.95]))
                print(f"| {f:g} | {shown} | {name} | {shares} |", flush=True)
                rest.append(
                    f"| {f:g} | {shown} | {name} | {one.mean:.3f} | {one.unbounded:.3f} | {one.sigma:.3f} "
                    f"| {one.pull:+.3f} | {one.width:.3f} | {100 * one.rejected:.1f} | {100 * one.certified:.1f} "
                    f"| {100 * one.refused:.2f} |"
                )
                assert one.refused < 0.005, one.refused
    print("\n# Estimates, and how often no entanglement (F = 1/2) is rejected\n")
    print("Mean F confined to 0..1 and without limits, standard error by Fisher information, pull of F without limits;")
    print("`missed`: share [%] whose optimum the fit misses, which `fit_fidelity` refuses, counted here all the same;")
    print("share of data sets [%] that reject F = 1/2 one-sidedly at 95 %, and by two standard errors (the verdict).\n")
    print("| F | counts | calibration | mean F | no limits | sigma | mean pull | width | 95 % | verdict | missed |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    print("\n".join(rest))


if __name__ == "__main__":
    main()
