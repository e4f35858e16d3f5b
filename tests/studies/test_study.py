"""Study files: what is read, and one sentence with its line for everything that cannot be."""

import pytest

from darkstate.errors import InputError
from darkstate.studies.study import Number, Table, read_study


class Range(Table):
    low: Number
    high: Number


class Question(Table):
    quantity: str
    over: dict[str, Range]
    starts: int = 4


TEXT = """lab = "krauter2011"
case = "c"
title = "which Z"
[set]
"drive.z" = 2
[optimise]
quantity = "xi_inf"
[optimise.over."drive.z"]
low = 1.1
high = 3
[optimise.over."noise.gamma_tilde"]
low = "0.1 /ms"
high = "1 /ms"
"""


def written(folder, text):
    path = folder / "which.toml"
    path.write_text(text)
    return path


def problems(folder, text, command="optimise"):
    with pytest.raises(InputError) as caught:
        read_study(written(folder, text), command, Question)
    return [line.replace(str(folder) + "/", "") for line in caught.value.problems]


def test_a_study_is_its_lab_and_a_table(tmp_path):
    study, table = read_study(written(tmp_path, TEXT), "optimise", Question)
    assert (study.name, study.title, study.kind, study.folder) == ("which", "which Z", "cesium_cells", tmp_path)
    assert study.lab.case == "c" and study.lab.experiment.drive.z == 2.0
    assert (table.quantity, table.starts, list(table.over)) == ("xi_inf", 4, ["drive.z", "noise.gamma_tilde"])
    key = ("optimise", "over", "noise.gamma_tilde", "low")
    assert study.number(key, "noise.gamma_tilde", "0.1 /ms") == 100.0
    assert study.parameter(key, "drive.z").value == 2.0
    # tests/unit/test_labfile.py: labs/krauter2011.toml writes no uncertainty of it
    assert study.parameter(key, "drive.z").sigma is None
    assert study.key(key).endswith("which.toml:12")


def test_a_lab_beside_the_study_comes_before_one_that_comes_along(tmp_path):
    import darkstate as ds

    own = ds.shipped_labs()["krauter2011"].read_text().replace("z = 2.5", "z = 2.25")
    (tmp_path / "krauter2011").write_text(own)
    study, _ = read_study(written(tmp_path, TEXT.replace('"drive.z" = 2\n', "")), "optimise", Question)
    assert study.lab.experiment.drive.z == 2.25


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('lab = "krauter2011"\n', "", "which.toml: lab is missing: the lab file; write lab ="),
        ('"krauter2011"', '"krauter2001"', 'which.toml:1: lab = "krauter2001" does not exist; did you mean "krauter'),
        ('"krauter2011"', "3", "which.toml:1: lab = 3 must be text in quotes"),
        ('"c"', '"d"', 'which.toml:2: case = "d" is no case of'),
        ("title", "titel", "which.toml:3: titel is not known in a study file; did you mean title?"),
        ("[set]", "[sett]", "which.toml:4: sett is not known in a study file; did you mean set?"),
        ('"drive.z" = 2\n', '"drive.zz" = 2\n', "which.toml:5: drive.zz is not known here; did you mean drive.z?"),
        ('"drive.z" = 2\n', '"drive.z" = -2\n', "which.toml:5: drive.z = -2 must be at least 1"),
        ('"drive.z" = 2\n', "drive = { z = 2 }\n", "which.toml:5: drive = a table is no value; write the key in quot"),
        ("[optimise]\nq", "[optimize]\nq", "which.toml:6: optimize is not known in a study file; did you mean optim"),
        ('quantity = "xi_inf"', "quantity = 2", "which.toml:7: optimise.quantity must be text in quotes"),
        ('quantity = "xi_inf"', "", "which.toml:6: optimise.quantity is missing; write it below [optimise]"),
        ('quantity = "xi_inf"', 'quantity = "a"\nstart = 3', "which.toml:8: optimise.start is not known here; did you"),
        ('quantity = "xi_inf"', 'quantity = "a"\nstarts = 3.5', "which.toml:8: optimise.starts must be a whole number"),
        ("low = 1.1", "lo = 1.1", "which.toml:9: optimise.over.drive.z.lo is not known here; did you mean low?"),
        ("low = 1.1", "low = [1]", "which.toml:9: optimise.over.drive.z.low must be a finite number"),
        ("low = 1.1", "low = 1.1\nlow = 2", "which.toml:10 is not valid TOML"),
    ],
)
def test_one_sentence_for_what_cannot_be_read(tmp_path, old, new, said):
    assert old in TEXT
    found = problems(tmp_path, TEXT.replace(old, new, 1))
    assert any(line.startswith(said) for line in found), found


def test_the_table_asked_for_must_be_there(tmp_path):
    assert problems(tmp_path, TEXT, "sweep") == ["which.toml: has no table [sweep]; `darkstate sweep --help` shows one"]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("drive.zz", "is no parameter of"),
        ("protocol.points", "is a whole number and cannot be varied; choose it with [set]"),
        ("second.drive.z", "is not in the lab file, so ensemble II has the value of I"),
        ("drive", "it is a table, name one of its parameters"),
        ("", "is no parameter of"),
        ("protocol.segments.0.duration", "has no value in this lab file"),
    ],
)
def test_only_numbers_of_the_lab_can_be_varied(tmp_path, key, said):
    study, _ = read_study(written(tmp_path, TEXT), "optimise", Question)
    with pytest.raises(InputError, match=r"^\S+which.toml:8: ") as caught:
        study.parameter(("optimise", "over", "drive.z"), key)
    assert said in str(caught.value)


def test_a_value_needs_its_unit_and_range(tmp_path):
    study, _ = read_study(written(tmp_path, TEXT), "optimise", Question)
    key = ("optimise", "over", "noise.gamma_tilde", "low")
    for raw, said in (("1 Hz", "which.toml:12: low = "), (-1, "low = -1 "), ("-1 /ms", "must be at least 0")):
        with pytest.raises(InputError) as caught:
            study.number(key, "noise.gamma_tilde", raw)
        assert said in str(caught.value)
