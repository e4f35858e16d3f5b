"""Jumps of one ensemble as sparse matrices on a sector, every entry from two amplitudes: of the ket and of the bra.

    sum_i s_i rho s_i^+ :  |j, m><j, m'|  ->  sum over j' of a_j'(j, m) a_j'(j, m') |j', m+s><j', m'+s|

j' = j, j-1, j+1 for an atom that turns up, turns down or is dephased; j' = j-1/2, j+1/2 for one that goes to the third
level |h> or comes back, which changes N_2 as well. The amplitudes a depend on N_2, j and m only; those of the
collective spin are the usual ladder norms. Source: partial traces of explicit spins
(`tests/agreement/test_exact_spins.py`, `test_exact_three_levels.py`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import numpy as np
from scipy import sparse

from darkstate.spins.exact.basis import Array, sector

SHIFT = {
    "cooling": 1.0,
    "heating": -1.0,
    "dephasing": 0.0,
    "up_to_h": -0.5,
    "down_to_h": 0.5,
    "h_to_up": 0.5,
    "h_to_down": -0.5,
}
"""By how much each single-atom jump changes m."""

GAIN = dict.fromkeys(SHIFT, 0) | {"up_to_h": -1, "down_to_h": -1, "h_to_up": 1, "h_to_down": 1}
"""By how much it changes N_2, the number of atoms outside |h>."""


def steps(kind: str) -> tuple[float, ...]:
    """By how much a single-atom jump may change j."""
    return (-0.5, 0.5) if GAIN[kind] else (-1.0, 0.0, 1.0)


def amplitude(kind: str, two_level: Any, j: Array, m: Array, step: float) -> Array:
    """Amplitude of |j, m> -> |j + step, m + shift> by one atom, all atoms together; from |h>, per atom in |h> [n].

    Formula, with w_0 = (N+2)/(4j(j+1)), w_- = (N+2j+2)/(4j(2j+1)), w_+ = (N-2j)/(4(j+1)(2j+1)), N meaning N_2: cooling
    sqrt(w_0 (j-m)(j+m+1)), sqrt(w_- (j-m)(j-m-1)), sqrt(w_+ (j+m+1)(j+m+2)); dephasing (s_x of each atom) sqrt(w_0) m,
    sqrt(w_- (j^2-m^2)), sqrt(w_+ ((j+1)^2-m^2)); from |up> to |h> sqrt((N/2+j+1)(j+m)/(2j+1)),
    sqrt((N/2-j)(j+1-m)/(2j+1)); back to |up> sqrt((j-m)/(2j+1)), sqrt((j+m+1)/(2j+1)), the Clebsch-Gordan coefficients.
    Heating and |down> are the same with m -> -m.

    Example:
        >>> j, m = np.array([1.0]), np.array([0.0])
        >>> squares = [float(amplitude("cooling", 2, j, m, step)[0] ** 2) for step in (-1, 0, 1)]
        >>> print(f"{sum(squares):.12f}")  # N_down = 1
        1.000000000000
    """
    n = two_level
    m = -m if kind in ("heating", "down_to_h", "h_to_down") else m
    if GAIN[kind] < 0:
        return np.sqrt(((n / 2 + j + 1) * (j + m) if step < 0 else (n / 2 - j) * (j + 1 - m)) / (2 * j + 1))
    if GAIN[kind] > 0:
        return np.sqrt((j - m if step < 0 else j + m + 1) / (2 * j + 1))
    some = np.maximum(j, 0.25)  # j = 0 has no such jump: its factors vanish below
    if step == 0:
        w = np.where(j > 0, (n + 2) / (4 * some * (some + 1)), 0.0)
        return np.sqrt(w) * m if kind == "dephasing" else np.sqrt(w * (j - m) * (j + m + 1))
    if step < 0:
        w = np.where(j > 0, (n + 2 * j + 2) / (4 * some * (2 * some + 1)), 0.0)
        return np.sqrt(w * ((j**2 - m**2) if kind == "dephasing" else (j - m) * (j - m - 1)))
    w = (n - 2 * j) / (4 * (j + 1) * (2 * j + 1))
    return np.sqrt(w * (((j + 1) ** 2 - m**2) if kind == "dephasing" else (j + m + 1) * (j + m + 2)))


@lru_cache(maxsize=1024)
def single_atom(kind: str, atoms: int, charge: int, third: bool = False) -> Any:
    """Lindblad generator of unit rate of independent atoms in one sector [n n].

    sum_i D[s_i], with s = |up><down|, |down><up|, |down><down| (the same as s_x), |h><up|, |h><down|, |up><h| or
    |down><h|.
    """
    s = sector(atoms, charge, third)
    source = atoms - s.two_level if GAIN[kind] > 0 else 1
    rows, columns, values = [], [], []
    for step in steps(kind):
        to, there = s.place(s.two_level + GAIN[kind], s.twice_j + int(2 * step), s.k + int(step - SHIFT[kind]))
        ket, bra = (amplitude(kind, s.two_level, s.j, m, step) for m in (s.ket, s.bra))
        rows.append(to[there])
        columns.append(np.flatnonzero(there))
        values.append((source * ket * bra)[there])
    middle = (s.ket + s.bra) / 2
    if kind == "dephasing":
        loss = s.two_level / 4
    elif GAIN[kind] > 0:
        loss = np.asarray(source, float)
    else:
        loss = s.two_level / 2 + (-middle if kind in ("cooling", "down_to_h") else middle)
    return _matrix(rows, columns, values, (s.size, s.size)) - sparse.diags_array(loss, format="csr")


@lru_cache(maxsize=1024)
def collective(shift: Literal[1, -1], atoms: int, charge: int, third: bool = False) -> Any:
    """D[S] (shift +1) or D[S^+] (shift -1) of unit rate in one sector, S = sum |up><down| [n n]."""
    s = sector(atoms, charge, third)
    ket, bra = ladder_norm(s.j, s.ket, shift), ladder_norm(s.j, s.bra, shift)
    to, there = s.place(s.two_level, s.twice_j, s.k - shift)
    jump = _matrix([to[there]], [np.flatnonzero(there)], [(ket * bra)[there]], (s.size, s.size))
    return jump - sparse.diags_array((ket**2 + bra**2) / 2, format="csr")


@lru_cache(maxsize=1024)
def multiplication(
    side: Literal["left", "right"], shift: Literal[1, -1], atoms: int, charge: int, third: bool = False
) -> Any:
    """X -> S X, X S (shift +1, charge q to q + 1), S^+ X or X S^+ (shift -1, charge q to q - 1) [n' n]."""
    s, target = sector(atoms, charge, third), sector(atoms, charge + shift, third)
    if side == "left":
        value = ladder_norm(s.j, s.ket, shift)
        to, there = target.place(s.two_level, s.twice_j, s.k - shift)
    else:  # <m'| S is the bra of S^+ |m'>
        value = ladder_norm(s.j, s.bra, -shift)
        to, there = target.place(s.two_level, s.twice_j, s.k)
    return _matrix([to[there]], [np.flatnonzero(there)], [value[there]], (target.size, s.size))


def ladder_norm(j: Array, m: Array, shift: int) -> Array:
    """<j, m + shift| S^(+-) |j, m> = sqrt((j - shift m)(j + shift m + 1)) [n]."""
    m = shift * m
    return np.sqrt((j - m) * (j + m + 1))


def _matrix(rows: list[Any], columns: list[Any], values: list[Any], shape: tuple[int, int]) -> Any:
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    matrix = sparse.coo_array(entries, shape=shape).tocsr()
    matrix.eliminate_zeros()
    return matrix
