"""Likelihood of counts by SciPy alone: multinomial laws, bounded minimisation, and sums over a grid of a nuisance."""

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import xlogy
from scipy.stats import norm


def minus_two_log(counts, p, pulls):
    """-2 log L up to a constant; counts, p [... s c], squares of calibrations in `pulls` added."""
    return -2 * xlogy(counts, np.maximum(p, 1e-12)).sum((-2, -1)) + pulls


def profile(counts, probabilities, fidelity, values, sigmas):
    """Smallest -2 log L over calibrated nuisances in 0..1 at a fidelity; in units of their sigmas, from two starts."""
    values, sigmas = np.array(values), np.array(sigmas)

    def loss(u):
        return minus_two_log(counts, probabilities(fidelity, values + sigmas * u), (u**2).sum())

    bounds = list(zip(-values / sigmas, (1 - values) / sigmas, strict=True))
    options = {"ftol": 1e-15, "gtol": 1e-6, "maxfun": 10_000}
    starts = [np.zeros(len(values)), np.full(len(values), -1.0)]
    return min(minimize(loss, u, method="L-BFGS-B", jac="3-point", bounds=bounds, options=options).fun for u in starts)


def lower_bound(counts, probabilities, values, sigmas, confidence):
    """Best fidelity by parabolas through a grid, and where the profile has risen by z^2 below it."""
    grid = np.linspace(0.1, 1, 91)
    found = np.array([profile(counts, probabilities, f, values, sigmas) for f in grid])
    k = int(np.argmin(found))
    best, least = grid[k], found[k]
    if 0 < k < len(grid) - 1:
        a, b, c = found[k - 1 : k + 2]
        best, least = grid[k] + 0.01 * (a - c) / (2 * (a - 2 * b + c)), b - (a - c) ** 2 / (8 * (a - 2 * b + c))
    level = least + norm.ppf(confidence) ** 2
    return best, brentq(lambda f: profile(counts, probabilities, f, values, sigmas) - level, 0.1, best, xtol=1e-7)


def posterior_bound(counts, p, pulls, confidence):
    """Lower bound, prior flat over the fidelities 0..1 of p [f k s c], nuisances k with `pulls` [k] summed over."""
    log = minus_two_log(counts, p, pulls)
    density = np.exp(-(log - log.min()) / 2).sum(1)
    mass = np.concatenate([[0], np.cumsum(density[1:] + density[:-1])])
    return float(np.interp((1 - confidence) * mass[-1], mass, np.linspace(0, 1, len(mass))))
