"""Rates of light on the sublevels of real atoms: darkstate.atoms against one diagonalised matrix and the papers.

The oracle (oracles/atomic_levels.py) knows no F and no Racah algebra; both routes get the same constants.  "Sec. n" is
a section of the project's physics sheet on spin ensembles; [Muschik2011] App. E is its paper 001, Krauter 2011 is 002.
"""

import itertools

import numpy as np
import pytest

from darkstate.atoms import light, pumping, shifts
from darkstate.atoms.species import line
from darkstate.backend import jax, jnp
from oracles import atomic_levels as al

LINES = [("133Cs", "D1"), ("133Cs", "D2"), ("85Rb", "D1"), ("85Rb", "D2"), ("87Rb", "D1"), ("87Rb", "D2")]
LINES.append(("171Yb", "1S0-3P1"))
GAUSS = 1e-4
CAESIUM = line("133Cs", "D2")
UP, DOWN = (4.0, 4.0), (4.0, 3.0)
SPLITTINGS = [251.0916e6, 201.2871e6, 151.2247e6]
"""5-4, 4-3, 3-2 of 6P3/2 [Hz]: Sec. 4."""


def names(one, orientation=1):
    """(F, m) of up, down and, where there is one, h: written here a second time."""
    top = one.species.nuclear_spin + one.species.ground_spin
    found = {"up": (top, orientation * top), "down": (top, orientation * (top - 1))}
    if one.species.ground_spin > 0:
        found["h"] = (top - 1, orientation * (top - 1))
    return found


def oracle_rates(one, orientation=1, **drive):
    """Every rate of the oracle over Omega^2 gamma [s^2], by its name in LightRates."""
    brute, state = al.line_of(one), names(one, orientation)

    def rate(a, b):
        return brute.rate(state[a], state[b], **drive) if a in state and b in state else 0.0

    up, down = (brute.amplitudes(state[s], state[s], **drive) for s in ("up", "down"))
    inside = set(state.values())
    return {
        "cooling": rate("down", "up"),
        "heating": rate("up", "down"),
        "up_to_h": rate("up", "h"),
        "down_to_h": rate("down", "h"),
        "h_to_up": rate("h", "up"),
        "h_to_down": rate("h", "down"),
        "rayleigh_up": rate("up", "up"),
        "rayleigh_down": rate("down", "down"),
        "rayleigh_difference": sum((up[q] - down[q]) ** 2 for q in up),
        "leak": sum(brute.rate(state["up"], b, **drive) for b in brute.ground.states(0.0) if b not in inside),
    }


def z_of(cooling, heating):
    """Z from Gamma_cool = mu^2 Gamma and Gamma_heat = nu^2 Gamma, mu^2 - nu^2 = 1."""
    return np.sqrt(cooling - heating) / (np.sqrt(cooling) - np.sqrt(heating))


def rates(one, **drive):
    """light_rates over Omega^2 gamma_LW."""
    return light.light_rates(one, rabi=1 / np.sqrt(one.natural_width), **drive)


def drives(one, count, seed):
    """Random drives, 0 to 500 G either way, at least 100 MHz from every resonance of the sublevels compared."""
    rng, brute, found = np.random.default_rng(seed), al.line_of(one), []
    while len(found) < count:
        field = rng.uniform(-500, 500) * GAUSS * rng.integers(0, 2)
        d = float(rng.choice([-1, 1]) * 10 ** rng.uniform(8.3, 10.5))
        orientation = int(rng.choice([-1, 1]))
        states = names(one, orientation).values()
        if all(abs(x) > 1e8 for s in states for x in brute.detunings(s, detuning_hz=d, field=field).values()):
            found.append({"detuning_hz": d, "field": field, "orientation": orientation})
    return found


# ---- Numbers of the papers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "polarization, detuning_hz, z",
    [
        ("y", 850e6, 2.53179239),  # Sec. 4; [Muschik2011] App. E text: 2.5
        ("y", 700e6, 2.35712444),  # Sec. 4; text 2.3
        ("x", -700e6 - sum(SPLITTINGS), 2.41929992),  # Sec. 4: measured from F' = 2; text 2.4
        ("x", -700e6, 1.55689569),  # Sec. 4: the same detuning measured from F' = 5
    ],
)
def test_z_of_caesium(polarization, detuning_hz, z):
    drive = {"polarization": polarization, "detuning_hz": detuning_hz}
    brute = oracle_rates(CAESIUM, **drive)
    assert z_of(brute["cooling"], brute["heating"]) == pytest.approx(z, abs=1e-8)
    assert rates(CAESIUM, **drive).z == pytest.approx(z, abs=1e-8)


def test_epr_floor_of_caesium_is_the_ratio_of_its_polarisabilities():
    """(mu - nu)^2 = 14 a_2/a_1: vector and tensor polarisability of F = 4, B. Julsgaard, thesis, Aarhus (2003).

    Their detuning is positive to the red. 0.156006904: Sec. 4, y light, +850 MHz ([Muschik2011]: 0.16).
    """
    delta = -850e6
    d45, d35 = SPLITTINGS[0], SPLITTINGS[0] + SPLITTINGS[1]
    a1 = (-35 / (1 - d35 / delta) - 21 / (1 - d45 / delta) + 176) / 120
    a2 = (5 / (1 - d35 / delta) - 21 / (1 - d45 / delta) + 16) / 240
    found = rates(CAESIUM, polarization="y", detuning_hz=850e6)
    assert (found.mu - found.nu) ** 2 == pytest.approx(0.156006904, abs=1e-9)
    assert (found.mu - found.nu) ** 2 == pytest.approx(14 * a2 / a1, rel=1e-9)  # A, B, C are stored to 0.1 Hz
    assert found.mu**2 - found.nu**2 == pytest.approx(1, abs=1e-12)


def test_eight_rates_of_caesium_at_700_mhz():
    """Sec. 4, in units of Gamma, y light, 6 decimals."""
    found = rates(CAESIUM, polarization="y", detuning_hz=700e6)
    wanted = {
        "heating": 0.934005,
        "cooling": 1.934005,
        "up_to_h": 2.952247,
        "down_to_h": 1.715426,
        "h_to_up": 0.052065,
        "h_to_down": 0.026526,
        "rayleigh_up": 39.015862,
        "rayleigh_down": 32.592176,
    }
    for name, value in wanted.items():
        assert getattr(found, name) / found.gamma == pytest.approx(value, abs=6e-7), name


def test_rates_out_of_the_three_levels_at_700_mhz():
    """44 -> 42 and 44 -> 32 over 44 -> 43: 0.0275288, 0.0239447 (Sec. 4); 0.03 and 0.02 in [Muschik2011] App. E."""
    one, drive = CAESIUM, {"polarization": "y", "detuning_hz": 700e6}

    def rate(end):
        return sum(m**2 for m in light.scattering(one, start=UP, end=end, **drive).values())

    assert rate((4.0, 2.0)) / rate(DOWN) == pytest.approx(0.0275288, abs=6e-8)
    assert rate((3.0, 2.0)) / rate(DOWN) == pytest.approx(0.0239447, abs=6e-8)


def test_rates_added_over_excited_levels_give_another_z():
    """Squares summed over F', as [Muschik2011] App. E prints its sum, would be noticed: the paths interfere."""
    brute, drive = al.line_of(CAESIUM), {"polarization": "y", "detuning_hz": 850e6}

    def incoherent(a, b):
        return sum(np.sum(p**2) for p in brute.paths(a, b, **drive).values())

    cooling, heating = incoherent(DOWN, UP), incoherent(UP, DOWN)
    assert abs(z_of(cooling, heating) - rates(CAESIUM, **drive).z) > 0.1


# ---- Against the oracle --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("polarization", ["x", "y"])
@pytest.mark.parametrize("name", LINES, ids="-".join)
def test_all_rates_at_random_drives(name, polarization):
    one = line(*name)
    for drive in drives(one, 6, seed=len(name[0]) + 10 * len(name[1])):
        found = rates(one, polarization=polarization, **drive)
        wanted = oracle_rates(one, polarization=polarization, **drive)
        scale = wanted["rayleigh_up"]
        for rate, value in wanted.items():
            # a small rate is a difference of large amplitudes, in both routes
            assert getattr(found, rate) == pytest.approx(value, rel=1e-9, abs=1e-13 * scale), (rate, drive)
        if wanted["cooling"] > wanted["heating"] * (1 + 1e-6):
            assert found.z == pytest.approx(z_of(wanted["cooling"], wanted["heating"]), rel=1e-9)


@pytest.mark.parametrize("name", LINES, ids="-".join)
def test_amplitudes_between_all_sublevels(name):
    """From up and down to every ground sublevel, both polarisations, one common sign left free."""
    one = line(*name)
    brute = al.line_of(one)
    for drive in drives(one, 2, seed=5):
        del drive["orientation"]
        starts = [names(one)[s] for s in ("up", "down")]
        for polarization, start, end in itertools.product("xy", starts, brute.ground.states(0.0)):
            light_of = {**drive, "polarization": polarization}
            wanted = brute.amplitudes(start, end, **light_of)
            found = light.scattering(one, start=start, end=end, **light_of)
            w = np.array([wanted[q] for q in (-1, 0, 1)])
            f = np.array([found.get(q, 0.0) for q in (-1, 0, 1)])
            f = f * (np.sign(f @ w) or 1.0)
            largest = max(abs(x) for x in brute.amplitudes(start, start, **light_of).values())
            np.testing.assert_allclose(f, w, rtol=1e-9, atol=1e-12 * largest)


def test_share_of_excited_atoms_and_leak_close_the_balance():
    """All that leaves |up> arrives: gamma_LW times the excited share is the sum of the rates to every sublevel."""
    one, drive = line("87Rb", "D2"), {"polarization": "x", "detuning_hz": 1.1e9, "field": 80 * GAUSS}
    brute, found = al.line_of(one), light.light_rates(one, rabi=1e7, **drive)
    total = sum(brute.rate((2.0, 2.0), b, **drive) for b in brute.ground.states(0.0)) * 1e14 * one.natural_width
    assert found.excited * one.natural_width == pytest.approx(total, rel=1e-10)
    parts = found.rayleigh_up + found.heating + found.up_to_h + found.leak
    assert parts == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize("name", LINES, ids="-".join)
def test_light_shifts(name):
    """Every ground sublevel, both polarisations, 0 to 500 G."""
    one = line(*name)
    brute = al.line_of(one)
    for drive in drives(one, 3, seed=11):
        del drive["orientation"]
        for state, polarization in itertools.product(brute.ground.states(0.0), "xy"):
            if min(abs(x) for x in brute.detunings(state, **drive).values()) > 5e7:
                found = shifts.light_shift(one, state, polarization=polarization, rabi=1e6, **drive)
                wanted = 1e12 * brute.light_shift(state, polarization=polarization, **drive)
                assert found == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("name", LINES, ids="-".join)
def test_polarisabilities_give_the_shifts_in_circular_light(name):
    """a_0 +- a_1 m/2 + a_2 m^2 for every m of the upper ground level, without a field."""
    one = line(*name)
    brute, f = al.line_of(one), one.species.nuclear_spin + one.species.ground_spin
    for d in (8.5e8, -7.3e9):
        a = shifts.polarizability(one, f, detuning_hz=d)
        for m, sign in itertools.product(np.arange(-f, f + 1), (1, -1)):
            wanted = brute.light_shift((f, float(m)), polarization="sigma+" if sign > 0 else "sigma-", detuning_hz=d)
            found = a.scalar + sign * a.vector * m / 2 + a.tensor * m**2
            assert found == pytest.approx(wanted, rel=1e-10, abs=1e-12 * abs(a.scalar))


def test_pump_and_repump_of_caesium():
    """c_abs^2 c_em^2 of Sec. 4: D1 F=4 -> F'=4 from |down>, D2 F=3 -> F'=4 from |h>, sigma+ light."""
    wanted = {
        ("D1", "down"): {"to_up": 1 / 36, "to_down": 1 / 144, "to_h": 7 / 144},
        ("D2", "h"): {"to_up": 7 / 36, "to_down": 7 / 144, "to_h": 25 / 144},
    }
    for (key, start), products in wanted.items():
        one = line("133Cs", key)
        found = pumping.pump_products(one, start=start, excited=4)
        brute, state = al.line_of(one), names(one)
        ground, through = brute.ground.states(0.0), brute.excited.states(0.0)[4.0, state[start][1] + 1][1]
        absorbed = (through @ brute.dipole[1] @ ground[state[start]][1]) ** 2
        for name, value in products.items():
            emitted = sum((through @ d @ ground[state[name[3:]]][1]) ** 2 for d in brute.dipole.values())
            assert absorbed * emitted == pytest.approx(value, abs=1e-14)
            assert getattr(found, name) == pytest.approx(value, abs=1e-14)


# ---- Symmetries ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("polarization", ["x", "y"])
@pytest.mark.parametrize("name", LINES, ids="-".join)
def test_turning_the_spins_is_turning_the_field(name, polarization):
    one = line(*name)
    drive = {"polarization": polarization, "detuning_hz": 6.3e9}

    def all_rates(**kind):
        found = rates(one, **drive, **kind)
        return np.array([getattr(found, x) for x in oracle_rates(one, **drive)])

    np.testing.assert_allclose(
        all_rates(field=40 * GAUSS, orientation=-1), all_rates(field=-40 * GAUSS), rtol=1e-11, atol=1e-40
    )
    np.testing.assert_allclose(all_rates(orientation=-1), all_rates(), rtol=1e-11, atol=1e-40)
    # and the field is felt: the two ensembles of one experiment, in fields of one direction, differ
    first, second = (rates(one, **drive, field=40 * GAUSS, orientation=o).rayleigh_up for o in (1, -1))
    assert 1e-4 < abs(second / first - 1) < 0.1


@pytest.mark.parametrize("polarization", ["x", "y"])
def test_a_ground_state_of_spin_one_half_needs_a_field(polarization):
    """No tensor polarisability: mu = nu without a field, by the mirror m -> -m; 300 G make them differ."""
    one, drive = line("171Yb", "1S0-3P1"), {"polarization": polarization, "detuning_hz": -1.3e9}
    bare = rates(one, **drive)
    assert bare.cooling == pytest.approx(bare.heating, rel=1e-13)
    assert bare.cooling > 1e-3 * bare.rayleigh_up
    assert bare.z > 1e6
    assert bare.up_to_h == bare.h_to_up == 0
    for field in (300 * GAUSS, -300 * GAUSS):
        brute = oracle_rates(one, field=field, **drive)
        found = rates(one, field=field, **drive)
        assert abs(found.cooling / found.heating - 1) > 0.1
        assert found.cooling / found.heating == pytest.approx(brute["cooling"] / brute["heating"], rel=1e-9)
    forward, back = (rates(one, field=b, **drive) for b in (300 * GAUSS, -300 * GAUSS))
    assert (forward.cooling > forward.heating) != (back.cooling > back.heating)


# ---- Gradients -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, detuning_hz, field", [(("133Cs", "D2"), 850e6, 0.0), (("87Rb", "D2"), 1.4e9, 90 * GAUSS)]
)
@pytest.mark.parametrize("argument", ["detuning_hz", "field"])
def test_gradients_of_z(name, detuning_hz, field, argument):
    """jax.grad against a fourth-order central difference of the plain-number route."""
    one = line(*name)
    here = {"polarization": "y", "detuning_hz": detuning_hz, "field": field}

    def z(x):
        return rates(one, **{**here, argument: x}).z

    x, h = here[argument], {"detuning_hz": 1e6, "field": 2 * GAUSS}[argument]
    f = [z(float(x + k * h)) for k in (-2, -1, 1, 2)]
    central = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h)
    assert abs(central) * h > 1e-4
    assert float(jax.grad(z)(x)) == pytest.approx(central, rel=1e-6)
    assert float(z(jnp.asarray(x))) == pytest.approx(z(x), rel=1e-13)
