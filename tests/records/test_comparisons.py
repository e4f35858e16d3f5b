"""Two runs compared, Ramsey fringes: against SciPy, closed forms, planted truth."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from darkstate.backend import jnp
from darkstate.errors import ArgumentError, InputError
from darkstate.pair.detection import count_probabilities
from darkstate.pair.imperfections import Imperfections
from darkstate.records.comparisons import fit_ramsey, two_sample
from darkstate.records.counts import count_table
from planted_counts import SHOTS, THETA

R1 = Imperfections()
DARK = 5e-6  # s, wait between the pulses in 003


def drawn(fidelity, seed, shots=SHOTS):
    return np.random.default_rng(seed).multinomial(shots, np.asarray(count_probabilities(THETA, fidelity, R1)))


def table(counts, **setting):
    return count_table(counts, **(setting or {"theta": THETA}))


def test_homogeneity_is_that_of_a_contingency_table():
    """Per setting: scipy.stats.chi2_contingency without its correction; a number of atoms nobody saw takes one dof."""
    first, second = drawn(1.0, 1), drawn(0.5, 2)
    first[3, 0] = second[3, 0] = 0
    found = two_sample(table(first), table(second), draws=99)
    for k in range(len(THETA)):
        kept = (first[k] + second[k]) > 0
        wanted = chi2_contingency(np.stack([first[k], second[k]])[:, kept], correction=False)
        assert found.chi2[k] == pytest.approx(wanted.statistic, rel=1e-10)
        assert (found.dof[k], found.p_value[k]) == pytest.approx((wanted.dof, wanted.pvalue), rel=1e-10)
    assert found.total_chi2 == pytest.approx(found.chi2.sum()) and found.total_dof == 21


def test_order_of_settings_and_split_runs_do_not_matter():
    first, second = drawn(1.0, 1), drawn(1.0, 2)
    one = two_sample(table(first), table(second))
    halves = np.concatenate([second[::-1] // 2, second[::-1] - second[::-1] // 2])
    other = two_sample(table(first), table(halves, theta=np.tile(THETA[::-1], 2)))
    assert (other.total_chi2, other.permutation_p) == (pytest.approx(one.total_chi2), one.permutation_p)
    assert str(one) == str(two_sample(table(first), table(second)))  # the seed is fixed


def test_destruction_shows_at_the_statistics_of_003():
    """Fig. 3a against 3b: F = 1/2 against 1, 300 shots each; largest near pi/2, where P1 differs by 0.073."""
    found = two_sample(table(drawn(0.5, 3)), table(drawn(1.0, 4)))
    assert found.total_p < 1e-3 and found.permutation_p < 1e-3
    assert "1 atom at theta = " in found.largest and "standard errors" in str(found)


def test_chances_are_uniform_for_equal_probabilities():
    """100 pairs of runs with 8 shots per setting: the permutation p has mean 1/2 within 3/sqrt(12 * 100)."""
    p = [
        two_sample(table(drawn(1.0, 2 * k, 8)), table(drawn(1.0, 2 * k + 1, 8)), draws=199, seed=k).permutation_p
        for k in range(100)
    ]
    assert np.mean(p) == pytest.approx(0.5, abs=3 / np.sqrt(1200))
    assert np.mean(np.array(p) < 0.1) < 0.1 + 3 * np.sqrt(0.09 / 100)


def test_runs_that_cannot_be_compared():
    with pytest.raises(InputError, match="different settings theta .11 and 10 values"):
        two_sample(table(drawn(1.0, 1)), table(drawn(1.0, 1)[:10], theta=THETA[:10]))
    with pytest.raises(InputError, match="the first table has settings theta, the second has not"):
        two_sample(table(drawn(1.0, 1)), table(drawn(1.0, 1), tau=1e-6 * THETA))


def fringe(delta):
    return jnp.cos(jnp.pi * delta * DARK) ** 2


DELTA = np.linspace(-200e3, 200e3, 81)


def ramsey(offset, contrast, seed, shots=300, centre=0.0):
    p = offset + contrast * np.cos(np.pi * (DELTA - centre) * DARK) ** 2
    n = np.random.default_rng(seed).binomial(shots, p)
    return count_table(np.stack([shots - n, n, 0 * n], 1), detuning_hz=DELTA)


@pytest.mark.parametrize("contrast", [0.9, 0.5, -0.3])
def test_sensitivity_in_closed_form(contrast):
    """p = 1/2 + (C/2) cos(2 pi delta T): the least of sqrt[p (1 - p)]/|dp/d delta| is 1/(2 pi T |C|), at p = 1/2."""
    found = fit_ramsey(ramsey(0.5 - contrast / 2, contrast, 1, 1_000_000), fringe, hz_per_tesla=-2.8e10)
    assert (found.offset, found.contrast) == pytest.approx((0.5 - contrast / 2, contrast), abs=5e-4)
    assert found.sensitivity == pytest.approx(1 / (2 * np.pi * DARK * abs(contrast)), rel=2e-3)
    assert abs(np.cos(2 * np.pi * found.best_hz * DARK)) < 0.05
    assert found.field_sensitivity == pytest.approx(found.sensitivity / 2.8e10)
    # d(1/C) = dC/C^2
    assert found.sensitivity_err / found.sensitivity == pytest.approx(found.contrast_err / abs(contrast), rel=0.05)
    assert found.accepted and found.dof == 78 and "accepted" in str(found)


def test_pulls_of_offset_and_contrast():
    """200 fringes of 300 shots: means within 3/sqrt(200) and widths within 3/sqrt(400) of 1; 5 % rejected."""
    found = [fit_ramsey(ramsey(0.1, 0.4, seed), fringe) for seed in range(200)]
    for name, truth in (("offset", 0.1), ("contrast", 0.4)):
        pull = np.array([(getattr(one, name) - truth) / getattr(one, name + "_err") for one in found])
        assert abs(pull.mean()) < 3 / np.sqrt(200) and abs(pull.std() - 1) < 3 / np.sqrt(400)
    assert np.mean([not one.accepted for one in found]) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize("contrast", [0.4, -0.3])
def test_a_line_off_by_10_khz_is_found(contrast):
    """100 fringes 10 kHz off, a twentieth of their spacing: with a centre at 0 none is accepted;
    with one that is fitted all but 5 % are accepted, and pulls have mean 0 and width 1."""
    found = [fit_ramsey(ramsey(0.45, contrast, seed, centre=10e3), fringe) for seed in range(100)]
    pull = np.array([(one.centre_hz - 10e3) / one.centre_err for one in found])
    assert abs(pull.mean()) < 3 / np.sqrt(100) and abs(pull.std() - 1) < 3 / np.sqrt(200)
    assert np.mean([not one.accepted for one in found]) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)
    assert all(one.contrast * contrast > 0 and one.centre_err < 2e3 for one in found)
    assert f"centre {found[0].centre_hz:.4g} +- {found[0].centre_err:.2g} Hz" in str(found[0])


def test_a_line_beyond_a_quarter_of_a_fringe():
    """70 kHz off at 200 between fringes is the same as -30 kHz and the other contrast."""
    found = fit_ramsey(ramsey(0.1, 0.4, 1, centre=70e3), fringe)
    assert found.accepted and found.contrast == pytest.approx(-0.4, abs=0.03)
    assert found.centre_hz == pytest.approx(-30e3, abs=3e3)


def test_a_line_that_is_too_far_off_ends_the_search():
    """A single line at 150 kHz, of detunings to 200 kHz: the centre is searched to 100 kHz."""
    p = 0.1 + 0.4 * np.exp(-(((DELTA - 150e3) / 150e3) ** 2) / 2)
    n = np.round(3000 * p).astype(int)
    data = count_table(np.stack([3000 - n, n, 0 * n], 1), detuning_hz=DELTA)
    found = fit_ramsey(data, lambda x: jnp.exp(-((x / 150e3) ** 2) / 2))
    assert found.centre_hz == pytest.approx(100e3) and np.isnan(found.centre_err)
    assert "centre 1e+05 Hz, where the search ends" in str(found)


def test_a_fringe_of_full_contrast_stays_within_0_and_1():
    """Counts of 0 and of all shots at its ends: 1/(2 pi T) everywhere; the ends are known to about 1/(300 shots)."""
    found = fit_ramsey(ramsey(0.0, 1.0, 1), fringe)
    assert -1e-12 < found.offset and found.offset + found.contrast < 1 + 1e-12
    assert 1e-4 < found.offset_err < 3e-3
    assert (found.offset, found.contrast) == pytest.approx((0, 1), abs=3e-3)
    assert found.sensitivity == pytest.approx(1 / (2 * np.pi * DARK), rel=5e-3)


def test_another_curve_is_rejected():
    assert not fit_ramsey(ramsey(0.1, 0.4, 1), lambda x: jnp.cos(2 * jnp.pi * x * DARK) ** 2).accepted


def test_fringes_that_cannot_be_fitted():
    with pytest.raises(InputError, match="needs settings detuning_hz"):
        fit_ramsey(table(drawn(1.0, 1)), fringe)
    with pytest.raises(InputError, match="at least 4 different detunings, but there are 2"):
        fit_ramsey(table([[1, 2, 3]] * 3, detuning_hz=[0.0, 0.0, 1e3]), fringe)
    with pytest.raises(ArgumentError, match="`atoms` must be 0, 1 or 2, but is 3"):
        fit_ramsey(ramsey(0.1, 0.4, 1), fringe, atoms=3)
    with pytest.raises(ArgumentError, match="must be finite and change"):
        fit_ramsey(ramsey(0.1, 0.4, 1), lambda x: 0 * x)
