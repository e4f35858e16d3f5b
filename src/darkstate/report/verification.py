"""verify: is a certificate what was written, and does its claim follow from the record?

Digests find an accident and name the section; computing the claim again from the record finds what was altered together
with its digest, and names the field. Down: `verdict`, `certificate`; up: cli.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darkstate.errors import ArgumentError, DarkstateError, InputError
from darkstate.experiments.labfile import Lab, load
from darkstate.provenance import versions
from darkstate.records.guard import one_line
from darkstate.report.certificate import Certificate, broken_seals, layout_problems, plain
from darkstate.report.recording import lab_calibration
from darkstate.report.sections import calibration_of, calibration_section, lab_section, prediction, record_section
from darkstate.report.verdict import Question, results

if TYPE_CHECKING:
    import xarray as xr

RELATIVE = 1e-9
"""How closely a number must be found again; other machines round differently."""

TAIL = 1e-7
"""The same for the p-value: in the tail of F a rounding error is enlarged by the degrees of freedom."""

_FREE = ("record.file", "calibration.date")
"""What may differ when a certificate is made again: where the record lies, and when."""

_MOST_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of a verification: its name, whether it passed (None: not done), and what was found."""

    name: str
    passed: bool | None
    text: str


@dataclasses.dataclass(frozen=True)
class Verification:
    """What `verify` returns; prints one line per step.

    Args:
        steps: layout, digests, record, recomputed, lab, software.
    """

    steps: tuple[Step, ...]

    @property
    def ok(self) -> bool:
        """Whether no step failed. Without the record nothing is computed again, and the step `recomputed` says so."""
        return all(s.passed is not False for s in self.steps)

    def __str__(self) -> str:
        words = {True: "ok", False: "FAILED", None: "-"}
        return "\n".join(f"{words[s.passed]:<6}  {s.name:<10}  {s.text}" for s in self.steps)


def verify(
    certificate: Certificate, record: xr.Dataset | None = None, *, lab: str | Path | None = None
) -> Verification:
    """Check a certificate against itself, its record and its lab file.

    The record decides about claim, method and checks, the lab file about parameters, prediction and a calibration
    taken from it. Nothing decides about a calibration that was given, the time and the versions: those are statements.

    Args:
        certificate: from `certify` or `read_certificate`; record: the one it is about; lab: path of its lab file.

    Returns:
        A `Verification`; what is wrong with the certificate is in its steps and raises nothing.

    Raises:
        InputError: the samples of the record cannot be read; ArgumentError: `certificate` is none.

    Example:
        >>> import darkstate as ds
        >>> from darkstate.report.recording import simulate_lab
        >>> from darkstate.report.verdict import certify
        >>> lab = ds.load(ds.shipped_labs()["muschik2013-monitored"], overrides=["detection.electronic_noise=0.05"])
        >>> one = simulate_lab(lab, cycles=100, duration=2e-3)
        >>> made = certify(one, lab, at=1e-3, method="unconditional")
        >>> verify(made, one, lab=lab.path).ok
        True
        >>> made.content["claim"]["value"] = 0.3
        >>> print(verify(made))
        ok      layout      complete
        FAILED  digests     altered: claim, digest
        -       record      not given
        -       recomputed  not done without the record
        -       lab         not given: parameters, prediction and calibration are the author's word
        ok      software    the same versions
    """
    if not isinstance(certificate, Certificate):
        raise ArgumentError(
            f"Argument `certificate` must be a Certificate, but is of type {type(certificate).__name__}; "
            "read_certificate(path) reads one."
        )
    content = certificate.content
    problems = layout_problems(content)
    if problems:
        return Verification((Step("layout", False, "; ".join(problems[:_MOST_SHOWN])),))
    broken = broken_seals(content)
    steps = [
        Step("layout", True, "complete"),
        Step("digests", not broken, f"altered: {', '.join(broken)}" if broken else "of all sections agree"),
        *_record_steps(content, record),
        _lab_step(content, lab),
        _software_step(content),
    ]
    return Verification(tuple(steps))


def _record_steps(content: dict[str, Any], record: xr.Dataset | None) -> Iterator[Step]:
    if record is None:
        yield Step("record", None, "not given")
        yield Step("recomputed", None, "not done without the record")
        return
    found = record_section(record)
    if found["digest"] != content["record"]["digest"]:
        text = f"another one: {found['digest']}, but the certificate is about {content['record']['digest']}"
        yield Step("record", False, text)
        yield Step("recomputed", None, "not done with another record")
        return
    yield _compared("record", {"record": found}, content, "the one certified")
    method, claim = content["method"], content["claim"]
    given = {name: None if name in method["chosen"] else method[name] for name in ("start_s", "name")}
    question = Question(given["start_s"], given["name"], claim["confidence"], method["seed"])
    try:
        again = results(record, calibration_of(content["calibration"]), question)
    except (DarkstateError, ValueError, ArithmeticError) as error:  # values that no certificate was made with
        yield Step(
            "recomputed", False, f"it cannot be computed from what the certificate says ({one_line(str(error))})"
        )
        return
    again["calibration"] = calibration_section(
        calibration_of(content["calibration"]), from_lab=content["calibration"]["from_lab"]
    )
    yield _compared("recomputed", again, content, "every number found again")


def _lab_step(content: dict[str, Any], path: str | Path | None) -> Step:
    if path is None:
        return Step("lab", None, "not given: parameters, prediction and calibration are the author's word")
    said = content["lab"]
    try:
        read = load(path, case=said["case"], overrides=said["overrides"])
        lab: Lab = dataclasses.replace(read, name=said["name"])  # the file may have another name today
        if lab.digest != said["digest"]:
            return Step("lab", False, f"another one: {lab.digest}, but the certificate is about {said['digest']}")
        found = {"lab": lab_section(lab), "prediction": prediction(lab, content["claim"], content["method"])}
        if content["calibration"]["from_lab"]:
            found["calibration"] = calibration_section(lab_calibration(lab), from_lab=True)
    except InputError as error:
        return Step("lab", False, one_line(str(error)))
    return _compared("lab", found, content, "the one certified, its numbers found again")


def _software_step(content: dict[str, Any]) -> Step:
    said, now = content["software"]["versions"], versions()
    other = [f"{n} {said.get(n, 'unknown')}, now {v}" for n, v in now.items() if said.get(n) != v]
    return Step("software", True, "; ".join(other) or "the same versions")


def _compared(name: str, found: dict[str, Any], content: dict[str, Any], fine: str) -> Step:
    different = [text for key in found for text in differences(content[key], plain(found[key]), key)]
    more = f"; and {len(different) - _MOST_SHOWN} more" if len(different) > _MOST_SHOWN else ""
    return Step(name, not different, "; ".join(different[:_MOST_SHOWN]) + more or fine)


def differences(said: Any, found: Any, where: str) -> Iterator[str]:
    """Fields of a certificate that are not what is found again, with both values.

    Args:
        said, found: JSON values; where: the dotted name of the field.

    Example:
        >>> list(differences({"value": 0.3, "bound": 1.0}, {"value": 0.4, "bound": 1.0 + 1e-12}, "claim"))
        ['claim.value: the certificate says 0.3, found 0.4']
    """
    if where in _FREE:
        return
    if isinstance(said, dict) and isinstance(found, dict):
        for key in dict.fromkeys((*said, *found)):
            yield from differences(said.get(key), found.get(key), f"{where}.{key}")
    elif isinstance(said, list) and isinstance(found, list) and len(said) == len(found):
        for n, (a, b) in enumerate(zip(said, found, strict=True)):
            yield from differences(a, b, f"{where}.{n}")
    elif not _same(said, found, TAIL if where == "claim.p_value" else RELATIVE):
        yield f"{where}: the certificate says {_short(said)}, found {_short(found)}"


def _same(said: Any, found: Any, tolerance: float) -> bool:
    if isinstance(said, float) and isinstance(found, float):
        return isclose(said, found, rel_tol=tolerance)
    return type(said) is type(found) and said == found


def _short(value: Any) -> str:
    text = one_line(repr(value))
    return text if len(text) <= 60 else text[:57] + "..."
