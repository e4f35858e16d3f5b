"""A cell of vapour: how many atoms there are, how fast they move, and what optical depth they have.

    n = p(T)/(k_B T),   delta = (1/lambda) sqrt(8 ln 2 k_B T/m),   d = N Gamma_ij/Gamma = (3 lambda^2/8 pi) N/A

d is the resonant optical depth as 001 defines it: the collective over the single decay rate. It is a quarter of
N sigma_0/A, the logarithm of the resonant transmission of atoms at rest, with sigma_0 = 3 lambda^2/2 pi.
SI units; plain floats need no JAX. Down: `dipole` (Gamma_ij), `species`.
"""

from __future__ import annotations

from math import log, pi, sqrt
from typing import Any, NamedTuple

from darkstate.atoms.arguments import is_corrected, refuse_not_positive
from darkstate.atoms.constants import BOLTZMANN
from darkstate.atoms.dipole import averaged_rate
from darkstate.atoms.species import species
from darkstate.elementary import elementary, where
from darkstate.errors import ArgumentError

TORR = 101325 / 760  # Pa
COLDEST, STATED, HOTTEST = 273.15, 298.0, 550.0  # K; the formulas are stated from the second to the third


class _Element(NamedTuple):
    """log10(p/Torr) = 2.881 + A - B/T on either side of the melting point [K]."""

    melting: float
    solid: tuple[float, float]
    liquid: tuple[float, float]


_CAESIUM = _Element(301.65, (4.711, 3999.0), (4.165, 3830.0))
_RUBIDIUM = _Element(312.45, (4.857, 4215.0), (4.312, 4040.0))
_ELEMENTS = {"133Cs": _CAESIUM, "85Rb": _RUBIDIUM, "87Rb": _RUBIDIUM}


def vapour_pressure(species_name: str, temperature: Any) -> Any:
    """Saturated vapour pressure over the metal.

    Formula: log10(p/Torr) = 2.881 + A - B/T, with A, B of the solid below the melting point (133Cs 28.5 C, Rb 39.30 C)
    and of the liquid above. Source: C. B. Alcock, V. P. Itkin, M. K. Horrigan, Can. Metall. Q. 23, 309 (1984), as in
    Steck's alkali data.

    Args:
        species_name: "133Cs", "85Rb" or "87Rb". The pressure is that of the element: where isotopes are mixed, each has
            its share of it (natural rubidium: 72.17 % 85Rb, 27.83 % 87Rb).
        temperature: of the coldest place of the cell [K], 273.15 to 550. Not the Celsius temperature.

    Returns:
        p [Pa], within 5 % from 298 to 550 K. Below, the solid branch is extrapolated (`is_extrapolated`). At the
        melting point the liquid branch is higher by 3.3 % (Cs) and 3.5 % (Rb).

    Raises:
        ArgumentError: a species without formula, or a temperature outside 273.15 to 550 K (plain numbers only).

    Example:
        >>> f"{vapour_pressure('133Cs', 298.15):.3e}"
        '2.015e-04'
    """
    element = _ELEMENTS.get(species(species_name).name)
    if element is None:
        raise ArgumentError(
            f"Argument `species_name` must be one of {', '.join(_ELEMENTS)}, but is {species_name!r}, for which there "
            "is no vapour pressure formula here: give the optical depth instead of the temperature."
        )
    if isinstance(temperature, (int, float)) and not COLDEST <= temperature <= HOTTEST:
        raise ArgumentError(
            f"Argument `temperature` must lie between {COLDEST:g} and {HOTTEST:g} K, the range of the vapour pressure "
            f"formula, but is {temperature:g} K: give it in kelvin, or give the optical depth instead."
        )
    exponents = [2.881 + a - b / temperature for a, b in (element.solid, element.liquid)]
    return TORR * 10 ** where(temperature < element.melting, *exponents)


def is_extrapolated(temperature: Any) -> Any:
    """Whether the vapour pressure formula is used below 298 K, where its authors state no accuracy.

    Example:
        >>> is_extrapolated(293.15), is_extrapolated(300.0)
        (True, False)
    """
    return temperature < STATED


def number_density(species_name: str, temperature: Any) -> Any:
    """Atoms per volume in the saturated vapour of one isotope.

    Formula: n = p/(k_B T), the ideal gas. Source and range: `vapour_pressure`.

    Args:
        species_name: "133Cs", "85Rb" or "87Rb"; for mixed isotopes multiply by the share of each.
        temperature: [K], 273.15 to 550, the same at the metal and in the cell. Where the cell is at T' and the coldest
            place at T, the density is n(T) sqrt(T/T') (free flow) to n(T) T/T' (equal pressure).

    Returns:
        n [1/m^3].

    Raises:
        ArgumentError: as `vapour_pressure`.

    Example:
        >>> f"{number_density('133Cs', 298.15):.3e}"
        '4.894e+16'
    """
    return vapour_pressure(species_name, temperature) / (BOLTZMANN * temperature)


def doppler_width(wavelength: Any, mass: Any, temperature: Any, *, variant: str = "corrected") -> Any:
    """Full width at half maximum of a line broadened by thermal motion, as an ordinary frequency.

    Formula: (1/lambda) sqrt(8 ln 2 k_B T/m). Variant "paper": (1/lambda) sqrt(2 k_B T/(m ln 2)), 001 footnote 69, which
    is 1/(2 ln 2) = 0.72 of it: 273 MHz for the D2 line of Cs at 300 K, where 001 itself uses 380 MHz
    (docs/corrections.md).

    Args:
        wavelength: lambda [m]; mass: of one atom [kg]; temperature: of the vapour [K].
        variant: "corrected" or "paper".

    Returns:
        The width [Hz].

    Raises:
        ArgumentError: a plain number not above 0, or an unknown variant.

    Example:
        >>> from darkstate.atoms.species import line
        >>> d2 = line("133Cs", "D2")
        >>> round(doppler_width(d2.wavelength, d2.species.mass, 300.0) / 1e6, 1)
        378.5
    """
    refuse_not_positive(wavelength=wavelength, mass=mass, temperature=temperature)
    factor = 8 * log(2) if is_corrected(variant) else 2 / log(2)
    return elementary("sqrt", factor * BOLTZMANN * temperature / mass) / wavelength


def mean_speed(mass: Any, temperature: Any) -> Any:
    """Mean speed of an atom, v = sqrt(8 k_B T/(pi m)).

    Args:
        mass: of one atom [kg]; temperature: [K].

    Returns:
        v [m/s].

    Raises:
        ArgumentError: a plain number not above 0.

    Example:
        >>> from darkstate.atoms.species import species
        >>> round(mean_speed(species("133Cs").mass, 300.0), 1)
        218.6
    """
    refuse_not_positive(mass=mass, temperature=temperature)
    return elementary("sqrt", 8 * BOLTZMANN * temperature / (pi * mass))


def transit_rate(speed: Any, diameter: Any) -> Any:
    """Rate at which an atom in a cylindrical beam leaves it through its side.

    Formula: v S/(4V) = v/D, the mean speed over the mean chord 4V/S = D of a cylinder much longer than wide; kinetic
    theory, exact for a beam of sharp edge within a vapour in equilibrium and no collisions.

    Args:
        speed: mean speed v [m/s]; diameter: D of the beam [m].

    Returns:
        The rate [1/s], one over the mean dwell time.

    Raises:
        ArgumentError: a plain number not above 0.

    Example:
        >>> transit_rate(220.0, 0.01)
        22000.0
    """
    refuse_not_positive(speed=speed, diameter=diameter)
    return speed / diameter


def wall_collision_rate(speed: Any, size: tuple[Any, Any, Any]) -> Any:
    """Rate at which an atom hits the walls of a box.

    Formula: v S/(4V) = (v/2) (1/l_x + 1/l_y + 1/l_z); kinetic theory, for every density of the vapour.

    Args:
        speed: mean speed v [m/s]; size: inner lengths of the cell (l_x, l_y, l_z) [m].

    Returns:
        The rate [1/s].

    Raises:
        ArgumentError: a plain number not above 0.

    Example:
        >>> round(wall_collision_rate(220.0, (0.022, 0.022, 0.022)), 6)
        15000.0
    """
    for length in size:
        refuse_not_positive(speed=speed, size=length)
    return speed / 2 * sum(1 / length for length in size)


def optical_depth(atoms: Any, area: Any, wavelength: Any) -> Any:
    """Resonant optical depth d of a cell that the light fills evenly.

    Formula: d = N Gamma_ij/Gamma = (3 lambda^2/8 pi) N/A for a dipole perpendicular to the light; a quarter of
    N sigma_0/A with sigma_0 = 3 lambda^2/2 pi. It is Eq. (B6) of 001 with atoms spread evenly over the area.

    Args:
        atoms: N, those in the two levels of the model; area: A of the cell across the light [m^2]; wavelength: [m].

    Returns:
        d without unit. Diffraction at the edge of a cell of length l lowers it by the relative 0.6 sqrt(l/(k_L A))
        (square cell; 0.15 % for a cube of 22 mm), which must be small. For a dipole that is not perpendicular to the
        light, times `dipole.forward_share`.

    Raises:
        ArgumentError: a plain number not above 0.

    Example:
        >>> round(optical_depth(5.7e11, 0.022**2, 852.347e-9), 1)
        102.1
    """
    refuse_not_positive(atoms=atoms, area=area, wavelength=wavelength)
    return 3 * wavelength**2 / (8 * pi) * atoms / area


def optical_depth_gaussian(atoms: Any, size: Any) -> Any:
    """Resonant optical depth d of a cloud of the density exp(-r^2/L^2).

    Formula: d = N Gamma_ij/Gamma = 3N/(4 (k_L L)^2). Source: 001 below Eq. (11), where the ratio is printed upside down
    (docs/corrections.md). It is `optical_depth` with the area 2 pi L^2 (`gaussian_area`).

    Args:
        atoms: N; size: k_L L, much larger than 1 (the next term is smaller by 1/(k_L L)^2).

    Returns:
        d without unit.

    Raises:
        ArgumentError: a plain number not above 0.

    Example:
        >>> round(optical_depth_gaussian(4e11, 1e5), 9)
        30.0
    """
    refuse_not_positive(atoms=atoms, size=size)
    return atoms * averaged_rate(size, variant="paper")


def gaussian_area(width: Any) -> Any:
    """Area over which a cloud of the density exp(-r^2/L^2) has the optical depth of an even cell, 2 pi L^2.

    Formula: A = 1/Int P(x, y)^2 dx dy with P = exp(-(x^2 + y^2)/L^2)/(pi L^2), since the forward decay rate of a pair
    averages the overlap of both atoms across the light. Source: derived from 001 Eq. (B6).

    Args:
        width: L [m].

    Returns:
        A [m^2].

    Example:
        >>> round(gaussian_area(0.01), 9)
        0.000628319
    """
    return 2 * pi * width**2


def gaussian_length(area: Any) -> Any:
    """L of the cloud exp(-r^2/L^2) that stands for an even cell of this cross-section, inverse of `gaussian_area` [m].

    Example:
        >>> round(gaussian_length(0.022**2), 5)
        0.00878
    """
    return elementary("sqrt", area / (2 * pi))


def absorption_coefficient(
    density: Any, wavelength: Any, *, natural_width: Any, doppler: Any, strength: Any = 1.0
) -> Any:
    """Absorption coefficient at the peak of a Doppler-broadened line, for weak light.

    Formula: alpha = n s sigma_0 (gamma/2) sqrt(ln 2/pi)/delta with sigma_0 = 3 lambda^2/2 pi. Source: derived here; a
    Gaussian of width delta that keeps the area of the natural line, Int sigma dnu = s sigma_0 gamma/4.

    Args:
        density: n of atoms in the lower level [1/m^3]; wavelength: [m].
        natural_width: gamma = 1/lifetime [1/s]; doppler: delta, full width at half maximum [Hz].
        strength: s, the line relative to a closed transition of polarised atoms: 1 for F, m=F -> F+1, m=F+1 in sigma+
            light; (2J'+1)/(3 (2J+1)) for the whole of a fine-structure line without polarisation (D2: 2/3, D1: 1/3).

    Returns:
        alpha [1/m]. For delta >> gamma/2 pi: the true (Voigt) peak is lower by the relative 2 sqrt(ln 2/pi) gamma/(2 pi
        delta), 1.3 % for Cs. Saturation and optical pumping are left out.

    Raises:
        ArgumentError: a plain number of density, wavelength or widths that is not above 0.

    Example:
        >>> round(absorption_coefficient(4.9e16, 852.347e-9, natural_width=3.289e7, doppler=378.5e6), 2)
        346.88
    """
    refuse_not_positive(density=density, wavelength=wavelength, natural_width=natural_width, doppler=doppler)
    resonant = 3 * wavelength**2 / (2 * pi)
    return density * strength * resonant * natural_width / 2 * sqrt(log(2) / pi) / doppler


def transmission(coefficient: Any, length: Any) -> Any:
    """Share of the power that a cell lets through, exp(-alpha l).

    Args:
        coefficient: alpha [1/m]; length: l of the cell [m].

    Returns:
        The share, 0 to 1.

    Example:
        >>> round(transmission(25.0, 0.022), 6)
        0.57695
    """
    return elementary("exp", -coefficient * length)


def cavity_build_up(finesse: Any) -> Any:
    """Factor by which a cavity on resonance raises the optical depth of the cell in it: d -> d sqrt(1 + (2F/pi)^2).

    An atom emits the amplitude e per pass; with the round-trip amplitude r the light circulates as e/(1 - r), and what
    leaves it per round trip is e^2 (1 - r^2)/(1 - r)^2 = e^2 (1 + r)/(1 - r). With F = pi sqrt(r)/(1 - r) that is the
    factor above: 1 without cavity, 2F/pi for F >> 1. Source: derived here; 000 Sec. IV only names a low-finesse cavity.

    Args:
        finesse: F = pi sqrt(r)/(1 - r) of a ring cavity, all losses included (for F below about 5 this is not the ratio
            of free spectral range to linewidth). At least 0.

    Returns:
        The factor, at least 1. It counts all light emitted into the mode of the cavity: the share not coupled out
        towards the other ensemble (loss, a second mirror) is loss of light between the ensembles. A standing-wave
        cavity emits both ways and is not described. Carrier and both sidebands must lie within the linewidth.

    Raises:
        ArgumentError: a plain number below 0.

    Example:
        >>> round(cavity_build_up(0.0), 3), round(cavity_build_up(20.0), 3)
        (1.0, 12.772)
    """
    if isinstance(finesse, (int, float)) and not finesse >= 0:
        raise ArgumentError(
            f"Argument `finesse` must be at least 0, but is {finesse:g}: give 0 where there is no cavity."
        )
    return elementary("sqrt", 1 + (2 * finesse / pi) ** 2)
