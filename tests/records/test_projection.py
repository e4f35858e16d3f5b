"""Polynomials through variances: planted coefficients, pulls and coverage over 300 repetitions.

A variance estimated from n Gaussian cycles has the relative standard error sqrt(2/(n-1)). Readout coefficients of a
pulse: closed forms of the input-output relation, typed here from e = exp(-gamma T).
"""

import numpy as np
import pytest

from darkstate.records.projection import efficiency_from_noise, projection_noise, shot_noise_linearity

THETA = np.linspace(6.0, 11.0, 6)  # degrees, 002 Fig. S.1
POWER = np.array([0.5, 1, 2, 3, 4, 5.6, 8]) * 1e-3  # W; 002 probes with 5.6 mW
REPEATS = 300


def pulse(gamma_s):
    """U^2, V^2, kappa^2 of 1 ms, gamma_extra = 170/s, Z = 2.5."""
    extra, length, z = 170.0, 1e-3, 2.5
    gamma = gamma_s + extra
    a, e = extra / gamma, np.exp(-gamma * length)
    overlap = 2 * gamma * length * e**2 / (1 - e**2)
    u2 = a**2 + 2 * a * (1 - a) * overlap + (1 - a) ** 2 * e**2
    v2 = z**2 * a * (1 - a) * (1 - 2 * overlap + e**2)
    return u2, v2, z**2 * (1 - a) * (1 - e**2)


def assert_honest(value, error, truth):
    """Mean within 4 standard errors, unit pulls within 4 sqrt(1/2n), 68 % within 3 binomial errors."""
    pulls = (np.array(value) - truth) / np.array(error)
    assert abs(pulls.mean()) < 4 / np.sqrt(REPEATS)
    assert pulls.std() == pytest.approx(1, abs=4 / np.sqrt(2 * REPEATS))
    assert np.mean(np.abs(pulls) < 1) == pytest.approx(0.683, abs=3 * np.sqrt(0.683 * 0.317 / REPEATS))


def test_two_points_more_than_parameters_against_the_normal_equations():
    """Values, covariance, chi2 by Cramer's rule on sums; weights unequal so that a forgotten weight shows."""
    noise, err = np.array([6.3, 7.1, 8.4, 9.2, 10.6, 11.3]), np.array([0.1, 0.2, 0.1, 0.3, 0.2, 0.1])
    found = projection_noise(THETA, noise, err)
    s2, s3, s4 = ((THETA**k / err**2).sum() for k in (2, 3, 4))
    r1, r2 = ((THETA**k * noise / err**2).sum() for k in (1, 2))
    det = s2 * s4 - s3**2
    b1, b2 = (s4 * r1 - s3 * r2) / det, (s2 * r2 - s3 * r1) / det
    assert (found.linear, found.quadratic) == pytest.approx((b1, b2), rel=1e-10)
    assert found.covariance == pytest.approx(np.array([[s4, -s3], [-s3, s2]]) / det, rel=1e-10)
    assert (found.linear_err, found.quadratic_err) == pytest.approx((np.sqrt(s4 / det), np.sqrt(s2 / det)), rel=1e-10)
    assert found.chi2 == pytest.approx((((noise - b1 * THETA - b2 * THETA**2) / err) ** 2).sum(), rel=1e-9)
    assert found.dof == 4
    # of four degrees of freedom the survival function is exp(-x/2)(1 + x/2)
    assert found.p_value == pytest.approx(np.exp(-found.chi2 / 2) * (1 + found.chi2 / 2), rel=1e-9)
    assert found.projection(8.0) == pytest.approx(8 * b1)


def test_projection_noise_of_002():
    """Planted xi ~ theta + 0.004 theta^2; relative errors as of 15000 cycles reach 002's error of the ratio, 0.003."""
    rng, cycles = np.random.default_rng(1), 15000
    truth = 1.3 * (THETA + 0.004 * THETA**2)
    found = []
    for _ in range(REPEATS):
        noise = truth * rng.chisquare(cycles - 1, THETA.size) / (cycles - 1)
        found.append(projection_noise(THETA, noise, truth * np.sqrt(2 / (cycles - 1))))
    assert_honest([f.linear for f in found], [f.linear_err for f in found], 1.3)
    assert_honest([f.ratio for f in found], [f.ratio_err for f in found], 0.004)
    assert_honest([f.projection(9.0) for f in found], [9 * f.linear_err for f in found], 1.3 * 9)
    assert np.mean([f.ratio_err for f in found]) == pytest.approx(0.003, abs=0.0003)
    assert np.mean([f.p_value for f in found]) == pytest.approx(0.5, abs=4 / np.sqrt(12 * REPEATS))


def test_a_ratio_needs_the_covariance():
    """Linear and quadratic part are anticorrelated by more than 0.98; ignored, the ratio's error is too small."""
    found = projection_noise(THETA, THETA + 0.1 * THETA**2, 0.1 * THETA)
    c = found.covariance
    assert c[0, 1] / np.sqrt(c[0, 0] * c[1, 1]) < -0.98
    without = 0.1 * np.hypot(found.linear_err, found.quadratic_err / 0.1)
    assert found.ratio_err**2 == pytest.approx(without**2 - 2 * 0.1 * c[0, 1], rel=1e-9)


@pytest.mark.parametrize("classical", [0.0, 30.0])
def test_shot_noise_and_laser_noise(classical):
    """0.2 + 400/W + c_2: with c_2 = 0 about 5 % are called significant, with 2-standard-error excess most are."""
    rng, cycles = np.random.default_rng(2), 20000
    c2 = classical * 400  # classical noise is `classical` [1/W] times shot noise per watt: 24 % of it at 8 mW
    truth = 0.2 + 400 * POWER + c2 * POWER**2
    found = []
    for _ in range(REPEATS):
        noise = truth * rng.chisquare(cycles - 1, POWER.size) / (cycles - 1)
        found.append(shot_noise_linearity(POWER, noise, truth * np.sqrt(2 / (cycles - 1))))
    assert_honest([f.electronic for f in found], [f.electronic_err for f in found], 0.2)
    assert_honest([f.per_watt for f in found], [f.per_watt_err for f in found], 400.0)
    assert_honest([f.classical for f in found], [f.classical_err for f in found], c2)
    assert np.mean([f.p_value for f in found]) == pytest.approx(0.5, abs=4 / np.sqrt(12 * REPEATS))
    called = np.mean([f.classical_is_significant for f in found])
    if classical:
        assert called > 0.95
    else:
        assert called == pytest.approx(0.0455, abs=4 * np.sqrt(0.0455 / REPEATS))
    assert found[0].shot_noise(2e-3) == pytest.approx(found[0].per_watt * 2e-3)


def test_saturation_is_significant_too():
    assert shot_noise_linearity(POWER, 400 * POWER - 4000 * POWER**2, 0.01).classical_is_significant


def test_readout_of_the_pulse():
    """gamma_s = 100/s, gamma_extra = 170/s, 1 ms, Z = 2.5: the worked example of the input-output relation."""
    assert pulse(100.0) == pytest.approx((0.828117, 0.108411, 0.965861), abs=1e-6)


@pytest.mark.parametrize("eta", [0.84, 1.0])
def test_efficiency(eta):
    """Six atom numbers, 4000 cycles each: planted 0.84 of 002, and no loss at all, which is not cut."""
    rng, cycles = np.random.default_rng(3), 4000
    u2, v2, kappa2 = pulse(np.linspace(40.0, 140.0, 6))
    truth = eta * (u2 / 2 + 1.1 * v2 / 2 + kappa2 / 2) + (1 - eta) / 2
    found = []
    for _ in range(REPEATS):
        noise = truth * rng.chisquare(cycles - 1, 6) / (cycles - 1)
        err = truth * np.sqrt(2 / (cycles - 1))
        found.append(efficiency_from_noise(noise, err, u2=u2, v2=v2, kappa2=kappa2, bath=1.1))
    assert_honest([f.value for f in found], [f.error for f in found], eta)
    assert np.mean([f.p_value for f in found]) == pytest.approx(0.5, abs=4 / np.sqrt(12 * REPEATS))
    # error of one point: sqrt(2/n) var/gain
    one = efficiency_from_noise(truth[:1], truth[:1] * 0.01, u2=u2[:1], v2=v2[:1], kappa2=kappa2[:1], bath=1.1)
    assert one.value == pytest.approx(eta, rel=1e-12)
    assert one.error == pytest.approx(0.01 * truth[0] * eta / (truth[0] - 0.5), rel=1e-9)


def test_points_without_atoms_say_nothing_of_the_efficiency():
    """U^2 = 1, V^2 = kappa^2 = 0: error unchanged by such a point, and refused when there is nothing else."""
    u2, v2, kappa2 = pulse(100.0)
    truth = 0.84 * (u2 + v2 + kappa2) / 2 + 0.08
    one = efficiency_from_noise([truth], [0.01], u2=[u2], v2=[v2], kappa2=[kappa2])
    two = efficiency_from_noise([truth, 0.47], [0.01, 0.01], u2=[u2, 1], v2=[v2, 0], kappa2=[kappa2, 0])
    assert (two.value, two.error) == pytest.approx((one.value, one.error), rel=1e-12)
    assert two.chi2 == pytest.approx(9.0)  # 0.47 is three errors below the vacuum
    with pytest.raises(ValueError, match="without atoms"):
        efficiency_from_noise([0.5], [0.01], u2=[1], v2=[0], kappa2=[0])


def test_refusals():
    with pytest.raises(ValueError, match="at least 3"):
        projection_noise([6, 6, 7], [1, 1, 1], 0.1)
    with pytest.raises(ValueError, match=r"shapes \(2,\), \(3,\)"):
        projection_noise([6, 7], [1, 1, 1], 0.1)
    with pytest.raises(ValueError, match="errors positive"):
        shot_noise_linearity(POWER, POWER, 0.0)
