"""Figures 3 and 4 of Muschik, Polzik and Cirac, Phys. Rev. A 83, 052312 (2011), here 001: steady states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.experiments.values import with_values
from darkstate.report.papers.curves import dataset, lab
from darkstate.report.style import COLOURS, DASHES, new_figure, separable_line
from darkstate.solve.optimum import optimum
from darkstate.solve.steady_state import steady_state
from darkstate.spins.state import SpinState
from darkstate.witness.epr import epr_variance

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

DEPHASING = (0.0, 2.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0)
"""Gamma_d_add in units of Gamma."""

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
