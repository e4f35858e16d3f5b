"""Simulated records at several Faraday angles, from each kappa^2, the rates and the spin noise as the papers find them.

theta is proportional to the number of atoms, so gamma_s = (theta/10 degrees) gamma_s(10 degrees); gamma_extra is the
same at all. Down: records; up: the figures of 002 and 000.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from darkstate.experiments.labfile import load, shipped_labs
from darkstate.gaussian.input_output import coupling
from darkstate.records.calibrate import calibrate
from darkstate.records.calibration import Calibration
from darkstate.records.estimate import Estimate
from darkstate.records.reconstruct import reconstruct
from darkstate.records.schema import Pulse, sequence
from darkstate.records.simulate import Cells, Digitizer, simulate
from darkstate.report.recording import DISPLACEMENT, carrier, cells_of, lab_calibration

SOURCE = "krauter2011-steady"
"""The lab file of these records, at 10 degrees."""

EXCESS = 0.004
"""Noise of the spins above projection noise, per degree (002 SM: xi ~ theta + 0.004(3) theta^2)."""

CYCLES = 300
"""Cycles of each calibration record; of the noise records there are `cycles`."""


class Angle(NamedTuple):
    """What was planted in the records at one Faraday angle, and what they say: the calibration, and xi at the start."""

    planted: Cells
    calibration: Calibration
    xi: Estimate

    @property
    def planted_kappa2(self) -> float:
        """kappa^2 that a perfect calibration would find."""
        c = self.planted
        return float(coupling(c.z, c.gamma_s, c.gamma_extra, self.calibration["kappa2_duration"].value))


def transfer_sequence(probe: float) -> tuple[Pulse, ...]:
    """Displaced light writes its mean into X; X -> P; a second pulse reads it (000 App. D).

    Example:
        >>> [p.kind for p in transfer_sequence(1e-3)]
        ['drive', 'dark', 'rotate', 'drive']
    """
    sent = Pulse("drive", probe, displacement=DISPLACEMENT)
    return sequence(sent, Pulse("dark", probe / 2), Pulse("rotate"), Pulse("drive", probe))


def at_angle(theta_deg: float, *, cycles: int, seed: int) -> Angle:
    """Simulate decay, input and transfer records and one of the spin noise, calibrate, and reconstruct.

    Args:
        theta_deg: Faraday angle [degree]; cycles: of the noise record; seed: of all.

    Example:
        >>> one = at_angle(10.0, cycles=400, seed=1)
        >>> abs(one.xi.xi - 1.04) < 4 * one.xi.total < 0.8
        True
        >>> print(f"{one.planted_kappa2:.6f}")
        0.965861
    """
    path = shipped_labs()[SOURCE]
    depth = load(path).experiment.ensembles.optical_depth * theta_deg / 10
    lab = load(path, overrides=[f"ensembles.optical_depth={depth:.12g}"])
    e = lab.experiment
    probe, seen = float(e.acquisition.probe), Digitizer(efficiency=e.detection.efficiency, carrier_hz=carrier(lab))
    cells = cells_of(lab, probe)
    # a calibration starts with coherent spins; 002 finds a little more noise
    noisy = dataclasses.replace(cells, xi=1 + EXCESS * theta_deg)
    spins, transfer = Pulse("rf", displacement=DISPLACEMENT), transfer_sequence(probe)
    n = CYCLES
    records = [
        simulate(cells, sequence(spins, Pulse("drive", 4 * probe)), seen, cycles=n, seed=seed, purpose="decay"),
        simulate(cells, transfer[:1], seen, cycles=n, shot_cycles=n, seed=seed + 1, purpose="input", atoms=False,
                 measure="S3"),
        simulate(cells, transfer, seen, cycles=n, shot_cycles=n, seed=seed + 2, purpose="transfer"),
    ]  # fmt: skip
    found, _ = calibrate(records, given=lab_calibration(lab))
    science = simulate(noisy, sequence(Pulse("drive", probe)), seen, cycles=cycles, shot_cycles=cycles, seed=seed + 3)
    (xi,) = reconstruct(science, found, methods=("unconditional",)).estimates["unconditional"]
    return Angle(noisy, found, xi)
