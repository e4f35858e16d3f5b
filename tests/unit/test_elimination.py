"""Elimination in array operations: right against NumPy, differentiable, and it ends where library routines hang.

The numbers of the matrices are drawn; NumPy's own solution is the reference everywhere.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import solve_continuous_are

from darkstate.backend import jax, jnp
from darkstate.gaussian.elimination import PIECE, UNROLLED, inverse, solve
from darkstate.gaussian.riccati import stationary

RNG = np.random.default_rng(7)
SIZES = [1, 2, 3, 4, 6, UNROLLED, UNROLLED + 1, 20]


def drawn(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def well_posed(*shape: int) -> np.ndarray:
    """Matrices with a diagonal of 0 in the first place, far from singular: rows must be exchanged."""
    matrix = drawn(*shape) + 3 * np.sqrt(shape[-1]) * np.roll(np.eye(shape[-1]), 1, axis=0)
    if shape[-1] > 1:
        matrix[..., 0, 0] = 0.0
    return matrix


@pytest.mark.slow
@pytest.mark.parametrize("n", SIZES)
def test_agrees_with_numpy_where_rows_must_be_exchanged(n: int) -> None:
    a, b = well_posed(n, n), drawn(n, 3)
    np.testing.assert_allclose(solve(a, b), np.linalg.solve(a, b), rtol=0, atol=1e-13)
    np.testing.assert_allclose(inverse(a), np.linalg.inv(a), rtol=0, atol=1e-13)


def test_a_tiny_first_pivot_costs_no_digits() -> None:
    # Without an exchange of rows the second unknown would be 0: the textbook example, exact to 1e-20.
    found = solve(jnp.array([[1e-20, 1.0], [1.0, 1.0]]), jnp.array([[1.0], [2.0]]))
    np.testing.assert_allclose(found, [[1.0], [1.0]], rtol=1e-15)


def test_equal_pivots_are_no_tie_that_mixes_rows() -> None:
    a = np.array([[1.0, 1.0, 0.0], [-1.0, 1.0, 1.0], [1.0, -1.0, 1.0]])
    np.testing.assert_allclose(solve(a, np.eye(3)), np.linalg.inv(a), atol=1e-15)


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, UNROLLED, UNROLLED + 1])
def test_a_singular_matrix_gives_no_finite_solution_and_spoils_no_other(n: int) -> None:
    a, b = well_posed(3, n, n), drawn(3, n, 1)
    a[1] = 0.0
    found = np.asarray(jax.vmap(solve)(a, b))
    assert not np.isfinite(found[1]).any()
    for k in (0, 2):
        np.testing.assert_allclose(found[k], np.linalg.solve(a[k], b[k]), rtol=0, atol=1e-13)


@pytest.mark.parametrize("n", [3, UNROLLED + 1])
@pytest.mark.parametrize("size", [1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 5])
def test_every_matrix_of_a_batch_is_solved_whatever_the_pieces(n: int, size: int) -> None:
    a, b = well_posed(size, n, n), drawn(size, n, 2)
    np.testing.assert_allclose(jax.jit(jax.vmap(solve))(a, b), np.linalg.solve(a, b), rtol=0, atol=1e-12)


@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0)])
def test_nested_batches_and_shared_arguments(axes: tuple[int | None, int | None]) -> None:
    a, b = well_posed(5, 40, 4, 4), drawn(5, 40, 4, 2)
    inner_a, inner_b = (x if axis == 0 else x[:, 0] for x, axis in zip((a, b), axes, strict=True))
    found = jax.jit(jax.vmap(jax.vmap(solve, axes)))(inner_a, inner_b)
    full = (x if axis == 0 else np.broadcast_to(x[:, :1], x.shape) for x, axis in zip((a, b), axes, strict=True))
    np.testing.assert_allclose(found, np.linalg.solve(*full), rtol=0, atol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("n", [4, UNROLLED + 1])
def test_derivatives_of_first_and_second_order_under_vmap(n: int) -> None:
    a, b, direction = well_posed(6, n, n), drawn(6, n, 2), drawn(n, n) / n

    def line(t: jax.Array) -> jax.Array:
        return jax.vmap(lambda m, r: solve(m + t * direction, r))(jnp.asarray(a), jnp.asarray(b))

    # X(t) = (A + t B)^-1 R: X' = -A^-1 B X, X'' = 2 (A^-1 B)^2 X.
    turned = np.linalg.solve(a, np.broadcast_to(direction, a.shape))
    x = np.linalg.solve(a, b)
    np.testing.assert_allclose(jax.jacfwd(line)(0.0), -turned @ x, rtol=0, atol=1e-12)
    np.testing.assert_allclose(jax.jacrev(line)(0.0), -turned @ x, rtol=0, atol=1e-12)
    np.testing.assert_allclose(jax.jacfwd(jax.jacrev(line))(0.0), 2 * turned @ turned @ x, rtol=0, atol=1e-11)


def test_two_independent_solutions_over_a_long_batch_end() -> None:
    # jaxlib 0.10.2 on two cores: two library solutions in one program hang from some thousands on.
    a = well_posed(20_000, 4, 4)
    b = np.swapaxes(a, 1, 2) + 0.5
    both = jax.jit(jax.vmap(lambda a, b: solve(a, b) + solve(b, a)))(a, b)
    np.testing.assert_allclose(both[::997], np.linalg.solve(a, b)[::997] + np.linalg.solve(b, a)[::997], rtol=1e-9)


def test_points_without_a_stabilising_solution_spoil_no_other_of_their_piece() -> None:
    # Points of a piece are doubled together: one that is no number or grows unseen must not touch the rest.
    size = PIECE + 3
    a, c, root = drawn(size, 4, 4), drawn(size, 2, 4), drawn(size, 4, 4)
    bad = np.arange(0, size, 5)
    a[bad], c[bad, :, 0] = np.diag([1.0, -1.0, -2.0, -3.0]), 0.0  # the first quadrature grows, and no output holds it
    a[bad[1]] = np.nan
    d, n, r = root @ np.swapaxes(root, 1, 2), np.zeros((size, 4, 2)), np.broadcast_to(np.eye(2), (size, 2, 2))
    found = np.asarray(jax.jit(jax.vmap(stationary))(a, d, c, n, r))
    assert np.isnan(found[bad]).all()
    for k in sorted(set(range(size)) - set(bad.tolist())):
        expected = solve_continuous_are(a[k].T, c[k].T, d[k], r[k])
        np.testing.assert_allclose(found[k], expected, rtol=0, atol=1e-8 * np.abs(expected).max())


def test_nothing_to_solve() -> None:
    assert solve(jnp.zeros((0, 0)), jnp.zeros((0, 2))).shape == (0, 2)
    assert solve(jnp.eye(2), jnp.zeros((2, 0))).shape == (2, 0)
