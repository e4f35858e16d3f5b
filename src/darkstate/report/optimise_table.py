"""The table of an optimum: the settings, what can be said against them, and what limits the quantity."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote
from typing import TYPE_CHECKING

import numpy as np

from darkstate.errors import ArgumentError, Outcome
from darkstate.report.text import headline
from darkstate.studies.best_lab import written
from darkstate.studies.constraints import KEPT
from darkstate.units import format_si
from darkstate.witness.value import WitnessValue

if TYPE_CHECKING:
    from darkstate.report.optimise import Optimum

SHOWN = 10
"""Rows of the tables of sensitivities."""

SMALL = 5e-5
"""Sensitivity below which a parameter is not named."""


def table(o: Optimum) -> str:
    """The table of an optimum."""
    p = o.problem
    rows = [("changed", text) for text in p.study.lab.overrides]
    if p.grid is None:
        rows += [(f"{_side(o)} {p.name}", _value(o, 0)), ("as it is", _start(o, 0))]
        if p.quantity.entangled is not None and o.found.answers.outcome[0] == Outcome.ok:
            rows.append(("verdict", _verdict(o)))
    rows += [("summed power", " + ".join(p.powers))] if any(m.name == "total_power" for m in p.limits) else []
    body = _settings(o) if p.grid is None else _path(o)
    notes = [("check", text) for text in checks(o)] + [("lab file", text) for text in _unwritten(o)]
    width = max(len(name) for name, _ in [*rows, *notes, ("", "")])
    lines = [headline(p.study.lab) + (f"; {p.study.title}" if p.study.title else "")]
    lines += [f"  {name:<{width}}  {text}" for name, text in rows]
    lines += ["", *body, *([""] if notes else [])]
    lines += [f"  {name:<{width}}  {text}" for name, text in notes]
    return "\n".join([*lines, "", *_limits(o), "", *_halved(o)])


def _side(o: Optimum) -> str:
    return "smallest" if o.problem.sign > 0 else "largest"


def _value(o: Optimum, g: int) -> str:
    p, error = o.problem, o.errors[g]
    said = quantity_text(o, float(o.values[g])) + (f" +- {error:.2g}" if np.isfinite(error) and error > 0 else "")
    if p.robust:
        worst = float(o.values[g] + p.sign * p.robust * error)
        said += (
            f"; {p.robust:g} standard errors to the worse side: {quantity_text(o, worst)}, which is what was optimised"
        )
    return f"{said}: {p.quantity.text}"


def quantity_text(o: Optimum, value: float) -> str:
    """A value of the quantity with its unit."""
    unit = o.problem.quantity.unit
    return (
        format_si(value, "s") if unit == "s" and np.isfinite(value) else f"{value:.6g}" + (f" {unit}" * (unit != "1"))
    )


def _start(o: Optimum, g: int) -> str:
    code = Outcome(int(o.found.start.outcome[g]))
    value = quantity_text(o, float(o.found.start.value[g]))
    if code is Outcome.ok:
        return f"{value}, with the settings of the lab file"
    said = f"{code.name}: {code.meaning}"
    return (
        f"no value with the settings of the lab file ({said})"
        if code > Outcome.outside_validity
        else f"{value} ({said})"
    )


def _verdict(o: Optimum) -> str:
    q, error = o.problem.quantity, o.errors[0]
    above = q.entangled == "above"
    value = WitnessValue(o.values[0], error if error > 0 else None, bound=q.bound, entangled_above=above)
    sides = ">=" if not above else "<="
    return f"{value.verdict}; without entanglement it is {sides} {q.bound:g}"


def setting_text(o: Optimum, n: int, value: float) -> str:
    """A setting with its unit."""
    return format_si(float(value), o.problem.variables[n].parameter.spec.unit) if np.isfinite(value) else "-"


def _settings(o: Optimum) -> list[str]:
    rows = [("setting", "as it is", "best", "searched")]
    for n, v in enumerate(o.problem.variables):
        symbol = f" ({v.parameter.spec.symbol})" if v.parameter.spec.symbol != "-" else ""
        span = f"{setting_text(o, n, v.low)} to {setting_text(o, n, v.high)}" + (", logarithm" if v.log else "")
        rows.append((v.key + symbol, setting_text(o, n, v.parameter.value), setting_text(o, n, o.places[0, n]), span))
    return columns(rows)


def _path(o: Optimum) -> list[str]:
    """One line for each value of the grid."""
    p = o.problem
    assert p.grid is not None
    rows = [(p.grid.key, f"{p.name} as it is", f"{_side(o)} {p.name}", *(v.key for v in p.variables), "")]
    for g, value in enumerate(p.grid_values):
        good = int(o.found.start.outcome[g]) <= Outcome.outside_validity
        start = quantity_text(o, float(o.found.start.value[g])) if good else Outcome(int(o.found.start.outcome[g])).name
        marks = ["at a bound"] * bool(np.any(o.found.held[g])) + ["not settled"] * bool(not o.settled[g])
        code = Outcome(int(o.found.answers.outcome[g]))
        marks += [code.name] * (code is not Outcome.ok and bool(np.isfinite(o.values[g])))
        best = quantity_text(o, float(o.values[g])) if np.isfinite(o.values[g]) else "none"
        settings = [setting_text(o, n, x) for n, x in enumerate(o.places[g])]
        rows.append((format_si(float(value), p.grid.spec.unit), start, best, *settings, ", ".join(marks)))
    return columns(rows)


def columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows of text in columns, the first one a heading."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return ["  " + "  ".join(f"{text:<{w}}" for text, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def checks(o: Optimum) -> list[str]:
    """What can be said against the optimum, one sentence each; about every value of the grid."""
    found = [(text, g) for g in range(len(o.values)) for text in _checks(o, g)]
    grid = o.problem.grid
    if grid is None:
        return [text for text, _ in found]
    said = dict.fromkeys(text for text, _ in found)
    where = {
        text: [format_si(float(o.problem.grid_values[g]), grid.spec.unit) for t, g in found if t == text]
        for text in said
    }
    return [f"{text} (at {grid.key} = {', '.join(w[:6])}{', ...' * (len(w) > 6)})" for text, w in where.items()]


def _checks(o: Optimum, g: int) -> list[str]:
    f, p = o.found, o.problem
    if not np.isfinite(o.values[g]):
        return ["no point of the range that was looked at has a good outcome"]
    texts, code = [], Outcome(int(f.answers.outcome[g]))
    if code is not Outcome.ok:
        texts.append(f"the optimum itself is {code.name}, so that it says nothing about entanglement: {code.meaning}")
    start = float(f.start.value[g])
    better = p.sign * (float(o.values[g]) - start) > KEPT * abs(start)
    if better and int(f.start.outcome[g]) == Outcome.ok and not (o.missed[g] or p.robust):
        outside = [v.key for v in p.variables if not v.low <= v.parameter.value <= v.high]
        why = f"they lie outside the range searched ({', '.join(outside)})" if outside else "they break a limit"
        texts.append(f"the settings of the lab file are better; {why}")
    for n, v in enumerate(p.variables):
        if f.held[g, n]:
            side, bound, end = ("upper", v.high, 1) if f.held[g, n] > 0 else ("lower", v.low, 0)
            cure = v.ends[end] or "widen it if the laboratory can go there"
            texts.append(f"{v.key} lies at its {side} bound {setting_text(o, n, bound)}: {cure}")
    level = [v.key for n, v in enumerate(p.variables) if f.flat[g, n]]
    if len(level) == 1:
        texts.append(f"{level[0]} has no influence there: any value near it does as well")
    elif level:
        texts.append(f"{', '.join(level)} can be moved together there without a change: hold one of them")
    edge = Outcome(int(f.edges[g]))
    if edge > (Outcome.ok if p.validity else Outcome.outside_validity):
        texts.append(f"it lies at an edge: a thousandth of the range away the outcome is {edge.name} ({edge.meaning})")
    elif not o.settled[g]:
        texts.append("the search did not settle: repeat it with more starts, such as starts = 24, or a narrower range")
    for c, limit in enumerate(p.limits):
        texts += _limit(o, g, c, limit.name)
    if o.missed[g]:
        texts.append("the settings of the lab file are better than what was found: raise starts")
    return texts


def _unwritten(o: Optimum) -> list[str]:
    """Why there is no lab file with the optimum in it, and what to do instead; nothing if there is one."""
    try:
        o.lab_text()
    except ArgumentError as error:
        p = o.problem
        case = [f"--case {p.study.lab.case}"] if p.study.lab.case else []
        new = [f"{key}={written(value, p.spec(key).unit)}" for key, value in o.changes.items()]
        old = [text for text in p.study.lab.overrides if text.partition("=")[0].strip() not in o.changes]
        sets = [f"--set {quote(text)}" for text in [*old, *new]]
        return [f"no optimum.toml is written: {error} Use the lab file with {' '.join([*case, *sets])}"]
    return []


def _limit(o: Optimum, g: int, c: int, name: str) -> list[str]:
    f, limit = o.found, o.problem.limits[c]
    excess = limit.sense * (f.answers.figures[g, c] - limit.bound) / limit.scale
    unit = limit.unit if limit.unit in ("s", "W") else "1"
    figure, bound = (format_si(float(v), unit) for v in (f.answers.figures[g, c], limit.bound))  # type: ignore[arg-type]
    word = "at most" if limit.sense > 0 else "at least"
    if excess > KEPT:
        return [f"{name} = {figure} breaks its limit, {word} {bound}: no point was found that keeps it"]
    if excess > -KEPT:
        change = -o.problem.sign * f.multipliers[g, c] / 100
        gain = f"1 % more room changes {o.problem.name} by {change:.2g}"
        return [f"{name} is held by its limit, {word} {bound}: {gain}"]
    return [f"{name} = {figure} keeps its limit, {word} {bound}"]


def _where(o: Optimum) -> str:
    """At which value of the grid the sensitivities are shown."""
    grid = o.problem.grid
    if grid is None:
        return ""
    return f" at {grid.key} = {format_si(float(o.problem.grid_values[o.nearest]), grid.spec.unit)}"


def _limits(o: Optimum) -> list[str]:
    s, p = o.found.sensitivities[o.nearest], o.problem
    order = [k for k in np.argsort(-abs(np.nan_to_num(s.elasticities))) if abs(s.elasticities[k]) > SMALL][:SHOWN]
    rows = [(f"what limits {p.name}{_where(o)}", "value", f"d ln {p.name}/d ln p")]
    rows += [
        (s.keys[k], format_si(float(s.values[k]), p.spec(s.keys[k]).unit), f"{s.elasticities[k]:+.4f}") for k in order
    ]
    if len(rows) == 1:
        none = "nothing: no parameter changes it to first order"
        rows.append((none if s.value else f"{p.name} = 0 has no logarithm; sensitivities.csv has the slopes", "", ""))
    zeros = [
        f"{s.keys[k]} ({s.slopes[k]:+.3g} per {_unit(p.spec(s.keys[k]).unit)})"
        for k in np.flatnonzero((s.values == 0) & (abs(s.slopes) > SMALL * abs(s.value)))
    ]
    return columns(rows) + ([f"  at zero, with a slope: {', '.join(zeros)}"] if zeros else [])


def _unit(unit: str) -> str:
    return "unit" if unit == "1" else unit


def _halved(o: Optimum) -> list[str]:
    s, p = o.found.sensitivities[o.nearest], o.problem
    rows = [(f"each imperfection halved{_where(o)}", "from", "to", p.name, "change")]
    order = sorted(range(len(s.halved)), key=lambda k: p.sign * float(np.nan_to_num(s.gains[k], nan=p.sign * np.inf)))
    for k in [k for k in order if not abs(s.gains[k]) < SMALL][:SHOWN]:
        h, unit = s.halved[k], p.spec(s.halved[k].key).unit
        said = (quantity_text(o, float(s.halves[k])), f"{100 * s.gains[k]:+.1f} %")
        if s.outcomes[k] != Outcome.ok:
            said = ("-", Outcome(int(s.outcomes[k])).name)
        elif not s.value:
            said = (said[0], f"{s.halves[k]:+.3g}")
        rows.append((h.key, format_si(h.value, unit), format_si(h.half, unit), *said))
    if len(rows) == 1:
        return [f"  no imperfection of this lab file changes {p.name}"]
    return columns(rows) + ["  everything else kept, settings included; half of a loss, twice a decay time"]
