"""Sequences on a pair: Ramsey fringes against matrices, a gradient against oscillator states, ramps of the kinetic
model.
"""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.constants import h, hbar, physical_constants
from scipy.constants import k as boltzmann
from scipy.integrate import solve_ivp

from darkstate.atoms.species import species
from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.pair.atom_pair import AtomPair
from darkstate.pair.kinetic import kinetic_states
from darkstate.pair.sequence import (
    Ramp,
    fringe_spacing_hz,
    gradient_mixing,
    ramp_pair,
    ramp_states,
    ramped_temperature,
    ramsey_pair,
    ramsey_probability,
    ramsey_separate,
    rotation,
)
from darkstate.pair.spin import pair_zeeman_hz
from darkstate.pair.trap import Trap, tweezer
from oracles import pair_sequence

RB = species("85Rb")
TAU, DARK = 1.620e-6, 5e-6  # 003: T = 5 us; the duration of the pulses follows from 71 kHz
TWEEZER = tweezer(22e6, 1e-6, 1064e-9, RB.mass)  # 003 App.
CHI_PLUS, CHI_MINUS = np.array([0, 1, 1, 0]) / math.sqrt(2), np.array([0, 1, -1, 0]) / math.sqrt(2)
UP_UP = np.array([1.0, 0, 0, 0])
CURVE = np.arange(-200e3, 200e3, 100.0)


# --- pulses and Ramsey fringes ---------------------------------------------------------------------------------------


def test_resonant_pulse_is_that_of_003():
    # 003: |+-1> -> cos(theta/2)|+-1> + i sin(theta/2)|-+1>
    for theta in (0.0, 0.4, math.pi / 2, 3.0):
        one = np.asarray(rotation(theta / (2 * math.pi * 1e-6), 1e-6)) if theta else np.asarray(rotation(1.0, 0.0))
        c, s = math.cos(theta / 2), 1j * math.sin(theta / 2)
        assert one == pytest.approx(np.array([[c, s], [s, c]]), abs=1e-14)


@settings(deadline=None, max_examples=50)
@given(st.floats(-3e5, 3e5), st.floats(1e-7, 5e-6), st.floats(0, 2e-5), st.floats(1e3, 1e6))
def test_ramsey_probability_is_the_product_of_matrices(delta_hz, tau, dark, rabi_hz):
    one = pair_sequence.ramsey_unitary(2 * math.pi * delta_hz, tau, dark, 2 * math.pi * rabi_hz)
    assert float(ramsey_probability(delta_hz, tau, dark, rabi_hz)) == pytest.approx(abs(one[1, 0]) ** 2, abs=1e-12)
    pulse = np.asarray(rotation(rabi_hz, tau, delta_hz))
    assert pulse @ pulse.conj().T == pytest.approx(np.eye(2), abs=1e-12)
    free = np.diag(np.exp([-1j * math.pi * delta_hz * dark, 1j * math.pi * delta_hz * dark]))
    assert pulse @ free @ pulse == pytest.approx(one, abs=1e-12)


@pytest.mark.parametrize("delta_hz", [0.0, 10e3, -35.4e3, 71e3, 142e3, 200e3])
@pytest.mark.parametrize("tau, rabi_hz", [(TAU, None), (1e-6, 400e3)])
def test_pairs_turn_as_two_atoms(delta_hz, tau, rabi_hz):
    rabi = math.pi / 2 / tau if rabi_hz is None else 2 * math.pi * rabi_hz
    one = pair_sequence.ramsey_unitary(2 * math.pi * delta_hz, tau, DARK, rabi)
    p = ramsey_probability(delta_hz, tau, DARK, rabi_hz)
    assert np.asarray(ramsey_pair(p)) == pytest.approx(pair_sequence.count_minus(CHI_PLUS, one), abs=1e-12)
    assert np.asarray(ramsey_separate(p)) == pytest.approx(pair_sequence.count_minus(UP_UP, one), abs=1e-12)
    # chi_- has no partner to turn into, at any detuning
    assert pair_sequence.count_minus(CHI_MINUS, one) == pytest.approx([0, 1, 0], abs=1e-12)


def maxima(values):
    inside = values[1:-1]
    return CURVE[1:-1][(inside > values[:-2]) & (inside >= values[2:])]


def test_fringes_of_003_are_71_khz_apart():
    # 003: 71 kHz at T = 5 us, which gives the duration of the pulses, printed as 1.620 us: from the central maximum of
    # P_1 to the next one. (Between the two zeros of P_1 at the centre it is 70.84 kHz; to the second maximum 71.25.)
    spacing = float(fringe_spacing_hz(TAU, DARK))
    assert spacing == pytest.approx(71e3, abs=5)
    steps = [float(fringe_spacing_hz(tau, DARK)) - 71e3 for tau in (1.6195e-6, 1.6205e-6)]
    assert steps[0] > 0 > steps[1]
    p = ramsey_probability(CURVE, TAU, DARK)
    found = maxima(np.asarray(ramsey_pair(p))[:, 1])
    centre = np.argmin(abs(found))
    assert found[centre] == pytest.approx(0, abs=100)
    assert np.diff(found)[centre - 1 : centre + 1] == pytest.approx(spacing, abs=200)
    assert float(ramsey_probability(spacing, TAU, DARK)) == pytest.approx(0, abs=1e-20)


def test_one_atom_fringes_of_separate_atoms_have_the_same_spacing():
    # CAUTION: of the separate pair P_1 = 2p(1-p) = [1 - (1-2p)^2]/2, so every minimum of one curve is a maximum of the
    # other; twice the spacing, as 003 says, have P_2 = p^2 and the mean number 2p
    p = ramsey_probability(CURVE, TAU, DARK)
    pair, separate = np.asarray(ramsey_pair(p)), np.asarray(ramsey_separate(p))
    assert separate[:, 1] == pytest.approx((1 - pair[:, 1]) / 2, abs=1e-15)
    spacing = float(fringe_spacing_hz(TAU, DARK))
    inner = np.diff(maxima(-separate[:, 1]))
    assert inner[len(inner) // 2] == pytest.approx(spacing, abs=200)
    for signal in (separate[:, 2], separate @ np.arange(3)):
        found = maxima(-signal)
        zeros = found[abs(found) < 100e3]
        assert zeros == pytest.approx([-spacing, spacing], abs=100)  # 2 x 71 kHz from zero to zero
        found = maxima(signal)
        assert np.diff(found[abs(found) < 180e3]) == pytest.approx(2 * spacing, rel=5e-3)


def test_fringe_spacing_limits():
    # no pulses to speak of: 1/(2T); short pulses prolong T by 4 tau/pi; no dark time: one pi pulse, Om tau_2 = pi, with
    # zeros of p where W 2 tau = 2 pi
    assert float(fringe_spacing_hz(1e-12, DARK)) == pytest.approx(1e5, rel=1e-6)
    assert float(fringe_spacing_hz(1e-8, DARK)) == pytest.approx(1 / (2 * (DARK + 4e-8 / math.pi)), rel=1e-5)
    assert float(fringe_spacing_hz(TAU, 0.0)) == pytest.approx(math.sqrt(3) / (4 * TAU), rel=1e-12)
    # weak pulses (area below pi/2) and derivatives
    weak = float(fringe_spacing_hz(TAU, DARK, 100e3))
    assert float(ramsey_probability(weak, TAU, DARK, 100e3)) == pytest.approx(0, abs=1e-20)
    slopes = jax.grad(fringe_spacing_hz, argnums=(0, 1))(TAU, DARK)
    for k in (0, 1):
        step = [1e-10 * (j == k) for j in (0, 1)]
        ends = [float(fringe_spacing_hz(TAU + s * step[0], DARK + s * step[1])) for s in (1, -1)]
        assert float(slopes[k]) == pytest.approx((ends[0] - ends[1]) / 2e-10, rel=1e-5)
    both = jax.jit(jax.vmap(fringe_spacing_hz, (0, None)))(jnp.array([TAU, 1e-6]), DARK)
    assert np.asarray(both) == pytest.approx([float(fringe_spacing_hz(t, DARK)) for t in (TAU, 1e-6)], rel=1e-14)


def test_ramsey_probability_can_be_mapped_and_differentiated():
    slope = jax.vmap(jax.grad(ramsey_probability), (0, None, None))(jnp.asarray(CURVE[::400]), TAU, DARK)
    ends = [np.asarray(ramsey_probability(CURVE[::400] + s, TAU, DARK)) for s in (10.0, -10.0)]
    assert np.asarray(slope) == pytest.approx((ends[0] - ends[1]) / 20, abs=1e-9 * 1e-2)


# --- gradient --------------------------------------------------------------------------------------------------------

GRADIENT = 2.8e-4 / 1e-2  # 003: 2.8 G/cm


def oracle_shift(gradient, omega):
    """d with g_F = -g_J/6 + 7 g_I/6 of F = 2, I = 5/2, and Steck's factors of 85Rb."""
    moment = physical_constants["Bohr magneton"][0] * (2.00233113 / 6 + 7 * 0.00029364 / 6)
    return moment * gradient / (RB.mass / 2 * omega**2)


def test_gradient_of_003_mixes_one_in_hundred_thousand():
    omega = 2 * math.pi * TWEEZER.frequencies_hz[2]
    p = gradient_mixing(TWEEZER, GRADIENT, 40e-6, RB)
    assert p == pytest.approx(1e-5, rel=0.1)
    mean = pair_sequence.displaced_mean(2 * oracle_shift(GRADIENT, omega), RB.mass / 2, omega, 40e-6, 1600)
    assert p == pytest.approx((1 - mean) / 2, rel=1e-6)
    # across the beam the trap is stiffer: (f_z/f_r)^4 of it
    across = gradient_mixing(TWEEZER, GRADIENT, 40e-6, RB, axis="x")
    assert across / p == pytest.approx((24.511 / 102.348) ** 4, rel=2e-3)


@pytest.mark.parametrize("temperature", [0.2e-6, 2e-6, 40e-6])
@pytest.mark.parametrize("gradient", [0.028, 3.0, 40.0])
def test_gradient_mixing_is_the_thermal_mean_of_a_displacement(temperature, gradient):
    # sum_n p_n <n|D(2d)|n> with Laguerre polynomials; d of the product taken from its classical limit at 2d k_T << 1
    omega, mu = 2 * math.pi * TWEEZER.frequencies_hz[2], RB.mass / 2
    spread = mu * omega / (2 * hbar) / math.tanh(hbar * omega / (2 * boltzmann * temperature))
    shift = math.sqrt(gradient_mixing(TWEEZER, 1e-6, temperature, RB) / spread) * gradient / 1e-6
    number = int(45 * boltzmann * temperature / (hbar * omega)) + 30
    mean = pair_sequence.displaced_mean(2 * shift, mu, omega, temperature, number)
    assert gradient_mixing(TWEEZER, gradient, temperature, RB) == pytest.approx((1 - mean) / 2, rel=1e-9, abs=1e-13)
    assert shift == pytest.approx(oracle_shift(gradient, omega), rel=1e-7)


def test_gradient_mixing_of_even_states_and_in_the_classical_limit():
    # chi_1 has relative states of even parity alone; k_T^2 = mu k T/hbar^2 for a classical gas
    omegas = tuple(2 * math.pi * f for f in TWEEZER.frequencies_hz)
    p, mu = gradient_mixing(TWEEZER, GRADIENT, 40e-6, RB), RB.mass / 2
    shift = oracle_shift(GRADIENT, omegas[2])
    exact = (1 - pair_sequence.even_displaced_mean(2 * shift, mu, omegas, 40e-6)) / 2
    full = (1 - pair_sequence.displaced_mean(2 * shift, mu, omegas[2], 40e-6, 1600)) / 2
    parity = math.prod(math.tanh(hbar * w / (2 * boltzmann * 40e-6)) for w in omegas)
    assert parity == pytest.approx(5.5e-5, rel=0.02)
    assert exact == pytest.approx(full, rel=2 * parity)
    classical = (1 - math.exp(-2 * shift**2 * mu * boltzmann * 40e-6 / hbar**2)) / 2
    assert full == pytest.approx(classical, rel=1e-4)
    assert p == pytest.approx(full, rel=1e-6)


def test_destruction_lowers_the_fidelity_by_the_mixing():
    # F = <chi_1|rho|chi_1> = (1 + <parity of the relative motion of "atom 1 in |1>">)/2, motion displaced by d
    omega, mu, temperature, gradient = 2 * math.pi * TWEEZER.frequencies_hz[2], RB.mass / 2, 1e-6, 20.0
    d = oracle_shift(gradient, omega)
    levels, number = np.arange(0, 120), 120
    lower = np.diag(np.sqrt(levels[1:]), 1)
    values, vectors = np.linalg.eigh(1j * (lower.T - lower))
    unitary = vectors @ np.diag(np.exp(-1j * values * d * math.sqrt(mu * omega / (2 * hbar)))) @ vectors.conj().T
    weights = pair_sequence.occupation(omega, temperature, 60, step=2)  # even states
    parity = (weights @ (abs(unitary[:, :60:2]) ** 2).T) @ (-1.0) ** np.arange(number)
    full = pair_sequence.occupation(omega, temperature, 60)
    signed = full * (-1.0) ** np.arange(60)
    mean = pair_sequence.displaced_mean(2 * d, mu, omega, temperature, 60)
    even = np.exp(-((2 * d) ** 2) * mu * omega / (4 * hbar))
    assert 0.01 < 1 - mean < 0.9
    # parity of a displaced even state is the mean of the displacement by 2d over even states
    assert parity == pytest.approx(_even_mean(2 * d, mu, omega, weights), abs=1e-10)
    # which is that of all states up to the share of signed.sum() of them: here, at low temperature, a correction
    assert 1 - gradient_mixing(TWEEZER, gradient, temperature, RB) == pytest.approx((1 + mean) / 2, abs=1e-3)
    assert abs(parity - mean) <= signed.sum() * (1 - even)


def _even_mean(shift, mu, omega, weights):
    from scipy.special import eval_laguerre

    alpha2 = shift**2 * mu * omega / (2 * hbar)
    return weights @ (math.exp(-alpha2 / 2) * eval_laguerre(np.arange(0, 2 * len(weights), 2), alpha2))


def test_slow_gradient_follows_and_a_sudden_one_swings():
    # units hbar = mu = omega = 1: d = force, thermal spread (1/2) coth(1/2T); mean overlap exp(-2 d^2 spread) of
    # branches that follow, exp(-8 d^2 spread sin^2(t/2)) of branches that swing, twice the exponent in the mean
    force, temperature, levels, dt = 0.2, 0.8, 36, 1.1
    weights = np.exp(-np.arange(24) / temperature)
    weights, spread = weights / weights.sum(), 0.5 / math.tanh(0.5 / temperature)
    ramp = np.repeat(np.linspace(0, force, 31), 4)
    followed = abs(pair_sequence.branch_overlaps(np.append(ramp, [force] * 12), dt, levels, weights))
    assert -np.log(followed[len(ramp) :]) == pytest.approx(2 * force**2 * spread, rel=0.1)
    swung = abs(pair_sequence.branch_overlaps(np.full(40, force), dt, levels, weights))
    t = dt * np.arange(1, 41)
    assert -np.log(swung) == pytest.approx(8 * force**2 * spread * np.sin(t / 2) ** 2, abs=1e-7)


def test_gradient_mixing_range_and_derivatives():
    assert gradient_mixing(TWEEZER, 0.0, 40e-6, RB) == 0.0
    assert gradient_mixing(TWEEZER, 1e3, 40e-6, RB) == pytest.approx(0.5, abs=1e-12)
    slope = jax.grad(lambda g: gradient_mixing(TWEEZER, g, 40e-6, RB))(GRADIENT)
    assert float(slope) == pytest.approx(2 * gradient_mixing(TWEEZER, GRADIENT, 40e-6, RB) / GRADIENT, rel=1e-4)


# --- ramps -----------------------------------------------------------------------------------------------------------

BOHR = physical_constants["Bohr radius"][0]
LENGTHS = jnp.array([-740.0, -570.0, -390.0]) * BOHR  # Klausen, Bohn and Greene, Phys. Rev. A 64, 053602 (2001)
PAIR = AtomPair(LENGTHS, jnp.zeros(3), TWEEZER, 40e-6)
DOWN = Ramp(20e-3, (57e6, 22e6), (8.5e-4, 0.5e-4))
DEEP = dataclasses.replace(PAIR, trap=tweezer(57e6, 1e-6, 1064e-9, RB.mass), temperature=40e-6 * math.sqrt(57 / 22))


def test_temperature_follows_the_frequency():
    # adiabatic invariant E/omega of a classical oscillator whose frequency is ramped over 60 periods
    deep, shallow = tweezer(57e6, 1e-6, 1064e-9, RB.mass), TWEEZER
    ratio = ramped_temperature(1.0, deep, shallow)
    assert ratio == pytest.approx(math.sqrt(22 / 57), rel=1e-14)
    duration = 60 * 2 * math.pi

    def omega2(t):
        return 1 + (22 / 57 - 1) * min(t / duration, 1)

    energies = []
    for phase in np.arange(8) * math.pi / 8:
        start = [math.cos(phase), math.sin(phase)]
        x, v = solve_ivp(
            lambda t, y: [y[1], -omega2(t) * y[0]], (0, duration), start, method="DOP853", rtol=1e-10, atol=1e-12
        ).y[:, -1]
        energies.append((v * v + omega2(duration) * x * x) / 2)
    assert np.mean(energies) / 0.5 == pytest.approx(ratio, rel=1e-3)
    # phase-space density (hbar omega/kT)^3 is kept where the axes change by different factors, too
    before, after = Trap((3.0, 2.0, 1.0), 1.0), Trap((1.0, 2.0, 5.0), 1.0)
    t = ramped_temperature(7.0, before, after)
    assert np.prod(after.frequencies_hz) / t**3 == pytest.approx(np.prod(before.frequencies_hz) / 7.0**3, rel=1e-13)


def test_ends_of_a_ramp_are_those_of_the_tweezer():
    pair = ramp_pair(DEEP, DOWN, 1.0, RB)
    assert pair.trap.frequencies_hz == pytest.approx(TWEEZER.frequencies_hz, rel=1e-14)
    assert pair.temperature == pytest.approx(40e-6, rel=1e-14)
    assert np.asarray(pair.zeeman_hz) == pytest.approx([0, 35.944, 143.776], abs=5e-4)  # 0.5 G, Breit and Rabi
    start = ramp_pair(DEEP, DOWN, 0.0, RB)
    assert start.trap == DEEP.trap and start.temperature == DEEP.temperature
    assert np.asarray(start.zeeman_hz) == pytest.approx([0, 10386.94, 41548.83], abs=5e-3)  # 8.5 G


def test_ramp_of_zero_length_changes_nothing():
    rho = np.array([[0.5, 0.1j, 0.0], [-0.1j, 0.3, 0.02], [0.0, 0.02, 0.2]])
    states = ramp_states(DEEP, dataclasses.replace(DOWN, duration=0.0), RB, initial=rho, segments=5)
    assert states.shape == (6, 3, 3)
    assert (np.asarray(states) == rho).all()


def test_ramp_with_equal_ends_is_a_hold():
    hold = Ramp(30e-3, (22e6, 22e6), (0.5e-4, 0.5e-4))
    held = ramp_states(PAIR, hold, RB, segments=6)
    constant = dataclasses.replace(PAIR, zeeman_hz=pair_zeeman_hz(RB, 2, 0.5e-4))
    expected = kinetic_states(constant, jnp.linspace(0, 30e-3, 7))
    assert np.asarray(held) == pytest.approx(np.asarray(expected), abs=1e-10)


def populations(segments, ramp=DOWN, pair=DEEP):
    return np.asarray(jnp.diagonal(ramp_states(pair, ramp, RB, segments=segments)[-1]).real)


def test_populations_after_a_ramp_converge():
    # 003: 20 ms from 57 to 22 MHz and 8.5 to 0.5 G, quadratic Zeeman phases of hundreds of turns
    reference = populations(2048)
    assert abs(populations(32) - reference).max() < 5e-4
    assert abs(populations(256) - reference).max() < 5e-6
    # second order where a segment turns phases by less than a radian: a ramp of 1 ms, differences between doublings
    short = dataclasses.replace(DOWN, duration=1e-3)
    values = [populations(n, short) for n in (64, 128, 256)]
    steps = [b - a for a, b in itertools.pairwise(values)]
    assert steps[0] / steps[1] == pytest.approx(4.0, rel=0.1)
    assert reference == pytest.approx([0.5933, 0.3567, 0.0500], abs=1e-4)  # 8192 segments of this model


def test_slow_and_stepwise_ramps_are_states():
    states = np.asarray(ramp_states(DEEP, DOWN, RB, segments=16))
    assert np.trace(states, axis1=1, axis2=2).real == pytest.approx(1.0, abs=1e-12)
    assert np.linalg.eigvalsh(states).min() > -1e-12
    assert states == pytest.approx(states.conj().swapaxes(1, 2), abs=1e-12)


def test_ramp_can_be_compiled_and_differentiated():
    def end(duration):
        ramp = dataclasses.replace(DOWN, duration=duration)
        return ramp_states(DEEP, ramp, RB, segments=16)[-1, 1, 1].real

    compiled = jax.jit(end)
    slope = float(jax.jit(jax.grad(end))(20e-3))
    ends = [float(compiled(20e-3 + s)) for s in (1e-8, -1e-8)]
    assert slope == pytest.approx((ends[0] - ends[1]) / 2e-8, rel=1e-4)


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ramsey_probability(0.0, 0.0, 5e-6), "`tau` must be above 0, but is 0 s"),
        (lambda: ramsey_probability(0.0, 1e-6, -1e-6), "`dark_time` must be at least 0, but is -1e-06 s"),
        (lambda: fringe_spacing_hz(-1e-6, 5e-6), "`tau` must be above 0"),
        (lambda: gradient_mixing(TWEEZER, 0.028, 0.0, RB), "`temperature` must be above 0, but is 0 K"),
        (lambda: gradient_mixing(TWEEZER, 0.028, 40e-6, RB, axis="r"), "`axis` must be 'x', 'y' or 'z', but is 'r'"),
        (lambda: ramp_states(PAIR, DOWN, RB, segments=0), "`segments` must be at least 1, but is 0"),
        (lambda: ramp_pair(PAIR, Ramp(1e-3, (22e6, 0.0), (0.0, 0.0)), 0.5, RB), "`depth_hz` of a ramp must be above 0"),
        (lambda: ramp_states(PAIR, DOWN, RB, initial=np.eye(2)), "must have shape"),
        (
            lambda: ramp_states(PAIR, dataclasses.replace(DOWN, duration=-1.0), RB),
            "`duration` .* at least 0, but is -1 s",
        ),
    ],
)
def test_numbers_that_are_refused(call, message):
    with pytest.raises(ArgumentError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_depth_is_counted_over_h():
    # the depth enters ramps as a ratio only; h of scipy against the one of the product holds the tweezer itself
    radial = math.sqrt(4 * h * 22e6 / RB.mass) / 1e-6 / (2 * math.pi)
    assert TWEEZER.frequencies_hz[0] == pytest.approx(radial, rel=1e-9)
