"""Two runs compared, Ramsey fringes, every table of inelastic losses: against SciPy, closed forms, planted truth."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import xlogy
from scipy.stats import chi2_contingency

from darkstate.backend import jnp
from darkstate.errors import ArgumentError, InputError
from darkstate.pair.detection import count_probabilities
from darkstate.pair.imperfections import Imperfections
from darkstate.records.comparisons import exclude_unentangled, fit_ramsey, two_sample
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


def ramsey(offset, contrast, seed, shots=300):
    p = offset + contrast * np.cos(np.pi * DELTA * DARK) ** 2
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
    assert found.accepted and found.dof == 79 and "accepted" in str(found)


def test_pulls_of_offset_and_contrast():
    """200 fringes of 300 shots: means within 3/sqrt(200) and widths within 3/sqrt(400) of 1; 5 % rejected."""
    found = [fit_ramsey(ramsey(0.1, 0.4, seed), fringe) for seed in range(200)]
    for name, truth in (("offset", 0.1), ("contrast", 0.4)):
        pull = np.array([(getattr(one, name) - truth) / getattr(one, name + "_err") for one in found])
        assert abs(pull.mean()) < 3 / np.sqrt(200) and abs(pull.std() - 1) < 3 / np.sqrt(400)
    assert np.mean([not one.accepted for one in found]) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


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
    with pytest.raises(InputError, match="at least 3 different detunings, but there are 2"):
        fit_ramsey(table([[1, 2, 3]] * 3, detuning_hz=[0.0, 0.0, 1e3]), fringe)
    with pytest.raises(ArgumentError, match="`atoms` must be 0, 1 or 2, but is 3"):
        fit_ramsey(ramsey(0.1, 0.4, 1), fringe, atoms=3)
    with pytest.raises(ArgumentError, match="must be finite and change"):
        fit_ramsey(ramsey(0.1, 0.4, 1), lambda x: 0 * x)


def inelastic(theta, fidelity, losses):
    return count_probabilities(theta, fidelity, R1, inelastic=losses)


def test_best_table_is_that_of_scipy():
    """L-BFGS-B from two corners and the middle finds no higher likelihood than the gap allows; 35 entries, R1."""
    counts = drawn(1.0, 4)
    found = exclude_unentangled(table(counts), inelastic, draws=199)
    for fit in (found.entangled, found.unentangled):
        none = np.asarray(inelastic(THETA, fit.fidelity, np.zeros((7, 5)))).ravel()
        slopes = np.stack(
            [np.asarray(inelastic(THETA, fit.fidelity, one.reshape(7, 5))).ravel() - none for one in np.eye(35)], 1
        )

        def loss(x, none=none, slopes=slopes):
            p = np.maximum(none + slopes @ x, 1e-12)
            return -xlogy(counts.ravel(), p).sum(), -(counts.ravel() / p) @ slopes

        options = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 5000, "maxfun": 20_000}
        best = min(
            minimize(loss, np.full(35, x), jac=True, method="L-BFGS-B", bounds=[(0, 1)] * 35, options=options).fun
            for x in (0.0, 0.5, 1.0)
        )
        mine = loss(fit.table.ravel())[0]
        assert -1e-6 < mine - best < fit.gap + 1e-6 and fit.gap < 1e-3 and fit.kkt < 1e-3
        wanted = 2 * xlogy(counts, counts / counts.sum(1, keepdims=True)).sum() + 2 * mine
        assert fit.g == pytest.approx(wanted, abs=1e-6)
        assert ((0 <= fit.table) & (fit.table <= 1)).all()


def test_no_losses_make_the_unentangled_model_agree():
    """003: rates can be chosen for the entangled model, not for the unentangled one. Planted F = 1, then 1/2."""
    entangled = exclude_unentangled(table(drawn(1.0, 0)), inelastic, draws=199)
    assert entangled.excluded and "no inelastic losses make the unentangled model agree" in str(entangled)
    assert entangled.unentangled.g - entangled.entangled.g == pytest.approx(entangled.ratio)
    assert entangled.unentangled.p_value <= entangled.unentangled.most + 0.02  # an upper limit, up to the draws
    separable = exclude_unentangled(table(drawn(0.5, 6)), inelastic, draws=199)
    assert not separable.excluded and separable.ratio_p > 0.01
    assert "not excluded" in separable.verdict or "no claim" in separable.verdict


def test_counts_of_neither_model():
    found = exclude_unentangled(table(drawn(1.0, 5)[:, ::-1]), inelastic, draws=199)
    assert not found.excluded and found.verdict.startswith("no claim")


def test_losses_that_no_count_depends_on():
    """An empty search: p from the bootstrap of a model without parameters, all entries left at 1/2."""
    found = exclude_unentangled(table(drawn(1.0, 5)), lambda t, f, _: count_probabilities(t, f, R1), draws=199)
    assert (found.entangled.table == 0.5).all() and found.entangled.gap == 0 and found.excluded


def test_models_that_cannot_be_searched():
    data = table(drawn(1.0, 5))
    with pytest.raises(ArgumentError, match="must be linear in the table"):
        exclude_unentangled(data, lambda t, f, x: inelastic(t, f, x**2))
    with pytest.raises(ArgumentError, match=r"leaves \[0, 1\] with some table"):
        exclude_unentangled(data, lambda t, f, x: inelastic(t, f, 9 * x))
    with pytest.raises(ArgumentError, match="`draws` must be at least 199"):
        exclude_unentangled(data, inelastic, draws=10)
