"""Two ensembles of two-level atoms driven by one laser (001 Sec. III): parameters -> rates -> model -> witness.

The light is given by its effective rates, [drive], or as a laser near a line of 171Yb, [laser]: an atom whose ground
level has two states only.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from darkstate.atoms.hyperfine import breit_rabi_hz
from darkstate.atoms.light import LightRates
from darkstate.atoms.species import Line, line
from darkstate.atoms.validity import light_checks
from darkstate.atoms.vapour import gaussian_length
from darkstate.experiments.alternatives import one_of
from darkstate.experiments.lasers import YtterbiumLaser, no_common_dark_state
from darkstate.experiments.two_cells import (
    CellModel,
    Cells,
    Timing,
    assemble,
    couplings,
    fastest_of,
    rate_problems,
    second_cell,
    shared_warnings,
)
from darkstate.parameters import Changes, parameter, pytree
from darkstate.spins.ensembles import Rates

if TYPE_CHECKING:
    from darkstate.spins.ensembles import SpinEnsembles


@pytree
class Ensembles:
    """The atoms."""

    optical_depth: float = parameter(
        unit="1", symbol="d", doc="resonant optical depth of one ensemble", source="001 Fig. 3", minimum=0
    )
    atoms: float = parameter(
        default=1e12, unit="1", symbol="N", doc="atoms in one ensemble", source="002, abstract: about 1e12", minimum=1
    )
    initial_polarization: float = parameter(
        default=1.0,
        unit="1",
        symbol="P_2(0)",
        doc="polarisation at t = 0: 1 = all atoms up, 0 = fully mixed",
        source="001 Eq. (14)",
        minimum=-1,
        maximum=1,
    )


@pytree
class Drive:
    """The off-resonant laser that entangles. Give `z`, or both `detuning` and `larmor_splitting`."""

    rate: float = parameter(
        unit="1/s", symbol="Gamma", doc="single-atom decay rate that the drive causes", source="001 Eq. (12)", above=0
    )
    z: float | None = parameter(
        default=None,
        unit="1",
        symbol="Z",
        doc="squeezing parameter 1/(mu - nu); the ideal steady state has xi = 1/Z^2",
        source="001 Fig. 3",
        minimum=1,
    )
    detuning: float | None = parameter(
        default=None,
        unit="Hz",
        symbol="Delta/2pi",
        doc="laser detuning; with `larmor_splitting`: Z = sqrt(Delta/Omega)",
        source="001 Sec. III A",
        above=0,
    )
    larmor_splitting: float | None = parameter(
        default=None,
        unit="Hz",
        symbol="Omega/2pi",
        doc="Zeeman splitting of the two ground levels",
        source="001 Sec. III A",
        above=0,
    )


@pytree
class Pump:
    """Resonant light that pumps atoms back to the upper level."""

    x: float = parameter(
        default=0.0,
        unit="1",
        symbol="x",
        doc="pump parameter: the cooling rate becomes (1 + x) mu^2 Gamma",
        source="001 Sec. III D",
        minimum=0,
    )


@pytree
class Noise:
    """What dephases the atoms beside the light."""

    gamma_d_add: float = parameter(
        default=0.0,
        unit="1",
        symbol="Gamma_d_add/Gamma",
        doc="non-radiative dephasing in units of `drive.rate`",
        source="001 Fig. 3",
        minimum=0,
    )


@pytree
class Field:
    """The magnetic fields of the two cells."""

    larmor_mismatch: float = parameter(
        default=0.0,
        unit="Hz",
        symbol="delta Omega/2pi",
        doc="difference of the Larmor frequencies of the two ensembles",
        source="000 Fig. 3a",
    )
    magnetic_field: float = parameter(
        default=0.0,
        unit="T",
        symbol="B",
        doc="magnetic field along x; counts with [laser] only, where hundreds of gauss make mu and nu differ",
        source="001 Sec. III A",
        minimum=-10,
        maximum=10,
    )


@pytree
class TwoLevelEnsembles:
    """Two ensembles of two-level atoms, one laser, one light path (001 Sec. III).

    Rates of each ensemble: cooling (1 + x) mu^2 Gamma, heating nu^2 Gamma, radiative dephasing
    2[(1 + x) mu^2 + nu^2] Gamma plus Gamma_d_add, collective d Gamma; all but Gamma_d_add go off with their light. With
    `laser` the rates of the drive, its dephasing included, follow from light, field and atom.
    `second` holds what ensemble II has different, as {"section.parameter": value}.

    Example:
        >>> lab = TwoLevelEnsembles(Ensembles(optical_depth=30), Drive(rate=1.0, z=1.5), protocol=Timing(duration=2.0))
        >>> round(lab.cell.total.cooling, 4), round(lab.cell.total.transverse, 4)
        (1.1736, 4.0417)
    """

    ensembles: Ensembles
    drive: Drive | None = None
    pump: Pump = Pump()
    noise: Noise = Noise()
    field: Field = Field()
    cells: Cells = Cells()
    protocol: Timing = Timing()
    second: Changes = dataclasses.field(default_factory=Changes)
    laser: YtterbiumLaser | None = None
    orientation: int = dataclasses.field(default=1, metadata={"static": True})  # of the spins that `cell` describes

    per_cell = ("ensembles", "drive", "pump", "noise", "laser")
    hyperfine_spin = 0.5

    def __post_init__(self) -> None:
        """Take a plain mapping for `second`; a JAX transformation may put other things there for a moment."""
        if type(self.second) is dict:
            object.__setattr__(self, "second", Changes(self.second))

    @property
    def behind(self) -> TwoLevelEnsembles:
        """The experiment as ensemble II sees it: with a laser, spins against the field, light behind the optic."""
        if self.laser is None:
            return self
        return dataclasses.replace(self, laser=self.laser.behind(), orientation=-1)

    @property
    def optical_depth(self) -> Any:
        """d of one ensemble."""
        return self.ensembles.optical_depth

    @property
    def z(self) -> Any:
        """Squeezing parameter, given, from Delta and Omega, or from the light."""
        if self.laser is not None:
            return self.light.z
        if self.drive.z is not None:  # type: ignore[union-attr]
            return self.drive.z  # type: ignore[union-attr]
        return (self.drive.detuning / self.drive.larmor_splitting) ** 0.5  # type: ignore[operator, union-attr]

    @property
    def line(self) -> Line:
        """The line the laser is near."""
        return line("171Yb", "1S0-3P1")

    @property
    def light(self) -> LightRates:
        """What the laser does to the ensemble."""
        laser: Any = self.laser
        return laser.rates(self.line, laser.width * laser.width, self.field.magnetic_field, self.orientation)

    @property
    def larmor_splitting(self) -> Any:
        """Zeeman splitting of the ground level, or None where it is not known [Hz]."""
        if self.laser is None:
            return self.drive.larmor_splitting  # type: ignore[union-attr]
        up, down = (breit_rabi_hz(self.line.species, 0.5, m, self.field.magnetic_field) for m in (0.5, -0.5))
        return abs(up - down)

    @property
    def cell(self) -> CellModel:
        """One ensemble as plain numbers."""
        mu2, p = couplings(self.z)[0] ** 2, self.ensembles.initial_polarization
        drive, gamma = self._drive
        pumped = self.pump.x * mu2 * gamma
        return CellModel(
            atoms=self.ensembles.atoms,
            z=self.z,
            initial_up=(1 + p) / 2,
            initial_down=(1 - p) / 2,
            dark=Rates(transverse=self.noise.gamma_d_add * gamma),
            drive=drive,
            pump=Rates(cooling=pumped, transverse=3 * pumped),
            repump=Rates(),
        )

    @property
    def _drive(self) -> tuple[Rates, Any]:
        """What the drive does, by effective rates or from the laser, and Gamma."""
        if self.laser is not None:
            light = self.light
            collective = self.laser.collective(light, self.optical_depth)
            transverse = self.laser.transverse(light)
            return Rates(light.cooling, light.heating, transverse=transverse, collective=collective), light.gamma
        gamma = self.drive.rate  # type: ignore[union-attr]
        mu2, nu2 = (c * c for c in couplings(self.z))
        return Rates(
            cooling=mu2 * gamma,
            heating=nu2 * gamma,
            transverse=3 * (mu2 + nu2) * gamma,
            collective=self.optical_depth * gamma,
        ), gamma

    def model(self) -> SpinEnsembles:
        """The equations of motion of both ensembles."""
        return assemble(self)

    def light_checks(self) -> dict[str, Any]:
        """What the rates of the laser rest on, see `atoms.validity`; empty where rates are given."""
        if self.laser is None:
            return {}
        return light_checks(
            self.line,
            self.light,
            detuning_hz=self.laser.detuning,
            fastest=fastest_of(self.cell),
            temperature=self.laser.temperature,
            larmor_hz=self.larmor_splitting,
            optical_depth=self.optical_depth,
            length=gaussian_length(self.laser.width * self.laser.width),
            distance=self.laser.distance,
            pumped=self.pump.x > 0,
        )

    def problems(self) -> list[tuple[str, str]]:
        """Contradictions between fields: (key, sentence)."""
        found = self.protocol.problems() + one_of(self, "drive", "laser")
        if self.drive is None or self.laser is not None:
            return found or self._laser_problems()
        pair = (self.drive.detuning, self.drive.larmor_splitting)
        if self.drive.z is None and None in pair:
            found.append(("drive.z", "is missing: give `z`, or both `detuning` and `larmor_splitting`"))
        elif self.drive.z is not None and pair != (None, None):
            found.append(("drive.z", "contradicts `detuning` and `larmor_splitting`: give one or the other"))
        elif self.drive.z is None and pair[0] < pair[1]:  # type: ignore[operator]
            found.append(("drive.detuning", "must be at least `larmor_splitting`, since Z = sqrt(Delta/Omega) >= 1"))
        return found

    def _laser_problems(self) -> list[tuple[str, str]]:
        if self.orientation == -1:
            return []  # ensemble I speaks for both, since it knows the optic between them
        laser: Any = self.laser
        found = laser.problems(self.line, lambda: self.light)
        if found:
            return found
        two = second_cell(self)
        behind: Any = two.laser
        if behind.problems(two.line, lambda: two.light):
            text = f'= "{laser.between}" leaves ensemble II on resonance or heated: take the other optic or detuning'
            return [("laser.between", text)]
        return no_common_dark_state(self)

    def rate_problems(self) -> list[str]:
        """Rates that are no numbers, one sentence each."""
        return rate_problems(self)

    def warnings(self) -> list[str]:
        """What is allowed but implausible."""
        return shared_warnings(self, self.larmor_splitting)
