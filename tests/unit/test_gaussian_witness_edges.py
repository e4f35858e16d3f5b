"""Witnesses of Gaussian states where float64 ends, under transformations, and what they refuse.

Vacuum variance 1/2, order (X1, P1, X2, P2, ...); the values themselves are held by test_gaussian_witnesses.
"""

import numpy as np
import pytest
from scipy.linalg import block_diag, expm

import darkstate as ds
from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError, Outcome
from darkstate.gaussian.state import (
    Convention,
    GaussianState,
    gaussian_state,
    product,
    thermal,
    two_mode_squeezed,
    vacuum,
)
from darkstate.spins.state import SpinState, product_state
from darkstate.witness.bipartition import SAFETY

TURN = np.array([[0.0, 1.0], [-1.0, 0.0]])


def noisy(r, seed, strength=0.03):
    """A two-mode squeezed state with random classical noise of all four quadratures: nothing at a special value."""
    noise = np.random.default_rng(seed).normal(size=(4, 4))
    return np.asarray(two_mode_squeezed("S", "M", r).covariance) + strength * noise @ noise.T


# ---- where float64 ends ----


@pytest.mark.parametrize("r", [1.0, 3.0, 5.0, 6.0, 7.0])
def test_negativity_is_held_to_a_thousandth_up_to_seven(r):
    found = ds.log_negativity(two_mode_squeezed("S", "M", r), "S")
    assert int(found.outcome) == Outcome.ok
    assert float(found.nats) == pytest.approx(2 * r, abs=1e-3)


@pytest.mark.parametrize("r", [9.0, 12.0, 20.0, 50.0])
def test_beyond_it_an_outcome_says_so_and_every_number_is_finite(r):
    state = two_mode_squeezed("S", "M", r)
    found = ds.log_negativity(state, "S")
    assert int(found.outcome) == Outcome.outside_validity
    assert 0 <= float(found.nats) <= 2 * r
    for witness in (
        ds.ppt(state, "S"),
        ds.steering(state, "S", "M"),
        ds.epr_variance(state),
        ds.product_criterion(state),
    ):
        assert np.isfinite(witness.value) and float(witness.value) > 0
        if r >= 20:  # eps e^{2r} is above 1: nothing of the entanglement is left in the numbers
            assert witness.verdict == "not certified as entangled"
    assert 0 < float(ds.teleportation_fidelity(state)) <= 1
    assert np.isnan(ds.purity(state))


def test_rounding_bounds_the_error():
    """Local squeezing and turns leave E_N = 2r; what they lose is within what is stated, while that is small."""
    rng = np.random.default_rng(2)
    for r in (1.0, 4.0, 6.0):
        s = np.stack([block_diag(*(expm(TURN @ np.diag(rng.normal(size=2))) for _ in range(2))) for _ in range(40)])
        v = s @ np.asarray(two_mode_squeezed("S", "M", r).covariance) @ np.swapaxes(s, 1, 2)
        found = ds.log_negativity(gaussian_state(v, ("S", "M")), "S")
        good = np.asarray(found.outcome) == Outcome.ok
        assert good.sum() > 20
        assert (np.abs(np.asarray(found.nats) - 2 * r) <= SAFETY * np.asarray(found.rounding))[good].all()


@pytest.mark.parametrize("state", [vacuum("S", "M"), product(vacuum("S"), thermal("M", 1e17))])
def test_rounding_certifies_nothing(state):
    """2 nu of a product state may come out as 1 - 2e-16, or, beside 1e17 quanta, as anything."""
    witnesses = [ds.ppt(state, "S"), ds.ppt(state, "M"), ds.steering(state, "S", "M"), ds.steering(state, "M", "S")]
    witnesses += [ds.epr_variance(state), ds.product_criterion(state)]
    assert {w.verdict for w in witnesses} == {"not certified as entangled"}


def test_verdict_subtracts_rounding():
    assert ds.WitnessValue(0.9, rounding=0.05).verdict == "entangled"
    assert ds.WitnessValue(0.9, rounding=0.2).verdict == "not certified as entangled"
    assert ds.WitnessValue(jnp.array([2.0, 0.9]), rounding=jnp.array([0.0, 0.2])).verdict.startswith("not certified")


def unchecked(covariance):
    """A state as a program may make it; `gaussian_state` would refuse it."""
    return GaussianState(jnp.zeros(4), jnp.asarray(covariance), ("S", "M"))


def test_negativity_of_what_is_no_state():
    half = unchecked(0.25 * np.eye(4))
    assert int(ds.log_negativity(half, "S").outcome) == Outcome.unphysical_covariance
    for shrunk, outcome in ((1e-9, Outcome.unphysical_covariance), (1e-14, Outcome.ok)):  # a pure state made smaller
        state = unchecked((1 - shrunk) * np.asarray(two_mode_squeezed("S", "M", 0.5).covariance))
        assert int(ds.log_negativity(state, "S").outcome) == outcome
    negative = unchecked(np.diag([1.0, 1.0, 1.0, -1.0]))
    found = ds.log_negativity(negative, "S")
    assert int(found.outcome) == Outcome.unphysical_covariance
    assert np.isfinite(found.nats)
    assert np.isnan(ds.purity(negative))
    broken = ds.log_negativity(jax.tree.map(lambda leaf: leaf * jnp.nan, vacuum("S", "M")), "S")
    assert int(broken.outcome) == Outcome.not_converged


# ---- transformations ----


QUESTIONS = {
    "ppt": lambda s: ds.ppt(s, "S").value,
    "log_negativity": lambda s: ds.log_negativity(s, "S").nats,
    "epr_variance": lambda s: ds.epr_variance(s, 0.7).value,
    "best_gain": ds.best_gain,
    "product_criterion": lambda s: ds.product_criterion(s, -0.7).value,
    "steering": lambda s: ds.steering(s, "M", "S").value,
    "purity": ds.purity,
    "teleportation_fidelity": ds.teleportation_fidelity,
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_gradient_against_central_differences(name):
    """All ten directions of a symmetric covariance; fourth-order differences with steps of 1e-3."""
    v = jnp.asarray(noisy(0.8, 4))
    assert float(ds.ppt(gaussian_state(v, ("S", "M")), "S").value) < 0.6

    def answer(change):
        return QUESTIONS[name](gaussian_state(v + change, ("S", "M")))

    slope = np.asarray(jax.jit(jax.grad(answer))(jnp.zeros((4, 4))))
    assert np.abs(slope).max() > 1e-2
    for i in range(4):
        for j in range(i, 4):
            e = np.zeros((4, 4))
            e[i, j] = e[j, i] = 1e-3
            f = [float(answer(k * e)) for k in (-2, -1, 1, 2)]
            numeric = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / 12e-3
            assert (slope * (e > 0)).sum() == pytest.approx(numeric, rel=1e-7, abs=1e-8)


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("r", [0.0, 0.5, 12.0])
def test_gradient_is_a_number_where_eigenvalues_meet(name, r):
    """Vacuum, equal modes, and where float64 has ended."""
    slope = jax.grad(lambda x: QUESTIONS[name](two_mode_squeezed("S", "M", x)))(r)
    if not (name == "purity" and r == 12.0):
        assert np.isfinite(slope)
    if r == 0.5 and name == "log_negativity":
        assert float(slope) == pytest.approx(2.0, rel=1e-12)  # E_N = 2r


@pytest.mark.parametrize("name", QUESTIONS)
def test_batches_and_compiled_programs(name):
    """A leading axis, vmap and jit give what single calls give."""
    v = np.stack([noisy(0.2 * k, k) for k in range(6)]).reshape(2, 3, 4, 4)
    batch = gaussian_state(v, ("S", "M"))
    single = [[float(QUESTIONS[name](gaussian_state(v[i, j], ("S", "M")))) for j in range(3)] for i in range(2)]
    mapped = jax.jit(jax.vmap(jax.vmap(QUESTIONS[name])))(batch)
    for found in (QUESTIONS[name](batch), mapped):
        assert found.shape == (2, 3)
        assert np.asarray(found) == pytest.approx(np.array(single), rel=1e-11, abs=1e-13)


# ---- refusals ----


STATE = product(two_mode_squeezed("S", "M", 0.5), vacuum("L"))
UP = SpinState(product_state(up=[1.0, 1.0], down=[0.0, 0.0]).moments, jnp.ones(2), 0.5)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: ds.epr_variance(STATE), r"two modes, but has 3 \(S, M, L\); .* state.select\('S', 'M'\)"),
        (lambda: ds.best_gain(STATE), r"best_gain must have two modes"),
        (lambda: ds.product_criterion(STATE), r"product_criterion must have two modes"),
        (lambda: ds.teleportation_fidelity(vacuum("S")), r"two modes, but has 1 \(S\)"),
        (lambda: ds.epr_variance([1.0]), r"a SpinState or a GaussianState of two modes, but is of type list"),
        (lambda: ds.best_gain(None), r"a SpinState or a GaussianState"),
        (lambda: ds.ppt(UP, "S"), r"must be a GaussianState, but is of type SpinState; of spins ask epr_variance"),
        (lambda: ds.purity(np.eye(2)), r"make one with gaussian_state"),
        (lambda: ds.purity(ds.Solution(STATE, None, 0, {})), r"type Solution; pass its field .state"),
        (lambda: ds.ppt(STATE, "m"), r"Mode 'm' is not here; .*known: S, M, L"),
        (lambda: ds.ppt(STATE, ("S", "S")), r"name one mode twice"),
        (lambda: ds.log_negativity(STATE, ()), r"at least one mode on each side, but names 0 of 3"),
        (lambda: ds.log_negativity(STATE, ("S", "M", "L")), r"names 3 of 3"),
        (lambda: ds.log_negativity(STATE, 0), r"name of a mode or a tuple of names, but was given as 0"),
        (lambda: ds.steering(STATE, "S", ("S", "M")), r"none in common"),
        (lambda: ds.steering(STATE, (), "M"), r"`by` \(none\)"),
        (lambda: ds.ppt(STATE.to(Convention(vacuum=1.0)), "S"), r"convert it with state.to\(OURS\)"),
        (lambda: ds.epr_variance(STATE.select("S", "M").to(Convention("xxpp"))), r"convert it with state.to\(OURS\)"),
    ],
)
def test_what_cannot_be_answered(call, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        call()
