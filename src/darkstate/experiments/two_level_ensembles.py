"""Two ensembles of two-level atoms driven by one laser (001 Sec. III): parameters -> rates -> model -> witness."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from darkstate.experiments.two_cells import (
    CellModel,
    Cells,
    Timing,
    assemble,
    couplings,
    rate_problems,
    shared_warnings,
)
from darkstate.parameters import parameter, pytree
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


@pytree
class TwoLevelEnsembles:
    """Two ensembles of two-level atoms, one laser, one light path (001 Sec. III).

    Rates of each ensemble: cooling (1 + x) mu^2 Gamma, heating nu^2 Gamma, radiative dephasing
    2[(1 + x) mu^2 + nu^2] Gamma plus Gamma_d_add, collective d Gamma; all but Gamma_d_add go off with their light.
    `second` holds what ensemble II has different, as {"section.parameter": value}.

    Example:
        >>> lab = TwoLevelEnsembles(Ensembles(optical_depth=30), Drive(rate=1.0, z=1.5), protocol=Timing(duration=2.0))
        >>> round(lab.cell.total.cooling, 4), round(lab.cell.total.transverse, 4)
        (1.1736, 4.0417)
    """

    ensembles: Ensembles
    drive: Drive
    pump: Pump = Pump()
    noise: Noise = Noise()
    field: Field = Field()
    cells: Cells = Cells()
    protocol: Timing = Timing()
    second: dict[str, Any] = dataclasses.field(default_factory=dict)

    per_cell = ("ensembles", "drive", "pump", "noise")
    hyperfine_spin = 0.5

    @property
    def z(self) -> Any:
        """Squeezing parameter, given or from Delta and Omega."""
        if self.drive.z is not None:
            return self.drive.z
        return (self.drive.detuning / self.drive.larmor_splitting) ** 0.5  # type: ignore[operator]

    @property
    def cell(self) -> CellModel:
        """Ensemble I as plain numbers."""
        gamma, x = self.drive.rate, self.pump.x
        mu2, nu2 = (c * c for c in couplings(self.z))
        p = self.ensembles.initial_polarization
        return CellModel(
            atoms=self.ensembles.atoms,
            z=self.z,
            initial_up=(1 + p) / 2,
            initial_down=(1 - p) / 2,
            dark=Rates(transverse=self.noise.gamma_d_add * gamma),
            drive=Rates(
                cooling=mu2 * gamma,
                heating=nu2 * gamma,
                transverse=3 * (mu2 + nu2) * gamma,
                collective=self.ensembles.optical_depth * gamma,
            ),
            pump=Rates(cooling=x * mu2 * gamma, transverse=3 * x * mu2 * gamma),
            repump=Rates(),
        )

    def model(self) -> SpinEnsembles:
        """The equations of motion of both ensembles."""
        return assemble(self)

    def problems(self) -> list[tuple[str, str]]:
        """Contradictions between fields: (key, sentence)."""
        found = self.protocol.problems()
        pair = (self.drive.detuning, self.drive.larmor_splitting)
        if self.drive.z is None and None in pair:
            found.append(("drive.z", "is missing: give `z`, or both `detuning` and `larmor_splitting`"))
        elif self.drive.z is not None and pair != (None, None):
            found.append(("drive.z", "contradicts `detuning` and `larmor_splitting`: give one or the other"))
        elif self.drive.z is None and pair[0] < pair[1]:  # type: ignore[operator]
            found.append(("drive.detuning", "must be at least `larmor_splitting`, since Z = sqrt(Delta/Omega) >= 1"))
        return found

    def rate_problems(self) -> list[str]:
        """Rates that are no numbers, one sentence each."""
        return rate_problems(self)

    def warnings(self) -> list[str]:
        """What is allowed but implausible."""
        return shared_warnings(self, self.drive.larmor_splitting)
