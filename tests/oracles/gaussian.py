"""Open Gaussian networks by SciPy: steady states, filters, and random systems that obey quantum mechanics.

x = (X1, P1, X2, P2, ...), [X, P] = i, vacuum variance 1/2, Om = blockdiag([[0, 1], [-1, 0]]), white-noise inputs u:

    H = x^T G x/2 + x^T M u      dx/dt = A x + B u      u_out = u + C x
    A = Om G + Om M Om_u M^T/2,  B = Om M,  C = Om_u M^T    (the 1/2: x meets the mean of u and u_out)
    A Om + Om A^T + B Om_u B^T = 0                          ([x, x^T] = i Om for all times)

    steady state      0 = A V + V A^T + D
    watched state     0 = A V + V A^T + D - (V C^T + N) R^-1 (V C^T + N)^T
                      for dy = C x dt + dv, <dv dv^T> = R dt, <dw dv^T> = N dt, w the noise behind D

The 004 cascade stands in `gaussian_cascade`, its optima in `gaussian_reference`, the monitored cells of 000 in
`gaussian_filter`, the witnesses in `gaussian_witness`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag, solve_continuous_are, solve_continuous_lyapunov

Array = NDArray[np.float64]


def symplectic_form(modes: int) -> Array:
    """Om."""
    return np.kron(np.eye(modes), np.array([[0.0, 1.0], [-1.0, 0.0]]))


def lyapunov(A: Array, D: Array) -> Array:
    """V of the steady state; A, D real or complex (then A^T means A^+)."""
    return solve_continuous_lyapunov(A, -D)


def care(A: Array, D: Array, C: Array, N: Array, R: Array) -> Array:
    """V of the watched state, the stabilising solution; N has the shape of C^T."""
    return solve_continuous_are(A.T, C.T, D, R, s=N)


def riccati_rhs(V: Array, A: Array, D: Array, C: Array, N: Array, R: Array) -> Array:
    """dV/dt of the watched state."""
    gain = V @ C.T + N
    return A @ V + V @ A.T + D - gain @ np.linalg.solve(R, gain.T)


def uncertainty(V: Array) -> float:
    """Smallest eigenvalue of V + i Om/2, which a state needs >= 0."""
    return float(np.linalg.eigvalsh(V + 0.5j * symplectic_form(len(V) // 2)).min())


@dataclass(frozen=True)
class OpenSystem:
    """A network and one homodyne detector per channel.

    `noise` is the symmetrised covariance of the inputs (vacuum 1/2), `detector[k]` the measured quadrature of
    channel k as a row over (X, P, ...) of the outputs, `efficiency[k]` the power fraction that is detected.
    """

    G: Array
    M: Array
    noise: Array
    detector: Array
    efficiency: Array

    @property
    def modes(self) -> int:
        return len(self.G) // 2

    @property
    def channels(self) -> int:
        return len(self.noise) // 2

    @property
    def A(self) -> Array:
        om = symplectic_form(self.modes)
        return om @ self.G + om @ self.M @ symplectic_form(self.channels) @ self.M.T / 2

    @property
    def B(self) -> Array:
        return symplectic_form(self.modes) @ self.M

    @property
    def D(self) -> Array:
        return self.B @ self.noise @ self.B.T

    @property
    def measurement(self) -> tuple[Array, Array, Array]:
        """(C, N, R) of the detected currents; what is not detected is replaced by vacuum."""
        rows = np.sqrt(self.efficiency)[:, None] * self.detector
        C = rows @ symplectic_form(self.channels) @ self.M.T
        R = rows @ self.noise @ rows.T + np.diag(1 - self.efficiency) / 2
        return C, self.B @ self.noise @ rows.T, R


def random_open_system(
    rng: np.random.Generator, modes: int, channels: int, *, occupation: float = 1.0, perfect: bool = False
) -> OpenSystem:
    """A stable network, inputs of up to `occupation` thermal quanta; `perfect`: vacuum inputs, ideal detectors.

    Every mode is squeezed, amplified, damped and coupled to all others and to all channels.  Gains win as often as
    losses in a plain random draw, so draws are repeated until the slowest rate is a tenth of the fastest.
    """
    size = 2 * modes
    for _ in range(10000):
        G = rng.normal(size=(size, size)) * 0.4
        M = rng.normal(size=(size, 2 * channels)) * 0.5
        # The part of M that commutes with Om is the passive coupling a^+ b + h.c., which damps.
        passive = (M - symplectic_form(modes) @ M @ symplectic_form(channels)) / 2
        angle = rng.uniform(0, np.pi, channels)
        system = OpenSystem(
            G=G + G.T + np.diag(np.repeat(rng.uniform(-2, 2, modes), 2)),
            M=M + 2 * passive,
            noise=np.diag(np.repeat(0.5 + (0 if perfect else occupation) * rng.uniform(0, 1, channels), 2)),
            detector=block_diag(*np.stack([np.cos(angle), np.sin(angle)], axis=1)),
            efficiency=np.ones(channels) if perfect else rng.uniform(0.3, 0.95, channels),
        )
        rates = -np.linalg.eigvals(system.A).real
        if rates.min() > 0.1 * rates.max():
            return system
    raise RuntimeError(f"no stable network of {modes} modes and {channels} channels in 10000 draws")
