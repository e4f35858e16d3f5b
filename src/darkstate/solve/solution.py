"""A Solution is a set of states over named axes, with the method, the outcome and the checks that came with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import Outcome, OutcomeError
from darkstate.parameters import pytree
from darkstate.solve.limits import CURES, beyond


@pytree
class Solution:
    """What a verb returns.

    Args:
        state: `SpinState`, leaves over the axis t if there is one [... t 2], or `GaussianState` [... t q q].
        times: [t; s], or None for a steady state.
        outcome: `Outcome` code [...].
        checks: named figures that the outcome was decided by [...].
    """

    state: Any
    times: Any
    outcome: Any
    checks: dict[str, Any]

    def __str__(self) -> str:
        codes, counts = np.unique(np.asarray(self.outcome), return_counts=True)
        outcomes = ", ".join(f"{Outcome(int(c)).name} x {n}" for c, n in zip(codes, counts, strict=True))
        axis = "steady state" if self.times is None else f"{self.times.shape[-1]} times"
        worst = ", ".join(f"{k} {float(jnp.max(v)):.2g}" for k, v in self.checks.items())
        return f"Solution: {axis}; outcome {outcomes}; largest {worst}"

    def raise_if_bad(self) -> Solution:
        """Raise `OutcomeError` unless every point is ok; does nothing under a JAX transformation.

        Raises:
            OutcomeError: the worst outcome, its cure, and the figures it was decided by.
        """
        if not isinstance(self.outcome, jax.core.Tracer):
            worst = Outcome(int(jnp.max(self.outcome)))
            if worst is not Outcome.ok:
                figures = {name: float(jnp.max(value)) for name, value in self.checks.items()}
                wrong = beyond(figures, worst)
                others = [f"{name} = {value:.3g}" for name, value in figures.items() if name not in wrong]
                cure = "; ".join(CURES[name] for name in wrong if name in CURES)
                raise OutcomeError(worst, ", ".join([*wrong.values(), *others]), cure)
        return self
