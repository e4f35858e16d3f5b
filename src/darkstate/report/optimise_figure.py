"""The figure of an optimum: the quantity along every setting through it, or its path along the grid; what limits it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate.report.style import COLOURS, DASHES, new_figure, separable_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from darkstate.report.optimise import Optimum

BARS = 8
"""Parameters in the panel of sensitivities."""

DECADE = 8.0
"""Ratio of largest to smallest value of a grid from which on its axis is logarithmic."""

PREFIXES = {
    "s": ((1.0, "s"), (1e3, "ms"), (1e6, "us")),
    "W": ((1.0, "W"), (1e3, "mW"), (1e6, "uW")),
    "1/s": ((1e-6, "1/us"), (1e-3, "1/ms"), (1.0, "1/s")),
    "Hz": ((1e-9, "GHz"), (1e-6, "MHz"), (1e-3, "kHz"), (1.0, "Hz")),
    "T": ((1.0, "T"), (1e3, "mT")),
    "K": ((1.0, "K"), (1e3, "mK"), (1e6, "uK")),
}
"""Factors and units in which a setting may be drawn; others in SI."""


def draw(o: Optimum) -> Figure:
    """The whole figure."""
    p = o.problem
    panels: list[Any] = [lambda ax: draw_path(o, ax, None)] if p.grid is not None else []
    for n in range(len(p.variables)):
        panels.append(lambda ax, n=n: (draw_slice if p.grid is None else draw_path)(o, ax, n))
    panels.append(lambda ax: draw_limits(o, ax))
    across = 2 if len(panels) == 4 else min(3, len(panels))
    down = -(-len(panels) // across)
    figure, _ = new_figure(across, height=2.5 * down)
    figure.clear()
    for k, panel in enumerate(panels):
        panel(figure.add_subplot(down, across, k + 1))
    return figure


def label(spec: Any, key: str, largest: float) -> tuple[float, str]:
    """Factor of a setting and the label of its axis: the largest unit in which the largest value is above 1.

    Example:
        >>> from darkstate.studies.optimise import spec_of
        >>> label(spec_of("cesium_cells", "laser.power"), "laser.power", 0.02)
        (1000.0, 'laser.power, P (mW)')
    """
    choices = PREFIXES.get(spec.unit, ((1.0, spec.unit),))
    factor, unit = next((c for c in choices if abs(largest) * c[0] >= 1), choices[-1])
    symbol = f", {spec.symbol}" if spec.symbol != "-" else ""
    return factor, f"{key}{symbol}" + (f" ({unit})" if unit != "1" else "")


def draw_slice(o: Optimum, ax: Any, n: int) -> None:
    """The quantity along setting n, all others at the optimum; the optimum and the lab's own value marked."""
    v, (x, y) = o.problem.variables[n], o.found.slices[n]
    factor, text = label(v.parameter.spec, v.key, v.high)
    best = float(o.values[0])
    high = _ceiling(o, y)
    shown = np.where((y <= high) if o.problem.sign > 0 else (y >= high), y, np.nan)
    ax.plot(factor * x, shown, color=COLOURS[0])
    ax.plot([factor * o.places[0, n]], [best], "o", color=COLOURS[1], markersize=4, label="optimum", zorder=3)
    if v.low <= v.parameter.value <= v.high:
        ax.axvline(factor * v.parameter.value, color="0.6", linewidth=0.8, linestyle=DASHES[1], label="as it is")
    if v.log:
        ax.set_xscale("log")
    ax.set(xlim=(factor * v.low, factor * v.high), xlabel=text, ylabel=_name(o))
    _bound(o, ax, shown)
    ax.legend(loc="best")


def _ceiling(o: Optimum, y: np.ndarray) -> float:
    """Value beyond which a curve is cut, so that the optimum can be seen beside a divergence."""
    best, p = float(o.values[0]), o.problem
    span = max(abs(best), abs((p.quantity.bound or best) - best), 1e-12)
    return best + p.sign * 2.5 * span


def draw_path(o: Optimum, ax: Any, n: int | None) -> None:
    """Along the grid: setting n of the optimum, or the quantity itself; open circles = at a bound."""
    p = o.problem
    assert p.grid is not None
    factor, text = label(p.grid.spec, p.grid.key, float(p.grid_values.max()))
    x = factor * p.grid_values
    if n is None:
        y, held, name = o.values, np.any(o.found.held != 0, axis=1), _name(o)
        good = np.where(o.found.start.outcome == 0, o.found.start.value, np.nan)
        far = 2 * max(abs(p.quantity.bound or 0.0), float(np.nanmax(abs(y))))
        good = np.where(abs(good) <= far, good, np.nan)
        ax.plot(x, good, DASHES[1], color=COLOURS[5], label="as it is")
        ax.plot(x, y, color=COLOURS[0], label="optimum")
    else:
        v = p.variables[n]
        scale, name = label(v.parameter.spec, v.key, v.high)
        y, held = scale * o.places[:, n], o.found.held[:, n] != 0
        ax.plot(x, y, color=COLOURS[0])
        if v.log:
            ax.set_yscale("log")
    ax.plot(x[~held], y[~held], "o", color=COLOURS[0], markersize=3)
    ax.plot(x[held], y[held], "o", color=COLOURS[0], markerfacecolor="w", markersize=4)
    if np.all(x > 0) and x.max() > DECADE * x.min():
        ax.set_xscale("log")
    ax.set(xlabel=text, ylabel=name)
    if n is None:
        if np.nanmin(y) > 0 and np.nanmax(y) > DECADE * np.nanmin(y):
            ax.set_yscale("log")
        _bound(o, ax, np.concatenate([y, good]))
        ax.legend(loc="best")


def draw_limits(o: Optimum, ax: Any) -> None:
    """d ln q/d ln p as bars, the largest on top."""
    s = o.found.sensitivities[o.nearest]
    sizes = abs(np.nan_to_num(s.elasticities))
    order = [k for k in np.argsort(-sizes) if sizes[k] > 1e-4][:BARS]
    places = np.arange(len(order))[::-1]
    worse = o.problem.sign * np.sign(s.value) * s.elasticities[order] > 0
    colours = np.where(worse, COLOURS[1], COLOURS[2])
    ax.barh(places, s.elasticities[order], color=list(colours), height=0.6)
    ax.set_yticks(places, [s.keys[k] for k in order])
    ax.axvline(0.0, color="0.35", linewidth=0.6)
    ax.set_xlabel(f"d ln {o.problem.quantity.symbol}/d ln p\norange: harms, green: helps")
    ax.set_ylim(-0.6, max(len(order), 1) - 0.4)


def _name(o: Optimum) -> str:
    unit = o.problem.quantity.unit
    return o.problem.quantity.symbol + (f" ({unit})" if unit != "1" else "")


def _bound(o: Optimum, ax: Any, y: np.ndarray) -> None:
    """The bound of separable states, where it is near the curves."""
    bound = o.problem.quantity.bound
    if bound is None or not np.isfinite(y).any():
        return
    low, high = float(np.nanmin(y)), float(np.nanmax(y))
    if low - 0.5 * (high - low + 0.1) <= bound <= high + 0.5 * (high - low + 0.1):
        separable_line(ax) if bound == 1 else ax.axhline(bound, color="0.35", linewidth=0.8)
