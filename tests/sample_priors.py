"""A likelihood small enough to be sampled many times: xi of krauter2011 at eight times, two parameters."""

import numpy as np

import darkstate as ds
from darkstate.experiments import layout
from darkstate.studies.data import Data
from darkstate.studies.likelihood import Free, Likelihood, Piece
from darkstate.studies.priors import Prior

TIMES = np.array([0.5, 1, 2, 3, 4, 6, 8, 10]) * 1e-3
KEYS = {"noise.gamma_tilde": 193.0, "ensembles.optical_depth": 55.0}
PRIORS = (Prior("normal", 193.0, 40.0, 0.0, np.inf), Prior("normal", 55.0, 10.0, 0.0, np.inf))


def small(sigma=0.01, rate=2.0):
    """The likelihood with errors and a drive rate [1/s] that may be wrong."""
    e = ds.with_values(ds.load(ds.shipped_labs()["krauter2011"]).experiment, {"drive.rate": rate})
    specs = layout.parameters("cesium_cells")
    free = tuple(Free(k, k, specs[k], v, 0.0, np.inf) for k, v in KEYS.items())
    data = Data("small", "", "xi", TIMES, {}, np.zeros(len(TIMES)), np.full(len(TIMES), sigma))
    return Likelihood(e, free, (Piece("small", e, data),))
