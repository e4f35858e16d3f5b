"""A species is an atom with a ground level of spins (I, J) and lines to excited levels; the constants stand in
species.toml.

    133Cs, 85Rb, 87Rb: D1, D2;  171Yb: 1S0-3P1

Each constant has value, standard uncertainty and source there; `constants` gives them. Up: `hyperfine`, `light`,
`vapour`.
"""

from __future__ import annotations

import dataclasses
import tomllib
from difflib import get_close_matches
from functools import cache
from math import pi
from pathlib import Path
from typing import Any, NamedTuple

from darkstate.atoms.constants import ATOMIC_MASS, LIGHT_SPEED
from darkstate.errors import ArgumentError


@dataclasses.dataclass(frozen=True)
class Species:
    """An atom and its ground level.

    Args:
        name: mass number and symbol, "133Cs".
        mass: of one atom [kg].
        nuclear_spin: I; ground_spin: J of the ground level.
        hyperfine_hz: hyperfine constant A of the ground level [Hz].
        g_j, g_i: g factors of the ground level, H = mu_B B (g_J J_z + g_I I_z).
        lines: names of the lines.

    Example:
        >>> cs = species("133Cs")
        >>> cs.spin, cs.lines, round(4 * cs.hyperfine_hz)
        (4.0, ('D1', 'D2'), 9192631770)
    """

    name: str
    mass: float
    nuclear_spin: float
    ground_spin: float
    hyperfine_hz: float
    g_j: float
    g_i: float
    lines: tuple[str, ...]

    @property
    def spin(self) -> float:
        """F = I + J of the ground level that holds |up> and |down>."""
        return self.nuclear_spin + self.ground_spin


@dataclasses.dataclass(frozen=True)
class Line:
    """An electric dipole line from the ground level of a species to one excited level.

    Args:
        species: the atom; name: "D2".
        frequency_hz: of the centres of gravity [Hz].
        natural_width: decay rate of the excited level, gamma_LW = 1/lifetime [1/s].
        excited_spin: J'.
        a_hz, b_hz, c_hz: hyperfine constants of the excited level, magnetic dipole to octupole [Hz].
        g_j: g factor of the excited level.

    Example:
        >>> d2 = line("133Cs", "D2")
        >>> f"{1e9 * d2.wavelength:.5f} nm, {d2.natural_width / (2e6 * pi):.3f} MHz"
        '852.34728 nm, 5.234 MHz'
    """

    species: Species
    name: str
    frequency_hz: float
    natural_width: float
    excited_spin: float
    a_hz: float
    b_hz: float
    c_hz: float
    g_j: float

    @property
    def wavelength(self) -> float:
        """lambda in vacuum [m]."""
        return LIGHT_SPEED / self.frequency_hz

    @property
    def wavenumber(self) -> float:
        """k_L = 2 pi/lambda [1/m]."""
        return 2 * pi / self.wavelength

    @property
    def highest(self) -> float:
        """The largest F' of the excited level that light reaches from F = I + J: detunings are counted from it."""
        return min(self.excited_spin + self.species.nuclear_spin, self.species.spin + 1)


class Constant(NamedTuple):
    """One number of species.toml."""

    value: float
    uncertainty: float
    source: str


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "species.toml").read_text(encoding="utf-8"))


@cache
def species(name: str) -> Species:
    """The atom of this name.

    Raises:
        ArgumentError: no such species.

    Example:
        >>> species("171Yb").nuclear_spin
        0.5
    """
    data = _data()
    if name not in data:
        raise ArgumentError(_unknown("species", name, list(data)))
    entry = data[name]
    return Species(
        name=name,
        mass=entry["mass_u"]["value"] * ATOMIC_MASS,
        nuclear_spin=entry["nuclear_spin"],
        ground_spin=entry["ground_spin"],
        hyperfine_hz=entry["hyperfine_hz"]["value"],
        g_j=entry["g_j"]["value"],
        g_i=entry["g_i"]["value"],
        lines=tuple(entry["lines"]),
    )


@cache
def line(name: str, line: str) -> Line:
    """The line of this name of a species.

    Raises:
        ArgumentError: no such species, or it has no such line here.

    Example:
        >>> line("87Rb", "D1").excited_spin
        0.5
    """
    atom = species(name)
    entry = _data()[name]["lines"][_known(line, atom)]

    def number(key: str) -> float:
        return entry[key]["value"] if key in entry else 0.0

    return Line(
        species=atom,
        name=line,
        frequency_hz=number("frequency_hz"),
        natural_width=1 / number("lifetime"),
        excited_spin=entry["excited_spin"],
        a_hz=number("a_hz"),
        b_hz=number("b_hz"),
        c_hz=number("c_hz"),
        g_j=number("g_j"),
    )


def constants(name: str, line: str | None = None) -> dict[str, Constant]:
    """Every constant of a species, or of one of its lines, as the data file has it.

    Example:
        >>> constants("133Cs", "D2")["b_hz"]
        Constant(value=-494027.5, uncertainty=1700.0, source='Gerginov, as in Steck Cs')
    """
    entry = _data()[species(name).name]
    if line is not None:
        entry = entry["lines"][_known(line, species(name))]
    return {key: Constant(**value) for key, value in entry.items() if isinstance(value, dict) and "value" in value}


def _known(line: str, atom: Species) -> str:
    if line not in atom.lines:
        raise ArgumentError(_unknown(f"line of {atom.name}", line, list(atom.lines)))
    return line


def _unknown(what: str, read: str, known: list[str]) -> str:
    near = get_close_matches(read, known, 1, 0.3)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{read!r} is no {what} known here, which are {', '.join(known)}{hint}"
