"""What the tables of predictions share: a value with its error, the headline, an outcome in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from darkstate.errors import Outcome
from darkstate.experiments.labfile import Lab
from darkstate.solve.limits import CURES, beyond
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


def in_words(outcome: Outcome, checks: Mapping[str, Any] | None = None) -> str:
    """An outcome with its meaning and cure: that of the checks beyond their limits, if they have one of their own.

    Args:
        outcome: the outcome; checks: figures of the solution, of which those that decided it are named.

    Example:
        >>> in_words(Outcome.ok)
        'ok'
        >>> in_words(Outcome.outside_validity, {"zeeman": 0.5}).partition("; ")[2]
        'a lower field or a higher temperature: the spins take or give too much energy'
    """
    if outcome is Outcome.ok:
        return "ok"
    wrong = beyond({name: float(np.max(np.asarray(value))) for name, value in (checks or {}).items()}, outcome)
    figures = f" ({', '.join(wrong.values())})" if wrong else ""
    cure = "; ".join(CURES[name] for name in wrong if name in CURES)
    return f"{outcome.name}: {outcome.meaning}{figures}; {cure or outcome.cure}"
