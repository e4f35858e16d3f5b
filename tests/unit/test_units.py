"""The closed grammar of quantities: what is read, what is refused, and that writing and reading agree."""

from math import pi

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkstate.errors import ArgumentError
from darkstate.units import MAX_LENGTH, format_si, parse, two_pi_reading

UNITS = ["1", "1/s", "Hz", "s", "W", "K", "m", "T", "T/m", "rad"]
BOHR_RADIUS = 5.29177210903e-11  # m, CODATA 2018


@pytest.mark.parametrize(
    ("text", "unit", "value", "error"),
    [
        ("28 /s", "1/s", 28.0, None),
        ("28/s", "1/s", 28.0, None),
        ("0.193 /ms", "1/s", 193.0, None),
        ("0.0263839702 /ms", "1/s", 26.3839702, None),
        ("3 1/ms", "1/s", 3000.0, None),
        ("4 s^-1", "1/s", 4.0, None),
        ("5 rad/s", "1/s", 5.0, None),
        ("2 /us", "1/s", 2e6, None),
        ("2 /µs", "1/s", 2e6, None),
        ("2pi*5 kHz", "1/s", 2 * pi * 5e3, None),
        ("2π*5 kHz", "1/s", 2 * pi * 5e3, None),
        ("2 pi * 5(1) kHz", "1/s", 2 * pi * 5e3, 2 * pi * 1e3),
        ("850 MHz", "Hz", 850e6, None),
        ("322 kHz", "Hz", 322e3, None),
        ("-20 Hz", "Hz", -20.0, None),
        ("15 ms", "s", 0.015, None),
        ("2 s", "s", 2.0, None),
        ("40 us", "s", 4e-5, None),
        ("40 μs", "s", 4e-5, None),
        ("1e3 ns", "s", 1e-6, None),
        ("-2pi*2.8 MHz", "1/s", -2 * pi * 2.8e6, None),
        ("- 2 pi * 5(1) kHz", "1/s", -2 * pi * 5e3, 2 * pi * 1e3),
        ("2pi*-2.8 MHz", "1/s", -2 * pi * 2.8e6, None),
        ("31 uW", "W", 31e-6, None),
        ("1.5(2) mW", "W", 1.5e-3, 0.2e-3),
        ("3 nW", "W", 3e-9, None),
        ("4.2 K", "K", 4.2, None),
        ("10 mK", "K", 0.01, None),
        ("50 µK", "K", 50e-6, None),
        ("852 nm", "m", 852e-9, None),
        ("2 mm", "m", 2e-3, None),
        ("2.2(1) cm", "m", 0.022, 0.001),
        ("100 a0", "m", 100 * BOHR_RADIUS, None),
        ("-740 +- 60 a0", "m", -740 * BOHR_RADIUS, 60 * BOHR_RADIUS),
        ("-390(20)a0", "m", -390 * BOHR_RADIUS, 20 * BOHR_RADIUS),
        ("0.92 G", "T", 0.92e-4, None),
        ("2.8 G/cm", "T/m", 0.028, None),
        ("28(1) mT/m", "T/m", 0.028, 0.001),
        ("50 mT", "T", 0.05, None),
        ("14.0(5) deg", "rad", 14 * pi / 180, 0.5 * pi / 180),
        ("-90°", "rad", -pi / 2, None),
        ("250 mrad", "rad", 0.25, None),
        ("0.84(3)", "1", 0.84, 0.03),
        ("0.998(12)", "1", 0.998, 0.012),
        ("55(2)", "1", 55.0, 2.0),
        ("1.2(3)e-4", "1", 1.2e-4, 0.3e-4),
        ("0.193(5) /ms", "1/s", 193.0, 5.0),
        ("55 +- 2", "1", 55.0, 2.0),
        ("55 ± 2", "1", 55.0, 2.0),
        ("(0.193 +- 0.005) /ms", "1/s", 193.0, 5.0),
        ("0.193 +- 0.005 /ms", "1/s", 193.0, 5.0),
        (30, "1", 30.0, None),
        (0.5, "1", 0.5, None),
    ],
)
def test_reads(text, unit, value, error):
    assert parse(text, unit) == (value, error)


@pytest.mark.parametrize(
    ("text", "unit", "said"),
    [
        ("5 kHz", "1/s", 'write "2pi*5 kHz" (31416 /s) or "5000 /s"'),
        ("5(1) kHz", "1/s", 'write "2pi*5(1) kHz" (31416 /s) or "5000 /s"'),
        ("28 /s", "Hz", 'write "4.4563 Hz" (if it is an angular frequency) or "28 Hz"'),
        ("2pi*20 Hz", "Hz", 'write "20 Hz"'),
        (2, "1/s", 'has no unit, but a rate or angular frequency is wanted; write "2 /s" or "2pi*2 Hz"'),
        (20.0, "Hz", 'write "20 Hz"'),
        (0.04, "s", 'write "0.04 s"'),
        ("15", "s", 'write "15 s" or "15 ms"'),
        ("15 ms", "1/s", "is a time, but a rate or angular frequency is wanted"),
        ("-2pi*20 Hz", "Hz", 'write "-20 Hz"'),
        ("-2pi*20", "1/s", '"2pi*", which goes with Hz only'),
        ("10 mK", "W", "is a temperature, but a power is wanted; write for example"),
        ("852 nm", "s", "is a length, but a time is wanted"),
        ("20 mW", "m", "is a power, but a length is wanted"),
        ("31", "W", 'write "31 W" or "31 mW"'),
        (4, "K", 'write "4 K"'),
        ("852", "m", 'write "852 m" or "852 nm"'),
        ("5 kW", "W", 'unknown unit "kW"'),
        ("-740", "m", 'write "-740 m" or "-740 nm"'),
        ("-740 a_0", "m", 'unknown unit "a_0"'),
        ("100 a0", "T", "is a length, but a magnetic field is wanted"),
        ("2.8 G", "T/m", "is a magnetic field, but a field gradient is wanted"),
        (2.8, "T/m", 'write "2.8 T/m"'),
        ("14", "rad", 'write "14 rad" or "14 deg"'),
        ("0.9", "T", 'write "0.9 T" or "0.9 G"'),
        ("14 deg", "T", "is an angle, but a magnetic field is wanted"),
        ("30 /s", "1", "a plain number is wanted"),
        ("5 khz", "Hz", 'unknown unit "khz"'),
        ("2pi*5 /s", "1/s", "goes with Hz only"),
        ("84 %", "1", "the fraction, such as 0.84"),
        ("0,193 /ms", "1/s", "a comma where a decimal point is needed"),
        ("nan", "1", "not a finite number"),
        ("-inf /s", "1/s", "not a finite number"),
        ("1e999 /s", "1/s", "not a finite number"),
        (float("nan"), "1", "not a finite number"),
        (10**400, "1", "not a finite number"),
        pytest.param(10**5000, "1", "a number of more than 4300 digits is not a finite number", id="many digits"),
        ("0.84(0)", "1", "standard error that is not above 0"),
        ("55 +- -2", "1", "standard error that is not above 0"),
        ("0.84(3) +- 0.03", "1", "two standard errors"),
        ("", "s", "is empty"),
        ("fast", "1/s", "cannot be read"),
        ("1_000", "1", "unknown unit"),
        ("٣ s", "s", "cannot be read"),
        ("(5 /s", "1/s", "cannot be read"),
        ("1" * (MAX_LENGTH + 1), "1", "longer than 100 characters"),
        (True, "1", "true is not a plain number"),
        ([1], "s", "a list is not a time"),
        (None, "1", "is not a plain number"),
    ],
)
def test_refuses_with_the_right_spelling(text, unit, said):
    with pytest.raises(ArgumentError) as refusal:
        parse(text, unit)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


@given(
    value=st.floats(allow_nan=False, allow_infinity=False),
    unit=st.sampled_from(UNITS),
)
@settings(derandomize=True, max_examples=500, deadline=None)
def test_writing_and_reading_give_the_same_float(value, unit):
    assert parse(format_si(value, unit, digits=17), unit) == (value, None)


@given(
    value=st.floats(min_value=1e-9, max_value=1e12),
    ratio=st.floats(min_value=1e-6, max_value=1.0),
    unit=st.sampled_from(UNITS),
)
@settings(derandomize=True, max_examples=300, deadline=None)
def test_the_error_is_written_in_the_unit_of_the_value(value, ratio, unit):
    error = value * ratio
    read, read_error = parse(format_si(value, unit, error=error, digits=17), unit)
    assert (read, read_error) == (value, error)


@given(value=st.floats(min_value=1e-3, max_value=1e9))
@settings(derandomize=True, max_examples=200, deadline=None)
def test_both_readings_of_a_rate_agree(value):
    assert parse(two_pi_reading(value, "1/s"), "1/s")[0] == pytest.approx(value, rel=1e-3)
    assert parse(two_pi_reading(value, "Hz"), "1/s")[0] == pytest.approx(2 * pi * value, rel=1e-3)


@given(text=st.text(max_size=120), unit=st.sampled_from(UNITS))
@settings(derandomize=True, max_examples=1000, deadline=None)
def test_any_text_is_read_or_refused_in_one_line(text, unit):
    try:
        value, _ = parse(text, unit)
    except ArgumentError as refusal:
        assert "\n" not in str(refusal)
    else:
        assert abs(value) < float("inf")


def test_what_is_written_is_readable():
    assert format_si(26.3839702, "1/s", digits=9) == "26.3839702 /s"
    assert format_si(2000.0, "1/s") == "2 /ms"
    assert format_si(0.0, "Hz") == "0 Hz"
    assert format_si(-850e6, "Hz") == "-850 MHz"
    assert format_si(1e12, "1") == "1e12"
    assert format_si(31e-6, "W") == "31 uW"
    assert format_si(0.1, "K") == "100 mK"
    assert format_si(852e-9, "m") == "852 nm"
    assert format_si(0.028, "T/m") == "28 mT/m"
    assert two_pi_reading(1.0, "s") == ""
