"""plan: shares of the inputs against differences and drawing, cycles against brute force and the digital twin."""

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import minimize_scalar

import darkstate as ds
from command import darkstate
from darkstate.backend import jax, jnp
from darkstate.errors import InputError, Outcome
from darkstate.experiments.values import with_values
from darkstate.gaussian.input_output import readout
from darkstate.records.calibrate import calibrate
from darkstate.records.calibration import Quantity, calibration
from darkstate.records.cells import Cells
from darkstate.records.estimate import estimate
from darkstate.records.statistics import Variance
from darkstate.report.plan import plan
from darkstate.report.recording import lab_calibration, simulate_lab, simulate_runs
from darkstate.report.shot_plan import plan_shots
from darkstate.studies.calibration_error import RECORDS, Runs, decay_error, transfer_error
from darkstate.studies.division import divided
from darkstate.studies.plan import Advice, Input, advise
from darkstate.studies.quantities import QUANTITIES, evaluator
from darkstate.studies.shots import Apparatus, course, shots

TWIN = [
    "drive.rate=0.01 /ms",
    "noise.gamma_tilde=0.55 /ms",
    "detection.efficiency=0.84",
    "acquisition.carrier=64 kHz",
    "acquisition.sample_rate=200 kHz",
    "protocol.duration=5 ms",
]
"""A fast apparatus: gamma_s = gamma_extra = 275 /s, xi = 0.585 after 4 ms, records of 1000 samples."""

STUDY = """lab = "krauter2011"
[set]
"drive.z" = "2.50(4)"
"noise.gamma_tilde" = "0.193(5) /ms"
[plan]
quantity = "xi_min"
sigmas = 100
[plan.calibrations]
"noise.gamma_tilde" = "1 /s"
"""


def shipped(name, **more):
    return ds.load(ds.shipped_labs()[name], **more)


def written(folder, text):
    path = folder / "next.toml"
    path.write_text(text)
    return path


def test_shares_against_differences_of_predictions():
    """Every share against (q(p + h) - q(p - h))/2h sigma of `predict`, which is another program."""
    lab = shipped("krauter2011", case="b", overrides=["drive.z=2.50(4)", "noise.gamma_tilde=0.193(5) /ms"])
    found = {i.key: i for i in advise(lab.experiment, "xi_end", lab.uncertainties).inputs}
    for key, value, h, unit in (("drive.z", 2.5, 1e-3, ""), ("noise.gamma_tilde", 193.0, 0.1, " /s")):
        ends = [shipped("krauter2011", case="b", overrides=[f"{key}={value + s * h}{unit}"]) for s in (1, -1)]
        high, low = (ds.predict(end).xi.value[-1] for end in ends)
        # h^2 of the second derivative, and the integrator's 1e-9
        assert found[key].slope == pytest.approx((high - low) / (2 * h), rel=1e-5)
    assert found["drive.z"].share == pytest.approx(abs(found["drive.z"].slope) * 0.04, rel=1e-12)


def test_error_against_drawn_inputs():
    """20 000 draws of the inputs: the standard deviation is known to 0.5 %; the second order adds less than that."""
    lab = shipped("krauter2011-steady")
    errors = {"drive.z": 0.02, "noise.gamma_tilde": 3.0, "drive.rate": 0.05}
    function = evaluator(lab.experiment, ("xi_inf",))
    values = np.array([ds.experiments.values.value_at(lab.experiment, k) for k in errors])
    drawn = values + np.random.default_rng(1).standard_normal((20_000, len(errors))) * list(errors.values())
    changed = jax.jit(jax.vmap(lambda v: function(with_values(lab.experiment, dict(zip(errors, v, strict=True))))[0]))
    spread = np.asarray(changed(jnp.asarray(drawn))["xi_inf"]).std()
    assert advise(lab.experiment, "xi_inf", errors).error == pytest.approx(spread, rel=0.02)


def test_quantity_that_is_entangled_above_its_bound():
    """E_N of a hybrid: its error from inputs by differences, its verdict counts upwards from 0."""
    e = shipped("huang2018").experiment
    errors = {"mechanics.decoherence": 2 * np.pi * 500, "path.loss": 0.01}
    e = with_values(e, {"path.loss": 0.05})
    found = advise(e, "log_negativity", errors)
    function = jax.jit(evaluator(e, ("log_negativity",)))
    total = 0.0
    for key, h in (("mechanics.decoherence", 1.0), ("path.loss", 1e-5)):
        value = ds.experiments.values.value_at(e, key)
        high, low = (function(with_values(e, {key: value + s * h}))[0]["log_negativity"] for s in (1, -1))
        total += (float(high - low) / (2 * h) * errors[key]) ** 2
    assert found.error == pytest.approx(np.sqrt(total), rel=1e-6)
    assert found.significance() == pytest.approx(found.value / np.sqrt(total), rel=1e-6)
    assert found.value > 0


def test_ranking_by_hand():
    """Shares 4 and 3 make 5; halving the first makes sqrt(4 + 9), both sqrt(4 + 2.25)."""
    xi = QUANTITIES["cesium_cells"]["xi_inf"]
    inputs = (Input("a", 1.0, 0.4, 0.2, -10.0), Input("b", 1.0, 3.0, 1.5, 1.0))
    advice = Advice("xi_inf", xi, -9.0, inputs, Outcome.ok)
    assert advice.error == pytest.approx(5.0)
    assert advice.significance() == pytest.approx(2.0)
    assert advice.significance((inputs[0],)) == pytest.approx(10 / np.sqrt(13))
    assert advice.enough(1.9) == ()
    assert advice.enough(2.7) == (inputs[0],)
    assert advice.enough(3.9) == inputs
    assert advice.enough(4.1) is None
    no_bound = Advice("t_min", QUANTITIES["cesium_cells"]["t_min"], 1.0, inputs, Outcome.ok)
    assert no_bound.significance() is None and no_bound.enough(1.0) is None


def test_division_of_cycles_against_a_scan():
    """Two kinds of cycles and one held at its fewest: the cost against a minimum over one free number."""
    terms, room = np.array([[1.3], [0.4], [0.01]]), np.array([0.02])
    n, m, c = divided(terms, room)[:, 0]
    assert c == 20.0  # sqrt(0.01/7) (sqrt 1.3 + sqrt 0.4 + sqrt 0.07)/0.02 = 3.8 would do
    assert 1.3 / n + 0.4 / m + 0.01 / c == pytest.approx(0.02, rel=1e-12)
    left = 0.02 - 0.01 / 20
    scan = minimize_scalar(lambda x: x + 0.4 / (left - 1.3 / x), bounds=(1.01 * 1.3 / left, 1e3), method="bounded")
    assert n + m == pytest.approx(scan.fun, rel=1e-6)


def test_course_against_its_closed_form():
    """Constant rates: xi = steady + (1 - steady) exp(-2 gamma t), steady = (gamma_s/Z^2 + gamma_extra w)/gamma."""
    t, xi = course(Cells(z=2.5, gamma_s=200.0, gamma_extra=100.0, bath=1.2), 8e-3)
    steady = (200 / 6.25 + 100 * 1.2) / 300
    np.testing.assert_allclose(xi, steady + (1 - steady) * np.exp(-600 * t), rtol=1e-12)


def test_errors_are_those_that_estimate_states():
    """The planned error against `estimate`, given variances as large and as well known as planned."""
    cells = Cells(z=2.5, gamma_s=200.0, gamma_extra=100.0, bath=1.1)
    errors = {"z": 0.03, "gamma": 3.0, "kappa2": 0.02, "efficiency": 0.02, "bath": 0.03, "shot_noise": 0.003}
    values = {"z": 2.5, "gamma": 300.0, "efficiency": 0.84, "bath": 1.1, "shot_noise": 1.0}
    values["kappa2"] = float(readout(2.5, 200.0, 100.0, 1e-3).kappa2)
    c = calibration(kappa2_duration=1e-3, **{n: Quantity(v, errors[n]) for n, v in values.items()})
    apparatus = Apparatus(cells, c, 8e-3, 0.0, 0.1, 100, 5e-5, None)
    best = shots(apparatus, 4.0, probe=1.5e-3, start=4e-3)
    windows = len(best.starts)
    assert windows == 2 + 2  # two whole windows before 4 ms, two from there on
    r = readout(2.5, 200.0, 100.0, 1.5e-3)
    ratio = 0.84 * (float(r.kappa2) * best.xi + float(r.light) + 1.1 * float(r.bath)) + 0.16
    n, m = best.cycles, best.shot_cycles
    stated = estimate(
        Variance(ratio + 0.1, 2 * (n - 1), n, 1.0),
        Variance(1.1, 2 * windows * (m - 1), m, 1.0),
        Variance(0.1, 2 * windows * 99, 100, 1.0),
        r,
        c,
        lit=4e-3,
        duration=1.5e-3,
        confidence=0.95,
        seed=1,
    )
    assert stated.xi == pytest.approx(best.xi, rel=1e-4)
    assert best.xi_err == pytest.approx(stated.xi_err, rel=1e-4)
    assert best.xi_sys == pytest.approx(stated.xi_sys, rel=1e-4)
    for name, share in best.budget.items():
        assert share == pytest.approx(abs(stated.budget[name]), rel=1e-3)
    assert 4.0 <= best.significance < 4.1


def test_no_other_window_needs_fewer_cycles():
    """Windows given by hand around the best one, and twice as many sigmas: four times the cycles of a perfect lab."""
    lab = shipped("muschik2013-monitored", case="x1", overrides=TWIN)
    best = plan_shots(lab, 6.0, runs=False)
    for probe, start in ((0.6, 1.0), (1.5, 1.0), (1.0, 0.8)):
        other = plan_shots(lab, 6.0, probe=best.probe * probe, start=min(best.start * start, 5e-3 - best.probe * probe))
        assert other.total >= best.total
    # the lab file has no uncertainty, so err^2 ~ 1/cycles; whole numbers of cycles round by one or two
    assert plan_shots(lab, 12.0, runs=False).total == pytest.approx(4 * best.total, rel=0.01)
    assert best.calibration_share == pytest.approx(1 - best.cycles / (best.cycles + best.shot_cycles))
    # m/n = 1/sqrt(windows of light in one cycle)
    assert best.shot_cycles / best.cycles == pytest.approx(1 / np.sqrt(len(best.starts)), rel=0.02)


@pytest.mark.slow
def test_planned_cycles_against_the_digital_twin():
    """300 records at the planned cycles: the spread is known to 4 %; cycles ~ 1/error^2, wanted within 20 %."""
    best = plan_shots(shipped("muschik2013-monitored", case="x1", overrides=TWIN), 5.0)
    changes = [f"acquisition.probe={best.probe!r} s", f"acquisition.cycles={best.cycles}"]
    changes.append(f"acquisition.shot_cycles={best.shot_cycles}")
    lab = shipped("muschik2013-monitored", case="x1", overrides=[*TWIN, *changes])
    known, k = lab_calibration(lab), int(np.argmin(np.abs(best.starts - best.start)))
    found = []
    for seed in range(300):
        record = simulate_lab(lab, seed=seed)
        made = ds.reconstruct(record, known, starts=best.starts, methods=("unconditional",))
        found.append(made.estimates["unconditional"][k])
    xi, stated = np.array([(e.xi, e.xi_err) for e in found]).T
    assert xi.mean() == pytest.approx(best.xi, abs=4 * best.xi_err / np.sqrt(300))
    assert stated.mean() == pytest.approx(best.xi_err, rel=0.02)
    assert xi.std(ddof=1) == pytest.approx(best.xi_err, rel=0.1)


@pytest.mark.slow
def test_calibration_runs_against_the_digital_twin():
    """gamma and kappa^2 from 40 simulated calibrations: their spread is known to 11 %, the errors they state to 3 %."""
    lab = shipped("muschik2013-monitored", case="x1", overrides=TWIN)
    given = lab_calibration(lab)
    runs = Runs(2.5, 275.0, 275.0, 1.0, 25.0, 0.0, 0.84, 0.0, 20.0)
    found = [
        calibrate(list(simulate_runs(lab, cycles=80, seed=10**6 * (s + 1)).values()), given=given)[0] for s in range(40)
    ]
    for name, per_cycle in (("gamma", decay_error(runs)), ("kappa2", transfer_error(runs, 1e-3))):
        value, stated = np.array([(c[name].value, c[name].error) for c in found]).T
        planned = per_cycle / np.sqrt(80)
        assert stated.mean() == pytest.approx(planned, rel=0.1)
        assert value.std(ddof=1) == pytest.approx(planned, rel=0.34)  # three standard errors


def test_command_writes_table_figure_and_data(tmp_path):
    path = written(tmp_path, STUDY)
    code, out, err = darkstate("plan", path, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert "repeat noise.gamma_tilde: " in out
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"plan.nc", "plan.png", "plan.pdf", "plan.csv"}
    with xr.open_dataset(tmp_path / "out" / "plan.nc", engine="h5netcdf") as data:
        assert data.attrs["source"] == "krauter2011.toml"
        assert all("units" in v.attrs and "long_name" in v.attrs for v in data.data_vars.values())
        shares = dict(zip(data.input.values.tolist(), data.share.values.tolist(), strict=True))
    found = plan(path)
    assert shares == {i.key: i.share for i in found.advice.inputs}
    assert found.advice.inputs[0].better == 1.0


def test_no_verdict_outside_validity(tmp_path):
    """d/N = 0.2 is beyond its limit of 0.05 (solve/limits.py)."""
    changes = '"ensembles.atoms" = 1000\n"ensembles.optical_depth" = "200 +- 1"\n'
    text = str(plan(written(tmp_path, f'lab = "muschik2011"\n[set]\n{changes}[plan]\nquantity = "xi_inf"\n')))
    assert "no verdict (outside_validity)" in text and "stands" not in text and "wanted" not in text


def test_plan_with_shots(tmp_path):
    text = 'lab = "muschik2013-monitored"\ncase = "x1"\n[set]\n' + "".join(
        f'"{k}" = "{v}"\n' for k, v in (pair.split("=") for pair in TWIN)
    )
    text += '[plan]\nquantity = "xi_inf"\nsigmas = 5\n[plan.shots]\ncycle = "2 s"\n'
    found = plan(written(tmp_path, text))
    assert found.advice is None  # nothing in this lab file has an uncertainty
    total = found.shots.total
    assert total == found.shots.cycles + found.shots.shot_cycles + RECORDS * found.shots.run_cycles
    assert f"{total} show xi" in str(found) and f"{2 * total / 60:.2g} min" in str(found)
    assert len(found.save(tmp_path / "out")) == 4
    assert float(found.to_dataset().total_cycles) == total


REPEATED = '"noise.gamma_tilde" = "1 /s"'
SHOTS = "[plan.shots]\n{}\n[plan.calibrations]\n"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("xi_min", "xi_mim", ":6: quantity = 'xi_mim' is no quantity of cesium_cells; did you mean xi_min?"),
        ("sigmas = 100", "sigmas = 0", ":7: plan.sigmas must be greater than 0"),
        ("sigmas = 100", "sigma = 4", ":7: plan.sigma is not known here; did you mean sigmas?"),
        (REPEATED, '"noise.gamma_tild" = "1 /s"', ":9: noise.gamma_tild has no uncertainty in the lab file; did you"),
        (REPEATED, '"noise.gamma_tilde" = "9 /s"', ':9: noise.gamma_tilde = "9 /s" must be above 0 and below the'),
        (REPEATED, '"noise.gamma_tilde" = "1 Hz"', ':9: noise.gamma_tilde = "1 Hz" is an ordinary frequency, but a'),
        ("[plan.calibrations]\n", SHOTS.format("probe = 3"), ":9: probe = 3 has no unit"),
        ("[plan.calibrations]\n", SHOTS.format('probe = "1 s"'), ":8: [plan.shots]: a window of 1 s must last from"),
        ('"noise.gamma_tilde" = "0.193(5) /ms"', "", "has no uncertainty in the lab file; uncertain are drive.z"),
    ],
)
def test_what_cannot_be_planned(tmp_path, old, new, said):
    with pytest.raises(InputError) as refused:
        plan(written(tmp_path, STUDY.replace(old, new)))
    assert len(refused.value.problems) == 1
    assert said in refused.value.problems[0]


def test_a_verdict_no_cycles_can_give(tmp_path):
    """xi never below 1, and a calibration that is not good enough: both say what to do."""
    lab = shipped("muschik2013-monitored", case="x1", overrides=[*TWIN, "drive.z=1"])
    with pytest.raises(InputError, match="no number of cycles shows xi < 1"):
        plan_shots(lab, 3.0)
    lab = shipped("muschik2013-monitored", case="x1", overrides=[*TWIN, "detection.efficiency=0.84(30)"])
    with pytest.raises(InputError, match="efficiency has the largest share"):
        plan_shots(lab, 3.0)
    with pytest.raises(InputError, match="two_membranes|records are simulated for"):
        plan_shots(shipped("huang2018"), 3.0)


EXTREME = {
    "drive.rate": ("1e-9 /s", "1e150 /s"),
    "noise.gamma_tilde": ("0 /s", "1e12 /s", "550(500) /s"),
    "detection.efficiency": ("0", "1e-300", "0.5(49)"),
    "detection.electronic_noise": ("10", "1e12"),
    "protocol.duration": ("1 ns", "1e300 s"),
    "drive.z": ("1.0001", "1e150"),
    "acquisition.edge": ("1 us", "3 ms"),
    "acquisition.sample_rate": ("1 Hz", "1e15 Hz"),
    "noise.t2_dark": ("1e-300 s", "1e300 s"),
}


@pytest.mark.parametrize("key", EXTREME)
def test_extreme_labs_give_a_plan_or_one_sentence(key):
    """A plan keeps its promise; everything else is one sentence, never a number that is none."""
    for value in EXTREME[key]:
        lab = shipped("muschik2013-monitored", case="x1", overrides=[*TWIN, f"{key}={value}"])
        for runs in (True, False):
            try:
                best = plan_shots(lab, 3.0, runs=runs)
            except InputError as error:
                assert len(error.problems) == 1 and "nan" not in error.problems[0]
            else:
                assert best.significance >= 3.0 and best.total <= 1e12


def test_noise_of_the_detector_is_named():
    """Ten shot noises of electronics against a hundred cycles without light."""
    lab = shipped("muschik2013-monitored", case="x1", overrides=[*TWIN, "detection.electronic_noise=10"])
    with pytest.raises(InputError, match="the noise of 100 cycles without light has the largest share"):
        plan_shots(lab, 3.0)
