"""`simulate` and `reconstruct` for a tweezer pair: counts instead of records, refusals that leave nothing behind."""

import re

import pytest
import xarray as xr

from command import darkstate
from darkstate.experiments.labfile import shipped_labs

LAB = shipped_labs()["ruksasakchai2026"]
CELLS = shipped_labs()["muschik2013-monitored"]


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
    assert "from n2 counts" in out and "verdict (n2): entangled" in out
    assert "all counts, if the inelastic loss is right: F = " in out
    assert "taken as exact: detection.ejection_other, detection.pushout_other" in out
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
        ("interleaved", "theta_rad", 22, "counts of both groups compared, not their fidelities: chi2 = "),
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
    assert "with no inelastic losses does the unentangled model explain" in out


def test_confidence_is_that_of_the_bounds(here):
    (here / "c.csv").write_text(MANY)
    bounds = []
    for share in (0.6, 0.95):
        code, out, err = darkstate("reconstruct", "c.csv", "--lab", LAB, "--confidence", share)
        assert (code, err) == (0, "")
        assert f"nominal {100 * share:.0f} %" in out
        bounds.append(float(re.search(r"^likelihood +F > (\S+)", out, re.M)[1]))
    assert bounds[0] > bounds[1]


def test_a_headline_from_all_counts_says_what_it_rests_on(here):
    """So few pairs that two atoms against fewer do not tell."""
    (here / "c.csv").write_text("theta_rad,shots,n0,n1,n2\n0,60,12,14,34\n0.8,60,12,9,39\n1.57,60,12,5,43\n")
    code, out, err = darkstate("reconstruct", "c.csv", "--lab", LAB)
    assert (code, err) == (0, "")
    assert "from all counts" in out
    assert "verdict (all counts, if the inelastic loss is right): " in out
    assert "\nn2 alone: the fidelity has a standard error of" in out


def test_groups_with_different_settings_are_fitted_and_not_compared(here):
    rows = [f"{row},{'a' if k < 4 else 'b'}" for k, row in enumerate(MANY.splitlines()[1:])]
    (here / "c.csv").write_text("\n".join([MANY.splitlines()[0] + ",group", *rows]) + "\n")
    code, out, err = darkstate("reconstruct", "c.csv", "--lab", LAB)
    assert (code, err) == (0, "")
    assert "group a\n" in out and "group b\n" in out
    assert "note: both groups are not compared: the two tables have different settings" in out


def test_inspect_knows_a_count_table(here):
    (here / "c.csv").write_text("# a comment\n" + MANY)
    code, out, err = darkstate("inspect", "c.csv")
    assert (code, err) == (0, "")
    assert out == (
        "count table of a tweezer pair: 7 settings theta, 7000 pairs\n"
        "next: darkstate reconstruct c.csv --lab YOUR_LAB.toml\n"
    )


MANY = """theta_rad,shots,n0,n1,n2
0,1000,208,220,572
0.5,1000,206,188,606
1,1000,206,120,674
1.57,1000,207,78,715
2,1000,210,102,688
2.6,1000,216,186,598
3.14,1000,221,226,553
"""
GROUPED = "{},shots,n0,n1,n2,group\n0,300,60,70,170,a\n1,300,62,23,215,a\n0,300,60,70,170,b\n1,300,62,23,215,b\n"
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
        (["reconstruct", "c.csv", "--lab", CELLS, "--confidence", 0.9], "--confidence belongs to counts of a tweezer"),
        (["reconstruct", "c.csv", "--lab", LAB, "--confidence", 0.3], "must be above 0.5 and at most 0.999"),
        (["reconstruct", "fringes.csv", "--lab", LAB], "detuning_khz are not told apart by group, but the table"),
        (["reconstruct", "times.csv", "--lab", LAB], "group, but the table has a, b; give one table per group"),
        (["reconstruct", "three.csv", "--lab", LAB], "3 groups, a, b, c, but two are compared; give two at a time"),
        (["reconstruct", "late.csv", "--lab", LAB, "--inelastic"], "with pulse areas, but this table has t_ms; leave"),
        (["reconstruct", "gone.csv", "--lab", LAB, "--inelastic"], "there is only the group destruction; leave"),
        (["reconstruct", "late.csv", "--lab", LAB], "cannot be followed to the longest time of the table, 1e+09 s"),
        (["reconstruct", "tau.csv", "--lab", LAB], "is a pulse of area 485 pi, at most 2 pi is allowed; check"),
        (["reconstruct", "far_khz.csv", "--lab", LAB], "reach 7e+04 kHz, ramsey.span is 200 kHz; is detuning_k"),
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
    (here / "fringes.csv").write_text(GROUPED.format("detuning_khz"))
    (here / "times.csv").write_text(GROUPED.format("t_ms"))
    (here / "three.csv").write_text(GROUPED.format("theta_rad") + "0,300,60,70,170,c\n1,300,62,23,215,c\n")
    (here / "gone.csv").write_text("theta_rad,shots,n0,n1,n2,group\n0,9,2,2,5,destruction\n1,9,2,2,5,destruction\n")
    (here / "far_khz.csv").write_text(COUNTS.replace("theta_rad", "detuning_khz").replace("1.57", "70000"))
    (here / "late.csv").write_text("t_ms,shots,n0,n1,n2\n0,300,60,70,170\n1e12,300,62,23,215\n")
    (here / "tau.csv").write_text(COUNTS.replace("theta_rad", "tau_us").replace("1.57", "1570"))
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
