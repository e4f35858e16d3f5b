"""What the commands share: arguments that mean the same everywhere, and how files are opened, written and told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from darkstate.experiments.labfile import Lab

LabArgument = Annotated[Path, typer.Argument(metavar="LAB.toml", help="The lab file.")]
Case = Annotated[
    str | None, typer.Option(metavar="NAME", help="Case of the lab file, or 'all'; else its default case.")
]
OneCase = Annotated[
    str | None, typer.Option("--case", metavar="NAME", help="Case of the lab file; else its default case.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help='Change a value, such as drive.rate="2 /ms"; repeatable.'),
]
Out = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where the files go; else results/LAB-CASE.")]

CalibrationOption = Annotated[
    Path | None,
    typer.Option(
        "--calibration", metavar="FILE.toml", help="From `darkstate calibrate`, in place of the lab file's numbers."
    ),
]


def print_files(paths: list[Path]) -> None:
    """Name the files written."""
    print("written: " + " ".join(map(str, paths)))


def check_output(out: Path, inputs: list[Path], endings: tuple[str, ...]) -> None:
    """Refuse to write over what is being read, and endings that say something else than what is written."""
    from darkstate.errors import InputError

    if endings and out.suffix not in endings:
        raise InputError([f"--out {out} must end in {' or '.join(endings)}, which is what is written"])
    if out.exists() and any(path.exists() and out.samefile(path) for path in inputs):
        raise InputError([f"--out {out} is one of the files read; choose another name, so that it is not lost"])


def open_lab(path: Path, case: str | None, changes: list[str] | None) -> Lab:
    """Read a lab file, its case and the changes made on the command line."""
    from darkstate.experiments.labfile import load

    return load(path, case=case, overrides=changes or ())


@contextmanager
def progress(text: str) -> Iterator[Callable[[float], None] | None]:
    """A bar on stderr for somebody who waits at a terminal, and nothing otherwise."""
    if not sys.stderr.isatty():
        yield None
        return

    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=1.0)
        yield lambda share: bar.update(task, completed=share)
