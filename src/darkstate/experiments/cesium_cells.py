"""Two caesium vapour cells and one laser (002; 001 Sec. IV; 000 App. C): parameters -> rates -> model -> witness."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from darkstate.experiments.acquisition import Acquisition, Detection
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
    """The atoms; |up> = |4,4>, |down> = |4,3>, |h> = |3,3> (signs reversed in ensemble II)."""

    optical_depth: float = parameter(
        unit="1", symbol="d", doc="resonant optical depth of one cell", source="002 Fig. 2", minimum=0
    )
    atoms: float = parameter(
        default=1e12,
        unit="1",
        symbol="N",
        doc="atoms in one cell",
        source="000 Sec. II: 1e12 in each cell",
        minimum=1,
    )
    initial_up: float = parameter(
        default=0.99,
        unit="1",
        symbol="N_44(0)/N",
        doc="fraction in |up> at t = 0",
        source="002 supplement",
        minimum=0,
        maximum=1,
    )
    initial_down: float | None = parameter(
        default=None,
        unit="1",
        symbol="N_43(0)/N",
        doc="fraction in |down> at t = 0; left out = all that is not in |up>",
        source="002 supplement",
        minimum=0,
        maximum=1,
    )


@pytree
class Drive:
    """The off-resonant laser that entangles."""

    z: float = parameter(
        unit="1",
        symbol="Z",
        doc="squeezing parameter 1/(mu - nu); the ideal steady state has xi = 1/Z^2",
        source="002: (mu - nu)^2 = 0.16",
        minimum=1,
    )
    rate: float = parameter(
        unit="1/s", symbol="Gamma", doc="single-atom decay rate that the drive causes", source="002 Fig. 2", above=0
    )
    loss_rate: float = parameter(
        default=26.3839702,
        unit="1/s",
        symbol="Gamma_out_L",
        doc="rate at which the drive takes atoms to |h>",
        source="not given in 002; T1 = 34 ms read as the initial slope of <Jx>",
        minimum=0,
    )


@pytree
class Pump:
    """Light that pumps |down> to |up>; it stays on while the drive is on."""

    rate: float = parameter(
        default=0.0, unit="1/s", symbol="Gamma_pump", doc="pump rate", source="002 Fig. 2c, 000 App. C", minimum=0
    )
    dephasing: float = parameter(
        default=0.0,
        unit="1",
        symbol="-",
        doc="what the pump adds to Gamma-tilde, in units of its rate; 0 where "
        "`noise.gamma_tilde` was measured with the pump on",
        source="000 App. C: 2",
        minimum=0,
    )


@pytree
class Repump:
    """Light that brings atoms from |h> back to |up> and |down>."""

    rate: float = parameter(
        default=0.0, unit="1/s", symbol="Gamma_repump", doc="repump rate", source="000 App. C", minimum=0
    )


@pytree
class Noise:
    """What single-atom events do to the transverse spin."""

    gamma_tilde: float = parameter(
        unit="1/s",
        symbol="Gamma-tilde",
        doc="total transverse rate with the drive on (cooling, heating, losses and dephasing included)",
        source="002 Fig. 2",
        minimum=0,
    )
    t2_dark: float = parameter(
        unit="s",
        symbol="T2",
        doc="transverse decay time without light; Gamma-tilde is then 2/T2",
        source="002: 40 ms",
        above=0,
    )
    collision_rate: float = parameter(
        default=0.0,
        unit="1/s",
        symbol="Gamma_col",
        doc="collision rate of every transition",
        source="002 Fig. 2",
        minimum=0,
    )
    t1_dark: float | None = parameter(
        default=None,
        unit="s",
        symbol="T1",
        doc="population decay time without light; only compared with T2",
        source="002: 130 ms",
        above=0,
    )


@pytree
class Field:
    """The magnetic fields of the two cells."""

    larmor_mismatch: float = parameter(
        default=0.0,
        unit="Hz",
        symbol="delta Omega/2pi",
        doc="difference of the Larmor frequencies of the two cells",
        source="000 Fig. 3a",
    )
    larmor_splitting: float = parameter(
        default=322e3,
        unit="Hz",
        symbol="Omega/2pi",
        doc="Zeeman splitting of neighbouring sublevels",
        source="002: 322 kHz",
        above=0,
    )


@pytree
class CesiumCells:
    """Two caesium cells, one laser, pump and repump light (002, 000).

    Rates of each cell: Gamma_34 = mu^2 Gamma + Gamma_pump + Gamma_col, Gamma_43 = nu^2 Gamma + Gamma_col,
    Gamma_out = Gamma_out_L + Gamma_col, Gamma_in = Gamma_repump + Gamma_col; Gamma-tilde is `noise.gamma_tilde` with
    the drive on and 2/T2 in the dark. `detection` and `acquisition` count for records only. `second` holds what cell II
    has different, as {"section.parameter": value}.

    Example:
        >>> lab = CesiumCells(
        ...     Ensembles(optical_depth=55), Drive(z=2.5, rate=2.0, loss_rate=26.4),
        ...     Noise(gamma_tilde=193, collision_rate=2, t2_dark=40e-3), protocol=Timing(duration=60e-3))
        >>> round(lab.cell.total.cooling, 3), round(lab.cell.total.heating, 3)
        (6.205, 4.205)
    """

    ensembles: Ensembles
    drive: Drive
    noise: Noise
    pump: Pump = Pump()
    repump: Repump = Repump()
    field: Field = Field()
    cells: Cells = Cells()
    protocol: Timing = Timing()
    detection: Detection = Detection()
    acquisition: Acquisition = Acquisition()
    second: dict[str, Any] = dataclasses.field(default_factory=dict)

    per_cell = ("ensembles", "drive", "noise", "pump", "repump")
    hyperfine_spin = 4.0

    @property
    def cell(self) -> CellModel:
        """Cell I as plain numbers."""
        gamma, z, col = self.drive.rate, self.drive.z, self.noise.collision_rate
        mu, nu = couplings(z)
        dark, up = 2 / self.noise.t2_dark, self.ensembles.initial_up
        return CellModel(
            atoms=self.ensembles.atoms,
            z=z,
            initial_up=up,
            initial_down=1 - up if self.ensembles.initial_down is None else self.ensembles.initial_down,
            dark=Rates(
                cooling=col, heating=col, up_to_h=col, down_to_h=col, h_to_up=col, h_to_down=col, transverse=dark
            ),
            drive=Rates(
                cooling=mu * mu * gamma,
                heating=nu * nu * gamma,
                up_to_h=self.drive.loss_rate,
                down_to_h=self.drive.loss_rate,
                transverse=self.noise.gamma_tilde - dark,
                collective=self.ensembles.optical_depth * gamma,
            ),
            pump=Rates(cooling=self.pump.rate, transverse=self.pump.dephasing * self.pump.rate),
            repump=Rates(h_to_up=self.repump.rate, h_to_down=self.repump.rate),
        )

    def model(self) -> SpinEnsembles:
        """The equations of motion of both cells."""
        return assemble(self)

    def problems(self) -> list[tuple[str, str]]:
        """Contradictions between fields: (key, sentence)."""
        found = self.protocol.problems()
        if self.cell.initial_up + self.cell.initial_down > 1 + 1e-12:
            text = "and `initial_down` are fractions of the same atoms: their sum must be at most 1"
            found.append(("ensembles.initial_up", text))
        if self.pump.rate > 0 and self.pump.dephasing < 1:
            for k, segment in enumerate(self.protocol.segments):
                if segment.kind in ("pump", "probe"):
                    text = (
                        f'= "{segment.kind}" has pump or drive alone, but pump.dephasing = {self.pump.dephasing:g} '
                        "leaves open what the pump adds to Gamma-tilde: give at least 1, and gamma_tilde without pump"
                    )
                    found.append((f"protocol.segments.{k}.kind", text))
        if self.noise.gamma_tilde < 2 / self.noise.t2_dark:
            found.append(
                (
                    "noise.gamma_tilde",
                    f"is the total with the drive on and must be at least 2/T2 = "
                    f"{2 / self.noise.t2_dark:g} /s, the rate in the dark",
                )
            )
        return found

    def rate_problems(self) -> list[str]:
        """Rates that are no numbers, one sentence each."""
        return rate_problems(self)

    def warnings(self) -> list[str]:
        """What is allowed but implausible."""
        found, total = shared_warnings(self, self.field.larmor_splitting), self.cell.total
        parts = total.cooling + total.heating + total.up_to_h + total.down_to_h
        if total.transverse < parts:
            found.append(
                f"Gamma-tilde = {total.transverse:.4g} /s is below cooling + heating + losses = {parts:.4g} /s, "
                "which are part of it"
            )
        if self.noise.t1_dark is not None and self.noise.t2_dark > 2 * self.noise.t1_dark:
            found.append("T2 in the dark exceeds 2 T1, which no noise process allows")
        return found
