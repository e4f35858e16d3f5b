"""The exact state of two ensembles: its matrices M_q and what can be read from them.

    <S_I S_II> = conj(sum r r' M_1),  r = sqrt((j+m)(j-m+1));     <Jy^2> = <Jz^2> = <j(j+1) - m^2>/2

Up: `solve.exact_spins` makes it; down: `basis` numbers the entries. Everything that is linear in the state is a set of
matrices of the same shape (`observables`), which the sensitivities use too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from darkstate.backend import jnp
from darkstate.spins.exact.basis import Array, Sector, sector
from darkstate.spins.exact.channels import ladder_norm
from darkstate.spins.exact.generator import Blocks, inner
from darkstate.spins.state import Isotropic, SpinState


@dataclasses.dataclass(frozen=True)
class ExactState:
    """The density operator of two ensembles of N_I and N_II atoms, or of one alone (N_II = 0), at one time.

    Args:
        atoms: (N_I, N_II).
        blocks: M_q by q, rows and columns numbered as in `spins.exact.basis.Sector`.
        hyperfine_spin: F that the witnesses read; 1/2 for true two-level atoms.
        figures: what was checked, by name.
        third: which of the ensembles use the third level |h>.
    """

    atoms: tuple[int, int]
    blocks: Blocks
    hyperfine_spin: float
    figures: Mapping[str, float]
    third: tuple[bool, bool] = (False, False)

    def _sectors(self, charge: int) -> tuple[Sector, Sector]:
        (n, m), (third, other) = self.atoms, self.third
        return sector(n, charge, third), sector(m, charge, other)

    @cached_property
    def values(self) -> dict[str, float]:
        """The values of `observables`."""
        return {name: inner(operator, self.blocks) for name, operator in observables(self.atoms, self.third).items()}

    @property
    def isotropic(self) -> Isotropic:
        """Populations, variances and correlation, per atom, without any decorrelation."""
        return isotropic(self.values, self.third)

    @property
    def spin_state(self) -> SpinState:
        """The state as witnesses read it: exact moments."""
        return SpinState(self.isotropic.moments, jnp.array(self.atoms, float), jnp.asarray(self.hyperfine_spin, float))

    @property
    def trace(self) -> float:
        """Sum of all populations; 1."""
        return float(self.blocks[0].sum())

    @property
    def polarization(self) -> Array:
        """P = 2<Jx>/N_2 of I and II, not a number where no atom is left outside |h> [2]."""
        return np.asarray(self.spin_state.polarization)

    @property
    def spin(self) -> Array:
        """<Jx> of I and II [2]."""
        return np.array([p @ s.ket for p, s in zip(self.populations, self._sectors(0), strict=True)])

    @property
    def populations(self) -> tuple[Array, Array]:
        """Populations of |j, m> (of each N_2) of I and II, in the order of the rows, summed over the other one [n]."""
        return self.blocks[0].sum(1), self.blocks[0].sum(0)

    @property
    def spin_distribution(self) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """(j, probability) of I and of II, j falling, in steps of 1/2 where atoms get lost to |h> [j].

        The spin j is that of the atoms outside |h>, whatever their number; N/2 alone = the symmetric states.
        """
        found = []
        for p, s, third in zip(self.populations, self._sectors(0), self.third, strict=True):
            step = 1 if third else 2
            every = np.bincount(s.twice_j, p, s.atoms + 1).astype(float)
            found.append((np.arange(s.atoms, -1, -step) / 2, every[::-step]))
        return found[0], found[1]

    @property
    def purity(self) -> float:
        """Tr rho^2 of all atoms.

        Each |j, m> (of each N_2) stands for d states of the atoms, equally occupied: the sum is divided by d_I d_II.
        """
        return self._square(lambda s: s.spread([1 / d for d in s.ways()]))

    @property
    def collective_purity(self) -> float:
        """Tr rho^2 of the collective spins, (j_I, m_I, j_II, m_II): as if each j (of each N_2) occurred once."""
        return self._square(lambda s: np.ones(s.size))

    def _square(self, weight: Callable[[Sector], Array]) -> float:
        total = 0.0
        for q, block in self.blocks.items():
            one, two = map(weight, self._sectors(q))
            total += (2 if q else 1) * float(one @ np.abs(block) ** 2 @ two)
        return total

    @cached_property
    def smallest_eigenvalues(self) -> Array:
        """Smallest eigenvalue of every block (j_I, j_II), of the collective spins [j_I j_II].

        With atoms lost to |h>, of every block (N_2, j) of I and II, both falling. Since m_I - m_II keeps its value, a
        block consists of chains |j_I - k - max(D, 0), j_II - k - max(-D, 0)>.
        """
        first, second = ([(n, j) for n, j in s.labels.tolist()] for s in self._sectors(0))
        return np.array([[self._smallest(a, b) for b in second] for a in first])

    def _smallest(self, first: tuple[int, int], second: tuple[int, int]) -> float:
        """Of the block (N_2, 2j)_I, (N_2, 2j)_II: all chains as one stack of Hermitian matrices."""
        a, b = first[1], second[1]
        size = min(a, b) + 1
        kind = np.result_type(*self.blocks.values())
        chains = np.zeros((a + b + 1, size, size), kind)
        shift = np.arange(-b, a + 1)
        rows, columns = np.maximum(shift, 0), np.maximum(-shift, 0)
        for q in range(size):
            one, two = self._sectors(q)
            top, left = one.starts[first], two.starts[second]
            part = self.blocks[q][top : top + a + 1 - q, left : left + b + 1 - q]
            n = np.arange(size - q)
            k, j = rows[:, None] + n, columns[:, None] + n
            there = (k < a + 1 - q) & (j < b + 1 - q)
            values = np.where(there, part[np.where(there, k, 0), np.where(there, j, 0)], 0.0)
            chains[:, n, n + q] = values
            chains[:, n + q, n] = values.conj()
        # A place beyond the end of a chain is a population of its own: one that cannot be the smallest.
        n = np.arange(size)
        beyond = (rows[:, None] + n > a) | (columns[:, None] + n > b)
        chains[:, n, n] = np.where(beyond, 1.0, chains[:, n, n])
        return float(np.linalg.eigvalsh(chains).min())


def observables(atoms: tuple[int, int], third: tuple[bool, bool]) -> dict[str, dict[int, Any]]:
    """Blocks whose `inner` product with the state is N_up/N, N_down/N, <Jy^2>/N, or Re, Im of <S_I S_II>/2.

    The latter per sqrt(N_I N_II); all vanish for an ensemble without atoms.
    """
    found: dict[str, dict[int, Any]] = {}
    sectors = [sector(n, 0, uses) for n, uses in zip(atoms, third, strict=True)]
    ones = [np.ones(s.size) for s in sectors]
    for e, (n, s) in enumerate(zip(atoms, sectors, strict=True)):
        transverse = (s.j * (s.j + 1) - s.ket**2) / 2
        for name, value in (("up", s.two_level / 2 + s.ket), ("down", s.two_level / 2 - s.ket), ("yy", transverse)):
            per_atom = value / max(n, 1)
            found[f"{name}_{e + 1}"] = {0: np.outer(per_atom, ones[1]) if e == 0 else np.outer(ones[0], per_atom)}
    if not all(atoms):
        return found | {"pair_re": {}, "pair_im": {}}
    one, two = (ladder_norm(s.j, s.ket, -1) for s in (sector(n, 1, uses) for n, uses in zip(atoms, third, strict=True)))
    # half for S S = 2 Jy Jy + ..., half for the partner q = -1 that `inner` counts
    pair = np.outer(one, two) / (4 * np.sqrt(atoms[0]) * np.sqrt(atoms[1]))
    return found | {"pair_re": {1: pair}, "pair_im": {1: -1j * pair}}


def isotropic(values: Mapping[str, Any], third: tuple[bool, bool]) -> Isotropic:
    """The state from the values of `observables`; differentiable."""
    up, down, transverse = (jnp.array([values[f"{name}_1"], values[f"{name}_2"]]) for name in ("up", "down", "yy"))
    h = jnp.where(np.array(third), 1 - up - down, 0.0)
    re, im = (jnp.asarray(values[name], float) for name in ("pair_re", "pair_im"))
    return Isotropic(up, down, h, transverse, re, im)
