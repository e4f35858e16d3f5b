"""evolve: the state of a model over time.

Dispatches on the method: `MomentEquations` are integrated, `AdiabaticClosedForm` is evaluated. Down: `spins.moments`,
`spins.closed_forms`, `integrate`.
"""

from __future__ import annotations

from functools import partial
from math import ceil, log2
from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError, Outcome
from darkstate.solve.integrate import integrate
from darkstate.solve.methods import AdiabaticClosedForm, MomentEquations
from darkstate.solve.solution import LIMIT_PHYSICAL, Solution, decide
from darkstate.spins.closed_forms import adiabatic_moments, decay_rates, population_matrix, start
from darkstate.spins.ensembles import SpinEnsembles
from darkstate.spins.moments import mean_field, moment_rates, one_way, total_rates
from darkstate.spins.protocol import Protocol, protocol
from darkstate.spins.state import Isotropic, SpinState
from darkstate.spins.two import Two, join, scalars

STEP = 0.2
"""Largest step times decay rate; the stated error of the moments is then below 1e-7."""

MOST_SUBSTEPS = 4096
"""Beyond this many steps per interval the rates cannot be followed; the stated error then says not_converged."""

UNDER_TRACE = 4
"""Substeps where the rates are not yet numbers (inside jit or vmap) and the method leaves the choice open."""


def evolve(
    model: SpinEnsembles,
    times: Any,
    *,
    protocol: Protocol | None = None,
    method: MomentEquations | AdiabaticClosedForm = MomentEquations(),  # noqa: B008 (frozen)
    throw: bool = True,
) -> Solution:
    """Evolve two spin ensembles from their initial populations.

    Formula: the moment equations of `spins.moments` (001 App. C, D, corrected), or 001 Eqs. (14), (21).

    Args:
        model: the two ensembles.
        times: increasing times from 0 on [t; s].
        protocol: segments of light; None = drive, pump and repump on for ever at strength 1.
        method: `MomentEquations` (default) or `AdiabaticClosedForm`.
        throw: raise on a bad outcome; False keeps the code per point.

    Returns:
        A `Solution`; its state has leaves [t 2].

    Validity: see the method; `checks["d_over_n"]` above 0.05 without finite_atoms, and a collective decay rate that
    turns negative (inverted spins, superradiance), are outside_validity.

    Raises:
        OutcomeError: a check failed and `throw` is set. ArgumentError: the method does not accept the protocol.

    Example:
        >>> from darkstate.experiments.two_level_ensembles import *
        >>> from darkstate.witness.epr import epr_variance
        >>> lab = TwoLevelEnsembles(Ensembles(optical_depth=30), Drive(rate=1.0, z=1.5), noise=Noise(gamma_d_add=2.0))
        >>> solution = evolve(lab.model(), [0.0, 0.1])
        >>> print(f"{epr_variance(solution.state).value[-1]:.9f}")
        0.562169740
    """
    times = jnp.asarray(times, float)
    if isinstance(method, AdiabaticClosedForm):
        if protocol is not None and not _is_constant_drive(protocol):
            raise ArgumentError(
                "Method AdiabaticClosedForm holds for one drive segment of strength 1 from t = 0; use MomentEquations "
                "for this protocol."
            )
        solution = _adiabatic(model, times)
    else:
        pulses = protocol or _always_on()
        substeps = method.substeps or _substeps(model, pulses, times)
        solution = _moments(
            model, pulses, times, method.variant == "corrected", method.finite_atoms, substeps, method.tolerance
        )
    return solution.raise_if_bad() if throw else solution


def _always_on() -> Protocol:
    return protocol(("drive", 0.0))


def _is_constant_drive(pulses: Protocol) -> bool:
    on = jnp.ones(3)
    return len(pulses.durations) == 1 and all(
        not isinstance(s, jax.core.Tracer) and bool((jnp.asarray(s) == on).all())
        for s in (pulses.start[0], pulses.end[0])
    )


def _substeps(model: SpinEnsembles, pulses: Protocol, times: Any) -> int:
    """Steps per interval from the largest rate, or UNDER_TRACE where rates are not numbers yet."""
    leaves = jax.tree.leaves((model, pulses, times))
    if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
        return UNDER_TRACE
    strongest = np.max(np.concatenate([np.asarray(pulses.start), np.asarray(pulses.end)]), axis=0)
    rates = total_rates(model, strongest)
    populations = jnp.abs(jnp.diagonal(population_matrix(rates), axis1=-2, axis2=-1)).max()
    fastest = float(jnp.max(rates.transverse + rates.collective) + populations + jnp.abs(model.larmor).sum())
    return substeps_for(fastest, float(jnp.max(jnp.diff(times, prepend=0.0))))


def substeps_for(rate: float, interval: float) -> int:
    """Steps per interval that keep step times rate below STEP; a power of two, so that few programs are compiled.

    Example:
        >>> substeps_for(300.0, 0.25e-3), substeps_for(3000.0, 0.25e-3)
        (1, 4)
    """
    return min(MOST_SUBSTEPS, int(2 ** ceil(log2(max(1.0, rate * interval / STEP)))))


def _inputs(pulses: Protocol, grid: Any) -> tuple[Any, Any]:
    """Strengths at both ends of each grid interval [t-1 3]; the segment is the one the interval's middle lies in."""
    durations = jnp.asarray(pulses.durations, float)
    ends = jnp.cumsum(durations)
    first, last = jnp.asarray(pulses.start, float), jnp.asarray(pulses.end, float)
    middle = (grid[1:] + grid[:-1]) / 2
    k = jnp.searchsorted(ends, middle, side="right")
    inside = k < len(durations)
    k = jnp.minimum(k, len(durations) - 1)
    slope = (last - first) / jnp.where(durations > 0, durations, 1.0)[:, None]
    begin = ends[k] - durations[k]

    def at(t: Any) -> Any:
        return jnp.where(inside[:, None], first[k] + slope[k] * (t - begin)[:, None], last[k])

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

    # Segment borders join the grid, so that no step crosses a jump; the wanted times are picked out afterwards.
    borders = jnp.cumsum(jnp.asarray(pulses.durations, float))
    grid = jnp.concatenate([jnp.zeros(1), times, jnp.minimum(borders, times[-1])])
    order = jnp.argsort(grid, stable=True)
    grid = grid[order]
    begin, end = _inputs(pulses, grid)
    states, errors = integrate(rate, first, grid, (begin, end), substeps=substeps)
    where = jnp.argsort(order, stable=True)[1 : len(times) + 1]
    states = join(jax.tree.map(lambda leaf: leaf[where], states))
    strengths = jnp.concatenate([begin, end[-1:]])[where]
    slowest = jax.vmap(lambda s, x: decay_rates(x, total_rates(model, s)).min())(
        strengths, (states.up - states.down) / 2
    )
    return _solution(
        model, states, times, {"numerical_error": errors[-1]}, slowest.min(), _d_over_n(model, finite), tolerance
    )


@jax.jit
def _adiabatic(model: SpinEnsembles, times: Any) -> Solution:
    rates = total_rates(model, jnp.ones(3))
    states = adiabatic_moments(model, rates, times)
    unequal = jnp.abs(one_way(model, rates)[1]) / jnp.where(rates.collective.max() > 0, rates.collective.max(), 1.0)
    slowest = decay_rates((states.up - states.down) / 2, rates).min()
    return _solution(model, states, times, {"unequal_z": unequal}, slowest, _d_over_n(model, False), 1e-9)


def _d_over_n(model: SpinEnsembles, finite: bool) -> Any:
    """Optical depth over atom number, the relative size of what N to infinity neglects; Gamma = heating/nu^2 [1].

    The drive's cooling is mu^2 Gamma, so that d = (d Gamma) mu^2 / cooling.
    """
    gamma = model.drive.cooling / model.mu**2
    depth = model.drive.collective / jnp.where(gamma > 0, gamma, jnp.inf)
    return jnp.zeros(()) if finite else jnp.max(depth / model.atoms)


def _solution(
    model: SpinEnsembles,
    states: Isotropic,
    times: Any,
    errors: dict[str, Any],
    slowest: Any,
    d_over_n: Any,
    tolerance: Any,
) -> Solution:
    spin = jnp.broadcast_to(model.hyperfine_spin, states.up.shape[:-1])
    state = SpinState(states.moments, jnp.broadcast_to(model.atoms, states.up.shape), spin)
    checks = {
        **errors,
        "uncertainty_violation": -states.uncertainty_defect.min(),
        "inverted_decay": -slowest,
        "d_over_n": d_over_n,
    }
    (name,) = errors
    outcome = decide(
        checks,
        [
            (name, tolerance, Outcome.not_converged if name == "numerical_error" else Outcome.outside_validity),
            ("uncertainty_violation", -LIMIT_PHYSICAL, Outcome.unphysical_covariance),
            ("inverted_decay", 0.0, Outcome.outside_validity),
            ("d_over_n", 0.05, Outcome.outside_validity),
        ],
    )
    return Solution(state, times, outcome, checks)
