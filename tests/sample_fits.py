"""Study files for tests of fits: data drawn from the published numbers of krauter2011 with a fixed seed."""

import numpy as np

import darkstate as ds
from darkstate.studies.observables import course

TIMES = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20, 22.5, 25, 27.5, 30]) * 1e-3
TRUTH = {"noise.gamma_tilde": 193.0, "drive.rate": 2.0, "drive.loss_rate": 26.3839702}  # 002 Fig. 2, 1/s

DEPTHS = """
lab = "krauter2011"
title = "d = 100 from d = 35 and 55"

[fit.free."noise.gamma_tilde"]
start = "0.15 /ms"
low = "0 /ms"
high = "1 /ms"
[fit.free."drive.rate"]
[fit.free."drive.loss_rate"]

[[fit.data]]
file = "d55.csv"
name = "d = 55"
case = "a"
[[fit.data]]
file = "d35.csv"
name = "d = 35"
case = "b"

[[fit.predict]]
name = "d = 100"
set = { "ensembles.optical_depth" = 100 }
"""


def experiment(lab="krauter2011", case=None):
    return ds.load(ds.shipped_labs()[lab], case=case).experiment


def table(values, errors, times=TIMES, name="xi"):
    rows = "".join(f"{1e3 * t:g},{y:.17g},{e:g}\n" for t, y, e in zip(times, values, errors, strict=True))
    return f"t_ms,{name},{name}_err\n{rows}"


def simulated(case, sigma=0.01, seed=7, times=TIMES, name="xi"):
    """Points of one observable with Gaussian noise, as CSV."""
    e = experiment(case=case)
    clean = np.asarray(course(e, name, times)(e)[0])
    noise = np.random.default_rng([seed, ord(case)]).standard_normal(len(times))
    return table(clean + sigma * noise, np.full(len(times), sigma), times, name)


def write_depths(folder, seed=7, sigma=0.01):
    """The study of two optical depths with its data; gives its path."""
    for case, depth in (("a", 55), ("b", 35)):
        (folder / f"d{depth}.csv").write_text(simulated(case, sigma=sigma, seed=seed))
    path = folder / "depths.toml"
    path.write_text(DEPTHS)
    return path


def write_study(folder, text, **files):
    """A study file with its data files; gives its path."""
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content)
    path = folder / "study.toml"
    path.write_text(text)
    return path
