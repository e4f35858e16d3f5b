"""A count table says how often 0, 1 or 2 atoms remained at each setting of an experiment with two atoms in a tweezer.

    counts (setting, atoms)   whole numbers; atoms = 0, 1, 2; their sum over atoms is the number of shots

One coordinate along `setting` says what was changed: `theta` (pulse area [rad]), `tau` (pulse duration [s]), `time` [s]
or `detuning_hz`; `group` names the runs of interleaved data. Down: nothing; up: `fidelity`, `comparisons`.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from difflib import get_close_matches
from io import StringIO
from math import isfinite, pi
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from darkstate.errors import ArgumentError, InputError
from darkstate.records.guard import label, one_line, run
from darkstate.storage import write_atomic

VERSION = 1
"""Version of this layout, in the attribute `darkstate_counts`."""

SETTINGS = {
    "theta": ("theta_rad", 1.0, "rad"),
    "tau": ("tau_us", 1e-6, "s"),
    "time": ("t_ms", 1e-3, "s"),
    "detuning_hz": ("detuning_khz", 1e3, "Hz"),
}
"""Coordinates of the settings: column of a CSV file, its unit in SI units, SI unit."""

_COLUMNS = [column for column, _, _ in SETTINGS.values()]
_COUNTED = ("shots", "n0", "n1", "n2")
KNOWN = (*_COLUMNS, *_COUNTED, "group")
"""Columns a CSV file may have."""

MAX_ROWS = 1_000_000
MAX_BYTES = 1 << 27
_MAX_PROBLEMS = 20


def count_table(counts: Any, *, group: Sequence[str] | None = None, **setting: Any) -> xr.Dataset:
    """Put counts into a table.

    Args:
        counts: shots with 0, 1, 2 atoms [s 3]; group: name of the run each setting belongs to [s], or None.
        setting: exactly one of theta [s; rad], tau [s; s], time [s; s] and detuning_hz [s; Hz].

    Returns:
        The table, checked.

    Raises:
        InputError: every problem: negative or broken counts, a setting without shots, settings outside their range, a
            group with a single setting, more than 10^6 settings.

    Example:
        >>> data = count_table([[60, 70, 170], [62, 23, 215]], theta=[0.0, 1.57])
        >>> data.counts.sum("atoms").values
        array([300, 300])
    """
    if len(setting) != 1 or next(iter(setting)) not in SETTINGS:
        raise ArgumentError(
            f"Give exactly one of the arguments {', '.join(f'`{name}`' for name in SETTINGS)}, the setting that was "
            f"changed, but there are {', '.join(f'`{one_line(name)}`' for name in setting) or 'none'}."
        )
    ((name, values),) = setting.items()
    table, x = np.asarray(counts), np.asarray(values, float)
    if table.ndim != 2 or table.shape[1] != 3 or x.shape != table.shape[:1]:
        raise ArgumentError(
            f"Argument `counts` must have shape (settings, 3) for 0, 1, 2 atoms and `{name}` one value per setting, "
            f"but they have shapes {table.shape} and {x.shape}."
        )
    names = None if group is None else [str(g) for g in group]
    if names is not None and len(names) != len(x):
        raise ArgumentError(
            f"Argument `group` must name the run of each of the {len(x)} settings, but has {len(names)}."
        )
    where = [f"setting {k}" for k in range(len(x))]
    _raise(_problems(name, x, table, names, where), "the count table")
    return _table(name, x, table, names)


def read_counts(path: str | Path) -> xr.Dataset:
    r"""Read a count table from a CSV file, or a netCDF file that `save_counts` wrote.

    A CSV file has one of the columns theta_rad, tau_us, t_ms and detuning_khz, then shots, n0, n1, n2 and, for
    interleaved data, group; lines starting with # are comments.

    Raises:
        InputError: every problem, one sentence each with file and line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "a.csv").write_text("tau_us,shots,n0,n1,n2\n0,300,60,70,170\n2.5,300,62,23,215\n")
        ...     read_counts(f"{folder}/a.csv").tau.values
        array([0.0e+00, 2.5e-06])
    """
    path = Path(path)
    if not path.is_file():
        raise InputError([f"{label(path)} does not exist or is no file; check the path"])
    return _read_netcdf(path) if path.suffix == ".nc" else _read_csv(path)


def save_counts(data: xr.Dataset, path: str | Path) -> Path:
    """Write a count table as a CSV (.csv) or netCDF file (.nc); it is there completely or not at all.

    Args:
        data: from `count_table` or `read_counts`; path: where to.

    Raises:
        InputError: no count table, another ending, or the disk refuses.

    Example:
        >>> import tempfile
        >>> data = count_table([[60, 70, 170], [62, 23, 215]], theta=[0.0, 1.57])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     read_counts(save_counts(data, f"{folder}/a.csv")).identical(data)
        True
    """
    path = Path(path)
    name = check_counts(data)
    if path.suffix == ".nc":
        return write_atomic(path, lambda temporary: data.to_netcdf(temporary, engine="h5netcdf"))
    if path.suffix != ".csv":
        raise InputError([f"{label(path)}: a count table ends in .csv or .nc; choose one of them"])
    column, unit, _ = SETTINGS[name]
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    groups = data.group.values.tolist() if "group" in data.coords else None
    writer.writerow([column, *_COUNTED, *(["group"] if groups else [])])
    for k, (x, row) in enumerate(zip(data[name].values.tolist(), data.counts.values.tolist(), strict=True)):
        # 15 digits hide the last bit of the change of unit; the pulse area keeps all, so that it comes back as it was
        shown = repr(x) if unit == 1 else f"{x / unit:.15g}"
        writer.writerow([shown, sum(row), *row, *([groups[k]] if groups else [])])
    return write_atomic(path, text.getvalue())


def check_counts(data: xr.Dataset, where: str = "the data") -> str:
    """Name of the coordinate of the settings, once the table has been checked.

    Raises:
        InputError: `data` is no count table, or one that is not consistent.
    """
    found = [name for name in SETTINGS if name in getattr(data, "coords", ())]
    if "darkstate_counts" not in getattr(data, "attrs", {}) or "counts" not in data or len(found) != 1:
        raise InputError([f"{where} holds no count table; make one with count_table or read_counts"])
    if data.counts.dims != ("setting", "atoms") or data.counts.shape[1] != 3 or data[found[0]].dims != ("setting",):
        raise InputError([f"{where}: `counts` must have the axes (setting, atoms) with 0, 1 and 2 atoms"])
    groups = [str(g) for g in data.group.values] if "group" in data.coords else None
    x = np.asarray(data[found[0]].values, float)
    places = [f"setting {k}" for k in range(len(x))]
    # a part of a table, such as one group of it, may have a single setting; only files and new tables may not
    _raise(_problems(found[0], x, data.counts.values, groups, places, whole=False), where)
    return found[0]


def group_of(data: xr.Dataset, name: str) -> xr.Dataset:
    """The settings of one group of interleaved data.

    Raises:
        InputError: the table has no such group; the nearest name is given.

    Example:
        >>> data = count_table([[1, 2, 3]] * 4, theta=[0, 1, 0, 1], group=["a", "b", "b", "a"])
        >>> group_of(data, "b").theta.values
        array([1., 0.])
    """
    check_counts(data)
    names = sorted(set(data.group.values.tolist())) if "group" in data.coords else []
    if name not in names:
        near = get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, names)) or 'no groups'}"
        raise InputError([f"the count table has no group {one_line(name)!r}; {hint}"])
    return data.isel(setting=data.group.values == name).drop_vars("group")


def _table(name: str, x: np.ndarray, counts: np.ndarray, group: Sequence[str] | None) -> xr.Dataset:
    coords: dict[str, Any] = {"atoms": np.arange(3), name: ("setting", x, {"units": SETTINGS[name][2]})}
    if group is not None:
        coords["group"] = ("setting", np.array(group, object))
    return xr.Dataset(
        {"counts": (("setting", "atoms"), counts.astype(np.int64))}, coords, {"darkstate_counts": VERSION}
    )


def _problems(
    name: str, x: np.ndarray, counts: np.ndarray, group: Sequence[str] | None, where: Sequence[str], whole: bool = True
) -> list[str]:
    """What is wrong with a table, one sentence each; `where` names the settings."""
    if not len(x):
        return ["holds no settings; give at least one line of counts"]
    if len(x) > MAX_ROWS:
        return [f"has {len(x)} settings, more than {MAX_ROWS}; sum the shots of each setting first"]
    if counts.dtype.kind not in "iuf":
        return [f"counts must be whole numbers, but have type {counts.dtype}"]
    found = []
    for k in _where(~np.isfinite(x)):
        found.append(f"{where[k]}: {name} is not a finite number; leave the setting out or correct it")
    low, high = (0.0, 2 * pi) if name == "theta" else (0.0, np.inf) if name != "detuning_hz" else (-np.inf, np.inf)
    for k in _where((x < low - 1e-9) | (x > high + 1e-9)):
        allowed = "from 0 to 2 pi rad" if name == "theta" else "at least 0"
        found.append(f"{where[k]}: {name} = {x[k]:g} must be {allowed}; check the unit of the settings")
    wrong = ~(np.isfinite(counts) & (counts >= 0) & (np.floor(counts) == counts))
    for k in _where(wrong.any(1)):
        n = int(np.argmax(wrong[k]))
        found.append(f"{where[k]}: n{n} = {counts[k, n]:g} must be a whole number of at least 0; give counts, no rates")
    if not found:
        for k in _where(counts.sum(1) == 0):
            found.append(f"{where[k]}: has 0 shots; leave the setting out")
    if group is not None and whole:
        first = {name: k for k, name in reversed(list(enumerate(group)))}
        for one in sorted(first):
            if list(group).count(one) == 1:
                found.append(
                    f"{where[first[one]]}: group {one_line(one)!r} has a single setting; give it two or more, or leave "
                    "the column group out"
                )
    return found


def _where(wrong: np.ndarray) -> list[int]:
    return np.flatnonzero(wrong).tolist()


def _raise(problems: list[str], where: str, sign: str = ": ") -> None:
    if problems:
        more = len(problems) - _MAX_PROBLEMS
        shown = [f"{where}{sign}{text}" for text in problems[:_MAX_PROBLEMS]]
        raise InputError(shown + ([f"{where}: {more} more problems of this kind"] if more > 0 else []))


def _read_netcdf(path: Path) -> xr.Dataset:
    if "darkstate_counts" not in run("probe", path, {})["attributes"]:
        raise InputError([f"{label(path)} is no count table of darkstate; write one with save_counts"])
    try:
        with xr.open_dataset(path, engine="h5netcdf") as opened:
            data = opened.load()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError([f"{label(path)} cannot be read ({one_line(str(error))}); restore it from a copy"]) from None
    name = check_counts(data, label(path))
    group = [str(g) for g in data.group.values] if "group" in data.coords else None
    return _table(name, np.asarray(data[name].values, float), data.counts.values, group)


def _read_csv(path: Path) -> xr.Dataset:
    shown, need = label(path), "give a CSV file with the columns theta_rad, shots, n0, n1, n2"
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError([f"{shown}: is larger than 128 MiB; sum the shots of each setting first"])
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError([f"{shown}: {error.strerror or 'cannot be read'}; {need}"]) from None
    except UnicodeDecodeError:
        raise InputError([f"{shown}: is not text (UTF-8); {need}"]) from None
    try:
        lines = [(n, row) for n, row in enumerate(csv.reader(text.splitlines()), 1) if row and row[0][:1] != "#"]
    except csv.Error as error:
        raise InputError([f"{shown}: is not CSV ({one_line(str(error))}); {need}"]) from None
    if not lines:
        raise InputError([f"{shown}: holds no data; {need}"])
    name, names = _header(shown, *lines[0])
    if len(lines) - 1 > MAX_ROWS:
        raise InputError([f"{shown}: has {len(lines) - 1} lines, more than {MAX_ROWS}; sum the shots of each setting"])
    problems: list[str] = []
    rows = [_row(n, row, names, problems) for n, row in lines[1:]]
    where = [str(n) for n, _ in lines[1:]]
    _raise(problems, shown, ":")
    column, unit, _ = SETTINGS[name]
    table = {one: [row[k] for row in rows] for k, one in enumerate(names)}
    x, counts = np.array(table[column], float) * unit, np.array([table[n] for n in _COUNTED[1:]], float).T
    if rows and unit != 1:
        # one rounding instead of two, so that 2.5 us is the number that 2.5e-6 is
        x = np.array([float(f"{value:.15g}e{round(np.log10(unit))}") for value in table[column]])
    problems = _problems(name, x, counts, table.get("group"), where)
    if not rows:
        raise InputError([f"{shown}: {problems[0]}"])
    wrong = _where(counts.sum(1) != np.array(table["shots"], float))
    if not problems:
        problems = [
            f"{where[k]}: n0 + n1 + n2 = {counts[k].sum():g}, but shots = {table['shots'][k]:g}; count every shot once"
            for k in wrong
        ]
    _raise(problems, shown, ":")
    return _table(name, x, counts, table.get("group"))


def _header(shown: str, number: int, row: list[str]) -> tuple[str, list[str]]:
    """Coordinate of the settings and names of the columns."""
    names, place = [name.strip() for name in row], f"{shown}:{number}"
    problems = []
    for name in names:
        if name not in KNOWN:
            near = get_close_matches(name[:100], KNOWN, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"allowed: {', '.join(KNOWN)}"
            problems.append(f"{place}: column {one_line(name)!r} is not known; {hint}")
    found = [name for name in names if name in _COLUMNS]
    if len(found) > 1:
        problems.append(f"{place}: has the settings {' and '.join(found)}; keep the one that was changed")
    problems += [f"{place}: column {one_line(n)!r} stands twice; remove one" for n in set(names) if names.count(n) > 1]
    if not problems:
        missing = [name for name in _COUNTED if name not in names]
        missing += [] if found else [f"the setting ({', '.join(_COLUMNS)})"]
        problems += [f"{place}: column {name} is missing; add it" for name in missing]
    if problems:
        raise InputError(problems)
    return next(name for name, (column, _, _) in SETTINGS.items() if column == found[0]), names


def _row(number: int, row: list[str], names: list[str], problems: list[str]) -> list[Any]:
    """One line as numbers and the name of its group; what is wrong with it goes to `problems`."""
    if len(row) != len(names):
        problems.append(f"{number}: has {len(row)} values, but the header names {len(names)} columns")
        return [0.0] * len(names)
    values: list[Any] = []
    for name, cell in zip(names, row, strict=True):
        text = cell.strip()
        if name == "group":
            if not text:
                problems.append(f"{number}: group is empty; name the run each line belongs to")
            values.append(text)
            continue
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not isfinite(value):
            problems.append(f"{number}: {name} = {one_line(text[:40])!r} is not a finite number; correct the cell")
        elif name == "shots" and value < 1:
            problems.append(f"{number}: shots = {value:g} must be at least 1; leave the line out")
        values.append(value)
    return values
