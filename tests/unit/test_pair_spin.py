"""Two spins with m_1 + m_2 = 0: channels, exchange symmetry, energies in a field, and states made by hand.

Written vectors: Clebsch-Gordan coefficients of two spins 2 and 1 coupled to M = 0 (tables; and F^2 diagonalised here).
"""

from math import pi, sqrt

import numpy as np
import pytest

from darkstate.atoms.species import species
from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.pair.spin import (
    RANGE,
    channel_matrix,
    channels,
    dephased,
    effective_ranges,
    exchange_state,
    pair_zeeman_hz,
    scattering_matrix,
    symmetric_basis,
)
from darkstate.pair.state import PairState, scrambled, sector_state, symmetric_state
from oracles.pair_kinetic import opposite, projectors, swap, total_spin_squared

LENGTHS = np.array([-740.0, -570.0, -390.0])


# ---- channels ----


def test_channels_of_two_spins_2():
    found = channels(2)
    assert list(found) == [0, 2, 4]
    assert found[0] == pytest.approx(np.array([1, -sqrt(2), sqrt(2)]) / sqrt(5), abs=1e-12)
    assert found[2] == pytest.approx(np.array([-sqrt(2), 1, 2]) / sqrt(7), abs=1e-12)
    assert found[4] == pytest.approx(np.array([sqrt(18), 4, 1]) / sqrt(35), abs=1e-12)


def test_channels_of_two_spins_1():
    found = channels(1)
    assert list(found) == [0, 2]
    assert found[0] == pytest.approx([-sqrt(1 / 3), sqrt(2 / 3)], abs=1e-12)
    assert found[2] == pytest.approx([sqrt(2 / 3), sqrt(1 / 3)], abs=1e-12)


def embedded(vector, spin):
    """A vector on |m, -m> in the whole product space."""
    whole = np.zeros((2 * spin + 1) ** 2)
    whole[opposite(spin)] = vector
    return whole


@pytest.mark.parametrize("spin", [1, 2, 3])
def test_channels_diagonalise_the_total_spin_in_the_whole_product_space(spin):
    squared = total_spin_squared(spin)
    for f, components in channels(spin).items():
        whole = embedded(np.array(components) @ symmetric_basis(spin), spin)
        assert squared @ whole == pytest.approx(f * (f + 1) * whole, abs=1e-12)
        assert whole @ projectors(spin)[f] @ whole == pytest.approx(1, abs=1e-12)
        assert swap(spin) @ whole == pytest.approx(whole, abs=1e-12)
    assert channel_matrix(spin) @ channel_matrix(spin).T == pytest.approx(np.eye(spin + 1), abs=1e-12)


@pytest.mark.parametrize("spin", [1, 2])
def test_scattering_matrix_is_that_of_projectors_and_leaves_odd_states_alone(spin):
    """sum_f a_f P_f of the product space on |m, -m>; exchange-odd states are in odd f only."""
    lengths = LENGTHS[: spin + 1]
    whole = sum(a * projectors(spin)[2 * i] for i, a in enumerate(lengths))
    rows = symmetric_basis(spin)
    inside = whole[np.ix_(opposite(spin), opposite(spin))]
    assert np.asarray(scattering_matrix(lengths, spin)) == pytest.approx(rows @ inside @ rows.T, abs=1e-10)
    for k in range(1, spin + 1):
        odd = exchange_state(spin, k, -1)
        assert swap(spin) @ embedded(odd, spin) == pytest.approx(-embedded(odd, spin), abs=1e-15)
        assert inside @ odd == pytest.approx(np.zeros(2 * spin + 1), abs=1e-10)


def test_length_of_two_atoms_in_00():
    """-740/5 - 570 * 2/7 - 390 * 18/35 = -511.43 Bohr radii."""
    assert float(scattering_matrix(LENGTHS)[0, 0]) == pytest.approx(-511.43, abs=5e-3)
    many = np.asarray(scattering_matrix(np.stack([LENGTHS, 2 * LENGTHS])))
    assert many[1] == pytest.approx(2 * many[0], rel=1e-14)


def test_effective_range():
    """2.918 abar = Gamma(1/4)^4/(6 pi^2) abar at infinite length (Flambaum, Gribakin and Harabati 1999)."""
    from scipy.special import gamma

    assert gamma(0.25) ** 4 / (6 * pi**2) == pytest.approx(RANGE, abs=1e-3)
    found = effective_ranges([np.inf, 78.5, -785.0], 78.5)
    assert np.asarray(found) == pytest.approx(2.918 * 78.5 * np.array([1, 1, 1.22]), rel=1e-12)
    assert np.all(np.asarray(effective_ranges(LENGTHS, 0.0)) == 0)


@pytest.mark.parametrize(("gauss", "expected", "digits"), [(0.5, (35.944, 143.776), 3), (8.5, (10386.94, 41548.83), 2)])
def test_zeeman_energies_of_two_rubidium_atoms(gauss, expected, digits):
    """Breit and Rabi with the constants of Steck; computed independently by diagonalising H."""
    found = np.asarray(pair_zeeman_hz(species("85Rb"), 2, gauss * 1e-4))
    assert found.shape == (3,) and found[0] == 0
    assert found[1:].round(digits).tolist() == list(expected)


def test_zeeman_energies_for_another_level_and_under_maps():
    """Upper and lower level of 87Rb go opposite ways: 2 * 71.89 Hz/G^2 for m = 1 of F = 1 (Steck: 575.15/8)."""
    lower, upper = (np.asarray(pair_zeeman_hz(species("87Rb"), f, 1e-5)) for f in (1, 2))
    assert lower[1] == pytest.approx(2 * 71.89 * 0.01, rel=1e-3)
    assert upper == pytest.approx([0, -lower[1], -4 * lower[1]], rel=1e-3)
    fields = jnp.array([0.2e-4, 0.5e-4])
    many = jax.vmap(lambda b: pair_zeeman_hz(species("85Rb"), 2, b))(fields)
    slope = jax.jacfwd(lambda b: pair_zeeman_hz(species("85Rb"), 2, b))(0.5e-4)
    alone = np.asarray(pair_zeeman_hz(species("85Rb"), 2, 0.5e-4))
    assert np.asarray(many[1]) == pytest.approx(alone, abs=1e-5)
    assert np.asarray(slope) * 0.5e-4 == pytest.approx(2 * np.asarray(many[1]), rel=1e-4)


def test_dephasing_at_zero_field():
    """sum_f P_f |00><00| P_f: populations of a spin-independent trap in the long run, and what coherence is left."""
    state = symmetric_state(dephased(np.diag([1.0, 0.0, 0.0])))
    assert np.asarray(state.populations) == pytest.approx([0.38612, 0.35592, 0.25796], abs=5e-6)
    assert np.abs(state.coherences) == pytest.approx([0.1351, 0.0035, 0.0604], abs=5e-5)
    start = np.zeros(25)
    start[12] = 1
    whole = sum(p @ np.outer(start, start) @ p for p in projectors(2).values())
    assert np.asarray(state.matrix) == pytest.approx(whole[np.ix_(opposite(2), opposite(2))], abs=1e-12)
    rng = np.random.default_rng(0)
    rho = rng.normal(size=(2, 3, 3))
    again = dephased(dephased(rho))
    assert np.asarray(again) == pytest.approx(np.asarray(dephased(rho)), abs=1e-12)


# ---- states ----


def test_populations_fidelity_and_coherences_of_a_state():
    rho = np.array([[0.5, 0.1 + 0.05j, 0.02], [0.1 - 0.05j, 0.3, -0.03j], [0.02, 0.03j, 0.2]])
    state = symmetric_state(rho)
    assert state.spin == 2
    assert np.asarray(state.populations) == pytest.approx([0.5, 0.3, 0.2], abs=1e-15)
    assert float(state.fidelity) == pytest.approx(1, abs=1e-15)
    assert np.asarray(state.coherences) == pytest.approx([0.1 + 0.05j, 0.02, -0.03j], abs=1e-15)
    assert np.asarray(state.symmetric) == pytest.approx(rho, abs=1e-15)
    assert np.trace(state.matrix).real == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("fidelity", [0.0, 0.5, 0.9, 1.0])
def test_sector_state(fidelity):
    state = sector_state([0.4, 0.35, 0.25], fidelity)
    even, odd = exchange_state(2, 1), exchange_state(2, 1, -1)
    assert np.asarray(state.populations) == pytest.approx([0.4, 0.35, 0.25], abs=1e-15)
    assert even @ state.matrix @ even == pytest.approx(0.35 * fidelity, abs=1e-15)
    assert odd @ state.matrix @ odd == pytest.approx(0.35 * (1 - fidelity), abs=1e-15)
    assert float(state.fidelity) == pytest.approx(fidelity, abs=1e-15)
    assert np.abs(state.coherences).max() < 1e-16


def test_many_states_at_once():
    fidelities = jnp.linspace(0, 1, 5)
    state = sector_state([0.4, 0.35, 0.25], fidelities)
    assert state.matrix.shape == (5, 5, 5)
    assert np.asarray(state.fidelity) == pytest.approx(np.asarray(fidelities), abs=1e-15)
    assert scrambled(state, jnp.full(5, 0.5)).populations.shape == (5, 3)
    assert np.isnan(float(sector_state([1.0, 0.0, 0.0], 0.7).fidelity))


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 1.0])
def test_scrambling_mixes_even_and_odd(p):
    """chi_k -> (1 - p) chi_k + p chi_k^-; |00> is its own mirror image."""
    found = np.asarray(scrambled(sector_state([0.2, 0.5, 0.3], 1.0), p).matrix)
    expected = 0.2 * np.outer(exchange_state(2, 0), exchange_state(2, 0))
    for k, weight in ((1, 0.5), (2, 0.3)):
        for sign, part in ((1, 1 - p), (-1, p)):
            v = exchange_state(2, k, sign)
            expected = expected + weight * part * np.outer(v, v)
    assert found == pytest.approx(expected, abs=1e-15)


def test_scrambling_leaves_a_state_a_state():
    """Completely positive, and the same for both atoms: the factors are a positive matrix, symmetric under m -> -m."""
    rng = np.random.default_rng(5)
    for _ in range(10):
        x = rng.normal(size=(5, 5)) + 1j * rng.normal(size=(5, 5))
        rho = x @ x.conj().T / np.trace(x @ x.conj().T)
        after = np.asarray(scrambled(PairState(rho), rng.uniform()).matrix)
        assert np.linalg.eigvalsh(after).min() > -1e-15
        assert np.trace(after).real == pytest.approx(1, abs=1e-14)
    factors = np.asarray(scrambled(PairState(np.ones((5, 5))), 0.3).matrix)
    assert np.linalg.eigvalsh(factors).min() > -1e-15
    assert factors == pytest.approx(factors[::-1, ::-1])


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: channels(1.5), "whole number F >= 1, so that m = 0 exists, but is 1.5"),
        (lambda: channels(0), "but is 0"),
        (
            lambda: scattering_matrix([1.0, 2.0]),
            r"3 scattering lengths, one for each f = 0, 2, ..., 4, but has shape \(2,\)",
        ),
        (lambda: exchange_state(2, 0, -1), "There is no chi_0 of exchange sign -1"),
        (lambda: exchange_state(2, 3), "k is 0 to 2"),
        (lambda: pair_zeeman_hz(species("85Rb"), 1, 1e-4), "no sublevel F = 1"),
        (lambda: symmetric_state(np.eye(3)[:2]), r"has shape \(2, 3\)"),
        (lambda: sector_state(1.0, 0.5), "P_F on its last axis"),
        (lambda: sector_state([0.5, 0.6, -0.1], 0.5), "`populations` must not be negative, but has -0.1"),
        (lambda: sector_state([0.5, 0.5, 0.0], [0.5, 1.2]), "`fidelity` must lie between 0 and 1, but is 1.2"),
        (
            lambda: scrambled(sector_state([0.5, 0.5, 0.0], 1.0), np.nan),
            "`probability` must lie between 0 and 1, but is nan",
        ),
    ],
)
def test_bad_input_in_one_sentence(act, words):
    with pytest.raises(ArgumentError, match=words):
        act()
