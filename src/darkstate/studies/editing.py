"""Change values in the text of a lab file and keep everything else: comments, order, spacing.

    text, cases, {key: new value} -> text      a value of a case is replaced in that case, any other in its section

A key that the file leaves out is added to its section. What `load` reads from the new text is what was written; the
caller checks it. Up: `report.fit` writes fitted lab files.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from darkstate.errors import ArgumentError
from darkstate.experiments.tomltext import Key, Lines

_VALUE = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'#\[{][^#]*?)"""
_ENTRY = re.compile(rf"^(\s*[^=#]+?=\s*)({_VALUE})(\s*(?:#.*)?)$")


def edited(text: str, values: Mapping[str, str], *, cases: Sequence[str | None] = (None,), note: str = "") -> str:
    r"""The text with values replaced.

    Args:
        text: of a valid lab file.
        values: dotted key, such as "drive.rate" or "protocol.segments.0.duration", to the new value as TOML.
        cases: where one of these has a value of its own, that one is replaced; None = the file without a case.
        note: a comment to be put above every value; "" = none.

    Raises:
        ArgumentError: a value stands inside an inline table, where it cannot be replaced line by line.

    Example:
        >>> print(edited("[drive]\nz = 2.5  # of 002\n", {"drive.z": '"2.50(4)"', "noise.gamma_tilde": '"0.2 /ms"'}))
        [drive]
        z = "2.50(4)"  # of 002
        <BLANKLINE>
        [noise]
        gamma_tilde = "0.2 /ms"
        <BLANKLINE>
    """
    for key, value in values.items():
        text = _replaced(text, _parts(key), value, cases, note)
    return text


def _parts(key: str) -> Key:
    return tuple(int(p) if p.isdecimal() else p for p in key.split("."))


def _replaced(text: str, key: Key, value: str, cases: Sequence[str | None], note: str) -> str:
    data = tomllib.loads(text)
    own: list[Key] = [("cases", case, *key) for case in cases if case is not None and _has(data, ("cases", case, *key))]
    shared = len(own) < len(cases)
    for place in own:
        text = _at_line(text, place, value, note)
    if not shared:
        return text
    return _at_line(text, key, value, note) if _has(data, key) else _added(text, key, value, data, note)


def _has(data: Any, key: Key) -> bool:
    for part in key:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _at_line(text: str, key: Key, value: str, note: str) -> str:
    lines = text.split("\n")
    number = Lines(text).of(key) - 1
    match = _ENTRY.match(lines[number])
    if match is None or match[1].rstrip("= \t").rpartition(".")[2].strip(" \t\"'") != str(key[-1]):
        name = ".".join(map(str, key))
        raise ArgumentError(f"{name} stands inside braces; write it on a line of its own, so that it can be replaced.")
    comment = [f"# {note}"] if note else []
    lines[number : number + 1] = [*comment, f"{match[1]}{value}{match[3]}"]
    return "\n".join(lines)


def _added(text: str, key: Key, value: str, data: Any, note: str) -> str:
    """The key at the head of its section, which is added at the end where it is missing."""
    table, entry = key[:-1], f"{key[-1]} = {value}"
    if any(isinstance(part, int) for part in table):
        raise ArgumentError(f"{'.'.join(map(str, key))} has no value in the lab file; write one there to replace.")
    comment = [f"# {note}"] if note else []
    header = re.compile(r"^\s*\[\s*" + r"\s*\.\s*".join(re.escape(str(p)) for p in table) + r"\s*\]\s*(#.*)?$")
    lines = text.split("\n")
    at = next((n for n, line in enumerate(lines) if header.match(line)), None)
    if at is not None:
        lines[at + 1 : at + 1] = [*comment, entry]
        return "\n".join(lines)
    if _has(data, table):
        raise ArgumentError(f"{'.'.join(map(str, table))} is no table with a head of its own; write [{table[0]}].")
    name = ".".join(map(str, table))
    return "\n".join([text.rstrip("\n"), "", f"[{name}]", *comment, entry, ""])
