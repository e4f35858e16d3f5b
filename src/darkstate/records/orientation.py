"""Orientation of a spin from its magneto-optical resonance signal: the beat of 2F lines that nearly coincide.

    s(t) = A sum_m [F(F+1) - m(m+1)] (p_{m+1} - p_m) exp(2 pi i nu_m t - t/T2),    o = (1/F) sum_m m p_m
    nu_m = nu_0 + splitting (F - 1 - m),    m = -F ... F-1

A weak RF pulse turns populations into coherences between neighbours, all in phase at t = 0. Down: `demodulate`.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import xarray as xr
from scipy.linalg import orth
from scipy.optimize import least_squares, nnls
from scipy.stats import chi2 as chi2_law

from darkstate.errors import ArgumentError, InputError
from darkstate.records.demodulate import unfiltered
from darkstate.records.schema import Pulse, check_record, pulses_of, record, sequence

TOYS = 400
"""Simulated signals behind `Orientation.population_errors`; their spread is then known to 4 %."""

MEMORY = 10
"""Samples are averaged over this many memories of the lock-in amplifier; neighbours then share a tenth of the light."""


@dataclasses.dataclass(frozen=True)
class Orientation:
    """Orientation of a spin, from `fit_orientation`.

    Args:
        value: o; low, high: limits of 68 %, at most 1; error: the larger distance to them.
        populations: p_m, m = -F ... F, of the best fit with this o; population_errors: their spread when the fit is
            repeated on simulated signals.
        splitting_hz: of neighbouring lines; detuning_hz: line of (F-1, F) minus reference; t2: decay time [s].
        chi2, dof, p_value: of the fit.

    Example:
        >>> t, p = np.arange(200) * 0.5e-3, [0, 0, 0, 0, 0, 0, 0, 0.08, 0.92]
        >>> one = fit_orientation(t, orientation_signal(p, t, t2=30e-3), 0.01)
        >>> one.low < one.value < one.high < 1
        True
    """

    value: float
    error: float
    low: float
    high: float
    populations: np.ndarray
    population_errors: np.ndarray
    splitting_hz: float
    detuning_hz: float
    t2: float
    chi2: float
    dof: int
    p_value: float


def orientation(populations: Any) -> float:
    """o = (1/F) sum_m m p_m (002, supplement); 1: all atoms in m = F.

    Args:
        populations: p_m, m = -F ... F, sum 1.

    Raises:
        ArgumentError: a negative population, or a sum other than 1.

    Example:
        >>> round(orientation([0, 0, 0, 0, 0, 0, 0, 0.08, 0.92]), 6)
        0.98
    """
    p = _checked(populations)
    return float(_levels(p.size) @ p / _levels(p.size)[-1])


def orientation_signal(
    populations: Any,
    times: Any,
    *,
    t2: float,
    splitting_hz: float = 20.0,
    phase: float = 0.0,
    amplitude: float = 1.0,
    detuning_hz: float = 0.0,
) -> np.ndarray:
    """s(t) of the head of this file, the mean signal after a weak RF pulse.

    s(0) = 2 F o A. The energies of the caesium level F = 4 bend downwards (Breit and Rabi), E_m/h = m nu - m^2 q, so
    that the line (3, 4) has the lowest frequency and the step is 2 q = 2 nu^2/(9.19 GHz): 22.6 Hz at 322 kHz, 20 Hz in
    002. How sensitive it is: atoms lost to m = 3 make a beat of relative amplitude 7 (1 - o).

    Source: B. Julsgaard, J. Sherson, J. L. Sorensen, E. S. Polzik, J. Opt. B 6, 5 (2004); 002, Fig. S.3.

    Args:
        populations: p_m, m = -F ... F, sum 1; times: since the RF pulse [s]; t2: decay time of all lines [s].
        splitting_hz: step between lines; negative where X + iY turns clockwise above the reference, or the atoms are
            pumped into m = -F and m is counted downwards.
        phase: of the RF pulse [rad]; amplitude: A; detuning_hz: line of (F-1, F) minus reference.

    Returns:
        X + iY [t].

    Raises:
        ArgumentError: `populations` are none, or `t2` is not positive.

    Example:
        >>> one = orientation_signal([0, 0, 0, 0, 0, 0, 0, 0.08, 0.92], [0.0, 25e-3], t2=1.0)
        >>> abs(one).round(2)
        array([7.84, 5.46])
    """
    p = _checked(populations)
    if not t2 > 0:
        raise ArgumentError(f"Argument `t2` must be a positive time [s], but is {t2:g}.")
    lines = _lines(np.asarray(times, float), _levels(p.size), detuning_hz, 1 / t2, splitting_hz)
    return amplitude * np.exp(1j * phase) * (lines @ p)


def fit_orientation(
    times: Any,
    signal: Any,
    signal_err: Any,
    *,
    splitting_hz: float = 20.0,
    fit_splitting: bool = False,
    spin: float = 4,
) -> Orientation:
    """Populations and orientation from the mean signal after a weak RF pulse: least squares with p_m >= 0.

    The signal knows A (p_{m+1} - p_m) only, so that equal atoms in every level are not seen. Assumption: p_{-F} = 0.
    If in truth it is not, o is smaller by exactly the factor 1 - (2F+1) p_{-F}: p_{-4} = 0.0005 takes 0.0045 off.
    Since no p_m can be negative, the best fit lies below o near o = 1, by more than its spread. `value`, `low` and
    `high` are therefore the o for which simulated best fits lie below the one found in 50, 84 and 16 % of cases.
    What remains is a bias of about half a standard error, downwards; within an error of o = 1 the limits hold the truth
    more often than in 68 %. Right where the line (F-1, F) is the strongest.

    Args:
        times: since the RF pulse, after which all coherences are in phase [s]; signal: X + iY [t], mean over cycles;
            signal_err: standard error of X and of Y, a number or [t]; the samples must be independent.
        splitting_hz: see `orientation_signal`; fit_splitting: take it as a start, to be fitted within a factor 2, which
            needs a visible beat; spin: F.

    Raises:
        ArgumentError: shapes differ, times are not evenly spaced, errors not positive, or too few samples.

    Example:
        >>> t, p = np.arange(200) * 0.5e-3, [0, 0, 0, 0, 0, 0, 0, 0.08, 0.92]
        >>> one = fit_orientation(t, orientation_signal(p, t, t2=30e-3), 0.004)
        >>> f"{one.value:.4f} +- {one.error:.4f}, p_3 = {one.populations[-2]:.2f}, T2 = {one.t2:.3f} s"
        '0.9802 +- 0.0003, p_3 = 0.08, T2 = 0.030 s'
    """
    m = _levels(2 * spin + 1)
    t, s, err = _checked_signal(times, signal, signal_err, least=m.size + 2)
    fixed: list[float] = [] if fit_splitting else [splitting_hz]
    y = _real(s / err)

    def design(x: np.ndarray) -> np.ndarray:
        detuning, rate, phase, step = np.append(x, fixed)
        # p_{-F} = 0: its column is left out
        return _real(np.exp(1j * phase) * _lines(t, m, detuning, rate, step)[:, 1:] / err[:, None])

    def residual(x: np.ndarray) -> np.ndarray:
        a = design(x)
        return a @ nnls(a, y)[0] - y

    start, low, high, scale = _start(t, s, splitting_hz if fit_splitting else None)
    x = least_squares(residual, start, bounds=(low, high), x_scale=scale, diff_step=1e-6, xtol=1e-11).x
    a = design(x)
    q, misfit = nnls(a, y)
    dof = y.size - x.size - q.size
    # Detuning, decay and phase are linear this near to the best fit; without them, `reduced` q = `target` is what the
    # signal says of the populations.
    moves = [(design(x + h) - design(x - h)) @ q / (2 * h.max()) for h in np.diag(1e-3 * scale)]
    basis = orth(np.stack(moves, -1) * scale)
    base, reduced = np.linalg.qr(a - basis @ (basis.T @ a))
    target = base.T @ y
    limits, p, spread = _estimate(reduced, target, m)
    return Orientation(
        value=float(limits[1]),
        error=float(max(np.diff(limits))),
        low=float(limits[0]),
        high=float(limits[2]),
        populations=np.append(0.0, p),
        population_errors=np.append(0.0, spread),
        splitting_hz=float(x[3]) if fit_splitting else splitting_hz,
        detuning_hz=float(x[0]),
        t2=float(1 / x[1]) if x[1] > 0 else np.inf,
        chi2=float(misfit**2),
        dof=dof,
        p_value=float(chi2_law.sf(misfit**2, dof)),
    )


def orientation_record(
    populations: Any,
    *,
    seed: int,
    t2: float,
    duration: float = 0.1,
    cycles: int = 100,
    noise: float = 0.3,
    sample_rate_hz: float = 2e3,
    carrier_hz: float = 322e3,
    splitting_hz: float = 20.0,
    phase: float = 0.0,
    amplitude: float = 1.0,
    detuning_hz: float = 0.0,
) -> xr.Dataset:
    """Simulated record of `orientation_signal`: an RF pulse at t = 0, then light; white noise.

    Args:
        populations, t2, splitting_hz, phase, amplitude, detuning_hz: see `orientation_signal`; seed: of the noise.
        duration: of the light [s]; cycles: repetitions; noise: standard deviation of a sample of X and of Y.

    Returns:
        A demodulated record with the purpose orientation; the planted values are in the attribute `truth`.

    Example:
        >>> one = orientation_record([0, 0, 0, 0, 0, 0, 0, 0, 1], seed=1, t2=30e-3)
        >>> dict(one.sizes), round(float(one.signal[:, 0, 0].mean()), 1)
        ({'cycle': 100, 'time': 200, 'quadrature': 2}, 7.9)
    """
    p, shape = _checked(populations), {"t2": t2, "splitting_hz": splitting_hz, "phase": phase, "amplitude": amplitude}
    times = (np.arange(round(duration * sample_rate_hz)) + 0.5) / sample_rate_hz
    s = orientation_signal(p, times, detuning_hz=detuning_hz, **shape)
    draws = np.random.default_rng(seed).standard_normal((cycles, times.size, 2))
    first = orientation_signal(p, [0.0], **shape)[0]
    return record(
        np.stack([s.real, -s.imag], -1) + noise * draws,
        sample_rate_hz=sample_rate_hz,
        carrier_hz=carrier_hz,
        pulses=sequence(Pulse("rf", displacement=(first.real, -first.imag)), Pulse("drive", duration)),
        kind="demodulated",
        purpose="orientation",
        # far faster than a sample: the noise of the samples is independent
        filter_order=1,
        filter_time_constant=0.01 / sample_rate_hz,
        seed=seed,
        truth=json.dumps(
            {"orientation": orientation(p), "populations": p.tolist(), "detuning_hz": detuning_hz, **shape}
        ),
    )


def orientation_of(data: xr.Dataset, *, splitting_hz: float = 20.0, fit_splitting: bool = False) -> Orientation:
    """Orientation from a demodulated record: mean over cycles from the RF pulse to the end of the light after it.

    The lock-in's filter is undone, its samples averaged until their noise is independent; the error comes from the
    scatter of cycles. Read is X - iY: lines above the carrier turn as in s(t) if Y is that of `lock_in`, with +sin.

    Args:
        data: see `record`; splitting_hz, fit_splitting: see `fit_orientation`.

    Raises:
        InputError: another purpose or kind, no RF pulse, a single cycle, or a filter too slow for the beat.

    Example:
        >>> p = [0, 0, 0, 0, 0, 0.003, 0.01, 0.047, 0.94]
        >>> found = orientation_of(orientation_record(p, seed=1, t2=30e-3))
        >>> f"{found.value:.3f} +- {found.error:.3f}, planted {orientation(p):.3f}"
        '0.980 +- 0.005, planted 0.981'
    """
    check_record(data)
    rf, light = _after_rf(data)
    order, rate = int(data.attrs["filter_order"]), float(data.attrs["sample_rate_hz"])
    # undone, a filter of n stages leaves light of n samples in each, unless it is much faster than a sample
    memory = order if data.attrs["filter_time_constant"] * rate > 0.1 else 1
    length = 1 if memory == 1 else MEMORY * memory
    if length / rate > 0.02 / abs(splitting_hz):
        raise InputError(
            [
                f"samples of {length / rate:g} s, the shortest with independent noise, are too long for a beat at "
                f"multiples of {abs(splitting_hz):g} Hz; sample faster, or filter with fewer stages"
            ]
        )
    first = int(np.ceil(light.start * rate - 1e-6)) + memory
    last = min(int(light.end * rate + 1e-6), data.sizes["time"])
    last -= (last - first) % length
    xy = unfiltered(data.signal.values, data.attrs)[:, first:last].reshape(data.sizes["cycle"], -1, length, 2).mean(2)
    # with the filter undone, a sample shows light that is this old on average
    tau, p = float(data.attrs["filter_time_constant"]), np.exp(-1 / (rate * float(data.attrs["filter_time_constant"])))
    times = data.time.values[first:last].reshape(-1, length).mean(1) - order * (tau - p / (1 - p) / rate) - rf.start
    mean, err = xy.mean(0), np.sqrt(xy.var(0, ddof=1).mean() / len(xy))
    s = mean[:, 0] - 1j * mean[:, 1]
    return fit_orientation(times, s, err, splitting_hz=splitting_hz, fit_splitting=fit_splitting)


def _after_rf(data: xr.Dataset) -> tuple[Pulse, Pulse]:
    """The RF pulse and the first light after it.

    Raises:
        InputError: there is none, or the record is for something else.
    """
    pulses, count = pulses_of(data), data.sizes["cycle"]
    if data.attrs["purpose"] != "orientation" or data.attrs["kind"] != "demodulated":
        raise InputError(
            [
                f"the record is {data.attrs['kind']}, its purpose {data.attrs['purpose']}; give one with the purpose "
                "orientation, demodulated (see lock_in)"
            ]
        )
    after = pulses[next((k for k, p in enumerate(pulses) if p.kind == "rf"), len(pulses)) :]
    light = [p for p in after if p.kind == "drive"]
    if not light or count < 2:
        kinds = ", ".join(p.kind for p in pulses)
        raise InputError([f"the record has {count} cycles of {kinds}; give at least 2, with drive after an rf pulse"])
    return after[0], light[0]


def _estimate(reduced: np.ndarray, target: np.ndarray, m: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Most probable o with limits of 68 %, the populations at that o, and their spread (see `fit_orientation`)."""
    noise = np.random.default_rng(0).standard_normal((TOYS, m.size - 1))
    pull, weight = m[1:] / m[-1], 1e5 * np.linalg.norm(reduced)

    def populations(o: float) -> np.ndarray:
        # sum_m (m/F - o) q_m = 0 as a row so heavy that it is obeyed
        return nnls(np.vstack([reduced, weight * (pull - o)]), np.append(target, 0.0))[0]

    def repeated(q: np.ndarray) -> np.ndarray:
        found = np.stack([nnls(reduced, one)[0] for one in reduced @ q + noise])
        return found / found.sum(1, keepdims=True)

    fitted = nnls(reduced, target)[0]
    best = float(pull @ fitted / fitted.sum())
    width = float((repeated(fitted) @ pull).std())
    grid = np.unique(np.clip(best + width * np.linspace(-3, 6, 10), pull[0], 1.0))
    levels = np.stack([np.quantile(repeated(populations(o)) @ pull, [0.8413, 0.5, 0.1587]) for o in grid], -1)
    # truths for which the estimate is found above, at and below what was found
    limits = np.array([np.interp(best, np.maximum.accumulate(row), grid) for row in levels])
    if limits[1] == 1:
        # beyond the end of the range no truth is left below: the error is then the spread of repeated fits
        limits[0] = min(limits[0], 1 - width)
    q = populations(limits[1])
    return limits, q / q.sum(), repeated(q).std(0)


def _levels(count: float) -> np.ndarray:
    """m = -F ... F."""
    return np.arange(count) - (count - 1) / 2


def _lines(t: np.ndarray, m: np.ndarray, detuning: float, rate: float, step: float) -> np.ndarray:
    """s(t) per population [t m]: level m+1 feeds the line (m, m+1), level m takes from it."""
    spin, low = m[-1], m[:-1]
    nu = detuning + step * (spin - 1 - low)
    line = (spin * (spin + 1) - low * (low + 1)) * np.exp(np.outer(t, 2j * np.pi * nu - rate))
    none = np.zeros((t.size, 1))
    return np.hstack([none, line]) - np.hstack([line, none])


def _start(t: np.ndarray, s: np.ndarray, step: float | None) -> tuple[np.ndarray, ...]:
    """Where the fit starts, its bounds and scales: detuning, 1/T2, phase (and splitting), from the strongest line."""
    span, size = t[-1] - t[0], 8 * t.size
    nu = np.fft.fftfreq(size, t[1] - t[0])
    rates = np.array([0.0, 0.5, 1, 2, 4, 8, 16])[:, None] / span
    # the overlap with a decaying line of unit norm is largest for the right decay
    line = np.exp(-rates * (t - t[0]))
    found = np.fft.fft(s * line / np.linalg.norm(line, axis=1, keepdims=True), size)
    g, n = np.unravel_index(np.abs(found).argmax(), found.shape)
    start = np.array([nu[n], rates[g, 0], np.angle(found[g, n]) - 2 * np.pi * nu[n] * t[0]])
    scale = np.array([1 / span, 1 / span, 1.0])
    low, high = start - np.array([2 / span, 0.0, np.pi]), start + np.array([2 / span, 0.0, np.pi])
    low[1], high[1] = 0.0, 64 / span
    if step is None:
        return start, low, high, scale
    steps = np.sort([step / 2, 2 * step])
    return np.append(start, step), np.append(low, steps[0]), np.append(high, steps[1]), np.append(scale, 1 / span)


def _real(z: np.ndarray) -> np.ndarray:
    return np.concatenate([z.real, z.imag])


def _checked(populations: Any) -> np.ndarray:
    p = np.asarray(populations, float)
    if p.ndim != 1 or p.size < 2 or not (p >= 0).all() or abs(p.sum() - 1) > 1e-6:
        raise ArgumentError(
            f"Argument `populations` must be numbers of at least 0 with sum 1, m = -F ... F, but is {p.tolist()}."
        )
    return p


def _checked_signal(times: Any, signal: Any, signal_err: Any, *, least: int) -> tuple[np.ndarray, ...]:
    t, s, err = np.asarray(times, float), np.asarray(signal, complex), np.asarray(signal_err, float)
    if t.ndim != 1 or s.shape != t.shape or err.shape not in ((), t.shape):
        raise ArgumentError(
            f"Arguments `times`, `signal` and `signal_err` must have one shape [t], but have {t.shape}, {s.shape}, "
            f"{err.shape}; only the error may be one number."
        )
    if t.size < least:
        raise ArgumentError(f"Argument `times` holds {t.size} samples; the fit needs at least {least}.")
    if not (t[1] > t[0] and np.allclose(np.diff(t), t[1] - t[0], rtol=1e-3, atol=0)):
        raise ArgumentError("Argument `times` must rise in equal steps; cut out the part that does.")
    if not (np.isfinite(s).all() and s.any() and np.isfinite(err).all() and (err > 0).all()):
        raise ArgumentError("Argument `signal` must be finite, not 0, and `signal_err` positive; leave out the rest.")
    return t, s, np.broadcast_to(err, t.shape)
