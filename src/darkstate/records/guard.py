"""Files from outside are opened in a child process, so that none can take the program down with it.

A crash, an endless loop or a claim of more memory than the machine has ends the child and becomes an `InputError`. What
the child does is in `sources`; only numbers and texts come back, as JSON, and samples as bare bytes in a folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from darkstate.errors import InputError

TIMEOUT = 600.0
"""Longest time to read one file or folder [s]."""

_MEMORY = 4 << 30
"""Memory of the child beyond four times the size of the largest file [bytes]; Windows and macOS set no limit."""


def one_line(text: str) -> str:
    """A text as a message shows it: on one line, at most its last 200 characters."""
    return "".join(c if c.isprintable() else " " for c in text.strip()[-200:])


def label(path: str | Path) -> str:
    """A path as a message shows it."""
    return one_line(str(path))


def run(task: str, path: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Have a child process do a task of `sources` with a file.

    Args:
        task: probe, table, survey or copy; path: the file; options: what the task needs, JSON values.

    Returns:
        What the task found.

    Raises:
        InputError: the task's own, or the child crashed or took too long.
    """
    name = label(path)
    job = json.dumps({"task": task, "path": str(path), **options})
    # "::" keeps HDF5 from loading filters that a file asks for; -P keeps Python from importing beside the data
    quiet = {**os.environ, "HDF5_PLUGIN_PRELOAD": "::", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-W", "ignore", "-m", "darkstate.records.guard"]
    try:
        done = subprocess.run(
            command, input=job.encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=TIMEOUT, env=quiet
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            [f"{name} could not be read within {TIMEOUT:g} s; it is damaged or too large, split it into several files"]
        ) from None
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise InputError(
            [f"{name} is damaged: reading it crashed the reader (exit {done.returncode}); restore it from a copy"]
        ) from None
    if "problems" in answer:
        raise InputError(answer["problems"])
    return answer


def _limit_memory(largest: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    if sys.platform == "linux":
        limit = _MEMORY + 4 * largest
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _main() -> None:
    job = json.load(sys.stdin)
    path, name = Path(job["path"]), label(job["path"])
    try:
        files = [Path(p) for p in job.get("files", [path])]
        _limit_memory(max((p.stat().st_size for p in files), default=0))
        from darkstate.records import sources

        answer = sources.TASKS[job["task"]](path, job)
    except InputError as error:
        answer = {"problems": error.problems}
    except MemoryError:
        answer = {"problems": [f"{name} claims more memory than its size allows; it is damaged, or split it"]}
    except Exception as error:  # whatever the libraries raise over a damaged file
        answer = {"problems": [f"{name} cannot be read ({one_line(str(error))}); check that the file is whole"]}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    _main()
