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
from darkstate.spins.exact.basis import product_populations, spin_populations, unknowns
from darkstate.spins.exact.charges import charges
from darkstate.spins.exact.generator import Generator, coefficients, generator, jump_coefficients
from darkstate.spins.exact.jumps import LOCAL, JumpModel, ProductStart, SpinStart, jumps_of
from darkstate.spins.exact.krylov import RESTART, SUBSPACE, exponential
from darkstate.spins.exact.layout import Layout
from darkstate.spins.exact.sensitivity import slopes
from darkstate.spins.exact.state import ExactState, isotropic
from darkstate.spins.exact.steady import Problem, problem, spectral_gap
from darkstate.spins.protocol import Protocol, constant_segments
from darkstate.spins.state import SpinState

LIGHTS = (1.0, 1.0, 1.0)
Third = tuple[bool, bool]


def exact_states(
    model: SpinEnsembles | JumpModel,
    times: Any,
    *,
    protocol: Protocol | None = None,
    method: ExactLiouvillian | None = None,
) -> list[ExactState]:
    """The density operators of two ensembles over time, with all that can be read from them.

    Formula: exp(t L) on the start of the model, in Krylov subspaces of controlled error. Source: 001 Eq. (13), and D1
    as full-rate Lindblad terms, with unequal ensembles, Larmor frequencies and light lost between them.

    Args:
        model: two ensembles; or a `JumpModel`, whose jump operators keep m_I - m_II, with one ensemble or two.
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
    every = np.asarray(times, float)
    pieces = [(end, _jumps(model, strengths)) for end, strengths in constant_segments(protocol, float(every[-1]))]
    first = pieces[0][1]
    atoms, detuned = first.atoms, sum(first.larmor) != 0
    third = any(j.third[0] for _, j in pieces), any(j.third[1] for _, j in pieces)
    _fit(atoms, third, SUBSPACE + 8, 0, detuned, method)
    x = np.outer(*(_start(n, begin, uses) for n, begin, uses in zip(atoms, first.start, third, strict=True)))
    values, now, error = None, 0.0, 0.0
    found: list[ExactState] = []
    for end, jumps in pieces:
        g = generator(atoms, jump_coefficients(jumps), third, complex_state=detuned)
        layout = Layout.of(g)
        values = layout.join(layout.split(np.zeros(layout.size)) | {0: x}) if values is None else values
        move = _map(g, layout)
        fastest = max(float(np.abs(a.diagonal()).max() + np.abs(b.diagonal()).max()) for a, b in g.local)
        step = 10 / fastest if fastest else np.inf
        stops = [t for t in every[len(found) :] if t <= end]
        for target in [*stops, end] if end < every[-1] else stops:
            if target > now:
                share = method.tolerance * (target - now) / every[-1]
                values, wrong, step = exponential(move, values, target - now, share, step)
                now, error = target, error + wrong
            if len(found) < len(every) and target == every[len(found)]:
                found.append(_state(jumps, third, layout.split(values.copy()), numerical_error=error))
    return found


def _map(g: Generator, layout: Layout) -> Callable[[Any], Any]:
    return lambda values: layout.join(g.apply(layout.split(values)))


def exact_steady_state(
    model: SpinEnsembles | JumpModel, *, strengths: Any = LIGHTS, method: ExactLiouvillian | None = None
) -> ExactState:
    """The steady density operator of two ensembles, with all that can be read from it.

    Formula: L rho = 0, Tr rho = 1. Source: 001 Eq. (13), and D1 as full-rate Lindblad terms, with unequal ensembles,
    Larmor frequencies and light lost between them.

    Args:
        model: two ensembles; or a `JumpModel`, whose jump operators keep m_I - m_II, with one ensemble or two.
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
    return _steady(_jumps(model, strengths), ExactLiouvillian() if method is None else method)[0]


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
        model: two ensembles.
        figure: a differentiable number of the state, such as `lambda state: epr_variance(state).value`.
        strengths: strengths of (drive, pump, repump) [3].
        method: accuracy and memory.

    Returns:
        The figure, and its derivatives in the places of the parameters. `atoms`, `hyperfine_spin` and the start hold 0:
        whole numbers have no derivative, and the steady state forgets the start. So do the rates to and from |h> of an
        ensemble that has none: without a way back the smallest loss would empty it.

    Raises:
        ArgumentError: as `exact_steady_state`.

    Example:
        >>> from darkstate.experiments.two_level_ensembles import *
        >>> lab = TwoLevelEnsembles(Ensembles(optical_depth=30, atoms=8), Drive(rate=1.0, z=2.5))
        >>> figure, slope = exact_gradient(lab.model(), lambda state: state.polarization[0])
        >>> print(f"{figure:.9f} {slope.drive.cooling[0]:.6f} {slope.drive.heating[0]:.6f}")
        0.312012480 0.066789 -0.127368
    """
    if not isinstance(model, SpinEnsembles):
        raise ArgumentError(f"exact_gradient differentiates a SpinEnsembles model, but got a {type(model).__name__}.")
    method = ExactLiouvillian() if method is None else method
    jumps = _jumps(model, strengths)
    atoms, third = jumps.atoms, jumps.third

    def read(values: dict[str, Any]) -> Any:
        moments = isotropic(values, third).moments
        return figure(SpinState(moments, jnp.array(atoms, float), jnp.asarray(model.hyperfine_spin, float)))

    state, stationary = _steady(jumps, method)
    value, weights = jax.value_and_grad(read)(state.values)
    if weights["pair_im"] != 0 and not stationary.generator.complex:
        stationary = problem(generator(atoms, jump_coefficients(jumps), third, complex_state=True))
    weights = {name: float(weight) for name, weight in weights.items()}
    found, residual = slopes(stationary, state.blocks, weights, method.tolerance)
    if not residual <= 1e-8 * stationary.uncoupled.slowest:
        raise OutcomeError(Outcome.not_converged, f"residual of the sensitivities {residual:.1e} 1/s")
    floats = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), model)
    _, back = jax.vjp(lambda m: coefficients(m, jnp.asarray(strengths, float)), floats)
    (slope,) = back(found)
    lights = {name: _without_h(getattr(slope, name), third) for name in ("dark", "drive", "pump", "repump")}
    return float(value), dataclasses.replace(slope, atoms=jnp.zeros(2), **lights)


def evolve_exact(
    model: SpinEnsembles | JumpModel, times: Any, pulses: Protocol | None, method: ExactLiouvillian
) -> Solution:
    """The exact moments over time; see `evolve`."""
    found = exact_states(model, times, protocol=pulses, method=method)
    checks = {name: jnp.array([state.figures[name] for state in found]) for name in found[0].figures}
    state = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(state.spin_state for state in found))
    return Solution(state, jnp.asarray(times, float), decide(checks, tolerance=2 * method.tolerance), checks)


def steady_exact(model: SpinEnsembles | JumpModel, strengths: Any, method: ExactLiouvillian) -> Solution:
    """The exact moments of the steady state; see `steady_state`."""
    found = exact_steady_state(model, strengths=strengths, method=method)
    checks = {name: jnp.asarray(value) for name, value in found.figures.items()}
    return Solution(found.spin_state, None, decide(checks), checks)


def _steady(jumps: JumpModel, method: ExactLiouvillian) -> tuple[ExactState, Problem]:
    c = jump_coefficients(jumps)
    if not any(bool(np.any(np.asarray(leaf) != 0)) for leaf in jax.tree.leaves(c)):
        raise ArgumentError("All rates of the model are zero: every state is stationary. Set a rate above 0.")
    atoms, third, detuned = jumps.atoms, jumps.third, c.detuning != 0
    _fit(atoms, third, RESTART // 2 + 12, 1, detuned, method)
    stationary = problem(generator(atoms, c, third))
    right = stationary.start()
    right[0] *= -stationary.shift
    blocks, residual, _ = stationary.solve(right, method.tolerance)
    gap = spectral_gap(stationary)
    state = _state(jumps, third, blocks, residual=residual / gap, growth_rate=-gap)
    if any(third):
        left = float((state.isotropic.up + state.isotropic.down)[np.array(third)].min())
        # what is left below the accuracy of the solution is nothing
        state = dataclasses.replace(state, figures={**state.figures, "empty": round(1 - left, 9)})
    return state, stationary


def _state(jumps: JumpModel, third: Third, blocks: dict[int, Any], **figures: float) -> ExactState:
    state = ExactState(jumps.atoms, blocks, jumps.hyperfine_spin, {}, third)
    figures |= {
        "charge_leak": charges(jumps.jumps)[1],
        "trace_defect": abs(state.trace - 1),
        "positivity_defect": -float(state.smallest_eigenvalues.min()),
    }
    return dataclasses.replace(state, figures=figures)


def _jumps(model: SpinEnsembles | JumpModel, strengths: Any) -> JumpModel:
    """The jump operators of a model; refuses those that this method does not hold for."""
    found = jumps_of(model, strengths)
    if not found.conserves(-1):
        kept = "m_I + m_II" if found.conserves(1) else "no such number"
        raise ArgumentError(
            "ExactLiouvillian holds for jump operators that keep m_I - m_II, as those of the engineered reservoir do, "
            f"but these keep {kept}: take the method Trajectories()."
        )
    return found


def _without_h(slope: Any, third: Third) -> Any:
    """Derivatives by the rates to and from |h> only where |h> is in use."""
    used = np.array(third)
    return dataclasses.replace(slope, **{name: jnp.where(used, getattr(slope, name), 0.0) for name in LOCAL[3:]})


def _fit(
    atoms: tuple[int, int], third: Third, vectors: int, forms: int, detuned: bool, method: ExactLiouvillian
) -> None:
    """Refuse what does not fit into memory, before anything of that size is made."""
    squares = sum(unknowns(n, n, (uses, uses), min(atoms)) for n, uses in zip(atoms, third, strict=True))
    need = 8.0 * (2 if detuned else 1) * (vectors * unknowns(*atoms, third) + forms * 4 * squares)
    if need > method.memory:
        raise ArgumentError(
            f"The exact state of {atoms[0]:g} and {atoms[1]:g} atoms needs {need:.3g} bytes, more than the "
            f"{method.memory:.3g} allowed: take fewer atoms, ExactLiouvillian(memory=...), or Trajectories()."
        )


def _start(atoms: int, begin: ProductStart | SpinStart, third: bool) -> Any:
    if isinstance(begin, SpinStart):
        return spin_populations(atoms, begin.states, third)
    return product_populations(atoms, begin.up, begin.down, third)
