"""From a detected variance to xi with its errors: sampling noise as a ratio of two variances, calibration by drawing.

    R = (var_atoms - var_dark)/(var_shot - var_dark);  R/R_true ~ F(nu_1, nu_2)
    xi = [R - (1 - eta) - eta (U^2 + V^2 w)]/(eta kappa^2)

Down: `gaussian.input_output`, `statistics`; up: `reconstruct`.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

from darkstate.backend import jax, jnp
from darkstate.errors import InputError
from darkstate.gaussian.input_output import Readout, detected, epr_from_light, rates_of_coupling, readout
from darkstate.records.calibration import Calibration
from darkstate.records.statistics import Variance

SYSTEMATIC = ("kappa2", "efficiency", "shot_noise", "gamma", "z", "bath", "jx_decay")
"""The calibrated quantities whose errors enter the budget."""

DRAWS = 4000
"""Draws of the calibration; a quantile at 2.5 % is then good to a tenth of itself."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """EPR variance at one time, with errors.

    Args:
        xi: the value; xi_err: statistical standard error; xi_sys: systematic; budget: share of each calibrated quantity
            in xi_sys, signed: what xi does when the quantity is one standard error larger.
        low, high: interval at the chosen confidence, both kinds of error; p_value: chance of a xi this small or smaller
            if the cells are separable, xi = 1; ratio: R; ratio_slope: d xi/d R; readout: kappa^2, U^2, V^2;
            atoms, shot: the variances.
    """

    xi: float
    xi_err: float
    xi_sys: float
    budget: dict[str, float]
    low: float
    high: float
    p_value: float
    ratio: float
    ratio_slope: float
    readout: Readout
    atoms: Variance
    shot: Variance

    @property
    def total(self) -> float:
        """Both errors together."""
        return float(np.hypot(self.xi_err, self.xi_sys))

    @property
    def xi_retrodicted(self) -> float:
        """xi given the read-out window, too: xi (1 - eta kappa^2 xi/R).

        What the light after a time tells about that time. A statement about the past, so no witness holds for it.
        """
        return self.xi * (1 - self.xi / (self.ratio * self.ratio_slope))


def estimate(
    atoms: Variance,
    shot: Variance,
    dark: Variance | None,
    r: Readout,
    calibration: Calibration,
    *,
    lit: float,
    duration: float,
    confidence: float,
    seed: int,
) -> Estimate:
    """xi with errors from three variances of one mode.

    Args:
        atoms, shot, dark: of the same mode of the record; r: what the mode reads; lit: light before the window [s];
        duration: of it [s]; confidence: of the interval; seed: of the draws.

    Raises:
        InputError: more noise without light than with it.

    Example:
        >>> from darkstate.records.calibration import calibration
        >>> c = calibration(z=2.5, gamma=270.0, kappa2=(0.966, 0.01), kappa2_duration=1e-3, efficiency=(0.84, 0.03))
        >>> r = readout(2.5, 100.0, 170.0, 1e-3)
        >>> e = estimate(Variance(1.677, 8000, 4000, 1), Variance(1.0, 8000, 4000, 1), None, r, c,
        ...              lit=0.0, duration=1e-3, confidence=0.95, seed=1)
        >>> print(f"{e.xi:.2f} +- {e.xi_err:.3f} +- {e.xi_sys:.3f}; efficiency {e.budget['efficiency']:+.3f}")
        0.90 +- 0.046 +- 0.031; efficiency -0.030
    """
    over, under = atoms.minus(dark), shot.minus(dark)
    if not (over.value > 0 and under.value > 0):
        raise InputError(
            ["the dark record is noisier than the light; it was taken with another gain, or the light was off"]
        )
    ratio = over.value / under.value
    eta, w = calibration["efficiency"].value, float(calibration.bath(lit))
    growth = w - calibration["bath"].value
    shot_true = calibration["shot_noise"].value
    xi = float(epr_from_light(ratio / shot_true, r, eta, w))
    relative = np.sqrt(2 / over.dof + 2 / under.dof)
    slope = float(1 / (shot_true * eta * r.kappa2))
    xi_err = float(relative * ratio * slope)
    theta = jnp.array([calibration[n].value for n in SYSTEMATIC])
    covariance = calibration.covariance(SYSTEMATIC)
    sigma = np.sqrt(np.diag(covariance))
    known = calibration["jx_decay"].value
    fixed = (calibration["kappa2_duration"].value, float(calibration.jx(lit)), known, growth, lit, duration)
    nominal = _closed(theta, *fixed)
    scale = Readout(*(float(a) / float(b) if b else 1.0 for a, b in zip(r, nominal, strict=True)))
    slopes = np.asarray(_slopes(theta, ratio, scale, fixed))
    budget = {n: float(d * s) for n, d, s in zip(SYSTEMATIC, slopes, sigma, strict=True)}
    rng = np.random.default_rng(seed)
    drawn = np.asarray(theta) + rng.standard_normal((DRAWS, len(sigma))) @ _root(covariance).T
    spread = stats.f.rvs(over.dof, under.dof, size=DRAWS, random_state=rng)
    sampled, bounds = (np.asarray(a) for a in _drawn(jnp.asarray(drawn), ratio / spread, scale, fixed))
    low, high = np.quantile(sampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    p = float(stats.f.cdf(ratio / np.maximum(bounds, 1e-300), over.dof, under.dof).mean())
    error = float(np.sqrt(slopes @ covariance @ slopes))
    return Estimate(xi, xi_err, error, budget, float(low), float(high), p, float(ratio), slope, r, atoms, shot)


def _root(covariance: np.ndarray) -> np.ndarray:
    """A with A A^T = covariance; also where errors of 0 or full correlation leave no Cholesky factor."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def _closed(theta: Any, kappa2_duration: Any, jx: Any, known: Any, growth: Any, lit: Any, duration: Any) -> Readout:
    kappa2, _, _, gamma, z, _, jx_decay = theta
    s, extra = rates_of_coupling(z, gamma, kappa2, kappa2_duration)
    return readout(z, s * jx * jnp.exp(-(jx_decay - known) * lit), extra, duration)


def _xi(theta: Any, ratio: Any, scale: Readout, fixed: Any) -> tuple[Any, Any]:
    """xi, and the detected ratio of cells at the separable bound."""
    eta, shot, w = theta[1], theta[2], theta[5] + fixed[3]
    r = Readout(*(a * b for a, b in zip(_closed(theta, *fixed), scale, strict=True)))
    return epr_from_light(ratio / shot, r, eta, w), detected(1.0, r, eta, w) * shot


@jax.jit
def _slopes(theta: Any, ratio: Any, scale: Readout, fixed: Any) -> Any:
    return jax.grad(lambda t: _xi(t, ratio, scale, fixed)[0])(theta)


@jax.jit
def _drawn(theta: Any, ratio: Any, scale: Readout, fixed: Any) -> tuple[Any, Any]:
    return jax.vmap(partial(_xi, scale=scale, fixed=fixed))(theta, ratio)
