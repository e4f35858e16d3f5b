"""Figures 3 and 4b of Muschik et al. 2013 (000).

Larmor mismatch, purely dissipative steady states with pump and repump, and steady states with the light measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from darkstate.gaussian.closed_forms import monitored_xi, monitored_xi_conditional
from darkstate.report.papers.curves import LABELS, dataset, grid, lab, time_axis, xi_curves
from darkstate.report.style import COLOURS, DASHES, new_figure, separable_line
from darkstate.solve.methods import VARIANTS

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

XI = "EPR variance (separable: at least 1)"


def fig3a() -> tuple[xr.Dataset, Figure]:
    """xi(t) for three Larmor mismatches, read out in fixed quadratures; the parameters are those of 002, case a."""
    times, mismatches = grid(), [0.0, 20.0, 40.0]
    xi = xi_curves(lab("krauter2011", "a"), "field.larmor_mismatch", mismatches, times)
    data = dataset(
        {"xi": (("variant", "detuning_hz", "t"), xi, XI)},
        {
            "variant": list(VARIANTS),
            "detuning_hz": ("detuning_hz", mismatches, {"units": "Hz", "long_name": "Larmor mismatch"}),
            "t": time_axis(times),
        },
        source="krauter2011",
    )
    return data, _panels(data, "detuning_hz", "{:g} Hz", (0, 30), (0.75, 1.5))


def fig3b() -> tuple[xr.Dataset, Figure]:
    """xi(t) with pump and repump light for three optical depths."""
    times, depths = grid(), [55.0, 100.0, 150.0]
    xi = xi_curves(lab("muschik2013"), "ensembles.optical_depth", depths, times)
    data = dataset(
        {"xi": (("variant", "d", "t"), xi, XI)},
        {"variant": list(VARIANTS), "d": ("d", depths, {"units": "1"}), "t": time_axis(times)},
        source="muschik2013",
    )
    return data, _panels(data, "d", "$d$ = {:g}", (0, 60), (0.7, 1.15))


def fig4b() -> tuple[xr.Dataset, Figure]:
    """Steady-state xi against x = gamma_extra/gamma_s, with the light measured and not."""
    x, z = np.linspace(0.0, 10.0, 201), lab("muschik2013-monitored").z
    data = dataset(
        {
            "xi": (("x",), monitored_xi(x, z), f"steady-state {XI}, light not measured"),
            "xi_conditional": (("x",), monitored_xi_conditional(x, z), f"steady-state {XI}, light measured"),
        },
        {"x": ("x", x, {"units": "1", "long_name": "gamma_extra/gamma_s"})},
        source="muschik2013-monitored",
    )
    figure, (ax,) = new_figure()
    ax.plot(x, data.xi, "--", color=COLOURS[0], label="light not measured")
    ax.plot(x, data.xi_conditional, color=COLOURS[1], label="light measured")
    ax.axhline(z**-2, color="0.35", linewidth=0.5)
    ax.text(9.9, z**-2 - 0.01, "$1/Z^2$, no decay", fontsize=6, color="0.35", ha="right", va="top")
    separable_line(ax)
    ax.set(
        xlim=(0, 10), ylim=(0, 1.05), xlabel=r"decay $\gamma_{\rm extra}/\gamma_s$", ylabel=r"steady-state $\xi_\infty$"
    )
    ax.legend(loc="lower right", bbox_to_anchor=(1, 0.2))
    return data, figure


def _panels(data: xr.Dataset, axis: str, text: str, xlim: tuple[float, float], ylim: tuple[float, float]) -> Figure:
    """One panel per variant of the first two, a curve per value of the axis."""
    figure, panels = new_figure(2)
    for ax, variant in zip(panels, ("corrected", "eq21"), strict=True):
        for k, value in enumerate(data[axis].values):
            curve = data.xi.sel(variant=variant, **{axis: value})
            ax.plot(data.t * 1e3, curve, DASHES[k], color=COLOURS[k], label=text.format(value))
        separable_line(ax)
        ax.set(xlim=xlim, ylim=ylim, xlabel="time $t$ (ms)", ylabel=r"EPR variance $\xi(t)$")
        ax.set_title(LABELS[variant])
    panels[0].legend()
    return figure
