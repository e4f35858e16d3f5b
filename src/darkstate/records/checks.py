"""What a record says about itself: each check is a number against a limit, with a sentence for when it fails.

None of them looks at xi: a record that fails is not "not entangled", it is not understood. Up: `reconstruct`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy import stats

from darkstate.records.calibration import Calibration
from darkstate.records.demodulate import cycle_blocks
from darkstate.records.estimate import Estimate
from darkstate.records.statistics import variance

SIGMA = 4.5
"""Standard deviations granted: a good record of twenty checks fails once in some 7000."""

CLIPPED = 1e-5
"""Share of samples at the limit of the digitiser; Gaussian noise at 4.4 standard deviations."""

SPIKE, SPIKES = 7.0, 1e-6
"""A spike lies beyond so many standard deviations, where Gaussian noise has 3e-12; and the share that is granted."""

NORMAL_MEDIAN = 0.6745
"""Median of the size of a Gaussian variable, in standard deviations."""

MISSING = 0.25
"""Share of cycles that may be lost to samples that are not numbers; lost by their size, more would matter."""

FILTER = 0.02
"""Relative error of the Kalman gain that is granted; it raises the conditional variance by its square."""

COPIES = 1e-3
"""Share of cycles that may agree by chance."""

GAIN = 0.005
"""Relative difference between the light of two records that is granted."""

MODEL = 0.03
"""Relative error of the equation of motion of xi that is granted."""

_BLOCKS = 8


class Check(NamedTuple):
    """One check: passed if |value| <= limit."""

    name: str
    value: float
    limit: float
    text: str

    @property
    def passed(self) -> bool:
        """Whether the value keeps the limit; a value that is no number does not."""
        return bool(abs(self.value) <= self.limit)


def samples(data: xr.Dataset, window: slice) -> list[Check]:
    """Share of samples at the limit of the digitiser, and share of spikes, in one pass over signal and shot noise.

    The limit is `full_scale`, or else the largest value that keeps coming back. A mode sums hundreds of samples, so
    that spikes which change a variance by several per cent do not show in its kurtosis.
    """
    limit = data.attrs.get("full_scale")
    at_limit, total, top, ties, spikes, seen = 0, 0, 0.0, 0, 0, 0
    for variable in ("signal", "shot_noise"):
        robust = 0.0
        for _, values in cycle_blocks(data, variable, window) if variable in data else ():
            size = np.abs(values[np.isfinite(values)]) if values.dtype.kind == "f" else np.abs(values.astype(np.int32))
            if not size.size:
                continue
            robust = robust or float(np.median(size)) / NORMAL_MEDIAN
            spikes += int((size > SPIKE * robust).sum())
            seen += size.size
            if variable == "shot_noise":
                continue
            total += size.size
            if limit is not None:
                at_limit += int((size >= float(limit) * (1 - 1e-6)).sum())
                continue
            highest = float(size.max())
            count = int((size == highest).sum())
            top, ties = (highest, count) if highest > top else (top, ties + count * (highest == top))
    # one largest sample is no limit; some ten thousandths at the very same value are
    share = (at_limit if limit is not None else (ties if ties > 10 else 0)) / max(total, 1)
    clipped = f"{share:.2g} of the samples are at the limit of the digitiser; the noise is cut off, lower the gain"
    outside = spikes / max(seen, 1)
    spiked = f"{outside:.2g} of the samples are beyond {SPIKE:g} standard deviations: spikes, find what switches"
    made = [Check("spikes", outside, SPIKES, spiked)]
    # a lock-in amplifier hides what its input clipped, so its records are not said to have passed
    return made if data.attrs["kind"] == "demodulated" else [Check("clipped", share, CLIPPED, clipped), *made]


def missing(read: np.ndarray) -> Check:
    """Share of cycles with a sample that is not a number [c m q]."""
    share = float(1 - np.isfinite(read).all((1, 2)).mean())
    return Check("missing", share, MISSING, f"{share:.0%} of the cycles hold samples that are not numbers")


def repeated(parts: Sequence[np.ndarray]) -> Check:
    """Share of cycles that copy another, in any part [c m q]: a copy counts as new data.

    Cycles are compared to a thousandth of a standard deviation; by chance fewer than one in a million agree.
    """
    share = 0.0
    for y in parts:
        whole = _finite(y)
        kept = whole.reshape(len(whole), -1)
        rounded = np.round(kept / kept.std(0) * 1e3)
        share = max(share, 1 - len(np.unique(rounded, axis=0)) / max(len(kept), 1))
    text = f"{share:.1%} of the cycles are copies of others; a copy is no new data, write every cycle once"
    return Check("repeated", share, COPIES, text)


def gaussian(read: np.ndarray) -> Check:
    """Excess kurtosis as a normal variable (Anscombe and Glynn), the largest of all windows."""
    kept = read[np.isfinite(read).all((1, 2))]
    z = stats.kurtosistest(kept - kept.mean(0), axis=0).statistic.sum(1) / np.sqrt(2)
    sigma = float(z[np.argmax(np.abs(z))])
    # the largest of m numbers grows slowly with m
    limit = float(stats.norm.isf(stats.norm.sf(SIGMA) / read.shape[1]))
    text = f"the light modes are not Gaussian (excess kurtosis {sigma:.1f} standard errors): spikes, gain jumps"
    return Check("gaussian", sigma, limit, text)


def light(signal: np.ndarray, shot: np.ndarray, known: float) -> Check:
    """Light of the signal against that of the shot-noise record, off the carrier, where there are no atoms.

    Args:
        signal, shot: quadratures of modes off the carrier [c m q]; known: relative error of the shot noise granted.
    """
    a, b = ((_finite(v) ** 2).mean((1, 2)) for v in (signal, shot))
    ratio = a.mean() / b.mean()
    error = np.sqrt(a.var() / a.mean() ** 2 / len(a) + b.var() / b.mean() ** 2 / len(b))
    sigma = float(np.log(ratio) / np.hypot(error, max(known, GAIN)))
    text = (
        f"off the carrier the signal has {ratio:.3f} of the shot noise ({sigma:.1f} standard errors; 1 expected): "
        "power or gain differ between the two, record the shot noise again"
    )
    return Check("light", sigma, SIGMA, text)


def white(early: np.ndarray, late: np.ndarray) -> Check:
    """Correlation of neighbouring windows of the shot-noise record, in standard errors: light alone has none.

    Args:
        early, late: quadratures of pairs of windows [c m q].
    """
    product = (_centred(early) * _centred(late)).mean((1, 2))
    kept = product[np.isfinite(product)]
    sigma = float(kept.mean() / (kept.std() / np.sqrt(len(kept))))
    text = (
        f"the shot-noise record remembers itself from window to window ({sigma:.1f} standard errors): atoms in its "
        "light, or another filter_time_constant"
    )
    return Check("white", sigma, SIGMA, text)


def course(found: list[Estimate], read: np.ndarray, lit: np.ndarray, c: Calibration) -> Check:
    """How far xi falls below what the rates make of its first value, in standard errors.

    Formula: dv/dt = -2 gamma v + 2 gamma_s/Z^2 + 2 gamma_extra w. More noise than that may have causes; less has none:
    it means that the light tells less of the atoms than the calibration says, or nothing.

    Args:
        found: unconditional estimates of windows one after the other; read: their quadratures [c m q]; lit: light
            before them [s]; c: the calibration.
    """
    s, extra = c.rates
    z = c["z"].value

    def slope(v: float, t: float) -> float:
        now = s * float(c.jx(t))
        return float(-2 * (now + extra) * v + 2 * now / z**2 + 2 * extra * float(c.bath(t)))

    expected, kept = [found[0].xi], [1.0]
    for begin, end in zip(lit[:-1], lit[1:], strict=True):
        steps = max(1, int(np.ceil(20 * (s + extra) * (end - begin))))
        v, h = expected[-1], (end - begin) / steps
        for k in range(steps):  # Heun's method; twenty steps per decay time are good to 1e-3
            t = begin + k * h
            first = slope(v, t)
            v += h / 2 * (first + slope(v + h * first, t + h))
        expected.append(v)
        kept.append(kept[-1] * float(np.exp(-2 * (s + extra) * (end - begin))))
    left = np.array([e.xi for e in found[1:]]) - expected[1:]
    start = np.array(kept[1:])
    atoms = np.array([np.sqrt(2 / e.atoms.dof) * (e.xi + _offset(e)) for e in found])
    shot = np.array([np.sqrt(2 / e.shot.dof) * (e.xi + _offset(e)) for e in found])
    own = np.sqrt((atoms[1:] ** 2).mean() / _independent(_centred(read)))
    common = np.mean(shot[1:] - start * shot[0])
    sys = np.mean([e.xi_sys for e in found])
    error = float(
        np.sqrt(own**2 + np.mean(start * atoms[0]) ** 2 + common**2 + sys**2 + (MODEL * np.mean(expected)) ** 2)
    )
    sigma = float(-left.mean() / error)
    text = (
        f"xi stays {-left.mean():.2f} below what these rates make of its first value ({sigma:.1f} standard errors): "
        "the light tells less of the atoms than kappa^2 says; are there atoms in it, and is carrier_hz right?"
    )
    return Check("course", max(sigma, 0.0), SIGMA, text)


def balanced(read: np.ndarray) -> Check:
    """Cosine against sine variance, and their correlation, in standard errors, over all windows together."""
    y = _centred(read)
    v = [variance(y[:, k]) for k in range(y.shape[1])]
    difference = np.mean([np.subtract(*np.nanvar(y[:, k], 0)) / x.value for k, x in enumerate(v)])
    error = np.sqrt(np.mean([8 / x.dof for x in v]) / _independent(y))
    whole = _finite(y)
    kept = (whole[..., 0] * whole[..., 1]).mean(1)
    common = float(kept.mean() / (kept.std() / np.sqrt(len(kept))))
    if abs(common) > SIGMA:
        text = f"cosine and sine noise are correlated ({common:.1f} standard errors): the two channels share a signal"
        return Check("balanced", common, SIGMA, text)
    sigma = float(difference / error)
    text = f"cosine and sine noise differ by {difference:.1%} ({sigma:.1f} standard errors): the two channels"
    return Check("balanced", sigma, SIGMA, text + " are not alike")


def stationary(read: np.ndarray) -> Check:
    """Whether the variance is the same throughout the run: blocks of cycles against their mean, and the trend."""
    y = _centred(read)
    power = (y**2).mean(2)
    cycles = np.flatnonzero(np.isfinite(power).any(1))
    power = np.nanmean(power[cycles] / np.nanmean(power, 0), 1)
    blocks = np.array_split(power, _BLOCKS)
    memory = max(variance(y[:, k]).memory for k in range(y.shape[1]))
    means = np.array([b.mean() for b in blocks])
    error = power.std() * np.sqrt(memory / (len(power) / _BLOCKS))
    chi = float(((means - means.mean()) ** 2).sum() / error**2)
    jumps = float(stats.norm.isf(max(stats.chi2.sf(chi, _BLOCKS - 1), 1e-300)))
    line = np.arange(len(power)) - (len(power) - 1) / 2
    slope = abs(float(line @ power)) / (power.std() * np.sqrt((line**2).sum() * memory))
    sigma = max(jumps, slope)
    walk = np.cumsum(power - power.mean())
    n = len(walk)
    k = int(np.argmax(np.abs(walk[:-1]) / np.sqrt(np.arange(1, n) * np.arange(n - 1, 0, -1)))) + 1
    change = power[k:].mean() / power[:k].mean()
    text = (
        f"the variance changes during the run ({sigma:.1f} standard deviations), most at cycle {cycles[k]}, by a "
        f"factor {change:.2f}: two runs in one file, or a drift; reconstruct the parts separately"
    )
    return Check("stationary", sigma, SIGMA, text)


def carrier(early: np.ndarray, late: np.ndarray, delay: float) -> Check:
    """Phase by which the spins turn between two windows against the reference, in standard errors.

    Args:
        early, late: quadratures of pairs of windows [c m q]; delay: between their centres of weight [s].
    """
    good = np.isfinite(early).all((1, 2)) & np.isfinite(late).all((1, 2))
    a, b = _centred(early[good]), _centred(late[good])
    product = ((a[..., 0] - 1j * a[..., 1]) * (b[..., 0] + 1j * b[..., 1])).mean(1)
    mean = product.mean()
    error = float(product.imag.std() / np.sqrt(len(product)))
    sigma = float(mean.imag / error)
    hertz = -np.angle(mean) / (2 * pi * delay)
    text = (
        f"the spins turn at some {hertz:.0f} Hz against the reference ({sigma:.1f} standard errors): carrier_hz is off"
    )
    return Check("carrier", sigma, SIGMA, text)


def probe_independence(full: list[Estimate], half: list[Estimate], read: np.ndarray, short: np.ndarray) -> Check:
    """xi from windows of the full and of half the length, which must agree, in standard errors.

    The difference is found cycle by cycle, so that what both have in common drops out.
    """
    y, h = _centred(read), _centred(short)
    found, errors = [], []
    for k, (a, b) in enumerate(zip(full, half, strict=True)):
        per = (y[:, k] ** 2).mean(1) / a.atoms.value * (a.xi + _offset(a)) - (h[:, k] ** 2).mean(1) / b.atoms.value * (
            b.xi + _offset(b)
        )
        known = np.isfinite(per)
        memory = max(a.atoms.memory, b.atoms.memory)
        sampling = np.nanstd(per) * np.sqrt(memory / known.sum())
        # as if the shot noise of both lengths were independent, which is more than it is
        light = 2 * ((a.xi + _offset(a)) ** 2 / a.shot.dof + (b.xi + _offset(b)) ** 2 / b.shot.dof)
        drift = sum((a.budget[n] - b.budget[n]) ** 2 for n in a.budget)
        found.append(a.xi - b.xi)
        errors.append(np.sqrt(sampling**2 + light + drift))
    weight = 1 / np.square(errors)
    difference = float(np.sum(found * weight) / weight.sum())
    # neighbouring windows share calibration errors, which do not average out
    sigma = difference / max(1 / np.sqrt(weight.sum()), float(np.min(errors)) / np.sqrt(_independent(y)))
    text = (
        f"xi depends on the length of the read-out window ({difference:+.3f} from half to full length, {sigma:.1f} "
        "standard errors): kappa^2, eta, the decay or the shot noise do not belong to this record"
    )
    return Check("probe_length", sigma, SIGMA, text)


def positive(estimates: dict[str, list[Estimate]]) -> Check:
    """How far below zero the lowest xi lies, in standard errors: a variance cannot be negative."""
    worst = min((e.xi / max(e.total, 1e-12), e.xi) for found in estimates.values() for e in found)
    sigma = max(-worst[0], 0.0)
    text = f"xi = {worst[1]:.3f} is negative by {sigma:.1f} standard errors, which no state is: eta or kappa^2 is off"
    return Check("positive", sigma, SIGMA, text)


def innovations(residual: Sequence[np.ndarray], past: Sequence[np.ndarray]) -> Check:
    """Correlation of the Kalman residual with the past it was freed of, in standard errors.

    What is left must be new. Then V_unconditional = V_conditional + Cov(means), the law of total variance. A filter
    wrong by a few per cent costs nothing (its variance is at a minimum), so that much is granted.
    """
    pairs = [(_centred(r)[:, 0], _centred(p)[:, 0]) for r, p in zip(residual, past, strict=True)]
    product = np.mean([(r * p).mean(1) for r, p in pairs], axis=0)
    kept = product[np.isfinite(product)]
    error = np.hypot(kept.std() / np.sqrt(len(kept)), FILTER * np.mean([np.nanmean(p**2) for _, p in pairs]))
    sigma = float(kept.mean() / error)
    text = (
        f"the Kalman filter leaves correlation with the past ({sigma:.1f} standard errors): the rates are not those of"
    )
    return Check("innovations", sigma, SIGMA, text + " this record")


def _offset(e: Estimate) -> float:
    """What is subtracted from R/(eta kappa^2) to give xi."""
    return e.ratio_slope * e.ratio - e.xi


def _finite(y: np.ndarray) -> np.ndarray:
    return y[np.isfinite(y).all((1, 2))]


def _centred(y: np.ndarray) -> np.ndarray:
    if y.ndim == 2:
        y = y[:, None]
    return y - np.nanmean(y, 0)


def _independent(y: np.ndarray) -> float:
    """How many of the windows count as independent: the sum of correlations of their powers says it [c m q]."""
    if y.shape[1] == 1:
        return 1.0
    power = (y**2).mean(2)
    rho = np.corrcoef(power[np.isfinite(power).all(1)].T)
    return float(y.shape[1] ** 2 / max(np.abs(rho).sum(), y.shape[1]))
