"""Variances with honest errors: cycles may be correlated, and few cycles do not make a normal distribution.

    2 tau = 1 + 2 sum_k rho_k,   2 tau_q = 1 + 2 sum_k rho_k^2
    mean square about the mean/(1 - 2 tau/n) = variance,   chi^2 with (n - 2 tau)/(2 tau_q) degrees of freedom

The square of a Gaussian variable is correlated as rho^2, so tau_q is found with little noise. Down: nothing; up:
`reconstruct`, `calibrate`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from darkstate.errors import InputError

MIN_CYCLES = 20
"""Fewer cycles give no variance worth a verdict."""

_LONGEST = 200
"""Longest lag looked at, in cycles."""


class Variance(NamedTuple):
    """A variance and how well it is known.

    Args:
        value: mean of the variances of both quadratures; dof: effective degrees of freedom nu, standard error
            value sqrt(2/nu); cycles: cycles used; memory: 2 tau_q, 1 for independent cycles.
    """

    value: float
    dof: float
    cycles: int
    memory: float

    @property
    def error(self) -> float:
        """Standard error."""
        return float(self.value * np.sqrt(2 / self.dof))

    def minus(self, other: Variance | None) -> Variance:
        """Without the variance of an independent noise, degrees of freedom after Satterthwaite."""
        if other is None:
            return self
        left = self.value - other.value
        spread = 2 * self.value**2 / self.dof + 2 * other.value**2 / other.dof
        return self._replace(value=left, dof=2 * left**2 / spread)


def variance(y: np.ndarray, *, what: str = "the record") -> Variance:
    """Variance about the mean, averaged over quadratures.

    Args:
        y: [c q], nan where a cycle is to be left out; what: how messages call it.

    Raises:
        InputError: fewer than MIN_CYCLES usable cycles.

    Example:
        >>> rng = np.random.default_rng(1)
        >>> v = variance(rng.standard_normal((4000, 2)))
        >>> print(f"{v.value:.2f} +- {v.error:.3f}, memory {v.memory:.2f}")
        0.99 +- 0.016, memory 1.00
    """
    kept = y[np.isfinite(y).all(1)]
    n, q = kept.shape
    if n < MIN_CYCLES:
        raise InputError(
            [
                f"{what} has {n} usable cycles of {len(y)}; a variance needs at least {MIN_CYCLES}"
                + ("; the others hold samples that are not numbers" if n < len(y) else "; record more")
            ]
        )
    centred = kept - kept.mean(0)
    square = float((centred**2).mean())
    if square <= 1e-20 * float((kept**2).mean()):
        raise InputError([f"{what} is the same in every cycle; it holds no noise, check the detector"])
    tau, memory = _memories(centred)
    # the mean is taken from the same data, which costs one degree of freedom per correlated stretch
    value = square / (1 - min(tau / n, 0.5))
    return Variance(value, q * max(n - tau, 1.0) / memory, n, memory)


def _memories(centred: np.ndarray) -> tuple[float, float]:
    """(2 tau, 2 tau_q) of the cycles, averaged over quadratures; 1 and 1 where nothing speaks against independence."""
    n, q = centred.shape
    longest = min(_LONGEST, n // 4)
    size = 1 << int(np.ceil(np.log2(2 * n)))
    power = np.abs(np.fft.rfft(centred, size, axis=0)) ** 2
    rho = np.fft.irfft(power.sum(1), size)[: longest + 1]
    rho = rho / rho[0]
    # rho of white noise has mean -1/n and variance 1/(q n); the first lag tells whether there is any memory
    rho, floor = rho[1:] + 1 / n, 1 / (q * n)
    tau, window = _window(rho)
    chi = float((rho[: window + 1] ** 2).sum() / floor)
    if chi < (window + 1) + 3 * np.sqrt(2 * (window + 1)):
        return 1.0, 1.0
    # with memory the mean is less certain and takes more away from every lag
    rho = rho + (tau[window] - 1) / n
    tau, window = _window(rho)
    return max(float(tau[window]), 1.0), max(float(1 + 2 * (rho[: window + 1] ** 2 - floor).sum()), 1.0)


def _window(rho: np.ndarray) -> tuple[np.ndarray, int]:
    """Running sums 2 tau, and the first lag at which the sum has had five correlation times to converge."""
    tau = np.cumsum(2 * rho) + 1
    return tau, next((k for k in range(len(rho)) if k + 1 >= 5 * tau[k]), len(rho) - 1)


def allan(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Allan deviation of a series over averaging lengths 1, 2, 4 ... [number of values].

    White noise falls as one over the square root of the length; where it stops falling, the apparatus drifts.

    Example:
        >>> lengths, deviation = allan(np.random.default_rng(1).standard_normal(4096))
        >>> print(lengths[:4], (deviation[0] / deviation[4]).round(1))
        [1 2 4 8] 3.8
    """
    lengths = 2 ** np.arange(max(1, int(np.log2(max(2, len(values) // 3))) + 1))
    found = []
    for m in lengths:
        means = values[: len(values) // m * m].reshape(-1, m).mean(1)
        found.append(np.sqrt((np.diff(means) ** 2).mean() / 2))
    return lengths, np.array(found)
