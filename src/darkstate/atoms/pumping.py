"""Resonant pump and repump light: which rates a sigma beam causes, how strong they are in a warm gas, and how strong
they must be.

    rate of a -> b = R c_abs^2 c_em^2,    R = 4 Omega^2/gamma_LW x (share of the atoms in resonance)

Pump light drives F = I + J on the line to a level with F' = F, of which the stretched sublevel |up> is dark; repump
light brings atoms back from F - 1. Both are sigma+ in ensemble I and sigma- in II, which gives both the same rates.
"""

from __future__ import annotations

from math import log, pi, sqrt
from typing import Any

from darkstate.atoms.arguments import is_corrected
from darkstate.atoms.hyperfine import dipole
from darkstate.atoms.light import LightRates, sublevels
from darkstate.atoms.species import Line
from darkstate.elementary import elementary, where
from darkstate.errors import ArgumentError
from darkstate.parameters import pytree


@pytree
class PumpProducts:
    """c_abs^2 c_em^2 of a resonant beam from each sublevel that it drives; R times them are rates [1].

    to_up, to_down, to_h: where atoms of the driven sublevel end; the rest goes to sublevels outside the model.

    Example:
        >>> PumpProducts(0.5, 0.25, 0.25).total
        1.0
    """

    to_up: Any
    to_down: Any
    to_h: Any

    @property
    def total(self) -> Any:
        """Sum over the three sublevels of the model."""
        return self.to_up + self.to_down + self.to_h


def pump_products(line: Line, *, start: str, excited: float) -> PumpProducts:
    """What a sigma+ beam resonant with one excited level F' does to the atoms of one sublevel.

    Source: 001 App. E; pump: caesium D1, F = 4 -> F' = 4, repump: D2, F = 3 -> F' = 4.

    Args:
        line: the line; start: "down" (pump) or "h" (repump); excited: F'.

    Raises:
        ArgumentError: the transition is forbidden, or there is no such sublevel.

    Example:
        >>> from darkstate.atoms.species import line
        >>> pump = pump_products(line("133Cs", "D1"), start="down", excited=4)
        >>> round(36 * pump.to_up, 9), round(144 * pump.to_down, 9), round(144 * pump.to_h, 9)
        (1.0, 1.0, 7.0)
    """
    named = sublevels(line)
    if start not in named:
        raise ArgumentError(f"Argument `start` must be one of {', '.join(named)}, but is {start!r}.")
    at = (excited, named[start][1] + 1)
    absorbed = dipole(line, at, named[start]) ** 2
    found = {}
    for name in ("up", "down", "h"):
        end = named.get(name)
        reached = end is not None and abs(at[1] - end[1]) <= 1 and abs(excited - end[0]) <= 1
        found[name] = absorbed * dipole(line, at, end) ** 2 if end is not None and reached else 0.0
    return PumpProducts(found["up"], found["down"], found["h"])


def resonant_rate(rabi_squared: Any, doppler_hz: Any, *, variant: str = "corrected") -> Any:
    """Scattering rate of resonant light on a unit transition of a warm gas, R [1/s].

    Formula: R = (4 ln 2/pi)^{1/2} Omega^2/delta, delta the Doppler width (FWHM) as ordinary frequency: the mean of
    gamma Omega^2/(Delta^2 + gamma^2/4) over the Doppler profile. Variant "paper": (Omega^2/gamma) k, k = gamma/(2 pi
    delta), as 001 App. E has it, where |Delta + i gamma|^2 stands for Delta^2 + gamma^2/4 and the profile is a box: 5.9
    times less. The natural width drops out of both.

    Args:
        rabi_squared: Omega^2 in the convention of 001 [rad^2/s^2]; doppler_hz: delta [Hz]; variant: see above.

    Validity: gamma_LW/2pi well below delta (2 % at 1/100), no saturation, Omega well below 2 pi delta.

    Raises:
        ArgumentError: an unknown variant.

    Example:
        >>> round(resonant_rate(1e10, 378.5e6) / resonant_rate(1e10, 378.5e6, variant="paper"), 4)
        5.9027
    """
    factor = sqrt(4 * log(2) / pi) if is_corrected(variant) else 1 / (2 * pi)
    return factor * rabi_squared / doppler_hz


def saturation(rate: Any, natural_width: Any, doppler_hz: Any) -> Any:
    """Saturation of the atoms in resonance with light that scatters at a mean rate R, 4 Omega^2/gamma_LW^2 [1].

    Formula: `resonant_rate` solved for Omega^2. Far below 1, or the light burns a hole into the velocities.

    Example:
        >>> round(saturation(1.25e3, 2.874e7, 378.5e6), 5)
        0.00244
    """
    return 4 * rate * doppler_hz / (resonant_rate(1.0, 1.0) * natural_width * natural_width)


def pump_parameter(
    *,
    pump: Any,
    probe: Any,
    detuning_hz: Any,
    splitting_hz: Any,
    natural_width: Any,
    doppler_hz: Any,
    variant: str = "corrected",
) -> Any:
    """x of Gamma_cool = (1 + x) mu^2 Gamma for two-level atoms, from both Rabi frequencies [1].

    Formula: x = R_pump/[Omega_probe^2 gamma_LW/(Delta - Omega)^2] with R of `resonant_rate`; variant "paper": x =
    Omega_pump^2 (Delta - Omega)^2 k/(gamma_LW^2 Omega_probe^2), k = gamma_LW/(2 pi delta_Doppler), 5.9 times less.
    Source: 001 below Eq. (15), footnotes 68, 69.

    Args:
        pump, probe: Rabi frequencies [rad/s]; detuning_hz, splitting_hz, doppler_hz: Delta, Omega, delta [Hz];
        natural_width: gamma_LW [1/s]; variant: of the resonant rate.

    Example:
        >>> at = {"detuning_hz": 1e9, "splitting_hz": 3e5, "natural_width": 3.3e7, "doppler_hz": 378.5e6}
        >>> round(pump_parameter(pump=1e5, probe=1e7, variant="paper", **at), 5)
        0.05027
    """
    delta = 2 * pi * (detuning_hz - splitting_hz)
    cooling = probe * probe * natural_width / (delta * delta)
    return resonant_rate(pump * pump, doppler_hz, variant=variant) / cooling


@pytree
class Optical:
    """Pump and repump light of one ensemble: R of both beams [1/s] and the products that make rates of them.

    Example:
        >>> Optical(2.0, 1.0, PumpProducts(0.5, 0.25, 0.25), PumpProducts(0.5, 0.25, 0.25)).pump_rates["cooling"]
        1.0
    """

    pump: Any
    repump: Any
    of_pump: PumpProducts
    of_repump: PumpProducts

    @property
    def pump_rates(self) -> dict[str, Any]:
        """Rates by their names in `Rates`; every photon that |down> absorbs ends its coherence."""
        p, r = self.of_pump, self.pump
        return {"cooling": r * p.to_up, "down_to_h": r * p.to_h, "transverse": r * p.total}

    @property
    def repump_rates(self) -> dict[str, Any]:
        """Rates by their names in `Rates`."""
        return {"h_to_up": self.repump * self.of_repump.to_up, "h_to_down": self.repump * self.of_repump.to_down}


def pump_for_fraction(
    light: LightRates,
    pump: PumpProducts,
    repump: PumpProducts,
    *,
    fraction: Any,
    repump_ratio: Any,
    collisions: Any = 0.0,
) -> Any:
    """Weakest pump that keeps a fraction of the two-level atoms in |up> in the steady state, R_pump [1/s].

    Formula: N_up : N_down = [G_du (G_hu + G_hd) + G_dh G_hu] : [G_ud (G_hu + G_hd) + G_uh G_hd] from 001 Eq. (20), with
    rates linear in R_pump and R_repump = x_repump R_pump: a quadratic equation. Source: the 95 % rule of 001 Sec. IV B,
    App. E.

    Args:
        light: of the drive; pump, repump: products; fraction: N_up/N_2 wanted, below 1; repump_ratio: x_repump;
        collisions: rate added to every transition [1/s].

    Returns:
        R_pump; 0 where the drive alone reaches the fraction.

    Example:
        >>> from darkstate.atoms.light import light_rates
        >>> from darkstate.atoms.species import line
        >>> d1, d2 = line("133Cs", "D1"), line("133Cs", "D2")
        >>> drive = light_rates(d2, detuning_hz=700e6, polarization="y", rabi=1.2e7)
        >>> pump, repump = pump_products(d1, start="down", excited=4), pump_products(d2, start="h", excited=4)
        >>> strength = pump_for_fraction(drive, pump, repump, fraction=0.95, repump_ratio=0.5)
        >>> round(strength / drive.gamma, 4)
        385.1389
    """
    odds, col = fraction / (1 - fraction), collisions
    du, ud = light.cooling + col, light.heating + col
    uh, dh, hu, hd = light.up_to_h + col, light.down_to_h + col, light.h_to_up + col, light.h_to_down + col
    back_up, back = repump_ratio * repump.to_up, repump_ratio * (repump.to_up + repump.to_down)
    back_down = back - back_up
    square = pump.to_up * back + pump.to_h * back_up
    linear = du * back + pump.to_up * (hu + hd) + dh * back_up + pump.to_h * hu - odds * (ud * back + uh * back_down)
    constant = du * (hu + hd) + dh * hu - odds * (ud * (hu + hd) + uh * hd)
    missing = constant < 0
    root = elementary("sqrt", linear * linear - 4 * square * where(missing, constant, 0.0 * constant))
    # the form without a difference of large numbers; square = 0 without repump light
    positive = linear > 0
    safe = where(positive, linear + root, 1.0 + 0.0 * root)
    by_sum = -2 * constant / safe
    by_difference = (root - linear) / (2 * where(positive, 1.0 + 0.0 * square, square))
    return where(missing, where(positive, by_sum, by_difference), 0.0 * constant)
