"""Spin squeezing of one ensemble: its smallest transverse variance against that of uncorrelated atoms.

    xi_R^2 = N_2 min var(J_perp)/<Jx>^2        below 1: the atoms of the ensemble are entangled with each other
    xi_S^2 = 4 min var(J_perp)/N_2             below 1: the variance is below that of a coherent spin state

The EPR variance (`epr`) is about two ensembles; both may be squeezed together while neither is alone.
"""

from __future__ import annotations

from typing import Any

from darkstate.backend import jnp
from darkstate.spins.state import SpinState
from darkstate.witness.value import WitnessValue


def _smallest_variance(state: SpinState) -> Any:
    """Smallest variance of a transverse spin component, per atom [... 2]."""
    m = state.moments
    a, b, c = m.yy - m.y**2, m.zz - m.z**2, m.yz - m.y * m.z
    half = ((a - b) / 2) ** 2 + c**2
    return (a + b) / 2 - jnp.where(half == 0, 0.0, jnp.sqrt(jnp.where(half == 0, 1.0, half)))


def spin_squeezing(state: SpinState) -> WitnessValue:
    """Wineland's squeezing parameter xi_R^2 of ensembles I and II [... 2].

    Formula: xi_R^2 = N_2 min var(J_perp)/<Jx>^2, the loss of phase resolution against uncorrelated atoms. Source:
    D. J. Wineland et al., Phys. Rev. A 50, 67 (1994); as a witness A. Sorensen et al., Nature 409, 63 (2001).

    Args:
        state: a `SpinState` with leaves [... 2].

    Returns:
        A `WitnessValue`; separable spins 1/2 have at least 1.

    Validity: the mean spin lies along Jx; of the two-level subsystem, whatever the spin F of the atoms.

    Example:
        >>> from darkstate.spins.state import product_state
        >>> up = product_state(up=jnp.array([1.0, 0.9]), down=jnp.array([0.0, 0.1])).moments
        >>> print(spin_squeezing(SpinState(up, jnp.ones(2), 0.5)).value)  # 1/P^2 of uncorrelated atoms
        [1.     1.5625]
    """
    m = state.moments
    return WitnessValue(m.two_level * _smallest_variance(state) / m.x**2)


def kitagawa_squeezing(state: SpinState) -> Any:
    """Kitagawa and Ueda's squeezing parameter xi_S^2 of ensembles I and II [... 2].

    Formula: xi_S^2 = 4 min var(J_perp)/N_2. Source: M. Kitagawa and M. Ueda, Phys. Rev. A 47, 5138 (1993).

    Validity: the mean spin lies along Jx. Certifies nothing by itself: `spin_squeezing` does.

    Example:
        >>> from darkstate.spins.state import product_state
        >>> up = product_state(up=jnp.array([1.0, 0.9]), down=jnp.array([0.0, 0.1])).moments
        >>> print(kitagawa_squeezing(SpinState(up, jnp.ones(2), 0.5)))
        [1. 1.]
    """
    return 4 * _smallest_variance(state) / state.moments.two_level
