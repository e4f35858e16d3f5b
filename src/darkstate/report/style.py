"""How figures look: APS column widths, colours for every eye, the separable line."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darkstate.storage import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN = 3.4
"""Width of one journal column [inch]."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours, told apart by colour-blind readers."""

DASHES = ("-", "--", ":", "-.")
"""Line styles, so that curves differ without colour too."""

_STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "axes.linewidth": 0.6,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "svg.hashsalt": "darkstate",
}


def new_figure(columns: int = 1, *, height: float = 2.5) -> tuple[Figure, list[Axes]]:
    """A figure with axes side by side, one journal column wide each; needs no display.

    Args:
        columns: number of panels.
        height: height [inch].

    Returns:
        The figure and its axes.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update(_STYLE)
    figure = Figure(figsize=(COLUMN * columns, height), layout="constrained")
    return figure, [figure.add_subplot(1, columns, i + 1) for i in range(columns)]


def separable_line(ax: Any) -> None:
    """Draw the bound of separable states at 1 and name it."""
    ax.axhline(1.0, color="0.35", linewidth=0.8)
    ax.annotate(
        "separable\nstates: ≥ 1",
        (1, 1.0),
        xycoords=("axes fraction", "data"),
        xytext=(2, 0),
        textcoords="offset points",
        ha="left",
        va="center",
        fontsize=6,
        color="0.35",
    )


def save_figure(figure: Figure, stem: Path, formats: tuple[str, ...] = ("png",)) -> list[Path]:
    """Write a figure whole or not at all, in each format.

    Args:
        figure: the figure; stem: path without ending; formats: "png", "pdf".

    Returns:
        Paths written.
    """
    paths = []
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once, for all formats
    for kind in formats:
        buffer = io.BytesIO()
        # No time stamp inside, so that the same lab file gives the same bytes.
        figure.savefig(buffer, format=kind, metadata={"CreationDate": None} if kind == "pdf" else None)
        paths.append(write_atomic(stem.with_suffix(f".{kind}"), buffer.getvalue()))
    return paths
