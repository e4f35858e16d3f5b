"""A count model gives the probabilities of 0, 1 and 2 remaining atoms, and what else than the fidelity they depend on.

    probabilities(setting [s], fidelity, nuisances [k]) -> [s 3]

A nuisance is a calibrated number of the apparatus: value +- sigma (Gaussian), sigma = 0 if known, inf if free. Up:
`profile`, `fidelity`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from math import inf, isfinite
from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.parameters import specs

Probabilities = Callable[[Any, Any, Any], Any]

FLOOR = 1e-12
"""Least probability in a logarithm: a count where the model allows none costs 55 in the deviance, not infinity."""


@dataclasses.dataclass(frozen=True)
class CountModel:
    """Probabilities of 0, 1, 2 atoms as a JAX function, and the calibrations of its nuisances.

    The fit keeps every nuisance in its range, in which all probabilities must lie in [0, 1]; it holds bounds, it does
    not change variables, so that a nuisance may sit at its bound (an efficiency of 1).

    Args:
        probabilities: function of setting [s], fidelity and nuisances [k]; returns [s 3].
        names: of the nuisances [k]; values: calibrated [k]; sigmas: standard errors [k], 0 for known, inf for free.
        ranges: lowest and highest value of each [k]; None: 0 to 1 each.
        setting: coordinate of the count table it takes: theta, tau, time or detuning_hz.
        exact: names of the numbers that the function takes as exact; reports say so.

    Raises:
        ArgumentError: lists of different lengths, a negative sigma, a value outside its range.

    Example:
        >>> def two_of_three(theta, fidelity, nuisances):  # 2 atoms stay where the pulse leaves none in |1>
        ...     n2 = 1 - nuisances[0] + nuisances[0] * fidelity * jnp.sin(theta) ** 2 / 2
        ...     return jnp.stack([1 - n2, 0 * n2, n2], -1)
        >>> model = CountModel(two_of_three, names=("sector",), values=(0.37,), sigmas=(0.02,))
        >>> model.at([0.0], 1.0)
        array([[0.37, 0.  , 0.63]])
    """

    probabilities: Probabilities
    names: tuple[str, ...] = ()
    values: tuple[float, ...] = ()
    sigmas: tuple[float, ...] = ()
    ranges: tuple[tuple[float, float], ...] | None = None
    setting: str = "theta"
    exact: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ranges = self.bounds
        if not len(self.names) == len(self.values) == len(self.sigmas) == len(ranges):
            raise ArgumentError(
                f"Arguments `names`, `values`, `sigmas` and `ranges` must have one entry per nuisance, but have "
                f"{len(self.names)}, {len(self.values)}, {len(self.sigmas)} and {len(ranges)}."
            )
        for name, value, sigma, (low, high) in zip(self.names, self.values, self.sigmas, ranges, strict=True):
            if not sigma >= 0:
                raise ArgumentError(f"Argument `sigmas` of {name} must be at least 0 (inf: free), but is {sigma:g}.")
            if not (low <= value <= high and (low < high or sigma == 0)):
                raise ArgumentError(f"Argument `values` of {name} must lie from {low:g} to {high:g}, but is {value:g}.")

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Range of each nuisance [k 2]."""
        return ((0.0, 1.0),) * len(self.names) if self.ranges is None else self.ranges

    def at(self, setting: Any, fidelity: float, nuisances: Any = None) -> np.ndarray:
        """Probabilities [s 3]; nuisances at their calibrated values unless given.

        Raises:
            ArgumentError: the function returns another shape, leaves [0, 1] or does not sum to 1.
        """
        x = jnp.asarray(setting, float)
        found = self.probabilities(x, fidelity, jnp.asarray(self.values if nuisances is None else nuisances, float))
        p = np.asarray(found, float)
        if p.shape != (*x.shape, 3):
            raise ArgumentError(
                f"Argument `probabilities` must return shape {(*x.shape, 3)} for settings of shape {x.shape}, "
                f"but returns {p.shape}."
            )
        if not (np.isfinite(p).all() and (p > -1e-9).all() and np.allclose(p.sum(-1), 1, rtol=0, atol=1e-9)):
            raise ArgumentError(
                "Argument `probabilities` must return three numbers in [0, 1] with the sum 1, but returns "
                f"{np.round(p.reshape(-1, 3)[np.argmin(p.min(-1))], 6).tolist()} at fidelity {fidelity:g}; narrow the "
                "ranges of the nuisances."
            )
        return p


def calibrated(
    function: Callable[[Any, Any, Any], Any], section: Any, sigmas: Mapping[str, float], *, setting: str = "theta"
) -> CountModel:
    """A count model whose nuisances are parameters of a section, such as `Imperfections`, with their ranges.

    Args:
        function: of setting [s], fidelity and section, a JAX function; returns [s 3].
        section: parameter class with the calibrated values; sigmas: standard errors of those that are not known, by
            name (inf: free), all others are taken as exact; setting: see `CountModel`.

    Raises:
        ArgumentError: the section has no parameter of a name.

    Example:
        >>> from darkstate.pair.detection import count_probabilities
        >>> from darkstate.pair.imperfections import Imperfections
        >>> model = calibrated(count_probabilities, Imperfections(), {"sector": 0.02})
        >>> model.names, model.at([0.0], 1.0).round(5)
        (('sector',), array([[0.20755, 0.22056, 0.57189]]))
    """
    known = dict(specs(section))
    unknown = [name for name in sigmas if name not in known]
    if unknown:
        raise ArgumentError(
            f"Argument `sigmas` names {', '.join(map(repr, unknown))}, but the parameters are {', '.join(known)}."
        )
    names = tuple(sigmas)
    bounds = tuple((_bound(known[n].minimum, -inf), _bound(known[n].maximum, inf)) for n in names)

    def probabilities(x: Any, fidelity: Any, nuisances: Any) -> Any:
        return function(x, fidelity, dataclasses.replace(section, **dict(zip(names, nuisances, strict=True))))

    values = tuple(float(getattr(section, name)) for name in names)
    exact = tuple(name for name in known if not sigmas.get(name))
    errors = tuple(map(float, sigmas.values()))
    return CountModel(jax.jit(probabilities), names, values, errors, bounds, setting, exact)


def _bound(value: float | None, otherwise: float) -> float:
    return otherwise if value is None or not isfinite(value) else float(value)
