"""Quantum trajectories against density matrices of all spins, the exact engine, and their own error bars.

Seeds are fixed. 4 standard errors: with 2000 comparisons one fails in a tenth of all choices of seeds; the largest
deviation of every case, with ten times the trajectories, is in validation/trajectories.md.
"""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from darkstate.backend import jnp
from darkstate.errors import ArgumentError
from darkstate.solve.exact_spins import exact_states
from darkstate.solve.methods import Trajectories
from darkstate.solve.trajectories import exact_samples, steady_samples
from darkstate.spins.exact.jumps import JumpModel, one_ensemble
from darkstate.spins.protocol import protocol
from darkstate.witness.epr import epr_variance
from oracles.density_matrix import Ensemble, build
from oracles.moments import moments
from sampled_spins import (
    CHANNELS,
    LADDERS,
    MODELS,
    NEITHER,
    SENSITIVE,
    SETS,
    SPREAD,
    THIRD,
    TIMES,
    deviations,
    distributions_of,
    doubled,
    every_moment,
    labels,
    local,
    pair_of,
    sampled,
    truth_of,
)
from systems import model_of, scaled, two_levels

pytest.importorskip("numba")

LIMIT = 4.0
NUMBER = 20_000
FEW = 4_000
"""Where a trajectory occupies the whole plane."""


def assert_close(found, expected_moments, distributions):
    off = deviations(found, expected_moments, distributions)
    worst = max(off, key=off.get)
    assert off[worst] < LIMIT, f"{worst}: {off[worst]:.2f} standard errors"
    assert found.figures["window_tail"] < 1e-9


def of_density_matrix(system, states):
    """Moments at each time and distributions of j at the last one, from `oracles.density_matrix`."""
    found = [vars(scaled(system, moments(system, rho))) for rho in states]
    return found, distributions_of(system, states[-1])


SMALL = [(1, 1), (2, 2), (3, 2)]
LARGE = [pytest.param(n, m, marks=pytest.mark.slow) for n, m in ((3, 3), (1, 3), (2, 1))]


@pytest.mark.parametrize(("first", "second"), [*SMALL, *LARGE])
@pytest.mark.parametrize("names", SETS, ids="+".join)
def test_dynamics_is_that_of_all_spins(names, first, second):
    """Channels alone, in pairs and all together; unequal ensembles, polarisations 0.8 and 0.3, lossy light path."""
    system = pair_of(names, first, second)
    truth = of_density_matrix(system, system.evolve(system.polarised_state(0.8, 0.3), TIMES))
    assert_close(sampled(model_of(system, up=(0.9, 0.65)), NUMBER, seed=1), *truth)


THIRD_LEVEL = [*((name,) for name in THIRD), *combinations(THIRD, 2), THIRD]


@pytest.mark.parametrize("names", THIRD_LEVEL, ids="+".join)
def test_atoms_leave_and_enter_as_in_the_density_matrix(names):
    """Three levels, N = 2 each; the collective light makes coherences that a wrong amplitude would show in."""
    model = JumpModel((2, 2), LADDERS, local(*names), start=SPREAD)
    assert_close(sampled(model, NUMBER, seed=3), *truth_of(model))


def test_the_experiment_with_three_levels_is_that_of_all_spins():
    """Through `SpinEnsembles`: rates to and from h beside everything else."""
    first, second = ({k: v for c in CHANNELS.values() for k, v in c[e].items()} for e in (0, 1))
    system = build(
        Ensemble(2, **first, uh=0.8, dh=1.3, hu=1.6, hd=0.6),
        Ensemble(2, **second, uh=1.2, dh=0.9, hu=0.7, hd=1.1),
        levels=3,
        transmission=0.7,
    )
    truth = of_density_matrix(system, system.evolve(system.polarised_state(0.8, 0.3), TIMES))
    assert_close(sampled(model_of(system, up=(0.9, 0.65)), NUMBER, seed=4), *truth)


@pytest.mark.parametrize("name", MODELS)
def test_any_jump_operators_are_those_of_all_spins(name):
    """m_I - m_II, m_I + m_II or neither conserved; one ensemble; product states and mixtures of |j, m>."""
    slow = name.startswith(("neither", "squeezed"))
    assert_close(sampled(MODELS[name], FEW if slow else NUMBER, seed=5), *truth_of(MODELS[name]))


def test_a_wrong_sign_of_any_moment_is_seen():
    """All populations, means and second moments of this case are 5 standard errors or more from zero."""
    value, error = sampled(MODELS["neither charge, every moment"], FEW, seed=8).estimate(every_moment)
    far = dict(zip(labels(), np.max(np.abs(value) / np.maximum(error, 1e-12), axis=0), strict=True))
    assert {name for name, x in far.items() if x < 5} == {"h_I", "h_II"}


def test_light_pulses_follow_each_other_as_in_the_density_matrix():
    """Drive for 0.2, dark for 0.3, drive at half strength: three generators, record times between the borders."""
    lit, dark = pair_of(tuple(CHANNELS), 2, 2), pair_of(("mismatch",), 2, 2)
    weak = [replace(e, cool=e.cool / 2, heat=e.heat / 2, dd=e.dd / 2, d_gamma=e.d_gamma / 2) for e in lit.ensembles]
    half = build(*weak, transmission=0.7)
    pulses = protocol(("drive", 0.2), ("dark", 0.3), ("drive", 1.0, 0.5))
    found = sampled(model_of(lit), NUMBER, 6, times=[0.1, 0.4, 0.7], protocol=pulses)
    one, two = lit.evolve(lit.coherent_state(), [0.1, 0.2])
    three, four = dark.evolve(two, [0.2, 0.3])
    assert_close(found, *of_density_matrix(lit, [one, three, *half.evolve(four, [0.2])]))


@pytest.mark.parametrize("name", SENSITIVE)
def test_a_factor_of_two_in_any_rate_is_seen(name):
    """Every rate, jump operator and term of H: doubled in the oracle, some number is off by 8 standard errors or more.

    The sizes, 13 to 220 standard errors, are in validation/trajectories.md.
    """
    model = SENSITIVE[name]
    found = sampled(model, FEW if name == "neither" else NUMBER, seed=8)
    assert_close(found, *truth_of(model))
    seen = {what: max(deviations(found, *truth_of(other)).values()) for what, other in doubled(model)}
    weakest = min(seen, key=seen.get)
    assert seen[weakest] > 8, f"{weakest}: {seen[weakest]:.1f} standard errors"


def test_twenty_atoms_are_those_of_the_exact_engine():
    """N = 20 each at Z = 2.5, d = 10: moments, xi, distribution of j and purity of the density operator."""
    model = two_levels(2.5, d=10.0, gd_add=2.0, atoms=20).model()
    times = [0.04, 0.1]
    states = exact_states(model, times)
    found = sampled(model, 6000, 9, times=times)
    truth = [np.zeros(21), np.zeros(21)]
    for e, (j, p) in enumerate(states[-1].spin_distribution):
        truth[e][np.round(2 * j).astype(int)] = p
    assert_close(found, [vars(s.isotropic.moments) for s in states], truth)
    xi, error = found.estimate(lambda s: epr_variance(s).value)
    exact = [float(epr_variance(s.spin_state).value) for s in states]
    assert np.all(np.abs(xi - exact) < LIMIT * error) and np.all(error < 0.05 * np.array(exact))
    purity, purity_err = found.purity
    assert abs(purity - states[-1].collective_purity) < LIMIT * purity_err
    assert purity_err < 0.1 * purity


def test_the_steady_state_is_that_of_an_eigenvector_prototype():
    """N = 8 each at Z = 2.5, d = 30: xi = 2.087737224, polarisation 1/3.205, as in `test_exact_spins`."""
    model = two_levels(2.5, gd_add=2.0, atoms=8).model()
    found = steady_samples(model, method=Trajectories(number=1000, seed=14, threads=1))
    xi, error = found.estimate(lambda s: epr_variance(s).value)
    assert abs(xi[0] - 2.087737224) < LIMIT * error[0] and error[0] < 0.02
    polarization, error = found.estimate(lambda s: s.polarization)
    assert np.all(np.abs(polarization - 1 / 3.205) < LIMIT * error) and np.all(error < 3e-3)


@pytest.mark.parametrize("names", [("collective",), ("cool", "collective"), tuple(CHANNELS)[:-1]], ids="+".join)
def test_purity_is_that_of_the_exact_engine(names):
    """Tr rho^2 of the collective spins at N = 3, 2."""
    model = model_of(pair_of(names, 3, 2))
    found = sampled(model, NUMBER, seed=10)
    purity, error = found.purity
    assert abs(purity - exact_states(model, TIMES)[-1].collective_purity) < LIMIT * error
    assert error < 0.03 * purity


def test_results_do_not_depend_on_the_number_of_cores():
    """Bit for bit, on the chain and on the plane; another seed gives other numbers."""
    for model in (MODELS["reservoir, unequal"], replace(MODELS["neither charge"], collective=NEITHER[1:])):
        one, same, two, other = (
            exact_samples(model, TIMES, method=Trajectories(number=200, seed=seed, threads=threads))
            for seed, threads in ((11, 1), (11, 1), (11, 2), (12, 1))
        )
        for again in (same, two):
            assert np.array_equal(one.blocks.sums, again.blocks.sums)
            assert np.array_equal(one.blocks.counts, again.blocks.counts)
            assert one.jumps == again.jumps
        assert not np.array_equal(one.blocks.sums, other.blocks.sums)
        assert len(np.unique(one.blocks.sums[:, -1, 0])) > 20  # blocks differ from each other


def test_stated_errors_are_the_scatter_of_repeated_runs():
    """200 runs of 300 trajectories, xi (a ratio) and <Jy^2>: scatter over stated error 1, pulls without bias.

    The ratio of the variances is known to sqrt(2/199) = 0.10, their mean to 1/sqrt(200) = 0.07.
    """
    system = pair_of(("cool", "heat", "dephasing", "collective"), 2, 2)
    model, runs = model_of(system), 200
    rho = system.evolve(system.coherent_state(), [0.3])
    truth = of_density_matrix(system, rho)[0][0]
    exact = exact_states(model, [0.3])[0].spin_state

    def figure(state):
        return jnp.stack([epr_variance(state).value, state.moments.yy[..., 0]], -1)

    found = [sampled(model, 300, 1000 + k, times=[0.3]).estimate(figure) for k in range(runs)]
    value, error = np.array([v[0] for v, _ in found]), np.array([e[0] for _, e in found])
    np.testing.assert_allclose(float(exact.moments.yy[0]), truth["yy"][0], atol=1e-9)
    pull = (value - np.asarray(figure(exact))) / error
    assert np.all(np.abs(pull.mean(0)) < LIMIT / np.sqrt(runs))
    # the stated error of 100 groups scatters itself by 7 %: the pulls are Student's, 1 % wider
    assert np.all(np.abs(pull.var(0, ddof=1) - 1.02) < LIMIT * np.sqrt(2 / (runs - 1)))


@pytest.mark.parametrize("rates", [{}, {"collective_emission": 1.0}, {"emission": 1.0}, {"collective_dephasing": 1.0}])
@pytest.mark.parametrize("atoms", [1, 2])
def test_one_atom_or_two_under_one_channel_or_none(atoms, rates):
    """Edges: nothing to do, dark states that no jump leaves, j = 0."""
    model, times = one_ensemble(atoms, **rates), [0.0, 0.5, 40.0]
    off = deviations(sampled(model, 2000, 13, times=times), *truth_of(model, times))
    assert not off or max(off.values()) < LIMIT


def test_a_plane_that_is_too_large_is_refused():
    """60 atoms each: 61^2 = 3721 amplitudes, of at most 2500."""
    with pytest.raises(ArgumentError, match="2500 basis states"):
        sampled(JumpModel((60, 60), NEITHER), 2, 15)
