"""Does the calibration from records agree with the model of the lab file? One line per quantity."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from darkstate.experiments.cesium_cells import CesiumCells
from darkstate.experiments.labfile import Lab
from darkstate.records.calibration import Calibration, Quantity
from darkstate.report.recording import by_effective_rates, lab_calibration

LIMIT = 3.0
"""Standard deviations up to which two numbers agree."""

ROUNDING = 0.02
"""Relative difference granted to numbers of a lab file that carry no uncertainty: they are rounded."""


class Line(NamedTuple):
    """One quantity: from the model and from the records, with standard errors, and their distance in these."""

    name: str
    model: float
    model_err: float
    records: float
    records_err: float
    sigma: float

    @property
    def agree(self) -> bool:
        """Whether the distance is below the limit."""
        return abs(self.sigma) < LIMIT


def agreement(lab: Lab, calibration: Calibration) -> list[Line]:
    """Quantities that the model of a lab file and a calibration from records both tell.

    Example:
        >>> import darkstate as ds
        >>> lab = ds.load(ds.shipped_labs()["muschik2013-monitored"])
        >>> [line.name for line in agreement(lab, lab_calibration(lab)) if not line.agree]
        []
    """
    model = lab_calibration(lab)
    found = []
    pairs: dict[str, tuple[Quantity, Quantity]] = {
        n: (model[n], calibration[n]) for n in ("gamma", "kappa2", "gamma_dark") if n in calibration.quantities
    }
    rows = {n: (a.value, a.error, b.value, b.error) for n, (a, b) in pairs.items()}
    errors = [_rate_errors(c) for c in (model, calibration)]
    for k, name in enumerate(("gamma_s", "gamma_extra")):
        rows[name] = (model.rates[k], float(errors[0][k]), calibration.rates[k], float(errors[1][k]))
    for name, (a, a_err, b, b_err) in rows.items():
        sigma = (b - a) / float(np.linalg.norm([a_err or ROUNDING * a, b_err]) or 1e-300)
        found.append(Line(name, a, a_err, b, b_err, sigma))
    return found


def _rate_errors(c: Calibration) -> np.ndarray:
    """Standard errors of gamma_s and gamma_extra, to first order in those of kappa^2, gamma and Z."""
    names = ("gamma", "kappa2", "z")
    slopes = []
    for n in names:
        h = max(c[n].error, 1e-6 * c[n].value)
        up, down = (np.array(c.with_values(**{n: c[n].value + d}).rates) for d in (h, -h))
        slopes.append((up - down) / (2 * h))
    jacobian = np.array(slopes).T
    return np.sqrt(np.diag(jacobian @ c.covariance(names) @ jacobian.T))


def agreement_table(lab: Lab, calibration: Calibration) -> str:
    """The lines of `agreement` as text."""
    lines = [f"  {'':<12} {'from the model':>20} {'from the records':>22}  agree?"]
    for line in agreement(lab, calibration):
        a = f"{line.model:.4g}" + (f" +- {line.model_err:.2g}" if line.model_err else "")
        b = f"{line.records:.4g}" + (f" +- {line.records_err:.2g}" if line.records_err else "")
        verdict = "yes" if line.agree else f"no, {line.sigma:+.1f} standard errors"
        lines.append(f"  {line.name:<12} {a:>20} {b:>22}  {verdict}")
    lines.append("  rates in 1/s; a number of the lab file without uncertainty counts as rounded to 2 %")
    return "\n".join(lines)


def overrides_from(lab: Lab, calibration: Calibration) -> tuple[str, ...]:
    """Changes to a lab file that put the rates of a calibration in place of its own, with their errors.

    Example:
        >>> import darkstate as ds
        >>> lab = ds.load(ds.shipped_labs()["muschik2013-monitored"], case="x1")
        >>> overrides_from(lab, lab_calibration(lab))
        ('drive.rate=2 /s', 'noise.gamma_tilde=110 /s', 'drive.z=2.5', 'detection.efficiency=1')
    """
    by_effective_rates(lab)
    e = lab.experiment
    s, extra = calibration.rates
    start = e.cell.initial_up - e.cell.initial_down if isinstance(e, CesiumCells) else 1.0
    s_err, extra_err = _rate_errors(calibration)
    per_rate = 2 / (e.ensembles.optical_depth * start)
    # gamma_tilde stands for the drive alone; what pump light adds has its own entry
    pumped = e.pump.dephasing * e.pump.rate if isinstance(e, CesiumCells) else 0.0

    def text(value: float, error: float, unit: str = "") -> str:
        return f"{value:.8g}" + (f" +- {error:.3g}" if error else "") + unit

    z, eta = calibration["z"], calibration["efficiency"]
    return (
        f"drive.rate={text(per_rate * s, per_rate * s_err, ' /s')}",
        f"noise.gamma_tilde={text(2 * extra - pumped, 2 * extra_err, ' /s')}",
        f"drive.z={text(z.value, z.error)}",
        f"detection.efficiency={text(eta.value, eta.error)}",
    )
