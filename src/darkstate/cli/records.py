"""The commands for records: from a simulated or measured file to a certificate that others can verify."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from darkstate.cli.counts import (
    describe_counts,
    is_count_file,
    is_pair,
    reconstruct_pair,
    refuse_pair,
    simulate_pair,
)
from darkstate.cli.options import (
    CalibrationOption,
    Changes,
    LabArgument,
    OneCase,
    check_output,
    open_lab,
    print_files,
    progress,
)

if TYPE_CHECKING:
    from darkstate.experiments.labfile import Lab
    from darkstate.records.calibration import Calibration

commands = typer.Typer()

RECORD_ENDINGS = (".zarr", ".nc", ".h5")

RecordArgument = Annotated[Path, typer.Argument(metavar="RECORD", help="The record, .zarr or .nc.")]
LabOption = Annotated[Path, typer.Option("--lab", metavar="LAB.toml", help="The lab file of the apparatus.")]
Seed = Annotated[int, typer.Option(metavar="N", min=0, help="Seed of all random numbers.")]
Probe = Annotated[
    str | None, typer.Option(metavar="TIME", help='Length of the read-out windows, such as "1 ms"; else as calibrated.')
]


@commands.command()
def simulate(
    lab: LabArgument,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="The record (.zarr) or counts (.csv) to write; with --runs a folder.")
    ],
    case: OneCase = None,
    change: Changes = None,
    runs: Annotated[
        bool, typer.Option("--runs", help="The records of a calibration instead of the experiment.")
    ] = False,
    cycles: Annotated[
        int | None, typer.Option(metavar="N", min=20, help="Repetitions; else as in the lab file.")
    ] = None,
    duration: Annotated[
        str | None, typer.Option(metavar="TIME", help='Of the drive pulse, such as "10 ms"; else the protocol.')
    ] = None,
    sequence: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of a tweezer pair: raman, interleaved, ramsey or populations; else raman."),
    ] = None,
    shots: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Pairs per setting of a tweezer pair; else the lab file."),
    ] = None,
    fidelity: Annotated[
        float | None, typer.Option(metavar="F", min=0, max=1, help="Of a tweezer pair, to plant; else as predicted.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Simulate what the detector of a lab would record, or the atoms that are counted.

    Example: darkstate simulate labs/krauter2011.toml --duration "10 ms" --out r.zarr

    Tweezer pair: darkstate simulate labs/ruksasakchai2026.toml --out counts.csv
    """
    loaded = open_lab(lab, case, change)
    again = "".join([f" --case {case}" if case else "", *(f' --set "{text}"' for text in change or ())])
    of_cells = {"--runs": runs or None, "--cycles": cycles, "--duration": duration}
    of_pairs = {"--sequence": sequence, "--shots": shots, "--fidelity": fidelity}
    if is_pair(loaded, of_cells, of_pairs):
        simulate_pair(loaded, out, sequence or "raman", shots, fidelity, seed)
        print(f"next: darkstate reconstruct {out} --lab {lab}{again}")
        return
    check_output(out, [lab], () if runs else RECORD_ENDINGS)

    from darkstate.records.io import save_record
    from darkstate.report.recording import simulate_lab, simulate_runs

    if runs:
        with progress("simulating") as report:
            found = simulate_runs(loaded, cycles=1000 if cycles is None else cycles, seed=seed, progress=report)
        print_files([save_record(data, out / f"{name}.zarr") for name, data in found.items()])
        print(f"next: darkstate calibrate {out} --lab {lab}{again}")
        return
    length = None if duration is None else _seconds("--duration", duration)
    with progress("simulating") as report:
        data = simulate_lab(loaded, cycles=cycles, duration=length, seed=seed, progress=report)
    print_files([save_record(data, out)])
    print(f"next: darkstate certify {out} --lab {lab}{again}")


@commands.command()
def inspect(file: Annotated[Path, typer.Argument(metavar="FILE", help="Any record or data file.")]) -> None:
    """Show what is in a data file, and a mapping that makes it a record.

    Example: darkstate inspect run17.h5
    """
    if is_count_file(file):
        print(describe_counts(file))
        return

    from darkstate.records.inspect import inspect_file

    print(inspect_file(file))


@commands.command("import")
def import_record(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A data file of another program.")],
    out: Annotated[Path, typer.Option(metavar="R.zarr", help="The record to write.")],
    mapping: Annotated[Path, typer.Option(metavar="MAP.toml", help="What is what in it; `inspect` prints one.")],
    shot_noise: Annotated[
        Path | None, typer.Option("--shot-noise", metavar="FILE", help="The light without atoms, in a file alike.")
    ] = None,
    dark: Annotated[
        Path | None, typer.Option("--dark", metavar="FILE", help="The detector without light, in a file alike.")
    ] = None,
) -> None:
    """Turn a data file of another program into a record.

    Example: darkstate import run17.h5 --mapping map.toml --out run17.zarr
    """
    others = {"shot_noise": shot_noise, "dark": dark}
    check_output(out, [file, mapping, *(p for p in others.values() if p)], RECORD_ENDINGS)

    from darkstate.records.inspect import inspect_file
    from darkstate.records.io import save_record
    from darkstate.records.readers import read_foreign
    from darkstate.records.schema import with_parts

    parts = {name: read_foreign(path, mapping) for name, path in others.items() if path}
    path = save_record(with_parts(read_foreign(file, mapping), parts), out)
    print(inspect_file(path))
    print_files([path])
    print(f"next: darkstate reconstruct {out} --lab YOUR_LAB.toml")


@commands.command()
def calibrate(
    records: Annotated[
        list[Path], typer.Argument(metavar="RECORDS", help="Records of a calibration, or folders of them.")
    ],
    lab: LabOption,
    case: OneCase = None,
    change: Changes = None,
    out: Annotated[Path, typer.Option(metavar="FILE.toml", help="The calibration to write.")] = Path(
        "calibration.toml"
    ),
) -> None:
    """Find decay, coupling and carrier from calibration records, and compare with the lab file.

    Example: darkstate calibrate runs --lab mylab.toml --out calibration.toml
    """
    loaded = open_lab(lab, case, change)
    refuse_pair(loaded, "calibrate")
    check_output(out, [lab, *records], (".toml",))

    from darkstate.records.calibrate import calibrate
    from darkstate.records.calibration import save_calibration
    from darkstate.records.io import open_record
    from darkstate.report.agreement import agreement_table
    from darkstate.report.recording import lab_calibration

    with progress("calibrating") as report:
        found, doubts = calibrate(
            [open_record(path) for path in _paths(records)], given=lab_calibration(loaded), progress=report
        )
    print(found)
    print(agreement_table(loaded, found))
    for doubt in doubts:
        print(f"  doubt: {doubt.text} ({doubt.sigma:.0f} standard errors)")
    print_files([save_calibration(found, out)])


@commands.command()
def reconstruct(
    records: Annotated[
        list[Path],
        typer.Argument(metavar="RECORDS", help="Records of one apparatus, or folders; or one count table."),
    ],
    lab: LabOption,
    case: OneCase = None,
    change: Changes = None,
    calibration: CalibrationOption = None,
    probe: Probe = None,
    inelastic: Annotated[
        bool, typer.Option("--inelastic", help="Of a tweezer pair: search every inelastic loss too.")
    ] = False,
    confidence: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Of a tweezer pair: confidence of the verdict; else 0.68.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DAY.nc", help="Write all runs there, one row each.")] = None,
    logbook: Annotated[Path | None, typer.Option(metavar="PAGE.html", help="Write a page to look at.")] = None,
) -> None:
    """Find xi(t) with its errors from one or many records, or the fidelity from a table of counts.

    Example: darkstate reconstruct runs/*.zarr --lab mylab.toml --out day.nc

    Tweezer pair: darkstate reconstruct counts.csv --lab labs/ruksasakchai2026.toml
    """
    loaded = open_lab(lab, case, change)
    of_cells = {"--calibration": calibration, "--probe": probe, "--logbook": logbook}
    if is_pair(loaded, of_cells, {"--inelastic": inelastic or None, "--confidence": confidence}):
        reconstruct_pair(loaded, records, out, inelastic, confidence, lab)
        return
    for path, ending in ((out, ".nc"), (logbook, ".html")):
        if path is not None:
            check_output(path, [lab, *records, *([calibration] if calibration else [])], (ending,))

    from darkstate.report.runs import reconstruct_runs, runs_table, save_runs

    used = _calibration(loaded, calibration)
    with progress("reconstructing") as report:
        runs = reconstruct_runs(
            _paths(records), used, probe=None if probe is None else _seconds("--probe", probe), progress=report
        )
    print(runs_table(runs))
    written = [] if out is None else [save_runs(runs, loaded, out)]
    if logbook is not None:
        from darkstate.report.logbook import save_logbook

        written.append(save_logbook(logbook, loaded, runs))
    if written:
        print_files(written)


@commands.command()
def fingerprint(
    record: RecordArgument,
    lab: LabOption,
    case: OneCase = None,
    change: Changes = None,
    calibration: CalibrationOption = None,
    expected: Annotated[
        float | None, typer.Option("--expected", metavar="XI", help="xi when the light turns on, if it is known.")
    ] = None,
    given: Annotated[
        Path | None, typer.Option("--input", metavar="R.zarr", help="The record of purpose input behind kappa^2.")
    ] = None,
    transferred: Annotated[
        Path | None, typer.Option("--transfer", metavar="R.zarr", help="The record of purpose transfer behind kappa^2.")
    ] = None,
) -> None:
    """Name the mistakes that would explain a record that does not fit, the most significant first.

    Example: darkstate fingerprint r.zarr --lab mylab.toml --expected 1
    """
    loaded = open_lab(lab, case, change)
    refuse_pair(loaded, "fingerprint")
    used = _calibration(loaded, calibration)

    from darkstate.records.fingerprint import fingerprint
    from darkstate.records.io import open_record

    behind = {"given": given, "transferred": transferred}
    found = fingerprint(
        open_record(record),
        used,
        expected_xi=expected,
        **{name: None if path is None else open_record(path) for name, path in behind.items()},
    )
    for suspect in found:
        print(f"{suspect.sigma:5.1f} standard deviations: {suspect.text}")
    if not found:
        print("no known mistake explains this record better than none, by three standard deviations")


@commands.command()
def certify(
    record: RecordArgument,
    lab: LabOption,
    case: OneCase = None,
    change: Changes = None,
    calibration: CalibrationOption = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help='When, such as "6 ms"; else chosen on half of the cycles.')
    ] = None,
    method: Annotated[
        str | None, typer.Option(metavar="NAME", help="unconditional, exponential or kalman; else chosen likewise.")
    ] = None,
    confidence: Annotated[float, typer.Option(metavar="SHARE", help="Confidence of the verdict.")] = 0.95,
    seed: Seed = 0,
    require: Annotated[
        str | None, typer.Option(metavar="VERDICT", help="Exit with 1 unless this is the verdict, such as entangled.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="CERT.json", help="The certificate to write.")] = Path(
        "certificate.json"
    ),
) -> None:
    """Certify what a record shows: entangled, not shown, or inconsistent.

    Example: darkstate certify r.zarr --lab mylab.toml --out cert.json
    """
    from darkstate.report.certificate import VERDICTS

    if require is not None and require not in VERDICTS:
        from darkstate.errors import InputError

        raise InputError([f"--require {require!r} is no verdict; write one of {', '.join(VERDICTS)}"])
    loaded = open_lab(lab, case, change)
    refuse_pair(loaded, "certify")
    check_output(out, [lab, record, *([calibration] if calibration else [])], (".json",))

    from darkstate.records.io import open_record
    from darkstate.report.verdict import certify

    with progress("certifying") as report:
        found = certify(
            open_record(record),
            loaded,
            calibration=None if calibration is None else _calibration(loaded, calibration),
            at=None if at is None else _seconds("--at", at),
            method=method,
            confidence=confidence,
            seed=seed,
            progress=report,
        )
    print(found)
    print_files([found.save(out)])
    if require is not None and found.verdict != require:
        raise typer.Exit(1)


@commands.command()
def verify(
    certificate: Annotated[Path, typer.Argument(metavar="CERT.json", help="The certificate.")],
    record: Annotated[
        Path | None, typer.Option(metavar="R.zarr", help="The record it speaks of; without it only seals are checked.")
    ] = None,
    lab: Annotated[
        Path | None,
        typer.Option(metavar="LAB.toml", help="Its lab file: parameters and a calibration taken from it are checked."),
    ] = None,
) -> None:
    """Check that a certificate is unaltered and that its record gives its numbers; exit code 1 if not.

    Example: darkstate verify cert.json --record r.zarr --lab mylab.toml
    """
    from darkstate.records.io import open_record
    from darkstate.report.certificate import read_certificate
    from darkstate.report.verification import verify

    found = verify(read_certificate(certificate), None if record is None else open_record(record), lab=lab)
    print(found)
    if not found.ok:
        raise typer.Exit(1)


def _paths(given: list[Path]) -> list[Path]:
    """The records named, and those inside the folders named."""
    from darkstate.errors import InputError

    found: list[Path] = []
    for path in given:
        if path.is_dir() and path.suffix != ".zarr":
            inside = sorted(p for p in path.iterdir() if p.suffix in (".zarr", ".nc", ".h5"))
            if not inside:
                raise InputError([f"{path} holds no record (.zarr, .nc or .h5)"])
            found += inside
        else:
            found.append(path)
    return found


def _calibration(lab: Lab, path: Path | None) -> Calibration:
    from darkstate.records.calibration import read_calibration
    from darkstate.report.recording import lab_calibration

    return lab_calibration(lab) if path is None else read_calibration(path)


def _seconds(option: str, text: str) -> float:
    """A time of the command line."""
    from darkstate.errors import ArgumentError, InputError
    from darkstate.units import parse

    try:
        value, _ = parse(text, "s")
    except ArgumentError as error:
        raise InputError([f"{option} {error}"]) from error
    if not value >= 0:
        raise InputError([f"{option} {text!r} must be at least 0"])
    return value
