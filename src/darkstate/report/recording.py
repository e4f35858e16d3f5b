"""From a lab file to the records it would give, and to the calibration a reconstruction of them needs.

    gamma_s = d Gamma P_2 N_2/(2 N),  gamma_extra = Gamma-tilde/2
    w(t) from d xi/dt = -2 gamma xi + 2 gamma_s/Z^2 + 2 gamma_extra w

For `cesium_cells`, xi(t) is that of the spin model: the bath w(t) is what makes two modes follow it. Up: cli.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate.errors import InputError
from darkstate.experiments.cesium_cells import CesiumCells
from darkstate.experiments.labfile import Lab
from darkstate.experiments.monitored_cells import MonitoredCells
from darkstate.experiments.values import value_at, with_values
from darkstate.gaussian.input_output import coupling, rates_of_coupling
from darkstate.provenance import created
from darkstate.records.calibration import Calibration, Course, Quantity, calibration
from darkstate.records.schema import Pulse, sequence
from darkstate.records.simulate import Cells, Digitizer, simulate

if TYPE_CHECKING:
    import xarray as xr

DARK_CYCLES = 100
"""Cycles without light in a simulated record, where the detector has noise of its own."""


DISPLACEMENT = (20.0, 0.0)
"""Of spins and of light in the calibration records, vacuum variance 1/2: far above noise, far below full scale."""


def simulate_lab(
    lab: Lab,
    *,
    cycles: int | None = None,
    duration: float | None = None,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> xr.Dataset:
    """The science record of a lab: one long drive pulse, read out at any time within (000 Fig. 6).

    Args:
        lab: of the experiment cesium_cells or monitored_cells; cycles: instead of acquisition.cycles; duration: of the
            drive pulse instead of the protocol's [s]; seed: of all noise; progress: called with the share done.

    Raises:
        InputError: another experiment, a protocol that is more than one drive pulse, a record that is too large.

    Example:
        >>> import darkstate as ds
        >>> lab = ds.load(ds.shipped_labs()["muschik2013-monitored"], case="x1")
        >>> one = simulate_lab(lab, cycles=20, duration=2e-3)
        >>> dict(one.sizes), str(one.signal.dtype)
        ({'cycle': 20, 'time': 2000, 'shot_cycle': 400}, 'int16')
    """
    e, a = lab.experiment, _acquisition(lab)
    duration = _duration(lab) if duration is None else duration
    digitizer = Digitizer(
        sample_rate_hz=a.sample_rate,
        carrier_hz=carrier(lab),
        efficiency=e.detection.efficiency,
        electronic_noise=e.detection.electronic_noise,
        bits=a.bits,
    )
    return simulate(
        cells_of(lab, duration),
        sequence(Pulse("drive", duration, edge=a.edge)),
        digitizer,
        cycles=a.cycles if cycles is None else cycles,
        shot_cycles=a.shot_cycles,
        dark_cycles=DARK_CYCLES if e.detection.electronic_noise else 0,
        seed=seed,
        progress=progress,
        lab_digest=lab.digest,
    )


def carrier(lab: Lab) -> float:
    """The Larmor frequency [Hz]: of the field where the lab file has one, else of the acquisition."""
    e = lab.experiment
    return float(e.field.larmor_splitting if isinstance(e, CesiumCells) else e.acquisition.carrier)


def cells_of(lab: Lab, duration: float) -> Cells:
    """What the light meets in a drive pulse of this lab [rates in 1/s]."""
    e = lab.experiment
    if isinstance(e, MonitoredCells):
        rates = {"gamma_s": float(e.gamma_s), "gamma_extra": float(e.gamma_extra)}
        return Cells(z=float(e.z), **rates, bath=float(e.bath.variance), gamma_dark=float(e.gamma_dark))
    times, xi, s, extra, w = _course(lab, duration)
    return Cells(
        z=float(e.z),
        gamma_s=s,
        gamma_extra=extra,
        bath=w,
        xi=float(xi[0]),
        gamma_dark=float(e.gamma_dark),
        times=times,
    )


def lab_calibration(lab: Lab) -> Calibration:
    """The calibration a lab file stands for, errors from the numbers written with one.

    Example:
        >>> import darkstate as ds
        >>> c = lab_calibration(ds.load(ds.shipped_labs()["muschik2013-monitored"]))
        >>> print(f"{c['kappa2'].value:.4f} {c['gamma'].value:.1f} /s")
        0.5931 151.5 /s
    """
    _acquisition(lab)
    values = _numbers(lab)
    errors: dict[str, list[float]] = {}
    for key, sigma in lab.uncertainties.items():
        step = sigma / 2
        e = lab.experiment
        centre = value_at(e, key)
        shifted = [
            _numbers(dataclasses.replace(lab, experiment=with_values(e, {key: centre + s}))) for s in (step, -step)
        ]
        for name in values:
            errors.setdefault(name, []).append(shifted[0][name] - shifted[1][name])
    # one number of the lab file moves several quantities together
    known = [n for n in sorted(errors) if np.any(errors[n])]
    moved = {n: np.array(errors[n]) / np.linalg.norm(errors[n]) for n in known}
    return calibration(
        date=created(),
        source=f"{lab.name} {lab.digest}",
        course=_calibrated_course(lab),
        correlations={
            f"{a} {b}": float(moved[a] @ moved[b]) for a in known for b in known if a < b and moved[a] @ moved[b]
        },
        **{n: Quantity(v, float(np.linalg.norm(errors.get(n, [0.0]))), "lab file") for n, v in values.items()},
    )


def _numbers(lab: Lab) -> dict[str, float]:
    e, probe = lab.experiment, lab.experiment.acquisition.probe
    noise = float(e.detection.electronic_noise)
    noise = float(e.detection.electronic_noise)
    if isinstance(e, MonitoredCells):
        s, extra, w = float(e.gamma_s), float(e.gamma_extra), float(e.bath.variance)
    else:
        _, _, course, extra, bath = _course(lab, _duration(lab))
        s, w = float(course[0]), float(bath[0])
    return {
        "z": float(e.z),
        "gamma": s + extra,
        "kappa2": float(coupling(float(e.z), s, extra, probe)),
        "kappa2_duration": float(probe),
        "efficiency": float(e.detection.efficiency),
        "bath": float(w),
        "gamma_dark": float(e.gamma_dark),
        **({"electronic_noise": noise} if noise else {}),
    }


def _calibrated_course(lab: Lab) -> Course | None:
    """<Jx> and w with the light on, where the experiment tells; every fourth point of the model is enough."""
    if isinstance(lab.experiment, MonitoredCells):
        return None
    t, _, s, _, w = _course(lab, _duration(lab))
    return Course(*(tuple(map(float, a[::4])) for a in (t, s / s[0], w)))


def _acquisition(lab: Lab) -> Any:
    e = lab.experiment
    if not isinstance(e, (CesiumCells, MonitoredCells)):
        raise InputError(
            [f"{lab.name} describes another system; records are simulated for cesium_cells and monitored_cells"]
        )
    by_effective_rates(lab)
    return e.acquisition


def by_effective_rates(lab: Lab) -> None:
    """Refuse a lab file of caesium cells in laboratory numbers, which knows no single Z, Gamma and Gamma-tilde.

    Raises:
        InputError: it does not give [ensembles], [drive] and [noise].
    """
    e = lab.experiment
    if isinstance(e, CesiumCells) and None in (e.ensembles, e.drive, e.noise):
        text = "records need effective rates: give [ensembles], [drive] and [noise] as `darkstate rates` prints them"
        raise InputError([f"{lab.name}: {text}"])


def _duration(lab: Lab) -> float:
    total = lab.experiment.protocol.duration
    if total is None:
        raise InputError([f"{lab.name}: records need one drive pulse; give protocol.duration in place of the segments"])
    return float(total)


def _course(lab: Lab, duration: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, np.ndarray]:
    """times [t], xi [t], gamma_s [t], gamma_extra and w [t] of two caesium cells with the drive on."""
    from darkstate.solve.evolve import evolve
    from darkstate.witness.epr import epr_variance

    e: CesiumCells = lab.experiment
    if e.second or e.cells.transmission != 1 or e.field.larmor_mismatch != 0:
        raise InputError(
            [f"{lab.name}: records are simulated for two equal cells; leave `second`, transmission and mismatch out"]
        )
    times = np.linspace(0.0, duration, 241)
    state = evolve(e.model(), times).state
    xi = np.asarray(epr_variance(state).value)
    share = np.asarray(state.moments.up - state.moments.down)[:, 0]
    s = e.cell.total.collective * share / 2
    extra = float(e.cell.total.transverse) / 2
    w = (np.gradient(xi, times, edge_order=2) + 2 * (s + extra) * xi - 2 * s / e.z**2) / (2 * extra)
    return times, xi, s, extra, np.maximum(w, 0.0)


def simulate_runs(
    lab: Lab, *, cycles: int = 1000, seed: int = 0, progress: Callable[[float], None] | None = None
) -> dict[str, xr.Dataset]:
    """The records of a calibration of this lab, by name: decay, dark_decay_1, dark_decay_2, input, transfer.

    Args:
        lab: as for `simulate_lab`; cycles: of each record; seed: of all noise; progress: called with the share done.

    Example:
        >>> import darkstate as ds
        >>> lab = ds.load(ds.shipped_labs()["muschik2013-monitored"])
        >>> sorted(simulate_runs(lab, cycles=20))
        ['dark_decay_1', 'dark_decay_2', 'decay', 'input', 'transfer']
    """
    e, a = lab.experiment, _acquisition(lab)
    probe = float(a.probe)
    cells = _first_cells(lab)
    dark = 1 / cells.gamma_dark
    rf = Pulse("rf", displacement=DISPLACEMENT)
    drive = Pulse("drive", probe, edge=a.edge)
    sent = dataclasses.replace(drive, displacement=DISPLACEMENT)
    watched = dataclasses.replace(drive, duration=2 / (cells.gamma_s + cells.gamma_extra))
    plans: dict[str, tuple[tuple[Pulse, ...], dict[str, Any]]] = {
        "decay": ((rf, watched), {"purpose": "decay"}),
        "dark_decay_1": ((rf, Pulse("dark", dark / 20), drive), {"purpose": "dark_decay"}),
        "dark_decay_2": ((rf, Pulse("dark", dark), drive), {"purpose": "dark_decay"}),
        "input": ((sent,), {"purpose": "input", "atoms": False, "measure": "S3"}),
        "transfer": ((sent, Pulse("dark", probe), Pulse("rotate"), drive), {"purpose": "transfer"}),
    }
    found = {}
    for k, (name, (pulses, how)) in enumerate(plans.items()):
        found[name] = simulate(
            cells,
            sequence(*pulses),
            Digitizer(
                sample_rate_hz=a.sample_rate,
                carrier_hz=carrier(lab),
                efficiency=e.detection.efficiency,
                electronic_noise=e.detection.electronic_noise,
                bits=a.bits,
            ),
            cycles=cycles,
            shot_cycles=cycles,
            seed=seed + 1000 * (k + 1),
            lab_digest=lab.digest,
            **how,
        )
        if progress:
            progress((k + 1) / len(plans))
    return found


def _first_cells(lab: Lab) -> Cells:
    """Cells at the start of a cycle, in the coherent spin state; <Jx> decays with the light on."""
    known = _numbers(lab)
    s, extra = rates_of_coupling(known["z"], known["gamma"], known["kappa2"], known["kappa2_duration"])
    return Cells(
        z=known["z"],
        gamma_s=float(s),
        gamma_extra=float(extra),
        bath=known["bath"],
        gamma_dark=known["gamma_dark"],
        jx_decay=lab_calibration(lab).early_jx_decay,
    )
