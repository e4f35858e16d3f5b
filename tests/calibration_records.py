"""Records of a calibration with planted decay, coupling and noise, for the tests of calibration and fingerprint."""

import dataclasses

from darkstate.records.schema import Pulse, sequence
from darkstate.records.simulate import Cells, Digitizer, simulate

CELLS = Cells(z=2.5, gamma_s=100.0, gamma_extra=170.0, gamma_dark=25.0)
KAPPA2 = 0.965861  # sheet of the corrected input-output relations: these rates, 1 ms
SEEN = Digitizer(sample_rate_hz=7e5, efficiency=0.84, electronic_noise=0.05)
RF, DRIVE = Pulse("rf", displacement=(40.0, 0.0)), Pulse("drive", 1e-3)
SENT = Pulse("drive", 1e-3, displacement=(20.0, 0.0))


def decaying(*, cells=CELLS, digitizer=SEEN, cycles=400, seed=1):
    pulses = sequence(RF, Pulse("drive", 6e-3))
    return simulate(cells, pulses, digitizer, cycles=cycles, shot_cycles=40, seed=seed, purpose="decay")


def waiting(wait, *, seed):
    pulses = sequence(RF, Pulse("dark", wait), DRIVE)
    return simulate(CELLS, pulses, SEEN, cycles=300, seed=seed, purpose="dark_decay")


def given(*, atoms=False, seed=5, cycles=1500):
    pulses = sequence(SENT)
    counts = {"cycles": cycles, "shot_cycles": cycles}
    return simulate(CELLS, pulses, SEEN, **counts, seed=seed, purpose="input", atoms=atoms, measure="S3")


def transferred(*, displacement=(20.0, 0.0), cells=CELLS, seed=6, cycles=1500):
    sent = dataclasses.replace(SENT, displacement=displacement)
    pulses = sequence(sent, Pulse("dark", 2e-3), Pulse("rotate"), DRIVE)
    return simulate(cells, pulses, SEEN, cycles=cycles, shot_cycles=cycles, seed=seed, purpose="transfer")
