"""A witness has a value and a bound; on one side of the bound, below it as a rule, the states are entangled.

Every question of `witness` that certifies returns this one type; `report` prints its verdict.
"""

from __future__ import annotations

import dataclasses
from math import isnan
from typing import Any

from darkstate.backend import jnp
from darkstate.parameters import pytree

SIGNIFICANT = 2.0
"""Standard errors beyond the bound from which on a verdict says entangled."""

EPSILON = float(jnp.finfo(float).eps)
"""Relative spacing of float64; what the numerical errors of witnesses are multiples of."""


@pytree
class WitnessValue:
    """A witness: value, standard uncertainty (None if not known) and the bound all separable states keep.

    Args:
        value: [...]; uncertainty: its standard uncertainty [...], or None; bound: of separable states.
        rounding: what float64 may have changed in the value [...]; nearer to the bound than that certifies nothing.
        entangled_above: whether entangled states lie above the bound (fidelity, Fisher information), not below it.

    Example:
        >>> WitnessValue(0.6, 0.04, bound=0.5, entangled_above=True).verdict
        'entangled by 2.5 standard errors'
    """

    value: Any
    uncertainty: Any = None
    bound: Any = 1.0
    rounding: Any = 0.0
    entangled_above: bool = dataclasses.field(default=False, metadata={"static": True})

    @property
    def decibel(self) -> Any:
        """10 log10(value/bound); negative = below the bound."""
        return 10 * jnp.log10(self.value / self.bound)

    @property
    def verdict(self) -> str:
        """What the most entangled value says; with an uncertainty, `entangled` takes SIGNIFICANT standard errors."""
        sign = -1.0 if self.entangled_above else 1.0
        best = int(jnp.argmin(sign * jnp.ravel(self.value)))
        value = float(jnp.ravel(self.value)[best])
        error = 0.0 if self.uncertainty is None else float(jnp.ravel(self.uncertainty)[best])
        lost = float(jnp.ravel(jnp.broadcast_to(self.rounding, jnp.shape(self.value)))[best])
        if isnan(value) or isnan(error):
            return "no verdict"
        if sign * (self.bound - (value + sign * lost)) <= 0:
            return "not certified as entangled"
        if error == 0:
            return "entangled"
        sigmas = sign * (self.bound - value) / error
        side = "above" if self.entangled_above else "below"
        text = f"by {sigmas:.1f} standard errors"
        return (
            f"entangled {text}"
            if sigmas >= SIGNIFICANT
            else f"{side} the bound {text} only, not certified as entangled"
        )
