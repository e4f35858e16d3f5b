"""Figures 5 and 6 of Muschik et al. 2013 (000): calibration from simulated records, and the modes of the light.

Parameters: labs/krauter2011-steady.toml. Down: `faraday`, records; up: `papers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate.gaussian.closed_forms import monitored_xi
from darkstate.records.calibration import Calibration
from darkstate.records.demodulate import TemporalMode
from darkstate.report.papers.curves import dataset, lab, time_axis
from darkstate.report.papers.faraday import SOURCE, at_angle, transfer_sequence
from darkstate.report.style import COLOURS, new_figure, separable_line

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

THETA = np.linspace(5.0, 11.0, 6)
"""Faraday angles [degree]; 000 shows a small range."""

PULSE, READ_AT, PROBE = 10e-3, 7e-3, 1e-3
"""Length of the long pulse of fig6, time t of the state, and length of its read-out [s]; 000 Fig. 6 has no scale."""


def fig5() -> tuple[xr.Dataset, Figure]:
    """Mean transfer, kappa^2, both rates and the spin noise over projection noise, from simulated records."""
    found = [at_angle(theta, cycles=8000, seed=500 + 10 * k) for k, theta in enumerate(THETA)]
    rates = np.array([[one.calibration.rates, _rate_errors(one.calibration)] for one in found])  # [theta value/err 2]
    kappa2, axis = [one.calibration["kappa2"] for one in found], ("theta_deg",)
    times = np.linspace(-0.5e-3, 3e-3, 701)
    variables: dict[str, tuple[tuple[str, ...], Any, str]] = {
        "kappa2": (axis, [q.value for q in kappa2], "kappa^2 of 1 ms from simulated mean transfer"),
        "kappa2_err": (axis, [q.error for q in kappa2], "standard error of kappa^2"),
        "kappa2_planted": (axis, [one.planted_kappa2 for one in found], "kappa^2 of the simulated cells"),
        "gamma_s": (axis, rates[:, 0, 0], "rate of the entangling process from simulated records"),
        "gamma_s_err": (axis, rates[:, 1, 0], "standard error of gamma_s"),
        "gamma_extra": (axis, rates[:, 0, 1], "rate of the transverse decay from simulated records"),
        "gamma_extra_err": (axis, rates[:, 1, 1], "standard error of gamma_extra"),
        "noise": (axis, [one.xi.xi for one in found], "spin noise over projection noise, simulated records"),
        "noise_err": (axis, [one.xi.total for one in found], "standard error of the noise"),
        "noise_planted": (axis, [one.planted.xi for one in found], "spin noise of the simulated cells"),
        "power": (("t",), _transfer_power(times), "light power of the mean transfer over full power"),
    }
    coords = {
        "theta_deg": ("theta_deg", THETA, {"units": "degree", "long_name": "Faraday angle"}),
        "t": time_axis(times),
    }
    data = dataset(variables, coords, source=SOURCE)
    for name in ("gamma_s", "gamma_s_err", "gamma_extra", "gamma_extra_err"):
        data[name].attrs["units"] = "1/s"
    return data, _drawn5(data)


def _rate_errors(c: Calibration) -> list[float]:
    """Standard errors of (gamma_s, gamma_extra) from those of kappa^2 and gamma."""
    shifts = [np.subtract(c.with_values(**{n: c[n].value + c[n].error}).rates, c.rates) for n in ("kappa2", "gamma")]
    return np.linalg.norm(shifts, axis=0).tolist()


def _transfer_power(times: np.ndarray) -> np.ndarray:
    """1 where the light of the mean transfer is on; the simulated pulses have sharp edges."""
    pulses = [p for p in transfer_sequence(PROBE) if p.kind == "drive"]
    return np.sum([(times >= p.start) & (times < p.end) for p in pulses], axis=0).astype(float)


def _drawn5(data: xr.Dataset) -> Figure:
    figure, _ = new_figure(2, height=4.4)
    figure.clear()
    panels = list(figure.subplots(2, 2).flat)
    titles = ("mean transfer", "simulated records", "simulated records", "simulated records")
    for letter, title, ax in zip("abcd", titles, panels, strict=True):
        ax.set_title(f"{letter}) {title}", loc="left")
    pulse, coupled, rates, noise = panels
    pulse.fill_between(data.t * 1e3, data.power, color=COLOURS[4], alpha=0.5, linewidth=0)
    for x, text in ((0.5, "displaced\nlight, $q_+$"), (1.25, "$X\\to P$"), (2.0, "read-out,\n$y_-$")):
        pulse.text(x, 0.5, text, ha="center", va="center", fontsize=6.5)
    pulse.set(xlim=(-0.3, 2.8), ylim=(0, 1.2), xlabel="time $t$ (ms)", ylabel="light power / full power")

    def points(ax: Axes, name: str, scale: float, k: int, label: str) -> None:
        ax.errorbar(data.theta_deg, scale * data[name], scale * data[f"{name}_err"], fmt="os^"[k], markersize=3,
                    color=COLOURS[k], elinewidth=0.8, label=label)  # fmt: skip

    points(coupled, "kappa2", 1, 0, "from the records")
    coupled.plot(data.theta_deg, data.kappa2_planted, "k-", linewidth=0.8, label="planted")
    coupled.set(ylim=(0, 1.25), ylabel=r"$\kappa^2$ of 1 ms")
    points(rates, "gamma_s", 1e-3, 0, r"$\gamma_s$")
    points(rates, "gamma_extra", 1e-3, 1, r"$\gamma_{\rm extra}$")
    rates.set(ylim=(0, 0.22), ylabel="decay rate (1/ms)")
    points(noise, "noise", 1, 0, "from the records")
    noise.plot(data.theta_deg, data.noise_planted, "k-", linewidth=0.8, label="planted")
    separable_line(noise)
    noise.set(ylim=(0.8, 1.3), ylabel="spin noise / projection noise")
    for ax in (coupled, rates, noise):
        ax.set(xlim=(4, 12), xlabel=r"Faraday angle $\theta$ (degree)")
        ax.legend(loc="lower right")
    return figure


def fig6() -> tuple[xr.Dataset, Figure]:
    """One long pulse of light, and the modes in which it is looked at: after t, and before and after t."""
    e = lab(SOURCE)
    gamma = float(e.gamma_s + e.gamma_extra)
    excess = e.z**2 * float(monitored_xi(e.x, e.z, bath=e.bath.variance)) - 1
    growth = float(np.sqrt(gamma * (gamma + 4 * e.detection.efficiency * e.gamma_s * excess)))
    times = np.linspace(-1e-3, 12e-3, 2601)
    modes = {
        "drive power": TemporalMode("flat", 0.0, PULSE),
        "read-out mode (unconditional)": TemporalMode("falling", READ_AT, PROBE, gamma),
        "feed mode": TemporalMode("rising", 0.0, READ_AT, growth),
        "read-out mode (conditional)": TemporalMode("falling", READ_AT, PROBE, gamma),
    }
    shapes = np.stack([m.weights(times) for m in modes.values()])
    data = dataset(
        {"mode": (("which", "t"), shapes / shapes.max(1, keepdims=True), "shape over its largest value")},
        {"which": list(modes), "t": time_axis(times)},
        source=SOURCE,
    )
    data.attrs |= {"gamma_per_s": gamma, "growth_of_feed_mode_per_s": growth}
    figure, panels = new_figure(2, height=1.9)
    for ax, names in zip(panels, (list(modes)[1:2], list(modes)[2:]), strict=True):
        ax.fill_between(times * 1e3, data.mode.sel(which="drive power"), color=COLOURS[4], alpha=0.3, label="drive")
        for k, name in enumerate(reversed(names)):
            label = name.split(" (")[0]
            ax.plot(times * 1e3, data.mode.sel(which=name), ("-", "--")[k], color=COLOURS[k], label=label)
        ax.axvline(READ_AT * 1e3, ymax=1 / 1.55, color="0.35", linewidth=0.6)
        ax.text(READ_AT * 1e3, 1.04, "$t$", ha="center", fontsize=8)
        ax.set(xlim=(-1, 12), ylim=(0, 1.55), yticks=[0, 0.5, 1], xlabel="time (ms)", ylabel="over largest value")
        ax.legend(loc="upper left", ncols=3)
    rate = rf"$\gamma$ = {gamma / 1e3:.2f}/ms"
    panels[0].set_title(f"read out after $t$: falls with {rate}")
    panels[1].set_title(f"given the light before $t$: grows with {growth / 1e3:.2f}/ms")
    return data, figure
