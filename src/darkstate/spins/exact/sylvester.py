"""The uncoupled equations A X + X B^T - i w X = R of every charge, solved by real Schur forms.

    A = Q T Q^T, B = Q' T' Q'^T:   T Y + Y T'^T - i w Y = Q^T R Q',   X = Q Y Q'^T

T and T' are split in halves until LAPACK's own solver takes over, so that nearly all work is matrix products. For q = 0
the equation is singular: its solution is fixed by projectors on the null vectors, not by a small pivot.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import lapack, lu_factor, lu_solve, schur

from darkstate.spins.exact.generator import Generator

_BASE = 48  # below this size LAPACK's unblocked solver is as fast


class Uncoupled:
    """Inverse of the uncoupled part of a generator, the trace direction of q = 0 shifted by `-shift`.

    Args:
        generator: the `Generator` or an adjoint.
        right: right null vectors (u_I, u_II) of the two q = 0 matrices; left: left null vectors with v u = 1.
        shift: rate c of the term -c u v^T that removes the null space [1/s].

    Attributes:
        slowest: smallest decay rate of all uncoupled modes but the stationary one [1/s].
    """

    def __init__(self, generator: Generator, right: Any, left: Any, shift: float) -> None:
        self.generator, self.shift = generator, shift
        self.right, self.left = right, left
        # equal but for rounding: the residual is measured with the generator itself
        same = all(a.shape == b.shape and abs(a - b).max() <= 1e-14 * abs(a).max() for a, b in generator.local)
        self.forms = []
        rates = []
        for q, (a, b) in enumerate(generator.local):
            dense = [a.toarray(), b.toarray()]
            if q == 0:
                self.second = lu_factor(dense[1] - shift * np.outer(right[1], left[1]))
                dense[0] = dense[0] - shift * np.outer(right[0], left[0])
            kind = "complex" if q and generator.complex else "real"
            first = schur(dense[0], output=kind)
            second = first if same and q else schur(dense[1], output=kind)
            # The real parts of the eigenvalues stand on the diagonal, those of 2 x 2 blocks too.
            own, other = (np.sort(np.abs(np.diagonal(t).real)) for t in (first[0], second[0]))
            rates.append(own[0] + other[0] if q else min([own[0], *other[1:2]]))  # no atoms: one zero
            self.forms.append((first, second))
        self.slowest = float(min(rates))

    def solve(self, q: int, block: Any) -> Any:
        """M_q with L_q M_q + M_q L'_q^T - i d q M_q = block; for q = 0 with the shifted trace direction."""
        if q:
            return self._plain(q, block)
        (u1, u2), (v1, v2) = self.right, self.left
        trace = float(v1 @ block @ v2)
        rest = block - trace * np.outer(u1, u2)
        marginal = v1 @ rest
        found = self._plain(0, rest - np.outer(u1, marginal)) + np.outer(u1, lu_solve(self.second, marginal))
        return found - np.outer(u1, u2) * (float(v1 @ found @ v2) + trace / self.shift)

    def _plain(self, q: int, block: Any) -> Any:
        (t, a), (s, b) = self.forms[q]
        middle = np.asfortranarray(a.conj().T @ block @ b.conj())
        if q and self.generator.detuning:
            t = t - 1j * self.generator.detuning * q * np.eye(len(t))
        _triangular(t, s, middle)
        return a @ middle @ b.T


def _triangular(t: Any, s: Any, c: Any) -> None:
    """Solve T X + X S^T = C in place, T and S upper (quasi-)triangular."""
    m, n = c.shape
    if max(m, n) <= _BASE:
        solver = lapack.ztrsyl if np.iscomplexobj(c) else lapack.dtrsyl
        # LAPACK transposes S with its conjugate: the conjugate goes in for complex S
        x, scale, _ = solver(t, s.conj() if np.iscomplexobj(c) else s, c, tranb="C")
        c[:] = x / scale
    elif m >= n:
        k = _cut(t)
        _triangular(t[k:, k:], s, c[k:])
        c[:k] -= t[:k, k:] @ c[k:]
        _triangular(t[:k, :k], s, c[:k])
    else:
        k = _cut(s)
        _triangular(t, s[k:, k:], c[:, k:])
        c[:, :k] -= c[:, k:] @ s[:k, k:].T
        _triangular(t, s[:k, :k], c[:, :k])


def _cut(t: Any) -> int:
    """A place near the middle that does not split a 2 x 2 block."""
    k = len(t) // 2
    return k + 1 if t[k, k - 1] != 0 else k
