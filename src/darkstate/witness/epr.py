"""The EPR variance xi: below 1, two spin ensembles are entangled.

    xi = [var(Jy_I + Jy_II) + var(Jz_I - Jz_II)] / (|<Jx_I>| + |<Jx_II>|)        001 Eq. (3); 1 = separable bound

002 and 000 write Jy_I - Jy_II, with ensemble II turned by pi about z (`conventions`); the value is the same.
"""

from __future__ import annotations

from math import isnan
from typing import Any

from darkstate.backend import jax, jnp
from darkstate.parameters import pytree
from darkstate.spins.state import SpinState

SIGNIFICANT = 2.0
"""Standard errors below the bound from which on a verdict says entangled."""


@pytree
class WitnessValue:
    """A witness: value, standard uncertainty (None if not known) and the bound all separable states keep."""

    value: Any
    uncertainty: Any = None
    bound: Any = 1.0

    @property
    def decibel(self) -> Any:
        """10 log10(value/bound); negative = below the bound."""
        return 10 * jnp.log10(self.value / self.bound)

    @property
    def verdict(self) -> str:
        """What the smallest value says; with an uncertainty, `entangled` takes SIGNIFICANT standard errors."""
        least = int(jnp.argmin(jnp.ravel(self.value)))
        value = float(jnp.ravel(self.value)[least])
        error = 0.0 if self.uncertainty is None else float(jnp.ravel(self.uncertainty)[least])
        if isnan(value) or isnan(error):
            return "no verdict"
        if value >= self.bound:
            return "not certified as entangled"
        if error == 0:
            return "entangled"
        sigmas = (self.bound - value) / error
        text = f"by {sigmas:.1f} standard errors"
        return (
            f"entangled {text}" if sigmas >= SIGNIFICANT else f"below the bound {text} only, not certified as entangled"
        )


def _parts(state: SpinState) -> tuple[Any, Any, Any, Any]:
    """Variance sums of I and II, their correlation, and the spin lengths, of the measurable spin F [... and ... 2]."""
    m, F = state.moments, jnp.asarray(state.hyperfine_spin)[..., None]
    n = state.atoms
    own = (m.yy - m.y**2) + (m.zz - m.z**2)
    # A sublevel |F, F-1> carries more transverse noise than the two-level model holds: 001 Eq. (19).
    own = n * (2 * F * own + (2 * F - 1) * m.down)
    cross = (m.cross_yy - m.y[..., 0] * m.y[..., 1]) - (m.cross_zz - m.z[..., 0] * m.z[..., 1])
    cross = 2 * F[..., 0] * cross * jnp.sqrt(n[..., 0]) * jnp.sqrt(n[..., 1])
    length = n * jnp.abs(m.x + (2 * F - 1) / 2 * m.two_level)
    return own[..., 0], own[..., 1], cross, length


def variance_sum(state: SpinState, gain: Any = 1.0) -> Any:
    """Sigma = var(Jy_I + g Jy_II) + var(Jz_I - g Jz_II) of the measurable spins, in atoms [...]; 001 Eq. (19).

    Example:
        >>> from darkstate.spins.state import SpinState, product_state
        >>> up = product_state(up=[1.0, 1.0], down=[0.0, 0.0]).moments
        >>> print(variance_sum(SpinState(up, jnp.ones(2), 4.0)))
        8.0
    """
    first, second, cross, _ = _parts(state)
    return first + 2 * gain * cross + gain**2 * second


def spin_lengths(state: SpinState) -> Any:
    """|<Jx>| of the measurable spins of I and II, in atoms [... 2]; 001 Eq. (17).

    Example:
        >>> from darkstate.spins.state import SpinState, product_state
        >>> up = product_state(up=[1.0, 1.0], down=[0.0, 0.0]).moments
        >>> print(spin_lengths(SpinState(up, jnp.ones(2), 4.0)))
        [4. 4.]
    """
    return _parts(state)[3]


def epr_variance(state: SpinState, gain: Any = 1.0) -> WitnessValue:
    """EPR variance xi_g of the measurable spins, with the gain given.

    Formula: xi_g = [var(Jy_I + g Jy_II) + var(Jz_I - g Jz_II)] / (|<Jx_I>| + g^2 |<Jx_II>|), with
    Sigma_exp = 2F Sigma_2 + 2(2F-1) N_down and 2|Jx| = N_2 (P_2 + 2F - 1) for a level of spin F.
    Source: 001 Eqs. (3), (16)-(19), (23), right as printed; 002 (S.3) corrected (8 Sigma_2, row 21).

    Args:
        state: two spin ensembles [... 2].
        gain: g [...]; 1 = the papers' xi.

    Returns:
        `WitnessValue` [...], bound 1 for every separable state and every g.

    Validity: any N, any polarisation; needs |<Jx>| > 0.

    Example:
        >>> from darkstate.spins.state import SpinState, product_state
        >>> up = product_state(up=[1.0, 1.0], down=[0.0, 0.0]).moments
        >>> print(epr_variance(SpinState(up, jnp.ones(2), 0.5)).value)
        1.0
    """
    length = spin_lengths(state)
    return WitnessValue(variance_sum(state, gain) / (length[..., 0] + gain**2 * length[..., 1]))


GAIN_LIMIT = 1e6
"""Largest gain `best_gain` returns; beyond it the witness reads one ensemble alone."""


def best_gain(state: SpinState) -> Any:
    """The gain g that makes xi_g smallest, between -1e6 and 1e6 [...].

    Formula: the stationary point of (a + 2 b g + c g^2)/(p + q g^2) with b g <= 0, where a, c are the variances and
    p, q the spin lengths of I and II, b their correlation; 1 for equal ensembles.

    Example:
        >>> from darkstate.spins.state import SpinState, product_state
        >>> up = product_state(up=[1.0, 1.0], down=[0.0, 0.0]).moments
        >>> print(best_gain(SpinState(up, jnp.ones(2), 0.5)))
        1.0
    """
    first, second, cross, length = _parts(state)
    p, q = length[..., 0], length[..., 1]
    # In units of the spin lengths: minimise (a + 2 b g + c g^2)/(1 + g^2), that is b g^2 + (a - c) g - b = 0. Each
    # branch is written so that nothing cancels.
    tilt, b = first / p - second / q, cross / (jnp.sqrt(p) * jnp.sqrt(q))
    inside = tilt**2 + 4 * b**2
    flat = inside == 0
    root = jnp.sqrt(jnp.where(flat, 1.0, inside))
    low = -2 * b / jnp.where(tilt <= 0, root - tilt, 1.0)
    high = -(root + tilt) / jnp.where(b == 0, -1.0 / GAIN_LIMIT, 2 * b)
    gain = jnp.where(flat, 1.0, jnp.where(tilt <= 0, low, high) * jnp.sqrt(p / q))
    return jnp.clip(gain, -GAIN_LIMIT, GAIN_LIMIT)


@jax.jit
def derived(state: SpinState) -> tuple[Any, Any, Any, Any]:
    """What results list of a state, as one compiled program: xi, xi_g, best gain [...], polarisation [... 2]."""
    gain = best_gain(state)
    return epr_variance(state).value, epr_variance(state, gain).value, gain, state.polarization
