"""A protocol is a sequence of segments, each with a duration and the strengths of drive, pump and repump light.

A strength multiplies the rates which that light causes (1 = the power at which the lab file's rates hold). Inside a
segment every strength is constant or changes linearly; between segments it may jump. Up: `experiments` reads segments
from lab files; down: `moments` asks for the strengths at a time.
"""

from __future__ import annotations

from typing import Any

from darkstate.errors import ArgumentError
from darkstate.parameters import pytree

SOURCES = ("drive", "pump", "repump")
"""The light sources whose strengths a protocol sets, in the order of every strength array."""

KINDS = {
    "drive": (1.0, 1.0, 1.0),
    "pump": (0.0, 1.0, 1.0),
    "dark": (0.0, 0.0, 0.0),
    "probe": (1.0, 0.0, 0.0),
}
"""Which light a segment of each kind has on: `drive` entangles (pump and repump stay on at the lab's own rates, which
may be zero), `pump` prepares, `dark` waits, `probe` reads out with the drive light alone."""


@pytree
class Protocol:
    """Segments of piecewise-linear strengths; after the last one its end strengths go on.

    Args:
        durations: time of each segment [k; s].
        start: strengths of (drive, pump, repump) when the segment starts [k 3].
        end: strengths when it ends [k 3].
    """

    durations: Any
    start: Any
    end: Any


def protocol(
    *segments: tuple[str, float] | tuple[str, float, float] | tuple[str, float, tuple[float, float]],
) -> Protocol:
    """Build a protocol from `(kind, duration)` or `(kind, duration, strength)` tuples.

    Args:
        segments: kind is one of `drive`, `pump`, `dark`, `probe`; the duration is in s; a strength is one number or a
            pair (start, end) for a linear ramp, and multiplies all light the kind has on.

    Returns:
        The `Protocol`.

    Raises:
        ArgumentError: unknown kind, no segment, negative duration or strength.

    Example:
        >>> protocol(("drive", 15e-3), ("dark", 5e-3)).durations
        (0.015, 0.005)
    """
    if not segments:
        raise ArgumentError("Argument `segments` must hold at least one segment, such as ('drive', 15e-3).")
    starts, ends = [], []
    for segment in segments:
        kind, duration, *rest = (*segment, None) if len(segment) == 1 else segment
        if kind not in KINDS:
            raise ArgumentError(f"Segment kind {kind!r} is not known; allowed: {', '.join(KINDS)}.")
        strength = rest[0] if rest else 1.0
        first, last = strength if isinstance(strength, (tuple, list)) else (strength, strength)
        for value in (duration, first, last):
            _check(kind, value)
        starts.append(tuple(first * on for on in KINDS[kind]))
        ends.append(tuple(last * on for on in KINDS[kind]))
    return Protocol(tuple(s[1] for s in segments), tuple(starts), tuple(ends))


def _check(kind: str, value: Any) -> None:
    """Refuse what is no finite number of at least 0; values under a JAX transformation are taken as they are."""
    if hasattr(value, "aval"):
        return
    try:
        good = 0 <= float(value) < float("inf") and not isinstance(value, str)
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ArgumentError(
            f"Segment {kind!r} must have a duration in s and strengths that are finite numbers of at least 0, but has "
            f"{value!r}."
        )


def constant_segments(pulses: Protocol | None, last: float) -> list[tuple[float, Any]]:
    """(end, strengths) of each segment up to the last time, the last end infinite; None = all lights on.

    Raises:
        ArgumentError: a segment is a ramp.

    Example:
        >>> for end, strengths in constant_segments(protocol(("drive", 1e-3), ("dark", 1e-3)), 1.0):
        ...     print(end, strengths)
        0.001 [1. 1. 1.]
        inf [0. 0. 0.]
    """
    import numpy as np  # here, since lab files are checked without it

    if pulses is None:
        return [(np.inf, np.ones(3))]
    durations, start, end = (np.asarray(x, float) for x in (pulses.durations, pulses.start, pulses.end))
    if np.any(start != end):
        raise ArgumentError(
            "Exact methods take segments of constant light, but one is a ramp: cut it into short constant segments, or "
            "take MomentEquations()."
        )
    borders = np.cumsum(durations)
    pieces = [(float(b), s) for b, s in zip(borders[:-1], start[:-1], strict=True) if b < last]
    return [*pieces, (np.inf, start[len(pieces)])]
