"""sweep: compute every chunk of a study that is still missing, keep each, and write one result.

    study file -> Task -> chunks (this process, or workers of a Dask cluster) -> Store -> result.nc | result.zarr

Killed at any moment it goes on where it was; the result has the same bytes however often that happens, and wherever
its chunks were computed on machines of one class.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from darkstate.studies.chunks import Engine
from darkstate.studies.result import result_bytes, write_result
from darkstate.studies.store import NO_LOCKS, opened, result_checksum
from darkstate.studies.study import Study
from darkstate.studies.task import Task


class Progress(Protocol):
    """What hears how a sweep goes on."""

    def points(self, done: int, total: int) -> None:
        """So many points are done."""

    def say(self, text: str) -> None:
        """Something the user should know at once."""


class Silent:
    """Hears nothing."""

    def points(self, done: int, total: int) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_sweep(
    study: Study, task: Task, out: Path, *, resume: bool, scheduler: str | None, progress: Progress | None = None
) -> Path:
    """Run a sweep to its end.

    Args:
        study, task: what `read_sweep` found; out: the folder.
        resume: go on in a folder that holds this sweep already.
        scheduler: address of a Dask scheduler, or its scheduler file; None = this process.
        progress: hears how it goes on.

    Returns:
        The path of the result.

    Raises:
        InputError: the folder cannot be used, the disk refuses, or the cluster is gone; finished chunks are kept.
    """
    told = Silent() if progress is None else progress
    with opened(out, task, study.text, resume=resume) as store:
        if not store.locked:
            told.say(f"the file system of {out} {NO_LOCKS}")
        if store.complete:
            store.log("nothing to do")
            return out / store.result[0]  # type: ignore[index]
        missing = store.missing
        if len(missing) < task.chunks:
            told.say(f"{task.chunks - len(missing)} of {task.chunks} chunks are there already")
        for k, content in _computed(task, missing, scheduler, told):
            store.add(k, content)
            store.log(f"chunk {k}")
        path = write_result(store)
        store.seal(path, result_checksum(path))
        store.log(f"complete: {path.name}")
    return path


def _computed(task: Task, missing: list[int], scheduler: str | None, told: Progress) -> Iterator[tuple[int, bytes]]:
    """The missing chunks in order, from here or from the cluster."""
    total = task.points.size
    done = total - sum(stop - start for start, stop in map(task.span, missing))
    if not missing:
        return
    if scheduler is not None:
        from darkstate.studies.workers import computed_by_workers

        for k, content in computed_by_workers(task, missing, scheduler, told.say):
            start, stop = task.span(k)
            done += stop - start
            told.points(done, total)
            yield k, content
        return
    engine = Engine(task, threads=cores())

    def each(count: int) -> None:
        nonlocal done
        done += count
        told.points(done, total)

    for k in missing:
        yield k, engine.compute(k, each)


class Cost(NamedTuple):
    """What a sweep will take: points, chunks, bytes of chunks and result together, seconds to compile and to run."""

    points: int
    chunks: int
    bytes: int
    compile: float
    run: float


def preview(task: Task) -> Cost:
    """Time the first block of a sweep and say what the whole will take on this machine.

    Returns:
        A `Cost`; its time is that of one core for every block, which several cores share.
    """
    begin = time.perf_counter()
    engine = Engine(task)
    engine.compute_block(0)
    ready = time.perf_counter()
    spent: list[float] = []
    while len(spent) < 3 and sum(spent) < 1:
        start = time.perf_counter()
        engine.compute_block(0)
        spent.append(time.perf_counter() - start)
    blocks = -(-task.points.size // engine.block)
    size = 2 * result_bytes(task)
    return Cost(task.points.size, task.chunks, size, ready - begin, blocks * min(spent))
