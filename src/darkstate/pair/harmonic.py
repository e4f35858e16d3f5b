"""Unitary spin dynamics of an atom pair in a harmonic trap: levels of the coupled motion, then averages and times.

    rho_ij(t) = sum_{E,E'} exp(-2 pi i (E - E') t) R Q^ij
    Q^ij = c_i c_j' [F(E-D_i) - F(E'-D_j)]/[(E-D_i) - (E'-D_j)],   R = c_0 c_0' [S_p(E) - S_p(E')]/(E - E')

No eigenvector is stored: overlaps of eigenvectors are divided differences of F. `structured` finds the levels by the
secular problem; `dense` diagonalises the matrix and multiplies eigenvectors, as an oracle. Both are about the pairs
whose motion the contact can change at all; `motion.contact_fraction` says how many those are.
Down: `secular`, `motion`; up: `solve`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from darkstate.atoms.constants import BOLTZMANN, PLANCK
from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.pair.atom_pair import AtomPair
from darkstate.pair.motion import Levels, levels
from darkstate.pair.secular import Spectrum, spectrum
from darkstate.pair.spin import scattering_matrix

MOST_DENSE = 6000
"""Larger matrices than this are not diagonalised: 6000 take 20 s and 1 GB."""

FEWEST_QUANTA = 20.0
"""The cutoff lies at least this many quanta of the stiffest axis up, however cold: F(E) needs levels, not only heat."""

_ELEMENTS = 2_000_000
"""Pairs of energies in memory at a time."""


def cutoff_hz(pair: AtomPair, cutoff: float) -> float:
    """Largest energy of the motion that is kept, above that of the lowest state [Hz].

    Args:
        pair: the pair; cutoff: in units of k_B T; more where that is less than FEWEST_QUANTA and the Zeeman energies.
    """
    least = FEWEST_QUANTA * max(map(float, pair.trap.frequencies_hz)) + float(np.abs(np.asarray(pair.zeeman_hz)).max())
    return max(cutoff * BOLTZMANN * float(pair.temperature) / PLANCK, least)


def pair_levels(pair: AtomPair, cutoff: float) -> tuple[Levels, np.ndarray]:
    """What the contact sees of a pair: its levels, and A^-1 in the basis |00>, chi_1, ..., chi_F [i i; 1/m].

    Args:
        pair: one atom pair of plain numbers; cutoff: largest energy of the motion, in units of k_B T.

    Raises:
        ArgumentError: a_f = 0, an effective range, a temperature that is not positive, or too many levels.
    """
    lengths = np.asarray(pair.lengths, float)
    if not (lengths != 0).all() or np.isnan(lengths).any():
        raise ArgumentError(
            f"The levels of a pair need scattering lengths other than 0, but `lengths` is {lengths} m; a channel "
            "without interaction has a very small one, or take the method Kinetic()."
        )
    if float(pair.mean_length) != 0:
        raise ArgumentError(
            "The levels of a pair are those of a contact without range: set `mean_length` to 0, or take Kinetic()."
        )
    temperature = float(pair.temperature)
    if not (np.isfinite(temperature) and temperature > 0):
        raise ArgumentError(f"Argument `temperature` must be above 0 K, but is {temperature:g} K.")
    found = levels(pair.trap, cutoff_hz(pair, cutoff))
    return found, np.asarray(scattering_matrix(1 / lengths, len(lengths) - 1))


def structured(pair: AtomPair, cutoff: float = 10.0) -> Spectrum:
    """All levels of a pair that the contact takes part in, by the secular problem.

    Args:
        pair: one atom pair of plain numbers; cutoff: largest energy of the motion, in units of k_B T.

    Returns:
        `Spectrum`; the start is |00> in the thermal state of the levels below the cutoff.

    Raises:
        ArgumentError: as `pair_levels`.

    Example:
        >>> from darkstate.pair.trap import Trap
        >>> trap = Trap((63.5584e3,) * 3, 84.911789738 * 1.66053906660e-27)
        >>> lengths = np.full(3, -511.43 * 5.29177210903e-11)  # equal lengths: three times the same levels
        >>> found = structured(AtomPair(lengths, np.zeros(3), trap, 40e-6), cutoff=40.0)
        >>> np.round(found.energies_hz[::3][:4] / 63.5584e3, 4)  # Busch et al.
        array([1.1171, 2.9739, 4.8976, 6.8488])
    """
    found, inverse = pair_levels(pair, cutoff)
    return spectrum(found, inverse, pair.zeeman_hz, found.thermal(float(pair.temperature)))


def time_average(found: Spectrum) -> np.ndarray:
    """The spin state averaged over all times, in the basis |00>, chi_1, ..., chi_F [i i].

    Formula: the terms E = E' of the double sum, sum_E c_0^2 S_p'(E) Q^ij(E, E).

    Validity: levels without degeneracies; exact ones of different f at zero field are no exception, see `secular`.
    """
    c, contact, slope = (np.asarray(x) for x in (found.amplitudes, found.contact, found.slope))
    shifts = np.asarray(found.zeeman_hz)
    apart = shifts[None, :] - shifts[:, None]
    quotient = (contact[:, :, None] - contact[:, None, :]) / np.where(apart == 0, 1.0, apart)
    quotient = np.where(apart == 0, (slope[:, :, None] + slope[:, None, :]) / 2, quotient)
    weight = c[:, 0] ** 2 * np.asarray(found.thermal_slope)
    return np.einsum("e,ei,ej,eij->ij", weight, c, c, quotient)


def states(found: Spectrum, times: Any, window: float = 0.0) -> np.ndarray:
    """The spin state over time, in the basis |00>, chi_1, ..., chi_F [t i i; complex].

    Args:
        found: from `structured`; times: [t; s]; window: each state is averaged over a window of this length around its
            time [s]. Late single times depend on the levels to 1 Hz; averages do not.

    Returns:
        Density matrices; a few MB of memory whatever the number of levels.
    """
    energies = np.asarray(found.energies_hz)
    rows = max(1, min(len(energies), _ELEMENTS // len(energies)))
    padded = -(-len(energies) // rows) * rows
    index = np.arange(padded).reshape(-1, rows)
    phases = 2 * np.pi * np.outer(energies - energies[0], np.asarray(times, float))
    waves = np.concatenate([np.cos(phases), np.sin(phases)], 1)
    return np.asarray(_states(found, jnp.asarray(index), jnp.asarray(waves), float(window)))


@jax.jit
def _states(found: Spectrum, index: Any, waves: Any, window: Any) -> Any:
    energies, c, shifts = found.energies_hz, found.amplitudes, found.zeeman_hz
    n, count, steps = len(shifts), len(energies), waves.shape[1] // 2
    # Equal to rounding. Poles are at least 1e-11 E apart, and between levels farther apart than this F may have some.
    closest = 1e-13 * jnp.abs(energies)

    def divided(apart: Any, one: Any, other: Any, slopes: Any) -> Any:
        near = jnp.abs(apart) <= closest
        return jnp.where(near, slopes / 2, (one - other) / jnp.where(near, 1.0, apart))

    def block(total: Any, row: Any) -> tuple[Any, None]:
        inside = (row < count)[:, None]
        row = jnp.minimum(row, count - 1)

        def column(x: Any) -> Any:
            return x[row][:, None]

        apart = column(energies) - energies
        r = divided(apart, column(found.thermal), found.thermal, column(found.thermal_slope) + found.thermal_slope)
        r = jnp.where(inside, r * column(c[:, 0]) * c[:, 0], 0.0) * jnp.sinc(apart * window)
        for i in range(n):
            for j in range(i, n):
                slopes = column(found.slope[:, i]) + found.slope[:, j]
                q = divided(apart - shifts[i] + shifts[j], column(found.contact[:, i]), found.contact[:, j], slopes)
                right = (r * q * column(c[:, i]) * c[:, j]) @ waves
                cos, sin = waves[row, :steps], waves[row, steps:]
                real = (cos * right[:, :steps] + sin * right[:, steps:]).sum(0)
                imaginary = (cos * right[:, steps:] - sin * right[:, :steps]).sum(0)
                total = total.at[:, i, j].add(real + 1j * imaginary)
        return total, None

    total, _ = jax.lax.scan(block, jnp.zeros((steps, n, n), complex), index)
    upper = jnp.triu(jnp.ones((n, n)), 1)
    return total + jnp.swapaxes(total.conj(), 1, 2) * upper.T


def dense(pair: AtomPair, cutoff: float = 10.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The levels of a pair by diagonalising its Hamiltonian, as an oracle.

    Formula: H = diag(e_n + D_i) + w G w^T, w = sqrt(W_n), G^-1 = A^-1 + counterterm.

    Args:
        pair: one atom pair of plain numbers; cutoff: largest energy of the motion, in units of k_B T.

    Returns:
        Energies [e; Hz], eigenvectors [i n e], probabilities of the levels n at the start [n].

    Raises:
        ArgumentError: as `pair_levels`, or a matrix of more than MOST_DENSE rows.
    """
    found, inverse = pair_levels(pair, cutoff)
    channels, size = len(inverse), len(inverse) * len(found.energies_hz)
    if size > MOST_DENSE:
        raise ArgumentError(
            f"A dense matrix of {size} rows takes too long; take the method Structured(), or lower the cutoff."
        )
    coupling = np.linalg.inv(inverse + found.counterterm * np.eye(channels))
    root = np.sqrt(found.weights)
    free = np.add.outer(np.asarray(pair.zeeman_hz, float), found.energies_hz).ravel()
    energies, vectors = np.linalg.eigh(np.diag(free) + np.kron(coupling, np.outer(root, root)))
    return energies, vectors.reshape(channels, -1, size), found.thermal(float(pair.temperature))


def dense_states(
    energies: np.ndarray, vectors: np.ndarray, thermal: np.ndarray, times: Any, window: float = 0.0
) -> np.ndarray:
    """The spin state over time from eigenvectors [t i i; complex]; arguments as from `dense` and of `states`."""
    start = (vectors[0] * thermal[:, None]).T @ vectors[0]
    start = start * np.sinc((energies[:, None] - energies) * window)
    waves = np.exp(-2j * np.pi * np.outer(np.asarray(times, float), energies))
    channels = range(len(vectors))
    overlaps = [[start * (vectors[i].T @ vectors[j]) for j in channels] for i in channels]
    return np.array([[((waves @ o) * waves.conj()).sum(1) for o in row] for row in overlaps]).transpose(2, 0, 1)


def dense_average(vectors: np.ndarray, thermal: np.ndarray) -> np.ndarray:
    """The spin state averaged over all times from eigenvectors [i i]."""
    start = (thermal[:, None] * vectors[0] ** 2).sum(0)
    return np.einsum("e,ine,jne->ij", start, vectors, vectors)
