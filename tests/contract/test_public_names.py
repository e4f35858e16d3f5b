"""Public names are frozen; every parameter of every experiment has unit, symbol, meaning and source."""

import subprocess
import sys

import pytest

import darkstate as ds
from darkstate.experiments import CATALOGUE
from darkstate.experiments.layout import sections
from darkstate.parameters import specs

NAMES = """
AdiabaticClosedForm ArgumentError CesiumCells ClosedForm Convention DarkstateError GaussianState InputError
LinearSystem MomentEquations MonitoredCells Outcome OutcomeError Protocol Rates Solution SpinEnsembles SpinMechanics
SpinState TwoLevelEnsembles VARIANTS WitnessValue __version__ beam_splitter best_gain budget cascade condition
correlation epr_variance evolve explain feedback force_noise gaussian_state heterodyne homodyne load load_cases
log_negativity loss measurement network open_system optimum optomechanics oscillator parametric_oscillator phase_shift
ppt predict predict_cases product product_criterion protocol purity regulate retrodict shipped_labs sideband_homodyne
sideband_oscillator spectrum spin_ensemble squeezer standard_quantum_limit steady_state steering
teleportation_fidelity temporal_modes thermal to_dataset two_mode_squeezed vacuum window with_values
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
