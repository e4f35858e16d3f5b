"""constraints: the bounded minimum of a smooth function where other functions must not be exceeded.

    x* = argmin f(x),  low <= x <= high,  g_i(x) <= 0

Augmented Lagrangian: the minimum of f + sum_i [max(0, l_i + r g_i)^2 - l_i^2]/(2 r) between the bounds is found by
`solve.optimum`, again and again, with l_i <- max(0, l_i + r g_i) in between. Where this settles, l_i are the
multipliers of Karush, Kuhn and Tucker: grad f + sum_i l_i grad g_i = 0 on the variables inside, l_i >= 0, l_i g_i = 0,
so that relaxing g_i <= 0 to g_i <= e gains l_i e. Each g_i counts in units of its spread between the bounds, so that a
limit that the variables hardly change is not taken for one that is nearly kept; a weight r that does not bring its
limit closer grows faster. Everything is one traceable program: a grid of such minima is a vmap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from darkstate.backend import jax, jnp
from darkstate.solve.optimum import SCAN_PER_VARIABLE, even, optimum

ROUNDS = 12
STIFFNESS = 10.0
"""First weight r of a limit, in units of the size of f."""

GROWTH, STIFFEST = 3.0, 1e4
FASTER, SLOW = 10.0, 0.25
"""Growth of the weight of a limit whose excess was not brought below this share of what it was."""

_SPREAD = jnp.array([0.1, 0.9])  # quantiles: a figure may grow without bound where a steady state ends
KEPT = 1e-6
"""Excess up to which a limit counts as kept, and from which it counts as not touched below it."""


class Constrained(NamedTuple):
    """A constrained minimum.

    Args:
        x: where it is [n]; value: f there; excess: g there [c], above 0 = not kept; multipliers: l [c], in units of f.
    """

    x: Any
    value: Any
    excess: Any
    multipliers: Any


def constrained(
    function: Callable[[Any], tuple[Any, Any]], low: Any, high: Any, *, size: Any = 1.0, starts: int = 4
) -> Constrained:
    """Minimise a function under inequalities between bounds; works under jit and vmap.

    Formula: see the head of this file. Source: Powell; Hestenes; Rockafellar (1973) for inequalities.

    Args:
        function: of an array [n], written with `jax.numpy`; gives f and g [c], all smooth. g may be in any units.
            c = 0 is the plain optimum. Points where f or a g is no number are never chosen.
        low, high: bounds [n].
        size: typical size of f, which sets how stiff a limit is; a factor of ten does not matter.
        starts: of each search, see `solve.optimum`.

    Returns:
        `Constrained`; an excess above `KEPT` says that no point was found that keeps the limits. All numbers are nan
        where f is none at every point of the scan.

    Validity: f and g twice differentiable near the minimum.

    Example:
        >>> found = constrained(lambda x: ((x[0] - 2) ** 2 + x[1] ** 2, (x[:1] + x[1:] - 1)), [0.0, 0.0], [3.0, 3.0])
        >>> print(f"{found.x[0]:.6f} {found.x[1]:.6f} {found.multipliers[0]:.6f}")
        1.000000 0.000000 2.000000
    """
    low, high = jnp.asarray(low, float), jnp.asarray(high, float)
    count = jax.eval_shape(function, low)[1].size
    if count == 0:
        x, value = optimum(_forward(lambda x: function(x)[0]), low, high, starts=starts)
        return Constrained(x, value, jnp.zeros(0), jnp.zeros(0))
    spread = _spreads(function, low, high)
    first, stiffest = (jnp.full(count, 1.0) * weight * size for weight in (STIFFNESS, STIFFEST))

    def pushing(x: Any, multipliers: Any, stiffness: Any) -> Any:
        value, excess = function(x)
        return lagrangian(value, excess / spread, multipliers, stiffness)

    pushed = _forward(pushing)

    def advance(carry: tuple[Any, Any, Any], _: None) -> tuple[tuple[Any, Any, Any], Any]:
        multipliers, stiffness, before = carry
        x, _ = optimum(lambda x: pushed(x, multipliers, stiffness), low, high, starts=starts)
        excess = function(x)[1] / spread
        after = jnp.maximum(0.0, multipliers + stiffness * excess)
        stuck = (stiffness >= stiffest) & (excess > jnp.maximum(KEPT, SLOW * before))
        stiffer = jnp.where(
            stuck, FASTER * stiffness, jnp.maximum(stiffness, jnp.minimum(GROWTH * stiffness, stiffest))
        )
        return (after, stiffer, excess), x

    begin = (jnp.zeros(count), first, jnp.full(count, jnp.inf))
    (multipliers, *_), places = jax.lax.scan(advance, begin, None, length=ROUNDS)
    x = places[-1]
    value, excess = function(x)
    return Constrained(x, value, excess, multipliers / spread)


def _spreads(function: Callable[[Any], tuple[Any, Any]], low: Any, high: Any) -> Any:
    """The range of each g between the bounds, without its extremes [c]; 1 where g is a constant or never a number."""
    places = low + even(SCAN_PER_VARIABLE * low.size, low.size) * (high - low)
    found = jax.lax.map(lambda x: function(x)[1], places)
    lowest, highest = jnp.nanquantile(jnp.where(jnp.isfinite(found), found, jnp.nan), _SPREAD, axis=0)
    widest = jnp.where(highest > lowest, highest - lowest, 1.0)
    return jnp.where(jnp.isfinite(widest), widest, 1.0)


def _forward(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose gradient in its first argument is taken forwards, and in the others is not known.

    For the few variables of a search this compiles in half the time and keeps no history of an integration.
    """

    @jax.custom_vjp
    def forward(x: Any, *others: Any) -> Any:
        return function(x, *others)

    def there(x: Any, *others: Any) -> tuple[Any, Any]:
        def twice(x: Any) -> tuple[Any, Any]:
            value = function(x, *others)
            return value, value

        slope, value = jax.jacfwd(twice, has_aux=True)(x)
        return value, (slope, others)

    def back(kept: tuple[Any, Any], cotangent: Any) -> tuple[Any, ...]:
        slope, others = kept
        return (cotangent * slope, *(jnp.full_like(other, jnp.nan) for other in others))

    forward.defvjp(there, back)
    return forward


def lagrangian(value: Any, excess: Any, multipliers: Any, stiffness: Any) -> Any:
    """Value plus what the limits cost: f + sum_i [max(0, l_i + r g_i)^2 - l_i^2]/(2 r).

    Args:
        value: f; excess: g [c]; multipliers: l [c]; stiffness: r above 0, one or [c], in units of f too.

    Example:
        >>> print(lagrangian(1.0, jnp.array([0.5, -3.0]), jnp.array([2.0, 0.0]), 1.0))
        2.125
    """
    pushed = jnp.maximum(0.0, multipliers + stiffness * excess)
    return value + jnp.sum((pushed**2 - multipliers**2) / (2 * stiffness))
