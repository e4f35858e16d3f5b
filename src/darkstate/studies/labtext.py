"""labtext: a lab file with a result put in place, as text that keeps every line and comment of the original.

The result becomes a case of its own, `[cases.NAME]`, which is made the default one: what the case it started from and
`--set` or [set] changed stands in it too, so that reading the text gives exactly the experiment with the new values.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from darkstate.experiments import layout
from darkstate.experiments.labfile import Lab
from darkstate.experiments.tomltext import Lines, read_override
from darkstate.units import format_si

DIGITS = 15


def with_values_in_place(
    lab: Lab, values: Mapping[str, float], *, case: str, title: str, errors: Mapping[str, float] | None = None
) -> str:
    """The text of a lab file with new values, as its default case.

    Args:
        lab: the lab file that was read; values: dotted keys to SI values.
        case: name of the new case; a number is added if there is one of that name.
        title: what the case is about; errors: standard errors [SI], for values that have one.

    Returns:
        The text. `darkstate.load` of it gives the lab's experiment with these values, to 15 digits.

    Example:
        >>> import darkstate as ds
        >>> lab = ds.load(ds.shipped_labs()["muschik2011"])
        >>> print(with_values_in_place(lab, {"drive.z": 1.25}, case="best", title="best Z")[-58:])
        [cases.best]
        title = "best Z"
        <BLANKLINE>
        [cases.best.drive]
        z = 1.25
        <BLANKLINE>
    """
    while case in lab.cases:
        stem, _, number = case.partition("-")
        case = f"{stem}-{int(number or 1) + 1}"
    tables = _tables(lab)
    for key, value in values.items():
        written = format_si(value, _unit(lab, key), error=(errors or {}).get(key), digits=DIGITS)
        _place(tables, key.split("."), written if not _plain(written) else float(written))
    lines = [f"[cases.{case}]", f"title = {json.dumps(title, ensure_ascii=False)}"]
    for name, entries in _flat(tables):
        lines += ["", f"[cases.{case}.{name}]", *(f"{key} = {_toml(value)}" for key, value in entries.items())]
    return f"{_with_default(lab.text, case).rstrip()}\n\n" + "\n".join(lines) + "\n"


def _tables(lab: Lab) -> dict[str, Any]:
    """What the case and the overrides of a lab change, as tables of a case."""
    data = tomllib.loads(lab.text)
    tables: dict[str, Any] = {k: v for k, v in data.get("cases", {}).get(lab.case, {}).items() if k != "title"}
    for text in lab.overrides:
        key, value = read_override(text)
        words = [str(part) for part in key]
        if words[:2] == ["protocol", "segments"]:
            tables.setdefault("protocol", {}).setdefault("segments", data.get("protocol", {}).get("segments", []))
        _place(tables, words, value)
    return tables


def _unit(lab: Lab, key: str) -> Any:
    kind = str(tomllib.loads(lab.text)["experiment"])
    spec = layout.find(kind, tuple(int(part) if part.isdecimal() else part for part in key.split(".")))
    assert spec is not None, key
    return spec.unit


def _plain(written: str) -> bool:
    return re.fullmatch(r"[-+0-9.eE]+", written) is not None


def _place(node: Any, path: Sequence[str], value: Any) -> None:
    *outer, name = path
    for part in outer:
        node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
    node[name] = value
    if name == "duration" and outer == ["protocol"]:
        node.pop("segments", None)


def _flat(tables: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Dotted names of tables and their entries; those of `second` are one level deeper."""
    for name, entries in tables.items():
        if name == "second":
            yield from ((f"second.{inner}", own) for inner, own in entries.items())
        else:
            yield name, entries


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _with_default(text: str, case: str) -> str:
    """The text with another default case, named below the line that names the experiment."""
    lines, where = text.split("\n"), Lines(text)
    place = where.of(("experiment",))
    old = where.of(("default_case",))
    lines.insert(place, f'default_case = "{case}"')
    if old:
        del lines[old if old > place else old - 1]
    return "\n".join(lines)
