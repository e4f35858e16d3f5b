"""Measured data of a study: one observable with standard errors, over time or against parameters of the lab.

    CSV:     t_ms, xi, xi_err                   or    "light.loss", xi, xi_err      one column per parameter varied
    NetCDF:  xi(t), xi_err(t), t in s           or    xi(point), xi_err(point), "light.loss"(point)

Every problem is told in one sentence with file and line. Up: `likelihood` compares them with a prediction.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from darkstate.errors import ArgumentError, InputError
from darkstate.experiments import layout
from darkstate.experiments.tomltext import nearest, one_line
from darkstate.provenance import digest
from darkstate.studies.observables import OBSERVABLES, known_courses
from darkstate.studies.quantities import QUANTITIES
from darkstate.units import shown

TIMES = {"t_s": 1.0, "t_ms": 1e-3, "t_us": 1e-6}
MAX_BYTES = 1 << 24
MAX_POINTS = 20_000


@dataclass(frozen=True)
class Data:
    """Points of one observable.

    Args:
        name: the file; digest: SHA-256 of its content.
        observable: what was measured, of `OBSERVABLES` over time or `QUANTITIES` without.
        times: [n; s], or None where the points are no course over time.
        varied: dotted key to the value of that parameter at each point [n; SI]; empty for a course over time.
        values, errors: measured values and their standard errors [n].
    """

    name: str
    digest: str
    observable: str
    times: np.ndarray | None
    varied: Mapping[str, np.ndarray]
    values: np.ndarray
    errors: np.ndarray


def read_data(path: str | Path, kind: str, *, observable: str | None = None) -> Data:
    r"""Read measured points of an experiment.

    Args:
        path: CSV (lines starting with # are comments; the first other line names the columns) or NetCDF (.nc).
        kind: the experiment; observable: which one; None = the only one among the columns.

    Raises:
        InputError: every problem found, one sentence each.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "decay.csv")
        ...     _ = path.write_text("t_ms,xi,xi_err\n0,1.02,0.01\n5,0.83,0.01\n")
        ...     read_data(path, "cesium_cells").times
        array([0.   , 0.005])
    """
    path = Path(path)
    content = _content(path)
    name = one_line(str(path))
    columns, lines = _netcdf(path, name) if path.suffix == ".nc" else _csv(content, name)
    chosen = _observable(name, kind, list(columns), observable)
    clock = [c for c in columns if c in TIMES]
    varied = [c for c in columns if _parameter(kind, c)]
    _check_columns(name, kind, list(columns), chosen, clock, varied)
    problems: list[str] = []
    points = {c: _numbers(columns[c], c, lines, problems) for c in (chosen, f"{chosen}_err", *clock)}
    settings = {_bare(c): _settings(kind, c, columns[c], lines, problems) for c in varied}
    problems += [
        f"{at}: {chosen}_err = {e:g} must be greater than 0"
        for e, at in zip(points[f"{chosen}_err"], lines, strict=True)
        if e <= 0
    ]
    times = points[clock[0]] * TIMES[clock[0]] if clock else None
    if times is not None:
        problems += [f"{at}: a time must not be negative" for t, at in zip(times, lines, strict=True) if t < 0]
        if not problems and not times.max() > 0:
            problems.append(f"{name}: all its times are 0, where nothing depends on any rate")
    if problems:
        raise InputError(list(dict.fromkeys(problems))[:100])
    return Data(one_line(path.name), digest(content), chosen, times, settings, points[chosen], points[f"{chosen}_err"])


def _content(path: Path) -> bytes:
    name = one_line(str(path))
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError([f"{name} is larger than 16 MiB; give a table of at most that size"])
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "cannot be read"
        raise InputError([f"{name}: {reason}; give a CSV or NetCDF file beside the study file"]) from None


def _csv(content: bytes, name: str) -> tuple[dict[str, list[str]], list[str]]:
    """Cells by column, and file and line of every row."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError([f"{name} is not text (UTF-8); give a CSV file with the columns t_ms, xi, xi_err"]) from None
    try:
        rows = [(n, r) for n, r in enumerate(csv.reader(text.splitlines()), 1) if any(map(str.strip, r))]
    except csv.Error as error:
        raise InputError([f"{name} is no CSV table: {one_line(str(error))}"]) from None
    rows = [(n, r) for n, r in rows if not r[0].lstrip().startswith("#")]
    if len(rows) < 2:
        raise InputError([f"{name} holds no points; the first line names the columns, such as t_ms,xi,xi_err"])
    if len(rows) > MAX_POINTS:
        raise InputError([f"{name} holds more than {MAX_POINTS} points; average some of them"])
    names = [c.strip() for c in rows[0][1]]
    twice = next((c for c in names if names.count(c) > 1), None)
    if twice is not None:
        raise InputError([f"{name}:{rows[0][0]}: column {shown(twice)} stands there twice; leave one out"])
    short = [
        f"{name}:{n}: has {len(r)} values, but the header names {len(names)} columns"
        for n, r in rows[1:]
        if len(r) != len(names)
    ]
    if short:
        raise InputError(short[:100])
    columns = {c: [r[k].strip() for _, r in rows[1:]] for k, c in enumerate(names)}
    return columns, [f"{name}:{n}" for n, _ in rows[1:]]


def _netcdf(path: Path, name: str) -> tuple[dict[str, Any], list[str]]:
    """Columns of a dataset whose variables share one axis; its times are called t, in seconds."""
    import xarray as xr

    try:
        with xr.open_dataset(path, engine="h5netcdf", decode_times=False) as data:
            found = {str(k): v.load() for k, v in data.variables.items() if v.ndim == 1 and v.dtype.kind in "fiu"}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError([f"{name} is no NetCDF file that can be read; give CSV or NetCDF"]) from error
    axes = {k.removesuffix("_err"): v.dims[0] for k, v in found.items() if k.endswith("_err")}
    axis = next((found[k].dims[0] for k in axes if k in found), None)
    if axis is None:
        raise InputError([f"{name} holds no variable with its standard error, such as xi and xi_err"])
    columns = {"t_s" if k == "t" else k: np.asarray(v) for k, v in found.items() if v.dims[0] == axis}
    count = len(next(iter(columns.values())))
    if not 0 < count <= MAX_POINTS:
        raise InputError([f"{name} holds {count} points along {axis}; 1 to {MAX_POINTS} are allowed"])
    return columns, [f"{name}, point {n}" for n in range(count)]


def _bare(column: str) -> str:
    """A column name without its unit: "noise.gamma_tilde (/ms)"."""
    return re.sub(r"\s*[(\[].*", "", column)


def _parameter(kind: str, column: str) -> bool:
    spec = layout.find(kind, tuple(_bare(column).split(".")))
    return spec is not None and not spec.choices and not spec.whole


def _observable(name: str, kind: str, columns: Sequence[str], wanted: str | None) -> str:
    """The observable meant."""
    known = [*known_courses(kind), *QUANTITIES[kind]]
    if wanted is not None:
        if wanted not in known:
            likely = nearest(wanted, known)
            hint = f"did you mean {likely}?" if likely else f"known are {', '.join(dict.fromkeys(known))}"
            raise InputError([f"{name}: {shown(wanted)} is no observable of {kind}; {hint}"])
        return wanted
    there = [c for c in columns if c in known]
    if len(there) == 1:
        return there[0]
    if there:
        raise InputError([f"{name} holds {' and '.join(there)}; name one as observable in the study file"])
    unknown = [c for c in columns if c not in TIMES and not c.endswith("_err") and not _parameter(kind, c)]
    likely = nearest(unknown[0], known) if unknown else ""
    hint = f"; did you mean {likely} where it has {shown(unknown[0])}?" if likely else ""
    named = ", ".join(shown(c)[1:-1] for c in columns[:20])
    hint = hint or f"; its first line names {named}, separated by commas"
    raise InputError([f"{name} has no column of {', '.join(dict.fromkeys(known))}{hint}"])


def _check_columns(name: str, kind: str, columns: list[str], chosen: str, clock: list[str], varied: list[str]) -> None:
    """Columns that are missing, unknown, or do not go together."""
    for needed in (chosen, f"{chosen}_err"):
        if needed not in columns:
            likely = nearest(needed, [c for c in columns if c != chosen])
            hint = f"; did you mean it by {shown(likely)}?" if likely else ""
            wanted = f"wanted are a time ({', '.join(TIMES)}) or parameters, {chosen} and {chosen}_err"
            there = ", ".join(shown(c)[1:-1] for c in columns[:20])
            raise InputError([f"{name} has no column {needed}{hint or f'; {wanted}; it has {there}'}"])
    known = [*known_courses(kind), *QUANTITIES[kind]]
    allowed = [*TIMES, *known, *(f"{k}_err" for k in known)]
    for column in columns:
        if column not in allowed and column not in varied and not name.endswith(".nc"):
            likely = nearest(_bare(column), [*allowed, *layout.parameters(kind)])
            hint = f"did you mean {likely}?" if likely else "leave it out, or name it as below [fit.free]"
            hint = f"times stand in one of {', '.join(TIMES)}" if column.startswith("t") and not clock else hint
            raise InputError([f"{name}: column {shown(column)} is not known; {hint}"])
    over_time = chosen in OBSERVABLES[kind] and len(clock) == 1
    if len(clock) > 1 or not (over_time or chosen in QUANTITIES[kind] and not clock):
        text = f"needs one column of times ({', '.join(TIMES)}), since {chosen} is a course over time"
        if chosen not in OBSERVABLES[kind]:
            text = f"has times, but {chosen} is one number of {kind}; leave the column of times out"
        raise InputError([f"{name} {text}"])
    if over_time and varied:
        raise InputError([f"{name} has times and {varied[0]}; give one file for each value, with its own `set`"])


def _numbers(cells: Any, column: str, lines: list[str], problems: list[str]) -> np.ndarray:
    found = np.full(len(cells), np.nan)
    for k, cell in enumerate(cells):
        try:
            found[k] = float(cell)
        except ValueError:
            pass
        if not isfinite(found[k]):
            problems.append(f"{lines[k]}: {column} = {shown(str(cell))} is not a finite number")
            found[k] = 1.0
    return found


def _settings(kind: str, column: str, cells: Any, lines: list[str], problems: list[str]) -> np.ndarray:
    """Values of a parameter at each point [SI]; a unit may stand in the header or with every value."""
    spec: Any = layout.find(kind, tuple(_bare(column).split(".")))
    unit = re.search(r"[(\[](.*)[)\]]", column)
    found = np.zeros(len(cells))
    for k, cell in enumerate(cells):
        raw: Any = f"{cell} {unit[1]}" if unit else cell
        if isinstance(cell, str):
            try:
                raw = raw if unit else float(cell)
            except ValueError:
                pass
        try:
            # numbers of a NetCDF file are in SI already
            value = layout.read_value(spec, raw).value if isinstance(cell, str) else float(cell)
            if not (isfinite(value) and spec.admits(value)):
                raise ArgumentError(f"{value:g} must be {spec.allowed}")
            found[k] = value
        except ArgumentError as error:
            problems.append(f"{lines[k]}: {_bare(column)} = {error}")
    return found
