"""Figure 2 of Krauter et al., Phys. Rev. Lett. 107, 080503 (2011), here 002: two caesium cells over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from darkstate.backend import jnp
from darkstate.report.papers.curves import LABELS, dataset, grid, lab, states, time_axis, xi_curves
from darkstate.report.style import COLOURS, DASHES, new_figure, separable_line
from darkstate.solve.methods import VARIANTS
from darkstate.spins.protocol import protocol
from darkstate.witness.epr import epr_variance, spin_lengths, variance_sum
from darkstate.witness.window import window

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

DEPTH = "ensembles.optical_depth"
XI = "EPR variance (separable: at least 1)"


def fig2a() -> tuple[xr.Dataset, Figure]:
    """Sigma(t)/(2|Jx(0)|) and Jx(t)/Jx(0), case a."""
    times, experiment = grid(), lab("krauter2011", "a")
    depth = jnp.array([experiment.ensembles.optical_depth])
    by_variant = {v: states(experiment, times, v, DEPTH, depth) for v in VARIANTS}
    lengths = {v: np.asarray(spin_lengths(s)).sum(-1)[0] for v, s in by_variant.items()}
    sigma = np.stack([np.asarray(variance_sum(s))[0] / lengths[v][0] for v, s in by_variant.items()])
    jx = lengths["corrected"] / lengths["corrected"][0]
    data = dataset(
        {
            "sigma": (("variant", "t"), sigma, "Sigma_J(t)/(2|Jx(0)|)"),
            "jx": (("t",), jx, "<Jx(t)>/<Jx(0)>"),
        },
        {"variant": list(VARIANTS), "t": time_axis(times)},
        source="krauter2011",
    )
    figure, (ax,) = new_figure()
    for k, variant in enumerate(VARIANTS):
        label = rf"$\Sigma_J$, {LABELS[variant]}"
        ax.plot(times * 1e3, data.sigma.sel(variant=variant), DASHES[k], color=COLOURS[k], label=label)
    ax.plot(times * 1e3, data.jx, color="0.5", label=r"$\langle J_x\rangle$")
    ax.set(xlim=(0, 60), ylim=(0, 1.1), xlabel="time $t$ (ms)", ylabel=r"in units of $2|J_x(0)|$ and $J_x(0)$")
    ax.legend(loc="lower left")
    return data, figure


def fig2b() -> tuple[xr.Dataset, Figure]:
    """xi(t) for two optical depths, and xi(t) in the dark."""
    times, depths = grid(), [35.0, 55.0]
    experiment = lab("krauter2011", "a")
    xi = xi_curves(experiment, DEPTH, depths, times)
    dark = states(experiment, times, "corrected", DEPTH, jnp.array(depths[:1]), protocol(("dark", 60e-3)))
    data = dataset(
        {
            "xi": (("variant", "d", "t"), xi, XI),
            "xi_dark": (("t",), np.asarray(epr_variance(dark).value)[0], f"{XI}, drive off"),
        },
        {"variant": list(VARIANTS), "d": ("d", depths, {"units": "1"}), "t": time_axis(times)},
        source="krauter2011",
    )
    figure, panels = new_figure(2)
    for ax, depth in zip(panels, reversed(depths), strict=True):
        for k, variant in enumerate(VARIANTS):
            curve = data.xi.sel(variant=variant, d=depth)
            ax.plot(times * 1e3, curve, DASHES[k], color=COLOURS[k], label=LABELS[variant])
        ax.plot(times * 1e3, data.xi_dark, color="k", linewidth=0.8, label="drive off")
        separable_line(ax)
        ax.set(xlim=(0, 40), ylim=(0.75, 1.3), xlabel="time $t$ (ms)", ylabel=r"EPR variance $\xi(t)$")
        ax.set_title(f"$d$ = {depth:g}")
    panels[0].legend(loc="upper left")
    return data, figure


def fig2c() -> tuple[xr.Dataset, Figure]:
    """xi(t) with the pump on (case c), and its decay when drive and pump stop at the minimum."""
    times, experiment = grid(), lab("krauter2011", "c")
    depth = experiment.ensembles.optical_depth
    xi = xi_curves(experiment, DEPTH, [depth], times)[:, 0]
    stop = window(times, xi[0]).at
    pulses = protocol(("drive", stop), ("dark", 60e-3))
    grown = jnp.concatenate([jnp.linspace(0.0, stop, 61)[:-1], stop + times])
    after = states(experiment, grown, "corrected", DEPTH, jnp.array([depth]), pulses)
    decay = np.asarray(epr_variance(after).value)[0, 60:]
    data = dataset(
        {
            "xi": (("variant", "t"), xi, XI),
            "xi_decay": (("t",), decay, f"{XI}, t after drive and pump stopped at the minimum"),
        },
        {"variant": list(VARIANTS), "t": time_axis(times)},
        source="krauter2011",
    )
    data.attrs["drive_stopped_at_s"] = stop
    figure, (left, right) = new_figure(2)
    for k, variant in enumerate(VARIANTS):
        left.plot(times * 1e3, data.xi.sel(variant=variant), DASHES[k], color=COLOURS[k], label=LABELS[variant])
    right.plot(times * 1e3, data.xi_decay, color=COLOURS[0])
    for ax in (left, right):
        separable_line(ax)
        ax.set(ylabel=r"EPR variance $\xi(t)$")
    left.set(xlim=(0, 60), ylim=(0.75, 1.3), xlabel="time $t$ (ms)")
    left.legend(loc="upper left")
    right.set(xlim=(0, 20), xlabel="time after the drive stopped (ms)")
    return data, figure
