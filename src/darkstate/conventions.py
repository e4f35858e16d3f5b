"""Conventions: what our symbols mean, and how each paper's signs map to ours.

hbar = 1; [X, P] = i, so the vacuum variance is 1/2; rates and angular frequencies in 1/s, an ordinary frequency ends in
_hz or is typed in Hz. `transverse` (Gamma-tilde) damps variances of the transverse spin at its full value and means at
half of it. Ensemble I is the one light meets first.

Spins are written as in 001: both ensembles point along their own field, S = Jy + iJz raises Jx, the reservoir couples
to A = mu S_I + nu S_II^+ and B = mu S_II + nu S_I^+, and Jy_I + Jy_II, Jz_I - Jz_II are squeezed. 002 and 000 keep one
frame for both cells: their ensemble II is ours turned by pi about z.
"""

from __future__ import annotations

from types import MappingProxyType

SIGNS_OF_ENSEMBLE_II = MappingProxyType(
    {
        "ours": (1.0, 1.0, 1.0),
        "001": (1.0, 1.0, 1.0),
        "002": (-1.0, -1.0, 1.0),
        "000": (-1.0, -1.0, 1.0),
    }
)
"""Factors that turn (Jx, Jy, Jz) of ensemble II as a paper writes them into ours."""


def to_ours(vector: tuple[float, float, float], paper: str) -> tuple[float, float, float]:
    """Turn (Jx, Jy, Jz) of ensemble II from a paper's frame into ours (the map is its own inverse).

    Args:
        vector: components in the paper's frame.
        paper: "001", "002" or "000".

    Returns:
        Components in our frame.

    Example:
        >>> to_ours((-4.0, 0.5, 0.2), "002")
        (4.0, -0.5, 0.2)
    """
    x, y, z = (sign * component for sign, component in zip(SIGNS_OF_ENSEMBLE_II[paper], vector, strict=True))
    return x, y, z


SQUEEZED = MappingProxyType(
    {
        "ours": ("Jy_I + Jy_II", "Jz_I - Jz_II"),
        "001": ("Jy_I + Jy_II", "Jz_I - Jz_II"),
        "002": ("Jy_I - Jy_II", "Jz_I - Jz_II"),
        "000": ("Jy_I - Jy_II", "Jz_I - Jz_II"),
    }
)
"""The combinations whose variances xi adds. In 002's text the second one has a plus sign where its quadratures have
P_I + P_II with P_II = -Jz_II/sqrt|Jx|; it is the same observable."""

STATEMENTS = (
    "hbar = 1; [X, P] = i, vacuum variance 1/2",
    "rates and angular frequencies in 1/s; Hz is an ordinary frequency",
    "Gamma-tilde damps transverse variances at its full value, means <Jy>, <Jz> at half of it (T2 = 2/Gamma-tilde)",
    "xi = [var(Jy_I + Jy_II) + var(Jz_I - Jz_II)] / (|<Jx_I>| + |<Jx_II>|) as in 001; 002 and 000 turn ensemble II by "
    "pi about z",
    "separable states have xi >= 1",
)
"""What `darkstate check` prints."""

PAIR_STATEMENTS = (
    "chi_k = (|k,-k> + |-k,k>)/sqrt 2, chi_- = (|1,-1> - |-1,1>)/sqrt 2; energies are relative to |0,0> (003)",
    "theta is the area of a Raman pulse: pi swaps m = 1 and m = -1",
    "F = <chi_1|rho|chi_1> given m = +-1; separable states have F <= 1/2",
    "the length a0 is the Bohr radius",
)
"""The same for two atoms in a tweezer."""
