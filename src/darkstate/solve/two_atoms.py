"""evolve and steady_state of an atom pair: by collisions of classical motion, or by the levels of a harmonic trap.

Down: `pair.kinetic` (Lindblad, any trap that scrambles the motion), `pair.harmonic` (unitary, harmonic).
"""

from __future__ import annotations

import dataclasses
from math import exp
from typing import Any

import numpy as np

from darkstate.atoms.constants import BOLTZMANN, PLANCK
from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.gaussian.positivity import smallest_pivot
from darkstate.pair.atom_pair import AtomPair
from darkstate.pair.harmonic import cutoff_hz, dense, dense_average, dense_states, states, structured, time_average
from darkstate.pair.kinetic import gas_parameters, kinetic_states, require
from darkstate.pair.motion import contact_fraction
from darkstate.pair.state import PairState, symmetric_state
from darkstate.solve.checks import decide
from darkstate.solve.methods import AbstractLevels, Dense, Kinetic
from darkstate.solve.solution import Solution


def evolve_pair(pair: AtomPair, times: Any, initial: Any, method: Any) -> Solution:
    """The spin state of a pair over time; see `evolve`."""
    pair = dataclasses.replace(pair, lengths=jnp.asarray(pair.lengths), zeeman_hz=jnp.asarray(pair.zeeman_hz))
    if isinstance(method, Kinetic):
        require(pair)
        start = None if initial is None else _symmetric(initial)
        return _kinetic(pair, jnp.asarray(times, float), start)
    _require_levels(pair, method)
    if initial is not None:
        raise ArgumentError("The levels of a pair start from |00>: leave `initial` out, or take the method Kinetic().")
    times = np.asarray(times, float)
    if times.min() < method.window / 2:
        raise ArgumentError(
            f"Argument `times` must start at half the window, {method.window / 2:g} s, but starts at {times.min():g} s."
        )
    if isinstance(method, Dense):
        found = dense_states(*dense(pair, method.cutoff), times, method.window)
    else:
        found = states(structured(pair, method.cutoff), times, method.window)
    return _checked(pair, jnp.asarray(found), jnp.asarray(times), method)


def average_pair(pair: AtomPair, method: Any) -> Solution:
    """The time average of a pair in a harmonic trap; see `steady_state`."""
    if isinstance(method, Kinetic):
        raise ArgumentError(
            "Collisions in a field end in equal populations of |00>, chi_1, ..., chi_F, if one waits long enough: "
            "use evolve(...) for the time there is, or the methods Structured() and Dense() for a time average."
        )
    _require_levels(pair, method)
    if isinstance(method, Dense):
        found = dense_average(*dense(pair, method.cutoff)[1:])
    else:
        found = time_average(structured(pair, method.cutoff))
    return _checked(pair, jnp.asarray(found), None, method)


@jax.jit
def _kinetic(pair: AtomPair, times: Any, initial: Any) -> Solution:
    found = kinetic_states(pair, times, initial=initial)
    checks = gas_parameters(pair) | _state_checks(found)
    return Solution(symmetric_state(found), times, decide(checks), checks)


def _checked(pair: AtomPair, found: Any, times: Any, method: AbstractLevels) -> Solution:
    x = cutoff_hz(pair, method.cutoff) * PLANCK / (BOLTZMANN * float(pair.temperature))
    # Levels that collide grow in number as E or E^2: the share of a thermal cloud above the cutoff is at most this.
    checks = _state_checks(found) | {"thermal_tail": jnp.asarray(exp(-x) * (1 + x + x * x / 2))}
    checks["contact_fraction"] = jnp.asarray(contact_fraction(pair.trap, float(pair.temperature)))
    return Solution(symmetric_state(found), times, decide(checks), checks)


def _state_checks(found: Any) -> dict[str, Any]:
    trace = jnp.trace(found, axis1=-2, axis2=-1).real
    return {"trace_defect": jnp.max(jnp.abs(trace - 1)), "positivity_defect": -jnp.min(smallest_pivot(found))}


def _symmetric(initial: Any) -> Any:
    if not isinstance(initial, PairState):
        raise ArgumentError(f"Argument `initial` must be a PairState, but is a {type(initial).__name__}.")
    even = initial.symmetric
    odd = initial.populations.sum() - jnp.trace(even).real
    if not isinstance(odd, jax.core.Tracer) and abs(odd) > 1e-9:
        raise ArgumentError(
            f"Argument `initial` must be even under exchange, but has {odd:.3g} of its pairs in odd states, which "
            "do not collide: evolve the even part by itself."
        )
    return even


def _require_levels(pair: AtomPair, method: Any) -> None:
    if not isinstance(method, AbstractLevels):
        raise ArgumentError(
            f"Argument `method` must be Kinetic(), Structured() or Dense() for an AtomPair, but is {method!r}."
        )
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(pair)):
        raise ArgumentError("The levels of a pair are not solved inside jit, vmap or grad: take the method Kinetic().")
