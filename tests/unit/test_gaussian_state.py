"""Gaussian states: conventions in and out, selection, products, and the states of a textbook."""

import numpy as np
import pytest

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.gaussian.state import (
    OURS,
    Convention,
    GaussianState,
    gaussian_state,
    product,
    thermal,
    two_mode_squeezed,
    vacuum,
)
from darkstate.gaussian.symplectic import symplectic_eigenvalues, symplectic_form

CONVENTIONS = [Convention(order, vacuum) for order in ("xpxp", "xxpp") for vacuum in (0.25, 0.5, 1.0, 2.0)]


def random_state(seed=0, modes=("a", "b", "c")):
    rng = np.random.default_rng(seed)
    q = 2 * len(modes)
    root = rng.normal(size=(q, q))
    return GaussianState(jnp.asarray(rng.normal(size=q)), jnp.asarray(root @ root.T + np.eye(q)), modes)


@pytest.mark.parametrize("convention", CONVENTIONS, ids=str)
def test_conventions_round_trip(convention):
    state = random_state()
    there = state.to(convention)
    back = gaussian_state(there.covariance, state.modes, mean=there.mean, convention=convention)
    assert back.convention == OURS
    assert np.asarray(back.covariance) == pytest.approx(np.asarray(state.covariance), rel=1e-14)
    assert np.asarray(back.mean) == pytest.approx(np.asarray(state.mean), rel=1e-14)


def test_convention_element_by_element():
    """In order xxpp with vacuum 1, <X2 P1> stands at (1, 2) and is twice ours; means grow by sqrt 2."""
    state = random_state(modes=("a", "b"))
    other = state.to(Convention("xxpp", 1.0))
    assert float(other.covariance[1, 2]) == pytest.approx(2 * float(state.covariance[2, 1]), rel=1e-15)
    assert float(other.covariance[0, 3]) == pytest.approx(2 * float(state.covariance[0, 3]), rel=1e-15)
    assert np.asarray(other.mean) == pytest.approx(np.sqrt(2) * np.asarray(state.mean)[[0, 2, 1, 3]], rel=1e-15)


@pytest.mark.parametrize("vacuum_variance", [0.5, 1.0, 2.0])
def test_vacuum_is_vacuum_in_every_convention(vacuum_variance):
    for order in ("xpxp", "xxpp"):
        read = gaussian_state(vacuum_variance * np.eye(4), ("a", "b"), convention=Convention(order, vacuum_variance))
        assert np.asarray(read.covariance) == pytest.approx(np.eye(4) / 2, abs=1e-15)
        assert float(read.uncertainty_defect) == pytest.approx(0.0, abs=1e-15)


def test_convention_prints_what_it_is():
    assert str(Convention("xxpp", 1.0)) == "order xxpp, vacuum variance 1"


def test_select_reorders_and_traces_out():
    state = random_state()
    chosen = state.select("c", "a")
    index = [4, 5, 0, 1]
    assert chosen.modes == ("c", "a")
    assert np.array_equal(chosen.covariance, np.asarray(state.covariance)[np.ix_(index, index)])
    assert np.array_equal(chosen.mean, np.asarray(state.mean)[index])
    batch = GaussianState(jnp.stack([state.mean] * 2), jnp.stack([state.covariance] * 2), state.modes)
    assert batch.select("b").covariance.shape == (2, 2, 2)


def test_product_is_block_diagonal():
    first, second = random_state(1, ("a", "b")), random_state(2, ("c",))
    both = product(first, second)
    assert both.modes == ("a", "b", "c")
    assert np.array_equal(both.covariance[:4, :4], first.covariance)
    assert np.array_equal(both.covariance[4:, 4:], second.covariance)
    assert not np.any(both.covariance[:4, 4:])
    assert np.array_equal(both.mean, np.concatenate([first.mean, second.mean]))
    assert both.select("c").covariance.tolist() == second.covariance.tolist()


def test_thermal_states_have_their_occupation():
    """<a^dag a> = (var X + var P - 1)/2 = n; the symplectic eigenvalue is n + 1/2."""
    v = thermal("a", 1.7).covariance
    assert float(jnp.trace(v) - 1) / 2 == pytest.approx(1.7, rel=1e-15)
    assert np.asarray(symplectic_eigenvalues(v)) == pytest.approx([2.2], rel=1e-14)


@pytest.mark.parametrize("r", [0.0, 0.4, 2.0])
def test_two_mode_squeezed_vacuum(r):
    """001 Sec. II, App. A corrected: var(X1 + X2) = var(P1 - P2) = e^{-2r}, pure, cosh(2r)/2 in each mode."""
    state = two_mode_squeezed("a", "b", r)
    v = np.asarray(state.covariance)
    for row in ([1, 0, 1, 0], [0, 1, 0, -1]):
        assert row @ v @ np.array(row) == pytest.approx(np.exp(-2 * r), rel=1e-12)
    for row in ([1, 0, -1, 0], [0, 1, 0, 1]):
        assert row @ v @ np.array(row) == pytest.approx(np.exp(2 * r), rel=1e-12)
    assert np.diag(v) == pytest.approx(np.full(4, np.cosh(2 * r) / 2), rel=1e-14)
    assert np.asarray(symplectic_eigenvalues(state.covariance)) == pytest.approx([0.5, 0.5], rel=1e-11)


def test_symplectic_eigenvalues_survive_a_symplectic_change():
    """Williamson: S diag(nu, nu) S^T has the eigenvalues nu, S = expm(Omega G)."""
    from scipy.linalg import expm

    rng = np.random.default_rng(3)
    g = rng.normal(size=(6, 6)) * 0.3
    s = expm(symplectic_form(3) @ (g + g.T))
    nu = np.array([0.5, 0.9, 3.0])
    v = s @ np.diag(np.repeat(nu, 2)) @ s.T
    assert np.asarray(symplectic_eigenvalues(jnp.asarray(v))) == pytest.approx(nu, rel=1e-11)


def test_uncertainty_defect_counts_from_the_bound():
    """Squeezed below what the other quadrature allows: the smallest eigenvalue of V + i Omega/2 is negative."""
    with pytest.raises(ArgumentError, match=r"no quantum state.*-0\.04.*check order and vacuum"):
        gaussian_state(np.diag([0.2, 1.0]), "a")
    impossible = GaussianState(jnp.zeros(2), jnp.diag(jnp.array([0.2, 1.0])), ("a",))
    # eigenvalues of [[0.2, i/2], [-i/2, 1]]: 0.6 -+ sqrt(0.16 + 0.25)
    assert float(impossible.uncertainty_defect) == pytest.approx(0.6 - np.sqrt(0.41), rel=1e-13)
    assert float(thermal("a", 0.3).uncertainty_defect) == pytest.approx(0.3, rel=1e-13)


def test_states_are_pytrees():
    """They pass through compiled and batched functions with names and convention."""

    @jax.jit
    def hotter(state):
        return GaussianState(state.mean, 2 * state.covariance, state.modes, state.convention)

    found = hotter(vacuum("a", "b"))
    assert (found.modes, found.convention) == (("a", "b"), OURS)
    assert np.array_equal(found.covariance, np.eye(4))
    assert jax.vmap(lambda n: thermal("a", n))(jnp.arange(3.0)).covariance.shape == (3, 2, 2)
    assert float(jax.grad(lambda n: jnp.trace(thermal("a", n).covariance))(0.0)) == 2.0
