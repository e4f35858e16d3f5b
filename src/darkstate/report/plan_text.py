"""The table of a plan, in words."""

from __future__ import annotations

from darkstate.errors import Outcome
from darkstate.experiments import kind_of, layout
from darkstate.experiments.labfile import Lab
from darkstate.parameters import Unit
from darkstate.report.table import LINEAR, clock
from darkstate.report.text import in_words
from darkstate.studies.calibration_error import RECORDS
from darkstate.studies.plan import Advice, Input
from darkstate.studies.shots import Shots
from darkstate.units import format_si


def advice_lines(a: Advice, lab: Lab, sigmas: float) -> list[str]:
    """The quantity, the ranking of its inputs, and which calibration to repeat."""
    q, now = a.quantity, a.significance()
    unit = "" if q.unit == "1" else f" {q.unit}"
    lines = [f"  {a.name:<12}  {a.value:.4f} +- {a.error:.4f}{unit}; {q.text}"]
    if now is not None and a.outcome is Outcome.ok:
        side = f"{now:.1f} standard errors {q.entangled} {q.bound:g}" if now > 0 else f"not {q.entangled} {q.bound:g}"
        lines.append(f"  {'now':<12}  {side}; {sigmas:g} wanted")
    if a.outcome is not Outcome.ok:
        lines.append(f"  {'outcome':<12}  {in_words(a.outcome)}")
    if a.error > LINEAR * abs(a.value):
        lines.append(f"  {'warning':<12}  the error is carried to first order, and too large for that")
    width = max(len(i.key) for i in a.inputs)
    then = "" if now is None else f"{'verdict then':>14}"
    lines += [
        "",
        f"  {'input':<{width}}  {'value':<24}{'adds':>9}{'of var.':>9}   {'repeated to':<13}{'error then':>11}{then}",
    ]
    lines += [_row(a, i, lab, width) for i in a.inputs]
    return [*lines, "", f"  {_advised(a, sigmas)}"]


def _row(a: Advice, i: Input, lab: Lab, width: int) -> str:
    unit = _unit(lab, i.key)
    written = format_si(i.value, unit, error=i.error, digits=4)
    better = "+- " + format_si(i.better, unit, digits=3)
    part = i.share**2 / a.error**2 if a.error else 0.0
    reached = a.significance((i,))
    then = "" if reached is None else f"{reached:>8.1f} sigma"
    return (
        f"  {i.key:<{width}}  {written:<24}{i.share:>9.4f}{part:>9.0%}   {better:<13}{a.error_with((i,)):>11.4f}{then}"
    )


def _unit(lab: Lab, key: str) -> Unit:
    parts = tuple(int(p) if p.isdecimal() else p for p in key.split("."))
    spec = layout.find(kind_of(lab.experiment), parts)
    return "1" if spec is None else spec.unit


def _advised(a: Advice, sigmas: float) -> str:
    """One sentence: what to repeat."""
    first, now = a.inputs[0], a.significance()
    if a.outcome is not Outcome.ok:
        return f"no verdict ({a.outcome.name}): {first.key} has the largest share of the error of {a.name}"
    if now is None or now <= 0:
        return f"repeat {first.key}: it has the largest share of the error of {a.name}"
    enough = a.enough(sigmas)
    if enough == ():
        return f"the verdict stands: {now:.1f} standard errors, {sigmas:g} wanted; {first.key} has the largest share"
    if enough is None:
        best = a.significance(a.inputs)
        return (
            f"all calibrations repeated give {best:.1f} standard errors, {sigmas:g} wanted: make {a.name} better first"
        )
    names = " and ".join(i.key for i in enough)
    return f"repeat {names}: {a.significance(enough):.1f} standard errors then, {sigmas:g} wanted"


def shots_lines(s: Shots, cycle: float | None) -> list[str]:
    """The measurement with the fewest cycles, line by line."""
    scale, unit = clock(s.start + s.probe)
    w, k = s.windows, s.best
    rows = [
        ("cycles", f"{s.total} show xi = {s.xi:.4f} < 1 by {s.significance:.2f} standard errors ({s.sigmas:g} wanted)"),
        ("", f"{s.cycles} with atoms, {s.shot_cycles} of light alone" + _runs(s)),
        ("calibration", f"{s.calibration_share:.0%} of the cycles, light alone included"),
        (
            "window",
            f"{s.probe * scale:.3g} {unit} from {s.start * scale:.3g} {unit} on; acquisition.probe = "
            f'"{s.probe * 1e3:.4g} ms"; method unconditional',
        ),
        ("error", f"{s.xi_err:.4f} statistical, {s.xi_sys:.4f} systematic" + _budget(s)),
    ]
    if w.fixed[k]:
        best = (1 - s.xi) / w.floor[k] ** 0.5
        rows.append(("at best", f"{best:.1f} standard errors with any number of cycles: what calibration leaves open"))
    rows.append(("not in it", "the errors of the lab file's numbers above: the record itself tells xi"))
    if cycle is not None:
        rows.append(("time", _time(s.total * cycle)))
    return [f"  {name:<12}  {text}" for name, text in rows]


def _runs(s: Shots) -> str:
    return f", {s.run_cycles} in each of {RECORDS} calibration records" if s.run_cycles else ""


def _budget(s: Shots) -> str:
    shares = sorted(((share, name) for name, share in s.budget.items()), reverse=True)
    return "".join(f"; {share:.4f} from {name}" for share, name in shares)


def _time(seconds: float) -> str:
    """A duration as a person says it.

    Example:
        >>> _time(5400.0), _time(90.0)
        ('1.5 h', '1.5 min')
    """
    for length, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:.2g} {name}" if seconds < 100 * length else f"{seconds / length:.0f} {name}"
    return f"{seconds:.3g} s"
