"""The table of a fit: parameters with intervals, correlations, chi^2, predictions, and what to be wary of."""

from __future__ import annotations

from math import floor, isfinite, log10
from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate.errors import Outcome
from darkstate.report.table import clock
from darkstate.report.text import in_words, with_error
from darkstate.studies.observables import OBSERVABLES
from darkstate.units import format_si, parse
from darkstate.witness.value import WitnessValue

if TYPE_CHECKING:
    from darkstate.report.fit import Fit
    from darkstate.studies.fit import Estimate

STRONG = 0.95
"""Correlation above which two parameters are hardly told apart, which is said."""

NOTICEABLE = 0.3
"""Correlation above which a prediction from independent errors is noticeably wrong, which is said."""

UNLIKELY = 0.01
"""Chance of chi^2 below which data and equations are said to disagree."""


def interval(value: float, lower: float | None, upper: float | None, error: float, unit: Any) -> str:
    """A value with its interval, in one unit and with two digits of the smaller error.

    Args:
        value: [SI]; lower, upper: relative to it, None where not found; error: standard error; unit: of the parameter.

    Example:
        >>> interval(193.2, -4.9, 5.1, 5.0, "1/s"), interval(2.5, None, 0.1, 0.1, "1")
        ('193.2 +5.1 -4.9 /s', '2.50 +0.10 (no lower end)')
    """
    name = format_si(value, unit).partition(" ")[2]
    one = parse(f"1 {name}".strip(), unit)[0]
    sizes = [abs(e) for e in (lower, upper, error) if e is not None and isfinite(e) and e != 0]
    decimals = max(0, 1 - floor(log10(min(sizes) / one))) if sizes else 6
    if decimals > 12 or abs(value / one) >= 1e9:
        return f"{format_si(value, unit)} (+- {format_si(error, unit) if isfinite(error) else 'unknown'})"
    shown = [f"{value / one:.{decimals}f}"]
    shown += [f"{end / one:+.{decimals}f}" for end in (upper, lower) if end is not None]
    missing = [f"no {word} end" for word, end in (("upper", upper), ("lower", lower)) if end is None]
    return " ".join([*shown, *([name] if name else [])]) + (f" ({', '.join(missing)})" if missing else "")


def table(fit: Fit) -> str:
    """The whole table."""
    m, study = fit.minimum, fit.problem.study
    likelihood = m.likelihood
    said = ", ".join(f"{p.data.observable} of {p.label}" if not p.slope else p.label for p in likelihood.pieces)
    rows = [(e.free.name, _estimate(e)) for e in m.estimates]
    for s in likelihood.slopes:
        value, error = m.solved[s.key]
        text = interval(value, -error, error, error, fit.problem.specs[s.key].unit)
        rows.append((s.key, f"{text}, from the slope of {s.observable}"))
    rows += _correlations(fit)
    degrees = "degree" if m.degrees == 1 else "degrees"
    chance = f", p = {m.chance:.2g}" if m.degrees else ""
    rows.append(("chi^2", f"{m.chi_squared:.2f} for {m.degrees} {degrees} of freedom{chance}"))
    rows.append(("largest pull", _largest_pull(fit)))
    rows += [(f"predicted {b.label}", _predicted(fit, b)) for b in fit.bands if b.data is None]
    worst = max([m.outcome, *(b.outcome for b in fit.bands)])
    rows.append(("outcome", _outcome(m.outcome) if worst is m.outcome else f"a predicted curve: {in_words(worst)}"))
    rows += [("warning", text) for text in _warnings(fit)]
    width = max(len(name) for name, _ in rows)
    title = f": {study.title}" if study.title else ""
    return "\n".join([f"{study.name}{title}", f"  fit to {said}", *(f"  {n:<{width}}  {t}" for n, t in rows)])


def _estimate(e: Estimate) -> str:
    text = interval(e.value, e.lower, e.upper, e.error, e.free.spec.unit)
    return text + (f", on its {e.limit} limit" if e.limit else "")


def _correlations(fit: Fit) -> list[tuple[str, str]]:
    """The correlations, largest first; all of them for up to three parameters."""
    estimates, matrix = fit.minimum.estimates, fit.minimum.correlation
    names = [e.free.name for e in estimates]
    inside = [i for i, e in enumerate(estimates) if not e.limit]  # on a limit there is no curvature to correlate
    pairs = [(matrix[i, k], names[i], names[k]) for i in inside for k in inside if k < i]
    pairs = sorted((p for p in pairs if isfinite(p[0])), key=lambda p: -abs(p[0]))[:3]
    return [("correlation", f"{value:+.3f} of {b} and {a}") for value, a, b in pairs]


def _largest_pull(fit: Fit) -> str:
    pulls, first = fit.minimum.pulls, 0
    worst = int(np.argmax(np.abs(pulls)))
    for piece in fit.minimum.likelihood.pieces:
        data = piece.data
        if worst < first + len(data.values):
            n = worst - first
            if data.times is not None:
                scale, unit = clock(float(data.times.max()))
                where = f" at {data.times[n] * scale:.4g} {unit}"
            else:
                where = "".join(f", {key} = {v[n]:.4g}" for key, v in data.varied.items())
            return f"{pulls[worst]:+.1f} standard errors: {piece.label}{where}"
        first += len(data.values)
    return "none"


def _predicted(fit: Fit, band: Any) -> str:
    at, value, error = band.lowest
    scale, unit = clock(float(band.times[-1]))
    known = OBSERVABLES[fit.problem.study.kind][band.observable]
    witness = WitnessValue(value, error)
    good = max(band.outcome, fit.minimum.outcome) is Outcome.ok
    said = f", {witness.verdict}" if known.bound is not None and good else ""
    return f"smallest {band.observable} = {with_error(witness)} at {at * scale:.3g} {unit}{said}"


def _outcome(outcome: Outcome) -> str:
    """An outcome in words; for a fit, not_converged has its own cure."""
    if outcome is not Outcome.not_converged:
        return in_words(outcome)
    return "not_converged: no minimum was found, or it is far from the start; start nearer, or fix a parameter"


def _warnings(fit: Fit) -> list[str]:
    m, found = fit.minimum, []
    if m.degrees and m.chance < UNLIKELY:
        found.append("the data do not agree with these equations, or their errors are too small")
    if m.degrees and m.chance > 1 - UNLIKELY / 10:
        found.append("the data agree better than noise allows: their errors are too large")
    for e in m.estimates:
        if e.limit:
            found.append(f"{e.free.name} stands on a limit, where its errors say little: move the limit or fix it")
    names, matrix = [e.free.name for e in m.estimates], m.correlation
    largest = np.max(np.abs(np.tril(matrix, -1)), initial=0.0)
    if largest > NOTICEABLE:
        found.append("fitted.toml holds no correlations: for the error of a prediction use [fit.predict]")
    for i in range(len(names)):
        for k in range(i):
            if abs(matrix[i, k]) > STRONG:
                found.append(f"{names[k]} and {names[i]} are hardly told apart by these data: fix one, or add data")
    return found
