"""
Where the steady state is entangled
===================================

A map of the steady-state EPR variance of two-level ensembles over squeezing parameter :math:`Z` and optical depth
:math:`d`: 90 000 steady states in one vectorised call. Each optical depth has its own best :math:`Z`; more squeezing
than that costs more polarisation than it gains.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt

import darkstate as ds

lab = ds.load(ds.shipped_labs()["muschik2011"]).experiment


def xi(z, depth):
    model = ds.with_values(lab, {"drive.z": z, "ensembles.optical_depth": depth}).model()
    return ds.epr_variance(ds.steady_state(model, throw=False).state).value


z, depth = jnp.linspace(1.0, 5.0, 300), jnp.logspace(0, 3, 300)
grid = jax.jit(jax.vmap(jax.vmap(xi, (0, None)), (None, 0)))(z, depth)
best = z[grid.argmin(axis=1)]

figure, ax = plt.subplots(figsize=(4.5, 3.4), layout="constrained")
colours = ax.pcolormesh(z, depth, jnp.clip(grid, 0.2, 1.8), cmap="PuOr_r", shading="gouraud", vmin=0.2, vmax=1.8)
ax.contour(z, depth, grid, levels=[1.0], colors="k", linewidths=1.2)
ax.text(3.3, 60, "not certified:\n" + r"$\xi_\infty\geq1$", color="white")
ax.text(2.3, 560, "entangled", color="white")
ax.plot(best[grid.min(axis=1) < 1], depth[grid.min(axis=1) < 1], "k:", label="best $Z$")
ax.set(yscale="log", xlabel="squeezing parameter $Z$", ylabel="optical depth $d$")
ax.legend(loc="lower right")
figure.colorbar(colours, label=r"steady-state EPR variance $\xi_\infty$", extend="max")
plt.show()
