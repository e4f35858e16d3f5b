"""diff: what changed between two lab files, calibrations, certificates or results, in standard errors.

    sigmas = (b - a)/sqrt(sigma_a^2 + sigma_b^2)

Down: `difference`, `diff_results`; up: cli.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from darkstate.errors import ArgumentError, InputError
from darkstate.experiments import kind_of
from darkstate.experiments.labfile import Lab, load, shipped_labs
from darkstate.experiments.layout import parameters
from darkstate.experiments.tomltext import nearest, one_line, read_text, read_toml
from darkstate.parameters import Spec
from darkstate.records.calibration import UNITS, Quantity, read_calibration
from darkstate.report.diff_results import diff_certificates, diff_datasets
from darkstate.report.difference import Change, Difference, both, in_errors
from darkstate.units import format_si

RESULTS = (".nc", ".h5", ".zarr")
"""Endings of files with labelled arrays."""


def diff(first: str | Path, second: str | Path) -> Difference:
    """What changed between two files of one kind.

    Args:
        first, second: two lab files (or names of such that come along), either with ":case" behind it; two
            calibrations; two certificates; or two results or records (.nc, .h5, .zarr).

    Returns:
        A `Difference`; prints as a table, and is false where nothing differs.

    Raises:
        InputError: a file that cannot be read, or two of different kinds.

    Example:
        >>> print(diff("krauter2011:a", "krauter2011:b"))
        lab files: A = krauter2011, case a, B = krauter2011, case b
        <BLANKLINE>
          value                    A   B
          ensembles.optical_depth  55  35
        <BLANKLINE>
          provenance  A  B
          case        a  b
        <BLANKLINE>
          1 of 28 values differ
    """
    kinds = _kind(first), _kind(second)
    if kinds[0] != kinds[1]:
        raise InputError(
            [f"{_name(first)} is a {kinds[0]} and {_name(second)} a {kinds[1]}; compare two files of one kind"]
        )
    if kinds[0] == "result":
        return diff_datasets(Path(first), Path(second))
    if kinds[0] == "certificate":
        return diff_certificates(Path(first), Path(second))
    if kinds[0] == "calibration":
        return _calibrations(Path(first), Path(second))
    return diff_labs(_lab(first), _lab(second))


def diff_labs(first: Lab, second: Lab) -> Difference:
    """What changed between two labs of one experiment, defaults included.

    Raises:
        InputError: they describe different systems.

    Example:
        >>> from darkstate.experiments.labfile import load, shipped_labs
        >>> path = shipped_labs()["krauter2011"]
        >>> labs = [load(path, overrides=[f"drive.z={z}"]) for z in ("2.50(4)", "2.65(3)")]
        >>> found = diff_labs(*labs).changes[0]
        >>> found.name, f"{found.sigmas:.1f}"
        ('drive.z', '3.0')
    """
    labs = first, second
    kinds = both(lambda lab: kind_of(lab.experiment), labs)
    if kinds[0] != kinds[1]:
        raise InputError(
            [f"{first.name} describes {kinds[0]} and {second.name} {kinds[1]}; compare two lab files of one system"]
        )
    a, b = (dict(_values(lab.experiment)) for lab in labs)
    changes = [change for key in dict.fromkeys([*a, *b]) if (change := _parameter(key, labs, a.get(key), b.get(key)))]
    words: list[tuple[str, Callable[[Lab], str]]] = [
        ("case", lambda lab: lab.case or "-"),
        ("changed", lambda lab: "; ".join(lab.overrides) or "-"),
    ]
    provenance = [Change(name, both(word, labs)) for name, word in words if word(first) != word(second)]
    texts = first.digest != second.digest and not changes
    return Difference(
        "lab file",
        both(lambda lab: lab.name + (f", case {lab.case}" if lab.case else ""), labs),
        tuple(changes),
        tuple(provenance),
        len(set(a) | set(b)),
        ("the texts of the files differ, the numbers do not",) if texts else (),
    )


_Value = tuple[Any, Spec]


def _parameter(key: str, labs: tuple[Lab, Lab], first: _Value | None, second: _Value | None) -> Change | None:
    """How one parameter differs, value or standard error; None where it does not."""
    errors = labs[0].uncertainties.get(key), labs[1].uncertainties.get(key)
    spec = (first or second or (None, Spec("1", "", "", "")))[1]
    a, b = (None if found is None else found[0] for found in (first, second))
    if a == b and errors[0] == errors[1]:
        return None
    texts = _text(labs[0], key, a, spec), _text(labs[1], key, b, spec)
    if a is None or b is None or spec.choices:
        return Change(key, texts)
    close = a and a != b and not spec.whole and abs(b / a - 1) < 0.1
    return Change(key, texts, in_errors(b - a, *errors), f"{b / a - 1:+.3%}" if close else "")


def _values(node: Any, prefix: str = "") -> Iterator[tuple[str, _Value]]:
    """Every parameter an experiment has, defaults included: dotted key, value and `Spec`."""
    for f in dataclasses.fields(node):
        value, key = getattr(node, f.name), f"{prefix}{f.name}"
        if "spec" in f.metadata:
            yield key, (value, f.metadata["spec"])
        elif isinstance(value, tuple):
            for n, row in enumerate(value):
                yield from _values(row, f"{key}.{n}.")
        elif isinstance(value, dict):
            known = parameters(kind_of(node))
            yield from ((f"{key}.{name}", (number, known[f"{key}.{name}"])) for name, number in value.items())
        elif dataclasses.is_dataclass(value):
            yield from _values(value, f"{key}.")


def _text(lab: Lab, key: str, value: Any, spec: Spec) -> str:
    """A value as the lab file writes it, or the default."""
    if key in lab.written:
        return lab.written[key]
    if value is None:
        return "as ensemble I" if key.startswith("second.") else "-"
    text = str(value) if spec.choices or spec.whole else format_si(value, spec.unit)
    return f"{text} (default)"


def _calibrations(first: Path, second: Path) -> Difference:
    pair = read_calibration(first), read_calibration(second)
    a, b = (c.quantities for c in pair)
    names = [name for name in UNITS if name in a or name in b]
    changes, provenance = [], []
    for name in names:
        unit = "" if UNITS[name] == "1" else f" {UNITS[name]}"
        one, other = a.get(name), b.get(name)
        texts = _calibrated(one, unit), _calibrated(other, unit)
        if one is None or other is None:
            changes.append(Change(name, texts))
            continue
        if (one.value, one.error) != (other.value, other.error):
            changes.append(Change(name, texts, in_errors(other.value - one.value, one.error, other.error)))
        if (one.method, one.records) != (other.method, other.records):
            said = both(lambda q: f"{q.method}, {len(q.records)} records", (one, other))
            provenance.append(Change(name, said, note="other records" if said[0] == said[1] else ""))
    for word in ("source", "course", "correlations"):
        said = str(getattr(pair[0], word) or "-"), str(getattr(pair[1], word) or "-")
        provenance += [Change(word, said)] if said[0] != said[1] else []
    return Difference("calibration", both(_name, (first, second)), tuple(changes), tuple(provenance), len(names))


def _calibrated(quantity: Quantity | None, unit: str) -> str:
    return "-" if quantity is None else f"{quantity.value:.6g} +- {quantity.error:.2g}{unit}"


def _name(path: str | Path) -> str:
    return one_line(str(path))


def _split(path: str | Path) -> tuple[Path, str | None]:
    """A lab file, or the name of one that comes along, and the case behind a colon."""
    text, labs = str(path), shipped_labs()
    for word, case in ((text, None), (text.rpartition(":")[0], text.rpartition(":")[2])):
        if word and (Path(word).exists() or word in labs):
            return (Path(word) if Path(word).exists() else labs[word]), case
    return Path(text), None


def _kind(path: str | Path) -> str:
    """What a file is, by its ending and, of TOML, by its keys."""
    if not isinstance(path, (str, Path)):
        raise ArgumentError(f"Arguments of `diff` must be paths, but one is a {type(path).__name__}.")
    file, _ = _split(path)
    if not file.exists():
        beside = [p.name for p in file.parent.iterdir()] if file.parent.is_dir() else []
        likely = nearest(file.name, [*beside, *shipped_labs()])
        hint = f"did you mean {likely}?" if likely else "check the path"
        raise InputError([f"{_name(path)} does not exist; {hint}"])
    if file.suffix in RESULTS:
        return "result"
    if file.suffix == ".json":
        return "certificate"
    if file.suffix == ".toml":
        data = read_toml(read_text(file), _name(file))
        if "experiment" in data:
            return "lab file"
        if "lab" in data:
            raise InputError([f"{_name(path)} is a study file; compare the lab files, or the results of both studies"])
        return "calibration"
    known = ", ".join((".toml", ".json", *RESULTS))
    raise InputError([f"{_name(path)} is of no kind that can be compared; the endings are {known}"])


def _lab(path: str | Path) -> Lab:
    file, case = _split(path)
    try:
        return load(file, case=case)
    except InputError as error:
        raise InputError([problem.removeprefix("--case ") for problem in error.problems]) from None
