"""Spins and light of the digital twin, over time: what is planted, and what follows for every sample.

The equations are at the head of `simulate`. Down: schema, digitizer; up: `simulate`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.signal import lfilter

from darkstate.errors import InputError
from darkstate.records.digitizer import Digitizer
from darkstate.records.schema import Pulse

_PIECE, _DECAY = 4096, 100.0  # samples at a time; exp(-100) is far from underflow
_START = 3  # the first key of its streams of random numbers, after the parts of the record
_RATES = ("gamma_s", "gamma_extra", "bath", "gamma_dark", "jx_decay")


@dataclass(frozen=True)
class Cells:
    """The spins that the light meets; amplitude rates [1/s] with the light at full power.

    Args:
        z: Z, at least 1; gamma_s: coupling to the measured light; gamma_extra: all other decay.
        bath: w, variance of what the other decay brings, vacuum = 1.
        xi: EPR variance at the start (var P = xi/2 per mode); x_variance: the same for X; None: max(1, 1/xi).
        gamma_dark: decay without light, towards the coherent spin state (w = 1).
        times: if given, gamma_s, gamma_extra and bath may be arrays over these times from the start of the sequence
            [s], with straight lines between them and constant before and after.
        jx_decay: gamma_s falls as exp(-jx_decay t), t: time with light.
        correlation: of the starting state with that of the next cycle; every cycle has the variance xi.

    Raises:
        InputError: values that no cells have; the uncertainty relation asks for xi * x_variance >= 1.

    Example:
        >>> Cells(z=2.5, gamma_s=100.0, gamma_extra=170.0, xi=0.5).x_start
        2.0
    """

    z: float
    gamma_s: Any
    gamma_extra: Any
    bath: Any = 1.0
    xi: float = 1.0
    x_variance: float | None = None
    gamma_dark: float = 25.0
    times: Any = None
    jx_decay: float = 0.0
    correlation: float = 0.0

    def __post_init__(self) -> None:
        bad = [
            f"{name} is {value!r}; it must be {allowed}"
            for name, value, allowed, good in (
                ("z", self.z, "at least 1", 1 <= self.z < np.inf),
                *((n, getattr(self, n), "at least 0", _all_rates(getattr(self, n))) for n in _RATES),
                ("xi", self.xi, "more than 0", 0 < self.xi < np.inf),
                ("correlation", self.correlation, "between -1 and 1", -1 < self.correlation < 1),
            )
            if not good
        ]
        if not bad and not self.xi * self.x_start >= 1 - 1e-12:
            bad.append(f"xi * x_variance is {self.xi * self.x_start:g}; the uncertainty relation asks for at least 1")
        shapes = {np.shape(getattr(self, n)) for n in ("gamma_s", "gamma_extra", "bath")} - {()}
        if shapes - {np.shape(self.times)}:
            bad.append("gamma_s, gamma_extra and bath must be numbers or have one value for each of `times`")
        if self.times is not None and not (np.ndim(self.times) == 1 and np.all(np.diff(self.times) > 0)):
            bad.append("times must be a list of rising numbers")
        if bad:
            raise InputError(bad)

    @property
    def x_start(self) -> float:
        """EPR variance of X at the start."""
        return max(1.0, 1 / self.xi) if self.x_variance is None else self.x_variance


def _all_rates(value: Any) -> bool:
    return bool(np.all(np.isfinite(value)) and np.all(np.asarray(value) >= 0))


class Course:
    """What happens in every cycle, sample by sample: light, rates, waves, displacements.

    Example:
        >>> cells, pulse = Cells(z=2.5, gamma_s=100.0, gamma_extra=170.0), Pulse("drive", 1e-4)
        >>> print(round(float(Course(cells, [pulse], Digitizer(), 100, "S2").kicks["p"][0]), 6))
        -0.005657
    """

    def __init__(self, cells: Cells, pulses: Sequence[Pulse], digitizer: Digitizer, samples: int, measure: str) -> None:
        dt = 1 / digitizer.sample_rate_hz
        self.time = (np.arange(samples) + 0.5) * dt
        self.power = _power(pulses, self.time)
        lit = (np.cumsum(self.power) - self.power / 2) * dt

        def over_time(value: Any) -> Any:
            return np.interp(self.time, cells.times, value) if np.ndim(value) else np.full(samples, float(value))

        gamma_s = over_time(cells.gamma_s) * np.exp(-cells.jx_decay * lit)
        extra, off = over_time(cells.gamma_extra), (1 - self.power) * cells.gamma_dark
        full = gamma_s + extra
        gamma = self.power * full + off
        self.stay = np.exp(-gamma * dt)
        # the exact increment of an Ornstein-Uhlenbeck process; without decay there is none
        brought = (self.power * extra * over_time(cells.bath) + off) / np.where(gamma > 0, gamma, 1.0)
        self.bath = np.sqrt(brought * -np.expm1(-2 * gamma * dt) / 2)
        g = np.sqrt(2 * gamma_s * self.power * dt)
        self.kicks = {"p": -g / cells.z, "x": cells.z * g}  # of the light on the spins
        self.reads = {"p": cells.z * g, "x": -g / cells.z}  # of the spins in the light
        phase = 2 * np.pi * (digitizer.carrier_hz + digitizer.carrier_error_hz) * self.time
        self.waves = {"cos": np.sqrt(2) * np.cos(phase), "sin": np.sqrt(2) * np.sin(phase)}
        self.displaced = _displaced(pulses, self.time, full, self.waves) * np.sqrt(dt)
        self.measured = "p" if measure == "S2" else "x"
        turned = any(p.kind == "rotate" for p in pulses)
        self.quadratures = ("p", "x") if turned else (self.measured,)
        self.sudden: dict[int, list[Pulse]] = {}
        for pulse in pulses:
            if pulse.kind in ("rf", "rotate"):
                self.sudden.setdefault(round(pulse.start / dt), []).append(pulse)
        decayed = np.floor(np.cumsum(gamma) * dt / _DECAY)
        cuts = {0, samples, *self.sudden, *range(0, samples, _PIECE), *(1 + np.flatnonzero(np.diff(decayed)))}
        self.cuts = sorted(int(k) for k in cuts if k <= samples)

    def pieces(self) -> Iterator[slice]:
        """Samples between which nothing happens suddenly, not too many at a time."""
        return (slice(a, b) for a, b in zip(self.cuts, self.cuts[1:], strict=False))


def _power(pulses: Sequence[Pulse], time: np.ndarray) -> np.ndarray:
    """Power of the light over full power [sample]."""
    power = np.zeros_like(time)
    for pulse in pulses:
        if pulse.kind == "drive":
            on = (time >= pulse.start) & (time < pulse.end)
            inside = np.minimum(time - pulse.start, pulse.end - time)[on]
            rise = np.clip(inside / pulse.edge, 0, 1) if pulse.edge else np.ones_like(inside)
            power[on] = (1 - np.cos(np.pi * rise)) / 2
    return power


def _displaced(pulses: Sequence[Pulse], time: np.ndarray, gamma: np.ndarray, waves: dict[str, np.ndarray]) -> Any:
    """Mean of q_in over time: of each drive pulse in the mode exp(+gamma t) of its first gamma, at the carrier."""
    mean = np.zeros_like(time)
    dt = 2 * time[0] if len(time) else 0.0
    for pulse in pulses:
        on = np.flatnonzero((time >= pulse.start) & (time < pulse.end))
        if pulse.kind == "drive" and any(pulse.displacement) and len(on):
            mode = np.exp(gamma[on[0]] * (time[on] - pulse.end))
            mode /= np.sqrt(np.sum(mode**2) * dt)
            cos, sin = pulse.displacement
            mean[on] += mode * (cos * waves["cos"][on] + sin * waves["sin"][on])
    return mean


def starts(cells: Cells, cycles: int, seed: int, run: int = 0) -> np.ndarray:
    """Starting state [cycle (p, x) (cos, sin)] of all cycles, from one stream; each depends on the one before.

    Example:
        >>> starts(Cells(z=2.5, gamma_s=100.0, gamma_extra=170.0), 3, 1).shape
        (3, 2, 2)
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_START, run)))
    draws, rho = rng.standard_normal((cycles, 2, 2)), cells.correlation
    draws[1:] *= np.sqrt(1 - rho**2)
    return lfilter([1.0], [1.0, -rho], draws, axis=0) * np.sqrt([[cells.xi / 2], [cells.x_start / 2]])
