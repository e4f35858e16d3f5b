"""Fidelity from counts: Fisher information, profiles against SciPy, what the bounds cover, refusals and verdicts.

The ideal counts of 003 Fig. 2a among P_s pairs of the sector, seen with an overall factor O:
n2 = O [1 - P_s + P_s F sin^2(theta)/2], n0 = O P_s F sin^2(theta)/2. Model R1 is that of darkstate.pair. Statistics of
003: 11 pulse areas from 0 to pi, 300 shots each.
"""

from math import inf

import numpy as np
import pytest
from scipy.stats import norm, truncnorm

from darkstate.backend import jnp
from darkstate.errors import ArgumentError, InputError
from darkstate.pair.detection import count_probabilities
from darkstate.pair.imperfections import Imperfections
from darkstate.records.count_model import CountModel, calibrated
from darkstate.records.counts import count_table
from darkstate.records.fidelity import bound_label, expected_error, fit_fidelity, theoretical_coverage
from darkstate.records.profile import profiles
from oracles import count_likelihood
from planted_counts import EDGE, KNOWN, SHOTS, THETA, UNCERTAIN, coverage

SECTOR, FACTOR = 0.37, 0.85


def ideal(theta, fidelity, nuisances):
    sector, factor = nuisances
    same = sector * fidelity * jnp.sin(theta) ** 2 / 2
    two, none = factor * (1 - sector + same), factor * same
    return jnp.stack([none, 1 - none - two, two], -1)


def ideal_by_hand(fidelity, nuisances):
    """The same in NumPy; fidelity and nuisances broadcast against settings [... s]."""
    sector, factor = nuisances
    same = sector * fidelity * np.sin(THETA) ** 2 / 2
    return np.stack([factor * same, 1 - factor * (1 - sector + 2 * same), factor * (1 - sector + same)], -1)


def ideal_model(sector=0.02, factor=0.01):
    return CountModel(ideal, ("sector", "factor"), (SECTOR, FACTOR), (sector, factor))


def drawn(model, fidelity, seed, shots=SHOTS, nuisances=None):
    return np.random.default_rng(seed).multinomial(shots, model.at(THETA, fidelity, nuisances))


def fit(counts, model, **options):
    return fit_fidelity(count_table(counts, theta=THETA), model, **options)


@pytest.mark.parametrize("fidelity, sigma", [(1.0, 0.0902), (0.5, 0.0945)])
def test_error_of_n2_with_known_calibrations_is_009(fidelity, sigma):
    """1/sigma^2 = sum N (dP2/dF)^2/[P2 (1 - P2)], P2 of R1 at F = 1 and 0: 0.090 at F = 1."""
    two, none = KNOWN.at(THETA, fidelity)[:, 2], KNOWN.at(THETA, 0.0)[:, 2]
    slope = (two - none) / fidelity
    by_hand = (SHOTS * slope**2 / (two * (1 - two))).sum() ** -0.5
    assert by_hand == pytest.approx(sigma, abs=5e-5)
    assert expected_error(THETA, SHOTS, KNOWN, fidelity=fidelity, use="two_atoms") == pytest.approx(by_hand, rel=1e-9)


def test_error_with_calibrations_is_the_schur_complement():
    """I_FF - I_Fk (I_kl + 1/s^2)^-1 I_lF with slopes of the ideal n2 written out."""
    sine, sector, factor = np.sin(THETA) ** 2, SECTOR, FACTOR
    p = factor * (1 - sector + sector * sine / 2)
    slopes = np.stack([factor * sector * sine / 2, factor * (sine / 2 - 1), p / factor])
    information = (slopes * (SHOTS / (p * (1 - p)))) @ slopes.T + np.diag([0, 0.02**-2, 0.01**-2])
    by_hand = np.sqrt(np.linalg.inv(information)[0, 0])
    assert expected_error(THETA, SHOTS, ideal_model(), use="two_atoms") == pytest.approx(by_hand, rel=1e-6)


def test_fidelity_is_undetermined_if_sector_and_factor_are_free():
    """n2 has two shapes, 1 and sin^2, for three unknowns: they tell F P_s/(1 - P_s) only. In R1, which scatters, 7.9.

    Nor do all counts know more: n0 = O P_s F sin^2/2 has no third shape.
    """
    assert expected_error(THETA, SHOTS, ideal_model(inf, inf), use="two_atoms") > 1e3
    with pytest.raises(InputError, match=r"not determined at all .* that of knowing nothing is 0.29; calibrate") as no:
        fit(drawn(ideal_model(), 1.0, 1), ideal_model(inf, inf), use="two_atoms")
    assert len(no.value.problems) == 1 and "if it were known, the error would be 0.1" in str(no.value)
    free = calibrated(count_probabilities, Imperfections(), {"sector": inf, "loss": inf})
    assert expected_error(THETA, SHOTS, free, use="two_atoms") == pytest.approx(7.9, abs=0.1)
    with pytest.raises(InputError, match=r"standard error of [\d.]+ .*calibrate (sector|loss)"):
        fit(drawn(KNOWN, 1.0, 1), free, use="two_atoms")
    assert expected_error(THETA, SHOTS, ideal_model(inf, inf)) > 1e3


def test_too_few_shots_are_refused():
    with pytest.raises(InputError, match="take more shots at pulse areas where the models differ most"):
        fit(drawn(KNOWN, 0.9, 1, shots=20), KNOWN, use="two_atoms")
    with pytest.raises(InputError, match="not determined at all"):  # no pulse: nothing depends on F
        fit_fidelity(count_table([[60, 70, 170]] * 3, theta=[0.0, 0.0, 0.0]), KNOWN)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("use", ["joint", "two_atoms"])
def test_profiles_are_those_of_scipy(seed, use):
    """Multinomial likelihood, two calibrated nuisances kept in 0..1: rise of the deviance 1e-5, bounds 1e-5.

    Not at F = 0, where counts of n0 are impossible.
    """
    values, sigmas = (SECTOR, FACTOR), (0.02, 0.01)
    counts = drawn(ideal_model(), (0.95, 0.7, 0.5)[seed], seed)
    seen = counts if use == "joint" else np.stack([counts[:, 2], counts[:, 0] + counts[:, 1]], 1)

    def probabilities(fidelity, nuisances):
        p = ideal_by_hand(fidelity, nuisances)
        return p if use == "joint" else np.stack([p[:, 2], 1 - p[:, 2]], 1)

    found = profiles(counts[None], THETA, ideal_model(), use=use)
    wanted = [count_likelihood.profile(seen, probabilities, f, values, sigmas) for f in found.nodes.fidelity[0, 1:]]
    rise = found.nodes.deviance[0, 1:] - found.nodes.deviance[0].min()
    assert rise == pytest.approx(np.array(wanted) - min(wanted), abs=1e-5)
    best, bound = count_likelihood.lower_bound(seen, probabilities, values, sigmas, 0.95)
    assert found.best[0, 0] == pytest.approx(best, abs=2e-4)
    assert found.likelihood_bound(0.95)[0] == pytest.approx(bound, abs=1e-5)
    assert found.residual[0] < 1e-6


def test_posterior_is_that_of_summed_nuisances():
    """Laplace's integral over the sector, +- 0.05, against a sum over a grid of it: 5e-4 of 0.08."""
    model = CountModel(lambda t, f, k: ideal(t, f, jnp.stack([k[0], FACTOR])), ("sector",), (SECTOR,), (0.05,))
    counts = drawn(model, 0.8, 5)

    u, f = np.linspace(-6, 6, 201), np.linspace(0, 1, 801)
    p = ideal_by_hand(f[:, None, None], (SECTOR + 0.05 * u[:, None], FACTOR))
    found = profiles(counts[None], THETA, model)
    for confidence in (0.68, 0.95):
        wanted = count_likelihood.posterior_bound(counts, p, u**2, confidence)
        assert found.posterior_bound(confidence)[0] == pytest.approx(wanted, abs=5e-4)


def test_one_setting_in_closed_form():
    """Ideal pairs, all in the sector, theta = pi/2, n1 of N: F = 1 - n1/N, and binomial error sqrt[F (1 - F)/N]."""
    model = CountModel(lambda t, f, k: ideal(t, f, (1.0, 1.0)))
    found = profiles([[[100, 60, 140]], [[150, 0, 150]]], [np.pi / 2], model)
    assert found.best[:, 0] == pytest.approx([0.8, 1.0], abs=1e-9)
    assert found.error[0] == pytest.approx(np.sqrt(0.8 * 0.2 / 300), rel=1e-9)
    # none in m = +1 and -1: the likelihood is F^N, deviance -2 N log F; posterior F^N
    assert found.likelihood_bound(0.95)[1] == pytest.approx(np.exp(-(norm.ppf(0.95) ** 2) / 600), abs=1e-6)
    assert found.posterior_bound(0.95)[1] == pytest.approx(0.05 ** (1 / 301), abs=3e-5)


def test_zero_counts_are_no_trouble():
    """No atom lost, ever; a count where the model allows none costs a lot, but stays a number."""
    counts = np.zeros((11, 3), int)
    counts[:, 2] = 300
    found = profiles(np.stack([counts, counts[:, ::-1]]), THETA, ideal_model())
    for values in (
        found.nodes.deviance,
        found.best,
        found.error,
        found.likelihood_bound(0.68),
        found.posterior_bound(0.68),
    ):
        assert np.isfinite(values).all()
    with pytest.raises(InputError, match="not determined at all"):  # no pair in the sector, nothing to say about F
        fit(counts, ideal_model())


def test_fit_of_the_statistics_of_003():
    """F = 1 planted: bounds below 1, labels name what they cover, F = 1/2 rejected, tables as Table S1 and Fig. S4."""
    found = fit(drawn(UNCERTAIN, 1.0, 7), UNCERTAIN)
    assert found.entangled and found.verdict.startswith("entangled: F > 1/2 by")
    assert 0.5 < found.edge.value < found.likelihood_bound.value < found.fidelity
    assert 0.5 < found.posterior_bound.value < found.likelihood_bound.value
    assert found.likelihood_bound.label.startswith("one-sided, profile likelihood, nominal 68 %: covers about 68 %")
    assert "nominal 84 %: covers about 84 % for F from 0.5" in found.edge.label
    assert [(a.model, a.counts, a.dof) for a in found.agreements] == [
        ("best", "all", 20),  # 22 counts, less inelastic loss and F
        ("entangled", "all", 21),
        ("unentangled", "all", 21),
        ("entangled", "n2", 11),  # n2 says nothing of the inelastic loss
        ("unentangled", "n2", 11),
        ("entangled", "n1", 10),
        ("unentangled", "n1", 10),
        ("entangled", "n0", 10),
        ("unentangled", "n0", 10),
    ]
    assert found.agreement("entangled").p_value > 0.01 > found.agreement("unentangled", "n1").p_value
    assert found.curve_fidelity[[0, 20, 40]] == pytest.approx([0, 0.5, 1])
    assert found.curve_chi2[20] == pytest.approx(found.agreement("unentangled").chi2)
    assert found.curve_chi2[40] == pytest.approx(found.agreement("entangled").chi2)
    assert str(found).splitlines()[-1] == found.verdict and "calibration" in str(found)


def test_chi_squared_is_pearsons():
    """Known calibrations: sums of (n - Np)^2/(Np), and of 2 n log(n/Np), written out; n2 is binomial."""
    counts = drawn(KNOWN, 0.9, 3)
    found, expected = fit(counts, KNOWN), SHOTS * KNOWN.at(THETA, 0.5)
    all_counts, two = found.agreement("unentangled"), found.agreement("unentangled", "n2")
    assert all_counts.chi2 == pytest.approx(((counts - expected) ** 2 / expected).sum(), rel=1e-9)
    assert all_counts.g == pytest.approx(2 * (counts * np.log(counts / expected)).sum(), rel=1e-9)
    n, m = counts[:, 2], expected[:, 2]
    assert two.chi2 == pytest.approx(((n - m) ** 2 / (m * (1 - m / SHOTS))).sum(), rel=1e-9)
    assert (all_counts.dof, two.dof, all_counts.sparse) == (22, 11, 0)


def test_sparse_counts_are_marked():
    few = fit(drawn(KNOWN, 0.9, 3, shots=45), KNOWN)
    assert few.agreement("entangled").sparse > 0 and "expected counts below 5, p is rough" in str(few)


def test_a_wrong_calibration_is_noticed():
    """Counts of P_s = 0.45, calibrated 0.37 +- 0.01: the pull says so."""
    model = calibrated(count_probabilities, Imperfections(), {"sector": 0.01})
    found = fit(drawn(model, 1.0, 2, nuisances=[0.45]), model)
    (sector,) = found.calibrations
    assert sector.pull > 3 and 0.37 < sector.fitted < 0.45 and 0 < sector.error < 0.01


def test_verdicts():
    half = fit(drawn(KNOWN, 0.5, 4), KNOWN)
    assert not half.entangled and half.verdict.startswith("not certified: F is")
    # a low confidence of the bounds does not make a verdict cheaper than two standard errors
    assert "certified is what is above 2.0" in fit(drawn(KNOWN, 0.5, 4), KNOWN, confidence=0.6).verdict
    assert "certified is what is above 3.1" in fit(drawn(KNOWN, 0.5, 4), KNOWN, confidence=0.999).verdict
    wrong = fit(drawn(KNOWN, 1.0, 4)[:, [1, 0, 2]], KNOWN)
    assert not wrong.entangled and "even the best fidelity does not explain" in wrong.verdict


def test_refusals():
    counts = drawn(KNOWN, 0.9, 1)
    with pytest.raises(InputError, match="has settings tau, but the model takes theta"):
        fit_fidelity(count_table(counts, tau=1e-6 * THETA), KNOWN)
    with pytest.raises(InputError, match="has the groups a, b; choose one with group_of"):
        fit_fidelity(count_table(counts, theta=THETA, group=["a"] * 5 + ["b"] * 6), KNOWN)
    with pytest.raises(ArgumentError, match="`use` must be joint or two_atoms"):
        fit(counts, KNOWN, use="n2")
    for confidence in (0.5, 1.0, np.nan):
        with pytest.raises(ArgumentError, match="`confidence` must be above 0.5"):
            fit(counts, KNOWN, confidence=confidence)
    with pytest.raises(ArgumentError, match="must be one of best/all, entangled/all"):
        fit(counts, KNOWN).agreement("entangled", "n3")
    with pytest.raises(ArgumentError, match=r"must return shape \(11, 3\) .* returns \(11, 2\)"):
        fit(counts, CountModel(lambda t, f, k: ideal(t, f, (0.4, 0.8))[:, :2]))
    with pytest.raises(ArgumentError, match=r"three numbers in \[0, 1\] .* narrow the ranges"):
        fit(counts, CountModel(lambda t, f, k: ideal(t, f, (0.4, 1.3))))


@pytest.mark.parametrize(
    "options, said",
    [
        ({"values": (0.4, 0.3)}, "one entry per nuisance, but have 1, 2, 1 and 1"),
        ({"sigmas": (-0.1,)}, "`sigmas` of sector must be at least 0"),
        ({"sigmas": (np.nan,)}, "`sigmas` of sector must be at least 0"),
        ({"values": (1.2,)}, "`values` of sector must lie from 0 to 1, but is 1.2"),
        ({"ranges": ((0.0, 0.3),)}, "`values` of sector must lie from 0 to 0.3"),
    ],
)
def test_wrong_models(options, said):
    with pytest.raises(ArgumentError, match=said):
        CountModel(ideal, **({"names": ("sector",), "values": (0.37,), "sigmas": (0.1,)} | options))


def test_unknown_calibration():
    with pytest.raises(ArgumentError, match="names 'sektor', but the parameters are preparation, sector"):
        calibrated(count_probabilities, Imperfections(), {"sektor": 0.1})


@pytest.mark.parametrize("truth", [0.5, 0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("confidence", [0.68, 0.95])
def test_coverage_of_a_normal_estimate(truth, confidence):
    """Formula against 20 000 estimates x of error 0.09: bound below x confined to 1; quantile of a normal law cut at 1.

    For x > 1 the deviance is [(F - x)^2 - (1 - x)^2]/sigma^2, least at F = 1.
    """
    sigma, z = 0.09, norm.ppf(confidence)
    x = np.random.default_rng(1).normal(truth, sigma, 20_000)
    beyond = np.maximum(x - 1, 0)
    likelihood = x - np.sqrt(beyond**2 + (z * sigma) ** 2)
    posterior = truncnorm.ppf(1 - confidence, -np.inf, (1 - x) / sigma, x, sigma)
    for method, bound in (("likelihood", likelihood), ("posterior", posterior)):
        wanted = theoretical_coverage(method, confidence, sigma, truth)
        error = np.sqrt(max(wanted * (1 - wanted), 1e-4) / 20_000)
        assert np.mean(bound <= truth) == pytest.approx(wanted, abs=4 * error)


def test_labels_hold_what_they_say():
    """68 % likelihood: 68 % up to one error below 1; flat prior: 68 to 84 %. The edge is 84 % one-sided, Phi(1)."""
    assert bound_label("likelihood", EDGE, 0.09).startswith(
        "one-sided, profile likelihood, nominal 84 %: covers about 84 %"
    )
    assert theoretical_coverage("likelihood", EDGE, 0.09, 0.9) == pytest.approx(0.8413, abs=1e-4)
    assert theoretical_coverage("likelihood", 0.68, 0.09, 1.0) == pytest.approx(1.0)
    low, high = theoretical_coverage("posterior", 0.68, 0.09, np.array([0.5, 0.91]))
    assert (low, high) == pytest.approx((0.680, 0.839), abs=1e-3)


@pytest.mark.parametrize("use", ["joint", "two_atoms"])
@pytest.mark.parametrize("fidelity", [1.0, 0.9, 0.5])
def test_coverage_of_ideal_counts(use, fidelity):
    """1000 data sets, P_s +- 0.02 and O +- 0.01 drawn anew: shares within 3 binomial errors and 2 % of the theory.

    A lower bound of F = 1 always holds; in between, the likelihood bound covers what it is called, the flat prior more.
    """
    count = 1000
    found = coverage(ideal_model(), fidelity, use, count, seed=13)
    for method, shares in (("likelihood", found.likelihood), ("posterior", found.posterior)):
        for confidence, share in shares.items():
            wanted = theoretical_coverage(method, confidence, found.sigma, fidelity)
            assert share == pytest.approx(wanted, abs=0.02 + 3 * np.sqrt(wanted * (1 - wanted) / count))
    assert found.unbounded == pytest.approx(fidelity, abs=0.005 + 3 * found.sigma / np.sqrt(count))
    assert found.width == pytest.approx(1, abs=0.03 + 3 / np.sqrt(2 * count))
    assert found.residual < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("use", ["joint", "two_atoms"])
@pytest.mark.parametrize("fidelity", [1.0, 0.9, 0.5])
def test_coverage_at_the_statistics_of_003(use, fidelity):
    """300 data sets, known calibrations: shares within 3 binomial errors of the normal theory, which a sigma of 0.06 to
    0.09 keeps to 2 %; estimates without bias, pulls of width 1. See validation/fidelity_coverage.md for 2000."""
    count = 300
    found = coverage(KNOWN, fidelity, use, count, seed=11)
    for method, shares in (("likelihood", found.likelihood), ("posterior", found.posterior)):
        for confidence, share in shares.items():
            wanted = theoretical_coverage(method, confidence, found.sigma, fidelity)
            assert share == pytest.approx(wanted, abs=0.02 + 3 * np.sqrt(max(wanted * (1 - wanted), 1e-4) / count))
    assert found.unbounded == pytest.approx(fidelity, abs=0.01 + 3 * found.sigma / np.sqrt(count))
    assert found.width == pytest.approx(1, abs=0.02 + 3 / np.sqrt(2 * count))
    assert found.residual < 1e-6
    if fidelity == 1.0:
        assert found.likelihood[0.68] == found.posterior[0.95] == 1.0  # a lower bound of 1 always holds
        assert found.certified > 0.97  # "no entanglement is firmly rejected", 003
    if fidelity == 0.5:
        assert found.certified < 0.0228 + 0.01 + 3 * np.sqrt(0.0228 * 0.977 / count)


@pytest.mark.slow
@pytest.mark.parametrize("use", ["joint", "two_atoms"])
@pytest.mark.parametrize("fidelity", [1.0, 0.9, 0.5])
def test_coverage_with_drawn_calibrations(use, fidelity):
    """As above with sector and preparation drawn anew for each of 400 data sets, the inelastic loss free."""
    count = 400
    found = coverage(UNCERTAIN, fidelity, use, count, seed=12)
    for confidence, share in found.likelihood.items():
        wanted = theoretical_coverage("likelihood", confidence, found.sigma, fidelity)
        assert share == pytest.approx(wanted, abs=0.03 + 3 * np.sqrt(max(wanted * (1 - wanted), 1e-4) / count))
    assert found.width == pytest.approx(1, abs=0.05 + 3 / np.sqrt(2 * count))
    assert found.residual < 1e-3


@pytest.mark.slow
def test_p_values_are_uniform():
    """60 data sets of F = 1, known calibrations: p of the true model has mean 1/2 within 3 of 1/sqrt(12 * 60)."""
    fits = [fit(drawn(KNOWN, 1.0, seed), KNOWN) for seed in range(60)]
    for counts in ("all", "n2", "n0"):
        p = [one.agreement("entangled", counts).p_value for one in fits]
        assert np.mean(p) == pytest.approx(0.5, abs=3 / np.sqrt(12 * 60))
