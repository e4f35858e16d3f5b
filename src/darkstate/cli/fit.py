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
    """Fit parameters to measured data: values with intervals, correlations, chi^2, and a fitted lab file.

    The study file has a table [fit] with data = "xi.csv", whose columns are t_ms, xi and xi_err, and one table such as
    [fit.free."noise.gamma_tilde"] for each free parameter, in which start, low and high may be given.
    """
    from darkstate.report.fit import fit as fitted

    with progress("fitting") as tell:
        found = fitted(study, progress=tell)
    print(found)
    if check is not None:
        print(f"\n{found.coverage(check)}\n")
    print_files(found.save(out or Path("results") / f"{found.problem.study.name}-fit"))
