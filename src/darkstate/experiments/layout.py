"""The outline of a lab file, read off the parameter classes: sections, keys, and how one value is read.

Up: `document` (problems of a file), `schema` (JSON Schema), `template` (a new lab file) and `labfile` take it from
here, so that a parameter is written down once, in its class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple, cast, get_args, get_type_hints

from darkstate.errors import ArgumentError
from darkstate.experiments import CATALOGUE
from darkstate.experiments.tomltext import Key, nearest
from darkstate.parameters import Spec, specs
from darkstate.units import EXAMPLES, KINDS, parse, shown


class Quantity(NamedTuple):
    """One value of a lab file: SI value, standard error [SI] or None, and the text it was written as."""

    value: Any
    error: float | None
    written: str


@cache
def sections(kind: str) -> dict[str, type]:
    """Name and parameter class of every section of an experiment, in the order written.

    Example:
        >>> list(sections("two_level_ensembles"))
        ['ensembles', 'drive', 'pump', 'noise', 'field', 'cells', 'protocol', 'laser']
    """
    hints = get_type_hints(CATALOGUE[kind])
    found: dict[str, type] = {}
    for f in dataclasses.fields(CATALOGUE[kind]):
        # a section that may be absent is `X | None`
        for member in (hints[f.name], *get_args(hints[f.name])):
            if dataclasses.is_dataclass(member):
                found[f.name] = cast(type, member)
    return found


@cache
def lists(section: type) -> dict[str, type]:
    """Name and class of the lists of tables in a section: the segments of the protocol."""
    own = dict(specs(section))
    hints = get_type_hints(section)
    return {f.name: get_args(hints[f.name])[0] for f in dataclasses.fields(section) if f.name not in own}


def is_required(section: type, name: str | None = None) -> bool:
    """Whether a lab file must give this parameter, or any parameter of this section."""
    fields = [f for f in dataclasses.fields(section) if name in (None, f.name)]
    return any(f.default is dataclasses.MISSING for f in fields)


@cache
def may_be_absent(kind: str, section: str) -> bool:
    """Whether an experiment can go without a section altogether: such sections are alternatives of each other.

    Example:
        >>> may_be_absent("spin_mechanics", "spin"), may_be_absent("spin_mechanics", "path")
        (True, False)
    """
    return next(f.default is None for f in dataclasses.fields(CATALOGUE[kind]) if f.name == section)


@cache
def parameters(kind: str) -> dict[str, Spec]:
    """Dotted key and `Spec` of everything a lab file of this experiment may hold, `second` tables included."""
    return dict(_parameters(kind))


def _parameters(kind: str) -> Iterator[tuple[str, Spec]]:
    for section, cls in sections(kind).items():
        for name, spec in specs(cls):
            yield f"{section}.{name}", spec
        for name, item in lists(cls).items():
            for inner, spec in specs(item):
                yield f"{section}.{name}.{inner}", spec
    for section in CATALOGUE[kind].per_cell:
        for name, spec in specs(sections(kind)[section]):
            yield f"second.{section}.{name}", spec


def find(kind: str, key: Key) -> Spec | None:
    """The `Spec` a key stands for; a number in the key counts the tables of a list from 0."""
    words = [part for part in key if isinstance(part, str)]
    numbered = len(key) - len(words)
    spec = parameters(kind).get(".".join(words))
    in_list = len(words) == 3 and words[0] != "second"
    placed = numbered == 1 and not isinstance(key[2], str) if in_list and len(key) == 4 else numbered == 0
    return spec if placed and in_list == (numbered == 1) else None


def likely_key(kind: str, key: Key) -> str:
    """The key an unknown one may have been meant to be, or an empty text."""
    words = [str(part) for part in key if isinstance(part, str)]
    prefix = words[:2] if words[:1] == ["cases"] else []
    words = words[len(prefix) :]
    known, tables = list(parameters(kind)), [*_tables(kind), "experiment", "title", "default_case"]
    if words[:1] == ["second"] and CATALOGUE[kind].per_cell:
        known = [k for k in known if k.startswith("second.")]
        tables = [f"second.{name}" for name in CATALOGUE[kind].per_cell]
    same = [k for k in known if words and k.rpartition(".")[2] == words[-1]]
    found = same[0] if same else nearest(".".join(words), known + tables)
    return ".".join([*prefix, found]) if found else ""


def suggestion(kind: str, key: Key) -> str:
    """What to do about an unknown key, as the end of a sentence."""
    name = ".".join(str(part) for part in key)
    inside = [k for k in parameters(kind) if k.startswith(f"{name}.")]
    if inside:
        return f"; it is a table, name one of its parameters, such as {inside[0]}"
    shared = CATALOGUE[kind].per_cell
    if shared and key[0] == "second" and (len(key) == 1 or key[1] in sections(kind).keys() - set(shared)):
        return f"; `second` holds only {', '.join(shared)}"
    likely = likely_key(kind, key)
    return f"; did you mean {likely}?" if likely else f"; known are {', '.join(_tables(kind))}"


def _tables(kind: str) -> list[str]:
    """The tables a lab file of this experiment may have."""
    return [*sections(kind), *(["second"] if CATALOGUE[kind].per_cell else []), "cases"]


def read_value(spec: Spec, raw: object) -> Quantity:
    """Read one value of a lab file.

    Args:
        spec: the parameter it belongs to.
        raw: the value as TOML gives it.

    Raises:
        ArgumentError: wrong type, wrong unit, not finite, out of range; a sentence that starts with the value.

    Example:
        >>> read_value(parameters("cesium_cells")["noise.gamma_tilde"], "0.193 /ms")
        Quantity(value=193.0, error=None, written='0.193 /ms')
    """
    if spec.choices:
        if raw not in spec.choices:
            likely = nearest(raw, list(spec.choices)) if isinstance(raw, str) else ""
            raise ArgumentError(
                f"{shown(raw)} must be {spec.allowed}" + (f"; did you mean {likely}?" if likely else "")
            )
        return Quantity(raw, None, str(raw))
    if spec.whole:
        if isinstance(raw, bool) or not isinstance(raw, int) or not spec.admits(raw):
            raise ArgumentError(f"{shown(raw)} must be {spec.allowed}")
        return Quantity(raw, None, str(raw))
    value, error = parse(raw, spec.unit)
    if not spec.admits(value):
        raise ArgumentError(f"{shown(raw)} must be {spec.allowed}; check the sign and the unit")
    return Quantity(value, error, raw if isinstance(raw, str) else f"{raw}")


def missing(name: str, spec: Spec) -> str:
    """What a missing parameter is and how it is written, as the end of a sentence."""
    what = f"{spec.doc} ({spec.symbol})" if spec.symbol != "-" else spec.doc
    if spec.choices:
        return f"is missing: {what}; write {name} = one of {', '.join(spec.choices)} in quotes"
    return f"is missing: {what}; write {name} = {KINDS[spec.unit]}, such as {EXAMPLES[spec.unit]}"
