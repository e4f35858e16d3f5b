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
    "rates": "report.rates",
    "explain": "report.explain",
    "budget": "report.budget",
    "compare_exact": "report.exact",
    # studies
    "sweep": "report.sweep",
    "optimise": "report.optimise",
    "fit": "report.fit",
    "infer": "report.infer",
    "plan": "report.plan",
    "diff": "report.diff",
    # other packages
    "to_package": "report.interop",
    "from_package": "report.interop",
    "density_matrix": "report.interop",
    "to_qutip": "report.interop",
    # experiments
    "TwoLevelEnsembles": "experiments.two_level_ensembles",
    "CesiumCells": "experiments.cesium_cells",
    "SpinMechanics": "experiments.spin_mechanics",
    "MonitoredCells": "experiments.monitored_cells",
    "TweezerPair": "experiments.tweezer_pair",
    "with_values": "experiments.values",
    # atoms and light
    "species": "atoms.species",
    "line": "atoms.species",
    "light_rates": "atoms.light",
    # models
    "SpinEnsembles": "spins.ensembles",
    "Rates": "spins.ensembles",
    "Protocol": "spins.protocol",
    "protocol": "spins.protocol",
    "SpinState": "spins.state",
    "ExactState": "spins.exact.state",
    "Sampled": "spins.exact.sampled",
    "JumpModel": "spins.exact.jumps",
    "Collective": "spins.exact.jumps",
    "ProductStart": "spins.exact.jumps",
    "SpinStart": "spins.exact.jumps",
    "jump_model": "spins.exact.jumps",
    "one_ensemble": "spins.exact.jumps",
    "GaussianState": "gaussian.state",
    "Convention": "gaussian.state",
    "gaussian_state": "gaussian.state",
    "vacuum": "gaussian.state",
    "thermal": "gaussian.state",
    "two_mode_squeezed": "gaussian.state",
    "product": "gaussian.state",
    "LinearSystem": "gaussian.linear_system",
    "open_system": "gaussian.components",
    "oscillator": "gaussian.components",
    "sideband_oscillator": "gaussian.components",
    "spin_ensemble": "gaussian.components",
    "optomechanics": "gaussian.components",
    "parametric_oscillator": "gaussian.components",
    "squeezer": "gaussian.components",
    "beam_splitter": "gaussian.components",
    "phase_shift": "gaussian.components",
    "loss": "gaussian.components",
    "network": "gaussian.network",
    "cascade": "gaussian.network",
    "homodyne": "gaussian.detection",
    "heterodyne": "gaussian.detection",
    "sideband_homodyne": "gaussian.detection",
    "measurement": "gaussian.detection",
    # two atoms in a tweezer
    "AtomPair": "pair.atom_pair",
    "Trap": "pair.trap",
    "tweezer": "pair.trap",
    "PairState": "pair.state",
    "Imperfections": "pair.imperfections",
    # verbs and methods
    "evolve": "solve.evolve",
    "steady_state": "solve.steady_state",
    "condition": "solve.condition",
    "retrodict": "solve.condition",
    "feedback": "solve.feedback",
    "regulate": "solve.feedback",
    "spectrum": "solve.spectra",
    "correlation": "solve.spectra",
    "temporal_modes": "solve.spectra",
    "force_noise": "solve.sensor",
    "standard_quantum_limit": "solve.sensor",
    "optimum": "solve.optimum",
    "exact_states": "solve.exact_spins",
    "exact_steady_state": "solve.exact_spins",
    "exact_gradient": "solve.exact_spins",
    "exact_samples": "solve.trajectories",
    "steady_samples": "solve.trajectories",
    "MomentEquations": "solve.methods",
    "AdiabaticClosedForm": "solve.methods",
    "ClosedForm": "solve.methods",
    "Kinetic": "solve.methods",
    "Structured": "solve.methods",
    "Dense": "solve.methods",
    "ExactLiouvillian": "solve.methods",
    "Trajectories": "solve.methods",
    "Leaping": "solve.methods",
    "VARIANTS": "solve.methods",
    "Solution": "solve.solution",
    "Outcome": "errors",
    # witnesses
    "epr_variance": "witness.epr",
    "best_gain": "witness.epr",
    "ppt": "witness.separability",
    "spin_squeezing": "witness.squeezing",
    "kitagawa_squeezing": "witness.squeezing",
    "log_negativity": "witness.separability",
    "product_criterion": "witness.separability",
    "steering": "witness.steering",
    "purity": "witness.purity",
    "teleportation_fidelity": "witness.teleportation",
    "fidelity": "witness.spin_pair",
    "sector_concurrence": "witness.spin_pair",
    "negativity": "witness.spin_pair",
    "quantum_fisher": "witness.fisher",
    "classical_fisher": "witness.fisher",
    "ramsey_fisher": "witness.fisher",
    "WitnessValue": "witness.value",
    "window": "witness.window",
    # records
    "to_dataset": "records.dataset",
    "Pulse": "records.schema",
    "sequence": "records.schema",
    "record": "records.schema",
    "open_record": "records.io",
    "save_record": "records.io",
    "record_digest": "records.io",
    "read_foreign": "records.readers",
    "inspect_file": "records.inspect",
    "Cells": "records.cells",
    "Digitizer": "records.digitizer",
    "simulate": "records.simulate",
    "TemporalMode": "records.demodulate",
    "quadratures": "records.demodulate",
    "gram": "records.demodulate",
    "lock_in": "records.demodulate",
    "Calibration": "records.calibration",
    "calibration": "records.calibration",
    "read_calibration": "records.calibration",
    "save_calibration": "records.calibration",
    "calibrate": "records.calibrate",
    "reconstruct": "records.reconstruct",
    "Reconstruction": "records.reconstruct",
    "fingerprint": "records.fingerprint",
    "fit_orientation": "records.orientation",
    "projection_noise": "records.projection",
    "shot_noise_linearity": "records.projection",
    "efficiency_from_noise": "records.projection",
    "simulate_lab": "report.recording",
    "simulate_runs": "report.recording",
    "lab_calibration": "report.recording",
    "certify": "report.verdict",
    "verify": "report.verification",
    "read_certificate": "report.certificate",
    # counts
    "count_table": "records.counts",
    "read_counts": "records.counts",
    "save_counts": "records.counts",
    "CountModel": "records.count_model",
    "fit_fidelity": "records.fidelity",
    "FidelityFit": "records.fidelity",
    "two_sample": "records.comparisons",
    "fit_ramsey": "records.comparisons",
    "exclude_unentangled": "records.inelastic",
    "simulate_counts": "report.counting",
    "count_model": "report.counting",
    "reconstruct_counts": "report.count_results",
    # errors
    "DarkstateError": "errors",
    "ArgumentError": "errors",
    "InputError": "errors",
    "OutcomeError": "errors",
}

__all__ = ["__version__", *_HOME]

if TYPE_CHECKING:
    from darkstate.atoms.light import light_rates
    from darkstate.atoms.species import line, species
    from darkstate.errors import ArgumentError, DarkstateError, InputError, Outcome, OutcomeError
    from darkstate.experiments.cesium_cells import CesiumCells
    from darkstate.experiments.labfile import load, load_cases, shipped_labs
    from darkstate.experiments.monitored_cells import MonitoredCells
    from darkstate.experiments.spin_mechanics import SpinMechanics
    from darkstate.experiments.tweezer_pair import TweezerPair
    from darkstate.experiments.two_level_ensembles import TwoLevelEnsembles
    from darkstate.experiments.values import with_values
    from darkstate.gaussian.components import (
        beam_splitter,
        loss,
        open_system,
        optomechanics,
        oscillator,
        parametric_oscillator,
        phase_shift,
        sideband_oscillator,
        spin_ensemble,
        squeezer,
    )
    from darkstate.gaussian.detection import heterodyne, homodyne, measurement, sideband_homodyne
    from darkstate.gaussian.linear_system import LinearSystem
    from darkstate.gaussian.network import cascade, network
    from darkstate.gaussian.state import (
        Convention,
        GaussianState,
        gaussian_state,
        product,
        thermal,
        two_mode_squeezed,
        vacuum,
    )
    from darkstate.pair.atom_pair import AtomPair
    from darkstate.pair.imperfections import Imperfections
    from darkstate.pair.state import PairState
    from darkstate.pair.trap import Trap, tweezer
    from darkstate.records.calibrate import calibrate
    from darkstate.records.calibration import Calibration, calibration, read_calibration, save_calibration
    from darkstate.records.cells import Cells
    from darkstate.records.comparisons import fit_ramsey, two_sample
    from darkstate.records.count_model import CountModel
    from darkstate.records.counts import count_table, read_counts, save_counts
    from darkstate.records.dataset import to_dataset
    from darkstate.records.demodulate import TemporalMode, gram, lock_in, quadratures
    from darkstate.records.digitizer import Digitizer
    from darkstate.records.fidelity import FidelityFit, fit_fidelity
    from darkstate.records.fingerprint import fingerprint
    from darkstate.records.inelastic import exclude_unentangled
    from darkstate.records.inspect import inspect_file
    from darkstate.records.io import open_record, record_digest, save_record
    from darkstate.records.orientation import fit_orientation
    from darkstate.records.projection import efficiency_from_noise, projection_noise, shot_noise_linearity
    from darkstate.records.readers import read_foreign
    from darkstate.records.reconstruct import Reconstruction, reconstruct
    from darkstate.records.schema import Pulse, record, sequence
    from darkstate.records.simulate import simulate
    from darkstate.report.budget import budget
    from darkstate.report.certificate import read_certificate
    from darkstate.report.count_results import reconstruct_counts
    from darkstate.report.counting import count_model, simulate_counts
    from darkstate.report.diff import diff
    from darkstate.report.exact import compare_exact
    from darkstate.report.explain import explain
    from darkstate.report.fit import fit
    from darkstate.report.infer import infer
    from darkstate.report.interop import density_matrix, from_package, to_package, to_qutip
    from darkstate.report.optimise import optimise
    from darkstate.report.plan import plan
    from darkstate.report.prediction import predict, predict_cases
    from darkstate.report.rates import rates
    from darkstate.report.recording import lab_calibration, simulate_lab, simulate_runs
    from darkstate.report.sweep import sweep
    from darkstate.report.verdict import certify
    from darkstate.report.verification import verify
    from darkstate.solve.condition import condition, retrodict
    from darkstate.solve.evolve import evolve
    from darkstate.solve.exact_spins import exact_gradient, exact_states, exact_steady_state
    from darkstate.solve.feedback import feedback, regulate
    from darkstate.solve.methods import (
        VARIANTS,
        AdiabaticClosedForm,
        ClosedForm,
        Dense,
        ExactLiouvillian,
        Kinetic,
        Leaping,
        MomentEquations,
        Structured,
        Trajectories,
    )
    from darkstate.solve.optimum import optimum
    from darkstate.solve.sensor import force_noise, standard_quantum_limit
    from darkstate.solve.solution import Solution
    from darkstate.solve.spectra import correlation, spectrum, temporal_modes
    from darkstate.solve.steady_state import steady_state
    from darkstate.solve.trajectories import exact_samples, steady_samples
    from darkstate.spins.ensembles import Rates, SpinEnsembles
    from darkstate.spins.exact.jumps import Collective, JumpModel, ProductStart, SpinStart, jump_model, one_ensemble
    from darkstate.spins.exact.sampled import Sampled
    from darkstate.spins.exact.state import ExactState
    from darkstate.spins.protocol import Protocol, protocol
    from darkstate.spins.state import SpinState
    from darkstate.witness.epr import best_gain, epr_variance
    from darkstate.witness.fisher import classical_fisher, quantum_fisher, ramsey_fisher
    from darkstate.witness.purity import purity
    from darkstate.witness.separability import log_negativity, ppt, product_criterion
    from darkstate.witness.spin_pair import fidelity, negativity, sector_concurrence
    from darkstate.witness.squeezing import kitagawa_squeezing, spin_squeezing
    from darkstate.witness.steering import steering
    from darkstate.witness.teleportation import teleportation_fidelity
    from darkstate.witness.value import WitnessValue
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
