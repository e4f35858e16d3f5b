"""001 (Muschik, Polzik, Cirac 2011), Figs. 7, 8 and Z of alkali lines: caesium from laser, pump and repump light.

The second route shares nothing with the package: scattering amplitudes of diagonalised levels
(oracles/atomic_levels.py), the null vector of the matrix of Eq. (20) by singular values, the 95 % rule by bisection,
Eq. (23) written out; for Fig. 8 SciPy's integrator (oracles/mean_field.py). Rates in units of Gamma.
"""

from functools import cache

import numpy as np
import pytest
import xarray as xr
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from darkstate.atoms.species import line
from darkstate.experiments.labfile import load, shipped_labs
from darkstate.report.papers import draw
from darkstate.solve.steady_state import steady_state
from darkstate.witness.epr import epr_variance
from oracles import atomic_levels as al
from oracles import mean_field as mf

STATES = {"u": (4.0, 4.0), "d": (4.0, 3.0), "h": (3.0, 3.0)}
FLIPS = ("ud", "du", "uh", "dh", "hu", "hd")
DEPHASING = (0.0, 2.0, 5.0, 10.0, 20.0)
"""Gamma_d_add/Gamma of 001 Figs. 7 and 8."""


# ---- the second route ----


@cache
def drive():
    """What y light at +700 MHz does, by initial and final sublevel, in units of Gamma; "V1", "V3": its dephasing."""
    # 6P3/2 by its intervals 5-4, 4-3, 3-2: Gerginov, Derevianko, Tanner, Phys. Rev. Lett. 91, 072501 (2003);
    # 6S1/2: 9192631770 Hz = 4 A. Without a field no g factor counts.
    ground = al.Level(3.5, 0.5, (9192631770 / 4, 0.0, 0.0), 2.0, 0.0)
    excited = al.Level(3.5, 1.5, al.from_splittings(3.5, 1.5, [251.0916e6, 201.2871e6, 151.2247e6]), 1.3, 0.0)
    brute, light = al.Line(ground, excited), {"detuning_hz": 700e6, "polarization": "y"}
    found = {a + b: brute.rate(STATES[a], STATES[b], **light) for a in STATES for b in STATES}
    up, down = (brute.amplitudes(STATES[s], STATES[s], **light) for s in "ud")
    found |= {"V1": found["uu"] + found["dd"], "V3": sum((up[q] - down[q]) ** 2 for q in up)}
    gamma = found["du"] - found["ud"]
    return {name: rate / gamma for name, rate in found.items()}


@cache
def products(name, start):
    """c_abs^2 c_em^2 of a sigma+ beam through F' = 4, by final sublevel: D1 from |down>, D2 from |h>."""
    brute = al.line_of(line("133Cs", name))
    ground = brute.ground.states(0.0)
    through = brute.excited.states(0.0)[4.0, 4.0][1]
    absorbed = (through @ brute.dipole[1] @ ground[STATES[start]][1]) ** 2
    return {s: absorbed * sum((through @ d @ ground[n][1]) ** 2 for d in brute.dipole.values())
            for s, n in STATES.items()}  # fmt: skip


def with_pump(pump, repump):
    """Rates of 001 Eq. (20) with pump and repump light of these strengths, and all that pump light ends."""
    p, r = products("D1", "d"), products("D2", "h")
    rates = {name: drive()[name] for name in FLIPS}
    for name, more in {"du": pump * p["u"], "dh": pump * p["h"], "hu": repump * r["u"], "hd": repump * r["d"]}.items():
        rates[name] += more
    return rates, pump * p["d"]


def populations(rates):
    """Null vector of the matrix of Eq. (20), corrected: its columns sum to zero."""
    m = np.array([[0, rates["du"], rates["hu"]], [rates["ud"], 0, rates["hd"]], [rates["uh"], rates["dh"], 0]])
    null = np.linalg.svd(m - np.diag(m.sum(axis=0)))[2][-1]
    return null / null.sum()


def weakest_pump(x_repump):
    """The 95 % rule of 001 Sec. IV B: N_up/N_2 = 0.95 in the steady state."""

    def excess(pump):
        up, down, _ = populations(with_pump(pump, x_repump * pump)[0])
        return up / (up + down) - 0.95

    return brentq(excess, 1e-3, 1e6, xtol=1e-12, rtol=1e-14)


def transverse(rates, elastic, variant, gamma_d_add):
    """Gamma-bar: every flip and loss of |up> and |down>, elastic scattering, added dephasing (001 below Eq. 21)."""
    return sum(rates[name] for name in ("ud", "du", "uh", "dh")) + drive()[variant] + elastic + gamma_d_add


def independent_xi(variant, gamma_d_add, x_repump, depth=30.0):
    """001 Eqs. (22), (23) at the steady state; d Gamma = depth."""
    pump = weakest_pump(x_repump)
    rates, elastic = with_pump(pump, x_repump * pump)
    up, down, _ = populations(rates)
    g, n, w = transverse(rates, elastic, variant, gamma_d_add), up + down, up - down
    squeezed = (np.sqrt(drive()["du"]) - np.sqrt(drive()["ud"])) ** 2  # (mu - nu)^2
    sigma = (n * g + depth * w**2 * squeezed) / (g + depth * w)
    return (8 * sigma + 14 * down) / (w + 7 * n)


def laboratory_xi(*overrides):
    """Steady-state xi of labs/muschik2011-cesium.toml with changes."""
    lab = load(shipped_labs()["muschik2011-cesium"], overrides=overrides)
    return float(epr_variance(steady_state(lab.experiment.model()).state).value)


# ---- the figures ----


@pytest.fixture(scope="module")
def figure(tmp_path_factory):
    folder, drawn = tmp_path_factory.mktemp("figures"), {}

    def get(name):
        if name not in drawn:
            drawn[name] = xr.load_dataset(draw(name, folder)[0], engine="h5netcdf")
        return drawn[name]

    return get


@pytest.mark.parametrize(("gamma_d_add", "xi"), [(0, 0.9457325580), (20, 0.9656470284)])
def test_fig7_at_half_the_repump_light(gamma_d_add, xi):
    """x_repump = 0.5, d = 30, V1; ten digits, derived reference values (docs: corrections)."""
    assert independent_xi("V1", gamma_d_add, 0.5) == pytest.approx(xi, abs=1e-10)
    assert laboratory_xi(f"laser.gamma_d_add={gamma_d_add}") == pytest.approx(xi, abs=1e-8)


@pytest.mark.parametrize("gamma_d_add", [0, 20])
def test_fig7_with_amplitudes_subtracted(gamma_d_add):
    wanted = independent_xi("V3", gamma_d_add, 0.5)
    assert laboratory_xi('laser.rayleigh="V3"', f"laser.gamma_d_add={gamma_d_add}") == pytest.approx(wanted, abs=1e-9)
    # amplitudes of one sign: their difference dephases less than the sum of the rates, by 0.1 of xi
    assert wanted < independent_xi("V1", gamma_d_add, 0.5) - 0.1


def test_fig7(figure):
    data = figure("muschik2011-fig7")
    assert data.xi.dims == ("variant", "gamma_d_add", "x_repump")
    assert list(data.variant.values) == ["V1", "V3"]
    assert tuple(data.gamma_d_add.values) == DEPHASING
    x = data.x_repump.values
    assert x[0] == pytest.approx(0.01, abs=1e-15) and x[-1] == 1.0 and len(x) >= 40
    assert (np.diff(x) > 0).all()
    assert np.isfinite(data.xi).all()
    assert (data.xi.attrs["units"], data.x_repump.attrs["units"]) == ("1", "1")
    assert data.attrs["lab_digest"].startswith("sha256:")
    for variant in ("V1", "V3"):
        for gamma_d_add in DEPHASING:
            for k in (0, len(x) // 3, len(x) - 1):
                found = float(data.xi.sel(variant=variant, gamma_d_add=gamma_d_add)[k])
                assert found == pytest.approx(independent_xi(variant, gamma_d_add, x[k]), abs=1e-9)
    half = data.xi.sel(variant="V1").sel(x_repump=0.5, method="nearest")
    assert float(half.x_repump) == pytest.approx(0.5, abs=1e-12)
    assert half.sel(gamma_d_add=[0, 20]).values == pytest.approx([0.9457325580, 0.9656470284], abs=1e-8)
    # more dephasing never helps
    assert (data.xi.diff("gamma_d_add") > 0).all()


def loss_of_atoms(variant, gamma_d_add):
    """The drive with the pump of the 95 % rule and no repump light, all atoms up at t = 0; d Gamma = 30."""
    rates, elastic = with_pump(weakest_pump(0.0), 0.0)
    mu, nu = np.sqrt(drive()["du"]), np.sqrt(drive()["ud"])
    g = transverse(rates, elastic, variant, gamma_d_add)
    return mf.MeanField(mu, nu, 30.0, gamma_t=g, spin=4, **rates)


def test_fig8(figure):
    data = figure("muschik2011-fig8")
    assert data.xi.dims == data.xi_eq21.dims == ("variant", "gamma_d_add", "t")
    assert list(data.variant.values) == ["V1", "V3"]
    assert tuple(data.gamma_d_add.values) == DEPHASING
    assert (data.t.attrs["units"], float(data.t[0])) == ("1/Gamma", 0.0)
    t = data.t.values
    for variant, gamma_d_add in [("V1", 0.0), ("V1", 20.0), ("V3", 0.0), ("V3", 10.0)]:
        model = loss_of_atoms(variant, gamma_d_add)
        curve = data.sel(variant=variant, gamma_d_add=gamma_d_add)
        some = np.arange(0, len(t), 20)
        for name, kind, digits in (("xi", "corrected", 1e-7), ("xi_eq21", "eq21", 1e-10)):
            path = mf.curve(model, kind, float(t[-1]))
            assert curve[name].values[some] == pytest.approx([path(s) for s in t[some]], abs=digits)


@pytest.mark.parametrize("variant", ["V1", "V3"])
def test_fig8_reaches_a_quasi_steady_state_and_loses_it(figure, variant):
    """001 Sec. IV B: xi falls below 1, stays, and is lost with the atoms."""
    xi = figure("muschik2011-fig8").xi.sel(variant=variant, gamma_d_add=0.0)
    assert float(xi[0]) == pytest.approx(1.0, abs=1e-12)  # all atoms up
    lowest = int(np.argmin(xi.values))
    assert float(xi[lowest]) < 0.95
    assert 0 < lowest < len(xi) // 4
    assert float(xi[-1]) > 1
    after = xi.values[lowest:]
    assert (np.diff(after[after < 1]) > 0).all()
    # it is left slowly: longer below 1 than it took to get to the minimum
    assert (xi.values < 1).sum() > 3 * lowest


def test_fig8_keeps_the_95_percent_rule_at_all_times():
    """Populations alone by SciPy: N_up/N_2 falls from 1 to 0.95 and not below."""
    rates, _ = with_pump(weakest_pump(0.0), 0.0)
    m = np.array([[0, rates["du"], rates["hu"]], [rates["ud"], 0, rates["hd"]], [rates["uh"], rates["dh"], 0]])
    m -= np.diag(m.sum(axis=0))
    # for 100/Gamma, a hundred times as long as the figure
    found = solve_ivp(lambda _, p: m @ p, (0, 100), [1.0, 0, 0], method="LSODA", jac=lambda *_: m, rtol=1e-10,
                      atol=1e-13, dense_output=True)  # fmt: skip
    up, down, h = found.sol(np.geomspace(1e-5, 100, 2000))
    share = up / (up + down)
    assert share.min() >= 0.95 - 1e-8
    assert share[-1] == pytest.approx(0.95, abs=1e-8)
    assert h[-1] > 0.9


LINES = {"133Cs-D2": ("133Cs", "D2"), "87Rb-D2": ("87Rb", "D2"), "85Rb-D2": ("85Rb", "D2")}


def z_by_residues(one, polarization, detuning_hz):
    """Z from the oracle's residues <b|d^+|l><l|d.e|a> at the poles Delta_l = 0 of its amplitudes; without a field."""
    brute, top = al.line_of(one), one.species.nuclear_spin + one.species.ground_spin
    up, down, at = (top, top), (top, top - 1), 3.21e9
    poles = at - np.array(list(brute.detunings(up, detuning_hz=at, field=0.0).values()))
    amplitude = {}
    for name, (a, b) in {"mu": (down, up), "nu": (up, down)}.items():
        paths = brute.paths(a, b, detuning_hz=at, polarization=polarization)
        amplitude[name] = [(p * (at - poles)) @ (1 / (detuning_hz - poles[:, None])) for p in paths.values()]
    cooling, heating = (np.sum(np.square(amplitude[name]), axis=0) for name in ("mu", "nu"))
    with np.errstate(invalid="ignore"):
        return np.sqrt(cooling - heating) / (np.sqrt(cooling) - np.sqrt(heating)), cooling > heating


def resonances(one):
    """Zero-field energies of the F' that F = I + 1/2 reaches, above the highest of them [Hz]."""
    level, top = al.line_of(one).excited, one.species.nuclear_spin + 0.5
    reached = {f: e for f, e in level.zero_field.items() if abs(f - top) <= 1}
    return np.array(list(reached.values())) - reached[top + 1]


@pytest.mark.parametrize("name", LINES)
def test_z_against_detuning(figure, name):
    """Every value and every gap of the curves, all three isotopes, both polarisations."""
    data = figure("muschik2011-z")
    assert data.z.dims == ("species", "polarization", "detuning_mhz")
    assert list(data.species.values) == list(LINES)
    assert list(data.polarization.values) == ["x", "y"]
    mhz = data.detuning_mhz.values
    assert (mhz[0], mhz[-1]) == (-2000, 2000)
    assert np.diff(mhz).max() <= 5 + 1e-9 and np.diff(mhz).min() > 0
    one = line(*LINES[name])
    # where atoms absorb: within half the natural width of a line
    away = np.abs(1e6 * mhz[:, None] - resonances(one)).min(axis=1)
    absorbed = away <= one.natural_width / (4 * np.pi)
    assert absorbed[len(mhz) // 2]  # the cycling transition itself
    for polarization in ("x", "y"):
        found = data.z.sel(species=name, polarization=polarization).values
        # 1e-3 MHz beside a line, where the pole itself would be met; those points are gaps
        wanted, cools = z_by_residues(one, polarization, 1e6 * mhz + np.where(absorbed, 1e3, 0.0))
        there = cools & ~absorbed
        np.testing.assert_array_equal(np.isfinite(found), there)
        assert found[there] == pytest.approx(wanted[there], rel=1e-7)
        assert 20 < there.sum() < len(mhz) - 20
        assert (found[there] > 1).all()


@pytest.mark.parametrize(
    ("species", "polarization", "mhz", "z"),
    [
        ("133Cs-D2", "y", 850, 2.53179239),  # derived (docs: corrections); 001 text: 2.5
        ("133Cs-D2", "y", 700, 2.35712444),  # derived; 001 text: 2.3
        ("133Cs-D2", "x", -700, 1.55689569),  # derived, measured from F' = 5
    ],
)
def test_z_of_the_text(figure, species, polarization, mhz, z):
    found = figure("muschik2011-z").z.sel(species=species, polarization=polarization, detuning_mhz=mhz)
    assert float(found) == pytest.approx(z, abs=1e-8)


@pytest.mark.parametrize(("species", "polarization", "mhz"), [("133Cs-D2", "y", -850), ("133Cs-D2", "x", 850)])
def test_z_has_gaps_where_light_heats(figure, species, polarization, mhz):
    """001 Sec. IV A: y light cools on the blue side, x light on the red side."""
    z = figure("muschik2011-z").z.sel(species=species, polarization=polarization)
    assert np.isnan(z.sel(detuning_mhz=mhz)) and np.isfinite(z.sel(detuning_mhz=-mhz))
