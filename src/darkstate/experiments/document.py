"""The text of one lab file and everything that is wrong with it, each problem in one sentence with its line.

Down: `tomltext` knows TOML, `layout` the parameters, `schema` validates. Up: `labfile` makes the experiment from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from darkstate.errors import ArgumentError, InputError
from darkstate.experiments import CATALOGUE, layout
from darkstate.experiments.tomltext import (
    MAX_PROBLEMS,
    Key,
    Lines,
    dotted,
    nearest,
    one_line,
    read_override,
    read_text,
    read_toml,
    refuse,
)
from darkstate.parameters import specs
from darkstate.units import shown


class Document:
    """The text of a lab file, its tables, and the experiment it names.

    Args:
        path: the file.

    Raises:
        InputError: the file cannot be read, is not TOML, or names no experiment.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self.name = one_line(self.path)
        self.text = read_text(path)
        self.data = read_toml(self.text, self.name)
        self.lines = Lines(self.text)
        self.kind = self._kind()

    def _kind(self) -> str:
        known = ", ".join(f'"{kind}"' for kind in CATALOGUE)
        if "experiment" not in self.data:
            raise InputError([f"{self.name}: experiment is missing: the system; write experiment = one of {known}"])
        word = self.data["experiment"]
        if isinstance(word, str) and word in CATALOGUE:
            return word
        likely = nearest(word, list(CATALOGUE)) if isinstance(word, str) else ""
        hint = f'did you mean "{likely}"?' if likely else f"write one of {known}"
        raise InputError([f"{self.at(('experiment',))}: experiment = {shown(word)} is not known here; {hint}"])

    def at(self, key: Key) -> str:
        """File and line of a key, as messages begin."""
        line = self.lines.of(key)
        return f"{self.name}:{line}" if line else self.name

    @property
    def cases(self) -> tuple[str, ...]:
        """The names of its cases, in the order of the file."""
        found = self.data.get("cases")
        return tuple(found) if isinstance(found, dict) else ()


Changes = dict[Key, tuple[str, Any]]
"""What `--set` changes: key to the text given and the value."""


def read_changes(document: Document, overrides: Sequence[str]) -> Changes:
    """Check the file as it stands and read the overrides.

    Raises:
        InputError: all problems of both, in the order of the lines.
    """
    changes: Changes = {}
    problems: list[tuple[int, str]] = []
    for text in overrides:
        try:
            key, value = read_override(text)
            spec = layout.find(document.kind, key)
            if spec is None:
                in_case = key[0] == "cases"
                hint = "; choose a case with --case" if in_case else layout.suggestion(document.kind, key)
                raise InputError([f"--set {one_line(text)}: {dotted(key)} is not known here{hint}"])
            layout.read_value(spec, value)
            changes[key] = (one_line(text), value)
        except ArgumentError as error:
            problems.append((1 << 30, f"--set {one_line(text)}: {dotted(key)} = {error}"))
        except InputError as error:
            problems += [(1 << 30, line) for line in error.problems]
    problems += [(line, text) for key, line, text in validate(document, document.data)[1] if key not in changes]
    default = document.data.get("default_case")
    if isinstance(default, str) and default not in ("", *document.cases):
        line = document.lines.of(("default_case",))
        problems.append((line, f"{document.name}:{line}: default_case = {no_such_case(default, document)}"))
    if "all" in document.cases:
        line = document.lines.of(("cases", "all"))
        problems.append((line, f'{document.name}:{line}: a case cannot be called "all"; --case all means every case'))
    if problems:
        raise refuse(problems)
    return changes


def validate(document: Document, data: dict[str, Any]) -> tuple[Any, list[tuple[Key, int, str]]]:
    """The validated model, or key, line and sentence of every problem."""
    from pydantic import ValidationError

    from darkstate.experiments.schema import lab_model

    try:
        return lab_model(document.kind).model_validate(data), []
    except ValidationError as error:
        raw = error.errors(include_url=False, include_input=False)
    unknown = [p["loc"] for p in raw if p["type"] == "extra_forbidden"][:MAX_PROBLEMS]
    meant = {layout.likely_key(document.kind, key) for key in unknown}
    found: list[tuple[Key, int, str]] = []
    for problem in raw:
        for key, sentence in _sentences(document.kind, problem) if len(found) <= MAX_PROBLEMS else ():
            # a misspelt key is one mistake: the right one is not reported missing as well
            if problem["type"] != "missing" or not {dotted(key), str(key[0])} & meant:
                found.append((key, document.lines.of(key), f"{document.at(key)}: {dotted(key)} {sentence}"))
    return None, found


def _sentences(kind: str, problem: Mapping[str, Any]) -> list[tuple[Key, str]]:
    """One validation problem in our words: (key, what follows the key in the sentence)."""
    key: Key = problem["loc"]
    name = str(key[-1])
    match problem["type"]:
        case "value_error":
            return [(key, f"= {problem['ctx']['error']}")]
        case "extra_forbidden":
            return [(key, f"is not known here{layout.suggestion(kind, key)}")]
        case "missing":
            section = layout.sections(kind)[name] if len(key) == 1 else None
            if section is None:
                inside = layout.sections(kind)[str(key[-2])] if isinstance(key[-2], str) else _list_item(kind, key)
                return [(key, layout.missing(name, dict(specs(inside))[name]))]
            needed = [(n, s) for n, s in specs(section) if layout.is_required(section, n)]
            return [((*key, n), layout.missing(n, s)) for n, s in needed]
        case "model_type" | "dict_type" if isinstance(key[-1], int):
            return [(key, "must be a table with kind and duration")]
        case "model_type" | "dict_type":
            return [(key, f"must be a table; write [{dotted(key)}] and its keys on the lines below")]
        case "list_type":
            return [(key, f"must be a list of tables; write [[{dotted(key)}]] and its keys on the lines below")]
        case "string_type":
            return [(key, "must be text in quotes")]
        case "string_too_long":
            return [(key, "must have at most 200 characters")]
        case "string_pattern_mismatch":
            return [(key[:-1], "is no name for a case; use up to 40 letters, digits, - and _")]
        case _:
            return [(key, "cannot be read; see `darkstate schema` for what is allowed here")]


def _list_item(kind: str, key: Key) -> type:
    """The class of the tables in the list a key stands in, such as a protocol segment."""
    section, name = key[-4], key[-3]
    return layout.lists(layout.sections(kind)[str(section)])[str(name)]


def no_such_case(case: str, document: Document) -> str:
    """What to say of a case that is not there."""
    if not document.cases:
        return f"{shown(case)} is no case of {document.name}, which has no cases"
    known = ", ".join(shown(name)[1:-1] for name in document.cases[:20])
    likely = nearest(case, list(document.cases))
    return f"{shown(case)} is no case of {document.name}; known cases: {known}" + (
        f"; did you mean {likely}?" if likely else ""
    )
