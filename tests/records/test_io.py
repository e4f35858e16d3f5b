"""Records as files: what comes back is what went in, or a refusal in one sentence; never something in between."""

import ast
import errno
import json
import os
from pathlib import Path

import h5netcdf
import numpy as np
import pytest
import xarray as xr
import zarr

import darkstate
from darkstate.errors import ArgumentError, InputError
from darkstate.records import io, stores
from darkstate.records.guard import run
from darkstate.records.inspect import inspect_file
from darkstate.records.io import blocks, open_record, record_digest, save_record, verify_record
from sample_files import flip, made

ENDINGS = (".zarr", ".nc", ".h5")
KINDS = ("int16", "float32", "float64", "demodulated")


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of 5 cycles of the small records above."""
    monkeypatch.setattr(stores, "CHUNK_BYTES", 1000)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_record_comes_back(tmp_path, ending, kind, small_chunks):
    one = made(kind)
    path = save_record(one, tmp_path / f"one{ending}")
    back = open_record(path)
    assert back.identical(one)
    assert {n: back[n].dtype for n in back.data_vars} == {n: one[n].dtype for n in one.data_vars}
    assert {k: type(v) for k, v in back.attrs.items()} == {k: type(v) for k, v in one.attrs.items()}
    assert record_digest(back) == record_digest(one) == verify_record(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    back.close()


def test_the_digest_is_that_of_content_alone():
    """Byte order, chunks and order of attributes do not count; one bit, one axis, one attribute do."""
    one = made("int16")
    same = one.assign(signal=one.signal.astype(">i2"))
    same.attrs = dict(reversed(one.attrs.items()))
    assert record_digest(same) == record_digest(one)
    changed = one.copy(deep=True)
    changed.signal[3, 4] ^= 1
    others = [
        changed,
        one.assign_attrs(power_w=1e-3),
        one.assign(signal=one.signal.astype("int32")),
        one.drop_vars("dark"),
        one.assign(dark=one.dark.assign_attrs(units="V")),
    ]
    assert len({record_digest(other) for other in [one, *others]}) == 1 + len(others)


def test_the_digest_is_written_down_in_its_docstring():
    """The formula, by hand: hashlib and json only."""
    import hashlib

    one = made("int16", cycles=2, samples=8).drop_vars(["shot_noise", "dark", "started"])

    def entry(name, dims, kind):
        array = np.asarray(one[name].values)
        sha = hashlib.sha256(array.astype(array.dtype.newbyteorder("<")).tobytes()).hexdigest()
        return [dims, kind, array.shape, dict(one[name].attrs), sha]

    arrays = {"signal": entry("signal", ["cycle", "time"], "int16"), "time": entry("time", ["time"], "float64")}
    text = json.dumps({"attrs": one.attrs, "arrays": arrays}, sort_keys=True)
    assert record_digest(one) == "sha256:" + hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("ending", [".zarr", ".nc"])
def test_blocks_are_whole_cycles_and_everything_once(tmp_path, ending, small_chunks):
    one = made("int16")
    back = open_record(save_record(one, tmp_path / f"one{ending}"))
    found = list(blocks(back, "signal", size=2500))
    # 50 samples of 2 bytes: chunks of 10 cycles, blocks of 2 chunks
    assert [(where.start, where.stop) for where, _ in found] == [(0, 20), (20, 23)]
    assert np.array_equal(np.concatenate([values for _, values in found]), one.signal.values)
    with pytest.raises(ArgumentError, match="signal, shot_noise, dark"):
        next(blocks(back, "noise"))
    back.close()


def test_a_slice_reads_only_its_chunks(tmp_path, small_chunks):
    """One byte of chunk 1 (cycles 10 to 19) is changed: cycles 0 to 9 and 20 to 22 still come back."""
    one = made("int16")
    path = save_record(one, tmp_path / "one.zarr")
    flip(path / "signal/c/1/0", 7)
    back = open_record(path)
    assert np.array_equal(back.signal[:10].values, one.signal[:10].values)
    assert np.array_equal(back.signal[20:].values, one.signal[20:].values)
    stream = blocks(back, size=1000)
    next(stream)
    with pytest.raises(InputError, match=r"one\.zarr: `signal` from 10 to 19 cannot be read .*checksum.*; restore"):
        next(stream)


@pytest.mark.parametrize("ending", [".zarr", ".nc"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.transpose("time", ...), r"`signal` has the axes \('time', 'cycle'\)"),
        (lambda r: r.assign_coords(time=np.concatenate([r.time[:25], 2 * r.time[25:]])), "runs of different rates"),
        (lambda r: r.assign_attrs(kind="cooked"), "its kind is 'cooked'"),
        (lambda r: r.assign_attrs(darkstate_record=2), "layout is version 2"),
    ],
)
def test_inconsistent_records_are_refused_when_saved_and_when_opened(tmp_path, monkeypatch, ending, change, message):
    wrong = change(made("int16"))
    with pytest.raises(InputError, match=message):
        save_record(wrong, tmp_path / f"one{ending}")
    with monkeypatch.context() as patch:
        patch.setattr(io, "check_record", lambda data, name="": None)
        path = save_record(wrong, tmp_path / f"one{ending}")
    with pytest.raises(InputError, match=message):
        open_record(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.assign(extra=("cycle", np.zeros(23))), "`extra`, which has no place"),
        (lambda r: r.assign_attrs(seed=2**80), "seed"),
        (lambda r: r.assign_attrs(note="a\0b"), "null characters"),
        (lambda r: r.assign_attrs(note="\ud800"), "note"),
        (lambda r: r.assign_attrs(z=[1, 2]), "finite number"),
        (lambda r: r.assign_attrs(z=float("nan")), "finite number"),
        (lambda r: r.assign(signal=r.signal.astype("f2")), "float16; convert it"),
        (lambda r: r.assign_attrs(darkstate_contents="x"), "darkstate_contents"),
    ],
)
def test_what_a_file_would_lose_is_refused(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        save_record(change(made("float64")), tmp_path / "one.zarr")
    assert list(tmp_path.iterdir()) == []


def test_paths_that_hold_no_record(tmp_path):
    with pytest.raises(InputError, match="ends in .zarr, .nc or .h5"):
        save_record(made(), tmp_path / "one.txt")
    with pytest.raises(InputError, match="does not exist"):
        open_record(tmp_path / "one.zarr")
    (tmp_path / "one.zarr").mkdir()
    with pytest.raises(InputError, match="no Zarr store"):
        open_record(tmp_path / "one.zarr")
    (tmp_path / "two.zarr").mkdir()
    (tmp_path / "two.zarr" / "thesis.tex").write_text("keep me")
    with pytest.raises(InputError, match="no Zarr folder"):
        save_record(made(), tmp_path / "two.zarr")
    assert (tmp_path / "two.zarr" / "thesis.tex").read_text() == "keep me"


def test_another_zarr_store_is_no_record(tmp_path):
    zarr.create_group(str(tmp_path / "three.zarr"), zarr_format=3).create_array("x", shape=(3,), dtype="f8")
    with pytest.raises(InputError, match="no record of darkstate"):
        open_record(tmp_path / "three.zarr")


@pytest.mark.parametrize("ending", [".zarr", ".nc"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()])
def test_a_save_that_fails_halfway_leaves_the_old_record(tmp_path, monkeypatch, ending, error, small_chunks):
    """The second block of samples meets a full disk, or Ctrl-C."""
    old = made("int16", seed=1)
    path = save_record(old, tmp_path / f"one{ending}")
    real, seen = io._Parts.blocks, []

    def failing(self, name):
        for found in real(self, name):
            seen.append(name)
            if len(seen) > 1:
                raise error
            yield found

    monkeypatch.setattr(io._Parts, "blocks", failing)
    with pytest.raises(InputError if isinstance(error, OSError) else KeyboardInterrupt) as caught:
        save_record(made("int16", seed=2), path)
    assert isinstance(error, KeyboardInterrupt) or "cannot be written" in str(caught.value)
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert verify_record(path) == record_digest(old)


def test_a_full_disk_as_hdf5_reports_it(tmp_path, monkeypatch):
    def full(self, *args, **options):
        raise RuntimeError("Can't decrement id ref count (file write failed: errno = 28, error message = 'No space')")

    monkeypatch.setattr(h5netcdf.File, "create_variable", full)
    with pytest.raises(InputError, match="the disk is full"):
        save_record(made("int16"), tmp_path / "one.nc")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", [1, 2])
def test_a_rename_that_fails_leaves_the_old_folder(tmp_path, monkeypatch, step):
    old = made("int16", seed=1)
    path = save_record(old, tmp_path / "one.zarr")
    real, calls = os.rename, []

    def failing(source, target):
        calls.append(source)
        if len(calls) == step:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(InputError, match="cannot be written"):
        save_record(made("int16", seed=2), path)
    assert [p.name for p in tmp_path.iterdir()] == ["one.zarr"]
    assert verify_record(path) == record_digest(old)


@pytest.mark.parametrize("ending", [".zarr", ".nc"])
def test_a_record_is_replaced_even_by_a_part_of_itself(tmp_path, ending, small_chunks):
    one = made("int16")
    path = save_record(one, tmp_path / f"one{ending}")
    back = open_record(path)
    save_record(back.isel(cycle=slice(5, 19)), path)
    back.close()
    with open_record(path) as now:
        assert now.identical(one.isel(cycle=slice(5, 19)))


@pytest.mark.parametrize("ending", [".zarr", ".nc"])
def test_inspect_describes_a_record(tmp_path, ending):
    one = made("demodulated")
    text = inspect_file(save_record(one, tmp_path / f"one{ending}"))
    assert "demodulated record, purpose science" in text
    assert "23 cycle x 50 time x 2 quadrature, float32" in text
    assert "sample_rate_hz = 1000000.0" in text
    assert "drive 0.025 ms, rotate" in text
    assert record_digest(one) in text


def test_the_child_says_what_it_cannot_do(tmp_path, monkeypatch):
    monkeypatch.setattr("darkstate.records.guard.TIMEOUT", 0.01)
    (tmp_path / "a.csv").write_text("1,2\n")
    with pytest.raises(InputError, match=r"not be read within 0\.01 s"):
        run("survey", tmp_path / "a.csv", {})


def test_nothing_in_records_runs_what_a_file_says():
    """No pickle, eval, exec, yaml or allow_pickle=True in any module of records, nor os.system or a shell."""
    banned = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
    for path in sorted(Path(darkstate.__file__).parent.glob("records/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name.split(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [(node.module or "").split(".")[0]]
            elif isinstance(node, ast.Call):
                called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                assert called not in {"eval", "exec", "compile", "__import__", "system", "popen"} or (
                    called == "compile" and ast.unparse(node.func) == "re.compile"
                ), f"{path.name}:{node.lineno}"
                options = {k.arg: ast.unparse(k.value) for k in node.keywords}
                assert options.get("allow_pickle", "False") == "False", f"{path.name}:{node.lineno}"
                assert options.get("shell", "False") == "False", f"{path.name}:{node.lineno}"
                if ast.unparse(node.func) == "np.load":
                    assert "allow_pickle" in options, f"{path.name}:{node.lineno}"
            assert not banned & set(names), f"{path.name}:{node.lineno}"


def test_xarray_reads_both_formats_on_its_own(tmp_path):
    """A record is plain Zarr v3 or netCDF-4: other programs need no darkstate."""
    one = made("float32")
    for ending, options in ((".zarr", {"engine": "zarr", "consolidated": False}), (".nc", {"engine": "h5netcdf"})):
        path = save_record(one, tmp_path / f"one{ending}")
        with xr.open_dataset(path, decode_cf=False, **options) as data:
            assert np.array_equal(data.signal.values, one.signal.values, equal_nan=True)
            assert data.attrs["carrier_hz"] == 322e3
