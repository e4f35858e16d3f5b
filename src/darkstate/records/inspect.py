"""What a file holds: a record in a few lines, or arrays and rates of any other file with a mapping to start from."""

from __future__ import annotations

import json
import re
from math import prod
from pathlib import Path
from typing import Any

import xarray as xr

from darkstate.errors import InputError
from darkstate.records.guard import label, one_line, run
from darkstate.records.io import open_record, verify_record
from darkstate.records.schema import VARIABLES, pulses_of
from darkstate.records.stores import is_zarr

_RATE = re.compile(r"rate|freq|hz|clock|sampl|carrier|larmor|\bdt\b|step|interval", re.IGNORECASE)
_NAMES = {"shot_noise": re.compile(r"shot", re.IGNORECASE), "dark": re.compile(r"dark|background", re.IGNORECASE)}


def inspect_file(path: str | Path) -> str:
    """Say what a file holds.

    Args:
        path: a record of darkstate, of which every sample is read and checked; or an HDF5, MATLAB, NumPy or text file,
            or a folder of such files, of which the first is listed.

    Returns:
        Text: of a record its kind, sizes, rates, sequence and digest; of another file its arrays, the attributes that
        look like rates, and a mapping in TOML to edit.

    Raises:
        InputError: not there, damaged, or a format that is not known.

    Example:
        >>> import tempfile, numpy
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     numpy.save(f"{folder}/a.npy", numpy.ones((3, 4)))
        ...     print(inspect_file(f"{folder}/a.npy").splitlines()[1])
        #   (no name)  3 x 4  float64
    """
    path = Path(path)
    if not path.exists():
        raise InputError([f"{label(path)} does not exist; check the path"])
    if path.is_dir() and is_zarr(path):
        return _record_text(path)
    first = path
    if path.is_dir():
        parts = sorted(p for p in path.iterdir() if p.is_file() and p.suffix != ".toml" and p.name[0] != ".")
        if not parts:
            raise InputError([f"{label(path)} holds no files; give a file, or a folder of files of one kind"])
        first = parts[0]
    found = run("survey", first, {})
    if any(entry["name"] == "@darkstate_record" for entry in found["attributes"]):
        return _record_text(first)
    return "\n".join([_listing(first, found), "", "# A mapping to start from:", "", mapping_text(found)])


def _record_text(path: Path) -> str:
    with open_record(path) as data:
        lines = [f"{label(path)}: {data.attrs['kind']} record, purpose {data.attrs['purpose']}"]
        lines += [f"  {name:<11} {_sizes(data[name])}" for name in VARIABLES if name in data]
        pulses = [
            f"{p.kind} {p.duration * 1e3:g} ms"
            if p.duration
            else f"{p.kind} {p.displacement}"
            if p.kind == "rf"
            else p.kind
            for p in pulses_of(data)
        ]
        lines.append(f"  sequence    {', '.join(pulses)}")
        known = ("darkstate_record", "kind", "purpose", "sequence", "truth")
        lines += [f"  {key} = {one_line(str(value))}" for key, value in data.attrs.items() if key not in known]
    return "\n".join([*lines, f"  digest      {verify_record(path)} (every sample read)"])


def _sizes(array: xr.DataArray) -> str:
    axes = " x ".join(f"{n} {dim}" for dim, n in array.sizes.items())
    return f"{axes}, {array.dtype}, {array.nbytes / 1e6:.1f} MB, units {one_line(str(array.attrs.get('units', '1')))}"


def _listing(path: Path, found: dict[str, Any]) -> str:
    lines = [f"{label(path)}: {found['format']}"]
    for entry in found["arrays"]:
        size = " x ".join(map(str, entry["shape"])) or "one value"
        lines.append(f"  {one_line(entry['name']) or '(no name)'}  {size}  {entry['type']}")
    rates = [e for e in found["attributes"] if _is_rate(e)]
    if rates:
        lines += ["attributes that may be rates:", *(f"  {one_line(e['name'])} = {e['value']}" for e in rates)]
    # as comments, so that what is printed is a mapping as it stands
    return "\n".join(f"# {line}" for line in lines)


def _is_rate(entry: dict[str, Any]) -> bool:
    return bool(_RATE.search(entry["name"].rpartition("@")[2])) and not isinstance(entry["value"], str)


def mapping_text(found: dict[str, Any]) -> str:
    """A mapping in TOML with what can be guessed from the sizes and names; zeros and comments ask for the rest.

    Args:
        found: what `guard.run("survey", ...)` found.

    Example:
        >>> arrays = [{"name": "scope/y", "shape": [9, 50], "type": "int16"}]
        >>> rates = [{"name": "scope@rate_hz", "value": 1e6}]
        >>> print(mapping_text({"format": "Hdf5", "arrays": arrays, "attributes": rates}).splitlines()[0])
        signal = "scope/y"
    """
    columns = {entry["name"] for entry in found["arrays"]}
    if found["format"] == "Csv" and {"chunk", "timestamp", "x", "y"} <= columns:
        head = ['base = "labone"', "ticks_per_second = 0  # clockbase of the device, such as 60e6", _CARRIER, *_FILTER]
        return "\n".join([*head, *_SEQUENCE])
    arrays = [
        e
        for e in found["arrays"]
        if e["shape"] and (e["type"] == "text" or re.match("u?int|float|single|double", e["type"]))
    ]
    lines = []
    if columns != {""}:
        for name, pattern in _NAMES.items():
            match = next((e for e in arrays if pattern.search(e["name"])), None)
            if match:
                arrays.remove(match)
                lines.append(f"{name} = {json.dumps(match['name'])}")
        likely = max(arrays, key=lambda e: prod(e["shape"]), default={"name": ""})
        lines.insert(0, f"signal = {json.dumps(likely['name'])}")
    if arrays and len(arrays[0]["shape"]) > 1:
        lines.append('axes = "cycle,time"  # in the order of the file')
    rates = {e["name"]: e for e in found["attributes"] if _is_rate(e)}
    for key, words in (("sample_rate_hz", r"sampl|rate"), ("carrier_hz", r"carrier|larmor")):
        place = next((name for name in rates if re.search(words, name.rpartition("@")[2], re.IGNORECASE)), None)
        lines.append(f"{key} = {json.dumps(place)}" if place else f"{key} = 0  # write it here")
    return "\n".join([*lines, *_SEQUENCE])


_CARRIER = "carrier_hz = 0  # write it here"
_FILTER = ["filter_order = 0  # of the lock-in amplifier", "filter_time_constant = 0  # [s]"]
_SEQUENCE = ["", "[[sequence]]", 'kind = "drive"', "duration = 0  # [s]"]
