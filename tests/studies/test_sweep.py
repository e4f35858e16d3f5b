"""Sweeps: the right numbers, the same bits however they are divided, and a folder that survives what happens to it."""

import errno
import json
import os
import shutil

import numpy as np
import pytest
import xarray as xr
from scipy.interpolate import RegularGridInterpolator

import darkstate as ds
from command import darkstate
from darkstate.errors import InputError, Outcome
from darkstate.report.sweep import SweepResult
from darkstate.storage import checksum
from darkstate.studies import store
from darkstate.studies.axes import Grid
from darkstate.studies.chunks import Engine, unpack
from darkstate.studies.quantities import evaluator
from darkstate.studies.result import slabs
from darkstate.studies.sweep import preview
from darkstate.studies.sweep_table import read_sweep
from darkstate.studies.task import all_versions
from oracles.steady_xi import three_levels, two_levels
from study_files import Heard, contents, map_text, run, written

CELLS = """lab = "krauter2011"
case = "a"
[sweep]
quantities = ["xi_inf"]
[sweep.axes."noise.gamma_tilde"]
values = ["0.193 /ms", "0.3 /ms"]
[sweep.axes."ensembles.optical_depth"]
linear = [20, 150, 14]
[sweep.axes."drive.z"]
log = [1.05, 4, 9]
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The study file and the folder of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    path = written(folder, map_text())
    run(path, folder / "out")
    return path, folder / "out"


def test_two_level_atoms_follow_the_closed_form(whole):
    data = xr.open_dataset(whole[1] / "result.nc")
    z, d = data["drive.z"], data["ensembles.optical_depth"]
    expected = two_levels(d=d, z=z, gamma_d_add=data["noise.gamma_d_add"]).transpose(*data.xi_inf.dims)
    np.testing.assert_allclose(data.xi_inf, expected, rtol=1e-12)
    assert data.xi_inf.dims == ("ensembles.optical_depth", "noise.gamma_d_add", "drive.z")
    # ../physics sheet of the ensembles, 001 Fig. 3 and Eq. (15): d = 30, Z = 1.5, Gd_add = 20
    np.testing.assert_allclose(two_levels(d=30, z=1.5, gamma_d_add=20), 0.913121173145, rtol=1e-11)


def test_caesium_cells_follow_the_closed_form(tmp_path):
    data = xr.open_dataset(run(written(tmp_path, CELLS), tmp_path / "out"))
    e = ds.load(ds.shipped_labs()["krauter2011"], case="a").experiment
    expected = three_levels(
        d=data["ensembles.optical_depth"],
        z=data["drive.z"],
        gamma=e.drive.rate,
        gamma_tilde=data["noise.gamma_tilde"],
        loss=e.drive.loss_rate,
        collisions=e.noise.collision_rate,
    )
    np.testing.assert_allclose(data.xi_inf, expected.transpose(*data.xi_inf.dims), rtol=1e-12)


@pytest.mark.parametrize(
    ("lab", "quantities", "axis"),
    [
        ("muschik2011", ("xi_inf", "xi_min", "window_end"), '"drive.z"\nvalues = [1.2, 1.5, 2.5]'),
        pytest.param(
            "huang2018",
            ("xi", "log_negativity", "purity"),
            '"spin.cooperativity"\nvalues = [5, 10, 30]',
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "muschik2013-monitored",
            ("xi_inf", "xi_inf_conditional"),
            '"drive.z"\nvalues = [2, 2.5]',
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "ruksasakchai2026",
            ("p_1", "pairs"),
            '"atoms.temperature"\nvalues = ["20 uK", "40 uK"]',
            marks=pytest.mark.slow,
        ),
    ],
)
def test_every_point_is_what_it_is_alone(tmp_path, lab, quantities, axis):
    key, values = axis.split("\n")
    text = f'lab = "{lab}"\n[sweep]\nquantities = {json.dumps(quantities)}\n[sweep.axes.{key}]\n{values}\n'
    data = xr.open_dataset(run(written(tmp_path, text), tmp_path / "out"))
    key = key.strip('"')
    experiment = ds.load(ds.shipped_labs()[lab]).experiment
    points = [ds.with_values(experiment, {key: float(value)}) for value in data[key]]
    alone = evaluator(experiment, quantities, extremes=points)
    for n, point in enumerate(points):
        expected, outcome = alone(point)
        for name in quantities:
            # the same equations in another order of operations
            np.testing.assert_allclose(float(data[name][n]), float(expected[name]), rtol=1e-10, err_msg=name)
        assert int(data.outcome[n]) == int(outcome)


def test_the_same_bits_however_the_points_are_divided(whole):
    task = read_sweep(whole[0])[1]
    with xr.open_dataset(whole[1] / "result.nc") as data:
        expected = data.xi_inf.values.tobytes()
    for chunk, threads in ((1000, 1), (1, 1), (777, 2), (8192, 2)):
        other = read_sweep(written(whole[0].parent, map_text(chunk), "other"))[1]
        engine = Engine(other, threads=threads)
        numbers = range(other.chunks) if chunk > 1 else (0, 1, 777, 5999)
        for k in numbers:
            found = unpack(engine.compute(k))["xi_inf"].tobytes()
            start, stop = other.span(k)
            assert found == expected[8 * start : 8 * stop], (chunk, k)
    assert task.digest != other.digest


def test_blocks_smaller_than_the_study_change_nothing(tmp_path, monkeypatch):
    # two blocks and a part: points from 2048 on are in the third block of one program
    monkeypatch.setattr("darkstate.studies.chunks.FAST_BLOCK", 1024)
    path = written(tmp_path, map_text(777))
    run(path, tmp_path / "a")
    run(written(tmp_path, map_text(2500), "b"), tmp_path / "b")
    one, two = (xr.open_dataset(tmp_path / name / "result.nc") for name in "ab")
    assert one.xi_inf.values.tobytes() == two.xi_inf.values.tobytes()
    z, d = one["drive.z"], one["ensembles.optical_depth"]
    expected = two_levels(d=d, z=z, gamma_d_add=one["noise.gamma_d_add"]).transpose(*one.xi_inf.dims)
    np.testing.assert_allclose(one.xi_inf, expected, rtol=1e-12)


def test_zarr_and_a_sample_hold_the_same_numbers(tmp_path):
    text = 'lab = "muschik2011"\n[sweep]\nquantities = ["xi_inf"]\nformat = "{}"\nchunk = 40\n'
    text += (
        '[sweep.sample]\npoints = 100\nseed = 3\nover = { "drive.z" = [1.1, 3], "ensembles.optical_depth" = [5, 90] }\n'
    )
    paths = [run(written(tmp_path, text.replace("{}", kind), kind), tmp_path / kind) for kind in ("netcdf", "zarr")]
    assert [path.name for path in paths] == ["result.nc", "result.zarr"]
    one, two = xr.open_dataset(paths[0]).load(), xr.open_dataset(paths[1], engine="zarr").load()
    for name in ("xi_inf", "outcome", "drive.z", "ensembles.optical_depth"):
        np.testing.assert_array_equal(one[name], two[name])
        assert one[name].attrs["units"] == two[name].attrs["units"] == "1"
    assert set(one.coords) == set(two.coords) == {"drive.z", "ensembles.optical_depth"}
    # muschik2011 writes gamma_d_add = 2
    expected = two_levels(d=one["ensembles.optical_depth"], z=one["drive.z"], gamma_d_add=2.0)
    np.testing.assert_allclose(one.xi_inf, expected, rtol=1e-12)


def test_slabs_cover_every_point_once_in_order():
    for shape in ((7,), (3, 4), (2, 3, 5), (1, 6, 1), (4, 1, 1)):
        numbers = np.arange(np.prod(shape)).reshape(shape)
        for most in (1, 2, 3, 5, 7, 100):
            found = [(numbers[where].ravel().tolist(), start, stop) for where, start, stop in slabs(shape, most)]
            assert [n for part, _, _ in found for n in part] == list(range(numbers.size))
            assert all(part == list(range(start, stop)) and len(part) <= most for part, start, stop in found)


def test_the_result_says_what_it_is(whole):
    data = xr.open_dataset(whole[1] / "result.nc")
    assert data.attrs["source"] == "muschik2011.toml" and data.attrs["title"] == "a map"
    assert data.attrs["lab_digest"] == ds.load(ds.shipped_labs()["muschik2011"]).digest
    assert data.outcome.attrs["flag_meanings"].split() == [o.name for o in Outcome]
    assert not {"created", "host"} & set(data.attrs)
    assert all(data[name].attrs["long_name"] and data[name].attrs["units"] for name in data.variables)
    assert data["noise.gamma_d_add"].attrs["units"] == "1"
    known = {"study.toml", "lab.toml", "journal.jsonl", "log.txt", "result.nc", "chunks"}
    assert {p.name for p in whole[1].iterdir()} == known
    assert len(list((whole[1] / "chunks").iterdir())) == 8  # 6000 points in chunks of 777


def test_points_that_cannot_be_get_a_code(tmp_path):
    # d Gamma of 1e320 is no number; the rates of the first points are those of the lab file
    text = 'lab = "muschik2011"\n[sweep]\nquantities = ["xi_inf"]\n'
    text += '[sweep.axes."drive.rate"]\nvalues = ["1 /s", "1e300 /s"]\n'
    text += '[sweep.axes."ensembles.optical_depth"]\nvalues = [30, 1e20]\n'
    data = xr.open_dataset(run(written(tmp_path, text), tmp_path / "out"))
    assert data.outcome.values.tolist()[0][0] == Outcome.ok
    assert data.outcome.values[1, 1] == Outcome.not_converged
    # 004: with theta below pi/4 the light drives the oscillator more than it damps it
    text = 'lab = "huang2018"\n[sweep]\nquantities = ["xi"]\n[sweep.axes."mechanics.theta"]\nvalues = [0.2, 1.389]\n'
    data = xr.open_dataset(run(written(tmp_path, text, "hybrid"), tmp_path / "hybrid"))
    assert data.outcome.values.tolist() == [Outcome.unstable, Outcome.ok]
    words = " ".join(str(SweepResult(tmp_path / "hybrid" / "result.nc")).split())
    assert f"unstable 1 point: {Outcome.unstable.meaning}; cure: {Outcome.unstable.cure}" in words
    assert "the first at mechanics.theta = 0.2; `darkstate predict` there names the check" in words


@pytest.mark.slow
def test_time_steps_follow_rates_that_peak_inside_a_range(tmp_path):
    # 171Yb: the fastest rate is 1.2 /s at -3 GHz, 0.4 /s in the middle of the axis, 193 /s at 1 GHz beside a
    # resonance; from -1.8 to 0 GHz what follows are mostly no rates
    text = 'lab = "ytterbium-cells"\n[set]\n"protocol.points" = 21\n[sweep]\nquantities = ["xi_min"]\n'
    text += '[sweep.axes."laser.detuning"]\nlinear = ["-3 GHz", "8 GHz", 45]\n'
    found = SweepResult(run(written(tmp_path, text), tmp_path / "out"))
    detuning, outcome = found.dataset["laser.detuning"].values, found.dataset.outcome.values
    peak = int(np.argmin(abs(detuning - 1e9)))
    lab = ds.load(ds.shipped_labs()["ytterbium-cells"], overrides=["protocol.points=21"])
    point = ds.with_values(lab.experiment, {"laser.detuning": detuning[peak]})
    expected, alone = evaluator(point, ["xi_min"])(point)
    assert outcome[peak] == int(alone) == Outcome.outside_validity  # atoms move through a wavelength; steps are fine
    np.testing.assert_allclose(float(found.dataset.xi_min[peak]), float(expected["xi_min"]), rtol=1e-5)
    assert (outcome[detuning >= 1.25e9] == Outcome.ok).all()


def test_a_folder_is_gone_on_with_only_if_asked(whole, tmp_path):
    shutil.copytree(whole[1], tmp_path / "out")
    with pytest.raises(InputError, match="holds a sweep already; --resume goes on with it"):
        run(whole[0], tmp_path / "out")
    heard = Heard()
    assert run(whole[0], tmp_path / "out", resume=True, progress=heard) == tmp_path / "out" / "result.nc"
    assert heard.done == [] and contents(tmp_path / "out") == contents(whole[1])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("x")
    for resume, said in ((False, "is not empty"), (True, "holds no sweep, but notes.txt")):
        with pytest.raises(InputError, match=said):
            run(whole[0], tmp_path / "mine", resume=resume)
    (tmp_path / "fresh").mkdir()
    run(whole[0], tmp_path / "fresh", resume=True)
    assert contents(tmp_path / "fresh") == contents(whole[1])


@pytest.mark.parametrize("damage", ["chunk", "gone", "torn line", "garbage line", "result", "rest", "no line"])
def test_damage_is_repaired_to_the_same_bytes(whole, tmp_path, damage):
    out = tmp_path / "out"
    shutil.copytree(whole[1], out)
    journal, chunk = out / "journal.jsonl", out / "chunks" / "000003.npz"
    lines = journal.read_bytes().splitlines(keepends=True)
    if damage in ("chunk", "gone"):
        (out / "result.nc").unlink()
        content = bytearray(chunk.read_bytes())
        content[1000] ^= 1
        chunk.write_bytes(content) if damage == "chunk" else chunk.unlink()
    elif damage == "torn line":
        journal.write_bytes(b"".join(lines[:5])[:-7])
    elif damage == "garbage line":
        journal.write_bytes(b"".join([*lines[:3], b'{"chunk": 9999, "sha256": "x"}\n', *lines[4:]]))
    elif damage == "result":
        (out / "result.nc").write_bytes(b"x")
    elif damage == "no line":  # killed between the file and its line
        journal.write_bytes(b"".join(lines[:4]))
    else:
        rests = "study-{}.toml", "lab-{}.toml", "journal-{}.jsonl", "result-{}.nc", "sweep-{}.png", "result-{}.zarr/c/0"
        for rest in (*rests, "chunks/.000007-{}.npz"):
            path = out / (rest if "/." in rest else f".{rest}").format("0123456789ab")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        journal.write_bytes(b"".join(lines[:4]))
    run(whole[0], out, resume=True)
    assert contents(out) == contents(whole[1])


def test_hidden_files_of_the_user_survive(whole, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(whole[1], out)
    names = ".git/config", ".gitignore", ".result-0123.nc", ".study-0123456789ab.toml.bak", "chunks/.nfs0001"
    for name in names:
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("mine")
    (out / "result.nc").unlink()
    run(whole[0], out, resume=True)
    assert all((out / name).read_text() == "mine" for name in names)
    found = contents(out)
    assert {name: content for name, content in found.items() if name not in names} == contents(whole[1])
    # a folder that holds no sweep but hidden files is somebody's too
    (tmp_path / "other" / ".git").mkdir(parents=True)
    with pytest.raises(InputError, match=r"holds no sweep, but \.git"):
        run(whole[0], tmp_path / "other", resume=True)


def test_a_first_write_that_was_cut_off_leaves_nothing(whole, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "study.toml").write_text("x")
    (out / ".lab-0123456789ab.toml").write_text("x")
    run(whole[0], out, resume=True)
    assert contents(out) == contents(whole[1])


def test_a_journal_of_something_else_is_refused(whole, tmp_path):
    shutil.copytree(whole[1], tmp_path / "out")
    for content in (b"", b"x\n", b"[1]\n", b'{"darkstate_sweep": 2}\n', b'{"darkstate_sweep": 1, "task": "x"}\n'):
        (tmp_path / "out" / "journal.jsonl").write_bytes(content)
        with pytest.raises(InputError, match="is no journal of a sweep, or damaged"):
            run(whole[0], tmp_path / "out", resume=True)


def test_other_last_digits_are_not_mixed_in(whole, tmp_path, monkeypatch):
    shutil.copytree(whole[1], tmp_path / "out")
    (tmp_path / "out" / "result.nc").unlink()
    (tmp_path / "out" / "chunks" / "000002.npz").write_bytes(b"")
    compute = Engine.compute_block

    def digits(self, b):
        values, outcome = compute(self, b)
        return {name: np.nextafter(value, 9) for name, value in values.items()}, outcome

    monkeypatch.setattr(Engine, "compute_block", digits)
    with pytest.raises(InputError, match="this machine computes other last digits"):
        run(whole[0], tmp_path / "out", resume=True)


def test_one_process_at_a_time(whole, tmp_path, monkeypatch):
    compute, seen = Engine.compute, []

    def meanwhile(self, k, each=None):
        if not seen:
            seen.append(k)
            with pytest.raises(InputError, match="is in use by another sweep .process [0-9]+ on"):
                run(whole[0], tmp_path / "out", resume=True)
        return compute(self, k, each)

    monkeypatch.setattr(Engine, "compute", meanwhile)
    run(whole[0], tmp_path / "out")
    assert seen and contents(tmp_path / "out") == contents(whole[1])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("chunk = 777", "chunk = 500", "chunk (777 there, 500 here)"),
        ("[1.1, 4, 12]", "[1.1, 4, 13]", "axes or sample"),
        ('["xi_inf"]', '["xi_min"]', 'quantities (["xi_inf"] there, ["xi_min"] here)'),
        ("[sweep]", '[set]\n"cells.transmission" = 0.5\n[sweep]\nformat = "zarr"', '[set] ([] there, ["cells.tran'),
        ('lab = "muschik2011"', 'lab = "mine.toml"', "name of the lab file (muschik2011 there, mine here), lab file"),
    ],
)
def test_what_differs_is_said(whole, tmp_path, old, new, said):
    shutil.copytree(whole[1], tmp_path / "out")
    lab = ds.shipped_labs()["muschik2011"].read_text(encoding="utf-8") + "# mine\n"
    (tmp_path / "mine.toml").write_text(lab, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        run(written(tmp_path, map_text().replace(old, new)), tmp_path / "out", resume=True)
    (line,) = caught.value.problems
    assert line.startswith(f"{tmp_path / 'out'} holds a sweep with other {said}"), line
    assert line.endswith("; --resume goes on with the same only, change it back or use another folder")
    assert ("format (netcdf there, zarr here)" in line) == ("zarr" in new)


def test_other_versions_are_said(whole, tmp_path, monkeypatch):
    shutil.copytree(whole[1], tmp_path / "out")
    mine = all_versions()
    monkeypatch.setattr("darkstate.studies.task.all_versions", lambda: mine | {"scipy": "0.1"})
    with pytest.raises(InputError, match=f"with other scipy .{mine['scipy']} there, 0.1 here.; --resume"):
        run(whole[0], tmp_path / "out", resume=True)


def test_a_comment_or_title_in_the_study_changes_nothing(whole, tmp_path):
    shutil.copytree(whole[1], tmp_path / "out")
    (tmp_path / "out" / "result.nc").unlink()
    journal = tmp_path / "out" / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:4]))
    edited = map_text().replace("[sweep]", "[sweep] # a remark").replace("a map", "the map")
    run(written(tmp_path, edited, "renamed"), tmp_path / "out", resume=True)
    assert contents(tmp_path / "out") == contents(whole[1])


def test_a_finished_result_is_read_through_once(whole, tmp_path, monkeypatch):
    shutil.copytree(whole[1], tmp_path / "out")
    read = []
    monkeypatch.setattr(store, "checksum", lambda path: read.append(path.name) or checksum(path))
    run(whole[0], tmp_path / "out", resume=True)
    assert read == ["result.nc"]


@pytest.mark.skipif(os.name == "nt", reason="Windows locks in another way")
def test_a_file_system_without_locks_is_told(whole, tmp_path, monkeypatch):
    def none(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", none)
    code, _, err = darkstate("sweep", whole[0], "--out", tmp_path / "out")
    said = "has no locks, so a second sweep in this folder would not be noticed; run one at a time\n"
    assert (code, err) == (0, f"the file system of {tmp_path / 'out'} {said}")
    assert f"Z the file system {said}" in (tmp_path / "out" / "log.txt").read_text()


@pytest.mark.parametrize("nth", [1, 3, 8, 12, 21, 40, 46])
def test_a_full_disk_is_one_sentence_and_costs_nothing(whole, tmp_path, monkeypatch, nth):
    # an uninterrupted run flushes 48 times: 2 for each of study, lab, journal, 1 for the folder, 3 for each of 8
    # chunks, ...; whichever flush fails, what is there can be gone on with
    calls, fsync = [], os.fsync

    def full(handle):
        calls.append(handle)
        if len(calls) >= nth:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        code, out, err = darkstate("sweep", whole[0], "--out", tmp_path / "out")
    if len(calls) < nth:
        assert code == 0
    else:
        assert (code, out) == (2, "") and err.count("\n") == 1 and "disk is full" in err, err
    for path in (tmp_path / "out").glob("chunks/[0-9]*"):
        assert set(np.load(path)) == {"xi_inf", "outcome"}
    code, _, err = darkstate("sweep", whole[0], "--out", tmp_path / "out", "--resume")
    assert code == 0, err
    found = contents(tmp_path / "out")
    found.pop("sweep.png")
    assert found == contents(whole[1])


def test_no_room_for_the_result_is_noticed_before_it_is_written(whole, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
        with pytest.raises(InputError, match="needs 1 MB, and the disk is full; all chunks are kept"):
            run(whole[0], tmp_path / "out")
    run(whole[0], tmp_path / "out", resume=True)
    assert contents(tmp_path / "out") == contents(whole[1])


def test_progress_counts_every_point(whole, tmp_path):
    heard = Heard()
    run(whole[0], tmp_path / "out", progress=heard)
    assert heard.done[-1] == (6000, 6000) and [d for d, _ in heard.done] == sorted(d for d, _ in heard.done)
    cost = preview(read_sweep(whole[0])[1])
    # 8 bytes for xi, 1 for the outcome, in the chunks and in the result; 8 for each of 20 + 25 + 12 values of the axes
    assert (cost.points, cost.chunks, cost.bytes) == (6000, 8, 2 * (9 * 6000 + 8 * 57))
    assert cost.run > 0


def test_table_and_figure(whole):
    found = SweepResult(whole[1] / "result.nc")
    values = found.dataset.xi_inf.values
    low = np.unravel_index(values.argmin(), values.shape)
    assert found.best("xi_inf") == dict(zip(found.dims, map(int, low), strict=True))
    e = found.extremes["xi_inf"]
    assert (e.low, e.high) == (values.min(), values.max()) and e.entangled == (values < 1).mean()
    text = str(found)
    assert "20 x 25 x 12 = 6000 over ensembles.optical_depth" in text and "6000 ok" in text
    assert f"xi_inf < 1 at {100 * (values < 1).mean():.3g} % of the points" in text
    assert f"best {values.min():.6g} at ensembles.optical_depth = 100, noise.gamma_d_add = 0.1, drive.z = " in text

    from darkstate.report.style import new_figure

    _, (ax,) = new_figure()
    found.plot(ax)
    # the two longest axes are drawn, the third is held at the best point
    assert ax.get_title().startswith("at drive.z = ")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("noise.gamma_d_add", "ensembles.optical_depth")


def test_values_in_any_order_are_drawn_in_theirs(tmp_path):
    from darkstate.report.style import new_figure

    text = 'lab = "muschik2011"\n[sweep]\nquantities = ["xi_inf"]\n[sweep.axes."ensembles.optical_depth"]\n'
    text += 'values = [90, 5, 60, 30]\n[sweep.axes."drive.z"]\nvalues = [2.5, 1.2, 3.5, 1.5, 1.3]\n'
    found = SweepResult(run(written(tmp_path, text), tmp_path / "out"))
    assert found.dataset["drive.z"].values.tolist() == [2.5, 1.2, 3.5, 1.5, 1.3]  # the result keeps the study's order
    _, (ax,) = new_figure()
    found.plot(ax)
    image = ax.collections[0]
    d, z = np.array([5, 30, 60, 90]), np.array([1.2, 1.3, 1.5, 2.5, 3.5])
    expected = two_levels(d=d[:, None], z=z, gamma_d_add=2.0)  # muschik2011 writes gamma_d_add = 2
    np.testing.assert_allclose(image.get_array().reshape(4, 5), expected, rtol=1e-12)
    corners = image.get_coordinates()  # a cell reaches half way to its neighbours
    np.testing.assert_allclose(corners[0, 1:-1, 0], (z[1:] + z[:-1]) / 2)
    np.testing.assert_allclose(corners[1:-1, 0, 1], (d[1:] + d[:-1]) / 2)
    # the corners of the line xi = 1 lie on the edges of the grid, where it goes straight from value to value
    line = np.concatenate([path.vertices for path in ax.collections[1].get_paths()])
    np.testing.assert_allclose(RegularGridInterpolator((d, z), expected)(line[:, ::-1]), 1, rtol=1e-9)

    text = 'lab = "muschik2011"\n[sweep]\nquantities = ["xi_inf"]\n[sweep.axes."drive.z"]\nvalues = [3, 1.2, 2, 1.5]\n'
    _, (ax,) = new_figure()
    SweepResult(run(written(tmp_path, text, "one"), tmp_path / "one")).plot(ax)
    x, y = ax.lines[0].get_data()
    assert list(x) == [1.2, 1.5, 2, 3]
    np.testing.assert_allclose(y, two_levels(d=30, z=np.array(x), gamma_d_add=2.0), rtol=1e-12)


def test_the_command(tmp_path):
    text = 'lab = "muschik2011"\n[sweep]\nquantities = ["xi_inf"]\n[sweep.axes."drive.z"]\nlinear = [1, 3, 9]\n'
    path, out = written(tmp_path, text), tmp_path / "out"
    code, text, err = darkstate("sweep", path, "--preview")
    assert code == 0 and "points  9\n" in text and not (tmp_path / "out").exists(), err
    code, text, err = darkstate("sweep", path, "--slurm", "--out", "there it is")
    assert code == 0 and f"darkstate sweep {path} --out 'there it is' --resume --scheduler" in text
    code, text, err = darkstate("sweep", path, "--out", out)
    assert (code, err) == (0, "") and text.endswith(f"written: {out / 'result.nc'} {out / 'sweep.png'}\n")
    # xi_inf of 001 Fig. 3 at Z = 1.5, Gd_add = 2 is 0.637109181 (the physics sheet)
    assert "best 0.637109 at drive.z = 1.5\n" in text
    code, text, err = darkstate("sweep", path, "--out", out)
    assert (code, text) == (2, "") and err.count("\n") == 1


def test_grid_of_one_value_per_axis(tmp_path):
    text = 'lab = "muschik2011"\n[sweep]\nquantities = ["xi_inf"]\n[sweep.axes."drive.z"]\nvalues = [1.5]\n'
    found = SweepResult(run(written(tmp_path, text), tmp_path / "out"))
    # the physics sheet: Z = 1.5, d = 30, Gd_add = 2
    np.testing.assert_allclose(found.dataset.xi_inf, [0.637109181], rtol=1e-9)
    assert isinstance(read_sweep(tmp_path / "study.toml")[1].points, Grid)
    assert len(found.save()) == 2
