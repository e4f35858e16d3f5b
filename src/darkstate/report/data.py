"""Measured points xi(t) with errors, from a CSV file, and how well a prediction agrees with them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from pathlib import Path

import numpy as np

from darkstate.errors import InputError

TIMES = {"t_s": 1.0, "t_ms": 1e-3, "t_us": 1e-6}
MAX_BYTES = 1 << 24


@dataclass(frozen=True)
class Points:
    """Measured EPR variances: times [s], xi, standard errors [n each]."""

    times: np.ndarray
    xi: np.ndarray
    xi_err: np.ndarray

    def chi_squared(self, times: np.ndarray, curve: np.ndarray) -> float:
        """Sum of squared deviations from a curve, in standard errors (straight lines between its points)."""
        return float((((self.xi - np.interp(self.times, times, curve)) / self.xi_err) ** 2).sum())

    def chance(self, chi_squared: float) -> float:
        """Probability of at least this chi-squared by noise alone, if the curve is right and nothing was fitted."""
        from scipy.special import gammaincc

        return float(gammaincc(len(self.times) / 2, chi_squared / 2))


def read_points(path: str | Path, *, until: float) -> Points:
    """Read a CSV table with the columns t_ms (or t_s, t_us), xi and xi_err; lines starting with # are comments.

    Args:
        path: the file.
        until: last time of the prediction [s]; later points are refused.

    Raises:
        InputError: every problem found, one sentence each.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError([f"{path}: is larger than 16 MiB; give a table of at most that size"])
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (
            "is not text (UTF-8)" if isinstance(error, UnicodeDecodeError) else (error.strerror or "cannot be read")
        )
        raise InputError([f"{path}: {reason}; give a CSV file with the columns t_ms, xi, xi_err"]) from error
    lines = [(n, row) for n, row in enumerate(csv.reader(text.splitlines()), 1) if row and not row[0].startswith("#")]
    if not lines:
        raise InputError([f"{path}: holds no data; the first line names the columns: t_ms, xi, xi_err"])
    names = [name.strip() for name in lines[0][1]]
    problems = [
        f"{path}:{lines[0][0]}: column {name!r} is not known; allowed: {', '.join([*TIMES, 'xi', 'xi_err'])}"
        + "".join(f"; did you mean {near!r}?" for near in get_close_matches(name, [*TIMES, "xi", "xi_err"], 1))
        for name in names
        if name not in (*TIMES, "xi", "xi_err")
    ]
    clock = [name for name in names if name in TIMES]
    if not problems and (len(clock) != 1 or names.count("xi") != 1 or names.count("xi_err") != 1):
        problems.append(f"{path}:{lines[0][0]}: needs one each of the columns t_ms (or t_s, t_us), xi and xi_err")
    if problems:
        raise InputError(problems)
    rows = [_row(path, n, row, names, problems) for n, row in lines[1:]]
    if not rows:
        problems.append(f"{path}: holds no points below its header; add at least one line")
    if problems:
        raise InputError(problems)
    table = {name: np.array([row[k] for row in rows]) for k, name in enumerate(names)}
    times = table[clock[0]] * TIMES[clock[0]]
    if ((times < 0) | (times > until * (1 + 1e-9))).any():
        raise InputError([f"{path}: times must lie between 0 and {until:g} s, the end of the protocol; extend it"])
    if (table["xi_err"] <= 0).any():
        raise InputError([f"{path}: every xi_err must be greater than 0"])
    return Points(times, table["xi"], table["xi_err"])


def _row(path: Path, number: int, row: list[str], names: list[str], problems: list[str]) -> list[float]:
    """One line as numbers; what is wrong with it goes to `problems`."""
    if len(row) != len(names):
        problems.append(f"{path}:{number}: has {len(row)} values, but the header names {len(names)} columns")
        return [0.0] * len(names)
    values = []
    for name, cell in zip(names, row, strict=True):
        try:
            value = float(cell)
        except ValueError:
            value = float("nan")
        if not isfinite(value):
            problems.append(f"{path}:{number}: {name} = {cell.strip()[:40]!r} is not a finite number")
        values.append(value)
    return values
