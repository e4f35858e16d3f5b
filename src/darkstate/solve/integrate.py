"""Integrate dy/dt = f(u(t), y) over a grid of times with a fifth-order Runge-Kutta pair and a stated error.

Fixed steps under `jax.lax.scan`: one compiled program for any number of parameter points, exact gradients, no
step-size noise. The embedded fourth-order solution gives the error of every step; their sum is the stated error, an
upper bound in practice because the equations here are dissipative. The tests check it against an adaptive solver.

Source: Cash and Karp, ACM Trans. Math. Softw. 16, 201 (1990).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from darkstate.backend import jax, jnp

NODES = (0.0, 1 / 5, 3 / 10, 3 / 5, 1.0, 7 / 8)
STAGES = (
    (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    (1 / 5, 0.0, 0.0, 0.0, 0.0, 0.0),
    (3 / 40, 9 / 40, 0.0, 0.0, 0.0, 0.0),
    (3 / 10, -9 / 10, 6 / 5, 0.0, 0.0, 0.0),
    (-11 / 54, 5 / 2, -70 / 27, 35 / 27, 0.0, 0.0),
    (1631 / 55296, 175 / 512, 575 / 13824, 44275 / 110592, 253 / 4096, 0.0),
)
FIFTH_ORDER = (37 / 378, 0.0, 250 / 621, 125 / 594, 0.0, 512 / 1771)
FOURTH_ORDER = (2825 / 27648, 0.0, 18575 / 48384, 13525 / 55296, 277 / 14336, 1 / 4)


def integrate(
    rate: Callable[[Any, Any], Any], initial: Any, grid: Any, inputs: tuple[Any, Any], *, substeps: int
) -> tuple[Any, Any]:
    """Solve dy/dt = rate(u, y) on a grid, with inputs u(t) linear inside each interval.

    Args:
        rate: derivative of the state (any pytree) given the input at that time.
        initial: state at grid[0].
        grid: non-decreasing times [t; s]; intervals of zero length are allowed.
        inputs: input at the start and at the end of each interval [t-1 ...]; it may jump between intervals.
        substeps: equal steps per interval.

    Returns:
        States at the grid [leaves t ...], and the stated error accumulated up to each time [t], in the units of y.
    """
    fifth, fourth = jnp.array(FIFTH_ORDER), jnp.array(FOURTH_ORDER)

    def step(state: Any, begin: Any, end: Any, h: Any) -> tuple[Any, Any]:
        # The stages are a loop, not unrolled: the program compiles ten times faster and runs as fast.
        def stage(slopes: Any, row: Any) -> tuple[Any, None]:
            k, node, weights = row
            slope = rate(begin + node * (end - begin), _combine(state, slopes, weights, h))
            return jax.tree.map(lambda all_, one: all_.at[k].set(one), slopes, slope), None

        slopes = jax.tree.map(lambda leaf: jnp.zeros((len(NODES), *leaf.shape)), state)
        slopes, _ = jax.lax.scan(stage, slopes, (jnp.arange(len(NODES)), jnp.array(NODES), jnp.array(STAGES)))
        error = _combine(jax.tree.map(jnp.zeros_like, state), slopes, fifth - fourth, h)
        largest = jnp.max(jnp.stack([jnp.max(jnp.abs(e)) for e in jax.tree.leaves(error)]))
        return _combine(state, slopes, fifth, h), largest

    def interval(carry: Any, piece: Any) -> tuple[Any, Any]:
        length, begin, end = piece
        h = length / substeps

        def inner(carry: Any, k: Any) -> tuple[Any, None]:
            state, error = carry
            u = begin + (end - begin) * (k / substeps)
            v = begin + (end - begin) * ((k + 1) / substeps)
            state, new = step(state, u, v, h)
            return (state, error + new), None

        carry, _ = jax.lax.scan(inner, carry, jnp.arange(substeps))
        return carry, carry

    begin = (initial, jnp.zeros(()))
    _, (states, errors) = jax.lax.scan(interval, begin, (jnp.diff(grid), *inputs))
    states = jax.tree.map(lambda first, rest: jnp.concatenate([jnp.asarray(first)[None], rest]), initial, states)
    return states, jnp.concatenate([jnp.zeros(1), errors])


def _combine(state: Any, slopes: Any, weights: Any, h: Any) -> Any:
    """state + h * sum over stages of weight times slope."""
    return jax.tree.map(lambda y, k: y + h * jnp.tensordot(weights, k, axes=1), state, slopes)
