"""The Riccati equation of the conditional covariance, stationary and over time, with correlated noise.

    dV/dt = A V + V A^T + D - (V C^T + N) R^{-1} (V C^T + N)^T

Stationary: structure-preserving doubling of the Cayley transform (Chu, Fan, Lin and Wang, Int. J. Control 77, 767
(2004)), quadratically convergent and free of eigenvectors. Over a time: the map V -> (G + F V (1 + H V)^{-1} F^T) is
exact; two such maps in a row make a third one, so that a long time costs a few doublings. Down: `lyapunov`; up:
`solve`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from darkstate.backend import jax, jnp
from darkstate.gaussian.elimination import eliminate, inverse, over_batches, product, size_of_determinant, solve
from darkstate.gaussian.lyapunov import HALVINGS, halvings, lyapunov, short_exponential

MOST_DOUBLINGS = 60

SLOWEST = 1e-6
"""Mean rate, of the fastest one, below which rounding decides what it is."""


class Reduced(NamedTuple):
    """The equation with the correlation absorbed: F = A - N R^{-1} C, Q = D - N R^{-1} N^T, S = C^T R^{-1} C [q q
    each].
    """

    drift: Any
    diffusion: Any
    information: Any


def reduced(drift: Any, diffusion: Any, output: Any, correlation: Any, noise: Any) -> Reduced:
    """Absorb the process-measurement correlation.

    Args:
        drift: A [q q]; diffusion: D [q q]; output: C [k q]; correlation: N [q k]; noise: R [k k].

    Example:
        >>> one = jnp.eye(1)
        >>> [float(m[0, 0]) for m in reduced(-one, 3 * one, 2 * one, one, one)]
        [-3.0, 2.0, 4.0]
    """
    weighted = solve(noise, jnp.concatenate([output, correlation.T], axis=1))
    q = drift.shape[-1]
    through, back = weighted[:, :q], weighted[:, q:]
    return Reduced(drift - correlation @ through, diffusion - correlation @ back, output.T @ through)


def stationary(drift: Any, diffusion: Any, output: Any, correlation: Any, noise: Any) -> Any:
    """The stabilising solution V of the stationary Riccati equation.

    Args:
        drift: A [q q], may be unstable if the measurement sees what grows; diffusion: D [q q]; output: C [k q];
            correlation: N [q k]; noise: R [k k].

    Returns:
        V [q q]; not a number where there is no stabilising solution. Differentiable to any order.

    Example:
        >>> one = jnp.eye(1)
        >>> print(f"{stationary(-one, 3 * one, one, 0 * one, one)[0, 0]:.9f}")
        1.000000000
    """
    return _stabilising(*reduced(drift, diffusion, output, correlation, noise))


@jax.custom_jvp
def _stabilising(f: Any, q: Any, s: Any) -> Any:
    return _doubled(f, q, s)


@over_batches
def _doubled(f: Any, q: Any, s: Any) -> Any:
    """The stabilising solution for batches along the last axis [n n b each]."""
    n = f.shape[0]
    eye = jnp.eye(n)[:, :, None]
    shift = _shift(f, q, s)
    a = _turned(f) - shift * eye
    both = eliminate(a, jnp.concatenate([s, jnp.broadcast_to(eye, f.shape)], axis=1))
    a_s, a_inv = both[:, :n], both[:, n:]
    w = eliminate(
        _turned(a) + product(q, a_s), jnp.concatenate([product(q, a_inv), jnp.broadcast_to(eye, f.shape)], axis=1)
    )
    start = (eye + 2 * shift * _turned(w[:, n:]), 2 * shift * product(a_s, w[:, n:]), 2 * shift * w[:, :n])

    def going(carry: Any) -> Any:
        step, (e, _, _) = carry
        return (step < MOST_DOUBLINGS) & (jnp.abs(e) > 1e-12).any()

    def double(carry: Any) -> Any:
        step, (e, g, h) = carry
        both = eliminate(eye + product(g, h), jnp.concatenate([e, g], axis=1))
        we, wg = both[:, :n], both[:, n:]
        e_t = _turned(e)
        new = product(e, we), _even(g + product(product(e, wg), e_t)), _even(h + product(e_t, product(h, we)))
        return step + 1, new

    # What the last doubling leaves out is of the order of e^2.
    e, _, h = jax.lax.while_loop(going, double, (0, start))[1]
    # Squares of e underflow only where the closed loop is stable. Where a mode grows unseen, h grows until rounding
    # stops it somewhere, and solves nothing.
    moved, seen = product(f, h), product(product(h, s), h)
    left_over, size = moved + _turned(moved) + q - seen, 2 * jnp.abs(moved) + jnp.abs(q) + jnp.abs(seen)
    solved = jnp.abs(left_over).max((0, 1)) <= 1e-6 * size.max((0, 1))
    return jnp.where(solved & (jnp.abs(e).max((0, 1)) < 1e-6), h, jnp.nan)


def _turned(m: Any) -> Any:
    return jnp.swapaxes(m, 0, 1)


def _even(m: Any) -> Any:
    return (m + _turned(m)) / 2


def _shift(f: Any, q: Any, s: Any) -> Any:
    """A rate between the slowest and the fastest of the closed loop [b]: about the geometric mean of all of them."""

    def size(m: Any) -> Any:
        return jnp.sqrt((m**2).sum((0, 1)))

    fast = size(f) + jnp.sqrt(size(q) * size(s))
    fast = jnp.where(fast == 0, 1.0, fast)
    # The Hamiltonian matrix has the rates of the closed loop with both signs.
    whole = jnp.concatenate([jnp.concatenate([f, q], 1), jnp.concatenate([s, -_turned(f)], 1)])
    mean = size_of_determinant(whole / fast) ** (1 / whole.shape[0])
    # Not exactly the mean, which is an eigenvalue of F in simple examples: F - shift has to be inverted.
    return fast * jnp.where(mean > SLOWEST, 1.0618033989 * mean, 0.6180339887)


@_stabilising.defjvp
def _stabilising_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    f, q, s = primals
    df, dq, ds = tangents
    v = _stabilising(f, q, s)
    moved = df @ v
    return v, lyapunov(f - v @ s, _even(2 * moved + dq - v @ ds @ v))


class Step(NamedTuple):
    """The filter over one interval: V -> G + F V (1 + H V)^{-1} F^T [q q each]."""

    gain: Any
    added: Any
    information: Any


def filter_step(equation: Reduced, time: Any) -> Step:
    """The exact filter over a time, from the exponential of the Hamiltonian matrix and doublings.

    Args:
        equation: constant over the time; time: [s].

    Example:
        >>> one = jnp.eye(1)
        >>> step = filter_step(Reduced(-one, 3 * one, one), 50.0)
        >>> print(f"{apply(step, 7 * one)[0, 0]:.9f}")
        1.000000000
    """
    f, q, s = equation
    n = f.shape[-1]
    steps, t = halvings(jnp.abs(f).sum() + jnp.sqrt(jnp.abs(q).sum() * jnp.abs(s).sum()), time)
    # d/dt (Y; Z) = ((F, Q), (S, -F^T)) (Y; Z) with V = Y Z^{-1}. Balanced, so that units do not matter.
    balance = jnp.sqrt(jax.lax.stop_gradient(jnp.abs(q).sum() / jnp.where(s.any(), jnp.abs(s).sum(), 1.0)))
    balance = jax.lax.stop_gradient(jnp.where(s.any() & q.any(), balance, 1.0))
    whole = short_exponential(jnp.block([[f, q / balance], [s * balance, -f.T]]) * t)
    z_inv = inverse(whole[n:, n:])
    first = Step(z_inv.T, balance * _even(whole[:n, n:] @ z_inv), _even(z_inv @ whole[n:, :n]) / balance)

    def double(step: Step, k: Any) -> tuple[Step, None]:
        return jax.tree.map(lambda new, old: jnp.where(k < steps, new, old), joined(step, step), step), None

    return jax.lax.scan(double, first, jnp.arange(HALVINGS))[0]


def joined(first: Step, second: Step) -> Step:
    """Two intervals, one after the other, as one."""
    n = first.gain.shape[-1]
    w = solve(jnp.eye(n) + first.added @ second.information, jnp.concatenate([first.gain, first.added], 1))
    gain, added = w[:, :n], w[:, n:]
    return Step(
        second.gain @ gain,
        _even(second.added + second.gain @ added @ second.gain.T),
        _even(first.information + first.gain.T @ second.information @ gain),
    )


def apply(step: Step, covariance: Any) -> Any:
    """The covariance after the interval [q q]."""
    n = covariance.shape[-1]
    return _even(step.added + step.gain @ covariance @ solve(jnp.eye(n) + step.information @ covariance, step.gain.T))
