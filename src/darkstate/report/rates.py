"""Every derived rate of a lab file: value, standard error, formula with its inputs, source, and what it rests on.

    lab file -> experiment -> quantities (`derived`) -> table;   errors: first order, by exact derivatives

Up: cli `rates`. The model is not solved here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from darkstate.atoms.validity import CURES
from darkstate.errors import ArgumentError, InputError, Outcome
from darkstate.experiments.labfile import Lab
from darkstate.experiments.two_cells import second_cell, worse_checks
from darkstate.experiments.values import value_at, with_values
from darkstate.report.derived import Derived, groups, parameter_text, value_text
from darkstate.solve.limits import LIMITS


@dataclass(frozen=True)
class Rate:
    """One line of the table: `Derived` with its numbers.

    Args:
        of: what it is; value: [SI]; error: standard error, None where no uncertainty of the lab file reaches it;
        second: value of ensemble II, None where both are alike or the value belongs to both.
    """

    of: Derived
    value: float
    error: float | None
    second: float | None


@dataclass(frozen=True)
class Check:
    """One figure that must stay below its limit."""

    name: str
    value: float
    limit: float

    @property
    def outcome(self) -> Outcome:
        """`ok` up to the limit."""
        return Outcome.ok if self.value <= self.limit else Outcome.outside_validity

    @property
    def said(self) -> str:
        """The outcome, with its cure."""
        return "ok" if self.outcome is Outcome.ok else f"{self.outcome.name}: {CURES[self.name]}"


@dataclass(frozen=True, repr=False)
class Rates:
    """What `rates` returns; prints as a table, and gives single values by key.

    Args:
        lab: the lab file; groups: title to its lines; checks: figures of validity, the worse ensemble counts.
    """

    lab: Lab
    groups: dict[str, list[Rate]]
    checks: list[Check]

    def __getitem__(self, key: str) -> Rate:
        found = {r.of.key: r for lines in self.groups.values() for r in lines}
        if key not in found:
            raise ArgumentError(f"{key!r} is no derived rate of {self.lab.name}, which has {', '.join(found)}.")
        return found[key]

    @property
    def outcome(self) -> Outcome:
        """`ok` where every check is below its limit."""
        return max((c.outcome for c in self.checks), default=Outcome.ok)

    def __str__(self) -> str:
        return _text(self)

    def __repr__(self) -> str:
        return f"<Rates of {self.lab.name}: {self.outcome.name}>"


def rates(lab: Lab) -> Rates:
    """Every derived rate of a lab file, with formula, inputs, error and validity.

    Args:
        lab: from `darkstate.load`.

    Returns:
        `Rates`: prints as a table; `rates(lab)["z"].value` is one number.

    Raises:
        ArgumentError: `lab` is no lab that was loaded.

    Example:
        >>> import darkstate as ds
        >>> found = ds.rates(ds.load(ds.shipped_labs()["krauter2011-lab"], overrides=["laser.power=5.6(3) mW"]))
        >>> print(f"Gamma = {found['gamma'].value:.2f} +- {found['gamma'].error:.2f} /s, Z = {found['z'].value:.3f}")
        Gamma = 1.85 +- 0.10 /s, Z = 2.522
    """
    if not isinstance(lab, Lab):
        raise ArgumentError(f"Argument `lab` must come from darkstate.load(path), but is a {type(lab).__name__}.")
    experiment = lab.experiment
    own = second_cell(experiment)
    table = groups(experiment)
    every = [d for lines in table.values() for d in lines]
    errors = _errors(lab, every)
    differs = own != experiment
    of_second = {d.key: d for lines in groups(own).values() for d in lines if differs and not d.shared}
    lines = {
        title: [
            Rate(
                d,
                float(d.value(experiment)),
                errors.get(d.key),
                float(of_second[d.key].value(own)) if d.key in of_second else None,
            )
            for d in lines
        ]
        for title, lines in table.items()
    }
    return Rates(lab, lines, _checks(experiment))


def _errors(lab: Lab, every: list[Derived]) -> dict[str, float]:
    """Standard errors by key, to first order in the uncertainties of the lab file."""
    keys = tuple(lab.uncertainties)
    if not keys:
        return {}
    from darkstate.backend import jax, jnp

    def all_of(values: Any) -> Any:
        changed = with_values(lab.experiment, dict(zip(keys, values, strict=True)))
        return jnp.stack([jnp.asarray(d.value(changed), float) for d in every])

    centre = jnp.array([value_at(lab.experiment, key) for key in keys])
    sigma = np.array([lab.uncertainties[key] for key in keys])
    slopes = np.asarray(jax.jacfwd(all_of)(centre))
    if not np.all(np.isfinite(slopes)):
        raise InputError([f"{lab.path}: an uncertainty is given where a rate has no derivative: {', '.join(keys)}"])
    total = np.sqrt(((slopes * sigma) ** 2).sum(-1))
    # what does not depend on these inputs has slopes of rounding size
    known = zip(every, total, strict=True)
    return {d.key: float(t) for d, t in known if t > 1e-12 * abs(float(d.value(lab.experiment)))}


def _checks(experiment: Any) -> list[Check]:
    if not getattr(experiment, "laser", None):
        return []
    return [Check(name, float(value), LIMITS[name][0]) for name, value in worse_checks(experiment).items()]


def _text(r: Rates) -> str:
    lab = r.lab
    head = f"{lab.name}, case {lab.case}" if lab.case else lab.name
    parts = [head + (f": {lab.title}" if lab.title else "")]
    values = {line.of.key: line for lines in r.groups.values() for line in lines}
    for title, lines in r.groups.items():
        both = any(line.second is not None and line.second != line.value for line in lines)
        rows: list[tuple[str, ...]] = [
            ("quantity", *(("ensemble I", "ensemble II") if both else ("value",)), "formula", "inputs", "source")
        ]
        for line in lines:
            own = ("" if line.second is None else value_text(line.second, line.of.unit),) if both else ()
            inputs = ", ".join(
                f"{values[k].of.symbol} = {value_text(values[k].value, values[k].of.unit)}"
                if k in values
                else parameter_text(lab.experiment, k)
                for k in line.of.inputs
            )
            value = value_text(line.value, line.of.unit, line.error)
            rows.append((line.of.symbol, value, *own, line.of.formula, inputs, line.of.source))
        parts.append(title + "\n" + _columns(rows))
    if r.checks:
        rows = [("check", "figure", "limit", "")]
        rows += [(c.name, f"{c.value:.2g}", f"{c.limit:g}", c.said) for c in r.checks]
        parts.append("Validity: what the rates of the light rest on (darkstate.atoms.validity)\n" + _columns(rows))
    parts.append(_verdict(r))
    return "\n\n".join(parts)


def _verdict(r: Rates) -> str:
    beyond = [c for c in r.checks if c.outcome is not Outcome.ok]
    said = f"{r.outcome.name}" + (f": beyond its limit {', '.join(c.name for c in beyond)}" if beyond else "")
    errors = f"from {', '.join(r.lab.uncertainties)}; all else is taken as exact" if r.lab.uncertainties else ""
    hint = 'no uncertainty in the lab file, so no errors; write a value as "5.6(3) mW" to see them'
    return f"outcome  {said}\nerrors   {errors or hint}"


def _columns(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join("  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)
