"""The bounded minimum: closed-form examples, bounds, batches, and its derivatives by implicit differentiation."""

import numpy as np
import pytest
from scipy.optimize import brentq, minimize

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.solve.optimum import optimum


def test_minimum_to_rounding():
    """x - log x - a has its minimum at 1; its position is found to 1e-12 although the value is flat there."""
    x, value = optimum(lambda x: x - jnp.log(x), 0.1, 9.0)
    assert (float(x), float(value)) == pytest.approx((1.0, 1.0), abs=1e-12)


@pytest.mark.parametrize(("low", "high", "best"), [(2.0, 5.0, 2.0), (-3.0, 0.5, 0.5)])
def test_optimum_at_a_bound_is_the_bound(low, high, best):
    x, value = optimum(lambda x: (x - 1.0) ** 2, low, high)
    assert (float(x), float(value)) == pytest.approx((best, (best - 1) ** 2), abs=1e-9)


def test_lowest_of_several_minima():
    """cos(3 x) + x/10 on [0, 6]: the first minimum is the lowest, sin(3 x) = 1/30."""
    x, _ = optimum(lambda x: jnp.cos(3 * x) + x / 10, 0.0, 6.0)
    assert float(x) == pytest.approx((np.pi - np.arcsin(1 / 30)) / 3, abs=1e-12)


def test_batch_is_the_single_call():
    centres = jnp.linspace(-1.0, 1.0, 9)
    x, value = jax.jit(jax.vmap(lambda c: optimum(lambda x: jnp.cosh(x - c) + c, -3.0, 3.0)))(centres)
    assert np.asarray(x) == pytest.approx(np.asarray(centres), abs=1e-12)
    assert np.asarray(value) == pytest.approx(np.asarray(1 + centres), abs=1e-12)


@pytest.mark.parametrize("mode", [jax.jacfwd, jax.jacrev])
def test_derivatives_of_place_and_value(mode):
    """x^2/2 - p x^4/4 - q x near its minimum: x* solves x - p x^3 = q, so dx*/dq = 1/(1 - 3 p x*^2)."""

    def best(parameters):
        p, q = parameters
        return jnp.stack(optimum(lambda x: x**2 / 2 - p * x**4 / 4 - q * x, -1.0, 1.0))

    p, q = 0.2, 0.3
    x = float(best(jnp.array([p, q]))[0])
    assert x - p * x**3 == pytest.approx(q, abs=1e-13)
    steep = 1 - 3 * p * x**2
    want = [[x**3 / steep, 1 / steep], [-(x**4) / 4, -x]]
    assert np.asarray(mode(best)(jnp.array([p, q]))) == pytest.approx(np.array(want), abs=1e-11)


def test_derivative_at_a_bound():
    """There the place does not move and the value has its partial derivative."""
    slopes = jax.jacfwd(lambda p: jnp.stack(optimum(lambda x: (x - p) ** 2, 2.0, 5.0)))(1.0)
    assert np.asarray(slopes) == pytest.approx([0.0, -2.0], abs=1e-8)


# Several variables -----------------------------------------------------------------------------------------------


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def two_wells(x):
    """Wells at x0 = +-1, the left one deeper by the tilt; the scan's lowest point lies in the wider right one."""
    wide, deep = jnp.sum((x - 0.6) ** 2), jnp.sum((x + 0.6) ** 2)
    return -jnp.exp(-wide / 0.3) - 1.2 * jnp.exp(-deep / 0.004)


def twin_state_variance(x, c_s, c_m):
    """xi of two cascaded oscillators, 004 Eqs. (3)-(8) written out: n_S = 1, gamma_M0 -> 0, r = 4/3, read-out gain."""
    t_s, t_m, r = x[0], x[1], 4 / 3
    g_s, g_m = c_s, r * c_m
    damp_s, damp_m = 1 / 1.5 - g_s * jnp.cos(2 * t_s), -g_m * jnp.cos(2 * t_m)
    coupling = -jnp.sqrt(g_m * g_s) * jnp.sin(t_m - t_s)
    var_s = (g_s / 2 + 1) / damp_s
    both = -2 / (damp_s + damp_m) * (jnp.sqrt(g_s * g_m) * jnp.sin(t_m + t_s) - 2 * coupling * var_s)
    var_m = (g_m / 2 + r + coupling * both) / damp_m
    gain = jnp.sqrt(g_m / g_s) * jnp.cos(t_m - jnp.pi / 4) / jnp.cos(t_s - jnp.pi / 4)
    xi = 2 * (var_s + gain**2 * var_m + gain * both) / (1 + gain**2)
    return jnp.where((damp_s > 0) & (damp_m > 0), xi, jnp.nan)


ANGLES = np.array([np.pi / 4 - 0.3, np.pi / 4 - 0.3]), np.array([np.pi / 2, np.pi / 2])


def scipy_best(slope, low, high, *args):
    """The lowest of 20 L-BFGS-B searches from random points; 1e6 stands for nan. `slope` gives value and gradient."""

    def both(x):
        f, g = slope(x, *args)
        return (float(f), np.asarray(g)) if np.isfinite(f) else (1e6, np.zeros(len(x)))

    starts = np.random.default_rng(0).uniform(low, high, (20, len(low)))
    bounds = list(zip(low, high, strict=True))
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 2000}
    found = [minimize(both, x, jac=True, method="L-BFGS-B", bounds=bounds, options=options) for x in starts]
    return min(found, key=lambda result: result.fun)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("low", "high", "best"),
    [
        ([-2.0, -1.0], [2.0, 3.0], [1.0, 1.0]),  # inside: the known minimum
        ([-1.0, -1.0], [0.5, 3.0], [0.5, 0.25]),  # face x0 = 1/2: x1 = x0^2
        ([1.5, -1.0], [3.0, 2.0], [1.5, 2.0]),  # corner: both gradients point outwards there
    ],
)
def test_rosenbrock_inside_on_a_face_and_in_a_corner(low, high, best):
    x, value = optimum(rosenbrock, low, high)
    assert np.asarray(x) == pytest.approx(best, abs=1e-12)
    assert float(value) == pytest.approx(float(rosenbrock(jnp.array(best))), abs=1e-14)
    reference = scipy_best(jax.jit(jax.value_and_grad(rosenbrock)), low, high)
    assert np.asarray(x) == pytest.approx(reference.x, abs=1e-5)


def test_a_variable_at_its_bound_is_exactly_the_bound():
    x, _ = optimum(rosenbrock, [-1.0, -1.0], [0.3, 3.0])
    assert float(x[0]) == 0.3


def test_one_start_misses_the_deeper_well_and_24_find_it():
    """The narrow well at (-0.6, -0.6) is the deeper one: SciPy's best of a 201 x 201 grid, polished, says so."""
    low, high = np.array([-1.0, -1.0]), np.array([1.0, 1.0])
    axis = jnp.linspace(-1, 1, 201)
    grid = jnp.stack(jnp.meshgrid(axis, axis), -1).reshape(-1, 2)
    at = np.asarray(grid[jnp.argmin(jax.vmap(two_wells)(grid))])
    deep = minimize(lambda x: float(two_wells(x)), at, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14})
    one, _ = optimum(two_wells, low, high, starts=1)
    many, value = optimum(two_wells, low, high, starts=24, scan=500)
    assert np.asarray(one) == pytest.approx([0.6, 0.6], abs=1e-3)
    assert np.asarray(many) == pytest.approx(deep.x, abs=1e-6)
    assert float(value) == pytest.approx(deep.fun, abs=1e-12)


@pytest.mark.parametrize("n", [1, 3, 5])
def test_other_numbers_of_variables(n):
    """Convex and coupled: sum cosh(x_k - 0.3) + (sum x)^2/2 has all x equal, sinh(x - 0.3) + n x = 0."""
    x, _ = optimum(lambda x: jnp.sum(jnp.cosh(x - 0.3)) + jnp.sum(x) ** 2 / 2, np.full(n, -2.0), np.full(n, 3.0))
    want = brentq(lambda x: np.sinh(x - 0.3) + n * x, 0.0, 0.3, xtol=1e-15)
    assert np.asarray(x) == pytest.approx(np.full(n, want), abs=1e-12)


@pytest.mark.parametrize(
    ("c_s", "xi", "angles", "c_m"),
    [  # computed independently of this code for 004 with SciPy, printed to these digits; eps = 0
        (10.0, 0.351572, (0.78932, 1.38898), 12.12),
        (100.0, 0.115985, (0.79217, 1.01387), 79.79),
    ],
)
def test_cascaded_oscillators_of_huang_2018(c_s, xi, angles, c_m):
    low, high = np.append(ANGLES[0], 0.0), np.append(ANGLES[1], 7.0)
    for starts in (4, 24):
        x, value = optimum(lambda x: twin_state_variance(x, c_s, jnp.exp(x[2])), low, high, starts=starts)
        assert float(value) == pytest.approx(xi, abs=5e-7)
        assert np.asarray(x[:2]) == pytest.approx(angles, abs=5e-6)
        assert float(jnp.exp(x[2])) == pytest.approx(c_m, abs=5e-3)


@pytest.mark.slow
def test_grid_of_cascaded_oscillators_is_scipys():
    """Unstable angles (nan) are part of the box; none is chosen, and no point of the grid misses SciPy's value."""
    slope = jax.jit(jax.value_and_grad(twin_state_variance))
    c_s, c_m = (a.ravel() for a in jnp.meshgrid(jnp.geomspace(2, 200, 4), jnp.geomspace(3, 150, 3)))
    x, value = jax.jit(jax.vmap(lambda s, m: optimum(lambda x: twin_state_variance(x, s, m), *ANGLES)))(c_s, c_m)
    for k in range(c_s.size):
        reference = scipy_best(slope, *ANGLES, c_s[k], c_m[k])
        assert float(value[k]) == pytest.approx(reference.fun, rel=1e-8)
        assert float(twin_state_variance(x[k], c_s[k], c_m[k])) == pytest.approx(float(value[k]), rel=1e-12)


def test_lower_values_that_are_no_numbers_are_not_chosen():
    """-inf and nan lie around the minimum (1, 0.3) of the finite part."""

    def broken(x):
        whole = (x[0] - 1) ** 2 + (x[1] - 0.3) ** 2
        return jnp.where(x[0] < 0.37, -jnp.inf, jnp.where(x[1] > 0.9, jnp.nan, whole))

    x, value = optimum(broken, [-1.0, 0.0], [5.0, 1.0])
    assert np.asarray(x) == pytest.approx([1.0, 0.3], abs=1e-12)
    assert float(value) == pytest.approx(0.0, abs=1e-24)


def test_no_finite_point_gives_nan():
    x, value = optimum(lambda x: x[0] * jnp.nan, [-1.0, 0.0], [5.0, 1.0])
    assert np.isnan(np.asarray(x)).all() and np.isnan(float(value))


@pytest.mark.parametrize("mode", [jax.jacfwd, jax.jacrev])
def test_derivatives_by_central_differences(mode):
    """Step 1e-4, error of the difference about 1e-8 of the third derivative; C_M sits in exp, both angles inside."""

    def best(c):
        x, value = optimum(lambda x: twin_state_variance(x, c[0], c[1]), *ANGLES)
        return jnp.append(x, value)

    c, h = jnp.array([12.0, 9.0]), 1e-4
    single = jax.jit(best)
    want = np.stack([(single(c + h * e) - single(c - h * e)) / (2 * h) for e in jnp.eye(2)], axis=1)
    assert np.abs(want).min() > 1e-5
    assert np.asarray(jax.jit(mode(best))(c)) == pytest.approx(want, rel=1e-5, abs=1e-8)


@pytest.mark.slow
def test_gradients_of_a_batch_are_the_single_gradients():
    def best(p):
        x, value = optimum(lambda x: jnp.cosh(x[0] - p) + (x[1] - p * x[0]) ** 2 + p, [-2.0, -2.0], [2.0, 2.0])
        return x[1] + 3 * value

    p = jnp.linspace(0.2, 1.2, 7)  # x* = (p, p^2), f* = 1 + p
    slopes = jax.jit(jax.grad(lambda p: jax.vmap(best)(p).sum()))(p)
    assert np.asarray(slopes) == pytest.approx(np.asarray(2 * p + 3), abs=1e-10)
    assert np.asarray(jax.jit(jax.vmap(jax.grad(best)))(p)) == pytest.approx(np.asarray(2 * p + 3), abs=1e-10)


@pytest.mark.parametrize("mode", [jax.jacfwd, jax.jacrev])
def test_derivatives_with_respect_to_a_bound_and_beside_it(mode):
    """(x0 - 3)^2 + (x1 - p x0)^2 with x0 <= b < 3: x* = (b, p b), f* = (b - 3)^2."""

    def best(c):
        p, b = c
        high = jnp.array([b, 9.0])
        x, value = optimum(lambda x: (x[0] - 3) ** 2 + (x[1] - p * x[0]) ** 2, jnp.array([0.0, -9.0]), high)
        return jnp.append(x, value)

    want = [[0.0, 1.0], [2.0, 0.7], [0.0, 2 * (2 - 3)]]  # d/dp, d/db at p = 0.7, b = 2
    assert np.asarray(mode(best)(jnp.array([0.7, 2.0]))) == pytest.approx(np.array(want), abs=1e-10)


@pytest.mark.slow
def test_second_derivative_of_the_value():
    """min of (x0 - p)^2 + (x1 - p^2)^2 + p x0 x1 against central differences of its first derivative, step 1e-5."""

    def value(p):
        return optimum(lambda x: (x[0] - p) ** 2 + (x[1] - p**2) ** 2 + p * x[0] * x[1], [-3.0] * 2, [3.0] * 2)[1]

    slope, p, h = jax.jit(jax.grad(value)), 0.8, 1e-5
    want = float(slope(p + h) - slope(p - h)) / (2 * h)
    assert float(jax.jit(jax.grad(jax.grad(value)))(p)) == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("mode", [jax.jacfwd, jax.jacrev])
def test_a_flat_valley_has_a_value_with_a_slope_but_no_place_with_one(mode):
    """(x0 + x1 - p)^2 + p^2: every point of the line is a minimum, df*/dp = 2 p."""
    place, value = mode(lambda p: optimum(lambda x: (x[0] + x[1] - p) ** 2 + p**2, [0.0] * 2, [2.0] * 2))(1.0)
    assert np.isnan(np.asarray(place)).all()
    assert float(value) == pytest.approx(2.0, abs=1e-10)


@pytest.mark.parametrize(
    ("low", "high", "options", "says"),
    [
        ([0.0, 2.0], [1.0, 1.0], {}, "2.0 and 1.0 at variable 1"),
        ([0.0, 0.0], [1.0, np.inf], {}, "must be finite"),
        ([0.0, 0.0], [1.0], {}, r"shapes \(2,\) and \(1,\)"),
        (0.0, [1.0, 1.0], {}, r"shapes \(\) and \(2,\)"),
        ([0.0], [1.0], {"starts": 0}, "`starts` must be at least 1"),
        ([0.0], [1.0], {"starts": 5, "scan": 3}, "`scan` must be at least `starts`"),
        (2.0, 1.0, {}, "low < high"),
    ],
)
def test_arguments_that_cannot_be_used(low, high, options, says):
    with pytest.raises(ArgumentError, match=says):
        optimum(jnp.sum, low, high, **options)


def test_a_function_that_is_no_scalar_is_refused():
    with pytest.raises(ArgumentError, match=r"returns shape \(2,\)"):
        optimum(lambda x: x, [0.0, 0.0], [1.0, 1.0])
