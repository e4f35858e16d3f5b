"""Calibrate the light: decay times, coupling and noise levels, each from records of its own.

    <y(t)> ~ exp(-(gamma + 2 pi i delta) t)         a displaced spin, light on: gamma = 1/T2 and the carrier
    kappa^2 = <y_-, 2nd pulse> exp(gamma_dark t_gap)/<q_+, 1st pulse>     mean transfer (000 Eqs. 10, 11)

q_+ is measured without atoms; behind atoms it is smaller and kappa^2 comes out 6 to 35 % too large. Down:
`demodulate`, `statistics`; up: cli.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy.optimize import least_squares

from darkstate.errors import InputError
from darkstate.provenance import created
from darkstate.records.calibration import Calibration, Quantity, calibration
from darkstate.records.demodulate import TemporalMode, quadratures
from darkstate.records.io import record_digest
from darkstate.records.orientation import orientation_of
from darkstate.records.projection import shot_noise_linearity
from darkstate.records.schema import Pulse, pulses_of
from darkstate.records.statistics import Variance, variance

_PARTS = 20
"""Parts of a record left out in turn, for the error of a fit."""

_PIECES = 40
"""Pieces of a pulse; of 1 ms, they see noise within 40 kHz of the carrier."""


class Doubt(NamedTuple):
    """Something that does not fit: short name, significance in standard deviations, and what to do."""

    name: str
    sigma: float
    text: str


def decay(data: xr.Dataset, *, jx_decay: float = 0.0, share: float = 0.5) -> tuple[Quantity, Quantity]:
    """Total decay gamma [1/s] and true carrier [Hz], from spins displaced by an rf pulse with the light on.

    Args:
        data: purpose decay: rf, then drive. The mean of many cycles is fitted by one complex exponential; errors from
            leaving out one twentieth of the cycles in turn.
        jx_decay: decay of <Jx> [1/s], which takes sqrt(exp(-jx_decay t)) of the read-out and makes gamma_s smaller;
            share: gamma_s/gamma, how much of gamma that is.

    Raises:
        InputError: no drive pulse after the rf pulse, or no displacement that stands out of the noise.
    """
    pulse = _drives(data, 1)[0]
    flat = pulse.duration - 2 * pulse.edge
    y = quadratures(data, _pieces(pulse.start + pulse.edge, flat))
    t = (np.arange(_PIECES) + 0.5) * flat / _PIECES
    fading = np.exp(-jx_decay * t / 2)
    # time as gamma counts it: int gamma(t') dt'/gamma(0)
    elapsed = (1 - share) * t + share * (-np.expm1(-jx_decay * t) / jx_decay if jx_decay else t)

    def fit(part: np.ndarray) -> np.ndarray:
        z = part[..., 0].mean(0) + 1j * part[..., 1].mean(0)
        begin = [abs(z[0]), np.angle(z[0]), 1 / pulse.duration, 0.0]

        def left(p: np.ndarray) -> np.ndarray:
            misfit = z - p[0] * fading * np.exp(1j * p[1] - p[2] * elapsed - 1j * p[3] * t)
            return np.concatenate([misfit.real, misfit.imag])

        return least_squares(left, begin, x_scale=[abs(z[0]), 1.0, 1 / pulse.duration, 1 / pulse.duration]).x

    (_, _, gamma, turn), error = _jackknife(y, fit)
    if not gamma > 3 * error[2]:
        raise InputError(
            [
                f"the decay of the displaced spins is {gamma:.3g} +- {error[2]:.2g} /s, which is no result; displace "
                "them more, watch them longer, or take more cycles"
            ]
        )
    origin = (record_digest(data),)
    carrier = float(data.attrs["carrier_hz"]) + turn / (2 * np.pi)
    return (
        Quantity(float(gamma), float(error[2]), "decay of displaced spins, light on", origin),
        Quantity(float(carrier), float(error[3] / (2 * np.pi)), "phase of displaced spins", origin),
    )


def dark_decay(records: Sequence[xr.Dataset], gamma: float) -> Quantity:
    """Decay without light [1/s], from displaced spins read after two or more lengths of darkness.

    Args:
        records: purpose dark_decay: rf, dark, drive; at least two different dark times. gamma: decay with light [1/s].
    """
    waits, means, errors = [], [], []
    for data in records:
        pulse = _drives(data, 1)[-1]
        y = quadratures(data, [TemporalMode("falling", pulse.start, pulse.duration, gamma)])[:, 0]
        (value,), (error,) = _jackknife(y, lambda part: np.array([np.hypot(*part.mean(0))]))
        waits.append(sum(p.duration for p in pulses_of(data) if p.kind == "dark"))
        means.append(value)
        errors.append(error)
    if len(set(np.round(waits, 9))) < 2:
        raise InputError(["the decay in the dark needs records of at least two dark times"])
    relative = np.array(errors) / means
    line, covariance = np.polyfit(waits, np.log(means), 1, w=1 / relative, cov="unscaled")
    origin = tuple(record_digest(d) for d in records)
    return Quantity(float(-line[0]), float(np.sqrt(covariance[0, 0])), "decay of displaced spins in the dark", origin)


def mean_transfer(
    given: xr.Dataset, transferred: xr.Dataset, gamma: Quantity, gamma_dark: Quantity, *, jx_decay: float = 0.0
) -> tuple[Quantity, list[Doubt]]:
    """kappa^2 from the mean of light before and after it went through the atoms.

    Args:
        given: purpose input: the displaced pulse without atoms, S_3 measured. transferred: purpose transfer: the same
            pulse on atoms, X -> P, second pulse, S_2 measured. gamma, gamma_dark: decay with light and without [1/s].
        jx_decay: decay of <Jx> with light [1/s]; kappa follows its root, and is wanted when the light turns on.

    Returns:
        kappa^2 of a pulse as long as both, and what does not fit: atoms in the input record, cosine and
        sine swapped between the records.
    """
    first, second = _drives(transferred, 2)[:2]
    sent = _drives(given, 1)[0]
    if not np.allclose([first.duration, second.duration], sent.duration, rtol=1e-6):
        raise InputError(
            [
                f"the pulses of the mean transfer last {1e3 * sent.duration:g}, {1e3 * first.duration:g} and "
                f"{1e3 * second.duration:g} ms; kappa^2 belongs to one length, make them equal"
            ]
        )
    gap = first.edge + sum(
        p.duration for p in pulses_of(transferred) if p.kind == "dark" and first.end <= p.start < second.start
    )
    q = quadratures(given, [TemporalMode("rising", sent.start, sent.duration, gamma.value)])[:, 0]
    y = quadratures(transferred, [TemporalMode("falling", second.start, second.duration, gamma.value)])[:, 0]
    ratio, error = _ratio(q, y)
    if "shot_noise" in given and "shot_noise" in transferred:
        # the gain of the detector may differ between the records; the shot noise knows it
        noise = [light_noise(d)["shot_noise"] for d in (given, transferred)]
        gain = np.sqrt(noise[0].value / noise[1].value)
        known = np.linalg.norm([n.error / n.value / 2 for n in noise])
        ratio, error = ratio * gain, float(np.hypot(error * gain, abs(ratio) * gain * known))
    lost = np.exp(gamma_dark.value * gap + jx_decay * _lit(sent))
    value = float(ratio.real * lost)
    spread = float(np.hypot(error * lost, value * gap * gamma_dark.error))
    # the modes themselves follow gamma: both lose overlap to second order only
    origin = (record_digest(given), record_digest(transferred))
    return Quantity(value, spread, "mean transfer", origin), [
        *_swapped(ratio, error),
        *_atoms_in_input(given, sent, gamma.value),
    ]


def light_noise(data: xr.Dataset) -> dict[str, Quantity]:
    """Shot noise per sample near the carrier, in the record's units squared, and electronic noise relative to it.

    Example:
        >>> from darkstate.records.schema import sequence
        >>> from darkstate.records.simulate import Cells, Digitizer, simulate
        >>> cells, seen = Cells(z=2.5, gamma_s=100.0, gamma_extra=170.0), Digitizer(electronic_noise=0.1)
        >>> one = simulate(cells, sequence(Pulse("drive", 1e-3)), seen, cycles=20, shot_cycles=4000, dark_cycles=4000,
        ...                seed=1)
        >>> found = light_noise(one)
        >>> abs(found["electronic_noise"].value - 0.1) < 3 * found["electronic_noise"].error < 0.02
        True
    """
    shot = _noise(data, "shot_noise")
    origin = (record_digest(data),)
    if "dark" not in data:
        return {"shot_noise": Quantity(shot.value, shot.error, "light without atoms", origin)}
    dark = _noise(data, "dark")
    light = shot.minus(dark)
    relative = float(np.hypot(dark.error / dark.value, light.error / light.value))
    share = dark.value / light.value
    return {
        "shot_noise": Quantity(light.value, light.error, "light without atoms less no light", origin),
        "electronic_noise": Quantity(share, share * relative, "no light over shot noise", origin),
    }


def _lit(pulse: Pulse) -> float:
    """Length of a pulse at full power with the same light in it: half a cosine of power counts half."""
    return pulse.duration - pulse.edge


def _noise(data: xr.Dataset, variable: str) -> Variance:
    """Variance of many short modes of the last drive pulse: noise near the carrier, forty times better known."""
    pulse = _drives(data, 1)[-1]
    modes = _pieces(pulse.start + pulse.edge, pulse.duration - 2 * pulse.edge)
    y = quadratures(data, modes, variable=variable)
    return variance(y.reshape(len(y), -1), what=f"the {variable} record".replace("_", " "))


def _pieces(start: float, duration: float) -> list[TemporalMode]:
    return [TemporalMode("flat", start + k * duration / _PIECES, duration / _PIECES) for k in range(_PIECES)]


def calibrate(
    records: Sequence[xr.Dataset],
    *,
    given: Calibration,
    progress: Callable[[float], None] | None = None,
) -> tuple[Calibration, list[Doubt]]:
    """A calibration from a set of records.

    Args:
        records: of any purpose; decay, input and transfer are needed; dark_decay, science, orientation and power (at
            four or more powers, light only) used if there.
        given: what records do not tell (z, efficiency, bath ...), usually `lab_calibration` of the lab file.
        progress: called with the share done.

    Returns:
        The calibration, and what does not fit.

    Raises:
        InputError: a needed record is missing, or the outcome is impossible.
    """
    by = {p: [r for r in records if r.attrs["purpose"] == p] for p in {r.attrs["purpose"] for r in records}}
    lacking = [p for p in ("decay", "input", "transfer") if p not in by]
    if lacking:
        raise InputError(
            [f"a calibration needs records of the purposes decay, input and transfer; missing: {', '.join(lacking)}"]
        )
    for purpose in ("decay", "input", "transfer", "science", "orientation"):
        if len(by.get(purpose, [])) > 1:
            names = ", ".join(str(r.encoding.get("source", "?")) for r in by[purpose])
            raise InputError([f"there are {len(by[purpose])} records of purpose {purpose} ({names}); give one of them"])
    report = progress or (lambda share: None)
    gamma, carrier = decay(by["decay"][0], jx_decay=given.early_jx_decay, share=given.gamma_s / given["gamma"].value)
    report(0.3)
    if len(by.get("dark_decay", [])) > 1:
        dark = dark_decay(by["dark_decay"], gamma.value)
    elif "gamma_dark" in given.quantities:
        dark = given["gamma_dark"]
    else:
        raise InputError(
            ["the decay in the dark between the pulses is not known; add dark_decay records or give gamma_dark"]
        )
    report(0.5)
    kappa2, doubts = mean_transfer(by["input"][0], by["transfer"][0], gamma, dark, jx_decay=given.early_jx_decay)
    report(0.8)
    found: dict[str, Any] = {**given.quantities, "gamma": gamma, "carrier": carrier, "gamma_dark": dark}
    found["kappa2"] = kappa2
    found["kappa2_duration"] = Quantity(_lit(_drives(by["input"][0], 1)[0]), 0.0, "length of the pulses")
    if by.get("science"):
        found |= {k: q for k, q in light_noise(by["science"][0]).items() if k == "electronic_noise"}
    if by.get("orientation"):
        seen = orientation_of(by["orientation"][0])
        origin = (record_digest(by["orientation"][0]),)
        found["orientation"] = Quantity(seen.value, seen.error, "magneto-optical resonance signal", origin)
    doubts += _not_linear(by.get("power", []))
    off = carrier.value - float(by["decay"][0].attrs["carrier_hz"])
    if abs(off) > 5 * carrier.error and abs(2 * np.pi * off) > 0.01 * gamma.value:
        text = f"the spins precess {off:+.1f} Hz off the carrier; demodulate at {carrier.value:.1f} Hz"
        doubts.append(Doubt("carrier", abs(off) / carrier.error, text))
    report(1.0)
    kept = {k: r for k, r in given.correlations.items() if not {"gamma", "kappa2", "gamma_dark"} & set(k.split())}
    return calibration(date=created(), source=given.source, course=given.course, correlations=kept, **found), doubts


def _not_linear(records: Sequence[xr.Dataset]) -> list[Doubt]:
    """Light noise that grows faster than the power is no shot noise; needs records at four powers."""
    if len({r.attrs.get("power_w") for r in records} - {None}) < 4:
        return []
    noise = [_noise(r, "signal") for r in records]
    power = np.array([r.attrs["power_w"] for r in records], float)
    fit = shot_noise_linearity(power, np.array([v.value for v in noise]), np.array([v.error for v in noise]))
    if not fit.classical_is_significant:
        return []
    share = fit.classical * power.max() / fit.per_watt
    text = (
        f"the light noise is not linear in its power: {share:.1%} of it at {1e3 * power.max():.3g} mW is classical, "
        "which counts as shot noise here and hides atomic noise"
    )
    return [Doubt("classical_light", abs(fit.classical) / fit.classical_err, text)]


def _drives(data: xr.Dataset, least: int) -> list[Pulse]:
    found = [p for p in pulses_of(data) if p.kind == "drive"]
    if len(found) < least:
        raise InputError(
            [f"a record of purpose {data.attrs['purpose']} has {len(found)} drive pulses; it needs at least {least}"]
        )
    return found


def _jackknife(y: np.ndarray, fit: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """A fit to all cycles, and its error from leaving out one part of them in turn."""
    y = y[np.isfinite(y).reshape(len(y), -1).all(1)]
    if len(y) < _PARTS:
        raise InputError([f"a calibration record has {len(y)} usable cycles; it needs at least {_PARTS}"])
    parts = np.array_split(np.arange(len(y)), _PARTS)
    left_out = np.array([fit(np.delete(y, part, 0)) for part in parts])
    return fit(y), left_out.std(0) * np.sqrt(_PARTS - 1)


def _ratio(q: np.ndarray, y: np.ndarray) -> tuple[complex, float]:
    """Complex <y>/<q> and its standard error in each part."""
    a, b = (v[..., 0] + 1j * v[..., 1] for v in (q, y))
    top, bottom = b.mean(), a.mean()
    noise = [v.std() / np.sqrt(2 * len(v)) for v in (a, b)]
    if abs(bottom) < 10 * noise[0]:
        raise InputError(["the input record shows no displaced light; displace it more or take more cycles"])
    ratio = top / bottom
    return ratio, float(np.hypot(noise[1], abs(ratio) * noise[0]) / abs(bottom))


def _swapped(ratio: complex, error: float) -> list[Doubt]:
    degrees = np.degrees(np.angle(ratio))
    if abs(ratio.imag) < max(5 * error, 0.1 * abs(ratio)):
        return []
    text = (
        f"the transferred light is turned by {degrees:.0f} degrees against the input (0 expected): cosine and sine are "
        "swapped between the records, or the reference has another phase"
    )
    return [Doubt("swapped", abs(ratio.imag) / error, text)]


def _atoms_in_input(given: xr.Dataset, pulse: Pulse, gamma: float) -> list[Doubt]:
    if "shot_noise" not in given:
        return []
    mode = [TemporalMode("falling", pulse.start, pulse.duration, gamma)]
    seen, shot = (variance(quadratures(given, mode, variable=v)[:, 0]) for v in ("signal", "shot_noise"))
    ratio = seen.value / shot.value
    error = ratio * np.sqrt(2 / seen.dof + 2 / shot.dof)
    if abs(ratio - 1) < 4 * error:
        return []
    text = (
        f"the input record has {ratio:.3f} +- {error:.3f} of the shot noise (1 expected): there are atoms in its "
        "light, which makes kappa^2 too large"
    )
    return [Doubt("atoms_in_input", abs(ratio - 1) / error, text)]
