"""Curves of a fit with their bands: what the fitted parameters say between the data and of other experiments.

    var y(t) = sum_kl (dy/dp_k) C_kl (dy/dp_l)        C: covariance of the fit, correlations included

First order, exact derivatives. Up: `report.fit` draws and writes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from darkstate.errors import Outcome
from darkstate.experiments.values import value_at, with_values
from darkstate.studies.fit import Minimum
from darkstate.studies.fit_table import Problem
from darkstate.studies.observables import course, linearised

POINTS = 129
"""Times of each curve."""


@dataclass(frozen=True)
class Band:
    """One observable over time as the fit has it.

    Args:
        label, observable: what it is; times: [t; s]; values, errors: with standard errors [t]; outcome: of the solvers;
        data: number of the data set it runs through, or None for a prediction.
    """

    label: str
    observable: str
    times: np.ndarray
    values: np.ndarray
    errors: np.ndarray
    outcome: Outcome
    data: int | None = None

    @property
    def lowest(self) -> tuple[float, float, float]:
        """Time, value and standard error of the lowest point."""
        k = int(np.argmin(self.values))
        return float(self.times[k]), float(self.values[k]), float(self.errors[k])


def fit_bands(problem: Problem, minimum: Minimum) -> list[Band]:
    """Curves through every data set over time, and of every experiment to be predicted.

    Args:
        problem: what was fitted; minimum: the result.
    """
    likelihood, found = problem.likelihood, []
    for n, piece in enumerate(likelihood.pieces):
        if piece.data.times is not None:
            settings = likelihood.linear_settings(minimum.vector, n)
            grid = np.linspace(0.0, float(piece.data.times.max()), POINTS)
            band = _band(piece.experiment, piece.data.observable, settings, grid, minimum.covariance)
            found.append(Band(piece.label, piece.data.observable, grid, *band, n))
    for label, observable, lab, own in problem.targets:
        keys, values, slopes = likelihood.linear_settings(minimum.vector, None)
        # what the target sets itself is not fitted there
        slopes = np.where(np.isin(keys, list(own))[:, None], 0.0, slopes)
        values = np.array([value_at(lab.experiment, k) if k in own else v for k, v in zip(keys, values, strict=True)])
        grid = np.linspace(0.0, length(lab.experiment), POINTS)
        band = _band(lab.experiment, observable, (keys, values, slopes), grid, minimum.covariance)
        found.append(Band(label, observable, grid, *band))
    return found


def length(experiment: Any) -> float:
    """How long an experiment goes on [s]."""
    protocol = getattr(experiment, "protocol", None)
    if protocol is None:
        return float(experiment.collisions.duration)
    return float(protocol.total if hasattr(protocol, "total") else protocol.duration)


def _band(
    experiment: Any,
    observable: str,
    settings: tuple[tuple[str, ...], np.ndarray, np.ndarray],
    times: np.ndarray,
    covariance: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, Outcome]:
    """Values, standard errors [t] and outcome of one course."""
    keys, values, changes = settings
    nearby = with_values(experiment, dict(zip(keys, map(float, values), strict=True)))
    at = course(nearby, observable, times)
    curve, slopes, outcome = linearised(at.solver, keys, experiment, at.grid, values)
    slopes = np.asarray(slopes)[at.where] @ changes
    variance = np.einsum("tk,kl,tl->t", slopes, covariance, slopes)
    return np.asarray(curve)[at.where], np.sqrt(np.maximum(variance, 0.0)), Outcome(int(outcome))
