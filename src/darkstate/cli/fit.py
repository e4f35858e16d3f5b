"""`darkstate fit`: the parameters of a laboratory from measured data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from darkstate.cli.options import print_files, progress


def fit(
    study: Annotated[Path, typer.Argument(metavar="STUDY.toml", help="The study file, with a table [fit].")],
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the files go; else results/STUDY-fit.")
    ] = None,
    check: Annotated[
        int | None,
        typer.Option(
            "--coverage",
            metavar="N",
            min=2,
            max=100_000,
            help="Simulate N data sets from the fit and count how often the error bars hold the truth.",
        ),
    ] = None,
) -> None:
    r"""Fit parameters to measured data: values with intervals, correlations, chi^2, and a fitted lab file.

    \b
    lab = "krauter2011"                  a lab file beside the study file, or one that comes along
    [fit]
    data = "xi.csv"                      columns t_ms, xi, xi_err
    [fit.free."noise.gamma_tilde"]       one table for each free parameter
    start = "0.15 /ms"                   optional, as are low and high
    """
    from darkstate.report.fit import fit as fitted

    with progress("fitting") as tell:
        found = fitted(study, progress=tell)
    print(found)
    if check is not None:
        print(f"\n{found.coverage(check)}\n")
    print_files(found.save(out or Path("results") / f"{found.problem.study.name}-fit"))
