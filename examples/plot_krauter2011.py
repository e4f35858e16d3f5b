"""
Two caesium cells over time
===========================

The published experiment with three sets of parameters: the drive alone at two optical depths, and with pump light
that brings atoms back. The optical depth is taken as known to 10 %; the bands show what that means.
"""

import matplotlib.pyplot as plt

import darkstate as ds
from darkstate.report.style import separable_line

figure, ax = plt.subplots(figsize=(4.5, 3.2), layout="constrained")
titles = {"a": "a: $d=55(6)$", "b": "b: $d=35(4)$", "c": "c: $d=37(4)$, pump"}
depths = {"a": "55 +- 6", "b": "35 +- 4", "c": "37 +- 4"}
for k, case in enumerate(titles):
    lab = ds.load(ds.shipped_labs()["krauter2011"], case=case, overrides=[f"ensembles.optical_depth={depths[case]}"])
    prediction = ds.predict(lab)
    prediction.plot(ax, label=titles[case], curve=k)
    print(f"{case}: {prediction.verdict}")
separable_line(ax)
ax.set(ylim=(0.75, 1.3), xlim=(0, 40))
ax.legend(loc="upper left")
plt.show()

# %%
# The pump lowers nothing at the minimum, but it keeps the cells entangled for twice as long.
