"""The digital twin: records of two collective spin modes that meet pulses of light, with everything in them planted.

Each sample is one mode of light that meets the spins once, in the laboratory frame at the Larmor frequency. The modes
c and s, each with quadratures (X, P), [X, P] = i, vacuum variance 1/2, obey on average over a Larmor period

    dP = -gamma P dt - sqrt(2 gamma_s)/Z y_in dt + sqrt(2 gamma_extra) F_p,   y_out = y_in + Z sqrt(2 gamma_s) P
    dX = -gamma X dt + Z sqrt(2 gamma_s) q_in dt + sqrt(2 gamma_extra) F_x,   q_out = q_in - sqrt(2 gamma_s)/Z X

with gamma = gamma_s + gamma_extra and var F = bath/2: the EPR variance is xi = var P_c + var P_s, separable states have
xi >= 1. It shares no code with the analysis of records. Down: schema, cells, digitizer; up: tests, studies.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from darkstate.errors import InputError
from darkstate.records.cells import Cells, Course, starts
from darkstate.records.digitizer import Detector, Digitizer, Noise
from darkstate.records.schema import Pulse, record

__all__ = ["LARGEST", "Cells", "Digitizer", "simulate", "simulate_modes"]

LARGEST = 4e9
"""Bytes that one simulated record may take."""

_BLOCK = 32  # cycles at a time
_SIGNAL, _SHOT, _DARK = range(3)  # parts of the record, the first key of every stream of random numbers


def simulate(
    cells: Cells,
    pulses: Sequence[Pulse],
    digitizer: Digitizer,
    *,
    cycles: int,
    shot_cycles: int = 0,
    dark_cycles: int = 0,
    seed: int,
    purpose: str = "science",
    atoms: bool = True,
    measure: str = "S2",
    progress: Callable[[float], None] | None = None,
    **attrs: Any,
) -> xr.Dataset:
    """A record with known truth, as a digitiser behind an ideal anti-alias filter stores it.

    The photocurrent is sqrt(2) times the measured quadrature of each sample's mode of light: its shot noise has
    variance 1 per sample at full light. Light turns on and off as half a cosine in power; the rates follow the power,
    the current its square root (it is the local oscillator, too). The error is of order (rate / sample rate)^2.

    Args:
        cells: the spins; pulses: of every cycle, see `sequence`; digitizer: detector and digitiser.
        cycles: with atoms; shot_cycles: the same light, not displaced, without atoms; dark_cycles: without light.
        seed: a cycle depends on it and its number only, not on how many there are (gain_drift apart).
        purpose: one of `PURPOSES`; atoms: False: `signal` is without atoms, to calibrate displaced light.
        measure: "S2" records y_out; "S3" records q_out.
        progress: called with the fraction done; attrs: more attributes of the record.

    Returns:
        The record; its attribute `truth` is a JSON text of all that was planted.

    Raises:
        InputError: a record of more than 4 GB; numbers of cycles or a measurement that do not exist.

    Example:
        >>> from darkstate.records.schema import sequence
        >>> cells = Cells(z=2.5, gamma_s=100.0, gamma_extra=170.0)
        >>> one = simulate(cells, sequence(Pulse("drive", 1e-4)), Digitizer(), cycles=3, shot_cycles=2, seed=1)
        >>> dict(one.sizes), str(one.signal.dtype)
        ({'cycle': 3, 'time': 100, 'shot_cycle': 2}, 'float32')
    """
    samples = round(pulses[-1].end * digitizer.sample_rate_hz) if pulses else 0
    counts = {"signal": cycles, "shot_noise": shot_cycles, "dark": dark_cycles}
    shape = digitizer.stored(samples)
    _refuse(counts, shape, digitizer, measure)
    course = Course(cells, pulses, digitizer, samples, measure)
    start = starts(cells, cycles, seed) if atoms else None
    arrays, done, total = {}, 0, cycles + shot_cycles + dark_cycles
    for part, (name, count) in enumerate(counts.items()):
        if not count:
            continue
        arrays[name] = np.empty((count, *shape), digitizer.dtype)
        gain = np.linspace(1.0, 1 + digitizer.gain_drift, count)
        for first in range(0, count, _BLOCK):
            rows = range(first, min(first + _BLOCK, count))
            noise, inside = Noise(seed, part, rows), slice(rows.start, rows.stop)
            state = start[inside].copy() if start is not None and part == _SIGNAL else None
            detector = Detector(digitizer, noise, gain[inside])
            _cycles(course, part, state, noise, detector, arrays[name][inside])
            done += len(rows)
            if progress is not None:
                progress(done / total)
    planted = {"cells": _plain(cells), "digitizer": _plain(digitizer), "atoms": atoms, "measure": measure}
    tau, rate = digitizer.filter_time_constant, digitizer.sample_rate_hz
    if tau is None:
        attrs = {"full_scale": digitizer.counts, **attrs}
    else:
        attrs = {"filter_order": digitizer.filter_order, "filter_time_constant": tau, **attrs}
    return record(
        **arrays,
        sample_rate_hz=rate / digitizer.decimate,
        carrier_hz=digitizer.carrier_hz,
        pulses=pulses,
        kind="raw" if tau is None else "demodulated",
        purpose=purpose,
        units="shot noise" if digitizer.bits is None else "counts",
        seed=seed,
        truth=json.dumps(planted),
        **attrs,
    )


def simulate_modes(
    cells: Cells,
    duration: float,
    *,
    cycles: int,
    efficiency: float = 1.0,
    bins: int,
    seed: int,
    experiments: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Demodulated currents of one pulse with constant rates, in bins; exact for bins of any length, and fast.

    The current is sqrt(2) (sqrt(efficiency) y_out + vacuum), integrated over each bin of length h; shot noise: h. From
    P at its start, P' = exp(-gamma h) P + p and Y = Z sqrt(2 gamma_s)(1 - exp(-gamma h))/gamma P + y, where (p, y) has
    the covariance of the integrals of the equations at the head of this file.

    Args:
        cells: the spins, with constant rates; duration: of the pulse [s]; cycles: how many.
        efficiency: of detection; bins: per pulse; seed: of all.
        experiments: if given, all this so many times, independently.

    Returns:
        Currents [cycle bin 2] and P at the start [cycle 2]; 2: c and s; with `experiments`, that axis comes first.

    Raises:
        InputError: rates that are not constant or all zero; an efficiency outside 0 to 1; more than 4 GB.

    Example:
        >>> cells = Cells(z=2.5, gamma_s=100.0, gamma_extra=170.0)
        >>> y, p = simulate_modes(cells, 1e-3, cycles=3, bins=20, seed=1)
        >>> y.shape, p.shape
        ((3, 20, 2), (3, 2))
    """
    gamma = np.asarray(cells.gamma_s, float) + np.asarray(cells.gamma_extra, float)
    if gamma.ndim or np.ndim(cells.bath) or cells.jx_decay or not gamma > 0:
        raise InputError(["simulate_modes takes constant rates, not all 0, and no jx_decay; use simulate for others"])
    if not (0 <= efficiency <= 1 and duration > 0 and cycles >= 1 and bins >= 1 and (experiments or 1) >= 1):
        raise InputError(
            [f"efficiency {efficiency!r}, duration {duration!r} s, {cycles} cycles, {bins} bins, experiments "
             f"{experiments!r}: they must be from 0 to 1, more than 0 s, and at least 1"]
        )  # fmt: skip
    runs = experiments or 1
    _refuse_size(8 * 2 * runs * cycles * (bins + 1), "cycles, bins or experiments")
    stay, read, kick, along, rest = _bin(cells, duration / bins, efficiency)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_SIGNAL,)))
    start = np.stack([starts(cells, cycles, seed, run)[:, 0] for run in range(runs)])
    p, y = start, np.empty((bins, runs, cycles, 2))
    for k in range(bins):
        common, own = rng.standard_normal((2, *p.shape))
        y[k] = read * p + along * common + rest * own
        p = stay * p + kick * common
    current = np.ascontiguousarray(np.moveaxis(y, 0, 2))
    return (current[0], start[0]) if experiments is None else (current, start)


def _bin(cells: Cells, h: float, efficiency: float) -> tuple[Any, ...]:
    """P' = stay P + kick e1 and current = read P + along e1 + rest e2 of one bin, e1, e2: unit normals."""
    gamma_s, extra, z = float(cells.gamma_s), float(cells.gamma_extra), cells.z
    g, w, c = gamma_s + extra, float(cells.bath), np.sqrt(2 * gamma_s)
    e1, e2 = -np.expm1(-g * h) / g, -np.expm1(-2 * g * h) / (2 * g)  # integrals of exp(-g u), exp(-2 g u), u < h
    once, twice, cross = (
        (h - e1) / g,
        (h - 2 * e1 + e2) / g**2,
        (e1 - e2) / g,
    )  # of G, G^2, G exp(-g u), G = (1 - exp)/g
    pp = (gamma_s / z**2 + extra * w) * e2
    yy = (h - 2 * c**2 * once + c**4 * twice) / 2 + w * z**2 * c**2 * extra * twice
    py = -c / z * (e1 - c**2 * cross) / 2 + w * z * c * extra * cross
    kick = np.sqrt(pp)
    along = py / kick if kick else 0.0
    rest = efficiency * (yy - along**2) + (1 - efficiency) * h / 2
    scale = np.sqrt(2 * efficiency)
    return np.exp(-g * h), scale * z * c * e1, kick, scale * along, np.sqrt(2 * rest)


def _cycles(
    course: Course, part: int, state: np.ndarray | None, noise: Noise, detector: Detector, stored: np.ndarray
) -> None:
    """Fill `stored` with a block of cycles of one part of the record."""
    for piece in course.pieces():
        if part == _DARK:
            nothing = np.zeros(piece.stop - piece.start)
            detector.read(np.zeros((len(stored), len(nothing))), nothing, piece.start, stored)
            continue
        # P meets y, X meets q: two independent quadratures of the light
        used = (course.measured,) if state is None else course.quadratures
        light = {quadrature: _light(course, piece, quadrature, part, noise) for quadrature in used}
        out = light[course.measured].copy()
        if state is not None:
            _sudden(state, course.sudden.get(piece.start, []))
            for quadrature in used:
                spins = state[:, "px".index(quadrature)]
                for column, wave in enumerate(("cos", "sin")):
                    mean, spins[:, column] = _meet(
                        course, piece, spins[:, column], light[quadrature], quadrature, wave, noise
                    )
                    if quadrature == course.measured:
                        out += mean * (course.reads[quadrature] * course.waves[wave])[piece]
        detector.read(out, course.power[piece], piece.start, stored)


def _light(course: Course, piece: slice, quadrature: str, part: int, noise: Noise) -> Any:
    """The light that comes in: y meets P, q meets X; only q is displaced [cycle sample]."""
    vacuum = np.sqrt(0.5) * noise.normal("s2" if quadrature == "p" else "s3", piece.stop - piece.start)
    return vacuum + course.displaced[piece] if quadrature == "x" and part == _SIGNAL else vacuum


def _meet(
    course: Course, piece: slice, before: np.ndarray, light: Any, quadrature: str, wave: str, noise: Noise
) -> tuple[Any, Any]:
    """Spins at the middle of each sample, with half of what it brings, and after the last sample.

    p_{k+1} = e_k p_k + sqrt(e_k) kick_k + bath_k is a running sum of p_k / (e_0 ... e_{k-1}).
    """
    stay = course.stay[piece]
    half, decay = np.sqrt(stay), np.concatenate([[1.0], np.cumprod(stay)])
    kick = light * (course.kicks[quadrature] * course.waves[wave])[piece]
    kick += noise.normal(f"{quadrature}_{wave}", len(stay)) * (course.bath[piece] / half)
    scaled = np.empty((len(before), len(decay)))
    scaled[:, 0] = before
    np.cumsum(kick * (half / decay[1:]), axis=1, out=scaled[:, 1:])
    scaled[:, 1:] += before[:, None]
    return scaled[:, :-1] * (half * decay[:-1]) + kick / 2, scaled[:, -1] * decay[-1]


def _sudden(state: np.ndarray, pulses: Sequence[Pulse]) -> None:
    for pulse in pulses:
        if pulse.kind == "rf":
            state[:, 0] += pulse.displacement
        else:
            state[:, 0], state[:, 1] = state[:, 1].copy(), -state[:, 0]


def _refuse(counts: dict[str, int], shape: tuple[int, ...], digitizer: Digitizer, measure: str) -> None:
    bad = []
    if counts["signal"] < 1 or min(counts.values()) < 0:
        bad.append(f"the cycles are {counts}; at least one of the signal, and none below 0, must be asked for")
    if not shape[0]:
        bad.append("the sequence is shorter than one stored sample; make its pulses longer, or sample faster")
    if measure not in ("S2", "S3"):
        bad.append(f"measure is {measure!r}; it must be S2 (y_out) or S3 (q_out)")
    if bad:
        raise InputError(bad)
    _refuse_size(
        sum(counts.values()) * int(np.prod(shape)) * digitizer.dtype.itemsize, "cycles, sample_rate_hz or the sequence"
    )


def _refuse_size(size: float, lower: str) -> None:
    if size > LARGEST:
        raise InputError([f"the record would take {size / 1e9:.1f} GB; at most {LARGEST / 1e9:g} GB: lower {lower}"])


def _plain(given: Cells | Digitizer) -> dict[str, Any]:
    found = dataclasses.asdict(given)
    return {k: np.asarray(v).tolist() if np.ndim(v) else v for k, v in found.items()}
