"""The text of a count table: a header, one line per setting, and what spreadsheets make of that.

    theta_rad,shots,n0,n1,n2          commas; semicolons or tabs where the header has no comma; # starts a comment

Cells are numbers with a decimal point. Changes of unit move the point in the text, so that 2.5 us is the number 2.5e-6.
Down: nothing; up: `counts`.
"""

from __future__ import annotations

import csv
from decimal import Decimal
from difflib import get_close_matches
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from darkstate.errors import InputError
from darkstate.records.guard import one_line

SETTINGS = {
    "theta": ("theta_rad", 0, "rad"),
    "tau": ("tau_us", -6, "s"),
    "time": ("t_ms", -3, "s"),
    "detuning_hz": ("detuning_khz", 3, "Hz"),
}
"""Coordinates of the settings: column of a CSV file, power of ten of its unit in SI units, SI unit."""

COUNTED = ("shots", "n0", "n1", "n2")
COLUMNS = [column for column, _, _ in SETTINGS.values()]
KNOWN = (*COLUMNS, *COUNTED, "group")
"""Columns a CSV file may have."""

MAX_ROWS = 1_000_000
NEED = "give a CSV file with the columns theta_rad, shots, n0, n1, n2"

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}


class Rows(NamedTuple):
    """Lines of a count table: coordinate, settings in SI units [s], counts [s 3], shots [s], groups, line numbers."""

    name: str
    x: np.ndarray
    counts: np.ndarray
    shots: np.ndarray
    group: list[str] | None
    places: list[str]


def parse(text: str, shown: str) -> Rows:
    r"""Read the text of a count table.

    Args:
        text: of the file; shown: its name in messages.

    Raises:
        InputError: no table; a column that is not known, missing or there twice; a cell that is no number.

    Example:
        >>> parse("Tau_us ; shots; n0; n1; n2;\n2.5; 300; 62; 23; 215;\n;;;;;\n", "a.csv").x
        array([2.5e-06])
    """
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if _holds_data(line)]
    separator = None
    if lines and lines[0][1].strip('" ')[:4].lower() == "sep=":
        separator = lines[0][1].strip('" ')[4:]
        if separator not in _SEPARATORS:
            raise InputError([f"{shown}:{lines[0][0]}: sep={one_line(separator)} must be a comma, semicolon or tab"])
        del lines[0]
    if not lines:
        raise InputError([f"{shown}: holds no data; {NEED}"])
    if len(lines) - 1 > MAX_ROWS:
        raise InputError([f"{shown}: has {len(lines) - 1} lines, more than {MAX_ROWS}; sum the shots of each setting"])
    if separator is None:
        separator = next((one for one in _SEPARATORS if one in lines[0][1]), ",")
    try:
        cells = [(n, _cells(line, separator)) for n, line in lines]
    except csv.Error as error:
        raise InputError([f"{shown}: is not CSV ({one_line(str(error))}); {NEED}"]) from None
    name, names = _header(f"{shown}:{cells[0][0]}", cells[0][1])
    column, power, _ = SETTINGS[name]
    problems: list[str] = []
    rows = [_row(n, row, names, power, problems) for n, row in cells[1:]]
    refuse(problems, shown, ":")
    table = {one: [row[k] for row in rows] for k, one in enumerate(names)}
    counts, shots = np.array([table[n] for n in COUNTED[1:]], float).T, np.array(table["shots"], float)
    places = [str(n) for n, _ in cells[1:]]
    return Rows(name, np.array(table[column], float), counts, shots, table.get("group"), places)


def written(x: float, power: int) -> str:
    """A setting in the unit 10^power, as short as it comes back without a change.

    Example:
        >>> written(2.5e-06, -6), written(1.77635683940025e-10, 3)
        ('2.5', '1.77635683940025e-13')
    """
    short = f"{x / 10.0**power:.15g}"
    return short if abs(x) < 1e300 and _scaled(short, power) == x else str(Decimal(repr(x)).scaleb(-power))


def refuse(problems: list[str], where: str, sign: str = ": ", most: int = 20) -> None:
    """Raise the first of some problems.

    Raises:
        InputError: there are any.
    """
    if problems:
        more = len(problems) - most
        shown = [f"{where}{sign}{text}" for text in problems[:most]]
        raise InputError(shown + ([f"{where}: {more} more problems of this kind"] if more > 0 else []))


def _scaled(text: str, power: int) -> float:
    """The number times 10^power, rounded once."""
    if not isfinite(float(text)):
        return float("nan")
    mantissa, _, exponent = text.lower().partition("e")
    return float(f"{mantissa}e{int(exponent or 0) + power}")


def _holds_data(line: str) -> bool:
    """Whether it is no comment, which a spreadsheet may have quoted, and not empty."""
    line = line.strip()
    return line.lstrip('"')[:1] != "#" and bool(line.strip(" \t,;"))


def _cells(line: str, separator: str) -> list[str]:
    # each line by itself: a quote left open would swallow those below
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])]


def _header(place: str, row: list[str]) -> tuple[str, list[str]]:
    """Coordinate of the settings and names of the columns."""
    row = row[: max((k for k, name in enumerate(row, 1) if name), default=0)]
    names = [name.lower() for name in row]
    problems = []
    for k, (name, given) in enumerate(zip(names, row, strict=True), 1):
        if not name:
            problems.append(f"{place}: column {k} has no name; name it or take it out")
        elif name not in KNOWN:
            near = get_close_matches(name[:100], KNOWN, 1)
            hint = f"did you mean {near[0]!r}{_unit(near[0])}?" if near else f"allowed: {', '.join(KNOWN)}"
            problems.append(f"{place}: column {one_line(given)!r} is not known; {hint}")
    found = [name for name in names if name in COLUMNS]
    if len(set(found)) > 1:
        problems.append(f"{place}: has the settings {' and '.join(found)}; keep the one that was changed")
    twice = sorted({name for name in names if name and names.count(name) > 1})
    problems += [f"{place}: column {one_line(name)!r} stands twice; remove one" for name in twice]
    if not problems:
        missing = [name for name in COUNTED if name not in names]
        missing += [] if found else [f"the setting ({', '.join(COLUMNS)})"]
        problems += [f"{place}: column {name} is missing; add it" for name in missing]
    if problems:
        raise InputError(problems)
    return next(name for name, (column, _, _) in SETTINGS.items() if column == found[0]), names


def _unit(column: str) -> str:
    """What a column of settings is in, so that nobody renames degrees to rad."""
    return f", in {column.rpartition('_')[2].replace('hz', 'Hz')}" if column in COLUMNS else ""


def _row(number: int, row: list[str], names: list[str], power: int, problems: list[str]) -> list[Any]:
    """One line as numbers in SI units and the name of its group; what is wrong with it goes to `problems`."""
    if len(row) < len(names) or any(row[len(names) :]):
        problems.append(f"{number}: has {len(row)} values, but the header names {len(names)} columns")
        return [0.0] * len(names)
    values: list[Any] = []
    for name, text in zip(names, row, strict=False):
        if name == "group":
            if not text:
                problems.append(f"{number}: group is empty; name the run each line belongs to")
            values.append(text)
            continue
        try:
            value = _scaled(text, power if name in COLUMNS else 0)
        except ValueError:
            value = float("nan")
        if not isfinite(value):
            problems.append(f"{number}: {name} = {one_line(text[:40])!r} {_wrong(text)}")
        elif name == "shots" and value < 1:
            problems.append(f"{number}: shots = {value:g} must be at least 1; leave the line out")
        values.append(value)
    return values


def _wrong(text: str) -> str:
    """Why a cell is no number."""
    try:
        decimal_comma = text.count(",") == 1 and isfinite(float(text.replace(",", ".")))
    except ValueError:
        decimal_comma = False
    if decimal_comma:
        return "has a decimal comma; write numbers with a decimal point"
    return "is not a finite number; correct the cell"
