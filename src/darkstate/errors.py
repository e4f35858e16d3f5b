"""Outcomes and errors: a failure is a value with a cure.

An outcome is one integer per solved point. A single call turns a bad outcome into an exception; a batch keeps the
code per point and goes on.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Outcome(IntEnum):
    """How a calculation ended; the order is the order of severity (the larger code wins)."""

    ok = 0
    outside_validity = 1
    unphysical_covariance = 2
    not_converged = 3
    unstable = 4

    @property
    def meaning(self) -> str:
        """What happened, in one clause."""
        return _TEXT[self].meaning

    @property
    def cure(self) -> str:
        """What to change so that it does not happen."""
        return _TEXT[self].cure


class _Text(NamedTuple):
    meaning: str
    cure: str


_TEXT = {
    Outcome.ok: _Text("every check passed", "nothing to do"),
    Outcome.outside_validity: _Text(
        "the equations were used where their approximations do not hold",
        "look at `checks` for the figure beyond its limit: more atoms (d_over_n), a positive polarisation "
        "(inverted_decay), a larger Gamma-tilde (transverse_excess), the default method (unequal_z), slower coupling "
        "and the model in the laboratory frame (rotating_wave), or, with a laser, what `darkstate rates` shows: more "
        "detuning (doppler, linewidth), less power (excited, elimination, sidebands, motion), smaller distance",
    ),
    Outcome.unphysical_covariance: _Text(
        "the variances violate the uncertainty relation",
        "use the variant `corrected`; check that rates are non-negative, that the dephasing is not below cooling plus "
        "heating, and that every coupling of a hand-made linear system comes with its noise",
    ),
    Outcome.not_converged: _Text(
        "the stated numerical error exceeds the tolerance",
        "use a finer time grid or more substeps: `MomentEquations(substeps=...)`; if `rounding` is beyond its limit, "
        "bring the rates of the system closer to each other",
    ),
    Outcome.unstable: _Text(
        "fluctuations grow without bound, or no atoms stay in the two-level subsystem: there is no steady state",
        "oscillators: more damping, a coupling angle above pi/4, a laser red of the cavity; ensembles: give the lost "
        "atoms a way back (repump, collisions), or cool faster than you heat (raise Z or the pump)",
    ),
}


class DarkstateError(Exception):
    """Base of every error darkstate raises on purpose."""


class OutcomeError(DarkstateError):
    """A single calculation ended badly; carries the `Outcome`."""

    def __init__(self, outcome: Outcome, detail: str = "", cure: str = "") -> None:
        self.outcome = outcome
        text = f"{outcome.name}: {outcome.meaning}" + (f" ({detail})" if detail else "")
        super().__init__(f"{text}. Cure: {cure or outcome.cure}.")


class ArgumentError(DarkstateError, ValueError):
    """An argument is not what the function accepts; says what was read, what is allowed and the next step."""


class InputError(DarkstateError):
    """A file or an option the user gave cannot be used. Holds every problem found, one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))
