"""The prediction for two atoms in a tweezer (003): populations over time, the entangled state, what a count will show.

lab file -> AtomPair -> kinetic model -> P_0, P_1, P_2 (t) -> fidelity, Fisher information -> counts, expected error

Uncertainties in the lab file are carried through by Monte Carlo, see `pair_spread`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate import provenance
from darkstate.errors import Outcome
from darkstate.experiments.labfile import Lab
from darkstate.experiments.tweezer_pair import TweezerPair
from darkstate.pair.kinetic import kinetic_states
from darkstate.pair.sequence import gradient_mixing
from darkstate.pair.state import PairState, scrambled, symmetric_state
from darkstate.report.pair_spread import SEED, Spread, late_mean, spread
from darkstate.report.style import COLOURS, DASHES, new_figure, save_figure
from darkstate.solve.evolve import evolve
from darkstate.solve.solution import Solution
from darkstate.storage import write_atomic, write_netcdf
from darkstate.witness.fisher import ramsey_fisher
from darkstate.witness.spin_pair import fidelity
from darkstate.witness.value import WitnessValue

if TYPE_CHECKING:
    import xarray as xr

FEWEST = 1e-6
"""Share of prepared pairs in m = +-1 below which their fidelity is no statement about anything."""

LABELS = (r"$|0,0\rangle$", r"$|\chi_1\rangle$", r"$|\chi_2\rangle$")
"""The populations as legends name them."""


@dataclass(frozen=True, repr=False)
class PairPrediction:
    """What `predict` returns for a lab file of tweezer_pair; prints as a table.

    Args:
        lab: the lab file; solution: time evolution of the spin state of a pair with both atoms prepared.
        populations: P_|m| of |00>, chi_1, chi_2 with the nominal numbers [t 3]; contact: the same without effective
            range [t 3]; spread: what the uncertain numbers leave open, or None.
        destroyed: the state at the end after the destruction, or None.
    """

    lab: Lab
    solution: Solution
    populations: np.ndarray
    contact: np.ndarray
    spread: Spread | None
    destroyed: PairState | None

    @property
    def error(self) -> np.ndarray | None:
        """Standard uncertainty of the populations, half of their spread from 16 to 84 % [t 3], or None."""
        return None if self.spread is None else self.spread.error

    @property
    def shares(self) -> dict[str, float]:
        """Uncertainty of P_1 at the end by each uncertain number alone, largest first."""
        return {} if self.spread is None else self.spread.shares

    @property
    def late(self) -> WitnessValue:
        """Mean of P_1 over the last fifth of the time, with its uncertainty."""
        error = None if self.spread is None else self.spread.late
        return WitnessValue(float(late_mean(self.populations[:, 1])), error)

    @property
    def times(self) -> np.ndarray:
        """Time grid [t; s]."""
        return np.asarray(self.solution.times)

    @property
    def outcome(self) -> Outcome:
        """What the model rests on: the checks of the solution."""
        return Outcome(int(np.max(np.asarray(self.solution.outcome))))

    @property
    def state(self) -> PairState:
        """The state of a prepared pair at the end."""
        return PairState(self.solution.state.matrix[-1])

    @property
    def empty(self) -> bool:
        """Whether the end leaves no pairs in m = +-1 to speak of."""
        return not self.populations[-1, 1] >= FEWEST

    @cached_property
    def fidelity(self) -> WitnessValue:
        """Fidelity with chi_1 of the pairs in m = +-1, at the end."""
        return fidelity(self.state)

    @property
    def sector(self) -> WitnessValue:
        """Share of all pairs in m = +-1 at the end, misprepared pairs included, with its uncertainty."""
        value = float(self.lab.experiment.prepared_pairs) * self.populations[-1, 1]
        return WitnessValue(value, None if self.spread is None else self.spread.sector)

    @cached_property
    def fisher(self) -> tuple[float, float]:
        """Quantum Fisher information of the Ramsey sequence per pair: of all pairs, and of those in m = +-1."""
        every = float(self.lab.experiment.prepared_pairs) * float(ramsey_fisher(self.state).value)
        return every, float(ramsey_fisher(self.state, post_selected=True).value)

    @property
    def verdict(self) -> str:
        """One sentence; a bad outcome, or no pairs to speak of, gives no verdict."""
        if self.outcome is not Outcome.ok:
            return f"no verdict ({self.outcome.name})"
        if self.empty:
            share = self.populations[-1, 1]
            return f"no verdict: P_1 = {share:.1g} at the end, there are no pairs in m = +-1 whose entanglement counts"
        value = physical_fidelity(self.state)
        return (
            f"{self.fidelity.verdict} by symmetry: F = {value:.4f} of the pairs in m = +-1, q^2 P_1 = "
            f"{float(self.sector.value):.3g} of all; separable states have F <= 1/2"
        )

    def __str__(self) -> str:
        from darkstate.report.pair_table import table

        return table(self)

    def __repr__(self) -> str:
        return f"<Prediction of {self.lab.name}: {self.verdict}>"

    def plot(self, ax: Any) -> None:
        """Draw the populations over time into axes, with and without effective range."""
        t = self.times * 1e3
        for k, label in enumerate(LABELS):
            values = self.populations[:, k]
            ax.plot(t, values, DASHES[0], color=COLOURS[k], label=label)
            ax.plot(t, self.contact[:, k], DASHES[2], color=COLOURS[k])
            if self.spread is not None:
                band = self.spread.low[:, k], self.spread.high[:, k]
                ax.fill_between(t, *band, color=COLOURS[k], alpha=0.25, linewidth=0)
        ax.plot([], [], DASHES[2], color="0.3", label="no effective range")
        ax.set(xlim=(t[0], t[-1]), ylim=(0, 1), xlabel="collision time t (ms)", ylabel="population of prepared pairs")
        ax.legend(loc="upper right")

    def to_dataset(self) -> xr.Dataset:
        """Labelled dataset: populations over time, fidelity and Fisher information at the end, counts against theta."""
        from darkstate.report.pair_table import dataset

        data, lab = dataset(self), self.lab
        data.attrs = {
            **provenance.attrs(source=lab.path, lab_digest=lab.digest, case=lab.case, overrides=lab.overrides),
            "method": "kinetic model",
        }
        if self.spread is not None:
            data.attrs["seed"] = SEED
        return data

    def save(self, folder: str | Path) -> list[Path]:
        """Write prediction.nc, .png, .pdf and .csv; returns their paths."""
        folder, data = Path(folder), self.to_dataset()

        figure, (ax,) = new_figure()
        self.plot(ax)
        written = [write_netcdf(folder / "prediction.nc", data)]
        written += save_figure(figure, folder / "prediction", ("png", "pdf"))
        errors = np.full_like(self.populations, np.nan) if self.error is None else self.error
        lines = ["t_ms,p_00,p_chi_1,p_chi_2,p_chi_1_err"]
        for t, p, e in zip(self.times * 1e3, self.populations, errors[:, 1], strict=True):
            lines.append(f"{t:.9g}," + ",".join(f"{x:.12g}" for x in p) + ("," if np.isnan(e) else f",{e:.9g}"))
        return [*written, write_atomic(folder / "prediction.csv", "\n".join(lines) + "\n")]


def predict_pair(lab: Lab) -> PairPrediction:
    """Predict two atoms in a tweezer; `darkstate.predict` calls this.

    Args:
        lab: from `darkstate.load`, of the experiment tweezer_pair.

    Example:
        >>> import darkstate as ds
        >>> p = predict_pair(ds.load(ds.shipped_labs()["ruksasakchai2026"]))
        >>> print(f"P_1 = {p.populations[-1, 1]:.4f}, F = {p.fidelity.value:.4f}")
        P_1 = 0.3796, F = 1.0000
    """
    e = lab.experiment
    times = np.linspace(0.0, e.collisions.duration, e.collisions.points)
    solution = evolve(e.pair(), times, throw=False)
    destroyed = None if e.destruction is None else destroyed_state(e, PairState(solution.state.matrix[-1]))
    populations = contact = np.asarray(solution.state.populations)
    if e.collisions.mean_length:
        contact = np.asarray(evolve(e.pair(mean_length=0.0), times, throw=False).state.populations)
    return PairPrediction(lab, solution, populations, contact, spread(e, lab.uncertainties), destroyed)


def physical_fidelity(state: PairState) -> float:
    """Fidelity with chi_1 without what rounding puts above 1; 1 where there are no pairs, as symmetry has it.

    Example:
        >>> from darkstate.backend import jnp
        >>> physical_fidelity(symmetric_state(jnp.diag(jnp.array([1.0, 0.0, 0.0]))))
        1.0
    """
    found = float(state.fidelity)
    return 1.0 if np.isnan(found) else min(1.0, found)


def destroyed_state(e: TweezerPair, state: PairState) -> PairState:
    """The state after gradient and second tweezer: parity flips by each of both, one after the other.

    Args:
        e: an experiment with `destruction`; state: before it.
    """
    d: Any = e.destruction
    return scrambled(scrambled(state, gradient_flip(e)), d.scrambled)


def gradient_flip(e: TweezerPair) -> Any:
    """Chance that the gradient alone turns chi_1 into chi_-."""
    d: Any = e.destruction
    return gradient_mixing(e.well, d.gradient, e.atoms.temperature, e.species)


def final_state(e: TweezerPair, *, mean_length: Any = None) -> PairState:
    """Spin state of a prepared pair after the collisions, by the kinetic model; a JAX function of the experiment.

    Args:
        e: the experiment; mean_length: [m] in place of that of the lab file.
    """
    return symmetric_state(kinetic_states(e.pair(mean_length=mean_length), e.collisions.duration))
