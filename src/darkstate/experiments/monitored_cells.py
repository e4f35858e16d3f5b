"""Two caesium cells whose light is measured all the time (000 Sec. IV): parameters -> rates -> model -> witness.

    gamma_s = d Gamma/2,  gamma_extra = Gamma-tilde/2,  x = gamma_extra/gamma_s

Both are amplitude rates: a mode of the cells decays as exp(-(gamma_s + gamma_extra) t).
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from darkstate.experiments.acquisition import Acquisition, Detection
from darkstate.experiments.cesium_cells import Drive, Ensembles, Noise
from darkstate.experiments.two_cells import couplings
from darkstate.parameters import parameter, pytree

if TYPE_CHECKING:
    from darkstate.gaussian.detection import Detector
    from darkstate.gaussian.linear_system import LinearSystem


@pytree
class Bath:
    """The noise that comes with the transverse decay."""

    variance: float = parameter(
        default=1.0,
        unit="1",
        symbol="w",
        doc="variance towards which the transverse decay drives the cells, vacuum = 1; 1 at full polarisation",
        source="000 Eq. (7) with w = 1",
        minimum=1,
    )


@pytree
class Record:
    """The measurement of the light, with the drive on all the time."""

    duration: float = parameter(
        unit="s",
        symbol="T",
        doc="how long the light is measured",
        source="000 Sec. IV: until the steady state",
        above=0,
    )
    points: int = parameter(
        default=241,
        unit="1",
        symbol="-",
        doc="points of the time grid",
        source="as for the other experiments",
        minimum=2,
        maximum=100_001,
        whole=True,
    )


@pytree
class MonitoredCells:
    """Two caesium cells with their light measured, in the Holstein-Primakoff limit (000 Sec. IV).

    The drive is on all the time and the cells stay fully polarised (P_2 = 1), so of `ensembles` only the optical depth,
    of `drive` z and rate, and of `noise` gamma_tilde count; the other entries are those of `cesium_cells` and have no
    effect here; `acquisition` counts for records only. Amplitude rates gamma_s = d Gamma P_2/2 (000 Eq. 4, with the
    factor 1/2 that its own time evolution needs) and gamma_extra = Gamma-tilde/2.

    Example:
        >>> lab = MonitoredCells(
        ...     Ensembles(optical_depth=55), Drive(z=2.5, rate=2.0), Noise(gamma_tilde=193.0, t2_dark=40e-3),
        ...     Record(duration=60e-3))
        >>> lab.gamma_s, lab.gamma_extra, round(lab.x, 4)
        (55.0, 96.5, 1.7545)
    """

    ensembles: Ensembles
    drive: Drive
    noise: Noise
    protocol: Record
    bath: Bath = Bath()
    detection: Detection = Detection()
    acquisition: Acquisition = Acquisition()

    per_cell = ()

    @property
    def z(self) -> Any:
        """Squeezing parameter Z; the ideal steady state has xi = 1/Z^2."""
        return self.drive.z

    @property
    def gamma_s(self) -> Any:
        """Amplitude rate of the entangling process, d Gamma/2 [1/s]."""
        return self.ensembles.optical_depth * self.drive.rate / 2

    @property
    def gamma_extra(self) -> Any:
        """Amplitude rate of the transverse decay, Gamma-tilde/2 [1/s]."""
        return self.noise.gamma_tilde / 2

    @property
    def gamma_dark(self) -> Any:
        """Amplitude rate of the transverse decay without light, 1/T2 [1/s]."""
        return 1 / self.noise.t2_dark

    @property
    def x(self) -> Any:
        """gamma_extra/gamma_s (000 Fig. 4b)."""
        return self.gamma_extra / self.gamma_s

    def model(self) -> LinearSystem:
        """Modes I (met first) and II in their rotating frame, coupled alike to both sidebands.

        Gamma_B = 2 gamma_s mu^2, Gamma_P = 2 gamma_s nu^2, damping 2 gamma_extra of the energy.
        """
        from darkstate.gaussian.components import sideband_oscillator
        from darkstate.gaussian.network import cascade

        mu, nu = couplings(self.z)
        rates = {
            "passive": 2 * self.gamma_s * mu**2,
            "active": 2 * self.gamma_s * nu**2,
            "damping": 2 * self.gamma_extra,
            "decoherence": self.gamma_extra * self.bath.variance,
        }
        first, second = sideband_oscillator("I", **rates, negative_mass=True), sideband_oscillator("II", **rates)
        return cascade(first, second, channels=("upper", "lower"))

    def detector(self) -> Detector:
        """Homodyne detection of the light quadrature that reads X_I + X_II and P_I - P_II."""
        from darkstate.gaussian.detection import sideband_homodyne

        return sideband_homodyne("II.upper", "II.lower", efficiency=self.detection.efficiency)

    def problems(self) -> list[tuple[str, str]]:
        """Contradictions between fields: (key, sentence); these parameters leave room for none."""
        return []

    def rate_problems(self) -> list[str]:
        """Rates that are no numbers, one sentence each."""
        cure = "check ensembles.optical_depth, drive.rate, drive.z and noise.gamma_tilde"
        try:
            numbers = (self.gamma_s, self.gamma_extra, self.x * self.x, self.z * self.z)
        except ArithmeticError:
            return [f"gamma_s follows as 0 /s, which leaves nothing to measure; {cure}"]
        return [] if all(map(isfinite, numbers)) else [f"the rates are too large to be numbers; {cure}"]

    def warnings(self) -> list[str]:
        """What is allowed but implausible."""
        if self.detection.efficiency == 0:
            return ["detection.efficiency = 0 measures nothing: the conditional state is the unconditional one"]
        return []
