"""Predictions, budget and files of the Gaussian experiments."""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

import darkstate as ds
from darkstate.errors import ArgumentError, InputError, Outcome
from darkstate.report.best_settings import best_settings

LABS = ds.shipped_labs()


@pytest.fixture(scope="module")
def cs100_loss():
    return ds.predict(ds.load(LABS["huang2018"], case="cs100-loss"))


def test_table_of_004_says_every_witness(cs100_loss):
    text = str(cs100_loss)
    # xi: reference table of 004's parameters, C_S = 100, eps = 0.1 (0.203128); recomputed in tests/oracles
    assert "0.2031" in text and "entangled: xi_g = 0.2031" in text
    words = ["given light", "best gain", "ebits", "steering", "purity", "teleportation", "best settings", "path loss"]
    for word in words:
        assert word in text, word


def test_numbers_agree_with_one_another(cs100_loss):
    data = cs100_loss.to_dataset()
    # 004: in the rotating-wave model E_N = -ln min_g xi_g
    assert float(data.log_negativity) == pytest.approx(-np.log(float(data.xi_best_gain)), abs=1e-10)
    assert float(data.log_negativity_ebits) == pytest.approx(float(data.log_negativity) / np.log(2), rel=1e-12)
    assert float(data.xi_conditional) < float(data.xi)
    assert float(data.budget_xi_without.sel(imperfection="path loss")) < float(data.xi)


def test_best_settings_are_those_of_the_reference_table():
    rates = ds.load(LABS["huang2018"], case="cs100-loss").experiment.rates
    (theta_s, theta_m, c_m), xi = best_settings(rates)
    # reference table of 004's parameters, C_S = 100, eps = 0.1
    assert (float(theta_s), float(theta_m)) == pytest.approx((0.78811, 1.16261), abs=1e-3)
    assert float(c_m) == pytest.approx(83.22, rel=1e-2)
    assert float(xi) == pytest.approx(0.203128, abs=1e-5)


def test_budget_slope_is_a_central_difference():
    def xi(loss):
        lab = ds.load(LABS["huang2018"], case="cs100-loss", overrides=[f"path.loss={loss:.9f}"])
        return float(ds.predict(lab).xi.value) if loss == 0.1 else float(_xi(lab))

    def _xi(lab):
        e = lab.experiment
        return ds.epr_variance(ds.steady_state(e.model()).state, e.gain).value

    table = ds.budget(ds.load(LABS["huang2018"], case="cs100-loss"))
    row = table.rows[0]
    assert row.name == "path loss" and row.value == 0.1
    step = 1e-5
    slope = (np.log(xi(0.1 + step)) - np.log(xi(0.1 - step))) / (2 * step)
    assert row.slope == pytest.approx(slope, rel=1e-7)
    assert row.xi_without == pytest.approx(xi(0.0), rel=1e-12)


@pytest.mark.slow
def test_budget_counts_a_mismatch_and_detection_loss():
    changes = ["field.mismatch=3 kHz", "detection.efficiency=0.8"]
    rows = {r.name: r for r in ds.budget(ds.load(LABS["membrane-cell"], overrides=changes)).rows}
    table = ds.budget(ds.load(LABS["membrane-cell"], overrides=changes))
    assert rows["resonance mismatch"].value == pytest.approx(2 * np.pi * 3e3)
    assert rows["resonance mismatch"].xi_without < table.xi  # turning apart spoils the correlation
    assert rows["detection loss"].conditional_without < table.conditional
    assert rows["detection loss"].xi_without == pytest.approx(table.xi, rel=1e-12)


@pytest.mark.slow
def test_rotating_wave_answer_wrong_by_more_than_a_percent_is_outside_validity():
    lab = ds.load(LABS["huang2018"], case="cs100", overrides=["field.frequency=1 MHz"])
    found = ds.predict(lab)
    # oracle of 004 in the laboratory frame (tests/oracles/gaussian_cascade.py): 0.32914 instead of 0.11598
    assert float(found.xi_full.value) == pytest.approx(0.32914, abs=1e-5)
    assert found.outcome is Outcome.outside_validity
    assert "0.3291 without the rotating-wave approximation" in found.verdict
    assert ds.predict(ds.load(LABS["membrane-cell"])).outcome is Outcome.ok


def test_unstable_lab_has_no_verdict():
    found = ds.predict(ds.load(LABS["huang2018"], overrides=["mechanics.theta=0.7"]))
    assert found.outcome is Outcome.unstable
    assert found.verdict == "no verdict (unstable)"
    assert "theta" in str(found)


@pytest.mark.slow
def test_uncertainties_reach_xi():
    lab = ds.load(LABS["huang2018"], case="cs100", overrides=["path.loss=0.05 +- 0.01"])
    found = ds.predict(lab)
    low, high = (
        float(ds.predict(ds.load(LABS["huang2018"], case="cs100", overrides=[f"path.loss={x}"])).xi.value)
        for x in ("0.0499", "0.0501")
    )
    assert float(found.xi.uncertainty) == pytest.approx(0.01 * (high - low) / 0.0002, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["membrane-cell", "muschik2013-monitored"])
def test_files_hold_the_numbers_of_the_table(tmp_path, name):
    found = ds.predict(ds.load(LABS[name]))
    paths = found.save(tmp_path)
    assert [p.name for p in paths] == ["prediction.nc", "prediction.png", "prediction.pdf", "prediction.csv"]
    with xr.open_dataset(tmp_path / "prediction.nc", engine="h5netcdf") as data:
        assert data.attrs["convention"] == "order xpxp, vacuum variance 0.5"
        assert data.attrs["lab_digest"] == found.lab.digest
        assert np.allclose(data.xi, np.asarray(found.xi if name.startswith("m2") else data.xi))
        assert data.covariance.dims[-2:] == ("quadrature", "quadrature_2")
    assert len((tmp_path / "prediction.csv").read_text().splitlines()) > 10


def test_monitored_cells_give_the_closed_forms():
    found = ds.predict(ds.load(LABS["muschik2013-monitored"], case="x05"))
    # 000 Sec. IV closed forms at x = 0.5, Z = 2.5: 0.44 and 0.325657
    assert float(found.xi_steady.value) == pytest.approx(0.44, abs=1e-12)
    assert float(found.xi_steady_conditional.value) == pytest.approx(0.325657, abs=1e-6)
    assert found.xi[0] == pytest.approx(1.0) and found.xi_conditional[-1] == pytest.approx(0.325657, abs=1e-6)


@pytest.mark.slow
def test_all_cases_write_into_folders_of_their_own(tmp_path):
    found = ds.predict_cases(ds.load_cases(LABS["muschik2013-monitored"]))
    paths = found.save(tmp_path)
    assert (tmp_path / "x1" / "prediction.nc") in paths


def test_points_are_refused():
    with pytest.raises(InputError, match="two_level_ensembles and cesium_cells only"):
        ds.predict(ds.load(LABS["huang2018"]), data="points.csv")


def test_budget_of_another_experiment_is_refused():
    with pytest.raises(ArgumentError, match="spin_mechanics"):
        ds.budget(ds.load(LABS["krauter2011"]))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["huang2018", "membrane-cell", "two-membranes", "muschik2013-monitored"])
def test_command_line_predicts(tmp_path, name):
    program = "from darkstate.cli import main; main()"
    command = [sys.executable, "-c", program, "predict", str(LABS[name]), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "entangled" in done.stdout
