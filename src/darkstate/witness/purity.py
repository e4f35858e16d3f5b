"""How pure a Gaussian state is: tr rho^2 = 1/sqrt(det 2V)."""

from __future__ import annotations

from math import sqrt
from typing import Any

from darkstate.backend import jnp
from darkstate.gaussian.state import GaussianState
from darkstate.witness.bipartition import LARGEST_ERROR, require_gaussian, root
from darkstate.witness.value import EPSILON


def purity(state: GaussianState) -> Any:
    """Purity tr rho^2 of all modes together [...]; 1 = pure, 1/(2n + 1) for one thermal mode of occupation n.

    Formula: 1/sqrt(det 2V) (vacuum V = 1/2).
    Source: Weedbrook et al., Rev. Mod. Phys. 84, 621 (2012).

    Args:
        state: [... q q].

    Returns:
        A number between 0 and 1 [...]; not a number where float64 no longer holds it to 1e-3 (two modes: r above 7.4),
        and where V is not positive.

    Raises:
        ArgumentError: not a Gaussian state, or another convention.

    Example:
        >>> from darkstate.gaussian.state import thermal
        >>> print(f"{purity(thermal('M', 2.0)):.6f}")
        0.200000
    """
    require_gaussian(state, "purity")
    factor, lowest = root(state.covariance)
    diagonal = jnp.diagonal(factor, axis1=-2, axis2=-1)
    value = jnp.exp(-jnp.log(sqrt(2) * diagonal).sum(axis=-1))
    return jnp.where(EPSILON <= LARGEST_ERROR * lowest, value, jnp.nan)
