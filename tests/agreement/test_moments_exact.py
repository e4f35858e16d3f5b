"""The moment equations against the density matrix: with true products of moments nothing in them is approximate."""

from dataclasses import fields

import numpy as np
import pytest

from darkstate.backend import jax, jnp
from darkstate.spins import moments as production
from oracles.density_matrix import Ensemble, build
from oracles.mean_field import squeezing
from oracles.moments import moments
from systems import model_of, scaled, scaled_products

EXACT = 1e-12
SIZES = [(2, 1, 1), (2, 2, 2), (2, 3, 3), (2, 2, 1), (2, 1, 3), (3, 1, 1), (3, 2, 1), (3, 1, 2), (3, 2, 2)]
RATES = ["cool", "heat", "uu", "dd", "uh", "dh", "hu", "hd"]


def every_switch_on(levels, first, second, seed):
    """Two ensembles that share no rate, coupling, detuning or optical depth; light is lost between them."""
    rng = np.random.default_rng(seed)

    def ensemble(atoms):
        rates = {name: rng.uniform(0.1, 1.5) for name in RATES[: 4 if levels == 2 else 8]}
        mu, nu = squeezing(rng.uniform(1.2, 3.0))
        return Ensemble(atoms, mu, nu, d_gamma=rng.uniform(1, 5), detuning=rng.normal(), **rates)

    system = build(ensemble(first), ensemble(second), levels=levels, transmission=rng.uniform(0.3, 0.9))
    one, two = system.ensembles
    assert all(getattr(one, f.name) != getattr(two, f.name) for f in fields(Ensemble) if f.name in ["mu", *RATES[:4]])
    return system


@jax.jit
def rates_of(m, w, model):
    rates = production.total_rates(model, jnp.ones(3))
    return production.moment_rates(m, w, model, rates, inverse_atoms=1 / model.atoms)


def residuals(system, rho, rates=rates_of):
    """|production - Tr(O L rho)| of every moment, and the size of the derivative, by name."""
    m = moments(system, rho)
    ours = rates(scaled(system, m), scaled_products(system, m), model_of(system))
    exact = scaled(system, moments(system, system.rhs(rho)))
    names = [f.name for f in fields(exact)]
    return {k: (np.abs(getattr(ours, k) - getattr(exact, k)).max(), np.abs(getattr(exact, k)).max()) for k in names}


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize(("levels", "first", "second"), SIZES)
def test_every_moment_moves_as_the_master_equation_says(levels, first, second, symmetric):
    """001 Eq. (13), App. C1, D, corrected; unequal ensembles and lossy light path: docs, corrections."""
    for seed in (1, 2):
        system = every_switch_on(levels, first, second, seed)
        found = residuals(system, system.random_state(seed + 10, symmetric=symmetric))
        for name, (difference, size) in found.items():
            assert difference < EXACT, name
            # two levels hold no h; one atom has {jy, jz} = 0 and jy^2 = N_2/4; all else must move to be tested
            still = ["h"] * (levels == 2) + ["yz"] * (first == second == 1)
            still += ["yy", "zz"] * (levels == 2 and first == second == 1)
            assert size > 1e-4 or name in still, name


@pytest.mark.parametrize("transmission", [0.0, 1.0])
@pytest.mark.parametrize("dark_one", [True, False])
def test_ends_of_the_light_path_and_an_ensemble_without_light(transmission, dark_one):
    """t = 0, t = 1 and d = 0 of one ensemble: the square root of the joint source has no special case."""
    one, two = every_switch_on(2, 2, 2, 5).ensembles
    no_light = Ensemble(2, one.mu, one.nu, cool=0.4, heat=0.3, dd=0.2, detuning=-0.7)
    for pair in [(no_light, two), (one, no_light)] if dark_one else [(one, two)]:
        system = build(*pair, transmission=transmission)
        assert max(d for d, _ in residuals(system, system.random_state(3)).values()) < EXACT


PLANTED = {
    "joint source": lambda shared, drive: (-shared, drive),
    "one-way drive": lambda shared, drive: (shared, -drive),
    "no drive": lambda shared, drive: (shared, 0 * drive),
    "amplitude for power": lambda shared, drive: (shared**2, drive),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_wrong_sign_between_the_ensembles_is_noticed(bug, monkeypatch):
    """The comparison above is sharp: each planted mistake leaves a residual ten orders above the limit."""
    right = production.one_way
    monkeypatch.setattr(production, "one_way", lambda model, rates: PLANTED[bug](*right(model, rates)))
    system = every_switch_on(2, 2, 1, 1)
    found = residuals(system, system.random_state(11), rates_of.__wrapped__)
    assert max(d for d, _ in found.values()) > 1e-2


def test_leaving_out_the_loss_term_is_noticed():
    """The papers' (D2), (D3) lack (1/4) dN_2/dt (docs: corrections, row 19); only Jy^2 and Jz^2 feel it."""
    system = every_switch_on(3, 1, 2, 1)

    @jax.jit
    def without(m, w, model):
        rates = production.total_rates(model, jnp.ones(3))
        return production.moment_rates(m, w, model, rates, inverse_atoms=1 / model.atoms, loss_term=False)

    rho = system.random_state(11)
    found = residuals(system, rho, without)
    assert {name for name, (difference, _) in found.items() if difference > 1e-3} == {"yy", "zz"}
    lost = moments(system, system.rhs(rho))
    want = np.abs(lost["n_up"] + lost["n_dn"]) / np.array([1, 2]) / 4
    assert found["yy"][0] == pytest.approx(want.max(), abs=EXACT)


@pytest.mark.parametrize("atoms", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
def test_the_exact_steady_state_stands_still(atoms):
    """Probe only, any dephasing: P = 1/(mu^2 + nu^2), <Jy^2> = N/4 at every N (docs: corrections, exact invariant)."""
    mu, nu = squeezing(1.5)
    one = Ensemble(atoms, mu, nu, 5.0, cool=mu**2, heat=nu**2, dd=1.3)
    system = build(one, one)
    rho = system.steady_state()
    state = scaled(system, moments(system, rho))
    assert 2 * state.x == pytest.approx([1 / (mu**2 + nu**2)] * 2, abs=EXACT)
    for own in (state.yy, state.zz):
        assert own == pytest.approx([0.25, 0.25], abs=EXACT)
    m = moments(system, rho)
    ours = rates_of(scaled(system, m), scaled_products(system, m), model_of(system))
    assert max(float(np.abs(leaf).max()) for leaf in jax.tree.leaves(ours)) < EXACT


@pytest.mark.parametrize("names", ["xx x_x", "yy_x zz_x yz_x", "first second far far_second"])
@pytest.mark.parametrize(("levels", "atoms"), [(2, 2), (2, 3), (3, 2)])
def test_products_of_uncorrelated_atoms_are_known_exactly(levels, atoms, names):
    """Uncorrelated atoms without coherence leave nothing to approximate at any N: <Jx^2> has its binomial variance, and
    <{O,{O,Jx}}>/2 = (1 - 1/N) 2 <O^2><Jx>, because {jy, jx} = 0 for one atom."""
    system = build(Ensemble(atoms), Ensemble(atoms), levels=levels)
    rho = system.polarised_state(0.7, 0.4, h=(0.2, 0.1) if levels == 3 else (0.0, 0.0))
    m = moments(system, rho)
    supplied = production.mean_field(jax.tree.map(jnp.asarray, scaled(system, m)), jnp.full(2, 1 / atoms))
    true = scaled_products(system, m)
    for name in names.split():
        assert np.array(getattr(supplied, name)) == pytest.approx(np.array(getattr(true, name)), abs=EXACT), name
