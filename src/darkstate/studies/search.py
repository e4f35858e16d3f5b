"""search: the optimum of a problem of `optimise`, for every value of its grid at once, and what can be said against it.

    study.toml -> `optimise.read_problem` -> Problem -> `Programs` -> find -> Found

Points with a bad outcome (no steady state, no physical covariance, equations outside their validity) are no numbers to
the search, so that none is chosen. Where the best point lies beside them, a direct search goes on along the edge.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from darkstate.errors import Outcome
from darkstate.experiments.values import with_values
from darkstate.studies.constraints import KEPT
from darkstate.studies.optimise import Problem
from darkstate.studies.programs import ROWS, Answer, Programs
from darkstate.studies.sensitivity import Halved, Sensitivities, at_fixed_rates, halved

SLICE = 61
STEP = 1e-4
"""Distance of the gradients that give a curvature, in widths of the box."""

SETTLED = 1e-4
"""Newton step beyond which an optimum is not settled, in widths of the box."""

FLAT = 1e-6
"""Curvature across the box below which a direction has no influence, in units of the value."""


@dataclasses.dataclass(frozen=True)
class Found:
    """The optimum for each value of the grid [g] (one if there is none), over the variables [n].

    Args:
        problem: what was asked.
        start: the answers with the lab's own settings [g].
        places: settings [g n; SI]; values: of every key of `problem.keys` [g k; SI]; answers: there [g].
        multipliers: gain of the value per unit of each limit's excess, relaxed [g c].
        held: -1 or +1 where a variable lies on its lower or upper bound, else 0 [g n].
        steps: Newton step that is left, in widths of the box [g]; nan where it cannot be told.
        flat: the variables that can move together without changing the value [g n].
        edges: outcome code of the worst neighbour, where the optimum lies beside bad points, else 0 [g].
        slices: variable's values and the quantity along it through the optimum, for the first grid value [n 2 s].
        errors: standard error of the value there by the uncertain numbers of the lab file, to first order [g].
        sensitivities: what limits the quantity [g].
    """

    problem: Problem
    start: Answer
    places: np.ndarray
    values: np.ndarray
    answers: Answer
    multipliers: np.ndarray
    held: np.ndarray
    steps: np.ndarray
    flat: np.ndarray
    edges: np.ndarray
    slices: np.ndarray
    errors: np.ndarray
    sensitivities: tuple[Sensitivities, ...]


def find(problem: Problem, *, progress: Callable[[float], None] | None = None) -> Found:
    """Find the optimum, for every value of the grid in one vectorised program.

    Args:
        problem: from `read_problem`; progress: is told the share done, 0 to 1.

    Raises:
        InputError: no point of the search keeps the limits and has a good outcome, at any value of the grid.
    """
    tell = progress or (lambda share: None)
    programs, values = Programs(problem), problem.grid_values
    starts = np.repeat(programs.base[None], len(values), axis=0)
    if programs.grid is not None:
        starts[:, programs.grid] = values
    start = programs.many(starts)
    tell(0.2)
    sizes = np.where(np.isfinite(start.value) & (start.value != 0), abs(start.value), 1.0)
    x, multipliers = (np.array(a) for a in programs.best(values, sizes))
    tell(0.7)
    steps, flat = _settled(programs, x, values, multipliers, sizes)
    _repair(programs, x, values, steps)
    rows = np.concatenate([programs.rows(x[g : g + 1], values[g]) for g in range(len(values))])
    answers = programs.many(rows)
    _refuse_none(programs, x, answers)
    tell(0.8)
    u = (x - programs.low) / (programs.high - programs.low)
    slopes = programs.slopes(rows)[:, 0]
    sigmas = np.array([problem.study.lab.uncertainties.get(key, 0.0) for key in problem.keys])
    return Found(
        problem,
        start,
        rows[:, programs.columns],
        rows,
        answers,
        multipliers,
        (u >= 1 - 1e-9).astype(int) - (u <= 1e-9).astype(int),
        steps,
        flat,
        _edges(programs, x, values),
        _slices(programs, x, values),
        np.sqrt(np.sum((slopes * sigmas) ** 2, axis=1)),
        _sensitivities(programs, rows, slopes, answers),
    )


def _repair(programs: Programs, x: np.ndarray, values: np.ndarray, steps: np.ndarray) -> None:
    """Search on directly, where the slopes did not lead to a minimum or to a point that keeps the limits; in place."""
    rows = np.concatenate([programs.rows(x[g : g + 1], values[g]) for g in range(len(values))])
    broken = np.any(np.asarray(programs.excess(programs.many(rows).figures)) > KEPT, axis=1)
    for g in np.flatnonzero(np.isfinite(x).all(axis=1) & (broken | ~(steps <= SETTLED))):
        if broken[g]:
            x[g], steps[g] = _directly(programs, x[g], values[g], _broken), np.nan
        x[g] = _directly(programs, x[g], values[g], _worse)


def _broken(programs: Programs, found: Answer) -> np.ndarray:
    """How far points with a good outcome are from keeping the limits; inf for the others."""
    excess = np.max(np.maximum(np.asarray(programs.excess(found.figures)), 0.0), axis=1)
    return np.where(np.isfinite(np.asarray(programs.merit(found))), excess, np.inf)


def _worse(programs: Programs, found: Answer) -> np.ndarray:
    """What is minimised, at points with a good outcome that keep the limits; inf for the others."""
    kept = np.all(np.asarray(programs.excess(found.figures)) <= KEPT, axis=1)
    return np.where(kept, np.nan_to_num(np.asarray(programs.merit(found)), nan=np.inf), np.inf)


def _refuse_none(programs: Programs, x: np.ndarray, answers: Answer) -> None:
    """Raise if no value of the grid has a point that is good and keeps the limits."""
    p, path = programs.problem, ("optimise", "over")
    finite = np.isfinite(x).all(axis=1)
    if not finite.any():
        middle = programs.many(programs.rows((programs.low + programs.high)[None] / 2, p.grid_values[0]))
        code = Outcome(int(middle.outcome[0]))
        hint = f"in its middle the outcome is {code.name} ({code.meaning}); {code.cure}, or move the bounds"
        raise p.study.refuse([(path, f"no point of this range that was looked at has a good outcome: {hint}")])
    excess = np.asarray(programs.excess(answers.figures))
    if p.limits and not np.any(finite & np.all(excess <= KEPT, axis=1)):
        g = int(np.argmin(np.where(finite, np.max(excess, axis=1), np.inf)))
        c = int(np.argmax(excess[g]))
        limit, word = p.limits[c], "below" if p.limits[c].sense > 0 else "above"
        nearest = f"the nearest that was found has {answers.figures[g][c]:.6g}; raise starts, or widen range or limit"
        text = f"no point was found that has {limit.name} {word} {limit.bound:g}: {nearest}"
        raise p.study.refuse([(("optimise", "limits", limit.name), text)])


def _settled(
    programs: Programs, x: np.ndarray, values: np.ndarray, multipliers: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The Newton step that is left [g], in widths of the box, and the variables of flat directions [g n].

    A limit with a multiplier fixes the direction across it, so that slope and curvature count along it alone.
    """
    u = (x - programs.low) / (programs.high - programs.low)
    slopes, curvatures, normals = _derivatives(programs, u, values, multipliers)
    steps, flat = np.full(len(x), np.nan), np.zeros(x.shape, bool)
    for g in range(len(x)):
        held = ((u[g] <= 1e-9) & (slopes[g] > 0)) | ((u[g] >= 1 - 1e-9) & (slopes[g] < 0))
        free = np.flatnonzero(~held)
        matrix, slope = curvatures[g][np.ix_(free, free)], slopes[g][free]
        if not (np.isfinite(matrix).all() and np.isfinite(slope).all()):
            continue
        along_limits = _beside(normals[g][multipliers[g] > FLAT * sizes[g]][:, free])
        lengths, axes = np.linalg.eigh(along_limits.T @ matrix @ along_limits)
        axes = along_limits @ axes
        level = abs(lengths) <= FLAT * sizes[g]
        along = axes.T @ slope
        pulled = level & (abs(along) > FLAT * sizes[g])  # no curvature, and yet a slope: not at a minimum
        flat[g, free] = np.any(abs(axes[:, level & ~pulled]) > 0.1, axis=1)
        step = np.where(level, np.where(pulled, 1.0, 0.0), along / np.where(level, 1.0, lengths))
        steps[g] = np.inf if np.any(lengths < -FLAT * sizes[g]) else float(np.max(abs(step), initial=0.0))
    return steps, flat


def _beside(normals: np.ndarray) -> np.ndarray:
    """Orthonormal directions [n m] that leave every limit that holds as it is, from the limits' gradients [c n]."""
    sizes = np.linalg.norm(normals, axis=1, keepdims=True)
    _, lengths, axes = np.linalg.svd(normals / np.where(sizes > 0, sizes, 1.0))
    return axes[int(np.sum(lengths > 1e-6)) :].T


def _derivatives(
    programs: Programs, u: np.ndarray, values: np.ndarray, multipliers: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradient [g n] and curvature [g n n] of the Lagrangian, and the gradients of the limits [g c n].

    All in widths of the box; the curvature by differences.
    """
    p, n, width = programs.problem, u.shape[1], programs.high - programs.low
    there = np.minimum(u[:, None] + STEP * np.eye(n), 1.0)
    back = np.maximum(u[:, None] - STEP * np.eye(n), 0.0)
    around = np.concatenate([u[:, None], there, back], axis=1)  # g 2n+1 n
    rows = np.concatenate([programs.rows(programs.low + a * width, v) for a, v in zip(around, values, strict=True)])
    jacobian = programs.slopes(rows).reshape(len(u), 2 * n + 1, -1, len(p.keys))
    moved = width * np.where(programs.log, rows[:, programs.columns], 1.0)  # dp/du
    stacked = jacobian[..., programs.columns] * moved.reshape(len(u), 2 * n + 1, 1, n)
    weights = np.array([[p.sign, *row, *([p.robust] if programs.uncertain else [])] for row in multipliers], float)
    weights[:, 1 : 1 + len(p.limits)] *= programs.senses / programs.scales
    slopes = np.einsum("gs,gbsn->gbn", weights, stacked)
    apart = np.diagonal(there - back, axis1=1, axis2=2)
    curvature = (slopes[:, 1 : n + 1] - slopes[:, n + 1 :]) / apart[..., None]
    normals = stacked[:, 0, 1 : 1 + len(p.limits)]
    return slopes[:, 0], (curvature + curvature.transpose(0, 2, 1)) / 2, normals


def _directly(
    programs: Programs, x: np.ndarray, grid: float, rank: Callable[[Programs, Answer], np.ndarray]
) -> np.ndarray:
    """The point [n] of lowest rank by a direct search from a given one, where slopes end at an edge.

    Points in even directions at one distance; the distance grows with success and shrinks without.
    """
    width, draws = programs.high - programs.low, np.random.default_rng(0)
    u, best, radius = (x - programs.low) / width, np.inf, 0.05
    for _ in range(120):
        directions = draws.normal(size=(ROWS - 1, len(u)))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        reach = radius * draws.uniform(0.2, 1.0, size=(ROWS - 1, 1))
        tried = np.clip(np.concatenate([u[None], u + reach * directions]), 0.0, 1.0)
        ranks = rank(programs, programs.many(programs.rows(programs.low + tried * width, grid)))
        k = int(np.argmin(ranks))
        radius = min(2 * radius, 0.25) if ranks[k] < best and k > 0 else radius / 2
        if ranks[k] < best:
            u, best = tried[k], float(ranks[k])
        if radius < 1e-9:
            break
    return programs.low + u * width


def _edges(programs: Programs, x: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Outcome code of the worst point a thousandth of the box beside the optimum [g]."""
    width, n = programs.high - programs.low, x.shape[1]
    beside = 1e-3 * width * np.concatenate([np.eye(n), -np.eye(n)])
    rows = [programs.rows(np.clip(x[g] + beside, programs.low, programs.high), values[g]) for g in range(len(x))]
    return programs.many(np.concatenate(rows)).outcome.reshape(len(x), 2 * n).max(axis=1)


def _slices(programs: Programs, x: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Settings [SI] and values along each variable through the optimum of the first grid value [n 2 s]."""
    n = x.shape[1]
    u = np.repeat(x[:1], n * SLICE, axis=0)
    for k in range(n):
        u[k * SLICE : (k + 1) * SLICE, k] = np.linspace(programs.low[k], programs.high[k], SLICE)
    rows = programs.rows(u, values[0])
    found = programs.many(rows)
    good = np.isfinite(np.asarray(programs.merit(found)))
    levels = np.where(good, found.value, np.nan).reshape(n, SLICE)
    places = rows[:, programs.columns].reshape(n, SLICE, n)
    return np.stack([np.stack([places[k, :, k], levels[k]]) for k in range(n)])


def _sensitivities(
    programs: Programs, rows: np.ndarray, slopes: np.ndarray, answers: Answer
) -> tuple[Sensitivities, ...]:
    """Slopes [g k] with rates held, and the values with every imperfection halved, at each optimum [g]."""
    p, slopes = programs.problem, slopes.copy()
    cuts: list[tuple[Halved, ...]] = []
    changed = []
    for g, row in enumerate(rows):
        if not np.isfinite(row).all():
            cuts.append(())
            continue
        there = with_values(p.study.lab.experiment, dict(zip(p.keys, map(float, row), strict=True)))
        cuts.append(tuple(halved(there)))
        slopes[g] = at_fixed_rates(there, p.keys, slopes[g])
        for cut in cuts[-1]:
            new = row.copy()
            for key, value in cut.changes.items():
                new[p.keys.index(key)] = value
            changed.append(new)
    found = programs.many(np.array(changed)) if changed else None
    result, first = [], 0
    for g, own in enumerate(cuts):
        part = slice(first, first := first + len(own))
        halves, outcomes = (found.value[part], found.outcome[part]) if found is not None else (np.zeros(0),) * 2
        result.append(Sensitivities(p.keys, rows[g], slopes[g], float(answers.value[g]), own, halves, outcomes))
    return tuple(result)
