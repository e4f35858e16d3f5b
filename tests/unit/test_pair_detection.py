"""From the spin state of a pair to counts of atoms: numbers of model R1, limits, and what counts do not depend on."""

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.pair import detection
from darkstate.pair.detection import (
    LEVELS,
    count_probabilities,
    ideal_probabilities,
    pulsed_atoms,
    ramsey_count_probabilities,
    simulate_counts,
)
from darkstate.pair.imperfections import Imperfections
from darkstate.parameters import specs

PERFECT = Imperfections(
    preparation=1.0,
    sector=1.0,
    scattering=0.0,
    ejection=1.0,
    ejection_other=0.0,
    inelastic=0.0,
    pushout=1.0,
    pushout_other=0.0,
    loss=0.0,
)
NAMES = [name for name, _ in specs(Imperfections)]
AREAS = np.linspace(0.0, np.pi, 7)


def table(seed=1):
    return np.random.default_rng(seed).random((7, 5))


# --- numbers and limits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "theta, fidelity, expected",
    # R1 computed beforehand by a separate program, printed to five digits
    [
        (0.0, 1.0, (0.20755, 0.22056, 0.57189)),
        (math.pi / 2, 1.0, (0.20740, 0.07757, 0.71503)),
        (math.pi / 2, 0.5, (0.21093, 0.15030, 0.63877)),
    ],
)
def test_counts_of_model_r1(theta, fidelity, expected):
    assert np.asarray(count_probabilities(theta, fidelity, Imperfections())) == pytest.approx(expected, abs=1e-5)


def test_ideal_pulse():
    # 003: a pi/2 pulse takes chi_1 to phi_+, never one atom; half of the mixture of |1, -1> and |-1, 1> stays
    assert np.asarray(ideal_probabilities(math.pi / 2, 1.0)) == pytest.approx([0.5, 0.0, 0.5], abs=1e-15)
    assert np.asarray(ideal_probabilities(math.pi / 2, 0.5)) == pytest.approx([0.25, 0.5, 0.25], abs=1e-15)
    for f in (0.0, 0.3, 1.0):  # a pi pulse swaps the spins, chi_- (F = 0) is never changed
        assert np.asarray(ideal_probabilities(jnp.array([0.0, math.pi]), f)) == pytest.approx(
            np.array([[0, 1, 0]] * 2), abs=1e-15
        )
    assert np.asarray(ideal_probabilities(AREAS, 0.0))[:, 1] == pytest.approx(1.0, abs=0)


@pytest.mark.parametrize("fidelity", [0.0, 0.5, 0.9, 1.0])
def test_counts_without_imperfections_are_ideal(fidelity):
    # atoms in m = 1 are ejected, so what is left was in m = -1
    found = count_probabilities(AREAS, fidelity, PERFECT)
    assert np.asarray(found) == pytest.approx(np.asarray(ideal_probabilities(AREAS, fidelity)), abs=1e-15)


def test_separate_atoms_without_imperfections_are_binomial():
    p = np.linspace(0, 1, 5)
    found = detection.detect(pulsed_atoms(p, PERFECT), np.pi, PERFECT)
    assert np.asarray(found) == pytest.approx(np.stack([(1 - p) ** 2, 2 * p * (1 - p), p * p], 1), abs=1e-15)


def test_pairs_outside_the_sector_stay():
    # nothing in the sector, all prepared: |00> and chi_2 are not ejected, both atoms stay but for push-out and loss
    for outer in (0.0, 0.39, 1.0):
        lab = Imperfections(preparation=1.0, sector=0.0, outer=outer, scattering=0.0, ejection_other=0.0)
        kept = (1 - 0.005) * (1 - 0.02)
        expected = [(1 - kept) ** 2, 2 * kept * (1 - kept), kept**2]
        assert np.asarray(count_probabilities(AREAS, 0.9, lab)) == pytest.approx(np.array([expected] * 7), abs=1e-14)


def test_two_atoms_in_the_upper_level_are_pushed_out_one_by_one():
    # both in |1>, ejected for certain: no inelastic loss; each stays with 1 - 0.99 and then 1 - 0.02
    lab = dataclasses.replace(Imperfections(), preparation=1.0, scattering=0.0, ejection=1.0, inelastic=1.0)
    kept = 0.01 * 0.98
    found = detection.detect(pulsed_atoms(0.0, lab), 0.0, lab)
    assert np.asarray(found) == pytest.approx([(1 - kept) ** 2, 2 * kept * (1 - kept), kept**2], abs=1e-14)


def test_strong_scattering_forgets_the_pulse():
    # all 144 pairs of sublevels alike: fidelity and area leave no trace
    lab = dataclasses.replace(Imperfections(), scattering=1e3)
    found = np.asarray(count_probabilities(np.array([2.0, 3.0]), jnp.array([0.0, 1.0]), lab))
    assert found[0] == pytest.approx(found[1], abs=1e-14)


def test_sequence_of_pulses_counts_as_one_pulse_of_the_same_transfer():
    # |1> -> |-1> with sin^2(theta/2): only this and the light scattered matter
    theta = 1.1
    one = count_probabilities(theta, 0.8, Imperfections())
    sequence = ramsey_count_probabilities(math.sin(theta / 2) ** 2, 0.8, Imperfections(), area=theta)
    assert np.asarray(sequence) == pytest.approx(np.asarray(one), abs=1e-15)
    brighter = ramsey_count_probabilities(math.sin(theta / 2) ** 2, 0.8, Imperfections())  # area pi: more scattered
    assert abs(brighter - one).max() > 1e-3


# --- structure -------------------------------------------------------------------------------------------------------


def test_counts_are_linear_in_the_fidelity():
    ends = [np.asarray(count_probabilities(AREAS, f, Imperfections(), inelastic=table())) for f in (0.0, 1.0)]
    for f in (0.25, 0.5, 0.9):
        found = np.asarray(count_probabilities(AREAS, f, Imperfections(), inelastic=table()))
        assert found == pytest.approx((1 - f) * ends[0] + f * ends[1], abs=1e-15)


def test_counts_are_linear_in_the_inelastic_table():
    def counts(costs):
        return np.asarray(count_probabilities(AREAS, 0.9, Imperfections(), inelastic=costs))

    one, two = table(1), table(2)
    assert counts(0.3 * one + 0.7 * two) == pytest.approx(0.3 * counts(one) + 0.7 * counts(two), abs=1e-15)
    # a table of one number is the constant
    constant = count_probabilities(AREAS, 0.9, Imperfections(inelastic=0.37))
    assert counts(np.full((7, 5), 0.37)) == pytest.approx(np.asarray(constant), abs=1e-15)


def test_table_entry_acts_on_its_sublevels_only():
    # all pairs |1, -1> and |-1, 1>, atom in |1> surely in F = 3, m = 1: only (3, 1) with (2, -1) can cost anything
    lab = dataclasses.replace(PERFECT, inelastic=0.0)
    for row in range(7):
        for column in range(5):
            costs = np.zeros((7, 5))
            costs[row, column] = 0.6
            found = np.asarray(count_probabilities(0.0, 1.0, lab, inelastic=costs))
            both = 0.6 if (row - 3, column - 2) == (1, -1) else 0.0
            assert found == pytest.approx([both, 1 - both, 0.0], abs=1e-15)


def test_two_atoms_left_barely_tell_inelastic_loss():
    # 003: the 2-atom curve is unaffected by inelastic collisions. In R1 one of two atoms in F = 3 has to outlast the
    # push-out, 0.01 x 0.995 x 0.98^2: the whole range of p_in moves P_2 by 0.4 points of 57, but P_0 and P_1 by 40
    none, all_ = (
        np.asarray(count_probabilities(AREAS, 1.0, Imperfections(inelastic=p), inelastic=None)) for p in (0.0, 1.0)
    )
    change = all_ - none
    outlasts = 0.01 * 0.995 * 0.98**2
    some = 1 - (1 - 0.01 * 0.98) * (1 - 0.995 * 0.98)  # one or two atoms would have stayed
    pairs = change[:, 0] / some
    assert change[:, 2] == pytest.approx(-outlasts * pairs, rel=1e-10)
    assert abs(change[:, 2]).max() == pytest.approx(0.0039, abs=5e-5)
    assert abs(change[:, 2]).max() < 0.007 * none[0, 2]
    assert pairs[0] == pytest.approx(0.396, abs=1e-3)
    # and it is nothing at all where the push-out leaves nothing in F = 3
    for costs in (table(1), np.zeros((7, 5))):
        lab = dataclasses.replace(Imperfections(), pushout=1.0)
        two = np.asarray(count_probabilities(AREAS, 1.0, lab, inelastic=costs))[:, 2]
        assert two == pytest.approx(np.asarray(count_probabilities(AREAS, 1.0, lab))[:, 2], abs=1e-15)


def test_each_step_keeps_probability_and_symmetry():
    lab = Imperfections()
    joint = detection.pulsed_pairs(0.3, 0.8, lab)
    for step in (lambda j: j, lambda j: detection.scatter(j, 1.0, lab), lambda j: detection.eject(j, lab)):
        joint = step(joint)
        assert float(joint.sum()) == pytest.approx(1.0, abs=1e-14)
        assert np.asarray(joint) == pytest.approx(np.asarray(joint).T, abs=1e-16)
    # only prepared pairs are in the sector: 0.37 of all, and the misprepared ones of step 1
    up = [LEVELS.index((2, 1)), LEVELS.index((2, -1))]
    share = float(detection.pulsed_pairs(0.3, 0.8, lab)[np.ix_(up, up)].sum())
    assert share == pytest.approx(0.37 + 0.07**2 / 4, abs=1e-15)


_unit = st.floats(0, 1, allow_subnormal=False)


@st.composite
def laboratories(draw):
    values = {name: draw(_unit) for name in NAMES}
    values["scattering"] = draw(st.floats(0, 50))
    values["sector"] *= values["preparation"] ** 2
    return Imperfections(**values)


@settings(deadline=None, max_examples=60)
@given(laboratories(), st.floats(0, 20), _unit, st.booleans())
def test_probabilities_are_probabilities(lab, theta, fidelity, by_table):
    found = np.asarray(count_probabilities(theta, fidelity, lab, inelastic=table() if by_table else None))
    assert found.sum() == pytest.approx(1.0, abs=1e-12)
    assert found.min() >= -1e-15 and found.max() <= 1 + 1e-12


# --- jit, vmap, grad -------------------------------------------------------------------------------------------------


def richardson(function, x, h=0.02):
    """First derivative, central differences extrapolated three times (error h^8)."""
    rows = [(function(x + s) - function(x - s)) / (2 * s) for s in (h, h / 2, h / 4, h / 8)]
    for order in (4, 16, 64):
        rows = [(order * b - a) / (order - 1) for a, b in zip(rows, rows[1:], strict=False)]
    return rows[0]


WEIGHTS = np.array([0.3, -0.8, 1.7])


def merit(theta, fidelity, lab, costs):
    return count_probabilities(theta, fidelity, lab, inelastic=costs) @ WEIGHTS


@pytest.mark.parametrize("costs", [None, table()], ids=["constant", "table"])
def test_gradients_of_all_arguments(costs):
    compiled = jax.jit(merit)
    slopes = jax.jit(jax.grad(merit, argnums=(0, 1, 2)))(1.1, 0.8, Imperfections(), costs)
    by_hand = [
        richardson(lambda x: float(compiled(x, 0.8, Imperfections(), costs)), 1.1),
        richardson(lambda x: float(compiled(1.1, x, Imperfections(), costs)), 0.8),
    ]
    assert [float(s) for s in slopes[:2]] == pytest.approx(by_hand, abs=1e-8)

    # arrays are not held to the range of a parameter, so differences may leave it near an edge
    def along(name):
        return lambda x: float(compiled(1.1, 0.8, _unchecked(name, x), costs))

    for name in NAMES:
        expected = richardson(along(name), getattr(Imperfections(), name))
        assert float(getattr(slopes[2], name)) == pytest.approx(expected, abs=1e-8), name
    # a table takes the place of the one probability
    assert (float(slopes[2].inelastic) == 0) == (costs is not None)


def _unchecked(name, value):
    """A set of imperfections with one traced-like value."""
    leaves, tree = jax.tree.flatten(Imperfections())
    position = NAMES.index(name)
    return jax.tree.unflatten(tree, [jnp.asarray(value) if i == position else x for i, x in enumerate(leaves)])


def test_gradient_of_the_inelastic_table():
    slopes = jax.grad(merit, argnums=3)(1.1, 0.8, Imperfections(), jnp.asarray(table()))
    compiled = jax.jit(merit)
    for row in range(7):
        for column in range(5):

            def moved(x, row=row, column=column):
                costs = table()
                costs[row, column] = x
                return float(compiled(1.1, 0.8, Imperfections(), jnp.asarray(costs)))

            assert float(slopes[row, column]) == pytest.approx(richardson(moved, 0.5), abs=1e-8)


def test_maps_and_broadcasting_agree_with_single_calls():
    fidelities, losses = np.linspace(0.4, 1, 7), np.linspace(0, 0.1, 7)
    lab = dataclasses.replace(Imperfections(), loss=losses, preparation=np.linspace(0.8, 1.0, 7))
    batch = np.asarray(jax.jit(count_probabilities)(AREAS, fidelities, lab))
    single = [
        count_probabilities(a, f, Imperfections(loss=float(x), preparation=float(q)))
        for a, f, x, q in zip(AREAS, fidelities, losses, lab.preparation, strict=True)
    ]
    assert batch == pytest.approx(np.array(single), abs=1e-15)
    mapped = jax.vmap(lambda costs: count_probabilities(AREAS, 0.9, Imperfections(), inelastic=costs))
    tables = np.stack([table(1), table(2)])
    expected = [count_probabilities(AREAS, 0.9, Imperfections(), inelastic=one) for one in tables]
    assert np.asarray(mapped(tables)) == pytest.approx(np.array(expected), abs=1e-15)


# --- simulated counts ------------------------------------------------------------------------------------------------


def test_simulated_counts_follow_from_the_seed():
    p = np.asarray(count_probabilities(AREAS, 0.9, Imperfections()))
    counts = simulate_counts(p, 300, seed=5)
    assert counts.shape == (7, 3) and np.issubdtype(counts.dtype, np.integer)
    assert (counts.sum(1) == 300).all()
    assert (counts == simulate_counts(p, 300, seed=5)).all()
    assert (counts != simulate_counts(p, 300, seed=6)).any()
    assert (counts[:4] == simulate_counts(p[:4], 300, seed=5)).all()
    assert (simulate_counts(p, np.arange(1, 8), seed=5).sum(1) == np.arange(1, 8)).all()
    assert (simulate_counts([[0.0, 1.0, 0.0]], 50, seed=1) == [[0, 50, 0]]).all()


def test_simulated_counts_have_multinomial_moments():
    # 4000 settings alike, 300 shots: means within 4 standard errors, covariance n (diag p - p p^T) within 10 %
    p = np.asarray(count_probabilities(1.0, 0.9, Imperfections()))
    counts = simulate_counts(np.tile(p, (4000, 1)), 300, seed=3)
    covariance = 300 * (np.diag(p) - np.outer(p, p))
    assert (abs(counts.mean(0) - 300 * p) < 4 * np.sqrt(np.diag(covariance) / 4000)).all()
    assert np.cov(counts.T) == pytest.approx(covariance, abs=0.1 * covariance.max())


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: count_probabilities(-0.1, 1.0, Imperfections()), "`theta` must be an area of at least 0 in rad.*-0.1"),
        (lambda: count_probabilities([0.0, math.nan], 1.0, Imperfections()), "`theta` must be an area"),
        (lambda: count_probabilities(1.0, 1.2, Imperfections()), "`fidelity` must be between 0 and 1, but is 1.2"),
        (lambda: ideal_probabilities(1.0, -0.1), "`fidelity` must be between 0 and 1, but is -0.1"),
        (lambda: ideal_probabilities(-1.0, 0.1), "`theta` must be an area"),
        (lambda: ramsey_count_probabilities(1.5, 1.0, Imperfections()), "`transfer` must be a probability"),
        (
            lambda: count_probabilities(1.0, 1.0, Imperfections(preparation=0.5)),
            r"`sector` must be at most preparation\^2.*0.37 at preparation = 0.5",
        ),
        (
            lambda: count_probabilities(1.0, 1.0, Imperfections(), inelastic=np.zeros((5, 7))),
            r"table \[7 5\] of probabilities.*shape \(5, 7\)",
        ),
        (
            lambda: count_probabilities(1.0, 1.0, Imperfections(), inelastic=np.full((7, 5), 1.5)),
            r"table \[7 5\].*but is 1.5",
        ),
        (lambda: Imperfections(loss=1.5), "`loss` .* must be at least 0 and at most 1, but is 1.5"),
        (lambda: Imperfections(scattering=-0.1), "`scattering` .* must be at least 0"),
        (lambda: simulate_counts([[0.5, 0.4, 0.2]], 300, seed=1), r"`probabilities` must be \[s 3\].*sums \[1.1\]"),
        (lambda: simulate_counts([0.5, 0.3, 0.2], 300, seed=1), r"`probabilities` must be \[s 3\].*shape \(3,\)"),
        (lambda: simulate_counts([[0.5, 0.3, 0.2]], 0, seed=1), "`shots` must be a whole number of at least 1"),
        (lambda: simulate_counts([[0.5, 0.3, 0.2]], 1.5, seed=1), "`shots` must be a whole number of at least 1"),
        (lambda: simulate_counts([[0.5, 0.3, 0.2]], [1, 2], seed=1), "`shots` must be a whole number of at least 1"),
    ],
)
def test_numbers_that_are_refused(call, message):
    with pytest.raises(ArgumentError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_contradiction_between_fields():
    assert Imperfections().problems() == []
    assert Imperfections(preparation=0.8, sector=0.8**2).problems() == []
    [(key, sentence)] = Imperfections(preparation=0.6).problems()
    assert key == "sector" and "at most preparation^2 = 0.36" in sentence


def test_every_parameter_says_what_it_is():
    for name, spec in specs(Imperfections):
        assert spec.doc and spec.symbol and spec.unit == "1" and spec.minimum == 0, name
        assert spec.source.startswith(("003", "chosen: ")), name


def test_parameters_load_no_jax():
    code = "import sys, darkstate.pair.imperfections; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
