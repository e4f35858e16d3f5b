"""Exact spins with atoms lost to a third level and back, against density matrices of all three-level atoms."""

from dataclasses import replace
from functools import lru_cache
from itertools import combinations

import numpy as np
import pytest

from darkstate.backend import jnp
from darkstate.errors import Outcome, OutcomeError
from darkstate.solve.evolve import evolve
from darkstate.solve.exact_spins import exact_gradient, exact_states, exact_steady_state
from darkstate.solve.methods import ExactLiouvillian, MomentEquations
from darkstate.solve.steady_state import steady_state
from darkstate.spins.protocol import protocol
from darkstate.witness.epr import epr_variance, variance_sum
from oracles.density_matrix import Ensemble, build
from oracles.mean_field import squeezing
from oracles.moments import moments
from systems import model_of, scaled

EXACT = ExactLiouvillian()
H = {"uh": ({"uh": 0.6}, {"uh": 0.2}), "dh": ({"dh": 0.4}, {"dh": 0.9}), "hu": ({"hu": 0.5}, {"hu": 0.15})}
H |= {"hd": ({"hd": 0.3}, {"hd": 0.7})}
REST = (
    {"mu": 1.3, "nu": 0.8, "d_gamma": 3.0, "cool": 0.9, "heat": 0.7, "dd": 1.1, "detuning": 0.3},
    {"mu": 1.1, "nu": 0.5, "d_gamma": 2.2, "cool": 1.3, "heat": 0.4, "dd": 0.6, "detuning": 0.2},
)
SETS = [*((name,) for name in H), *combinations(H, 2), ("rest",), *((name, "rest") for name in H), (*H, "rest")]
SHARE = (0.2, 0.35)
"""Fraction of the atoms of I and II that start in |h>."""


def cells(names, first, second):
    """Unequal ensembles with some channels; three quarters of the light reach II."""
    one, two = ({k: v for name in names if name in H for k, v in H[name][e].items()} for e in (0, 1))
    if "rest" in names:
        one, two = one | REST[0], two | REST[1]
    return build(Ensemble(first, **one), Ensemble(second, **two), levels=3, transmission=0.75)


def model_from(system, share=SHARE):
    """Polarisations 0.8 and 0.3 of the atoms outside |h>."""
    left = 1 - np.array(share)
    model = model_of(system, up=left * [0.9, 0.65])
    return replace(model, initial_down=jnp.array(left * [0.1, 0.35]))


def assert_same(system, state, rho):
    """Every moment and population, the distribution of j, the purity; to 1e-9."""
    expected, found = scaled(system, moments(system, rho)), state.isotropic.moments
    for name, value in vars(expected).items():
        np.testing.assert_allclose(getattr(found, name), value, atol=1e-9, err_msg=name)
    for e, (j, p) in enumerate(state.spin_distribution):
        values, vectors = np.linalg.eigh(sum(system.J[e][a] @ system.J[e][a] for a in "xyz"))
        weight = np.einsum("ik,ij,jk->k", vectors.conj(), rho, vectors).real
        np.testing.assert_allclose(p, [weight[np.abs(values - k * (k + 1)) < 1e-6].sum() for k in j], atol=1e-9)
        assert p.sum() == pytest.approx(1, abs=1e-12)
    assert state.purity == pytest.approx(np.vdot(rho, rho).real, abs=1e-9)
    assert state.smallest_eigenvalues.min() > -1e-12


@pytest.mark.parametrize(("first", "second"), [(1, 1), (1, 2), (2, 2)])
@pytest.mark.parametrize("names", SETS, ids="+".join)
def test_dynamics_is_that_of_all_atoms(names, first, second):
    """Every channel of |h> alone, in pairs, with all the others, and all together; a start with atoms in |h>."""
    system, times = cells(names, first, second), [0.15, 0.6]
    states = exact_states(model_from(system), times)
    for state, rho in zip(states, system.evolve(system.polarised_state(0.8, 0.3, h=SHARE), times), strict=True):
        assert_same(system, state, rho)


def test_three_atoms_beside_one():
    """Spins up to 3/2 and all their losses; nobody starts in |h>."""
    system = cells((*H, "rest"), 3, 1)
    state = exact_states(model_from(system, (0.0, 0.0)), [0.6])[0]
    assert_same(system, state, system.evolve(system.polarised_state(0.8, 0.3), [0.6])[0])


@pytest.mark.parametrize(("first", "second"), [(1, 1), (2, 1), (1, 2), pytest.param(2, 2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("names", [(*H, "rest"), ("uh", "hd", "rest"), ("dh", "hu", "rest")], ids="+".join)
def test_steady_state_is_that_of_all_atoms(names, first, second):
    """The oracle finds the null vector by singular values."""
    system = cells(names, first, second)
    state = exact_steady_state(model_of(system))
    assert_same(system, state, system.steady_state())
    assert max(state.figures[name] for name in ("residual", "trace_defect", "positivity_defect")) < 1e-9


def test_light_pulses_follow_each_other_as_in_the_density_matrix():
    """The third level comes into use with the drive: in the dark before, no rate leads there."""
    lit, dark = cells((*H, "rest"), 2, 1), cells((), 2, 1)
    pulses = protocol(("dark", 0.3), ("drive", 1.0))
    model = replace(model_of(lit), larmor=jnp.zeros(2))
    still = build(*(replace(e, detuning=0.0) for e in lit.ensembles), levels=3, transmission=0.75)
    state = exact_states(model, [0.7], protocol=pulses)[0]
    assert_same(still, state, still.evolve(dark.coherent_state(), [0.4])[0])


def test_the_third_level_may_be_in_use_in_one_ensemble_alone():
    """II has two levels: its basis holds no lost atoms, and its steady state stays unique."""
    one, two = (Ensemble(2, **(r | h)) for r, h in zip(REST, ({"uh": 0.6, "hd": 0.3}, {}), strict=True))
    system = build(one, two, levels=3, transmission=0.75)
    state = exact_steady_state(model_of(system))
    assert state.third == (True, False) and state.blocks[0].shape == (4 + 2 + 1, 4)
    # the oracle's atoms of II all have |h>, and more than one steady state: the one that is reached from all up
    assert_same(system, state, system.evolve(system.coherent_state(), [30.0])[0])


def d1(atoms):
    """Row 19 of "corrections to the papers": d Gamma = 4, Z = 1.5, loss from both levels at 0.6, return at 0.05."""
    mu, nu = squeezing(1.5)
    e = Ensemble(atoms, mu=mu, nu=nu, d_gamma=4.0, cool=0.5, heat=0.2, uh=0.6, dh=0.6, hu=0.05, hd=0.05, uu=0.7, dd=0.7)
    return model_of(type("Cells", (), {"ensembles": (e, e), "transmission": 1.0})())


@lru_cache
def sigma(atoms):
    """Sigma_2/N at t = 0.6, all up at the start."""
    return float(variance_sum(exact_states(d1(atoms), [0.6])[0].spin_state)) / atoms


def continued(atoms):
    """The polynomial in 1/N through all these N, at 1/N = 0."""
    return np.polyfit(1 / np.array(atoms), [sigma(n) for n in atoms], len(atoms) - 1)[-1]


def test_sigma_with_atom_loss_continues_to_the_corrected_equation():
    """0.522977446 at N = 2 (master equation, SciPy); N to infinity: 0.497476 with the term dN_2/dt, 0.57022 without.

    N = 1 to 8 leaves an error of some 4e-6, of which the change by leaving N = 1 out, 1e-6, is the order.
    """
    assert sigma(2) == pytest.approx(0.522977446, abs=1e-9)
    limit, error = continued(range(1, 9)), abs(continued(range(1, 9)) - continued(range(2, 9)))
    assert error < 2e-6
    assert limit == pytest.approx(0.497476, abs=6 * error)


@pytest.mark.slow
def test_the_steady_state_with_atom_loss_continues_to_the_closed_form():
    """The same rates for ever: Sigma_2/N and P_2 at N = 2 to 9, continued to 1/N = 0, meet 001 Eq. (15) for D1."""
    closed = steady_state(d1(1e12)).state
    atoms = np.arange(2, 10)
    states = [exact_steady_state(d1(n)).spin_state for n in atoms.tolist()]
    found = [float(variance_sum(s)) / n for s, n in zip(states, atoms, strict=True)]
    assert np.polyfit(1 / atoms, found, 7)[-1] == pytest.approx(float(variance_sum(closed)) / 1e12, rel=1e-3)
    spin = [float(s.moments.x[0]) for s in states]
    assert np.polyfit(1 / atoms, spin, 7)[-1] == pytest.approx(float(closed.moments.x[0]), rel=1e-2)


@pytest.mark.slow
def test_twelve_atoms_continue_to_the_moment_equations_to_seven_digits():
    """N = 4 to 12; the corrected equations give 0.4974759, those of the papers, without dN_2/dt, 0.57022."""

    def equations(variant):
        state = evolve(d1(1e12), [0.6], method=MomentEquations(variant=variant)).state
        return float(variance_sum(state)[0]) / 1e12

    limit = continued(range(4, 13))
    assert abs(limit - continued(range(5, 13))) < 2e-8
    assert limit == pytest.approx(equations("corrected"), abs=2e-8)
    assert equations("paper_ode") == pytest.approx(0.57022, abs=1e-5)


@pytest.mark.parametrize("ensemble", [0, 1])
@pytest.mark.parametrize("rate", ["up_to_h", "down_to_h", "h_to_up", "h_to_down", "transverse"])
def test_derivatives_by_the_rates_of_the_third_level_are_those_of_differences(rate, ensemble):
    """xi and the polarisation of the atoms left in I; central differences with Richardson extrapolation."""
    model = model_of(cells((*H, "rest"), 3, 2))

    def figure(state):
        return epr_variance(state).value + state.polarization[0] + state.moments.h[1]

    def moved(h):
        drive = replace(model.drive, **{rate: getattr(model.drive, rate).at[ensemble].add(h)})
        return float(figure(exact_steady_state(replace(model, drive=drive)).spin_state))

    coarse, fine = ((moved(h) - moved(-h)) / (2 * h) for h in (1e-2, 5e-3))
    value, slope = exact_gradient(model, figure)
    assert value == pytest.approx(moved(0.0), abs=1e-12)
    assert float(getattr(slope.drive, rate)[ensemble]) == pytest.approx((4 * fine - coarse) / 3, abs=1e-6)


def test_a_two_level_model_has_no_derivative_by_losses():
    """Any loss without a way back would empty it: these places hold 0, and Gamma-tilde its own derivative."""
    model = model_of(build(Ensemble(2, **REST[0]), Ensemble(2, **REST[1])))
    _, slope = exact_gradient(model, lambda state: epr_variance(state).value)
    assert not any(np.any(np.asarray(getattr(slope.drive, name))) for name in ("up_to_h", "down_to_h", "h_to_up"))
    assert np.all(np.abs(slope.drive.transverse) > 1e-3)


def test_loss_alone_empties_the_ensembles():
    """The steady state is all atoms in |h>, which has no polarisation: unstable, as in the closed form."""
    model = model_of(cells(("uh", "dh", "rest"), 2, 3))
    state = exact_steady_state(model)
    np.testing.assert_allclose(state.isotropic.h, 1, atol=1e-9)
    assert state.figures["empty"] == 1
    with pytest.raises(OutcomeError, match="empty") as caught:
        steady_state(model, method=EXACT)
    assert caught.value.outcome is Outcome.unstable
