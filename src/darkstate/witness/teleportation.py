"""What a two-mode Gaussian state is worth as a resource: the fidelity with which it teleports a coherent state."""

from __future__ import annotations

from typing import Any

from darkstate.backend import jnp
from darkstate.gaussian.state import GaussianState
from darkstate.witness.bipartition import combined_variance, require_gaussian, require_two_modes

CLASSICAL_FIDELITY = 0.5
"""Best fidelity without entanglement, for coherent states spread widely: Hammerer et al., PRL 94, 150503 (2005)."""


def teleportation_fidelity(state: GaussianState) -> Any:
    """Fidelity of teleporting an unknown coherent state with unit gain over this state [...].

    The output is the input with the noise of X_1 + s X_2 and of P_1 - s P_2 added to its quadratures; the sign s = 1 or
    -1 is a choice of phase at the receiver, and the better one counts.

    Formula: F = 1/sqrt(det(1 + N)), N = covariance of (X_1 + s X_2, P_1 - s P_2); without a correlation of these two it
    is 1/sqrt[(1 + var(X_1 + s X_2)) (1 + var(P_1 - s P_2))]: vacuum 1/2, two-mode squeezed 1/(1 + e^{-2r}).
    Source: Braunstein and Kimble, Phys. Rev. Lett. 80, 869 (1998).

    Args:
        state: two modes [... 4 4], of mean 0 or with a known mean taken off.

    Returns:
        A number between 0 and 1 [...]; above 1/2 no separable state reaches, so it certifies entanglement.

    Validity: unit gain, ideal measurement and feed-forward, coherent states spread widely.

    Raises:
        ArgumentError: not a Gaussian state of two modes, or another convention.

    Example:
        >>> from darkstate.gaussian.state import two_mode_squeezed
        >>> print(f"{teleportation_fidelity(two_mode_squeezed('S', 'M', 0.5)):.6f}")
        0.731059
    """
    require_gaussian(state, "teleportation_fidelity")
    require_two_modes(state, "teleportation_fidelity")
    v = jnp.asarray(state.covariance, float)
    return 1 / jnp.sqrt(jnp.minimum(_added_noise(v, 1.0), _added_noise(v, -1.0)))


def _added_noise(v: Any, sign: float) -> Any:
    """det(1 + N) of the noise N that one sign adds [...]."""
    x, _ = combined_variance(v[..., ::2, ::2], sign)
    p, _ = combined_variance(v[..., 1::2, 1::2], -sign)
    both = v[..., 0, 1] - sign * v[..., 0, 3] + sign * v[..., 2, 1] - v[..., 2, 3]
    # det N is not negative, whatever rounding says.
    return 1 + x + p + jnp.maximum(x * p - both**2, 0.0)
