"""The table [fit] of a study file: which data, which parameters are free, which slopes hold, what to predict.

    [fit]
    data = "decay.csv"                           or several [[fit.data]] with file, case, set, own
    [fit.free."noise.gamma_tilde"]               start, low, high: all may be left out
    [[fit.slopes]]                               of, value, fixes: a measured initial slope
    [[fit.predict]]                              set, case: what the fit says of another experiment

`read_likelihood` makes the likelihood of it, for `fit` and for `infer`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field

from darkstate.errors import ArgumentError, InputError
from darkstate.experiments.labfile import Lab, load
from darkstate.experiments.tomltext import Key, nearest, one_line
from darkstate.experiments.values import value_at
from darkstate.parameters import Spec
from darkstate.studies.data import Data, read_data
from darkstate.studies.likelihood import Free, Likelihood, Piece, Slope
from darkstate.studies.observables import OBSERVABLES
from darkstate.studies.study import Number, Study, Table
from darkstate.units import parse, shown

MOST_FREE = 30


def flattened(tables: Any) -> Any:
    """Tables by dotted key, whether it was written in quotes or as nested tables.

    Example:
        >>> flattened({"noise": {"gamma_tilde": {"low": 0}}, "drive.z": {}})
        {'noise.gamma_tilde': {'low': 0}, 'drive.z': {}}
    """
    if not isinstance(tables, dict):
        return tables
    found: dict[str, Any] = {}
    for key, value in tables.items():
        inside = isinstance(value, dict) and bool(value) and all(isinstance(v, dict) for v in value.values())
        if inside:
            found |= {f"{key}.{inner}": v for inner, v in flattened(value).items()}
        else:
            found[key] = value
    return found


class FreeTable(Table):
    """One parameter to be fitted; text with a unit, or plain numbers where there is none."""

    start: Number | None = None
    low: Number | None = None
    high: Number | None = None


class DataTable(Table):
    """One data set: its file, what was measured, and the values of the lab that held there."""

    file: str
    observable: str | None = None
    name: Annotated[str | None, Field(max_length=40)] = None
    case: str | None = None
    set: dict[str, Number | bool] = {}
    own: list[str] = []


class SlopeTable(Table):
    """A measured initial slope: exact where it fixes a parameter, else one more point with its error."""

    of: str
    value: str
    fixes: str | None = None


class PredictTable(Table):
    """Another experiment whose course over time the fit predicts."""

    name: Annotated[str | None, Field(max_length=40)] = None
    observable: str | None = None
    case: str | None = None
    set: dict[str, Number | bool] = {}


def _as_tables(data: Any) -> Any:
    """A single file name as a list of one data set."""
    return [{"file": data}] if isinstance(data, str) else data


class FitTable(Table):
    """The table [fit]."""

    data: Annotated[list[DataTable], BeforeValidator(_as_tables), Field(min_length=1, max_length=100)]
    observable: str | None = None
    free: Annotated[dict[str, FreeTable], BeforeValidator(flattened)] = {}
    slopes: list[SlopeTable] = []
    predict: list[PredictTable] = []


@dataclass(frozen=True)
class Problem:
    """What a [fit] table asks for.

    Args:
        study: the study; labs: the lab of each data set, with its case and values; likelihood: data and parameters;
        targets: experiments to predict, each with label, observable, lab and the keys it sets itself.
    """

    study: Study
    labs: tuple[Lab, ...]
    likelihood: Likelihood
    targets: tuple[tuple[str, str, Lab, frozenset[str]], ...]
    specs: Mapping[str, Spec]


def read_problem(study: Study, table: FitTable, free: Mapping[str, FreeTable] | None = None) -> Problem:
    """Read the data and make the likelihood.

    Args:
        study: the study file; table: its [fit]; free: other parameters than those of [fit.free], for `infer`.

    Raises:
        InputError: every problem found, one sentence each.
    """
    where: Key = ("fit", "free") if free is None else ("infer", "priors")
    chosen = table.free if free is None else free
    sets, labs = _data_sets(study, table)
    specs: dict[str, Spec] = {}
    slopes, points = _slopes(study, table, chosen, specs)
    pieces = [
        Piece(_label(s, n, sets), lab.experiment, s[1]) for n, (s, lab) in enumerate(zip(sets, labs, strict=True))
    ]
    parameters = _free(study, chosen, where, sets, pieces, slopes)
    pieces += points
    likelihood = Likelihood(study.lab.experiment, tuple(parameters), tuple(pieces), tuple(slopes))
    return Problem(study, tuple(labs), likelihood, tuple(_targets(study, table)), specs)


_Set = tuple[DataTable, Data, Key]


def _data_sets(study: Study, table: FitTable) -> tuple[list[_Set], list[Lab]]:
    """Every data set with its lab."""
    found, labs = [], []
    problems: list[str] = []
    for n, entry in enumerate(table.data):
        where: Key = ("fit", "data", n)
        try:
            data = read_data(study.folder / entry.file, study.kind, observable=entry.observable or table.observable)
            labs.append(changed_lab(study, where, entry.case, entry.set))
            found.append((entry, data, where))
            _check_time(study, where, labs[-1], data)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(list(dict.fromkeys(problems)))
    return found, labs


def changed_lab(study: Study, where: Key, case: str | None, changes: Mapping[str, Any]) -> Lab:
    """The lab of the study with another case and some values replaced.

    Raises:
        InputError: a case or value that is not allowed, told with the line in the study file.
    """
    if case is None and not changes:
        return study.lab
    texts = [f"{key}={str(v).lower() if isinstance(v, bool) else v}" for key, v in changes.items()]
    overrides = [t for t in study.lab.overrides if t.partition("=")[0].strip() not in changes]
    try:
        return load(study.lab.path, case=case or study.lab.case, overrides=[*overrides, *texts])
    except InputError as error:
        raise InputError(
            [f"{study.key(where)}: {p.removeprefix('--set ').replace('--case ', 'case = ')}" for p in error.problems]
        ) from None


def _check_time(study: Study, where: Key, lab: Lab, data: Data) -> None:
    """Refuse data later than the protocol, whose last segment would silently go on."""
    protocol = getattr(lab.experiment, "protocol", None)
    if data.times is None or protocol is None or not hasattr(protocol, "total"):
        return
    total = float(protocol.total)
    if data.times.max() > total * (1 + 1e-9):
        text = f"{data.name} goes on to {data.times.max():g} s, but the protocol of the lab file ends at {total:g} s"
        raise study.refuse([(where, f"{text}; make it longer with [set]")])


def _label(entry: _Set, number: int, sets: Sequence[_Set]) -> str:
    """What a data set is called: its name, the file, and its number where two would be called the same."""
    table, data, _ = entry
    name = table.name or data.name.rpartition(".")[0] or data.name
    others = [t.name or d.name.rpartition(".")[0] or d.name for t, d, _ in sets]
    return f"{name} {number + 1}" if others.count(name) > 1 else name


def _free(
    study: Study,
    chosen: Mapping[str, FreeTable],
    where: Key,
    sets: Sequence[_Set],
    pieces: Sequence[Piece],
    slopes: Sequence[Slope],
) -> list[Free]:
    """The free parameters; one that a data set has of its own becomes one for each."""
    if not 0 < len(chosen) <= MOST_FREE:
        text = f"{'.'.join(map(str, where))} names {len(chosen)} parameters; 1 to {MOST_FREE} are allowed"
        raise study.refuse([(where, text)])
    found: list[Free] = []
    problems: list[tuple[Key, str]] = []
    said: list[str] = []
    for key, table in chosen.items():
        at: Key = (*where, key)
        if key in [s.key for s in slopes]:
            problems.append((at, f"{key} is determined by a slope already; leave it out here or there"))
            continue
        try:
            free = one_free(study, at, key, table)
        except InputError as error:
            said += error.problems
            continue
        clash = next((data.name for t, data, _ in sets if key in t.set), None)
        if clash is not None:
            problems.append((at, f"{key} is free, but the data set {clash} sets it; leave one of both out"))
        owners = [n for n, (t, _, _) in enumerate(sets) if key in t.own]
        if len(owners) < len(sets):
            found.append(free)
        for n in owners:
            start = free.start if table.start is not None else float(value_at(pieces[n].experiment, key))
            name = f"{key} [{pieces[n].label}]"
            found.append(free._replace(name=name, of=n, start=float(np.clip(start, free.low, free.high))))
    for entry, _, at in sets:
        for key in entry.own:
            if key not in chosen:
                likely = nearest(key, list(chosen))
                hint = f"did you mean {likely}?" if likely else f"free are {', '.join(chosen)}"
                problems.append(((*at, "own"), f"{shown(key)[1:-1]} is own, but not free; {hint}"))
    if problems or said:
        raise InputError([*said, *(study.refuse(problems).problems if problems else [])])
    return found


def one_free(study: Study, at: Key, key: str, table: FreeTable) -> Free:
    """A free parameter with start and limits.

    Raises:
        InputError: no such parameter, a value that is no quantity of it, limits in the wrong order, or a start outside.
    """
    parameter = study.parameter(at, key)
    spec = parameter.spec
    values: dict[str, float] = {}
    for name in ("start", "low", "high"):
        raw = getattr(table, name)
        if raw is not None:
            # "greater than 0" allows 0 as a limit, which is not reached
            edge = name == "low" and spec.above is not None and raw == spec.above
            values[name] = float(raw) if edge else study.number((*at, name), key, raw)
    start = values.get("start", parameter.value)
    lowest = spec.above if spec.above is not None else spec.minimum
    low = values.get("low", -np.inf if lowest is None else lowest)
    high = values.get("high", np.inf if spec.maximum is None else spec.maximum)
    if not low < high:
        raise study.refuse([(at, f"{key}: low = {low:g} must be below high = {high:g} (in SI units)")])
    if not low <= start <= high:
        raise study.refuse(
            [(at, f"{key}: start = {start:g} must lie between low = {low:g} and high = {high:g} (in SI units)")]
        )
    if spec.above is not None and low == spec.above:
        low += 1e-9 * abs(start - low)
    return Free(key, key, spec, float(start), float(low), float(high))


def _slopes(
    study: Study, table: FitTable, chosen: Mapping[str, Any], specs: dict[str, Spec]
) -> tuple[list[Slope], list[Piece]]:
    """Exact slopes, and those with an error as points."""
    slopes: list[Slope] = []
    points: list[Piece] = []
    known = [n for n, o in OBSERVABLES[study.kind].items() if o.slope]
    for n, entry in enumerate(table.slopes):
        at: Key = ("fit", "slopes", n)
        if entry.of not in known:
            likely = nearest(entry.of, known)
            hint = f"did you mean {likely}?" if likely else f"known are {', '.join(known) or 'none'}"
            raise study.refuse([((*at, "of"), f"{shown(entry.of)} has no initial slope in {study.kind}; {hint}")])
        try:
            value, error = parse(entry.value, "1/s")
        except ArgumentError as problem:
            raise study.refuse([((*at, "value"), f"value = {problem}")]) from None
        if (error is None) == (entry.fixes is None):
            text = 'needs either `fixes`, a parameter it determines, or an error as in "-0.029(1) /ms", and not both'
            raise study.refuse([(at, f"the slope of {entry.of} {text}")])
        if error is not None:
            data = Data(f"slope of {entry.of}", "", entry.of, None, {}, np.array([value]), np.array([error]))
            points.append(Piece(data.name, study.lab.experiment, data, slope=True))
            continue
        key = str(entry.fixes)
        specs[key] = study.parameter((*at, "fixes"), key).spec
        if value == 0 or key in [s.key for s in slopes]:
            text = "a slope of exactly 0" if value == 0 else f"a second slope that fixes {key}"
            raise study.refuse([(at, f"{text} cannot be used; give the slope an error instead")])
        slopes.append(Slope(entry.of, value, key))
    return slopes, points


def _targets(study: Study, table: FitTable) -> list[tuple[str, str, Lab, frozenset[str]]]:
    """What to predict."""
    found = []
    known = [n for n, o in OBSERVABLES[study.kind].items() if not o.only]
    for n, entry in enumerate(table.predict):
        at: Key = ("fit", "predict", n)
        lab = changed_lab(study, at, entry.case, entry.set)
        observable = entry.observable or (known[0] if known else "")
        if observable not in known:
            likely = nearest(observable, known)
            hint = f"did you mean {likely}?" if likely else f"known are {', '.join(known) or 'none'}"
            raise study.refuse([(at, f"{shown(observable)} is no observable over time of {study.kind}; {hint}")])
        changes = ", ".join(f"{k.rpartition('.')[2]} = {v}" for k, v in entry.set.items())
        label = entry.name or one_line(changes or f"case {lab.case}" if changes or lab.case else lab.name)
        found.append((label[:60], observable, lab, frozenset(entry.set)))
    return found
