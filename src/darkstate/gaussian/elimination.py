"""Small linear systems solved by elimination, written in array operations only; batches of small matrices.

The library routines behind `jax.numpy.linalg.solve` and `inv` hand a batch to the thread pool they run on: on a machine
with few cores two of them side by side wait for each other for ever (seen with jaxlib 0.10.2, two cores, batches from
some thousands on), and they are slower. Here the batch is the last axis, over which every operation is one loop, and
long batches are worked off in pieces that stay in the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from darkstate.backend import jax, jnp

PIECE = 48
"""Matrices worked on together on a CPU: measured as the fastest of 16 to 128 for two modes."""


def solve(matrix: Any, right: Any) -> Any:
    """X with matrix X = right, by elimination with row pivoting; differentiable to any order.

    Args:
        matrix: [n n]; right: [n m].

    Returns:
        X [n m]; infinite or not a number where the matrix is singular.

    Example:
        >>> print(solve(jnp.array([[0.0, 2.0], [4.0, 0.0]]), jnp.array([[2.0], [4.0]])))
        [[1.]
         [1.]]
    """
    if matrix.shape[-1] == 0 or right.shape[-1] == 0:
        return right
    return jax.lax.custom_linear_solve(
        lambda x: matrix @ x,
        right,
        lambda _, b: _solve(matrix, b),
        lambda _, b: _solve(matrix.T, b),
    )


def inverse(matrix: Any) -> Any:
    """The inverse [n n], as `solve`.

    Example:
        >>> print(inverse(jnp.array([[4.0]])))
        [[0.25]]
    """
    return solve(matrix, jnp.eye(matrix.shape[-1]))


def over_batches(core: Callable[..., Any]) -> Callable[..., Any]:
    """A function of single matrices, made of one that takes batches of them along a last axis.

    Args:
        core: arrays [n m b] to an array [r s b]. It is not differentiated: the caller gives the derivatives.

    Returns:
        The same for arrays [n m]; under `jax.vmap`, nested or not, `core` gets the batch.

    Example:
        >>> print(jax.vmap(over_batches(product), (0, None))(jnp.ones((2, 1, 3)), jnp.ones((3, 1)))[:, 0, 0])
        [3. 3.]
    """

    @jax.custom_batching.custom_vmap
    def leading(*arrays: Any) -> Any:
        return _in_pieces(core, arrays)

    @leading.def_vmap
    def _(size: int, batched: list[bool], *arrays: Any) -> tuple[Any, bool]:
        full = [a if b else jnp.broadcast_to(a, (size, *a.shape)) for a, b in zip(arrays, batched, strict=True)]
        found = leading(*(a.reshape(-1, *a.shape[2:]) for a in full))
        return found.reshape(size, -1, *found.shape[1:]), True

    return lambda *arrays: leading(*(a[None] for a in arrays))[0]


def product(left: Any, right: Any) -> Any:
    """Matrix products along the last axis: [n k b], [k m b] -> [n m b].

    Example:
        >>> print(product(jnp.full((1, 1, 2), 2.0), jnp.full((1, 1, 2), 3.0)))
        [[[6. 6.]]]
    """
    return (left[:, :, None] * right[None]).sum(1)


def _in_pieces(core: Callable[..., Any], arrays: tuple[Any, ...]) -> Any:
    """`core` on arrays [b n m] whose batch comes first."""
    size = arrays[0].shape[0]
    piece = min(size, PIECE) if jax.default_backend() == "cpu" else size

    def at(start: Any) -> Any:
        cut = (jax.lax.dynamic_slice_in_dim(a, start, piece) for a in arrays)
        return jnp.moveaxis(core(*(jnp.moveaxis(c, 0, -1) for c in cut)), -1, 0)

    if piece == size:
        return at(0)

    def fill(k: Any, found: Any) -> Any:
        # Starts beyond the end are moved back to it, here and in the cut: the last piece overlaps the one before.
        return jax.lax.dynamic_update_slice_in_dim(found, at(k * piece), k * piece, 0)

    whole = jax.eval_shape(at, 0)
    return jax.lax.fori_loop(0, -(-size // piece), fill, jnp.zeros((size, *whole.shape[1:]), whole.dtype))


UNROLLED = 12
"""Up to this size the columns are written out, each with a smaller rest; beyond, compiling would take long."""


def eliminate(matrix: Any, right: Any) -> Any:
    """X with matrix X = right for batches along the last axis: [n n b], [n m b] -> [n m b].

    Example:
        >>> print(eliminate(jnp.full((1, 1, 2), 2.0), jnp.full((1, 1, 2), 3.0)))
        [[[1.5 1.5]]]
    """
    n = matrix.shape[0]
    both = jnp.concatenate([matrix, right], axis=1)
    return _written_out(both, n) if n <= UNROLLED else _in_a_loop(both, n)[0]


def size_of_determinant(matrix: Any) -> Any:
    """|det| for batches along the last axis: [n n b] -> [b].

    Example:
        >>> print(size_of_determinant(jnp.array([[0.0, 2.0], [3.0, 1.0]])[:, :, None]))
        [6.]
    """
    return _in_a_loop(matrix, matrix.shape[0])[1]


def _written_out(rest: Any, n: int) -> Any:
    """Gauss elimination and back substitution."""
    pivots = []
    for _ in range(n):
        hit = jnp.arange(rest.shape[0])[:, None] == jnp.argmax(jnp.abs(rest[:, 0]), axis=0)
        pivot = jnp.where(hit[:, None], rest, 0.0).sum(0)
        pivots.append(pivot)
        rest = jnp.where(hit[1:, None], rest[0], rest[1:])
        rest = rest[:, 1:] - (rest[:, 0] / pivot[0])[:, None] * pivot[1:]
    found = pivots[-1][None, 1:] / pivots[-1][0]
    for c in reversed(range(n - 1)):
        pivot = pivots[c]
        known = pivot[n - c :] - (pivot[1 : n - c, None] * found).sum(0)
        found = jnp.concatenate([known[None] / pivot[0], found])
    return found


def _in_a_loop(both: Any, n: int) -> tuple[Any, Any]:
    """Gauss-Jordan elimination; rows stay in place and are put in order at the end. Also |det| [b]."""
    rows = jnp.arange(n)[:, None]

    def column(c: Any, carry: Any) -> Any:
        both, order, size = carry
        here = both[:, c]
        hit = rows == jnp.argmax(jnp.where(order < 0, jnp.abs(here), -1.0), axis=0)
        pivot = jnp.where(hit[:, None], both, 0.0).sum(0)
        scaled = pivot / pivot[c]
        both = jnp.where(hit[:, None], scaled, both - here[:, None] * scaled)
        return both, jnp.where(hit, c, order), size * jnp.abs(pivot[c])

    batch = both.shape[-1]
    start = both, jnp.full((n, batch), -1), jnp.ones(batch)
    both, order, size = jax.lax.fori_loop(0, n, column, start)
    return jnp.take_along_axis(both[:, n:], jnp.argsort(order, axis=0)[:, None], axis=0), size


_each = over_batches(eliminate)


@jax.custom_batching.custom_vmap
def _solve(matrix: Any, right: Any) -> Any:
    return _each(matrix, right)


@_solve.def_vmap
def _(size: int, batched: list[bool], matrix: Any, right: Any) -> tuple[Any, bool]:
    if not batched[0]:
        # One matrix for the whole batch, as in a network that only its components change: one elimination will do.
        return (_solve(matrix, jnp.eye(matrix.shape[-1]))[:, :, None] * right[:, None]).sum(2), True
    return jax.vmap(_each, (0, 0 if batched[1] else None))(matrix, right), True
