"""The published systems, one file each: parameters -> rates -> model -> witness. Loads no JAX."""

from darkstate.experiments.cesium_cells import CesiumCells
from darkstate.experiments.two_level_ensembles import TwoLevelEnsembles

Experiment = TwoLevelEnsembles | CesiumCells
"""Any experiment a lab file may describe."""

CATALOGUE: dict[str, type[TwoLevelEnsembles] | type[CesiumCells]] = {
    "two_level_ensembles": TwoLevelEnsembles,
    "cesium_cells": CesiumCells,
}
"""The word after `experiment =` in a lab file, and the class it stands for."""
