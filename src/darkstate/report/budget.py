"""The entanglement budget: what each imperfection costs, and what a small change of it does.

    cost = xi - xi(imperfection removed),   slope = d ln xi/d(imperfection)

Everything else stays as it is: coupling rates and angles are those of the lab file, so that a row says what better
hardware alone would give; a gain that the light reads out follows the loss. Negative costs exist: an imperfection can
happen to help at fixed settings. Added noise is all decoherence beyond the vacuum's share of the net linewidth: a warm
bath, and for a membrane also light that its cavity loses.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.experiments.hybrid_rates import HybridRates, OscillatorRates
from darkstate.experiments.labfile import Lab
from darkstate.experiments.spin_mechanics import SpinMechanics, sideband_model
from darkstate.gaussian.detection import sideband_homodyne
from darkstate.solve.condition import condition
from darkstate.solve.steady_state import steady_state
from darkstate.witness.epr import epr_variance

NAMES = {
    "path loss": "eps",
    "added noise of S": "gt_S - gamma_S0/2",
    "added noise of M": "gt_M - gamma_M0/2",
    "resonance mismatch": "delta omega",
    "detection loss": "1 - eta",
}
"""The imperfections and their symbols; losses are power fractions, all others rates [1/s]."""


class Row(NamedTuple):
    """One imperfection: value, xi and conditional xi without it, and the slopes d ln xi/d(value) of both."""

    name: str
    symbol: str
    value: float
    xi_without: float
    slope: float
    conditional_without: float
    conditional_slope: float


class Budget(NamedTuple):
    """xi and conditional xi as they are, and one `Row` per imperfection."""

    xi: float
    conditional: float
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        columns = f"{'value':>12}{'xi without':>12}{'cost':>9}{'d ln xi/d value':>17}{'given light':>14}"
        lines = [f"  {'budget (rates in 1/s)':<22}{columns}"]
        for r in self.rows:
            cost = round(100 * (self.xi - r.xi_without) / self.xi, 1) + 0.0  # no minus zero
            lines.append(
                f"  {r.name:<22}{r.value:>12.4g}{r.xi_without:>12.4f}{cost:>8.1f}%{r.slope:>17.3g}"
                f"{r.conditional_without:>14.4f}"
            )
        lines.append(
            "  added noise: a warm bath, and light that a cavity loses; given light: xi given the measured light"
        )
        return "\n".join(lines)


def budget(lab: Lab) -> Budget:
    """What each imperfection of a spin-mechanics laboratory costs.

    Args:
        lab: from `darkstate.load`, of the experiment spin_mechanics.

    Returns:
        A `Budget`; prints as a table. "given light" is xi conditional on the measured light, without the imperfection.

    Raises:
        ArgumentError: another experiment.

    Example:
        >>> import darkstate as ds
        >>> table = budget(ds.load(ds.shipped_labs()["huang2018"], case="cs100-loss"))
        >>> print(f"{table.xi:.6f}, without loss {table.rows[0].xi_without:.6f}")
        0.203128, without loss 0.132844
    """
    experiment = lab.experiment
    if not isinstance(experiment, SpinMechanics):
        raise ArgumentError(
            f"A budget needs a lab file of spin_mechanics, but {lab.path} describes {type(experiment).__name__}."
        )
    rates = experiment.rates
    values = jnp.array(
        [
            rates.loss,
            *(o.decoherence - abs(o.linewidth) / 2 for o in (rates.first, rates.second)),
            2 * np.pi * experiment.field.mismatch,
            1 - experiment.detection.efficiency,
        ],
        float,
    )
    numbers = jax.tree.map(
        lambda x: jnp.asarray(x, float), (rates, experiment.detection.angle, experiment.readout.gain)
    )
    (now, slopes), without = _evaluate(*numbers, values)
    rows = tuple(
        Row(
            name,
            symbol,
            *(float(x) for x in (values[k], without[k, 0], slopes[0, k], without[k, 1], slopes[1, k])),
        )
        for k, (name, symbol) in enumerate(NAMES.items())
    )
    return Budget(float(now[0]), float(now[1]), rows)


@jax.jit
def _evaluate(rates: HybridRates, angle: Any, given_gain: Any, values: Any) -> Any:
    """xi and conditional xi, their logarithmic slopes, and both with one value after the other set to 0."""

    def xi(values: Any) -> Any:
        loss, thermal_s, thermal_m, mismatch, unseen = values
        changed = HybridRates(_warmed(rates.first, thermal_s), _warmed(rates.second, thermal_m), loss)
        model = sideband_model(changed, mismatch)
        gain = changed.readout_gain if given_gain is None else given_gain
        detector = sideband_homodyne("M.upper", "M.lower", angle=angle, efficiency=1 - unseen)
        states = steady_state(model, throw=False).state, condition(model, detector, throw=False).state
        return jnp.stack([epr_variance(state, gain).value for state in states])

    # Forward derivatives carry the values along: one compiled copy of the solvers instead of two.
    slopes, now = jax.jacfwd(lambda v: (xi(v),) * 2, has_aux=True)(values)
    removed = values[None, :] * (1 - jnp.eye(len(NAMES)))
    return (now, slopes / now[:, None]), jax.lax.map(xi, removed)


def _warmed(oscillator: OscillatorRates, thermal: Any) -> OscillatorRates:
    """The oscillator with a thermal decoherence beside the vacuum's share of its linewidth."""
    return dataclasses.replace(oscillator, decoherence=thermal + jnp.abs(jnp.asarray(oscillator.linewidth)) / 2)
