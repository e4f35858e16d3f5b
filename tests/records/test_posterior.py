"""The posterior bound against sums over the fidelity and both nuisances, where the model forbids what was counted and
where a nuisance is at the end of its range.

n2 = O [1 - P_s + P_s F sin^2(theta)/2], n1 = O P_s [1 - F sin^2(theta)]: none of n1 at F = 1, theta = pi/2.
"""

import dataclasses

import numpy as np
import pytest

from darkstate.backend import jnp
from darkstate.pair.detection import count_probabilities
from darkstate.pair.imperfections import Imperfections
from darkstate.records.count_model import CountModel, calibrated
from darkstate.records.profile import VIEWS, profiles
from oracles import count_likelihood
from planted_counts import SHOTS, THETA

SINE = np.sin(THETA) ** 2


def keeping(theta, fidelity, nuisances):
    sector, keep = nuisances
    sine = jnp.sin(theta) ** 2
    one, two = keep * sector * (1 - fidelity * sine), keep * (1 - sector + sector * fidelity * sine / 2)
    return jnp.stack([1 - one - two, one, two], -1)


def by_hand(fidelity, sector, keep):
    """The same in NumPy [... s 3]."""
    one, two = keep * sector * (1 - fidelity * SINE), keep * (1 - sector + sector * fidelity * SINE / 2)
    return np.stack([1 - one - two, one, two], -1)


def summed(counts, values, sigmas, confidence=0.68):
    """Bound by sums over 401 fidelities and 41 values of each nuisance, five sigmas around its calibration."""
    grids = [np.linspace(max(v - 5 * s, 0), min(v + 5 * s, 1), 41) for v, s in zip(values, sigmas, strict=True)]
    sector, keep = (a.ravel() for a in np.meshgrid(*grids, indexing="ij"))
    pulls = ((sector - values[0]) / sigmas[0]) ** 2 + ((keep - values[1]) / sigmas[1]) ** 2
    p = by_hand(np.linspace(0, 1, 401)[:, None, None], sector[:, None], keep[:, None])
    return count_likelihood.posterior_bound(counts, p, pulls, confidence)


def found(counts, values, sigmas, use="joint"):
    return profiles(np.asarray(counts)[None], THETA, CountModel(keeping, ("sector", "keep"), values, sigmas), use=use)


def planted(seed, keep=0.9):
    return np.random.default_rng(seed).multinomial(SHOTS, by_hand(0.8, 0.37, keep))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("values, sigmas", [((0.37, 0.9), (0.02, 0.02)), ((0.37, 1.0), (0.02, 1e-3))])
def test_posterior_is_that_of_summed_nuisances(seed, values, sigmas):
    """To 1e-3 of errors of 0.03; a cubic through the slope at F = 1, 1e14, had most of the posterior there: 0.995."""
    counts = planted(seed, values[1])
    one = found(counts, values, sigmas)
    assert one.posterior_bound(0.68)[0] == pytest.approx(summed(counts, values, sigmas), abs=1e-3)
    assert one.posterior_bound(0.68)[0] < one.likelihood_bound(0.68)[0] < one.best[0, 0]


@pytest.mark.parametrize("use", ["joint", "two_atoms"])
def test_a_tight_calibration_is_a_known_one(use):
    """sigma to 0, inside the range and at its end: bounds as with the number held, to 5e-4.

    Before, a nuisance that left the end of its range at some F changed the posterior by a factor sigma there.
    """
    for keep in (0.9, 1.0):
        counts = planted(7, keep)
        held = found(counts, (0.37, keep), (0.02, 0.0), use)
        for sigma in (1e-5, 1e-4):
            tight = found(counts, (0.37, keep), (0.02, sigma), use)
            for bound in (lambda one: one.posterior_bound(0.68)[0], lambda one: one.likelihood_bound(0.68)[0]):
                assert bound(tight) == pytest.approx(bound(held), abs=5e-4)


@pytest.mark.parametrize("use", ["joint", "two_atoms"])
def test_a_calibration_at_the_end_of_its_range(use):
    """R1 without scattering, 0 +- 0.001 of it: 2e-3 of errors of 0.06 and 0.11."""
    clean = dataclasses.replace(Imperfections(), scattering=0.0)
    p = np.asarray(count_probabilities(THETA, 0.85, Imperfections()))
    counts = np.random.default_rng(1).multinomial(SHOTS, p)
    held, tight = (
        profiles(counts[None], THETA, calibrated(count_probabilities, clean, {"sector": 0.02} | more), use=use)
        for more in ({}, {"scattering": 1e-3})
    )
    assert tight.posterior_bound(0.68)[0] == pytest.approx(held.posterior_bound(0.68)[0], abs=2e-3)


def test_the_posterior_bound_lies_below_the_best_fit():
    """100 data sets of F = 0.8, both views, some cells forbidden at F = 1."""
    counts = np.stack([planted(seed) for seed in range(50)] * 2)
    model = CountModel(keeping, ("sector", "keep"), (0.37, 0.9), (0.02, 0.02))
    both = profiles(counts, THETA, model, use=["joint"] * 50 + ["two_atoms"] * 50)
    for confidence in (0.68, 0.95):
        assert (both.posterior_bound(confidence) < both.best[:, 0]).all()
    assert set(VIEWS) >= {"joint", "two_atoms"}


def test_a_count_the_model_forbids():
    """One of n1 at theta = pi/2, all pairs in the sector, F the only unknown: posterior F^N-1 (1 - F), by its sum."""
    model = CountModel(lambda theta, fidelity, nuisances: keeping(theta, fidelity, (1.0, 1.0)))
    one = profiles([[[150, 1, 149]]], [np.pi / 2], model)
    f = np.linspace(0, 1, 200_001)
    mass = np.cumsum(f**299 * (1 - f))
    wanted = np.interp(0.32 * mass[-1], mass, f)
    assert one.posterior_bound(0.68)[0] == pytest.approx(wanted, abs=3e-4)
    assert one.best[0, 0] == pytest.approx(299 / 300, abs=1e-6)
