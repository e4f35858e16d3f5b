"""How to divide cycles between atoms, light alone and calibration, so that the fewest give a wanted error.

    minimise sum c_i x_i  with  sum terms_i/x_i = room:     x_i = sqrt(terms_i/c_i) sum_j sqrt(c_j terms_j)/room

Up: `shots`.
"""

from __future__ import annotations

import numpy as np

from darkstate.records.statistics import MIN_CYCLES
from darkstate.studies.calibration_error import RECORDS

COSTS = np.array([[1.0], [1.0], [RECORDS]])
"""Cycles of a cycle with atoms, of one with light alone, and of one in every calibration record."""


def divided(terms: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Numbers x_i of least cost sum c_i x_i with sum terms_i/x_i = room, none below the fewest that are any use.

    Formula: x_i = sqrt(terms_i/c_i) sum_j sqrt(c_j terms_j)/room; what would be below the fewest is held there, which
    leaves more room for the others. `terms` [3 window], `room` [window].

    Example:
        >>> divided(np.array([[4.0], [1.0], [0.0]]), np.array([0.01])).ravel().tolist()
        [600.0, 300.0, 0.0]
    """
    used = terms > 0
    held = ~used
    least = np.where(used, MIN_CYCLES, 0.0)
    found = least.copy()
    for _ in COSTS:
        taken = np.where(held & used, terms / np.maximum(least, 1.0), 0.0).sum(0)
        root = np.where(held, 0.0, np.sqrt(COSTS * terms)).sum(0)
        found = np.where(held, least, np.sqrt(terms / COSTS) * root / (room - taken))
        held |= found < least
    return np.where(held, least, found)
