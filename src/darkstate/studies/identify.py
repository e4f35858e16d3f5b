"""Which parameters data can tell apart: directions in which no predicted point moves.

    J_nk = (1/sigma_n) d y_n / d ln p_k,  columns of unit length,  smallest singular value 0  ->  degenerate

A direction counts if it is there at several points: then no data of this kind end it. Nearly degenerate parameters are
fitted and show in their correlation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from darkstate.studies.likelihood import Free, Likelihood

SINGULAR = 1e-7
"""Smallest singular value relative to the largest, above rounding and below all that counts."""

SPREAD = 0.2
"""Relative distance of the points looked at from the start."""

POINTS = 5


@dataclass(frozen=True)
class Degeneracy:
    """A direction of parameters that leaves all predicted points as they are, or a parameter without effect.

    Args:
        names: parameters in it; shares: their relative changes, the largest 1 (of the size that matters where the
            value is 0), empty for one parameter without effect.
    """

    names: tuple[str, ...]
    shares: tuple[float, ...]

    def __str__(self) -> str:
        if len(self.names) == 1:
            return f"{self.names[0]} has no effect on these data; leave it out, or add data that depend on it"
        said = " and ".join(f"{s:+.3g} % of {name}" for name, s in zip(self.names, self.shares, strict=True))
        combination = "a combination of them"
        if len(self.names) == 2 and abs(abs(self.shares[0]) - abs(self.shares[1])) < 1e-3:
            combination = "their ratio" if self.shares[0] * self.shares[1] > 0 else "their product"
        return (
            f"{' and '.join(self.names)} cannot be told apart: {said} together change no predicted point to first "
            f"order, so that these data determine only {combination}; fix one of them, or add data that tell them apart"
        )


def degeneracies(likelihood: Likelihood, *, seed: int = 1) -> list[Degeneracy]:
    """Every exact degeneracy of the free parameters, at the start and around it.

    Args:
        likelihood: parameters and data; seed: of the points around the start.
    """
    free = likelihood.free
    jacobians = [_scaled(likelihood, p) for p in _points(likelihood, seed)]
    jacobians = [j for j in jacobians if np.isfinite(j).all()]
    if not jacobians:
        return []
    lengths = np.array([np.linalg.norm(j, axis=0) for j in jacobians])
    idle = lengths.max(0) <= 1e-12 * max(lengths.max(), 1e-300)
    found = [Degeneracy((f.name,), ()) for f, none in zip(free, idle, strict=True) if none]
    rest = [f for f, none in zip(free, idle, strict=True) if not none]
    if len(rest) < 2:
        return found
    nulls = [_null(j[:, ~idle]) for j in jacobians]
    if min(len(n) for n in nulls) == 0:
        return found
    return found + [_named(rest, direction) for direction in nulls[0]]


def _points(likelihood: Likelihood, seed: int) -> list[np.ndarray]:
    """The start and points around it, within the limits."""
    start, scale = likelihood.start, likelihood.scale
    low, high = (np.array([getattr(f, end) for f in likelihood.free]) for end in ("low", "high"))
    draws = np.random.default_rng(seed).uniform(-1, 1, (POINTS - 1, len(start)))
    return [start, *(np.clip(start + SPREAD * scale * d, low, high) for d in draws)]


def _scaled(likelihood: Likelihood, point: np.ndarray) -> np.ndarray:
    """Derivatives of the deviations by relative changes of the parameters [n k]."""
    sizes = np.where(point == 0, likelihood.scale, np.abs(point))
    slopes = likelihood.linearised(point)[1]
    return slopes * sizes / likelihood.errors[:, None]


def _null(jacobian: np.ndarray) -> list[np.ndarray]:
    """Relative changes that leave every point as it is, largest entry 1."""
    lengths = np.linalg.norm(jacobian, axis=0)
    if (lengths == 0).any():
        return []
    _, singular, directions = np.linalg.svd(jacobian / lengths, full_matrices=True)
    count = jacobian.shape[1]
    singular = np.concatenate([singular, np.zeros(count - len(singular))])
    empty = directions[singular <= SINGULAR * singular[0]] / lengths
    return [d / d[np.argmax(np.abs(d))] for d in empty]


def _named(free: list[Free], direction: np.ndarray) -> Degeneracy:
    chosen = [(f.name, float(share)) for f, share in zip(free, direction, strict=True) if abs(share) > 1e-3]
    return Degeneracy(tuple(n for n, _ in chosen), tuple(s for _, s in chosen))
