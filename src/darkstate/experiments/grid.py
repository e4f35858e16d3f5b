"""The times at which a protocol is solved, and how finely: from its segments and its fastest rate."""

from __future__ import annotations

from typing import Any

import numpy as np

from darkstate.experiments import TwoCells
from darkstate.experiments.two_cells import second_cell
from darkstate.solve.evolve import fastest, substeps_for

COARSE = 0.5
"""Fastest rate times step above which a minimum between two even steps could be missed by over 1e-3."""


def time_grid(experiment: TwoCells) -> tuple[np.ndarray, list[float]]:
    """The time grid with the borders of all segments in it, and these borders [s].

    Where the fastest rate outruns even steps, early times are added: strong light squeezes at once.

    Example:
        >>> import darkstate as ds
        >>> times, borders = time_grid(ds.load(ds.shipped_labs()["krauter2011"]).experiment)
        >>> len(times), borders
        (241, [])
    """
    total, points = float(experiment.protocol.total), experiment.protocol.points
    even = np.linspace(0.0, total, points)
    if fastest_rate(experiment) * total / (points - 1) > COARSE:
        even = np.union1d(even, total * np.linspace(0.0, 1.0, points) ** 3)
    borders = np.cumsum(experiment.protocol.protocol().durations)[:-1].tolist()
    apart = [t for t in even.tolist() if all(abs(t - b) > 1e-9 * even[-1] for b in borders)]
    return np.union1d(apart, borders), borders


def fastest_rate(experiment: TwoCells) -> float:
    """Fastest rate of both ensembles with all light at strength 1, Larmor mismatch included [1/s].

    Example:
        >>> import darkstate as ds
        >>> round(fastest_rate(ds.load(ds.shipped_labs()["muschik2011"]).experiment), 3)
        37.389
    """
    rate = max(fastest(cell.cell.total) for cell in (experiment, second_cell(experiment)))
    return rate + 2 * np.pi * abs(experiment.field.larmor_mismatch)


def substeps_of(experiment: TwoCells, times: Any) -> int:
    """Steps of the integrator per interval of a time grid.

    Example:
        >>> import darkstate as ds
        >>> experiment = ds.load(ds.shipped_labs()["krauter2011"]).experiment
        >>> substeps_of(experiment, time_grid(experiment)[0]) >= 1
        True
    """
    pulses = experiment.protocol.protocol()
    strongest = max(1.0, *np.ravel(pulses.start), *np.ravel(pulses.end))
    return substeps_for(fastest_rate(experiment) * strongest, float(np.diff(times).max()))
