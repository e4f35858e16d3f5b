"""A step of d c/dt = G c by Taylor vectors, with its norm as a polynomial in time. Compiled.

    v_k = (G h)^k c/k!,      |c(x h)|^2 = sum over k of p_k x^k,      0 <= x <= 1

Up: `chain`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from darkstate.spins.exact.chain_window import square

ORDER = 26
"""Most Taylor vectors of a step; |G| h <= REACH makes them enough for ACCURACY."""
REACH = 3.0
ACCURACY = 1e-18
"""Squared norm of the last Taylor vector."""


@njit(cache=True)
def taylor(v: Any, d: Any, s: Any, width: int, up: float, down: float, h: float, p: Any, symmetric: bool) -> int:
    """v[k] = (G h)^k v[0]/k! and the coefficients p of the squared norm in time/h; returns the last k.

    A symmetric G gives <v_a|v_b> as moments of G of order a + b, so that n vectors make a polynomial of order 2 n.
    """
    p[0], factor = 1.0, 1.0
    for k in range(1, v.shape[0]):
        a, b, f = v[k - 1], v[k], h / k
        own, with_last = 0.0, 0.0
        for i in range(1, width + 1):
            x = f * (d[i] * a[i] + (up * s[i] * a[i + 1] + down * s[i - 1] * a[i - 1]))
            b[i] = x
            own += square(x)
            with_last += (np.conj(a[i]) * x).real
        if symmetric:
            factor *= 2.0 * k / (2.0 * k - 1.0)
            p[2 * k - 1], p[2 * k] = factor * with_last, factor * own
        else:
            p[k] = _overlaps(v, k, width)
        if own < ACCURACY:
            return k
    return v.shape[0] - 1


@njit(cache=True)
def _overlaps(v: Any, order: int, width: int) -> float:
    """Sum over a + b = order of Re <v_a|v_b>."""
    total = 0.0
    for a in range(order // 2 + 1):
        part = 0.0
        for i in range(1, width + 1):
            part += (np.conj(v[a, i]) * v[order - a, i]).real
        total += part if 2 * a == order else 2 * part
    return total


@njit(cache=True)
def polynomial(p: Any, degree: int, x: float) -> Any:
    """Polynomial and derivative at x."""
    value, slope = p[degree], 0.0
    for k in range(degree - 1, -1, -1):
        slope = slope * x + value
        value = value * x + p[k]
    return value, slope


@njit(cache=True, error_model="numpy")
def root(p: Any, degree: int, rate: float, due: float) -> float:
    """x in [0, 1] where rate x - log p(x) = due, by Newton's method kept in brackets."""
    low, high = 0.0, 1.0
    x = min(due / rate, 1.0) if rate > 0.0 else 0.5
    for _ in range(100):
        value, slope = polynomial(p, degree, x)
        miss = rate * x - np.log(value) - due
        if miss > 0.0:
            high = x
        else:
            low = x
        new = x - miss / (rate - slope / value)
        if not low <= new <= high:
            new = (low + high) / 2
        if abs(new - x) <= 1e-12 * new:
            return new
        x = new
    return x


@njit(cache=True)
def site(v: Any, last: int, i: int, x: float) -> float:
    """Weight of one site at x."""
    value = v[last, i]
    for k in range(last - 1, -1, -1):
        value = value * x + v[k, i]
    return square(value)


@njit(cache=True)
def combine(v: Any, last: int, width: int, x: float, scale: float) -> None:
    """v[0] = scale * sum of v[k] x^k."""
    for k in range(last - 1, -1, -1):
        f = scale if k == 0 else 1.0
        for i in range(1, width + 1):
            v[k, i] = f * (v[k, i] + x * v[k + 1, i])
