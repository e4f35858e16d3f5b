"""A cell of vapour: pressures and widths against published numbers, optical depths against integrals written here."""

import math

import numpy as np
import pytest
from scipy.constants import Boltzmann, physical_constants
from scipy.integrate import dblquad, quad
from scipy.optimize import brentq
from scipy.special import voigt_profile

from darkstate.atoms import vapour
from darkstate.atoms.dipole import averaged_rate
from darkstate.atoms.species import line, species
from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError

TORR = 101325 / 760  # Pa, definition
ALKALI = ("133Cs", "85Rb", "87Rb")
WARM = (298.0, 323.15, 373.15, 423.15, 500.0, 550.0)


# --- vapour pressure -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, torr, digits", [("133Cs", 1.488e-6, 5e-4), ("85Rb", 3.92e-7, 2e-3), ("87Rb", 3.92e-7, 2e-3)]
)
def test_vapour_pressure_of_stecks_tables(name, torr, digits):
    # Steck, alkali data, "vapor pressure at 25 C": Cs 1.488(74)e-6, Rb 3.92(20)e-7 torr. He evaluates at 298 K: the
    # same formula gives 1.511e-6 and 3.99e-7 at 298.15 K
    assert vapour.vapour_pressure(name, 298.0) == pytest.approx(torr * TORR, rel=digits)
    assert vapour.vapour_pressure(name, 298.15) == pytest.approx(torr * TORR, rel=0.05)  # his stated uncertainty


@pytest.mark.parametrize(
    "name, temperature, pascal",
    # CRC Handbook of Chemistry and Physics, "Vapor pressure of the metallic elements": temperatures of 1, 10, 100 Pa,
    # rounded to 1 K, which is 2.5 %
    [("133Cs", 418, 1), ("133Cs", 469, 10), ("133Cs", 534, 100), ("87Rb", 434, 1), ("85Rb", 486, 10)],
)
def test_vapour_pressure_of_the_crc_handbook(name, temperature, pascal):
    assert vapour.vapour_pressure(name, temperature) == pytest.approx(pascal, rel=0.025)


def precise(name, t):
    """The fits with a logarithm of Alcock et al., table 3, liquid (+-1 %), in Pa."""
    a, b, c = (8.232, 4062.0, 1.3359) if name == "133Cs" else (8.316, 4275.0, 1.3102)
    return 101325 * 10 ** (a - b / t - c * math.log10(t))


def nesmeyanov(name, t):
    """A. N. Nesmeyanov, Vapor Pressure of the Chemical Elements (1963), as older revisions of Steck's data quote it."""
    if name == "133Cs":
        solid, k = t < 301.65, (-219.48200, 1088.676, -0.08336185, 94.88752)
        k = k if solid else (8.22127, -4006.048, -0.00060194, -0.19623)
    else:
        solid, k = t < 312.45, (-94.04826, -1961.258, -0.03771687, 42.57526)
        k = k if solid else (15.88253, -4529.635, 0.00058663, -2.99138)
    return TORR * 10 ** (k[0] + k[1] / t + k[2] * t + k[3] * math.log10(t))


@pytest.mark.parametrize("name", ALKALI)
def test_vapour_pressure_by_other_published_formulas(name):
    for t in WARM:
        p = vapour.vapour_pressure(name, t)
        assert p == pytest.approx(precise(name, t), rel=0.05)  # accuracy stated for the short formula
        # the older compilation lies up to 16 % (Cs) and 28 % (Rb) lower; a wrong branch or unit would not pass
        assert 1 < p / nesmeyanov(name, t) < (1.2 if name == "133Cs" else 1.4)


def test_branches_meet_at_the_melting_point():
    # melting points of Steck's data, 28.5 C and 39.30 C; the liquid formula is higher by 10^(dA) e^(-dB/T): 3.3, 3.5 %
    for name, melting, step in (("133Cs", 301.65, 1.03336), ("87Rb", 312.45, 1.03536)):
        below, above = (vapour.vapour_pressure(name, melting + d) for d in (-1e-9, 1e-9))
        assert above / below == pytest.approx(step, rel=1e-5)


def test_number_density():
    # n = p/(k T) by hand from Steck's pressure at 298 K: 1.488e-6 torr = 1.984e-4 Pa, over 1.380649e-23 x 298
    assert vapour.number_density("133Cs", 298.0) == pytest.approx(4.822e16, rel=1e-3)
    # 85Rb and 87Rb are one element: the same density of a pure isotope
    assert vapour.number_density("85Rb", 350.0) == vapour.number_density("87Rb", 350.0)
    for name in ALKALI:
        for t in (298.15, 340.0, 420.0):
            assert vapour.number_density(name, t) * Boltzmann * t == pytest.approx(vapour.vapour_pressure(name, t))


def test_the_extrapolated_range_is_named():
    assert vapour.is_extrapolated(297.9) and not vapour.is_extrapolated(298.0)
    # ends of the accepted range: on the solid and the liquid line of Alcock et al.
    low = 10 ** (2.881 + 4.711 - 3999 / 273.15) * TORR
    high = 10 ** (2.881 + 4.165 - 3830 / 550) * TORR
    assert vapour.vapour_pressure("133Cs", 273.15) == pytest.approx(low, rel=1e-12)
    assert vapour.vapour_pressure("133Cs", 550.0) == pytest.approx(high, rel=1e-12)


def test_refused_temperatures_and_species():
    for t in (25.0, 273.0, 551.0, -1.0, math.nan):
        with pytest.raises(ArgumentError, match=r"between 273.15 and 550 K.*but is .* K: give it in kelvin") as caught:
            vapour.number_density("87Rb", t)
        assert "\n" not in str(caught.value)
    with pytest.raises(ArgumentError, match=r"133Cs, 85Rb, 87Rb, but is '171Yb'.*give the optical depth"):
        vapour.vapour_pressure("171Yb", 300.0)
    with pytest.raises(ArgumentError, match="did you mean '133Cs'"):
        vapour.vapour_pressure("Cs133", 300.0)
    # a traced temperature has no value to refuse: the formula goes on
    traced = jax.jit(lambda t: vapour.vapour_pressure("87Rb", t))(600.0)
    assert float(traced) == pytest.approx(TORR * 10 ** (2.881 + 4.312 - 4040 / 600), rel=1e-12)


# --- motion ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALKALI)
@pytest.mark.parametrize("t", [293.15, 350.0, 500.0])
def test_doppler_width_by_two_other_routes(name, t):
    d2 = line(name, "D2")
    width = vapour.doppler_width(d2.wavelength, d2.species.mass, t)
    # W. Demtroeder, Laser Spectroscopy, Sec. 3.2: 7.16e-7 nu sqrt(T/M), T in K, M in g/mol, as printed to 3 digits
    molar = d2.species.mass / physical_constants["atomic mass constant"][0]
    assert width == pytest.approx(7.16e-7 * d2.frequency_hz * math.sqrt(t / molar), rel=5e-4)
    # half maximum of the Maxwell distribution of the velocity along the light, Doppler shift v/lambda
    half = brentq(lambda v: math.exp(-d2.species.mass * v**2 / (2 * Boltzmann * t)) - 0.5, 0, 2000)
    assert width == pytest.approx(2 * half / d2.wavelength, rel=1e-10)


def test_doppler_width_of_001():
    # 001 App. E: 378.5 MHz (the 380 MHz used), where footnote 69 as printed gives 273 MHz
    d2 = line("133Cs", "D2")
    width = vapour.doppler_width(d2.wavelength, d2.species.mass, 300.0)
    printed = vapour.doppler_width(d2.wavelength, d2.species.mass, 300.0, variant="paper")
    assert width == pytest.approx(378.5e6, abs=0.05e6)
    assert printed == pytest.approx(273e6, abs=0.5e6)
    assert printed / width == pytest.approx(1 / (2 * math.log(2)), rel=1e-14)
    with pytest.raises(ArgumentError, match="`variant`"):
        vapour.doppler_width(d2.wavelength, d2.species.mass, 300.0, variant="fwhm")


def test_mean_speed_and_the_rates_made_of_it():
    # mean of v over 4 pi v^2 e^{-m v^2/2kT}, by quadrature
    mass, t = species("133Cs").mass, 300.0
    scale = math.sqrt(2 * Boltzmann * t / mass)
    moment = [quad(lambda x, n=n: x**n * math.exp(-x * x), 0, 12)[0] for n in (2, 3)]
    speed = vapour.mean_speed(mass, t)
    assert speed == pytest.approx(scale * moment[1] / moment[0], rel=1e-10)
    # chord of a long cylinder: flights isotropic in space, (v/4) S/V with S = pi D l, V = pi D^2 l/4
    assert vapour.transit_rate(speed, 0.02) == pytest.approx(speed / 4 * (math.pi * 0.02) / (math.pi * 0.02**2 / 4))
    sides = (0.01, 0.02, 0.05)
    surface = 2 * (0.01 * 0.02 + 0.02 * 0.05 + 0.01 * 0.05)
    assert vapour.wall_collision_rate(speed, sides) == pytest.approx(speed * surface / (4 * 0.01 * 0.02 * 0.05))


def test_wall_and_transit_rates_of_flying_atoms():
    # 2e5 atoms with Maxwell velocities: hits of a wall are |v_x| t/l_x in all three directions; an atom in the beam
    # leaves it when it has flown the rest of its chord. Counting error 0.2 %
    rng = np.random.default_rng(7)
    mass, t = species("133Cs").mass, 300.0
    v = rng.normal(scale=math.sqrt(Boltzmann * t / mass), size=(200_000, 3))
    speed = vapour.mean_speed(mass, t)
    hits = np.mean(abs(v) @ (1 / np.array([0.01, 0.02, 0.05])))
    assert vapour.wall_collision_rate(speed, (0.01, 0.02, 0.05)) == pytest.approx(hits, rel=5e-3)
    # in equilibrium the rate out of the beam is the share that crosses its edge in a short time
    position = rng.uniform(-0.5, 0.5, size=(200_000, 2))
    inside = np.hypot(*position.T) < 0.5
    dt = 0.02 / speed
    after = np.hypot(*(position + v[:, :2] * dt).T)[inside]
    assert vapour.transit_rate(speed, 1.0) * dt == pytest.approx(np.mean(after > 0.5), rel=0.05)


# --- optical depth ---------------------------------------------------------------------------------------------------


def test_optical_depth_is_a_quarter_of_the_resonant_one():
    # sigma_0 = 3 lambda^2/2 pi (textbook); 1e12 atoms of Cs over 4 cm^2 by hand
    wavelength, atoms, area = 852.347e-9, 1e12, 4e-4
    sigma = 3 * wavelength**2 / (2 * math.pi)
    assert sigma == pytest.approx(3.469e-13, rel=1e-3)  # Steck, sigma light: 3.469e-9 cm^2
    assert vapour.optical_depth(atoms, area, wavelength) == pytest.approx(atoms * sigma / area / 4, rel=1e-12)


def test_optical_depth_of_an_even_cell_is_the_radiation_into_the_forward_mode():
    # N Gamma_ij/Gamma = Int dOmega (3/8 pi)(1 - n_x^2) |<e^{i (k_L - k) r}>|^2 over a cube; the edges diffract, so that
    # the ratio to (3 lambda^2/8 pi)/A is 1 - 0.6/sqrt(k l): extrapolated from k l = 100, 400
    def ratio(size, points=1200):
        n = (np.arange(points) + 0.5) / points * min(0.999, 2 * math.pi * 60 / size)
        x, y = np.meshgrid(n, n)
        z = np.sqrt(np.where(x**2 + y**2 < 1, 1 - x**2 - y**2, np.inf))
        overlap = np.prod([np.sinc(size * q / (2 * math.pi)) ** 2 for q in (x, y)], axis=0)
        forward = np.where(np.isfinite(z), np.sinc(size * (1 - np.minimum(z, 1)) / (2 * math.pi)) ** 2, 0)
        rate = 4 * 3 / (8 * math.pi) * np.sum((1 - x**2) * overlap * forward / z) * (n[1] - n[0]) ** 2
        return rate / vapour.optical_depth(1.0, size**2, 2 * math.pi)  # k_L = 1

    small, large = ratio(100.0), ratio(400.0)
    assert 2 * large - small == pytest.approx(1.0, abs=2e-3)
    assert 1 - large == pytest.approx(0.6 / math.sqrt(400), rel=0.03)


def test_optical_depth_of_a_gaussian_cloud():
    # 001 below Eq. (11), ratio the right way round (the printed one is upside down)
    assert vapour.optical_depth_gaussian(4e11, 1e5) == pytest.approx(3 * 4e11 / (4 * 1e10), rel=1e-14)
    # ... is N times the averaged rate, up to 1/a^2
    assert vapour.optical_depth_gaussian(7.0, 100.0) == pytest.approx(7 * averaged_rate(100.0), rel=1.01e-4)
    # ... and that of an even cell of the area 1/Int P^2 dx dy = 2 pi L^2
    width, wavelength = 0.013, 780e-9
    overlap = dblquad(lambda y, x: (math.exp(-(x * x + y * y)) / math.pi) ** 2, -6, 6, -6, 6)[0]
    assert vapour.gaussian_area(1.0) == pytest.approx(1 / overlap, rel=1e-8)
    even = vapour.optical_depth(1e11, vapour.gaussian_area(width), wavelength)
    assert even == pytest.approx(vapour.optical_depth_gaussian(1e11, 2 * math.pi * width / wavelength), rel=1e-12)


@pytest.mark.parametrize(
    "name, which, strength, oscillator",
    # Steck's alkali data, "absorption oscillator strength" f: Cs D1 0.3449(26), D2 0.7164(25); 87Rb D1 0.34231(97),
    # D2 0.69577(29), whole fine-structure lines without polarisation
    [
        ("133Cs", "D1", 1 / 3, 0.3449),
        ("133Cs", "D2", 2 / 3, 0.7164),
        ("87Rb", "D1", 1 / 3, 0.34231),
        ("87Rb", "D2", 2 / 3, 0.69577),
    ],
)
def test_absorption_has_the_area_of_the_oscillator_strength(name, which, strength, oscillator):
    # Int sigma dnu = pi r_e c f with the classical electron radius (textbook)
    wire = line(name, which)
    doppler = vapour.doppler_width(wire.wavelength, wire.species.mass, 300.0)
    peak = vapour.absorption_coefficient(
        1.0, wire.wavelength, natural_width=wire.natural_width, doppler=doppler, strength=strength
    )
    area = quad(lambda nu: peak * 0.5 ** ((2 * nu) ** 2), -8, 8)[0] * doppler  # half at half the width
    radius, light = physical_constants["classical electron radius"][0], 299792458.0
    assert area == pytest.approx(math.pi * radius * light * oscillator, rel=5e-4)


def test_absorption_peak_against_the_voigt_profile():
    # Cs D2, F=4, m=4 -> 5, 5 at 300 K: the Gaussian peak is too high by 2 sqrt(ln 2/pi) gamma/(2 pi delta) = 1.3 %
    d2 = line("133Cs", "D2")
    doppler = vapour.doppler_width(d2.wavelength, d2.species.mass, 300.0)
    sigma0, natural = 3 * d2.wavelength**2 / (2 * math.pi), d2.natural_width / (2 * math.pi)
    voigt = voigt_profile(0.0, doppler / math.sqrt(8 * math.log(2)), natural / 2) * sigma0 * d2.natural_width / 4
    peak = vapour.absorption_coefficient(1.0, d2.wavelength, natural_width=d2.natural_width, doppler=doppler)
    assert peak / voigt - 1 == pytest.approx(2 * math.sqrt(math.log(2) / math.pi) * natural / doppler, rel=0.02)
    assert peak / voigt - 1 == pytest.approx(0.013, abs=5e-4)
    # 2 half-value lengths let a quarter through
    assert vapour.transmission(math.log(2) / 0.011, 0.022) == pytest.approx(0.25, rel=1e-14)


@pytest.mark.parametrize("finesse", [0.5, 3.0, 30.0])
def test_cavity_build_up_is_the_sum_over_round_trips(finesse):
    r = brentq(lambda r: math.pi * math.sqrt(r) / (1 - r) - finesse, 1e-12, 1 - 1e-9, xtol=1e-15)
    circulating = sum(r**n for n in range(2000))
    assert vapour.cavity_build_up(finesse) == pytest.approx(circulating**2 * (1 - r**2), rel=1e-9)


def test_cavity_build_up_limits():
    assert vapour.cavity_build_up(0.0) == 1.0
    # many round trips: 2F/pi = 4/T with F = 2 pi/T, as known for a resonator with one mirror of transmission T
    assert vapour.cavity_build_up(2 * math.pi / 1e-4) == pytest.approx(4e4, rel=1e-8)


# --- refusals and gradients ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, name",
    [
        (lambda bad: vapour.doppler_width(bad, 2e-25, 300.0), "wavelength"),
        (lambda bad: vapour.doppler_width(8e-7, bad, 300.0), "mass"),
        (lambda bad: vapour.mean_speed(2e-25, bad), "temperature"),
        (lambda bad: vapour.transit_rate(200.0, bad), "diameter"),
        (lambda bad: vapour.wall_collision_rate(200.0, (0.01, bad, 0.01)), "size"),
        (lambda bad: vapour.optical_depth(1e12, bad, 8e-7), "area"),
        (lambda bad: vapour.optical_depth_gaussian(bad, 1e5), "atoms"),
        (lambda bad: vapour.absorption_coefficient(1e16, 8e-7, natural_width=3e7, doppler=bad), "doppler"),
    ],
)
def test_numbers_that_are_no_sizes_are_refused(call, name):
    for bad in (0.0, -1.0, math.nan):
        with pytest.raises(ArgumentError, match=f"Argument `{name}` must be above 0, but {name} = "):
            call(bad)


def test_a_negative_finesse_is_refused():
    with pytest.raises(ArgumentError, match="`finesse` must be at least 0, but is -2"):
        vapour.cavity_build_up(-2.0)


@pytest.mark.parametrize(
    "function, x",
    [
        (lambda t: vapour.number_density("133Cs", t), 295.0),  # solid
        (lambda t: vapour.number_density("133Cs", t), 350.0),  # liquid
        (lambda t: vapour.doppler_width(8e-7, 2e-25, t), 300.0),
        (lambda t: vapour.mean_speed(2e-25, t), 300.0),
        (lambda d: vapour.transit_rate(200.0, d), 0.01),
        (lambda d: vapour.wall_collision_rate(200.0, (0.01, d, 0.03)), 0.02),
        (lambda a: vapour.optical_depth(1e12, a, 8e-7), 4e-4),
        (lambda a: vapour.optical_depth_gaussian(1e12, a), 1e5),
        (vapour.gaussian_area, 0.01),
        (lambda w: vapour.absorption_coefficient(1e16, 8e-7, natural_width=3e7, doppler=w), 4e8),
        (lambda c: vapour.transmission(c, 0.02), 25.0),
        (vapour.cavity_build_up, 3.0),
    ],
)
def test_gradients(function, x):
    # JAX against the central difference of the plain function
    value, gradient = jax.jit(jax.value_and_grad(function))(x)
    step = 1e-5
    difference = (function(x * (1 + step)) - function(x * (1 - step))) / (2 * step * x)
    assert float(value) == pytest.approx(function(x), rel=1e-12)
    assert float(gradient) == pytest.approx(difference, rel=1e-6)


def test_a_batch_of_temperatures_takes_both_branches():
    temperatures = [298.0, 310.0, 400.0]
    batch = jax.vmap(lambda t: vapour.vapour_pressure("87Rb", t))(jnp.array(temperatures))
    assert np.asarray(batch) == pytest.approx([vapour.vapour_pressure("87Rb", t) for t in temperatures], rel=1e-12)
