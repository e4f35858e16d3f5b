"""The steady state, and every equation L x = r of its sensitivities, with the residual that was reached.

    (L - c u v^T) x = -c u     has the solution with L x = 0 and trace v x = 1, if that is unique

u = u_I u_II^T is the steady state without coupling, v the trace. The coupling joins q with q +- 1 only, so that the odd
charges are eliminated: x_e = b + D_e^-1 K_eo D_o^-1 K_oe x_e, solved by GMRES; D is the uncoupled part (`sylvester`).
"""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse.csgraph import connected_components

from darkstate.errors import ArgumentError
from darkstate.spins.exact.basis import Array
from darkstate.spins.exact.generator import Blocks, Generator, inner
from darkstate.spins.exact.krylov import gmres, ritz_values
from darkstate.spins.exact.layout import Layout
from darkstate.spins.exact.sylvester import Uncoupled

ROUNDS = 4
"""Times the equation is solved again for what is left of the residual."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """The generator with what makes its stationary equation solvable.

    Args:
        generator: the `Generator`, or an adjoint.
        right, left: null vectors of the two uncoupled q = 0 matrices, from the right and from the left.
        shift: c, a typical rate [1/s].
    """

    generator: Generator
    right: tuple[Array, Array]
    left: tuple[Array, Array]
    shift: float

    @cached_property
    def uncoupled(self) -> Uncoupled:
        """The inverse of the uncoupled part."""
        return Uncoupled(self.generator, self.right, self.left, self.shift)

    def adjoint(self) -> Problem:
        """The same for the adjoint generator."""
        return Problem(self.generator.adjoint(), self.left, self.right, self.shift)

    def start(self) -> dict[int, Any]:
        """u, the solution without coupling."""
        layout = Layout.of(self.generator)
        blocks = layout.split(np.zeros(layout.size))
        blocks[0][:] = np.outer(*self.right)
        return blocks

    def residual(self, state: Blocks, right: Blocks) -> dict[int, Any]:
        """r - (L - c u v^T) x."""
        moved = self.generator.apply(state)
        trace = float(self.left[0] @ state[0] @ self.left[1])
        moved[0] = moved[0] - self.shift * trace * np.outer(*self.right)
        return {q: right[q] - moved[q] for q in moved}

    def solve(self, right: Blocks, tolerance: float, rounds: int = ROUNDS) -> tuple[dict[int, Any], float, int]:
        """x with (L - c u v^T) x = r.

        Args:
            right: r; tolerance: |residual| <= tolerance |x| times the slowest uncoupled rate is aimed at.
            rounds: refinements.

        Returns:
            x, the norm of the residual relative to |x| [1/s], and the applications of the coupling.
        """
        d, k = self.uncoupled.solve, self.generator.coupling
        even, odd = self.generator.charges[::2], self.generator.charges[1::2]
        layout = Layout.of(self.generator, even)

        def eliminated(values: Array) -> Array:
            x = layout.split(values)
            between = {q: d(q, k(q, x)) for q in odd}
            return values - layout.join({q: d(q, k(q, between)) for q in even})

        x: dict[int, Any] = {q: np.zeros_like(b) for q, b in right.items()}
        r, used = dict(right), 0
        size = wrong = np.inf
        for attempt in range(rounds + 1):
            wrong, size = np.sqrt(inner(r, r)), np.sqrt(inner(x, x))
            target = tolerance * self.uncoupled.slowest * (size if attempt else np.inf)
            if attempt and (wrong <= target or attempt == rounds):
                break
            odd_part = {q: d(q, r[q]) for q in odd}
            b = layout.join({q: d(q, r[q] - k(q, odd_part)) for q in even})
            # an even step never needs more than what is left of the way
            goal = max(0.1 * target / wrong, 1e-13) if attempt else max(0.1 * tolerance, 1e-13)
            found, count = gmres(eliminated, b, goal)
            step = layout.split(found)
            step |= {q: d(q, r[q] - k(q, step)) for q in odd}
            x = {q: x[q] + step[q] for q in x}
            r = self.residual(x, right)
            used += count
        return x, float(wrong / size) if size else 0.0, used


def problem(generator: Generator) -> Problem:
    """Prepare the stationary equation.

    Raises:
        ArgumentError: an ensemble alone has several steady states; the sentence says why.
    """
    right = []
    # an exchange that no light from I to II makes could still tie such states together
    doubt = any(len(pairs) > 1 for pairs in generator.up.values())
    opening = "This method cannot tell whether the steady state is" if doubt else "The steady state is not"
    for name, matrix, third in zip(("I", "II"), generator.local[0], generator.third, strict=True):
        closed = _closed_classes(matrix)
        if closed > 1:
            kept, cure = "its total spin j or its Jx", "cooling, heating or dephasing"
            if third:
                kept, cure = (
                    "its total spin j, its Jx or its atoms in |h>",
                    "cooling, heating, dephasing, loss or return",
                )
            raise ArgumentError(
                f"{opening} unique: ensemble {name} has {closed} stationary states of its own, because "
                f"the rates given conserve {kept}. Give its atoms single-atom {cure}, or use evolve for the state that "
                "this start leads to."
            )
        n = matrix.shape[0]
        rate = float(np.abs(matrix.diagonal()).max()) or 1.0  # 0 for no atoms
        right.append(np.linalg.solve(matrix.toarray() + rate / n, np.full(n, rate / n)))
    left = tuple(np.ones(len(u)) for u in right)
    shift = float(np.median(np.abs(generator.local[0][0].diagonal())))
    return Problem(generator, (right[0], right[1]), (left[0], left[1]), shift or 1.0)


def _closed_classes(matrix: Any) -> int:
    """Number of sets of (j, m) that populations do not leave: as many stationary states as there are."""
    off = matrix.tocoo()
    count, label = connected_components(matrix.T, directed=True, connection="strong")
    source, target = label[off.col], label[off.row]
    leaving = np.zeros(count, bool)
    leaving[source[(source != target) & (off.data != 0)]] = True
    return int((~leaving).sum())


def spectral_gap(problem: Problem, tolerance: float = 1e-2, vectors: int = 4) -> float:
    """Estimated decay rate of the slowest mode of the sector, by a small Krylov space of the inverse [1/s].

    Validity: an estimate, within 2 % on random ensembles of 4 and 3 atoms. Modes of other charges, and states that are
    not permutation-symmetric, are not searched: no expectation value here sees them.
    """
    layout = Layout.of(problem.generator)
    start = layout.split(np.random.default_rng(0).normal(size=layout.size))
    start = {q: problem.uncoupled.solve(q, b) for q, b in start.items()}
    start[0] = start[0] - np.outer(*problem.right) * float(problem.left[0] @ start[0] @ problem.left[1])

    def inverse(values: Array) -> Array:
        return layout.join(problem.solve(layout.split(values), tolerance, rounds=1)[0])

    values = ritz_values(inverse, layout.join(start), vectors)
    return -float((1 / values[np.argmax(np.abs(values))]).real)
