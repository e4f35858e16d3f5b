"""A negative-mass and a positive-mass oscillator in one light beam (004): parameters -> rates -> model -> witness.

The light meets the oscillator of negative effective mass first: a spin ensemble or a membrane driven by two tones. Each
side is given by its effective rates, as in 004, or by what is set and measured in the laboratory.
"""

from __future__ import annotations

from math import isfinite, pi
from typing import TYPE_CHECKING, Any

from darkstate.experiments.alternatives import one_of
from darkstate.experiments.hybrid_rates import HybridRates, OscillatorRates
from darkstate.experiments.membranes import CounterMembrane, Membrane
from darkstate.experiments.oscillators import Cell, Mechanics, Spin
from darkstate.parameters import parameter, pytree

if TYPE_CHECKING:
    from darkstate.gaussian.detection import Detector
    from darkstate.gaussian.linear_system import LinearSystem

__all__ = [
    "Cell",
    "CounterMembrane",
    "Detection",
    "Field",
    "Mechanics",
    "Membrane",
    "Path",
    "Readout",
    "Spin",
    "SpinMechanics",
    "sideband_model",
]


@pytree
class Path:
    """The way of the light from the first to the second oscillator."""

    loss: float = parameter(
        default=0.0, unit="1", symbol="eps", doc="power lost on the way", source="004 Eq. (5)", minimum=0, maximum=1
    )


@pytree
class Detection:
    """Homodyne detection of the light that leaves the second oscillator."""

    efficiency: float = parameter(
        default=1.0,
        unit="1",
        symbol="eta",
        doc="share of the light that is detected",
        source="004 takes 1",
        minimum=0,
        maximum=1,
    )
    angle: float = parameter(
        default=0.0,
        unit="1",
        symbol="phi",
        doc="homodyne angle in radian: 0 = the P_L sidebands, which read X_S + g X_M and P_S - g P_M; pi/2 = "
        "the X_L sidebands",
        source="004 below Eq. (3)",
    )


@pytree
class Readout:
    """The combination of both oscillators whose variance is the witness."""

    gain: float | None = parameter(
        default=None,
        unit="1",
        symbol="g",
        doc="weight of the second oscillator in xi_g; left out = what the light reads out",
        source="004 below Eq. (8)",
        minimum=-1e6,
        maximum=1e6,
    )


@pytree
class Field:
    """The resonance of both oscillators."""

    frequency: float | None = parameter(
        default=None,
        unit="Hz",
        symbol="omega/2pi",
        doc="resonance frequency of both; needed to check the rotating-wave approximation; a membrane gives its own",
        source="004 Eq. (1); no value there",
        above=0,
    )
    mismatch: float = parameter(
        default=0.0,
        unit="Hz",
        symbol="delta omega/2pi",
        doc="resonance frequency of the first oscillator minus that of the second, both counted positive",
        source="004 takes 0",
    )


@pytree
class SpinMechanics:
    """A spin ensemble, or a membrane of negative effective mass, and a membrane in one light beam (004).

    Exactly one of `spin`, `cell`, `counter_membrane` (met first) and one of `mechanics`, `membrane` (met second).

    Example:
        >>> lab = SpinMechanics(
        ...     spin=Spin(cooperativity=10.0, theta=0.78932, linewidth=2 * pi * 5e3, occupation=1.0),
        ...     mechanics=Mechanics(cooperativity=12.12, theta=1.38898, decoherence=2 * pi * 10e3))
        >>> round(lab.rates.first.rate / (2 * pi)), round(lab.gain, 3)  # 10 x 1.5 x 5 kHz
        (75000, 1.046)
    """

    spin: Spin | None = None
    cell: Cell | None = None
    counter_membrane: CounterMembrane | None = None
    mechanics: Mechanics | None = None
    membrane: Membrane | None = None
    path: Path = Path()
    detection: Detection = Detection()
    readout: Readout = Readout()
    field: Field = Field()

    per_cell = ()

    @property
    def rates(self) -> HybridRates:
        """All rates of 004."""
        first = self.spin or self.cell or self.counter_membrane
        second = self.mechanics or self.membrane
        return HybridRates(first.rates, second.rates, self.path.loss)  # type: ignore[union-attr]

    @property
    def gain(self) -> Any:
        """The gain g of xi_g: given, or the read-out gain of 004."""
        return self.rates.readout_gain if self.readout.gain is None else self.readout.gain

    @property
    def frequency(self) -> Any:
        """Resonance frequency [Hz], or None where it is not known."""
        source = self.membrane or self.counter_membrane or self.field
        return source.frequency

    def model(self) -> LinearSystem:
        """Modes S and M in the rotating frame of M, joined by the two sidebands of the light (004 Eqs. 3-5)."""
        return sideband_model(self.rates, 2 * pi * self.field.mismatch)

    def full_model(self) -> LinearSystem:
        """The same without the rotating-wave approximation, in the laboratory frame (004 Eqs. 1, 2)."""
        from darkstate.gaussian.components import loss, oscillator
        from darkstate.gaussian.network import cascade

        omega, faster = 2 * pi * self.frequency, 2 * pi * self.field.mismatch
        return cascade(
            oscillator("S", frequency=-(omega + faster), **_couplings(self.rates.first)),
            loss("path", self.path.loss),
            oscillator("M", frequency=omega, **_couplings(self.rates.second)),
        )

    def detector(self) -> Detector:
        """Homodyne detection of the light that `model` sends out, both components of the sideband quadrature."""
        from darkstate.gaussian.detection import sideband_homodyne

        d = self.detection
        return sideband_homodyne("M.upper", "M.lower", angle=d.angle, efficiency=d.efficiency)

    def problems(self) -> list[tuple[str, str]]:
        """Contradictions between fields: (key, sentence)."""
        found = one_of(self, "spin", "cell", "counter_membrane") + one_of(self, "mechanics", "membrane")
        for name in ("spin", "mechanics"):
            given = getattr(self, name)
            if given is not None and (given.rate is None) == (given.cooperativity is None):
                found.append((name, "needs either `rate` or `cooperativity`, and not both"))
        if self.mechanics is not None and self.mechanics.decoherence < self.mechanics.linewidth / 2:
            text = f"must be at least linewidth/2 = {self.mechanics.linewidth / 2:g} /s, what a bath at 0 K does"
            found.append(("mechanics.decoherence", text))
        if self.cell is not None and 2 * self.cell.hyperfine_spin % 1:
            found.append(("cell.hyperfine_spin", "must be a whole or half number: 0.5, 1, ..., 4"))
        if self.field.frequency is not None and (self.membrane or self.counter_membrane):
            found.append(("field.frequency", "follows from the membrane: leave it out"))
        if self.path.loss == 1 and self.readout.gain is None:
            found.append(("path.loss", "= 1 lets no light of the first oscillator through: give `readout.gain`"))
        return found

    def rate_problems(self) -> list[str]:
        """Rates that are no numbers, one sentence each."""
        try:
            rates = self.rates
            for name, one in (("first", rates.first), ("second", rates.second)):
                numbers = (one.rate, one.linewidth, one.decoherence, one.cooperativity, one.effective_linewidth)
                if not all(map(isfinite, numbers)) or min(one.rate, one.decoherence) <= 0:
                    return [f"the rates of the {name} oscillator are not finite numbers above 0; check its parameters"]
            if not (isfinite(self.gain) and isfinite(rates.interference)):
                return ["the read-out gain or the interference rate R is not a finite number; check both oscillators"]
        except ArithmeticError:
            return ["the rates of the two oscillators are too large or too small to be numbers; check their parameters"]
        return []

    def warnings(self) -> list[str]:
        """What is allowed but implausible, or leads to no steady state."""
        rates, found = self.rates, []
        for letter, one in (("S", rates.first), ("M", rates.second)):
            if one.effective_linewidth <= 0:
                found.append(
                    f"gamma_{letter} = {one.effective_linewidth:.4g} /s is not above 0: there is no steady state; "
                    f"raise theta_{letter} or lower Gamma_{letter}"
                )
        if self.frequency is None:
            found.append("field.frequency is missing: the rotating-wave approximation cannot be checked")
        else:
            found += _fast(rates, 2 * pi * self.frequency)
        for name, cavity in (("counter_membrane", self.counter_membrane), ("membrane", self.membrane)):
            if cavity is not None and cavity.enhanced_coupling > cavity.cavity_linewidth / 10:
                found.append(
                    f"{name}: g = {cavity.enhanced_coupling:.4g} /s is more than kappa/10 = "
                    f"{cavity.cavity_linewidth / 10:.4g} /s: the cavity does not follow the membrane adiabatically"
                )
        if self.membrane and self.counter_membrane and self.membrane.frequency != self.counter_membrane.frequency:
            found.append(
                "the frequencies of the membranes differ: both are taken to be in resonance at membrane.frequency"
            )
        return found


def sideband_model(rates: HybridRates, mismatch: Any = 0.0) -> LinearSystem:
    """The network of 004 from its rates: S, the lossy way, M.

    Args:
        rates: of both oscillators; mismatch: how much faster S rotates than M [rad/s].

    Example:
        >>> from darkstate.experiments.hybrid_rates import OscillatorRates
        >>> one = OscillatorRates(rate=10.0, theta=0.8, linewidth=1.0, decoherence=1.0)
        >>> sideband_model(HybridRates(one, one, 0.1)).modes
        ('S', 'M')
    """
    from darkstate.gaussian.components import loss, sideband_oscillator
    from darkstate.gaussian.network import cascade

    sidebands = ("upper", "lower")
    return cascade(
        sideband_oscillator("S", **_couplings(rates.first), negative_mass=True, detuning=-mismatch),
        loss("path", rates.loss, channels=sidebands),
        sideband_oscillator("M", **_couplings(rates.second)),
        channels=sidebands,
    )


def _couplings(oscillator: OscillatorRates) -> dict[str, Any]:
    # Light lost from a cavity may amplify a membrane more than it cools: a negative linewidth is gain.
    net = oscillator.linewidth
    return {
        "amplitudes": oscillator.amplitudes,
        "damping": (abs(net) + net) / 2,
        "amplification": (abs(net) - net) / 2,
        "decoherence": oscillator.decoherence,
    }


def _fast(rates: HybridRates, omega: float) -> list[str]:
    found = []
    for letter, rate in (("S", rates.first.rate), ("M", rates.second.rate)):
        if rate > omega / 20:
            found.append(
                f"Gamma_{letter} = {rate:.4g} /s is more than omega/20 = {omega / 20:.4g} /s: the rotating-wave "
                "approximation of 004 is not accurate here; predict solves both"
            )
    return found
