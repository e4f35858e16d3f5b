"""The two file formats of a record, Zarr v3 and netCDF-4: how they are written, and what is checked before opening.

Zarr reads a missing chunk as zeros and HDF5 follows links into other files; both are refused here. Only `io` uses this.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import xarray as xr

from darkstate.errors import InputError
from darkstate.records.guard import label, run
from darkstate.storage import sync_folder

TYPES = tuple(np.dtype(code).name for code in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"))
"""Number types that both formats hold."""

NETCDF_ENDINGS = (".nc", ".h5")

CHUNK_BYTES = 4 << 20

_CODECS = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
_CHECKSUM_BYTES = 4
_MAX_HEADER = 16 << 20


class Parts(Protocol):
    """What is written: the arrays by name, in blocks, then the attributes."""

    record: xr.Dataset
    names: list[str]

    def blocks(self, name: str) -> Iterator[tuple[slice, np.ndarray]]:
        """Blocks of an array."""

    def attrs(self) -> dict[str, Any]:
        """The attributes, once every array has passed."""


def write_zarr(folder: Path, parts: Parts) -> None:
    """Write a Zarr v3 group.

    Raises:
        OSError: the disk refuses.
    """
    import zarr
    from zarr.codecs import Crc32cCodec

    group = zarr.create_group(str(folder), zarr_format=3)
    for name in parts.names:
        array = parts.record[name]
        target = group.create_array(
            name,
            shape=array.shape,
            chunks=_chunk(array),
            dtype=array.dtype.newbyteorder("<"),
            compressors=[Crc32cCodec()],
            dimension_names=[str(dim) for dim in array.dims],
            attributes={str(k): v for k, v in array.attrs.items()},
            config={"write_empty_chunks": True},  # a chunk that is not there is then always damage
        )
        for where, values in parts.blocks(name):
            target[where] = values
    group.attrs.update(parts.attrs())


def write_netcdf(path: Path, parts: Parts) -> None:
    """Write a netCDF-4 file; HDF5 1.10 and later read it, its metadata carry checksums of their own.

    Raises:
        OSError: the disk refuses.
    """
    import h5netcdf

    record = parts.record
    try:
        with h5netcdf.File(path, "w", libver=("v110", "v110")) as file:
            file.dimensions = {str(dim): size for dim, size in record.sizes.items()}
            for name in parts.names:
                array = record[name]
                target = file.create_variable(
                    name, array.dims, array.dtype.newbyteorder("<"), chunks=_chunk(array), fletcher32=True
                )
                for key, value in array.attrs.items():
                    target.attrs[key] = value
                for where, values in parts.blocks(name):
                    target[where] = values
            for key, value in parts.attrs().items():
                file.attrs[key] = value
    except RuntimeError as error:  # HDF5 reports a full disk on closing in this way
        number = re.search(r"errno = (\d+)", str(error))
        raise OSError(int(number[1]) if number else 0, str(error)) from error


def _chunk(array: xr.DataArray) -> tuple[int, ...]:
    row = array.nbytes // len(array)
    return (min(len(array), max(1, CHUNK_BYTES // row)), *array.shape[1:])


def sync(folder: Path) -> None:
    """Flush every file below a folder, and the folders, to the disk.

    Raises:
        OSError: the disk refuses.
    """
    for where, _, files in os.walk(folder):
        for file in files:
            with open(Path(where, file), "rb+") as handle:
                os.fsync(handle.fileno())
        sync_folder(Path(where))


def is_zarr(folder: Path) -> bool:
    """Whether a folder is a Zarr store, of any kind."""
    return any((folder / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


def check_zarr(folder: Path) -> None:
    """Refuse a folder that is not as `write_zarr` leaves it; reads the headers and the sizes of the chunks only.

    Raises:
        InputError: no Zarr store, no record, a header that is damaged, a chunk that is missing or cut.
    """
    name = label(folder)
    if not is_zarr(folder):
        raise InputError([f"{name} is a folder, but no Zarr store; give the path of a record ending in .zarr"])
    root = _header(folder, name)
    if "darkstate_record" not in root.get("attributes", {}):
        raise InputError([f"{name} is no record of darkstate; see what it holds with `darkstate inspect {name}`"])
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            _check_array(entry, _header(entry, name), name)


def _header(folder: Path, name: str) -> dict[str, Any]:
    path = folder / "zarr.json"
    try:
        if path.stat().st_size > _MAX_HEADER:
            raise ValueError(f"it has more than {_MAX_HEADER >> 20} MiB")
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict) or not isinstance(content.get("attributes", {}), dict):
            raise ValueError("it is no table")
    except FileNotFoundError:
        raise InputError([f"{name}: {folder.name}/zarr.json is missing; restore the folder from a copy"]) from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            [f"{name}: {folder.name}/zarr.json is damaged ({error}); restore the folder from a copy"]
        ) from None
    return content


def _check_array(folder: Path, header: dict[str, Any], name: str) -> None:
    try:
        shape, chunk = header["shape"], header["chunk_grid"]["configuration"]["chunk_shape"]
        kind = header["data_type"]
        known = kind in TYPES and header["codecs"] == _CODECS and len(chunk) == len(shape) > 0
        known &= header["zarr_format"] == 3 and header["chunk_grid"]["name"] == "regular"
        known &= all(type(n) is int and n > 0 for n in (*shape, *chunk)) and chunk[1:] == shape[1:]
        known &= header["chunk_key_encoding"] == {"name": "default", "configuration": {"separator": "/"}}
    except (KeyError, TypeError):
        known = False
    if not known:
        raise InputError(
            [f"{name}: {folder.name}/zarr.json is damaged or was not written by darkstate; restore it from a copy"]
        )
    size = math.prod(chunk) * np.dtype(kind).itemsize + _CHECKSUM_BYTES
    for k in range(-(-shape[0] // chunk[0])):
        part = "/".join(map(str, (k, *[0] * (len(shape) - 1))))
        try:
            found = (folder / "c" / part).stat().st_size
        except OSError:
            raise InputError(
                [f"{name}: chunk {folder.name}/c/{part} is missing; restore the folder from a copy"]
            ) from None
        if found != size:
            raise InputError(
                [
                    f"{name}: chunk {folder.name}/c/{part} has {found} bytes instead of {size}; "
                    "it is damaged, restore the folder from a copy"
                ]
            )


def check_netcdf(path: Path) -> None:
    """Refuse a file that is not as `write_netcdf` leaves it; a child process looks first.

    Raises:
        InputError: no HDF5 file, no record, damaged, or data that lie in other files.
    """
    if "darkstate_record" not in run("probe", path, {})["attributes"]:
        name = label(path)
        raise InputError([f"{name} is no record of darkstate; see what it holds with `darkstate inspect {name}`"])
