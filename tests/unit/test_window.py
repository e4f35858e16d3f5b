"""The window of a witness: curves whose minimum and crossings are known in closed form."""

from functools import partial

import numpy as np
import pytest
from scipy.optimize import brentq

from darkstate.witness.window import window


def parabola(t, a, b):
    """Below 1 between a and b; a cubic reproduces it exactly."""
    return 1 + (t - a) * (t - b)


def test_minimum_and_crossings_of_a_parabola():
    t = np.linspace(0.0, 5.0, 37)
    found = window(t, parabola(t, 0.7, 2.9))
    assert (found.minimum, found.at) == pytest.approx((1 - 1.1**2, 1.8), abs=1e-12)
    assert (found.opens, found.closes) == pytest.approx((0.7, 2.9), abs=1e-12)
    assert not found.open_ended


def test_bound_other_than_one():
    t = np.linspace(0.0, 5.0, 37)
    found = window(t, parabola(t, 0.7, 2.9) - 0.5, bound=0.5)
    assert (found.opens, found.closes) == pytest.approx((0.7, 2.9), abs=1e-12)


def test_never_below_the_bound():
    t = np.linspace(0.0, 5.0, 37)
    found = window(t, 1.5 + (t - 2.0) ** 2)
    assert (found.opens, found.closes, found.open_ended) == (None, None, False)
    assert (found.minimum, found.at) == pytest.approx((1.5, 2.0), abs=1e-9)


def test_still_below_at_the_end():
    t = np.linspace(0.0, 2.0, 21)
    found = window(t, parabola(t, 0.73, 5.0))
    assert found.closes is None
    assert found.open_ended
    assert (found.at, found.opens) == pytest.approx((2.0, 0.73), abs=1e-9)


def test_below_from_the_start():
    t = np.linspace(0.0, 5.0, 37)
    found = window(t, parabola(t, -1.0, 2.9))
    assert (found.opens, found.at) == (0.0, pytest.approx(0.95))
    assert found.closes == pytest.approx(2.9, abs=1e-12)


def test_a_start_exactly_at_the_bound_opens_the_window_there():
    """A coherent spin state has xi = 1."""
    t = np.linspace(0.0, 5.0, 37)
    found = window(t, parabola(t, 0.0, 2.9))
    assert found.opens == pytest.approx(0.0, abs=1e-12)
    assert found.closes == pytest.approx(2.9, abs=1e-12)


def test_of_two_windows_the_deeper_one_is_reported():
    """1 + cos on two periods, tilted: minima near pi and 3 pi, the second deeper."""
    t = np.linspace(0.0, 4 * np.pi, 401)
    found = window(t, 1 + np.cos(t) - 0.01 * t)
    crossing = partial(brentq, lambda x: np.cos(x) - 0.01 * x)
    assert found.at == pytest.approx(3 * np.pi + np.arcsin(0.01), abs=1e-5)
    assert found.opens == pytest.approx(crossing(2 * np.pi, 3 * np.pi), abs=1e-6)
    assert found.closes == pytest.approx(crossing(3 * np.pi, 4 * np.pi), abs=1e-6)


def test_accuracy_on_an_exponential_curve():
    """0.25 ms against 3 ms, as the docstring says: within 1e-6 of the closed form."""
    t = np.arange(0.0, 60.0, 0.25)
    found = window(t, 0.6 + 0.6 * np.exp(-t / 3) + 0.5 * -np.expm1(-t / 20))
    at = np.log(0.2 / 0.025) / (1 / 3 - 1 / 20)
    assert found.minimum == pytest.approx(0.6 + 0.6 * np.exp(-at / 3) - 0.5 * np.expm1(-at / 20), abs=1e-6)
    assert found.at == pytest.approx(at, abs=1e-3)


def test_a_dip_between_two_points_has_both_ends():
    """No sample is below the bound, the curve is: it opens and closes between two points, and is not open ended."""
    t = np.arange(0.0, 4.0)
    found = window(t, 0.999 + 0.01 * (t - 1.5) ** 2)
    assert (found.minimum, found.at) == pytest.approx((0.999, 1.5), abs=1e-12)
    assert (found.opens, found.closes) == pytest.approx((1.5 - 0.1**0.5, 1.5 + 0.1**0.5), abs=1e-9)
    assert not found.open_ended


@pytest.mark.parametrize("count", [6, 11, 30, 59])
@pytest.mark.parametrize("length", [0.3, 1.0, 2.7])
def test_crossings_that_fall_on_a_point(count, length):
    """A sample exactly at the bound ends the window; rounding of a root may not lose it."""
    t = np.linspace(0.0, length, count)
    a, b = t[count // 3], t[2 * count // 3]
    y = parabola(t, a, b)
    y[[count // 3, 2 * count // 3]] = 1.0
    found = window(t, y)
    assert not found.open_ended
    assert (found.opens, found.closes) == pytest.approx((a, b), abs=1e-9 * length)


def test_a_value_that_is_no_number_is_no_window():
    """The number before it must not pass for the minimum."""
    found = window([0.0, 1.0, 2.0], [1.02, float("nan"), 0.9])
    assert found.minimum != found.minimum
    assert (found.opens, found.closes, found.open_ended) == (None, None, False)
    assert window([0.0, 1.0], [float("inf")] * 2).minimum == float("inf")
