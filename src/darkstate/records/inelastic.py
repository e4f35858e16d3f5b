"""Can some table of inelastic losses make the unentangled model agree with the counts? All tables at once.

    least over table in [0, 1]^n, nuisances of  G = 2 sum n log[n/(N p)] + sum ((nuisance - calibration)/sigma)^2

At given nuisances p is linear in the table, so that G is convex and every minimum global; gap, which needs the slopes
at one table only, bounds what any other could gain. In table and nuisances together G is not convex: the
data are searched from several nuisances, the draws of the bootstrap from their calibrations.
Down: `linear_table`, `count_model`; up: reports.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy.stats import chi2 as chi2_law

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.records.count_model import CountModel
from darkstate.records.fidelity import settings_of
from darkstate.records.linear_table import GAP, LinearTable
from darkstate.records.profile import UNENTANGLED

Probabilities = Callable[[Any, Any, Any, Any], Any]

AGREES = 0.01
"""A model agrees with the counts if chance alone makes a worse fit more often than this."""

_ROUNDS, _GAIN, _SHORTEST = 40, 1e-6, 1e-3
"""Newton steps of the nuisances at most, the gain in G that ends them, and the shortest share of one that is tried."""

_PIECE = 50
"""Data sets differentiated together, so that one program serves all numbers of them."""


@dataclasses.dataclass(frozen=True)
class TableFit:
    """The best table of inelastic losses at one fidelity, from `exclude_unentangled`.

    Args:
        fidelity: held; table: of the largest likelihood, entries that no count depends on are 1/2; nuisances: with it,
            by name.
        g: likelihood ratio against free probabilities, -2 log; chi2: Pearson's; both with squared pulls.
        gap: how much the log-likelihood could still rise over all tables at these nuisances; kkt: largest change of an
            entry by a step down the slope per shot, cut to 0 to 1.
        p_value: of g, by parametric bootstrap from the best table and nuisances, refitted; most: upper limit of p,
            chi-squared law of g with no degree of freedom taken off, a calibration counted as one.
    """

    fidelity: float
    table: np.ndarray
    nuisances: dict[str, float]
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
            unentangled, with the losses and nuisances that fit best, by bootstrap.
        fitted: names of the calibrations that each hypothesis fits, with value and sigma; held: of those it holds.
    """

    entangled: TableFit
    unentangled: TableFit
    ratio: float
    ratio_p: float
    draws: int
    fitted: dict[str, tuple[float, float]]
    held: tuple[str, ...]

    @property
    def excluded(self) -> bool:
        """Whether F = 1/2 is rejected whatever the losses, and F = 1 agrees with some of them."""
        return self.ratio_p < AGREES <= self.entangled.p_value

    @property
    def verdict(self) -> str:
        """The claim of 003, or why it does not hold, and what was held."""
        if self.excluded:
            text = (
                f"with no inelastic losses does the unentangled model explain the counts as well as the entangled one "
                f"(p = {self.ratio_p:.2g}; by itself p = {self.unentangled.p_value:.2g}), which agrees with some "
                f"(p = {self.entangled.p_value:.2g})"
            )
        elif self.entangled.p_value < AGREES:
            text = f"no claim: no inelastic losses make the entangled model agree (p = {self.entangled.p_value:.2g})"
        else:
            text = f"not excluded: with some inelastic losses the unentangled model may hold (p = {self.ratio_p:.2g})"
        fitted = f"{', '.join(self.fitted)} fitted for each" if self.fitted else "no calibration fitted"
        return f"{text}; {fitted}, held: {', '.join(self.held) or 'all other numbers of the model'}"

    def __str__(self) -> str:
        lines = [f"{'fidelity':10}{'G':>8}{'chi2':>8}{'p':>9}{'p at most':>11}{'gap':>9}{'KKT':>9}"]
        for fit in (self.entangled, self.unentangled):
            lines.append(
                f"{fit.fidelity:<10g}{fit.g:8.1f}{fit.chi2:8.1f}{fit.p_value:9.2g}{fit.most:11.2g}{fit.gap:9.1g}"
                f"{fit.kkt:9.1g}"
            )
        for name, (value, sigma) in self.fitted.items():
            one, half = self.entangled.nuisances[name], self.unentangled.nuisances[name]
            lines.append(f"{name} = {value:.4g} +- {sigma:.2g}: {one:.4g} at F = 1, {half:.4g} at F = {UNENTANGLED:g}")
        return "\n".join([*lines, f"p by bootstrap, {self.draws} draws", self.verdict])


def exclude_unentangled(
    data: xr.Dataset,
    probabilities: Probabilities,
    model: CountModel,
    *,
    shape: tuple[int, ...] = (7, 5),
    draws: int = 199,
    seed: int = 0,
) -> Exclusion:
    """Search every table of inelastic losses for one with which F = 1/2, or F = 1, explains the counts.

    Each hypothesis fits its own table and its own calibrations, within their errors; what the model takes as exact is
    held. Source: 003, which states that inelastic rates can be chosen so that all curves agree with the entangled
    model, and that none agree with the unentangled one.

    Args:
        data: count table of one run; probabilities: of setting [s], fidelity, nuisances [k] and table [shape], a JAX
            function to [s 3], linear in the table; model: gives names, values, errors and ranges of the nuisances.
        shape: of the table, m of F = 3 by m of F = 2; draws: of the bootstrap, counts and calibrations, at least 199,
            so that 1 % can be told; seed: of its random numbers.

    Raises:
        InputError: settings the model does not take. ArgumentError: probabilities that are not linear in the table, or
            leave [0, 1] with some table.

    Example:
        >>> from darkstate.records.counts import count_table
        >>> def by_table(theta, fidelity, nuisances, table):  # one rate moves counts from 1 atom to 0
        ...     two = 0.6 + 0.2 * fidelity * jnp.sin(theta) ** 2
        ...     return jnp.stack([(1 - two) * table[0], (1 - two) * (1 - table[0]), two], -1)
        >>> model = CountModel(lambda theta, fidelity, nuisances: by_table(theta, fidelity, nuisances, [0.5]))
        >>> data = count_table([[60, 60, 180], [30, 33, 237], [61, 59, 180]], theta=[0.0, 1.57, 3.14])
        >>> found = exclude_unentangled(data, by_table, model, shape=(1,))
        >>> print(f"{found.excluded}, {found.entangled.table.round(2)}, ratio {found.ratio:.1f}, p {found.ratio_p:.3f}")
        True, [0.5], ratio 12.2, p 0.005
    """
    setting, counts = settings_of(data, model)
    if draws < 199:
        raise ArgumentError(f"Argument `draws` must be at least 199 to tell {AGREES:g}, but is {draws}.")
    half, one = (_Search.of(setting, probabilities, model, f, shape) for f in (UNENTANGLED, 1.0))
    data_sets, rng = (counts[None], np.asarray(model.values, float)[None]), np.random.default_rng(seed)
    worse, better = half.best(*data_sets, every=True), one.best(*data_sets, every=True)
    if_half, if_one = half.draw(counts, worse, draws, rng), one.draw(counts, better, draws, rng)
    drawn, ratio = half.best(*if_half).g, float((worse.g - better.g)[0])
    known = dict(zip(model.names, zip(model.values, model.sigmas, strict=True), strict=True))
    return Exclusion(
        one.report(counts, better, _chance(one.best(*if_one).g, better.g[0]), shape),
        half.report(counts, worse, _chance(drawn, worse.g[0]), shape),
        ratio,
        _chance(drawn - one.best(*if_half).g, ratio),
        draws,
        {name: pair for name, pair in known.items() if pair[1] > 0},
        tuple(dict.fromkeys([*model.exact, *(name for name, pair in known.items() if pair[1] == 0)])),
    )


def _chance(drawn: np.ndarray, found: float) -> float:
    """Share of draws at least as large, the data counted among them; no difference is smaller than the gap."""
    return float((1 + (drawn >= found - 2 * GAP).sum()) / (1 + len(drawn)))


class _Fit(NamedTuple):
    """Fits of d data sets: G [d], nuisances [d k], tables [d t], Newton step [d k] and the gain it promises [d]."""

    g: np.ndarray
    nuisances: np.ndarray
    table: np.ndarray
    move: np.ndarray
    promised: np.ndarray


@dataclasses.dataclass(frozen=True)
class _Search:
    """The best tables and nuisances at one fidelity; nuisances with sigma = 0 are held."""

    fidelity: float
    model: CountModel
    line: Callable[[Any], Any]
    drift: Callable[[Any, Any], Any]

    @classmethod
    def of(cls, setting: Any, by_table: Probabilities, model: CountModel, f: float, shape: tuple[int, ...]) -> _Search:
        size, x = int(np.prod(shape)), jnp.asarray(setting, float)

        @jax.jit
        def at(nuisances: Any, table: Any) -> Any:
            return by_table(x, f, nuisances, table.reshape(shape)).ravel()

        def line(nuisances: Any) -> Any:
            def each(value: Any) -> Any:  # three rows of a single setting backwards cost less than a table forwards
                return jax.jacrev(lambda table: by_table(value[None], f, nuisances, table)[0])(jnp.full(shape, 0.5))

            return at(nuisances, jnp.zeros(size)), jax.vmap(each)(x).reshape(-1, size)

        found = cls(f, model, jax.jit(jax.vmap(line)), jax.jit(jax.vmap(jax.jacfwd(at))))
        test = np.random.default_rng(0).random(size)
        for nuisances in found.starts(np.asarray(model.values, float)[None]):
            linear = found.linear(nuisances)
            if not np.allclose(at(nuisances[0], test), linear.none[0] + linear.slopes[0] @ test, rtol=0, atol=1e-9):
                raise ArgumentError(
                    "Argument `probabilities` must be linear in the table; use probabilities of loss, not rates."
                )
            least = (linear.none + np.minimum(linear.slopes, 0).sum(2)).min()
            most = (linear.none + np.maximum(linear.slopes, 0).sum(2)).max()
            if least < -1e-9 or most > 1 + 1e-9:
                raise ArgumentError(
                    f"Argument `probabilities` leaves [0, 1] with some table ({least:.3g} to {most:.3g}); its "
                    "entries must be probabilities."
                )
        return found

    @property
    def sigmas(self) -> tuple[np.ndarray, np.ndarray]:
        """Standard errors, 0 for those that are free or held [k], and their inverse, 0 for the same [k]."""
        sigma = np.asarray(self.model.sigmas, float)
        known = (sigma > 0) & np.isfinite(sigma)
        return np.where(known, sigma, 0.0), np.where(known, 1 / np.where(known, sigma, 1.0), 0.0)

    @property
    def ends(self) -> np.ndarray:
        return np.reshape(self.model.bounds, (-1, 2)).T.astype(float)

    def starts(self, centre: np.ndarray) -> np.ndarray:
        """Nuisances to search from: as calibrated, and each two errors, if free a quarter of its range, off [n d k]."""
        low, high = self.ends
        sigma = np.asarray(self.model.sigmas, float)
        wide = np.where(np.isfinite(high - low), (high - low) / 4, np.abs(self.model.values))
        away = np.diag(np.where(np.isinf(sigma), wide, 2 * sigma))[sigma > 0]
        steps = np.concatenate([np.zeros((1, sigma.size)), away, -away])
        return np.clip(centre + steps[:, None], low, high)

    def linear(self, nuisances: np.ndarray) -> LinearTable:
        return LinearTable(*_in_pieces(self.line, nuisances))

    def point(self, counts: np.ndarray, centre: np.ndarray, nuisances: np.ndarray) -> _Fit:
        """The best tables at given nuisances, and the Newton step of these on what is the least G over all tables."""
        linear = self.linear(nuisances)
        table, stiff = linear.fit(counts)
        weight = self.sigmas[1]
        g = linear.g(counts, table) + (((nuisances - centre) * weight) ** 2).sum(1)
        (drift,) = _in_pieces(lambda *x: (self.drift(*x),), nuisances, table)
        low, high = self.ends
        slope = weight**2 * (nuisances - centre) - np.einsum(
            "dc,dck->dk", (counts / linear.p(table)).reshape(len(table), -1), drift
        )
        curvature = linear.curvature(counts, table, stiff, drift) + np.diag(weight**2)
        stopped = ((nuisances <= low) & (slope > 0)) | ((nuisances >= high) & (slope < 0))
        free = (np.asarray(self.model.sigmas) > 0) & ~stopped
        diagonal = np.einsum("dkk->dk", curvature)
        fixed = ~free | (diagonal <= 1e-9)
        curvature = np.where(fixed[:, :, None] | fixed[:, None], 0.0, curvature)
        curvature = curvature + np.where(fixed, 1.0, 1e-9 * diagonal)[:, :, None] * np.eye(len(weight))
        move = np.linalg.solve(curvature, np.where(fixed, 0.0, -slope)[:, :, None])[:, :, 0]
        move = np.clip(nuisances + move, low, high) - nuisances
        return _Fit(g, nuisances, table, move, -(move * slope).sum(1))

    def newton(self, counts: np.ndarray, centre: np.ndarray, fit: _Fit) -> _Fit:
        """Damped Newton steps of the nuisances, tables fitted anew after each."""
        best, length = _Fit(*(a.copy() for a in fit)), np.ones(len(counts))
        for _ in range(_ROUNDS):
            todo = np.flatnonzero((best.promised > _GAIN) & (length > _SHORTEST))
            if not todo.size:
                break
            next_to = best.nuisances[todo] + length[todo, None] * best.move[todo]
            tried = self.point(counts[todo], centre[todo], next_to)
            gain = best.g[todo] - tried.g
            length[todo] = np.where(gain > 0, np.minimum(1.0, 4 * length[todo]), length[todo] / 4)
            for old, new in zip(best, tried, strict=True):
                old[todo[gain > 0]] = new[gain > 0]
        return best

    def best(self, counts: np.ndarray, centre: np.ndarray, *, every: bool = False) -> _Fit:
        """The least G of each data set, searched from its calibrations, or from every start."""
        starts = self.starts(centre)
        found = [self.newton(counts, centre, self.point(counts, centre, x)) for x in (starts if every else starts[:1])]
        chosen = np.argmin([fit.g for fit in found], 0), np.arange(len(counts))
        return _Fit(*(np.stack(parts)[chosen] for parts in zip(*found, strict=True)))

    def draw(
        self, counts: np.ndarray, fit: _Fit, draws: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """As many shots as counted dealt out again [draws s 3], and the calibrations measured again [draws k]."""
        p = self.linear(fit.nuisances).p(fit.table)[0]
        dealt = rng.multinomial(counts.sum(1).astype(int), p / p.sum(1, keepdims=True), size=(draws, len(p)))
        return dealt.astype(float), fit.nuisances + self.sigmas[0] * rng.standard_normal(
            (draws, fit.nuisances.shape[1])
        )

    def report(self, counts: np.ndarray, fit: _Fit, p_value: float, shape: tuple[int, ...]) -> TableFit:
        """The fit of the data themselves."""
        linear, table, n = self.linear(fit.nuisances), fit.table, counts[None]
        expected = counts.sum(1, keepdims=True) * linear.p(table)[0]
        slope, pulls = linear.slope(n, table) / counts.sum(), float((fit.g - linear.g(n, table))[0])
        return TableFit(
            self.fidelity,
            table.reshape(shape),
            dict(zip(self.model.names, fit.nuisances[0].tolist(), strict=True)),
            float(fit.g[0]),
            float(((counts - expected) ** 2 / expected).sum()) + pulls,
            float(linear.gap(n, table)[0]),
            float(np.abs(table - np.clip(table - slope, 0, 1)).max(initial=0.0)),
            p_value,
            float(chi2_law.sf(fit.g[0], 2 * len(counts) + int((self.sigmas[1] > 0).sum()))),
        )


def _in_pieces(function: Callable[..., Any], *arrays: np.ndarray) -> list[np.ndarray]:
    """Function of arrays [d ...], called with pieces of one length each."""
    count = len(arrays[0])
    found = []
    for start in range(0, count, _PIECE):
        chosen = np.minimum(np.arange(start, start + _PIECE), count - 1)
        found.append(function(*(a[chosen] for a in arrays)))
    return [np.concatenate(parts)[:count] for parts in zip(*found, strict=True)]
