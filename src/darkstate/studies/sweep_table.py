"""The table [sweep] of a study file: which quantities, over which axes.

[sweep]
quantities = ["xi_inf", "xi_min"]
[sweep.axes."drive.z"]                       one axis: linear or log = [from, to, number of points], or values
linear = [1.1, 4, 30]
[sweep.zipped.pump]                          one axis called pump, along which two parameters move together
"drive.rate" = ["1 /ms", "2 /ms"]
"noise.gamma_tilde" = ["0.1 /ms", "0.2 /ms"]
[sweep.sample]                               instead of axes: so many points spread evenly over ranges
points = 1024
seed = 1
over = { "drive.z" = [1.1, 4] }              over_log: evenly in the logarithm
"""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path
from typing import Literal

from pydantic import Field

from darkstate.errors import InputError
from darkstate.experiments.tomltext import Key
from darkstate.studies.axes import Axis, Column, Grid, Sample
from darkstate.studies.study import Number, Study, Table, read_study
from darkstate.studies.task import Task
from darkstate.units import shown

MOST_POINTS = 10**9
MOST_SAMPLED = 5 * 10**8
MOST_ON_AXIS = 10**7
MOST_AXES = 12
MOST_CHUNKS = 10**6
BIG = 10**8
"""Points from which on the result is Zarr unless the study says otherwise."""

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
TAKEN = ("outcome", "point")

Values = list[Number]


class AxisTable(Table):
    """One axis: exactly one of the three."""

    linear: Values | None = None
    log: Values | None = None
    values: Values | None = None


class SampleTable(Table):
    """Points of a Sobol sequence."""

    points: int = Field(ge=1, le=MOST_SAMPLED)
    seed: int = Field(default=0, ge=0, lt=2**63)
    over: dict[str, Values] = Field(default_factory=dict)
    over_log: dict[str, Values] = Field(default_factory=dict)


class SweepTable(Table):
    """What `darkstate sweep` reads."""

    quantities: list[str] = Field(min_length=1, max_length=50)
    axes: dict[str, AxisTable] = Field(default_factory=dict)
    zipped: dict[str, dict[str, Values]] = Field(default_factory=dict)
    sample: SampleTable | None = None
    chunk: int | None = Field(default=None, ge=1, le=10**8)
    format: Literal["netcdf", "zarr"] | None = None


def read_sweep(path: str | Path) -> tuple[Study, Task]:
    """Read the table [sweep] of a study file.

    Raises:
        InputError: every problem found, one sentence each, with file and line.
    """
    study, table = read_study(path, "sweep", SweepTable)
    problems = [*_quantity_problems(study, table), *_shape_problems(table)]
    if problems:
        raise study.refuse(problems)
    points = _sample(study, table.sample) if table.sample is not None else _grid(study, table)

    from darkstate.studies.chunks import default_chunk  # loads JAX, after all refusals

    chunk = table.chunk or default_chunk(study.kind, table.quantities)
    if points.size > MOST_CHUNKS * chunk:
        text = f"chunk = {chunk} makes {-(-points.size // chunk)} chunks of {points.size} points"
        raise study.refuse([(("sweep", "chunk"), f"{text}, at most {MOST_CHUNKS} can be; write a larger one")])
    task = Task(
        name=study.name,
        title=study.title,
        study_digest=study.digest,
        lab_name=study.lab.name,
        lab_text=study.lab.text,
        case=study.lab.case,
        overrides=study.lab.overrides,
        quantities=tuple(table.quantities),
        points=points,
        chunk=chunk,
        format=table.format or ("zarr" if points.size > BIG else "netcdf"),
    )
    return study, task


def _quantity_problems(study: Study, table: SweepTable) -> list[tuple[Key, str]]:
    from darkstate.studies.quantities import QUANTITIES, unknown

    key: Key = ("sweep", "quantities")
    known = QUANTITIES[study.kind]
    found = [(key, unknown(name, study.kind)) for name in dict.fromkeys(table.quantities) if name not in known]
    twice = [name for name, count in Counter(table.quantities).items() if count > 1]
    return found + [(key, f"quantities holds {shown(name)} more than once; once is enough") for name in twice]


def _shape_problems(table: SweepTable) -> list[tuple[Key, str]]:
    """What is wrong without looking at parameters: no axes, too many, names that are taken, unequal lengths."""
    gridded = bool(table.axes or table.zipped)
    if gridded == (table.sample is not None):
        what = "has both axes and a sample; keep one" if gridded else "has no axes; write one"
        return [(("sweep",), f'sweep {what}: [sweep.axes."drive.z"] with values = [...], or [sweep.sample]')]
    found: list[tuple[Key, str]] = []
    if len(table.axes) + len(table.zipped) > MOST_AXES:
        found.append((("sweep",), f"sweep has more than {MOST_AXES} axes; use [sweep.sample] for so many parameters"))
    for name, columns in table.zipped.items():
        key: Key = ("sweep", "zipped", name)
        if not NAME.fullmatch(name) or name in table.quantities or name in TAKEN:
            text = "is no name for an axis; use up to 40 letters, digits, - and _, and no name of a quantity"
            found.append((key, f"sweep.zipped.{shown(name)[1:-1]} {text}"))
        lengths = {len(values) for values in columns.values()}
        if len(columns) < 2:
            found.append((key, f"sweep.zipped.{shown(name)[1:-1]} needs two parameters or more; one is an axis"))
        elif len(lengths) > 1:
            said = ", ".join(f"{shown(k)[1:-1]} has {len(values)}" for k, values in columns.items())
            found.append((key, f"sweep.zipped.{shown(name)[1:-1]} needs lists of one length, but {said}"))
    if table.sample is not None and not (table.sample.over or table.sample.over_log):
        found.append((("sweep", "sample"), 'sweep.sample has no ranges; write over = { "drive.z" = [1.1, 3] }'))
    return found


class _Reader:
    """Reads the numbers of columns and keeps every problem, so that all are told at once."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.problems: list[tuple[Key, str]] = []
        self.said: list[str] = []
        self.seen: set[str] = set()

    def column(self, path: Key, key: str, rule: str, raw: Values, at: Key | None = None) -> Column | None:
        """The column of one parameter; None, and its problems kept, if it cannot be read."""
        where = path if at is None else at
        if key in self.seen:
            self.problems.append((where, f"{key} is varied more than once; keep it on one axis"))
            return None
        self.seen.add(key)
        try:
            parameter = self.study.parameter(where, key)
        except InputError as error:
            self.said += error.problems
            return None
        numbers = []
        for value in dict.fromkeys(map(_hashable, raw)):
            try:
                numbers.append((value, self.study.number(path, key, value[1])))
            except InputError as error:
                self.said += error.problems
                if len(self.said) > 100:
                    break
        read = dict(numbers)
        if len(read) < len({_hashable(value) for value in raw}):
            return None
        spec = parameter.spec
        return Column(key, spec.unit, spec.doc, rule, tuple(read[_hashable(value)] for value in raw))

    def check(self) -> None:
        """Raise what was kept.

        Raises:
            InputError: there was a problem.
        """
        told = self.study.refuse(self.problems).problems if self.problems else []
        if told or self.said:
            raise InputError(list(dict.fromkeys([*self.said, *told]))[:100])


def _hashable(value: Number) -> tuple[type, Number]:
    return (type(value), value)


def _grid(study: Study, table: SweepTable) -> Grid:
    reader, axes = _Reader(study), []
    for key, entry in table.axes.items():
        axis = _axis(reader, key, entry)
        if axis is not None:
            axes.append(axis)
    for name, lists in table.zipped.items():
        path: Key = ("sweep", "zipped", name)
        columns = [reader.column((*path, key), key, "values", raw) for key, raw in lists.items()]
        size = len(next(iter(lists.values())))
        if not size:
            reader.problems.append((path, f"sweep.zipped.{name} has empty lists; give one value or more"))
        axes.append(Axis(name, size, tuple(column for column in columns if column is not None)))
    reader.check()
    names = [axis.name for axis in axes]
    size = 1
    for axis in axes:
        size *= axis.size
    if size > MOST_POINTS:
        shape = " x ".join(str(axis.size) for axis in axes)
        raise study.refuse(
            [(("sweep",), f"sweep has {shape} = {size:.3g} points, at most {MOST_POINTS:.0e} can be; use fewer")]
        )
    assert len(set(names)) == len(names)
    return Grid(tuple(axes))


def _axis(reader: _Reader, key: str, entry: AxisTable) -> Axis | None:
    """One axis of the grid, or None with its problems kept."""
    path: Key = ("sweep", "axes", key)
    shown_key = shown(key)[1:-1]
    given = [rule for rule in ("linear", "log", "values") if getattr(entry, rule) is not None]
    if len(given) != 1:
        said = f"has {' and '.join(given)}; keep one" if given else "needs linear, log or values"
        reader.problems.append((path, f"the axis {shown_key} {said}, such as linear = [1, 4, 30] or values = [1, 2]"))
        return None
    rule = given[0]
    raw, path, at = getattr(entry, rule), (*path, rule), path
    if rule == "values":
        if not 1 <= len(raw) <= MOST_ON_AXIS:
            reader.problems.append((path, f"values of {shown_key} is empty; give one value or more"))
            return None
        column = reader.column(path, key, rule, raw, at)
        if column is not None and len(set(column.numbers)) < len(raw):
            reader.problems.append((path, f"values of {shown_key} holds a value more than once; once is enough"))
        return None if column is None else Axis(key, len(raw), (column,))
    size = raw[2] if len(raw) == 3 else None
    if isinstance(size, bool) or not isinstance(size, int) or not 2 <= size <= MOST_ON_AXIS:
        text = f"must be [from, to, number of points], with 2 to {MOST_ON_AXIS} points as a whole number"
        reader.problems.append((path, f"{rule} of {shown_key} {text}"))
        return None
    column = reader.column(path, key, rule, raw[:2], at)
    if column is not None:
        _check_range(reader, path, key, rule, column)
    return None if column is None else Axis(key, size, (column,))


def _check_range(reader: _Reader, path: Key, key: str, rule: str, column: Column) -> None:
    low, high = column.numbers
    if low == high:
        reader.problems.append((path, f"the range of {key} has two equal ends; give two different ones"))
    elif rule == "log" and min(low, high) <= 0 <= max(low, high):
        reader.problems.append((path, f"the range of {key} must keep away from 0 to be even in the logarithm"))
    elif not math.isfinite(high - low) or rule == "log" and not 0 < high / low < math.inf:
        reader.problems.append((path, f"the range of {key} is too wide for numbers of 64 bit; give nearer ends"))


def _sample(study: Study, table: SampleTable) -> Sample:
    reader, columns = _Reader(study), []
    pairs: list[tuple[str, str, dict[str, Values]]] = [
        ("over", "linear", table.over),
        ("over_log", "log", table.over_log),
    ]
    for name, rule, ranges in pairs:
        for key, raw in ranges.items():
            path: Key = ("sweep", "sample", name, key)
            if len(raw) != 2:
                reader.problems.append((path, f"the range of {shown(key)[1:-1]} must be [from, to]"))
                continue
            column = reader.column(path, key, rule, raw)
            if column is not None:
                _check_range(reader, path, key, rule, column)
                columns.append(column)
    reader.check()
    return Sample(tuple(columns), table.points, seed=table.seed)
