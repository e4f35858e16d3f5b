"""Files of other programs become records, or are refused; the oracle is the array that was put into the file."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from darkstate.errors import InputError
from darkstate.records import sources
from darkstate.records.inspect import inspect_file
from darkstate.records.io import record_digest
from darkstate.records.readers import KEYS, SHIPPED, read_foreign, read_mapping
from darkstate.records.schema import Pulse, record, sequence

RATE, CARRIER, CYCLES, SAMPLES = 1e6, 322e3, 7, 40
BASIC = {
    "sample_rate_hz": RATE,
    "carrier_hz": CARRIER,
    "sequence": [
        {"kind": "drive", "duration": 20e-6, "displacement": [1.0, -2.0]},
        {"kind": "dark", "duration": 10e-6},
    ],
}
RNG = np.random.default_rng(2)
SIGNAL = RNG.integers(-2000, 2000, (CYCLES, SAMPLES)).astype("int16")
NOISE = RNG.integers(-2000, 2000, (4, SAMPLES)).astype("int16")
FLOATS = RNG.normal(size=(2, CYCLES, SAMPLES))


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """Temporary folders go into one that the tests can look into."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def hdf5(tmp_path):
    """A file with the arrays above in both orders of axes, rates as attributes and as numbers, compressed."""
    path = tmp_path / "run.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("scope/y", data=SIGNAL, chunks=(2, SAMPLES), compression="gzip")
        file["scope/turned"] = SIGNAL.T.astype(">i2")
        file["scope/shot"] = NOISE
        file["scope"].attrs["rate_hz"] = RATE
        file["larmor_hz"] = CARRIER
        file["x"], file["y"] = FLOATS
        file["text"] = "hello"
        file["complex"] = FLOATS[0] + 1j * FLOATS[1]
    return path


def test_hdf5_by_a_mapping_file(hdf5, scratch):
    mapping = hdf5.with_suffix(".toml")
    mapping.write_text("""
signal = "scope/y"
shot_noise = "scope/shot"
axes = "cycle,time"
sample_rate_hz = "scope@rate_hz"
carrier_hz = "larmor_hz"
units = "LSB"
full_scale = 32768

[[sequence]]
kind = "drive"
duration = 20e-6
displacement = [1.0, -2.0]

[[sequence]]
kind = "dark"
duration = 10e-6
""")
    pulses = sequence(Pulse("drive", 20e-6, displacement=(1.0, -2.0)), Pulse("dark", 10e-6))
    want = record(
        SIGNAL,
        shot_noise=NOISE,
        sample_rate_hz=RATE,
        carrier_hz=CARRIER,
        pulses=pulses,
        units="LSB",
        full_scale=32768,
    )
    for found in (read_foreign(hdf5), read_foreign(hdf5, mapping), read_foreign(str(hdf5), str(mapping))):
        assert found.identical(want)
        assert record_digest(found) == record_digest(want)
    if os.name == "posix":
        assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("name", ["scope/y", "scope/turned"])
def test_the_order_of_the_axes(hdf5, name, monkeypatch):
    axes = "cycle,time" if name == "scope/y" else "time, cycle"
    assert np.array_equal(read_foreign(hdf5, {**BASIC, "signal": name, "axes": axes}).signal.values, SIGNAL)


@pytest.mark.parametrize("axes", ["cycle,time", "time,cycle"])
def test_large_arrays_are_copied_in_blocks(hdf5, axes, monkeypatch, tmp_path):
    """Blocks of three cycles, run in this process."""
    monkeypatch.setattr(sources, "BLOCK_BYTES", 3 * SAMPLES * 2)
    job = {
        "files": [str(hdf5)],
        "folder": str(tmp_path),
        "arrays": {"signal": ["scope/y" if axes[0] == "c" else "scope/turned"]},
        "axes": axes.split(","),
        "numbers": {},
        **dict.fromkeys(("times", "cycle", "samples_per_cycle")),
    }
    assert sources.copy(hdf5, job)["arrays"] == {"signal": ["<i2", [CYCLES, SAMPLES]]}
    assert (tmp_path / "signal").read_bytes() == SIGNAL.astype("<i2").tobytes()


def test_two_arrays_of_a_lock_in_amplifier(hdf5):
    """Cosine, and the sine with its sign turned."""
    lock_in = {"kind": "demodulated", "filter_order": 4, "filter_time_constant": 3e-6}
    found = read_foreign(hdf5, {**BASIC, **lock_in, "signal": ["x", "-y"]})
    assert np.array_equal(found.signal.values, np.stack([FLOATS[0], -FLOATS[1]], -1))
    assert (found.attrs["filter_order"], found.attrs["filter_time_constant"]) == (4, 3e-6)


def test_the_sign_of_the_smallest_integer(tmp_path):
    """-(-32768) does not fit 16 bit; it must not come back as -32768."""
    np.save(tmp_path / "a.npy", np.full((2, SAMPLES), -32768, "int16"))
    assert read_foreign(tmp_path / "a.npy", {**BASIC, "signal": "-"}).signal.values[0, 0] == 32768.0


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_matlab_axes_are_those_matlab_shows(tmp_path, version):
    """x is 7 x 40 in MATLAB; a 7.3 file stores 40 x 7 behind a header of 512 bytes."""
    path, variables = tmp_path / "a.mat", {"x": SIGNAL, "fs": RATE, "row": SIGNAL.reshape(1, -1)}
    if version == "5":
        savemat(path, variables, do_compression=True)
    else:
        with h5py.File(path, "w", userblock_size=512) as file:
            for name, value in variables.items():
                file[name] = np.atleast_2d(value).T
        with open(path, "rb+") as raw:
            raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64")
    numbers = {**BASIC, "sample_rate_hz": "fs"}
    found = read_foreign(path, {**numbers, "signal": "x", "axes": "cycle,time"})
    assert np.array_equal(found.signal.values, SIGNAL)
    assert found.attrs["sample_rate_hz"] == RATE
    stream = read_foreign(path, {**numbers, "signal": "row", "axes": "time", "samples_per_cycle": SAMPLES})
    assert np.array_equal(stream.signal.values, SIGNAL)
    with pytest.raises(InputError, match="did you mean 'row'"):
        read_foreign(path, {**numbers, "signal": "rows"})


def test_numpy_and_text(tmp_path):
    np.save(tmp_path / "a.npy", SIGNAL)
    assert np.array_equal(read_foreign(tmp_path / "a.npy", BASIC).signal.values, SIGNAL)
    np.savetxt(tmp_path / "a.csv", SIGNAL, fmt="%d", delimiter=",", header="made here", comments="% ")
    assert np.array_equal(read_foreign(tmp_path / "a.csv", BASIC).signal.values, SIGNAL)
    turned = {**BASIC, "axes": "time,cycle"}
    np.savetxt(tmp_path / "b.txt", SIGNAL.T, fmt="%d")
    assert np.array_equal(read_foreign(tmp_path / "b.txt", turned).signal.values, SIGNAL)
    lines = ["t,volt", *(f"{2.5 + k / RATE:.9f},{v}" for k, v in enumerate(SIGNAL.ravel()))]
    (tmp_path / "c.csv").write_text("\n".join(lines))
    timed = {key: value for key, value in BASIC.items() if key != "sample_rate_hz"}
    found = read_foreign(tmp_path / "c.csv", {**timed, "signal": "volt", "times": "t", "samples_per_cycle": SAMPLES})
    assert np.array_equal(found.signal.values, SIGNAL)
    assert found.attrs["sample_rate_hz"] == pytest.approx(RATE, rel=1e-6)


def labone(path, gap=0):
    """Two chunks of 60 MHz ticks, 1000 ticks apart: 60 kHz; header and columns as the LabOne interface writes them."""
    rows = ["chunk;timestamp;x;y;freq"]
    for chunk in range(2):
        start = 10**12 + chunk * 10**9
        for k in range(5):
            ticks = start + 1000 * k + (gap if k > 2 else 0)
            rows.append(
                f"{chunk};{ticks};{FLOATS[0, chunk, k]!r};{FLOATS[1, chunk, k]!r};322000".replace("np.float64", "")
            )
    path.write_text("\n".join(rows).replace("(", "").replace(")", "") + "\n")


def test_labone(tmp_path):
    path = tmp_path / "dev1234_demods_0_sample_00000.csv"
    labone(path)
    mapping = {
        "base": "labone",
        "ticks_per_second": 60e6,
        "carrier_hz": CARRIER,
        "filter_order": 4,
        "filter_time_constant": 1e-5,
        "sequence": [{"kind": "drive", "duration": 80e-6}],
    }
    found = read_foreign(path, mapping)
    assert found.attrs["sample_rate_hz"] == pytest.approx(60e3, rel=1e-12)
    assert np.array_equal(found.signal.values, np.stack([FLOATS[0, :2, :5], -FLOATS[1, :2, :5]], -1))
    assert 'base = "labone"' in inspect_file(path)
    labone(path, gap=1000)
    with pytest.raises(InputError, match="not even"):
        read_foreign(path, mapping)
    path.write_text("\n".join(path.read_text().split("\n")[:-2]))
    with pytest.raises(InputError, match="between 4 and 5 samples"):
        read_foreign(path, mapping)


def shots(folder, rates, count=3):
    """A folder of shots as labscript writes them: a table of t and values, carrier among the globals."""
    folder.mkdir()
    for k in range(count):
        table = np.zeros(SAMPLES, [("t", "f8"), ("values", "f4")])
        table["t"], table["values"] = 1.0 + np.arange(SAMPLES) / rates[k], SIGNAL[k]
        with h5py.File(folder / f"shot_{k:04}.h5", "w") as file:
            file["data/traces/signal"] = table
            file.create_group("globals").attrs["larmor"] = CARRIER
    return folder


LABSCRIPT = {"base": "labscript", "carrier_hz": "globals@larmor", "sequence": BASIC["sequence"]}


def test_a_folder_of_labscript_shots(tmp_path):
    found = read_foreign(shots(tmp_path / "shots", [RATE] * 3), LABSCRIPT)
    assert np.array_equal(found.signal.values, SIGNAL[:3])
    assert found.attrs["sample_rate_hz"] == pytest.approx(RATE, rel=1e-6)
    assert found.attrs["carrier_hz"] == CARRIER
    assert "data/traces/signal" in inspect_file(tmp_path / "shots")


def test_mixed_sample_rates_are_refused(tmp_path):
    with pytest.raises(InputError, match="shot_0002.h5: sample_rate_hz is 500000, in the files before 1e"):
        read_foreign(shots(tmp_path / "shots", [RATE, RATE, RATE / 2]), LABSCRIPT)


def test_artiq(tmp_path):
    with h5py.File(tmp_path / "000012345-Run.h5", "w") as file:
        file["datasets/signal"], file["datasets/sample_rate_hz"] = SIGNAL, RATE
        file["datasets/carrier_hz"], file["rid"] = CARRIER, 12345
    found = read_foreign(tmp_path / "000012345-Run.h5", {"base": "artiq", "sequence": BASIC["sequence"]})
    assert np.array_equal(found.signal.values, SIGNAL)
    assert (found.attrs["sample_rate_hz"], found.attrs["carrier_hz"]) == (RATE, CARRIER)


@pytest.mark.parametrize("base", SHIPPED)
def test_every_shipped_mapping_needs_few_keys(base):
    found = read_mapping({"base": base, **BASIC})
    assert found["signal"] and "times" not in found and set(found) <= set(KEYS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sample_rate": 1e6}, "'sample_rate' is not known; did you mean 'sample_rate_hz'"),
        ({"base": "labview"}, "write one of artiq, labone, labscript"),
        ({"axes": "cycles,time"}, "axes is 'cycles,time'"),
        ({"signal": ["x"]}, r"signal is \['x'\]; give a place"),
        ({"sample_rate_hz": True}, "sample_rate_hz is True"),
        ({"sample_rate_hz": float("nan")}, "sample_rate_hz is nan"),
        ({"sample_rate_hz": 0}, "sample_rate_hz is 0; it must be a positive number"),
        ({"sample_rate_hz": 6e5}, "cannot hold a carrier"),
        ({"times": "t"}, "give either sample_rate_hz or times"),
        ({"samples_per_cycle": 2.5}, "whole number"),
        ({"samples_per_cycle": -1}, "above 0"),
        ({"kind": 3}, "text in quotes"),
        ({"kind": "rawish"}, "must be one of raw, demodulated"),
        ({"sequence": []}, "list of pulses"),
        ({"sequence": [{"duration": 1}]}, "list of pulses"),
        ({"sequence": [{"kind": "drive", "lenght": 1}]}, "pulse 0: key 'lenght' is not known"),
        ({"sequence": [{"kind": "drive", "duration": "1 ms"}]}, "pulse 0: duration and edge must be numbers"),
        ({"sequence": [{"kind": "drive", "displacement": [1]}]}, "displacement two numbers"),
        ({"sequence": [{"kind": "pump", "duration": 1e-6}]}, "write one of drive, dark, rf, rotate"),
        ({"sequence": [{"kind": "drive", "duration": 1.0}]}, "holds only 4e-05 s"),
        ({"signal": "scope/z"}, "holds no 'scope/z'; did you mean 'scope/y'"),
        ({"signal": "scope"}, "is a group"),
        ({"signal": "scope/y:values"}, "holds no 'scope/y:values'"),
        ({"signal": "text"}, "holds object"),
        ({"signal": "complex"}, "name the real and the imaginary part"),
        ({"signal": "scope/y", "axes": "time"}, "does not fit axes = time"),
        ({"signal": ["x", "scope/shot"]}, "have different sizes"),
        ({"signal": "x", "carrier_hz": "scope@larmor"}, "holds no 'scope@larmor'"),
        ({"signal": "x", "carrier_hz": "text"}, "not one number"),
        ({"signal": "x", "carrier_hz": "x"}, "not one number"),
    ],
)
def test_what_a_mapping_gets_wrong(hdf5, change, message):
    with pytest.raises(InputError, match=message) as caught:
        read_foreign(hdf5, {"signal": "scope/y", **BASIC, **change})
    assert all("\n" not in text for text in caught.value.problems)


def test_what_is_missing_is_said(tmp_path, hdf5):
    with pytest.raises(InputError) as caught:
        read_mapping({})
    assert [text.split("; ")[0] for text in caught.value.problems] == [
        "the mapping: carrier_hz is missing",
        "the mapping: sequence is missing",
        "the mapping: give either sample_rate_hz or times, the place of the time of each sample",
    ]
    with pytest.raises(InputError, match=r"needs a mapping, .*run\.toml; `darkstate inspect"):
        read_foreign(hdf5)
    with pytest.raises(InputError, match="does not exist"):
        read_foreign(tmp_path / "nothing.h5", BASIC)
    hdf5.with_suffix(".toml").write_text("signal = ")
    with pytest.raises(InputError, match="not valid TOML"):
        read_foreign(hdf5)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no files"):
        read_foreign(tmp_path / "empty", BASIC)


def test_a_stream_that_is_no_whole_number_of_cycles(tmp_path):
    np.save(tmp_path / "a.npy", SIGNAL.ravel()[:-1])
    with pytest.raises(InputError, match="279 samples are no whole number of cycles of 40"):
        read_foreign(tmp_path / "a.npy", {**BASIC, "axes": "time", "samples_per_cycle": SAMPLES})


def test_inspect_prints_a_mapping_to_edit(hdf5):
    text = inspect_file(hdf5)
    assert "scope/y  7 x 40  int16" in text
    assert "scope@rate_hz = 1000000.0" in text
    mapping = text.split("A mapping to start from:\n\n")[1]
    assert 'shot_noise = "scope/shot"' in mapping
    edited = mapping.replace("carrier_hz = 0", "carrier_hz = 322e3").replace("duration = 0", "duration = 20e-6")
    path = hdf5.with_name("edited.toml")
    path.write_text(edited.replace('signal = "x"', 'signal = "scope/y"'))
    assert np.array_equal(read_foreign(hdf5, path).signal.values, SIGNAL)


def test_mappings_are_in_the_package():
    import darkstate.records.readers as module

    assert sorted(p.stem for p in (Path(module.__file__).parent / "mappings").glob("*.toml")) == sorted(SHIPPED)
