"""The Kalman filter of a record in bins, exact for bins of any length, and its smoother.

    Y_k = integral of dY over bin k; (x_{k+1}, Y_k) given x_k is Gaussian with matrices from one exponential,
    K = cov(x_{k+1}, Y_k) S^{-1},   m_{k+1} = F m_k + K (Y_k - Phi m_k),   V_{k+1} = F V_k F^T + Q_xx - K S K^T

Nothing is expanded in the length of a bin: long bins only know less. Down: `lyapunov`; up: `solve.condition`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from darkstate.backend import jax, jnp
from darkstate.gaussian.detection import Measurement
from darkstate.gaussian.elimination import solve
from darkstate.gaussian.lyapunov import propagate


class Bin(NamedTuple):
    """One bin: F [q q], Phi [k q], and the covariance of what is added to (x, Y): Q_xx, Q_xy, Q_yy."""

    motion: Any
    readout: Any
    added: Any
    cross: Any
    noise: Any


def bin_of(drift: Any, diffusion: Any, current: Measurement, length: Any) -> Bin:
    """The exact bin of a system and its measured current.

    Args:
        drift: A [q q]; diffusion: D [q q]; current: measured; length: of the bin [s].

    Example:
        >>> one = jnp.eye(1)
        >>> long = bin_of(-one, 2 * one, Measurement(one, 0 * one, one), 3.0)
        >>> print(f"{long.motion[0, 0]:.6f} {long.readout[0, 0]:.6f}")
        0.049787 0.950213
    """
    q, k = drift.shape[0], current.output.shape[0]
    # The integral of the current joins the state: d(x, Y) = ((A, 0), (C, 0)) (x, Y) dt + noise.
    a = jnp.block([[drift, jnp.zeros((q, k))], [current.output, jnp.zeros((k, k))]])
    d = jnp.block([[diffusion, current.correlation], [current.correlation.T, current.noise]])
    f, added = propagate(a, d, length)
    return Bin(f[:q, :q], f[q:, :q], added[:q, :q], added[:q, q:], added[q:, q:])


class Filtered(NamedTuple):
    """Filter over bins: state before each bin and after the last, innovations and their covariances.

    mean [t q], covariance [t q q], innovation [t-1 k], innovation_covariance [t-1 k k].
    """

    mean: Any
    covariance: Any
    innovation: Any
    innovation_covariance: Any


def kalman_filter(bins: Bin, record: Any, mean: Any, covariance: Any) -> Filtered:
    """Filter a record.

    Args:
        bins: leaves [t-1 ...]; record: Y [t-1 k]; mean: [q] and covariance: [q q] before the first bin.
    """

    def step(state: tuple[Any, Any], piece: tuple[Bin, Any]) -> tuple[Any, Any]:
        (m, v), (b, y) = state, piece
        s = b.readout @ v @ b.readout.T + b.noise
        cross = b.motion @ v @ b.readout.T + b.cross
        gain = solve(s, cross.T).T
        surprise = y - b.readout @ m
        after = b.motion @ v @ b.motion.T + b.added - gain @ s @ gain.T
        new = (b.motion @ m + gain @ surprise, (after + after.T) / 2)
        return new, (*new, surprise, s)

    _, (m, v, surprise, s) = jax.lax.scan(step, (mean, covariance), (bins, record))
    return Filtered(jnp.concatenate([mean[None], m]), jnp.concatenate([covariance[None], v]), surprise, s)


def kalman_smoother(bins: Bin, filtered: Filtered) -> tuple[Any, Any]:
    """Mean [t q] and covariance [t q q] given the whole record (Rauch, Tung and Striebel, with correlated noise).

    A smoothed covariance is what is known of the past afterwards; it may be smaller than any quantum state allows.
    """

    def step(later: tuple[Any, Any], piece: Any) -> tuple[Any, Any]:
        b, m, v, surprise, s, m_next, v_next = piece
        weighted = solve(s, b.readout @ v).T
        m_now = m + weighted @ surprise
        v_now = v - weighted @ b.readout @ v
        joint = v @ b.motion.T - weighted @ (b.motion @ v @ b.readout.T + b.cross).T
        back = solve(v_next, joint.T).T
        mean = m_now + back @ (later[0] - m_next)
        covariance = v_now + back @ (later[1] - v_next) @ back.T
        new = (mean, (covariance + covariance.T) / 2)
        return new, new

    f = filtered
    last = (f.mean[-1], f.covariance[-1])
    pieces = (bins, f.mean[:-1], f.covariance[:-1], f.innovation, f.innovation_covariance, f.mean[1:], f.covariance[1:])
    _, (m, v) = jax.lax.scan(step, last, pieces, reverse=True)
    return jnp.concatenate([m, last[0][None]]), jnp.concatenate([v, last[1][None]])
