"""The exact state of two ensembles: its matrices M_q and what can be read from them.

    <S_I S_II> = conj(sum r r' M_1),  r = sqrt((j+m)(j-m+1));     <Jy^2> = <Jz^2> = <j(j+1) - m^2>/2

Up: `solve.exact_spins` makes it; down: `basis` numbers the entries. Everything that is linear in the state is a set of
matrices of the same shape (`observables`), which the sensitivities use too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from darkstate.backend import jnp
from darkstate.spins.exact.basis import Array, multiplicities, sector
from darkstate.spins.exact.channels import ladder_norm
from darkstate.spins.exact.generator import Blocks, inner
from darkstate.spins.state import Isotropic, SpinState


@dataclasses.dataclass(frozen=True)
class ExactState:
    """The density operator of two ensembles of N_I and N_II two-level atoms at one time.

    Args:
        atoms: (N_I, N_II).
        blocks: M_q by q, rows and columns numbered as in `spins.exact.basis.Sector`.
        hyperfine_spin: F that the witnesses read; 1/2 for true two-level atoms.
        figures: what was checked, by name.
    """

    atoms: tuple[int, int]
    blocks: Blocks
    hyperfine_spin: float
    figures: Mapping[str, float]

    @cached_property
    def isotropic(self) -> Isotropic:
        """Populations, variances and correlation, per atom, without any decorrelation."""
        values = {name: inner(operator, self.blocks) for name, operator in observables(self.atoms).items()}
        up = jnp.array([values["up_1"], values["up_2"]])
        transverse = jnp.array([values["transverse_1"], values["transverse_2"]])
        one = jnp.array([values["pair_re"], values["pair_im"]])
        return Isotropic(up, self.trace - up, jnp.zeros(2), transverse, one[0], one[1])

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
        """P = 2<Jx>/N of I and II [2]."""
        return 2 * self.spin / np.array(self.atoms)

    @property
    def spin(self) -> Array:
        """<Jx> of I and II [2]."""
        return np.array([p @ sector(n, 0).ket for p, n in zip(self.populations, self.atoms, strict=True)])

    @property
    def populations(self) -> tuple[Array, Array]:
        """Populations of |j, m> of I and II, j and m falling, each summed over the other ensemble [n]."""
        return self.blocks[0].sum(1), self.blocks[0].sum(0)

    @property
    def spin_distribution(self) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """(j, probability) of I and of II, j falling [j]; N/2 alone = the symmetric states."""
        found = []
        for p, n in zip(self.populations, self.atoms, strict=True):
            s = sector(n, 0)
            found.append((np.arange(n, -1, -2) / 2, np.add.reduceat(p, s.offset)))
        return found[0], found[1]

    @property
    def purity(self) -> float:
        """Tr rho^2 of all 2N spins.

        Each |j, m> stands for d_j states of the spins, equally occupied: the sum over (j, m) is divided by d_I d_II.
        """
        return self._square([np.array([1 / d for d in multiplicities(n)]) for n in self.atoms])

    @property
    def collective_purity(self) -> float:
        """Tr rho^2 of the collective spins, (j_I, m_I, j_II, m_II): as if each j occurred once."""
        return self._square([np.ones(n // 2 + 1) for n in self.atoms])

    def _square(self, weights: list[Array]) -> float:
        total = 0.0
        for q, block in self.blocks.items():
            one, two = (w[(n - sector(n, q).twice_j) // 2] for w, n in zip(weights, self.atoms, strict=True))
            total += (2 if q else 1) * float(one @ np.abs(block) ** 2 @ two)
        return total

    @cached_property
    def smallest_eigenvalues(self) -> Array:
        """Smallest eigenvalue of every block (j_I, j_II), of the collective spins [j_I j_II].

        Since m_I - m_II keeps its value, a block consists of chains |j_I - k - max(D, 0), j_II - k - max(-D, 0)>.
        """
        first, second = (range(n, -1, -2) for n in self.atoms)
        return np.array([[self._smallest(a, b) for b in second] for a in first])

    def _smallest(self, a: int, b: int) -> float:
        """Of the block 2j_I = a, 2j_II = b: all chains as one stack of Hermitian matrices."""
        size = min(a, b) + 1
        kind = np.result_type(*self.blocks.values())
        chains = np.zeros((a + b + 1, size, size), kind)
        shift = np.arange(-b, a + 1)
        rows, columns = np.maximum(shift, 0), np.maximum(-shift, 0)
        for q in range(size):
            one, two = sector(self.atoms[0], q), sector(self.atoms[1], q)
            top, left = one.offset[(self.atoms[0] - a) // 2], two.offset[(self.atoms[1] - b) // 2]
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


def observables(atoms: tuple[int, int]) -> dict[str, dict[int, Any]]:
    """Blocks whose `inner` product with the state is N_up/N, <Jy^2>/N, and Re, Im of <S_I S_II>/(2 sqrt(N_I N_II))."""
    found: dict[str, dict[int, Any]] = {}
    ones = [np.ones(sector(n, 0).size) for n in atoms]
    for e, n in enumerate(atoms):
        s = sector(n, 0)
        for name, value in (("up", 0.5 + s.ket / n), ("transverse", (s.j * (s.j + 1) - s.ket**2) / (2 * n))):
            found[f"{name}_{e + 1}"] = {0: np.outer(value, ones[1]) if e == 0 else np.outer(ones[0], value)}
    one, two = (ladder_norm(s.j, s.ket, -1) for s in (sector(n, 1) for n in atoms))
    # half for S S = 2 Jy Jy + ..., half for the partner q = -1 that `inner` counts
    pair = np.outer(one, two) / (4 * np.sqrt(atoms[0]) * np.sqrt(atoms[1]))
    return found | {"pair_re": {1: pair}, "pair_im": {1: -1j * pair}}
