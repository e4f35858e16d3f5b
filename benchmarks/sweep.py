"""How fast is a large sweep? Ratio to the same formula written for NumPy arrays, in the same run.

Run:  .venv/bin/python benchmarks/sweep.py                  10^6 points
      .venv/bin/python benchmarks/sweep.py 10000000         10^7 points

The sweep maps xi_inf of two caesium cells over optical depth, Z and Gamma-tilde, and does all a sweep does: chunk files
with checksums flushed to disk, a journal, one NetCDF file. The peer only computes: the steady state of two *equal*
cells, derived by hand, on whole arrays as one writes it, and on arrays of 65536 points that stay in the cache. Start-up
and compilation are told apart; of several runs the fastest counts. Absolute times are those of this machine.
"""

from __future__ import annotations

import platform
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import darkstate as ds
from darkstate.studies.sweep import run_sweep
from darkstate.studies.sweep_table import read_sweep

POINTS = int(sys.argv[1]) if len(sys.argv) > 1 else 10**6
PIECE = 1 << 16
OFTEN = 3

STUDY = """
lab = "krauter2011"
case = "a"
[sweep]
quantities = ["xi_inf"]
[sweep.axes."ensembles.optical_depth"]
linear = [5, 150, {depths}]
[sweep.axes."noise.gamma_tilde"]
linear = ["0.05 /ms", "0.5 /ms", 100]
[sweep.axes."drive.z"]
linear = [1.1, 4, 100]
"""


class Watch:
    """Notes when the first block is done: what comes before is compilation."""

    def __init__(self):
        self.begin, self.first = time.perf_counter(), None

    def points(self, done, total):
        if self.first is None:
            self.first = time.perf_counter(), time.process_time(), done

    def say(self, text):
        print(text)

    def took(self, points):
        """Seconds, and seconds of processor, of a whole sweep without compilation; seconds until the first block."""
        ready, used, done = self.first
        scale = points / (points - done)
        spent, work = time.perf_counter() - ready, time.process_time() - used
        return spent * scale, work * scale, ready - self.begin


def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def formula(e, d, gt, z):
    """xi_inf of two equal cells, three levels each."""
    mu, nu = (z + 1 / z) / 2, (z - 1 / z) / 2
    col = e.noise.collision_rate
    cool, heat = mu**2 * e.drive.rate + col, nu**2 * e.drive.rate + col
    out, back, dg = e.drive.loss_rate + col, col, d * e.drive.rate
    up, dn, h = back * (2 * cool + out), back * (2 * heat + out), out * (cool + out + heat)
    whole = up + dn + h
    up, dn = up / whole, dn / whole
    n2 = up + dn
    p = (up - dn) / n2
    sigma = n2 * (gt + dg * n2 * (p / z) ** 2) / (gt + dg * n2 * p)
    return (8 * sigma + 14 * dn) / (n2 * (p + 7))


def peer(e, axes, piece):
    """The formula at every point, in pieces; the numbers of a point as in the sweep, the last axis fastest."""
    n = len(axes[1]) * len(axes[2])
    found = np.empty(len(axes[0]) * n)
    for start in range(0, len(found), piece):
        points = np.arange(start, min(start + piece, len(found)))
        rest, z = np.divmod(points, len(axes[2]))
        d, gt = np.divmod(rest, len(axes[1]))
        found[start : start + piece] = formula(e, axes[0][d], axes[1][gt], axes[2][z])
    return found


def best_of(function, *arguments, often=OFTEN):
    spent = []
    for _ in range(often):
        begin = time.perf_counter()
        result = function(*arguments)
        spent.append(time.perf_counter() - begin)
    return min(spent), result


with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "sweep.toml")
    path.write_text(STUDY.format(depths=POINTS // 10**4), encoding="utf-8")
    study, task = read_sweep(path)
    before, spent, used, first = megabytes(), [], [], 0.0
    for k in range(OFTEN):
        watch = Watch()
        result = run_sweep(study, task, Path(folder, f"out{k}"), resume=False, scheduler=None, progress=watch)
        took, work, compiling = watch.took(task.points.size)
        spent.append(took)
        used.append(work)
        first = first or compiling
    after = megabytes()
    import xarray as xr

    with xr.open_dataset(result, engine="h5netcdf") as data:
        ours = data.xi_inf.values.ravel()

points = task.points.size
experiment = ds.load(ds.shipped_labs()["krauter2011"], case="a").experiment
axes = [task.points.tables[column.key] for column in task.points.columns]
pieces, theirs = best_of(peer, experiment, axes, PIECE)
whole, _ = best_of(peer, experiment, axes, points)
ours_time, cpu = min(spent), min(used)

print(f"{platform.machine()}, {points} points in {task.chunks} chunks; compilation and first block {first:.1f} s")
print(
    f"sweep    {points / ours_time:12.3g} points/s, {ours_time:.2f} s ({cpu:.2f} s of processor) with all files on disk"
)
print(f"NumPy    {points / whole:12.3g} points/s on whole arrays, {points / pieces:.3g} points/s in pieces of {PIECE}")
print(
    f"ratio    {ours_time / whole:12.2f} to NumPy on whole arrays (goal: at most 4), {ours_time / pieces:.2f} in pieces"
)
print(f"memory   {after - before:12.0f} MB above start-up, {after:.0f} MB in all")
print(f"largest difference of xi {np.abs(ours / theirs - 1).max():.1e} (relative)")
