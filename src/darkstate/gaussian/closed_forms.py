"""Closed forms of the published systems, the second route to what the network engine solves.

Down: nothing. Up: figures that need many points, `report.explain`, and the tests.
"""

from __future__ import annotations

from typing import Any

from darkstate.backend import jnp


def cascade_variances(
    *,
    rate_s: Any,
    theta_s: Any,
    linewidth_s: Any,
    decoherence_s: Any,
    rate_m: Any,
    theta_m: Any,
    linewidth_m: Any,
    decoherence_m: Any,
    loss: Any,
) -> tuple[Any, Any, Any]:
    """Steady-state var X_S, var X_M and cov(X_S, X_M) of 004; the P block is the same with P_M -> -P_M.

    Formula: 004 Eq. (7), right as printed; its <X_S, X_M> is twice the covariance returned here.

    Args:
        rate_s, rate_m: Gamma_S, Gamma_M; theta_s, theta_m: coupling angles [rad]; linewidth_s, linewidth_m: gamma_S0,
            gamma_M0; decoherence_s, decoherence_m: gamma_j0 (n_j + 1/2) [1/s each]; loss: eps.

    Returns:
        Three numbers; not a number where gamma_S or gamma_M is not positive.

    Validity: rotating-wave approximation.

    Example:
        >>> s, m, c = cascade_variances(
        ...     rate_s=10.0, theta_s=0.78932, linewidth_s=2 / 3, decoherence_s=1.0, rate_m=16.16, theta_m=1.38898,
        ...     linewidth_m=0.0, decoherence_m=4 / 3, loss=0.0)
        >>> print(f"{2 * (s + 1.0466**2 * m + 2 * 1.0466 * c) / (1 + 1.0466**2):.4f}")
        0.3516
    """
    gamma_s = linewidth_s - rate_s * jnp.cos(2 * theta_s)
    gamma_m = linewidth_m - rate_m * jnp.cos(2 * theta_m)
    stable = (gamma_s > 0) & (gamma_m > 0)
    gamma_s, gamma_m = jnp.where(stable, gamma_s, jnp.nan), jnp.where(stable, gamma_m, jnp.nan)
    root, through = jnp.sqrt(rate_s * rate_m), jnp.sqrt(1 - loss)
    r = -root * jnp.sin(theta_m - theta_s)
    var_s = (rate_s / 2 + decoherence_s) / gamma_s
    cov = -through / (gamma_s + gamma_m) * (root * jnp.sin(theta_m + theta_s) - 2 * r * var_s)
    var_m = (rate_m / 2 + decoherence_m + 2 * through * r * cov) / gamma_m
    return var_s, var_m, cov


def cascade_xi(rates: Any, gain: Any) -> Any:
    """xi_g of 004 Eq. (8) from the rates of both oscillators (an object with `first`, `second` and `loss`).

    Formula: xi_g (1 + g^2) = 2 [var X_S + g^2 var X_M + 2 g cov(X_S, X_M)]; separable: at least 1.

    Example:
        >>> from darkstate.experiments.hybrid_rates import HybridRates, OscillatorRates
        >>> s = OscillatorRates(rate=10.0, theta=0.78932, linewidth=2 / 3, decoherence=1.0)
        >>> m = OscillatorRates(rate=16.16, theta=1.38898, linewidth=0.0, decoherence=4 / 3)
        >>> pair = HybridRates(s, m, 0.0)
        >>> print(f"{cascade_xi(pair, pair.readout_gain):.4f}")
        0.3516
    """
    s, m = rates.first, rates.second
    var_s, var_m, cov = cascade_variances(
        rate_s=s.rate,
        theta_s=s.theta,
        linewidth_s=s.linewidth,
        decoherence_s=s.decoherence,
        rate_m=m.rate,
        theta_m=m.theta,
        linewidth_m=m.linewidth,
        decoherence_m=m.decoherence,
        loss=rates.loss,
    )
    return 2 * (var_s + gain**2 * var_m + 2 * gain * cov) / (1 + gain**2)


def monitored_xi(x: Any, z: Any, *, bath: Any = 1.0) -> Any:
    """Steady-state xi of the cells without measurement.

    Formula: xi_inf = (1/Z^2 + x w)/(1 + x), x = gamma_extra/gamma_s (000 Sec. IV, right as printed for w = 1).

    Example:
        >>> print(f"{monitored_xi(0.5, 2.5):.6f}")
        0.440000
    """
    return (1 / z**2 + x * bath) / (1 + x)


def monitored_xi_conditional(x: Any, z: Any, *, bath: Any = 1.0, efficiency: Any = 1.0) -> Any:
    """Steady-state xi of the cells given the measured light.

    Formula: {2 eta - 1 - x + sqrt[(1 + x)^2 + 4 eta x (w Z^2 - 1)]}/(2 eta Z^2); for eta = w = 1 as in 000 Sec. IV.
    Written without the difference, so that eta -> 0 gives xi_inf.

    Example:
        >>> print(f"{monitored_xi_conditional(0.5, 2.5):.6f}")
        0.325657
    """
    # Written as a sum in which nothing cancels where the efficiency is small.
    inside = (1 + x) ** 2 + 4 * efficiency * x * (bath * z**2 - 1)
    return (1 + 2 * x * (bath * z**2 - 1) / (jnp.sqrt(inside) + 1 + x)) / z**2


def monitored_evolution(
    times: Any, start: Any, *, gamma_s: Any, gamma_extra: Any, z: Any, bath: Any = 1.0, efficiency: Any = 0.0
) -> Any:
    """xi(t) of the cells with the light measured from t = 0 on [t]; efficiency 0 = not measured.

    Formula: the solution of dv/dt = -2 gamma v + 2 gamma_s/Z^2 + 2 gamma_extra w - 2 eta gamma_s (Z v - 1/Z)^2 with
    gamma = gamma_s + gamma_extra: v = v_+ + (v_0 - v_+) e^{-2ht}/(1 + eta gamma_s Z^2 (v_0 - v_+)(1 - e^{-2ht})/h).
    000 Sec. IV has e^{-gamma_s t} where its own Eq. (4) gives e^{-2 gamma_s t}; corrected here.

    Args:
        times: [t; s]; start: xi at t = 0, 1 = coherent spin state; gamma_s, gamma_extra: amplitude rates [1/s].

    Example:
        >>> print(monitored_evolution(jnp.array([0.0, 50.0]), 1.0, gamma_s=1.0, gamma_extra=0.5, z=2.5).round(6))
        [1.   0.44]
    """
    x = gamma_extra / gamma_s
    plus = monitored_xi_conditional(x, z, bath=bath, efficiency=efficiency)
    # Half the distance of the two roots times the coefficient of v^2 is the rate of approach.
    h = gamma_s * jnp.sqrt((1 + x) ** 2 + 4 * efficiency * x * (bath * z**2 - 1))
    decayed = jnp.exp(-2 * h * times)
    excess = start - plus
    return plus + excess * decayed / (1 + efficiency * gamma_s * z**2 * excess * (1 - decayed) / h)
