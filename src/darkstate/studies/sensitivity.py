"""sensitivity: what limits a quantity: its exact slopes in every parameter, and what half of each imperfection gives.

    d ln |q|/d ln p = (p/q) dq/dp;      halved: p -> (p + p_ideal)/2, everything else kept

An imperfection is what better hardware would remove: a loss, a relaxation, noise, a mismatch. Its ideal value is 0, for
a transmission or an efficiency 1, for a decay time infinity (halved: twice the time). What cannot be removed alone
stays: Gamma-tilde keeps the cooling, heating and losses it includes, a decoherence its vacuum share. Where a coupling
is given as a cooperativity C = Gamma/gt, both hold its rate Gamma when a parameter of gt changes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from math import inf, isfinite
from typing import Any, NamedTuple

import numpy as np

from darkstate.experiments import kind_of, layout
from darkstate.experiments.cesium_cells import CesiumCells
from darkstate.experiments.two_cells import Timing, second_cell
from darkstate.experiments.values import value_at, with_values

_CELLS: dict[str, float] = {
    "ensembles.initial_polarization": 1.0,
    "ensembles.initial_up": 1.0,
    "vapour.initial_up": 1.0,
    "drive.loss_rate": 0.0,
    "noise.gamma_d_add": 0.0,
    "noise.gamma_tilde": 0.0,
    "noise.t2_dark": inf,
    "noise.collision_rate": 0.0,
    "relaxation.t2_dark": inf,
    "relaxation.t1_dark": inf,
    "relaxation.collision_rate": 0.0,
    "pump.dephasing": 0.0,
    "laser.gamma_d_add": 0.0,
    "laser.excess_loss": 0.0,
    "laser.window_transmission": 1.0,
    "field.larmor_mismatch": 0.0,
    "cells.transmission": 1.0,
}
_MEMBRANE: dict[str, float] = {"quality_factor": inf, "temperature": 0.0, "overcoupling": 1.0}

IDEAL: dict[str, dict[str, float]] = {
    "two_level_ensembles": _CELLS,
    "cesium_cells": _CELLS,
    "spin_mechanics": {
        "spin.linewidth": 0.0,
        "spin.occupation": 0.0,
        "cell.dark_linewidth": 0.0,
        "cell.polarization": 1.0,
        "mechanics.decoherence": 0.0,
        **{f"{name}.{key}": ideal for name in ("counter_membrane", "membrane") for key, ideal in _MEMBRANE.items()},
        "path.loss": 0.0,
        "field.mismatch": 0.0,
        "detection.efficiency": 1.0,
    },
    "monitored_cells": {
        "noise.gamma_tilde": 0.0,
        "bath.variance": 1.0,
        "detection.efficiency": 1.0,
        "detection.electronic_noise": 0.0,
    },
    "tweezer_pair": {"detection.preparation": 1.0},
}
"""The imperfections of each kind of experiment, and the value [SI] at which each is gone."""


class Halved(NamedTuple):
    """One imperfection, halved: its key, its value and the new one [SI], and all values that change with it."""

    key: str
    value: float
    half: float
    changes: dict[str, float]


def float_keys(experiment: Any) -> tuple[str, ...]:
    """The dotted keys of every float parameter that an experiment has a value of.

    Example:
        >>> import darkstate as ds
        >>> float_keys(ds.load(ds.shipped_labs()["huang2018"]).experiment)[:3]
        ('spin.theta', 'spin.linewidth', 'spin.occupation')
    """
    return tuple(key for key in _keys(experiment) if _has(experiment, key))


def _keys(experiment: Any) -> Iterator[str]:
    kind = kind_of(experiment)
    for key, spec in layout.parameters(kind).items():
        if spec.choices or spec.whole:
            continue
        if key.startswith("second."):
            if key.removeprefix("second.") in experiment.second:
                yield key
        elif key.startswith("protocol.segments."):
            name = key.rpartition(".")[2]
            yield from (f"protocol.segments.{n}.{name}" for n in range(len(experiment.protocol.segments)))
        else:
            yield key


def _has(experiment: Any, key: str) -> bool:
    try:
        value = value_at(experiment, key)
    except AttributeError:  # a section this experiment goes without
        return False
    return isinstance(value, (int, float)) and isfinite(value)


def halved(experiment: Any) -> list[Halved]:
    """Every imperfection of an experiment, cut by half.

    Args:
        experiment: any experiment with numbers in it.

    Returns:
        One `Halved` for each imperfection that is there; those gone already are left out.

    Example:
        >>> import darkstate as ds
        >>> lab = ds.load(ds.shipped_labs()["huang2018"], case="cs10-loss").experiment
        >>> {h.key: h.half for h in halved(lab)}["path.loss"]
        0.05
    """
    kind = kind_of(experiment)
    found = []
    for key in float_keys(experiment):
        own = key.removeprefix("second.")
        if own not in IDEAL[kind]:
            continue
        cell = second_cell(experiment) if own != key else experiment
        value, ideal = float(value_at(experiment, key)), IDEAL[kind][own]
        included = _INCLUDED.get((kind, own))
        least = _room(experiment, key, ideal) if included is None else included(cell)
        half = 2 * value if ideal == inf else (value + least) / 2
        if half != value and (ideal == inf or abs(half - ideal) <= abs(value - ideal)):
            found.append(Halved(key, value, half, {key: half, **_with_it(experiment, key, half)}))
    return found


def _included(cell: Any) -> float:
    """What Gamma-tilde cannot be below: cooling, heating and losses together, and what it is in the dark [1/s]."""
    total = cell.cell.total
    return max(float(total.cooling + total.heating + total.up_to_h + total.down_to_h), 2 / cell.noise.t2_dark)


def _included_monitored(e: Any) -> float:
    """The same for cells whose light is measured, which have the lamps and the dark of `cesium_cells`."""
    timing = Timing(duration=e.protocol.duration)
    return _included(CesiumCells(e.ensembles, e.drive, e.noise, protocol=timing))


_INCLUDED: dict[tuple[str, str], Callable[[Any], float]] = {
    ("cesium_cells", "noise.gamma_tilde"): _included,
    ("monitored_cells", "noise.gamma_tilde"): _included_monitored,
    ("spin_mechanics", "mechanics.decoherence"): lambda e: e.mechanics.linewidth / 2,
}
"""What of an imperfection cannot be removed alone."""


def _room(experiment: Any, key: str, ideal: float) -> float:
    """The ideal value; `initial_up` of ensemble II is at most what an `initial_down` that both share leaves it."""
    section, _, name = key.rpartition(".")
    if name != "initial_up" or not key.startswith("second.") or f"{section}.initial_down" in float_keys(experiment):
        return ideal
    shared = getattr(getattr(experiment, section.removeprefix("second.")), "initial_down", None)
    return ideal if shared is None else ideal - float(shared)


def at_fixed_rates(experiment: Any, keys: tuple[str, ...], slopes: np.ndarray) -> np.ndarray:
    """Slopes [k] with coupling rates held where a cooperativity is given, from those with the cooperativity held.

    Formula: C = Gamma/gt, so dq/dp at fixed Gamma = dq/dp at fixed C - C dq/dC d ln gt/dp for the p that make gt.
    """
    slopes = slopes.copy()
    for section, logarithmic in _DECOHERENCE.items():
        given = f"{section}.cooperativity"
        if given in keys:
            by_c = slopes[keys.index(given)] * float(value_at(experiment, given))
            for name, slope in logarithmic(getattr(experiment, section)).items():
                slopes[keys.index(f"{section}.{name}")] -= by_c * slope
    return slopes


_DECOHERENCE: dict[str, Callable[[Any], dict[str, float]]] = {
    "spin": lambda s: {"linewidth": 1 / s.linewidth, "occupation": 1 / (s.occupation + 0.5)},
    "mechanics": lambda m: {"decoherence": 1 / m.decoherence},
}
"""d ln gt/dp of the parameters that make a decoherence rate."""


def _with_it(experiment: Any, key: str, half: float) -> dict[str, float]:
    """What else changes: a cooperativity so that its rate stays, and the other initial fraction."""
    section, _, name = key.rpartition(".")
    if name == "initial_up":
        own, present = [f"{section}.initial_down"], float_keys(experiment)
        if f"second.{key}" not in present:  # ensemble II has the same fraction up, if not down
            own.append(f"second.{section}.initial_down")
        return {other: float(value_at(experiment, other)) / 2 for other in own if other in present}
    if section not in ("spin", "mechanics") or getattr(experiment, section).cooperativity is None:
        return {}
    now = getattr(experiment, section)
    new = getattr(with_values(experiment, {key: half}), section)
    ratio = now.rates.decoherence / new.rates.decoherence
    return {f"{section}.cooperativity": float(now.cooperativity * ratio)}


@dataclasses.dataclass(frozen=True)
class Sensitivities:
    """What limits a quantity at one set of values.

    Args:
        keys: of every float parameter [k]; values: theirs [k; SI]; slopes: dq/dp [k]; value: q.
        halved: the imperfections [i]; halves: q with each halved [i]; outcomes: of these [i].
    """

    keys: tuple[str, ...]
    values: np.ndarray
    slopes: np.ndarray
    value: float
    halved: tuple[Halved, ...]
    halves: np.ndarray
    outcomes: np.ndarray

    @property
    def elasticities(self) -> np.ndarray:
        """(p/q) dq/dp = d ln |q|/d ln p [k]; nan for parameters that are 0, and for q = 0, which have no logarithm."""
        known = (self.values != 0) & (self.value != 0)
        return np.where(known, self.slopes * self.values / (self.value or 1.0), np.nan)

    @property
    def gains(self) -> np.ndarray:
        """Change of q by each halved imperfection, relative to |q| [i]; nan where the outcome is bad, and for q = 0."""
        known = (self.outcomes == 0) & (self.value != 0)
        return np.where(known, (self.halves - self.value) / (abs(self.value) or 1.0), np.nan)
