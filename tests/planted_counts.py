"""Simulated count tables with a planted fidelity, and how often the bounds found from them hold it.

Statistics of 003: 11 pulse areas from 0 to pi, 300 shots each, model R1. Calibrations are drawn anew for every data
set, so that their errors are part of what the bounds must cover.
"""

from math import inf
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from darkstate.pair.detection import count_probabilities
from darkstate.pair.imperfections import Imperfections
from darkstate.records.count_model import calibrated
from darkstate.records.profile import profiles

THETA = np.linspace(0, np.pi, 11)
SHOTS = 300
KNOWN = calibrated(count_probabilities, Imperfections(), {})
UNCERTAIN = calibrated(count_probabilities, Imperfections(), {"sector": 0.02, "preparation": 0.01, "inelastic": inf})
EDGE = norm.cdf(1)


class Coverage(NamedTuple):
    """Shares of data sets: bound below the truth, by confidence; F = 1/2 rejected. Averages of the rest."""

    likelihood: dict
    posterior: dict
    rejected: float
    certified: float
    mean: float
    unbounded: float
    pull: float
    width: float
    sigma: float
    residual: float
    refused: float


def coverage(model, fidelity, use, count, seed, confidences=(0.68, 0.95)):
    """Plant a fidelity `count` times."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(SHOTS, model.at(THETA, fidelity), size=(count, len(THETA)))
    sigmas = np.where(np.isinf(model.sigmas), 0.0, model.sigmas)
    drawn = np.clip(np.array(model.values) + sigmas * rng.standard_normal((count, len(sigmas))), 0, 1)
    found = profiles(counts, THETA, model, use=use, calibrations=drawn)
    pulls = (found.unbounded - fidelity) / found.error
    levels = (*confidences, EDGE)
    return Coverage(
        {c: float((found.likelihood_bound(c) <= fidelity).mean()) for c in levels},
        {c: float((found.posterior_bound(c) <= fidelity).mean()) for c in levels},
        float((found.distance() > norm.ppf(0.95)).mean()),
        float((found.distance() > 2).mean()),
        float(found.best[:, 0].mean()),
        float(found.unbounded.mean()),
        float(pulls.mean()),
        float(pulls.std()),
        float(found.error.mean()),
        float(found.residual.max()),
        float((found.residual > 1e-2).mean()),  # what `fit_fidelity` refuses as not found
    )
