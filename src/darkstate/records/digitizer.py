"""The detector of the digital twin: from the light that arrives to the numbers that are stored.

Efficiency, local oscillator, low pass, electronic noise, slow gain, spikes, full scale, lock-in amplifier, counts, lost
samples, in this order. It shares no code with the analysis of records. Down: nothing; up: `simulate`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.signal import lfilter

from darkstate.errors import InputError

SPIKE = 20.0
"""Height of a spike, in standard deviations of the shot noise."""

_SOURCES = ("s2", "s3", "p_cos", "p_sin", "x_cos", "x_sin", "vacuum", "electronics", "spikes", "signs", "missing")


class Noise:
    """Random numbers, one stream per cycle and source: neither blocks nor the number of cycles change them.

    Args:
        seed: of everything; part: of the record (signal, shot noise, dark); cycles: numbers of the cycles.

    Example:
        >>> one, other = Noise(1, 0, range(0, 2)), Noise(1, 0, range(1, 2))
        >>> bool((one.normal("s2", 5)[1] == other.normal("s2", 5)[0]).all())
        True
    """

    def __init__(self, seed: int, part: int, cycles: range) -> None:
        self._key, self._cycles = (seed, part), cycles
        self._streams: dict[str, list[np.random.Generator]] = {}

    def normal(self, source: str, count: int) -> np.ndarray:
        """The next `count` standard normal numbers of every cycle [cycle count]."""
        found = np.empty((len(self._cycles), count), np.float32)
        for row, stream in zip(found, self._of(source), strict=True):
            stream.standard_normal(dtype=np.float32, out=row)
        return found

    def hits(self, source: str, count: int, fraction: float) -> np.ndarray:
        """Which of the next `count` samples of every cycle are hit, each with probability `fraction`."""
        return np.stack([stream.random(count) < fraction for stream in self._of(source)])

    def _of(self, source: str) -> list[np.random.Generator]:
        if source not in self._streams:
            seed, part = self._key
            self._streams[source] = [
                np.random.Generator(
                    np.random.Philox(np.random.SeedSequence(seed, spawn_key=(part, k, _SOURCES.index(source))))
                )
                for k in self._cycles
            ]
        return self._streams[source]


@dataclass(frozen=True)
class Digitizer:
    """Detector and digitiser; powers and amplitudes in units of the shot noise of one sample at full light.

    Args:
        sample_rate_hz: samples per second; carrier_hz: the Larmor frequency written into the record.
        efficiency: of detection, loss included; electronic_noise: its power over that of the shot noise, white.
        bandwidth_hz: low pass of one pole for the light, not for the electronic noise; None: none.
        bits: of the digitiser, 2 to 16, stored as counts; None: 32 bit floats.
        full_scale: where the current is clipped, in standard deviations of the shot noise.
        gain_drift: from the first to the last cycle the gain rises in equal steps from 1 to 1 + gain_drift.
        missing: fraction of stored samples that are lost (NaN); spikes: fraction of samples hit by +-20 standard
            deviations, before clipping.
        carrier_error_hz: true Larmor frequency minus carrier_hz.
        filter_time_constant: of each RC stage of a lock-in amplifier [s]; None: the raw current is stored.
        filter_order: number of its stages; decimate: it stores one of so many samples, the middle one.

    Raises:
        InputError: values that no digitiser has.

    Example:
        >>> Digitizer(efficiency=0.84, bits=12).dtype
        dtype('int16')
    """

    sample_rate_hz: float = 1e6
    carrier_hz: float = 322e3
    efficiency: float = 1.0
    electronic_noise: float = 0.0
    bandwidth_hz: float | None = None
    bits: int | None = None
    full_scale: float = 8.0
    gain_drift: float = 0.0
    missing: float = 0.0
    spikes: float = 0.0
    carrier_error_hz: float = 0.0
    filter_order: int = 4
    filter_time_constant: float | None = None
    decimate: int = 1

    def __post_init__(self) -> None:
        bad = [
            f"{name} is {getattr(self, name)!r}; it must be {allowed}"
            for name, allowed, good in (
                ("sample_rate_hz", "more than 0", self.sample_rate_hz > 0),
                ("carrier_hz", "between 0 and half the sample rate", 0 < 2 * self.carrier_hz < self.sample_rate_hz),
                ("carrier_error_hz", "less than carrier_hz", abs(self.carrier_error_hz) < self.carrier_hz),
                ("efficiency", "from 0 to 1", 0 <= self.efficiency <= 1),
                ("electronic_noise", "at least 0", 0 <= self.electronic_noise < np.inf),
                ("bandwidth_hz", "more than 0, or None", self.bandwidth_hz is None or self.bandwidth_hz > 0),
                ("bits", "a whole number from 2 to 16, or None", self.bits is None or self.bits in range(2, 17)),
                ("full_scale", "more than 0", self.full_scale > 0),
                ("gain_drift", "more than -1", -1 < self.gain_drift < np.inf),
                ("missing", "from 0 to less than 1", 0 <= self.missing < 1),
                ("spikes", "from 0 to 1", 0 <= self.spikes <= 1),
                ("filter_order", "a whole number from 1 to 8", self.filter_order in range(1, 9)),
                (
                    "filter_time_constant",
                    "more than 0 s, or None",
                    self.filter_time_constant is None or self.filter_time_constant > 0,
                ),
                ("decimate", "a whole number of at least 1", self.decimate >= 1 and self.decimate % 1 == 0),
            )
            if not good
        ]
        if self.bits is not None and (self.missing or self.filter_time_constant is not None):
            bad.append("counts hold no NaN and no lock-in output; leave out bits, or missing and filter_time_constant")
        if self.filter_time_constant is None and self.decimate != 1:
            bad.append(f"decimate is {self.decimate}; only a lock-in amplifier decimates, give filter_time_constant")
        if bad:
            raise InputError(bad)

    @property
    def dtype(self) -> np.dtype:
        """Of the stored samples."""
        return np.dtype(np.float32 if self.bits is None else np.int16)

    @property
    def counts(self) -> float:
        """Full scale in units of the record: counts, or standard deviations of the shot noise."""
        return self.full_scale if self.bits is None else float(2 ** (self.bits - 1) - 1)

    def stored(self, samples: int) -> tuple[int, ...]:
        """Shape of what is stored of one cycle."""
        return (samples,) if self.filter_time_constant is None else (samples // self.decimate, 2)


class Detector:
    """One digitiser while it reads a block of cycles, piece by piece.

    Args:
        digitizer: what it is; noise: its streams; gain: of each cycle [cycle].

    Example:
        >>> detector = Detector(Digitizer(), Noise(1, 0, range(2)), np.ones(2))
        >>> found = np.empty((2, 4), np.float32)
        >>> detector.read(np.full((2, 4), 0.5), np.ones(4), 0, found)
        >>> round(float(found[0, 0]), 3)
        0.707
    """

    def __init__(self, digitizer: Digitizer, noise: Noise, gain: np.ndarray) -> None:
        d, n = digitizer, len(gain)
        self._d, self._noise, self._gain = d, noise, gain[:, None]
        self._low_pass = None if d.bandwidth_hz is None else _Pole(1 / (2 * np.pi * d.bandwidth_hz), d, n)
        tau = d.filter_time_constant
        self._stages = [] if tau is None else [[_Pole(tau, d, n) for _ in range(d.filter_order)] for _ in range(2)]

    def read(self, light: np.ndarray, power: np.ndarray, first: int, stored: np.ndarray) -> None:
        """Read the next samples.

        Args:
            light: quadrature of the light, vacuum variance 1/2 [cycle sample]; power: of the local oscillator, full
                power 1 [sample]; first: number of the first sample; stored: where all samples of the record go.
        """
        d, count = self._d, light.shape[1]
        current = np.sqrt(2 * d.efficiency * power) * light
        if d.efficiency < 1:
            current += np.sqrt((1 - d.efficiency) * power) * self._noise.normal("vacuum", count)
        if self._low_pass is not None:
            current = self._low_pass(current)
        if d.electronic_noise:
            current += np.sqrt(d.electronic_noise) * self._noise.normal("electronics", count)
        current *= self._gain
        if d.spikes:
            hit = self._noise.hits("spikes", count, d.spikes)
            current += SPIKE * hit * np.where(self._noise.hits("signs", count, 0.5), 1.0, -1.0)
        np.clip(current, -d.full_scale, d.full_scale, out=current)
        if d.bits is not None:
            current = np.rint(current * (d.counts / d.full_scale))
        if self._stages:
            self._lock_in(current, first, stored)
        else:
            stored[:, first : first + count] = self._lose(current)

    def _lock_in(self, current: np.ndarray, first: int, stored: np.ndarray) -> None:
        d, k = self._d, first + np.arange(current.shape[1])
        phase = 2 * np.pi * d.carrier_hz * (k + 0.5) / d.sample_rate_hz
        kept = np.flatnonzero((k % d.decimate == d.decimate // 2) & (k // d.decimate < stored.shape[1]))
        to = k[kept] // d.decimate
        lost = self._noise.hits("missing", len(kept), d.missing) if d.missing else None
        for quadrature, wave in enumerate((np.cos(phase), np.sin(phase))):
            found = np.sqrt(2) * wave * current
            for stage in self._stages[quadrature]:
                found = stage(found)
            found = found[:, kept]
            if lost is not None:
                found[lost] = np.nan
            stored[:, to, quadrature] = found

    def _lose(self, found: np.ndarray) -> np.ndarray:
        if self._d.missing:
            found[self._noise.hits("missing", found.shape[1], self._d.missing)] = np.nan
        return found


class _Pole:
    """A low pass of one pole that remembers where it stopped; it starts at zero."""

    def __init__(self, tau: float, digitizer: Digitizer, cycles: int) -> None:
        self._a = np.exp(-1 / (tau * digitizer.sample_rate_hz))
        self._state = np.zeros((cycles, 1))

    def __call__(self, current: np.ndarray) -> Any:
        found, self._state = lfilter([1 - self._a], [1, -self._a], current, axis=1, zi=self._state)
        return found
