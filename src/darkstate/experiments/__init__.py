"""The published systems, one file each: parameters -> rates -> model -> witness. Loads no JAX."""

from typing import Any

from darkstate.experiments.cesium_cells import CesiumCells
from darkstate.experiments.monitored_cells import MonitoredCells
from darkstate.experiments.spin_mechanics import SpinMechanics
from darkstate.experiments.tweezer_pair import TweezerPair
from darkstate.experiments.two_level_ensembles import TwoLevelEnsembles

TwoCells = TwoLevelEnsembles | CesiumCells
"""Two cells with a light path, a pulse protocol and a second cell that may differ."""

Experiment = TwoCells | SpinMechanics | MonitoredCells | TweezerPair
"""Any experiment a lab file may describe."""

CATALOGUE: dict[
    str,
    type[TwoLevelEnsembles] | type[CesiumCells] | type[SpinMechanics] | type[MonitoredCells] | type[TweezerPair],
] = {
    "two_level_ensembles": TwoLevelEnsembles,
    "cesium_cells": CesiumCells,
    "spin_mechanics": SpinMechanics,
    "monitored_cells": MonitoredCells,
    "tweezer_pair": TweezerPair,
}
"""The word after `experiment =` in a lab file, and the class it stands for."""


def kind_of(experiment: Any) -> str:
    """The word after `experiment =` that stands for the class of an experiment.

    Example:
        >>> import darkstate as ds
        >>> kind_of(ds.load(ds.shipped_labs()["huang2018"]).experiment)
        'spin_mechanics'
    """
    return next(kind for kind, cls in CATALOGUE.items() if type(experiment) is cls)
