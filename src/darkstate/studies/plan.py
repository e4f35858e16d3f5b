"""The next measurement: which uncertain input of a lab decides how sure a verdict is, and what repeating it would give.

    var q = sum (dq/dp)^2 sigma_p^2,   significance = (bound - q)/sqrt(var q)

Slopes are exact derivatives. Down: `quantities`; up: `report.plan`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import Outcome, OutcomeError
from darkstate.experiments import kind_of
from darkstate.experiments.values import value_at, with_values
from darkstate.studies.quantities import QUANTITIES, Quantity, evaluator

HALVED = 0.5
"""How much smaller the error of a calibration is expected to be when it is repeated, where the study does not say."""


@dataclasses.dataclass(frozen=True)
class Input:
    """One uncertain input.

    Args:
        key: dotted key; value, error: present standard error; better: error it could reach; all SI; slope: dq/dp.
    """

    key: str
    value: float
    error: float
    better: float
    slope: float

    @property
    def share(self) -> float:
        """|dq/dp| sigma_p: its part of the error of q."""
        return abs(self.slope) * self.error

    @property
    def share_then(self) -> float:
        """The same once it was measured better."""
        return abs(self.slope) * self.better


@dataclasses.dataclass(frozen=True)
class Advice:
    """What limits the certainty of one quantity.

    Args:
        name, quantity: what is asked; value: of it; inputs: largest share first; outcome: of the solution.
    """

    name: str
    quantity: Quantity
    value: float
    inputs: tuple[Input, ...]
    outcome: Outcome

    @property
    def error(self) -> float:
        """Standard error of the quantity, to first order."""
        return self.error_with(())

    def error_with(self, repeated: tuple[Input, ...]) -> float:
        """The same after some inputs were measured better."""
        return float(np.sqrt(sum((i.share_then if i in repeated else i.share) ** 2 for i in self.inputs)))

    def significance(self, repeated: tuple[Input, ...] = ()) -> float | None:
        """Standard errors by which the quantity is on the entangled side of its bound; None where it has no bound."""
        q = self.quantity
        if q.bound is None or q.entangled is None:
            return None
        beyond = q.bound - self.value if q.entangled == "below" else self.value - q.bound
        error = self.error_with(repeated)
        return float(beyond / error) if error else float(np.copysign(np.inf, beyond))

    def enough(self, sigmas: float) -> tuple[Input, ...] | None:
        """The fewest inputs, each time the one that helps most, for a verdict by so many standard errors; else None."""
        repeated: tuple[Input, ...] = ()
        left = sorted(self.inputs, key=lambda i: i.share_then**2 - i.share**2)
        for one in (None, *left):
            repeated += (one,) if one is not None else ()
            reached = self.significance(repeated)
            if reached is not None and reached >= sigmas:
                return repeated
        return None


def advise(
    experiment: Any, name: str, errors: Mapping[str, float], *, better: Mapping[str, float] | None = None
) -> Advice:
    """How much each uncertain input adds to the error of a quantity, and what measuring it better gives.

    Args:
        experiment: of any kind; name: of `QUANTITIES`; errors: dotted key to standard error [SI]; better: the error a
            repeated calibration reaches [SI], half of the present one where it is not given.

    Raises:
        OutcomeError: the quantity has no value here; ArgumentError: an unknown name.

    Example:
        >>> import darkstate as ds
        >>> lab = ds.load(ds.shipped_labs()["krauter2011"])
        >>> found = advise(lab.experiment, "xi_min", {"drive.z": 0.04, "noise.gamma_tilde": 5.0})
        >>> for one in found.inputs:
        ...     print(f"{one.key} {one.share:.4f}, then {found.significance((one,)):.1f} standard errors")
        noise.gamma_tilde 0.0033, then 106.5 standard errors
        drive.z 0.0001, then 53.4 standard errors
    """
    function = evaluator(experiment, (name,))
    keys = tuple(errors)
    values = jnp.array([float(value_at(experiment, key)) for key in keys])

    def asked(values: Any) -> tuple[Any, Any]:
        found, outcome = function(with_values(experiment, dict(zip(keys, values, strict=True))))
        return found[name], outcome

    @jax.jit
    def evaluate(values: Any) -> tuple[Any, Any, Any]:
        value, outcome = asked(values)
        # one direction after the other: batched factorisations of one program can wait for each other
        slopes = jax.lax.map(lambda d: jax.jvp(lambda v: asked(v)[0], (values,), (d,))[1], jnp.eye(len(keys)))
        return value, outcome, slopes

    value, outcome, slopes = evaluate(values)
    code = Outcome(int(outcome))
    if code > Outcome.outside_validity or not np.isfinite([float(value), *np.asarray(slopes)]).all():
        raise OutcomeError(code if code else Outcome.outside_validity, f"{name} = {float(value):.4g}")
    inputs = [
        Input(key, float(v), float(errors[key]), float((better or {}).get(key, HALVED * errors[key])), float(s))
        for key, v, s in zip(keys, values, np.asarray(slopes), strict=True)
    ]
    ranked = tuple(sorted(inputs, key=lambda i: -i.share))
    return Advice(name, QUANTITIES[kind_of(experiment)][name], float(value), ranked, code)
