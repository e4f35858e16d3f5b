"""xi over time of one model by every method that holds for its number of atoms, and what each cost.

    N <= 8, or up to 20 within seconds   the density operator itself
    more atoms                           quantum trajectories, as many as the wanted error takes
    N >= 1000                            leaping as well; alone where trajectories take too long

Up: `report.exact` sets them side by side; down: `solve`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError, Outcome
from darkstate.solve.evolve import evolve, fastest
from darkstate.solve.limits import LIMITS, beyond
from darkstate.solve.methods import AdiabaticClosedForm, ExactLiouvillian, Leaping, MomentEquations, Trajectories
from darkstate.solve.solution import Solution
from darkstate.solve.trajectories import LEAST_LEAP, exact_samples
from darkstate.spins.ensembles import SpinEnsembles
from darkstate.spins.exact.basis import unknowns
from darkstate.spins.exact.jumps import jump_model
from darkstate.spins.exact.sampling import ROUND
from darkstate.spins.moments import total_rates
from darkstate.spins.protocol import Protocol, constant_segments
from darkstate.spins.state import Moments, SpinState
from darkstate.witness.epr import epr_variance

Progress = Callable[[float], None] | None

ALWAYS, MOST_LIOUVILLIAN, SECONDS = 8, 20, 30.0
"""The density operator is evolved up to ALWAYS atoms, and up to MOST_LIOUVILLIAN if that takes fewer SECONDS."""

MOST_ATOMS = 10**6
"""Most atoms whose jumps are followed one by one."""

PATIENCE, LIMIT = 300.0, 3600.0
"""Longest run of trajectories, where leaping can stand in for them and where nothing can [s]."""

PER_ENTRY, PER_JUMP, PER_STEP = 1e-6, 2e-6, 1e-5
"""What an entry of the density operator takes per 1/(fastest rate), a jump and a step of leaping on one core [s]."""

SCATTER = 0.6
"""Standard deviation of xi per trajectory, relative; 0.4 to 0.9 whatever the number of atoms."""

UNSEEN = 2.0
"""Standard error, in units of xi over the number of trajectories, by jumps so rare that none was drawn."""

PART = 3.5
"""Standard errors beyond which a difference counts: by chance, one comparison in a hundred has one that large."""

ROUNDING = 1e-9
"""Difference of xi that never counts."""


@dataclass(frozen=True)
class Course:
    """xi over time by one method.

    Args:
        name: closed_form, moments, exact or leaped; made: how it came about and what was checked, in words.
        xi: EPR variance [t]; xi_err: standard error where trajectories were sampled, with the change by halving the
            step of leaping where that is beyond chance; else the stated numerical error [t].
        outcome: of the checks of this method; trajectories: how many, 0 where nothing was sampled.
    """

    name: str
    made: str
    xi: np.ndarray
    xi_err: np.ndarray
    outcome: Outcome = Outcome.ok
    trajectories: int = 0

    @property
    def title(self) -> str:
        """Name in words."""
        return self.name.replace("_", " ")

    @property
    def sampled(self) -> bool:
        """Whether its errors are those of sampling."""
        return self.trajectories > 0


@dataclass(frozen=True)
class Task:
    """What all methods solve.

    Args:
        model: two ensembles; pulses: constant segments; times: [t; s]; error: wanted standard error of xi.
        seed: of all trajectories.
    """

    model: SpinEnsembles
    pulses: Protocol
    times: np.ndarray
    error: float
    seed: int

    @property
    def atoms(self) -> int:
        """Atoms per ensemble."""
        return int(self.model.atoms[0])

    @property
    def pieces(self) -> list[tuple[float, Any]]:
        """(end, strengths) of every segment."""
        return constant_segments(self.pulses, float(self.times[-1]))

    @property
    def spans(self) -> float:
        """Fastest rate times the length of the protocol."""
        return max(fastest(total_rates(self.model, s)) for _, s in self.pieces) * float(self.times[-1])


def courses(task: Task, progress: Progress = None) -> tuple[list[Course], list[str]]:
    """Every method that holds, in the order of a table, and a sentence on each that was left out.

    Raises:
        ArgumentError: no exact method holds for the model, or the wanted error takes too long.
    """
    moments, solution = _moments(task)
    found, left_out = [moments], []
    try:
        found.insert(0, _closed_form(task))
    except ArgumentError:
        left_out.append("closed form left out: it holds for one drive segment of constant strength 1")
    if task.atoms <= MOST_LIOUVILLIAN and (task.atoms <= ALWAYS or _liouvillian_seconds(task) < SECONDS):
        try:
            return [*found, _liouvillian(task)], left_out
        except ArgumentError as error:
            left_out.append(f"density operator left out: {_clause(error)}")
    wanted = Preview.of(task, solution)
    leaps = task.atoms >= LEAST_LEAP
    follow = task.atoms <= MOST_ATOMS and wanted.seconds < (PATIENCE if leaps else LIMIT)
    if not follow and not (leaps and wanted.leaping < LIMIT):
        raise ArgumentError(wanted.refusal(task, leaps))
    if not follow:
        left_out.append(f"exact left out: {wanted.said(task)}; leaping stands in")
    shares = _shares(progress, follow + leaps)
    if follow:
        found.append(_sampled("exact", task, wanted, Trajectories, shares[0]))
    if leaps:
        try:
            found.append(_sampled("leaped", task, wanted, Leaping, shares[-1]))
        except ArgumentError as error:
            if not follow:
                raise
            left_out.append(f"leaped left out: {_clause(error)}")
    return found, left_out


@dataclass(frozen=True)
class Preview:
    """What a run of trajectories will cost, from the moment equations.

    Args:
        jumps: per trajectory; trajectories: for the wanted error; seconds, leaping: of following all jumps, and of
            leaping, on all cores [s].
    """

    jumps: float
    trajectories: float
    seconds: float
    leaping: float

    @classmethod
    def of(cls, task: Task, solution: Solution) -> Preview:
        """Formula: jumps = integral of the sum of <L^+ L>; trajectories = (SCATTER xi/error)^2, `flattened`."""
        rate, begin = np.zeros(len(task.times)), 0.0
        for end, strengths in task.pieces:
            inside = (task.times >= begin) & (task.times <= end)
            rate = np.where(inside, np.asarray(jump_rate(task.model, strengths, solution.state.moments)), rate)
            begin = end
        jumps = float(np.trapezoid(rate, task.times))
        if not np.isfinite(jumps):  # moment equations that failed: as many as the fastest rate gives
            jumps = 2.0 * task.atoms * task.spans
        xi = np.nan_to_num(np.asarray(_xi(solution.state)), nan=2.0, posinf=2.0)
        number = (SCATTER * float(np.max(np.minimum(xi, 4 / xi))) / task.error) ** 2
        number = max(number, 20.0 * ROUND)  # the first round
        turns = abs(float(jnp.sum(task.model.larmor))) * float(task.times[-1])  # steps must follow the precession
        each = jumps + 10 * (1 + turns)
        fastest_atom = max(np.max(jump_model(task.model, strengths).local) for _, strengths in task.pieces)
        steps = 3 * fastest_atom * float(task.times[-1]) / Leaping().step  # of the wanted length, and of half of it
        cores = os.cpu_count() or 1
        return cls(jumps, number, number * each * PER_JUMP / cores, number * steps * PER_STEP / cores)

    def said(self, task: Task) -> str:
        """What it costs, in words."""
        jumps, number = (float(f"{x:.2g}") for x in (self.jumps, self.trajectories))
        each = f"{jumps:g} jumps in each of {number:g} trajectories"
        return f"{task.atoms:g} atoms and an error of {task.error:g} take {each}, some {in_time(self.seconds)} here"

    def refusal(self, task: Task, leaps: bool) -> str:
        """Why nothing is run, and the error that would take a tenth of LIMIT."""
        error = task.error * np.sqrt(10 * (self.leaping if leaps else self.seconds) / LIMIT)
        leaping = f", leaping {in_time(self.leaping)}" if leaps else ""
        return f"{self.said(task)}{leaping}; ask for a larger `error`, such as {error:.1g}."


def jump_rate(model: SpinEnsembles, strengths: Any, m: Moments) -> Any:
    """Jumps per second of two ensembles, dephasing left out, which hardly ever jumps [t; 1/s].

    Formula: cool N_down + heat N_up + exchange with h, and d Gamma (mu^2 <S^+ S> + nu^2 <S S^+>) of each ensemble with
    4 d Gamma mu nu Re <S_I S_II>; S^+ S = Jy^2 + Jz^2 - Jx.

    Example:
        >>> import darkstate as ds
        >>> model = ds.load(ds.shipped_labs()["muschik2011"]).experiment.model()  # all up: d Gamma nu^2 N + heating N
        >>> up = ds.evolve(model, [0.0, 0.1]).state.moments
        >>> print(f"{float(jump_rate(model, np.ones(3), up)[0]) / 1e12:.4f} N per second")
        0.3472 N per second
    """
    r = total_rates(model, strengths)
    leaving = (r.heating + r.up_to_h) * m.up + (r.cooling + r.down_to_h) * m.down + (r.h_to_up + r.h_to_down) * m.h
    around, mu, nu = m.yy + m.zz, jnp.asarray(model.mu), jnp.asarray(model.nu)
    own = r.collective * (mu**2 * (around - m.x) + nu**2 * (around + m.x))
    both = jnp.sqrt(model.transmission * r.collective[0] * r.collective[1]) * (mu[0] * nu[1] + mu[1] * nu[0])
    together = own.sum(-1) + 2 * both * (m.cross_yy - m.cross_zz)
    return (model.atoms * leaving).sum(-1) + jnp.maximum(together, 0.0)


def in_time(seconds: float) -> str:
    """A time in the unit that reads well.

    Example:
        >>> in_time(90.0), in_time(5e8)
        ('1.5 minutes', '16 years')
    """
    for unit, length, until in (("seconds", 1, 90), ("minutes", 60, 5400), ("hours", 3600, 172800)):
        if seconds < until:
            return f"{seconds / length:.2g} {unit}"
    days = seconds / 86400
    return f"{days:.0f} days" if days < 730 else f"{days / 365.25:.2g} years"


def _clause(error: ArgumentError) -> str:
    """An error as a part of a sentence."""
    return str(error).rstrip(".")


def _xi(state: SpinState) -> Any:
    return epr_variance(state).value


def flattened(xi: Any) -> Any:
    """xi up to 2, and 4 - 4/xi above, smoothly: where <Jx> passes through 0, 1/xi is well defined and xi is not.

    Example:
        >>> print(flattened(jnp.array([0.5, 2.0, 4.0, jnp.inf])))
        [0.5 2.  3.  4. ]
    """
    large = xi > 2
    return jnp.where(large, 4 - 4 / jnp.where(large, xi, 1.0), xi)


@jax.jit
def _stated(state: SpinState, error: Any) -> Any:
    """What an error of every scaled moment does to xi, at most, and rounding [t]."""

    def one(state: SpinState, error: Any) -> Any:
        slopes = jax.grad(lambda m: _xi(SpinState(m, state.atoms, state.hyperfine_spin)))(state.moments)
        return error * sum(jnp.abs(leaf).sum() for leaf in jax.tree.leaves(slopes))

    return jax.vmap(one)(state, jnp.broadcast_to(error, state.hyperfine_spin.shape)) + epr_variance(state).rounding


def _course(name: str, text: str, solution: Solution) -> Course:
    """xi of a solution that is not sampled."""
    checks = {key: float(np.max(value)) for key, value in solution.checks.items()}
    outcome = Outcome(int(np.max(np.asarray(solution.outcome))))
    depth = checks.get("d_over_n", 0.0)
    limit = LIMITS["d_over_n"][0]
    said = [text]
    if checks.get("numerical_error", 0.0) > 1e-15:
        said.append(f"numerical error {checks['numerical_error']:.0e}")
    if depth > limit:
        said.append(f"d/N = {depth:.3g}, claimed up to {limit:g} only")
    wrong = {key: text for key, text in beyond(checks, outcome).items() if key != "d_over_n"}
    if outcome is not Outcome.ok and (wrong or depth <= limit):
        said.append(f"{outcome.name}: {', '.join(wrong.values()) or outcome.meaning}")
    error = _stated(solution.state, checks.get("numerical_error", 0.0))
    return Course(name, ", ".join(said), np.asarray(_xi(solution.state)), np.asarray(error), outcome)


def _closed_form(task: Task) -> Course:
    solution = evolve(task.model, task.times, protocol=task.pulses, method=AdiabaticClosedForm(), throw=False)
    return _course("closed_form", "001 Eqs. (14), (21): adiabatic, N to infinity", solution)


def _moments(task: Task) -> tuple[Course, Solution]:
    solution = evolve(task.model, task.times, protocol=task.pulses, method=MomentEquations(), throw=False)
    return _course("moments", "moment equations of `predict`: N to infinity", solution), solution


def _liouvillian(task: Task) -> Course:
    begin, n = perf_counter(), task.atoms
    solution = evolve(task.model, task.times, protocol=task.pulses, method=ExactLiouvillian(), throw=False)
    spent = in_time(perf_counter() - begin)
    figures = {key: float(np.max(value)) for key, value in solution.checks.items()}
    text = (
        f"density operator of all {2 * n} atoms in {spent}: trace right to {figures['trace_defect']:.0e}, smallest "
        f"eigenvalue {-figures['positivity_defect']:.0e}"
    )
    return _course("exact", text, solution)


def _liouvillian_seconds(task: Task) -> float:
    third = any(jump_model(task.model, strengths).three_levels for _, strengths in task.pieces)
    steps = task.spans + 2 * len(task.times)  # the smallest eigenvalue is looked for at every time
    return PER_ENTRY * unknowns(task.atoms, task.atoms, (third, third)) * steps


def _sampled(name: str, task: Task, wanted: Preview, method: type[Trajectories], progress: Progress) -> Course:
    most = int(min(4 * wanted.trajectories + 2000, 1e9))
    begin = perf_counter()
    found = exact_samples(
        task.model,
        task.times,
        protocol=task.pulses,
        method=method(number=most, seed=task.seed),
        until=(lambda state: flattened(_xi(state)), task.error),
        progress=progress,
    )
    if progress is not None:
        progress(1.0)
    spent = in_time(perf_counter() - begin)
    xi, error = (np.asarray(x) for x in found.estimate(_xi))
    # what happens in less than one trajectory of all was not seen, and the scatter knows nothing of it
    error = np.hypot(error, np.where(task.times > 0, UNSEEN * np.maximum(xi, 1.0) / found.trajectories, 0.0))
    worst = float(np.max(error[xi <= 2], initial=0.0))
    said = [f"{found.trajectories} trajectories in {spent}, error of xi at most {worst:.2g}"]
    wrong = [k for k, value in found.figures.items() if k in LIMITS and not value <= LIMITS[k][0]]
    if found.coarse is None:
        said.insert(1, f"{found.jumps:.0f} jumps each")
    else:
        change, noise = (np.asarray(x) for x in found.step_change(_xi))
        sigmas = np.abs(change) / np.maximum(noise, ROUNDING)
        at = int(np.argmax(sigmas))
        by = f"{sigmas[at]:.1f} standard errors ({change[at]:+.2g} +- {noise[at]:.1g})"
        said.append(f"halving the step changed xi by at most {by}")
        error = np.where(sigmas > PART, np.hypot(error, change), error)
    said += [f"{k.replace('_', ' ')} {value:.0e}" for k, value in found.figures.items() if value]
    outcome = max((LIMITS[k][1] for k in wrong), default=Outcome.ok)
    return Course(name, ", ".join(said), xi, error, outcome, found.trajectories)


def _shares(progress: Progress, parts: int) -> list[Progress]:
    """The parts of a progress bar that each of several runs fills."""
    if progress is None:
        return [None] * parts
    return [lambda share, k=k: progress((k + share) / parts) for k in range(parts)]  # type: ignore[misc]
