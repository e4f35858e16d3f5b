"""What stands on the optical table, as sections of a lab file: vapour, laser, relaxation, pump light.

    temperature, cell -> density, d    power, cell -> Omega    detuning, polarisation, field -> mu, nu, all Gamma_ab

[vapour] replaces [ensembles], [laser] replaces [drive], [relaxation] replaces [noise], [pump_light] replaces [pump] and
[repump]. The formulas are in `atoms`; here they are put together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from math import pi
from typing import Any

from darkstate.atoms.beam import DEPTH_PER_DEGREE, depth_of_faraday, intensity, rabi_frequency
from darkstate.atoms.light import FORWARD, LightRates, light_rates
from darkstate.atoms.pumping import Optical, pump_for_fraction, pump_products, resonant_rate
from darkstate.atoms.species import Line, line, species
from darkstate.atoms.validity import nearest_detuning
from darkstate.atoms.vapour import COLDEST, HOTTEST, doppler_width, number_density, optical_depth
from darkstate.errors import ArgumentError
from darkstate.parameters import parameter, pytree

CESIUM = "133Cs"
YTTERBIUM = "171Yb"


@pytree
class Vapour:
    """The cells and the caesium in them, instead of [ensembles].

    The optical depth follows from the temperature unless `faraday_angle` or `optical_depth` is given.
    """

    temperature: float = parameter(
        unit="K", symbol="T", doc="temperature of the cells", source="002: room temperature", above=0
    )
    width: float = parameter(
        unit="m",
        symbol="w",
        doc="side of the square cross-section of a cell, which atoms and, on average, light fill",
        source="002: cubic cells of 2.2 cm",
        above=0,
    )
    length: float = parameter(
        unit="m", symbol="l", doc="length of a cell along the beam", source="002: 2.2 cm", above=0
    )
    faraday_angle: float | None = parameter(
        default=None,
        unit="rad",
        symbol="theta_F",
        doc="Faraday angle of the polarised atoms; gives the optical depth",
        source="002: 8.5 to 14.0 degrees",
        above=0,
    )
    depth_per_degree: float = parameter(
        default=DEPTH_PER_DEGREE,
        unit="1",
        symbol="d/theta_F",
        doc="optical depth per degree of Faraday angle of this apparatus",
        source="002: 34 at 8.5, 56 at 14.0 degrees",
        above=0,
    )
    optical_depth: float | None = parameter(
        default=None,
        unit="1",
        symbol="d",
        doc="optical depth of one cell, where it was measured otherwise",
        source="001 Eq. (12)",
        minimum=0,
    )
    distance: float = parameter(
        default=0.5, unit="m", symbol="R", doc="distance between the cells", source="002: 0.5 m", minimum=0
    )
    initial_up: float = parameter(
        default=0.99,
        unit="1",
        symbol="N_44(0)/N",
        doc="fraction in |up> at t = 0; the rest is in |down>",
        source="002 supplement",
        minimum=0,
        maximum=1,
    )

    @property
    def area(self) -> Any:
        """Cross-section of a cell [m^2]."""
        return self.width * self.width

    def atoms(self, wavelength: Any) -> Any:
        """Atoms in one cell: from the density, or from a measured optical depth at this wavelength [m]."""
        if self.faraday_angle is None and self.optical_depth is None:
            return number_density(CESIUM, self.temperature) * self.area * self.length
        return self.depth(wavelength) / optical_depth(1.0, self.area, wavelength)

    def depth(self, wavelength: Any) -> Any:
        """Optical depth d of one cell at this wavelength [m]."""
        if self.optical_depth is not None:
            return self.optical_depth
        if self.faraday_angle is not None:
            return depth_of_faraday(self.faraday_angle, self.depth_per_degree)
        return optical_depth(self.atoms(wavelength), self.area, wavelength)

    def problems(self) -> list[tuple[str, str]]:
        """Contradictions between fields: (key, sentence)."""
        if self.optical_depth is not None and self.faraday_angle is not None:
            return [("vapour.optical_depth", "contradicts `faraday_angle`: give one of them, or none")]
        measured = self.optical_depth is not None or self.faraday_angle is not None
        if not measured and not COLDEST <= self.temperature <= HOTTEST:
            text = (
                f"is {self.temperature:g} K, outside the {COLDEST:g} to {HOTTEST:g} K of the vapour pressure formula: "
                "give it in kelvin, or give `faraday_angle` or `optical_depth`, which need no density"
            )
            return [("vapour.temperature", text)]
        return []


@pytree
class Beam:
    """The off-resonant laser that entangles, as it stands on the table, instead of [drive]."""

    detuning: float = parameter(
        unit="Hz",
        symbol="Delta/2pi",
        doc="of the laser from F = I + J to the highest F' it reaches (caesium D2: 4 -> 5), without field; "
        "above 0 = blue",
        source="002: +850 MHz",
    )
    power: float = parameter(
        unit="W", symbol="P", doc="power before the cells", source="002: 5.6 mW; optimum 5 to 15 mW", above=0
    )
    polarization: str = parameter(
        default="y",
        unit="1",
        symbol="-",
        doc="y = across the magnetic field (drives sigma), x = along it (drives pi)",
        source="001 Fig. 1",
        choices=("y", "x"),
    )
    window_transmission: float = parameter(
        default=1.0,
        unit="1",
        symbol="-",
        doc="power transmission from where `power` is measured to the atoms",
        source="not in the papers (they take 1)",
        above=0,
        maximum=1,
    )
    rayleigh: str = parameter(
        default="V1",
        unit="1",
        symbol="-",
        doc="dephasing by photons that change no sublevel: V1 = rates of both sublevels added, as in 001; "
        "V3 = difference of the amplitudes",
        source="001 below Eq. (21)",
        choices=("V1", "V3"),
    )
    zeeman: str = parameter(
        default="included",
        unit="1",
        symbol="-",
        doc="Zeeman shifts of ground and excited sublevels in the detunings; neglected = as in 001",
        source="001 Sec. IV A",
        choices=("included", "neglected"),
    )
    gamma_d_add: float = parameter(
        default=0.0,
        unit="1",
        symbol="Gamma_d_add/Gamma",
        doc="further dephasing while the light is on, in units of Gamma",
        source="001 Fig. 7",
        minimum=0,
    )
    excess_loss: float = parameter(
        default=0.0,
        unit="1",
        symbol="-",
        doc="loss of |up> and |down> to |h> beyond off-resonant scattering, in units of Gamma",
        source="002: T1 = 34 ms is shorter than scattering makes it",
        minimum=0,
    )

    def rates(self, atomic_line: Line, area: Any, field: Any, orientation: int) -> LightRates:
        """What the light does to one ensemble.

        Args:
            atomic_line: the line; area: cross-section of the light [m^2]; field: magnetic field [T].
            orientation: of the spins, +1 in ensemble I.
        """
        found = light_rates(
            atomic_line,
            detuning_hz=self.detuning,
            polarization=self.polarization,
            rabi=self.rabi(atomic_line, area),
            field=self.seen(field),
            orientation=orientation,
        )
        excess = self.excess_loss * found.gamma
        return dataclasses.replace(found, up_to_h=found.up_to_h + excess, down_to_h=found.down_to_h + excess)

    def seen(self, field: Any) -> Any:
        """The field as the detunings count it [T]."""
        return field if self.zeeman == "included" else 0.0

    def rabi(self, atomic_line: Line, area: Any) -> Any:
        """Omega of 001 [rad/s]."""
        return rabi_frequency(
            atomic_line, intensity(self.power, area, windows=1, transmission=self.window_transmission)
        )

    def transverse(self, light: LightRates) -> Any:
        """What the light adds to Gamma-tilde [1/s]."""
        return light.transverse(self.rayleigh) + self.gamma_d_add * light.gamma

    def collective(self, light: LightRates, depth: Any) -> Any:
        """d Gamma; of light along the field only half of the sigma photons go forward in the right polarisation
        [1/s].
        """
        return depth * light.gamma * FORWARD[self.polarization]

    def problems(self, atomic_line: Line, light: Callable[[], LightRates]) -> list[tuple[str, str]]:
        """Contradictions between fields: (key, sentence); `light` is asked only where there is no resonance."""
        width, away = atomic_line.natural_width / (2 * pi), nearest_detuning(atomic_line, self.detuning)
        if away < width:
            where = f"{away / 1e6:.2g} MHz from a resonance of {atomic_line.species.name} {atomic_line.name}"
            text = f"is {where}, {width / 1e6:.2g} MHz wide, where atoms absorb: stay far away, such as at 850 MHz"
            return [("laser.detuning", text)]
        if light().z < 1e6:
            return []
        if atomic_line.species.spin == 0.5:
            cure = "a spin 1/2 needs field.magnetic_field of hundreds of gauss, or the other side of a line"
        else:
            cure = "take the other polarisation or the other side of the line"
        return [
            ("laser.detuning", f"heats at least as much as it cools (|nu| >= |mu|), so nothing is squeezed: {cure}")
        ]


@pytree
class CesiumLaser(Beam):
    """The off-resonant laser that entangles, as it stands on the table, instead of [drive]."""

    line: str = parameter(
        default="D2", unit="1", symbol="-", doc="line of 133Cs it is near", source="002: D2", choices=("D1", "D2")
    )


@pytree
class YtterbiumLaser(Beam):
    """A laser near 1S0-3P1 of 171Yb, instead of [drive]; the two cells then differ by an optic or a Stark field."""

    width: float = parameter(
        default=1e-3,
        unit="m",
        symbol="w",
        doc="side of the square cross-section that atoms and light fill on average",
        source="not in the papers",
        above=0,
    )
    temperature: float = parameter(
        default=1e-4, unit="K", symbol="T", doc="temperature of the atoms", source="not in the papers", above=0
    )
    distance: float = parameter(
        default=0.5,
        unit="m",
        symbol="R",
        doc="distance between the ensembles",
        source="001: about one metre",
        minimum=0,
    )
    between: str = parameter(
        default="half_wave",
        unit="1",
        symbol="-",
        doc="what makes the second ensemble match: half_wave = a plate that swaps x and y light, stark = an electric "
        "field that reverses its detuning",
        source="001 Sec. III A, note 58",
        choices=("half_wave", "stark"),
    )

    def behind(self) -> YtterbiumLaser:
        """The light as ensemble II meets it."""
        if self.between == "stark":
            return dataclasses.replace(self, detuning=-self.detuning)
        return dataclasses.replace(self, polarization="x" if self.polarization == "y" else "y")


@pytree
class Relaxation:
    """What happens to the atoms without light, instead of [noise]; the rest of Gamma-tilde follows from the laser."""

    t2_dark: float | None = parameter(
        default=None,
        unit="s",
        symbol="T2",
        doc="transverse decay time without light; left out = collisions only",
        source="002: 40 ms",
        above=0,
    )
    t1_dark: float | None = parameter(
        default=None,
        unit="s",
        symbol="T1",
        doc="decay time of <Jx> without light; only compared",
        source="002: 130 ms",
        above=0,
    )
    collision_rate: float = parameter(
        default=0.0,
        unit="1/s",
        symbol="Gamma_col",
        doc="collision rate of every transition; T1 in the dark = 0.8/Gamma_col",
        source="001 Sec. IV B",
        minimum=0,
    )

    @property
    def transverse(self) -> Any:
        """Gamma-tilde in the dark [1/s]."""
        return 4 * self.collision_rate if self.t2_dark is None else 2 / self.t2_dark


@pytree
class PumpLight:
    """Resonant pump (D1, 4 -> 4) and repump light (D2, 3 -> 4), instead of [pump] and [repump]."""

    power: float | None = parameter(
        default=None, unit="W", symbol="P_pump", doc="power of the pump light", source="not in 002", minimum=0
    )
    repump_power: float | None = parameter(
        default=None, unit="W", symbol="P_repump", doc="power of the repump light", source="not in 002", minimum=0
    )
    up_fraction: float | None = parameter(
        default=None,
        unit="1",
        symbol="N_up/N_2",
        doc="instead of `power`: the weakest pump that keeps this share of the two-level atoms in |up>",
        source="001 Sec. IV B: 0.95",
        above=0.5,
        maximum=0.999999,
    )
    repump_ratio: float | None = parameter(
        default=None,
        unit="1",
        symbol="x_repump",
        doc="instead of `repump_power`: Omega_repump^2/Omega_pump^2",
        source="001 Fig. 7",
        minimum=0,
    )

    def problems(self) -> list[tuple[str, str]]:
        """Contradictions between fields: (key, sentence)."""
        if (self.power is None) == (self.up_fraction is None):
            return [("pump_light", "needs either `power` or `up_fraction`, and not both")]
        if self.repump_power is not None and self.repump_ratio is not None:
            return [("pump_light.repump_ratio", "contradicts `repump_power`: give one of them, or none")]
        return []

    def optical(self, light: LightRates, vapour: Vapour, collisions: Any) -> Optical:
        """Strengths and products of both beams in a cell."""
        d1, d2 = line(CESIUM, "D1"), line(CESIUM, "D2")
        of_pump = pump_products(d1, start="down", excited=4)
        of_repump = pump_products(d2, start="h", excited=4)

        def strength(atomic_line: Line, power: Any) -> Any:
            rabi = rabi_frequency(atomic_line, intensity(power, vapour.area))
            doppler = doppler_width(atomic_line.wavelength, species(CESIUM).mass, vapour.temperature)
            return resonant_rate(rabi, atomic_line.natural_width, doppler)

        ratio = 0.0 if self.repump_ratio is None else self.repump_ratio
        if self.up_fraction is None:
            pump = strength(d1, self.power)
        else:
            if self.repump_power is not None:
                raise ArgumentError("pump_light.up_fraction goes with repump_ratio, not with repump_power")
            pump = pump_for_fraction(
                light, of_pump, of_repump, fraction=self.up_fraction, repump_ratio=ratio, collisions=collisions
            )
        repump = ratio * pump if self.repump_power is None else strength(d2, self.repump_power)
        return Optical(pump, repump, of_pump, of_repump)
