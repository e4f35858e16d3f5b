"""Laboratories at the border of what they may be: figures of validity beyond their limits, values beyond all sense."""

import random

import numpy as np
import pytest
from scipy import constants as si

import darkstate as ds
from darkstate.atoms.validity import CURES
from darkstate.errors import InputError, Outcome
from darkstate.experiments.labfile import load, shipped_labs
from darkstate.experiments.layout import parameters
from darkstate.experiments.two_cells import second_cell
from darkstate.report.check import check

CESIUM, PUMPED, YTTERBIUM = "krauter2011-lab", "muschik2011-cesium", "ytterbium-cells"
KIND = {CESIUM: "cesium_cells", PUMPED: "cesium_cells", YTTERBIUM: "two_level_ensembles"}


def opened(name, *overrides):
    return load(shipped_labs()[name], overrides=overrides)


# --- what the rates rest on ------------------------------------------------------------------------------------------

LIMITS = {
    "doppler": 0.2,
    "linewidth": 1e-3,
    "elimination": 1e-3,
    "sidebands": 0.1,
    "excited": 0.01,
    "leak": 0.1,
    "motion": 0.1,
    "distance": 0.1,
    "pump_collective": 1.0,
}
"""Limits chosen in solve/checks.py; 001 and 002 themselves lie within."""


def test_figures_of_validity_of_krauter2011():
    """The formulas of atoms/validity.py once more, with SciPy's constants and lines of Steck, Cesium D Line Data."""
    lab = opened(CESIUM)
    found = {c.name: c.value for c in ds.rates(lab).checks}
    both = [lab.experiment, second_cell(lab.experiment)]
    wavelength, width, delta, larmor = 852.34727582e-9, 1 / (2 * np.pi * 30.405e-9), 850e6, 322e3
    mass, depth = 132.905451931 * si.atomic_mass, lab.experiment.optical_depth
    fastest = max(
        depth * e.light.gamma
        + e.light.transverse()
        + 2 / 40e-3
        + e.light.h_to_up
        + e.light.h_to_down
        + 2 * 0.8 / 130e-3
        for e in both
    )
    length, speed = np.sqrt(0.022**2 / (2 * np.pi)), np.sqrt(8 * si.k * 293 / (np.pi * mass))
    wanted = {
        "doppler": 3 * si.k * 293 / mass / (wavelength * delta) ** 2,
        "linewidth": (width / (2 * delta)) ** 2,
        "elimination": fastest / (2 * np.pi * delta),
        "sidebands": fastest / (2 * np.pi * larmor),
        "excited": max(e.light.excited for e in both),
        "leak": max(e.light.leak / (e.light.leak + e.light.heating + e.light.up_to_h) for e in both),
        "motion": fastest * length / speed,
        "distance": 0.5 / (2 * np.pi / wavelength * length**2),
        "pump_collective": 0.0,
    }
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-6), name
        assert found[name] < LIMITS[name]
    # with pump light, 001 App. C 2: (gamma_LW d/2 pi delta_D)^2
    pumped = {c.name: c.value for c in ds.rates(opened(PUMPED)).checks}
    doppler = np.sqrt(8 * np.log(2) * si.k * 300 / mass) / wavelength
    assert pumped["pump_collective"] == pytest.approx((width * 30 / doppler) ** 2, rel=1e-6)


BEYOND = {
    "doppler": (CESIUM, ["laser.detuning=500 MHz"]),
    "linewidth": (CESIUM, ["laser.detuning=60 MHz", "protocol.duration=1 ms"]),
    # the protocol is cut as the rates grow
    "elimination": (CESIUM, ["laser.power=200 W", "protocol.duration=1.6 us"]),
    "excited": (CESIUM, ["laser.power=20 W", "protocol.duration=16 us"]),
    "sidebands": (CESIUM, ["laser.power=5 W", "protocol.duration=60 us"]),
    "leak": (CESIUM, ['laser.line="D1"', "laser.excess_loss=0"]),
    "motion": (CESIUM, ["laser.power=60 mW", "protocol.duration=5 ms"]),
    "distance": (CESIUM, ["vapour.distance=60 m"]),
    "pump_collective": (PUMPED, ["vapour.optical_depth=80"]),
}


@pytest.mark.parametrize("name", LIMITS)
def test_beyond_its_limit(name):
    lab = opened(BEYOND[name][0], *BEYOND[name][1])
    rates = ds.rates(lab)
    (figure,) = (c for c in rates.checks if c.name == name)
    assert figure.value > figure.limit == LIMITS[name]
    assert figure.outcome is rates.outcome is Outcome.outside_validity
    beyond = [c.name for c in rates.checks if c.outcome is not Outcome.ok]
    assert f"outcome  outside_validity: beyond its limit {', '.join(beyond)}" in str(rates)


@pytest.mark.parametrize(
    "name", ["distance", *(pytest.param(n, marks=pytest.mark.slow) for n in LIMITS if n != "distance")]
)
def test_beyond_its_limit_a_prediction_has_no_verdict(name):
    lab = opened(BEYOND[name][0], *BEYOND[name][1])
    beyond = tuple(c.name for c in ds.rates(lab).checks if c.outcome is not Outcome.ok)
    prediction = ds.predict(lab)
    assert prediction.outcome >= Outcome.outside_validity
    assert prediction.light == (Outcome.outside_validity, beyond)
    assert prediction.verdict.startswith("no verdict (outside_validity)")
    assert "entangled: smallest" not in str(prediction)
    cures = "; ".join(f"{name} ({CURES[name]})" for name in beyond)
    assert f"outside_validity of the rates: {cures}; `darkstate rates` shows the figures" in str(prediction)


@pytest.mark.parametrize("name", [CESIUM, *(pytest.param(n, marks=pytest.mark.slow) for n in (PUMPED, YTTERBIUM))])
def test_within_all_limits_there_is_a_verdict(name):
    lab = opened(name)
    assert ds.rates(lab).outcome is Outcome.ok
    prediction = ds.predict(lab)
    assert prediction.outcome is Outcome.ok
    assert prediction.light == (Outcome.ok, ())
    assert prediction.verdict.startswith("entangled")


@pytest.mark.parametrize(
    "override", [pytest.param("second.laser.detuning=500 MHz", marks=pytest.mark.slow), "second.vapour.distance=60 m"]
)
def test_the_worse_ensemble_counts(override):
    lab = opened(CESIUM, override)
    assert ds.rates(lab).outcome is Outcome.outside_validity
    assert ds.predict(lab).verdict.startswith("no verdict (outside_validity)")


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        (CESIUM, ["pump.rate=100 /s", "second.pump.rate=0 /s"]),
        (CESIUM, ["second.pump.rate=100 /s"]),
        (YTTERBIUM, ["pump.x=1", "second.pump.x=0"]),
        (YTTERBIUM, ["second.pump.x=1"]),
    ],
)
def test_pump_light_in_one_cell_only(name, overrides):
    """001 App. C 2 concerns the cell that is pumped, whichever it is."""
    lab = opened(name, *overrides)
    (figure,) = (c for c in ds.rates(lab).checks if c.name == "pump_collective")
    pumped = lab.experiment if len(overrides) == 2 else second_cell(lab.experiment)
    assert figure.value == pytest.approx(pumped.light_checks()["pump_collective"], rel=1e-12)
    assert figure.value > 0.1
    beyond = Outcome.outside_validity if figure.value > LIMITS["pump_collective"] else Outcome.ok
    assert ds.predict(lab).outcome is ds.rates(lab).outcome is beyond


def test_a_second_cell_whose_depth_was_measured():
    """Cell II too cold for the vapour formula, with a Faraday angle instead: its rates are printed all the same."""
    lab = opened(CESIUM, "second.vapour.temperature=250 K", "second.vapour.optical_depth=40")
    rates = ds.rates(lab)
    assert rates["optical_depth"].second == 40
    assert "outcome  ok" in str(rates)


# --- nothing breaks --------------------------------------------------------------------------------------------------

EXTREME = {
    "1": ["0", "1", "1e-320", "1e308", "1e-9", "0.99", "1e150", "4", "-1"],
    "1/s": ["0 /s", "1e-320 /s", "1e308 /s", "2pi*1 MHz", "1e-150 /s", "1e160 /s"],
    "Hz": ["1e-320 Hz", "1e308 Hz", "1 Hz", "-1e308 Hz", "-251.0916 MHz", "3 GHz", "-7 GHz"],
    "W": ["0 W", "1e-320 W", "1e308 W", "1 nW", "1e150 W"],
    "K": ["1e-320 K", "1e308 K", "1 uK", "273.15 K", "301.65 K", "550 K"],
    "m": ["0 m", "1e-320 m", "1e308 m", "1 nm", "1e160 m"],
    "s": ["1 s", "1e-320 s", "1e308 s"],
    "T": ["0 T", "1e-320 T", "1e308 T", "-1 T"],
    "rad": ["0 rad", "1e-320 rad", "1e308 rad", "-1 rad"],
}


def extreme(name, count, seed):
    """Labs with one to three numbers replaced by extreme ones, as far as they are accepted."""
    draw = random.Random(seed)
    lab = opened(name)
    keys = {
        key: spec
        for key, spec in parameters(KIND[name]).items()
        if not (spec.whole or spec.choices or "segments" in key)
        and getattr(lab.experiment, key.removeprefix("second.").split(".")[0]) is not None
    }
    for _ in range(count):
        chosen = draw.sample(sorted(keys), draw.randint(1, 3))
        overrides = [f"{key}={draw.choice(EXTREME[keys[key].unit])}" for key in chosen]
        try:
            yield load(lab.path, overrides=overrides)
        except InputError as refusal:
            assert all(line.isprintable() for line in refusal.problems)


@pytest.mark.parametrize("name", [pytest.param(PUMPED, marks=pytest.mark.slow), CESIUM, YTTERBIUM])
def test_extreme_values_give_a_sentence_or_numbers(name):
    accepted = 0
    for lab in extreme(name, 80, seed=2011):
        accepted += 1
        text = check(lab)
        assert all(key in text for key in lab.written)
        rates = ds.rates(lab)
        assert " nan" not in text + str(rates)
        assert rates.outcome is Outcome.ok or "beyond its limit" in str(rates)
    assert accepted > 20


@pytest.mark.slow
@pytest.mark.parametrize("name", KIND)
def test_extreme_values_never_pass_for_a_prediction(name):
    """A prediction whose outcome is ok consists of numbers."""
    accepted = 0
    for lab in extreme(name, 30, seed=7):
        accepted += 1
        prediction = ds.predict(lab)
        text = str(prediction)
        if prediction.outcome is Outcome.ok:
            assert np.isfinite(prediction.xi.value).all(), lab.overrides
            assert " nan" not in text, lab.overrides
        if Outcome(int(prediction.steady.outcome)) is Outcome.ok:
            assert np.isfinite(prediction.steady_xi.value), lab.overrides
    assert accepted > 4


@pytest.mark.parametrize("text", ["laser.rayleigh=V3", "laser.zeeman=neglected"])
def test_a_word_for_the_second_cell(text):
    """Words are static under jit: the prediction is the one of an experiment that says so for cell II."""
    lab = opened(CESIUM, f"second.{text}")
    changed = ds.predict(lab).window.minimum
    assert changed == pytest.approx(ds.predict(opened(CESIUM)).window.minimum, rel=0.05)
    assert changed != pytest.approx(ds.predict(opened(CESIUM)).window.minimum, rel=1e-4)
