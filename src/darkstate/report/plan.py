"""plan: what to measure next. A study file in; which calibration to repeat and how many cycles to take out.

    [plan]                 quantity = "xi_min", sigmas = 3
    [plan.calibrations]    "laser.power" = "0.05 mW"       the error a repeated calibration could reach
    [plan.shots]           cycle = "1 s", probe, start, runs

Down: `studies.plan`, `shot_plan`; up: cli.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from darkstate import provenance
from darkstate.errors import ArgumentError, InputError, OutcomeError
from darkstate.experiments.tomltext import Key, nearest
from darkstate.report.plan_figure import plot_advice, plot_cycles, plot_probes
from darkstate.report.plan_text import advice_lines, shots_lines
from darkstate.report.shot_plan import plan_shots
from darkstate.report.style import new_figure, save_figure
from darkstate.report.text import headline
from darkstate.storage import write_atomic, write_netcdf
from darkstate.studies.plan import Advice, advise
from darkstate.studies.quantities import QUANTITIES, unknown
from darkstate.studies.shots import Shots
from darkstate.studies.study import Number, Study, Table, read_study
from darkstate.units import parse, shown

if TYPE_CHECKING:
    import xarray as xr


class ShotsTable(Table):
    """[plan.shots]: for labs whose records can be simulated."""

    cycle: Number | None = None
    probe: Number | None = None
    start: Number | None = None
    runs: bool = True


class PlanTable(Table):
    """[plan]: what is to be shown, and how surely."""

    quantity: str | None = None
    sigmas: float | int = Field(default=3, gt=0, le=100, allow_inf_nan=False)
    calibrations: dict[str, Number] = Field(default_factory=dict)
    shots: ShotsTable | None = None


@dataclasses.dataclass(frozen=True, repr=False)
class Plan:
    """What to measure next; prints as a table.

    Args:
        study: the study file; sigmas: standard errors wanted; advice: what each uncertain input costs, or None where
            the lab file has none; shots: the measurement with the fewest cycles, or None where it was not asked for;
            cycle: duration of one cycle [s] or None.
    """

    study: Study
    sigmas: float
    advice: Advice | None
    shots: Shots | None
    cycle: float | None

    def __str__(self) -> str:
        lines = [headline(self.study.lab), *(f"  changed  {text}" for text in self.study.lab.overrides)]
        if self.advice is not None:
            lines += advice_lines(self.advice, self.study.lab, self.sigmas)
        if self.shots is not None:
            lines += ["", *shots_lines(self.shots, self.cycle)]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Plan of {self.study.name} for {self.study.lab.name}>"

    def plot(self, ax: Any) -> None:
        """Draw what each uncertain input adds to the error of the quantity, now and once repeated."""
        if self.advice is None:
            raise ArgumentError("Nothing to draw: the lab file has no uncertain number; write one as 5.6(3).")
        plot_advice(ax, self.advice)

    def to_dataset(self) -> xr.Dataset:
        """Shares of the inputs, and the cycles needed, with provenance in the attributes."""
        import xarray as xr

        data = {**({} if self.advice is None else _advice_data(self.advice))}
        data |= {} if self.shots is None else _shots_data(self.shots)
        lab = self.study.lab
        attrs = provenance.attrs(source=lab.path, lab_digest=lab.digest, case=lab.case, overrides=lab.overrides)
        attrs |= {"study": self.study.name, "study_digest": self.study.digest}
        made = xr.Dataset(data, attrs={**attrs, "sigmas_wanted": self.sigmas})
        return made if self.advice is None else made.assign_coords(input=[i.key for i in self.advice.inputs])

    def save(self, folder: str | Path) -> list[Path]:
        """Write plan.nc, .png, .pdf and .csv; returns their paths."""
        folder = Path(folder)
        written = [write_netcdf(folder / "plan.nc", self.to_dataset())]
        figure, axes = new_figure((self.advice is not None) + 2 * (self.shots is not None))
        if self.advice is not None:
            plot_advice(axes.pop(0), self.advice)
        if self.shots is not None:
            plot_cycles(axes[0], self.shots)
            plot_probes(axes[1], self.shots)
        written += save_figure(figure, folder / "plan", ("png", "pdf"))
        return [*written, write_atomic(folder / "plan.csv", _csv(self))]


def plan(study: str | Path) -> Plan:
    r"""Plan the next measurement of a study file with a table [plan].

    Args:
        study: path of the study file.

    Returns:
        A `Plan`; prints as a table, and has plot, to_dataset and save.

    Raises:
        InputError: problems of the study or lab file, or nothing uncertain to plan with.

    Example:
        >>> import tempfile, pathlib
        >>> text = 'lab = "krauter2011"\n[set]\n"noise.gamma_tilde" = "0.193(5) /ms"\n[plan]\nquantity = "xi_min"\n'
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "next.toml"
        ...     _ = path.write_text(text)
        ...     print(f"{plan(path).advice.error:.4f}")
        0.0033
    """
    read, table = read_study(study, "plan", PlanTable)
    known = QUANTITIES[read.kind]
    name = table.quantity or ("xi_min" if "xi_min" in known else next(iter(known)))
    if name not in known:
        raise read.refuse([(("plan", "quantity"), f"quantity = {unknown(name, read.kind)}")])
    lab = read.lab
    better = _better(read, table)
    if not lab.uncertainties and table.shots is None:
        raise read.refuse(
            [
                (
                    ("plan",),
                    f"{lab.name} has no number with an uncertainty, so there is nothing to rank; write one there or in "
                    f"[set], such as {_example(read)}, or ask for cycles with [plan.shots]",
                )
            ]
        )
    advice = None
    if lab.uncertainties:
        try:
            advice = advise(lab.experiment, name, lab.uncertainties, better=better)
        except OutcomeError as error:
            raise read.refuse([(("plan", "quantity"), f"{name} has no value or no derivative here; {error}")]) from None
    found, cycle = (None, None) if table.shots is None else _shots(read, table.shots, float(table.sigmas))
    return Plan(read, float(table.sigmas), advice, found, cycle)


def _example(read: Study) -> str:
    """One number of the lab file, as it is written with an uncertainty."""
    return next(
        (f'"{key}" = "{text} +- ..."' for key, text in read.lab.written.items() if text), '"drive.z" = "2.50(4)"'
    )


def _better(read: Study, table: PlanTable) -> dict[str, float]:
    """The error each calibration could reach [SI]."""
    known, found = list(read.lab.uncertainties), {}
    problems: list[tuple[Key, str]] = []
    for key, raw in table.calibrations.items():
        path: Key = ("plan", "calibrations", key)
        if key not in known:
            likely = nearest(key, known)
            hint = f"did you mean {likely}?" if likely else f"uncertain are {', '.join(known) or 'none'}"
            problems.append((path, f"{shown(key)[1:-1]} has no uncertainty in the lab file; {hint}"))
            continue
        try:
            error, _ = parse(raw, read.parameter(path, key).spec.unit)
            if not 0 < error < read.lab.uncertainties[key]:
                raise ArgumentError(f"{shown(raw)} must be above 0 and below the present standard error")
            found[key] = error
        except ArgumentError as error_:
            problems.append((path, f"{key} = {error_}"))
    if problems:
        raise read.refuse(problems)
    return found


def _shots(read: Study, table: ShotsTable, sigmas: float) -> tuple[Shots, float | None]:
    """The measurement with the fewest cycles, and the duration of one cycle [s]."""
    given: dict[str, float | None] = {}
    problems: list[tuple[Key, str]] = []
    for name in ("cycle", "probe", "start"):
        raw = getattr(table, name)
        given[name] = None
        try:
            if raw is not None:
                given[name] = value = parse(raw, "s")[0]
                if not value >= 0 or (value == 0 and name != "start"):
                    raise ArgumentError(f"{shown(raw)} must be above 0")
        except ArgumentError as error:
            problems.append((("plan", "shots", name), f"{name} = {error}"))
    if problems:
        raise read.refuse(problems)
    try:
        found = plan_shots(read.lab, sigmas, probe=given["probe"], start=given["start"], runs=table.runs)
    except InputError as error:
        raise read.refuse([(("plan", "shots"), f"[plan.shots]: {text}") for text in error.problems]) from None
    return found, given["cycle"]


def _advice_data(advice: Advice) -> dict[str, Any]:
    unit, inputs = advice.quantity.unit, advice.inputs

    def over(name: str, units: str, text: str) -> tuple[str, Any, dict[str, str]]:
        return "input", np.array([getattr(i, name) for i in inputs]), {"units": units, "long_name": text}

    with_one = [advice.significance((i,)) for i in inputs]
    numbers = [np.nan if s is None else s for s in with_one]
    return {
        advice.name: ((), advice.value, {"units": unit, "long_name": advice.quantity.text}),
        f"{advice.name}_err": ((), advice.error, {"units": unit, "long_name": f"standard error of {advice.name}"}),
        "outcome": ((), int(advice.outcome), {"units": "1", "long_name": advice.outcome.name}),
        "value": over("value", "SI", "value of the input, in SI units"),
        "error": over("error", "SI", "present standard error of the input, in SI units"),
        "better": over("better", "SI", "standard error that a repeated calibration reaches, in SI units"),
        "slope": over("slope", f"{unit} per SI unit", f"derivative of {advice.name} by the input"),
        "share": over("share", unit, f"part of the standard error of {advice.name}"),
        "significance": ("input", numbers, {"units": "1", "long_name": "standard errors once this input was repeated"}),
    }


def _shots_data(s: Shots) -> dict[str, Any]:
    probes, needed = s.by_probe()
    scalars = {
        "start": (s.start, "s", "start of the read-out window"),
        "probe": (s.probe, "s", "length of the read-out window"),
        "xi_window": (s.xi, "1", "EPR variance at its start (separable: at least 1)"),
        "xi_stat": (s.xi_err, "1", "statistical standard error of xi_window then"),
        "xi_sys": (s.xi_sys, "1", "systematic standard error of xi_window then"),
        "cycles": (s.cycles, "1", "cycles with atoms"),
        "shot_cycles": (s.shot_cycles, "1", "cycles of light alone"),
        "run_cycles": (s.run_cycles, "1", "cycles of each of seven calibration records"),
        "total_cycles": (s.total, "1", "all cycles"),
    }
    found: dict[str, Any] = {n: ((), v, {"units": u, "long_name": t}) for n, (v, u, t) in scalars.items()}
    found["probes"] = ("window", probes, {"units": "s", "long_name": "lengths of the read-out window compared"})
    found["cycles_of_probe"] = ("window", needed, {"units": "1", "long_name": "fewest cycles with this window"})
    return found


def _csv(p: Plan) -> str:
    """Every bar and point of the figure."""
    lines = ["curve,name,x,y"]
    if p.advice is not None:
        for i in p.advice.inputs:
            lines += [
                f"share,{i.key},{i.error:.9g},{i.share:.9g}",
                f"share repeated,{i.key},{i.better:.9g},{i.share_then:.9g}",
            ]
    if p.shots is not None:
        levels, cycles = p.shots.curve()
        lines += [f"significance of cycles,,{c:.9g},{level:.9g}" for level, c in zip(levels, cycles, strict=True)]
        lines += [f"cycles of probe,,{t:.9g},{c:.9g}" for t, c in zip(*p.shots.by_probe(), strict=True)]
    return "\n".join(lines) + "\n"
