"""`rates`: every derived rate with formula, inputs and error; the command without JAX; the scan of the drive power."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

import darkstate as ds
from darkstate.atoms.beam import faraday_angle
from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError, Outcome
from darkstate.experiments.effective import Noise
from darkstate.experiments.labfile import load, load_cases, shipped_labs
from darkstate.experiments.two_cells import Segment, Timing, second_cell
from darkstate.experiments.values import value_at, with_values
from darkstate.report.power import power_scan

TABLE, PUMPED, YTTERBIUM = "krauter2011-lab", "muschik2011-cesium", "ytterbium-cells"
VAPOUR = ["density", "atoms", "optical_depth", "doppler_hz"]
LIGHT = ["intensity", "rabi", "nearest_detuning", "magnetic_field", "light_shift", "light_mismatch"]
LIGHT += ["zeeman_mismatch"]
OF_LIGHT = ["z", "floor", "mu", "nu", "gamma", "cooling", "heating", "up_to_h", "down_to_h", "h_to_up", "h_to_down"]
OF_LIGHT += ["leak", "rayleigh_up", "rayleigh_down", "rayleigh"]
PUMP = ["pump", "repump", "pump_up", "pump_h", "repump_up", "repump_down"]
TOTALS = ["total_cooling", "total_heating", "total_up_to_h", "total_down_to_h", "total_h_to_up", "total_h_to_down"]
TOTALS += ["dark", "transverse", "collective", "t2", "t1"]


def opened(name, *overrides, **choice):
    return load(shipped_labs()[name], overrides=overrides, **choice)


def keys(rates):
    return {title: [line.of.key for line in lines] for title, lines in rates.groups.items()}


# --- keys and values -------------------------------------------------------------------------------------------------


def test_keys_of_every_kind():
    assert keys(ds.rates(opened(TABLE))) == {
        "Vapour": VAPOUR,
        "Light": LIGHT,
        "Effective rates of the light": OF_LIGHT,
        "All light on": TOTALS,
    }
    pumped = keys(ds.rates(opened(PUMPED)))
    assert pumped["Pump and repump light"] == PUMP
    assert pumped["Vapour"] == VAPOUR[1:]  # the depth is given, not the density
    atom = keys(ds.rates(opened(YTTERBIUM)))
    assert "Vapour" not in atom
    three = {"up_to_h", "down_to_h", "h_to_up", "h_to_down", "leak"}  # of caesium, beside |up> and |down>
    assert atom["Effective rates of the light"] == [key for key in OF_LIGHT if key not in three]
    assert atom["All light on"] == ["total_cooling", "total_heating", "dark", "transverse", "collective", "t2"]
    effective = keys(ds.rates(opened("krauter2011")))
    assert effective == {"Couplings": ["z", "floor", "mu", "nu"], "All light on": TOTALS}


@pytest.mark.parametrize("name", [TABLE, PUMPED])
def test_values_follow_from_the_experiment(name):
    lab = opened(name)
    found, two = ds.rates(lab), second_cell(lab.experiment)
    for e, read in ((lab.experiment, "value"), (two, "second")):
        if e is not two or getattr(found["gamma"], read) is not None:
            value = {key: getattr(found[key], read) for lines in keys(found).values() for key in lines}
            total = e.cell.total
            assert value["total_cooling"] == total.cooling
            assert value["transverse"] == total.transverse
            assert value["collective"] == pytest.approx(value["optical_depth"] * value["gamma"], rel=1e-12)
            # mu^2 - nu^2 = 1, and the two names of every coupling agree
            assert value["mu"] ** 2 - value["nu"] ** 2 == pytest.approx(1, rel=1e-9)
            assert value["cooling"] == pytest.approx(value["mu"] ** 2 * value["gamma"], rel=1e-9)
            assert value["heating"] == pytest.approx(value["nu"] ** 2 * value["gamma"], rel=1e-9)
            assert value["floor"] == pytest.approx((value["mu"] - value["nu"]) ** 2, rel=1e-9)
            assert value["rayleigh"] == pytest.approx(value["rayleigh_up"] + value["rayleigh_down"], rel=1e-12)
            p = e.vapour.initial_up - (1 - e.vapour.initial_up)
            assert value["t2"] == pytest.approx(2 / (total.transverse + total.collective * p), rel=1e-12)


def test_t1_is_the_initial_slope_of_jx():
    """-<Jx>/(d<Jx>/dt) at t = 0 from the solved equations, by a one-sided difference of second order."""
    lab = opened(TABLE, 'laser.zeeman="neglected"')
    step = 1e-6
    moments = ds.evolve(lab.experiment.model(), [0.0, step, 2 * step]).state.moments
    jx = 4 * np.asarray(moments.up)[:, 0] + 3 * np.asarray(moments.down)[:, 0]
    slope = (-3 * jx[0] + 4 * jx[1] - jx[2]) / (2 * step)
    assert ds.rates(lab)["t1"].value == pytest.approx(-jx[0] / slope, rel=1e-6)


def test_light_shift_and_faraday_angle():
    """Of the drive, from the level oracle; the angle of a probe at -850 MHz, from the phases of circular light."""
    from oracles import atomic_levels as al

    lab = opened(TABLE)
    e, found = lab.experiment, ds.rates(lab)
    brute, omega2 = al.line_of(e.line), found["rabi"].value ** 2
    light = {"detuning_hz": 850e6, "polarization": "y"}
    for orientation, value in ((1, found["light_shift"].value), (-1, found["light_shift"].second)):
        up, down = ((4.0, orientation * m) for m in (4.0, 3.0))
        shift = [brute.light_shift(s, field=e.magnetic_field, **light) for s in (up, down)]
        assert value == pytest.approx(omega2 * (shift[0] - shift[1]), rel=1e-7)
    # splitting of I, (4, 4) - (4, 3), minus that of II, (4, -3) - (4, -4): by the light, and by the field alone
    both = [found["light_shift"].value, found["light_shift"].second]
    assert found["light_mismatch"].value == pytest.approx(sum(both) / (2 * np.pi), rel=1e-9)
    energy = {m: brute.ground.states(e.magnetic_field)[4.0, m][0] for m in (4.0, 3.0, -3.0, -4.0)}
    wanted = energy[4.0] - energy[3.0] - (energy[-3.0] - energy[-4.0])
    assert found["zeeman_mismatch"].value == pytest.approx(wanted, abs=1e-4)  # of levels at 1e10 Hz
    # half the difference of the phases -(N/A)(3 lambda^2/8 pi) gamma_LW s of both circular polarisations
    plus, minus = (brute.light_shift((4.0, 4.0), detuning_hz=-850e6, polarization=f"sigma{s}") for s in "+-")
    angle = abs(e.optical_depth * e.line.natural_width * (plus - minus) / 2)
    turned = faraday_angle(e.line, optical_depth=e.optical_depth, mean_spin=4.0, detuning_hz=-850e6)
    assert abs(turned) == pytest.approx(angle, rel=1e-9)


def test_light_pulls_cells_of_different_power_apart():
    """The mismatch is the sum of both light shifts, each in proportion to the power in its own cell."""
    plain = ds.rates(opened(TABLE))["light_shift"]
    found = ds.rates(opened(TABLE, "second.laser.power=4.2 mW"))
    assert found["light_shift"].second == pytest.approx(0.75 * plain.second, rel=1e-12)
    wanted = (plain.value + 0.75 * plain.second) / (2 * np.pi)
    assert found["light_mismatch"].value == pytest.approx(wanted, rel=1e-12)
    assert found["light_mismatch"].second is None  # it belongs to both


def test_unknown_keys_and_things_that_are_no_lab():
    with pytest.raises(ArgumentError, match="'Z' is no derived rate of krauter2011-lab, which has density, atoms"):
        ds.rates(opened(TABLE))["Z"]
    with pytest.raises(ArgumentError, match="must come from darkstate.load"):
        ds.rates("labs/krauter2011-lab.toml")


def test_ensemble_ii_is_shown_where_it_differs():
    two = ds.rates(opened(TABLE))
    assert two["gamma"].second != two["gamma"].value
    assert "ensemble II" in str(two)
    alike = ds.rates(opened(TABLE, 'laser.zeeman="neglected"'))
    assert "ensemble II" not in str(alike)
    own = ds.rates(opened("krauter2011", "second.drive.rate=3 /s"))
    assert own["collective"].second == pytest.approx(1.5 * own["collective"].value, rel=1e-12)  # 3 over 2 /s


def test_the_text_tells_formula_inputs_source_and_validity():
    text = str(ds.rates(opened(PUMPED, "laser.power=5.6(3) mW")))
    row = next(line for line in text.splitlines() if line.split()[:1] == ["Gamma"])
    for part in ("+-", "Gamma_du - Gamma_ud", "Gamma_du = 6.27205 /s", "mu^2 - nu^2 = 1"):
        assert part in row
    rabi = next(line for line in text.splitlines() if line.split()[:1] == ["Omega"])
    assert "(gamma_LW 3 lambda^3 I/8 pi h c)^(1/2)" in rabi and "I = 11.5702 W/m^2" in rabi and "001 (B1)" in rabi
    for name in ("doppler", "linewidth", "elimination", "sidebands", "excited", "leak", "motion", "distance"):
        assert any(line.split()[:1] == [name] and line.endswith(" ok") for line in text.splitlines())
    assert "outcome  ok" in text
    assert "from laser.power; all else is taken as exact" in text
    assert "so no errors" in str(ds.rates(opened(TABLE)))


# --- errors ----------------------------------------------------------------------------------------------------------

SIGMAS = {
    TABLE: ["laser.power=5.6(2) mW", "laser.detuning=850(10) MHz", "vapour.temperature=293.0(3) K"],
    PUMPED: ["pump_light.up_fraction=0.950(2)", "vapour.width=2.20(4) cm", "laser.detuning=700(8) MHz"],
    YTTERBIUM: ["field.magnetic_field=500(10) G", "laser.power=200(5) uW", "ensembles.optical_depth=50(2)"],
}


@pytest.mark.parametrize("name", [YTTERBIUM, *(pytest.param(n, marks=pytest.mark.slow) for n in (TABLE, PUMPED))])
def test_errors_equal_monte_carlo(name):
    """Second route: draw the inputs, derive every rate again. The spread of 4000 draws is known to 1.1 %."""
    lab = opened(name, *SIGMAS[name])
    found, inputs = ds.rates(lab), list(lab.uncertainties)
    assert len(inputs) == 3
    lines = {line.of.key: line for group in found.groups.values() for line in group}
    centre = np.array([value_at(lab.experiment, key) for key in inputs])
    sigma = np.array([lab.uncertainties[key] for key in inputs])
    draws = centre + sigma * np.random.default_rng(3).standard_normal((4000, 3))

    def derive(row):
        changed = with_values(lab.experiment, dict(zip(inputs, row, strict=True)))
        return {key: jnp.asarray(line.of.value(changed), float) for key, line in lines.items()}

    samples = jax.vmap(derive)(jnp.asarray(draws))
    with_error = 0
    for key, line in lines.items():
        spread = float(np.std(samples[key]))
        if line.error is None:
            assert spread <= 1e-9 * abs(line.value), key
        else:
            with_error += 1
            assert line.error == pytest.approx(spread, rel=0.05), key
    assert with_error > len(lines) / 2


def test_errors_in_closed_form():
    """Every rate of the light is proportional to the power, Z does not depend on it; d and N follow n(T)."""
    found = ds.rates(opened(TABLE, "laser.power=5.6 +- 0.28 mW"))
    for key in ("gamma", "cooling", "up_to_h", "rayleigh", "collective", "light_shift", "intensity"):
        assert found[key].error == pytest.approx(0.05 * abs(found[key].value), rel=1e-9), key
    assert found["rabi"].error == pytest.approx(0.025 * found["rabi"].value, rel=1e-9)
    for key in ("z", "mu", "optical_depth", "doppler_hz", "dark", "magnetic_field"):
        assert found[key].error is None, key
    hot = ds.rates(opened(TABLE, "vapour.temperature=293.0(1) K"))
    # d ln n/dT = ln(10) 3999/T^2 - 1/T below the melting point: Alcock et al., Can. Metall. Q. 23, 309 (1984)
    slope = np.log(10) * 3999 / 293**2 - 1 / 293
    for key in ("density", "atoms", "optical_depth"):
        assert hot[key].error == pytest.approx(0.1 * slope * hot[key].value, rel=1e-9), key
    assert hot["doppler_hz"].error == pytest.approx(0.1 * hot["doppler_hz"].value / (2 * 293), rel=1e-9)
    assert hot["gamma"].error is None


# --- the command -----------------------------------------------------------------------------------------------------


def in_a_new_process(*arguments, folder):
    """Run `darkstate rates` as its users do; gives the finished process and whether JAX was loaded."""
    code = (
        "import sys\nfrom darkstate.cli import main\n"
        "try:\n    main()\nfinally:\n    print('jax' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "rates", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    return done, done.stderr.splitlines()[-1] == "True"


@pytest.mark.parametrize("name", sorted(shipped_labs()))
def test_the_command_of_every_shipped_lab(tmp_path, name):
    """Every case prints, and JAX is loaded only for errors."""
    path = shipped_labs()[name]
    cases = list(load_cases(path)) if opened(name).cases else []
    done, jax = in_a_new_process(path, *(["--case", "all"] if cases else []), folder=tmp_path)
    needed = bool(opened(name).uncertainties)
    assert (done.returncode, jax, done.stderr) == (0, needed, f"{needed}\n")
    for case in cases:
        assert f"{name}, case {case}" in done.stdout
    assert done.stdout.count("outcome  ") == max(1, len(cases))
    assert " nan" not in done.stdout and "inf" not in done.stdout.replace("infinite", "")


def test_errors_load_jax(tmp_path):
    done, jax = in_a_new_process(shipped_labs()[TABLE], "--set", "laser.power=5.6(3) mW", folder=tmp_path)
    assert (done.returncode, jax) == (0, True)
    assert "from laser.power; all else" in done.stdout


# --- the drive power -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scanned():
    lab = opened(TABLE)
    return lab, ds.predict(lab)


def smallest(lab, power):
    """Smallest xi(t) of the protocol at one power of both cells, on a fine grid of its own."""
    model = with_values(lab.experiment, {"laser.power": float(power)}).model()
    times = lab.experiment.protocol.duration * np.linspace(0, 1, 3001) ** 2
    return float(ds.epr_variance(ds.evolve(model, times).state).value.min())


def test_the_power_scan_is_single_predictions(scanned):
    lab, prediction = scanned
    scan = prediction.power
    assert scan.power[[0, -1]] == pytest.approx([0.56e-3, 56e-3], rel=1e-12)
    assert scan.at == 5.6e-3
    for k in (0, 20, 36):
        assert scan.xi_min[k] == pytest.approx(smallest(lab, scan.power[k]), abs=1e-4)
        steady = ds.steady_state(
            with_values(lab.experiment, {"laser.power": float(scan.power[k])}).model(), throw=False
        )
        assert Outcome(int(steady.outcome)) is Outcome.ok
        assert scan.xi_steady[k] == pytest.approx(float(ds.epr_variance(steady.state).value), abs=1e-9)
    # at ten times the power atoms no longer cross the cell within an effective decay: `motion` is beyond its limit
    assert np.isnan(scan.xi_min[-1])
    near = int(np.argmin(abs(scan.power - scan.at)))
    assert scan.power[near] == pytest.approx(scan.at, rel=1e-12)
    assert scan.xi_min[near] == pytest.approx(prediction.window.minimum, abs=2e-4)


def test_the_power_scan_of_a_short_protocol():
    """More power is not given less time: at 0.3 ms only strong light gets anywhere."""
    lab = opened(TABLE, "protocol.duration=0.3 ms")
    scan = power_scan(lab.experiment)
    for k in (20, 30, 36):
        assert scan.xi_min[k] == pytest.approx(smallest(lab, scan.power[k]), abs=1e-5)


def test_the_power_scan_takes_both_cells_along():
    """Cell II has three quarters of the power at every point: more is better still, as no process sets an optimum."""
    scan = power_scan(opened(TABLE, "second.laser.power=4.2 mW").experiment)
    known = scan.xi_min[np.isfinite(scan.xi_min)]
    assert (np.diff(known) <= 0).all()


def test_no_power_scan_with_a_gamma_tilde_measured_at_one_power():
    changed = dataclasses.replace(opened(TABLE).experiment, relaxation=None, noise=Noise(gamma_tilde=250, t2_dark=0.04))
    assert power_scan(changed) is None


def test_the_power_scan_in_the_table_and_the_dataset(scanned):
    lab, prediction = scanned
    scan = prediction.power
    assert f"no optimum, more is better, down to xi = {np.nanmin(scan.xi_min):.4f} at 39.6 mW" in str(prediction)
    data = prediction.to_dataset()
    np.testing.assert_array_equal(data.xi_min_power, scan.xi_min)
    np.testing.assert_array_equal(data.power, scan.power)
    assert data.power.attrs["units"] == "W"


def test_the_power_scan_counts_for_lasers_and_one_segment_only():
    assert power_scan(opened("krauter2011").experiment) is None
    segments = Timing(segments=(Segment("drive", 0.01),))
    assert power_scan(dataclasses.replace(opened(TABLE).experiment, protocol=segments)) is None


@pytest.mark.slow
def test_the_power_scan_of_a_bad_prediction_claims_nothing():
    """Warm caesium too near its line: where there is no verdict, no power is called the best."""
    prediction = ds.predict(opened(TABLE, "laser.detuning=400 MHz"))
    assert prediction.outcome is Outcome.outside_validity
    assert prediction.power is None
    assert "drive power" not in str(prediction)


@pytest.mark.slow
def test_an_error_that_is_no_number_is_refused():
    """No pump light is allowed: its rates are 0 whatever the width of the cell, and so are their derivatives."""
    lab = opened(TABLE, "pump_light.power=0 W", "vapour.width=2.2(1) cm")
    found = ds.rates(lab)
    assert found["gamma"].error == pytest.approx(2 * 0.1 / 2.2 * found["gamma"].value, rel=1e-9)  # as 1/w^2
    assert np.isfinite(ds.predict(lab).xi.uncertainty).all()
