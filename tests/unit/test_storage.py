"""Files are there completely or not at all, whatever goes wrong; what cannot be written is said in one sentence."""

import errno
import os
import stat
import sys

import pytest

from darkstate import provenance, storage
from darkstate.errors import InputError
from darkstate.storage import checksum, write_atomic


def _refusal(path, content):
    with pytest.raises(InputError) as refusal:
        write_atomic(path, content)
    (problem,) = refusal.value.problems
    assert "\n" not in problem
    assert str(path) in problem
    return problem


@pytest.mark.parametrize(
    "content", ["xi = 0.8225 µ", "xi = 0.8225 µ".encode(), lambda path: path.write_text("xi = 0.8225 µ", "utf-8")]
)
def test_writes_whole_files_into_new_folders(tmp_path, content):
    path = tmp_path / "results" / "lab" / "table.txt"
    assert write_atomic(path, content) == path
    assert path.read_text("utf-8") == "xi = 0.8225 µ"
    assert [p.name for p in path.parent.iterdir()] == ["table.txt"]


def test_the_writer_sees_the_ending_of_the_file(tmp_path):
    seen = []
    write_atomic(tmp_path / "figure.png", lambda path: seen.append(path.suffix))
    assert seen == [".png"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_the_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "plain", write_atomic(tmp_path / "atomic", b""))]
    assert modes[0] == modes[1]


@pytest.mark.parametrize("failure", [ValueError("bug"), KeyboardInterrupt()])
def test_a_failing_writer_leaves_the_old_file_and_nothing_else(tmp_path, failure):
    path = write_atomic(tmp_path / "table.txt", "old")

    def fail(temporary):
        temporary.write_text("half")
        raise failure

    with pytest.raises(type(failure)):
        write_atomic(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.EACCES, "may not write there"),
        (errno.EROFS, "read-only"),
        (errno.ENOSPC, "disk is full"),
        (errno.EIO, "input/output error"),
    ],
)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_refused_by_the_system(tmp_path, monkeypatch, code, said, call):
    path = write_atomic(tmp_path / "table.txt", "old")

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(storage.os, call, refuse)
    assert said in _refusal(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device on this system")
def test_a_full_disk(tmp_path):
    def write(path):
        with open("/dev/full", "wb") as full:
            full.write(b"x" * 100_000)

    assert "the disk is full; free some space" in _refusal(tmp_path / "table.txt", write)
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_folder_should_be(tmp_path):
    (tmp_path / "results").write_text("I am a file")
    assert "a file stands where a folder is needed" in _refusal(tmp_path / "results" / "table.txt", b"")
    assert "a file stands where a folder is needed" in _refusal(tmp_path / "results" / "lab" / "table.txt", b"")


def test_a_folder_where_the_file_should_be(tmp_path):
    assert "a folder has that name" in _refusal(tmp_path, b"")
    assert "too long" in _refusal(tmp_path / ("x" * 300), b"")


def test_checksum(tmp_path):
    # SHA-256 of "abc": FIPS 180-4, example of a one-block message
    abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert checksum(write_atomic(tmp_path / "abc", b"abc")) == abc
    assert provenance.digest("abc") == provenance.digest(b"abc") == abc
    with pytest.raises(InputError, match="cannot be read"):
        checksum(tmp_path / "nothing")


def test_provenance_can_be_reproduced(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1300000000")  # date -u -d @1300000000
    first = provenance.attrs(source="folder/lab.toml", lab_digest="sha256:0", case="a", overrides=["a.b=1", "c.d=2"])
    assert first["created"] == "2011-03-13T07:06:40Z"
    assert first["source"] == "lab.toml"
    assert first["overrides"] == "a.b=1; c.d=2"
    assert {"jax_version", "numpy_version", "python_version", "darkstate_version"} <= first.keys()
    assert all(isinstance(text, str) for text in first.values())
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(InputError, match="SOURCE_DATE_EPOCH"):
        provenance.created()
