"""What the child process of `guard` does with a file from outside: look at it, list it, copy arrays out of it."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from darkstate.records.formats import Hdf5, check_numbers, opened, refuse

BLOCK_BYTES = 64 << 20


def probe(path: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Every array of a netCDF file must be whole and in this file; its attributes come back."""
    book = opened(path)
    if not isinstance(book, Hdf5):
        raise refuse(path, "is no HDF5 file; see what it holds with `darkstate inspect`")
    book.check_links()
    listing = book.listing()
    for entry in listing["arrays"]:
        node = book.node(entry["name"])
        # netCDF notes a dimension without coordinate as an array that was never written
        if not str(node.attrs.get("NAME", "")).startswith("b'This is a netCDF dimension"):
            book.check(node, entry["name"])
    return {"attributes": [e["name"][1:] for e in listing["attributes"] if e["name"].startswith("@")]}


def table(path: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Some variables of a count table that have the axes of its counts, as `xarray.Dataset.from_dict` takes them."""
    import h5netcdf

    if "darkstate_counts" not in probe(path, job)["attributes"]:
        raise refuse(path, "is no count table of darkstate; write one with save_counts")
    with h5netcdf.File(path, "r", decode_vlen_strings=True) as book:
        axes = set(book.variables["counts"].dimensions) if "counts" in book.variables else set()
        found = {name: book.variables[name] for name in job["names"] if name in book.variables}
        return {
            name: {"dims": one.dimensions, "data": np.asarray(one[...]).tolist()}
            for name, one in found.items()
            if axes.issuperset(one.dimensions)
        }


def survey(path: Path, job: dict[str, Any]) -> dict[str, Any]:
    """The format, and every array and attribute."""
    book = opened(path)
    return {"format": type(book).__name__, **book.listing()}


def copy(path: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Copy arrays as bare bytes [cycle time (2)] into `job["folder"]`, one file after the other along the cycles."""
    shapes: dict[str, list[int]] = {}
    types: dict[str, str] = {}
    found: dict[str, float] = {}
    for file in map(Path, job["files"]):
        book = opened(file)
        for name, sources in job["arrays"].items():
            with open(Path(job["folder"], name), "ab") as out:
                for block in _cycles(book, sources, job):
                    shape = shapes.setdefault(name, [0, *block.shape[1:]])
                    if shape[1:] != list(block.shape[1:]) or types.setdefault(name, block.dtype.str) != block.dtype.str:
                        raise refuse(file, f"{name} differs from the files before in length or type; sort them apart")
                    shape[0] += len(block)
                    out.write(block.tobytes())
        numbers = {key: book.number(source) for key, source in job["numbers"].items()}
        if job["times"]:
            numbers["sample_rate_hz"] = _rate(book, job)
        for key, value in numbers.items():
            # times of each sample are rounded, a rate that is written down is not
            tolerance = 1e-4 if job["times"] and key == "sample_rate_hz" else 1e-9
            if not math.isclose(found.setdefault(key, value), value, rel_tol=tolerance):
                raise refuse(file, f"{key} is {value:g}, in the files before {found[key]:g}; sort them apart")
        book.close()
    return {"arrays": {name: [types[name], shapes[name]] for name in shapes}, "numbers": found}


def _cycles(book: Any, names: list[str], job: dict[str, Any]) -> Iterator[np.ndarray]:
    """Blocks [cycle time], or [cycle time 2]; a leading minus of a name turns the sign."""
    arrays = [book.array(name.removeprefix("-")) for name in names]
    for name, array in zip(names, arrays, strict=True):
        check_numbers(book.path, name, array)
        size = math.prod(array.shape) * array.dtype.itemsize
        if size > shutil.disk_usage(job["folder"]).free:
            raise refuse(book.path, f"{name!r} has {size} bytes, more than are free in {job['folder']}; free some")
    if len({array.shape for array in arrays}) > 1:
        raise refuse(book.path, f"{' and '.join(names)} have different sizes; they must belong together")
    per_cycle = _per_cycle(book, job)
    for parts in zip(*(_blocks(book, array, job["axes"], per_cycle) for array in arrays), strict=True):
        signed = [
            -part.astype(np.result_type(part, "f4")) if name.startswith("-") else part
            for name, part in zip(names, parts, strict=True)
        ]
        block = np.stack(signed, -1) if len(signed) > 1 else signed[0]
        yield np.ascontiguousarray(block, block.dtype.newbyteorder("<"))


def _per_cycle(book: Any, job: dict[str, Any]) -> int | None:
    """Samples per cycle of a stream: as given, or the length of the runs of equal values in the cycle column."""
    if not job["cycle"]:
        return job["samples_per_cycle"]
    column = np.asarray(book.array(job["cycle"])[...]).ravel()
    edges = np.flatnonzero(np.diff(column)) + 1
    lengths = np.diff([0, *edges.tolist(), len(column)])
    if len(set(lengths.tolist())) > 1:
        raise refuse(
            book.path,
            f"the cycles of column {job['cycle']!r} have between {lengths.min()} and {lengths.max()} samples; leave "
            "out those that are cut",
        )
    return int(lengths[0])


def _blocks(book: Any, array: Any, axes: list[str] | None, per_cycle: int | None) -> Iterator[np.ndarray]:
    """Blocks of whole cycles of one array, cycle first."""
    count = len(array.shape)
    axes = axes or {1: ["time"], 2: ["cycle", "time"], 3: ["cycle", "time", "quadrature"]}.get(count, [])
    if axes == ["time"] and count > 1 and max(array.shape) == math.prod(array.shape):
        array, count = np.asarray(array[...]).ravel(), 1  # MATLAB has no vectors
    if len(axes) != count:
        raise refuse(book.path, f"an array has shape {tuple(array.shape)}, which does not fit axes = {','.join(axes)}")
    if axes == ["time"]:
        total = array.shape[0]
        length = per_cycle or total
        if total % length:
            raise refuse(book.path, f"{total} samples are no whole number of cycles of {length}; check the mapping")
        step = max(1, BLOCK_BYTES // (length * array.dtype.itemsize)) * length
        for k in range(0, total, step):
            yield np.asarray(array[k : k + step]).reshape(-1, length)
        return
    places = axes[::-1] if book.reverse else axes
    axis = places.index("cycle")
    order = [places.index(name) for name in ("cycle", "time", "quadrature") if name in places]
    row = math.prod(array.shape) // array.shape[axis] * array.dtype.itemsize
    step = max(1, BLOCK_BYTES // row)
    for k in range(0, array.shape[axis], step):
        yield np.asarray(array[(slice(None),) * axis + (slice(k, k + step),)]).transpose(order)


def _rate(book: Any, job: dict[str, Any]) -> float:
    """Samples per second from the time of each sample, which must be even."""
    times = book.array(job["times"])
    check_numbers(book.path, job["times"], times)
    step = length = mean = 0.0
    for block in _blocks(book, times, None if len(times.shape) == 1 else job["axes"], _per_cycle(book, job)):
        steps = np.diff(block.astype(float), axis=1)
        if not step and steps.shape[1]:
            step, length, mean = float(np.median(steps[0])), float(steps[0].sum()), float(steps[0].mean())
        if not step > 0 or max(np.abs(steps - step).max(), np.abs(steps.sum(1) - length).max()) > 0.5 * step:
            raise refuse(book.path, f"the times {job['times']!r} are not even: mixed sample rates or samples are lost")
    return float(job["ticks_per_second"] / mean)


TASKS: dict[str, Callable[[Path, dict[str, Any]], dict[str, Any]]] = {
    "probe": probe,
    "table": table,
    "survey": survey,
    "copy": copy,
}
