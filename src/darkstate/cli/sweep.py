"""The command `sweep`: a study file over its axes, with progress, resuming and a cluster."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from darkstate.cli.options import print_files


def sweep(
    study: Annotated[Path, typer.Argument(metavar="STUDY.toml", help="The study file, with a table [sweep].")],
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the files go; else results/STUDY-sweep.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the sweep in the folder.")] = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Only say how many points there are and how long they take.")
    ] = False,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Compute on a Dask cluster: address of its scheduler or its .json file."),
    ] = None,
    slurm: Annotated[bool, typer.Option("--slurm", help="Only print a batch script for SLURM.")] = False,
) -> None:
    r"""Compute quantities over the axes of a study: table, map, data.

    \b
    lab = "krauter2011"                  a lab file beside the study file, or one that comes along
    [sweep]
    quantities = ["xi_inf", "xi_min"]
    [sweep.axes."ensembles.optical_depth"]
    linear = [5, 100, 96]                from, to, number of points; or log = [...], or values = [...]
    [sweep.axes."drive.z"]
    values = [1.5, 2, 2.5]

    Killed at any moment, it goes on with --resume where it was, and ends with the same bytes.

    Example: darkstate sweep map.toml --out results/map
    """
    folder = out or Path("results") / f"{study.stem or 'study'}-sweep"
    if slurm:
        from darkstate.studies.slurm import batch_script
        from darkstate.studies.study import read_study
        from darkstate.studies.sweep_table import SweepTable

        print(batch_script(read_study(study, "sweep", SweepTable)[0].name, study, folder), end="")
        return
    if preview:
        from darkstate.report.sweep import preview_text

        print(preview_text(study))
        return

    from darkstate.report.sweep import sweep

    with _watching(study.stem) as watch:
        found = sweep(study, folder, resume=resume, scheduler=scheduler, progress=watch)
    print(found)
    print_files(found.save())


class _Bar:
    """Progress at a terminal: a bar with rate and time left; what must be said goes to stderr everywhere."""

    def __init__(self, bar: Any, task: Any) -> None:
        self.bar, self.task, self.begun = bar, task, False

    def points(self, done: int, total: int) -> None:
        """So many points are done."""
        if self.bar is None:
            return
        if not self.begun:  # what was there already, and what compiling took, is no rate
            self.bar.reset(self.task, total=total, completed=done)
            self.begun = True
        self.bar.update(self.task, total=total, completed=done)

    def say(self, text: str) -> None:
        """Something the user should know at once."""
        if self.bar is None:
            print(text, file=sys.stderr)
        else:
            self.bar.console.print(text)


@contextmanager
def _watching(name: str) -> Iterator[_Bar]:
    if not sys.stderr.isatty():
        yield _Bar(None, None)
        return

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    words = TextColumn("{task.description}")
    columns = (words, BarColumn(), TaskProgressColumn(), _rate_column(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Bar(bar, bar.add_task(name, total=None))


def _rate_column() -> Any:
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Rate(ProgressColumn):
        """Points per second."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.3g} points/s" if task.speed else "compiling")

    return Rate()
