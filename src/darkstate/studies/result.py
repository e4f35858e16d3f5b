"""The result of a sweep: one NetCDF or Zarr file with named axes, units and an outcome per point, written in pieces.

    chunk files (points n to m)  ->  slabs of an array over the axes  ->  result.nc | result.zarr

Nothing in it depends on when, where or in how many parts it was computed. `xarray.open_dataset` reads both formats.
"""

from __future__ import annotations

import errno
import math
import os
import re
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from darkstate.errors import InputError, Outcome
from darkstate.experiments import kind_of
from darkstate.provenance import attrs as provenance_attrs
from darkstate.records import stores
from darkstate.storage import sync_folder, write_atomic
from darkstate.studies.axes import Grid
from darkstate.studies.quantities import QUANTITIES
from darkstate.studies.store import Store
from darkstate.studies.task import Task, all_versions

SLAB = 1 << 20
"""Points written at once, about."""

Where = tuple[int | slice, ...]


def slabs(shape: tuple[int, ...], most: int = SLAB) -> Iterator[tuple[Where, int, int]]:
    """An array in pieces that are runs of points: index of the piece, its first point and the one after its last.

    Example:
        >>> [(start, stop) for _, start, stop in slabs((2, 5), most=3)]
        [(0, 3), (3, 5), (5, 8), (8, 10)]
    """
    piece = slab_shape(shape, most)
    split = next((a for a, n in enumerate(piece) if n > 1), len(shape) - 1)
    row = math.prod(shape[split + 1 :])
    for outer in np.ndindex(*shape[:split]):
        begin = int(np.ravel_multi_index(outer, shape[:split])) * shape[split] * row if outer else 0
        for low in range(0, shape[split], piece[split]):
            high = min(low + piece[split], shape[split])
            where: Where = (*(int(i) for i in outer), slice(low, high), *(slice(0, n) for n in shape[split + 1 :]))
            yield where, begin + low * row, begin + high * row


def slab_shape(shape: tuple[int, ...], most: int = SLAB) -> tuple[int, ...]:
    """Shape of the largest such piece: whole inner axes, a part of one axis, one of each outer axis."""
    piece, room = [1] * len(shape), max(1, most)
    for axis in reversed(range(len(shape))):
        piece[axis] = min(shape[axis], room)
        room //= piece[axis]
        if piece[axis] < shape[axis]:
            break
    return tuple(piece)


def write_result(store: Store) -> Path:
    """Write the result of a finished sweep.

    Returns:
        Its path, result.nc or result.zarr in the folder of the store.

    Raises:
        InputError: a chunk is damaged, or the disk refuses; chunks are kept.
    """
    task = store.task
    path = store.folder / ("result.nc" if task.format == "netcdf" else "result.zarr")
    _check_room(path, task)
    try:
        if task.format == "netcdf":
            return write_atomic(path, lambda target: _write_netcdf(target, store))
        return _write_zarr(path, store)
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
        raise InputError([f"{path} cannot be written: {reason}; all chunks are kept, use --resume"]) from error


def _check_room(path: Path, task: Task) -> None:
    """HDF5 may crash where a disk fills up under it, so that is looked at before."""
    need = int(1.1 * result_bytes(task)) + (1 << 20)
    if shutil.disk_usage(path.parent).free < need:
        text = f"{path} cannot be written: it needs {need / 1e6:.0f} MB, and the disk is full"
        raise InputError([f"{text}; all chunks are kept, free some space and use --resume"])


def result_bytes(task: Task) -> int:
    """Bytes of the numbers in the result."""
    per_point = 8 * len(task.quantities) + 1
    lengths = [a.size for a in task.points.axes for _ in a.columns] if isinstance(task.points, Grid) else []
    sampled = 0 if lengths else len(task.points.columns) * task.points.size
    return task.points.size * per_point + 8 * (sum(lengths) + sampled)


def _variables(task: Task) -> dict[str, tuple[tuple[str, ...], str, dict[str, Any]]]:
    """Name to (dims, type, attributes) of everything in the result; coordinates first."""
    points = task.points
    found: dict[str, tuple[tuple[str, ...], str, dict[str, Any]]] = {}
    if isinstance(points, Grid):
        for axis in points.axes:
            if len(axis.columns) > 1:
                text = "number along the axis on which " + " and ".join(c.key for c in axis.columns) + " move together"
                found[axis.name] = ((axis.name,), "<i8", {"units": "1", "long_name": text})
            for column in axis.columns:
                found[column.key] = ((axis.name,), "<f8", {"units": column.unit, "long_name": column.text})
    else:
        for column in points.columns:
            found[column.key] = (points.dims, "<f8", {"units": column.unit, "long_name": column.text})
    known = QUANTITIES[kind_of(task.lab.experiment)]
    for name in task.quantities:
        q = known[name]
        more = {} if q.bound is None else {"separable_bound": q.bound, "entangled": str(q.entangled)}
        found[name] = (points.dims, "<f8", {"units": q.unit, "long_name": q.text, "symbol": q.symbol, **more})
    flags = {
        "flag_values": np.array([int(o) for o in Outcome], np.uint8),
        "flag_meanings": " ".join(o.name for o in Outcome),
    }
    found["outcome"] = (points.dims, "|u1", {"units": "1", "long_name": "how the calculation ended", **flags})
    return found


def _attributes(task: Task) -> dict[str, Any]:
    """Where the result comes from; no times, so that the same study gives the same bytes."""
    lab = f"{task.lab_name}.toml"
    found = provenance_attrs(source=lab, lab_digest=task.lab.digest, case=task.case, overrides=task.overrides)
    del found["created"]
    along = [key for key, (dims, _, _) in _variables(task).items() if key not in (*dims, *task.quantities, "outcome")]
    return {
        **found,
        **{f"{name}_version": text for name, text in all_versions().items()},
        "title": task.title,
        "study": task.name,
        "study_digest": task.study_digest,
        "task_digest": task.digest,
        **({"coordinates": " ".join(along)} if along else {}),
    }


class _Chunks:
    """Runs of points from the chunk files, each file read and checked once as the points go on."""

    def __init__(self, store: Store) -> None:
        self.store, self.task = store, store.task
        self.number, self.arrays = -1, dict[str, np.ndarray]()

    def read(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """The arrays of the points from start to stop."""
        parts = []
        for k in range(start // self.task.chunk, -(-stop // self.task.chunk)):
            if k != self.number:
                self.number, self.arrays = k, self.store.read(k)
            first, last = self.task.span(k)
            inside = slice(max(start, first) - first, min(stop, last) - first)
            parts.append({name: array[inside] for name, array in self.arrays.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _fill(store: Store, targets: dict[str, Any]) -> None:
    """Put every number in its place."""
    task, points = store.task, store.task.points
    if isinstance(points, Grid):
        for axis in points.axes:
            if len(axis.columns) > 1:
                targets[axis.name][...] = np.arange(axis.size)
            for column in axis.columns:
                targets[column.key][...] = points.tables[column.key]
    chunks = _Chunks(store)
    for where, start, stop in slabs(points.shape):
        shape = targets["outcome"].shape
        sizes = (
            [stop - start]
            if len(shape) == 1
            else [len(range(*w.indices(n))) for w, n in zip(where, shape, strict=True) if isinstance(w, slice)]
        )
        for name, values in chunks.read(start, stop).items():
            targets[name][where] = values.reshape(sizes)
        if not isinstance(points, Grid):
            for key, values in points.values(start, stop - start).items():
                targets[key][where] = values
    assert set(targets) == set(_variables(task))


def _write_netcdf(path: Path, store: Store) -> None:
    import h5netcdf

    task = store.task
    try:
        with h5netcdf.File(path, "w", libver=("v110", "v110")) as file:
            file.dimensions = dict(zip(task.points.dims, task.points.shape, strict=True))
            targets = {}
            for name, (dims, kind, attributes) in _variables(task).items():
                targets[name] = file.create_variable(name, dims, np.dtype(kind))
                targets[name].attrs.update(attributes)
            _fill(store, targets)
            file.attrs.update(_attributes(task))
    except RuntimeError as error:  # HDF5 reports a full disk on closing in this way
        number = re.search(r"errno = (\d+)", str(error))
        raise OSError(int(number[1]) if number else 0, str(error)) from error


def _write_zarr(path: Path, store: Store) -> Path:
    import zarr
    from zarr.codecs import Crc32cCodec

    task = store.task
    temporary = path.with_name(f".{path.stem}-{os.urandom(6).hex()}.zarr")
    try:
        group = zarr.create_group(str(temporary), zarr_format=3)
        targets = {}
        for name, (dims, kind, attributes) in _variables(task).items():
            shape = tuple(dict(zip(task.points.dims, task.points.shape, strict=True))[dim] for dim in dims)
            plain = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in attributes.items()}
            targets[name] = group.create_array(
                name,
                shape=shape,
                chunks=slab_shape(shape),
                dtype=np.dtype(kind),
                compressors=[Crc32cCodec()],
                dimension_names=list(dims),
                attributes=plain,
                config={"write_empty_chunks": True},  # a chunk that is not there is then always damage
            )
        _fill(store, targets)
        group.attrs.update(_attributes(task))
        with warnings.catch_warnings():  # all metadata in one place is no part of the format yet, but read by everybody
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(str(temporary))
        stores.sync(temporary)
        if path.exists():
            shutil.rmtree(path)
        os.rename(temporary, path)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return path
