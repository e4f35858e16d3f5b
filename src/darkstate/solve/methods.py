"""Methods: which algorithm solves which question, and where it is valid ("what to use when").

A method is an argument of the verbs `steady_state` and `evolve`, never part of the model.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from darkstate.errors import ArgumentError


@dataclasses.dataclass(frozen=True)
class MomentEquations:
    """Integrate the moment equations: any protocol, any ensembles. The default of `evolve`.

    Args:
        variant: `corrected` (default) or `paper_ode`, which leaves out the term dN_2/dt as the papers do.
        finite_atoms: keep the terms of relative order 1/N that uncorrelated triples of atoms give.
        substeps: steps per grid interval; None chooses them from the largest rate, and must be replaced by a number
            inside jit, vmap and grad, where rates are not known beforehand.
        tolerance: largest stated error of a scaled moment that still counts as converged.

    Validity: decorrelation, relative error O(1/N). For d = 5, Z = 1.5 and N = 4, xi is off by 0.027, or 0.004 with
    finite_atoms.
    """

    variant: Literal["corrected", "paper_ode"] = "corrected"
    finite_atoms: bool = False
    substeps: int | None = None
    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        if self.variant not in ("corrected", "paper_ode"):
            raise ArgumentError(f"Argument `variant` must be 'corrected' or 'paper_ode', but is {self.variant!r}.")
        if self.substeps is not None and self.substeps < 1:
            raise ArgumentError(f"Argument `substeps` must be at least 1, but is {self.substeps}.")

    @property
    def name(self) -> str:
        """Name in results."""
        return self.variant


@dataclasses.dataclass(frozen=True)
class AdiabaticClosedForm:
    """001 Eqs. (14) and (21), 000 Eq. (B3): what the papers' curves were drawn with. For `evolve`.

    Validity: one drive segment of constant strength; populations slow against the collective decay (the error in xi
    reaches 2.3e-3 at Z = 1.5 and 1.8e-2 at Z = 2.5); N to infinity; ensembles of equal Z.
    """

    name: str = dataclasses.field(default="eq21", init=False)


@dataclasses.dataclass(frozen=True)
class ClosedForm:
    """001 Eq. (15), generalised to three levels and unequal ensembles. The only method of `steady_state`.

    Validity: N to infinity; all lights at constant strength.
    """

    name: str = dataclasses.field(default="closed_form", init=False)


@dataclasses.dataclass(frozen=True)
class Kinetic:
    """Independent collisions of classical motion: the Lindblad equation of `pair.kinetic`. The default for atom pairs.

    Validity: the trap scrambles the motion between collisions, as tweezers do; few atoms, k T above all level spacings
    and Zeeman energies. `checks` has the figures.
    """

    name: str = dataclasses.field(default="kinetic", init=False)


@dataclasses.dataclass(frozen=True)
class AbstractLevels:
    """Unitary dynamics of a pair by all its levels in a harmonic trap.

    Args:
        cutoff: largest energy of the motion, in units of k T; at least 20 quanta of the stiffest axis are kept.
        window: average each state over a window of this length around its time [s]; late single times depend on the
            levels to 1 Hz.

    Validity: a harmonic trap, a contact without range. The state is that of the pairs which the contact can change at
    all; in a harmonic trap `contact_fraction` says that most never collide.
    """

    cutoff: float = 10.0
    window: float = 0.0

    def __post_init__(self) -> None:
        if not (self.cutoff > 0 and self.window >= 0):
            raise ArgumentError(
                f"Arguments `cutoff` and `window` must be above 0 and at least 0, but are {self.cutoff:g} and "
                f"{self.window:g} s."
            )

    @property
    def name(self) -> str:
        """Name in results."""
        return type(self).__name__.lower()


@dataclasses.dataclass(frozen=True)
class Structured(AbstractLevels):
    """The levels by the secular problem of `pair.secular`: 10^5 of them in a minute. See `AbstractLevels`."""


@dataclasses.dataclass(frozen=True)
class Dense(AbstractLevels):
    """The levels by diagonalising the matrix: an oracle for small traps or low temperatures. See `AbstractLevels`."""


@dataclasses.dataclass(frozen=True)
class ExactLiouvillian:
    """The full master equation of N two-level atoms per ensemble, permutation-symmetric. For `evolve`, `steady_state`.

    Args:
        tolerance: accuracy aimed at, of the evolution relative to the state, of the steady state relative to the
            slowest decay; `checks` accept 1e-8.
        memory: most memory a solution may take [bytes]; N = 50 takes 1.5e9.

    Validity: no approximation for two-level atoms without coherence at the start; `checks` certify each result. N up to
    some fifty; see `solve.exact_spins`.
    """

    tolerance: float = 1e-10
    memory: float = 4 * 2.0**30

    def __post_init__(self) -> None:
        if not (0 < self.tolerance < 1 and self.memory > 0):
            raise ArgumentError(
                f"Arguments `tolerance` and `memory` must lie between 0 and 1 and above 0 bytes, but are "
                f"{self.tolerance:g} and {self.memory:g} bytes."
            )

    @property
    def name(self) -> str:
        """Name in results."""
        return "exact"


@dataclasses.dataclass(frozen=True)
class Trajectories:
    """Quantum trajectories of the full master equation: 2 to some 10^6 atoms. For `evolve`, `steady_state`.

    Args:
        number: of trajectories, some hundred at least for errors to be trusted; of `exact_samples(until=...)` the most
            that may run.
        seed: the same seed gives the same numbers, bit for bit, whatever the number of threads.
        threads: cores to use; None = all.

    Validity: no approximation but the number of trajectories; `checks["window_tail"]` bounds what the basis left out.
    Needs the optional extra `darkstate[exact]`.
    """

    number: int = 2000
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("number", 2), ("seed", 0), ("threads", 1)):
            value = getattr(self, name)
            if value is not None and (value != int(value) or value < least):
                raise ArgumentError(f"Argument `{name}` must be a whole number of at least {least}, but is {value!r}.")

    @property
    def name(self) -> str:
        """Name in results."""
        return type(self).__name__.lower()


@dataclasses.dataclass(frozen=True)
class Leaping(Trajectories):
    """Trajectories whose many alike jumps are drawn together: 10^3 to 10^12 atoms at the same cost. For `evolve`.

    Args:
        step: length of a step, in units of the inverse of the fastest single-atom rate.

    Validity: an approximation for polarised ensembles of 10^3 atoms or more; everything is run with `step` and with
    half of it, and the change is the error of the step (`Sampled.step_change`).
    """

    step: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.step <= 1:
            raise ArgumentError(f"Argument `step` must lie between 0 and 1, but is {self.step!r}.")


VARIANTS: dict[str, MomentEquations | AdiabaticClosedForm] = {
    "corrected": MomentEquations(),
    "paper_ode": MomentEquations(variant="paper_ode"),
    "eq21": AdiabaticClosedForm(),
}
"""The variants that figures compare, by name; the first is the default."""
