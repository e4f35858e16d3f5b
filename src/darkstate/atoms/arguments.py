"""What several formulas of the atoms ask of their arguments: a variant by its name, numbers above 0."""

from __future__ import annotations

from typing import Any

from darkstate.errors import ArgumentError


def is_corrected(variant: str) -> bool:
    """Whether a named variant is the corrected one ("corrected") or the one in print ("paper").

    Raises:
        ArgumentError: neither of both.

    Example:
        >>> is_corrected("paper")
        False
    """
    if variant not in ("corrected", "paper"):
        raise ArgumentError(
            f"Argument `variant` must be 'corrected' or 'paper', but is {variant!r}: take 'corrected' unless the "
            "printed formula is wanted."
        )
    return variant == "corrected"


def refuse_not_positive(**values: Any) -> None:
    """Refuse plain numbers that are not above 0; traced values pass, since they have no value yet.

    Raises:
        ArgumentError: names the argument and what was read.

    Example:
        >>> refuse_not_positive(area=1e-4)
    """
    for name, value in values.items():
        if isinstance(value, (int, float)) and not value > 0:
            raise ArgumentError(
                f"Argument `{name}` must be above 0, but {name} = {value:g}: give its size in SI units."
            )
