"""Studies the tests sweep: small, and written as text."""

from pathlib import Path

from darkstate.studies.sweep import run_sweep
from darkstate.studies.sweep_table import read_sweep

MAP = """lab = "muschik2011"
title = "a map"
[sweep]
quantities = ["xi_inf"]
{chunk}
[sweep.axes."ensembles.optical_depth"]
linear = [5, 100, 20]
[sweep.axes."noise.gamma_d_add"]
log = [0.1, 100, 25]
[sweep.axes."drive.z"]
linear = [1.1, 4, 12]
"""
"""6000 points in chunks of 777: the last chunk is shorter, no border lies on an axis."""


def written(folder, text, name="study"):
    path = Path(folder, f"{name}.toml")
    path.write_text(text, encoding="utf-8")
    return path


def map_text(chunk=777):
    return MAP.format(chunk=f"chunk = {chunk}" if chunk else "")


class Heard:
    """Keeps what a sweep tells."""

    def __init__(self):
        self.done, self.said = [], []

    def points(self, done, total):
        self.done.append((done, total))

    def say(self, text):
        self.said.append(text)


def run(path, out, *, resume=False, scheduler=None, progress=None):
    study, task = read_sweep(path)
    return run_sweep(study, task, Path(out), resume=resume, scheduler=scheduler, progress=progress)


def contents(folder):
    """Every file of a sweep but its log, by its path."""
    files = [p for p in Path(folder).rglob("*") if p.is_file() and p.name != "log.txt"]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}
