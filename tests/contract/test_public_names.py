"""Public names are frozen; every parameter of every experiment has unit, symbol, meaning and source."""

import subprocess
import sys

import pytest

import darkstate as ds
from darkstate.experiments import CATALOGUE
from darkstate.experiments.layout import sections
from darkstate.parameters import specs

NAMES = """
AdiabaticClosedForm ArgumentError AtomPair Calibration Cells CesiumCells ClosedForm Collective Convention CountModel
DarkstateError Dense Digitizer ExactLiouvillian ExactState FidelityFit GaussianState Imperfections InputError
JumpModel Kinetic Leaping LinearSystem MomentEquations MonitoredCells Outcome OutcomeError PairState ProductStart
Protocol Pulse Rates Reconstruction Sampled Solution SpinEnsembles SpinMechanics SpinStart SpinState Structured
TemporalMode Trajectories Trap TweezerPair TwoLevelEnsembles VARIANTS WitnessValue __version__ beam_splitter best_gain
budget calibrate calibration cascade certify classical_fisher compare_exact condition correlation count_model
count_table density_matrix diff efficiency_from_noise epr_variance evolve exact_gradient exact_samples exact_states
exact_steady_state exclude_unentangled explain feedback fidelity fingerprint fit fit_fidelity fit_orientation
fit_ramsey force_noise from_package gaussian_state gram heterodyne homodyne infer inspect_file jump_model
kitagawa_squeezing lab_calibration light_rates line load load_cases lock_in log_negativity loss measurement negativity
network one_ensemble open_record open_system optimise optimum optomechanics oscillator parametric_oscillator
phase_shift plan ppt predict predict_cases product product_criterion projection_noise protocol purity quadratures
quantum_fisher ramsey_fisher rates read_calibration read_certificate read_counts read_foreign reconstruct
reconstruct_counts record record_digest regulate retrodict save_calibration save_counts save_record sector_concurrence
sequence shipped_labs shot_noise_linearity sideband_homodyne sideband_oscillator simulate simulate_counts simulate_lab
simulate_runs species spectrum spin_ensemble spin_squeezing squeezer standard_quantum_limit steady_samples
steady_state steering sweep teleportation_fidelity temporal_modes thermal to_dataset to_package to_qutip tweezer
two_mode_squeezed two_sample vacuum verify window with_values
""".split()


def test_public_names_are_these_and_all_load():
    assert sorted(ds.__all__) == sorted(NAMES)
    for name in ds.__all__:
        assert getattr(ds, name) is not None


def test_import_is_lazy():
    code = "import sys, darkstate; print([m for m in ('jax', 'numpy', 'matplotlib', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", CATALOGUE)
def test_every_parameter_is_described(kind):
    seen = 0
    for section in sections(kind).values():
        for name, spec in specs(section):
            seen += 1
            assert spec.symbol and spec.doc and spec.source, f"{kind}: {name}"
            assert not spec.doc.endswith("."), f"{kind}: {name}"
    assert seen >= 12


@pytest.mark.parametrize("order", ["import jax, darkstate", "import darkstate, jax"])
def test_jax_is_in_64_bit_whichever_is_imported_first(order):
    code = f"{order}; print(jax.numpy.ones(1).dtype)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "float64"
