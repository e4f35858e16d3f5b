"""The panels of a plan: what each input adds to the error, significance over cycles, cycles over length of window."""

from __future__ import annotations

from typing import Any

import numpy as np

from darkstate.report.style import COLOURS, DASHES
from darkstate.studies.plan import Advice
from darkstate.studies.shots import Shots

SHOWN = 10
"""Inputs that get a bar; the rest adds least."""


def plot_advice(ax: Any, a: Advice) -> None:
    """Bars of |dq/dp| sigma_p, and of what is left once that input is measured better."""
    inputs = a.inputs[:SHOWN]
    places = np.arange(len(inputs))[::-1]
    ax.barh(places + 0.18, [i.share for i in inputs], 0.34, color=COLOURS[0], label="now")
    ax.barh(places - 0.18, [i.share_then for i in inputs], 0.34, color=COLOURS[5], label="repeated", hatch="////")
    ax.set_yticks(places, [i.key for i in inputs])
    ax.set_ylim(-0.6, len(inputs) - 0.4)
    unit = "" if a.quantity.unit == "1" else f" ({a.quantity.unit})"
    ax.set_xlabel(f"part of the error of {a.quantity.symbol}{unit}")
    ax.axvline(a.error, color="0.35", linewidth=0.8, linestyle=DASHES[1], label="all together")
    ax.locator_params(axis="x", nbins=5)
    ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, borderaxespad=0.2, columnspacing=1.0)


def plot_cycles(ax: Any, s: Shots) -> None:
    """Standard errors by which xi is below 1, against the number of cycles, divided in the best way."""
    levels, cycles = s.curve()
    ax.plot(cycles, levels, DASHES[0], color=COLOURS[0])
    ax.axhline(s.sigmas, color="0.35", linewidth=0.8, linestyle=DASHES[1])
    ax.annotate(
        f"{s.sigmas:g} wanted",
        (0.98, s.sigmas),
        xycoords=("axes fraction", "data"),
        xytext=(0, 2),
        textcoords="offset points",
        ha="right",
        fontsize=6,
        color="0.35",
    )
    ax.plot([s.total], [s.significance], "o", color=COLOURS[1], markersize=4)
    ax.annotate(
        f"{s.total} cycles", (s.total, s.significance), xytext=(4, -9), textcoords="offset points", fontsize=6.5
    )
    ax.set_xlabel("cycles, calibration included")
    ax.set_ylabel("(1 - ξ) in standard errors")
    ax.set_xlim(left=0)


def plot_probes(ax: Any, s: Shots) -> None:
    """The fewest cycles against the length of the read-out window."""
    lengths, needed = s.by_probe()
    reached = np.isfinite(needed)
    ax.plot(
        1e3 * lengths[reached], needed[reached], DASHES[0], color=COLOURS[0], marker="." if len(lengths) == 1 else ""
    )
    ax.plot([1e3 * s.probe], [s.total], "o", color=COLOURS[1], markersize=4)
    if len(lengths) > 1:
        ax.set_ylim(0, 4 * s.total)
    ax.set_xlabel("read-out window (ms)")
    ax.set_ylabel(f"cycles for {s.sigmas:g} standard errors")
