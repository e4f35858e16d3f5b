"""darkstate: from lab parameters to predicted and certified entanglement by engineered dissipation.

Names load on first use, so that `import darkstate` is instant and lab files can be checked without JAX. JAX is put into
64 bit here, whether it is imported before or after: single precision certifies nothing.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

os.environ.setdefault("JAX_ENABLE_X64", "1")
if "jax" in sys.modules:
    sys.modules["jax"].config.update("jax_enable_x64", True)

_HOME = {
    # lab files and predictions
    "load": "experiments.labfile",
    "load_cases": "experiments.labfile",
    "shipped_labs": "experiments.labfile",
    "predict": "report.prediction",
    "predict_cases": "report.prediction",
    "explain": "report.explain",
    # experiments
    "TwoLevelEnsembles": "experiments.two_level_ensembles",
    "CesiumCells": "experiments.cesium_cells",
    "with_values": "experiments.two_cells",
    # models
    "SpinEnsembles": "spins.ensembles",
    "Rates": "spins.ensembles",
    "Protocol": "spins.protocol",
    "protocol": "spins.protocol",
    "SpinState": "spins.state",
    # verbs and methods
    "evolve": "solve.evolve",
    "steady_state": "solve.steady_state",
    "optimum": "solve.optimum",
    "MomentEquations": "solve.methods",
    "AdiabaticClosedForm": "solve.methods",
    "ClosedForm": "solve.methods",
    "VARIANTS": "solve.methods",
    "Solution": "solve.solution",
    "Outcome": "errors",
    # witnesses
    "epr_variance": "witness.epr",
    "best_gain": "witness.epr",
    "WitnessValue": "witness.epr",
    "window": "witness.window",
    # records
    "to_dataset": "records.dataset",
    # errors
    "DarkstateError": "errors",
    "ArgumentError": "errors",
    "InputError": "errors",
    "OutcomeError": "errors",
}

__all__ = ["__version__", *_HOME]

if TYPE_CHECKING:
    from darkstate.errors import ArgumentError, DarkstateError, InputError, Outcome, OutcomeError
    from darkstate.experiments.cesium_cells import CesiumCells
    from darkstate.experiments.labfile import load, load_cases, shipped_labs
    from darkstate.experiments.two_cells import with_values
    from darkstate.experiments.two_level_ensembles import TwoLevelEnsembles
    from darkstate.records.dataset import to_dataset
    from darkstate.report.explain import explain
    from darkstate.report.prediction import predict, predict_cases
    from darkstate.solve.evolve import evolve
    from darkstate.solve.methods import VARIANTS, AdiabaticClosedForm, ClosedForm, MomentEquations
    from darkstate.solve.optimum import optimum
    from darkstate.solve.solution import Solution
    from darkstate.solve.steady_state import steady_state
    from darkstate.spins.ensembles import Rates, SpinEnsembles
    from darkstate.spins.protocol import Protocol, protocol
    from darkstate.spins.state import SpinState
    from darkstate.witness.epr import WitnessValue, best_gain, epr_variance
    from darkstate.witness.window import window


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        # With name and obj Python adds "Did you mean ...?".
        raise AttributeError(f"module 'darkstate' has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    value = getattr(import_module(f"darkstate.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
