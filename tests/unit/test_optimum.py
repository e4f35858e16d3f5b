"""The bounded minimum: closed-form examples, bounds, batches, and its derivatives by implicit differentiation."""

import numpy as np
import pytest

from darkstate.backend import jax, jnp
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
