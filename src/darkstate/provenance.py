"""Where a result comes from: digest of the lab file, what was changed on the command line, versions, time.

Loads no JAX: versions are read from the installed packages.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePath

from darkstate.errors import InputError


def digest(content: str | bytes) -> str:
    r"""SHA-256 as "sha256:..."; text counts as UTF-8 with plain line ends, so every system finds the same digest.

    Example:
        >>> digest("z = 2.5\r\n") == digest("z = 2.5\n") == digest(b"z = 2.5\n")
        True
    """
    if isinstance(content, str):
        content = content.replace("\r\n", "\n").encode("utf-8", "surrogatepass")
    return "sha256:" + hashlib.sha256(content).hexdigest()


def versions() -> dict[str, str]:
    """Versions of darkstate, Python, JAX and NumPy; imports none of them.

    Example:
        >>> sorted(versions())
        ['darkstate', 'jax', 'numpy', 'python']
    """
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in ("darkstate", "jax", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def created() -> str:
    """The time now in UTC; SOURCE_DATE_EPOCH (seconds since 1970) replaces it so that a result can be made again.

    Raises:
        InputError: SOURCE_DATE_EPOCH is not a number of seconds.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        time = datetime.now(UTC) if epoch is None else datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InputError(
            [f"SOURCE_DATE_EPOCH = {epoch[:40]!r} is not a time; give whole seconds since 1970 or unset it"]  # type: ignore[index]
        ) from error
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def attrs(*, source: str, lab_digest: str, case: str | None = None, overrides: Sequence[str] = ()) -> dict[str, str]:
    """The text attributes every result carries, ready for a dataset or a table.

    Args:
        source: path of the lab file; only the file name is kept.
        lab_digest: digest of its text.
        case: the case chosen, if the file has cases.
        overrides: what `--set` changed, as "section.key=value".

    Returns:
        Attribute names to text.

    Example:
        >>> attrs(source="labs/krauter2011.toml", lab_digest="sha256:0", overrides=["drive.z=2"])["source"]
        'krauter2011.toml'
    """
    return {
        "source": PurePath(source).name,
        "lab_digest": lab_digest,
        "case": case or "",
        "overrides": "; ".join(overrides),
        "created": created(),
        **{f"{name}_version": text for name, text in versions().items()},
    }
