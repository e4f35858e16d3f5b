"""condition: what is known of a system whose output is measured.

    dV/dt = A V + V A^T + D - (V C^T + N) R^{-1} (V C^T + N)^T

Stationary, over time, or given a record; `retrodict` is the same for the record still to come. Down:
`gaussian.riccati`, `gaussian.kalman`, `gaussian.detection`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.gaussian.detection import Detector, Measurement, measurement
from darkstate.gaussian.elimination import solve
from darkstate.gaussian.kalman import Bin, bin_of, kalman_filter, kalman_smoother
from darkstate.gaussian.linear_system import LinearSystem
from darkstate.gaussian.lyapunov import lyapunov, propagate
from darkstate.gaussian.riccati import apply, filter_step, reduced, stationary
from darkstate.gaussian.state import GaussianState
from darkstate.solve.checks import decide
from darkstate.solve.linear import check_times, exchange, no_delays, relaxation_checks, start_of, state_checks
from darkstate.solve.solution import Solution


def condition(
    system: LinearSystem,
    *detectors: Detector,
    times: Any = None,
    initial: GaussianState | None = None,
    record: Any = None,
    smooth: bool = False,
    throw: bool = True,
) -> Solution:
    """The state given the measured current: stationary, at given times, or with a record.

    Formula: the Riccati equation above with the cross term N (004, conditional scheme; 000 Eq. 5 in the limit of short
    steps); with a record the exact filter of binned currents (`gaussian.kalman`).

    Args:
        system: measured system; detectors: at least one.
        times: None = stationary state; else increasing times from 0 on [t; s].
        initial: state at times[0] = 0; None = vacuum.
        record: integrated current of each interval between the times, in shot-noise units [t-1 k], or [t-1] of one
            current; without it the mean follows the drift alone, and the covariance is that of a record without gaps.
        smooth: use the record after each time as well.
        throw: raise on a bad outcome; False keeps the code.

    Returns:
        A `Solution` of `GaussianState` objects; a smoothed covariance may lie below the uncertainty relation and is not
        checked against it.

    Validity: any efficiency and angle; the stationary state needs every unstable mode to be seen by a detector.

    Raises:
        OutcomeError: no stationary conditional state, or a check failed.
        ArgumentError: no detector, times that do not increase, a record that does not fit, or a system with delays.

    Example:
        >>> from darkstate.gaussian.components import oscillator
        >>> from darkstate.gaussian.detection import homodyne
        >>> atoms = oscillator("S", frequency=0.0, passive=1.0, damping=1.0, decoherence=1.5)
        >>> v = condition(atoms, homodyne("S.light", angle=np.pi / 2)).state.covariance
        >>> print(v.diagonal().round(6).tolist())
        [0.866025..., 1.0]
    """
    no_delays(system, "condition")
    current = measurement(system, *detectors)
    if times is None:
        if record is not None or initial is not None or smooth:
            raise ArgumentError(
                "`record`, `initial` and `smooth` need `times`; without times the stationary state is solved."
            )
        found = _stationary(system, current)
    else:
        begin = start_of(system, initial)
        check_times(times)
        grid = jnp.asarray(times, float)
        if record is None:
            if smooth:
                raise ArgumentError(
                    "`smooth` needs a `record`; what the future would add is solve.condition.retrodict."
                )
            found = _over_time(system, current, grid, begin)
        else:
            found = _with_record(system, current, grid, begin, _checked(record, current, grid), smooth)
    return found.raise_if_bad() if throw else found


def retrodict(system: LinearSystem, *detectors: Detector, throw: bool = True) -> Solution:
    """What the record still to come will tell of the present: the stationary effect matrix as a Gaussian.

    Formula: the Riccati equation run backwards, A -> -A, N -> -N.

    Returns:
        A `Solution`; a quadrature whose prediction has variance v and retrodiction u is known to 1/(1/v + 1/u) from
        both.

    Raises:
        OutcomeError: the future record does not tell all quadratures; ArgumentError: as `condition`.

    Example:
        >>> from darkstate.gaussian.components import oscillator
        >>> from darkstate.gaussian.detection import heterodyne
        >>> atoms = oscillator("S", frequency=0.0, passive=1.0)
        >>> print(retrodict(atoms, heterodyne("S.light")).state.covariance.round(6).tolist())
        [[0.5, 0.0], [0.0, 0.5]]
    """
    no_delays(system, "retrodict")
    found = _backwards(system, measurement(system, *detectors))
    return found.raise_if_bad() if throw else found


def kalman_gain(system: LinearSystem, current: Measurement, covariance: Any) -> Any:
    """K = (V C^T + N) R^{-1} [q k; 1/sqrt(s)]: how far the mean moves per surprise in the current."""
    return solve(current.noise, (covariance @ current.output.T + current.correlation).T).T


@jax.jit
def _stationary(system: LinearSystem, current: Measurement) -> Solution:
    return _solved(system, system.drift, current, 1.0)


@jax.jit
def _backwards(system: LinearSystem, current: Measurement) -> Solution:
    return _solved(system, -system.drift, current, -1.0)


def _solved(system: LinearSystem, drift: Any, current: Measurement, sign: float) -> Solution:
    turned = Measurement(current.output, sign * current.correlation, current.noise)
    v = stationary(drift, system.diffusion, turned.output, turned.correlation, turned.noise)
    gain = kalman_gain(system, turned, v)
    closed = drift - gain @ turned.output
    # One Newton step brings V to rounding, which pure states need; the stability check shares its factorisation.
    common = gain @ turned.correlation.T
    driven = system.diffusion + gain @ turned.noise @ gain.T - common - common.T
    v, p = lyapunov(closed, jnp.stack([driven, jnp.eye(len(v))]))
    checks = {
        **relaxation_checks(closed, p, exchange=exchange(system)),
        "commutators": system.commutator_defect,
        **state_checks(v),
    }
    return Solution(GaussianState(jnp.zeros(v.shape[0]), v, system.modes), None, decide(checks), checks)


@jax.jit
def _over_time(system: LinearSystem, current: Measurement, times: Any, initial: GaussianState) -> Solution:
    equation = reduced(system.drift, system.diffusion, current.output, current.correlation, current.noise)
    covariance = jax.vmap(lambda t: apply(filter_step(equation, t), initial.covariance))(times)
    none = jnp.zeros_like(initial.covariance)
    mean = jax.vmap(lambda t: propagate(system.drift, none, t)[0] @ initial.mean)(times)
    checks = {"commutators": system.commutator_defect, **state_checks(covariance)}
    return Solution(GaussianState(mean, covariance, system.modes), times, decide(checks), checks)


@partial(jax.jit, static_argnames="smooth")
def _with_record(
    system: LinearSystem, current: Measurement, times: Any, initial: GaussianState, record: Any, smooth: bool
) -> Solution:
    def one(length: Any) -> Bin:
        return bin_of(system.drift, system.diffusion, current, length)

    bins = jax.vmap(one)(jnp.diff(times))
    filtered = kalman_filter(bins, record, initial.mean, initial.covariance)
    mean, covariance = kalman_smoother(bins, filtered) if smooth else (filtered.mean, filtered.covariance)
    checks = {"commutators": system.commutator_defect, **state_checks(filtered.covariance)}
    return Solution(GaussianState(mean, covariance, system.modes), times, decide(checks), checks)


def _checked(record: Any, current: Measurement, times: Any) -> Any:
    """The record as an array.

    Raises:
        ArgumentError: its shape does not fit times and detectors, or the first time is not 0.
    """
    found, shape = jnp.asarray(record, float), (len(times) - 1, current.output.shape[0])
    if found.ndim == 1 and shape[1] == 1:
        found = found[:, None]
    if found.shape != shape:
        raise ArgumentError(
            f"Argument `record` must have shape {shape}: one row per interval between the times, one column per "
            f"measured quadrature; but it has {found.shape}."
        )
    if not isinstance(times, jax.core.Tracer) and not bool((jnp.diff(times) > 0).all()):
        raise ArgumentError("With a record every time must be later than the one before: no interval may be empty.")
    if not isinstance(times, jax.core.Tracer) and float(times[0]) != 0:
        raise ArgumentError(f"A record starts at t = 0, but the first of `times` is {float(times[0]):g} s.")
    if not isinstance(found, jax.core.Tracer) and not np.isfinite(found).all():
        raise ArgumentError("Argument `record` must hold finite numbers, but holds an infinity or not a number.")
    return found
