"""What every experiment with two cells shares: light path, pulse protocol, a second cell that differs."""

from __future__ import annotations

import dataclasses
from math import isfinite, pi
from typing import TYPE_CHECKING, Any, TypeVar

from darkstate.elementary import where
from darkstate.experiments.values import with_values
from darkstate.parameters import parameter, pytree, specs
from darkstate.spins.ensembles import Rates
from darkstate.spins.protocol import KINDS, Protocol, protocol

if TYPE_CHECKING:
    from darkstate.spins.ensembles import SpinEnsembles


@pytree
class Cells:
    """The light path from ensemble I to ensemble II."""

    transmission: float = parameter(
        default=1.0,
        unit="1",
        symbol="t",
        doc="power transmission of the scattered light between the cells; a weaker drive in cell II is "
        "`second.drive.rate`, or with a laser `second.laser.power`",
        source="not in the papers (they take 1)",
        minimum=0,
        maximum=1,
    )


@pytree
class Segment:
    """One segment of the protocol."""

    kind: str = parameter(
        unit="1",
        symbol="-",
        doc="drive = entangling light on (pump and repump at the lab's own rates), pump = pump and "
        "repump only, dark = no light, probe = drive light alone",
        source="002 Fig. 2, pulse sequences",
        choices=tuple(KINDS),
    )
    duration: float = parameter(unit="s", symbol="T", doc="duration of the segment", source="002 Fig. 2", minimum=0)
    strength: float = parameter(
        default=1.0,
        unit="1",
        symbol="s",
        doc="strength of its light when it starts, 1 = the lab's rates",
        source="000 Fig. 5a",
        minimum=0,
    )
    strength_end: float | None = parameter(
        default=None,
        unit="1",
        symbol="s_end",
        doc="strength when it ends (linear ramp); left out = constant",
        source="000 Fig. 5a",
        minimum=0,
    )


@pytree
class Timing:
    """The protocol: give `duration` for one drive segment, or a list of `segments`."""

    duration: float | None = parameter(
        default=None, unit="s", symbol="T", doc="duration of the single drive segment", source="002 Fig. 2", above=0
    )
    points: int = parameter(
        default=241,
        unit="1",
        symbol="-",
        doc="points of the time grid",
        source="figures: steps of 0.25 ms over 60 ms",
        minimum=2,
        maximum=100_001,
        whole=True,
    )
    segments: tuple[Segment, ...] = ()

    @property
    def total(self) -> Any:
        """Length of the whole protocol [s]."""
        return self.duration if self.duration is not None else sum(s.duration for s in self.segments)

    def protocol(self) -> Protocol:
        """The `Protocol` the model is driven with."""
        if self.duration is not None:
            return protocol(("drive", self.duration))
        ends = [s.strength if s.strength_end is None else s.strength_end for s in self.segments]
        return protocol(*[(s.kind, s.duration, (s.strength, e)) for s, e in zip(self.segments, ends, strict=True)])

    def problems(self) -> list[tuple[str, str]]:
        """Contradictions between fields: (key, sentence)."""
        if (self.duration is None) == (not self.segments):
            return [("protocol", "needs either `duration` or a list of `segments`, and not both")]
        if self.segments and sum(s.duration for s in self.segments) <= 0:
            return [("protocol.segments", "must last longer than 0 s in total")]
        return []


_E = TypeVar("_E")


def second_cell(experiment: _E) -> _E:
    """The experiment as ensemble II sees it: the entries of its mapping `second` put in place of its own parameters.

    An experiment whose two systems have nothing in common (an empty `per_cell`) is given back as it is.
    """
    if not experiment.per_cell:  # type: ignore[attr-defined]
        return experiment
    return with_values(experiment, experiment.second).behind  # type: ignore[attr-defined]


def worse_checks(experiment: Any) -> dict[str, Any]:
    """The figures behind the rates of the light (`atoms.validity`), the worse ensemble of each; none without laser.

    Example:
        >>> from darkstate.experiments.two_level_ensembles import Drive, Ensembles, TwoLevelEnsembles
        >>> worse_checks(TwoLevelEnsembles(Ensembles(optical_depth=30), Drive(rate=1.0, z=1.5)))
        {}
    """
    found: dict[str, Any] = {}
    for figures in (experiment.light_checks(), second_cell(experiment).light_checks()):
        for name, value in figures.items():
            found[name] = where(value > found[name], value, found[name]) if name in found else value
    return found


def couplings(z: Any) -> tuple[Any, Any]:
    """(mu, nu) with mu + nu = Z and mu - nu = 1/Z, so that mu^2 - nu^2 = 1.

    Example:
        >>> couplings(2.5)
        (1.45, 1.05)
    """
    return (z + 1 / z) / 2, (z - 1 / z) / 2


@dataclasses.dataclass(frozen=True)
class CellModel:
    """One ensemble's share of the model, as plain numbers: what an experiment hands to `assemble`."""

    atoms: Any
    z: Any
    initial_up: Any
    initial_down: Any
    dark: Rates
    drive: Rates
    pump: Rates
    repump: Rates

    @property
    def mu(self) -> Any:
        """Passive coupling."""
        return couplings(self.z)[0]

    @property
    def nu(self) -> Any:
        """Active coupling."""
        return couplings(self.z)[1]

    @property
    def total(self) -> Rates:
        """All rates with every light at strength 1."""
        names = [f.name for f in dataclasses.fields(Rates)]
        parts = (self.dark, self.drive, self.pump, self.repump)
        return Rates(**{n: sum(getattr(p, n) for p in parts) for n in names})


def fastest_of(cell: CellModel) -> Any:
    """All effective rates of one ensemble together, collective and pump included [1/s]."""
    total = cell.total
    return total.transverse + total.collective + total.h_to_up + total.h_to_down


def assemble(experiment: Any) -> SpinEnsembles:
    """The model of both cells; the Larmor mismatch is shared equally: H = (dOmega/2)(Jx_I + Jx_II)."""
    from darkstate.backend import jax, jnp
    from darkstate.spins.ensembles import SpinEnsembles

    first, second = experiment.cell, second_cell(experiment).cell

    def pair(a: Any, b: Any) -> Any:
        return jnp.stack([jnp.asarray(a, float), jnp.asarray(b, float)])

    def both(name: str) -> Any:
        return jax.tree.map(pair, getattr(first, name), getattr(second, name))

    half = jnp.pi * experiment.field.larmor_mismatch
    shared = ("atoms", "mu", "nu", "initial_up", "initial_down", "dark", "drive", "pump", "repump")
    return SpinEnsembles(
        larmor=pair(half, half),
        transmission=jnp.asarray(experiment.cells.transmission, float),
        hyperfine_spin=jnp.asarray(experiment.hyperfine_spin, float),
        **{name: both(name) for name in shared},
    )


def shared_warnings(experiment: Any, splitting_hz: float | None) -> list[str]:
    """What is implausible in any pair of cells: few atoms, sidebands that overlap."""
    found = []
    atoms, depth = experiment.cell.atoms, experiment.optical_depth
    if atoms < 100 * depth:
        found.append(
            f"{atoms:g} atoms are few for an optical depth of {depth:g}: the equations neglect terms of relative "
            "order d/N"
        )
    if splitting_hz is not None and 2 * pi * splitting_hz < 10 * experiment.cell.total.collective:
        found.append(
            "the Larmor splitting is less than ten times the collective rate d Gamma: the two sidebands are not "
            "independent reservoirs (001 Sec. III B)"
        )
    return found


def rate_problems(experiment: Any) -> list[str]:
    """A sentence on each ensemble whose rates overflow or are negative."""
    own = second_cell(experiment)
    found = [_not_finite(experiment, "I")] + ([_not_finite(own, "II")] if experiment.second else [])
    return [text for text in found if text]


def _not_finite(experiment: Any, cell: str) -> str:
    cure = "check drive.rate, drive.z and ensembles.optical_depth"
    if experiment.laser is not None:
        cure = "check the numbers of [laser], of the vapour, and of what happens in the dark"
    try:
        total = experiment.cell.total
    except ArithmeticError:
        return f"the rates of ensemble {cell} are too large to be numbers; {cure}"
    for name, spec in specs(total):
        rate = getattr(total, name)
        if not (isfinite(rate) and rate >= 0):
            return f"{spec.symbol} of ensemble {cell} follows as {rate:g} /s, which is not a rate; {cure}"
    return ""
