"""The commands, one function each. JAX and matplotlib load inside the commands that compute or draw, and only there."""

from __future__ import annotations

import sys
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from darkstate.cli.diff import diff
from darkstate.cli.fit import fit
from darkstate.cli.infer import infer
from darkstate.cli.optimise import optimise
from darkstate.cli.options import (
    CalibrationOption,
    Case,
    Changes,
    LabArgument,
    OneCase,
    Out,
    open_lab,
    print_files,
    progress,
)
from darkstate.cli.plan import plan
from darkstate.cli.records import commands
from darkstate.cli.sweep import sweep

if TYPE_CHECKING:
    from darkstate.experiments.labfile import Lab

ALL = "all"

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

_HELP = """Entanglement by engineered dissipation: from the numbers of a laboratory to what it will see.

\b
darkstate demo                                        the experiment of Krauter et al. 2011
darkstate new mylab                                   a commented lab file to fill in
darkstate check mylab.toml                            how every number was understood
darkstate predict mylab.toml --set drive.z=2          xi(t), its minimum and time window
darkstate rates mylab.toml                            every derived rate: formula, error, validity
darkstate explain xi mylab.toml                       which terms make up a quantity
darkstate exact mylab.toml --atoms 8                  closed form, moments and exact result side by side
darkstate figure krauter2011-fig2b --out figures      a figure of a paper
darkstate schema --out lab.schema.json                JSON Schema of lab files, for editors

\b
darkstate sweep study.toml --out map                  quantities over axes, on one machine or a cluster
darkstate optimise study.toml                         the best settings, and what limits them
darkstate fit study.toml                              parameters from data: values, errors, correlations
darkstate infer study.toml                            their posterior
darkstate plan study.toml                             which calibration to repeat, how many cycles to take
darkstate diff mylab.toml krauter2011:b               what changed between two lab files or results

\b
darkstate simulate mylab.toml --out r.zarr            what the detector would record
darkstate inspect run17.h5                            what is in a data file of your own
darkstate calibrate runs --lab mylab.toml             decay and coupling from calibration records
darkstate reconstruct r.zarr --lab mylab.toml         xi(t) from a record, with errors
darkstate fingerprint r.zarr --lab mylab.toml         which mistake explains a record that does not fit
darkstate certify r.zarr --lab mylab.toml             a verdict that others can verify
darkstate verify certificate.json --record r.zarr     check somebody's certificate
"""


app.add_typer(commands)
for question in (sweep, optimise, fit, infer, plan, diff):
    app.command(help=cleandoc(question.__doc__ or "").replace(r"\b", "\b"))(question)


def _version(wanted: bool) -> None:
    if wanted:
        from darkstate import __version__

        print(f"darkstate {__version__}")
        raise typer.Exit


@app.callback(help=_HELP)
def darkstate(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """What `darkstate` takes before the command."""


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new lab file is NAME.toml.")],
    experiment: Annotated[
        str,
        typer.Option(
            metavar="SYSTEM",
            help="cesium_cells, two_level_ensembles, spin_mechanics, monitored_cells or tweezer_pair.",
        ),
    ] = "cesium_cells",
    like: Annotated[
        str | None,
        typer.Option(metavar="LAB", help="Copy a lab file that comes along, such as krauter2011-lab (by its laser)."),
    ] = None,
) -> None:
    """Write a commented lab file to fill in.

    Example: darkstate new mylab --like krauter2011-lab
    """
    from darkstate.experiments.template import write_new

    path = write_new(name, experiment, like)
    print_files([path])
    print(f"next: darkstate check {path}")


@app.command()
def check(lab: LabArgument, case: Case = None, change: Changes = None, calibration: CalibrationOption = None) -> None:
    """Echo every number as understood, and what follows.

    Example: darkstate check labs/krauter2011.toml --case c
    """
    labs = _load(lab, case, change)

    from darkstate.report.check import check

    tables = {}
    if calibration is not None:
        from darkstate.records.calibration import read_calibration
        from darkstate.report.agreement import agreement_table

        found = read_calibration(calibration)
        tables = {name: "\n\nCalibration\n" + agreement_table(each, found) for name, each in labs.items()}
    print("\n\n".join(check(each) + tables.get(name, "") for name, each in labs.items()))


@app.command()
def predict(
    lab: LabArgument,
    case: Case = None,
    change: Changes = None,
    data: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Measured points: columns t_ms, xi, xi_err.")
    ] = None,
    calibration: CalibrationOption = None,
    out: Out = None,
) -> None:
    """Predict the entanglement of a laboratory: table, figure, data.

    Example: darkstate predict labs/krauter2011.toml --case all --out results
    """
    if calibration is not None:
        first = next(iter(_load(lab, case, change).values()))

        from darkstate.records.calibration import read_calibration
        from darkstate.report.agreement import overrides_from

        change = [*(change or ()), *overrides_from(first, read_calibration(calibration))]
    _predict(_load(lab, case, change), data, out)


@app.command()
def rates(lab: LabArgument, case: Case = None, change: Changes = None) -> None:
    """Print every derived rate with formula, inputs, error and validity.

    With [vapour] and [laser] in the lab file the rates follow from temperature, power, detuning, polarisation and
    field. Errors come from values written with one, such as laser.power = "5.6(3) mW".

    Example: darkstate rates labs/krauter2011-lab.toml --set "laser.power=5.6(3) mW"
    """
    labs = _load(lab, case, change)

    from darkstate.report.rates import rates

    print("\n\n".join(str(rates(each)) for each in labs.values()))


@app.command()
def explain(
    quantity: Annotated[str, typer.Argument(help="What to explain, such as xi.")],
    lab: LabArgument,
    case: OneCase = None,
    change: Changes = None,
) -> None:
    """Break a quantity down into its terms, with their numbers.

    Example: darkstate explain xi labs/krauter2011.toml
    """
    from darkstate.experiments.labfile import load

    loaded = load(lab, case=case, overrides=change or ())

    from darkstate.report.explain import explain

    print(explain(quantity, loaded))


@app.command()
def exact(
    lab: LabArgument,
    atoms: Annotated[str, typer.Option(metavar="N", help="Atoms in each cell, such as 8, 1000 or 1e12.")],
    error: Annotated[float, typer.Option(metavar="ERROR", help="Standard error of xi to reach.")] = 0.01,
    seed: Annotated[int, typer.Option(metavar="N", help="Of all trajectories.")] = 0,
    case: OneCase = None,
    change: Changes = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Else results/LAB-CASE-exact.")] = None,
) -> None:
    """Compare closed form and moment equations with the exact result for N atoms.

    Up to 8 atoms the density operator is solved, up to a million quantum trajectories are followed, and from 1000 atoms
    on also leaped over, until xi is known to ERROR. Seconds to minutes; the first run compiles. Optical depth and rates
    stay as in the lab file, so that the collective rate d Gamma is the same for every N.

    Example: darkstate exact labs/muschik2011.toml --atoms 8
    """
    loaded = open_lab(lab, case, change)

    from darkstate.report.exact import compare_exact

    with progress(f"solving {loaded.name} for {atoms} atoms") as bar:
        found = compare_exact(loaded, _number("--atoms", atoms), error=error, seed=seed, progress=bar)
    print(found)
    name = f"{loaded.name}-{loaded.case}" if loaded.case else loaded.name
    print_files(found.save(out or Path("results") / f"{name}-exact"))


@app.command()
def figure(
    name: Annotated[str | None, typer.Argument(metavar="ID", help="The figure.")] = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the files go.")] = Path("figures"),
    listing: Annotated[bool, typer.Option("--list", help="List the figures.")] = False,
) -> None:
    """Compute a figure of a paper.

    Seconds each; finite-n, which no paper has, takes some four minutes.

    Example: darkstate figure krauter2011-fig2b --out figures
    """
    from darkstate.report.papers import FIGURES, LONG, draw

    if listing or name is None:
        width = max(map(len, FIGURES))
        print("\n".join(f"{key:<{width}}  {text}" for key, text in FIGURES.items()))
        return
    if name in LONG:
        with progress(f"computing {name}") as bar:
            paths = draw(name, out, bar)
    else:
        _progress(f"computing {name}")
        paths = draw(name, out)
    print_files(paths)


@app.command()
def demo(out: Out = None) -> None:
    """Predict a published experiment, two caesium cells.

    Example: darkstate demo
    """
    from darkstate.experiments.labfile import shipped_labs

    _predict(_load(shipped_labs()["krauter2011"], None, None), None, out)


@app.command()
def schema(out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there.")] = None) -> None:
    """Print the JSON Schema of lab files.

    Example: darkstate schema --out lab.schema.json
    """
    import json

    from darkstate.experiments.labfile import schema

    text = json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
    if out is None:
        print(text, end="")
    else:
        from darkstate.storage import write_atomic

        print_files([write_atomic(out, text)])


def _load(path: Path, case: str | None, changes: list[str] | None) -> dict[str, Lab]:
    """The labs to work on by case; one with the empty key unless all cases are asked for."""
    from darkstate.experiments.labfile import load, load_cases

    if case == ALL:
        return load_cases(path, overrides=changes or ())
    return {"": load(path, case=case, overrides=changes or ())}


def _predict(labs: dict[str, Lab], data: Path | None, out: Path | None) -> None:
    first = next(iter(labs.values()))
    _progress(f"solving {first.name}")

    from darkstate.report.prediction import predict, predict_cases

    result = predict(first, data=data) if "" in labs else predict_cases(labs, data=data)
    print(result)
    name = f"{first.name}-{first.case}" if "" in labs and first.case else first.name
    print_files(result.save(out or Path("results") / name))


def _number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        from darkstate.errors import InputError

        raise InputError([f"{option} {text} is no number; write one such as 8, 1000 or 1e12"]) from None


def _progress(text: str) -> None:
    """Say what takes a moment, to somebody who waits at a terminal."""
    if sys.stderr.isatty():
        print(f"{text} ...", file=sys.stderr)
