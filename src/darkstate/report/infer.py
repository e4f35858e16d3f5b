"""An inference: a study file with priors in, the posterior out, as text, corner plot, curves, dataset and files.

    [infer] + [fit] -> NUTS -> R-hat, divergences -> corner plot, posterior predictive

Down: `studies.infer`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate import provenance
from darkstate.errors import Outcome
from darkstate.report.corner import corner
from darkstate.report.fit_text import interval
from darkstate.report.style import COLOURS, DASHES, new_figure, save_figure, separable_line
from darkstate.report.table import clock
from darkstate.report.text import in_words
from darkstate.storage import write_atomic, write_netcdf
from darkstate.studies.infer import ALIKE, FEWEST, Posterior, read_inference, sample
from darkstate.studies.observables import OBSERVABLES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

ENDS = (15.865525, 50.0, 84.134475)
"""Percentiles of one standard deviation of a normal distribution, and the median."""


@dataclass(frozen=True, repr=False)
class Inference:
    """What `infer` returns; prints as a table.

    Args:
        posterior: draws with their diagnostics and predictions.
    """

    posterior: Posterior

    @property
    def outcome(self) -> Outcome:
        """not_converged where chains disagree, else that of the equations solved."""
        return self.posterior.outcome

    @property
    def means(self) -> dict[str, float]:
        """Posterior mean of every parameter [SI]."""
        return dict(zip(self.posterior.names, self.posterior.flat.mean(axis=0).tolist(), strict=True))

    @property
    def deviations(self) -> dict[str, float]:
        """Posterior standard deviation of every parameter [SI]."""
        return dict(zip(self.posterior.names, self.posterior.flat.std(axis=0, ddof=1).tolist(), strict=True))

    def __str__(self) -> str:
        return _table(self)

    def __repr__(self) -> str:
        p = self.posterior
        return f"<Inference {p.problem.study.name}: {p.flat.shape[0]} draws, largest R-hat {p.r_hat.max():.3f}>"

    def plot(self, ax: Any) -> None:
        """Draw the posterior predictive of the first observable into axes: 68 % of the draws, the median, the data."""
        _predictive(self.posterior, ax, self.posterior.curves[0].observable)

    def corner(self) -> Figure:
        """Every parameter and every pair of them as a figure."""
        p = self.posterior
        units = [f.spec.unit for f in p.problem.likelihood.free]
        return corner(p.flat, p.names, units)

    def to_dataset(self) -> xr.Dataset:
        """Plain dataset: one variable per parameter (chain, draw), diagnostics, predicted points and curves."""
        return _dataset(self.posterior)

    def save(self, folder: str | Path) -> list[Path]:
        """Write posterior.nc, corner.png and .pdf, posterior.png and .pdf and posterior.csv; returns their paths."""
        folder, p = Path(folder), self.posterior
        written = [write_netcdf(folder / "posterior.nc", self.to_dataset())]
        written += save_figure(self.corner(), folder / "corner", ("png", "pdf"))
        names = list(dict.fromkeys(c.observable for c in p.curves))
        if names:
            figure, axes = new_figure(len(names), height=2.8)
            for ax, name in zip(axes, names, strict=True):
                _predictive(p, ax, name)
            written += save_figure(figure, folder / "posterior", ("png", "pdf"))
        return [*written, write_atomic(folder / "posterior.csv", _csv(p))]


def infer(study: str | Path, *, progress: Callable[[float], None] | None = None) -> Inference:
    """Draw the posterior of parameters, given measured data and priors.

    Formula: posterior = prior times exp(-chi^2/2), chi^2 as in `fit`.

    Args:
        study: a study file with the tables [infer] and [fit]; progress: told the share of the work done.

    Returns:
        An `Inference`; prints as a table and has plot, corner, to_dataset and save.

    Validity: Gaussian errors of the data; one region of high probability: chains start around the most probable point
        and do not find another one far away.

    Raises:
        InputError: the study file or its data cannot be used, or NumPyro is not installed.

    Example:
        See docs/how-to/infer.md; sampling takes some ten seconds.
    """
    problem, priors, table = read_inference(study)
    if progress is not None:
        progress(0.05)
    return Inference(sample(problem, priors, table))


def _table(found: Inference) -> str:
    p = found.posterior
    study, rows = p.problem.study, []
    low, median, high = np.percentile(p.flat, ENDS, axis=0)
    for k, f in enumerate(p.problem.likelihood.free):
        spread = float(p.flat[:, k].std())
        text = interval(median[k], low[k] - median[k], high[k] - median[k], spread, f.spec.unit)
        rows.append((f.name, f"{text}; R-hat {p.r_hat[k]:.3f}, {p.effective[k]:.0f} effective draws"))
    for key, values in p.solved.items():
        a, b, c = np.percentile(values, ENDS)
        unit = p.problem.specs[key].unit
        rows.append((key, f"{interval(b, a - b, c - b, float(values.std()), unit)}, from a slope"))
    chains, draws = p.values.shape[:2]
    rows.append(("draws", f"{chains} chains of {draws}; {int(p.diverging.sum())} divergent"))
    rows.append(("agreement", f"p = {p.chance:.2g} of a chi^2 as large in data drawn from the posterior"))
    for c in p.curves:
        if c.data is None:
            known = OBSERVABLES[study.kind][c.observable]
            said = f"; below 1 with probability {c.below:.4g}" if known.bound == 1.0 else ""
            a, b, d = c.lowest
            rows.append((f"predicted {c.label}", f"smallest {c.observable} = {b:.4f} +{d - b:.4f} -{b - a:.4f}{said}"))
    rows.append(("outcome", _outcome(p)))
    if p.chance < 0.01:
        rows.append(("warning", "the data do not agree with these equations, or their errors are too small"))
    width = max(len(name) for name, _ in rows)
    title = f": {study.title}" if study.title else ""
    return "\n".join([f"{study.name}{title}", *(f"  {n:<{width}}  {t}" for n, t in rows)])


def _outcome(p: Posterior) -> str:
    if p.outcome is not Outcome.not_converged:
        return in_words(p.outcome)
    why = [
        text
        for wrong, text in (
            (not (p.r_hat <= ALIKE).all(), f"R-hat = {p.r_hat.max():.3f} above {ALIKE}"),
            (not (p.effective >= FEWEST).all(), f"only {p.effective.min():.0f} effective draws"),
            (p.diverging.mean() > 0.01, f"{100 * p.diverging.mean():.1f} % of the draws diverge"),
        )
        if wrong
    ]
    said = ", ".join(why) or "the time steps are too coarse for some draws"
    return f"not_converged: {said}; more warmup and samples, narrower priors, or fewer parameters"


def _predictive(p: Posterior, ax: Any, observable: str) -> None:
    pieces = p.problem.likelihood.pieces
    curves = [c for c in p.curves if c.observable == observable]
    scale, unit = clock(max(float(c.times[-1]) for c in curves))
    for k, c in enumerate(curves):
        colour = COLOURS[k % len(COLOURS)]
        label = f"{c.label}, predicted" if c.data is None else None
        ax.plot(c.times * scale, c.median, "-" if c.data is not None else DASHES[1 + k % 3], color=colour, label=label)
        ax.fill_between(c.times * scale, c.low, c.high, color=colour, alpha=0.25, linewidth=0)
        if c.data is not None:
            data: Any = pieces[c.data].data
            style = {"fmt": "o", "color": colour, "markersize": 3, "linewidth": 0.8}
            ax.errorbar(data.times * scale, data.values, data.errors, label=c.label, **style)
    known = OBSERVABLES[p.problem.study.kind][observable]
    if known.bound == 1.0:
        separable_line(ax)
    ax.set(xlabel=f"time t ({unit})", ylabel=known.symbol)
    ax.legend()


def _dataset(p: Posterior) -> xr.Dataset:
    import xarray as xr

    one, free = {"units": "1"}, p.problem.likelihood.free
    data = xr.Dataset(coords={"chain": np.arange(p.values.shape[0]), "draw": np.arange(p.values.shape[1])})
    for k, f in enumerate(free):
        data[f.name] = (("chain", "draw"), p.values[..., k], {"units": f.spec.unit, "long_name": f.spec.doc})
    for key, values in p.solved.items():
        spec = p.problem.specs[key]
        data[key] = (("chain", "draw"), values, {"units": spec.unit, "long_name": f"{spec.doc}; from a slope"})
    data["chi_squared"] = (("chain", "draw"), p.chi_squared, {**one, "long_name": "chi^2 of the data"})
    data["diverging"] = (("chain", "draw"), p.diverging.astype(np.int8), {**one, "long_name": "1: divergent"})
    data = data.assign_coords(parameter=list(p.names))
    data["r_hat"] = ("parameter", p.r_hat, {**one, "long_name": "split R-hat of the chains"})
    data["effective_sample_size"] = ("parameter", p.effective, {**one, "long_name": "effective number of draws"})
    likelihood = p.problem.likelihood
    data["measured"] = ("point", likelihood.values, {**one, "long_name": "measured values"})
    data["measured_err"] = ("point", likelihood.errors, {**one, "long_name": "their standard errors"})
    data["predicted"] = (("replica", "point"), p.predicted, {**one, "long_name": "predicted by draws of the posterior"})
    if p.curves:
        data = data.assign_coords(curve=[c.label for c in p.curves])
        times = np.stack([c.times for c in p.curves])
        data["curve_t"] = (("curve", "step"), times, {"units": "s", "long_name": "time"})
        for name, text in (
            ("low", "16 % of the draws"),
            ("median", "half of the draws"),
            ("high", "84 % of the draws"),
        ):
            values = np.stack([getattr(c, name) for c in p.curves])
            data[f"curve_{name}"] = (("curve", "step"), values, {**one, "long_name": f"{text} lie below"})
    data["p_value"] = ((), p.chance, {**one, "long_name": "posterior predictive chance of at least this chi^2"})
    data["outcome"] = ((), int(p.outcome), {"flag_meanings": " ".join(o.name for o in Outcome)})
    study = p.problem.study
    data.attrs = {
        **provenance.attrs(
            source=study.lab.path, lab_digest=study.lab.digest, case=study.lab.case, overrides=study.lab.overrides
        ),
        "study": study.name,
        "study_digest": study.digest,
        "priors": "; ".join(f"{n}: {q}" for n, q in zip(p.names, p.priors, strict=True)),
    }
    return data


def _csv(p: Posterior) -> str:
    lines = ["parameter,unit,mean,standard_deviation,p16,median,p84,r_hat,effective_sample_size"]
    for k, f in enumerate(p.problem.likelihood.free):
        x = p.flat[:, k]
        numbers = [x.mean(), x.std(ddof=1), *np.percentile(x, ENDS), p.r_hat[k], p.effective[k]]
        lines.append(",".join([f.name.replace(",", ";"), f.spec.unit, *(f"{v:.9g}" for v in numbers)]))
    return "\n".join(lines) + "\n"
