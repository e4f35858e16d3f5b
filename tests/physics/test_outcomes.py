"""What cannot be answered is refused with the reason: one call raises and names a cure, a batch keeps its codes."""

import dataclasses
from functools import partial

import numpy as np
import pytest

from darkstate.backend import jax, jnp
from darkstate.errors import Outcome, OutcomeError
from darkstate.experiments.values import with_values
from darkstate.solve.evolve import evolve
from darkstate.solve.methods import AdiabaticClosedForm, MomentEquations
from darkstate.solve.steady_state import steady_state
from darkstate.witness.epr import epr_variance
from systems import cascade_of, krauter2011, one_of, random_models, two_levels

STEPS = MomentEquations(substeps=32)


def refused(outcome, call, *arguments, **options):
    """The call raises this outcome with its cure; with throw=False it returns the code."""
    with pytest.raises(OutcomeError, match=f"{outcome.name}.*Cure: ") as caught:
        call(*arguments, **options)
    assert caught.value.outcome is outcome
    assert outcome.cure in str(caught.value)
    found = call(*arguments, throw=False, **options)
    assert int(found.outcome) == outcome
    assert outcome.name in str(found)


def no_way_back():
    """Atoms are lost to h by the drive; nothing brings them back (002 without collisions)."""
    return with_values(krauter2011(), {"noise.collision_rate": 0.0}).model()


def superradiant():
    """Heating above cooling with a large optical depth: g = Gt + d Gamma P < 0."""
    model = two_levels(1.5, d=300.0).model()
    drive = dataclasses.replace(model.drive, cooling=model.drive.heating, heating=model.drive.cooling)
    return dataclasses.replace(model, drive=drive)


@pytest.mark.parametrize("model", [no_way_back, superradiant])
def test_no_steady_state_is_unstable(model):
    refused(Outcome.unstable, steady_state, model())


def test_light_of_strength_zero_leaves_a_state_that_never_moves():
    """No rates at all (two levels, dark, no added dephasing): nothing decays, no steady state is singled out."""
    refused(Outcome.unstable, steady_state, two_levels().model(), strengths=(0.0, 0.0, 0.0))


def test_few_atoms_are_outside_validity():
    """d/N = 0.3: N to infinity does not hold; finite_atoms is the way out."""
    model = two_levels(d=30, atoms=100).model()
    refused(Outcome.outside_validity, evolve, model, [0.1], method=STEPS)
    refused(Outcome.outside_validity, evolve, model, [0.1], method=AdiabaticClosedForm())
    assert int(evolve(model, [0.1], method=MomentEquations(finite_atoms=True, substeps=32)).outcome) == Outcome.ok


def test_depth_per_atom_of_every_light():
    """checks["d_over_n"] is d/N of the worse cell, whatever pump and collisions do."""
    model = two_levels(d=30, x=5, atoms=1e4, ensembles__optical_depth=50.0).model()
    assert float(evolve(model, [0.1], method=STEPS).checks["d_over_n"]) == pytest.approx(50 / 1e4, rel=1e-12)


def test_inverted_start_is_outside_validity():
    """All atoms down: d Gamma P < -Gt amplifies (superradiance); mean field does not hold."""
    lab = with_values(two_levels(d=30), {"ensembles.initial_polarization": -1.0})
    refused(Outcome.outside_validity, evolve, lab.model(), [0.1], method=STEPS)


def test_different_z_is_outside_the_adiabatic_form():
    """Eq. (21) knows no one-way drive: a little too much of it is outside_validity, much of it is not even physical."""
    for z, outcome in ((1.51, Outcome.outside_validity), (2.0, Outcome.unphysical_covariance)):
        lab = two_levels(1.5, gd_add=5.0, drive__z=z)
        refused(outcome, evolve, lab.model(), [0.1], method=AdiabaticClosedForm())
        assert int(evolve(lab.model(), [0.1], method=STEPS).outcome) == Outcome.ok


def test_coarse_steps_are_not_converged():
    """One step of 0.3/Gamma against a decay rate of 45 Gamma: refused, or even diverged; finer steps answer."""
    model = two_levels(2.5, d=30).model()
    refused(Outcome.not_converged, evolve, model, [0.05], method=MomentEquations(substeps=1))
    found = evolve(model, [0.05], method=STEPS)
    assert int(found.outcome) == Outcome.ok
    wild = evolve(model, [30.0], method=MomentEquations(substeps=1), throw=False)
    assert int(wild.outcome) >= Outcome.not_converged


def test_variances_below_the_uncertainty_relation_are_refused():
    """Atoms that return without their noise: `paper_ode` leaves (1/4) dN_2/dt out and violates Robertson's relation."""
    model = krauter2011().model()
    zero = jax.tree.map(jnp.zeros_like, model.drive)
    back = dataclasses.replace(zero, h_to_up=jnp.full(2, 50.0))
    model = dataclasses.replace(model, dark=zero, drive=back, initial_up=jnp.full(2, 0.1), initial_down=jnp.zeros(2))
    refused(Outcome.unphysical_covariance, evolve, model, [0.1], method=MomentEquations(variant="paper_ode"))
    found = evolve(model, [0.1], method=STEPS, throw=False)
    assert int(found.outcome) != Outcome.unphysical_covariance
    assert found.checks["uncertainty_violation"] <= 1e-12


@pytest.mark.parametrize("where", ["cooling", "transverse", "collective"])
def test_not_a_number_is_never_ok(where):
    model = two_levels().model()
    spoilt = dataclasses.replace(model, drive=dataclasses.replace(model.drive, **{where: jnp.full(2, jnp.nan)}))
    assert int(steady_state(spoilt, throw=False).outcome) != Outcome.ok
    assert int(evolve(spoilt, [0.1], method=MomentEquations(substeps=1), throw=False).outcome) != Outcome.ok


def test_a_batch_keeps_one_code_per_point():
    """vmap: the bad points do not stop the good ones, and the good ones are what single calls give."""
    depths = jnp.array([30.0, 30.0, 30.0])
    atoms = jnp.array([1e12, 100.0, 1e12])
    start = jnp.array([1.0, 1.0, -1.0])

    def solved(d, n, p):
        lab = with_values(two_levels(), {"ensembles.optical_depth": d, "ensembles.atoms": n})
        model = with_values(lab, {"ensembles.initial_polarization": p}).model()
        return evolve(model, [0.1], method=STEPS, throw=False)

    found = jax.vmap(solved)(depths, atoms, start)
    assert list(np.asarray(found.outcome)) == [Outcome.ok, Outcome.outside_validity, Outcome.outside_validity]
    alone = evolve(two_levels().model(), [0.1], method=STEPS)
    assert epr_variance(found.state).value[0] == pytest.approx(np.asarray(epr_variance(alone.state).value), abs=1e-12)
    models = jax.tree.map(lambda *leaves: jnp.stack(leaves), two_levels().model(), superradiant())
    codes = jax.vmap(partial(steady_state, throw=False))(models).outcome
    assert list(np.asarray(codes)) == [Outcome.ok, Outcome.unstable]


def test_throw_inside_a_transformation_does_nothing():
    """Under jit there is no number to raise on: the code stays in the result."""
    assert int(jax.jit(steady_state)(superradiant()).outcome) == Outcome.unstable


def test_steady_states_of_random_models_are_refused_exactly_where_none_exists():
    """500 models, some inverted: unstable if and only if NumPy's drift matrix has an eigenvalue that does not decay."""
    models = random_models(77, 500)
    heat = np.random.default_rng(7).uniform(0, 4, (500, 2))
    drive = models.drive
    worse = dataclasses.replace(
        drive, heating=drive.heating + heat, transverse=drive.transverse + heat, collective=4 * drive.collective
    )
    models = dataclasses.replace(models, drive=worse)
    codes = np.asarray(jax.vmap(partial(steady_state, throw=False))(models).outcome)
    decays = []
    for k in range(500):
        reference = cascade_of(one_of(models, k))
        r = reference.at(np.ones(3))
        pop = reference.steady(np.ones(3))[0]
        drift = reference.drift_and_source(r, pop, np.zeros((2, 3)))[0]
        decays.append(np.linalg.eigvals(drift).real.max())
    exists = np.array(decays) < 0
    assert 20 < (~exists).sum() < 480
    assert ((codes == Outcome.unstable) == ~exists).all()
    assert (codes[exists] == Outcome.ok).all()
