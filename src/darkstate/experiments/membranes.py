"""Membranes in optical cavities, from laboratory numbers to the rates of 004.

    omega = 2 pi frequency,  gamma_m = omega/Q,  n_cav = eta_c kappa flux/(Delta^2 + kappa^2/4),  g = g_0 sqrt(n_cav)

The cavity follows the membrane adiabatically (g and all rates far below kappa). Only the over-coupled share eta_c of
the scattered light reaches the beam; the rest cools and heats beside it.
"""

from __future__ import annotations

from math import pi
from typing import Any

from darkstate.atoms.constants import BOLTZMANN, HBAR, LIGHT_SPEED
from darkstate.elementary import elementary
from darkstate.experiments.hybrid_rates import OscillatorRates
from darkstate.parameters import parameter, pytree

_REVIEW = "004 Ref. 48 (M. Aspelmeyer et al., Rev. Mod. Phys. 86, 1391)"


@pytree
class Cavity:
    """What both kinds of driving share: a membrane, its cavity and the colour of the light."""

    frequency: float = parameter(
        unit="Hz", symbol="omega_m/2pi", doc="mechanical frequency", source="004 Eq. (1): omega_j", above=0
    )
    quality_factor: float = parameter(
        unit="1", symbol="Q", doc="mechanical quality factor, omega_m/gamma_m", source=_REVIEW, above=0
    )
    temperature: float = parameter(
        unit="K", symbol="T_M", doc="temperature of the mount", source="004: n_M = k_B T_M/(hbar omega_M)", above=0
    )
    cavity_linewidth: float = parameter(
        unit="1/s",
        symbol="kappa",
        doc="linewidth of the cavity, the decay rate of its energy",
        source=_REVIEW,
        above=0,
    )
    overcoupling: float = parameter(
        unit="1",
        symbol="eta_c",
        doc="share of kappa that goes through the mirror the beam uses",
        source=_REVIEW,
        above=0,
        maximum=1,
    )
    coupling: float = parameter(unit="1/s", symbol="g_0", doc="single-photon coupling rate", source=_REVIEW, above=0)
    wavelength: float = parameter(
        unit="m", symbol="lambda", doc="wavelength of the light", source="not in 004", above=0
    )

    def photons(self, power: Any, detuning: Any) -> Any:
        """Photons in the cavity, eta_c kappa flux/(detuning^2 + kappa^2/4) with flux = P lambda/(2 pi hbar c)."""
        kappa = self.cavity_linewidth
        flux = power * self.wavelength / (2 * pi * HBAR * LIGHT_SPEED)
        return self.overcoupling * kappa * flux / (detuning * detuning + kappa * kappa / 4)

    def scattering(self, photons: Any, offset: Any) -> Any:
        """Rate into a sideband `offset` [1/s] away from the cavity, g_0^2 n kappa/(offset^2 + kappa^2/4) [1/s]."""
        kappa = self.cavity_linewidth
        return self.coupling * self.coupling * photons * kappa / (offset * offset + kappa * kappa / 4)

    def shared(self, passive: Any, active: Any, cooling: Any, heating: Any) -> OscillatorRates:
        """Rates of the beam, the share eta_c of its two sidebands, and of everything else, which joins the bath.

        Args:
            passive, active: rates into the two sidebands of the beam [1/s].
            cooling, heating: rates into other sidebands [1/s].

        Returns:
            gamma_0 = gamma_m + cooling - heating and gamma-tilde_0 = gamma_m (n_th + 1/2) + (cooling + heating)/2,
            where the share 1 - eta_c of both sidebands cools and heats as well.
        """
        omega = 2 * pi * self.frequency
        x = HBAR * omega / (BOLTZMANN * self.temperature)
        occupation = elementary("exp", -x) / -elementary("expm1", -x)
        own, lost = omega / self.quality_factor, 1 - self.overcoupling
        cooling, heating = cooling + lost * passive, heating + lost * active
        return OscillatorRates.of_sidebands(
            self.overcoupling * passive,
            self.overcoupling * active,
            own + cooling - heating,
            own * (occupation + 0.5) + (cooling + heating) / 2,
        )


@pytree
class Membrane(Cavity):
    """A membrane in a cavity driven by one laser: the oscillator of positive mass."""

    input_power: float = parameter(
        unit="W", symbol="P_in", doc="power of the laser at the cavity", source=_REVIEW, above=0
    )
    detuning: float = parameter(
        unit="1/s",
        symbol="Delta",
        doc="laser frequency minus cavity frequency; negative (red) cools and makes theta_M larger than pi/4",
        source=_REVIEW,
    )

    @property
    def enhanced_coupling(self) -> Any:
        """g = g_0 sqrt(n_cav) [1/s]."""
        return self.coupling * elementary("sqrt", self.photons(self.input_power, self.detuning))

    @property
    def optical_spring(self) -> Any:
        """Shift of the resonance by the light, g^2 sum_+- (Delta +- omega)/[(Delta +- omega)^2 + kappa^2/4] [1/s]."""
        return _spring(self, [(self.photons(self.input_power, self.detuning), self.detuning)])

    @property
    def rates(self) -> OscillatorRates:
        """The rates of 004.

        A_- = g^2 kappa/((Delta+omega)^2 + kappa^2/4) goes to the upper sideband and cools, A_+ with Delta-omega to the
        lower one and heats; Gamma_MB = eta_c A_-, Gamma_MP = eta_c A_+ (004 Fig. 1 and Ref. 48).
        """
        omega = 2 * pi * self.frequency
        photons = self.photons(self.input_power, self.detuning)
        cooling = self.scattering(photons, self.detuning + omega)
        heating = self.scattering(photons, self.detuning - omega)
        return self.shared(cooling, heating, 0.0, 0.0)


@pytree
class CounterMembrane(Cavity):
    """A membrane that two tones give a negative effective mass (001 Sec. V; 004 Ref. 32).

    The tones stand at omega_0 -+ 2 omega_m, where omega_0 is the cavity frequency plus `detuning` and the carrier of
    the other system. The lower tone scatters up to omega_0 - omega_m (passive), the upper one down to
    omega_0 + omega_m (active): the reverse of a plain membrane.
    """

    passive_power: float = parameter(
        unit="W",
        symbol="P_p",
        doc="power of the tone at omega_0 - 2 omega_m, which cools",
        source="001 Sec. V: the passive interaction",
        above=0,
    )
    active_power: float = parameter(
        unit="W",
        symbol="P_a",
        doc="power of the tone at omega_0 + 2 omega_m, which heats",
        source="001 Sec. V: the active interaction",
        above=0,
    )
    detuning: float = parameter(
        default=0.0,
        unit="1/s",
        symbol="Delta",
        doc="mean frequency omega_0 of the tones minus cavity frequency",
        source="001 Sec. V; 0 = both sidebands equally far from the cavity",
    )

    @property
    def enhanced_coupling(self) -> Any:
        """g = g_0 sqrt(n_cav) with the photons of both tones [1/s]."""
        passive, active = self._tones()
        return self.coupling * elementary("sqrt", passive + active)

    @property
    def optical_spring(self) -> Any:
        """Shift of the resonance by both tones [1/s], as for a membrane with one."""
        double = 4 * pi * self.frequency
        lower, upper = self._tones()
        return _spring(self, [(lower, self.detuning - double), (upper, self.detuning + double)])

    def _tones(self) -> tuple[Any, Any]:
        """Photons in the cavity from the lower and the upper tone."""
        double = 4 * pi * self.frequency
        return (
            self.photons(self.passive_power, self.detuning - double),
            self.photons(self.active_power, self.detuning + double),
        )

    @property
    def rates(self) -> OscillatorRates:
        """The rates of 004; what the tones scatter to omega_0 -+ 3 omega_m heats and cools beside the beam."""
        omega = 2 * pi * self.frequency
        lower, upper = self._tones()
        return self.shared(
            self.scattering(lower, self.detuning - omega),
            self.scattering(upper, self.detuning + omega),
            self.scattering(upper, self.detuning + 3 * omega),
            self.scattering(lower, self.detuning - 3 * omega),
        )


def _spring(cavity: Cavity, tones: list[tuple[Any, Any]]) -> Any:
    """Optical spring of tones, each with its photons in the cavity and its detuning [1/s] (004 Ref. 48)."""
    omega, quarter = 2 * pi * cavity.frequency, cavity.cavity_linewidth**2 / 4
    shifts = [
        photons * (delta + side) / ((delta + side) ** 2 + quarter)
        for photons, delta in tones
        for side in (omega, -omega)
    ]
    return cavity.coupling**2 * sum(shifts)
