"""Mean-field (N -> infinity) spin ensembles by SciPy, for two identical ensembles; an independent reference.

Per atom: populations u, d, h (sum 1), n = u + d, w = u - d = n P, all variances divided by N.

    populations   d(u, d, h)/dt = M (u, d, h),  M[b, a] = rate(a -> b), columns sum to zero
    own part      s = sum over I, II of <Jy^2 + Jz^2>/N
                  ds/dt = -g s + n Gt + dG w^2 (mu^2 + nu^2) [+ dn/dt]
    correlations  z = 2 (<JyJy'> - <JzJz'> + i <JyJz' + JzJy'>)/N
                  dz/dt = (i dOmega - g) z - 2 mu nu sqrt(t) dG w^2
    g = Gt + dG w,   Sigma_2/N = s + Re z,   s(0) = n(0), z(0) = 0

Gt is Gamma-tilde (two levels) or Gamma-bar (three levels): twice the decay rate of |up><dn| by single-atom
processes.  [+ dn/dt] is the term that [Muschik2011] (D2), (D3) and [Muschik2012] App. B leave out; with it the
variance of independent atoms stays N_2/4 while atoms leave or return.  H = (dOmega/2)(JxI + JxII).
Measured variance ratio of spin F:

    xi = [2F Sigma_2 + 2 (2F - 1) N_dn] / [N_2 (P + 2F - 1)]          (F = 1/2: xi = Sigma_2/(N_2 P))

[Muschik2011] Phys. Rev. A 83, 052312; [Krauter2011] Phys. Rev. Lett. 107, 080503;
[Muschik2012] their long companion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from scipy.optimize import brentq, minimize_scalar

Array = NDArray[np.float64]


def squeezing(z: float) -> tuple[float, float]:
    """(mu, nu) from Z = 1/(mu - nu) with mu^2 - nu^2 = 1."""
    return (z + 1 / z) / 2, (z - 1 / z) / 2


@dataclass(frozen=True)
class MeanField:
    """Rates of one atom (any common unit), collective rate d Gamma, and the start."""

    mu: float
    nu: float
    d_gamma: float
    ud: float  # heat
    du: float  # cool
    gamma_t: float  # total Gamma-tilde / Gamma-bar, not only its dephasing part
    uh: float = 0.0
    dh: float = 0.0
    hu: float = 0.0
    hd: float = 0.0
    spin: float = 0.5
    transmission: float = 1.0
    larmor: float = 0.0  # dOmega, rad per unit time
    up0: float = 1.0
    dn0: float = 0.0
    sigma0: float | None = None  # Sigma_2(0)/N, default N_2(0)/N

    @property
    def matrix(self) -> Array:
        """M of the rate equations."""
        m = np.array([[0, self.du, self.hu], [self.ud, 0, self.hd], [self.uh, self.dh, 0]])
        return m - np.diag(m.sum(axis=0))

    @property
    def start(self) -> Array:
        return np.array([self.up0, self.dn0, 1 - self.up0 - self.dn0])

    def populations(self, time: float) -> Array:
        """(u, d, h) at one time."""
        return expm(self.matrix * time) @ self.start

    def steady_populations(self) -> Array:
        """The null vector of M; without loss h stays at its initial value and is 0 here."""
        if not (self.uh or self.dh):
            return np.array([self.du, self.ud, 0]) / (self.du + self.ud)
        return np.linalg.solve(np.vstack([self.matrix[:2], np.ones(3)]), [0, 0, 1])

    def xi(self, sigma: Array | float, pop: Array) -> Array | float:
        """The variance ratio; the last axis of `pop` is (u, d, h)."""
        u, d, f2 = pop[..., 0], pop[..., 1], 2 * self.spin
        return (f2 * sigma + 2 * (f2 - 1) * d) / (u - d + (f2 - 1) * (u + d))


def solve(model: MeanField, t_end: float, *, loss_term: bool = True) -> Callable[[Array | float], Array]:
    """Integrate; returns time -> (u, d, h, s, Re z, Im z) (last axis)."""

    def rhs(_: float, y: Array) -> Array:
        pop, s, z = y[:3], y[3], y[4] + 1j * y[5]
        dpop = model.matrix @ pop
        n, w = pop[0] + pop[1], pop[0] - pop[1]
        g = model.gamma_t + model.d_gamma * w
        ds = -g * s + n * model.gamma_t + model.d_gamma * w**2 * (model.mu**2 + model.nu**2)
        if loss_term:
            ds += dpop[0] + dpop[1]
        cross = 2 * model.mu * model.nu * np.sqrt(model.transmission) * model.d_gamma * w**2
        dz = (1j * model.larmor - g) * z - cross
        return np.array([*dpop, ds, dz.real, dz.imag])

    n0 = model.up0 + model.dn0
    y0 = [*model.start, n0 if model.sigma0 is None else model.sigma0, 0.0, 0.0]
    found = solve_ivp(rhs, (0, t_end), y0, method="DOP853", rtol=1e-12, atol=1e-14, dense_output=True)
    if not found.success:
        raise RuntimeError(found.message)
    return lambda time: np.moveaxis(found.sol(time), 0, -1)


def curve(model: MeanField, variant: str, t_end: float) -> Callable[[float], float]:
    """time -> xi; variant "corrected", "paper_ode" (no dN_2/dt) or "eq21" ([Muschik2011] Eq. (21), (14))."""
    if variant == "eq21":
        return lambda time: float(model.xi(closed_form(model, time), model.populations(time)))
    path = solve(model, t_end, loss_term={"corrected": True, "paper_ode": False}[variant])

    def xi(time: float) -> float:
        y = path(time)
        return float(model.xi(y[..., 3] + y[..., 4], y[..., :3]))

    return xi


def closed_form(model: MeanField, time: float) -> float:
    """Sigma_2(t)/N of [Muschik2011] Eq. (21); with two levels Eq. (14).  No Larmor mismatch."""
    u, d, _ = model.populations(time)
    n, w, g_t = u + d, u - d, model.gamma_t
    fade = np.exp(-(g_t + model.d_gamma * w) * time)
    start = model.up0 + model.dn0 if model.sigma0 is None else model.sigma0
    return start * fade + (1 - fade) * _plateau(model, n, w)


def _plateau(model: MeanField, n: float, w: float) -> float:
    squeezed = model.mu**2 + model.nu**2 - 2 * model.mu * model.nu * np.sqrt(model.transmission)
    g_t, collective = model.gamma_t, model.d_gamma
    return (n * g_t + collective * w**2 * squeezed) / (g_t + collective * w)


def steady_xi(model: MeanField) -> float:
    """xi(infinity): [Muschik2011] Eq. (15), (23) at the steady populations, with the Larmor mismatch."""
    pop = model.steady_populations()
    n, w = pop[0] + pop[1], pop[0] - pop[1]
    g = model.gamma_t + model.d_gamma * w
    own = (n * model.gamma_t + model.d_gamma * w**2 * (model.mu**2 + model.nu**2)) / g
    cross = 2 * model.mu * model.nu * np.sqrt(model.transmission) * model.d_gamma * w**2
    return float(model.xi(own - cross * g / (g**2 + model.larmor**2), pop))


def two_level(z: float, *, d: float, x: float, gd_add: float, gamma: float = 1.0) -> MeanField:
    """[Muschik2011] Sec. III D: cool (1 + x) mu^2 Gamma, heat nu^2 Gamma, Gamma_d = 2 (cool + heat) + gd_add."""
    mu, nu = squeezing(z)
    cool, heat = (1 + x) * mu**2 * gamma, nu**2 * gamma
    return MeanField(mu, nu, d * gamma, ud=heat, du=cool, gamma_t=3 * (cool + heat) + gd_add)


def optimum(d: float, x: float, gd_add: float) -> tuple[float, float]:
    """(Z, xi) minimising xi(infinity)."""

    def value(z: float) -> float:
        return steady_xi(two_level(z, d=d, x=x, gd_add=gd_add))

    # the minimum is quadratic: its position comes from the root of the central difference, not from the value
    near = minimize_scalar(value, bounds=(1.0 + 1e-6, 4.0), method="bounded").x
    step = 1e-4
    position = brentq(lambda z: value(z + step) - value(z - step), near - 0.05, near + 0.05, xtol=1e-14)
    return position, value(position)


# [Krauter2011] Supplement, rates in 1/ms: collisions 0.002, Gamma = 0.002, start N_44 = 0.99, N_43 = 0.01
COLLISIONS = 0.002


def loss_rate_from_t1(t1: float, mu: float, nu: float, gamma: float) -> float:
    """Gamma_out_L such that <Jx(t)>/<Jx(0)> starts with slope -1/t1 ([Krauter2011] Supplement, dP/dt)."""
    heat, cool = nu**2 * gamma + COLLISIONS, mu**2 * gamma + COLLISIONS
    u, d = 0.99, 0.01
    jx = 4 * u + 3 * d
    return (jx / t1 - heat * u + cool * d) / jx - COLLISIONS


def cesium_cells(
    d: float, *, tilde: float = 0.193, pump: float = 0.0, repump: float = 0.0, t1: float = 34.0, larmor: float = 0.0
) -> MeanField:
    """The three-level caesium model of [Krauter2011] and [Muschik2012] Fig. 3, in ms; `tilde` is the total."""
    gamma, (mu, nu) = 0.002, squeezing(2.5)
    out = loss_rate_from_t1(t1, mu, nu, gamma) + COLLISIONS
    into = repump + COLLISIONS
    return MeanField(
        mu, nu, d * gamma, ud=nu**2 * gamma + COLLISIONS, du=mu**2 * gamma + pump + COLLISIONS, gamma_t=tilde,
        uh=out, dh=out, hu=into, hd=into, spin=4, larmor=larmor, up0=0.99, dn0=0.01,
    )  # fmt: skip


def minimum(xi: Callable[[float], float], low: float, high: float) -> tuple[float, float]:
    """(time, value) of the minimum of a smooth single-minimum curve."""
    found = minimize_scalar(xi, bounds=(low, high), method="bounded", options={"xatol": 1e-9})
    return float(found.x), float(found.fun)


def crossing(xi: Callable[[float], float], low: float, high: float) -> float:
    """The time between `low` and `high` at which xi = 1."""
    return float(brentq(lambda time: xi(time) - 1.0, low, high, xtol=1e-13))


def unequal_cascade(first: MeanField, second: MeanField, t_end: float, *, drive: bool = True) -> Array:
    """Two-level ensembles of different rates and squeezing, light passing `first` first, N -> infinity.

    Returns (P_I, P_II, v_I, v_II, c) at t_end: v_j = <Jy^2 + Jz^2>_j/N_j, c = <JyJy' - JzJz'>/sqrt(N_I N_II);
    the transmission is that of `first`.  With D_j = (d Gamma)_j, r = sqrt(t D_I D_II),
    g_j = Gt_j + D_j P_j (mu_j^2 - nu_j^2), f = r P_II (mu_I nu_II - nu_I mu_II):

        dv_j/dt = -g_j v_j + [Gt_j + D_j P_j^2 (mu_j^2 + nu_j^2)]/2   (+ 2 f c for II)
        dc/dt   = -(g_I + g_II)/2 c - (r/2) P_I P_II (mu_I nu_II + nu_I mu_II) + f v_I

    f is the one-way drive of II by the light that I has emitted.  It is not small; it vanishes for equal
    mu/nu.  `drive=False` leaves it out, which is wrong, to see what it does.
    """
    pairs = (first, second)
    root = np.sqrt(first.transmission * first.d_gamma * second.d_gamma)
    driven = root * (first.mu * second.nu - first.nu * second.mu) * drive
    source = root * (first.mu * second.nu + first.nu * second.mu)

    def rhs(_: float, y: Array) -> list[float]:
        p, v, c = y[:2], y[2:4], y[4]
        dp = [e.du - e.ud - (e.du + e.ud) * q for e, q in zip(pairs, p, strict=True)]
        g = [e.gamma_t + e.d_gamma * q * (e.mu**2 - e.nu**2) for e, q in zip(pairs, p, strict=True)]
        fed = [e.gamma_t + e.d_gamma * q**2 * (e.mu**2 + e.nu**2) for e, q in zip(pairs, p, strict=True)]
        dv = [-g[j] * v[j] + fed[j] / 2 for j in (0, 1)]
        f = driven * p[1]
        return [*dp, dv[0], dv[1] + 2 * f * c, -(g[0] + g[1]) / 2 * c - source * p[0] * p[1] / 2 + f * v[0]]

    y0 = [first.up0 - first.dn0, second.up0 - second.dn0, 0.5, 0.5, 0.0]
    found = solve_ivp(rhs, (0, t_end), y0, method="DOP853", rtol=1e-12, atol=1e-14)
    return found.y[:, -1]
