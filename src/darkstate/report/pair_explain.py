"""How the numbers of two atoms in a tweezer come about, step by step; `explain` prints it."""

from __future__ import annotations

from collections.abc import Callable
from math import expm1, pi
from typing import Any

from darkstate.experiments.tweezer_pair import TweezerPair


def _n(value: Any) -> str:
    return f"{float(value):.6g}"


def sector(e: TweezerPair) -> str:
    """How many of all pairs are in m = +-1 when the pulse comes."""
    from darkstate.report.pair import final_state

    p = final_state(e).populations
    share = e.prepared_pairs
    kind = "with effective range" if e.collisions.mean_length else "zero range"
    return "\n".join(
        [
            f"Share of all pairs in m = +-1 after the collisions (003; kinetic model, {kind})",
            f"  P_0, P_1, P_2 of prepared pairs after {_n(1e3 * e.collisions.duration)} ms = "
            f"{_n(p[0])}, {_n(p[1])}, {_n(p[2])}",
            f"  both atoms prepared: q^2 = {_n(e.detection.preparation)}^2 = {_n(share)}",
            f"  q^2 P_1 = {_n(share)} x {_n(p[1])} = {_n(share * p[1])}",
        ]
    )


def fidelity(e: TweezerPair) -> str:
    """Why the fidelity is 1, and what the destruction makes of it."""
    from darkstate.report.pair import gradient_flip

    lines = [
        "Fidelity with chi_1 of the pairs in m = +-1 (003); separable: F <= 1/2",
        "  collisions conserve the parity of the relative motion, so the spins stay even under exchange: only chi_1",
    ]
    if e.destruction is None:
        return "\n".join([*lines, "  no [destruction]: F = 1"])
    first, second = float(gradient_flip(e)), float(e.destruction.scrambled)
    kept = (1 - 2 * first) * (1 - 2 * second)
    return "\n".join(
        [
            *lines,
            "  before the destruction F = 1",
            f"  gradient: p_1 = [1 - exp(-2 d^2 k_T^2)]/2 = {_n(first)};  second tweezer: p_2 = {_n(second)}",
            f"  F = [1 + (1 - 2 p_1)(1 - 2 p_2)]/2 = [1 + {_n(1 - 2 * first)} x {_n(1 - 2 * second)}]/2 = "
            f"{_n((1 + kept) / 2)}",
        ]
    )


def counts(e: TweezerPair) -> str:
    """What becomes of the pairs after a pi/2 pulse at F = 1, step by step (model R1)."""
    import numpy as np

    from darkstate.pair import detection as d

    i, q = e.detection, e.detection.preparation
    pulsed = d.pulsed_pairs(0.5, 1.0, i)
    scattered = d.scatter(pulsed, pi / 2, i)
    ejected = d.eject(scattered, i)
    kept, lost = d.collide(ejected, i)
    left = np.asarray(d.count(kept, lost, i))
    upper = np.array([f == 3 for f, _ in d.LEVELS])
    joint = np.asarray(ejected)
    both, none = joint[upper][:, upper].sum(), joint[~upper][:, ~upper].sum()
    photons = -expm1(-i.scattering / 2)
    return "\n".join(
        [
            "Atoms left after a pi/2 pulse on pairs of fidelity 1 (model R1; 003 Fig. 2b)",
            f"  pairs: m = +-1 {_n(i.sector)}, dark q^2 - P_s = {_n(i.dark)}, one atom misprepared 2q(1-q) = "
            f"{_n(2 * q * (1 - q))}, both (1-q)^2 = {_n((1 - q) ** 2)}",
            "  pulse: 1 - F sin^2 theta = 0 of the pairs in m = +-1 stay in different spins",
            f"  scattering: 1 - exp(-s theta/pi) = {_n(photons)} of the atoms",
            f"  ejection {_n(i.ejection)}: both atoms in F = 3 {_n(both)}, one {_n(1 - both - none)}, none {_n(none)}",
            f"  inelastic: {_n(i.inelastic)} of those with one in F = 3 lose both, {_n(lost)} of all pairs",
            f"  push-out {_n(i.pushout)} of F = 3, {_n(i.pushout_other)} of F = 2; {_n(i.loss)} of the rest lost",
            f"  0, 1, 2 atoms left: {_n(left[0])}, {_n(left[1])}, {_n(left[2])}",
        ]
    )


QUANTITIES: dict[str, Callable[[Any], str]] = {"fidelity": fidelity, "sector": sector, "counts": counts}
"""What can be explained of two atoms in a tweezer."""
