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
    r"""Draw the posterior of parameters, given data and priors: intervals, corner plot, predictions.

    \b
    lab = "krauter2011"                  a lab file beside the study file, or one that comes along
    [fit]
    data = "xi.csv"                      columns t_ms, xi, xi_err
    [infer]                              optional: samples, warmup, chains, seed
    samples = 1000
    [infer.priors."noise.gamma_tilde"]   one table for each parameter
    normal = ["0.2 /ms", "0.05 /ms"]     or uniform, lognormal, halfnormal; empty: as uncertain as in the lab file

    The first run compiles, some ten seconds; a time evolution with two parameters takes a minute.
    """
    from darkstate.report.infer import infer as inferred

    with progress("sampling") as tell:
        found = inferred(study, progress=tell)
    print(found)
    print_files(found.save(out or Path("results") / f"{found.posterior.problem.study.name}-infer"))
