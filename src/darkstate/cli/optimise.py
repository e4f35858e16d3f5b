"""`darkstate optimise`: the best settings of a laboratory, by a study file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from darkstate.cli.options import print_files, progress


def optimise(
    study: Annotated[Path, typer.Argument(metavar="STUDY.toml", help="The study file, with a table [optimise].")],
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Else results/STUDY-optimise.")] = None,
) -> None:
    r"""Find the best settings of a laboratory, and what limits it there.

    \b
    lab = "huang2018"                    a lab file beside the study file, or one that comes along
    [optimise]
    quantity = "xi"                      made small or large, whichever entangles; or give sense = "maximise"
    [optimise.over."spin.theta"]         one to five parameters
    low = 0
    high = 1.57

    Further tables: [optimise.limits] with total_power = "10 mW" or a quantity below or above a value, and
    [optimise.grid."section.key"] with values = [...] for one optimum each. robust = 2 counts the value two standard
    errors to the worse side. The first run compiles, some ten seconds.

    Example: darkstate optimise best.toml --out results
    """
    from darkstate.studies.optimise import read_problem

    problem = read_problem(study)

    from darkstate.report.optimise import Optimum
    from darkstate.studies.search import find

    with progress(f"optimising {problem.study.name}") as bar:
        found = Optimum(find(problem, progress=bar))
    print(found)
    print_files(found.save(out or Path("results") / f"{problem.study.name}-optimise"))
