"""The fidelity of a pair with chi_1 from counts: estimate, lower bounds that say what they cover, tests of both models.

    likelihood bound: lowest F with deviance(F) <= least + z^2       posterior bound: P(F > bound | counts) = confidence

Deviances are profiled over the calibrations; F is confined to 0 to 1, where it means something. Down: `profile`,
`count_model`, `counts`; up: reports.
"""

from __future__ import annotations

import dataclasses
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy.special import xlogy
from scipy.stats import chi2 as chi2_law
from scipy.stats import norm

from darkstate.errors import ArgumentError, InputError
from darkstate.records.count_model import CountModel
from darkstate.records.counts import check_counts
from darkstate.records.profile import UNENTANGLED, VIEWS, Profiles, information, inverse, profiles
from darkstate.witness.value import SIGNIFICANT

KNOWING_NOTHING = 1 / sqrt(12)
"""Standard deviation of a number of which only 0 to 1 is known; a fidelity is refused from this error on."""

ACCEPTED = 1e-3
"""A model is accepted if its chi-squared is exceeded by chance more often than this."""

_FEW = 5.0
"""Fewest expected counts for which chi-squared follows its law well (Cochran's rule)."""

_CURVE = 41
_EDGE = float(norm.cdf(1))
_CELLS = {"joint": "all", "two_atoms": "n2", "one_atom": "n1", "no_atoms": "n0"}


class Bound(NamedTuple):
    """A lower bound of the fidelity and, in words, which one it is and what it covers."""

    value: float
    label: str


class Agreement(NamedTuple):
    """How well counts agree with a model, calibrations fitted.

    Args:
        model: entangled (F = 1), unentangled (F = 1/2) or best; counts: all, n0, n1 or n2.
        chi2: Pearson's, with pulls; g: the likelihood ratio, with pulls; dof: settings times independent counts, less
            what was fitted freely; p_value: of chi2, whose law sparse counts disturb less than that of g.
        sparse: expected counts below 5; with any of them p is rough.
    """

    model: str
    counts: str
    chi2: float
    g: float
    dof: int
    p_value: float
    sparse: int


class Calibration(NamedTuple):
    """A nuisance before and after the fit; pull = (fitted - value)/sigma, 0 where it is free.

    One that ends at a bound of its range has no error: it is nan.
    """

    name: str
    value: float
    sigma: float
    fitted: float
    error: float
    pull: float
    at_bound: bool = False


@dataclasses.dataclass(frozen=True)
class FidelityFit:
    """The fidelity found in a count table, from `fit_fidelity`; separable states have F <= 1/2.

    Args:
        use: joint or two_atoms; confidence: of both bounds.
        fidelity: most likely F of 0 to 1; error: standard error by the Fisher information; unbounded: F if it were not
            confined, whose mean over experiments is the truth.
        likelihood_bound, posterior_bound: lower bounds; edge: where the deviance is 1 above its least.
        distance: of F = 1/2 from the best fit, root of the rise of the deviance [standard errors]; p_unentangled:
            chance of so large a distance if F = 1/2 (one-sided).
        agreements: of the models with n0, n1, n2 and all; calibrations: fitted nuisances.
        curve_fidelity, curve_chi2: chi-squared of the counts used against F; exact: names of what was taken as exact.
    """

    use: str
    confidence: float
    fidelity: float
    error: float
    unbounded: float
    likelihood_bound: Bound
    posterior_bound: Bound
    edge: Bound
    distance: float
    p_unentangled: float
    agreements: tuple[Agreement, ...]
    calibrations: tuple[Calibration, ...]
    curve_fidelity: np.ndarray
    curve_chi2: np.ndarray
    exact: tuple[str, ...] = ()

    def agreement(self, model: str, counts: str = "") -> Agreement:
        """One line of the table; counts: those that were fitted unless given."""
        counts = counts or _CELLS[self.use]
        found = [a for a in self.agreements if a.model == model and a.counts == counts]
        if not found:
            known = ", ".join(f"{a.model}/{a.counts}" for a in self.agreements)
            raise ArgumentError(f"Arguments `model`, `counts` must be one of {known}, but are {model}/{counts}.")
        return found[0]

    @property
    def entangled(self) -> bool:
        """Whether F = 1/2 is rejected, by two standard errors and at `confidence`, and the best model accepted."""
        needed = max(SIGNIFICANT, float(norm.ppf(self.confidence)))
        return self.distance > needed and self.agreement("best").p_value > ACCEPTED

    @property
    def verdict(self) -> str:
        """One sentence: entangled, or why not."""
        best, needed = self.agreement("best"), max(SIGNIFICANT, float(norm.ppf(self.confidence)))
        if best.p_value <= ACCEPTED:
            return (
                f"not certified: even the best fidelity does not explain the counts (p = {best.p_value:.1g}); check "
                "the calibrations"
            )
        if self.distance <= needed:
            return (
                f"not certified: F is {self.distance:+.1f} standard errors from 1/2, certified is what is above "
                f"{needed:.1f}"
            )
        return f"entangled: F > 1/2 by {self.distance:.1f} standard errors (one-sided p = {self.p_unentangled:.1g})"

    def __str__(self) -> str:
        lines = [f"fidelity     {self.fidelity:.3f} +- {self.error:.3f}   from {_CELLS[self.use]} counts"]
        for name, bound in (
            ("likelihood", self.likelihood_bound),
            ("posterior", self.posterior_bound),
            ("chi2 + 1", self.edge),
        ):
            lines.append(f"{name:12} F > {bound.value:.3f}   {bound.label}")
        lines += ["", f"{'model':14}{'counts':8}{'chi2':>8}{'dof':>5}{'p':>10}"]
        for a in self.agreements:
            note = f"   {a.sparse} expected counts below {_FEW:g}, p is rough" if a.sparse else ""
            lines.append(f"{a.model:14}{a.counts:8}{a.chi2:8.1f}{a.dof:5d}{a.p_value:10.2g}{note}")
        if self.calibrations:
            lines += ["", f"{'calibration':18}{'value':>9}{'sigma':>9}{'fitted':>9}{'error':>9}{'pull':>7}"]
        for c in self.calibrations:
            error = "  at its bound" if c.at_bound else f"{c.error:9.4f}"
            lines.append(f"{c.name:18}{c.value:9.4f}{c.sigma:9.4f}{c.fitted:9.4f}{error}{c.pull:+7.2f}")
        if self.exact:
            lines += ["", f"taken as exact: {', '.join(self.exact)}"]
        return "\n".join([*lines, "", self.verdict])


def fit_fidelity(data: xr.Dataset, model: CountModel, *, use: str = "joint", confidence: float = 0.68) -> FidelityFit:
    """The fidelity from a count table, by maximum likelihood of multinomial counts.

    Lower bounds are one-sided; 003 quotes "above 0.9 with 68 % confidence", which at F = 1 +- 0.09 is the point where
    chi-squared has risen by 1, nominally an 84 % bound: it is given as `edge`.

    Args:
        data: count table of one run; model: probabilities and calibrations.
        use: joint, or two_atoms: 2 atoms against fewer, which inelastic collisions do not disturb.
        confidence: of both bounds, above 0.5 and at most 0.999.

    Returns:
        The fit; print it. Separable states have F <= 1/2.

    Raises:
        InputError: settings the model does not take, several groups, a nuisance whose best value is not found, or a
            fidelity that the counts do not determine: its error is beyond 0.289, that of knowing nothing.

    Example:
        >>> from darkstate.pair.detection import count_probabilities, simulate_counts
        >>> from darkstate.pair.imperfections import Imperfections
        >>> from darkstate.records.count_model import calibrated
        >>> from darkstate.records.counts import count_table
        >>> theta = np.linspace(0, np.pi, 11)
        >>> counts = simulate_counts(count_probabilities(theta, 0.95, Imperfections()), 300, seed=1)
        >>> fit = fit_fidelity(count_table(counts, theta=theta), calibrated(count_probabilities, Imperfections(), {}))
        >>> print(f"{fit.fidelity:.2f} +- {fit.error:.2f}; {fit.verdict}")
        0.83 +- 0.06; entangled: F > 1/2 by 4.6 standard errors (one-sided p = 2e-06)
    """
    if use not in ("joint", "two_atoms"):
        raise ArgumentError(f"Argument `use` must be joint or two_atoms, but is {use!r}.")
    if not 0.5 < confidence <= 0.999:
        raise ArgumentError(f"Argument `confidence` must be above 0.5 and at most 0.999, but is {confidence:g}.")
    setting, counts = settings_of(data, model)
    for f in (0.0, 1.0):
        model.at(setting, f)
    uses = [use, *_CELLS]
    found = profiles(np.stack([counts] * len(uses)), setting, model, use=uses, nodes=_CURVE)
    error = float(found.error[0])
    if not error <= KNOWING_NOTHING:
        raise InputError([_undetermined(found, model, error)])
    for x in (found.best[0], *found.nodes.x[0]):
        model.at(setting, float(x[0]), x[1:])
    if found.residual.max() > 1e-2:
        raise InputError([_not_found(found, model)])
    fits = [_agreement("best", found, 0, uses, counts, setting, model)]
    for k in range(1, len(uses)):
        for name in ("entangled", "unentangled"):
            fits.append(_agreement(name, found, k, uses, counts, setting, model))
    curve = [_pearson(counts, setting, model, x, use)[0] for x in found.nodes.x[0]]
    distance = float(found.distance()[0])
    return FidelityFit(
        use,
        confidence,
        float(found.best[0, 0]),
        error,
        float(found.unbounded[0]),
        Bound(float(found.likelihood_bound(confidence)[0]), bound_label("likelihood", confidence, error)),
        Bound(float(found.posterior_bound(confidence)[0]), bound_label("posterior", confidence, error)),
        Bound(float(found.likelihood_bound(_EDGE)[0]), bound_label("likelihood", _EDGE, error)),
        distance,
        float(norm.sf(distance)),
        tuple(fits),
        _calibrations(found, model),
        found.nodes.fidelity[0],
        np.array(curve),
        model.exact,
    )


def settings_of(data: xr.Dataset, model: CountModel) -> tuple[np.ndarray, np.ndarray]:
    """Settings [s] and counts [s 3] of one run, in the unit of the model.

    Raises:
        InputError: other settings than the model takes, or several groups.
    """
    name = check_counts(data)
    if name != model.setting:
        raise InputError(
            [f"the count table has settings {name}, but the model takes {model.setting}; convert one into the other"]
        )
    groups = sorted(set(data.group.values.tolist())) if "group" in data.coords else []
    if len(groups) > 1:
        raise InputError([f"the count table has the groups {', '.join(groups)}; choose one with group_of"])
    return np.asarray(data[name].values, float), np.asarray(data.counts.values, float)


def expected_error(setting: Any, shots: Any, model: CountModel, *, fidelity: float = 1.0, use: str = "joint") -> float:
    """Standard error that the fidelity will have, by the Fisher information.

    Args:
        setting: [s]; shots: per setting, or [s]; model: with its calibrations; fidelity: supposed; use: as for the fit.

    Example:
        >>> from darkstate.pair.detection import count_probabilities
        >>> from darkstate.pair.imperfections import Imperfections
        >>> from darkstate.records.count_model import calibrated
        >>> model = calibrated(count_probabilities, Imperfections(), {})
        >>> print(f"{expected_error(np.linspace(0, np.pi, 11), 300, model, use='two_atoms'):.3f}")
        0.090
    """
    return float(np.sqrt(inverse(information(setting, shots, model, fidelity, use))[0, 0, 0]))


def theoretical_coverage(method: str, confidence: float, error: float, fidelity: Any) -> Any:
    """How often a bound lies below the truth, for a normal estimate confined to F <= 1.

    The likelihood bound covers Phi(z) up to F = 1 - z error and Phi[(d + z^2/d)/2] above, d = (1 - F)/error; the
    posterior bound more, from where the prior ends within reach; at F = 1 every lower bound holds.

    Args:
        method: likelihood or posterior; confidence: nominal; error: of the estimate; fidelity: true F [...].

    Example:
        >>> print(theoretical_coverage("likelihood", 0.68, 0.09, [0.5, 0.9, 0.98]).round(2))
        [0.68 0.68 0.73]
        >>> print(theoretical_coverage("posterior", 0.68, 0.09, [0.5, 0.9, 0.98]).round(2))
        [0.68 0.81 1.  ]
    """
    d = np.maximum((1 - np.asarray(fidelity, float)) / error, 1e-9)
    if method == "likelihood":
        z = float(norm.ppf(confidence))
        return norm.cdf(np.where(d < z, (d + z * z / d) / 2, z))
    low, high = np.full_like(d, -9.0), np.full_like(d, 50.0)  # estimate minus truth, in errors, that just misses
    for _ in range(60):
        x = (low + high) / 2
        above = 1 - np.exp(norm.logcdf(-x) - norm.logcdf(d - x))  # of the posterior, above the truth
        low, high = np.where(above < confidence, x, low), np.where(above < confidence, high, x)
    return norm.cdf(x)


def bound_label(method: str, confidence: float, error: float) -> str:
    """Which bound it is and what it covers, in the normal limit.

    Example:
        >>> bound_label("posterior", 0.68, 0.09)
        'one-sided, flat prior on 0..1, nominal 68 %: covers about 68-84 % for F from 0.5 to 0.91, up to 100 % at F = 1'
    """
    end = 1 - error
    cover = 100 * theoretical_coverage(method, confidence, error, np.linspace(UNENTANGLED, end, 50))
    digits = 0 if confidence < 0.99 else 1
    low, high = f"{cover.min():.{digits}f}", f"{cover.max():.{digits}f}"
    name = "profile likelihood" if method == "likelihood" else "flat prior on 0..1"
    share = low if low == high else f"{low}-{high}"
    return (
        f"one-sided, {name}, nominal {100 * confidence:.{digits}f} %: covers about {share} % for F "
        f"from {UNENTANGLED:g} to {end:.2f}, up to 100 % at F = 1"
    )


def _pearson(
    counts: np.ndarray, setting: np.ndarray, model: CountModel, x: np.ndarray, use: str
) -> tuple[float, float, int]:
    """Pearson's chi-squared and the likelihood ratio, with pulls, and the number of expected counts below 5."""
    seen = VIEWS[use].any(0)
    n = (counts @ VIEWS[use])[:, seen]
    p = (np.asarray(model.probabilities(setting, x[0], x[1:])) @ VIEWS[use])[:, seen]
    expected = np.maximum(n.sum(1, keepdims=True) * p, 1e-12)
    pulls = sum(c.pull**2 for c in _pulls(x, np.zeros(len(x)), model))
    g = 2 * float((xlogy(n, n / expected)).sum()) + pulls
    return float(((n - expected) ** 2 / expected).sum()) + pulls, g, int((expected < _FEW).sum())


def _agreement(
    name: str, found: Profiles, k: int, uses: list[str], counts: np.ndarray, setting: np.ndarray, model: CountModel
) -> Agreement:
    x = found.best[k] if name == "best" else found.at(1.0 if name == "entangled" else UNENTANGLED)[1][k]
    chi2, g, sparse = _pearson(counts, setting, model, x, uses[k])
    dof = len(setting) * (2 if uses[k] == "joint" else 1) - _freely_fitted(found.information[k], model)
    dof = max(dof - (name == "best"), 0)
    return Agreement(name, _CELLS[uses[k]], chi2, g, dof, float(chi2_law.sf(chi2, dof)) if dof else 1.0, sparse)


def _freely_fitted(fisher: np.ndarray, model: CountModel) -> int:
    """How many directions of the free nuisances the counts know better than their ranges do (sigma^2 = width^2/12).

    Calibrated nuisances bring their own datum.
    """
    fitted = [(s, high - low) for s, (low, high) in zip(model.sigmas, model.bounds, strict=True) if s > 0]
    free = np.array([False, *(np.isinf(s) for s, _ in fitted)])
    width = np.array([w if np.isfinite(w) else 1e6 for s, w in fitted if np.isinf(s)])
    return int((np.linalg.eigvalsh(fisher[free][:, free] * np.outer(width, width)) > 12).sum())


def _pulls(x: np.ndarray, errors: np.ndarray, model: CountModel) -> tuple[Calibration, ...]:
    rows = zip(model.names, model.values, model.sigmas, model.bounds, x[1:], errors[1:], strict=True)
    return tuple(
        Calibration(
            name,
            value,
            sigma,
            float(fit),
            np.nan if fit in bound else float(err),
            0.0 if np.isinf(sigma) else float((fit - value) / sigma),
            fit in bound,
        )
        for name, value, sigma, bound, fit, err in rows
        if sigma > 0
    )


def _calibrations(found: Profiles, model: CountModel) -> tuple[Calibration, ...]:
    fitted = np.array([True, *(s > 0 for s in model.sigmas)])
    errors = np.zeros(len(fitted))
    errors[fitted] = np.sqrt(np.diag(found.covariance[0]))
    return _pulls(found.best[0], errors, model)


def _not_found(found: Profiles, model: CountModel) -> str:
    """Which nuisance the search has not brought to its best value."""
    gain = np.abs(found.lag[np.argmax(found.residual)])
    name = ("the fidelity", *model.names)[int(np.argmax(gain))]
    return (
        f"the best value of {name} is not found (a further step would gain {found.residual.max():.2g} in deviance, "
        f"allowed is 0.01); calibrate {name} with a smaller error, or nearer to what the counts say"
    )


def _undetermined(found: Profiles, model: CountModel, error: float) -> str:
    """Why the fidelity is refused, and which calibration would help most."""
    names = [name for name, sigma in zip(model.names, model.sigmas, strict=True) if sigma > 0]
    size = "is not determined at all" if error > 100 else f"has a standard error of {error:.2g}"
    text = f"the fidelity {size} from these counts, that of knowing nothing is {KNOWING_NOTHING:.2f}"
    with_one = []
    for k, name in enumerate(names):
        left = np.delete(np.delete(found.information[:1], k + 1, 1), k + 1, 2)
        with_one.append((float(np.sqrt(inverse(left)[0, 0, 0])), name))
    least, name = min(with_one, default=(error, ""))
    if least < 0.9 * error:
        return f"{text}; calibrate {name} (if it were known, the error would be {least:.2g})"
    return f"{text}; take more shots at pulse areas where the models differ most"
