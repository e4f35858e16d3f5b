"""What trajectories tell: mean moments by block, and any figure of them with its standard error (jackknife).

A figure such as xi is a ratio of means: its error comes from leaving out one group of blocks at a time, never from
ratios of single trajectories. Up: `sampling` fills it; the columns are those of the kernels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.spins.state import Moments, SpinState

COLUMNS = 25
"""Sums over trajectories that kernels fill: see `moments_of`."""

GROUPS = 100
"""Most groups of blocks the jackknife leaves out in turn."""


@dataclasses.dataclass(frozen=True)
class Blocks:
    """Sums over the trajectories of each block.

    Args:
        sums: expectation values, summed over a block [blocks t column].
        sizes: trajectories of each block [blocks].
        counts: trajectories by time, ensemble and 2j [t 2 N+1], or empty.
        finals: labels and amplitudes at the last time [trajectory 8+sites], or empty.
        figures: largest window tail, window too small, number of jumps, largest leap figure [4].
    """

    sums: Any
    sizes: Any
    counts: Any
    finals: Any
    figures: Any

    @classmethod
    def join(cls, parts: Sequence[Blocks]) -> Blocks:
        """All blocks together, in order."""
        figures = np.array([p.figures for p in parts])
        total = figures.max(0)
        total[2] = figures[:, 2].sum()
        return cls(
            np.concatenate([p.sums for p in parts]),
            np.concatenate([p.sizes for p in parts]),
            np.sum([p.counts for p in parts], axis=0),
            np.concatenate([p.finals for p in parts]),
            total,
        )

    def merged(self, most: int) -> Blocks:
        """At most `most` blocks of about equal size, neighbours added up."""
        if len(self.sums) <= most:
            return self
        ends = np.cumsum(self.sizes)
        first = np.unique(np.searchsorted(ends, ends[-1] * np.arange(most) / most, side="right"))
        return dataclasses.replace(
            self, sums=np.add.reduceat(self.sums, first), sizes=np.add.reduceat(self.sizes, first)
        )


@dataclasses.dataclass(frozen=True)
class Sampled:
    """The state of one or two ensembles over time, from quantum trajectories.

    Args:
        atoms: (N_I, N_II); times: [t; s].
        blocks: the sums that everything is computed from.
        hyperfine_spin: F that the witnesses read.
        figures: checks by name: `window_tail`, the largest weight a trajectory lost at the edges of its window; of
            leaping `leap_range`.
        coarse: the same with twice the step, of leaping.
    """

    atoms: tuple[int, int]
    times: Any
    blocks: Blocks
    hyperfine_spin: float
    figures: Mapping[str, float]
    coarse: Sampled | None = None

    @property
    def trajectories(self) -> int:
        """Number of trajectories."""
        return int(self.blocks.sizes.sum())

    @property
    def jumps(self) -> float:
        """Mean number of jumps of a trajectory; of leaping, of those that are followed one by one."""
        return float(self.blocks.figures[2]) / self.trajectories

    @property
    def spin_state(self) -> SpinState:
        """Means over all trajectories, as witnesses read them [leaves t 2]."""
        return self._state(self.blocks.sums.sum(0) / self.trajectories)

    def _state(self, rows: Any) -> SpinState:
        shape = rows.shape[:-1]
        atoms = jnp.broadcast_to(jnp.array(self.atoms, float), (*shape, 2))
        return SpinState(moments_of(rows, self.atoms), atoms, jnp.full(shape, self.hyperfine_spin))

    def estimate(self, figure: Callable[[SpinState], Any]) -> tuple[Any, Any]:
        """Any figure of the state, and its standard error.

        Formula: jackknife over at most `GROUPS` groups of blocks, with its correction of the bias.

        Args:
            figure: of a `SpinState` with leaves [t 2], a number or a witness such as `epr_variance`.

        Returns:
            Value and standard error, shaped as the figure.

        Raises:
            ArgumentError: there is a single block only.
        """

        def number(rows: Any) -> Any:
            found = figure(self._state(rows))
            return getattr(found, "value", found)  # a witness means its value

        return self._jackknife(number)

    def _jackknife(self, figure: Callable[[Any], Any]) -> tuple[Any, Any]:
        """`figure` of rows of means [t column]."""
        blocks = self.blocks.merged(GROUPS)
        groups, parts, sizes = len(blocks.sums), blocks.sums, blocks.sizes[:, None, None]
        if groups < 2:
            raise ArgumentError("An error needs at least 2 trajectories; take more.")
        whole = np.asarray(figure(parts.sum(0) / sizes.sum()))
        others = np.asarray(jax.vmap(figure)(jnp.asarray((parts.sum(0) - parts) / (sizes.sum() - sizes))))
        mean = others.mean(0)
        value = groups * whole - (groups - 1) * mean
        return value, np.sqrt((groups - 1) / groups * ((others - mean) ** 2).sum(0))

    def step_change(self, figure: Callable[[SpinState], Any]) -> tuple[Any, Any]:
        """How much a figure changed when the step of leaping was halved, and the statistical error of that change.

        Raises:
            ArgumentError: these are exact trajectories, which have no step.
        """
        if self.coarse is None:
            raise ArgumentError("Exact trajectories have no step; `step_change` is for Leaping().")
        (fine, error), (coarse, other) = self.estimate(figure), self.coarse.estimate(figure)
        return fine - coarse, np.hypot(error, other)

    @property
    def spin_length(self) -> tuple[Any, Any]:
        """Mean j of I and II, and its standard error [t 2]."""
        return self._jackknife(lambda rows: rows[..., 11:13])

    @property
    def spin_variance(self) -> tuple[Any, Any]:
        """Variance of Jx of I and II, and its standard error [t 2]."""
        return self._jackknife(lambda rows: rows[..., 8:10] - rows[..., 0:2] ** 2)

    @property
    def spin_distribution(self) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
        """(j, probability, standard error) of I and II at the last time, j falling [j].

        Raises:
            ArgumentError: there are too many atoms to keep a number per j.
        """
        if not self.blocks.counts.size:
            raise ArgumentError("The distribution of j is kept for up to 10 000 atoms; `spin_length` has its mean.")
        found = []
        for e, n in enumerate(self.atoms):
            p = self.blocks.counts[-1, e, n::-1] / self.blocks.counts[-1, e].sum()
            there = slice(None, None, 2) if not self.blocks.counts[-1, e, n - 1 :: -2].any() or n == 0 else slice(None)
            # never less than that of one trajectory: what was not seen once may still happen
            error = np.sqrt(np.maximum(p * (1 - p), 1 / self.trajectories) / self.trajectories)
            found.append((np.arange(n, -1, -1)[there] / 2, p[there], error[there]))
        return found[0], found[1]

    @property
    def purity(self) -> tuple[float, float]:
        """Tr rho^2 of the collective spins at the last time, as if each j occurred once, and its standard error.

        Formula: mean of |<a|b>|^2 over pairs of trajectories; the error is twice that of the mean of <a|rho|a>.

        Raises:
            ArgumentError: final amplitudes were not kept: more than 200 atoms, a Larmor mismatch, or no conserved
                charge.
        """
        if not len(self.blocks.finals):
            raise ArgumentError(
                "The purity needs final amplitudes, kept for up to 200 atoms whose collective jumps conserve a charge, "
                "without Larmor mismatch; for small ensembles see exact_states."
            )
        each = _overlaps(self.blocks.finals)
        return float(each.mean()), float(2 * each.std(ddof=1) / np.sqrt(len(each)))


def _overlaps(finals: Any) -> Any:
    """Mean |<a|b>|^2 of each trajectory a with the others [trajectory]; states with other labels are orthogonal."""
    labels = finals[:, :7].copy()
    depth = labels[:, 4:6].min(1)  # the first site's place in its chain
    labels[:, 4:6] -= depth[:, None]
    _, group = np.unique(np.delete(labels, 6, axis=1), axis=0, return_inverse=True)
    found = np.zeros(len(finals))
    for g in range(group.max() + 1):
        mine = np.flatnonzero(group == g)
        state = np.zeros((len(mine), finals.shape[1] - 8))
        for row, i in enumerate(mine):
            first, sites = int(depth[i]), int(finals[i, 6])
            state[row, first : first + sites] = finals[i, 8 : 8 + sites]
        found[mine] = ((state @ (state.T @ state)) * state).sum(1)
    return (found - 1) / (len(finals) - 1)


def moments_of(rows: Any, atoms: tuple[int, int]) -> Moments:
    """Mean columns of the kernels as scaled moments [... 25] -> [leaves ... 2].

    Columns: <m>, N_2, <j(j+1) - m^2> of I, II; <S_I S_II>; <m^2> of I, II; <m_I m_II>; j and j^2 of I, II; then <S_I>,
    <S_II>, <S_I^2>, <S_II^2>, <S_I S_II^+>; complex numbers take two.
    """
    n = jnp.maximum(jnp.array(atoms, float), 1.0)
    root, both = jnp.sqrt(n), jnp.sqrt(n[0]) * jnp.sqrt(n[1])
    up, down = (rows[..., 2:4] / 2 + sign * rows[..., 0:2] for sign in (1, -1))
    own = rows[..., 4:6]
    re, im = jnp.stack([rows[..., 19], rows[..., 21]], -1), jnp.stack([rows[..., 20], rows[..., 22]], -1)
    same, far = (rows[..., 6], rows[..., 7]), (rows[..., 23], rows[..., 24])
    return Moments(
        up=up / n,
        down=down / n,
        h=jnp.where(jnp.array(atoms) > 0, 1 - rows[..., 2:4] / n, 0.0),
        y=jnp.stack([rows[..., 15], rows[..., 17]], -1) / root,
        z=jnp.stack([rows[..., 16], rows[..., 18]], -1) / root,
        yy=(own + re) / (2 * n),
        zz=(own - re) / (2 * n),
        yz=im / (2 * n),
        cross_yy=(same[0] + far[0]) / (2 * both),
        cross_yz=(same[1] - far[1]) / (2 * both),
        cross_zy=(same[1] + far[1]) / (2 * both),
        cross_zz=(far[0] - same[0]) / (2 * both),
    )


def turned_back(sums: Any) -> Any:
    """Columns of a model whose ensemble II was turned upside down: m_II -> -m_II, S_II -> S_II^+."""
    found = sums.copy()
    found[..., [1, 10]] *= -1
    found[..., 23:25] = sums[..., 6:8]
    found[..., 6:8] = 0.0
    return found
