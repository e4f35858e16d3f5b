"""Checks: figures that say whether a solution may be trusted, and the outcome they decide.

d_over_n               optical depth over atom number (its square with finite_atoms): size of what is neglected
transverse_excess      (cooling + heating + losses)/Gamma-tilde - 1: Gamma-tilde cannot be below what it includes
out_of_range           how far a parameter of the model lies outside its range
inverted_decay         minus the slowest decay rate of the transverse variances: inverted spins amplify
unequal_z              one-way signal between cells of different Z, over d Gamma: the adiabatic form has no such term
uncertainty_violation  minus the smallest eigenvalue (spins) or pivot (Gaussian) of covariance + i/2 commutator
not_finite             1 where a number of the state is infinite or not a number
numerical_error        the integrator's stated error of a scaled moment
growth_rate            minus the slowest decay rate of a steady state (of a linear system: minus a lower bound of it)
rotating_wave          relative error of xi by the rotating-wave approximation, from the solution without it
adiabatic_cavity       g/kappa of a cavity that is taken to follow its membrane
rounding               rounding error of a steady covariance, relative: drift times the longest relaxation time
commutators            how far a linear system is from keeping its commutators, relative
empty                  fraction of the atoms a steady state has lost from the two-level subsystem
dilute, classical, zeeman, range, small_length   what collisions of classical motion rest on, see `pair.kinetic`
contact_fraction       share of thermal pairs that the contact can change in a harmonic trap; the solution is of those
trace_defect, positivity_defect   how far a density matrix is from trace 1, and minus its smallest pivot or eigenvalue
residual               |L rho|/(spectral gap |rho|) of an exact steady state: bounds its relative error
charge_leak            part of the jump amplitudes that leaves the sector of exact spins
thermal_tail           share of thermal pairs above the cutoff of their levels, estimated
window_tail            largest weight that a trajectory lost at the edges of the basis states it occupies
leap_range             how far leaping is from where it holds, see `spins.exact.leap`
drift                  change between the halves of the average of sampled steady states, in standard errors
sampling_error         largest standard error of a sampled transverse variance; informs, and has no limit
doppler ... distance   what effective rates of light and vapour rest on, see `atoms.validity`
"""

from __future__ import annotations

from typing import Any

from darkstate.backend import jax, jnp
from darkstate.errors import Outcome
from darkstate.solve.limits import LIMITS
from darkstate.spins.ensembles import Rates, SpinEnsembles
from darkstate.spins.state import Isotropic


def decide(checks: dict[str, Any], *, tolerance: Any = 0.0) -> Any:
    """Outcome code of each point: the most severe one of the checks beyond their limits [...].

    Args:
        checks: figures by name [...]; one that is not a number counts as not converged.
        tolerance: limit of `numerical_error`.
    """
    code = jnp.zeros((), int)
    for name, value in checks.items():
        limit, outcome = LIMITS.get(name, (tolerance, Outcome.not_converged))
        beyond = jnp.where(value <= limit, int(Outcome.ok), int(outcome))
        code = jnp.maximum(code, jnp.where(jnp.isnan(value), int(Outcome.not_converged), beyond))
    return code


def d_over_n(model: SpinEnsembles, *, finite_atoms: bool = False) -> Any:
    """Relative size of what is neglected: d/N, or d/N^2 with finite_atoms; the worse ensemble counts [].

    The drive's cooling is mu^2 Gamma, so that d = (d Gamma) mu^2 / cooling.
    """
    gamma = model.drive.cooling / model.mu**2
    depth = model.drive.collective / jnp.where(gamma == 0, jnp.inf, gamma)
    return jnp.max(depth / model.atoms ** (2 if finite_atoms else 1))


def transverse_excess(rates: Rates) -> Any:
    """How far cooling + heating + losses exceed the Gamma-tilde they are part of, relative; the worse ensemble []."""
    parts = rates.cooling + rates.heating + rates.up_to_h + rates.down_to_h
    nothing = (parts == 0) & (rates.transverse == 0)
    return jnp.max(jnp.where(nothing, -1.0, parts / jnp.where(nothing, 1.0, rates.transverse) - 1))


def out_of_range(model: SpinEnsembles) -> Any:
    """Largest distance of a parameter from its range: N, mu >= 1, rates >= 0, t and fractions in [0, 1] []."""
    causes = (model.dark, model.drive, model.pump, model.repump)
    beyond = [
        1 - model.atoms,
        1 - model.mu,
        -model.transmission,
        model.transmission - 1,
        -model.initial_up,
        -model.initial_down,
        model.initial_up + model.initial_down - 1,
        *(-rate for rate in jax.tree.leaves(causes)),
    ]
    return jnp.max(jnp.stack([jnp.max(value) for value in beyond]))


def not_finite(state: Isotropic) -> Any:
    """1.0 where any number of the state is infinite or not a number, else 0.0 []."""
    return jnp.max(jnp.stack([jnp.max(~jnp.isfinite(leaf)) for leaf in jax.tree.leaves(state)])).astype(float)
