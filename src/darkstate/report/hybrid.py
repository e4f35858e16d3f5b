"""The prediction for two oscillators in one light beam (004): one lab file in, every witness of the steady state out.

    lab file -> rates -> network -> steady_state, condition -> xi_g, E_N, steering, ... -> budget, force noise

The table says how much the rotating-wave approximation, the loss, and each bath cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate import provenance
from darkstate.backend import jax, jnp
from darkstate.errors import Outcome
from darkstate.experiments.labfile import Lab
from darkstate.experiments.spin_mechanics import SpinMechanics
from darkstate.experiments.values import value_at, with_values
from darkstate.gaussian.state import GaussianState
from darkstate.report.best_settings import best_settings
from darkstate.report.budget import Budget, budget
from darkstate.report.style import COLOURS, DASHES, new_figure, save_figure
from darkstate.report.text import headline, in_words, with_error
from darkstate.solve.checks import decide
from darkstate.solve.condition import condition
from darkstate.solve.limits import LIMITS
from darkstate.solve.sensor import force_noise, standard_quantum_limit
from darkstate.solve.solution import Solution
from darkstate.solve.steady_state import steady_state
from darkstate.storage import write_atomic, write_netcdf
from darkstate.studies.quantities import hybrid_checks
from darkstate.witness.epr import best_gain, epr_variance
from darkstate.witness.purity import purity
from darkstate.witness.separability import log_negativity, product_criterion
from darkstate.witness.steering import steering
from darkstate.witness.teleportation import teleportation_fidelity
from darkstate.witness.value import WitnessValue

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, repr=False)
class HybridPrediction:
    """What `predict` returns for a lab file of spin_mechanics; prints as a table.

    Args:
        lab: the lab file; steady: state in the rotating-wave approximation, with the check `rotating_wave` where the
            frequency is known; conditional: given the measured light; full: without that approximation, or None.
        xi, xi_conditional: EPR variance with the gain of the lab, with standard uncertainties; xi_full: without the
            rotating-wave approximation, or None.
        budget: what each imperfection costs.
        omega: frequencies from resonance [w; rad/s]; force, limit: force noise of the read-out on M and the standard
            quantum limit there [w; 1/s]; both None where there is no steady state.
    """

    lab: Lab
    steady: Solution
    conditional: Solution
    full: Solution | None
    xi: WitnessValue
    xi_conditional: WitnessValue
    xi_full: WitnessValue | None
    budget: Budget
    omega: np.ndarray
    force: np.ndarray | None
    limit: np.ndarray | None

    @property
    def outcome(self) -> Outcome:
        """What the checks say of the rotating-wave answer."""
        return Outcome(int(self.steady.outcome))

    @property
    def verdict(self) -> str:
        """One sentence; a bad outcome gives no verdict, unless the solution without the approximation is good."""
        value, note = self.xi, ""
        # The full solution mends the rotating-wave approximation, and nothing else that is outside its range.
        others = {name: figure for name, figure in self.steady.checks.items() if name != "rotating_wave"}
        mended = self.xi_full is not None and self.full is not None and int(self.full.outcome) == 0
        if self.outcome is Outcome.outside_validity and mended and int(decide(others)) == 0:
            assert self.xi_full is not None
            value, note = self.xi_full, " without the rotating-wave approximation"
        elif self.outcome is not Outcome.ok:
            return f"no verdict ({self.outcome.name})"
        return f"{value.verdict}: xi_g = {with_error(value)}{note}, separable states have xi_g >= 1"

    def __str__(self) -> str:
        return _table(self)

    def __repr__(self) -> str:
        return f"<Prediction of {self.lab.name}: {self.verdict}>"

    def plot(self, ax: Any, *, label: str | None = None, curve: int = 0) -> None:
        """Draw the budget as bars into axes: xi as it is, given the light, and without each imperfection."""
        if self.outcome > Outcome.outside_validity:
            ax.text(0.5, 0.5, f"no steady state: {self.outcome.name}", ha="center", transform=ax.transAxes)
            ax.set_axis_off()
            return
        bars = [("as it is", self.budget.xi), ("given the light", self.budget.conditional)]
        bars += [(f"no {r.name}", r.xi_without) for r in self.budget.rows if r.value > 0]
        places = np.arange(len(bars))[::-1]
        colours = [COLOURS[curve % len(COLOURS)]] + [COLOURS[5]] * (len(bars) - 1)
        ax.barh(places, [value for _, value in bars], color=colours, height=0.6, label=label)
        for place, (_, value) in zip(places, bars, strict=True):
            ax.text(value, place, f" {value:.3f}", va="center", fontsize=6.5)
        ax.set_yticks(places, [name for name, _ in bars])
        ax.axvline(1.0, color="0.4", linewidth=0.8, linestyle="--")
        ax.set_xlim(0, max(1.05, *(1.05 * value for _, value in bars)))
        ax.set_xlabel("EPR variance ξ (separable: at least 1)")

    def plot_force(self, ax: Any) -> None:
        """Draw the force noise of the read-out and the standard quantum limit into axes."""
        if self.force is None or self.limit is None:
            ax.text(0.5, 0.5, "no read-out of a steady state", ha="center", transform=ax.transAxes)
            ax.set_axis_off()
            return
        hertz = self.omega / (2 * pi)
        ax.loglog(hertz, self.force, DASHES[0], color=COLOURS[0], label="EPR read-out")
        ax.loglog(hertz, self.limit, DASHES[1], color=COLOURS[1], label="standard quantum limit")
        thermal = float(self.lab.experiment.rates.second.decoherence)
        ax.axhline(thermal, linestyle=DASHES[2], color=COLOURS[2], label="bath of M alone")
        ax.set(xlabel="frequency from resonance (Hz)", ylabel="noise of a force on M (quanta/s)")
        ax.legend()

    def to_dataset(self) -> xr.Dataset:
        """Labelled dataset: covariances, witnesses, budget and force noise, with provenance in its attributes."""
        from darkstate.records.dataset import to_dataset

        data = to_dataset(self.steady)
        data["covariance_conditional"] = (data.covariance.dims, np.asarray(self.conditional.state.covariance))
        data.covariance_conditional.attrs = {"units": "1", "long_name": "covariance given the measured light"}
        for name, (value, text) in _numbers(self).items():
            data[name] = ((), float(value), {"units": "1", "long_name": text})
        rows = self.budget.rows if self.outcome <= Outcome.outside_validity else ()
        data = data.assign_coords(imperfection=[r.name for r in rows])
        for name, text in (
            ("value", "value of the imperfection"),
            ("xi_without", "xi without it"),
            ("slope", "d ln xi/d"),
        ):
            data[f"budget_{name}"] = ("imperfection", [getattr(r, name) for r in rows], {"long_name": text})
        if self.force is not None:
            data = data.assign_coords(omega=("omega", self.omega, {"units": "rad/s"}))
            data["force_noise"] = ("omega", self.force, {"units": "1/s", "long_name": "force noise of the read-out"})
            data["force_noise_sql"] = ("omega", self.limit, {"units": "1/s", "long_name": "standard quantum limit"})
        lab = self.lab
        data.attrs.update(
            provenance.attrs(source=lab.path, lab_digest=lab.digest, case=lab.case, overrides=lab.overrides)
        )
        return data

    def save(self, folder: str | Path) -> list[Path]:
        """Write prediction.nc, .png, .pdf and .csv; returns their paths."""
        folder, data = Path(folder), self.to_dataset()

        figure, (left, right) = new_figure(2)
        self.plot(left)
        self.plot_force(right)
        figure.suptitle(headline(self.lab) + "".join(f", {text}" for text in self.lab.overrides), fontsize=8)
        written = [write_netcdf(folder / "prediction.nc", data)]
        written += save_figure(figure, folder / "prediction", ("png", "pdf"))
        lines = ["quantity,value", *(f"{name},{float(value):.12g}" for name, (value, _) in _numbers(self).items())]
        return [*written, write_atomic(folder / "prediction.csv", "\n".join(lines) + "\n")]


def predict_hybrid(lab: Lab) -> HybridPrediction:
    """Predict the entanglement of two oscillators in one light beam; `darkstate.predict` calls this.

    Example:
        >>> import darkstate as ds
        >>> print(f"{predict_hybrid(ds.load(ds.shipped_labs()['huang2018'])).xi.value:.6f}")
        0.351572
    """
    experiment, keys = lab.experiment, tuple(lab.uncertainties)
    steady, conditional, xi, xi_conditional = _solve(experiment)
    errors: Any = [None] * 3
    if keys:
        errors = _errors(experiment, keys, lab.uncertainties)
    full = xi_full = value = None
    if experiment.frequency is not None and int(steady.outcome) == 0:
        full, value = _solve_full(experiment)
        xi_full = WitnessValue(value, errors[2])
    checks = steady.checks | hybrid_checks(experiment, xi, value)
    steady = Solution(steady.state, None, jnp.maximum(steady.outcome, decide(checks)), checks)
    width = max(abs(float(experiment.rates.second.effective_linewidth)), 1e-300)
    omega = np.geomspace(width / 100, 10 * width, 121)
    force = limit = None
    if float(steady.checks["growth_rate"]) < 0 and experiment.detection.efficiency > 0:
        force = np.asarray(_force(experiment, omega))
        damping = float(experiment.rates.second.linewidth)
        limit = np.asarray(standard_quantum_limit(omega, frequency=0.0, damping=damping))
    return HybridPrediction(
        lab=lab,
        steady=steady,
        conditional=conditional,
        full=full,
        xi=WitnessValue(xi, errors[0]),
        xi_conditional=WitnessValue(xi_conditional, errors[1]),
        xi_full=xi_full,
        budget=budget(lab),
        omega=omega,
        force=force,
        limit=limit,
    )


@jax.jit
def _solve(experiment: SpinMechanics) -> tuple[Solution, Solution, Any, Any]:
    model, gain = experiment.model(), experiment.gain
    steady = steady_state(model, throw=False)
    conditional = condition(model, experiment.detector(), throw=False)
    return steady, conditional, epr_variance(steady.state, gain).value, epr_variance(conditional.state, gain).value


@jax.jit
def _force(experiment: SpinMechanics, omega: Any) -> Any:
    return force_noise(experiment.model(), "M", omega, experiment.detector())


@jax.jit
def _solve_full(experiment: SpinMechanics) -> tuple[Solution, Any]:
    full = steady_state(experiment.full_model(), throw=False)
    return full, epr_variance(full.state, experiment.gain).value


def _errors(experiment: SpinMechanics, keys: tuple[str, ...], sigma: Any) -> Any:
    """Standard uncertainties of xi, of the conditional xi and of xi without the rotating-wave approximation [3].

    To first order in those of the inputs; the last one repeats the first where no frequency is known.
    """

    def found(values: Any) -> Any:
        changed = with_values(experiment, dict(zip(keys, values, strict=True)))
        xi, conditional = _solve(changed)[2:]
        return jnp.stack([xi, conditional, xi if experiment.frequency is None else _solve_full(changed)[1]])

    slopes = jax.jit(jax.jacfwd(found))(jnp.array([value_at(experiment, key) for key in keys]))
    return jnp.sqrt(((slopes * jnp.array([sigma[key] for key in keys])) ** 2).sum(-1))


WITNESSES = {
    "gain_best": "gain that makes xi_g smallest",
    "xi_best_gain": "EPR variance at that gain",
    "log_negativity": "log-negativity in nats",
    "log_negativity_ebits": "log-negativity in ebits",
    "ppt": "smallest symplectic eigenvalue of the partial transpose, over the vacuum's",
    "product": "product of the EPR variances (separable: at least 1)",
    "steering_s_to_m": "S steers M below 1",
    "steering_m_to_s": "M steers S below 1",
    "purity": "purity of the state of both",
    "purity_conditional": "purity given the measured light",
    "teleportation_fidelity": "fidelity of a coherent state (classical: 1/2)",
}
"""What is asked of the steady state, and what it means."""


@jax.jit
def _witnesses(state: GaussianState, known: GaussianState) -> dict[str, Any]:
    gain, negativity = best_gain(state), log_negativity(state, "S")
    return {
        "gain_best": gain,
        "xi_best_gain": epr_variance(state, gain).value,
        "log_negativity": negativity.nats,
        "log_negativity_ebits": negativity.ebits,
        "ppt": negativity.smallest,
        "product": product_criterion(state, gain).value,
        "steering_s_to_m": steering(state, "S", "M").value,
        "steering_m_to_s": steering(state, "M", "S").value,
        "purity": purity(state),
        "purity_conditional": purity(known),
        "teleportation_fidelity": teleportation_fidelity(state),
    }


def _numbers(p: HybridPrediction) -> dict[str, tuple[Any, str]]:
    """Every number of the table, by the name it has in files."""
    values = _witnesses(p.steady.state, p.conditional.state)
    if p.outcome > Outcome.outside_validity:
        values = dict.fromkeys(values, np.nan)  # what was solved is no state
    found: dict[str, tuple[Any, str]] = {
        "xi": (
            p.xi.value if p.outcome <= Outcome.outside_validity else np.nan,
            "EPR variance xi_g (separable: at least 1)",
        ),
        "gain": (p.lab.experiment.gain, "gain g of xi"),
        "xi_conditional": (p.xi_conditional.value, "EPR variance given the measured light"),
        **{name: (values[name], text) for name, text in WITNESSES.items()},
    }
    if p.xi.uncertainty is not None:
        found["xi_err"] = (p.xi.uncertainty, "standard uncertainty of xi")
    if p.xi_full is not None:
        found["xi_full"] = (p.xi_full.value, "EPR variance without the rotating-wave approximation")
    return found


def _table(p: HybridPrediction) -> str:
    n = {name: float(value) for name, (value, _) in _numbers(p).items()}
    e, lab = p.lab.experiment, p.lab
    said = in_words(p.outcome)
    width = max(len("teleportation"), len("best settings"))
    rows = [("changed", text) for text in lab.overrides]
    if p.outcome > Outcome.outside_validity:
        rows += [("outcome", said), ("best settings", _best(e)), *(("warning", text) for text in e.warnings())]
        return "\n".join([headline(lab), *(f"  {name:<{width}}  {text}" for name, text in rows), f"  {p.verdict}"])
    given = "the read-out gain" if e.readout.gain is None else "the gain given,"
    of_xi = f"{with_error(p.xi)} ({float(p.xi.decibel):+.2f} dB) at {given} g = {n['gain']:.4g}"
    if p.xi_full is not None and float(p.steady.checks["rotating_wave"]) > LIMITS["rotating_wave"][0]:
        of_xi = f"{with_error(p.xi_full)}; all below is in the rotating-wave approximation, where it is {of_xi}"
    rows += [
        ("xi_g", of_xi),
        ("given light", f"{with_error(p.xi_conditional)}, efficiency {float(e.detection.efficiency):g}"),
        ("best gain", f"g = {n['gain_best']:.4g} gives xi_g = {n['xi_best_gain']:.4f}"),
        ("E_N", f"{n['log_negativity']:.4f} nats = {n['log_negativity_ebits']:.4f} ebits (2 nu~ = {n['ppt']:.4f})"),
        ("steering", f"S to M {n['steering_s_to_m']:.4f}, M to S {n['steering_m_to_s']:.4f}; below 1 = steerable"),
        ("purity", f"{n['purity']:.4f}, given the light {n['purity_conditional']:.4f}"),
        ("teleportation", f"fidelity {n['teleportation_fidelity']:.4f} of a coherent state; classical limit 0.5"),
        ("best settings", _best(e)),
        ("outcome", said),
        ("validity", _validity(p)),
    ]
    if p.force is not None and p.limit is not None:
        k = int(np.argmin(p.force / p.limit))
        rows.insert(
            -2,
            (
                "as a sensor",
                f"force noise on M {p.force[k] / p.limit[k]:.3f} of the standard quantum limit at "
                f"{p.omega[k] / (2 * pi):.4g} Hz from resonance",
            ),
        )
    if lab.uncertainties:
        rows.append(("uncertainty", f"of {', '.join(lab.uncertainties)}; all else is taken as exact"))
    rows += [("warning", text) for text in e.warnings()]
    table = [headline(lab), *(f"  {name:<{width}}  {text}" for name, text in rows)]
    return "\n".join([*table, "", str(p.budget), "", f"  {p.verdict}"])


def _best(e: SpinMechanics) -> str:
    """What the best angles and C_M would give."""
    best, xi = best_settings(jax.tree.map(lambda x: jnp.asarray(x, float), e.rates))
    if not float(xi) < 0.9999:
        return "no angles and no C_M entangle at the read-out gain"
    note = " without the mismatch" if e.field.mismatch else ""
    settings = f"theta_S = {float(best[0]):.5f}, theta_M = {float(best[1]):.5f}, C_M = {float(best[2]):.4g}"
    return f"{settings} would give xi_g = {float(xi):.4f}{note}"


def _validity(p: HybridPrediction) -> str:
    slowest = -float(p.steady.checks["growth_rate"])
    text = f"slowest decay {slowest:.3g} /s; rounding {float(p.steady.checks['rounding']):.0e}"
    if p.xi_full is None:
        return f"{text}; rotating-wave approximation not checked (no frequency)"
    error = float(p.steady.checks["rotating_wave"])
    full = float(p.xi_full.value)
    return f"{text}; rotating-wave approximation off by {100 * error:.2g} % (xi_g = {full:.4f} without it)"
