"""The command line: refusals in one sentence with exit code 2, and nothing heavy loaded before it is needed."""

import json
import os
import random
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import jsonschema
import pytest

from darkstate import __version__, cli
from darkstate.experiments import CATALOGUE
from darkstate.experiments.labfile import shipped_labs
from mutations import mutated

HEAVY = ("jax", "matplotlib", "numpy", "scipy", "xarray", "rich")

MISTAKES = {
    "unknown key": ("rate =", "rat =", "lab.toml:4: drive.rat is not known here; did you mean drive.rate?"),
    "missing key": ("z = 2.5\n", "", "drive.z is missing"),
    "wrong unit": ('"40 ms"', '"40 /ms"', "but a time is wanted"),
    "bare Hz for a rate": ('"2 /s"', '"5 kHz"', 'write "2pi*5 kHz" (31416 /s) or "5000 /s"'),
    "negative rate": ('"2 /s"', '"-2 /s"', "must be greater than 0"),
    "NaN": ("55", "nan", "is not a finite number"),
    "not TOML": ("[noise]", "[noise", "lab.toml:7 is not valid TOML"),
}
GOOD = """experiment = "cesium_cells"
ensembles = { optical_depth = 55 }
[drive]
rate = "2 /s"
z = 2.5
loss_rate = "26.4 /s"
[noise]
gamma_tilde = "0.193 /ms"
t2_dark = "40 ms"
[protocol]
duration = "60 ms"
"""


@pytest.fixture
def darkstate(tmp_path, monkeypatch, capsys):
    """Run the command in this process, in an empty folder; gives exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["darkstate", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        return end.value.code or 0, captured.out, captured.err

    return run


def in_a_new_process(*arguments, folder):
    """Run the command as its users do; gives the finished process and the heavy modules it loaded."""
    code = (
        "import sys\nfrom darkstate.cli import main\n"
        "try:\n    main()\nfinally:\n"
        f"    print(*[m for m in {HEAVY} if m in sys.modules], file=open('loaded', 'w'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    return done, (Path(folder) / "loaded").read_text().split()


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("command", ["check", "predict", "explain"])
def test_a_mistake_in_the_file_is_one_sentence(darkstate, tmp_path, mistake, command):
    old, new, said = MISTAKES[mistake]
    (tmp_path / "lab.toml").write_text(GOOD.replace(old, new, 1))
    code, out, err = darkstate(command, *(["xi"] if command == "explain" else []), "lab.toml")
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [("", "is empty"), ("experiment", "not valid TOML"), (b"\xff", "not UTF-8"), (b"#" * 10_000_000, "10.0 MB")],
    ids=["empty", "not TOML", "not UTF-8", "10 MB"],
)
def test_what_is_no_lab_file_is_one_sentence(darkstate, tmp_path, content, said):
    (tmp_path / "lab.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    code, out, err = darkstate("check", "lab.toml")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_all_mistakes_come_at_once(darkstate, tmp_path):
    text = GOOD
    for mistake in ("unknown key", "wrong unit", "NaN"):
        text = text.replace(*MISTAKES[mistake][:2], 1)
    (tmp_path / "lab.toml").write_text(text)
    code, _, err = darkstate("check", "lab.toml", "--set", "pump.rate=3", "--set", "nonsense")
    assert code == 2
    assert len(err.splitlines()) == 5
    assert [line for line in err.splitlines() if line.startswith("--set pump.rate=3: pump.rate = 3 has no unit")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "nowhere.toml"], "nowhere.toml does not exist"),
        (["check", "."], "is a folder"),
        (["check", shipped_labs()["krauter2011"], "--case", "d"], "known cases: a, b, c"),
        (["check", shipped_labs()["muschik2011"], "--case", "all"], "has no cases; leave --case out"),
        (["figure", "krauter2011-fig2e"], "krauter2011-fig2"),
        (["figure", "nonsense"], "`darkstate figure --list` shows them all"),
        (["new", "lab", "--experiment", "cesium"], "did you mean cesium_cells?"),
        (["new", "a\nb"], "is no name for a lab file"),
        (["schema", "--out", "file/schema.json"], "a file stands where a folder is needed"),
        (["predct", "lab.toml"], "predict"),
    ],
)
def test_a_wrong_command_is_told_the_next_step(darkstate, tmp_path, arguments, said):
    (tmp_path / "file").write_text("in the way")
    code, out, err = darkstate(*arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_help_teaches_each_command_by_example(darkstate):
    code, out, _ = darkstate("--help")
    assert code == 0
    for command in ("new", "check", "predict", "explain", "figure", "demo", "schema"):
        assert f"darkstate {command}" in out
        assert f"Example: darkstate {command}" in darkstate(command, "--help")[1]
    assert darkstate("--version") == (0, f"darkstate {__version__}\n", "")


def test_check_echoes_every_number_and_what_follows(darkstate):
    code, out, err = darkstate(
        "check", shipped_labs()["krauter2011"], "--case", "c", "--set", "second.ensembles.optical_depth=40 +- 2"
    )
    assert (code, err) == (0, "")
    rows = {line.split()[0]: line for line in out.splitlines() if line.startswith("  ")}
    assert rows["noise.gamma_tilde"].split()[1:6] == ["0.233", "/ms", "233", "/s", "2pi*37.08"]  # 233/(2 pi) = 37.083
    assert "40 +- 2" in rows["second.ensembles.optical_depth"]
    assert "(default)" in rows["ensembles.atoms"]
    # 002: Z = 2.5, so mu = 1.45, nu = 1.05; cooling mu^2 Gamma + pump + collisions = 4.205 + 168 + 2 per s
    assert rows["mu"].split()[1:3] == ["1.45", "1.45"]
    assert rows["nu"].split()[1:3] == ["1.05", "1.05"]
    assert rows["(mu"].split()[3] == "0.16"
    assert rows["Gamma_cool"].split()[1] == "174.205"
    assert "74 /s" in rows["d"]
    assert "80 /s" in rows["d"]
    assert "vacuum variance 1/2" in out
    # the published Gamma-tilde of case c is 0.9 % below mu^2 Gamma + Gamma_pump + nu^2 Gamma + losses and collisions
    assert "Gamma-tilde = 233 /s is below cooling + heating + losses = 235.2 /s" in out
    assert darkstate("check", shipped_labs()["krauter2011"], "--case", "all")[1].count("Inputs") == 3


def test_check_warns_of_what_is_implausible(darkstate):
    out = darkstate("check", shipped_labs()["krauter2011"], "--set", "ensembles.atoms=100")[1]
    assert "Warnings" in out
    assert "d/N" in out


def test_schema_goes_to_the_screen_or_a_file(darkstate, tmp_path):
    printed = json.loads(darkstate("schema")[1])
    assert darkstate("schema", "--out", "lab.schema.json")[1] == "written: lab.schema.json\n"
    assert json.loads((tmp_path / "lab.schema.json").read_text("utf-8")) == printed
    jsonschema.validate(tomllib.loads(shipped_labs()["krauter2011"].read_text("utf-8")), printed)


@pytest.mark.parametrize("system", CATALOGUE)
def test_a_new_lab_file_passes_the_check_and_is_not_overwritten(darkstate, tmp_path, system):
    code, out, _ = darkstate("new", "mylab", "--experiment", system)
    assert (code, out) == (0, "written: mylab.toml\nnext: darkstate check mylab.toml\n")
    before = (tmp_path / "mylab.toml").read_bytes()
    assert darkstate("check", "mylab.toml")[0] == 0
    code, _, err = darkstate("new", "mylab.toml")
    assert (code, err) == (2, "mylab.toml is there already; choose another name or move it away\n")
    assert (tmp_path / "mylab.toml").read_bytes() == before


@pytest.fixture
def fake_prediction(monkeypatch):
    """A prediction that only notes what it was asked for."""
    asked = []

    class Result(str):
        def save(self, folder):
            asked.append(Path(folder))
            return [Path(folder) / "prediction.csv"]

    module = types.ModuleType("darkstate.report.prediction")

    def predict(lab, *, data=None):
        asked.append((lab.name, lab.case, data))
        return Result("the table")

    def predict_cases(labs, *, data=None):
        asked.append((list(labs), data))
        return Result("the tables")

    module.predict, module.predict_cases = predict, predict_cases
    monkeypatch.setitem(sys.modules, "darkstate.report.prediction", module)
    return asked


def test_predict_prints_the_table_and_names_the_files(darkstate, fake_prediction):
    path = shipped_labs()["krauter2011"]
    expected = "the table\nwritten: " + str(Path("results/krauter2011-b/prediction.csv")) + "\n"
    assert darkstate("predict", path, "--case", "b", "--data", "points.csv") == (0, expected, "")
    assert darkstate("predict", path, "--case", "all", "--out", "elsewhere")[1].startswith("the tables\nwritten: elsew")
    assert darkstate("demo")[0] == 0
    assert fake_prediction == [
        ("krauter2011", "b", Path("points.csv")),
        Path("results/krauter2011-b"),
        (["a", "b", "c"], None),
        Path("elsewhere"),
        ("krauter2011", "a", None),
        Path("results/krauter2011-a"),
    ]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["predict", "--help"], 0),
        (["figure", "--list"], 0),
        (["figure", "nonsense"], 2),
        (["check", shipped_labs()["krauter2011"], "--case", "all"], 0),
        (["check", shipped_labs()["huang2018"], "--case", "all"], 0),
        (["check", shipped_labs()["membrane-cell"]], 0),
        (["check", shipped_labs()["two-membranes"]], 0),
        (["check", shipped_labs()["membrane-cell"], "--set", "membrane.frequency=2pi*1 MHz"], 2),
        (["check", shipped_labs()["ruksasakchai2026"], "--case", "all"], 0),
        (["explain", "rates", shipped_labs()["membrane-cell"]], 0),
        (["new", "mylab"], 0),
        (["new", "mylab", "--experiment", "spin_mechanics"], 0),
        (["new", "mylab", "--experiment", "tweezer_pair"], 0),
        (["schema"], 0),
        (["predict", "nowhere.toml"], 2),
        (["predict", shipped_labs()["krauter2011"], "--set", "drive.rate=5 kHz"], 2),
        (["explain", "xi", shipped_labs()["krauter2011"], "--set", "drive.z=nan"], 2),
    ],
    ids=lambda value: value if isinstance(value, int) else " ".join(map(str, value))[:20],
)
def test_nothing_heavy_is_loaded(tmp_path, arguments, code):
    done, loaded = in_a_new_process(*arguments, folder=tmp_path)
    assert done.returncode == code, done.stderr
    assert loaded == []


def test_mutated_files_through_the_real_command(tmp_path):
    seed = random.Random(2011)
    for _ in range(20):
        (tmp_path / "lab.toml").write_bytes(mutated(seed).encode())
        done, loaded = in_a_new_process("check", "lab.toml", folder=tmp_path)
        assert done.returncode in (0, 2)
        assert (done.returncode == 2) == bool(done.stderr)
        assert bool(done.stdout) != bool(done.stderr)
        assert "Traceback" not in done.stderr
        assert loaded == []


def test_an_interrupt_is_quiet(darkstate, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("darkstate.experiments.labfile.load", interrupt)
    code, out, err = darkstate("check", "lab.toml")
    assert (code, out, err) == (130, "", "")
