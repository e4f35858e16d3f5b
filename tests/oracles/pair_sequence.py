"""Sequences on two atoms by matrices: pulses and free turns as exponentials, a gradient by oscillator states.

    H = (Delta sigma_z - Om sigma_x)/2 in a pulse, Delta sigma_z/2 between pulses; two atoms: kron
    <n|D(alpha)|n> = exp(-|alpha|^2/2) L_n(|alpha|^2),  |alpha|^2 = (2d)^2 mu omega/(2 hbar)

Independent of what it checks; SI units.
"""

from __future__ import annotations

import numpy as np
from scipy.constants import hbar
from scipy.constants import k as boltzmann
from scipy.linalg import expm
from scipy.special import eval_laguerre

X, Z = np.array([[0, 1], [1, 0]]), np.diag([1, -1])


def ramsey_unitary(delta: float, tau: float, dark: float, rabi: float) -> np.ndarray:
    """Pulse, free turn, pulse of one atom; all frequencies in 1/s (times 2 pi)."""
    pulse = expm(-0.5j * tau * (delta * Z - rabi * X))
    return pulse @ expm(-0.5j * dark * delta * Z) @ pulse


def count_minus(state: np.ndarray, one: np.ndarray) -> np.ndarray:
    """Probabilities of 0, 1, 2 atoms in |-1> after `one` on both of a pure state in (11, 1-1, -11, -1-1)."""
    p = abs(np.kron(one, one) @ state) ** 2
    return np.array([p[0], p[1] + p[2], p[3]])


def occupation(omega: float, temperature: float, number: int, *, step: int = 1) -> np.ndarray:
    """Thermal probabilities of levels 0, step, 2 step, ... (relative to what is counted)."""
    weights = np.exp(-hbar * omega * np.arange(0, number, step) / (boltzmann * temperature))
    return weights / weights.sum()


def displaced_mean(shift: float, mass: float, omega: float, temperature: float, number: int) -> float:
    """Thermal mean of <n|D|n>, D a displacement of the coordinate by `shift`; summed over levels below `number`."""
    alpha2 = shift**2 * mass * omega / (2 * hbar)
    n = np.arange(number)
    return float(occupation(omega, temperature, number) @ (np.exp(-alpha2 / 2) * eval_laguerre(n, alpha2)))


def even_displaced_mean(shift: float, mass: float, omegas: tuple, temperature: float) -> float:
    """The same along the last axis for relative states of even total parity, over three axes.

    Sum over even total parity = (sum over all + sum with sign)/2, the sign being (-1)^(n_x + n_y + n_z).
    """
    alpha2 = shift**2 * mass * omegas[-1] / (2 * hbar)
    number = [int(45 * boltzmann * temperature / (hbar * w)) for w in omegas]
    weights = [
        np.exp(-hbar * w * np.arange(n) / (boltzmann * temperature)) for w, n in zip(omegas, number, strict=True)
    ]
    signs = [(-1.0) ** np.arange(n) for n in number]
    overlap = np.exp(-alpha2 / 2) * eval_laguerre(np.arange(number[-1]), alpha2)
    plain, signed = (
        np.prod([w.sum() for w in ws[:2]]) for ws in (weights, [w * s for w, s in zip(weights, signs, strict=True)])
    )
    norm = plain * weights[2].sum() + signed * (weights[2] * signs[2]).sum()
    return float((plain * (weights[2] @ overlap) + signed * (weights[2] * signs[2]) @ overlap) / norm)


def branch_overlaps(force: np.ndarray, dt: float, levels: int, occupied: np.ndarray) -> np.ndarray:
    """Overlap of the two branches of thermal states after each step; units hbar = mass = omega = 1.

    The branches see p^2/2 + x^2/2 -+ force(t) x, force constant in each step of length dt.
    """
    lower = np.diag(np.sqrt(np.arange(1, levels)), 1)
    x, h = (lower + lower.T) / np.sqrt(2), np.diag(np.arange(levels) + 0.5)
    plus = minus = np.eye(levels, dtype=complex)
    found, known = [], {}
    for f in force:
        if f not in known:
            known[f] = (expm(-1j * dt * (h - f * x)), expm(-1j * dt * (h + f * x)))
        plus, minus = known[f][0] @ plus, known[f][1] @ minus
        diagonal = np.einsum("ij,ij->j", minus.conj(), plus)[: len(occupied)]
        found.append(occupied @ diagonal)
    return np.array(found)
