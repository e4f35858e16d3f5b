"""What the light before a time tells about the atoms at that time.

    y_cond = y_read - alpha y_feed,  y_feed = the mode exp(+m t) of the light before,
    alpha(light)/alpha(atoms) = kappa sqrt(eta)

m and alpha are chosen on one half of the cycles and judged on the other, and the reverse: judged on the cycles they
were chosen on, they would promise too much. The Kalman filter has its weights from the calibration, with no choice.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from darkstate.records.calibration import Calibration
from darkstate.records.light import Bins

EXPONENTS = 12
"""Growth rates tried, spaced evenly on a logarithmic scale from gamma to 20 gamma."""


class Conditioned(NamedTuple):
    """Residuals y_cond [c q], and the mean choice of both halves: alpha of the light, exponent [1/s]."""

    residual: np.ndarray
    alpha: float
    exponent: float


def exponents(gamma: float) -> np.ndarray:
    """Growth rates of the feed modes to choose from [1/s]."""
    return np.geomspace(gamma, 20 * gamma, EXPONENTS)


def best_exponential(read: np.ndarray, feed: np.ndarray, rates: np.ndarray) -> Conditioned:
    """Subtract the best exponential mode of the past, chosen on the other half of the cycles.

    Args:
        read: y_read [c q]; feed: y_feed of every growth rate [c m q]; rates: [m]. Cycles with nan stay nan.

    Example:
        >>> rng = np.random.default_rng(1)
        >>> past, noise = rng.standard_normal((2, 4000, 2))
        >>> c = best_exponential(2 * past + noise, past[:, None], np.array([2.0]))
        >>> print(f"{c.alpha:.2f} {c.residual.var():.2f} {c.exponent:g}")
        2.02 0.99 2
    """
    half = len(read) // 2
    parts = (slice(0, half), slice(half, None))
    residual, alphas, chosen = np.full_like(read, np.nan), [], []
    for train, judge in (parts, parts[::-1]):
        alpha, left = _fits(read[train], feed[train])
        k = int(np.argmin(left))
        # one mean for both halves: means of their own would part the halves
        residual[judge] = read[judge] - alpha[k] * (feed[judge, k] - np.nanmean(feed[:, k], 0))
        alphas.append(alpha[k])
        chosen.append(rates[k])
    return Conditioned(residual, float(np.mean(alphas)), float(np.sqrt(np.prod(chosen))))


def _fits(read: np.ndarray, feed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best gain of every feed mode [m], and what is left of the sum of squares [m]."""
    good = np.isfinite(read).all(1) & np.isfinite(feed).all((1, 2))
    y, x = read[good] - read[good].mean(0), feed[good] - feed[good].mean(0)
    cross, power = np.einsum("cq,cmq->m", y, x), np.einsum("cmq,cmq->m", x, x)
    alpha = cross / power
    return alpha, (y**2).sum() - alpha * cross


def kalman_weights(bins: Bins, stop: int, calibration: Calibration) -> np.ndarray:
    """Weights w_b of the past bins in the Kalman estimate of P at bin `stop` [b].

    The estimate is sum_b w_b Y_b with Y_b in shot-noise units (variance = length of a bin), from cells in the coherent
    spin state when the pulse begins. Runs over the bins of `bins` with the rates of the calibration, exact per bin.

    Formula: dP = -gamma P dt, D = gamma_s/Z^2 + gamma_extra w, dY = 2 sqrt(eta gamma_s) Z P dt + dW,
    cov(dP, dY) = -sqrt(eta gamma_s)/Z dt.
    """
    z, eta = calibration["z"].value, calibration["efficiency"].value
    lit = bins.before + bins.times
    w = calibration.bath(lit)
    s0, extra0 = calibration.rates
    power = bins.power(bins.times)
    s = s0 * calibration.jx(lit) * power
    extra = extra0 * power
    f, phi, qxx, qxy, qyy = _bin_moments(s, extra, z, eta, w, bins.step)
    wanted, stop = stop, max(0, stop - bins.shared)
    v, keep, gain = 0.5, np.empty(stop), np.empty(stop)
    for b in range(stop):
        innovation = phi[b] ** 2 * v + qyy[b]
        gain[b] = (f[b] * phi[b] * v + qxy[b]) / innovation
        v = f[b] ** 2 * v + qxx[b] - gain[b] ** 2 * innovation
        keep[b] = f[b] - gain[b] * phi[b]
    after = np.append(np.cumprod(keep[::-1])[::-1][1:], 1.0)[:stop]
    weights = np.zeros(bins.number)
    # bins that share light with the window are left out; the estimate decays over them
    weights[:stop] = gain * after * np.prod(f[stop:wanted])
    return weights


def _bin_moments(s: np.ndarray, extra: np.ndarray, z: float, eta: float, w: np.ndarray, h: float) -> tuple:
    """F, Phi, Q_xx, Q_xy, Q_yy of one bin of length h, closed forms of a single pole."""
    g = s + extra
    c, n, d = 2 * np.sqrt(eta * s) * z, -np.sqrt(eta * s) / z, s / z**2 + extra * w
    f = np.exp(-g * h)
    one = -np.expm1(-g * h) / g
    two = -np.expm1(-2 * g * h) / (2 * g)
    phi = c * one
    # y of the bin: int (c (1 - e^{-g(h-u)})/g dp(u) + dW(u)), with <dp dp> = d, <dp dW> = n, <dW dW> = 1
    qxx = d * two
    qxy = d * c / g * (one - two) + n * one
    qyy = d * (c / g) ** 2 * (h - 2 * one + two) + 2 * n * c / g * (h - one) + h
    return f, phi, qxx, qxy, qyy
