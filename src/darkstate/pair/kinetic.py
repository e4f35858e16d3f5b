"""Kinetic model of an atom pair: independent collisions of classical motion, a Lindblad equation for the spin.

    rho' = -i [2 pi D + H_f, rho] + n <4 pi v (f rho f^+ - {f^+ f, rho}/2)>,      H_f = -(2 pi hbar/mu) n <Re f>
    f(k) = sum_f |f><f| / (-1/a_f + r_f k^2/2 - i k),      <.>: over p(k) ~ k^2 exp(-hbar^2 k^2/(2 mu k_B T))

Contact in a harmonic trap leaves most thermal pairs untouched; real tweezers scramble the motion, and this is their
limit. The mean <.> over p(k) inside the equation takes each pair through all thermal energies between its collisions; a
pair alone keeps its energy, so that this is a model of mixing by the trap, not a consequence of Eq. (1) of 003. In the
basis |f><f'| collisions are one complex rate each; the field acts in the basis of m.
Down: `spin`, `atom_pair`; up: `solve`.
"""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

import numpy as np

from darkstate.atoms.constants import BOLTZMANN, HBAR, PLANCK
from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.pair.atom_pair import AtomPair
from darkstate.pair.spin import channel_matrix, effective_ranges
from darkstate.pair.trap import pair_density
from darkstate.parameters import pytree

# f(k) has its poles on the axis of imaginary k, near 0 for large |a_f|: in ln k they are pi/2 away wherever they are,
# and the trapezoidal rule, exact to exp(-2 pi distance/step), takes them all. k in units of sqrt(2 mu k_B T)/hbar.
_STEP = 0.125
_NODES = np.exp(np.arange(-16.0, 2.2, _STEP))
_WEIGHTS = 4 / sqrt(pi) * _STEP * _NODES**3 * np.exp(-(_NODES**2))

_SQUARINGS, _ORDER = 36, 8

LONGEST = 1e-3
"""No atoms scatter with a longer finite length [m]; larger numbers are in other units."""

LARGEST_PHASE = 1e10
"""Rate times time up to which the exponential is right: its series runs at this over 2^36."""


@pytree
class CollisionRates:
    """How often two atoms in |00> collide.

    Args:
        total: of all collisions [1/s].
        into: of those that end in |00>, chi_1, ..., chi_F [n; 1/s].
    """

    total: Any
    into: Any


def amplitudes(pair: AtomPair, wavenumber: Any) -> Any:
    """Scattering amplitude of each channel at relative wavenumbers [f k; m].

    Formula: f = 1/(-1/a_f + r_f k^2/2 - i k); i/k at the unitarity limit without range, 0 for a_f = 0.

    Args:
        pair: its `lengths` and `mean_length`; wavenumber: k > 0 [k; 1/m].

    Example:
        >>> from darkstate.pair.trap import tweezer
        >>> pair = AtomPair(jnp.array([0.0, jnp.inf]), jnp.zeros(2), tweezer(22e6, 1e-6, 1064e-9, 1.4e-25), 40e-6)
        >>> print(amplitudes(pair, jnp.array([1e8]))[:, 0])
        [0.+0.e+00j 0.+1.e-08j]
    """
    a, k = jnp.asarray(pair.lengths), jnp.asarray(wavenumber)
    some = jnp.where(a == 0, 1.0, a)
    inverse = (-1 / some + 0j)[..., None] + effective_ranges(some, pair.mean_length)[..., None] * k * k / 2 - 1j * k
    # Near a_f = 0 it is -a_f without range, and of second order in a_f with one.
    without = jnp.where(jnp.asarray(pair.mean_length) == 0, -a, 0.0)
    return jnp.where((a == 0)[..., None], without[..., None], 1 / inverse)


def _thermal(pair: AtomPair) -> tuple[Any, Any, Any]:
    """Amplitudes at the nodes [f k], weights of the mean <.> [k] and of <4 pi n v .> [k]."""
    mass = pair.trap.reduced_mass
    k = _NODES * jnp.sqrt(2 * mass * BOLTZMANN * pair.temperature) / HBAR
    flux = 4 * pi * pair_density(pair.trap, pair.temperature) * HBAR * k / mass
    return amplitudes(pair, k), jnp.asarray(_WEIGHTS), flux * _WEIGHTS


def kinetic_liouvillian(pair: AtomPair) -> Any:
    """L of d rho/dt = L rho, rho in the basis |00>, chi_1, ..., chi_F, rows one after another [n^2 n^2; 1/s].

    Formula: see the head of this file; the part of collisions is diagonal in |f><f'| with the eigenvalue
    -n <4 pi v [|f - f'|^2/2 - i Im(f f'*)]> + i (2 pi hbar/mu) n <Re(f - f')>, 0 if all a_f are equal.

    Args:
        pair: the pair; a_f may be 0 (no interaction in that channel) or infinite (unitarity).

    Validity: `gas_parameters` small, motion scrambled between collisions. Then D much below k_B T makes the final
    state 1/n each, and at zero field the one of `spin.dephased`. A range with 0 < a_f < abar has a resonance that is
    not physical and that the average does not resolve.

    Raises:
        ArgumentError: lengths and energies of different number, or a temperature that is not positive.

    Example:
        >>> from darkstate.pair.trap import tweezer
        >>> trap = tweezer(22e6, 1e-6, 1064e-9, 84.911789738 * 1.66053906660e-27)
        >>> equal = AtomPair(jnp.full(3, -3e-8), jnp.zeros(3), trap, 40e-6)
        >>> float(abs(kinetic_liouvillian(equal)).max())
        0.0
    """
    require(pair)
    f, mean, flux = _thermal(pair)
    one, other = f[:, None, :], f[None, :, :]
    apart = one - other
    damping = (apart.real**2 + apart.imag**2) / 2
    # Im(f f'*) with the difference taken out, so that equal channels cancel exactly.
    turning = apart.imag * other.real - apart.real * other.imag
    shift = 2 * pi * HBAR / pair.trap.reduced_mass * pair_density(pair.trap, pair.temperature) * (apart.real @ mean)
    rates = -(damping @ flux) + 1j * (turning @ flux + shift)
    n = len(f)
    u = channel_matrix(n - 1)
    collisions = jnp.einsum("fi,gj,fg,fk,gl->ijkl", u, u, rates, u, u).reshape(n * n, n * n)
    zeeman = jnp.asarray(pair.zeeman_hz)
    return collisions - 2j * pi * jnp.diag((zeeman[:, None] - zeeman).ravel())


def kinetic_states(pair: AtomPair, times: Any, *, initial: Any = None) -> Any:
    """Spin states at given times, in the basis |00>, chi_1, ..., chi_F [... n n].

    Formula: rho(t) = exp(L t) rho(0), L of `kinetic_liouvillian`. Each time has its own exponential, of L t: no error
    adds up over times. Relative to phases 2 pi D t it is exact to rounding: at 41 kHz and 0.1 s to 1e-10.

    Args:
        pair: the pair; times: [...; s], in any order, not negative; initial: density matrix [n n], None for |00>.

    Raises:
        ArgumentError: as `kinetic_liouvillian`, a negative or too long time, or an initial state of another size.

    Example:
        >>> from darkstate.pair.trap import tweezer
        >>> trap = tweezer(22e6, 1e-6, 1064e-9, 84.911789738 * 1.66053906660e-27)
        >>> lengths = jnp.array([-740.0, -570.0, -390.0]) * 5.29177210903e-11
        >>> pair = AtomPair(lengths, jnp.array([0.0, 35.944, 143.776]), trap, 40e-6)  # 0.5 G
        >>> print(jnp.diagonal(kinetic_states(pair, 0.1)).real.round(3))
        [0.388 0.358 0.253]
    """
    generator = kinetic_liouvillian(pair)
    n = len(jnp.asarray(pair.lengths))
    t = jnp.asarray(times, float)
    if not isinstance(t, jax.core.Tracer) and not np.all(np.asarray(t) >= 0):
        raise ArgumentError(f"Argument `times` must not be negative, but has {np.min(np.asarray(t)):g} s.")
    start = jnp.zeros((n, n), complex).at[0, 0].set(1.0) if initial is None else jnp.asarray(initial, complex)
    if start.shape != (n, n):
        raise ArgumentError(f"Argument `initial` must have shape ({n}, {n}), but has shape {start.shape}.")
    if not isinstance(generator, jax.core.Tracer) and not isinstance(t, jax.core.Tracer):
        turned = float(np.abs(np.asarray(generator)).sum(1).max() * np.max(np.asarray(t), initial=0.0))
        if not turned <= LARGEST_PHASE:
            raise ArgumentError(
                f"Argument `times` must keep rates times time below {LARGEST_PHASE:g}, but they reach {turned:.3g}: "
                "shorten the time or lower the field."
            )
    change = _expm1(generator * t[..., None, None]) @ start.ravel()
    return start + change.reshape(*t.shape, n, n)


def collision_rate(pair: AtomPair) -> CollisionRates:
    """Rates of collisions of two atoms in |00>: all of them, and by the state they end in.

    Formula: n <4 pi v |<i|f(k)|00>|^2>.

    Raises:
        ArgumentError: as `kinetic_liouvillian`.

    Example:
        >>> from darkstate.pair.trap import tweezer
        >>> trap = tweezer(22e6, 1e-6, 1064e-9, 84.911789738 * 1.66053906660e-27)
        >>> pair = AtomPair(jnp.array([-740.0, -570.0, -390.0]) * 5.29177210903e-11, jnp.zeros(3), trap, 40e-6)
        >>> rates = collision_rate(pair)
        >>> print(f"{rates.total:.1f}", rates.into.round(1))
        2033.6 [2.0037e+03 2.9600e+01 3.0000e-01]
    """
    require(pair)
    f, _, flux = _thermal(pair)
    u = channel_matrix(len(f) - 1)
    amplitude = jnp.einsum("fi,fk,f->ik", u, f, u[:, 0])
    into = (amplitude.real**2 + amplitude.imag**2) @ flux
    return CollisionRates(into.sum(), into)


def gas_parameters(pair: AtomPair) -> dict[str, Any]:
    """What must be small for the kinetic model to hold.

    Returns:
        dilute: n <|f|^2>^(3/2), largest over the channels; collisions are short and rare.
        classical: h f_max/(k_B T), f_max the largest trap frequency; the motion between collisions is classical.
        zeeman: h max|D_i|/(k_B T); a change of spin does not change the motion.
        range: (k_T abar)^2, k_T = sqrt(2 mu k_B T)/hbar; s waves alone, and r_f as the only correction to a_f.
        small_length: largest abar/|a_f|; for a_f much below abar r_f outgrows both and makes resonances of no atom.

    Raises:
        ArgumentError: as `kinetic_liouvillian`.

    Example:
        >>> from darkstate.pair.trap import tweezer
        >>> trap = tweezer(22e6, 1e-6, 1064e-9, 84.911789738 * 1.66053906660e-27)
        >>> lengths = jnp.array([-740.0, -570.0, -390.0]) * 5.29177210903e-11
        >>> pair = AtomPair(lengths, jnp.array([0.0, 36.0, 144.0]), trap, 40e-6, 78.5 * 5.29177210903e-11)
        >>> {key: f"{value:.0e}" for key, value in gas_parameters(pair).items()}
        {'dilute': '1e-05', 'classical': '1e-01', 'zeeman': '2e-04', 'small_length': '2e-01', 'range': '1e-01'}
    """
    require(pair)
    f, mean, _ = _thermal(pair)
    squared = jnp.max((f.real**2 + f.imag**2) @ mean)
    thermal_hz = BOLTZMANN * pair.temperature / PLANCK
    fastest = jnp.max(jnp.stack([jnp.asarray(x, float) for x in pair.trap.frequencies_hz]))
    return {
        "dilute": pair_density(pair.trap, pair.temperature) * squared * jnp.sqrt(squared),
        "classical": fastest / thermal_hz,
        "zeeman": jnp.max(jnp.abs(jnp.asarray(pair.zeeman_hz))) / thermal_hz,
        "small_length": jnp.max(
            jnp.where(pair.mean_length == 0, 0.0, jnp.abs(pair.mean_length / jnp.asarray(pair.lengths)))
        ),
        "range": 2 * pair.trap.reduced_mass * BOLTZMANN * pair.temperature * (pair.mean_length / HBAR) ** 2,
    }


def _expm1(matrix: Any) -> Any:
    """exp(A) - 1 [... n n] by a series at A/2^36 and (1 + E)^2 - 1 = 2E + E^2; needs norms below 1e10.

    Kept as the difference from 1, in which rounding is relative to E: the number of squarings costs no digits.
    """
    one = jnp.eye(matrix.shape[-1])
    small = matrix / 2.0**_SQUARINGS
    series = one + small / _ORDER
    for order in range(_ORDER - 1, 1, -1):
        series = one + small @ series / order

    def square(_: int, e: Any) -> Any:
        return 2 * e + e @ e

    return jax.lax.fori_loop(0, _SQUARINGS, square, small @ series)


def require(pair: AtomPair) -> None:
    """Refuse a pair that is no single one, or has no temperature or lengths; traced values pass.

    Raises:
        ArgumentError: lengths and energies of different number, a length that is not a number, or a temperature that
            is not positive.
    """
    lengths, zeeman = jnp.shape(pair.lengths), jnp.shape(pair.zeeman_hz)
    if len(lengths) != 1 or lengths[0] < 2 or zeeman != lengths:
        raise ArgumentError(
            "An AtomPair must have one scattering length for each f = 0, 2, ..., 2F and one energy for each of |00>, "
            f"chi_1, ..., chi_F, but `lengths` has shape {lengths} and `zeeman_hz` {zeeman}; for many use jax.vmap."
        )
    if not isinstance(pair.lengths, jax.core.Tracer) and np.isnan(np.asarray(pair.lengths)).any():
        raise ArgumentError(f"Argument `lengths` must hold numbers, but is {np.asarray(pair.lengths)} m.")
    if not isinstance(pair.lengths, jax.core.Tracer):
        sizes = np.abs(np.asarray(pair.lengths, float))
        if (np.isfinite(sizes) & (sizes > LONGEST)).any():
            raise ArgumentError(
                f"Argument `lengths` must be in metres and below {LONGEST:g} m, or infinite, but is {pair.lengths}; a "
                "Bohr radius is 5.29177e-11 m."
            )
    for frequency in pair.trap.frequencies_hz:
        if not isinstance(frequency, jax.core.Tracer) and not frequency > 0:
            raise ArgumentError(f"The frequencies of the trap must be above 0 Hz, but one is {frequency} Hz.")
    temperature = pair.temperature
    if not isinstance(temperature, jax.core.Tracer) and not (np.all(np.isfinite(temperature)) and temperature > 0):
        raise ArgumentError(f"Argument `temperature` must be finite and greater than 0 K, but is {temperature} K.")
