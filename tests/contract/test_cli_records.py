"""The commands for records: the whole chain on a small record, and refusals that leave nothing behind."""

import contextlib
import html.parser
import json
import re
import shutil
import sys
import types
from math import exp, sqrt
from pathlib import Path

import pytest
import xarray as xr

from command import darkstate
from darkstate.experiments.labfile import shipped_labs

LAB = shipped_labs()["muschik2013-monitored"]
# case x1 five times as fast, so that 3 ms are long: gamma_s = gamma_extra = 0.55 * 10/2 per ms
GAMMA_S, GAMMA, Z, ETA, T = 275.0, 550.0, 2.5, 0.9, 1e-3
KAPPA2 = Z**2 * GAMMA_S / GAMMA * (1 - exp(-2 * GAMMA * T))  # 000 below Eq. (7)
XI_INF = (1 / Z**2 + 1) / 2  # 000 Sec. IV with gamma_extra = gamma_s, w = 1
APPARATUS = [
    *("--lab", LAB, "--case", "x1"),
    *("--set", "drive.rate=0.01 /ms", "--set", "noise.gamma_tilde=0.55 /ms"),
    *("--set", f"detection.efficiency={ETA} +- 0.02"),
    *("--set", "acquisition.carrier=64 kHz", "--set", "acquisition.sample_rate=200 kHz"),
]
"""Options that describe the apparatus; `simulate` takes the lab file without --lab."""


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """A folder with a science record, a calibration from records, and a certificate; the output of each command."""
    folder, said = tmp_path_factory.mktemp("day"), {}
    with contextlib.chdir(folder):
        simulated = APPARATUS[1:]
        for name, command in {
            "simulate": ["simulate", *simulated, "--cycles", 400, "--duration", "3 ms", "--seed", 1,
                         "--out", "day/r.zarr"],
            "runs": ["simulate", *simulated, "--cycles", 100, "--runs", "--out", "runs"],
            "inspect": ["inspect", "day/r.zarr"],
            "calibrate": ["calibrate", "runs", *APPARATUS, "--out", "found.toml"],
            "certify": ["certify", "day/r.zarr", *APPARATUS, "--calibration", "found.toml", "--out", "cert.json",
                        "--require", "entangled"],
        }.items():  # fmt: skip
            said[name] = darkstate(*command)
    return folder, said


@pytest.fixture
def here(day, tmp_path, monkeypatch):
    """An empty folder with copies of what `day` holds; afterwards nothing half-written may lie in it."""
    shutil.copytree(day[0], tmp_path, dirs_exist_ok=True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("in the way")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not [p for p in tmp_path.rglob("*") if p.name.startswith(".")]


def content(folder):
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def column(out, name):
    """(value, error) in the line of `calibrate` that begins with a name."""
    found = re.search(rf"^  {name} +(\S+) \+- (\S+)", out, re.M)
    return float(found[1]), float(found[2])


def test_every_command_of_the_chain_succeeds_and_names_its_files(day):
    folder, said = day
    assert {name: (code, err) for name, (code, _, err) in said.items()} == dict.fromkeys(said, (0, ""))
    assert said["simulate"][1].startswith("written: day/r.zarr\n")
    assert said["runs"][1].startswith("written: runs/decay.zarr ")
    assert "400 cycle x 600 time, int16" in said["inspect"][1]
    assert "sequence    drive 3 ms" in said["inspect"][1]
    assert said["calibrate"][1].endswith("written: found.toml\n")
    assert {p.name for p in folder.iterdir()} == {"day", "runs", "found.toml", "cert.json"}


def test_calibrate_finds_what_was_planted_and_agrees_with_the_lab_file(day):
    out = day[1]["calibrate"][1]
    for name, planted in (("gamma", GAMMA), ("kappa2", KAPPA2), ("gamma_dark", 25.0)):
        value, error = column(out, name)
        assert abs(value - planted) < 4 * error < 0.1 * planted
    table = out.split("agree?\n")[1].splitlines()[:5]
    assert [line.split()[0] for line in table] == ["gamma", "kappa2", "gamma_dark", "gamma_s", "gamma_extra"]
    assert all(line.endswith("  yes") for line in table)


def test_reconstruct_follows_the_equation_of_motion(here):
    """xi(t) = xi_inf + (1 - xi_inf) exp(-2 gamma t); with the past record towards xi_cond,inf, both of 000 Sec. IV."""
    shutil.copytree("day/r.zarr", "day/s.zarr")
    code, out, err = darkstate(
        *("reconstruct", "day", *APPARATUS, "--calibration", "found.toml"), "--out", "day.nc", "--logbook", "page.html"
    )
    assert (code, err) == (0, "")
    assert out.count("checks: all passed") == 2 and out.endswith("written: day.nc page.html\n")
    with xr.open_dataset("day.nc", engine="h5netcdf") as found:
        assert found.run.values.tolist() == ["r.zarr", "s.zarr"]
        assert found.xi.dims == ("run", "method", "t")
        one = found.isel(run=0)
        free = one.sel({"method": "unconditional"})  # as a keyword it is an option of `sel`
        expected = XI_INF + (1 - XI_INF) * xr.ufuncs.exp(-2 * GAMMA * found.t)
        assert (abs(free.xi - expected) < 4 * free.xi_err).all() and (free.xi_err < 0.15).all()
        # x = w = 1: [2 eta - 2 + sqrt(4 + 4 eta (Z^2 - 1))]/(2 eta Z^2); after 2 ms a little is left of the start
        last = one.isel(t=2).sel({"method": "kalman"})
        known = (2 * ETA - 2 + sqrt(4 + 4 * ETA * (Z**2 - 1))) / (2 * ETA * Z**2)
        assert abs(last.xi - known) < 4 * last.xi_err + 0.02
        assert last.xi < free.xi[2] - 0.1
    page = Path("page.html").read_text(encoding="utf-8")
    html.parser.HTMLParser().feed(page)
    assert page.count("<h2>") == 4 and "s.zarr" in page and "<script" not in page


def test_certify_and_verify(here, day):
    out = day[1]["certify"][1]
    assert out.startswith("entangled\n")
    assert "chosen on cycles 0 to 199, judged on 200 to 399" in out
    claim = json.loads(Path("cert.json").read_text("utf-8"))["claim"]
    assert claim["p_value"] < 0.05 and claim["interval"][0] < claim["value"] < claim["interval"][1] < 1
    code, out, err = darkstate("verify", "cert.json", "--record", "day/r.zarr", "--lab", LAB)
    assert (code, err) == (0, "")
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["ok", step] for step in ("layout", "digests", "record", "recomputed", "lab", "software")
    ]


def test_import_joins_the_files_of_a_record(here):
    rows = [",".join(str((3 * k + j) % 7) for k in range(10)) for j in range(25)]
    Path("run.csv").write_text("\n".join(rows), "utf-8")
    mapping = 'axes = "cycle,time"\nsample_rate_hz = 1e6\ncarrier_hz = 322e3\n'
    Path("map.toml").write_text(f'{mapping}sequence = [{{ kind = "drive", duration = 1e-5 }}]\n', "utf-8")
    code, out, err = darkstate("import", "run.csv", "--mapping", "map.toml", "--dark", "run.csv", "--out", "run.nc")
    assert (code, err) == (0, "")
    assert "25 cycle x 10 time" in out and "25 dark_cycle x 10 time" in out and "\nwritten: run.nc\n" in out
    assert "shot_noise" not in out


def test_a_verdict_that_was_not_required_is_exit_code_1(here):
    """At the start the cells are in a coherent spin state, xi = 1: seed 1 shows no entanglement there."""
    arguments = [
        "certify",
        "day/r.zarr",
        *APPARATUS,
        "--at",
        "0 ms",
        "--method",
        "unconditional",
        "--out",
        "start.json",
    ]
    code, out, err = darkstate(*arguments, "--require", "entangled")
    assert (code, err) == (1, "")
    assert out.startswith("not shown\n") and out.endswith("written: start.json\n")
    assert darkstate(*arguments, "--require", "not shown")[0] == 0


def test_an_altered_certificate_is_exit_code_1(here):
    text = Path("cert.json").read_text("utf-8")
    place = re.search(r'"value": 0\.(\d)', text).start(1)
    Path("cert.json").write_text(text[:place] + ("1" if text[place] != "1" else "2") + text[place + 1 :], "utf-8")
    code, out, err = darkstate("verify", "cert.json")
    assert (code, err) == (1, "")
    assert "FAILED  digests     altered: claim, digest" in out


def test_another_record_is_exit_code_1(here):
    code, out, _ = darkstate("verify", "cert.json", "--record", "runs/decay.zarr")
    assert code == 1
    assert "FAILED  record      another one: sha256:" in out
    assert "-       recomputed  not done with another record" in out


def test_an_altered_sample_cannot_be_read(here):
    chunk = next(p for p in Path("day/r.zarr/signal/c").rglob("*") if p.is_file())
    changed = bytearray(chunk.read_bytes())
    changed[1000] ^= 1
    chunk.write_bytes(changed)
    for command in (["verify", "cert.json", "--record", "day/r.zarr"], ["inspect", "day/r.zarr"]):
        code, out, err = darkstate(*command)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "checksum" in err


def test_check_and_predict_take_a_calibration(here, monkeypatch):
    # the lab file as shipped is five times slower than the records
    code, out, err = darkstate("check", LAB, "--case", "x1", "--calibration", "found.toml")
    assert (code, err) == (0, "")
    rows = {line.split()[0]: line for line in out.split("\nCalibration\n")[1].splitlines()}
    assert "no, +" in rows["gamma"] and rows["gamma_dark"].endswith("  yes")

    asked = []
    fake = types.ModuleType("darkstate.report.prediction")
    fake.predict = lambda lab, *, data: (
        asked.append(lab) or types.SimpleNamespace(save=lambda folder: [folder / "p.nc"])
    )
    fake.predict_cases = None
    monkeypatch.setitem(sys.modules, "darkstate.report.prediction", fake)
    assert darkstate("predict", LAB, "--case", "x1", "--calibration", "found.toml")[0] == 0
    (lab,) = asked
    # both rates follow from gamma and kappa^2, which are known to 1 and 2 %
    assert lab.experiment.gamma_s == pytest.approx(GAMMA_S, rel=0.08)
    assert lab.experiment.gamma_extra == pytest.approx(GAMMA - GAMMA_S, rel=0.08)
    assert lab.experiment.detection.efficiency == ETA
    assert set(lab.uncertainties) == {"drive.rate", "noise.gamma_tilde", "detection.efficiency"}


RECORD = ["day/r.zarr", "--lab", LAB]
REFUSED = [
    (["certify", "nowhere.zarr", "--lab", LAB], "nowhere.zarr does not exist"),
    (["reconstruct", "nowhere.zarr", "--lab", LAB, "--out", "x.nc"], "nowhere.zarr does not exist"),
    (["reconstruct", "file", "--lab", LAB, "--out", "x.nc"], "file"),
    (["reconstruct", "empty", "--lab", LAB, "--out", "x.nc"], "empty holds no record (.zarr, .nc or .h5)"),
    (["calibrate", "empty", "--lab", LAB], "empty holds no record"),
    (["calibrate", "day", "--lab", LAB], "missing: decay, input, transfer"),
    (["certify", *RECORD, "--at", "6 parsecs"], '--at "6 parsecs" has the unknown unit "parsecs"; write for example'),
    (["certify", *RECORD, "--at", "6"], 'write "6 s" or "6 ms"'),
    (["certify", *RECORD, "--at", "60 ms"], "must be at most 0.002 s"),
    (["certify", *RECORD, "--method", "kalmann"], "one of unconditional, exponential, kalman"),
    (["certify", *RECORD, "--at", "0 ms", "--method", "kalman"], "there is no light before 0 s"),
    (["certify", *RECORD, "--require", "maybe"], "write one of entangled, not shown, inconsistent"),
    (["certify", *RECORD, "--confidence", "95"], "Argument `confidence` must"),
    (["reconstruct", *RECORD, "--probe", "50 ms", "--out", "x.nc"], "longer than the drive pulse, 3 ms"),
    (["reconstruct", "day", "--lab", shipped_labs()["muschik2011"]], "describes another system"),
    (["certify", "day/r.zarr", "--lab", shipped_labs()["muschik2011"]], "describes another system"),
    (["simulate", shipped_labs()["muschik2011"], "--out", "x.zarr"], "describes another system"),
    (["simulate", LAB, "--duration", "2 ms", "--out", "x.txt"], ".zarr or .nc or .h5"),
    (["simulate", LAB, "--cycles", "20", "--duration", "2 ms", "--out", "file/x.zarr"], "cannot be written"),
    (["simulate", LAB, "--cycles", "20", "--duration", "2 ms", "--out", LAB], "must end in .zarr"),
    (["certify", *RECORD, "--out", "found.toml"], "must end in .json"),
    (["reconstruct", "day", "--lab", LAB, "--out", "day.csv"], "must end in .nc"),
    (["calibrate", "runs", "--lab", LAB, "--out", LAB], "is one of the files read"),
    (["reconstruct", "runs/input.zarr", "--lab", LAB], "xi is read from science and projection records"),
    (["simulate", LAB, "--duration", "-1 ms", "--out", "x.zarr"], "must be at least 0"),
    (["import", "file", "--mapping", "nowhere.toml", "--out", "x.zarr"], "nowhere.toml cannot be read"),
    (["inspect", "nowhere.zarr"], "nowhere.zarr does not exist"),
    (["verify", "nowhere.json"], "nowhere.json cannot be read"),
    (["verify", "found.toml"], "found.toml is no certificate"),
    (["verify", "cert.json", "--record", "nowhere.zarr"], "nowhere.zarr does not exist"),
]


@pytest.mark.parametrize(("arguments", "said"), REFUSED, ids=[said[:40] for _, said in REFUSED])
def test_a_refusal_is_one_sentence_and_writes_nothing(here, arguments, said):
    before = content(here)
    code, out, err = darkstate(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert content(here) == before


@pytest.mark.parametrize("command", [["inspect"], ["certify", "--lab", LAB], ["reconstruct", "--lab", LAB]])
@pytest.mark.parametrize("cut", ["signal/c", "zarr.json"])
def test_a_truncated_record_is_named(here, command, cut):
    target = Path("day/r.zarr") / cut
    file = target if target.is_file() else next(p for p in target.rglob("*") if p.is_file())
    file.write_bytes(file.read_bytes()[:40])
    before = content(here)
    code, out, err = darkstate(command[0], "day/r.zarr", *command[1:])
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("day/r.zarr: ") and "damaged" in err and "restore the folder from a copy" in err
    assert content(here) == before


CALIBRATIONS = {
    # the largest kappa^2 is that of gamma_extra = 0, Z^2 (1 - exp(-2 gamma T)) = 4.17 for the planted rates
    "impossible": (rb"(?s)(\[kappa2\]\nvalue = )\S+", rb"\g<1>5.0", "kappa^2 = 5 is impossible with these gammas"),
    "wrong unit": (rb'unit = "1/s"', b'unit = "Hz"', "it must be '1/s'"),
    "misspelt": (rb"\[efficiency\]", b"[eficiency]", "did you mean efficiency?"),
    "no number": (rb"(?s)(\[gamma\]\nvalue = )\S+", rb'\g<1>"fast"', "[gamma] needs `value`, a number"),
    "not TOML": (rb"\[gamma\]", b"[gamma", "bad.toml: "),
    "not text": (rb"date", b"\xff", "is not UTF-8 text"),
}


@pytest.mark.parametrize("mistake", CALIBRATIONS)
@pytest.mark.parametrize("command", [["reconstruct", "day"], ["certify", "day/r.zarr"]], ids=lambda c: c[0])
def test_a_calibration_that_cannot_be_is_refused(here, command, mistake):
    pattern, new, said = CALIBRATIONS[mistake]
    changed, count = re.subn(pattern, new, Path("found.toml").read_bytes())
    assert count
    Path("bad.toml").write_bytes(changed)
    before = content(here)
    code, out, err = darkstate(*command, *APPARATUS, "--calibration", "bad.toml")
    assert (code, out) == (2, "")
    assert said in err and "Traceback" not in err
    assert all(line.startswith("bad.toml") for line in err.splitlines())
    assert content(here) == before


def test_help_teaches_each_command_by_example():
    text = darkstate("--help")[1]
    for command in ("simulate", "inspect", "import", "calibrate", "reconstruct", "certify", "verify"):
        assert command == "import" or f"darkstate {command}" in text
        assert f"Example: darkstate {command}" in darkstate(command, "--help")[1]


def test_fingerprint_names_losses_that_were_ignored(here):
    """Half of the light is lost, and the lab file says none is; the cells begin in the coherent spin state."""
    lab, out = LAB, here / "lossy.zarr"
    made = ["--case", "x1", "--set", "detection.efficiency=0.5", "--cycles", 3000, "--duration", "2 ms", "--out", out]
    assert darkstate("simulate", lab, *made, "--set", "acquisition.shot_cycles=3000")[0] == 0
    code, said, _ = darkstate("fingerprint", out, "--lab", lab, "--case", "x1", "--expected", 1)
    assert code == 0 and "eta was ignored" in said.splitlines()[0]
    code, said, _ = darkstate("fingerprint", out, "--lab", lab, "--case", "x1", "--set", "detection.efficiency=0.5")
    assert code == 0 and said.startswith("no known mistake")
