"""`darkstate exact` and `darkstate figure finite-n`: what they print and write, refusals that leave nothing behind."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr

from command import darkstate
from darkstate.experiments.labfile import shipped_labs
from darkstate.report.papers import LONG, finite

LABS = shipped_labs()
LAB = LABS["muschik2011"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder; afterwards nothing half-written may lie in it."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not [p for p in tmp_path.rglob("*") if p.name.startswith(".")]


def test_few_atoms_side_by_side(here):
    code, out, err = darkstate("exact", LAB, "--atoms", "4", "--out", "few")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("muschik2011: Muschik et al. 2011")
    head = next(line for line in lines if "closed form" in line and "exact" in line and "t (s)" in line)
    assert head.split() == ["t", "(s)", "closed", "form", "moments", "exact"]
    # xi = 1 of a coherent spin state by every method, then 11 of 41 times
    start = lines.index(head) + 1
    assert lines[start].split() == ["0", "1.0000", "1.0000", "1.0000"]
    assert [float(line.split()[0]) for line in lines[start : start + 11]][-1] == 2.0
    assert sum(line.split()[:1] == ["moments"] and "parts from exact" in line for line in lines) == 1
    smallest = re.search(r"^  entangled: smallest xi = (\S+) at 0.125 s \(exact\), separable states >= 1$", out, re.M)
    assert out.endswith(f"written: {Path('few/exact.nc')} {Path('few/exact.png')}\n")
    with xr.open_dataset("few/exact.nc", engine="h5netcdf") as data:
        assert data.attrs["source"] == "muschik2011.toml" and data.attrs["atoms"] == 4
        assert f"{float(data.xi.sel({'method': 'exact'}).min()):.4f}" == smallest[1]


def test_without_out_the_folder_is_named_after_lab_and_case(here):
    assert darkstate("exact", LABS["krauter2011"], "--case", "b", "--atoms", "1e0", "--set", "drive.z=2")[0] == 0
    assert {p.name for p in (here / "results" / "krauter2011-b-exact").iterdir()} == {"exact.nc", "exact.png"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([LAB, "--atoms", "0"], "`atoms` must be a whole number from 1 to 1e+15, such as 8, 1000 or 1e12, but is 0"),
        ([LAB, "--atoms", "-3"], "`atoms` must be a whole number from 1"),
        ([LAB, "--atoms", "2.5"], "but is 2.5"),
        ([LAB, "--atoms", "nan"], "but is nan"),
        ([LAB, "--atoms", "inf"], "but is inf"),
        ([LAB, "--atoms", "1e30"], "but is 1e+30"),
        ([LAB, "--atoms", "ten"], "--atoms ten is no number; write one such as 8, 1000 or 1e12"),
        ([LAB, "--atoms", "10^12"], "--atoms 10^12 is no number"),
        ([LAB, "--atoms", "100", "--error", "0"], "`error` must be above 0 and at most 1, but is 0"),
        ([LAB, "--atoms", "100", "--error", "nan"], "`error` must be above 0 and at most 1, but is nan"),
        ([LAB, "--atoms", "100", "--error", "1e-7"], "; ask for a larger `error`, such as 0.0"),
        ([LAB, "--atoms", "4", "--seed", "-1"], "`seed` must be a whole number from 0"),
        ([LAB, "--atoms", "4", "--case", "d"], "has no cases"),
        ([LAB, "--atoms", "4", "--set", "drive.z=nan"], "drive.z"),
        ([LAB, "--atoms", "4", "--out", "file"], "a file stands where a folder is needed"),
        ([LABS["ruksasakchai2026"], "--atoms", "4"], "describes no spin ensembles with a number of atoms"),
        ([LABS["huang2018"], "--atoms", "4"], "two_level_ensembles and cesium_cells"),
        ([LABS["muschik2013-monitored"], "--atoms", "4"], "two_level_ensembles and cesium_cells"),
        (["nowhere.toml", "--atoms", "4"], "nowhere.toml does not exist"),
    ],
    ids=lambda value: " ".join(map(str, value))[-30:] if isinstance(value, list) else "",
)
def test_refusals_are_one_sentence_and_write_nothing(here, arguments, said):
    (here / "file").write_text("in the way")
    code, _, err = darkstate("exact", *arguments)
    assert code == 2
    assert said in err and err.count("\n") == 1
    assert [p.name for p in here.iterdir()] == ["file"]


def test_atoms_must_be_given(here):
    code, _, err = darkstate("exact", LAB)
    assert code == 2 and "--atoms" in err


def test_help_says_what_it_takes_and_loads_nothing_heavy(here):
    code = (
        "import sys; from darkstate.cli import main\n"
        "sys.argv = ['darkstate', 'exact', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('jax', 'matplotlib', 'numba', 'xarray') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"
    for words in ("--atoms", "--error", "--seed", "Example: darkstate exact labs/muschik2011.toml --atoms 8"):
        assert words in done.stdout
    assert "darkstate exact mylab.toml --atoms 8" in darkstate("--help")[1]


def test_the_figure_of_finitely_many_atoms(here, monkeypatch):
    shares = []

    def fewer(progress=None):
        return compute((2, 3, 4), shares.append)

    compute = finite.n
    monkeypatch.setattr(finite, "n", fewer)
    assert LONG == ("finite-n",)
    code, out, err = darkstate("figure", "finite-n", "--out", "figures")
    assert (code, err) == (0, "")
    assert out.split() == ["written:", *(str(p.relative_to(here)) for p in sorted((here / "figures").iterdir()))]
    assert shares == sorted(shares) and shares[-1] == 1 and len(shares) == 12
    with xr.open_dataset("figures/finite-n.nc", engine="h5netcdf") as data:
        assert data.attrs["figure"] == "finite-n" and data.attrs["source"] == "muschik2011.toml"
        assert data.xi_inf.dims == ("set", "n") and data.n.values.tolist() == [2, 3, 4]
    assert "finite-n" in darkstate("figure", "--list")[1]


@pytest.mark.slow
def test_a_thousand_atoms_by_trajectories_and_by_leaping(here):
    code, out, err = darkstate("exact", LAB, "--atoms", "1e3", "--error", "0.1", "--seed", "2")
    assert (code, err) == (0, "")
    assert out.count("trajectories in") == 2
    assert "moments      agrees with exact within errors" in out
    again = darkstate("exact", LAB, "--atoms", "1000", "--error", "0.1", "--seed", "2", "--out", "again")[1]
    with xr.open_dataset("results/muschik2011-exact/exact.nc", engine="h5netcdf") as first:
        with xr.open_dataset("again/exact.nc", engine="h5netcdf") as second:
            assert first.method.values.tolist() == ["closed_form", "moments", "exact", "leaped"]
            assert first.xi.equals(second.xi) and first.xi_err.equals(second.xi_err)
            assert (first.trajectories[2:] > 1).all()
            assert 0 < float(first.xi_err.max()) < 0.1
    assert "parts from exact" not in again
