"""A corner plot: every parameter as a histogram, every pair as contours that hold 39 and 86 % of the draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate.report.style import COLOURS, COLUMN, new_figure
from darkstate.units import format_si, parse

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARES = (0.864665, 0.393469)
"""What two and one standard deviations of a normal distribution in the plane hold, 1 - exp(-r^2/2)."""

BINS = 24


def corner(draws: np.ndarray, names: Sequence[str], units: Sequence[Any]) -> Figure:
    """A figure of k x k panels.

    Args:
        draws: [draws k; SI]; names, units: of the parameters.
    """
    count = len(names)
    figure, axes = new_figure(1, height=max(2.5, 1.55 * count))
    figure.set_size_inches(max(COLUMN, 1.7 * count), max(2.5, 1.55 * count))
    for ax in axes:
        figure.delaxes(ax)
    grid = figure.subplots(count, count, squeeze=False, sharex="col")
    scaled, labels = _readable(draws, names, units)
    for i in range(count):
        for k in range(count):
            ax = grid[i][k]
            if k > i:
                ax.set_visible(False)
            elif k == i:
                _histogram(ax, scaled[:, i])
            else:
                _pair(ax, scaled[:, k], scaled[:, i])
                if k > 0:
                    ax.tick_params(labelleft=False)
                else:
                    ax.set_ylabel(labels[i])
            if i == count - 1:
                ax.set_xlabel(labels[k])
            ax.locator_params(nbins=4)
    return figure


def _readable(draws: np.ndarray, names: Sequence[str], units: Sequence[Any]) -> tuple[np.ndarray, list[str]]:
    """Draws in units in which they are neither large nor small, and what to write beside the axes."""
    scaled, labels = np.empty_like(draws), []
    for k, (name, unit) in enumerate(zip(names, units, strict=True)):
        shown = format_si(float(np.median(draws[:, k])), unit).partition(" ")[2]
        scaled[:, k] = draws[:, k] / parse(f"1 {shown}".strip(), unit)[0]
        short = name.partition(".")[2] or name
        labels.append(f"{short}\n({shown})" if shown else short)
    return scaled, labels


def _histogram(ax: Any, x: np.ndarray) -> None:
    ax.hist(x, bins=BINS, histtype="stepfilled", color=COLOURS[0], alpha=0.35)
    low, median, high = np.percentile(x, (15.865525, 50, 84.134475))
    for at, style in ((low, ":"), (median, "-"), (high, ":")):
        ax.axvline(at, color=COLOURS[0], linestyle=style, linewidth=0.9)
    ax.set_yticks([])


def _pair(ax: Any, x: np.ndarray, y: np.ndarray) -> None:
    """Contours around the densest cells that hold the shares, over faint points."""
    from scipy.ndimage import gaussian_filter

    ax.plot(x, y, ".", color="0.6", markersize=0.8, zorder=0, rasterized=True)
    counts, ex, ey = np.histogram2d(x, y, bins=BINS)
    smooth = gaussian_filter(counts, 1.0)
    ranked = np.sort(smooth.ravel())[::-1]
    held = np.cumsum(ranked) / ranked.sum()
    levels = [float(ranked[min(int(np.searchsorted(held, share)), len(ranked) - 1)]) for share in SHARES]
    if levels[0] < levels[1]:
        centre = (ex[:-1] + ex[1:]) / 2, (ey[:-1] + ey[1:]) / 2
        ax.contour(*centre, smooth.T, levels=levels, colors=[COLOURS[0]], linewidths=(0.8, 1.2))
