"""Priors: what is known of a parameter before the data, each as a map from a standard normal number.

    p = F^{-1}(Phi(u)),   u ~ N(0, 1)  ->  p has the prior with distribution function F

All priors are cut at the range of their parameter, so that no draw lies outside. Up: `infer` samples u.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator
from scipy.special import ndtr

from darkstate.backend import jax, jnp
from darkstate.errors import InputError
from darkstate.experiments.tomltext import Key
from darkstate.parameters import Spec
from darkstate.studies.study import Number, Study, Table

FAR = 8.0
"""Standard normal numbers are cut here: beyond lies 1e-15 of every prior."""

_Two = Annotated[list[Number], Field(min_length=2, max_length=2)]


class PriorTable(Table):
    """One prior; none of the four takes the uncertainty of the lab file."""

    normal: _Two | None = None
    uniform: _Two | None = None
    lognormal: _Two | None = None
    halfnormal: Number | None = None

    @model_validator(mode="after")
    def _one(self) -> PriorTable:
        given = [name for name in ("normal", "uniform", "lognormal", "halfnormal") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"has {' and '.join(given)}; give one of them")
        return self


@dataclass(frozen=True)
class Prior:
    """The prior of one parameter, in SI.

    Args:
        kind: normal (a, b) = (mean, standard deviation), uniform (from, to), lognormal (median, factor of one standard
            deviation); half-normal is a normal around 0 cut there.
        low, high: ends of the range it is cut at; may be infinite.
    """

    kind: Literal["normal", "uniform", "lognormal"]
    a: float
    b: float
    low: float
    high: float

    @property
    def _cut(self) -> tuple[float, float]:
        """The range in standard normal numbers of the uncut prior."""
        if self.kind == "normal":
            return (self.low - self.a) / self.b, (self.high - self.a) / self.b
        with np.errstate(divide="ignore"):
            ends = np.log(np.maximum([self.low, self.high], 0.0) / self.a) / np.log(self.b)
        return float(ends[0]), float(ends[1])

    def value(self, u: Any) -> Any:
        """The parameter for a standard normal number; a pure JAX function.

        Example:
            >>> print(Prior("lognormal", 100.0, 2.0, 0.0, np.inf).value(jnp.array([-1.0, 0.0, 1.0])))
            [ 50. 100. 200.]
        """
        share = jax.scipy.special.ndtr(jnp.clip(u, -FAR, FAR))
        if self.kind == "uniform":
            return self.a + (self.b - self.a) * share
        low, high = self._cut
        if low > -FAR or high < FAR:
            first, last = (float(ndtr(end)) for end in (low, high))
            u = jax.scipy.special.ndtri(jnp.clip(first + share * (last - first), 1e-300, 1 - 1e-16))
        return self.a + self.b * u if self.kind == "normal" else self.a * self.b**u

    @property
    def median(self) -> float:
        """Half of it lies below."""
        return float(self.value(jnp.zeros(())))

    def log_density(self, p: Any) -> Any:
        """ln of the density at values inside the range, up to a constant."""
        p = jnp.asarray(p, float)
        if self.kind == "uniform":
            return jnp.where((p >= self.a) & (p <= self.b), 0.0, -jnp.inf)
        inside = (p >= self.low) & (p <= self.high)
        if self.kind == "normal":
            return jnp.where(inside, -(((p - self.a) / self.b) ** 2) / 2, -jnp.inf)
        x = jnp.log(p / self.a) / np.log(self.b)
        return jnp.where(inside, -(x**2) / 2 - jnp.log(p), -jnp.inf)


def read_priors(study: Study, tables: Mapping[str, PriorTable]) -> dict[str, Prior]:
    """The priors of a study, by dotted key.

    Args:
        study: the study; tables: of [infer.priors].

    Raises:
        InputError: no such parameter, numbers that make no prior, or no uncertainty in the lab file to take.
    """
    found: dict[str, Prior] = {}
    problems: list[str] = []
    for key, table in tables.items():
        try:
            found[key] = _prior(study, ("infer", "priors", key), key, table)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return found


def _prior(study: Study, at: Key, key: str, table: PriorTable) -> Prior:
    parameter = study.parameter(at, key)
    spec = parameter.spec
    lowest = spec.above if spec.above is not None else spec.minimum
    low, high = (-np.inf if lowest is None else lowest), (np.inf if spec.maximum is None else spec.maximum)
    if table.uniform is not None:
        first, last = (_number(study, at, key, "uniform", raw, spec) for raw in table.uniform)
        if not first < last:
            raise study.refuse([(at, f"{key}: uniform needs its first number below its second")])
        return Prior("uniform", first, last, max(low, first), min(high, last))
    if table.lognormal is not None:
        median = study.number((*at, "lognormal"), key, table.lognormal[0])
        factor = table.lognormal[1]
        if isinstance(factor, str) or not 1 < factor < 1e6 or median <= 0:
            text = "lognormal needs a median above 0 and a plain factor above 1, such as 1.5 for 50 %"
            raise study.refuse([(at, f"{key}: {text}")])
        return Prior("lognormal", median, float(factor), max(low, 0.0), high)
    if table.halfnormal is not None:
        width = _width(study, at, key, "halfnormal", table.halfnormal, spec)
        return Prior("normal", 0.0, width, max(low, 0.0), high)
    if table.normal is not None:
        mean = _number(study, at, key, "normal", table.normal[0], spec)
        return Prior("normal", mean, _width(study, at, key, "normal", table.normal[1], spec), low, high)
    if parameter.sigma is None:
        text = 'has no uncertainty in the lab file; write one there, or a prior such as normal = [mean, "width"]'
        raise study.refuse([(at, f"{key} {text}")])
    return Prior("normal", parameter.value, parameter.sigma, low, high)


def _number(study: Study, at: Key, key: str, name: str, raw: Number, spec: Spec) -> float:
    """A value of the parameter; an open end of its range itself is allowed."""
    if spec.above is not None and raw == spec.above:
        return float(spec.above)
    return study.number((*at, name), key, raw)


def _width(study: Study, at: Key, key: str, name: str, raw: Number, spec: Spec) -> float:
    """A standard deviation, in the unit of the parameter; its range does not bind it."""
    from darkstate.errors import ArgumentError
    from darkstate.units import parse

    try:
        width = parse(raw, spec.unit)[0]
    except ArgumentError as error:
        raise study.refuse([((*at, name), f"{name} = {error}")]) from None
    if width <= 0:
        raise study.refuse([((*at, name), f"{key}: the width of {name} must be greater than 0")])
    return width
