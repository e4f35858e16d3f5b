"""Do the error bars of a fit hold? Simulate data from it, fit each set again, count how often the truth lies within.

    truth + noise -> many data sets -> Levenberg and Marquardt, all at once -> (value - truth)/error per parameter

An error bar of one standard error holds the truth 68.27 % of the time where chi^2 is a parabola. Down: `likelihood`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.gaussian.elimination import inverse, solve
from darkstate.studies.likelihood import Likelihood

STEPS = 40
"""Steps of each fit; it has converged where one more Newton step would lower chi^2 by less than `SMALL`."""

SMALL = 1e-4

BATCH = 250
"""Data sets fitted at once."""


@dataclass(frozen=True)
class Coverage:
    """Fits of simulated data.

    Args:
        names: of the parameters; truth: they were simulated with [k]; values, errors: of every fit [count k];
        converged: whether it ended at a minimum [count].
    """

    names: tuple[str, ...]
    truth: np.ndarray
    values: np.ndarray
    errors: np.ndarray
    converged: np.ndarray

    @property
    def pulls(self) -> np.ndarray:
        """(value - truth)/error of the fits that converged [count k]."""
        good = self.converged
        return (self.values[good] - self.truth) / self.errors[good]

    def share(self, within: float = 1.0) -> np.ndarray:
        """Share of the fits that have the truth within so many standard errors [k]."""
        return (np.abs(self.pulls) <= within).mean(axis=0)

    def __str__(self) -> str:
        count, width = len(self.pulls), max(map(len, self.names))
        lines = [f"{count} of {len(self.values)} simulated data sets fitted; 68.3 % expected within one standard error"]
        for name, one, two, pull in zip(self.names, self.share(), self.share(2.0), self.pulls.T, strict=True):
            error = 100 * np.sqrt(one * (1 - one) / count)
            said = f"{100 * one:.1f} +- {error:.1f} % within one, {100 * two:.1f} % within two"
            lines.append(f"  {name:<{width}}  {said}; mean pull {pull.mean():+.3f}, spread {pull.std():.3f}")
        return "\n".join(lines)


def coverage(likelihood: Likelihood, truth: Any, *, count: int = 1000, seed: int = 1) -> Coverage:
    """Fit simulated data sets, all with the errors and times of the real ones.

    Args:
        likelihood: parameters and data, of which only the errors and times count here.
        truth: parameters to simulate with [k]; count: data sets; seed: of their noise.

    Raises:
        ArgumentError: fewer than two data sets, or a truth outside the limits.
    """
    truth = np.asarray(truth, float)
    low, high = (np.array([getattr(f, end) for f in likelihood.free]) for end in ("low", "high"))
    if count < 2 or not ((low <= truth) & (truth <= high)).all():
        raise ArgumentError(f"Coverage needs at least two data sets and a truth within the limits, but has {count}.")
    clean = likelihood.linearised(truth)[0]
    noise = np.random.default_rng(seed).standard_normal((count, len(clean)))
    data = clean + noise * likelihood.errors
    found = [np.asarray(part) for part in _fits(likelihood, data)]
    return Coverage(tuple(f.name for f in likelihood.free), truth, found[0], found[1], found[2])


def _fits(likelihood: Likelihood, data: np.ndarray) -> list[np.ndarray]:
    """Values, errors and convergence of every data set, in batches of one compiled program."""
    program = fitter(likelihood)
    missing = -len(data) % min(BATCH, len(data))
    padded = np.concatenate([data, data[:missing]])
    pieces = padded.reshape(-1, min(BATCH, len(data)), data.shape[1])
    found = [program(jnp.asarray(piece)) for piece in pieces]
    return [np.concatenate([np.asarray(f[i]) for f in found])[: len(data)] for i in range(3)]


def fitter(likelihood: Likelihood) -> Any:
    """A compiled function from data sets [b n] to (values [b k], errors [b k], converged [b]).

    Each fit starts at the start of the likelihood and stays within the limits: Levenberg and Marquardt's method with
    exact derivatives.
    """
    scale, errors = jnp.asarray(likelihood.scale), jnp.asarray(likelihood.errors)
    low, high = (jnp.array([getattr(f, end) / f.scale for f in likelihood.free]) for end in ("low", "high"))

    def deviations(x: Any, values: Any) -> tuple[Any, Any]:
        found = (likelihood.predicted(x * scale)[0] - values) / errors
        return found, found

    def linear(x: Any, values: Any) -> tuple[Any, Any, Any]:
        slopes, r = jax.jacfwd(deviations, has_aux=True)(x, values)
        good = jnp.isfinite(r).all() & jnp.isfinite(slopes).all()
        return jnp.where(good, r @ r, jnp.inf), slopes.T @ slopes, slopes.T @ r

    def one(values: Any) -> tuple[Any, Any, Any]:
        def step(state: Any, _: Any) -> tuple[Any, Any]:
            x, chi, curvature, gradient, damping = state
            matrix = curvature + damping * jnp.diag(jnp.diagonal(curvature))
            trial = jnp.clip(x - solve(matrix, gradient[:, None])[:, 0], low, high)
            new = linear(trial, values)
            better = new[0] <= chi
            kept = [jnp.where(better, a, b) for a, b in zip((trial, *new), (x, chi, curvature, gradient), strict=True)]
            return (*kept, jnp.where(better, damping / 5, damping * 4)), None

        x = jnp.asarray(likelihood.start) / scale
        first = (x, *linear(x, values), jnp.asarray(1e-3))
        (x, chi, curvature, gradient, _), _ = jax.lax.scan(step, first, None, length=STEPS)
        # what a Newton step could still gain; on a limit nothing can be said
        rest = gradient @ solve(curvature, gradient[:, None])[:, 0]
        sigma = jnp.sqrt(jnp.diagonal(inverse(curvature)))
        return x * scale, sigma * scale, jnp.isfinite(chi) & (rest < SMALL)

    return jax.jit(jax.vmap(one) if likelihood.can_be_batched else lambda data: jax.lax.map(one, data))
