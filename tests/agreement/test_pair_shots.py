"""Counts of two atoms by stochastic maps, against shots followed one by one and all outcomes enumerated."""

import math

import numpy as np
import pytest

from darkstate.pair.detection import count_probabilities, detect, pulsed_atoms, ramsey_count_probabilities
from darkstate.pair.imperfections import Imperfections
from darkstate.pair.sequence import ramsey_probability
from oracles import pair_sequence, pair_shots

HARSH = {
    "preparation": 0.75,
    "sector": 0.45,
    "outer": 0.8,
    "scattering": 0.6,
    "ejection": 0.8,
    "ejection_other": 0.15,
    "inelastic": 0.7,
    "pushout": 0.85,
    "pushout_other": 0.1,
    "loss": 0.15,
}
SETTINGS = {"standard": pair_shots.STANDARD, "harsh": HARSH}


def costs(seed=4):
    """An inelastic table as an array [7 5] and as a dictionary by (m of F = 3, m of F = 2)."""
    array = np.random.default_rng(seed).random((7, 5))
    return array, {(a - 3, b - 2): array[a, b] for a in range(7) for b in range(5)}


def scattered(setting, theta):
    return 1 - math.exp(-setting["scattering"] * theta / math.pi)


def test_parameters_of_both_programs_are_the_same():
    assert pair_shots.STANDARD == {name: getattr(Imperfections(), name) for name in pair_shots.STANDARD}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("theta", [0.0, 0.7, math.pi / 2, 2.6, math.pi])
@pytest.mark.parametrize("fidelity", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("by_table", [False, True])
def test_counts_of_a_pulse_by_enumeration(name, theta, fidelity, by_table):
    setting = SETTINGS[name]
    array, table = costs() if by_table else (None, None)
    start = pair_shots.pairs_after(pair_shots.pulse(theta), fidelity, setting)
    exact = pair_shots.enumerate_counts(start, scattered(setting, theta), setting, table)
    found = count_probabilities(theta, fidelity, Imperfections(**setting), inelastic=array)
    assert np.asarray(found) == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("delta_hz", [0.0, 23e3, -71e3, 190e3])
@pytest.mark.parametrize("name", SETTINGS)
def test_counts_of_a_ramsey_sequence_by_enumeration(delta_hz, name):
    setting, tau, dark = SETTINGS[name], 1.62e-6, 5e-6
    one = pair_sequence.ramsey_unitary(2 * math.pi * delta_hz, tau, dark, math.pi / 2 / tau)
    p, lab, scatter = ramsey_probability(delta_hz, tau, dark), Imperfections(**setting), scattered(setting, math.pi)
    pairs = pair_shots.enumerate_counts(pair_shots.pairs_after(one, 0.8, setting), scatter, setting)
    assert np.asarray(ramsey_count_probabilities(p, 0.8, lab)) == pytest.approx(pairs, abs=1e-12)
    atoms = pair_shots.enumerate_counts(pair_shots.atoms_after(one, setting), scatter, setting)
    assert np.asarray(detect(pulsed_atoms(p, lab), math.pi, lab)) == pytest.approx(atoms, abs=1e-12)


CASES = [
    # setting, theta, fidelity, table of inelastic losses
    ("standard", 0.0, 1.0, False),
    ("standard", math.pi / 2, 1.0, False),
    ("standard", math.pi / 2, 0.5, False),
    ("standard", 2.0, 0.9, True),
    ("harsh", math.pi / 2, 0.7, False),
    ("harsh", math.pi, 1.0, True),
]


def _within_four_standard_errors(case, shots, seed):
    name, theta, fidelity, by_table = case
    array, table = costs() if by_table else (None, None)
    found = np.array(pair_shots.shoot(theta, fidelity, SETTINGS[name], shots, seed, table))
    assert found.sum() == shots
    p = np.asarray(count_probabilities(theta, fidelity, Imperfections(**SETTINGS[name]), inelastic=array))
    assert (abs(found / shots - p) < 4 * np.sqrt(p * (1 - p) / shots)).all(), (found / shots, p)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_counts_shot_by_shot(case):
    _within_four_standard_errors(case, 10_000, seed=11)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_counts_shot_by_shot_with_many_shots(case):
    _within_four_standard_errors(case, 400_000, seed=12)
