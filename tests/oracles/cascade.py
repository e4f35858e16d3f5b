"""Two unequal ensembles, N -> infinity, lossy light path, light switched and ramped: Lyapunov equations by NumPy.

r = (Jy_I, Jz_I, Jy_II, Jz_II)/sqrt(N_j), V = <{r, r^T}>/2 with zero means, x_j = (u_j - d_j)/2, D_j = (d Gamma)_j:

    dV/dt = A V + V A^T + B
    A_jj  = -(Gt_j + 2 D_j x_j)/2 + delta_j [[0, -1], [1, 0]]
    A_II,I = 2 f x_II diag(1, -1),            f = sqrt(t D_I D_II) (mu_I nu_II - nu_I mu_II)
    B_jj  = [Gt_j n_j/4 + (dn_j/dt)/4 + D_j (mu_j^2 + nu_j^2) x_j^2] 1
    B_I,II = -sqrt(t D_I D_II) (mu_I nu_II + nu_I mu_II) x_I x_II diag(1, -1)

The limit of the equations at the head of `moments` (which are exact), written as matrices; populations obey
d(u, d, h)/dt = M (u, d, h).  Larmor H = sum delta_j Jx_j.  Vectors of rates are arrays over (I, II).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

Array = NDArray[np.float64]
TURN = np.array([[0.0, -1.0], [1.0, 0.0]])
SIGN = np.diag([1.0, -1.0])
NAMES = ("cooling", "heating", "up_to_h", "down_to_h", "h_to_up", "h_to_down", "transverse", "collective")


@dataclass(frozen=True)
class Cascade:
    """`rates[cause, name, ensemble]`: causes are dark, drive, pump, repump; names as in NAMES."""

    mu: Array
    nu: Array
    delta: Array
    start: Array  # (u, d, h) of I and of II, shape (2, 3)
    transmission: float
    rates: Array

    def at(self, strengths: Array) -> dict[str, Array]:
        """Rates by name at strengths of (drive, pump, repump)."""
        total = np.tensordot(np.concatenate([[1.0], strengths]), self.rates, axes=1)
        return dict(zip(NAMES, total, strict=True))

    def matrix(self, r: dict[str, Array], j: int) -> Array:
        """M of ensemble j."""
        m = np.zeros((3, 3))
        m[0, 1], m[1, 0], m[2, 0] = r["cooling"][j], r["heating"][j], r["up_to_h"][j]
        m[2, 1], m[0, 2], m[1, 2] = r["down_to_h"][j], r["h_to_up"][j], r["h_to_down"][j]
        return m - np.diag(m.sum(axis=0))

    def drift_and_source(self, r: dict[str, Array], pop: Array, dpop: Array) -> tuple[Array, Array]:
        """(A, B) at populations `pop` (2, 3) that move with `dpop`."""
        x = (pop[:, 0] - pop[:, 1]) / 2
        root = np.sqrt(self.transmission * r["collective"].prod())
        force = root * (self.mu[0] * self.nu[1] - self.nu[0] * self.mu[1])
        joint = root * (self.mu[0] * self.nu[1] + self.nu[0] * self.mu[1])
        a, b = np.zeros((4, 4)), np.zeros((4, 4))
        for j in (0, 1):
            here = slice(2 * j, 2 * j + 2)
            g = r["transverse"][j] + 2 * r["collective"][j] * x[j]
            a[here, here] = -g / 2 * np.eye(2) + self.delta[j] * TURN
            own = r["transverse"][j] * pop[j, :2].sum() / 4 + dpop[j, :2].sum() / 4
            own += r["collective"][j] * (self.mu[j] ** 2 + self.nu[j] ** 2) * x[j] ** 2
            b[here, here] = own * np.eye(2)
        a[2:, :2] = 2 * force * x[1] * SIGN
        b[:2, 2:] = b[2:, :2] = -joint * x[0] * x[1] * SIGN
        return a, b

    def steady(self, strengths: Array) -> tuple[Array, Array]:
        """Populations (2, 3) and V in the steady state, (1 x A + A x 1) vec V = -vec B; needs a way back from h."""
        r = self.at(strengths)
        ones = np.array([0.0, 0.0, 1.0])
        pop = np.array([np.linalg.solve(np.vstack([self.matrix(r, j)[:2], np.ones(3)]), ones) for j in (0, 1)])
        a, b = self.drift_and_source(r, pop, np.zeros((2, 3)))
        total = np.kron(np.eye(4), a) + np.kron(a, np.eye(4))
        return pop, np.linalg.solve(total, -b.ravel()).reshape(4, 4)

    def evolve(self, pieces: list[tuple[float, Callable[[float], Array]]], times: Array) -> tuple[Array, Array]:
        """Populations (t, 2, 3) and V (t, 4, 4) at increasing times > 0.

        `pieces`: (duration, strengths as a function of the time since the piece began); the last one goes on.
        """
        n = self.start[:, :2].sum(axis=1)
        y, begin, out = np.concatenate([self.start.ravel(), np.diag(np.repeat(n, 2) / 4).ravel()]), 0.0, []
        for k, (duration, strengths) in enumerate(pieces):
            end = begin + duration if k < len(pieces) - 1 else max(times[-1], begin)
            if end <= begin:
                continue

            def rhs(t: float, y: Array, strengths=strengths, begin=begin) -> Array:
                r, pop = self.at(strengths(t - begin)), y[:6].reshape(2, 3)
                dpop = np.array([self.matrix(r, j) @ pop[j] for j in (0, 1)])
                a, b = self.drift_and_source(r, pop, dpop)
                v = y[6:].reshape(4, 4)
                return np.concatenate([dpop.ravel(), (a @ v + v @ a.T + b).ravel()])

            found = solve_ivp(rhs, (begin, end), y, method="DOP853", rtol=1e-12, atol=1e-14, dense_output=True)
            out += [found.sol(t) for t in times if begin < t <= end]
            y, begin = found.y[:, -1], end
        states = np.array(out)
        return states[:, :6].reshape(-1, 2, 3), states[:, 6:].reshape(-1, 4, 4)
