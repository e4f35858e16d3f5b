"""Observables: what is measured over time on an experiment, each a pure function of its parameters.

    name, times -> course -> experiment -> values at exactly these times, outcome code     jit, vmap and grad go through

Nothing is interpolated: the equations are solved at the times of the data, with points between them where the rates ask
for shorter steps. Numbers without a time are `quantities`. Up: `data` holds what was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, log2
from typing import Any, NamedTuple

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.experiments import kind_of
from darkstate.experiments.grid import fastest_rate
from darkstate.experiments.tomltext import nearest
from darkstate.experiments.two_cells import worse_checks
from darkstate.experiments.values import with_values
from darkstate.solve.checks import decide
from darkstate.solve.condition import condition
from darkstate.solve.evolve import STEP, evolve, substeps_for
from darkstate.solve.methods import MomentEquations
from darkstate.spins.closed_forms import start
from darkstate.spins.moments import mean_field, moment_rates, total_rates
from darkstate.spins.state import SpinState
from darkstate.witness.epr import epr_variance, spin_lengths, variance_sum

MOST_POINTS = 2048
"""Points put between the data; where the rates ask for more, every interval is solved in several steps."""


class Observable(NamedTuple):
    """One course over time.

    Args:
        symbol, text: as figures, tables and files show it; all are dimensionless.
        bound: value that separable states do not pass, or None.
        slope: the initial slope is known in closed form; only: nothing but this slope is.
    """

    symbol: str
    text: str
    bound: float | None = None
    slope: bool = False
    only: bool = False


_CELLS = {
    "xi": Observable("ξ(t)", "EPR variance", 1.0, slope=True),
    "jx": Observable("⟨Jx(t)⟩/⟨Jx(0)⟩", "mean spin of both cells over its start", slope=True),
    "sigma": Observable("Σ(t)/2|Jx(0)|", "sum of the transverse variances over the initial spin", slope=True),
    "jy": Observable("⟨Jy(t)⟩/⟨Jy(0)⟩", "transverse mean spin of cell I over its start", slope=True, only=True),
}

OBSERVABLES: dict[str, dict[str, Observable]] = {
    "two_level_ensembles": _CELLS,
    "cesium_cells": _CELLS,
    "spin_mechanics": {},
    "monitored_cells": {
        "xi": Observable("ξ(t)", "EPR variance, light not measured", 1.0),
        "xi_conditional": Observable("ξ(t)|y", "EPR variance given the record", 1.0),
    },
    "tweezer_pair": {
        "p_0": Observable("P₀(t)", "population of |0,0> of prepared pairs"),
        "p_1": Observable("P₁(t)", "population of m = +-1 of prepared pairs"),
        "p_2": Observable("P₂(t)", "population of m = +-2 of prepared pairs"),
    },
}
"""What can be measured over time, by the word after `experiment =` in a lab file."""

Solver = Callable[[Any, Any], tuple[Any, Any]]


class Course(NamedTuple):
    """A pure function from an experiment to one observable at fixed times: (values [t], outcome code).

    Args:
        solver: from experiment and grid to values on the grid and outcome; equal solvers are equal objects, so that
            programs compiled for one course serve another one of the same length.
        grid: times solved at [s]; where: places of the wanted times in it.
    """

    solver: Solver
    grid: np.ndarray
    where: np.ndarray

    def __call__(self, experiment: Any) -> tuple[Any, Any]:
        """Values at the wanted times [t], and the outcome code."""
        values, outcome = self.solver(experiment, jnp.asarray(self.grid))
        return values[self.where], outcome


@partial(jax.jit, static_argnames=("solver", "keys"))
def linearised(solver: Solver, keys: tuple[str, ...], experiment: Any, grid: Any, values: Any) -> tuple[Any, Any, Any]:
    """Values on a grid [t], their derivatives by some parameters [t k] and the outcome.

    Args:
        solver: of a `Course`; keys: dotted keys; experiment, grid: as the solver takes them; values: of the keys [k].
    """

    def at(values: Any) -> tuple[Any, tuple[Any, Any]]:
        found = solver(with_values(experiment, dict(zip(keys, values, strict=True))), grid)
        return found[0], found

    slopes, (found, outcome) = jax.jacfwd(at, has_aux=True)(values)
    return found, slopes, outcome


def known_courses(kind: str) -> list[str]:
    """Names of the observables of an experiment that data over time may have.

    Example:
        >>> known_courses("cesium_cells")
        ['xi', 'jx', 'sigma']
    """
    return [name for name, o in OBSERVABLES[kind].items() if not o.only]


def course(experiment: Any, name: str, times: Any, *, extremes: Sequence[Any] = ()) -> Course:
    """A pure function from an experiment to one observable at given times.

    Args:
        experiment: fixes the class, the pulse sequence and how finely time is cut.
        name: of `OBSERVABLES` of its class.
        times: in any order, repeated or not [t; s].
        extremes: experiments whose fastest rates the steps must follow; the experiment itself is always one.

    Returns:
        A `Course`: a function of any experiment of the same structure.

    Validity: of the solvers; where the steps are too coarse the outcome says not_converged.

    Raises:
        ArgumentError: the name is not known, or known by its initial slope alone.

    Example:
        >>> import darkstate as ds
        >>> e = ds.load(ds.shipped_labs()["krauter2011"]).experiment
        >>> values, outcome = course(e, "xi", [6.6e-3, 0.0])(e)
        >>> print(f"{values[0]:.4f} {values[1]:.4f} {int(outcome)}")
        0.8227 1.0201 0
    """
    kind = kind_of(experiment)
    if name not in known_courses(kind):
        likely = nearest(name, known_courses(kind))
        known = ", ".join(known_courses(kind)) or "none"
        hint = f"did you mean {likely}?" if likely else f"known are {known}"
        raise ArgumentError(f"{name[:40]!r} is no observable over time of {kind}; {hint}")
    wanted = np.asarray(times, float)
    if kind in ("two_level_ensembles", "cesium_cells"):
        grid, substeps = _cut(wanted, [experiment, *extremes])
        solver: Solver = _Cells(name, substeps)
    else:
        # from 0 on, since that is where the state is known
        grid = np.union1d([0.0], wanted)
        solver = _Monitored(name) if kind == "monitored_cells" else _Pair(name)
    return Course(solver, grid, np.searchsorted(grid, wanted))


def _cut(wanted: np.ndarray, everybody: Sequence[Any]) -> tuple[np.ndarray, int]:
    """Times to solve at, and steps per interval: with even points between the wanted ones where that is cheaper."""
    rate, last = max(fastest_rate(e) * _strongest(e) for e in everybody), float(wanted.max())
    own = np.union1d([0.0], wanted)
    steps = substeps_for(rate, float(np.diff(own).max(initial=0.0)))
    # a power of two, so that data sets that are alike share one compiled program
    parts = min(MOST_POINTS, 2 ** ceil(log2(max(1.0, rate * last / STEP))))
    fine = np.union1d(np.linspace(0.0, last, parts + 1), own)
    fine_steps = substeps_for(rate, last / parts)
    return (own, steps) if len(own) * steps <= len(fine) * fine_steps else (fine, fine_steps)


@dataclass(frozen=True)
class _Cells:
    """Two cells: the moment equations over the protocol."""

    name: str
    substeps: int

    def __call__(self, e: Any, grid: Any) -> tuple[Any, Any]:
        method = MomentEquations(substeps=self.substeps)
        found = evolve(e.model(), grid, protocol=e.protocol.protocol(), method=method, throw=False)
        first = jax.tree.map(lambda leaf: leaf[0], found.state)
        return _of_cells(self.name, found.state, first), jnp.maximum(found.outcome, decide(worse_checks(e)))


@dataclass(frozen=True)
class _Monitored:
    """Cells whose light is measured: exact propagation, with or without the record."""

    name: str

    def __call__(self, e: Any, grid: Any) -> tuple[Any, Any]:
        if self.name == "xi":
            found = evolve(e.model(), grid, throw=False)
        else:
            found = condition(e.model(), e.detector(), times=grid, throw=False)
        return epr_variance(found.state).value, jnp.max(found.outcome)


@dataclass(frozen=True)
class _Pair:
    """Two atoms in a tweezer: the kinetic model, each time by its own exponential."""

    name: str

    def __call__(self, e: Any, grid: Any) -> tuple[Any, Any]:
        found = evolve(e.pair(), grid, throw=False)
        return found.state.populations[:, ("p_0", "p_1", "p_2").index(self.name)], jnp.max(found.outcome)


def _strongest(experiment: Any) -> float:
    pulses = experiment.protocol.protocol()
    return max(1.0, *np.ravel(pulses.start), *np.ravel(pulses.end))


def _of_cells(name: str, state: SpinState, first: SpinState) -> Any:
    """One observable of two cells, given the state they started from."""
    if name == "xi":
        return epr_variance(state).value
    if name == "sigma":
        return variance_sum(state) / spin_lengths(first).sum(-1)
    return spin_lengths(state).sum(-1) / spin_lengths(first).sum(-1)


def initial_slope(experiment: Any, name: str) -> Any:
    """d/dt of an observable of two cells at t = 0, from the equations of motion themselves [1/s].

    Formula: the derivative of the observable along the rates of change of the moments; for jy it is
    -(Gamma-tilde + d Gamma P_2 N_2/N)/2 of cell I. Source: 002 SM, its slope of Sigma corrected (row 22).

    Args:
        experiment: two cells; the light is that of the start of its first segment.
        name: an observable of `OBSERVABLES` with a slope.

    Returns:
        The slope; a pure JAX function of the experiment.

    Raises:
        ArgumentError: no such observable, or an experiment without slopes.

    Example:
        >>> import darkstate as ds
        >>> e = ds.load(ds.shipped_labs()["krauter2011"]).experiment
        >>> print(f"T1 = {-1e3 / initial_slope(e, 'jx'):.3f} ms")
        T1 = 34.000 ms
    """
    kind = kind_of(experiment)
    known = [n for n, o in OBSERVABLES[kind].items() if o.slope]
    if name not in known:
        hint = f"known are {', '.join(known)}" if known else "only cells over time have them"
        raise ArgumentError(f"{name[:40]!r} has no initial slope for {kind}; {hint}")
    model = experiment.model()
    rates = total_rates(model, jnp.asarray(experiment.protocol.protocol().start[0], float))
    if name == "jy":
        inside = model.initial_up[0] - model.initial_down[0]
        return -(rates.transverse[0] + rates.collective[0] * inside) / 2
    moments, none = start(model).moments, jnp.zeros(2)
    change = moment_rates(moments, mean_field(moments, none), model, rates, inverse_atoms=none)

    def state(m: Any) -> SpinState:
        return SpinState(m, model.atoms, model.hyperfine_spin)

    return jax.jvp(lambda m: _of_cells(name, state(m), state(moments)), (moments,), (change,))[1]
