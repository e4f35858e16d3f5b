"""The table of a prediction over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from darkstate.atoms.validity import CURES
from darkstate.errors import Outcome
from darkstate.report.text import headline, in_words, with_error

if TYPE_CHECKING:
    from darkstate.report.prediction import Prediction

LINEAR = 0.3
"""Relative error of xi above which a first order in the inputs' errors says little."""


def clock(total: float) -> tuple[float, str]:
    """Factor and unit in which times up to `total` seconds read well.

    Example:
        >>> clock(0.06)
        (1000.0, 'ms')
    """
    for scale, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "us")):
        if total * scale >= 1:
            return scale, unit
    return 1e9, "ns"


def table(p: Prediction) -> str:
    """The table of a prediction: minimum, window, steady state, outcome, and what they rest on."""
    w, (scale, unit) = p.window, clock(p.times[-1])
    if w.opens is None:
        span = "never"
    elif w.closes is None:
        span = f"from {w.opens * scale:.3g} {unit} to the end of the protocol at {p.times[-1] * scale:.4g} {unit}"
    else:
        length = (w.closes - w.opens) * scale
        span = f"from {w.opens * scale:.3g} to {w.closes * scale:.4g} {unit} ({length:.3g} {unit})"
    steady = Outcome(int(p.steady.outcome))
    checks = {k: float(v) for k, v in p.solution.checks.items()}
    rows = [
        ("smallest xi", f"{with_error(p.minimum)} ({float(p.minimum.decibel):+.2f} dB) at {w.at * scale:.3g} {unit}"),
        ("xi < 1", span),
        (
            "steady state",
            f"xi = {with_error(p.steady_xi)}, {p.steady_xi.verdict}" if steady is Outcome.ok else in_words(steady),
        ),
        ("outcome", in_words(Outcome(int(p.solution.outcome))) if not p.light[1] else _light_in_words(p)),
        (
            "validity",
            f"d/N = {checks['d_over_n']:.1e}; slowest collective decay {-checks['inverted_decay']:.3g} /s; "
            f"numerical error {checks['numerical_error']:.0e}",
        ),
    ]
    laser = p.lab.experiment.laser
    if laser is not None and laser.rayleigh == "V1":
        said = "V1: rates of elastic scattering added, as 001 does; laser.rayleigh = V3 subtracts amplitudes"
        rows.append(("dephasing", said))
    if p.power is not None:
        rows += p.power.rows
    if p.lab.uncertainties:
        near = int(np.argmin(np.abs(p.times - w.at)))
        shares = sorted(((float(e[near]), key) for key, e in p.shares.items()), reverse=True)
        said = ", ".join(f"{e:.4f} from {key}" for e, key in shares)
        rows.append(("uncertainty", f"{said}; all else is taken as exact"))
        if float(p.minimum.uncertainty) > LINEAR * w.minimum:
            rows.append(("warning", "the error is carried to first order, and too large for that: give smaller ones"))
    gain, xi_g = p.best_gain
    if abs(gain - 1) > 0.005 and w.opens is not None:
        rows.insert(1, ("best gain", f"g = {gain:.3g} of ensemble II gives xi_g = {xi_g:.4f} there"))
    if p.points is not None:
        chi = p.points.chi_squared(p.times, np.asarray(p.xi.value))
        chance = p.points.chance(chi)
        said = f"{chi:.2f} for {len(p.points.times)} points, p = {chance:.2g}; the band is not counted"
        rows.append(("chi^2", said))
        if chance < 0.01:
            rows.append(("warning", "the points do not agree with this prediction"))
    rows += [("warning", text) for text in p.lab.experiment.warnings()]
    width = max(len(name) for name, _ in rows)
    return "\n".join([headline(p.lab), *(f"  {n:<{width}}  {text}" for n, text in rows), f"  {p.verdict}"])


def _light_in_words(p: Prediction) -> str:
    """What is beyond its limit, and what to change; the solution's own outcome first where it is worse."""
    own = Outcome(int(p.solution.outcome))
    cures = "; ".join(f"{name} ({CURES[name]})" for name in p.light[1])
    before = "" if own is Outcome.ok else f"{in_words(own)}; "
    return f"{before}outside_validity of the rates: {cures}; `darkstate rates` shows the figures"
