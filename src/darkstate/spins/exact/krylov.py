"""Krylov subspaces of a linear map on real vectors: the exponential, and GMRES, each with the error it reached.

    A V = V H + h v_{m+1} e_m^T,     exp(t A) v ~ |v| V exp(t H) e_1

The error of a step is what leaves the subspace. Up: `steady`, `solve.exact_spins`; the maps come from `generator`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

from darkstate.spins.exact.basis import Array

Map = Callable[[Array], Array]

SUBSPACE = 30
"""Vectors kept for the exponential."""

RESTART = 40
"""Vectors kept by GMRES."""


def exponential(a: Map, v: Array, time: float, tolerance: float, step: float) -> tuple[Array, float, float]:
    """exp(time A) v in steps of controlled error.

    Args:
        a: the map; v: vector [n]; time: [s].
        tolerance: error allowed over the whole time, relative to |v|.
        step: length to try first [s].

    Returns:
        The vector, its estimated error relative to |v|, and the step reached.

    Example:
        >>> found, error, _ = exponential(lambda x: -2 * x, np.ones(3), 1.0, 1e-12, 0.1)
        >>> bool(abs(found - np.exp(-2)).max() < 1e-12), error < 1e-12
        (True, True)
    """
    done, error, scale = 0.0, 0.0, float(np.linalg.norm(v))
    while done < time and scale > 0:
        norm = float(np.linalg.norm(v))
        basis, h = _arnoldi(a, v / norm, SUBSPACE)
        m = h.shape[1]
        closed = h.shape[0] == m
        while True:
            step = min(step, time - done)
            # The last two columns hold the integrals of the exponential that bound what leaves the subspace.
            big = np.zeros((m + 2, m + 2))
            big[:m, :m] = h[:m]
            big[m, m - 1] = 0.0 if closed else h[m, m - 1]
            big[m + 1, m] = 1.0 if not closed else 0.0
            column = expm(step * big)[:, 0]
            wrong = 0.0 if closed else abs(column[m]) * norm / scale
            allowed = tolerance * step / time
            if wrong <= allowed or step < 1e-14 * time:
                break
            step *= min(0.9 * (allowed / wrong) ** (1 / m), 0.7)
        v = norm * (column[:m] @ basis[:m])
        done, error = done + step, error + wrong
        if wrong < 0.1 * allowed:
            step *= min(2.0, 0.9 * (allowed / max(wrong, 1e-300)) ** (1 / m))
    return v, error, step


def gmres(a: Map, b: Array, tolerance: float, most: int = 400) -> tuple[Array, int]:
    """x with |b - A x| <= tolerance |b|, by restarted GMRES; the caller checks the residual.

    Returns:
        x and the number of applications of A.
    """
    x, used = np.zeros_like(b), 0
    target = tolerance * float(np.linalg.norm(b))
    while used < most:
        r = b - a(x) if used else b
        size = float(np.linalg.norm(r))
        if size <= target or size == 0:
            break
        basis, h = _arnoldi(a, r / size, RESTART, target / size)
        m = h.shape[1]
        right = np.zeros(h.shape[0])
        right[0] = size
        y = np.linalg.lstsq(h, right, rcond=None)[0]
        x = x + y @ basis[:m]
        used += m + 1
    return x, used


def _arnoldi(a: Map, v: Array, most: int, target: float = 0.0) -> tuple[Any, Array]:
    """Orthonormal basis [m+1 n] and Hessenberg matrix [m+1 m]; [m n], [m m] where the subspace closes.

    With a target it stops as soon as the residual of GMRES for the right-hand side v is below it.
    """
    basis = np.empty((most + 1, len(v)))
    basis[0] = v
    h = np.zeros((most + 1, most))
    for k in range(most):
        w = a(basis[k])
        before = float(np.linalg.norm(w))
        for _ in range(2):  # a second pass keeps the basis orthogonal to rounding
            overlap = basis[: k + 1] @ w
            h[: k + 1, k] += overlap
            w = w - overlap @ basis[: k + 1]
        left = float(np.linalg.norm(w))
        if left <= 1e-14 * before:
            return basis[: k + 1], h[: k + 1, : k + 1]
        h[k + 1, k] = left
        basis[k + 1] = w / left
        if target and _residual(h[: k + 2, : k + 1]) <= target:
            return basis[: k + 2], h[: k + 2, : k + 1]
    return basis, h


def _residual(h: Array) -> float:
    right = np.zeros(h.shape[0])
    right[0] = 1.0
    return float(np.linalg.norm(right - h @ np.linalg.lstsq(h, right, rcond=None)[0]))


def ritz_values(a: Map, v: Array, vectors: int) -> NDArray[Any]:
    """Eigenvalues of A in a Krylov subspace of v [up to `vectors`]; those of largest size come first to converge."""
    _, h = _arnoldi(a, v / float(np.linalg.norm(v)), vectors)
    return np.asarray(np.linalg.eigvals(h[: h.shape[1]]))
