"""Infer: the posterior of parameters given data and priors, and what it predicts.

    [infer.priors] + likelihood of [fit] -> chains of draws -> R-hat, effective sample size -> posterior predictive

Down: `priors`, `sampler`, `fit_table`; up: table, figures and files in `report.infer`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field

from darkstate.backend import jax, jnp
from darkstate.errors import InputError, Outcome
from darkstate.experiments.values import with_values
from darkstate.studies.bands import POINTS, length
from darkstate.studies.fit_table import FitTable, FreeTable, Problem, flattened, read_problem
from darkstate.studies.likelihood import Likelihood
from darkstate.studies.observables import course
from darkstate.studies.priors import Prior, PriorTable, read_priors
from darkstate.studies.sampler import chain, parameters, require_numpyro
from darkstate.studies.study import Table, read_study

ALIKE = 1.01
"""Largest R-hat of chains that agree."""

FEWEST = 100
"""Smallest effective sample size that counts."""

REPLICAS = 400
"""Draws that predictions are made of."""


class InferTable(Table):
    """The table [infer]; data and slopes are those of [fit]."""

    priors: Annotated[dict[str, PriorTable], BeforeValidator(flattened)] = {}
    samples: Annotated[int, Field(ge=10, le=100_000)] = 500
    warmup: Annotated[int, Field(ge=10, le=100_000)] = 200
    chains: Annotated[int, Field(ge=2, le=64)] = 4
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1


@dataclass(frozen=True)
class Predictive:
    """A course over time as the posterior has it.

    Args:
        label, observable: what it is; times: [t; s]; low, median, high: 16, 50 and 84 % [t]; lowest: the same of the
            smallest value [3]; below: probability that this is below 1; data: number of its data set or None.
    """

    label: str
    observable: str
    times: np.ndarray
    low: np.ndarray
    median: np.ndarray
    high: np.ndarray
    lowest: np.ndarray
    below: float
    data: int | None


@dataclass(frozen=True)
class Posterior:
    """Draws of the posterior.

    Args:
        problem: study, data and parameters; priors: by name; values: [chain draw k; SI]; solved: of the parameters that
            slopes determine [chain draw]; chi_squared, diverging: [chain draw]; r_hat, effective: per parameter [k];
        predicted: points of the data [replica n]; curves: over time; chance: posterior predictive probability of a
            chi^2 at least as large as that of the data; outcome: of sampling and of the equations solved.
    """

    problem: Problem
    priors: tuple[Prior, ...]
    values: np.ndarray
    solved: dict[str, np.ndarray]
    chi_squared: np.ndarray
    diverging: np.ndarray
    r_hat: np.ndarray
    effective: np.ndarray
    predicted: np.ndarray
    curves: tuple[Predictive, ...]
    chance: float
    outcome: Outcome

    @property
    def names(self) -> tuple[str, ...]:
        """Of the parameters."""
        return tuple(f.name for f in self.problem.likelihood.free)

    @property
    def flat(self) -> np.ndarray:
        """All draws [draws k; SI]."""
        return self.values.reshape(-1, self.values.shape[-1])


def read_inference(path: Any) -> tuple[Problem, tuple[Prior, ...], InferTable]:
    """The tables [infer] and [fit] of a study file, its data, and the priors in the order of the parameters.

    Raises:
        InputError: every problem found.
    """
    study, table = read_study(path, "infer", InferTable)
    _, fit = read_study(path, "fit", FitTable)
    tables = dict(table.priors)
    if not tables:
        tables = {key: PriorTable() for key in fit.free}
    if not tables:
        text = 'names no parameter; write [infer.priors."noise.gamma_tilde"] with normal = [mean, width] below it'
        raise study.refuse([(("infer",), f"infer {text}")])
    by_key = read_priors(study, tables)
    problem = read_problem(study, fit, {key: FreeTable() for key in tables})
    likelihood = problem.likelihood
    free = tuple(f._replace(start=by_key[f.key].median) for f in likelihood.free)
    priors = tuple(by_key[f.key] for f in free)
    problem = Problem(
        study,
        problem.labs,
        Likelihood(likelihood.base, free, likelihood.pieces, likelihood.slopes),
        problem.targets,
        problem.specs,
    )
    return problem, priors, table


def sample(problem: Problem, priors: tuple[Prior, ...], table: InferTable) -> Posterior:
    """Draw from the posterior and predict.

    Raises:
        InputError: NumPyro is not installed, or the priors' medians give no prediction.
    """
    require_numpyro()
    likelihood = problem.likelihood
    if not np.isfinite(likelihood.linearised(likelihood.start)[0]).all():
        raise InputError([f"{problem.study.path}: the medians of the priors give no prediction; move them"])
    one = chain(likelihood, priors, warmup=table.warmup, samples=table.samples)
    keys = jax.random.split(jax.random.PRNGKey(table.seed), table.chains)
    data = jnp.asarray(likelihood.values)
    # library factorisations that are batched can hang: such chains run one after the other
    over = jax.vmap if likelihood.can_be_batched else lambda f: partial(jax.lax.map, f)
    found = jax.jit(over(lambda key: one(key, data)))(keys)
    values = np.asarray(parameters(priors, found.u))
    return _posterior(problem, priors, values, np.asarray(found.chi_squared), np.asarray(found.diverging), table.seed)


def _posterior(
    problem: Problem, priors: tuple[Prior, ...], values: np.ndarray, chi: np.ndarray, diverging: np.ndarray, seed: int
) -> Posterior:
    from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

    likelihood = problem.likelihood
    r_hat, effective = split_gelman_rubin(values), effective_sample_size(values)
    flat = values.reshape(-1, values.shape[-1])
    some = jnp.asarray(flat[:: max(1, len(flat) // REPLICAS)][:REPLICAS])
    over = jax.vmap if likelihood.can_be_batched else lambda f: partial(jax.lax.map, f)
    points, codes = jax.jit(over(likelihood.predicted))(some)
    points = np.asarray(points)
    worst = Outcome(int(np.max(np.asarray(codes))))
    if not ((r_hat <= ALIKE).all() and (effective >= FEWEST).all() and diverging.mean() <= 0.01):
        worst = max(worst, Outcome.not_converged)
    noise = np.random.default_rng(seed).standard_normal(points.shape)
    own = (((likelihood.values - points) / likelihood.errors) ** 2).sum(axis=1)
    solved = {}
    if likelihood.slopes:
        every = jax.jit(jax.vmap(likelihood.shared))(jnp.asarray(flat))
        solved = {s.key: np.asarray(every[s.key]).reshape(values.shape[:2]) for s in likelihood.slopes}
    return Posterior(
        problem=problem,
        priors=priors,
        values=values,
        solved=solved,
        chi_squared=chi,
        diverging=diverging,
        r_hat=np.asarray(r_hat),
        effective=np.asarray(effective),
        predicted=points,
        curves=tuple(_curves(problem, some)),
        chance=float(((noise**2).sum(axis=1) >= own).mean()),
        outcome=worst,
    )


def _curves(problem: Problem, draws: Any) -> list[Predictive]:
    """Courses through the data and of the experiments to be predicted."""
    likelihood, found = problem.likelihood, []
    for n, piece in enumerate(likelihood.pieces):
        if piece.data.times is not None:
            grid = np.linspace(0.0, float(piece.data.times.max()), POINTS)
            job = (piece.experiment, frozenset[str](), grid)
            found.append(_curve(likelihood, piece.label, piece.data.observable, job, draws, n))
    for label, observable, lab, own in problem.targets:
        grid = np.linspace(0.0, length(lab.experiment), POINTS)
        found.append(_curve(likelihood, label, observable, (lab.experiment, own, grid), draws, None))
    return found


def _curve(
    likelihood: Likelihood,
    label: str,
    observable: str,
    job: tuple[Any, frozenset[str], np.ndarray],
    draws: Any,
    data: int | None,
) -> Predictive:
    experiment, fixed, grid = job
    at = course(experiment, observable, grid)

    def one(v: Any) -> Any:
        settings = {k: x for k, x in likelihood.settings(v, data).items() if k not in fixed}
        return at(with_values(experiment, settings))[0]

    over = jax.vmap if likelihood.can_be_batched else lambda f: partial(jax.lax.map, f)
    curves = np.asarray(jax.jit(over(one))(draws))
    ends = [15.865525, 50.0, 84.134475]
    low, median, high = np.percentile(curves, ends, axis=0)
    least = curves.min(axis=1)
    lowest = np.percentile(least, ends)
    return Predictive(label, observable, grid, low, median, high, lowest, float((least < 1).mean()), data)
