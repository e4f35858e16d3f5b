"""The best entanglement of the 004 cascade, found again from many random starts, and its limits.

Fixed: n_S = 1, gt_M = r gt_S with r = 4/3, gamma_M0 -> 0 (004 Fig. 3: gamma_S0 = 2 pi 5 kHz, gamma_M0 n_M =
2 pi 10 kHz).  Free: C_M = Gamma_M/gt_M, theta_S, theta_M in [0, pi/2], with gamma_S, gamma_M > 0.  g is the
read-out gain.  Only ratios of rates matter, so gt_S = 1 here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from .gaussian import Array, care
from .gaussian_cascade import Hybrid, Oscillator, conditional, epr_variance, measurement, steady_by_formula

OCCUPATION, RATIO = 1.0, 4 / 3
# Digits of the project's physics sheet on Gaussian networks, "Reference", at (C_S, eps):
# xi, theta_S, theta_M, C_M, xi (R = 0), xi conditional re-optimised
SHEET = {
    (10.0, 0.0): (0.351572, 0.78932, 1.38898, 12.12, 0.666061, 0.347547),
    (100.0, 0.0): (0.115985, 0.79217, 1.01387, 79.79, 0.214666, 0.113763),
    (10.0, 0.1): (0.398994, 0.78628, 1.43431, 12.39, 0.744994, 0.395714),
    (100.0, 0.1): (0.203128, 0.78811, 1.16261, 83.22, 0.385134, 0.201893),
}


def hybrid(
    C_S: float,
    C_M: float,
    theta_S: float,
    theta_M: float,
    loss: float = 0.0,
    *,
    spin_thermal: float = 1.0,
    n_S: float = OCCUPATION,
    r: float = RATIO,
) -> Hybrid:
    """The 004 example; `spin_thermal` = gt_S sets the unit of all rates."""
    spin = Oscillator(C_S * spin_thermal, theta_S, spin_thermal / (n_S + 0.5), spin_thermal)
    motion = Oscillator(C_M * r * spin_thermal, theta_M, 0.0, r * spin_thermal)
    return Hybrid(spin, motion, loss)


def at_optimum(row: tuple[float, float], *, spin_thermal: float = 1.0) -> Hybrid:
    """The hybrid at the digits of `SHEET`; xi is flat there, so it keeps all six of its digits."""
    _, theta_S, theta_M, C_M, _, _ = SHEET[row]
    return hybrid(row[0], C_M, theta_S, theta_M, row[1], spin_thermal=spin_thermal)


def unconditional_xi(system: Hybrid) -> float:
    return epr_variance(steady_by_formula(system), system.gain)


def conditional_xi(system: Hybrid, *, phase: float = np.pi / 2, efficiency: float = 1.0) -> float:
    return epr_variance(conditional(system, phase=phase, efficiency=efficiency), system.gain)


def conditional_xi_by_x_block(system: Hybrid) -> float:
    """`conditional_xi` at the P_L sidebands from (X_S, X_M) alone: that current does not mix X and P."""
    A, D, C, N, R = measurement(system, phase=np.pi / 2, efficiency=1.0)
    x = np.ix_([0, 2], [0, 2])
    V = care(A[x], D[x], C[:1, [0, 2]], N[[0, 2], :1], R[:1, :1])
    row = np.array([1.0, system.gain])
    return float(2 * row @ V @ row / (1 + system.gain**2))


@dataclass(frozen=True)
class Optimum:
    xi: float
    theta_S: float
    theta_M: float
    C_M: float


def _multistart(
    value: Callable[[Array], float], lower: Array, upper: Array, starts: int, rng: np.random.Generator, polish: float
) -> tuple[float, Array]:
    """Smallest value in the box: Nelder-Mead from `starts` random points, then again from the best one."""

    def run(x: Array, tolerance: float) -> tuple[float, Array]:
        options = {"xatol": tolerance, "fatol": tolerance**2, "maxiter": 2000, "maxfev": 4000}
        found = minimize(value, x, method="Nelder-Mead", bounds=list(zip(lower, upper, strict=True)), options=options)
        return found.fun, found.x

    first = min((run(x, 1e-3) for x in rng.uniform(lower, upper, (starts, len(lower)))), key=lambda one: one[0])
    second = run(first[1], 1e-5)
    return run(second[1], polish)


def optimum(
    C_S: float,
    loss: float,
    *,
    xi: Callable[[Hybrid], float] = unconditional_xi,
    same_angle: bool = False,
    starts: int = 24,
    seed: int = 1,
    **fixed: float,
) -> Optimum:
    """Best C_M, theta_S, theta_M (`same_angle`: theta_S = theta_M, so R = 0); `fixed`: n_S, r of `hybrid`."""

    def unpack(x: Array) -> Hybrid:
        angles = (x[1], x[1]) if same_angle else (x[1], x[2])
        return hybrid(C_S, np.exp(x[0]), *angles, loss, **fixed)

    def value(x: Array) -> float:
        system = unpack(x)
        slowest = min(system.spin.width, system.motion.width)
        # On the edge of the box a width is 0 but for rounding, and xi without bound.
        return xi(system) if slowest > 1e-9 else 1e9

    # The angles above which gamma_S, gamma_M > 0; Gamma_M from a hundredth to a thousand times Gamma_S.
    stable = np.arccos(min(1.0, 1 / (fixed.get("n_S", OCCUPATION) + 0.5) / C_S)) / 2
    equal = np.log(C_S / fixed.get("r", RATIO))
    lower = np.array([equal - np.log(100), np.pi / 4 if same_angle else stable, np.pi / 4])
    upper = np.array([equal + np.log(1000), np.pi / 2, np.pi / 2])
    size = 2 if same_angle else 3
    best, x = _multistart(value, lower[:size], upper[:size], starts, np.random.default_rng(seed), 1e-8)
    return Optimum(float(best), float(x[1]), float(x[-1]), float(np.exp(x[0])))


@dataclass(frozen=True)
class Row:
    C_S: float
    loss: float
    free: Optimum
    xi_same_angle: float
    xi_conditional: float


def reference_table(starts: int = 24, seed: int = 1) -> list[Row]:
    """One row per (C_S, eps) of `SHEET`; the conditional state has its own best parameters (P_L, efficiency 1)."""
    return [
        Row(
            C_S,
            loss,
            optimum(C_S, loss, starts=starts, seed=seed),
            optimum(C_S, loss, same_angle=True, starts=starts, seed=seed).xi,
            optimum(C_S, loss, xi=conditional_xi_by_x_block, starts=starts, seed=seed).xi,
        )
        for C_S, loss in SHEET
    ]


def asymptote(n_S: float = OCCUPATION, r: float = RATIO) -> float:
    """lim xi sqrt(C_S) at eps = 0: min over u, v > 0 of [1 + r + (u+v)^2/2 + q^2/(8u(u+v))]/(2v), q = 1/(n_S+1/2).

    theta_S = pi/4 + u/sqrt(C_S), theta_M = pi/4 + v/sqrt(C_S).
    """
    q = 1 / (n_S + 0.5)

    def value(logs: Array) -> float:
        u, v = np.exp(logs)
        return (1 + r + (u + v) ** 2 / 2 + q**2 / (8 * u * (u + v))) / (2 * v)

    rng = np.random.default_rng(1)
    return _multistart(value, np.array([-12.0, -3.0]), np.array([3.0, 3.0]), 20, rng, 1e-8)[0]


def asymptote_same_angle(n_S: float = OCCUPATION, r: float = RATIO) -> float:
    """The same with R = 0: min over u > 0 of (1 + r)/(2u) + u + q^2/(32 u^3)."""
    q = 1 / (n_S + 0.5)
    return float(
        minimize_scalar(
            lambda log: (1 + r) / (2 * np.exp(log)) + np.exp(log) + q**2 / (32 * np.exp(3 * log)),
            bounds=(-5, 5),
            method="bounded",
            options={"xatol": 1e-10},
        ).fun
    )


def asymptote_conditional(n_S: float = OCCUPATION, r: float = RATIO) -> float:
    """What 004 prints for the unconditional state: sqrt([1 + r + 1/(2 n_S + 1)]/2) is the conditional limit."""
    return float(np.sqrt((1 + r + 1 / (2 * n_S + 1)) / 2))


def loss_bound(loss: float) -> float:
    """Infimum of xi for C_S -> infinity, reached at g^2 = (2 - eps)/(2 (1 - eps))."""
    return float(np.sqrt(loss / (4 - 3 * loss)))


def loss_bound_same_angle(loss: float) -> float:
    """The same with R = 0."""
    return float(np.sqrt(1 - (4 * (1 - loss) / (1 + np.sqrt(1 - loss)) ** 2) ** 2))
