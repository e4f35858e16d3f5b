"""A sweep as one text: what a worker needs to compute any of its chunks, and what a folder is checked against.

    study file + lab file  ->  Task  <->  text (JSON)          Task + chunk number  ->  numbers (`chunks`)

Numbers are SI floats written so that reading gives the same bits.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from darkstate.experiments.labfile import Lab, load
from darkstate.experiments.tomltext import one_line
from darkstate.provenance import digest, versions
from darkstate.studies.axes import Grid, Sample, as_text, from_text


def all_versions() -> dict[str, str]:
    """Versions of everything the numbers of a sweep depend on: compiled by jaxlib, a sample drawn by SciPy.

    Example:
        >>> sorted(all_versions())
        ['darkstate', 'jax', 'jaxlib', 'numpy', 'python', 'scipy']
    """
    return versions() | {package: version(package) for package in ("jaxlib", "scipy")}


@dataclasses.dataclass(frozen=True)
class Task:
    """Everything the numbers of a sweep depend on.

    Args:
        name, title, study_digest: of the study file; on these alone no number depends.
        lab_name, lab_text, case, overrides: the lab file, and what the study changes in it.
        quantities: what is computed; points: where; chunk: points per chunk; format: "netcdf" or "zarr".
    """

    name: str
    title: str
    study_digest: str
    lab_name: str
    lab_text: str = dataclasses.field(repr=False)
    case: str | None
    overrides: tuple[str, ...]
    quantities: tuple[str, ...]
    points: Grid | Sample = dataclasses.field(repr=False)
    chunk: int
    format: str

    @property
    def chunks(self) -> int:
        """How many chunks there are."""
        return -(-self.points.size // self.chunk)

    def span(self, k: int) -> tuple[int, int]:
        """First point of chunk k, and the first one after it."""
        return k * self.chunk, min((k + 1) * self.chunk, self.points.size)

    @cached_property
    def lab(self) -> Lab:
        """The lab file, read from its text."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"{self.lab_name}.toml")
            path.write_text(self.lab_text, encoding="utf-8", newline="")
            return dataclasses.replace(load(path, case=self.case, overrides=self.overrides), path=path.name)

    @cached_property
    def text(self) -> str:
        """The task as JSON, versions included, as a worker gets it."""
        found: dict[str, Any] = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        found |= {"points": as_text(self.points), "versions": all_versions()}
        return json.dumps(found, ensure_ascii=False, sort_keys=True)

    @property
    def study(self) -> dict[str, str]:
        """What the result says of the study file."""
        return {"name": self.name, "title": self.title, "study_digest": self.study_digest}

    @cached_property
    def parts(self) -> dict[str, str]:
        """What the numbers depend on, each part by a name for people and as short text, a digest where it is long."""
        return {
            "name of the lab file": self.lab_name,
            "lab file": digest(self.lab_text),
            "case": json.dumps(self.case),
            "[set]": json.dumps(self.overrides),
            "quantities": json.dumps(self.quantities),
            "axes or sample": digest(json.dumps(as_text(self.points), sort_keys=True)),
            "chunk": str(self.chunk),
            "format": self.format,
            **all_versions(),
        }

    @property
    def digest(self) -> str:
        """SHA-256 of these parts: another title or comment in the study file is the same task."""
        return digest(json.dumps(self.parts, sort_keys=True))

    def difference(self, other: Mapping[str, str]) -> str:
        """Where these parts and those of another task differ, in words."""
        said = []
        for name, mine in self.parts.items():
            theirs = str(other.get(name))
            if theirs != mine:
                short = max(len(theirs), len(mine)) <= 40
                said.append(name + (f" ({one_line(theirs)} there, {mine} here)" if short else ""))
        return ", ".join(said)


def read_task(text: str) -> Task:
    """The task a text describes; the versions in it are for `Task.text` and are not looked at."""
    found = json.loads(text)
    del found["versions"]
    lists = {name: tuple(found[name]) for name in ("overrides", "quantities")}
    return Task(**{**found, **lists, "points": from_text(found["points"])})
