"""A sequence is what is done to a pair between loading and counting: ramps, a gradient, one or two Raman pulses.

    U(tau) = exp[i (Om sigma_x - Delta sigma_z) tau/2],   free: exp(-i Delta T sigma_z/2)     on (|1>, |-1>) of one atom
    p = |<-1|U(tau) free(T) U(tau)|1>|^2,   chi_1: P_1 = (1 - 2p)^2, P_0 = P_2 = 2p (1 - p)

Pulses take microseconds and collisions milliseconds, so that pulses turn the atoms independently (003). Ramps are slow
against the trap frequencies and change temperature, density and Zeeman energies of the kinetic model.
Down: `kinetic`, `spin`, `trap`; up: `detection` counts what a sequence leaves.
"""

from __future__ import annotations

import dataclasses
from math import pi
from typing import Any

from darkstate.atoms.constants import BOHR_MAGNETON, BOLTZMANN, HBAR
from darkstate.atoms.hyperfine import spin_projection
from darkstate.atoms.species import Species
from darkstate.backend import jax, jnp
from darkstate.elementary import elementary
from darkstate.errors import ArgumentError
from darkstate.pair.atom_pair import AtomPair
from darkstate.pair.kinetic import kinetic_states
from darkstate.pair.spin import pair_zeeman_hz
from darkstate.pair.trap import Trap
from darkstate.parameters import pytree


def rotation(rabi_hz: Any, tau: Any, delta_hz: Any = 0.0) -> Any:
    """What a Raman pulse does to one atom in the basis (|1>, |-1>).

    Formula: cos(W tau/2) + i sin(W tau/2) (Om sigma_x - Delta sigma_z)/W, Om = 2 pi rabi_hz, Delta = 2 pi delta_hz,
    W^2 = Om^2 + Delta^2. Source: 003, |+-1> -> cos|+-1> + i sin|-+1>, for Delta = 0.

    Args:
        rabi_hz: Rabi frequency, not 0 [...; Hz]; tau: duration [...; s]; delta_hz: energy of |1> less that of |-1> over
            h, less the frequency between both Raman beams [...; Hz].

    Returns:
        Unitary [... 2 2]; the area on resonance is theta = Om tau.

    Example:
        >>> print(rotation(250e3, 1e-6).round(4))  # pi/2 pulse
        [[0.7071+0.j     0.    +0.7071j]
         [0.    +0.7071j 0.7071+0.j    ]]
    """
    om, delta = jnp.broadcast_arrays(2 * pi * jnp.asarray(rabi_hz), 2 * pi * jnp.asarray(delta_hz))
    w = jnp.sqrt(om * om + delta * delta)
    cosine, sine = jnp.cos(w * tau / 2), 1j * jnp.sin(w * tau / 2)
    up, turn = cosine - sine * delta / w, sine * om / w
    return jnp.stack([jnp.stack([up, turn], -1), jnp.stack([turn, jnp.conj(up)], -1)], -2)


def ramsey_probability(delta_hz: Any, tau: Any, dark_time: Any, rabi_hz: Any = None) -> Any:
    """Probability that two equal pulses with a dark time between them move one atom from |1> to |-1>.

    Formula: p = 4 (Om/W)^2 sin^2(W tau/2) [cos(W tau/2) cos(pi delta T) - (Delta/W) sin(W tau/2) sin(pi delta T)]^2,
    Delta = 2 pi delta, W^2 = Om^2 + Delta^2: two `rotation` and the free turn between them. Source: N. F. Ramsey, Phys.
    Rev. 78, 695 (1950). The light shifts no levels, so that delta is the same in the pulses and between them.

    Args:
        delta_hz: delta, as for `rotation` [...; Hz]; tau: of each pulse [s]; dark_time: T between the pulses [s].
        rabi_hz: Rabi frequency, not 0 [Hz]; None: pi/2 pulses, 1/(4 tau).

    Returns:
        p [...], 1 on resonance with pi/2 pulses.

    Raises:
        ArgumentError: a plain duration of a pulse that is not above 0, a plain dark time below 0.

    Example:
        >>> print(ramsey_probability(jnp.array([0.0, 35.42e3, 70.997e3]), 1.62e-6, 5e-6).round(3))
        [1.  0.5 0. ]
    """
    om, delta = _rabi(tau, dark_time, rabi_hz), 2 * pi * jnp.asarray(delta_hz)
    w = jnp.sqrt(om * om + delta * delta)
    sine, cosine = jnp.sin(w * tau / 2), jnp.cos(w * tau / 2)
    phase = delta * dark_time / 2
    return 4 * (om / w * sine * (cosine * jnp.cos(phase) - delta / w * sine * jnp.sin(phase))) ** 2


def ramsey_pair(transfer: Any) -> Any:
    """Probabilities of 0, 1, 2 atoms in m = -1 after a sequence on chi_1, nothing else going wrong.

    Formula: P_1 = (1 - 2p)^2, P_0 = P_2 = 2p (1 - p). Source: 003 Fig. 4, upper panel; chi_1 turns like spin 1, m = 0.

    Args:
        transfer: p of one atom [...], from `ramsey_probability`, or sin^2(theta/2) of one pulse.

    Returns:
        [... 3].

    Example:
        >>> print(ramsey_pair(0.5), ramsey_pair(1.0))
        [0.5 0.  0.5] [0. 1. 0.]
    """
    p = jnp.asarray(transfer)
    return jnp.stack([2 * p * (1 - p), (1 - 2 * p) ** 2, 2 * p * (1 - p)], axis=-1)


def ramsey_separate(transfer: Any) -> Any:
    """Probabilities of 0, 1, 2 atoms in m = -1 after a sequence on two separate atoms in |1>.

    Formula: P_0 = (1 - p)^2, P_1 = 2p (1 - p), P_2 = p^2. Source: 003 Fig. 4, lower panel.

    Caution: P_1 = [1 - (1 - 2p)^2]/2 has the fringes of `ramsey_pair` upside down at half height, so of the same
    spacing. Twice the spacing, as 003 states it, holds for P_2 and for the mean number 2p.

    Args:
        transfer: p of one atom [...].

    Returns:
        [... 3].

    Example:
        >>> print(ramsey_separate(0.5))
        [0.25 0.5  0.25]
    """
    p = jnp.asarray(transfer)
    return jnp.stack([(1 - p) ** 2, 2 * p * (1 - p), p * p], axis=-1)


def fringe_spacing_hz(tau: Any, dark_time: Any, rabi_hz: Any = None) -> Any:
    """Spacing of the Ramsey fringes of chi_1 at the centre: detuning from the central maximum of P_1 to the next one.

    Formula: the smallest delta with p = 0, W cos(W tau/2) cos(pi delta T) = Delta sin(W tau/2) sin(pi delta T); for
    short pulses 1/[2 (T + 4 tau/pi)]. Twice this lies between the zeros of P_2 = p^2 of two separate atoms, on either
    side of the centre. Farther out the fringes of finite pulses are wider.

    Args:
        tau: of each pulse [...; s]; dark_time: T [...; s]; rabi_hz: Rabi frequency [Hz], below 1/(2 tau); None: pi/2
            pulses, 1/(4 tau).

    Returns:
        The spacing [...; Hz]; not a number where the pulses are longer than a pi pulse.

    Raises:
        ArgumentError: as `ramsey_probability`.

    Example:
        >>> print(f"{fringe_spacing_hz(1.62e-6, 5e-6) / 1e3:.2f} kHz")  # 003: 71 kHz
        71.00 kHz
    """
    om, tau, dark = _rabi(tau, dark_time, rabi_hz), jnp.asarray(tau, float), jnp.asarray(dark_time, float)

    def amplitude(delta: Any) -> Any:
        w = jnp.sqrt(om * om + delta * delta)
        phase = delta * dark / 2
        return w * jnp.cos(w * tau / 2) * jnp.cos(phase) - delta * jnp.sin(w * tau / 2) * jnp.sin(phase)

    # Up to where the first of both cosines vanishes the amplitude falls from a positive value to none, once.
    high = jnp.minimum(jnp.sqrt((pi / tau) ** 2 - om * om), pi / dark)

    def halve(_: int, ends: tuple[Any, Any]) -> tuple[Any, Any]:
        low, high = ends
        middle = (low + high) / 2
        above = amplitude(middle) > 0
        return jnp.where(above, middle, low), jnp.where(above, high, middle)

    low, high = jax.lax.fori_loop(0, 60, halve, jax.lax.stop_gradient((jnp.zeros_like(high), high)))
    root = (low + high) / 2
    # A step of Newton from the root itself: it changes nothing but carries the derivatives.
    slope = jax.lax.stop_gradient(jax.jvp(amplitude, (root,), (jnp.ones_like(root),))[1])
    return (root - amplitude(root) / slope) / (2 * pi)


def _rabi(tau: Any, dark_time: Any, rabi_hz: Any) -> Any:
    """Om [1/s], of pi/2 pulses unless given."""
    if isinstance(tau, (int, float)) and not tau > 0:
        raise ArgumentError(f"Argument `tau` must be above 0, but is {tau:g} s: give the duration of one pulse.")
    if isinstance(dark_time, (int, float)) and not dark_time >= 0:
        raise ArgumentError(f"Argument `dark_time` must be at least 0, but is {dark_time:g} s.")
    return pi / 2 / jnp.asarray(tau, float) if rabi_hz is None else 2 * pi * jnp.asarray(rabi_hz, float)


def gradient_mixing(
    trap: Trap, gradient: Any, temperature: Any, atom: Species, *, spin: float = 2, axis: str = "z"
) -> Any:
    """Probability of chi_- that a gradient of the field gives to chi_1, by symmetry broken in the relative motion.

    Formula: p = [1 - exp(-2 d^2 k_T^2)]/2, d = g_F mu_B gradient/(mu omega^2), k_T^2 = (mu omega/2 hbar)
    coth(hbar omega/2 k_B T), which is mu k_B T/hbar^2 in a classical gas. |1, -1> and |-1, 1> are pushed to +-d, and
    their coherence is the thermal mean of the displacement by 2d, a Gaussian. Then F = 1 - p.
    Source: derived here; 003 (Entanglement destruction): the gradient alone is not enough.

    Args:
        trap: with both atoms; gradient: of the size of the field [T/m]; temperature: of the relative motion [K].
        atom: the species; spin: F, which sets g_F; axis: "x", "y" or "z" of the trap, along which the field changes.

    Returns:
        p, 0 to 1/2.

    Validity: a gradient that comes slowly against the trap and is there still; one that returns slowly gives chi_1
    back. One switched at once makes both branches swing: 2 d^2 k_T^2 becomes 8 d^2 k_T^2 sin^2(omega t/2), twice
    as much in the mean. All relative states are counted; those of even parity alone, which chi_1 has, change p by the
    share prod_j tanh(hbar omega_j/2 k_B T).

    Raises:
        ArgumentError: another axis, or a plain temperature that is not above 0.

    Example:
        >>> from darkstate.atoms.species import species
        >>> from darkstate.pair.trap import tweezer
        >>> trap = tweezer(22e6, 1e-6, 1064e-9, species("85Rb").mass)
        >>> f"{gradient_mixing(trap, 0.028, 40e-6, species('85Rb')):.2e}"  # 2.8 G/cm along the beam
        '9.42e-06'
    """
    if axis not in ("x", "y", "z"):
        raise ArgumentError(f"Argument `axis` must be 'x', 'y' or 'z', but is {axis!r}.")
    if isinstance(temperature, (int, float)) and not temperature > 0:
        raise ArgumentError(f"Argument `temperature` must be above 0, but is {temperature:g} K.")
    omega, mu = 2 * pi * trap.frequencies_hz["xyz".index(axis)], trap.reduced_mass
    electron = spin_projection(atom.nuclear_spin, atom.ground_spin, spin, spin, 1)
    force = BOHR_MAGNETON * (atom.g_j * electron + atom.g_i * (1 - electron)) * gradient
    shift = force / (mu * omega * omega)
    spread = mu * omega / (2 * HBAR) / elementary("tanh", HBAR * omega / (2 * BOLTZMANN * temperature))
    return -elementary("expm1", -2 * shift * shift * spread) / 2


def ramped_temperature(temperature: Any, before: Trap, after: Trap) -> Any:
    """Temperature after the trap has changed slowly against its frequencies.

    Formula: T' = T omega'/omega, geometric means; the phase-space density stays. A tweezer: T ~ sqrt(depth).

    Args:
        temperature: before [K]; before, after: the trap.

    Validity: exact for each axis by itself where all three frequencies change alike; otherwise energy has to pass
    between the axes faster than they change.

    Example:
        >>> from darkstate.pair.trap import tweezer
        >>> deep, shallow = (tweezer(depth, 1e-6, 1064e-9, 1.41e-25) for depth in (57e6, 22e6))
        >>> f"{1e6 * ramped_temperature(64.4e-6, deep, shallow):.1f} uK"
        '40.0 uK'
    """
    return temperature * after.mean_frequency_hz / before.mean_frequency_hz


@pytree
class Ramp:
    """Depth of the tweezer and magnetic field changed linearly in time; equal ends hold them.

    A merge is a ramp from the moment on in which the atoms share one trap.

    Args:
        duration: [s]; depth_hz: depth over h at both ends [Hz Hz]; field: at both ends [T T].

    Example:
        >>> Ramp(20e-3, (57e6, 22e6), (8.5e-4, 0.5e-4)).at(0.5)
        (39500000.0, 0.00045)
    """

    duration: Any
    depth_hz: tuple[Any, Any]
    field: tuple[Any, Any]

    def at(self, share: Any) -> tuple[Any, Any]:
        """Depth [Hz] and field [T] after a share of the ramp, 0 to 1."""
        depth, field = (ends[0] + share * (ends[1] - ends[0]) for ends in (self.depth_hz, self.field))
        return depth, field


def ramp_pair(pair: AtomPair, ramp: Ramp, share: Any, atom: Species) -> AtomPair:
    """The pair after a share of a ramp: trap frequencies and temperature ~ sqrt(depth), Zeeman energies of the field.

    Args:
        pair: with the trap and the temperature of the start of the ramp; its Zeeman energies do not matter.
        ramp: the ramp; share: 0 to 1; atom: the species, in its ground level of F = len(pair.lengths) - 1.

    Raises:
        ArgumentError: a plain depth that is not above 0.

    Example:
        >>> from darkstate.atoms.species import species
        >>> from darkstate.pair.trap import tweezer
        >>> rb = species("85Rb")
        >>> pair = AtomPair(jnp.full(3, -3e-8), jnp.zeros(3), tweezer(57e6, 1e-6, 1064e-9, rb.mass), 64.4e-6)
        >>> after = ramp_pair(pair, Ramp(20e-3, (57e6, 22e6), (8.5e-4, 0.5e-4)), 1.0, rb)
        >>> print(f"{1e6 * after.temperature:.1f} uK, {after.trap.frequencies_hz[2]:.0f} Hz,", after.zeeman_hz.round(2))
        40.0 uK, 24511 Hz, [  0.    35.94 143.78]
    """
    for depth in ramp.depth_hz:
        if isinstance(depth, (int, float)) and not depth > 0:
            raise ArgumentError(f"Argument `depth_hz` of a ramp must be above 0 at both ends, but is {depth:g} Hz.")
    depth, field = ramp.at(share)
    scale = elementary("sqrt", depth / ramp.depth_hz[0])
    x, y, z = pair.trap.frequencies_hz
    trap = Trap((x * scale, y * scale, z * scale), pair.trap.mass)
    return dataclasses.replace(
        pair,
        trap=trap,
        temperature=ramped_temperature(pair.temperature, pair.trap, trap),
        zeeman_hz=pair_zeeman_hz(atom, jnp.shape(pair.lengths)[0] - 1, field),
    )


def ramp_states(pair: AtomPair, ramp: Ramp, atom: Species, *, initial: Any = None, segments: int = 256) -> Any:
    """Spin states during a ramp by the kinetic model, which is constant in each of equal segments of time.

    Formula: rho_{k+1} = exp(L_{k+1/2} duration/segments) rho_k, L of the middle of a segment; the error falls as
    1/segments^2 once a segment turns phases by less than a radian, and populations settle earlier: in 20 ms from 8.5
    to 0.5 G 32 segments leave 3e-4, 256 leave 2e-6.

    Args:
        pair: with the trap and the temperature of the start of the ramp; ramp: the ramp; atom: the species.
        initial: density matrix in the basis |00>, chi_1, ..., chi_F [n n]; None for |00>; segments: at least 1.

    Returns:
        Density matrices at the ends of the segments [segments+1 n n]; the first is `initial`.

    Raises:
        ArgumentError: no segments, a negative duration, or as `ramp_pair` and `kinetic.kinetic_states`.

    Example:
        >>> from darkstate.atoms.species import species
        >>> from darkstate.pair.trap import tweezer
        >>> rb = species("85Rb")
        >>> lengths = jnp.array([-740.0, -570.0, -390.0]) * 5.29177210903e-11
        >>> pair = AtomPair(lengths, jnp.zeros(3), tweezer(22e6, 1e-6, 1064e-9, rb.mass), 40e-6)
        >>> states = ramp_states(pair, Ramp(5e-3, (22e6, 22e6), (0.5e-4, 0.5e-4)), rb, segments=2)
        >>> print(jnp.diagonal(states[-1]).real.round(4))
        [0.5743 0.3975 0.0283]
    """
    if segments < 1:
        raise ArgumentError(f"Argument `segments` must be at least 1, but is {segments}.")
    if isinstance(ramp.duration, (int, float)) and not ramp.duration >= 0:
        raise ArgumentError(f"Argument `duration` of a ramp must be at least 0, but is {ramp.duration:g} s.")
    n = jnp.shape(pair.lengths)[0]
    start = jnp.zeros((n, n), complex).at[0, 0].set(1.0) if initial is None else jnp.asarray(initial, complex)

    def advance(rho: Any, share: Any) -> tuple[Any, Any]:
        after = kinetic_states(ramp_pair(pair, ramp, share, atom), ramp.duration / segments, initial=rho)
        return after, after

    _, states = jax.lax.scan(advance, start, (jnp.arange(segments) + 0.5) / segments)
    return jnp.concatenate([start[None], states])
