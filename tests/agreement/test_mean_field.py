"""The solvers for N to infinity against SciPy: time evolution, adiabatic closed form, steady state, the 1/N law."""

from functools import lru_cache, partial

import numpy as np
import pytest

from darkstate.backend import jax, jnp
from darkstate.errors import Outcome
from darkstate.solve.evolve import evolve
from darkstate.solve.methods import AdiabaticClosedForm, MomentEquations
from darkstate.solve.steady_state import steady_state
from darkstate.spins.protocol import Protocol
from darkstate.witness.epr import epr_variance
from oracles import mean_field as mf
from oracles.density_matrix import Ensemble, build
from oracles.moments import epr_variance as exact_epr_variance
from oracles.moments import moments
from systems import cascade_of, model_of, one_of, oracle_of, random_models, two_levels

COUNT = 20  # models of one batch: equal shapes share one compiled program
TIMES = np.array([0.05, 0.2, 0.6, 1.3])
ODE, CLOSED = 1e-7, 1e-10
METHODS = {
    "corrected": MomentEquations(substeps=64),
    "paper_ode": MomentEquations(variant="paper_ode", substeps=64),
    "eq21": AdiabaticClosedForm(),
}


@partial(jax.jit, static_argnames="variant")
def evolved(models, variant, times=TIMES):
    return jax.vmap(lambda model: evolve(model, times, method=METHODS[variant], throw=False))(models)


@jax.jit
def pulsed(models, pulses, times):
    method = METHODS["corrected"]
    return jax.vmap(lambda model: evolve(model, times, protocol=pulses, method=method, throw=False))(models)


def many(model):
    """The same model COUNT times."""
    return jax.tree.map(lambda leaf: jnp.stack([jnp.asarray(leaf)] * COUNT), model)


steady = jax.jit(jax.vmap(partial(steady_state, throw=False)))


def xi_of(solution):
    return np.asarray(epr_variance(solution.state).value)


@pytest.mark.parametrize("variant", ["corrected", "paper_ode"])
def test_time_evolution_of_equal_cells(variant):
    """Random equal cells: three levels, mismatch, loss of light, F = 1/2 and 4 (oracle: DOP853 at 1e-12)."""
    models = random_models(1, COUNT, equal=True)
    found = evolved(models, variant)
    xi = xi_of(found)
    assert (np.asarray(found.outcome) == Outcome.ok).all() or variant == "paper_ode"
    for k in range(COUNT):
        oracle = oracle_of(one_of(models, k))
        path = mf.solve(oracle, TIMES[-1], loss_term=variant == "corrected")(TIMES)
        m = one_of(found.state.moments, k)
        assert np.stack([m.up[:, 0], m.down[:, 1], m.h[:, 0]], axis=-1) == pytest.approx(path[:, :3], abs=ODE)
        assert m.yy.sum(-1) + m.zz.sum(-1) == pytest.approx(path[:, 3], abs=ODE)
        assert 2 * (m.cross_yy - m.cross_zz) == pytest.approx(path[:, 4], abs=ODE)
        assert 2 * (m.cross_yz + m.cross_zy) == pytest.approx(path[:, 5], abs=ODE)
        # where spins are inverted the length is |<Jx>|
        assert xi[k] == pytest.approx(np.abs(oracle.xi(path[:, 3] + path[:, 4], path[:, :3])), abs=ODE)


def test_adiabatic_closed_form():
    """001 Eqs. (14), (21): closed form against closed form."""
    models = random_models(2, COUNT, equal=True, mismatch=False)
    xi = xi_of(evolved(models, "eq21"))
    for k in range(COUNT):
        oracle = oracle_of(one_of(models, k))
        assert xi[k] == pytest.approx([mf.curve(oracle, "eq21", 1.3)(t) for t in TIMES], abs=CLOSED)


def test_adiabatic_closed_form_is_exact_where_populations_rest():
    """Probe light alone, P(0) = P(inf): nothing is frozen by hand and Eq. (14) is the solution, mismatch included."""
    lab = two_levels(2.0, d=20.0, gd_add=1.0, mismatch_hz=0.6, transmission=0.7)
    p = 2 / (2.0**2 + 1 / 2.0**2)  # 1/(mu^2 + nu^2)
    lab = lab.__class__(lab.ensembles.__class__(20.0, initial_polarization=p), *list(vars(lab).values())[1:])
    models = many(lab.model())
    assert xi_of(evolved(models, "eq21")) == pytest.approx(xi_of(evolved(models, "corrected")), abs=1e-9)


@pytest.mark.parametrize("levels", [2, 3])
def test_steady_state_of_equal_cells(levels):
    """001 Eqs. (15), (23), Larmor mismatch (docs: corrections)."""
    models = random_models(3, 60, equal=True, levels=levels)
    found = steady(models)
    assert (np.asarray(found.outcome) == Outcome.ok).all()
    want = [mf.steady_xi(oracle_of(one_of(models, k))) for k in range(60)]
    assert xi_of(found) == pytest.approx(np.abs(want), abs=CLOSED)  # inverted spins have the length |<Jx>|


def test_two_level_cells_of_different_z():
    """A one-way drive remains for N to infinity when mu_I nu_II differs from nu_I mu_II."""
    models = random_models(4, COUNT, levels=2, mismatch=False)
    found = evolved(models, "corrected").state.moments
    for k in range(COUNT):
        model = one_of(models, k)
        parts = [oracle_of(jax.tree.map(lambda v, j=j: np.roll(v, -j) if np.ndim(v) else v, model)) for j in (0, 1)]
        p_one, p_two, v_one, v_two, c = mf.unequal_cascade(*parts, TIMES[-1])
        m = jax.tree.map(lambda leaf, k=k: np.asarray(leaf[k, -1]), found)
        assert 2 * m.x == pytest.approx([p_one, p_two], abs=ODE)
        assert m.yy + m.zz == pytest.approx([v_one, v_two], abs=ODE)
        assert m.cross_yy - m.cross_zz == pytest.approx(c, abs=ODE)


def random_pulses(seed):
    """Ramps, jumps, light off, a segment of no length, overlap of all three sources; and the same for SciPy."""
    rng = np.random.default_rng(seed)
    durations = np.array([0.13, 0.0, 0.31, 0.17, 0.2])
    start, end = rng.uniform(0, 1.5, (2, 5, 3))
    start[3], end[3] = 0.0, 0.0
    pieces = []
    for length, a, b in zip(durations, start, end, strict=True):
        pieces.append((length, lambda t, length=length, a=a, b=b: a + (b - a) * t / length if length else a))
    pieces.append((0.0, lambda t, b=end[-1]: b))  # the last strengths go on
    return Protocol(durations, start, end), pieces


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_protocols_of_everything_unequal(seed):
    """Unequal everything, three levels, mismatch, ramps and jumps against NumPy's Lyapunov form; times at borders."""
    models, (pulses, pieces) = random_models(10 + seed, 12), random_pulses(seed)
    times = np.array([0.05, 0.13, 0.3, 0.44, 0.5, 0.7, 0.81, 1.1])
    found = pulsed(models, pulses, times)
    assert (np.asarray(found.outcome) == Outcome.ok).all()
    for k in range(12):
        pop, v = cascade_of(one_of(models, k)).evolve(pieces, times)
        m = one_of(found.state.moments, k)
        assert np.stack([m.up, m.down, m.h], axis=-1) == pytest.approx(pop, abs=ODE)
        assert np.asarray(found.state.covariance[k]) == pytest.approx(v, abs=ODE)


def test_steady_state_against_a_kronecker_solve():
    """Lyapunov equation of everything unequal, 4 x 4, by NumPy; all populations can return."""
    models = random_models(5, 100)
    found = steady(models)
    assert (np.asarray(found.outcome) == Outcome.ok).all()
    for k in range(100):
        pop, v = cascade_of(one_of(models, k)).steady(np.ones(3))
        m = one_of(found.state.moments, k)
        assert np.stack([m.up, m.down, m.h], axis=-1) == pytest.approx(pop, abs=CLOSED)
        assert np.asarray(found.state.covariance[k]) == pytest.approx(v, abs=CLOSED)


def test_steady_state_is_where_evolution_ends():
    """Everything unequal: two routes inside darkstate, 1e-8."""
    models = random_models(6, COUNT)
    late = evolved(models, "corrected", np.arange(2.0, 502.0, 2.0)).state
    end = steady(models).state
    assert np.asarray(late.covariance[:, -1]) == pytest.approx(np.asarray(end.covariance), abs=1e-8)
    assert np.asarray(late.polarization[:, -1]) == pytest.approx(np.asarray(end.polarization), abs=1e-8)


def test_strengths_of_the_steady_state_are_those_of_a_protocol():
    models, half = random_models(7, 10), np.array([0.5, 0.2, 0.7])
    ours = jax.vmap(partial(steady_state, strengths=half, throw=False))(models).state.covariance
    for k in range(10):
        assert np.asarray(ours[k]) == pytest.approx(cascade_of(one_of(models, k)).steady(half)[1], abs=CLOSED)


def test_dark_decay_in_closed_form():
    """In the dark the populations follow M and what was built up decays: cross, and v - N_2/4, with e^{-Gt t}."""
    models = random_models(8, 12)
    on, times = 0.4, np.linspace(0.4, 1.1, 8)
    light = np.outer([1, 0, 0, 0, 0], np.ones(3))
    pulses = Protocol(np.array([on, 5.0, 0.0, 0.0, 0.0]), light, light)
    found = pulsed(models, pulses, times)
    for k in range(12):
        model, m = one_of(models, k), jax.tree.map(lambda leaf, k=k: np.asarray(leaf[k]), found.state.moments)
        reference = cascade_of(model)
        dark = reference.at(np.zeros(3))
        fade = np.exp(-np.outer(times - on, dark["transverse"]))
        turn = np.exp((1j * model.larmor.sum() - dark["transverse"].mean()) * (times - on))
        for j in (0, 1):
            values, vectors = np.linalg.eig(reference.matrix(dark, j))
            first = np.linalg.solve(vectors, np.array([m.up[0, j], m.down[0, j], m.h[0, j]]))
            pop = [(vectors * np.exp(values * t)) @ first for t in times - on]
            assert np.stack([m.up[:, j], m.down[:, j], m.h[:, j]], axis=-1) == pytest.approx(np.real(pop), abs=ODE)
        above = m.yy - m.two_level / 4
        assert above == pytest.approx(above[0] * fade, abs=ODE)
        joint = m.cross_yy - m.cross_zz + 1j * (m.cross_yz + m.cross_zy)
        assert joint == pytest.approx(joint[0] * turn, abs=ODE)


def test_substeps_chosen_from_the_rates_are_enough():
    """The default of a single call states an error below 1e-6 and keeps 1e-7 (docstring of STEP)."""
    for k in range(2):
        model, times = one_of(random_models(9, 2), k), TIMES[3 * k :]
        found = evolve(model, times)
        want = cascade_of(model).evolve([(9.0, lambda t: np.ones(3))], times)[1]
        assert np.asarray(found.state.covariance) == pytest.approx(want, abs=ODE)


def test_three_levels_with_loss():
    """Sigma_2/N of three levels, 0.497476, and without the loss term 0.57022 (docs: corrections, row 19)."""
    mu, nu = mf.squeezing(1.5)
    one = Ensemble(1, mu, nu, 4.0, heat=0.2, cool=0.5, uh=0.6, dh=0.6, hu=0.05, hd=0.05, uu=0.7, dd=0.7)
    models = many(model_of(build(one, one, levels=3)))
    for variant, value, digits in (("corrected", 0.497476, 5e-7), ("paper_ode", 0.57022, 5e-6)):
        m = evolved(models, variant, TIMES).state.moments
        sigma = (m.yy + m.zz).sum(-1) + 2 * (m.cross_yy - m.cross_zz)
        assert TIMES[2] == 0.6
        assert float(sigma[0, 2]) == pytest.approx(value, abs=digits)


EARLY = 0.1
# (Z, d, x, Gd_add) with Gamma = 1, larmor, transmission, polarisations of I and II; the last one unequal
SETS = [
    ((1.5, 5, 0, 2), (1.5, 5, 0, 2), 0.0, 1.0, (1.0, 1.0)),
    ((1.5, 5, 5, 8), (1.5, 5, 5, 8), 1.2, 0.6, (0.8, 0.8)),
    ((1.4, 6, 0, 1), (1.8, 4, 1, 3), -0.9, 0.8, (1.0, 0.7)),
]


@pytest.mark.parametrize("case", [SETS[0], pytest.param(SETS[1], marks=pytest.mark.slow), SETS[2]])
def test_finite_numbers(case):
    """Exact xi (density matrix, N = 1 to 4) minus the limit falls with slope -1 in log N."""
    four, exact = exact_xi(case, range(1, 5))
    limit = evolve_xi(four, finite=False)
    sizes, gap = np.arange(1, 5), exact - limit
    slope = np.polyfit(np.log(sizes[1:]), np.log(np.abs(gap[1:])), 1)[0]
    assert slope == pytest.approx(-1, abs=0.15)
    assert np.polyfit(1 / sizes, exact, 3)[-1] == pytest.approx(limit, abs=2e-3)  # cubic in 1/N


@pytest.mark.parametrize("case", [SETS[0], pytest.param(SETS[1], marks=pytest.mark.slow), SETS[2]])
def test_finite_atoms_keeps_the_terms_of_order_one_over_n(case):
    """What `finite_atoms` adds must bring xi nearer to the exact value at N = 4 than the limit is."""
    four, exact = exact_xi(case, [4])
    assert abs(evolve_xi(four, finite=True) - exact[0]) < 0.5 * abs(evolve_xi(four, finite=False) - exact[0])


@lru_cache
def exact_at(case, atoms):
    kinds, larmor, transmission, start = case[:2], *case[2:]
    both = []
    for z, d, x, add in kinds:
        mu, nu = mf.squeezing(z)
        cool, heat = (1 + x) * mu**2, nu**2
        gd = 2 * (cool + heat) + add
        both.append(Ensemble(atoms, mu, nu, d, cool=cool, heat=heat, dd=gd, detuning=larmor / 2))
    system = build(*both, transmission=transmission)
    rho = system.evolve(system.polarised_state(*start), [EARLY])[0]
    return model_of(system, up=tuple((1 + p) / 2 for p in start)), exact_epr_variance(moments(system, rho))


def exact_xi(case, sizes):
    """The production model of the largest number, and exact xi at time EARLY for every number of atoms."""
    found = [exact_at(case, atoms) for atoms in sizes]
    return found[-1][0], np.array([xi for _, xi in found])


def evolve_xi(model, *, finite):
    method = MomentEquations(finite_atoms=finite, substeps=64)
    return float(epr_variance(evolve(model, [EARLY], method=method, throw=False).state).value[-1])
