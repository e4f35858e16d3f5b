"""The conserved charge of a set of jump operators, found from what each of them does to m_I and m_II.

Up: `jumps` and `generator` ask which sector their states stay in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg import null_space

Jump = list[tuple[tuple[int, int], float]]
"""A jump operator as a sum of terms ((shift of m_I, shift of m_II), amplitude)."""


def charges(jumps: Sequence[Jump]) -> tuple[Any, float]:
    """Which charges w_I m_I + w_II m_II the jump operators conserve, and how much of them leaks.

    A jump operator is a sum of terms that shift (m_I, m_II); the density operator keeps its diagonal form in
    w_I m_I + w_II m_II if all terms of one jump shift this number alike.

    Returns:
        w, one column per conserved charge [2 n], orthonormal; leakage: the part of all jump amplitudes that does not
        keep w = (1, -1), the charge of the sector used, as a fraction of their norm.

    Example:
        >>> w, leak = charges([[((1, 0), 2.0), ((0, -1), 1.0)]])  # 2 S_I + S_II^+, a sideband
        >>> print(bool(np.allclose(w / w[0], [[1], [-1]])), leak)
        True 0.0
        >>> w, leak = charges([[((1, 0), 1.0), ((0, 1), 1.0)]])  # S_I + S_II
        >>> print(bool(np.allclose(w / w[0], [[1], [1]])), f"{leak:.3f}")
        True 0.707
    """
    differences = [
        np.subtract(a, b) for jump in jumps for a, x in jump for b, y in jump if x != 0 and y != 0 and a != b
    ]
    conserved = null_space(np.array(differences)) if differences else np.eye(2)
    lost = whole = 0.0
    for jump in jumps:
        weights: dict[int, float] = {}
        for (first, second), value in jump:
            weights[first - second] = weights.get(first - second, 0.0) + value**2
        lost += sum(weights.values()) - max(weights.values())
        whole += sum(weights.values())
    return conserved, float(np.sqrt(lost / whole)) if whole else 0.0
