"""Two parts of a Gaussian state: their covariance as V = L L^T, and symplectic eigenvalues taken from the root L.

    V = D^1/2 H D^1/2,  D = diag V;    V = L L^T;    nu = positive eigenvalues of i L^T F L

F = Omega gives the symplectic eigenvalues of V; F = T Omega T those of the partial transpose T V T, where T turns the P
of one part round; the last block of L is the root of a Schur complement. V itself is never subtracted from or inverted.
A relative change eps of the numbers in V moves nu, relatively, by up to eps / (smallest eigenvalue of H), and the
eigenvalue routine adds eps nu_max / nu: for a two-mode squeezed state both grow as e^{4r}.
Up: `separability`, `steering` and `epr` ask; down: `gaussian`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.gaussian.state import GaussianState, quadratures
from darkstate.gaussian.symplectic import symplectic_form
from darkstate.spins.state import SpinState
from darkstate.witness.value import EPSILON, WitnessValue

LARGEST_ERROR = 1e-3
"""Relative error by rounding beyond which a symplectic eigenvalue is lost; two-mode squeezing reaches it at r = 7.2."""

SAFETY = 16.0
"""Errors by rounding are taken this much larger before a value certifies; the largest met is 4.4 times the estimate
(320 000 random separable states of two to six modes)."""


def require_gaussian(state: Any, question: str, *, allowed: str = "a GaussianState") -> None:
    """Raise unless the state is a Gaussian one in our convention.

    Raises:
        ArgumentError: it is not; says what was passed and what to pass.
    """
    if not isinstance(state, GaussianState):
        step = "make one with gaussian_state(covariance, modes)"
        if isinstance(state, SpinState):
            step = "of spins ask epr_variance"
        elif hasattr(state, "state"):
            step = "pass its field .state"
        raise ArgumentError(
            f"Argument `state` of {question} must be {allowed}, but is of type {type(state).__name__}; {step}."
        )
    state.require_ours()


def require_two_modes(state: GaussianState, question: str) -> None:
    """Raise unless the state has two modes; the first is called 1 and the second 2.

    Raises:
        ArgumentError: it has more or fewer; says how to choose two.
    """
    if len(state.modes) != 2:
        pair = state.modes[:2] if len(state.modes) > 2 else ("S", "M")
        raise ArgumentError(
            f"Argument `state` of {question} must have two modes, but has {len(state.modes)} "
            f"({', '.join(state.modes)}); choose two of them with state.select({pair[0]!r}, {pair[1]!r})."
        )


def names(state: GaussianState, part: str | tuple[str, ...]) -> tuple[str, ...]:
    """Mode names of a part given as one name or as several.

    Raises:
        ArgumentError: the part is not given by names, a name is not known, or named twice.
    """
    chosen = (part,) if isinstance(part, str) else part
    if not isinstance(chosen, (tuple, list)) or not all(isinstance(name, str) for name in chosen):
        raise ArgumentError(
            f"A part is the name of a mode or a tuple of names, but was given as {part!r}; the state has "
            f"{', '.join(state.modes)}."
        )
    quadratures(state.modes, tuple(chosen))
    return tuple(chosen)


def transposed_form(state: GaussianState, part: str | tuple[str, ...]) -> np.ndarray:
    """T Omega T, with T turning the P of the modes in `part` round [q q].

    Raises:
        ArgumentError: a name is not known or named twice, or no mode is left on one of the two sides.
    """
    chosen = names(state, part)
    if not 0 < len(chosen) < len(state.modes):
        raise ArgumentError(
            f"Argument `part` must leave at least one mode on each side, but names {len(chosen)} of "
            f"{len(state.modes)} (the state has {', '.join(state.modes)})."
        )
    sign = np.repeat([-1.0 if mode in chosen else 1.0 for mode in state.modes], 2)
    return symplectic_form(len(state.modes)) * sign


def root(covariance: Any) -> tuple[Any, Any]:
    """Cholesky root L, and the smallest eigenvalue of H, which tells what rounding does to it.

    A covariance that rounding has made singular is lifted, by what rounding can hide, until it has a root: no number
    that is finite gives one that is not.

    Returns:
        L [... q q], lower triangular; smallest eigenvalue of H [...], negative where V is not positive.
    """
    v = jnp.asarray(covariance, float)
    diagonal = jnp.diagonal(v, axis1=-2, axis2=-1)
    scale = jnp.sqrt(jnp.where(diagonal > 0, diagonal, 1.0))
    correlation = v / (scale[..., :, None] * scale[..., None, :])
    q = v.shape[-1]
    lowest = jax.lax.stop_gradient(jnp.linalg.eigvalsh(jax.lax.stop_gradient(correlation))[..., 0])
    hidden = q * EPSILON
    lift = jnp.where(lowest < hidden, 2 * hidden - lowest, 0.0)
    lifted = correlation + lift[..., None, None] * jnp.eye(q)
    return scale[..., :, None] * jnp.linalg.cholesky(lifted), lowest


def eigenvalues(factor: Any, form: np.ndarray, lowest: Any) -> tuple[Any, Any]:
    """Symplectic eigenvalues of L L^T for the form F, none below what rounding hides, and the smallest one's error.

    Args:
        factor: L [... q q]; form: F [... q q], axes in front broadcast; lowest: what `root` says of L [...].

    Returns:
        nu ascending [... m]; relative error of nu_1 by rounding [...].
    """
    m = form.shape[-1] // 2
    nu = jnp.linalg.eigvalsh(1j * (jnp.swapaxes(factor, -1, -2) @ form @ factor))[..., m:]
    largest = jax.lax.stop_gradient(nu[..., -1:])
    nu = jnp.maximum(nu, EPSILON * largest)
    ratio = largest[..., 0] / jax.lax.stop_gradient(nu[..., 0])
    return nu, EPSILON * (1 / jnp.maximum(lowest, EPSILON) + ratio)


def certificate(nu: Any, error: Any) -> WitnessValue:
    """2 nu_1 as a witness, with what `eigenvalues` says of its error [...]."""
    value = 2 * nu[..., 0]
    return WitnessValue(value, rounding=SAFETY * error * jax.lax.stop_gradient(value))


def combined_variance(block: Any, gain: Any) -> tuple[Any, Any]:
    """Variance of the first quadrature + gain times the second, not below its error by rounding, and that error [...].

    Args:
        block: covariance of both [... 2 2].
        gain: [...].
    """
    own = block[..., 0, 0] + gain**2 * block[..., 1, 1]
    cross = 2 * gain * block[..., 0, 1]
    error = jax.lax.stop_gradient(2 * EPSILON * (own + jnp.abs(cross)))
    return jnp.maximum(own + cross, error), error
