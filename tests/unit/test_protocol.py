"""Protocols: which light a segment has on, ramps, and what is refused."""

import pytest

from darkstate.errors import ArgumentError
from darkstate.experiments.two_cells import Segment, Timing
from darkstate.spins.protocol import KINDS, SOURCES, protocol


@pytest.mark.parametrize(
    ("kind", "on"),
    [("drive", (1, 1, 1)), ("pump", (0, 1, 1)), ("dark", (0, 0, 0)), ("probe", (1, 0, 0))],
)
def test_light_of_every_kind(kind, on):
    """(drive, pump, repump), as the lab file's section `protocol` documents it."""
    assert SOURCES == ("drive", "pump", "repump")
    pulses = protocol((kind, 2e-3, 0.5))
    assert pulses.start == pulses.end == (tuple(0.5 * s for s in on),)
    assert set(KINDS) == {"drive", "pump", "dark", "probe"}


def test_ramps_and_order():
    pulses = protocol(("drive", 15e-3), ("pump", 1e-3, (1.0, 0.25)), ("dark", 5e-3))
    assert pulses.durations == (15e-3, 1e-3, 5e-3)
    assert pulses.start == ((1, 1, 1), (0, 1, 1), (0, 0, 0))
    assert pulses.end == ((1, 1, 1), (0, 0.25, 0.25), (0, 0, 0))


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ((), "at least one segment"),
        ((("wait", 1.0),), "'wait' is not known; allowed: drive, pump, dark, probe"),
        ((("drive", -1.0),), "at least 0, but has -1.0"),
        ((("drive", 1.0, -0.5),), "at least 0, but has -0.5"),
        ((("drive", 1.0, (1.0, float("nan"))),), "at least 0, but has nan"),
    ],
)
def test_refusals_say_what_is_allowed(segments, message):
    with pytest.raises(ArgumentError, match=message):
        protocol(*segments)


def test_timing_of_an_experiment():
    """`strength_end` left out means constant; one duration means one drive segment."""
    assert Timing(duration=60e-3).protocol() == protocol(("drive", 60e-3))
    timing = Timing(segments=(Segment("drive", 1.0, 0.8), Segment("probe", 0.5, 1.0, 0.0)))
    assert timing.protocol() == protocol(("drive", 1.0, 0.8), ("probe", 0.5, (1.0, 0.0)))
    assert timing.total == 1.5
    assert timing.problems() == []
    assert [key for key, _ in Timing(duration=1.0, segments=timing.segments).problems()] == ["protocol"]
    assert [key for key, _ in Timing().problems()] == ["protocol"]
    assert [key for key, _ in Timing(segments=(Segment("dark", 0.0),)).problems()] == ["protocol.segments"]
