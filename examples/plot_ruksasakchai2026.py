"""
Two thermal atoms in one tweezer
================================

Left: the share of prepared pairs that collisions bring into the entangled state, against collision time and magnetic
field, in the kinetic model. Inside the white line it exceeds one half, and the pairs as they are would measure a field
better than separate atoms, were all of them prepared. Right: how well simulated counts of one interleaved run agree
with each fidelity, with entanglement and after its destruction (as Fig. S4 of Ruksasakchai et al., 2026).
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt

import darkstate as ds
from darkstate.pair.kinetic import kinetic_states
from darkstate.records.counts import group_of
from darkstate.report.style import COLOURS

lab = ds.load(ds.shipped_labs()["ruksasakchai2026"])
e = lab.experiment

times, fields = jnp.linspace(0.0, 40e-3, 121), jnp.linspace(0.0, 1.5e-4, 76)


def entangled(field, times):
    return jnp.diagonal(kinetic_states(e.pair(field=field), times), axis1=-2, axis2=-1).real[:, 1]


figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3), layout="constrained")

share = jax.jit(jax.vmap(entangled, (0, None)))(fields, times)
image = left.pcolormesh(times * 1e3, fields * 1e4, share, vmin=0, vmax=0.7, shading="gouraud", rasterized=True)
left.contour(times * 1e3, fields * 1e4, share, [0.5], colors="w", linewidths=1.2)
left.axhline(0.5, color="w", linestyle=":", linewidth=0.8)
left.text(39, 0.52, "003", color="w", ha="right", va="bottom", fontsize=7)
left.set(xlabel="collision time $t$ (ms)", ylabel="magnetic field (G)")
figure.colorbar(image, ax=left, label=r"share in $|\chi_1\rangle$")

counts = ds.simulate_counts(lab, sequence="interleaved", seed=3)
for name, colour in (("control", COLOURS[0]), ("destruction", COLOURS[1])):
    fit = ds.fit_fidelity(group_of(counts, name), ds.count_model(lab, destroyed=name == "destruction"))
    label = f"{name}: F = {fit.fidelity:.2f} ± {fit.error:.2f}"
    right.plot(fit.curve_fidelity, fit.curve_chi2, color=colour, label=label)
right.axvline(0.5, color="0.35", linewidth=0.8)
right.text(0.48, 0.03, "separable", color="0.35", ha="right", transform=right.get_xaxis_transform(), fontsize=7)
right.set(xlim=(0, 1), xlabel="fidelity F", ylabel=r"$\chi^2$ of 22 counts")
right.legend(loc="upper right", fontsize=7)
plt.show()

# %%
# In the experiment the atoms collided for 100 ms at 0.5 G (dotted), when the swings are over. Atoms also collide during
# the ramps before, which are left out here.
