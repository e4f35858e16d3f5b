"""Trajectories: bad input in one sentence, edges with known answers, what the results keep, errors that are reached."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from darkstate.backend import jnp
from darkstate.errors import ArgumentError, OutcomeError
from darkstate.solve.evolve import evolve
from darkstate.solve.exact_spins import exact_states
from darkstate.solve.methods import Leaping, Trajectories
from darkstate.solve.steady_state import steady_state
from darkstate.solve.trajectories import exact_samples, steady_samples
from darkstate.spins.exact.jumps import Collective, JumpModel, ProductStart, SpinStart, jump_model, one_ensemble
from darkstate.spins.exact.sampled import Blocks
from darkstate.spins.exact.sampling import draw_starts
from darkstate.spins.protocol import protocol
from darkstate.spins.state import SpinState
from darkstate.witness.epr import epr_variance
from darkstate.witness.squeezing import kitagawa_squeezing, spin_squeezing
from systems import two_levels

FEW = Trajectories(number=40, seed=3)


def xi(state):
    return epr_variance(state).value


def refusal(call):
    with pytest.raises(ArgumentError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".")
    return text


def both(rate):
    """One rate for both ensembles, in the place of heating."""
    return ((0.0, 0.0), (rate, rate)) + ((0.0, 0.0),) * 5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"atoms": (0, 2)}, "at least 1 in ensemble I"),
        ({"atoms": (2.5, 2)}, "must be whole"),
        ({"atoms": (-3, 2)}, "at least 1"),
        ({"atoms": (float("nan"), 2)}, "must be whole"),
        ({"local": both(-1.0)}, "`heating` is -1"),
        ({"local": both(float("inf"))}, "finite"),
        ({"exchange": float("nan")}, "finite"),
        ({"start": (ProductStart(0.7, 0.6), ProductStart())}, "at most 1"),
        ({"start": (SpinStart(((2.0, 0.0, 1.0),)), ProductStart())}, "2 atoms have no state j = 2"),
        ({"start": (SpinStart(((1.0, 0.0, 0.4),)), ProductStart())}, "add up to 1"),
    ],
)
def test_impossible_models_are_refused_in_one_sentence(change, words):
    assert words in refusal(lambda: JumpModel(**({"atoms": (2, 2)} | change)))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Trajectories(number=1), "`number` must be a whole number of at least 2"),
        (lambda: Trajectories(seed=-1), "`seed`"),
        (lambda: Trajectories(threads=0), "`threads`"),
        (lambda: Leaping(step=0.0), "`step`"),
        (lambda: Leaping(step=float("nan")), "`step`"),
        (lambda: one_ensemble(3, collective_emission=-1.0), "`collective_emission` is -1"),
        (lambda: one_ensemble(3, dephasing=float("nan")), "finite"),
        (lambda: exact_samples(JumpModel((999, 5000)), [1.0], method=Leaping()), "at least 1000 atoms"),
        (
            lambda: exact_samples(JumpModel((2000, 0), (Collective((1.0, 0), (0.5, 0)),)), [1.0], method=Leaping()),
            "neither",
        ),
        (lambda: exact_samples(two_levels(atoms=3).model(), [1.0, 0.5]), "increasing times"),
        (lambda: exact_samples("lab.toml", [1.0]), "SpinEnsembles or a JumpModel"),
        (lambda: exact_samples(JumpModel((2, 2)), [1.0], protocol=protocol(("dark", 1.0))), "holds its rates"),
        (
            lambda: exact_samples(two_levels(atoms=3).model(), [1.0], protocol=protocol(("drive", 1.0, (0.0, 1.0)))),
            "ramp",
        ),
        (lambda: exact_samples(JumpModel((2, 2)), [1.0], until=(xi, 0.0)), "above 0"),
        (lambda: steady_samples(JumpModel((2, 2))), "depends on the start"),
        (lambda: exact_samples(one_ensemble(20_000, emission=1e-6), [1.0], method=FEW).spin_distribution, "10 000"),
        (lambda: exact_samples(one_ensemble(300, emission=1e-3), [1.0], method=FEW).purity, "200 atoms"),
        (lambda: exact_samples(JumpModel((2, 2)), [1.0], method=FEW).step_change(xi), "Leaping"),
    ],
)
def test_impossible_questions_are_refused_in_one_sentence(call, words):
    assert words in refusal(call)


def test_a_state_too_wide_for_the_plane_is_refused_in_one_sentence():
    mixed = Collective(raising=(1.0, 0.0), along=(0.3, 0.0))  # conserves nothing: 101 x 101 basis states
    assert "2500 basis states" in refusal(lambda: exact_samples(JumpModel((100, 100), (mixed,)), [1e-3], method=FEW))


def test_without_numba_the_sentence_says_how_to_install_it(monkeypatch):
    for name in [m for m in sys.modules if m.startswith(("numba", "darkstate.spins.exact.chain"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numba", None)
    assert "pip install 'darkstate[exact]'" in refusal(lambda: exact_samples(JumpModel((2, 2)), [1.0]))


@pytest.mark.parametrize("atoms", [(1, 0), (1, 1), (2, 5), (7, 4)])
def test_without_any_rate_nothing_happens(atoms):
    found = exact_samples(JumpModel(atoms), [0.0, 1e6], method=FEW)
    assert found.jumps == 0
    for e, n in enumerate(atoms):
        np.testing.assert_allclose(found.spin_state.moments.up[:, e], 1.0 if n else 0.0)


def test_independent_atoms_decay_as_one_atom():
    """Each atom is up with exp(-t); var Jx is binomial; one ensemble of odd, even, and one atom."""
    for atoms in (1, 6, 7):
        found = exact_samples(one_ensemble(atoms, emission=1.0), [0.3, 1.0], method=Trajectories(4000, seed=atoms))
        up, error = found.estimate(lambda s: s.moments.up[..., 0])
        expected = np.exp([-0.3, -1.0])
        assert np.all(np.abs(up - expected) < 4 * error) and np.all(error < 0.01)
        variance, error = found.spin_variance
        assert np.all(np.abs(variance[:, 0] - atoms * expected * (1 - expected)) < 4 * error[:, 0])


def test_a_coherent_state_starts_symmetric_and_a_thermal_one_has_its_distribution_of_j():
    """P(j = 1) of two atoms, each up with p: 1 - p(1 - p); of three, P(3/2) from the triplet of every pair."""
    random = np.random.default_rng(0)
    start = (ProductStart(0.8, 0.2), ProductStart(0.5, 0.2))
    drawn = draw_starts(JumpModel((2, 3), start=start), random, 40_000)
    assert np.mean(drawn[:, 0, 1] == 2) == pytest.approx(1 - 0.16, abs=4 * np.sqrt(0.16 * 0.84 / 40_000))
    left = drawn[:, 1, 0]
    assert left.mean() == pytest.approx(2.1, abs=0.02)
    # three atoms, up with q = 5/7 of those left: symmetric are all up, all down, and one third of the others
    q, three = 5 / 7, drawn[left == 3][:, 1]
    assert np.mean(three[:, 1] == 3) == pytest.approx(q**3 + (1 - q) ** 3 + q * (1 - q), abs=0.02)
    assert np.mean(three[:, 1] / 2 - three[:, 2]) == pytest.approx(1.5 * (2 * q - 1), abs=0.03)


def test_trajectories_run_until_the_error_is_reached_and_no_longer():
    shares = []
    model = two_levels(d=5.0, gd_add=2.0, atoms=4).model()
    found = exact_samples(
        model, [0.1, 0.2], method=Trajectories(number=200_000, seed=1), until=(xi, 0.004), progress=shares.append
    )
    value, error = found.estimate(xi)
    assert 0.0035 < error.max() < 0.004 and found.trajectories < 50_000
    assert abs(value[1] - 0.852243360762) < 4 * error[1]  # density matrix, SciPy
    assert shares[-1] == 1 and max(shares) <= 1 and np.mean(np.diff(shares) >= 0) > 0.9
    few = exact_samples(model, [0.1], method=Trajectories(number=200, seed=1), until=(xi, 1e-6))
    assert few.trajectories <= 200


def test_merged_blocks_keep_sums_and_numbers():
    sums = np.random.default_rng(1).normal(size=(37, 2, 25))
    blocks = Blocks(sums, np.r_[np.full(30, 2), np.full(7, 9)], np.zeros(0), np.zeros((0, 9)), np.zeros(4))
    small = blocks.merged(10)
    np.testing.assert_allclose(small.sums.sum(0), sums.sum(0))
    assert small.sizes.sum() == 123 and len(small.sizes) <= 10 and small.sizes.min() > 3


def test_verbs_take_trajectories_and_report_their_checks():
    model = two_levels(d=5.0, gd_add=2.0, atoms=4).model()
    solution = evolve(model, [0.0, 0.2], method=Trajectories(number=2000, seed=4))
    assert float(solution.checks["window_tail"]) < 1e-6 and 0 < float(solution.checks["sampling_error"]) < 0.02
    assert float(xi(solution.state)[1]) == pytest.approx(0.852, abs=0.06)
    steady = steady_state(two_levels(d=5.0, gd_add=2.0, atoms=2).model(), method=Trajectories(number=2000, seed=4))
    assert float(xi(steady.state)) == pytest.approx(1.0256, abs=0.03)  # density matrix: 1.025577465968
    assert float(steady.checks["drift"]) < 4


def test_steady_states_carry_errors_that_know_of_correlations_in_time():
    """Spread of 30 small runs against the error each of them states; 1.025577465968 is the density matrix's."""
    model = two_levels(d=5.0, gd_add=2.0, atoms=2).model()
    runs = [steady_samples(model, method=Trajectories(number=200, seed=s)).estimate(xi) for s in range(30)]
    value, error = (np.array([r[k][0] for r in runs]) for k in (0, 1))
    assert np.std((value - 1.025577465968) / error) == pytest.approx(1.0, abs=0.4)
    assert abs(value.mean() - 1.025577465968) < 4 * error.mean() / np.sqrt(30)


def test_the_light_of_each_segment_drives_its_own_part():
    """Dark for 1 s without dark rates: the state at its end is that at its start."""
    model = two_levels(d=5.0, gd_add=2.0, atoms=4).model()
    pulses = protocol(("drive", 0.2), ("dark", 1.0))
    quiet = replace(model, dark=jump_free(model.dark))
    found = exact_samples(quiet, [0.2, 1.1], protocol=pulses, method=Trajectories(number=500))
    np.testing.assert_allclose(found.blocks.sums[:, 0], found.blocks.sums[:, 1], atol=1e-9)


def jump_free(rates):
    return type(rates)(*[jnp.zeros(2)] * 8)


def test_one_way_light_of_unequal_cells_is_an_exchange_of_the_right_sign():
    """H = -(i/2) g (S_I S_II - h.c.), g = sqrt(t c_I c_II)(mu_I nu_II - nu_I mu_II)."""
    model = two_levels(1.5, atoms=5, transmission=0.49, drive__z=2.2).model()
    mu, nu, c = np.asarray(model.mu), np.asarray(model.nu), 30 / 5
    g = jump_model(model).exchange
    assert g == pytest.approx(0.7 * c * (mu[0] * nu[1] - nu[0] * mu[1]), rel=1e-12) and g > 0


def test_squeezing_of_product_and_twisted_states():
    """A product state of polarisation P: 1/P^2 and 1. An ellipse turned by an angle: the smaller axis counts."""
    model = two_levels(atoms=10).model()
    state = evolve(model, [0.0], throw=False).state
    np.testing.assert_allclose(spin_squeezing(state).value[0], 1.0)
    angle, small, large = 0.4, 0.05, 1.25  # variances per atom
    c, s = np.cos(angle) ** 2, np.sin(angle) ** 2
    turned = np.sin(angle) * np.cos(angle) * (large - small)
    values = {"yy": small * c + large * s, "zz": small * s + large * c, "yz": -turned}
    m = replace(state.moments, **{name: jnp.full((1, 2), value) for name, value in values.items()})
    ellipse = SpinState(m, state.atoms, state.hyperfine_spin)
    np.testing.assert_allclose(spin_squeezing(ellipse).value, small / 0.25)
    np.testing.assert_allclose(kitagawa_squeezing(ellipse), 4 * small)


def three_levels(slow):
    """One ensemble of ten atoms that a slow rate brings back from the third level by way of |up>."""
    local = [(0.0, 0.0)] * 7
    local[1], local[3], local[4], local[5] = (100.0, 0.0), (10.0, 0.0), (slow, 0.0), (slow / 10, 0.0)
    return JumpModel((10, 0), local=tuple(local))


@pytest.mark.parametrize("slow", [1.0, 0.05])
def test_steady_states_wait_for_the_slowest_population(slow):
    """Rate equations: heat up = down (d->h) .. with h_to_up; the null vector of the 3 x 3 matrix, here by hand."""
    found = steady_samples(three_levels(slow), method=Trajectories(number=600, seed=2))
    # h leaves by slow/10 to up; up leaves by 100 to down and 10 to h; down leaves by slow to h
    up = 1.0
    down = 100.0 * up / slow
    h = (10.0 * up + slow * down) / (slow / 10)
    expected = h / (up + down + h)
    value, error = found.estimate(lambda s: s.moments.h[..., 0])
    assert abs(value[0] - expected) < 4 * error[0] and error[0] < 0.01


def test_a_third_level_in_one_ensemble_only_has_a_steady_state():
    """Ensemble II: up = cool/(cool + heat); I: rate equations with loss 0.5 from up and return 1 to up, up = 20/36."""
    local = [(1.0, 1.0), (0.3, 0.3), (0.0, 0.0), (0.5, 0.0), (0.0, 0.0), (1.0, 0.0), (0.0, 0.0)]
    found = steady_samples(JumpModel((4, 4), local=tuple(local)), method=Trajectories(number=2000, seed=5))
    value, error = found.estimate(lambda s: s.moments.up)
    assert np.all(np.abs(value[0] - [1 / 1.8, 1 / 1.3]) < 4 * error[0])


def test_a_figure_without_a_number_ends_the_run_with_a_sentence():
    nothing = lambda state: state.moments.y[..., 0] * jnp.nan  # noqa: E731
    assert "not a finite number" in refusal(
        lambda: exact_samples(JumpModel((2, 2), local=both(1.0)), [1.0], method=FEW, until=(nothing, 0.1))
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: Collective(raising=(1.0,)),
        lambda: Collective(raising=1.0),
        lambda: Collective(lowering=(1j, 0.0)),
        lambda: JumpModel(10),
        lambda: JumpModel((2, 2), collective=Collective((1.0, 0.0))),
        lambda: JumpModel((2, 2), local=((1.0, 1.0),)),
        lambda: JumpModel((2, 2), local=(1.0,) * 7),
    ],
)
def test_things_of_the_wrong_shape_are_refused_in_one_sentence(make):
    assert "Argument `" in refusal(make)


def test_witnesses_are_figures_themselves():
    found = exact_samples(one_ensemble(6, emission=1.0), [0.3], method=FEW)
    (value, _), (same, _) = found.estimate(spin_squeezing), found.estimate(lambda s: spin_squeezing(s).value)
    np.testing.assert_array_equal(value, same)


def test_what_was_not_drawn_has_an_error():
    _, p, error = exact_samples(one_ensemble(30, emission=0.01), [0.1], method=FEW).spin_distribution[0]
    assert np.all(error > 0) and p[-1] == 0


def test_purity_and_its_error_are_those_of_the_density_matrix():
    """Sixty runs: mean of the pulls, and their spread, against exact_states."""
    model = two_levels(d=5.0, gd_add=2.0, atoms=3).model()
    exact = exact_states(model, [0.2])[0].collective_purity
    runs = [exact_samples(model, [0.2], method=Trajectories(number=200, seed=s)).purity for s in range(60)]
    pulls = np.array([(value - exact) / error for value, error in runs])
    assert abs(pulls.mean()) < 0.5 and np.std(pulls) == pytest.approx(1.0, abs=0.35)


def test_the_reference_of_dephasing_stays_until_the_next_jump():
    """One atom each, strong rates: a reference that moved between jumps gave <Jx> = 0.2068, not 0.2032."""
    model = two_levels(2.5, d=30.0, gd_add=2.0, atoms=1).model()
    exact = exact_states(model, [0.02])[0].spin[0]
    found = exact_samples(model, [0.02], method=Trajectories(number=200_000, seed=7))
    value, error = found.estimate(lambda s: s.moments.x[..., 0])
    assert error[0] < 0.0009 and abs(value[0] - exact) < 3 * error[0]


def test_leaping_keeps_independent_atoms_exact():
    """Uncorrelated atoms: x = (2 exp(-t) - 1)/2 per atom and <Jy^2>/N = 1/4 at all times, at both steps."""
    found = exact_samples(one_ensemble(10**6, emission=1.0), [0.1, 0.3], method=Leaping(number=4000, seed=1))
    for part in (found, found.coarse):
        x, error = part.estimate(lambda s: s.moments.x[..., 0])
        assert np.all(np.abs(x - (np.exp([-0.1, -0.3]) - 0.5)) < 4 * error + 1e-6)
        yy, error = part.estimate(lambda s: s.moments.yy[..., 0])
        assert np.all(np.abs(yy - 0.25) < 4 * error) and np.all(error < 0.01)


def test_leaping_meets_the_moment_equations_at_many_atoms():
    """001 Sec. III D, d = 30, Z = 2.5; 0.3 % and the table of steps are in validation/leaping.md."""
    model = two_levels(2.5, d=30.0, gd_add=2.0, atoms=1e9).model()
    found = exact_samples(model, [0.1, 0.4], method=Leaping(number=4000, seed=3))
    value, error = found.estimate(xi)
    np.testing.assert_array_less(np.abs(value - np.asarray(xi(evolve(model, [0.1, 0.4]).state))), 4 * error)
    assert np.all(error / value < 0.015) and found.figures["leap_range"] < 1e-3


@pytest.mark.parametrize("polarization", [0.0, -0.5])
def test_leaping_refuses_unpolarised_and_inverted_ensembles(polarization):
    model = two_levels(atoms=1e6).model()
    up = (1 + polarization) / 2
    model = replace(model, initial_up=jnp.full(2, up), initial_down=jnp.full(2, 1 - up))
    with pytest.raises(OutcomeError, match="leap_range"):
        exact_samples(model, [0.1], method=Leaping(number=40))
