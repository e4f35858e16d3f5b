"""Amplitudes c_i of |k_I + i, k_II + i> on the occupied part of a chain: window, moments, jumps. Compiled.

A row of amplitudes has its sites at 1 .. width, so that neighbours exist on both sides; `couplings` are 0 there.
labels [2 3] holds (N, 2j, k of the first site) of both ensembles. Up: `chain`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from darkstate.spins.exact.irreps import DEPHASING, down_square, lines, up_square


@njit(cache=True)
def square(x: Any) -> float:
    """|x|^2 of a real or complex number."""
    return (x * np.conj(x)).real


@njit(cache=True)
def room(labels: Any, width: int) -> Any:
    """How many sites the chain has below and above the window; negative where the window sticks out."""
    below = min(labels[0, 2], labels[1, 2])
    above = min(labels[0, 1] - labels[0, 2], labels[1, 1] - labels[1, 2]) - (width - 1)
    return below, above


@njit(cache=True)
def widen(c: Any, labels: Any, width: int, below: int, above: int) -> int:
    """Move both ends of the window outwards (negative: inwards); returns the new width."""
    new = width + below + above
    if below > 0:
        for i in range(width, 0, -1):
            c[i + below] = c[i]
        c[1 : 1 + below] = 0.0
    elif below < 0:
        for i in range(1, width + below + 1):
            c[i] = c[i - below]
    if above > 0:
        c[new - above + 1 : new + 1] = 0.0
    labels[0, 2] -= below
    labels[1, 2] -= below
    return new


@njit(cache=True)
def settle(c: Any, labels: Any, width: int, trim: float, guard: int, largest: int) -> Any:
    """Fit the window to the occupied sites of a normalised state: (width, weight removed, whether the origin moved).

    `guard` empty sites stay beyond both ends, where amplitude may go within a step. Sites that a jump has emptied
    for good, outside the chain, go first. A width of 0 says that `largest` is too small.
    """
    below, above = room(labels, width)
    moved = below < 0
    if below < 0 or above < 0:
        width = widen(c, labels, width, min(below, 0), min(above, 0))
        below, above = max(below, 0), max(above, 0)
    last = width
    while last > 1 and square(c[last]) < trim:
        last -= 1
    first = 1
    while first < last and square(c[first]) < trim:
        first += 1
    low, high = guard - (first - 1), guard - (width - last)
    low = min(low, below) if low > 0 or low < -guard else 0
    high = min(high, above) if high > 0 or high < -guard else 0
    lost = 0.0
    for i in range(-low):
        lost += square(c[1 + i])
    for i in range(-high):
        lost += square(c[width - i])
    if width + low + high > largest:
        return 0, lost, True
    if low != 0 or high != 0:
        width = widen(c, labels, width, low, high)
    return width, lost, moved or low != 0


@njit(cache=True)
def couplings(s: Any, labels: Any, width: int) -> None:
    """<i| S_I S_II |i + 1> at s[1 .. width - 1], 0 at both ends."""
    z0, z1 = float(labels[0, 1]), float(labels[1, 1])
    k0, k1 = float(labels[0, 2]), float(labels[1, 2])
    for i in range(1, width):
        s[i] = np.sqrt(down_square(k0 + (i - 1), z0) * down_square(k1 + (i - 1), z1))
    s[0] = s[width] = 0.0


@njit(cache=True)
def largest_coupling(labels: Any, width: int) -> float:
    """A bound of all `couplings`."""
    product = 1.0
    for e in range(2):
        z, k = float(labels[e, 1]), float(labels[e, 2])
        product *= down_square(min(max((z - 1.0) / 2, k), k + max(width - 2, 0)), z)
    return float(np.sqrt(max(product, 0.0)))


@njit(cache=True, error_model="numpy")
def moments(c: Any, s: Any, width: int, out: Any) -> None:
    """Normalise c; out = <i>, <i^2>, Re and Im of <S_I S_II> [4]."""
    m0, m1, m2, re, im = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(1, width + 1):
        x = float(i - 1)
        p = square(c[i])
        z = np.conj(c[i]) * c[i + 1]
        m0 += p
        m1 += p * x
        m2 += p * (x * x)
        re += z.real * s[i]
        im += z.imag * s[i]
    out[0], out[1], out[2], out[3] = m1 / m0, m2 / m0, re / m0, im / m0
    f = 1.0 / np.sqrt(m0)
    for i in range(1, width + 1):
        c[i] *= f


@njit(cache=True, error_model="numpy")
def local_jump(c: Any, width: int, channel: int, twice_j: float, origin: float, reference: float, mean: Any) -> None:
    """Apply a single-atom channel to a state of these `moments`; the result is normalised up to rounding."""
    a, s, b, t = lines(channel, twice_j, origin, reference)
    f = 1.0 / (a * b + (a * t + b * s) * mean[0] + s * t * mean[1])
    if channel == DEPHASING:
        line_jump(c, width, reference, np.sqrt(f))
        return
    a, s = f * a, f * s
    for i in range(1, width + 1):
        c[i] *= np.sqrt(max((a + s * (i - 1)) * (b + t * (i - 1)), 0.0))


@njit(cache=True)
def line_jump(c: Any, width: int, reference: float, scale: float) -> None:
    """Apply a jump that is diagonal and a straight line in k."""
    for i in range(1, width + 1):
        c[i] *= scale * ((i - 1) - reference)


@njit(cache=True)
def ladder_jump(c: Any, labels: Any, width: int, down: int, x: float, y: float) -> int:
    """Apply x S + y S^+ with S^+ on ensemble `down` and S on the other one: k of the latter falls by one.

    The image of a chain is one site longer; returns the width.
    """
    up = 1 - down
    zu, zd = float(labels[up, 1]), float(labels[down, 1])
    ku, kd = float(labels[up, 2]), float(labels[down, 2])
    c[width + 1] = 0.0
    for i in range(width + 1, 0, -1):
        value = x * np.sqrt(max(up_square(ku + (i - 1), zu), 0.0)) * c[i]
        if i > 1:
            value += y * np.sqrt(max(down_square(kd + (i - 2), zd), 0.0)) * c[i - 1]
        c[i] = value
    labels[up, 2] -= 1
    return width + 1
