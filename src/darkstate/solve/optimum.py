"""optimum: the bounded minimum of a smooth function of one or a few variables, batched and differentiable.

    x* = argmin f(x), low <= x <= high;   dx*/dp = -(d2f/dx dx)^-1 (d2f/dx dp) on the variables inside,  df*/dp = df/dp

One variable: a scan brackets the lowest point of a grid, bisection of the derivative finds it to rounding, and one
Newton step from the frozen optimum carries the derivatives.

Several: the lowest points of an even scan of the box, kept apart from each other, start damped Newton searches with
exact second derivatives; variables that a bound holds leave the search; the lowest end is the optimum. The searches
see no derivative with respect to parameters: the last lines of `_box` attach them by the implicit function theorem.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError

GRID = 65
HALVINGS = 52

SCAN_PER_VARIABLE = 32
SCAN_PER_START = 4
ITERATIONS = 60
FIRST_DAMPING = 1e-2
NOISE = 1e-12  # relative rounding of a function with some cancellation
SMALLEST_STEP = 1e-15  # of the width of the box
SETTLED = 1e-6  # Newton step, of the width of the box, beyond which a point is no minimum
FLAT = 1e-12  # loss of digits in a pivot beyond which a direction has no curvature


def optimum(
    function: Callable[[Any], Any], low: Any, high: Any, *, starts: int = 4, scan: int | None = None
) -> tuple[Any, Any]:
    """Minimise a scalar function between bounds; works under jit, vmap and grad.

    Formula: with B the variables held by a bound and F the others, dx_F*/dp = -(d2f/dx_F dx_F)^-1 d2f/dx_F dp, x_B* is
    its bound, and df*/dp = df/dp at fixed x_F. Source: implicit function and envelope theorem.

    Args:
        function: smooth scalar function, written with `jax.numpy`, of one number, or of an array [n].
        low, high: bounds, both numbers or both [n], n up to about 5; in the units of x.
        starts: local searches (only for [n]). Repeating with 24 is how to confirm an optimum found with 4.
        scan: points looked at before the searches (only for [n]); 32 n, but at least 4 per start, if not given.

    Returns:
        (x*, f(x*)), x* shaped as the bounds; a variable held by a bound is exactly that bound. Both are not a number
        where the function is none at the optimum (one variable) or at every point of the scan ([n]).

    Validity: one variable: the lowest of 65 grid points must be a neighbour of the minimum (no structure narrower than
        the grid), and the derivative of x* needs a positive second derivative there. [n]: the lowest well must hold one
        of the starts; points where the function is nan or infinite are never chosen and no search enters them, but a
        function that falls all the way to such a region has no minimum, and a point beside it is returned. Where the
        curvature is not positive, or no minimum was reached, the derivative of x* is nan. x* carries first
        derivatives only; f*, first and second ones.

    Raises:
        ArgumentError: the bounds are not in order, are infinite or differ in shape; `function` is no scalar;
            starts < 1 or scan < starts.

    Example:
        >>> x, f = optimum(lambda x: (x - 2.0) ** 2 + 1.0, 0.0, 5.0)
        >>> print(f"{x:.6f} {f:.6f}")
        2.000000 1.000000
        >>> x, f = optimum(lambda x: (x[0] - 1.0) ** 2 + (x[1] - x[0] - 3.0) ** 2, [0.0, 0.0], [5.0, 2.0])
        >>> print(f"{x[0]:.6f} {x[1]:.6f} {f:.6f}")
        0.000000 2.000000 2.000000
    """
    if np.ndim(low) == 0 and np.ndim(high) == 0:
        return _line(function, low, high)
    _refuse(low, high, starts, scan)
    low, high = jnp.asarray(low, float), jnp.asarray(high, float)
    shape = getattr(jax.eval_shape(function, low), "shape", None)
    if shape != ():
        raise ArgumentError(f"Argument `function` must return one number, but returns shape {shape}; sum or pick one.")
    points = max(SCAN_PER_VARIABLE * low.size, SCAN_PER_START * starts) if scan is None else scan
    return _box(function, low, high, starts, points)


def _refuse(low: Any, high: Any, starts: int, scan: int | None) -> None:
    """Raise unless bounds and counts can be used; the order of traced bounds is not known and not checked."""
    shapes = np.shape(low), np.shape(high)
    if shapes[0] != shapes[1] or len(shapes[0]) != 1 or shapes[0] == (0,):
        raise ArgumentError(
            f"Arguments `low` and `high` must both be numbers or both have shape [n], but have shapes "
            f"{shapes[0]} and {shapes[1]}; give every variable a lower and an upper bound."
        )
    if not any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves((low, high))):
        pairs = list(zip(np.asarray(low, float), np.asarray(high, float), strict=True))
        for k, (a, b) in enumerate(pairs):
            if not (a < b and np.isfinite(b - a)):
                raise ArgumentError(
                    f"Arguments `low` and `high` must be finite and satisfy low < high, but are {a} and {b} "
                    f"at variable {k}; to hold a variable, leave it out of the search."
                )
    if starts < 1:
        raise ArgumentError(f"Argument `starts` must be at least 1, but is {starts}; 4 is usual, 24 confirms.")
    if scan is not None and scan < starts:
        raise ArgumentError(
            f"Argument `scan` must be at least `starts` ({starts}), but is {scan}; leave it out for 32 per variable."
        )


def _line(function: Callable[[Any], Any], low: Any, high: Any) -> tuple[Any, Any]:
    """The minimum of a function of one number."""
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


def _box(function: Callable[[Any], Any], low: Any, high: Any, starts: int, scan: int) -> tuple[Any, Any]:
    """The minimum of a function of an array [n]."""
    # Parameters inside `function` become arguments, so that the searches can be cut off from their derivatives:
    # reverse mode cannot cross a while loop, and would have nothing to find there.
    explicit, parameters = jax.closure_convert(function, low)
    fixed_low, width, fixed = jax.lax.stop_gradient((low, high - low, parameters))

    def inside(u: Any) -> Any:
        return explicit(fixed_low + u * width, *fixed)

    first = _apart(jax.vmap(inside)(even(scan, low.size)), even(scan, low.size), starts)
    ends = jax.vmap(lambda u: _descend(inside, u))(first)
    best = jax.tree.map(lambda leaf: leaf[jnp.argmin(ends.f)], ends)

    free = _free(best.u, best.g)
    place = jnp.where(free, fixed_low + best.u * width, jnp.where(best.u < 0.5, low, high))
    slope = jnp.where(free, jax.grad(explicit)(place, *parameters), 0.0)
    inverse, settled = _inverse(best.g, best.h, free)
    x = _carry(place, slope, inverse * jnp.outer(width, width))
    # By the envelope theorem df* needs no dx*, which is nan in a flat valley although df* is well defined.
    value = explicit(jnp.where(settled, x, place), *parameters)
    known = jnp.isfinite(best.f)
    return jnp.where(known, x, jnp.nan), jnp.where(known, value, jnp.nan)


@jax.custom_jvp
def _carry(place: Any, slope: Any, inverse: Any) -> Any:
    """`place`, with the derivative of the point where `slope` [n] stays zero; `inverse` [n,n] of its derivative."""
    return place


@_carry.defjvp
def _carry_jvp(primals: Any, tangents: Any) -> Any:
    place, _, inverse = primals

    # A plain product would turn the zero cotangent of an unused x* into nan where x* has no derivative but f* has one.
    def back(_: Any, cotangent: Any) -> Any:
        return jnp.where(jnp.any(cotangent != 0), inverse.T @ cotangent, 0.0)

    # Only `inverse` is known: the matrix it inverts is never applied by the solution or by its transpose.
    moved = jax.lax.custom_linear_solve(lambda x: x, tangents[1], lambda _, right: inverse @ right, back)
    return place, tangents[0] - moved


def _inverse(g: Any, h: Any, free: Any) -> tuple[Any, Any]:
    """Inverse curvature [n,n] on the free variables, nan if they are at no minimum, zero on the others; if they are."""
    pairs = jnp.outer(free, free)
    matrix = jnp.where(pairs, h, jnp.diag(jnp.where(free, 0.0, 1.0)))
    inverse, pivots = _solve(matrix, jnp.eye(g.size))
    step = inverse @ jnp.where(free, g, 0.0)
    minimum = jnp.all(pivots > FLAT * jnp.abs(jnp.diag(matrix))) & jnp.all(jnp.abs(step) < SETTLED)
    return jnp.where(pairs, jnp.where(minimum, inverse, jnp.nan), 0.0), minimum


def even(scan: int, n: int) -> Any:
    """Points [scan, n] that fill the unit cube evenly, the centre first.

    Formula: u_k = frac(1/2 + k (a, a^2, ..., a^n)), 1/a the positive root of z^(n+1) = z + 1 (additive recurrence).
    """
    root = 2.0
    for _ in range(64):
        root = (1 + root) ** (1 / (n + 1))
    return jnp.asarray(np.mod(0.5 + np.outer(np.arange(scan), root ** -np.arange(1.0, n + 1)), 1.0))


def _apart(values: Any, points: Any, starts: int) -> Any:
    """The lowest points [starts, n], each outside the neighbourhoods of those before as long as there are any.

    Without the distance all starts would lie in the widest well.
    """
    reach = 0.25 * starts ** (-1 / points.shape[1])
    values = jnp.where(jnp.isfinite(values), values, jnp.inf)

    def take(left: Any, _: None) -> Any:
        k = jnp.argmin(jnp.where(jnp.isfinite(left).any(), left, values))
        near = jnp.max(jnp.abs(points - points[k]), axis=1) < reach
        return jnp.where(near, jnp.inf, left), points[k]

    return jax.lax.scan(take, values, None, length=starts)[1]


class _Search(NamedTuple):
    """A local search: the best point so far with value, gradient, Hessian; the point to try; its promised decrease."""

    u: Any
    f: Any
    g: Any
    h: Any
    trial: Any
    promised: Any
    damping: Any
    count: Any
    running: Any


def _descend(function: Callable[[Any], Any], start: Any) -> _Search:
    """Damped Newton search in the unit cube from `start` [n]; f is inf if the function is none there."""

    def slope(u: Any) -> Any:
        f, g = jax.value_and_grad(function)(u)
        return g, (f, g)

    def advance(s: _Search) -> _Search:
        h, (f, g) = jax.jacfwd(slope, has_aux=True)(s.trial)
        noise = NOISE * jnp.abs(s.f)
        # Near the minimum the value is flat to rounding long before the place is: there the gradient decides.
        flatter = _pull(s.trial, g) < 0.5 * _pull(s.u, s.g)
        better = jnp.isfinite(f) & ((f < s.f) | ((f <= s.f + noise) & flatter))
        kept = (s.trial, f, g, h), (s.u, s.f, s.g, s.h)
        u, lowest, g, h = jax.tree.map(lambda new, old: jnp.where(better, new, old), *kept)

        ratio = (s.f - f) / s.promised
        accepted = s.damping * jnp.where(ratio > 0.75, 0.1, jnp.where(ratio < 0.25, 4.0, 1.0))
        damping = jnp.where(better, accepted, jnp.maximum(10 * s.damping, 0.1 * FIRST_DAMPING))
        trial = _step(u, g, h, damping)
        moved = trial - u
        free = _free(u, g)
        promised = -moved @ (jnp.where(free, g, 0.0) + jnp.where(jnp.outer(free, free), h, 0.0) @ moved / 2)
        exhausted = ~better & (jnp.abs(s.promised) <= noise)
        moving = jnp.max(jnp.abs(moved)) > SMALLEST_STEP  # False if a derivative is nan
        return _Search(u, lowest, g, h, trial, promised, damping, s.count + 1, moving & ~exhausted)

    def going(s: _Search) -> Any:
        return s.running & (s.count < ITERATIONS)

    n = start.size
    unknown = jnp.asarray(jnp.inf)
    first = _Search(
        *(start, unknown, jnp.zeros(n), jnp.eye(n), start, jnp.zeros(())),
        *(jnp.asarray(FIRST_DAMPING), jnp.asarray(0), jnp.asarray(True)),
    )
    return jax.lax.while_loop(going, advance, first)


def _free(u: Any, g: Any) -> Any:
    """Which variables [n] no bound holds: a bound holds a variable that lies on it and would gain from leaving."""
    return ~(((u <= 0) & (g > 0)) | ((u >= 1) & (g < 0)))


def _pull(u: Any, g: Any) -> Any:
    """The largest gradient of a free variable."""
    return jnp.max(jnp.where(_free(u, g), jnp.abs(g), 0.0))


def _step(u: Any, g: Any, h: Any, damping: Any) -> Any:
    """The next point to try [n]: the damped Newton step, and again with the variables that met a bound held there."""
    free = _free(u, g)
    curvature = jnp.where(free, jnp.abs(jnp.diag(h)), 0.0)
    shift = damping * (jnp.max(curvature) + _pull(u, g))

    def newton(moving: Any, held: Any) -> Any:
        matrix = jnp.where(jnp.outer(moving, moving), h, 0.0) + jnp.diag(jnp.where(moving, shift, 1.0))
        coupled = jnp.where(jnp.outer(moving, free), h, 0.0) @ held
        right = jnp.where(moving, -g - coupled, held)
        return _solve(matrix, right[:, None])[0][:, 0]

    target = u + newton(free, jnp.zeros_like(u))
    meets = free & ((target < 0) | (target > 1))
    held = jnp.where(meets, jnp.clip(target, 0, 1) - u, 0.0)
    return jnp.clip(u + newton(free & ~meets, held), 0, 1)


def _solve(matrix: Any, right: Any) -> tuple[Any, Any]:
    """Gauss-Jordan for a symmetric matrix [n,n] and columns [n,m]: solution and pivots [n].

    Negative pivots count with their modulus, which turns a direction of negative curvature downhill. Written out so
    that a batch of small matrices is one array operation, not one LAPACK call per matrix.
    """
    n = right.shape[0]
    smallest = 1e-16 * jnp.max(jnp.abs(jnp.diag(matrix))) + 1e-300
    pivots = []
    for k in range(n):
        pivots.append(matrix[k, k])
        size = jnp.maximum(jnp.abs(matrix[k, k]), smallest)
        others = jnp.where(jnp.arange(n) == k, 0.0, matrix[:, k]) / size
        matrix = matrix - jnp.outer(others, matrix[k])
        right = right - jnp.outer(others, right[k])
    sizes = jnp.stack(pivots)
    return right / jnp.maximum(jnp.abs(sizes), smallest)[:, None], sizes
