"""certify: from a record and a lab file to a verdict that can be computed again.

    entangled      p < 1 - confidence: so small a xi is that unlikely if the state is separable, xi = 1
    inconsistent   a check failed, or the calibration is impossible: the record is not understood
    not shown      everything else

Window and method are chosen on the first half of the cycles and judged on the second: the smallest of many noisy
values is too small. Down: `records.reconstruct`, `certificate`; up: `verification`, cli.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate.errors import ArgumentError, InputError
from darkstate.experiments.cesium_cells import CesiumCells
from darkstate.experiments.labfile import Lab
from darkstate.experiments.monitored_cells import MonitoredCells
from darkstate.provenance import created, versions
from darkstate.records.calibration import Calibration, problems
from darkstate.records.estimate import DRAWS, Estimate
from darkstate.records.light import bins_of
from darkstate.records.reconstruct import METHODS, Reconstruction, reconstruct
from darkstate.records.schema import check_record
from darkstate.records.statistics import MIN_CYCLES
from darkstate.report.certificate import Certificate, sealed
from darkstate.report.recording import lab_calibration
from darkstate.report.sections import calibration_section, lab_section, prediction, record_section

if TYPE_CHECKING:
    import xarray as xr


SEEN = 3.0
"""Standard errors by which the noise must differ from that of light alone."""


@dataclasses.dataclass(frozen=True)
class Question:
    """What is asked of a record; at [s] and method None: to be chosen."""

    at: float | None
    method: str | None
    confidence: float
    seed: int


def certify(
    record: xr.Dataset,
    lab: Lab,
    *,
    calibration: Calibration | None = None,
    at: float | None = None,
    method: str | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Certificate:
    """Whether a record shows entanglement: a one-sided test of xi against the separable bound 1.

    If `at` and `method` are both given, all cycles are judged. Else what is missing is chosen on the first half of the
    cycles, where xi is smallest, and judged on the second half. The checks look at all cycles.

    Args:
        record: with `signal` and `shot_noise`; lab: of the experiment cesium_cells or monitored_cells.
        calibration: of the apparatus; None: what the lab file stands for.
        at: start of the read-out window, from the start of the light, to the nearest bin [s]; method: out of `METHODS`.
        confidence: of the interval; entangled means p < 1 - confidence; seed: of the draws of the calibration.
        progress: called with the share done.

    Returns:
        A `Certificate`. The prediction of the lab file is in it for comparison and has no part in the verdict.

    Raises:
        InputError: another experiment, a record without shot noise or with too few cycles; ArgumentError: an unknown
            method, a window outside the light, a confidence outside (0, 1).

    Example:
        >>> import darkstate as ds
        >>> from darkstate.report.recording import simulate_lab
        >>> changes = ["drive.rate=0.01 /ms", "noise.gamma_tilde=0.55 /ms", "detection.electronic_noise=0.05"]
        >>> lab = ds.load(ds.shipped_labs()["muschik2013-monitored"], case="x1", overrides=changes)
        >>> print(certify(simulate_lab(lab, cycles=200, duration=2e-3), lab, at=1e-3, method="kalman"))
        entangled
          EPR variance xi  0.28... +- 0.06... (statistical) +- 0.0000 (systematic); ...
    """
    if not hasattr(record, "attrs") or not isinstance(lab, Lab):
        raise ArgumentError(
            "Arguments `record` and `lab` must be a record and a lab, but are of type "
            f"{type(record).__name__} and {type(lab).__name__}; open_record(path) and load(path) open files."
        )
    if not isinstance(lab.experiment, CesiumCells | MonitoredCells):
        raise InputError(
            [f"{lab.name} describes another system; certificates are for cesium_cells and monitored_cells"]
        )
    question = Question(None if at is None else float(at), method, confidence, seed)
    _check(question)
    check_record(record)
    used = calibration or lab_calibration(lab)
    found = results(record, used, question, progress)
    return sealed(
        {
            **found,
            "record": record_section(record),
            "lab": lab_section(lab),
            "calibration": calibration_section(used, from_lab=calibration is None),
            "prediction": prediction(lab, found["claim"], found["method"]),
            "software": {"versions": versions(), "created": created()},
        }
    )


def _check(q: Question) -> None:
    """Refuse arguments outside their range.

    Raises:
        ArgumentError: the first of them.
    """
    if not 0.9 <= q.confidence < 1:
        raise ArgumentError(f"Argument `confidence` must be at least 0.9 and below 1, but is {q.confidence}.")
    if type(q.seed) is not int or q.seed < 0:
        raise ArgumentError(f"Argument `seed` must be a whole number of at least 0, but is {q.seed!r}.")
    if q.method not in (None, *METHODS):
        raise ArgumentError(f"Argument `method` must be one of {', '.join(METHODS)}, but is {q.method!r}.")
    if q.at is not None and not (isfinite(q.at) and q.at >= 0):
        raise ArgumentError(f"Argument `at` must be a time of at least 0 s from the start of the light, but is {q.at}.")


def results(
    record: xr.Dataset, c: Calibration, q: Question, progress: Callable[[float], None] | None = None
) -> dict[str, Any]:
    """The sections that follow from record, calibration and question: claim, method, checks."""
    wrong, n = problems(c), record.sizes["cycle"]
    if wrong:
        method = _method_section(q, None, q.at, q.method, (np.nan, np.nan), None)
        return {"claim": _claim_section(None, wrong, q), "method": method, "checks": []}
    probe = c["kappa2_duration"].value

    def run(first: int, stop: int, starts: np.ndarray, methods: tuple[str, ...], begin: float) -> Reconstruction:
        def share(part: float) -> None:
            if progress:
                progress(begin + part * (stop - first) / total)

        return reconstruct(
            record.isel(cycle=slice(first, stop)),
            c,
            probe=probe,
            starts=tuple(starts),
            methods=methods,
            confidence=q.confidence,
            seed=q.seed,
            progress=share,
        )

    if q.at is None or q.method is None:
        first, total = n // 2, 2 * n
        start, name = _choice(record, probe, q, run)
    else:
        first, total = 0, n
        start, name = q.at, q.method
    starts, k = _windows(record, probe, start)
    start = float(starts[k])
    judged = full = run(0, n, starts, _with_unconditional(name), first / total)
    if first:
        judged = run(first, n, starts, _with_unconditional(name), (first + n) / total)
    if not _has_past(judged, name, k):
        raise ArgumentError(
            f"Argument `method` is {name!r}, but there is no light before {start:g} s; take unconditional."
        )
    e = judged.estimates[name][k]
    feed = (judged.alpha[k], judged.exponent[k]) if name == "exponential" else (np.nan, np.nan)
    return {
        "claim": _claim_section(e, [check.text for check in full.failed], q, _unseen(judged)),
        "method": _method_section(q, probe, start, name, feed, (first, n)),
        "checks": [{**check._asdict(), "passed": check.passed} for check in full.checks],
    }


def _with_unconditional(method: str) -> tuple[str, ...]:
    """The method, and the one without the past, on which some checks rest."""
    return tuple(dict.fromkeys(("unconditional", method)))


def _windows(record: xr.Dataset, probe: float, at: float) -> tuple[np.ndarray, int]:
    """Windows one after the other of which one starts at `at`, and which one; all of them share the shot noise."""
    bins = bins_of(record, probe)
    light = bins.number * bins.step
    if probe < 4 * bins.step:
        samples = probe / bins.step
        raise InputError([f"the read-out window of {probe:g} s has {samples:.2g} samples; check kappa2_duration"])
    if at + probe > light + bins.step:
        last = max(0.0, light - probe)
        raise ArgumentError(
            f"Argument `at` must be at most {last:g} s, so that a window of {probe:g} s still fits in, but is {at:g} s."
        )
    at = bins.bin_at(at) * bins.step  # where the window really begins
    before, after = (int(t / probe * (1 + 1e-9)) for t in (at, light - at))
    return np.maximum(at + probe * np.arange(-before, max(1, after)), 0.0), before


def _has_past(r: Reconstruction, method: str, k: int) -> bool:
    """Whether a method is what it says: without light before window k every method is the unconditional one."""
    return method == "unconditional" or (
        method in r.estimates and r.estimates[method][k].atoms != r.estimates["unconditional"][k].atoms
    )


def _choice(record: xr.Dataset, probe: float, q: Question, run: Callable[..., Reconstruction]) -> tuple[float, str]:
    """Start and method of smallest xi on the first half of the cycles, among those the question leaves open."""
    half = record.sizes["cycle"] // 2
    if half < MIN_CYCLES:
        raise InputError(
            [
                f"the record has {2 * half} cycles; half of them choose window and method and half judge, which needs "
                f"{2 * MIN_CYCLES}; record more, or give both start and method"
            ]
        )
    starts, at = _windows(record, probe, q.at or 0.0)
    r = run(0, half, starts, METHODS if q.method is None else _with_unconditional(q.method), 0.0)
    found = [
        (r.estimates[m][k].xi, float(start), m)
        for m in r.estimates
        for k, start in enumerate(r.starts)
        if q.method in (None, m) and (q.at is None or k == at) and _has_past(r, m, k)
    ]
    if not found:
        raise ArgumentError(
            f"Argument `method` is {q.method!r}, but no window has light before it; take unconditional, or start later."
        )
    _, start, method = min(found, key=lambda one: one[0])
    return start, method


def _unseen(r: Reconstruction) -> str:
    """A sentence if the noise is that of light alone, so that nothing shows atoms in it; else an empty text.

    Without atoms R = 1, which reads as a xi near 0. Errors of windows count as one and the same.
    """
    found = r.estimates["unconditional"]
    excess = float(np.mean([e.ratio - 1 for e in found]))
    error = float(np.mean([e.xi_err / e.ratio_slope for e in found]))
    if abs(excess) > SEEN * error:
        return ""
    return (
        f"the noise is {1 + excess:.3f} +- {error:.3f} of that of light alone: nothing shows that there are atoms in it"
    )


def _claim_section(e: Estimate | None, wrong: list[str], q: Question, unseen: str = "") -> dict[str, Any]:
    limit = 1 - q.confidence
    p = None if e is None else e.p_value
    verdict, reasons = "inconsistent", wrong
    if p is not None and not wrong:
        verdict = "entangled" if p < limit and not unseen else "not shown"
        sign = "<" if p < limit else ">="
        reasons = [f"p = {p:.2g} {sign} {limit:.3g}: the chance of so small a value if the state is separable"]
        reasons += [unseen] if unseen else []
    return {
        "quantity": "EPR variance xi",
        "value": e and e.xi,
        "statistical": e and e.xi_err,
        "systematic": e and e.xi_sys,
        "budget": e.budget if e else {},
        "interval": e and (e.low, e.high),
        "confidence": q.confidence,
        "bound": 1.0,
        "p_value": p,
        "test": f"one-sided: entangled if p_value < 1 - confidence = {limit:.3g}; the interval is two-sided",
        "verdict": verdict,
        "reasons": reasons,
    }


def _method_section(
    q: Question,
    probe: float | None,
    start: float | None,
    method: str | None,
    feed: tuple[float, float],
    judged_on: tuple[int, int] | None,
) -> dict[str, Any]:
    chosen = [name for name, given in (("start_s", q.at), ("name", q.method)) if given is None]
    first, last = judged_on or (0, 0)
    if judged_on is None:
        statement = "nothing was reconstructed"
    elif first == 0:
        statement = f"start and method were given before the record was looked at, judged on cycles 0 to {last - 1}"
    else:
        what = " and ".join({"start_s": "start", "name": "method"}[name] for name in chosen)
        statement = f"{what} chosen on cycles 0 to {first - 1}, judged on {first} to {last - 1}; checks on all"
    return {
        "name": method,
        "start_s": start,
        "probe_s": probe,
        "alpha": feed[0],
        "exponent": feed[1],
        "chosen": chosen,
        "chosen_on": [0, first - 1] if first else None,
        "judged_on": [first, last - 1] if judged_on else None,
        "statement": statement,
        "seed": q.seed,
        "draws": DRAWS,
    }
