"""Fit: the parameters that explain measured data best, with asymmetric intervals and correlations.

    chi^2(p) minimal  ->  p, HESSE covariance, MINOS: chi^2 = minimum + 1 along each parameter, the others minimised

iminuit with exact gradients. Degenerate parameters are refused, not fitted. Down: `likelihood`, `identify`; up: the
table, figure and files in `report.fit`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammaincc

from darkstate.errors import InputError, Outcome
from darkstate.studies.likelihood import Free, Likelihood

AT_LIMIT = 1e-3
"""Distance from a limit, in standard errors, below which a parameter stands on it."""

TOLERANCE = 1e-3
"""Of MIGRAD: the minimum is found to about a thousandth of the standard errors, so that starts do not show."""

HOPELESS = 1e20
"""chi^2 of parameters whose prediction is no number."""


@dataclass(frozen=True)
class Estimate:
    """One fitted parameter.

    Args:
        free: what was fitted; value: best value; error: standard error from the curvature (HESSE);
        lower, upper: MINOS interval relative to the value, lower negative, None where it could not be found;
        limit: "low" or "high" where the best value stands on a limit, else None.
    """

    free: Free
    value: float
    error: float
    lower: float | None
    upper: float | None
    limit: str | None


@dataclass(frozen=True)
class Minimum:
    """The result of a fit.

    Args:
        likelihood: parameters and data; estimates: one per free parameter; covariance: [k k];
        predicted: points at the best values [n]; chi_squared: there; outcome: of the fit and of the equations solved;
        solved: parameters that slopes determine, at the best values, with their errors; calls: evaluations.
    """

    likelihood: Likelihood
    estimates: tuple[Estimate, ...]
    covariance: np.ndarray
    predicted: np.ndarray
    chi_squared: float
    outcome: Outcome
    solved: dict[str, tuple[float, float]]
    calls: int

    @property
    def vector(self) -> np.ndarray:
        """Best values [k; SI]."""
        return np.array([e.value for e in self.estimates])

    @property
    def correlation(self) -> np.ndarray:
        """Correlations of the parameters [k k]; nan beside a parameter on its limit."""
        sigma = np.sqrt(np.diag(self.covariance))
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.covariance / np.outer(sigma, sigma)

    @property
    def pulls(self) -> np.ndarray:
        """(measured - predicted)/sigma of every point [n]."""
        return (self.likelihood.values - self.predicted) / self.likelihood.errors

    @property
    def degrees(self) -> int:
        """Points minus parameters."""
        return len(self.likelihood.values) - len(self.estimates)

    @property
    def chance(self) -> float:
        """Probability of at least this chi^2 by noise alone, if the equations are right; nan without freedom."""
        return float(gammaincc(self.degrees / 2, self.chi_squared / 2)) if self.degrees else float("nan")


def check_counts(likelihood: Likelihood) -> None:
    """Refuse fewer points than parameters.

    Raises:
        InputError: so.
    """
    points, count = len(likelihood.values), len(likelihood.free)
    if points < count:
        names = ", ".join(f.name for f in likelihood.free)
        raise InputError([f"{points} points cannot determine {count} parameters ({names}); fix some or add data"])


def minimise(likelihood: Likelihood, *, progress: Callable[[float], None] | None = None) -> Minimum:
    """Find the parameters that make chi^2 smallest, with their intervals.

    Args:
        likelihood: parameters and data without exact degeneracies (`identify.degeneracies`).
        progress: told the share of the work done, now and then.

    Returns:
        The `Minimum`; its outcome is not_converged where MIGRAD found no minimum or the start was too far away for the
        time steps.

    Raises:
        InputError: fewer points than parameters, no prediction at the start, or no iminuit.
    """
    try:
        from iminuit import Minuit
    except ImportError:
        raise InputError(['a fit needs iminuit; install it with pip install "darkstate[studies]"']) from None

    check_counts(likelihood)
    tell = progress or (lambda share: None)
    chi = _ChiSquared(likelihood)
    names = [f.name for f in likelihood.free]
    scale = likelihood.scale
    if chi(likelihood.start / scale) >= HOPELESS:
        raise InputError(["the start values give no prediction (not a number); start elsewhere"])
    minuit = Minuit(chi, likelihood.start / scale, grad=chi.gradient, name=names)
    minuit.errordef, minuit.tol = Minuit.LEAST_SQUARES, TOLERANCE
    minuit.limits = [
        (f.low / s if np.isfinite(f.low) else None, f.high / s if np.isfinite(f.high) else None)
        for f, s in zip(likelihood.free, scale, strict=True)
    ]
    minuit.errors = chi.first_steps()
    tell(0.1)
    minuit.migrad()
    if not minuit.valid:
        minuit.strategy = 2
        minuit.migrad()
    tell(0.5)
    minuit.hesse()
    tell(0.6)
    good = bool(minuit.valid)
    intervals = {}
    for n, name in enumerate(names):
        intervals[name] = _interval(minuit, name) if good else (None, None)
        tell(0.6 + 0.4 * (n + 1) / len(names))
    return _minimum(likelihood, minuit, scale, intervals, good, chi.calls)


class _ChiSquared:
    """chi^2 and its gradient by scaled parameters, sharing one evaluation."""

    def __init__(self, likelihood: Likelihood) -> None:
        self.likelihood, self.scale, self.calls = likelihood, likelihood.scale, 0
        self._at: Any = None

    def _evaluate(self, scaled: Any) -> tuple[float, np.ndarray]:
        point = np.array(scaled, float)
        if self._at is None or not np.array_equal(point, self._at[0]):
            self.calls += 1
            values, slopes, _ = self.likelihood.linearised(point * self.scale)
            errors = self.likelihood.errors
            r = (values - self.likelihood.values) / errors
            value, gradient = float(r @ r), 2 * (slopes / errors[:, None]).T @ r * self.scale
            if not (np.isfinite(value) and np.isfinite(gradient).all()):
                value, gradient = HOPELESS, np.zeros(len(point))
            self._at = point, value, gradient
        return self._at[1], self._at[2]

    def __call__(self, scaled: Any) -> float:
        return self._evaluate(scaled)[0]

    def gradient(self, scaled: Any) -> np.ndarray:
        return self._evaluate(scaled)[1]

    def first_steps(self) -> np.ndarray:
        """Standard errors each parameter would have alone at the start, as first steps, none absurdly large."""
        start = self.likelihood.start
        slopes = self.likelihood.linearised(start)[1] / self.likelihood.errors[:, None] * self.scale
        lengths = np.linalg.norm(slopes, axis=0)
        return np.clip(1 / np.where(lengths > 0, lengths, 10.0), 1e-6, 0.3)


def _interval(minuit: Any, name: str) -> tuple[float | None, float | None]:
    """Ends of chi^2 = minimum + 1 relative to the best value; an end on a limit counts as not found."""
    try:
        minuit.minos(name)
    except RuntimeError:
        return None, None
    found = minuit.merrors[name]
    low = float(found.lower) if found.lower_valid and not found.at_lower_limit else None
    high = float(found.upper) if found.upper_valid and not found.at_upper_limit else None
    return low, high


def _minimum(
    likelihood: Likelihood, minuit: Any, scale: np.ndarray, intervals: dict[str, Any], good: bool, calls: int
) -> Minimum:
    vector = np.array(minuit.values) * scale
    covariance = np.full((len(scale), len(scale)), np.nan)
    if minuit.covariance is not None:
        covariance = np.array(minuit.covariance) * np.outer(scale, scale)
    sigma = np.sqrt(np.diag(covariance))
    estimates = []
    for free, value, error, s in zip(likelihood.free, vector, sigma, scale, strict=True):
        low, high = (None if end is None else end * s for end in intervals[free.name])
        limit = next((w for w in ("low", "high") if abs(value - getattr(free, w)) <= AT_LIMIT * error), None)
        estimates.append(Estimate(free, float(value), float(error), low, high, limit))
    predicted, _, outcome = likelihood.linearised(vector)
    if not good or not np.isfinite(covariance).all():
        outcome = max(outcome, Outcome.not_converged)
    return Minimum(
        likelihood=likelihood,
        estimates=tuple(estimates),
        covariance=covariance,
        predicted=predicted,
        chi_squared=float((((likelihood.values - predicted) / likelihood.errors) ** 2).sum()),
        outcome=outcome,
        solved=_solved(likelihood, vector, covariance),
        calls=calls,
    )


def _solved(likelihood: Likelihood, vector: np.ndarray, covariance: np.ndarray) -> dict[str, tuple[float, float]]:
    """Parameters that slopes determine, with the errors the fitted ones leave them."""
    values, slopes = likelihood.linear_solved(vector)
    errors = np.sqrt(np.einsum("ik,kl,il->i", slopes, covariance, slopes))
    return {s.key: (float(v), float(e)) for s, v, e in zip(likelihood.slopes, values, errors, strict=True)}
