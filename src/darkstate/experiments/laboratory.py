"""What stands beside the laser on the optical table, as sections of a lab file: vapour, relaxation, pump light.

    temperature, cell -> density, d    power, cell -> Omega -> R of pump and repump light

[vapour] replaces [ensembles], [relaxation] replaces [noise], [pump_light] replaces [pump] and [repump]; [laser], which
replaces [drive], is in `lasers`. The formulas are in `atoms`; here they are put together.
"""

from __future__ import annotations

from typing import Any

from darkstate.atoms.beam import DEPTH_PER_DEGREE, depth_of_faraday, intensity, rabi_squared
from darkstate.atoms.light import LightRates
from darkstate.atoms.pumping import Optical, pump_for_fraction, pump_products, resonant_rate
from darkstate.atoms.species import Line, line, species
from darkstate.atoms.vapour import COLDEST, HOTTEST, doppler_width, number_density, optical_depth
from darkstate.parameters import parameter, pytree

CESIUM = "133Cs"


@pytree
class Vapour:
    """The cells and the caesium in them, instead of [ensembles].

    The optical depth follows from the temperature unless `faraday_angle` or `optical_depth` is given.
    """

    temperature: float = parameter(
        unit="K",
        symbol="T",
        doc="temperature of the cells; sets density, Doppler width and speed of the atoms",
        source="002: room temperature",
        minimum=1e-9,
        maximum=1e4,
    )
    width: float = parameter(
        unit="m",
        symbol="w",
        doc="side of the square cross-section of a cell, which atoms and, on average, light fill",
        source="002: cubic cells of 2.2 cm",
        minimum=1e-6,
        maximum=10,
    )
    length: float = parameter(
        unit="m",
        symbol="l",
        doc="length of a cell along the beam",
        source="002: 2.2 cm",
        minimum=1e-6,
        maximum=10,
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
        doc="decay time of <Jx> without light, read as its initial slope; gives the collision rate 0.8/T1",
        source="002: 130 ms",
        above=0,
    )
    collision_rate: float | None = parameter(
        default=None,
        unit="1/s",
        symbol="Gamma_col",
        doc="collision rate of every transition; left out = 0.8/T1, or 0 without T1",
        source="001 Sec. IV B",
        minimum=0,
        maximum=1e12,
    )

    @property
    def collisions(self) -> Any:
        """Collision rate of every transition [1/s]: given, or from d<Jx>/dt = -(5/4) Gamma_col <Jx> of |4,4>."""
        if self.collision_rate is not None:
            return self.collision_rate
        return 0.0 if self.t1_dark is None else 0.8 / self.t1_dark

    @property
    def transverse(self) -> Any:
        """Gamma-tilde in the dark [1/s]."""
        return 4 * self.collisions if self.t2_dark is None else 2 / self.t2_dark


@pytree
class PumpLight:
    """Resonant pump (D1, 4 -> 4) and repump light (D2, 3 -> 4), instead of [pump] and [repump]."""

    power: float | None = parameter(
        default=None,
        unit="W",
        symbol="P_pump",
        doc="power of the pump light at the atoms",
        source="not in 002",
        minimum=0,
        maximum=1e3,
    )
    repump_power: float | None = parameter(
        default=None,
        unit="W",
        symbol="P_repump",
        doc="power of the repump light at the atoms",
        source="not in 002",
        minimum=0,
        maximum=1e3,
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
        if self.up_fraction is not None and self.repump_power is not None:
            text = "goes with `power`; with `up_fraction` the pump is solved for: give `repump_ratio`"
            return [("pump_light.repump_power", text)]
        if self.repump_power is not None and self.repump_ratio is not None:
            return [("pump_light.repump_ratio", "contradicts `repump_power`: give one of them, or none")]
        return []

    def optical(self, light: LightRates, vapour: Vapour, collisions: Any) -> Optical:
        """Strengths and products of both beams in a cell."""
        d1, d2 = line(CESIUM, "D1"), line(CESIUM, "D2")
        of_pump = pump_products(d1, start="down", excited=4)
        of_repump = pump_products(d2, start="h", excited=4)

        def strength(atomic_line: Line, power: Any) -> Any:
            doppler = doppler_width(atomic_line.wavelength, species(CESIUM).mass, vapour.temperature)
            return resonant_rate(rabi_squared(atomic_line, intensity(power, vapour.area)), doppler)

        ratio = 0.0 if self.repump_ratio is None else self.repump_ratio
        if self.up_fraction is None:
            pump = strength(d1, self.power)
        else:
            pump = pump_for_fraction(
                light, of_pump, of_repump, fraction=self.up_fraction, repump_ratio=ratio, collisions=collisions
            )
        repump = ratio * pump if self.repump_power is None else strength(d2, self.repump_power)
        return Optical(pump, repump, of_pump, of_repump)
