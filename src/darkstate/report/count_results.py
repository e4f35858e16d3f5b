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
from darkstate.backend import jax, jnp
from darkstate.errors import InputError
from darkstate.experiments.labfile import Lab
from darkstate.experiments.tweezer_pair import SPIN, TweezerPair
from darkstate.experiments.values import with_values
from darkstate.pair.detection import count_probabilities
from darkstate.pair.kinetic import kinetic_states
from darkstate.pair.sequence import ramsey_pair, ramsey_probability
from darkstate.records.comparisons import RamseyFit, TwoSample, fit_ramsey, two_sample
from darkstate.records.counts import check_counts, group_of
from darkstate.records.fidelity import FidelityFit, fit_fidelity
from darkstate.records.inelastic import Exclusion, exclude_unentangled
from darkstate.report.counting import CONTROL, count_model, only_pairs, probabilities
from darkstate.storage import write_atomic

ALL = "all"
"""Name of the only group of counts that are not interleaved."""


@dataclass(frozen=True)
class SectorCourse:
    """Share of all pairs in m = +-1 at each collision time, from counts without a pulse.

    Args:
        times: [t; s]; share: most likely [t]; error: its standard errors [t]; expected: of the kinetic model [t];
        chi2, p_value: of the distance of both, errors of the lab file not counted.
    """

    times: np.ndarray
    share: np.ndarray
    error: np.ndarray
    expected: np.ndarray
    chi2: float
    p_value: float

    def __str__(self) -> str:
        lines = [f"{'t (ms)':>8}{'in m=+-1':>10}{'error':>8}{'model':>8}   share of all pairs"]
        for row in zip(1e3 * self.times, self.share, self.error, self.expected, strict=True):
            lines.append(f"{row[0]:8.3f}{row[1]:10.4f}{row[2]:8.4f}{row[3]:8.4f}")
        end = f"kinetic model: chi2 = {self.chi2:.1f} for {len(self.times)} times, p = {self.p_value:.2g}"
        return "\n".join([*lines, f"{end}; errors of the lab file not counted"])


@dataclass(frozen=True, repr=False)
class CountResult:
    """What `reconstruct_counts` returns; prints as text. What does not apply to the counts is absent.

    Args:
        lab: the lab file; data: the counts; fits: by group, from 2 atoms against fewer, which inelastic losses do not
            disturb; from all counts where those do not tell. joint: by group, from all counts, if not the same, which
            takes the inelastic loss for one number; refusals: by group, why 2 atoms against fewer do not tell.
        exclusion: every inelastic loss, of the control or only group;
        compared: both groups; ramsey: the fringe; course: P_s over time.
    """

    lab: Lab
    data: xr.Dataset
    fits: dict[str, FidelityFit] = field(default_factory=dict)
    joint: dict[str, FidelityFit] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    exclusion: Exclusion | None = None
    compared: TwoSample | None = None
    ramsey: RamseyFit | None = None
    course: SectorCourse | None = None

    def __str__(self) -> str:
        parts = []
        if self.ramsey is not None:
            parts.append(f"fringe of one atom left, offset + contrast x chi_1:\n{self.ramsey}")
        for name, fit in self.fits.items():
            title = "" if name == ALL else f"group {name}\n"
            also = f"\nn2 alone: {self.refusals[name]}" if name in self.refusals else ""
            if name in self.joint:
                other = self.joint[name]
                also = (
                    f"\nF = {other.fidelity:.3f} +- {other.error:.3f} from all counts, if the inelastic loss is right; "
                )
                also += other.verdict
            parts.append(f"{title}{fit}{also}")
        if self.compared is not None:
            parts.append(f"both groups compared: {self.compared}")
        if self.exclusion is not None:
            parts.append(f"every inelastic loss per m of both atoms, calibrations held\n{self.exclusion}")
        if self.course is not None:
            parts.append(str(self.course))
        return "\n\n".join(parts)

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

        def netcdf(target: Path) -> None:
            data.to_netcdf(target, engine="h5netcdf")

        return write_atomic(path, netcdf)


def reconstruct_counts(lab: Lab, data: xr.Dataset, *, inelastic: bool = False, confidence: float = 0.68) -> CountResult:
    """Find what a count table says, with the calibrations of a lab file and their errors.

    Args:
        lab: of the experiment tweezer_pair; data: from `read_counts` or `simulate_counts`.
        inelastic: whether to search every table of inelastic losses as well, for the group "control" or the only one,
            which takes some seconds; confidence: of the bounds.

    Returns:
        A `CountResult`; print it. Separable pairs have F <= 1/2.

    Raises:
        InputError: another experiment, a table that does not fit it, or counts that do not tell the fidelity, with the
            reason.

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
    if setting == "time":
        return CountResult(lab, data, course=sector_course(e, data))
    model = count_model(lab, setting)
    names = sorted(set(data.group.values.tolist())) if "group" in data.coords else []
    parts = {name: group_of(data, name) for name in names} or {ALL: data}
    fits = {name: fit_fidelity(part, model, confidence=confidence) for name, part in parts.items()}
    joint, refusals = {}, {}
    for name, part in parts.items():
        try:
            alone = fit_fidelity(part, model, use="two_atoms", confidence=confidence)
        except InputError as refusal:
            refusals[name] = str(refusal)
        else:
            joint[name], fits[name] = fits[name], alone
    ramsey = fit_ramsey(data, _fringe(e), hz_per_tesla=line_shift(e)) if setting == "detuning_hz" else None
    chosen = CONTROL if CONTROL in parts else ALL
    exclusion = None
    if inelastic and chosen in parts and ramsey is None:
        exclusion = exclude_unentangled(parts[chosen], _by_table(e, setting, fits[chosen]))
    compared = two_sample(*parts.values()) if len(parts) == 2 else None
    return CountResult(lab, data, fits, joint, refusals, exclusion, compared, ramsey)


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

    expected = np.asarray(_expected_share(e, jnp.asarray(times)))
    p = probabilities(e, "time", jnp.asarray(times), 1.0)
    wanted = shots[:, None] * np.maximum(np.asarray(p), 1e-12)
    chi2 = float(((counts - wanted) ** 2 / wanted).sum())
    return SectorCourse(times, share, error(share), expected, chi2, float(chi2_law.sf(chi2, 2 * len(times))))


def _expected_share(e: TweezerPair, times: Any) -> Any:
    return e.prepared_pairs * jnp.diagonal(kinetic_states(e.pair(), times), axis1=-2, axis2=-1).real[:, 1]


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


def _by_table(e: TweezerPair, setting: str, fit: FidelityFit) -> Any:
    """Probabilities by settings, fidelity and table of inelastic losses; other calibrations as the counts fit them."""
    fitted = with_values(e, {c.name: c.fitted for c in fit.calibrations})

    def at(values: Any, fidelity: Any, table: Any) -> Any:
        area = values if setting == "theta" else np.pi * values / fitted.raman.pi_time
        return count_probabilities(area, fidelity, fitted.detection, inelastic=table)

    return at
