"""Two atoms in a tweezer at the border: the lab file, what follows from it, bad input, exact derivatives."""

import dataclasses
import math
import random

import numpy as np
import pytest

import darkstate as ds
from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError, InputError
from darkstate.experiments.labfile import load, load_cases, shipped_labs
from darkstate.experiments.layout import parameters
from darkstate.experiments.tweezer_pair import Atoms, Collisions, Frequencies, Tweezer, TweezerPair
from darkstate.experiments.values import value_at, with_values
from darkstate.parameters import specs
from darkstate.report.check import check
from darkstate.report.counting import count_model, fidelities, probabilities, simulate_counts
from darkstate.report.explain import explain
from darkstate.report.pair import destroyed_state, final_state
from darkstate.witness.fisher import ramsey_fisher

PATH = shipped_labs()["ruksasakchai2026"]
BOHR = 5.29177210903e-11
GOOD = """experiment = "tweezer_pair"
[trap]
depth = "22 MHz"
waist = "1 um"
wavelength = "1064 nm"
[atoms]
temperature = "40 uK"
collision_field = "0.5 G"
[collisions]
a_0 = "-740 a0"
a_2 = "-570 a0"
a_4 = "-390 a0"
duration = "100 ms"
"""
FREQUENCIES = '[frequencies]\nx = "100 kHz"\ny = "110 kHz"\nz = "25 kHz"\n'


@pytest.fixture
def lab_file(tmp_path, monkeypatch):
    """Write a text to lab.toml in the current folder and give its name."""
    monkeypatch.chdir(tmp_path)

    def write(text):
        (tmp_path / "lab.toml").write_text(text)
        return "lab.toml"

    return write


@pytest.fixture(scope="module")
def lab():
    return load(PATH)


# --- what follows ----------------------------------------------------------------------------------------------------


def test_the_lab_file_holds_the_paper_and_what_is_chosen(lab):
    e = lab.experiment
    assert e.lengths == pytest.approx((-740 * BOHR, -570 * BOHR, -390 * BOHR))
    assert lab.uncertainties["collisions.a_0"] == pytest.approx(60 * BOHR)
    assert e.destruction.gradient == pytest.approx(0.028)  # 2.8 G/cm
    assert e.raman.pi_time == 2 * e.ramsey.half_pulse
    modern = load_cases(PATH)["modern"]
    assert modern.experiment.lengths == pytest.approx((-1170 * BOHR, -828 * BOHR, -496 * BOHR))
    assert not [key for key in modern.uncertainties if key.startswith("collisions")]
    assert e.warnings() == []


def test_check_and_rates_print_trap_and_zeeman_energies(lab):
    """U/h = 22 MHz, w = 1 um, 1064 nm, 40 uK; Breit and Rabi at 0.5 and 8.5 G; digits of another program."""
    text = check(lab)
    for number in (
        "102.348 kHz",
        "24.5108 kHz",
        "833.465 kHz",
        "35.944 Hz",
        "143.776 Hz",
        "10.3869 kHz",
        "41.5488 kHz",
    ):
        assert number in text
    rates = ds.rates(lab)
    assert rates["f_x"].value == pytest.approx(102348, abs=0.5)
    assert rates["f_x"].error is None
    assert rates["zeeman_2_pulse"].value == pytest.approx(41548.83, abs=0.01)
    assert rates["thermal"].error == pytest.approx(rates["thermal"].value / 10)  # 40 +- 4 uK
    # 2.918 abar [1 - 2 abar/a + 2 (abar/a)^2] with abar = 78.5, a = -740 Bohr radii
    x = 78.5 / -740
    assert rates["range_0"].value / BOHR == pytest.approx(2.918 * 78.5 * (1 - 2 * x + 2 * x * x), rel=1e-9)
    assert rates["collisions"].value > rates["into_1"].value > rates["into_2"].value > 0
    assert " nan" not in str(rates)


def test_frequencies_in_place_of_the_tweezer(lab_file):
    text = GOOD[: GOOD.index("[trap]")] + GOOD[GOOD.index("[atoms]") :]
    e = load(lab_file(text + FREQUENCIES)).experiment
    assert e.well.frequencies_hz == (100e3, 110e3, 25e3)
    assert "as given" in check(load("lab.toml"))
    assert ds.rates(load("lab.toml"))["f_y"].value == 110e3
    assert "effective range, which matters" in check(load("lab.toml"))


@pytest.mark.parametrize("quantity", ["fidelity", "sector", "counts"])
def test_explanations_end_in_the_number(lab, quantity):
    number = float(explain(quantity, lab).rsplit(" ", 1)[1])
    found = {"fidelity": 0.5, "sector": 0.93**2 * 0.379636, "counts": 0.715034}
    assert number == pytest.approx(found[quantity], rel=1e-5)


def test_an_unknown_quantity_is_refused(lab):
    with pytest.raises(InputError, match="allowed: fidelity, sector, counts"):
        explain("xi", lab)


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"-740 a0"', '"0 a0"', "a_0 must not be 0, which is no scattering at all; to leave it out give 1 a0 and"),
        ('"-740 a0"', '"inf a0"', "is not a finite number"),
        ('"-740 a0"', '"-1e9 a0"', "must be at least -0.0001 and at most 0.0001"),
        ('"-740 a0"', "-740", 'collisions.a_0 = -740 has no unit, but a length is wanted; write "-740 m"'),
        ('"40 uK"', '"0 uK"', "atoms.temperature = \"0 uK\" must be greater than 0"),
        ('"40 uK"', '"400 uK"', "trap.depth is too shallow for 400 uK: an atom has 3 k_B T = h x 25"),
        ('"22 MHz"', '"2 MHz"', "lab.toml:3: trap.depth is too shallow for 40 uK"),
        ("[atoms]", "[raman]\nlargest_area = \"400 deg\"\n[atoms]", "raman.largest_area = \"400 deg\" must be greater"),
        ("[atoms]", "[raman]\nareas = 1\n[atoms]", "raman.areas = 1 must be a whole number and at least 2"),
        ("[atoms]", "[detection]\nsector = 0.9\n[atoms]", "detection.sector must be at most preparation^2 = 0.8649"),
        ("[atoms]", "[atoms]\nspecies = \"87Rb\"", "atoms.species = \"87Rb\" must be one of 85Rb"),
        ("[atoms]", FREQUENCIES + "[atoms]", "frequencies contradicts trap: give exactly one of [trap] and"),
        ('depth = "22 MHz"', 'depth = "2pi*22 MHz"', 'write "22 MHz"'),
        ("[trap]", "[trapp]", "did you mean trap"),
        ("duration", "durations", "did you mean collisions.duration?"),
        ("[atoms]", "[destruction]\ngradient = \"2.8 G\"\n[atoms]", "is a magnetic field, but a field gradient"),
        ("[atoms]", "[destruction]\nsector = 0.9\n[atoms]", "destruction.sector must be at most preparation^2 = 0.86"),
        ("[atoms]", "[destruction]\nloss = 1.5\n[atoms]", "destruction.loss = 1.5 must be at least 0 and at most 1"),
        ("[atoms]", "[counting]\nshots = 0\n[atoms]", "counting.shots = 0 must be a whole number and at least 1"),
    ],
)  # fmt: skip
def test_every_mistake_is_one_sentence(lab_file, old, new, said):
    assert old in GOOD
    with pytest.raises(InputError) as refusal:
        load(lab_file(GOOD.replace(old, new, 1)))
    assert said in refusal.value.problems[0]
    assert len(refusal.value.problems) == 1


def test_a_trap_is_needed(lab_file):
    with pytest.raises(InputError, match="trap is missing: give exactly one of"):
        load(lab_file(GOOD[: GOOD.index("[trap]")] + GOOD[GOOD.index("[atoms]") :]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("trap.depth=4 MHz", "is only 4.8 k_B T"),
        ("atoms.temperature=1 uK", "the motion is no classical gas"),
        ("collisions.mean_length=0 a0", "no effective range"),
    ],
)
def test_warnings(change, said):
    assert said in check(load(PATH, overrides=[change]))


EXTREME = {
    "1": ["0", "1", "1e-9", "0.5", "0.999999"],
    "Hz": ["1 Hz", "1e-300 Hz", "1e300 Hz", "1 GHz"],
    "s": ["1e-300 s", "1 s", "1e4 s"],
    "K": ["1e-300 K", "1 nK", "1 mK", "1e300 K"],
    "m": ["1e-300 m", "-1e-300 m", "1e-4 m", "-1e-4 m", "1 nm", "1e-7 m"],
    "T": ["0 T", "0.1 T", "1e-300 T"],
    "T/m": ["0 T/m", "1000 T/m"],
    "rad": ["1e-300 rad", "6.28 rad"],
}


def test_extreme_values_give_a_sentence_or_numbers():
    keys = {
        k: s for k, s in parameters("tweezer_pair").items() if not (s.whole or s.choices or k.startswith("frequencies"))
    }
    seed, accepted = random.Random(2026), 0
    for _ in range(200):
        chosen = seed.sample(sorted(keys), seed.randint(1, 3))
        try:
            changed = load(PATH, overrides=[f"{k}={seed.choice(EXTREME[keys[k].unit])}" for k in chosen])
        except InputError as refusal:
            assert all(line.isprintable() for line in refusal.problems)
            continue
        accepted += 1
        text = check(changed)
        assert " nan" not in text
        assert all(map(math.isfinite, changed.experiment.well.frequencies_hz))
    assert accepted > 40


def test_python_refuses_as_well(lab):
    with pytest.raises(ArgumentError, match="temperature of the motion"):
        Atoms(temperature=0.0, collision_field=0.5e-4)
    with pytest.raises(ArgumentError, match="`sequence` must be one of raman"):
        simulate_counts(lab, sequence="rabi")
    with pytest.raises(ArgumentError, match="`fidelity` must be between 0 and 1"):
        simulate_counts(lab, fidelity=1.2)
    with pytest.raises(ArgumentError, match="`shots` must be a whole number of at least 1"):
        simulate_counts(lab, shots=0)
    with pytest.raises(ArgumentError, match=r"`lab` must be a lab from darkstate\.load, but is a str"):
        simulate_counts("lab.toml")
    with pytest.raises(ArgumentError, match=r"`lab` must be a lab from darkstate\.load, but is a Dataset"):
        ds.reconstruct_counts(simulate_counts(lab), lab)
    for setting in ("time", "detuning_khz"):
        with pytest.raises(ArgumentError, match="`setting` must be one of theta, tau, detuning_hz, but is"):
            count_model(lab, setting)
    with pytest.raises(InputError, match="counts are for tweezer_pair"):
        simulate_counts(load(shipped_labs()["krauter2011"]))


def test_interleaved_counts_need_a_destruction(lab_file):
    with pytest.raises(InputError, match=r"has no \[destruction\]"):
        simulate_counts(load(lab_file(GOOD)), sequence="interleaved")


# --- counts ----------------------------------------------------------------------------------------------------------


def test_fidelities_of_both_groups(lab):
    """1 by exchange symmetry; after the destruction [1 + (1 - 2 p_1)(1 - 2 p_2)]/2."""
    e = with_values(lab.experiment, {"destruction.scrambled": 0.2})
    found = fidelities(e)
    assert found["control"] == pytest.approx(1, abs=1e-12)
    assert found["destruction"] == pytest.approx(0.8, abs=1e-5)
    assert fidelities(dataclasses.replace(e, destruction=None)) == {"control": found["control"]}


def test_pulse_lengths_are_areas_of_the_calibrated_pulse(lab):
    e = lab.experiment
    by_length = probabilities(e, "tau", jnp.array([0.0, 0.81e-6, 3.24e-6]), 0.9)
    by_area = probabilities(e, "theta", jnp.array([0.0, np.pi / 4, np.pi]), 0.9)
    assert np.asarray(by_length) == pytest.approx(np.asarray(by_area), abs=1e-14)


UNCERTAIN = {"preparation", "sector", "scattering", "ejection", "inelastic", "pushout", "loss"}
ALWAYS = {f"detection.{name}" for name in UNCERTAIN}
REST = {"detection.ejection_other", "detection.pushout_other"}


def test_the_nuisances_of_a_count_are_the_uncertain_calibrations_it_depends_on():
    lab = load(PATH, overrides=["raman.pi_time=3.24 +- 0.1 us", "ramsey.half_pulse=1.62(1) us"])
    assert set(count_model(lab).names) == ALWAYS
    assert set(count_model(lab, "tau").names) == ALWAYS | {"raman.pi_time"}
    assert set(count_model(lab, "detuning_hz").names) == ALWAYS | {"ramsey.half_pulse"}
    bounds = dict(zip(count_model(lab).names, count_model(lab).bounds, strict=True))
    assert bounds["detection.preparation"][0] ** 2 == pytest.approx(bounds["detection.sector"][1])
    assert bounds["detection.sector"][0] == 0 and bounds["detection.preparation"][1] == 1


def test_what_counts_depend_on_without_an_error_is_named_as_exact(lab):
    assert set(count_model(lab).exact) == REST
    assert set(count_model(lab, "tau").exact) == REST | {"raman.pi_time"}
    assert set(count_model(lab, "detuning_hz").exact) == REST | {"ramsey.half_pulse", "ramsey.dark_time"}


def test_share_and_loss_after_a_destruction_are_free_unless_their_errors_are_given(lab, lab_file):
    both = {"destruction.sector", "destruction.loss"}
    given = count_model(lab, destroyed=True)
    sigmas = dict(zip(given.names, given.sigmas, strict=True))
    assert set(given.names) == ALWAYS - {"detection.sector"} | both
    assert (sigmas["destruction.sector"], sigmas["destruction.loss"]) == (0.05, 0.02)
    free = count_model(load(lab_file(GOOD + "[destruction]\nloss = 0.1\n")), destroyed=True)
    assert dict(zip(free.names, free.values, strict=True)) == {"destruction.sector": 0.37, "destruction.loss": 0.1}
    assert set(free.sigmas) == {math.inf}
    assert not both & set(free.exact)
    with pytest.raises(InputError, match=r"has no \[destruction\], which the counts of the group destruction"):
        count_model(load(lab_file(GOOD)), destroyed=True)


@pytest.mark.parametrize(("setting", "values"), [("theta", [0.0, 1.1, 3.0]), ("detuning_hz", [0.0, 3e4])])
def test_loss_before_the_pulse(lab, setting, values):
    """Without inelastic collisions it is all one when an atom is lost; with them only two atoms lose each other."""
    values = jnp.array(values)
    changes = {"destruction.loss": 0.2, "destruction.sector": 0.4}
    e = with_values(lab.experiment, changes | {"detection.inelastic": 0.0})
    later = with_values(e, {"detection.sector": 0.4, "detection.loss": 1 - 0.8 * (1 - e.detection.loss)})
    early = np.asarray(probabilities(e, setting, values, 0.7, destroyed=True))
    assert early == pytest.approx(np.asarray(probabilities(later, setting, values, 0.7)), abs=1e-12)
    e = with_values(lab.experiment, changes)
    found = np.asarray(probabilities(e, setting, values, 0.7, destroyed=True))
    before = np.asarray(probabilities(with_values(e, {"detection.sector": 0.4}), setting, values, 0.7))
    assert found[:, 2] == pytest.approx(0.64 * before[:, 2], abs=1e-12)
    assert found.sum(1) == pytest.approx(1, abs=1e-12)
    # an atom left alone stays with the chance it has without inelastic collisions
    stays = (early[:, 1] / 2 + early[:, 2]) / 0.8
    assert found[:, 1] == pytest.approx(0.64 * before[:, 1] + 0.32 * stays, abs=1e-12)


@pytest.mark.parametrize(
    ("sequence", "name", "count"),
    [("raman", "theta", 11), ("interleaved", "theta", 22), ("ramsey", "detuning_hz", 41), ("populations", "time", 11)],
)
def test_sequences(lab, sequence, name, count):
    data = simulate_counts(lab, sequence=sequence, shots=50, seed=4)
    assert data.counts.shape == (count, 3)
    assert (data.counts.sum("atoms") == 50).all()
    assert data[name].dims == ("setting",)
    assert ("group" in data.coords) == (sequence == "interleaved")
    again = simulate_counts(lab, sequence=sequence, shots=50, seed=4)
    assert again.identical(data)
    assert not simulate_counts(lab, sequence=sequence, shots=50, seed=5).identical(data)


def test_simulated_counts_have_the_planted_probabilities(lab):
    data = simulate_counts(lab, shots=200_000, fidelity=0.7, seed=2)
    share = data.counts.values / 200_000
    wanted = np.asarray(probabilities(lab.experiment, "theta", data.theta.values, 0.7))
    assert abs(share - wanted).max() < 5 * 0.5 / math.sqrt(200_000)


# --- derivatives -----------------------------------------------------------------------------------------------------

# frame of the measurement, or the other form of the trap: part of none of these answers
NOWHERE = {
    "atoms.pulse_field",
    "ramsey.span",
    "raman.largest_area",
    "detection.outer",  # counts with a table of inelastic losses only
}


def floats(e):
    found = {}
    for field in dataclasses.fields(e):
        section = getattr(e, field.name)
        for name, spec in specs(section) if dataclasses.is_dataclass(section) else ():
            if not (spec.choices or spec.whole):
                found[f"{field.name}.{name}"] = float(getattr(section, name))
    return found


def answers(e):
    """Populations at the end, Fisher information, fidelity after the destruction, counts with one and two pulses."""
    state = final_state(e)
    pulse = probabilities(e, "tau", jnp.array([0.4e-6, 1.4e-6]), 0.9)
    destroyed = probabilities(e, "tau", jnp.array([1.4e-6]), 0.6, destroyed=True)
    fringe = probabilities(e, "detuning_hz", jnp.array([13e3, 61e3]), 0.9)
    over_time = probabilities(e, "time", jnp.array([0.021]), 0.9)
    return jnp.concatenate(
        [
            state.populations,
            ramsey_fisher(state).value[None],
            destroyed_state(e, state).fidelity[None],
            pulse.ravel(),
            destroyed.ravel(),
            fringe.ravel(),
            over_time.ravel(),
        ]
    )


def by_tweezer():
    e = load(PATH, overrides=["destruction.scrambled=0.3", "destruction.gradient=100 G/cm"]).experiment
    return with_values(e, {"collisions.duration": 0.03})


def by_frequencies():
    return dataclasses.replace(by_tweezer(), trap=None, frequencies=Frequencies(1.1e5, 0.97e5, 2.6e4))


@pytest.mark.parametrize("make", [by_tweezer, by_frequencies])
def test_every_parameter_has_an_exact_derivative(make):
    e = make()
    table = floats(e)
    keys, x = list(table), jnp.array(list(table.values()))

    def answer(x):
        return answers(with_values(e, {k: x[i] for i, k in enumerate(keys)}))

    exact = np.asarray(jax.jit(jax.jacfwd(answer))(x)) * np.asarray(x)
    step, eye = 1e-3, np.eye(len(x))
    factors = np.stack([1 + s * step * eye for s in (1, -1, 0.5, -0.5)])
    values = jax.jit(lambda rows: jax.lax.map(answer, rows))((factors * np.asarray(x)).reshape(-1, len(x)))
    up, down, up2, down2 = np.asarray(values).reshape(4, len(x), -1)
    differences = ((4 * (up2 - down2) / step - (up - down) / (2 * step)) / 3).T
    assert np.isfinite(exact).all()
    size = abs(differences).max(axis=1, keepdims=True)
    # Breit and Rabi's energies are rounded to 1e-6 Hz, of which a step of the field changes 0.07 Hz
    rounding = np.where([k == "atoms.collision_field" for k in keys], 1e-4, 1e-7)
    wrong = abs(exact - differences) > 1e-5 * abs(differences) + rounding * size
    assert not wrong.any(), [(keys[k], exact[a, k], differences[a, k]) for a, k in np.argwhere(wrong)]
    still = {keys[k] for k in np.flatnonzero(abs(exact).max(axis=0) < 1e-12)}
    assert still <= NOWHERE


def test_values_are_put_in_place():
    e = TweezerPair(
        Atoms(temperature=4e-5, collision_field=5e-5),
        Collisions(a_0=-4e-8, a_2=-3e-8, a_4=-2e-8, duration=0.1),
        trap=Tweezer(depth=22e6, waist=1e-6, wavelength=1064e-9),
    )
    assert value_at(with_values(e, {"trap.depth": 11e6}), "trap.depth") == 11e6
    with pytest.raises(ArgumentError, match="goes without"):
        with_values(e, {"frequencies.x": 1e5})


def test_a_prediction_beyond_its_limits_names_the_check_and_its_own_cure():
    lab = ds.load(ds.shipped_labs()["ruksasakchai2026"], overrides=["trap.waist=0.3 um"])
    said = str(ds.predict(lab))
    assert "classical = 0.409, limit 0.2" in said and "a softer trap" in said
    assert "Gamma-tilde" not in said and "no verdict (outside_validity)" in said


def test_the_table_shows_every_check_of_the_kinetic_model():
    lab = ds.load(ds.shipped_labs()["ruksasakchai2026"], overrides=["collisions.a_4=20 a0"])
    said = str(ds.predict(lab))
    assert "small_length = 3.92, limit 1" in said and "abar/|a_f| = 4" in said  # 78.5/20
