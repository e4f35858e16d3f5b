"""Many quantum trajectories of a `JumpModel`: starts, seeds, blocks on all cores, until an error is reached.

A block of trajectories has its own random numbers, drawn from (seed, number of the block), and runs on one core: what
comes out does not depend on how many cores there are, nor on the order in which blocks end. Down: `chain`, `plane` and
`leap` run a block; up: `solve.trajectories`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Lock
from typing import Any, Literal

import numpy as np

from darkstate.errors import ArgumentError
from darkstate.spins.exact.jumps import Collective, JumpModel, ProductStart, SpinStart
from darkstate.spins.exact.sampled import COLUMNS, GROUPS, Blocks, Sampled, turned_back

Kind = Literal["chain", "plane", "leap"]

BLOCKS = 100
"""Blocks that a fixed number of trajectories is cut into; a block is the unit of the jackknife."""

ROUND = 64
"""Blocks of the first round on the way to a wanted error."""

SITES = {"chain": 4096, "leap": 4096, "plane": 2500}
"""Most basis states a trajectory may occupy at a time."""

MOST_HISTOGRAM, MOST_FINAL = 10_000, 200
"""Largest N whose distribution of j, and whose final amplitudes, are kept."""

MOST_KEPT = 10_000
"""Trajectories whose final amplitudes are kept, up to a whole block."""


@dataclasses.dataclass(frozen=True)
class Run:
    """What to run: the same ensembles under a sequence of constant lights.

    Args:
        pieces: (end of the segment [s], `JumpModel`), the last end infinite.
        times: increasing times from 0 on [t; s].
        seed: whole number.
        leap_step: step of leaping [s]; 0 = exact trajectories.
        threads: cores to use; None = all.
    """

    pieces: Sequence[tuple[float, JumpModel]]
    times: Any
    seed: int
    leap_step: float = 0.0
    threads: int | None = None

    @property
    def start(self) -> JumpModel:
        """The model of the first segment, which says how the ensembles start."""
        return self.pieces[0][1]

    @property
    def turned(self) -> bool:
        """Whether m_I + m_II is conserved and not m_I - m_II: ensemble II is then turned upside down."""
        return not self._all(-1) and self._all(1)

    @property
    def kind(self) -> Kind:
        """The kernel that holds for all segments."""
        if not (self._all(-1) or self._all(1)):
            return "plane"
        return "leap" if self.leap_step else "chain"

    def _all(self, second: int) -> bool:
        return all(m.conserves(second) for _, m in self.pieces)

    def tables(self) -> tuple[Any, ...]:
        """Rates and operators as the kernels take them, an axis of segments first."""
        models = [turned(m) if self.turned else m for _, m in self.pieces]
        local = np.array([m.local for m in models], float)
        atoms = np.array(models[0].atoms, np.int64)
        if self.kind == "plane":
            rows = [[(*c.raising, *c.lowering, *c.along) for c in m.collective] for m in models]
            return local, _padded(rows, 6), np.array([(m.exchange, *m.larmor) for m in models], float), atoms
        lower = [[(c.raising[0], c.lowering[1]) for c in m.collective if c.raising[0] or c.lowering[1]] for m in models]
        upper = [[(c.lowering[0], c.raising[1]) for c in m.collective if c.lowering[0] or c.raising[1]] for m in models]
        along = [[c.along for c in m.collective if any(c.along)] for m in models]
        scalars = np.array([(m.exchange, sum(m.larmor)) for m in models], float)
        return local, _padded(lower, 2), _padded(upper, 2), _padded(along, 2), scalars, atoms


def _padded(rows: list[list[Any]], width: int) -> Any:
    """Lists of operators of each segment as one array, filled up with operators of amplitude 0."""
    most = max(map(len, rows))
    return np.array([[*r, *[(0.0,) * width] * (most - len(r))] for r in rows], float).reshape(len(rows), most, width)


def turned(model: JumpModel) -> JumpModel:
    """The same model with |up> and |down> of ensemble II exchanged.

    Example:
        >>> both = Collective(raising=(1.0, 1.0))  # S_I + S_II conserves m_I + m_II
        >>> turned(JumpModel((2, 2), (both,))).collective[0]
        Collective(raising=(1.0, 0.0), lowering=(0.0, 1.0), along=(0.0, -0.0))
    """
    swap = {1: 0, 0: 1, 2: 2, 3: 4, 4: 3, 5: 6, 6: 5}
    second = model.start[1]
    if isinstance(second, ProductStart):
        other: ProductStart | SpinStart = ProductStart(second.down, second.up)
    else:
        other = SpinStart(tuple((j, -m, p) for j, m, p in second.states))
    return dataclasses.replace(
        model,
        collective=tuple(
            Collective((c.raising[0], c.lowering[1]), (c.lowering[0], c.raising[1]), (c.along[0], -c.along[1]))
            for c in model.collective
        ),
        local=tuple((model.local[k][0], model.local[swap[k]][1]) for k in range(len(model.local))),
        larmor=(model.larmor[0], -model.larmor[1]),
        start=(model.start[0], other),
    )


def draw_starts(model: JumpModel, random: np.random.Generator, number: int) -> Any:
    """Labels (N_2, 2j, k) at the start, of each trajectory and ensemble [number 2 3].

    Formula: n_up and n_down are multinomial; given m = (n_up - n_down)/2, the spin j >= |m| has the weight of its
    multiplicity, P(J >= j + 1 | J >= j) = (N_2/2 - j)/(N_2/2 + j + 1).

    Example:
        >>> print(draw_starts(JumpModel((4, 2)), np.random.default_rng(0), 1))  # all up: j = N/2, k = 0
        [[[4 4 0]
          [2 2 0]]]
    """
    found = np.zeros((number, 2, 3), np.int64)
    for e, (atoms, start) in enumerate(zip(model.atoms, model.start, strict=True)):
        if isinstance(start, SpinStart):
            states = np.array([(2 * j, j - m) for j, m, _ in start.states]).astype(np.int64)
            weights = np.array([p for *_, p in start.states])
            found[:, e, 0] = atoms
            found[:, e, 1:] = states[random.choice(len(states), number, p=weights / weights.sum())]
            continue
        two = min(start.up + start.down, 1.0)
        n2 = random.binomial(atoms, two, number)
        n_up = random.binomial(n2, min(start.up / two, 1.0) if two else 0.0)
        twice_m = 2 * n_up - n2
        twice_j, cumulated, u = np.abs(twice_m), np.ones(number), random.random(number)
        while True:
            cumulated = cumulated * (n2 - twice_j) / (n2 + twice_j + 2)
            more = u < cumulated
            if not more.any():
                break
            cumulated = np.where(more, cumulated, 0.0)
            twice_j = twice_j + 2 * more
        found[:, e] = np.stack([n2, twice_j, (twice_j - twice_m) // 2], 1)
    return found


def run_blocks(run: Run, first: int, blocks: int, size: int, done: Callable[[], None] | None = None) -> Blocks:
    """Run blocks number `first` to `first + blocks - 1`, `size` trajectories each, on all cores.

    Raises:
        ArgumentError: Numba is not installed, or a state does not fit into the window.
    """
    kernel, tables = _kernel(run.kind), run.tables()
    model = turned(run.start) if run.turned else run.start
    ends = np.array([end for end, _ in run.pieces], float)
    ends[-1] = np.inf
    times = np.asarray(run.times, float)
    sites = SITES[run.kind]
    options = np.array([sites, 0.0, run.leap_step])
    largest = max(model.atoms)
    real = not any(any(m.larmor) for _, m in run.pieces)
    with_final = run.kind == "chain" and real and largest <= MOST_FINAL

    sums = np.zeros((blocks, len(times), COLUMNS))
    counts = np.zeros((len(times), 2, largest + 1) if largest <= MOST_HISTOGRAM else (0, 0, 0), np.int64)
    kept = max(0, min(blocks, -(-MOST_KEPT // size) - first)) if with_final else 0
    finals = np.zeros((kept, size, 8 + min(model.atoms) + 1))
    figures = np.zeros((blocks, 4))
    lock = Lock()

    def one(number: int) -> None:
        random = np.random.default_rng(np.random.SeedSequence(run.seed, spawn_key=(first + number,)))
        start = draw_starts(model, random, size)
        seeds = random.integers(0, 2**32, size, dtype=np.uint32)
        mine = np.zeros_like(counts)
        last = finals[number] if number < kept else finals[:0, 0]
        kernel(tables, ends, times, start, seeds, options, sums[number], mine, last, figures[number])
        with lock:  # whole numbers: the order of the sum does not matter
            np.add(counts, mine, out=counts)
        if done is not None:
            done()

    with ThreadPoolExecutor(run.threads or os.cpu_count() or 1) as pool:
        list(pool.map(one, range(blocks)))
    if figures[:, 1].any() and run.kind != "leap":  # where leaping fails its range says so
        plane = "these jumps conserve neither m_I - m_II nor m_I + m_II"
        why = plane if run.kind == "plane" else "the collective modes are too hot"
        raise ArgumentError(
            f"A trajectory spreads over more than {sites} basis states, more than are kept, since {why}: take fewer "
            "atoms, or MomentEquations()."
        )
    worst = np.maximum(figures, 0).max(0)
    worst[2] = figures[:, 2].sum()
    return Blocks(sums, np.full(blocks, size), counts, finals.reshape(-1, finals.shape[2]), worst)


def _kernel(kind: Kind) -> Any:
    try:
        if kind == "leap":
            from darkstate.spins.exact.leap import block
        elif kind == "plane":
            from darkstate.spins.exact.plane import block
        else:
            from darkstate.spins.exact.chain import block
    except ImportError as error:
        if (error.name or "").split(".")[0] not in ("numba", "llvmlite"):
            raise
        raise ArgumentError(
            "Trajectories need Numba, which is not installed: pip install 'darkstate[exact]'."
        ) from None
    return block


def sample(run: Run, number: int, progress: Callable[[float], None] | None = None) -> Sampled:
    """A fixed number of trajectories, rounded up to whole blocks."""
    size = max(1, -(-number // BLOCKS))
    blocks = -(-number // size)
    return _sampled(run, run_blocks(run, 0, blocks, size, _counter(blocks, progress)))


def sample_until(
    run: Run,
    most: int,
    figure: Callable[[Any], Any],
    error: float,
    progress: Callable[[float], None] | None = None,
) -> Sampled:
    """Trajectories until the standard error of a figure is below `error` at every time, or `most` have run.

    The number that is needed follows from the error of those that have run; at most four times as many are added at
    once. The stopping rule looks at the error alone, never at the value.
    """
    size = max(1, min(20, most // ROUND))
    found: Blocks | None = None
    wanted, there = min(ROUND, most // size), 0
    needed = 4.0 * wanted  # a guess, until the first round says how many
    while True:
        more = run_blocks(run, there, wanted - there, size, _counter(needed, progress, there))
        found = (more if found is None else Blocks.join([found, more])).merged(2 * GROUPS)
        there = wanted
        sampled = _sampled(run, found)
        reached = float(np.max(sampled.estimate(figure)[1]))
        if not np.isfinite(reached):
            raise ArgumentError(
                "Argument `until` asks for the error of a figure that is not a finite number at every time: leave out "
                "the times at which it has none."
            )
        if reached <= error or there >= most // size:
            if progress is not None:
                progress(1.0)
            return sampled
        needed = min(max(there * (reached / error) ** 2 * 1.05, there + 1.0), float(most // size))
        wanted = int(min(needed, 4 * there))


def _counter(blocks: float, progress: Callable[[float], None] | None, before: int = 0) -> Callable[[], None]:
    """Called at the end of each block, reports the share of all that is done."""
    numbers = count(before + 1)

    def one_more() -> None:
        share = next(numbers) / blocks
        if progress is not None:
            progress(min(share, 1.0))

    return one_more


def _sampled(run: Run, blocks: Blocks) -> Sampled:
    sums = turned_back(blocks.sums) if run.turned else blocks.sums
    figures = {"window_tail": float(blocks.figures[0])}
    if run.kind == "leap":
        figures["leap_range"] = float(blocks.figures[3])
    return Sampled(
        atoms=run.start.atoms,
        times=np.asarray(run.times, float),
        blocks=dataclasses.replace(blocks, sums=sums),
        hyperfine_spin=run.start.hyperfine_spin,
        figures=figures,
    )
