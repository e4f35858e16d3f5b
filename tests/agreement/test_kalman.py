"""Filtering and smoothing of binned records: against dense conditioning of one joint Gaussian, and simulated records.

The joint Gaussian of all states and all bins comes from SciPy's exponential, bin by bin; no recursion is used.
"""

from functools import cache

import numpy as np
import pytest
from scipy.linalg import expm

from darkstate.backend import jax
from darkstate.gaussian.components import sideband_oscillator
from darkstate.gaussian.detection import homodyne, measurement, sideband_homodyne
from darkstate.gaussian.network import cascade
from darkstate.gaussian.state import GaussianState
from darkstate.solve.condition import condition, retrodict
from oracles import gaussian as ga

MODES = ("S", "M")
DETECTOR = sideband_homodyne("M.upper", "M.lower", angle=0.3, efficiency=0.8)


@jax.jit
def pair():
    """Two unequal oscillators with R != 0, hot baths; rates of order 1."""
    s = sideband_oscillator(
        "S", passive=1.2, active=1.0, negative_mass=True, damping=0.5, decoherence=0.6, detuning=0.4
    )
    m = sideband_oscillator("M", passive=2.0, active=0.7, damping=0.2, decoherence=0.9)
    return cascade(s, m, channels=("upper", "lower"))


@cache
def matrices():
    """The pair, and (A, D, C, N, R) of its current as NumPy arrays."""
    system = pair()
    current = measurement(system, DETECTOR)
    found = (system.drift, system.diffusion, current.output, current.correlation, current.noise)
    return system, tuple(map(np.asarray, found))


def begin():
    rng = np.random.default_rng(8)
    root = rng.normal(size=(4, 4)) * 0.4
    return rng.normal(size=4), root @ root.T + np.eye(4)


def joint(lengths):
    """Linear maps of independent unit normals: states x_0 ... x_n and bins Y_1 ... Y_n as rows [.., noises]."""
    _, (A, D, C, N, R) = matrices()
    _, v0 = begin()
    k = len(C)
    a = np.block([[A, np.zeros((4, k))], [C, np.zeros((k, k))]])
    d = np.block([[D, N], [N.T, R]])
    size = 4 + (4 + k) * len(lengths)
    x = np.zeros((4, size))
    x[:, :4] = np.linalg.cholesky(v0)
    states, bins = [x], []
    for n, t in enumerate(lengths):
        block = expm(np.block([[-a, d], [np.zeros_like(a), a.T]]) * t)
        flow = block[4 + k :, 4 + k :].T
        noise = np.zeros((4 + k, size))
        at = 4 + (4 + k) * n
        noise[:, at : at + 4 + k] = np.linalg.cholesky(flow @ block[: 4 + k, 4 + k :])
        after = flow[:, :4] @ states[-1] + noise
        states.append(after[:4])
        bins.append(after[4:])
    return states, bins


def dense(x, mean, rows, data, expected):
    """Mean and covariance of x given rows = data, all linear maps of unit normals."""
    if not len(rows):
        return mean, x @ x.T
    gain = np.linalg.solve(rows @ rows.T, rows @ x.T).T
    return mean + gain @ (data - expected), x @ x.T - gain @ (rows @ x.T)


def means(lengths):
    _, (A, _, C, _, _) = matrices()
    states, bins = [begin()[0]], []
    a = np.block([[A, np.zeros((4, 2))], [C, np.zeros((2, 2))]])
    for t in lengths:
        after = expm(a * t) @ np.concatenate([states[-1], np.zeros(2)])
        states.append(after[:4])
        bins.append(after[4:])
    return states, bins


def start():
    mean, covariance = begin()
    return GaussianState(mean, covariance, MODES)


LENGTHS = np.array([0.1, 0.4, 0.4, 1.5, 0.02, 0.6])
RECORD = np.random.default_rng(9).normal(size=(6, 2)) * np.sqrt(LENGTHS)[:, None] * 2


def expected(lengths, record, *, smooth):
    states, bins = joint(lengths)
    x_means, y_means = means(lengths)
    found = []
    for n in range(len(lengths) + 1):
        used = slice(None) if smooth else slice(0, n)
        rows = np.concatenate([np.zeros((0, states[0].shape[1])), *bins[used]])
        data, want = (np.concatenate([np.zeros(0), *one[used]]) for one in (list(record), y_means))
        found.append(dense(states[n], x_means[n], rows, data, want))
    return [np.stack(one) for one in zip(*found, strict=True)]


@pytest.mark.parametrize("smooth", [False, True])
def test_unequal_bins_are_exact(smooth):
    """Six bins from 0.02 to 1.5 of the decay time, against conditioning of the 28 numbers at once: 1e-10."""
    system, _ = matrices()
    times = np.concatenate([[0.0], np.cumsum(LENGTHS)])
    found = condition(system, DETECTOR, times=times, initial=start(), record=RECORD, smooth=smooth)
    mean, covariance = expected(LENGTHS, RECORD, smooth=smooth)
    assert np.asarray(found.state.mean) == pytest.approx(mean, abs=1e-10)
    assert np.asarray(found.state.covariance) == pytest.approx(covariance, abs=1e-10)


def test_a_long_bin_is_two_short_ones_of_which_the_sum_is_known():
    """Bins 2 and 3 are equal: one bin of twice the length knows their sum only, and that is exact, too."""
    system, _ = matrices()
    lengths = np.array([0.1, 0.8, 1.5, 0.02, 0.6])
    record = np.stack([RECORD[0], RECORD[1] + RECORD[2], *RECORD[3:]])
    times = np.concatenate([[0.0], np.cumsum(lengths)])
    found = condition(system, DETECTOR, times=times, initial=start(), record=record)
    states, bins = joint(LENGTHS)
    x_means, y_means = means(LENGTHS)
    rows = np.concatenate([bins[0], bins[1] + bins[2], *bins[3:]])
    want = np.concatenate([y_means[0], y_means[1] + y_means[2], *y_means[3:]])
    mean, covariance = dense(states[-1], x_means[-1], rows, record.ravel(), want)
    assert np.asarray(found.state.mean[-1]) == pytest.approx(mean, abs=1e-10)
    assert np.asarray(found.state.covariance[-1]) == pytest.approx(covariance, abs=1e-10)
    # less is known than from both bins
    both = expected(LENGTHS, RECORD, smooth=False)[1][-1]
    assert np.linalg.eigvalsh(np.asarray(found.state.covariance[-1]) - both).max() > 1e-4


@cache
def simulated():
    """3000 records by Euler's method, step 1/400, 40 bins of 1/8: true states, filtered means, and the filter.

    The steps draw (dw, dv) from their joint covariance ((D, N), (N^T, R)) dt; the current is taken at the start.
    """
    system, (A, D, C, N, R) = matrices()
    rng, count, bins, fine, h = np.random.default_rng(10), 3000, 40, 50, 1 / 400
    root = np.linalg.cholesky(np.block([[D, N], [N.T, R]])) * np.sqrt(h)
    v0 = ga.lyapunov(A, D)
    x = rng.normal(size=(count, 4)) @ np.linalg.cholesky(v0).T
    record = np.zeros((count, bins, 2))
    for n in range(bins):
        for _ in range(fine):
            noise = rng.normal(size=(count, 6)) @ root.T
            record[:, n] += h * x @ C.T + noise[:, 4:]
            x = x + h * x @ A.T + noise[:, :4]
    times, first = np.arange(bins + 1) * fine * h, GaussianState(np.zeros(4), v0, MODES)

    @jax.jit
    @jax.vmap
    def filtered(one):
        return condition(system, DETECTOR, times=times, initial=first, record=one, throw=False).state

    state = filtered(record)
    return v0, x, record, np.asarray(state.mean), np.asarray(state.covariance[0])


def test_simulated_records_obey_the_law_of_total_variance():
    """V_unc = V_cond + Cov(means), and the error of the mean has covariance V_cond: within 5 standard errors.

    Of a covariance element from n draws the standard error is sqrt((v_ii v_jj + v_ij^2)/n). Euler's method adds a bias
    of rate times step, at most 2.7/400, to which half a standard error more is granted.
    """
    v0, x, _, mean, covariance = simulated()
    n = len(x)

    def assert_near(found, want):
        own = np.sqrt(np.diag(want))
        error = np.sqrt((np.outer(own, own) ** 2 + want**2) / n)
        assert np.all(np.abs(found - want) < 5 * error + 2.7 / 400 * np.outer(own, own))

    last = mean[:, -1]
    assert_near(last.T @ last / n, v0 - covariance[-1])
    assert_near((x - last).T @ (x - last) / n, covariance[-1])
    assert_near(x.T @ x / n, v0)
    # the mean holds all that the record says: what is left is uncorrelated with it
    rest = (x - last).T @ last / n
    scale = np.sqrt(np.outer(np.diag(covariance[-1]), np.diag(v0 - covariance[-1])) / n)
    assert np.all(np.abs(rest) < 5 * scale + 2.7 / 400 * np.sqrt(np.outer(np.diag(v0), np.diag(v0))))


def test_innovations_are_white():
    """The surprises, from the filter's own means and SciPy's exponential: unit variance, no memory; 3000 x 40 x 2."""
    _, (A, D, C, N, R) = matrices()
    _, _, record, mean, covariance = simulated()
    a = np.block([[A, np.zeros((4, 2))], [C, np.zeros((2, 2))]])
    d = np.block([[D, N], [N.T, R]])
    block = expm(np.block([[-a, d], [np.zeros_like(a), a.T]]) / 8)
    flow = block[6:, 6:].T
    added, reads = (flow @ block[:6, 6:])[4:, 4:], flow[4:, :4]
    surprise = record - mean[:, :-1] @ reads.T
    spread = reads @ covariance[:-1] @ reads.T + added
    white = np.linalg.solve(np.linalg.cholesky(spread), surprise[..., None])[..., 0]
    count = white[..., 0].size
    # standard error of a correlation 1/sqrt(count), of a variance sqrt(2/count); Euler's bias as above
    for lag in range(4):
        late, early = white[:, lag:].reshape(-1, 2), white[:, : 40 - lag].reshape(-1, 2)
        found = late.T @ early / len(late)
        assert np.all(np.abs(found - (np.eye(2) if lag == 0 else 0.0)) < 5 * np.sqrt(2 / count) + 2.7 / 400)


def test_prediction_and_retrodiction_make_the_smoothed_state():
    """In the middle of a long record (V^-1 + U^-1)^-1, V of the filter and U of `retrodict`, both from SciPy, too.

    Bins of length h know less by an amount of order h^2: Richardson from h and h/2; the tolerance is what it corrects.
    """
    system, (A, D, C, N, R) = matrices()
    v = ga.care(A, D, C, N, R)
    u = ga.care(-A, D, C, -N, R)
    assert np.asarray(retrodict(system, DETECTOR).state.covariance) == pytest.approx(u, rel=1e-8)
    want = np.linalg.inv(np.linalg.inv(v) + np.linalg.inv(u))
    found = []
    for bins in (400, 800):
        times = np.linspace(0.0, 40.0, bins + 1)
        state = condition(system, DETECTOR, times=times, record=np.zeros((bins, 2)), smooth=True).state
        found.append(np.asarray(state.covariance[bins // 2]))
    limit = (4 * found[1] - found[0]) / 3
    assert np.abs(limit - want).max() < 0.05 * np.abs(found[1] - found[0]).max()


def test_one_row_per_bin_and_column_per_current():
    with pytest.raises(ValueError, match=r"shape \(2, 1\).*has \(3, 1\)"):
        atoms = sideband_oscillator("S", passive=1.0, active=0.5)
        condition(atoms, homodyne("S.upper"), times=[0.0, 1.0, 2.0], record=np.zeros((3, 1)))
