"""A fit: a study file in, the parameters that explain the data out, as text, figure, dataset, files and a lab file.

    [fit] -> data -> degenerate? refused -> minimise -> intervals, correlations, chi^2 -> bands -> fitted.toml

Down: `studies.fit_table`, `studies.identify`, `studies.fit`, `studies.bands`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate import provenance
from darkstate.errors import InputError, Outcome
from darkstate.report.fit_figure import draw
from darkstate.report.fit_text import table
from darkstate.report.style import save_figure
from darkstate.storage import write_atomic, write_netcdf
from darkstate.studies.bands import Band, fit_bands
from darkstate.studies.coverage import Coverage, coverage
from darkstate.studies.fit import Minimum, check_counts, minimise
from darkstate.studies.fit_table import FitTable, Problem, read_problem
from darkstate.studies.fitted_lab import fitted_lab
from darkstate.studies.identify import degeneracies
from darkstate.studies.likelihood import Unfit
from darkstate.studies.study import read_study

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, repr=False)
class Fit:
    """What `fit` returns; prints as a table.

    Args:
        problem: study, data and free parameters; minimum: best values, intervals, covariance, chi^2;
        bands: curves through the data and of other experiments, with standard errors.
    """

    problem: Problem
    minimum: Minimum
    bands: tuple[Band, ...] = field(repr=False)

    @property
    def outcome(self) -> Outcome:
        """Of the fit, and of the equations solved for it."""
        return self.minimum.outcome

    @property
    def values(self) -> dict[str, float]:
        """Best value of every free parameter by name [SI]."""
        return {e.free.name: e.value for e in self.minimum.estimates}

    @property
    def errors(self) -> dict[str, float]:
        """Standard error of every free parameter by name, from the curvature of chi^2 [SI]."""
        return {e.free.name: e.error for e in self.minimum.estimates}

    def __str__(self) -> str:
        return table(self)

    def __repr__(self) -> str:
        m = self.minimum
        return f"<Fit {self.problem.study.name}: chi^2 = {m.chi_squared:.4g} for {m.degrees} degrees of freedom>"

    def plot(self, axes: Any) -> None:
        """Draw data, curves and bands into two axes, residuals into the second one.

        Args:
            axes: (above, below), for the observable of the first data set.
        """
        from darkstate.report.fit_figure import panel

        panel(self, axes[0], axes[1], self.problem.likelihood.pieces[0].data.observable)

    def to_dataset(self) -> xr.Dataset:
        """Labelled dataset: parameters with covariance, points with pulls, curves with errors."""
        from darkstate.report.fit_dataset import dataset

        data = dataset(self)
        lab, study = self.problem.study.lab, self.problem.study
        data.attrs = {
            **provenance.attrs(source=lab.path, lab_digest=lab.digest, case=lab.case, overrides=lab.overrides),
            "study": study.name,
            "study_digest": study.digest,
            "data_digests": "; ".join(p.data.digest for p in self.problem.likelihood.pieces if p.data.digest),
        }
        return data

    def lab_text(self) -> str:
        """The lab file with the fitted values and their errors.

        Raises:
            InputError: a value stands where it cannot be replaced line by line.
        """
        return fitted_lab(self.problem, self.minimum)

    def coverage(self, count: int = 1000, *, seed: int = 1) -> Coverage:
        """Simulate data sets from the fit, fit each again and count how often error bars hold the truth.

        Args:
            count: how many; seed: of their noise.
        """
        return coverage(self.problem.likelihood, self.minimum.vector, count=count, seed=seed)

    def save(self, folder: str | Path) -> list[Path]:
        """Write fit.nc, fit.png, fit.pdf, fit.csv and fitted.toml; returns their paths."""
        from darkstate.report.fit_dataset import csv

        folder, text = Path(folder), self.lab_text()
        written = [write_netcdf(folder / "fit.nc", self.to_dataset())]
        written += save_figure(draw(self), folder / "fit", ("png", "pdf"))
        written.append(write_atomic(folder / "fit.csv", csv(self)))
        written.append(write_atomic(folder / "fitted.toml", text))
        return written


def fit(study: str | Path, *, progress: Callable[[float], None] | None = None) -> Fit:
    r"""Fit parameters of a laboratory to measured data.

    Formula: chi^2 = sum of [(y - y_predicted)/sigma]^2 smallest; intervals where it rises by 1 (MINOS).

    Args:
        study: a study file with a table [fit]; progress: told the share of the work done.

    Returns:
        A `Fit`; prints as a table and has plot, to_dataset, lab_text and save.

    Validity: Gaussian errors; bands and errors are first order, MINOS intervals are not.

    Raises:
        InputError: the study file or its data cannot be used, or parameters cannot be told apart by them.

    Example:
        >>> import darkstate as ds, tempfile
        >>> text = 'lab = "krauter2011"\n[fit]\ndata = "xi.csv"\n[fit.free."noise.gamma_tilde"]\n'
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "study.toml").write_text(text)
        ...     _ = Path(folder, "xi.csv").write_text("t_ms,xi,xi_err\n2,0.89,0.01\n7,0.82,0.01\n20,0.95,0.02\n")
        ...     print(f"{fit(Path(folder, 'study.toml')).values['noise.gamma_tilde']:.0f} /s")
        186 /s
    """
    found, chosen = read_study(study, "fit", FitTable)
    return fit_problem(read_problem(found, chosen), progress=progress)


def fit_problem(problem: Problem, *, progress: Callable[[float], None] | None = None) -> Fit:
    """As `fit`, of data and parameters that were read.

    Raises:
        InputError: degenerate parameters, fewer points than parameters, slopes that no allowed value gives.
    """
    study, likelihood = problem.study, problem.likelihood
    try:
        check_counts(likelihood)
        likelihood.check_solved(likelihood.start, problem.specs)
        directions = degeneracies(likelihood)
        if directions:
            raise InputError([str(d) for d in directions])
        minimum = minimise(likelihood, progress=progress)
        likelihood.check_solved(minimum.vector, problem.specs)
    except Unfit as error:
        spec = problem.specs[error.key]
        text = f"the slopes need {error.key} = {error.value:.6g} (SI), which must be {spec.allowed}"
        raise InputError([f"{study.key(('fit', 'slopes'))}: {text}; check their signs and units"]) from None
    except InputError as error:
        raise InputError([f"{study.key(('fit', 'free'))}: {p}" for p in error.problems]) from None
    if not np.isfinite(minimum.covariance).all():
        return Fit(problem, minimum, ())
    return Fit(problem, minimum, tuple(fit_bands(problem, minimum)))
