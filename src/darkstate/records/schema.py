"""A record is what the detector saw: cycles of samples, with everything needed to read them (an xarray.Dataset).

    signal     (cycle, time)       the science record; `demodulated` records have (cycle, time, quadrature)
    shot_noise (shot_cycle, time)  the same light without atoms
    dark       (dark_cycle, time)  no light

`time` is the middle of each sample from the start of the sequence [s]. Down: nothing; up: everything in `records`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from darkstate.errors import InputError

VERSION = 1
"""Version of this layout, in the attribute `darkstate_record`."""

RECORD_KINDS = ("raw", "demodulated")
"""`raw`: photocurrent with the Larmor frequency in it. `demodulated`: X and Y of a lock-in amplifier."""

PURPOSES = ("science", "decay", "dark_decay", "input", "transfer", "power", "projection", "orientation")
"""What a record is for: the state itself; a displaced spin that decays with the light on, or in the dark; displaced
light without atoms and its transfer onto them; shot noise at one power; projection noise at one Faraday angle; the
magneto-optical resonance signal."""

VARIABLES = {"signal": "cycle", "shot_noise": "shot_cycle", "dark": "dark_cycle"}
"""Variables of a record and the name of their cycles."""

PULSE_KINDS = ("drive", "dark", "rf", "rotate")
"""`drive`: light on; `dark`: light off; `rf`: a displacement of the spins, in no time; `rotate`: X -> P, P -> -X."""


@dataclasses.dataclass(frozen=True)
class Pulse:
    """One piece of a pulse sequence.

    Args:
        kind: one of `PULSE_KINDS`.
        duration: [s]; 0 for rf and rotate.
        edge: how long the light takes to turn on and off, as half a cosine [s].
        displacement: rf: added to (P_c, P_s), vacuum variance 1/2. drive: mean of q_in in the rising mode of the total
            decay, cosine and sine component.

    Example:
        >>> Pulse("drive", 1e-3).end
        0.001
    """

    kind: str
    duration: float = 0.0
    start: float = 0.0
    edge: float = 0.0
    displacement: tuple[float, float] = (0.0, 0.0)

    @property
    def end(self) -> float:
        """When it is over [s]."""
        return self.start + self.duration


def sequence(*pulses: Pulse) -> tuple[Pulse, ...]:
    """Pulses one after the other, each starting where the one before ends.

    Raises:
        InputError: an unknown kind, a negative time, edges longer than the pulse.

    Example:
        >>> [p.start for p in sequence(Pulse("drive", 1e-3), Pulse("dark", 2e-3), Pulse("drive", 1e-3))]
        [0.0, 0.001, 0.003]
    """
    found, start, problems = [], 0.0, []
    for k, pulse in enumerate(pulses):
        if pulse.kind not in PULSE_KINDS:
            problems.append(f"pulse {k}: kind {pulse.kind!r} is not known; write one of {', '.join(PULSE_KINDS)}")
        if not (pulse.duration >= 0 and 0 <= 2 * pulse.edge <= pulse.duration):
            problems.append(
                f"pulse {k}: duration {pulse.duration:g} s and edge {pulse.edge:g} s do not fit; both must be at least "
                "0 and two edges at most as long as the pulse"
            )
        found.append(dataclasses.replace(pulse, start=start))
        start += pulse.duration
    if problems:
        raise InputError(problems)
    return tuple(found)


def record(
    signal: Any,
    *,
    sample_rate_hz: float,
    carrier_hz: float,
    pulses: Sequence[Pulse],
    shot_noise: Any = None,
    dark: Any = None,
    kind: str = "raw",
    purpose: str = "science",
    units: str = "shot noise",
    started: Any = None,
    **attrs: Any,
) -> xr.Dataset:
    """Put arrays into a record.

    Args:
        signal: [cycle time], or [cycle time 2] of cosine and sine if `kind` is demodulated; any units.
        sample_rate_hz: samples per second; carrier_hz: the Larmor frequency, the reference of the demodulation.
        pulses: the sequence of every cycle, see `sequence`; shot_noise, dark: like `signal`, with their own cycles.
        kind: one of `RECORD_KINDS`; purpose: one of `PURPOSES`; units: of the signal.
        started: when each cycle began [s]; None: unknown.
        attrs: more attributes, such as full_scale (of the digitiser, in units of the signal), filter_order and
            filter_time_constant (of the lock-in amplifier [s]), power_w, faraday_angle_deg, lab_digest.

    Returns:
        The record, checked.

    Raises:
        InputError: every problem of `problems`.

    Example:
        >>> one = record(np.ones((3, 4)), sample_rate_hz=1e6, carrier_hz=322e3, pulses=[Pulse("drive", 4e-6)])
        >>> dict(one.sizes), float(one.time[0])
        ({'cycle': 3, 'time': 4}, 5e-07)
    """
    arrays = {"signal": signal, "shot_noise": shot_noise, "dark": dark}
    axes = ("time", "quadrature") if kind == "demodulated" else ("time",)
    present = {name: np.asarray(a) for name, a in arrays.items() if a is not None}
    coords: dict[str, Any] = {}
    bad = [
        f"{name} has {a.ndim} axes; {kind} records have {1 + len(axes)}: ({', '.join((VARIABLES[name], *axes))})"
        for name, a in present.items()
        if a.ndim != 1 + len(axes)
    ]
    bad += [
        f"{name} is {value!r}; it must be a positive number"
        for name, value in (("sample_rate_hz", sample_rate_hz), ("carrier_hz", carrier_hz))
        if not _positive(value)
    ]
    if bad:
        raise InputError(bad)
    lengths = {a.shape[1] for a in present.values()}
    if len(lengths) > 1:
        sizes = ", ".join(f"{name} {a.shape[1]}" for name, a in present.items())
        raise InputError([f"the parts of a record must have equally many samples per cycle, but have {sizes}"])
    coords["time"] = ("time", (np.arange(lengths.pop()) + 0.5) / sample_rate_hz, {"units": "s"})
    if kind == "demodulated":
        coords["quadrature"] = ["cos", "sin"]
    if started is not None:
        coords["started"] = ("cycle", np.asarray(started, float), {"units": "s"})
    data = xr.Dataset(
        {name: ((VARIABLES[name], *axes), a, {"units": units}) for name, a in present.items()},
        coords=coords,
        attrs={
            "darkstate_record": VERSION,
            "kind": kind,
            "purpose": purpose,
            "sample_rate_hz": float(sample_rate_hz),
            "carrier_hz": float(carrier_hz),
            "sequence": json.dumps([dataclasses.asdict(p) for p in pulses]),
            **{k: v for k, v in attrs.items() if v is not None},
        },
    )
    check_record(data)
    return data


def with_parts(data: xr.Dataset, parts: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """A record with the signals of other records as its shot noise or dark part.

    Args:
        data: the record; parts: "shot_noise" or "dark" to a record whose `signal` it is.

    Raises:
        InputError: the parts do not fit, such as another number of samples.

    Example:
        >>> one = record(np.ones((3, 4)), sample_rate_hz=1e6, carrier_hz=322e3, pulses=[Pulse("drive", 4e-6)])
        >>> sorted(with_parts(one, {"shot_noise": one}).sizes)
        ['cycle', 'shot_cycle', 'time']
    """
    for name, part in parts.items():
        if part.signal.shape[1:] != data.signal.shape[1:]:
            raise InputError(
                [
                    f"{name} has {part.signal.shape[1:]} samples per cycle, the signal {data.signal.shape[1:]}; they "
                    "must agree"
                ]
            )
        data = data.assign({name: ((VARIABLES[name], *data.signal.dims[1:]), part.signal.values, part.signal.attrs)})
    check_record(data)
    return data


def pulses_of(data: xr.Dataset) -> tuple[Pulse, ...]:
    """The pulse sequence of a record.

    Example:
        >>> one = record(np.ones((3, 4)), sample_rate_hz=1e6, carrier_hz=322e3, pulses=[Pulse("drive", 4e-6)])
        >>> pulses_of(one)[0].kind
        'drive'
    """
    names = {f.name for f in dataclasses.fields(Pulse)}
    try:
        read = json.loads(data.attrs["sequence"])
        return tuple(
            Pulse(**{**{k: v for k, v in p.items() if k in names}, "displacement": tuple(p["displacement"])})
            for p in read
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            ["the attribute `sequence` of the record is no list of pulses; write it with darkstate.record"]
        ) from error


def check_record(data: xr.Dataset, name: str = "the record") -> None:
    """Refuse what is no record.

    Args:
        data: the dataset; name: how messages call it, usually the path.

    Raises:
        InputError: every problem, one sentence each. The samples themselves are not read here.
    """
    found = problems(data)
    if found:
        raise InputError([f"{name}: {text}" for text in found])


def problems(data: xr.Dataset) -> list[str]:
    """What is wrong with the layout of a record, one sentence each; the samples are not read.

    Example:
        >>> problems(xr.Dataset())[0]
        'it has no attribute darkstate_record; it is no record, map it with `darkstate inspect`'
    """
    a = data.attrs
    if "darkstate_record" not in a:
        return ["it has no attribute darkstate_record; it is no record, map it with `darkstate inspect`"]
    if a["darkstate_record"] != VERSION:
        return [f"its layout is version {a['darkstate_record']!r}; this darkstate reads version {VERSION}"]
    found = []
    for key, known in (("kind", RECORD_KINDS), ("purpose", PURPOSES)):
        if a.get(key) not in known:
            found.append(f"its {key} is {a.get(key)!r}; it must be one of {', '.join(known)}")
    for key in ("sample_rate_hz", "carrier_hz"):
        if not _positive(a.get(key)):
            found.append(f"its {key} is {a.get(key)!r}; it must be a positive number")
    if "signal" not in data.data_vars:
        found.append(f"it has no variable `signal`; it holds {', '.join(map(str, data.data_vars)) or 'nothing'}")
    if found:
        return found
    tail = ("time", "quadrature") if a["kind"] == "demodulated" else ("time",)
    for name, cycle in VARIABLES.items():
        if name in data and data[name].dims != (cycle, *tail):
            found.append(f"`{name}` has the axes {data[name].dims}; they must be {(cycle, *tail)}")
        elif name in data and (data[name].size == 0 or data[name].dtype.kind not in "iuf"):
            found.append(f"`{name}` must hold real numbers, but has shape {data[name].shape}, type {data[name].dtype}")
    if not found and a["kind"] == "demodulated":
        if not (_positive(a.get("filter_order")) and _positive(a.get("filter_time_constant"))):
            found.append("it is demodulated; give filter_order and filter_time_constant of the lock-in amplifier")
        if "quadrature" not in data.coords or list(data.quadrature.values) != ["cos", "sin"]:
            found.append("its coordinate `quadrature` must be cos, sin")
    if not found:
        found += _time_problems(data)
    return found


def _positive(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and bool(np.isfinite(value) and value > 0)


def _time_problems(data: xr.Dataset) -> list[str]:
    rate = float(data.attrs["sample_rate_hz"])
    if "time" not in data.coords:
        return ["it has no coordinate `time`"]
    time = np.asarray(data.time.values, float)
    expected = (np.arange(time.size) + 0.5) / rate
    if not np.allclose(time, expected, rtol=0, atol=0.01 / rate):
        return [f"its times are not those of {rate:g} samples per second; was it joined from runs of different rates?"]
    if data.attrs["kind"] == "raw" and rate <= 2 * float(data.attrs["carrier_hz"]):
        return [
            f"{rate:g} samples per second cannot hold a carrier at {data.attrs['carrier_hz']:g} Hz; "
            "sample more than twice as fast"
        ]
    turns = float(data.attrs["carrier_hz"]) * time.size / rate
    if data.attrs["kind"] == "raw" and turns < 1:
        return [f"its carrier of {data.attrs['carrier_hz']:g} Hz turns {turns:.2g} times per cycle; write it in hertz"]
    pulses = pulses_of(data)
    if not pulses:
        return ["its pulse sequence is empty"]
    if not pulses[-1].end * rate >= 1 - 1e-6:
        return [f"its sequence lasts {pulses[-1].end:g} s, less than a sample; write the durations in seconds"]
    if pulses[-1].end > (time.size + 1) / rate:
        return [
            f"its sequence lasts {pulses[-1].end:g} s, but it holds only {time.size / rate:g} s of samples; "
            'if the file is time by cycle, write axes = "time,cycle" in the mapping'
        ]
    return []
