"""Single-atom jumps of one ensemble in the basis |N, j, m>, compiled, for all trajectories.

    squared amplitude of |N, j, m> -> |N', j', m'> = rate * w (a + s i)(b + t i),      i = k - origin, k = j - m

Each local jump splits into channels of definite j'. All are products of two straight lines in k, and so quadratic: the
rates of a whole trajectory need <i> and <i^2> alone. N counts the atoms of the two-level system, N_h those in the
third level, an incoherent label. Dephasing acts as s_x of each atom, its part that keeps j as w (k - reference)^2:
D[L + c] = D[L] for Hermitian L and real c, and a reference at <k> makes nearly all those jumps vanish.

Sources: partial traces of explicit spins as in `channels`; atoms that leave or enter by Clebsch-Gordan coefficients,
<j' m-s; 1/2 s|j m>^2 N w(j') and <j m; 1/2 s|j' m+s>^2. Up: `chain`, `plane`, `leap`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

CHANNELS = (
    "cooling",
    "cooling, j - 1",
    "cooling, j + 1",
    "heating",
    "heating, j - 1",
    "heating, j + 1",
    "dephasing",
    "dephasing, j - 1",
    "dephasing, j + 1",
    "up_to_h, j - 1/2",
    "up_to_h, j + 1/2",
    "down_to_h, j - 1/2",
    "down_to_h, j + 1/2",
    "h_to_up, j - 1/2",
    "h_to_up, j + 1/2",
    "h_to_down, j - 1/2",
    "h_to_down, j + 1/2",
)
"""Names of the channels of one ensemble, by index."""

DEPHASING = 6
"""The channel with a sign: its amplitude is (k - reference), the others are square roots."""

SOURCE = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6])
"""Which local rate, in the order of `jumps.LOCAL`, drives each channel [17]."""

CHANGE = np.array(
    [
        [0, 0, -1],
        [0, -2, -2],
        [0, 2, 0],
        [0, 0, 1],
        [0, -2, 0],
        [0, 2, 2],
        [0, 0, 0],
        [0, -2, -1],
        [0, 2, 1],
        [-1, -1, 0],
        [-1, 1, 1],
        [-1, -1, -1],
        [-1, 1, 0],
        [1, -1, -1],
        [1, 1, 0],
        [1, -1, 0],
        [1, 1, 1],
    ]
)
"""Changes of (N, 2j, k) by each channel [17 3]."""

WEIGHT = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 3, 4, 3, 4, 5, 5, 5, 5])
"""Which of the six `weights` each channel carries [17]."""

# a = A0 + A1 2j, s, b = B0 + B1 2j, t, at origin 0
_LINES = np.array(
    [
        [0.0, 0.0, 1.0, 1.0, 1.0, -1.0],  # k (2j - k + 1)
        [0.0, 0.0, 1.0, -1.0, 0.0, 1.0],  # k (k - 1)
        [1.0, 1.0, -1.0, 2.0, 1.0, -1.0],  # (2j - k + 1)(2j - k + 2)
        [0.0, 1.0, -1.0, 1.0, 0.0, 1.0],  # (2j - k)(k + 1)
        [0.0, 1.0, -1.0, -1.0, 1.0, -1.0],  # (2j - k)(2j - k - 1)
        [1.0, 0.0, 1.0, 2.0, 0.0, 1.0],  # (k + 1)(k + 2)
        [0.0, 0.0, 1.0, 0.0, 0.0, 1.0],  # k^2, the reference is subtracted
        [0.0, 0.0, 1.0, 0.0, 1.0, -1.0],  # k (2j - k)
        [1.0, 0.0, 1.0, 1.0, 1.0, -1.0],  # (k + 1)(2j - k + 1)
        [0.0, 1.0, -1.0, 1.0, 0.0, 0.0],  # 2j - k
        [1.0, 0.0, 1.0, 1.0, 0.0, 0.0],  # k + 1
        [0.0, 0.0, 1.0, 1.0, 0.0, 0.0],  # k
        [1.0, 1.0, -1.0, 1.0, 0.0, 0.0],  # 2j - k + 1
        [0.0, 0.0, 1.0, 1.0, 0.0, 0.0],  # k
        [1.0, 1.0, -1.0, 1.0, 0.0, 0.0],  # 2j - k + 1
        [0.0, 1.0, -1.0, 1.0, 0.0, 0.0],  # 2j - k
        [1.0, 0.0, 1.0, 1.0, 0.0, 0.0],  # k + 1
    ]
)


@njit(cache=True)
def weights(atoms: float, away: float, twice_j: float, out: Any) -> None:
    """The prefactors w of all channels: same j, j - 1, j + 1, leaving with j - 1/2, with j + 1/2, entering [6].

    Args:
        atoms: N of the two-level system; away: N_h; twice_j: 2j.
        out: filled [6].

    Example:
        >>> w = np.empty(6)
        >>> weights(2.0, 0.0, 2.0, w)  # two atoms, j = 1
        >>> print(np.round(w, 4))
        [0.5    0.5    0.     1.     0.     0.    ]
    """
    n, z = atoms, twice_j
    out[0] = (n + 2) / (z * (z + 2)) if z > 0 else 0.0  # j = 0 has no jump that keeps or lowers j
    out[1] = (n + z + 2) / (2 * z * (z + 1)) if z > 0 else 0.0
    out[2] = (n - z) / (2 * (z + 1) * (z + 2))
    out[3] = (n + z + 2) / (2 * (z + 1))
    out[4] = (n - z) / (2 * (z + 1))
    out[5] = away / (z + 1)


@njit(cache=True)
def lines(channel: int, twice_j: float, origin: float, reference: float) -> Any:
    """(a, s, b, t) of one channel: its squared amplitude is rate w (a + s i)(b + t i), i = k - origin.

    Args:
        channel: index into `CHANNELS`; twice_j: 2j; origin: k of i = 0.
        reference: i at which the dephasing that keeps j vanishes.

    Example:
        >>> lines(CHANNELS.index("heating"), 4.0, 1.0, 0.0)  # (2j - k)(k + 1)
        (3.0, -1.0, 2.0, 1.0)
    """
    if channel == DEPHASING:
        return -reference, 1.0, -reference, 1.0
    s, t = _LINES[channel, 2], _LINES[channel, 5]
    a = _LINES[channel, 0] + _LINES[channel, 1] * twice_j + s * origin
    b = _LINES[channel, 3] + _LINES[channel, 4] * twice_j + t * origin
    return a, s, b, t


@njit(cache=True)
def quadratics(rates: Any, w: Any, twice_j: float, origin: float, reference: float, out: Any) -> None:
    """Squared amplitudes of all channels as q_0 + q_1 i + q_2 i^2, i = k - origin, rates included.

    Args:
        rates: local rates in the order of `jumps.LOCAL` [7; 1/s].
        w: `weights` [6]; twice_j: 2j; origin: k of i = 0; reference: see `lines`.
        out: filled [17 3; 1/s].

    Example:
        >>> w, q = np.empty(6), np.empty((17, 3))
        >>> weights(2.0, 0.0, 2.0, w)
        >>> quadratics(np.array([0, 1.0, 0, 0, 0, 0, 0]), w, 2.0, 0.0, 0.0, q)
        >>> print(f"{q[3:6].sum(axis=0) @ [1, 1, 1]:.4f}")  # j = 1, m = 0: N_up = 1
        1.0000
    """
    for c in range(out.shape[0]):
        rate = rates[SOURCE[c]]
        if rate == 0.0:
            out[c] = 0.0
            continue
        a, s, b, t = lines(c, twice_j, origin, reference)
        scale = rate * w[WEIGHT[c]]
        out[c, 0] = scale * a * b
        out[c, 1] = scale * (a * t + b * s)
        out[c, 2] = scale * s * t


@njit(cache=True)
def up_square(k: float, twice_j: float) -> float:
    """||S |j, m>||^2 = k (2j - k + 1); S takes k to k - 1."""
    return k * (twice_j - k + 1.0)


@njit(cache=True)
def down_square(k: float, twice_j: float) -> float:
    """||S^+ |j, m>||^2 = (k + 1)(2j - k); S^+ takes k to k + 1."""
    return (k + 1.0) * (twice_j - k)
