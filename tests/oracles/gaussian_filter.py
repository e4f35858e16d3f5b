"""Monitored cells (000 Sec. IV): closed forms, their differential equation, and the measurement cycle by cycle.

One pair (X, P) of 000 (cosine or sine) with H_int = sqrt(2 gamma_s) (X y/Z + Z P q), decay at the amplitude rate
gamma_extra towards a bath of variance w/2, and a record of y with efficiency eta.  v = 2 var(P) is xi (vacuum 1):

    dv/dt = -2 gamma v + 2 gamma_s/Z^2 + 2 gamma_extra w - 2 eta gamma_s (Z v - 1/Z)^2,   gamma = gamma_s + gamma_extra

eta = 0 is the pair nobody watches.  000 prints e^(-gamma_s t) below its Eq. (5); with the gamma_s of its Eq. (4),
an amplitude rate, variances go as e^(-2 gamma_s t).

A cycle of length tau, with a fresh vacuum mode (y, q), [y, q] = i, k = sqrt(2 gamma_s tau):

    U = exp(-i k (X y/Z + Z P q)), decay, loss of 1 - eta of the light, homodyne projection on y (000 Eq. (5)).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from .gaussian import Array, symplectic_form


@dataclass(frozen=True)
class Cells:
    """Amplitude rates gamma_s, gamma_extra; Z = mu + nu; detector efficiency eta; bath variance w (vacuum 1)."""

    gamma_s: float
    gamma_extra: float
    Z: float
    efficiency: float = 1.0
    bath: float = 1.0

    @property
    def gamma(self) -> float:
        return self.gamma_s + self.gamma_extra


def stationary(cells: Cells) -> float:
    """xi_inf, the state nobody watches."""
    x = cells.gamma_extra / cells.gamma_s
    return (1 / cells.Z**2 + x * cells.bath) / (1 + x)


def _roots(cells: Cells) -> tuple[float, float]:
    """The two v with dv/dt = 0, larger first."""
    eta, x = cells.efficiency, cells.gamma_extra / cells.gamma_s
    root = np.sqrt((1 + x) ** 2 + 4 * eta * x * (cells.bath * cells.Z**2 - 1))
    return tuple((2 * eta - 1 - x + s * root) / (2 * eta * cells.Z**2) for s in (1, -1))


def stationary_conditional(cells: Cells) -> float:
    """xi_cond,inf; needs eta > 0."""
    return _roots(cells)[0]


def variance(cells: Cells, t: Array, start: float) -> Array:
    """v(t) of the state nobody watches, v(0) = start."""
    end = stationary(cells)
    return end + (start - end) * np.exp(-2 * cells.gamma * t)


def conditional_variance(cells: Cells, t: Array, start: float) -> Array:
    """v(t) of the watched state: (v - v1)/(v - v2) decays at 2 eta gamma_s Z^2 (v1 - v2)."""
    v1, v2 = _roots(cells)
    rate = 2 * cells.efficiency * cells.gamma_s * cells.Z**2 * (v1 - v2)
    ratio = (start - v1) / (start - v2) * np.exp(-rate * t)
    return (v1 - v2 * ratio) / (1 - ratio)


def variance_by_ode(cells: Cells, t: Array, start: float) -> Array:
    """v at increasing times t >= 0 from the differential equation; efficiency 0: nobody watches."""
    c = cells

    def rhs(_: float, v: Array) -> Array:
        gain = 2 * c.gamma_s / c.Z**2 + 2 * c.gamma_extra * c.bath
        return gain - 2 * c.gamma * v - 2 * c.efficiency * c.gamma_s * (c.Z * v - 1 / c.Z) ** 2

    return solve_ivp(rhs, (0, t[-1]), [start], method="DOP853", t_eval=t, rtol=1e-12, atol=1e-14).y[0]


def _interaction(cells: Cells, tau: float) -> Array:
    """The symplectic matrix of U on (X, P, y, q)."""
    G = np.zeros((4, 4))
    k = np.sqrt(2 * cells.gamma_s * tau)
    G[0, 2] = G[2, 0] = k / cells.Z
    G[1, 3] = G[3, 1] = k * cells.Z
    return expm(symplectic_form(2) @ G)


def _cycle(cells: Cells, tau: float) -> tuple[Array, Array]:
    """(T, Q): (X, P, detected y) = T (X, P, y, q) of the beginning + noise of covariance Q."""
    decay = np.exp(-cells.gamma_extra * tau)
    pick = np.diag([decay, decay, np.sqrt(cells.efficiency)]) @ np.eye(3, 4)
    bath = (1 - decay**2) * cells.bath / 2
    return pick @ _interaction(cells, tau), np.diag([bath, bath, (1 - cells.efficiency) / 2])


def _step(V: Array, T: Array, Q: Array) -> tuple[Array, Array, float]:
    """Covariance after a cycle and its homodyne projection, gain of the mean, variance of the outcome."""
    joint = np.zeros((4, 4))
    joint[:2, :2], joint[2:, 2:] = V, np.eye(2) / 2
    after = T @ joint @ T.T + Q
    gain = after[:2, 2] / after[2, 2]
    return after[:2, :2] - np.outer(gain, after[2, :2]), gain, float(after[2, 2])


def discrete_variance(cells: Cells, tau: float, cycles: int, start: float) -> float:
    """v after `cycles` cycles, start: v of both quadratures at the beginning."""
    T, Q = _cycle(cells, tau)
    V = np.eye(2) * start / 2
    for _ in range(cycles):
        V = _step(V, T, Q)[0]
    return float(2 * V[1, 1])


def stationary_by_cycles(cells: Cells, tau: float, levels: int) -> tuple[float, float]:
    """Stationary v at cycle length tau, and its limit tau -> 0 (Richardson on tau, tau/2, ... of `levels`).

    The error of one cycle length is a power series in tau, so each column of the Neville scheme cancels one power.
    """
    lengths = tau / 2.0 ** np.arange(levels)
    row = [discrete_variance(cells, t, int(np.ceil(20 / (cells.gamma * t))), 1.0) for t in lengths]
    coarse = row[0]
    for order in range(1, levels):
        row = [(2**order * fine - rough) / (2**order - 1) for rough, fine in zip(row, row[1:], strict=False)]
    return coarse, row[0]


@dataclass(frozen=True)
class Trajectories:
    """P, its filtered mean, and the normalised innovations (cycle, trajectory); v = 2 var of both kinds of state."""

    P: Array
    mean: Array
    innovations: Array
    v: float
    v_conditional: float


def trajectories(rng: np.random.Generator, cells: Cells, *, tau: float, cycles: int, count: int) -> Trajectories:
    """Records of `count` pairs that start in vacuum, and the Kalman means they give.

    Atoms, fresh light, bath and lost light are drawn from their (positive) Wigner functions, so P is one point of
    the unwatched state; the filter sees nothing but the record.
    """
    T, Q = _cycle(cells, tau)
    x, mean = rng.normal(scale=np.sqrt(0.5), size=(2, count)), np.zeros((2, count))
    V, innovations = np.eye(2) / 2, np.empty((cycles, count))
    for n in range(cycles):
        light = rng.normal(scale=np.sqrt(0.5), size=(2, count))
        noise = np.sqrt(np.diag(Q))[:, None] * rng.normal(size=(3, count))
        after = T @ np.concatenate([x, light]) + noise
        expected = T[:, :2] @ mean
        V, gain, spread = _step(V, T, Q)
        x, surprise = after[:2], after[2] - expected[2]
        mean = expected[:2] + np.outer(gain, surprise)
        innovations[n] = surprise / np.sqrt(spread)
    unwatched = discrete_variance(replace(cells, efficiency=0.0), tau, cycles, 1.0)
    return Trajectories(x[1], mean[1], innovations, unwatched, float(2 * V[1, 1]))
