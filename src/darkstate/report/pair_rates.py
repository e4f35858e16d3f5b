"""What follows from a lab file of two atoms in a tweezer before anything is solved: trap, energies, collisions.

Down: `pair`; up: `derived` gives these lists to `rates`, and `check` prints the first of them.
"""

from __future__ import annotations

from typing import Any

from darkstate.atoms.hyperfine import breit_rabi_hz
from darkstate.experiments.tweezer_pair import SPIN, TweezerPair
from darkstate.pair.trap import pair_density
from darkstate.report.derived import Derived

ATOMS = "Trap and atoms"
"""The group that needs no JAX."""

_SHIFT = "E_m + E_-m - 2 E_0 of Breit and Rabi"
_RANGE = "2.918 abar [1 - 2 abar/a + 2 (abar/a)^2]"


def pair_groups(e: TweezerPair) -> dict[str, list[Derived]]:
    """Titles and quantities of two atoms in a tweezer.

    Example:
        >>> import darkstate as ds
        >>> list(pair_groups(ds.load(ds.shipped_labs()["ruksasakchai2026"]).experiment))
        ['Trap and atoms', 'Collisions']
    """
    return {ATOMS: [*_trap(e), *_ATOMS], "Collisions": [*_ranges(e), *_COLLISIONS]}


def _trap(e: TweezerPair) -> list[Derived]:
    def one(k: int, formula: str, inputs: tuple[str, ...]) -> Derived:
        axis, source = "xyz"[k], "003 App., corrected" if e.trap is not None else "003 Eq. (1)"
        return Derived(f"f_{axis}", f"f_{axis}", "Hz", formula, inputs, source, lambda e: e.well.frequencies_hz[k])

    if e.frequencies is not None:
        return [one(k, "as given", (f"frequencies.{axis}",)) for k, axis in enumerate("xyz")]
    across, inputs = "(4 U/m w^2)^(1/2)/(2 pi)", ("trap.depth", "trap.waist")
    along = "(2 U/m)^(1/2) lambda/(2 pi^2 w^2)"
    return [one(0, across, inputs), one(1, across, inputs), one(2, along, (*inputs, "trap.wavelength"))]


def _zeeman(e: Any, m: int, field: Any) -> Any:
    plus, minus, zero = (breit_rabi_hz(e.species, SPIN, k, field) for k in (m, -m, 0))
    return plus + minus - 2 * zero


def _shift(m: int, name: str, letter: str) -> Derived:
    return Derived(
        f"zeeman_{m}_{name}",
        f"D_{m}({letter})",
        "Hz",
        _SHIFT,
        (f"atoms.{name}_field",),
        "Breit, Rabi 1931",
        lambda e: _zeeman(e, m, getattr(e.atoms, f"{name}_field")),
    )


_ATOMS = [
    Derived("zero_point", "E_0/h", "Hz", "(f_x + f_y + f_z)/2", ("f_x", "f_y", "f_z"), "003 Eq. (1)",
            lambda e: e.well.zero_point_hz),
    Derived("thermal", "k_B T/h", "Hz", "k_B T/h", ("atoms.temperature",), "003", lambda e: e.thermal_hz),
    Derived("density", "n", "1/m^3", "2 (mu omega^2/2 pi k_B T)^(3/2)", ("f_x", "f_y", "f_z", "thermal"),
            "classical gas", lambda e: pair_density(e.well, e.atoms.temperature)),
    *(_shift(m, name, letter) for name, letter in (("collision", "B"), ("pulse", "B_pulse")) for m in (1, 2)),
    Derived("prepared", "q^2", "1", "both atoms start in m = 0", ("detection.preparation",), "003 App.",
            lambda e: e.prepared_pairs),
]  # fmt: skip


def _ranges(e: TweezerPair) -> list[Derived]:
    def one(k: int) -> Derived:
        f = 2 * k
        inputs = ("collisions.mean_length", f"collisions.a_{f}")
        return Derived(f"range_{f}", f"r_{f}", "m", _RANGE, inputs, "Flambaum et al. 1999", lambda e: _range(e, k))

    return [one(k) for k in range(SPIN + 1)] if e.collisions.mean_length else []


def _range(e: Any, k: int) -> Any:
    from darkstate.pair.spin import effective_ranges

    pair = e.pair()
    return effective_ranges(pair.lengths, pair.mean_length)[k]


def _collisions(e: Any) -> Any:
    from darkstate.pair.kinetic import collision_rate

    return collision_rate(e.pair())


def _into(m: int) -> Derived:
    return Derived(f"into_{m}", f"Gamma_{m}", "1/s", f"n <4 pi v |<chi_{m}|f(k)|00>|^2>", ("density", "thermal"),
                   "kinetic model", lambda e: _collisions(e).into[m])  # fmt: skip


_COLLISIONS = [
    Derived("collisions", "Gamma_00", "1/s", "n <4 pi v sum_i |<i|f(k)|00>|^2>", ("density", "thermal"),
            "kinetic model", lambda e: _collisions(e).total),
    _into(1),
    _into(2),
]  # fmt: skip
