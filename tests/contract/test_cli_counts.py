"""`simulate` and `reconstruct` for a tweezer pair: counts instead of records, refusals that leave nothing behind."""

import contextlib
import io
import re
import sys

import pytest
import xarray as xr

from darkstate import cli
from darkstate.experiments.labfile import shipped_labs

LAB = shipped_labs()["ruksasakchai2026"]
CELLS = shipped_labs()["muschik2013-monitored"]


def darkstate(*arguments):
    """Run the command in this process; gives exit code, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["darkstate", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
    return end.value.code or 0, out.getvalue(), err.getvalue()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder; afterwards nothing half-written may lie in it."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not [p for p in tmp_path.rglob("*") if p.name.startswith(".")]


def found_fidelity(out):
    """(value, error) in the first line of a reconstruction."""
    match = re.search(r"^fidelity +(\S+) \+- (\S+)", out, re.M)
    return float(match[1]), float(match[2])


def test_simulate_and_reconstruct_close_the_loop(here):
    code, out, err = darkstate("simulate", LAB, "--shots", 300, "--out", "counts.csv")
    assert (code, err) == (0, "")
    assert out == f"written: counts.csv\nnext: darkstate reconstruct counts.csv --lab {LAB}\n"
    lines = (here / "counts.csv").read_text().splitlines()
    assert lines[0] == "theta_rad,shots,n0,n1,n2"
    assert len(lines) == 12
    assert all(sum(map(int, row.split(",")[2:])) == 300 for row in lines[1:])
    code, out, err = darkstate("reconstruct", "counts.csv", "--lab", LAB, "--out", "fit.nc")
    assert (code, err) == (0, "")
    value, error = found_fidelity(out)
    assert abs(value - 1) < 4 * error < 0.5
    assert "entangled: F > 1/2" in out and "one-sided, profile likelihood" in out and "one-sided, flat prior" in out
    assert "from n2 counts" in out and "from all counts" in out
    assert out.endswith("written: fit.nc\n")
    with xr.open_dataset("fit.nc", engine="h5netcdf") as data:
        assert float(data.fidelity[0]) == pytest.approx(value, abs=1e-3)
        assert data.chi2.dims == ("group", "fidelity_grid")
        assert data.attrs["source"] == "ruksasakchai2026.toml"


def test_what_is_planted_is_found(here):
    assert darkstate("simulate", LAB, "--fidelity", 0.5, "--seed", 8, "--out", "half.csv")[0] == 0
    out = darkstate("reconstruct", "half.csv", "--lab", LAB)[1]
    value, error = found_fidelity(out)
    assert abs(value - 0.5) < 4 * error
    assert "not certified: F is" in out


@pytest.mark.parametrize(
    ("sequence", "column", "rows", "said"),
    [
        ("interleaved", "theta_rad", 22, "both groups compared: chi2 = "),
        ("ramsey", "detuning_khz", 41, "fringe of one atom left"),
        ("populations", "t_ms", 11, "share of all pairs"),
    ],
)
def test_other_sequences(here, sequence, column, rows, said):
    assert darkstate("simulate", LAB, "--sequence", sequence, "--out", "c.csv")[0] == 0
    lines = (here / "c.csv").read_text().splitlines()
    assert lines[0].split(",")[0] == column
    assert ("group" in lines[0]) == (sequence == "interleaved")
    assert len(lines) == rows + 1
    code, out, err = darkstate("reconstruct", "c.csv", "--lab", LAB, "--out", "c.nc")
    assert (code, err) == (0, "")
    assert said in out


@pytest.mark.slow
def test_every_inelastic_loss_is_searched_if_asked(here):
    assert darkstate("simulate", LAB, "--shots", 1000, "--out", "c.nc")[0] == 0
    out = darkstate("reconstruct", "c.nc", "--lab", LAB, "--inelastic")[1]
    assert "no inelastic losses make the unentangled model agree" in out


COUNTS = "theta_rad,shots,n0,n1,n2\n0,300,60,70,170\n1.57,300,62,23,215\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["simulate", LAB, "--cycles", 300, "--out", "x.csv"], "--cycles belongs to records of cells"),
        (["simulate", LAB, "--runs", "--out", "x.csv"], "--runs belongs to records of cells"),
        (["simulate", LAB, "--duration", "1 ms", "--out", "x.csv"], "its own options are --sequence, --shots, --fid"),
        (["simulate", CELLS, "--shots", 300, "--out", "x.zarr"], "--shots belongs to counts of a tweezer pair"),
        (["simulate", CELLS, "--sequence", "raman", "--out", "x.zarr"], "its own options are --runs, --cycles, --dur"),
        (["simulate", LAB, "--sequence", "ramsy", "--out", "x.csv"], "write one of raman, interleaved, ramsey, popul"),
        (["simulate", LAB, "--sequence", "populations", "--fidelity", 1, "--out", "x.csv"], "has no effect without"),
        (["simulate", LAB, "--out", "x.zarr"], "--out x.zarr must end in .csv or .nc"),
        (["simulate", LAB, "--out", "file/x.csv"], "a file stands where a folder is needed"),
        (["reconstruct", "c.csv", "--lab", LAB, "--probe", "1 ms"], "--probe belongs to records of cells"),
        (["reconstruct", "c.csv", "--lab", LAB, "--logbook", "p.html"], "--logbook belongs to records of cells"),
        (["reconstruct", "c.csv", "--lab", CELLS, "--inelastic"], "--inelastic belongs to counts of a tweezer pair"),
        (["reconstruct", "c.csv", "c.csv", "--lab", LAB], "one table at a time"),
        (["reconstruct", "c.csv", "--lab", LAB, "--out", "c.csv"], "--out c.csv must end in .nc"),
        (["reconstruct", "nowhere.csv", "--lab", LAB], "does not exist"),
        (["reconstruct", "wrong.csv", "--lab", LAB], "wrong.csv:2: n0 + n1 + n2 = 300, but shots = 301"),
        (["reconstruct", "negative.csv", "--lab", LAB], "negative.csv:2: n0 = -1 must be a whole number of at least 0"),
        (["reconstruct", "empty.csv", "--lab", LAB], "empty.csv"),
        (["reconstruct", "far.csv", "--lab", LAB], "theta = 15.7 must be from 0 to 2 pi rad"),
        (["certify", "c.csv", "--lab", LAB], "`certify` does not take; `darkstate reconstruct` finds their fidelity"),
        (["calibrate", "c.csv", "--lab", LAB], "`calibrate` does not take"),
        (["fingerprint", "c.csv", "--lab", LAB], "`fingerprint` does not take"),
    ],
)  # fmt: skip
def test_refusals_are_one_sentence_and_write_nothing(here, arguments, said):
    (here / "c.csv").write_text(COUNTS)
    (here / "wrong.csv").write_text(COUNTS.replace("0,300,60", "0,301,60"))
    (here / "negative.csv").write_text(COUNTS.replace("0,300,60", "0,300,-1").replace("70,170", "131,170"))
    (here / "empty.csv").write_text("")
    (here / "far.csv").write_text(COUNTS.replace("1.57", "15.7"))
    (here / "file").write_text("in the way")
    before = {p: p.read_bytes() for p in here.iterdir()}
    code, out, err = darkstate(*arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert {p: p.read_bytes() for p in here.iterdir()} == before


def test_counts_that_do_not_tell_the_fidelity_are_refused_with_the_reason(here):
    """Two settings, 40 pairs each, and a calibration that is not known."""
    (here / "few.csv").write_text("theta_rad,shots,n0,n1,n2\n0,40,9,8,23\n1.57,40,8,4,28\n")
    code, out, err = darkstate("reconstruct", "few.csv", "--lab", LAB, "--set", "detection.sector=0.37 +- 0.3")
    assert (code, out) == (2, "")
    assert "that of knowing nothing is 0.29" in err


def test_help_names_the_options_of_both(here):
    simulate, reconstruct = (darkstate(name, "--help")[1] for name in ("simulate", "reconstruct"))
    assert "--sequence" in simulate and "--cycles" in simulate
    assert "--inelastic" in reconstruct and "--logbook" in reconstruct
