"""Sweeps in processes of their own that are killed by SIGKILL: at random moments, and at every write call.

Random moments are drawn evenly over the time an undisturbed run takes from opening its folder to its last line; a sweep
is gone on with and killed again until it comes to its end, is compared and begun anew. Write calls are those of opening
a file for writing, fsync, rename, truncate, mkdir and unlink below the folder of the sweep: a first run ends itself
right before the n-th of them, or right after (of opening, mkdir and unlink only before), a second one goes on. The
library that writes HDF5 opens its file beside its name, so all its own calls lie between two of these.
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
from collections import Counter
from pathlib import Path

POINTS, CHUNKS = 2400, 200

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
    found = contents(folder)
    assert found.keys() == expected.keys(), found.keys() ^ expected.keys()
    assert found == expected
    lines = [json.loads(line) for line in Path(folder, "journal.jsonl").read_text().splitlines()]
    assert [line["chunk"] for line in lines[1:-1]] == list(range(chunks)) and "result" in lines[-1]


def opened(folder):
    log = Path(folder, "log.txt")
    return log.read_text().count(" process ") if log.exists() else 0


def finished(folder):
    """Lines of the journal below its first one."""
    journal = Path(folder, "journal.jsonl")
    return journal.read_bytes().count(b"\n") - 1 if journal.exists() else 0


def undisturbed(folder, path):
    """A run from start to end: what it leaves, and the seconds from opening its folder to its last line."""
    out = Path(folder, "whole")
    program = start(path, out)
    while not opened(out):
        time.sleep(0.002)
    begin = time.monotonic()
    while finished(out) < CHUNKS + 1:
        assert program.poll() in (None, 0)
        time.sleep(0.002)
    lasts = time.monotonic() - begin
    assert program.wait() == 0
    return contents(out), lasts


def random_kills(kills, seed):
    """Kill and go on, so many times; gives the number of sweeps, and how many kills came at which stage of one."""
    draw, stages, sweeps, done = random.Random(seed), Counter(), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        path = study_in(folder, POINTS // CHUNKS)
        expected, lasts = undisturbed(folder, path)
        while done < kills or sweeps == 0:
            out = Path(folder, f"out{sweeps}")
            while True:
                before, program = opened(out), start(path, out)
                while opened(out) == before and program.poll() is None:
                    time.sleep(0.002)
                try:
                    code = program.wait(draw.uniform(0, lasts) if done < kills else None)
                    break
                except subprocess.TimeoutExpired:
                    program.send_signal(signal.SIGKILL)
                code = program.wait()
                if code == 0:  # it ended in the moment between
                    break
                assert code == -signal.SIGKILL
                lines, done = finished(out), done + 1
                early, late = lines <= 0, lines >= CHUNKS
                stages["before the first chunk" if early else "at the result" if late else "between chunks"] += 1
            assert code == 0
            check(out, expected, CHUNKS)
            sweeps += 1
    return sweeps, stages


def every_call():
    """Killed before and after every write call of a sweep of four chunks; gives the number of calls."""
    with tempfile.TemporaryDirectory() as folder:
        path, whole = study_in(folder, POINTS // 4), Path(folder, "whole")
        program = start(path, whole, 0, "before", trap=True)
        calls = int(program.communicate()[0])
        expected = contents(whole)
        for when in ("before", "after"):
            for n in range(1, calls + 1):
                out = Path(folder, f"{when}{n}")
                assert start(path, out, n, when, trap=True).wait() == -signal.SIGKILL
                assert start(path, out).wait() == 0
                check(out, expected, 4)
        return calls
