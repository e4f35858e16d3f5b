"""Study files gone wrong, as every command reads them: one sentence per problem, never a traceback, nothing written.

What comes after reading, the solving, is stubbed here: the studies that are still good are many, and slow.
"""

import random
import subprocess
import sys

import pytest

from darkstate.errors import InputError
from darkstate.report import plan as planning
from darkstate.studies.fit_table import FitTable
from darkstate.studies.fit_table import read_problem as read_fitted
from darkstate.studies.infer import read_inference
from darkstate.studies.optimise import read_problem
from darkstate.studies.study import read_study
from darkstate.studies.sweep_table import read_sweep
from mutations import mutated

SWEEP = """
lab = "krauter2011"
case = "c"
title = "which d, which Z"
[set]
"drive.loss_rate" = "26 /s"
[sweep]
quantities = ["xi_inf", "xi_min"]
chunk = 1000
[sweep.axes."ensembles.optical_depth"]
linear = [5, 100, 96]
[sweep.axes."drive.z"]
values = [1.5, 2.0, 2.5]
[sweep.zipped.pump]
"drive.rate" = ["1 /s", "2 /s"]
"noise.gamma_tilde" = ["0.1 /ms", "0.2 /ms"]
"""
SAMPLE = """
lab = "huang2018"
[sweep]
quantities = ["xi"]
[sweep.sample]
points = 1024
seed = 1
over = { "spin.theta" = [0.8, 1.5], "path.loss" = [0, 0.3] }
over_log = { "mechanics.cooperativity" = [1, 1e4] }
"""
OPTIMISE = """
lab = "krauter2011-lab"
[set]
"vapour.temperature" = "293 +- 1 K"
[optimise]
quantity = "xi_min"
starts = 2
robust = 2
[optimise.over."laser.power"]
low = "1 mW"
high = "20 mW"
scale = "log"
[optimise.over."laser.detuning"]
low = "700 MHz"
high = "2 GHz"
[optimise.limits]
total_power = "30 mW"
xi_inf = { below = 2 }
[optimise.grid."vapour.temperature"]
values = ["290 K", "295 K"]
"""
PLAN = """
lab = "muschik2013-monitored"
case = "x1"
[set]
"noise.gamma_tilde" = "0.55(5) /ms"
"detection.efficiency" = "0.84(3)"
[plan]
quantity = "xi_inf"
sigmas = 5
[plan.calibrations]
"noise.gamma_tilde" = "1 /s"
[plan.shots]
cycle = "1 s"
probe = "1 ms"
runs = true
"""
FIT = """
lab = "krauter2011"
[set]
"drive.loss_rate" = "26 /s"
[fit]
[[fit.data]]
file = "xi.csv"
case = "a"
[[fit.data]]
file = "xi.csv"
set = { "ensembles.optical_depth" = 35 }
[fit.free."noise.gamma_tilde"]
start = "0.2 /ms"
low = "0 /ms"
high = "1 /ms"
[fit.free."drive.z"]
[infer]
samples = 100
warmup = 100
chains = 2
seed = 1
[infer.priors."noise.gamma_tilde"]
normal = ["0.2 /ms", "0.05 /ms"]
[infer.priors."drive.z"]
uniform = [1.5, 4]
"""
DATA = "t_ms,xi,xi_err\n2,0.89,0.01\n7,0.82,0.01\n20,0.95,0.02\n"


def read_fit(path):
    return read_fitted(*read_study(path, "fit", FitTable))


READERS = {
    "sweep": ((SWEEP, SAMPLE), read_sweep),
    "optimise": ((OPTIMISE,), read_problem),
    "plan": ((PLAN,), planning.plan),
    "fit": ((FIT,), read_fit),
    "infer": ((FIT,), read_inference),
}
MUTATIONS = 1000


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "xi.csv").write_text(DATA)
    return tmp_path


@pytest.fixture
def _no_solving(monkeypatch):
    monkeypatch.setattr(planning, "advise", lambda *_, **__: None)
    monkeypatch.setattr(planning, "plan_shots", lambda *_, **__: None)


@pytest.mark.parametrize("command", READERS)
def test_the_unchanged_studies_are_read(folder, command, _no_solving):
    texts, read = READERS[command]
    for text in texts:
        (folder / "study.toml").write_text(text)
        assert read(folder / "study.toml") is not None


@pytest.mark.usefixtures("_no_solving")
@pytest.mark.parametrize("command", READERS)
def test_mutated_studies_are_read_or_refused_in_sentences(folder, command):
    texts, read = READERS[command]
    seed, path, refused = random.Random(2018), folder / "study.toml", 0
    count = MUTATIONS // len(READERS) + 1
    for _ in range(count):
        path.write_bytes(mutated(seed, texts).encode("utf-8", "surrogatepass"))
        try:
            read(path)
        except InputError as error:
            refused += 1
            for sentence in error.problems:
                assert "\n" not in sentence and len(sentence) < 700
    assert 0.5 * count < refused < count
    assert sorted(p.name for p in folder.iterdir()) == ["study.toml", "xi.csv"]


@pytest.mark.slow
def test_mutated_studies_through_the_real_command(folder):
    """20 that are refused; the good ones of the same seed are left out, for they would be solved."""
    seed, done = random.Random(4), 0
    while done < 20:
        command = seed.choice(list(READERS))
        texts, read = READERS[command]
        (folder / "study.toml").write_bytes(mutated(seed, texts).encode("utf-8", "surrogatepass"))
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(planning, "advise", lambda *_, **__: None)
                patch.setattr(planning, "plan_shots", lambda *_, **__: None)
                read(folder / "study.toml")
            continue
        except InputError:
            done += 1
        found = subprocess.run(
            [sys.executable, "-c", "from darkstate.cli import main; main()", command, "study.toml"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (found.returncode, found.stdout) == (2, ""), found.stderr
        assert found.stderr and "Traceback" not in found.stderr
        assert sorted(p.name for p in folder.iterdir()) == ["study.toml", "xi.csv"]
