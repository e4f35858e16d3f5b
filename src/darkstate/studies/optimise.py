"""optimise: which settings of a laboratory make a quantity best, read from the table [optimise] of a study file.

    [optimise]
    quantity = "xi"                               what is made best; `darkstate optimise --help` lists the quantities
    robust = 2                                    the value two standard errors to the worse side counts
    [optimise.over."spin.theta"]                  one to five parameters, each between two bounds
    low = 0
    high = 1.57
    [optimise.limits]                             what must not be exceeded
    total_power = "10 mW"
    [optimise.limits.purity]
    above = 0.5
    [optimise.grid."spin.cooperativity"]          one optimum for each of these values
    values = [1, 10, 100]

Down: `search` finds the optimum, `sensitivity` what limits it. Up: `report.optimise`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from math import inf, isfinite, log
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from darkstate.errors import ArgumentError, InputError
from darkstate.experiments import layout
from darkstate.experiments.tomltext import Key, nearest
from darkstate.experiments.values import value_at
from darkstate.parameters import Spec
from darkstate.studies.quantities import QUANTITIES, Quantity, unknown
from darkstate.studies.sensitivity import float_keys
from darkstate.studies.study import Number, Parameter, Study, Table, read_study
from darkstate.units import parse, shown

MOST = 5
"""Parameters searched at once."""

TOTAL_POWER = "total_power"
"""Name of the limit on the sum of all powers in the lab file."""


class Range(Table):
    """Bounds of one parameter."""

    low: Number
    high: Number
    scale: Literal["linear", "log"] = "linear"


class Bound(Table):
    """What a quantity must not pass."""

    below: Number | None = None
    above: Number | None = None


class Axis(Table):
    """Values of a parameter, with an optimum for each."""

    values: Annotated[list[Number], Field(min_length=2, max_length=10000)]


class OptimiseTable(Table):
    """The table [optimise] of a study file."""

    quantity: str
    sense: Literal["minimise", "maximise"] | None = None
    starts: Annotated[int, Field(ge=1, le=200)] = 4
    robust: Annotated[float, Field(ge=0, le=100)] = 0.0
    validity: bool = True
    over: dict[str, Range]
    limits: dict[str, Number | Bound] = Field(default_factory=dict)
    grid: dict[str, Axis] = Field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Variable:
    """A parameter that is searched: bounds in SI, and whether its logarithm is what moves.

    Args:
        parameter: the parameter; low, high: bounds [SI]; log: search in the logarithm; ends: what stands at each bound
            and keeps it from being moved, or an empty text.
    """

    parameter: Parameter
    low: float
    high: float
    log: bool
    ends: tuple[str, str]

    @property
    def key(self) -> str:
        """Its dotted key."""
        return self.parameter.key

    def moved(self, value: float) -> float:
        """The coordinate that is searched, at an SI value."""
        return log(value) if self.log else value


@dataclasses.dataclass(frozen=True)
class Limit:
    """One inequality: sense (figure - bound) <= 0.

    Args:
        name: of a quantity, or "total_power"; bound: [SI]; sense: +1 = at most, -1 = at least; unit: of the bound.
    """

    name: str
    bound: float
    sense: int
    unit: str

    @property
    def scale(self) -> float:
        """What an excess is measured in."""
        return abs(self.bound) or 1.0


@dataclasses.dataclass(frozen=True)
class Problem:
    """What is to be optimised, ready to be solved.

    Args:
        study: the study file; name, quantity: what is made best; sign: +1 = smallest, -1 = largest.
        variables: what is searched; limits: what must be kept; robust: standard errors that count to the worse side.
        grid: the parameter that is stepped through, or None; grid_values: its values [g; SI].
        keys: every float parameter of the lab, in the order of the lab's sections; starts: of each search.
        validity: points where the equations are outside their validity are left out.
    """

    study: Study
    name: str
    quantity: Quantity
    sign: int
    variables: tuple[Variable, ...]
    limits: tuple[Limit, ...]
    robust: float
    grid: Parameter | None
    grid_values: np.ndarray
    keys: tuple[str, ...]
    starts: int
    validity: bool

    @property
    def powers(self) -> tuple[str, ...]:
        """The parameters that `total_power` adds up."""
        return tuple(key for key in self.keys if self.spec(key).unit == "W")

    @property
    def base(self) -> np.ndarray:
        """The lab's values of `keys` [k; SI]."""
        return np.array([float(value_at(self.study.lab.experiment, key)) for key in self.keys])

    def spec(self, key: str) -> Spec:
        """What is known of a float parameter of the lab."""
        return spec_of(self.study.kind, key)


def spec_of(kind: str, key: str) -> Spec:
    """The `Spec` of a dotted key that exists.

    Example:
        >>> spec_of("cesium_cells", "protocol.segments.0.duration").unit
        's'
    """
    spec = layout.find(kind, tuple(int(part) if part.isdecimal() else part for part in key.split(".")))
    if spec is None:
        raise ArgumentError(f"Key {key!r} names no parameter of {kind}; check it with `darkstate check`.")
    return spec


def read_problem(path: str | Path) -> Problem:
    """Read the table [optimise] of a study file.

    Args:
        path: the study file.

    Raises:
        InputError: everything that is wrong, one sentence each, with file and line.
    """
    study, table = read_study(path, "optimise", OptimiseTable)
    reader = _Reader(study, table)
    problem = reader.problem()
    if reader.problems:
        raise InputError(list(dict.fromkeys(reader.problems)))
    assert problem is not None
    return problem


class _Reader:
    """Gives the table its meaning and collects what is wrong."""

    def __init__(self, study: Study, table: OptimiseTable) -> None:
        self.study, self.table = study, table
        self.known = QUANTITIES[study.kind]
        self.problems: list[str] = []

    def problem(self) -> Problem | None:
        """The problem, or None with what is wrong in `problems`."""
        t, study = self.table, self.study
        sign = self._sign()
        if not 1 <= len(t.over) <= MOST:
            hint = f'is over {len(t.over)} parameters; name 1 to {MOST} as [optimise.over."section.key"]'
            self.wrong(("optimise", "over"), hint)
        variables = tuple(filter(None, (self._variable(key) for key in list(t.over)[:MOST])))
        limits = tuple(limit for name in t.limits for limit in self._limit(name))
        self._refuse_two_alone(limits)
        variables, limits = self._capped(variables, limits)
        grid, values = self._grid()
        if t.robust and not study.lab.uncertainties:
            hint = 'needs uncertainties in the lab file; write a value as "55 +- 2", there or in [set]'
            self.wrong(("optimise", "robust"), f"robust = {t.robust:g} {hint}")
        keys = float_keys(study.lab.experiment)
        numbers = (limits, t.robust, grid, values, keys, t.starts, t.validity)
        return None if self.problems else Problem(study, t.quantity, self.known[t.quantity], sign, variables, *numbers)

    def wrong(self, path: Key, sentence: str) -> None:
        """Note one problem."""
        self.problems += self.study.refuse([(path, sentence)]).problems

    def tried(self, read: Callable[[], Any]) -> Any:
        """What `read` gives, or None with its problems noted."""
        try:
            return read()
        except InputError as error:
            self.problems += error.problems
            return None

    def _sign(self) -> int:
        t = self.table
        if t.quantity not in self.known:
            self.wrong(("optimise", "quantity"), f"quantity = {unknown(t.quantity, self.study.kind)}")
            return 1
        better = self.known[t.quantity].entangled
        if t.sense is None and better is None:
            hint = 'is no witness, so that neither side is better; write sense = "minimise" or sense = "maximise"'
            self.wrong(("optimise", "quantity"), f"quantity = {shown(t.quantity)} {hint}")
        return -1 if t.sense == "maximise" or (t.sense is None and better == "above") else 1

    def _variable(self, key: str) -> Variable | None:
        path, entry = ("optimise", "over", key), self.table.over[key]
        parameter = self.tried(lambda: self.study.parameter(path, key))
        if parameter is None:
            return None
        low = self.tried(partial(self.study.number, (*path, "low"), key, entry.low))
        high = self.tried(partial(self.study.number, (*path, "high"), key, entry.high))
        if low is None or high is None:
            return None
        if not low < high:
            hint = "to hold a parameter, leave it out of [optimise.over] and set it in [set]"
            self.wrong((*path, "low"), f"low = {shown(entry.low)} must be below high = {shown(entry.high)}; {hint}")
        elif entry.scale == "log" and low <= 0:
            hint = 'a logarithm needs low above 0; raise it or leave scale = "log" out'
            self.wrong((*path, "low"), f"low = {shown(entry.low)} has no logarithm; {hint}")
        elif key in self.table.grid:
            self.wrong(path, f"{key} is also stepped through by [optimise.grid]; name it in one of the two")
        spec = parameter.spec
        stop = "where its range ends"
        ends = (stop if low == spec.minimum else "", stop if high == spec.maximum else "")
        return Variable(parameter, low, high, entry.scale == "log", ends)

    def _capped(
        self, variables: tuple[Variable, ...], limits: tuple[Limit, ...]
    ) -> tuple[tuple[Variable, ...], tuple[Limit, ...]]:
        """A total power that leaves room for one searched power is a bound of it, exactly; it is no limit any more."""
        experiment, kind = self.study.lab.experiment, self.study.kind
        powers = [key for key in float_keys(experiment) if spec_of(kind, key).unit == "W"]
        searched = [v for v in variables if v.key in powers]
        if len(searched) != 1 or any(key in powers for key in self.table.grid):
            return variables, limits
        (one,), kept = searched, tuple(limit for limit in limits if limit.name != TOTAL_POWER)
        total = [limit.bound for limit in limits if limit.name == TOTAL_POWER]
        room = min([*total, inf]) - sum(float(value_at(experiment, key)) for key in powers if key != one.key)
        if room >= one.high:
            return variables, kept
        if room <= one.low:
            text = f"leaves {room:.4g} W for {one.key}, which is not above its low; raise one or lower the other"
            self.wrong(("optimise", "limits", TOTAL_POWER), f"{TOTAL_POWER} {text}")
        new = dataclasses.replace(one, high=room, ends=(one.ends[0], f"what {TOTAL_POWER} leaves it"))
        return tuple(new if v is one else v for v in variables), kept

    def _limit(self, name: str) -> list[Limit]:
        path, entry = ("optimise", "limits", name), self.table.limits[name]
        if name == TOTAL_POWER:
            return self._power(path, entry)
        if name not in self.known:
            near = nearest(name, [TOTAL_POWER, *self.known])
            hint = f"did you mean {near}?" if near else f"known are {', '.join([TOTAL_POWER, *self.known])}"
            self.wrong(path, f"{shown(name)[1:-1]} cannot be limited; {hint}")
            return []
        if not isinstance(entry, Bound) or (entry.below is None) == (entry.above is None):
            hint = f"write [optimise.limits.{name}] and below = ... or above = ... under it"
            self.wrong(path, f"{name} needs one side; {hint}")
            return []
        side = "below" if entry.below is not None else "above"
        raw, unit = getattr(entry, side), self.known[name].unit
        bound = self.tried(lambda: self._number((*path, side), side, raw, "s" if unit == "s" else "1"))
        return [] if bound is None else [Limit(name, bound, 1 if side == "below" else -1, unit)]

    def _power(self, path: Key, entry: Any) -> list[Limit]:
        kind, experiment = self.study.kind, self.study.lab.experiment
        if not any(spec_of(kind, key).unit == "W" for key in float_keys(experiment)):
            self.wrong(path, f"{TOTAL_POWER} has nothing to limit: this lab file gives no power in watt")
            return []
        if isinstance(entry, Bound):
            self.wrong(path, f'{TOTAL_POWER} is one power, such as {TOTAL_POWER} = "10 mW"')
            return []
        bound = self.tried(lambda: self._number(path, TOTAL_POWER, entry, "W"))
        if bound is not None and bound <= 0:
            self.wrong(path, f"{TOTAL_POWER} = {shown(entry)} must be above 0")
        return [] if bound is None else [Limit(TOTAL_POWER, bound, 1, "W")]

    def _number(self, path: Key, name: str, raw: Number, unit: Any) -> float:
        try:
            return parse(raw, unit)[0]
        except ArgumentError as error:
            raise self.study.refuse([(path, f"{name} = {error}")]) from None

    def _refuse_two_alone(self, limits: tuple[Limit, ...]) -> None:
        """Quantities with library factorisations need a program of their own."""
        names = [self.table.quantity, *(limit.name for limit in limits)]
        alone = list(dict.fromkeys(n for n in names if n in self.known and self.known[n].alone))
        if len(alone) > 1:
            hint = "optimise one of them and look at the other at its optimum"
            self.wrong(("optimise", "limits"), f"{' and '.join(alone)} cannot be asked for together; {hint}")

    def _grid(self) -> tuple[Parameter | None, np.ndarray]:
        t = self.table
        if not t.grid:
            return None, np.zeros(1)
        if len(t.grid) > 1:
            self.wrong(
                ("optimise", "grid"), "grid steps through one parameter; put a second one into a study of its own"
            )
        key = next(iter(t.grid))
        path = ("optimise", "grid", key)
        parameter = self.tried(lambda: self.study.parameter(path, key))
        if parameter is None:
            return None, np.zeros(1)
        read = [self.tried(partial(self.study.number, (*path, "values"), key, v)) for v in t.grid[key].values]
        values = np.array([v for v in read if v is not None and isfinite(v)])
        if len(set(values.tolist())) < len(read) and None not in read:
            self.wrong((*path, "values"), "values holds the same value twice; name each once")
        return parameter, np.sort(values)
