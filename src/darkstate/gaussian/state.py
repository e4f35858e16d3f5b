"""A Gaussian state is a mean and a covariance over named modes; it carries its convention.

    mean_a = <x_a>,   V_ab = <x_a x_b + x_b x_a>/2 - <x_a><x_b>,   x = (X1, P1, X2, P2, ...), vacuum V = 1/2

Other orders and vacuum variances exist at the edge only: `gaussian_state` reads them, `GaussianState.to` writes them.
Up: `solve` returns these states, `witness` reads them.
"""

from __future__ import annotations

import dataclasses
from difflib import get_close_matches
from math import sqrt
from typing import Any, Literal

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.gaussian.symplectic import symplectic_form
from darkstate.parameters import pytree


@dataclasses.dataclass(frozen=True)
class Convention:
    """How a covariance is written.

    Args:
        order: "xpxp" = (X1, P1, X2, P2, ...), "xxpp" = (X1, X2, ..., P1, P2, ...).
        vacuum: variance of the vacuum: 1/2 here, 1 and 2 elsewhere.
    """

    order: Literal["xpxp", "xxpp"] = "xpxp"
    vacuum: float = 0.5

    def __post_init__(self) -> None:
        if self.order not in ("xpxp", "xxpp"):
            raise ArgumentError(f"Argument `order` must be 'xpxp' or 'xxpp', but is {self.order!r}.")
        if not self.vacuum > 0:
            raise ArgumentError(f"Argument `vacuum` must be greater than 0 (1/2, 1 or 2), but is {self.vacuum!r}.")

    def __str__(self) -> str:
        return f"order {self.order}, vacuum variance {self.vacuum:g}"

    def permutation(self, modes: int) -> np.ndarray:
        """Index of each quadrature of this order in our order [q]."""
        own = np.arange(2 * modes)
        return own if self.order == "xpxp" else np.concatenate([own[::2], own[1::2]])


OURS = Convention()


@pytree
class GaussianState:
    """Mean and covariance of named modes.

    Args:
        mean: first moments [... q], q = 2 modes.
        covariance: symmetrised second moments about the mean [... q q].
        modes: names of the modes, in order.
        convention: how both are written; every function of darkstate takes and returns `OURS`.
    """

    mean: Any
    covariance: Any
    modes: tuple[str, ...] = dataclasses.field(metadata={"static": True})
    convention: Convention = dataclasses.field(default=OURS, metadata={"static": True})

    def __str__(self) -> str:
        shape = "" if self.covariance.ndim == 2 else f", {self.covariance.shape[:-2]} of them"
        return f"GaussianState of {', '.join(self.modes)}{shape}; {self.convention}\n{self.covariance}"

    def select(self, *modes: str) -> GaussianState:
        """The state of some modes alone, in the order named (the others are traced out).

        Example:
            >>> product(vacuum("a"), thermal("b", 1.0)).select("b").covariance.tolist()
            [[1.5, 0.0], [0.0, 1.5]]
        """
        self.require_ours()
        index = quadratures(self.modes, modes)
        return GaussianState(self.mean[..., index], self.covariance[..., index[:, None], index], tuple(modes))

    def to(self, convention: Convention) -> GaussianState:
        """The same state in another convention.

        Example:
            >>> vacuum("a").to(Convention(vacuum=1.0)).covariance.tolist()
            [[1.0, 0.0], [0.0, 1.0]]
        """
        count = len(self.modes)
        back, forth = np.argsort(self.convention.permutation(count)), convention.permutation(count)
        index, scale = back[forth], convention.vacuum / self.convention.vacuum
        covariance = scale * jnp.asarray(self.covariance)[..., index[:, None], index]
        return GaussianState(sqrt(scale) * jnp.asarray(self.mean)[..., index], covariance, self.modes, convention)

    @property
    def uncertainty_defect(self) -> Any:
        """Smallest eigenvalue of V + i Omega/2; negative = no quantum state has this covariance [...]."""
        self.require_ours()
        return jnp.linalg.eigvalsh(self.covariance + 0.5j * symplectic_form(len(self.modes)))[..., 0]

    def require_ours(self) -> None:
        """Raise unless the state is written in our convention.

        Raises:
            ArgumentError: it is not; says how to convert it.
        """
        if self.convention != OURS:
            raise ArgumentError(
                f"The state is written with {self.convention}, but {OURS} is needed here; convert it with "
                "state.to(OURS)."
            )


def quadratures(known: tuple[str, ...], wanted: tuple[str, ...]) -> np.ndarray:
    """Indices of the quadratures of the named modes or channels [2 len(wanted)].

    Raises:
        ArgumentError: a name is not known, or named twice.
    """
    for name in wanted:
        if name not in known:
            raise ArgumentError(f"Mode {name!r} is not here; " + nearest_names(name, known))
    if len(set(wanted)) != len(wanted):
        raise ArgumentError(f"The modes {', '.join(wanted)} name one mode twice; name each once.")
    return np.array([2 * known.index(name) + k for name in wanted for k in (0, 1)], int)


def nearest_names(name: str, known: tuple[str, ...]) -> str:
    """The end of a sentence about a name that is not known: the nearest one, and all of them."""
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}known: {', '.join(known) if known else 'none'}."


def gaussian_state(
    covariance: Any, modes: tuple[str, ...] | str, *, mean: Any = None, convention: Convention = OURS
) -> GaussianState:
    """A state from numbers written in any convention; the result is in ours.

    Args:
        covariance: [... q q]; modes: one name per mode; mean: [... q], zero if left out; convention: of the numbers.

    Raises:
        ArgumentError: shapes and names do not fit, or the covariance is not symmetric, not finite, or below the
            uncertainty relation.

    Example:
        >>> gaussian_state([[1.0, 0.0], [0.0, 1.0]], "a", convention=Convention(vacuum=1.0)).covariance.tolist()
        [[0.5, 0.0], [0.0, 0.5]]
    """
    names = (modes,) if isinstance(modes, str) else tuple(modes)
    v, q = jnp.asarray(covariance, float), 2 * len(names)
    if v.shape[-2:] != (q, q):
        raise ArgumentError(
            f"Argument `covariance` must have shape (..., {q}, {q}) for the modes {', '.join(names)}, but has "
            f"{v.shape}."
        )
    m = jnp.zeros(v.shape[:-1]) if mean is None else jnp.asarray(mean, float)
    if m.shape[-1:] != (q,):
        raise ArgumentError(f"Argument `mean` must have shape (..., {q}), but has {m.shape}.")
    quadratures(names, names)
    numbers = np.zeros((q, q)) if isinstance(v, jax.core.Tracer) else np.asarray(v)
    if not np.isfinite(numbers).all():
        raise ArgumentError("Argument `covariance` must hold finite numbers, but holds an infinity or not a number.")
    if not np.allclose(numbers, np.swapaxes(numbers, -1, -2), rtol=1e-9, atol=1e-9 * np.abs(numbers).max()):
        raise ArgumentError("Argument `covariance` must be symmetric; pass (V + V^T)/2 of what you measured.")
    state = GaussianState(m, v, names, convention).to(OURS)
    if not isinstance(v, jax.core.Tracer):
        defect, size = float(jnp.min(state.uncertainty_defect)), float(jnp.abs(state.covariance).max())
        if defect < -1e-9 * size:
            raise ArgumentError(
                f"Argument `covariance` is that of no quantum state: V + i Omega/2 has the eigenvalue {defect:.3g} "
                f"(vacuum is 1/2); it was read with {convention}, so check order and vacuum first."
            )
    return state


def vacuum(*modes: str) -> GaussianState:
    """The vacuum of named modes.

    Example:
        >>> vacuum("a", "b").covariance.shape
        (4, 4)
    """
    q = len(quadratures(modes, modes))
    return GaussianState(jnp.zeros(q), jnp.eye(q) / 2, tuple(modes))


def thermal(mode: str, occupation: Any) -> GaussianState:
    """A thermal state of one mode, V = (n + 1/2) 1.

    Example:
        >>> thermal("a", 2.0).covariance.tolist()
        [[2.5, 0.0], [0.0, 2.5]]
    """
    if isinstance(occupation, (int, float)) and not occupation >= 0:
        raise ArgumentError(f"Argument `occupation` must be at least 0, but is {occupation}.")
    return GaussianState(jnp.zeros(2), (jnp.asarray(occupation, float) + 0.5) * jnp.eye(2), (mode,))


def two_mode_squeezed(first: str, second: str, r: Any) -> GaussianState:
    """The two-mode squeezed vacuum with var(X1 + X2) = var(P1 - P2) = e^{-2r} (001 Sec. II, App. A corrected).

    Example:
        >>> v = two_mode_squeezed("a", "b", 1.0).covariance
        >>> print(f"{v[0, 0] + v[2, 2] + 2 * v[0, 2]:.9f}")
        0.135335283
    """
    quadratures((first, second), (first, second))
    c, s = jnp.cosh(2 * jnp.asarray(r, float)) / 2, -jnp.sinh(2 * jnp.asarray(r, float)) / 2
    cross = s * jnp.diag(jnp.array([1.0, -1.0]))
    return GaussianState(jnp.zeros(4), jnp.block([[c * jnp.eye(2), cross], [cross, c * jnp.eye(2)]]), (first, second))


def product(*states: GaussianState) -> GaussianState:
    """Uncorrelated states side by side.

    Raises:
        ArgumentError: the states are written in different conventions, or share a mode.

    Example:
        >>> product(vacuum("a"), thermal("b", 1.0)).modes
        ('a', 'b')
    """
    written = {s.convention for s in states}
    if len(written) > 1:
        raise ArgumentError(
            "States of unequal convention cannot be combined ("
            + " and ".join(sorted(map(str, written)))
            + "); convert them with state.to(OURS) first."
        )
    for state in states:
        state.require_ours()
    names = tuple(name for s in states for name in s.modes)
    quadratures(names, names)
    total = jnp.zeros((2 * len(names), 2 * len(names)))
    at = 0
    for s in states:
        q = s.covariance.shape[-1]
        total = total.at[at : at + q, at : at + q].set(s.covariance)
        at += q
    return GaussianState(jnp.concatenate([s.mean for s in states]), total, names)
