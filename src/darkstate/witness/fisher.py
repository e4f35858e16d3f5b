"""How well a pair of spins measures: quantum and classical Fisher information, and the gain over separate atoms.

    F_Q = max over X of 2 Tr(X i[rho, G]) - Tr(rho X^2),    rho(phi) = e^{-i phi G} rho e^{i phi G}
    F_C = sum_s (dp_s/dphi)^2/p_s <= F_Q,                   var phi >= 1/(F M) after M runs

The phase of a Ramsey sequence is phi = 2 pi delta T, what one atom acquires between |1> and |-1> in the dark time T.
Down: `pair.state`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.pair.state import PairState
from darkstate.witness.value import EPSILON, WitnessValue

_TOUCH = 16 * EPSILON
"""Where the parabola through p, dp/dphi and d^2p/dphi^2 comes as near to 0 as this, p does touch 0."""

SEPARATE = 2.0
"""Fisher information per (2 pi delta T)^2 of two atoms that are not entangled, the standard quantum limit: 1 each."""


def quantum_fisher(matrix: Any, generator: Any) -> Any:
    """Quantum Fisher information of a density matrix about a phase, the best that any measurement gives.

    Formula: 2 sum_ij (p_i - p_j)^2/(p_i + p_j) |<i|G|j>|^2 over the eigenstates of rho; 4 var G if it is pure.
    Source: Braunstein and Caves, Phys. Rev. Lett. 72, 3439 (1994).

    Args:
        matrix: rho [n n], one matrix; for many use jax.vmap. generator: G, Hermitian [n n; 1].

    Returns:
        A number, per (unit of phase)^2.

    Validity: derivatives of first order are exact where the rank of rho does not change; there are none of second.

    Raises:
        ArgumentError: not two square matrices of one size.

    Example:
        >>> chi = jnp.full((2, 2), 0.5)
        >>> print(f"{quantum_fisher(chi, jnp.diag(jnp.array([1.0, -1.0]))):.4f}")  # (|11> + |-1-1>)/sqrt(2)
        4.0000
    """
    rho, g = jnp.asarray(matrix, complex), jnp.asarray(generator, complex)
    if rho.ndim != 2 or rho.shape[0] != rho.shape[1] or g.shape != rho.shape:
        raise ArgumentError(
            f"Arguments `matrix` and `generator` must have one shape (n, n), but have {rho.shape} and {g.shape}."
        )
    slope = 1j * (rho @ g - g @ rho)
    # The optimal X taken as given: where a maximum is, the derivative of where it is does not count, and eigenvectors
    # of equal eigenvalues, which have no derivative, need none.
    p, vectors = jnp.linalg.eigh(jax.lax.stop_gradient(rho))
    inside = vectors.conj().T @ jax.lax.stop_gradient(slope) @ vectors
    pairs = p[:, None] + p
    some = pairs > rho.shape[0] * EPSILON * jnp.max(p)
    best = vectors @ jnp.where(some, 2 * inside / jnp.where(some, pairs, 1.0), 0.0) @ vectors.conj().T
    return (2 * jnp.trace(best @ slope) - jnp.trace(rho @ best @ best)).real


def ramsey_fisher(state: PairState, *, post_selected: bool = False) -> WitnessValue:
    """Quantum Fisher information of a Ramsey sequence on |1> <-> |-1>, per (2 pi delta T)^2 and pair.

    Formula: 4 <chi_1|rho|chi_1> = 4 P_1 F; the first pulse turns chi_1 into (|1,1> + |-1,-1>)/sqrt(2) but for a phase,
    leaves chi_1^- as it is, and does not touch the other pairs.
    Source: 003 Fig. 4.

    Args:
        state: [... 2F+1 2F+1]; post_selected: whether only pairs in m = +-1 are used and counted: 4 F.

    Returns:
        `WitnessValue` [...], bound 2, the standard quantum limit of two atoms: entangled above it.

    Validity: perfect pulses; post-selection: not a number where no pair is in m = +-1.

    Example:
        >>> from darkstate.pair.state import sector_state
        >>> state = sector_state([0.38, 0.37, 0.25], 0.9)
        >>> print(f"{ramsey_fisher(state).value:.3f} {ramsey_fisher(state, post_selected=True).value:.3f}")
        1.332 3.600
    """
    value = 4 * (state.fidelity if post_selected else state.symmetric[..., 1, 1].real)
    return WitnessValue(value, bound=SEPARATE, rounding=32 * EPSILON, entangled_above=True)


def classical_fisher(probabilities: Callable[[Any], Any], phase: Any) -> Any:
    """Fisher information about the phase in the outcomes of one measurement.

    Formula: sum_s (dp_s/dphi)^2/p_s; where a p_s touches 0, its limit 2 d^2p_s/dphi^2, which also replaces it as long
    as p_s < 1e-8, where rounding would make the quotient wrong, and the limit differs from it by p_s only.

    Args:
        probabilities: JAX function from one phase to the probabilities of the outcomes [s]; phase: phi [...; rad].

    Returns:
        [...; 1/rad^2]; per (2 pi delta T)^2 if phi is that.

    Example:
        >>> def separate(phi):  # number of atoms in |1> out of two separate ones
        ...     p = jnp.cos(phi / 2) ** 2
        ...     return jnp.stack([(1 - p) ** 2, 2 * p * (1 - p), p**2])
        >>> print(f"{classical_fisher(separate, 0.7):.4f}")
        2.0000
    """
    slope = jax.jacfwd(probabilities)
    curvature = jax.jacfwd(slope)

    def at(phi: Any) -> Any:
        p, dp, bent = probabilities(phi), slope(phi), jnp.maximum(curvature(phi), 0.0)
        least = p - jnp.where(bent > 0, dp * dp / jnp.where(bent > 0, 2 * bent, 1.0), 0.0)
        touches = (p <= 0) | ((p < EPSILON**0.5) & (least < _TOUCH))
        return jnp.where(touches, 2 * bent, dp * dp / jnp.where(touches, 1.0, p)).sum()

    return jnp.vectorize(at)(jnp.asarray(phase, float))


def gain(fisher: Any) -> Any:
    """Fisher information over that of two separate atoms, fisher/2: by how much fewer runs reach the same error.

    Args:
        fisher: per (2 pi delta T)^2 and pair [...].

    Returns:
        [...]; above 1 only if the pairs are entangled; its root is the gain in the error itself.

    Example:
        >>> gain(4.0)
        2.0
    """
    return fisher / SEPARATE


def field_generator(spin: int, at_first: Any, at_second: Any) -> Any:
    """Generator of the phase that a magnetic field along the axis gives a pair, on |m, -m>, m = F, ..., -F [2F+1 2F+1].

    Formula: G = c_1 F_z1 + c_2 F_z2 = (c_1 - c_2) m, with the phase per unit of m as the parameter.

    Args:
        spin: F; at_first, at_second: field at the two atoms in a common unit: 1, 1 for a common field, 1/2, -1/2 for a
            difference of one unit.

    Returns:
        Real diagonal matrix; 0 for a common field, which pairs with m_1 + m_2 = 0 do not feel.

    Example:
        >>> from darkstate.pair.state import sector_state
        >>> chi_1 = sector_state([0.0, 1.0, 0.0], 1.0).matrix
        >>> [round(float(quantum_fisher(chi_1, field_generator(2, *at))), 9) for at in [(1.0, 1.0), (0.5, -0.5)]]
        [0.0, 4.0]
    """
    m = jnp.arange(spin, -spin - 1, -1)
    return jnp.diag(at_first * m + at_second * -m)
