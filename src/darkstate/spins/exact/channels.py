"""Jumps of one ensemble as sparse matrices on a sector, every entry from two amplitudes: of the ket and of the bra.

    sum_i s_i rho s_i^+ :  |j, m><j, m'|  ->  sum over j' = j, j-1, j+1 of a_j'(j, m) a_j'(j, m') |j', m+s><j', m'+s|

The amplitudes a of an atom that turns up, turns down or is dephased depend on N, j and m only; those of the collective
spin are the usual ladder norms. Source: partial traces of explicit spins (`tests/agreement/test_exact_spins.py`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import numpy as np
from scipy import sparse

from darkstate.spins.exact.basis import Array, sector

Kind = Literal["cooling", "heating", "dephasing"]
SHIFT = {"cooling": 1, "heating": -1, "dephasing": 0}
"""By how much each single-atom jump changes m."""


def amplitude(kind: Kind, atoms: int, j: Array, m: Array, step: int) -> Array:
    """Amplitude of |j, m> -> |j + step, m + shift> by one atom, all atoms together [n].

    Formula, with w_0 = (N+2)/(4j(j+1)), w_- = (N+2j+2)/(4j(2j+1)), w_+ = (N-2j)/(4(j+1)(2j+1)): cooling
    sqrt(w_0 (j-m)(j+m+1)), sqrt(w_- (j-m)(j-m-1)), sqrt(w_+ (j+m+1)(j+m+2)); heating the same with m -> -m; dephasing
    (s_x of each atom) sqrt(w_0) m, sqrt(w_- (j^2-m^2)), sqrt(w_+ ((j+1)^2-m^2)).

    Example:
        >>> j, m = np.array([1.0]), np.array([0.0])
        >>> squares = [float(amplitude("cooling", 2, j, m, step)[0] ** 2) for step in (-1, 0, 1)]
        >>> print(f"{sum(squares):.12f}")  # N_down = 1
        1.000000000000
    """
    n = atoms
    m = -m if kind == "heating" else m
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
def single_atom(kind: Kind, atoms: int, charge: int) -> Any:
    """Lindblad generator of unit rate of independent atoms in one sector [n n].

    sum_i D[s_i], with s = |up><down|, |down><up|, or |down><down| (the same as s_x).
    """
    s = sector(atoms, charge)
    rows, columns, values = [], [], []
    for step in (-1, 0, 1):
        to, there = s.place(s.twice_j + 2 * step, s.k + step - SHIFT[kind])
        value = amplitude(kind, atoms, s.j, s.ket, step) * amplitude(kind, atoms, s.j, s.bra, step)
        rows.append(to[there])
        columns.append(np.flatnonzero(there))
        values.append(value[there])
    sign = {"cooling": -1, "heating": 1, "dephasing": 0}[kind]
    loss = atoms / 2 + sign * (s.ket + s.bra) / 2 if sign else np.full(s.size, atoms / 4)
    return _matrix(rows, columns, values, (s.size, s.size)) - sparse.diags_array(loss, format="csr")


@lru_cache(maxsize=1024)
def collective(shift: Literal[1, -1], atoms: int, charge: int) -> Any:
    """D[S] (shift +1) or D[S^+] (shift -1) of unit rate in one sector, S = sum |up><down| [n n]."""
    s = sector(atoms, charge)
    ket, bra = ladder_norm(s.j, s.ket, shift), ladder_norm(s.j, s.bra, shift)
    to, there = s.place(s.twice_j, s.k - shift)
    jump = _matrix([to[there]], [np.flatnonzero(there)], [(ket * bra)[there]], (s.size, s.size))
    return jump - sparse.diags_array((ket**2 + bra**2) / 2, format="csr")


@lru_cache(maxsize=1024)
def multiplication(side: Literal["left", "right"], shift: Literal[1, -1], atoms: int, charge: int) -> Any:
    """X -> S X, X S (shift +1, charge q to q + 1), S^+ X or X S^+ (shift -1, charge q to q - 1) [n' n]."""
    s, target = sector(atoms, charge), sector(atoms, charge + shift)
    if side == "left":
        value = ladder_norm(s.j, s.ket, shift)
        to, there = target.place(s.twice_j, s.k - shift)
    else:  # <m'| S is the bra of S^+ |m'>
        value = ladder_norm(s.j, s.bra, -shift)
        to, there = target.place(s.twice_j, s.k)
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
