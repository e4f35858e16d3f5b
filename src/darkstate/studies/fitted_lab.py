"""A fit as a lab file: the text of the lab file with the fitted values, their errors, and where they come from.

    "0.193 /ms"  ->  "0.1932 +- 0.0048 /ms"      `darkstate predict fitted.toml` then draws a band

A lab file knows no correlations: its band treats the errors as independent. The covariance is in fit.nc.
"""

from __future__ import annotations

import tomllib
from math import ceil, isfinite, log10
from typing import Any

from darkstate.errors import ArgumentError, InputError
from darkstate.experiments.tomltext import Lines
from darkstate.studies.editing import edited
from darkstate.studies.fit import Minimum
from darkstate.studies.fit_table import Problem
from darkstate.units import format_si, parse


def fitted_lab(problem: Problem, minimum: Minimum) -> str:
    """The text of the lab file with the fitted values, of every case that data were taken in.

    Values that slopes determine are written too, and those the study file sets. A parameter that a data set has of its
    own is written where this data set has a case for itself, else it stays as it was.

    Args:
        problem: what was fitted; minimum: the result.

    Raises:
        InputError: a value stands where it cannot be replaced line by line.
    """
    lab = problem.study.lab
    cases = tuple(dict.fromkeys([lab.case, *(other.case for other in problem.labs)]))
    text = lab.text if lab.case is None else chosen(lab.text, lab.case)
    note = _note(problem, minimum)
    given = dict(entry.split("=", 1) for entry in lab.overrides)
    fitted = {e.free.name: (e.value, e.error) for e in minimum.estimates}
    try:
        text = edited(text, {k: _plain(v) for k, v in given.items() if k not in fitted}, cases=cases)
        for estimate in minimum.estimates:
            free, where = estimate.free, cases
            if free.of is not None:
                where = (problem.labs[free.of].case,)
                if sum(other.case == where[0] for other in problem.labs) > 1 or where[0] is None:
                    continue
            value = _quantity(estimate.value, estimate.error, free.spec.unit)
            text = edited(text, {free.key: value}, cases=where, note=note)
        for key, (solved, error) in minimum.solved.items():
            text = edited(text, {key: _quantity(solved, error, problem.specs[key].unit)}, cases=cases, note=note)
    except ArgumentError as error:
        raise InputError([f"{lab.path}: {error}"]) from None
    return text


def chosen(text: str, case: str) -> str:
    r"""The text of a lab file with another default case.

    Example:
        >>> chosen('experiment = "cesium_cells"\n[cases.a]\n[cases.b]\n', "b")
        'experiment = "cesium_cells"\ndefault_case = "b"\n[cases.a]\n[cases.b]\n'
    """
    data = tomllib.loads(text)
    if "default_case" in data:
        return edited(text, {"default_case": f'"{case}"'}) if data["default_case"] != case else text
    if next(iter(data.get("cases", {})), None) == case:
        return text
    lines = text.split("\n")
    at = Lines(text).of(("experiment",))
    return "\n".join([*lines[:at], f'default_case = "{case}"', *lines[at:]])


def _note(problem: Problem, minimum: Minimum) -> str:
    files = ", ".join(dict.fromkeys(p.data.name for p in problem.likelihood.pieces))
    return f"fitted to {files}: chi^2 = {minimum.chi_squared:.4g} for {minimum.degrees} degrees of freedom"


def _plain(text: str) -> str:
    """A value as `--set` takes it, as TOML: a number or true and false as they are, else in quotes."""
    text = text.strip()
    try:
        float(text)
    except ValueError:
        return text if text in ("true", "false") else '"' + text.strip("\"'") + '"'
    return text


def _quantity(value: float, error: float, unit: str) -> str:
    """A value with its error to three digits, and digits enough that rounding is below a thousandth of the error."""
    kind: Any = unit
    if not (isfinite(error) and error > 0):
        return f'"{format_si(value, kind, digits=12)}"'
    digits = min(15, max(3, ceil(log10(max(abs(value) / error, 1.0))) + 4))
    text = format_si(value, kind, error=error, digits=digits)
    assert parse(text, kind)[1] is not None
    return f'"{text}"'
