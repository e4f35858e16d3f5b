"""A prediction: one lab file in, the entanglement over time out, as text, figure, dataset and files.

    lab file -> experiment -> rates -> model -> evolve, steady_state -> xi(t) -> minimum, window, verdict

Uncertainties in the lab file are carried through by exact gradients: var xi(t) = sum (d xi/dp)^2 sigma_p^2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate import provenance
from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError, InputError, Outcome
from darkstate.experiments import TwoCells
from darkstate.experiments.grid import substeps_of, time_grid
from darkstate.experiments.labfile import Lab
from darkstate.experiments.monitored_cells import MonitoredCells
from darkstate.experiments.spin_mechanics import SpinMechanics
from darkstate.experiments.tweezer_pair import TweezerPair
from darkstate.experiments.two_cells import worse_checks
from darkstate.experiments.values import value_at, with_values
from darkstate.report.data import Points, read_points
from darkstate.report.hybrid import HybridPrediction, predict_hybrid
from darkstate.report.monitored import MonitoredPrediction, predict_monitored
from darkstate.report.pair import PairPrediction, predict_pair
from darkstate.report.power import PowerScan, power_scan
from darkstate.report.style import COLOURS, DASHES, new_figure, save_figure, separable_line
from darkstate.report.table import clock, table
from darkstate.report.text import with_error
from darkstate.solve.evolve import evolve
from darkstate.solve.limits import LIMITS
from darkstate.solve.methods import MomentEquations
from darkstate.solve.solution import Solution
from darkstate.solve.steady_state import steady_state
from darkstate.storage import write_atomic, write_netcdf
from darkstate.witness.epr import derived, epr_variance
from darkstate.witness.value import WitnessValue
from darkstate.witness.window import Window, window

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, repr=False)
class Prediction:
    """What `predict` returns; prints as a table.

    Args:
        lab: the lab file; solution: time evolution; steady: steady state with all light on.
        xi: EPR variance over time with its standard uncertainty [t]; steady_xi: the same for the steady state.
        window: minimum and the time window below 1.
        points: measured points, if given.
        power: xi against drive power, where the lab file has a laser.
        light: outcome of what the rates of the laser rest on, and the checks beyond their limits.
        shares: what each uncertain number of the lab file contributes to the error of xi [t].
    """

    lab: Lab
    solution: Solution
    steady: Solution
    xi: WitnessValue
    steady_xi: WitnessValue
    window: Window
    points: Points | None = None
    power: PowerScan | None = None
    light: tuple[Outcome, tuple[str, ...]] = (Outcome.ok, ())
    shares: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def outcome(self) -> Outcome:
        """Of the solution and of what its rates rest on, the worse one."""
        return max(Outcome(int(self.solution.outcome)), self.light[0])

    @property
    def times(self) -> np.ndarray:
        """Time grid [t; s]."""
        return np.asarray(self.solution.times)

    @property
    def minimum(self) -> WitnessValue:
        """Smallest xi, with the uncertainty of the nearest grid point."""
        if self.xi.uncertainty is None:
            return WitnessValue(self.window.minimum)
        near = int(np.argmin(np.abs(self.times - self.window.at)))
        return WitnessValue(self.window.minimum, self.xi.uncertainty[near])

    @property
    def best_gain(self) -> tuple[float, float]:
        """The best gain g at the grid point of smallest xi, and the xi_g it gives there."""
        near = int(np.argmin(np.abs(self.times - self.window.at)))
        _, xi_g, gain, _ = derived(self.solution.state)
        return float(gain[near]), float(xi_g[near])

    @property
    def verdict(self) -> str:
        """One sentence; a bad outcome gives no verdict."""
        outcome = self.outcome
        said = self.minimum.verdict if outcome is Outcome.ok else f"no verdict ({outcome.name})"
        return f"{said}: smallest xi = {with_error(self.minimum)}, separable states have xi >= 1"

    def __str__(self) -> str:
        return table(self)

    def __repr__(self) -> str:
        return f"<Prediction of {self.lab.name}: {self.verdict}>"

    def plot(self, ax: Any, *, label: str | None = None, curve: int = 0) -> None:
        """Draw xi(t), its band, the segments' borders and the points into axes; `curve` picks colour and dashes."""
        scale, unit = clock(self.times[-1])
        t, colour = self.times * scale, COLOURS[curve % len(COLOURS)]
        ax.plot(t, self.xi.value, DASHES[curve % len(DASHES)], color=colour, label=label)
        if self.xi.uncertainty is not None:
            low, high = self.xi.value - self.xi.uncertainty, self.xi.value + self.xi.uncertainty
            ax.fill_between(t, low, high, color=colour, alpha=0.25, linewidth=0)
        for border in time_grid(self.lab.experiment)[1]:
            ax.axvline(border * scale, color="0.85", linewidth=0.8, zorder=0)
        if self.points is not None and curve == 0:  # the same points for every case
            p = self.points
            ax.errorbar(p.times * scale, p.xi, p.xi_err, fmt="o", color="k", markersize=3, linewidth=0.8)
        ax.set_xlim(t[0], t[-1])
        ax.set_xlabel(f"time t ({unit})")
        ax.set_ylabel("EPR variance ξ(t)")

    def to_dataset(self) -> xr.Dataset:
        """Labelled dataset: xi(t) and more, with units and provenance in its attributes."""
        from darkstate.records.dataset import to_dataset

        data = to_dataset(self.solution)
        data["xi"] = data.xi.copy(data=self.xi.value)  # the very numbers of table and figure
        if self.xi.uncertainty is not None:
            data["xi_err"] = ("t", self.xi.uncertainty, {"units": "1", "long_name": "standard uncertainty of xi"})
        data["xi_steady"] = ((), float(self.steady_xi.value), {"units": "1", "long_name": "steady state, light on"})
        data["outcome_steady"] = ((), int(self.steady.outcome), {"flag_meanings": " ".join(o.name for o in Outcome)})
        if self.power is not None:
            watts = {"units": "W", "long_name": "drive power"}
            data = data.assign_coords(power=("power", self.power.power, watts))
            for name, values, text in (
                ("xi_min_power", self.power.xi_min, "smallest xi(t) against drive power"),
                ("xi_steady_power", self.power.xi_steady, "xi of the steady state against drive power"),
            ):
                data[name] = ("power", values, {"units": "1", "long_name": text})
        lab = self.lab
        data.attrs = {
            **provenance.attrs(source=lab.path, lab_digest=lab.digest, case=lab.case, overrides=lab.overrides),
            "method": "moment equations, variant corrected",
        }
        return data

    def save(self, folder: str | Path) -> list[Path]:
        """Write prediction.nc, .png, .pdf and .csv; returns their paths."""
        return _save({self.lab.case or self.lab.name: self}, self.to_dataset(), Path(folder))


@dataclass(frozen=True, repr=False)
class Predictions:
    """One `Prediction` per case of a lab file; prints as their tables."""

    cases: dict[str, Prediction]

    def __str__(self) -> str:
        return "\n\n".join(str(p) for p in self.cases.values())

    def plot(self, ax: Any) -> None:
        """Draw every case into the same axes, with a legend."""
        for k, (case, prediction) in enumerate(self.cases.items()):
            prediction.plot(ax, label=f"case {case}", curve=k)
        ax.legend()

    def to_dataset(self) -> xr.Dataset:
        """The datasets of all cases joined along the axis `case`."""
        import xarray as xr

        parts = {case: p.to_dataset() for case, p in self.cases.items()}
        joined = xr.concat(list(parts.values()), "case", join="outer", combine_attrs="override")
        joined = joined.assign_coords(case=("case", list(parts)))
        joined.attrs["case"] = ", ".join(parts)
        return joined

    def save(self, folder: str | Path) -> list[Path]:
        """Write prediction.nc, .png, .pdf and .csv with all cases; returns their paths."""
        return _save(self.cases, self.to_dataset(), Path(folder))


@dataclass(frozen=True, repr=False)
class Separate:
    """One prediction per case of a lab file, each with its own figure and files; prints as their tables."""

    cases: dict[str, Any]

    def __str__(self) -> str:
        return "\n\n".join(str(p) for p in self.cases.values())

    def save(self, folder: str | Path) -> list[Path]:
        """Write the files of every case into a folder of its own; returns their paths."""
        return [path for case, p in self.cases.items() for path in p.save(Path(folder) / case)]


def predict(
    lab: Lab, *, data: str | Path | None = None
) -> Prediction | HybridPrediction | MonitoredPrediction | PairPrediction:
    """Predict the entanglement of a laboratory.

    Args:
        lab: from `darkstate.load`.
        data: CSV file with measured points (columns t_ms, xi, xi_err), compared by chi-squared; for two cells.

    Returns:
        A `Prediction`, or for other experiments a `HybridPrediction`, `MonitoredPrediction` or `PairPrediction`; all
        print as a table and have plot, to_dataset and save.

    Raises:
        ArgumentError: `lab` is no lab that was loaded.
        InputError: the data file cannot be used, or an uncertainty is given where xi has no derivative.

    Example:
        >>> import darkstate as ds
        >>> print(f"{ds.predict(ds.load(ds.shipped_labs()['krauter2011'])).window.minimum:.4f}")
        0.8225
    """
    if not isinstance(lab, Lab):
        raise ArgumentError(f"Argument `lab` must come from darkstate.load(path), but is a {type(lab).__name__}.")
    if isinstance(lab.experiment, SpinMechanics | MonitoredCells | TweezerPair):
        if data is not None:
            raise InputError([f"{data}: measured points are compared with two_level_ensembles and cesium_cells only"])
        if isinstance(lab.experiment, TweezerPair):
            return predict_pair(lab)
        hybrid = isinstance(lab.experiment, SpinMechanics)
        return predict_hybrid(lab) if hybrid else predict_monitored(lab)
    experiment, keys = lab.experiment, tuple(lab.uncertainties)
    times, borders = time_grid(experiment)
    points = None if data is None else read_points(data, until=float(times[-1]))
    solved = _solve(experiment, times, substeps_of(experiment, times))
    (solution, steady), (xi, steady_xi) = solved[:2], (np.asarray(value) for value in solved[2:])
    xi_err = steady_err = None
    shares: dict[str, np.ndarray] = {}
    if "cells.transmission" in keys and experiment.cells.transmission == 0:
        raise InputError(
            [f"{lab.path}: an uncertainty of cells.transmission = 0 has no first order; give a value above 0"]
        )
    if keys:
        sigma = jnp.array([lab.uncertainties[key] for key in keys])
        values = jnp.array([value_at(experiment, key) for key in keys])
        parts, steady_parts = (np.asarray(e) for e in _errors(experiment, keys, values, sigma, times))
        xi_err, steady_err = (np.sqrt((e**2).sum(-1)) for e in (parts, steady_parts))
        shares = dict(zip(keys, abs(parts).T, strict=True))
    light = _light(experiment)
    return Prediction(
        lab=lab,
        solution=solution,
        steady=steady,
        xi=WitnessValue(xi, xi_err),
        steady_xi=WitnessValue(steady_xi, steady_err),
        window=window(times, xi, borders=borders),
        points=points,
        power=None if max(int(solution.outcome), light[0]) else power_scan(experiment),
        light=light,
        shares=shares,
    )


def predict_cases(labs: dict[str, Lab], *, data: str | Path | None = None) -> Predictions | Separate:
    """Predict every case of a lab file; `data` is compared with each.

    Example:
        >>> import darkstate as ds
        >>> list(ds.predict_cases(ds.load_cases(ds.shipped_labs()["krauter2011"])).cases)
        ['a', 'b', 'c']
    """
    found = {case: predict(lab, data=data) for case, lab in labs.items()}
    over_time = {case: p for case, p in found.items() if isinstance(p, Prediction)}
    return Predictions(over_time) if over_time else Separate(found)


def _light(experiment: TwoCells) -> tuple[Outcome, tuple[str, ...]]:
    """Outcome of what the rates of the light rest on, and the checks beyond their limits."""
    beyond = tuple(n for n, value in worse_checks(experiment).items() if not float(value) <= LIMITS[n][0])
    return (Outcome.outside_validity if beyond else Outcome.ok), beyond


@partial(jax.jit, static_argnames="substeps")
def _solve(experiment: TwoCells, times: Any, substeps: int) -> tuple[Solution, Solution, Any, Any]:
    """Time evolution, steady state, and xi of both, as one compiled program."""
    model, method = experiment.model(), MomentEquations(substeps=substeps)
    solution = evolve(model, times, protocol=experiment.protocol.protocol(), method=method, throw=False)
    steady = steady_state(model, throw=False)
    return solution, steady, epr_variance(solution.state).value, epr_variance(steady.state).value


def _errors(experiment: TwoCells, keys: tuple[str, ...], values: Any, sigma: Any, times: Any) -> tuple[Any, Any]:
    """Slope times standard error of every input, for xi(t) [t k] and the steady xi [k]."""
    substeps = substeps_of(experiment, times)

    @jax.jit
    def slopes(values: Any) -> Any:
        def xi(values: Any) -> tuple[Any, Any]:
            return _solve(with_values(experiment, dict(zip(keys, values, strict=True))), times, substeps)[2:]

        return jax.jacfwd(xi)(values)

    return tuple(s * sigma for s in slopes(values))


def _save(cases: dict[str, Prediction], data: xr.Dataset, folder: Path) -> list[Path]:
    written = [write_netcdf(folder / "prediction.nc", data)]
    figure, (ax,) = new_figure()
    several = len(cases) > 1
    for k, (case, prediction) in enumerate(cases.items()):
        label = f"case {case}" if several else None
        prediction.plot(ax, label=label, curve=k)
    separable_line(ax)
    if several:
        ax.legend()
    written += save_figure(figure, folder / "prediction", ("png", "pdf"))
    written.append(write_atomic(folder / "prediction.csv", _csv(cases)))
    scans = {case: p.power for case, p in cases.items() if p.power is not None}
    for case, scan in scans.items():
        figure, (ax,) = new_figure()
        scan.plot(ax)
        written += save_figure(figure, folder / (f"power-{case}" if several else "power"))
    return written


def _csv(cases: dict[str, Prediction]) -> str:
    """Every plotted line as rows: curve, time, value, uncertainty."""
    lines = ["curve,case,t_ms,xi,xi_err"]
    for case, p in cases.items():
        errors = [""] * len(p.times) if p.xi.uncertainty is None else [f"{e:.9g}" for e in p.xi.uncertainty]
        for t, x, e in zip(p.times, p.xi.value, errors, strict=True):
            lines.append(f"prediction,{case},{t * 1e3:.9g},{x:.12g},{e}")
        if p.points is not None and case == next(iter(cases)):
            for t, x, e in zip(p.points.times, p.points.xi, p.points.xi_err, strict=True):
                lines.append(f"data,,{t * 1e3:.9g},{x:.9g},{e:.9g}")
        lines += [f"separable,{case},{t * 1e3:.9g},1," for t in (p.times[0], p.times[-1])]
    return "\n".join(lines) + "\n"
