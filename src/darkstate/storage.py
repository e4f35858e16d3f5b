"""Files appear whole or not at all: write beside the target, flush to disk, rename, flush the folder.

A reader never sees half a file, and a program killed at any moment leaves the old file or the new one. Everything in
darkstate that writes a file writes it here.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from darkstate.errors import InputError

_REASONS = {
    errno.EACCES: "you may not write there; choose another folder or change its permissions",
    errno.EPERM: "you may not write there; choose another folder or change its permissions",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "your disk quota is used up; free some space or choose another folder",
    errno.EFBIG: "the file is too large for this disk; choose another folder",
    errno.ENOTDIR: "a file stands where a folder is needed; choose another folder or move that file away",
    errno.EEXIST: "a file stands where a folder is needed; choose another folder or move that file away",
    errno.EISDIR: "a folder has that name; choose another file name",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.EIO: "the disk reports an input/output error; choose another disk",
}


def write_atomic(path: str | Path, content: bytes | str | Callable[[Path], object]) -> Path:
    """Write a file so that it is there completely or not at all; missing folders are made.

    Args:
        path: the file to write; what it held before is replaced.
        content: bytes, text (stored as UTF-8), or a function that writes the file whose path it is given (it has the
            same ending as `path`).

    Returns:
        The path written.

    Raises:
        InputError: the file cannot be written (path, reason, next step); the old file is then untouched.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_atomic(f"{folder}/results/table.txt", "xi = 0.822").read_text()
        'xi = 0.822'
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem[:40]}-{os.urandom(6).hex()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        try:
            _fill(temporary, content)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(path.parent)
    except OSError as error:
        reason = _REASONS.get(error.errno or 0) or f"{error.strerror or error}; choose another folder"
        raise InputError([f"{path} cannot be written: {reason}"]) from error
    return path


def write_netcdf(path: str | Path, data: Any) -> Path:
    """Write a labelled dataset as NetCDF, whole or not at all.

    Args:
        path: the file to write; data: anything with the `to_netcdf` of xarray.

    Raises:
        InputError: as `write_atomic`.
    """
    return write_atomic(path, lambda target: data.to_netcdf(target, engine="h5netcdf"))


def _fill(temporary: Path, content: bytes | str | Callable[[Path], object]) -> None:
    with open(temporary, "xb") as file:
        if isinstance(content, str):
            content = content.encode()
        if isinstance(content, bytes):
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            return
    content(temporary)
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the rename itself last; Windows cannot open folders and needs no such call."""
    if os.name != "nt":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def checksum(path: str | Path) -> str:
    """SHA-256 of a file as "sha256:...", read in pieces.

    Raises:
        InputError: the file cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     checksum(write_atomic(f"{folder}/empty", b""))[:14]
        'sha256:e3b0c44'
    """
    try:
        with open(path, "rb") as file:
            return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(
            [f"{path} cannot be read: {error.strerror or error}; check the path and its permissions"]
        ) from error
