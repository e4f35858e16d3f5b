"""What follows from a lab file before anything is solved: each quantity with symbol, unit, formula, inputs, source.

One list per kind of experiment; `rates` prints them with their numbers. Each value is a function of the experiment that
takes plain numbers and traced ones alike.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi
from typing import Any, NamedTuple

from darkstate.atoms.beam import intensity
from darkstate.atoms.hyperfine import breit_rabi_hz
from darkstate.atoms.light import sublevels
from darkstate.atoms.shifts import light_shift
from darkstate.atoms.validity import nearest_detuning
from darkstate.atoms.vapour import doppler_width, is_extrapolated, number_density
from darkstate.experiments import Experiment
from darkstate.experiments.cesium_cells import CesiumCells
from darkstate.experiments.laboratory import CESIUM
from darkstate.experiments.monitored_cells import MonitoredCells
from darkstate.experiments.spin_mechanics import SpinMechanics
from darkstate.experiments.tweezer_pair import TweezerPair
from darkstate.experiments.two_cells import second_cell
from darkstate.experiments.values import value_at
from darkstate.parameters import specs
from darkstate.units import format_si


class Derived(NamedTuple):
    """One derived quantity.

    key: its name in Python; symbol, unit, formula, source: as printed; inputs: keys of other quantities, or dotted keys
    of the lab file, that the formula takes; value: the number for an experiment [SI]; shared: whether it belongs to
    both ensembles together.
    """

    key: str
    symbol: str
    unit: str
    formula: str
    inputs: tuple[str, ...]
    source: str
    value: Callable[[Any], Any]
    shared: bool = False


def value_text(value: float, unit: str, error: float | None = None) -> str:
    """A number with unit and error as text.

    Example:
        >>> value_text(1.85495, "1/s", 0.0993), value_text(8.35e16, "1/m^3"), value_text(2.522, "1")
        ('1.85495 +- 0.0993 /s', '8.35e+16 1/m^3', '2.522')
    """
    if unit in ("1", "1/s", "Hz", "s", "W", "K", "m", "T", "T/m", "rad"):
        known: Any = unit
        if unit == "1":
            return f"{value:.6g}" + (f" +- {error:.3g}" if error is not None else "")
        return format_si(value, known, error=error)
    spread = f" +- {error:.3g}" if error is not None else ""
    return f"{value:.6g}{spread} {unit}"


def parameter_text(experiment: Any, key: str) -> str:
    """A parameter of the lab file as "symbol = value"."""
    section, name = key.split(".")
    spec = dict(specs(getattr(experiment, section)))[name]
    value = value_at(experiment, key)
    return f"{spec.symbol if spec.symbol != '-' else name} = " + (
        value if isinstance(value, str) else value_text(value, spec.unit)
    )


def groups(experiment: Experiment) -> dict[str, list[Derived]]:
    """Titles and quantities of an experiment.

    Example:
        >>> import darkstate as ds
        >>> list(groups(ds.load(ds.shipped_labs()["krauter2011-lab"]).experiment))
        ['Vapour', 'Light', 'Effective rates of the light', 'All light on']
    """
    if isinstance(experiment, SpinMechanics):
        return {"Rates": _OSCILLATORS}
    if isinstance(experiment, MonitoredCells):
        return {"Rates": _MONITORED}
    if isinstance(experiment, TweezerPair):
        from darkstate.report.pair_rates import pair_groups

        return pair_groups(experiment)
    found: dict[str, list[Derived]] = {}
    if isinstance(experiment, CesiumCells) and experiment.vapour is not None:
        found["Vapour"] = _vapour(experiment)
    if experiment.laser is not None:
        found["Light"] = _light(experiment)
        found["Effective rates of the light"] = _light_rates(experiment)
    else:
        found["Couplings"] = _COUPLINGS
    if isinstance(experiment, CesiumCells) and experiment.pump_light is not None:
        found["Pump and repump light"] = _PUMP
    found["All light on"] = _totals(experiment)
    return found


def _vapour(e: CesiumCells) -> list[Derived]:
    v: Any = e.vapour
    lines = []
    if v.optical_depth is None and v.faraday_angle is None:
        lines.append(
            Derived(
                "density",
                "n",
                "1/m^3",
                "p(T)/(k_B T)",
                ("vapour.temperature",),
                _accuracy(v.temperature),
                lambda e: number_density(CESIUM, e.vapour.temperature),
            )  # fmt: skip
        )
        atoms = Derived("atoms", "N", "1", "n w^2 l", ("density", "vapour.width", "vapour.length"), "-", _atoms)
        depth = Derived("optical_depth", "d", "1", "(3 lambda^2/8 pi) N/w^2", ("atoms", "vapour.width"),
                        "001 below Eq. (11), corrected", _depth)  # fmt: skip
    else:
        atoms = Derived("atoms", "N", "1", "d w^2/(3 lambda^2/8 pi)", ("optical_depth", "vapour.width"),
                        "001 below Eq. (11), corrected", _atoms)  # fmt: skip
        if v.optical_depth is not None:
            depth = Derived("optical_depth", "d", "1", "as given", ("vapour.optical_depth",), "-", _depth)
        else:
            depth = Derived("optical_depth", "d", "1", "theta_F x d/theta_F",
                            ("vapour.faraday_angle", "vapour.depth_per_degree"), "002", _depth)  # fmt: skip
    lines += [atoms, depth]
    lines.append(
        Derived(
            "doppler_hz",
            "delta_D",
            "Hz",
            "(8 ln2 k_B T/m)^(1/2)/lambda",
            ("vapour.temperature",),
            "001 note 69, corrected",
            lambda e: doppler_width(e.line.wavelength, e.line.species.mass, e.vapour.temperature),
        )  # fmt: skip
    )
    return lines


def _accuracy(temperature: Any) -> str:
    return "Alcock et al. 1984, " + ("extrapolated below 298 K" if is_extrapolated(temperature) else "+-5 %")


def _atoms(e: Any) -> Any:
    return e.cell.atoms


def _depth(e: Any) -> Any:
    return e.optical_depth


def _area(e: Any) -> Any:
    return e.vapour.area if hasattr(e, "vapour") else e.laser.width * e.laser.width


def _field(e: Any) -> Any:
    return e.magnetic_field if isinstance(e, CesiumCells) else e.field.magnetic_field


def _shift(e: Any, orientation: int) -> Any:
    """Light shift of |up> minus that of |down> in an ensemble of this orientation [rad/s]."""
    named, field = sublevels(e.line, orientation), e.laser.seen(_field(e))
    light = {"polarization": e.laser.polarization, "rabi": e.laser.rabi(e.line, _area(e)), "field": field}
    up, down = (light_shift(e.line, named[n], detuning_hz=e.laser.detuning, **light) for n in ("up", "down"))
    return up - down


def _light_mismatch(e: Any) -> Any:
    return (_shift(e, 1) + _shift(second_cell(e), -1)) / (2 * pi)


def _zeeman_mismatch(e: Any) -> Any:
    """Splitting of (4, 3) minus that of (-3, -4) in one field [Hz]."""
    a, b, c, d = (breit_rabi_hz(e.line.species, 4.0, m, _field(e)) for m in (4.0, 3.0, -3.0, -4.0))
    return (a - b) - (c - d)


_MISMATCH = (
    Derived("light_mismatch", "delta Omega(light)", "Hz", "light shifts of both ensembles; tune it away",
            ("light_shift",), "001 App. B 1", _light_mismatch, True),
    Derived("zeeman_mismatch", "delta Omega(B^2)", "Hz", "(E_4 - E_3) - (E_-3 - E_-4) of Breit and Rabi; tune it away",
            ("magnetic_field",), "Breit, Rabi 1931", _zeeman_mismatch, True),
)  # fmt: skip


def _light(e: Any) -> list[Derived]:
    width = "vapour.width" if isinstance(e, CesiumCells) else "laser.width"
    field = "field.larmor_splitting" if isinstance(e, CesiumCells) else "field.magnetic_field"

    return [
        Derived("intensity", "I", "W/m^2", "P T_w/w^2", ("laser.power", "laser.window_transmission", width), "-",
                lambda e: intensity(e.laser.power, _area(e), transmission=e.laser.window_transmission)),
        Derived("rabi", "Omega", "1/s", "(gamma_LW 3 lambda^3 I/8 pi h c)^(1/2)", ("intensity",), "001 (B1), note 68",
                lambda e: e.laser.rabi(e.line, _area(e))),
        Derived("nearest_detuning", "min |Delta|/2pi", "Hz", "distance from the nearest line", ("laser.detuning",), "-",
                lambda e: nearest_detuning(e.line, e.laser.detuning)),
        Derived("magnetic_field", "B", "T", "h nu_L/(g_F mu_B)" if isinstance(e, CesiumCells) else "as given", (field,),
                "Breit, Rabi 1931", _field),
        Derived("light_shift", "delta omega_L", "1/s", "light shift of |up> minus that of |down>", ("rabi",),
                "001 App. B 1, corrected", lambda e: _shift(e, e.orientation)),
        *(_MISMATCH if isinstance(e, CesiumCells) else _MISMATCH[:1]),
    ]  # fmt: skip


def _light_rates(e: Any) -> list[Derived]:
    sum_ = "Omega^2 gamma_LW sum_q |sum_l c/Delta_l|^2"
    source = "001 App. E, corrected"

    def rate(key: str, symbol: str, name: str) -> Derived:
        return Derived(key, symbol, "1/s", sum_, ("rabi", "laser.detuning"), source, lambda e: getattr(e.light, name))

    lines = [
        Derived("z", "Z", "1", "1/(|mu| - |nu|)", ("cooling", "heating"), "001 Sec. II", lambda e: e.light.z),
        Derived("floor", "(mu - nu)^2", "1", "1/Z^2, xi of the ideal steady state", ("z",), "001 Sec. II",
                lambda e: e.light.z**-2),
        Derived("mu", "mu", "1", "(Gamma_du/Gamma)^(1/2)", ("cooling", "gamma"), "001 Sec. II", lambda e: e.light.mu),
        Derived("nu", "nu", "1", "(Gamma_ud/Gamma)^(1/2)", ("heating", "gamma"), "001 Sec. II", lambda e: e.light.nu),
        Derived("gamma", "Gamma", "1/s", "Gamma_du - Gamma_ud", ("cooling", "heating"), "mu^2 - nu^2 = 1",
                lambda e: e.light.gamma),
        rate("cooling", "Gamma_du", "cooling"),
        rate("heating", "Gamma_ud", "heating"),
    ]  # fmt: skip
    if isinstance(e, CesiumCells):
        lost = " + excess_loss Gamma" if e.laser is not None and e.laser.excess_loss else ""
        lines += [
            rate("up_to_h", "Gamma_uh", "up_to_h")._replace(formula=sum_ + lost),
            rate("down_to_h", "Gamma_dh", "down_to_h")._replace(formula=sum_ + lost),
            rate("h_to_up", "Gamma_hu", "h_to_up"),
            rate("h_to_down", "Gamma_hd", "h_to_down"),
            rate("leak", "Gamma_u,other", "leak"),
        ]
    return [
        *lines,
        rate("rayleigh_up", "Gamma_uu", "rayleigh_up"),
        rate("rayleigh_down", "Gamma_dd", "rayleigh_down"),
        Derived("rayleigh", "Gamma_d", "1/s", "V1: Gamma_uu + Gamma_dd; V3: sum_q |M_uu - M_dd|^2", ("laser.rayleigh",),
                "001 below Eq. (21)", lambda e: e.light.rayleigh(e.laser.rayleigh)),
    ]  # fmt: skip


_COUPLINGS = [
    Derived("z", "Z", "1", "as given, or (Delta/Omega)^(1/2)", (), "001 Sec. II, III A", lambda e: e.cell.z),
    Derived("floor", "(mu - nu)^2", "1", "1/Z^2, xi of the ideal steady state", ("z",), "001 Sec. II",
            lambda e: e.cell.z**-2),
    Derived("mu", "mu", "1", "(Z + 1/Z)/2", ("z",), "001 Sec. II", lambda e: e.cell.mu),
    Derived("nu", "nu", "1", "(Z - 1/Z)/2", ("z",), "001 Sec. II", lambda e: e.cell.nu),
]  # fmt: skip

_PUMP = [
    Derived("pump", "R_pump", "1/s", "0.94 Omega^2/delta_D, or from up_fraction by Eq. (20)", (),
            "001 App. E, corrected", lambda e: e.optical.pump),
    Derived("repump", "R_repump", "1/s", "0.94 Omega^2/delta_D, or x_repump R_pump", ("pump",),
            "001 App. E, corrected", lambda e: e.optical.repump),
    Derived("pump_up", "Gamma_du(pump)", "1/s", "R_pump c_abs^2 c_em^2 = R_pump/36", ("pump",), "001 App. E",
            lambda e: e.cell.pump.cooling),
    Derived("pump_h", "Gamma_dh(pump)", "1/s", "R_pump 7/144", ("pump",), "001 App. E",
            lambda e: e.cell.pump.down_to_h),
    Derived("repump_up", "Gamma_hu(repump)", "1/s", "R_repump 7/36", ("repump",), "001 App. E",
            lambda e: e.cell.repump.h_to_up),
    Derived("repump_down", "Gamma_hd(repump)", "1/s", "R_repump 7/144", ("repump",), "001 App. E",
            lambda e: e.cell.repump.h_to_down),
]  # fmt: skip


def t1_driven(e: Any) -> Any:
    """Decay time of the measured <Jx> at t = 0 with all light on, from its initial slope [s]."""
    c, f = e.cell, e.hyperfine_spin
    r, h = c.total, 1 - c.initial_up - c.initial_down
    up = -(r.heating + r.up_to_h) * c.initial_up + r.cooling * c.initial_down + r.h_to_up * h
    down = r.heating * c.initial_up - (r.cooling + r.down_to_h) * c.initial_down + r.h_to_down * h
    spin = f * c.initial_up + (f - 1) * c.initial_down
    return -spin / (f * up + (f - 1) * down)


def t2_driven(e: Any) -> Any:
    """Decay time of <Jy> at t = 0 with all light on, 2/(Gamma-tilde + d Gamma P) [s]."""
    c = e.cell
    return 2 / (c.total.transverse + c.total.collective * (c.initial_up - c.initial_down))


def _dark_formula(e: Any) -> str:
    if not isinstance(e, CesiumCells):
        return "Gamma_d_add"
    return "4 Gamma_col" if e.noise is None and (e.relaxation is None or e.relaxation.t2_dark is None) else "2/T2"


def _totals(e: Any) -> list[Derived]:
    def total(key: str, symbol: str, formula: str, name: str) -> Derived:
        source = "001 Eqs. (13), (20)"
        return Derived(key, f"{symbol} (total)", "1/s", formula, (), source, lambda e: getattr(e.cell.total, name))

    lines = [
        total("total_cooling", "Gamma_cool", "drive + pump + collisions", "cooling"),
        total("total_heating", "Gamma_heat", "drive + collisions", "heating"),
    ]
    if isinstance(e, CesiumCells):
        lines += [
            total("total_up_to_h", "Gamma_uh", "drive + collisions", "up_to_h"),
            total("total_down_to_h", "Gamma_dh", "drive + pump + collisions", "down_to_h"),
            total("total_h_to_up", "Gamma_hu", "drive + repump + collisions", "h_to_up"),
            total("total_h_to_down", "Gamma_hd", "drive + repump + collisions", "h_to_down"),
        ]
    lines += [
        Derived("dark", "Gamma-tilde(dark)", "1/s", _dark_formula(e), (), "001 Eq. (14)",
                lambda e: e.cell.dark.transverse),
        total("transverse", "Gamma-tilde", "dark + flips + losses + dephasing of all light", "transverse"),
        total("collective", "d Gamma", "d x Gamma (x 1/2 for light along the field)", "collective")._replace(
            symbol="d Gamma", inputs=("optical_depth",) if _has_depth(e) else ()
        ),
        Derived("t2", "T2(light on)", "s", "2/(Gamma-tilde + d Gamma P)", ("transverse", "collective"), "002",
                t2_driven),
    ]  # fmt: skip
    if isinstance(e, CesiumCells):
        lines.append(Derived("t1", "T1(light on)", "s", "<Jx>/(-d<Jx>/dt) at t = 0", (), "002", t1_driven))
    return lines


def _has_depth(e: Any) -> bool:
    return isinstance(e, CesiumCells) and e.vapour is not None


def _of(name: str, read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda e: read(getattr(e.rates, name))


_OSCILLATORS = [
    derived
    for name, j in (("first", "S"), ("second", "M"))
    for derived in (
        Derived(f"rate_{name}", f"Gamma_{j}", "1/s", "coupling to the beam", (), "004", _of(name, lambda o: o.rate)),
        Derived(f"theta_{name}", f"theta_{j}", "rad", "atan (Gamma_B/Gamma_P)^(1/2)", (), "004",
                _of(name, lambda o: o.theta)),
        Derived(f"passive_{name}", f"Gamma_{j}B", "1/s", "Gamma sin^2 theta", (f"rate_{name}", f"theta_{name}"), "004",
                _of(name, lambda o: o.passive)),
        Derived(f"active_{name}", f"Gamma_{j}P", "1/s", "Gamma cos^2 theta", (f"rate_{name}", f"theta_{name}"), "004",
                _of(name, lambda o: o.active)),
        Derived(f"decoherence_{name}", f"gt_{j}", "1/s", "gamma_0 (n + 1/2)", (), "004",
                _of(name, lambda o: o.decoherence)),
        Derived(f"linewidth_{name}", f"gamma_{j}", "1/s", "gamma_0 - Gamma cos 2 theta", (f"rate_{name}",
                f"theta_{name}"),
                "004", _of(name, lambda o: o.effective_linewidth)),
        Derived(f"cooperativity_{name}", f"C_{j}", "1", "Gamma/gt", (f"rate_{name}", f"decoherence_{name}"), "004",
                _of(name, lambda o: o.cooperativity)),
    )
] + [
    Derived("interference", "R", "1/s", "-(Gamma_M Gamma_S)^(1/2) sin(theta_M - theta_S)", ("rate_first",
            "rate_second"),
            "004 below Eq. (5)", lambda e: e.rates.interference),
    Derived("gain", "g", "1", "read-out gain, or as given", (), "004 below Eq. (8)", lambda e: e.gain),
]  # fmt: skip

_MONITORED = [
    Derived("gamma_s", "gamma_s", "1/s", "d Gamma/2", ("ensembles.optical_depth", "drive.rate"), "000 Eq. (4)",
            lambda e: e.gamma_s),
    Derived("gamma_extra", "gamma_extra", "1/s", "Gamma-tilde/2", ("noise.gamma_tilde",), "000 Sec. IV, corrected",
            lambda e: e.gamma_extra),
    Derived("x", "gamma_extra/gamma_s", "1", "horizontal axis of 000 Fig. 4b", ("gamma_extra", "gamma_s"),
            "000 Fig. 4b",
            lambda e: e.x),
    Derived("floor", "1/Z^2", "1", "xi of the ideal steady state", ("drive.z",), "000 Sec. IV", lambda e: e.z**-2),
]  # fmt: skip
