"""Small records of noise and ways to damage their files, for the tests of records."""

import json

import numpy as np

from darkstate.records.schema import Pulse, record, sequence


def made(kind="float32", cycles=23, samples=50, seed=1):
    """A record of noise, with NaN among the floats, which files keep; its numbers have no meaning."""
    rng = np.random.default_rng(seed)
    rate, pulses = 1e6, sequence(Pulse("drive", samples * 0.5e-6, edge=2e-6), Pulse("rotate"))
    shape = (samples, 2) if kind == "demodulated" else (samples,)

    def noise(n):
        values = rng.normal(size=(n, *shape)) * 1000
        if kind == "int16":
            return values.astype("int16")
        values[0, 0] = np.nan
        return values.astype("float32" if kind == "demodulated" else kind)

    lock_in = {"filter_order": 4, "filter_time_constant": 3e-6} if kind == "demodulated" else {}
    return record(
        noise(cycles),
        shot_noise=noise(cycles + 4),
        dark=noise(3),
        sample_rate_hz=rate,
        carrier_hz=322e3,
        pulses=pulses,
        kind="demodulated" if kind == "demodulated" else "raw",
        started=np.arange(cycles) * 0.02,
        seed=2**62,
        lab_digest="",
        truth='{"z": 2.5, "µ": "line\\nbreak"}',
        **lock_in,
    )


def flip(path, place, bit=0):
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def edit(path, key, value):
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
