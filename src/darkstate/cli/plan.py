"""`darkstate plan`: what to measure next, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from darkstate.cli.options import print_files


def plan(
    study: Annotated[Path, typer.Argument(metavar="STUDY.toml", help="A study file with a table [plan].")],
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Else results/STUDY-plan.")] = None,
) -> None:
    r"""Which calibration to repeat, and how many cycles a verdict needs.

    \b
    lab = "krauter2011-lab"              a lab file beside the study file, or one that comes along
    [plan]
    quantity = "xi_min"
    sigmas = 3                           standard errors wanted
    [plan.calibrations]
    "laser.power" = "0.1 mW"             the error a calibration could reach; else half of the present one
    [plan.shots]                         optional: plan the cycles of a measurement, too
    cycle = "1 s"

    Ranks the uncertain inputs of the lab file by what each adds to the error of the quantity asked for. With a table
    [plan.shots] also the fewest cycles that show xi < 1, the best read-out window, and the share of cycles to spend on
    light alone and on calibration runs.

    Example: darkstate plan study.toml --out results
    """
    from darkstate.report.plan import plan as make

    found = make(study)
    print(found)
    print_files(found.save(out or Path("results") / f"{found.study.name}-plan"))
