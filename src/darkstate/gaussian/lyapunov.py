"""The Lyapunov equation A V + V A^T + D = 0 and the exact motion towards its solution.

Up to three modes it is one linear system for the upper triangle of V; beyond, doubling of the Cayley transform. Neither
needs eigenvectors, which fail where drift matrices are nearly defective (matched oscillators). Down: nothing; up:
`solve`. The certificate of stability is P, the solution for D = 1: A is stable if and only if P is positive, and the
slowest amplitude decays at no less than 1/(2 max eig P).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.gaussian.elimination import eliminate, inverse, over_batches

DIRECT = 6
"""Largest number of quadratures for the direct route."""

DOUBLINGS = 48


def lyapunov(drift: Any, diffusion: Any) -> Any:
    """Solve A V + V A^T + D = 0 for symmetric D; differentiable to any order, also under vmap.

    Args:
        drift: A [q q]; diffusion: D [... q q], several right-hand sides share one factorisation.

    Returns:
        V [... q q]; infinite or not a number where A has eigenvalues that sum to zero. Stability is not checked here.

    Example:
        >>> print(lyapunov(jnp.array([[-1.0]]), jnp.array([[3.0]])))
        [[1.5]]
    """
    drift, diffusion = jnp.asarray(drift, float), jnp.asarray(diffusion, float)
    q = drift.shape[-1]
    if q == 0:
        return diffusion

    def found(a: Any, d: Any) -> Any:
        if q > DIRECT:
            return _doubling(a, d)
        return _direct(a, d.reshape(-1, q)).reshape(d.shape)

    return jax.lax.custom_linear_solve(
        lambda v: -(drift @ v + v @ drift.T),
        diffusion,
        lambda _, d: found(drift, d),
        lambda _, d: found(drift.T, d),
    )


def stability(drift: Any) -> Any:
    """P with A P + P A^T + 1 = 0 [q q]; positive if and only if A is stable.

    Example:
        >>> print(stability(jnp.array([[-2.0]])))
        [[0.25]]
    """
    return lyapunov(drift, jnp.eye(drift.shape[-1]))


@cache
def _triangle(q: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices of the upper triangle, the place of each element in it [q^2], and A -> Kronecker sum on it [h^2 q^2]."""
    rows, columns = np.triu_indices(q)
    h = len(rows)
    place = np.zeros((q, q), int)
    place[rows, columns] = place[columns, rows] = np.arange(h)
    linear = np.zeros((h, h, q, q))
    for r, (i, j) in enumerate(zip(rows, columns, strict=True)):
        for k in range(q):
            linear[r, place[k, j], i, k] += 1
            linear[r, place[i, k], j, k] += 1
    return rows * q + columns, place.ravel(), linear.reshape(h * h, q * q)


@over_batches
def _direct(drift: Any, diffusion: Any) -> Any:
    """One linear system for the upper triangle: A [q q b], several D below each other [r q, q b] -> V like D."""
    q, size = drift.shape[1:]
    upper, place, linear = _triangle(q)
    h = len(upper)
    scale = jnp.abs(drift).max((0, 1))
    scale = jnp.where(scale == 0, 1.0, scale)
    matrix = (linear @ (drift / scale).reshape(q * q, size)).reshape(h, h, size)
    d = diffusion.reshape(-1, q, q, size)
    known = (d + jnp.swapaxes(d, 1, 2)).reshape(-1, q * q, size)[:, upper] / (-2 * scale)
    return jnp.swapaxes(eliminate(matrix, jnp.swapaxes(known, 0, 1))[place], 0, 1).reshape(diffusion.shape)


def _doubling(drift: Any, diffusion: Any) -> Any:
    # V = sum_k F^k Q F^T^k with the Cayley transform F; squaring F doubles the number of terms.
    eye = jnp.eye(drift.shape[-1])
    shift = jnp.sqrt(_norm(drift) / _norm(inverse(drift)))
    left = inverse(shift * eye - drift)
    first = left @ (shift * eye + drift), 2 * shift * left @ diffusion @ left.T

    def double(carry: Any, _: Any) -> tuple[Any, None]:
        f, v = carry
        # Terms that no longer count are dropped, so that F may underflow without harm.
        f = jnp.where(jnp.abs(f).max() < 1e-40, 0.0, f)
        return (f @ f, v + f @ v @ f.T), None

    return jax.lax.scan(double, first, None, length=DOUBLINGS)[0][1]


def _norm(matrix: Any) -> Any:
    return jnp.sqrt((matrix**2).sum())


def propagate(drift: Any, diffusion: Any, time: Any) -> tuple[Any, Any]:
    """Exact motion over a time: x -> F x, V -> F V F^T + Q.

    Formula: F = e^{A t}, Q = integral_0^t e^{A s} D e^{A^T s} ds, both from one exponential (Van Loan 1978).

    Args:
        drift: A [q q; 1/s]; diffusion: D [q q]; time: [s].

    Returns:
        F [q q], Q [q q].

    Example:
        >>> f, q = propagate(jnp.array([[-1.0]]), jnp.array([[2.0]]), 0.5)
        >>> print(f"{f[0, 0]:.6f} {q[0, 0]:.6f}")
        0.606531 0.632121
    """
    q = drift.shape[-1]
    steps, t = halvings(_norm(drift), time)
    # One column block of the exponential of ((A, D), (0, -A^T)) over a short time, then doubling: long times would make
    # the block with -A overflow.
    whole = short_exponential(jnp.block([[drift, diffusion], [jnp.zeros((q, q)), -drift.T]]) * t)
    f = whole[:q, :q]
    moved = whole[:q, q:] @ f.T

    def double(carry: Any, k: Any) -> tuple[Any, None]:
        f, v = carry
        return jax.tree.map(lambda new, old: jnp.where(k < steps, new, old), (f @ f, v + f @ v @ f.T), (f, v)), None

    (f, moved), _ = jax.lax.scan(double, (f, moved), jnp.arange(HALVINGS))
    return f, (moved + moved.T) / 2


HALVINGS = 40
TERMS = 18


def halvings(rate: Any, time: Any) -> tuple[Any, Any]:
    """How often a time is halved until rate times time is below 1/2, and what is left of it [s]."""
    steps = jnp.clip(jnp.ceil(jnp.log2(jnp.maximum(rate * time, 2.0**-20))) + 1, 0, HALVINGS)
    return jax.lax.stop_gradient(steps), time / 2.0 ** jax.lax.stop_gradient(steps)


def short_exponential(matrix: Any) -> Any:
    """e^matrix for a norm of at most about 1, from its series: the first term left out is below 1e-16."""
    eye = jnp.eye(matrix.shape[-1])

    def term(total: Any, k: Any) -> tuple[Any, None]:
        return eye + matrix @ total / k, None

    return jax.lax.scan(term, eye, jnp.arange(TERMS, 0, -1.0))[0]
