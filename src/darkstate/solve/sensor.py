"""The same network as a force sensor: the noise of its current, referred to a force on one oscillator.

    dP -> dP + f dt:   S_f(omega) = 1/(T^H S^{-1} T),   T = C (-i omega - A)^{-1} e_P

S_f is the smallest force noise that any combination of the currents gives; without correlations between imprecision and
back-action a single oscillator cannot go below the standard quantum limit 1/|chi|. Down: `spectra`.
"""

from __future__ import annotations

from typing import Any

from darkstate.backend import jax, jnp
from darkstate.gaussian.detection import Detector, measurement
from darkstate.gaussian.elimination import solve
from darkstate.gaussian.linear_system import LinearSystem
from darkstate.gaussian.state import quadratures
from darkstate.solve.spectra import response, spectrum


def force_noise(system: LinearSystem, mode: str, omega: Any, *detectors: Detector) -> Any:
    """Force noise of the best read-out of the measured currents [w; 1/s], double-sided.

    Args:
        system: stable; mode: the one the force acts on, through its P; omega: angular frequencies in the frame of the
            system [w; rad/s]; detectors: what is read.

    Returns:
        S_f; an oscillator's bath contributes damping (n + 1/2) in the rotating frame, and near resonance twice that in
        the laboratory frame, where it drives X as well.

    Raises:
        ArgumentError: unknown mode or output; OutcomeError: there is no steady state.

    Example:
        >>> import numpy as np
        >>> from darkstate.gaussian.components import oscillator
        >>> from darkstate.gaussian.detection import homodyne
        >>> probe = oscillator("M", frequency=10.0, passive=0.25, active=0.25, damping=0.1)
        >>> noise = force_noise(probe, "M", [0.0], homodyne("M.light", angle=np.pi / 2))
        >>> print(f"{noise[0] / standard_quantum_limit([0.0], frequency=10.0, damping=0.1)[0]:.4f}")
        5.0551
    """
    at = quadratures(system.modes, (mode,))[1]
    output = measurement(system, *detectors).output
    density = spectrum(system, omega, *detectors)

    def noise(w: Any, s: Any) -> Any:
        t = response(system, output, w)[:, at]
        return 1 / (t.conj() @ solve(s, t[:, None])[:, 0]).real

    return jax.vmap(noise)(jnp.asarray(omega, float), density)


def standard_quantum_limit(omega: Any, *, frequency: Any, damping: Any) -> Any:
    """1/|chi| of a bare oscillator [w; 1/s], the force noise at the best measurement strength.

    Formula: chi = frequency/((damping/2 - i omega)^2 + frequency^2) in the laboratory frame, and 1/(damping/2 - i
    omega) for each quadrature in the rotating frame (frequency = 0).

    Args:
        omega: [w; rad/s]; frequency: resonance [1/s], 0 = rotating frame; damping: of the energy [1/s].

    Example:
        >>> print(standard_quantum_limit([3.0], frequency=0.0, damping=8.0))
        [5.]
    """
    decay = damping / 2 - 1j * jnp.asarray(omega, float)
    rotating = jnp.asarray(frequency, float) == 0
    force = jnp.where(rotating, decay, (decay**2 + frequency**2) / jnp.where(rotating, 1.0, frequency))
    return jnp.abs(force)
