"""Does one part of a Gaussian state steer another: what measurements on it leave unknown of the other.

    V_of|by = V_of - C^T V_by^-1 C,    G = 2 x smallest symplectic eigenvalue of V_of|by

V_of|by is what a linear guess from `by` leaves unknown of `of`, both quadratures at once; below the uncertainty
relation, no state that `of` could have had all along explains the results.
Down: `bipartition`; the last block of the Cholesky root of (by, of) is the root of V_of|by, so nothing is inverted.
"""

from __future__ import annotations

from darkstate.errors import ArgumentError
from darkstate.gaussian.state import GaussianState
from darkstate.gaussian.symplectic import symplectic_form
from darkstate.witness.bipartition import certificate, eigenvalues, names, require_gaussian, root
from darkstate.witness.value import WitnessValue


def steering(state: GaussianState, by: str | tuple[str, ...], of: str | tuple[str, ...]) -> WitnessValue:
    """Gaussian steering of one part by another; the two directions differ.

    Formula: 2 nu_1, the smallest symplectic eigenvalue of V_of - C^T V_by^-1 C; below 1, `by` steers `of`. One value
    below 1 gives the measure of steering -ln of it if `of` is a single mode.
    Source: Kogias, Lee, Ragy and Adesso, Phys. Rev. Lett. 114, 060403 (2015).

    Args:
        state: [... q q]; modes named in neither part are traced out.
        by: name or names of the modes that are measured; of: of the modes that are inferred.

    Returns:
        `WitnessValue` [...], bound 1 for every state that `by` cannot steer, which all separable states are.

    Validity: Gaussian measurements. Values that float64 cannot hold are raised to where it can; see `ppt`.

    Raises:
        ArgumentError: not a Gaussian state, another convention, unknown modes, an empty part, or a mode in both parts.

    Example:
        >>> from darkstate.gaussian.state import two_mode_squeezed
        >>> print(f"{steering(two_mode_squeezed('S', 'M', 0.5), by='S', of='M').value:.6f}")
        0.648054
    """
    require_gaussian(state, "steering")
    first, second = names(state, by), names(state, of)
    if not first or not second or set(first) & set(second):
        raise ArgumentError(
            f"Arguments `by` ({', '.join(first) or 'none'}) and `of` ({', '.join(second) or 'none'}) must each name "
            f"modes, and none in common; the state has {', '.join(state.modes)}."
        )
    factor, lowest = root(state.select(*first, *second).covariance)
    at = 2 * len(first)
    nu, error = eigenvalues(factor[..., at:, at:], symplectic_form(len(second)), lowest)
    return certificate(nu, error)
