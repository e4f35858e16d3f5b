"""A lab file is a text that describes one experiment: read it, name every problem, give the experiment.

    experiment = "cesium_cells"        which system
    [ensembles] [drive] [noise] ...    its parameters, one table per section
    [second.ensembles]                 what ensemble II has different, where there are two alike
    [protocol]                         duration, or [[protocol.segments]]
    [cases.a.ensembles]                what case a changes

Numbers are SI floats above this file. It loads no JAX, and pydantic only when a lab file is read.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from darkstate.errors import InputError
from darkstate.experiments import CATALOGUE, Experiment, layout
from darkstate.experiments.document import Changes, Document, no_such_case, read_changes, validate
from darkstate.experiments.tomltext import Key, one_line, refuse
from darkstate.experiments.two_cells import second_cell
from darkstate.parameters import specs
from darkstate.provenance import digest


@dataclasses.dataclass(frozen=True)
class Lab:
    """A lab file that was read: the experiment with its numbers, and where they come from.

    Args:
        name: file name without ".toml".
        path: the path as it was given.
        text: the text of the file.
        digest: SHA-256 of the text.
        experiment: the experiment, of the class its file names, with case and overrides applied.
        uncertainties: dotted key to standard error [SI], for every number written with one.
        written: dotted key to the text the value was written as; keys left out in the file are absent.
        case: the case chosen; None if the file has none.
        cases: the cases of the file.
        title: what the file says it describes.
        overrides: changes made on the command line, "section.key=value".
    """

    name: str
    path: str
    text: str = dataclasses.field(repr=False)
    digest: str
    experiment: Any  # which class it is stands in the file, so its sections are not known to a type checker
    uncertainties: Mapping[str, float]
    written: Mapping[str, str] = dataclasses.field(repr=False)
    case: str | None
    cases: tuple[str, ...]
    title: str
    overrides: tuple[str, ...]


def load(path: str | Path, *, case: str | None = None, overrides: Sequence[str] = ()) -> Lab:
    """Read a lab file.

    Args:
        path: the file, or the name of a lab file that comes along, such as "krauter2011".
        case: which of its cases; None takes `default_case`, or the first one.
        overrides: changes as "section.key=value", such as "drive.rate=2 /ms".

    Returns:
        The `Lab`.

    Raises:
        InputError: all problems found, one sentence each, with file and line.

    Example:
        >>> lab = load(shipped_labs()["krauter2011"], case="b", overrides=["drive.z=2"])
        >>> lab.experiment.ensembles.optical_depth, lab.experiment.drive.z
        (35.0, 2.0)
    """
    document = Document(_found(path))
    changes = read_changes(document, overrides)
    return _lab(document, _chosen(document, case), changes)


def load_cases(path: str | Path, *, overrides: Sequence[str] = ()) -> dict[str, Lab]:
    """Read every case of a lab file, in the order of the file.

    Args:
        path: the file.
        overrides: changes to every case as "section.key=value".

    Raises:
        InputError: all problems of all cases, or that the file has no cases.

    Example:
        >>> list(load_cases(shipped_labs()["krauter2011"]))
        ['a', 'b', 'c']
    """
    document = Document(_found(path))
    changes = read_changes(document, overrides)
    if not document.cases:
        raise InputError([f"{document.name} has no cases; leave --case out"])
    labs, problems = {}, []
    for case in document.cases:
        try:
            labs[case] = _lab(document, case, changes)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(list(dict.fromkeys(problems)))
    return labs


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of lab files, for editors and other programs."""
    from darkstate.experiments.schema import schema

    return schema()


def shipped_labs() -> dict[str, Path]:
    """Name and path of the lab files that come along, in an installed package or in a checkout.

    Example:
        >>> sorted(shipped_labs())
        ['huang2018', 'krauter2011', 'krauter2011-lab', 'krauter2011-steady', 'membrane-cell', 'muschik2011',
        'muschik2011-cesium', 'muschik2013', 'muschik2013-monitored', 'ruksasakchai2026', 'two-membranes',
        'ytterbium-cells']
    """
    here = Path(__file__).resolve()
    folders = (here.parents[1] / "labs", here.parents[3] / "labs")
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}


def _found(path: str | Path) -> str | Path:
    """The path, or that of the lab file of this name that comes along."""
    shipped = shipped_labs().get(str(path))
    return path if shipped is None or Path(path).exists() else shipped


def _chosen(document: Document, case: str | None) -> str | None:
    if case is not None and case not in document.cases:
        raise InputError([f"--case {no_such_case(case, document)}"])
    return case or document.data.get("default_case") or next(iter(document.cases), None)


def _merged(document: Document, case: str | None, changes: Changes) -> dict[str, Any]:
    """The tables of the file with one case and the overrides put in place."""
    data = copy.deepcopy({k: v for k, v in document.data.items() if k not in ("cases", "default_case", "title")})
    for section, table in (document.data["cases"][case] if case else {}).items():
        if section == "second":
            for name, entries in table.items():
                data.setdefault("second", {}).setdefault(name, {}).update(copy.deepcopy(entries))
        elif section != "title":
            _update(data.setdefault(section, {}), copy.deepcopy(table))
    for key, (text, value) in changes.items():
        node: Any = data
        for n, part in enumerate(key[:-1]):
            if isinstance(part, int):
                if part >= len(node):
                    there = f"segments 0 to {len(node) - 1}" if node else "no list of segments"
                    raise InputError([f"--set {text}: there is no segment {part}; the protocol has {there}"])
                node = node[part]
            else:
                node = node.setdefault(part, [] if isinstance(key[n + 1], int) else {})
        _update(node, {str(key[-1]): value})
    return data


def _update(table: dict[str, Any], entries: dict[str, Any]) -> None:
    """Put entries in place; `duration` and `segments` describe the same protocol, so one displaces the other."""
    if "segments" in entries:
        table.pop("duration", None)
    elif "duration" in entries:
        table.pop("segments", None)
    table.update(entries)


def _lab(document: Document, case: str | None, changes: Changes) -> Lab:
    model, problems = validate(document, _merged(document, case, changes))
    if problems:
        raise refuse([(line, text) for _, line, text in problems])
    experiment, quantities = _build(document.kind, model)
    _refuse_contradictions(document, case, changes, experiment)
    titles = [document.data.get("title", ""), document.data["cases"][case].get("title", "") if case else ""]
    stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in Path(document.path).stem).strip(".")
    return Lab(
        name=stem or "lab",
        path=document.path,
        text=document.text,
        digest=digest(document.text),
        experiment=experiment,
        uncertainties={key: q.error for key, q in quantities.items() if q.error is not None},
        written={key: q.written for key, q in quantities.items()},
        case=case,
        cases=document.cases,
        title=": ".join(one_line(text) for text in titles if text),
        overrides=tuple(text for text, _ in changes.values()),
    )


def _build(kind: str, model: Any) -> tuple[Experiment, dict[str, layout.Quantity]]:
    """The experiment a validated model describes, and every quantity by its dotted key."""
    quantities: dict[str, layout.Quantity] = {}
    arguments: dict[str, Any] = {}
    for name, section in layout.sections(kind).items():
        table = getattr(model, name)
        if table is not None:
            arguments[name] = _section(section, table, f"{name}.", quantities)
    if CATALOGUE[kind].per_cell:
        second = arguments["second"] = {}
        for name in CATALOGUE[kind].per_cell if model.second is not None else ():
            table = getattr(model.second, name)
            for key in sorted(table.model_fields_set) if table is not None else ():
                quantities[f"second.{name}.{key}"] = getattr(table, key)
                second[f"{name}.{key}"] = getattr(table, key).value
    return CATALOGUE[kind](**arguments), quantities


def _section(section: type, table: Any, prefix: str, quantities: dict[str, layout.Quantity]) -> Any:
    arguments: dict[str, Any] = {}
    for name, _ in specs(section):
        if name in table.model_fields_set:
            quantities[prefix + name] = getattr(table, name)
            arguments[name] = getattr(table, name).value
    for name, item in layout.lists(section).items():
        rows = enumerate(getattr(table, name))
        arguments[name] = tuple(_section(item, row, f"{prefix}{name}.{n}.", quantities) for n, row in rows)
    return section(**arguments)


def _refuse_contradictions(document: Document, case: str | None, changes: Changes, experiment: Experiment) -> None:
    """Raise what single fields cannot show: contradictions between them, and rates that are not finite."""
    absent = _absent_in_second(experiment)
    first = absent or experiment.problems()
    own = [] if absent else second_cell(experiment).problems()
    second = [(f"second.{key}", text) for key, text in own if (key, text) not in first]
    problems = []
    for name, sentence in first + second:
        key: Key = tuple(name.split("."))
        given = [text for changed, (text, _) in changes.items() if changed[: len(key)] == key]
        in_case = document.lines.of(("cases", case, *key)) if case else 0
        line = in_case if in_case > document.lines.of(("cases", case or "")) else document.lines.of(key)
        where = f"--set {given[0]}" if given else f"{document.name}:{line}" if line else document.name
        problems.append((line, f"{where}: {name} {sentence}"))
    if not problems:
        problems = [(0, f"{document.name}: {text}") for text in experiment.rate_problems()]
    if problems:
        raise refuse(problems)


def _absent_in_second(experiment: Experiment) -> list[tuple[str, str]]:
    """Sections that ensemble II is to change, but that the experiment goes without: (key, sentence)."""
    changed = dict.fromkeys(key.split(".")[0] for key in getattr(experiment, "second", ()))
    absent = [name for name in changed if getattr(experiment, name) is None]
    return [(f"second.{name}", f"changes [{name}], which this lab file goes without") for name in absent]
