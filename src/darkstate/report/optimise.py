"""An optimum of a laboratory: one study file in; the best settings, what limits them, figure and files out.

study.toml -> Problem -> search -> settings, sensitivities -> table, figure, NetCDF, CSV, a lab file to go on with
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate import provenance
from darkstate.errors import ArgumentError, Outcome
from darkstate.report.optimise_figure import draw, draw_limits, draw_path, draw_slice
from darkstate.report.optimise_table import table
from darkstate.report.style import save_figure
from darkstate.storage import write_atomic, write_netcdf
from darkstate.studies.best_lab import best_lab
from darkstate.studies.optimise import Problem, read_problem
from darkstate.studies.search import SETTLED, Found, find

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, repr=False)
class Optimum:
    """What `optimise` returns; prints as a table.

    Args:
        found: the numbers, see `studies.search.Found`.
    """

    found: Found

    @property
    def problem(self) -> Problem:
        """What was asked."""
        return self.found.problem

    @property
    def values(self) -> np.ndarray:
        """The quantity at the optimum [g]; nan where there is none."""
        good = self.found.answers.outcome <= (Outcome.ok if self.problem.validity else Outcome.outside_validity)
        return np.where(good, self.found.answers.value, np.nan)

    @property
    def errors(self) -> np.ndarray:
        """Its standard error by the uncertain numbers of the lab file, to first order [g]; 0 without any."""
        return self.found.errors

    @property
    def places(self) -> np.ndarray:
        """The best settings [g n; SI]."""
        return self.found.places

    @property
    def settings(self) -> dict[str, float]:
        """The best settings by key [SI], at the value of the grid nearest to the lab's own."""
        keys = [v.key for v in self.problem.variables]
        return dict(zip(keys, map(float, self.places[self.nearest]), strict=True))

    @property
    def settled(self) -> np.ndarray:
        """Whether slope and curvature say that it is a minimum [g]."""
        return self.found.steps <= SETTLED

    @property
    def missed(self) -> np.ndarray:
        """Whether the lab's own settings lie in the range, keep the limits and are better [g]."""
        f, p = self.found, self.problem
        inside = all(v.low <= v.parameter.value <= v.high for v in p.variables)
        senses = np.array([m.sense for m in p.limits])
        kept = np.all(senses * (f.start.figures - np.array([m.bound for m in p.limits])) <= 0, axis=1)
        merits = [p.sign * a.value + p.robust * a.sigma for a in (f.start, f.answers)]
        better = merits[0] < merits[1] - 1e-7 * abs(f.answers.value)
        return inside & kept & better & (f.start.outcome == Outcome.ok)

    @property
    def nearest(self) -> int:
        """Which value of the grid is nearest to the lab's own and has an optimum."""
        grid = self.problem.grid
        if grid is None:
            return 0
        away = np.abs(self.problem.grid_values - grid.value)
        return int(np.argmin(np.where(np.isfinite(self.values), away, np.inf)))

    def __str__(self) -> str:
        return table(self)

    def __repr__(self) -> str:
        place = ", ".join(f"{key} = {value:.6g}" for key, value in self.settings.items())
        return f"<Optimum of {self.problem.name}: {self.values[self.nearest]:.6g} at {place}>"

    def plot(self, ax: Any, key: str | None = None) -> None:
        """Draw into axes: the quantity along one setting through the optimum, or along the grid.

        Args:
            ax: matplotlib axes; key: which setting; the first one, or with a grid the quantity itself, if not given.
        """
        keys = [v.key for v in self.problem.variables]
        if self.problem.grid is not None:
            draw_path(self, ax, None if key is None else keys.index(key))
        else:
            draw_slice(self, ax, 0 if key is None else keys.index(key))

    def plot_limits(self, ax: Any) -> None:
        """Draw the sensitivities d ln q/d ln p as bars into axes."""
        draw_limits(self, ax)

    def to_dataset(self) -> xr.Dataset:
        """Labelled dataset: optimum, settings, sensitivities; units and provenance in its attributes."""
        return _dataset(self)

    @property
    def changes(self) -> dict[str, float]:
        """The best settings and, with a grid, its value they belong to, by key [SI]."""
        grid = self.problem.grid
        own = {} if grid is None else {grid.key: float(self.problem.grid_values[self.nearest])}
        return self.settings | own

    def lab_text(self) -> str:
        """The lab file with the best settings put in place.

        Raises:
            ArgumentError: a value stands where it cannot be replaced line by line, such as inside braces.
        """
        p = self.problem
        units = {key: p.spec(key).unit for key in self.changes}
        return best_lab(p.study.lab, self.changes, units, note=f"optimum of {p.name} by study {p.study.name}")

    def save(self, folder: str | Path) -> list[Path]:
        """Write optimum.nc, .png, .pdf, .csv and sensitivities.csv, and optimum.toml if it can be; their paths."""
        folder = Path(folder)
        written = [write_netcdf(folder / "optimum.nc", self.to_dataset())]
        written += save_figure(draw(self), folder / "optimum", ("png", "pdf"))
        written.append(write_atomic(folder / "optimum.csv", _csv(self)))
        written.append(write_atomic(folder / "sensitivities.csv", _sensitivities_csv(self)))
        try:
            text = self.lab_text()
        except ArgumentError:  # the table says why, and what to do instead
            (folder / "optimum.toml").unlink(missing_ok=True)  # of an earlier run
            return written
        return [*written, write_atomic(folder / "optimum.toml", text)]


def optimise(study: str | Path, *, progress: Callable[[float], None] | None = None) -> Optimum:
    r"""Find the best settings of a laboratory, and what limits it there.

    Formula: minimise s q(p) + k sigma_q(p) over up to five parameters p between bounds, with g_i(p) <= 0; s = +1 where
    less is better, k = `robust`. Method: damped Newton searches from several starts, augmented Lagrangian for limits.

    Args:
        study: path of a study file with a table [optimise].
        progress: is told the share done, from 0 to 1.

    Returns:
        An `Optimum`: prints as a table; plot, plot_limits, to_dataset, lab_text, save.

    Raises:
        InputError: what is wrong in the study file, or that no point of the range is good.

    Validity: the lowest well must hold one of the starts; `starts = 24` confirms what 4 found.

    Example:
        >>> import tempfile
        >>> over = '[optimise.over."drive.z"]\nlow = 1\nhigh = 4'
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "best-z.toml")
        ...     _ = path.write_text(f'lab = "muschik2011"\n[optimise]\nquantity = "xi_inf"\n{over}')
        ...     optimise(path)
        <Optimum of xi_inf: 0.637053 at drive.z = 1.49328>
    """
    return Optimum(find(read_problem(study), progress=progress))


def _dataset(o: Optimum) -> xr.Dataset:
    import xarray as xr

    f, p = o.found, o.problem
    axis = () if p.grid is None else (p.grid.key,)

    def along(values: Any, *more: str) -> tuple[tuple[str, ...], Any]:
        values = np.asarray(values)
        return (*axis, *more), values if axis else values[0]

    data = xr.Dataset()
    if p.grid is not None:
        data = data.assign_coords({p.grid.key: ((p.grid.key,), p.grid_values, _about(p.grid.spec))})
    about = {"units": p.quantity.unit, "long_name": p.quantity.text}
    data[p.name] = (*along(o.values), about)
    data[f"{p.name}_as_it_is"] = (*along(f.start.value), {**about, "comment": "settings of the lab file"})
    data[f"{p.name}_err"] = (*along(o.errors), {**about, "comment": "standard uncertainty, first order"})
    codes = {"units": "1", "flag_values": [int(c) for c in Outcome], "flag_meanings": " ".join(c.name for c in Outcome)}
    data["outcome"] = (*along(f.answers.outcome.astype(int)), {**codes, "long_name": "outcome at the optimum"})
    data["outcome_as_it_is"] = (*along(f.start.outcome.astype(int)), {**codes, "long_name": "outcome of the lab file"})
    data["outcome_beside"] = (*along(f.edges.astype(int)), {**codes, "long_name": "worst outcome beside the optimum"})
    data["newton_step"] = (*along(f.steps), {"units": "1", "long_name": "step that is left, in widths of the range"})
    for n, v in enumerate(p.variables):
        data[v.key] = (*along(o.places[:, n]), {**_about(v.parameter.spec), "low": v.low, "high": v.high})
        flags = {"units": "1", "long_name": f"{v.key}: -1 = at its lower bound, 1 = at its upper bound"}
        data[f"{v.key}_held"] = (*along(f.held[:, n]), flags)
    for c, limit in enumerate(p.limits):
        text = {"units": limit.unit, "long_name": limit.name, "bound": limit.bound, "sense": limit.sense}
        data[f"limited_{limit.name}"] = (*along(f.answers.figures[:, c]), text)
    _add_sensitivities(o, data, along)
    lab = p.study.lab
    data.attrs = {
        **provenance.attrs(source=lab.path, lab_digest=lab.digest, case=lab.case, overrides=lab.overrides),
        "study": p.study.name,
        "study_digest": p.study.digest,
        "sense": "minimise" if p.sign > 0 else "maximise",
        "robust": p.robust,
    }
    del data.attrs["created"]  # the same study gives the same file
    return data


def _about(spec: Any) -> dict[str, str]:
    return {"units": spec.unit, "long_name": spec.doc, "symbol": spec.symbol}


def _add_sensitivities(o: Optimum, data: Any, along: Any) -> None:
    every, p = o.found.sensitivities, o.problem
    data["parameter"] = (("parameter",), list(p.keys), {"long_name": "every float parameter of the lab"})
    units = [p.spec(key).unit for key in p.keys]
    data["parameter_unit"] = (("parameter",), units, {"long_name": "SI unit of the parameter"})
    for name, values, text, unit in (
        ("parameter_value", [s.values for s in every], "value at the optimum", "SI"),
        ("slope", [s.slopes for s in every], f"d {p.name}/dp", f"{p.quantity.unit} per SI unit"),
        ("elasticity", [s.elasticities for s in every], f"d ln {p.name}/d ln p; nan where p = 0", "1"),
    ):
        data[name] = (*along(values, "parameter"), {"units": unit, "long_name": text})
    names = list(dict.fromkeys(h.key for s in every for h in s.halved))
    if not names:
        return
    halves = np.full((2, len(every), len(names)), np.nan)
    for g, s in enumerate(every):
        for h, value, code in zip(s.halved, s.halves, s.outcomes, strict=True):
            halves[:, g, names.index(h.key)] = h.half, value if code == Outcome.ok else np.nan
    data["imperfection"] = (("imperfection",), names, {"long_name": "what better hardware would remove"})
    data["imperfection_halved"] = (*along(halves[0], "imperfection"), {"units": "SI", "long_name": "its halved value"})
    about = {"units": p.quantity.unit, "long_name": f"{p.name} with this imperfection halved, everything else kept"}
    data[f"{p.name}_halved"] = (*along(halves[1], "imperfection"), about)


def _csv(o: Optimum) -> str:
    """One row for each value of the grid: quantity, settings [SI], whether a bound holds them."""
    p, f = o.problem, o.found
    head = [p.grid.key] if p.grid is not None else []
    head += [p.name, f"{p.name}_err", f"{p.name}_as_it_is", "outcome", "settled", *(limit.name for limit in p.limits)]
    head += [name for v in p.variables for name in (f"{v.key} [{v.parameter.spec.unit}]", f"{v.key} held")]
    lines = [",".join(head)]
    for g, value in enumerate(p.grid_values):
        row = [f"{value:.12g}"] if p.grid is not None else []
        row += [f"{x:.12g}" for x in (o.values[g], o.errors[g], f.start.value[g])]
        row += [Outcome(int(f.answers.outcome[g])).name, str(bool(o.settled[g])).lower()]
        row += [f"{x:.12g}" for x in f.answers.figures[g]]
        for x, held in zip(o.places[g], f.held[g], strict=True):
            row += [f"{x:.12g}", ("lower", "", "upper")[int(held) + 1]]
        lines.append(",".join(row))
    return "\n".join(lines) + "\n"


def _sensitivities_csv(o: Optimum) -> str:
    """One row for each parameter: value, slopes, and the value of the quantity with the imperfection halved."""
    p, g = o.problem, o.nearest
    s = o.found.sensitivities[g]
    halves = {
        h.key: (h.half, value) for h, value, code in zip(s.halved, s.halves, s.outcomes, strict=True) if code == 0
    }
    lines = [f"parameter,unit,value,d {p.name}/dp,d ln {p.name}/d ln p,halved,{p.name} with it halved"]
    for key, value, slope, elasticity in zip(s.keys, s.values, s.slopes, s.elasticities, strict=True):
        half = halves.get(key)
        ends = [f"{x:.12g}" for x in half] if half is not None else ["", ""]
        said = "" if np.isnan(elasticity) else f"{elasticity:.9g}"
        lines.append(",".join([key, p.spec(key).unit, f"{value:.12g}", f"{slope:.9g}", said, *ends]))
    return "\n".join(lines) + "\n"
