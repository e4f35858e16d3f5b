"""Witnesses of two spins against brute force: partial transposes of 25 x 25, Wootters' formula, fidelities of states.

Numbers: quantum Fisher information per (2 pi delta T)^2 of 2 for separate atoms and 4 for chi_1 (Heisenberg limit N^2).
"""

import dataclasses

import numpy as np
import pytest
from scipy.linalg import expm, sqrtm

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.pair.spin import exchange_state
from darkstate.pair.state import PairState, scrambled, sector_state, symmetric_state
from darkstate.witness.fisher import (
    classical_fisher,
    field_generator,
    gain,
    quantum_fisher,
    ramsey_fisher,
)
from darkstate.witness.spin_pair import fidelity, negativity, sector_concurrence
from darkstate.witness.value import WitnessValue

HALF = np.array([[0, 1], [1, 0]]) / 2, np.array([[0, -1j], [1j, 0]]) / 2, np.diag([0.5, -0.5])


def random_density(rng, n, rank=None):
    x = rng.normal(size=(n, rank or n)) + 1j * rng.normal(size=(n, rank or n))
    rho = x @ x.conj().T
    return rho / np.trace(rho).real


def product_space(matrix):
    """A state on |m, -m>, m = F, ..., -F, on all |m_1, m_2> [d d d d]."""
    d = len(matrix)
    whole = np.zeros((d, d, d, d), complex)
    for i in range(d):
        for j in range(d):
            whole[i, d - 1 - i, j, d - 1 - j] = matrix[i, j]
    return whole


def brute_negativity(matrix):
    d = len(matrix)
    transposed = product_space(np.asarray(matrix)).transpose(0, 3, 2, 1).reshape(d * d, d * d)
    values = np.linalg.eigvalsh(transposed)
    return -values[values < 0].sum()


def wootters(state):
    """Concurrence of the pairs in m = +-1 as two qubits |1>, |-1>."""
    m = np.asarray(state.matrix)
    rho = np.zeros((4, 4), complex)
    rho[np.ix_([1, 2], [1, 2])] = m[np.ix_([1, 3], [1, 3])] / (m[1, 1] + m[3, 3]).real
    flip = np.kron(2 * HALF[1], 2 * HALF[1])
    r = np.sort(np.sqrt(np.abs(np.linalg.eigvals(rho @ flip @ rho.conj() @ flip))))[::-1]
    return max(0.0, r[0] - r[1:].sum())


# ---- entanglement ----


@pytest.mark.parametrize("spin", [1, 2, 3])
@pytest.mark.parametrize("rank", [1, 2, None])
def test_negativity_is_that_of_the_whole_partial_transpose(spin, rank):
    rng = np.random.default_rng(spin)
    for _ in range(5):
        rho = random_density(rng, 2 * spin + 1, rank)
        assert float(negativity(PairState(rho))) == pytest.approx(brute_negativity(rho), abs=1e-12)


@pytest.mark.parametrize("f", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_negativity_without_coherence_between_sectors(f):
    """(P_1 |2F - 1| + P_2)/2."""
    state = sector_state([0.38, 0.37, 0.25], f)
    assert float(negativity(state)) == pytest.approx((0.37 * abs(2 * f - 1) + 0.25) / 2, abs=1e-12)
    assert brute_negativity(state.matrix) == pytest.approx((0.37 * abs(2 * f - 1) + 0.25) / 2, abs=1e-12)


def test_mixtures_of_product_states_are_not_entangled():
    state = PairState(np.diag([0.1, 0.3, 0.2, 0.25, 0.15]))
    assert float(negativity(state)) == 0 and float(sector_concurrence(state)) == 0
    slope = jax.grad(lambda x: negativity(PairState(x)))(jnp.diag(jnp.arange(5.0)))
    assert np.all(np.isfinite(slope))


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.8, 1.0])
def test_concurrence_under_scrambling(p):
    """(1 - p) chi_1 + p chi_1^-: F = 1 - p, concurrence |1 - 2p|, of which F shows max(0, 1 - 2p)."""
    state = scrambled(sector_state([0.4, 0.35, 0.25], 1.0), p)
    assert float(fidelity(state).value) == pytest.approx(1 - p, abs=1e-15)
    assert wootters(state) == pytest.approx(abs(1 - 2 * p), abs=1e-7)
    assert float(sector_concurrence(state)) == pytest.approx(max(0, 1 - 2 * p), abs=1e-15)
    assert float(negativity(state)) == pytest.approx((0.35 + 0.25) * abs(1 - 2 * p) / 2, abs=1e-12)


def test_concurrence_is_never_overstated():
    rng = np.random.default_rng(2)
    for _ in range(50):
        state = PairState(random_density(rng, 5, 1 + rng.integers(3)))
        assert float(sector_concurrence(state)) <= wootters(state) + 1e-7


def test_separable_pairs_keep_the_bound_of_the_fidelity():
    """Products of two spins in |1>, |-1>: at most 1/2 of those in m = +-1, if |1,1> and |-1,-1> are counted in P_1."""
    rng = np.random.default_rng(4)
    chi_1 = np.array([0, 1, 1, 0]) / np.sqrt(2)
    products = [np.kron(*(rng.normal(size=(2, 2, 2)) @ [1, 1j])) for _ in range(1000)]
    best = max(abs(chi_1 @ v) ** 2 / np.linalg.norm(v) ** 2 for v in products)
    assert 0.49 < best <= 0.5 + 1e-12
    verdicts = [fidelity(sector_state([0.3, 0.4, 0.3], f)).verdict for f in (0.499, 0.5, 0.5 + 1e-15, 0.501)]
    assert verdicts == ["not certified as entangled"] * 3 + ["entangled"]


def test_no_pairs_no_verdict():
    assert fidelity(symmetric_state(np.diag([1.0, 0.0, 0.0]))).verdict == "no verdict"


# ---- the verdict of a witness above its bound ----


@pytest.mark.parametrize(
    ("value", "error", "rounding", "verdict"),
    [
        (0.9, None, 0.0, "entangled"),
        (0.9, 0.1, 0.0, "entangled by 4.0 standard errors"),
        (0.6, 0.08, 0.0, "above the bound by 1.2 standard errors only, not certified as entangled"),
        (0.5, None, 0.0, "not certified as entangled"),
        (0.2, 0.01, 0.0, "not certified as entangled"),
        (0.51, None, 0.02, "not certified as entangled"),
        (np.nan, None, 0.0, "no verdict"),
        (np.array([0.2, 0.9, 0.4]), np.array([0.01, 0.1, 0.01]), 0.0, "entangled by 4.0 standard errors"),
    ],
)
def test_verdict_above_the_bound(value, error, rounding, verdict):
    assert WitnessValue(value, error, 0.5, rounding, entangled_above=True).verdict == verdict


def test_a_witness_is_below_its_bound_unless_it_says_otherwise():
    value = WitnessValue(0.8, 0.05)
    assert not value.entangled_above and value.verdict == "entangled by 4.0 standard errors"
    assert WitnessValue(0.95, 0.05).verdict == "below the bound by 1.0 standard errors only, not certified as entangled"
    above = dataclasses.replace(value, bound=0.5, entangled_above=True)
    assert float(above.decibel) == pytest.approx(10 * np.log10(1.6), rel=1e-12)  # positive: entangled
    through = jax.jit(lambda w: dataclasses.replace(w, value=w.value + 0.1))(above)
    assert through.entangled_above and float(through.value) == pytest.approx(0.9)


# ---- Fisher information ----


def bures_fisher(rho, generator, step=1e-3):
    """8 (1 - sqrt(fidelity))/step^2 between rho(-step/2) and rho(step/2), extrapolated."""

    def at(h):
        u = expm(-0.5j * h * generator)
        a, b = u.conj().T @ rho @ u, u @ rho @ u.conj().T
        root = sqrtm(a)
        return 8 * (1 - np.trace(sqrtm(root @ b @ root)).real) / h**2

    return (4 * at(step) - at(2 * step)) / 3


def test_quantum_fisher_information_is_that_of_the_bures_distance():
    rng = np.random.default_rng(7)
    for n in (2, 4, 5):
        rho, g = random_density(rng, n), random_density(rng, n) * 3
        assert float(quantum_fisher(rho, g)) == pytest.approx(bures_fisher(rho, g, 0.02), rel=1e-5)


def test_quantum_fisher_information_of_pure_states_is_four_variances():
    rng = np.random.default_rng(8)
    v = rng.normal(size=5) + 1j * rng.normal(size=5)
    v /= np.linalg.norm(v)
    g = random_density(rng, 5)
    variance = (v.conj() @ g @ g @ v - (v.conj() @ g @ v) ** 2).real
    assert float(quantum_fisher(np.outer(v, v.conj()), g)) == pytest.approx(4 * variance, rel=1e-12)


def test_gradient_of_the_quantum_fisher_information():
    """By the parameters of states with equal eigenvalues, too, where eigenvectors have no derivative."""

    def qubit(r):  # Fisher information r^2 sin^2(angle) about the z axis
        return (jnp.eye(2) + r[0] * (jnp.sin(r[1]) * 2 * HALF[0] + jnp.cos(r[1]) * 2 * HALF[2])) / 2

    slope = jax.grad(lambda r: quantum_fisher(qubit(r), HALF[2]))(jnp.array([0.6, 0.7]))
    assert np.asarray(slope) == pytest.approx([1.2 * np.sin(0.7) ** 2, 0.36 * np.sin(1.4)], rel=1e-12)
    generator = field_generator(2, 0.5, -0.5)

    def mixed(f):  # 4 P_1 (2F - 1)^2 + 16 P_2 from chi_1, chi_1^-, chi_2; |00> and chi_2 equally likely
        return quantum_fisher(sector_state(jnp.array([0.3, 0.4, 0.3]), f).matrix, generator)

    assert float(mixed(0.9)) == pytest.approx(4 * 0.4 * 0.8**2 + 16 * 0.3, rel=1e-12)
    assert float(jax.grad(mixed)(0.9)) == pytest.approx(4 * 0.4 * 4 * 0.8, rel=1e-12)
    many = jax.jit(jax.vmap(mixed))(jnp.array([0.5, 0.9, 1.0]))
    assert np.asarray(many) == pytest.approx([4.8, 1.024 + 4.8, 1.6 + 4.8], rel=1e-12)


def after_first_pulse(matrix):
    """Half a pi pulse about y on |1> <-> |-1> of both atoms, in the product space of spins 2 [25 25]."""
    one = np.zeros((5, 5), complex)
    one[np.ix_([1, 3], [1, 3])] = HALF[1]
    u = expm(-0.5j * np.pi * one)
    u = np.kron(u, u)
    return u @ product_space(np.asarray(matrix)).reshape(25, 25) @ u.conj().T


PHASE = np.kron(np.diag([0, 0.5, 0, -0.5, 0]), np.eye(5)) + np.kron(np.eye(5), np.diag([0, 0.5, 0, -0.5, 0]))
"""Generator of phi = 2 pi delta T: half of it up and half of it down in |1> and |-1> of each atom."""


def test_fisher_information_of_separate_atoms_is_two():
    both_in_1 = np.zeros((5, 5))
    both_in_1[1, 1] = 1  # |1> of one atom
    one = np.zeros((5, 5), complex)
    one[np.ix_([1, 3], [1, 3])] = HALF[1]
    u = expm(-0.5j * np.pi * one)
    rho = u @ both_in_1 @ u.conj().T
    assert float(quantum_fisher(np.kron(rho, rho), PHASE)) == pytest.approx(2, abs=1e-12)


@pytest.mark.parametrize(("p1", "f"), [(1.0, 1.0), (0.37, 1.0), (0.37, 0.9), (0.6, 0.5), (0.5, 0.0)])
def test_fisher_information_of_a_ramsey_sequence(p1, f):
    """4 P_s F of the produced pair, 4 F of the post-selected one; against the whole 25 x 25 state after the pulse."""
    state = sector_state([(1 - p1) * 0.6, p1, (1 - p1) * 0.4], f)
    found = ramsey_fisher(state)
    assert float(found.value) == pytest.approx(4 * p1 * f, abs=1e-12)
    assert float(quantum_fisher(after_first_pulse(state.matrix), PHASE)) == pytest.approx(4 * p1 * f, abs=1e-12)
    assert float(ramsey_fisher(state, post_selected=True).value) == pytest.approx(4 * f, abs=1e-12)
    assert (found.verdict == "entangled") == (p1 * f > 0.5)
    assert float(gain(found.value)) == pytest.approx(2 * p1 * f, abs=1e-12)


def test_ramsey_fisher_information_of_any_state_of_the_pair():
    rng = np.random.default_rng(9)
    for rank in (1, 2, 5):
        state = PairState(random_density(rng, 5, rank))
        whole = float(quantum_fisher(after_first_pulse(state.matrix), PHASE))
        assert float(ramsey_fisher(state).value) == pytest.approx(whole, abs=1e-11)


def chi_1_counts(phi):
    """Ideal Ramsey sequence: number of atoms in |-1>; p is what one atom in |1> does, p = cos^2(phi/2)."""
    p = jnp.cos(phi / 2) ** 2
    return jnp.stack([2 * p * (1 - p), (1 - 2 * p) ** 2, 2 * p * (1 - p)])


def separate_counts(phi):
    p = jnp.cos(phi / 2) ** 2
    return jnp.stack([(1 - p) ** 2, 2 * p * (1 - p), p**2])


def test_counting_atoms_loses_nothing():
    """Classical = quantum Fisher information at every phase, those where an outcome has probability 0 included."""
    phases = np.concatenate([np.linspace(0.1, 6.0, 13), [0.0, np.pi / 2, np.pi]])
    assert np.asarray(classical_fisher(chi_1_counts, phases)) == pytest.approx(np.full(16, 4.0), abs=1e-9)
    assert np.asarray(classical_fisher(separate_counts, phases)) == pytest.approx(np.full(16, 2.0), abs=1e-9)


def test_classical_information_keeps_below_the_quantum_limit_near_zeros():
    """Both fringes touch 0 at 0 and pi; there dp^2/p is a quotient of rounding errors, 6 instead of 4 at 3.6e-8."""
    small = np.concatenate([[0.0, 3.6e-8], np.logspace(-12, -3, 400), np.linspace(1e-3, 3.1, 400)])
    for centre in (0.0, np.pi):
        phases = np.concatenate([centre + small, centre - small])
        for counts, limit in ((chi_1_counts, 4.0), (separate_counts, 2.0)):
            found = np.asarray(classical_fisher(counts, phases))
            assert found == pytest.approx(np.full(phases.size, limit), rel=1e-6) and found.max() <= limit * (1 + 1e-6)


def test_classical_information_of_a_fringe_that_does_not_touch_zero():
    """p = b + (1 - 2b) sin^2(phi/2): (dp)^2/[p (1 - p)], 0 at phi = 0 however small b, until rounding hides it."""
    for b in (1e-3, 1e-9, 1e-12):

        def counts(phi, b=b):
            p = b + (1 - 2 * b) * jnp.sin(phi / 2) ** 2
            return jnp.stack([p, 1 - p])

        phi = np.array([0.0, 0.1, 1.0]) * np.sqrt(b)
        p, dp = b + (1 - 2 * b) * np.sin(phi / 2) ** 2, (1 - 2 * b) * np.sin(phi) / 2
        assert np.asarray(classical_fisher(counts, phi)) == pytest.approx(dp**2 / (p * (1 - p)), rel=1e-3, abs=1e-12)


def test_less_contrast_measures_less():
    """p = (1 + c cos phi)/2 of one outcome and the rest: c^2 sin^2/(1 - c^2 cos^2)."""

    def counts(phi):
        p = (1 + 0.7 * jnp.cos(phi)) / 2
        return jnp.stack([p, 1 - p])

    phi = 1.1
    expected = 0.49 * np.sin(phi) ** 2 / (1 - 0.49 * np.cos(phi) ** 2)
    assert float(classical_fisher(counts, phi)) == pytest.approx(expected, rel=1e-12)
    assert float(jax.jit(lambda x: classical_fisher(counts, x))(phi)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("k", "sign", "expected"), [(0, 1, 0), (1, 1, 4), (1, -1, 4), (2, 1, 16), (2, -1, 16)])
def test_pairs_feel_gradients_and_no_common_field(k, sign, expected):
    """4 k^2 per phase of one unit of m by the difference of the fields; against F_z of both atoms in 25 x 25."""
    v = exchange_state(2, k, sign)
    rho = np.outer(v, v)
    common, gradient = field_generator(2, 1.0, 1.0), field_generator(2, 0.5, -0.5)
    assert float(quantum_fisher(rho, common)) == 0
    assert float(quantum_fisher(rho, gradient)) == pytest.approx(expected, abs=1e-12)
    z, one = np.diag([2.0, 1, 0, -1, -2]), np.eye(5)
    whole = product_space(rho).reshape(25, 25)
    for generator, value in (
        (np.kron(z, one) + np.kron(one, z), 0),
        ((np.kron(z, one) - np.kron(one, z)) / 2, expected),
    ):
        assert float(quantum_fisher(whole, generator)) == pytest.approx(value, abs=1e-12)


def test_fisher_information_needs_matrices_of_one_size():
    with pytest.raises(ArgumentError, match=r"one shape \(n, n\), but have \(5, 5\) and \(3, 3\)"):
        quantum_fisher(np.eye(5) / 5, np.eye(3))
