"""Spin ensembles by quantum trajectories: over time, and in the steady state, each number with its standard error.

Up: `evolve` and `steady_state` take the methods `Trajectories` and `Leaping`; down: `spins.exact.sampling` runs them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.solve.checks import decide
from darkstate.solve.linear import check_times
from darkstate.solve.methods import Leaping, Trajectories
from darkstate.solve.solution import Solution
from darkstate.spins.ensembles import SpinEnsembles
from darkstate.spins.exact.jumps import JumpModel, jumps_of
from darkstate.spins.exact.sampled import Sampled
from darkstate.spins.exact.sampling import Run, sample, sample_until
from darkstate.spins.protocol import Protocol, constant_segments
from darkstate.spins.state import SpinState

LEAST_LEAP = 1000
"""Fewest atoms per ensemble that leaping holds for."""

BURN_IN, AVERAGE, POINTS = 10.0, 10.0, 21
"""Steady states: relaxation times waited for, averaged over, and times averaged."""

Until = tuple[Callable[[SpinState], Any], float]


def exact_samples(
    model: SpinEnsembles | JumpModel,
    times: Any,
    *,
    protocol: Protocol | None = None,
    method: Trajectories | None = None,
    until: Until | None = None,
    progress: Callable[[float], None] | None = None,
) -> Sampled:
    """One or two ensembles over time by quantum trajectories, with all that can be read from them.

    Formula: between jumps d|psi>/dt = -(K/2 + i H)|psi>, K the sum of L^+ L; a jump L comes with probability
    |L psi|^2 dt. Source: 001 Eqs. (13), D1, every jump in its permutation-symmetric form (`spins.exact.irreps`).

    Args:
        model: ensembles in the light, or their `JumpModel`; N_II = 0 is one ensemble.
        times: increasing times from 0 on [t; s].
        protocol: segments of constant light; None = all lights on for ever at strength 1. A `JumpModel` takes none.
        method: `Trajectories` (default) or `Leaping`.
        until: (figure, error): go on until the standard error of the figure is below it at every time, at most
            `method.number` trajectories.
        progress: called with the share done.

    Returns:
        A `Sampled`: `estimate(figure)` gives any figure with its standard error.

    Raises:
        ArgumentError: the model has no such solution, Numba is missing, or a state spreads beyond the window.
        OutcomeError: leaping does not hold for these ensembles.

    Example:
        >>> from darkstate.experiments.two_level_ensembles import *
        >>> from darkstate.witness.epr import epr_variance
        >>> lab = TwoLevelEnsembles(Ensembles(optical_depth=5, atoms=4), Drive(rate=1.0, z=1.5), noise=Noise(2.0))
        >>> found = exact_samples(lab.model(), [0.2], method=Trajectories(number=4000))
        >>> xi, error = found.estimate(lambda state: epr_variance(state).value)
        >>> print(bool(abs(xi[0] - 0.852243) < 4 * error[0]), bool(error[0] < 0.02))  # 0.852243: density matrix
        True True
    """
    found = _run(model, times, protocol, method, until, progress)
    _solution(found, found.times).raise_if_bad()
    return found


def _run(
    model: SpinEnsembles | JumpModel,
    times: Any,
    protocol: Protocol | None,
    method: Trajectories | None,
    until: Until | None = None,
    progress: Callable[[float], None] | None = None,
) -> Sampled:
    check_times(times)
    method = Trajectories() if method is None else method
    pieces = [(end, jumps_of(model, strengths)) for end, strengths in constant_segments(protocol, float(times[-1]))]
    run = Run(pieces, np.asarray(times, float), method.seed, threads=method.threads)
    if not isinstance(method, Leaping):
        return _samples(run, method, until, progress)
    _check_leap(pieces)
    fastest = max(max(np.ravel(m.local)) for _, m in pieces)
    step = method.step / fastest if fastest else float(times[-1]) or 1.0
    halves: list[Callable[[float], None] | None] = [None, None]
    if progress is not None:
        halves = [lambda share, k=k: progress((k + share) / 2) for k in (0, 1)]  # type: ignore[misc]
    coarse = _samples(dataclasses.replace(run, leap_step=step), method, until, halves[0])
    fine = dataclasses.replace(run, leap_step=step / 2, seed=method.seed + 2**63)  # numbers of its own
    found = _samples(fine, method, until, halves[1])
    reach = {"leap_range": max(part.figures["leap_range"] for part in (coarse, found))}
    return dataclasses.replace(found, coarse=coarse, figures={**found.figures, **reach})


def steady_samples(
    model: SpinEnsembles | JumpModel,
    *,
    strengths: Any = (1.0, 1.0, 1.0),
    method: Trajectories | None = None,
    until: Until | None = None,
    progress: Callable[[float], None] | None = None,
) -> Sampled:
    """The steady state by quantum trajectories: each is averaged over time after it has forgotten its start.

    Formula: 10 relaxation times 1/Gamma_slow are waited for, and 21 states over the next 10 are averaged; Gamma_slow is
    the slowest rate of a single atom, of its populations (cooling + heating, or the rate equations of three levels) and
    of its coherence, in the worse ensemble. Errors come from the scatter between trajectories, so that correlations in
    time are in them.

    Args:
        model, method, until, progress: as `exact_samples`; strengths: of (drive, pump, repump) [3].

    Returns:
        A `Sampled` with the time axis [1]; `figures["drift"]` is the change of the transverse variances between the two
        halves of the average, in standard errors.

    Raises:
        ArgumentError: as `exact_samples`; or no single-atom rate makes the state forget its start.
        OutcomeError: as `exact_samples`; or the average still drifts.

    Example:
        >>> from darkstate.spins.exact.jumps import one_ensemble
        >>> found = steady_samples(one_ensemble(4, emission=1.0, pumping=3.0), method=Trajectories(number=500))
        >>> polarization, error = found.estimate(lambda state: state.polarization[..., 0])
        >>> print(bool(abs(polarization[0] - 0.5) < 4 * error[0]), bool(error[0] < 0.02))
        True True
    """
    found = _run_steady(model, strengths, method, until, progress)
    _solution(found, found.times).raise_if_bad()
    return found


def _run_steady(
    model: SpinEnsembles | JumpModel,
    strengths: Any,
    method: Trajectories | None,
    until: Until | None = None,
    progress: Callable[[float], None] | None = None,
) -> Sampled:
    jumps = jumps_of(model, strengths)
    slow = _slowest(jumps)
    times = np.linspace(BURN_IN / slow, (BURN_IN + AVERAGE) / slow, POINTS)
    if until is not None:
        figure, error = until
        until = (lambda state: figure(_mean(state)), error)
    found = _run(jumps, times, None, method, until, progress)
    averaged = _averaged(found)
    return averaged if found.coarse is None else dataclasses.replace(averaged, coarse=_averaged(found.coarse))


def evolve_sampled(model: Any, times: Any, pulses: Protocol | None, method: Trajectories) -> Solution:
    """Mean moments over time; see `evolve`."""
    return _solution(_run(model, times, pulses, method), jnp.asarray(times, float))


def steady_sampled(model: Any, strengths: Any, method: Trajectories) -> Solution:
    """Mean moments of the steady state; see `steady_state`."""
    return _solution(_run_steady(model, strengths, method), None)


def _solution(found: Sampled, times: Any) -> Solution:
    state = found.spin_state
    checks = {name: jnp.asarray(value) for name, value in found.figures.items()}
    _, error = found.estimate(lambda s: s.moments.yy)
    checks["sampling_error"] = jnp.max(error)
    if times is None:
        state = jax.tree.map(lambda leaf: leaf[0], state)
    return Solution(state, times, decide(checks, tolerance=jnp.inf), checks)


def _samples(run: Run, method: Trajectories, until: Until | None, progress: Any) -> Sampled:
    if until is None:
        return sample(run, method.number, progress)
    figure, error = until
    if not error > 0:
        raise ArgumentError(f"Argument `until` must ask for a standard error above 0, but asks for {error!r}.")
    return sample_until(run, method.number, figure, error, progress)


def _check_leap(pieces: Any) -> None:
    model = pieces[0][1]
    few = [n for n in model.atoms if 0 < n < LEAST_LEAP]
    if few:
        raise ArgumentError(
            f"Leaping needs at least {LEAST_LEAP} atoms per ensemble, but there are {few[0]}: take Trajectories()."
        )
    if not (all(m.conserves(-1) for _, m in pieces) or all(m.conserves(1) for _, m in pieces)):
        raise ArgumentError(
            "Leaping needs collective jumps that conserve m_I - m_II or m_I + m_II, and these do neither: take "
            "Trajectories() with few atoms."
        )


def _slowest(model: JumpModel) -> float:
    """The slowest rate at which single atoms forget their start, populations and coherences [1/s]."""
    rates = []
    for e, n in enumerate(model.atoms):
        if not n:
            continue
        cool, heat, dephasing, up_h, down_h, h_up, h_down = (pair[e] for pair in model.local)
        rates.append(cool + heat + up_h + down_h + dephasing)
        if model.third[e]:
            moves = np.array([[0.0, cool, h_up], [heat, 0.0, h_down], [up_h, down_h, 0.0]])  # up, down, h
            decay = np.sort(-np.linalg.eigvals(moves - np.diag(moves.sum(0))).real)
            rates.append(decay[1] if decay[1] > 1e-12 * decay[-1] else 0.0)  # decay[0] = 0 is the steady state
        else:
            rates.append(cool + heat)
    if not min(rates) > 0:
        raise ArgumentError(
            "The steady state depends on the start: the single-atom rates do not make every ensemble forget it. Give "
            "it such a rate, or use exact_samples over the time you mean."
        )
    return float(min(rates))


def _mean(state: SpinState) -> SpinState:
    return jax.tree.map(lambda leaf: leaf.mean(-2) if leaf.ndim > 1 else leaf.mean(-1), state)


def _averaged(found: Sampled) -> Sampled:
    sums = found.blocks.sums
    half = sums.shape[1] // 2
    change = (sums[:, -half:].mean(1) - sums[:, :half].mean(1))[:, 4:6] / found.blocks.sizes[:, None]
    scatter = change.std(0, ddof=1) / np.sqrt(len(change)) if len(change) > 1 else np.full(2, np.inf)
    drift = float(np.max(np.abs(change.mean(0)) / np.where(scatter > 0, scatter, np.inf)))
    counts = found.blocks.counts.sum(0)[None] if found.blocks.counts.size else found.blocks.counts
    blocks = dataclasses.replace(found.blocks, sums=sums.mean(1, keepdims=True), counts=counts)
    return dataclasses.replace(
        found, times=np.array([np.inf]), blocks=blocks, figures={**found.figures, "drift": drift}
    )
