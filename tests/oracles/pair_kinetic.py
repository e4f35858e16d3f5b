"""Collisions of two spins by brute force: F^2 diagonalised in the product basis, matrix amplitudes, Kronecker products.

    rho' = -i [2 pi D + H_f, rho] + n int dk p(k) v 4 pi (f rho f^+ - {f^+ f, rho}/2),  f = (-A^-1 + R k^2/2 - i k)^-1

on all |m, -m> of two spins F, the exchange-odd ones included (no contact interaction there); energies by adaptive
quadrature, time by SciPy's exponential or by a Runge-Kutta integration. Every constant is an argument or CODATA 2018;
nothing here knows of Clebsch-Gordan coefficients, of Gauss rules or of a basis in which f is diagonal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad_vec, solve_ivp
from scipy.linalg import expm

H = 6.62607015e-34
HBAR = H / (2 * np.pi)
K_B = 1.380649e-23
U = 1.66053906660e-27
BOHR = 5.29177210903e-11

Array = NDArray[Any]


def spin_operators(f: int) -> tuple[Array, Array, Array]:
    """F_x, F_y, F_z of one spin, rows and columns m = f, ..., -f."""
    m = np.arange(f, -f - 1, -1.0)
    up = np.diag(np.sqrt(f * (f + 1) - m[1:] * (m[1:] + 1)), 1)
    return (up + up.T) / 2, (up - up.T) / 2j, np.diag(m)


def total_spin_squared(f: int) -> Array:
    """(F_1 + F_2)^2 of two spins in the whole product space [(2f+1)^2, (2f+1)^2]."""
    one = np.eye(2 * f + 1)
    total = [np.kron(s, one) + np.kron(one, s) for s in spin_operators(f)]
    return np.sum([t @ t for t in total], axis=0).real


def projectors(f: int) -> dict[int, Array]:
    """Projectors on total spin 0, 1, ..., 2f in the whole product space, by diagonalising F^2."""
    values, vectors = np.linalg.eigh(total_spin_squared(f))
    found = {}
    for total in range(2 * f + 1):
        inside = vectors[:, np.abs(values - total * (total + 1)) < 0.5]
        assert inside.shape[1] == 2 * total + 1
        found[total] = inside @ inside.T
    return found


def opposite(f: int) -> list[int]:
    """Index of |m, -m>, m = f, ..., -f, in the product space."""
    return [k * (2 * f + 1) + 2 * f - k for k in range(2 * f + 1)]


def swap(f: int) -> Array:
    """The exchange of both atoms in the product space."""
    d = 2 * f + 1
    return np.eye(d * d).reshape(d, d, d, d).transpose(1, 0, 2, 3).reshape(d * d, d * d)


@dataclass(frozen=True)
class Collisions:
    """The kinetic model of a pair: lengths of f = 0, 2, ..., 2F [m], energies of |m| = 0, ..., F [Hz], trap [Hz]."""

    lengths: Any
    zeeman_hz: Any
    frequencies_hz: Any
    mass: float
    temperature: float
    mean_length: float = 0.0

    @cached_property
    def spin(self) -> int:
        return len(self.lengths) - 1

    @cached_property
    def even(self) -> list[Array]:
        """Projectors on even f within |m, -m>."""
        rows = opposite(self.spin)
        return [projectors(self.spin)[f][np.ix_(rows, rows)] for f in range(0, 2 * self.spin + 1, 2)]

    @cached_property
    def unchanged(self) -> Array:
        """States that exchange leaves as they are, as columns [2F+1 F+1]."""
        rows = opposite(self.spin)
        values, vectors = np.linalg.eigh(swap(self.spin)[np.ix_(rows, rows)])
        return vectors[:, values > 0]

    def amplitude(self, k: float) -> Array:
        """f(k) as a matrix [2F+1 2F+1]: the inverse of what acts on even states, nothing on odd ones."""
        inverse = np.zeros((2 * self.spin + 1,) * 2, complex)
        for a, p in zip(self.lengths, self.even, strict=True):
            x = self.mean_length / a
            effective = 2.918 * self.mean_length * (1 - 2 * x + 2 * x * x)
            inverse += (-1 / a + effective * k * k / 2 - 1j * k) * p
        return self.unchanged @ np.linalg.inv(self.unchanged.T @ inverse @ self.unchanged) @ self.unchanged.T

    @cached_property
    def density(self) -> float:
        omega = 2 * np.pi * np.prod(self.frequencies_hz) ** (1 / 3)
        return 2 * (self.mass / 2 * omega**2 / (2 * np.pi * K_B * self.temperature)) ** 1.5

    def mean(self, function: Any) -> Array:
        """int dk p(k) function(k), p the Maxwell distribution of the relative wavenumber."""
        unit = np.sqrt(self.mass * K_B * self.temperature) / HBAR

        def integrand(x: float) -> Array:
            value = np.asarray(function(unit * x)) * 4 / np.sqrt(np.pi) * x * x * np.exp(-x * x)
            return np.stack([value.real, value.imag])

        # Large scattering lengths make structure at small x; beyond 7 nothing is left.
        total = quad_vec(integrand, 0.0, 7.0, epsabs=0, epsrel=1e-12, norm="max", points=[1e-4, 1e-2, 0.1, 1.0, 2.0])[0]
        return total[0] + 1j * total[1]

    def flux(self, k: float) -> float:
        """4 pi n v."""
        return 4 * np.pi * self.density * HBAR * k / (self.mass / 2)

    @cached_property
    def liouvillian(self) -> Array:
        """L on rho stacked column by column: vec(X rho Y) = (Y^T kron X) vec(rho)."""
        one = np.eye(2 * self.spin + 1)

        def rate(k: float) -> Array:
            f = self.amplitude(k)
            ff = f.conj().T @ f
            return self.flux(k) * (np.kron(f.conj(), f) - np.kron(one, ff) / 2 - np.kron(ff.T, one) / 2)

        def dispersive(k: float) -> Array:
            f = self.amplitude(k)
            return (f + f.conj().T) / 2

        energies = [self.zeeman_hz[abs(m)] for m in range(self.spin, -self.spin - 1, -1)]
        h = 2 * np.pi * np.diag(energies) - 2 * np.pi * HBAR / (self.mass / 2) * self.density * self.mean(dispersive)
        return self.mean(rate) - 1j * (np.kron(one, h) - np.kron(h.T, one))

    @cached_property
    def start(self) -> Array:
        rho = np.zeros((2 * self.spin + 1,) * 2, complex)
        rho[self.spin, self.spin] = 1
        return rho

    def state(self, time: float) -> Array:
        """rho(t) in |m, -m> by the exponential."""
        vector = expm(self.liouvillian * time) @ self.start.ravel(order="F")
        return vector.reshape(self.start.shape, order="F")

    def integrated(self, time: float) -> Array:
        """rho(t) in |m, -m> by Runge-Kutta steps of order 8."""
        generator = self.liouvillian
        found = solve_ivp(
            lambda _, y: generator @ y, (0, time), self.start.ravel(order="F"), "DOP853", rtol=1e-12, atol=1e-14
        )
        return found.y[:, -1].reshape(self.start.shape, order="F")

    def rates(self) -> Array:
        """Rate of collisions from |00> into each |m, -m> [2F+1; 1/s]."""
        return self.mean(lambda k: self.flux(k) * np.abs(self.amplitude(k)[:, self.spin]) ** 2).real
