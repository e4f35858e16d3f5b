"""A parameter is a number of the laboratory with a name, a symbol, a unit, a range and a source.

Parameter classes are frozen dataclasses written once, in files that do not load JAX; schema, lab-file checks, symbol
tables and documentation are generated from them. They become JAX pytrees as soon as JAX is loaded by `backend`.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from math import isfinite
from typing import Any, Literal, TypeVar, dataclass_transform

from darkstate.errors import ArgumentError

Unit = Literal["1", "1/s", "Hz", "s", "W", "K", "m", "T", "T/m", "rad"]
"""Dimensions a parameter may have: a number (some angles in radian), a rate or angular frequency, an ordinary
frequency, a time, a power, a temperature, a length, a magnetic field, a gradient of it, an angle."""


@dataclasses.dataclass(frozen=True)
class Spec:
    """What is known of a parameter beside its value; SI bounds, inclusive unless `above` is set."""

    unit: Unit
    symbol: str
    doc: str
    source: str
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()
    whole: bool = False

    @property
    def allowed(self) -> str:
        """The allowed range in words, for error messages."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        parts = ["a whole number"] if self.whole else []
        if self.above is not None:
            parts.append(f"greater than {self.above:g}")
        if self.minimum is not None:
            parts.append(f"at least {self.minimum:g}")
        if self.maximum is not None:
            parts.append(f"at most {self.maximum:g}")
        return " and ".join(parts) or "any finite number"

    @property
    def bounded(self) -> bool:
        """Whether there is a range to keep."""
        return not (self.minimum is None and self.maximum is None and self.above is None and not self.choices)

    def admits(self, value: float) -> bool:
        """Whether a finite SI value lies in the range."""
        return not (
            (self.above is not None and value <= self.above)
            or (self.minimum is not None and value < self.minimum)
            or (self.maximum is not None and value > self.maximum)
        )


def parameter(
    *,
    default: Any = dataclasses.MISSING,
    unit: Unit,
    symbol: str,
    doc: str,
    source: str,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    choices: tuple[str, ...] = (),
    whole: bool = False,
) -> Any:
    """Declare one parameter of a lab section (a dataclass field that carries its `Spec`).

    Words (`choices`) and whole numbers are static: they shape the calculation and are not differentiated.
    """
    spec = Spec(unit, symbol, doc, source, minimum, maximum, above, choices, whole)
    return dataclasses.field(default=default, metadata={"spec": spec, "static": bool(choices) or whole})


class Changes(dict[str, Any]):
    """Values by dotted key that one ensemble has different; under JAX numbers are leaves and texts are static.

    Example:
        >>> Changes({"drive.z": 2.0, "laser.rayleigh": "V3"})["drive.z"]
        2.0
    """


def _flatten_changes(changes: Changes) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    numbers = sorted(key for key, value in changes.items() if not isinstance(value, str))
    texts = tuple(sorted((key, value) for key, value in changes.items() if isinstance(value, str)))
    return tuple(changes[key] for key in numbers), (tuple(numbers), texts)


def _unflatten_changes(static: tuple[Any, ...], leaves: Any) -> Changes:
    return Changes({**dict(zip(static[0], leaves, strict=True)), **dict(static[1])})


_T = TypeVar("_T")
_pending: list[type] = [Changes]


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, parameter))
def pytree(cls: type[_T]) -> type[_T]:
    """Make a frozen dataclass whose fields are differentiable leaves; `metadata={"static": True}` opts a field out."""
    declared = [
        f.metadata["spec"] for f in vars(cls).values() if isinstance(f, dataclasses.Field) and "spec" in f.metadata
    ]
    if any(spec.bounded for spec in declared):
        cls.__post_init__ = _refuse_out_of_range  # type: ignore[attr-defined]
    cls = dataclasses.dataclass(frozen=True)(cls)
    _pending.append(cls)
    if "darkstate.backend" in sys.modules:
        register_pending()
    return cls


def _refuse_out_of_range(section: Any) -> None:
    """Raise on a plain number outside its range; values under a JAX transformation are taken as they are."""
    for name, spec in specs(section):
        value = getattr(section, name)
        if isinstance(value, str) and not spec.choices:
            raise ArgumentError(
                f"Argument `{name}` ({spec.doc}) must be a number in SI units, but is the text {value[:40]!r}; units "
                "are read in lab files and in load(..., overrides=[...])."
            )
        if isinstance(value, (int, float)) and not spec.choices and not (isfinite(value) and spec.admits(value)):
            raise ArgumentError(f"Argument `{name}` ({spec.doc}) must be {spec.allowed}, but is {value:g} in SI units.")


def register_pending() -> None:
    """Register every dataclass declared so far with JAX (called by `backend` once JAX is there)."""
    import jax

    while _pending:
        cls: Any = _pending.pop()
        if cls is Changes:
            jax.tree_util.register_pytree_node(Changes, _flatten_changes, _unflatten_changes)
            continue
        names = dataclasses.fields(cls)
        meta = [f.name for f in names if f.metadata.get("static")]
        jax.tree_util.register_dataclass(cls, [f.name for f in names if f.name not in meta], meta)


def specs(section: Any) -> Iterator[tuple[str, Spec]]:
    """Name and `Spec` of every parameter of a section (class or instance), in the order written."""
    for f in dataclasses.fields(section):
        if "spec" in f.metadata:
            yield f.name, f.metadata["spec"]
