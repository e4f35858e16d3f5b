"""Decay of two atoms into common light, averaged over their motion: what of it is collective.

    J_ij = Gamma_ij + i G_ij = < e^{i k_L r} [gamma(r) + i g(r)] >,   r = r_i - r_j,   P(r_i) ~ exp(-r_i^2/L^2)

Everything is in units of Gamma, the decay rate of one atom, and a function of a = k_L L. The dipole enters only by
`along`, the share |p.k|^2 of its unit vector p along the light: 0 for p = x (001), 1/2 for p = (y + iz)/sqrt 2, what
sigma transitions have where the field points along x and the light runs along z.

The atoms move fast: each crosses its ensemble many times before it decays (`motion_checks` has the ratios). The
opposite limit, atoms that stay where they are, is O. Mishina, D. Kupriyanov, E. S. Polzik (2006), 001 footnote 66; it
is not treated here. Plain floats need no JAX. Up: `vapour` (the optical depth is N Gamma_ij/Gamma) and `light`.
"""

from __future__ import annotations

import cmath
import math
from functools import cache
from typing import Any

from darkstate.atoms.arguments import is_corrected
from darkstate.elementary import elementary, where
from darkstate.errors import ArgumentError

_REACH = 9.0  # the weight exp(-t^2/2) of t = r/L ends here: what lies beyond is below 1e-17
_NODES = 20  # per panel of the quadrature
_PHASE = 12.0  # largest change of the phase 2 k_L r over a panel [rad]; the panel is then exact to rounding
_TRACED = 200.0  # a traced a cannot choose its panels; they suffice up to this value
_LARGEST = 1e5  # of a plain a: more nodes than fit into memory comfortably
_TERMS = 10  # of the series of the Bessel functions, used below 1


def decay_and_shift(distance: Any, along: Any) -> tuple[Any, Any]:
    """Collective decay gamma and shift g of two atoms at rest, in units of Gamma.

    Formula: gamma = (3/2) [(1 - c) sin x/x + (1 - 3c) (cos x/x^2 - sin x/x^3)],
    g = (3/2) [-(1 - c) cos x/x + (1 - 3c) (sin x/x^2 + cos x/x^3)], x = k_L r, c = |p.r|^2/r^2.
    Source: 001 Eqs. (9), (10); with |p.r|^2 they hold for a rotating (complex) dipole too.

    Args:
        distance: x = k_L r, at least 0, without unit.
        along: c, share of the dipole along the line between both atoms, 0 to 1.

    Returns:
        (gamma, g). gamma tends to 1 at distance 0 and g diverges as 1/x^3; at distance 0 itself, where the two atoms
        are one, g is 0, since the Lamb shift is part of the detuning (001, below Eq. 8).

    Raises:
        ArgumentError: a negative distance.

    Example:
        >>> gamma, g = decay_and_shift(2.0, 0.0)
        >>> round(gamma, 6), round(g, 6)
        (0.355425, 0.575069)
    """
    if isinstance(distance, (int, float)) and not distance >= 0:
        raise ArgumentError(f"Argument `distance` must be at least 0, but is {distance:g}: give the length k_L |r|.")
    xp = _arrays(distance, along)
    j0, j1, _, y0, y1 = _radial(distance, xp)
    gamma = 1.5 * ((1 - along) * j0 - (1 - 3 * along) * j1)
    g = xp.where(distance > 0, 1.5 * ((1 - along) * y0 - (1 - 3 * along) * y1), 0.0)
    return _plain(gamma, xp), _plain(g, xp)


def averaged_rate(a: Any, *, along: Any = 0.0, variant: str = "corrected") -> Any:
    """Gamma_ij/Gamma of two moving atoms of one ensemble: the share of its decay an atom has in common with another.

    Formula: (3/4) Int_{-1}^{1} du [(1 + w)/2 + (1 - 3w) u^2/2] e^{-a^2 (1 - u)} with w = `along`, u = cos(k, k_L); for
    w = 0: (3/4) [1/a^2 - 1/a^4 + 1/a^6 - e^{-2a^2} (1/a^2 + 1/a^4 + 1/a^6)].
    Source: 001 Eq. (B6) with Eq. (9), in closed form; the text neglects brackets and prints 1 - e^{-2 k_L L} for
    1 - e^{-2 a^2} (docs/corrections.md). Variant "paper": (1 - w) 3/(4a^2), below Eq. (11).

    Args:
        a: k_L L, above 0 (the variant "corrected" takes 0 too), L the width of exp(-r^2/L^2).
        along: w = |p.k_L|^2/k_L^2, 0 to 1.
        variant: "corrected" (every a) or "paper" (a >> 1, relative error 1/a^2).

    Returns:
        Gamma_ij/Gamma, 1 for a -> 0; relative accuracy 1e-14.

    Raises:
        ArgumentError: an unknown variant.

    Example:
        >>> round(averaged_rate(5.0) / averaged_rate(5.0, variant="paper"), 6)
        0.9616
    """
    if is_corrected(variant):
        return _over_directions(a * a, along)
    return (1 - along) * 3 / (4 * a * a)


def averaged_rate_between(a: Any, ratio: Any, *, along: Any = 0.0, variant: str = "corrected") -> Any:
    """Gamma_ij/Gamma of two moving atoms in ensembles a distance R apart along the light; complex.

    Formula: that of `averaged_rate` with a^2 replaced by s = a^2 + i a R/L. Variant "paper":
    (1 - w) 3/(4s) (1 - e^{-2s}). Source: 001, end of App. B 2, which neglects the factor 1 - |p.r|^2 and the second
    line of Eq. (9): relative error 1/|s|, 0.25 % at a = 20. Only gamma is averaged, not g.

    Args:
        a: k_L L, above 0; ratio: R/L, at least 0.
        along: w = |p.k_L|^2/k_L^2, 0 to 1.
        variant: "corrected" or "paper".

    Returns:
        The complex rate in units of Gamma; equal to `averaged_rate` where R/(k_L L^2) << 1.

    Raises:
        ArgumentError: an unknown variant.

    Example:
        >>> z = averaged_rate_between(20.0, 2.0)
        >>> f"{z.real:.6e} {z.imag:.6e}"
        '1.851897e-03 -1.847279e-04'
    """
    s = a * a + 1j * a * ratio
    if is_corrected(variant):
        return _over_directions(s, along)
    return (1 - along) * 3 / (4 * s) * (1 - _exp(-2 * s))


def forward_share(a: Any, along: Any = 0.5) -> Any:
    """Collective rate of a dipole, relative to that of a dipole of the same strength perpendicular to the light.

    Formula: Gamma_ij(w)/Gamma_ij(0), which tends to 1 - w = 1 - |p.k_L|^2 for a >> 1: the radiation pattern in the
    forward direction. 1/2 for the rotating dipole p = (y + iz)/sqrt 2 of sigma light, k_L = z.

    Args:
        a: k_L L, above 0; along: w, 0 to 1.

    Returns:
        The ratio without unit.

    Example:
        >>> round(forward_share(1e4), 6), round(forward_share(20.0), 6)
        (0.5, 0.5025)
    """
    return averaged_rate(a, along=along) / averaged_rate(a)


def averaged_rate_by_quadrature(a: Any, *, along: Any = 0.0) -> Any:
    """Gamma_ij/Gamma as in `averaged_rate`, by the radial integral of 001: the second route to it.

    Formula: (3/sqrt(2 pi)) Int_0^inf dt t^2 e^{-t^2/2} [X j_0(x) + (1 - 3w) j_2(x) j_1(x)/x], x = a t,
    X = (1 - w) j_0(x) - (1 - 3w) j_1(x)/x. Source: 001 Eq. (B7) and Gamma_{ij,B}, in spherical Bessel functions.

    Args:
        a: k_L L, above 0 and at most 1e5 (a traced a: at most 200).
        along: w = |p.k_L|^2/k_L^2, 0 to 1.

    Returns:
        Gamma_ij/Gamma, relative accuracy 1e-11; nan for a traced a beyond 200.

    Raises:
        ArgumentError: a outside its range.

    Example:
        >>> round(averaged_rate_by_quadrature(20.0) / averaged_rate(20.0), 9)
        1.0
    """
    return _radial_average(a, along, shift=False)


def averaged_shift(a: Any, *, along: Any = 0.0) -> Any:
    """G_ij/Gamma, the shift of two moving atoms of one ensemble, which 001 neglects.

    Formula: that of `averaged_rate_by_quadrature` with j_0(x), j_1(x)/x of the pair replaced by y_0(x), y_1(x)/x.
    Source: 001 App. B 2, G_{ij,A} + G_{ij,B}. The terms log(a)/a^3 named there cancel in the sum (docs/corrections.md):
    for w = 0 and a >> 1 it is -7/(4 sqrt(2 pi) a^3), so |G_ij|/Gamma_ij = 7/(3 sqrt(2 pi) a) = 0.931/a.

    Args:
        a: k_L L, above 0 and at most 1e5 (a traced a: at most 200).
        along: w = |p.k_L|^2/k_L^2, 0 to 1.

    Returns:
        G_ij/Gamma, relative accuracy 1e-9 up to a = 200; nan for a traced a beyond 200.

    Raises:
        ArgumentError: a outside its range.

    Example:
        >>> round(averaged_shift(50.0) * 50.0**3, 4)
        -0.6978
    """
    return _radial_average(a, along, shift=True)


def averaged_rate_between_by_quadrature(a: Any, ratio: Any, *, along: Any = 0.0) -> Any:
    """The complex rate of `averaged_rate_between`, by the integral over the distance of both atoms: the second route.

    Formula: (3/sqrt(2 pi)) Int dt t^2 e^{-(t^2 + rho^2)/2} [(A M_0 + B M_2) j_0(x) - B (3 M_2 - M_0) j_1(x)/x],
    x = a t, rho = R/L, A = (1 + w)/2, B = (1 - 3w)/2, M_n = (1/2) Int_{-1}^{1} du u^n e^{(i x - t rho) u}.
    Source: 001, end of App. B 2, with the factors it neglects.

    Args:
        a: k_L L, above 0 and at most 1e5 (a traced a: at most 200); ratio: R/L, at least 0.
        along: w = |p.k_L|^2/k_L^2, 0 to 1.

    Returns:
        The complex rate in units of Gamma, relative accuracy 1e-9; nan for a traced a beyond 200.

    Raises:
        ArgumentError: a outside its range.

    Example:
        >>> round(abs(averaged_rate_between_by_quadrature(20.0, 2.0) / averaged_rate_between(20.0, 2.0) - 1), 9)
        0.0
    """
    xp = _arrays(a, ratio, along)
    fractions, weights, valid = _panels(a, 2 * _REACH, xp)
    a, rho, w = (xp.asarray(v)[..., None] for v in (a, ratio, along))
    start = xp.maximum(rho - _REACH, 0.0)
    width = rho + _REACH - start
    t = start + width * fractions
    x = a * t
    j0, j1, _, _, _ = _radial(x, xp)
    # e^{-t rho}, the largest value of e^{-t rho u}, is taken out of the moments and completes the square below
    exponent = 1j * x - t * rho
    ahead, behind = xp.exp(1j * x - 2 * t * rho), xp.exp(-1j * x)
    m0 = (ahead - behind) / (2 * exponent)
    m2 = m0 - 2 * ((ahead + behind) / 2 - m0) / exponent**2
    angular = ((1 + w) / 2 * m0 + (1 - 3 * w) / 2 * m2) * j0 - (1 - 3 * w) / 2 * (3 * m2 - m0) * j1
    integral = xp.sum(width * weights * t**2 * xp.exp(-((t - rho) ** 2) / 2) * angular, axis=-1)
    return _plain(xp.where(valid, 3 / math.sqrt(2 * math.pi) * integral, math.nan), xp)


def motion_checks(*, rate: Any, length: Any, speed: Any, wavenumber: Any, distance: Any) -> dict[str, Any]:
    """Ratios that must be small for the averaged rates to hold.

    Formula: motion = Gamma L/v (an atom crosses its ensemble before it decays; 001 Sec. III C) and
    distance = R/(k_L L^2) (the light of the first ensemble is still collimated at the second; 001 Sec. III B).

    Args:
        rate: decay rate of the ground levels by light, Gamma [1/s], or, to be on the safe side, the collective one,
            d Gamma + Gamma-tilde; not that of the excited level, which the detuning keeps empty.
        length: L [m]; speed: mean speed v [m/s]; wavenumber: k_L [1/m]; distance: R between the ensembles [m].

    Returns:
        {"motion": ..., "distance": ...}, without unit. What counts as small is decided where a model is checked.

    Example:
        >>> r = motion_checks(rate=30.0, length=0.02, speed=220.0, wavenumber=7.37e6, distance=1.0)
        >>> {name: round(value, 6) for name, value in r.items()}
        {'motion': 0.002727, 'distance': 0.000339}
    """
    return {"motion": rate * length / speed, "distance": distance / (wavenumber * length**2)}


def _over_directions(s: Any, along: Any) -> Any:
    """(3/4) Int du [A + B u^2] e^{-s (1 - u)}: the radiation pattern, weighted by the overlap with the light."""
    weight, curve = (1 + along) / 2, (1 - 3 * along) / 2
    small = abs(s) < 1  # the closed form loses digits as 1/s^3 there
    if isinstance(s, (int, float, complex)):
        small = bool(small)
    r = 1 / where(small, 1.0, s)
    e = _exp(-2 * where(small, 1.0, s))
    even = r - 2 * r**2 + 2 * r**3 - e * (r + 2 * r**2 + 2 * r**3)
    closed = 0.75 * (weight * r * (1 - e) + curve * even)
    z = -2 * where(small, s, 0.0)
    series = 0.0 * z
    for k in range(25, -1, -1):  # 2^25/25! is below 1e-17
        moment = (weight + curve) / (k + 1) - 4 * curve / (k + 2) + 4 * curve / (k + 3)
        series = series * z / (k + 1) + moment
    return where(small, 1.5 * series, closed)


def _exp(z: Any) -> Any:
    return cmath.exp(z) if type(z) is complex else elementary("exp", z)


def _arrays(*values: Any) -> Any:
    """NumPy for plain numbers, JAX for all else."""
    if all(isinstance(v, (int, float)) for v in values):
        import numpy

        return numpy
    from darkstate.backend import jnp

    return jnp


def _plain(value: Any, xp: Any) -> Any:
    return value.item() if xp.__name__ == "numpy" else value


@cache
def _series(n: int) -> tuple[float, ...]:
    """Coefficients of j_n(x)/x^n = sum_k (-x^2/2)^k/(k! (2n + 2k + 1)!!)."""
    odd = [math.prod(range(1, 2 * (n + k) + 2, 2)) for k in range(_TERMS)]
    return tuple((-0.5) ** k / (math.factorial(k) * odd[k]) for k in range(_TERMS))


def _radial(x: Any, xp: Any) -> tuple[Any, Any, Any, Any, Any]:
    """j_0, j_1/x, j_2, y_0 and y_1/x; the j also at 0, where the y are finite stand-ins."""
    near = x < 1
    far, square = xp.where(near, 1.0, x), xp.where(near, x, 0.0) ** 2
    sine, cosine = xp.sin(far), xp.cos(far)
    series = [0.0 * square for _ in range(3)]
    for n in range(3):
        for coefficient in reversed(_series(n)):
            series[n] = series[n] * square + coefficient
    j0 = xp.where(near, series[0], sine / far)
    j1 = xp.where(near, series[1], (sine / far - cosine) / far**2)
    j2 = xp.where(near, square * series[2], 3 * (sine / far - cosine) / far**2 - sine / far)
    positive = xp.where(x > 0, x, 1.0)
    y0 = -xp.cos(positive) / positive
    return j0, j1, j2, y0, (y0 - xp.sin(positive)) / positive**2


def _panels(a: Any, width: float, xp: Any) -> tuple[Any, Any, Any]:
    """Gauss-Legendre nodes and weights on (0, 1) for a phase 2 a `width`, and whether they suffice."""
    import numpy as np

    if isinstance(a, (int, float)) and not 0 < a <= _LARGEST:
        raise ArgumentError(
            f"Argument `a` must be above 0 and at most {_LARGEST:g} for a quadrature, but a = {a:g}: take the closed "
            "form or the limit for large a."
        )
    needed = 2 * (a if isinstance(a, (int, float)) else _TRACED) * width / _PHASE
    count = max(24, math.ceil(needed))
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    fractions = (np.arange(count)[:, None] + (1 + nodes) / 2) / count
    valid = xp.asarray(2 * a * width / _PHASE <= count)
    return fractions.ravel(), np.tile(weights / (2 * count), count), valid


def _radial_average(a: Any, along: Any, *, shift: bool) -> Any:
    xp = _arrays(a, along)
    fractions, weights, valid = _panels(a, _REACH, xp)
    a, w = (xp.asarray(v)[..., None] for v in (a, along))
    t = _REACH * fractions
    j0, j1, j2, y0, y1 = _radial(a * t, xp)
    pattern = (1 - w) * j0 - (1 - 3 * w) * j1  # 1 - |p.r|^2, averaged over directions with the phase of the light
    integrand = pattern * y0 + (1 - 3 * w) * j2 * y1 if shift else pattern * j0 + (1 - 3 * w) * j2 * j1
    integral = xp.sum(_REACH * weights * t**2 * xp.exp(-(t**2) / 2) * integrand, axis=-1)
    return _plain(xp.where(valid, 3 / math.sqrt(2 * math.pi) * integral, math.nan), xp)
