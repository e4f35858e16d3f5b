"""Can some table of inelastic losses make the unentangled model agree with the counts? All tables at once.

    max over table in [0, 1]^n of sum counts log p(table);   log L(best anywhere) - log L(table) <= gap

p is linear in the table, so that log L is concave and every maximum is global; gap, which needs the slopes at one table
only, bounds what any other could gain. Down: `counts`; up: reports.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import xlogy
from scipy.stats import chi2 as chi2_law

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.records.counts import check_counts
from darkstate.records.profile import UNENTANGLED

Probabilities = Callable[[Any, Any, Any], Any]

AGREES = 0.01
"""A model agrees with the counts if chance alone makes a worse fit more often than this."""

_FLOOR = 1e-12
_GAP = 1e-3
_STEPS = 100


@dataclasses.dataclass(frozen=True)
class TableFit:
    """The best table of inelastic losses at one fidelity, from `exclude_unentangled`.

    Args:
        fidelity: held; table: of the largest likelihood, entries that no count depends on are 1/2.
        g: likelihood ratio against free probabilities, -2 log; chi2: Pearson's.
        gap: how much the log-likelihood could still rise over all tables; kkt: largest change of an entry by a
            step down the slope per shot, cut to 0 to 1.
        p_value: of g, by parametric bootstrap from the best table, refitted; most: upper limit of p for every table,
            chi-squared law of g with no degree of freedom taken off.
    """

    fidelity: float
    table: np.ndarray
    g: float
    chi2: float
    gap: float
    kkt: float
    p_value: float
    most: float


@dataclasses.dataclass(frozen=True)
class Exclusion:
    """What no table of inelastic losses can do, from `exclude_unentangled`; print it.

    Args:
        entangled, unentangled: best fits at F = 1 and 1/2; draws: of the bootstrap.
        ratio: g of the unentangled less that of the entangled fit; ratio_p: chance of so large a ratio if the pair is
            unentangled, with the losses that fit best, by bootstrap.
    """

    entangled: TableFit
    unentangled: TableFit
    ratio: float
    ratio_p: float
    draws: int

    @property
    def excluded(self) -> bool:
        """Whether F = 1/2 is rejected whatever the losses, and F = 1 agrees with some of them."""
        return self.ratio_p < AGREES <= self.entangled.p_value

    @property
    def verdict(self) -> str:
        """The claim of 003, or why it does not hold."""
        if self.excluded:
            return (
                f"no inelastic losses make the unentangled model agree (p = {self.ratio_p:.2g} against the entangled "
                f"one); some make the entangled one agree (p = {self.entangled.p_value:.2g})"
            )
        if self.entangled.p_value < AGREES:
            return f"no claim: no inelastic losses make the entangled model agree (p = {self.entangled.p_value:.2g})"
        return f"not excluded: with some inelastic losses the unentangled model may hold (p = {self.ratio_p:.2g})"

    def __str__(self) -> str:
        lines = [f"{'fidelity':10}{'G':>8}{'chi2':>8}{'p':>9}{'p at most':>11}{'gap':>9}{'KKT':>9}"]
        for fit in (self.entangled, self.unentangled):
            lines.append(
                f"{fit.fidelity:<10g}{fit.g:8.1f}{fit.chi2:8.1f}{fit.p_value:9.2g}{fit.most:11.2g}{fit.gap:9.1g}"
                f"{fit.kkt:9.1g}"
            )
        return "\n".join([*lines, f"p by bootstrap, {self.draws} draws", self.verdict])


def exclude_unentangled(
    data: xr.Dataset,
    probabilities: Probabilities,
    *,
    shape: tuple[int, ...] = (7, 5),
    draws: int = 499,
    seed: int = 0,
) -> Exclusion:
    """Search every table of inelastic losses for one with which F = 1/2, or F = 1, explains the counts.

    Calibrations are held; repeat with others where they are uncertain. Source: 003, which states that inelastic rates
    can be chosen so that all curves agree with the entangled model, and that none agree with the unentangled one.

    Args:
        data: count table of one run; probabilities: of setting [s], fidelity and table [shape], a JAX function to
            [s 3], linear in the table; shape: of the table, m of F = 3 by m of F = 2.
        draws: of the bootstrap, at least 199, so that 1 % can be told; seed: of its random numbers.

    Raises:
        ArgumentError: probabilities that are not linear in the table, or leave [0, 1] with some table.

    Example:
        >>> from darkstate.records.counts import count_table
        >>> def model(theta, fidelity, table):  # one rate moves counts from 1 atom to 0
        ...     two = 0.6 + 0.2 * fidelity * jnp.sin(theta) ** 2
        ...     return jnp.stack([(1 - two) * table[0], (1 - two) * (1 - table[0]), two], -1)
        >>> data = count_table([[60, 60, 180], [30, 33, 237], [61, 59, 180]], theta=[0.0, 1.57, 3.14])
        >>> found = exclude_unentangled(data, model, shape=(1,), draws=199)
        >>> print(f"{found.excluded}, {found.entangled.table.round(2)}, ratio {found.ratio:.1f}, p {found.ratio_p:.3f}")
        True, [0.5], ratio 12.2, p 0.005
    """
    name = check_counts(data)
    setting, counts = jnp.asarray(data[name].values, float), data.counts.values.astype(float)
    if draws < 199:
        raise ArgumentError(f"Argument `draws` must be at least 199 to tell {AGREES:g}, but is {draws}.")
    half, one = (_Linear.of(setting, probabilities, f, shape) for f in (UNENTANGLED, 1.0))
    worse, better = half.fit(counts[None])[0], one.fit(counts[None])[0]
    rng = np.random.default_rng(seed)
    if_half, if_one = half.draw(counts, worse, draws, rng), one.draw(counts, better, draws, rng)
    g_half, g_one = half.g(counts[None], worse[None])[0], one.g(counts[None], better[None])[0]
    drawn = half.g(if_half, half.fit(if_half))
    ratios = drawn - one.g(if_half, one.fit(if_half))
    return Exclusion(
        one.report(1.0, counts, better, _chance(one.g(if_one, one.fit(if_one)), g_one), shape),
        half.report(UNENTANGLED, counts, worse, _chance(drawn, g_half), shape),
        float(g_half - g_one),
        _chance(ratios, g_half - g_one),
        draws,
    )


def _chance(drawn: np.ndarray, found: float) -> float:
    """Share of draws at least as large, the data counted among them; no difference is smaller than the gap."""
    return float((1 + (drawn >= found - 2 * _GAP).sum()) / (1 + len(drawn)))


@dataclasses.dataclass(frozen=True)
class _Linear:
    """p = none + slopes table over the cells [3 s] of a count table, for the entries some cell depends on."""

    none: np.ndarray
    slopes: np.ndarray
    used: np.ndarray

    @classmethod
    def of(cls, setting: Any, probabilities: Probabilities, fidelity: float, shape: tuple[int, ...]) -> _Linear:
        size = int(np.prod(shape))

        @jax.jit
        def at(flat: Any) -> Any:
            return probabilities(setting, fidelity, flat.reshape(shape))

        none = np.asarray(at(jnp.zeros(size)), float).ravel()
        slopes = np.asarray(jax.jacfwd(at)(jnp.full(size, 0.5)), float).reshape(none.size, size)
        test = np.random.default_rng(0).random(size)
        if not np.allclose(np.ravel(at(jnp.asarray(test))), none + slopes @ test, rtol=0, atol=1e-9):
            raise ArgumentError(
                "Argument `probabilities` must be linear in the table; use probabilities of loss, not rates."
            )
        least, most = none + np.minimum(slopes, 0).sum(1), none + np.maximum(slopes, 0).sum(1)
        if (least < -1e-9).any() or (most > 1 + 1e-9).any():
            raise ArgumentError(
                f"Argument `probabilities` leaves [0, 1] with some table ({least.min():.3g} to {most.max():.3g}); its "
                "entries must be probabilities."
            )
        used = np.abs(slopes).max(0) > 1e-12
        return cls(none, slopes[:, used], used)

    def p(self, table: np.ndarray) -> np.ndarray:
        """Probabilities [d s 3] for tables [d k]."""
        return np.maximum(self.none + table @ self.slopes.T, _FLOOR).reshape(len(table), -1, 3)

    def draw(self, counts: np.ndarray, table: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
        """As many shots as counted, dealt out again [draws s 3]."""
        p = self.p(table[None])[0]
        shape = (draws, len(p))
        return rng.multinomial(counts.sum(1).astype(int), p / p.sum(1, keepdims=True), size=shape).astype(float)

    def g(self, counts: np.ndarray, table: np.ndarray) -> np.ndarray:
        """Likelihood ratios [d] of counts [d s 3]."""
        return 2 * xlogy(counts, counts / (counts.sum(-1, keepdims=True) * self.p(table))).sum((1, 2))

    def slope(self, counts: np.ndarray, table: np.ndarray) -> np.ndarray:
        """Of minus the log-likelihood [d k]."""
        return -(counts / self.p(table)).reshape(len(table), -1) @ self.slopes

    def gap(self, counts: np.ndarray, table: np.ndarray) -> np.ndarray:
        """Rise of the log-likelihood to the best corner along its tangent, which a concave function stays below [d]."""
        slope = self.slope(counts, table)
        return (slope * table - np.minimum(slope, 0)).sum(1)

    def fit(self, counts: np.ndarray) -> np.ndarray:
        """The tables of the largest likelihood [d k], by the primal-dual interior-point method.

        Raises:
            ArgumentError: a gap stays above what is called optimal.
        """
        size = self.slopes.shape[1]
        table = np.full((len(counts), size), 0.5)
        if not size:
            return table
        at_0 = at_1 = np.abs(self.slope(counts, table)) + 1.0  # multipliers of both ends
        for _ in range(_STEPS):
            if (self.gap(counts, table) < _GAP / 10).all():
                break
            left = 1 - table
            barrier = 0.1 * (at_0 * table + at_1 * left).mean(1, keepdims=True) / 2
            root = (np.sqrt(counts) / self.p(table)).reshape(len(counts), -1, 1) * self.slopes
            curvature = np.swapaxes(root, 1, 2) @ root + (at_0 / table + at_1 / left)[:, :, None] * np.eye(size)
            down = barrier / table - barrier / left - self.slope(counts, table)
            move = np.linalg.solve(curvature, down[:, :, None])[:, :, 0]
            change_0 = barrier / table - at_0 - at_0 / table * move
            change_1 = barrier / left - at_1 + at_1 / left * move
            length = _inside(table, move), _inside(left, -move), _inside(at_0, change_0), _inside(at_1, change_1)
            inside, dual = np.minimum(*length[:2]), np.minimum(*length[2:])
            table = table + inside * move
            at_0, at_1 = at_0 + dual * change_0, at_1 + dual * change_1
        gap = self.gap(counts, table).max()
        if not gap < _GAP:
            raise ArgumentError(
                f"Argument `probabilities` lets the search end {gap:.2g} below the largest log-likelihood; scale the "
                "entries of its table to probabilities."
            )
        return table

    def report(
        self, fidelity: float, counts: np.ndarray, best: np.ndarray, p_value: float, shape: tuple[int, ...]
    ) -> TableFit:
        """The fit of the data themselves."""
        table = np.full(self.used.size, 0.5)
        table[self.used] = best
        expected = counts.sum(1, keepdims=True) * self.p(best[None])[0]
        g = float(self.g(counts[None], best[None])[0])
        slope = self.slope(counts[None], best[None])[0] / counts.sum()
        return TableFit(
            fidelity,
            table.reshape(shape),
            g,
            float(((counts - expected) ** 2 / expected).sum()),
            float(self.gap(counts[None], best[None])[0]),
            float(np.abs(best - np.clip(best - slope, 0, 1)).max(initial=0.0)),
            p_value,
            float(chi2_law.sf(g, 2 * len(counts))),
        )


def _inside(values: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Longest step of at most 1 that keeps a hundredth of every positive value [d 1]."""
    ratio = np.where(change < 0, -0.99 * values / np.where(change < 0, change, -1.0), 1.0)
    return np.minimum(ratio.min(1, keepdims=True), 1.0)
