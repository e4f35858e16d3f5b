"""Averaged dipole-dipole rates: the closed forms against integrals written here from 001, term by term as printed."""

import math
import subprocess
import sys

import numpy as np
import pytest
from scipy.integrate import quad

from darkstate.atoms import dipole
from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError

SIZES = (2.0, 5.0, 20.0, 63.0, 200.0)
X, ROTATING, Z = (1, 0, 0), (0, 1 / math.sqrt(2), 1j / math.sqrt(2)), (0, 0, 1)  # dipoles; the light runs along z


# --- the radial integrals of 001 App. B 2, in x = k_L r --------------------------------------------------------------


def radial(a, integrand):
    """3/sqrt(2 pi)/a^3 Int_0^9a dx x^2 e^{-x^2/2a^2} integrand, a piece per half wave; e^{-81/2} ends it."""

    def weighted(x):
        return x**2 * math.exp(-((x / a) ** 2) / 2) * integrand(x)

    edges = np.append(np.arange(0, 9 * a, math.pi), 9 * a)
    pieces = [quad(weighted, lo, hi, epsabs=1e-11, epsrel=1e-11)[0] for lo, hi in zip(edges, edges[1:], strict=False)]
    return 3 / (math.sqrt(2 * math.pi) * a**3) * math.fsum(pieces)


def first_factor(x):  # of (B7) and G_A
    return math.sin(x) / x + math.cos(x) / x**2 - math.sin(x) / x**3


def second_factor(x):  # of Gamma_B and G_B
    return math.sin(x) / x + 3 * math.cos(x) / x**2 - 3 * math.sin(x) / x**3


def rate_integrand(x):  # (B7) + Gamma_B
    return math.sin(x) / x * first_factor(x) + (math.cos(x) / x**2 - math.sin(x) / x**3) * second_factor(x)


def shift_integrand(x):  # G_A + G_B
    return -math.cos(x) / x * first_factor(x) + (math.sin(x) / x**2 + math.cos(x) / x**3) * second_factor(x)


@pytest.mark.parametrize("a", SIZES)
def test_closed_form_and_product_quadrature_are_the_printed_integral(a):
    printed = radial(a, rate_integrand)
    assert dipole.averaged_rate(a) == pytest.approx(printed, rel=1e-8)
    assert dipole.averaged_rate_by_quadrature(a) == pytest.approx(printed, rel=1e-8)


@pytest.mark.parametrize("a", SIZES)
def test_the_averaged_shift_is_the_printed_integral(a):
    assert dipole.averaged_shift(a) == pytest.approx(radial(a, shift_integrand), rel=1e-7)


def test_numbers_of_the_physics_sheet():
    # closed form: ratio to 3/(4a^2) 0.9616 at a = 5, 0.99750625 at a = 20 (1 - 1/a^2 + 1/a^4)
    for a, ratio in ((5.0, 0.9616), (20.0, 0.99750625)):
        assert dipole.averaged_rate(a) * 4 * a**2 / 3 == pytest.approx(ratio, rel=1e-9)
        assert dipole.averaged_rate(a, variant="paper") == pytest.approx(3 / (4 * a**2), rel=1e-15)
    # row 33: G a^3 -> -0.698 and |G|/Gamma_ij -> 0.93/a; Abel summation of the integral gives -(3/sqrt(2 pi)) 7/12
    limit = -7 / (4 * math.sqrt(2 * math.pi))
    assert limit == pytest.approx(-0.698, abs=5e-4)
    for a in (50.0, 200.0, 2000.0):
        assert dipole.averaged_shift(a) * a**3 == pytest.approx(limit, rel=1.3 / a**2)
        assert -dipole.averaged_shift(a) / dipole.averaged_rate(a) * a == pytest.approx(0.931, abs=1e-3)


def test_neglected_brackets_cancel_only_in_the_sum():
    # row 32: the neglected part of Gamma_A is -(3/4) sqrt(pi/2)/a^3; Gamma_B takes it back, and 3/(4a^4) is left
    a = 40.0
    part = radial(a, lambda x: math.sin(x) / x * first_factor(x))
    neglected = part - 3 / (4 * a**2) * (1 - math.exp(-2 * a**2))
    assert neglected == pytest.approx(-0.75 * math.sqrt(math.pi / 2) / a**3, rel=0.05)
    assert dipole.averaged_rate(a) - 3 / (4 * a**2) == pytest.approx(-3 / (4 * a**4), rel=2 / a**2)


def test_small_ensembles_decay_as_one_atom():
    # Dicke limit: 1 - a^2 (1 - <cos>) with <cos(k, k_L)> = 0 for a pattern even in u; the next term is in a^4
    for along in (0.0, 0.5, 1.0):
        assert dipole.averaged_rate(0.0, along=along) == 1.0
        assert dipole.averaged_rate(1e-3, along=along) == pytest.approx(1 - 1e-6, abs=2e-12)
        below, above = (dipole.averaged_rate(a, along=along) for a in (1 - 1e-9, 1 + 1e-9))  # series | closed form
        assert above / below == pytest.approx(1.0, abs=1e-8)


# --- three dimensions, with the tensor gamma for complex dipoles -----------------------------------------------------


def three_dimensional(a, p, ratio=0.0):
    """Average of e^{i k_L r} gamma(r) over (2 pi)^{-3/2} e^{-(r + R z)^2/2} d^3r, r in units of L, without symmetry."""
    nodes, weights = np.polynomial.legendre.leggauss(240)
    top = ratio + 8.5
    r, wr = (1 + nodes) * top / 2, weights * top / 2
    phi = np.arange(8) * math.pi / 4  # the integrand has harmonics up to 2 phi
    r, u, phi = r[:, None, None], nodes[None, :, None], phi[None, None, :]
    sine = np.sqrt(1 - u**2)
    along = abs(p[0] * sine * np.cos(phi) + p[1] * sine * np.sin(phi) + p[2] * u) ** 2  # |p.r|^2
    x = a * r
    gamma = (1 - along) * np.sin(x) / x + (1 - 3 * along) * (np.cos(x) / x**2 - np.sin(x) / x**3)
    density = np.exp(-(r**2 + ratio**2 + 2 * r * ratio * u) / 2) / (2 * math.pi) ** 1.5
    integrand = 1.5 * gamma * density * np.exp(1j * x * u) * r**2
    return np.einsum("i,j,ijk->", wr, weights, integrand) * math.pi / 4


@pytest.mark.parametrize("p, along", [(X, 0.0), (ROTATING, 0.5), (Z, 1.0)])
@pytest.mark.parametrize("a, ratio", [(2.0, 0.0), (6.0, 0.0), (3.0, 1.5), (6.0, 4.0)])
def test_tensor_average(a, ratio, p, along):
    full = three_dimensional(a, p, ratio)
    assert dipole.averaged_rate_between(a, ratio, along=along) == pytest.approx(full, rel=1e-8)
    assert dipole.averaged_rate_between_by_quadrature(a, ratio, along=along) == pytest.approx(full, rel=1e-8)
    if ratio == 0:
        assert full.imag == pytest.approx(0, abs=1e-12)
        assert dipole.averaged_rate(a, along=along) == pytest.approx(full.real, rel=1e-8)
        assert dipole.averaged_rate_by_quadrature(a, along=along) == pytest.approx(full.real, rel=1e-8)


def test_a_rotating_dipole_sends_half_as_much_forward():
    # radiation pattern (3/8 pi)(1 - |p.k|^2): 1/2 against 1 in the forward direction
    a = 12.0
    share = three_dimensional(a, ROTATING).real / three_dimensional(a, X).real
    assert dipole.forward_share(a) == pytest.approx(share, rel=1e-8)
    assert share == pytest.approx(0.5 * (1 + 2 / a**2), rel=3e-4)
    assert dipole.forward_share(1e5) == pytest.approx(0.5, rel=1e-9)
    # the other circular dipole, and one turned about the light, have the same |p.k|^2 and the same rate
    mirrored = (1 / math.sqrt(2), 0, -1j / math.sqrt(2))
    assert three_dimensional(a, mirrored).real == pytest.approx(three_dimensional(a, ROTATING).real, rel=1e-12)
    # circular in the plane across the light: as strong as x
    assert three_dimensional(a, (1 / math.sqrt(2), 1j / math.sqrt(2), 0)).real == pytest.approx(
        dipole.averaged_rate(a), rel=1e-8
    )


# --- two ensembles ---------------------------------------------------------------------------------------------------


def printed_between(a, ratio):
    """The last integral but one of 001 App. B 2, dipole factor neglected, with L = 1 and k_L = a."""

    def part(function):
        def integrand(r):
            wave = np.exp(1j * a * (r - ratio)) * math.sin(a * (r - ratio))
            return math.exp(-(r**2) / 2) * function(wave)

        edges = np.linspace(-9, 9, 1 + math.ceil(18 * a / math.pi))
        return math.fsum(quad(integrand, lo, hi, epsabs=1e-13)[0] for lo, hi in zip(edges, edges[1:], strict=False))

    prefactor = 3 / (2 * math.sqrt(2 * math.pi) * a * (1j * a - ratio))
    return prefactor * (part(np.real) + 1j * part(np.imag))


@pytest.mark.parametrize("a, ratio", [(2.0, 0.5), (20.0, 2.0), (20.0, 100.0), (60.0, 30.0)])
def test_printed_rate_between_ensembles(a, ratio):
    # row 31: the exponent is 2 (k_L L)^2 (+ 2 i k_L R), as this formula has it
    printed = dipole.averaged_rate_between(a, ratio, variant="paper")
    assert printed == pytest.approx(printed_between(a, ratio), rel=1e-8)
    # row 34: the neglected dipole factor is 1/|s|, s = a^2 + i a R/L: 0.25 % at a = 20
    exact = dipole.averaged_rate_between(a, ratio)
    if a >= 20:
        assert abs(printed / exact - 1) == pytest.approx(1 / abs(a**2 + 1j * a * ratio), rel=0.03)
    assert abs(dipole.averaged_rate_between_by_quadrature(a, ratio) / exact - 1) < 1e-8


def test_distance_does_not_matter_while_the_light_is_collimated():
    # 001 App. B 2: <J>^{I,I} = <J>^{I,II} for k_L >> R/L^2, that is R/(k_L L^2) = ratio/a << 1
    a, ratio = 200.0, 0.4
    checks = dipole.motion_checks(rate=1.0, length=0.01, speed=1.0, wavenumber=a / 0.01, distance=0.01 * ratio)
    assert checks["distance"] == pytest.approx(ratio / a, rel=1e-14)
    change = dipole.averaged_rate_between(a, ratio) / dipole.averaged_rate(a) - 1
    assert change == pytest.approx(-1j * ratio / a, rel=5e-3)  # 1/(1 + i ratio/a)


def test_motion_checks_of_the_paper():
    # 001 Sec. III B: k_L ~ 1e7 /m, L ~ 1 cm, R ~ 1 m give R/(k_L L^2) = 1e-3; Gamma L/v by hand: 10 x 0.01/200
    checks = dipole.motion_checks(rate=10.0, length=0.01, speed=200.0, wavenumber=1e7, distance=1.0)
    assert checks == pytest.approx({"motion": 5e-4, "distance": 1e-3}, rel=1e-14)


# --- two atoms at rest -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [0.3, 0.999, 1.001, 2.0, 50.0])
@pytest.mark.parametrize("c", [0.0, 0.3, 1 / 3, 1.0])
def test_decay_and_shift_are_those_of_the_paper(x, c):
    # 001 Eqs. (9), (10) as printed; at x = 0.3 they lose 3 digits, which the series does not
    gamma = 1.5 * (1 - c) * math.sin(x) / x + 1.5 * (1 - 3 * c) * (math.cos(x) / x**2 - math.sin(x) / x**3)
    g = -1.5 * (1 - c) * math.cos(x) / x + 1.5 * (1 - 3 * c) * (math.sin(x) / x**2 + math.cos(x) / x**3)
    assert dipole.decay_and_shift(x, c) == pytest.approx((gamma, g), rel=1e-11)


def test_two_atoms_close_to_each_other():
    # gamma = 1 - (2 - c) x^2/10 + ... (series of Eq. 9), g = (3/2)(1 - 3c)/x^3 of two static dipoles (series of Eq. 10)
    for c in (0.0, 0.5, 1.0):
        gamma, g = dipole.decay_and_shift(1e-3, c)
        assert (1 - gamma) / 1e-6 == pytest.approx((2 - c) / 10, rel=1e-6)
        assert g == pytest.approx(1.5 * (1 - 3 * c) * 1e9, rel=2e-6)
    assert dipole.decay_and_shift(0.0, 0.4) == (1.0, 0.0)
    # shift and decay are the two parts of one outgoing wave: both dipole fields end as 1/x with |J| = (3/2)(1 - c)/x
    assert abs(complex(*dipole.decay_and_shift(1e4, 0.2))) == pytest.approx(1.5 * 0.8 / 1e4, rel=1e-7)


# --- gradients, batches, refusals ------------------------------------------------------------------------------------


def slope(function, x, step=1e-5):
    return (function(x * (1 + step)) - function(x * (1 - step))) / (2 * step * x)


@pytest.mark.parametrize("a", [0.6, 3.0, 30.0])
@pytest.mark.parametrize(
    "function",
    [
        dipole.averaged_rate,
        lambda a: dipole.averaged_rate(a, along=0.5),
        lambda a: dipole.averaged_rate(a, variant="paper"),
        dipole.forward_share,
        dipole.averaged_rate_by_quadrature,
        dipole.averaged_shift,
        lambda a: dipole.averaged_rate_between(a, 2.0).real,
        lambda a: dipole.averaged_rate_between_by_quadrature(a, 2.0).imag,
        lambda a: dipole.decay_and_shift(a, 0.2)[0],
        lambda a: dipole.decay_and_shift(a, 0.2)[1],
    ],
)
def test_gradients_and_batches(function, a):
    # JAX against NumPy or math: the same value, and the derivative of the other as a difference
    value, gradient = jax.jit(jax.value_and_grad(function))(a)
    assert float(value) == pytest.approx(function(a), rel=1e-11)
    assert float(gradient) == pytest.approx(slope(function, a), rel=2e-6)
    batch = jax.jit(jax.vmap(function))(jnp.array([a, 2 * a]))
    assert np.asarray(batch) == pytest.approx([function(a), function(2 * a)], rel=1e-11)


def test_gradients_in_the_other_arguments():
    by_share = jax.jit(jax.grad(lambda w: dipole.averaged_rate_by_quadrature(3.0, along=w)))(0.3)
    # the rate is linear in |p.k_L|^2
    assert float(by_share) == pytest.approx(dipole.averaged_rate(3.0, along=1.0) - dipole.averaged_rate(3.0), rel=1e-9)
    by_distance = jax.jit(jax.grad(lambda r: dipole.averaged_rate_between_by_quadrature(3.0, r).imag))(1.5)
    assert float(by_distance) == pytest.approx(
        slope(lambda r: dipole.averaged_rate_between(3.0, r).imag, 1.5), rel=1e-6
    )
    # gamma is flat where both atoms meet, and the gradient there is a number: series of Eq. (9)
    assert float(jax.jit(jax.grad(lambda x: dipole.decay_and_shift(x, 0.2)[0]))(0.0)) == 0.0


def test_a_traced_size_beyond_the_panels_says_so():
    functions = (
        dipole.averaged_rate_by_quadrature,
        dipole.averaged_shift,
        lambda a: dipole.averaged_rate_between_by_quadrature(a, 0.0).real,
    )
    for function in functions:
        inside, outside = jax.jit(jax.vmap(function))(jnp.array([200.0, 210.0]))
        assert float(inside) == pytest.approx(function(200.0), rel=1e-9)
        assert math.isnan(float(outside))


def test_refusals():
    for a in (0.0, -1.0, 1e6, math.nan):
        with pytest.raises(ArgumentError, match=r"`a` must be above 0 and at most 100000"):
            dipole.averaged_shift(a)
    with pytest.raises(ArgumentError, match="`variant` must be 'corrected' or 'paper', but is 'printed'"):
        dipole.averaged_rate(3.0, variant="printed")
    with pytest.raises(ArgumentError, match="`distance` must be at least 0, but is -1"):
        dipole.decay_and_shift(-1.0, 0.0)


def test_plain_numbers_need_no_jax():
    program = (
        "import sys; from darkstate.atoms import dipole, vapour; "
        "dipole.averaged_rate(20.0); dipole.averaged_rate_between(20.0, 2.0); dipole.averaged_shift(20.0); "
        "dipole.decay_and_shift(1.0, 0.2); dipole.forward_share(20.0); vapour.number_density('133Cs', 300.0); "
        "vapour.doppler_width(8e-7, 2e-25, 300.0); vapour.mean_speed(2e-25, 300.0); vapour.cavity_build_up(3.0); "
        "vapour.optical_depth_gaussian(1e9, 1e4); sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
