"""Draw from the posterior: NUTS on standard normal numbers, whitened by the curvature at the most probable point.

    p = prior.value(u),  u = mode + L z,  (1 + J^T J)^{-1} = L L^T,   -ln posterior = u^2/2 + chi^2/2

Data are an argument, so that many data sets can be sampled at once. NumPyro's sampler; only this file needs it.
Up: `infer`, `simulated_calibration`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from darkstate.backend import jax, jnp
from darkstate.errors import InputError
from darkstate.gaussian.elimination import solve
from darkstate.studies.likelihood import Likelihood
from darkstate.studies.priors import Prior

CLIMB = 30
"""Steps towards the most probable point."""

ACCEPT = 0.85
"""Acceptance that step sizes are adapted to; above the usual 0.8, since bent valleys come with rates."""

DEEPEST = 8
"""Largest depth of a trajectory: 255 steps."""


class Draws(NamedTuple):
    """What one chain gives: standard normal numbers u [draw k], chi^2 [draw], divergences [draw]."""

    u: Any
    chi_squared: Any
    diverging: Any


def require_numpyro() -> Any:
    """NumPyro's NUTS.

    Raises:
        InputError: it is not installed.
    """
    try:
        from numpyro.infer import NUTS
    except ImportError:
        text = '`darkstate infer` needs NumPyro; install it with pip install "darkstate[studies]"'
        raise InputError([text]) from None
    return NUTS


def parameters(priors: Sequence[Prior], u: Any) -> Any:
    """The parameters for standard normal numbers [... k]."""
    return jnp.stack([prior.value(u[..., i]) for i, prior in enumerate(priors)], axis=-1)


def chain(likelihood: Likelihood, priors: Sequence[Prior], *, warmup: int, samples: int) -> Callable[[Any, Any], Draws]:
    """A pure function from a key and measured values [n] to the draws of one chain.

    Args:
        likelihood: parameters, and errors and times of the data; priors: of its free parameters, in their order.
        warmup: steps that adapt the sampler and are dropped; samples: draws.
    """
    sampler = require_numpyro()
    errors = jnp.asarray(likelihood.errors)

    def deviations(u: Any, values: Any) -> Any:
        return (likelihood.predicted(parameters(priors, u))[0] - values) / errors

    def run(key: Any, values: Any) -> Draws:
        first, second = jax.random.split(key)
        mode, root = _whitening(lambda u: deviations(u, values), len(priors))

        def potential(z: Any) -> Any:
            u = mode + root @ z
            r = deviations(u, values)
            return (u @ u + r @ r) / 2

        kernel = sampler(
            potential_fn=potential,
            dense_mass=True,
            target_accept_prob=ACCEPT,
            max_tree_depth=DEEPEST,
            forward_mode_differentiation=True,
        )
        # chains start apart, wider than the posterior, so that their agreement means something
        start = 1.5 * jax.random.normal(first, (len(priors),))
        state = kernel.init(second, warmup, start, (), {})

        def step(state: Any, _: Any) -> tuple[Any, Any]:
            state = kernel.sample(state, (), {})
            return state, (state.z, state.potential_energy, state.diverging)

        # one loop, so that the sampler is compiled once
        _, every = jax.lax.scan(step, state, None, length=warmup + samples)
        z, energy, diverging = (part[warmup:] for part in every)
        u = mode + z @ root.T
        return Draws(u, 2 * energy - (u**2).sum(-1), diverging)

    return run


def _whitening(deviations: Callable[[Any], Any], count: int) -> tuple[Any, Any]:
    """The most probable point and the root L of the inverse curvature there, by Levenberg and Marquardt's method."""
    one = jnp.eye(count)

    def linear(u: Any) -> tuple[Any, Any, Any]:
        slopes, r = jax.jacfwd(lambda v: (deviations(v),) * 2, has_aux=True)(u)
        good = jnp.isfinite(r).all() & jnp.isfinite(slopes).all()
        return jnp.where(good, r @ r + u @ u, jnp.inf), slopes.T @ slopes + one, slopes.T @ r + u

    def step(state: Any, _: Any) -> tuple[Any, None]:
        u, height, curvature, gradient, damping = state
        move = solve(curvature + damping * jnp.diag(jnp.diagonal(curvature)), gradient[:, None])[:, 0]
        trial = jnp.clip(u - move, -6.0, 6.0)
        new = (trial, *linear(trial))
        better = new[1] <= height
        kept = [jnp.where(better, a, b) for a, b in zip(new, state[:-1], strict=True)]
        return (*kept, jnp.where(better, damping / 5, damping * 4)), None

    # the first step stays where it is and finds the height there
    begin = (jnp.zeros(count), jnp.asarray(jnp.inf), one, jnp.zeros(count), jnp.asarray(5e-3))
    (mode, _, curvature, _, _), _ = jax.lax.scan(step, begin, None, length=CLIMB + 1)
    return mode, _root(solve(curvature, one), count)


def _root(matrix: Any, count: int) -> Any:
    """Cholesky's root of a small positive matrix, written out: library factorisations that are batched can hang."""
    found = jnp.zeros((count, count))
    for k in range(count):
        rest = matrix[k, k] - found[k] @ found[k]
        found = found.at[k, k].set(jnp.sqrt(jnp.maximum(rest, 1e-30)))
        for i in range(k + 1, count):
            found = found.at[i, k].set((matrix[i, k] - found[i] @ found[k]) / found[k, k])
    return found
