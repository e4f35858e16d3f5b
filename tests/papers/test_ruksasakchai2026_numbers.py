"""003 (Ruksasakchai et al. 2026): populations, entanglement, counts and fringes of its lab file.

The supplement of 003 is not available. Numbers marked "independent" were computed by another program, which shares no
code with this one, from the same model and constants.
"""

import dataclasses

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
from darkstate.report import pair_spread
from darkstate.report.counting import raman_error
from darkstate.report.papers import ruksasakchai2026 as figures
from oracles.pair_kinetic import BOHR, Collisions, U

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
    apart = np.hypot(float(prediction.sector.uncertainty), 0.02)
    assert abs(0.37 - float(prediction.sector.value)) < 2 * apart


NUMBERS = {"a_0": (-740, 60), "a_2": (-570, 50), "a_4": (-390, 20), "temperature": (40, 4)}


def p1_by_force(a_0, a_2, a_4, temperature):
    """P_1 after 100 ms in 22 MHz, 1 um, 1064 nm at 0.5 G (35.944, 143.776 Hz), abar = 78.5 Bohr radii."""
    mass, trap = 84.911789738 * U, (102348.0, 102348.0, 24510.8)
    lengths = np.array([a_0, a_2, a_4]) * BOHR
    energies = np.array([0.0, 35.944, 143.776])
    return Collisions(lengths, energies, trap, mass, 1e-6 * temperature, 78.5 * BOHR)


@pytest.mark.slow
def test_the_error_of_p1_is_half_the_spread_over_the_uncertain_numbers(prediction):
    """Plain draws one after another through another program; first order would give 0.064."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(300):
        rho = p1_by_force(**{k: rng.normal(*v) for k, v in NUMBERS.items()}).state(0.1)
        found.append((rho[1, 1] + rho[3, 3]).real)
    low, middle, high = np.quantile(found, [0.1587, 0.5, 0.8413])
    assert prediction.error[-1, 1] == pytest.approx((high - low) / 2, rel=0.2)  # 300 draws: 7 %
    assert prediction.spread.median[-1, 1] == pytest.approx(middle, abs=0.005)
    assert float(prediction.sector.uncertainty) == pytest.approx(0.8649 * (high - low) / 2, rel=0.2)
    alone = [
        (r[1, 1] + r[3, 3]).real for r in (p1_by_force(x, -570, -390, 40).state(0.1) for x in rng.normal(-740, 60, 200))
    ]
    low, _, high = np.quantile(alone, [0.1587, 0.5, 0.8413])
    assert prediction.shares["collisions.a_0"] == pytest.approx((high - low) / 2, rel=0.25)


def test_every_draw_is_the_prediction_with_its_numbers(prediction):
    """One exponential per draw, applied again and again, against one evolution per draw."""
    lab = prediction.lab
    sigmas = {f"collisions.{k}": lab.uncertainties[f"collisions.{k}"] for k in ("a_0", "a_4")}
    values = pair_spread.draws(lab.experiment, sigmas, 4)
    found = np.asarray(pair_spread._courses(lab.experiment, tuple(sigmas), 201, jnp.asarray(values)))
    for row, course in zip(values, found, strict=True):
        e = ds.with_values(lab.experiment, dict(zip(sigmas, row.tolist(), strict=True)))
        solution = ds.evolve(e.pair(), prediction.times)
        assert course == pytest.approx(np.asarray(solution.state.populations), abs=1e-9)


def test_draws_are_gaussian_reproducible_and_within_their_range(prediction):
    e = prediction.lab.experiment
    values = pair_spread.draws(e, {"atoms.temperature": 4e-6, "collisions.mean_length": 40e-9}, 512)
    assert values == pytest.approx(
        pair_spread.draws(e, {"atoms.temperature": 4e-6, "collisions.mean_length": 40e-9}, 512)
    )
    assert values[:, 0].mean() == pytest.approx(40e-6, rel=1e-3)
    assert values[:, 0].std() == pytest.approx(4e-6, rel=2e-2)
    assert values[:, 1].min() >= 0  # 4 +- 40 nm, cut at 0
    assert values[:, 1].max() < 1e-6
    assert prediction.to_dataset().attrs["seed"] == pair_spread.SEED


def test_the_median_is_printed_where_it_differs(prediction):
    assert "median over the uncertain numbers P_1 = 0.36" in str(prediction)
    quiet = ds.predict(ds.load(PATH, overrides=["collisions.a_0=-740 a0", "collisions.a_4=-390 a0"]))
    apart = abs(quiet.spread.median[-1, 1] - quiet.populations[-1, 1])
    assert ("median over" in str(quiet)) == bool(apart > quiet.error[-1, 1] / 3)


def test_late_mean_of_p1(prediction):
    """The last 20 of 100 ms in steps of 0.5 ms."""
    assert "mean over the last 20 ms P_1 = " in str(prediction)
    assert float(prediction.late.value) == pytest.approx(prediction.populations[160:, 1].mean(), abs=1e-12)
    assert 0 < float(prediction.late.uncertainty) < float(prediction.error[-1, 1])


def test_no_verdict_where_there_are_no_pairs_in_m_1():
    """Equal scattering lengths change no spin."""
    found = ds.predict(ds.load(PATH, overrides=[f"collisions.a_{f}=-500 a0" for f in (0, 2, 4)]))
    assert found.verdict.startswith("no verdict: P_1 = ")
    assert "nan" not in str(found)


def test_entanglement_and_fisher_information(prediction):
    """chi_1 alone by symmetry: F = 1, concurrence 1; 4 P_s F of all pairs, 4 F of those in m = +-1; limit 2."""
    assert float(prediction.fidelity.value) == pytest.approx(1, abs=1e-12)
    assert prediction.verdict.startswith("entangled by symmetry: F = 1.0000")
    assert "q^2 P_1 = 0.328 of all" in prediction.verdict
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
    i = Imperfections()
    exact = [f"detection.{k}={getattr(i, k)}" for k in ("preparation", "sector", "scattering", "ejection")]
    exact += [f"detection.{k}={getattr(i, k)}" for k in ("inelastic", "pushout", "loss")]
    lab = ds.load(PATH, overrides=exact)
    assert raman_error(lab, use="two_atoms") == pytest.approx(0.090, abs=5e-4)
    assert raman_error(lab) < raman_error(lab, use="two_atoms") < raman_error(ds.load(PATH), use="two_atoms")


def test_expected_errors_with_the_errors_of_the_lab_file():
    """Every calibration of the file within its error; 0.083 and 0.119 by differences of the model in NumPy."""
    lab = ds.load(PATH)
    names = [k for k in lab.uncertainties if k.startswith("detection.")]
    sigmas = [lab.uncertainties[k] for k in names]
    areas = np.linspace(0, np.pi, 11)

    def at(fidelity, *values):
        changed = {k.split(".")[1]: v for k, v in zip(names, values, strict=True)}
        return np.asarray(count_probabilities(areas, fidelity, dataclasses.replace(Imperfections(), **changed)))

    x = np.array([0.8, *(getattr(Imperfections(), k.split(".")[1]) for k in names)])
    step = 1e-5 * np.eye(len(x))
    slopes = np.stack([(at(*(x + d)) - at(*(x - d))) / 2e-5 for d in step])
    for use, part in (("joint", slice(None)), ("two_atoms", slice(2, 3))):
        p, d = at(*x)[:, part], slopes[:, :, part]
        weight = 1 / p if use == "joint" else 1 / (p * (1 - p))
        fisher = 300 * np.einsum("isn,jsn,sn->ij", d, d, weight) + np.diag([0, *(1 / np.square(sigmas))])
        wanted = np.sqrt(np.linalg.inv(fisher)[0, 0])
        assert raman_error(lab, fidelity=0.8, use=use) == pytest.approx(wanted, rel=1e-4)
    assert raman_error(lab) == pytest.approx(0.083, abs=5e-4)
    assert raman_error(lab, use="two_atoms") == pytest.approx(0.119, abs=5e-4)


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
    same = abs(data.p_model - data.p_reference).sel(group="control", reference=1.0)
    assert float(same.max()) < 1e-9
    half = abs(data.p_model - data.p_reference).sel(group="destruction", reference=0.5)
    assert float(half.max()) < 1e-4
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
    assert destruction.error < 0.15 and 1 - destruction.unbounded > 2.5 * destruction.error
    assert found.compared.total_p < 1e-3
    assert "counts of both groups compared, not their fidelities" in str(found)
    assert found.to_dataset().fidelity.dims == ("group",)


@pytest.mark.slow
@pytest.mark.parametrize("given", [[], ["destruction.loss=0.05", "destruction.sector=0.37"]])
@pytest.mark.parametrize("seed", [1, 2])
def test_loss_by_heating_is_not_read_as_lost_entanglement(given, seed):
    """True F = 1 in both groups, 8 % of the atoms lost by the procedure; expected 5 +- 2 %, or free: then refused."""
    true = ["destruction.loss=0.08", "destruction.scrambled=0", "destruction.gradient=0 T/m"]
    data = ds.simulate_counts(ds.load(PATH, overrides=true), sequence="interleaved", seed=seed)
    found = ds.reconstruct_counts(ds.load(PATH, overrides=given), data)
    if given:
        assert "calibrate destruction.loss" in found.unknown["destruction"]
        assert "group destruction\nno fidelity: the fidelity has a standard error of" in str(found)
        assert found.to_dataset().group.values.tolist() == ["control"]
    else:
        fit = found.fits["destruction"]
        assert fit.unbounded > 0.5 and abs(fit.unbounded - 1) < 2 * fit.error
    assert found.fits["control"].entangled


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
