"""Store: the folder of a sweep, which a program killed at any moment leaves ready to be gone on with.

    study.toml, lab.toml    what was asked                journal.jsonl    the task, then one line per finished chunk
    chunks/000000.npz ...   one file per chunk            log.txt          when and where; the only file with times

A chunk file is written beside, flushed and renamed before its line is appended and flushed; both happen in the order
of the chunks. So the journal never names a chunk that is not whole, and two runs with any interruptions leave the same
bytes. A chunk without its line, or whose checksum is not the one in its line, is computed again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from darkstate.errors import InputError
from darkstate.experiments.tomltext import one_line
from darkstate.storage import checksum, sync_folder, write_atomic
from darkstate.studies.chunks import unpack
from darkstate.studies.task import Task

if os.name == "nt":
    import msvcrt
else:
    import fcntl

JOURNAL, LOG, CHUNKS = "journal.jsonl", "log.txt", "chunks"

NO_LOCKS = "has no locks, so a second sweep in this folder would not be noticed; run one at a time"

_OURS = {"study.toml", "lab.toml", JOURNAL, LOG, CHUNKS}

_RESTS = re.compile(
    r"\.((study|lab)-[0-9a-f]{12}\.toml|journal-[0-9a-f]{12}\.jsonl|result-[0-9a-f]{12}\.(nc|zarr)"
    r"|sweep-[0-9a-f]{12}\.png|[0-9]{6}-[0-9a-f]{12}\.npz)"
)
"""What `write_atomic` and the writer of Zarr leave of a write that was cut off; other hidden files are the user's."""


class Store:
    """The folder of one sweep, held by one process at a time; use `opened`.

    Args:
        folder: where it is; task: what is computed.

    `complete` says whether the result is there, with the checksum in the journal; `locked`, whether nobody else can
    have the folder.
    """

    def __init__(self, folder: Path, task: Task) -> None:
        self.folder, self.task = folder, task
        self.finished: dict[int, str] = {}
        self.damaged: dict[int, str] = {}
        self.result: tuple[str, str] | None = None
        self.complete = False
        self.log_file: IO[str] | None = None
        self.locked = True

    def path(self, k: int) -> Path:
        """The file of chunk k."""
        return self.folder / CHUNKS / f"{k:06d}.npz"

    @property
    def missing(self) -> list[int]:
        """Chunks that are still to be computed, in order."""
        return [k for k in range(self.task.chunks) if k not in self.finished]

    def add(self, k: int, content: bytes) -> None:
        """Keep the bytes of a finished chunk; chunks come in the order of `missing`.

        Raises:
            InputError: the disk refuses, or the numbers are not those the journal knows.
        """
        found = "sha256:" + hashlib.sha256(content).hexdigest()
        known = self.damaged.get(k)
        if known not in (None, found):
            raise InputError(
                [
                    f"{self.path(k)} is damaged, and this machine computes other last digits than the one that wrote "
                    "it; go on there, or start anew in another folder"
                ]
            )
        try:
            write_atomic(self.path(k), content)
        except InputError as error:
            raise InputError([f"{error}; finished chunks are kept, --resume goes on"]) from error
        if known is None:
            self._append({"chunk": k, "sha256": found})
        self.finished[k] = found

    def seal(self, path: Path, found: str) -> None:
        """Note the result file and its checksum; the sweep is then complete."""
        if self.result != (path.name, found):
            self._append({"result": path.name, "sha256": found})
            self.result = (path.name, found)
        self.complete = True

    def read(self, k: int) -> dict[str, Any]:
        """The arrays of a finished chunk, its checksum compared.

        Raises:
            InputError: the file is damaged or gone.
        """
        try:
            content = self.path(k).read_bytes()
        except OSError as error:
            raise InputError(
                [f"{self.path(k)} cannot be read: {error.strerror}; --resume computes it again"]
            ) from error
        if "sha256:" + hashlib.sha256(content).hexdigest() != self.finished[k]:
            raise InputError([f"{self.path(k)} is damaged; --resume computes it again"])
        return unpack(content)

    def log(self, text: str) -> None:
        """A line with the time in log.txt; a full disk is left to the writes that matter."""
        with contextlib.suppress(OSError):
            assert self.log_file is not None
            self.log_file.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}\n")
            self.log_file.flush()

    def _append(self, line: dict[str, Any]) -> None:
        path = self.folder / JOURNAL
        content = (json.dumps(line) + "\n").encode()
        try:
            with open(path, "r+b", buffering=0) as file:
                end = file.seek(0, os.SEEK_END)
                try:
                    if file.write(content) < len(content):
                        raise OSError(errno.ENOSPC, "disk full")
                    os.fsync(file.fileno())
                except BaseException:
                    with contextlib.suppress(OSError):
                        file.truncate(end)
                    raise
        except OSError as error:
            reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
            text = f"{path} cannot be written: {reason}; what is finished is kept, free some space and use --resume"
            raise InputError([text]) from error

    def _start(self, study_text: str) -> None:
        """What a new folder begins with; the journal last, for it says that the rest is there."""
        write_atomic(self.folder / "study.toml", study_text)
        write_atomic(self.folder / "lab.toml", self.task.lab_text)
        header = {"darkstate_sweep": 1, "study": self.task.study, "parts": self.task.parts}
        write_atomic(self.folder / JOURNAL, json.dumps(header) + "\n")
        (self.folder / CHUNKS).mkdir(exist_ok=True)
        sync_folder(self.folder)

    def _recover(self) -> None:
        """Read the journal up to its first torn line, and compare every file with it."""
        path = self.folder / JOURNAL
        content = path.read_bytes()
        lines = list(_whole_lines(content))
        if not lines or not _is_header(lines[0][0]):
            raise InputError([f"{path} is no journal of a sweep, or damaged; use another folder"])
        study, parts = lines[0][0]["study"], lines[0][0]["parts"]
        if parts != self.task.parts:
            said = f"{self.folder} holds a sweep with other {self.task.difference(parts)}"
            raise InputError([f"{said}; --resume goes on with the same only, change it back or use another folder"])
        self.task = dataclasses.replace(self.task, **study)  # the result tells of the study it was begun with
        end = lines[0][1]
        for line, after in lines[1:]:
            if isinstance(line.get("chunk"), int) and 0 <= line["chunk"] < self.task.chunks:
                self.finished[line["chunk"]] = str(line.get("sha256"))
            elif "result" in line:
                self.result = (str(line["result"]), str(line.get("sha256")))
            else:
                break
            end = after
        if end < len(content):
            os.truncate(path, end)
        (self.folder / CHUNKS).mkdir(exist_ok=True)
        self._compare()

    def _compare(self) -> None:
        self.complete = self.result is not None and result_is(self.folder / self.result[0], self.result[1])
        if self.complete:
            return
        for k, known in list(self.finished.items()):
            if not self.path(k).is_file() or checksum(self.path(k)) != known:
                self.damaged[k] = self.finished.pop(k)


@contextlib.contextmanager
def opened(folder: Path, task: Task, study_text: str, *, resume: bool) -> Iterator[Store]:
    """The store of a sweep in a folder, locked for this process as long as it is open.

    Raises:
        InputError: the folder is not empty and `resume` is not set, holds something else or another sweep, is in use,
            or cannot be written.
    """
    with _refusing(folder):
        there = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    begun = JOURNAL in there
    if there and not resume:
        hint = "--resume goes on with it" if begun else "choose an empty or new one"
        what = "holds a sweep already" if begun else "is not empty"
        raise InputError([f"{folder} {what}; {hint}, --out FOLDER chooses another"])
    foreign = [name for name in there if name not in _OURS and not _RESTS.fullmatch(name)]
    if foreign and not begun:
        raise InputError([f"{folder} holds no sweep, but {one_line(foreign[0])}; choose an empty or new folder"])
    store = Store(folder, task)
    with _refusing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / LOG, "a+", encoding="utf-8", errors="replace")
    with file:
        store.locked = _lock(file, folder)
        begun = (folder / JOURNAL).exists()
        if begun and not resume:
            raise InputError([f"{folder} was begun by another sweep a moment ago; --out FOLDER chooses another"])
        store.log_file = file
        store.log(f"process {os.getpid()} on {socket.gethostname()} {'resumes' if begun else 'starts'} {task.name}")
        if not store.locked:
            store.log(f"the file system {NO_LOCKS}")
        with _refusing(folder):
            _remove_rests(folder)
            if begun:
                store._recover()
            else:
                store._start(study_text)
        yield store


@contextlib.contextmanager
def _refusing(folder: Path) -> Iterator[None]:
    """What the system refuses, as one sentence."""
    try:
        yield
    except OSError as error:
        raise InputError([f"{folder} cannot be used: {error.strerror}; choose another folder"]) from error


def _is_header(line: dict[str, Any]) -> bool:
    """Whether a line can be the first one of a journal."""
    study, parts = line.get("study"), line.get("parts")
    return (
        line.get("darkstate_sweep") == 1
        and isinstance(study, dict)
        and isinstance(parts, dict)
        and study.keys() == {"name", "title", "study_digest"}
    )


def _whole_lines(content: bytes) -> Iterator[tuple[dict[str, Any], int]]:
    """Every line up to the first one that is torn, and where it ends."""
    end = 0
    for raw in content.split(b"\n")[:-1]:
        end += len(raw) + 1
        try:
            line = json.loads(raw)
        except ValueError:
            return
        if not isinstance(line, dict):
            return
        yield line, end


def _lock(file: IO[str], folder: Path) -> bool:
    """Hold the log file for this process; the system lets go of it however the process ends.

    Returns:
        False where the file system has no locks.
    """
    try:
        if os.name == "nt":
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            return False
        file.seek(0)
        holder = [line.split(" ", 1)[-1] for line in file if " process " in line]
        who = f" ({one_line(' '.join(holder[-1].split()[:4]))})" if holder else ""
        raise InputError([f"{folder} is in use by another sweep{who}; wait for it or choose another folder"]) from error
    return True


def result_is(path: Path, known: str) -> bool:
    """Whether a result, a file or a folder, has a checksum."""
    return path.exists() and result_checksum(path) == known


def result_checksum(path: Path) -> str:
    """SHA-256 of a file; of a folder, of the names and checksums of everything in it."""
    if path.is_file():
        return checksum(path)
    files = sorted(p for p in path.rglob("*") if p.is_file())
    listed = "".join(f"{p.relative_to(path).as_posix()} {checksum(p)}\n" for p in files)
    return "sha256:" + hashlib.sha256(listed.encode()).hexdigest()


def _remove_rests(folder: Path) -> None:
    """Remove what writes that were cut off have left, and nothing else."""
    for path in (*folder.glob(".*"), *(folder / CHUNKS).glob(".*")):
        if not _RESTS.fullmatch(path.name):
            continue
        if path.suffix == ".zarr" and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()
