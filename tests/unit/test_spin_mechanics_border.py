"""The hybrid and the monitored experiment at their border: rates from laboratory numbers, contradictions, messages."""

import math
import random

import pytest

from darkstate.errors import ArgumentError, InputError
from darkstate.experiments.labfile import load, load_cases, schema, shipped_labs
from darkstate.experiments.layout import find, parameters
from darkstate.experiments.oscillators import Mechanics, Spin
from darkstate.experiments.spin_mechanics import Path, SpinMechanics
from darkstate.experiments.template import template
from darkstate.experiments.values import with_values
from darkstate.report.check import check
from darkstate.report.explain import explain

KHZ = 2 * math.pi * 1e3
EFFECTIVE = """experiment = "spin_mechanics"
[spin]
theta = 0.8
linewidth = "2pi*5 kHz"
occupation = 1
cooperativity = 10
[mechanics]
theta = 1.4
decoherence = "2pi*10 kHz"
rate = "2pi*120 kHz"
"""


@pytest.fixture
def lab_file(tmp_path, monkeypatch):
    """Write a text to lab.toml in the current folder and give its name."""
    monkeypatch.chdir(tmp_path)

    def write(text):
        (tmp_path / "lab.toml").write_text(text)
        return "lab.toml"

    return write


def effective(**changes):
    lab = SpinMechanics(
        spin=Spin(theta=0.8, linewidth=5 * KHZ, occupation=1.0, cooperativity=10.0),
        mechanics=Mechanics(theta=1.4, decoherence=10 * KHZ, rate=120 * KHZ),
        path=Path(loss=0.1),
    )
    return with_values(lab, changes)


def explained(lab, quantity="xi"):
    """The number an explanation ends in."""
    return float(explain(quantity, lab).rsplit("= ", 1)[1])


@pytest.mark.parametrize(
    ("case", "xi"),
    # 004 Eqs. (7), (8) optimised: agreement/test_gaussian_oracle_self.py; angles and C_M of the file are rounded
    [("cs10", 0.351572), ("cs100", 0.115985), ("cs10-loss", 0.398994), ("cs100-loss", 0.203128)],
)
def test_huang2018_holds_the_optimum(case, xi):
    lab = load(shipped_labs()["huang2018"], case=case)
    assert explained(lab) == pytest.approx(xi, abs=2e-6)
    assert lab.experiment.rates.first.decoherence == pytest.approx(7.5 * KHZ)  # 004 Fig. 3: 5 kHz (1 + 1/2)
    assert lab.experiment.rates.second.decoherence == pytest.approx(10 * KHZ)  # 004 Fig. 3: gamma_M0 n_M
    for key, step in (("spin.theta", 0.003), ("mechanics.theta", 0.05)):
        for sign in (1, -1):
            value = getattr(lab.experiment, key.split(".")[0]).theta + sign * step
            assert explained(load(lab.path, case=case, overrides=[f"{key}={value}"])) > xi


@pytest.mark.parametrize("name", ["membrane-cell", "two-membranes"])
def test_the_examples_are_entangled_and_without_warning(name):
    lab = load(shipped_labs()[name])
    assert lab.experiment.warnings() == []
    assert explained(lab) < 0.36  # 004 Eqs. (7), (8) with the numbers of the file: 0.326 and 0.345
    assert lab.experiment.path.loss == 0.05


# --- lab files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rate =", "cooperativity = 3\nrate =", "mechanics needs either `rate` or `cooperativity`, and not both"),
        ("cooperativity = 10", "", "spin needs either `rate` or `cooperativity`, and not both"),
        ('"2pi*10 kHz"', '"2 /s"\nlinewidth = "5 /s"', "mechanics.decoherence must be at least linewidth/2 = 2.5 /s"),
        ("theta = 0.8", "theta = 80", "lab.toml:3: spin.theta = 80 must be at least 0 and at most 1.5708"),
        ("occupation", "ocupation", "did you mean spin.occupation?"),
        (
            "[spin]",
            "[second.spin]\ntheta = 1\n[spin]",
            "lab.toml:2: second is not known here; known are spin, cell, counter",
        ),
        ("[mechanics]", "[path]\nloss = 1\n[mechanics]", "path.loss = 1 lets no light of the first oscillator through"),
        ("[mechanics]", "[field]\nfrequency = 3\n[mechanics]", "field.frequency = 3 has no unit"),
        ('"2pi*5 kHz"', '"1e308 /s"', "the rates of the first oscillator are not finite numbers above 0"),
    ],
)
def test_every_mistake_is_one_sentence(lab_file, old, new, said):
    assert old in EFFECTIVE
    with pytest.raises(InputError) as refusal:
        load(lab_file(EFFECTIVE.replace(old, new, 1)))
    (problem,) = refusal.value.problems
    assert said in problem


def test_alternatives_exclude_each_other(lab_file):
    cell = '[cell]\noptical_depth = 60\nscattering_rate = "3 /ms"\ndark_linewidth = "1 /ms"\npolarization = 0.9\n'
    choice = "give exactly one of [spin], [cell] and [counter_membrane]"
    with pytest.raises(InputError, match="cell contradicts spin") as both:
        load(lab_file(EFFECTIVE + cell))
    assert both.value.problems[0].endswith(choice)
    with pytest.raises(InputError, match="spin is missing") as neither:
        load(lab_file('experiment = "spin_mechanics"\n' + EFFECTIVE[EFFECTIVE.index("[mechanics]") :]))
    assert neither.value.problems[0].endswith(choice)
    only = load(lab_file('experiment = "spin_mechanics"\n' + cell + EFFECTIVE[EFFECTIVE.index("[mechanics]") :]))
    assert only.experiment.spin is None
    assert only.experiment.cell.hyperfine_spin == 4.0
    with pytest.raises(InputError, match="must be a whole or half number"):
        load("lab.toml", overrides=["cell.hyperfine_spin=1.3"])


def test_an_override_cannot_reach_into_a_section_that_is_absent(lab_file):
    with pytest.raises(InputError) as refusal:
        load(lab_file(EFFECTIVE), overrides=["membrane.temperature=4 K"])
    assert all("membrane." in line and "is missing" in line for line in refusal.value.problems)
    with pytest.raises(
        ArgumentError, match="names a parameter of `membrane`, which this experiment goes without; it has spin"
    ):
        with_values(effective(), {"membrane.temperature": 4.0})
    for key in ("spin", "cell", "spin.tehta", "second.spin.theta"):
        with pytest.raises(ArgumentError, match="names no parameter"):
            with_values(effective(), {key: 1.0})
    assert with_values(effective(), {"spin.theta": 0.9}).spin.theta == 0.9


@pytest.mark.parametrize(
    ("name", "change", "said"),
    # by hand: Gamma_M = 12.12 x 2pi 10 kHz; gamma_M = -Gamma_M cos 1; g = g_0 sqrt(n_cav), see test_hybrid_rates
    [
        ("huang2018", None, "field.frequency is missing: the rotating-wave approximation cannot be checked"),
        ("huang2018", "field.frequency=1 MHz", "Gamma_M = 7.615e+05 /s is more than omega/20 = 3.142e+05 /s"),
        ("huang2018", "mechanics.theta=0.5", "gamma_M = -4.115e+05 /s is not above 0: there is no steady state"),
        (
            "membrane-cell",
            "membrane.input_power=5 mW",
            "membrane: g = 1.66e+07 /s is more than kappa/10 = 3.142e+06 /s",
        ),
        ("two-membranes", "membrane.frequency=1.2 MHz", "the frequencies of the membranes differ"),
        ("muschik2013-monitored", "detection.efficiency=0", "measures nothing"),
    ],
)
def test_warnings(name, change, said):
    text = check(load(shipped_labs()[name], overrides=[change] if change else []))
    assert "Warnings" in text
    assert said in text


def test_the_frequency_of_a_membrane_counts():
    assert load(shipped_labs()["membrane-cell"]).experiment.frequency == 1.3e6
    with pytest.raises(InputError, match="follows from the membrane: leave it out"):
        load(shipped_labs()["membrane-cell"], overrides=["field.frequency=1 MHz"])


def test_an_experiment_without_a_second_cell_has_no_such_table():
    definitions = schema()["$defs"]
    for kind, other in (("spin_mechanics", "path"), ("monitored_cells", "drive")):
        assert not [key for key in parameters(kind) if key.startswith("second.")]
        assert find(kind, ("second", other, "z")) is None
        assert "second" not in definitions[kind]["properties"]
        assert "[second" not in template(kind, "lab")
    assert "second" in definitions["cesium_cells"]["properties"]
    required = definitions["spin_mechanics"]["required"]
    assert required == ["experiment"]  # which of the alternatives is needed is said by `problems`


def test_the_sections_commented_out_in_a_new_file_load_too(lab_file):
    text = template("spin_mechanics", "ours")
    start, end = text.index("[spin]"), text.index("# [cell]")
    head, cell, rest = text[:start], text[end : text.index("\n\n", end)], text[text.index("\n\n", end) :]
    uncommented = "\n".join(line.removeprefix("# ") for line in cell.splitlines())
    lab = load(lab_file(head + uncommented + rest))
    assert lab.experiment.cell.optical_depth == 60  # labs/membrane-cell.toml
    assert lab.experiment.mechanics.cooperativity == 12.12  # labs/huang2018.toml


def test_check_shows_what_follows():
    rows = {
        line.split()[0]: line.split()
        for line in check(load(shipped_labs()["huang2018"])).splitlines()
        if line[:2] == "  "
    }
    assert rows["Gamma"][1:5] == ["471.239", "/ms", "(2pi*75", "kHz)"]  # C_S gt_S = 10 x 7.5 kHz
    assert rows["C"][1:3] == ["10", "12.12"]
    assert rows["g"][1] == "1.04661"  # sqrt(121.2/75) cos(1.38898 - pi/4)/cos(0.78932 - pi/4)
    assert rows["xi_g"][0] == "xi_g"
    both = check(load(shipped_labs()["membrane-cell"]))
    assert "Gamma/omega" in both
    assert "4 K" in both


def test_an_unknown_quantity_names_those_of_the_experiment():
    with pytest.raises(InputError, match="'rate' is not known; did you mean 'rates'. allowed: xi, rates"):
        explain("rate", load(shipped_labs()["huang2018"]))
    with pytest.raises(InputError, match="allowed: xi$"):
        explain("gamma_tilde", load(shipped_labs()["muschik2013-monitored"]))


def test_no_steady_state_is_explained():
    lab = load(shipped_labs()["huang2018"], overrides=["mechanics.theta=0.5"])
    assert "no steady state, both must be above 0" in explain("xi", lab)
    assert "R = " in explain("rates", lab)


# --- monitored cells -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "x", "free", "measured"),
    # 000 Sec. IV, xi_inf and xi_cond,inf at Z = 2.5, evaluated by hand: (0.16 + x)/(1 + x),
    # [1 - x + sqrt((1 - x)^2 + 4 x Z^2)]/(2 Z^2)
    [("x05", 0.5, 0.44, 0.325657), ("x1", 1.0, 0.58, 0.4)],
)
def test_muschik2013_monitored(case, x, free, measured):
    lab = load(shipped_labs()["muschik2013-monitored"], case=case)
    assert lab.experiment.x == x
    assert lab.experiment.gamma_s == 55.0  # d Gamma/2 with d = 55, Gamma = 2 /s
    assert explained(lab) == pytest.approx(measured, abs=1e-6)
    line = next(text for text in explain("xi", lab).splitlines() if "not measured" in text)
    assert float(line.rsplit("= ", 1)[1]) == pytest.approx(free, abs=1e-6)
    blind = load(lab.path, case=case, overrides=["detection.efficiency=1e-9"])
    assert explained(blind) == pytest.approx(free, abs=1e-5)
    assert list(load_cases(lab.path)) == ["d55", "x05", "x1"]


def test_monitored_cells_take_a_duration_only():
    lab = shipped_labs()["muschik2013-monitored"]
    with pytest.raises(InputError, match=r"protocol.segments.0.kind is not known here"):
        load(lab, overrides=["protocol.segments.0.kind=drive"])
    with pytest.raises(InputError, match="gamma_s follows as 0 /s"):
        load(lab, overrides=["ensembles.optical_depth=0"])


# --- nothing breaks --------------------------------------------------------------------------------------------------

EXTREME = {
    "1": ["0", "1", "1e-320", "1e308", "1e-9", "1.5708", "1e150", "4", "-1"],
    "1/s": ["0 /s", "1e-320 /s", "1e308 /s", "-1e308 /s", "2pi*1 MHz", "1e-150 /s", "1e160 /s"],
    "Hz": ["1e-320 Hz", "1e308 Hz", "1 Hz"],
    "W": ["1e-320 W", "1e308 W", "1 nW"],
    "K": ["1e-320 K", "1e308 K", "1 uK"],
    "m": ["1e-320 m", "1e308 m", "1 nm"],
    "s": ["1 s", "1e-320 s"],
}


@pytest.mark.parametrize("name", ["huang2018", "membrane-cell", "two-membranes", "muschik2013-monitored"])
def test_extreme_values_give_a_sentence_or_numbers(name):
    lab = load(shipped_labs()[name])
    seed = random.Random(2018)
    keys = {k: s for k, s in parameters(kind_of(lab)).items() if not s.whole and present(lab.experiment, k)}
    accepted = 0
    for _ in range(150):
        chosen = seed.sample(sorted(keys), seed.randint(1, 3))
        try:
            changed = load(lab.path, overrides=[f"{k}={seed.choice(EXTREME[keys[k].unit])}" for k in chosen])
        except InputError as refusal:
            assert all(line.isprintable() for line in refusal.problems)
            continue
        accepted += 1
        text = check(changed)
        assert all(key in text for key in changed.written)
        assert " nan" not in text
        assert "xi" in explain("xi", changed)
    assert accepted > 20


def kind_of(lab):
    return "spin_mechanics" if isinstance(lab.experiment, SpinMechanics) else "monitored_cells"


def present(experiment, key):
    return getattr(experiment, key.split(".")[0]) is not None
