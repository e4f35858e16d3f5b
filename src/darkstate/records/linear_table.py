"""Probabilities linear in a table of numbers from 0 to 1, and its largest likelihood, of many count tables at once.

    p = none + slopes table;    log L(best anywhere) - log L(table) <= gap

log L is concave in the table: every maximum is global, and gap bounds what is left to gain. Down: `count_model`; up:
`inelastic`.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.special import xlogy

from darkstate.errors import ArgumentError
from darkstate.records.count_model import FLOOR
from darkstate.witness.value import EPSILON

GAP = 1e-3
"""Largest gap of a table that is called optimal."""

_TIGHT, _STEPS = 1e-7, 100
"""The gap that the search aims at, and its steps at most."""


@dataclasses.dataclass(frozen=True)
class LinearTable:
    """p = none + slopes table over the cells of d count tables: none [d c], slopes [d c t]."""

    none: np.ndarray
    slopes: np.ndarray

    def p(self, table: np.ndarray) -> np.ndarray:
        """Probabilities [d s 3] for tables [d t]."""
        return np.maximum(self.none + (self.slopes @ table[:, :, None])[:, :, 0], FLOOR).reshape(len(table), -1, 3)

    def g(self, counts: np.ndarray, table: np.ndarray) -> np.ndarray:
        """Likelihood ratios [d] of counts [d s 3]."""
        return 2 * xlogy(counts, counts / (counts.sum(-1, keepdims=True) * self.p(table))).sum((1, 2))

    def slope(self, counts: np.ndarray, table: np.ndarray) -> np.ndarray:
        """Of minus the log-likelihood [d t]."""
        return -((counts / self.p(table)).reshape(len(table), 1, -1) @ self.slopes)[:, 0]

    def gap(self, counts: np.ndarray, table: np.ndarray) -> np.ndarray:
        """Rise of the log-likelihood to the best corner along its tangent, which a concave function stays below [d]."""
        slope = self.slope(counts, table)
        return (slope * table - np.minimum(slope, 0)).sum(1)

    def weighted(self, counts: np.ndarray, table: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        """Slopes [d c n] times sqrt(counts)/p: the curvature of the log-likelihood is a product of two of these."""
        return (np.sqrt(counts) / self.p(table)).reshape(len(table), -1, 1) * slopes

    def curvature(self, counts: np.ndarray, table: np.ndarray, stiff: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Of the least minus log-likelihood over tables, by what moves p with the slopes `other` [d c k] -> [d k k]."""
        root, with_other = (self.weighted(counts, table, slopes) for slopes in (self.slopes, other))
        down = np.swapaxes(with_other, 1, 2)
        inner = np.swapaxes(root, 1, 2) @ root + stiff[:, :, None] * np.eye(table.shape[1])
        mixed = down @ root
        return down @ with_other - mixed @ np.linalg.solve(inner, np.swapaxes(mixed, 1, 2))

    def fit(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The tables of the largest likelihood, by the primal-dual interior-point method, and how stiff the bounds
        hold them [d t].

        Raises:
            ArgumentError: a gap stays above what is called optimal.
        """
        size = self.slopes.shape[2]
        table = np.full((len(counts), size), 0.5)
        at_0 = at_1 = np.abs(self.slope(counts, table)) + 1.0  # multipliers of both ends
        for _ in range(_STEPS):
            if (self.gap(counts, table) < _TIGHT).all():
                break
            left = np.maximum(1 - table, EPSILON)  # 1 to rounding
            barrier = 0.1 * (at_0 * table + at_1 * left).mean(1, keepdims=True) / 2
            root = self.weighted(counts, table, self.slopes)
            curvature = np.swapaxes(root, 1, 2) @ root + (at_0 / table + at_1 / left)[:, :, None] * np.eye(size)
            down = barrier / table - barrier / left - self.slope(counts, table)
            move = np.linalg.solve(curvature, down[:, :, None])[:, :, 0]
            change_0 = barrier / table - at_0 - at_0 / table * move
            change_1 = barrier / left - at_1 + at_1 / left * move
            length = _inside(table, move), _inside(left, -move), _inside(at_0, change_0), _inside(at_1, change_1)
            inside, dual = np.minimum(*length[:2]), np.minimum(*length[2:])
            table = table + inside * move
            at_0, at_1 = at_0 + dual * change_0, at_1 + dual * change_1
        gap = self.gap(counts, table).max()
        if not gap < GAP:
            raise ArgumentError(
                f"Argument `probabilities` lets the search end {gap:.2g} below the largest log-likelihood; scale the "
                "entries of its table to probabilities."
            )
        return table, at_0 / table + at_1 / np.maximum(1 - table, EPSILON)


def _inside(values: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Longest step of at most 1 that keeps a hundredth of every positive value [d 1]."""
    ratio = np.where(change < 0, -0.99 * values / np.where(change < 0, change, -1.0), 1.0)
    return np.minimum(ratio.min(1, keepdims=True), 1.0)
