"""A sweep killed at random moments, and at every one of its write calls, and gone on with: are the bytes the same?

Run:  .venv/bin/python validation/sweep_kills.py            100 random moments and every write call, ten minutes or so
      .venv/bin/python validation/sweep_kills.py 20         20 random moments only

Random moments: a sweep of 120 chunks runs in a process of its own, which is killed by SIGKILL at a moment drawn evenly
over the time an undisturbed run takes from opening its folder to its end, gone on with, killed again, and so on; a
sweep that comes to its end is compared and begun anew. Write calls: a sweep of four chunks ends itself by SIGKILL right
before, and another one right after, its n-th call of open for writing, write, truncate, fsync, rename, mkdir or unlink
below its folder, for every n; the library that writes HDF5 opens its file beside its name, and its own calls lie
between two of these. Compared are the bytes of every file but the log, and that the journal names every chunk once.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STUDY = """
lab = "muschik2011"
[sweep]
quantities = ["xi_inf"]
chunk = {chunk}
[sweep.axes."ensembles.optical_depth"]
linear = [5, 100, 60]
[sweep.axes."drive.z"]
linear = [1.1, 4, 40]
"""

RUN = """
import sys
from pathlib import Path
from darkstate.studies.sweep import run_sweep
from darkstate.studies.sweep_table import read_sweep
study, task = read_sweep(sys.argv[1])
run_sweep(study, task, Path(sys.argv[2]), resume=True, scheduler=None)
"""

# `sys.addaudithook` hears open, rename, mkdir, truncate and unlink before they happen; write and fsync it does not.
TRAP = """
import os, signal, sys
count, at, after, folder = 0, int(sys.argv[3]), sys.argv[4] == "after", sys.argv[2]
def step():
    global count
    count += 1
    if count == at:
        os.kill(os.getpid(), signal.SIGKILL)
def trapped(name):
    real = getattr(os, name)
    def call(*arguments, **options):
        if after:
            result = real(*arguments, **options)
            step()
            return result
        step()
        return real(*arguments, **options)
    setattr(os, name, call)
for name in ("fsync", "replace", "rename", "truncate"):
    trapped(name)
def hear(event, arguments):
    writing = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if (writing or event in ("os.mkdir", "os.remove")) and str(arguments[0]).startswith(folder):
        step()
sys.addaudithook(hear)
"""


def study_in(folder, chunk):
    path = Path(folder, "study.toml")
    path.write_text(STUDY.format(chunk=chunk), encoding="utf-8")
    return path


def start(*arguments, trap=False):
    program = TRAP + RUN + "\nprint(count)\n" if trap else RUN
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE if trap else None,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def contents(folder):
    files = [p for p in Path(folder).rglob("*") if p.is_file() and p.name != "log.txt"]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def check(folder, expected, chunks):
    """Same bytes, and every chunk once."""
    assert contents(folder) == expected
    lines = [json.loads(line) for line in Path(folder, "journal.jsonl").read_text().splitlines()]
    assert [line["chunk"] for line in lines[1:-1]] == list(range(chunks)) and "result" in lines[-1]


def opened(folder):
    log = Path(folder, "log.txt")
    return log.read_text().count(" process ") if log.exists() else 0


def random_kills(kills, seed, report=print):
    """Returns how many kills came before the first chunk, between chunks, and while the result was written."""
    with tempfile.TemporaryDirectory() as folder:
        path, whole = study_in(folder, 20), Path(folder, "whole")
        program = start(path, whole)
        while not opened(whole):
            time.sleep(0.002)
        begin = time.monotonic()
        assert program.wait() == 0
        lasts = time.monotonic() - begin
        expected, draw = contents(whole), random.Random(seed)
        done, rounds, stages = 0, 0, {"before the first chunk": 0, "between chunks": 0, "at the result": 0}
        while done < kills:
            out = Path(folder, f"out{rounds}")
            while True:
                before = opened(out)
                program = start(path, out)
                while opened(out) == before and program.poll() is None:
                    time.sleep(0.002)
                try:
                    ended = program.wait(draw.uniform(0, lasts) if done < kills else None)
                except subprocess.TimeoutExpired:
                    program.send_signal(signal.SIGKILL)
                    assert program.wait() == -signal.SIGKILL
                    finished = (
                        max(0, len(Path(out, "journal.jsonl").read_bytes().splitlines()) - 1)
                        if Path(out, "journal.jsonl").exists()
                        else 0
                    )
                    stages[list(stages)[0 if not finished else 1 if finished < 120 else 2]] += 1
                    done += 1
                    continue
                assert ended == 0, ended
                break
            check(out, expected, 120)
            rounds += 1
        report(f"{done} random kills over {rounds} sweeps of 120 chunks, all the same bytes in the end: {stages}")
        return stages


def every_call(report=print):
    """Killed before and after every write call of a sweep of four chunks."""
    with tempfile.TemporaryDirectory() as folder:
        path, whole = study_in(folder, 600), Path(folder, "whole")
        program = start(path, whole, 0, "before", trap=True)
        calls = int(program.communicate()[0])
        expected = contents(whole)
        for when in ("before", "after"):
            for n in range(1, calls + 1):
                out = Path(folder, f"{when}{n}")
                assert start(path, out, n, when, trap=True).wait() == -signal.SIGKILL
                assert start(path, out).wait() == 0
                check(out, expected, 4)
        report(
            f"killed before and after each of {calls} write calls ({2 * calls} kills), all the same bytes in the end"
        )
        return calls


if __name__ == "__main__":
    from importlib.metadata import version

    print(f"jax {version('jax')}, numpy {version('numpy')}, h5py {version('h5py')}, Python {sys.version.split()[0]}")
    random_kills(int(sys.argv[1]) if len(sys.argv) > 1 else 100, seed=1)
    if len(sys.argv) == 1:
        every_call()
