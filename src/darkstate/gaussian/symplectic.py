"""The commutators of quadratures: [x_a, x_b] = i Omega_ab in the order (X1, P1, X2, P2, ...)."""

from __future__ import annotations

from typing import Any

import numpy as np

from darkstate.backend import jnp


def symplectic_form(modes: int) -> np.ndarray:
    """Omega [q q], q = 2 modes: blocks [[0, 1], [-1, 0]] on the diagonal.

    Example:
        >>> symplectic_form(1).tolist()
        [[0.0, 1.0], [-1.0, 0.0]]
    """
    return np.kron(np.eye(modes), [[0.0, 1.0], [-1.0, 0.0]])


def symplectic_eigenvalues(covariance: Any) -> Any:
    """The m symplectic eigenvalues of a covariance, ascending [... m]; a physical state has all of them >= 1/2.

    Formula: the positive eigenvalues of i L^T Omega L with V = L L^T (Williamson); Hermitian, so that they are real to
    rounding and differentiable. Not a number where V is not positive.

    Example:
        >>> print(symplectic_eigenvalues(1.5 * jnp.eye(4)))
        [1.5 1.5]
    """
    modes = covariance.shape[-1] // 2
    root = jnp.linalg.cholesky(covariance)
    form = jnp.swapaxes(root, -1, -2) @ symplectic_form(modes) @ root
    return jnp.linalg.eigvalsh(1j * form)[..., modes:]
