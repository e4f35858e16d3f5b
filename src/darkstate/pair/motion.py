"""Relative motion is what a contact interaction sees of a harmonic trap: its levels, weights and the function F(E).

    F(E) = sum_n W_n/(e_n - E) + counterterm,  W_n = (2 pi hbar^2/mu) |phi_n(0)|^2,   [A^-1 + diag_i F(E - D_i)] c = 0

Only states with phi_n(0) != 0 take part: even along every axis, and without angular momentum about axes of equal
frequency, d of which make one radial quantum number k with energy (2k + d/2) h f. The sum runs over the states below a
cutoff; those above are continuous there and are kept as a few effective states (Gauss's rule for their integral), so
that one finite matrix holds it all. The counterterm makes F exact at the bottom of the trap; a bare delta with a
cutoff would bind. Source: Busch et al., Found. Phys. 28, 549 (1998) for equal frequencies; the rest is derived here.
Up: `secular` and `harmonic` solve it. Energies are over h, from the bottom of the trap.
"""

from __future__ import annotations

from itertools import pairwise
from math import pi
from typing import Any, NamedTuple

import numpy as np
from scipy.integrate import quad
from scipy.special import gammaln, loggamma

from darkstate.atoms.constants import BOLTZMANN, HBAR, PLANCK
from darkstate.errors import ArgumentError
from darkstate.pair.trap import Trap

TAIL = 8
"""Effective states for everything above the cutoff."""

EQUAL = 1e-9
"""Frequencies closer than this, relative, count as equal: the phases they differ by in a second do not matter."""

MOST_LEVELS = 2_000_000
"""More states than this below the cutoff are refused."""


class Levels(NamedTuple):
    """What the contact sees of a trap.

    Args:
        energies_hz: e_n, increasing, those above the cutoff last [k; Hz].
        weights: W_n/h [k; Hz/m].
        counterterm: what makes F(E) finite for a contact [1/m].
        below: how many of the states lie below the cutoff; the others stand for the tail.
    """

    energies_hz: np.ndarray
    weights: np.ndarray
    counterterm: float
    below: int

    def thermal(self, temperature: float) -> np.ndarray:
        """Boltzmann probabilities of the states the contact sees, 0 above the cutoff [k]."""
        real = self.energies_hz[: self.below]
        factors = np.exp(-(real - real[0]) * PLANCK / (BOLTZMANN * temperature))
        return np.concatenate([factors / factors.sum(), np.zeros(len(self.energies_hz) - self.below)])


def levels(trap: Trap, cutoff_hz: float) -> Levels:
    """The states of a trap that the contact sees, up to a cutoff, and effective ones for those above.

    Args:
        trap: the trap; cutoff_hz: largest energy above that of the lowest state [Hz].

    Returns:
        `Levels`; states of equal energy are one.

    Raises:
        ArgumentError: nothing, or more than MOST_LEVELS states, below the cutoff.

    Example:
        >>> trap = Trap((102.348e3, 102.348e3, 24.511e3), 1.41e-25)
        >>> levels(trap, 8.3346e6).below  # 10 kT at 40 uK
        3567
    """
    if not cutoff_hz > 0:
        raise ArgumentError(f"Argument `cutoff_hz` must be above 0, but is {cutoff_hz:g}.")
    estimate = _count_estimate(trap, cutoff_hz)
    if not estimate <= MOST_LEVELS:
        raise ArgumentError(
            f"Below {cutoff_hz:.4g} Hz the trap has about {estimate:.2g} states that collide, more than "
            f"{MOST_LEVELS:g}; lower the cutoff, the temperature or the field."
        )
    energies, weights = np.zeros(1), np.full(1, HBAR / trap.reduced_mass)
    for frequency, length, dimension in _groups(trap):
        k = np.arange(int(cutoff_hz / (2 * frequency)) + 1)
        density = np.exp(gammaln(k + dimension / 2) - gammaln(k + 1) - gammaln(dimension / 2))
        energies = np.add.outer(energies, (2 * k + dimension / 2) * frequency).ravel()
        weights = np.multiply.outer(weights, density / (pi ** (dimension / 2) * length**dimension)).ravel()
        kept = energies - energies.min() < cutoff_hz
        energies, weights = energies[kept], weights[kept]
    order = np.argsort(energies)
    energies, weights = _merged(energies[order], weights[order])
    tail, tail_weights = _tail(trap.reduced_mass, weights.sum())
    energies, weights = np.append(energies, tail), np.append(weights, tail_weights)
    counterterm = _contact_at_zero(trap) - (weights / energies).sum()
    return Levels(energies, weights, float(counterterm), len(energies) - TAIL)


def _groups(trap: Trap) -> list[tuple[float, float, int]]:
    """Frequency [Hz], oscillator length [m] and number of axes that have it."""
    found: list[tuple[float, float, int]] = []
    for frequency, length in zip(map(float, trap.frequencies_hz), map(float, trap.lengths), strict=True):
        same = [k for k, (f, _, _) in enumerate(found) if abs(f - frequency) <= EQUAL * f]
        if same:
            found[same[0]] = (*found[same[0]][:2], found[same[0]][2] + 1)
        else:
            found.append((frequency, length, 1))
    return found


def _merged(energies: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """States of equal energy, to rounding, as one: the contact sees one combination of them."""
    new = np.append(True, np.diff(energies) > 1e-11 * energies[1:])
    return energies[new], np.add.reduceat(weights, np.flatnonzero(new))


def _tail(reduced_mass: float, below: float) -> tuple[np.ndarray, np.ndarray]:
    """Effective states for those above the cutoff, and their weights; `below` is the weight of those below it.

    The states above k_L add (2/pi) integral dk k_E^2/(k^2 - k_E^2) to F(E) - F(0); with k = k_L/s it is an integral
    over s from 0 to 1 of an even function, and Gauss's rule on [-1, 1] for it a sum of poles at L/s^2. The continuum
    starts where it has as much weight below as there is, (2/pi) integral dk e(k) with e = hbar k^2/(4 pi mu).
    """
    hertz = HBAR / (4 * pi * reduced_mass)
    k_cut = np.cbrt(1.5 * pi * below / hertz)
    nodes, gauss = np.polynomial.legendre.leggauss(2 * TAIL)
    s, weight = nodes[: TAIL - 1 : -1], gauss[: TAIL - 1 : -1]
    energies = hertz * (k_cut / s) ** 2
    return energies, (2 / pi) * k_cut * weight / s**2 * energies


def _contact_at_zero(trap: Trap) -> float:
    """F(0), the energy at the bottom of the trap, exactly: an integral over the heat kernel at the origin.

    F(0) = (hbar/mu) prod_j [a_j sqrt(2 pi f_j)]^-1 integral db b^(-3/2) [prod_j sqrt(b f_j/sinh(b f_j)) - 1], where
    the 1 is free space, which the counterterm takes away.
    """
    f = np.asarray(trap.frequencies_hz, float)

    def integrand(u: float) -> float:
        x = 2 * u * u * f
        # ln[b f/sinh(b f)], without overflow, and by its series where the difference from 0 would drown in rounding
        exact = np.log(x / -np.expm1(-x)) - x / 2 if u > 0 else 0.0
        logarithm = np.where(x < 0.1, -(x**2) / 24 + x**4 / 2880 - x**6 / 181440, exact)
        return 2 * float(np.expm1(logarithm.sum() / 2)) / (u * u)

    scales = [frequency**-0.5 for frequency, _, _ in _groups(trap)]
    ends = [0.0, *sorted(factor * scale for scale in scales for factor in (0.5, 20.0))]
    pieces = (quad(integrand, a, b, epsrel=1e-11, epsabs=0)[0] for a, b in pairwise(ends) if b > a)
    free = HBAR / trap.reduced_mass / float(np.prod(np.asarray(trap.lengths, float) * np.sqrt(2 * pi * f)))
    return free * (sum(pieces) - 2 / ends[-1])


def contact_function(found: Levels, energy_hz: Any) -> np.ndarray:
    """F(E) of levels [1/m].

    Args:
        found: from `levels`; energy_hz: E/h from the bottom of the trap [...; Hz].

    Example:
        >>> trap = Trap((63.5584e3,) * 3, 1.41e-25)
        >>> one, two = contact_function(levels(trap, 2e7), 5e5), isotropic_contact_function(trap, 5e5)
        >>> bool(abs(one / two - 1) < 1e-6)
        True
    """
    energy = np.asarray(energy_hz, float)[..., None]
    return (found.weights / (found.energies_hz - energy)).sum(-1) + found.counterterm


def isotropic_contact_function(trap: Trap, energy_hz: Any) -> np.ndarray:
    """F(E) of a trap of three equal frequencies in closed form [1/m].

    Formula: F = -(2/a_ho) Gamma(3/4 - E/2hf)/Gamma(1/4 - E/2hf), a_ho = sqrt(hbar/(mu omega)); a level of scattering
    length a has 1/a + F(E) = 0.
    Source: Busch et al., Found. Phys. 28, 549 (1998).

    Args:
        trap: of three equal frequencies; energy_hz: E/h from the bottom of the trap [...; Hz].

    Raises:
        ArgumentError: the frequencies differ.
    """
    (frequency, length, dimension), *others = _groups(trap)
    if others or dimension != 3:
        raise ArgumentError(
            f"Argument `trap` must have three equal frequencies, but has {trap.frequencies_hz}; use levels(...)."
        )
    half = np.asarray(energy_hz, float) / (2 * frequency)
    upper, lower = loggamma(0.75 - half + 0j), loggamma(0.25 - half + 0j)
    return -(2 / length) * np.exp(upper - lower).real


class Counts(NamedTuple):
    """How many relative states a trap has, and how many of them the contact sees.

    Args:
        even: of even parity; along_axes: even along each axis; contact: with phi(0) != 0, states of equal frequency
            combined.
    """

    even: int
    along_axes: int
    contact: int


def count_states(trap: Trap, cutoff_hz: float) -> Counts:
    """Number of relative states below an energy above the lowest state.

    Args:
        trap: the trap; cutoff_hz: energy above that of the lowest state [Hz].

    Example:
        >>> count_states(Trap((102.348e3, 102.348e3, 24.511e3), 1.41e-25), 8.3346e6)
        Counts(even=195697, along_axes=50935, contact=3567)
    """
    fx, fy, fz = map(float, trap.frequencies_hz)
    nx = np.arange(int(cutoff_hz / fx) + 1)
    ny = np.arange(int(cutoff_hz / fy) + 1)
    left = cutoff_hz - np.add.outer(nx * fx, ny * fy)
    most = np.where(left > 0, np.ceil(left / fz), 0).astype(int)  # states along z with n f_z below what is left
    odd_plane = np.add.outer(nx, ny) % 2
    even = int(np.where(odd_plane == 1, most // 2, (most + 1) // 2).sum())
    along = int(((most + 1) // 2)[::2, ::2].sum())
    ladders = [2 * f * np.arange(int(cutoff_hz / (2 * f)) + 1) for f, _, _ in _groups(trap)]
    grid = np.zeros(1)
    for ladder in ladders:
        grid = np.add.outer(grid, ladder).ravel()
        grid = grid[grid < cutoff_hz]
    return Counts(even, along, len(grid))


def contact_fraction(trap: Trap, temperature: float) -> float:
    """Thermal share of even pairs whose motion the contact can change at all, if the trap is harmonic.

    Formula: Z_contact/Z_even with Z_contact = prod over groups of exp(-d x/2)/(1 - exp(-2x)), x = h f/(k T), and
    Z_even = [prod 1/(2 sinh(x/2)) + prod 1/(2 cosh(x/2))]/2.

    Args:
        trap: the trap; temperature: of the relative motion [K].

    Validity: a real tweezer is not harmonic and leads nearly every pair through contact, which `kinetic` supposes.

    Example:
        >>> trap = Trap((102.348e3, 102.348e3, 24.511e3), 1.41e-25)
        >>> f"{1 - contact_fraction(trap, 40e-6):.2f} of the pairs never collide"
        '0.94 of the pairs never collide'
    """
    scale = PLANCK / (BOLTZMANN * temperature)
    contact = np.prod([np.exp(-d * scale * f / 2) / -np.expm1(-2 * scale * f) for f, _, d in _groups(trap)])
    x = scale * np.asarray(trap.frequencies_hz, float)
    even = (np.prod(0.5 / np.sinh(x / 2)) + np.prod(0.5 / np.cosh(x / 2))) / 2
    return float(contact / even)


def _count_estimate(trap: Trap, cutoff_hz: float) -> float:
    """Rough number of states the contact sees below the cutoff."""
    ladders = [cutoff_hz / (2 * f) + 1 for f, _, _ in _groups(trap)]
    return float(np.prod(ladders)) / {1: 1, 2: 2, 3: 6}[len(ladders)]
