"""programs: the functions of a problem of `optimise`, compiled once and called for many points.

row of all float parameters -> experiment -> q, sigma_q, what is limited, outcome
sigma_q^2 = sum_p (dq/dp)^2 sigma_p^2          over the uncertain numbers of the lab file
merit = s q + k sigma_q                        s = +1: smallest, -1: largest; not a number where the outcome is bad
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import Outcome
from darkstate.experiments.values import with_values
from darkstate.studies.constraints import constrained
from darkstate.studies.optimise import TOTAL_POWER, Problem
from darkstate.studies.quantities import evaluator

ROWS, SLOPES = 256, 16
"""Points evaluated, and points whose slopes are taken, by one call."""

SHARE = 0.01
"""Step of the differences that give a standard error, in standard errors of the uncertain numbers."""

_TINY = 1e-24  # keeps the derivative of a standard error finite where it vanishes


class Answer(NamedTuple):
    """Value, its standard error, the figures that are limited [c], and the outcome."""

    value: Any
    sigma: Any
    figures: Any
    outcome: Any


class Programs:
    """The compiled functions of a problem."""

    def __init__(self, problem: Problem) -> None:
        self.problem, experiment = problem, problem.study.lab.experiment
        self.base = problem.base
        self.columns = [problem.keys.index(v.key) for v in problem.variables]
        self.low = np.array([v.moved(v.low) for v in problem.variables])
        self.high = np.array([v.moved(v.high) for v in problem.variables])
        self.log = np.array([v.log for v in problem.variables])
        self.grid = None if problem.grid is None else problem.keys.index(problem.grid.key)
        uncertain = problem.study.lab.uncertainties if problem.robust else {}
        self.uncertain = [problem.keys.index(key) for key in uncertain]
        self.sigmas = np.array([uncertain[key] for key in uncertain])
        specs = [problem.spec(key) for key in uncertain]
        self.ranges = (
            np.array([-np.inf if s.minimum is None else s.minimum for s in specs]),
            np.array([np.inf if s.maximum is None else s.maximum for s in specs]),
        )
        limits = problem.limits
        self.senses, self.bounds, self.scales = (
            np.array([getattr(limit, name) for limit in limits], float) for name in ("sense", "bound", "scale")
        )
        self.figures = tuple(limit.name for limit in limits if limit.name != TOTAL_POWER)
        names = tuple(dict.fromkeys((problem.name, *self.figures)))
        self.evaluate = evaluator(experiment, names, extremes=self._extremes())
        self.points = jax.jit(jax.vmap(self.answer))
        self.jacobian = jax.jit(jax.vmap(jax.jacfwd(lambda row: self._stacked(self.answer(row)))))
        self.best = jax.jit(jax.vmap(self._best))

    def _extremes(self) -> list[Any]:
        """The laboratory in the corners of the box, whose rates set the time steps."""
        p, ends = self.problem, [(v.low, v.high) for v in self.problem.variables]
        across = [] if p.grid is None else [(float(p.grid_values[0]), float(p.grid_values[-1]))]
        keys = [v.key for v in p.variables] + ([] if p.grid is None else [p.grid.key])
        corners = [dict(zip(keys, corner, strict=True)) for corner in product(*ends, *across)]
        found = [with_values(p.study.lab.experiment, values) for values in corners]
        return [e for e in found if not e.rate_problems()]

    def row(self, x: Any, grid: Any) -> Any:
        """Every float parameter of the lab [k; SI] at coordinates of the search [n] and a value of the grid."""
        settings = jnp.where(self.log, jnp.exp(jnp.where(self.log, x, 0.0)), x)
        row = jnp.asarray(self.base).at[jnp.array(self.columns)].set(settings)
        return row if self.grid is None else row.at[self.grid].set(grid)

    def _plain(self, row: Any) -> tuple[Any, Any, Any]:
        """Value, limited figures and outcome at a row of parameters [k; SI]."""
        p = self.problem
        changed = with_values(p.study.lab.experiment, {key: row[k] for k, key in enumerate(p.keys)})
        found, outcome = self.evaluate(changed)
        power = jnp.sum(row[jnp.array([p.keys.index(key) for key in p.powers], int)])
        figures = [power if limit.name == TOTAL_POWER else found[limit.name] for limit in p.limits]
        return found[p.name], jnp.stack(figures) if figures else jnp.zeros(0), outcome

    def answer(self, row: Any) -> Answer:
        """The `Answer` at a row of parameters [k; SI]."""
        if not self.uncertain:
            value, figures, outcome = self._plain(row)
            return Answer(value, jnp.zeros(()), figures, outcome)
        places, lowest, highest = jnp.array(self.uncertain), *self.ranges
        # Differences, not derivatives: the search takes two more orders of these, which would compile for minutes.
        here, step = row[places], SHARE * self.sigmas
        up, down = jnp.minimum(here + step, highest), jnp.maximum(here - step, lowest)
        moved = [row.at[k].set(x) for ends in (up, down) for k, x in zip(self.uncertain, ends, strict=True)]
        values, figures, outcomes = jax.vmap(self._plain)(jnp.stack([row, *moved]))
        slopes = (values[1 : 1 + len(here)] - values[1 + len(here) :]) / (up - down)
        sigma = jnp.sqrt(jnp.sum((slopes * self.sigmas) ** 2) + _TINY)
        return Answer(values[0], sigma, figures[0], outcomes[0])

    def _stacked(self, found: Answer) -> Any:
        """Value, the limited figures and, if it counts, the standard error [1+c or 2+c]."""
        sigma = found.sigma[None] if self.uncertain else jnp.zeros(0)
        return jnp.concatenate([found.value[None], found.figures, sigma])

    def objective(self, x: Any, grid: Any) -> tuple[Any, Any]:
        """What is minimised, and the excess over each limit [c]; not a number where the outcome is bad."""
        found = self.answer(self.row(x, grid))
        return self.merit(found), self.excess(found.figures)

    def merit(self, found: Answer) -> Any:
        """s q + k sigma; not a number where the outcome is bad."""
        p = self.problem
        good = found.outcome <= (Outcome.ok if p.validity else Outcome.outside_validity)
        return jnp.where(good, p.sign * found.value + p.robust * found.sigma, jnp.nan)

    def excess(self, figures: Any) -> Any:
        """How far each limit is passed, relative [... c]."""
        return self.senses * (figures - self.bounds) / self.scales

    def _best(self, grid: Any, size: Any) -> tuple[Any, Any]:
        """Coordinates [n] and multipliers [c] of the optimum."""
        starts = self.problem.starts
        found = constrained(lambda x: self.objective(x, grid), self.low, self.high, size=size, starts=starts)
        return found.x, found.multipliers

    def many(self, rows: np.ndarray) -> Answer:
        """The answers at rows of parameters [b k; SI]."""
        return _in_blocks(self.points, rows, ROWS)

    def slopes(self, rows: np.ndarray) -> np.ndarray:
        """Derivatives of value, figures and standard error at rows of parameters [b s k; 1/SI]."""
        return _in_blocks(self.jacobian, rows, SLOPES)

    def rows(self, coordinates: np.ndarray, grid: Any) -> np.ndarray:
        """As `row`, for many coordinates [b n] at one value of the grid."""
        rows = np.repeat(self.base[None], len(coordinates), axis=0)
        rows[:, self.columns] = np.where(self.log, np.exp(np.where(self.log, coordinates, 0.0)), coordinates)
        # the exponential of the logarithm of a bound may lie beside the bound
        ends = np.array([(v.low, v.high) for v in self.problem.variables])
        rows[:, self.columns] = np.clip(rows[:, self.columns], ends[:, 0], ends[:, 1])
        if self.grid is not None:
            rows[:, self.grid] = grid
        return rows


def _in_blocks(program: Callable[[Any], Any], rows: np.ndarray, size: int) -> Any:
    """What a program gives for rows [b k], always called with as many, so that it is compiled once."""
    parts = []
    for first in range(0, len(rows), size):
        part = rows[first : first + size]
        filled = np.concatenate([part, np.repeat(part[:1], size - len(part), axis=0)])
        parts.append(jax.tree.map(np.asarray, program(filled)))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[: len(rows)], *parts)
