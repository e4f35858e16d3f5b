"""The likelihood of measured data: free parameters -> experiments -> predicted points -> deviations in standard errors.

    chi^2(p) = sum over points [(y - y_predicted(p))/sigma]^2,     -2 ln L = chi^2 + constant

Gaussian errors. Parameters may be tied to measured initial slopes, as in the supplement of 002: such a slope is an
equation that gives one parameter from the others. All of it is one pure function with exact derivatives. Up: `fit`
minimises chi^2, `infer` samples exp(-chi^2/2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import Outcome
from darkstate.experiments import kind_of
from darkstate.experiments.values import value_at, with_values
from darkstate.gaussian.elimination import solve
from darkstate.parameters import Spec
from darkstate.studies.data import Data
from darkstate.studies.observables import Course, course, initial_slope, linearised
from darkstate.studies.quantities import QUANTITIES, evaluator

NEWTON = 12
"""Newton steps for parameters that slopes determine; slopes are linear or bilinear in rates, so that few are enough."""

CELLS = ("two_level_ensembles", "cesium_cells")
"""Experiments whose courses can be batched: they need no library factorisation."""


class Free(NamedTuple):
    """A parameter that is fitted.

    Args:
        name: as results call it: the key, with [data set] behind it where only that one is meant.
        key: dotted key of the lab file; spec: its unit and range.
        start, low, high: first value and limits [SI]; limits may be infinite.
        of: number of the data set it belongs to, or None for all of them.
    """

    name: str
    key: str
    spec: Spec
    start: float
    low: float
    high: float
    of: int | None = None

    @property
    def scale(self) -> float:
        """Size of a change that matters: the start itself, or the range where it starts at 0."""
        if self.start != 0:
            return abs(self.start)
        return self.high - self.low if np.isfinite(self.high - self.low) else 1.0


class Slope(NamedTuple):
    """An initial slope known exactly, that gives the parameter `key` of the lab from all others [1/s]."""

    observable: str
    value: float
    key: str


@dataclass(frozen=True)
class Piece:
    """One data set with the experiment it was measured on.

    Args:
        label: as figures and tables call it; experiment: with its case and its own values; data: the points;
        slope: the one point is an initial slope of the observable.
    """

    label: str
    experiment: Any
    data: Data
    slope: bool = False


class _Group(NamedTuple):
    """Data sets that one program solves: their numbers, experiments and grids stacked, and the course."""

    numbers: tuple[int, ...]
    experiments: Any
    grids: np.ndarray
    course: Any


class Unfit(Exception):
    """Values of parameters that the slopes determine are not allowed: key and value [SI]."""

    def __init__(self, key: str, value: float) -> None:
        self.key, self.value = key, value
        super().__init__(f"{key} = {value:g}")


@dataclass(frozen=True)
class Likelihood:
    """Free parameters and data.

    Args:
        base: the experiment of the study's lab file, where slopes hold; free: parameters in a fixed order [k].
        pieces: data sets, their points one after the other [n]; slopes: equations that give further parameters.
    """

    base: Any
    free: tuple[Free, ...]
    pieces: tuple[Piece, ...]
    slopes: tuple[Slope, ...] = ()

    @property
    def start(self) -> np.ndarray:
        """First values [k; SI]."""
        return np.array([f.start for f in self.free])

    @property
    def scale(self) -> np.ndarray:
        """Sizes of changes that matter [k; SI]."""
        return np.array([f.scale for f in self.free])

    @property
    def values(self) -> np.ndarray:
        """All measured values [n]."""
        return np.concatenate([p.data.values for p in self.pieces])

    @property
    def errors(self) -> np.ndarray:
        """Their standard errors [n]."""
        return np.concatenate([p.data.errors for p in self.pieces])

    @property
    def can_be_batched(self) -> bool:
        """Whether `predicted` may be mapped over many points: library factorisations that are batched can hang."""
        return all(isinstance(c, Course) or p.slope for c, p in zip(self.courses, self.pieces, strict=True)) and (
            kind_of(self.base) in CELLS
        )

    def shared(self, vector: Any) -> dict[str, Any]:
        """Values of the parameters that belong to no data set alone, those from slopes included."""
        found = {f.key: vector[i] for i, f in enumerate(self.free) if f.of is None}
        return {**found, **self._solved(found)}

    def _solved(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters from the slopes, by Newton's method; its last step alone carries the exact derivative."""
        if not self.slopes:
            return {}
        keys = [s.key for s in self.slopes]
        scale = jnp.array([value_at(self.base, k) or 1.0 for k in keys], float)
        wanted = jnp.array([s.value for s in self.slopes])

        def mismatch(x: Any, given: Mapping[str, Any]) -> Any:
            e = with_values(self.base, {**given, **dict(zip(keys, x * scale, strict=True))})
            return jnp.stack([initial_slope(e, s.observable) for s in self.slopes]) / wanted - 1

        def step(x: Any, given: Mapping[str, Any]) -> Any:
            slopes = jax.lax.stop_gradient(jax.jacfwd(mismatch)(x, given))
            return x - solve(slopes, mismatch(x, given)[:, None])[:, 0]

        fixed = jax.tree.map(jax.lax.stop_gradient, dict(given))
        x = jax.lax.fori_loop(0, NEWTON, lambda _, x: step(x, fixed), jnp.ones(len(keys)))
        return dict(zip(keys, step(jax.lax.stop_gradient(x), given) * scale, strict=True))

    @cached_property
    def courses(self) -> list[Any]:
        """From experiment to predicted points and outcome, of every data set; steps as the start needs them."""
        found = []
        for n, piece in enumerate(self.pieces):
            start = {f.key: f.start for f in self.free if f.of in (None, n)}
            found.append(_course(piece, with_values(piece.experiment, start)))
        return found

    def predicted(self, vector: Any) -> tuple[Any, Any]:
        """Predicted points of all data sets [n] and the worst outcome; a pure JAX function of the parameters [k]."""
        shared, outcome = self.shared(vector), jnp.zeros((), int)
        found: list[Any] = [None] * len(self.pieces)
        for group in self._groups:
            settings = [self._with_own(vector, shared, n) for n in group.numbers]
            values = jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(x, float) for x in leaves]), *settings)
            curves, codes = jax.vmap(group.course)(group.experiments, group.grids, values)
            outcome = jnp.maximum(outcome, codes.max())
            for n, curve in zip(group.numbers, curves, strict=True):
                found[n] = curve[self.courses[n].where]
        for n, piece in enumerate(self.pieces):
            if found[n] is None:
                found[n], code = self.courses[n](with_values(piece.experiment, self._with_own(vector, shared, n)))
                outcome = jnp.maximum(outcome, code)
        return jnp.concatenate(found), outcome

    def _with_own(self, vector: Any, shared: Mapping[str, Any], number: int) -> dict[str, Any]:
        return {**shared, **{f.key: vector[i] for i, f in enumerate(self.free) if f.of == number}}

    def settings(self, vector: Any, number: int | None) -> dict[str, Any]:
        """Values of all parameters for one data set, None = of the lab itself."""
        shared = self.shared(vector)
        return shared if number is None else self._with_own(vector, shared, number)

    @cached_property
    def _groups(self) -> list[_Group]:
        """Data sets of two cells that differ in numbers alone: solved together, compiled once."""
        alike: dict[Any, list[int]] = {}
        for n, (piece, at) in enumerate(zip(self.pieces, self.courses, strict=True)):
            if isinstance(at, Course) and kind_of(piece.experiment) in CELLS:
                shape = jax.tree.structure(piece.experiment)
                own = frozenset(f.key for f in self.free if f.of == n)
                alike.setdefault((at.solver, len(at.grid), shape, own), []).append(n)
        return [self._group(key[0], numbers) for key, numbers in alike.items()]

    def _group(self, solver: Any, numbers: list[int]) -> _Group:
        experiments = [self.pieces[n].experiment for n in numbers]
        stacked = jax.tree.map(lambda *leaves: np.array(leaves, float), *experiments)
        grids = np.stack([self.courses[n].grid for n in numbers])

        def course(e: Any, grid: Any, values: Mapping[str, Any]) -> tuple[Any, Any]:
            return solver(with_values(e, values), grid)

        return _Group(tuple(numbers), stacked, grids, course)

    @cached_property
    def _shared_slopes(self) -> Any:
        """The parameters shared by all data sets and their derivatives by the free ones, compiled."""
        return jax.jit(lambda v: (self.shared(v), jax.jacfwd(self.shared)(v)))

    def linear_settings(self, vector: Any, number: int | None) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        """Keys, values [m] and derivatives [m k] of all parameters for one data set, None = of the lab itself."""
        values, slopes = self._shared_slopes(jnp.asarray(vector, float))
        values, slopes = dict(values), dict(slopes)
        for i, f in enumerate(self.free):
            if f.of == number and number is not None:
                values[f.key], slopes[f.key] = vector[i], np.eye(len(self.free))[i]
        keys = tuple(values)
        return keys, np.array([values[k] for k in keys], float), np.array([slopes[k] for k in keys], float)

    @cached_property
    def _others(self) -> dict[tuple[int, tuple[str, ...]], Any]:
        return {}

    def linearised(self, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray, Outcome]:
        """Predicted points [n], their derivatives by the free parameters [n k] and the outcome.

        Compiled once per length of data over time, whatever their number.
        """
        values, slopes, worst = [], [], 0
        for n, (piece, at) in enumerate(zip(self.pieces, self.courses, strict=True)):
            keys, settings, change = self.linear_settings(vector, n)
            if isinstance(at, Course):
                found = linearised(at.solver, keys, piece.experiment, at.grid, settings)
                where: Any = at.where
            else:
                program = self._others.setdefault((n, keys), _compiled(at, keys))
                found, where = program(piece.experiment, settings), slice(None)
            values.append(np.asarray(found[0])[where])
            slopes.append(np.asarray(found[1])[where] @ change)
            worst = max(worst, int(found[2]))
        return np.concatenate(values), np.concatenate(slopes), Outcome(worst)

    def linear_solved(self, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Parameters that slopes determine [s] and their derivatives by the free ones [s k]."""
        if not self.slopes:
            return np.zeros(0), np.zeros((0, len(self.free)))
        values, slopes = self._shared_slopes(jnp.asarray(vector, float))
        keys = [s.key for s in self.slopes]
        return np.array([float(values[k]) for k in keys]), np.array([slopes[k] for k in keys])

    def deviations(self, vector: Any, values: Any) -> Any:
        """(predicted - measured)/sigma of given values [n]; a pure JAX function."""
        return (self.predicted(vector)[0] - values) / jnp.asarray(self.errors)

    def check_solved(self, vector: np.ndarray, specs: Mapping[str, Spec]) -> dict[str, float]:
        """Values of the parameters that slopes determine [SI].

        Raises:
            Unfit: one of them is outside its range.
        """
        found = {s.key: value for s, value in zip(self.slopes, self.linear_solved(vector)[0].tolist(), strict=True)}
        for key, value in found.items():
            if not (np.isfinite(value) and specs[key].admits(value)):
                raise Unfit(key, value)
        return found


def _compiled(at: Any, keys: tuple[str, ...]) -> Any:
    """Values, derivatives by the keys and outcome of a data set that is no course over time."""
    return jax.jit(lambda e, values: linearised(lambda e, _: at(e), keys, e, None, values))


def _course(piece: Piece, start: Any) -> Any:
    """From an experiment to the predicted points of one data set and an outcome; `start` sets the time steps."""
    data = piece.data
    if piece.slope:
        return lambda e: (initial_slope(e, data.observable)[None], jnp.zeros((), int))
    if data.times is not None:
        return course(piece.experiment, data.observable, data.times, extremes=[start])
    keys = tuple(data.varied)
    table = np.stack([data.varied[k] for k in keys], axis=-1) if keys else np.zeros((len(data.values), 0))
    corners = [with_values(piece.experiment, dict(zip(keys, map(float, row), strict=True))) for row in table]
    one = evaluator(piece.experiment, (data.observable,), extremes=[start, *corners])
    quantity = QUANTITIES[kind_of(piece.experiment)][data.observable]
    # library factorisations that are batched can hang: such quantities go one after the other
    over = partial(jax.lax.map) if quantity.alone else lambda f, rows: jax.vmap(f)(rows)

    def at(e: Any) -> tuple[Any, Any]:
        def row(values: Any) -> tuple[Any, Any]:
            found, outcome = one(with_values(e, dict(zip(keys, values, strict=True))))
            return found[data.observable], outcome

        values, outcomes = over(row, jnp.asarray(table))
        return values, jnp.max(outcomes)

    return at
