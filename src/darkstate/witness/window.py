"""The window of a witness over time: its minimum, and the times between which it is below the bound.

Between the computed points the curve is the cubic through the four nearest ones on the same side of every border; with
the grids in use here (0.25 ms against 3 ms or more) it is within 1e-6 of the equations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.polynomial import Polynomial

from darkstate.parameters import pytree


@pytree
class Window:
    """Minimum of a witness and the interval below its bound.

    Args:
        minimum: smallest value; at: its time [s].
        opens, closes: first and last time below the bound [s]; None if it never is. `closes` is None and `open_ended`
            True when the curve is still below the bound at the last time.
        open_ended: the window has not closed.
    """

    minimum: float
    at: float
    opens: float | None
    closes: float | None
    open_ended: bool


def window(times: Any, values: Any, *, bound: float = 1.0, borders: Sequence[float] = ()) -> Window:
    """Minimum and first window below the bound of a sampled curve.

    Args:
        times: increasing [t; s]; values: witness [t]; +infinity counts as above the bound.
        bound: separable bound.
        borders: times among `times` at which the curve has a kink, such as the end of a pulse [s].

    Returns:
        `Window`; the connected interval below the bound that holds the smallest value. A value that is not a number
        gives a minimum that is not a number, and no window.

    Example:
        >>> t = np.linspace(0.0, 4.0, 81)
        >>> w = window(t, 0.5 + (t - 1.0) ** 2)
        >>> print(f"{w.minimum:.6f} at {w.at:.6f}, {w.opens:.6f} to {w.closes:.6f}")
        0.500000 at 1.000000, 0.292893 to 1.707107
    """
    t, y = np.asarray(times, float), np.asarray(values, float)
    finite = ~np.isposinf(y)  # without polarisation xi is infinite, as at the start of fully mixed atoms
    if np.isnan(y).any() or not finite.any():
        return Window(float(np.min(y)), float(t[0]), None, None, False)
    curve = _Curve(t[finite], y[finite], borders)
    minimum, at = curve.minimum()
    if minimum >= bound:
        return Window(minimum, at, None, None, False)
    opens, closes = curve.last_above(bound, at), curve.first_above(bound, at)
    start = float(curve.t[0])
    if opens is None or opens - start < 1e-9 * (curve.t[-1] - start):  # a coherent spin state starts at the bound
        opens = start
    return Window(minimum, at, opens, closes, closes is None)


class _Curve:
    """Points joined by local cubics, which do not reach across borders."""

    def __init__(self, t: Any, y: Any, borders: Sequence[float]) -> None:
        self.t, self.y = t, y
        self.cuts = [0, *sorted({int(np.argmin(np.abs(t - b))) for b in borders} - {0, len(t) - 1}), len(t) - 1]

    def cubic(self, i: int) -> Polynomial:
        """The cubic through the four points nearest to interval i on its side of every border."""
        low = max(c for c in self.cuts if c <= i)
        high = min(c for c in self.cuts if c > i)
        first = min(max(i - 1, low), max(high - 3, low))
        near = slice(first, min(first + 4, high + 1))
        return Polynomial.fit(self.t[near], self.y[near], len(self.t[near]) - 1)

    def minimum(self) -> tuple[float, float]:
        """Smallest value and its time."""
        k = int(np.argmin(self.y))
        found = [(float(self.y[k]), float(self.t[k]))]
        for i in (k - 1, k):  # the minimum lies in one of the two intervals next to the lowest point
            if 0 <= i < len(self.t) - 1:
                curve = self.cubic(i)
                slope = curve.deriv()
                if slope(self.t[i]) < 0 < slope(self.t[i + 1]):
                    at = _zero(slope, self.t[i], self.t[i + 1])
                    found.append((float(curve(at)), at))
        return min(found)

    def last_above(self, bound: float, at: float) -> float | None:
        """Where the curve last came down to the bound before `at`, if it did."""
        points = np.flatnonzero((self.y >= bound) & (self.t <= at))
        if not points.size:
            return None
        i = int(points[-1])
        return _zero(self.cubic(i) - bound, self.t[i], min(self.t[i + 1], at))

    def first_above(self, bound: float, at: float) -> float | None:
        """Where the curve first comes up to the bound after `at`, if it does."""
        points = np.flatnonzero((self.y >= bound) & (self.t >= at))
        if not points.size:
            return None
        i = int(points[0]) - 1
        return _zero(self.cubic(i) - bound, max(self.t[i], at), self.t[i + 1])


def _zero(function: Polynomial, left: float, right: float) -> float:
    """A zero between two points of opposite sign, by bisection; roots of nearly degenerate cubics lose digits."""
    rising = function(right) > function(left)
    for _ in range(60):
        middle = (left + right) / 2
        if (function(middle) < 0) == rising:
            left = middle
        else:
            right = middle
    return float((left + right) / 2)
