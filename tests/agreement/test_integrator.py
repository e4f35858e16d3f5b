"""The integrator: order five, a stated error that bounds the true one, no step across a jump."""

from functools import lru_cache, partial

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from darkstate.backend import jax, jnp
from darkstate.errors import Outcome
from darkstate.solve.evolve import evolve
from darkstate.solve.integrate import FIFTH_ORDER, FOURTH_ORDER, NODES, STAGES, integrate
from darkstate.solve.methods import MomentEquations
from darkstate.spins.protocol import Protocol
from systems import cascade_of, one_of, random_models

COUNT = 16
GRID = np.linspace(0.02, 0.4, 20)


@partial(jax.jit, static_argnames="substeps")
def evolved(models, substeps):
    method = MomentEquations(substeps=substeps)
    return jax.vmap(lambda model: evolve(model, GRID, method=method, throw=False))(models)


@lru_cache
def case():
    """Models and their true covariances and populations (DOP853 at 1e-12)."""
    models = random_models(20, COUNT)
    always = [(9.0, lambda t: np.ones(3))]
    return models, [cascade_of(one_of(models, k)).evolve(always, GRID) for k in range(COUNT)]


@lru_cache
def errors(substeps):
    """(true, stated) largest error of a scaled moment for every model."""
    models, wanted = case()
    found = evolved(models, substeps)
    true = []
    for k, (pop, v) in enumerate(wanted):
        m = one_of(found.state.moments, k)
        wrong = np.abs(np.stack([m.up, m.down, m.h], axis=-1) - pop).max()
        true.append(max(wrong, np.abs(np.asarray(found.state.covariance[k]) - v).max()))
    return np.array(true), np.asarray(found.checks["numerical_error"])


@pytest.mark.slow
def test_halving_the_step_gains_a_factor_of_thirty_two():
    """Order five on nonlinear moment equations of 16 random models, everything unequal."""
    coarse, fine = errors(2)[0], errors(4)[0]
    seen = fine > 1e-10  # far above the error of the reference
    assert seen.sum() >= 5
    orders = np.log2(coarse[seen] / fine[seen])
    assert np.median(orders) == pytest.approx(5, abs=0.3)
    assert orders.min() > 4.3


@pytest.mark.parametrize("substeps", [1, 2, 4])
def test_stated_error_bounds_the_true_one(substeps):
    """Up to the error of the reference, 1e-11; and it is not absurdly pessimistic where it matters."""
    true, stated = errors(substeps)
    assert (true <= stated + 1e-11).all()
    if substeps >= 4:
        assert np.median(stated) < 1e-4


def test_converged_means_below_the_tolerance():
    """`ok` if and only if the stated error is below `tolerance`; then the true error is, too."""
    models, _ = case()
    true, stated = errors(1)
    outcome = np.asarray(evolved(models, 1).outcome)
    assert set(outcome) == {Outcome.ok, Outcome.not_converged}  # coarse steps: both kinds occur
    assert ((outcome == Outcome.ok) == (stated <= 1e-6)).all()
    assert (true[outcome == Outcome.ok] < 1e-6).all()


def test_tableau_satisfies_the_order_conditions():
    """Cash and Karp 1990: rows of the tableau sum to the nodes; sum b c^k = 1/(k + 1) to fifth and fourth order."""
    nodes = np.array(NODES)
    assert np.array(STAGES).sum(axis=1) == pytest.approx(nodes, abs=1e-15)
    for weights, order in ((FIFTH_ORDER, 5), (FOURTH_ORDER, 4)):
        for k in range(order):
            assert np.array(weights) @ nodes**k == pytest.approx(1 / (k + 1), abs=1e-15)
    assert abs(np.array(FOURTH_ORDER) @ nodes**4 - 1 / 5) > 1e-4


def test_inputs_may_jump_and_ramp_and_intervals_may_be_empty():
    """dy/dt = -y + u(t), u piecewise linear with a jump at t = 1, by SciPy piece by piece."""
    grid = jnp.array([0.0, 0.4, 1.0, 1.0, 1.7, 2.0])
    begin, end = jnp.array([0.0, 0.4, 7.0, 3.0, 1.6]), jnp.array([0.4, 1.0, 9.0, 1.6, 1.0])
    states, error = integrate(lambda u, y: -y + u, jnp.array(0.5), grid, (begin, end), substeps=16)
    y, want = [0.5], [0.5]
    for k in range(5):
        if grid[k + 1] > grid[k]:
            a, b, length = float(begin[k]), float(end[k]), float(grid[k + 1] - grid[k])
            ramp = lambda t, y, a=a, b=b, length=length: -y + a + (b - a) * t / length  # noqa: E731
            y = solve_ivp(ramp, (0, length), y, rtol=1e-12, atol=1e-14, method="DOP853").y[:, -1]
        want.append(float(y[0]))
    assert np.asarray(states) == pytest.approx(want, abs=1e-10)
    assert float(error[-1]) < 1e-8


METHOD = MomentEquations(substeps=128)
DARK, ON, LAST = [0.0, 0.0, 0.0], [1.0, 0.3, 0.0], [1.3, 1.0, 0.2]


@jax.jit
def pulsed(model, durations, start, end):
    return evolve(model, np.array([0.4]), protocol=Protocol(durations, start, end), method=METHOD, throw=False)


@pytest.mark.parametrize(("start", "end"), [([ON, DARK, LAST], [ON, DARK, LAST]), ([ON, ON, LAST], [ON, DARK, DARK])])
def test_jumps_and_ramps_away_from_the_grid_cost_no_accuracy(start, end):
    """The border of a segment joins the grid: one wanted time, two borders before it; jumps, and ramps to darkness."""
    models, _ = case()
    durations, start, end = np.array([0.0837, 0.1291, 1.0]), np.array(start), np.array(end)
    pieces = [(d, lambda t, d=d, a=a, b=b: a + (b - a) * t / d) for d, a, b in zip(durations, start, end, strict=True)]
    for k in range(3):
        found = pulsed(one_of(models, k), durations, start, end)
        want = cascade_of(one_of(models, k)).evolve(pieces, np.array([0.4]))[1]
        assert np.asarray(found.state.covariance) == pytest.approx(want, abs=1e-9)


def test_every_ramp_to_darkness_ends_in_a_number():
    """At the end of a ramp to 0 rounding may leave a strength of -1e-17: its square root may not become NaN."""
    model, lengths = one_of(case()[0], 0), np.random.default_rng(2).uniform(0.02, 0.2, 100)
    for length in lengths:
        durations = np.array([0.1, length, 0.1])
        found = pulsed(model, durations, np.array([ON, ON, DARK]), np.array([ON, DARK, DARK]))
        assert np.isfinite(np.asarray(found.state.covariance)).all(), length
