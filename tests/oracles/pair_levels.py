"""Two atoms in a harmonic trap the slow way: Hermite functions, heat kernels, dense matrices, eigenvectors kept.

Shares no code with darkstate. The finite matrix that a solver is compared with is built from poles, weights and
counterterm as given; F(E) itself is checked by `heat_kernel`, which knows nothing of levels.
"""

from __future__ import annotations

from math import factorial, pi, sqrt

import numpy as np
from scipy.integrate import quad
from scipy.special import eval_hermite

HBAR = 1.054571817e-34
PLANCK = 6.62607015e-34


def even_state_density(n: int, length: float) -> float:
    """|phi_n(0)|^2 of the one-dimensional oscillator of ground-state width sqrt(hbar/(m omega)) = length."""
    return (eval_hermite(n, 0.0) ** 2) / (2**n * factorial(n) * sqrt(pi) * length)


def heat_kernel(frequencies: tuple[float, float, float], reduced_mass: float, energy_hz: float) -> float:
    """F(E) of any harmonic trap below its lowest level, in 1/m.

    With K(0, 0; b) the kernel of exp(-b H/h) at the origin,
    F = (2 pi hbar^2/(mu h)) integral db [exp(b E) K - K of free space].
    """
    f = np.array(frequencies)
    amplitude = np.prod(np.sqrt(4 * pi**2 * reduced_mass * f / PLANCK) / sqrt(2 * pi))  # prod 1/(a sqrt(2 pi))

    def kernel(b: float) -> float:
        x = b * f
        log = 0.5 * (np.log(2) - x - np.log(-np.expm1(-2 * x))).sum()  # of prod 1/sqrt(sinh x)
        return float(np.exp(b * energy_hz + log))

    def integrand(u: float) -> float:
        b = u * u
        return (kernel(b) - float(np.prod(1 / np.sqrt(b * f)))) * 2 * u

    scale = 1 / sqrt(f.min())
    near = [quad(integrand, a * scale, b * scale, limit=400, epsrel=1e-11)[0] for a, b in ((0, 0.3), (0.3, 3))]
    gap = f.sum() / 2 - energy_hz
    last = 3 * scale
    slow = quad(lambda b: kernel(b), last**2, last**2 + 60 / gap, limit=400, epsrel=1e-11)[0]
    free = float(np.prod(1 / np.sqrt(f))) * 2 / last
    return HBAR / reduced_mass * amplitude * (sum(near) + slow - free)


def matrix(levels: np.ndarray, weights: np.ndarray, counterterm: float, inverse: np.ndarray, zeeman: np.ndarray):
    """H/h on (channel, level), channel first."""
    n, k = len(inverse), len(levels)
    strength = np.linalg.inv(inverse + counterterm * np.eye(n))
    h = np.zeros((n * k, n * k))
    for i in range(n):
        for j in range(n):
            h[i * k : (i + 1) * k, j * k : (j + 1) * k] = strength[i, j] * np.sqrt(np.outer(weights, weights))
        h[range(i * k, (i + 1) * k), range(i * k, (i + 1) * k)] += levels + zeeman[i]
    return h


def spin_states(h: np.ndarray, channels: int, thermal: np.ndarray, times: np.ndarray) -> np.ndarray:
    """rho_ij(t) by propagating the whole density matrix, which starts in channel 0 with probabilities `thermal`."""
    energies, vectors = np.linalg.eigh(h)
    k = len(thermal)
    start = np.zeros_like(h)
    start[range(k), range(k)] = thermal
    inside = vectors.T @ start @ vectors
    found = []
    for t in times:
        phase = np.exp(-2j * pi * energies * t)
        rho = vectors @ (phase[:, None] * inside * phase.conj()) @ vectors.T
        found.append(np.trace(rho.reshape(channels, k, channels, k), axis1=1, axis2=3))
    return np.array(found)
