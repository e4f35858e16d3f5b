"""Figures 2 and 3 of Huang et al., Phys. Rev. Lett. 121, 103602 (2018), here 004: spin and membrane in one light beam.

Every point is an optimum over the coupling angles, and in Fig. 3 over C_M too, with the read-out gain of 004 Eq. (8).
"""

from __future__ import annotations

from functools import partial
from math import log, pi
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.experiments.spin_mechanics import SpinMechanics
from darkstate.experiments.values import with_values
from darkstate.gaussian.closed_forms import cascade_xi
from darkstate.report.papers.curves import dataset, lab
from darkstate.report.style import COLOURS, new_figure, separable_line
from darkstate.solve.condition import condition
from darkstate.solve.optimum import optimum
from darkstate.witness.epr import epr_variance

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOSSES = (0.0, 0.1)
"""eps, solid and dashed in 004 Fig. 3."""

C_S = np.union1d(np.geomspace(0.7, 1500.0, 119), [10.0, 100.0])
"""Horizontal axis of Fig. 3, with the two points that docs and tests quote."""

DEPTH = (log(1e-5), 0.0)
"""Bounds of log[(theta - edge)/(pi/2 - edge)]: the best theta_S lies ever closer to the edge as C_S grows."""

LOG_C_M = (log(1e-2), log(1e6))

XI = "steady-state EPR variance xi_g with the read-out gain (separable: at least 1)"
LABEL_S, LABEL_M = "spin cooperativity $C_S$", "motional cooperativity $C_M$"


class Best(NamedTuple):
    """The smallest xi and where it is reached: theta_S, theta_M [rad] and C_M, all of one shape."""

    xi: Any
    theta_s: Any
    theta_m: Any
    c_m: Any


def pair(eps: Any, c_s: Any, theta_s: Any, c_m: Any, theta_m: Any) -> SpinMechanics:
    """The experiment of 004 Fig. 3 with these values."""
    values = {"path.loss": eps, "spin.cooperativity": c_s, "spin.theta": theta_s}
    values |= {"mechanics.cooperativity": c_m, "mechanics.theta": theta_m}
    return with_values(lab("huang2018"), values)


def xi(eps: Any, c_s: Any, theta_s: Any, c_m: Any, theta_m: Any) -> Any:
    """Unconditional xi_g (004 Eqs. 7, 8); not a number where there is no steady state."""
    rates = pair(eps, c_s, theta_s, c_m, theta_m).rates
    return cascade_xi(rates, rates.readout_gain)


def xi_given_record(eps: Any, c_s: Any, theta_s: Any, c_m: Any, theta_m: Any) -> Any:
    """Conditional xi_g: the P_L sidebands behind the membrane are measured, efficiency 1."""
    experiment = pair(eps, c_s, theta_s, c_m, theta_m)
    state = condition(experiment.model(), experiment.detector(), throw=False).state
    return epr_variance(state, experiment.gain).value


def spin_edge(c_s: Any) -> Any:
    """The theta_S [rad] at which gamma_S = gamma_S0 - Gamma_S cos 2 theta_S vanishes; 0 if it never does."""
    spin = pair(0.0, c_s, 0.0, 1.0, 0.0).rates.first
    return jnp.arccos(jnp.minimum(spin.linewidth / spin.rate, 1.0)) / 2


def _angle(edge: Any, depth: Any) -> Any:
    return edge + (pi / 2 - edge) * jnp.exp(depth)


# The membrane has no linewidth of its own here, so its edge is pi/4.
_membrane_angle = partial(_angle, pi / 4)


def _bounds(*pairs: tuple[float, float]) -> Any:
    return jnp.array(pairs).T


@jax.jit
@jnp.vectorize
def best_angles(eps: Any, c_s: Any, c_m: Any) -> Best:
    """`Best` over both angles at given C_M; arguments of any shapes that broadcast."""
    edge = spin_edge(c_s)

    def value(x: Any) -> Any:
        return xi(eps, c_s, _angle(edge, x[0]), c_m, _membrane_angle(x[1]))

    x, least = optimum(value, *_bounds(DEPTH, DEPTH))
    return Best(least, _angle(edge, x[0]), _membrane_angle(x[1]), c_m)


@jax.jit
@jnp.vectorize
def best_angle(eps: Any, c_s: Any, c_m: Any) -> Any:
    """Smallest xi over one angle theta_S = theta_M, that is R = 0, at given C_M."""

    def value(depth: Any) -> Any:
        theta = _membrane_angle(depth)
        return xi(eps, c_s, theta, c_m, theta)

    return optimum(value, *DEPTH)[1]


@jax.jit
@jnp.vectorize
def best(eps: Any, c_s: Any) -> Best:
    """`Best` over both angles and C_M."""
    edge = spin_edge(c_s)

    def value(x: Any) -> Any:
        return xi(eps, c_s, _angle(edge, x[0]), jnp.exp(x[2]), _membrane_angle(x[1]))

    x, least = optimum(value, *_bounds(DEPTH, DEPTH, LOG_C_M))
    return Best(least, _angle(edge, x[0]), _membrane_angle(x[1]), jnp.exp(x[2]))


@jax.jit
@jnp.vectorize
def best_equal(eps: Any, c_s: Any) -> Any:
    """Smallest xi over one angle theta_S = theta_M, that is R = 0, and C_M."""

    def value(x: Any) -> Any:
        theta = _membrane_angle(x[0])
        return xi(eps, c_s, theta, jnp.exp(x[1]), theta)

    return optimum(value, *_bounds(DEPTH, LOG_C_M))[1]


conditional = jax.jit(jnp.vectorize(xi_given_record))
"""`xi_given_record` at arguments of any shapes that broadcast."""


@jax.jit
@jnp.vectorize
def best_conditional(eps: Any, c_s: Any) -> Any:
    """Smallest conditional xi over theta_S and C_M, with gamma_S > 0 and gamma_M > 0."""
    edge = spin_edge(c_s)

    # A perfectly measured system depends on theta_M and C_M through the read-out of M alone: one theta_M will do.
    def value(x: Any) -> Any:
        return xi_given_record(eps, c_s, _angle(edge, x[0]), jnp.exp(x[1]), pi / 3)

    # One start: the surface has one well, and each second derivative goes through a Riccati equation.
    return optimum(value, *_bounds(DEPTH, LOG_C_M), starts=1)[1]


def fig2() -> tuple[xr.Dataset, Figure]:
    """Map of xi over C_S and C_M at the best angles, without loss, and the best C_M."""
    c_m, c_s = np.geomspace(1.0, 1e4, 121), np.geomspace(1.0, 1e3, 121)
    found = best_angles(0.0, c_s, c_m[:, None])
    axes = ("c_m", "c_s")
    data = dataset(
        {
            "xi": (axes, found.xi, f"{XI}, both angles optimised"),
            "xi_r0": (axes, best_angle(0.0, c_s, c_m[:, None]), f"{XI}, one angle theta_S = theta_M (R = 0) optimised"),
            "theta_s": (axes, found.theta_s, "coupling angle theta_S at which xi is reached"),
            "theta_m": (axes, found.theta_m, "coupling angle theta_M at which xi is reached"),
            "c_m_opt": (("c_s_opt",), best(0.0, c_s).c_m, "C_M that gives the smallest xi at C_S"),
        },
        {
            "c_m": ("c_m", c_m, {"units": "1", "long_name": "motional cooperativity C_M"}),
            "c_s": ("c_s", c_s, {"units": "1", "long_name": "spin cooperativity C_S"}),
            "c_s_opt": ("c_s_opt", c_s, {"units": "1", "long_name": "spin cooperativity C_S"}),
        },
        source="huang2018",
    )
    _in_radian(data)
    figure, (ax,) = new_figure(height=2.9)
    _draw_map(ax, data)
    return data, figure


def _in_radian(data: xr.Dataset) -> None:
    for name in ("theta_s", "theta_m"):
        data[name].attrs["units"] = "rad"


def _draw_map(ax: Axes, data: xr.Dataset) -> None:
    import matplotlib as mpl

    colours = mpl.colormaps["viridis"].with_extremes(over="0.88")
    mesh = ax.pcolormesh(data.c_s, data.c_m, data.xi, cmap=colours, vmin=0, vmax=1, rasterized=True)
    ax.contour(data.c_s, data.c_m, data.xi, levels=[1.0], colors="k", linewidths=0.9, linestyles=":")
    ax.contour(data.c_s, data.c_m, data.xi_r0, levels=[1.0], colors="k", linewidths=1.1)
    ax.plot(data.c_s_opt, data.c_m_opt, "-.", color="w")
    ax.text(2.2, 1.35, r"not certified: $\xi_g\geq1$", fontsize=6.5)
    ax.text(5.8, 160, r"$\theta_S=\theta_M$: $\xi_g=1$", fontsize=6.5, rotation=56, ha="left", va="bottom")
    ax.text(45, 57, "best $C_M$", fontsize=6.5, rotation=38, color="w", ha="left", va="bottom")
    ax.set(xscale="log", yscale="log", xlabel=LABEL_S, ylabel=LABEL_M)
    bar = ax.get_figure(root=True).colorbar(mesh, ax=ax, extend="max")  # type: ignore[union-attr]
    bar.set_label(r"steady-state EPR variance $\xi_g$")


def fig3() -> tuple[xr.Dataset, Figure]:
    """xi against C_S at the best angles and C_M, with and without R = 0 and loss, and the gain by a measurement."""
    eps = np.array(LOSSES)[:, None]
    found, equal = best(eps, C_S), best_equal(eps, C_S)
    axes = ("eps", "c_s")
    same = conditional(eps, C_S, found.theta_s, found.c_m, found.theta_m)
    ratio = pair(eps, C_S, found.theta_s, found.c_m, found.theta_m).rates.ratio
    note = "1e6, the bound of the search, where no C_M entangles"
    data = dataset(
        {
            "xi": (axes, found.xi, f"{XI}, both angles and C_M optimised"),
            "xi_r0": (axes, equal, f"{XI}, one angle theta_S = theta_M (R = 0) and C_M optimised"),
            "xi_conditional_same": (axes, same, f"{XI}, light measured, parameters of xi"),
            "xi_conditional": (axes, best_conditional(eps, C_S), f"{XI}, light measured, optimised for it"),
            "theta_s": (axes, found.theta_s, "coupling angle theta_S at which xi is reached"),
            "theta_m": (axes, found.theta_m, "coupling angle theta_M at which xi is reached"),
            "c_m": (axes, found.c_m, f"motional cooperativity C_M at which xi is reached; {note}"),
            "ratio": (axes, ratio, "-2 sqrt(1 - eps) R/gamma_M where xi is reached; 1 = ideal cancellation"),
        },
        {
            "eps": ("eps", list(LOSSES), {"units": "1", "long_name": "power lost between the oscillators"}),
            "c_s": ("c_s", C_S, {"units": "1", "long_name": "spin cooperativity C_S"}),
        },
        source="huang2018",
    )
    _in_radian(data)
    figure, (left, right) = new_figure(2, height=2.7)
    _draw_xi(left, data)
    _draw_comparison(right, data)
    return data, figure


def _draw_xi(ax: Axes, data: xr.Dataset) -> None:
    for eps, dash in zip(LOSSES, ("-", "--"), strict=True):
        one = data.sel(eps=eps)
        ax.loglog(C_S, one.xi_r0, dash, color="k", linewidth=0.9, label=rf"$\theta_S=\theta_M$, $\epsilon$ = {eps:g}")
        ax.loglog(C_S, one.xi, dash, color=COLOURS[1], linewidth=1.6, label=rf"both angles, $\epsilon$ = {eps:g}")
    loss = LOSSES[1]
    ax.axhline(np.sqrt(loss / (4 - 3 * loss)), color="0.35", linewidth=0.5)
    ax.text(0.8, 0.155, rf"loss bound, $\epsilon$ = {loss:g}", fontsize=6, color="0.35", va="top")
    separable_line(ax)
    ax.set(xlim=(0.7, 1500), ylim=(0.025, 1.3), xlabel=LABEL_S, ylabel=r"steady-state $\xi_g$ at the best $C_M$")
    ax.legend(loc="lower left")


def _draw_comparison(ax: Axes, data: xr.Dataset) -> None:
    other, lossy, curves = ax.twinx(), data.sel(eps=LOSSES[1]), []
    for eps, dash in zip(LOSSES, ("-", "--"), strict=True):
        label = rf"cancellation, $\epsilon$ = {eps:g}"
        curves += other.plot(C_S, data.ratio.sel(eps=eps), dash, color=COLOURS[2], label=label)
    for name, dash, text in (("", "-.", "optimised anew"), ("_same", ":", "same parameters")):
        gained = 100 * (1 - lossy[f"xi_conditional{name}"] / lossy.xi)
        curves += ax.plot(C_S, gained, dash, color=COLOURS[1], label=f"measured, {text}")
    ax.set(xscale="log", xlim=(0.7, 1500), ylim=(0, 3.3), xlabel=LABEL_S)
    ax.set_ylabel(rf"drop of $\xi_g$ if measured, $\epsilon$ = {LOSSES[1]:g} (%)", color=COLOURS[1])
    other.set(ylim=(0, 1.1))
    other.set_ylabel(r"cancellation $-2\sqrt{1-\epsilon}\,R/\gamma_M$", color=COLOURS[2])
    ax.legend(handles=curves, loc="center right", bbox_to_anchor=(1, 0.58))
