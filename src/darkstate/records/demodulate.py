"""From samples to the light modes: one matrix product per block of cycles, carrier and temporal mode in one weight.

    y_c = sum_k f_k sqrt(2) cos(Omega t_k) i_k,   y_s = sum_k f_k sqrt(2) sin(Omega t_k) i_k,   sum_k f_k^2 = 1

A demodulated record is the photocurrent after the lock-in amplifier's filter. Its samples are not independent, so the
filter is undone first, which gives back white shot noise. Down: `schema`; up: `calibrate`, `reconstruct`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from math import comb, factorial, pi
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from darkstate.errors import ArgumentError, InputError
from darkstate.records.io import blocks
from darkstate.records.schema import VARIABLES

_CACHED = 1 << 15
"""Samples that stay in the cache as doubles, 256 KiB."""

_PIECE = 1 << 20
"""Samples handled at a time, 8 MiB as doubles."""

SHAPES = ("falling", "rising", "flat")


@dataclasses.dataclass(frozen=True)
class TemporalMode:
    """The shape of a light mode in time, f(t) in [start, start + duration], zero outside.

    Args:
        shape: falling exp(-rate t), rising exp(+rate t) or flat; start, duration: [s]; rate: [1/s].
        samples: the values of f themselves, one per sample of the record; then the other arguments have no effect.

    Example:
        >>> f = TemporalMode("falling", start=0.0, duration=1e-3, rate=270.0)
        >>> w = f.weights((np.arange(2000) + 0.5) * 1e-6)
        >>> print(f"{(w**2).sum():.6f} {w[999] / w[0]:.4f} {w[1000]:.0f}")
        1.000000 0.7636 0
    """

    shape: str = "falling"
    start: float = 0.0
    duration: float = 1e-3
    rate: float = 0.0
    samples: Any = None

    def weights(self, time: np.ndarray) -> np.ndarray:
        """f at the samples [time], sum of squares 1.

        Raises:
            ArgumentError: unknown shape, no sample inside, or samples of another length.
        """
        if self.samples is not None:
            f = np.asarray(self.samples, float)
            if f.shape != time.shape:
                raise ArgumentError(f"Argument `samples` must have shape {time.shape}, but has shape {f.shape}.")
        elif self.shape not in SHAPES:
            raise ArgumentError(f"Argument `shape` must be one of {', '.join(SHAPES)}, but is {self.shape!r}.")
        else:
            signed = {"falling": -self.rate, "rising": self.rate, "flat": 0.0}[self.shape]
            inside = (time >= self.start) & (time < self.start + self.duration)
            f = np.where(inside, np.exp(signed * (np.where(inside, time, self.start) - self.start)), 0.0)
        norm = np.sqrt((f**2).sum())
        if not (np.isfinite(norm) and norm > 0):
            raise ArgumentError(
                f"The mode from {1e3 * self.start:g} ms over {1e3 * self.duration:g} ms holds no sample of a record "
                f"from 0 to {1e3 * float(time[-1]):g} ms; move or lengthen it."
            )
        return f / norm


def gram(modes: Sequence[TemporalMode], time: Any) -> np.ndarray:
    """Overlaps of temporal modes [m m]; 1 on the diagonal. Modes that overlap do not commute independently.

    Example:
        >>> t, rate = (np.arange(1000) + 0.5) * 1e-6, 270.0
        >>> both = [TemporalMode(s, 0.0, 1e-3, rate) for s in ("falling", "rising")]
        >>> print(f"{gram(both, t)[0, 1]:.6f} = {0.27 / np.sinh(0.27):.6f}")
        0.987953 = 0.987953
    """
    f = np.stack([m.weights(np.asarray(time)) for m in modes])
    return f @ f.T


def quadratures(
    data: xr.Dataset,
    modes: Sequence[TemporalMode],
    *,
    variable: str = "signal",
    carrier_hz: float | None = None,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Cosine and sine quadrature of light modes, per cycle [c m 2], in units of the record.

    Args:
        data: a record; modes: which light modes; variable: signal, shot_noise or dark.
        carrier_hz: the Larmor frequency; None: the one of the record. Raw records only.
        progress: called with the share done.

    Returns:
        White noise of variance s^2 per sample gives s^2 in every quadrature. A cycle with a sample that is not a number
        inside a mode gives nan there.

    Raises:
        InputError: the record lacks the variable, or cannot be read; ArgumentError: see `TemporalMode`.

    Example:
        >>> from darkstate.records.schema import Pulse, record
        >>> t = (np.arange(3000) + 0.5) * 1e-6
        >>> tone = np.sqrt(2) * np.cos(2 * np.pi * 322e3 * t - 0.3)[None]
        >>> one = record(tone, sample_rate_hz=1e6, carrier_hz=322e3, pulses=[Pulse("drive", 3e-3)])
        >>> y = quadratures(one, [TemporalMode("flat", 0.0, 3e-3)])[0, 0]
        >>> print((y / np.sqrt(3000)).round(3), np.round(np.arctan2(y[1], y[0]), 3))
        [0.955 0.296] 0.3
    """
    if variable not in data:
        raise InputError([f"the record has no `{variable}`; record it too, or give its value in the calibration"])
    f = np.stack([m.weights(data.time.values) for m in modes])
    used = np.flatnonzero(f.any(0))
    window = slice(int(used[0]), int(used[-1]) + 1)
    f, time = f[:, window], data.time.values[window]
    n = data.sizes[VARIABLES[variable]]
    out = np.empty((n, len(modes), 2))
    if data.attrs["kind"] == "raw":
        phase = 2 * pi * (float(data.attrs["carrier_hz"]) if carrier_hz is None else carrier_hz) * time
        carrier = np.sqrt(2) * np.stack([np.cos(phase), np.sin(phase)])
        w = (f[:, None, :] * carrier).reshape(2 * len(modes), -1).T.copy()
    else:
        w = f.T.copy()
    for cycles, values in light_blocks(data, variable, window):
        if data.attrs["kind"] == "raw":
            # the carrier is orthogonal to a constant, so an offset of the digitiser drops out
            out[cycles] = _product(values, w).reshape(-1, len(modes), 2)
        else:
            out[cycles] = np.stack([values[..., q] @ w for q in (0, 1)], -1)
        if progress:
            progress(cycles.stop / n)
    return out


def _product(values: np.ndarray, w: np.ndarray) -> np.ndarray:
    """values @ w in double precision, by rows that stay in the cache: memory is read once, whatever the type."""
    rows = max(1, _CACHED // max(1, values.shape[1]))
    out = np.empty((w.shape[1], len(values)))
    double = np.empty((rows, values.shape[1])) if values.dtype != np.float64 else None
    columns = np.ascontiguousarray(w.T)
    for k in range(0, len(values), rows):
        tile = values[k : k + rows]
        if double is not None:
            np.copyto(double[: len(tile)], tile)
            tile = double[: len(tile)]
        # BLAS reads a matrix once per column, but out of the cache; for two columns that is faster than as a product
        for j, column in enumerate(columns):
            np.dot(tile, column, out=out[j, k : k + rows])
    return out.T


def cycle_blocks(data: xr.Dataset, variable: str, window: slice) -> Iterator[tuple[slice, np.ndarray]]:
    """Whole cycles cut to a window of samples, few at a time: a record larger than memory streams through."""
    for cycles, values in blocks(data, variable):
        rows = max(1, _PIECE // values[0].size)
        for first in range(0, len(values), rows):
            piece = values[first : first + rows, window]
            yield slice(cycles.start + first, cycles.start + first + len(piece)), piece


def light_blocks(data: xr.Dataset, variable: str, window: slice) -> Iterator[tuple[slice, np.ndarray]]:
    """The same with the filter of a demodulated record undone, which takes the samples before the window, too."""
    if data.attrs["kind"] == "raw":
        yield from cycle_blocks(data, variable, window)
        return
    lead = min(window.start, int(data.attrs["filter_order"]))
    for cycles, values in cycle_blocks(data, variable, slice(window.start - lead, window.stop)):
        yield cycles, unfiltered(values, data.attrs)[:, lead:]


def unfiltered(values: np.ndarray, attrs: Any) -> np.ndarray:
    """Undo the lock-in's low pass of `filter_order` equal RC stages along axis 1 [c t 2].

    With p = exp(-dt/tau), (1 - p B)^n/(1 - p)^n with the backward shift B leaves light of the last n steps only.
    """
    p = _pole(attrs)
    out = np.asarray(values, float)
    for _ in range(int(attrs["filter_order"])):
        before = np.concatenate([np.zeros_like(out[:, :1]), out[:, :-1]], 1)
        out = (out - p * before) / (1 - p)
    return out


class LightMode(NamedTuple):
    """A mode of the light: weights [k], step [s], and how many steps it begins before the first sample's interval."""

    weights: np.ndarray
    step: float
    lead: int


def light_mode(weights: np.ndarray, data: xr.Dataset, parts: int = 16) -> LightMode:
    """The mode of the light itself that `weights` of consecutive samples read.

    A raw record gives the weights back. A sample of a demodulated one is what the filter shows at its time, the middle
    of its interval: with the filter undone, light of the n steps before. Their kernel has `parts` points per step.
    """
    step = 1 / float(data.attrs["sample_rate_hz"])
    if data.attrs["kind"] == "raw":
        return LightMode(weights, step, 0)
    n, tau, p = int(data.attrs["filter_order"]), float(data.attrs["filter_time_constant"]), _pole(data.attrs)
    age = (np.arange(n * parts) + 0.5) * step / parts  # how long before the sample the light came
    kernel = np.zeros_like(age)
    for j in range(n):
        since = age - j * step
        rc = np.where(since > 0, np.maximum(since, 0) ** (n - 1) * np.exp(-np.maximum(since, 0) / tau), 0.0)
        kernel += comb(n, j) * (-p) ** j * rc
    kernel = kernel / (factorial(n - 1) * tau**n * (1 - p) ** n) * step / np.sqrt(parts)
    fine = np.zeros((len(weights) + n, parts))
    for back in range(n):
        ages = kernel[back * parts : (back + 1) * parts][::-1]
        fine[n - back : len(fine) - back] += weights[:, None] * ages
    return LightMode(fine.reshape(-1), step / parts, n * parts + parts // 2)


def _pole(attrs: Any) -> float:
    return float(np.exp(-1 / (float(attrs["sample_rate_hz"]) * float(attrs["filter_time_constant"]))))


def lock_in(data: xr.Dataset, time_constant: float, *, order: int = 1, decimate: int = 1) -> xr.Dataset:
    """Demodulate a raw record into X and Y as a lock-in amplifier does: mix, then `order` RC stages.

    Args:
        data: a raw record; time_constant: of each stage [s]; order: number of stages; decimate: keep every n-th sample.

    Returns:
        A demodulated record; shot noise is no longer white in it.

    Example:
        >>> from darkstate.records.schema import Pulse, record
        >>> t = (np.arange(3000) + 0.5) * 1e-6
        >>> tone = np.sqrt(2) * np.cos(2 * np.pi * 322e3 * t - 0.3)[None]
        >>> one = record(tone, sample_rate_hz=1e6, carrier_hz=322e3, pulses=[Pulse("drive", 3e-3)])
        >>> lock_in(one, 50e-6, order=2, decimate=10).signal.values[0, -1].round(2)
        array([0.96, 0.3 ])
    """
    from scipy.signal import lfilter

    from darkstate.records.schema import pulses_of, record

    if data.attrs["kind"] != "raw":
        raise InputError(["the record is demodulated already; give a raw one to lock_in"])
    rate, time = float(data.attrs["sample_rate_hz"]), data.time.values
    phase = 2 * pi * float(data.attrs["carrier_hz"]) * time
    p = np.exp(-1 / (rate * time_constant))
    parts = {}
    for name in VARIABLES.keys() & set(map(str, data.data_vars)):
        mixed = data[name].values[..., None] * (np.sqrt(2) * np.stack([np.cos(phase), np.sin(phase)], -1))
        for _ in range(order):
            mixed = lfilter([1 - p], [1, -p], mixed, axis=1)
        parts[name] = mixed[:, decimate // 2 :: decimate][:, : mixed.shape[1] // decimate]
    kept = ("purpose", "power_w", "faraday_angle_deg", "lab_digest", "seed", "truth")
    return record(
        parts.pop("signal"),
        **parts,
        sample_rate_hz=rate / decimate,
        carrier_hz=float(data.attrs["carrier_hz"]),
        pulses=pulses_of(data),
        kind="demodulated",
        units=str(data.signal.attrs.get("units", "")),
        filter_order=order,
        filter_time_constant=time_constant,
        **{k: data.attrs[k] for k in kept if k in data.attrs},
    )
