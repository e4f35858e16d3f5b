"""A laboratory with few atoms: closed form, moment equations and exact result side by side, and where they part.

    lab file -> model with N atoms per ensemble -> every method that holds -> xi(t), differences beyond the errors

Down: `exact_methods` runs them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate import provenance
from darkstate.backend import jnp
from darkstate.errors import ArgumentError, Outcome
from darkstate.experiments.cesium_cells import CesiumCells
from darkstate.experiments.grid import COARSE, fastest_rate
from darkstate.experiments.labfile import Lab
from darkstate.experiments.two_cells import second_cell, worse_checks
from darkstate.experiments.two_level_ensembles import TwoLevelEnsembles
from darkstate.report.exact_methods import PART, ROUNDING, Course, Task, courses, flattened
from darkstate.report.style import COLOURS, DASHES, new_figure, save_figure, separable_line
from darkstate.report.table import clock
from darkstate.report.text import headline
from darkstate.solve.checks import transverse_excess
from darkstate.solve.limits import LIMITS
from darkstate.spins.moments import total_rates
from darkstate.storage import write_netcdf
from darkstate.witness.value import WitnessValue

if TYPE_CHECKING:
    import xarray as xr

POINTS = 41
"""Times that are compared; one in ROWS of them is printed."""

ROWS = 4

FAR = 3.0
"""Largest xi that is drawn."""

MOST = 10**15
"""Largest atom number; it has to fit into 64 bits with what is computed from it."""

LOOK = {
    "closed_form": (COLOURS[2], DASHES[2], ""),
    "moments": (COLOURS[1], DASHES[1], ""),
    "exact": (COLOURS[0], DASHES[0], "o"),
    "leaped": (COLOURS[3], DASHES[3], "s"),
}
"""Colour, dashes where a method gives a line, marker where it is sampled."""


@dataclass(frozen=True, repr=False)
class ExactComparison:
    """What `compare_exact` returns; prints as a table.

    Args:
        lab: the lab file; atoms: N of both ensembles; times: [t; s].
        courses: xi over time by each method, in the order of the table; notes: what was left out, and why.
        error: wanted standard error of sampled xi; seed: of all trajectories.
    """

    lab: Lab
    atoms: int
    times: np.ndarray
    courses: tuple[Course, ...]
    notes: tuple[str, ...]
    error: float
    seed: int

    @property
    def reference(self) -> Course:
        """What the others are compared with: the exact course, or the leaped one."""
        return next((c for c in self.courses if c.name == "exact"), self.courses[-1])

    @property
    def smallest(self) -> tuple[WitnessValue, float]:
        """Smallest xi of the reference, and its time [s]."""
        at = _least(self.reference)
        error = self.reference.xi_err[at] if self.reference.sampled else None
        return WitnessValue(float(self.reference.xi[at]), error), float(self.times[at])

    @property
    def verdict(self) -> str:
        """One sentence; a bad outcome gives no verdict."""
        outcome, (value, at) = self.reference.outcome, self.smallest
        said = value.verdict if outcome is Outcome.ok else f"no verdict ({outcome.name})"
        scale, unit = clock(self.times[-1])
        xi = _number(float(value.value), 0.0 if value.uncertainty is None else float(value.uncertainty))
        return f"{said}: smallest xi = {xi} at {at * scale:.3g} {unit} ({self.reference.title}), separable states >= 1"

    def difference(self, course: Course) -> tuple[np.ndarray, np.ndarray]:
        """xi of a course minus that of the reference, and its error [t]; not a number where <Jx> = 0 leaves no xi."""
        return _minus(course.xi, self.reference.xi), np.hypot(course.xi_err, self.reference.xi_err)

    def parting(self, course: Course) -> tuple[int, float] | None:
        """Where a course parts most from the reference: index of the time, and how many errors; None if nowhere."""
        apart, error = self.difference(course)
        sigmas = np.abs(apart) / np.maximum(error, ROUNDING)
        beyond = sigmas > PART
        if not beyond.any():
            return None
        flat = np.abs(_minus(np.asarray(flattened(course.xi)), np.asarray(flattened(self.reference.xi))))
        at = int(np.argmax(np.where(beyond, flat, 0.0)))
        return at, float(sigmas[at])

    def said_of(self, course: Course) -> str:
        """A sentence on how a course and the reference agree."""
        apart, error = self.difference(course)
        (scale, unit), name = clock(self.times[-1]), self.reference.title
        lost = np.isnan(course.xi) & ~np.isnan(self.reference.xi)
        if lost.any():
            return f"gives no number from {self.times[np.argmax(lost)] * scale:.3g} {unit} on ({course.outcome.name})"
        found = self.parting(course)
        sampled = course.sampled or self.reference.sampled
        if found is None:
            at = int(np.argmax(np.where(np.isfinite(error) & (self.reference.xi <= 2), np.abs(apart), 0.0)))
            bound = f"; largest difference {apart[at]:+.2g} +- {error[at]:.2g}" if sampled else ""
            return f"agrees with {name} within errors{bound}"
        at, sigmas = found
        side = "above" if apart[at] > 0 else "below"
        by = f"{abs(apart[at]):.2g}" + (f" +- {error[at]:.1g}, {sigmas:.0f} standard errors," if sampled else "")
        there = f"{course.xi[at]:.4f} against {self.reference.xi[at]:.4f}"
        return f"parts from {name}: at {self.times[at] * scale:.3g} {unit} {by} {side} it ({there})"

    def __str__(self) -> str:
        rate = max(float(c.cell.total.collective) for c in (self.lab.experiment, second_cell(self.lab.experiment)))
        depth = "optical depth and rates as in the lab file" + (" so changed" if self.lab.overrides else "")
        rows = [("changed", ", ".join(self.lab.overrides))] if self.lab.overrides else []
        rows += [("atoms", f"{self.atoms:g} in each ensemble; {depth}, d Gamma = {rate:.4g} /s")]
        rows += [(c.title, c.made) for c in self.courses]
        rows += [("note", text) for text in self.notes]
        others = [c for c in self.courses if c is not self.reference]
        under = [*((c.title, self.said_of(c)) for c in others)]
        width = max(len(name) for name, _ in rows + under)
        top, bottom = ([f"  {n:<{width}}  {text}" for n, text in part] for part in (rows, under))
        return "\n".join([headline(self.lab), *top, "", *self._columns(), "", *bottom, f"  {self.verdict}"])

    def _columns(self) -> list[str]:
        """xi of every method at some of the times, and the smallest of each."""
        scale, unit = clock(self.times[-1])
        lines = [[f"t ({unit})", *(c.title for c in self.courses)]]
        for k in range(0, len(self.times), ROWS):
            lines.append([f"{self.times[k] * scale:.4g}", *(_cell(c, k) for c in self.courses)])
        least = [_least(c) for c in self.courses]
        lines.append(["smallest", *(_cell(c, k) for c, k in zip(self.courses, least, strict=True))])
        lines.append(["at", *(f"{self.times[k] * scale:.4g} {unit}" for k in least)])
        widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
        return ["  " + "  ".join(f"{text:>{w}}" for text, w in zip(line, widths, strict=True)) for line in lines]

    def __repr__(self) -> str:
        return f"<ExactComparison of {self.lab.name}, N = {self.atoms:g}: {self.verdict}>"

    def plot(self, ax: Any) -> None:
        """Draw xi(t) of every method into axes: lines, and points with their errors where trajectories were sampled."""
        for course in self.courses:
            self._draw(ax, course, course.xi)
        ax.set_ylabel("EPR variance ξ(t)")

    def plot_difference(self, ax: Any) -> None:
        """Draw what the other methods differ by from the moment equations, which have no scatter."""
        smooth = next(c for c in self.courses if c.name == "moments")
        for course in self.courses:
            self._draw(ax, course, np.where(smooth.xi <= FAR, _minus(course.xi, smooth.xi), np.nan))
        ax.set_ylabel(f"ξ − {smooth.title}")

    def _draw(self, ax: Any, course: Course, values: np.ndarray) -> None:
        scale, unit = clock(self.times[-1])
        t, (colour, dash, mark) = self.times * scale, LOOK[course.name]
        values = np.where(course.xi <= FAR, values, np.nan)
        if course.sampled:
            ax.errorbar(t, values, course.xi_err, fmt=mark, color=colour, markersize=2.2, linewidth=0.7,
                        label=course.title)  # fmt: skip
        else:
            ax.plot(t, values, dash, color=colour, label=course.title)
        ax.set_xlim(t[0], t[-1])
        ax.set_xlabel(f"time t ({unit})")

    def to_dataset(self) -> xr.Dataset:
        """Labelled dataset: xi(method, t) with its errors, and how each came about."""
        import xarray as xr

        data = xr.Dataset(
            {
                "xi": (
                    ("method", "t"),
                    np.array([c.xi for c in self.courses]),
                    {"units": "1", "long_name": "EPR variance (separable: at least 1)"},
                ),
                "xi_err": (
                    ("method", "t"),
                    np.array([c.xi_err for c in self.courses]),
                    {
                        "units": "1",
                        "long_name": "standard error of xi by the number of trajectories, and by a step that matters; "
                        "stated numerical error of methods that sample nothing, not that of their approximations",
                    },
                ),
                "trajectories": (
                    "method",
                    [c.trajectories for c in self.courses],
                    {"units": "1", "long_name": "trajectories sampled, 0 where none are"},
                ),
                "outcome": (
                    "method",
                    [int(c.outcome) for c in self.courses],
                    {"flag_meanings": " ".join(o.name for o in Outcome)},
                ),
            },
            coords={
                "t": ("t", self.times, {"units": "s", "long_name": "time"}),
                "method": [c.name for c in self.courses],
            },
        )
        lab = self.lab
        data.attrs = {
            **provenance.attrs(source=lab.path, lab_digest=lab.digest, case=lab.case, overrides=lab.overrides),
            **{f"{c.name}_made": c.made for c in self.courses},
            "atoms": float(self.atoms),
            "error": self.error,
            "seed": self.seed,
        }
        return data

    def save(self, folder: str | Path) -> list[Path]:
        """Write exact.nc and exact.png; returns their paths."""
        folder = Path(folder)
        figure, _ = new_figure(height=3.4)
        figure.clear()
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1))
        self.plot(upper)
        separable_line(upper)
        upper.set(xlabel="")
        upper.legend(title=f"N = {self.atoms:g}", title_fontsize=6.5)
        self.plot_difference(lower)
        figure.align_ylabels((upper, lower))
        return [write_netcdf(folder / "exact.nc", self.to_dataset()), *save_figure(figure, folder / "exact")]


def compare_exact(
    lab: Lab,
    atoms: float,
    *,
    error: float = 0.01,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> ExactComparison:
    """Closed form, moment equations and the exact result for a given number of atoms.

    Args:
        lab: from `darkstate.load`, of two_level_ensembles or cesium_cells; constant light in every segment.
        atoms: N of each ensemble; optical depth and all rates stay those of the lab file, so that the collective rate
            d Gamma does not depend on N.
        error: standard error of xi to reach at every time where trajectories are sampled; above xi = 2, of 4/xi.
        seed: of all trajectories; progress: called with the share done.

    Returns:
        An `ExactComparison`; prints as a table and has plot, to_dataset and save.

    Validity: exact up to the stated errors; see `ExactLiouvillian`, `Trajectories` and `Leaping`.

    Raises:
        ArgumentError: another experiment, an atom number or an error that cannot be, a ramp, or what takes too long.

    Example:
        >>> import darkstate as ds
        >>> found = compare_exact(ds.load(ds.shipped_labs()["muschik2011"]), atoms=4)
        >>> print(f"{found.smallest[0].value:.4f}; moments:", found.said_of(found.courses[1]))
        0.5891; moments: parts from exact: at 0.781 s 0.079 below it (0.5931 against 0.6721)
    """
    if not isinstance(lab, Lab):
        raise ArgumentError(f"Argument `lab` must come from darkstate.load(path), but is a {type(lab).__name__}.")
    experiment = lab.experiment
    if not isinstance(experiment, TwoLevelEnsembles | CesiumCells):
        raise ArgumentError(
            f"{lab.name} describes no spin ensembles with a number of atoms: the exact comparison takes lab files of "
            "two_level_ensembles and cesium_cells."
        )
    count = _whole(atoms)
    if not (np.isfinite(error) and 0 < error <= 1):
        raise ArgumentError(f"Argument `error` must be above 0 and at most 1, but is {error:g}.")
    if not (seed == int(seed) and 0 <= seed < 2**63):
        raise ArgumentError(f"Argument `seed` must be a whole number from 0 to 2**63 - 1, but is {seed}.")
    pulses = experiment.protocol.protocol()
    times = comparison_times(experiment)
    model = replace(experiment.model(), atoms=jnp.full(2, float(count)))
    task = Task(model, pulses, times, float(error), int(seed))
    excess = max(float(transverse_excess(total_rates(model, s))) for _, s in task.pieces)
    found, left_out = courses(task, progress)
    if 0 < excess <= LIMITS["transverse_excess"][0]:
        left_out.append(
            f"Gamma-tilde is {100 * excess:.2g} % below the rates it includes: the exact methods take no dephasing"
        )
    weak = [name for name, value in worse_checks(experiment).items() if not float(value) <= LIMITS[name][0]]
    if weak:
        left_out.append(f"the rates themselves are outside validity ({', '.join(weak)}), see `darkstate rates`")
    if lab.uncertainties:
        left_out.append(f"the uncertainties of {', '.join(lab.uncertainties)} are not carried through")
    return ExactComparison(lab, count, times, tuple(found), tuple(left_out), task.error, task.seed)


def comparison_times(experiment: TwoLevelEnsembles | CesiumCells) -> np.ndarray:
    """Some `POINTS` times, closer together at the start where strong light squeezes at once, with all borders [t; s].

    Example:
        >>> import darkstate as ds
        >>> times = comparison_times(ds.load(ds.shipped_labs()["muschik2011"]).experiment)
        >>> print(len(times), times[:3], times[-1])
        41 [0.      0.00125 0.005  ] 2.0
    """
    total = float(experiment.protocol.total)
    borders = np.cumsum(experiment.protocol.protocol().durations)[:-1]
    borders = np.unique(borders[(borders > 0) & (borders < total)])
    share = np.linspace(0.0, 1.0, POINTS)
    if not len(borders) and fastest_rate(experiment) * total / (POINTS - 1) > COARSE:
        share = share**2
    times = total * share
    apart = [t for t in times if all(abs(t - b) > 1e-9 * total for b in borders)]
    return np.union1d(apart, borders)


def _whole(atoms: Any) -> int:
    try:
        number = float(atoms)
    except (TypeError, ValueError, OverflowError):
        number = np.nan
    if not (1 <= number <= MOST and number == round(number)):
        raise ArgumentError(
            f"Argument `atoms` must be a whole number from 1 to {MOST:g}, such as 8, 1000 or 1e12, but is {atoms}."
        )
    return int(number)


def _number(value: float, error: float) -> str:
    if not abs(value) < FAR**4:
        return f"{value:.3g}"
    return f"{value:.4f}" + (f" +- {error:.4f}" if error > 0 else "")


def _least(course: Course) -> int:
    """Where xi is smallest, its error added, so that scatter makes no minimum; 0 where it is nowhere a number."""
    with np.errstate(invalid="ignore"):
        high = course.xi + course.xi_err
    return int(np.argmin(np.where(np.isfinite(high), high, np.inf)))


def _minus(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # infinite where <Jx> = 0
        return one - other


def _cell(course: Course, k: int) -> str:
    return _number(float(course.xi[k]), float(course.xi_err[k]) if course.sampled else 0.0)
