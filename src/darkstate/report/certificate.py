"""A certificate: one claim about one record, with everything needed to compute it again, as one JSON file.

Each section carries the SHA-256 of its canonical text (keys sorted, no spaces), so an altered field is found and its
section named. Whoever alters a field can write a new digest, too; `verdict.verify` then computes the claim again.
Down: `storage`; up: `verdict`, which fills and verifies it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from darkstate.errors import InputError
from darkstate.provenance import digest
from darkstate.records.guard import label, one_line
from darkstate.storage import write_atomic

VERSION = 1
"""Version of this layout, the key `schema_version`."""

SECTIONS = ("claim", "record", "lab", "calibration", "method", "checks", "prediction", "software")
"""What a certificate consists of, beside its version and its digests."""

VERDICTS = ("entangled", "not shown", "inconsistent")
"""What a certificate may say."""

_MAX_BYTES = 1 << 24


@dataclass(frozen=True)
class Certificate:
    """What `certify` returns; prints as a summary.

    Args:
        content: the sections of `SECTIONS`, schema_version, digests (section to SHA-256) and digest, of plain JSON
            values; their meaning is in `certificate_schema`.
    """

    content: dict[str, Any]

    @property
    def verdict(self) -> str:
        """`entangled`, `not shown` or `inconsistent`."""
        return str(self.content["claim"]["verdict"])

    @property
    def digest(self) -> str:
        """SHA-256 over all of it; who has seen it elsewhere knows that the certificate is the same."""
        return str(self.content["digest"])

    def save(self, path: str | Path) -> Path:
        """Write it as JSON, whole or not at all."""
        return write_atomic(path, json.dumps(self.content, indent=2, allow_nan=False) + "\n")

    def __str__(self) -> str:
        return _table(self.content)

    def __repr__(self) -> str:
        return f"<Certificate {self.digest[:15]}: {self.verdict}>"


def canonical(value: Any) -> str:
    """The text that is hashed: JSON in ASCII with sorted keys, no spaces, and every float by its shortest decimals.

    Example:
        >>> canonical({"b": 0.10, "a": [1, None]})
        '{"a":[1,null],"b":0.1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def plain(value: Any) -> Any:
    """The same as JSON values: lists for tuples, Python's numbers for NumPy's, None for what is no finite number.

    Example:
        >>> plain({"alpha": np.float64("nan"), "interval": (np.float64(0.5), 1)})
        {'alpha': None, 'interval': [0.5, 1]}
    """
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    return None if isinstance(value, float) and not isfinite(value) else value


def sealed(sections: dict[str, Any]) -> Certificate:
    """Put digests to the sections.

    Example:
        >>> one = sealed({name: {} for name in SECTIONS})
        >>> broken_seals(one.content), broken_seals({**one.content, "lab": {"name": "mine"}})
        ([], ['lab', 'digest'])
    """
    content = {"schema_version": VERSION, **{name: plain(sections[name]) for name in SECTIONS}}
    content["digests"] = {name: digest(canonical(content[name])) for name in SECTIONS}
    return Certificate({**content, "digest": digest(canonical(content))})


def broken_seals(content: dict[str, Any]) -> list[str]:
    """Sections that are not what their digest says; `digest` stands for the digest over all.

    Example: see `sealed`.
    """
    found = [n for n in SECTIONS if digest(canonical(content[n])) != content["digests"][n]]
    rest = {k: v for k, v in content.items() if k != "digest"}
    return found + (["digest"] if digest(canonical(rest)) != content["digest"] else [])


def read_certificate(path: str | Path) -> Certificate:
    """Read a certificate and check its layout; whether it is true, `verify` tells.

    Raises:
        InputError: not there, too large, not JSON, or not a certificate: every problem with its field.

    Example:
        >>> read_certificate("nowhere.json")
        Traceback (most recent call last):
        ...
        darkstate.errors.InputError: nowhere.json cannot be read: No such file or directory; check the path
    """
    name = label(path)
    try:
        with open(path, "rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the name is not one a file can have"
        raise InputError([f"{name} cannot be read: {reason}; check the path"]) from None
    if len(content) > _MAX_BYTES:
        raise InputError([f"{name} is larger than 16 MiB; a certificate is some 10 kB, check the path"])
    try:
        found = json.loads(content.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise InputError(
            [f"{name} is no certificate ({one_line(str(error))}); restore it from a copy, `darkstate certify` wrote it"]
        ) from None
    problems = layout_problems(found)
    if problems:
        raise InputError([f"{name}: {text}" for text in problems])
    return Certificate(found)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; a key that is written twice would show a reader another value than the program takes."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is written twice")
    return found


def certificate_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of certificates.

    Example:
        >>> certificate_schema()["$id"]
        'darkstate-certificate-1'
    """
    found: dict[str, Any] = json.loads((files("darkstate.report") / "certificate_schema.json").read_text("utf-8"))
    return found


_schema = cache(certificate_schema)


def layout_problems(content: Any) -> list[str]:
    """Where a content departs from the schema, one sentence each.

    Example:
        >>> layout_problems({"schema_version": 2})[0]
        'schema_version is 2; it must be 1'
    """
    version = content.get("schema_version") if isinstance(content, dict) else None
    if type(version) is int and version != VERSION:
        return [f"schema_version is {version}; it must be {VERSION}"]
    return list(_departures(content, _schema(), ""))


_TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "integer": lambda v: type(v) is int and abs(v) < 1 << 63,
    "number": lambda v: (type(v) is int and abs(v) < 1 << 63) or (type(v) is float and isfinite(v)),
}


def _departures(value: Any, schema: dict[str, Any], where: str) -> Iterator[str]:
    """Check the part of JSON Schema that certificate_schema.json uses."""
    allowed = _allowed(value, schema)
    if allowed:
        yield f"{where or 'it'} is {one_line(repr(value)[:60])}; it must be {allowed}"
    elif isinstance(value, dict) and "additionalProperties" in schema:
        known, others = schema.get("properties", {}), schema["additionalProperties"]
        inside = f"{where}." if where else ""
        yield from (f"{inside}{key} is missing" for key in schema.get("required", ()) if key not in value)
        for key, child in value.items():
            if key in known or others:
                yield from _departures(child, known.get(key, others), f"{inside}{one_line(key)}")
            else:
                yield f"{inside}{one_line(key)} is no field of a certificate; remove it"
    elif isinstance(value, list):
        for n, child in enumerate(value):
            yield from _departures(child, schema["items"], f"{where}.{n}")


def _allowed(value: Any, schema: dict[str, Any]) -> str:
    """What a value must be, in words, if it is something else."""
    choices = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if choices is not None:
        return "" if value in choices and type(value) is not bool else " or ".join(map(str, choices))
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(_TYPES[t](value) for t in types):
        return " or ".join(types)
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        return f"of the form {schema['pattern']}"
    if isinstance(value, list) and not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        return f"{schema['minItems']} or more" if "maxItems" not in schema else f"{schema['maxItems']} numbers"
    if isinstance(value, (int, float)):
        low, high = schema.get("minimum", -np.inf), schema.get("maximum", np.inf)
        above, below = schema.get("exclusiveMinimum", -np.inf), schema.get("exclusiveMaximum", np.inf)
        if not (low <= value <= high and above < value < below):
            return f"from {max(low, above):g} to {min(high, below):g}"
    return ""


def _table(content: dict[str, Any]) -> str:
    claim, method, lab, record = (content[n] for n in ("claim", "method", "lab", "record"))
    found, calibration, passed = content["prediction"], content["calibration"], [c["passed"] for c in content["checks"]]
    errors = f"+- {_n(claim['statistical'])} (statistical) +- {_n(claim['systematic'])} (systematic)"
    interval = " to ".join(_n(end) for end in claim["interval"] or [None])
    window = f"{_ms(method['probe_s'])} from {_ms(method['start_s'])} on, method {method['name']}"
    other = record["lab_digest"] not in (None, lab["digest"])
    case = f", case {lab['case']}" if lab["case"] else ""
    changed = f", with {'; '.join(lab['overrides'])}" if lab["overrides"] else ""
    rows = [
        (claim["quantity"], f"{_n(claim['value'])} {errors}; {interval} at {claim['confidence']:.4g}"),
        *(("because", text) for text in claim["reasons"]),
        ("window", f"{window}; {method['statement']}"),
        ("checks", f"{sum(passed)} passed, {len(passed) - sum(passed)} failed"),
        ("prediction", found["text"]),
        ("calibration", "of the lab file" if calibration["from_lab"] else calibration["source"] or "given"),
        ("record", f"{record['file'] or 'not from a file'}, {record['cycles']} cycles, {record['digest']}"),
        ("lab", f"{lab['name']}{case}{changed}{'; the record was made from another lab file' if other else ''}"),
        ("made", f"{content['software']['created']}, darkstate {content['software']['versions']['darkstate']}"),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join([f"{claim['verdict']}", *(f"  {name:<{width}}  {_shown(text)}" for name, text in rows)])


def _n(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def _ms(value: float | None) -> str:
    return "none" if value is None else f"{1e3 * value:.6g} ms"


def _shown(text: str) -> str:
    """A text from a file as a terminal may show it: without control characters."""
    return "".join(c if c.isprintable() else " " for c in text)
