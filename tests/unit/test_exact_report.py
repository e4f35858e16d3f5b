"""The exact comparison: which method is taken, when two courses part, what is written, what is refused."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

import darkstate as ds
from darkstate.backend import jnp
from darkstate.errors import ArgumentError, Outcome
from darkstate.report import exact_methods
from darkstate.report.exact import POINTS, ExactComparison, compare_exact, comparison_times
from darkstate.report.exact_methods import Course, Preview, Task, flattened, in_time
from darkstate.report.papers import finite
from darkstate.report.style import new_figure

LABS = ds.shipped_labs()
MUSCHIK = ds.load(LABS["muschik2011"])


@pytest.fixture(scope="module")
def few():
    """001's reference parameters at Z = 2.5, where tests/agreement/test_exact_spins.py has xi by QuTiP."""
    return compare_exact(ds.load(LABS["muschik2011"], overrides=["drive.z=2.5"]), 4)


def course(name, xi, error=0.0, trajectories=0):
    return Course(name, "made by hand", np.array(xi), np.full(len(xi), error), trajectories=trajectories)


def by_hand(*courses):
    return ExactComparison(MUSCHIK, 4, np.arange(4.0), courses, (), 0.01, 0)


def test_exact_is_the_density_operator_for_few_atoms(few):
    assert [c.name for c in few.courses] == ["closed_form", "moments", "exact"]
    assert few.reference.name == "exact" and not few.reference.sampled
    # 001 Eq. (13) for four atoms per ensemble at t = 2/Gamma by QuTiP's permutation-symmetric solver
    assert few.reference.xi[-1] == pytest.approx(2.146872, abs=1e-6)
    assert few.reference.xi[0] == pytest.approx(1.0, abs=1e-12)  # all up
    assert few.reference.xi_err.max() < 1e-9
    closed, moments = few.courses[:2]
    assert closed.xi_err.max() < 1e-9 and 0 < moments.xi_err.max() < 1e-6
    assert closed.outcome == moments.outcome == Outcome.outside_validity  # d/N = 7.5
    assert "d/N = 7.5, claimed up to 0.05 only" in moments.made


def test_moments_are_those_of_predict(few):
    """They do not depend on the number of atoms."""
    many = ds.evolve(few.lab.experiment.model(), few.times)
    assert few.courses[1].xi == pytest.approx(np.asarray(ds.epr_variance(many.state).value), abs=1e-9)


def test_the_table_says_what_was_done_and_where_methods_part(few):
    text = str(few)
    assert "4 in each ensemble; optical depth and rates as in the lab file so changed, d Gamma = 30 /s" in text
    assert "density operator of all 8 atoms" in text
    apart = few.courses[1].xi - few.reference.xi
    at = int(np.argmax(abs(apart)))
    assert f"at {few.times[at]:.3g} s {abs(apart[at]):.2g} below it" in text
    assert text.splitlines()[-1].startswith(f"  {few.verdict[:20]}")
    assert max(map(len, text.splitlines())) < 170
    assert repr(few).startswith("<ExactComparison of muschik2011, N = 4: ")


def test_a_difference_counts_beyond_three_and_a_half_standard_errors():
    exact = course("exact", [1.0, 0.8, 0.7, 0.7], 0.01, 500)
    found = by_hand(course("moments", [1.0, 0.83, 0.68, 0.71]), exact)
    assert found.parting(found.courses[0]) is None
    assert found.said_of(found.courses[0]) == "agrees with exact within errors; largest difference +0.03 +- 0.01"
    found = by_hand(course("moments", [1.0, 0.83, 0.74, 0.6]), exact)
    assert found.parting(found.courses[0]) == (3, pytest.approx(10.0))
    assert found.said_of(found.courses[0]) == (
        "parts from exact: at 3 s 0.1 +- 0.01, 10 standard errors, below it (0.6000 against 0.7000)"
    )
    assert found.verdict == (
        "entangled by 30.0 standard errors: smallest xi = 0.7000 +- 0.0100 at 2 s (exact), separable states >= 1"
    )


def test_errors_of_both_count():
    leaped = course("leaped", [1.0, 0.85, 0.7, 0.7], 0.01, 500)
    found = by_hand(course("exact", [1.0, 0.8, 0.7, 0.7], 0.011, 500), leaped)
    assert found.reference.name == "exact"
    assert found.parting(leaped) is None  # 0.05 against sqrt(0.01^2 + 0.011^2) = 0.0149
    assert by_hand(course("moments", [1.0, 0.8, 0.7, 0.7]), leaped).reference is leaped


def test_equal_courses_do_not_part_and_rounding_is_no_difference():
    exact = course("exact", [1.0, 0.8, 0.7, 0.7])
    found = by_hand(course("moments", [1.0, 0.8, 0.7, 0.7 + 1e-10]), exact)
    assert found.said_of(found.courses[0]) == "agrees with exact within errors"


def test_a_bad_outcome_gives_no_verdict():
    bad = dataclasses.replace(course("exact", [1.0, 0.5, 0.5, 0.5]), outcome=Outcome.not_converged)
    assert by_hand(bad).verdict.startswith("no verdict (not_converged)")


def test_files_hold_everything_and_where_it_came_from(few, tmp_path):
    netcdf, png = few.save(tmp_path)
    assert (netcdf.name, png.name) == ("exact.nc", "exact.png")
    assert png.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    with xr.open_dataset(netcdf, engine="h5netcdf") as data:
        assert data.xi.dims == data.xi_err.dims == ("method", "t")
        assert data.method.values.tolist() == ["closed_form", "moments", "exact"]
        assert data.xi.sel({"method": "exact"}).values.tolist() == few.reference.xi.tolist()
        assert data.t.attrs["units"] == "s" and data.xi.attrs["units"] == "1"
        assert "not that of their approximations" in data.xi_err.attrs["long_name"]
        assert data.trajectories.values.tolist() == [0, 0, 0]
        assert data.attrs["lab_digest"] == few.lab.digest and data.attrs["overrides"] == "drive.z=2.5"
        assert (data.attrs["atoms"], data.attrs["error"], data.attrs["seed"]) == (4.0, 0.01, 0)
        assert "density operator" in data.attrs["exact_made"]


def test_the_picture_names_every_method(few):
    _, (ax,) = new_figure()
    few.plot(ax)
    assert [line.get_label() for line in ax.get_lines()] == ["closed form", "moments", "exact"]
    assert ax.get_xlabel() == "time t (s)"
    _, (ax,) = new_figure()
    few.plot_difference(ax)
    assert ax.get_lines()[1].get_ydata() == pytest.approx(np.zeros(POINTS))  # against the moments


SEGMENTS = """
[[protocol.segments]]
kind = "drive"
duration = "0.2 s"
{}
[[protocol.segments]]
kind = "dark"
duration = "0.113 s"
"""


def in_segments(folder, more=""):
    """The reference lab with 0.2 s of drive and 0.113 s of darkness."""
    text = LABS["muschik2011"].read_text(encoding="utf-8")
    path = folder / "segments.toml"
    path.write_text(text[: text.index("[protocol]")] + SEGMENTS.format(more), encoding="utf-8")
    return ds.load(path)


def test_the_grid_has_both_ends_and_every_border(tmp_path):
    times = comparison_times(ds.load(LABS["krauter2011"]).experiment)
    assert len(times) == POINTS and times[0] == 0 and times[-1] == pytest.approx(60e-3)
    times = comparison_times(in_segments(tmp_path).experiment)
    assert times[0] == 0 and times[-1] == pytest.approx(0.313) and np.abs(times - 0.2).min() < 1e-12


def test_segments_are_followed_and_the_closed_form_left_out(tmp_path):
    found = compare_exact(in_segments(tmp_path), 3)
    assert [c.name for c in found.courses] == ["moments", "exact"]
    assert "closed form left out: it holds for one drive segment of constant strength 1" in str(found)
    border = int(np.argmin(np.abs(found.times - 0.2)))
    # In the dark single atoms dephase at 2/s and nothing else happens: <Jx> stays, Sigma - N decays as exp(-2 t).
    since, xi = found.times[border:] - 0.2, found.reference.xi[border:]
    line = np.polyfit(np.exp(-2 * since), xi, 1)
    assert xi == pytest.approx(np.polyval(line, np.exp(-2 * since)), abs=1e-9)
    assert line[0] < -0.1


def test_a_ramp_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="one is a ramp"):
        compare_exact(in_segments(tmp_path, "strength_end = 0.5"), 3)


def test_both_ensembles_get_the_same_number_and_keep_their_rates():
    lab = ds.load(LABS["muschik2011"], overrides=["second.ensembles.atoms=7", "second.ensembles.optical_depth=20"])
    found = compare_exact(lab, 3)
    model = dataclasses.replace(lab.experiment.model(), atoms=jnp.full(2, 3.0))
    alone = ds.evolve(model, found.times, method=ds.ExactLiouvillian(), throw=False)
    assert found.reference.xi == pytest.approx(np.asarray(ds.epr_variance(alone.state).value), abs=1e-10)


def test_the_third_level_is_followed_and_notes_say_what_is_left_out():
    lab = ds.load(LABS["krauter2011"], case="c", overrides=["ensembles.optical_depth=37 +- 2"])
    found = compare_exact(lab, 2)
    assert found.reference.name == "exact" and not found.reference.sampled
    # 002 (S.3) corrected at the start: N_up = 0.99, the rest in |4,3>, F = 4
    assert found.reference.xi[0] == pytest.approx(8.14 / 7.98, abs=1e-9)
    text = str(found)
    assert "Gamma-tilde is 0.93 % below the rates it includes: the exact methods take no dephasing" in text
    assert "the uncertainties of ensembles.optical_depth are not carried through" in text


def test_without_polarisation_xi_is_infinite_and_compared_later(tmp_path):
    found = compare_exact(ds.load(LABS["muschik2011"], overrides=["ensembles.initial_polarization=0"]), 3)
    assert min(c.xi[0] for c in found.courses) > 1e12  # infinite, or <Jx> = 0 to rounding
    at, _ = found.parting(found.courses[1])
    assert found.times[at] > 0 and found.reference.xi[at] < 2
    assert "       0          inf" in str(found)
    found.save(tmp_path)
    _, (ax,) = new_figure()
    found.plot(ax)
    assert all(np.nanmax(line.get_ydata()) <= 3 for line in ax.get_lines())


def test_large_xi_is_flattened_smoothly():
    at = np.array([1.999, 2.0, 2.001, np.inf])
    assert np.asarray(flattened(at)) == pytest.approx([1.999, 2.0, 4 - 4 / 2.001, 4.0], abs=1e-12)


def test_the_minimum_is_no_scatter():
    sampled = Course("exact", "", np.array([1.0, 0.7, 0.69, 0.8]), np.array([0.0, 0.01, 0.3, np.nan]), trajectories=9)
    value, at = by_hand(sampled).smallest
    assert (float(value.value), at) == (0.7, 1.0)
    nowhere = by_hand(course("exact", [np.inf, np.nan, np.nan, np.inf]))
    assert "no" in nowhere.verdict.split(":")[0]


@pytest.mark.parametrize("atoms", [0, -4, 2.5, np.nan, np.inf, 1e16, "many", None])
def test_atoms_are_counted(atoms):
    with pytest.raises(ArgumentError, match="must be a whole number from 1 to 1e"):
        compare_exact(MUSCHIK, atoms)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"error": 0.0}, "`error` must be above 0 and at most 1, but is 0"),
        ({"error": np.nan}, "`error` must be above 0"),
        ({"error": 1.5}, "`error` must be above 0"),
        ({"seed": -1}, "`seed` must be a whole number from 0"),
        ({"seed": 0.5}, "`seed` must be a whole number from 0"),
    ],
)
def test_other_numbers_that_cannot_be_are_refused(arguments, said):
    with pytest.raises(ArgumentError, match=said):
        compare_exact(MUSCHIK, 4, **arguments)


@pytest.mark.parametrize("name", ["huang2018", "muschik2013-monitored", "ruksasakchai2026"])
def test_other_experiments_are_refused(name):
    with pytest.raises(ArgumentError, match="two_level_ensembles and cesium_cells"):
        compare_exact(ds.load(LABS[name]), 4)
    with pytest.raises(ArgumentError, match=r"must come from darkstate\.load"):
        compare_exact(LABS[name], 4)


def task(atoms, error=0.01):
    e = MUSCHIK.experiment
    model = dataclasses.replace(e.model(), atoms=jnp.full(2, float(atoms)))
    return Task(model, e.protocol.protocol(), comparison_times(e), error, 0)


def preview(given):
    return Preview.of(given, ds.evolve(given.model, given.times, throw=False))


def test_what_takes_for_ever_is_refused_with_an_error_that_does_not():
    with pytest.raises(ArgumentError, match=r"100 atoms and an error of 1e-06 take .* years|days here") as refused:
        compare_exact(MUSCHIK, 100, error=1e-6)
    cheaper = float(str(refused.value).rstrip(".").split()[-1])
    assert preview(task(100, cheaper)).seconds < exact_methods.LIMIT
    with pytest.raises(ArgumentError, match="leaping .*; ask for a larger `error`"):
        compare_exact(MUSCHIK, 1e12, error=1e-6)


def test_the_cost_grows_with_atoms_and_with_one_over_the_error_squared():
    cheap, dear = preview(task(1000)), preview(task(1000, 0.001))
    assert dear.trajectories == pytest.approx(100 * cheap.trajectories)
    assert preview(task(10**9)).jumps == pytest.approx(1e6 * cheap.jumps, rel=0.1)
    assert preview(task(10**9)).leaping == pytest.approx(cheap.leaping)


def test_times_read_well():
    assert [in_time(s) for s in (0.34, 12.3, 600.0, 7200.0, 4e5, 1e11)] == [
        "0.34 seconds", "12 seconds", "10 minutes", "2 hours", "5 days", "3.2e+03 years",
    ]  # fmt: skip


@pytest.mark.slow
def test_trajectories_agree_with_the_density_operator(monkeypatch):
    exact = compare_exact(MUSCHIK, 6)
    monkeypatch.setattr(exact_methods, "MOST_LIOUVILLIAN", 0)
    shares = []
    found = compare_exact(MUSCHIK, 6, error=0.02, seed=3, progress=shares.append)
    sampled = found.reference
    assert sampled.name == "exact" and sampled.trajectories >= 500
    assert 0 < sampled.xi_err.max() <= 0.02
    apart = np.abs(sampled.xi - exact.reference.xi)
    assert np.all(apart <= 4.5 * sampled.xi_err + 1e-9)
    assert shares and all(0 <= s <= 1 for s in shares) and max(shares) == 1
    # every jump but the rare ones of dephasing is in the estimate
    jumps = float(sampled.made.split(" jumps each")[0].split()[-1])
    assert 0.5 * jumps < preview(task(6)).jumps < 1.1 * jumps
    _, (ax,) = new_figure()
    found.plot(ax)
    assert len(ax.containers) == 1  # points with error bars


@pytest.mark.slow
def test_leaping_stands_in_for_very_many_atoms():
    found = compare_exact(MUSCHIK, 1e12, error=0.05)
    assert [c.name for c in found.courses] == ["closed_form", "moments", "leaped"]
    assert "exact left out: 1e+12 atoms" in str(found) and "leaping stands in" in str(found)
    assert "agrees with leaped within errors" in found.said_of(found.courses[1])
    assert "halving the step changed xi by at most" in found.reference.made


@pytest.fixture(scope="module")
def finite_n():
    return finite.n((2, 3, 4, 6, 8, 10))


def test_steady_states_of_few_atoms(finite_n):
    data, figure = finite_n
    assert data.xi_inf.dims == ("set", "n") and data.xi_inf_closed.dims == ("set",)
    assert data.z.values.tolist() == [1.5, 1.5, 2.0, 1.5]
    assert data.gamma_d_add.attrs["units"] == "1"
    # 001 Eq. (15) evaluated by hand for the four sets
    assert data.xi_inf_closed.values == pytest.approx([1.003685556, 0.637109181, 0.833288482, 0.804006512], abs=1e-9)
    # the page on exact results: N (xi - closed form) = 0.0686 at N = 6
    assert 6 * float(data.xi_inf.sel(n=6)[0] - data.xi_inf_closed[0]) == pytest.approx(0.0686, abs=5e-5)
    # validation/finite_n.md
    assert data.xi_inf.sel(n=10).values == pytest.approx([1.011240409, 0.662335385, 0.984515163, 0.848617394], abs=1e-8)
    assert np.all(np.diff(data.xi_inf, axis=1) < 0)
    assert float(data.residual.max()) < 1e-8
    assert [ax.get_ylabel() for ax in figure.axes][0] == r"steady-state $\xi_\infty$"


def test_continued_to_infinitely_many_atoms(finite_n):
    data, _ = finite_n
    for k, least in enumerate((1e-4, 1e-3)):  # four terms miss the next power, of order 1/(4 6 8 10)
        found = finite.continued(data.n.values, data.xi_inf[k].values)
        assert found[0] == pytest.approx(float(data.xi_inf_closed[k]), abs=least)
