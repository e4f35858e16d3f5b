"""Hyperfine levels and their Zeeman sublevels in a field, and the dipole matrix elements between them.

    H = A I.J + quadrupole + octupole + mu_B B (g_J J_z + g_I I_z)        z: along the field (the papers' x)

At one m the field couples neighbouring F only, so H is a tridiagonal matrix of at most four rows in the basis |F m>: no
eigenvectors are needed, here or in `light`. A ground level of J = 1/2 has two F and the closed form of Breit and Rabi.
Basis states are coupled in the order (J, I), phases after Condon and Shortley.
"""

from __future__ import annotations

from functools import cache
from math import sqrt
from typing import Any, NamedTuple

from darkstate.atoms.angular import clebsch_gordan, six_j, three_j
from darkstate.atoms.constants import BOHR_MAGNETON, PLANCK
from darkstate.atoms.species import Line, Species
from darkstate.elementary import elementary
from darkstate.errors import ArgumentError

BOHR_HZ = BOHR_MAGNETON / PLANCK
"""mu_B/h [Hz/T]."""


def level_hz(i: float, j: float, f: float, a: float, b: float = 0.0, c: float = 0.0) -> float:
    """Energy of a hyperfine level F relative to its centre of gravity [Hz].

    Formula: with K = F(F+1) - I(I+1) - J(J+1): A K/2 + B [3/2 K(K+1) - 2 I(I+1) J(J+1)]/[4 I(2I-1) J(2J-1)]
    + C [5 K^2 (K/4 + 1) + K (I(I+1) + J(J+1) + 3 - 3 I(I+1) J(J+1)) - 5 I(I+1) J(J+1)]/[I(I-1)(2I-1) J(J-1)(2J-1)].
    Source: D. A. Steck, Cesium D Line Data, Eq. (16).

    Args:
        i, j, f: I, J, F; a, b, c: hyperfine constants [Hz]; b needs I, J >= 1, c needs I, J >= 3/2.

    Example:
        >>> round(level_hz(3.5, 0.5, 4, 2298157942.5) - level_hz(3.5, 0.5, 3, 2298157942.5))
        9192631770
    """
    k = f * (f + 1) - i * (i + 1) - j * (j + 1)
    ii, jj = i * (i + 1), j * (j + 1)
    energy = a * k / 2
    if b:
        energy += b * (1.5 * k * (k + 1) - 2 * ii * jj) / (4 * i * (2 * i - 1) * j * (2 * j - 1))
    if c:
        numerator = 5 * k * k * (k / 4 + 1) + k * (ii + jj + 3 - 3 * ii * jj) - 5 * ii * jj
        energy += c * numerator / (i * (i - 1) * (2 * i - 1) * j * (j - 1) * (2 * j - 1))
    return energy


@cache
def spin_projection(i: float, j: float, f: float, other: float, m: float) -> float:
    """<F m|J_z|F'' m> in a level of spins I, J [1]; zero unless F'' is F or F +- 1.

    Example:
        >>> spin_projection(3.5, 0.5, 4, 4, 4)
        0.5
    """
    total = 0.0
    for k in range(int(2 * j) + 1):
        mj = k - j
        if abs(m - mj) <= i:
            total += mj * clebsch_gordan(j, mj, i, m - mj, f, m) * clebsch_gordan(j, mj, i, m - mj, other, m)
    return total


class Sublevel(NamedTuple):
    """One Zeeman sublevel: energy above the zero-field level F = I + J [Hz], and its parts {F: amplitude} in |F m>."""

    energy_hz: Any
    parts: dict[float, Any]


def ground_sublevel(atom: Species, f: float, m: float, field: Any) -> Sublevel:
    """The ground sublevel that |F m> becomes in a field (Breit and Rabi).

    Args:
        atom: the species; f, m: quantum numbers at zero field; field: magnetic field along the axis [T].

    Raises:
        ArgumentError: the ground level has no such sublevel.

    Example:
        >>> from darkstate.atoms.species import species
        >>> up, down = (ground_sublevel(species("133Cs"), 4, m, 1e-4).energy_hz for m in (4, 3))
        >>> f"{1e-3 * (up - down):.2f} kHz"  # 350 kHz per gauss
        '349.77 kHz'
    """
    i, j, top = atom.nuclear_spin, atom.ground_spin, atom.spin
    if f not in (top, abs(i - j)) or abs(m) > f or (f - m) % 1:
        raise ArgumentError(f"The ground level of {atom.name} has no sublevel F = {f:g}, m = {m:g}.")
    x = BOHR_HZ * field

    def diagonal(level: float) -> Any:
        splitting = level_hz(i, j, level, atom.hyperfine_hz) - level_hz(i, j, top, atom.hyperfine_hz)
        jz = spin_projection(i, j, level, level, m)
        return splitting + x * (atom.g_j * jz + atom.g_i * (m - jz))

    if abs(m) == top or j == 0:
        return Sublevel(diagonal(f), {f: 1.0})
    upper, lower = diagonal(top), diagonal(top - 1)
    coupling = x * (atom.g_j - atom.g_i) * spin_projection(i, j, top, top - 1, m)
    half, mean = (upper - lower) / 2, (upper + lower) / 2
    shift = elementary("sqrt", half * half + coupling * coupling)
    turn = elementary("atan2", coupling, half) / 2
    cosine, sine = elementary("cos", turn), elementary("sin", turn)
    if f == top:
        return Sublevel(mean + shift, {top: cosine, top - 1: sine})
    return Sublevel(mean - shift, {top: -sine, top - 1: cosine})


def breit_rabi_hz(atom: Species, f: float, m: float, field: Any) -> Any:
    """Energy of the ground sublevel |F m> above the zero-field level F = I + J [Hz]; see `ground_sublevel`.

    Example:
        >>> from darkstate.atoms.species import species
        >>> breit_rabi_hz(species("133Cs"), 3, 0, 0.0)  # the clock transition
        -9192631770.0
    """
    return ground_sublevel(atom, f, m, field).energy_hz


def field_of_splitting(atom: Species, splitting_hz: Any) -> Any:
    """Field in which neighbouring sublevels of F = I + J are this far apart, to first order [T].

    Formula: B = h nu/(|g_F| mu_B), g_F = g_J <J_z>/m + g_I (1 - <J_z>/m).

    Example:
        >>> from darkstate.atoms.species import species
        >>> f"{1e4 * field_of_splitting(species('133Cs'), 322e3):.4f} G"  # 002: 0.9 G
        '0.9204 G'
    """
    top = atom.spin
    part = atom.ground_spin / top
    return splitting_hz / (abs(atom.g_j * part + atom.g_i * (1 - part)) * BOHR_HZ)


def excited_levels(line: Line, m: float) -> list[float]:
    """The F' of the excited level that have a sublevel m, in ascending order.

    Example:
        >>> from darkstate.atoms.species import line
        >>> excited_levels(line("133Cs", "D2"), 4.0)
        [4.0, 5.0]
    """
    i, j = line.species.nuclear_spin, line.excited_spin
    return [f for f in (abs(i - j) + k for k in range(int(2 * min(i, j)) + 1)) if f >= abs(m)]


def excited_hz(line: Line, f: float) -> float:
    """Zero-field energy of the excited level F' above the highest one that F = I + J reaches [Hz].

    Example:
        >>> from darkstate.atoms.species import line
        >>> [round(1e-6 * excited_hz(line("133Cs", "D2"), f), 4) for f in (5, 4, 3, 2)]
        [0.0, -251.0916, -452.3787, -603.6034]
    """
    i, j = line.species.nuclear_spin, line.excited_spin
    constants = (line.a_hz, line.b_hz, line.c_hz)
    return level_hz(i, j, f, *constants) - level_hz(i, j, line.highest, *constants)


def excited_matrix(line: Line, m: float, field: Any) -> tuple[list[Any], list[Any]]:
    """Diagonal and off-diagonal of H of the excited sublevels m in the basis `excited_levels` [Hz].

    Args:
        line: the line; m: magnetic quantum number; field: magnetic field along the axis [T].
    """
    i, j, x = line.species.nuclear_spin, line.excited_spin, BOHR_HZ * field
    levels, g_i = excited_levels(line, m), line.species.g_i
    diagonal = []
    for f in levels:
        jz = spin_projection(i, j, f, f, m)
        diagonal.append(excited_hz(line, f) + x * (line.g_j * jz + g_i * (m - jz)))
    beside = [
        x * (line.g_j - g_i) * spin_projection(i, j, a, b, m) for a, b in zip(levels[:-1], levels[1:], strict=True)
    ]
    return diagonal, beside


@cache
def dipole(line: Line, excited: tuple[float, float], ground: tuple[float, float]) -> float:
    """Dipole matrix element <F' m'|d_q|F m>, q = m' - m, in units in which an excited sublevel decays at rate 1.

    Formula: c = (-1)^(F'-m') (F' 1 F; -m' q m) (-1)^(J'+I+F+1) sqrt[(2F'+1)(2F+1)(2J'+1)] {J' F' I; F J 1}, so that
    c = <J m_J; 1 q|J' m_J'> between uncoupled states and the squares of all decays of an excited sublevel add to 1.
    Source: A. R. Edmonds, Eqs. (5.4.1), (7.1.7); convention "unit decay" of species.toml.

    Args:
        line: the line; excited: (F', m'); ground: (F, m).

    Raises:
        ArgumentError: the transition is forbidden: |F' - F| > 1, |m' - m| > 1, or 0 -> 0.

    Example:
        >>> from darkstate.atoms.species import line
        >>> round(dipole(line("133Cs", "D1"), (4, 4), (4, 3)) ** 2, 12)  # 1/12
        0.083333333333
    """
    (fe, me), (fg, mg) = excited, ground
    q, i, jg, je = me - mg, line.species.nuclear_spin, line.species.ground_spin, line.excited_spin
    if abs(fe - fg) > 1 or fe + fg == 0 or abs(q) > 1:
        raise ArgumentError(
            f"The transition F = {fg:g}, m = {mg:g} -> F' = {fe:g}, m' = {me:g} of {line.species.name} {line.name} is "
            "forbidden for electric dipole light: F and m change by at most 1, and not from 0 to 0. Choose another F'."
        )
    if fe not in excited_levels(line, me) or fg not in (line.species.spin, abs(i - jg)) or abs(mg) > fg:
        raise ArgumentError(
            f"{line.species.name} {line.name} has no transition F = {fg:g}, m = {mg:g} -> F' = {fe:g}, m' = {me:g}."
        )
    sign = (-1) ** int(fe - me + je + i + fg + 1)
    size = sqrt((2 * fe + 1) * (2 * fg + 1) * (2 * je + 1))
    return sign * size * three_j(fe, 1, fg, -me, q, mg) * six_j(je, fe, i, fg, jg, 1)
