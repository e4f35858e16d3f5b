"""Relations every witness of Gaussian states must keep, on batches of random states: one compiled call each.

States are V = S diag(nu) S^T with S = O_1 Z O_2: passive networks around squeezers, which is every symplectic matrix.
"""

from functools import partial

import numpy as np
import pytest

import darkstate as ds
from darkstate.backend import jax
from darkstate.gaussian.state import GaussianState

COUNT = 20_000


def passive(rng, count, modes):
    """Random networks of beam splitters and phases [count q q], from random unitary matrices."""
    u, _ = np.linalg.qr(rng.normal(size=(count, modes, modes)) + 1j * rng.normal(size=(count, modes, modes)))
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    blocks = u.real[:, :, None, :, None] * np.eye(2)[:, None, :] + u.imag[:, :, None, :, None] * turn[:, None, :]
    return blocks.reshape(count, 2 * modes, 2 * modes)


def symplectic(rng, count, modes, spread=0.7):
    s = rng.normal(scale=spread, size=(count, modes))
    z = np.exp(np.stack([s, -s], axis=-1).reshape(count, 2 * modes))
    return passive(rng, count, modes) @ (z[:, :, None] * passive(rng, count, modes))


def covariances(rng, count, modes, heat=1.0):
    """Random states, every second one of its modes without heat."""
    nu = 0.5 + heat * rng.exponential(size=(count, modes)) * rng.integers(0, 2, (count, modes))
    return conjugated(symplectic(rng, count, modes), np.repeat(nu, 2, axis=1)[:, :, None] * np.eye(2 * modes))


def conjugated(s, v):
    out = s @ v @ np.swapaxes(s, -1, -2)
    return (out + np.swapaxes(out, -1, -2)) / 2


def beside(first, second):
    """Blocks on the diagonal [count q q]."""
    a, b = first.shape[-1], second.shape[-1]
    out = np.zeros((len(first), a + b, a + b))
    out[:, :a, :a], out[:, a:, a:] = first, second
    return out


def state_of(v):
    q = v.shape[-1]
    return GaussianState(np.zeros(v.shape[:-1]), v, tuple("abcd"[: q // 2]))


def batched(question):
    return jax.jit(jax.vmap(question))


# One program for each: XLA (jaxlib 0.10.2, two cores) can hang when batched LAPACK calls run at the same time.
TWO_MODE = {
    "ppt": batched(lambda s: ds.ppt(s, "a")),
    "epr at gain 1": batched(ds.epr_variance),
    "epr at the best gain": batched(lambda s: ds.epr_variance(s, ds.best_gain(s))),
    "product": batched(lambda s: ds.product_criterion(s, ds.best_gain(s))),
    "product at gain -1": batched(lambda s: ds.product_criterion(s, -1.0)),
    "a steers b": batched(lambda s: ds.steering(s, "a", "b")),
    "b steers a": batched(lambda s: ds.steering(s, "b", "a")),
}


def all_two_mode(state):
    """Value and rounding of each witness with bound 1, and the fidelity."""
    found = {name: question(state) for name, question in TWO_MODE.items()}
    values = {name: (np.asarray(w.value), np.asarray(w.rounding)) for name, w in found.items()}
    return values, np.asarray(batched(ds.teleportation_fidelity)(state))


@partial(jax.jit, static_argnames="part")
def negativity(state, part=("a",)):
    return jax.vmap(lambda s: ds.log_negativity(s, part).nats)(state)


def test_mixtures_of_product_states_are_never_flagged():
    """V = V_a + V_b beside each other + any classical noise, common to both included; also by no sign of the gain."""
    rng = np.random.default_rng(1)
    pure = beside(*(conjugated(symplectic(rng, COUNT, 1), np.eye(2) / 2) for _ in range(2)))
    noise = (
        rng.normal(size=(COUNT, 4, 4)) * 10 ** rng.uniform(-4, 0.5, (COUNT, 1, 1)) * rng.integers(0, 2, (COUNT, 1, 4))
    )
    witnesses, fidelity = all_two_mode(state_of(pure + noise @ np.swapaxes(noise, 1, 2)))
    for name, (value, rounding) in witnesses.items():
        assert float((value + rounding).min()) >= 1, name
        assert float(rounding.max()) < 1e-6, name
    assert float(fidelity.max()) <= 0.5 + 1e-12
    assert float(witnesses["ppt"][0].min()) < 1 + 1e-9  # some are at the bound itself


def test_separable_over_three_and_four_modes_is_never_flagged():
    rng = np.random.default_rng(2)
    for sides in ((1, 2), (2, 2)):
        count = 3000
        pure = beside(*(conjugated(symplectic(rng, count, m), np.eye(2 * m) / 2) for m in sides))
        noise = rng.normal(size=(count, pure.shape[-1], 2)) * 10 ** rng.uniform(-4, 0.5, (count, 1, 1))
        state = state_of(pure + noise @ np.swapaxes(noise, 1, 2))
        first, second = state.modes[: sides[0]], state.modes[sides[0] :]
        for witness in (ds.ppt(state, first), ds.steering(state, first, second), ds.steering(state, second, first)):
            assert float((witness.value + witness.rounding).min()) >= 1
            assert float(witness.rounding.max()) < 1e-6


def test_every_witness_that_certifies_implies_a_negative_partial_transpose():
    """ppt is necessary and sufficient for 1 x 1 modes; every other witness is weaker, and each certifies something."""
    states = state_of(covariances(np.random.default_rng(3), COUNT, 2, heat=0.3))
    witnesses, fidelity = all_two_mode(states)
    entangled = np.asarray(witnesses["ppt"][0]) < 1
    assert 0.2 < entangled.mean() < 1
    certified = {name: np.asarray(value + rounding) < 1 for name, (value, rounding) in witnesses.items()}
    certified["fidelity"] = np.asarray(fidelity) > 0.5 + 1e-12
    for name, by in certified.items():
        assert by.sum() > 100, name
        assert entangled[by].all(), name
    xi, product = (np.asarray(witnesses[k][0]) for k in ("epr at the best gain", "product"))
    assert (product <= xi * (1 + 1e-12)).all()
    assert (np.asarray(witnesses["ppt"][0]) <= xi * (1 + 1e-9)).all()  # 2 nu~ is the least of xi over local operations
    assert (xi <= np.asarray(witnesses["epr at gain 1"][0]) * (1 + 1e-12)).all()


@pytest.mark.parametrize("sides", [(1, 1), (1, 2), (2, 2)])
def test_local_symplectics_change_nothing(sides):
    """Squeezers, phases and passive networks on each side leave the partial transpose, steering and purity alone."""
    rng, count = np.random.default_rng(4), 500
    v = covariances(rng, count, sum(sides))
    local = beside(*(symplectic(rng, count, m, spread=0.4) for m in sides))
    before, after = state_of(v), state_of(conjugated(local, v))
    first, second = before.modes[: sides[0]], before.modes[sides[0] :]
    for question in (
        lambda s: ds.ppt(s, first).value,
        lambda s: ds.log_negativity(s, first).nats,
        lambda s: ds.steering(s, first, second).value,
        lambda s: ds.steering(s, second, first).value,
        ds.purity,
    ):
        assert np.asarray(question(after)) == pytest.approx(np.asarray(question(before)), rel=1e-10, abs=1e-10)
    assert float(ds.log_negativity(before, first).nats.max()) > 1


def test_either_side_may_be_transposed():
    state = state_of(covariances(np.random.default_rng(5), 500, 3))
    for one, rest in (("a", ("b", "c")), ("b", ("a", "c"))):
        a, b = (np.asarray(ds.log_negativity(state, part).nats) for part in (one, rest))
        assert a == pytest.approx(b, abs=1e-10)


@pytest.mark.parametrize(("modes", "part"), [(2, ("a",)), (3, ("a",)), (4, ("a", "d"))])
def test_loss_and_local_noise_never_raise_the_negativity(modes, part):
    """A beam splitter with a bath of n quanta on every mode, an amplifier on one, or classical noise on one side."""
    rng, count = np.random.default_rng(6), 2000
    v = covariances(rng, count, modes, heat=0.2)
    before = np.asarray(negativity(state_of(v), part=part))
    t = np.repeat(rng.uniform(0, 1, (count, modes)), 2, axis=1)
    bath = 0.5 + np.repeat(rng.exponential(size=(count, modes)), 2, axis=1) * rng.integers(0, 2, (count, 1))
    lossy = np.sqrt(t)[:, :, None] * v * np.sqrt(t)[:, None, :] + ((1 - t) * bath)[:, :, None] * np.eye(2 * modes)
    gain = np.ones((count, 2 * modes))
    gain[:, :2] = rng.uniform(1, 3, (count, 1))
    amplified = np.sqrt(gain)[:, :, None] * v * np.sqrt(gain)[:, None, :]
    amplified += ((gain - 1) / 2)[:, :, None] * np.eye(2 * modes)
    kick = np.zeros((count, 2 * modes))
    kick[:, :2] = rng.normal(size=(count, 2))
    for worse in (lossy, amplified, v + kick[:, :, None] * kick[:, None, :]):
        after = np.asarray(negativity(state_of(worse), part=part))
        assert (after <= before + 1e-9).all()
        assert ((after < before - 1e-3) & (after > 0)).sum() > 50


def test_tracing_out_a_mode_never_raises_the_negativity_or_the_steering():
    state = state_of(covariances(np.random.default_rng(7), 2000, 3, heat=0.2))
    pair = state.select("a", "b")
    assert (negativity(pair) <= np.asarray(negativity(state)) + 1e-9).all()
    assert (ds.steering(pair, "b", "a").value >= ds.steering(state, ("b", "c"), "a").value * (1 - 1e-9)).all()
    assert float(negativity(pair).max()) > 0.1
