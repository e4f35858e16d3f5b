"""Fidelity and its calibrations: a fitted Rabi frequency, bounds of ranges, what is exact, a wrong calibration."""

import dataclasses
from math import inf

import numpy as np
import pytest

from darkstate.backend import jax, jnp
from darkstate.errors import InputError
from darkstate.pair.detection import count_probabilities
from darkstate.pair.imperfections import Imperfections
from darkstate.records.count_model import CountModel, calibrated
from darkstate.records.counts import count_table
from darkstate.records.fidelity import fit_fidelity
from darkstate.records.profile import profiles
from planted_counts import KNOWN, THETA

TAU, PI_TIME = np.linspace(0, 13e-6, 11), 3.24e-6  # s; four pi pulses


@jax.jit
def rabi(tau, fidelity, nuisances):
    sector, pi_time = nuisances
    return count_probabilities(jnp.pi * tau / pi_time, fidelity, dataclasses.replace(Imperfections(), sector=sector))


RABI = CountModel(
    rabi,
    ("sector", "pi_time"),
    (0.37, PI_TIME),
    (0.02, 0.3e-6),
    ((0.0, 0.6), (PI_TIME / 10, 10 * PI_TIME)),
    "tau",
)


@pytest.mark.parametrize("seed", range(6))
def test_a_rabi_frequency_is_fitted(seed):
    """Pi time 3.24 +- 0.3 us; the counts tell it to 0.05 us. Far from the best F the search takes more than a few
    steps: 10 of 24 such runs were refused when it was given three.
    """
    rng = np.random.default_rng(seed)
    truth = [0.37, PI_TIME]
    counts = rng.multinomial(300, RABI.at(TAU, 0.9, truth))
    found = fit_fidelity(count_table(counts, tau=TAU), RABI)
    assert abs(found.fidelity - 0.9) < 4 * found.error
    pi_time = found.calibrations[1]
    assert abs(pi_time.fitted - truth[1]) < 4 * pi_time.error < 0.4e-6
    assert profiles(counts[None], TAU, RABI).residual[0] < 1e-3


def test_a_nuisance_that_is_not_found_is_named(monkeypatch):
    """With a single Newton step per node."""
    monkeypatch.setattr("darkstate.records.profile._STEPS", 1)
    model = CountModel(lambda *x: rabi(*x), RABI.names, RABI.values, RABI.sigmas, RABI.ranges, "tau")
    counts = np.random.default_rng(0).multinomial(300, RABI.at(TAU, 0.9, [0.37, 3.6e-6]))
    with pytest.raises(InputError, match="the best value of pi_time is not found .* calibrate pi_time with a smaller"):
        fit_fidelity(count_table(counts, tau=TAU), model)


def test_a_nuisance_at_its_bound_has_no_error():
    """Counts of P_s = 0.5 where at most 0.39 is possible, calibrated 0.37 +- 0.02: it ends there, with a pull of 1."""
    free = calibrated(count_probabilities, Imperfections(), {"sector": 0.02, "loss": 0.005})
    model = dataclasses.replace(free, ranges=((0.0, 0.39), (0.0, 1.0)))
    counts = np.random.default_rng(1).multinomial(300, free.at(THETA, 0.9, [0.5, 0.02]))
    found = fit_fidelity(count_table(counts, theta=THETA), model)
    sector, loss = found.calibrations
    assert sector.at_bound and sector.fitted == 0.39 and np.isnan(sector.error)
    assert not loss.at_bound and loss.error > 0
    (line,) = [line for line in str(found).splitlines() if line.startswith("sector ")]
    assert line.split()[1:] == ["0.3700", "0.0200", "0.3900", "at", "its", "bound", "+1.00"]


def test_a_fit_says_what_it_takes_as_exact():
    model = calibrated(count_probabilities, Imperfections(), {"sector": 0.02, "loss": 0.0, "inelastic": inf})
    counts = np.random.default_rng(1).multinomial(300, KNOWN.at(THETA, 0.9))
    found = fit_fidelity(count_table(counts, theta=THETA), model)
    names = "preparation, outer, scattering, ejection, ejection_other, pushout, pushout_other, loss"
    assert ", ".join(found.exact) == names
    assert f"\ntaken as exact: {names}\n" in str(found) and "exact" not in found.verdict
    plain = CountModel(KNOWN.probabilities)
    assert "exact" not in str(fit_fidelity(count_table(counts, theta=THETA), plain))


@pytest.mark.slow
@pytest.mark.parametrize("use, bias, sigma", [("joint", 0.111, 0.0197), ("two_atoms", 0.121, 0.0288)])
def test_a_wrong_exact_loss_biases_and_an_error_of_it_is_honest(use, bias, sigma):
    """100 runs of 3000 shots, F = 0.8, true loss 0.01. Held at 0.02: F is too high by `bias`, error `sigma`:
    5.6 and 4.2 errors. With 0.02 +- 0.01, a calibration off by one error: 0.011 and 0.015, pulls below 3."""
    truth = dataclasses.replace(Imperfections(), loss=0.01)
    p = np.asarray(count_probabilities(THETA, 0.8, truth))
    counts = np.random.default_rng(3).multinomial(3000, p, size=(100, len(THETA)))
    held = profiles(counts, THETA, KNOWN, use=use)
    assert held.unbounded.mean() - 0.8 == pytest.approx(bias, abs=0.005)
    assert held.error.mean() == pytest.approx(sigma, abs=0.001)
    fitted = profiles(counts, THETA, calibrated(count_probabilities, Imperfections(), {"loss": 0.01}), use=use)
    pull = (fitted.unbounded - 0.8) / fitted.error
    assert np.abs(pull).max() < 3 and abs(fitted.unbounded.mean() - 0.8) < 0.02
