"""evolve: the state of a model over time.

Dispatches on the model, and for spin ensembles on the method: `MomentEquations` are integrated, `AdiabaticClosedForm`
is evaluated. Down: `spins.moments`, `spins.closed_forms`, `integrate`; `exact_spins` for few atoms, `linear` for
linear systems, `two_atoms` for atom pairs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from math import ceil, log2
from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.gaussian.linear_system import LinearSystem
from darkstate.gaussian.state import GaussianState
from darkstate.pair.atom_pair import AtomPair
from darkstate.pair.state import PairState
from darkstate.solve.checks import d_over_n, decide, not_finite, out_of_range, transverse_excess
from darkstate.solve.exact_spins import evolve_exact
from darkstate.solve.integrate import integrate
from darkstate.solve.linear import Stages, check_times, evolve_constant, evolve_driven, no_delays, start_of
from darkstate.solve.methods import (
    AbstractLevels,
    AdiabaticClosedForm,
    ExactLiouvillian,
    Kinetic,
    MomentEquations,
    Trajectories,
)
from darkstate.solve.solution import Solution
from darkstate.solve.trajectories import evolve_sampled
from darkstate.solve.two_atoms import evolve_pair
from darkstate.spins.closed_forms import adiabatic_moments, decay_rates, start
from darkstate.spins.ensembles import Rates, SpinEnsembles
from darkstate.spins.moments import mean_field, moment_rates, one_way, total_rates
from darkstate.spins.protocol import Protocol, protocol
from darkstate.spins.state import Isotropic, SpinState
from darkstate.spins.two import Two, join, scalars

STEP = 0.2
"""Largest step times decay rate; the stated error of the moments is then below 1e-7."""

MOST_SUBSTEPS = 4096
"""Beyond this many steps per interval the rates cannot be followed; the stated error then says not_converged."""


def evolve(
    model: SpinEnsembles | AtomPair | LinearSystem | Stages | Callable[[Any], LinearSystem],
    times: Any,
    *,
    initial: GaussianState | PairState | None = None,
    protocol: Protocol | None = None,
    method: MomentEquations
    | AdiabaticClosedForm
    | ExactLiouvillian
    | Trajectories
    | Kinetic
    | AbstractLevels
    | None = None,
    throw: bool = True,
) -> Solution:
    """Evolve two spin ensembles, an atom pair, or a linear system.

    Formula: the moment equations of `spins.moments` (001 App. C, D, corrected), or 001 Eqs. (14), (21); for linear
    systems d<x>/dt = A <x>, dV/dt = A V + V A^T + D, exact where A and D are constant.

    Args:
        model: two ensembles; an `AtomPair`; or a `LinearSystem`, a list of (system, duration) one after the other, or
            a function of time that returns a system (integrated; the same modes and ports at all times).
        times: increasing times from 0 on [t; s].
        initial: state a linear system or a pair starts from; None = vacuum, |00>.
        protocol: segments of light for ensembles; None = drive, pump and repump on for ever at strength 1.
        method: `MomentEquations` (default of ensembles and functions of time), `AdiabaticClosedForm`, or, without
            approximation, `ExactLiouvillian` for small ensembles and `Trajectories` (`Leaping`) for larger ones; for a
            pair `Kinetic` (default), `Structured` or `Dense`.
        throw: raise on a bad outcome; False keeps the code per point.

    Returns:
        A `Solution`; its state has leaves [t 2], for a linear system or a pair [t q q].

    Validity: see the method; `checks["d_over_n"]` (d/N, with finite_atoms d/N^2) above 0.05, and a collective decay
    rate that turns negative (inverted spins, superradiance), are outside_validity; all limits are in `solve.checks`.

    Raises:
        OutcomeError: a check failed and `throw` is set.
        ArgumentError: the times do not increase from 0 on, the method does not accept the protocol, or it leaves
            `substeps` open inside jit, vmap or grad.

    Example:
        >>> from darkstate.experiments.two_level_ensembles import *
        >>> from darkstate.witness.epr import epr_variance
        >>> lab = TwoLevelEnsembles(Ensembles(optical_depth=30), Drive(rate=1.0, z=1.5), noise=Noise(gamma_d_add=2.0))
        >>> solution = evolve(lab.model(), [0.0, 0.1])
        >>> print(f"{epr_variance(solution.state).value[-1]:.9f}")
        0.562169740
    """
    check_times(times)
    if isinstance(model, AtomPair):
        found = evolve_pair(model, times, initial, Kinetic() if method is None else method)
        return found.raise_if_bad() if throw else found
    method = MomentEquations() if method is None else method
    if isinstance(model, LinearSystem | Sequence) or callable(model):
        found = _linear(model, jnp.asarray(times, float), initial, method)
        return found.raise_if_bad() if throw else found
    if not isinstance(model, SpinEnsembles):
        raise ArgumentError(
            f"Argument `model` must be a SpinEnsembles, an AtomPair or a LinearSystem, but is a "
            f"{type(model).__name__}; from a lab file take `lab.experiment.model()`."
        )
    if isinstance(method, ExactLiouvillian):
        found = evolve_exact(model, times, protocol, method)
        return found.raise_if_bad() if throw else found
    if isinstance(method, Trajectories):
        found = evolve_sampled(model, times, protocol, method)
        return found.raise_if_bad() if throw else found
    times = jnp.asarray(times, float)
    if isinstance(method, AdiabaticClosedForm):
        if protocol is not None and not _is_constant_drive(protocol):
            raise ArgumentError(
                "Method AdiabaticClosedForm holds for one drive segment of strength 1 from t = 0; use MomentEquations "
                "for this protocol."
            )
        solution = _adiabatic(model, times)
    elif isinstance(method, MomentEquations):
        pulses = protocol or _always_on()
        substeps = method.substeps or _substeps(model, pulses, times)
        solution = _moments(
            model, pulses, times, method.variant == "corrected", method.finite_atoms, substeps, method.tolerance
        )
    else:
        raise ArgumentError(
            "Argument `method` must be MomentEquations, AdiabaticClosedForm, ExactLiouvillian, Trajectories or "
            f"Leaping, but is {method!r}; steady_state takes ClosedForm."
        )
    return solution.raise_if_bad() if throw else solution


def _linear(model: Any, times: Any, initial: Any, method: Any) -> Solution:
    if callable(model):
        begin = model(times[0])
        no_delays(begin, "evolve")
        if not isinstance(method, MomentEquations):
            raise ArgumentError(f"A function of time is integrated: method must be MomentEquations, but is {method!r}.")
        substeps = method.substeps or _driven_substeps(model, times)
        return evolve_driven(model, times, start_of(begin, initial), substeps, method.tolerance)
    stages = ((model, 0.0),) if isinstance(model, LinearSystem) else tuple(model)
    if not stages or not all(len(stage) == 2 and isinstance(stage[0], LinearSystem) for stage in stages):
        raise ArgumentError("Argument `model` must be a LinearSystem or a list of pairs (LinearSystem, duration in s).")
    systems = tuple(stage[0] for stage in stages)
    for system in systems:
        no_delays(system, "evolve")
        if system.modes != systems[0].modes:
            raise ArgumentError(
                f"All stages must have the same modes in the same order, but have {', '.join(systems[0].modes)} and "
                f"{', '.join(system.modes)}."
            )
    ends = jnp.cumsum(jnp.asarray([stage[1] for stage in stages[:-1]], float))
    return evolve_constant(systems, ends, times, start_of(systems[0], initial))


def _driven_substeps(model: Callable[[Any], LinearSystem], times: Any) -> int:
    """Steps per interval from the largest rate at the times asked for."""
    if isinstance(times, jax.core.Tracer) or isinstance(model(times[0]).drift, jax.core.Tracer):
        raise ArgumentError(NO_SUBSTEPS)
    rate = max(float(jnp.abs(model(t).drift).sum(1).max()) for t in times)
    return substeps_for(rate, float(jnp.max(jnp.diff(times, prepend=0.0))))


NO_SUBSTEPS = (
    "Inside jit, vmap or grad the number of steps must be given, since the rates are not known yet: "
    "method=MomentEquations(substeps=2); the outcome says whether it was enough."
)


def _always_on() -> Protocol:
    return protocol(("drive", 0.0))


def _is_constant_drive(pulses: Protocol) -> bool:
    try:
        ends = np.asarray([pulses.start[0], pulses.end[0]])
    except jax.errors.TracerArrayConversionError:
        return False
    return len(pulses.durations) == 1 and bool((ends == 1).all())


def _substeps(model: SpinEnsembles, pulses: Protocol, times: Any) -> int:
    """Steps per interval from the largest rate."""
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((model, pulses, times))):
        raise ArgumentError(NO_SUBSTEPS)
    strongest = np.max(np.concatenate([np.asarray(pulses.start), np.asarray(pulses.end)]), axis=0)
    rate = fastest(total_rates(model, strongest)) + float(jnp.abs(model.larmor).sum())
    return substeps_for(rate, float(jnp.max(jnp.diff(times, prepend=0.0))))


def fastest(rates: Rates) -> float:
    """An upper bound of how fast anything changes: the sum of all rates, the larger ensemble counting [1/s].

    Example:
        >>> fastest(Rates(cooling=2.0, collective=30.0))
        32.0
    """
    return float(sum(np.max(np.asarray(getattr(rates, f.name))) for f in dataclasses.fields(rates)))


def substeps_for(rate: float, interval: float) -> int:
    """Steps per interval that keep step times rate below STEP; a power of two, so that few programs are compiled.

    Example:
        >>> substeps_for(300.0, 0.25e-3), substeps_for(3000.0, 0.25e-3)
        (1, 4)
    """
    return int(2 ** ceil(log2(min(float(MOST_SUBSTEPS), max(1.0, rate * interval / STEP)))))


def _inputs(pulses: Protocol, grid: Any, segment: Any) -> tuple[Any, Any]:
    """Strengths at both ends of each grid interval [t-1 3], given the number of the segment it lies in [t-1]."""
    durations = jnp.asarray(pulses.durations, float)
    ends = jnp.cumsum(durations)
    first, last = jnp.asarray(pulses.start, float), jnp.asarray(pulses.end, float)
    k = jnp.minimum(segment, len(durations) - 1)
    begin, length = ends[k] - durations[k], jnp.where(durations > 0, durations, 1.0)[k]
    over = (segment >= len(durations))[:, None]

    def at(t: Any) -> Any:
        # Clipped, so that rounding at the end of a ramp never makes a strength negative.
        done = jnp.clip((t - begin) / length, 0.0, 1.0)[:, None]
        return jnp.where(over, last[k], (1 - done) * first[k] + done * last[k])

    return at(grid[:-1]), at(grid[1:])


@partial(jax.jit, static_argnames=("loss_term", "finite", "substeps"))
def _moments(
    model: SpinEnsembles, pulses: Protocol, times: Any, loss_term: bool, finite: bool, substeps: int, tolerance: Any
) -> Solution:
    ensembles, first = scalars(model), scalars(start(model))
    inverse = ensembles.atoms**-1 if finite else Two(0.0, 0.0)

    def rate(strengths: Any, state: Isotropic) -> Isotropic:
        # The start is isotropic, and so is every later state: ten numbers per point instead of twenty-four.
        m, rates = state.moments, total_rates(ensembles, strengths)
        d = moment_rates(m, mean_field(m, inverse), ensembles, rates, inverse_atoms=inverse, loss_term=loss_term)
        return Isotropic(d.up, d.down, d.h, d.yy, d.cross_yy, d.cross_yz)

    # Segment borders join the grid, so that no step crosses a jump; the wanted times are picked out afterwards. An
    # interval belongs to the segment whose number of borders precede it, also when its length is zero: the derivative
    # with respect to a duration lives there.
    borders = jnp.cumsum(jnp.asarray(pulses.durations, float))
    grid = jnp.concatenate([jnp.zeros(1), times, jnp.minimum(borders, times.max())])
    order = jnp.argsort(grid, stable=True)
    segment = jnp.cumsum(order > len(times))[:-1]
    grid = grid[order]
    begin, end = _inputs(pulses, grid, segment)
    states, errors = integrate(rate, first, grid, (begin, end), substeps=substeps)
    states = join(states)
    x = (states.up - states.down) / 2
    rates_at = jax.vmap(lambda s: total_rates(model, s))
    slowest = jnp.minimum(decay_rates(x[:-1], rates_at(begin)).min(), decay_rates(x[1:], rates_at(end)).min())
    excess = jax.vmap(transverse_excess)(rates_at(jnp.concatenate([begin, end]))).max()
    checks = {
        "numerical_error": errors[-1],
        "inverted_decay": -slowest,
        "transverse_excess": excess,
        "d_over_n": d_over_n(model, finite_atoms=finite),
        **_common_checks(model, states),
    }
    where = jnp.argsort(order, stable=True)[1 : len(times) + 1]
    found = jax.tree.map(lambda leaf: leaf[where], states)
    return Solution(_state(model, found), times, decide(checks, tolerance=tolerance), checks)


@jax.jit
def _adiabatic(model: SpinEnsembles, times: Any) -> Solution:
    rates = total_rates(model, jnp.ones(3))
    states = adiabatic_moments(model, rates, times)
    strongest = rates.collective.max()
    checks = {
        "unequal_z": jnp.abs(one_way(model, rates)[1]) / jnp.where(strongest == 0, 1.0, strongest),
        "inverted_decay": -decay_rates((states.up - states.down) / 2, rates).min(),
        "transverse_excess": transverse_excess(rates),
        "d_over_n": d_over_n(model),
        **_common_checks(model, states),
    }
    return Solution(_state(model, states), times, decide(checks), checks)


def _common_checks(model: SpinEnsembles, states: Isotropic) -> dict[str, Any]:
    return {
        "out_of_range": out_of_range(model),
        "uncertainty_violation": -states.uncertainty_defect.min(),
        "not_finite": not_finite(states),
    }


def _state(model: SpinEnsembles, states: Isotropic) -> SpinState:
    spin = jnp.broadcast_to(model.hyperfine_spin, states.up.shape[:-1])
    return SpinState(states.moments, jnp.broadcast_to(model.atoms, states.up.shape), spin)
