"""What a fit refuses: one sentence with file and line for everything that cannot be used, and no traceback."""

import random
import re

import pytest

import darkstate as ds
from command import darkstate
from darkstate.errors import ArgumentError, InputError
from darkstate.report.fit import fit
from darkstate.studies.editing import edited
from darkstate.studies.fit_table import FitTable, read_problem
from darkstate.studies.study import read_study
from mutations import LINES, RICH, VALUES, _character, _cut, _line, _value, _word
from sample_fits import simulated, write_study

STUDY = """lab = "krauter2011"
[fit]
data = "xi.csv"
[fit.free."noise.gamma_tilde"]
start = "0.2 /ms"
low = "0 /ms"
high = "1 /ms"
[fit.free."drive.rate"]
"""
POINTS = "t_ms,xi,xi_err\n2,0.9,0.01\n7,0.83,0.01\n20,0.97,0.01\n"


def problems(folder, text=STUDY, points=POINTS):
    with pytest.raises(InputError) as caught:
        fit(write_study(folder, text, xi=points))
    assert all("\n" not in p and "Traceback" not in p for p in caught.value.problems)
    return [p.replace(str(folder) + "/", "").replace('"', "'") for p in caught.value.problems]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "noise.gamma_tilde",
            "noise.gama_tilde",
            "study.toml:4: noise.gama_tilde is no parameter of .*did you mean noise",
        ),
        (
            "noise.gamma_tilde",
            "protocol.points",
            "study.toml:4: protocol.points is a whole number and cannot be varied",
        ),
        (
            '"0.2 /ms"',
            '"2 /ms"',
            "study.toml:4: noise.gamma_tilde: start = 2000 must lie between low = 0 and high = 1000",
        ),
        ('"0.2 /ms"', '"2 kHz"', "study.toml:5: start = '2 kHz' is an ordinary frequency, but a rate"),
        ('"0.2 /ms"', "0.2", "study.toml:5: start = 0.2 has no unit"),
        ('"0.2 /ms"', '"-1 /ms"', "study.toml:5: start = '-1 /ms' must be at least 0"),
        ('high = "1 /ms"', 'high = "0 /ms"', "low = 0 must be below high = 0"),
        ('high = "1 /ms"', 'hgh = "1 /ms"', "study.toml:7: .*hgh is not known here; did you mean high"),
        (
            'data = "xi.csv"',
            'data = "nothing.csv"',
            "nothing.csv: No such file or directory; give a CSV or NetCDF file",
        ),
        ('data = "xi.csv"', 'data = "."', "Is a directory; give a CSV"),
        (
            'data = "xi.csv"',
            'data = "xi.csv"\nobservable = "xii"',
            ".xii. is no observable of cesium_cells; did you mean xi",
        ),
        ('data = "xi.csv"', "data = []", "study.toml:3: fit.data must have at least 1 entries"),
        ('data = "xi.csv"', "data = 3", "study.toml:3: fit.data must be a list"),
        ('data = "xi.csv"\n', "", "fit.data is missing"),
        (
            'data = "xi.csv"',
            'data = [{ file = "xi.csv", case = "q" }]',
            "case = 'q' is no case of .*known cases: a, b, c",
        ),
        (
            'data = "xi.csv"',
            'data = [{ file = "xi.csv", set = { "drive.zz" = 2 } }]',
            "study.toml:3: drive.zz=2: .*drive.z",
        ),
        ('data = "xi.csv"', 'data = [{ file = "xi.csv", set = { "drive.rate" = "1 /s" } }]', "drive.rate is free, but"),
        ('data = "xi.csv"', 'data = [{ file = "xi.csv", own = ["drive.z"] }]', "drive.z is own, but not free"),
        (
            'data = "xi.csv"',
            'data = "xi.csv"\n[[fit.slopes]]\nof = "jz"\nvalue = "1 /s"',
            "'jz' has no initial slope in",
        ),
        ('data = "xi.csv"', 'data = "xi.csv"\n[[fit.slopes]]\nof = "jx"\nvalue = "1"', "value = '1' has no unit"),
        ('data = "xi.csv"', 'data = "xi.csv"\n[[fit.slopes]]\nof = "jx"\nvalue = "1 /s"', "needs either `fixes`"),
        ('data = "xi.csv"', 'data = "xi.csv"\n[[fit.predict]]\nobservable = "jy"', "'jy' is no observable over time"),
        ('data = "xi.csv"', 'data = "xi.csv"\n[[fit.predict]]\nset = { "drive.z" = 0 }', "study.toml:4: drive.z=0: "),
        (
            'lab = "krauter2011"',
            'lab = "krauter2011"\n[set]\n"protocol.duration" = "10 ms"',
            "xi.csv goes on to 0.02 s",
        ),
    ],
)
def test_a_bad_study_is_refused_in_a_sentence(tmp_path, old, new, sentence):
    said = problems(tmp_path, STUDY.replace(old, new))
    assert any(re.search(sentence, line) for line in said), said


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        ("", "xi.csv holds no points"),
        ("t_ms,xi,xi_err\n", "xi.csv holds no points"),
        ("t_ms,xi\n1,1\n", "xi.csv has no column xi_err"),
        ("t_ms,xi,xi_error\n1,1,1\n", "xi.csv has no column xi_err; did you mean it by 'xi_error'?"),
        ("time,xi,xi_err\n1,1,1\n", "column 'time' is not known; times stand in one of t_s, t_ms, t_us"),
        ("t_ms;xi;xi_err\n1;1;1\n", "its first line names t_ms;xi;xi_err, separated by commas"),
        ("time,var,sigma\n1,1,1\n", "has no column sigma_err; wanted are a time .*; it has time, var, sigma"),
        ("t_ms,xxi,xxi_err\n1,1,1\n", "has no column of xi, jx, .*; did you mean xi where it has 'xxi'?"),
        ("t_ms,xi,xi_err,drive.zz\n1,1,1,1\n", "column 'drive.zz' is not known; did you mean drive.z?"),
        ("t_ms,xi,xi_err,jx,jx_err\n1,1,1,1,1\n", "holds xi and jx; name one as observable"),
        ("xi,xi_err\n1,1\n", "needs one column of times"),
        ("t_ms,t_s,xi,xi_err\n1,1,1,1\n", "needs one column of times"),
        ("t_ms,xi_min,xi_min_err\n1,1,1\n", "has times, but xi_min is one number of cesium_cells"),
        ("t_ms,xi,xi_err,drive.z\n1,1,1,2\n", "has times and drive.z; give one file for each value"),
        ("t_ms,xi,xi,xi_err\n1,1,1,1\n", "column 'xi' stands there twice"),
        ("t_ms,xi,xi_err\n1,1\n", "xi.csv:2: has 2 values, but the header names 3 columns"),
        ("t_ms,xi,xi_err\n1,one,0.1\n", "xi.csv:2: xi = 'one' is not a finite number"),
        ("t_ms,xi,xi_err\n1,nan,0.1\n", "xi.csv:2: xi = 'nan' is not a finite number"),
        ("t_ms,xi,xi_err\n# so\n1,1,0\n", "xi.csv:3: xi_err = 0 must be greater than 0"),
        ("t_ms,xi,xi_err\n1,1,-0.1\n", "xi_err = -0.1 must be greater than 0"),
        ("t_ms,xi,xi_err\n-1,1,0.1\n", "xi.csv:2: a time must not be negative"),
        ("t_ms,xi,xi_err\n0,1,0.1\n", "all its times are 0"),
        ("t_ms,xi,xi_err\n61,1,0.1\n", "goes on to 0.061 s, but the protocol of the lab file ends at 0.06 s"),
        ("t_ms,xi,xi_err\n5,1,0.1\n", "study.toml:4: 1 points cannot determine 2 parameters"),
        ("\x00\x01", "holds no points"),
        ("drive.z,xi_min,xi_min_err\n0.5,0.9,0.1\n", "xi.csv:2: drive.z = 0.5 must be at least 1"),
        ("noise.t2_dark,xi_min,xi_min_err\n5,0.9,0.1\n", "noise.t2_dark = 5.0 has no unit"),
    ],
)
def test_bad_data_are_refused_in_a_sentence(tmp_path, points, sentence):
    said = problems(tmp_path, points=points)
    assert any(re.search(sentence, line) for line in said), said


def test_every_problem_of_the_data_at_once(tmp_path):
    said = problems(tmp_path, points="t_ms,xi,xi_err\n1,x,0.1\n-2,1,0\n")
    assert [line.split(": ")[0] for line in said] == ["xi.csv:2", "xi.csv:3", "xi.csv:3"]


def test_data_that_are_no_text(tmp_path):
    path = write_study(tmp_path, STUDY)
    (tmp_path / "xi.csv").write_bytes(b"\xff\xfe\x00t")
    with pytest.raises(InputError, match="is not text"):
        fit(path)
    path.write_text(STUDY.replace("xi.csv", "xi.nc"))
    (tmp_path / "xi.nc").write_bytes(b"CDF no")
    with pytest.raises(InputError, match="is no NetCDF file that can be read"):
        fit(path)


def test_units_in_a_header_and_with_values(tmp_path):
    from darkstate.studies.data import read_data

    for text in (
        "noise.gamma_tilde (/ms),xi_min,xi_min_err\n0.2,0.9,0.1\n",
        "noise.gamma_tilde,xi_min,xi_min_err\n0.2 /ms,0.9,0.1\n",
    ):
        (tmp_path / "x.csv").write_text(text)
        assert read_data(tmp_path / "x.csv", "cesium_cells").varied == {"noise.gamma_tilde": pytest.approx([200.0])}


def test_nested_tables_are_quoted_ones(tmp_path):
    """[fit.free.drive.rate] means what [fit.free."drive.rate"] does."""
    study, table = read_study(
        write_study(tmp_path, STUDY.replace('"drive.rate"', "drive.rate"), xi=POINTS), "fit", FitTable
    )
    assert [f.key for f in read_problem(study, table).likelihood.free] == ["noise.gamma_tilde", "drive.rate"]


def test_mutated_studies_never_end_in_a_traceback(tmp_path):
    """400 study files with one to four changes each: read, or refused in sentences."""
    seed = random.Random(8)
    read = 0
    for _ in range(400):
        text = STUDY + '[[fit.slopes]]\nof = "jx"\nvalue = "-0.029(1) /ms"\n[[fit.predict]]\nset = { "drive.z" = 2 }\n'
        points = POINTS
        for _ in range(seed.randint(1, 4)):
            change = seed.choice([_character, _value, _line, _word, _cut])
            if seed.random() < 0.3:
                points = change(points, seed)
            else:
                text = change(text, seed)
        try:
            study, table = read_study(write_study(tmp_path, text, xi=points), "fit", FitTable)
            read_problem(study, table)
            read += 1
        except InputError as error:
            assert error.problems and all("\n" not in p and len(p) < 1500 for p in error.problems)
    assert 10 < read < 390
    assert LINES and RICH and VALUES  # the same material as for lab files


# ---- fitted lab files ----


def test_values_of_a_case_are_replaced_there():
    text = ds.shipped_labs()["krauter2011"].read_text()
    new = edited(text, {"noise.gamma_tilde": '"0.3 /ms"'}, cases=("c",))
    assert new.count("0.3 /ms") == 1 and '"0.193 /ms"' in new and "0.233" not in new
    both = edited(text, {"noise.gamma_tilde": '"0.3 /ms"'}, cases=("a", "c"), note="fitted")
    assert both.count("0.3 /ms") == 2 and both.count("# fitted") == 2
    lines = [a for a, b in zip(text.split("\n"), new.split("\n"), strict=True) if a != b]
    assert lines == ['gamma_tilde = "0.233 /ms"']


def test_segments_and_second_tables_and_missing_keys():
    new = edited(
        RICH,
        {
            "protocol.segments.1.duration": '"7 ms"',
            "second.drive.rate": '"3 /s"',
            "cells.transmission": "0.9",
            "noise.collision_rate": '"2 /s"',
        },
    )
    import tomllib

    data = tomllib.loads(new)
    assert [s["duration"] for s in data["protocol"]["segments"]] == ["15 ms", "7 ms"]
    assert data["second"]["drive"]["rate"] == "3 /s" and data["drive"]["rate"] == "2pi*0.3 Hz"
    assert data["cells"] == {"transmission": 0.9} and data["noise"]["collision_rate"] == "2 /s"


def test_inline_tables_are_refused():
    with pytest.raises(ArgumentError, match="drive.z stands inside braces"):
        edited("drive = { z = 2.5, rate = 3 }\n", {"drive.z": "2"})
    with pytest.raises(ArgumentError, match="no table with a head of its own"):
        edited("drive = { z = 2.5 }\n", {"drive.rate": "2"})


def test_comments_and_odd_spacing_stay():
    text = "[drive]   # light\n  z=2.5# of 002\nrate  =  '2 /s'   # of the fit\n"
    assert edited(text, {"drive.z": "3", "drive.rate": '"4 /s"'}) == (
        '[drive]   # light\n  z=3# of 002\nrate  =  "4 /s"   # of the fit\n'
    )


# ---- the command ----


def test_the_command_writes_its_files(tmp_path):
    path = write_study(tmp_path, STUDY, xi=simulated("a"))
    code, out, err = darkstate("fit", path, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert "noise.gamma_tilde" in out and "chi^2" in out and "fitted.toml" in out
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "fit.csv",
        "fit.nc",
        "fit.pdf",
        "fit.png",
        "fitted.toml",
    ]
    code, _, err = darkstate("check", tmp_path / "out" / "fitted.toml")
    assert code == 0, err


def test_the_command_ends_in_one_sentence(tmp_path):
    path = write_study(tmp_path, STUDY.replace("gamma_tilde", "gama_tilde"), xi=POINTS)
    code, out, err = darkstate("fit", path, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and "did you mean noise.gamma_tilde" in err
    assert not (tmp_path / "out").exists()
