"""What the commands share: arguments that mean the same everywhere, and how written files are told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
