"""003 (Ruksasakchai et al. 2026): populations, entanglement, counts and fringes of its lab file.

The supplement of 003 is not available. Numbers marked "independent" were computed by another program, which shares no
code with this one, from the same model and constants.
"""

import numpy as np
import pytest
import xarray as xr

import darkstate as ds
from darkstate.backend import jnp
from darkstate.errors import Outcome
from darkstate.pair.detection import count_probabilities
from darkstate.pair.imperfections import Imperfections
from darkstate.records.count_model import calibrated
from darkstate.records.fidelity import expected_error
from darkstate.report.counting import raman_error
from darkstate.report.papers import ruksasakchai2026 as figures

PATH = ds.shipped_labs()["ruksasakchai2026"]


@pytest.fixture(scope="module")
def prediction():
    return ds.predict(ds.load(PATH))


def test_populations_after_100_ms(prediction):
    """40 uK, 0.5 G, 100 ms; independent."""
    assert prediction.populations[-1] == pytest.approx([0.4282, 0.3796, 0.1921], abs=1e-4)
    assert prediction.contact[-1] == pytest.approx([0.3885, 0.3584, 0.2531], abs=1e-4)
    assert prediction.populations[0] == pytest.approx([1, 0, 0], abs=1e-12)
    assert prediction.populations.sum(axis=1) == pytest.approx(1, abs=1e-12)
    assert prediction.outcome is Outcome.ok


def test_share_of_all_pairs_agrees_with_the_paper(prediction):
    """About 0.37 (003); q^2 P_1 = 0.8649 x 0.3796."""
    assert float(prediction.sector.value) == pytest.approx(0.8649 * 0.379636, abs=1e-6)
    assert abs(0.37 - float(prediction.sector.value)) < float(prediction.sector.uncertainty)


@pytest.mark.slow
def test_the_error_of_p1_is_that_of_first_order():
    """Against differences of predictions, one uncertain number at a time."""
    lab = ds.load(PATH)
    found = ds.predict(lab)
    total = 0.0
    for key, size in (("collisions.a_0", 60), ("collisions.a_2", 50), ("collisions.a_4", 20)):
        value = {"collisions.a_0": -740, "collisions.a_2": -570, "collisions.a_4": -390}[key]
        ends = [ds.predict(ds.load(PATH, overrides=[f"{key}={value + s * 0.01 * size} a0"])) for s in (1, -1)]
        slope = (ends[0].populations[-1, 1] - ends[1].populations[-1, 1]) / 0.02
        assert found.shares[key] == pytest.approx(abs(slope), rel=1e-3)
        total += slope**2
    total += found.shares["atoms.temperature"] ** 2
    assert found.error[-1, 1] == pytest.approx(np.sqrt(total), rel=1e-3)


def test_entanglement_and_fisher_information(prediction):
    """chi_1 alone by symmetry: F = 1, concurrence 1; 4 P_s F of all pairs, 4 F of those in m = +-1; limit 2."""
    assert float(prediction.fidelity.value) == pytest.approx(1, abs=1e-12)
    assert prediction.verdict.startswith("entangled: F = 1.0000")
    every, selected = prediction.fisher
    assert every == pytest.approx(4 * 0.328348, abs=1e-5)
    assert every < 2 < selected
    assert selected == pytest.approx(4, abs=1e-12)
    assert float(prediction.destroyed.fidelity) == pytest.approx(0.5, abs=1e-9)
    partly = ds.predict(ds.load(PATH, overrides=["destruction.scrambled=0.2"]))
    assert float(ds.sector_concurrence(partly.destroyed)) == pytest.approx(0.6, abs=1e-4)  # |1 - 2p|


@pytest.mark.parametrize(
    ("theta", "fidelity", "wanted"),
    # model R1, independent
    [
        (0.0, 1.0, [0.20755, 0.22056, 0.57189]),
        (np.pi / 2, 1.0, [0.20740, 0.07757, 0.71503]),
        (np.pi / 2, 0.5, [0.21093, 0.15030, 0.63877]),
    ],
)
def test_remaining_atoms_of_model_r1(theta, fidelity, wanted):
    e = ds.load(PATH).experiment
    assert np.asarray(count_probabilities(theta, fidelity, e.detection)) == pytest.approx(wanted, abs=6e-6)


def test_expected_errors():
    """sigma_F = 0.090 from the pairs of atoms alone, 11 areas of 300 pairs, P_s known; independent."""
    known = calibrated(count_probabilities, Imperfections(), {})
    areas = np.linspace(0, np.pi, 11)
    assert expected_error(areas, 300, known, use="two_atoms") == pytest.approx(0.090, abs=5e-4)
    lab = ds.load(PATH, overrides=["detection.sector=0.37"])
    assert raman_error(lab, use="two_atoms") == pytest.approx(0.090, abs=5e-4)
    assert raman_error(lab) < raman_error(lab, use="two_atoms") < raman_error(ds.load(PATH), use="two_atoms")


@pytest.mark.slow
def test_files_and_cases(tmp_path):
    found = ds.predict_cases(ds.load_cases(PATH))
    assert "case modern" in str(found)
    paths = found.save(tmp_path)
    assert {p.name for p in paths} == {f"prediction.{kind}" for kind in ("nc", "png", "pdf", "csv")}
    with xr.open_dataset(tmp_path / "klausen" / "prediction.nc", engine="h5netcdf") as data:
        assert data.population.dims == ("t", "state")
        assert float(data.population[-1].sel(state="chi_1")) == pytest.approx(0.3796, abs=1e-4)
        assert float(data.fidelity) == pytest.approx(1)
        assert all("long_name" in v.attrs or "flag_meanings" in v.attrs for v in data.data_vars.values())
    lines = (tmp_path / "klausen" / "prediction.csv").read_text().splitlines()
    assert lines[0] == "t_ms,p_00,p_chi_1,p_chi_2,p_chi_1_err" and len(lines) == 202


# --- figures ---------------------------------------------------------------------------------------------------------


def test_fig2():
    data, _ = figures.fig2()
    for name in ("p", "p_model"):
        assert data[name].dims == ("fidelity", "n", "theta")
        assert np.asarray(data[name].sum("n")) == pytest.approx(1, abs=1e-12)
    assert data.fidelity.values.tolist() == [1.0, 0.9, 0.5]
    assert data.n.values.tolist() == [0, 1, 2]
    assert data.theta.size >= 101 and data.theta[0] == 0 and float(data.theta[-1]) == pytest.approx(np.pi)
    # P_1 = 1 - F sin^2 theta, P_0 = P_2
    wanted = 1 - data.fidelity * np.sin(data.theta) ** 2
    assert np.asarray(data.p.sel(n=1)) == pytest.approx(np.asarray(wanted), abs=1e-12)
    assert np.asarray(data.p.sel(n=0)) == pytest.approx(np.asarray(data.p.sel(n=2)), abs=1e-12)
    middle = data.p_model.sel(fidelity=0.5).interp(theta=np.pi / 2)
    assert middle.values == pytest.approx([0.21093, 0.15030, 0.63877], abs=1e-5)


def test_fig3():
    data, _ = figures.fig3()
    assert data.group.values.tolist() == ["destruction", "control"]
    assert data.fidelity.values == pytest.approx([0.5, 1.0], abs=1e-5)
    assert data.p_model.dims == data.p.dims == ("group", "n", "theta")
    assert data.p.sel(group="destruction", n=1).interp(theta=np.pi / 2) == pytest.approx(0.5, abs=1e-5)
    same = abs(data.p_model.sel(group="control") - data.p_reference.sel(reference=1.0))
    assert float(same.max()) < 1e-9
    assert data.simulated.dims == ("group", "n", "area")


def test_fig4():
    """71 kHz between the fringes of chi_1 (003), twice that between those of two separate atoms."""
    data, _ = figures.fig4()
    delta = data.delta_khz.values
    assert delta[0] == -200 and delta[-1] == 200 and np.diff(delta).max() <= 0.5
    peaks = [d for d, p, a, b in zip(delta[1:-1], *(data.p1_pair.values[k : len(delta) - 2 + k] for k in (1, 0, 2)),
                                     strict=True) if p > a and p > b]  # fmt: skip
    near = [d for d in peaks if abs(d) < 100]
    assert near == pytest.approx([-71, 0, 71], abs=0.5)
    # the same p gives (1 - 2p)^2, p^2 and 2p
    p = data.mean_single / 2
    assert np.asarray(data.p1_pair) == pytest.approx(np.asarray((1 - 2 * p) ** 2), abs=1e-12)
    assert np.asarray(data.p2_single) == pytest.approx(np.asarray(p**2), abs=1e-12)
    assert float(data.p2_single.sel(delta_khz=71)) < 1e-6 < 0.9 < float(data.p1_pair.sel(delta_khz=71))
    # the caution: one atom of a separate pair has fringes of the same spacing as chi_1
    assert np.asarray(data.p1_single) == pytest.approx(np.asarray((1 - data.p1_pair) / 2), abs=1e-12)


@pytest.mark.slow
def test_populations_of_three_models():
    """Long-time average of a harmonic trap, contact without range, 0.5 G (independent)."""
    data, _ = figures.populations()
    assert data.population.dims == ("model", "state", "t_ms")
    assert data.model.values.tolist() == ["kinetic", "kinetic_effective_range", "harmonic"]
    assert data.state.values.tolist() == ["00", "chi_1", "chi_2"]
    end = data.population.isel(t_ms=-1)
    assert end.sel(model="kinetic").values == pytest.approx([0.3885, 0.3584, 0.2531], abs=1e-4)
    assert end.sel(model="kinetic_effective_range").values == pytest.approx([0.4282, 0.3796, 0.1921], abs=1e-4)
    late = data.population.sel(model="harmonic", t_ms=slice(20, 100)).mean("t_ms")
    assert late.values == pytest.approx([0.4339, 0.3724, 0.1936], abs=0.006)
    assert data.attrs["harmonic_share"] == pytest.approx(0.062, abs=1e-3)


# --- closing the loop ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_interleaved_counts_tell_destruction_from_control():
    lab = ds.load(PATH)
    found = ds.reconstruct_counts(lab, ds.simulate_counts(lab, sequence="interleaved", shots=1000, seed=7))
    control, destruction = found.fits["control"], found.fits["destruction"]
    assert control.entangled and not destruction.entangled
    assert abs(control.unbounded - 1) < 4 * control.error
    assert abs(destruction.unbounded - 0.5) < 4 * destruction.error
    assert found.compared.total_p < 1e-3
    assert found.to_dataset().fidelity.dims == ("group",)


def test_counts_over_time_give_the_share_in_m_1():
    lab = ds.load(PATH)
    found = ds.reconstruct_counts(lab, ds.simulate_counts(lab, sequence="populations", shots=100_000, seed=3)).course
    pull = (found.share[1:] - found.expected[1:]) / found.error[1:]
    assert abs(pull).max() < 4 and np.sqrt((pull**2).mean()) < 2
    assert found.p_value > 1e-3
    assert float(jnp.max(jnp.asarray(found.error))) < 0.002


@pytest.mark.slow
def test_ramsey_counts_give_fringe_fidelity_and_field():
    lab = ds.load(PATH)
    found = ds.reconstruct_counts(lab, ds.simulate_counts(lab, sequence="ramsey", shots=2000, seed=5))
    assert found.ramsey.accepted
    # the shift of the splitting of m = 1 and -1 is 2 g_F mu_B/h with g_F = -1/3 (g_J = 2, g_I = 0): 0.933 MHz/G
    ratio = found.ramsey.sensitivity / found.ramsey.field_sensitivity
    assert ratio == pytest.approx(2 / 3 * 13.996e9, rel=3e-3)
    assert found.fits["all"].entangled
