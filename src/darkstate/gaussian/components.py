"""The components of a network: each is a quadratic Hamiltonian, or an optic that squeezes or does not.

    H = x^T G x/2 + sum_k x^T M_k u_k     =>   A = Omega G + Omega M Omega M^T/2,  B = Omega M,  C = Omega M^T,  E = 1

u_k = (x, p) of the light at port k. A beam-splitter coupling sqrt(rate)(a^dag b + a b^dag) has M = sqrt(rate) diag(1,
1), a down-conversion coupling sqrt(rate)(a^dag b^dag + a b) has M = sqrt(rate) diag(1, -1) (004 Eq. 2). A component
called NAME has ports "NAME.light" or "NAME.upper", "NAME.lower", each an input and an output; "NAME.bath" is where it
decays.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.gaussian.linear_system import LinearSystem, root, rotation
from darkstate.gaussian.state import quadratures
from darkstate.gaussian.symplectic import symplectic_form


def open_system(
    modes: tuple[str, ...], hamiltonian: Any, couplings: Mapping[str, Any], *, force_noise: Any = None
) -> LinearSystem:
    """Modes with any quadratic Hamiltonian and any linear coupling to light.

    Formula: H = x^T G x/2 + sum_k x^T M_k u_k.

    Args:
        modes: names; hamiltonian: G [q q; 1/s]; couplings: port name to M_k [q 2; 1/sqrt(s)]; force_noise: classical
            noise beside the ports, D_0 [q q; 1/s].

    Raises:
        ArgumentError: a shape does not fit, or a name comes twice.

    Example:
        >>> decay = open_system(("a",), np.zeros((2, 2)), {"a.light": np.sqrt(2.0) * np.eye(2)})
        >>> decay.drift.round(3).tolist()
        [[-1.0, 0.0], [0.0, -1.0]]
    """
    quadratures(modes, modes)
    q, ports = 2 * len(modes), tuple(couplings)
    g = jnp.asarray(hamiltonian, float)
    if g.shape != (q, q):
        raise ArgumentError(f"Argument `hamiltonian` must have shape ({q}, {q}), but has {g.shape}.")
    for name, matrix in couplings.items():
        if jnp.shape(matrix) != (q, 2):
            raise ArgumentError(f"Coupling {name!r} must have shape ({q}, 2), but has {jnp.shape(matrix)}.")
    noise = jnp.zeros((q, q)) if force_noise is None else jnp.asarray(force_noise, float)
    if noise.shape != (q, q):
        raise ArgumentError(f"Argument `force_noise` must have shape ({q}, {q}), but has {noise.shape}.")
    return _built(g, {name: jnp.asarray(m, float) for name, m in couplings.items()}, noise, tuple(modes), ports)


@partial(jax.jit, static_argnames=("modes", "ports"))
def _built(
    g: Any, couplings: dict[str, Any], noise: Any, modes: tuple[str, ...], ports: tuple[str, ...]
) -> LinearSystem:
    m = jnp.concatenate([jnp.zeros((2 * len(modes), 0)), *(couplings[name] for name in ports)], axis=1)
    om, om_u = symplectic_form(len(modes)), symplectic_form(len(ports))
    u = 2 * len(ports)
    return LinearSystem(
        drift=om @ (g + g.T) / 2 + om @ m @ om_u @ m.T / 2,
        coupling=om @ m,
        output=om_u @ m.T,
        feedthrough=jnp.eye(u),
        input_noise=jnp.eye(u) / 2,
        force_noise=noise,
        modes=modes,
        inputs=ports,
        outputs=ports,
    )


def oscillator(
    name: str,
    *,
    frequency: Any,
    passive: Any = 0.0,
    active: Any = 0.0,
    amplitudes: tuple[Any, Any] | None = None,
    damping: Any = 0.0,
    amplification: Any = 0.0,
    decoherence: Any = None,
) -> LinearSystem:
    """An oscillator of either sign of mass, in the laboratory frame (no rotating-wave approximation).

    Formula: H = (frequency/2)(X^2 + P^2) + sqrt(passive)(a^dag b + h.c.) + sqrt(active)(a^dag b^dag + h.c.) (004 Eqs.
    1, 2).

    Args:
        name: name of the mode; ports NAME.light and NAME.bath.
        frequency: signed angular frequency [1/s]; negative = negative effective mass.
        passive, active: rates Gamma_B = Gamma sin^2 theta, Gamma_P = Gamma cos^2 theta [1/s].
        amplitudes: sqrt(Gamma) sin theta and sqrt(Gamma) cos theta instead, smooth where one of them changes sign.
        damping: intrinsic decay rate gamma_0 of the energy (the amplitude decays at gamma_0/2) [1/s].
        amplification: intrinsic gain, such as off-resonant light gives [1/s]; the net gamma_0 is damping -
            amplification.
        decoherence: thermal decoherence rate gamma_0 (n + 1/2) [1/s]; left out = zero temperature.

    Raises:
        ArgumentError: a negative rate, or less decoherence than (damping + amplification)/2.

    Example:
        >>> oscillator("M", frequency=10.0, passive=2.0, damping=0.5).inputs
        ('M.light', 'M.bath')
    """
    bath, hot = _bath(name, passive, active, damping, amplification, decoherence)
    b, p = (root(passive), root(active)) if amplitudes is None else amplitudes
    couplings = {f"{name}.light": jnp.diag(jnp.stack([b + p, b - p])), f"{name}.bath": bath}
    return open_system((name,), frequency * jnp.eye(2), couplings, force_noise=hot)


def sideband_oscillator(
    name: str,
    *,
    passive: Any = 0.0,
    active: Any = 0.0,
    amplitudes: tuple[Any, Any] | None = None,
    negative_mass: bool = False,
    detuning: Any = 0.0,
    damping: Any = 0.0,
    amplification: Any = 0.0,
    decoherence: Any = None,
) -> LinearSystem:
    """An oscillator in its rotating frame, coupled to the two sidebands of one light beam.

    Formula: H = (detuning/2)(X^2 + P^2) + sqrt(passive)(a^dag b_B + h.c.) + sqrt(active)(a^dag b_P^dag + h.c.); the
    beam-splitter sideband b_B is the upper one for positive, the lower one for negative mass (004 Eqs. 3-5).

    Args:
        name: name of the mode; ports NAME.upper, NAME.lower and NAME.bath.
        passive, active, amplitudes: as in `oscillator`.
        negative_mass: whether energy must be taken from the oscillator to excite it, as in an inverted spin.
        detuning: of the oscillator from the rotating frame [1/s].
        damping, amplification, decoherence: as in `oscillator`.

    Validity: rates well below the resonance frequency; `oscillator` has no such limit.

    Raises:
        ArgumentError: a negative rate, or less decoherence than (damping + amplification)/2.

    Example:
        >>> sideband_oscillator("S", passive=1.0, active=1.0, negative_mass=True).inputs
        ('S.upper', 'S.lower', 'S.bath')
    """
    bath, hot = _bath(name, passive, active, damping, amplification, decoherence)
    b, p = (root(passive), root(active)) if amplitudes is None else amplitudes
    beam_splitting, converting = b * jnp.eye(2), p * jnp.diag(jnp.array([1.0, -1.0]))
    upper, lower = (converting, beam_splitting) if negative_mass else (beam_splitting, converting)
    couplings = {f"{name}.upper": upper, f"{name}.lower": lower, f"{name}.bath": bath}
    return open_system((name,), detuning * jnp.eye(2), couplings, force_noise=hot)


def spin_ensemble(
    name: str,
    *,
    optical_depth: Any,
    scattering_rate: Any,
    larmor_frequency: Any,
    theta: Any = np.pi / 4,
    dark_linewidth: Any = 0.0,
    occupation: Any = 0.0,
    inverted: bool = True,
) -> LinearSystem:
    """A polarised spin ensemble as an oscillator (Holstein-Primakoff): X = Jy/sqrt|Jx|, P = +-Jz/sqrt|Jx|.

    Formula: Gamma = optical_depth * scattering_rate (d Gamma of 001), gamma_0 = dark_linewidth + scattering_rate,
    thermal decoherence gamma_0 (occupation + 1/2); in the laboratory frame.

    Args:
        name: name of the mode; ports NAME.light and NAME.bath.
        optical_depth: d; scattering_rate: single-atom rate that the light causes [1/s].
        larmor_frequency: Omega [1/s]; theta: coupling angle, pi/4 = QND; dark_linewidth: [1/s].
        occupation: thermal quanta that imperfect polarisation leaves.
        inverted: prepared in the highest energy state, which makes the effective mass negative.

    Validity: N to infinity, depolarisation small.

    Example:
        >>> spin_ensemble("S", optical_depth=50, scattering_rate=20.0, larmor_frequency=1e6).modes
        ('S',)
    """
    damping = dark_linewidth + scattering_rate
    _check_rates(name, {"optical_depth": optical_depth, "scattering_rate": scattering_rate})
    strength = root(optical_depth * scattering_rate)
    return oscillator(
        name,
        frequency=-larmor_frequency if inverted else larmor_frequency,
        amplitudes=(strength * jnp.sin(theta), strength * jnp.cos(theta)),
        damping=damping,
        decoherence=damping * (occupation + 0.5),
    )


def optomechanics(
    name: str,
    *,
    linewidth: Any,
    detuning: Any,
    coupling: Any,
    frequency: Any,
    overcoupling: Any = 1.0,
    damping: Any = 0.0,
    decoherence: Any = None,
) -> LinearSystem:
    """A cavity mode and a mechanical oscillator coupled by radiation pressure, linearised.

    Formula: H = -detuning a^dag a + frequency b^dag b - coupling (a + a^dag)(b + b^dag).

    Args:
        name: name of the mechanical mode; the cavity mode is NAME.cavity; ports NAME.light, NAME.loss, NAME.bath.
        linewidth: kappa of the cavity's energy [1/s]; overcoupling: share of it that goes to NAME.light.
        detuning: laser minus cavity [1/s], negative = red = cooling; coupling: g = g_0 sqrt(photons) [1/s].
        frequency, damping, decoherence: of the mechanical oscillator, as in `oscillator` [1/s].

    Validity: strong mean field; fluctuations small against it.

    Raises:
        ArgumentError: a negative rate, overcoupling outside [0, 1], or less decoherence than damping/2.

    Example:
        >>> optomechanics("M", linewidth=10.0, detuning=-3.0, coupling=0.1, frequency=3.0).modes
        ('M.cavity', 'M')
    """
    _check_rates(name, {"linewidth": linewidth})
    bath, hot = _bath(name, 0.0, 0.0, damping, 0.0, decoherence)
    _check_fraction("overcoupling", overcoupling)
    blocks = [-detuning * jnp.eye(2), jnp.zeros((2, 2)).at[0, 0].set(-2 * coupling), frequency * jnp.eye(2)]
    g = jnp.block([[blocks[0], blocks[1]], [blocks[1], blocks[2]]])
    none = jnp.zeros((2, 2))
    couplings = {
        f"{name}.light": jnp.concatenate([root(overcoupling * linewidth) * jnp.eye(2), none]),
        f"{name}.loss": jnp.concatenate([root((1 - overcoupling) * linewidth) * jnp.eye(2), none]),
        f"{name}.bath": jnp.concatenate([none, bath]),
    }
    noise = jnp.zeros((4, 4)).at[2:, 2:].set(hot)
    return open_system((f"{name}.cavity", name), g, couplings, force_noise=noise)


def parametric_oscillator(name: str, *, linewidth: Any, pump: Any, overcoupling: Any = 1.0) -> LinearSystem:
    """A cavity with a pumped nonlinear crystal; the light that leaves it is squeezed in x and antisqueezed in p.

    Formula: H = pump (X P + P X)/2 stretches X and shrinks P of the cavity; threshold at pump = linewidth/2. At the
    centre of the line the light has S_x = ((linewidth/2 - pump)/(linewidth/2 + pump))^2 of shot noise (no loss).

    Args:
        name: name of the mode; ports NAME.light and NAME.loss.
        linewidth: kappa [1/s]; pump: rate [1/s]; overcoupling: share of kappa that goes to NAME.light.

    Raises:
        ArgumentError: a negative linewidth, or overcoupling outside [0, 1].

    Example:
        >>> parametric_oscillator("opo", linewidth=2.0, pump=0.5).drift.tolist()
        [[-0.5, 0.0], [0.0, -1.5]]
    """
    _check_rates(name, {"linewidth": linewidth})
    _check_fraction("overcoupling", overcoupling)
    out, lost = root(overcoupling * linewidth), root((1 - overcoupling) * linewidth)
    return open_system(
        (name,),
        pump * jnp.array([[0.0, 1.0], [1.0, 0.0]]),
        {f"{name}.light": out * jnp.eye(2), f"{name}.loss": lost * jnp.eye(2)},
    )


def squeezer(name: str, *, r: Any, angle: Any = 0.0, channel: str = "light") -> LinearSystem:
    """Ideal broadband squeezing of the light that passes: the quadrature along `angle` shrinks by e^{-r}.

    Example:
        >>> squeezer("sq", r=0.5).output_noise[0, 0].round(4).item()
        0.1839
    """
    turn = rotation(angle)
    return _optic(
        name, (channel,), (channel,), turn @ jnp.diag(jnp.stack([jnp.exp(-1.0 * r), jnp.exp(1.0 * r)])) @ turn.T
    )


def phase_shift(name: str, *, phase: Any, channels: tuple[str, ...] = ("light",)) -> LinearSystem:
    """Light turned in phase space, b -> b e^{i phase}, in every channel.

    Example:
        >>> phase_shift("half", phase=np.pi / 2).feedthrough.round(6).tolist()
        [[0.0, -1.0], [1.0, 0.0]]
    """
    return _optic(name, channels, channels, jnp.kron(jnp.eye(len(channels)), rotation(phase)))


def beam_splitter(name: str, *, transmission: Any) -> LinearSystem:
    """Two beams mixed: a -> sqrt(t) a + sqrt(1-t) b, b -> sqrt(t) b - sqrt(1-t) a; ports NAME.a, NAME.b.

    Args:
        transmission: power fraction t.

    Raises:
        ArgumentError: the transmission is outside [0, 1].

    Example:
        >>> beam_splitter("bs", transmission=0.5).outputs
        ('bs.a', 'bs.b')
    """
    _check_fraction("transmission", transmission)
    t, r = root(transmission), root(1 - transmission)
    mix = jnp.stack([jnp.stack([t, r]), jnp.stack([-r, t])])
    return _optic(name, ("a", "b"), ("a", "b"), jnp.kron(mix, jnp.eye(2)))


def loss(name: str, loss: Any, *, occupation: Any = 0.0, channels: tuple[str, ...] = ("light",)) -> LinearSystem:
    """Light lost on its way, each channel at a beam splitter of its own.

    Formula: b -> sqrt(1-loss) b + sqrt(loss) b_dark, with <b_dark^dag b_dark> = occupation; the rest leaves by
    NAME.lost.

    Args:
        name: ports NAME.CHANNEL; the bath comes in by NAME.dark (NAME.CHANNEL.dark where there are several channels).
        loss: lost power fraction; occupation: of the bath; channels: names of the channels.

    Raises:
        ArgumentError: the loss is outside [0, 1], or the occupation is negative.

    Example:
        >>> loss("path", 0.1, channels=("upper", "lower")).inputs
        ('path.upper', 'path.lower', 'path.upper.dark', 'path.lower.dark')
    """
    _check_fraction("loss", loss)
    t, r = root(1 - loss), root(loss)
    single = len(channels) == 1
    dark = ("dark",) if single else tuple(f"{c}.dark" for c in channels)
    lost = ("lost",) if single else tuple(f"{c}.lost" for c in channels)
    mix = jnp.stack([jnp.stack([t, r]), jnp.stack([-r, t])])
    system = _optic(name, (*channels, *dark), (*channels, *lost), jnp.kron(mix, jnp.eye(2 * len(channels))))
    for port in dark:
        system = system.with_input(f"{name}.{port}", occupation=occupation)
    return system


def _optic(name: str, inputs: tuple[str, ...], outputs: tuple[str, ...], matrix: Any) -> LinearSystem:
    """An optic without modes: dy = E du."""
    u = matrix.shape[1]
    return LinearSystem(
        drift=jnp.zeros((0, 0)),
        coupling=jnp.zeros((0, u)),
        output=jnp.zeros((u, 0)),
        feedthrough=matrix,
        input_noise=jnp.eye(u) / 2,
        force_noise=jnp.zeros((0, 0)),
        modes=(),
        inputs=tuple(f"{name}.{port}" for port in inputs),
        outputs=tuple(f"{name}.{port}" for port in outputs),
    )


def _bath(name: str, passive: Any, active: Any, damping: Any, amplification: Any, decoherence: Any) -> tuple[Any, Any]:
    """Coupling to the intrinsic bath [2 2] and the classical noise beside its vacuum [2 2]."""
    rates = {"passive": passive, "active": active, "damping": damping, "amplification": amplification}
    _check_rates(name, rates)
    least = (damping + amplification) / 2
    if decoherence is None:
        decoherence = least
    known = not any(isinstance(rate, jax.core.Tracer) for rate in (decoherence, least))
    if known and not (np.isfinite(decoherence) and decoherence >= least * (1 - 1e-12)):
        raise ArgumentError(
            f"Argument `decoherence` of {name!r} must be a finite number of at least {least:g}, the vacuum's share of "
            f"damping and amplification, but is {decoherence}; it is damping * (occupation + 1/2)."
        )
    # Net damping is a beam splitter with the bath, net gain a down-conversion.
    net = jnp.asarray(damping - amplification, float)
    size = root(jnp.abs(net))
    coupling = jnp.diag(jnp.stack([size, jnp.where(net < 0, -size, size)]))
    return coupling, (decoherence - jnp.abs(net) / 2) * jnp.eye(2)


def _check_rates(name: str, rates: Mapping[str, Any]) -> None:
    """Refuse every rate that is a plain number and no rate."""
    for what, rate in rates.items():
        if isinstance(rate, str):
            raise ArgumentError(f"Rate `{what}` of {name!r} must be a number in 1/s, but is the text {rate[:40]!r}.")
        if not isinstance(rate, jax.core.Tracer) and not (np.isfinite(rate) and rate >= 0):
            raise ArgumentError(
                f"Rate `{what}` of {name!r} must be a finite number of at least 0, but is {rate}; a negative mass is a "
                "negative frequency (or negative_mass=True), not a negative rate."
            )


def _check_fraction(name: str, value: Any) -> None:
    if not isinstance(value, jax.core.Tracer) and not 0 <= value <= 1:
        raise ArgumentError(f"Argument `{name}` must be a power fraction between 0 and 1, but is {value}.")
