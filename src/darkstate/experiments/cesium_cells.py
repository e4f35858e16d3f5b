"""Two caesium vapour cells and one laser (002; 001 Sec. IV; 000 App. C): parameters -> rates -> model -> witness.

Each cause of rates is given by its effective rates, as in the papers, or by what stands on the optical table
(`laboratory`, `lasers`): [ensembles] or [vapour], [drive] or [laser], [noise] or [relaxation], [pump] and [repump] or
[pump_light].
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from darkstate.atoms.hyperfine import field_of_splitting
from darkstate.atoms.light import LightRates
from darkstate.atoms.pumping import Optical, saturation
from darkstate.atoms.species import Line, line, species
from darkstate.atoms.validity import light_checks
from darkstate.atoms.vapour import doppler_width, gaussian_length
from darkstate.experiments.acquisition import Acquisition, Detection
from darkstate.experiments.alternatives import one_of
from darkstate.experiments.effective import Drive, Ensembles, Field, Noise, Pump, Repump
from darkstate.experiments.laboratory import CESIUM, PumpLight, Relaxation, Vapour
from darkstate.experiments.lasers import CesiumLaser, no_common_dark_state
from darkstate.experiments.two_cells import (
    CellModel,
    Cells,
    Timing,
    assemble,
    couplings,
    fastest_of,
    rate_problems,
    shared_warnings,
)
from darkstate.parameters import Changes, pytree
from darkstate.spins.ensembles import Rates

if TYPE_CHECKING:
    from darkstate.spins.ensembles import SpinEnsembles

__all__ = [
    "CesiumCells",
    "CesiumLaser",
    "Drive",
    "Ensembles",
    "Field",
    "Noise",
    "Pump",
    "PumpLight",
    "Relaxation",
    "Repump",
    "Vapour",
]


@pytree
class CesiumCells:
    """Two caesium cells, one laser, pump and repump light (002, 000).

    Rates of each cell: Gamma_34 = mu^2 Gamma + Gamma_pump + Gamma_col, Gamma_43 = nu^2 Gamma + Gamma_col,
    Gamma_out = Gamma_out_L + Gamma_col, Gamma_in = Gamma_repump + Gamma_col; Gamma-tilde is `noise.gamma_tilde` with
    the drive on and 2/T2 in the dark. With `laser` the light's part of each follows from power, detuning, polarisation
    and field, and with `vapour` the optical depth from temperature or Faraday angle. `detection` and `acquisition`
    count for records only. `second` holds what cell II has different, as {"section.parameter": value}.

    Example:
        >>> lab = CesiumCells(
        ...     Ensembles(optical_depth=55), Drive(z=2.5, rate=2.0, loss_rate=26.4),
        ...     Noise(gamma_tilde=193, collision_rate=2, t2_dark=40e-3), protocol=Timing(duration=60e-3))
        >>> round(lab.cell.total.cooling, 3), round(lab.cell.total.heating, 3)
        (6.205, 4.205)
        >>> table = CesiumCells(
        ...     vapour=Vapour(temperature=293.0, width=0.022, length=0.022),
        ...     laser=CesiumLaser(detuning=850e6, power=5.6e-3), relaxation=Relaxation(t2_dark=40e-3),
        ...     protocol=Timing(duration=60e-3))
        >>> print(f"d = {table.optical_depth:.0f}, Z = {table.z:.3f}, Gamma = {table.light.gamma:.2f} /s")
        d = 55, Z = 2.522, Gamma = 1.85 /s
    """

    ensembles: Ensembles | None = None
    drive: Drive | None = None
    noise: Noise | None = None
    pump: Pump = Pump()
    repump: Repump = Repump()
    field: Field = Field()
    cells: Cells = Cells()
    protocol: Timing = Timing()
    detection: Detection = Detection()
    acquisition: Acquisition = Acquisition()
    second: Changes = dataclasses.field(default_factory=Changes)
    vapour: Vapour | None = None
    laser: CesiumLaser | None = None
    relaxation: Relaxation | None = None
    pump_light: PumpLight | None = None
    orientation: int = dataclasses.field(default=1, metadata={"static": True})  # of the spins that `cell` describes

    per_cell = ("ensembles", "drive", "noise", "pump", "repump", "vapour", "laser", "relaxation", "pump_light")
    hyperfine_spin = 4.0

    def __post_init__(self) -> None:
        """Take a plain mapping for `second`; a JAX transformation may put other things there for a moment."""
        if type(self.second) is dict:
            object.__setattr__(self, "second", Changes(self.second))

    @property
    def behind(self) -> CesiumCells:
        """The experiment as ensemble II sees it: its spins point against the field, which only a laser notices."""
        return self if self.laser is None else dataclasses.replace(self, orientation=-1)

    @property
    def optical_depth(self) -> Any:
        """d of one cell."""
        if self.vapour is None:
            return self.ensembles.optical_depth  # type: ignore[union-attr]
        return self.vapour.depth(self.line.wavelength)

    @property
    def z(self) -> Any:
        """Squeezing parameter, given or from the light."""
        return self.drive.z if self.laser is None else self.light.z  # type: ignore[union-attr]

    @property
    def gamma_dark(self) -> Any:
        """Amplitude rate of the transverse decay without light, 1/T2 [1/s]."""
        return self._dark / 2

    @property
    def line(self) -> Line:
        """The line the laser is near, D2 where rates are given."""
        return line(CESIUM, "D2" if self.laser is None else self.laser.line)

    @property
    def magnetic_field(self) -> Any:
        """Field that gives the Larmor splitting [T]."""
        return field_of_splitting(species(CESIUM), self.field.larmor_splitting)

    @property
    def light(self) -> LightRates:
        """What the laser does to the ensemble."""
        laser, area = self.laser, self.vapour.area  # type: ignore[union-attr]
        return laser.rates(self.line, area, self.magnetic_field, self.orientation)  # type: ignore[union-attr]

    @property
    def optical(self) -> Optical | None:
        """Pump and repump light by laboratory numbers, if there is any."""
        if self.pump_light is None:
            return None
        return self.pump_light.optical(self.light, self.vapour, self._collisions)  # type: ignore[arg-type]

    @property
    def _collisions(self) -> Any:
        return self.noise.collision_rate if self.noise is not None else (self.relaxation or Relaxation()).collisions

    @property
    def cell(self) -> CellModel:
        """One cell as plain numbers."""
        start: Any = self.ensembles or self.vapour
        up, down = start.initial_up, getattr(start, "initial_down", None)
        col, optical, dark = self._collisions, self.optical, self._dark
        return CellModel(
            atoms=start.atoms if self.vapour is None else self.vapour.atoms(self.line.wavelength),
            z=self.z,
            initial_up=up,
            initial_down=1 - up if down is None else down,
            dark=Rates(
                cooling=col, heating=col, up_to_h=col, down_to_h=col, h_to_up=col, h_to_down=col, transverse=dark
            ),
            drive=self._drive,
            pump=Rates(cooling=self.pump.rate, transverse=self.pump.dephasing * self.pump.rate)
            if optical is None
            else Rates(**optical.pump_rates),
            repump=Rates(h_to_up=self.repump.rate, h_to_down=self.repump.rate)
            if optical is None
            else Rates(**optical.repump_rates),
        )

    @property
    def _dark(self) -> Any:
        """Gamma-tilde without light."""
        return 2 / self.noise.t2_dark if self.noise is not None else (self.relaxation or Relaxation()).transverse

    @property
    def _drive(self) -> Rates:
        """What the drive does, by effective rates or from the laser."""
        if self.drive is not None:
            gamma, (mu, nu) = self.drive.rate, couplings(self.drive.z)
            return Rates(
                cooling=mu * mu * gamma,
                heating=nu * nu * gamma,
                up_to_h=self.drive.loss_rate,
                down_to_h=self.drive.loss_rate,
                transverse=self.noise.gamma_tilde - self._dark,  # type: ignore[union-attr]
                collective=self.optical_depth * gamma,
            )
        laser, light = self.laser, self.light
        measured = None if self.noise is None else self.noise.gamma_tilde - self._dark
        return Rates(
            cooling=light.cooling,
            heating=light.heating,
            up_to_h=light.up_to_h,
            down_to_h=light.down_to_h,
            h_to_up=light.h_to_up,
            h_to_down=light.h_to_down,
            transverse=laser.transverse(light) if measured is None else measured,  # type: ignore[union-attr]
            collective=laser.collective(light, self.optical_depth),  # type: ignore[union-attr]
        )

    def model(self) -> SpinEnsembles:
        """The equations of motion of both cells."""
        return assemble(self)

    def light_checks(self) -> dict[str, Any]:
        """What the rates of the laser rest on, see `atoms.validity`; empty where rates are given."""
        if self.laser is None or self.vapour is None:
            return {}
        found = light_checks(
            self.line,
            self.light,
            detuning_hz=self.laser.detuning,
            fastest=fastest_of(self.cell),
            temperature=self.vapour.temperature,
            larmor_hz=self.field.larmor_splitting,
            optical_depth=self.optical_depth,
            length=gaussian_length(self.vapour.area),
            distance=self.vapour.distance,
            pumped=self.pump_light is not None or self.pump.rate > 0,
        )
        optical = self.optical
        if optical is not None:
            d1, kelvin = line(CESIUM, "D1"), self.vapour.temperature
            width = doppler_width(d1.wavelength, d1.species.mass, kelvin)
            found["pump_saturation"] = saturation(optical.pump, d1.natural_width, width)
        return found

    def problems(self) -> list[tuple[str, str]]:
        """Contradictions between fields: (key, sentence)."""
        found = self.protocol.problems() + self._choices()
        if found:
            return found
        if self.laser is not None:
            found += self.vapour.problems()  # type: ignore[union-attr]
            found += self.laser.problems(self.line, lambda: self.light)
        elif self.vapour is not None:
            found += self.vapour.problems()
        if self.pump_light is not None:
            found += self.pump_light.problems()
        if "laser.line" in self.second:
            found.append(("second.laser.line", "has no effect that could be meant: one laser passes both cells"))
        if not found and self.laser is not None and self.orientation == 1:
            found += no_common_dark_state(self)
        if found:
            return found
        start: Any = self.ensembles or self.vapour
        down = getattr(start, "initial_down", None)
        if down is not None and start.initial_up + down > 1 + 1e-12:
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
        if self.noise is not None and self.noise.gamma_tilde < 2 / self.noise.t2_dark:
            found.append(
                (
                    "noise.gamma_tilde",
                    f"is the total with the drive on and must be at least 2/T2 = "
                    f"{2 / self.noise.t2_dark:g} /s, the rate in the dark",
                )
            )
        return found

    def _choices(self) -> list[tuple[str, str]]:
        """Alternatives of which exactly one must be there, and what goes with what."""
        found = one_of(self, "ensembles", "vapour") + one_of(self, "drive", "laser")
        found += one_of(self, "noise", "relaxation")
        if not found and self.drive is not None and self.noise is None:
            found.append(("relaxation", "goes with [laser]; with [drive] give [noise], where Gamma-tilde was measured"))
        if not found and self.laser is not None and self.vapour is None:
            found.append(("laser", "needs [vapour], the cross-section of the cell that its power is spread over"))
        if not found and self.pump_light is not None:
            if self.laser is None:
                found.append(("pump_light", "goes with [vapour] and [laser]; with [drive] give [pump] and [repump]"))
            elif self.pump.rate > 0 or self.repump.rate > 0:
                found.append(("pump_light", "contradicts [pump] and [repump]: give one or the other"))
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
        times, col = self.noise or self.relaxation, self._collisions
        if times is None:
            return found
        if times.t2_dark is not None and 2 / times.t2_dark < 4 * col:
            found.append(
                f"T2 in the dark is longer than collisions at {col:.4g} /s allow: 2/T2 must be at least 4 times that"
            )
        if times.t1_dark is not None and times.t2_dark is not None and times.t2_dark > 2 * times.t1_dark:
            found.append("T2 in the dark exceeds 2 T1, which no noise process allows")
        if self.noise is None and times.t1_dark is not None and not 0.8 <= col * times.t1_dark / 0.8 <= 1.25:
            found.append(
                f"T1 in the dark is {1e3 * times.t1_dark:.4g} ms, but collisions at {col:.4g} /s make it "
                f"{8e2 / col if col else float('inf'):.4g} ms: the collision rate counts; leave it out to use T1"
            )
        return found
