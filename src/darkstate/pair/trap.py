"""A trap is harmonic for the relative motion of two equal atoms: three frequencies, and the mass of one atom.

    f_r = (1/2 pi) sqrt[4 U/(m w^2)],  f_z = (1/2 pi) sqrt[2 U/(m z_R^2)],  z_R = pi w^2/lambda    (tweezer, 003 App.)

The relative coordinate r = r_1 - r_2 moves with the reduced mass m/2 at the frequencies of one atom. Loads no JAX.
Up: `atom_pair`.
"""

from __future__ import annotations

from math import pi
from typing import Any

from darkstate.atoms.constants import BOLTZMANN, HBAR, PLANCK
from darkstate.elementary import elementary
from darkstate.parameters import pytree


@pytree
class Trap:
    """A harmonic trap with two equal atoms in it.

    Args:
        frequencies_hz: of one atom along x, y, z [Hz Hz Hz].
        mass: of one atom [kg].

    Example:
        >>> trap = tweezer(22e6, 1e-6, 1064e-9, 84.911789738 * 1.66053906660e-27)
        >>> [round(f) for f in trap.frequencies_hz]
        [102348, 102348, 24511]
    """

    frequencies_hz: tuple[Any, Any, Any]
    mass: Any

    @property
    def reduced_mass(self) -> Any:
        """mu = m/2 [kg]."""
        return self.mass / 2

    @property
    def mean_frequency_hz(self) -> Any:
        """Geometric mean of the three frequencies [Hz]."""
        x, y, z = self.frequencies_hz
        return elementary("cbrt", x * y * z)

    @property
    def lengths(self) -> tuple[Any, Any, Any]:
        """Oscillator lengths sqrt(hbar/(mu omega)) of the relative motion along x, y, z [m m m]."""
        x, y, z = (elementary("sqrt", HBAR / (2 * pi * f * self.reduced_mass)) for f in self.frequencies_hz)
        return x, y, z

    @property
    def zero_point_hz(self) -> Any:
        """Energy of the lowest relative state, half the sum of the frequencies [Hz]."""
        return sum(self.frequencies_hz) / 2


def tweezer(depth_hz: Any, waist: Any, wavelength: Any, mass: Any) -> Trap:
    """The bottom of a Gaussian beam as a harmonic trap, see the head of this file.

    Source: 003 Appendix, which prints the depth as hbar x 22 MHz and means h (with hbar collisions are 16 times rarer).

    Args:
        depth_hz: U/h [Hz]; waist: 1/e^2 radius w of the intensity [m]; wavelength [m]; mass: of one atom [kg].
    """
    omega_r = elementary("sqrt", 4 * PLANCK * depth_hz / mass) / waist
    omega_z = elementary("sqrt", 2 * PLANCK * depth_hz / mass) * wavelength / (pi * waist * waist)
    return Trap((omega_r / (2 * pi), omega_r / (2 * pi), omega_z / (2 * pi)), mass)


def pair_density(trap: Trap, temperature: Any) -> Any:
    """Density of one atom where the other one is, as collisions of two equal bosons count it [1/m^3].

    Formula: n = 2 [mu omega^2/(2 pi k T)]^(3/2), omega the geometric mean; the probability density of r = 0 in a
    thermal classical gas, doubled because the relative wavefunction is even.

    Args:
        trap: with two atoms; temperature: of their motion [K].

    Example:
        >>> trap = tweezer(22e6, 1e-6, 1064e-9, 84.911789738 * 1.66053906660e-27)
        >>> f"{pair_density(trap, 40e-6):.4e}"
        '1.1665e+19'
    """
    omega = 2 * pi * trap.mean_frequency_hz
    spread = trap.reduced_mass * omega * omega / (2 * pi * BOLTZMANN * temperature)
    return 2 * spread * elementary("sqrt", spread)
