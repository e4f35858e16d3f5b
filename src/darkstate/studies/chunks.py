"""Chunks: the numbers of a run of points, as the bytes of one file, the same bits however the points are divided.

Points are computed in blocks of a fixed length that start at multiples of it, by one compiled program for the whole
study; a chunk takes what it needs from its blocks, and cuts off the rest. The time steps are fixed by the corners of
the axes and by lines between them. A point whose rates are no rates gets an outcome code like any other.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError, Outcome
from darkstate.experiments import kind_of
from darkstate.experiments.grid import fastest_rate
from darkstate.experiments.two_cells import worse_checks
from darkstate.experiments.values import with_values
from darkstate.solve.checks import decide
from darkstate.studies.axes import Grid, Sample
from darkstate.studies.quantities import QUANTITIES, Evaluator, evaluator
from darkstate.studies.task import Task

CLOSED_FORMS = ("xi_inf",)
"""Quantities of two cells that cost so little that larger blocks are faster."""

TOGETHER, BLOCK, CHUNK = 64, 1024, 8192
FAST_TOGETHER, FAST_BLOCK, FAST_CHUNK = 1024, 65536, 1 << 20
"""Points in one vectorised step (measured: larger ones leave the cache), in a block, and in a chunk by default."""


def _is_fast(kind: str, quantities: Sequence[str]) -> bool:
    return kind in ("two_level_ensembles", "cesium_cells") and set(quantities) <= set(CLOSED_FORMS)


def default_chunk(kind: str, quantities: Sequence[str]) -> int:
    """Points per chunk where the study does not say."""
    return FAST_CHUNK if _is_fast(kind, quantities) else CHUNK


class Engine:
    """Computes any chunk of a task.

    Args:
        task: the sweep; threads: blocks computed at the same time, which changes no bits.
    """

    def __init__(self, task: Task, *, threads: int = 1) -> None:
        self.task = task
        experiment = task.lab.experiment
        kind = kind_of(experiment)
        alone = [name for name in task.quantities if QUANTITIES[kind][name].alone]
        rest = [name for name in task.quantities if name not in alone]
        fast = _is_fast(kind, task.quantities)
        self.block = min(FAST_BLOCK if fast else BLOCK, 1 << (task.points.size - 1).bit_length())
        together = min(FAST_TOGETHER if fast else TOGETHER, self.block)
        stepped = kind in ("two_level_ensembles", "cesium_cells") and not fast
        extremes = _extremes(task, experiment) if stepped else []
        self.alone = bool(alone)  # library factorisations of two programs at once can wait for each other for ever
        self.threads = 1 if alone else threads
        self.programs = [
            _program(experiment, evaluator(experiment, names, extremes=extremes), task.points, self.block, together)
            for names in ([rest] if rest else []) + [[name] for name in alone]
        ]

    def compute_block(self, b: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Values by quantity, and outcomes, of block b."""
        points = self.task.points
        given = points.tables if isinstance(points, Grid) else points.values(b * self.block, self.block)
        found: dict[str, np.ndarray] = {}
        worst = np.zeros(self.block, np.uint8)
        for program in self.programs:
            values, outcome = program(b * self.block, given)
            found |= {name: np.asarray(value, float) for name, value in values.items()}
            worst = np.maximum(worst, np.asarray(outcome).astype(np.uint8))
        return found, worst

    def compute(self, k: int, each: Callable[[int], None] | None = None) -> bytes:
        """The file of chunk k.

        Args:
            k: its number; each: called with the number of new points after every block.
        """
        start, stop = self.task.span(k)
        arrays = {name: np.empty(stop - start) for name in self.task.quantities}
        outcomes = np.empty(stop - start, np.uint8)

        def fill(b: int) -> int:
            values, outcome = self.compute_block(b)
            first, last = max(start, b * self.block), min(stop, (b + 1) * self.block)
            here, there = slice(first - b * self.block, last - b * self.block), slice(first - start, last - start)
            for name, value in values.items():
                arrays[name][there] = value[here]
            outcomes[there] = outcome[here]
            return last - first

        blocks = range(start // self.block, -(-stop // self.block))
        if self.threads > 1 and len(blocks) > 1:
            with ThreadPoolExecutor(self.threads) as pool:
                done = pool.map(fill, blocks)
                for count in done:
                    _tell(each, count)
        else:
            for b in blocks:
                _tell(each, fill(b))
        return pack(arrays, outcomes)


def _tell(each: Callable[[int], None] | None, count: int) -> None:
    if each is not None:
        each(count)


def pack(arrays: dict[str, np.ndarray], outcomes: np.ndarray) -> bytes:
    """The bytes of a chunk file, which `numpy.load` reads."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays, outcome=outcomes)
    return buffer.getvalue()


def unpack(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of a chunk file, "outcome" among them."""
    with np.load(io.BytesIO(content), allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def _program(
    experiment: Any, function: Evaluator, points: Grid | Sample, block: int, together: int
) -> Callable[[int, Mapping[str, Any]], Any]:
    """One compiled program from the number of the first point, and values along axes or of a sample, to results."""

    def point(values: dict[str, Any]) -> Any:
        found, outcome = function(with_values(experiment, values))
        return {name: jnp.asarray(value, float) for name, value in found.items()}, outcome

    @jax.jit
    def program(start: Any, given: Mapping[str, Any]) -> Any:
        if isinstance(points, Grid):
            given = points.pick(jnp.minimum(start + jnp.arange(block), points.size - 1), given)
        return jax.lax.map(point, given, batch_size=together)

    return program


def _extremes(task: Task, experiment: Any) -> list[Any]:
    """Experiments whose rates the time steps must follow.

    They are the corners of the axes, and what lies on lines along the axes through the fastest of them: rates may peak
    inside a range, as at a resonance. There, points outside validity are left out: their numbers mean nothing, and
    their rates, without bound at the resonance itself, would make every other point slow.
    """
    corners = [(at, one) for at in task.points.corners() if (one := _possible(experiment, at)) is not None]
    if not corners:
        return []
    through = max(corners, key=lambda pair: fastest_rate(pair[1]) * float(pair[1].protocol.total))[0]
    between = [one for at in task.points.lines(through) if (one := _possible(experiment, at)) is not None]
    valid = [one for one in between if int(decide(worse_checks(one))) == Outcome.ok]
    return [one for _, one in corners] + valid


def _possible(experiment: Any, at: Mapping[str, float]) -> Any | None:
    """The experiment at a point, or None where its rates are no rates."""
    try:
        with np.errstate(all="ignore"):
            one = with_values(experiment, at)
            return None if one.rate_problems() else one
    except (ArgumentError, ArithmeticError):
        return None
