"""Hostile and broken files from outside: each is refused in one sentence, and nothing stays behind."""

import os

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from darkstate.errors import InputError
from darkstate.records import guard
from darkstate.records.inspect import inspect_file
from darkstate.records.readers import read_foreign

BASIC = {"sample_rate_hz": 1e6, "carrier_hz": 322e3, "sequence": [{"kind": "drive", "duration": 20e-6}]}
SIGNAL = np.random.default_rng(2).integers(-2000, 2000, (7, 40)).astype("int16")


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """Temporary folders go into one that the tests can look into."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def hdf5(tmp_path):
    """A file with one compressed array."""
    path = tmp_path / "run.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("scope/y", data=SIGNAL, chunks=(2, 40), compression="gzip")
    return path


def huge_contiguous(file, folder):
    space = h5py.h5s.create_simple((10**8, 10**4))
    h5py.h5d.create(file.id, b"a", h5py.h5t.NATIVE_DOUBLE, space)


def huge_chunked(file, folder):
    data = file.create_dataset("a", (10**8, 10**4), chunks=(1, 1000), dtype="f8")
    data[0, :3] = 1


def partly_written(file, folder):
    data = file.create_dataset("a", (4, 1000), chunks=(1, 1000), dtype="f8")
    data[:3] = 1


def external_link(file, folder):
    with h5py.File(folder / "secret.h5", "w") as other:
        other["a"] = SIGNAL
    file["a"] = h5py.ExternalLink("secret.h5", "a")


def soft_link(file, folder):
    external_link(file, folder)
    file.move("a", "b")
    file["a"] = h5py.SoftLink("/b")


def virtual(file, folder):
    with h5py.File(folder / "secret.h5", "w") as other:
        other["a"] = SIGNAL
    layout = h5py.VirtualLayout(SIGNAL.shape, "i2")
    layout[:] = h5py.VirtualSource("secret.h5", "a", SIGNAL.shape)
    file.create_virtual_dataset("a", layout)


def external_storage(file, folder):
    (folder / "secret.bin").write_bytes(SIGNAL.tobytes())
    file.create_dataset("a", SIGNAL.shape, "i2", external=[(str(folder / "secret.bin"), 0, SIGNAL.nbytes)])


def loop(file, folder):
    file["a"] = h5py.SoftLink("/a")


def empty(file, folder):
    file.create_dataset("a", (0, 40), dtype="i2")


def null(file, folder):
    file["a"] = h5py.Empty("f4")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (huge_contiguous, "claims 8000000000000 bytes"),
        (huge_chunked, "claims 8000000000000 bytes"),
        (partly_written, "chunks of 'a' are missing"),
        (external_link, "is a link"),
        (soft_link, "is a link"),
        (virtual, "lies in other files"),
        (external_storage, "lies in other files"),
        (loop, "is a link|holds no 'a'"),
        (empty, "is empty"),
        (null, "is empty|cannot be read"),
    ],
)
def test_hostile_hdf5_is_refused(tmp_path, make, message, scratch):
    path = tmp_path / "hostile.h5"
    with h5py.File(path, "w") as file:
        make(file, tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        read_foreign(path, {**BASIC, "signal": "a"})
    assert all("\n" not in text for text in caught.value.problems)
    assert inspect_file(path)
    assert list(scratch.iterdir()) == []


def test_broken_files_are_refused(tmp_path, hdf5):
    whole, rng = hdf5.read_bytes(), np.random.default_rng(4)
    savemat(tmp_path / "a.mat", {"a": SIGNAL}, do_compression=True)
    matlab = (tmp_path / "a.mat").read_bytes()
    np.save(tmp_path / "a.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    cases = {
        "truncated": whole[: len(whole) // 2],
        "noise": b"\x89HDF\r\n\x1a\n" + rng.bytes(5000),
        "matlab": matlab[: len(matlab) // 2],
        "matlab noise": matlab[:128] + rng.bytes(5000),
        "objects": (tmp_path / "a.npy").read_bytes(),
        "numpy": b"\x93NUMPY" + rng.bytes(500),
        "claims": b"\x93NUMPY\x01\x00\x76\x00" + _npy_header((10**12, 40)),
        "binary": rng.bytes(500),
        "text": b"a,b\n1,2\n3\n",
        "nothing": b"",
        "comments": b"# nothing\n",
    }
    for name, content in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            read_foreign(path, {**BASIC, "signal": "a"})
        assert all("\n" not in text and name in text for text in caught.value.problems)


def _npy_header(shape):
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    return text.ljust(117).encode() + b"\n"


def test_a_child_that_crashes_is_a_refusal(tmp_path, monkeypatch):
    """The child dies of a signal, or says nothing."""
    (tmp_path / "a.csv").write_text("1,2\n")
    monkeypatch.setattr(guard.sys, "executable", "false" if os.name == "posix" else "where")
    with pytest.raises(InputError, match="crashed the reader"):
        read_foreign(tmp_path / "a.csv", BASIC)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_random_damage_never_comes_through_as_a_crash(hdf5, seed):
    """Ten bytes anywhere: a record or a refusal in one sentence, and the tests go on. Old HDF5 files have no checksums,
    so a changed header may well come through as other samples.
    """
    rng, content = np.random.default_rng(seed), bytearray(hdf5.read_bytes())
    for place in rng.integers(0, len(content), 10):
        content[place] = rng.integers(256)
    hdf5.write_bytes(content)
    try:
        found = read_foreign(hdf5, {**BASIC, "signal": "scope/y"})
    except InputError as error:
        assert all("\n" not in text for text in error.problems)
    else:
        assert found.signal.values.shape == SIGNAL.shape
