"""Are two parts of a Gaussian state separable: the partial transpose, the log-negativity, and the product criterion.

    nu~ = symplectic eigenvalues of V with the P of one part turned round;  separable states have 2 nu~ >= 1;
    E_N = sum_i max(0, -ln 2 nu~_i)

To turn P round is to turn time round in that part, which leaves it a state only if the parts are not entangled (Simon,
Phys. Rev. Lett. 84, 2726 (2000), ref. [46] of 004).
Up: `report` prints these; down: `bipartition` has the parts and the eigenvalues.
"""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import Outcome
from darkstate.gaussian.state import GaussianState
from darkstate.gaussian.symplectic import symplectic_form
from darkstate.parameters import pytree
from darkstate.witness.bipartition import (
    LARGEST_ERROR,
    certificate,
    combined_variance,
    eigenvalues,
    require_gaussian,
    require_two_modes,
    root,
    transposed_form,
)
from darkstate.witness.value import WitnessValue

UNPHYSICAL = 1e-12
"""Relative change of the numbers in V that must be able to mend the uncertainty relation, else V is unphysical."""


@pytree
class LogNegativity:
    """Log-negativity of one part against the rest.

    Args:
        nats: E_N = sum_i max(0, -ln 2 nu~_i) [...]; 0 for states the partial transpose cannot tell from separable ones.
        smallest: 2 nu~_1 [...]; above 1 it says how far from entangled such a state is.
        rounding: error of `nats` by rounding, up to a small factor [...]; above 1e-3 a sign of lost digits only.
        outcome: `Outcome` code [...]: ok; outside_validity when `rounding` exceeds 1e-3; unphysical_covariance when V
            violates the uncertainty relation by more than rounding; not_converged when V is not finite.
    """

    nats: Any
    smallest: Any
    rounding: Any
    outcome: Any

    @property
    def ebits(self) -> Any:
        """E_N in the unit of one maximally entangled pair of qubits, nats/ln 2 [...]."""
        return self.nats / log(2)


def ppt(state: GaussianState, part: str | tuple[str, ...]) -> WitnessValue:
    """Smallest symplectic eigenvalue of the partially transposed covariance, times two.

    Formula: 2 nu~_1, nu~ the positive eigenvalues of i Omega T V T, T = P -> -P in `part`.
    Source: Simon, Phys. Rev. Lett. 84, 2726 (2000), ref. [46] of 004; Werner and Wolf, ibid. 86, 3658 (2001).

    Args:
        state: [... q q], any number of modes.
        part: name of the mode, or names of the modes, on one side; the rest is on the other.

    Returns:
        `WitnessValue` [...], bound 1 for every state separable between the two sides.

    Validity: below 1 is necessary, too, if one side is a single mode; with two or more modes on each side there are
    entangled states at 1 or above. Values that float64 cannot hold are raised to where it can, so that rounding
    certifies nothing; `rounding` has the error.

    Raises:
        ArgumentError: not a Gaussian state, another convention, unknown modes, or an empty side.

    Example:
        >>> from darkstate.gaussian.state import two_mode_squeezed
        >>> print(f"{ppt(two_mode_squeezed('S', 'M', 0.5), 'S').value:.6f}")
        0.367879
    """
    require_gaussian(state, "ppt")
    form = transposed_form(state, part)
    factor, lowest = root(state.covariance)
    return certificate(*eigenvalues(factor, form, lowest))


def log_negativity(state: GaussianState, part: str | tuple[str, ...]) -> LogNegativity:
    """Logarithmic negativity between one part and the rest.

    Formula: E_N = sum_i max(0, -ln 2 nu~_i) in nats; for states whose P block is the X block with P_2 -> -P_2 it is
    -ln min_g xi_g (004 Eq. (8)).
    Source: Vidal and Werner, Phys. Rev. A 65, 032314 (2002).

    Args:
        state: [... q q], any number of modes.
        part: name of the mode, or names of the modes, on one side.

    Returns:
        `LogNegativity` [...]; 0 on every separable state.

    Validity: float64 holds E_N only to 1e-16 e^{4r}, r = squeezing: to 1e-3 at r = 7. Beyond, the outcome says
    outside_validity, and the number, always finite, is what is left above rounding.

    Raises:
        ArgumentError: not a Gaussian state, another convention, unknown modes, or an empty side.

    Example:
        >>> from darkstate.gaussian.state import two_mode_squeezed
        >>> found = log_negativity(two_mode_squeezed("S", "M", 0.5), "S")
        >>> print(f"{found.nats:.6f} nats = {found.ebits:.6f} ebits")
        1.000000 nats = 1.442695 ebits
    """
    require_gaussian(state, "log_negativity")
    # Both sets of eigenvalues in one call: LAPACK calls that run at the same time can wait for each other for ever.
    forms = np.stack([transposed_form(state, part), symplectic_form(len(state.modes))])
    factor, lowest = root(state.covariance)
    both, errors = eigenvalues(factor[..., None, :, :], forms, lowest[..., None])
    nu, error = both[..., 0, :], errors[..., 0]
    nats = jnp.maximum(-jnp.log(2 * nu), 0.0).sum(axis=-1)
    code = jnp.where(error <= LARGEST_ERROR, int(Outcome.ok), int(Outcome.outside_validity))
    mended = 2 * both[..., 1, 0] >= 1 - UNPHYSICAL / jnp.maximum(lowest, UNPHYSICAL)
    code = jnp.where(mended & (lowest >= -UNPHYSICAL), code, int(Outcome.unphysical_covariance))
    code = jnp.where(jnp.isfinite(nats), code, int(Outcome.not_converged))
    return LogNegativity(nats, 2 * nu[..., 0], error, code)


def product_criterion(state: GaussianState, gain: Any = 1.0) -> WitnessValue:
    """EPR uncertainty product of two modes, with the gain given.

    Formula: 2 sqrt[var(X_1 + g X_2) var(P_1 - g P_2)] / (1 + g^2); never above xi_g of 004 Eq. (8).
    Source: Giovannetti, Mancini, Vitali and Tombesi, Phys. Rev. A 67, 022320 (2003), ref. [47] of 004.

    Args:
        state: two modes [... 4 4].
        gain: g [...], of either sign.

    Returns:
        `WitnessValue` [...], bound 1 for every separable state and every g.

    Raises:
        ArgumentError: not a Gaussian state of two modes, or another convention.

    Example:
        >>> from darkstate.gaussian.state import two_mode_squeezed
        >>> print(f"{product_criterion(two_mode_squeezed('S', 'M', 0.5)).value:.6f}")
        0.367879
    """
    require_gaussian(state, "product_criterion")
    require_two_modes(state, "product_criterion")
    v = jnp.asarray(state.covariance)
    x, x_error = combined_variance(v[..., ::2, ::2], gain)
    p, p_error = combined_variance(v[..., 1::2, 1::2], -gain)
    value = 2 * jnp.sqrt(x) * jnp.sqrt(p) / (1 + gain**2)
    return WitnessValue(value, rounding=jax.lax.stop_gradient(value * (x_error / x + p_error / p) / 2))
