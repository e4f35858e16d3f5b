"""Sections of a lab file of which exactly one must be there."""

from __future__ import annotations

from typing import Any


def one_of(experiment: Any, *names: str) -> list[tuple[str, str]]:
    """A sentence, with its key, unless exactly one of these sections is there.

    Example:
        >>> from types import SimpleNamespace
        >>> one_of(SimpleNamespace(spin=None, cell=None), "spin", "cell")
        [('spin', 'is missing: give exactly one of [spin] and [cell]')]
    """
    given = [name for name in names if getattr(experiment, name) is not None]
    if len(given) == 1:
        return []
    choice = ", ".join(f"[{name}]" for name in names[:-1]) + f" and [{names[-1]}]"
    if given:
        return [(given[-1], f"contradicts {given[0]}: give exactly one of {choice}")]
    return [(names[0], f"is missing: give exactly one of {choice}")]
