"""Inference: priors against SciPy, the posterior against a grid and the fit, and simulation-based calibration."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from command import darkstate
from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError, InputError, Outcome
from darkstate.report.fit import fit
from darkstate.report.infer import infer
from darkstate.studies.infer import read_inference
from darkstate.studies.priors import Prior
from darkstate.studies.simulated_calibration import Calibration, calibrate
from sample_fits import simulated, write_study
from sample_priors import PRIORS, TIMES, small

STUDY = """lab = "krauter2011"
[fit]
data = "xi.csv"
[fit.free."noise.gamma_tilde"]
[fit.free."ensembles.optical_depth"]
[[fit.predict]]
name = "d = 100"
set = { "ensembles.optical_depth" = 100 }
[infer]
samples = 400
warmup = 150
[infer.priors."noise.gamma_tilde"]
normal = ["0.25 /ms", "0.05 /ms"]
[infer.priors."ensembles.optical_depth"]
uniform = [20, 120]
"""


@pytest.mark.parametrize(
    ("prior", "other"),
    [
        (Prior("normal", 5.0, 2.0, -np.inf, np.inf), stats.norm(5, 2)),
        (Prior("normal", 1.0, 2.0, 0.0, np.inf), stats.truncnorm(-0.5, np.inf, 1, 2)),
        (Prior("normal", 0.8, 0.3, 0.0, 1.0), stats.truncnorm(-0.8 / 0.3, 0.2 / 0.3, 0.8, 0.3)),
        (Prior("normal", 0.0, 3.0, 0.0, np.inf), stats.halfnorm(0, 3)),
        (Prior("uniform", -1.0, 4.0, -1.0, 4.0), stats.uniform(-1, 5)),
        (Prior("lognormal", 100.0, 2.0, 0.0, np.inf), stats.lognorm(np.log(2), scale=100)),
    ],
)
def test_priors_are_those_of_scipy(prior, other):
    """Quantiles at standard normal numbers, and densities up to a constant."""
    u = np.array([-3.0, -1.0, -0.2, 0.0, 0.7, 2.5])
    p = np.asarray(prior.value(jnp.asarray(u)))
    assert p == pytest.approx(other.ppf(stats.norm.cdf(u)), rel=1e-9)
    difference = np.asarray(prior.log_density(p)) - other.logpdf(p)
    assert difference == pytest.approx(np.full(len(u), difference[0]), abs=1e-8)
    assert prior.median == pytest.approx(other.median(), rel=1e-9)
    slope = jax.vmap(jax.grad(lambda x: prior.value(x)))(jnp.asarray(u))
    assert np.isfinite(np.asarray(slope)).all() and (np.asarray(slope) > 0).all()


def test_priors_stay_inside_far_out():
    prior = Prior("normal", 0.8, 0.3, 0.0, 1.0)
    ends = np.asarray(prior.value(jnp.array([-50.0, 50.0])))
    assert ends == pytest.approx([0.0, 1.0], abs=1e-6) and (ends >= 0).all() and (ends <= 1).all()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("infer"), STUDY, xi=simulated("a", times=TIMES))


@pytest.fixture(scope="module")
def found(study):
    return infer(study)


@pytest.mark.slow
def test_the_posterior_is_that_of_a_grid(found):
    """Second route: prior times likelihood on 121 x 121 points; 1600 draws give means to some 3 % of the widths."""
    problem = found.posterior.problem
    likelihood = problem.likelihood
    gamma, depth = np.linspace(60, 400, 121), np.linspace(20, 120, 121)
    points = np.stack(np.meshgrid(gamma, depth, indexing="ij"), axis=-1).reshape(-1, 2)
    predicted = np.asarray(jax.jit(jax.vmap(lambda v: likelihood.predicted(v)[0]))(jnp.asarray(points)))
    chi = (((likelihood.values - predicted) / likelihood.errors) ** 2).sum(axis=1)
    weight = np.exp(-chi / 2 + chi.min() / 2) * stats.norm(250, 50).pdf(points[:, 0])
    mean = weight @ points / weight.sum()
    covariance = (weight[:, None] * (points - mean)).T @ (points - mean) / weight.sum()
    sigma = np.sqrt(np.diag(covariance))
    assert list(found.means.values()) == pytest.approx(mean, abs=0.15 * sigma.min())
    assert list(found.deviations.values()) == pytest.approx(sigma, rel=0.1)
    correlation = np.corrcoef(found.posterior.flat.T)[0, 1]
    assert correlation == pytest.approx(covariance[0, 1] / np.prod(sigma), abs=0.05)


@pytest.mark.slow
def test_chains_agree_and_everything_is_told(found, tmp_path):
    p = found.posterior
    assert found.outcome is Outcome.ok
    assert (p.r_hat < 1.01).all() and (p.effective > 300).all() and p.diverging.sum() == 0
    assert 0.01 < p.chance < 0.99
    text = str(found)
    assert "noise.gamma_tilde" in text and "R-hat" in text and "predicted d = 100" in text and "outcome" in text
    paths = found.save(tmp_path)
    names = ["posterior.nc", "corner.png", "corner.pdf", "posterior.png", "posterior.pdf", "posterior.csv"]
    assert [path.name for path in paths] == names
    with xr.open_dataset(paths[0], engine="h5netcdf") as data:
        assert data["noise.gamma_tilde"].dims == ("chain", "draw")
        assert data["noise.gamma_tilde"].attrs["units"] == "1/s"
        assert float(data["noise.gamma_tilde"].mean()) == pytest.approx(found.means["noise.gamma_tilde"])
        assert {"chi_squared", "diverging", "r_hat", "predicted", "curve_median"} <= set(data.data_vars)
        assert "normal" in data.attrs["priors"]
    assert paths[-1].read_text().startswith("parameter,unit,mean")


@pytest.mark.slow
def test_posterior_predictive_holds_the_data(found):
    """The data lie within predicted +- noise as often as they should: 8 points, standard deviation near 1."""
    p = found.posterior
    likelihood = p.problem.likelihood
    spread = np.sqrt(p.predicted.var(axis=0) + likelihood.errors**2)
    assert (np.abs(likelihood.values - p.predicted.mean(axis=0)) / spread).max() < 3.5


@pytest.mark.slow
def test_the_gaussian_limit_is_the_fit(tmp_path):
    """Small errors and flat priors: posterior means and widths are best values and standard errors of the fit."""
    text = STUDY.replace('normal = ["0.25 /ms", "0.05 /ms"]', 'uniform = ["0 /s", "1 /ms"]')
    path = write_study(tmp_path, text, xi=simulated("a", sigma=0.001, times=TIMES))
    best, posterior = fit(path), infer(path)
    sigma = np.array(list(best.errors.values()))
    assert np.abs((np.array(list(posterior.means.values())) - list(best.values.values())) / sigma).max() < 0.15
    assert list(posterior.deviations.values()) == pytest.approx(sigma, rel=0.1)
    correlation = np.corrcoef(posterior.posterior.flat.T)[0, 1]
    assert correlation == pytest.approx(best.minimum.correlation[0, 1], abs=0.03)


@pytest.mark.slow
def test_the_lab_files_uncertainty_is_a_prior(tmp_path):
    """Without [infer.priors], and with data that say nothing, the posterior is the lab file's number."""
    text = STUDY[: STUDY.index("[infer.priors")].replace('[fit.free."noise.gamma_tilde"]\n', "")
    text = text.replace("[fit]", '[set]\n"ensembles.optical_depth" = "55 +- 2"\n[fit]')
    points = simulated("a", times=TIMES).replace(",0.01\n", ",100\n")
    found = infer(write_study(tmp_path, text, xi=points))
    assert found.means["ensembles.optical_depth"] == pytest.approx(55, abs=0.3)
    assert found.deviations["ensembles.optical_depth"] == pytest.approx(2, rel=0.1)


@pytest.mark.slow
def test_too_few_draws_are_not_believed(tmp_path):
    text = STUDY.replace("samples = 400\nwarmup = 150", "samples = 10\nwarmup = 10\nchains = 2")
    found = infer(write_study(tmp_path, text, xi=simulated("a", times=TIMES)))
    assert found.outcome is Outcome.not_converged
    assert "more warmup and samples" in str(found)


# ---- simulation-based calibration ----

ENOUGH = 1e-3
"""Chance below which a histogram of ranks counts as bent: two parameters, so one false alarm in 500."""


@pytest.mark.slow
def test_ranks_are_uniform():
    found = calibrate(small(), PRIORS, runs=100, seed=2)
    assert found.chance().min() > ENOUGH
    assert found.diverging < 0.01
    assert found.ranks.min() >= 0 and found.ranks.max() <= 63


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [{"sigma": 0.005}, {"rate": 4.0}])
def test_a_broken_likelihood_is_caught(wrong):
    """Errors halved; Gamma doubled."""
    assert calibrate(small(), PRIORS, runs=100, seed=2, assumed=small(**wrong)).chance().min() < ENOUGH


def test_the_histogram_and_its_chance():
    """40 runs in four bins as 10 10 10 10: chi^2 = 0; as 40 0 0 0: chi^2 = 120."""
    even = Calibration(("a",), 3, np.repeat(np.arange(4), 10)[:, None], 0.0)
    assert even.histogram(4).tolist() == [[10, 10, 10, 10]] and even.chance(4) == pytest.approx([1.0])
    odd = Calibration(("a",), 3, np.zeros((40, 1), int), 0.0)
    assert odd.chance(4) == pytest.approx([stats.chi2(3).sf(120)])
    with pytest.raises(ArgumentError, match="must divide 4"):
        even.histogram(3)
    with pytest.raises(ArgumentError, match="at least 2 runs"):
        calibrate(small(), PRIORS, runs=1)


# ---- input ----


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('noise.gamma_tilde"]\nnormal', 'noise.gama"]\nnormal', "noise.gama is no parameter of .*did you mean noise"),
        ('normal = ["0.25 /ms", "0.05 /ms"]', 'normal = ["0.25 /ms", "0 /ms"]', "the width of normal must be greater"),
        ('normal = ["0.25 /ms", "0.05 /ms"]', 'normal = ["0.25 /ms", "0.05"]', "normal = .* has no unit"),
        ('normal = ["0.25 /ms", "0.05 /ms"]', 'normal = ["0.25 /ms"]', "must have at least 2 entries, but has 1"),
        ('normal = ["0.25 /ms", "0.05 /ms"]', "", "noise.gamma_tilde has no uncertainty in the lab file; write one"),
        ('normal = ["0.25 /ms", "0.05 /ms"]', 'lognormal = ["0.2 /ms", 0.5]', "a plain factor above 1"),
        ("uniform = [20, 120]", "uniform = [120, 20]", "uniform needs its first number below its second"),
        ("uniform = [20, 120]", "uniform = [-20, 120]", "uniform = -20 must be at least 0"),
        ("uniform = [20, 120]", "uniform = [20, 120]\nhalfnormal = 3", "has uniform and halfnormal; give one of them"),
        ("uniform = [20, 120]", "unifrm = [20, 120]", "unifrm is not known here; did you mean uniform"),
        ("samples = 400", "samples = 4", "samples must be greater than or equal to 10"),
        ("samples = 400", "chains = 1", "chains must be greater than or equal to 2"),
        ("[fit]\n", "[fits]\n", "fits is not known in a study file; did you mean fit"),
        ("[infer]\n", "[infer.a]\n", "a is not known here"),
    ],
)
def test_bad_studies_are_refused_in_a_sentence(tmp_path, old, new, sentence):
    assert old in STUDY
    path = write_study(tmp_path, STUDY.replace(old, new, 1), xi=simulated("a", times=TIMES))
    with pytest.raises(InputError, match=sentence) as caught:
        read_inference(path)
    assert all("\n" not in p for p in caught.value.problems)


def test_the_command_refuses_in_a_sentence(tmp_path):
    path = write_study(tmp_path, STUDY.replace("xi.csv", "nothing.csv"))
    code, out, err = darkstate("infer", path)
    assert (code, out) == (2, "") and "nothing.csv" in err and err.count("\n") == 1


def test_priors_set_the_start(study):
    problem, priors, table = read_inference(study)
    assert problem.likelihood.start == pytest.approx([250.0, 70.0])
    assert (table.chains, table.samples, len(priors)) == (4, 400, 2)
