"""Predictions: uncertainties against Monte Carlo, measured points, files and their contents."""

import numpy as np
import pytest
import xarray as xr

import darkstate as ds
from darkstate.backend import jax, jnp
from darkstate.errors import InputError

KRAUTER = ds.shipped_labs()["krauter2011"]
SIGMAS = ['ensembles.optical_depth="55 +- 2"', 'noise.gamma_tilde="0.193(5) /ms"', 'drive.z="2.50(4)"']


@pytest.fixture(scope="module")
def uncertain():
    return ds.predict(ds.load(KRAUTER, overrides=SIGMAS))


def test_uncertainty_equals_monte_carlo(uncertain):
    """Second route: draw the inputs, solve each draw. The band is first order; 4000 draws give its width to 1.2 %."""
    lab = uncertain.lab
    keys, sigmas = list(lab.uncertainties), np.array(list(lab.uncertainties.values()))
    # 0.005 /ms and 0.04 as typed above
    assert dict(zip(keys, sigmas, strict=True)) == pytest.approx(
        {"ensembles.optical_depth": 2.0, "noise.gamma_tilde": 5.0, "drive.z": 0.04}
    )
    centre = np.array([55.0, 193.0, 2.5])[
        [["ensembles.optical_depth", "noise.gamma_tilde", "drive.z"].index(k) for k in keys]
    ]
    draws = centre + sigmas * np.random.default_rng(7).standard_normal((4000, 3))
    times = jnp.asarray(uncertain.times[::40])

    @jax.jit
    @jax.vmap
    def xi(values):
        model = ds.with_values(lab.experiment, dict(zip(keys, values, strict=True))).model()
        method = ds.MomentEquations(substeps=16)
        return ds.epr_variance(ds.evolve(model, times, method=method, throw=False).state).value

    spread = np.asarray(xi(jnp.asarray(draws))).std(axis=0)[1:]
    assert uncertain.xi.uncertainty[::40][1:] == pytest.approx(spread, rel=0.05)


def test_steady_uncertainty_equals_monte_carlo(uncertain):
    lab, keys = uncertain.lab, list(uncertain.lab.uncertainties)
    centre = {"ensembles.optical_depth": 55.0, "noise.gamma_tilde": 193.0, "drive.z": 2.5}
    noise = np.random.default_rng(8).standard_normal((20_000, 3))
    draws = np.array([centre[k] for k in keys]) + noise * np.array([lab.uncertainties[k] for k in keys])
    steady = jax.jit(
        jax.vmap(
            lambda v: (
                ds.epr_variance(
                    ds.steady_state(
                        ds.with_values(lab.experiment, dict(zip(keys, v, strict=True))).model(), throw=False
                    ).state
                ).value
            )
        )
    )
    assert float(uncertain.steady_xi.uncertainty) == pytest.approx(float(np.std(steady(jnp.asarray(draws)))), rel=0.03)


def test_no_uncertainty_means_no_band():
    prediction = ds.predict(ds.load(KRAUTER))
    assert prediction.xi.uncertainty is None
    assert "+-" not in str(prediction)


def test_verdict_counts_standard_errors(uncertain):
    minimum = uncertain.minimum
    sigmas = (1 - float(minimum.value)) / float(minimum.uncertainty)
    assert f"{sigmas:.1f} standard errors" in uncertain.verdict


def test_points_give_chi_squared(tmp_path, uncertain):
    """Points put two standard errors off the curve give 4 per point."""
    curve = np.interp([2e-3, 10e-3, 20e-3], uncertain.times, uncertain.xi.value)
    rows = "\n".join(f"{t},{x + 2 * 0.01},0.01" for t, x in zip([2, 10, 20], curve, strict=True))
    file = tmp_path / "points.csv"
    file.write_text(f"# three made-up points\nt_ms,xi,xi_err\n{rows}\n")
    prediction = ds.predict(ds.load(KRAUTER), data=file)
    chi = prediction.points.chi_squared(prediction.times, prediction.xi.value)
    # three degrees of freedom: P(chi^2 > 12) = 0.0073832, Abramowitz and Stegun Eq. 26.4.4
    assert chi == pytest.approx(12.0, abs=1e-3)
    assert prediction.points.chance(chi) == pytest.approx(0.0073832, abs=2e-6)
    assert "chi^2         12.00 for 3 points, p = 0.0074; the band is not counted" in str(prediction)
    assert "the points do not agree with this prediction" in str(prediction)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no data"),
        ("t_ms,xi\n1,1\n", "needs one each of the columns"),
        ("t_ms,xi,xi_error\n1,1,1\n", "'xi_error' is not known"),
        ("t_ms,xi,xi_err\n", "holds no points"),
        ("t_ms,xi,xi_err\n1,one,0.1\n", "xi = 'one' is not a finite number"),
        ("t_ms,xi,xi_err\n1,nan,0.1\n", "xi = 'nan' is not a finite number"),
        ("t_ms,xi,xi_err\n1,1\n", "has 2 values"),
        ("t_ms,xi,xi_err\n1,1,0\n", "greater than 0"),
        ("t_ms,xi,xi_err\n61,1,0.1\n", "between 0 and 0.06 s"),
        ("\x00\x01", "not known"),
    ],
)
def test_bad_points_are_refused_in_a_sentence(tmp_path, text, sentence):
    file = tmp_path / "points.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=sentence) as caught:
        ds.predict(ds.load(KRAUTER), data=file)
    assert all(problem.startswith(str(file)) and "\n" not in problem for problem in caught.value.problems)


def test_missing_points_file():
    with pytest.raises(InputError, match="give a CSV file"):
        ds.predict(ds.load(KRAUTER), data="nowhere.csv")


def test_files_hold_what_was_predicted(tmp_path, uncertain):
    paths = uncertain.save(tmp_path)
    assert [p.name for p in paths] == ["prediction.nc", "prediction.png", "prediction.pdf", "prediction.csv"]
    with xr.open_dataset(paths[0], engine="h5netcdf") as data:
        assert data.xi.dims == ("t",)
        assert data.t.attrs["units"] == "s"
        np.testing.assert_array_equal(data.xi, uncertain.xi.value)
        np.testing.assert_array_equal(data.xi_err, uncertain.xi.uncertainty)
        assert {"polarization", "up", "down", "h"} <= set(data.data_vars)
        np.testing.assert_allclose(data.up + data.down + data.h, 1.0, atol=1e-12)
        assert data.attrs["lab_digest"] == uncertain.lab.digest
        assert data.attrs["source"] == "krauter2011.toml"
        assert data.attrs["overrides"] == "; ".join(SIGMAS)
    table = np.genfromtxt(paths[3], delimiter=",", skip_header=1, usecols=(2, 3))
    np.testing.assert_allclose(table[: len(uncertain.times), 1], uncertain.xi.value, rtol=1e-11)
    assert paths[1].read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert paths[2].read_bytes()[:5] == b"%PDF-"


def test_same_lab_file_same_numbers_to_the_bit(uncertain):
    again = ds.predict(ds.load(KRAUTER, overrides=SIGMAS))
    np.testing.assert_array_equal(again.xi.value, uncertain.xi.value)
    np.testing.assert_array_equal(again.xi.uncertainty, uncertain.xi.uncertainty)


def test_cases_share_one_dataset(tmp_path):
    predictions = ds.predict_cases(ds.load_cases(KRAUTER))
    data = predictions.to_dataset()
    assert data.xi.dims == ("case", "t")
    assert list(data.case.values) == ["a", "b", "c"]
    np.testing.assert_array_equal(data.xi.sel(case="c"), predictions.cases["c"].xi.value)
    assert len(predictions.save(tmp_path)) == 4


def test_bad_outcome_is_told_not_hidden():
    """Atoms that leave and never return: the time evolution stands, the steady state is refused with its cure."""
    lab = ds.load(KRAUTER, overrides=["noise.collision_rate=0 /s"])
    text = str(ds.predict(lab))
    assert "steady state  unstable" in text
    assert "give the lost atoms a way back" in text


def test_explain_ends_in_the_number_of_the_steady_state():
    for name in ("krauter2011", "muschik2011", "muschik2013"):
        lab = ds.load(ds.shipped_labs()[name])
        xi = float(ds.epr_variance(ds.steady_state(lab.experiment.model()).state).value)
        assert ds.explain("xi", lab).endswith(f" = {xi:.6g}")


def test_explain_refuses_an_unknown_quantity():
    with pytest.raises(InputError, match="did you mean 'polarization'"):
        ds.explain("polarisation", ds.load(KRAUTER))


def test_a_new_lab_file_predicts_what_its_model_does(tmp_path, monkeypatch):
    from darkstate.experiments.template import write_new

    monkeypatch.chdir(tmp_path)
    fresh = ds.predict(ds.load(write_new("ours", "cesium_cells")))
    np.testing.assert_array_equal(fresh.xi.value, ds.predict(ds.load(KRAUTER, case="a")).xi.value)


def test_unequal_cells_are_told_their_best_gain():
    lab = ds.load(KRAUTER, overrides=["second.ensembles.optical_depth=20"])
    prediction = ds.predict(lab)
    gain, xi_g = prediction.best_gain
    assert gain > 1.1 and xi_g < prediction.window.minimum
    assert f"g = {gain:.3g} of ensemble II gives xi_g = {xi_g:.4f}" in str(prediction)


def test_a_path_is_not_a_lab():
    with pytest.raises(ds.ArgumentError, match="must come from darkstate.load"):
        ds.predict("labs/krauter2011.toml")
