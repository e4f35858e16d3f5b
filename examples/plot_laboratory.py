"""
Where to put the laser
======================

Two caesium cells by what stands on the optical table: the smallest EPR variance :math:`\\xi(t)` over detuning and power
of the laser, from atomic constants, room temperature and the size of the cells. Far away from the line the light drives
too slowly against the dark; near to it the Doppler shifts of the warm gas are no longer small (hatched: the check
`doppler` is beyond its limit). The ideal value :math:`1/Z^2` asks for large detunings, the real one does not.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt

import darkstate as ds
from darkstate.report.style import COLOURS, DASHES, separable_line
from darkstate.solve.limits import LIMITS

lab = ds.load(ds.shipped_labs()["krauter2011-lab"]).experiment
method = ds.MomentEquations(substeps=2)


def smallest(detuning, power, rayleigh="V1"):
    table = ds.with_values(lab, {"laser.detuning": detuning, "laser.power": power, "laser.rayleigh": rayleigh})
    rates = table.cell.total
    times = jnp.linspace(0.0, 8.0, 97) / (rates.transverse + rates.collective)  # in units of the fastest decay
    return ds.epr_variance(ds.evolve(table.model(), times, method=method, throw=False).state).value.min()


def doppler(detuning):
    return ds.with_values(lab, {"laser.detuning": detuning}).light_checks()["doppler"]


detuning, power = jnp.linspace(400e6, 2000e6, 65), jnp.geomspace(0.5e-3, 50e-3, 61)
grid = jax.jit(jax.vmap(jax.vmap(smallest, (0, None)), (None, 0)))(detuning, power)
nearest = float(jnp.interp(-LIMITS["doppler"][0], -jax.vmap(doppler)(detuning), detuning))

plt.rcParams["font.size"] = 8
figure, (left, right) = plt.subplots(1, 2, figsize=(7.8, 3.1), layout="constrained", width_ratios=(1.15, 1))
figure.get_layout_engine().set(wspace=0.1)

mhz, mw = detuning / 1e6, power * 1e3
colours = left.pcolormesh(mhz, mw, grid, cmap="cividis", shading="gouraud", vmin=0.7, vmax=1.0)
lines = left.contour(mhz, mw, grid, levels=[0.75, 0.8, 0.85, 0.9, 0.95], colors="w", linewidths=0.8)
left.contour(mhz, mw, grid, levels=[1.0], colors="k", linewidths=1.2)
left.text(1950, 0.62, r"not certified: $\xi\geq1$", ha="right")
left.axvspan(400, nearest / 1e6, facecolor="none", edgecolor="0.8", hatch="///", linewidth=0)
box = {"facecolor": "0.2", "edgecolor": "none", "alpha": 0.75, "pad": 1.5}
left.text(500, 2.2, "Doppler shifts", rotation=90, ha="center", va="center", color="w", bbox=box)
left.plot(850, 5.6, "o", color=COLOURS[1], markeredgecolor="w", markersize=6)
left.annotate("Krauter et al. 2011", (850, 5.6), xytext=(8, 8), textcoords="offset points", color="w", bbox=box)
left.set(yscale="log", xlabel="detuning (MHz)", ylabel="drive power (mW)", xlim=(400, 2000), ylim=(0.5, 50))
left.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
bar = figure.colorbar(colours, ax=left, label=r"smallest EPR variance $\xi$")
bar.add_lines(lines)

for k, (variant, meaning) in enumerate((("V1", "elastic rates added"), ("V3", "amplitudes subtracted"))):
    curve = jax.jit(jax.vmap(lambda hz, name=variant: smallest(hz, 5.6e-3, name)))(detuning)
    right.plot(mhz, curve, DASHES[k], color=COLOURS[k], label=f"{variant}: {meaning}")
ideal = jax.vmap(lambda hz: ds.with_values(lab, {"laser.detuning": hz}).light.z ** -2)(detuning)
right.plot(mhz, ideal, DASHES[2], color=COLOURS[2], label="ideal, $1/Z^2$")
right.axvspan(400, nearest / 1e6, facecolor="none", edgecolor="0.75", hatch="////", linewidth=0)
separable_line(right)
right.set(xlim=(400, 2000), ylim=(0, 1.1), xlabel="detuning (MHz)", ylabel=r"smallest $\xi$ at 5.6 mW")
right.legend(loc="center right")
plt.show()

# %%
# The Doppler check sets the nearest detuning, power the rest:

for milliwatts in (2.0, 5.6, 20.0):
    row = [smallest(hz, 1e-3 * milliwatts) for hz in (650e6, 850e6, 1200e6)]
    print(f"{milliwatts:4.1f} mW: " + ", ".join(f"{value:.3f}" for value in row) + " at 650, 850, 1200 MHz")
print(f"Doppler limit: {nearest / 1e6:.0f} MHz")
