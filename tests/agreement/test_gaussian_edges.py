"""Edges at which a plausible wrong number once came out, each against a second route."""

import numpy as np
import pytest

import darkstate as ds
from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError, Outcome
from darkstate.gaussian.closed_forms import cascade_xi
from darkstate.gaussian.linear_system import root

LABS = ds.shipped_labs()


def pair(delays=None):
    first = ds.oscillator("S", frequency=-1.0, passive=1.0, active=0.8, damping=0.3)
    second = ds.oscillator("M", frequency=1.0, passive=1.2, active=0.7, damping=0.2)
    return ds.cascade(first, second, delays=delays)


def test_delays_do_not_change_what_one_current_says():
    detector, times = ds.homodyne("M.light", angle=0.3), [0.0, 0.5]
    prompt, late = (np.asarray(ds.correlation(pair(d), times, detector)) for d in (None, [0.7]))
    assert late == pytest.approx(prompt, rel=1e-12)


def test_feedback_of_late_light_is_refused():
    with pytest.raises(ArgumentError, match="feedback takes no delays"):
        ds.feedback(pair([0.7]), ds.homodyne("M.light"), gain=np.zeros((4, 1)))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"delay": -0.1}, "at least 0 s"),
        ({"delay": float("nan")}, "at least 0 s"),
        ({"actuators": np.eye(4), "effort": np.triu(np.ones((4, 4)))}, "symmetric, positive"),
        ({"actuators": np.eye(4), "effort": np.eye(3)}, "symmetric, positive"),
    ],
)
def test_control_that_means_nothing_is_refused(options, says):
    with pytest.raises(ArgumentError, match=says):
        ds.regulate(pair(), ds.homodyne("M.light"), cost=np.eye(4), **options)


@pytest.mark.parametrize("theta", [np.pi / 2, 1.5708, 1.2])
def test_slope_in_the_angle_is_that_of_the_closed_form_where_a_coupling_vanishes(theta):
    lab = ds.load(LABS["huang2018"]).experiment

    def network(theta_m):
        e = ds.with_values(lab, {"mechanics.theta": theta_m})
        return ds.epr_variance(ds.steady_state(e.model(), throw=False).state, e.gain).value

    def formula(theta_m):
        e = ds.with_values(lab, {"mechanics.theta": theta_m})
        return cascade_xi(e.rates, e.gain)

    assert float(jax.grad(network)(theta)) == pytest.approx(float(jax.grad(formula)(theta)), rel=1e-8)


def test_squares_of_roots_have_the_right_slope_at_zero_also_compiled():
    slope = jax.grad(lambda x: root(1 - x) ** 2)
    assert float(slope(1.0)) == pytest.approx(-1.0, rel=1e-12)
    assert float(jax.jit(slope)(1.0)) == pytest.approx(-1.0, rel=1e-12)


def test_vacuum_stays_vacuum_to_first_order_in_a_passive_coupling():
    """A bath and light at zero temperature: var X = 1/2 for every passive rate, so its slope is 0."""

    def variance(passive):
        system = ds.oscillator("a", frequency=0.0, passive=passive, damping=0.3)
        return ds.steady_state(system, throw=False).state.covariance[0, 0]

    assert float(jax.grad(variance)(0.0)) == pytest.approx(0.0, abs=1e-12)


def test_slope_of_the_filter_at_efficiency_zero():
    system = ds.oscillator("S", frequency=0.0, passive=1.0, damping=1.0, decoherence=1.5)

    def variance(efficiency):
        detector = ds.homodyne("S.light", angle=np.pi / 2, efficiency=efficiency)
        return ds.condition(system, detector, times=[1.0], throw=False).state.covariance[0, 0, 0]

    step = 1e-5  # one-sided, second order
    slope = float((4 * variance(step) - variance(2 * step) - 3 * variance(0.0)) / (2 * step))
    assert float(jax.grad(variance)(0.0)) == pytest.approx(slope, rel=1e-5)


def test_an_unstable_lab_prints_and_writes_no_number():
    found = ds.predict(ds.load(LABS["huang2018"], overrides=["mechanics.theta=0.7"]))
    assert found.outcome is Outcome.unstable
    assert "E_N" not in str(found) and "ebits" not in str(found)
    data = found.to_dataset()
    assert np.isnan(float(data.xi)) and np.isnan(float(data.log_negativity))
    assert data.imperfection.size == 0


def test_adiabatic_cavity_is_checked():
    found = ds.predict(ds.load(LABS["membrane-cell"], overrides=["membrane.input_power=3 mW"]))
    assert found.outcome is Outcome.outside_validity
    # g = g_0 sqrt(n) with the photons of the input power (membranes.py), over kappa
    assert float(found.steady.checks["adiabatic_cavity"]) > 0.1
    # solving beyond the rotating-wave approximation does not put the cavity back
    assert found.verdict == "no verdict (outside_validity)"


def test_optical_spring_is_the_shift_of_the_full_cavity():
    """Resonance of the membrane with the cavity kept, from the eigenvalues of its drift, against the formula."""
    m = ds.load(LABS["membrane-cell"], overrides=["membrane.input_power=1 uW"]).experiment.membrane
    omega = 2 * np.pi * m.frequency
    kept = ds.optomechanics(
        "M", linewidth=m.cavity_linewidth, detuning=m.detuning, coupling=m.enhanced_coupling, frequency=omega
    )
    eigenvalues = np.linalg.eigvals(np.asarray(kept.drift))
    resonance = eigenvalues[np.argmin(np.abs(eigenvalues - 1j * omega))].imag
    assert resonance - omega == pytest.approx(m.optical_spring, rel=0.02)


def test_force_noise_must_be_a_matrix():
    with pytest.raises(ArgumentError, match=r"force_noise.*\(2, 2\)"):
        ds.open_system(("a",), np.zeros((2, 2)), {"a.light": np.eye(2)}, force_noise=jnp.array([1.0, 2.0]))
