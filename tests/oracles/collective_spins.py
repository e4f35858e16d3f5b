"""Two groups of atoms as a density matrix of every atom, with any collective jump operators; no symmetry used.

    d rho/dt = -i [H, rho] + sum D[L] rho + single-atom jumps,      D[L] r = L r L^+ - {L^+ L, r}/2
    L = sum over both groups of  raising S + lowering S^+ + along Jx,      S = sum |up><dn|,  2 Jx = N_up - N_dn
    H = -(i/2) exchange (S_I S_II - S_I^+ S_II^+) + sum larmor Jx

Each atom has the levels (up, dn) or (up, dn, h). A group may be empty. The index of a state is (atoms of I, atoms of
II); vec(rho) is row-major, so vec(A rho B) = kron(A, B^T) vec(rho).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import expm_multiply

Pair = tuple[float, float]
UP, DN, H = 0, 1, 2
JUMPS = ((UP, DN), (DN, UP), (DN, DN), (H, UP), (H, DN), (UP, H), (DN, H))
"""(final, initial) level of the single-atom jump of each row of `rates`."""


@dataclass(frozen=True)
class Spins:
    """The master equation, all rates in one unit.

    Args:
        atoms: of I and II.
        jumps: (raising, lowering, along) of each L, pairs for (I, II), rates absorbed.
        rates: of the seven JUMPS, pairs for (I, II).
    """

    atoms: tuple[int, int]
    jumps: Sequence[tuple[Pair, Pair, Pair]] = ()
    rates: Sequence[Pair] = ((0.0, 0.0),) * 7
    exchange: float = 0.0
    larmor: Pair = (0.0, 0.0)
    levels: int = 2

    def one(self, final: int, initial: int, atom: int) -> sparse.csr_array:
        """|final><initial| of one atom."""
        local = sparse.csr_array(([1.0], ([final], [initial])), shape=(self.levels, self.levels))
        left, right = self.levels**atom, self.levels ** (sum(self.atoms) - atom - 1)
        return sparse.kron(sparse.kron(sparse.eye_array(left), local), sparse.eye_array(right)).tocsr()

    def total(self, final: int, initial: int, group: int) -> sparse.csr_array:
        """Sum of |final><initial| over a group."""
        first = self.atoms[0] * group
        members = range(first, first + self.atoms[group])
        size = self.levels ** sum(self.atoms)
        return sum((self.one(final, initial, i) for i in members), sparse.csr_array((size, size)))

    @cached_property
    def S(self) -> list[sparse.csr_array]:
        """Raising operators [I, II]."""
        return [self.total(UP, DN, g) for g in (0, 1)]

    @cached_property
    def J(self) -> list[list[sparse.csr_array]]:
        """[group][x, y, z]: S = Jy + i Jz."""
        ups = [self.total(UP, UP, g) - self.total(DN, DN, g) for g in (0, 1)]
        return [[u / 2, (s + s.T) / 2, 1j * (s.T - s) / 2] for s, u in zip(self.S, ups, strict=True)]

    @cached_property
    def generator(self) -> sparse.csr_array:
        """Of vec(rho)."""
        s, x = self.S, [j[0] for j in self.J]
        pair = s[0] @ s[1]
        h = -0.5j * self.exchange * (pair - pair.T) + sum(w * j for w, j in zip(self.larmor, x, strict=True))
        jumps = [
            sum(up[g] * s[g] + down[g] * s[g].T + along[g] * x[g] for g in (0, 1)) for up, down, along in self.jumps
        ]
        for (final, initial), pairs in zip(JUMPS, self.rates, strict=True):
            for g, first in ((0, 0), (1, self.atoms[0])):
                for atom in range(first, first + self.atoms[g] if pairs[g] else first):
                    jumps.append(np.sqrt(pairs[g]) * self.one(final, initial, atom))
        eye = sparse.eye_array(h.shape[0])
        effective = -1j * h - 0.5 * sum((a.T @ a for a in jumps), sparse.csr_array(h.shape))  # every L is real
        total = sparse.kron(effective, eye) + sparse.kron(eye, effective.conj())
        return sum((sparse.kron(a, a) for a in jumps), total).tocsr()

    def evolve(self, rho: NDArray[np.complex128], times: Sequence[float]) -> list[NDArray[np.complex128]]:
        """rho at increasing times, given at time 0."""
        vector, now, states = rho.astype(complex).ravel(), 0.0, []
        for time in times:
            vector, now = expm_multiply(self.generator * (time - now), vector) if time > now else vector, time
            states.append(vector.reshape(rho.shape))
        return states

    # ---- states of one group, and of both ----
    def product(self, group: int, up: float, down: float) -> NDArray[np.float64]:
        """Independent atoms, in h with probability 1 - up - down."""
        atom = np.diag([up, down, 1 - up - down][: self.levels])
        rho = np.eye(1)
        for _ in range(self.atoms[group]):
            rho = np.kron(rho, atom)
        return rho

    def collective(self, group: int, j: float, m: float) -> NDArray[np.float64]:
        """All states |j, m> of the group alike; none in h."""
        alone = Spins((self.atoms[group], 0), levels=self.levels)
        x, y, z = (a.toarray() for a in alone.J[0])
        size = np.diag(sum(alone.total(a, a, 0) for a in (UP, DN)).toarray())
        # an irrational weight tells every (j, m) and the atoms in h apart
        mark = (x @ x + y @ y + z @ z).real + np.sqrt(2) * 0.01 * x.real + np.sqrt(3) * np.diag(size)
        values, vectors = np.linalg.eigh(mark)
        want = j * (j + 1) + np.sqrt(2) * 0.01 * m + np.sqrt(3) * self.atoms[group]
        mine = vectors[:, np.abs(values - want) < 1e-9]
        return mine @ mine.T / mine.shape[1]

    # ---- what can be read ----
    def moments(self, rho: NDArray[np.complex128]) -> dict[str, NDArray[np.float64]]:
        """Populations, means and symmetrised second moments in the scaling N_a/N, <J>/sqrt(N), <J J'>/sqrt(N N')."""

        def expect(operator: sparse.csr_array) -> float:
            return float((operator @ rho).trace().real)

        n = np.maximum(self.atoms, 1)
        found = {}
        for level, name in ((UP, "up"), (DN, "down"), (H, "h")):
            there = level < self.levels
            found[name] = np.array([expect(self.total(level, level, g)) if there else 0.0 for g in (0, 1)]) / n
        for a, name in ((1, "y"), (2, "z")):
            found[name] = np.array([expect(j[a]) for j in self.J]) / np.sqrt(n)
            for b, other in ((1, "y"), (2, "z")):
                joint = expect(self.J[0][a] @ self.J[1][b]) / np.sqrt(n[0] * n[1])
                found[f"cross_{name}{other}"] = np.array(joint)
                if a <= b:
                    found[name + other] = np.array([expect(j[a] @ j[b] + j[b] @ j[a]) / 2 for j in self.J]) / n
        return found

    def spin_distribution(self, rho: NDArray[np.complex128], group: int) -> NDArray[np.float64]:
        """Probability of 2j = 0, 1, ..., N, from the eigenvectors of J^2."""
        square = sum((a @ a for a in self.J[group]), sparse.csr_array(rho.shape)).toarray()
        values, vectors = np.linalg.eigh(square)
        weight = np.einsum("ik,ij,jk->k", vectors.conj(), rho, vectors).real
        j = np.arange(self.atoms[group] + 1) / 2
        return np.array([weight[np.abs(values - k * (k + 1)) < 1e-6].sum() for k in j])
