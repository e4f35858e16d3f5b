"""evolve, steady_state and sensitivities of small spin ensembles without approximation, each result certified.

The generator of `spins.exact` is assembled outside jit, in sparse matrices. A solution comes with what was checked on
the density operator itself: residual or stated error, trace, smallest eigenvalue, spectral gap, leakage of the charge.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError, Outcome, OutcomeError
from darkstate.solve.checks import decide
from darkstate.solve.linear import check_times
from darkstate.solve.methods import ExactLiouvillian
from darkstate.solve.solution import Solution
from darkstate.spins.ensembles import SpinEnsembles
from darkstate.spins.exact.basis import product_populations, unknowns
from darkstate.spins.exact.generator import Coefficients, charges, coefficients, generator, jump_operators
from darkstate.spins.exact.krylov import RESTART, SUBSPACE, exponential
from darkstate.spins.exact.layout import Layout
from darkstate.spins.exact.sensitivity import slopes
from darkstate.spins.exact.state import ExactState
from darkstate.spins.exact.steady import Problem, problem, spectral_gap
from darkstate.spins.moments import total_rates
from darkstate.spins.protocol import Protocol
from darkstate.spins.state import Isotropic, SpinState

LIGHTS = (1.0, 1.0, 1.0)
THIRD_LEVEL = ("up_to_h", "down_to_h", "h_to_up", "h_to_down")


def exact_states(
    model: SpinEnsembles,
    times: Any,
    *,
    protocol: Protocol | None = None,
    method: ExactLiouvillian | None = None,
) -> list[ExactState]:
    """The density operators of two ensembles over time, with all that can be read from them.

    Formula: exp(t L) on the product state of the model, in Krylov subspaces of controlled error. Source: 001 Eq. (13),
    with unequal ensembles, Larmor frequencies and light lost between them.

    Args:
        model: two ensembles of two-level atoms; the third level must be out of use.
        times: increasing times from 0 on [t; s].
        protocol: segments of constant light; None = all lights on for ever at strength 1.
        method: accuracy and memory.

    Returns:
        An `ExactState` per time; `evolve` returns the moments of the same states.

    Raises:
        ArgumentError: the model has no such solution, or it does not fit into memory; the sentence says why.

    Example:
        >>> from darkstate.experiments.two_level_ensembles import *
        >>> lab = TwoLevelEnsembles(Ensembles(optical_depth=5, atoms=4), Drive(rate=1.0, z=1.5), Pump(x=1.0))
        >>> (j, p), _ = exact_states(lab.model(), [0.0, 0.5])[1].spin_distribution
        >>> print(j, np.round(p, 4))  # how much of the state has left the symmetric states j = 2
        [2. 1. 0.] [0.8232 0.1693 0.0076]
    """
    check_times(times)
    method = ExactLiouvillian() if method is None else method
    atoms = _checked(model)
    every = np.asarray(times, float)
    pieces = _segments(protocol, float(every[-1]))
    detuned = bool(jnp.sum(model.larmor) != 0)
    _fit(atoms, SUBSPACE + 8, 0, detuned, method)
    made = [_coefficients(model, strengths) for _, strengths in pieces]
    leak = max(charges(jump_operators(c))[1] for c in made)
    x = _start(model, atoms)
    layout, values = None, np.empty(0)
    now, error = 0.0, 0.0
    found: list[ExactState] = []
    for (end, _), c in zip(pieces, made, strict=True):
        g = generator(atoms, c, complex_state=detuned)
        if layout is None:
            layout = Layout.of(g)
            values = layout.join(layout.split(np.zeros(layout.size)) | {0: x})
        here = layout

        def move(v: Any, g: Any = g, here: Layout = here) -> Any:
            return here.join(g.apply(here.split(v)))

        fastest = max(float(np.abs(a.diagonal()).max() + np.abs(b.diagonal()).max()) for a, b in g.local)
        step = 10 / fastest if fastest else np.inf
        stops = [t for t in every[len(found) :] if t <= end]
        for target in [*stops, end] if end < every[-1] else stops:
            if target > now:
                share = method.tolerance * (target - now) / every[-1]
                values, wrong, step = exponential(move, values, target - now, share, step)
                now, error = target, error + wrong
            if len(found) < len(every) and target == every[len(found)]:
                found.append(_state(model, atoms, here.split(values.copy()), numerical_error=error, charge_leak=leak))
    return found


def exact_steady_state(
    model: SpinEnsembles, *, strengths: Any = LIGHTS, method: ExactLiouvillian | None = None
) -> ExactState:
    """The steady density operator of two ensembles, with all that can be read from it.

    Formula: L rho = 0, Tr rho = 1. Source: 001 Eq. (13), with unequal ensembles, Larmor frequencies and light lost
    between them.

    Args:
        model: two ensembles of two-level atoms; the third level must be out of use.
        strengths: strengths of (drive, pump, repump) [3].
        method: accuracy and memory.

    Returns:
        The `ExactState`; `figures` certify it: `residual` = |L rho|/(gap |rho|), trace, smallest eigenvalue, gap.

    Raises:
        ArgumentError: the steady state is not unique, the model has no such solution, or it does not fit into memory.

    Example:
        >>> from darkstate.experiments.two_level_ensembles import *
        >>> lab = TwoLevelEnsembles(Ensembles(optical_depth=30, atoms=8), Drive(rate=1.0, z=2.5))
        >>> state = exact_steady_state(lab.model())
        >>> print(f"P = {state.polarization[0]:.9f}, purity {state.collective_purity:.4f}")
        P = 0.312012480, purity 0.0135
    """
    method = ExactLiouvillian() if method is None else method
    atoms = _checked(model)
    return _steady(model, atoms, _coefficients(model, strengths), method)[0]


def exact_gradient(
    model: SpinEnsembles,
    figure: Callable[[SpinState], Any],
    *,
    strengths: Any = LIGHTS,
    method: ExactLiouvillian | None = None,
) -> tuple[float, SpinEnsembles]:
    """A figure of the exact steady state and its derivatives with respect to every parameter of the model.

    Formula: implicit function theorem, dF/dc = -lambda (dL/dc) rho, one adjoint solution for all parameters.

    Args:
        model: two ensembles of two-level atoms.
        figure: a differentiable number of the state, such as `lambda state: epr_variance(state).value`.
        strengths: strengths of (drive, pump, repump) [3].
        method: accuracy and memory.

    Returns:
        The figure, and its derivatives in the places of the parameters. `atoms`, `hyperfine_spin` and the start hold 0:
        whole numbers have no derivative, and the steady state forgets the start.

    Raises:
        ArgumentError: as `exact_steady_state`.

    Example:
        >>> from darkstate.experiments.two_level_ensembles import *
        >>> lab = TwoLevelEnsembles(Ensembles(optical_depth=30, atoms=8), Drive(rate=1.0, z=2.5))
        >>> figure, slope = exact_gradient(lab.model(), lambda state: state.polarization[0])
        >>> print(f"{figure:.9f} {slope.drive.cooling[0]:.6f} {slope.drive.heating[0]:.6f}")
        0.312012480 0.066789 -0.127368
    """
    method = ExactLiouvillian() if method is None else method
    atoms = _checked(model)

    def read(values: dict[str, Any]) -> Any:
        up = jnp.stack([values["up_1"], values["up_2"]])
        transverse = jnp.stack([values["transverse_1"], values["transverse_2"]])
        all_moments = Isotropic(up, 1 - up, 0 * up, transverse, values["pair_re"], values["pair_im"]).moments
        return figure(SpinState(all_moments, jnp.array(atoms, float), jnp.asarray(model.hyperfine_spin, float)))

    c = _coefficients(model, strengths)
    state, stationary = _steady(model, atoms, c, method)
    s = state.isotropic
    values = {"up_1": s.up[0], "up_2": s.up[1], "transverse_1": s.transverse[0], "transverse_2": s.transverse[1]}
    value, weights = jax.value_and_grad(read)(values | {"pair_re": s.pair_re, "pair_im": s.pair_im})
    blocks = state.blocks
    if weights["pair_im"] != 0 and not stationary.generator.complex:
        stationary = problem(generator(atoms, c, complex_state=True))
    found, residual = slopes(stationary, blocks, {k: float(w) for k, w in weights.items()}, method.tolerance)
    if not residual <= 1e-8 * stationary.uncoupled.slowest:
        raise OutcomeError(Outcome.not_converged, f"residual of the sensitivities {residual:.1e} 1/s")
    floats = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), model)
    _, back = jax.vjp(lambda m: coefficients(m, jnp.asarray(strengths, float)), floats)
    (slope,) = back(found)
    return float(value), dataclasses.replace(slope, atoms=jnp.zeros(2))


def evolve_exact(model: SpinEnsembles, times: Any, pulses: Protocol | None, method: ExactLiouvillian) -> Solution:
    """The exact moments over time; see `evolve`."""
    found = exact_states(model, times, protocol=pulses, method=method)
    checks = {name: jnp.array([state.figures[name] for state in found]) for name in found[0].figures}
    state = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(state.spin_state for state in found))
    return Solution(state, jnp.asarray(times, float), decide(checks, tolerance=2 * method.tolerance), checks)


def steady_exact(model: SpinEnsembles, strengths: Any, method: ExactLiouvillian) -> Solution:
    """The exact moments of the steady state; see `steady_state`."""
    found = exact_steady_state(model, strengths=strengths, method=method)
    checks = {name: jnp.asarray(value) for name, value in found.figures.items()}
    return Solution(found.spin_state, None, decide(checks), checks)


def _steady(
    model: SpinEnsembles, atoms: tuple[int, int], c: Coefficients, method: ExactLiouvillian
) -> tuple[ExactState, Problem]:
    if not any(bool(np.any(np.asarray(leaf) != 0)) for leaf in jax.tree.leaves(c)):
        raise ArgumentError("All rates of the model are zero: every state is stationary. Set a rate above 0.")
    detuned = bool(jnp.sum(model.larmor) != 0)
    _fit(atoms, RESTART // 2 + 12, 1, detuned, method)
    stationary = problem(generator(atoms, c, complex_state=detuned))
    right = stationary.start()
    right[0] *= -stationary.shift
    blocks, residual, _ = stationary.solve(right, method.tolerance)
    gap = spectral_gap(stationary)
    figures = {"residual": residual / gap, "growth_rate": -gap, "charge_leak": charges(jump_operators(c))[1]}
    return _state(model, atoms, blocks, **figures), stationary


def _state(model: SpinEnsembles, atoms: tuple[int, int], blocks: dict[int, Any], **figures: float) -> ExactState:
    state = ExactState(atoms, blocks, float(model.hyperfine_spin), {})
    figures |= {
        "trace_defect": abs(state.trace - 1),
        "positivity_defect": -float(state.smallest_eigenvalues.min()),
    }
    return dataclasses.replace(state, figures=figures)


def _checked(model: SpinEnsembles) -> tuple[int, int]:
    """The two atom numbers; refuses models this method does not hold for."""
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(model)):
        raise ArgumentError(
            "The exact generator is not assembled inside jit, vmap or grad: use exact_gradient for derivatives."
        )
    if any(not np.all(np.isfinite(np.asarray(leaf, float))) for leaf in jax.tree.leaves(model)):
        raise ArgumentError("All parameters of the model must be finite numbers; one is infinite or not a number.")
    lights = (model.dark, model.drive, model.pump, model.repump)
    for light in lights:
        for field in dataclasses.fields(light):
            if np.min(np.asarray(getattr(light, field.name))) < 0:
                raise ArgumentError(f"Rates must be at least 0 1/s, but `{field.name}` is negative.")
    numbers = [float(n) for n in np.asarray(model.atoms)]
    if any(n < 1 or n != round(n) for n in numbers):
        raise ArgumentError(
            f"ExactLiouvillian counts atoms: both numbers must be whole and at least 1, but are {numbers[0]:g} and "
            f"{numbers[1]:g}."
        )
    used = {name for light in lights for name in THIRD_LEVEL if np.any(getattr(light, name))}
    up, down = np.asarray(model.initial_up), np.asarray(model.initial_down)
    if used or np.any(np.abs(1 - up - down) > 1e-12):
        raise ArgumentError(
            "ExactLiouvillian holds for two-level atoms, but this model uses the third level h "
            f"({', '.join(sorted(used)) or 'some atoms start there'}): take the method MomentEquations()."
        )
    if np.min([up, down]) < 0 or not 0 <= float(model.transmission) <= 1:
        raise ArgumentError("The initial populations and the transmission of the model must lie between 0 and 1.")
    return int(numbers[0]), int(numbers[1])


def _coefficients(model: SpinEnsembles, strengths: Any) -> Coefficients:
    c = coefficients(model, jnp.asarray(strengths, float))
    r = total_rates(model, jnp.asarray(strengths, float))
    floor = -1e-12 * np.asarray(r.transverse)
    if min(float(jnp.min(leaf)) for leaf in (c.cooling, c.heating, c.raising, c.lowering)) < 0:
        raise ArgumentError("Argument `strengths` must leave all rates at least 0 1/s, but makes one negative.")
    if np.any(np.asarray(c.dephasing) < floor):
        raise ArgumentError(
            "Gamma-tilde must not be below cooling plus heating, which it includes, but leaves the dephasing at "
            f"{float(np.min(c.dephasing)):.3g} 1/s."
        )
    return dataclasses.replace(c, dephasing=jnp.maximum(c.dephasing, 0.0))


def _fit(atoms: tuple[int, int], vectors: int, forms: int, detuned: bool, method: ExactLiouvillian) -> None:
    """Refuse what does not fit into memory, before anything of that size is made."""
    one, two = (unknowns(n, n) for n in atoms)
    need = 8.0 * (2 if detuned else 1) * (vectors * unknowns(*atoms) + forms * 4 * (one + two))
    if need > method.memory:
        raise ArgumentError(
            f"The exact state of {atoms[0]:g} and {atoms[1]:g} atoms needs {need:.3g} bytes, more than the "
            f"{method.memory:.3g} allowed: take fewer atoms, ExactLiouvillian(memory=...), or MomentEquations()."
        )


def _segments(pulses: Protocol | None, last: float) -> list[tuple[float, Any]]:
    """(end, strengths) of each segment up to the last time."""
    if pulses is None:
        return [(np.inf, np.array(LIGHTS))]
    durations, start, end = (np.asarray(x, float) for x in (pulses.durations, pulses.start, pulses.end))
    if np.any(start != end):
        raise ArgumentError(
            "ExactLiouvillian takes segments of constant light, but one is a ramp: cut it into short constant "
            "segments, or take MomentEquations()."
        )
    borders = np.cumsum(durations)
    pieces = [(float(b), s) for b, s in zip(borders[:-1], start[:-1], strict=True) if b < last]
    return [*pieces, (np.inf, start[len(pieces)] if len(pieces) < len(start) else start[-1])]


def _start(model: SpinEnsembles, atoms: tuple[int, int]) -> Any:
    up = np.asarray(model.initial_up, float)
    return np.outer(*(product_populations(n, p) for n, p in zip(atoms, up, strict=True)))
