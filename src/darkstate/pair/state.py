"""The spin state of an atom pair is a density matrix on |m, -m>, m = F, ..., -F: m of atom 1, then of atom 2.

    P_0 = <00|rho|00>,  P_k = <k,-k|rho|k,-k> + <-k,k|rho|-k,k>,  F = <chi_1|rho|chi_1>/P_1

Down: `spin`. Up: `solve` returns these states, `witness` reads them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.pair.spin import exchange_state, symmetric_basis
from darkstate.parameters import pytree


@pytree
class PairState:
    """Spin state of two atoms with m_1 + m_2 = 0.

    Args:
        matrix: density matrix in the basis |m, -m>, m = F, ..., -F [... 2F+1 2F+1].

    Example:
        >>> state = sector_state([0.39, 0.36, 0.25], 0.9)
        >>> print(state.populations.round(2), f"{state.fidelity:.2f}")
        [0.39 0.36 0.25] 0.90
    """

    matrix: Any

    @property
    def spin(self) -> int:
        """F of one atom."""
        return (jnp.shape(self.matrix)[-1] - 1) // 2

    @property
    def populations(self) -> Any:
        """P_|m| of |m| = 0, ..., F: probability of one atom in m and the other in -m [... F+1]."""
        top = self.spin
        diagonal = jnp.diagonal(jnp.asarray(self.matrix), axis1=-2, axis2=-1).real
        # Reading from m = 0 outwards, positive and negative m come in the same order.
        up, down = diagonal[..., top::-1], diagonal[..., top:]
        return jnp.concatenate([up[..., :1], up[..., 1:] + down[..., 1:]], axis=-1)

    @property
    def fidelity(self) -> Any:
        """Fidelity with chi_1 of the pairs in m = +-1 [...]; not a number where there are none."""
        vector = exchange_state(self.spin, 1)
        return jnp.einsum("i,...ij,j->...", vector, self.matrix, vector).real / self.populations[..., 1]

    @property
    def symmetric(self) -> Any:
        """The part that is even under exchange, in the basis |00>, chi_1, ..., chi_F [... F+1 F+1]."""
        basis = symmetric_basis(self.spin)
        return jnp.einsum("ai,...ij,bj->...ab", basis, self.matrix, basis)

    @property
    def coherences(self) -> Any:
        """Elements of `symmetric` above its diagonal, row by row: for F = 2 those of 01, 02, 12 [... F(F+1)/2]."""
        rows, columns = np.triu_indices(self.spin + 1, 1)
        return self.symmetric[..., rows, columns]


def symmetric_state(rho: Any) -> PairState:
    """The pair state with this density matrix on |00>, chi_1, ..., chi_F.

    Args:
        rho: [... n n], n = F + 1.

    Raises:
        ArgumentError: not square matrices of at least two rows.

    Example:
        >>> chi_1 = symmetric_state(jnp.diag(jnp.array([0.0, 1.0, 0.0])))
        >>> print(f"{chi_1.matrix[1, 3]:.2f} {chi_1.fidelity:.2f}")  # coherence between |1,-1> and |-1,1>
        0.50 1.00
    """
    matrix = jnp.asarray(rho)
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2] or matrix.shape[-1] < 2:
        raise ArgumentError(
            f"Argument `rho` must have shape (..., n, n) with n = F + 1 >= 2, but has shape {matrix.shape}."
        )
    basis = symmetric_basis(matrix.shape[-1] - 1)
    return PairState(jnp.einsum("ai,...ab,bj->...ij", basis, matrix, basis))


def sector_state(populations: Any, fidelity: Any) -> PairState:
    """Diagonal in |m|: P_0 |00> + P_1 [F chi_1 + (1 - F) chi_1^-] + sum_{k > 1} P_k chi_k.

    Args:
        populations: P_0, P_1, ..., P_F [... F+1]; fidelity: with chi_1 of the pairs in m = +-1 [...].

    Raises:
        ArgumentError: fewer than two populations, a negative one, or a fidelity outside 0 to 1.

    Example:
        >>> print(sector_state([0.0, 1.0, 0.0], 0.5).matrix[1, 3])  # not entangled
        0.0
    """
    p, f = jnp.asarray(populations), jnp.asarray(fidelity)
    if p.ndim < 1 or p.shape[-1] < 2:
        raise ArgumentError(
            f"Argument `populations` must have P_0, P_1, ..., P_F on its last axis, but has shape {p.shape}."
        )
    if not isinstance(p, jax.core.Tracer) and not np.all(np.asarray(p) >= 0):
        raise ArgumentError(f"Argument `populations` must not be negative, but has {np.min(np.asarray(p)):g}.")
    _require_probability("fidelity", f)
    spin = p.shape[-1] - 1
    basis = symmetric_basis(spin)
    odd = exchange_state(spin, 1, -1)
    weights = jnp.where(jnp.arange(spin + 1) == 1, f[..., None], 1.0) * p
    even = jnp.einsum("...a,ai,aj->...ij", weights, basis, basis)
    return PairState(even + ((1 - f) * p[..., 1])[..., None, None] * np.outer(odd, odd))


def scrambled(state: PairState, probability: Any) -> PairState:
    """The state after the parity of the relative wavefunction has flipped with a probability p: chi_k <-> chi_k^-.

    Formula: rho_{m m'} is multiplied by 1 - 2p where m and m' have different signs and by 1 - p where one of them is
    0; chi_1 becomes (1 - p) chi_1 + p chi_1^-, of concurrence |1 - 2p|.
    Source: 003, the procedure that destroys entanglement by a gradient and heat.

    Args:
        state: [... 2F+1 2F+1]; probability: p [...], 1/2 for complete scrambling.

    Raises:
        ArgumentError: p outside 0 to 1.

    Example:
        >>> print(f"{scrambled(sector_state([0.0, 1.0, 0.0], 1.0), 0.3).fidelity:.3f}")
        0.700
    """
    p = jnp.asarray(probability)
    _require_probability("probability", p)
    # The mean of flipping all m < 0 and of flipping all m > 0: completely positive and the same for both atoms.
    sign = np.sign(np.arange(state.spin, -state.spin - 1, -1))
    flips = np.abs(sign[:, None] - sign)
    return PairState(jnp.asarray(state.matrix) * (1 - p[..., None, None] * flips))


def _require_probability(name: str, value: Any) -> None:
    if isinstance(value, jax.core.Tracer):
        return
    numbers = np.asarray(value).ravel()  # not jnp, which traces constants inside jit, too
    wrong = numbers[~((numbers >= 0) & (numbers <= 1))]
    if wrong.size:
        raise ArgumentError(f"Argument `{name}` must lie between 0 and 1, but is {wrong[0]:g}.")
