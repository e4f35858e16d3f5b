"""Spectra, correlations, temporal modes and force noise of measured light: against each other and closed forms.

"Sheet" is the project's physics sheet on Gaussian networks; 004 is [Huang2018]. Shot noise = 1, double-sided.
"""

import dataclasses
from functools import cache

import numpy as np
import pytest
from scipy.integrate import quad

from darkstate.backend import jax
from darkstate.experiments.labfile import load, shipped_labs
from darkstate.gaussian.components import loss, oscillator, parametric_oscillator, sideband_oscillator
from darkstate.gaussian.detection import homodyne, measurement, sideband_homodyne
from darkstate.gaussian.network import cascade
from darkstate.solve.sensor import force_noise, standard_quantum_limit
from darkstate.solve.spectra import correlation, spectrum, temporal_modes
from darkstate.solve.steady_state import steady_state

KAPPA, PUMP = 2.0, 0.6


def opo_spectrum(omega, angle, *, efficiency=1.0, overcoupling=1.0):
    """Closed form: 1 -+ 2 kappa pump eta/[(kappa/2 +- pump)^2 + omega^2] for x (angle 0) and p (pi/2) of the light."""
    eta = efficiency * overcoupling
    x = 1 - 2 * KAPPA * PUMP * eta / ((KAPPA / 2 + PUMP) ** 2 + omega**2)
    p = 1 + 2 * KAPPA * PUMP * eta / ((KAPPA / 2 - PUMP) ** 2 + omega**2)
    return x * np.cos(angle) ** 2 + p * np.sin(angle) ** 2


@pytest.mark.parametrize(("overcoupling", "efficiency", "angle"), [(1.0, 1.0, 0.0), (0.8, 0.7, 0.0), (0.9, 0.6, 1.1)])
def test_squeezing_spectrum_of_the_parametric_oscillator(overcoupling, efficiency, angle):
    opo = parametric_oscillator("opo", linewidth=KAPPA, pump=PUMP, overcoupling=overcoupling)
    omega = np.linspace(-6, 6, 25)
    found = np.asarray(spectrum(opo, omega, homodyne("opo.light", angle=angle, efficiency=efficiency)))[:, 0, 0]
    want = opo_spectrum(omega, angle, efficiency=efficiency, overcoupling=overcoupling)
    assert found.real == pytest.approx(want, rel=1e-12)
    assert np.abs(found.imag).max() < 1e-13
    # behind the detector's efficiency as behind a beam splitter
    lossy = cascade(opo, loss("path", 1 - efficiency))
    assert np.asarray(spectrum(lossy, omega, homodyne("path.light", angle=angle)))[:, 0, 0].real == pytest.approx(want)


@pytest.mark.parametrize("detuning", [0.0, 1.3])
def test_spectrum_integrates_to_the_variance_behind_a_filter(detuning):
    """A cavity of linewidth 1 takes up the light: its X (and P) come from the steady state of the joint network, and
    from integral dw/2pi |h(w)|^2 S(w)/2, h = -i/(1/2 - i(w - detuning)) applied to the light by hand."""
    opo = parametric_oscillator("opo", linewidth=KAPPA, pump=PUMP)
    v = steady_state(cascade(opo, oscillator("F", frequency=detuning, passive=1.0))).state.select("F").covariance

    def density(omega):
        # drift of a' = -(1/2 + i detuning) a - i b in quadratures, as a response of (X, P) to (x, p)
        drift = np.array([[-0.5, detuning], [-detuning, -0.5]])
        h = np.linalg.solve(-1j * omega * np.eye(2) - drift, np.array([[0.0, 1.0], [-1.0, 0.0]]))
        light = np.diag([opo_spectrum(omega, 0.0), opo_spectrum(omega, np.pi / 2)]) / 2
        return (h @ light @ h.conj().T).real

    for i, j in ((0, 0), (0, 1), (1, 1)):
        want = quad(lambda w, i=i, j=j: density(w)[i, j] / (2 * np.pi), -np.inf, np.inf, epsabs=1e-11, limit=400)[0]
        assert float(v[i, j]) == pytest.approx(want, abs=1e-8)  # what quad states


@cache
@jax.jit
def pair():
    s = sideband_oscillator(
        "S", passive=1.2, active=1.0, negative_mass=True, damping=0.5, decoherence=0.6, detuning=0.4
    )
    m = sideband_oscillator("M", passive=2.0, active=0.7, damping=0.2, decoherence=0.9)
    return cascade(s, m, channels=("upper", "lower")), sideband_homodyne(
        "M.upper", "M.lower", angle=0.3, efficiency=0.8
    )


@pytest.mark.slow
def test_correlation_and_spectrum_are_fourier_transforms():
    """S = R + integral_0^inf [c(s) e^{i w s} + c(s)^T e^{-i w s}] ds, c by Simpson's rule on 2^14 steps of 1/256.

    The rule's error is (2.7/256)^4/180 relative, below 1e-10; the slowest decay, 1/3 per second, ends long before 64 s.
    """
    system, detector = pair()
    steps = np.arange(2**14 + 1) / 256
    c = np.asarray(jax.jit(correlation)(system, steps, detector))
    weights = np.where(np.arange(2**14 + 1) % 2 == 1, 4.0, 2.0) / 3 / 256
    weights[[0, -1]] = 1 / 3 / 256
    omega = np.array([0.0, 0.4, -0.4, 3.0])
    half = np.einsum("t,wt,tij->wij", weights, np.exp(1j * np.outer(omega, steps)), c)
    white = np.asarray(measurement(system, detector).noise)
    found = np.asarray(jax.jit(spectrum)(system, omega, detector))
    assert found == pytest.approx(white + half + np.swapaxes(half, 1, 2).conj(), abs=1e-8)
    # Hermitian and positive
    assert found == pytest.approx(np.swapaxes(found, 1, 2).conj(), abs=1e-13)
    assert np.linalg.eigvalsh(found).min() > 0


@pytest.mark.slow
def test_temporal_modes():
    """Trace, orthonormality, and limits: short windows hold shot noise, long ones reach the squeezing at w = 0."""
    opo, x = parametric_oscillator("opo", linewidth=KAPPA, pump=PUMP), homodyne("opo.light")
    # at equal times the correlation is the integral of S - 1 over w/2pi: - 2 kappa pump/[2 (kappa/2 + pump)]
    equal = -KAPPA * PUMP / (KAPPA / 2 + PUMP)
    for duration in (0.01, 30.0):
        variances, modes, times = map(np.asarray, temporal_modes(opo, duration, x))
        assert variances.sum() == pytest.approx(200 + equal * duration, rel=1e-11)
        assert modes @ modes.T * duration / 200 == pytest.approx(np.eye(200), abs=1e-11)
        assert times == pytest.approx((np.arange(200) + 0.5) * duration / 200)
        if duration < 1:
            # one mode, constant over the window, takes all of it; the correlation changes by 1.6 x 0.01
            assert variances[0] == pytest.approx(1 + equal * duration, abs=0.016 * abs(equal) * duration)
            assert variances[1:] == pytest.approx(np.ones(199), abs=0.016 * abs(equal) * duration)
        else:
            # on a grid of step h the sum of e^{-1.6 |s|} replaces its integral 2/1.6 by h coth(0.8 h); S at the lowest
            # w of the window, pi/duration, lies above S(0) by less than 2 kappa pump w^2/1.6^4
            lowest = 1 + equal * duration / 200 / np.tanh(0.8 * duration / 200)
            assert lowest == pytest.approx(opo_spectrum(0.0, 0.0), abs=5e-3)
            assert 0 < variances[0] - lowest < 2 * KAPPA * PUMP * (np.pi / 30) ** 2 / 1.6**4
            assert variances[-1] < 1


# ---- as a force sensor ----


@pytest.mark.parametrize(("frequency", "omega"), [(0.0, 2.0), (30.0, 30.0), (30.0, 21.0)])
def test_best_strength_of_one_oscillator_is_the_standard_quantum_limit(frequency, omega):
    """QND read-out: S_f = a/Gamma + b Gamma + c; min over Gamma of S_f - c is 1/|chi|, c the noise of its own bath.

    c = gt in the rotating frame (frequency 0); gt (1 + |gamma/2 - i omega|^2/Omega^2) in the laboratory frame, where
    the bath shakes X as well. The three numbers follow from three strengths; a fourth one tests the form.
    """
    damping = 0.4

    @jax.jit
    @jax.vmap
    def noise(rate):
        if frequency:
            probe = oscillator("M", frequency=frequency, passive=rate / 2, active=rate / 2, damping=damping)
            return force_noise(probe, "M", [omega], homodyne("M.light", angle=np.pi / 2))[0]
        probe = sideband_oscillator("M", passive=rate / 2, active=rate / 2, damping=damping)
        return force_noise(probe, "M", [omega], sideband_homodyne("M.upper", "M.lower"))[0]

    strengths = np.array([0.5, 2.0, 8.0, 30.0])
    found = np.asarray(noise(strengths))
    form = np.stack([1 / strengths, strengths, np.ones(4)], axis=1)
    a, b, c = np.linalg.solve(form[:3], found[:3])
    assert found[3] == pytest.approx(form[3] @ [a, b, c], rel=1e-10)
    shaken = 1 + (damping**2 / 4 + omega**2) / frequency**2 if frequency else 1.0
    assert c == pytest.approx(damping / 2 * shaken, rel=1e-9)
    limit = float(standard_quantum_limit([omega], frequency=frequency, damping=damping)[0])
    assert 2 * np.sqrt(a * b) == pytest.approx(limit, rel=1e-9)
    best = np.asarray(noise(np.sqrt(a / b) * np.array([1.0, 1.01, 0.99, 2.0])))
    assert best[0] - c == pytest.approx(limit, rel=1e-9)
    assert np.all(best[1:] > best[0])


def test_hybrid_goes_below_the_standard_quantum_limit():
    """004, end: the noise cancellation "enables sub-SQL sensitivity" of the pair as a continuous force sensor.

    The same light without S (cooperativity 1e-9) does worse.
    """
    omega = 2 * np.pi * np.geomspace(1e4, 1e6, 41)

    @jax.jit
    @jax.vmap
    def noise(cooperativity):
        e = load(shipped_labs()["huang2018"], case="cs100").experiment
        e = dataclasses.replace(e, spin=dataclasses.replace(e.spin, cooperativity=cooperativity))
        return force_noise(e.model(), "M", omega, e.detector())

    hybrid, alone = np.asarray(noise(np.array([100.0, 1e-9])))
    limit = np.asarray(standard_quantum_limit(omega, frequency=0.0, damping=0.0))
    assert (hybrid / limit).min() < 0.8
    assert (alone / limit).min() > 1
