"""The hybrid cascade of 004: complex amplitudes, no quadrature block of the paper assumed.

z = (a_S, a_S^+, a_M, a_M^+), inputs u = light amplitudes (each with its conjugate), then the thermal forces f_S, f_M:

    dz/dt = drift z + inlet u      light_out = outlet z + through u
    covariance s_ij = <{z_i, z_j^+}>/2,   ds/dt = drift s + s drift^+ + inlet noise inlet^+
    <{b, b^+}>/2 = 1/2,   <{f_j, f_j^+}>/2 = gt_j,   [f_j, f_j^+] = gamma_j0

`rotating` is 004 Eqs. (4), (5) term by term, light (b_-, b_+, b'_-, b'_+).  From its Hamiltonian (2), sidebands kept
apart, S: a_S^+ b_- and a_S^+ b_+^+; M: a_M^+ b_+ and a_M^+ b_-^+, each field leaves with -i times the partner:

    b_+ -> sqrt(1-eps) (b_+ - i sqrt(G_SP) a_S^+) + sqrt(eps) b'_+ - i sqrt(G_MB) a_M
    b_- -> sqrt(1-eps) (b_- - i sqrt(G_SB) a_S) + sqrt(eps) b'_- - i sqrt(G_MP) a_M^+

`lab` keeps one white-noise field b, (b, b'), and H_0 = -(w/2)(X_S^2 + P_S^2) + (w/2)(X_M^2 + P_M^2):

    da_j/dt = -+ i w a_j - (gamma_j0 + G_jB - G_jP)/2 a_j + f_j - i sqrt(G_jB) b_j - i sqrt(G_jP) b_j^+
    b_S = b,   b_M = sqrt(1-eps) (b - i sqrt(G_SB) a_S - i sqrt(G_SP) a_S^+) + sqrt(eps) b'

Quadratures (X_S, P_S, X_M, P_M), vacuum 1/2.  Rates in one common unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

from .gaussian import Array, care, lyapunov

Complex = NDArray[np.complex128]
# (X, P) from (a, a^+) of one mode, and of both
ONE = np.array([[1, 1], [-1j, 1j]]) / np.sqrt(2)
BOTH = np.kron(np.eye(2), ONE)


@dataclass(frozen=True)
class Oscillator:
    """Gamma_j, theta_j, gamma_j0 (energy damping rate) and gt_j = gamma_j0 (n_j + 1/2)."""

    coupling: float
    theta: float
    damping: float
    thermal: float

    @property
    def beam(self) -> float:
        return self.coupling * np.sin(self.theta) ** 2

    @property
    def parametric(self) -> float:
        return self.coupling * np.cos(self.theta) ** 2

    @property
    def width(self) -> float:
        """gamma_j = gamma_j0 - Gamma_j cos(2 theta_j)."""
        return self.damping + self.beam - self.parametric


@dataclass(frozen=True)
class Hybrid:
    """S, then a power loss eps, then M."""

    spin: Oscillator
    motion: Oscillator
    loss: float = 0.0

    @property
    def drive(self) -> float:
        """R of 004."""
        s, m = self.spin, self.motion
        return np.sqrt(s.beam * m.parametric) - np.sqrt(m.beam * s.parametric)

    @property
    def gain(self) -> float:
        """Read-out gain g, below 004 Eq. (8)."""
        s, m = self.spin, self.motion
        ratio = np.cos(m.theta - np.pi / 4) / np.cos(s.theta - np.pi / 4)
        return np.sqrt(m.coupling / ((1 - self.loss) * s.coupling)) * ratio


@dataclass(frozen=True)
class Amplitudes:
    """The matrices at the head of this file; `noise` symmetrised, `commutator` = [u_i, u_j^+]."""

    drift: Complex
    inlet: Complex
    noise: Array
    commutator: Array
    outlet: Complex
    through: Complex

    @property
    def diffusion(self) -> Complex:
        return self.inlet @ self.noise @ self.inlet.conj().T


def _with_conjugates(rows: list[list[complex]]) -> Complex:
    """Rows for a, b, ... over (c, c^+, d, d^+, ...) -> rows for a, a^+, b, b^+, ..."""
    plain = np.array(rows, dtype=complex)
    swapped = plain.conj().reshape(len(plain), -1, 2)[:, :, ::-1].reshape(plain.shape)
    return np.stack([plain, swapped], axis=1).reshape(-1, plain.shape[1])


def _inputs(hybrid: Hybrid, light: int) -> tuple[Array, Array]:
    """(noise, commutator) of `light` vacuum fields and of f_S, f_M."""
    s, m = hybrid.spin, hybrid.motion
    noise = np.repeat([0.5] * light + [s.thermal, m.thermal], 2)
    sizes = np.repeat([1.0] * light + [s.damping, m.damping], 2)
    return np.diag(noise), np.diag(sizes * np.tile([1.0, -1.0], light + 2))


def rotating(hybrid: Hybrid) -> Amplitudes:
    """004 Eqs. (4), (5) and the two outgoing sidebands (b_-, b_+)."""
    s, m, R = hybrid.spin, hybrid.motion, hybrid.drive
    t, e = np.sqrt(1 - hybrid.loss), np.sqrt(hybrid.loss)
    sb, sp, mb, mp = (-1j * np.sqrt(x) for x in (s.beam, s.parametric, m.beam, m.parametric))
    noise, commutator = _inputs(hybrid, 4)
    return Amplitudes(
        drift=_with_conjugates([[-s.width / 2, 0, 0, 0], [0, t * R, -m.width / 2, 0]]),
        inlet=_with_conjugates(
            [
                [sb, 0, 0, sp, 0, 0, 0, 0, 1, 0, 0, 0],
                [0, t * mp, t * mb, 0, 0, e * mp, e * mb, 0, 0, 0, 1, 0],
            ]
        ),
        noise=noise,
        commutator=commutator,
        outlet=_with_conjugates([[t * sb, 0, 0, mp], [0, t * sp, mb, 0]]),
        through=_with_conjugates(
            [
                [t, 0, 0, 0, e, 0, 0, 0, 0, 0, 0, 0],
                [0, 0, t, 0, 0, 0, e, 0, 0, 0, 0, 0],
            ]
        ),
    )


def lab(hybrid: Hybrid, frequency: float) -> Amplitudes:
    """No rotating-wave approximation; `frequency` is the angular w, in the unit of the rates."""
    s, m = hybrid.spin, hybrid.motion
    t, e = np.sqrt(1 - hybrid.loss), np.sqrt(hybrid.loss)
    sb, sp, mb, mp = (-1j * np.sqrt(x) for x in (s.beam, s.parametric, m.beam, m.parametric))
    noise, commutator = _inputs(hybrid, 2)
    # M is driven by b_M and b_M^+; b_S,out^+ carries the conjugates of sb, sp.
    direct = t * (mb * sb + mp * np.conj(sp))
    conjugate = t * (mb * sp + mp * np.conj(sb))
    return Amplitudes(
        drift=_with_conjugates(
            [[1j * frequency - s.width / 2, 0, 0, 0], [direct, conjugate, -1j * frequency - m.width / 2, 0]]
        ),
        inlet=_with_conjugates([[sb, sp, 0, 0, 1, 0, 0, 0], [t * mb, t * mp, e * mb, e * mp, 0, 0, 1, 0]]),
        noise=noise,
        commutator=commutator,
        outlet=_with_conjugates([[t * sb, t * sp, mb, mp]]),
        through=_with_conjugates([[t, 0, e, 0, 0, 0, 0, 0]]),
    )


def _real(matrix: Complex) -> Array:
    """A matrix of quadratures, which must be real."""
    if np.abs(matrix.imag).max() > 1e-9 * np.abs(matrix.real).max():
        raise ValueError("complex amplitudes and their conjugates do not match")
    return matrix.real


def steady(system: Amplitudes) -> Array:
    """Covariance of (X_S, P_S, X_M, P_M) by SciPy's complex Lyapunov equation."""
    return _real(BOTH @ lyapunov(system.drift, system.diffusion) @ BOTH.conj().T)


def steady_by_time(system: Amplitudes, doublings: int = 40) -> Array:
    """The same as int_0^inf e^(drift t) D e^(drift^+ t) dt.

    Van Loan's block exponential gives the integral over one short step; s(2t) = F s(t) F^+ + s(t) doubles it.
    """
    size = len(system.drift)
    step = 0.1 / np.abs(system.drift).sum(axis=1).max()
    block = np.block(
        [[-system.drift, system.diffusion], [np.zeros((size, size)), system.drift.conj().T]],
    )
    found = expm(block * step)
    flow = found[size:, size:].conj().T
    total = flow @ found[:size, size:]
    for _ in range(doublings):
        total, flow = flow @ total @ flow.conj().T + total, flow @ flow
    if np.abs(flow).max() > 1e-8:
        raise ValueError("the integral has not ended; the system is not stable or the rates are too far apart")
    return _real(BOTH @ total @ BOTH.conj().T)


def steady_by_formula(hybrid: Hybrid) -> Array:
    """004 Eq. (7).  Its <X_S, X_M> is twice the symmetrised covariance; the P block has P_M -> -P_M."""
    s, m, t, R = hybrid.spin, hybrid.motion, np.sqrt(1 - hybrid.loss), hybrid.drive
    spin = (s.coupling / 2 + s.thermal) / s.width
    source = np.sqrt(s.coupling * m.coupling) * np.sin(m.theta + s.theta)
    pair = -2 * t / (s.width + m.width) * (source - 2 * R * spin)
    motion = (m.coupling / 2 + m.thermal + t * R * pair) / m.width
    out = np.diag([spin, spin, motion, motion])
    out[0, 2] = out[2, 0] = pair / 2
    out[1, 3] = out[3, 1] = -pair / 2
    return out


def measurement(hybrid: Hybrid, *, phase: float, efficiency: float) -> tuple[Array, Array, Array, Array, Array]:
    """(A, D, C, N, R) of quadratures, both sideband currents of the homodyne quadrature cos X_L + sin P_L of `phase`.

    phase = pi/2 reads (P_L + P_L^+)/sqrt(2) = (p_+ + p_-)/sqrt(2) and its sine partner, phase = 0 the X_L ones.
    """
    system = rotating(hybrid)
    # (x_- + x_+, p_+ - p_-)/sqrt(2) of the fields turned by -phase: they commute, so both can be read at once.
    turned = np.kron(np.eye(2), ONE @ np.diag([np.exp(-1j * phase), np.exp(1j * phase)]))
    rows = np.sqrt(efficiency / 2) * np.array([[1, 0, 1, 0], [0, -1, 0, 1]]) @ turned
    back = BOTH.conj().T
    A, D = (_real(BOTH @ x @ back) for x in (system.drift, system.diffusion))
    C = _real(rows @ system.outlet @ back)
    N = _real(BOTH @ system.inlet @ system.noise @ (rows @ system.through).conj().T)
    # Whatever the efficiency, the detector sees vacuum noise: the light comes in as vacuum, loss adds vacuum.
    return A, D, C, N, np.eye(2) / 2


def conditional(hybrid: Hybrid, *, phase: float = np.pi / 2, efficiency: float = 1.0) -> Array:
    """Covariance of the watched pair."""
    return care(*measurement(hybrid, phase=phase, efficiency=efficiency))


def epr_variance(V: Array, gain: float) -> float:
    """004 Eq. (8), separable bound 1."""
    plus, minus = np.array([1, 0, gain, 0]), np.array([0, 1, 0, -gain])
    return float((plus @ V @ plus + minus @ V @ minus) / (1 + gain**2))


def random_hybrid(rng: np.random.Generator, loss: float | None = None) -> Hybrid:
    """Both widths positive, baths of 0 to 3 quanta, both oscillators damped on their own; loss up to 0.6 or given."""

    def one() -> Oscillator:
        damping, coupling = rng.uniform(0.5, 2), rng.uniform(0.5, 8)
        # gamma > 0.2 keeps the two widths, and so the accuracy of every route, within a factor 100.
        lowest = np.arccos(np.clip((damping - 0.2) / coupling, -1, 1)) / 2
        return Oscillator(coupling, rng.uniform(lowest, np.pi / 2), damping, damping * (0.5 + rng.uniform(0, 3)))

    return Hybrid(one(), one(), rng.uniform(0, 0.6) if loss is None else loss)
