"""
Cells that differ, and light lost between them
==============================================

Left: loss between equal cells raises the steady-state EPR variance, and the more so the larger :math:`Z` is. Right: two
caesium cells after 7 ms of drive, cell II with another optical depth. Weighting its spin by the best gain :math:`g`
shows entanglement where the plain witness sees none.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt

import darkstate as ds
from darkstate.report.style import COLOURS, DASHES, separable_line

two_level = ds.load(ds.shipped_labs()["muschik2011"]).experiment
cesium = ds.load(ds.shipped_labs()["krauter2011"]).experiment


def with_loss(transmission, z):
    model = ds.with_values(two_level, {"cells.transmission": transmission, "drive.z": z}).model()
    return ds.epr_variance(ds.steady_state(model, throw=False).state).value


def with_depth(depth):
    model = ds.with_values(cesium, {"second.ensembles.optical_depth": depth}).model()
    times, method = jnp.linspace(0.0, 7e-3, 29), ds.MomentEquations(substeps=2)
    state = ds.evolve(model, times, method=method, throw=False).state
    gain = ds.best_gain(state)
    return ds.epr_variance(state).value[-1], ds.epr_variance(state, gain).value[-1], gain[-1]


figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3), layout="constrained")

transmission = jnp.linspace(0.0, 1.0, 101)
for k, z in enumerate((1.3, 1.5, 2.0)):
    curve = jax.vmap(with_loss, (0, None))(transmission, z)
    left.plot(1 - transmission, curve, DASHES[k], color=COLOURS[k], label=f"$Z$ = {z}")
left.axhline(1.0, color="0.35", linewidth=0.8)
left.text(0.3, 1.02, r"separable: $\xi\geq1$", fontsize=7, color="0.35")
left.set(
    xlim=(0, 1),
    ylim=(0.5, 1.8),
    xlabel="power loss between the cells $1-t$",
    ylabel=r"steady-state $\xi_\infty$",
)
left.legend(loc="upper left")

depth = jnp.linspace(2.0, 80.0, 79)
plain, weighted, gain = jax.jit(jax.vmap(with_depth))(depth)
right.plot(depth, plain, color=COLOURS[0], label="$g=1$")
right.plot(depth, weighted, DASHES[1], color=COLOURS[1], label="best $g$")
separable_line(right)
right.set(
    xlim=(2, 80),
    xlabel="optical depth of cell II (cell I: 55)",
    ylabel=r"$\xi$ and $\xi_g$ after 7 ms",
)
right.legend(loc="lower left")
plt.show()

# %%
# The best gain itself:

for k in (8, 18, 28, 53):
    print(f"d of cell II = {depth[k]:.0f}: g = {gain[k]:.2f}, xi = {plain[k]:.3f}, xi_g = {weighted[k]:.3f}")
