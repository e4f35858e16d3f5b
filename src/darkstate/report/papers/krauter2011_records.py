"""Records behind Krauter et al., Phys. Rev. Lett. 107, 080503 (2011), here 002, simulated: Fig. 2d, and supplement.

Parameters of Figs. 2d and S.1: labs/krauter2011-steady.toml. Down: records, `faraday`; up: `papers`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from darkstate.experiments.labfile import Lab, load, shipped_labs
from darkstate.gaussian.closed_forms import monitored_evolution
from darkstate.records.estimate import Estimate
from darkstate.records.orientation import Orientation, orientation_of, orientation_record, orientation_signal
from darkstate.records.projection import projection_noise
from darkstate.records.reconstruct import Reconstruction, reconstruct
from darkstate.records.schema import Pulse, sequence
from darkstate.records.simulate import Digitizer, simulate
from darkstate.report.papers.curves import dataset, time_axis
from darkstate.report.papers.faraday import SOURCE, at_angle
from darkstate.report.recording import carrier, cells_of, lab_calibration
from darkstate.report.style import COLOURS, new_figure, separable_line

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

STATES = {"coherent spin state": 1.0, "noisy": 2.2}
"""EPR variance at the start of the light; 002 Fig. 2d starts from two states and prints no number."""

METHODS = {"unconditional": "unconditional", "conditional": "exponential"}
"""Without the past light, and given its best exponential mode (002, text)."""

THETA = np.linspace(4.0, 12.0, 8)
"""Faraday angles [degree]; 002 has some from 6 to 11."""

STARTS = {
    "after pumping": (0, 0, 0, 0, 0, 0, 0, 0.008, 0.992),
    "after 15 ms probe": (0, 0, 0, 0, 0.001, 0.003, 0.01, 0.047, 0.939),
}
"""Populations of m = -4 ... 4 with the orientations of 002, 0.998 and 0.980; how they are spread is assumed."""

T2 = 30e-3
"""Decay time of the simulated coherences [s]; 002 does not print it."""

SHOWN = 80e-3
"""Length of the records [s]."""


def fig2d() -> tuple[xr.Dataset, Figure]:
    """xi(t) from simulated records of two initial states, not given and given the past light, and its late average."""
    lab = load(shipped_labs()[SOURCE])
    starts = np.linspace(0.0, 10e-3, 41)
    found = [
        _from_records(lab, xi, starts, cycles=2500, shot_cycles=1250, seed=k)
        for k, xi in enumerate(STATES.values(), 21)
    ]
    # kept in the steady state: windows 4 ms apart know little of each other
    late = _from_records(lab, STATES["noisy"], np.arange(10e-3, 58.1e-3, 4e-3), cycles=800, shot_cycles=800, seed=31)
    steady = np.array([_average(late.estimates[name]) for name in METHODS.values()])
    xi, err = (
        [[one.values(name, m) for one in found] for m in METHODS.values()] for name in ("xi", "xi_err")
    )  # [method start t]
    axes, what = ("method", "start", "t"), "EPR variance (separable: at least 1), simulated records"
    data = dataset(
        {
            "xi": (axes, xi, what),
            "xi_err": (axes, err, "standard error of xi"),
            "xi_model": (axes, _model(lab, starts), "EPR variance of the model"),
            "xi_steady": (("method",), steady[:, 0], f"{what}, average over 10 ms to 58 ms"),
            "xi_steady_err": (("method",), steady[:, 1], "standard error of xi_steady"),
        },
        {"method": list(METHODS), "start": list(STATES), "t": time_axis(starts)},
        source=SOURCE,
    )
    return data, _drawn2d(data)


def _from_records(
    lab: Lab, xi: float, starts: np.ndarray, *, cycles: int, shot_cycles: int, seed: int
) -> Reconstruction:
    """Simulate a record of cells that start with this EPR variance, and reconstruct it at these times."""
    acquisition = lab.experiment.acquisition
    duration = float(starts[-1] + acquisition.probe)
    record = simulate(
        dataclasses.replace(cells_of(lab, duration), xi=xi),
        sequence(Pulse("drive", duration)),
        Digitizer(
            sample_rate_hz=acquisition.sample_rate,
            carrier_hz=carrier(lab),
            efficiency=lab.experiment.detection.efficiency,
            bits=acquisition.bits,
        ),
        cycles=cycles,
        shot_cycles=shot_cycles,
        seed=seed,
    )
    return reconstruct(record, lab_calibration(lab), starts=tuple(starts), methods=tuple(METHODS.values()))


def _average(found: list[Estimate]) -> tuple[float, float]:
    """Mean of xi over windows and its standard error: the noise of each is its own, the shot noise is shared."""
    slope = np.array([[e.ratio_slope * e.ratio] for e in found])
    own, shared = (slope * np.sqrt(2 / np.array([[e.atoms.dof, e.shot.dof] for e in found]))).mean(0)
    return float(np.mean([e.xi for e in found])), float(np.hypot(own / np.sqrt(len(found)), shared))


def _model(lab: Lab, times: np.ndarray) -> list[list[np.ndarray]]:
    """xi(t) of the equations of motion, with efficiency 0 for the light not looked at [method start t]."""
    e = lab.experiment
    rates = {"gamma_s": e.gamma_s, "gamma_extra": e.gamma_extra, "z": e.z, "bath": e.bath.variance}
    return [
        [np.asarray(monitored_evolution(times, xi, **rates, efficiency=eta)) for xi in STATES.values()]
        for eta in (0.0, e.detection.efficiency)
    ]


def _drawn2d(data: xr.Dataset) -> Figure:
    figure, (ax,) = new_figure(height=2.8)
    for j, method in enumerate(METHODS):
        for k, start in enumerate(STATES):
            one = data.sel({"method": method, "start": start})
            ax.plot(one.t * 1e3, one.xi_model, ("-", "--")[k], color=COLOURS[j], linewidth=0.8)
            shown = one.isel(t=slice(0, None, 2))
            ax.errorbar(
                shown.t * 1e3,
                shown.xi,
                shown.xi_err,
                fmt="os"[k],
                markersize=3,
                markerfacecolor=(COLOURS[j], "white")[k],
                color=COLOURS[j],
                elinewidth=0.6,
                label=f"{method}, {start}",
            )
        steady = data.sel({"method": method})
        ax.errorbar(12.5, steady.xi_steady, steady.xi_steady_err, fmt="D", color=COLOURS[j], markersize=3)
    ax.axvline(11.4, ymax=0.55, color="0.35", linewidth=0.6, linestyle=":")
    ax.text(12.5, 1.34, "late\naverage", fontsize=6, ha="center", color="0.35")
    separable_line(ax)
    ax.set(xlim=(-0.3, 13.6), ylim=(0.4, 2.4), xlabel="time $t$ (ms)", ylabel=r"EPR variance $\xi(t)$")
    ax.set_xticks([0, 2, 4, 6, 8, 10])
    ax.set_title("points: simulated records; lines: model")
    ax.legend(loc="upper right")
    return figure


def figs1() -> tuple[xr.Dataset, Figure]:
    """Spin noise after pumping and kappa^2 against the Faraday angle, from simulated records (002 SM, Fig. S.1)."""
    found = [at_angle(theta, cycles=10_000, seed=100 + 10 * k) for k, theta in enumerate(THETA)]
    noise = THETA * [one.xi.xi for one in found]
    noise_err = THETA * [one.xi.total for one in found]
    kappa2 = [one.calibration["kappa2"] for one in found]
    fit = projection_noise(THETA, noise, noise_err)
    data = dataset(
        {
            "noise": (("theta_deg",), noise, "spin noise over projection noise at 1 degree, simulated records"),
            "noise_err": (("theta_deg",), noise_err, "standard error of the noise"),
            "noise_fit": (("theta_deg",), fit.linear * THETA + fit.quadratic * THETA**2, "linear and quadratic fit"),
            "noise_linear": (("theta_deg",), fit.projection(THETA), "its linear part, the projection noise"),
            "ratio": ((), fit.ratio, "quadratic over linear part per degree"),
            "ratio_err": ((), fit.ratio_err, "standard error of the ratio"),
            "kappa2": (("theta_deg",), [q.value for q in kappa2], "kappa^2 of 1 ms from simulated mean transfer"),
            "kappa2_err": (("theta_deg",), [q.error for q in kappa2], "standard error of kappa^2"),
            "kappa2_planted": (("theta_deg",), [one.planted_kappa2 for one in found], "kappa^2 of the simulated cells"),
        },
        {"theta_deg": ("theta_deg", THETA, {"units": "degree", "long_name": "Faraday angle"})},
        source=SOURCE,
    )
    figure, (left, right) = new_figure(2)
    fine = np.linspace(0.0, 13.0, 100)
    left.errorbar(THETA, noise, noise_err, fmt="ko", markersize=3, label="simulated records")
    left.plot(fine, fit.linear * fine + fit.quadratic * fine**2, color=COLOURS[1], label="linear and quadratic fit")
    left.plot(fine, fit.projection(fine), "k--", linewidth=0.8, label="its linear part: projection noise")
    left.set(xlim=(0, 13), ylim=(0, 15), ylabel=r"spin noise / projection noise at 1°")
    left.legend(loc="upper left")
    left.text(0.97, 0.05, f"quadratic/linear = {fit.ratio:.3f} ± {fit.ratio_err:.3f} per degree\nplanted 0.004",
              transform=left.transAxes, fontsize=6.5, ha="right")  # fmt: skip
    right.errorbar(THETA, data.kappa2, data.kappa2_err, fmt="ko", markersize=3, label="simulated mean transfer")
    right.plot(THETA, data.kappa2_planted, color=COLOURS[0], linewidth=0.8, label="planted")
    right.set(xlim=(0, 13), ylim=(0, 1.3), ylabel=r"$\kappa^2$ of 1 ms")
    right.legend(loc="upper left")
    for ax in (left, right):
        ax.set_xlabel(r"Faraday angle $\theta$ (degree)")
    return data, figure


def figs3() -> tuple[xr.Dataset, Figure]:
    """The spin after a weak RF pulse and the orientation from it: simulated, in the frame of the line (3, 4)."""
    records = [
        orientation_record(p, seed=k, t2=T2, duration=SHOWN, noise=0.24) for k, p in enumerate(STARTS.values(), 1)
    ]
    found = [orientation_of(one) for one in records]
    times = records[0].time.values
    # 2 F = 8: the signal of o = 1 at t = 0
    signal = np.stack([one.signal.values.mean(0) for one in records]) / 8
    fits = [_fitted(f, times, s[:, 0] - 1j * s[:, 1]) for f, s in zip(found, signal, strict=True)]
    data = dataset(
        {
            "signal": (("start", "t", "quadrature"), signal, "simulated mean spin, 1 at t = 0 for o = 1"),
            "fit": (("start", "t", "quadrature"), fits, "fitted mean spin"),
            "orientation": (("start",), [f.value for f in found], "orientation from the fit"),
            "orientation_err": (("start",), [f.error for f in found], "standard error of the orientation"),
        },
        {"start": list(STARTS), "quadrature": ["X", "P"], "t": time_axis(times)},
        source="krauter2011",
    )
    figure, panels = new_figure(2)
    for ax, name in zip(panels, STARTS, strict=True):
        one = data.sel(start=name)
        for k, axis in enumerate("XP"):
            points, curve = one.signal.sel(quadrature=axis), one.fit.sel(quadrature=axis)
            ax.plot(times * 1e3, points, "k.", markersize=2, label=None if k else "simulated record")
            ax.plot(times * 1e3, curve, color=COLOURS[k], label=f"fit, ${axis}$")
        ax.set(xlim=(0, SHOWN * 1e3), ylim=(-0.15, 1.05), xlabel="time $t$ after the RF pulse (ms)")
        ax.set_title(f"{name}: $o$ = {float(one.orientation):.3f}({round(float(one.orientation_err) * 1e3)})")
    panels[0].set(ylabel="mean spin in the rotating frame")
    panels[0].legend(loc="upper right")
    return data, figure


def _fitted(found: Orientation, times: np.ndarray, signal: np.ndarray) -> np.ndarray:
    """The fit as X and P; its amplitude and phase, which the orientation does not need, from the signal [t 2]."""
    s = orientation_signal(found.populations, times, t2=found.t2, detuning_hz=found.detuning_hz)
    s = s * np.vdot(s, signal) / np.vdot(s, s)
    return np.stack([s.real, -s.imag], -1)
