"""The EPR variance xi: below 1, two spin ensembles, or two modes, are entangled.

    xi   = [var(Jy_I + Jy_II) + var(Jz_I - Jz_II)] / (|<Jx_I>| + |<Jx_II>|)      001 Eq. (3); 1 = separable bound
    xi_g = [var(X_1 + g X_2) + var(P_1 - g P_2)] / (1 + g^2)                     004 Eq. (8); 1 = separable bound

002 and 000 write Jy_I - Jy_II, with ensemble II turned by pi about z (`conventions`); the value is the same. Both are
(a + 2 b g + c g^2)/(p + q g^2) of five numbers: variances a, c and correlation b, spin lengths p, q (1 for modes).
"""

from __future__ import annotations

from typing import Any

from darkstate.backend import jax, jnp
from darkstate.gaussian.state import GaussianState
from darkstate.spins.state import SpinState
from darkstate.witness.bipartition import require_gaussian, require_two_modes
from darkstate.witness.value import EPSILON, WitnessValue


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


def _quadratic(state: SpinState | GaussianState, question: str) -> tuple[Any, Any, Any, Any, Any]:
    """a, b, c, p, q of xi_g = (a + 2 b g + c g^2)/(p + q g^2), of spins or of two modes [...]."""
    if isinstance(state, SpinState):
        first, second, cross, length = _parts(state)
        return first, cross, second, length[..., 0], length[..., 1]
    require_gaussian(state, question, allowed="a SpinState or a GaussianState of two modes")
    require_two_modes(state, question)
    v = jnp.asarray(state.covariance, float)
    own = jnp.diagonal(v, axis1=-2, axis2=-1)
    one = jnp.ones(own.shape[:-1])
    return own[..., 0] + own[..., 1], v[..., 0, 2] - v[..., 1, 3], own[..., 2] + own[..., 3], one, one


def variance_sum(state: SpinState | GaussianState, gain: Any = 1.0) -> Any:
    """Sigma, the numerator of xi_g [...].

    Formula: var(Jy_I + g Jy_II) + var(Jz_I - g Jz_II) of the measurable spins, in atoms; var(X_1 + g X_2)
    + var(P_1 - g P_2) of modes. Source: 001 Eq. (19); 004 Eq. (8).

    Example:
        >>> from darkstate.spins.state import SpinState, product_state
        >>> up = product_state(up=[1.0, 1.0], down=[0.0, 0.0]).moments
        >>> print(variance_sum(SpinState(up, jnp.ones(2), 4.0)))
        8.0
    """
    a, b, c, _, _ = _quadratic(state, "variance_sum")
    return a + 2 * gain * b + gain**2 * c


def spin_lengths(state: SpinState) -> Any:
    """|<Jx>| of the measurable spins of I and II, in atoms [... 2]; 001 Eq. (17).

    Example:
        >>> from darkstate.spins.state import SpinState, product_state
        >>> up = product_state(up=[1.0, 1.0], down=[0.0, 0.0]).moments
        >>> print(spin_lengths(SpinState(up, jnp.ones(2), 4.0)))
        [4. 4.]
    """
    return _parts(state)[3]


def epr_variance(state: SpinState | GaussianState, gain: Any = 1.0) -> WitnessValue:
    """EPR variance xi_g of two spin ensembles or of two modes, with the gain given.

    Formula: modes: xi_g = [var(X_1 + g X_2) + var(P_1 - g P_2)] / (1 + g^2). Spins, the measurable ones:
    xi_g = [var(Jy_I + g Jy_II) + var(Jz_I - g Jz_II)] / (|<Jx_I>| + g^2 |<Jx_II>|), with
    Sigma_exp = 2F Sigma_2 + 2(2F-1) N_down and 2|Jx| = N_2 (P_2 + 2F - 1) for a level of spin F.
    Source: 004 Eq. (8); 001 Eqs. (3), (16)-(19), (23), right as printed; 002 (S.3) corrected (8 Sigma_2, row 21).

    Args:
        state: two spin ensembles [... 2], or two modes [... 4 4].
        gain: g [...], of either sign; 1 = the papers' xi.

    Returns:
        `WitnessValue` [...], bound 1 for every separable state and every g.

    Validity: spins: any N, any polarisation; needs |<Jx>| > 0. Modes: any; values that float64 cannot hold are raised
    to where it can, so that rounding certifies nothing.

    Raises:
        ArgumentError: not such a state; a Gaussian one of other than two modes or in another convention.

    Example:
        >>> from darkstate.gaussian.state import two_mode_squeezed
        >>> print(f"{epr_variance(two_mode_squeezed('S', 'M', 0.5)).value:.6f}")
        0.367879
        >>> from darkstate.spins.state import SpinState, product_state
        >>> up = product_state(up=[1.0, 1.0], down=[0.0, 0.0]).moments
        >>> print(epr_variance(SpinState(up, jnp.ones(2), 0.5)).value)
        1.0
    """
    a, b, c, p, q = _quadratic(state, "epr_variance")
    length = p + gain**2 * q
    rounding = jax.lax.stop_gradient(2 * EPSILON * (a + 2 * jnp.abs(gain * b) + gain**2 * c) / length)
    return WitnessValue(jnp.maximum(variance_sum(state, gain) / length, rounding), rounding=rounding)


GAIN_LIMIT = 1e6
"""Largest gain `best_gain` returns; beyond it the witness reads one ensemble or mode alone."""


def best_gain(state: SpinState | GaussianState) -> Any:
    """The gain g that makes xi_g smallest, between -1e6 and 1e6 [...].

    Formula: the stationary point of (a + 2 b g + c g^2)/(p + q g^2) with b g <= 0. Spins: a, c are the variances and
    p, q the spin lengths of I and II, b their correlation. Modes: a = var X_1 + var P_1, c = var X_2 + var P_2,
    b = cov(X_1, X_2) - cov(P_1, P_2), p = q = 1. Equal ensembles or modes: 1 or -1, against the sign of b.
    Source: derived from 001 Eq. (3) and 004 Eq. (8).

    Args:
        state: two spin ensembles [... 2], or two modes [... 4 4].

    Returns:
        g [...]; 1 where xi_g does not depend on g.

    Raises:
        ArgumentError: not such a state; a Gaussian one of other than two modes or in another convention.

    Example:
        >>> from darkstate.gaussian.state import two_mode_squeezed
        >>> print(best_gain(two_mode_squeezed("S", "M", 0.5)))
        1.0
        >>> from darkstate.spins.state import SpinState, product_state
        >>> up = product_state(up=[1.0, 1.0], down=[0.0, 0.0]).moments
        >>> print(best_gain(SpinState(up, jnp.ones(2), 0.5)))
        1.0
    """
    first, cross, second, p, q = _quadratic(state, "best_gain")
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
