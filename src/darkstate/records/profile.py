"""A profile is the smallest deviance at each fidelity over all nuisances; of one count table, or of thousands at once.

    deviance = 2 sum n log[n/(N p)] + sum ((nuisance - calibration)/sigma)^2            (0 log 0 = 0)

Projected Newton steps with the curvature sum n dp dp^T/p^2, exact where p is linear in the nuisances; these are held in
their ranges, in which p stays in [0, 1]. Between nodes: cubic Hermite, the slope is the partial one (envelope), held
between tangents and chord. The posterior takes the nuisances as a normal law cut at their ranges.
Linear systems are eliminated by hand: batched library factorisations can hang (see gaussian/elimination.py). Down:
`count_model`; up: `fidelity`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.records.count_model import FLOOR, CountModel

VIEWS = {
    "joint": np.eye(3),
    "no_atoms": np.array([[1.0, 0, 0], [0, 1, 0], [0, 1, 0]]),
    "one_atom": np.array([[0.0, 1, 0], [1, 0, 0], [0, 1, 0]]),
    "two_atoms": np.array([[0.0, 1, 0], [0, 1, 0], [1, 0, 0]]),
}
"""What of a count is used [3 atoms, 3 cells]: all of it, or one number of atoms against the others (one cell empty)."""

UNENTANGLED = 0.5
"""Largest fidelity with chi_1 of separable states."""

_REACH = 8.0
"""Half-width of the fine nodes around the best fidelity, in standard errors."""

_FINE, _BETWEEN = 33, 24
"""Fine nodes, half a standard error apart, and points between two of them in integrals."""

_STEPS, _ENOUGH = 40, 1e-7
"""Most Newton steps to a node or to the best fit, and the gain in deviance by another step that ends them."""

_LENGTHS = 0.0, 1.0, 0.5, 0.1, 0.01
"""Shares of a Newton step that are tried; the first: none of them is better."""

_PIECES = 8, 32
"""Data sets worked on together, few or many; the last piece is filled up, so that two programs serve all numbers."""


class Nodes(NamedTuple):
    """Profile at given fidelities: deviance, its slope, best x = (fidelity, nuisances), `log_volume` there."""

    fidelity: Any
    deviance: Any
    slope: Any
    x: Any
    log_volume: Any


@dataclass(frozen=True)
class Profiles:
    """Profiles of d data sets; everything NumPy.

    Args:
        nodes: over 0 to 1, the same for all [d g]; fine: around the best fidelity [d l].
        best: fidelity and nuisances of the smallest deviance [d m]; deviance: there [d].
        information: of (fidelity, nuisances) expected at the best fit, calibrations included [d m m].
        unbounded: the fidelity if it were not confined to 0 to 1, by one Newton step from the best one [d].
        lag: what another Newton step would still gain in deviance, by fidelity and nuisance, where it is most of all
            nodes [d m].
    """

    nodes: Nodes
    fine: Nodes
    best: np.ndarray
    deviance: np.ndarray
    information: np.ndarray
    unbounded: np.ndarray
    lag: np.ndarray

    @property
    def residual(self) -> np.ndarray:
        """What another Newton step would still gain in deviance, the largest of all nodes [d]."""
        return np.abs(self.lag.sum(1))

    @property
    def covariance(self) -> np.ndarray:
        """Inverse information [d m m]; free nuisances that no count depends on have a large variance."""
        return inverse(self.information)

    @property
    def error(self) -> np.ndarray:
        """Standard error of the fidelity by the Fisher information [d]."""
        return np.sqrt(self.covariance[:, 0, 0])

    def at(self, fidelity: float) -> tuple[np.ndarray, np.ndarray]:
        """Deviance [d] and best x [d m] at one of `nodes`."""
        k = int(np.argmin(np.abs(self.nodes.fidelity[0] - fidelity)))
        return self.nodes.deviance[:, k], self.nodes.x[:, k]

    def distance(self, fidelity: float = UNENTANGLED) -> np.ndarray:
        """Signed root of the rise of the deviance from the best fit to one of `nodes`, in standard errors [d]."""
        rise = np.maximum(self.at(fidelity)[0] - self.deviance, 0)
        return np.sign(self.best[:, 0] - fidelity) * np.sqrt(rise)

    def likelihood_bound(self, confidence: float) -> np.ndarray:
        """Lowest fidelity whose deviance is at most z^2 above the least, z the one-sided normal quantile [d]."""
        f, level = self.fine.fidelity, self.deviance + norm.ppf(confidence) ** 2
        above = (self.fine.deviance > level[:, None]) & (f < self.best[:, :1])
        k = np.where(above.any(1), above.shape[1] - 1 - np.argmax(above[:, ::-1], 1), 0)
        rows = np.arange(len(f))
        low, high = f[rows, k], np.minimum(f[rows, np.minimum(k + 1, f.shape[1] - 1)], self.best[:, 0])
        for _ in range(50):
            middle = (low + high) / 2
            over = _between(self.fine, k, middle) > level
            low, high = np.where(over, middle, low), np.where(over, high, middle)
        return np.where(above.any(1), high, f[:, 0])

    def posterior_bound(self, confidence: float) -> np.ndarray:
        """Fidelity above which `confidence` of the posterior lies, prior flat on 0 to 1, nuisances integrated [d]."""
        points, density = self.posterior()
        mass = np.concatenate([np.zeros((len(points), 1)), np.cumsum((density[:, 1:] + density[:, :-1]), 1)], 1)
        return np.array([np.interp((1 - confidence) * m[-1], m, x) for m, x in zip(mass, points, strict=True)])

    def posterior(self) -> tuple[np.ndarray, np.ndarray]:
        """Fidelities [d p], evenly spaced, and the density of the posterior there, not normalised [d p]."""
        f = self.fine.fidelity
        share = np.linspace(0, 1, (f.shape[1] - 1) * _BETWEEN + 1)
        points = f[:, :1] + share * (f[:, -1:] - f[:, :1])
        k = np.minimum((share * (f.shape[1] - 1)).astype(int), f.shape[1] - 2)
        shape = points.shape
        deviance = np.stack([_between(self.fine, np.full(shape[0], j), x) for j, x in zip(k, points.T, strict=True)], 1)
        volume = np.array([np.interp(x, a, b) for x, a, b in zip(points, f, self.fine.log_volume, strict=True)])
        log = volume - deviance / 2
        return points, np.exp(log - log.max(1, keepdims=True))


def inverse(information: np.ndarray) -> np.ndarray:
    """Covariance [d m m]; a direction without information gets a huge variance instead of none or a negative one."""
    size = np.sqrt(np.maximum(np.einsum("dii->di", information), 1e-12))
    scale = size[:, :, None] * size[:, None, :]
    return np.linalg.inv(information / scale + 1e-10 * np.eye(size.shape[1])) / scale


def information(setting: Any, shots: Any, model: CountModel, fidelity: float, use: str = "joint") -> np.ndarray:
    """Fisher information of the fidelity and of the nuisances that are not known, calibrations included [1 m m]."""
    n = model.at(setting, fidelity) * np.broadcast_to(np.asarray(shots, float), np.shape(setting))[:, None]
    weight, low, high, hold = _limits(model)
    x, view = jnp.array([fidelity, *model.values]), VIEWS[use]
    fit = _Fit(model.probabilities, jnp.asarray(setting, float), n @ view, view, x, x, weight, low, high)
    return np.asarray(fit.derivatives(x)[2])[None][:, ~hold][:, :, ~hold]


def _limits(model: CountModel) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of (fidelity, nuisances) [m]: 1/sigma (0: free), lowest and highest value, whether it is held."""
    sigma = np.asarray(model.sigmas, float)
    free, bounds = sigma > 0, np.array([(0.0, 1.0), *model.bounds])
    weight = np.concatenate([[0.0], np.where(free, 1 / np.where(free, sigma, 1.0), 0.0)])
    return weight, bounds[:, 0], bounds[:, 1], np.concatenate([[False], ~free])


def profiles(
    counts: Any,
    setting: Any,
    model: CountModel,
    *,
    use: str | Sequence[str] = "joint",
    calibrations: Any = None,
    nodes: int = 11,
) -> Profiles:
    """Profiles of many count tables with the same settings.

    Args:
        counts: of 0, 1, 2 atoms [d s 3]; setting: in the unit of the model [s]; model: probabilities and calibrations.
        use: one of VIEWS, or one per data set; calibrations: values per data set [d k], instead of those of the model.
        nodes: number of fidelities over 0 to 1, odd, so that 1/2 is one of them.

    Example:
        >>> def shared(theta, fidelity, nuisances):
        ...     same = fidelity * jnp.sin(theta) ** 2 / 2
        ...     return jnp.stack([same, 1 - 2 * same, same], -1)
        >>> found = profiles([[[140, 20, 140]], [[70, 160, 70]]], [np.pi / 2], CountModel(shared))
        >>> print(found.best[:, 0].round(4), found.error.round(4), found.likelihood_bound(0.95).round(4))
        [0.9333 0.4667] [0.0144 0.0288] [0.907  0.4196]
    """
    n = np.asarray(counts, float)
    centre = np.tile(np.asarray(model.values, float), (len(n), 1)) if calibrations is None else np.asarray(calibrations)
    views = np.stack([VIEWS[use]] * len(n)) if isinstance(use, str) else np.stack([VIEWS[u] for u in use])
    limits = _limits(model)
    shared = *limits, np.linspace(0, 1, nodes)
    jobs = n @ views, views, np.concatenate([np.ones((len(n), 1)), centre], 1)
    piece = next((size for size in _PIECES if len(n) <= size), _PIECES[-1])
    found = []
    for start in range(0, len(n), piece):
        chosen = np.minimum(np.arange(start, start + piece), len(n) - 1)
        part = _profiles(model.probabilities, jnp.asarray(setting, float), tuple(a[chosen] for a in jobs), shared)
        found.append(part)
    joined = jax.tree.map(lambda *a: np.concatenate(a)[: len(n)], *found)
    coarse, fine, best, deviance, expected, unbounded, lag = joined
    if not np.isfinite(deviance).all():
        raise ArgumentError("Argument `model` gives probabilities that are no numbers; check its function.")
    kept = ~limits[-1]
    return Profiles(Nodes(*coarse), Nodes(*fine), best, deviance, expected[:, kept][:, :, kept], unbounded, lag)


@partial(jax.jit, static_argnums=0)
def _profiles(probabilities: Any, setting: Any, jobs: Any, shared: Any) -> Any:
    weight, low, high, hold, grid = shared

    def one(cells: Any, view: Any, centre: Any) -> Any:
        start = _inside(centre, low, high, hold)
        return _Fit(probabilities, setting, cells, view, start, centre, weight, low, high).everything(hold, grid)

    return jax.vmap(one)(*jobs)


class _Fit(NamedTuple):
    """One data set under trace; x = (fidelity, nuisances) [m]."""

    probabilities: Any
    setting: Any
    n: Any
    view: Any
    start: Any
    centre: Any
    weight: Any
    low: Any
    high: Any

    def p(self, x: Any) -> Any:
        return jnp.maximum(self.probabilities(self.setting, x[0], x[1:]) @ self.view, FLOOR)

    def deviance(self, x: Any) -> Any:
        total = self.n.sum(-1, keepdims=True)
        ratio = jnp.where(self.n > 0, self.n, 1.0) / jnp.where(self.n > 0, total * self.p(x), 1.0)
        return 2 * (self.n * jnp.log(ratio)).sum() + (((x - self.centre) * self.weight) ** 2).sum()

    def derivatives(self, x: Any) -> tuple[Any, Any, Any]:
        """Half the gradient of the deviance, half its observed curvature, and the expected one."""

        def both(x: Any) -> tuple[Any, Any]:
            p = self.probabilities(self.setting, x[0], x[1:]) @ self.view
            return p, p

        slope, p = jax.jacfwd(both, has_aux=True)(x)
        p = jnp.maximum(p, FLOOR)
        prior = self.weight**2
        gradient = prior * (x - self.centre) - jnp.einsum("sc,scm->m", self.n / p, slope)
        observed = jnp.einsum("sc,scm,scn->mn", self.n / p**2, slope, slope) + jnp.diag(prior)
        total = self.n.sum(-1, keepdims=True)
        expected = jnp.einsum("sc,scm,scn->mn", total / p, slope, slope) + jnp.diag(prior)
        return gradient, observed, expected

    def move(self, x: Any, hold: Any, gradient: Any, curvature: Any) -> Any:
        """Newton step over what is free, kept in its ranges."""
        fixed = hold | self.stopped(x, gradient)
        move = _solve(_masked(curvature, fixed), jnp.where(fixed, 0.0, -gradient))[0]
        beyond = jnp.zeros(len(x), bool)
        for _ in range(2):  # what would leave its range goes to the end of it, and the rest follows that
            beyond = beyond | (x + move < self.low) | (x + move > self.high)
            end = jnp.where(beyond, jnp.clip(x + move, self.low, self.high) - x, 0.0)
            still = fixed | beyond
            rest = _solve(_masked(curvature, still), jnp.where(still, 0.0, -gradient - curvature @ end))[0]
            move = jnp.where(beyond, end, rest)
        return move

    def stopped(self, x: Any, gradient: Any) -> Any:
        """Which of x are at an end of their range and would leave it."""
        return ((x <= self.low) & (gradient > 0)) | ((x >= self.high) & (gradient < 0))

    def newton(self, x: Any, hold: Any) -> tuple[Any, Any, Any, Any, Any]:
        """x of the least deviance, `derivatives` there, and the gain another step promises, by component [m]."""

        def one(state: Any) -> Any:
            step, x, move, *_ = state
            tried = jnp.clip(x + jnp.array(_LENGTHS)[:, None] * move, self.low, self.high)
            chosen = jnp.argmin(jax.vmap(self.deviance)(tried))
            x = tried[chosen]
            derivatives = self.derivatives(x)
            move = self.move(x, hold, *derivatives[:2])
            return step + 1, x, move, (step == 0) | (chosen > 0), derivatives

        def more(state: Any) -> Any:
            step, _, move, better, (gradient, *_) = state
            return (step == 0) | (better & (step <= _STEPS) & (jnp.abs((move * gradient).sum()) > _ENOUGH))

        # the first round only finds the derivatives: written once, the program compiles in half the time
        unit, none = jnp.eye(len(x)), jnp.zeros(len(x))
        _, x, move, _, derivatives = jax.lax.while_loop(more, one, (0, x, none, jnp.array(True), (none, unit, unit)))
        return x, *derivatives, -move * derivatives[0]

    def along(self, grid: Any, x: Any, hold: Any) -> tuple[Any, Any]:
        """Nodes from the highest fidelity down, each starting where the one above ended; and the worst lag."""
        held = hold.at[0].set(True)

        def node(x: Any, f: Any) -> tuple[Any, Any]:
            x, gradient, curvature, _, lag = self.newton(x.at[0].set(f), held)
            volume = self.log_volume(x, held, gradient, curvature)
            return x, ((f, self.deviance(x), 2 * gradient[0], x, volume), lag)

        nodes, lag = jax.lax.scan(node, x, grid, reverse=True)[1]
        return nodes, _worst(lag)

    def log_volume(self, x: Any, hold: Any, gradient: Any, curvature: Any) -> Any:
        """Log of the integral over the nuisances, relative to the integrand at x, in units of sqrt(2 pi) each.

        Laplace's, -log det/2, times the share of each normal law that lies in the range of its nuisance: 1 inside, 1/2
        for a maximum at an end, less where the range cuts a slope. All vary smoothly while a nuisance reaches its end.
        """
        covariance, log_det = _inverse(_masked(curvature, hold))
        size = jnp.sqrt(jnp.diag(covariance))
        slope = jnp.where(hold, 0.0, gradient) * size
        low, high = (self.low - x) / size + slope, (self.high - x) / size + slope
        share = jnp.where(hold, 0.0, slope**2 / 2 + _log_share(low, high))
        return share.sum() - log_det / 2

    def everything(self, hold: Any, grid: Any) -> Any:
        """What `Profiles` holds."""
        nodes, lag = self.along(grid, self.start, hold)
        start = _inside(nodes[3][jnp.argmin(nodes[1])], self.low, self.high, hold)
        x, gradient, observed, expected, last = self.newton(start, hold)
        unit = jnp.zeros(len(x)).at[0].set(1.0)
        fixed = (hold | self.stopped(x, gradient)).at[0].set(False)
        variance = _solve(_masked(observed, fixed), unit)[0][0]
        spread = jnp.sqrt(jnp.maximum(variance, _solve(_masked(expected, hold), unit)[0][0]))
        low, high = (jnp.clip(x[0] + sign * _REACH * spread, 0, 1) for sign in (-1, 1))
        fine, fine_lag = self.along(low + (high - low) * jnp.linspace(0, 1, _FINE), x, hold)
        lag = _worst(jnp.stack([lag, fine_lag, last]))
        return nodes, fine, x, self.deviance(x), expected, x[0] - variance * gradient[0], lag


def _inside(x: Any, low: Any, high: Any, hold: Any) -> Any:
    """x a little inside its ranges: at an end a probability may be 0 where counts are, and no step is better there."""
    margin = jnp.where(hold, 0.0, 1e-6)
    return jnp.clip(x, low + margin, high - margin)


def _worst(lag: Any) -> Any:
    """Of promised gains by component [n m], those with the largest sum [m]."""
    return lag[jnp.argmax(jnp.abs(lag.sum(-1)))]


def _masked(curvature: Any, fixed: Any) -> Any:
    """The curvature of what is free; 1 on the diagonal of what is fixed, and of what no count depends on."""
    free = jnp.where(fixed, 0.0, 1.0)
    diagonal = jnp.diag(curvature)
    return curvature * free[:, None] * free + jnp.diag(jnp.where(fixed | (diagonal < 1e-9), 1.0, 1e-10 * diagonal))


def _solve(matrix: Any, right: Any) -> tuple[Any, Any]:
    """X with matrix X = right [m] and log det, positive definite, by elimination without pivoting."""
    size = len(right)
    both, log_det = jnp.concatenate([matrix, right[:, None]], 1), jnp.zeros(())
    for i in range(size):
        log_det = log_det + jnp.log(both[i, i])
        pivot = both[i] / both[i, i]
        both = jnp.where((jnp.arange(size) == i)[:, None], pivot, both - both[:, i, None] * pivot)
    return both[:, -1], log_det


def _inverse(matrix: Any) -> tuple[Any, Any]:
    """Inverse [m m] and log det, positive definite."""
    columns, log_det = jax.vmap(partial(_solve, matrix))(jnp.eye(len(matrix)))
    return columns, log_det[0]


def _log_share(low: Any, high: Any) -> Any:
    """Log of the share of the standard normal law from low to high, without the difference of two numbers near 1."""
    low, high = jnp.where(low > 0, -high, low), jnp.where(low > 0, -low, high)
    below, within = jax.scipy.special.log_ndtr(low), jax.scipy.special.log_ndtr(high)
    return within + jnp.log1p(-jnp.exp(below - within))


def _between(nodes: Nodes, k: np.ndarray, fidelity: np.ndarray) -> np.ndarray:
    """Deviance [d] at a fidelity [d] between nodes k and k + 1 [d], by the cubic through values and slopes."""
    rows, last = np.arange(len(k)), nodes.fidelity.shape[1] - 1
    after = np.minimum(k + 1, last)
    f, y, s = nodes.fidelity, nodes.deviance, nodes.slope
    h = np.maximum(f[rows, after] - f[rows, k], 1e-300)
    t = (fidelity - f[rows, k]) / h
    a, b = y[rows, k], y[rows, after]
    c, e = s[rows, k] * h, s[rows, after] * h
    cubic = a + t * c + t**2 * (3 * (b - a) - 2 * c - e) + t**3 * (2 * (a - b) + c + e)
    # a convex curve lies above its tangents and below its chords; a cubic does not where the slope at one end is huge,
    # as it is where counts are that the model all but forbids
    convex = (c <= b - a) & (b - a <= e)
    return np.where(convex, np.clip(cubic, np.maximum(a + t * c, b - (1 - t) * e), a + t * (b - a)), cubic)
