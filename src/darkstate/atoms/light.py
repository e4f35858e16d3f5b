"""What off-resonant light does to the ground sublevels of an atom: scattering amplitudes, rates, Z, light shifts.

    M_q(a -> b) = sum_l <b|d_q^+|l><l|d.e|a>/Delta_l,     rate of a -> b:  Gamma_ab = Omega^2 gamma_LW sum_q |M_q|^2

Amplitudes add over the excited levels l, rates over the polarisation q of the emitted photon (001 App. E, corrected:
the printed sum of c^2/Delta over l would add rates of paths that interfere). 1/Delta is the resolvent of the excited
Hamiltonian, so levels shifted and mixed by a magnetic field are exact and nothing is diagonalised.

The quantisation axis is the field, the papers' x; light travels along z. "y" light drives sigma+ and sigma- with
amplitude 1/sqrt 2 each and its flips emit pi light; "x" light drives pi and its flips emit sigma light, half of whose
forward part is lost (`FORWARD`).

A ground level of spin 1/2 has no tensor polarisability: without a field mu = nu, Z is infinite, the interaction is QND.
171Yb needs hundreds of gauss, or the two-level scheme Z = sqrt(Delta/Omega) of 001 Sec. III A.
"""

from __future__ import annotations

from math import pi, sqrt
from typing import Any, NamedTuple

from darkstate.atoms.hyperfine import dipole, excited_levels, excited_matrix, ground_sublevel
from darkstate.atoms.species import Line
from darkstate.elementary import elementary, where
from darkstate.errors import ArgumentError
from darkstate.parameters import pytree

POLARIZATIONS: dict[str, dict[int, float]] = {"y": {1: 1 / sqrt(2), -1: 1 / sqrt(2)}, "x": {0: 1.0}}
"""Amplitude of each spherical component q = m' - m that light of this polarisation drives."""

FORWARD = {"y": 1.0, "x": 0.5}
"""Forward scattering of a spin flip, relative to a dipole perpendicular to the beam: pi light has its dipole along x,
sigma light a rotating one in the y-z plane, of which the part along y counts (`dipole.forward_share`)."""

State = tuple[float, float]
"""A ground sublevel by its quantum numbers (F, m) at zero field."""


def components(polarization: str) -> dict[int, float]:
    """Amplitudes by spherical component of light of this polarisation.

    Raises:
        ArgumentError: it is neither "x" nor "y".

    Example:
        >>> components("x")
        {0: 1.0}
    """
    if polarization not in POLARIZATIONS:
        raise ArgumentError(f'Argument `polarization` must be "x" or "y", but is {polarization!r}.')
    return POLARIZATIONS[polarization]


class Virtual(NamedTuple):
    """An atom with one photon absorbed.

    m: of the excited sublevel; parts: its amplitudes {F': sum_l <F' m'|l><l|d.e|a>/Delta_l} [s]; drive: <F' m'|d.e|a>.
    """

    m: float
    parts: dict[float, Any]
    drive: dict[float, Any]

    @property
    def norm(self) -> Any:
        """Squared norm [s^2]: Omega^2 times it is the share of atoms in the excited level."""
        return sum(x * x for x in self.parts.values())

    @property
    def shift(self) -> Any:
        """sum_l |<l|d.e|a>|^2/Delta_l [s]: Omega^2 times it is the light shift."""
        return sum(self.drive[f] * x for f, x in self.parts.items())


def virtual_states(
    line: Line, start: State, *, detuning_hz: Any, light: dict[int, float], field: Any = 0.0
) -> list[Virtual]:
    """The excited amplitudes that light admixes to a ground sublevel, per component of the light.

    Args:
        line: the line; start: the sublevel (F, m); detuning_hz: see `scattering`; light: amplitude of each q.
        field: magnetic field [T].
    """
    ground = ground_sublevel(line.species, *start, field)
    found = []
    for q, weight in light.items():
        m = start[1] + q
        levels = excited_levels(line, m)
        if not levels:
            continue
        diagonal, beside = excited_matrix(line, m, field)
        offset = detuning_hz + ground.energy_hz
        right = [
            weight * sum(part * _coupling(line, (f, m), (fg, start[1])) for fg, part in ground.parts.items())
            for f in levels
        ]
        if isinstance(field, (int, float)) and field == 0:
            # nothing is mixed: light on a level that this sublevel does not reach is no resonance
            solved = [r / (offset - e) if r else 0.0 * offset for r, e in zip(right, diagonal, strict=True)]
        else:
            solved = _tridiagonal([offset - e for e in diagonal], [-b for b in beside], right)
        parts = {f: x / (2 * pi) for f, x in zip(levels, solved, strict=True)}
        found.append(Virtual(m, parts, dict(zip(levels, right, strict=True))))
    return found


def _coupling(line: Line, excited: State, ground: State) -> float:
    """`dipole`, and 0 where it is forbidden."""
    (fe, me), (fg, mg) = excited, ground
    forbidden = abs(fe - fg) > 1 or abs(me - mg) > 1 or fe + fg == 0 or abs(mg) > fg
    return 0.0 if forbidden else dipole(line, excited, ground)


def _tridiagonal(diagonal: list[Any], beside: list[Any], right: list[Any]) -> list[Any]:
    """x with H x = right for a symmetric tridiagonal H of a few rows, by elimination; written out, for any batch."""
    d, r = list(diagonal), list(right)
    for k in range(1, len(d)):
        factor = beside[k - 1] / d[k - 1]
        d[k] = d[k] - factor * beside[k - 1]
        r[k] = r[k] - factor * r[k - 1]
    for k in range(len(d) - 1, -1, -1):
        above = beside[k] * r[k + 1] if k + 1 < len(d) else 0.0
        r[k] = (r[k] - above) / d[k]
    return r


def scattering(
    line: Line, *, start: State, end: State, detuning_hz: Any, polarization: str, field: Any = 0.0
) -> dict[int, Any]:
    """Amplitudes for scattering a photon from one ground sublevel to another, by emitted polarisation.

    Formula: M_q = sum_l <end|d_q^+|l><l|d.e|start>/Delta_l; Omega^2 gamma_LW sum_q |M_q|^2 is the rate.
    Source: 001 App. E, corrected.

    Args:
        line: the line; start, end: ground sublevels (F, m).
        detuning_hz: of the light from F = I + J to the highest F' it reaches, at zero field; positive = blue [Hz].
        polarization: "y" or "x"; field: magnetic field along x [T].

    Returns:
        Amplitude by q of the emitted photon, m' = m_end + q, for the q that are possible [s].

    Raises:
        ArgumentError: unknown polarisation, or no such sublevel; ZeroDivisionError: plain numbers on a resonance.

    Validity: detuning far above natural width, Doppler width and rates.

    Example:
        >>> from darkstate.atoms.species import line
        >>> m = scattering(line("133Cs", "D2"), start=(4, 4), end=(4, 3), detuning_hz=850e6, polarization="y")
        >>> {q: f"{1e9 * float(x):.5f} ns" for q, x in m.items()}
        {0: '0.02125 ns'}
    """
    light = components(polarization)
    states = virtual_states(line, start, detuning_hz=detuning_hz, light=light, field=field)
    return _emitted(line, states, end, field)


def _emitted(line: Line, states: list[Virtual], end: State, field: Any) -> dict[int, Any]:
    """Amplitudes by emitted q from the admixed states to one ground sublevel."""
    parts = ground_sublevel(line.species, *end, field).parts
    found: dict[int, Any] = {}
    for state in states:
        q = state.m - end[1]
        if abs(q) <= 1:
            terms = (p * x * _coupling(line, (f, state.m), (fg, end[1])) for f, x in state.parts.items()
                     for fg, p in parts.items())  # fmt: skip
            found[int(q)] = found.get(int(q), 0.0) + sum(terms)
    return found


@pytree
class LightRates:
    """What the drive does to |up>, |down> and |h> of one ensemble.

    Args:
        passive, active: amplitudes of the flips down -> up and up -> down, with their signs; their squares are
            mu^2 Gamma and nu^2 Gamma [1/sqrt s].
        up_to_h, down_to_h, h_to_up, h_to_down: rates to and from |h> [1/s].
        rayleigh_up, rayleigh_down: rates of up -> up, down -> down [1/s].
        rayleigh_difference: dephasing by the difference of both amplitudes (variant V3) [1/s].
        leak: rate at which |up> goes to sublevels outside the three-level model [1/s].
        excited: share of |up> in the excited level [1].

    Example:
        >>> one = LightRates(2.0, 1.0, *[0.0] * 9)
        >>> one.gamma, one.z
        (3.0, 1.7320508075688772)
    """

    passive: Any
    active: Any
    up_to_h: Any
    down_to_h: Any
    h_to_up: Any
    h_to_down: Any
    rayleigh_up: Any
    rayleigh_down: Any
    rayleigh_difference: Any
    leak: Any
    excited: Any

    @property
    def cooling(self) -> Any:
        """Gamma_du = mu^2 Gamma, rate of down -> up [1/s]."""
        return self.passive * self.passive

    @property
    def heating(self) -> Any:
        """Gamma_ud = nu^2 Gamma, rate of up -> down [1/s]."""
        return self.active * self.active

    @property
    def gamma(self) -> Any:
        """Gamma = Gamma_du - Gamma_ud, so that mu^2 - nu^2 = 1 [1/s]; negative where the light heats."""
        return (abs(self.passive) - abs(self.active)) * (abs(self.passive) + abs(self.active))

    @property
    def z(self) -> Any:
        """Z = 1/(|mu| - |nu|); infinite where mu = nu, not a number where |nu| > |mu|."""
        plus, minus = abs(self.passive) + abs(self.active), abs(self.passive) - abs(self.active)
        if isinstance(minus, (int, float)):
            return sqrt(plus / minus) if minus > 0 else float("inf") if minus == 0 else float("nan")
        ratio = plus / where(minus == 0, 1.0, minus)
        return where(minus == 0, float("inf"), elementary("sqrt", where(minus < 0, float("nan"), ratio)))

    @property
    def mu(self) -> Any:
        """|mu| = |passive|/sqrt(Gamma)."""
        return (self.z + 1 / self.z) / 2

    @property
    def nu(self) -> Any:
        """|nu| = |active|/sqrt(Gamma)."""
        return (self.z - 1 / self.z) / 2

    def rayleigh(self, variant: str = "V1") -> Any:
        """Dephasing by photons that change no sublevel [1/s].

        "V1" adds the rates of up -> up and down -> down, as 001 does. "V3" takes the difference of the amplitudes: a
        photon that both sublevels scatter alike tells nothing of the spin (H. Uys et al., Phys. Rev. Lett. 105,
        200401 (2010)).
        """
        if variant not in ("V1", "V3"):
            raise ArgumentError(f'Argument `variant` must be "V1" or "V3", but is {variant!r}.')
        return self.rayleigh_difference if variant == "V3" else self.rayleigh_up + self.rayleigh_down

    def transverse(self, variant: str = "V1") -> Any:
        """What the light adds to Gamma-tilde: flips, losses and dephasing (001 below Eq. 21) [1/s]."""
        return self.cooling + self.heating + self.up_to_h + self.down_to_h + self.rayleigh(variant)


def sublevels(line: Line, orientation: int = 1) -> dict[str, State]:
    """The sublevels called up, down and h in an ensemble whose spins point along (+1) or against (-1) the field.

    Example:
        >>> from darkstate.atoms.species import line
        >>> sublevels(line("133Cs", "D2"), -1)
        {'up': (4.0, -4.0), 'down': (4.0, -3.0), 'h': (3.0, -3.0)}
    """
    f, s = line.species.spin, orientation
    found = {"up": (f, s * f), "down": (f, s * (f - 1))}
    return found | ({"h": (f - 1, s * (f - 1))} if line.species.ground_spin and f > 1 else {})


def light_rates(
    line: Line, *, detuning_hz: Any, polarization: str, rabi: Any, field: Any = 0.0, orientation: int = 1
) -> LightRates:
    """All effective rates of the drive in one ensemble.

    Source: 001 App. E, corrected (amplitudes over F', rates over emitted polarisation).

    Args:
        line: the line; detuning_hz, polarization, field: as `scattering`.
        rabi: Omega of 001, H = Omega |e><g| + h.c., as `beam.rabi_frequency` gives it [rad/s].
        orientation: +1 where the spins point along the field (ensemble I), -1 against it (II).

    Example:
        >>> from darkstate.atoms.species import line
        >>> one = light_rates(line("133Cs", "D2"), detuning_hz=850e6, polarization="y", rabi=1.2e7)
        >>> f"Z = {one.z:.4f}, Gamma = {one.gamma:.2f} /s"
        'Z = 2.5318, Gamma = 1.87 /s'
    """
    named, light = sublevels(line, orientation), components(polarization)
    virtual = {
        name: virtual_states(line, state, detuning_hz=detuning_hz, light=light, field=field)
        for name, state in named.items()
    }
    strength = rabi * rabi * line.natural_width

    def amplitudes(start: str, end: str) -> dict[int, Any]:
        return _emitted(line, virtual[start], named[end], field)

    def rate(start: str, end: str) -> Any:
        if start not in named or end not in named:
            return 0.0 * strength
        return strength * sum(a * a for a in amplitudes(start, end).values())

    up, down = amplitudes("up", "up"), amplitudes("down", "down")
    difference = sum((up.get(q, 0.0) - down.get(q, 0.0)) ** 2 for q in (-1, 0, 1))
    root = rabi * sqrt(line.natural_width)
    lost = strength * sum(v.norm for v in virtual["up"])  # the squares of all decays of an excited state add to 1
    return LightRates(
        passive=root * sum(amplitudes("down", "up").values()),
        active=root * sum(amplitudes("up", "down").values()),
        up_to_h=rate("up", "h"),
        down_to_h=rate("down", "h"),
        h_to_up=rate("h", "up"),
        h_to_down=rate("h", "down"),
        rayleigh_up=rate("up", "up"),
        rayleigh_down=rate("down", "down"),
        rayleigh_difference=strength * difference,
        leak=lost - rate("up", "up") - rate("up", "down") - rate("up", "h"),
        excited=rabi * rabi * sum(v.norm for v in virtual["up"]),
    )
