"""The two oscillators of 004 by their effective rates, and a vapour cell as one of them.

gamma-tilde_S0 = gamma_S0 (n_S + 1/2),  C_j = Gamma_j/gamma-tilde_j0
"""

from __future__ import annotations

from math import pi
from typing import Any

from darkstate.experiments.hybrid_rates import OscillatorRates
from darkstate.parameters import parameter, pytree
from darkstate.spins.thermal import thermal_occupation

RIGHT_ANGLE = 1.5708
"""Largest coupling angle [rad]: pi/2 as it is written with five digits."""


@pytree
class Spin:
    """The oscillator of negative mass by its effective rates. Give `rate` or `cooperativity`."""

    theta: float = parameter(
        unit="1",
        symbol="theta_S",
        doc="coupling angle in radian: pi/4 = QND, larger = more beam splitter",
        source="004 Eq. (2)",
        minimum=0,
        maximum=RIGHT_ANGLE,
    )
    linewidth: float = parameter(
        unit="1/s", symbol="gamma_S0", doc="linewidth without the entangling light", source="004 Fig. 3", above=0
    )
    occupation: float = parameter(
        unit="1", symbol="n_S", doc="thermal occupation of its bath", source="004 Fig. 3", minimum=0
    )
    rate: float | None = parameter(
        default=None, unit="1/s", symbol="Gamma_S", doc="coupling rate to the light", source="004 Eq. (2)", above=0
    )
    cooperativity: float | None = parameter(
        default=None,
        unit="1",
        symbol="C_S",
        doc="quantum cooperativity Gamma_S/[gamma_S0 (n_S + 1/2)], instead of `rate`",
        source="004, implementation: C_j",
        above=0,
    )

    @property
    def rates(self) -> OscillatorRates:
        """The rates of 004, gamma-tilde_S0 = gamma_S0 (n_S + 1/2)."""
        return _effective(self, self.linewidth * (self.occupation + 0.5))


@pytree
class Cell:
    """A polarised vapour cell as the oscillator of negative mass."""

    optical_depth: float = parameter(
        unit="1", symbol="d", doc="resonant optical depth", source="001 Eq. (14): d Gamma", above=0
    )
    scattering_rate: float = parameter(
        unit="1/s",
        symbol="Gamma",
        doc="single-atom rate that the drive causes; it broadens the line by as much",
        source="001 Eq. (12); 004: power broadening",
        above=0,
    )
    dark_linewidth: float = parameter(
        unit="1/s", symbol="gamma_dark", doc="linewidth without the drive", source="not in 004", minimum=0
    )
    polarization: float = parameter(
        unit="1",
        symbol="P",
        doc="polarisation <F_x>/F; below 1 it heats",
        source="004 below Eq. (5)",
        above=0,
        maximum=1,
    )
    hyperfine_spin: float = parameter(
        default=4.0,
        unit="1",
        symbol="F",
        doc="spin of one atom: 0.5, 1, ..., 4",
        source="caesium, F = 4",
        minimum=0.5,
        maximum=4,
    )
    theta: float = parameter(
        default=pi / 4,
        unit="1",
        symbol="theta_S",
        doc="coupling angle in radian: pi/4 = QND, larger = more beam splitter",
        source="004: QND is near the optimum",
        minimum=0,
        maximum=RIGHT_ANGLE,
    )

    @property
    def occupation(self) -> Any:
        """n_S of the spin temperature that gives the polarisation."""
        return thermal_occupation(self.polarization, self.hyperfine_spin)

    @property
    def rates(self) -> OscillatorRates:
        """The rates of 004: Gamma_S = d Gamma, gamma_S0 = gamma_dark + Gamma, gamma-tilde_S0 = gamma_S0 (n_S + 1/2).

        C_S does not depend on the power once Gamma >> gamma_dark, as 004 says.
        """
        linewidth = self.dark_linewidth + self.scattering_rate
        return OscillatorRates(
            self.optical_depth * self.scattering_rate, self.theta, linewidth, linewidth * (self.occupation + 0.5)
        )


@pytree
class Mechanics:
    """The oscillator of positive mass by its effective rates. Give `rate` or `cooperativity`."""

    theta: float = parameter(
        unit="1",
        symbol="theta_M",
        doc="coupling angle in radian: pi/2 = beam splitter only, which cools",
        source="004 Eq. (2)",
        minimum=0,
        maximum=RIGHT_ANGLE,
    )
    decoherence: float = parameter(
        unit="1/s",
        symbol="gt_M",
        doc="thermal decoherence rate gamma_M0 (n_M + 1/2)",
        source="004 Fig. 3: gamma_M0 n_M",
        above=0,
    )
    rate: float | None = parameter(
        default=None, unit="1/s", symbol="Gamma_M", doc="coupling rate to the light", source="004 Eq. (2)", above=0
    )
    cooperativity: float | None = parameter(
        default=None,
        unit="1",
        symbol="C_M",
        doc="quantum cooperativity Gamma_M/decoherence, instead of `rate`",
        source="004, implementation: C_j",
        above=0,
    )
    linewidth: float = parameter(
        default=0.0,
        unit="1/s",
        symbol="gamma_M0",
        doc="linewidth without the light; 0 = far below everything else",
        source="004: gamma_M0 << gamma_S0",
        minimum=0,
    )

    @property
    def rates(self) -> OscillatorRates:
        """The rates of 004."""
        return _effective(self, self.decoherence)


def _effective(oscillator: Spin | Mechanics, decoherence: Any) -> OscillatorRates:
    rate = oscillator.rate if oscillator.rate is not None else oscillator.cooperativity * decoherence
    return OscillatorRates(rate, oscillator.theta, oscillator.linewidth, decoherence)
