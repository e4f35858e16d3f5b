"""What the paper figures share: curves of every variant from a shipped lab file, and the two files of a figure."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from darkstate import provenance
from darkstate.backend import jax, jnp
from darkstate.experiments import TwoCells
from darkstate.experiments.labfile import load, shipped_labs
from darkstate.experiments.values import with_values
from darkstate.report.style import save_figure
from darkstate.solve.evolve import evolve
from darkstate.solve.methods import VARIANTS, AdiabaticClosedForm, MomentEquations
from darkstate.spins.protocol import Protocol
from darkstate.spins.state import SpinState
from darkstate.storage import write_netcdf
from darkstate.witness.epr import epr_variance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABELS = {"corrected": "corrected", "paper_ode": "paper's equations", "eq21": "paper's Eq. (21)"}
"""Variants as legends name them."""


def lab(name: str, case: str | None = None) -> Any:
    """The experiment of a lab file shipped with darkstate."""
    return load(shipped_labs()[name], case=case).experiment


def grid() -> Any:
    """0 to 60 ms in steps of 0.25 ms [s]."""
    return jnp.linspace(0.0, 60e-3, 241)


@partial(jax.jit, static_argnames=("variant", "key"))
def states(
    experiment: TwoCells, times: Any, variant: str, key: str, values: Any, protocol: Protocol | None = None
) -> SpinState:
    """States over time for every value of one parameter [value t 2]."""

    def one(value: Any) -> SpinState:
        method: Any = VARIANTS[variant]
        if not isinstance(method, AdiabaticClosedForm):
            method = MomentEquations(variant=method.variant, substeps=2)
        model = with_values(experiment, {key: value}).model()
        return evolve(model, times, protocol=protocol, method=method, throw=False).state

    return jax.vmap(one)(values)


def xi_curves(experiment: TwoCells, key: str, values: list[float], times: Any) -> np.ndarray:
    """xi(t) of every variant and every value of one parameter [variant value t]."""
    curves = [epr_variance(states(experiment, times, v, key, jnp.array(values))).value for v in VARIANTS]
    return np.stack(curves)


def time_axis(times: Any) -> tuple[str, np.ndarray, dict[str, str]]:
    """The coordinate t of a figure's dataset."""
    return ("t", np.asarray(times), {"units": "s", "long_name": "time"})


def dataset(
    variables: dict[str, tuple[tuple[str, ...], Any, str]], coords: dict[str, Any], *, source: str
) -> xr.Dataset:
    """A figure's numbers with names, units and provenance.

    Args:
        variables: name to (axes, values, meaning), all dimensionless; coords: as xarray takes them; source: lab name.
    """
    data = xr.Dataset(
        {name: (axes, np.asarray(v), {"units": "1", "long_name": text}) for name, (axes, v, text) in variables.items()},
        coords=coords,
    )
    file = load(shipped_labs()[source])
    data.attrs = provenance.attrs(source=file.path, lab_digest=file.digest)
    return data


def write(name: str, data: xr.Dataset, drawing: Figure, folder: Path) -> list[Path]:
    """Write NAME.nc and NAME.png, each whole or not at all."""
    data.attrs["figure"] = name

    return [write_netcdf(folder / f"{name}.nc", data), *save_figure(drawing, folder / name)]
