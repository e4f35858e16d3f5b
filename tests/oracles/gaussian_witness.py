"""Two-mode witnesses by brute force.  V: covariance of (X1, P1, X2, P2), vacuum 1/2; no standard form is used."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eig
from scipy.optimize import minimize_scalar

from .gaussian import Array, lyapunov, random_open_system, symplectic_form
from .gaussian_cascade import epr_variance


def random_states(rng: np.random.Generator, count: int) -> list[Array]:
    """Steady states of random two-mode networks, every other one fed with vacuum only."""
    systems = [random_open_system(rng, 2, 2, perfect=k % 2 == 0) for k in range(count)]
    return [lyapunov(s.A, s.D) for s in systems]


def two_mode_squeezed_vacuum(r: float) -> Array:
    """X1 + X2 and P1 - P2 squeezed: xi = e^(-2r), E_N = 2r nats, steering 1/cosh(2r), fidelity 1/(1 + e^(-2r))."""
    c, s = np.cosh(2 * r) / 2, np.sinh(2 * r) / 2
    return np.block([[c * np.eye(2), -s * np.diag([1, -1])], [-s * np.diag([1, -1]), c * np.eye(2)]])


def log_negativity(V: Array) -> float:
    """E_N [nats] = -sum log min(1, 2 nu), nu the moduli of the eigenvalues of i Om V^PT (each comes twice)."""
    flip = np.diag([1.0, 1.0, 1.0, -1.0])
    values = eig(1j * symplectic_form(2) @ flip @ V @ flip, right=False)
    nu = np.sort(np.abs(values))[::2]
    return float(-np.log(np.minimum(1, 2 * nu)).sum())


def best_gain_epr(V: Array) -> tuple[float, float]:
    """(min over g of xi_g, best g), 004 Eq. (8); g = tan(angle), searched piece by piece over both signs."""
    edges = np.linspace(-np.pi / 2, np.pi / 2, 9)
    found = [
        minimize_scalar(lambda a: epr_variance(V, np.tan(a)), bounds=piece, method="bounded", options={"xatol": 1e-12})
        for piece in zip(edges, edges[1:], strict=False)
    ]
    best = min(found, key=lambda one: one.fun)
    return float(best.fun), float(np.tan(best.x))


def steering(V: Array, *, by: int) -> float:
    """2 sqrt(det) of the Schur complement of mode `by` (1 or 2): below 1 Gaussian measurements on it steer the other.

    The Gaussian steerability is -log of it where it is below 1.
    """
    here, there = (slice(0, 2), slice(2, 4)) if by == 1 else (slice(2, 4), slice(0, 2))
    rest = V[there, there] - V[there, here] @ np.linalg.inv(V[here, here]) @ V[here, there]
    return float(2 * np.sqrt(np.linalg.det(rest)))


def teleportation_fidelity(rng: np.random.Generator, V: Array, count: int) -> tuple[float, float]:
    """Fidelity of unit-gain teleportation of coherent states, and its standard error.

    The output is the input displaced by (X1 + X2, P1 - P2), which commute, so by two classical random numbers;
    |<a|a + d>|^2 = exp(-(dX^2 + dP^2)/2).  Vacuum gives 1/2.
    """
    rows = np.array([[1.0, 0, 1, 0], [0, 1.0, 0, -1]])
    shift = rng.multivariate_normal(np.zeros(2), rows @ V @ rows.T, size=count)
    overlap = np.exp(-(shift**2).sum(axis=1) / 2)
    return float(overlap.mean()), float(overlap.std(ddof=1) / np.sqrt(count))
