"""One page for the logbook: records, spectra, xi(t) against the lab file, calibration, checks and a verdict.

An HTML file, complete in itself: pictures inside, no scripts, nothing loaded. Down: `runs`, `prediction`; up: cli.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from math import hypot
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy.signal import welch

from darkstate.experiments.labfile import Lab
from darkstate.experiments.monitored_cells import MonitoredCells
from darkstate.provenance import created, versions
from darkstate.records.calibration import UNITS, Calibration
from darkstate.records.demodulate import TemporalMode, quadratures
from darkstate.records.io import record_digest
from darkstate.records.reconstruct import Reconstruction
from darkstate.records.schema import VARIABLES, pulses_of
from darkstate.records.statistics import allan
from darkstate.report.monitored import predict_monitored
from darkstate.report.prediction import predict
from darkstate.report.runs import Run
from darkstate.report.style import COLOURS, DASHES, new_figure, separable_line
from darkstate.report.text import headline
from darkstate.storage import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPAN = 20e3
"""Half the width of the spectra [Hz]."""

RESOLUTION = 250.0
"""Of the spectra [Hz]."""

SAMPLES = 4_000_000
"""Samples of each array that go into a spectrum; the first cycles of a longer record."""

MANY = 6
"""Runs that make a series; for fewer, the cycles of each run do."""

CSS = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em; color: #1a1a1a }
h1 { font-size: 1.5em } h2 { font-size: 1.2em; margin-top: 2em; border-bottom: 1px solid #bbb }
table { border-collapse: collapse; margin: .8em 0; font-size: .85em } .wide { overflow-x: auto }
th, td { text-align: left; padding: .2em .7em .2em 0; border-bottom: 1px solid #ddd; vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums } code { overflow-wrap: anywhere; font-size: .9em }
figure { margin: .6em 0 } img { max-width: 100%; display: block } .verdict { font-weight: 600 } .bad { color: #a02c00 }
@media print { body { margin: 0; max-width: none; font-size: 10pt } figure, tr { break-inside: avoid } }
""".strip()

Course = tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]
"""Of the lab file: times [t], xi by method [t], standard error of the unconditional xi [t]."""


def save_logbook(path: str | Path, lab: Lab, runs: Sequence[Run]) -> Path:
    """Write the page, whole or not at all.

    Args:
        path: of the HTML file; lab: the prediction to compare with; runs: from `reconstruct_runs`.

    Raises:
        InputError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> import darkstate as ds
        >>> from darkstate.records.io import save_record
        >>> from darkstate.report.recording import lab_calibration, simulate_lab
        >>> from darkstate.report.runs import reconstruct_runs
        >>> lab = ds.load(ds.shipped_labs()["muschik2013-monitored"], case="x1")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     record = save_record(simulate_lab(lab, cycles=100, duration=2e-3), f"{folder}/run.zarr")
        ...     page = save_logbook(f"{folder}/page.html", lab, reconstruct_runs([record], lab_calibration(lab)))
        ...     page.read_text(encoding="utf-8")[:15]
        '<!DOCTYPE html>'
    """
    course = _course(lab)
    title = f"Logbook: {lab.name}" + (f", case {lab.case}" if lab.case else "")
    parts = [f"<h1>{escape(title)}</h1>", f"<p>{escape(headline(lab))}<br><code>{escape(lab.digest)}</code></p>"]
    parts += [f"<p>changed: {escape(text)}</p>" for text in lab.overrides]
    parts += ["<h2>Records</h2>", _records_table(runs)]
    if len(runs) >= MANY:
        parts.append(_image(_series(runs), "Allan deviation of the mean xi of each run"))
    for run in runs:
        parts += _run_section(run, course)
    parts += ["<h2>Calibration</h2>", _calibration_table(runs[0].result.calibration)]
    made = ", ".join(f"{name} {text}" for name, text in versions().items())
    parts.append(f"<p>made {escape(created())} with {escape(made)}</p>")
    body = "\n".join(parts)
    page = f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
    page += f"<style>\n{CSS}\n</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    return write_atomic(path, page)


def verdict(result: Reconstruction) -> str:
    """One sentence about a whole reconstruction; a single window chosen by eye would promise too much.

    Formula: entangled if N p < 1 - confidence, p: the smallest p-value of all N windows and methods (Bonferroni).

    Example: see `save_logbook`.
    """
    if result.failed:
        return f"inconsistent: {len(result.failed)} of {len(result.checks)} checks failed; the record is not understood"
    p_values = {(m, k): e.p_value for m, found in result.estimates.items() for k, e in enumerate(found)}
    (method, k), least = min(p_values.items(), key=lambda one: one[1])
    e, number = result.estimates[method][k], len(p_values)
    chance = min(1.0, number * least)
    sign, word = ("<", "entangled") if chance < 1 - result.confidence else (">=", "not shown")
    return (
        f"{word}: lowest in chance is xi = {e.xi:.3f} +- {e.total:.3f} at {1e3 * result.starts[k]:g} ms ({method}), "
        f"p = {least:.2g}; times {number} windows and methods {chance:.2g} {sign} {1 - result.confidence:.2g}. "
        "`darkstate certify` chooses and judges on different cycles"
    )


def _course(lab: Lab) -> Course:
    """What the lab file predicts: of monitored cells with and without the record, of others without."""
    if isinstance(lab.experiment, MonitoredCells):
        watched = predict_monitored(lab)
        times = np.asarray(watched.free.times)
        return times, {"unconditional": watched.xi, "conditional": watched.xi_conditional}, np.zeros_like(times)
    free: Any = predict(lab)
    xi, error = np.asarray(free.xi.value), free.xi.uncertainty
    return np.asarray(free.times), {"unconditional": xi}, np.zeros_like(xi) if error is None else np.asarray(error)


def _records_table(runs: Sequence[Run]) -> str:
    rows = []
    for run in runs:
        a, sizes = run.data.attrs, run.data.sizes
        counts = " / ".join(str(sizes.get(cycle, 0)) for cycle in VARIABLES.values())
        pulses = ", ".join(f"{p.kind} {1e3 * p.duration:g} ms" for p in pulses_of(run.data))
        rates = f"{a['sample_rate_hz'] / 1e3:g} / {a['carrier_hz'] / 1e3:g}"
        cells = [escape(str(text)) for text in (run.path.name, a["kind"], counts, rates, pulses)]
        digest = f"<code>{escape(record_digest(run.data))}</code>"
        rows.append([*cells, _verdict_text(run.result, short=True), digest])
    head = ("file", "kind", "cycles: signal / shot / dark", "samples / carrier (kHz)", "sequence", "verdict", "digest")
    return _table(head, rows)


def _run_section(run: Run, course: Course) -> list[str]:
    result = run.result
    checks = []
    for c in result.checks:
        words = "passed" if c.passed else f'<span class="bad">failed: {escape(c.text)}</span>'
        checks.append([escape(c.name), f"{c.value:.3g}", f"{c.limit:.3g}", words])
    return [
        f"<h2>{escape(run.path.name)}</h2>",
        f"<p>{_verdict_text(result)}</p>",
        _image(_noise_figure(run), "spectra of signal, shot noise and dark; Allan deviation over cycles"),
        _image(_xi_figure(result, course), "xi over time and its distance from the lab file"),
        _table(("check", "value", "limit", ""), checks, numbers=(1, 2)),
    ]


def _verdict_text(result: Reconstruction, *, short: bool = False) -> str:
    text = verdict(result)
    kind = "verdict bad" if result.failed else "verdict"
    return f'<span class="{kind}">{escape(text.split(":")[0] if short else text)}</span>'


def _calibration_table(c: Calibration) -> str:
    rows = [
        [escape(name), f"{q.value:.6g}", f"{q.error:.2g}" if q.error else "", UNITS[name], escape(q.method)]
        for name, q in c.quantities.items()
    ]
    rows += [[f"gamma_{k}", f"{v:.6g}", "", "1/s", "from kappa2"] for k, v in zip(("s", "extra"), c.rates, strict=True)]
    note = f"<p>{escape(c.source)} {escape(c.date)}</p>" if c.source or c.date else ""
    return _table(("quantity", "value", "standard error", "unit", "method"), rows, numbers=(1, 2)) + note


def _table(head: Iterable[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """An HTML table; cells are HTML already."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = [
        "<tr>"
        + "".join(f'<td class="n">{c}</td>' if k in numbers else f"<td>{c}</td>" for k, c in enumerate(row))
        + "</tr>"
        for row in rows
    ]
    return "\n".join(['<div class="wide"><table>', f"<tr>{top}</tr>", *lines, "</table></div>"])


def _image(figure: Figure, text: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<figure><img alt="{escape(text)}" src="data:image/png;base64,{data}"></figure>'


def _noise_figure(run: Run) -> Figure:
    figure, (left, right) = new_figure(2, height=2.4)
    spectra = {name: _spectrum(run.data, name) for name in VARIABLES if name in run.data}
    unit = float(np.median(spectra["shot_noise"][1]))
    for k, (name, (f, density)) in enumerate(spectra.items()):
        left.plot(f / 1e3, 10 * np.log10(density / unit), color=COLOURS[k], linewidth=0.8, label=name.replace("_", " "))
    left.set(xlabel=f"frequency − {run.data.attrs['carrier_hz'] / 1e3:g} kHz (kHz)", ylabel="noise / shot noise (dB)")
    left.set(xlim=(-SPAN / 1e3, SPAN / 1e3))
    left.legend()
    _draw_allan(right, _noise_of_cycles(run), "cycles averaged", "deviation of the noise / mean")
    return figure


def _spectrum(data: xr.Dataset, variable: str) -> tuple[np.ndarray, np.ndarray]:
    """Frequency from the carrier [Hz] and power density of the light in the longest drive pulse."""
    pulse = max((p for p in pulses_of(data) if p.kind == "drive"), key=lambda p: p.duration)
    rate, carrier = float(data.attrs["sample_rate_hz"]), float(data.attrs["carrier_hz"])
    window = slice(round(pulse.start * rate), round(pulse.end * rate))
    part = data[variable][: max(1, SAMPLES // data.sizes["time"]), window]
    # lost samples count as 0
    values = np.where(np.isfinite(part.values), part.values, 0.0)
    if data.attrs["kind"] == "raw":
        mixed = values * np.exp(-2j * np.pi * carrier * part.time.values)
    else:
        mixed = values[..., 0] - 1j * values[..., 1]
    length = min(mixed.shape[1], round(rate / RESOLUTION))
    # a constant in the mixed current is light at the carrier, and stays
    f, density = welch(mixed, rate, nperseg=length, detrend=False, return_onesided=False)
    order = np.argsort(f)
    order = order[np.abs(f[order]) <= SPAN]
    return f[order], density.mean(0)[order]


def _noise_of_cycles(run: Run) -> np.ndarray:
    """Power of the last read-out mode in each cycle over its mean; white if the apparatus stays as it is."""
    pulse = max((p for p in pulses_of(run.data) if p.kind == "drive"), key=lambda p: p.duration)
    r = run.result
    mode = TemporalMode("falling", pulse.start + float(r.starts[-1]), r.probe, r.calibration["gamma"].value)
    y = quadratures(run.data, [mode])[:, 0]
    y = y[np.isfinite(y).all(1)]
    power = ((y - y.mean(0)) ** 2).mean(1)
    return power / power.mean()


def _series(runs: Sequence[Run]) -> Figure:
    figure, (left, right) = new_figure(2, height=2.2)
    means = np.array([run.result.values("xi").mean() for run in runs])
    left.plot(np.arange(1, len(runs) + 1), means, "o", color=COLOURS[0], markersize=3)
    left.set(xlabel="run", ylabel=r"mean $\xi$ of all windows")
    _draw_allan(right, means, "runs averaged", r"deviation of mean $\xi$")
    return figure


def _draw_allan(ax: Axes, values: np.ndarray, xlabel: str, ylabel: str) -> None:
    lengths, deviation = allan(values)
    ax.loglog(lengths, deviation, "o-", color=COLOURS[0], markersize=3, label="Allan deviation")
    ax.loglog(lengths, values.std() / np.sqrt(lengths), "--", color="0.35", linewidth=0.8, label="white noise")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend()


def _xi_figure(result: Reconstruction, course: Course) -> Figure:
    """xi(t) with both errors, and its distance from the prediction in standard errors; none where that has ended."""
    figure, (left, right) = new_figure(2, height=2.6)
    times, predicted, spread = course
    t, shift = result.starts * 1e3, 0.08 * result.probe * 1e3
    for k, method in enumerate(result.estimates):
        xi, error = result.values("xi", method), np.array([e.total for e in result.estimates[method]])
        left.errorbar(
            t + k * shift, xi, error, fmt="os^"[k], color=COLOURS[k], markersize=3, elinewidth=0.8, label=method
        )
        name = "unconditional" if method == "unconditional" else "conditional"
        if name in predicted:
            expected, model_err = (np.interp(result.starts, times, v, right=np.nan) for v in (predicted[name], spread))
            distance = [(x - y) / hypot(a, b) for x, y, a, b in zip(xi, expected, error, model_err, strict=True)]
            right.plot(t + k * shift, distance, "os^"[k], color=COLOURS[k], markersize=3)
    inside = times <= result.starts[-1] + result.probe
    for k, (name, xi) in enumerate(predicted.items()):
        left.plot(times[inside] * 1e3, xi[inside], DASHES[k], color="k", linewidth=0.8, label=f"lab file, {name}")
    separable_line(left)
    left.set(xlabel="time $t$ (ms)", ylabel=r"EPR variance $\xi(t)$")
    right.axhspan(-2, 2, color="0.92")
    low, high = right.get_ylim()
    right.set(ylim=(min(low, -3), max(high, 3)), xlabel="time $t$ (ms)", ylabel="distance (standard errors)")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=5)
    return figure
