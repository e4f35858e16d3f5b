"""Workers: chunks computed on a Dask cluster, given back in order.

A worker receives the text of the task and a chunk number and returns the bytes of the chunk; only the client writes.
Chunks of a worker that dies are given to another by Dask; where none is left, the client waits and says so.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from queue import Empty, Queue
from threading import Lock
from typing import Any

from darkstate.errors import DarkstateError, InputError
from darkstate.experiments.tomltext import one_line
from darkstate.studies.task import Task, all_versions, read_task

PATIENCE = 5.0
"""Seconds without any news after which the cluster is looked at."""

TRIES = 5
"""How often a chunk may take its worker down before the sweep is given up."""

_building = Lock()


def chunk_on_worker(text: str, k: int) -> bytes | str:
    """What a worker does: the bytes of chunk k of a task, or the sentence that says why not."""
    theirs, mine = json.loads(text)["versions"], all_versions()
    other = [
        f"{name} {mine[name]} instead of {theirs[name]}"
        for name in ("darkstate", "jax", "jaxlib", "numpy", "scipy")
        if mine[name] != theirs[name]
    ]
    if other:
        return f"a worker has {', '.join(other)}; install the same versions on all machines"
    try:
        with _building:
            engine, one_at_a_time = _engine(text)
        with one_at_a_time:
            return engine.compute(k)
    except DarkstateError as error:
        return str(error)


@lru_cache(maxsize=2)
def _engine(text: str) -> tuple[Any, Any]:
    """The engine of a task, and the lock its chunks need where two of them must not run in one process."""
    from darkstate.studies.chunks import Engine

    engine = Engine(read_task(text))
    return engine, Lock() if engine.alone else contextlib.nullcontext()


def computed_by_workers(
    task: Task, missing: list[int], scheduler: str, say: Callable[[str], None]
) -> Iterator[tuple[int, bytes]]:
    """The missing chunks of a task in their order, computed on a cluster.

    Args:
        task, missing: what to compute; scheduler: its address, or the path of its scheduler file.
        say: hears when workers are waited for.

    Raises:
        InputError: Dask is not installed, the scheduler does not answer or is gone, or a worker cannot compute.
    """
    try:
        import distributed
    except ImportError:
        raise InputError(['--scheduler needs Dask; install it with pip install "darkstate[studies]"']) from None
    with _connected(distributed, scheduler) as client:
        cluster = _Cluster(distributed, client, task, say)
        todo, running, ready = list(reversed(missing)), dict[Any, int](), dict[int, bytes]()
        for k in missing:
            while k not in ready:
                room = cluster.room()
                while todo and len(running) + len(ready) < room:
                    running[cluster.submit(todo[-1])] = todo[-1]
                    todo.pop()
                future = cluster.news()
                if future is None or future not in running:
                    continue
                number = running.pop(future)
                content = cluster.content(future, number)
                if content is None:
                    running[cluster.submit(number)] = number
                else:
                    ready[number] = content
            yield k, ready.pop(k)


@contextlib.contextmanager
def _connected(distributed: Any, scheduler: str) -> Iterator[Any]:
    where: dict[str, Any] = {"address": scheduler}
    if scheduler.endswith(".json"):
        if not Path(scheduler).is_file():
            raise InputError(
                [f"--scheduler {scheduler} does not exist; it is the file of dask scheduler --scheduler-file"]
            )
        where = {"scheduler_file": scheduler}
    try:
        client = distributed.Client(**where, timeout=10, set_as_default=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "start one with `dask scheduler`, which prints its address, such as tcp://127.0.0.1:8786"
        said = f"--scheduler {scheduler} does not answer ({type(error).__name__})"
        raise InputError([f"{said}; {hint}"]) from None
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):  # a scheduler that is gone cannot be said goodbye to
            client.close(timeout=2)


class _Cluster:
    """The client of one sweep."""

    def __init__(self, distributed: Any, client: Any, task: Task, say: Callable[[str], None]) -> None:
        self.distributed, self.client, self.task, self.say = distributed, client, task, say
        self.tries: Counter[int] = Counter()
        self.ended: Queue[Any] = Queue()
        self.alone = False

    def room(self) -> int:
        """How many chunks may be under way: three for every thread of the workers."""
        try:
            threads = sum(self.client.nthreads().values())
        except (OSError, RuntimeError, self.distributed.comm.CommClosedError) as error:
            raise self.lost() from error
        if threads and self.alone:
            self.say("workers are back")
            self.alone = False
        return 3 * threads

    def submit(self, k: int) -> Any:
        """A future of chunk k."""
        key = f"darkstate-{self.task.digest[7:23]}-{k}-{self.tries[k]}"
        future = self.client.submit(chunk_on_worker, self.task.text, k, key=key, retries=TRIES)
        future.add_done_callback(self.ended.put)
        return future

    def news(self) -> Any | None:
        """The next future that has ended; None, and a word where nobody is left to work, if none does for a while."""
        try:
            return self.ended.get(timeout=PATIENCE)
        except Empty:
            self.look()
            return None

    def look(self) -> None:
        """Whether anybody is there; says so where nobody is left to work."""
        if self.client.status != "running":
            raise self.lost()
        if not self.room() and not self.alone:
            self.say("no workers are connected; waiting for workers")
            self.alone = True

    def content(self, future: Any, k: int) -> bytes | None:
        """The bytes of a chunk, or None where it must be computed again."""
        while True:
            try:
                found = future.result(timeout=PATIENCE)
                break
            except TimeoutError:  # its worker died before the bytes were fetched
                self.look()
            except Exception as error:  # of Dask: workers that died with it, a cancelled task
                self.failed(k, error)
                return None
        if isinstance(found, str):
            raise InputError([found])
        return found

    def failed(self, k: int, error: Exception) -> None:
        """Count a failure of the cluster; too many of them end the sweep."""
        if self.client.status != "running":
            raise self.lost()
        self.tries[k] += 1
        if self.tries[k] >= TRIES:
            text = f"chunk {k} failed {TRIES} times on its workers ({type(error).__name__}: {one_line(str(error))})"
            raise InputError([f"{text}; finished chunks are kept, check the memory of the workers and use --resume"])

    def lost(self) -> InputError:
        """The scheduler is gone."""
        return InputError(["the scheduler is gone; finished chunks are kept, start it again and use --resume"])
