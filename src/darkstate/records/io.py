"""Records as files: Zarr folders and netCDF files that appear whole or not at all and notice every damage on reading.

Every chunk holds whole cycles and a checksum; the layout and the attributes are under a digest that is checked on
opening, so that opening reads no samples. Down: `schema`, `guard`, `stores`; up: everything that needs a record.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from darkstate.errors import ArgumentError, InputError
from darkstate.provenance import digest
from darkstate.records import stores
from darkstate.records.guard import label, one_line
from darkstate.records.schema import VARIABLES, check_record
from darkstate.storage import sync_folder, write_atomic

SEAL = "darkstate_contents"
"""Attribute of a file: the digest of the record and of each of its arrays. Records in memory do not carry it."""

BLOCK_BYTES = 64 << 20

_ARRAYS = (*VARIABLES, "time", "started")
_QUADRATURES = ["cos", "sin"]


def save_record(record: xr.Dataset, path: str | Path) -> Path:
    """Write a record: it is there completely or not at all, and an old one stays until the new one is complete.

    Args:
        record: any record; one opened from a file is copied in blocks.
        path: ends in .zarr (a folder, Zarr v3; checksum crc32c) or .nc or .h5 (netCDF-4; checksum fletcher32).

    Returns:
        The path written.

    Raises:
        InputError: no record, something a file has no place for, another ending, or the disk refuses.

    Example:
        >>> import tempfile
        >>> from darkstate.records.schema import Pulse, record
        >>> one = record(np.ones((3, 4)), sample_rate_hz=1e6, carrier_hz=322e3, pulses=[Pulse("drive", 4e-6)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     open_record(save_record(one, f"{folder}/one.zarr")).identical(one)
        True
    """
    path = Path(path)
    check_record(record)
    _check_storable(record)
    if path.suffix in stores.NETCDF_ENDINGS:
        return write_atomic(path, lambda temporary: stores.write_netcdf(temporary, _Parts(record)))
    if path.suffix != ".zarr":
        raise InputError([f"{label(path)}: a record ends in .zarr, .nc or .h5; choose one of them"])
    return _write_folder(path, record)


def open_record(path: str | Path) -> xr.Dataset:
    """Open a record without reading its samples; slices read only the chunks they need.

    Args:
        path: what `save_record` wrote.

    Returns:
        The record, its layout checked. Damage among the samples is found when they are read; `blocks` says where.

    Raises:
        InputError: not there, not a record, damaged (missing or cut chunks, changed attributes), or not consistent.

    Example:
        >>> open_record("nowhere.zarr")
        Traceback (most recent call last):
        ...
        darkstate.errors.InputError: nowhere.zarr does not exist; check the path
    """
    data, seal = _open(Path(path))
    try:
        _check_seal(data, seal, label(path))
        check_record(data, label(path))
    except InputError:
        data.close()
        raise
    return data


def blocks(record: xr.Dataset, variable: str = "signal", size: int = BLOCK_BYTES) -> Iterator[tuple[slice, np.ndarray]]:
    """Stream an array of a record in blocks of whole cycles, reading each chunk once.

    Args:
        record: the record; variable: signal, shot_noise or dark; size: bytes of a block, about.

    Returns:
        Pairs of the slice of cycles and their samples.

    Raises:
        InputError: a chunk is damaged (path and cycles); ArgumentError: the record has no such variable.

    Example:
        >>> from darkstate.records.schema import Pulse, record
        >>> one = record(np.ones((3, 4)), sample_rate_hz=1e6, carrier_hz=322e3, pulses=[Pulse("drive", 4e-6)])
        >>> [(where.start, where.stop, block.shape) for where, block in blocks(one, size=64)]
        [(0, 2, (2, 4)), (2, 3, (1, 4))]
    """
    if variable not in record.variables:
        allowed = ", ".join(name for name in VARIABLES if name in record)
        raise ArgumentError(f"Argument `variable` is {variable!r}; the record has {allowed}.")
    array = record[variable]
    row = max(1, array.nbytes // len(array))
    chunk = array.encoding.get("chunks") or array.encoding.get("chunksizes") or (1,)
    step = max(1, size // (row * chunk[0])) * chunk[0]
    for start in range(0, len(array), step):
        where = slice(start, min(start + step, len(array)))
        try:
            values = array[where].to_numpy()
        except Exception as error:  # whatever the libraries raise over a damaged chunk
            name = label(record.encoding.get("source", "the record"))
            raise InputError(
                [
                    f"{name}: `{variable}` from {where.start} to {where.stop - 1} cannot be read "
                    f"({one_line(str(error))}); restore the file from a copy or leave these cycles out"
                ]
            ) from None
        yield where, values


def record_digest(record: xr.Dataset) -> str:
    """SHA-256 of a record as "sha256:...": the same for every format, chunking and byte order.

    Formula: SHA-256 of the JSON text, keys sorted, of the attributes and, for each array, its axes, type, shape,
    attributes and the SHA-256 of its bytes (little-endian, last axis fastest).

    Raises:
        InputError: a chunk is damaged.

    Example:
        >>> from darkstate.records.schema import Pulse, record
        >>> one = record(np.ones((3, 4)), sample_rate_hz=1e6, carrier_hz=322e3, pulses=[Pulse("drive", 4e-6)])
        >>> record_digest(one) == record_digest(one.copy()), record_digest(one) == record_digest(2 * one)
        (True, False)
    """
    parts = _Parts(record)
    for name in parts.names:
        for _ in parts.blocks(name):
            pass
    return parts.digest()


def verify_record(path: str | Path) -> str:
    """Read every sample of a record file and compare with what was saved.

    Returns:
        Its digest, see `record_digest`.

    Raises:
        InputError: what `open_record` and `blocks` find, or samples that are not those saved (such as two chunks
            exchanged, which no checksum of a chunk can notice).

    Example:
        >>> import tempfile
        >>> from darkstate.records.schema import Pulse, record
        >>> one = record(np.ones((3, 4)), sample_rate_hz=1e6, carrier_hz=322e3, pulses=[Pulse("drive", 4e-6)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     verify_record(save_record(one, f"{folder}/one.nc")) == record_digest(one)
        True
    """
    with open_record(path) as data:
        found = record_digest(data)
    if found != json.loads(_open(Path(path))[1] or "")["digest"]:
        raise InputError([f"{label(path)}: its samples are not those that were saved; restore it from a copy"])
    return found


class _Parts:
    """The arrays of a record on their way into a file or a digest; every byte that passes is hashed."""

    def __init__(self, record: xr.Dataset) -> None:
        self.record = record
        self.names = [name for name in sorted(_ARRAYS) if name in record.variables]
        self.hashes: dict[str, str] = {}

    def blocks(self, name: str) -> Iterator[tuple[slice, np.ndarray]]:
        """Blocks of an array, little-endian and contiguous."""
        found = hashlib.sha256()
        for where, block in blocks(self.record, name):
            values = np.ascontiguousarray(block, block.dtype.newbyteorder("<"))
            found.update(values.data)
            yield where, values
        self.hashes[name] = found.hexdigest()

    def digest(self) -> str:
        """The digest of the record, once every array has passed."""
        return digest(_header(self.record, self.hashes))

    def attrs(self) -> dict[str, Any]:
        """The attributes of the file: those of the record, and the seal."""
        seal = {"digest": self.digest(), "arrays": self.hashes}
        return {**plain(self.record.attrs), SEAL: json.dumps(seal, sort_keys=True)}


def plain(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Attributes with Python's own numbers and texts, whatever the file format made of them."""
    return {str(k): v.item() if isinstance(v, np.generic) else v for k, v in attrs.items()}


def _header(record: xr.Dataset, hashes: Mapping[str, str]) -> str:
    arrays = {
        name: [record[name].dims, record[name].dtype.name, record[name].shape, plain(record[name].attrs), sha]
        for name, sha in hashes.items()
    }
    return json.dumps({"attrs": plain(record.attrs), "arrays": arrays}, sort_keys=True)


def _check_storable(record: xr.Dataset) -> None:
    """Refuse what a file would lose or change.

    Raises:
        InputError: further variables, types no format has, attributes that are no number and no text.
    """
    extra = [str(name) for name in record.variables if name not in (*_ARRAYS, "quadrature")]
    found = [
        f"the record holds `{name}`, which has no place in a file; drop it with record.drop_vars" for name in extra
    ]
    if "quadrature" in record.variables and record.quadrature.values.tolist() != _QUADRATURES:
        found.append(f"the quadratures are {record.quadrature.values.tolist()}; they must be {_QUADRATURES}")
    for name in _ARRAYS:
        if name in record.variables and record[name].dtype.name not in stores.TYPES:
            found.append(f"`{name}` holds {record[name].dtype}; convert it to one of {', '.join(stores.TYPES)}")
    owners = {"the record": record.attrs, **{f"`{n}`": record[n].attrs for n in _ARRAYS if n in record.variables}}
    for owner, attrs in owners.items():
        for key, value in plain(attrs).items():
            if key == SEAL or not _storable(value):
                found.append(
                    f"the attribute {one_line(key)!r} of {owner} is {one_line(repr(value))}; give a finite number of "
                    "at most 64 bit or a text without null characters"
                )
    if found:
        raise InputError(found)


def _storable(value: Any) -> bool:
    if type(value) is str:
        return "\0" not in value and value.encode("utf-8", "ignore").decode() == value
    return (type(value) is int and -(2**63) <= value < 2**63) or (type(value) is float and np.isfinite(value))


def _open(path: Path) -> tuple[xr.Dataset, str | None]:
    """The dataset without its seal, and the seal.

    Raises:
        InputError: not there, or not what `stores` writes.
    """
    name = label(path)
    if not path.exists():
        raise InputError([f"{name} does not exist; check the path"])
    options: dict[str, Any] = {"engine": "h5netcdf"}
    if path.is_dir():
        stores.check_zarr(path)
        options = {"engine": "zarr", "consolidated": False, "zarr_format": 3}
    else:
        stores.check_netcdf(path)
    try:
        data = xr.open_dataset(path, chunks=None, decode_cf=False, **options)
        data = data.set_coords([name for name in data.data_vars if name not in VARIABLES])
        data.attrs = plain(data.attrs)
        for variable in data.variables.values():
            variable.attrs = plain(variable.attrs)
        if "quadrature" in data.dims and data.sizes["quadrature"] == len(_QUADRATURES):
            data = data.assign_coords(quadrature=_QUADRATURES)
    except Exception as error:  # whatever the libraries raise over a damaged file
        raise InputError(
            [f"{name} cannot be read ({one_line(str(error))}); it is damaged, restore it from a copy"]
        ) from None
    return data, data.attrs.pop(SEAL, None)


def _check_seal(data: xr.Dataset, seal: Any, name: str) -> None:
    if seal is None:
        check_record(data, name)
        raise InputError([f"{name}: it was not written by darkstate; write it with save_record"])
    try:
        content = json.loads(seal)
        intact = content["digest"] == digest(_header(data, content["arrays"]))
        intact &= set(content["arrays"]) == set(data.variables) - {"quadrature"}
    except (ValueError, KeyError, TypeError, RecursionError):
        intact = False
    if not intact:
        raise InputError([f"{name}: its attributes or sizes are not those that were saved; restore it from a copy"])


def _write_folder(path: Path, record: xr.Dataset) -> Path:
    """A Zarr folder beside the target, on the disk; then two renames, the first of which moves the old one away."""
    if path.exists() and not (path.is_dir() and (stores.is_zarr(path) or not any(path.iterdir()))):
        raise InputError([f"{label(path)} is there and is no Zarr folder; choose another name or move it away"])
    unique = os.urandom(6).hex()
    temporary, old = (path.with_name(f".{path.stem[:40]}-{unique}{end}") for end in (".new", ".old"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stores.write_zarr(temporary, _Parts(record))
        stores.sync(temporary)
        if path.exists():
            os.rename(path, old)
        try:
            os.rename(temporary, path)
        except BaseException:
            if old.exists():
                os.rename(old, path)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise InputError(
            [f"{label(path)} cannot be written: {error.strerror or error}; free some space or choose another folder"]
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
    return path
