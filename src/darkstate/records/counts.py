"""A count table says how often 0, 1 or 2 atoms remained at each setting of an experiment with two atoms in a tweezer.

    counts (setting, atoms)   whole numbers; atoms = 0, 1, 2; their sum over atoms is the number of shots

One coordinate along `setting` says what was changed: `theta` (pulse area [rad]), `tau` (pulse duration [s]), `time` [s]
or `detuning_hz`; `group` names the runs of interleaved data. Down: nothing; up: `fidelity`, `comparisons`.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from io import StringIO
from math import pi
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from darkstate.errors import ArgumentError, InputError
from darkstate.records.count_csv import COUNTED, MAX_ROWS, NEED, SETTINGS, parse, refuse, written
from darkstate.records.guard import label, one_line, run
from darkstate.storage import write_atomic

VERSION = 1
"""Version of this layout, in the attribute `darkstate_counts`."""

MAX_BYTES = 1 << 27
_MOST = 1e15
_FOREIGN = {b"PK\x03\x04": "a spreadsheet (.xlsx, .ods)", b"\xd0\xcf\x11\xe0": "a spreadsheet (.xls)"}


def count_table(counts: Any, *, group: Sequence[str] | None = None, **setting: Any) -> xr.Dataset:
    """Put counts into a table.

    Args:
        counts: shots with 0, 1, 2 atoms [s 3]; group: name of the run each setting belongs to [s], or None.
        setting: exactly one of theta [s; rad], tau [s; s], time [s; s] and detuning_hz [s; Hz].

    Returns:
        The table, checked.

    Raises:
        ArgumentError: no numbers, other shapes, none or two settings.
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
    table, x = _numbers("counts", counts), _numbers(name, values).astype(float)
    if table.ndim != 2 or table.shape[1] != 3 or x.shape != table.shape[:1]:
        raise ArgumentError(
            f"Argument `counts` must have shape (settings, 3) for 0, 1, 2 atoms and `{name}` one value per setting, "
            f"but they have shapes {table.shape} and {x.shape}."
        )
    names = None if group is None else _names(group, len(x))
    refuse(_problems(name, x, table, names, [f"setting {k}" for k in range(len(x))]), "the count table")
    return _table(name, x, table, names)


def read_counts(path: str | Path) -> xr.Dataset:
    r"""Read a count table from a CSV file, or a netCDF file that `save_counts` or `darkstate reconstruct --out` wrote.

    A CSV file has one of the columns theta_rad, tau_us, t_ms and detuning_khz, then shots, n0, n1, n2 and, for
    interleaved data, group; lines starting with # are comments. Semicolons or tabs may stand for the commas.

    Raises:
        ArgumentError: `path` is none.
        InputError: every problem, one sentence each with file and line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "a.csv").write_text("tau_us,shots,n0,n1,n2\n0,300,60,70,170\n2.5,300,62,23,215\n")
        ...     read_counts(f"{folder}/a.csv").tau.values
        array([0.0e+00, 2.5e-06])
    """
    path = _path(path)
    try:
        there = path.is_file()
    except OSError:  # a name no disk would take
        there = False
    if not there:
        raise InputError([f"{label(path)} does not exist or is no file; check the path"])
    return _read_netcdf(path) if path.suffix.lower() == ".nc" else _read_csv(path)


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
    path = _path(path)
    name = check_counts(data)
    if path.suffix.lower() == ".nc":
        return write_atomic(path, lambda temporary: data.to_netcdf(temporary, engine="h5netcdf"))
    if path.suffix.lower() != ".csv":
        raise InputError([f"{label(path)}: a count table ends in .csv or .nc; choose one of them"])
    column, power, _ = SETTINGS[name]
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    groups = data.group.values.tolist() if "group" in data.coords else None
    writer.writerow([column, *COUNTED, *(["group"] if groups else [])])
    for k, (x, row) in enumerate(zip(data[name].values.tolist(), data.counts.values.tolist(), strict=True)):
        writer.writerow([written(x, power), sum(row), *row, *([groups[k]] if groups else [])])
    return write_atomic(path, text.getvalue())


def check_counts(data: xr.Dataset, where: str = "the data") -> str:
    """Name of the coordinate of the settings, once the table has been checked.

    Raises:
        InputError: `data` is no count table, or one that is not consistent.
    """
    if not isinstance(data, xr.Dataset) or "darkstate_counts" not in data.attrs or "counts" not in data:
        raise InputError([f"{where} holds no count table; make one with count_table or read_counts"])
    found = [name for name in SETTINGS if name in data.coords]
    if len(found) != 1:
        raise InputError([f"{where} has the settings {', '.join(found) or 'none'}; keep the one that was changed"])
    counts, setting = data["counts"], data[found[0]]
    if counts.dims != ("setting", "atoms") or counts.shape[1] != 3 or setting.dims != ("setting",):
        raise InputError([f"{where}: `counts` must have the axes (setting, atoms) with 0, 1 and 2 atoms"])
    if "atoms" in data.coords and data["atoms"].values.tolist() != [0, 1, 2]:
        raise InputError([f"{where}: the axis `atoms` must be 0, 1, 2; bring it in order"])
    if "group" in data.coords and data["group"].dims != ("setting",):
        raise InputError([f"{where}: `group` must name the run of each setting; save the data and use read_counts"])
    if setting.dtype.kind not in "iuf":
        raise InputError([f"{where}: {found[0]} must be numbers, but has type {setting.dtype}"])
    groups = [str(g) for g in data["group"].values] if "group" in data.coords else None
    places = [f"setting {k}" for k in range(len(setting))]
    # a part of a table, such as one group of it, may have a single setting; only files and new tables may not
    refuse(_problems(found[0], setting.values.astype(float), counts.values, groups, places, whole=False), where)
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


def _path(path: str | Path) -> Path:
    try:
        return Path(path)
    except TypeError:
        raise ArgumentError(f"Argument `path` must be a path, but is {one_line(repr(path))}.") from None


def _numbers(name: str, values: Any) -> np.ndarray:
    try:
        found = np.asarray(values)
    except (TypeError, ValueError):
        raise ArgumentError(f"Argument `{name}` must be an array of numbers, with rows of one length.") from None
    if found.dtype.kind not in "iuf":
        raise ArgumentError(f"Argument `{name}` must be real numbers, but has type {found.dtype}.")
    return found


def _names(group: Any, count: int) -> list[str]:
    names = np.asarray(group, object)
    if names.shape != (count,):
        raise ArgumentError(
            f"Argument `group` must name the run of each of the {count} settings, but has shape {names.shape}."
        )
    return [str(name) for name in names]


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
    wrong = ~(np.isfinite(counts) & (counts >= 0) & (counts <= _MOST) & (np.floor(counts) == counts))
    for k in _where(wrong.any(1)):
        n = int(np.argmax(wrong[k]))
        found.append(f"{where[k]}: n{n} = {counts[k, n]:g} must be a whole number of at least 0; give counts, no rates")
    if not found:
        for k in _where(counts.sum(1) == 0):
            found.append(f"{where[k]}: has 0 shots; leave the setting out")
    if group is None:
        return found
    for k, one in enumerate(group):
        if not one.isprintable() or one.strip() != one or not one:
            found.append(f"{where[k]}: group {one_line(one)!r} must be one line of text; give the run a simple name")
    for one, count in Counter(group).items():
        if whole and count == 1:
            text = "has a single setting; give it two or more, or leave the column group out"
            found.append(f"{where[list(group).index(one)]}: group {one_line(one)!r} {text}")
    return found


def _where(wrong: np.ndarray) -> list[int]:
    return np.flatnonzero(wrong).tolist()


def _read_netcdf(path: Path) -> xr.Dataset:
    # results of a fit name the axis of the fits `group`, and the run of each setting `run`
    coordinates = {name: name for name in (*SETTINGS, "atoms", "group")} | {"run": "group"}
    found = run("table", path, {"names": ["counts", *coordinates]})
    counts = {name: found.pop(name) for name in ("counts",) if name in found}
    coords = {coordinates[name]: one for name, one in found.items()}
    try:
        data = xr.Dataset.from_dict({"data_vars": counts, "coords": coords, "attrs": {"darkstate_counts": VERSION}})
    except ValueError as error:
        raise InputError([f"{label(path)} cannot be read ({one_line(str(error))}); restore it from a copy"]) from None
    name = check_counts(data, label(path))
    group = [str(g) for g in data["group"].values] if "group" in data.coords else None
    return _table(name, data[name].values.astype(float), data["counts"].values, group)


def _read_csv(path: Path) -> xr.Dataset:
    shown = label(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError([f"{shown}: is larger than 128 MiB; sum the shots of each setting first"])
        content = path.read_bytes()
    except OSError as error:
        raise InputError([f"{shown}: {error.strerror or 'cannot be read'}; {NEED}"]) from None
    if content[:4] in _FOREIGN:
        raise InputError([f"{shown}: is {_FOREIGN[content[:4]]}; save as CSV and give that file"])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError([f"{shown}: is not text (UTF-8); {NEED}"]) from None
    name, x, counts, shots, group, places = parse(text, shown)
    problems = _problems(name, x, counts, group, places)
    if not len(x):
        raise InputError([f"{shown}: {problems[0]}"])
    if not problems:
        for k in _where(counts.sum(1) != shots):
            text = f"n0 + n1 + n2 = {counts[k].sum():.15g}, but shots = {shots[k]:.15g}; count every shot once"
            problems.append(f"{places[k]}: {text}")
    refuse(problems, shown, ":")
    return _table(name, x, counts, group)
