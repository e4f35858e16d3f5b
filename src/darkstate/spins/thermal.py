"""Thermal occupation of a partly polarised spin ensemble.

    weights of the sublevels  p_m ~ q^(F-m),  P = <m>/F,  n = q/(1-q);   n + 1/2 = <Jy^2>/|<Jx>|

The distribution has a spin temperature: it is the most disordered one at its polarisation, and the one spin exchange
leads to. n is then the occupation of the Holstein-Primakoff oscillator. Plain floats need no JAX.
"""

from __future__ import annotations

from typing import Any

_STEPS = 60  # halvings of (0, 1): the bracket is then below the spacing of floats near 1


def thermal_occupation(polarization: Any, spin: Any) -> Any:
    """Occupation n of the oscillator that stands for a spin ensemble of given polarisation.

    Formula: P = <m>/F with p_m ~ q^(F-m), n = q/(1-q); for F = 1/2: n + 1/2 = 1/(2P). Source: 004 below Eq. 5 (n_S is
    the noise of an imperfectly polarised ensemble); the distribution is our choice, since 004 names none.

    Args:
        polarization: P = <m>/F, above 0 and at most 1.
        spin: F = 1/2, 1, ..., 4.

    Returns:
        n, without unit, at least 0; relative accuracy about 1e-15/P. Differentiable in P (not in F).

    Raises:
        ZeroDivisionError: P is so small (below about 1e-15) that n is no number; traced values give inf instead.

    Example:
        >>> round(thermal_occupation(0.5, 0.5), 12), round(thermal_occupation(0.98, 4.0), 6)  # 1/(2P) - 1/2 = 0.5
        (0.5, 0.08)
    """
    if isinstance(polarization, (int, float)) and isinstance(spin, (int, float)):
        low, high = 0.0, 1.0
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if _surplus(middle, polarization, spin, _in_spin)[0] > 0 else (low, middle)
        return _occupation((low + high) / 2, polarization, spin, _in_spin)
    from darkstate.backend import jax, jnp

    def halve(_: int, bracket: tuple[Any, Any]) -> tuple[Any, Any]:
        low, high = bracket
        middle = (low + high) / 2
        above = _surplus(middle, polarization, spin, mask)[0] > 0
        return jnp.where(above, middle, low), jnp.where(above, high, middle)

    def mask(k: int, f: Any) -> Any:
        return jnp.where(k <= 2 * f + 0.5, 1.0, 0.0)

    shape = jnp.broadcast_shapes(jnp.shape(polarization), jnp.shape(spin))
    low, high = jax.lax.fori_loop(0, _STEPS, halve, (jnp.zeros(shape), jnp.ones(shape)))
    return _occupation(jax.lax.stop_gradient((low + high) / 2), polarization, spin, mask)


def _in_spin(k: int, spin: float) -> float:
    return 1.0 if k <= 2 * spin + 0.5 else 0.0


def _surplus(q: Any, polarization: Any, spin: Any, mask: Any) -> tuple[Any, Any]:
    """sum_k [F(1-P) - k] q^k over k = F - m and its slope in q; it falls through zero once, at the q looked for."""
    value = slope = 0.0 * q
    for k in range(8, -1, -1):
        slope = slope * q + value
        value = value * q + mask(k, spin) * (spin * (1 - polarization) - k)
    return value, slope


def _occupation(q: Any, polarization: Any, spin: Any, mask: Any) -> Any:
    """q/(1-q) after one Newton step, which carries the derivative with respect to the polarisation."""
    value, slope = _surplus(q, polarization, spin, mask)
    q = q - value / slope
    return q / (1 - q)
