"""The spin space of two equal bosons of whole spin F with m_1 + m_2 = 0, exchange symmetry, and channels of total f.

    |00>, chi_k = (|k, -k> + |-k, k>)/sqrt(2), k = 1, ..., F;      |f> = sum_i <i|f, M = 0> |i>, f = 0, 2, ..., 2F
    A = sum_f a_f |f><f|

Even relative motion goes with even spin states, of which there are n = F + 1; odd ones meet odd partial waves only and
have no contact interaction. Contact conserves f, a magnetic field does not. Down: `atoms`; up: `state`, `kinetic`.
"""

from __future__ import annotations

from functools import cache
from math import sqrt
from typing import Any

import numpy as np

from darkstate.atoms.angular import clebsch_gordan
from darkstate.atoms.hyperfine import breit_rabi_hz
from darkstate.atoms.species import Species
from darkstate.backend import jnp
from darkstate.errors import ArgumentError

RANGE = 2.918
"""r_f/abar of a van der Waals potential at infinite scattering length: Gamma(1/4)^4/(6 pi^2)."""


def whole_spin(spin: Any) -> int:
    """F as an integer.

    Raises:
        ArgumentError: not a whole number from 1 on: |00> and even total spins need one.
    """
    if isinstance(spin, (int, float)) and spin >= 1 and spin % 1 == 0:
        return int(spin)
    raise ArgumentError(f"Argument `spin` must be a whole number F >= 1, so that m = 0 exists, but is {spin!r}.")


@cache
def channels(spin: float) -> dict[int, tuple[float, ...]]:
    """The total spins f that even relative motion can have at M = 0, and their components on |00>, chi_1, ..., chi_F.

    Formula: <00|f> = <F 0; F 0|f 0>, <chi_k|f> = sqrt(2) <F k; F -k|f 0>; phases after Condon and Shortley.

    Args:
        spin: F of one atom.

    Returns:
        {f: components [F+1]}, f = 0, 2, ..., 2F.

    Raises:
        ArgumentError: F is not a whole number.

    Example:
        >>> [round(5**0.5 * c, 6) for c in channels(2)[0]]  # (1, -sqrt2, sqrt2)/sqrt5
        [1.0, -1.414214, 1.414214]
    """
    top = whole_spin(spin)
    return {
        f: tuple((sqrt(2) if k else 1.0) * clebsch_gordan(top, k, top, -k, f, 0) for k in range(top + 1))
        for f in range(0, 2 * top + 1, 2)
    }


def channel_matrix(spin: float) -> np.ndarray:
    """Components of the channels as an orthogonal matrix [f i], f = 0, 2, ..., 2F and i = |00>, chi_1, ..., chi_F."""
    return np.array(list(channels(spin).values()))


def scattering_matrix(lengths: Any, spin: float = 2) -> Any:
    """Matrix of scattering lengths in the basis |00>, chi_1, ..., chi_F [n n; unit of `lengths`].

    Formula: A = sum_f a_f |f><f|.

    Args:
        lengths: a_f of f = 0, 2, ..., 2F [... F+1]; spin: F.

    Raises:
        ArgumentError: not one length for each f.

    Example:
        >>> print(scattering_matrix([-740.0, -570.0, -390.0]).round(1))
        [[-511.4  135.4  -26.3]
         [ 135.4 -555.7   88.6]
         [ -26.3   88.6 -632.9]]
    """
    a, u = jnp.asarray(lengths), channel_matrix(spin)
    if a.shape[-1:] != (len(u),):
        raise ArgumentError(
            f"Argument `lengths` must have {len(u)} scattering lengths, one for each f = 0, 2, ..., {2 * len(u) - 2}, "
            f"but has shape {a.shape}."
        )
    return jnp.einsum("fi,...f,fj->...ij", u, a, u)


def effective_ranges(lengths: Any, mean_length: Any) -> Any:
    """Effective range of each channel, r_f in -1/f(k) = 1/a_f - r_f k^2/2 + i k [... f; m].

    Formula: r_f = 2.918 abar [1 - 2 abar/a_f + 2 (abar/a_f)^2].
    Source: Flambaum, Gribakin and Harabati, Phys. Rev. A 59, 1998 (1999).

    Args:
        lengths: a_f, not 0 [... f; m]; mean_length: abar of the van der Waals potential [m], 0 for no range.

    Validity: k abar < 1 and |a_f| not much less than abar; 85Rb has abar of 78.5 Bohr radii.

    Example:
        >>> print(effective_ranges([-740.0, -570.0, -390.0], 78.5).round(1))
        [282.8 300.9 339.9]
    """
    ratio = mean_length / jnp.asarray(lengths)
    return RANGE * mean_length * (1 - 2 * ratio + 2 * ratio * ratio)


def pair_zeeman_hz(atom: Species, spin: float, field: Any) -> Any:
    """Energies of |00>, chi_1, ..., chi_F relative to |00> in a magnetic field [n; Hz]; linear shifts cancel.

    Formula: D_k = [E(F, k) + E(F, -k) - 2 E(F, 0)]/h with the energies of Breit and Rabi.

    Args:
        atom: the species; spin: F, the upper or lower ground level; field: [T].

    Validity: float64 leaves 1e-6 Hz of the hyperfine energies.

    Raises:
        ArgumentError: the ground level has no such F, or it is not a whole number.

    Example:
        >>> from darkstate.atoms.species import species
        >>> print(pair_zeeman_hz(species("85Rb"), 2, 0.5e-4).round(3))
        [  0.     35.944 143.776]
    """
    top = whole_spin(spin)
    zero = breit_rabi_hz(atom, top, 0, field)
    pairs = [breit_rabi_hz(atom, top, k, field) + breit_rabi_hz(atom, top, -k, field) for k in range(1, top + 1)]
    return jnp.stack([jnp.zeros(jnp.shape(zero)), *(pair - 2 * zero for pair in pairs)])


def exchange_state(spin: float, k: int, sign: int = 1) -> np.ndarray:
    """chi_k^+- = (|k, -k> +- |-k, k>)/sqrt(2) in the basis |m, -m>, m = F, ..., -F [2F+1]; k = 0 is |00>.

    Args:
        spin: F; k: 0, ..., F; sign: what exchange of the atoms multiplies the state by, 1 or -1.

    Raises:
        ArgumentError: no such state; |00> is even.

    Example:
        >>> print(exchange_state(1, 1, -1).round(4))
        [ 0.7071  0.     -0.7071]
    """
    top = whole_spin(spin)
    if not 0 <= k <= top or sign not in (1, -1) or (k == 0 and sign == -1):
        raise ArgumentError(
            f"There is no chi_{k} of exchange sign {sign} of two spins {top}: k is 0 to {top}, the sign 1 or, from "
            "k = 1 on, -1."
        )
    vector = np.zeros(2 * top + 1)
    if k == 0:
        vector[top] = 1.0
    else:
        vector[top - k], vector[top + k] = sqrt(0.5), sign * sqrt(0.5)
    return vector


def symmetric_basis(spin: float) -> np.ndarray:
    """|00>, chi_1, ..., chi_F as rows, in the basis |m, -m>, m = F, ..., -F [n 2F+1]."""
    return np.stack([exchange_state(spin, k) for k in range(whole_spin(spin) + 1)])


def dephased(matrix: Any) -> Any:
    """What is left of a symmetric spin state when all phases between the channels f are lost [... n n].

    Formula: rho -> sum_f |f><f| rho |f><f|. Collisions do this in the long run at zero field, in any trap that does
    not act on the spin, if the a_f differ: populations of f are conserved, coherences are not.

    Args:
        matrix: density matrix in the basis |00>, chi_1, ..., chi_F [... n n].

    Example:
        >>> start = jnp.zeros((3, 3)).at[0, 0].set(1.0)
        >>> print(jnp.diagonal(dephased(start)).round(5))
        [0.38612 0.35592 0.25796]
    """
    rho = jnp.asarray(matrix)
    u = channel_matrix(rho.shape[-1] - 1)
    weights = jnp.einsum("fi,...ij,fj->...f", u, rho, u)
    return jnp.einsum("fi,...f,fj->...ij", u, weights, u)
