"""sweep: a study file in, a table and a figure out; the numbers are in one file that xarray opens.

one axis: curves        two axes: a map with the line where the bound is reached        more: the map through the
best point, the other axes held there                  a sample: every quantity against every parameter
"""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate.errors import Outcome
from darkstate.report.style import COLOURS, DASHES, new_figure, save_figure
from darkstate.studies.result import slabs
from darkstate.studies.sweep import Cost, Progress, preview, run_sweep
from darkstate.studies.sweep_table import read_sweep

if TYPE_CHECKING:
    import xarray as xr

MOST_DRAWN = 20_000
"""Points of a sample that a figure shows; the first ones, which are spread as evenly as all."""

MOST_PIXELS = 2000
"""Columns and rows of a map that a figure shows; of longer axes every second, third, ... value."""


@dataclass(frozen=True)
class Extreme:
    """What a sweep found of one quantity at points with outcome ok.

    Args:
        low, high: smallest and largest value, nan if there is none; at_low, at_high: numbers of these points.
        entangled: share of the ok points beyond the separable bound; None if the quantity has none.
    """

    low: float
    high: float
    at_low: int
    at_high: int
    entangled: float | None


class SweepResult:
    """What `sweep` returns; prints as a table.

    Args:
        path: of the result, NetCDF or Zarr.
    """

    def __init__(self, path: Path) -> None:
        import xarray as xr

        self.path = path
        engine: Any = "zarr" if path.suffix == ".zarr" else "h5netcdf"
        self.dataset: xr.Dataset = xr.open_dataset(path, engine=engine)
        self.quantities = [str(name) for name in self.dataset.data_vars if name != "outcome"]
        self.dims = tuple(map(str, self.dataset.outcome.dims))
        self.outcomes, self.extremes = self._look()

    def _look(self) -> tuple[np.ndarray, dict[str, Extreme]]:
        """Counts of outcomes and the extremes of every quantity, read in pieces so that memory stays bounded."""
        counts = np.zeros(len(Outcome), np.int64)
        best = {name: Extreme(math.inf, -math.inf, -1, -1, None) for name in self.quantities}
        beyond = dict.fromkeys(self.quantities, 0)
        self.first_bad: int | None = None
        data = self.dataset.drop_vars(list(self.dataset.coords))
        for where, start, _ in slabs(data.outcome.shape):
            part = data.isel(dict(zip(self.dims, where, strict=True)))
            outcome = part.outcome.values.ravel()
            counts += np.bincount(outcome, minlength=len(counts))
            bad = np.flatnonzero(outcome != Outcome.ok)
            if bad.size and self.first_bad is None:
                self.first_bad = start + int(bad[0])
            for name in self.quantities:
                values = np.where(outcome == Outcome.ok, part[name].values.ravel(), np.nan)
                beyond[name] += int(self._beyond(name, values).sum())
                best[name] = _wider(best[name], values, start)
        whole = max(1, int(counts[Outcome.ok]))
        found = {}
        for name, e in best.items():
            share = beyond[name] / whole if "separable_bound" in self.dataset[name].attrs else None
            low, high = (e.low, e.high) if e.at_low >= 0 else (math.nan, math.nan)
            found[name] = Extreme(low, high, e.at_low, e.at_high, share)
        return counts, found

    def _beyond(self, name: str, values: np.ndarray) -> np.ndarray:
        attrs = self.dataset[name].attrs
        if "separable_bound" not in attrs:
            return np.zeros(values.shape, bool)
        bound = attrs["separable_bound"]
        return np.asarray(values < bound if attrs["entangled"] == "below" else values > bound)

    def best(self, name: str) -> dict[str, int] | None:
        """Indices of the best point of a quantity: farthest beyond its bound, or smallest if it has none."""
        e = self.extremes[name]
        n = e.at_high if self.dataset[name].attrs.get("entangled") == "above" else e.at_low
        if n < 0:
            return None
        shape = self.dataset.outcome.shape
        return {dim: int(i) for dim, i in zip(self.dims, np.unravel_index(n, shape), strict=True)}

    def where(self, point: dict[str, int]) -> str:
        """The parameters at a point, in words."""
        at = self.dataset.isel(point)
        said = []
        for name, value in at.coords.items():
            if str(name) in self.dims and any(c != name and self.dataset[c].dims == (name,) for c in at.coords):
                continue  # the number along a zipped axis says less than its parameters
            if value.ndim:
                continue  # an axis that is not held
            said.append(f"{name} = {float(value):.6g}{_unit(value)}")
        return ", ".join(said)

    @property
    def outcome_text(self) -> str:
        """How the points ended, in words."""
        named = [f"{int(n)} {o.name}" for o, n in zip(Outcome, self.outcomes, strict=True) if n]
        return ", ".join(named)

    def __str__(self) -> str:
        a, shape = self.dataset.attrs, self.dataset.outcome.shape
        size = f"{' x '.join(map(str, shape))} = {math.prod(shape)}" if len(shape) > 1 else str(math.prod(shape))
        lab = a["source"].removesuffix(".toml") + (f", case {a['case']}" if a["case"] else "")
        lines = [f"{a['study']}" + (f": {a['title']}" if a["title"] else "")]
        rows = [("lab", lab), ("points", f"{size} over {', '.join(self.dims)}"), ("outcome", self.outcome_text)]
        for o, n in zip(Outcome, self.outcomes, strict=True):
            if n and o is not Outcome.ok:
                said = f"{int(n)} {'point' if n == 1 else 'points'}: {o.meaning}; cure: {o.cure}"
                rows += [("" if k else o.name, line) for k, line in enumerate(textwrap.wrap(said, 100))]
        if self.first_bad is not None:
            place = np.unravel_index(self.first_bad, shape)
            at = self.where({dim: int(i) for dim, i in zip(self.dims, place, strict=True)})
            rows.append(("", f"the first at {at}; `darkstate predict` there names the check"))
        for name in self.quantities:
            rows += self._rows(name)
        width = max(len(name) for name, _ in rows)
        return "\n".join([*lines, *(f"  {name:<{width}}  {text}" for name, text in rows)])

    def _rows(self, name: str) -> list[tuple[str, str]]:
        e, attrs, point = self.extremes[name], self.dataset[name].attrs, self.best(name)
        if point is None:
            return [(name, "no number at any point that is ok")]
        rows = [(name, f"{e.low:.6g} to {e.high:.6g}{_unit(self.dataset[name])}; {attrs['long_name']}")]
        if e.entangled is None:
            endless = ("", "infinite, and a hole in the figure, where the window is still open at the end")
            return [*rows, ("", f"smallest at {self.where(point)}"), *([endless] if name == "window_end" else [])]
        sign = "<" if attrs["entangled"] == "below" else ">"
        said = f"{name} {sign} {attrs['separable_bound']:g} at {_percent(e.entangled)} of the points that are ok"
        best = e.low if attrs["entangled"] == "below" else e.high
        return [*rows, ("", said), ("", f"best {best:.6g} at {self.where(point)}")]

    def __repr__(self) -> str:
        return f"<SweepResult {self.dataset.attrs['study']}: {self.dataset.outcome.size} points, {self.path}>"

    def plot(self, ax: Any, name: str | None = None) -> None:
        """Draw one quantity into axes: a curve, a map, the map through the best point, or a sample's points.

        Args:
            ax: the axes; name: of the quantity, the first one by default.
        """
        name = self.quantities[0] if name is None else name
        axes = [dim for dim in self.dims if self.dataset.sizes[dim] > 1] or [self.dims[0]]
        held: dict[str, int] = {dim: 0 for dim in self.dims if dim not in axes}
        if len(axes) > 2:
            point = self.best(name) or dict.fromkeys(self.dims, 0)
            axes = sorted(sorted(axes, key=lambda dim: -self.dataset.sizes[dim])[:2], key=self.dims.index)
            held = {dim: point[dim] for dim in self.dims if dim not in axes}
        part = self.dataset[[name, "outcome"]].isel(held)
        if self.dims == ("point",):
            key = next(str(c) for c in self.dataset.coords)
            self._scatter(ax, name, key)
        elif len(axes) == 1:
            self._curve(ax, part, name, axes[0])
        else:
            self._map(ax, part, name, axes)
        if held and len(self.dims) > 2:
            said = self.where(held) if any(self.dataset.sizes[d] > 1 for d in held) else ""
            ax.set_title(_wrapped(f"at {said}") if said else "", fontsize=6.5)

    def _curve(self, ax: Any, part: xr.Dataset, name: str, axis: str) -> None:
        part = part.isel({axis: _rising(part[axis].values, 1)})
        x, y = part[axis].values, _ok(part, name)
        ax.plot(x, y, DASHES[0], color=COLOURS[0])
        if np.isnan(y).any() or len(x) < 30:
            ax.plot(x, y, "o", color=COLOURS[0], markersize=2.5)
        if _is_log(x):
            ax.set_xscale("log")
        ax.set_xlabel(self._label(axis))
        ax.set_ylabel(self._symbol(name))
        self._bound(ax, name)

    def _bound(self, ax: Any, name: str) -> None:
        attrs = self.dataset[name].attrs
        if "separable_bound" in attrs:
            ax.axhline(attrs["separable_bound"], color="0.35", linewidth=0.8)

    def _map(self, ax: Any, part: xr.Dataset, name: str, axes: list[str]) -> None:
        drawn = {dim: _rising(part[dim].values, -(-part.sizes[dim] // MOST_PIXELS)) for dim in axes}
        part = part.isel(drawn).transpose(*axes)
        down, across = (part[axis].values for axis in axes)
        z = _ok(part, name)
        attrs = self.dataset[name].attrs
        bound = float(attrs.get("separable_bound", np.nan))
        crossed = bool((z < bound).any() and (z > bound).any())
        # colours are for what is near the bound: far on its other side values may be a hundred times as large
        reach = 2 * bound - np.nanmin(z) if crossed and attrs["entangled"] == "below" else np.inf
        top = min(np.nanmax(z), reach) if np.isfinite(z).any() else None
        image = ax.pcolormesh(across, down, z, cmap="viridis", shading="nearest", rasterized=True, vmax=top)
        label = self._symbol(name)
        bar = ax.figure.colorbar(image, ax=ax, extend="max" if crossed and np.nanmax(z) > reach else "neither")
        if crossed:
            bar.add_lines(ax.contour(across, down, z, levels=[bound], colors=COLOURS[1], linewidths=1.2))
            label += f", line: {bound:g}"
        bar.set_label(label)
        for values, scale in ((across, ax.set_xscale), (down, ax.set_yscale)):
            if _is_log(values):
                scale("log")
        ax.set_xlabel(self._label(axes[1]))
        ax.set_ylabel(self._label(axes[0]))

    def _scatter(self, ax: Any, name: str, key: str) -> None:
        part = self.dataset[[name, "outcome"]].isel(point=slice(0, MOST_DRAWN))
        ax.plot(part[key].values, _ok(part, name), ".", color=COLOURS[0], markersize=2, alpha=0.5, rasterized=True)
        if self.best(name) is not None:
            at = self.dataset.isel(self.best(name))
            ax.plot(float(at[key]), float(at[name]), "*", color=COLOURS[1], markersize=7)
        ax.set_xlabel(self._label(key))
        ax.set_ylabel(self._symbol(name))
        self._bound(ax, name)

    def _label(self, key: str) -> str:
        unit = _unit(self.dataset[key]).strip()
        return key + (f" ({unit})" if unit else "")

    def _symbol(self, name: str) -> str:
        unit = _unit(self.dataset[name]).strip()
        return str(self.dataset[name].attrs["symbol"]) + (f" ({unit})" if unit else "")

    def save(self, folder: str | Path | None = None) -> list[Path]:
        """Write sweep.png, one panel for each quantity, beside the result or into a folder; returns all paths."""
        folder = self.path.parent if folder is None else Path(folder)
        sampled = self.dims == ("point",)
        keys = [str(c) for c in self.dataset.coords][:4] if sampled else [""]
        names = self.quantities[:4]
        panels = [(name, key) for name in names for key in keys][:6]
        figure, axes = new_figure(len(panels), height=2.7)
        for ax, (name, key) in zip(axes, panels, strict=True):
            if sampled:
                self._scatter(ax, name, key)
            else:
                self.plot(ax, name)
        return [self.path, *save_figure(figure, folder / "sweep")]


def _ok(part: xr.Dataset, name: str) -> np.ndarray:
    """Values, with holes where the outcome is not ok."""
    values = np.where(part.outcome.values == Outcome.ok, part[name].values, np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def _rising(values: np.ndarray, step: int) -> slice | np.ndarray:
    """Every so manyth place along an axis, in order of its values, which a study may list in any order."""
    rises = np.diff(values) > 0
    # a slice of a file is read in pieces; places in any order are not
    return slice(None, None, step) if rises.all() or not rises.any() else np.argsort(values)[::step]


def _is_log(values: np.ndarray) -> bool:
    """Whether the values of an axis are even in the logarithm."""
    if len(values) < 3 or not np.all(values > 0):
        return False
    return bool(np.allclose(np.diff(np.log(values)), np.log(values[1] / values[0])))


def _wider(e: Extreme, values: np.ndarray, start: int) -> Extreme:
    """The extremes with those of a further run of points, the first of equal ones."""
    finite = np.isfinite(values)
    if not finite.any():
        return e
    low = int(np.argmin(np.where(finite, values, np.inf)))
    high = int(np.argmax(np.where(finite, values, -np.inf)))
    down, up = bool(values[low] < e.low), bool(values[high] > e.high)
    return Extreme(
        float(values[low]) if down else e.low,
        float(values[high]) if up else e.high,
        start + low if down else e.at_low,
        start + high if up else e.at_high,
        None,
    )


def _unit(data: xr.DataArray) -> str:
    """The unit of a variable as it follows a number."""
    unit = str(data.attrs.get("units", "1"))
    return "" if unit == "1" else f" {unit.removeprefix('1')}"


def _percent(share: float) -> str:
    return "none" if share == 0 else "all" if share == 1 else f"{100 * share:.3g} %"


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, 60)[:3])


def sweep(
    study: str | Path,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> SweepResult:
    r"""Compute quantities over the axes of a study, and keep every finished chunk.

    Args:
        study: path of a study file with a table [sweep].
        out: folder of the sweep; None = results/STUDY-sweep.
        resume: go on in a folder that holds this very sweep; a finished one is opened.
        scheduler: address of a Dask scheduler, or its scheduler file; None = all cores of this machine.
        progress: an object with `points(done, total)` and `say(text)`, which hears how it goes on.

    Returns:
        A `SweepResult`; `.dataset` is an xarray.Dataset with the axes as dimensions and an outcome code per point.

    Validity: of the solver of each quantity; `outcome` says where it does not hold. The same numbers bit for bit
    however the points are divided into chunks and by however many workers, on machines of one class.

    Raises:
        InputError: a problem of the study file, folder, disk or cluster, one sentence each; finished chunks are kept.

    Example:
        >>> import tempfile
        >>> table = 'quantities = ["xi_inf"]\naxes."drive.z".values = [1.5, 2.5]'
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "z.toml")
        ...     _ = path.write_text(f'lab = "muschik2011"\n[sweep]\n{table}')
        ...     sweep(path, Path(folder, "out")).dataset.xi_inf.values.round(4).tolist()
        [0.6371, 1.8462]
    """
    found, task = read_sweep(study)
    folder = Path("results") / f"{found.name}-sweep" if out is None else Path(out)
    path = run_sweep(found, task, folder, resume=resume, scheduler=scheduler, progress=progress)
    return SweepResult(path)


def preview_text(study: str | Path) -> str:
    """What a sweep will take, without writing anything."""
    found, task = read_sweep(study)
    cost: Cost = preview(task)
    shape = " x ".join(map(str, task.points.shape))
    rows = [
        ("points", f"{shape} = {cost.points}" if len(task.points.shape) > 1 else shape),
        ("chunks", f"{cost.chunks} of {task.chunk} points"),
        ("disk", f"{cost.bytes / 1e6:.3g} MB, half of it the result ({task.format})"),
        ("time", f"{_clock(cost.compile)} to compile, {_clock(cost.run)} to compute on one core"),
    ]
    return "\n".join([found.name, *(f"  {name:<6}  {text}" for name, text in rows)])


def _clock(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
