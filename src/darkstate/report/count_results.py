"""What counts of two atoms in a tweezer say: fidelity with bounds, both models, groups compared, fringes, populations.

    count table + lab -> pulse area: F per group, two-sample test, every inelastic loss;  detuning: fringe;  time: P_s

Down: `counting` (the count model of a lab), `records`; up: cli `reconstruct`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from scipy.optimize import minimize_scalar
from scipy.special import xlogy
from scipy.stats import chi2 as chi2_law

from darkstate import provenance
from darkstate.atoms.hyperfine import breit_rabi_hz
from darkstate.backend import jax
from darkstate.errors import InputError, Outcome
from darkstate.experiments.labfile import Lab
from darkstate.experiments.tweezer_pair import SPIN, TweezerPair
from darkstate.experiments.values import with_values
from darkstate.pair.detection import count_probabilities
from darkstate.pair.imperfections import Imperfections
from darkstate.pair.sequence import ramsey_pair, ramsey_probability
from darkstate.records.comparisons import RamseyFit, TwoSample, fit_ramsey, two_sample
from darkstate.records.count_csv import SETTINGS
from darkstate.records.count_model import CountModel
from darkstate.records.counts import check_counts, group_of
from darkstate.records.fidelity import ACCEPTED, FidelityFit, fit_fidelity
from darkstate.records.inelastic import Exclusion, exclude_unentangled
from darkstate.report.counting import DESTRUCTION, count_model, only_pairs, with_populations
from darkstate.report.text import in_words
from darkstate.solve.evolve import evolve
from darkstate.storage import write_netcdf

ALL = "all"
"""Name of the only group of counts that are not interleaved."""


_IF = "if the inelastic loss is right"
"""What every fidelity from all counts rests on."""

_FAR = 10
"""Detunings beyond this many times ramsey.span look like another unit."""


@dataclass(frozen=True)
class SectorCourse:
    """Share of all pairs in m = +-1 at each collision time, from counts without a pulse.

    Args:
        times: [t; s]; share: most likely [t]; error: its standard errors [t]; expected: of the kinetic model [t];
        chi2, p_value: of the distance of both, errors of the lab file not counted; outcome: in words, of the model.
    """

    times: np.ndarray
    share: np.ndarray
    error: np.ndarray
    expected: np.ndarray
    chi2: float
    p_value: float
    outcome: str = "ok"

    def __str__(self) -> str:
        lines = [f"{'t (ms)':>8}{'in m=+-1':>10}{'error':>8}{'model':>8}   share of all pairs"]
        for row in zip(1e3 * self.times, self.share, self.error, self.expected, strict=True):
            lines.append(f"{row[0]:8.3f}{row[1]:10.4f}{row[2]:8.4f}{row[3]:8.4f}")
        end = f"kinetic model: chi2 = {self.chi2:.1f}, {2 * len(self.times)} degrees of freedom"
        lines.append(f"{end}, p = {self.p_value:.2g}; errors of the lab file not counted")
        if self.outcome != "ok":
            lines.append(f"kinetic model: {self.outcome}")
        return "\n".join(lines)


@dataclass(frozen=True, repr=False)
class CountResult:
    """What `reconstruct_counts` returns; prints as text. What does not apply to the counts is absent.

    Args:
        lab: the lab file; data: the counts; fits: by group, from 2 atoms against fewer, which inelastic losses do not
            disturb; from all counts where those do not tell. joint: by group, from all counts, if not the same, which
            takes the inelastic loss for one number; refusals: by group, why 2 atoms against fewer do not tell.
        unknown: by group, why no counts tell the fidelity; exclusions: by group, every inelastic loss.
        compared: the counts of both groups; ramsey: the fringe; course: P_s over time; notes: what else to know.
    """

    lab: Lab
    data: xr.Dataset
    fits: dict[str, FidelityFit] = field(default_factory=dict)
    joint: dict[str, FidelityFit] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    exclusions: dict[str, Exclusion] = field(default_factory=dict)
    compared: TwoSample | None = None
    ramsey: RamseyFit | None = None
    course: SectorCourse | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = []
        if self.ramsey is not None:
            parts.append(f"fringe of one atom left, offset + contrast x chi_1:\n{self.ramsey}")
        for name in (*self.fits, *self.unknown):
            title = "" if name == ALL else f"group {name}\n"
            parts.append(f"{title}{self._group(name)}")
        if self.compared is not None:
            parts.append(f"counts of both groups compared, not their fidelities: {self.compared}")
        for name, found in self.exclusions.items():
            title = "" if name == ALL else f"group {name}, "
            parts.append(f"{title}every inelastic loss per m of both atoms\n{found}")
        if self.course is not None:
            parts.append(str(self.course))
        parts += [f"note: {text}" for text in self.notes]
        return "\n\n".join(parts)

    def _group(self, name: str) -> str:
        if name in self.unknown:
            return f"no fidelity: {self.unknown[name]}"
        fit = self.fits[name]
        table = str(fit).removesuffix(fit.verdict)
        if name in self.refusals:
            return f"{table}verdict (all counts, {_IF}): {fit.verdict}\nn2 alone: {self.refusals[name]}"
        other = self.joint[name]
        lines = [
            f"{table}verdict (n2): {fit.verdict}",
            f"all counts, {_IF}: F = {other.fidelity:.3f} +- {other.error:.3f}, {other.verdict}",
        ]
        best = other.agreement("best").p_value
        if best <= ACCEPTED < fit.agreement("best").p_value:
            lines.append(f"caution: n0 and n1 do not fit (p = {best:.1g}); what is wrong there may disturb n2 too")
        return "\n".join(lines)

    def to_dataset(self) -> xr.Dataset:
        """Labelled dataset: the counts, and F with bounds and chi-squared against F by group, the fringe, or P_s(t)."""
        one = {"units": "1"}
        data = self.data.copy().rename({"group": "run"} if "group" in self.data.coords else {})
        if self.fits:
            fits = list(self.fits.values())
            data = data.assign_coords(
                group=("group", list(self.fits)), fidelity_grid=("fidelity_grid", fits[0].curve_fidelity, one)
            )
            columns = {
                "fidelity": ([f.fidelity for f in fits], "most likely fidelity with chi_1 (separable: at most 1/2)"),
                "fidelity_err": ([f.error for f in fits], "standard error of the fidelity"),
                "likelihood_bound": ([f.likelihood_bound.value for f in fits], fits[0].likelihood_bound.label),
                "posterior_bound": ([f.posterior_bound.value for f in fits], fits[0].posterior_bound.label),
                "p_unentangled": ([f.p_unentangled for f in fits], "one-sided chance of so large a distance from 1/2"),
            }
            for name, (values, text) in columns.items():
                data[name] = ("group",), np.array(values), one | {"long_name": text}
            curves = np.stack([f.curve_chi2 for f in fits])
            data["chi2"] = ("group", "fidelity_grid"), curves, one | {"long_name": "chi-squared against the fidelity"}
        if self.ramsey is not None:
            r = self.ramsey
            for name, value, unit in (
                ("offset", r.offset, "1"),
                ("contrast", r.contrast, "1"),
                ("sensitivity", r.sensitivity, "Hz"),
            ):
                data[name] = (), value, {"units": unit, "long_name": f"{name} of the Ramsey fringe"}
        if self.course is not None:
            c = self.course
            for name, shares in (("sector", c.share), ("sector_err", c.error), ("sector_model", c.expected)):
                data[name] = ("setting",), shares, one | {"long_name": "share of all pairs in m = +-1"}
        lab = self.lab
        data.attrs |= provenance.attrs(source=lab.path, lab_digest=lab.digest, case=lab.case, overrides=lab.overrides)
        return data

    def save(self, path: str | Path) -> Path:
        """Write `to_dataset` as NetCDF, whole or not at all."""
        data = self.to_dataset()

        return write_netcdf(path, data)


def reconstruct_counts(lab: Lab, data: xr.Dataset, *, inelastic: bool = False, confidence: float = 0.68) -> CountResult:
    """Find what a count table says, with the calibrations of a lab file and their errors.

    Args:
        lab: of the experiment tweezer_pair; data: from `read_counts` or `simulate_counts`.
        inelastic: whether to search every table of inelastic losses as well, for every group but "destruction", which
            takes some seconds each; confidence: of the bounds.

    Returns:
        A `CountResult`; print it. Separable pairs have F <= 1/2.

    Raises:
        InputError: another experiment, a table that does not fit it, groups that are not told apart here, or counts
            that do not tell the fidelity of any group, with the reason.

    Example:
        >>> import darkstate as ds
        >>> from darkstate.report.counting import simulate_counts
        >>> lab = ds.load(ds.shipped_labs()["ruksasakchai2026"])
        >>> found = reconstruct_counts(lab, simulate_counts(lab, sequence="populations", shots=10_000))
        >>> course = found.course
        >>> print(f"{course.share[-1]:.2f} +- {course.error[-1]:.2f}, model {course.expected[-1]:.2f}")
        0.32 +- 0.01, model 0.33
    """
    e, setting = only_pairs(lab), check_counts(data)
    names = sorted(set(data.group.values.tolist())) if "group" in data.coords else []
    _refuse(setting, names, inelastic)
    _check_units(e, setting, data)
    if setting == "time":
        return CountResult(lab, data, course=sector_course(e, data))
    parts = {name: group_of(data, name) for name in names} or {ALL: data}
    fits, joint, refusals, unknown = {}, {}, {}, {}
    for name, part in parts.items():
        model = count_model(lab, setting, destroyed=name == DESTRUCTION)
        try:
            fits[name] = fit_fidelity(part, model, confidence=confidence)
        except InputError as refusal:
            unknown[name] = str(refusal)
            continue
        try:
            alone = fit_fidelity(part, model, use="two_atoms", confidence=confidence)
        except InputError as refusal:
            refusals[name] = str(refusal)
        else:
            joint[name], fits[name] = fits[name], alone
    if not fits and setting != "detuning_hz":
        raise InputError([text if name == ALL else f"group {name}: {text}" for name, text in unknown.items()])
    ramsey = fit_ramsey(data, _fringe(e), hz_per_tesla=line_shift(e)) if setting == "detuning_hz" else None
    exclusions = {}
    if inelastic:
        any_loss = _without(count_model(lab, setting), "detection.inelastic")  # the table takes its place
        for name in [name for name in fits if name != DESTRUCTION]:
            exclusions[name] = exclude_unentangled(parts[name], _by_table(e, setting, any_loss.names), any_loss)
    compared, notes = None, []
    if len(parts) == 2:
        try:
            compared = two_sample(*parts.values())
        except InputError as refusal:
            notes.append(f"both groups are not compared: {refusal}")
    return CountResult(lab, data, fits, joint, refusals, unknown, exclusions, compared, ramsey, notes=tuple(notes))


def _check_units(e: TweezerPair, setting: str, data: xr.Dataset) -> None:
    """Raise on settings that look like another unit."""
    most = float(np.abs(data[setting].values).max())
    if setting == "tau" and most > 2 * e.raman.pi_time:
        text = f"tau = {1e6 * most:.4g} us is a pulse of area {most / e.raman.pi_time:.3g} pi, at most 2 pi is allowed"
        raise InputError([f"{text}; check raman.pi_time, and whether tau_us is in us"])
    if setting == "detuning_hz" and most > _FAR * e.ramsey.span:
        text = f"detunings reach {most / 1e3:.4g} kHz, ramsey.span is {e.ramsey.span / 1e3:.4g} kHz"
        raise InputError([f"{text}; is detuning_khz in kHz? If it is, raise ramsey.span"])


def _refuse(setting: str, names: list[str], inelastic: bool) -> None:
    """Raise on what would be left out in silence."""
    column, listed = SETTINGS[setting][0], ", ".join(names)
    pulse_areas = setting in ("theta", "tau")
    if len(names) > 1 and not pulse_areas:
        text = f"counts against {column} are not told apart by group, but the table has {listed}"
        raise InputError([f"{text}; give one table per group"])
    if len(names) > 2:
        raise InputError([f"the table has {len(names)} groups, {listed}, but two are compared; give two at a time"])
    if inelastic and not pulse_areas:
        text = f"inelastic losses are searched with pulse areas, but this table has {column}"
        raise InputError([f"{text}; leave the search out"])
    if inelastic and names == [DESTRUCTION]:
        text = (
            f"inelastic losses are searched in counts before a destruction, but there is only the group {DESTRUCTION}"
        )
        raise InputError([f"{text}; leave the search out"])


def sector_course(e: TweezerPair, data: xr.Dataset) -> SectorCourse:
    """Share of all pairs in m = +-1 at each time, by maximum likelihood; probabilities are linear in it.

    Args:
        e: the experiment, whose other calibrations are held; data: count table with `time`.
    """
    times, counts = np.asarray(data.time.values, float), np.asarray(data.counts.values, float)
    most = float(e.prepared_pairs)
    none, full = (np.asarray(count_probabilities(0.0, 1.0, with_values(e, {"detection.sector": s}).detection))
                  for s in (0.0, most))  # fmt: skip
    slope = (full - none) / most

    def fit(n: np.ndarray) -> float:
        found = minimize_scalar(
            lambda s: -xlogy(n, np.maximum(none + s * slope, 1e-12)).sum(), bounds=(0.0, most), method="bounded"
        )
        return float(found.x)

    share = np.array([fit(n) for n in counts])
    shots = counts.sum(1)

    def error(at: np.ndarray) -> np.ndarray:
        p = np.maximum(none + at[:, None] * slope, 1e-12)
        return 1 / np.sqrt(shots * (slope**2 / p).sum(1))

    model, outcome = _kinetic(e, times)
    p = np.asarray(count_probabilities(np.zeros(len(times)), 1.0, model))
    wanted = shots[:, None] * np.maximum(p, 1e-12)
    chi2 = float(((counts - wanted) ** 2 / wanted).sum())
    expected, chance = np.asarray(model.sector), float(chi2_law.sf(chi2, 2 * len(times)))
    return SectorCourse(times, share, error(share), expected, chi2, chance, outcome)


def _kinetic(e: TweezerPair, times: np.ndarray) -> tuple[Imperfections, str]:
    """Shares that the kinetic model has at times in any order, and what it rests on."""
    once, place = np.unique(times, return_inverse=True)
    solution = evolve(e.pair(), once, throw=False)
    outcome = Outcome(int(np.max(np.asarray(solution.outcome))))
    populations = np.asarray(solution.state.populations)
    if outcome > Outcome.outside_validity or not np.isfinite(populations).all():
        text = f"the kinetic model cannot be followed to the longest time of the table, {times.max():g} s"
        raise InputError([f"{text} ({outcome.name}); check the times, or lower atoms.collision_field"])
    return with_populations(e, populations[place]), in_words(outcome, solution.checks)


def line_shift(e: TweezerPair) -> float:
    """Shift of the splitting of |1> and |-1> with the field of the pulses [Hz/T]."""

    def splitting(field: Any) -> Any:
        return breit_rabi_hz(e.species, SPIN, 1, field) - breit_rabi_hz(e.species, SPIN, -1, field)

    return float(jax.grad(splitting)(float(e.atoms.pulse_field)))


def _fringe(e: TweezerPair) -> Any:
    """Probability that exactly one atom of chi_1 is left, as a function of the detuning [Hz]."""

    def curve(delta: Any) -> Any:
        return ramsey_pair(ramsey_probability(delta, e.ramsey.half_pulse, e.ramsey.dark_time))[..., 1]

    return curve


def _without(model: CountModel, name: str) -> CountModel:
    """Nuisances and exact numbers of a model but one; its own probabilities still take all."""
    kept = [k for k, known in enumerate(model.names) if known != name]
    values, sigmas = tuple(model.values[k] for k in kept), tuple(model.sigmas[k] for k in kept)
    ranges = tuple(model.bounds[k] for k in kept)
    names, exact = tuple(model.names[k] for k in kept), tuple(n for n in model.exact if n != name)
    return CountModel(model.probabilities, names, values, sigmas, ranges, model.setting, exact)


def _by_table(e: TweezerPair, setting: str, names: tuple[str, ...]) -> Any:
    """Probabilities by settings, fidelity, nuisances of these names and table of inelastic losses."""

    def at(values: Any, fidelity: Any, nuisances: Any, table: Any) -> Any:
        lab = with_values(e, dict(zip(names, nuisances, strict=True)))
        area = values if setting == "theta" else np.pi * values / lab.raman.pi_time
        return count_probabilities(area, fidelity, lab.detection, inelastic=table)

    return at
