"""Kinetic model of two 85Rb atoms in a tweezer: product against Kronecker products and adaptive quadrature; gradients.

Printed populations: 003 without its supplement; computed there and here for 22 MHz, 1 um, 1064 nm, lengths -740, -570,
-390 Bohr radii (Klausen, Bohn and Greene, Phys. Rev. A 64, 053602), abar = 78.5 Bohr radii, by two programs that share
no code.
"""

import dataclasses

import numpy as np
import pytest

from darkstate.atoms.species import species
from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.pair.atom_pair import AtomPair
from darkstate.pair.kinetic import amplitudes, collision_rate, gas_parameters, kinetic_liouvillian, kinetic_states
from darkstate.pair.spin import dephased, pair_zeeman_hz
from darkstate.pair.state import symmetric_state
from darkstate.pair.trap import Trap, tweezer
from oracles.pair_kinetic import BOHR, Collisions, U

MASS = 84.911789738 * U
LENGTHS = np.array([-740.0, -570.0, -390.0]) * BOHR
MEAN = 78.5 * BOHR
LOW, HIGH = np.array([0.0, 35.944, 143.776]), np.array([0.0, 10386.94, 41548.83])  # 0.5 G, 8.5 G
TRAP = tweezer(22e6, 1e-6, 1064e-9, MASS)


def pair(**changes):
    return dataclasses.replace(AtomPair(LENGTHS, LOW, TRAP, 40e-6), **changes)


def oracle(p):
    t = p.trap
    return Collisions(p.lengths, p.zeeman_hz, t.frequencies_hz, t.mass, p.temperature, p.mean_length)


def full(rho):
    return np.asarray(symmetric_state(rho).matrix)


def populations(rho):
    return np.asarray(jnp.diagonal(rho, axis1=-2, axis2=-1).real)


# ---- numbers ----


@pytest.mark.parametrize(
    ("mean_length", "expected"), [(0.0, (0.3885, 0.3584, 0.2531)), (MEAN, (0.4282, 0.3796, 0.1921))]
)
def test_populations_after_100_ms_at_40_uk_and_half_a_gauss(mean_length, expected):
    p = pair(mean_length=mean_length, zeeman_hz=pair_zeeman_hz(species("85Rb"), 2, 0.5e-4))
    assert populations(kinetic_states(p, 0.1)) == pytest.approx(expected, abs=1e-4)
    by_force = np.diag(oracle(p).state(0.1)).real
    assert [by_force[2], by_force[1] + by_force[3], by_force[0] + by_force[4]] == pytest.approx(expected, abs=1e-4)


CASES = {
    "zero range": pair(),
    "effective range": pair(mean_length=MEAN),
    "8.5 G": pair(zeeman_hz=HIGH),
    "8.5 G, effective range, 1 uK": pair(zeeman_hz=HIGH, mean_length=MEAN, temperature=1e-6),
    "1 mK": pair(temperature=1e-3, mean_length=MEAN),
    "lengths of both signs, large": pair(lengths=np.array([1e5, -1e5, 400.0]) * BOHR, temperature=1e-6),
    "three frequencies": pair(trap=Trap((90e3, 110e3, 30e3), MASS)),
    "spin 1": pair(lengths=np.array([101.8, 100.4]) * BOHR, zeeman_hz=np.array([0.0, 72.0])),
    "spin 3": pair(lengths=np.array([-50.0, 80.0, 120.0, 300.0]) * BOHR, zeeman_hz=np.arange(4) ** 2 * 10.0),
}


@pytest.mark.parametrize("name", CASES)
def test_states_are_those_of_brute_force(name):
    """The product on symmetric states, the oracle on all |m, -m>: exchange symmetry is not put in there."""
    p = CASES[name]
    reference = oracle(p)
    times = [0.0, 1e-3, 0.02, 0.1]
    for t, rho in zip(times, np.asarray(kinetic_states(p, times)), strict=True):
        assert full(rho) == pytest.approx(reference.state(t), abs=1e-8)


def test_state_is_that_of_a_runge_kutta_integration():
    p = pair(mean_length=MEAN)
    assert full(kinetic_states(p, 0.05)) == pytest.approx(oracle(p).integrated(0.05), abs=1e-8)


@pytest.mark.parametrize("temperature", [1e-6, 10e-6, 100e-6, 1e-3])
@pytest.mark.parametrize("lengths", [(-740.0, -570.0, -390.0), (1e5, -1e5, 100.0), (np.inf, -3000.0, 300.0)])
@pytest.mark.parametrize("mean_length", [0.0, MEAN])
def test_thermal_averages_have_converged(temperature, lengths, mean_length):
    """To 1e-10 of the largest rate, resonances included, against adaptive quadrature."""
    p = pair(temperature=temperature, lengths=np.array(lengths) * BOHR, mean_length=mean_length, zeeman_hz=np.zeros(3))
    basis = np.zeros((3, 5))
    basis[0, 2], basis[1, [1, 3]], basis[2, [0, 4]] = 1, np.sqrt(0.5), np.sqrt(0.5)
    # Rows one after another here, columns there.
    turn = np.kron(basis, basis)
    expected = turn @ oracle(p).liouvillian @ turn.T
    expected = expected.reshape(3, 3, 3, 3).transpose(1, 0, 3, 2).reshape(9, 9)
    assert np.asarray(kinetic_liouvillian(p)) == pytest.approx(expected, abs=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("p", [pair(), pair(mean_length=MEAN, temperature=5e-6)])
def test_collision_rates(p):
    expected = oracle(p).rates()
    found = collision_rate(p)
    assert np.asarray(found.into) == pytest.approx(
        [expected[2], expected[1] + expected[3], expected[0] + expected[4]], rel=1e-10
    )
    assert float(found.total) == pytest.approx(expected.sum(), rel=1e-10)


def test_collision_rate_of_one_weak_length_is_that_of_hard_spheres():
    """k a << 1 and equal lengths: n 4 pi a^2 <v>, <v> = sqrt(8 k T/pi mu), all of it elastic."""
    p = pair(lengths=np.full(3, 0.01 * BOHR))
    speed = np.sqrt(8 * 1.380649e-23 * 40e-6 / (np.pi * MASS / 2))
    found = collision_rate(p)
    assert float(found.total) == pytest.approx(oracle(p).density * 4 * np.pi * (0.01 * BOHR) ** 2 * speed, rel=1e-6)
    assert np.abs(found.into[1:]).max() < 1e-25 * float(found.total)


def test_figures_of_validity():
    """n |f|^3, h f_r/(k T) = 102.348/833.46 and 41548.83/833460."""
    p = pair(zeeman_hz=HIGH, mean_length=MEAN)
    figures = {key: float(value) for key, value in gas_parameters(p).items()}
    assert figures["classical"] == pytest.approx(102.348 / 833.46, rel=1e-5)
    assert figures["zeeman"] == pytest.approx(41.54883 / 833.46, rel=1e-5)
    reference = oracle(pair())
    squared = np.linalg.eigvalsh(reference.mean(lambda k: reference.amplitude(k).conj().T @ reference.amplitude(k)))
    without = float(gas_parameters(pair())["dilute"])
    assert without == pytest.approx(reference.density * squared.max() ** 1.5, rel=1e-9)
    assert figures["range"] == pytest.approx((np.sqrt(MASS * 1.380649e-23 * 40e-6) / 1.054571817e-34 * MEAN) ** 2)


# ---- laws ----


def test_equal_lengths_change_no_population():
    """A collision that does not tell the channels apart acts on the motion only."""
    p = pair(lengths=np.full(3, -500 * BOHR), zeeman_hz=HIGH, mean_length=MEAN)
    assert np.asarray(kinetic_states(p, [1e-3, 0.1, 10.0])) == pytest.approx(
        np.broadcast_to(np.diag([1.0, 0, 0]), (3, 3, 3)), abs=1e-13
    )


def test_at_zero_field_collisions_only_dephase_the_channels():
    p = pair(zeeman_hz=np.zeros(3))
    start = np.diag([1.0, 0.0, 0.0])
    assert np.asarray(kinetic_states(p, 10.0)) == pytest.approx(np.asarray(dephased(start)), abs=1e-12)


def test_a_field_and_collisions_leave_all_states_equally_likely():
    assert np.asarray(kinetic_states(pair(zeeman_hz=HIGH), 1e3)) == pytest.approx(np.eye(3) / 3, abs=1e-9)


def test_states_are_density_matrices():
    rng = np.random.default_rng(1)
    times = np.geomspace(1e-5, 1.0, 7)
    for _ in range(5):
        p = pair(
            lengths=rng.normal(size=3) * 500 * BOHR,
            zeeman_hz=np.array([0.0, *rng.uniform(0, 4e4, 2)]),
            temperature=rng.uniform(1e-6, 1e-3),
        )
        rho = np.asarray(kinetic_states(p, times))
        assert np.trace(rho, axis1=1, axis2=2) == pytest.approx(np.ones(7), abs=1e-10)
        assert rho == pytest.approx(rho.conj().swapaxes(1, 2), abs=1e-10)
        assert np.linalg.eigvalsh(rho).min() > -1e-10


def test_pairs_in_one_and_minus_one_are_in_chi_1():
    """rho_{1-1,-11} = P_1/2 by exchange symmetry, at any temperature."""
    for temperature in (1e-6, 40e-6, 1e-3):
        state = symmetric_state(kinetic_states(pair(temperature=temperature), jnp.array([1e-3, 0.1])))
        assert np.asarray(state.matrix[:, 1, 3]) == pytest.approx(np.asarray(state.populations[:, 1]) / 2, abs=1e-12)
        assert np.asarray(state.fidelity) == pytest.approx([1.0, 1.0], abs=1e-12)


def test_coherence_between_the_states_is_small():
    """0.02 to 0.05 at 40 uK, the bound by positivity is 0.30 to 0.37."""
    zero, finite = (np.abs(symmetric_state(kinetic_states(pair(mean_length=r), 0.1)).coherences) for r in (0.0, MEAN))
    assert zero == pytest.approx([0.0238, 0.0041, 0.0153], abs=5e-5)
    assert finite.max() < 0.05


def test_phases_of_the_field_are_exact_to_1e_9():
    """Without collisions: exp(-2 pi i (D_i - D_j) t); 41 kHz and 100 ms make 26 000 rad."""
    p = pair(lengths=np.zeros(3), zeeman_hz=HIGH)
    start = np.full((3, 3), 1 / 3)
    times = np.array([0.1, 1e-7, 0.0371, 0.1])
    phases = 2 * np.pi * times[:, None, None] * (HIGH[:, None] - HIGH)
    found = np.asarray(kinetic_states(p, times, initial=start))
    assert found == pytest.approx(start * np.exp(-1j * phases), abs=1e-9)


def test_pieces_in_a_row_are_the_whole():
    p = pair(zeeman_hz=HIGH)
    half = kinetic_states(p, 0.05)
    assert np.asarray(kinetic_states(p, 0.05, initial=half)) == pytest.approx(
        np.asarray(kinetic_states(p, 0.1)), abs=1e-9
    )


def test_amplitudes_keep_the_optical_theorem():
    """Im f = k |f|^2 for every length, 0 and infinity included."""
    k = np.geomspace(1e5, 1e9, 9)
    for mean_length in (0.0, MEAN):
        p = pair(lengths=np.array([-740 * BOHR, 0.0, np.inf]), mean_length=mean_length)
        f = np.asarray(amplitudes(p, k))
        assert f.imag == pytest.approx(k * np.abs(f) ** 2, rel=1e-12)
        assert np.all(f[1] == 0)
    assert np.asarray(amplitudes(pair(lengths=np.full(3, np.inf)), k))[0] == pytest.approx(1j / k, rel=1e-15)


# ---- maps and gradients ----


def p1(p):
    return kinetic_states(p, 0.1)[1, 1].real


def test_gradients_by_every_float_of_a_pair():
    """Reverse and forward mode against Richardson's extrapolation of central differences, three steps."""
    p = pair(mean_length=MEAN, zeeman_hz=np.array([0.0, 35.944, 143.776]))
    leaves, tree = jax.tree.flatten(jax.tree.map(jnp.asarray, p))
    flat, sizes = np.concatenate([np.ravel(x) for x in leaves]), [np.shape(x) for x in leaves]
    ends = np.cumsum([int(np.prod(s)) for s in sizes])

    @jax.jit
    def value(x):
        parts = [part.reshape(s) for part, s in zip(jnp.split(x, ends[:-1]), sizes, strict=True)]
        return p1(jax.tree.unflatten(tree, parts))

    exact = np.asarray(jax.jit(jax.grad(value))(flat))
    forward = np.asarray(jax.jit(jax.jacfwd(value))(flat))
    assert forward == pytest.approx(exact, rel=1e-9, abs=1e-9 * np.abs(exact * flat).max() / np.abs(flat).max())
    assert len(flat) == 12
    for i, x in enumerate(flat):
        step = 4e-3 * abs(x) if x else 0.1  # the energy of |00> is 0 Hz
        shift = np.zeros(len(flat))
        shift[i] = step
        coarse, fine, finest = (
            (value(flat + s * shift) - value(flat - s * shift)) / (2 * s * step) for s in (1, 0.5, 0.25)
        )
        once = (4 * fine - coarse) / 3, (4 * finest - fine) / 3
        assert exact[i] * step == pytest.approx(float(16 * once[1] - once[0]) / 15 * step, rel=1e-6, abs=1e-11)


@pytest.mark.parametrize("mean_length", [0.0, MEAN])
def test_gradients_where_a_channel_has_no_interaction_or_is_resonant(mean_length):
    """a_0 = 0 and a_4 infinite: finite derivatives; by a_0 that of a small length, 0 with a range."""
    lengths = jnp.array([0.0, -570 * BOHR, jnp.inf])

    def value(first):
        return p1(pair(lengths=lengths.at[0].set(first), mean_length=mean_length))

    slope, near = jax.grad(value)(0.0), jax.grad(value)(1e-7 * BOHR)
    scale = abs(float(jax.grad(value)(-500 * BOHR))) + 1.0
    assert float(slope) == pytest.approx(float(near), abs=1e-6 * scale)
    whole = jax.grad(lambda a: p1(pair(lengths=a, mean_length=mean_length)))(lengths)
    assert np.all(np.isfinite(whole)) and float(whole[2]) == 0


def test_a_thousand_temperatures_in_one_call():
    temperatures = jnp.geomspace(1e-6, 1e-3, 1000)

    @jax.jit
    @jax.vmap
    def run(temperature):
        return kinetic_states(pair(temperature=temperature), jnp.array([0.01, 0.1]))

    found = np.asarray(run(temperatures))
    assert found.shape == (1000, 2, 3, 3)
    for i in (0, 400, 999):
        alone = kinetic_states(pair(temperature=float(temperatures[i])), jnp.array([0.01, 0.1]))
        assert found[i] == pytest.approx(np.asarray(alone), abs=1e-12)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: kinetic_states(pair(), [-1e-3, 0.1]), "`times` must not be negative, but has -0.001 s"),
        (lambda: kinetic_states(pair(), 0.1, initial=np.eye(2)), r"shape \(3, 3\), but has shape \(2, 2\)"),
        (lambda: kinetic_states(pair(temperature=0.0), 0.1), "greater than 0 K, but is 0.0 K"),
        (lambda: collision_rate(pair(temperature=np.nan)), "finite and greater than 0 K"),
        (lambda: gas_parameters(pair(zeeman_hz=np.zeros(2))), r"`zeeman_hz` \(2,\)"),
        (lambda: kinetic_liouvillian(pair(lengths=np.zeros((2, 3)))), "for many use jax.vmap"),
    ],
)
def test_bad_input_in_one_sentence(act, words):
    with pytest.raises(ArgumentError, match=words):
        act()


def test_constants_inside_jit_are_checked_as_outside():
    pair, times = AtomPair(jnp.full(3, -3e-8), jnp.zeros(3), TRAP, 40e-6), jnp.array([0.0, 0.1])
    found = jax.jit(lambda t: kinetic_states(dataclasses.replace(pair, temperature=t), times))(40e-6)
    assert found.shape == (2, 3, 3)


def test_a_time_too_long_for_the_exponential_is_refused():
    with pytest.raises(ArgumentError, match="must keep rates times time below 1e\\+10"):
        kinetic_states(dataclasses.replace(AtomPair(LENGTHS, LOW, TRAP, 40e-6)), 1e9)
