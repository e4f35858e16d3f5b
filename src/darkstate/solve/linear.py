"""What steady_state, evolve and condition do with a linear system: the covariance equation and its checks.

dV/dt = A V + V A^T + D;   steady state A V + V A^T + D = 0
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.gaussian.linear_system import LinearSystem
from darkstate.gaussian.lyapunov import lyapunov, propagate
from darkstate.gaussian.positivity import smallest_pivot
from darkstate.gaussian.state import GaussianState
from darkstate.gaussian.symplectic import symplectic_form
from darkstate.solve.checks import decide
from darkstate.solve.integrate import integrate
from darkstate.solve.solution import Solution

EPSILON = float(np.finfo(float).eps)

ROUNDING = 1e-12
"""How far below the uncertainty relation a covariance may be, in units of its largest element."""

Stages = Sequence[tuple[LinearSystem, float]]
"""Systems one after the other, each with its duration [s]; the last one goes on for ever."""


@jax.jit
def steady(system: LinearSystem) -> Solution:
    """Steady state of a linear system, with its checks."""
    a, q = system.drift, system.drift.shape[0]
    both = lyapunov(a, jnp.stack([system.diffusion, jnp.eye(q)]))
    covariance = _at_equal_times(system, both[0])
    checks = {
        **relaxation_checks(a, both[1], exchange=exchange(system)),
        "commutators": system.commutator_defect,
        **state_checks(covariance),
    }
    return Solution(GaussianState(jnp.zeros(q), covariance, system.modes), None, decide(checks), checks)


def exchange(system: LinearSystem) -> Any:
    """|B|^2 [1/s], the rate of exchange with the inputs; the drift is a difference of such rates and no more exact."""
    return (system.coupling**2).sum()


def relaxation_checks(drift: Any, p: Any, *, exchange: Any) -> dict[str, Any]:
    """Stability and rounding from P, the solution for D = 1: stable if and only if P is positive.

    The slowest amplitude decays at no less than 1/(2 trace P).
    """
    size = jnp.sqrt((drift**2).sum()) + exchange
    slow = jnp.trace(p)
    # A decay rate lost in the rounding of the drift is none; comparisons with what is not a number are false.
    stable = (smallest_pivot(p) > 0) & (size * slow < 0.1 / EPSILON)
    growing = jnp.where(jnp.isfinite(size) & jnp.isfinite(slow), size, jnp.inf)
    return {
        "growth_rate": jnp.where(stable, -0.5 / jnp.where(stable, slow, 1.0), growing),
        "rounding": jnp.where(stable, EPSILON * 2 * size * slow, 0.0),
    }


def state_checks(covariance: Any) -> dict[str, Any]:
    """Finite, and within the uncertainty relation; over all leading axes []."""
    finite = jnp.isfinite(covariance).all()
    safe = jnp.where(finite, covariance, jnp.eye(covariance.shape[-1]))
    q = covariance.shape[-1]
    form = 0.5j * symplectic_form(q // 2)
    # Pure states have pivots of 0 up to rounding: what is let pass is added before, so that the sign is clear.
    slack = ROUNDING * jnp.abs(safe).max((-2, -1), keepdims=True) * jnp.eye(q)
    lowest = smallest_pivot(safe + form + slack)
    return {
        "uncertainty_violation": jnp.where(lowest > 0, 0.0, ROUNDING - lowest).max(),
        "not_finite": 1.0 - finite.astype(float),
    }


def _at_equal_times(system: LinearSystem, covariance: Any) -> Any:
    """The covariance at one time of modes whose clocks run late by their delays.

    cov(x_i(t), x_j(t)) is the two-time covariance of the retarded quadratures: [e^{A s} V]_ij with s = d_j - d_i >= 0.
    """
    delays, retarded = system.mode_delays, covariance
    for lag in sorted({a - b for a in delays for b in delays if a > b}):
        later = propagate(system.drift, jnp.zeros_like(covariance), lag)[0] @ retarded
        pairs = [(i, j) for i, a in enumerate(delays) for j, b in enumerate(delays) if b - a == lag]
        for i, j in pairs:
            rows, columns = slice(2 * i, 2 * i + 2), slice(2 * j, 2 * j + 2)
            block = later[rows, columns]
            covariance = covariance.at[rows, columns].set(block).at[columns, rows].set(block.T)
    return covariance


def check_times(times: Any) -> None:
    """Refuse times that are no increasing list from 0 on; traced times are taken as they are."""
    if isinstance(times, jax.core.Tracer):
        return
    t = np.asarray(times, float)
    if t.ndim != 1 or not t.size or not np.isfinite(t).all() or t[0] < 0 or (np.diff(t) < 0).any():
        raise ArgumentError(
            f"Argument `times` must be a list of finite, increasing times from 0 s on, but has shape {t.shape}"
            + (f", first {t.flat[0]:g}, last {t.flat[-1]:g}." if t.size else ".")
        )


def start_of(system: LinearSystem, initial: GaussianState | None) -> GaussianState:
    """The initial state, vacuum if none is given.

    Raises:
        ArgumentError: it is of other modes, or in another convention.
    """
    if initial is None:
        q = len(system.modes) * 2
        return GaussianState(jnp.zeros(q), jnp.eye(q) / 2, system.modes)
    initial.require_ours()
    if initial.modes != system.modes:
        raise ArgumentError(
            f"Argument `initial` must be a state of the modes {', '.join(system.modes)} in this order, but is one of "
            f"{', '.join(initial.modes)}; order them with state.select(...)."
        )
    return initial


def no_delays(system: LinearSystem, verb: str) -> None:
    """Refuse a system with delays where equal times have no simple meaning."""
    if any(system.mode_delays):
        raise ArgumentError(
            f"{verb} takes no delays: the light of the past is not part of the state; set them to 0, which gives every "
            "system's state at the time of the light that reaches it, or use steady_state."
        )


@jax.jit
def evolve_constant(stages: tuple[LinearSystem, ...], ends: Any, times: Any, initial: GaussianState) -> Solution:
    """Exact evolution through piecewise-constant systems; `ends` of all stages but the last [n-1; s]."""
    systems = jax.tree.map(lambda *leaves: jnp.stack(leaves), *stages)
    drifts, diffusions = jax.vmap(lambda s: s.drift)(systems), jax.vmap(lambda s: s.diffusion)(systems)
    starts = jnp.concatenate([jnp.zeros(1), ends])

    def moved(state: tuple[Any, Any], k: Any, time: Any) -> tuple[Any, Any]:
        f, q = propagate(drifts[k], diffusions[k], time)
        return f @ state[0], f @ state[1] @ f.T + q

    at_start = [(initial.mean, initial.covariance)]
    for k in range(len(stages) - 1):
        at_start.append(moved(at_start[-1], k, starts[k + 1] - starts[k]))
    means, covariances = (jnp.stack(x) for x in zip(*at_start, strict=True))
    stage = jnp.searchsorted(ends, times, side="right")
    mean, covariance = jax.vmap(lambda k, t: moved((means[k], covariances[k]), k, t - starts[k]))(stage, times)
    checks = {
        "commutators": jnp.stack([s.commutator_defect for s in stages]).max(),
        **state_checks(covariance),
    }
    return Solution(GaussianState(mean, covariance, stages[0].modes), times, decide(checks), checks)


def evolve_driven(
    system: Callable[[Any], LinearSystem], times: Any, initial: GaussianState, substeps: int, tolerance: Any
) -> Solution:
    """Evolution under a system that depends on time, by the fifth-order integrator."""

    def rate(time: Any, state: tuple[Any, Any]) -> tuple[Any, Any]:
        now = system(time)
        a, (m, v) = now.drift, state
        return a @ m, a @ v + v @ a.T + now.diffusion

    grid = jnp.concatenate([jnp.zeros(1), times])
    (mean, covariance), errors = integrate(
        rate, (initial.mean, initial.covariance), grid, (grid[:-1], grid[1:]), substeps=substeps
    )
    defect = jax.vmap(lambda t: system(t).commutator_defect)(grid).max()
    checks = {"numerical_error": errors[-1], "commutators": defect, **state_checks(covariance)}
    state = GaussianState(mean[1:], covariance[1:], initial.modes)
    return Solution(state, times, decide(checks, tolerance=tolerance), checks)
