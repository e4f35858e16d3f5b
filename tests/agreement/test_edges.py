"""Derivatives and numbers where a formula has a corner: segment borders, zero light, blocked paths, bad values."""

import dataclasses

import numpy as np
import pytest

import darkstate as ds
from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError, OutcomeError

LAB = ds.load(ds.shipped_labs()["muschik2011"]).experiment
GRID = np.array([0.0, 0.05, 0.1, 0.15, 0.2])
METHOD = ds.MomentEquations(substeps=16)


def last_xi(model, times=GRID, protocol=None):
    solution = ds.evolve(model, times, protocol=protocol, method=METHOD, throw=False)
    return ds.epr_variance(solution.state).value[-1]


def central(function, x, h):
    """Fourth-order central difference."""
    f = [float(function(x + k * h)) for k in (-2, -1, 1, 2)]
    return (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h)


@pytest.mark.parametrize("border", [0.1, 0.1001, 0.05, 0.15])
def test_derivative_of_a_duration_whether_or_not_a_time_lies_on_the_border(border):
    model = LAB.model()
    xi = jax.jit(lambda T: last_xi(model, protocol=ds.protocol(("drive", T), ("dark", 1.0))))
    assert float(jax.jacfwd(xi)(border)) == pytest.approx(central(xi, border, 1e-3), rel=1e-6)


def test_derivative_of_a_ramps_end():
    model = LAB.model()
    xi = jax.jit(lambda s: last_xi(model, protocol=ds.protocol(("drive", 0.1, (0.2, s)), ("drive", 1.0, s))))
    assert float(jax.jacfwd(xi)(1.0)) == pytest.approx(central(xi, 1.0, 1e-3), rel=1e-6)


def test_derivative_where_the_optical_depth_is_zero():
    """Equal cells: sqrt(c c) = c has slope 1 also at zero; one-sided difference, since d < 0 has no meaning."""
    xi = jax.jit(lambda d: last_xi(ds.with_values(LAB, {"ensembles.optical_depth": d}).model()))
    steady = jax.jit(
        lambda d: (
            ds.epr_variance(
                ds.steady_state(ds.with_values(LAB, {"ensembles.optical_depth": d}).model(), throw=False).state
            ).value
        )
    )
    for function in (xi, steady):
        h = 1e-3
        f = [float(function(k * h)) for k in (0, 1, 2, 3)]
        forward = (-11 * f[0] + 18 * f[1] - 9 * f[2] + 2 * f[3]) / (6 * h)
        assert float(jax.jacfwd(function)(0.0)) == pytest.approx(forward, rel=1e-5)


def test_rounding_at_the_end_of_a_ramp_to_zero_is_no_negative_strength():
    """A strength of -2e-16 once made the square root of the collective rates not a number."""
    durations = (0.26637537, 0.1854734, 0.14629058)
    pulses = ds.protocol(("drive", durations[0]), ("drive", durations[1], (1.43477073, 0.0)), ("drive", durations[2]))
    assert np.isfinite(float(last_xi(LAB.model(), np.array([0.1, 0.35, 0.8]), pulses)))


@pytest.mark.parametrize("times", [[-0.1, 0.0, 0.1], [0.0, 0.2, 0.1], [], [0.0, np.nan], 0.1, [[0.0, 0.1]]])
def test_times_must_be_a_list_increasing_from_zero(times):
    with pytest.raises(ArgumentError, match="`times` must be a list of finite, increasing times"):
        ds.evolve(LAB.model(), times)


@pytest.mark.parametrize(
    ("transformation", "depth"), [(jax.jit, 30.0), (jax.grad, 30.0), (jax.vmap, jnp.array([30.0]))]
)
def test_steps_must_be_given_under_a_transformation(transformation, depth):
    def xi(d):
        model = ds.with_values(LAB, {"ensembles.optical_depth": d}).model()
        return ds.epr_variance(ds.evolve(model, GRID).state).value[-1]

    with pytest.raises(ArgumentError, match="substeps"):
        transformation(xi)(depth)


@pytest.mark.parametrize("name", ["transmission", "larmor", "atoms"])
def test_not_a_number_is_never_ok(name):
    model = LAB.model()
    broken = dataclasses.replace(model, **{name: getattr(model, name) * jnp.nan})
    for solution in (
        ds.evolve(broken, GRID, throw=False),
        ds.evolve(broken, GRID, method=ds.AdiabaticClosedForm(), throw=False),
        ds.steady_state(broken, throw=False),
    ):
        assert int(solution.outcome) == ds.Outcome.not_converged
    with pytest.raises(OutcomeError, match="not_converged"):
        ds.steady_state(broken)


def test_gamma_tilde_below_its_parts_is_outside_validity():
    """Cooling and heating alone dephase: Gamma-tilde = 0.05 /ms under a pump of 1 /ms belongs to no master equation."""
    changes = ["noise.gamma_tilde=0.05 /ms", "pump.rate=1 /ms", "repump.rate=1 /ms"]
    model = ds.load(ds.shipped_labs()["krauter2011"], overrides=changes).experiment.model()
    with pytest.raises(OutcomeError, match="outside_validity"):
        ds.steady_state(model)
    assert int(ds.evolve(model, [0.0, 1e-3], throw=False).outcome) == ds.Outcome.outside_validity


def test_methods_are_refused_by_the_wrong_verb():
    with pytest.raises(ArgumentError, match="steady_state takes"):
        ds.evolve(LAB.model(), GRID, method=ds.ClosedForm())
    with pytest.raises(ArgumentError, match="must be ClosedForm"):
        ds.steady_state(LAB.model(), method=ds.MomentEquations())


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"second.field.larmor_mismatch": 1e3}, "has no effect"),
        ({"second.ensembles.foo": 1.0}, "names no parameter"),
        ({"drive.zz": 2.0}, "did you mean 'z'"),
        ({"drive": 1.0}, "names no parameter"),
        ({"protocol.segments.5.duration": 1.0}, "names no parameter"),
        ({"ensembles.optical_depth.foo": 1.0}, "names no parameter"),
        ({"cells.transmission": -1.0}, "at least 0 and at most 1"),
        ({"drive.z": 0.5}, "at least 1"),
        ({"pump.x": float("nan")}, "at least 0"),
    ],
)
def test_values_that_cannot_be(values, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        ds.with_values(LAB, values)


@pytest.mark.parametrize("bad", [("pum", 1.0), ("drive",), ("drive", "1 ms"), ("drive", -1.0), ("drive", np.int64(-1)),
                                 ("drive", float("inf")), ("drive", 1.0, (0.5, -0.1))])  # fmt: skip
def test_segments_that_cannot_be(bad):
    with pytest.raises(ArgumentError):
        ds.protocol(bad)


def test_verdict_needs_two_standard_errors():
    verdict = lambda value, error: ds.WitnessValue(value, error).verdict  # noqa: E731
    assert verdict(0.9, None) == "entangled"
    assert verdict(0.9, 0.04) == "entangled by 2.5 standard errors"
    assert verdict(0.9, 0.06) == "below the bound by 1.7 standard errors only, not certified as entangled"
    assert verdict(1.0, 0.0) == "not certified as entangled"
    assert verdict(0.9, float("nan")) == verdict(float("nan"), 0.1) == "no verdict"


def test_best_gain_does_not_overflow():
    """xi_g does not depend on a common factor of both atom numbers."""
    found = []
    for atoms in (1e6, 1e80, 1e160):
        values = {"ensembles.atoms": atoms, "cells.transmission": 0.9, "second.ensembles.optical_depth": 10.0}
        state = ds.steady_state(ds.with_values(LAB, values).model()).state
        found.append(float(ds.epr_variance(state, ds.best_gain(state)).value))
    assert found[1:] == pytest.approx([found[0]] * 2, rel=1e-12)
    assert found[0] < 1


def test_minimum_at_the_end_of_a_pulse_is_found(tmp_path):
    """A kink of xi(t): 61 points and 2401 points give the same minimum when the border is known."""
    text = ds.shipped_labs()["krauter2011"].read_text(encoding="utf-8")
    pulse = '[[protocol.segments]]\nkind = "{}"\nduration = "{}"\n'
    segments = pulse.format("drive", "5.1 ms") + pulse.format("dark", "30 ms")
    found = []
    for points in (61, 2401):
        head = text[: text.index("[protocol]")] + f"[protocol]\npoints = {points}\n{segments}"
        file = tmp_path / "lab.toml"
        file.write_text(head.replace('default_case = "a"\n', ""), encoding="utf-8")
        found.append(ds.predict(ds.load(file)).window)
    assert found[0].minimum == pytest.approx(found[1].minimum, abs=1e-7)
    assert found[0].closes == pytest.approx(found[1].closes, abs=1e-8)
