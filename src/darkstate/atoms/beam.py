"""Beams of the laboratory: from power to Rabi frequency, and the Faraday angle that tells the optical depth.

    Phi = P lambda/(h c A),   Omega^2 = gamma_LW Phi 3 lambda^2/(8 pi)    (H = Omega |e><g| + h.c. on a unit transition)

Atoms that fly through the beam many times while the state evolves see its mean over the cell: A is then the
cross-section of the cell, whatever the waist.
"""

from __future__ import annotations

from math import pi
from typing import Any

from darkstate.atoms.constants import LIGHT_SPEED, PLANCK
from darkstate.atoms.shifts import polarizability
from darkstate.atoms.species import Line
from darkstate.elementary import elementary

DEPTH_PER_DEGREE = 4.0
"""Optical depth per degree of Faraday angle in 002: 34 at 8.5 and 56 at 14.0 degrees; holds for their probe only."""


def intensity(power: Any, area: Any, transmission: Any = 1.0) -> Any:
    """Mean intensity in a cell [W/m^2], P T/A.

    Args:
        power: before the windows [W]; area: cross-section [m^2]; transmission: of all windows before the atoms.

    Example:
        >>> round(intensity(5.6e-3, 0.022**2), 4)  # 002: 5.6 mW through a cell of 2.2 cm
        11.5702
    """
    return power * transmission / area


def rabi_frequency(line: Line, intensity: Any) -> Any:
    """Rabi frequency Omega of a transition of unit dipole element [rad/s].

    Formula: Omega^2 = gamma_LW 3 lambda^3 I/(8 pi h c), in the convention of 001, H = Omega |e><g| + h.c.: half of what
    a two-level Rabi oscillation is usually called. The resonant rate 4 Omega^2/gamma_LW is sigma_0 Phi, sigma_0 =
    3 lambda^2/(2 pi).

    Args:
        line: the line; intensity: [W/m^2].

    Example:
        >>> from darkstate.atoms.species import line
        >>> f"{rabi_frequency(line('133Cs', 'D2'), 11.57):.4g} rad/s"
        '1.19e+07 rad/s'
    """
    return elementary("sqrt", rabi_squared(line, intensity))


def rabi_squared(line: Line, intensity: Any) -> Any:
    """Omega^2 of `rabi_frequency` [rad^2/s^2]; linear in the intensity, so differentiable without light too.

    Example:
        >>> from darkstate.atoms.species import line
        >>> rabi_squared(line("133Cs", "D2"), 0.0)
        0.0
    """
    flux = intensity * line.wavelength / (PLANCK * LIGHT_SPEED)
    return line.natural_width * flux * 3 * line.wavelength**2 / (8 * pi)


def faraday_angle(line: Line, *, optical_depth: Any, mean_spin: Any, detuning_hz: Any) -> Any:
    """Rotation of the polarisation of light that travels along the spins [rad].

    Formula: theta = -(1/2) gamma_LW a_1 d <m>, d = (3 lambda^2/8 pi) N/A: half the difference of the phases
    -(N/A)(3 lambda^2/8 pi) gamma_LW shift/Omega^2 of sigma+ and sigma- light. Proportional to Jx = N <m>.

    Args:
        line: of the probe; optical_depth: d; mean_spin: <m> of an atom, 4 for |4,4>; detuning_hz: of the probe from
            F = I + J to the highest F' [Hz].

    Validity: far off resonance, no field.

    Example:
        >>> from darkstate.atoms.species import line
        >>> d2 = line("133Cs", "D2")
        >>> theta = faraday_angle(d2, optical_depth=56, mean_spin=4, detuning_hz=-850e6)
        >>> f"{abs(theta) * 180 / pi:.2f} degrees"
        '3.92 degrees'
    """
    vector = polarizability(line, line.species.spin, detuning_hz=detuning_hz).vector
    return -line.natural_width * vector * optical_depth * mean_spin / 2


def depth_of_faraday(angle: Any, per_degree: Any = DEPTH_PER_DEGREE) -> Any:
    """Optical depth that a Faraday angle stands for.

    Args:
        angle: Faraday angle [rad]; per_degree: optical depth per degree of the apparatus.

    Example:
        >>> round(depth_of_faraday(14.0 * pi / 180), 12)
        56.0
    """
    return abs(angle) * 180 / pi * per_degree


def mean_spin_of_faraday(line: Line, *, angle: Any, optical_depth: Any, detuning_hz: Any) -> Any:
    """<m> = Jx/N of an atom from the Faraday angle, the inverse of `faraday_angle`.

    Example:
        >>> from darkstate.atoms.species import line
        >>> d2, at = line("133Cs", "D2"), {"optical_depth": 56, "detuning_hz": -850e6}
        >>> round(mean_spin_of_faraday(d2, angle=faraday_angle(d2, mean_spin=4, **at), **at), 12)
        4.0
    """
    return angle / faraday_angle(line, optical_depth=optical_depth, mean_spin=1.0, detuning_hz=detuning_hz)
