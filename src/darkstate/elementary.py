"""Elementary functions that take plain numbers without loading JAX, and JAX values as they come.

What a lab file says of its rates must be known before JAX is there (`darkstate check`), and traced afterwards
(gradients, maps): formulas written with these functions do both.
"""

from __future__ import annotations

import math
from typing import Any


def elementary(name: str, *arguments: Any) -> Any:
    """A function of `math` by its name, taken from JAX where an argument is not a plain number.

    Example:
        >>> elementary("sqrt", 4.0)
        2.0
    """
    if all(isinstance(a, (int, float)) for a in arguments):
        return getattr(math, name)(*arguments)
    from darkstate.backend import jnp

    return getattr(jnp, {"atan2": "arctan2"}.get(name, name))(*arguments)


def where(condition: Any, yes: Any, no: Any) -> Any:
    """`yes` where the condition holds, else `no`; a plain truth value chooses one of them.

    Example:
        >>> where(2.0 > 1.0, "above", "below")
        'above'
    """
    if isinstance(condition, bool):
        return yes if condition else no
    from darkstate.backend import jnp

    return jnp.where(condition, yes, no)
