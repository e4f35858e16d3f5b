"""The rates of two oscillators coupled one after the other to one light beam, in the letters of 004.

    Gamma_B = Gamma sin^2 theta,  Gamma_P = Gamma cos^2 theta,  gamma = gamma_0 - Gamma cos 2 theta

Every route to them (effective rates, vapour cell, membrane) ends here. Plain floats need no JAX; traced values work
too.
"""

from __future__ import annotations

import math
from typing import Any

from darkstate.elementary import elementary
from darkstate.parameters import pytree


@pytree
class OscillatorRates:
    """What the light beam and the bath do to one oscillator (004, below Eq. 2).

    Args:
        rate: coupling to the beam, Gamma = Gamma_B + Gamma_P [1/s].
        theta: coupling angle [rad]: pi/2 = beam splitter only, pi/4 = QND, 0 = two-mode squeezing only.
        linewidth: gamma_0, decay rate of the energy without the beam [1/s]; the amplitude decays at half of it.
        decoherence: gamma-tilde_0 = gamma_0 (n + 1/2), what the bath adds per second to the variance of each
            quadrature, in units where the vacuum has 1/2 [1/s].

    Example:
        >>> spin = OscillatorRates(rate=300.0, theta=math.pi / 3, linewidth=10.0, decoherence=15.0)
        >>> round(spin.passive, 9), round(spin.active, 9), round(spin.effective_linewidth, 9), spin.cooperativity
        (225.0, 75.0, 160.0, 20.0)
    """

    rate: Any
    theta: Any
    linewidth: Any
    decoherence: Any

    @classmethod
    def of_sidebands(cls, passive: Any, active: Any, linewidth: Any, decoherence: Any) -> OscillatorRates:
        """From the rates of the two sidebands, Gamma = Gamma_B + Gamma_P and tan^2 theta = Gamma_B/Gamma_P.

        Example:
            >>> round(OscillatorRates.of_sidebands(225.0, 75.0, 10.0, 15.0).theta, 9)  # pi/3
            1.047197551
        """
        theta = elementary("atan2", elementary("sqrt", passive), elementary("sqrt", active))
        return cls(passive + active, theta, linewidth, decoherence)

    @property
    def passive(self) -> Any:
        """Rate of the beam-splitter interaction, Gamma_B = Gamma sin^2 theta [1/s]."""
        return self.rate * elementary("sin", self.theta) ** 2

    @property
    def active(self) -> Any:
        """Rate of the down-conversion interaction, Gamma_P = Gamma cos^2 theta [1/s]."""
        return self.rate * elementary("cos", self.theta) ** 2

    @property
    def amplitudes(self) -> tuple[Any, Any]:
        """sqrt(Gamma) sin theta and sqrt(Gamma) cos theta [1/sqrt(s)], the couplings with their signs."""
        strength = elementary("sqrt", self.rate)
        return strength * elementary("sin", self.theta), strength * elementary("cos", self.theta)

    @property
    def cooperativity(self) -> Any:
        """Quantum cooperativity C = Gamma/gamma-tilde_0 (004, below Fig. 1)."""
        return self.rate / self.decoherence

    @property
    def effective_linewidth(self) -> Any:
        """gamma = gamma_0 - Gamma cos 2 theta [1/s], with the broadening by the beam; stable where it is positive."""
        return self.linewidth - self.rate * elementary("cos", 2 * self.theta)


@pytree
class HybridRates:
    """Both oscillators and the loss between them: all numbers of 004 Eqs. (4)-(8).

    Args:
        first: the oscillator of negative effective mass, S, which the light meets first.
        second: the oscillator of positive mass, M.
        loss: power lost between them, eps (0 to 1).

    Example:
        >>> s = OscillatorRates(rate=10.0, theta=0.78932, linewidth=2 / 3, decoherence=1.0)
        >>> m = OscillatorRates(rate=16.16, theta=1.38898, linewidth=0.0, decoherence=4 / 3)
        >>> pair = HybridRates(first=s, second=m, loss=0.0)
        >>> round(pair.interference, 3), round(pair.readout_gain, 3), round(pair.ratio, 3)
        (-7.174, 1.046, 0.95)
    """

    first: OscillatorRates
    second: OscillatorRates
    loss: Any

    @property
    def interference(self) -> Any:
        """R = -sqrt(Gamma_M Gamma_S) sin(theta_M - theta_S) [1/s] (004, below Eq. 5).

        The response of S, carried by the light, drives M at this rate.
        """
        couplings = elementary("sqrt", self.second.rate) * elementary("sqrt", self.first.rate)
        return -couplings * elementary("sin", self.second.theta - self.first.theta)

    @property
    def readout_gain(self) -> Any:
        """The g that the light reads out (004, below Eq. 8).

        g = sqrt(Gamma_M/((1-eps) Gamma_S)) cos theta_M'/cos theta_S' with theta' = theta - pi/4.
        """
        first = elementary("sqrt", (1 - self.loss) * self.first.rate) * _readout(self.first)
        return elementary("sqrt", self.second.rate) * _readout(self.second) / first

    @property
    def ratio(self) -> Any:
        """-2 sqrt(1-eps) R/gamma_M, which is 1 where the cancellation is ideal (004, below Eq. 6; Fig. 3, inset)."""
        return -2 * elementary("sqrt", 1 - self.loss) * self.interference / self.second.effective_linewidth


def _readout(oscillator: OscillatorRates) -> Any:
    return elementary("cos", oscillator.theta - math.pi / 4)
