"""Constants of nature in SI units, CODATA 2018 (E. Tiesinga et al., Rev. Mod. Phys. 93, 025010 (2021))."""

from __future__ import annotations

from math import pi

PLANCK = 6.62607015e-34  # J s, exact since 2019
HBAR = PLANCK / (2 * pi)
BOLTZMANN = 1.380649e-23  # J/K, exact
LIGHT_SPEED = 299792458.0  # m/s, exact
ELECTRIC_CONSTANT = 8.8541878128e-12  # F/m, relative uncertainty 1.5e-10
BOHR_MAGNETON = 9.2740100783e-24  # J/T, relative uncertainty 3.0e-10
ATOMIC_MASS = 1.66053906660e-27  # kg, relative uncertainty 3.0e-10
