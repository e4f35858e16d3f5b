"""What changed between two results with labelled arrays, or between two certificates."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate.errors import InputError
from darkstate.experiments.tomltext import one_line
from darkstate.report.certificate import read_certificate
from darkstate.report.difference import Change, Difference, both, in_errors

if TYPE_CHECKING:
    import xarray as xr

BLOCK = 1 << 24
"""Numbers of a variable that are held at a time."""

_TIMES = ("created", "date")  # say nothing about what was computed


def diff_datasets(first: Path, second: Path) -> Difference:
    """Every shared variable with its largest difference, what only one has, and the attributes that differ.

    Axes are compared by their labels: values at labels that only one of both has are left out, and said.

    Raises:
        InputError: a file that cannot be opened.
    """
    with _opened(first) as a, _opened(second) as b:
        changes, remarks = [], []
        names = list(dict.fromkeys([*a.variables, *b.variables]))
        for name in map(str, names):
            if name not in a.variables or name not in b.variables:
                changes.append(Change(name, ("there", "-") if name in a.variables else ("-", "there")))
                continue
            change, remark = _variable(name, a, b)
            changes += [change] if change else []
            remarks += [remark] if remark else []
        provenance = [
            Change(key, (str(a.attrs.get(key, "-")), str(b.attrs.get(key, "-"))))
            for key in map(str, dict.fromkeys([*a.attrs, *b.attrs]))
            if key not in _TIMES and not _same(a.attrs.get(key), b.attrs.get(key))
        ]
    said = tuple(dict.fromkeys(remarks))
    return Difference("result", (str(first), str(second)), tuple(changes), tuple(provenance), len(names), said)


def _opened(path: Path) -> xr.Dataset:
    import xarray as xr

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if path.suffix == ".zarr":
                return xr.open_zarr(path, chunks=None)
            return xr.open_dataset(path, engine="h5netcdf")
    except Exception as error:  # HDF5, Zarr and xarray raise whatever a damaged file makes them
        raise InputError(
            [f"{one_line(str(path))} cannot be opened as a result ({one_line(str(error))[:120]})"]
        ) from None


def _same(one: Any, other: Any) -> bool:
    return bool(np.array_equal(np.asarray(one), np.asarray(other)))


def _variable(name: str, a: xr.Dataset, b: xr.Dataset) -> tuple[Change | None, str]:
    """The largest difference of one variable at the labels both have, and a remark if these are not all."""
    import xarray as xr

    one, other = a[name], b[name]
    if one.dims != other.dims:
        return Change(name, both(lambda v: f"over {', '.join(map(str, v.dims))}", (one, other))), ""
    if name in one.dims:  # an axis
        if one.shape == other.shape and _same(one.values, other.values):
            return None, ""
        return Change(name, both(_axis, (one, other)), note="an axis"), ""
    sizes = one.sizes, other.sizes
    errors = [data[f"{name}_err"] if f"{name}_err" in data else xr.zeros_like(v) for data, v in ((a, one), (b, other))]
    try:
        one, other, *errors = xr.align(one, other, *errors, join="inner")
    except ValueError:  # axes without labels and of different length
        return Change(name, both(lambda s: str(tuple(s.values())), sizes), note="sizes"), ""
    if one.size == 0:
        return None, f"{name}: no label in common, nothing compared"
    left = max(int(np.prod(list(s.values()))) for s in sizes) - one.size
    remark = f"values at labels of only one file are left out ({', '.join(map(str, one.dims))})" if left else ""
    if one.dtype.kind not in "biufc" or other.dtype.kind not in "biufc":
        same = _same(one.values, other.values)
        return (None if same else Change(name, both(_first_few, (one, other)))), remark
    if all("outcome" in data and data["outcome"].dims == one.dims for data in (a, b)) and name != "outcome":
        ok = (a["outcome"] == 0) & (b["outcome"] == 0)  # joined at their common labels, like the values
        good = xr.align(ok, one, join="inner")[0].values
        if not good.all():
            one, other = one.where(good), other.where(good)
            remark = "; ".join(filter(None, [remark, "points whose outcome is not ok in both are left out"]))
    known = any(f"{name}_err" in data for data in (a, b))
    return _numbers(name, one, other, errors if known else None), remark


def _first_few(values: xr.DataArray) -> str:
    return ", ".join(map(str, values.values.ravel()[:4]))


def _axis(values: xr.DataArray) -> str:
    return f"{values.size} labels" + (f", {values.values[0]} to {values.values[-1]}" if values.size else "")


def _numbers(name: str, one: xr.DataArray, other: xr.DataArray, errors: list[xr.DataArray] | None) -> Change | None:
    """The place of the largest difference, block by block: in standard errors where there are any, else in size."""
    most, sigmas, at = (0.0, 0.0), None, None
    for part in _parts(one):
        x, y = one[part].values, other[part].values
        missing = (
            np.isnan(x) & np.isnan(y) if x.dtype.kind in "fc" and y.dtype.kind in "fc" else np.zeros(x.shape, bool)
        )
        size = np.where(missing | (x == y), 0.0, np.abs(y.astype(complex) - x.astype(complex)))
        size = np.where(np.isnan(size), np.inf, size)
        error = np.zeros(size.shape)
        if errors is not None:
            error = np.hypot(*(np.nan_to_num(e[part].values) for e in errors))
        known = (error > 0) & np.isfinite(size)
        rank = np.where(known, size / np.where(known, error, 1.0), 0.0)
        if size.size == 0 or size.max() == 0:
            continue
        # without errors, or where all that differs has none, the size decides
        k = int(rank.argmax()) if rank.max() > 0 else int(size.argmax())
        found = float(rank.ravel()[k]), float(size.ravel()[k])
        if found > most:
            most = found
            sigmas = float(np.copysign(found[0], (y.ravel()[k] - x.ravel()[k]).real)) if found[0] > 0 else None
            first = part[0].start if part else 0
            at = tuple(int(i) + (first if n == 0 else 0) for n, i in enumerate(np.unravel_index(k, size.shape)))
    if at is None:
        return None
    where = ", ".join(
        f"{d} = {one[d][i].values[()]}" if d in one.coords else f"{d} {i}" for d, i in zip(one.dims, at, strict=True)
    )
    texts = f"{one[at].values[()]:.10g}", f"{other[at].values[()]:.10g}"
    return Change(name, texts, sigmas, f"largest, at {where}" if where else "")


def _parts(values: xr.DataArray) -> Iterator[tuple[slice, ...]]:
    """Slices of the first axis that are small enough to hold."""
    if values.ndim == 0:
        yield ()
        return
    rows = max(1, BLOCK // max(1, values.size // max(1, values.shape[0])))
    yield from ((slice(k, k + rows),) for k in range(0, values.shape[0], rows))


def diff_certificates(first: Path, second: Path) -> Difference:
    """Every field of two certificates; xi in both errors of both."""
    a, b = (read_certificate(path).content for path in (first, second))
    one, other = dict(_fields(a)), dict(_fields(b))
    changes, provenance = [], []
    for key in dict.fromkeys([*one, *other]):
        if one.get(key) == other.get(key) or key.startswith("digest") or key.endswith("created"):
            continue
        texts = str(one.get(key, "-")), str(other.get(key, "-"))
        sigmas = None
        if key == "claim.value" and None not in (one[key], other[key]):
            errors = [float(np.hypot(f["claim.statistical"], f["claim.systematic"])) for f in (one, other)]
            sigmas = in_errors(other[key] - one[key], *errors)
        if key.split(".")[0] in ("claim", "calibration", "checks", "prediction", "method"):
            changes.append(Change(key, texts, sigmas))
        else:
            provenance.append(Change(key, texts))
    compared = len(set(one) | set(other))
    return Difference("certificate", (str(first), str(second)), tuple(changes), tuple(provenance), compared)


def _fields(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a tree of JSON values, by dotted key; lists of checks by the names of these."""
    if isinstance(node, list) and any(isinstance(x, (dict, list)) for x in node):
        node = {x["name"] if isinstance(x, dict) and "name" in x else str(n): x for n, x in enumerate(node)}
    if not isinstance(node, dict):
        yield prefix, node
        return
    for key, value in node.items():
        yield from _fields(value, f"{prefix}.{key}" if prefix else key)
