"""How far the effective rates may be trusted: figures that must be small, one per approximation of 001 Sec. III.

doppler          3 (sigma_D/Delta)^2, relative change of a rate ~ 1/Delta^2 by the Doppler shifts of a warm gas
linewidth        (gamma_LW/2 Delta)^2, absorption against dispersion
elimination      fastest effective rate/|Delta|, adiabatic elimination of the excited level
sidebands        fastest effective rate/Larmor frequency, upper and lower sideband as independent reservoirs
excited          share of the atoms in the excited level
leak             loss of |up> to sublevels outside the three-level model, over all rates at which it is left
pump_collective  (gamma_LW d/2 pi delta_D)^2, collective scattering of resonant pump light (001 App. C 2)
motion           fastest effective rate x L/v, averaging over the positions of moving atoms
distance         R/(k_L L^2), diffraction between the cells
pump_saturation  4 Omega^2/gamma_LW^2 of the pump light, where it is given by its power or its effect

Delta is the detuning from the nearest line. The limits stand in `solve.checks`.
"""

from __future__ import annotations

from math import log, pi, sqrt
from typing import Any

from darkstate.atoms.dipole import motion_checks
from darkstate.atoms.hyperfine import breit_rabi_hz, excited_hz, excited_levels
from darkstate.atoms.light import LightRates, sublevels
from darkstate.atoms.species import Line
from darkstate.atoms.vapour import doppler_width, mean_speed
from darkstate.elementary import where

CURES = {
    "doppler": "more detuning, or colder atoms",
    "linewidth": "more detuning",
    "elimination": "less power or more detuning",
    "sidebands": "a stronger field or less power",
    "excited": "less power or more detuning",
    "leak": "the D2 line, or another detuning",
    "pump_collective": "no pump light, or a thinner vapour",
    "motion": "less power, or a smaller ensemble",
    "distance": "a wider beam, or less distance",
    "pump_saturation": "less pump light",
}
"""What to change where a figure is beyond its limit."""


def nearest_detuning(line: Line, detuning_hz: Any) -> Any:
    """Distance of light from the nearest line of a ground level of the model, without a field [Hz].

    Lines from F = I + J, where |up> and |down> are, and from F - 1, where |h> is.

    Example:
        >>> from darkstate.atoms.species import line
        >>> nearest_detuning(line("133Cs", "D2"), -250e6) / 1e6  # F' = 4 lies 251.0916 MHz below F' = 5
        1.0916...
    """
    atom = line.species
    grounds = {atom.spin: 0.0}
    if "h" in sublevels(line):
        grounds[atom.spin - 1] = breit_rabi_hz(atom, atom.spin - 1, atom.spin - 1, 0.0)
    distance: Any = None
    for ground, energy in grounds.items():
        for f in excited_levels(line, ground % 1):
            if abs(f - ground) <= 1:
                here = abs(detuning_hz + energy - excited_hz(line, f))
                distance = here if distance is None else where(here < distance, here, distance)
    return distance


def light_checks(
    line: Line,
    light: LightRates,
    *,
    detuning_hz: Any,
    fastest: Any,
    temperature: Any,
    larmor_hz: Any,
    optical_depth: Any,
    length: Any,
    distance: Any,
    pumped: Any,
) -> dict[str, Any]:
    """The figures of this file for one ensemble; each must be small.

    Args:
        line, light, detuning_hz: the drive; fastest: sum of all effective rates, collective and pump included [1/s].
        temperature: of the gas [K]; larmor_hz: Zeeman splitting [Hz]; optical_depth: d.
        length: L of a Gaussian ensemble [m]; distance: R between the cells [m]; pumped: whether resonant light is on.

    Example:
        >>> from darkstate.atoms.light import light_rates
        >>> from darkstate.atoms.species import line
        >>> d2 = line("133Cs", "D2")
        >>> light = light_rates(d2, detuning_hz=850e6, polarization="y", rabi=1.2e7)
        >>> found = light_checks(d2, light, detuning_hz=850e6, fastest=360.0, temperature=293.0, larmor_hz=322e3,
        ...     optical_depth=55, length=0.009, distance=0.5, pumped=True)
        >>> round(found["doppler"], 3), round(found["pump_collective"], 2)
        (0.105, 0.59)
    """
    delta_hz, mass = nearest_detuning(line, detuning_hz), line.species.mass
    doppler = doppler_width(line.wavelength, mass, temperature)
    width_hz = line.natural_width / (2 * pi)
    left = light.leak + light.heating + light.up_to_h
    return {
        "doppler": 3 * (doppler / sqrt(8 * log(2)) / delta_hz) ** 2,
        "linewidth": (width_hz / (2 * delta_hz)) ** 2,
        "elimination": fastest / (2 * pi * delta_hz),
        "sidebands": fastest / (2 * pi * larmor_hz),
        "excited": light.excited,
        "leak": light.leak / left,
        **motion_checks(
            rate=fastest,
            length=length,
            speed=mean_speed(mass, temperature),
            wavenumber=line.wavenumber,
            distance=distance,
        ),
        "pump_collective": where(pumped, (width_hz * optical_depth / doppler) ** 2, 0.0),
    }
