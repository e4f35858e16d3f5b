"""Levels, dipole matrix elements and energies in a field: darkstate.atoms.hyperfine against one diagonalised matrix.

The oracle (oracles/atomic_levels.py) knows no F and no Racah algebra; both routes get the same constants.  SPLITTINGS:
V. Gerginov, A. Derevianko, C. E. Tanner, Phys. Rev. Lett. 91, 072501 (2003).
"""

import itertools

import numpy as np
import pytest

from darkstate.atoms import hyperfine
from darkstate.atoms.species import line, species
from oracles import atomic_levels as al

LINES = [("133Cs", "D1"), ("133Cs", "D2"), ("85Rb", "D1"), ("85Rb", "D2"), ("87Rb", "D1"), ("87Rb", "D2")]
LINES.append(("171Yb", "1S0-3P1"))
GAUSS = 1e-4
CAESIUM = line("133Cs", "D2")
SPLITTINGS = [251.0916e6, 201.2871e6, 151.2247e6]
"""5-4, 4-3, 3-2 of 6P3/2 [Hz]."""


# ---- The oracle by itself ------------------------------------------------------------------------------------------


def test_oracle_has_the_published_splittings_of_caesium():
    """5-4 = 5A + 5/7 B + 40/7 C, 4-3 = 4A - 2/7 B - 88/7 C, 3-2 = 3A - 5/7 B + 88/7 C (Gerginov)."""
    a, b, c = 50.28827e6, -0.4934e6, 560.0
    e = al.Level(3.5, 1.5, (a, b, c), 0.0, 0.0).zero_field
    wanted = [5 * a + 5 * b / 7 + 40 * c / 7, 4 * a - 2 * b / 7 - 88 * c / 7, 3 * a - 5 * b / 7 + 88 * c / 7]
    np.testing.assert_allclose([e[5] - e[4], e[4] - e[3], e[3] - e[2]], wanted, rtol=1e-12)


def test_oracle_light_shift_is_the_dressed_energy():
    """H = -Delta |l><l| + Omega (d.e + h.c.) diagonalised with all sublevels and y light, Omega far below Delta."""
    one, field, d, omega = al.line_of(line("87Rb", "D2")), 120 * GAUSS, 2.1e9, 1e5
    ground, excited = one.ground.states(field), one.excited.states(field)
    a = (2.0, 1.0)
    drive = sum(w * one.dipole[q] for q, w in al.LIGHT["y"].items())
    detunings = one.detunings(a, detuning_hz=d, field=field)
    block = np.diag([0.0] + [-detunings[name] for name in excited])
    block[0, 1:] = [omega * v @ drive @ ground[a][1] for _, v in excited.values()]
    energies = np.linalg.eigvalsh(block + block.T - np.diag(np.diag(block)))
    shift = energies[np.argmin(np.abs(energies))]
    wanted = one.light_shift(a, detuning_hz=d, polarization="y", field=field) * 2 * np.pi * omega**2
    assert shift > 0  # blue light repels the ground level upward
    assert shift == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(
    "name, intervals, errors",
    [
        ("87Rb", [266.650e6, 156.947e6, 72.218e6], [9e3, 7e3, 4e3]),  # Steck Rb87, Fig. 2
        ("85Rb", [120.640e6, 63.401e6, 29.372e6], [68e3, 61e3, 90e3]),  # Steck Rb85, Fig. 2
    ],
)
def test_intervals_of_rubidium(name, intervals, errors):
    """Published distances of the F' of 5P3/2, highest first, within two errors (the stored A, B have their own)."""
    d2 = line(name, "D2")
    top = d2.species.nuclear_spin + 1.5
    found = [hyperfine.excited_hz(d2, top - k) - hyperfine.excited_hz(d2, top - k - 1) for k in range(3)]
    assert np.all(np.abs(np.array(found) - intervals) < 2 * np.array(errors)), found


# ---- Levels and dipole matrix elements -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", LINES, ids="-".join)
def test_dipole_elements_with_their_signs(name):
    """Coupled states (J, I) F built by lowering, the dipole between them; every pair, allowed or not."""
    one = line(*name)
    brute, i = al.line_of(one), one.species.nuclear_spin

    def coupled(level):
        for f in level.fs:
            vectors = al.clebsch_gordan(level.electron, i, f).swapaxes(1, 2).reshape(round(2 * f) + 1, -1)
            yield from (((f, f - k), v) for k, v in enumerate(vectors))

    compared = 0
    for ((fe, me), e), ((fg, mg), g) in itertools.product(coupled(brute.excited), coupled(brute.ground)):
        if abs(me - mg) <= 1:
            wanted = e @ brute.dipole[round(me - mg)] @ g
            allowed = abs(fe - fg) <= 1 and fe + fg > 0
            found = hyperfine.dipole(one, (fe, me), (fg, mg)) if allowed else 0.0
            assert found == pytest.approx(wanted, abs=1e-13)
            compared += allowed
    assert compared >= 6


@pytest.mark.parametrize("name", LINES, ids="-".join)
def test_all_decays_of_every_excited_sublevel_add_to_one(name):
    one = line(*name)
    i, j = one.species.nuclear_spin, one.species.ground_spin
    for m in np.arange(-i - one.excited_spin, i + one.excited_spin + 1):
        for f in hyperfine.excited_levels(one, float(m)):
            total = 0.0
            for fg in np.arange(abs(i - j), i + j + 1):
                for q in (-1, 0, 1):
                    if abs(m - q) <= fg and abs(f - fg) <= 1 and f + fg > 0:
                        total += hyperfine.dipole(one, (f, float(m)), (float(fg), float(m - q))) ** 2
            assert total == pytest.approx(1.0, abs=1e-12)
    for field in (0.0, 300 * GAUSS):
        np.testing.assert_allclose(al.line_of(one).decays(field), 1.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", LINES, ids="-".join)
def test_excited_levels_in_a_field(name):
    """Eigenvalues of the tridiagonal matrices against the full one, over the largest shift."""
    one = line(*name)
    level = al.line_of(one).excited
    for field in (0.0, 20 * GAUSS, -500 * GAUSS):
        states = level.states(field)
        for m in {m for _, m in states}:
            diagonal, beside = hyperfine.excited_matrix(one, m, field)
            found = np.linalg.eigvalsh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
            wanted = sorted(e - level.reference for (_, n), (e, _) in states.items() if n == m)
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-11 * one.a_hz * 10)


@pytest.mark.parametrize("name", ["133Cs", "85Rb", "87Rb", "171Yb"])
def test_breit_rabi(name):
    """1e-12 of the largest energy, so a millihertz at 9.2 GHz and 3 nHz at the kilohertz of 171Yb."""
    atom = species(name)
    level = al.line_of(line(name, atom.lines[0])).ground
    for field in (0.0, 0.92 * GAUSS, 50 * GAUSS, 500 * GAUSS, -500 * GAUSS):
        states = level.states(field)
        scale = max(abs(e) for e, _ in states.values()) + 1e-3
        for (f, m), (energy, _) in states.items():
            found = hyperfine.breit_rabi_hz(atom, f, m, field)
            assert found == pytest.approx(energy - level.reference, abs=2e-12 * scale)


def test_neighbouring_coherences_of_caesium_beat():
    """At a mean splitting of 322 kHz (Krauter 2011, B = 0.9 G) the lines of 4,4-4,3 and 4,3-4,2 lie 22.6 Hz apart.

    Closed form of the quadratic Zeeman effect, from the square root of Breit and Rabi to second order in the field:
    2 nu^2/(9.192631770 GHz) [(g_J - g_I)/(g_J + 7 g_I)]^2 = 22.63 Hz; the third order spreads it by 0.014; 002: 20 Hz.
    """
    atom, brute = species("133Cs"), al.line_of(line("133Cs", "D2")).ground

    def splittings(field, energy):
        e = [energy((4.0, float(m)), field) for m in range(4, -5, -1)]
        return -np.diff(e)

    def ours(state, field):
        return hyperfine.breit_rabi_hz(atom, *state, field)

    def theirs(state, field):
        return brute.states(field)[state][0] - brute.reference

    second_order = 2 * 322e3**2 / 9192631770 * ((atom.g_j - atom.g_i) / (atom.g_j + 7 * atom.g_i)) ** 2
    low, high = 0.9 * GAUSS, 0.95 * GAUSS
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if splittings(middle, ours).mean() < 322e3 else (low, middle)
    for energy in (ours, theirs):
        nu = splittings(low, energy)
        assert nu.mean() == pytest.approx(322e3, abs=1e-3)
        assert np.diff(nu) == pytest.approx(second_order, abs=0.015)
    assert np.diff(splittings(low, ours))[0] == pytest.approx(22.6, abs=0.05)
    assert hyperfine.field_of_splitting(atom, 322e3) == pytest.approx(low, rel=1e-6)


def test_stored_constants_of_caesium_give_its_measured_intervals():
    """A, B, C to the 0.1 Hz they are stored with; published, rounded: 50.28827(23), -0.4934(17), 0.00056(7) MHz."""
    stored = (CAESIUM.a_hz, CAESIUM.b_hz, CAESIUM.c_hz)
    assert stored == pytest.approx(al.from_splittings(3.5, 1.5, SPLITTINGS), abs=0.1)
    for value, published, error in zip(stored, (50.28827e6, -0.4934e6, 560.0), (230, 1.7e3, 70), strict=True):
        assert abs(value - published) < error
