"""Records from files of other programs: HDF5, MATLAB, NumPy and text, with a mapping that says what lies where.

A mapping is a TOML file or a dict, see docs/how-to/records.md; `inspect_file` writes one to start from. Files are
opened in a child process (`guard`); the samples come back as files mapped into memory.
"""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from importlib.resources import files
from math import inf, isfinite
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from darkstate.errors import InputError
from darkstate.records.guard import label, one_line, run
from darkstate.records.schema import VARIABLES, Pulse, record, sequence

SHIPPED = ("artiq", "labone", "labscript")
"""Mappings that come with darkstate, for the key `base`."""

NUMBERS = (
    "sample_rate_hz",
    "carrier_hz",
    "full_scale",
    "filter_order",
    "filter_time_constant",
    "power_w",
    "faraday_angle_deg",
)
"""Keys whose value is a number, or the place of one in the file."""

_TEXTS = ("base", "kind", "purpose", "axes", "cycle", "times", "units", "lab_digest")
_OWN_NUMBERS = ("samples_per_cycle", "ticks_per_second")
KEYS = (*VARIABLES, *NUMBERS, *_TEXTS, *_OWN_NUMBERS, "sequence")
"""Every key of a mapping."""

_PULSE_NUMBERS = ("duration", "edge")
_AXES = ("cycle", "time", "quadrature")
_MAX_BYTES = 1 << 20


def read_foreign(path: str | Path, mapping: str | Path | Mapping[str, Any] | None = None) -> xr.Dataset:
    """Read a file of another program, or a folder of such files, as a record.

    Args:
        path: the file, or a folder whose files, in the order of their names, follow each other along the cycles.
        mapping: a TOML file or its content; None: NAME.toml beside NAME.ending, or mapping.toml in the folder.

    Returns:
        The record; its samples lie on the disk until they are used.

    Raises:
        InputError: a mapping that is not valid, or does not fit; a file that is damaged, not even in time, lies partly
            in other files, or holds Python objects.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(f"{folder}/a.npy", np.ones((3, 4), "f4"))
        ...     drive = {"kind": "drive", "duration": 4e-6}
        ...     one = read_foreign(f"{folder}/a.npy", dict(sample_rate_hz=1e6, carrier_hz=3e5, sequence=[drive]))
        >>> dict(one.sizes), float(one.signal.sum())
        ({'cycle': 3, 'time': 4}, 12.0)
    """
    path = Path(path)
    if not path.exists():
        raise InputError([f"{label(path)} does not exist; check the path"])
    values, name = _mapping(path, mapping)
    found = _copied(path, values)
    numbers = {key: values[key] for key in NUMBERS if key in values and key not in found["numbers"]} | found["numbers"]
    wrong = [f"{key} is {numbers[key]:g}" for key in ("sample_rate_hz", "carrier_hz") if not 0 < numbers[key] < inf]
    if wrong:
        raise InputError([f"{label(path)} with {name}: {text}; it must be a positive number" for text in wrong])
    if "filter_order" in numbers:
        numbers["filter_order"] = int(numbers["filter_order"])
    try:
        return record(
            found["arrays"].pop("signal"),
            pulses=_pulses(values["sequence"]),
            **found["arrays"],
            **numbers,
            **{key: values[key] for key in ("kind", "purpose", "units", "lab_digest") if key in values},
        )
    except InputError as error:
        raise InputError([f"{label(path)} with {name}: {text}" for text in error.problems]) from None


def read_mapping(mapping: str | Path | Mapping[str, Any], name: str = "the mapping") -> dict[str, Any]:
    """A mapping, checked and completed with its `base`.

    Args:
        mapping: a TOML file or its content; name: how messages call a content.

    Raises:
        InputError: every problem, one sentence each; an unknown key comes with the nearest known one.

    Example:
        >>> read_mapping({"base": "labone", "chunk": 3})
        Traceback (most recent call last):
        ...
        darkstate.errors.InputError: the mapping: key 'chunk' is not known; allowed: signal, shot_noise, dark, ...
    """
    if isinstance(mapping, Mapping):
        values = dict(mapping)
    else:
        name, values = label(mapping), _toml(Path(mapping))
    problems = [f"{name}: {text}" for text in _key_problems(values, KEYS)]
    base = values.pop("base", None)
    if base is not None and base not in SHIPPED:
        problems.append(f"{name}: base is {one_line(repr(base))}; write one of {', '.join(SHIPPED)}")
    elif base is not None:
        shipped = files("darkstate.records") / "mappings" / f"{base}.toml"
        defaults = tomllib.loads(shipped.read_text(encoding="utf-8"))
        if "sample_rate_hz" in values or "times" in values:  # one replaces the other
            defaults = {k: v for k, v in defaults.items() if k not in ("sample_rate_hz", "times")}
        values = {**defaults, **values}
    problems += [f"{name}: {text}" for text in _value_problems(values)]
    if problems:
        raise InputError(problems)
    return values


def _toml(path: Path) -> dict[str, Any]:
    name = label(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError([f"{name} has more than 1 MiB; a mapping is a short TOML file, check the path"])
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError([f"{name} cannot be read: {error.strerror or error}; check the path"]) from None
    except (ValueError, RecursionError) as error:
        raise InputError([f"{name} is not valid TOML ({one_line(str(error))}); a line reads key = value"]) from None


def _mapping(path: Path, mapping: str | Path | Mapping[str, Any] | None) -> tuple[dict[str, Any], str]:
    """The mapping and how messages call it."""
    if mapping is None:
        mapping = path / "mapping.toml" if path.is_dir() else path.with_suffix(".toml")
        if not mapping.exists():
            raise InputError(
                [
                    f"{label(path)} needs a mapping, {label(mapping)}; `darkstate inspect {label(path)}` prints one to "
                    "start from"
                ]
            )
    name = "the mapping" if isinstance(mapping, Mapping) else label(mapping)
    return read_mapping(mapping), name


def _key_problems(table: Mapping[str, Any], known: tuple[str, ...]) -> list[str]:
    found = []
    for key in table:
        if key not in known:
            near = get_close_matches(str(key)[:100], known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"allowed: {', '.join(known)}"
            found.append(f"key {one_line(str(key))!r} is not known; {hint}")
    return found


def _number(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value)


def _value_problems(values: Mapping[str, Any]) -> list[str]:
    found = [f"{key} is missing" for key in ("carrier_hz", "sequence") if key not in values]
    if ("sample_rate_hz" in values) == ("times" in values):
        found.append("give either sample_rate_hz or times, the place of the time of each sample")
    for key, value in values.items():
        shown = f"{key} is {one_line(repr(value))}"
        if key in VARIABLES and not (isinstance(value, str) or _is_pair(value)):
            found.append(f'{shown}; give a place in the file, or two of cosine and sine such as ["x", "y"]')
        if key in NUMBERS and not (_number(value) or isinstance(value, str)):
            found.append(f"{shown}; give a finite number or its place in the file, such as group/array@attribute")
        if key in _TEXTS and not isinstance(value, str):
            found.append(f"{shown}; give a text in quotes")
        if key in _OWN_NUMBERS and not (_number(value) and value > 0):
            found.append(f"{shown}; give a number above 0")
    if not isinstance(values.get("samples_per_cycle", 1), int):
        found.append("samples_per_cycle must be a whole number")
    axes = str(values.get("axes", "time")).replace(" ", "").split(",")
    if axes != ["time"] and sorted(axes) not in (["cycle", "time"], sorted(_AXES)):
        found.append(
            f"axes is {one_line(repr(values['axes']))}; write time, or the names cycle, time and, for demodulated "
            "arrays, quadrature in the order of the file"
        )
    return found + _pulse_problems(values.get("sequence", [{"kind": ""}]))


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(name, str) for name in value)


def _pulse_problems(pulses: Any) -> list[str]:
    if not (isinstance(pulses, list) and pulses and all(isinstance(p, Mapping) and "kind" in p for p in pulses)):
        return ['sequence must be a list of pulses with a kind each: [[sequence]], kind = "drive", duration = 1e-3']
    found = []
    for k, pulse in enumerate(pulses):
        allowed = ("kind", *_PULSE_NUMBERS, "displacement")
        found += [f"sequence, pulse {k}: {text}" for text in _key_problems(pulse, allowed)]
        two = pulse.get("displacement", [0, 0])
        if not all(_number(pulse.get(key, 0)) for key in _PULSE_NUMBERS) or not (
            isinstance(two, (list, tuple)) and len(two) == 2 and all(map(_number, two))
        ):
            found.append(f"sequence, pulse {k}: duration and edge must be numbers [s], displacement two numbers")
    return found


def _pulses(tables: list[dict[str, Any]]) -> tuple[Pulse, ...]:
    return sequence(*(Pulse(**{**t, "displacement": tuple(t.get("displacement", (0.0, 0.0)))}) for t in tables))


def _copied(path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays, mapped into memory, and numbers that stand in the file."""
    parts = [path]
    if path.is_dir():
        parts = sorted(p for p in path.iterdir() if p.is_file() and p.suffix != ".toml" and p.name[0] != ".")
    if not parts:
        raise InputError([f"{label(path)} holds no files; give a file, or a folder of files of one kind"])
    named = {"signal": "", **{name: values[name] for name in VARIABLES if name in values}}
    axes = values.get("axes")
    # Windows cannot remove a mapped file: there the samples are read, and the folder removed, at once
    with tempfile.TemporaryDirectory(prefix="darkstate-") as folder:
        options = {
            "files": [str(part) for part in parts],
            "folder": folder,
            "arrays": {name: [place] if isinstance(place, str) else place for name, place in named.items()},
            "numbers": {key: values[key] for key in NUMBERS if isinstance(values.get(key), str)},
            "axes": axes.replace(" ", "").split(",") if axes else None,
            "times": values.get("times"),
            "ticks_per_second": values.get("ticks_per_second", 1.0),
            "cycle": values.get("cycle"),
            "samples_per_cycle": values.get("samples_per_cycle"),
        }
        found = run("copy", path, options)
        for name, (kind, shape) in found["arrays"].items():
            mapped = np.memmap(Path(folder, name), kind, "r", shape=tuple(shape))
            found["arrays"][name] = np.array(mapped) if os.name == "nt" else mapped
    return found
