"""A new lab file with every parameter, its meaning, unit, range and source, written from the parameter classes.

Required values come from the published lab files, so that the new file can be predicted as it is.
"""

from __future__ import annotations

import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from darkstate.errors import InputError
from darkstate.experiments import CATALOGUE
from darkstate.experiments.labfile import shipped_labs
from darkstate.experiments.layout import is_required, lists, may_be_absent, sections
from darkstate.experiments.tomltext import nearest, one_line
from darkstate.parameters import Spec, specs
from darkstate.storage import write_atomic
from darkstate.units import KINDS, format_si, shown

PUBLISHED = {
    "two_level_ensembles": "muschik2011",
    "cesium_cells": "krauter2011",
    "spin_mechanics": "huang2018",
    "monitored_cells": "muschik2013-monitored",
    "tweezer_pair": "ruksasakchai2026",
}
"""The published lab file that lends its numbers to a new one."""

EXAMPLES = ("membrane-cell", "two-membranes", "krauter2011-lab", "muschik2011-cesium", "ytterbium-cells")
"""Lab files that lend example numbers to sections the published one goes without."""

_NUMBERS = {"frequencies": {"x": "102 kHz", "y": "102 kHz", "z": "24.5 kHz"}}
"""Example numbers of sections that no lab file has."""

_TEXTS = {
    "1/s": "28 /s",
    "Hz": "850 MHz",
    "s": "15 ms",
    "W": "20 uW",
    "K": "4.2 K",
    "m": "852 nm",
    "T": "1 G",
    "T/m": "1 G/cm",
    "rad": "14 deg",
}


def template(kind: str, name: str) -> str:
    """The text of a new lab file.

    Args:
        kind: the experiment, a key of `CATALOGUE`.
        name: what the laboratory is called.

    Returns:
        A TOML text that loads; everything that may be left out is commented out.

    Example:
        >>> print(template("two_level_ensembles", "our lab")[:34])
        # our lab: a lab file of darkstate
    """
    published = _shipped(PUBLISHED[kind])
    lines = [
        f"# {name}: a lab file of darkstate. A value is a plain number or a text with a unit, as in",
        '# "28 /s", "0.193 /ms" or "2pi*5 kHz" (rate or angular frequency), "850 MHz" (frequency), "15 ms" (time),',
        '# "20 uW" (power), "4.2 K" (temperature), "852 nm" or "100 a0" (length), "0.9 G" (field),',
        '# "2.8 G/cm" (gradient), "14 deg" (angle).',
        '# An uncertainty is written with the value: "0.193(5) /ms" or "55 +- 2".',
        f"# The values in force are those of labs/{PUBLISHED[kind]}.toml: replace them by your own.",
        "# The ones commented out are defaults or examples.",
        "",
        f'experiment = "{kind}"',
        '# title = "what this laboratory is"',
    ]
    for table, section in sections(kind).items():
        lines += ["", *_comment((section.__doc__ or "").strip().split("\n")[0])]
        absent = may_be_absent(kind, table) and table not in published
        values = published.get(table, _example(kind, table) if absent else {})
        block = [f"[{table}]"]
        for key, spec in specs(section):
            block += _entry(section, key, spec, values, in_force=not absent)
        for key, item in lists(section).items():
            block += _list(f"{table}.{key}", item)
        lines += [f"# {line}" for line in block] if absent else block
    lines += _variations(kind, published)
    return "\n".join(lines) + "\n"


def _shipped(name: str) -> dict[str, Any]:
    return tomllib.loads(shipped_labs()[name].read_text(encoding="utf-8"))


def _example(kind: str, table: str) -> dict[str, Any]:
    """The numbers of a section in the first lab file of this experiment that has it."""
    labs = (lab for lab in map(_shipped, EXAMPLES) if lab["experiment"] == kind)
    return next((lab[table] for lab in labs if table in lab), _NUMBERS.get(table, {}))


def write_new(name: str, kind: str, like: str | None = None) -> Path:
    """Write a new lab file.

    Args:
        name: path of the file, with or without ".toml".
        kind: the experiment; like: a lab file that comes along, to be copied as it is instead.

    Raises:
        InputError: unknown experiment or lab file, a name that is no file name, or the file is there already.
    """
    if kind not in CATALOGUE:
        raise InputError([f"--experiment {shown(kind)} is not known here; {_hint(kind, list(CATALOGUE))}"])
    if like is not None and like not in shipped_labs():
        raise InputError([f"--like {shown(like)} is no lab file that comes along; {_hint(like, list(shipped_labs()))}"])
    path = Path(name if name.endswith(".toml") else f"{name}.toml")
    if not re.fullmatch(r"[\w-][\w .-]{0,99}", path.stem):
        raise InputError([f"{shown(name)} is no name for a lab file; use letters, digits, - and _"])
    if path.exists():
        raise InputError([f"{one_line(str(path))} is there already; choose another name or move it away"])
    text = template(kind, path.stem) if like is None else shipped_labs()[like].read_text(encoding="utf-8")
    return write_atomic(path, text)


def _hint(read: str, known: list[str]) -> str:
    likely = nearest(read, known)
    return f"did you mean {likely}?" if likely else f"known are {', '.join(known)}"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, 116, initial_indent="# ", subsequent_indent="# ")


def _about(spec: Spec) -> Iterator[str]:
    yield from _comment(spec.doc)
    kind = "" if spec.choices or spec.whole else f"{KINDS[spec.unit]}, "
    symbol = f"{spec.symbol}: " if spec.symbol != "-" else ""
    yield from _comment(f"{symbol}{kind}{spec.allowed}; source: {spec.source}")


def _entry(section: type, key: str, spec: Spec, published: Mapping[str, Any], *, in_force: bool) -> list[str]:
    """A parameter with its comment; commented out where a default serves, or somebody else's number is an example."""
    required = is_required(section, key)
    default = None if required else getattr(section, key)
    value = published.get(key, default)
    needed = required or (in_force and key in published)
    if value is None:
        number = 1.5 if spec.admits(1.5) else 0.01
        value = number if spec.unit == "1" else _TEXTS[spec.unit]
    elif not isinstance(value, str) and spec.unit != "1":
        value = format_si(value, spec.unit)
    text = f'"{value}"' if isinstance(value, str) else f"{value!r}" if isinstance(value, int) else f"{value:g}"
    return [*_about(spec), ("" if needed else "# ") + f"{key} = {text}"]


def _list(name: str, item: type) -> list[str]:
    lines = ["", *_comment("Instead of `duration`, a list of segments, one such block for each:"), f"# [[{name}]]"]
    example = {"kind": "drive", "duration": "15 ms", "strength": 1.0, "strength_end": 1.0}
    for key, spec in specs(item):
        lines += [f"# {line}" for line in _about(spec)]
        value = example[key]
        lines.append(f'# {key} = "{value}"' if isinstance(value, str) else f"# {key} = {value}")
    return lines


def _variations(kind: str, published: Mapping[str, Any]) -> list[str]:
    section = next(name for name in sections(kind) if name in published)
    key = next(name for name, _ in specs(sections(kind)[section]) if name in published[section])
    shared = CATALOGUE[kind].per_cell
    second = [
        "",
        *_comment(f"What ensemble II has different, in tables of its own ({', '.join(shared)}):"),
        f"# [second.{section}]",
        f"# {key} = 40",
    ]
    case, value, title = ("thin", 20, "lower optical depth") if key == "optical_depth" else ("b", 0.8, f"another {key}")
    return [
        *(second if shared else []),
        "",
        *_comment("Named cases change single values; choose one with --case, or all with --case all:"),
        f"# [cases.{case}]",
        f'# title = "{title}"',
        f"# [cases.{case}.{section}]",
        f"# {key} = {value}",
    ]
