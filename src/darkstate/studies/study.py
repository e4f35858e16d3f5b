"""A study file asks a question about one lab file: read it, name every problem with its line, give the question.

    lab = "krauter2011.toml"        beside the study file, or the name of a lab file that comes along
    case = "c"                      which of its cases
    title = "..."                   what the study is about
    [set]                           values of the lab file replaced, as by --set
    [sweep] [optimise] [fit] ...    one table for each command

Every command brings the model of its own table; all problems are told at once. Loads no JAX.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from darkstate.errors import ArgumentError, InputError
from darkstate.experiments import kind_of, layout
from darkstate.experiments.labfile import Lab, load, shipped_labs
from darkstate.experiments.tomltext import Key, Lines, dotted, nearest, one_line, read_text, read_toml, refuse
from darkstate.experiments.values import value_at, with_values
from darkstate.parameters import Spec
from darkstate.provenance import digest
from darkstate.units import shown

COMMANDS = ("sweep", "optimise", "fit", "plan", "infer")
"""The tables a study file may hold, one for each command."""

Number = float | int | str
"""A value as a study file may write it: a number where the parameter has no unit, or text with a unit."""


class Table(BaseModel):
    """Base of the models of tables: nothing unknown, no conversion, frozen."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


_T = TypeVar("_T", bound=Table)


class Parameter:
    """A float parameter of a lab that a study may vary.

    Args:
        key: dotted key, such as "drive.z"; spec: its unit, range and meaning; value: of the lab [SI]; sigma: its
            standard error in the lab file [SI] or None.
    """

    def __init__(self, key: str, spec: Spec, value: float, sigma: float | None) -> None:
        self.key, self.spec, self.value, self.sigma = key, spec, value, sigma

    def __repr__(self) -> str:
        return f"<Parameter {self.key} = {self.value:g} {self.spec.unit}>"


@dataclasses.dataclass(frozen=True)
class Study:
    """A study file that was read.

    Args:
        name: file name without ".toml"; path: as given; text, digest: of the file, SHA-256.
        lab: the lab file it is about, with its case and [set] applied; title: what it says it is about.
    """

    name: str
    path: str
    text: str = dataclasses.field(repr=False)
    digest: str
    lab: Lab
    title: str
    lines: Lines = dataclasses.field(repr=False)

    @property
    def folder(self) -> Path:
        """Where the study file lies; the files it names lie beside it."""
        return Path(self.path).parent

    @property
    def kind(self) -> str:
        """The word after `experiment =` in its lab file."""
        return kind_of(self.lab.experiment)

    def key(self, path: Key) -> str:
        """File and line of an entry, to begin a sentence with."""
        line = self.lines.of(path)
        return f"{one_line(self.path)}:{line}" if line else one_line(self.path)

    def refuse(self, problems: Sequence[tuple[Key, str]]) -> InputError:
        """All problems of entries as one error: (where, sentence after the file and line)."""
        return refuse([(self.lines.of(path), f"{self.key(path)}: {sentence}") for path, sentence in problems])

    def parameter(self, path: Key, key: str) -> Parameter:
        """The parameter a dotted key stands for.

        Args:
            path: the entry of the study file that names it, for the message.
            key: dotted key as in a lab file, such as "drive.z" or "protocol.segments.0.duration".

        Raises:
            InputError: no parameter of this experiment, one that is text or a whole number, or one this lab goes
                without; names the nearest.
        """
        kind = self.kind
        parts: Key = tuple(int(p) if p.isdecimal() else p for p in key.split("."))
        spec = layout.find(kind, parts)
        if spec is None:
            hint = layout.suggestion(kind, parts)
            raise self.refuse([(path, f"{shown(key)[1:-1]} is no parameter of {one_line(self.lab.path)}{hint}")])
        if spec.choices or spec.whole:
            what = "text" if spec.choices else "a whole number"
            raise self.refuse([(path, f"{key} is {what} and cannot be varied; choose it with [set]")])
        value = self._value(path, key)
        return Parameter(key, spec, value, self.lab.uncertainties.get(key))

    def _value(self, path: Key, key: str) -> float:
        experiment, parts = self.lab.experiment, key.split(".")
        own = parts[0] == "second" and bool(experiment.per_cell)
        if own and ".".join(parts[1:]) not in experiment.second:
            raise self.refuse(
                [(path, f"{key} is not in the lab file, so ensemble II has the value of I; write it there or in [set]")]
            )
        try:
            value = value_at(experiment, key)
            if value is not None:
                with_values(experiment, {key: value})
                return float(value)
        except (ArgumentError, AttributeError, IndexError, KeyError, TypeError):
            pass
        raise self.refuse([(path, f"{key} has no value in this lab file; give it one there or in [set]")])

    def number(self, path: Key, key: str, raw: Number) -> float:
        """A value of a parameter as the study file writes it, in SI and in the parameter's range.

        Raises:
            InputError: wrong unit, not finite, out of range.
        """
        return self.quantity(path, key, raw).value

    def quantity(self, path: Key, key: str, raw: Number) -> layout.Quantity:
        """As `number`, with the standard error it may be written with."""
        spec = self.parameter(path, key).spec
        try:
            return layout.read_value(spec, raw)
        except ArgumentError as error:
            raise self.refuse([(path, f"{dotted(path[-1:])} = {error}")]) from None


def read_study(path: str | Path, command: str, model: type[_T]) -> tuple[Study, _T]:
    """Read the table of one command from a study file.

    Args:
        path: the study file; command: which table, such as "sweep"; model: of this table.

    Returns:
        The `Study`, and the table.

    Raises:
        InputError: all problems found, one sentence each, with file and line; problems of the lab file are told as
            problems of the lab file.
    """
    name = one_line(str(path))
    text = read_text(path, "study")
    data, lines = read_toml(text, name), Lines(text)
    problems = [*_own_problems(data), *_table_problems(data, command, model)]
    if problems:
        raise refuse([(lines.of(key), f"{_at(name, lines, key)}: {sentence}") for key, sentence in problems])
    lab = _lab(path, name, lines, data)
    study = Study(Path(path).stem or "study", str(path), text, digest(text), lab, data.get("title", ""), lines)
    return study, model.model_validate(data[command])


def _at(name: str, lines: Lines, key: Key) -> str:
    return f"{name}:{lines.of(key)}" if lines.of(key) else name


def _own_problems(data: Mapping[str, Any]) -> list[tuple[Key, str]]:
    """What is wrong outside the tables of the commands."""
    known = ["lab", "case", "title", "set", *COMMANDS]
    found: list[tuple[Key, str]] = []
    for word in data:
        if word not in known:
            likely = nearest(word, known)
            hint = f"did you mean {likely}?" if likely else f"known are {', '.join(known)}"
            found.append(((word,), f"{shown(word)[1:-1]} is not known in a study file; {hint}"))
    if "lab" not in data:
        found.append(((), 'lab is missing: the lab file; write lab = "mylab.toml", a path beside this file'))
    for word in ("lab", "case", "title"):
        if word in data and not (isinstance(data[word], str) and data[word]):
            found.append(((word,), f"{word} = {shown(data[word])} must be text in quotes"))
    changes = data.get("set", {})
    if not isinstance(changes, dict):
        found.append((("set",), 'set must be a table; write [set] and lines such as "drive.z" = 2 below it'))
    else:
        for key, value in changes.items():
            if isinstance(value, (dict, list)):
                hint = f'write the key in quotes: "{key}.name" = ...' if isinstance(value, dict) else "give one value"
                found.append((("set", key), f"{shown(key)[1:-1]} = {shown(value)} is no value; {hint}"))
    return found


def _table_problems(data: Mapping[str, Any], command: str, model: type[Table]) -> list[tuple[Key, str]]:
    """What is wrong in the table of the command, by its model."""
    if command not in data:
        return [((), f"has no table [{command}]; `darkstate {command} --help` shows one")]
    if not isinstance(data[command], dict):
        return [((command,), f"{command} must be a table; write [{command}] and its keys on the lines below")]
    try:
        model.model_validate(data[command])
    except ValidationError as error:
        raw = error.errors(include_url=False, include_input=False)
    else:
        return []
    found: list[tuple[Key, str]] = []
    for problem in raw[:200]:
        key: Key = (command, *(p for p in problem["loc"] if not _is_branch(p, problem)))
        entry = (key, _sentence(key, problem, model))
        # the branches of a union each tell their own problem of one entry: the first is enough
        if not any(known == key for known, _ in found):
            found.append(entry)
    return found


def _is_branch(part: str | int, problem: Mapping[str, Any]) -> bool:
    """Whether a part of a location names a branch of a union, not a key of the file."""
    return isinstance(part, str) and (part in ("float", "int", "str", "bool") or "[" in part) and part != "set"


def _sentence(key: Key, problem: Mapping[str, Any], model: type[Table]) -> str:
    """One validation problem in our words."""
    name = dotted(key)
    match problem["type"]:
        case "value_error":
            return f"{name} {problem['ctx']['error']}"
        case "extra_forbidden":
            known = _fields(model, key[1:-1])
            likely = nearest(str(key[-1]), known)
            hint = f"did you mean {likely}?" if likely else f"known are {', '.join(known)}"
            return f"{name} is not known here; {hint}"
        case "missing":
            return f"{name} is missing; write it below [{dotted(key[:-1])}]"
        case "model_type" | "dict_type":
            return f"{name} must be a table; write [{name}] and its keys on the lines below"
        case "list_type" | "tuple_type":
            return f"{name} must be a list in square brackets"
        case "too_short" | "too_long":
            context = problem["ctx"]
            bound = context.get("min_length", context.get("max_length"))
            word = "at least" if problem["type"] == "too_short" else "at most"
            return f"{name} must have {word} {bound} entries, but has {context.get('actual_length')}"
        case "literal_error":
            return f"{name} must be {problem['ctx']['expected']}"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            bound = next(iter(problem["ctx"].values()))
            words = problem["type"].replace("_than_equal", " than or equal to").replace("_than", " than")
            return f"{name} must be {words.replace('_', ' ')} {bound}"
        case "bool_type":
            return f"{name} must be true or false"
        case "int_type" | "int_from_float":
            return f"{name} must be a whole number"
        case "float_type" | "finite_number":
            return f"{name} must be a finite number"
        case "string_type":
            return f"{name} must be text in quotes"
        case _:
            return f"{name} cannot be read; {problem['msg'][:1].lower()}{problem['msg'][1:]}"


def _fields(model: Any, path: Key) -> list[str]:
    """The keys known in the table a path leads to."""
    for part in path:
        fields = getattr(model, "model_fields", {})
        kind = fields[part].annotation if isinstance(part, str) and part in fields else model
        tables = [a for a in _members(kind) if isinstance(a, type) and issubclass(a, BaseModel)]
        model = tables[0] if tables else model
    return list(getattr(model, "model_fields", {}))


def _members(kind: Any) -> list[Any]:
    """A type and everything inside its brackets."""
    return [kind, *(inner for a in get_args(kind) for inner in _members(a))]


def _lab_path(path: str | Path, name: str, lines: Lines, word: str) -> Path:
    """The lab file a study names."""
    beside = Path(path).parent / word
    labs = shipped_labs()
    if word in labs and not beside.is_file():
        return labs[word]
    if not beside.exists():
        likely = nearest(word, [p.name for p in Path(path).parent.glob("*.toml")] + list(labs))
        hint = f'did you mean "{likely}"?' if likely else "give its path from the folder of the study file"
        raise InputError([f"{_at(name, lines, ('lab',))}: lab = {shown(word)} does not exist; {hint}"])
    return beside


def _lab(path: str | Path, name: str, lines: Lines, data: Mapping[str, Any]) -> Lab:
    """The lab file with case and [set] applied; problems of [set] are told with their line in the study file."""
    changes = {f"{key}={_text(value)}": key for key, value in data.get("set", {}).items()}
    try:
        return load(_lab_path(path, name, lines, data["lab"]), case=data.get("case"), overrides=list(changes))
    except InputError as error:
        said = list(error.problems)
    for n, problem in enumerate(said):
        for text, key in changes.items():
            if problem.startswith(f"--set {one_line(text)}: "):
                said[n] = f"{_at(name, lines, ('set', key))}: " + problem.removeprefix(f"--set {one_line(text)}: ")
        if problem.startswith("--case "):
            said[n] = f"{_at(name, lines, ('case',))}: case = " + problem.removeprefix("--case ")
    raise InputError(said)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
