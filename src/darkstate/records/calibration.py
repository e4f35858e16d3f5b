"""A calibration: the few numbers that turn light noise into atomic noise, each with its error and where it came from.

    Z, gamma = 1/T2 with the light on, kappa^2 of a pulse of known length, eta, w, decay of <Jx>

kappa^2 and gamma give both rates: gamma_s = gamma kappa^2/[Z^2 (1 - exp(-2 gamma T))]. Kept as calibration.toml.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from darkstate.errors import InputError
from darkstate.gaussian.input_output import coupling, rates_of_coupling
from darkstate.storage import write_atomic


@dataclasses.dataclass(frozen=True)
class Quantity:
    """A calibrated number.

    Args:
        value, error: SI; error is one standard error; method: how it was found; records: digests of what it is from.
    """

    value: float
    error: float = 0.0
    method: str = "given"
    records: tuple[str, ...] = ()


UNITS = {
    "z": "1",
    "gamma": "1/s",
    "kappa2": "1",
    "kappa2_duration": "s",
    "efficiency": "1",
    "bath": "1",
    "shot_noise": "1",
    "jx_decay": "1/s",
    "gamma_dark": "1/s",
    "gamma_s": "1/s",
    "gamma_extra": "1/s",
    "orientation": "1",
    "electronic_noise": "1",
    "carrier": "Hz",
}
"""Everything a calibration may hold, with its unit; the first five are needed, the rest has a default or is a check."""

EARLY = 3e-3
"""A time with light that is short against the decay of <Jx> [s]."""

NEEDED = ("z", "gamma", "kappa2", "kappa2_duration", "efficiency")
_DEFAULTS = {"bath": 1.0, "shot_noise": 1.0, "jx_decay": 0.0}


@dataclasses.dataclass(frozen=True)
class Course:
    """<Jx> over its start and w, over the time with light [s]; straight lines between."""

    times: tuple[float, ...]
    jx: tuple[float, ...]
    bath: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Quantities by name.

    Args:
        quantities: z: Z; gamma: total amplitude decay 1/T2 with the light on; kappa2 of a pulse as long as
            kappa2_duration at the start of a cycle; efficiency: eta; bath: w when the light turns on (default 1);
            shot_noise: true shot noise over the recorded one (default 1, its error is how well the shot noise is
            known); jx_decay: decay rate of
            <Jx> with the light on (default 0). gamma_s, gamma_extra: measured another way, a check.
        date: when, ISO 8601; source: of what.
        course: how <Jx> and w go on with the light on, where they are not exp(-jx_decay t) and constant.
        correlations: of the errors of two quantities, "kappa2 z" (in the order of the alphabet) to a number; none: 0.

    Example:
        >>> c = calibration(z=2.5, gamma=270.0, kappa2=(0.966, 0.01), kappa2_duration=1e-3, efficiency=(0.84, 0.03))
        >>> print(f"{c.gamma_s:.1f} {c.gamma_extra:.1f} {c['bath'].value}")
        100.0 170.0 1.0
    """

    quantities: dict[str, Quantity]
    date: str = ""
    source: str = ""
    course: Course | None = None
    correlations: dict[str, float] = dataclasses.field(default_factory=dict)

    def covariance(self, names: Sequence[str]) -> np.ndarray:
        """Covariance of the errors of some quantities."""
        sigma = np.array([self[n].error for n in names])
        rho = np.array([[a == b or self.correlations.get(" ".join(sorted((a, b))), 0.0) for b in names] for a in names])
        return np.outer(sigma, sigma) * rho.astype(float)

    def __getitem__(self, name: str) -> Quantity:
        """A quantity; its default if it is not there."""
        return self.quantities.get(name) or Quantity(_DEFAULTS[name], 0.0, "default")

    def jx(self, time: Any) -> np.ndarray:
        """<Jx> after some time with light, over its start."""
        if self.course is not None:
            return np.interp(time, self.course.times, self.course.jx)
        return np.exp(-self["jx_decay"].value * np.asarray(time))

    def bath(self, time: Any) -> np.ndarray:
        """w after some time with light."""
        if self.course is not None:
            return np.interp(time, self.course.times, self.course.bath)
        return np.full(np.shape(time), self["bath"].value)

    @property
    def early_jx_decay(self) -> float:
        """Decay rate of <Jx> in the first milliseconds [1/s]."""
        return float(-np.log(self.jx(EARLY)) / EARLY)

    @property
    def rates(self) -> tuple[float, float]:
        """(gamma_s, gamma_extra) at the start of a cycle [1/s]."""
        z, gamma, kappa2, duration = (self[n].value for n in ("z", "gamma", "kappa2", "kappa2_duration"))
        s, extra = rates_of_coupling(z, gamma, kappa2, duration)
        return float(s), float(extra)

    @property
    def gamma_s(self) -> float:
        """Amplitude rate of the entangling process [1/s]."""
        return self.rates[0]

    @property
    def gamma_extra(self) -> float:
        """Amplitude rate of the transverse decay [1/s]."""
        return self.rates[1]

    @property
    def exact(self) -> tuple[str, ...]:
        """Quantities of the systematic error that carry no error of their own."""
        return tuple(n for n in ("z", "gamma", "kappa2", "efficiency") if not self[n].error)

    def with_values(self, **values: float) -> Calibration:
        """The same with other values; errors stay."""
        new = {k: dataclasses.replace(self[k], value=float(v)) for k, v in values.items()}
        return dataclasses.replace(self, quantities={**self.quantities, **new})

    def __str__(self) -> str:
        lines = []
        for name, q in self.quantities.items():
            error = f" +- {q.error:.3g}" if q.error else ""
            unit = "" if UNITS[name] == "1" else f" {UNITS[name]}"
            lines.append(f"  {name:<16} {q.value:.6g}{error}{unit:<5} {q.method}")
        s, extra = self.rates
        return "\n".join([*lines, f"  {'split':<16} gamma_s = {s:.4g} /s, gamma_extra = {extra:.4g} /s"])


def calibration(
    *,
    date: str = "",
    source: str = "",
    course: Course | None = None,
    correlations: dict[str, float] | None = None,
    **values: Any,
) -> Calibration:
    """Make a calibration from numbers, or pairs (value, error).

    Raises:
        InputError: something is missing, unknown, out of range, or kappa^2 is larger than the rates allow.

    Example:
        >>> calibration(z=2.5, gamma=270.0, kappa2=1.21, kappa2_duration=1e-3, efficiency=0.84, gamma_s=100.0)
        Traceback (most recent call last):
        darkstate.errors.InputError: kappa^2 = 1.21 is impossible with these gammas; the largest is 0.966. Most likely
        ...
    """
    quantities = {}
    for name, value in values.items():
        if isinstance(value, Quantity):
            quantities[name] = value
        else:
            number, error = value if isinstance(value, tuple) else (value, 0.0)
            quantities[name] = Quantity(float(number), float(error))
    made = Calibration(quantities, date, source, course, dict(correlations or {}))
    found = problems(made)
    if found:
        raise InputError(found)
    return made


def problems(c: Calibration) -> list[str]:
    """What is wrong with a calibration, one sentence each."""
    found = []
    for name in c.quantities:
        if name not in UNITS:
            near = get_close_matches(name, UNITS, 1)
            found.append(f"{name} is no calibrated quantity; " + (f"did you mean {near[0]}?" if near else _known()))
    found += _correlation_problems(c)
    found += [f"{name} is missing in the calibration; {_known()}" for name in NEEDED if name not in c.quantities]
    if found:
        return found
    ranges = {"z": (0, np.inf), "gamma": (0, np.inf), "kappa2": (0, np.inf), "kappa2_duration": (0, np.inf)}
    ranges |= {"efficiency": (0, 1), "bath": (0, np.inf), "shot_noise": (0, np.inf)}
    for name, q in c.quantities.items():
        if name not in ranges and not (q.value >= 0 and q.error >= 0 and np.isfinite([q.value, q.error]).all()):
            found.append(f"{name} = {q.value:g} +- {q.error:g} must be finite and at least 0")
    for name, (low, high) in ranges.items():
        q = c[name]
        if not (low < q.value <= high and q.error >= 0 and np.isfinite([q.value, q.error]).all()):
            top = f" and at most {high:g}" if np.isfinite(high) else ""
            found.append(f"{name} = {q.value:g} +- {q.error:g} must be greater than {low:g}{top}, errors at least 0")
    return found or _coupling_problems(c)


def _correlation_problems(c: Calibration) -> list[str]:
    names = sorted({n for pair in c.correlations for n in pair.split(" ")})
    for pair, rho in c.correlations.items():
        two = pair.split(" ")
        if len(two) != 2 or two != sorted(set(two)) or set(two) - c.quantities.keys() or not -1 <= rho <= 1:
            return [
                f"correlation {pair!r} = {rho:g} must name two calibrated quantities in the order of the alphabet, "
                "such as 'kappa2 z', and lie between -1 and 1"
            ]
    unit = dataclasses.replace(c, quantities={n: Quantity(0.0, 1.0) for n in names})
    if names and np.linalg.eigvalsh(unit.covariance(names))[0] < -1e-9:
        return ["the correlations contradict each other: no errors have them all"]
    return []


def _known() -> str:
    return f"needed are {', '.join(NEEDED)}"


def _coupling_problems(c: Calibration) -> list[str]:
    """kappa^2 against what the rates allow, three standard errors granted."""
    z, gamma, kappa2, duration = (c[n].value for n in ("z", "gamma", "kappa2", "kappa2_duration"))
    given = {n: c.quantities[n].value for n in ("gamma_s", "gamma_extra") if n in c.quantities}
    s = given.get("gamma_s", gamma - given.get("gamma_extra", 0.0))
    s = min(s, gamma)
    largest = float(coupling(z, s, gamma - s, duration))
    unreduced = float(coupling(z, s, 0.0, duration))
    # the ceiling itself is known only as well as the rates it is made of
    spread = max((c.quantities[n].error / abs(c.quantities[n].value) for n in given if given[n]), default=0.0)
    slack = 3 * np.hypot(c["kappa2"].error, largest * spread) + 1e-3 * largest
    if kappa2 <= largest + slack:
        return []
    reason = "the rates or the length of the pulse are those of another run"
    if given and abs(kappa2 / unreduced - 1) < 0.08:
        reason = "the unreduced value Z^2 (1 - exp(-2 gamma_s T)) was given"
    elif not given:
        reason = "gamma leaves out a part of the decay"
    return [
        f"kappa^2 = {kappa2:.3g} is impossible with these gammas; the largest is {largest:.3g}. Most likely {reason}; "
        "give the value that the mean transfer measures, which decay has reduced"
    ]


def save_calibration(c: Calibration, path: str | Path) -> Path:
    """Write calibration.toml, whole or not at all.

    Example:
        >>> import tempfile
        >>> c = calibration(z=2.5, gamma=270.0, kappa2=0.966, kappa2_duration=1e-3, efficiency=0.84)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     read_calibration(save_calibration(c, f"{folder}/calibration.toml")) == c
        True
    """
    lines = ["# What turns light noise into atomic noise: SI units, one standard error.", f"date = {_text(c.date)}"]
    lines.append(f"source = {_text(c.source)}")
    for name, q in c.quantities.items():
        lines += ["", f"[{name}]", f"value = {q.value!r}", f"error = {q.error!r}", f'unit = "{UNITS[name]}"']
        lines += [f"method = {_text(q.method)}", f"records = [{', '.join(map(_text, q.records))}]"]
    if c.course is not None:
        lines += ["", "[course]", *(f"{k} = {list(v)!r}" for k, v in dataclasses.asdict(c.course).items())]
    if c.correlations:
        lines += ["", "[correlations]", *(f"{_text(pair)} = {rho!r}" for pair, rho in c.correlations.items())]
    return write_atomic(path, "\n".join(lines) + "\n")


def _text(value: str) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def read_calibration(path: str | Path) -> Calibration:
    """Read calibration.toml.

    Raises:
        InputError: no such file, not TOML, or every problem of `calibration`, with the path.
    """
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise InputError([f"{path} cannot be read: {reason}; `darkstate calibrate` writes one"]) from error
    except tomllib.TOMLDecodeError as error:
        raise InputError([f"{path}: {error}; `darkstate calibrate` writes a file that can be edited"]) from error
    quantities, found = {}, []
    for name, table in data.items():
        if not isinstance(table, dict) or name in ("correlations", "course"):
            continue
        try:
            if table.get("unit", UNITS.get(name)) != UNITS.get(name) and name in UNITS:
                found.append(f"[{name}] unit is {table['unit']!r}; it must be {UNITS[name]!r}")
            records = tuple(str(r) for r in table.get("records", ()))
            method = str(table.get("method", "given"))
            quantities[name] = Quantity(float(table["value"]), float(table.get("error", 0.0)), method, records)
        except (KeyError, TypeError, ValueError):
            found.append(f"[{name}] needs `value`, a number, and may have `error`, `unit`, `method`, `records`")
    between = data.get("correlations", {})
    if not (isinstance(between, dict) and all(isinstance(v, (int, float)) for v in between.values())):
        found.append("[correlations] must hold numbers")
        between = {}
    course = None
    if "course" in data:
        try:
            course = Course(**{k: tuple(map(float, v)) for k, v in data["course"].items()})
            if len({len(course.times), len(course.jx), len(course.bath)}) > 1 or np.any(np.diff(course.times) <= 0):
                raise ValueError
        except (AttributeError, TypeError, ValueError):
            found.append("[course] needs times (rising), jx and bath, equally many numbers each")
    made = Calibration(quantities, str(data.get("date", "")), str(data.get("source", "")), course, dict(between))
    found = found or problems(made)
    if found:
        raise InputError([f"{path}: {text}" for text in found])
    return made
