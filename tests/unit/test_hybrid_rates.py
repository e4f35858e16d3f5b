"""Rates of the hybrid experiment: effective ones, a vapour cell, membranes, each against a second route."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from darkstate.backend import jax, jnp
from darkstate.experiments.hybrid_rates import HybridRates, OscillatorRates
from darkstate.experiments.labfile import load, shipped_labs
from darkstate.experiments.membranes import CounterMembrane, Membrane
from darkstate.experiments.oscillators import Cell, Mechanics, Spin
from darkstate.experiments.spin_mechanics import Path, SpinMechanics
from darkstate.experiments.values import with_values
from darkstate.spins.thermal import thermal_occupation

KHZ = 2 * math.pi * 1e3


def effective(**changes):
    lab = SpinMechanics(
        spin=Spin(theta=0.8, linewidth=5 * KHZ, occupation=1.0, cooperativity=10.0),
        mechanics=Mechanics(theta=1.4, decoherence=10 * KHZ, rate=120 * KHZ),
        path=Path(loss=0.1),
    )
    return with_values(lab, changes)


# --- effective rates -------------------------------------------------------------------------------------------------


def test_effective_rates_follow_004():
    rates = effective().rates
    s, m = rates.first, rates.second
    assert s.decoherence == pytest.approx(7.5 * KHZ)  # gamma_S0 (n_S + 1/2) = 5 x 1.5
    assert s.rate == pytest.approx(75 * KHZ)  # C_S gt_S
    assert m.cooperativity == pytest.approx(12.0)  # 120/10
    # 004 below Eq. (5): R is written with the sideband rates there, with the angles here
    by_sidebands = math.sqrt(s.passive * m.active) - math.sqrt(m.passive * s.active)
    assert rates.interference == pytest.approx(by_sidebands, rel=1e-12)
    assert rates.interference < 0
    # gamma = gamma_0 + Gamma_B - Gamma_P, the same without cos(2 theta)
    assert s.effective_linewidth == pytest.approx(s.linewidth + s.passive - s.active, rel=1e-12)
    # the light reads sqrt(Gamma) cos(theta - pi/4) = (sqrt(Gamma_B) + sqrt(Gamma_P))/sqrt 2 of each oscillator
    weight = [math.sqrt(o.passive) + math.sqrt(o.active) for o in (s, m)]
    assert rates.readout_gain == pytest.approx(weight[1] / (math.sqrt(0.9) * weight[0]), rel=1e-12)
    assert rates.ratio == pytest.approx(-2 * math.sqrt(0.9) * by_sidebands / m.effective_linewidth, rel=1e-12)


def test_the_order_of_the_oscillators_counts():
    rates = effective().rates
    swapped = HybridRates(first=rates.second, second=rates.first, loss=rates.loss)
    assert swapped.interference == pytest.approx(-rates.interference)
    assert swapped.readout_gain * rates.readout_gain == pytest.approx(1 / 0.9)


def test_given_gain_replaces_the_read_out_gain():
    assert effective().gain == effective().rates.readout_gain
    assert effective(**{"readout.gain": 0.7}).gain == 0.7


def test_traced_values_give_the_same_rates():
    def numbers(loss, theta):
        rates = effective(**{"path.loss": loss, "mechanics.theta": theta}).rates
        return jnp.stack([rates.interference, rates.readout_gain, rates.ratio, rates.second.passive])

    plain = effective(**{"path.loss": 0.2, "mechanics.theta": 1.3}).rates
    expected = [plain.interference, plain.readout_gain, plain.ratio, plain.second.passive]
    np.testing.assert_allclose(jax.jit(numbers)(0.2, 1.3), expected, rtol=1e-12)
    slope = jax.jacfwd(numbers, argnums=1)(0.2, 1.3)
    central = (numbers(0.2, 1.3 + 1e-5) - numbers(0.2, 1.3 - 1e-5)) / 2e-5
    np.testing.assert_allclose(slope, central, rtol=1e-7)


# --- vapour cell -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spin", [0.5, 1.0, 1.5, 4.0])
@pytest.mark.parametrize("polarization", [0.05, 0.6, 0.98, 1.0])
def test_thermal_occupation_is_that_of_a_spin_temperature(spin, polarization):
    n = thermal_occupation(polarization, spin)
    m = np.arange(-spin, spin + 1)
    weights = (n / (1 + n)) ** (spin - m)
    weights /= weights.sum()
    assert (weights * m).sum() / spin == pytest.approx(polarization, rel=1e-12)
    # Holstein-Primakoff: the variance of the transverse spin in units where full polarisation has 1/2
    transverse = (weights * (spin * (spin + 1) - m**2)).sum() / 2
    assert n + 0.5 == pytest.approx(transverse / (weights * m).sum(), rel=1e-12)
    if spin == 0.5:
        assert n + 0.5 == pytest.approx(1 / (2 * polarization), rel=1e-12)  # two levels: <Jy^2> = 1/4, <Jx> = P/2
    assert jax.jit(thermal_occupation)(polarization, spin) == pytest.approx(n, abs=1e-13)


def test_thermal_occupation_carries_derivatives():
    points = jnp.array([0.3, 0.9, 0.99])
    slope = jax.vmap(jax.grad(lambda p: thermal_occupation(p, 4.0)))(points)
    central = [(thermal_occupation(p + 1e-6, 4.0) - thermal_occupation(p - 1e-6, 4.0)) / 2e-6 for p in (0.3, 0.9, 0.99)]
    np.testing.assert_allclose(slope, central, rtol=1e-7)
    # near full polarisation one quantum costs 1/F of the polarisation: n = F (1 - P)
    assert jax.grad(lambda p: thermal_occupation(p, 4.0))(1.0) == pytest.approx(-4.0)


def test_the_cooperativity_of_a_cell_saturates_with_power():
    cell = {"optical_depth": 60.0, "dark_linewidth": 100.0, "polarization": 1.0}
    weak = Cell(scattering_rate=100.0, **cell).rates
    strong = Cell(scattering_rate=1e6, **cell).rates
    assert weak.rate == pytest.approx(6000.0)  # d Gamma
    assert weak.cooperativity == pytest.approx(60.0)  # d Gamma/[(Gamma + dark)/2], Gamma = dark
    assert strong.cooperativity == pytest.approx(120.0, rel=2e-4)  # 2 d, whatever the power
    assert strong.theta == math.pi / 4


# --- membranes -------------------------------------------------------------------------------------------------------

MEMBRANE = {
    "frequency": 1.3e6,
    "quality_factor": 1e8,
    "temperature": 4.0,
    "cavity_linewidth": 2 * math.pi * 2e6,
    "overcoupling": 0.9,
    "coupling": 2 * math.pi * 80,
    "wavelength": 852e-9,
}
OMEGA, KAPPA, G0 = 2 * math.pi * 1.3e6, MEMBRANE["cavity_linewidth"], MEMBRANE["coupling"]
# CODATA 2018, exact: h = 6.62607015e-34 J s, k_B = 1.380649e-23 J/K, c = 299792458 m/s
PHOTON = 6.62607015e-34 * 299792458 / 852e-9
THERMAL = 1 / math.expm1(6.62607015e-34 * 1.3e6 / (1.380649e-23 * 4.0))


def photons(power, detuning):
    """Steady state of da/dt = (i Delta - kappa/2) a + sqrt(eta_c kappa) s with |s|^2 photons per second."""
    field = math.sqrt(0.9 * KAPPA * power / PHOTON) / complex(KAPPA / 2, -detuning)
    return abs(field) ** 2


def golden_rule(n, offset):
    """Scattering rate into a sideband as the time integral of the correlation of the cavity field."""
    end = 60 / KAPPA
    real, _ = quad(lambda t: math.exp(-KAPPA * t / 2) * math.cos(offset * t), 0, end, limit=500, epsabs=0, epsrel=1e-10)
    return 2 * G0**2 * n * real


def assert_rates(found, passive, active, cooling, heating):
    """Compare with sideband rates; `cooling`, `heating` go elsewhere, and a tenth of each sideband misses the beam."""
    assert found.passive == pytest.approx(0.9 * passive, rel=1e-8)
    assert found.active == pytest.approx(0.9 * active, rel=1e-8)
    down, up = cooling + 0.1 * passive, heating + 0.1 * active
    own = OMEGA / 1e8
    assert found.linewidth == pytest.approx(own + down - up, rel=1e-7)
    assert found.decoherence == pytest.approx(own * (THERMAL + 0.5) + (down + up) / 2, rel=1e-8)


@pytest.mark.parametrize("detuning", [-2 * math.pi * 1.6e6, 2 * math.pi * 0.4e6])
def test_membrane_rates(detuning):
    n = photons(5e-6, detuning)
    # light that gains a phonon leaves above the laser and cools
    cooling, heating = golden_rule(n, detuning + OMEGA), golden_rule(n, detuning - OMEGA)
    assert (cooling > heating) == (detuning < 0)
    membrane = Membrane(input_power=5e-6, detuning=detuning, **MEMBRANE)
    assert membrane.enhanced_coupling == pytest.approx(G0 * math.sqrt(n), rel=1e-12)
    assert_rates(membrane.rates, cooling, heating, 0.0, 0.0)


def test_a_cold_membrane_reaches_the_limit_of_sideband_cooling():
    # resolved sidebands at Delta = -omega: n_f = (kappa/4 omega)^2, A_+/(A_- - A_+) (004 Ref. 48)
    cavity = {**MEMBRANE, "cavity_linewidth": OMEGA / 20, "overcoupling": 1.0, "temperature": 1e-6}
    rates = Membrane(input_power=1e-8, detuning=-OMEGA, **cavity).rates
    final = (rates.rate / 2 + rates.decoherence) / rates.effective_linewidth - 0.5
    own = rates.linewidth / rates.effective_linewidth  # what the mount does at 1 uK is far below
    assert own < 1e-2
    assert final * (1 + own) == pytest.approx((1 / 80) ** 2, rel=0.03)


def test_counter_membrane_rates():
    shift = 2 * math.pi * 0.1e6
    lower, upper = photons(10e-6, shift - 2 * OMEGA), photons(8e-6, shift + 2 * OMEGA)
    found = CounterMembrane(passive_power=10e-6, active_power=8e-6, detuning=shift, **MEMBRANE)
    assert found.enhanced_coupling == pytest.approx(G0 * math.sqrt(lower + upper), rel=1e-12)
    assert_rates(
        found.rates,
        golden_rule(lower, shift - OMEGA),  # the lower tone gains a phonon
        golden_rule(upper, shift + OMEGA),  # the upper tone loses one
        golden_rule(upper, shift + 3 * OMEGA),
        golden_rule(lower, shift - 3 * OMEGA),
    )


def test_laboratory_rates_are_differentiable():
    lab = load(shipped_labs()["membrane-cell"]).experiment
    keys = ["membrane.input_power", "membrane.detuning", "membrane.temperature", "cell.polarization", "path.loss"]
    values = jnp.array([31e-6, -2 * math.pi * 2.8e6, 4.0, 0.98, 0.05])

    def gain_and_bath(x):
        rates = with_values(lab, {k: x[i] for i, k in enumerate(keys)}).rates
        return jnp.stack([rates.readout_gain, rates.second.decoherence / 1e4, rates.first.decoherence / 1e3])

    plain = lab.rates
    expected = [plain.readout_gain, plain.second.decoherence / 1e4, plain.first.decoherence / 1e3]
    np.testing.assert_allclose(jax.jit(gain_and_bath)(values), expected, rtol=1e-12)
    slopes = jax.jacfwd(gain_and_bath)(values)
    for i in range(len(keys)):
        step = 1e-5 * values[i] * jnp.eye(len(keys))[i]
        central = (gain_and_bath(values + step) - gain_and_bath(values - step)) / (2e-5 * values[i])
        # central differences of numbers of order 1 are good to 1e-16/1e-5 per relative step
        np.testing.assert_allclose(slopes[:, i] * values[i], central * values[i], rtol=1e-6, atol=1e-9)


def test_sidebands_give_rate_and_angle():
    one = OscillatorRates.of_sidebands(225.0, 75.0, 10.0, 15.0)
    assert one.theta == pytest.approx(math.pi / 3)  # tan^2 theta = 225/75 = 3
    assert one.rate == 300.0
