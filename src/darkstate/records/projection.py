"""Projection noise, shot noise and efficiency: polynomials through variances at several atom numbers or powers.

    noise(theta) = b_1 theta + b_2 theta^2                  atoms: projection noise, and classical noise of the spin
    noise(power) = c_0 + c_1 power + c_2 power^2            light: electronics, shot noise, classical noise of the laser
    var y = 1/2 + eta [U^2/2 + V^2 w/2 + kappa^2 v/2 - 1/2]    light after atoms, detected with efficiency eta

All are linear in what is sought. Down: nothing; up: the calibration of records.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import chi2 as chi2_law

from darkstate.errors import ArgumentError


class _Fit(NamedTuple):
    values: np.ndarray
    covariance: np.ndarray
    chi2: float
    dof: int
    p_value: float

    @property
    def errors(self) -> list[float]:
        return np.sqrt(np.diag(self.covariance)).tolist()


@dataclasses.dataclass(frozen=True)
class ProjectionFit:
    """Noise against Faraday angle, from `projection_noise`.

    Args:
        linear: b_1, projection noise per degree; quadratic: b_2; with standard errors and `covariance` of both [2 2].
        chi2, dof, p_value: of the fit.

    Example:
        >>> one = projection_noise([6, 8, 10], [6.144, 8.256, 10.4], 0.1)
        >>> round(one.ratio, 6), round(one.excess(10.0), 6)
        (0.004, 0.04)
    """

    linear: float
    quadratic: float
    linear_err: float
    quadratic_err: float
    covariance: np.ndarray
    chi2: float
    dof: int
    p_value: float

    @property
    def ratio(self) -> float:
        """b_2/b_1 [1/degree]; 002 finds 0.004(3)."""
        return self.quadratic / self.linear

    @property
    def ratio_err(self) -> float:
        """Standard error of b_2/b_1; both errors are strongly anticorrelated."""
        slope = np.array([-self.quadratic / self.linear**2, 1 / self.linear])
        return float(np.sqrt(slope @ self.covariance @ slope))

    def projection(self, theta_deg: Any) -> np.ndarray:
        """Projection noise b_1 theta, the unit in which xi is 1, at Faraday angles [degree]."""
        return self.linear * np.asarray(theta_deg, float)

    def excess(self, theta_deg: float) -> float:
        """Noise above the projection noise, as a fraction of it: theta b_2/b_1."""
        return theta_deg * self.ratio


@dataclasses.dataclass(frozen=True)
class ShotNoiseFit:
    """Noise against light power, from `shot_noise_linearity`.

    Args:
        electronic: c_0; per_watt: c_1; classical: c_2 [1/W^2]; with standard errors and `covariance` of the three.
        chi2, dof, p_value: of the fit.

    Example:
        >>> shot_noise_linearity([1e-3, 2e-3, 4e-3, 6e-3], [1.1, 2.1, 4.1, 6.1], 0.02).classical_is_significant
        False
    """

    electronic: float
    per_watt: float
    classical: float
    electronic_err: float
    per_watt_err: float
    classical_err: float
    covariance: np.ndarray
    chi2: float
    dof: int
    p_value: float

    @property
    def classical_is_significant(self) -> bool:
        """Whether c_2 is more than two standard errors from 0; below 0 the detector saturates."""
        return abs(self.classical) > 2 * self.classical_err

    def shot_noise(self, power_w: Any) -> np.ndarray:
        """Shot noise c_1 power alone [W]."""
        return self.per_watt * np.asarray(power_w, float)


class Efficiency(NamedTuple):
    """Efficiency of the detection and its standard error, from `efficiency_from_noise`; neither is cut at 1."""

    value: float
    error: float
    chi2: float
    dof: int
    p_value: float


def projection_noise(theta_deg: Any, noise: Any, noise_err: Any) -> ProjectionFit:
    """noise = b_1 theta + b_2 theta^2 by weighted least squares.

    The projection noise of N independent atoms grows as N, so as the Faraday angle of their macroscopic spin;
    technical noise of the spin as N^2. Source: 002, Fig. S.1, xi ~ theta + 0.004(3) theta^2.

    Args:
        theta_deg: Faraday angles [degree]; noise: variance of the spin, any unit; noise_err: its standard error,
            a number or one per angle.

    Raises:
        ArgumentError: shapes differ, numbers are not finite, errors not positive, or fewer than 3 different angles.

    Example:
        >>> one = projection_noise([6, 7, 8, 9, 10, 11], [6.2, 7.2, 8.2, 9.4, 10.3, 11.5], 0.2)
        >>> f"b_2/b_1 = {one.ratio:.3f} +- {one.ratio_err:.3f}"
        'b_2/b_1 = 0.003 +- 0.006'
    """
    x, y, err = _points("theta_deg", theta_deg, noise, noise_err, least=3)
    fit = _weighted(np.stack([x, x**2], -1), y, err)
    (b1, b2), (b1_err, b2_err) = fit.values.tolist(), fit.errors
    return ProjectionFit(b1, b2, b1_err, b2_err, fit.covariance, fit.chi2, fit.dof, fit.p_value)


def shot_noise_linearity(power_w: Any, noise: Any, noise_err: Any) -> ShotNoiseFit:
    """noise = c_0 + c_1 power + c_2 power^2 by weighted least squares.

    Args:
        power_w: powers of the light [W]; noise: variance of the photocurrent, any unit; noise_err: its standard error,
            a number or one per power.

    Raises:
        ArgumentError: shapes differ, numbers are not finite, errors not positive, or fewer than 4 different powers.

    Example:
        >>> one = shot_noise_linearity([0, 2e-3, 4e-3, 6e-3, 8e-3], [0.1, 2.2, 4.5, 7.0, 9.7], 0.02)
        >>> f"classical noise {one.classical * 8e-3 / one.per_watt:.2f} of shot noise at 8 mW"
        'classical noise 0.20 of shot noise at 8 mW'
    """
    x, y, err = _points("power_w", power_w, noise, noise_err, least=4)
    fit = _weighted(np.stack([np.ones_like(x), x, x**2], -1), y, err)
    (c0, c1, c2), (c0_err, c1_err, c2_err) = fit.values.tolist(), fit.errors
    return ShotNoiseFit(c0, c1, c2, c0_err, c1_err, c2_err, fit.covariance, fit.chi2, fit.dof, fit.p_value)


def efficiency_from_noise(
    variance: Any,
    variance_err: Any,
    *,
    u2: Any,
    v2: Any,
    kappa2: Any,
    bath: float = 1.0,
    spin_variance: float = 1.0,
) -> Efficiency:
    """eta from the noise of light after a coherent spin state, at several atom numbers.

        var y = (1 - eta)/2 + eta [U^2/2 + V^2 w/2 + kappa^2 v/2]

    Where atoms add no noise the light says nothing of eta; its weight is U^2 + V^2 w + kappa^2 v - 1. An error of
    kappa^2 that all points share is not in the result and adds about d(eta)/eta = d(kappa^2)/kappa^2.

    Source: 002, supplement, (S.2) and beam splitter; there eta = 0.84(3).

    Args:
        variance: of the detected quadrature, vacuum 1/2 [theta]; variance_err: its standard error, a number or [theta].
        u2, v2, kappa2: of the same pulses [theta]; bath: w, vacuum 1; spin_variance: v = 2 var P, 1 for the coherent
            spin state.

    Raises:
        ArgumentError: shapes differ, numbers are not finite, errors not positive, or no point with atoms.

    Example:
        >>> one = efficiency_from_noise([0.5, 0.83], 0.01, u2=[1, 0.8], v2=[0, 0.1], kappa2=[0, 0.9])
        >>> f"{one.value:.3f} +- {one.error:.3f}"
        '0.825 +- 0.025'
    """
    parts = np.broadcast_arrays(*(np.asarray(a, float) for a in (u2, v2, kappa2)))
    gain = (parts[0] + parts[1] * bath + parts[2] * spin_variance - 1) / 2
    x, y, err = _points("u2, v2, kappa2", gain, variance, variance_err, least=1)
    if not np.any(x != 0):
        raise ArgumentError("Argument `kappa2` is 0 everywhere: light without atoms says nothing of the efficiency.")
    fit = _weighted(x[:, None], y - 0.5, err)
    return Efficiency(float(fit.values[0]), fit.errors[0], fit.chi2, fit.dof, fit.p_value)


def _weighted(columns: np.ndarray, y: np.ndarray, err: np.ndarray) -> _Fit:
    # columns of unit norm: powers in watts and their squares differ by orders of magnitude
    a = columns / err[:, None]
    size = np.linalg.norm(a, axis=0)
    q, r = np.linalg.qr(a / size)
    inverse = np.linalg.inv(r) / size[:, None]
    values = inverse @ (q.T @ (y / err))
    chi2, dof = float((((y - columns @ values) / err) ** 2).sum()), y.size - values.size
    return _Fit(values, inverse @ inverse.T, chi2, dof, float(chi2_law.sf(chi2, dof)) if dof else 1.0)


def _points(name: str, x: Any, y: Any, err: Any, *, least: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The three as arrays of one length.

    Raises:
        ArgumentError: they are not, or hold what cannot be fitted.
    """
    x, y, err = np.asarray(x, float), np.asarray(y, float), np.asarray(err, float)
    if x.ndim != 1 or y.shape != x.shape or err.shape not in ((), x.shape):
        raise ArgumentError(
            f"Arguments `{name}`, noise and its error must be lists of one length, but have shapes {x.shape}, "
            f"{y.shape}, {err.shape}; only the error may be one number."
        )
    err = np.broadcast_to(err, x.shape)
    if not (np.isfinite([x, y, err]).all() and (err > 0).all()):
        raise ArgumentError(
            f"`{name}` and noise must be finite and the standard errors positive; leave other points out."
        )
    if np.unique(x).size < least:
        raise ArgumentError(f"Argument `{name}` holds {np.unique(x).size} different values; measure at least {least}.")
    return x, y, err
