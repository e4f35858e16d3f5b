"""The master equation of two ensembles as coupled matrix equations, one per charge.

    dM_q/dt = L_q M_q + M_q L'_q^T - i (d_I + d_II) q M_q - sum (P+ M_{q-1} C+^T + P- M_{q+1} C-^T),   M_-q = conj(M_q)

M_q has a row per entry of ensemble I and a column per entry of II. L_q holds the single-atom jumps, D[S], D[S^+] and
-w q^2/4 for jump operators x Jx_I + y Jx_II, w the sum of (x + y)^2. Operators x S_I + y S_II^+ with sum f of x y,
operators x S_I^+ + y S_II with sum b, and H = -(i/2)(f - b + e)(S_I S_II - h.c.) couple the ensembles,

    S_I S_II X  at -(f + e/2),     X S_I S_II  at -(b - e/2),     S_I X S_II  at f,     S_II X S_I  at b

and the Hermitian conjugates. Light that goes from I to II has e = 0: then C+ X = [S, X], P+ X = f S X - b X S, and II
does nothing to I. Of 001 Eq. (13), with transmission t and c = d Gamma/N, f = sqrt(t c_I c_II) mu_I nu_II and
b = sqrt(t c_I c_II) nu_I mu_II. Only charges q_I = q_II occur for a state that starts without coherence.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from scipy import sparse

from darkstate.backend import jax, jnp
from darkstate.parameters import pytree
from darkstate.spins.ensembles import SpinEnsembles
from darkstate.spins.exact.basis import sector
from darkstate.spins.exact.channels import collective, multiplication, single_atom
from darkstate.spins.exact.jumps import LOCAL, JumpModel
from darkstate.spins.moments import one_way, total_rates

Blocks = Mapping[int, Any]
"""M_q by q."""

Pairs = list[tuple[Any, Any]]
"""(P, C) of every term P M C^T."""


@pytree
class Coefficients:
    """The numbers the generator is linear in, all in 1/s.

    Args:
        cooling, heating, dephasing, up_to_h, down_to_h, h_to_up, h_to_down: single-atom rates [2].
        raising, lowering: rates of D[S] and D[S^+] [2].
        forward, backward, exchange: f, b and e of the coupling.
        along: w, the sum of (x + y)^2 over the operators x Jx_I + y Jx_II.
        detuning: d_I + d_II.
    """

    cooling: Any
    heating: Any
    dephasing: Any
    up_to_h: Any
    down_to_h: Any
    h_to_up: Any
    h_to_down: Any
    raising: Any
    lowering: Any
    forward: Any
    backward: Any
    exchange: Any
    along: Any
    detuning: Any


def jump_coefficients(model: JumpModel) -> Coefficients:
    """Coefficients of a model whose jump operators conserve m_I - m_II."""
    r, low, x = (
        np.array([getattr(c, name) for c in model.collective], float).reshape(-1, 2)
        for name in ("raising", "lowering", "along")
    )
    f, b = float(r[:, 0] @ low[:, 1]), float(low[:, 0] @ r[:, 1])
    e = model.exchange - (f - b)
    return Coefficients(
        **dict(zip(LOCAL, np.array(model.local, float), strict=True)),
        raising=(r**2).sum(0),
        lowering=(low**2).sum(0),
        forward=f,
        backward=b,
        exchange=e if abs(e) > 1e-14 * (abs(f) + abs(b)) else 0.0,
        along=float((x.sum(1) ** 2).sum()),
        detuning=float(sum(model.larmor)),
    )


def coefficients(model: SpinEnsembles, strengths: Any) -> Coefficients:
    """The same of a `jump_model` at strengths of (drive, pump, repump) [3], as a differentiable function."""
    r = total_rates(model, strengths)
    c = r.collective / model.atoms
    shared, drive = one_way(model, r)
    scale = 2 * jnp.sqrt(model.atoms[0]) * jnp.sqrt(model.atoms[1])
    rest = r.transverse - r.cooling - r.heating - r.up_to_h - r.down_to_h
    return Coefficients(
        cooling=r.cooling,
        heating=r.heating,
        # below what rounding explains, `jump_model` holds it at 0
        dephasing=jnp.where(rest < -1e-12 * r.transverse, 0.0, rest),
        up_to_h=r.up_to_h,
        down_to_h=r.down_to_h,
        h_to_up=r.h_to_up,
        h_to_down=r.h_to_down,
        raising=c * model.mu**2,
        lowering=c * model.nu**2,
        forward=(shared + drive) / scale,
        backward=(shared - drive) / scale,
        exchange=jnp.zeros(()),
        along=jnp.zeros(()),
        detuning=jnp.sum(model.larmor),
    )


@dataclasses.dataclass(frozen=True)
class Generator:
    """The generator of both ensembles, or its adjoint, as sparse matrices.

    Args:
        atoms: (N_I, N_II); third: which of them use the third level.
        local: L_q and L'_q by q.
        up: P+ and C+ from q - 1 to q, by q >= 1; down: P- and C- from q + 1 to q, by q.
        detuning: d_I + d_II [1/s].
        complex: whether M_q is complex for q > 0.
    """

    atoms: tuple[int, int]
    third: tuple[bool, bool]
    local: Sequence[tuple[Any, Any]]
    up: Mapping[int, Pairs]
    down: Mapping[int, Pairs]
    detuning: float
    complex: bool

    @property
    def charges(self) -> range:
        """All q, from 0 to the smaller N."""
        return range(len(self.local))

    def adjoint(self) -> Generator:
        """The adjoint under the inner product of `inner` (Heisenberg's picture)."""
        return dataclasses.replace(
            self,
            local=_transposed(self.local),
            up={q + 1: _transposed(pairs) for q, pairs in self.down.items()},
            down={q - 1: _transposed(pairs) for q, pairs in self.up.items()},
            detuning=-self.detuning,
        )

    def uncoupled(self, q: int, block: Any) -> Any:
        """L_q M_q + M_q L'_q^T - i d q M_q."""
        first, second = self.local[q]
        out = first @ block + (second @ block.T).T
        return out - 1j * self.detuning * q * block if q and self.detuning else out

    def coupling(self, q: int, state: Blocks) -> Any:
        """What the neighbours q - 1 and q + 1 add to dM_q/dt."""
        if len(self.local) == 1:  # one ensemble
            return np.zeros([a.shape[0] for a in self.local[q]])
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


def _both(pairs: Pairs, block: Any) -> Any:
    terms = [(c @ (p @ block).T).T for p, c in pairs]
    return terms[0] if len(terms) == 1 else sum(terms)


def _transposed(pairs: Sequence[tuple[Any, Any]]) -> Pairs:
    return [(a.T.tocsr(), b.T.tocsr()) for a, b in pairs]


def generator(
    atoms: tuple[int, int], c: Coefficients, third: tuple[bool, bool] = (False, False), *, complex_state: bool = False
) -> Generator:
    """Assemble the generator from its coefficients (numbers, not traced values)."""
    number = jax.tree.map(np.asarray, c)
    f, b, e = float(number.forward), float(number.backward), float(number.exchange)
    last = min(atoms)

    def between(q: int, shift: Literal[1, -1], numbers: tuple[float, float, float, float]) -> Pairs:
        own, other = (
            tuple(multiplication(side, shift, n, q, uses) for side in ("left", "right"))
            for n, uses in zip(atoms, third, strict=True)
        )
        return _pairs(own, other, numbers)

    coupled = (f + e / 2, b - e / 2, f, b)
    return Generator(
        atoms,
        third,
        [(_local(number, atoms, third, q, 0), _local(number, atoms, third, q, 1)) for q in range(last + 1)],
        {q: between(q - 1, 1, coupled) for q in range(1, last + 1)},
        {q - 1: between(q, -1, (coupled[1], coupled[0], b, f)) for q in range(1, last + 1)},
        float(number.detuning),
        complex_state or bool(number.detuning != 0),
    )


def _local(number: Coefficients, atoms: tuple[int, int], third: tuple[bool, bool], q: int, e: int) -> Any:
    """L_q of one ensemble; the decay w q^2/2 by operators along Jx is shared by both."""
    n, uses = atoms[e], third[e]
    size = sector(n, q, uses).size
    total = sparse.csr_array((size, size))
    for kind in LOCAL if uses else LOCAL[:3]:
        rate = float(getattr(number, kind)[e])
        if rate != 0:
            total = total + rate * single_atom(kind, n, q, uses)
    shifts: tuple[tuple[Literal[1, -1], Any], ...] = ((1, number.raising), (-1, number.lowering))
    for shift, rates in shifts:
        if rates[e] != 0:
            total = total + float(rates[e]) * collective(shift, n, q, uses)
    return total - sparse.eye_array(size, format="csr") * (float(number.along) * q**2 / 4) if number.along else total


def _pairs(own: Any, other: Any, numbers: tuple[float, float, float, float]) -> Pairs:
    """(P, C) with S_I S_II X, X S_I S_II at minus the first two numbers, S_I X S_II, S_II X S_I at the others."""
    (left, right), (left2, right2) = own, other
    a, b, f, g = numbers
    if a == f and b == g:
        return [(f * left - g * right, left2 - right2)]
    return [(left, a * left2 - f * right2), (right, b * right2 - g * left2)]


def inner(first: Blocks, second: Blocks) -> float:
    """Tr(X^+ Y) of two Hermitian operators given by their blocks q >= 0."""
    return float(sum((2 if q else 1) * np.vdot(first[q], second[q]).real for q in first))
