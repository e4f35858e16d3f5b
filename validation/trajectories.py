"""Are quantum trajectories those of the density matrix of all spins, in every number and for every jump?

Run:  .venv/bin/python validation/trajectories.py > trajectories.md     (some five minutes on one core)

tests/agreement/test_trajectories.py does the same with a tenth of the trajectories.
"""

from __future__ import annotations

import datetime
import subprocess
import sys
from itertools import combinations, count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
from scipy.stats import norm

from darkstate.spins.exact.jumps import JumpModel
from oracles.moments import moments
from sampled_spins import (
    LADDERS,
    MODELS,
    SENSITIVE,
    SETS,
    SPREAD,
    THIRD,
    TIMES,
    deviations,
    distributions_of,
    doubled,
    local,
    pair_of,
    sampled,
    truth_of,
)
from systems import model_of, scaled

NUMBER, FEWER = 200_000, 20_000
SIZES = [(1, 1), (2, 2), (3, 3), (1, 3), (3, 2)]
SEEDS = count(20260301)
EVERY: list[float] = []
"""Deviations of all cases, in standard errors."""


def worst(off: dict[str, float]) -> str:
    """The largest deviation of a case, which is added to all others."""
    EVERY.extend(off.values())
    return f"{max(off.values(), default=0.0):.2f}"


def in_the_light(names: tuple[str, ...], first: int, second: int) -> str:
    """Two ensembles in the light with these channels, against `oracles.density_matrix`."""
    system = pair_of(names, first, second)
    states = system.evolve(system.polarised_state(0.8, 0.3), TIMES)
    truth = [vars(scaled(system, moments(system, rho))) for rho in states], distributions_of(system, states[-1])
    return worst(deviations(sampled(model_of(system, up=(0.9, 0.65)), NUMBER, next(SEEDS)), *truth))


def any_operators(model: JumpModel) -> tuple[str, int, float]:
    """Largest deviation, number of comparisons, jumps per trajectory, against `oracles.collective_spins`."""
    found = sampled(model, NUMBER, next(SEEDS))
    off = deviations(found, *truth_of(model))
    return worst(off), len(off), found.jumps


def main() -> None:
    """Print the tables as Markdown."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    print("# Quantum trajectories against the density matrix of all spins\n")
    print(f"{datetime.date.today()}, commit: {commit}, `validation/trajectories.py`\n")
    print(f"{NUMBER} trajectories per case. Every population, mean and second moment at the times {TIMES}, and the")
    print("distribution of j at the last one; the largest deviation in standard errors (jackknife of 100 groups).\n")
    print("Two ensembles in the light, polarisations 0.8 and 0.3, transmission 0.7, by N_I + N_II:\n")
    print("| channels | " + " | ".join(f"{n} + {m}" for n, m in SIZES) + " |")
    print("|---" * (1 + len(SIZES)) + "|")
    for names in SETS:
        print(f"| {', '.join(names)} | {' | '.join(in_the_light(names, *size) for size in SIZES)} |", flush=True)
    print("\nThree levels, 2 + 2 atoms with collective light, by the exchange with the third level that is on:\n")
    print("| channels | largest | comparisons | jumps |\n|---|---|---|---|")
    for names in [*((name,) for name in THIRD), *combinations(THIRD, 2), THIRD]:
        largest, number, jumps = any_operators(JumpModel((2, 2), LADDERS, local(*names), start=SPREAD))
        print(f"| {', '.join(names)} | {largest} | {number} | {jumps:.1f} |", flush=True)
    print("\nAny jump operators; N_II = 0 is one ensemble:\n")
    print("| model | atoms | largest | comparisons | jumps |\n|---|---|---|---|---|")
    for name, model in MODELS.items():
        largest, number, jumps = any_operators(model)
        n, m = model.atoms
        print(f"| {name} | {n} + {m} | {largest} | {number} | {jumps:.1f} |", flush=True)
    off = np.array(EVERY)
    median = norm.isf((1 - 0.5 ** (1 / off.size)) / 2)
    print(f"\nTogether {off.size} comparisons, not all independent (N_up and N_down, <Jy^2> and <Jz^2> often move as")
    print(f"one): largest {off.max():.2f}, where the largest of as many normal deviates has the median {median:.2f};")
    print(f"mean square {np.mean(off**2):.3f} (1.02 expected of errors from 100 groups); beyond 2 standard errors")
    print(f"{100 * np.mean(off > 2):.1f} % (4.8 expected), beyond 3 {100 * np.mean(off > 3):.2f} % (0.34).\n")
    assert off.max() < norm.isf(0.005 / off.size), off.max()
    print("# What a factor of 2 would do\n")
    print(f"Each rate doubled in the density matrix alone: largest deviation of {FEWER} trajectories, in standard")
    print("errors; `true` is that of the rates as they are.\n")
    print("| model | rate | true | doubled |\n|---|---|---|---|")
    for name, model in SENSITIVE.items():
        found = sampled(model, FEWER, next(SEEDS))
        true = max(deviations(found, *truth_of(model)).values())
        for what, other in doubled(model):
            far = max(deviations(found, *truth_of(other)).values())
            print(f"| {name} | {what} | {true:.1f} | {far:.0f} |", flush=True)
            assert true < 4 and far > 8, (name, what)


if __name__ == "__main__":
    main()
