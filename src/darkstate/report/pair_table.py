"""The prediction of two atoms in a tweezer as a table and as a dataset.

Up: `pair` prints and saves what this file makes of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from darkstate.errors import Outcome
from darkstate.pair.detection import count_probabilities
from darkstate.pair.kinetic import collision_rate
from darkstate.pair.motion import contact_fraction
from darkstate.report.counting import raman_error
from darkstate.report.pair import PairPrediction, gradient_flip, physical_fidelity
from darkstate.report.pair_spread import LATE
from darkstate.report.text import headline, in_words, with_error
from darkstate.units import format_si
from darkstate.witness.fisher import gain
from darkstate.witness.spin_pair import fidelity, negativity, sector_concurrence

AREAS = {"0": 0.0, "pi/2": np.pi / 2, "pi": np.pi}
"""Pulse areas whose counts the table shows."""

FIGURES = {
    "dilute": "n <f^2>^(3/2)",
    "classical": "h f/k_B T",
    "zeeman": "h D/k_B T",
    "range": "(k abar)^2",
    "small_length": "abar/|a_f|",
}
"""Checks of the kinetic model and what the table calls them; all must be small."""

MATTERS = 0.1
"""Smallest share of the error of P_1, relative to the whole, that the table names."""


def table(p: PairPrediction) -> str:
    """The table of a prediction: populations, entanglement, counts, validity and what they rest on."""
    e, lab = p.lab.experiment, p.lab
    rows = [("changed", text) for text in lab.overrides]
    rows += [*_populations(p), *_entanglement(p), *_counts(p), *_validity(p)]
    if p.shares:
        whole = float(np.linalg.norm(list(p.shares.values())))
        said = ", ".join(f"{v:.4f} from {k}" for k, v in p.shares.items() if v > MATTERS * whole)
        rows.append(("uncertainty", f"of P_1: {said}, each alone; what has no error in the lab file is taken as exact"))
    rows += [("warning", text) for text in e.warnings()]
    width = max(len(name) for name, _ in rows)
    return "\n".join([headline(lab), *(f"  {name:<{width}}  {text}" for name, text in rows), f"  {p.verdict}"])


def _populations(p: PairPrediction) -> list[tuple[str, str]]:
    e: Any = p.lab.experiment
    rate = collision_rate(e.pair())
    end = format_si(e.collisions.duration, "s", digits=4)
    ranged = float(e.collisions.mean_length) > 0
    total, into = (format_si(float(x), "1/s", digits=4) for x in (rate.total, rate.into[1]))
    shown = " ".join(f"{x:.4f}" for x in p.populations[-1])
    contact = " ".join(f"{x:.4f}" for x in p.contact[-1])
    error = "" if p.spread is None else f" +- {p.spread.error[-1, 1]:.4f} (P_1)"
    rows = [
        ("collisions", f"{total} per pair, {into} of them into chi_1"),
        (f"after {end}", f"P_0 P_1 P_2 = {shown}{error} of prepared pairs"),
    ]
    if p.spread is not None:
        median, half = p.spread.median[-1, 1], p.spread.error[-1, 1]
        if abs(median - p.populations[-1, 1]) > half / 3:
            rows.append(("", f"median over the uncertain numbers P_1 = {median:.4f}"))
    if ranged:
        rows.append(("", f"without effective range {contact}"))
    late = format_si(LATE * e.collisions.duration, "s", digits=4)
    rows.append(("", f"mean over the last {late} P_1 = {with_error(p.late)}"))
    measured = p.lab.uncertainties.get("detection.sector", 0.0)
    apart = float(p.sector.value) - float(e.detection.sector)
    sigma = float(np.hypot(p.sector.uncertainty or 0.0, measured))
    distance = f", {abs(apart) / sigma:.1f} standard errors apart" if sigma else f", {abs(apart):.4f} apart"
    given = f"detection.sector = {e.detection.sector:.4g}{distance}"
    text = f"q^2 P_1 = {with_error(p.sector)} of all pairs, misprepared ones too; {given}"
    return [*rows, ("in m = +-1", text)]


def _entanglement(p: PairPrediction) -> list[tuple[str, str]]:
    if p.empty:
        return [("entanglement", "none to speak of: no pairs in m = +-1")]
    concurrence, all_m = float(sector_concurrence(p.state)), float(negativity(p.state))
    coherences = float(np.max(np.abs(np.asarray(p.state.coherences))))
    every, selected = p.fisher
    rows = [
        ("fidelity", f"F = {with_error(p.fidelity)} with chi_1 in m = +-1, by symmetry, whatever the temperature"),
        (
            "entanglement",
            f"concurrence {concurrence:.4f} in m = +-1, negativity {all_m:.4f} of all m; between |00>, chi_1 and chi_2 "
            f"coherence up to {coherences:.3f}",
        ),
        (
            "Fisher",
            f"{every:.3f} per pair and (2 pi delta T)^2, {gain(every):.2f} of the standard quantum limit; "
            f"{selected:.3f} and {gain(selected):.2f} if only m = +-1 is kept",
        ),
    ]
    if p.destroyed is not None:
        found = fidelity(p.destroyed)
        flip = float(gradient_flip(p.lab.experiment))
        text = (
            f"F = {float(found.value):.4f}, {found.verdict}; concurrence {float(sector_concurrence(p.destroyed)):.4f}; "
            f"the gradient alone turns {flip:.1e}"
        )
        rows.append(("destruction", text))
    return rows


def _counts(p: PairPrediction) -> list[tuple[str, str]]:
    e: Any = p.lab.experiment
    f = physical_fidelity(p.state)
    rows = []
    for k, (name, area) in enumerate(AREAS.items()):
        own, other = (np.asarray(count_probabilities(area, x, e.detection)) for x in (f, 0.5))
        said = [" ".join(f"{x:.4f}" for x in one) for one in (own, other)]
        rows.append(("counts" if not k else "", f"theta = {name:<4}  P(0 1 2 atoms) = {said[0]}; at F = 1/2 {said[1]}"))
    errors = [_sigma(p, use) for use in ("joint", "two_atoms")]
    total = f"{e.raman.areas} areas of {e.counting.shots} pairs"
    rows.append(("expected", f"sigma_F = {errors[0]} from {total}; {errors[1]} from 2 atoms against fewer alone"))
    return rows


def _sigma(p: PairPrediction, use: str) -> str:
    value = raman_error(p.lab, fidelity=physical_fidelity(p.state), use=use)
    return f"{value:.3f}" if value < 100 else "infinite"


def _validity(p: PairPrediction) -> list[tuple[str, str]]:
    outcome = Outcome(p.outcome)
    e: Any = p.lab.experiment
    figures = "; ".join(f"{name} = {float(p.solution.checks[key]):.1g}" for key, name in FIGURES.items())
    share = 100 * contact_fraction(e.well, e.atoms.temperature)
    text = f"if the trap were harmonic only {share:.2g} % of the pairs would collide; the kinetic model is for tweezers"
    return [("outcome", in_words(outcome, p.solution.checks)), ("validity", figures), ("caution", text)]


def dataset(p: PairPrediction) -> xr.Dataset:
    """Populations over time, what holds at the end, and counts against the pulse area."""
    e: Any = p.lab.experiment
    areas = np.linspace(0.0, e.raman.largest_area, 181)
    models = np.array([physical_fidelity(p.state), 0.5])
    counts = np.asarray(count_probabilities(areas, models[:, None], e.detection))
    every, selected = p.fisher

    def number(value: Any, text: str) -> tuple[tuple[()], float, dict[str, str]]:
        return (), float(value), {"units": "1", "long_name": text}

    one = {"units": "1"}
    data = xr.Dataset(
        {
            "population": (("t", "state"), p.populations, one | {"long_name": "P_|m| of prepared pairs"}),
            "population_contact": (("t", "state"), p.contact, one | {"long_name": "the same without effective range"}),
            "sector": number(p.sector.value, "share of all pairs in m = +-1 at the end"),
            "fidelity": number(p.fidelity.value, "fidelity with chi_1 in m = +-1 (separable: at most 1/2)"),
            "concurrence": number(sector_concurrence(p.state), "concurrence in m = +-1"),
            "negativity": number(negativity(p.state), "negativity of the whole spin state"),
            "fisher": number(every, "quantum Fisher information per pair and (2 pi delta T)^2 (separable: at most 2)"),
            "fisher_selected": number(selected, "the same of pairs in m = +-1 only"),
            "counts": (("model", "theta", "n"), counts, one | {"long_name": "probability of n atoms left"}),
            "sigma_f": number(raman_error(p.lab), "expected standard error of the fidelity"),
            "outcome": ((), int(p.outcome), {"flag_meanings": " ".join(o.name for o in Outcome)}),
        },
        coords={
            "t": ("t", p.times, {"units": "s"}),
            "state": ["00", "chi_1", "chi_2"],
            "theta": ("theta", areas, {"units": "rad", "long_name": "area of the Raman pulse"}),
            "n": ("n", [0, 1, 2], {"units": "1", "long_name": "number of atoms left"}),
            "model": ["lab", "unentangled"],
        },
    )
    if p.spread is not None:
        text = "standard uncertainty of population, half of its spread from 16 to 84 %"
        data["population_err"] = ("t", "state"), p.spread.error, one | {"long_name": text}
        for name, share in (("low", 16), ("median", 50), ("high", 84)):
            text = f"{share} % of the draws of the uncertain numbers have less"
            data[f"population_{name}"] = ("t", "state"), getattr(p.spread, name), one | {"long_name": text}
    if p.sector.uncertainty is not None:
        data["sector_err"] = number(p.sector.uncertainty, "standard uncertainty of sector")
    if p.destroyed is not None:
        data["fidelity_destroyed"] = number(p.destroyed.fidelity, "fidelity after the destruction")
    for name, value in p.solution.checks.items():
        data[f"check_{name}"] = (), float(np.max(np.asarray(value))), {"long_name": f"check {name}"}
    return data
