"""
From a record to the EPR variance
=================================

Two caesium cells in a steady state with their light measured, as in Fig. 2d of Krauter et al. (2011). The record is
simulated; one of the laboratory is read with ``ds.open_record`` or ``ds.read_foreign`` and treated in the same way.
"""

import matplotlib.pyplot as plt

import darkstate as ds
from darkstate.report.style import separable_line

lab = ds.load(ds.shipped_labs()["krauter2011-steady"])
record = ds.simulate_lab(lab, cycles=2000, duration=8e-3, seed=1)
found = ds.reconstruct(record, ds.lab_calibration(lab))
prediction = ds.predict(lab)

figure, ax = plt.subplots(figsize=(4.5, 3.2), layout="constrained")
prediction.plot(ax)
for method, marker in {"unconditional": "o", "kalman": "s"}.items():
    t, xi, error = found.starts * 1e3, found.values("xi", method), found.values("xi_err", method)
    ax.errorbar(t, xi, error, fmt=marker, color="k", markersize=4, label=f"simulated record, {method}")
separable_line(ax)
ax.set(xlim=(-0.2, 8), ylim=(0.4, 2.1))
ax.legend(loc="upper right")
plt.show()

# %%
# Without the light the cells are not entangled; with it they are, all the time. Is the record understood?

print(found.failed or "all checks passed")

# %%
# The claim, with window and method chosen on one half of the cycles and judged on the other:

print(ds.certify(record, lab))
