"""Is a Hermitian matrix positive: the pivots of its elimination say so exactly, without eigenvalues.

All pivots are positive if and only if the matrix is (Sylvester's law of inertia), and the smallest one is never below
the smallest eigenvalue. Array operations only, for the reason given in `elimination`.
"""

from __future__ import annotations

from typing import Any

from darkstate.backend import jnp


def smallest_pivot(matrix: Any) -> Any:
    """Smallest pivot of a Hermitian matrix [... n n], relative to its largest element [...].

    Elimination stops to mean anything at the first pivot that is not positive; that one is returned. Not a number where
    the matrix holds an infinity or not a number.

    Example:
        >>> print(smallest_pivot(jnp.array([[2.0, 1.0], [1.0, 2.0]])))
        0.75
        >>> print(smallest_pivot(jnp.array([[1.0, 2.0], [2.0, 1.0]])))
        -1.5
    """
    largest = jnp.abs(matrix).max((-2, -1))
    rest = matrix / jnp.where(largest == 0, 1.0, largest)[..., None, None]
    found = jnp.full(largest.shape, jnp.inf)
    for _ in range(matrix.shape[-1]):
        pivot = rest[..., 0, 0].real
        found = jnp.where(found > 0, jnp.minimum(found, pivot), found)
        column = rest[..., 1:, 0]
        safe = jnp.where(pivot > 0, pivot, 1.0)[..., None, None]
        rest = rest[..., 1:, 1:] - column[..., :, None] * column[..., None, :].conj() / safe
    return jnp.where(jnp.isfinite(largest), found, jnp.nan)
