"""The papers' equations as printed, where they differ from what follows from the master equation.

Kept so that anyone can see what the printed form gives; nothing in darkstate uses them. Row numbers are those of the
page "corrections to the papers". Scalars only; rates in 1/s, Sigma and populations in atoms.
"""

from __future__ import annotations

from typing import Any

from darkstate.backend import jnp
from darkstate.spins.ensembles import Rates


def polarization_steady(*, cooling: Any, heating: Any) -> Any:
    """Row 1. 001 Sec. III D prints d<Jx> = -(1/2)(heating + cooling)<Jx> + ...; its steady P is twice Eq. (15)'s.

    Example:
        >>> polarization_steady(cooling=3.0, heating=1.0)
        1.0
    """
    return 2 * (cooling - heating) / (cooling + heating)


def sigma_steady(*, polarization: Any, transverse: Any, collective: Any, z: Any) -> Any:
    """Row 2. 001 Sec. III D prints the source N dG P^2 (mu-nu)^2 without Gamma-tilde: Sigma/N < 1 even at d = 0.

    Example:
        >>> sigma_steady(polarization=1.0, transverse=4.0, collective=0.0, z=1.5)
        0.0
    """
    return collective * (polarization / z) ** 2 / (transverse + collective * polarization)


def sigma_steady_c1(*, polarization: Any, transverse: Any, collective: Any, z: Any) -> Any:
    """Row 3. 001 Eqs. (C1), (C2) print the source (Gamma-tilde + dG P)^2 (mu-nu)^2: squared where P alone should be.

    The dimension is wrong by one rate; read with Gamma = 1.

    Example:
        >>> print(f"{sigma_steady_c1(polarization=1.0, transverse=4.0, collective=30.0, z=1.5):.3f}")
        15.111
    """
    return (transverse + collective * polarization) / z**2


def xi_end_of_c1(*, variance_plus: Any, polarization: Any) -> Any:
    """Row 6. 001 App. C1 ends with xi = var(J_z,+)/P: the antisqueezed variance, and a factor 4/N short.

    Example:
        >>> xi_end_of_c1(variance_plus=0.25, polarization=1.0)
        0.25
    """
    return variance_plus / polarization


def population_matrix(rates: Rates) -> Any:
    """Row 16. M of 001 Eq. (20) as printed: columns do not sum to zero, so atoms appear or vanish [3 3; 1/s].

    Example:
        >>> float(population_matrix(Rates(h_to_up=1.0, h_to_down=2.0)).sum())
        -3.0
    """
    r = rates
    return jnp.array(
        [
            [-(r.heating + r.up_to_h), r.heating, r.h_to_up],
            [r.heating, -(r.heating + r.down_to_h), r.h_to_down],
            [r.up_to_h, r.down_to_h, -2 * (r.h_to_up + r.h_to_down)],
        ]
    )


def xi_supplement(*, sigma: Any, down: Any, two_level: Any, polarization: Any) -> Any:
    """Row 21. 002 (S.3) prints (Sigma + 14 N_43)/(N_2 (P_2 + 7)); with Sigma from 001 Eq. (21) this starts at 1/8.

    Example:
        >>> xi_supplement(sigma=1.0, down=0.0, two_level=1.0, polarization=1.0)
        0.125
    """
    return (sigma + 14 * down) / (two_level * (polarization + 7))


def sigma_slope(*, polarization: Any, collective: Any, z: Any, rates: Rates, down: Any) -> Any:
    """Row 22. Initial slope of Sigma/(2|Jx(0)|) as 002's supplement prints it, for N = 1 per cell [1/s].

    Example:
        >>> r = Rates(cooling=6.205, heating=4.205, up_to_h=28.384, h_to_up=2.0)
        >>> print(f"{sigma_slope(polarization=0.98, collective=110.0, z=2.5, rates=r, down=0.01):.0f}")
        2221
    """
    p = polarization
    return (
        -4 * collective * p * (1 - p * z**2)
        + 7 * rates.h_to_up * p
        - 7 * (rates.up_to_h + rates.cooling - rates.heating) * down
    )


def sigma_slope_corrected(*, polarization: Any, collective: Any, z: Any, rates: Rates, down: Any) -> Any:
    """Row 22 as it follows from Eq. (21) and the populations, over 2|Jx(0)| = P_2 + 7, without and with dN_2/dt [1/s].

    For N_2(0) = 1 and equal losses of both levels:
    {-4 dG P (1 - P/Z^2) + 7 G_43 P - 7 (G_out + G_34 - G_43) N_43 [+ 4 dN_2/dt]}/|Jx(0)|, |Jx(0)| = (P + 7)/2.

    Returns:
        (slope of `paper_ode`, slope of `corrected`).

    Example:
        >>> r = Rates(cooling=6.205, heating=4.205, up_to_h=28.384, h_to_up=2.0)
        >>> slopes = sigma_slope_corrected(polarization=0.98, collective=110.0, z=2.5, rates=r, down=0.01)
        >>> print(" ".join(f"{s:.2f}" for s in slopes))
        -84.43 -112.88
    """
    p, r = polarization, rates
    slope = -4 * collective * p * (1 - p / z**2) + 7 * r.heating * p - 7 * (r.up_to_h + r.cooling - r.heating) * down
    length = (p + 7) / 2
    return slope / length, (slope - 4 * r.up_to_h) / length


def b3_first_term(*, sigma_start: Any, polarization: Any, decay: Any) -> Any:
    """Row 25. 000 (B3) prints Sigma(0)/(2 P_2) e^..; the divisor that makes xi(0) = 1 is N_2 P_2.

    Example:
        >>> b3_first_term(sigma_start=1.0, polarization=1.0, decay=1.0)
        0.5
    """
    return sigma_start / (2 * polarization) * decay
