"""An optimum as a lab file: the text of the lab file with the best settings in place, every other line kept.

    z = 2.5  # of 002   ->   # optimum of xi_min by study best
                             z = 1.8731  # of 002

The case that was optimised is the default one; what `--set` or [set] changed is written too. A value that cases share
is changed for all of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from darkstate.errors import ArgumentError, InputError
from darkstate.experiments.labfile import Lab, load
from darkstate.experiments.tomltext import read_override
from darkstate.experiments.values import value_at, with_values
from darkstate.studies.editing import edited
from darkstate.studies.fitted_lab import chosen
from darkstate.studies.sensitivity import float_keys
from darkstate.units import format_si, parse

DIGITS, EXACT = 15, 17
SAME = 1e-12


def best_lab(lab: Lab, values: Mapping[str, float], units: Mapping[str, Any], *, note: str) -> str:
    """The text of a lab file with new values.

    Args:
        lab: the lab file that was read; values: dotted keys to SI values; units: theirs; note: a comment above each.

    Returns:
        The text. `darkstate.load` of it gives the lab's experiment with these values, to 12 digits or better.

    Raises:
        ArgumentError: a value stands where it cannot be replaced line by line.

    Example:
        >>> import darkstate as ds
        >>> lab = ds.load(ds.shipped_labs()["muschik2011"])
        >>> text = best_lab(lab, {"drive.z": 1.25}, {"drive.z": "1"}, note="best Z")
        >>> [line for line in text.splitlines() if line not in lab.text.splitlines()]
        ['# best Z', 'z = 1.25']
    """
    text = lab.text if lab.case is None else chosen(lab.text, lab.case)
    given = {".".join(map(str, key)): _toml(value) for key, value in map(read_override, lab.overrides)}
    text = edited(text, {key: value for key, value in given.items() if key not in values}, cases=(lab.case,))
    errors = lab.uncertainties
    new = {key: _toml(_number(written(value, units[key], errors.get(key)))) for key, value in values.items()}
    text = edited(text, new, cases=(lab.case,), note=note)
    _refuse_another(text, with_values(lab.experiment, values))
    return text


def written(value: float, unit: Any, error: float | None = None) -> str:
    """A value as `--set` takes it, with 15 digits, or with 17 where 15 are not enough.

    Example:
        >>> written(0.04, "s"), written(2 / 3, "1"), written(193.0, "1/s", 5.0)
        ('40 ms', '0.66666666666666663', '193 +- 5 /s')
    """
    text = format_si(value, unit, error=error, digits=DIGITS)
    return text if error is not None or parse(text, unit)[0] == value else format_si(value, unit, digits=EXACT)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _refuse_another(text: str, wanted: Any) -> None:
    """Raise unless the text reads as the wanted experiment."""
    try:
        with TemporaryDirectory() as folder:
            path = Path(folder, "optimum.toml")
            path.write_text(text, encoding="utf-8")
            found = load(path).experiment
    except InputError as error:
        raise ArgumentError(f"The lab file with the new values cannot be read: {error.problems[0]}.") from None
    keys = float_keys(wanted)
    same = keys == float_keys(found) and with_values(found, {k: value_at(wanted, k) for k in keys}) == wanted
    if not same or any(abs(value_at(found, k) - value_at(wanted, k)) > SAME * abs(value_at(wanted, k)) for k in keys):
        raise ArgumentError("The lab file has a line that hides one of the new values; write each value once.")
