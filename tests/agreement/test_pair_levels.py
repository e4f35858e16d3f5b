"""The structured solver of two atoms in a trap against dense matrices, closed forms, and invariants."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkstate.atoms.constants import ATOMIC_MASS
from darkstate.atoms.species import species
from darkstate.backend import jax
from darkstate.errors import ArgumentError, OutcomeError
from darkstate.pair.atom_pair import AtomPair
from darkstate.pair.harmonic import cutoff_hz, dense, structured, time_average
from darkstate.pair.motion import Levels, contact_fraction, levels
from darkstate.pair.secular import spectrum
from darkstate.pair.spin import pair_zeeman_hz
from darkstate.pair.state import sector_state
from darkstate.pair.trap import Trap, tweezer
from darkstate.solve.evolve import evolve
from darkstate.solve.methods import Dense, Kinetic, MomentEquations, Structured
from darkstate.solve.steady_state import steady_state
from oracles.pair_levels import matrix, spin_states

BOHR = 5.29177210903e-11  # m, CODATA 2018
MASS = 84.911789738 * ATOMIC_MASS  # 85Rb; D. A. Steck
TWEEZER = tweezer(22e6, 1e-6, 1064e-9, MASS)  # 003 Appendix
# N. N. Klausen, J. L. Bohn, C. H. Greene, Phys. Rev. A 64, 053602 (2001)
LENGTHS = np.array([-740.0, -570.0, -390.0]) * BOHR
CHANNELS = np.array([[1, -(2**0.5), 2**0.5], [-(2**0.5), 1, 2], [18**0.5, 4, 1]]) / np.sqrt([[5], [7], [35]])


def pair_at(field, lengths=LENGTHS, trap=TWEEZER, temperature=40e-6):
    return AtomPair(np.asarray(lengths), np.asarray(pair_zeeman_hz(species("85Rb"), 2, field)), trap, temperature)


def oracle_of(pair, cutoff):
    found = levels(pair.trap, cutoff_hz(pair, cutoff))
    inverse = CHANNELS.T @ np.diag(1 / np.asarray(pair.lengths)) @ CHANNELS
    h = matrix(found.energies_hz, found.weights, found.counterterm, inverse, np.asarray(pair.zeeman_hz))
    return found, h


CASES = {
    "0.5 G": pair_at(0.5e-4),
    "8.5 G": pair_at(8.5e-4),
    "no field": pair_at(0.0),
    "bound states": pair_at(0.5e-4, np.array([150.0, -570.0, 4000.0]) * BOHR),
    "unitarity": pair_at(0.5e-4, [np.inf, -570.0 * BOHR, 1000.0 * BOHR]),
    "hard": pair_at(0.5e-4, np.array([0.1, 1.0, -2.0]) * BOHR),
    "equal lengths": pair_at(0.0, np.full(3, -570.0) * BOHR),
    "three frequencies": pair_at(0.5e-4, trap=Trap((1.03e5, 0.71e5, 0.47e5), MASS)),
    "one frequency": pair_at(0.5e-4, trap=Trap((3.1e4,) * 3, MASS)),
}


@pytest.mark.parametrize("name", CASES)
def test_levels_of_the_structured_solver_are_those_of_the_matrix(name):
    pair = CASES[name]
    cutoff = 2.2
    found = structured(pair, cutoff)
    _, h = oracle_of(pair, cutoff)
    expected = np.linalg.eigvalsh(h)
    assert len(found.energies_hz) == len(expected)
    assert found.energies_hz == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("name", ["0.5 G", "8.5 G", "no field", "bound states", "unitarity", "equal lengths"])
def test_spin_states_of_the_structured_solver_are_those_of_the_matrix(name):
    pair = dataclasses.replace(CASES[name], temperature=20e-6)
    times = np.array([0.0, 1e-5, 3e-4, 7e-3])
    solution = evolve(pair, times, method=Structured(cutoff=3.0), throw=False)
    found, h = oracle_of(pair, 3.0)
    expected = spin_states(h, 3, found.thermal(20e-6), times)
    assert abs(solution.state.symmetric - expected).max() < 1e-9
    assert float(solution.checks["trace_defect"]) < 1e-12


@pytest.mark.slow
def test_structured_is_dense_at_two_thousand_rows():
    pair = pair_at(0.5e-4)
    cutoff = 4.2
    one = structured(pair, cutoff)
    energies, vectors, thermal = dense(pair, cutoff)
    assert 1800 < len(energies) <= 2000
    assert one.energies_hz == pytest.approx(energies, rel=1e-10)
    times = np.array([1e-4, 1e-3, 1e-2])
    states = (evolve(pair, times, method=m(cutoff=cutoff), throw=False).state.matrix for m in (Structured, Dense))
    assert abs(np.subtract(*states)).max() < 1e-9
    averages = (steady_state(pair, method=m(cutoff=cutoff), throw=False).state.matrix for m in (Structured, Dense))
    assert abs(np.subtract(*averages)).max() < 1e-9


@pytest.mark.slow
@given(st.integers(0, 10**6), st.integers(2, 4), st.sampled_from([3, 50]), st.sampled_from([0.0, 1.0, 30.0]))
@settings(max_examples=60, deadline=None)
def test_any_secular_problem(seed, channels, count, field):
    random = np.random.default_rng(seed)
    poles = np.sort(random.uniform(0, 100, count))
    a = random.normal(size=(channels, channels))
    problem = Levels(poles, random.uniform(0.01, 3, count), float(random.normal()), count - 1)
    zeeman = field * np.arange(channels) ** 2 / 4
    h = matrix(*problem[:3], a + a.T, zeeman)
    found = spectrum(problem, a + a.T, zeeman, problem.thermal(1e-9))
    expected = np.linalg.eigvalsh(h)
    assert found.energies_hz == pytest.approx(expected, rel=1e-10, abs=1e-11 * abs(expected).max())
    vectors = (
        np.sqrt(problem.weights)
        * found.amplitudes[:, :, None]
        / (poles + zeeman[:, None] - found.energies_hz[:, None, None])
    )
    assert (vectors**2).sum((1, 2)) == pytest.approx(1, abs=1e-6)


# Long-time averages of the pairs that collide: found with a dense matrix of 10 725 rows in another program.
@pytest.mark.parametrize(
    ("field", "expected"), [(0.5e-4, (0.4339, 0.3724, 0.1936)), (8.5e-4, (0.9361, 0.0515, 0.0124))]
)
def test_time_average_at_forty_microkelvin(field, expected):
    assert np.asarray(steady_state(pair_at(field)).state.populations) == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("cutoff", [8.0, 13.0])
def test_the_cutoff_hardly_matters(cutoff):
    one, other = (
        np.asarray(steady_state(pair_at(0.5e-4), method=Structured(cutoff=c), throw=False).state.populations)
        for c in (cutoff, 10.0)
    )
    assert one == pytest.approx(other, abs=0.003)


def test_without_a_field_the_average_is_the_dephasing_limit():
    # sum_f P_f rho P_f, any trap that does not see the spin
    expected = sum(c[0] ** 2 * np.outer(c, c) for c in CHANNELS)
    found = time_average(structured(pair_at(0.0), 6.0))
    assert found == pytest.approx(expected, abs=1e-9)
    assert np.diag(found) == pytest.approx([0.38612, 0.35592, 0.25796], abs=5e-6)


@pytest.mark.slow
def test_a_late_window_is_the_time_average():
    pair = pair_at(0.5e-4, temperature=10e-6)
    average = np.asarray(steady_state(pair).state.populations)
    window = np.asarray(evolve(pair, [0.5], method=Structured(window=0.9)).state.populations[0])
    single = np.asarray(evolve(pair, np.linspace(0.4, 0.5, 40), method=Structured()).state.populations)
    assert window == pytest.approx(average, abs=0.01)
    assert single.std(0).max() > 3 * abs(window - average).max()


def test_equal_lengths_change_nothing():
    solution = evolve(CASES["equal lengths"], [0.0, 1e-3, 0.02], method=Structured(cutoff=4.0), throw=False)
    assert np.asarray(solution.state.populations[:, 0]) == pytest.approx(1, abs=1e-10)


def test_spin_one():
    # f = 0, 2 of two spins 1 are (1, -sqrt 2)/sqrt 3 and (sqrt 2, 1)/sqrt 3: the limit is (5, 4)/9.
    pair = AtomPair(np.array([-740.0, -390.0]) * BOHR, np.zeros(2), TWEEZER, 40e-6)
    assert np.asarray(steady_state(pair).state.populations) == pytest.approx([5 / 9, 4 / 9], abs=1e-9)


def test_what_starts_as_a_state_stays_one():
    solution = evolve(pair_at(0.0), np.linspace(0, 2e-3, 9), method=Structured(cutoff=4.0), throw=False)
    eigenvalues = np.linalg.eigvalsh(solution.state.symmetric)
    assert eigenvalues.min() > -1e-10
    assert np.asarray(solution.state.populations[0]) == pytest.approx([1, 0, 0], abs=1e-12)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: structured(pair_at(0.5e-4, [0.0, 1e-8, 1e-8])), "need scattering lengths other than 0"),
        (lambda: structured(dataclasses.replace(CASES["0.5 G"], mean_length=4e-9)), "contact without range"),
        (lambda: structured(pair_at(0.5e-4, temperature=0.0)), "must be above 0 K, but is 0 K"),
        (lambda: dense(pair_at(0.5e-4)), "A dense matrix of 10725 rows takes too long"),
        (lambda: Structured(cutoff=0.0), "must be above 0"),
        (lambda: evolve(CASES["0.5 G"], [0.0], method=MomentEquations()), "must be Kinetic"),
        (lambda: evolve(CASES["0.5 G"], [1e-3], method=Structured(window=1e-2)), "must start at half the window"),
        (lambda: steady_state(CASES["0.5 G"], method=Kinetic()), "equal populations"),
        (
            lambda: evolve(CASES["0.5 G"], [0.0], initial=sector_state([1.0, 0.0, 0.0], 1.0), method=Structured()),
            "leave `initial` out",
        ),
        (lambda: evolve(CASES["0.5 G"], [0.0], initial=3), "must be a PairState, but is a int"),
        (
            lambda: jax.jit(lambda p: evolve(p, [0.0], method=Structured()).state.matrix)(CASES["0.5 G"]),
            "not solved inside jit",
        ),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ArgumentError, match=text):
        call()


def test_a_low_cutoff_is_told():
    with pytest.raises(OutcomeError, match="thermal_tail"):
        steady_state(pair_at(0.5e-4), method=Structured(cutoff=3.0))


@pytest.mark.parametrize("apart", [1e-13, 1e-11, 1e-9, 2e-9, 1e-8, 1e-7])
def test_nearly_equal_frequencies(apart):
    trap = Trap((1.02e5, 1.02e5 * (1 + apart), 5.1e4), MASS)
    pair = pair_at(0.5e-4, trap=trap, temperature=10e-6)
    times = [1e-3, 1e-2]
    one, other = (evolve(pair, times, method=m(cutoff=5.0), throw=False).state.matrix for m in (Structured, Dense))
    assert abs(one - other).max() < 5e-9  # eigh leaves 1e-7 Hz to its levels, and 1e-2 s of phase


def test_equal_and_nearly_equal_frequencies_are_the_same():
    fractions = [contact_fraction(Trap((1e5, 1e5 * (1 + apart), 2.4e4), MASS), 40e-6) for apart in (0.0, 1e-13, 1e-10)]
    assert fractions == pytest.approx([fractions[0]] * 3, rel=1e-9)


def test_a_cold_pair_has_enough_levels():
    # T. Busch et al.: E = 1.117060 hf at a = -511.43 Bohr radii and f = 63.5584 kHz
    pair = AtomPair(np.full(3, -511.43 * BOHR), np.zeros(3), Trap((63.5584e3,) * 3, MASS), 1e-9)
    assert structured(pair).energies_hz[0] / 63.5584e3 == pytest.approx(1.117060, abs=1e-4)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"temperature": 0.0}, "must be finite and greater than 0 K"),
        ({"temperature": float("nan")}, "must be finite and greater than 0 K"),
        ({"lengths": [-740.0, -570.0, -390.0]}, "must be in metres"),
        ({"lengths": [float("nan"), -3e-8, -2e-8]}, "must hold numbers"),
        ({"lengths": [-3e-8, -2e-8]}, "one scattering length for each"),
        ({"trap": Trap((-1e5, 1e5, 2e4), MASS)}, "must be above 0 Hz, but one is -100000.0 Hz"),
    ],
)
def test_a_wrong_pair_is_refused_in_one_sentence(change, text):
    with pytest.raises(ArgumentError, match=text):
        evolve(dataclasses.replace(CASES["0.5 G"], **change), [0.0, 0.1])


def test_lists_do():
    pair = AtomPair(LENGTHS.tolist(), [0.0, 36.0, 144.0], TWEEZER, 40e-6)
    assert evolve(pair, [0.1]).state.populations.shape == (1, 3)


def test_odd_states_do_not_collide():
    with pytest.raises(ArgumentError, match="must be even under exchange, but has 0.5 of its pairs in odd states"):
        evolve(CASES["0.5 G"], [0.0], initial=sector_state([0.0, 1.0, 0.0], 0.5))


@pytest.mark.parametrize(
    ("change", "check", "cure"),
    [
        ({"trap": tweezer(22e6, 0.3e-6, 1064e-9, MASS)}, "classical = 0.409", "softer trap"),
        (
            {"lengths": np.array([20.0, -570.0, -390.0]) * BOHR, "mean_length": 78.5 * BOHR},
            "small_length",
            "mean_length = 0",
        ),
        ({"zeeman_hz": np.array([0.0, 1e6, 4e6])}, "zeeman = 4.8", "lower field"),
    ],
)
def test_outside_its_validity_the_kinetic_model_says_what_and_what_to_do(change, check, cure):
    with pytest.raises(OutcomeError, match=check) as found:
        evolve(dataclasses.replace(CASES["0.5 G"], **change), [0.0, 0.1])
    assert cure in str(found.value) and "Gamma-tilde" not in str(found.value)
