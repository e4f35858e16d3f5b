"""What a certificate quotes beside its claim: record, lab file, calibration, and what the lab file predicts.

Down: `records.io`, `prediction`; up: `verdict`, which fills in the claim, and `verification`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from math import hypot
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from darkstate.errors import Outcome
from darkstate.experiments.cesium_cells import CesiumCells
from darkstate.experiments.labfile import Lab
from darkstate.experiments.monitored_cells import MonitoredCells
from darkstate.parameters import specs
from darkstate.records.calibration import UNITS, Calibration, Course, Quantity
from darkstate.records.io import record_digest
from darkstate.report.monitored import predict_monitored
from darkstate.report.prediction import Prediction, predict

if TYPE_CHECKING:
    import xarray as xr


def record_section(record: xr.Dataset) -> dict[str, Any]:
    """What the record is: digest, sizes, and what its attributes say."""
    a, source = record.attrs, record.encoding.get("source")
    return {
        "digest": record_digest(record),
        "file": PurePath(source).name if source else None,
        "kind": a["kind"],
        "purpose": a["purpose"],
        "cycles": record.sizes["cycle"],
        "shot_cycles": record.sizes.get("shot_cycle", 0),
        "dark_cycles": record.sizes.get("dark_cycle", 0),
        "samples": record.sizes["time"],
        "sample_rate_hz": a["sample_rate_hz"],
        "carrier_hz": a["carrier_hz"],
        "seed": a.get("seed"),
        "lab_digest": a.get("lab_digest"),
    }


def lab_section(lab: Lab) -> dict[str, Any]:
    """What the lab file says, resolved to numbers."""
    return {
        "name": lab.name,
        "experiment": "cesium_cells" if isinstance(lab.experiment, CesiumCells) else "monitored_cells",
        "case": lab.case,
        "overrides": lab.overrides,
        "digest": lab.digest,
        "parameters": dict(_parameters(lab.experiment)),
    }


def _parameters(experiment: Any) -> Iterator[tuple[str, Any]]:
    """Dotted key and SI value of everything a lab file sets or leaves at its default."""
    for section in dataclasses.fields(experiment):
        table = getattr(experiment, section.name)
        if section.name == "second":
            yield from ((f"second.{key}", value) for key, value in table.items())
            continue
        rows = [(section.name, table)] if dataclasses.is_dataclass(table) else []
        rows += [(f"{section.name}.segments.{n}", s) for n, s in enumerate(getattr(table, "segments", None) or ())]
        for prefix, row in rows:
            for name, _ in specs(row):
                if getattr(row, name) is not None:
                    yield f"{prefix}.{name}", getattr(row, name)


def calibration_section(c: Calibration, *, from_lab: bool) -> dict[str, Any]:
    """What was used to turn light noise into atomic noise; `calibration_of` reads it back."""
    quantities = {n: {**dataclasses.asdict(q), "unit": UNITS.get(n, "")} for n, q in c.quantities.items()}
    correlations = dict(c.correlations)
    return {
        "from_lab": from_lab,
        "date": c.date,
        "source": c.source,
        "quantities": quantities,
        "course": None if c.course is None else dataclasses.asdict(c.course),
        "correlations": correlations,
    }


def calibration_of(section: dict[str, Any]) -> Calibration:
    """The calibration a certificate was made with."""
    quantities = {
        name: Quantity(q["value"], q["error"], q["method"], tuple(q["records"]))
        for name, q in section["quantities"].items()
    }
    said = section["course"]
    course = None if said is None else Course(**{k: tuple(v) for k, v in said.items()})
    return Calibration(quantities, section["date"], section["source"], course, dict(section["correlations"]))


def prediction(lab: Lab, claim: dict[str, Any], method: dict[str, Any]) -> dict[str, Any]:
    """xi of the lab file at the start of the window, and how far the record is from it; no part of the verdict."""
    value, start, name = claim["value"], method["start_s"], method["name"]

    def section(xi: float | None, error: float | None, text: str) -> dict[str, Any]:
        if xi is None or value is None:
            return {"value": xi, "error": error, "difference_sigma": None, "text": text}
        sigma = (value - xi) / hypot(claim["statistical"], claim["systematic"], error or 0.0)
        return {"value": xi, "error": error, "difference_sigma": sigma, "text": f"{text} {sigma:+.1f} standard errors"}

    if start is None or name is None:
        return section(None, None, "none, since no window was chosen")
    if isinstance(lab.experiment, MonitoredCells):
        watched = predict_monitored(lab)
        given = name != "unconditional"
        times, course = np.asarray(watched.free.times), watched.xi_conditional if given else watched.xi
        errors, outcome, what = None, watched.outcome, "xi given the record" if given else "xi"
    elif name != "unconditional":
        return section(None, None, "none: cesium_cells predicts xi without the record only")
    else:
        free = cast(Prediction, predict(lab))
        times, course, errors = free.times, np.asarray(free.xi.value), free.xi.uncertainty
        outcome, what = Outcome(int(free.solution.outcome)), "xi"
    if outcome is not Outcome.ok or start > times[-1] * (1 + 1e-9):
        why = "it ends before" if outcome is Outcome.ok else outcome.meaning
        return section(None, None, f"none: {why}")
    xi = float(np.interp(start, times, course))
    error = None if errors is None else float(np.interp(start, times, errors))
    spread = "" if error is None else f" +- {error:.4f}"
    return section(xi, error, f"{what} = {xi:.4f}{spread} expected; the record differs by")
