"""Two thermal atoms in one tweezer, entangled by spin-changing collisions (003): parameters -> pair -> witness.

    trap, temperature -> density, momenta;  a_0, a_2, a_4 -> scattering matrix;  field -> Zeeman energies;  -> AtomPair

The atoms are 85Rb in F = 2. Loads no JAX until the pair is asked for.
"""

from __future__ import annotations

from dataclasses import replace
from math import isfinite, pi
from typing import TYPE_CHECKING, Any

from darkstate.atoms.constants import BOLTZMANN, PLANCK
from darkstate.atoms.species import Species, species
from darkstate.experiments.alternatives import one_of
from darkstate.pair.imperfections import Imperfections
from darkstate.pair.trap import Trap, pair_density, tweezer
from darkstate.parameters import parameter, pytree

if TYPE_CHECKING:
    from darkstate.pair.atom_pair import AtomPair

SPIN = 2
"""F of the atoms."""

_LENGTHS = (
    "N. N. Klausen, J. L. Bohn, C. H. Greene, Phys. Rev. A 64, 053602 (2001), quoted from memory; 003 gives no value"
)


@pytree
class Tweezer:
    """The trap by its laser: the bottom of a Gaussian beam as a harmonic well."""

    depth: float = parameter(
        unit="Hz",
        symbol="U/h",
        doc="depth of the trap during the collisions",
        source="003 App.: 22 MHz, printed with hbar where h is meant",
        above=0,
    )
    waist: float = parameter(
        unit="m", symbol="w_0", doc="1/e^2 radius of the intensity", source="003 App.: 1 um", above=0
    )
    wavelength: float = parameter(
        unit="m", symbol="lambda", doc="wavelength of the trap laser", source="003 App.: 1064 nm", above=0
    )


@pytree
class Frequencies:
    """The trap by its frequencies, as measured with one atom."""

    x: float = parameter(
        unit="Hz", symbol="f_x", doc="frequency across the beam", source="003 Eq. (1): omega_x", above=0
    )
    y: float = parameter(
        unit="Hz", symbol="f_y", doc="frequency across the beam, the other one", source="003 Eq. (1): omega_y", above=0
    )
    z: float = parameter(
        unit="Hz", symbol="f_z", doc="frequency along the beam", source="003 Eq. (1): omega_z", above=0
    )


@pytree
class Atoms:
    """The two atoms and the fields they see."""

    temperature: float = parameter(
        unit="K", symbol="T", doc="temperature of the motion", source="003: 40 uK by release and recapture", above=0
    )
    collision_field: float = parameter(
        unit="T", symbol="B", doc="magnetic field during the collisions", source="003: 0.5 G", minimum=0, maximum=0.1
    )
    species: str = parameter(
        default="85Rb",
        unit="1",
        symbol="-",
        doc="isotope; both atoms in F = 2, mF = 0 at the start",
        source="003: 85Rb",
        choices=("85Rb",),
    )
    pulse_field: float = parameter(
        default=8.5e-4,
        unit="T",
        symbol="B_pulse",
        doc="magnetic field of the Raman pulses; no collisions count there",
        source="003: 8.5 G",
        minimum=0,
        maximum=0.1,
    )


@pytree
class Collisions:
    """How the atoms scatter off each other, and for how long."""

    a_0: float = parameter(
        unit="m", symbol="a_0", doc="scattering length for spin f = 0", source=_LENGTHS, minimum=-1e-4, maximum=1e-4
    )
    a_2: float = parameter(
        unit="m", symbol="a_2", doc="scattering length for spin f = 2", source=_LENGTHS, minimum=-1e-4, maximum=1e-4
    )
    a_4: float = parameter(
        unit="m", symbol="a_4", doc="scattering length for spin f = 4", source=_LENGTHS, minimum=-1e-4, maximum=1e-4
    )
    duration: float = parameter(
        unit="s", symbol="t", doc="how long the atoms collide", source="003: 100 ms", above=0, maximum=1e4
    )
    mean_length: float = parameter(
        default=0.0,
        unit="m",
        symbol="abar",
        doc="mean scattering length of the van der Waals potential, which gives the effective ranges; 0 = no range",
        source="78.5 a0 for 85Rb, from C_6 quoted from memory; 003 gives no value",
        minimum=0,
        maximum=1e-6,
    )
    points: int = parameter(
        default=201,
        unit="1",
        symbol="-",
        doc="points of the time grid",
        source="as for the other experiments",
        minimum=2,
        maximum=10_001,
        whole=True,
    )


@pytree
class Destruction:
    """The step that destroys the entanglement: a gradient, then a second tweezer that shakes the atoms."""

    gradient: float = parameter(
        default=0.028,
        unit="T/m",
        symbol="B'",
        doc="gradient that comes on with the field, along the beam",
        source="003: 2.8 G/cm; its direction is not given, and the beam is the softest one",
        minimum=0,
        maximum=1e3,
    )
    scrambled: float = parameter(
        default=0.5,
        unit="1",
        symbol="p",
        doc="chance that the second tweezer turns chi_1 into chi_- or back",
        source="003: equal mixture, 1/2",
        minimum=0,
        maximum=1,
    )
    sector: float | None = parameter(
        default=None,
        unit="1",
        symbol="P_s'",
        doc="share of all pairs in m = +-1 after the procedure, during which collisions go on; none: detection.sector",
        source="not in 003, which says that the atoms go on colliding",
        minimum=0,
        maximum=1,
    )
    loss: float = parameter(
        default=0.0,
        unit="1",
        symbol="l'",
        doc="probability that the procedure loses an atom before the pulse",
        source="chosen: not in 003, which says that heating causes loss",
        minimum=0,
        maximum=1,
    )


@pytree
class Raman:
    """The pulse between mF = 1 and mF = -1 whose area is scanned."""

    pi_time: float = parameter(
        default=3.24e-6,
        unit="s",
        symbol="tau_pi",
        doc="length of the pulse that swaps both states: theta = pi tau/tau_pi",
        source="not in 003; twice the pi/2 pulse of the Ramsey sequence",
        above=0,
    )
    areas: int = parameter(
        default=11,
        unit="1",
        symbol="-",
        doc="pulse areas that are measured, from 0 on",
        source="003 Fig. 2b",
        minimum=2,
        maximum=1001,
        whole=True,
    )
    largest_area: float = parameter(
        default=pi,
        unit="rad",
        symbol="theta_max",
        doc="largest pulse area",
        source="003 Fig. 2b: pi",
        above=0,
        maximum=2 * pi,
    )


@pytree
class Ramsey:
    """Two pulses of area pi/2 with a wait in between."""

    dark_time: float = parameter(
        default=5e-6,
        unit="s",
        symbol="T",
        doc="wait between the two pulses",
        source="003: 5 us",
        minimum=0,
        maximum=1.0,
    )
    half_pulse: float = parameter(
        default=1.620e-6,
        unit="s",
        symbol="tau_pi/2",
        doc="length of each pi/2 pulse",
        source="not in 003; makes the fringes 71 kHz apart, as there",
        above=0,
        maximum=1.0,
    )
    span: float = parameter(
        default=200e3, unit="Hz", symbol="delta_max", doc="largest detuning scanned", source="003 Fig. 4", above=0
    )
    points: int = parameter(
        default=41,
        unit="1",
        symbol="-",
        doc="detunings from -span to span",
        source="003 Fig. 4, as far as it can be read",
        minimum=3,
        maximum=10_001,
        whole=True,
    )


@pytree
class Counting:
    """How often each setting is repeated."""

    shots: int = parameter(
        default=300,
        unit="1",
        symbol="-",
        doc="pairs per setting",
        source="not in 003; chosen",
        minimum=1,
        maximum=10_000_000,
        whole=True,
    )


@pytree
class TweezerPair:
    """Two thermal 85Rb atoms in one tweezer whose collisions entangle their spins (003).

    Exactly one of `trap` and `frequencies`; without `destruction` there is none.

    Example:
        >>> lab = TweezerPair(
        ...     Atoms(temperature=40e-6, collision_field=0.5e-4),
        ...     Collisions(a_0=-3.92e-8, a_2=-3.02e-8, a_4=-2.06e-8, duration=0.1),
        ...     trap=Tweezer(depth=22e6, waist=1e-6, wavelength=1064e-9))
        >>> [round(f) for f in lab.well.frequencies_hz], round(lab.thermal_hz)
        ([102348, 102348, 24511], 833465)
    """

    atoms: Atoms
    collisions: Collisions
    trap: Tweezer | None = None
    frequencies: Frequencies | None = None
    destruction: Destruction | None = None
    raman: Raman = Raman()
    ramsey: Ramsey = Ramsey()
    detection: Imperfections = Imperfections()
    counting: Counting = Counting()

    per_cell = ()

    @property
    def species(self) -> Species:
        """The atom."""
        return species(self.atoms.species)

    @property
    def well(self) -> Trap:
        """The harmonic trap of two atoms, from the tweezer or as given."""
        if self.frequencies is not None:
            f = self.frequencies
            return Trap((f.x, f.y, f.z), self.species.mass)
        t: Any = self.trap
        return tweezer(t.depth, t.waist, t.wavelength, self.species.mass)

    @property
    def thermal_hz(self) -> Any:
        """k_B T/h [Hz]."""
        return BOLTZMANN * self.atoms.temperature / PLANCK

    @property
    def lengths(self) -> tuple[Any, Any, Any]:
        """a_0, a_2, a_4 [m m m]."""
        c = self.collisions
        return c.a_0, c.a_2, c.a_4

    @property
    def destroyed_detection(self) -> Imperfections:
        """Imperfections of the counts after the destruction, its own loss apart: another share in m = +-1."""
        own = None if self.destruction is None else self.destruction.sector
        return self.detection if own is None else replace(self.detection, sector=own)

    @property
    def prepared_pairs(self) -> Any:
        """Chance that both atoms start in mF = 0: the square of the preparation of one."""
        return self.detection.preparation * self.detection.preparation

    def pair(self, field: Any = None, mean_length: Any = None) -> AtomPair:
        """The two atoms with their collisions, for the solvers.

        Args:
            field: magnetic field [T]; None = that of the collisions; mean_length: [m]; None = as in the lab file.
        """
        from darkstate.backend import jnp
        from darkstate.pair.atom_pair import AtomPair
        from darkstate.pair.spin import pair_zeeman_hz

        return AtomPair(
            jnp.stack([jnp.asarray(a, float) for a in self.lengths]),
            pair_zeeman_hz(self.species, SPIN, self.atoms.collision_field if field is None else field),
            self.well,
            self.atoms.temperature,
            self.collisions.mean_length if mean_length is None else mean_length,
        )

    def model(self) -> AtomPair:
        """The pair during the collisions, as `darkstate.evolve` takes it."""
        return self.pair()

    def problems(self) -> list[tuple[str, str]]:
        """Contradictions between fields: (key, sentence)."""
        found = one_of(self, "trap", "frequencies")
        for name, value in zip(("a_0", "a_2", "a_4"), self.lengths, strict=True):
            if value == 0:
                text = (
                    "must not be 0, which is no scattering at all; to leave it out give 1 a0 and mean_length = 0 a0: "
                    "so short a length has no effective range that means anything"
                )
                found.append((f"collisions.{name}", text))
        if self.trap is not None and 3 * self.thermal_hz >= self.trap.depth:
            least = 3e-6 * self.thermal_hz
            text = (
                f"is too shallow for {1e6 * self.atoms.temperature:.4g} uK: an atom has 3 k_B T = h x {least:.4g} MHz "
                "on average and leaves the trap; deepen the trap or lower atoms.temperature"
            )
            found.append(("trap.depth", text))
        found += [(f"detection.{key}", text) for key, text in self.detection.problems()]
        if self.destruction is not None and self.destruction.sector is not None:
            found += [(f"destruction.{key}", text) for key, text in self.destroyed_detection.problems()]
        return found

    def rate_problems(self) -> list[str]:
        """Rates that are no numbers, one sentence each."""
        cure = "check trap or frequencies, and atoms.temperature"
        try:
            numbers = (*self.well.frequencies_hz, pair_density(self.well, self.atoms.temperature), self.thermal_hz)
        except ArithmeticError:
            return [f"the trap frequencies or the density are no numbers; {cure}"]
        if not all(isfinite(x) and x > 0 for x in numbers):
            return [f"the trap frequencies or the density are no finite numbers above 0; {cure}"]
        return []

    def warnings(self) -> list[str]:
        """What is allowed but implausible."""
        found, kt = [], self.thermal_hz
        if self.trap is not None and 10 * kt > self.trap.depth:
            found.append(
                f"trap.depth is only {self.trap.depth / kt:.3g} k_B T: the atoms feel the edge of the beam, where the "
                "trap is softer and the pair less dense than at its bottom"
            )
        if max(self.well.frequencies_hz) > kt:
            found.append(
                f"k_B T = h x {kt / 1e3:.4g} kHz is below h x {max(self.well.frequencies_hz) / 1e3:.4g} kHz of the "
                "trap: the motion is no classical gas, which the kinetic model takes it for"
            )
        if self.collisions.mean_length == 0:
            found.append("collisions.mean_length = 0: no effective range, which matters at tens of microkelvin")
        return found
