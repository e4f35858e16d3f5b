"""Light shifts of ground sublevels, and the scalar, vector and tensor polarisability behind them.

    shift(a) = Omega^2 sum_l |<l|d.e|a>|^2/Delta_l;     sigma+- light along the axis: Omega^2 (a_0 +- a_1 m/2 + a_2 m^2)

a_0, a_1, a_2 are those of the interaction a_0 Phi + a_1 S_z j_z + a_2 [Phi j_z^2 - S_- j_+^2 - S_+ j_-^2] of polarised
light with a spin F (B. Julsgaard, thesis, Univ. Aarhus (2003)). Without a field they give Z a second time, with no
scattering amplitude in it: (mu - nu)^2 = 1/Z^2 = 2 (2F - 1) |a_2/a_1| for "y" light; 14 a_2/a_1 for caesium.
"""

from __future__ import annotations

from math import pi
from typing import Any, NamedTuple

from darkstate.atoms.hyperfine import dipole, excited_hz, excited_levels
from darkstate.atoms.light import State, components, virtual_states
from darkstate.atoms.species import Line


def light_shift(line: Line, state: State, *, detuning_hz: Any, polarization: str, rabi: Any, field: Any = 0.0) -> Any:
    """AC Stark shift of a ground sublevel [rad/s]; positive = towards higher energy, as blue light does.

    Formula: Omega^2 sum_l |<l|d.e|a>|^2/Delta_l. Source: 001 App. B (corrected: Omega_probe squared).

    Args:
        line: the line; state: (F, m); detuning_hz, polarization, field: as `light.scattering`; rabi: Omega [rad/s].

    Example:
        >>> from darkstate.atoms.species import line
        >>> d2, at = line("133Cs", "D2"), {"detuning_hz": 850e6, "polarization": "y", "rabi": 1.2e7}
        >>> round(light_shift(d2, (4, 4), **at) - light_shift(d2, (4, 3), **at), 1)  # shifts the Larmor frequency
        400.0
    """
    light = components(polarization)
    parts = virtual_states(line, state, detuning_hz=detuning_hz, light=light, field=field)
    return rabi * rabi * sum(virtual.shift for virtual in parts)


class Polarizability(NamedTuple):
    """a_0, a_1, a_2 of a ground level at one detuning, per Omega^2 [s]."""

    scalar: Any
    vector: Any
    tensor: Any


def polarizability(line: Line, f: float, *, detuning_hz: Any) -> Polarizability:
    """Scalar, vector and tensor polarisability of the ground level F, without a field.

    Formula: sigma+- light shifts |F m> by Omega^2 sum_F' <F' m+-1|d|F m>^2/Delta_F' = Omega^2 (a_0 +- a_1 m/2 + a_2
    m^2).

    Args:
        line: the line; f: F; detuning_hz: as `light.scattering` [Hz].

    Returns:
        a_0, a_1, a_2 [s]; a_2 of a level of spin 1/2 is 0.

    Validity: detunings from the upper ground level F = I + J; of the lower one they are counted likewise.

    Example:
        >>> from darkstate.atoms.species import line
        >>> a = polarizability(line("133Cs", "D2"), 4, detuning_hz=850e6)
        >>> round(14 * a.tensor / a.vector, 9)  # (mu - nu)^2 of 002: 0.16 +- 0.005
        0.156006904
    """

    def shift(m: float, q: int) -> Any:
        reached = [e for e in excited_levels(line, m + q) if abs(e - f) <= 1 and e + f > 0]
        return sum(
            dipole(line, (e, m + q), (f, m)) ** 2 / (2 * pi * (detuning_hz - excited_hz(line, e))) for e in reached
        )

    def even(m: float) -> Any:
        return (shift(m, 1) + shift(m, -1)) / 2

    vector = (shift(f, 1) - shift(f, -1)) / f
    if f < 1:
        return Polarizability(even(f), vector, 0.0 * vector)
    tensor = (even(f) - even(f - 1)) / (f * f - (f - 1) * (f - 1))
    return Polarizability(even(f) - tensor * f * f, vector, tensor)
