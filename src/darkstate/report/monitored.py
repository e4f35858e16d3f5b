"""The prediction for cells whose light is measured (000 Sec. IV): xi(t) with and without the record, and both limits.

lab file -> gamma_s, gamma_extra, Z -> network -> evolve, condition -> xi(t) -> windows, verdict
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate import provenance
from darkstate.backend import jax, jnp
from darkstate.errors import Outcome
from darkstate.experiments.labfile import Lab
from darkstate.experiments.monitored_cells import MonitoredCells
from darkstate.experiments.values import value_at, with_values
from darkstate.gaussian.state import GaussianState
from darkstate.report.style import COLOURS, DASHES, new_figure, save_figure, separable_line
from darkstate.report.text import headline, in_words, with_error
from darkstate.solve.condition import condition
from darkstate.solve.evolve import evolve
from darkstate.solve.sensor import force_noise, standard_quantum_limit
from darkstate.solve.solution import Solution
from darkstate.solve.steady_state import steady_state
from darkstate.storage import write_atomic, write_netcdf
from darkstate.witness.epr import epr_variance
from darkstate.witness.separability import log_negativity
from darkstate.witness.value import WitnessValue

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, repr=False)
class MonitoredPrediction:
    """What `predict` returns for a lab file of monitored_cells; prints as a table.

    Args:
        lab: the lab file; free, watched: time evolution from the coherent spin state without and with the record;
            steady_free, steady_watched: their limits.
        xi, xi_conditional: EPR variances over time [t]; xi_steady, xi_steady_conditional: their limits with standard
            uncertainties.
    """

    lab: Lab
    free: Solution
    watched: Solution
    steady_free: Solution
    steady_watched: Solution
    xi: np.ndarray
    xi_conditional: np.ndarray
    xi_steady: WitnessValue
    xi_steady_conditional: WitnessValue

    @property
    def outcome(self) -> Outcome:
        """The worst outcome of the four solutions."""
        solutions = (self.free, self.watched, self.steady_free, self.steady_watched)
        return Outcome(max(int(s.outcome) for s in solutions))

    @property
    def verdict(self) -> str:
        """One sentence; a bad outcome gives no verdict."""
        if self.outcome is not Outcome.ok:
            return f"no verdict ({self.outcome.name})"
        given = with_error(self.xi_steady_conditional)
        return f"{self.xi_steady_conditional.verdict}: xi given the record = {given}, separable states have xi >= 1"

    def __str__(self) -> str:
        return _table(self)

    def __repr__(self) -> str:
        return f"<Prediction of {self.lab.name}: {self.verdict}>"

    def plot(self, ax: Any, *, label: str | None = None, curve: int = 0) -> None:
        """Draw xi(t) without and with the record into axes."""
        t, suffix = np.asarray(self.free.times) * 1e3, "" if label is None else f", {label}"
        for k, (values, name) in enumerate(((self.xi, "not measured"), (self.xi_conditional, "given the record"))):
            ax.plot(t, values, DASHES[1 - k], color=COLOURS[(curve + k) % len(COLOURS)], label=name + suffix)
        ax.set(xlim=(t[0], t[-1]), ylim=(0, 1.08), xlabel="time t (ms)", ylabel="EPR variance ξ(t)")
        ax.legend(loc="lower right")

    def to_dataset(self) -> xr.Dataset:
        """Labelled dataset: xi(t) without and with the record, their limits, and the covariances."""
        from darkstate.records.dataset import to_dataset

        data, watched = to_dataset(self.free), to_dataset(self.watched)
        data["covariance_conditional"] = watched.covariance
        text = {"units": "1", "long_name": "EPR variance (separable: at least 1)"}
        data["xi"] = ("t", self.xi, text)
        data["xi_conditional"] = ("t", self.xi_conditional, {**text, "comment": "given the record up to t"})
        for name, value in (("xi_steady", self.xi_steady), ("xi_steady_conditional", self.xi_steady_conditional)):
            data[name] = ((), float(value.value), text)
            if value.uncertainty is not None:
                data[f"{name}_err"] = (
                    (),
                    float(value.uncertainty),
                    {"units": "1", "long_name": "standard uncertainty"},
                )
        lab = self.lab
        data.attrs.update(
            provenance.attrs(source=lab.path, lab_digest=lab.digest, case=lab.case, overrides=lab.overrides)
        )
        return data

    def save(self, folder: str | Path) -> list[Path]:
        """Write prediction.nc, .png, .pdf and .csv; returns their paths."""
        folder, data = Path(folder), self.to_dataset()

        figure, (ax,) = new_figure()
        self.plot(ax)
        separable_line(ax)
        written = [write_netcdf(folder / "prediction.nc", data)]
        written += save_figure(figure, folder / "prediction", ("png", "pdf"))
        columns = zip(np.asarray(self.free.times) * 1e3, self.xi, self.xi_conditional, strict=True)
        lines = ["t_ms,xi,xi_conditional", *(f"{t:.9g},{a:.12g},{b:.12g}" for t, a, b in columns)]
        return [*written, write_atomic(folder / "prediction.csv", "\n".join(lines) + "\n")]


def predict_monitored(lab: Lab) -> MonitoredPrediction:
    """Predict cells whose light is measured; `darkstate.predict` calls this.

    Example:
        >>> import darkstate as ds
        >>> p = predict_monitored(ds.load(ds.shipped_labs()["muschik2013-monitored"], case="x1"))
        >>> print(f"{p.xi_steady.value:.4f} {p.xi_steady_conditional.value:.4f}")
        0.5800 0.4000
    """
    experiment, keys = lab.experiment, tuple(lab.uncertainties)
    times = jnp.linspace(0.0, experiment.protocol.duration, experiment.protocol.points)
    solutions, xi, xi_conditional, limits = _solve(experiment, times)
    errors: Any = (None, None)
    if keys:
        errors = _errors(experiment, keys, lab.uncertainties)
    return MonitoredPrediction(
        lab,
        solutions[0],
        solutions[1],
        solutions[2],
        solutions[3],
        np.asarray(xi),
        np.asarray(xi_conditional),
        WitnessValue(limits[0], errors[0]),
        WitnessValue(limits[1], errors[1]),
    )


@jax.jit
def _solve(experiment: MonitoredCells, times: Any) -> tuple[tuple[Solution, ...], Any, Any, Any]:
    model, detector = experiment.model(), experiment.detector()
    free = evolve(model, times, throw=False)
    watched = condition(model, detector, times=times, throw=False)
    steady = steady_state(model, throw=False), condition(model, detector, throw=False)
    xi, given = epr_variance(free.state).value, epr_variance(watched.state).value
    return (free, watched, *steady), xi, given, jnp.stack([epr_variance(s.state).value for s in steady])


def _errors(experiment: MonitoredCells, keys: tuple[str, ...], sigma: Any) -> Any:
    """Standard uncertainties of both limits, to first order in those of the inputs [2]."""

    @jax.jit
    def slopes(values: Any) -> Any:
        def limits(v: Any) -> Any:
            return _solve(with_values(experiment, dict(zip(keys, v, strict=True))), jnp.zeros(1))[3]

        return jax.jacfwd(limits)(values)

    scaled = slopes(jnp.array([value_at(experiment, k) for k in keys])) * jnp.array([sigma[k] for k in keys])
    return jnp.sqrt((scaled**2).sum(-1))


def _sensitivity(e: MonitoredCells) -> str:
    """Noise of a transverse field on cell II, read from the same light, against the standard quantum limit."""
    if e.detection.efficiency == 0:
        return "nothing is read at efficiency 0"
    rate = float(e.gamma_s + e.gamma_extra)
    omega = np.geomspace(rate / 100, 10 * rate, 121)
    ratio = np.asarray(_force(e, omega)) / np.asarray(
        standard_quantum_limit(omega, frequency=0.0, damping=2 * float(e.gamma_extra))
    )
    k = int(np.argmin(ratio))
    where = f"{omega[k] / (2 * np.pi):.4g} Hz from the Larmor frequency"
    return f"noise of a transverse field on cell II {ratio[k]:.3f} of the standard quantum limit at {where}"


@jax.jit
def _force(e: MonitoredCells, omega: Any) -> Any:
    return force_noise(e.model(), "II", omega, e.detector())


@jax.jit
def _negativity(state: GaussianState) -> Any:
    return log_negativity(state, "I").nats


def _table(p: MonitoredPrediction) -> str:
    e, lab = p.lab.experiment, p.lab
    free, watched = (float(_negativity(s.state)) for s in (p.steady_free, p.steady_watched))
    rows = [("changed", text) for text in lab.overrides]
    rows += [
        ("gamma_extra/gamma_s", f"{float(e.x):.4g}; Z = {float(e.z):.4g}"),
        ("not measured", f"xi = {with_error(p.xi_steady)} in the steady state, E_N = {free:.4f} nats"),
        (
            "given the record",
            f"xi = {with_error(p.xi_steady_conditional)}, E_N = {watched:.4f} nats; efficiency "
            f"{float(e.detection.efficiency):g}. Feedback with the Kalman gain makes it unconditional.",
        ),
        ("as a sensor", _sensitivity(e)),
        ("at the end", f"xi = {p.xi[-1]:.4f}, given the record {p.xi_conditional[-1]:.4f}"),
        ("outcome", in_words(p.outcome)),
    ]
    if lab.uncertainties:
        rows.append(("uncertainty", f"of {', '.join(lab.uncertainties)}; all else is taken as exact"))
    rows += [("warning", text) for text in e.warnings()]
    width = max(len(name) for name, _ in rows)
    return "\n".join([headline(lab), *(f"  {name:<{width}}  {text}" for name, text in rows), f"  {p.verdict}"])
