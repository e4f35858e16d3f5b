"""How much drive power is best: xi of a laboratory against the power of its laser, everything else as it is.

Light makes all of its rates together, relaxation in the dark stays: more power is better against the dark, until what
does not scale with it (pump light, the Larmor splitting) sets the limit. Down: `solve`; up: `prediction`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.experiments import TwoCells
from darkstate.experiments.cesium_cells import CesiumCells
from darkstate.experiments.grid import fastest_rate
from darkstate.experiments.two_cells import worse_checks
from darkstate.experiments.values import value_at, with_values
from darkstate.report.style import COLOURS, DASHES, separable_line
from darkstate.solve.checks import decide
from darkstate.solve.evolve import evolve, substeps_for
from darkstate.solve.methods import MomentEquations
from darkstate.solve.steady_state import steady_state
from darkstate.witness.epr import epr_variance

POINTS = 41
TIMES = 241
SPAN = 10.0
"""The scan runs from a tenth of the laboratory's power to ten times it."""


@dataclass(frozen=True)
class PowerScan:
    """xi against drive power.

    Args:
        power: [power; W]; at: of the laboratory [W].
        xi_min: smallest xi(t) of the protocol [power]; xi_steady: of the steady state with all light on [power].

    Both are not a number where a check of the rates or of the solution fails.
    """

    power: np.ndarray
    at: float
    xi_min: np.ndarray
    xi_steady: np.ndarray

    def best(self, xi: np.ndarray) -> tuple[float, float, bool]:
        """Power of the smallest value [W], the value, and whether it lies inside the scan."""
        known = np.nonzero(np.isfinite(xi))[0]
        k = int(np.nanargmin(xi))
        return float(self.power[k]), float(xi[k]), bool(known[0] < k < known[-1])

    @property
    def steady_entangled(self) -> bool:
        """Whether the steady state is entangled at some power."""
        return bool(np.any(self.xi_steady < 1))

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Lines for the table of a prediction."""
        known = self.power[np.isfinite(self.xi_min)]
        if len(known) == 0:
            return []
        scanned = f"{1e3 * known[0]:.3g} to {1e3 * known[-1]:.3g} mW scanned"
        rows = [("drive power", f"{scanned}: {self._said(self.xi_min)}")]
        if self.steady_entangled:
            rows.append(("", f"steady state: {self._said(self.xi_steady)}"))
        return rows

    def _said(self, xi: np.ndarray) -> str:
        power, value, inside = self.best(xi)
        known = np.isfinite(xi)
        level = xi[known] <= value + 1e-4
        if value >= 1:
            return "never below 1 at any power"
        if level.all():
            return f"xi = {value:.4f} at every power"
        if level[-3:].all() and level[int(level.argmax()) :].all():
            return f"xi = {value:.4f} from {1e3 * float(self.power[known][level.argmax()]):.2g} mW on"
        if inside:
            return f"smallest xi = {value:.4f} at {1e3 * power:.3g} mW"
        more = "more" if power > self.at else "less"
        return f"no optimum, {more} is better, down to xi = {value:.4f} at {1e3 * power:.3g} mW"

    def plot(self, ax: Any) -> None:
        """Draw xi against power, the steady state too where it is entangled, and the laboratory's power."""
        curves = [(self.xi_min, "smallest ξ(t)")]
        if self.steady_entangled:
            curves.append((self.xi_steady, "steady state"))
        for k, (xi, label) in enumerate(curves):
            ax.plot(1e3 * self.power, xi, DASHES[k], color=COLOURS[k], label=label)
        ax.axvline(1e3 * self.at, color="0.6", linewidth=0.8)
        ax.annotate("as it is", (1e3 * self.at, 0.02), xycoords=("data", "axes fraction"), xytext=(2, 0),
                    textcoords="offset points", fontsize=6, color="0.35")  # fmt: skip
        ends = [float(np.nanmin(xi)) for xi, _ in curves]
        ax.set(xscale="log", xlim=(1e3 * self.power[0], 1e3 * self.power[-1]), ylim=(min(ends) - 0.05, 1.15))
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.set(xlabel="drive power $P$ (mW)", ylabel="EPR variance ξ")
        separable_line(ax)
        ax.legend(loc="upper right")


def power_scan(experiment: TwoCells) -> PowerScan | None:
    """Scan the power of the laser, in both cells alike.

    None where the lab file has no laser, a protocol of several segments, or a Gamma-tilde measured at one power
    (`noise.gamma_tilde`).

    Example:
        >>> import darkstate as ds
        >>> scan = power_scan(ds.load(ds.shipped_labs()["krauter2011-lab"]).experiment)
        >>> known = scan.xi_min[np.isfinite(scan.xi_min)]
        >>> bool(np.all(np.diff(known) <= 0))  # scattering alone gives no optimum: more power is better
        True
    """
    measured = isinstance(experiment, CesiumCells) and experiment.noise is not None
    if experiment.laser is None or experiment.protocol.duration is None or measured:
        return None
    at = float(experiment.laser.power)
    power = at * np.geomspace(1 / SPAN, SPAN, POINTS)
    # fine steps first: strong light squeezes early
    times = float(experiment.protocol.duration) * np.linspace(0.0, 1.0, TIMES) ** 3
    substeps = substeps_for(SPAN * fastest_rate(experiment), float(times[-1] - times[-2]))
    xi_min, xi_steady = _scan(experiment, jnp.array(power), jnp.array(times), at, substeps)
    return PowerScan(power, at, np.asarray(xi_min), np.asarray(xi_steady))


@partial(jax.jit, static_argnames=("substeps",))
def _scan(experiment: TwoCells, powers: Any, times: Any, at: float, substeps: int) -> tuple[Any, Any]:
    def one(power: Any) -> tuple[Any, Any]:
        scanned = with_values(experiment, {key: value_at(experiment, key) * power / at for key in _powers(experiment)})
        model = scanned.model()
        course = evolve(model, times, method=MomentEquations(substeps=substeps), throw=False)
        steady = steady_state(model, throw=False)
        light = decide(worse_checks(scanned))

        def trusted(xi: Any, outcome: Any) -> Any:
            return jnp.where((outcome == 0) & (light == 0), xi, jnp.nan)

        smallest = epr_variance(course.state).value.min()
        return trusted(smallest, course.outcome), trusted(epr_variance(steady.state).value, steady.outcome)

    return jax.vmap(one)(powers)


def _powers(experiment: TwoCells) -> list[str]:
    """The powers that are scaled together."""
    return ["laser.power", *(f"second.{key}" for key in experiment.second if key == "laser.power")]
