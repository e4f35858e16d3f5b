"""Text of the laboratory <-> SI floats, by a closed grammar; used only where files, records and commands are read.

    quantity = [["-"] "2pi*"] number [unit]      "28 /s"   "0.193 /ms"   "-2pi*5 kHz"   "850 MHz"   "15 ms"   30
    number   = digits ["(" error of the last digits ")"] | digits "+-" error      "0.84(3)"   "55 +- 2"
    unit     = rate | mHz Hz kHz MHz GHz THz | s ms us ns | W mW uW nW | K mK uK | length | field | gradient | angle
    rate     = /s 1/s rad/s s^-1 (ms, us, ns)
    length   = m cm mm um nm a0 (Bohr radii)
    field    = T mT uT G mG
    gradient = T/m mT/m G/cm
    angle    = rad mrad deg

A rate or angular frequency in bare hertz is refused, and so is an ordinary frequency given as a rate: the two readings
differ by 2 pi, and only the reader knows which one was meant.
"""

from __future__ import annotations

import re
from decimal import Decimal
from math import isfinite, pi
from typing import NamedTuple

from darkstate.errors import ArgumentError
from darkstate.parameters import Unit

KINDS: dict[Unit, str] = {
    "1": "a plain number",
    "1/s": "a rate or angular frequency",
    "Hz": "an ordinary frequency",
    "s": "a time",
    "W": "a power",
    "K": "a temperature",
    "m": "a length",
    "T": "a magnetic field",
    "T/m": "a field gradient",
    "rad": "an angle",
}
"""What a quantity of each unit is, in words."""

EXAMPLES: dict[Unit, str] = {
    "1": '30 or "55 +- 2"',
    "1/s": '"28 /s", "0.193 /ms" or "2pi*5 kHz"',
    "Hz": '"850 MHz" or "20 Hz"',
    "s": '"15 ms" or "2 s"',
    "W": '"20 uW" or "1.5 mW"',
    "K": '"10 mK" or "4.2 K"',
    "m": '"852 nm"',
    "T": '"0.9 G" or "50 mT"',
    "T/m": '"2.8 G/cm" or "28 mT/m"',
    "rad": '"14 deg" or "0.24 rad"',
}
"""How a quantity of each unit is written."""

MAX_LENGTH = 100
"""Longest text of one quantity, in characters."""


class _Scale(NamedTuple):
    unit: Unit
    power: int
    factor: float = 1.0


_TIMES = {"s": 0, "ms": -3, "us": -6, "ns": -9}
_HERTZ = {"mHz": -3, "Hz": 0, "kHz": 3, "MHz": 6, "GHz": 9, "THz": 12}
_POWERS = {"W": 0, "mW": -3, "uW": -6, "nW": -9}
_TEMPERATURES = {"K": 0, "mK": -3, "uK": -6}
_LENGTHS = {"m": 0, "cm": -2, "mm": -3, "um": -6, "nm": -9}
_FIELDS = {"T": 0, "mT": -3, "uT": -6, "G": -4, "mG": -7}
_GRADIENTS = {"T/m": 0, "mT/m": -3, "G/cm": -2}
_BOHR_RADIUS = 5.29177210903e-11  # m, CODATA 2018
_SCALES: dict[str, _Scale] = {
    "": _Scale("1", 0),
    **{name: _Scale("s", power) for name, power in _TIMES.items()},
    **{name: _Scale("Hz", power) for name, power in _HERTZ.items()},
    **{name: _Scale("W", power) for name, power in _POWERS.items()},
    **{name: _Scale("K", power) for name, power in _TEMPERATURES.items()},
    **{name: _Scale("m", power) for name, power in _LENGTHS.items()},
    "a0": _Scale("m", 0, _BOHR_RADIUS),
    **{name: _Scale("T", power) for name, power in _FIELDS.items()},
    **{name: _Scale("T/m", power) for name, power in _GRADIENTS.items()},
    **{"rad": _Scale("rad", 0), "mrad": _Scale("rad", -3), "deg": _Scale("rad", 0, pi / 180)},
    **{form + name: _Scale("1/s", -power) for name, power in _TIMES.items() for form in ("/", "1/", "rad/")},
    **{name + "^-1": _Scale("1/s", -power) for name, power in _TIMES.items()},
}

_SAME = str.maketrans({"−": "-", "π": "pi", "µ": "u", "μ": "u", "±": "+-", "×": "*", "·": "*", "°": " deg"})
_DIGITS = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_POWER = r"(?:[eE][+-]?[0-9]{1,3})?"
_QUANTITY = re.compile(
    rf"""(?:(?P<sign>-\s*)?(?P<turns>2\s*pi\s*\*\s*))?
    (?P<bracket>\(\s*)?
    (?P<digits>{_DIGITS})(?:\((?P<last>[0-9]+)\))?(?P<power>{_POWER})
    (?:\s*\+-\s*(?P<error>{_DIGITS}{_POWER}))?
    (?(bracket)\s*\))
    \s*(?P<unit>[^\s0-9.,()+][^\s,]*|1/[a-z]+)?""",
    re.VERBOSE,
)


def shown(value: object) -> str:
    """A value as an error message quotes it: on one line, at most 40 characters of it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    try:
        text = value if isinstance(value, str) else str(value)
    except ValueError:  # Python refuses to print integers of more than 4300 digits
        return "a number of more than 4300 digits"
    text = text if len(text) <= 40 else text[:37] + "..."
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return f'"{line}"' if isinstance(value, str) else line


def parse(value: object, unit: Unit) -> tuple[float, float | None]:
    """Read a quantity of the laboratory as an SI number.

    Args:
        value: the text, or a number where the unit is "1".
        unit: what is wanted: "1" (number), "1/s" (rate or angular frequency), "Hz" (ordinary frequency), "s" (time),
            "W" (power), "K" (temperature), "m" (length), "T" (magnetic field), "T/m" (its gradient), "rad" (angle).

    Returns:
        The value and its standard error (None where none is given), both in SI.

    Raises:
        ArgumentError: the text is not a finite quantity of this unit; one sentence that spells what to write.

    Example:
        >>> parse("0.193(5) /ms", "1/s")
        (193.0, 5.0)
        >>> parse("2pi*5 kHz", "1/s")[0]
        31415.926535897932
    """
    if isinstance(value, str):
        return _parse_text(value, unit)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ArgumentError(f"{shown(value)} is not {KINDS[unit]}; write for example {EXAMPLES[unit]}")
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if not isfinite(number):
        raise ArgumentError(f"{shown(value)} is not a finite number; write for example {EXAMPLES[unit]}")
    if unit == "1":
        return number, None
    spelled = f'"{number:g} /s" or "2pi*{number:g} Hz"' if unit == "1/s" else f'"{number:g} {unit}"'
    raise ArgumentError(f"{shown(value)} has no unit, but {KINDS[unit]} is wanted; write {spelled}")


def _parse_text(original: str, unit: Unit) -> tuple[float, float | None]:
    quoted = shown(original)
    if len(original) > MAX_LENGTH:
        raise ArgumentError(f"{quoted} is longer than {MAX_LENGTH} characters; write for example {EXAMPLES[unit]}")
    text = original.translate(_SAME).strip()
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ArgumentError(f"{quoted} {_why_unreadable(text)}; write for example {EXAMPLES[unit]}")
    name = match["unit"] or ""
    scale = _SCALES.get(name)
    if name.startswith("%"):
        raise ArgumentError(f"{quoted} is in percent, which is not read here; give the fraction, such as 0.84")
    if name in ("C", "degC"):
        raise ArgumentError(f'{quoted} is in degrees Celsius; write "{float(match["digits"]) + 273.15:g} K"')
    if scale is None:
        raise ArgumentError(f"{quoted} has the unknown unit {shown(name)}; write for example {EXAMPLES[unit]}")
    if match["last"] and match["error"]:
        raise ArgumentError(f'{quoted} has two standard errors; write "0.84(3)" or "0.84 +- 0.03"')
    value, error = _numbers(match, scale.power)
    if scale.factor != 1:
        value, error = value * scale.factor, None if error is None else error * scale.factor
    if not (isfinite(value) and (error is None or isfinite(error))):
        raise ArgumentError(f"{quoted} is not a finite number; write for example {EXAMPLES[unit]}")
    if error is not None and error <= 0:
        raise ArgumentError(f"{quoted} has a standard error that is not above 0; leave the error out if there is none")
    return _in_unit(quoted, text, match, scale, value, error, unit)


def _numbers(match: re.Match[str], power: int) -> tuple[float, float | None]:
    """Value and standard error; powers of ten are applied to the decimal text, so nothing is rounded twice."""
    digits, exponent = match["digits"], int(match["power"][1:] or 0) + power
    value = float(f"{digits}e{exponent}") * (-1 if match["sign"] else 1)
    if match["last"]:
        return value, float(f"{match['last']}e{exponent - len(digits.partition('.')[2])}")
    if match["error"]:
        error, _, own_power = match["error"].lower().partition("e")
        return value, float(f"{error}e{int(own_power or 0) + power}")
    return value, None


def _in_unit(
    quoted: str, text: str, match: re.Match[str], scale: _Scale, value: float, error: float | None, unit: Unit
) -> tuple[float, float | None]:
    """Convert to the unit wanted, or say which readings there are."""
    turns = match["turns"] is not None
    if turns and scale.unit != "Hz":
        raise ArgumentError(f'{quoted} has "2pi*", which goes with Hz only; write for example {EXAMPLES[unit]}')
    if scale.unit == unit and not turns:
        return value, error
    if turns and unit == "1/s":
        return 2 * pi * value, None if error is None else 2 * pi * error
    is_a = KINDS["1/s" if turns else scale.unit]
    if unit == "1/s" and scale.unit == "Hz":
        cure = f'"2pi*{text}" ({2 * pi * value:.5g} /s) or "{value:.15g} /s"'
    elif unit == "Hz" and turns:
        cure = f'"{match["sign"] or ""}{text[match.end("turns") :]}"'
    elif unit == "Hz" and scale.unit == "1/s":
        cure = f'"{value / (2 * pi):.5g} Hz" (if it is an angular frequency) or "{value:.15g} Hz"'
    elif scale.unit == "1":
        names = {
            "1/s": (" /s", " /ms"),
            "Hz": (" Hz", " kHz"),
            "s": (" s", " ms"),
            "W": (" W", " mW"),
            "K": (" K", " mK"),
            "m": (" m", " nm"),
            "T": (" T", " G"),
            "T/m": (" T/m", " G/cm"),
            "rad": (" rad", " deg"),
        }[unit]
        raise ArgumentError(
            f"{quoted} has no unit, but {KINDS[unit]} is wanted; write " + " or ".join(f'"{text}{n}"' for n in names)
        )
    else:
        cure = f"for example {EXAMPLES[unit]}"
    raise ArgumentError(f"{quoted} is {is_a}, but {KINDS[unit]} is wanted; write {cure}")


def _why_unreadable(text: str) -> str:
    if re.match(r"[+-]?(nan|inf)", text, re.IGNORECASE):
        return "is not a finite number"
    if "+-" in text:
        return 'has a standard error that cannot be read; it stands before the unit, as in "8 +- 0.4 mW"'
    if re.match(r"[+-]?[0-9]+,[0-9]", text):
        return "has a comma where a decimal point is needed"
    return "cannot be read" if text else "is empty"


def format_si(value: float, unit: Unit, *, error: float | None = None, digits: int = 6) -> str:
    """Write an SI number as text that `parse` reads back.

    Args:
        value: the number in SI.
        unit: its unit: "1", "1/s", "Hz", "s", "W", "K", "m", "T", "T/m" or "rad".
        error: its standard error in SI.
        digits: significant digits; 17 give back the same float.

    Returns:
        The text, in the largest unit that keeps the number at 1 or above.

    Example:
        >>> format_si(0.04, "s"), format_si(322e3, "Hz"), format_si(193.0, "1/s", error=5.0)
        ('40 ms', '322 kHz', '193 +- 5 /s')
    """
    candidates = {
        "1": [("", 0)],
        "1/s": [(" /s", 0), (" /ms", 3), (" /us", 6), (" /ns", 9)],
        "Hz": [(" Hz", 0), (" kHz", 3), (" MHz", 6), (" GHz", 9)],
        "s": [(" ns", -9), (" us", -6), (" ms", -3), (" s", 0)],
        "W": [(" nW", -9), (" uW", -6), (" mW", -3), (" W", 0)],
        "K": [(" uK", -6), (" mK", -3), (" K", 0)],
        "m": [(" nm", -9), (" um", -6), (" mm", -3), (" m", 0)],
        "T": [(" uT", -6), (" mT", -3), (" T", 0)],
        "T/m": [(" mT/m", -3), (" T/m", 0)],
        "rad": [(" mrad", -3), (" rad", 0)],
    }[unit]
    fitting = [(name, power) for name, power in candidates if abs(value) >= float(f"1e{power}")]
    plain = next(c for c in candidates if c[1] == 0)
    name, power = plain if value == 0 else fitting[-1] if fitting else candidates[0]
    text = _decimal(value, power, digits)
    if error is not None:
        text += f" +- {_decimal(error, power, min(digits, 3) if digits < 17 else digits)}"
    return text + name


def _decimal(value: float, power: int, digits: int) -> str:
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    shift = int(exponent) - power
    if -5 <= shift < 7:
        return format(Decimal(mantissa).scaleb(shift).normalize(), "f")
    return f"{format(Decimal(mantissa).normalize(), 'f')}e{shift}"


def two_pi_reading(value: float, unit: Unit) -> str:
    """The other reading of a rate or frequency, so that a lost factor 2 pi shows; else an empty text.

    Args:
        value: the number in SI.
        unit: "1/s" gives the ordinary frequency, "Hz" the angular one.

    Example:
        >>> two_pi_reading(193.0, "1/s"), two_pi_reading(20.0, "Hz")
        ('2pi*30.72 Hz', '125.7 /s')
    """
    if unit == "1/s":
        return "2pi*" + format_si(value / (2 * pi), "Hz", digits=4)
    angular = 2 * pi * value
    return format_si(angular, "1/s", digits=4) if unit == "Hz" and isfinite(angular) else ""
