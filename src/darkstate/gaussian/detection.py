"""Detectors turn outputs into a measured current, in shot-noise units.

    dY = C x dt + dV,   <dV dV^T> = R dt,   <dw dV^T> = N dt;   R = 1 for vacuum

A detector of efficiency eta is a beam splitter of transmission eta before an ideal one. The increment is taken at the
start of its step (Ito).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.gaussian.linear_system import LinearSystem, root
from darkstate.gaussian.state import nearest_names, quadratures
from darkstate.parameters import pytree


@pytree
class Detector:
    """Which combinations of output quadratures are measured, and how well.

    Args:
        weights: rows w of measured combinations [k 2o]; |w| <= 1, the rest is vacuum.
        efficiency: detected power fraction.
        outputs: names of the outputs [o].
    """

    weights: Any
    efficiency: Any
    outputs: tuple[str, ...] = dataclasses.field(metadata={"static": True})


@pytree
class Measurement:
    """The current as the filter needs it: output C [k q; 1/sqrt(s)], correlation N [q k; 1/sqrt(s)], noise R [k k]."""

    output: Any
    correlation: Any
    noise: Any


def homodyne(output: str, *, angle: Any = 0.0, efficiency: Any = 1.0) -> Detector:
    """Homodyne detection of x cos(angle) + p sin(angle) of one output.

    Args:
        output: its name; angle: of the local oscillator [rad]; efficiency: detected power fraction.

    Raises:
        ArgumentError: the efficiency is outside [0, 1].

    Example:
        >>> homodyne("M.light", angle=np.pi / 2).weights.round(6).tolist()
        [[0.0, 1.0]]
    """
    _check_efficiency(efficiency)
    return Detector(jnp.stack([jnp.cos(angle), jnp.sin(angle)])[None], efficiency, (output,))


def heterodyne(output: str, *, efficiency: Any = 1.0) -> Detector:
    """Heterodyne (double homodyne) detection of both quadratures, each with half of the light.

    Raises:
        ArgumentError: the efficiency is outside [0, 1].

    Example:
        >>> heterodyne("M.light").weights.shape
        (2, 2)
    """
    _check_efficiency(efficiency)
    return Detector(jnp.eye(2) / np.sqrt(2), efficiency, (output,))


def sideband_homodyne(upper: str, lower: str, *, angle: Any = 0.0, efficiency: Any = 1.0) -> Detector:
    """Homodyne detection at the carrier, read at the sideband frequency: its cosine and its sine component.

    Formula: (p_+ + p_-)/sqrt 2 and (x_+ - x_-)/sqrt 2, the components of P_L (004, below Eq. 3), at angle 0; angle pi/2
    reads X_L.

    Args:
        upper, lower: names of the two outputs; angle: of the local oscillator [rad]; efficiency: detected power
            fraction.

    Raises:
        ArgumentError: the efficiency is outside [0, 1].

    Example:
        >>> sideband_homodyne("M.upper", "M.lower").weights.round(4).tolist()
        [[0.0, 0.7071, 0.0, 0.7071], [0.7071, 0.0, -0.7071, 0.0]]
    """
    _check_efficiency(efficiency)
    c, s = jnp.cos(angle) / np.sqrt(2), jnp.sin(angle) / np.sqrt(2)
    return Detector(jnp.stack([jnp.stack([s, c, s, c]), jnp.stack([c, -s, -c, s])]), efficiency, (upper, lower))


def measurement(system: LinearSystem, *detectors: Detector) -> Measurement:
    """The joint current of detectors behind a system.

    Raises:
        ArgumentError: an output is not there, or the same light is detected twice.

    Example:
        >>> from darkstate.gaussian.components import oscillator
        >>> atoms = oscillator("S", frequency=0.0, passive=2.0)
        >>> measurement(atoms, homodyne("S.light")).output.round(6).tolist()
        [[0.0, 2.0]]
    """
    if not all(isinstance(detector, Detector) for detector in detectors):
        raise ArgumentError("Detectors are passed one by one, each made by homodyne or heterodyne.")
    rows, shares = [], []
    named = [name for detector in detectors for name in detector.outputs]
    for name in named:
        if named.count(name) > 1:
            raise ArgumentError(
                f"Output {name!r} is detected twice; detect one quadrature of it, use heterodyne for both, or split "
                "the light with a beam_splitter first."
            )
    for detector in detectors:
        for name in detector.outputs:
            if name not in system.outputs:
                raise ArgumentError(f"Output {name!r} is not here; " + nearest_names(name, system.outputs))
        index = quadratures(system.outputs, detector.outputs)
        wide = jnp.zeros((detector.weights.shape[0], 2 * len(system.outputs))).at[:, index].set(detector.weights)
        rows.append(root(detector.efficiency) * wide)
        shares.append(detector.efficiency * (detector.weights**2).sum(1))
    if not rows:
        raise ArgumentError(
            "At least one detector is needed, such as homodyne('M.light'); without one use steady_state."
        )
    w, share = jnp.concatenate(rows), jnp.concatenate(shares)
    added = jnp.diag(1 - share)
    scale = np.sqrt(2.0)
    return Measurement(
        scale * w @ system.output, scale * system.correlation @ w.T, 2 * w @ system.output_noise @ w.T + added
    )


def _check_efficiency(efficiency: Any) -> None:
    if not isinstance(efficiency, jax.core.Tracer) and not 0 <= efficiency <= 1:
        raise ArgumentError(f"Argument `efficiency` must be a power fraction between 0 and 1, but is {efficiency}.")
