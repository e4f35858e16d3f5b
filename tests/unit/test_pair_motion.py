"""The trap of two atoms and what a contact sees of it: frequencies, counts, weights, F(E)."""

import numpy as np
import pytest
from scipy.optimize import brentq

from darkstate.atoms.constants import ATOMIC_MASS, BOLTZMANN, PLANCK
from darkstate.errors import ArgumentError
from darkstate.pair.motion import (
    contact_fraction,
    contact_function,
    count_states,
    isotropic_contact_function,
    levels,
)
from darkstate.pair.trap import Trap, tweezer
from oracles.pair_levels import even_state_density, heat_kernel

BOHR = 5.29177210903e-11  # m, CODATA 2018
MASS = 84.911789738 * ATOMIC_MASS  # 85Rb; D. A. Steck, Rubidium 85 D Line Data
TWEEZER = tweezer(22e6, 1e-6, 1064e-9, MASS)  # 003 Appendix, with h instead of hbar
THERMAL_HZ = BOLTZMANN * 40e-6 / PLANCK


def test_frequencies_of_the_tweezer():
    # By hand from 4 U/(m w^2) and 2 U/(m z_R^2).
    assert TWEEZER.frequencies_hz[0] == pytest.approx(102.348e3, abs=0.5)
    assert TWEEZER.frequencies_hz[2] == pytest.approx(24.511e3, abs=0.5)
    assert pytest.approx(833.46e3, abs=5) == THERMAL_HZ


def test_a_depth_over_hbar_makes_the_frequencies_smaller():
    # A depth of hbar x 22 MHz is 2 pi smaller: collisions are (2 pi)^(3/2) = 15.7 times rarer.
    ratio = TWEEZER.mean_frequency_hz / tweezer(22e6 / (2 * np.pi), 1e-6, 1064e-9, MASS).mean_frequency_hz
    assert ratio**3 == pytest.approx((2 * np.pi) ** 1.5)


def test_states_below_ten_thermal_energies():
    # Counted one by one in plain Python.
    fx, fy, fz = TWEEZER.frequencies_hz
    limit = 10 * THERMAL_HZ
    even = along = contact = 0
    for nx in range(int(limit / fx) + 1):
        for ny in range(int((limit - nx * fx) / fy) + 1):
            most = int(np.ceil((limit - nx * fx - ny * fy) / fz))
            even += len(range((nx + ny) % 2, most, 2))
            along += len(range(0, most, 2)) if nx % 2 == ny % 2 == 0 else 0
    contact = sum(len(range(0, int(np.ceil((limit - 2 * k * fx) / fz)), 2)) for k in range(int(limit / (2 * fx)) + 1))
    assert count_states(TWEEZER, limit) == (even, along, contact) == (195697, 50935, 3567)
    assert levels(TWEEZER, limit).below == contact


@pytest.mark.parametrize(
    ("frequencies", "untouched"), [(TWEEZER.frequencies_hz, 0.94), ((102.4e3, 100.9e3 + np.pi, 24.511e3 + np.e), 0.71)]
)
def test_share_of_pairs_that_never_collide(frequencies, untouched):
    trap = Trap(frequencies, MASS)
    limit = 30 * THERMAL_HZ
    ladders = [np.exp(-np.arange(int(40 * THERMAL_HZ / f)) * f / THERMAL_HZ) for f in frequencies]
    (ex, ey, ez), (ox, oy, oz) = ([ladder[start::2].sum() for ladder in ladders] for start in (0, 1))
    even = ex * ey * ez + ex * oy * oz + ox * ey * oz + ox * oy * ez
    touched = levels(trap, limit)
    real = touched.energies_hz[: touched.below]
    share = np.exp(-(real - trap.zero_point_hz) / THERMAL_HZ).sum() / even
    assert contact_fraction(trap, 40e-6) == pytest.approx(share, rel=1e-9)
    assert 1 - share == pytest.approx(untouched, abs=0.005)


def test_weights_are_those_of_hermite_functions():
    found = levels(Trap((3.07e4, 2.03e4, 1.13e4), MASS), 1.5e5)
    length = [np.sqrt(PLANCK / (4 * np.pi**2 * (MASS / 2) * f)) for f in (3.07e4, 2.03e4, 1.13e4)]
    table = {
        round(3.07e4 * (a + 0.5) + 2.03e4 * (b + 0.5) + 1.13e4 * (c + 0.5)): (a, b, c)
        for a in range(0, 6, 2)
        for b in range(0, 8, 2)
        for c in range(0, 14, 2)
    }
    for energy, weight in zip(found.energies_hz[: found.below], found.weights, strict=False):
        density = np.prod([even_state_density(n, x) for n, x in zip(table[round(energy)], length, strict=True)])
        assert weight == pytest.approx(PLANCK / (2 * np.pi * (MASS / 2)) * density, rel=1e-12)


def test_equal_frequencies_combine_the_weights_of_equal_energies():
    apart = levels(Trap((5e4, 5e4 * (1 + 1e-9), 5e4 * (1 - 1e-9)), MASS), 1.04e6)
    together = levels(Trap((5e4,) * 3, MASS), 1.04e6)
    sums = [
        apart.weights[: apart.below][abs(apart.energies_hz[: apart.below] - e) < 1].sum()
        for e in together.energies_hz[: together.below]
    ]
    assert together.weights[: together.below] == pytest.approx(sums, rel=1e-6)


@pytest.mark.parametrize("frequencies", [TWEEZER.frequencies_hz, (63e3,) * 3, (9e4, 5e4, 2e4)])
@pytest.mark.parametrize("energy", [-2e6, -3e5, 0.0, 3e4])
def test_contact_function_below_the_lowest_level(frequencies, energy):
    exact = heat_kernel(frequencies, MASS / 2, energy)
    found = contact_function(levels(Trap(frequencies, MASS), 8e6), energy)
    assert found == pytest.approx(exact, rel=5e-5 if energy else 1e-9)


@pytest.mark.parametrize("energy", [1.31e5, 1.99e5])
def test_an_anisotropic_trap_between_its_levels_by_differences(energy):
    """F(E) - F(0) = sum W E/(e (e - E)) converges without any counterterm or tail, as the cutoff to the power -1/2."""
    trap = Trap((1.02e5, 1.02e5, 2.45e4), MASS)
    found = levels(trap, 2e7)
    sums = []
    for cutoff in (3e7, 1.2e8):
        many = levels(trap, cutoff)
        e, w = many.energies_hz[: many.below], many.weights[: many.below]
        sums.append((w * energy / (e * (e - energy))).sum())
    extrapolated = 2 * sums[1] - sums[0]
    difference = contact_function(found, energy) - heat_kernel(trap.frequencies_hz, MASS / 2, 0.0)
    assert difference == pytest.approx(extrapolated, rel=2e-5)


@pytest.mark.parametrize("energy", [-1e6, 5e5, 2.1e6, 4e6])
def test_contact_function_of_equal_frequencies(energy):
    trap = Trap((63.5584e3,) * 3, MASS)
    exact = isotropic_contact_function(trap, energy)
    assert contact_function(levels(trap, 4e7), energy) == pytest.approx(exact, rel=1e-6)
    coarse, fine = (abs(contact_function(levels(trap, c), energy) / exact - 1) for c in (1e7, 4e7))
    assert fine < coarse / 4


def test_levels_of_busch():
    # T. Busch et al., Found. Phys. 28, 549 (1998): roots of their equation, found by mpmath to 30 digits.
    trap = Trap((63.5584e3,) * 3, MASS)
    expected = [1.117060, 2.973876, 4.897571, 6.848805, 8.814313]

    def condition(x):
        return 1 / (-511.43 * BOHR) + isotropic_contact_function(trap, x * 63.5584e3)

    found = [brentq(condition, 2 * k - 0.5 + 1e-9, 2 * k + 1.5 - 1e-9, xtol=1e-13) for k in range(5)]
    assert found == pytest.approx(expected, abs=1e-6)


def test_free_space_far_below_the_trap():
    # A bound state feels no trap: F = -sqrt(2 mu |E|)/hbar.
    trap = Trap((1e3, 2e3, 3e3), MASS)
    kappa = np.sqrt(2 * trap.reduced_mass * 1e6 * PLANCK) * 2 * np.pi / PLANCK
    assert contact_function(levels(trap, 2e5), -1e6) == pytest.approx(-kappa, rel=1e-5)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: levels(TWEEZER, 0.0), "Argument `cutoff_hz` must be above 0, but is 0"),
        (lambda: levels(TWEEZER, float("nan")), "Argument `cutoff_hz` must be above 0, but is nan"),
        (lambda: levels(Trap((10.0, 11.0, 12.0), MASS), 1e7), "lower the cutoff"),
        (lambda: isotropic_contact_function(TWEEZER, 0.0), "must have three equal frequencies"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ArgumentError, match=text):
        call()
