"""Figures 3, 4, 7, 8 of Muschik, Polzik and Cirac, Phys. Rev. A 83, 052312 (2011), here 001, and Z of alkali lines."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate.atoms.light import light_rates
from darkstate.atoms.species import line
from darkstate.atoms.validity import nearest_detuning
from darkstate.backend import jax, jnp
from darkstate.experiments.values import with_values
from darkstate.report.papers.curves import dataset, lab
from darkstate.report.style import COLOURS, DASHES, new_figure, separable_line
from darkstate.solve.evolve import evolve
from darkstate.solve.methods import AdiabaticClosedForm, MomentEquations
from darkstate.solve.optimum import optimum
from darkstate.solve.steady_state import steady_state
from darkstate.spins.state import SpinState
from darkstate.witness.epr import epr_variance

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

DEPHASING = (0.0, 2.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0)
"""Gamma_d_add in units of Gamma."""

VARIANTS_OF_RAYLEIGH = {"V1": "elastic rates added (001)", "V3": "elastic amplitudes subtracted"}
"""Variants of the dephasing by elastic scattering, and what panels call them."""

LINES = {"133Cs-D2": ("133Cs", "D2"), "87Rb-D2": ("87Rb", "D2"), "85Rb-D2": ("85Rb", "D2")}
"""Lines of the figure of Z."""

Z_RANGE = (1.0, 5.0)
DEPHASING_AXIS = ("gamma_d_add", list(DEPHASING), {"units": "1", "long_name": "added dephasing, in units of Gamma"})


def _state(dephasing: Any, x: Any, z: Any) -> SpinState:
    values = {"noise.gamma_d_add": dephasing, "pump.x": x, "drive.z": z}
    return steady_state(with_values(lab("muschik2011"), values).model(), throw=False).state


def _xi(dephasing: Any, x: Any, z: Any) -> Any:
    return epr_variance(_state(dephasing, x, z)).value


def fig3() -> tuple[xr.Dataset, Figure]:
    """Steady-state xi against Z without pump, and the polarisation with x = 0 and 5 (inset of 001 Fig. 4)."""
    z = jnp.linspace(*Z_RANGE, 401)
    over_z = jax.vmap(_xi, (None, None, 0))
    xi = np.asarray(jax.jit(jax.vmap(over_z, (0, None, None)))(jnp.array(DEPHASING), 0.0, z))
    pumps = [0.0, 5.0]
    polarization = jax.vmap(jax.vmap(lambda x, z: _state(0.0, x, z).polarization[0], (None, 0)), (0, None))
    p = np.asarray(jax.jit(polarization)(jnp.array(pumps), z))
    data = dataset(
        {
            "xi": (("gamma_d_add", "z"), xi, "steady-state EPR variance (separable: at least 1), x = 0"),
            "polarization": (("x", "z"), p, "steady-state polarisation P_2"),
        },
        {
            "gamma_d_add": DEPHASING_AXIS,
            "z": ("z", np.asarray(z), {"units": "1", "long_name": "squeezing parameter Z"}),
            "x": ("x", pumps, {"units": "1", "long_name": "pump parameter"}),
        },
        source="muschik2011",
    )
    figure, (left, right) = new_figure(2)
    for k, dephasing in enumerate((0.0, 2.0, 5.0, 10.0, 20.0)):
        left.plot(z, data.xi.sel(gamma_d_add=dephasing), DASHES[k % 4], color=COLOURS[k], label=f"{dephasing:g}")
    separable_line(left)
    left.set(xlim=Z_RANGE, ylim=(0.5, 2.0), xlabel="squeezing parameter $Z$", ylabel=r"steady-state $\xi_\infty$")
    left.legend(title=r"$\Gamma_d^{\rm add}/\Gamma$", title_fontsize=6.5, ncols=2, loc="lower right")
    for k, x in enumerate(pumps):
        right.plot(z, data.polarization.sel(x=x), DASHES[k], color=COLOURS[k], label=f"$x$ = {x:g}")
    right.set(xlim=Z_RANGE, ylim=(0, 1), xlabel="squeezing parameter $Z$", ylabel=r"polarisation $P_{2,\infty}$")
    right.legend()
    return data, figure


def fig4() -> tuple[xr.Dataset, Figure]:
    """Smallest steady-state xi over Z, and the Z that gives it, against the pump parameter."""
    x = jnp.linspace(0.0, 10.0, 101)

    def best(dephasing: Any, x: Any) -> tuple[Any, Any]:
        return optimum(lambda z: _xi(dephasing, x, z), *Z_RANGE)

    over_x = jax.vmap(best, (None, 0))
    z_opt, xi_opt = (np.asarray(a) for a in jax.jit(jax.vmap(over_x, (0, None)))(jnp.array(DEPHASING), x))
    data = dataset(
        {
            "xi_opt": (("gamma_d_add", "x"), xi_opt, "smallest steady-state EPR variance over Z from 1 to 5"),
            "z_opt": (("gamma_d_add", "x"), z_opt, "squeezing parameter Z at which it is reached"),
        },
        {"gamma_d_add": DEPHASING_AXIS, "x": ("x", np.asarray(x), {"units": "1", "long_name": "pump parameter"})},
        source="muschik2011",
    )
    figure, (left, right) = new_figure(2)
    for k, dephasing in enumerate((15.0, 20.0, 25.0, 30.0, 35.0)):
        for ax, name in ((left, "xi_opt"), (right, "z_opt")):
            curve = data[name].sel(gamma_d_add=dephasing)
            ax.plot(x, curve, DASHES[k % 4], color=COLOURS[k], label=f"{dephasing:g}")
    separable_line(left)
    left.set(xlim=(0, 10), ylim=(0.7, 1.05), xlabel="pump parameter $x$", ylabel=r"$\xi_\infty$ at the best $Z$")
    right.set(xlim=(0, 10), xlabel="pump parameter $x$", ylabel="best $Z$")
    right.legend(title=r"$\Gamma_d^{\rm add}/\Gamma$", title_fontsize=6.5)
    return data, figure


CESIUM_DEPHASING = (0.0, 2.0, 5.0, 10.0, 20.0)
"""Gamma_d_add of the caesium figures, in units of Gamma."""

_CESIUM_AXES = {
    "variant": ("variant", list(VARIANTS_OF_RAYLEIGH), {"long_name": "dephasing by elastic scattering"}),
    "gamma_d_add": ("gamma_d_add", list(CESIUM_DEPHASING), DEPHASING_AXIS[2]),
}


def _cesium(variant: str, dephasing: Any, repump: Any) -> Any:
    values = {"laser.rayleigh": variant, "laser.gamma_d_add": dephasing, "pump_light.repump_ratio": repump}
    return with_values(lab("muschik2011-cesium"), values)


def _cesium_curves(xi: Callable[[str, Any], Any]) -> np.ndarray:
    """xi(variant, gamma_d_add) as an array [variant gamma_d_add ...]."""
    dephasing = jnp.array(CESIUM_DEPHASING)
    return np.stack([jax.jit(jax.vmap(partial(xi, variant)))(dephasing) for variant in VARIANTS_OF_RAYLEIGH])


def _cesium_panels(data: xr.Dataset, axis: str, **labels: str) -> Figure:
    """xi against an axis from 0 to 1, a panel per variant."""
    figure, axes = new_figure(2)
    for ax, (variant, title) in zip(axes, VARIANTS_OF_RAYLEIGH.items(), strict=True):
        for k, g in enumerate(CESIUM_DEPHASING):
            curve = data.xi.sel(variant=variant, gamma_d_add=g)
            ax.plot(data[axis], curve, DASHES[k % 4], color=COLOURS[k], label=f"{g:g}")
        separable_line(ax)
        ax.set(xlim=(0, 1), ylim=(0.7, 1.1), title=title, **labels)
    axes[1].legend(title=r"$\Gamma_d^{\rm add}/\Gamma$", title_fontsize=6.5, ncols=2)
    return figure


def fig7() -> tuple[xr.Dataset, Figure]:
    """Steady-state xi of caesium against the repump light, with the weakest pump that keeps 95 % in |up>."""
    repump = jnp.linspace(0.01, 1.0, 100)

    def xi(variant: str, dephasing: Any) -> Any:
        def one(x: Any) -> Any:
            return epr_variance(steady_state(_cesium(variant, dephasing, x).model(), throw=False).state).value

        return jax.vmap(one)(repump)

    long_name = "repump parameter, Omega_repump^2/Omega_pump^2"
    data = dataset(
        {"xi": (("variant", "gamma_d_add", "x_repump"), _cesium_curves(xi), "steady-state EPR variance, d = 30")},
        {**_CESIUM_AXES, "x_repump": ("x_repump", np.asarray(repump), {"units": "1", "long_name": long_name})},
        source="muschik2011-cesium",
    )
    labels = {"xlabel": r"repump parameter $x_{\rm repump}$", "ylabel": r"steady-state $\xi_\infty$"}
    return data, _cesium_panels(data, "x_repump", **labels)


def fig8() -> tuple[xr.Dataset, Figure]:
    """xi of caesium over time without repump light: a quasi-steady state, then the loss of the atoms."""
    t = jnp.linspace(0.0, 1.0, 401)

    def xi(method: Any, variant: str, dephasing: Any) -> Any:
        experiment = _cesium(variant, dephasing, 0.0)
        state = evolve(experiment.model(), t / experiment.light.gamma, method=method, throw=False).state
        return epr_variance(state).value

    axes = ("variant", "gamma_d_add", "t")
    corrected, printed = (
        _cesium_curves(partial(xi, method)) for method in (MomentEquations(substeps=8), AdiabaticClosedForm())
    )
    data = dataset(
        {
            "xi": (axes, corrected, "EPR variance without repump light, corrected equations"),
            "xi_eq21": (axes, printed, "the same by the paper's closed form (21), (23)"),
        },
        {**_CESIUM_AXES, "t": ("t", np.asarray(t), {"units": "1/Gamma", "long_name": "time"})},
        source="muschik2011-cesium",
    )
    return data, _cesium_panels(data, "t", xlabel=r"time $t$ (1/$\Gamma$)", ylabel=r"$\xi(t)$")


def z() -> tuple[xr.Dataset, Figure]:
    """Z against detuning for x and y light on the D2 lines, without a field; nan where |nu| >= |mu| or on resonance."""
    detuning = jnp.linspace(-2000.0, 2000.0, 801)

    def curve(name: str, polarization: str) -> np.ndarray:
        atomic_line = line(*LINES[name])
        rates = light_rates(atomic_line, detuning_hz=1e6 * detuning, polarization=polarization, rabi=1.0)
        away = nearest_detuning(atomic_line, 1e6 * detuning)
        found = np.where(away > atomic_line.natural_width / (4 * np.pi), rates.z, np.nan)
        return np.where(np.isfinite(found), found, np.nan)

    values = np.array([[curve(name, p) for p in ("x", "y")] for name in LINES])
    data = dataset(
        {"z": (("species", "polarization", "detuning_mhz"), values, "squeezing parameter Z = 1/(|mu| - |nu|)")},
        {
            "species": ("species", list(LINES), {"long_name": "line"}),
            "polarization": ("polarization", ["x", "y"], {"long_name": "polarisation: x along the field, y across it"}),
            "detuning_mhz": (
                "detuning_mhz",
                np.asarray(detuning),
                {"units": "MHz", "long_name": "detuning from F = I + 1/2 to the highest F', positive = blue"},
            ),
        },
        source="muschik2011-cesium",
    )
    figure, axes = new_figure(2)
    for ax, p in zip(axes, ("y", "x"), strict=True):
        for k, name in enumerate(LINES):
            ax.plot(detuning, data.z.sel(species=name, polarization=p), DASHES[k], color=COLOURS[k], label=name)
        ax.set(xlim=(-2000, 2000), ylim=(1, 5), title=f"{p} light", xlabel="detuning (MHz)")
        ax.set(ylabel="squeezing parameter $Z$")
    axes[0].legend(loc="upper left")
    return data, figure
