"""Turn a Solution into a labelled xarray.Dataset: names, units and meanings travel with the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from darkstate.errors import ArgumentError, Outcome
from darkstate.gaussian.state import GaussianState
from darkstate.solve.solution import Solution
from darkstate.witness.epr import derived


def to_dataset(solution: Solution) -> xr.Dataset:
    """Witness, spin lengths, populations and outcome of a time evolution; covariance and mean of Gaussian states.

    Args:
        solution: from `evolve`, one parameter point; or any solution with a `GaussianState`.

    Returns:
        Dataset over t [s] and ensemble ("I", "II"): xi, xi_g, gain, polarization, up, down, h, and the outcome code;
        for Gaussian states over (t and) the quadratures: covariance, mean, outcome and every check.

    Raises:
        ArgumentError: the solution is a steady state of spin ensembles, which has no time axis.

    Example:
        >>> from darkstate.experiments.two_level_ensembles import *
        >>> from darkstate.solve.evolve import evolve
        >>> lab = TwoLevelEnsembles(Ensembles(optical_depth=30), Drive(rate=1.0, z=1.5))
        >>> sorted(to_dataset(evolve(lab.model(), [0.0, 0.1])).data_vars)
        ['down', 'gain', 'h', 'outcome', 'polarization', 'up', 'xi', 'xi_g']
    """
    if isinstance(solution.state, GaussianState):
        return _gaussian(solution)
    if solution.times is None:
        raise ArgumentError("Argument `solution` must come from evolve; a steady state has no time axis.")
    state = solution.state
    xi, xi_g, gain, polarization = derived(state)

    def over_time(values: Any, text: str) -> tuple[str, np.ndarray, dict[str, str]]:
        return ("t", np.asarray(values), {"units": "1", "long_name": text})

    def per_ensemble(values: Any, text: str) -> tuple[tuple[str, str], np.ndarray, dict[str, str]]:
        return (("t", "ensemble"), np.asarray(values), {"units": "1", "long_name": text})

    return xr.Dataset(
        {
            "xi": over_time(xi, "EPR variance (separable: at least 1)"),
            "xi_g": over_time(xi_g, "EPR variance with the best gain (separable: at least 1)"),
            "gain": over_time(gain, "best gain of the spin of ensemble II"),
            "polarization": per_ensemble(polarization, "polarisation P_2 in the two-level subsystem"),
            "up": per_ensemble(state.moments.up, "fraction of atoms in |up>"),
            "down": per_ensemble(state.moments.down, "fraction of atoms in |down>"),
            "h": per_ensemble(state.moments.h, "fraction of atoms in |h>"),
            "outcome": ((), int(solution.outcome), {"flag_meanings": " ".join(o.name for o in Outcome)}),
        },
        coords={"t": ("t", np.asarray(solution.times), {"units": "s"}), "ensemble": ["I", "II"]},
    )


def _gaussian(solution: Solution) -> xr.Dataset:
    state = solution.state
    time = () if solution.times is None else ("t",)
    names = [f"{letter}_{mode}" for mode in state.modes for letter in ("X", "P")]
    checks = {
        f"check_{name}": ((), float(value), {"long_name": f"check {name}, see darkstate.solve.checks"})
        for name, value in solution.checks.items()
    }
    mean = (*time, "quadrature"), np.asarray(state.mean), {"units": "1", "long_name": "mean"}
    axes = (*time, "quadrature", "quadrature_2")
    covariance = axes, np.asarray(state.covariance), {"units": "1", "long_name": "covariance, vacuum 1/2"}
    outcome = (), int(solution.outcome), {"flag_meanings": " ".join(o.name for o in Outcome)}
    coords: dict[str, Any] = {"quadrature": names, "quadrature_2": names}
    if time:
        coords["t"] = ("t", np.asarray(solution.times), {"units": "s"})
    return xr.Dataset(
        {"covariance": covariance, "mean": mean, "outcome": outcome, **checks},
        coords=coords,
        attrs={"convention": str(state.convention)},
    )
