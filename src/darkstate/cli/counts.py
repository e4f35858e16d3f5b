"""Counts of a tweezer pair, behind the same commands as records: which one is meant follows from the lab file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darkstate.cli.options import check_output, print_files, progress
from darkstate.errors import InputError

if TYPE_CHECKING:
    from darkstate.experiments.labfile import Lab

COUNT_ENDINGS = (".csv", ".nc")


def is_pair(lab: Lab, of_cells: Mapping[str, Any], of_pairs: Mapping[str, Any]) -> bool:
    """Whether a lab describes a tweezer pair.

    Args:
        lab: the lab; of_cells, of_pairs: options that only cells, or only pairs, take, with their values or None.

    Raises:
        InputError: an option is given that this experiment does not take.
    """
    from darkstate.experiments.tweezer_pair import TweezerPair

    pair = isinstance(lab.experiment, TweezerPair)
    wrong = [name for name, value in (of_cells if pair else of_pairs).items() if value is not None]
    if wrong:
        mine = "counts of a tweezer pair" if pair else "records of cells"
        belong = "records of cells" if pair else "counts of a tweezer pair"
        allowed = ", ".join(of_pairs if pair else of_cells)
        text = f"{wrong[0]} belongs to {belong}, but {lab.name} gives {mine}; leave it out"
        raise InputError([f"{text}; its own options are {allowed}"])
    return pair


def refuse_pair(lab: Lab, command: str) -> None:
    """Say which command counts take instead of one that is for records.

    Raises:
        InputError: the lab describes a tweezer pair.
    """
    if is_pair(lab, {}, {}):
        text = f"{lab.name} gives counts of a tweezer pair, which `{command}` does not take"
        raise InputError([f"{text}; `darkstate reconstruct` finds their fidelity"])


def is_count_file(path: Path) -> bool:
    """Whether a CSV file has the columns of a count table; looks at its first lines only."""
    if path.suffix != ".csv" or not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        for _ in range(100):
            line = file.readline(10_000)
            if line.strip() and not line.startswith("#"):
                return {"shots", "n0", "n1", "n2"} <= {name.strip() for name in line.split(",")}
    return False


def describe_counts(path: Path) -> str:
    """What is in a count table, and what to do with it."""
    from darkstate.records.counts import check_counts, read_counts

    data = read_counts(path)
    setting, shots = check_counts(data), int(data.counts.sum())
    groups = f" in the groups {', '.join(sorted(set(data.group.values.tolist())))}" if "group" in data.coords else ""
    found = f"count table of a tweezer pair: {data.sizes['setting']} settings {setting}{groups}, {shots} pairs"
    return f"{found}\nnext: darkstate reconstruct {path} --lab YOUR_LAB.toml"


def simulate_pair(lab: Lab, out: Path, sequence: str, shots: int | None, fidelity: float | None, seed: int) -> None:
    """Draw counts and write them."""
    check_output(out, [Path(lab.path)], COUNT_ENDINGS)

    from darkstate.records.counts import save_counts
    from darkstate.report.counting import SEQUENCES, simulate_counts

    if sequence not in SEQUENCES:
        raise InputError([f"--sequence {sequence!r} is not known here; write one of {', '.join(SEQUENCES)}"])
    print_files([save_counts(simulate_counts(lab, sequence=sequence, shots=shots, fidelity=fidelity, seed=seed), out)])


def reconstruct_pair(
    lab: Lab, tables: list[Path], out: Path | None, inelastic: bool, confidence: float | None, path: Path
) -> None:
    """Print what a count table says, and write it if asked to."""
    if len(tables) > 1:
        raise InputError([f"{tables[1]} is a second table; counts are reconstructed one table at a time"])
    if out is not None:
        check_output(out, [path, *tables], (".nc",))

    from darkstate.records.counts import read_counts
    from darkstate.report.count_results import reconstruct_counts

    with progress("reconstructing"):
        chosen: Any = {} if confidence is None else {"confidence": confidence}
        found = reconstruct_counts(lab, read_counts(tables[0]), inelastic=inelastic, **chosen)
    print(found)
    if out is not None:
        print_files([found.save(out)])
