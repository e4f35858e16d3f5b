"""Beams: Rabi frequency against saturation intensity, Faraday angle, resonant rates against a mean over velocities."""

from math import log, pi, sqrt

import numpy as np
import pytest
from scipy.integrate import quad

from darkstate.atoms.beam import depth_of_faraday, faraday_angle, intensity, rabi_squared
from darkstate.atoms.light import LightRates
from darkstate.atoms.pumping import pump_parameter, resonant_rate, saturation
from darkstate.atoms.species import line
from darkstate.errors import ArgumentError


def test_saturation_intensity_of_the_cycling_transition():
    # Steck, Cesium D Line Data: I_sat = 1.1023 mW/cm^2 for 4,4 -> 5',5' in sigma light, where the usual Rabi frequency
    # (twice that of 001) is gamma/sqrt 2
    d2 = line("133Cs", "D2")
    assert 4 * rabi_squared(d2, 11.023) / d2.natural_width**2 == pytest.approx(0.5, rel=3e-3)


def test_windows_and_area():
    assert intensity(5.6e-3, 0.022**2, 0.96**2) == pytest.approx(5.6e-3 * 0.9216 / 4.84e-4, rel=1e-14)


@pytest.mark.parametrize(("degrees", "depth"), [(8.5, 34), (14.0, 56)])
def test_faraday_angles_of_krauter2011(degrees, depth):
    # 002 text: d about 34 at 8.5 degrees, 56 at 14.0 degrees
    assert depth_of_faraday(degrees * pi / 180) == pytest.approx(depth, rel=1e-12)


def test_faraday_angle_far_from_the_line():
    # B. Julsgaard, thesis (2003): theta = gamma lambda^2 a_1 Jx/(32 pi A Delta), a_1 -> 1 far away; with d =
    # (3 lambda^2/8 pi) N/A and Jx = 4 N this is gamma d/(3 Delta); gamma and Delta angular. The hyperfine structure
    # adds the relative order 1 GHz/Delta.
    d2, delta = line("133Cs", "D2"), 1e12
    theta = faraday_angle(d2, optical_depth=50.0, mean_spin=4.0, detuning_hz=delta)
    assert abs(theta) == pytest.approx(d2.natural_width * 50 / (3 * 2 * pi * delta), rel=2e-3)
    opposite = faraday_angle(d2, optical_depth=50.0, mean_spin=-4.0, detuning_hz=delta)
    assert opposite == -theta


def test_resonant_rate_is_the_mean_over_velocities():
    """Lorentzian gamma Omega^2/(Delta^2 + gamma^2/4) under a Gaussian of FWHM 378.5 MHz, by adaptive quadrature."""
    gamma, delta, omega = line("133Cs", "D1").natural_width, 378.5e6, 1e5
    sigma = 2 * pi * delta / sqrt(8 * log(2))

    def integrand(x):
        return gamma * omega**2 / (x * x + gamma**2 / 4) * np.exp(-x * x / (2 * sigma**2)) / (sigma * sqrt(2 * pi))

    mean = 2 * (
        quad(integrand, 0, 50 * gamma, epsrel=1e-10)[0] + quad(integrand, 50 * gamma, 8 * sigma, epsrel=1e-10)[0]
    )
    # finite natural width lowers it by about 2 sqrt(ln 2/pi) gamma/(2 pi delta) = 1.1 %
    assert resonant_rate(omega**2, delta) == pytest.approx(mean, rel=0.015)
    assert mean / resonant_rate(omega**2, delta, variant="paper") == pytest.approx(5.9, rel=0.02)
    assert saturation(resonant_rate(omega**2, delta), gamma, delta) == pytest.approx(4 * omega**2 / gamma**2, rel=1e-12)
    with pytest.raises(ArgumentError, match="variant"):
        resonant_rate(omega**2, delta, variant="v2")


def test_pump_parameter_is_a_ratio_of_rates():
    """001 below Eq. (15), as printed, and with the rate averaged over velocities."""
    gamma, delta_d, delta, splitting, pump, probe = 3.3e7, 378.5e6, 1e9, 3e5, 1e5, 1e7
    k = gamma / (2 * pi * delta_d)
    printed = pump**2 * (2 * pi * (delta - splitting)) ** 2 / (gamma**2 * probe**2) * k
    at = {"detuning_hz": delta, "splitting_hz": splitting, "natural_width": gamma, "doppler_hz": delta_d}
    assert pump_parameter(pump=pump, probe=probe, variant="paper", **at) == pytest.approx(printed, rel=1e-12)
    assert pump_parameter(pump=pump, probe=probe, **at) == pytest.approx(
        printed * 2 * pi * sqrt(4 * log(2) / pi), rel=1e-12
    )


def test_an_unknown_variant_of_the_dephasing():
    with pytest.raises(ArgumentError, match='must be "V1" or "V3", but is "?\'V2\''):
        LightRates(2.0, 1.0, *[0.0] * 9).rayleigh("V2")
