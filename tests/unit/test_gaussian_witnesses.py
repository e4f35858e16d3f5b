"""Witnesses of Gaussian states against closed forms, density matrices and brute force.

Conventions: vacuum variance 1/2, order (X1, P1, X2, P2, ...). Nothing here uses the routes of the code: eigenvalues of
Omega V^PT without a root, Schur complements with an inverse, trace norms of density matrices in the number basis.
"""

from math import cosh, exp, log, sinh, sqrt, tanh

import numpy as np
import pytest
from scipy.linalg import block_diag, expm
from scipy.optimize import minimize_scalar
from scipy.special import comb

import darkstate as ds
from darkstate.errors import Outcome
from darkstate.gaussian.state import gaussian_state, two_mode_squeezed

SQUEEZING = [0.1, 0.7, 1.5, 2.5]


def omega(modes):
    return np.kron(np.eye(modes), [[0.0, 1.0], [-1.0, 0.0]])


def brute_eigenvalues(v):
    """|eigenvalues of Omega V|, each once."""
    return np.sort(np.abs(np.linalg.eigvals(omega(len(v) // 2) @ v)))[::2]


def brute_negativity(v, part):
    """Sum of -ln 2 nu over nu < 1/2 of T V T; `part` as indices of modes."""
    turn = np.ones(len(v))
    turn[[2 * k + 1 for k in part]] = -1
    nu = brute_eigenvalues(turn[:, None] * v * turn)
    return -np.log(2 * nu[nu < 0.5]).sum()


def random_covariance(rng, modes=2, spread=0.5, heat=1.0):
    """V = S diag(nu) S^T, S = expm(Omega G) with a random symmetric G."""
    g = rng.normal(size=(2 * modes, 2 * modes)) * spread
    s = expm(omega(modes) @ (g + g.T) / 2)
    v = s @ np.diag(np.repeat(0.5 + heat * rng.exponential(size=modes) * rng.integers(0, 2, modes), 2)) @ s.T
    return (v + v.T) / 2


def lossy(v, mode, transmission):
    """A beam splitter with the vacuum on one mode."""
    t = np.ones(len(v))
    t[2 * mode : 2 * mode + 2] = sqrt(transmission)
    noise = np.zeros(len(v))
    noise[2 * mode : 2 * mode + 2] = (1 - transmission) / 2
    return t[:, None] * v * t + np.diag(noise)


def value(witness):
    return float(witness.value)


# ---- closed forms ----


@pytest.mark.parametrize("r", SQUEEZING)
@pytest.mark.parametrize("n", [0.0, 0.3])
def test_thermal_two_mode_squeezed_state(r, n):
    """V = (2n + 1) V_r: every witness of the pure state times 2n + 1."""
    state = gaussian_state((2 * n + 1) * np.asarray(two_mode_squeezed("S", "M", r).covariance), ("S", "M"))
    xi = (2 * n + 1) * exp(-2 * r)
    found = ds.log_negativity(state, "S")
    assert float(found.nats) == pytest.approx(max(0.0, 2 * r - log(2 * n + 1)), abs=1e-11)
    assert float(found.ebits) == pytest.approx(max(0.0, (2 * r - log(2 * n + 1)) / log(2)), abs=1e-11)
    assert float(found.smallest) == pytest.approx(xi, rel=1e-10)
    assert int(found.outcome) == Outcome.ok
    assert value(ds.ppt(state, "M")) == pytest.approx(xi, rel=1e-10)
    assert value(ds.epr_variance(state)) == pytest.approx(xi, rel=1e-10)
    assert value(ds.product_criterion(state)) == pytest.approx(xi, rel=1e-10)
    assert float(ds.best_gain(state)) == pytest.approx(1.0, rel=1e-12)
    for by, of in (("S", "M"), ("M", "S")):
        assert value(ds.steering(state, by, of)) == pytest.approx((2 * n + 1) / cosh(2 * r), rel=1e-10)
    assert float(ds.purity(state)) == pytest.approx((2 * n + 1) ** -2, rel=1e-10)
    assert float(ds.teleportation_fidelity(state)) == pytest.approx(1 / (1 + xi), rel=1e-12)


@pytest.mark.parametrize("r", SQUEEZING)
@pytest.mark.parametrize("t", [0.4, 0.9])
def test_loss_on_one_mode(r, t):
    """X block of T V T: [[ch, -sqrt(t) sh], [., t ch + 1 - t]]/2; one-way steering for t < 1/2."""
    state = gaussian_state(lossy(np.asarray(two_mode_squeezed("S", "M", r).covariance), 1, t), ("S", "M"))
    a, b, c = cosh(2 * r), t * cosh(2 * r) + 1 - t, sqrt(t) * sinh(2 * r)
    smallest = (a + b - sqrt((a - b) ** 2 + 4 * c**2)) / 2
    assert float(ds.log_negativity(state, "S").nats) == pytest.approx(-log(smallest), abs=1e-9)
    gain = (a - smallest) / c  # its eigenvector is (1, g)
    assert float(ds.best_gain(state)) == pytest.approx(gain, rel=1e-9)
    assert value(ds.epr_variance(state, gain)) == pytest.approx(smallest, rel=1e-9)
    assert value(ds.epr_variance(state)) == pytest.approx((a + b - 2 * c) / 2, rel=1e-9)
    assert value(ds.steering(state, by="S", of="M")) == pytest.approx(1 - t + t / cosh(2 * r), rel=1e-9)
    backward = (t + (1 - t) * cosh(2 * r)) / b
    assert value(ds.steering(state, by="M", of="S")) == pytest.approx(backward, rel=1e-9)
    assert (backward < 1) == (t > 0.5)
    assert float(ds.purity(state)) == pytest.approx(1 / (a * b - c**2), rel=1e-9)
    assert float(ds.teleportation_fidelity(state)) == pytest.approx(1 / (1 + (a + b - 2 * c) / 2), rel=1e-9)


def three_modes(r):
    """The symmetric pure state of three modes: X sum stretched, X differences squeezed, P the other way."""
    along, rest = np.full((3, 3), 1 / 3), np.eye(3) - 1 / 3
    v = np.zeros((6, 6))
    v[::2, ::2] = (exp(2 * r) * along + exp(-2 * r) * rest) / 2
    v[1::2, 1::2] = (exp(-2 * r) * along + exp(2 * r) * rest) / 2
    return v


@pytest.mark.parametrize("r", SQUEEZING)
def test_every_bipartition_of_three_modes(r):
    """Pure, so that one mode against two is a two-mode squeezed state of cosh(2s) = 2 nu of that mode."""
    v = three_modes(r)
    state = gaussian_state(v, ("a", "b", "c"))
    twice = 2 * sqrt(v[0, 0] * v[1, 1])
    for mode in "abc":
        others = tuple(sorted(set("abc") - {mode}))
        for part in (mode, others):
            assert float(ds.log_negativity(state, part).nats) == pytest.approx(np.arccosh(twice), rel=1e-8)
        assert value(ds.steering(state, by=others, of=mode)) == pytest.approx(1 / twice, rel=1e-8)
        assert value(ds.steering(state, by=mode, of=others)) == pytest.approx(1 / twice, rel=1e-8)
        assert float(ds.purity(state.select(mode))) == pytest.approx(1 / twice, rel=1e-10)
    pair = state.select("a", "c")
    assert float(ds.log_negativity(pair, "a").nats) == pytest.approx(brute_negativity(v[:4, :4], [0]), abs=1e-8)


def test_pairs_on_two_sides_add_up():
    """Three two-mode squeezed pairs across the cut, mixed on each side by any passive network: E_N = 2 sum r."""
    rng, r = np.random.default_rng(1), [0.2, 0.9, 1.6]
    pairs = block_diag(*(np.asarray(two_mode_squeezed("a", "b", x).covariance) for x in r))
    left_first = [0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11]
    v = pairs[np.ix_(left_first, left_first)]
    sides = []
    for _ in range(2):
        u, _ = np.linalg.qr(rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)))
        sides.append(np.kron(u.real, np.eye(2)) + np.kron(u.imag, [[0, -1], [1, 0]]))
    s = block_diag(*sides)
    state = gaussian_state(s @ v @ s.T, tuple("abcdef"))
    assert float(ds.log_negativity(state, ("a", "b", "c")).nats) == pytest.approx(2 * sum(r), abs=1e-10)
    assert value(ds.ppt(state, ("d", "e", "f"))) == pytest.approx(exp(-2 * max(r)), rel=1e-10)
    assert value(ds.steering(state, tuple("abc"), tuple("def"))) == pytest.approx(1 / cosh(2 * max(r)), rel=1e-10)
    # With f gone, the first side still holds a partner of everything left: three modes against two.
    rest = state.select(*"abcde")
    assert float(ds.log_negativity(rest, ("d", "e")).nats) == pytest.approx(
        brute_negativity(np.asarray(rest.covariance), [3, 4]), abs=1e-9
    )


# ---- density matrices in the number basis ----


LEVELS = 18


def ladder():
    return np.diag(np.sqrt(np.arange(1.0, LEVELS)), 1)


def lossy_pair(r, transmission):
    """Density matrix [n1 n2 n1' n2'] of sum (-tanh r)^n |n n>, mode 2 behind a loss given by its Kraus operators."""
    psi = np.diag((-tanh(r)) ** np.arange(LEVELS)) / cosh(r)
    rho = np.zeros((LEVELS,) * 4)
    n = np.arange(LEVELS)
    for lost in range(LEVELS):
        weights = np.sqrt(comb(n, lost) * (1 - transmission) ** lost) * transmission ** (np.maximum(n - lost, 0) / 2)
        kraus = np.diag(weights[lost:], lost)
        after = psi @ kraus.T
        rho += np.multiply.outer(after, after)
    return rho


@pytest.mark.parametrize(("r", "t"), [(0.3, 1.0), (0.3, 0.6), (0.2, 0.3)])
def test_density_matrix_in_the_number_basis(r, t):
    """E_N = ln ||rho^PT||_1 and tr rho^2, beside the covariance read from the same rho; tanh(0.3)^18 = 2e-10."""
    rho = lossy_pair(r, t)
    a, one = ladder(), np.eye(LEVELS)
    x, p = (a + a.T) / sqrt(2), (a - a.T) / (1j * sqrt(2))
    operators = [np.kron(x, one), np.kron(p, one), np.kron(one, x), np.kron(one, p)]
    matrix = rho.reshape(LEVELS**2, LEVELS**2)
    v = np.array([[np.trace(matrix @ (f @ g + g @ f)).real / 2 for g in operators] for f in operators])
    assert np.trace(matrix) == pytest.approx(1.0, abs=1e-12)
    state = gaussian_state(v, ("S", "M"))
    transposed = rho.transpose(0, 3, 2, 1).reshape(LEVELS**2, LEVELS**2)
    expected = log(np.abs(np.linalg.eigvalsh(transposed)).sum())
    assert expected > 0.1
    assert float(ds.log_negativity(state, "M").nats) == pytest.approx(expected, abs=1e-8)
    assert float(ds.purity(state)) == pytest.approx(np.trace(matrix @ matrix), abs=1e-9)


# ---- brute force on random states ----


def random_states(count, seed, modes=2):
    rng = np.random.default_rng(seed)
    return [random_covariance(rng, modes) for _ in range(count)]


@pytest.mark.parametrize("modes", [2, 3, 4])
def test_log_negativity_and_ppt_by_brute_force(modes):
    names, states, found = tuple("abcd"[:modes]), random_states(60, modes, modes), []
    for part in ([0], [modes - 1], [0, 1][: modes - 1]):
        turn = np.ones(2 * modes)
        turn[[2 * k + 1 for k in part]] = -1
        chosen = tuple(names[k] for k in part)
        batch = gaussian_state(np.stack(states), names)
        expected = [brute_negativity(v, part) for v in states]
        smallest = [2 * brute_eigenvalues(turn[:, None] * v * turn)[0] for v in states]
        assert np.asarray(ds.log_negativity(batch, chosen).nats) == pytest.approx(np.array(expected), abs=1e-9)
        assert np.asarray(ds.ppt(batch, chosen).value) == pytest.approx(np.array(smallest), rel=1e-9)
        found += expected
    assert 20 < np.count_nonzero(found) < 180  # both kinds of states occur


def test_steering_and_purity_by_brute_force():
    """Schur complement with an explicit inverse; one, two and a traced-out mode."""
    for v in random_states(40, 7, 3):
        state = gaussian_state(v, ("a", "b", "c"))
        for by, of in (([0], [1, 2]), ([1, 2], [0]), ([2], [0]), ([2, 0], [1])):
            i, j = ([2 * k + s for k in side for s in (0, 1)] for side in (by, of))
            left = v[np.ix_(j, j)] - v[np.ix_(j, i)] @ np.linalg.inv(v[np.ix_(i, i)]) @ v[np.ix_(i, j)]
            names = [tuple("abc"[k] for k in side) for side in (by, of)]
            assert value(ds.steering(state, *names)) == pytest.approx(2 * brute_eigenvalues(left)[0], rel=1e-9)
        assert float(ds.purity(state)) == pytest.approx(np.linalg.det(2 * v) ** -0.5, rel=1e-9)


def test_epr_variance_best_gain_and_product_by_brute_force():
    for v in random_states(60, 11):
        state = gaussian_state(v, ("S", "M"))

        def variances(g, v=v):
            x, p = np.array([1, 0, g, 0]), np.array([0, 1, 0, -g])
            return x @ v @ x, p @ v @ p

        for g in (1.0, -0.4, 2.3):
            a, b = variances(g)
            assert value(ds.epr_variance(state, g)) == pytest.approx((a + b) / (1 + g**2), rel=1e-12)
            assert value(ds.product_criterion(state, g)) == pytest.approx(2 * sqrt(a * b) / (1 + g**2), rel=1e-12)
        # The angle whose tangent is g has no ends: two bounded searches cover it.
        xi = lambda angle: sum(variances(np.tan(angle))) * np.cos(angle) ** 2  # noqa: E731
        lowest = min(
            minimize_scalar(xi, bounds=ends, method="bounded", options={"xatol": 1e-10}).fun
            for ends in ((-np.pi / 2, 0), (0, np.pi / 2))
        )
        assert value(ds.epr_variance(state, ds.best_gain(state))) == pytest.approx(lowest, rel=1e-9)


def test_log_negativity_is_minus_log_of_the_best_epr_variance():
    """P block = X block with P2 -> -P2 (004, RWA model): E_N = -ln min_g xi_g, at 300 random physical covariances."""
    rng = np.random.default_rng(300)
    states = []
    while len(states) < 300:
        (a, b), c = rng.uniform(0.5, 3, 2), rng.uniform(-3, 3)
        v = np.zeros((4, 4))
        v[::2, ::2], v[1::2, 1::2] = [[a, c], [c, b]], [[a, -c], [-c, b]]
        if np.linalg.eigvalsh(v + 0.5j * omega(2))[0] > 1e-6:
            states.append(v)
    state = gaussian_state(np.stack(states), ("S", "M"))
    lowest = np.asarray(ds.epr_variance(state, ds.best_gain(state)).value)
    assert 60 < (lowest < 1).sum() < 300
    assert np.asarray(ds.log_negativity(state, "S").nats) == pytest.approx(np.maximum(0, -np.log(lowest)), abs=1e-11)
    assert np.asarray(ds.ppt(state, "S").value) == pytest.approx(lowest, rel=1e-11)


def test_teleportation_by_quadrature():
    """F = average of exp(-(x^2 + p^2)/2) over the added noise, its correlation included; the better of two signs."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    for v in random_states(20, 13):
        expected = []
        for sign in (1, -1):
            combine = np.array([[1, 0, sign, 0], [0, 1, 0, -sign]])
            root = np.linalg.cholesky(combine @ v @ combine.T)
            x = root[0, 0] * nodes[:, None] + 0 * nodes
            p = root[1, 0] * nodes[:, None] + root[1, 1] * nodes
            expected.append((weights[:, None] * weights * np.exp(-(x**2 + p**2) / 2)).sum() / (2 * np.pi))
        state = gaussian_state(v, ("S", "M"))
        assert float(ds.teleportation_fidelity(state)) == pytest.approx(max(expected), rel=1e-6)
