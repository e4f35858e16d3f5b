"""What `darkstate check` says: every number of a lab file as it was understood, what follows from it, what looks wrong.

Solves nothing and loads no JAX.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from darkstate.conventions import STATEMENTS
from darkstate.experiments import CATALOGUE, Experiment
from darkstate.experiments.labfile import Lab
from darkstate.experiments.layout import lists, sections
from darkstate.experiments.two_cells import second_cell
from darkstate.parameters import Spec, specs
from darkstate.units import format_si, two_pi_reading


def check(lab: Lab) -> str:
    """Echo a lab file: inputs with units, conventions, derived rates, warnings.

    Args:
        lab: from `load`.

    Returns:
        The text.

    Example:
        >>> from darkstate.experiments.labfile import load, shipped_labs
        >>> print(check(load(shipped_labs()["krauter2011"])).splitlines()[0])
        krauter2011, case a: Krauter et al. 2011, Fig. 2: a, drive alone, d = 55
    """
    experiment = lab.experiment
    own = second_cell(experiment)
    warnings = experiment.warnings()
    warnings += [f"ensemble II: {text}" for text in own.warnings() if text not in warnings]
    head = f"{lab.name}, case {lab.case}" if lab.case else lab.name
    parts = [
        [head + (f": {lab.title}" if lab.title else ""), f"{lab.path}  {lab.digest}"],
        ["Inputs", *_columns(_inputs(lab))],
        ["Conventions", *(f"  {text}" for text in STATEMENTS)],
        ["Derived, all light at strength 1", *_columns(_derived(experiment, own))],
        ["Warnings", *(f"  {text}" for text in warnings)] if warnings else ["No warnings."],
    ]
    return "\n\n".join("\n".join(part) for part in parts)


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows as aligned columns."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _inputs(lab: Lab) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("parameter", "as written", "in SI", "other reading", "standard error", "meaning")]
    for key, spec, value in _values(lab.experiment):
        error = lab.uncertainties.get(key)
        if isinstance(value, str):
            si = reading = ""
        else:
            si, reading = _si(value, spec), two_pi_reading(value, spec.unit) if value else ""
        symbol = f"{spec.symbol}: " if spec.symbol != "-" else ""
        written = lab.written.get(key, f"(default) {value}" if isinstance(value, str) else "(default)")
        rows.append((key, written, si, reading, "" if error is None else _si(error, spec), symbol + spec.doc))
    return rows


def _si(value: float, spec: Spec) -> str:
    return f"{value:.6g}" + {"1": "", "1/s": " /s", "Hz": " Hz", "s": " s"}[spec.unit]


def _values(experiment: Experiment) -> Iterator[tuple[str, Spec, Any]]:
    """Dotted key, `Spec` and SI value of every parameter that has a value."""
    by_key: dict[str, Spec] = {}
    for section, cls in sections(_kind(experiment)).items():
        table = getattr(experiment, section)
        for name, spec in specs(table):
            by_key[f"{section}.{name}"] = spec
            if getattr(table, name) is not None:
                yield f"{section}.{name}", spec, getattr(table, name)
        for name in lists(cls):
            for n, row in enumerate(getattr(table, name)):
                for inner, spec in specs(row):
                    if getattr(row, inner) is not None:
                        yield f"{section}.{name}.{n}.{inner}", spec, getattr(row, inner)
    for key, value in experiment.second.items():
        yield f"second.{key}", by_key[key], value


def _kind(experiment: Experiment) -> str:
    return next(kind for kind, cls in CATALOGUE.items() if cls is type(experiment))


def _derived(experiment: Experiment, own: Experiment) -> list[tuple[str, ...]]:
    """Couplings and rates of ensemble I, and of ensemble II where it differs."""
    differs = bool(experiment.second)
    first, second = experiment.cell, own.cell
    rows = [("quantity", "ensemble I", *(("ensemble II",) if differs else ()), "meaning")]

    def add(symbol: str, one: str, two: str, meaning: str) -> None:
        rows.append((symbol, one, *((two,) if differs else ()), meaning))

    add("mu", f"{first.mu:.6g}", f"{second.mu:.6g}", "passive coupling, (Z + 1/Z)/2")
    add("nu", f"{first.nu:.6g}", f"{second.nu:.6g}", "active coupling, (Z - 1/Z)/2")
    floor = "xi of the ideal steady state, 1/Z^2"
    add("(mu - nu)^2", f"{(1 / first.z) ** 2:.6g}", f"{(1 / second.z) ** 2:.6g}", floor)
    for name, spec in specs(first.total):
        one, two = getattr(first.total, name), getattr(second.total, name)
        add(spec.symbol, _rate(one), _rate(two), spec.doc)
    return rows


def _rate(value: float) -> str:
    return f"{format_si(value, '1/s')} ({two_pi_reading(value, '1/s')})" if value else "0 /s"
