"""What two things of one kind do not have in common, as rows of a table; `diff` finds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import hypot
from typing import TypeVar

_T = TypeVar("_T")

SHOWN = 60
"""Characters of a value in the table."""


@dataclass(frozen=True)
class Change:
    """One thing that differs.

    Args:
        name: a dotted key, a variable, an attribute; texts: both values, "-" where there is none.
        sigmas: (second - first) in standard errors of both together, the largest in size of a variable; None where no
            errors are known. note: more, such as where in a variable.
    """

    name: str
    texts: tuple[str, str]
    sigmas: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Difference:
    """What `diff` returns; prints as a table, and is false where there is no difference.

    Args:
        kind: "lab file", "calibration", "certificate" or "result"; names: of both.
        changes: values that differ; provenance: where they come from, where that differs.
        compared: how many values were compared; remarks: what could not be compared, or differs without effect.
    """

    kind: str
    names: tuple[str, str]
    changes: tuple[Change, ...]
    provenance: tuple[Change, ...] = ()
    compared: int = 0
    remarks: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes or self.provenance)

    @property
    def largest(self) -> float | None:
        """Largest size of a difference in standard errors; None where none is known."""
        return max((abs(c.sigmas) for c in self.changes if c.sigmas is not None), default=None)

    def __str__(self) -> str:
        lines = [f"{self.kind}s: A = {self.names[0]}, B = {self.names[1]}"]
        for title, rows in (("value", self.changes), ("provenance", self.provenance)):
            if rows:
                lines += ["", *_table(title, rows)]
        lines += ["", *(f"  {text}" for text in self.remarks)] if self.remarks else []
        if not self:
            return "\n".join([*lines, f"  no difference: {self.compared} values compared"])
        count = len(self.changes)
        said = f"{count} of {self.compared} values differ" if count else f"no value differs of {self.compared} compared"
        far = "" if self.largest is None else f", by at most {self.largest:.2g} standard errors where these are known"
        return "\n".join([*lines, "", f"  {said}{far}"])

    def __repr__(self) -> str:
        return f"<Difference of two {self.kind}s: {len(self.changes)} of {self.compared} values>"


def both(function: Callable[[_T], str], pair: tuple[_T, _T]) -> tuple[str, str]:
    """A text of each of two things.

    Example:
        >>> both(str, (1, 2))
        ('1', '2')
    """
    return function(pair[0]), function(pair[1])


def in_errors(difference: float, first: float | None, second: float | None) -> float | None:
    """A difference over the standard errors of both; None where there are none.

    Example:
        >>> in_errors(1.0, 0.3, 0.4), in_errors(1.0, None, None)
        (2.0, None)
    """
    error = hypot(first or 0.0, second or 0.0)
    return difference / error if error else None


def _table(title: str, rows: tuple[Change, ...]) -> list[str]:
    cells = [(c.name, *map(_cut, c.texts)) for c in rows]
    widths = [max(len(cell[n]) for cell in [*cells, (title, "A", "B")]) for n in range(3)]
    known = any(c.sigmas is not None for c in rows)
    head = f"  {title:<{widths[0]}}  {'A':<{widths[1]}}  {'B':<{widths[2]}}" + ("     sigmas" if known else "")
    lines = [head.rstrip()]
    for c, cell in zip(rows, cells, strict=True):
        line = "  " + "  ".join(f"{text:<{width}}" for text, width in zip(cell, widths, strict=True))
        if known:
            line += f"{'-' if c.sigmas is None else f'{c.sigmas:+.2f}':>11}"
        lines.append(f"{line}  {c.note}".rstrip())
    return lines


def _cut(text: str) -> str:
    """On one line, without control characters, of bounded length."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= SHOWN else line[: SHOWN - 3] + "..."
