"""Simulation-based calibration: is what `infer` samples the posterior?

    p from the prior -> data from p -> posterior draws -> rank of p among them: uniform, if all of it is right

A likelihood with wrong errors or a wrong rate, and a sampler that does not reach its target, bend the histogram of the
ranks. Source: S. Talts et al., arXiv:1804.06788. Down: `sampler`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincc

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.studies.likelihood import Likelihood
from darkstate.studies.priors import Prior
from darkstate.studies.sampler import chain, parameters

THIN = 3
"""Only every third draw counts, so that they are nearly independent."""


@dataclass(frozen=True)
class Calibration:
    """Ranks of true parameters among posterior draws.

    Args:
        names: of the parameters; draws: per run, so that ranks go from 0 to draws; ranks: [run k]; diverging: share of
            divergent draws.
    """

    names: tuple[str, ...]
    draws: int
    ranks: np.ndarray
    diverging: float

    def histogram(self, bins: int = 8) -> np.ndarray:
        """Runs per bin of ranks [k bins]; bins must divide the number of possible ranks, draws + 1."""
        if (self.draws + 1) % bins:
            raise ArgumentError(f"Argument `bins` must divide {self.draws + 1}, the number of ranks, but is {bins}.")
        width = (self.draws + 1) // bins
        return np.stack([np.bincount(r // width, minlength=bins) for r in self.ranks.T])

    def chance(self, bins: int = 8) -> np.ndarray:
        """Probability of at least the chi^2 of each histogram against an even one [k]."""
        expected = len(self.ranks) / bins
        chi = ((self.histogram(bins) - expected) ** 2 / expected).sum(axis=1)
        return gammaincc((bins - 1) / 2, chi / 2)

    def __str__(self) -> str:
        width = max(map(len, self.names))
        lines = [f"ranks of the truth among {self.draws} posterior draws, {len(self.ranks)} runs"]
        for name, counts, p in zip(self.names, self.histogram(), self.chance(), strict=True):
            lines.append(f"  {name:<{width}}  {' '.join(f'{c:3d}' for c in counts)}   p = {p:.2g}")
        return "\n".join([*lines, f"  divergent draws: {100 * self.diverging:.2g} %"])


def calibrate(
    likelihood: Likelihood,
    priors: Sequence[Prior],
    *,
    runs: int = 100,
    draws: int = 63,
    warmup: int = 100,
    seed: int = 1,
    assumed: Likelihood | None = None,
) -> Calibration:
    """Simulate, sample and rank, all runs as one compiled program.

    Args:
        likelihood: data are simulated with it, of which only errors and times count; priors: of its parameters.
        runs: simulated data sets; draws: of each posterior that are ranked, 2^k - 1 for even bins; warmup: steps that
            adapt each chain; seed: of everything drawn.
        assumed: what the posterior is sampled with; another one than `likelihood` plants a mistake.

    Raises:
        ArgumentError: fewer than two runs or draws, or quantities that cannot be batched.

    Example:
        A worked one is in validation/sbc.py.
    """
    if runs < 2 or draws < 1 or not likelihood.can_be_batched:
        raise ArgumentError(
            f"Calibration needs at least 2 runs, 1 draw and courses over time of two cells, but has {runs}, {draws}."
        )
    generator = np.random.default_rng(seed)
    truth = jnp.asarray(generator.standard_normal((runs, len(priors))))
    clean = jax.jit(jax.vmap(lambda u: likelihood.predicted(parameters(priors, u))[0]))(truth)
    noise = generator.standard_normal(clean.shape)
    data = clean + jnp.asarray(noise * likelihood.errors)
    one = chain(assumed or likelihood, priors, warmup=warmup, samples=THIN * draws)
    found = jax.jit(jax.vmap(one))(jax.random.split(jax.random.PRNGKey(seed), runs), data)
    below = np.asarray(found.u[:, THIN - 1 :: THIN] < truth[:, None])
    names = tuple(f.name for f in likelihood.free)
    return Calibration(names, draws, below.sum(axis=1), float(np.mean(np.asarray(found.diverging))))
