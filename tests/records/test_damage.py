"""Damaged record files: every one is refused in one sentence, or what it holds is what was saved."""

import shutil

import h5py
import numpy as np
import pytest

from darkstate.errors import InputError
from darkstate.records import io, stores
from darkstate.records.io import blocks, open_record, save_record, verify_record
from sample_files import edit, flip, made


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of 5 cycles of the small records above."""
    monkeypatch.setattr(stores, "CHUNK_BYTES", 1000)


def refused_or_equal(path, one):
    """Whether a damaged file is refused; if it is not, everything in it must be as it was."""
    try:
        with open_record(path) as back:
            found = {name: np.concatenate([b for _, b in blocks(back, name)]) for name in io._ARRAYS if name in back}
            attrs = back.attrs
    except InputError as error:
        assert all("\n" not in text and len(text) < 700 for text in error.problems)
        return True
    assert attrs == one.attrs
    for name, values in found.items():
        assert np.array_equal(values, one[name].values, equal_nan=values.dtype.kind == "f")
    return False


def test_a_hundred_flipped_bits_in_zarr(tmp_path, small_chunks):
    """A bit anywhere in a Zarr folder, headers and samples alike."""
    one = made("int16", cycles=23)
    whole = save_record(one, tmp_path / "whole.zarr")
    files = sorted(p for p in whole.rglob("*") if p.is_file())
    sizes = np.array([p.stat().st_size for p in files])
    rng, refused = np.random.default_rng(5), 0
    for _ in range(100):
        file = files[rng.choice(len(files), p=sizes / sizes.sum())]
        kept = file.read_bytes()
        flip(file, rng.integers(len(kept)), rng.integers(8))
        refused += refused_or_equal(whole, one)
        file.write_bytes(kept)
    assert refused > 80
    assert not refused_or_equal(whole, one)


@pytest.mark.parametrize("flips", [12, pytest.param(100, marks=pytest.mark.slow)])
def test_flipped_bits_in_netcdf(tmp_path, flips, small_chunks):
    one = made("int16", cycles=23)
    whole = save_record(one, tmp_path / "whole.nc")
    kept, rng, refused = whole.read_bytes(), np.random.default_rng(6), 0
    for _ in range(flips):
        flip(whole, rng.integers(len(kept)), rng.integers(8))
        refused += refused_or_equal(whole, one)
        whole.write_bytes(kept)
    # HDF5 leaves space in a file that means nothing
    assert refused > 0.3 * flips


@pytest.mark.parametrize("part", ["", "signal/", "time/"])
def test_every_bit_of_a_zarr_header(tmp_path, part):
    """Each byte of each header in turn, two of its bits."""
    one = made("int16", cycles=3, samples=8).drop_vars(["shot_noise", "dark"])
    whole = save_record(one, tmp_path / "whole.zarr")
    file = whole / f"{part}zarr.json"
    kept = file.read_bytes()
    for place in range(0, len(kept), 3):
        flip(file, place, place % 7)
        refused_or_equal(whole, one)
        file.write_bytes(kept)


def test_exchanged_chunks_are_found_when_every_sample_is_read(tmp_path, small_chunks):
    path = save_record(made("int16"), tmp_path / "one.zarr")
    first, second = path / "signal/c/0/0", path / "signal/c/1/0"
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)
    with pytest.raises(InputError, match="not those that were saved"):
        verify_record(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: (p / "signal/c/1/0").unlink(), "chunk signal/c/1/0 is missing"),
        (lambda p: (p / "signal/c/1/0").write_bytes(b"abc"), r"has 3 bytes instead of 1004"),
        (lambda p: (p / "time/c/0").unlink(), "chunk time/c/0 is missing"),
        (lambda p: shutil.rmtree(p / "dark"), "attributes or sizes are not those"),
        (lambda p: shutil.rmtree(p / "dark/c"), "chunk dark/c/0/0 is missing"),
        (lambda p: (p / "signal/zarr.json").unlink(), "signal/zarr.json is missing"),
        (lambda p: (p / "zarr.json").write_text("{"), "zarr.json is damaged"),
        (lambda p: (p / "zarr.json").write_text("[" * 100000), "zarr.json is damaged"),
        (lambda p: (p / "zarr.json").write_text('{"attributes": {}}'), "darkstate inspect"),
        (lambda p: edit(p / "signal/zarr.json", "shape", [10**12, 50]), "chunk signal/c/3/0 is missing"),
        (lambda p: edit(p / "signal/zarr.json", "shape", [20, 50]), "conflicting sizes|attributes or sizes"),
        (lambda p: edit(p / "signal/zarr.json", "codecs", [{"name": "bytes"}]), "was not written by darkstate"),
        (lambda p: edit(p / "signal/zarr.json", "data_type", "string"), "was not written by darkstate"),
        (lambda p: edit(p / "zarr.json", "attributes", {"darkstate_record": 1}), "its kind is None"),
    ],
)
def test_a_damaged_folder_is_refused_on_opening(tmp_path, damage, message, small_chunks):
    path = save_record(made("int16"), tmp_path / "one.zarr")
    damage(path)
    with pytest.raises(InputError, match=message):
        open_record(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:-700]), "truncated"),
        (lambda p: p.write_bytes(b""), "is empty"),
        (lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n" + np.random.default_rng(3).bytes(4000)), "cannot be read"),
        (lambda p: p.write_text("xi,2\n"), "no HDF5 file"),
        (lambda p: set_attribute(p, "sample_rate_hz", 1000001.0), "attributes or sizes are not those"),
        (lambda p: set_attribute(p, "darkstate_contents", "{}"), "attributes or sizes are not those"),
        (lambda p: set_attribute(p, "darkstate_record", None), "darkstate inspect"),
        (lambda p: set_attribute(p, "darkstate_contents", None), "not written by darkstate"),
    ],
)
def test_a_damaged_netcdf_is_refused_on_opening(tmp_path, damage, message):
    path = save_record(made("int16"), tmp_path / "one.nc")
    damage(path)
    with pytest.raises(InputError, match=message):
        open_record(path)


def set_attribute(path, key, value):
    with h5py.File(path, "r+") as file:
        if value is None:
            del file.attrs[key]
        else:
            file.attrs[key] = value


def test_links_out_of_a_netcdf_file_are_refused(tmp_path):
    """A record whose dark noise lies in another file."""
    path = save_record(made("int16"), tmp_path / "one.nc")
    shutil.copy(path, tmp_path / "two.nc")
    with h5py.File(path, "r+") as file:
        del file["dark"]
        file["dark"] = h5py.ExternalLink("two.nc", "dark")
    with pytest.raises(InputError, match="'dark' is a link"):
        open_record(path)
