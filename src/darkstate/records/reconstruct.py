"""From a record to the EPR variance of the cells: xi(t) with statistical and systematic error, and checks.

    y(t) = light in the mode exp(-gamma t') of [t, t + probe],   R = var y / var shot noise,
    xi(t) = [R - (1 - eta) - eta (U^2 + V^2 w)]/(eta kappa^2)

With the past record, y - alpha y_feed takes the place of y. Down: `light`, `estimate`, `conditional`; up:
`report.certificate`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from darkstate.errors import ArgumentError, InputError
from darkstate.records import checks
from darkstate.records.calibration import Calibration
from darkstate.records.checks import Check
from darkstate.records.conditional import best_exponential, exponents, kalman_weights
from darkstate.records.estimate import SYSTEMATIC, Estimate, estimate
from darkstate.records.light import Bins, bins_of, falling, mode_values, off_carrier, readout_of_bins, rising
from darkstate.records.statistics import Variance, variance

METHODS = ("unconditional", "exponential", "kalman")
"""Nothing of the past; its best exponential mode, chosen on other cycles; the Kalman filter of the calibration."""

TURN = 0.1
"""Angle by which the spins may turn against the reference within a window [rad]; it costs its square in kappa^2."""

FORGOTTEN = 2.0
"""Decay times after which what the Kalman filter assumed at the start no longer matters."""

_MIN_FEED = 5
"""Bins of light before a window below which there is no past to speak of."""


@dataclasses.dataclass(frozen=True)
class Reconstruction:
    """xi over time.

    Args:
        starts: when each read-out window begins, from the start of the light [s]; estimates: method to one `Estimate`
            per start; alpha: gain of the light in the exponential method [t]; exponent: its growth rate [1/s].
        checks: what the data say about themselves; calibration, probe [s], confidence: as used.
    """

    starts: np.ndarray
    estimates: dict[str, list[Estimate]]
    alpha: np.ndarray
    exponent: np.ndarray
    checks: tuple[Check, ...]
    calibration: Calibration
    probe: float
    confidence: float

    def __str__(self) -> str:
        lines = [f"  {'t (ms)':>8} {'xi':>8} {'stat.':>8} {'syst.':>8}   {self.confidence:.0%} interval"]
        for k in np.unique(np.linspace(0, len(self.starts) - 1, 12).astype(int)):
            e = self.estimates["unconditional"][k]
            rest = "".join(
                f"  {m} {found[k].xi:.3f} +- {found[k].total:.3f}"
                for m, found in self.estimates.items()
                if found[k].xi != e.xi
            )
            lines.append(
                f"  {1e3 * self.starts[k]:8.3f} {e.xi:8.4f} {e.xi_err:8.4f} {e.xi_sys:8.4f}   "
                f"{e.low:.3f} to {e.high:.3f}{rest}"
            )
        exact = self.calibration.exact
        if exact:
            lines.append(f"  without an uncertainty, counted as exact: {', '.join(exact)}")
        return "\n".join(lines + ([f"  does not fit: {c.text}" for c in self.failed] or ["  checks: all passed"]))

    def __repr__(self) -> str:
        return f"<Reconstruction of {len(self.starts)} windows, {len(self.failed)} of {len(self.checks)} checks failed>"

    def values(self, name: str, method: str = "unconditional") -> np.ndarray:
        """One field of the estimates over time [t], such as xi, xi_err, xi_sys, low, high, p_value, ratio."""
        return np.array([getattr(e, name) for e in self.estimates[method]])

    @property
    def failed(self) -> list[Check]:
        """Checks that did not pass: no claim may rest on this record."""
        return [c for c in self.checks if not c.passed]

    def to_dataset(self) -> xr.Dataset:
        """xi(method, t) with errors, budget, readout and checks."""
        methods = list(self.estimates)

        def stacked(name: str) -> np.ndarray:
            return np.stack([self.values(name, m) for m in methods])

        text = {
            "xi": "EPR variance (separable: at least 1)",
            "xi_err": "statistical standard error",
            "xi_sys": "systematic standard error",
            "low": f"lower end of the {self.confidence:.0%} interval",
            "high": f"upper end of the {self.confidence:.0%} interval",
            "p_value": "chance of so small a value if the cells are separable",
            "ratio": "detected variance over shot noise",
            "xi_retrodicted": "EPR variance given the light after, too; no witness holds for it",
        }
        axes = ("method", "t")
        data: dict[str, Any] = {
            name: (axes, stacked(name), {"units": "1", "long_name": long}) for name, long in text.items()
        }
        budget = [[[e.budget[k] for k in SYSTEMATIC] for e in self.estimates[m]] for m in methods]
        meaning = "change of xi with one standard error of a calibrated quantity"
        data["budget"] = ((*axes, "quantity"), np.array(budget), {"units": "1", "long_name": meaning})
        first = self.estimates[methods[0]]
        for name, long in (("kappa2", "kappa^2"), ("light", "U^2"), ("bath", "V^2")):
            values = np.array([float(getattr(e.readout, name)) for e in first])
            data[name] = ("t", values, {"units": "1", "long_name": long})
        if "exponential" in methods:
            data["alpha"] = ("t", self.alpha, {"units": "1", "long_name": "gain of the past light"})
            data["exponent"] = ("t", self.exponent, {"units": "1/s", "long_name": "growth rate of its mode"})
        for c in self.checks:
            data[f"check_{c.name}"] = ((), c.value, {"limit": c.limit, "passed": int(c.passed), "long_name": c.text})
        coords = {"method": methods, "t": ("t", self.starts, {"units": "s"}), "quantity": list(SYSTEMATIC)}
        return xr.Dataset(data, coords=coords, attrs={"probe_s": self.probe, "confidence": self.confidence})


def reconstruct(
    data: xr.Dataset,
    calibration: Calibration,
    *,
    probe: float | None = None,
    starts: Sequence[float] | None = None,
    methods: Sequence[str] = METHODS,
    confidence: float = 0.95,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Reconstruction:
    """Reconstruct xi(t) from a record.

    Args:
        data: a record with `signal` and `shot_noise`, purpose science or projection; calibration: of that apparatus.
        probe: length of the read-out windows [s]; None: that of the kappa^2 calibration.
        starts: when windows begin, from the start of the drive pulse [s]; None: one after the other.
        methods: out of `METHODS`; conditional ones only where there is light before the window, unconditional always.
        confidence: of the intervals; seed: of the draws of the calibration; progress: called with the share done.

    Raises:
        InputError: the record has no drive pulse or no shot noise, too few cycles, or another purpose; ArgumentError:
            unknown method, a window outside the pulse.

    Example:
        >>> from darkstate.records.simulate import Cells, Digitizer, simulate
        >>> from darkstate.records.schema import Pulse, sequence
        >>> from darkstate.records.calibration import calibration
        >>> cells = Cells(z=2.5, gamma_s=100.0, gamma_extra=170.0, xi=0.5)
        >>> r = simulate(cells, sequence(Pulse("drive", 1e-3)), Digitizer(), cycles=2000, shot_cycles=2000, seed=1)
        >>> c = calibration(z=2.5, gamma=270.0, kappa2=0.965861, kappa2_duration=1e-3, efficiency=1.0)
        >>> e = reconstruct(r, c).estimates["unconditional"][0]
        >>> abs(e.xi - 0.5) < 3 * e.xi_err < 0.2
        True
    """
    _refuse(data, calibration)
    probe = calibration["kappa2_duration"].value if probe is None else probe
    bad = [m for m in methods if m not in METHODS]
    if bad:
        raise ArgumentError(f"Argument `methods` must be out of {', '.join(METHODS)}, but holds {bad[0]!r}.")
    bins = bins_of(data, probe)
    at = _starts(bins, probe, starts)
    used = [m for m in METHODS if m == "unconditional" or (m in methods and _past(bins, at[-1]))]
    weights = _modes(bins, at, probe, calibration, used)
    y = _values(bins, weights, "signal", progress)
    windows = {k: weights[k] for k in ("read", "half", "late", "off")}
    light = {"shot_noise": _values(bins, windows, "shot_noise")}
    if "dark" in data:
        light["dark"] = _values(bins, windows, "dark")

    def estimated(series: Sequence[np.ndarray], window: str, length: float) -> list[Estimate]:
        pooled = {name: _pooled(bins, at, length, v[window], name) for name, v in light.items()}
        return [
            estimate(
                variance(s, what="the signal"),
                pooled["shot_noise"][k],
                pooled["dark"][k] if "dark" in pooled else None,
                readout_of_bins(bins, weights[window][k], calibration),
                calibration,
                lit=bins.before + float(at[k]),
                duration=length,
                confidence=confidence,
                seed=seed + k,
            )
            for k, s in enumerate(series)
        ]

    series, chosen = _series(bins, at, y, calibration, used)
    found = {m: estimated(series[m], "read", probe) for m in used}
    short = estimated(list(y["half"].transpose(1, 0, 2)), "half", probe / 2)
    made = _checks(bins, at, probe, calibration, y, light, series, found, short)
    return Reconstruction(at, found, chosen[:, 0], chosen[:, 1], made, calibration, probe, confidence)


def _refuse(data: xr.Dataset, c: Calibration) -> None:
    """Refuse what would give a number without meaning."""
    if not isinstance(data, xr.Dataset):
        raise ArgumentError(f"Argument `data` must be a record, but is {data!r:.60}; open_record(path) opens one.")
    if not isinstance(c, Calibration):
        raise ArgumentError(
            f"Argument `calibration` must be a Calibration, but is of type {type(c).__name__}; make one with "
            "lab_calibration(lab), read_calibration(path) or calibration(...)."
        )
    purpose = data.attrs.get("purpose")
    if purpose not in ("science", "projection"):
        raise InputError([f"the record is of purpose {purpose}; xi is read from science and projection records"])
    known, carrier = c.quantities.get("carrier"), float(data.attrs["carrier_hz"])
    turned = 2 * np.pi * abs(carrier - known.value) * c["kappa2_duration"].value if known else 0.0
    if known and turned > TURN and abs(carrier - known.value) > 5 * known.error:
        raise InputError(
            [
                f"the record is demodulated at {carrier:g} Hz, but the calibration found the spins at "
                f"{known.value:g} Hz; set carrier_hz of the record"
            ]
        )
    noise = c.quantities.get("electronic_noise")
    if noise is not None and noise.value > 3 * noise.error and "dark" not in data:
        raise InputError(
            [
                f"the calibration has electronic noise of {noise.value:.2g} shot noises, but the record has no `dark`; "
                "record the detector without light, too"
            ]
        )


def _starts(bins: Bins, probe: float, starts: Sequence[float] | None) -> np.ndarray:
    duration = bins.number * bins.step
    if starts is None:
        return np.arange(max(1, int(duration / probe * (1 + 1e-9)))) * probe
    at = np.sort(np.asarray(starts, float))
    if at.size == 0 or at[0] < 0 or at[-1] + probe > duration + bins.step:
        raise ArgumentError(
            f"Argument `starts` must lie between 0 and {max(0.0, duration - probe):g} s, so that windows of "
            f"{probe:g} s fit into the drive pulse, but spans {at.min(initial=0):g} to {at.max(initial=0):g} s."
        )
    return at


def _past(bins: Bins, start: float) -> bool:
    return bins.bin_at(start) >= _MIN_FEED


def _modes(bins: Bins, at: np.ndarray, probe: float, c: Calibration, used: Sequence[str]) -> dict[str, np.ndarray]:
    """Weights of every mode wanted, by what they are for [m b]."""
    gamma = c["gamma"].value
    found = {
        "read": [falling(bins, t, probe, gamma) for t in at],
        "half": [falling(bins, t, probe / 2, gamma) for t in at],
        "late": [falling(bins, t + probe / 2 + bins.shared * bins.step, probe / 2, gamma) for t in at],
        "off": list(off_carrier(bins)),
    }
    past = [k for k, t in enumerate(at) if _past(bins, t)]
    if "exponential" in used:
        found["feed"] = [rising(bins, at[k], m) for k in past for m in exponents(gamma)]
    if "kalman" in used:
        found["guess"] = [_guess(bins, found["read"][k], at[k], c) for k in past]
    return {name: np.stack(w) for name, w in found.items()}


def _guess(bins: Bins, read: np.ndarray, start: float, c: Calibration) -> np.ndarray:
    """What the Kalman filter expects of the read-out: kappa sqrt(eta) times its estimate of P, as weights of bins.

    With n samples of shot noise s^2 in a bin, Y_b = B_b sqrt(step/n)/s and y = sqrt(2 n) s y_det; s and n drop out.
    """
    kappa = np.sqrt(readout_of_bins(bins, read, c).kappa2)
    return kappa * np.sqrt(2 * c["efficiency"].value * bins.step) * kalman_weights(bins, bins.bin_at(start), c)


def _values(
    bins: Bins, weights: dict[str, np.ndarray], variable: str, progress: Callable[[float], None] | None = None
) -> dict[str, np.ndarray]:
    y = mode_values(bins, np.concatenate(list(weights.values())), variable=variable, progress=progress)
    ends = np.cumsum([len(w) for w in weights.values()])
    return dict(zip(weights, np.split(y, ends[:-1], 1), strict=True))


def _series(
    bins: Bins, at: np.ndarray, y: dict[str, np.ndarray], c: Calibration, used: Sequence[str]
) -> tuple[dict[str, list[np.ndarray]], np.ndarray]:
    """What is left of each window by method [c q], and (alpha, exponent) of the exponential one [t 2]."""
    n = len(at)
    past = [k for k, t in enumerate(at) if _past(bins, t)]
    found = {m: [y["read"][:, k] for k in range(n)] for m in used}
    chosen = np.full((n, 2), np.nan)
    for j, k in enumerate(past):
        if "exponential" in used:
            rates = exponents(c["gamma"].value)
            best = best_exponential(y["read"][:, k], y["feed"][:, j * len(rates) : (j + 1) * len(rates)], rates)
            found["exponential"][k] = best.residual
            chosen[k] = best.alpha, best.exponent
        if "kalman" in used:
            found["kalman"][k] = y["read"][:, k] - y["guess"][:, j]
    return found, chosen


def _pooled(bins: Bins, at: np.ndarray, length: float, y: np.ndarray, name: str) -> list[Variance]:
    """Variance of the light in every window; on the plateau it is one and the same, so those windows share theirs."""
    edge = bins.pulse.edge
    # the first samples of a filtered record lack light from before the pulse
    filtered = float(bins.data.attrs.get("filter_order", 0)) / float(bins.data.attrs["sample_rate_hz"])
    flat = (at >= edge + filtered) & (at + length <= bins.pulse.duration - edge + bins.step)
    apart, last = [], -np.inf
    for k in np.flatnonzero(flat):
        if at[k] >= last - 1e-12:
            apart.append(k)
            last = at[k] + length
    what = f"the {name} record".replace("_", " ")
    own = [variance(y[:, k], what=what) for k in (apart if flat.all() else range(len(at)))]
    if not flat.any():
        return own
    shared = [variance(y[:, k], what=what) for k in apart]
    dof = sum(v.dof for v in shared)
    mean = shared[0]._replace(value=sum(v.value * v.dof for v in shared) / dof, dof=dof)
    return [mean if flat[k] else own[k] for k in range(len(at))]


def _first_windows(y: dict[str, np.ndarray]) -> np.ndarray:
    """Six numbers that tell cycles apart [c 3 q]."""
    return np.stack([y[k][:, 0] for k in ("read", "half", "late")], 1)


def _checks(
    bins: Bins,
    at: np.ndarray,
    probe: float,
    c: Calibration,
    y: dict[str, np.ndarray],
    light: dict[str, dict[str, np.ndarray]],
    series: dict[str, list[np.ndarray]],
    found: dict[str, list[Estimate]],
    short: list[Estimate],
) -> tuple[Check, ...]:
    read = y["read"]
    window = slice(bins.first, bins.first + bins.number * bins.width)
    unconditional, shot = found["unconditional"], light["shot_noise"]
    made = [
        *checks.samples(bins.data, window),
        checks.missing(read),
        checks.repeated([_first_windows(y), _first_windows(shot)]),
        checks.gaussian(read),
        checks.balanced(read),
    ]
    made += [checks.stationary(read), checks.carrier(y["half"], y["late"], probe / 2), checks.positive(found)]
    made.append(checks.probe_independence(unconditional, short, read, y["half"]))
    made += [checks.light(y["off"], shot["off"], c["shot_noise"].error), checks.white(shot["half"], shot["late"])]
    if len(at) > 1:
        made.append(checks.course(unconditional, read, bins.before + at, c))
    if "guess" in y:
        # the filter begins with a coherent spin state, which need not be the true one; it forgets it within 1/gamma
        late = [k for k, t in enumerate(at) if t * c["gamma"].value >= FORGOTTEN]
        past = read.shape[1] - y["guess"].shape[1]
        if late:
            made.append(
                checks.innovations([series["kalman"][k] for k in late], [y["guess"][:, k - past] for k in late])
            )
    return tuple(made)
