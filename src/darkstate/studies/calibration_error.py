"""What calibration runs know after so many cycles: errors of gamma and kappa^2, from the noise of their records.

    decay      <y(t)> = a exp(-gamma t), least squares over pieces of light whose noise is correlated by the spins
    transfer   kappa^2 = <y_-, 2nd pulse> exp(gamma_dark t_gap)/<q_+, 1st pulse>

Both squares fall as one over the number of cycles. Down: `records.calibrate` does what is modelled here; up: `shots`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from darkstate.gaussian.input_output import readout

PIECES = 40
"""Pieces of light that the decay is fitted to, as `records.calibrate` cuts them."""

RECORDS = 7
"""Records that are paid for: decay, two in the dark, input, transfer, and light alone for the last two of these."""


class Runs(NamedTuple):
    """The spins and the detector that calibration runs look at; SI units.

    Args:
        z: Z; gamma_s, gamma_extra: amplitude rates at the start of a cycle; bath: w; gamma_dark: decay without light;
        jx_decay: of <Jx> in the first milliseconds; efficiency: eta; electronic_noise: over shot noise;
        displacement: of spins and of light (vacuum variance 1/2).
    """

    z: float
    gamma_s: float
    gamma_extra: float
    bath: float
    gamma_dark: float
    jx_decay: float
    efficiency: float
    electronic_noise: float
    displacement: float

    @property
    def gamma(self) -> float:
        """Total amplitude decay with light."""
        return self.gamma_s + self.gamma_extra


def decay_error(runs: Runs) -> float:
    """Standard error of gamma, times the root of the number of cycles [1/s].

    Formula: C(t, t') = [1 + electronic]/2 delta + eta gamma_s (Z^2 xi(min) - 1) exp(-gamma |t - t'|), and
    (J^T J)^-1 J^T C J (J^T J)^-1 of a fit of amplitude and gamma over 2/gamma.

    Example:
        >>> runs = Runs(2.5, 100.0, 170.0, 1.0, 25.0, 0.0, 0.84, 0.0, 20.0)
        >>> round(decay_error(runs), 1)
        24.0
    """
    gamma, eta = runs.gamma, runs.efficiency
    step = 2 / gamma / PIECES
    t = (np.arange(PIECES) + 0.5) * step
    steady = (runs.gamma_s / runs.z**2 + runs.gamma_extra * runs.bath) / gamma
    xi = steady + (1 - steady) * np.exp(-2 * gamma * t)
    share = runs.gamma_s / gamma
    slowed = -np.expm1(-runs.jx_decay * t) / runs.jx_decay if runs.jx_decay else t
    elapsed = (1 - share) * t + share * slowed
    mean = np.exp(-runs.jx_decay * t / 2 - gamma * elapsed)
    amplitude = runs.displacement * runs.z * np.sqrt(2 * eta * runs.gamma_s * step)
    slopes = np.stack([mean, -amplitude * elapsed * mean], 1)
    apart = np.abs(t[:, None] - t)
    first = np.minimum.outer(np.arange(PIECES), np.arange(PIECES))
    excess = runs.z**2 * xi[first] - 1
    noise = np.eye(PIECES) * (1 + runs.electronic_noise) / 2 + eta * runs.gamma_s * step * excess * np.exp(
        -gamma * apart
    )
    back = np.linalg.pinv(slopes)
    return float(np.sqrt((back @ noise @ back.T)[1, 1]))


def transfer_error(runs: Runs, probe: float) -> float:
    """Standard error of kappa^2 of pulses as long as `probe` [s], times the root of the number of cycles.

    Formula: the noise of both means, of the two shot-noise levels that compare gains, and of the decay in the dark.

    Example:
        >>> round(transfer_error(Runs(2.5, 100.0, 170.0, 1.0, 25.0, 0.0, 0.84, 0.0, 20.0), 1e-3), 3)
        0.132
    """
    gamma, eta, dark = runs.gamma, runs.efficiency, runs.gamma_dark
    kappa2, light, bath = (float(x) for x in readout(runs.z, runs.gamma_s, runs.gamma_extra, probe))
    shot = (1 + runs.electronic_noise) / 2

    def read(variance: float) -> float:
        """Variance of one quadrature of the falling mode, of spins with an EPR variance."""
        return shot + eta * (kappa2 * variance + light + runs.bath * bath - 1) / 2

    stays, waits = np.exp(-2 * gamma * probe), np.exp(-2 * dark * probe)
    driven = (runs.z**2 * runs.gamma_s + runs.gamma_extra * runs.bath) / gamma
    after = (stays + driven * (1 - stays)) * waits + 1 - waits
    sent = np.sqrt(eta) * runs.displacement
    means = np.hypot(np.sqrt(read(after)), kappa2 * np.sqrt(shot)) / sent
    gains = kappa2 / np.sqrt(2 * PIECES)
    # decay in the dark: displaced spins read after 0.05 and one decay time
    seen = [np.sqrt(read(1.0)) / (np.sqrt(kappa2) * sent * np.exp(-wait)) for wait in (0.05, 1.0)]
    in_dark = kappa2 * probe * dark * np.hypot(*seen) / 0.95
    lost = np.exp((dark + runs.jx_decay) * probe)
    return float(np.hypot(np.hypot(means, gains) * lost, in_dark))
