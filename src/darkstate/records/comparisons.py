"""Counts of one run against those of another, and against a Ramsey fringe.

    two_sample:  chi^2 = sum (n_ij - N_i N_j/N)^2/(N_i N_j/N) per setting, and its chance under exchange of shots
    fit_ramsey:  p(delta) = offset + contrast m(delta - centre)   ->   delta_err = sqrt[p (1 - p)]/|dp/d delta| per shot

Down: `counts`; up: reports.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from scipy.interpolate import CubicHermiteSpline
from scipy.optimize import minimize
from scipy.special import xlogy
from scipy.stats import chi2 as chi2_law

from darkstate.backend import jax
from darkstate.errors import ArgumentError, InputError
from darkstate.records.count_model import FLOOR
from darkstate.records.counts import check_counts
from darkstate.records.profile import inverse

_FINE = 4001
"""Points between which the curve of a fringe is a cubic."""


@dataclasses.dataclass(frozen=True)
class TwoSample:
    """Whether two runs have the same probabilities, from `two_sample`.

    Args:
        setting: [s]; chi2, dof, p_value: per setting [s]; total_chi2, total_dof, total_p: their sum.
        permutation_p: chance of so large a sum if the shots of each setting were dealt out at random, also right where
            counts are small; draws: number of deals. largest: where both differ most, in words.
    """

    setting: np.ndarray
    chi2: np.ndarray
    dof: np.ndarray
    p_value: np.ndarray
    total_chi2: float
    total_dof: int
    total_p: float
    permutation_p: float
    draws: int
    largest: str

    def __str__(self) -> str:
        return (
            f"chi2 = {self.total_chi2:.1f}, {self.total_dof} degrees of freedom, p = {self.total_p:.2g}; by "
            f"{self.draws} permutations p = {self.permutation_p:.2g}\nlargest difference: {self.largest}"
        )


def two_sample(first: xr.Dataset, second: xr.Dataset, *, draws: int = 9999, seed: int = 0) -> TwoSample:
    """Test whether two count tables come from the same probabilities, setting by setting; 003 Fig. 3a against 3b.

    Args:
        first, second: count tables with the same settings in any order; shots of equal settings are added.
        draws: permutations of the shots of each setting; seed: of their random numbers.

    Raises:
        InputError: the tables have different settings.

    Example:
        >>> from darkstate.records.counts import count_table
        >>> one = count_table([[60, 70, 170], [63, 45, 192]], theta=[0.0, 1.57])
        >>> two = count_table([[62, 23, 215], [59, 68, 173]], theta=[1.57, 0.0])
        >>> print(two_sample(one, two))
        chi2 = 8.5, 4 degrees of freedom, p = 0.075; by 9999 permutations p = 0.08
        largest difference: 1 atom at theta = 1.57: 0.150 against 0.077 (2.8 standard errors)
    """
    name = check_counts(first, "the first table")
    if check_counts(second, "the second table") != name:
        raise InputError([f"the first table has settings {name}, the second has not; compare runs of one kind"])
    (x, a), (y, b) = _added(first, name), _added(second, name)
    if len(x) != len(y) or not np.allclose(x, y, rtol=1e-9, atol=1e-9 * float(np.abs(x).max())):
        raise InputError(
            [f"the two tables have different settings {name} ({len(x)} and {len(y)} values); keep those of both"]
        )
    chi2, dof = _homogeneity(a, b), np.maximum(((a + b) > 0).sum(1) - 1, 0)
    rng = np.random.default_rng(seed)
    dealt = np.zeros(draws)
    for n, m in zip(a, a + b, strict=True):
        drawn = rng.multivariate_hypergeometric(m, int(n.sum()), size=draws)
        dealt += _homogeneity(drawn, m - drawn)
    total, freedom = float(chi2.sum()), int(dof.sum())
    above = int((dealt >= total * (1 - 1e-12)).sum())
    return TwoSample(
        x,
        chi2,
        dof,
        np.where(dof > 0, chi2_law.sf(chi2, np.maximum(dof, 1)), 1.0),
        total,
        freedom,
        float(chi2_law.sf(total, freedom)) if freedom else 1.0,
        (1 + above) / (1 + draws),
        draws,
        _largest(name, x, a, b),
    )


@dataclasses.dataclass(frozen=True)
class RamseyFit:
    """A Ramsey fringe through counts, from `fit_ramsey`.

    Args:
        offset, contrast, centre_hz: with standard errors; the centre is that of the line, in the detunings of the
            table, and its error nan if it ends where the search ends. covariance: of the three [3 3].
        chi2, dof, p_value: of the fit.
        sensitivity: smallest standard error of the detuning over the fringe [Hz sqrt(shot)], with its error; best_hz:
            where; field_sensitivity: the same of the field [T sqrt(shot)], or None.
    """

    offset: float
    contrast: float
    centre_hz: float
    offset_err: float
    contrast_err: float
    centre_err: float
    covariance: np.ndarray
    chi2: float
    dof: int
    p_value: float
    sensitivity: float
    sensitivity_err: float
    best_hz: float
    field_sensitivity: float | None = None

    @property
    def accepted(self) -> bool:
        """Whether chance alone exceeds chi2 in more than 5 % of the experiments."""
        return self.p_value > 0.05

    def __str__(self) -> str:
        field = "" if self.field_sensitivity is None else f" = {self.field_sensitivity:.3g} T sqrt(shot)"
        error = f"+- {self.centre_err:.2g} Hz" if np.isfinite(self.centre_err) else "Hz, where the search ends"
        return (
            f"offset {self.offset:.3f} +- {self.offset_err:.3f}, contrast {self.contrast:.3f} +- "
            f"{self.contrast_err:.3f}, centre {self.centre_hz:.4g} {error}; chi2 = {self.chi2:.1f}, {self.dof} degrees "
            f"of freedom, p = {self.p_value:.2g}: {'accepted' if self.accepted else 'rejected'}\n"
            f"best sensitivity {self.sensitivity:.4g} +- {self.sensitivity_err:.2g} Hz sqrt(shot){field} at "
            f"{self.best_hz:.4g} Hz"
        )


def fit_ramsey(
    data: xr.Dataset, model: Callable[[Any], Any], *, atoms: int = 1, hz_per_tesla: float | None = None
) -> RamseyFit:
    """Offset, contrast and centre of a fringe by maximum likelihood, chi-squared, and the sensitivity it promises.

    The centre is searched up to a quarter of a fringe from 0: half a fringe away the same has the other contrast. The
    probabilities at the ends of the fringe are kept in 0 to 1. Source: 003 Fig. 4, "a fitted offset and fringe
    contrast; a chi^2-test accept the model"; the centre is an addition.

    Args:
        data: count table with detuning_hz; model: curve m(delta [Hz]) of one number, a JAX function.
        atoms: counted number, 0, 1 or 2; hz_per_tesla: shift of the line, to state a field.

    Raises:
        InputError: other settings, or fewer than 4 different detunings; ArgumentError: a flat or undefined curve.

    Example:
        >>> from darkstate.backend import jnp
        >>> from darkstate.records.counts import count_table
        >>> delta = np.linspace(-50e3, 50e3, 21)
        >>> n = np.round(300 * (0.1 + 0.3 * np.cos(2 * np.pi * (delta - 4e3) * 5e-6) ** 2)).astype(int)
        >>> data = count_table(np.stack([300 - n, n, 0 * n], 1), detuning_hz=delta)
        >>> fit = fit_ramsey(data, lambda x: jnp.cos(2 * jnp.pi * x * 5e-6) ** 2)
        >>> print(f"{fit.offset:.2f} {fit.contrast:.2f} {fit.centre_hz / 1e3:.1f} kHz {fit.accepted}")
        0.10 0.30 3.9 kHz True
    """
    if check_counts(data) != "detuning_hz":
        raise InputError(["a Ramsey fit needs settings detuning_hz; read a table with the column detuning_khz"])
    if atoms not in (0, 1, 2):
        raise ArgumentError(f"Argument `atoms` must be 0, 1 or 2, but is {atoms!r}.")
    delta, counts = np.asarray(data.detuning_hz.values, float), data.counts.values
    n, total = counts[:, atoms].astype(float), counts.sum(1).astype(float)
    if np.unique(delta).size < 4:
        raise InputError([f"a Ramsey fit needs at least 4 different detunings, but there are {np.unique(delta).size}"])
    fringe = _Fringe.of(model, delta)
    found = fringe.fit(n, total, delta)
    p = np.clip(fringe.p(found, delta), FLOOR, 1 - FLOOR)
    chi2, dof = float(((n - total * p) ** 2 / (total * p * (1 - p))).sum()), len(n) - 3
    # where a fringe touches 0 or 1 no count is seen, which tells p to 1/N and not exactly
    seen = np.clip(p, 0.5 / total, 1 - 0.5 / total)
    columns = fringe.columns(found, delta)
    covariance = inverse(((columns * (total / (seen * (1 - seen)))) @ columns.T)[None])[0]
    errors = np.sqrt(np.diag(covariance))
    over = np.linspace(delta.min(), delta.max(), 2001)
    value, where = fringe.best(found, over)
    # the best of the fringe moves with its centre, which does not change what it is worth
    change = np.array([(fringe.best(found + step, over)[0] - value) for step in np.diag(errors * 1e-3)[:2]])
    change = change / (1e-3 * errors[:2])
    known = np.isfinite(change).all()
    return RamseyFit(
        float(found[0]),
        float(found[1]),
        float(found[2]),
        float(errors[0]),
        float(errors[1]),
        float(errors[2]) if abs(found[2]) < fringe.reach else float("nan"),
        covariance,
        chi2,
        dof,
        float(chi2_law.sf(chi2, dof)),
        value,
        float(np.sqrt(change @ covariance[:2, :2] @ change)) if known else float("inf"),
        where,
        None if hz_per_tesla is None else value / abs(hz_per_tesla),
    )


@dataclasses.dataclass(frozen=True)
class _Fringe:
    """Curve of a fringe, its lowest and highest value, and how far from 0 its centre is searched [Hz]."""

    curve: CubicHermiteSpline
    slope: Any
    low: float
    high: float
    reach: float

    @classmethod
    def of(cls, model: Callable[[Any], Any], delta: np.ndarray) -> _Fringe:
        def values(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            m, slope = (np.asarray(jax.vmap(f)(x), float) for f in (model, jax.grad(model)))
            if not (np.isfinite([m, slope]).all() and np.ptp(m) > 1e-9):
                raise ArgumentError(
                    "Argument `model` must be finite and change over the detunings; check its dark time."
                )
            return m, slope

        x = np.linspace(delta.min(), delta.max(), _FINE)
        m, slope = values(x)
        apart = np.abs(x[1:][slope[1:] * slope[:-1] <= 0] - x[np.argmax(m)])  # of the turning points
        away = apart[apart > 0.005 * np.ptp(x)]  # not the highest point itself
        end = np.abs(x[[0, -1]] - x[np.argmax(m)]).max()
        reach = float(away.min(initial=end)) / 2
        x = np.linspace(x[0] - reach, x[-1] + reach, _FINE)
        m, slope = values(x)
        curve = CubicHermiteSpline(x, m, slope)
        return cls(curve, curve.derivative(), float(m.min()), float(m.max()), reach)

    def p(self, found: np.ndarray, delta: np.ndarray) -> np.ndarray:
        """Probabilities with (offset, contrast, centre)."""
        return found[0] + found[1] * self.curve(delta - found[2])

    def columns(self, found: np.ndarray, delta: np.ndarray) -> np.ndarray:
        """Derivatives of the probabilities by offset, contrast and centre [3 s]."""
        m = self.curve(delta - found[2])
        return np.stack([np.ones_like(m), m, -found[1] * self.slope(delta - found[2])])

    def fit(self, n: np.ndarray, total: np.ndarray, delta: np.ndarray) -> np.ndarray:
        """Most likely offset, contrast and centre; probabilities at both ends of the fringe are kept in 0 to 1."""
        width = self.high - self.low

        def turned(ends: np.ndarray) -> np.ndarray:
            contrast = (ends[1] - ends[0]) / width
            return np.array([ends[0] - contrast * self.low, contrast, ends[2] * self.reach])

        by_ends = np.array([[1 + self.low / width, -1 / width], [-self.low / width, 1 / width]])

        def loss(ends: np.ndarray) -> tuple[float, np.ndarray]:
            found = turned(ends)
            p = np.clip(self.p(found, delta), FLOOR, 1 - FLOOR)
            value = -(xlogy(n, p) + xlogy(total - n, 1 - p)).sum() / total.sum()
            columns = self.columns(found, delta)
            rows = np.concatenate([by_ends @ columns[:2], columns[2:] * self.reach])
            return float(value), -rows @ ((n / p - (total - n) / (1 - p)) / total.sum())

        bounds, options = [(0.0, 1.0), (0.0, 1.0), (-1.0, 1.0)], {"ftol": 1e-15, "gtol": 1e-9}
        tried = []
        for centre in (0.0, -0.5, 0.5):
            share = (self.curve(delta - centre * self.reach) - self.low) / width
            ends = np.linalg.lstsq(np.stack([1 - share, share], 1), n / total, rcond=None)[0]
            start = [*np.clip(ends, 0.01, 0.99), centre]
            tried.append(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options))
        return turned(min(tried, key=lambda found: found.fun).x)

    def best(self, found: np.ndarray, over: np.ndarray) -> tuple[float, float]:
        """Smallest error of the detuning of one shot, and where."""
        q, s = np.clip(self.p(found, over), 0, 1), np.abs(found[1] * self.slope(over - found[2]))
        # where a fringe of full contrast touches 0 or 1 both vanish; the limit is approached beside it
        error = np.where((s > 0) & (q > 1e-9) & (q < 1 - 1e-9), np.sqrt(q * (1 - q)) / np.maximum(s, 1e-300), np.inf)
        return float(error.min()), float(over[np.argmin(error)])


def _added(data: xr.Dataset, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Settings in rising order [s] and counts [s 3], those of equal settings added."""
    x, where = np.unique(np.asarray(data[name].values, float), return_inverse=True)
    counts = np.zeros((len(x), 3), int)
    np.add.at(counts, where, data.counts.values)
    return x, counts


def _homogeneity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Chi-squared of two rows of counts [... 3] -> [...]; numbers of atoms that neither has do not count."""
    both, shots = a + b, a.sum(-1, keepdims=True) / (a + b).sum(-1, keepdims=True)
    apart = np.where(both > 0, (a - shots * both) ** 2 / np.maximum(both, 1), 0.0)
    return apart.sum(-1) / (shots * (1 - shots))[..., 0]


def _largest(name: str, x: np.ndarray, a: np.ndarray, b: np.ndarray) -> str:
    p, q = a / a.sum(1, keepdims=True), b / b.sum(1, keepdims=True)
    mean = (a + b) / (a + b).sum(1, keepdims=True)
    error = np.sqrt(mean * (1 - mean) * (1 / a.sum(1) + 1 / b.sum(1))[:, None])
    size = np.where(error > 0, np.abs(p - q) / np.maximum(error, 1e-300), 0.0)
    k, n = np.unravel_index(np.argmax(size), size.shape)
    atoms = "1 atom" if n == 1 else f"{n} atoms"
    return f"{atoms} at {name} = {x[k]:.6g}: {p[k, n]:.3f} against {q[k, n]:.3f} ({size[k, n]:.1f} standard errors)"
