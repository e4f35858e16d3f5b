"""How fast do samples become light modes, against a plain read of the same array in the same run?

A record in memory is read once by `np.max`, once by demodulation and mode weighting (`quadratures`), and by a SciPy
loop over cycles that mixes, filters and weights a random subset, scaled to all cycles. Then a record on disk is
reconstructed by a process of its own, whose memory above start-up is printed.

A larger one:  .venv/bin/python benchmarks/records.py --gigabytes 4
"""

import argparse
import subprocess
import sys
import tempfile
import time

import numpy as np
from scipy.signal import butter, sosfiltfilt

from darkstate.records.demodulate import TemporalMode, quadratures
from darkstate.records.io import save_record
from darkstate.records.schema import Pulse, record

SAMPLES, RATE, CARRIER = 2000, 1e6, 322e3
CHILD = """
import re, resource, sys, time
from darkstate.records.calibration import calibration
from darkstate.records.io import open_record
from darkstate.records.reconstruct import reconstruct
import darkstate.records.estimate, h5py, zarr
c = calibration(z=2.5, gamma=270.0, kappa2=0.966, kappa2_duration=1e-3, efficiency=1.0)
def peak():  # ru_maxrss begins with that of the parent; Linux says it better
    try:
        return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
reconstruct(open_record(sys.argv[2]), c)
start = peak()
begin = time.perf_counter()
reconstruct(open_record(sys.argv[1]), c)
print(time.perf_counter() - begin, (peak() - start) / 1024)
"""


def best(function, repeats=3):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def sample(cycles, kind, seed):
    rng = np.random.default_rng(seed)
    part = (1000 * rng.standard_normal((min(cycles, 1000), SAMPLES))).astype(kind)
    return np.resize(part, (cycles, SAMPLES))


def wrapped(signal, shot=None):
    pulses = [Pulse("drive", SAMPLES / RATE)]
    return record(signal, sample_rate_hz=RATE, carrier_hz=CARRIER, pulses=pulses, shot_noise=shot)


def scipy_loop(signal, chosen):
    """What a notebook does for one cycle: mix, low pass, weight."""
    t = (np.arange(SAMPLES) + 0.5) / RATE
    mixers = np.sqrt(2) * np.stack([np.cos(2 * np.pi * CARRIER * t), np.sin(2 * np.pi * CARRIER * t)])
    weight = np.exp(-270 * t) / np.sqrt((np.exp(-540 * t)).sum())
    filter_ = butter(4, 50e3, fs=RATE, output="sos")
    return [[(sosfiltfilt(filter_, signal[c] * m) * weight).sum() for m in mixers] for c in chosen]


def in_memory(gigabytes):
    mode = [TemporalMode("falling", 0.0, SAMPLES / RATE, 270.0)]
    for kind in (np.float64, np.float32, np.int16):
        cycles = int(gigabytes * 1e9 / np.dtype(kind).itemsize / SAMPLES)
        one = wrapped(sample(cycles, kind, 1))
        signal = one.signal.values
        read, ours = best(lambda s=signal: s.max()), best(lambda r=one: quadratures(r, mode))
        chosen = np.random.default_rng(2).choice(cycles, 200, replace=False)
        loop = best(lambda s=signal, c=chosen: scipy_loop(s, c), 1) * cycles / len(chosen)
        print(
            f"  {np.dtype(kind).name:8} {signal.nbytes / 1e9:.1f} GB: plain read {read:.3f} s, modes {ours:.3f} s = "
            f"{read / ours:.2f} of the memory bandwidth; SciPy loop {loop / ours:.0f} times slower"
        )


def out_of_core(gigabytes):
    cycles = int(gigabytes * 1e9 / 2 / SAMPLES)
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{name}.zarr" for name in ("large", "small")]
        for path, n in zip(paths, (cycles, 100), strict=True):
            save_record(wrapped(sample(n, np.int16, 1), sample(200, np.int16, 2)), path)
        out = subprocess.run([sys.executable, "-c", CHILD, *paths], capture_output=True, text=True, check=True).stdout
    seconds, mebibytes = map(float, out.split())
    print(f"  int16 {gigabytes:g} GB from disk: {seconds:.1f} s to xi, {mebibytes:.0f} MiB above start-up (goal 1024)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=0.5)
    size = parser.parse_args().gigabytes
    print("demodulation and mode weighting against a plain read (goal: half the memory bandwidth)")
    in_memory(min(size, 4.0))
    print("out of core")
    out_of_core(size)
