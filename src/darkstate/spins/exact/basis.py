"""The permutation-symmetric operators of one ensemble, sorted by charge.

    rho = sum p(j; m, m') |j, m><j, m'| (x) 1/d_j,     q = m - m'     j = N/2, N/2 - 1, ...,     m = eigenvalue of Jx

d_j is the number of ways N atoms form the spin j; p are the entries of the density operator of (j, m). A sector holds
one q >= 0: the entries with -q are their complex conjugates. Up: `channels` writes the jumps as matrices of a sector.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from math import comb, log

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Sector:
    """All (j, m) of N atoms that have a partner m' = m - q.

    Args:
        atoms: N; charge: q >= 0.
        twice_j, k: 2j and k = j - m of every entry, j and m falling [n].
        offset: place of the first entry of each j, the largest j first [j].
    """

    atoms: int
    charge: int
    twice_j: Index
    k: Index
    offset: Index

    @property
    def size(self) -> int:
        """Number of entries, c_q = sum_j max(0, 2j + 1 - q)."""
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

    def place(self, twice_j: Index, k: Index) -> tuple[Index, NDArray[np.bool_]]:
        """Places of entries given by 2j and k, and which of them exist [n]."""
        row = (self.atoms - twice_j) // 2
        there = (row >= 0) & (row < len(self.offset)) & (k >= 0) & (k <= twice_j - self.charge)
        return self.offset[np.where(there, row, 0)] + np.where(there, k, 0), there


@lru_cache(maxsize=512)
def sector(atoms: int, charge: int) -> Sector:
    """The `Sector` of one charge; at most q = N.

    Example:
        >>> [sector(3, q).size for q in range(4)]  # j = 3/2 and 1/2
        [6, 4, 2, 1]
    """
    spins = np.arange(atoms, max(charge, atoms % 2) - 1, -2)
    counts = spins + 1 - charge
    offset = np.concatenate([[0], np.cumsum(counts)])
    k = np.arange(offset[-1]) - np.repeat(offset[:-1], counts)
    return Sector(atoms, charge, np.repeat(spins, counts), k, offset[:-1])


def unknowns(first: int, second: int) -> float:
    """Number of entries of the state of two ensembles, sum over q >= 0 of c_q(N_I) c_q(N_II).

    Example:
        >>> unknowns(10, 10), unknowns(20, 20), f"{unknowns(10**12, 10**12):.1e}"
        (3759.0, 71742.0, '1.2e+58')
    """
    small, large = min(first, second), max(first, second)
    if small > 10_000:  # c_q = floor((N + 2 - q)^2/4); the sum is then the integral, here from below
        return float(small) ** 5 / 80
    return float(sum(((small + 2 - q) ** 2 // 4) * ((large + 2 - q) ** 2 // 4) for q in range(small + 1)))


def multiplicities(atoms: int) -> list[int]:
    """d_j, the number of ways N spins 1/2 form the spin j = N/2, N/2 - 1, ... [j].

    Example:
        >>> multiplicities(4)
        [1, 3, 2]
    """
    return [comb(atoms, k) * (atoms - 2 * k + 1) // (atoms - k + 1) for k in range(atoms // 2 + 1)]


def product_populations(atoms: int, up: float) -> Array:
    """Entries of q = 0 for uncorrelated atoms, each up with probability `up`: d_j up^n_up (1 - up)^n_down [n].

    Example:
        >>> print(product_populations(2, 0.5))  # the triplet, then the singlet
        [0.25 0.25 0.25 0.25]
    """
    s = sector(atoms, 0)
    ways = np.array([log(d) for d in multiplicities(atoms)])
    n_up = np.rint(atoms / 2 + s.ket)
    logarithm = ways[(atoms - s.twice_j) // 2] + xlogy(n_up, up) + xlogy(atoms - n_up, 1 - up)
    return np.exp(logarithm)
