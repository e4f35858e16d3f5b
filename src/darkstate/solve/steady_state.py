"""steady_state: where a model ends up when nothing changes any more: spin ensembles, atom pairs, linear systems."""

from __future__ import annotations

from typing import Any

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.gaussian.linear_system import LinearSystem
from darkstate.pair.atom_pair import AtomPair
from darkstate.solve.checks import d_over_n, decide, not_finite, out_of_range, transverse_excess
from darkstate.solve.exact_spins import steady_exact
from darkstate.solve.linear import steady
from darkstate.solve.methods import AbstractLevels, ClosedForm, ExactLiouvillian, Structured, Trajectories
from darkstate.solve.solution import Solution
from darkstate.solve.trajectories import steady_sampled
from darkstate.solve.two_atoms import average_pair
from darkstate.spins.closed_forms import decay_rates, steady_moments
from darkstate.spins.ensembles import SpinEnsembles
from darkstate.spins.moments import total_rates
from darkstate.spins.state import SpinState


def steady_state(
    model: SpinEnsembles | AtomPair | LinearSystem,
    *,
    strengths: Any = (1.0, 1.0, 1.0),
    method: ClosedForm | ExactLiouvillian | Trajectories | AbstractLevels | None = None,
    throw: bool = True,
) -> Solution:
    """Steady state of two spin ensembles under constant light, of a linear system, or the time average of a pair.

    Formula: A V + V A^T + D = 0 for a linear system (`gaussian.lyapunov`). xi_inf = (1/P)[Gt + dG P^2 (mu-nu)^2]/(Gt +
    dG P) for equal two-level ensembles; see `spins.closed_forms.steady_moments` for all others. Source: 001 Eqs. (5),
    (15), right as printed.

    Args:
        model: two ensembles, a `LinearSystem` (delays of a one-way cascade are accounted for), or an `AtomPair`, whose
            state in a harmonic trap is averaged over all times.
        strengths: strengths of (drive, pump, repump) [3]; for ensembles.
        method: `ClosedForm` (default) or, without approximation, `ExactLiouvillian` for few atoms and `Trajectories`
            for more of them; `Structured` (default) or `Dense` for a pair.
        throw: raise on a bad outcome; False keeps the code.

    Returns:
        A `Solution` without times; its state is a `SpinState` with leaves [2], a `GaussianState` or a `PairState`.

    Validity: N to infinity (ClosedForm); for a linear system none beyond its own.

    Raises:
        OutcomeError: `unstable` where no atoms stay in the subsystem or the fluctuations grow, `not_converged` where
            rounding may exceed 1e-8; see `solve.checks`.
        ArgumentError: another method.

    Example:
        >>> from darkstate.experiments.two_level_ensembles import *
        >>> from darkstate.witness.epr import epr_variance
        >>> lab = TwoLevelEnsembles(Ensembles(optical_depth=30), Drive(rate=1.0, z=1.5))
        >>> print(f"{epr_variance(steady_state(lab.model()).state).value:.12f}")
        0.583128114563
    """
    if isinstance(model, LinearSystem):
        found = steady(model)
        return found.raise_if_bad() if throw else found
    if isinstance(model, AtomPair):
        found = average_pair(model, Structured() if method is None else method)
        return found.raise_if_bad() if throw else found
    if not isinstance(model, SpinEnsembles):
        raise ArgumentError(
            "Argument `model` must be a SpinEnsembles, an AtomPair or a LinearSystem, but is a "
            f"{type(model).__name__}; take `lab.experiment.model()` from a lab file."
        )
    method = ClosedForm() if method is None else method
    if isinstance(method, ExactLiouvillian):
        found = steady_exact(model, strengths, method)
        return found.raise_if_bad() if throw else found
    if isinstance(method, Trajectories):
        found = steady_sampled(model, strengths, method)
        return found.raise_if_bad() if throw else found
    if not isinstance(method, ClosedForm):
        raise ArgumentError(
            "Argument `method` must be ClosedForm(), ExactLiouvillian(), Trajectories() or Leaping(), but is "
            f"{method!r}; evolve takes the other methods."
        )
    solution = _closed_form(model, jnp.asarray(strengths, float))
    return solution.raise_if_bad() if throw else solution


@jax.jit
def _closed_form(model: SpinEnsembles, strengths: Any) -> Solution:
    rates = total_rates(model, strengths)
    found = steady_moments(model, rates)
    moments = found.moments
    checks = {
        "growth_rate": -decay_rates(moments.x, rates).min(),
        "empty": 1 - moments.two_level.min(),
        "uncertainty_violation": -found.uncertainty_defect,
        "transverse_excess": transverse_excess(rates),
        "d_over_n": d_over_n(model),
        "out_of_range": out_of_range(model),
        "not_finite": not_finite(found),
    }
    return Solution(SpinState(moments, model.atoms, model.hyperfine_spin), None, decide(checks), checks)
