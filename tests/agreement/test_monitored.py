"""Cells whose light is measured (000 Sec. IV): closed forms, the network engine, and the measurement cycle by cycle.

"Sheet" is the project's physics sheet on Gaussian networks; 000 is [Muschik2013], 004 is [Huang2018]. xi has vacuum 1.
"""

from functools import cache

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

from darkstate.backend import jax, jnp
from darkstate.experiments.cesium_cells import Drive, Ensembles, Noise
from darkstate.experiments.labfile import load, shipped_labs
from darkstate.experiments.monitored_cells import Bath, Detection, MonitoredCells, Record
from darkstate.gaussian.closed_forms import monitored_evolution, monitored_xi, monitored_xi_conditional
from darkstate.gaussian.components import sideband_oscillator
from darkstate.gaussian.detection import measurement, sideband_homodyne
from darkstate.gaussian.network import cascade
from darkstate.gaussian.state import product, thermal
from darkstate.solve.condition import condition, kalman_gain
from darkstate.solve.evolve import evolve
from darkstate.solve.steady_state import steady_state
from darkstate.witness.epr import epr_variance
from darkstate.witness.separability import log_negativity, ppt
from oracles import gaussian_filter as fi

GAMMA_S = 55.0  # d Gamma/2 of 000 App. C: d = 55, Gamma = 2 /s
TIMES = np.array([0.0, 0.05, 0.3, 1.0, 3.0, 12.0]) / GAMMA_S


def cells(p):
    """x = gamma_extra/gamma_s, Z, efficiency, bath variance w."""
    return MonitoredCells(
        Ensembles(optical_depth=55.0),
        Drive(z=p[1], rate=2.0),
        Noise(gamma_tilde=2 * GAMMA_S * p[0], t2_dark=40e-3),
        Record(duration=60e-3),
        bath=Bath(variance=p[3]),
        detection=Detection(efficiency=p[2]),
    )


def points():
    """Fig. 4b (Z = 2.5, x from 0.05 to 2, ideal), then 60 random ones with efficiency below 1 and w above 1."""
    rng = np.random.default_rng(4)
    x = np.linspace(0.05, 2.0, 40)
    figure = np.stack([x, np.full(40, 2.5), np.ones(40), np.ones(40)], axis=1)
    return np.concatenate([figure, rng.uniform([0.05, 1.1, 0.1, 1.0], [3.0, 4.0, 1.0, 3.0], (60, 4))])


@cache
def solved():
    """Everything the engine says of the points, from one compiled program."""

    def of(p):
        e = cells(p)
        model, detector = e.model(), e.detector()
        hot = product(thermal("I", 0.7), thermal("II", 0.7))
        free, watched = steady_state(model, throw=False), condition(model, detector, throw=False)
        free_t = evolve(model, TIMES, initial=hot, throw=False)
        watched_t = condition(model, detector, times=TIMES, initial=hot, throw=False)
        current = measurement(model, detector)
        every = (free, watched, free_t, watched_t)
        return {
            "xi": [epr_variance(s.state).value for s in every],
            "outcome": [s.outcome for s in every],
            "system": (model.drift, model.diffusion, current.output, current.correlation, current.noise),
            "gain": kalman_gain(model, current, watched.state.covariance),
            "gamma": (e.gamma_s, e.gamma_extra, e.x),
        }

    return jax.tree.map(np.asarray, jax.jit(jax.vmap(of))(jnp.asarray(points())))


@pytest.mark.slow
def test_fig_4b_by_network_and_closed_form():
    """xi_inf = (1/Z^2 + x w)/(1 + x), and the conditional one by the Riccati equation: 1e-10 everywhere."""
    x, z, efficiency, bath = points().T
    found = solved()
    assert not any(np.any(o) for o in found["outcome"])
    assert found["gamma"][2] == pytest.approx(x, rel=1e-14)
    free, watched = found["xi"][:2]
    assert free == pytest.approx(np.asarray(monitored_xi(x, z, bath=bath)), abs=1e-10)
    want = np.asarray(monitored_xi_conditional(x, z, bath=bath, efficiency=efficiency))
    assert watched == pytest.approx(want, abs=1e-10)
    # and as the sheet prints it: {2 eta - 1 - x + sqrt[(1+x)^2 + 4 eta x (w Z^2 - 1)]}/(2 eta Z^2)
    root = np.sqrt((1 + x) ** 2 + 4 * efficiency * x * (bath * z**2 - 1))
    assert want == pytest.approx((2 * efficiency - 1 - x + root) / (2 * efficiency * z**2), rel=1e-10)


def test_cells_without_decay_are_not_refused():
    """Fig. 4b at x = 0: xi = xi_cond = 1/Z^2, a pure state; it is a state, so no check may call it unphysical."""
    e = cells((0.0, 2.5, 1.0, 1.0))
    for found in (steady_state(e.model(), throw=False), condition(e.model(), e.detector(), throw=False)):
        assert float(epr_variance(found.state).value) == pytest.approx(0.16, abs=1e-10)
        assert int(found.outcome) == 0, found


@pytest.mark.parametrize(("case", "free", "watched"), [("x05", 0.44, 0.325657), ("x1", 0.58, 0.4)])
def test_numbers_of_the_sheet(case, free, watched):
    """Sheet, Z = 2.5: x = 0.5: 0.44 and 0.325657; x = 1: 0.58 and 0.4."""
    e = load(shipped_labs()["muschik2013-monitored"], case=case).experiment
    k = {"x05": 9, "x1": 19}[case]
    assert [e.x, e.z, e.gamma_s] == pytest.approx([points()[k, 0], 2.5, GAMMA_S])
    assert [xi[k] for xi in solved()["xi"][:2]] == pytest.approx([free, watched], abs=5e-7)


def test_time_evolution_by_network_and_closed_form():
    """From a thermal start, xi = 2.4: evolve and condition(times) against the closed form, 1e-10 everywhere."""
    gamma_s, gamma_extra, _ = solved()["gamma"]
    _, z, efficiency, bath = points().T
    for found, eta in zip(solved()["xi"][2:], (np.zeros_like(z), efficiency), strict=True):
        want = jax.vmap(
            lambda s, e, zz, w, n: monitored_evolution(TIMES, 2.4, gamma_s=s, gamma_extra=e, z=zz, bath=w, efficiency=n)
        )(gamma_s, gamma_extra, z, bath, eta)
        assert found == pytest.approx(np.asarray(want), abs=1e-10)
        # the differential equation, by SciPy to 1e-12 per step
        for k in (9, 45, 80):
            c = fi.Cells(gamma_s[k], gamma_extra[k], z[k], eta[k], bath[k])
            assert found[k] == pytest.approx(fi.variance_by_ode(c, TIMES, 2.4), abs=1e-9)


@pytest.mark.parametrize("k", [9, 19, 44, 70])
def test_network_is_the_limit_of_measurement_cycles(k):
    """000 Eq. (5) cycle by cycle: interaction, loss, homodyne projection; extrapolated to cycles of length 0.

    The tolerance is what the last column of the extrapolation changed.
    """
    x, z, efficiency, bath = points()[k]
    c = fi.Cells(1.0, x, z, efficiency, bath)
    step = 0.1 / (c.gamma + 2 * z**2)
    coarse, limit = fi.stationary_by_cycles(c, step, 4)
    _, before = fi.stationary_by_cycles(c, step, 3)
    found = solved()["xi"][1][k]
    assert abs(found - limit) < abs(limit - before) < 1e-3 * abs(coarse - limit)


def test_best_exponential_of_the_record_is_the_kalman_filter():
    """Sheet, "Conditional noise reduction": one exponential e^{m t} of the past record leaves
    v(m) = xi_inf - m h^2/[4 eta gamma_s Z^2 (gamma+m)(gamma+m+h)], h = 4 eta gamma_s (Z^2 xi_inf - 1); the best
    m = sqrt(gamma (gamma+h)) is the rate of the Kalman filter, and v(m) its variance.

    v(m) comes from SciPy: the filtered record joins the cells as one more quadrature, dz = -m z dt + dY.
    """
    found, p = solved(), points()
    for k in (9, 50, 77):
        x, z, eta, _ = p[k]
        gamma_s = found["gamma"][0][k]
        gamma, free, watched = gamma_s * (1 + x), found["xi"][0][k], found["xi"][1][k]
        h = 4 * eta * gamma_s * (z**2 * free - 1)
        best = np.sqrt(gamma * (gamma + h))
        A, D, C, N, R = (m[k] for m in found["system"])
        for m in (0.3 * best, best, 4 * best):
            a = np.block([[A, np.zeros((4, 2))], [C, -m * np.eye(2)]])
            v = solve_continuous_lyapunov(a, -np.block([[D, N], [N.T, R]]))
            # X_I + X_II and P_I - P_II, each with the current that reads it
            reads = np.array([[1, 0, 1, 0, 0, 0], [0, 1, 0, -1, 0, 0]], float)
            joint, z_z = (reads @ v)[:, 4:], v[4:, 4:]
            left = np.trace(reads @ v @ reads.T - joint @ np.linalg.solve(z_z, joint.T)) / 2
            want = free - m * h**2 / (4 * eta * gamma_s * z**2 * (gamma + m) * (gamma + m + h))
            assert left == pytest.approx(want, rel=1e-10)
            assert left >= watched * (1 - 1e-10)
        reads = reads[:, :4]
        rates = reads @ (A - found["gain"][k] @ C) @ np.linalg.pinv(reads)
        assert rates == pytest.approx(-best * np.eye(2), rel=1e-9, abs=1e-9 * best)
        want = free - best * h**2 / (4 * eta * gamma_s * z**2 * (gamma + best) * (gamma + best + h))
        assert watched == pytest.approx(want, rel=1e-10)


@pytest.mark.slow
def test_measured_pulse_entangles_and_the_same_light_unseen_does_not():
    """Pulsed QND interaction (004, conditional schemes): theta = pi/4 on both sides, equal rates Gamma = 2, no decay.

    X_S + X_M and P_S - P_M are conserved; measuring gives dxi/dt = -2 eta Gamma xi^2 by hand, so
    xi = xi_0/(1 + 2 eta Gamma xi_0 t); tracing the light out leaves xi = xi_0 = 2n + 1 = 1.2 and a separable state.
    """
    times = np.array([0.0, 0.2, 1.0, 4.0])

    @jax.jit
    def pulse(rate):
        s = sideband_oscillator("S", passive=rate / 2, active=rate / 2, negative_mass=True)
        both = cascade(s, sideband_oscillator("M", passive=rate / 2, active=rate / 2), channels=("upper", "lower"))
        start = product(thermal("S", 0.1), thermal("M", 0.1))
        detector = sideband_homodyne("M.upper", "M.lower", efficiency=0.7)
        unseen = evolve(both, times, initial=start, throw=False)
        seen = condition(both, detector, times=times, initial=start, throw=False)
        return unseen.state, seen.state, jnp.stack([unseen.outcome, seen.outcome])

    unseen, seen, outcome = pulse(2.0)
    assert not outcome.any()
    assert np.asarray(epr_variance(unseen).value) == pytest.approx(np.full(4, 1.2), abs=1e-12)
    assert np.all(np.asarray(ppt(unseen, "S").value) > 1 + 1e-3)
    want = 1.2 / (1 + 2 * 0.7 * 2.0 * 1.2 * times)
    assert np.asarray(epr_variance(seen).value) == pytest.approx(want, abs=1e-12)
    assert want[-1] < 0.1
    assert float(log_negativity(seen, "S").nats[-1]) > 2.0
