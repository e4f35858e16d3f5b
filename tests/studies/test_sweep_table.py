"""The table [sweep]: every kind of axis, and one sentence with its line for everything that cannot be."""

import importlib.metadata
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from darkstate.errors import InputError
from darkstate.studies.axes import Axis, Column, Grid, Sample
from darkstate.studies.sweep_table import read_sweep
from darkstate.studies.task import read_task
from study_files import map_text, written

HEAD = 'lab = "krauter2011"\n[sweep]\nquantities = ["xi_inf"]\n'


def task_of(folder, text):
    return read_sweep(written(folder, text))[1]


def problems(folder, text):
    with pytest.raises(InputError) as caught:
        task_of(folder, text)
    return [line.replace(f"{folder}/", "") for line in caught.value.problems]


def test_every_kind_of_axis(tmp_path):
    points = task_of(
        tmp_path,
        HEAD
        + """[sweep.axes."drive.z"]
linear = [1.5, 2.5, 3]
[sweep.axes."noise.gamma_tilde"]
log = ["0.1 /ms", "10 /ms", 3]
[sweep.axes."ensembles.optical_depth"]
values = [55, 30]
[sweep.zipped.light]
"drive.rate" = ["1 /s", "2 /s"]
"drive.loss_rate" = ["10 /s", "20 /s"]
""",
    ).points
    assert points.shape == (3, 3, 2, 2) and points.size == 36
    assert points.dims == ("drive.z", "noise.gamma_tilde", "ensembles.optical_depth", "light")
    values = points.values(0, 36)
    # the last axis runs fastest; SI values: 0.1 /ms = 100 /s
    np.testing.assert_array_equal(values["drive.rate"][:4], [1, 2, 1, 2])
    np.testing.assert_array_equal(values["drive.loss_rate"], 10 * values["drive.rate"])
    np.testing.assert_array_equal(values["ensembles.optical_depth"][:4], [55, 55, 30, 30])
    np.testing.assert_allclose(values["noise.gamma_tilde"][::4][:3], [100, 1000, 10000], rtol=1e-14)
    np.testing.assert_array_equal(values["drive.z"][::12], [1.5, 2.0, 2.5])
    part = points.values(17, 5)
    for key in values:
        np.testing.assert_array_equal(part[key], values[key][17:22])


def test_a_text_makes_the_same_task(tmp_path):
    for text in (map_text(), HEAD + '[sweep.sample]\npoints = 9\nover = { "drive.z" = [1.1, 3] }\n'):
        task = task_of(tmp_path, text)
        again = read_task(task.text)
        assert again.text == task.text and again.digest == task.digest
        for key, values in task.points.values(3, 4).items():
            np.testing.assert_array_equal(again.points.values(3, 4)[key], values)


@pytest.mark.parametrize("name", ["scipy", "jaxlib", "numpy"])
def test_another_version_is_another_task(tmp_path, monkeypatch, name):
    # points of a sample come from SciPy, the bits of every number from the compiler in jaxlib
    one, real = task_of(tmp_path, map_text()).digest, importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda p: "0.0.1" if p == name else real(p))
    monkeypatch.setattr("darkstate.studies.task.version", importlib.metadata.version)
    assert task_of(tmp_path, map_text()).digest != one


def test_a_sample_fills_its_ranges_evenly_and_follows_from_its_seed(tmp_path):
    text = HEAD + '[sweep.sample]\npoints = 256\nseed = {}\nover = { "drive.z" = [1, 3] }\n'
    text += 'over_log = { "noise.gamma_tilde" = ["0.1 /ms", "10 /ms"] }\n'
    one, two = (task_of(tmp_path, text.replace("{}", seed, 1)).points for seed in ("1", "2"))
    values = one.values(0, 256)
    # Owen scrambling of a (0, m, 2) net in base 2: 2^m points put one into each of 2^m slices of every axis
    z, tilde = (values["drive.z"] - 1) / 2, np.log(values["noise.gamma_tilde"] / 100) / math.log(100)
    for shares in (z, tilde):
        assert sorted((256 * shares).astype(int)) == list(range(256))
    # and one into each of the 16 x 16 squares
    assert len(set(zip((16 * z).astype(int).tolist(), (16 * tilde).astype(int).tolist(), strict=True))) == 256
    np.testing.assert_array_equal(one.values(64, 32)["drive.z"], values["drive.z"][64:96])
    assert not np.array_equal(two.values(0, 256)["drive.z"], values["drive.z"])


def test_a_sample_goes_on_where_it_was(monkeypatch):
    from scipy.stats.qmc import Sobol

    columns = tuple(Column(f"p{n}", "1", "p", "linear", (0.0, 1.0)) for n in range(3))
    whole = Sobol(3, scramble=True, rng=5).random(4096)  # drawn at once, by SciPy alone
    steps, real = [], Sobol.fast_forward
    monkeypatch.setattr(Sobol, "fast_forward", lambda self, n: steps.append(n) or real(self, n))
    sample = Sample(columns, 4096, seed=5)

    def same(start, count):
        found = np.stack(list(sample.values(start, count).values()), axis=1)
        np.testing.assert_array_equal(found, whole[start : start + count])

    for start in range(0, 4096, 64):
        same(start, 64)
    assert steps == []  # 64 blocks from 0 each would have been 129 024 points
    for start in (192, 128, 256):  # threads take blocks in almost this order
        same(start, 64)
    assert steps == []
    same(130, 5)
    same(1, 1)
    assert steps == [2, 1]
    with ThreadPoolExecutor(8) as pool:
        again = Sample(columns, 4096, seed=5)
        parts = list(pool.map(lambda start: again.values(start, 64)["p1"], range(0, 4096, 64)))
    np.testing.assert_array_equal(np.concatenate(parts), whole[:, 1])


def test_corners_hold_the_extremes():
    fall = Column("a", "1", "a", "values", (3.0, 1.0, 2.0))
    rise = Column("b", "1", "b", "linear", (0.0, 1.0))
    found = list(Grid((Axis("a", 3, (fall,)), Axis("b", 5, (rise,)))).corners())
    assert {(c["a"], c["b"]) for c in found} >= {(a, b) for a in (1.0, 3.0) for b in (0.0, 0.5, 1.0)}
    many = [Column(f"p{n}", "1", "p", "linear", (0.0, 1.0)) for n in range(20)]
    found = list(Sample(tuple(many), 8, seed=0).corners())
    assert len(found) == 512 and found[0] == dict.fromkeys(found[0], 0.0) and found[1] == dict.fromkeys(found[1], 1.0)


BAD = {
    "no axes": ("", "study.toml:2: sweep has no axes; write one"),
    "misspelt": ('[sweep.axes."drive.zz"]\nvalues = [2]\n', "study.toml:4: drive.zz is no parameter of"),
    "misspelt, nearest": ('[sweep.axes."drive.zz"]\nvalues = [2]\n', "did you mean drive.z?"),
    "text": ('[sweep.axes."laser.rayleigh"]\nvalues = [1]\n', "laser.rayleigh is text and cannot be varied"),
    "whole": ('[sweep.axes."protocol.points"]\nvalues = [9]\n', "protocol.points is a whole number and cannot be"),
    "two rules": ('[sweep.axes."drive.z"]\nvalues = [2]\nlinear = [1, 2, 3]\n', "drive.z has linear and values; keep"),
    "no rule": ('[sweep.axes."drive.z"]\n', "study.toml:4: the axis drive.z needs linear, log or values"),
    "empty": ('[sweep.axes."drive.z"]\nvalues = []\n', "study.toml:5: values of drive.z is empty"),
    "nan": ('[sweep.axes."drive.z"]\nvalues = [2, nan]\n', "study.toml:5: values = nan"),
    "inf": ('[sweep.axes."drive.z"]\nlinear = [2, inf, 4]\n', "study.toml:5: linear = inf"),
    "range": ('[sweep.axes."drive.z"]\nvalues = [0.5, 2]\n', "values = 0.5 must be at least 1"),
    "unit": ('[sweep.axes."drive.rate"]\nvalues = ["2 Hz"]\n', 'values = "2 Hz"'),
    "no unit": ('[sweep.axes."drive.rate"]\nvalues = [2]\n', "study.toml:5: values = 2"),
    "true": ('[sweep.axes."drive.z"]\nvalues = [true]\n', "study.toml:5: sweep.axes.drive.z.values.0"),
    "one point": ('[sweep.axes."drive.z"]\nlinear = [1, 2, 1]\n', "linear of drive.z must be [from, to, number"),
    "half a point": ('[sweep.axes."drive.z"]\nlinear = [1, 2, 2.5]\n', "linear of drive.z must be [from, to, number"),
    "two numbers": ('[sweep.axes."drive.z"]\nlinear = [1, 2]\n', "linear of drive.z must be [from, to, number"),
    "huge": ('[sweep.axes."drive.z"]\nlinear = [1, 2, 100000000]\n', "with 2 to 10000000 points"),
    "huge product": (
        '[sweep.axes."drive.z"]\nlinear = [1, 2, 1000000]\n[sweep.axes."cells.transmission"]\nlinear = [0, 1, 2000]\n',
        "sweep has 1000000 x 2000 = 2e+09 points, at most 1e+09",
    ),
    "equal ends": ('[sweep.axes."drive.z"]\nlinear = [2, 2.0, 9]\n', "drive.z has two equal ends"),
    "through zero": ('[sweep.axes."cells.transmission"]\nlog = [0, 1, 9]\n', "must keep away from 0"),
    "too wide": (
        '[sweep.axes."field.larmor_mismatch"]\nlinear = ["-1.7e308 Hz", "1.7e308 Hz", 3]\n',
        "field.larmor_mismatch is too wide",
    ),
    "repeated": ('[sweep.axes."drive.z"]\nvalues = [2, 3, 2.0]\n', "values of drive.z holds a value more than once"),
    "unequal": (
        '[sweep.zipped.p]\n"drive.z" = [1, 2]\n"cells.transmission" = [1]\n',
        "study.toml:4: sweep.zipped.p needs lists of one length, but drive.z has 2, cells.transmission has 1",
    ),
    "one zipped": ('[sweep.zipped.p]\n"drive.z" = [1, 2]\n', "sweep.zipped.p needs two parameters or more"),
    "zipped empty": ('[sweep.zipped.p]\n"drive.z" = []\n"cells.transmission" = []\n', "p has empty lists"),
    "zipped name": (
        '[sweep.zipped."a/b"]\n"drive.z" = [1]\n"cells.transmission" = [1]\n',
        "a/b is no name for an axis",
    ),
    "twice": (
        '[sweep.axes."drive.z"]\nvalues = [2]\n[sweep.zipped.p]\n"drive.z" = [1]\n"cells.transmission" = [1]\n',
        "drive.z is varied more than once",
    ),
    "both": ('[sweep.axes."drive.z"]\nvalues = [2]\n[sweep.sample]\npoints = 4\n', "has both axes and a sample"),
    "no ranges": ("[sweep.sample]\npoints = 4\n", "sweep.sample has no ranges"),
    "one end": ('[sweep.sample]\npoints = 4\nover = { "drive.z" = [1] }\n', "range of drive.z must be [from, to]"),
    "no points": ("[sweep.sample]\nseed = 4\n", "sweep.sample.points is missing"),
    "negative": ('[sweep.sample]\npoints = -4\nover = { "drive.z" = [1, 2] }\n', "points must be greater than"),
    "unknown key": ('[sweep.axes."drive.z"]\nvalue = [2]\n', "did you mean values?"),
    "small chunks": ('chunk = 1\n[sweep.axes."drive.z"]\nlinear = [1, 2, 2000000]\n', "chunk = 1 makes 2000000 chunks"),
    "no chunk": ('chunk = 0\n[sweep.axes."drive.z"]\nvalues = [2]\n', "study.toml:4: sweep.chunk must be greater"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tables_are_one_sentence_with_a_line(tmp_path, name):
    table, expected = BAD[name]
    found = problems(tmp_path, HEAD + table)
    assert any(expected in line for line in found), found
    assert all("\n" not in line and line.startswith("study.toml") for line in found)


def test_quantities_are_known_and_named_once(tmp_path):
    axis = '[sweep.axes."drive.z"]\nvalues = [2]\n'
    found = problems(tmp_path, f'lab = "krauter2011"\n[sweep]\nquantities = ["xi_if", "xi_min", "xi_min"]\n{axis}')
    assert found == [
        "study.toml:3: 'xi_if' is no quantity of cesium_cells; did you mean xi_inf?",
        'study.toml:3: quantities holds "xi_min" more than once; once is enough',
    ]
    assert (
        "must have at least 1 entries"
        in problems(tmp_path, f'lab = "krauter2011"\n[sweep]\nquantities = []\n{axis}')[0]
    )


def test_all_problems_are_told_at_once(tmp_path):
    text = '[sweep.axes."drive.zz"]\nvalues = [2]\n[sweep.axes."drive.z"]\nvalues = [0.5, nan]\n'
    found = problems(tmp_path, HEAD + text)
    assert [line.split(":")[1] for line in found] == ["4", "7", "7"]


def test_lines_between_the_ends_of_axes():
    a, b = Column("a", "1", "a", "linear", (0.0, 49.0)), Column("b", "1", "b", "values", tuple(range(50, 100)))
    both, c = Axis("both", 50, (a, b)), Axis("c", 3, (Column("c", "1", "c", "values", (5.0, 9.0, 7.0)),))
    at = {"a": 49.0, "b": 99.0, "c": 5.0}
    found = list(Grid((both,)).lines(at))
    assert [p["a"] for p in found] == list(range(1, 49)) and all(p["b"] == p["a"] + 50 and p["c"] == 5 for p in found)
    found = list(Grid((both, c)).lines(at))
    assert len(found) <= 48 and found[-1] == at | {"c": 7.0} and at | {"c": 9.0} in found
    one, two = (Column(key, "1", key, rule, (1.0, 100.0)) for key, rule in (("p", "linear"), ("q", "log")))
    found = list(Sample((one, two), 8, seed=0).lines({"p": 100.0, "q": 1.0}))
    assert len(found) == 48 and {p["p"] for p in found[24:]} == {100.0} and {p["q"] for p in found[:24]} == {1.0}
    np.testing.assert_allclose([p["q"] for p in found[24:]], 100 ** (np.arange(1, 25) / 25), rtol=1e-12)
    many = tuple(Column(f"p{n}", "1", "p", "linear", (0.0, 1.0)) for n in range(100))
    assert len(list(Sample(many, 8, seed=0).lines({}))) == 100
