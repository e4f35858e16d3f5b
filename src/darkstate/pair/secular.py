"""The secular problem is what a contact leaves of the pair: F+1 amplitudes per energy, whatever the number of levels.

    M(E) c = 0,  M(E) = A^-1 + diag_i F(E - D_i),  eigenvector on (i, n): sqrt(W_n) c_i/(e_n + D_i - E)

Between its poles M grows with E, so the number of eigenvalues below E is the number of poles below E plus the positive
eigenvalues of M(E) less those of M(-infinity) (Sylvester's law of inertia), and bisection cannot fail. Poles far from a
block of eigenvalues are summed once, as a Chebyshev series over the block: the cost grows as the number of levels times
that of blocks. Down: `motion`; up: `harmonic` makes averages and dynamics of a `Spectrum`.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.pair.motion import Levels

NODES = 20
"""Terms of that series; poles beyond 3 half-widths of a block make an error of 6^-20."""

HALVINGS = 48
"""Of a bracket between poles, a few kHz wide, down to the spacing of float64; at the ends twice as many."""


class Spectrum(NamedTuple):
    """Eigenvalues and what dynamics needs of the eigenvectors.

    Args:
        energies_hz: [e; Hz].
        amplitudes: c, so that the eigenvector has norm 1 [e i].
        contact: F(E - D_i) [e i]; slope: its derivative, sum_n W_n/(e_n + D_i - E)^2 [e i].
        thermal: S_p = sum_n p_n W_n/(e_n - E) [e]; thermal_slope: its derivative [e].
        zeeman_hz: D_i [i].
    """

    energies_hz: Any
    amplitudes: Any
    contact: Any
    slope: Any
    thermal: Any
    thermal_slope: Any
    zeeman_hz: Any


def spectrum(levels: Levels, inverse: Any, zeeman_hz: Any, thermal: Any) -> Spectrum:
    """Solve the secular problem of a pair completely.

    Args:
        levels: what the contact sees of the trap.
        inverse: A^-1, inverse of the scattering matrix [i i; 1/m].
        zeeman_hz: D_i, the first one 0 [i; Hz].
        thermal: probabilities p_n of the levels at the start, in the first channel [k].

    Returns:
        `Spectrum`, energies increasing; all levels times channels of them.

    Raises:
        ArgumentError: a number that is not finite.

    Example:
        >>> levels = Levels(np.array([1.0, 3.0]), np.array([0.1, 0.1]), -0.2, 2)
        >>> found = spectrum(levels, np.eye(1), np.zeros(1), np.array([1.0, 0.0]))
        >>> np.round(found.energies_hz, 6)  # eigenvalues of diag(1, 3) + 0.1/(1 - 0.2)
        array([1.117218, 3.132782])
    """
    inverse, shifts = np.asarray(inverse, float), np.asarray(zeeman_hz, float)
    if not (np.isfinite(inverse).all() and np.isfinite(shifts).all()):
        raise ArgumentError("Arguments `inverse` and `zeeman_hz` must be finite; a_f = 0 has no inverse.")
    base = inverse + levels.counterterm * np.eye(len(inverse))
    poles = np.sort(np.add.outer(levels.energies_hz, shifts).ravel())
    low, high = _brackets(levels, base, poles)
    problem = (levels.energies_hz, levels.weights, np.asarray(thermal, float) * levels.weights, base, shifts)
    n, count = len(base), len(poles)
    tail = max(n, count - n * (len(levels.energies_hz) - levels.below + 1))
    middle, ends = np.arange(n, tail), np.append(np.arange(n), np.arange(tail, count))
    parts = [_solve_range(problem, ends, low[ends], high[ends], series=False)]  # no series across wide gaps
    if len(middle):
        parts.append(_solve_range(problem, middle, low[middle], high[middle], series=True))
    order = np.argsort(np.append(ends, middle), kind="stable")
    energies, contact, slope, s, s_slope = (np.concatenate(x)[order] for x in zip(*parts, strict=True))
    amplitudes = _amplitudes(base, poles, energies, contact, slope)
    return Spectrum(energies, amplitudes, contact + levels.counterterm, slope, s, s_slope, shifts)


def _brackets(levels: Levels, base: np.ndarray, poles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each eigenvalue must lie: between the poles n - q before and q behind it, q = n_pos(M(-infinity))."""
    n, count = len(base), len(poles)
    positive = int((np.linalg.eigvalsh(base) > 0).sum())
    reach = float(np.abs(np.linalg.inv(base)).sum() * levels.weights.sum())  # above the norm of the interaction
    below, above = np.arange(count) - n + positive, np.arange(count) + positive
    low = np.where(below >= 0, poles[np.clip(below, 0, None)], poles[0] - reach)
    high = np.where(above < count, poles[np.clip(above, None, count - 1)], poles[-1] + reach)
    return low, high


def _solve_range(
    problem: tuple[np.ndarray, ...], index: np.ndarray, low: np.ndarray, high: np.ndarray, *, series: bool
) -> tuple[np.ndarray, ...]:
    """Eigenvalues number `index` in blocks, with F less its counterterm, F', S_p and S_p' at each."""
    levels, shifts = problem[0], problem[4]
    count = len(low)
    # Work per eigenvalue is HALVINGS * n * size near its block and NODES * levels / size far from it.
    size = min(count, max(16, int((NODES * len(levels) / (HALVINGS * len(shifts))) ** 0.5)))
    padded = -(-count // size) * size
    low, high, index = (np.append(x, np.full(padded - count, x[-1])).reshape(-1, size) for x in (low, high, index))
    start, end = low.min(1) - shifts.max(), high.max(1) - shifts.min()
    centre, half = (start + end) / 2, (end - start) / 2
    first = np.searchsorted(levels, centre - 3 * half)
    most = int((np.searchsorted(levels, centre + 3 * half) - first).max()) if series else len(levels)
    near = min(len(levels), -(-most // 16) * 16)  # few different sizes, few compilations
    first = np.minimum(first, len(levels) - near)
    halvings = HALVINGS if series else 2 * HALVINGS
    found = _blocks(*problem, (low, high, index, centre, half, first), near=near, halvings=halvings)
    return tuple(np.asarray(x).reshape(padded, *x.shape[2:])[:count] for x in found)


@partial(jax.jit, static_argnames=("near", "halvings"))
def _blocks(
    levels: Any, weights: Any, thermal: Any, base: Any, shifts: Any, blocks: Any, *, near: int, halvings: int
) -> Any:
    """E, F, F', S_p, S_p' of every block; energies inside a block count from its centre, which keeps their digits."""
    angles = (jnp.arange(NODES) + 0.5) * jnp.pi / NODES
    to_series = jnp.cos(jnp.outer(jnp.arange(NODES), angles)) * (2 - (jnp.arange(NODES)[:, None] == 0)) / NODES
    everything = jnp.stack([weights, thermal], 1)

    def block(args: Any) -> Any:
        low, high, number, centre, half, first = args
        far = (jnp.arange(len(levels)) < first) | (jnp.arange(len(levels)) >= first + near)
        distance = (levels - centre)[:, None] - half * jnp.cos(angles)
        inverse = jnp.where(far[:, None], 1 / jnp.where(far[:, None], distance, 1.0), 0.0)
        of_f, of_s = (to_series @ (inverse.T @ everything)).T
        e, w, p = (jax.lax.dynamic_slice(x, (first,), (near,))[:, None] for x in (levels - centre, weights, thermal))

        def function(x: Any) -> Any:
            return (w / (e - x.ravel())).sum(0).reshape(x.shape) + _series(of_f, x / half)

        def halve(_: Any, bracket: Any) -> Any:
            low, high = bracket
            middle = (low + high) / 2
            x = middle[:, None] - shifts
            poles = len(shifts) * first + (e < x.ravel()).sum(0).reshape(x.shape).sum(1)
            below = poles + _positive(base, function(x)) - bound <= number
            return jnp.where(below, middle, low), jnp.where(below, high, middle)

        bound = _positive(base, jnp.zeros((1, len(shifts))))[0]
        low, high = jax.lax.fori_loop(0, halvings, halve, (low - centre, high - centre))
        energy = (low + high) / 2
        x = energy[:, None] - shifts
        slope = (w / (e - x.ravel()) ** 2).sum(0).reshape(x.shape) + _series_slope(of_f, x / half) / half
        s = (p / (e - energy)).sum(0) + _series(of_s, energy / half)
        s_slope = (p / (e - energy) ** 2).sum(0) + _series_slope(of_s, energy / half) / half
        return energy + centre, function(x), slope, s, s_slope

    return jax.lax.map(block, blocks)


def _positive(base: Any, diagonal: Any) -> Any:
    """Number of positive eigenvalues of base + diag(diagonal) [...], from the signs of the pivots."""
    n = len(base)
    rows = [[base[i, j] + (diagonal[..., i] if i == j else 0.0) for j in range(n)] for i in range(n)]
    count: Any = 0
    for k in range(n):
        pivot = jnp.where(rows[k][k] == 0, 1e-300, rows[k][k])
        count = count + (pivot > 0)
        for i in range(k + 1, n):
            for j in range(k + 1, n):
                rows[i][j] = rows[i][j] - rows[i][k] * rows[k][j] / pivot
    return count


def _series(coefficients: Any, x: Any) -> Any:
    """Chebyshev series at x in [-1, 1], by Clenshaw's recurrence."""
    one = two = jnp.zeros_like(x)
    for k in range(NODES - 1, 0, -1):
        one, two = coefficients[k] + 2 * x * one - two, one
    return coefficients[0] + x * one - two


def _series_slope(coefficients: Any, x: Any) -> Any:
    """Its derivative, sum_k k c_k U_{k-1}(x)."""
    one = two = jnp.zeros_like(x)
    for k in range(NODES - 1, 0, -1):
        one, two = k * coefficients[k] + 2 * x * one - two, one
    return one


def _amplitudes(base: np.ndarray, poles: np.ndarray, energies: Any, contact: Any, slope: Any) -> np.ndarray:
    """Null vectors c of M with c^T diag(F') c = 1.

    Scaled by sqrt(F'), the matrix stays well-conditioned close to a pole, where M itself grows without bound. Which
    eigenvalue of M crosses zero is known from the count, so that equal energies get different vectors.
    """
    n = len(base)
    scale = 1 / np.sqrt(slope)
    matrix = scale[:, :, None] * (base + contact[:, :, None] * np.eye(n)) * scale[:, None, :]
    _, vectors = np.linalg.eigh(matrix)
    bound = int((np.linalg.eigvalsh(base) > 0).sum())
    positive = np.arange(len(energies)) + bound - np.searchsorted(poles, energies)
    crossing = np.clip(n - 1 - positive, 0, n - 1)
    return np.take_along_axis(vectors, crossing[:, None, None], 2)[:, :, 0] * scale
