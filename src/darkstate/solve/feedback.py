"""Feedback of a measured current: the conditional state made unconditional.

    dx -> dx + K dY:   A' = A + K C,   D' = D + K N^T + N K^T + K R K^T

With K minus the Kalman gain the unconditional covariance equals the conditional one. A delay, few actuators or costly
control leave more: V = V_cond + what is known but not undone. Down: `condition`, `gaussian.riccati`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.gaussian.detection import Detector, measurement
from darkstate.gaussian.elimination import solve
from darkstate.gaussian.linear_system import LinearSystem
from darkstate.gaussian.lyapunov import lyapunov, propagate, stability
from darkstate.gaussian.riccati import stationary
from darkstate.gaussian.state import GaussianState
from darkstate.solve.checks import decide
from darkstate.solve.condition import condition, kalman_gain
from darkstate.solve.linear import exchange, no_delays, relaxation_checks, state_checks
from darkstate.solve.solution import Solution


def feedback(system: LinearSystem, *detectors: Detector, gain: Any = None) -> LinearSystem:
    """The system with its measured current fed back at once as displacements.

    Formula: A' = A + K C, D' = D + K N^T + N K^T + K R K^T (Wiseman and Milburn 2009, Sec. 6.6).

    Args:
        system: measured system; detectors: their efficiency counts; gain: K [q k; 1/sqrt(s)], displacement per current;
            None = minus the Kalman gain, which makes the conditional state unconditional.

    Returns:
        A `LinearSystem` without ports, its noise as force noise: solve it with `steady_state` or `evolve`.

    Validity: delay short against every rate; `regulate` has delay.

    Raises:
        ArgumentError: the gain's shape does not fit; OutcomeError: no stationary conditional state to take the gain
            from.

    Example:
        >>> import numpy as np
        >>> from darkstate.gaussian.components import oscillator
        >>> from darkstate.gaussian.detection import homodyne
        >>> from darkstate.solve.steady_state import steady_state
        >>> atoms = oscillator("S", frequency=0.0, passive=1.0, damping=1.0, decoherence=1.5)
        >>> closed = feedback(atoms, homodyne("S.light", angle=np.pi / 2))
        >>> print(steady_state(closed).state.covariance.diagonal().round(6).tolist())
        [0.866025..., 1.0]
    """
    no_delays(system, "feedback")
    current = measurement(system, *detectors)
    if gain is None:
        gain = -kalman_gain(system, current, condition(system, *detectors).state.covariance)
    gain = jnp.asarray(gain, float)
    shape = (system.drift.shape[0], current.output.shape[0])
    if gain.shape != shape:
        raise ArgumentError(f"Argument `gain` must have shape {shape} (quadratures, currents), but has {gain.shape}.")
    common = gain @ current.correlation.T
    none = jnp.zeros((0, 0))
    q = shape[0]
    return dataclasses.replace(
        system,
        drift=system.drift + gain @ current.output,
        force_noise=system.diffusion + common + common.T + gain @ current.noise @ gain.T,
        coupling=jnp.zeros((q, 0)),
        output=jnp.zeros((0, q)),
        feedthrough=none,
        input_noise=none,
        inputs=(),
        outputs=(),
        input_delays=(),
        output_delays=(),
    )


def regulate(
    system: LinearSystem,
    *detectors: Detector,
    cost: Any,
    actuators: Any = None,
    effort: Any = None,
    delay: Any = 0.0,
    throw: bool = True,
) -> Solution:
    """The unconditional steady state under optimal (linear-quadratic-Gaussian) feedback.

    Formula: the control L = effort^{-1} B^T P from A^T P + P A + cost - P B effort^{-1} B^T P = 0 acts on the estimate;
    V = V_cond + cov(estimate), and a delay first spreads the estimate's error by the free motion over that time.

    Args:
        system: measured system; detectors: their efficiency counts.
        cost: what to keep small, x^T cost x [q q], such as the EPR combination.
        actuators: B, displacements available [q a]; None = every quadrature.
        effort: cost of the actuators' drive [a a]; None = control is free. With free control every quadrature must have
            an actuator.
        delay: between current and displacement [s].
        throw: raise on a bad outcome.

    Returns:
        A `Solution` of the unconditional state; its covariance approaches the conditional one for free, prompt control.

    Validity: with a delay and costly control the estimate of the delayed state is used, which is optimal (separation).

    Raises:
        OutcomeError: nothing stabilises the system; ArgumentError: shapes, or free control of too few quadratures.

    Example:
        >>> import numpy as np
        >>> from darkstate.gaussian.components import oscillator
        >>> from darkstate.gaussian.detection import homodyne
        >>> atoms = oscillator("S", frequency=0.0, passive=1.0, damping=1.0, decoherence=1.5)
        >>> late = regulate(atoms, homodyne("S.light", angle=np.pi / 2), cost=np.eye(2), delay=0.1)
        >>> print(f"{late.state.covariance[0, 0]:.6f}")
        0.890311
    """
    q = system.drift.shape[0]
    b = jnp.eye(q) if actuators is None else jnp.asarray(actuators, float)
    cost = jnp.asarray(cost, float)
    if b.ndim != 2 or b.shape[0] != q or cost.shape != (q, q):
        raise ArgumentError(
            f"`cost` must have shape ({q}, {q}) and `actuators` ({q}, a), but have {cost.shape}, {b.shape}."
        )
    if effort is None and actuators is not None:
        raise ArgumentError(
            "Control through few actuators needs its `effort` [a a]; a small multiple of 1 makes it nearly free."
        )
    _check_control(cost, b, effort, delay)
    current = measurement(system, *detectors)
    known = condition(system, *detectors, throw=False)
    v = known.state.covariance
    # Error of the estimate that is at hand when the displacement arrives.
    f, spread = propagate(system.drift, system.diffusion, delay)
    error = f @ v @ f.T + spread
    if effort is None:
        return _settled(system, known, error, error, system.drift, throw)
    effort = jnp.asarray(effort, float)
    p = stationary(system.drift.T, cost, b.T, jnp.zeros_like(b), effort)
    closed = system.drift - b @ solve(effort, b.T @ p)
    # The estimate moves by the surprises, which arrive late and moved on: K R K^T over the delay.
    gain = f @ kalman_gain(system, current, v)
    estimate = lyapunov(closed, gain @ current.noise @ gain.T)
    return _settled(system, known, error, error + estimate, closed, throw)


def _check_control(cost: Any, b: Any, effort: Any, delay: Any) -> None:
    """Refuse a delay, a cost or an effort that means nothing."""
    if any(isinstance(x, jax.core.Tracer) for x in (cost, effort, delay)):
        return
    if not (isinstance(delay, (int, float)) or jnp.ndim(delay) == 0) or not (np.isfinite(delay) and delay >= 0):
        raise ArgumentError(f"Argument `delay` must be a time of at least 0 s, but is {delay!r}.")
    for name, matrix, size, least in (("cost", cost, b.shape[0], -1e-12), ("effort", effort, b.shape[1], 0.0)):
        if matrix is None:
            continue
        m = np.asarray(matrix, float)
        good = m.shape == (size, size) and np.isfinite(m).all() and np.allclose(m, m.T)
        if not good or np.linalg.eigvalsh(m)[0] <= least * max(1.0, np.abs(m).max()):
            sign = "positive" if name == "effort" else "non-negative"
            raise ArgumentError(f"Argument `{name}` must be a symmetric, {sign} matrix of shape ({size}, {size}).")


def _settled(system: LinearSystem, known: Solution, error: Any, total: Any, closed: Any, throw: bool) -> Solution:
    checks = {**known.checks, **state_checks(total)}
    if closed is not system.drift:
        motion = relaxation_checks(closed, stability(closed), exchange=exchange(system))
        checks = {**checks, **{name: jnp.maximum(checks[name], figure) for name, figure in motion.items()}}
    state = GaussianState(jnp.zeros(total.shape[0]), total, system.modes)
    found = Solution(state, None, decide(checks), checks)
    return found.raise_if_bad() if throw else found
