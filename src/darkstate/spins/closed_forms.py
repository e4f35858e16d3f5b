"""Closed forms for N to infinity: populations, steady state, and the adiabatic time evolution of the papers.

    xi_inf = (1/P) [Gt + dG P^2 (mu-nu)^2] / (Gt + dG P)                       001 Eqs. (5), (15)
    Sigma(t) = N_2(0) e^{-g t} + N_2 [Gt + dG P^2 (mu-nu)^2]/g (1 - e^{-g t}),  g = Gt + d(t)G P(t)     001 Eq. (21)

Eq. (14) is Eq. (21) for two levels, divided by N P; (B3) of 000 is Eq. (21) divided by N_2 P_2. All are generalised
here to unequal ensembles, transmission and Larmor mismatch; for equal ensembles they are the papers' formulas.
"""

from __future__ import annotations

from typing import Any

from darkstate.backend import jax, jnp
from darkstate.spins.ensembles import Rates, SpinEnsembles
from darkstate.spins.moments import one_way
from darkstate.spins.state import Isotropic, product_state


def xi_steady(*, polarization: Any, transverse: Any, collective: Any, z: Any) -> Any:
    """Steady-state xi of two equal two-level ensembles.

    Formula: xi = (1/P)[Gt + dG P^2 / Z^2]/(Gt + dG P). Source: 001 Eq. (15), right as printed.

    Args:
        polarization: P > 0 [1].
        transverse: Gamma-tilde [1/s].
        collective: d Gamma [1/s].
        z: squeezing parameter Z [1].

    Returns:
        xi; separable states have at least 1. Validity: N to infinity.

    Example:
        >>> round(float(xi_steady(polarization=1.0, transverse=0.0, collective=1.0, z=2.5)), 12)
        0.16
    """
    return (transverse + collective * (polarization / z) ** 2) / (transverse + collective * polarization) / polarization


def population_matrix(rates: Rates) -> Any:
    """M of d(up, down, h)/dt = M (up, down, h), columns summing to zero [... 3 3; 1/s].

    Source: 001 Eq. (20), corrected (row 16 of the corrections): the printed third column is -2(Ghu + Ghd) and the
    printed element (1, 2) repeats the element (2, 1).
    """
    r = rates
    return jnp.stack(
        [
            jnp.stack([-(r.heating + r.up_to_h), r.cooling, r.h_to_up], axis=-1),
            jnp.stack([r.heating, -(r.cooling + r.down_to_h), r.h_to_down], axis=-1),
            jnp.stack([r.up_to_h, r.down_to_h, -(r.h_to_up + r.h_to_down)], axis=-1),
        ],
        axis=-2,
    )


def steady_populations(rates: Rates, initial: Isotropic) -> tuple[Any, Any, Any]:
    """Stationary fractions (up, down, h) [2 each], by the matrix-tree theorem.

    Where |h> is out of reach the atoms in the subsystem at the start stay there; where nothing moves, nothing changes.
    Where other missing rates leave several steady states, all fractions are 0, which `solve` reports as unstable.
    """
    r = rates
    back = r.h_to_up + r.h_to_down
    up = r.cooling * back + r.down_to_h * r.h_to_up
    down = r.heating * back + r.up_to_h * r.h_to_down
    h = r.up_to_h * (r.cooling + r.down_to_h) + r.down_to_h * r.heating
    three = up + down + h
    closed = (back == 0) & (r.up_to_h == 0) & (r.down_to_h == 0)
    flips = r.cooling + r.heating
    still = closed & (flips == 0)

    def ratio(part: Any, whole: Any) -> Any:
        return jnp.where(whole > 0, part / jnp.where(whole > 0, whole, 1.0), 0.0)

    def pick(three_level: Any, two_level: Any, start: Any) -> Any:
        return jnp.where(still, start, jnp.where(closed, two_level, three_level))

    return (
        pick(ratio(up, three), (initial.up + initial.down) * ratio(r.cooling, flips), initial.up),
        pick(ratio(down, three), (initial.up + initial.down) * ratio(r.heating, flips), initial.down),
        pick(ratio(h, three), initial.h, initial.h),
    )


def start(model: SpinEnsembles) -> Isotropic:
    """The state at t = 0: uncorrelated atoms with the model's populations."""
    return product_state(up=model.initial_up, down=model.initial_down)


def decay_rates(x: Any, rates: Rates) -> Any:
    """g_j = Gt + d(t)G P_2(t), the decay rate of the transverse variances [... 2; 1/s]."""
    return rates.transverse + 2 * rates.collective * x


def steady_moments(model: SpinEnsembles, rates: Rates) -> Isotropic:
    """Steady state for N to infinity, unequal ensembles, mismatch, transmission and one-way signal included.

    With S = Jy + iJz, m = <S_I S_II>/sqrt(N_I N_II), v_j = <Jy^2>/N_j, D_j = Gt n_2/4 + dG (mu^2+nu^2) x^2, g the mean
    of g_I and g_II, (s, f) from `one_way` and k = 2 f x_II, the equations of `moments` close in three lines:
    v_I = D_I/g_I,  m (g - i dOmega) = -2 s x_I x_II + 2 k v_I,  v_II = (D_II + k Re m)/g_II.

    Validity: all g_j > 0 (else there is no steady state; `solve` says `unstable`).
    """
    up, down, h = steady_populations(rates, start(model))
    x, two_level = (up - down) / 2, up + down
    g = decay_rates(x, rates)
    shared, drive = one_way(model, rates)
    noise = rates.transverse * two_level / 4 + rates.collective * (model.mu**2 + model.nu**2) * x**2
    signal = 2 * drive * x[1]
    v_first = noise[0] / g[0]
    pair = (2 * signal * v_first - 2 * shared * x[0] * x[1]) / (g.mean() - 1j * model.larmor.sum())
    v = jnp.stack([v_first, (noise[1] + signal * pair.real) / g[1]])
    return Isotropic(up, down, h, v, pair.real / 2, pair.imag / 2)


def adiabatic_moments(model: SpinEnsembles, rates: Rates, times: Any) -> Isotropic:
    """Time evolution with P_2(t) and N_2(t) frozen inside the rate: 001 Eqs. (14), (21); 000 Eq. (B3) [t 2].

    Args:
        model: the two ensembles; rates: constant total rates [leaves 2]; times: [t; s].

    Validity: constant rates; populations slow against g (error in xi up to 2e-3 at Z = 1.5 and 1.8e-2 at Z = 2.5);
    loss of atoms enters the long-time term only; ensembles of equal Z.
    """
    first = start(model)
    initial = jnp.stack([first.up, first.down, first.h], axis=-1)
    matrix = population_matrix(rates)

    def at(t: Any) -> Isotropic:
        up, down, h = jnp.einsum("eab,eb->ae", jax.vmap(jax.scipy.linalg.expm)(matrix * t), initial)
        x, two_level = (up - down) / 2, up + down
        g = decay_rates(x, rates)
        shared, _ = one_way(model, rates)
        noise = rates.transverse * two_level / 4 + rates.collective * (model.mu**2 + model.nu**2) * x**2
        v = first.transverse * jnp.exp(-g * t) + noise * _grown(g, t)
        pair = -2 * shared * x[0] * x[1] * _grown(g.mean() - 1j * model.larmor.sum(), t)
        return Isotropic(up, down, h, v, pair.real / 2, pair.imag / 2)

    return jax.vmap(at)(times)


def _grown(rate: Any, t: Any) -> Any:
    """(1 - e^{-rate t})/rate, and t where the rate vanishes."""
    small = jnp.abs(rate * t) < 1e-6
    safe = jnp.where(small, 1.0, rate)
    return jnp.where(small, t * (1 - rate * t / 2), -jnp.expm1(-safe * t) / safe)
