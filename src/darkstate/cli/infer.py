"""`darkstate infer`: the posterior of parameters from measured data and priors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from darkstate.cli.options import print_files, progress


def infer(
    study: Annotated[Path, typer.Argument(metavar="STUDY.toml", help="With tables [infer] and [fit].")],
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the files go; else results/STUDY-infer.")
    ] = None,
) -> None:
    """Draw the posterior of parameters, given data and priors: intervals, corner plot, predictions.

    The study file has a table [fit] with the data, and one table such as [infer.priors."noise.gamma_tilde"] for each
    parameter, with normal = ["0.2 /ms", "0.05 /ms"], uniform, lognormal or halfnormal, or empty for the uncertainty
    that the lab file gives.
    """
    from darkstate.report.infer import infer as inferred

    with progress("sampling") as tell:
        found = inferred(study, progress=tell)
    print(found)
    print_files(found.save(out or Path("results") / f"{found.posterior.problem.study.name}-infer"))
