"""What the uncertain numbers of a lab file leave open of two atoms in a tweezer: a seeded Monte Carlo.

    uncertain numbers -> draws, each within its range -> kinetic model -> P_0, P_1, P_2 (t) -> 16, 50, 84 %

P_1 swings with the scattering lengths, so that its slope at the nominal numbers says little about its spread.
Up: `pair`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from darkstate.backend import jax, jnp
from darkstate.experiments.layout import find
from darkstate.experiments.tweezer_pair import TweezerPair
from darkstate.experiments.values import value_at, with_values
from darkstate.pair.kinetic import kinetic_states

DRAWS, DRAWS_ALONE = 512, 256
"""Draws of all numbers together, and of each alone; powers of two, which scrambled Sobol points fill evenly."""

SEED = 2026
"""Of all draws."""

LATE = 0.2
"""Last share of the time grid over which P_1 is averaged."""

_ENDS = ndtr(np.array([-1.0, 0.0, 1.0]))
_SECTIONS = ("trap", "frequencies", "atoms", "collisions")


@dataclass(frozen=True)
class Spread:
    """Quantiles of the populations over the draws; half the distance from 16 to 84 % is called the error.

    Args:
        low, median, high: 16, 50 and 84 % of P_|m| of prepared pairs [t 3]; sector: error of q^2 P_1 at the end;
        late: error of the mean of P_1 over the last share `LATE` of the times; shares: error of P_1 at the end with
            one uncertain number varied alone, largest first, those without effect left out.
    """

    low: np.ndarray
    median: np.ndarray
    high: np.ndarray
    sector: float
    late: float
    shares: dict[str, float]

    @property
    def error(self) -> np.ndarray:
        """Half of the spread from 16 to 84 % [t 3]."""
        return (self.high - self.low) / 2


def spread(e: TweezerPair, uncertainties: Mapping[str, float]) -> Spread | None:
    """Draw the uncertain numbers that the populations depend on; None if there are none.

    Numbers are Gaussian and independent; what would leave the range of a parameter is drawn anew.

    Args:
        e: the experiment; uncertainties: standard errors by dotted key.

    Example:
        >>> import darkstate as ds
        >>> lab = ds.load(ds.shipped_labs()["ruksasakchai2026"])
        >>> found = spread(lab.experiment, lab.uncertainties)
        >>> print(f"{found.median[-1, 1]:.2f} +- {found.error[-1, 1]:.3f}, first of all", next(iter(found.shares)))
        0.37 +- 0.024, first of all collisions.a_0
    """
    moving = tuple(k for k in uncertainties if k.split(".")[0] in _SECTIONS)
    keys = (*moving, *(k for k in ("detection.preparation",) if k in uncertainties))
    if not keys:
        return None
    values = draws(e, {k: uncertainties[k] for k in keys}, DRAWS)
    found = np.asarray(_courses(e, keys, e.collisions.points, jnp.asarray(values)))
    low, median, high = np.quantile(found, _ENDS, axis=0)
    q = values[:, -1] if "detection.preparation" in keys else np.full(len(values), float(e.detection.preparation))
    shares = {}
    if moving:
        nominal = np.array([float(value_at(e, k)) for k in moving])
        alone = np.tile(nominal, (len(moving), DRAWS_ALONE, 1))
        for i, key in enumerate(moving):
            alone[i, :, i] = draws(e, {key: uncertainties[key]}, DRAWS_ALONE)[:, 0]
        ends = np.asarray(_ends(e, moving, jnp.asarray(alone.reshape(-1, len(moving)))))
        each = {k: _half(p) for k, p in zip(moving, ends.reshape(len(moving), DRAWS_ALONE), strict=True)}
        shares = dict(sorted(((k, s) for k, s in each.items() if s > 1e-9), key=lambda pair: -pair[1]))
    mean = late_mean(np.moveaxis(found[..., 1], 0, -1))
    return Spread(low, median, high, _half(q * q * found[:, -1, 1]), _half(mean), shares)


def draws(e: TweezerPair, sigmas: Mapping[str, float], count: int) -> np.ndarray:
    """Values of uncertain numbers, Gaussian within the range of each: scrambled Sobol points [count k]."""
    points = qmc.Sobol(len(sigmas), seed=SEED).random(count)
    found = np.empty_like(points)
    for i, (key, sigma) in enumerate(sigmas.items()):
        value, spec = float(value_at(e, key)), find("tweezer_pair", tuple(key.split(".")))
        assert spec is not None
        lowest = spec.minimum if spec.above is None else spec.above
        low = 0.0 if lowest is None else float(ndtr((lowest - value) / sigma))
        high = 1.0 if spec.maximum is None else float(ndtr((spec.maximum - value) / sigma))
        inside = np.clip(points[:, i], 1e-9, 1 - 1e-9)  # no end of the range itself, which `above` leaves out
        found[:, i] = value + sigma * ndtri(low + inside * (high - low))
    return found


def late_mean(course: np.ndarray) -> Any:
    """Mean over the last share `LATE` of equally spaced times [t ...] -> [...]."""
    return course[-max(1, round(LATE * (len(course) - 1)) + 1) :].mean(0)


def _half(values: np.ndarray) -> float:
    low, _, high = np.quantile(values, _ENDS)
    return float((high - low) / 2)


@partial(jax.jit, static_argnums=(1, 2))
def _courses(e: TweezerPair, keys: tuple[str, ...], points: int, values: Any) -> Any:
    """P_|m| at equally spaced times for each row of values [d t 3]; one exponential per row, of one step in time."""

    def course(row: Any) -> Any:
        changed = with_values(e, dict(zip(keys, row, strict=True)))
        pair, step = changed.pair(), changed.collisions.duration / (points - 1)
        n = pair.lengths.shape[0]
        basis = jnp.eye(n * n, dtype=complex).reshape(-1, n, n)
        advance = jax.vmap(lambda start: kinetic_states(pair, step, initial=start).ravel())(basis)

        def after(state: Any, _: Any) -> tuple[Any, Any]:
            return state @ advance, jnp.diagonal(state.reshape(n, n)).real

        return jax.lax.scan(after, basis[0].ravel(), length=points)[1]

    return jax.vmap(course)(values)


@partial(jax.jit, static_argnums=1)
def _ends(e: TweezerPair, keys: tuple[str, ...], values: Any) -> Any:
    """P_1 at the end for each row of values [d]."""

    def end(row: Any) -> Any:
        changed = with_values(e, dict(zip(keys, row, strict=True)))
        return kinetic_states(changed.pair(), changed.collisions.duration)[1, 1].real

    return jax.vmap(end)(values)
