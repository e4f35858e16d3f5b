"""The permutation-symmetric operators of one ensemble, sorted by charge.

    rho = sum p(N_2; j; m, m') |j, m><j, m'| (x) 1/d,     q = m - m',     m = eigenvalue of Jx
    j = N_2/2, N_2/2 - 1, ...,     N_2 = N, or N, N - 1, ..., 0 where atoms get lost to a third level |h>

d is the number of ways N atoms have N_2 of them form the spin j while the others sit in |h>; p are the entries of the
density operator of (N_2, j, m). Atoms come and go without coherence, so that N_2 is a number of the ket and the bra
alike. A sector holds one q >= 0: the entries with -q are their complex conjugates. Up: `channels` writes the jumps as
matrices of a sector.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property, lru_cache
from math import comb, log
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Sector:
    """All (N_2, j, m) of N atoms that have a partner m' = m - q; a block is one (N_2, j).

    Args:
        atoms: N; charge: q >= 0.
        labels: (N_2, 2j) of every block, both falling [blocks 2].
        offset: place of the first entry of each block [blocks].
        first: number of the first block of each N_2 = N, N - 1, ..., and the number of blocks.
        two_level, twice_j, k: N_2, 2j and k = j - m of every entry, k rising [n].
    """

    atoms: int
    charge: int
    labels: Index
    offset: Index
    first: Index
    two_level: Index
    twice_j: Index
    k: Index

    @property
    def size(self) -> int:
        """Number of entries, c_q = sum over blocks of 2j + 1 - q."""
        return len(self.k)

    @property
    def j(self) -> Array:
        """The spin j [n]."""
        return self.twice_j / 2

    @property
    def ket(self) -> Array:
        """The number m of the ket [n]."""
        return self.twice_j / 2 - self.k

    @property
    def bra(self) -> Array:
        """The number m' = m - q of the bra [n]."""
        return self.ket - self.charge

    @cached_property
    def starts(self) -> dict[tuple[int, int], int]:
        """Place of the first entry of a block, by (N_2, 2j)."""
        return {(n, j): start for (n, j), start in zip(self.labels.tolist(), self.offset.tolist(), strict=True)}

    def ways(self) -> list[int]:
        """The number of ways d to form each block, see `ways` [blocks]."""
        return [ways(self.atoms, n, j) for n, j in self.labels.tolist()]

    def spread(self, values: Sequence[float]) -> Array:
        """Values of the blocks, for every entry [n]."""
        return np.repeat(np.asarray(values, float), self.labels[:, 1] + 1 - self.charge)

    def place(self, two_level: Any, twice_j: Any, k: Any) -> tuple[Index, NDArray[np.bool_]]:
        """Places of entries given by N_2, 2j and k, and which of them exist [n]."""
        lost, row = self.atoms - two_level, (two_level - twice_j) // 2
        there = (lost >= 0) & (lost < len(self.first) - 1)
        lost = np.where(there, lost, 0)
        there &= (row >= 0) & (row < np.diff(self.first)[lost]) & (k >= 0) & (k <= twice_j - self.charge)
        return self.offset[np.where(there, self.first[lost] + row, 0)] + np.where(there, k, 0), there


@lru_cache(maxsize=512)
def sector(atoms: int, charge: int, third: bool = False) -> Sector:
    """The `Sector` of one charge, with the third level or without it; at most q = N.

    Example:
        >>> [sector(3, q).size for q in range(4)]  # j = 3/2 and 1/2
        [6, 4, 2, 1]
        >>> sector(3, 0, third=True).size  # N_2 = 3, 2, 1 and 0: 6 + 4 + 2 + 1
        13
    """
    numbers = range(atoms, charge - 1, -1) if third and charge <= atoms else range(atoms, atoms - 1, -1)
    spins = [range(n, max(charge, n % 2) - 1, -2) for n in numbers]
    labels = np.array([(n, j) for n, js in zip(numbers, spins, strict=True) for j in js], int).reshape(-1, 2)
    counts = labels[:, 1] + 1 - charge
    offset = np.concatenate([[0], np.cumsum(counts)])
    two_level, twice_j = np.repeat(labels, counts, axis=0).T
    k = np.arange(offset[-1]) - np.repeat(offset[:-1], counts)
    first = np.cumsum([0, *map(len, spins)])
    return Sector(atoms, charge, labels, offset[:-1], first, two_level, twice_j, k)


def unknowns(first: int, second: int, third: tuple[bool, bool] = (False, False), last: int | None = None) -> float:
    """Number of entries of the state of two ensembles, sum over q >= 0 of c_q(N_I) c_q(N_II).

    Args:
        first, second: N_I, N_II; third: which of them use the third level.
        last: the largest q that is counted; None = all.

    Example:
        >>> unknowns(10, 10), unknowns(20, 20), f"{unknowns(10**12, 10**12):.1e}"
        (3759.0, 71742.0, '1.2e+58')
        >>> unknowns(10, 10, (True, True))
        59839.0
    """
    last = min(first, second) if last is None else last
    if last > 10_000:  # c_q of two levels = floor((N + 2 - q)^2/4); the sum is then the integral, here from below
        return float(min(first, second)) ** 5 / 80

    def size(atoms: int, uses: bool, q: int) -> int:
        n = atoms - q
        return (n + 2) * (n + 4) * (2 * n + 3) // 24 if uses else (n + 2) ** 2 // 4

    return float(sum(size(first, third[0], q) * size(second, third[1], q) for q in range(last + 1)))


def ways(atoms: int, two_level: int, twice_j: int) -> int:
    """The number of ways N_2 of N atoms form the spin j while the others sit in |h>.

    Example:
        >>> [ways(4, 4, twice_j) for twice_j in (4, 2, 0)], ways(4, 3, 1)  # 4 choices of the atom in |h>
        ([1, 3, 2], 8)
    """
    pairs = (two_level - twice_j) // 2
    return comb(atoms, two_level) * (comb(two_level, pairs) * (twice_j + 1) // (two_level - pairs + 1))


def product_populations(atoms: int, up: float, down: float, third: bool = False) -> Array:
    """Entries of q = 0 for uncorrelated atoms: d up^n_up down^n_down (1 - up - down)^n_h [n].

    Example:
        >>> print(product_populations(2, 0.5, 0.5))  # the triplet, then the singlet
        [0.25 0.25 0.25 0.25]
        >>> print(product_populations(1, 0.5, 0.3, third=True))
        [0.5 0.3 0.2]
    """
    s = sector(atoms, 0, third)
    logarithm = s.spread([log(d) for d in s.ways()])
    logarithm += xlogy(s.two_level / 2 + s.ket, up) + xlogy(s.two_level / 2 - s.ket, down)
    return np.exp(logarithm + xlogy(atoms - s.two_level, max(1 - up - down, 0.0)))


def spin_populations(atoms: int, states: Sequence[tuple[float, float, float]], third: bool = False) -> Array:
    """Entries of q = 0 for a mixture of |j, m> given by (j, m, probability), no atom in |h> [n].

    Example:
        >>> print(spin_populations(2, [(1, 0, 0.7), (0, 0, 0.3)]))
        [0.  0.7 0.  0.3]
    """
    s = sector(atoms, 0, third)
    found = np.zeros(s.size)
    for j, m, probability in states:
        found[s.place(atoms, round(2 * j), round(j - m))[0]] += probability
    return found
