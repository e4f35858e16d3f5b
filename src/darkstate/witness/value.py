"""A witness has a value and a bound; below the bound, the states are entangled.

Every question of `witness` that certifies returns this one type; `report` prints its verdict.
"""

from __future__ import annotations

from math import isnan
from typing import Any

from darkstate.backend import jnp
from darkstate.parameters import pytree

SIGNIFICANT = 2.0
"""Standard errors below the bound from which on a verdict says entangled."""

EPSILON = float(jnp.finfo(float).eps)
"""Relative spacing of float64; what the numerical errors of witnesses are multiples of."""


@pytree
class WitnessValue:
    """A witness: value, standard uncertainty (None if not known) and the bound all separable states keep.

    Args:
        value: [...]; uncertainty: its standard uncertainty [...], or None; bound: of separable states.
        rounding: what float64 may have changed in the value [...]; nearer to the bound than that certifies nothing.
    """

    value: Any
    uncertainty: Any = None
    bound: Any = 1.0
    rounding: Any = 0.0

    @property
    def decibel(self) -> Any:
        """10 log10(value/bound); negative = below the bound."""
        return 10 * jnp.log10(self.value / self.bound)

    @property
    def verdict(self) -> str:
        """What the smallest value says; with an uncertainty, `entangled` takes SIGNIFICANT standard errors."""
        least = int(jnp.argmin(jnp.ravel(self.value)))
        value = float(jnp.ravel(self.value)[least])
        error = 0.0 if self.uncertainty is None else float(jnp.ravel(self.uncertainty)[least])
        lost = float(jnp.ravel(jnp.broadcast_to(self.rounding, jnp.shape(self.value)))[least])
        if isnan(value) or isnan(error):
            return "no verdict"
        if value + lost >= self.bound:
            return "not certified as entangled"
        if error == 0:
            return "entangled"
        sigmas = (self.bound - value) / error
        text = f"by {sigmas:.1f} standard errors"
        return (
            f"entangled {text}" if sigmas >= SIGNIFICANT else f"below the bound {text} only, not certified as entangled"
        )
