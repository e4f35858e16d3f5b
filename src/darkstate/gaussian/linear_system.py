"""An open linear system: quadratures driven by named inputs and read out through named outputs.

    dx = A x dt + B du + dw,     dy = C x dt + E du,     <du du^T> = W dt,   <dw dw^T> = D_0 dt

x are the quadratures of the modes, u and y those of the light (and of the baths) before and after; all in the order
(X1, P1, X2, P2, ...) with vacuum W = 1/2. From these follow, with a common sign and factor for everything downstream,

    drift A,  diffusion D = B W B^T + D_0,  output C,  process-measurement correlation N = B W E^T,  output noise R = E
    W E^T

A closed set of equations: commutators are kept exactly when A Omega + Omega A^T + B Omega B^T = 0, C Omega + E Omega
B^T = 0 and E Omega E^T = Omega. Up: `components` builds systems, `network` joins them, `solve` asks them.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.gaussian.state import nearest_names, quadratures
from darkstate.gaussian.symplectic import symplectic_form
from darkstate.parameters import pytree


@pytree
class LinearSystem:
    """Modes, inputs and outputs with the matrices that join them; q = 2 modes, u = 2 inputs, y = 2 outputs.

    Args:
        drift: A [q q; 1/s]; coupling: B [q u; 1/sqrt(s)]; output: C [y q; 1/sqrt(s)]; feedthrough: E [y u].
        input_noise: W [u u], 1/2 for vacuum; force_noise: D_0 [q q; 1/s], classical noise beside the inputs.
        modes, inputs, outputs: names.
        mode_delays, input_delays, output_delays: how much later than the reference the clock of each one runs [s]. In a
            one-way cascade every component is written in the time of the light that reaches it; `steady_state` turns
            that back into equal times.
    """

    drift: Any
    coupling: Any
    output: Any
    feedthrough: Any
    input_noise: Any
    force_noise: Any
    modes: tuple[str, ...] = dataclasses.field(metadata={"static": True})
    inputs: tuple[str, ...] = dataclasses.field(metadata={"static": True})
    outputs: tuple[str, ...] = dataclasses.field(metadata={"static": True})
    mode_delays: tuple[float, ...] = dataclasses.field(default=(), metadata={"static": True})
    input_delays: tuple[float, ...] = dataclasses.field(default=(), metadata={"static": True})
    output_delays: tuple[float, ...] = dataclasses.field(default=(), metadata={"static": True})

    def __str__(self) -> str:
        said = (f"{kind} {', '.join(getattr(self, kind)) or 'none'}" for kind in ("modes", "inputs", "outputs"))
        return "LinearSystem: " + "; ".join(said)

    __repr__ = __str__

    @property
    def diffusion(self) -> Any:
        """D = B W B^T + D_0 [q q; 1/s]."""
        return self.coupling @ self.input_noise @ self.coupling.T + self.force_noise

    @property
    def correlation(self) -> Any:
        """N = B W E^T, what the outputs' noise has in common with the noise that drives the modes [q y; 1/sqrt(s)]."""
        return self.coupling @ self.input_noise @ self.feedthrough.T

    @property
    def output_noise(self) -> Any:
        """R = E W E^T [y y]; 1/2 for vacuum."""
        return self.feedthrough @ self.input_noise @ self.feedthrough.T

    @property
    def commutator_defect(self) -> Any:
        """Largest violation of the three commutator relations, relative to the largest number in them [].

        0 for a system without ports, whose noise is given as numbers: only its states show whether it is physical.
        """
        if not self.inputs:
            return jnp.zeros(())
        a, b, c, e = self.drift, self.coupling, self.output, self.feedthrough
        om, om_u, om_y = (symplectic_form(len(n)) for n in (self.modes, self.inputs, self.outputs))
        modes = a @ om + om @ a.T + b @ om_u @ b.T
        mixed, ports = c @ om + e @ om_u @ b.T, e @ om_u @ e.T - om_y
        size = [jnp.abs(a).max(initial=0.0), jnp.abs(b).max(initial=0.0), jnp.ones(())]
        figures = [
            jnp.abs(m).max(initial=0.0) / jnp.where(s == 0, 1.0, s)
            for m, s in zip((modes, mixed, ports), size, strict=True)
        ]
        return jnp.stack([jnp.asarray(f) for f in figures]).max()

    def with_input(self, name: str, *, occupation: Any = 0.0, squeezing: Any = 0.0, angle: Any = 0.0) -> LinearSystem:
        """The same system with other light at one input: thermal, and squeezed by r along an angle.

        Formula: W = (n + 1/2) Rot(angle) diag(e^{-2r}, e^{2r}) Rot(angle)^T.

        Raises:
            ArgumentError: there is no such input, or the occupation is negative.

        Example:
            >>> from darkstate.gaussian.components import loss
            >>> print(loss("path", 0.1).with_input("path.dark", occupation=1.0).output_noise[0, 0].round(3))
            0.6
        """
        if name not in self.inputs:
            raise ArgumentError(f"Input {name!r} is not here; " + nearest_names(name, self.inputs))
        if not isinstance(occupation, jax.core.Tracer) and not (np.isfinite(occupation) and occupation >= 0):
            raise ArgumentError(f"Argument `occupation` must be at least 0, but is {occupation}.")
        turn = rotation(angle)
        squeezed = jnp.diag(jnp.stack([jnp.exp(-2.0 * squeezing), jnp.exp(2.0 * squeezing)]))
        k = quadratures(self.inputs, (name,))
        noise = self.input_noise.at[k[:, None], k].set((occupation + 0.5) * turn @ squeezed @ turn.T)
        return dataclasses.replace(self, input_noise=noise)


def rotation(angle: Any) -> Any:
    """The matrix of (x, p) -> (x cos - p sin, x sin + p cos) [2 2]; b -> b e^{i angle}."""
    c, s = jnp.cos(angle), jnp.sin(angle)
    return jnp.stack([jnp.stack([c, -s]), jnp.stack([s, c])])


def root(power: Any) -> Any:
    """Square root of a rate or a power fraction whose square keeps the right derivative at 0.

    Amplitudes are roots of what a laboratory varies; (sqrt x)^2 has slope 1 at x = 0, but the chain rule says 0 times
    infinity. A floor far below rounding avoids that; a plain 0, which nothing is differentiated by, stays 0.

    Example:
        >>> print(jax.grad(lambda x: root(x) ** 2)(0.0))
        1.0
    """
    return jnp.zeros(()) if isinstance(power, (int, float)) and power == 0 else _floored(jnp.asarray(power, float))


FLOOR = 1e-30


@jax.custom_jvp
def _floored(power: Any) -> Any:
    return jnp.sqrt(jnp.maximum(power, FLOOR))


@_floored.defjvp
def _floored_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    found = _floored(primals[0])
    return found, tangents[0] / (2 * found)
