"""Lab files by vapour, laser, relaxation and pump light: what follows from them, and refusals in one sentence."""

import dataclasses
import sys

import numpy as np
import pytest
from scipy import constants as si

import darkstate as ds
from darkstate import cli
from darkstate.backend import jax
from darkstate.errors import InputError
from darkstate.experiments.cesium_cells import CesiumCells, Drive, Ensembles, Field, Noise
from darkstate.experiments.labfile import load, shipped_labs
from darkstate.experiments.two_cells import Timing, second_cell
from darkstate.experiments.values import with_values
from oracles import atomic_levels as al

CESIUM, PUMPED, YTTERBIUM = "krauter2011-lab", "muschik2011-cesium", "ytterbium-cells"
FLIPS = ("cooling", "heating", "up_to_h", "down_to_h", "h_to_up", "h_to_down")
LIGHT = (*FLIPS, "rayleigh_up", "rayleigh_down", "rayleigh_difference", "leak")


def opened(name, *overrides, case=None):
    return load(shipped_labs()[name], overrides=overrides, case=case)


def experiment(name, *overrides, case=None):
    return opened(name, *overrides, case=case).experiment


# --- refusals --------------------------------------------------------------------------------------------------------

REFUSED = {
    "on F'=5": (CESIUM, ["laser.detuning=0 MHz"], "laser.detuning is 0 MHz from a resonance of 133Cs D2"),
    "on F'=4": (CESIUM, ["laser.detuning=-251 MHz"], "laser.detuning is 0.092 MHz from a resonance of 133Cs D2"),
    "y light, red": (
        CESIUM,
        ["laser.detuning=-850 MHz"],
        "laser.detuning with y light heats at least as much as it cools",
    ),
    "x light, blue": (
        CESIUM,
        ['laser.polarization="x"'],
        "laser.detuning with x light heats at least as much as it cools",
    ),
    "line": (CESIUM, ['laser.line="D3"'], 'laser.line = "D3" must be one of D1, D2'),
    "cold": (CESIUM, ["vapour.temperature=250 K"], "or give `faraday_angle` or `optical_depth`, which need no density"),
    "hot": (CESIUM, ["vapour.temperature=600 K"], "outside the 273.15 to 550 K of the vapour pressure formula"),
    "two depths": (CESIUM, ["vapour.faraday_angle=14 deg", "vapour.optical_depth=30"], "contradicts `faraday_angle`"),
    "laser and drive": (
        CESIUM,
        ["drive.rate=2 /s", "drive.z=2.5", "drive.loss_rate=26 /s"],
        "laser contradicts drive: give exactly one of [drive] and [laser]",
    ),
    "drive and laser": (
        "krauter2011",
        ["laser.power=5 mW", "laser.detuning=850 MHz"],
        "laser contradicts drive: give exactly one of [drive] and [laser]",
    ),
    "two decays": (CESIUM, ["noise.gamma_tilde=193 /s", "noise.t2_dark=40 ms"], "relaxation contradicts noise"),
    "pump twice": (PUMPED, ["pump.rate=2 /s"], "pump_light contradicts [pump] and [repump]"),
    "repump twice": (PUMPED, ["repump.rate=2 /s"], "pump_light contradicts [pump] and [repump]"),
    "two pumps": (PUMPED, ["pump_light.power=1 mW"], "needs either `power` or `up_fraction`, and not both"),
    "no pump": (CESIUM, ["pump_light.repump_ratio=0.5"], "needs either `power` or `up_fraction`, and not both"),
    "two repumps": (
        CESIUM,
        ["pump_light.power=1 uW", "pump_light.repump_ratio=1", "pump_light.repump_power=1 uW"],
        "repump_ratio contradicts `repump_power`",
    ),
    "repump power by the rule": (
        CESIUM,
        ["pump_light.up_fraction=0.95", "pump_light.repump_power=1 uW"],
        "goes with `power`; with `up_fraction` the pump is solved for: give `repump_ratio`",
    ),
    "half up": (PUMPED, ["pump_light.up_fraction=0.5"], "must be greater than 0.5 and at most 0.999999"),
    "no field": (YTTERBIUM, ["field.magnetic_field=0 G"], "a spin 1/2 needs field.magnetic_field of hundreds of gauss"),
    "field the other way": (YTTERBIUM, ["field.magnetic_field=-500 G"], "or the other side of a line"),
    "Stark field": (YTTERBIUM, ['laser.between="stark"'], '"stark" leaves ensemble II on resonance or heated'),
    "Stark field, blue": (
        YTTERBIUM,
        ['laser.between="stark"', "laser.detuning=6 GHz"],
        "gives mu nu of both ensembles opposite signs: they have no common dark state",
    ),
    # the D1 lines 4 -> 3', 4 -> 4' are 1.2 GHz apart: between them and above them mu nu has different signs
    "opposite signs": (
        CESIUM,
        ["laser.line=D1", "laser.detuning=850 MHz", "second.laser.detuning=2 GHz"],
        "gives mu nu of both ensembles opposite signs: they have no common dark state",
    ),
    "another line for cell II": (CESIUM, ["second.laser.line=D1"], "one laser passes both cells"),
    # 9192.6 MHz below the line 4 -> 5' lies 3 -> 5'; 3 -> 4' is 251.1 MHz lower
    "resonance of the lost atoms": (CESIUM, ["laser.detuning=8941.54 MHz"], "from a resonance of 133Cs D2"),
    "cell II of an absent section": (CESIUM, ["second.pump_light.power=1 uW"], "which this lab file goes without"),
    "intensity": (CESIUM, ["laser.power=5.6 W/m^2"], 'laser.power = "5.6 W/m^2" has the unknown unit "W/m^2"'),
    "no unit": (CESIUM, ["laser.detuning=850"], 'has no unit, but an ordinary frequency is wanted; write "850 Hz"'),
    "bare angle": (CESIUM, ["vapour.faraday_angle=14"], 'has no unit, but an angle is wanted; write "14 rad"'),
    "Celsius": (CESIUM, ["vapour.temperature=20 C"], 'is in degrees Celsius; write "293.15 K"'),
    "second on F'=5": (CESIUM, ["second.laser.detuning=0 MHz"], "second.laser.detuning is 0 MHz from a resonance"),
    "second cold": (CESIUM, ["second.vapour.temperature=250 K"], "second.vapour.temperature"),
    "second by nothing": (CESIUM, ["second.pump_light.power=1 mW"], "pump_light"),
    "second drive": (CESIUM, ["second.drive.rate=1 /s"], "drive"),
    "cell of no width": (CESIUM, ["vapour.width=1e-320 m"], ""),
    "cell without end": (PUMPED, ["vapour.width=1e160 m"], ""),
}


@pytest.mark.parametrize("case", REFUSED)
def test_every_refusal_is_one_sentence(case):
    name, overrides, said = REFUSED[case]
    with pytest.raises(InputError) as refusal:
        opened(name, *overrides)
    problems = refusal.value.problems
    assert any(said in problem for problem in problems)
    assert all(problem.isprintable() and problem.count(": ") >= 1 for problem in problems)
    if "field" not in case:  # what concerns both ensembles is said of both
        assert len(problems) == 1


@pytest.fixture
def darkstate(tmp_path, monkeypatch, capsys):
    """Run the command in this process, in an empty folder; gives exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["darkstate", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        return end.value.code or 0, captured.out, captured.err

    return run


@pytest.mark.parametrize("command", ["check", "rates", "predict"])
@pytest.mark.parametrize("case", ["on F'=4", "cold", "Stark field", "no unit", "repump power by the rule"])
def test_refusals_of_the_command(darkstate, tmp_path, command, case):
    name, overrides, said = REFUSED[case]
    code, out, err = darkstate(command, shipped_labs()[name], *(x for o in overrides for x in ("--set", o)))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert not (tmp_path / "results").exists()


def without(name, *sections):
    """The text of a shipped lab file without some of its sections and cases."""
    parts = shipped_labs()[name].read_text("utf-8").split("\n[")
    return "\n[".join(p for p in parts if not p.startswith((*(f"{s}]" for s in sections), "cases")))


@pytest.mark.parametrize(
    ("sections", "more", "said"),
    [
        (["laser"], "", "drive is missing: give exactly one of [drive] and [laser]"),
        (["vapour"], "", "ensembles is missing: give exactly one of [ensembles] and [vapour]"),
        (["relaxation"], "", "noise is missing: give exactly one of [noise] and [relaxation]"),
        (["vapour"], "[ensembles]\noptical_depth = 55\n", "laser needs [vapour], the cross-section of the cell"),
        (
            ["laser"],
            '[drive]\nrate = "2 /s"\nz = 2.5\nloss_rate = "26 /s"\n',
            "relaxation goes with [laser]; with [drive] give [noise]",
        ),
        (
            ["laser", "relaxation"],
            '[drive]\nrate = "2 /s"\nz = 2.5\nloss_rate = "26 /s"\n[noise]\ngamma_tilde = "193 /s"\nt2_dark = "40 ms"\n'
            '[pump_light]\npower = "1 uW"\n',
            "pump_light goes with [vapour] and [laser]; with [drive] give [pump] and [repump]",
        ),
    ],
)
def test_sections_that_do_not_go_together(tmp_path, sections, more, said):
    file = tmp_path / "lab.toml"
    file.write_text(without(CESIUM, *sections).replace('default_case = "a"\n', "") + "\n" + more)
    with pytest.raises(InputError) as refusal:
        load(file)
    (problem,) = refusal.value.problems
    assert said in problem


@pytest.mark.parametrize("depth", ["vapour.optical_depth=55", "vapour.faraday_angle=13.75 deg"])
def test_a_measured_depth_needs_no_vapour_pressure(depth):
    for temperature in ("250 K", "600 K"):
        found = experiment(CESIUM, f"vapour.temperature={temperature}", depth)
        assert found.optical_depth == pytest.approx(55, rel=1e-12)  # 4 per degree of Faraday angle: 002 Fig. 2b


# --- what follows from the laboratory --------------------------------------------------------------------------------


def test_krauter2011_from_the_table():
    """002: fitted Gamma = 2 /s, d = 55; text: T1 = 34 ms with the drive on; T2 about 6 ms by the fitted Gamma-tilde."""
    found, rates = experiment(CESIUM), ds.rates(opened(CESIUM))
    assert found.light.gamma == pytest.approx(2.0, rel=0.1)
    assert found.optical_depth == pytest.approx(55, rel=0.02)
    assert rates["t1"].value == pytest.approx(34e-3, abs=1e-6)
    for value in (rates["t2"].value, rates["t2"].second):
        assert 5.6e-3 < value < 5.7e-3
    for case, depth in (("b", 34), ("c", 56)):  # 002 Fig. 2b, by Faraday angle
        assert experiment(CESIUM, case=case).optical_depth == pytest.approx(depth, rel=1e-12)


@pytest.mark.parametrize("orientation", [1, -1])
def test_every_rate_of_the_light_from_power_and_field(orientation):
    """Second route: photon flux, sigma_0 with SciPy's constants, the field by the span of F = 4, the level oracle."""
    found = experiment(CESIUM, "laser.excess_loss=0", "laser.window_transmission=0.9", "field.larmor_splitting=1 MHz")
    brute, one = al.line_of(found.line), found.line
    # 5.6 mW through 2.2 cm; Omega^2 gamma_LW = (3 lambda^2/2 pi) Phi (gamma_LW/2)^2, H = Omega |e><g| + h.c.
    wavelength, width = 852.34727582e-9, 1 / 30.405e-9  # Steck, Cesium D Line Data
    flux = 0.9 * 5.6e-3 * wavelength / (si.h * si.c) / 0.022**2
    strength = 3 * wavelength**2 / (2 * np.pi) * flux * (width / 2) ** 2
    levels = brute.ground.states(1e-3)  # the span of |4,4> and |4,-4> is linear in the field
    field = 1e-3 * 8 * 1e6 / abs(levels[4.0, 4.0][0] - levels[4.0, -4.0][0])
    light = {"detuning_hz": 850e6, "polarization": "y", "field": field}
    state = {"up": (4.0, 4.0 * orientation), "down": (4.0, 3.0 * orientation), "h": (3.0, 3.0 * orientation)}
    seen = (found if orientation == 1 else second_cell(found)).light
    for name, (a, b) in {
        "cooling": ("down", "up"),
        "heating": ("up", "down"),
        "up_to_h": ("up", "h"),
        "down_to_h": ("down", "h"),
        "h_to_up": ("h", "up"),
        "h_to_down": ("h", "down"),
        "rayleigh_up": ("up", "up"),
        "rayleigh_down": ("down", "down"),
    }.items():
        wanted = strength * brute.rate(state[a], state[b], **light)
        assert getattr(seen, name) == pytest.approx(wanted, rel=1e-7), name
    assert found.magnetic_field == pytest.approx(field, rel=1e-9)
    assert one.natural_width == pytest.approx(width, rel=1e-9)


def test_effective_rates_give_the_same_cells():
    """Krauter's lab by laser, and by the numbers that follow from it as [drive] and [noise]: one xi(t)."""
    table = experiment(CESIUM, "laser.zeeman=neglected")
    light, total, col = table.light, table.cell.total, 0.8 / 130e-3
    loss = (light.up_to_h + light.down_to_h) / 2
    effective = CesiumCells(
        Ensembles(optical_depth=table.optical_depth, atoms=table.cell.atoms, initial_up=0.99),
        Drive(z=light.z, rate=light.gamma, loss_rate=loss),
        Noise(gamma_tilde=total.transverse, t2_dark=40e-3, collision_rate=col),
        field=Field(larmor_splitting=322e3),
        protocol=Timing(duration=60e-3),
    )
    for name in ("cooling", "heating", "transverse", "collective"):
        wanted = getattr(table.cell.drive, name)
        assert getattr(effective.cell.drive, name) == pytest.approx(wanted, rel=1e-12), name
    assert effective.cell.dark == table.cell.dark
    # [drive] knows one loss rate and no return by its light
    equal = {name: jax.numpy.full(2, loss) for name in ("up_to_h", "down_to_h")}
    equal |= {name: jax.numpy.zeros(2) for name in ("h_to_up", "h_to_down")}
    xi = []
    for one in (table, effective):
        model = one.model()
        model = dataclasses.replace(model, drive=dataclasses.replace(model.drive, **equal))
        method = ds.MomentEquations(substeps=16)
        xi.append(np.asarray(ds.epr_variance(ds.evolve(model, np.linspace(0, 0.06, 61), method=method).state).value))
    np.testing.assert_allclose(xi[0], xi[1], rtol=0, atol=1e-9)
    assert xi[0].min() < 0.95


def rates_of(found):
    return np.array([getattr(found.light, name) for name in LIGHT])


@pytest.mark.parametrize("name", [CESIUM, YTTERBIUM])
def test_every_rate_scales_with_the_power(name):
    base = experiment(name)
    double = with_values(base, {"laser.power": 2 * base.laser.power})
    assert rates_of(double) == pytest.approx(2 * rates_of(base), rel=1e-13)
    assert double.light.excited == pytest.approx(2 * base.light.excited, rel=1e-13)
    assert double.z == pytest.approx(base.z, rel=1e-13)
    # a window that takes half of the light takes half of the power
    window = with_values(double, {"laser.window_transmission": 0.5})
    assert rates_of(window) == pytest.approx(rates_of(base), rel=1e-13)


def test_light_over_a_wider_cell():
    """Twice the width: a quarter of the rates, four times the atoms, the same depth."""
    base = experiment(CESIUM)
    wide = with_values(base, {"vapour.width": 2 * base.vapour.width})
    assert rates_of(wide) == pytest.approx(rates_of(base) / 4, rel=1e-13)
    assert wide.cell.atoms == pytest.approx(4 * base.cell.atoms, rel=1e-13)
    assert wide.optical_depth == pytest.approx(base.optical_depth, rel=1e-13)
    # (3 lambda^2/8 pi) n l: 001 below Eq. (11), corrected
    n = base.cell.atoms / base.vapour.area / base.vapour.length
    assert base.optical_depth == pytest.approx(3 * 852.34728e-9**2 / (8 * np.pi) * n * 0.022, rel=1e-7)


def test_dephasing_by_elastic_scattering():
    v1, v3 = (experiment(CESIUM, f'laser.rayleigh="{v}"', "laser.gamma_d_add=3") for v in ("V1", "V3"))
    light, drive = v1.light, v1.cell.drive
    parts = light.cooling + light.heating + light.up_to_h + light.down_to_h + 3 * light.gamma
    added = light.rayleigh_up + light.rayleigh_down
    assert drive.transverse == pytest.approx(parts + added, rel=1e-13)
    assert v3.cell.drive.transverse == pytest.approx(parts + light.rayleigh_difference, rel=1e-13)
    # amplitudes of one sign: (a - b)^2 with a^2, b^2 the sum of both components
    assert light.rayleigh_difference < 0.1 * added
    assert v1.cell.dark == v3.cell.dark and v1.cell.drive.cooling == v3.cell.drive.cooling


def test_a_measured_total_replaces_the_dephasing_of_the_light(tmp_path):
    file = tmp_path / "lab.toml"
    text = without(CESIUM, "relaxation").replace('default_case = "a"\n', "")
    file.write_text(text + '\n[noise]\ngamma_tilde = "193 /s"\nt2_dark = "40 ms"\ncollision_rate = "2 /s"\n')
    found = load(file).experiment
    assert found.cell.total.transverse == pytest.approx(193, rel=1e-13)
    assert found.cell.dark.cooling == 2
    assert found.cell.drive.cooling == found.light.cooling


def test_fields_and_orientation():
    """Ensemble II in the field B is ensemble I in -B; without Zeeman shifts both are alike, and as at B = 0."""
    base = experiment(CESIUM)
    two = second_cell(base)
    assert two.light.gamma != pytest.approx(base.light.gamma, rel=1e-3)
    turned = base.laser.rates(base.line, base.vapour.area, -base.magnetic_field, 1)
    none = base.laser.rates(base.line, base.vapour.area, 0.0, 1)
    neglected = experiment(CESIUM, 'laser.zeeman="neglected"')
    for name in (*LIGHT, "z"):
        assert getattr(two.light, name) == pytest.approx(getattr(turned, name), rel=1e-11), name
        assert getattr(neglected.light, name) == getattr(none, name)
        assert getattr(second_cell(neglected).light, name) == pytest.approx(getattr(none, name), rel=1e-13)
        # the mean of both fields is the value without, to second order
        assert (getattr(base.light, name) + getattr(two.light, name)) / 2 == pytest.approx(
            getattr(none, name), rel=1e-3
        )


def test_light_along_the_field_scatters_half_forward():
    """x light drives pi, its flips emit sigma light: half of d Gamma (001 Sec. IV A with App. B: |p.k|^2 = 1/2)."""
    found = experiment(CESIUM, 'laser.polarization="x"', "laser.detuning=-1303.6 MHz")
    assert found.cell.drive.collective == pytest.approx(found.optical_depth * found.light.gamma / 2, rel=1e-13)
    y = experiment(CESIUM)
    assert y.cell.drive.collective == pytest.approx(y.optical_depth * y.light.gamma, rel=1e-13)


def test_relaxation_in_the_dark():
    assert experiment(CESIUM).cell.dark.transverse == pytest.approx(2 / 40e-3, rel=1e-13)  # 2/T2
    free = experiment(PUMPED, "relaxation.collision_rate=3 /s")
    assert free.cell.dark.transverse == pytest.approx(12, rel=1e-13)  # four collisional rates leave |up> and |down>
    assert {getattr(free.cell.dark, name) for name in FLIPS} == {3.0}


def test_a_second_cell_with_its_own_laser_power():
    found = experiment(CESIUM, "second.laser.power=4.2 mW", 'laser.zeeman="neglected"')
    two = second_cell(found)
    assert two.light.gamma == pytest.approx(0.75 * found.light.gamma, rel=1e-13)
    assert two.optical_depth == found.optical_depth
    assert np.asarray(found.model().drive.collective) == pytest.approx(
        found.cell.drive.collective * np.array([1, 0.75]), rel=1e-12
    )


# --- pump light ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("collisions", [0.0, 4.0])
def test_pump_by_rule_and_by_power(collisions):
    """Powers that give the strengths of the 95 % rule give its cell; R = (4 ln 2/pi)^(1/2) Omega^2/delta_D."""
    ruled = experiment(PUMPED, f"relaxation.collision_rate={collisions} /s")
    total = ruled.cell.total
    m = np.array([[0, total.cooling, total.h_to_up], [total.heating, 0, total.h_to_down],
                  [total.up_to_h, total.down_to_h, 0]])  # fmt: skip
    null = np.linalg.svd(m - np.diag(m.sum(axis=0)))[2][-1]
    assert null[0] / (null[0] + null[1]) == pytest.approx(0.95, abs=1e-12)  # 001 Sec. IV B
    strength, power = ruled.optical, {}
    # D1, D2 of Steck, Cesium D Line Data: wavelength [m], lifetime [s]; a cell of 2.2 cm at 300 K
    for name, r, wavelength, lifetime in (
        ("power", strength.pump, 894.59295986e-9, 34.791e-9),
        ("repump_power", strength.repump, 852.34727582e-9, 30.405e-9),
    ):
        doppler = np.sqrt(8 * np.log(2) * si.k * 300 / (132.905451931 * si.atomic_mass)) / wavelength
        rabi2 = r * doppler * np.sqrt(np.pi / (4 * np.log(2)))
        power[name] = rabi2 * 8 * np.pi * si.h * si.c * lifetime / (3 * wavelength**3) * 0.022**2
    light = dataclasses.replace(ruled.pump_light, up_fraction=None, repump_ratio=None, **power)
    given = dataclasses.replace(ruled, pump_light=light)
    for name in (*FLIPS, "transverse"):
        assert getattr(given.cell.total, name) == pytest.approx(getattr(total, name), rel=1e-7), name
    assert given.problems() == []


def test_no_pump_where_the_drive_alone_suffices():
    found = experiment(PUMPED, "pump_light.up_fraction=0.51")
    assert found.optical.pump == found.optical.repump == 0
    assert found.cell.pump.cooling == found.cell.pump.transverse == 0


# --- ytterbium -------------------------------------------------------------------------------------------------------


def test_half_wave_plate_makes_the_clouds_alike():
    """001 note 58: x light on the second ensemble; its Z and collective rate within 1 % of the first."""
    found = experiment(YTTERBIUM)
    two = second_cell(found)
    assert (found.laser.polarization, two.laser.polarization) == ("y", "x")
    assert two.z == pytest.approx(found.z, rel=0.01)
    assert two.cell.drive.collective == pytest.approx(found.cell.drive.collective, rel=0.01)
    # twice the rates, half of them forward
    assert two.light.gamma == pytest.approx(2 * found.light.gamma, rel=0.01)
    assert two.orientation == -1


def test_stark_field_reverses_the_detuning():
    found = experiment(YTTERBIUM, 'laser.between="stark"', "laser.detuning=1 GHz")
    two = second_cell(found)
    assert (two.laser.detuning, two.laser.polarization) == (-1e9, "y")
    turned = found.laser.rates(found.line, found.laser.width**2, -found.field.magnetic_field, 1)
    assert two.light.gamma != pytest.approx(turned.gamma, rel=0.1)
    brute = al.line_of(found.line)
    light = {"detuning_hz": -1e9, "polarization": "y", "field": 0.05}
    ratio = brute.rate((0.5, 0.5), (0.5, -0.5), **light) / brute.rate((0.5, -0.5), (0.5, 0.5), **light)
    assert two.light.cooling / two.light.heating == pytest.approx(ratio, rel=1e-9)  # |up> of II is m = -1/2


def test_t1_in_the_dark_means_collisions():
    """d<Jx>/dt = -(1 + 4) Gamma_col/4 <Jx> of |4,4>: Gamma_col = 0.8/T1, unless it is given."""
    assert experiment(CESIUM).cell.dark.cooling == pytest.approx(0.8 / 130e-3, rel=1e-12)
    given = experiment(CESIUM, "relaxation.collision_rate=2 /s")
    assert given.cell.dark.cooling == 2
    assert any("make it 400 ms" in text for text in given.warnings())
    assert experiment(CESIUM).warnings() == []


def test_a_new_lab_file_like_one_that_comes_along(darkstate, tmp_path):
    assert darkstate("new", "ours", "--like", "krauter2011-lab")[0] == 0
    assert load(tmp_path / "ours.toml").experiment == experiment(CESIUM)
    code, _, err = darkstate("new", "other", "--like", "krauter-lab")
    assert (code, err.count("\n")) == (2, 1)
    assert "did you mean krauter2011-lab?" in err
