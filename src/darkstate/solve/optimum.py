"""optimum: the bounded minimum of a smooth function of one variable, batched and differentiable.

    x* = argmin f(x), low <= x <= high;   dx*/dp = -(d2f/dx dp)/(d2f/dx2),  df*/dp = df/dp

A scan brackets the lowest point of a grid, bisection of the derivative finds it to rounding, and one Newton step from
the frozen optimum carries the derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError

GRID = 65
HALVINGS = 52


def optimum(function: Callable[[Any], Any], low: float, high: float) -> tuple[Any, Any]:
    """Minimise a scalar function between two bounds; works under jit, vmap and grad.

    Args:
        function: smooth scalar function of one number, written with `jax.numpy`.
        low, high: bounds; an optimum at a bound is returned as that bound.

    Returns:
        (x*, f(x*)); not a number where the function is none at the optimum.

    Validity: the lowest of 65 grid points must be a neighbour of the minimum (no structure narrower than the grid); the
    derivative of x* needs a positive second derivative there.

    Raises:
        ArgumentError: the bounds are not in order.

    Example:
        >>> x, f = optimum(lambda x: (x - 2.0) ** 2 + 1.0, 0.0, 5.0)
        >>> print(f"{x:.6f} {f:.6f}")
        2.000000 1.000000
    """
    if not any(isinstance(x, jax.core.Tracer) for x in (low, high)) and not low < high:
        raise ArgumentError(f"Arguments `low` and `high` must satisfy low < high, but are {low} and {high}.")
    slope = jax.grad(function)
    grid = jnp.linspace(low, high, GRID)
    k = jnp.argmin(jax.vmap(function)(grid))
    bracket = grid[jnp.maximum(k - 1, 0)], grid[jnp.minimum(k + 1, GRID - 1)]

    def halve(_: int, ends: Any) -> Any:
        a, b = ends
        middle = (a + b) / 2
        falling = slope(middle) < 0
        return jnp.where(falling, middle, a), jnp.where(falling, b, middle)

    a, b = jax.lax.stop_gradient(jax.lax.fori_loop(0, HALVINGS, halve, bracket))
    found = (a + b) / 2
    inside = (found - low > 1e-9 * (high - low)) & (high - found > 1e-9 * (high - low))
    curvature = jax.grad(slope)(found)
    newton = found - slope(found) / jax.lax.stop_gradient(jnp.where(curvature > 0, curvature, 1.0))
    best = jnp.where(inside, newton, jnp.where(found - low < high - found, low, high))
    value = function(best)
    return jnp.where(jnp.isnan(value), jnp.nan, best), value
