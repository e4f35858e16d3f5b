"""Models of lab files, made from the parameter classes: they validate a file and give its JSON Schema.

Only this file imports pydantic, and only reading a lab file or asking for the schema imports this file.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, StringConstraints, WithJsonSchema, create_model
from pydantic.json_schema import models_json_schema

from darkstate.experiments import CATALOGUE
from darkstate.experiments.layout import Quantity, is_required, lists, may_be_absent, read_value, sections
from darkstate.parameters import Spec, specs
from darkstate.units import EXAMPLES, KINDS, format_si

SCHEMA_VERSION = 1
"""Rises when a lab file that was valid is no longer valid."""

CASE_NAME = "^[A-Za-z0-9_-]{1,40}$"

# For editors; the grammar in `units` decides.
_ENDINGS = {
    "1": r"^[^A-Za-z]+([eE][^A-Za-z]+)*$",
    "1/s": r"(/(s|ms|us|ns|µs|μs)|\^-1|2\s*(pi|π)\s*[*×·].*Hz)\s*$",
    "Hz": r"[0-9.)\s][mkMGT]?Hz\s*$",
    "s": r"[0-9.)\s](s|ms|us|ns|µs|μs)\s*$",
    "W": r"[0-9.)\s][mnuµμ]?W\s*$",
    "K": r"[0-9.)\s][muµμ]?K\s*$",
    "m": r"[0-9.)\s]([cmnuµμ]?m|a0)\s*$",
    "T": r"[0-9.)\s][muµμ]?[TG]\s*$",
    "T/m": r"[0-9.)\s](m?T/m|G/cm)\s*$",
    "rad": r"[0-9.)\s](m?rad|deg)\s*$",
}

_STRICT = ConfigDict(extra="forbid")


def _value_schema(spec: Spec, default: object) -> dict[str, Any]:
    found: dict[str, Any] = {
        "description": spec.doc,
        "symbol": spec.symbol,
        "unit": spec.unit,
        "source": spec.source,
    }
    if spec.choices:
        return {**found, "type": "string", "enum": list(spec.choices)}
    if spec.unit == "1":
        bounds = {"minimum": spec.minimum, "maximum": spec.maximum, "exclusiveMinimum": spec.above}
        found.update({k: v for k, v in bounds.items() if v is not None})
        found["type"] = "integer" if spec.whole else ["number", "string"]
    else:
        found["description"] += f"; {KINDS[spec.unit]}, written as {EXAMPLES[spec.unit]}; {spec.allowed}"
        found["type"] = "string"
    if not spec.whole:
        found["pattern"] = _ENDINGS[spec.unit]
    if isinstance(default, (int, float)):
        found["default"] = default if spec.unit == "1" else format_si(default, spec.unit, digits=15)
    return found


def _field(section: type, name: str, spec: Spec, partial: bool) -> tuple[Any, Any]:
    def read(raw: object) -> Quantity:
        return read_value(spec, raw)

    required = is_required(section, name)
    schema = _value_schema(spec, None if required else getattr(section, name))
    kind = Annotated[Any, PlainValidator(read), WithJsonSchema(schema)]
    return (kind, ...) if required and not partial else (kind, Field(default_factory=lambda: None))


@cache
def _section_model(name: str, section: type, partial: bool) -> type[BaseModel]:
    members: dict[str, Any] = {key: _field(section, key, spec, partial) for key, spec in specs(section)}
    for key, item in lists(section).items():
        model = _section_model(f"{name}_{key}", item, partial=False)
        members[key] = (list[model], Field(default_factory=list))  # type: ignore[valid-type]
    doc = (section.__doc__ or "").strip().split("\n")[0]
    return create_model(name, __config__=_STRICT, __doc__=doc, **members)


def _tables(prefix: str, kind: str, names: list[str], partial: bool) -> dict[str, Any]:
    """The section tables of an experiment as optional or required members."""
    members: dict[str, Any] = {}
    for name in names:
        section = sections(kind)[name]
        model = _section_model(f"{prefix}_{name}", section, partial)
        needed = is_required(section) and not partial and not may_be_absent(kind, name)
        members[name] = (model, ...) if needed else (model, Field(default_factory=lambda: None))
    return members


@cache
def lab_model(kind: str) -> type[BaseModel]:
    """The model of a whole lab file; the values of its fields are `Quantity` objects.

    Args:
        kind: the experiment, a key of `CATALOGUE`.
    """
    cls = CATALOGUE[kind]
    system: Any = Literal[kind]
    short: Any = Annotated[str, StringConstraints(max_length=200)]
    title = (short, Field(default="", description="what the file describes"))
    second: dict[str, Any] = {}
    if cls.per_cell:
        doc = "What ensemble II has different."
        tables = _tables(f"{kind}_part", kind, list(cls.per_cell), partial=True)
        model = create_model(f"{kind}_second", __config__=_STRICT, __doc__=doc, **tables)
        second = {"second": (model, Field(default_factory=lambda: None, description="what ensemble II has different"))}
    case = create_model(
        f"{kind}_case",
        __config__=_STRICT,
        __doc__="What one case changes.",
        title=title,
        **second,
        **_tables(f"{kind}_part", kind, list(sections(kind)), partial=True),
    )
    cases = dict[Annotated[str, StringConstraints(pattern=CASE_NAME)], case]  # type: ignore[valid-type]
    return create_model(
        kind,
        __config__=_STRICT,
        __doc__=(cls.__doc__ or "").strip().split("\n")[0],
        experiment=(system, Field(description="which system the file describes")),
        title=title,
        default_case=(str, Field(default="", description="the case used when none is named")),
        **_tables(kind, kind, list(sections(kind)), partial=False),
        **second,
        cases=(cases, Field(default_factory=dict, description="named changes, chosen with --case")),
    )


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of lab files; every parameter has description, unit, symbol and source.

    Example:
        >>> schema()["$id"]
        'urn:darkstate:lab-file:1'
    """
    models = [(lab_model(kind), "validation") for kind in CATALOGUE]
    _, definitions = models_json_schema(models)  # type: ignore[arg-type]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:darkstate:lab-file:{SCHEMA_VERSION}",
        "title": "darkstate lab file",
        "oneOf": [{"$ref": f"#/$defs/{kind}"} for kind in CATALOGUE],
        **definitions,
    }
