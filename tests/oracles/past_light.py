"""What the light before a time tells about the cells at that time: ordinary differential equations, solved by SciPy.

    dP = -gamma P dt + noise of strength D,   dY = c P dt + dW,   <noise dW> = N dt
    D = gamma_s/Z^2 + gamma_extra w,   c = 2 sqrt(eta gamma_s) Z,   N = -sqrt(eta gamma_s)/Z

from dP = -gamma P dt - sqrt(2 gamma_s)/Z y dt + sqrt(2 gamma_extra) F and dY = sqrt(2 eta) (y + Z sqrt(2 gamma_s) P) dt
+ sqrt(2 (1-eta)) y' dt with light of variance 1/2 and a bath of variance w/2. v = 2 var P is xi of two equal modes.
"""

import numpy as np
from scipy.integrate import solve_ivp

EXACT = {"rtol": 1e-10, "atol": 1e-12, "method": "DOP853"}


def stationary(z, s, extra, w):
    """xi without any record, (1/Z^2 + x w)/(1 + x)."""
    x = extra / s
    return (1 / z**2 + x * w) / (1 + x)


def stationary_given_light(z, s, extra, w, eta):
    """xi given all the light before: the positive root of the Riccati equation below with dv/dt = 0."""
    x = extra / s
    return (2 * eta - 1 - x + np.sqrt((1 + x) ** 2 + 4 * eta * x * (w * z**2 - 1))) / (2 * eta * z**2)


def unobserved(start, t, z, s, extra, w):
    """xi at t of cells that had xi = start."""
    end = stationary(z, s, extra, w)
    return end + (start - end) * np.exp(-2 * (s + extra) * t)


def filtered(start, t, z, s, extra, w, eta):
    """xi given all light so far: dv/dt = -2 gamma v + 2 gamma_s/Z^2 + 2 gamma_extra w - 2 eta gamma_s (Z v-1/Z)^2."""

    def slope(_, v):
        return -2 * (s + extra) * v + 2 * s / z**2 + 2 * extra * w - 2 * eta * s * (z * v - 1 / z) ** 2

    return solve_ivp(slope, (0, t), [start], **EXACT).y[0, -1]


def exponential(start, t, m, z, s, extra, w, eta):
    """xi given F = int_0^t exp(m (u - t)) dY(u) alone, and the gain of 2 P on F: covariances of (P, F)."""
    d, c, n = s / z**2 + extra * w, 2 * np.sqrt(eta * s) * z, -np.sqrt(eta * s) / z
    drift, noise = np.array([[-s - extra, 0.0], [c, -m]]), np.array([[d, n], [n, 1.0]])

    def slope(_, v):
        v = v.reshape(2, 2)
        return (drift @ v + v @ drift.T + noise).ravel()

    v = solve_ivp(slope, (0, t), [start / 2, 0.0, 0.0, 0.0], **EXACT).y[:, -1]
    return 2 * (v[0] - v[1] ** 2 / v[3]), v[1] / v[3]
