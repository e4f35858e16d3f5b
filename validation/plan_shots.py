"""Do the cycles that `plan` asks for give the error it promises, in records of the digital twin?

Run:  .venv/bin/python validation/plan_shots.py > plan_shots.md     (some twenty minutes on one core)

Every line plans a measurement, simulates that record many times at the planned numbers of cycles, reconstructs xi, and
compares the spread and the stated error with the planned one. Cycles go as one over the error squared.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import darkstate as ds
from darkstate.records.calibrate import calibrate
from darkstate.report.recording import lab_calibration, simulate_lab, simulate_runs
from darkstate.report.shot_plan import plan_shots

FAST = ("acquisition.carrier=64 kHz", "acquisition.sample_rate=200 kHz")
STRONG = (*FAST, "drive.rate=0.01 /ms", "noise.gamma_tilde=0.55 /ms", "protocol.duration=5 ms")
KRAUTER = ("acquisition.sample_rate=200 kHz", "field.larmor_splitting=64 kHz", "protocol.duration=12 ms")


@dataclass(frozen=True)
class Setting:
    """A lab, the significance wanted, and how many times the measurement is made; with calibration runs of its own?"""

    lab: str
    case: str
    changes: tuple[str, ...]
    sigmas: float
    seeds: int
    runs: bool = False


SETTINGS = [
    Setting("muschik2013-monitored", "x1", (*STRONG, "detection.efficiency=0.84"), 5, 400),
    Setting("muschik2013-monitored", "x1", (*STRONG, "detection.efficiency=0.6", "bath.variance=1.2"), 4, 400),
    Setting(
        "muschik2013-monitored", "x1", (*STRONG, "detection.efficiency=0.84", "detection.electronic_noise=0.2"), 8, 400
    ),
    Setting("krauter2011", "a", (*KRAUTER, "detection.efficiency=0.84"), 2, 200),
    Setting("muschik2013-monitored", "x1", (*STRONG, "detection.efficiency=0.84"), 8, 200, runs=True),
]


def row(s: Setting) -> tuple[str, float, float]:
    """One line of the table, and the cycles that the spread and the stated error correspond to over the planned."""
    path = ds.shipped_labs()[s.lab]
    best = plan_shots(ds.load(path, case=s.case, overrides=s.changes), s.sigmas)
    counts = (f"acquisition.cycles={best.cycles}", f"acquisition.shot_cycles={best.shot_cycles}")
    lab = ds.load(path, case=s.case, overrides=(*s.changes, f"acquisition.probe={best.probe!r} s", *counts))
    known, k = lab_calibration(lab), int(np.argmin(np.abs(best.starts - best.start)))
    found = []
    for seed in range(s.seeds):
        if s.runs:
            records = simulate_runs(lab, cycles=best.run_cycles, seed=10**6 * (seed + 1))
            known = calibrate(list(records.values()), given=lab_calibration(lab))[0]
        record = simulate_lab(lab, seed=seed)
        made = ds.reconstruct(record, known, probe=best.probe, starts=best.starts, methods=("unconditional",))
        found.append(made.estimates["unconditional"][k])
    planned = np.hypot(best.xi_err, best.xi_sys) if s.runs else best.xi_err
    xi = np.array([e.xi for e in found])
    stated = float(np.mean([e.total if s.runs else e.xi_err for e in found]))
    spread, error = float(xi.std(ddof=1)), 1 / np.sqrt(2 * (s.seeds - 1))
    ratios = (spread / planned) ** 2, (stated / planned) ** 2
    line = (
        f"| {s.lab} {s.case} | {s.sigmas:g} | {1e3 * best.probe:.3g} | {best.cycles} | {best.shot_cycles} "
        f"| {best.run_cycles if s.runs else '-'} | {best.xi:.4f} | {xi.mean():.4f} +- {spread / np.sqrt(s.seeds):.4f} "
        f"| {planned:.4f} | {spread:.4f} +- {spread * error:.4f} | {stated:.4f} | {ratios[0]:.2f} +- "
        f"{2 * ratios[0] * error:.2f} | {ratios[1]:.2f} |"
    )
    return line, *ratios


def main() -> None:
    """Print the record as Markdown."""
    where = Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=where, capture_output=True, text=True).stdout.strip()

    later = " with changes made after it" if git("--no-optional-locks", "status", "--porcelain", "../src") else ""
    print("# Planned cycles against the digital twin\n")
    print(f"{date.today()}, commit {git('rev-parse', '--short', 'HEAD')}{later}, `validation/plan_shots.py`\n")
    print(
        ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "jax"))
        + f", Python {platform.python_version()};"
    )
    print(f"a shared {platform.machine()} machine with {os.cpu_count()} cores.\n")
    for k, s in enumerate(SETTINGS, 1):
        print(
            f"{k}. {s.lab}, case {s.case}, {s.seeds} records: {', '.join(s.changes)}"
            + ("; own calibration runs" if s.runs else "")
        )
    print(
        "\nLast two columns: cycles that the spread (with its own error) and the mean stated error of xi correspond to,"
    )
    print("over the planned ones. Wanted: 0.8 to 1.2. Lines without calibration runs use the true calibration.\n")
    columns = (
        "lab | sigmas | window [ms] | atoms | light | runs | xi planned | xi found | error planned | spread | stated"
    )
    print(f"| {columns} | cycles by spread | by stated error |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    wrong = []
    for s in SETTINGS:
        line, *ratios = row(s)
        print(line, flush=True)
        wrong += [f"{s.lab} {s.case} at {s.sigmas:g} sigma: {r:.2f}" for r in ratios if not 0.8 <= r <= 1.2]
    print("\n## Verdict\n")
    print(
        "\n".join(f"- {line}" for line in wrong)
        if wrong
        else "All planned numbers of cycles are confirmed within 20 %."
    )
    if wrong:
        sys.exit("a planned number of cycles is not confirmed")


if __name__ == "__main__":
    main()
