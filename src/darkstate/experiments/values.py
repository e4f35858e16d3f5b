"""An experiment with some of its values replaced, whatever the experiment."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from darkstate.errors import ArgumentError
from darkstate.parameters import Changes

_E = TypeVar("_E")


def with_values(experiment: _E, values: Mapping[str, Any]) -> _E:
    """The same experiment with some parameters replaced; for many values at once, use this under `jax.vmap`.

    Args:
        experiment: any experiment of this package.
        values: dotted keys as in a lab file, such as "drive.rate", "second.ensembles.optical_depth" or
            "protocol.segments.0.duration", to SI values.

    Returns:
        An experiment of the same class.

    Raises:
        ArgumentError: a key names no parameter, one of a section this experiment goes without, or one that ensemble II
            cannot have of its own, or a value is no number in the allowed range.

    Example:
        >>> from darkstate.experiments import CATALOGUE
        >>> from darkstate.experiments.two_level_ensembles import Drive, Ensembles
        >>> lab = CATALOGUE["two_level_ensembles"](Ensembles(optical_depth=30), Drive(rate=1.0, z=1.5))
        >>> with_values(lab, {"drive.z": 2.0}).z
        2.0
    """
    for key, value in values.items():
        experiment = _put(experiment, key, value)
    return experiment


def _put(experiment: Any, key: str, value: Any) -> Any:
    if key.startswith("second.") and experiment.per_cell:
        name = key.removeprefix("second.")
        if name.split(".")[0] not in experiment.per_cell:
            allowed = ", ".join(experiment.per_cell)
            raise ArgumentError(f"Key {key!r} has no effect: ensemble II may differ in {allowed} only.")
        _put(experiment, name, value)  # raises if there is no such parameter
        return dataclasses.replace(experiment, second=Changes({**experiment.second, name: value}))
    return _replace(experiment, key, key.split("."), value)


def _replace(node: Any, key: str, path: list[str], value: Any) -> Any:
    name, *rest = path
    if isinstance(node, tuple) and name.isdecimal() and int(name) < len(node) and rest:
        i = int(name)
        return (*node[:i], _replace(node[i], key, rest, value), *node[i + 1 :])
    fields = {f.name: f for f in dataclasses.fields(node)} if dataclasses.is_dataclass(node) else {}
    child = getattr(node, name) if name in fields else None
    is_table = name in fields and "spec" not in fields[name].metadata
    if name not in fields or name == "second" or is_table != bool(rest) and not isinstance(child, tuple):
        near = get_close_matches(name, fields, 1)
        raise ArgumentError(f"Key {key!r} names no parameter" + (f"; did you mean {near[0]!r}?" if near else "."))
    if is_table and child is None:
        present = ", ".join(n for n in fields if dataclasses.is_dataclass(getattr(node, n)))
        raise ArgumentError(
            f"Key {key!r} names a parameter of `{name}`, which this experiment goes without; it has {present}. Make "
            f"the experiment with {name}=... to set it."
        )
    new = _replace(child, key, rest, value) if rest else value
    return dataclasses.replace(node, **{name: new})


def value_at(experiment: Any, key: str) -> float:
    """The number a dotted key stands for.

    Example:
        >>> from darkstate.experiments.two_level_ensembles import Drive, Ensembles, TwoLevelEnsembles
        >>> value_at(TwoLevelEnsembles(Ensembles(optical_depth=30), Drive(rate=1.0, z=1.5)), "drive.z")
        1.5
    """
    path = key.split(".")
    if path[0] == "second":
        return experiment.second[".".join(path[1:])]
    node: Any = experiment
    for name in path:
        node = node[int(name)] if isinstance(node, tuple) else getattr(node, name)
    return node
