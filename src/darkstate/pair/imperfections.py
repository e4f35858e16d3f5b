"""Imperfections of a count of atoms: what lies between the spin state of a pair and the number of atoms left.

    preparation -> pulse, scattering -> ejection of |1> -> inelastic loss -> push-out, loss

Model R1, in the order in which `detection` applies it. 003 names every step; the numbers stand in its supplement, which
is not available, so that those marked "chosen" are to be replaced by calibrations. Loads no JAX. Up: `detection`.
"""

from __future__ import annotations

from typing import Any

from darkstate.parameters import parameter, pytree


@pytree
class Imperfections:
    """Model R1 of preparing, pulsing, ejecting and counting two atoms (section `detection` of lab files).

    Validity: `sector` is a share of all pairs and pairs collide only where both atoms are prepared, so it is at most
    preparation^2 (`problems`).

    Example:
        >>> round(Imperfections().dark, 4)
        0.4949
    """

    preparation: float = parameter(
        default=0.93,
        unit="1",
        symbol="q",
        doc="probability that an atom is prepared in its state; otherwise it is in another m of F = 2, all alike",
        source="003 App.: an efficiency of 93 %",
        minimum=0,
        maximum=1,
    )
    sector: float = parameter(
        default=0.37,
        unit="1",
        symbol="P_s",
        doc="share of all pairs, misprepared ones included, that is in the sector m = +-1 when the pulse comes",
        source="003: lower probability (about 0.37) with which the entangled state is prepared",
        minimum=0,
        maximum=1,
    )
    outer: float = parameter(
        default=0.39,
        unit="1",
        symbol="P_2/(P_0+P_2)",
        doc="share of chi_2 among pairs well prepared but outside the sector; counts with a table of inelastic losses",
        source="chosen: kinetic model of contacts without range, 100 ms at 0.5 G and 40 uK: .2531/(.3885 + .2531)",
        minimum=0,
        maximum=1,
    )
    scattering: float = parameter(
        default=0.03,
        unit="1",
        symbol="s",
        doc="photons that an atom scatters per pi pulse; one is enough to make all 12 ground states alike",
        source="chosen: 003 names spontaneous emission during the Raman pulse without a number",
        minimum=0,
    )
    ejection: float = parameter(
        default=0.96,
        unit="1",
        symbol="e",
        doc="probability that the ejection pulse brings F = 2, m = 1 to F = 3, m = 1",
        source="chosen: 003 names imperfect detection of m_F without a number",
        minimum=0,
        maximum=1,
    )
    ejection_other: float = parameter(
        default=0.01,
        unit="1",
        symbol="e'",
        doc="probability that the ejection pulse brings another m of F = 2 to the same m of F = 3",
        source="chosen: 003 names imperfect detection of m_F without a number",
        minimum=0,
        maximum=1,
    )
    inelastic: float = parameter(
        default=0.5,
        unit="1",
        symbol="p_in",
        doc="probability that both atoms are lost before the push-out if exactly one of them is in F = 3",
        source="chosen: 003: applied as a fixed probability, without its value",
        minimum=0,
        maximum=1,
    )
    pushout: float = parameter(
        default=0.99,
        unit="1",
        symbol="r",
        doc="probability that the push-out removes an atom in F = 3",
        source="chosen: 003 names the finite efficiency of ejecting F = 3 without a number",
        minimum=0,
        maximum=1,
    )
    pushout_other: float = parameter(
        default=0.005,
        unit="1",
        symbol="r'",
        doc="probability that the push-out removes an atom in F = 2",
        source="chosen: not in 003",
        minimum=0,
        maximum=1,
    )
    loss: float = parameter(
        default=0.02,
        unit="1",
        symbol="l",
        doc="probability that an atom left by the push-out is lost before it is counted",
        source="chosen: 003 names the probability of atom loss without a number",
        minimum=0,
        maximum=1,
    )

    @property
    def dark(self) -> Any:
        """Share of all pairs well prepared but outside the sector, q^2 - P_s: |00> or chi_2, not moved by the pulse."""
        return self.preparation * self.preparation - self.sector

    def problems(self) -> list[tuple[str, str]]:
        """Contradictions between fields: (key, sentence)."""
        if self.dark >= -1e-12:
            return []
        return [
            (
                "sector",
                f"must be at most preparation^2 = {self.preparation**2:.6g}, since only pairs with both atoms prepared "
                f"collide, but is {self.sector:.6g}; lower it or raise preparation",
            )
        ]
