"""Relations every prediction must keep, whatever the parameters: symmetries, bounds, and what never helps.

Each relation is tried on 4 batches of 64 random models (`systems.random_models`: three levels, unequal cells, loss of
light, mismatch, F = 1/2 and 4); Hypothesis draws the seeds, one compiled call solves a batch.
"""

import dataclasses
from functools import partial

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from darkstate.backend import jax, jnp
from darkstate.conventions import SIGNS_OF_ENSEMBLE_II, to_ours
from darkstate.solve.evolve import evolve
from darkstate.solve.methods import MomentEquations
from darkstate.solve.steady_state import steady_state
from darkstate.spins.moments import mean_field, moment_rates, total_rates
from darkstate.spins.protocol import Protocol
from darkstate.spins.state import Isotropic, SpinState, product_state
from darkstate.witness.epr import best_gain, epr_variance
from oracles.density_matrix import Ensemble, build
from oracles.moments import moments
from systems import random_models, state_of, two_levels

BATCH, ROUNDING, SOLVER = 64, 1e-11, 1e-7
TIMES = np.array([0.1, 0.35, 0.8])
seeds = st.integers(0, 2**32 - 1)


def batches(test):
    quick = settings(
        derandomize=True, max_examples=4, deadline=None, database=None, phases=[Phase.explicit, Phase.generate]
    )
    return quick(given(seed=seeds)(test))


@jax.jit
def run(models, pulses, times):
    method = MomentEquations(substeps=64)
    solved = jax.vmap(lambda m: evolve(m, times, protocol=pulses, method=method, throw=False))
    return solved(models).state


steady = jax.jit(jax.vmap(lambda m: steady_state(m, throw=False).state))


def pulses_of(seed):
    """Three random segments, the middle one a ramp and dark at its end, and one of no length."""
    rng = np.random.default_rng([seed, 1])
    start, end = rng.uniform(0, 1.5, (2, 4, 3))
    end[0], start[2], end[1] = start[0], end[2], 0.0
    start[3] = end[3] = end[2]  # after the last segment its strengths go on
    return Protocol(np.append(rng.uniform(0.1, 0.3, 3), 0.0), start, end)


def xi(state, gain=1.0):
    return np.asarray(epr_variance(state, gain).value)


def best(state):
    return xi(state, best_gain(state))


def change(models, name, value):
    """Replace one field of the model, or one rate of every light."""
    if hasattr(models, name):
        return dataclasses.replace(models, **{name: value})
    lights = ("dark", "drive", "pump", "repump")
    return dataclasses.replace(models, **{k: dataclasses.replace(getattr(models, k), **{name: value}) for k in lights})


def all_rates(models, factor):
    lights = ("dark", "drive", "pump", "repump")
    scaled = {k: jax.tree.map(lambda r: r * factor, getattr(models, k)) for k in lights}
    return dataclasses.replace(models, **scaled)


def swapped(models):
    return jax.tree.map(lambda leaf: leaf[:, ::-1] if leaf.ndim == 2 else leaf, models)


# ---- symmetries ----


@batches
def test_time_has_no_unit(seed):
    """All rates and the mismatch times k, all times over k."""
    models, pulses, k = random_models(seed, BATCH), pulses_of(seed), 137.0
    faster = all_rates(dataclasses.replace(models, larmor=models.larmor * k), k)
    quick = dataclasses.replace(pulses, durations=pulses.durations / k)
    assert xi(run(faster, quick, TIMES / k)) == pytest.approx(xi(run(models, pulses, TIMES)), rel=ROUNDING)
    assert xi(steady(faster)) == pytest.approx(xi(steady(models)), rel=ROUNDING)


@batches
def test_cells_of_equal_z_may_be_swapped(seed):
    """The one-way drive vanishes; xi_g of (I, II) is xi_{1/g} of (II, I), at any transmission."""
    models, pulses = random_models(seed, BATCH, same_z=True), pulses_of(seed)
    ours, theirs = run(models, pulses, TIMES), run(swapped(models), pulses, TIMES)
    for gain in (1.0, 0.6):
        assert xi(theirs, 1 / gain) == pytest.approx(xi(ours, gain), rel=ROUNDING)
    assert best(theirs) == pytest.approx(best(ours), rel=1e-8)  # GAIN_LIMIT cuts g at 1e6


def test_cells_of_different_z_may_not_be_swapped():
    """The relation above is not empty: with Z_I != Z_II the order in which light meets the cells matters."""
    models, pulses = random_models(1, BATCH), pulses_of(1)
    assert np.abs(xi(run(models, pulses, TIMES)) - xi(run(swapped(models), pulses, TIMES))).max() > 1e-2


@batches
def test_reversed_sign_of_nu_turns_squeezing_into_antisqueezing(seed):
    """nu -> -nu is a turn of II by pi about x: correlations change sign, xi_g becomes xi_{-g}."""
    models, pulses = random_models(seed, BATCH), pulses_of(seed)
    plain, turned = (run(dataclasses.replace(models, nu=s * models.nu), pulses, TIMES) for s in (1, -1))
    for name in ("cross_yy", "cross_yz", "cross_zy", "cross_zz"):
        assert getattr(turned.moments, name) == pytest.approx(-np.asarray(getattr(plain.moments, name)), abs=ROUNDING)
    assert turned.moments.yy == pytest.approx(np.asarray(plain.moments.yy), abs=ROUNDING)
    assert xi(turned) == pytest.approx(xi(plain, -1.0), rel=ROUNDING)


@batches
def test_only_the_sum_of_the_larmor_offsets_matters(seed):
    """A common turn of I by +a and II by -a about x leaves reservoir and witness as they are (equal Z or not)."""
    models, pulses = random_models(seed, BATCH), pulses_of(seed)
    shift = np.random.default_rng(seed).normal(size=(BATCH, 1)) * [1, -1]
    other = dataclasses.replace(models, larmor=models.larmor + shift)
    assert xi(run(other, pulses, TIMES)) == pytest.approx(xi(run(models, pulses, TIMES)), rel=SOLVER)
    flipped = dataclasses.replace(models, larmor=-models.larmor)
    assert xi(run(flipped, pulses, TIMES)) == pytest.approx(xi(run(models, pulses, TIMES)), rel=ROUNDING)


@jax.jit
@jax.vmap
def derivative(state, model):
    rates = total_rates(model, jnp.array([0.7, 0.4, 1.1]))
    inverse = 1 / model.atoms
    return moment_rates(state, mean_field(state, inverse), model, rates, inverse_atoms=inverse)


@batches
def test_no_transverse_direction_is_special(seed):
    """Means stay 0, <Jy^2> = <Jz^2>, <JyJy'> = -<JzJz'>, <JyJz'> = <JzJy'>: `Isotropic` leaves nothing out."""
    models = dataclasses.replace(random_models(seed, BATCH), atoms=np.full((BATCH, 2), [5.0, 8.0]))
    state = jax.tree.map(lambda leaf: leaf[:, 1], run(models, pulses_of(seed), TIMES))
    d = derivative(state.moments, models)
    for a, b in ((d.yy, d.zz), (d.cross_yy, -d.cross_zz), (d.cross_yz, d.cross_zy)):
        assert a == pytest.approx(np.asarray(b), abs=ROUNDING)
        assert float(jnp.abs(a).max()) > 1e-3
    assert max(float(jnp.abs(v).max()) for v in (d.y, d.z, d.yz)) < 1e-15
    m = state.moments
    reduced = Isotropic(m.up, m.down, m.h, m.yy, m.cross_yy, m.cross_yz)
    assert reduced.uncertainty_defect == pytest.approx(np.asarray(state.uncertainty_defect), abs=1e-14)


@batches
def test_ensemble_one_does_not_feel_ensemble_two(seed):
    """Light goes one way: what is in II, and the path to it, changes nothing in I."""
    models, other = random_models(seed, BATCH), random_models(seed + 1, BATCH)
    mixed = jax.tree.map(lambda a, b: np.stack([a[:, 0], b[:, 1]], axis=1) if a.ndim == 2 else b, models, other)
    a, b = (run(m, pulses_of(seed), TIMES).moments for m in (models, mixed))
    for name in ("up", "down", "h", "yy", "zz"):
        assert getattr(a, name)[..., 0] == pytest.approx(np.asarray(getattr(b, name)[..., 0]), abs=ROUNDING)


@batches
def test_number_of_atoms_drops_out(seed):
    """Both N times k: scaled moments and xi stay (N to infinity)."""
    models, pulses = random_models(seed, BATCH), pulses_of(seed)
    more = dataclasses.replace(models, atoms=models.atoms * 17)
    assert xi(run(more, pulses, TIMES)) == pytest.approx(xi(run(models, pulses, TIMES)), rel=ROUNDING)


@batches
def test_cutting_a_segment_in_two_changes_nothing(seed):
    """Also inside a ramp; the empty fourth segment of the first protocol is the cut of the second."""
    models, whole = random_models(seed, BATCH), pulses_of(seed)
    middle = (whole.start[1] + whole.end[1]) / 2
    half = whole.durations[1] / 2
    durations = np.array([whole.durations[0], half, half, whole.durations[2]])
    start = np.array([whole.start[0], whole.start[1], middle, whole.start[2]])
    end = np.array([whole.end[0], middle, whole.end[1], whole.end[2]])
    cut = run(models, Protocol(durations, start, end), TIMES)
    assert xi(cut) == pytest.approx(xi(run(models, whole, TIMES)), abs=SOLVER)


@batches
def test_strength_and_rate_are_one_factor(seed):
    """Strength s with rates r is strength 1 with rates s r."""
    models, pulses = random_models(seed, BATCH), pulses_of(seed)
    lights = {k: jax.tree.map(lambda r: 2.5 * r, getattr(models, k)) for k in ("drive", "pump", "repump")}
    weaker = Protocol(pulses.durations, pulses.start / 2.5, pulses.end / 2.5)
    stronger = dataclasses.replace(models, **lights)
    assert xi(run(stronger, weaker, TIMES)) == pytest.approx(xi(run(models, pulses, TIMES)), rel=ROUNDING)


@batches
def test_past_is_independent_of_the_future(seed):
    """Later wanted times do not move earlier values."""
    models, pulses = random_models(seed, BATCH), pulses_of(seed)
    early = run(models, pulses, np.array([0.1, 0.2, 0.35]))
    assert xi(early)[:, [0, 2]] == pytest.approx(xi(run(models, pulses, TIMES))[:, :2], abs=SOLVER)


# ---- bounds ----


@batches
def test_populations_and_uncertainty_relation(seed):
    """Fractions stay in [0, 1] and sum to 1; covariance + (i/2) commutator stays positive, inverted spins included."""
    models = random_models(seed, BATCH)
    upside_down = dataclasses.replace(models, initial_up=models.initial_down, initial_down=models.initial_up)
    states = [run(m, pulses_of(seed), TIMES) for m in (models, upside_down)] + [steady(models)]
    for state in states:
        m = state.moments
        n = np.stack([m.up, m.down, m.h])
        assert n.sum(axis=0) == pytest.approx(1.0, abs=1e-12)
        assert n.min() >= -1e-12 and n.max() <= 1 + 1e-12
    for state in states[:2]:
        assert float(state.uncertainty_defect.min()) >= -1e-12


@batches
def test_uncertainty_relation_in_the_steady_state(seed):
    """Where a steady state exists (all decay rates positive) it is physical."""
    models = random_models(seed, BATCH)
    solution = jax.vmap(partial(steady_state, throw=False))(models)
    exists = np.asarray(solution.checks["growth_rate"]) < 0
    assert exists.sum() > BATCH / 2
    assert float(solution.state.uncertainty_defect[exists].min()) >= -1e-12


@batches
def test_darkness_never_entangles(seed):
    models = random_models(seed, BATCH)
    dark = Protocol(np.array([0.2, 0.1, 0.3, 0.0]), np.zeros((4, 3)), np.zeros((4, 3)))
    assert best(run(models, dark, TIMES)).min() >= 1 - 1e-12


@batches
def test_no_optical_depth_or_a_blocked_path_never_entangles(seed):
    """d = 0 in one cell or in both, or t = 0: xi_g >= 1 for the best g."""
    models = random_models(seed, BATCH)
    for dark in ([0.0, 0.0], [1.0, 0.0], [0.0, 1.0]):
        drive = dataclasses.replace(models.drive, collective=models.drive.collective * dark)
        empty = dataclasses.replace(models, drive=drive)
        assert best(run(empty, pulses_of(seed), TIMES)).min() >= 1 - 1e-12
    blocked = dataclasses.replace(models, transmission=0.0 * models.transmission)
    assert best(run(blocked, pulses_of(seed), TIMES)).min() >= 1 - 1e-12
    assert best(run(models, pulses_of(seed), TIMES)).min() < 1  # with both, some batches are entangled


@batches
def test_uncorrelated_atoms_are_never_certified(seed):
    """Any populations, F from 1/2 to 9/2, any gain."""
    rng = np.random.default_rng(seed)
    up = rng.uniform(0, 1, (1000, 2))
    atoms = product_state(up=up, down=(1 - up) * rng.choice([0, 0.5, 1], (1000, 1)))
    state = SpinState(atoms.moments, 10 ** rng.uniform(3, 12, (1000, 2)), rng.integers(1, 10, 1000) / 2)
    assert xi(state, rng.normal(size=1000)).min() >= 1 - 1e-12
    assert best(state).min() >= 1 - 1e-12


def test_exact_separable_states_are_never_certified():
    """Random mixtures of product states, correlated and coherent, as density matrices (N = 1, 2): xi_g >= 1."""
    rng = np.random.default_rng(5)
    for first, second in ((1, 1), (2, 1), (2, 2)):
        system = build(Ensemble(first), Ensemble(second))
        one, two = build(Ensemble(first), Ensemble(0)), build(Ensemble(0), Ensemble(second))
        for _ in range(40):
            parts = [np.kron(*(s.random_state(int(rng.integers(2**31))) for s in (one, two))) for _ in range(3)]
            rho = sum(w * p for w, p in zip(rng.dirichlet(np.ones(3)), parts, strict=True))
            state = state_of(system, moments(system, rho))
            assert xi(state, rng.normal()) >= 1 - 1e-12
            assert best(state) >= 1 - 1e-12


@batches
def test_best_gain_is_best(seed):
    """xi_g at the best g is below xi_g at every other g, in time and in the steady state."""
    models = random_models(seed, BATCH)
    for state in (run(models, pulses_of(seed), TIMES), steady(models)):
        lowest = best(state)
        for gain in (1.0, -1.0, 0.0, *np.random.default_rng(seed).normal(scale=2, size=20)):
            assert (lowest <= xi(state, gain) * (1 + 1e-12)).all()


@batches
def test_best_gain_of_equal_cells_is_one(seed):
    """Even with loss of light between them; -1 where correlations have the other sign."""
    models = random_models(seed, BATCH, equal=True)
    state = run(models, pulses_of(seed), TIMES)
    cross = np.asarray(state.moments.cross_yy - state.moments.cross_zz)
    assert (np.abs(cross) > 1e-6).mean() > 0.5
    clear = np.abs(cross) > 1e-6
    assert np.asarray(best_gain(state))[clear] == pytest.approx(np.where(cross[clear] < 0, 1.0, -1.0), abs=1e-6)


# ---- what helps and what never helps ----


@batches
def test_more_transmission_never_hurts(seed):
    """Cells of equal Z, best gain: correlations grow with sqrt(t), nothing else moves."""
    models, pulses = random_models(seed, BATCH, same_z=True), pulses_of(seed)
    clearer = dataclasses.replace(models, transmission=models.transmission**0.5)
    assert (best(run(clearer, pulses, TIMES)) <= best(run(models, pulses, TIMES)) + 1e-12).all()
    a, b = (run(m, pulses, TIMES).moments.cross_yy for m in (models, clearer))
    assert a == pytest.approx(np.asarray(b) * models.transmission[:, None] ** 0.25, abs=1e-9)


@batches
def test_more_mismatch_never_helps_in_the_steady_state(seed):
    models = random_models(seed, BATCH, same_z=True)
    values = [best(steady(dataclasses.replace(models, larmor=k * models.larmor))) for k in (0.0, 0.5, 1.0, 2.0)]
    for near, far in zip(values, values[1:], strict=False):
        assert (near <= far + 1e-12).all()


@batches
def test_more_noise_never_helps_and_more_atoms_never_hurt(seed):
    """Eq. (15): equal cells, t = 1, no mismatch, P > 0; xi grows with Gt and falls with d at fixed P."""
    models = random_models(seed, BATCH, equal=True, levels=2, mismatch=False)
    models = dataclasses.replace(models, transmission=np.ones(BATCH))
    state = steady(models)
    up = np.asarray(state.polarization).min(axis=1) > 0
    assert up.sum() > BATCH / 2
    noisy = dataclasses.replace(models.dark, transverse=models.dark.transverse + 1.0)
    dense = dataclasses.replace(models.drive, collective=1.5 * models.drive.collective)
    assert (xi(steady(dataclasses.replace(models, dark=noisy)))[up] >= xi(state)[up] - 1e-12).all()
    assert (xi(steady(dataclasses.replace(models, drive=dense)))[up] <= xi(state)[up] + 1e-12).all()


@pytest.mark.parametrize("z", [1.0, 1.3, 2.5, 6.0])
def test_ideal_limit(z):
    """No noise, full polarisation: xi = (mu - nu)^2 = 1/Z^2 (001 Eq. 5)."""
    lab = two_levels(z, d=1e20, x=1e9, atoms=1e30)
    assert xi(steady_state(lab.model()).state) == pytest.approx(1 / z**2, rel=1e-7)


@batches
def test_start_of_every_curve(seed):
    """Two-level atoms of polarisations P_I, P_II and equal N: xi(0) = 2/(P_I + P_II)."""
    models = random_models(seed, BATCH, levels=2, spins=(0.5,))
    models = dataclasses.replace(models, atoms=np.full((BATCH, 2), 1e9))
    p = (models.initial_up - models.initial_down).sum(axis=1)
    assert xi(run(models, pulses_of(seed), np.array([0.0, 0.1, 0.2])))[:, 0] == pytest.approx(2 / p, rel=1e-13)


# ---- conventions ----


@pytest.mark.parametrize("paper", ["002", "000"])
def test_frames_of_the_papers_give_one_xi(paper):
    """Random exact states: II turned by pi about z, witness of the paper on the turned state = ours (N = 2, 1)."""
    system = build(Ensemble(2), Ensemble(1))
    (one, two), (s_one, s_two) = system.J, system.S
    rotation = np.kron(np.eye(4), [[0, -1], [1, 0]])  # exp(-i pi jz), jz = i (s^+ - s)/2
    mu, nu = 1.45, 1.05  # the paper's jump operator is mu J_I - nu J_II
    ours = mu * s_one / np.sqrt(2) + nu * s_two.conj().T
    assert np.abs(rotation @ ours @ rotation.conj().T - (mu * s_one / np.sqrt(2) - nu * s_two)).max() < 1e-14
    for k, axis in enumerate("xyz"):
        sign = SIGNS_OF_ENSEMBLE_II[paper][k]
        assert np.abs(rotation.conj().T @ two[axis] @ rotation - sign * two[axis]).max() < 1e-14
    for seed in range(10):
        rho = system.random_state(seed)
        theirs = rotation @ rho @ rotation.conj().T

        def mean(operator, rho=theirs):
            return system.expect(operator, rho)

        spread = [one["y"] - two["y"], one["z"] - two["z"]]
        variance = sum(mean(o @ o) - mean(o) ** 2 for o in spread)
        value = variance / (abs(mean(one["x"])) + abs(mean(two["x"])))
        m = moments(system, rho)
        assert float(epr_variance(state_of(system, m)).value) == pytest.approx(value, abs=1e-12)
        back = to_ours(tuple(mean(two[a]) for a in "xyz"), paper)
        assert back == pytest.approx((m["jx"][1], m["o"][2], m["o"][3]), abs=1e-12)
