"""The off-resonant laser as it stands on the optical table, as a section of a lab file: [laser] instead of [drive].

power, cross-section -> Omega;   detuning, polarisation, field -> mu, nu, all Gamma_ab   (`atoms.light`)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from math import isfinite, pi
from typing import Any

from darkstate.atoms.beam import intensity, rabi_frequency
from darkstate.atoms.light import FORWARD, LightRates, light_rates
from darkstate.atoms.species import Line
from darkstate.atoms.validity import nearest_detuning
from darkstate.experiments.two_cells import second_cell
from darkstate.parameters import parameter, pytree


@pytree
class AbstractBeam:
    """The off-resonant laser that entangles, as it stands on the table, instead of [drive]."""

    detuning: float = parameter(
        unit="Hz",
        symbol="Delta/2pi",
        doc="of the laser from F = I + J to the highest F' it reaches (caesium D2: 4 -> 5), without field; "
        "above 0 = blue",
        source="002: +850 MHz",
        minimum=-1e12,
        maximum=1e12,
    )
    power: float = parameter(
        unit="W",
        symbol="P",
        doc="power before the cells",
        source="002: 5.6 mW; optimum 5 to 15 mW",
        minimum=1e-12,
        maximum=1e3,
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

    def rates(self, atomic_line: Line, area: Any, field: Any, orientation: int) -> LightRates:
        """What the light does to one ensemble.

        Args:
            atomic_line: the line; area: cross-section of the light [m^2]; field: magnetic field [T].
            orientation: of the spins, +1 in ensemble I.
        """
        return light_rates(
            atomic_line,
            detuning_hz=self.detuning,
            polarization=self.polarization,
            rabi=self.rabi(atomic_line, area),
            field=self.seen(field),
            orientation=orientation,
        )

    def seen(self, field: Any) -> Any:
        """The field as the detunings count it [T]."""
        return field if self.zeeman == "included" else 0.0

    def rabi(self, atomic_line: Line, area: Any) -> Any:
        """Omega of 001 [rad/s]."""
        return rabi_frequency(atomic_line, intensity(self.power, area, transmission=self.window_transmission))

    def transverse(self, light: LightRates) -> Any:
        """What the light adds to Gamma-tilde [1/s]."""
        return light.transverse(self.rayleigh)

    def collective(self, light: LightRates, depth: Any) -> Any:
        """d Gamma [1/s]; half of it for light along the field, whose flips send half a photon forward."""
        return depth * light.gamma * FORWARD[self.polarization]

    def problems(self, atomic_line: Line, light: Callable[[], LightRates]) -> list[tuple[str, str]]:
        """Contradictions between fields: (key, sentence); `light` is asked only where there is no resonance."""
        width, away = atomic_line.natural_width / (2 * pi), nearest_detuning(atomic_line, self.detuning)
        if away < width:
            where = f"{away / 1e6:.2g} MHz from a resonance of {atomic_line.species.name} {atomic_line.name}"
            text = f"is {where}, {width / 1e6:.2g} MHz wide, where atoms absorb: stay at least a hundred widths away"
            return [("laser.detuning", text)]
        found = light()
        if not isfinite(found.cooling + found.heating + found.rayleigh_up):
            return [("laser.power", "and the other numbers of the light give rates that are too large to be numbers")]
        if found.z < 1e6:
            return []
        if atomic_line.species.spin == 0.5:
            cure = "a spin 1/2 needs field.magnetic_field of hundreds of gauss, or the other side of a line"
        else:
            cure = "take the other polarisation or the other side of the line"
        light_text = f"with {self.polarization} light"
        text = f"{light_text} heats at least as much as it cools (|nu| >= |mu|): nothing is squeezed; {cure}"
        return [("laser.detuning", text)]


@pytree
class CesiumLaser(AbstractBeam):
    """The off-resonant laser that entangles, as it stands on the table, instead of [drive]."""

    line: str = parameter(
        default="D2", unit="1", symbol="-", doc="line of 133Cs it is near", source="002: D2", choices=("D1", "D2")
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
        """What the light does to one ensemble, excess loss included."""
        found = AbstractBeam.rates(self, atomic_line, area, field, orientation)
        excess = self.excess_loss * found.gamma
        return dataclasses.replace(found, up_to_h=found.up_to_h + excess, down_to_h=found.down_to_h + excess)

    def transverse(self, light: LightRates) -> Any:
        """What the light adds to Gamma-tilde, further dephasing included [1/s]."""
        return AbstractBeam.transverse(self, light) + self.gamma_d_add * light.gamma


@pytree
class YtterbiumLaser(AbstractBeam):
    """A laser near 1S0-3P1 of 171Yb, instead of [drive]; the two cells then differ by an optic or a Stark field."""

    width: float = parameter(
        default=1e-3,
        unit="m",
        symbol="w",
        doc="side of the square cross-section that atoms and light fill on average",
        source="not in the papers",
        minimum=1e-6,
        maximum=10,
    )
    temperature: float = parameter(
        default=1e-4,
        unit="K",
        symbol="T",
        doc="temperature of the atoms",
        source="not in the papers",
        minimum=1e-9,
        maximum=1e4,
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


def no_common_dark_state(experiment: Any) -> list[tuple[str, str]]:
    """A sentence where mu nu of both ensembles have opposite signs: (key, sentence).

    A = mu_I S_I + nu_II S_II^+ and B = mu_II S_II + nu_I S_I^+ commute, and share a dark state, only if mu_I nu_I =
    mu_II nu_II; for equal signs the equations take care of the rest.
    """
    own = second_cell(experiment)
    if own.laser.problems(own.line, lambda: own.light):
        return []  # ensemble II says so itself
    one, two = experiment.light, own.light
    if one.passive * one.active * two.passive * two.active >= 0:
        return []
    key = "laser.between" if hasattr(experiment.laser, "between") else "second.laser.detuning"
    return [(key, "gives mu nu of both ensembles opposite signs: they have no common dark state")]
