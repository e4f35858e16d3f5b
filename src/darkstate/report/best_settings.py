"""The settings of two oscillators in one light beam that entangle them most (004, Figs. 2 and 3)."""

from __future__ import annotations

from dataclasses import replace
from math import pi
from typing import Any

from darkstate.backend import jax, jnp
from darkstate.experiments.hybrid_rates import HybridRates
from darkstate.gaussian.closed_forms import cascade_xi
from darkstate.solve.optimum import optimum


@jax.jit
def best_settings(rates: HybridRates) -> tuple[Any, Any]:
    """Angles and Gamma_M that make xi smallest with the read-out gain, everything else kept.

    Args:
        rates: of both oscillators.

    Returns:
        (theta_S, theta_M, Gamma_M/gt_M) [3] and xi there, for coupling angles from 0 to pi/2 and C_M from 0.01 to 1e6.

    Example:
        >>> import darkstate as ds
        >>> (theta_s, theta_m, c_m), xi = best_settings(ds.load(ds.shipped_labs()["huang2018"]).experiment.rates)
        >>> print(f"{xi:.6f} at C_M = {c_m:.2f}")
        0.351572 at C_M = 12.12
    """
    s, m = rates.first, rates.second

    def xi(x: Any) -> Any:
        changed = replace(
            rates,
            first=replace(s, theta=x[0]),
            second=replace(m, theta=x[1], rate=m.decoherence * jnp.exp(x[2])),
        )
        return cascade_xi(changed, changed.readout_gain)

    low, high = jnp.array([0.0, 0.0, jnp.log(1e-2)]), jnp.array([pi / 2, pi / 2, jnp.log(1e6)])
    best, value = optimum(xi, low, high)
    return best.at[2].set(jnp.exp(best[2])), value
