"""Is a pair of spins entangled: fidelity with chi_1, concurrence of the pairs in m = +-1, negativity of the whole.

    separable: <chi_1|rho|chi_1> <= P_1/2;    C >= 2F - 1;    N = sum_{m < m'} |rho_{m m'}|

The conservation of m_1 + m_2 = 0 makes the partial transpose a sum of 2 x 2 blocks, so nothing is diagonalised.
Down: `pair.state`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from darkstate.backend import jnp
from darkstate.pair.state import PairState
from darkstate.witness.value import EPSILON, WitnessValue


def fidelity(state: PairState) -> WitnessValue:
    """Fidelity with chi_1 = (|1,-1> + |-1,1>)/sqrt(2) of the pairs in m = +-1.

    Formula: F = <chi_1|rho|chi_1>/P_1.
    Source: 003, which certifies by it; chi_1^- is maximally entangled, too, and has F = 0.

    Args:
        state: [... 2F+1 2F+1].

    Returns:
        `WitnessValue` [...], bound 1/2: pairs that are not entangled lie at or below it.

    Validity: m_1 + m_2 = 0; where pairs in |1,1> or |-1,-1> exist they count in P_1, else products can pass the bound.
    Not a number where no pair is in m = +-1, as at the start of collisions: a series from there has no verdict.

    Example:
        >>> from darkstate.pair.state import sector_state
        >>> found = fidelity(sector_state([0.4, 0.35, 0.25], 0.9))
        >>> print(f"{found.value:.2f}", found.verdict)
        0.90 entangled
    """
    # A sum of four elements over a sum of two, none above P_1.
    value = state.fidelity
    return WitnessValue(value, bound=0.5, rounding=8 * EPSILON, entangled_above=True)


def sector_concurrence(state: PairState) -> Any:
    """Concurrence of the pairs in m = +-1 as far as their fidelity with chi_1 tells [...].

    Formula: max(0, 2F - 1); never above the concurrence 2|rho_{1,-1}|/P_1, and equal to it if the state consists of
    chi_1 and chi_1^-, F >= 1/2.
    Source: Wootters, Phys. Rev. Lett. 80, 2245 (1998).

    Args:
        state: [... 2F+1 2F+1].

    Returns:
        0 for separable pairs, 1 for chi_1; not a number where no pair is in m = +-1.

    Example:
        >>> from darkstate.pair.state import sector_state
        >>> print(f"{sector_concurrence(sector_state([0.4, 0.35, 0.25], 0.9)):.2f}")
        0.80
    """
    return jnp.maximum(2 * state.fidelity - 1, 0.0)


def negativity(state: PairState) -> Any:
    """Negativity of the whole spin state: minus the sum of the negative eigenvalues of its partial transpose [...].

    Formula: sum_{m < m'} |rho_{m m'}|; (P_1 |2F - 1| + P_2)/2 without coherence between different |m| (F = 2).
    Source: Vidal and Werner, Phys. Rev. A 65, 032314 (2002). The partial transpose takes |m,-m><m',-m'| to
    |m,-m'><m',-m|, one pair of eigenvalues +-|rho_{m m'}| for each two m.

    Args:
        state: [... 2F+1 2F+1].

    Returns:
        0 for separable pairs and no others: without these elements the state is a mixture of |m,-m>.

    Example:
        >>> from darkstate.pair.state import sector_state
        >>> print(f"{negativity(sector_state([0.4, 0.35, 0.25], 0.9)):.3f}")
        0.265
    """
    rows, columns = np.triu_indices(2 * state.spin + 1, 1)
    return jnp.abs(jnp.asarray(state.matrix)[..., rows, columns]).sum(axis=-1)
