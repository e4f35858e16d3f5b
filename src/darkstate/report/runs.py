"""Many records of one apparatus, reconstructed alike: one row per run, joined with what was written about it.

Down: `records.reconstruct`; up: cli, `logbook`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from darkstate import provenance
from darkstate.errors import InputError
from darkstate.experiments.labfile import Lab
from darkstate.records.calibration import Calibration
from darkstate.records.io import open_record, record_digest
from darkstate.records.reconstruct import Reconstruction, reconstruct
from darkstate.records.statistics import allan
from darkstate.storage import write_netcdf


@dataclasses.dataclass(frozen=True)
class Run:
    """One record and its reconstruction; samples stay in the file."""

    path: Path
    data: xr.Dataset
    result: Reconstruction


def reconstruct_runs(
    paths: Sequence[Path],
    calibration: Calibration,
    *,
    probe: float | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[Run]:
    """Reconstruct records one after the other.

    Args:
        paths: of the records; calibration: of the apparatus; probe: length of the windows [s]; progress: share done.

    Raises:
        InputError: all records that cannot be opened, or one that cannot be reconstructed, with the path.
    """
    runs: list[Run] = []
    opened, problems = [], []
    for path in paths:
        try:
            opened.append(open_record(path))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    for k, (path, data) in enumerate(zip(paths, opened, strict=True)):
        share = None if progress is None else _part(progress, k, len(paths))
        try:
            runs.append(Run(Path(path), data, reconstruct(data, calibration, probe=probe, progress=share)))
        except InputError as error:
            raise InputError([f"{path}: {text}" for text in error.problems]) from error
    return runs


def _part(progress: Callable[[float], None], k: int, n: int) -> Callable[[float], None]:
    return lambda share: progress((k + share) / n)


def runs_dataset(runs: Sequence[Run], lab: Lab) -> xr.Dataset:
    """xi(run, method, t) with errors, and every number and text the records carry as a variable over runs.

    Raises:
        InputError: runs whose windows differ, so that they have no common time axis.
    """
    first = runs[0].result
    for run in runs[1:]:
        if run.result.starts.shape != first.starts.shape or not np.allclose(run.result.starts, first.starts):
            raise InputError(
                [f"{run.path} has other read-out windows than {runs[0].path}; reconstruct them into separate files"]
            )
    joined = xr.concat([run.result.to_dataset() for run in runs], dim="run", combine_attrs="drop_conflicts")
    joined = joined.assign_coords(run=[run.path.name for run in runs])
    keys = sorted({k for run in runs for k in run.data.attrs} - {"sequence", "truth"})
    for key in keys:
        values = [run.data.attrs.get(key) for run in runs]
        numbers = all(isinstance(v, (int, float, np.integer, np.floating)) for v in values)
        joined[f"run_{key}"] = ("run", np.array(values) if numbers else np.array([str(v) for v in values]))
    joined["run_digest"] = ("run", [record_digest(run.data) for run in runs])
    if len(runs) >= 6:
        lengths, deviation = allan(joined.xi.sel({"method": "unconditional"}).mean("t").values)
        joined = joined.assign_coords(runs_averaged=lengths)
        joined["allan"] = ("runs_averaged", deviation, {"units": "1", "long_name": "Allan deviation of mean xi"})
    joined.attrs["calibration"] = str(first.calibration)
    joined.attrs |= provenance.attrs(source=lab.path, lab_digest=lab.digest, case=lab.case, overrides=lab.overrides)
    return joined


def save_runs(runs: Sequence[Run], lab: Lab, path: str | Path) -> Path:
    """Write `runs_dataset` as NetCDF, whole or not at all."""
    data = runs_dataset(runs, lab)

    return write_netcdf(path, data)


def runs_table(runs: Sequence[Run]) -> str:
    """xi(t) of every run with errors, and what its checks say; at most a dozen times per run are shown."""
    return "\n".join(
        f"{run.path}: {run.data.sizes['cycle']} cycles, windows of {1e3 * run.result.probe:g} ms\n{run.result}"
        for run in runs
    )
