"""Lab files: what they mean, how every mistake is named, and that no text whatever gets further than a sentence."""

import math
import random
import tomllib

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkstate.errors import InputError
from darkstate.experiments import CATALOGUE
from darkstate.experiments.labfile import load, load_cases, schema, shipped_labs
from darkstate.experiments.layout import parameters, sections
from darkstate.experiments.monitored_cells import MonitoredCells
from darkstate.experiments.spin_mechanics import SpinMechanics
from darkstate.experiments.template import template
from darkstate.experiments.tweezer_pair import TweezerPair
from darkstate.experiments.two_cells import second_cell
from darkstate.parameters import specs
from darkstate.report.check import check
from mutations import RICH, mutated

GOOD = """experiment = "cesium_cells"
[ensembles]
optical_depth = 55
[drive]
z = 2.5
rate = "0.002 /ms"
loss_rate = "26.4 /s"
[noise]
gamma_tilde = "0.193 /ms"
t2_dark = "40 ms"
[protocol]
duration = "60 ms"
"""


@pytest.fixture
def lab_file(tmp_path, monkeypatch):
    """Write a text to lab.toml in the current folder and give its name."""
    monkeypatch.chdir(tmp_path)

    def write(text):
        (tmp_path / "lab.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return "lab.toml"

    return write


def problems(path, **options):
    with pytest.raises(InputError) as refusal:
        load(path, **options)
    assert all("\n" not in line for line in refusal.value.problems)
    return refusal.value.problems


def test_numbers_arrive_in_si_with_their_uncertainties(lab_file):
    lab = load(lab_file(RICH))
    assert lab.experiment.drive.rate == pytest.approx(2 * math.pi * 0.3)
    assert lab.experiment.noise.gamma_tilde == 193.0
    assert lab.experiment.noise.t2_dark == 0.04
    assert lab.experiment.second == {"ensembles.optical_depth": 40.0, "drive.rate": 2.1}
    assert [s.kind for s in lab.experiment.protocol.segments] == ["drive", "dark"]
    assert lab.experiment.protocol.segments[0].duration == 0.015
    assert lab.uncertainties == {"ensembles.optical_depth": 2.0, "noise.gamma_tilde": 5.0}
    assert lab.written["noise.gamma_tilde"] == "0.193(5) /ms"
    assert (lab.name, lab.case, lab.cases) == ("lab", "strong", ("strong", "short"))


def test_cases_change_single_values(lab_file):
    labs = load_cases(lab_file(RICH))
    assert labs["strong"].experiment.drive.z == 3.0
    assert labs["short"].experiment.drive.z == 2.5
    assert labs["short"].experiment.protocol.segments == ()  # its duration displaces the segments
    assert labs["short"].experiment.protocol.duration == 1e-3
    without_default = RICH.replace('default_case = "strong"', "")
    assert load(lab_file(without_default), case="short").case == "short"
    assert load(lab_file(without_default)).case == "strong"
    assert problems(lab_file(RICH), case="shot") == [
        '--case "shot" is no case of lab.toml; known cases: strong, short; did you mean short?'
    ]
    assert problems(lab_file(GOOD), case="a") == ['--case "a" is no case of lab.toml, which has no cases']


def test_overrides_win(lab_file):
    changes = [
        "drive.z=2",
        "drive.rate=2pi*1 Hz",
        "ensembles.optical_depth=60 +- 3",
        "protocol.segments.1.duration=7 ms",
        "second.ensembles.optical_depth=41",
    ]
    lab = load(lab_file(RICH), overrides=changes)
    assert lab.experiment.drive.z == 2.0
    assert lab.experiment.drive.rate == pytest.approx(2 * math.pi)
    assert lab.uncertainties["ensembles.optical_depth"] == 3.0
    assert lab.experiment.protocol.segments[1].duration == 7e-3
    assert lab.experiment.second["ensembles.optical_depth"] == 41.0
    assert lab.overrides == tuple(changes)
    assert lab.digest == load("lab.toml").digest
    missing = GOOD.replace("z = 2.5\n", "")
    assert load(lab_file(missing), overrides=["drive.z=2"]).experiment.drive.z == 2.0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rate =", "rat =", "lab.toml:6: drive.rat is not known here; did you mean drive.rate?"),
        ("z = 2.5", "zz = 2.5\nz = 2.5", "lab.toml:5: drive.zz is not known here; did you mean drive.z?"),
        ("[noise]", "[nois]", "lab.toml:8: nois is not known here; did you mean noise?"),
        ("z = 2.5", "z = 2.5\ncollision_rate = 1", "did you mean noise.collision_rate?"),
        ("z = 2.5\n", "", "lab.toml:4: drive.z is missing: squeezing parameter 1/(mu - nu)"),
        ('"40 ms"', '"40 /ms"', 'lab.toml:10: noise.t2_dark = "40 /ms" is a rate or angular frequency, but a time'),
        ('"0.002 /ms"', '"5 kHz"', 'write "2pi*5 kHz" (31416 /s) or "5000 /s"'),
        ('"0.002 /ms"', "2", 'drive.rate = 2 has no unit, but a rate or angular frequency is wanted; write "2 /s"'),
        ('"0.002 /ms"', '"-2 /s"', 'lab.toml:6: drive.rate = "-2 /s" must be greater than 0'),
        ("2.5", "0.9", "lab.toml:5: drive.z = 0.9 must be at least 1"),
        ("55", "nan", "lab.toml:3: ensembles.optical_depth = nan is not a finite number"),
        ("55", '"1e999"', 'ensembles.optical_depth = "1e999" is not a finite number'),
        ("55", "true", "ensembles.optical_depth = true is not a plain number"),
        ("55", "[55]", "ensembles.optical_depth = a list is not a plain number"),
        ("duration = ", "points = 2.5\nduration = ", "protocol.points = 2.5 must be a whole number"),
        ('duration = "60 ms"', "", "protocol needs either `duration` or a list of `segments`"),
        ('duration = "60 ms"', "segments = 3", "lab.toml:12: protocol.segments must be a list of tables"),
        ('duration = "60 ms"', "segments = [3]", "protocol.segments.0 must be a table"),
        ('duration = "60 ms"', "segments = [{kind = 'pump'}]", "protocol.segments.0.duration is missing"),
        ('duration = "60 ms"', "segments = [{kind='pum', duration='1 s'}]", "did you mean pump?"),
        ("[protocol]", "[drive.x]\n[protocol]", "lab.toml:11: drive.x is not known here"),
        (
            "[drive]",
            "[cells]\ntransmission = 1.2\n[drive]",
            "cells.transmission = 1.2 must be at least 0 and at most 1",
        ),
        ("[protocol]", "[second.field]\n[protocol]", "second.field is not known here; `second` holds only ensembles"),
        ("[protocol]", "[cases.all]\n[protocol]", 'a case cannot be called "all"'),
        ("[protocol]", "[cases.'a b']\n[protocol]", "cases.a b is no name for a case"),
        ("[protocol]", "[cases.b.drive]\nz=0\n[protocol]", "lab.toml:12: cases.b.drive.z = 0 must be at least 1"),
        ("[ensembles]", "default_case = 'x'\n[ensembles]", 'default_case = "x" is no case of lab.toml'),
        ("[ensembles]", "title = 3\n[ensembles]", "lab.toml:2: title must be text in quotes"),
        (
            '"cesium_cells"',
            '"cesium_cell"',
            'experiment = "cesium_cell" is not known here; did you mean "cesium_cells"?',
        ),
        ("experiment", "# experiment", "lab.toml: experiment is missing"),
        ('"40 ms"', '"1 ms"', "lab.toml:9: noise.gamma_tilde is the total with the drive on and must be at least"),
        ("2.5", "1e200", "Gamma_cool of ensemble I follows as inf /s"),
        ("55", "'1e308'", "d Gamma of ensemble I follows as inf /s"),
    ],
)
def test_every_mistake_is_one_sentence(lab_file, old, new, said):
    assert old in GOOD
    (problem,) = problems(lab_file(GOOD.replace(old, new, 1)))
    assert said in problem


def test_all_problems_of_a_file_come_at_once_and_in_its_order(lab_file):
    text = GOOD.replace("rate =", "rat =", 1).replace("55", "nan").replace('"40 ms"', "3")
    found = problems(lab_file(text), overrides=["pump.rat=1"])
    assert [line.split(" ")[0] for line in found] == [
        "lab.toml:3:",
        "lab.toml:6:",
        "lab.toml:10:",
        "--set",
    ]


def test_a_misspelt_key_is_one_mistake_and_many_are_cut_short(lab_file):
    assert len(problems(lab_file(GOOD.replace("[drive]", "[drve]")))) == 1
    many = "".join(f"x{n} = 1\n" for n in range(300))
    found = problems(lab_file(GOOD.replace("[drive]", f"[drive]\n{many}")))
    assert len(found) == 101
    assert found[-1] == "these are the first 100 problems; there are more"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("drive.rat=3", "--set drive.rat=3: drive.rat is not known here; did you mean drive.rate?"),
        ("drive.rate=5 kHz", '--set drive.rate=5 kHz: drive.rate = "5 kHz" is an ordinary frequency'),
        ("drive.rate=nan", "--set drive.rate=nan: drive.rate = nan is not a finite number"),
        ("drive=3", "drive is not known here; it is a table, name one of its parameters, such as drive.z"),
        ("cases.a.drive.z=3", "choose a case with --case"),
        ("second.field.larmor_mismatch=3", "`second` holds only ensembles"),
        ("protocol.segments.0.duration=3 ms", "there is no segment 0; the protocol has no list of segments"),
        ("drive.z", "write section.key=value"),
        ("=3", "write section.key=value"),
        ("ensembles.initial_down=0.5", "ensembles.initial_up and `initial_down`"),
        ("second.ensembles.initial_down=0.5", "second.ensembles.initial_up and `initial_down`"),
    ],
)
def test_a_wrong_override_is_named_as_it_was_given(lab_file, change, said):
    (problem,) = problems(lab_file(GOOD), overrides=[change])
    assert said in problem


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "lab.toml is empty"),
        (" \n\n", "lab.toml is empty"),
        ("experiment = = 3", "lab.toml:1 is not valid TOML"),
        ("a = 1\nb = [1,\n", "lab.toml:2 is not valid TOML"),
        ("a = 1\na = 2", "lab.toml:2 is not valid TOML"),
        ("[a.b]\n[a.b]", "lab.toml:2 is not valid TOML (cannot declare a.b twice"),
        ("a = " + "9" * 1990, "experiment is missing"),
        ("a = " + "[" * 1990, "nested too deeply"),
        ("a = [\n" + "[\n" * 3000, "nested too deeply"),
        ("a" + ".a" * 900 + " = 1", "lab.toml:1 names a table nested too deeply"),
        ("a = '" + "x" * 5000, "lab.toml:1 is longer than 2000 characters"),
        (b"a = 1\nb = '\xff'", "lab.toml:2 is not UTF-8 text"),
        (b"\x00" * 10_000_000, "lab.toml has 10.0 MB; a lab file has at most 1 MiB"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_lab_file(lab_file, content, said):
    (problem,) = problems(lab_file(content))
    assert said in problem


def test_a_large_file_is_not_read(lab_file, monkeypatch):
    path = lab_file(b"#" * 10_000_000)
    monkeypatch.setattr("builtins.open", lambda *_, **__: pytest.fail("the file was opened"))
    (problem,) = problems(path)
    assert "MiB" in problem


def test_paths_that_lead_nowhere(lab_file, tmp_path):
    lab_file(GOOD)
    assert problems("lb.toml") == ["lb.toml does not exist; did you mean lab.toml?"]
    assert problems("lab") == ["lab does not exist; did you mean lab.toml?"]
    assert problems("nowhere/at/all.toml") == ["nowhere/at/all.toml does not exist; give the path of a lab file (TOML)"]
    assert "is a folder" in problems(str(tmp_path))[0]
    assert "cannot be read" in problems("a\0b")[0]
    assert "cannot be read" in problems("x" * 5000)[0]


def test_windows_texts_mean_the_same(lab_file):
    plain = load(lab_file(GOOD))
    windows = load(lab_file(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()))
    assert windows.experiment == plain.experiment
    assert windows.digest == plain.digest


def test_the_line_of_a_key_survives_long_values(lab_file):
    text = 'title = """a\n[drive]\nz = 1"""\n' + GOOD.replace("55", "[\n1, # ]\n2]")
    found = problems(lab_file(text.replace('"0.002 /ms"', "3")))
    assert [line.split(" ")[0] for line in found] == ["lab.toml:6:", "lab.toml:11:"]


def test_published_files_hold_the_published_numbers():
    # 002 Fig. 2 caption
    labs = load_cases(shipped_labs()["krauter2011"])
    assert [lab.experiment.ensembles.optical_depth for lab in labs.values()] == [55, 35, 37]
    assert [lab.experiment.noise.gamma_tilde for lab in labs.values()] == [193, 193, 233]
    assert [lab.experiment.pump.rate for lab in labs.values()] == [0, 0, 168]
    # 000 App. C
    labs = load_cases(shipped_labs()["muschik2013"])
    assert [lab.experiment.ensembles.optical_depth for lab in labs.values()] == [55, 100, 150]
    assert labs["d55"].experiment.cell.total.transverse == 193 + 2 * 160
    assert labs["d55"].experiment.cell.total.h_to_up == 162


def test_schema_describes_every_parameter():
    text = schema()
    jsonschema.Draft202012Validator.check_schema(text)
    for name, cls in text["$defs"].items():
        if any(
            name == f"{kind}_{section}" for kind in CATALOGUE for section in sections(kind) if section != "protocol"
        ):
            for entry in cls["properties"].values():
                assert {"description", "unit", "symbol", "source"} <= entry.keys()


@pytest.mark.parametrize("text", [*(p.read_text("utf-8") for p in shipped_labs().values()), RICH, GOOD])
def test_schema_accepts_what_loads(text, lab_file):
    assert load(lab_file(text)).experiment
    jsonschema.validate(tomllib.loads(text), schema())


@pytest.mark.parametrize("change", [("rate =", "rat ="), ("55", "-1"), ('"60 ms"', "60"), ('"40 ms"', '"40 /ms"')])
def test_schema_rejects_mistakes(change):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(GOOD.replace(*change, 1)), schema())


@pytest.mark.parametrize("kind", CATALOGUE)
def test_a_new_lab_file_loads_and_names_every_parameter(lab_file, kind):
    text = template(kind, "our lab")
    lab = load(lab_file(text))
    assert type(lab.experiment) is CATALOGUE[kind]
    jsonschema.validate(tomllib.loads(text), schema())
    flat = text.replace("\n# ", " ")
    for key, spec in parameters(kind).items():
        assert f"{key.rpartition('.')[2]} = " in text
        assert spec.doc in flat.replace("# ", "")
        assert f"source: {spec.source}" in flat.replace("# ", "")


def assert_physical(lab):
    """What every accepted lab file must be, checked without the code under test."""
    assert all(0 < error < math.inf for error in lab.uncertainties.values())
    if isinstance(lab.experiment, SpinMechanics):
        rates = lab.experiment.rates
        for one in (rates.first, rates.second):
            numbers = (one.rate, one.theta, one.linewidth, one.decoherence, one.passive, one.active, one.cooperativity)
            assert all(map(math.isfinite, numbers))
            assert one.rate >= 0
            assert 2 * one.decoherence >= abs(one.linewidth) * (1 - 1e-12)  # no bath is colder than 0 K
            assert one.passive + one.active == pytest.approx(one.rate)
        assert 0 <= rates.loss <= 1
        assert math.isfinite(lab.experiment.gain)
    elif isinstance(lab.experiment, MonitoredCells):
        assert 0 < lab.experiment.gamma_s < math.inf
        assert 0 <= lab.experiment.gamma_extra < math.inf
        assert lab.experiment.z >= 1
        assert lab.experiment.bath.variance >= 1
        assert 0 <= lab.experiment.detection.efficiency <= 1
    elif isinstance(lab.experiment, TweezerPair):
        e = lab.experiment
        assert all(0 < f < math.inf for f in e.well.frequencies_hz)
        assert all(0 < abs(a) < math.inf for a in e.lengths)
        assert 0 < e.atoms.temperature < math.inf
        assert 0 <= e.detection.sector <= e.detection.preparation**2 <= 1
    else:
        assert_physical_cells(lab)


def assert_physical_cells(lab):
    for experiment in (lab.experiment, second_cell(lab.experiment)):
        cell = experiment.cell
        rates = [getattr(cell.total, name) for name, _ in specs(cell.total)]
        assert all(0 <= rate < math.inf for rate in rates)
        assert cell.atoms >= 1
        assert cell.z >= 1
        assert experiment.optical_depth >= 0
        assert min(cell.initial_up, cell.initial_down) >= 0
        assert cell.initial_up + cell.initial_down <= 1 + 1e-9
        assert 0 <= experiment.cells.transmission <= 1
        assert 0 < experiment.protocol.total < math.inf
        assert 2 <= experiment.protocol.points <= 100_001
        assert math.isfinite(experiment.field.larmor_mismatch)


FOREIGN = ("pydantic", "tomllib", "Traceback", "http", "ValidationError", "Exceeds the limit")


@given(seed=st.integers(min_value=0, max_value=2**63))
@settings(derandomize=True, max_examples=2000, deadline=None)
def test_mutated_files_give_a_physical_lab_or_sentences(tmp_path_factory, seed):
    path = tmp_path_factory.getbasetemp() / "mutated.toml"
    path.write_bytes(mutated(random.Random(seed)).encode())
    try:
        lab = load(path)
    except InputError as refusal:
        assert refusal.problems
        for line in refusal.problems:
            assert line.isprintable()
            assert len(line) < 700
            assert not any(word in line for word in FOREIGN)
    else:
        assert_physical(lab)
        text = check(lab)
        assert all(key in text for key in lab.written)


@given(change=st.text(max_size=60) | st.builds("{}={}".format, st.sampled_from(["drive.z", "drive.rate"]), st.text()))
@settings(derandomize=True, max_examples=200, deadline=None)
def test_any_override_gives_a_physical_lab_or_a_sentence(change):
    try:
        lab = load(shipped_labs()["krauter2011"], overrides=[change])
    except InputError as refusal:
        assert all(line.isprintable() for line in refusal.problems)
    else:
        assert_physical(lab)


def test_a_name_stands_for_a_lab_file_that_comes_along(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load("krauter2011", case="b").experiment == load(shipped_labs()["krauter2011"], case="b").experiment
    (tmp_path / "krauter2011").write_text(shipped_labs()["muschik2011"].read_text("utf-8"))
    assert type(load("krauter2011").experiment).__name__ == "TwoLevelEnsembles"  # a file here comes first
