"""Squared amplitudes of single-atom jumps: against the amplitudes of the exact method, and their sum rules."""

import numpy as np
import pytest

pytest.importorskip("numba")

from darkstate.spins.exact.channels import SHIFT, amplitude, ladder_norm
from darkstate.spins.exact.irreps import (
    CHANGE,
    CHANNELS,
    DEPHASING,
    SOURCE,
    WEIGHT,
    down_square,
    lines,
    quadratics,
    up_square,
    weights,
)
from darkstate.spins.exact.jumps import LOCAL

AWAY = 3
RATES = np.array([1.1, 0.7, 0.4, 0.9, 0.3, 0.5, 1.3])
LABELS = [(n, z) for n in range(9) for z in range(n % 2, n + 1, 2)]


def squares(atoms, twice_j, *, origin=0, reference=0.0):
    """Rates of every channel at k = 0 .. 2j [17 k]."""
    w, q = np.empty(6), np.empty((len(CHANNELS), 3))
    weights(float(atoms), float(AWAY), float(twice_j), w)
    quadratics(RATES, w, float(twice_j), float(origin), reference, q)
    i = np.arange(twice_j + 1) - origin
    return q @ np.array([i**0, i, i**2]), w


@pytest.mark.parametrize(("atoms", "twice_j"), LABELS)
def test_they_are_the_amplitudes_of_the_exact_method(atoms, twice_j):
    j = np.full(twice_j + 1, twice_j / 2)
    m = j - np.arange(twice_j + 1)
    found, _ = squares(atoms, twice_j, reference=twice_j / 2)
    for c, name in enumerate(CHANNELS):
        kind = LOCAL[SOURCE[c]]
        assert name.startswith(kind)
        d_atoms, d_twice_j, d_k = CHANGE[c]
        expected = RATES[SOURCE[c]] * amplitude(kind, atoms, j, m, d_twice_j / 2) ** 2
        if kind.startswith("h_to"):
            expected = AWAY * expected
        assert np.allclose(found[c], expected, rtol=1e-13, atol=1e-13), name
        assert d_twice_j / 2 - d_k == SHIFT[kind]  # m = j - k
        assert d_atoms == {"h_to": 1, "up_t": -1, "down": -1}.get(kind[:4], 0)


@pytest.mark.parametrize(("atoms", "twice_j"), LABELS)
def test_channels_add_up_to_the_number_of_atoms_that_can_jump(atoms, twice_j):
    m = twice_j / 2 - np.arange(twice_j + 1)
    up, down = atoms / 2 + m, atoms / 2 - m
    found, w = squares(atoms, twice_j, reference=twice_j / 2)
    every = {"up_to_h": up, "down_to_h": down, "cooling": down, "heating": up, "dephasing": np.full(m.size, atoms / 4)}
    for kind in LOCAL:
        expected = every.get(kind, np.full(m.size, float(AWAY)))
        total = found[LOCAL.index(kind) == SOURCE].sum(axis=0)
        assert np.allclose(total, RATES[LOCAL.index(kind)] * expected, rtol=1e-13, atol=1e-13), kind
    # what leaves, splits between j - 1/2 and j + 1/2 with weights that do not depend on m: together one per atom
    assert np.isclose(twice_j * w[3] + (twice_j + 2) * w[4], atoms, rtol=1e-13)


def test_no_jump_leads_to_a_state_that_does_not_exist():
    for atoms, twice_j in LABELS:
        found, _ = squares(atoms, twice_j, reference=twice_j / 2)
        for c, (d_atoms, d_twice_j, d_k) in enumerate(CHANGE):
            k = np.arange(twice_j + 1) + d_k
            new, z = atoms + d_atoms, twice_j + d_twice_j
            gone = (k < 0) | (k > z) | (z > new)
            assert np.all(np.abs(found[c, gone]) < 1e-13), CHANNELS[c]


def test_origin_and_reference_only_relabel():
    found, w = squares(7, 5, origin=2, reference=0.7)
    plain, _ = squares(7, 5)
    others = np.arange(len(CHANNELS)) != DEPHASING
    assert np.allclose(found[others], plain[others], rtol=1e-12)
    k = np.arange(6)
    assert np.allclose(found[DEPHASING], RATES[2] * w[0] * (k - 2.7) ** 2, rtol=1e-12)
    for c in range(len(CHANNELS)):
        a, s, b, t = lines(c, 5.0, 2.0, 0.7)
        assert np.allclose(RATES[SOURCE[c]] * w[WEIGHT[c]] * (a + s * (k - 2)) * (b + t * (k - 2)), found[c])


def test_ladder_norms_are_those_of_the_exact_method():
    j, k = np.full(6, 2.5), np.arange(6.0)
    assert np.allclose([up_square(x, 5.0) for x in k], ladder_norm(j, j - k, 1) ** 2)
    assert np.allclose([down_square(x, 5.0) for x in k], ladder_norm(j, j - k, -1) ** 2)


def test_labels_of_a_macroscopic_ensemble_do_not_overflow():
    n = 10**12
    w, q = np.empty(6), np.empty((len(CHANNELS), 3))
    weights(float(n), 0.0, float(n), w)
    quadratics(np.array([0, 1.0, 0, 0, 0, 0, 0]), w, float(n), 0.0, 0.0, q)
    assert q[3:6, 0].sum() == pytest.approx(n, rel=1e-14)  # N_up of all atoms up
