"""Fits: against SciPy on an independent model, intervals, slopes of 002's supplement, predictions, coverage."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import brentq, least_squares

import darkstate as ds
from darkstate.backend import jax, jnp
from darkstate.errors import InputError, Outcome
from darkstate.experiments.values import value_at
from darkstate.report.fit import fit
from darkstate.spins import printed
from darkstate.studies.fit_table import FitTable, read_problem
from darkstate.studies.identify import degeneracies
from darkstate.studies.observables import course, initial_slope
from darkstate.studies.study import read_study
from oracles import mean_field as mf
from sample_fits import DEPTHS, TIMES, TRUTH, experiment, simulated, table, write_depths, write_study

TILDE = """
lab = "krauter2011"
[fit]
data = "xi.csv"
[fit.free."noise.gamma_tilde"]
[fit.free."ensembles.optical_depth"]
"""


def problem_of(path):
    study, chosen = read_study(path, "fit", FitTable)
    return read_problem(study, chosen)


@pytest.fixture(scope="module")
def depths(tmp_path_factory):
    return fit(write_depths(tmp_path_factory.mktemp("depths")))


@pytest.fixture(scope="module")
def tilde(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tilde")
    return fit(write_study(folder, TILDE, xi=simulated("a", seed=5)))


def oracle_deviations(values, errors):
    """Deviations of points at TIMES from the independent model, by Gamma-tilde in 1/ms and d."""
    return lambda p: [
        (mf.curve(mf.cesium_cells(p[1], tilde=p[0]), "corrected", 31.0)(1e3 * t) - y) / e
        for t, y, e in zip(TIMES, values, errors, strict=True)
    ]


def test_the_minimum_is_that_of_scipy_on_another_model(tilde):
    """Second route: the oracle's own rates and integrator, and SciPy's least squares with finite differences."""
    m = tilde.minimum
    other = least_squares(
        oracle_deviations(m.likelihood.values, m.likelihood.errors), [0.15, 50.0], x_scale=[0.1, 50.0]
    )
    errors = np.sqrt(np.diag(np.linalg.inv(other.jac.T @ other.jac)))
    assert np.abs((m.vector / [1e3, 1] - other.x) / errors).max() < 5e-3
    assert np.array([e.error for e in m.estimates]) / [1e3, 1] == pytest.approx(errors, rel=0.03)
    assert m.chi_squared == pytest.approx(2 * other.cost, abs=1e-4)


def test_minos_interval_is_where_the_profile_rises_by_one(tilde):
    """Second route: minimise over d alone with SciPy's root finder on the derivative, at both ends."""
    m, likelihood = tilde.minimum, tilde.problem.likelihood
    estimate = m.estimates[0]

    @jax.jit
    def chi(v):
        r = likelihood.deviations(v, jnp.asarray(likelihood.values))
        return r @ r

    slope = jax.jit(jax.grad(lambda d, g: chi(jnp.array([g, d]))))
    for end in (estimate.lower, estimate.upper):
        at = estimate.value + end
        depth = brentq(lambda d, at=at: float(slope(d, at)), 30.0, 90.0, xtol=1e-10)
        assert float(chi(jnp.array([at, depth]))) - m.chi_squared == pytest.approx(1.0, abs=5e-3)
    assert estimate.lower < 0 < estimate.upper


def test_without_noise_the_truth_comes_back(tmp_path):
    e = experiment()
    clean = np.asarray(course(e, "xi", TIMES)(e)[0])
    found = fit(write_study(tmp_path, TILDE, xi=table(clean, np.full(len(TIMES), 0.01))))
    assert found.values == pytest.approx({"noise.gamma_tilde": 193.0, "ensembles.optical_depth": 55.0}, rel=1e-4)
    assert found.minimum.chi_squared < 1e-6
    assert "the data agree better than noise allows" in str(found)


def test_the_gradient_is_exact(depths):
    likelihood, at = depths.problem.likelihood, depths.minimum.vector
    _, slopes, _ = likelihood.linearised(at)
    for k, step in enumerate(1e-5 * at):
        up, down = (likelihood.linearised(at + sign * step * np.eye(3)[k])[0] for sign in (1, -1))
        assert slopes[:, k] == pytest.approx((up - down) / (2 * step), rel=1e-6, abs=1e-9)
    program = jax.jacfwd(lambda v: likelihood.predicted(v)[0])(jnp.asarray(at))
    np.testing.assert_allclose(slopes, program, rtol=1e-10, atol=1e-14)


def test_data_are_never_interpolated():
    """Times in any order, repeated and between any grid, equal one solution at each time alone."""
    e = experiment()
    times = np.array([3.217e-3, 0.0, 29.9e-3, 3.217e-3, 1e-6])
    together = np.asarray(course(e, "xi", times)(e)[0])
    alone = [float(ds.epr_variance(ds.evolve(e.model(), [0.0, t + 1e-300]).state).value[-1]) for t in times]
    assert together == pytest.approx(alone, abs=2e-8)


def test_depth_100_from_depths_35_and_55(depths):
    """The truth of d = 100, from the oracle's rates, lies within four standard errors of the prediction everywhere.

    The curve moves in three directions only, so that this is left by chance in P(chi^2_3 > 16) = 0.1 % of all noises.
    """
    band = depths.bands[-1]
    assert (band.label, band.data, band.outcome) == ("d = 100", None, Outcome.ok)
    curve = mf.curve(mf.cesium_cells(100), "corrected", 61.0)
    truth = np.array([curve(1e3 * t) for t in band.times])
    assert np.abs((band.values - truth)[1:] / band.errors[1:]).max() < 4
    assert 0.001 < band.lowest[2] < 0.01
    assert "predicted d = 100  smallest xi = 0." in str(depths) and "entangled by" in str(depths)


@pytest.mark.slow
def test_band_of_the_prediction_is_its_spread(tmp_path):
    """Second route: the same study with 40 other noises; 40 give a standard deviation to 11 %."""
    found = []
    for seed in range(40):
        folder = tmp_path / str(seed)
        folder.mkdir()
        found.append(fit(write_depths(folder, seed=seed)).bands[-1])
    values = np.stack([b.values for b in found])
    errors = np.mean([b.errors for b in found], axis=0)
    for k in (16, 64, 128):
        assert values[:, k].std(ddof=1) == pytest.approx(errors[k], rel=0.35)


@pytest.mark.slow
def test_error_bars_hold_the_truth(depths):
    """300 simulated data sets: 68.3 +- 2.7 % expected, three of these standard errors allowed; 1000 by script."""
    likelihood = depths.problem.likelihood
    from darkstate.studies.coverage import coverage

    found = coverage(likelihood, list(TRUTH.values()), count=300, seed=3)
    assert found.converged.all()
    assert found.share() == pytest.approx(0.683, abs=0.081)
    assert np.abs(found.pulls.mean(0)).max() < 3 / np.sqrt(300)
    assert found.pulls.std(0) == pytest.approx(1.0, abs=0.13)
    assert "300 of 300 simulated data sets" in str(found)
    assert len(depths.coverage(10).values) == 10


@pytest.mark.slow
def test_errors_that_are_too_small_show_in_the_coverage(depths):
    """The same count notices a planted mistake: data with twice the noise they claim."""
    from darkstate.studies.coverage import coverage, fitter

    likelihood = depths.problem.likelihood
    truth = np.array(list(TRUTH.values()))
    clean = likelihood.linearised(truth)[0]
    noisy = clean + 2 * likelihood.errors * np.random.default_rng(1).standard_normal((100, len(clean)))
    values, errors, _ = (np.asarray(x) for x in fitter(likelihood)(jnp.asarray(noisy)))
    shares = (np.abs(values - truth) <= errors).mean(0)
    # |x| <= 1/2 of a normal distribution holds 38.3 %
    assert shares == pytest.approx(0.383, abs=0.15)
    assert coverage(likelihood, truth, count=100).share().min() > 0.53


@pytest.mark.slow
def test_the_batched_fit_is_the_fit(depths):
    from darkstate.studies.coverage import fitter

    likelihood = depths.problem.likelihood
    values, errors, converged = fitter(likelihood)(jnp.asarray(likelihood.values[None]))
    sigma = np.array([e.error for e in depths.minimum.estimates])
    assert np.abs((np.asarray(values[0]) - depths.minimum.vector) / sigma).max() < 5e-3
    assert np.asarray(errors[0]) == pytest.approx(sigma, rel=0.05)
    assert bool(converged[0])


# ---- the two-parameter fit of 002's supplement, with its constraints ----

JX_TIMES = np.linspace(0, 60e-3, 61)
SLOPES = """
lab = "krauter2011"
[fit]
data = "jx.csv"
[fit.free."drive.rate"]
[fit.free."noise.collision_rate"]
[[fit.slopes]]
of = "jx"
value = "-0.02941176470588 /ms"
fixes = "drive.loss_rate"
[[fit.slopes]]
of = "sigma"
value = "-0.1128832829 /ms"
fixes = "ensembles.optical_depth"
[[fit.slopes]]
of = "jy"
value = "-0.1504 /ms"
fixes = "noise.gamma_tilde"
"""


@pytest.fixture(scope="module")
def supplement(tmp_path_factory):
    data = simulated("a", sigma=1e-4, times=JX_TIMES, name="jx")
    return fit(write_study(tmp_path_factory.mktemp("slopes"), SLOPES, jx=data))


def test_slopes_are_those_of_the_supplement():
    """jx: -1/T1 = -1/34 ms (002). jy: -(0.193 + 55 * 0.002 * 0.98)/2 per ms. sigma: closed form, row 22 corrected."""
    e = experiment()
    total = e.cell.total
    assert float(initial_slope(e, "jx")) == pytest.approx(-1 / 34e-3, rel=1e-8)
    assert float(initial_slope(e, "jy")) == pytest.approx(-(193 + 110 * 0.98) / 2, rel=1e-12)
    arguments = {"polarization": 0.98, "collective": 110.0, "z": 2.5, "rates": total, "down": 0.01}
    assert float(initial_slope(e, "sigma")) == pytest.approx(printed.sigma_slope_corrected(**arguments)[1], rel=1e-10)
    # second route: forward differences of the curve, error below 1e-6 of the slope
    early = np.array([0.0, 1e-6, 2e-6])
    y = np.asarray(course(e, "xi", early)(e)[0])
    assert float(initial_slope(e, "xi")) == pytest.approx((-3 * y[0] + 4 * y[1] - y[2]) / 2e-6, rel=1e-5)


def test_two_parameter_fit_with_three_slopes(supplement):
    """Gamma = Gamma_col = 0.002 /ms, d = 55, Gamma-tilde = 0.193 /ms and the loss rate come back (002 Fig. 2a)."""
    m = supplement.minimum
    sigma = np.array([e.error for e in m.estimates])
    assert np.abs((m.vector - [2.0, 2.0]) / sigma).max() < 4
    truth = {"drive.loss_rate": 26.3839702, "ensembles.optical_depth": 55.0, "noise.gamma_tilde": 193.0}
    for key, (value, error) in m.solved.items():
        assert abs(value - truth[key]) < 4 * error, key
    solved = experiment()
    for key, (value, _) in m.solved.items():
        solved = ds.with_values(solved, {key: value})
    solved = ds.with_values(solved, {"drive.rate": m.vector[0], "noise.collision_rate": m.vector[1]})
    assert float(initial_slope(solved, "jx")) == pytest.approx(-29.41176470588, rel=1e-8)
    assert float(initial_slope(solved, "sigma")) == pytest.approx(-112.8832829, rel=1e-8)
    # what the mean spin leaves open is the ratio of both rates: the paper's fit rests on few parts in a thousand
    assert m.correlation[0, 1] < -0.9


def test_derivatives_go_through_the_slopes(supplement):
    """Parameters that slopes determine move with the free ones: exact derivative against finite differences."""
    likelihood, at = supplement.problem.likelihood, np.array([2.0, 2.0])
    _, slopes, _ = likelihood.linearised(at)
    for k in range(2):
        step = 1e-4 * np.eye(2)[k]
        change = (likelihood.linearised(at + step)[0] - likelihood.linearised(at - step)[0]) / 2e-4
        assert slopes[:, k] == pytest.approx(change, rel=1e-5, abs=1e-9)


def test_printed_slope_would_give_a_negative_collective_rate():
    """Row 22 as printed, solved for d Gamma at the slope measured: below zero, so it cannot have been used."""
    total = experiment().cell.total
    length = (0.98 + 7) / 2
    arguments = {"polarization": 0.98, "z": 2.5, "rates": total, "down": 0.01}
    rate = brentq(lambda c: printed.sigma_slope(collective=c, **arguments) + 84.4 * length, -1e3, 1e3)
    assert rate < 0


def test_a_slope_with_an_error_is_a_point(tmp_path):
    text = SLOPES.split("[[fit.slopes]]")[0] + '[[fit.slopes]]\nof = "jx"\nvalue = "-0.0294(3) /ms"\n'
    found = problem_of(write_study(tmp_path, text, jx=simulated("a", sigma=1e-3, times=JX_TIMES, name="jx")))
    assert [p.label for p in found.likelihood.pieces] == ["jx", "slope of jx"]
    values, slopes, _ = found.likelihood.linearised(found.likelihood.start)
    assert values[-1] == pytest.approx(-29.41176, rel=1e-6)
    # a third of the decay is what the drive does: from the rate equations, d(slope)/d(Gamma) at fixed loss rate
    e, step = experiment(), 1e-5
    ends = [float(initial_slope(ds.with_values(e, {"drive.rate": 2.0 + s}), "jx")) for s in (step, -step)]
    assert slopes[-1, 0] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-6)


def test_slopes_that_nothing_allowed_gives_are_refused(tmp_path):
    text = SLOPES.replace('"-0.1504 /ms"', '"0.1504 /ms"')
    with pytest.raises(InputError, match="the slopes need .* which must be"):
        fit(write_study(tmp_path, text, jx=simulated("a", times=JX_TIMES, name="jx")))


# ---- degeneracies ----

MONITORED = """
lab = "muschik2013-monitored"
case = "x1"
[fit]
data = "xi.csv"
"""


def monitored(folder, *keys):
    e = experiment("muschik2013-monitored", "x1")
    times = np.linspace(0, float(e.protocol.duration), 9)
    text = MONITORED + "".join(f'[fit.free."{key}"]\n' for key in keys)
    return write_study(folder, text, xi=table(np.asarray(course(e, "xi", times)(e)[0]), np.full(9, 0.01), times))


def test_a_product_is_reported_not_fitted(tmp_path):
    path = monitored(tmp_path, "drive.rate", "ensembles.optical_depth", "noise.gamma_tilde")
    with pytest.raises(InputError) as caught:
        fit(path)
    (sentence,) = caught.value.problems
    assert "drive.rate and ensembles.optical_depth cannot be told apart" in sentence
    assert "determine only their product; fix one of them" in sentence
    assert "gamma_tilde" not in sentence
    assert sentence.startswith(f"{path}:")


def test_one_of_the_product_can_be_fitted(tmp_path):
    found = fit(monitored(tmp_path, "drive.rate", "noise.gamma_tilde"))
    e = experiment("muschik2013-monitored", "x1")
    assert found.values == pytest.approx(
        {"drive.rate": e.drive.rate, "noise.gamma_tilde": e.noise.gamma_tilde}, rel=1e-4
    )


def test_a_parameter_without_effect_is_reported(tmp_path):
    with pytest.raises(InputError, match="detection.efficiency has no effect on these data"):
        fit(monitored(tmp_path, "detection.efficiency", "drive.rate"))


def test_strong_correlation_is_no_degeneracy(supplement):
    assert degeneracies(supplement.problem.likelihood) == []


def test_a_bent_valley_is_no_degeneracy(tmp_path):
    """Gamma and loss rate change the curve alike at one point only; two points and two parameters are enough."""
    text = TILDE.replace("ensembles.optical_depth", "drive.rate")
    found = problem_of(write_study(tmp_path, text, xi=simulated("a", times=np.array([2e-3, 9e-3]))))
    assert degeneracies(found.likelihood) == []


# ---- other data ----


@pytest.mark.slow
def test_own_parameters_of_a_data_set(tmp_path):
    """One optical depth for each data set, one Gamma-tilde for both."""
    text = DEPTHS.replace('case = "b"', 'case = "b"\nown = ["ensembles.optical_depth"]').replace(
        'case = "a"', 'case = "a"\nown = ["ensembles.optical_depth"]'
    )
    text = text.replace('[fit.free."drive.loss_rate"]', "").replace("drive.rate", "ensembles.optical_depth", 1)
    text = text[: text.index("[[fit.predict]]")]
    write_depths(tmp_path)
    path = tmp_path / "own.toml"
    path.write_text(text)
    found = fit(path)
    assert list(found.values) == [
        "noise.gamma_tilde",
        "ensembles.optical_depth [d = 55]",
        "ensembles.optical_depth [d = 35]",
    ]
    sigma = np.array(list(found.errors.values()))
    assert np.abs((np.array(list(found.values.values())) - [193, 55, 35]) / sigma).max() < 3
    fitted = tmp_path / "fitted.toml"
    fitted.write_text(found.lab_text())
    for case, name in (("a", "d = 55"), ("b", "d = 35")):
        value = ds.load(fitted, case=case).experiment.ensembles.optical_depth
        assert value == pytest.approx(found.values[f"ensembles.optical_depth [{name}]"], rel=1e-4)


@pytest.mark.slow
def test_points_against_a_parameter(tmp_path):
    """huang2018: xi against the loss between both systems; the cooperativity of the lab file comes back."""
    lab = ds.load(ds.shipped_labs()["huang2018"])
    key, swept = "spin.cooperativity", "path.loss"
    lab_value = value_at(lab.experiment, key)
    from darkstate.studies.quantities import evaluator

    one = evaluator(lab.experiment, ("xi",))
    rows = np.linspace(0.0, 0.3, 7)
    y = [float(one(ds.with_values(lab.experiment, {swept: float(x)}))[0]["xi"]) for x in rows]
    data = f'"{swept}",xi,xi_err\n' + "".join(f"{x},{v:.15g},0.01\n" for x, v in zip(rows, y, strict=True))
    text = f'lab = "huang2018"\n[fit]\ndata = "xi.csv"\n[fit.free."{key}"]\nstart = {0.9 * lab_value}\n'
    found = fit(write_study(tmp_path, text, xi=data))
    assert found.values[key] == pytest.approx(lab_value, rel=1e-3)
    assert [p.name for p in found.save(tmp_path / "out")][0] == "fit.nc"


def test_netcdf_data_are_the_csv_data(tmp_path, tilde):
    data = tilde.problem.likelihood.pieces[0].data
    xr.Dataset(
        {"xi": ("t", data.values), "xi_err": ("t", data.errors)}, coords={"t": ("t", data.times, {"units": "s"})}
    ).to_netcdf(tmp_path / "xi.nc", engine="h5netcdf")
    path = write_study(tmp_path, TILDE.replace("xi.csv", "xi.nc"))
    assert fit(path).values == pytest.approx(tilde.values, rel=1e-9)


def test_populations_of_a_pair(tmp_path):
    e = experiment("ruksasakchai2026")
    times = np.linspace(0, 0.1, 11)
    clean = np.asarray(course(e, "p_1", times)(e)[0])
    start = 1.01 * e.atoms.temperature * 1e6
    text = (
        f'lab = "ruksasakchai2026"\n[fit]\ndata = "p.csv"\n[fit.free."atoms.temperature"]\nstart = "{start:.6g} uK"\n'
    )
    found = fit(write_study(tmp_path, text, p=table(clean, np.full(11, 0.01), times, "p_1")))
    assert found.values["atoms.temperature"] == pytest.approx(e.atoms.temperature, rel=1e-4)


# ---- limits, files ----


def test_a_parameter_on_its_limit_is_said_to_be(tmp_path):
    text = TILDE.replace(
        '[fit.free."ensembles.optical_depth"]', '[fit.free."ensembles.optical_depth"]\nstart = 48\nhigh = 50'
    )
    found = fit(write_study(tmp_path, text, xi=simulated("a", sigma=0.002)))
    estimate = found.minimum.estimates[1]
    assert (estimate.limit, estimate.upper) == ("high", None)
    assert "on its high limit" in str(found) and "stands on a limit" in str(found)
    assert "  correlation " not in str(found)  # of two parameters, one of which has no curvature


def test_fitted_lab_file_reads_back_and_draws_its_band(depths, tmp_path):
    paths = depths.save(tmp_path)
    assert "fitted.toml holds no correlations" in str(depths)
    assert [p.name for p in paths] == ["fit.nc", "fit.png", "fit.pdf", "fit.csv", "fitted.toml"]
    for case in ("a", "b"):
        lab = ds.load(paths[-1], case=case)
        for e in depths.minimum.estimates:
            assert value_at(lab.experiment, e.free.key) == pytest.approx(e.value, abs=1e-3 * e.error)
            assert lab.uncertainties[e.free.key] == pytest.approx(e.error, rel=5e-3)
    assert lab.experiment.ensembles.optical_depth == 35
    assert ds.load(paths[-1]).case == "a"
    assert ds.predict(lab).xi.uncertainty.max() > 0.001
    text, before = paths[-1].read_text(), ds.shipped_labs()["krauter2011"].read_text()
    kept = [line for line in before.split("\n") if "rate = " not in line and "gamma_tilde" not in line]
    assert set(kept) <= set(text.split("\n"))


def test_files_hold_what_was_fitted(depths, tmp_path):
    paths = depths.save(tmp_path)
    with xr.open_dataset(paths[0], engine="h5netcdf") as data:
        assert list(data.parameter.values) == list(depths.values)
        np.testing.assert_array_equal(data.covariance, depths.minimum.covariance)
        np.testing.assert_array_equal(data.pull, depths.minimum.pulls)
        np.testing.assert_array_equal(data.curve_err.sel(curve="d = 100"), depths.bands[-1].errors)
        assert float(data.chi_squared) == pytest.approx(float((data.pull**2).sum()))
        assert data.attrs["study_digest"] == depths.problem.study.digest
        assert all("long_name" in data[name].attrs or name == "outcome" for name in data.data_vars)
    rows = paths[3].read_text().split("\n")
    assert rows[0] == "kind,label,observable,t_ms,value,error,pull"
    assert sum(row.startswith("data,") for row in rows) == 2 * len(TIMES)


def test_same_study_same_numbers(depths):
    again = fit(depths.problem.study.path)
    assert again.values == depths.values and again.errors == depths.errors


def test_bad_data_are_told(tmp_path, depths):
    """A model that cannot be right: errors of a tenth of the noise."""
    found = fit(write_study(tmp_path, TILDE, xi=simulated("a").replace(",0.01\n", ",0.001\n")))
    assert found.minimum.chance < 1e-6
    assert "the data do not agree with these equations" in str(found)


def test_a_far_start_is_not_believed_silently(depths):
    """A start so far away that the time steps are too coarse at the minimum says not_converged, or gets there."""
    free = tuple(f._replace(start=f.start / 50, low=0.0) for f in depths.problem.likelihood.free[:1])
    likelihood = replace(depths.problem.likelihood, free=free + depths.problem.likelihood.free[1:])
    from darkstate.studies.fit import minimise

    found = minimise(likelihood)
    near = np.abs(found.vector - depths.minimum.vector).max() < 1.0
    assert near or found.outcome is Outcome.not_converged
