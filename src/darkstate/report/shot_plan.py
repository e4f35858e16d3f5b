"""From a lab file to the measurement that needs the fewest cycles, by `studies.shots`; up: `report.plan`."""

from __future__ import annotations

import numpy as np

from darkstate.errors import ArgumentError, InputError
from darkstate.experiments.labfile import Lab
from darkstate.records.light import FEWEST
from darkstate.report.recording import DARK_CYCLES, DISPLACEMENT, cells_of, lab_calibration
from darkstate.studies.calibration_error import Runs
from darkstate.studies.shots import Apparatus, Shots, shots


def plan_shots(
    lab: Lab, sigmas: float, *, probe: float | None = None, start: float | None = None, runs: bool = True
) -> Shots:
    """The fewest cycles that show xi < 1 of a lab by so many standard errors.

    Args:
        lab: of the experiment cesium_cells or monitored_cells; sigmas: k; probe, start: of the read-out window [s],
            where they are given already; runs: gamma and kappa^2 come from calibration runs, as `simulate_runs` makes
            and `calibrate` reads them, whose cycles count; else from the lab file with its errors.

    Raises:
        InputError: another experiment, or no number of cycles is enough; says why.

    Example:
        >>> import darkstate as ds
        >>> changes = ["drive.rate=0.01 /ms", "noise.gamma_tilde=0.55 /ms", "protocol.duration=5 ms"]
        >>> best = plan_shots(ds.load(ds.shipped_labs()["muschik2013-monitored"], case="x1", overrides=changes), 3.0)
        >>> f"{best.significance:.1f} with {best.total} cycles"
        '3.0 with 267 cycles'
    """
    try:
        with np.errstate(all="ignore"):  # `shots` refuses numbers beyond all measure
            calibration = lab_calibration(lab)  # refuses every other system
    except ArgumentError as error:
        raise InputError([f"{lab.name}: an uncertainty reaches beyond the allowed range: {error}"]) from None
    e, a = lab.experiment, lab.experiment.acquisition
    duration = float(e.protocol.duration)
    noise, efficiency = float(e.detection.electronic_noise), float(e.detection.efficiency)
    if not efficiency > 0:
        raise InputError([f"{lab.name}: detection.efficiency = 0 sees no light; no number of cycles is enough"])
    s, extra = calibration.rates
    known = Runs(
        z=calibration["z"].value,
        gamma_s=s,
        gamma_extra=extra,
        bath=calibration["bath"].value,
        gamma_dark=calibration["gamma_dark"].value,
        jx_decay=calibration.early_jx_decay,
        efficiency=efficiency,
        electronic_noise=noise,
        displacement=DISPLACEMENT[0],
    )
    apparatus = Apparatus(
        cells=cells_of(lab, duration),
        calibration=calibration,
        duration=duration,
        edge=float(a.edge),
        electronic_noise=noise,
        dark_cycles=DARK_CYCLES if noise else 0,
        shortest=FEWEST / float(a.sample_rate),
        runs=known if runs else None,
    )
    return shots(apparatus, sigmas, probe=probe, start=start)
