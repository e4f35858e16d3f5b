"""Quantities: what can be asked of an experiment, each a pure function of its parameters.

    names -> evaluator -> experiment -> {name: number}, outcome code        jit, vmap and grad go through

One number per name; courses over time are `darkstate.predict`. The code is that of the worst solution used and of what
the rates of a laser rest on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError, Outcome
from darkstate.experiments import kind_of
from darkstate.experiments.grid import COARSE, fastest_rate, substeps_of
from darkstate.experiments.two_cells import worse_checks
from darkstate.solve.checks import decide
from darkstate.solve.condition import condition
from darkstate.solve.evolve import evolve
from darkstate.solve.methods import MomentEquations
from darkstate.solve.steady_state import steady_state
from darkstate.witness.epr import best_gain, epr_variance
from darkstate.witness.purity import purity
from darkstate.witness.separability import log_negativity
from darkstate.witness.spin_pair import fidelity
from darkstate.witness.steering import steering
from darkstate.witness.teleportation import teleportation_fidelity


class Quantity(NamedTuple):
    """One number that can be asked of an experiment.

    Args:
        symbol, unit, text: as figures, tables and files show it.
        bound: value that separable (of E_N: all, of a fidelity: classical) states do not pass, or None.
        entangled: "below" or "above" this bound; None where the number is no witness.
        alone: it uses library factorisations; mapped over many points, it needs a program of its own (two of them in
            one program can wait for each other for ever).
    """

    symbol: str
    unit: str
    text: str
    bound: float | None = None
    entangled: str | None = None
    alone: bool = False


_XI = partial(Quantity, unit="1", bound=1.0, entangled="below")
_CELLS = {
    "xi_inf": _XI("ξ∞", text="EPR variance of the steady state, all light on"),
    "xi_min": _XI("min ξ", text="smallest EPR variance during the protocol"),
    "t_min": Quantity("t_min", "s", "time of the smallest EPR variance"),
    "xi_end": _XI("ξ(T)", text="EPR variance at the end of the protocol"),
    "window_start": Quantity("t_1", "s", "time from which the EPR variance is below 1; nan if never"),
    "window_end": Quantity("t_2", "s", "time until which it is below 1; inf if still so at the end, nan if never"),
}
_E_N = partial(Quantity, "E_N", "nat", bound=0.0, entangled="above", alone=True)

QUANTITIES: dict[str, dict[str, Quantity]] = {
    "two_level_ensembles": _CELLS,
    "cesium_cells": _CELLS,
    "spin_mechanics": {
        "xi": _XI("ξ_g", text="EPR variance with the gain of the lab file"),
        "xi_conditional": _XI("ξ_g|y", text="EPR variance given the measured light"),
        "xi_best_gain": _XI("min ξ_g", text="EPR variance with the best gain"),
        "log_negativity": _E_N("log-negativity"),
        "steering_s_to_m": _XI("S→M", text="S steers M below 1", alone=True),
        "steering_m_to_s": _XI("M→S", text="M steers S below 1", alone=True),
        "purity": Quantity("tr ρ²", "1", "purity of the state of both", alone=True),
        "teleportation_fidelity": Quantity("F", "1", "fidelity of a coherent state", 0.5, "above", alone=True),
    },
    "monitored_cells": {
        "xi_inf": _XI("ξ∞", text="EPR variance of the steady state, light not measured"),
        "xi_inf_conditional": _XI("ξ∞|y", text="EPR variance of the steady state given the record"),
        "log_negativity": _E_N("log-negativity, light not measured"),
        "log_negativity_conditional": _E_N("log-negativity given the record"),
    },
    "tweezer_pair": {
        "p_0": Quantity("P_0", "1", "population of |0,0> of prepared pairs at the end"),
        "p_1": Quantity("P_1", "1", "population of m = +-1 of prepared pairs at the end"),
        "p_2": Quantity("P_2", "1", "population of m = +-2 of prepared pairs at the end"),
        "fidelity": Quantity("F", "1", "fidelity with chi_1 of the pairs in m = +-1 at the end", 0.5, "above"),
        "pairs": Quantity("q²P_1", "1", "share of all pairs in m = +-1 at the end"),
    },
}
"""What can be asked, by the word after `experiment =` in a lab file."""

Evaluator = Callable[[Any], tuple[dict[str, Any], Any]]


def evaluator(experiment: Any, names: Sequence[str], *, extremes: Sequence[Any] = ()) -> Evaluator:
    """A pure function from an experiment to the quantities asked for.

    Args:
        experiment: fixes the class, the pulse sequence and the number of time steps.
        names: of `QUANTITIES` of its class; those marked `alone` only one at a time under `jax.vmap`.
        extremes: experiments whose fastest rates the time steps must follow; the experiment itself is always one.

    Returns:
        A function of any experiment of the same structure, for instance `with_values(experiment, {...})` under a JAX
        transformation. It returns ({name: number}, outcome), the outcome an integer `Outcome` code.

    Validity: of the solvers used; the outcome says where they do not hold. xi_min and t_min are those of a parabola
        through the three lowest points of the time grid, the window of straight lines between its points.

    Raises:
        ArgumentError: a name is not known; says the nearest.

    Example:
        >>> import darkstate as ds
        >>> lab = ds.load(ds.shipped_labs()["krauter2011"])
        >>> values, outcome = evaluator(lab.experiment, ("xi_inf", "xi_min"))(lab.experiment)
        >>> print(f"{values['xi_inf']:.4f} {values['xi_min']:.4f} {int(outcome)}")
        2.0719 0.8225 0
    """
    kind = kind_of(experiment)
    known = QUANTITIES[kind]
    for name in names:
        if name not in known:
            raise ArgumentError(unknown(name, kind))
    if kind in ("two_level_ensembles", "cesium_cells"):
        solve = _cells(experiment, names, extremes)
    else:
        solve = {"spin_mechanics": _hybrid, "monitored_cells": _monitored, "tweezer_pair": _pair}[kind](names)
    numbers = [name for name in names if not name.startswith("window")]  # where there is no window, nan says so

    def evaluate(e: Any) -> tuple[dict[str, Any], Any]:
        found, outcome = solve(e)
        for name in numbers:  # such as xi_g where all light is lost and the read-out gain infinite
            outcome = jnp.where(jnp.isnan(found[name]), jnp.maximum(outcome, Outcome.not_converged), outcome)
        return found, outcome

    return evaluate


def unknown(name: str, kind: str) -> str:
    """What to say of a quantity that this kind of experiment does not have.

    Example:
        >>> unknown("xi_mim", "cesium_cells")
        "'xi_mim' is no quantity of cesium_cells; did you mean xi_min?"
    """
    from darkstate.experiments.tomltext import nearest

    likely = nearest(name, list(QUANTITIES[kind]))
    hint = f"did you mean {likely}?" if likely else f"known are {', '.join(QUANTITIES[kind])}"
    return f"{name[:40]!r} is no quantity of {kind}; {hint}"


def _cells(experiment: Any, names: Sequence[str], extremes: Sequence[Any]) -> Evaluator:
    """Two cells: the steady state by its closed form, the rest from the moment equations over the protocol."""
    steps = _Steps(experiment, extremes) if set(names) - {"xi_inf"} else None

    def evaluate(e: Any) -> tuple[dict[str, Any], Any]:
        model, found = e.model(), {}
        outcome = decide(worse_checks(e))
        if "xi_inf" in names:
            steady = steady_state(model, throw=False)
            found["xi_inf"] = epr_variance(steady.state).value
            outcome = jnp.maximum(outcome, steady.outcome)
        if steps is not None:
            times = steps.times(e)
            method = MomentEquations(substeps=steps.substeps)
            course = evolve(model, times, protocol=e.protocol.protocol(), method=method, throw=False)
            found |= _window(times, epr_variance(course.state).value)
            outcome = jnp.maximum(outcome, course.outcome)
        return {name: found[name] for name in names}, outcome

    return evaluate


class _Steps:
    """The time grid as fractions of each segment, the same for every point of a study, and the steps between them."""

    def __init__(self, experiment: Any, extremes: Sequence[Any]) -> None:
        timing = experiment.protocol
        parts = 1 if timing.duration is not None else len(timing.segments)
        lengths = np.array([1.0] if parts == 1 else [float(s.duration) for s in timing.segments])
        counts = np.maximum(8, np.ceil((timing.points - 1) * lengths / lengths.sum())).astype(int)
        everybody = [experiment, *extremes]
        step = max(fastest_rate(e) * float(e.protocol.total) for e in everybody) / (timing.points - 1)
        self.fractions = [_fractions(int(n), fine=step > COARSE) for n in counts]
        self.substeps = max(substeps_of(e, self.times(e)) for e in everybody)

    def times(self, e: Any) -> Any:
        """The time grid of an experiment [t; s]."""
        timing = e.protocol
        lengths = [timing.duration] if timing.duration is not None else [s.duration for s in timing.segments]
        begin, pieces = jnp.zeros(()), [jnp.zeros(1)]
        for length, fractions in zip(lengths, self.fractions, strict=True):
            pieces.append(begin + length * jnp.asarray(fractions))
            begin = begin + length
        return jnp.concatenate(pieces)


def _fractions(count: int, *, fine: bool) -> np.ndarray:
    """Points of one segment without its start, as fractions; fine steps first where the light is strong."""
    even = np.linspace(0.0, 1.0, count + 1)
    return (np.union1d(even, even**3) if fine else even)[1:]


def _window(times: Any, xi: Any) -> dict[str, Any]:
    """Smallest value, its time, and the interval below 1 around it, of a sampled curve [t]."""
    # at the start of fully mixed atoms there is no polarisation and xi is infinite
    y = jnp.where(jnp.isposinf(xi), jnp.finfo(float).max, xi)
    last = y.shape[0] - 1
    k = jnp.argmin(y)
    m = jnp.clip(k, 1, last - 1)
    left, right = times[m] - times[m - 1], times[m + 1] - times[m]
    slopes = (y[m] - y[m - 1]) / left, (y[m + 1] - y[m]) / right
    curvature = (slopes[1] - slopes[0]) / (left + right)
    slope = slopes[0] + curvature * left  # at the middle point
    inside = (k == m) & (curvature > 0)
    move = jnp.where(inside, -slope / (2 * jnp.where(inside, curvature, 1.0)), 0.0)
    minimum = jnp.where(inside, y[m] + move * (slope + curvature * move), y[k])
    at = jnp.where(inside, times[m] + move, times[k])

    places = jnp.arange(last + 1)
    above = ~(y < 1)
    before = jnp.max(jnp.where(above & (places < k), places, -1))
    after = jnp.min(jnp.where(above & (places > k), places, last + 1))
    entangled = y[k] < 1
    start = jnp.where(before < 0, times[0], _crossing(times, y, jnp.maximum(before, 0)))
    end = jnp.where(after > last, jnp.inf, _crossing(times, y, jnp.minimum(after, last) - 1))
    return {
        "xi_min": minimum,
        "t_min": at,
        "xi_end": xi[last],
        "window_start": jnp.where(entangled, start, jnp.nan),
        "window_end": jnp.where(entangled, end, jnp.nan),
    }


def _crossing(times: Any, y: Any, i: Any) -> Any:
    """Where the straight line between points i and i+1 is 1."""
    rise = y[i + 1] - y[i]
    return times[i] + (1 - y[i]) * (times[i + 1] - times[i]) / jnp.where(rise == 0, 1.0, rise)


def _hybrid(names: Sequence[str]) -> Evaluator:
    """Two oscillators in one light beam: the steady state of the network."""
    functions: dict[str, Callable[[Any, Any], Any]] = {
        "xi": lambda e, s: epr_variance(s, e.gain).value,
        "xi_best_gain": lambda e, s: epr_variance(s, best_gain(s)).value,
        "log_negativity": lambda e, s: log_negativity(s, "S").nats,
        "steering_s_to_m": lambda e, s: steering(s, "S", "M").value,
        "steering_m_to_s": lambda e, s: steering(s, "M", "S").value,
        "purity": lambda e, s: purity(s),
        "teleportation_fidelity": lambda e, s: teleportation_fidelity(s),
    }

    def evaluate(e: Any) -> tuple[dict[str, Any], Any]:
        steady, full = steady_state(e.model(), throw=False), None
        if e.frequency is not None:
            full = epr_variance(steady_state(e.full_model(), throw=False).state, e.gain).value
        checks = hybrid_checks(e, epr_variance(steady.state, e.gain).value, full)
        found, outcome = {}, jnp.maximum(steady.outcome, decide(checks))
        for name in names:
            if name == "xi_conditional":
                given = condition(e.model(), e.detector(), throw=False)
                found[name] = epr_variance(given.state, e.gain).value
                outcome = jnp.maximum(outcome, given.outcome)
            else:
                found[name] = functions[name](e, steady.state)
        return found, outcome

    return evaluate


def hybrid_checks(e: Any, xi: Any, full: Any) -> dict[str, Any]:
    """What two oscillators in one light beam rest on beside the checks of their steady state.

    Args:
        e: the experiment; xi: EPR variance in the rotating-wave approximation; full: the same without it, or None.

    Example:
        >>> import darkstate as ds
        >>> {k: f"{v:.3f}" for k, v in hybrid_checks(ds.load("membrane-cell").experiment, 0.33, 0.3).items()}
        {'adiabatic_cavity': '0.042', 'rotating_wave': '0.100'}
    """
    found: dict[str, Any] = {}
    cavities = [c for c in (e.membrane, e.counter_membrane) if c is not None]
    if cavities:
        found["adiabatic_cavity"] = jnp.stack(
            [jnp.asarray(c.enhanced_coupling / c.cavity_linewidth) for c in cavities]
        ).max()
    if full is not None:
        found["rotating_wave"] = jnp.abs(xi / full - 1)
    return found


def _monitored(names: Sequence[str]) -> Evaluator:
    """Cells whose light is measured: the steady states without and with the record."""

    def evaluate(e: Any) -> tuple[dict[str, Any], Any]:
        found, outcome = {}, jnp.zeros((), int)
        for name in names:
            watched = name.endswith("_conditional")
            solution = condition(e.model(), e.detector(), throw=False) if watched else None
            solution = steady_state(e.model(), throw=False) if solution is None else solution
            state = solution.state
            found[name] = epr_variance(state).value if name.startswith("xi") else log_negativity(state, "I").nats
            outcome = jnp.maximum(outcome, solution.outcome)
        return found, outcome

    return evaluate


def _pair(names: Sequence[str]) -> Evaluator:
    """Two atoms in a tweezer: the state at the end of the collisions, by the kinetic model."""

    def evaluate(e: Any) -> tuple[dict[str, Any], Any]:
        end = jnp.stack([jnp.zeros(()), jnp.asarray(e.collisions.duration, float)])
        solution = evolve(e.pair(), end, throw=False)
        state = jax.tree.map(lambda leaf: leaf[-1], solution.state)
        found = dict(zip(("p_0", "p_1", "p_2"), state.populations, strict=True))
        found["pairs"] = e.prepared_pairs * found["p_1"]
        if "fidelity" in names:
            found["fidelity"] = fidelity(state).value
        return {name: found[name] for name in names}, jnp.max(solution.outcome)

    return evaluate
