"""Which mistake explains a record that does not fit: every known one is tried, and ranked by how much better it fits.

The variance of windows of many lengths from one start depends on kappa^2, eta, the shot noise and the decay in
different ways: chi^2 over the lengths tells them apart. What calibration records show is ranked along. Down:
`light`, `estimate`, `checks`, `calibrate`; up: cli.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.optimize import minimize

from darkstate.gaussian.input_output import coupling, detected
from darkstate.records import checks
from darkstate.records.calibrate import mean_transfer
from darkstate.records.calibration import Calibration, Quantity
from darkstate.records.light import bins_of, falling, mode_values, readout_of_bins

LENGTHS = 7
"""Lengths of the windows, from a tenth of the probe to three times as long where the pulse allows."""

NAMED = 3.0
"""Standard deviations from which a mistake is named."""


class Suspect(NamedTuple):
    """A mistake that would explain the record.

    Args:
        name: short name; sigma: significance in standard deviations; text: what it is and what to do.
    """

    name: str
    sigma: float
    text: str


class _Data(NamedTuple):
    """Detected variance over shot noise [l], its covariance [l l], and what predicts it."""

    ratio: np.ndarray
    covariance: np.ndarray
    predict: Callable[[Calibration, float], np.ndarray]


def fingerprint(
    data: xr.Dataset,
    calibration: Calibration,
    *,
    expected_xi: float | None = None,
    given: xr.Dataset | None = None,
    transferred: xr.Dataset | None = None,
) -> list[Suspect]:
    """Mistakes that explain what does not fit, the most significant first; empty if nothing does.

    Args:
        data: a record with `signal` and `shot_noise`; calibration: it was to be read with.
        expected_xi: EPR variance when the light turns on, where it is known (1 for a coherent spin state); None: free.
        given, transferred: records of the purposes input and transfer behind kappa^2, if there.

    Returns:
        Suspects of at least three standard deviations.

    Example:
        >>> from darkstate.records.calibration import calibration
        >>> from darkstate.records.schema import Pulse, sequence
        >>> from darkstate.records.simulate import Cells, Digitizer, simulate
        >>> cells, seen = Cells(z=2.5, gamma_s=100.0, gamma_extra=170.0), Digitizer(full_scale=2.0)
        >>> cut = simulate(cells, sequence(Pulse("drive", 1e-3)), seen, cycles=100, shot_cycles=100, seed=1)
        >>> known = calibration(z=2.5, gamma=270.0, kappa2=0.966, kappa2_duration=1e-3, efficiency=1.0)
        >>> fingerprint(cut, known)[0].name
        'clipped'
    """
    found = _of_checks(data, calibration)
    if given is not None and transferred is not None:
        gamma, dark = calibration["gamma"], calibration.quantities.get("gamma_dark", Quantity(0.0))
        found += [Suspect(d.name, d.sigma, d.text) for d in mean_transfer(given, transferred, gamma, dark)[1]]
    found += _of_lengths(_lengths(data, calibration), calibration, expected_xi)
    # eta and kappa^2 enter almost alike; between near equals, a detector that loses nothing is the less likely
    return sorted((s for s in found if s.sigma >= NAMED), key=lambda s: -s.sigma - (s.name == "efficiency"))


def _of_checks(data: xr.Dataset, c: Calibration) -> list[Suspect]:
    """What the samples show by themselves."""
    probe = c["kappa2_duration"].value
    bins = bins_of(data, probe)
    gamma = c["gamma"].value
    longest = bins.number * bins.step
    windows = [falling(bins, 0.0, probe, gamma)]
    windows += [falling(bins, t, longest / 4, gamma) for t in (0.0, longest / 4)]
    y = mode_values(bins, np.stack(windows))
    made = [
        *checks.samples(data, slice(bins.first, bins.first + bins.number * bins.width)),
        checks.gaussian(y[:, :1]),
        checks.stationary(y[:, :1]),
        checks.carrier(y[:, 1:2], y[:, 2:3], longest / 4),
    ]
    # a share of samples is no number of standard deviations; beyond its limit it is certain
    shares = ("clipped", "spikes")
    return [Suspect(m.name, 99.0 if m.name in shares else abs(m.value), m.text) for m in made if not m.passed]


def _lengths(data: xr.Dataset, c: Calibration) -> _Data:
    probe, gamma = c["kappa2_duration"].value, c["gamma"].value
    bins = bins_of(data, probe)
    lengths = np.geomspace(probe / 10, min(3 * probe, bins.number * bins.step), LENGTHS)
    weights = np.stack([falling(bins, 0.0, t, gamma) for t in lengths])
    values = [_power(mode_values(bins, weights, variable=v)) for v in ("signal", "shot_noise")]
    if "dark" in data:
        electronic = _power(mode_values(bins, weights, variable="dark")).mean(0)
        values = [v - electronic for v in values]
    means = [v.mean(0) for v in values]
    ratio = means[0] / means[1]
    parts = [np.cov((v / m).T) / len(v) for v, m in zip(values, means, strict=True)]
    covariance = np.outer(ratio, ratio) * (parts[0] + parts[1])

    def predict(c: Calibration, xi: float) -> np.ndarray:
        readouts = [readout_of_bins(bins, w, c) for w in weights]
        eta, w, shot = (c[n].value for n in ("efficiency", "bath", "shot_noise"))
        return np.array([float(detected(xi, r, eta, w)) for r in readouts]) * shot

    return _Data(ratio, covariance, predict)


def _power(y: np.ndarray) -> np.ndarray:
    kept = y[np.isfinite(y).all((1, 2))]
    return ((kept - kept.mean(0)) ** 2).mean(2)


def _of_lengths(d: _Data, c: Calibration, expected: float | None) -> list[Suspect]:
    """Fit every hypothesis to the variances of all window lengths."""
    known = d.covariance + _calibration_covariance(d, c)
    inverse = np.linalg.inv(known)

    def fit(change: Callable[[float], Calibration], begin: float | None) -> tuple[float, float]:
        """chi^2 and the value of the parameter; `begin` None: there is none."""

        def chi(p: np.ndarray) -> float:
            with_change = change(p[-1])
            ratio = d.predict(with_change, 0.0)
            slope = d.predict(with_change, 1.0) - ratio
            xi = expected if expected is not None else (slope @ inverse @ (d.ratio - ratio)) / (slope @ inverse @ slope)
            left = d.ratio - ratio - xi * slope
            return float(left @ inverse @ left)

        if begin is None:
            return chi(np.array([0.0])), 0.0
        best = minimize(chi, [begin], method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-3})
        return float(best.fun), float(best.x[0])

    plain, _ = fit(lambda _: c, None)
    found = []
    for name, (change, begin, text) in _hypotheses(c).items():
        try:
            chi, value = fit(change, begin)
        except (ValueError, np.linalg.LinAlgError):
            continue
        gain = max(plain - chi - (begin is not None), 0.0)
        found.append(Suspect(name, float(np.sqrt(gain)), text.format(value)))
    return found


def _hypotheses(c: Calibration) -> dict[str, tuple[Callable[[float], Calibration], float | None, str]]:
    """Name to (calibration with the mistake undone, start of its parameter or None, sentence)."""
    found: dict[str, tuple[Callable[[float], Calibration], float | None, str]] = {
        "shot_noise": (
            lambda p: c.with_values(shot_noise=abs(p)),
            1.0,
            "the shot noise is off: all fits if it truly is {:.3f} of what was recorded; record it at the same power",
        ),
        "unreduced_kappa2": (
            lambda _: c.with_values(kappa2=_reduced(c)),
            None,
            f"kappa^2 = {c['kappa2'].value:.3g} is the unreduced value: decay leaves {_reduced(c):.3g} of it, use that",
        ),
        "atoms_in_input": (
            lambda _: c.with_values(kappa2=_without_atoms(c)),
            None,
            f"kappa^2 = {c['kappa2'].value:.3g} was calibrated with atoms in the input record: without them it is "
            f"{_without_atoms(c):.3g}",
        ),
    }
    if c["efficiency"].value > 0.99:
        found["efficiency"] = (
            lambda p: c.with_values(efficiency=float(np.clip(p, 0.05, 1.0))),
            0.9,
            "eta was ignored: all fits if {:.3f} of the light is detected in place of all; measure the losses",
        )
    return found


def _reduced(c: Calibration) -> float:
    """kappa^2 if the one given is Z^2 (1 - exp(-2 gamma_s T))."""
    z, gamma, kappa2, t = (c[n].value for n in ("z", "gamma", "kappa2", "kappa2_duration"))
    s = -np.log1p(-min(kappa2 / z**2, 0.999)) / (2 * t)
    return float(coupling(z, s, gamma - s, t))


def _without_atoms(c: Calibration) -> float:
    """kappa^2 if <q_+> was measured behind the atoms.

    They leave 1 - (gamma_s/gamma)(1 - x/(e^x - 1)) of it, x = 2 gamma T.
    """
    z, gamma, kappa2, t = (c[n].value for n in ("z", "gamma", "kappa2", "kappa2_duration"))
    x = 2 * gamma * t
    taken, most = 1 - x / np.expm1(x), -(z**2) * np.expm1(-x)
    # true = kappa2 (1 - (true/most) taken)
    return float(kappa2 / (1 + kappa2 * taken / most))


def _calibration_covariance(d: _Data, c: Calibration) -> np.ndarray:
    """What the stated errors of the calibration do to the predicted variances, all at once [l l]."""
    total = np.zeros_like(d.covariance)
    for name in ("kappa2", "efficiency", "gamma", "bath", "shot_noise"):
        q = c[name]
        if q.error:
            step = d.predict(c.with_values(**{name: q.value + q.error}), 1.0) - d.predict(c, 1.0)
            total += np.outer(step, step)
    return total
