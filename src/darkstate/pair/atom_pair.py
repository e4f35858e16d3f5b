"""An atom pair is two equal atoms in one trap whose spins couple to their thermal relative motion by collisions.

    H = p^2/2mu + sum_j mu omega_j^2 r_j^2/2 + sum_i |i><i| D_i + contact of scattering matrix A        (003 Eq. 1)

Down: `trap`, `spin`; up: `solve` evolves it by the kinetic model, the structured solver or dense matrices.
"""

from __future__ import annotations

from typing import Any

from darkstate.pair.trap import Trap
from darkstate.parameters import pytree


@pytree
class AtomPair:
    """Two equal bosonic atoms of spin F, prepared in |00>, and their thermal relative motion.

    Args:
        lengths: scattering lengths a_f of total spin f = 0, 2, ..., 2F [F+1; m].
        zeeman_hz: energies of |00>, chi_1, ..., chi_F relative to |00>, over h [F+1; Hz].
        trap: the harmonic trap.
        temperature: of the relative motion [K].
        mean_length: mean scattering length abar of the van der Waals potential, which gives effective ranges [m]; 0 for
            a contact without range.
    """

    lengths: Any
    zeeman_hz: Any
    trap: Trap
    temperature: Any
    mean_length: Any = 0.0
