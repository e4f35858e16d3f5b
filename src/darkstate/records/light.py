"""Many light modes of one record in one pass: samples are demodulated into short bins, and modes are weights of bins.

    B_b = sum over the samples of bin b of sqrt(2) (cos, sin)(Omega t_k) i_k,   y_m = sum_b w_mb B_b

A mode made of bins is a staircase; what a staircase reads is known exactly (`readout_of_mode`). Down: `demodulate`;
up: `reconstruct`, `fingerprint`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from math import pi

import numpy as np
import xarray as xr

from darkstate.errors import InputError
from darkstate.gaussian.input_output import Readout, readout_of_mode
from darkstate.records.calibration import Calibration
from darkstate.records.demodulate import light_blocks, light_mode
from darkstate.records.schema import VARIABLES, Pulse, pulses_of

BINS_PER_PROBE = 50
"""Bins in one read-out window; the staircase then differs from the exponential by some 1e-5 of its variance."""

OFF_MODES = 10
"""Frequencies off the carrier at which the light is compared, cosine and sine of each."""

FEWEST = 10
"""Fewest samples in a read-out window."""


@dataclasses.dataclass(frozen=True)
class Bins:
    """How the samples of a record fall into bins, within one drive pulse.

    Args:
        data: the record; pulse: the drive pulse looked at; first: its first sample; width: samples per bin; number: of
            bins; before: light of earlier pulses of the cycle [s], which <Jx> has seen; step: length of a bin [s].
    """

    data: xr.Dataset
    pulse: Pulse
    first: int
    width: int
    number: int
    before: float = 0.0

    @property
    def step(self) -> float:
        """Length of a bin [s]."""
        return self.width / float(self.data.attrs["sample_rate_hz"])

    @property
    def shared(self) -> int:
        """Bins before a window that share light with it: a lock-in filter of n stages spreads it over n samples."""
        return int(np.ceil((int(self.data.attrs.get("filter_order", 1)) - 1) / self.width))

    @property
    def times(self) -> np.ndarray:
        """Middle of each bin from the start of the pulse [b], in seconds."""
        return (np.arange(self.number) + 0.5) * self.step

    def power(self, time: np.ndarray) -> np.ndarray:
        """Light power over that of the plateau, at times from the start of the pulse."""
        edge = self.pulse.edge
        if edge == 0:
            return np.ones_like(time)
        rise = np.minimum(np.minimum(time, self.pulse.duration - time) / edge, 1)
        return (1 - np.cos(pi * np.clip(rise, 0, 1))) / 2

    def bin_at(self, time: float) -> int:
        """The first bin at or after a time from the start of the pulse."""
        return round(time / self.step)


def bins_of(data: xr.Dataset, probe: float) -> Bins:
    """Bins for read-out windows of length `probe` in the longest drive pulse of a record.

    Raises:
        InputError: no drive pulse, one shorter than the window, or a window of few samples.
    """
    drives = [p for p in pulses_of(data) if p.kind == "drive"]
    if not drives:
        raise InputError(["the record has no drive pulse, so no light tells of the atoms"])
    pulse = max(drives, key=lambda p: p.duration)
    rate = float(data.attrs["sample_rate_hz"])
    if probe > pulse.duration * (1 + 1e-9):
        raise InputError(
            [f"the read-out window of {1e3 * probe:g} ms is longer than the drive pulse, {1e3 * pulse.duration:g} ms"]
        )
    if probe * rate < FEWEST:
        raise InputError(
            [f"the read-out window of {1e3 * probe:g} ms holds {probe * rate:.1f} samples; it needs at least {FEWEST}"]
        )
    width = max(1, int(probe * rate / BINS_PER_PROBE))
    first = round(pulse.start * rate)
    number = min(round(pulse.duration * rate), data.sizes["time"] - first) // width
    before = sum(p.duration - p.edge for p in drives if p.start < pulse.start)
    return Bins(data, pulse, first, width, number, before)


def mode_values(
    bins: Bins, weights: np.ndarray, *, variable: str = "signal", progress: Callable[[float], None] | None = None
) -> np.ndarray:
    """Both quadratures of modes made of bins [c m 2], in units of the record; one pass, block by block.

    Args:
        bins: the bins; weights: [m b]; variable: signal, shot_noise or dark; progress: called with the share done.
    """
    data = bins.data
    if variable not in data:
        raise InputError([f"the record has no `{variable}`; record it too, in the same sequence"])
    window = slice(bins.first, bins.first + bins.number * bins.width)
    carrier = _carrier(data, window).reshape(bins.number, bins.width, 2)
    found = []
    total = data.sizes[VARIABLES[variable]]
    for cycles, values in light_blocks(data, variable, window):
        if data.attrs["kind"] == "raw":
            pieces = np.asarray(values, float).reshape(len(values), bins.number, bins.width)
            binned = np.matmul(pieces.transpose(1, 0, 2), carrier)
        else:
            binned = values.reshape(len(values), bins.number, bins.width, 2).sum(2)
            binned = binned.transpose(1, 0, 2)
        modes = weights @ binned.reshape(bins.number, -1)
        found.append(modes.reshape(-1, len(values), 2).transpose(1, 0, 2))
        if progress:
            progress(cycles.stop / total)
    return np.concatenate(found)


def _carrier(data: xr.Dataset, window: slice) -> np.ndarray:
    phase = 2 * pi * float(data.attrs["carrier_hz"]) * data.time.values[window]
    return np.sqrt(2) * np.stack([np.cos(phase), np.sin(phase)], -1)


def falling(bins: Bins, start: float, duration: float, rate: float) -> np.ndarray:
    """Weights of the mode exp(-rate t) in [start, start + duration], times from the start of the pulse [b]."""
    first, last = bins.bin_at(start), bins.bin_at(start + duration)
    return _exponential(bins, first, last, -rate)


def rising(bins: Bins, stop: float, rate: float) -> np.ndarray:
    """Weights of the mode exp(+rate t) from the start of the pulse to `stop` [b].

    Bins that share shot noise with the window that begins there are left out.
    """
    return _exponential(bins, 0, bins.bin_at(stop) - bins.shared, rate)


def off_carrier(bins: Bins) -> np.ndarray:
    """Weights of modes on the plateau, as far from the carrier as the bins resolve, where there are no atoms [m b]."""
    w = bins.times
    plateau = (w >= bins.pulse.edge) & (w <= bins.pulse.duration - bins.pulse.edge)
    nyquist = np.pi / bins.step
    turns = np.linspace(0.55, 0.85, OFF_MODES) * nyquist
    modes = np.concatenate([np.cos(turns[:, None] * w), np.sin(turns[:, None] * w)]) * plateau
    return modes / np.sqrt((modes**2).sum(1, keepdims=True))


def _exponential(bins: Bins, first: int, last: int, rate: float) -> np.ndarray:
    w = np.zeros(bins.number)
    inside = slice(max(first, 0), min(last, bins.number))
    t = bins.times[inside]
    w[inside] = np.exp(rate * (t - (t[-1] if rate > 0 else t[0])))
    return w / np.sqrt((w**2).sum())


def readout_of_bins(bins: Bins, weights: np.ndarray, calibration: Calibration) -> Readout:
    """kappa^2, U^2, V^2 of a mode made of bins, with the decay of <Jx>, soft edges and lock-in filter in it.

    kappa^2 belongs to the state at the first bin of the mode. `weights` [b].
    """
    used = np.flatnonzero(weights)
    first, last = int(used[0]), int(used[-1]) + 1
    samples = np.repeat(weights[first:last], bins.width)
    light, step, lead = light_mode(samples, bins.data)
    time = first * bins.step + (np.arange(len(light)) - lead + 0.5) * step
    light, time = light[time > 0], time[time > 0]  # before the pulse there is no light
    power = bins.power(time)
    light = light * np.sqrt(power)
    s, extra = calibration.rates
    s = s * calibration.jx(bins.before + time) * power
    return readout_of_mode(light / np.sqrt((light**2).sum()), step, calibration["z"].value, s, extra * power)
