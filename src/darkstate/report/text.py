"""What the tables of predictions share: a value with its error, the headline, an outcome in words."""

from __future__ import annotations

from darkstate.errors import Outcome
from darkstate.experiments.labfile import Lab
from darkstate.witness.value import WitnessValue


def with_error(value: WitnessValue) -> str:
    """A witness with four decimals, and its standard uncertainty where there is one.

    Example:
        >>> with_error(WitnessValue(0.35157, 0.012))
        '0.3516 +- 0.0120'
    """
    error = "" if value.uncertainty is None else f" +- {float(value.uncertainty):.4f}"
    return f"{float(value.value):.4f}{error}"


def headline(lab: Lab) -> str:
    """Name, case and title of a lab file.

    Example:
        >>> from darkstate.experiments.labfile import load, shipped_labs
        >>> headline(load(shipped_labs()["muschik2011"]))[:11]
        'muschik2011'
    """
    return lab.name + (f", case {lab.case}" if lab.case else "") + (f": {lab.title}" if lab.title else "")


def in_words(outcome: Outcome) -> str:
    """An outcome with its meaning and cure.

    Example:
        >>> in_words(Outcome.ok)
        'ok'
    """
    return "ok" if outcome is Outcome.ok else f"{outcome.name}: {outcome.meaning}; {outcome.cure}"
