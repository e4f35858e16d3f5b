"""The figure of a fit: for every observable data, curves and bands above, deviations in standard errors below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate.report.style import COLOURS, DASHES, new_figure, separable_line
from darkstate.report.table import clock
from darkstate.studies.observables import OBSERVABLES
from darkstate.studies.quantities import QUANTITIES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from darkstate.report.fit import Fit

LONGEST = 40
"""Characters of an axis label that fit beside it."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def draw(fit: Fit) -> Figure:
    """The whole figure, one column per observable."""
    pieces = [p for p in fit.problem.likelihood.pieces if not p.slope]
    names = list(dict.fromkeys([p.data.observable for p in pieces] + [b.observable for b in fit.bands]))
    figure, axes = new_figure(len(names), height=3.6)
    for ax in axes:
        figure.delaxes(ax)
    grid = figure.subplots(2, len(names), squeeze=False, sharex="col", height_ratios=(3, 1))
    for k, name in enumerate(names):
        panel(fit, grid[0][k], grid[1][k], name)
    return figure


def panel(fit: Fit, above: Any, below: Any, observable: str) -> None:
    """Data, curves and bands of one observable, and the deviations under them.

    Args:
        fit: the fit; above, below: axes; observable: which one.
    """
    pieces = fit.problem.likelihood.pieces
    number = [n for n, p in enumerate(pieces) if p.data.observable == observable and not p.slope]
    bands = [b for b in fit.bands if b.observable == observable]
    timed = bool(bands)
    scale, unit = clock(max(float(b.times[-1]) for b in bands)) if timed else (1.0, "")
    for k, n in enumerate(number):
        _data(fit, n, k, above, below, scale)
    extra = 0
    for b in bands:
        if b.data is not None:
            colour, dash, label = COLOURS[number.index(b.data) % len(COLOURS)], "-", None
        else:
            extra += 1
            k = len(number) + extra - 1
            colour, dash, label = COLOURS[k % len(COLOURS)], DASHES[1 + (extra - 1) % 3], f"{b.label}, predicted"
        above.plot(b.times * scale, b.values, dash, color=colour, label=label)
        low, high = b.values - b.errors, b.values + b.errors
        above.fill_between(b.times * scale, low, high, color=colour, alpha=0.25, linewidth=0)
    known: Any = OBSERVABLES[fit.problem.study.kind].get(observable) if timed else None
    known = known or QUANTITIES[fit.problem.study.kind][observable]
    long = f"{known.text[:1].upper()}{known.text[1:]} {known.symbol}"
    above.set_ylabel(long if len(long) <= LONGEST else known.symbol)
    if known.bound == 1.0:
        separable_line(above)
    above.legend()
    key = next((k for n in number for k in pieces[n].data.varied), "")
    across = f"time t ({unit})" if timed else key or "point"
    if not number:  # predictions alone leave no residuals
        below.set_visible(False)
        above.tick_params(labelbottom=True)
        above.set_xlabel(across)
        return
    below.axhline(0.0, color="0.35", linewidth=0.8)
    for edge in (-1, 1):
        below.axhline(edge, color="0.8", linewidth=0.6, zorder=0)
    below.set_ylabel("residual (σ)")
    below.set_xlabel(across)


def _data(fit: Fit, number: int, place: int, above: Any, below: Any, scale: float) -> None:
    """Points of one data set and their deviations; a fitted value as a short line where there is no curve."""
    piece = fit.problem.likelihood.pieces[number]
    first = sum(len(p.data.values) for p in fit.problem.likelihood.pieces[:number])
    own = slice(first, first + len(piece.data.values))
    data, colour = piece.data, COLOURS[place % len(COLOURS)]
    varied = next(iter(data.varied.values()), np.arange(1.0, len(data.values) + 1))
    x = data.times * scale if data.times is not None else varied
    style = {"fmt": MARKERS[place % len(MARKERS)], "color": colour, "markersize": 3, "linewidth": 0.8}
    above.errorbar(x, data.values, data.errors, label=piece.label, **style)
    if data.times is None:
        above.plot(x, fit.minimum.predicted[own], "_", color=colour, markersize=9)
    below.errorbar(x, fit.minimum.pulls[own], 1.0, **style)
