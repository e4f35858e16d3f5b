"""Axes: the points of a study, numbered from 0, and the values of every parameter at any of them.

    point n  ->  one index per axis (the last axis runs fastest)  ->  parameter values          grid
    point n  ->  n-th point of a scrambled Sobol sequence         ->  parameter values          sample

No list of all points is ever made: values follow from the numbers. Loads no JAX.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Any

import numpy as np

MOST_CORNERS = 512
"""Extreme points looked at to choose the time steps of a study."""

MOST_BETWEEN = 48
"""Points between the ends of the axes looked at as well; one per axis where there are more axes."""

MOST_ENDS = 256
"""Places of a Sobol sequence kept to go on from; more than blocks computed at the same time."""


@dataclasses.dataclass(frozen=True)
class Column:
    """The values one parameter takes along an axis, or its range in a sample.

    Args:
        key: dotted key of the parameter; unit, text: as the lab file knows it.
        rule: "linear", "log" (numbers are the two ends) or "values" (numbers are the values); numbers: [SI].
    """

    key: str
    unit: str
    text: str
    rule: str
    numbers: tuple[float, ...]

    def table(self, size: int) -> np.ndarray:
        """The values along a grid axis of `size` points."""
        if self.rule == "values":
            return np.array(self.numbers)
        low, high = self.numbers
        return np.linspace(low, high, size) if self.rule == "linear" else np.geomspace(low, high, size)

    def spread(self, share: np.ndarray) -> np.ndarray:
        """Values at shares from 0 to 1 of the range."""
        low, high = self.numbers
        if self.rule == "linear":
            return low + (high - low) * share
        return np.clip(low * np.exp(share * math.log(high / low)), min(low, high), max(low, high))


@dataclasses.dataclass(frozen=True)
class Axis:
    """One axis of a grid: a parameter, or several that move together."""

    name: str
    size: int
    columns: tuple[Column, ...]


class Grid:
    """Every combination of the values of its axes.

    Example:
        >>> z = Column("drive.z", "1", "squeezing parameter", "linear", (1.0, 3.0))
        >>> d = Column("ensembles.optical_depth", "1", "optical depth", "values", (30.0, 50.0))
        >>> grid = Grid((Axis("drive.z", 3, (z,)), Axis("ensembles.optical_depth", 2, (d,))))
        >>> grid.size, {key: values.tolist() for key, values in grid.values(2, 2).items()}
        (6, {'drive.z': [2.0, 2.0], 'ensembles.optical_depth': [30.0, 50.0]})
    """

    def __init__(self, axes: tuple[Axis, ...]) -> None:
        self.axes = axes
        self.shape = tuple(axis.size for axis in axes)
        self.dims = tuple(axis.name for axis in axes)
        self.size = math.prod(self.shape)
        self.columns = tuple(column for axis in axes for column in axis.columns)
        self.tables = {column.key: column.table(axis.size) for axis in axes for column in axis.columns}

    def values(self, start: int, count: int) -> dict[str, np.ndarray]:
        """Parameter values of `count` points from `start` on; beyond the last point, those of the last one."""
        return self.pick(np.minimum(np.arange(start, start + count), self.size - 1), self.tables)

    def pick(self, numbers: Any, tables: Mapping[str, Any]) -> dict[str, Any]:
        """Parameter values of the points with these numbers, from the values along each axis; NumPy or JAX arrays."""
        found: dict[str, Any] = {}
        for axis in reversed(self.axes):
            rest = numbers // axis.size
            found |= {column.key: tables[column.key][numbers - rest * axis.size] for column in axis.columns}
            numbers = rest
        return {column.key: found[column.key] for column in self.columns}

    def corners(self) -> Iterator[dict[str, float]]:
        """Points where parameters are smallest, largest and in the middle, `MOST_CORNERS` of them at most."""
        for middle in (True, False):
            rows = [self._rows(axis, middle) for axis in self.axes]
            if math.prod(map(len, rows)) <= MOST_CORNERS:
                break
        for choice in _some(rows):
            pairs = zip(self.axes, choice, strict=True)
            yield {c.key: float(self.tables[c.key][row]) for axis, row in pairs for c in axis.columns}

    def lines(self, through: Mapping[str, float]) -> Iterator[dict[str, float]]:
        """Points between the ends of every axis, the others held at a point; `MOST_BETWEEN` of them."""
        for axis in self.axes:
            rows = (_shares(len(self.axes)) * (axis.size - 1)).round().astype(int)
            for row in np.unique(rows):
                yield {**through, **{c.key: float(self.tables[c.key][row]) for c in axis.columns}}

    def _rows(self, axis: Axis, middle: bool) -> list[int]:
        tables = [self.tables[column.key] for column in axis.columns]
        ends = {int(pick(table)) for table in tables for pick in (np.argmin, np.argmax)}
        return sorted(ends | ({axis.size // 2} if middle else set()))


class Sample:
    """Points spread evenly over ranges: a scrambled Sobol sequence, the same for the same seed.

    Example:
        >>> z = Column("drive.z", "1", "squeezing parameter", "linear", (1.0, 3.0))
        >>> sample = Sample((z,), 8, seed=1)
        >>> whole, part = sample.values(0, 8)["drive.z"], sample.values(4, 2)["drive.z"]
        >>> bool((part == whole[4:6]).all()), sorted((whole - 1).astype(int).tolist())
        (True, [0, 0, 0, 0, 1, 1, 1, 1])
    """

    dims = ("point",)

    def __init__(self, columns: tuple[Column, ...], size: int, *, seed: int) -> None:
        self.columns, self.size, self.seed = columns, size, seed
        self.shape = (size,)
        self._ends: dict[int, Any] = {}
        self._lock = Lock()

    def values(self, start: int, count: int) -> dict[str, np.ndarray]:
        """Parameter values of `count` points from `start` on, the sequence simply going on beyond the last one."""
        whole = 1 << (count - 1).bit_length()  # a power of two, as the sequence likes it
        with self._lock:
            sequence = self._sequence(start)
            shares = sequence.random(whole)[:count]
            self._ends[start + whole] = sequence
            while len(self._ends) > MOST_ENDS:
                del self._ends[next(iter(self._ends))]
        return {column.key: column.spread(shares[:, k]) for k, column in enumerate(self.columns)}

    def _sequence(self, start: int) -> Any:
        """The sequence at a point: going on costs time in proportion, so from the nearest end of earlier points."""
        from scipy.stats.qmc import Sobol

        at = max((end for end in self._ends if end <= start), default=0)
        found = copy.deepcopy(self._ends[at]) if at else Sobol(len(self.columns), scramble=True, rng=self.seed)
        if start > at:
            found.fast_forward(start - at)
        return found

    def corners(self) -> Iterator[dict[str, float]]:
        """Points where parameters are at the ends of their ranges, `MOST_CORNERS` of them at most."""
        for choice in _some([[0, 1]] * len(self.columns)):
            yield {column.key: column.numbers[end] for column, end in zip(self.columns, choice, strict=True)}

    def lines(self, through: Mapping[str, float]) -> Iterator[dict[str, float]]:
        """Points between the ends of every range, the other parameters held at a point; `MOST_BETWEEN` of them."""
        for column in self.columns:
            for value in column.spread(_shares(len(self.columns))):
                yield {**through, column.key: float(value)}


def _shares(axes: int) -> np.ndarray:
    """Even shares of a range without its ends."""
    count = max(1, MOST_BETWEEN // axes)
    return np.arange(1, count + 1) / (count + 1)


def _some(rows: list[list[int]]) -> Iterator[tuple[int, ...]]:
    """Every choice of one row per axis; a fixed random part of them where there are too many."""
    if math.prod(map(len, rows)) <= MOST_CORNERS:
        yield from itertools.product(*rows)
        return
    yield tuple(row[0] for row in rows)
    yield tuple(row[-1] for row in rows)
    random = np.random.default_rng(0)
    for _ in range(MOST_CORNERS - 2):
        yield tuple(int(random.choice(row)) for row in rows)


def as_text(points: Grid | Sample) -> dict[str, Any]:
    """Numbers and texts from which `from_text` makes the same points."""
    if isinstance(points, Sample):
        columns = [dataclasses.asdict(column) for column in points.columns]
        return {"sample": {"columns": columns, "size": points.size, "seed": points.seed}}
    return {"axes": [dataclasses.asdict(axis) for axis in points.axes]}


def from_text(found: Mapping[str, Any]) -> Grid | Sample:
    """The points that `as_text` wrote down."""

    def columns(part: Mapping[str, Any]) -> tuple[Column, ...]:
        return tuple(Column(**{**column, "numbers": tuple(column["numbers"])}) for column in part["columns"])

    if "sample" in found:
        part = found["sample"]
        return Sample(columns(part), part["size"], seed=part["seed"])
    return Grid(tuple(Axis(axis["name"], axis["size"], columns(axis)) for axis in found["axes"]))
