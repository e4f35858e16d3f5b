"""How any number read from the steady state depends on every rate, by the implicit function theorem.

    L(c) x = 0, v x = 1, F(x):    dF/dc = - lambda . (dL/dc) x,     (L^+ - k v u^T) lambda = f,    f = dF/dx

One adjoint solution serves all coefficients c, in which L is linear; k is the shift of `steady`. It keeps L^+ lambda =
f - (f . x) v, since x is the null vector of L.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.spins.exact.generator import Blocks, Coefficients, generator, inner
from darkstate.spins.exact.layout import Layout
from darkstate.spins.exact.state import observables
from darkstate.spins.exact.steady import Problem


def slopes(problem: Problem, x: Blocks, weights: Mapping[str, float], tolerance: float) -> tuple[Coefficients, float]:
    """dF/dc for all coefficients c.

    Args:
        problem: the stationary equation that x solves; x: the steady state.
        weights: dF/d<O> of each of `observables`.
        tolerance: as in `Problem.solve`.

    Returns:
        The slopes, arranged as `Coefficients`, and the residual of the adjoint solution, relative to its size [1/s].
    """
    atoms, third = problem.generator.atoms, problem.generator.third
    layout = Layout.of(problem.generator)
    f = layout.split(np.zeros(layout.size))
    for name, operator in observables(atoms, third).items():
        if weights[name] != 0:
            for q, block in operator.items():
                f[q] += weights[name] * block
    adjoint, residual, _ = problem.adjoint().solve(f, tolerance)
    leaves, tree = jax.tree.flatten(Coefficients(*(jnp.zeros(2),) * 9, *(jnp.zeros(()),) * 5))
    found = []
    for number, leaf in enumerate(leaves):
        slope = np.zeros(leaf.shape)
        for index in np.ndindex(leaf.shape):
            unit = jnp.zeros(leaf.shape).at[index].set(1.0)
            c = jax.tree.unflatten(tree, [*leaves[:number], unit, *leaves[number + 1 :]])
            slope[index] = -inner(adjoint, generator(atoms, c, third).apply(x))
        found.append(jnp.asarray(slope))
    slopes: Coefficients = jax.tree.unflatten(tree, found)
    return slopes, residual
