"""A real Dask cluster on this machine: the same bytes as alone, whatever happens to the workers."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from darkstate.errors import InputError
from darkstate.studies.chunks import Engine
from darkstate.studies.slurm import batch_script
from darkstate.studies.sweep_table import read_sweep
from darkstate.studies.task import all_versions
from darkstate.studies.workers import chunk_on_worker
from study_files import Heard, contents, map_text, run, written

distributed = pytest.importorskip("distributed")

# sockets and loops of Dask are closed by its threads after the test has ended
pytestmark = pytest.mark.filterwarnings("ignore")

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
PATIENT = 90.0
ONE_EACH = ("--nthreads", 1, "--nworkers", 1, "--local-directory")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The study file and the folder of a run without a cluster."""
    folder = tmp_path_factory.mktemp("alone")
    path = written(folder, map_text(200))
    run(path, folder / "out")
    return path, folder / "out"


@contextlib.contextmanager
def programs():
    """Starts programs of Dask and ends every one of them."""
    started = []

    def start(what, *arguments):
        command = [sys.executable, "-m", "distributed.cli." + what, *map(str, arguments), "--no-dashboard"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        started.append(subprocess.Popen(command, env=ENVIRONMENT, start_new_session=True, **quiet))
        return started[-1]

    try:
        yield start
    finally:
        for program in started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            program.wait(10)


def wait_for(path):
    end = time.monotonic() + PATIENT
    while not (path.exists() and path.stat().st_size):
        assert time.monotonic() < end, f"{path} has not come"
        time.sleep(0.05)
    return path


def test_a_worker_needs_a_text_and_a_number(alone):
    task = read_sweep(alone[0])[1]
    assert chunk_on_worker(task.text, 7) == (alone[1] / "chunks" / "000007.npz").read_bytes()
    mine = all_versions()
    for name in ("darkstate", "jax", "jaxlib", "numpy", "scipy"):
        other = task.text.replace(f'"{name}": "{mine[name]}"', f'"{name}": "0.0.1"')
        assert chunk_on_worker(other, 7) == (
            f"a worker has {name} {mine[name]} instead of 0.0.1; install the same versions on all machines"
        )


def test_no_scheduler_is_one_sentence(alone, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="scheduler.json does not exist"):
        run(alone[0], tmp_path / "a", scheduler=str(tmp_path / "scheduler.json"))
    with pytest.raises(InputError, match="does not answer .*start one with `dask scheduler`"):
        run(alone[0], tmp_path / "b", scheduler="nonsense://x")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match='pip install "darkstate.studies."'):
        run(alone[0], tmp_path / "c", scheduler="tcp://127.0.0.1:9")


def test_the_batch_script_is_a_shell_script(tmp_path):
    path = tmp_path / "job.sh"
    path.write_text(batch_script("a map; $(x)", tmp_path / "a map.toml", tmp_path / "out"))
    assert subprocess.run(["bash", "-n", path], check=False).returncode == 0
    text = path.read_text()
    assert "#SBATCH --job-name=a_map____x_\n" in text and "/a map.toml' --out" in text


@pytest.mark.slow
def test_a_local_cluster_of_two_processes_gives_the_same_bytes(alone, tmp_path):
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, worker_dashboard_address=None
    ) as cluster:
        run(alone[0], tmp_path / "out", scheduler=cluster.scheduler_address)
    assert contents(tmp_path / "out") == contents(alone[1])


@pytest.mark.slow
def test_workers_killed_on_the_way_cost_nothing(alone, tmp_path, monkeypatch):
    # scheduler and workers as a user starts them; one worker dies by SIGKILL, then the other, then one comes back
    monkeypatch.setattr("darkstate.studies.workers.PATIENCE", 1.0)
    address = tmp_path / "scheduler.json"
    with programs() as start:
        start("dask_scheduler", "--host", "127.0.0.1", "--port", 0, "--scheduler-file", address)
        wait_for(address)

        def worker():
            return start("dask_worker", "--scheduler-file", address, *ONE_EACH, tmp_path)

        workers = [worker(), worker()]

        class Killer(Heard):
            def points(self, done, total):
                super().points(done, total)
                if len(self.done) in (5, 9):
                    os.killpg(workers[len(self.done) == 9].pid, signal.SIGKILL)

            def say(self, text):
                super().say(text)
                if "no workers" in text and len(self.done) >= 9:
                    workers.append(worker())

        killer = Killer()
        run(alone[0], tmp_path / "out", scheduler=str(address), progress=killer)
    assert contents(tmp_path / "out") == contents(alone[1])
    assert "no workers are connected; waiting for workers" in killer.said and "workers are back" in killer.said
    assert killer.done[-1] == (6000, 6000) and len(killer.done) == 30


@pytest.mark.slow
def test_a_scheduler_that_goes_loses_nothing(alone, tmp_path, monkeypatch):
    monkeypatch.setattr("darkstate.studies.workers.PATIENCE", 1.0)
    address = tmp_path / "scheduler.json"
    with programs() as start:
        scheduler = start("dask_scheduler", "--host", "127.0.0.1", "--port", 0, "--scheduler-file", address)
        wait_for(address)
        start("dask_worker", "--scheduler-file", address, *ONE_EACH, tmp_path)

        class Killer(Heard):
            def points(self, done, total):
                super().points(done, total)
                if len(self.done) == 5:
                    os.killpg(scheduler.pid, signal.SIGKILL)

        with pytest.raises(InputError, match="the scheduler is gone; finished chunks are kept"):
            run(alone[0], tmp_path / "out", scheduler=str(address), progress=Killer())
    assert len(list((tmp_path / "out" / "chunks").glob("0*"))) >= 5
    run(alone[0], tmp_path / "out", resume=True)
    assert contents(tmp_path / "out") == contents(alone[1])


def test_factorisations_run_one_at_a_time(alone):
    # two programs with library factorisations in one process may wait for each other for ever
    text = 'lab = "huang2018"\n[sweep]\nquantities = ["log_negativity"]\n[sweep.axes."path.loss"]\nvalues = [0, 0.1]\n'
    task = read_sweep(written(alone[0].parent, text, "hybrid"))[1]
    assert Engine(task, threads=4).threads == 1 and Engine(read_sweep(alone[0])[1], threads=4).threads == 4
