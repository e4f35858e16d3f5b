"""The master equation 001 Eq. (13) of two ensembles as coupled matrix equations, one per charge.

    dM_q/dt = L_q M_q + M_q L'_q^T - i (d_I + d_II) q M_q - (P+ M_{q-1} C+^T + P- M_{q+1} C-^T),     M_-q = conj(M_q)
    C+ X = [S, X],  P+ X = f S X - b X S;     C- X = [S^+, X],  P- X = b S^+ X - f X S^+
    f = sqrt(t c_I c_II) mu_I nu_II,  b = sqrt(t c_I c_II) nu_I mu_II,  c = d Gamma/N

M_q has a row per entry of ensemble I and a column per entry of II. The cascade from I to II with transmission t, in its
two sidebands, gives exactly this coupling; for equal ensembles f = b and it is symmetric. Only charges q_I = q_II occur
for a state that starts without coherence, and `charges` derives this from the jump operators.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import null_space

from darkstate.backend import jax, jnp
from darkstate.parameters import pytree
from darkstate.spins.ensembles import SpinEnsembles
from darkstate.spins.exact.basis import sector
from darkstate.spins.exact.channels import collective, multiplication, single_atom
from darkstate.spins.moments import one_way, total_rates

Blocks = Mapping[int, Any]
"""M_q by q."""

Jump = list[tuple[tuple[int, int], float]]
"""A jump operator as a sum of terms ((shift of m_I, shift of m_II), amplitude)."""


@pytree
class Coefficients:
    """The numbers the generator is linear in, all in 1/s.

    Args:
        cooling, heating, dephasing: single-atom rates [2].
        raising, lowering: c mu^2 and c nu^2, rates of D[S] and D[S^+] [2].
        forward, backward: f and b of the coupling.
        detuning: d_I + d_II.
    """

    cooling: Any
    heating: Any
    dephasing: Any
    raising: Any
    lowering: Any
    forward: Any
    backward: Any
    detuning: Any


def coefficients(model: SpinEnsembles, strengths: Any) -> Coefficients:
    """Coefficients of a model at given strengths of (drive, pump, repump) [3]; differentiable."""
    r = total_rates(model, strengths)
    c = r.collective / model.atoms
    shared, drive = one_way(model, r)
    scale = 2 * jnp.sqrt(model.atoms[0]) * jnp.sqrt(model.atoms[1])
    return Coefficients(
        cooling=r.cooling,
        heating=r.heating,
        dephasing=r.transverse - r.cooling - r.heating,
        raising=c * model.mu**2,
        lowering=c * model.nu**2,
        forward=(shared + drive) / scale,
        backward=(shared - drive) / scale,
        detuning=jnp.sum(model.larmor),
    )


@dataclasses.dataclass(frozen=True)
class Generator:
    """The generator of both ensembles, or its adjoint, as sparse matrices.

    Args:
        atoms: (N_I, N_II).
        local: L_q and L'_q by q.
        up: P+ and C+ from q - 1 to q, by q >= 1; down: P- and C- from q + 1 to q, by q.
        detuning: d_I + d_II [1/s].
        complex: whether M_q is complex for q > 0.
    """

    atoms: tuple[int, int]
    local: Sequence[tuple[Any, Any]]
    up: Mapping[int, tuple[Any, Any]]
    down: Mapping[int, tuple[Any, Any]]
    detuning: float
    complex: bool

    @property
    def charges(self) -> range:
        """All q, from 0 to the smaller N."""
        return range(len(self.local))

    def adjoint(self) -> Generator:
        """The adjoint under the inner product of `inner` (Heisenberg's picture)."""
        return Generator(
            self.atoms,
            [(a.T.tocsr(), b.T.tocsr()) for a, b in self.local],
            {q + 1: (a.T.tocsr(), b.T.tocsr()) for q, (a, b) in self.down.items()},
            {q - 1: (a.T.tocsr(), b.T.tocsr()) for q, (a, b) in self.up.items()},
            -self.detuning,
            self.complex,
        )

    def uncoupled(self, q: int, block: Any) -> Any:
        """L_q M_q + M_q L'_q^T - i d q M_q."""
        first, second = self.local[q]
        out = first @ block + (second @ block.T).T
        return out - 1j * self.detuning * q * block if q and self.detuning else out

    def coupling(self, q: int, state: Blocks) -> Any:
        """What the neighbours q - 1 and q + 1 add to dM_q/dt."""
        out: Any = 0.0
        if q in self.up:
            out = -_both(self.up[q], state[q - 1])
        if q in self.down:
            term = _both(self.down[q], state[q + 1])
            out = out - term if q else -2 * term.real
        return out

    def apply(self, state: Blocks) -> dict[int, Any]:
        """dM_q/dt for all q."""
        return {q: self.uncoupled(q, state[q]) + self.coupling(q, state) for q in self.charges}


def _both(pair: tuple[Any, Any], block: Any) -> Any:
    return (pair[1] @ (pair[0] @ block).T).T


def generator(atoms: tuple[int, int], c: Coefficients, *, complex_state: bool = False) -> Generator:
    """Assemble the generator from its coefficients (numbers, not traced values)."""
    number = jax.tree.map(np.asarray, c)

    def local(q: int, e: int) -> Any:
        parts = [
            (number.cooling[e], lambda: single_atom("cooling", atoms[e], q)),
            (number.heating[e], lambda: single_atom("heating", atoms[e], q)),
            (number.dephasing[e], lambda: single_atom("dephasing", atoms[e], q)),
            (number.raising[e], lambda: collective(1, atoms[e], q)),
            (number.lowering[e], lambda: collective(-1, atoms[e], q)),
        ]
        return _sum(parts, (sector(atoms[e], q).size,) * 2)

    f, b = float(number.forward), float(number.backward)
    n, last = atoms, min(atoms)
    up, down = {}, {}
    for q in range(1, last + 1):
        left, right = (multiplication(side, 1, n[0], q - 1) for side in ("left", "right"))
        own = multiplication("left", 1, n[1], q - 1) - multiplication("right", 1, n[1], q - 1)
        up[q] = (f * left - b * right, own)
        left, right = (multiplication(side, -1, n[0], q) for side in ("left", "right"))
        own = multiplication("left", -1, n[1], q) - multiplication("right", -1, n[1], q)
        down[q - 1] = (b * left - f * right, own)
    blocks = [(local(q, 0), local(q, 1)) for q in range(last + 1)]
    return Generator(atoms, blocks, up, down, float(number.detuning), complex_state or number.detuning != 0)


def _sum(parts: list[tuple[Any, Callable[[], Any]]], shape: tuple[int, int]) -> Any:
    total = sparse.csr_array(shape)
    for value, matrix in parts:
        if value != 0:
            total = total + float(value) * matrix()
    return total


def inner(first: Blocks, second: Blocks) -> float:
    """Tr(X^+ Y) of two Hermitian operators given by their blocks q >= 0."""
    return float(sum((2 if q else 1) * np.vdot(first[q], second[q]).real for q in first))


def charges(jumps: Sequence[Jump]) -> tuple[Any, float]:
    """Which charges w_I m_I + w_II m_II the jump operators conserve, and how much of them leaks.

    A jump operator is a sum of terms that shift (m_I, m_II); the density operator keeps its diagonal form in
    w_I m_I + w_II m_II if all terms of one jump shift this number alike.

    Returns:
        w, one column per conserved charge [2 n], orthonormal; leakage: the part of all jump amplitudes that does not
        keep w = (1, -1), the charge of the sector used, as a fraction of their norm.

    Example:
        >>> w, leak = charges([[((1, 0), 2.0), ((0, -1), 1.0)]])  # 2 S_I + S_II^+, a sideband
        >>> print(bool(np.allclose(w / w[0], [[1], [-1]])), leak)
        True 0.0
        >>> w, leak = charges([[((1, 0), 1.0), ((0, 1), 1.0)]])  # S_I + S_II
        >>> print(bool(np.allclose(w / w[0], [[1], [1]])), f"{leak:.3f}")
        True 0.707
    """
    differences = [
        np.subtract(a, b) for jump in jumps for a, x in jump for b, y in jump if x != 0 and y != 0 and a != b
    ]
    conserved = null_space(np.array(differences)) if differences else np.eye(2)
    lost = whole = 0.0
    for jump in jumps:
        weights: dict[int, float] = {}
        for (first, second), value in jump:
            weights[first - second] = weights.get(first - second, 0.0) + value**2
        lost += sum(weights.values()) - max(weights.values())
        whole += sum(weights.values())
    return conserved, float(np.sqrt(lost / whole)) if whole else 0.0


def jump_operators(c: Coefficients) -> list[Jump]:
    """Every jump operator of a model: both sidebands, and the single-atom jumps of both ensembles."""
    number = jax.tree.map(np.asarray, c)
    root = {name: np.sqrt(np.maximum(getattr(number, name), 0)) for name in SINGLE}
    jumps = [[((1, 0), root["raising"][0]), ((0, -1), root["lowering"][1])]]
    jumps.append([((-1, 0), root["lowering"][0]), ((0, 1), root["raising"][1])])
    for name, shift in (("cooling", 1), ("heating", -1), ("dephasing", 0)):
        jumps += [[((shift, 0), root[name][0])], [((0, shift), root[name][1])]]
    return [[(s, float(v)) for s, v in jump] for jump in jumps]


SINGLE = ("cooling", "heating", "dephasing", "raising", "lowering")
"""Coefficients that are rates of one ensemble."""
