"""diff: planted changes come back, with their size in standard errors; nothing else does."""

import warnings

import numpy as np
import pytest
import xarray as xr

import darkstate as ds
from command import darkstate
from darkstate.errors import InputError
from darkstate.experiments.labfile import load, shipped_labs
from darkstate.records.calibration import calibration, save_calibration
from darkstate.report.diff import diff, diff_labs
from darkstate.storage import write_netcdf

LAB = shipped_labs()["krauter2011"]


def test_parameters_with_errors_in_the_units_of_the_file():
    """(2.65 - 2.50)/hypot(0.04, 0.03) = 3, (0.2 - 0.193)/0.005 = 1.4; the default of points is changed, too."""
    a = load(LAB, overrides=["drive.z=2.50(4)", "noise.gamma_tilde=0.193(5) /ms"])
    b = load(LAB, overrides=["drive.z=2.65(3)", "noise.gamma_tilde=0.2 /ms", "protocol.points=121"])
    found = diff_labs(a, b)
    by = {c.name: c for c in found.changes}
    assert set(by) == {"drive.z", "noise.gamma_tilde", "protocol.points"}
    assert by["drive.z"].sigmas == pytest.approx(3.0)
    assert by["drive.z"].texts == ("2.50(4)", "2.65(3)")
    assert by["noise.gamma_tilde"].sigmas == pytest.approx(1.4)
    assert by["noise.gamma_tilde"].texts == ("0.193(5) /ms", "0.2 /ms")
    assert by["protocol.points"].texts == ("241 (default)", "121") and by["protocol.points"].sigmas is None
    assert found.largest == pytest.approx(3.0)
    assert "3 of 28 values differ, by at most 3 standard errors" in str(found)


def test_cases_sections_and_second_cell():
    found = {c.name: c for c in diff(f"{LAB}:a", f"{LAB}:c").changes}
    assert found["pump.rate"].texts == ("0 /s (default)", "0.168 /ms")
    assert found["ensembles.optical_depth"].texts == ("55", "37")
    two = diff_labs(load(LAB), load(LAB, overrides=["second.ensembles.optical_depth=50(2)"]))
    assert [(c.name, c.texts) for c in two.changes] == [("second.ensembles.optical_depth", ("as ensemble I", "50(2)"))]


def test_no_difference_and_texts_alone(tmp_path):
    assert not diff(LAB, LAB)
    assert "no difference: 28 values compared" in str(diff(LAB, "krauter2011"))
    copy = tmp_path / "krauter2011.toml"
    copy.write_text(LAB.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")
    assert "the texts of the files differ, the numbers do not" in str(diff(LAB, copy))


def dataset(folder, name, xi, **more):
    t = np.array([0.0, 1.0, 2.0, 3.0])[: len(xi)]
    data = {"xi": ("t", xi), "xi_err": ("t", np.full(len(xi), 0.03)), "outcome": ((), more.pop("outcome", 0))}
    made = xr.Dataset(data, coords={"t": t}, attrs={"lab_digest": "sha256:1", "created": name, **more})
    return write_netcdf(folder / name, made)


def test_results_in_errors(tmp_path):
    """0.1/hypot(0.03, 0.03) = 2.357 at t = 2; nan at one place in both is no difference."""
    a = dataset(tmp_path, "a.nc", [1.0, np.nan, 0.8, 0.9])
    b = dataset(tmp_path, "b.nc", [1.0, np.nan, 0.9, 0.95], outcome=1, overrides="drive.z=2")
    found = diff(a, b)
    by = {c.name: c for c in found.changes}
    assert set(by) == {"xi", "outcome"}
    assert by["xi"].sigmas == pytest.approx(0.1 / np.hypot(0.03, 0.03))
    assert by["xi"].texts == ("0.8", "0.9") and by["xi"].note == "largest, at t = 2.0"
    assert by["outcome"].sigmas is None
    assert [(c.name, c.texts) for c in found.provenance] == [("overrides", ("-", "drive.z=2"))]
    assert not diff(a, a)


def test_the_place_shown_is_the_place_of_the_standard_errors(tmp_path):
    """0.5 with errors of 1 at t = 0 is 0.35 standard errors, 0.01 with errors of 0.001 at t = 1 is 7.07."""
    files = []
    for name, xi in (("a.nc", [1.0, 1.0]), ("b.nc", [1.5, 1.01])):
        data = {"xi": ("t", xi), "xi_err": ("t", [1.0, 0.001])}
        files.append(write_netcdf(tmp_path / name, xr.Dataset(data, coords={"t": [0.0, 1.0]})))
    (change,) = diff(*files).changes
    assert change.sigmas == pytest.approx(0.01 / np.hypot(0.001, 0.001))
    assert change.texts == ("1", "1.01") and change.note == "largest, at t = 1.0"


def test_points_that_are_no_results_are_not_compared(tmp_path):
    files = []
    for name, xi in (("a.nc", [1.0, 5.0]), ("b.nc", [1.1, 9.0])):
        data = {"xi": ("t", xi), "outcome": ("t", [0, 1])}
        files.append(write_netcdf(tmp_path / name, xr.Dataset(data, coords={"t": [0.0, 1.0]})))
    (change,) = diff(*files).changes
    assert change.texts == ("1", "1.1") and "not ok in both" in str(diff(*files))


def test_results_with_other_labels_and_variables(tmp_path):
    a = dataset(tmp_path, "a.nc", [1.0, 0.9, 0.8, 0.9])
    b = dataset(tmp_path, "b.nc", [1.0, 0.7])
    found = diff(a, b)
    by = {c.name: c for c in found.changes}
    assert by["t"].texts == ("4 labels, 0.0 to 3.0", "2 labels, 0.0 to 1.0")
    assert by["xi"].texts == ("0.9", "0.7")
    assert "left out" in str(found)
    more = xr.open_dataset(a, engine="h5netcdf").load().assign(extra=1.0)
    assert {c.name: c.texts for c in diff(a, write_netcdf(tmp_path / "c.nc", more)).changes} == {
        "extra": ("-", "there")
    }


def test_predictions_in_netcdf_and_zarr(tmp_path):
    """The same prediction in two formats; another Z moves xi."""
    first = ds.predict(load(LAB)).to_dataset()
    paths = [write_netcdf(tmp_path / "one.nc", first), tmp_path / "one.zarr"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names of axes as text are no part of the specification of Zarr 3
        first.to_zarr(paths[1], consolidated=False)
    assert not diff(*paths)
    other = write_netcdf(tmp_path / "two.nc", ds.predict(load(LAB, overrides=["drive.z=2.4"])).to_dataset())
    found = diff(paths[0], other)
    assert "xi" in {c.name for c in found.changes} and [c.name for c in found.provenance] == ["overrides"]


def test_calibrations(tmp_path):
    """(0.97 - 0.96)/hypot(0.003, 0.004) = 2."""
    known = {"z": 2.5, "gamma": (270.0, 1.0), "kappa2_duration": 1e-3, "efficiency": 0.84}
    a = save_calibration(calibration(kappa2=(0.95, 0.003), **known), tmp_path / "a.toml")
    b = save_calibration(calibration(kappa2=(0.96, 0.004), gamma_dark=25.0, **known), tmp_path / "b.toml")
    found = diff(a, b)
    by = {c.name: c for c in found.changes}
    assert set(by) == {"kappa2", "gamma_dark"}
    assert by["kappa2"].sigmas == pytest.approx(2.0)
    assert by["gamma_dark"].texts[0] == "-"


def certificate(folder, name, value):
    """Two certificates of one simulated record, read at different times."""
    changes = ["drive.rate=0.01 /ms", "noise.gamma_tilde=0.55 /ms", "acquisition.carrier=64 kHz"]
    lab = load(
        shipped_labs()["muschik2013-monitored"], case="x1", overrides=[*changes, "acquisition.sample_rate=200 kHz"]
    )
    record = ds.simulate_lab(lab, cycles=100, duration=2e-3, seed=1)
    made = ds.certify(record, lab, at=value, method="unconditional")
    return made.save(folder / name), made


def test_certificates(tmp_path):
    (a, one), (b, other) = certificate(tmp_path, "a.json", 0.0), certificate(tmp_path, "b.json", 1e-3)
    found = {c.name: c for c in diff(a, b).changes}
    x, y = one.content["claim"], other.content["claim"]
    error = np.hypot(np.hypot(x["statistical"], x["systematic"]), np.hypot(y["statistical"], y["systematic"]))
    assert found["claim.value"].sigmas == pytest.approx((y["value"] - x["value"]) / error)
    assert found["method.start_s"].texts == ("0.0", "0.001")
    assert not diff(a, a)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("krauter2011", "a.nc", "krauter2011 is a lab file and a.nc a result; compare two files of one kind"),
        ("krauter2011", "huang2018", "krauter2011 describes cesium_cells and huang2018 spin_mechanics"),
        ("krauter2011:d", "krauter2011", '"d" is no case of'),
        ("krauter2010", "krauter2011", "krauter2010 does not exist; did you mean krauter2011?"),
        ("study.toml", "krauter2011", "study.toml is a study file; compare the lab files"),
        ("table.csv", "krauter2011", "table.csv is of no kind that can be compared; the endings are .toml, .json, .nc"),
        ("broken.nc", "a.nc", "broken.nc cannot be opened as a result"),
    ],
)
def test_what_cannot_be_compared(tmp_path, monkeypatch, first, second, said):
    monkeypatch.chdir(tmp_path)
    dataset(tmp_path, "a.nc", [1.0])
    (tmp_path / "study.toml").write_text('lab = "krauter2011"\n')
    (tmp_path / "table.csv").write_text("a,b\n")
    (tmp_path / "broken.nc").write_bytes(b"not HDF5")
    with pytest.raises(InputError) as refused:
        diff(first, second)
    assert len(refused.value.problems) == 1 and said in refused.value.problems[0]


def test_command():
    code, out, err = darkstate("diff", "krauter2011:a", "krauter2011:b")
    assert (code, err) == (0, "") and "ensembles.optical_depth  55  35" in out
    code, _, err = darkstate("diff", "krauter2011", "nowhere.nc")
    assert code == 2 and "nowhere.nc does not exist" in err
