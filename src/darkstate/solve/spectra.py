"""What the light says over time: spectra, two-time correlations and temporal modes of a measured current.

    S(omega) = C G D G^H C^T + C G N + (C G N)^H + R,   G = (-i omega - A)^{-1},
    <Y'(t + s) Y'(t)^T> = C e^{A s}(V C^T + N)

In shot-noise units: S = 1 for vacuum; double-sided. Down: `gaussian.detection`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.gaussian.detection import Detector, Measurement, measurement
from darkstate.gaussian.elimination import solve
from darkstate.gaussian.linear_system import LinearSystem
from darkstate.gaussian.lyapunov import lyapunov, propagate
from darkstate.solve.steady_state import steady_state


def spectrum(system: LinearSystem, omega: Any, *detectors: Detector) -> Any:
    """Spectral density matrix of the measured currents in the steady state [w k k], shot noise = 1.

    Args:
        system: stable; omega: angular frequencies [w; rad/s]; detectors: at least one.

    Validity: stationary; delays change phases between outputs only, which are left out.

    Raises:
        OutcomeError: there is no steady state (not looked for under jit, vmap or grad).
        ArgumentError: as `measurement`.

    Example:
        >>> from darkstate.gaussian.components import parametric_oscillator
        >>> from darkstate.gaussian.detection import homodyne
        >>> opo = parametric_oscillator("opo", linewidth=2.0, pump=0.5)
        >>> s = spectrum(opo, [0.0], homodyne("opo.light"))
        >>> print(f"{s[0, 0, 0].real:.6f}")
        0.111111
    """
    omega = jnp.asarray(omega, float)
    if omega.ndim != 1:
        raise ArgumentError("Argument `omega` must be a list of angular frequencies in rad/s.")
    if not isinstance(system.drift, jax.core.Tracer):
        steady_state(system)
    current = measurement(system, *detectors)
    return jax.vmap(lambda w: _density(system, current, w))(omega)


def _density(system: LinearSystem, current: Measurement, omega: Any) -> Any:
    through = response(system, current.output, omega)
    noise = through @ current.correlation
    return through @ system.diffusion @ through.conj().T + noise + noise.conj().T + current.noise


def response(system: LinearSystem, output: Any, omega: Any) -> Any:
    """C (-i omega - A)^{-1} [k q; s/sqrt(s)]: what a force on a quadrature does to the current."""
    resolvent = -1j * omega * jnp.eye(system.drift.shape[0]) - system.drift
    return solve(resolvent.T, (output + 0j).T).T


def correlation(system: LinearSystem, times: Any, *detectors: Detector) -> Any:
    """Two-time correlation of the measured currents in the steady state, beside its white part R delta(s) [t k k; 1/s].

    Args:
        system: stable; times: delays s > 0 [t; s]; detectors: at least one.

    Returns:
        <Y'(t + s) Y'(t)^T>; its Fourier transform plus R is `spectrum`.

    Raises:
        OutcomeError: there is no steady state; ArgumentError: as `measurement`.

    Example:
        >>> from darkstate.gaussian.components import parametric_oscillator
        >>> from darkstate.gaussian.detection import homodyne
        >>> opo = parametric_oscillator("opo", linewidth=2.0, pump=0.5)
        >>> print(f"{correlation(opo, [0.0], homodyne('opo.light', angle=np.pi / 2))[0, 0, 0]:.6f}")
        2.000000
    """
    times = jnp.asarray(times, float)
    if not isinstance(times, jax.core.Tracer) and (times.ndim != 1 or not bool((times >= 0).all())):
        raise ArgumentError("Argument `times` must be a list of delays of at least 0 s.")
    steady_state(system)
    # In the time of the light: delays between components do not change what one current says.
    v = lyapunov(system.drift, system.diffusion)
    current = measurement(system, *detectors)
    past = v @ current.output.T + current.correlation
    none = jnp.zeros_like(v)
    return jax.vmap(lambda s: current.output @ propagate(system.drift, none, s)[0] @ past)(times)


def temporal_modes(
    system: LinearSystem, duration: Any, detector: Detector, *, points: int = 200
) -> tuple[Any, Any, Any]:
    """The temporal modes in which a stationary current is uncorrelated, most squeezed first.

    Formula: eigenfunctions of the current's correlation over [0, duration] (Karhunen and Loeve).

    Args:
        system: stable; duration: length of the window [s]; detector: of one quadrature; points: of the time grid, whose
            step must be short against every decay.

    Returns:
        Variances [n], shot noise = 1; modes f_n(t) with integral f^2 dt = 1 [n points; 1/sqrt(s)]; times at the middle
        of the steps [points; s].

    Raises:
        OutcomeError: there is no steady state; ArgumentError: as `measurement`.

    Example:
        >>> from darkstate.gaussian.components import parametric_oscillator
        >>> from darkstate.gaussian.detection import homodyne
        >>> opo = parametric_oscillator("opo", linewidth=2.0, pump=0.5)
        >>> variances, _, _ = temporal_modes(opo, 40.0, homodyne("opo.light"))
        >>> print(f"{variances[0]:.2f}")
        0.12
    """
    if not duration > 0 or points < 2:
        raise ArgumentError(
            f"A window needs a duration above 0 s and at least 2 points, not {duration} s and {points}."
        )
    if len(detector.weights) != 1:
        raise ArgumentError(
            "Temporal modes are those of one measured quadrature: give a homodyne detector of one output."
        )
    step = duration / points
    at = (jnp.arange(points) + 0.5) * step
    kernel = correlation(system, jnp.arange(points) * step, detector)[:, 0, 0]
    apart = np.abs(np.subtract.outer(np.arange(points), np.arange(points)))
    white = measurement(system, detector).noise[0, 0]
    variances, modes = jnp.linalg.eigh(kernel[apart] * step + white * jnp.eye(points))
    return variances, modes.T / jnp.sqrt(step), at
