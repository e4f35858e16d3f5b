"""What `darkstate check` says: every number of a lab file as it was understood, what follows from it, what looks wrong.

Solves nothing and loads no JAX.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import pi
from typing import Any

from darkstate.conventions import PAIR_STATEMENTS, STATEMENTS
from darkstate.experiments import CATALOGUE, Experiment, TwoCells
from darkstate.experiments.hybrid_rates import OscillatorRates
from darkstate.experiments.labfile import Lab
from darkstate.experiments.layout import lists, sections
from darkstate.experiments.monitored_cells import MonitoredCells
from darkstate.experiments.spin_mechanics import SpinMechanics
from darkstate.experiments.tweezer_pair import TweezerPair
from darkstate.experiments.two_cells import second_cell
from darkstate.parameters import Spec, specs
from darkstate.report.derived import groups, value_text
from darkstate.report.pair_rates import ATOMS
from darkstate.units import format_si, two_pi_reading


def check(lab: Lab) -> str:
    """Echo a lab file: inputs with units, conventions, derived rates, warnings.

    Args:
        lab: from `load`.

    Returns:
        The text.

    Example:
        >>> from darkstate.experiments.labfile import load, shipped_labs
        >>> print(check(load(shipped_labs()["krauter2011"])).splitlines()[0])
        krauter2011, case a: Krauter et al. 2011, Fig. 2: a, drive alone, d = 55
    """
    experiment = lab.experiment
    own = second_cell(experiment)
    warnings = experiment.warnings()
    warnings += [f"ensemble II: {text}" for text in own.warnings() if text not in warnings]
    head = f"{lab.name}, case {lab.case}" if lab.case else lab.name
    parts = [
        [head + (f": {lab.title}" if lab.title else ""), f"{lab.path}  {lab.digest}"],
        ["Inputs", *_columns(_inputs(lab))],
        ["Conventions", *(f"  {text}" for text in _conventions(experiment))],
        *([title, *_columns(rows)] for title, rows in _derived(experiment, own)),
        ["Warnings", *(f"  {text}" for text in warnings)] if warnings else ["No warnings."],
    ]
    return "\n\n".join("\n".join(part) for part in parts)


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows as aligned columns."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _conventions(experiment: Experiment) -> tuple[str, ...]:
    """What the symbols mean; the first two and the last statement hold for every experiment."""
    start, end = STATEMENTS[:2], STATEMENTS[-1:]
    if isinstance(experiment, SpinMechanics):
        linewidth = "a linewidth damps the energy of an oscillator; its amplitude decays at half of it"
        return *start, linewidth, "xi_g = [var(X_S + g X_M) + var(P_S - g P_M)]/(1 + g^2) (004 Eq. 8)", *end
    if isinstance(experiment, MonitoredCells):
        rates = "gamma_s and gamma_extra damp amplitudes; variances decay at twice gamma_s + gamma_extra"
        return *start, rates, "xi = var P_c + var P_s of the cosine and sine modes (000 Sec. IV)", *end
    if isinstance(experiment, TweezerPair):
        return start[1], *PAIR_STATEMENTS
    return STATEMENTS


def _inputs(lab: Lab) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("parameter", "as written", "in SI", "other reading", "standard error", "meaning")]
    for key, spec, value in _values(lab.experiment):
        error = lab.uncertainties.get(key)
        if isinstance(value, str):
            si = reading = ""
        else:
            si, reading = _si(value, spec), two_pi_reading(value, spec.unit) if value else ""
        symbol = f"{spec.symbol}: " if spec.symbol != "-" else ""
        written = lab.written.get(key, f"(default) {value}" if isinstance(value, str) else "(default)")
        rows.append((key, written, si, reading, "" if error is None else _si(error, spec), symbol + spec.doc))
    return rows


def _si(value: float, spec: Spec) -> str:
    return f"{value:.6g}" + {"1": "", "1/s": " /s"}.get(spec.unit, f" {spec.unit}")


def _values(experiment: Experiment) -> Iterator[tuple[str, Spec, Any]]:
    """Dotted key, `Spec` and SI value of every parameter that has a value."""
    by_key: dict[str, Spec] = {}
    for section, cls in sections(_kind(experiment)).items():
        table = getattr(experiment, section)
        for name, spec in specs(cls) if table is not None else ():
            by_key[f"{section}.{name}"] = spec
            if getattr(table, name) is not None:
                yield f"{section}.{name}", spec, getattr(table, name)
        for name in lists(cls):
            for n, row in enumerate(getattr(table, name)):
                for inner, spec in specs(row):
                    if getattr(row, inner) is not None:
                        yield f"{section}.{name}.{n}.{inner}", spec, getattr(row, inner)
    for key, value in experiment.second.items() if isinstance(experiment, TwoCells) else ():
        yield f"second.{key}", by_key[key], value


def _kind(experiment: Experiment) -> str:
    return next(kind for kind, cls in CATALOGUE.items() if cls is type(experiment))


def _derived(experiment: Experiment, own: Experiment) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """What follows from the inputs: titles and tables."""
    if isinstance(experiment, SpinMechanics):
        yield "Derived, each oscillator", _oscillators(experiment)
        yield "Derived, both together", _pair(experiment)
    elif isinstance(experiment, MonitoredCells):
        yield "Derived", _monitored(experiment)
    elif isinstance(experiment, TweezerPair):
        yield "Derived", _atoms(experiment)
    else:
        yield "Derived, all light at strength 1", _ensembles(experiment, own)


def _oscillators(experiment: SpinMechanics) -> list[tuple[str, ...]]:
    """The rates of 004, one column per oscillator."""
    rates = experiment.rates
    rows: list[tuple[str, ...]] = [("quantity", "S (first)", "M (second)", "meaning")]

    def add(symbol: str, text: Callable[[OscillatorRates], str], meaning: str) -> None:
        rows.append((symbol, text(rates.first), text(rates.second), meaning))

    add("Gamma", lambda o: _rate(o.rate), "coupling rate to the light")
    add("theta", lambda o: f"{o.theta:.6g}", "coupling angle [rad]; pi/4 = 0.785398 is QND")
    add("Gamma_B", lambda o: _rate(o.passive), "beam-splitter part, Gamma sin^2 theta")
    add("Gamma_P", lambda o: _rate(o.active), "down-conversion part, Gamma cos^2 theta")
    add("gamma_0", lambda o: _rate(o.linewidth), "linewidth without the beam: bath, and light lost from a cavity")
    add(
        "gt",
        lambda o: _rate(o.decoherence),
        "decoherence rate of bath and lost light; gamma_0 (n + 1/2) for a bath alone",
    )
    add("C", lambda o: f"{o.cooperativity:.6g}", "quantum cooperativity, Gamma/gt")
    add("gamma", lambda o: _rate(o.effective_linewidth), "linewidth with the beam, gamma_0 - Gamma cos 2 theta")
    return rows


def _pair(experiment: SpinMechanics) -> list[tuple[str, ...]]:
    rates = experiment.rates
    rows: list[tuple[str, ...]] = [("quantity", "value", "meaning")]
    rows.append(("R", _rate(rates.interference), "interference rate, -sqrt(Gamma_M Gamma_S) sin(theta_M - theta_S)"))
    if rates.second.effective_linewidth > 0:
        rows.append(("-2 sqrt(1-eps) R/gamma_M", f"{rates.ratio:.6g}", "1 = ideal cancellation (004 Fig. 3, inset)"))
    source = "what the light reads out" if experiment.readout.gain is None else "given as readout.gain"
    rows.append(("g", f"{experiment.gain:.6g}", f"gain of xi_g, {source}"))
    for name, cavity in (("membrane", experiment.membrane), ("counter_membrane", experiment.counter_membrane)):
        if cavity is not None:
            spring = format_si(cavity.optical_spring / (2 * pi), "Hz", digits=4)
            rows.append((f"spring of {name}", spring, "shift by the light: tune the other oscillator to it"))
    if experiment.frequency is not None:
        fastest = max(rates.first.rate, rates.second.rate) / (2 * pi * experiment.frequency)
        rows.append(("Gamma/omega", f"{fastest:.6g}", "larger of both; the rotating-wave approximation needs << 1"))
    return rows


def _monitored(experiment: MonitoredCells) -> list[tuple[str, ...]]:
    return [
        ("quantity", "value", "meaning"),
        ("gamma_s", _rate(experiment.gamma_s), "amplitude rate of the entangling process, d Gamma/2"),
        ("gamma_extra", _rate(experiment.gamma_extra), "amplitude rate of the transverse decay, Gamma-tilde/2"),
        ("gamma_extra/gamma_s", f"{experiment.x:.6g}", "000 Fig. 4b, horizontal axis"),
        ("1/Z^2", f"{1 / (experiment.z * experiment.z):.6g}", "xi of the ideal steady state"),
    ]


def _atoms(experiment: TweezerPair) -> list[tuple[str, ...]]:
    """Trap, density and Zeeman energies; `darkstate rates` has the collisions as well."""
    lines = groups(experiment)[ATOMS]
    rows = [(d.symbol, value_text(float(d.value(experiment)), d.unit), d.formula) for d in lines]
    return [("quantity", "value", "formula"), *rows]


def _ensembles(experiment: TwoCells, own: Experiment) -> list[tuple[str, ...]]:
    """Couplings and rates of ensemble I, and of ensemble II where it differs."""
    assert isinstance(own, TwoCells)
    differs = own != experiment
    first, second = experiment.cell, own.cell
    rows = [("quantity", "ensemble I", *(("ensemble II",) if differs else ()), "meaning")]

    def add(symbol: str, one: str, two: str, meaning: str) -> None:
        rows.append((symbol, one, *((two,) if differs else ()), meaning))

    add("mu", f"{first.mu:.6g}", f"{second.mu:.6g}", "passive coupling, (Z + 1/Z)/2")
    add("nu", f"{first.nu:.6g}", f"{second.nu:.6g}", "active coupling, (Z - 1/Z)/2")
    floor = "xi of the ideal steady state, 1/Z^2"
    add("(mu - nu)^2", f"{(1 / first.z) ** 2:.6g}", f"{(1 / second.z) ** 2:.6g}", floor)
    for name, spec in specs(first.total):
        one, two = getattr(first.total, name), getattr(second.total, name)
        add(spec.symbol, _rate(one), _rate(two), spec.doc)
    return rows


def _rate(value: float) -> str:
    return f"{format_si(value, '1/s')} ({two_pi_reading(value, '1/s')})" if value else "0 /s"
