"""Equations of motion of the first and second moments of both ensembles.

    d<O>   = -Gt/2 <O> - (dG/2N)[<{O,Jx}> + (mu^2+nu^2)<O>]
    d<O^2> = -Gt(<O^2> - N_2/4) + (1/4) dN_2/dt + (dG/N)[(mu^2+nu^2)(<Jx^2> - <O^2>) - <{O,{O,Jx}}>/2]

and alike for correlations (O = Jy, Jz). `moment_rates` is exact for every N and every state, given the products of
moments with Jx; `mean_field` supplies these products by decorrelation, which makes a closed set of equations.

Source: 001 Eq. (13), App. C1, App. D, with the corrections of rows 1-4, 18, 19 of "corrections to the papers";
unequal ensembles and one-way light with transmission t are not in the papers.
"""

from __future__ import annotations

from typing import Any

from darkstate.backend import jax, jnp
from darkstate.parameters import pytree
from darkstate.spins.ensembles import Rates, SpinEnsembles
from darkstate.spins.state import Moments
from darkstate.spins.two import only_second


@pytree
class Products:
    """Moments of transverse spins times Jx, scaled per atom as in `Moments` (Jx per N).

    Args:
        xx: <Jx^2>/N^2 [2]; x_x: <Jx_I Jx_II>/(N_I N_II) [].
        y_x, z_x: <{Jy,Jx}>, <{Jz,Jx}> [2].
        yy_x, zz_x: <{O,{O,Jx}}>/2 [2]; yz_x: <{Jy,{Jz,Jx}} + {{Jy,Jx},Jz}>/4 [2].
        first: <{O,Jx_I} O'> for (yy, yz, zy, zz) [4]; second: <O {O',Jx_II}> [4].
        far: <O_I Jx_II> for (y, z) [2]; far_second: <(O O')_I Jx_II> for (yy, zz, yz) [3].
    """

    xx: Any
    x_x: Any
    y_x: Any
    z_x: Any
    yy_x: Any
    zz_x: Any
    yz_x: Any
    first: tuple[Any, Any, Any, Any]
    second: tuple[Any, Any, Any, Any]
    far: tuple[Any, Any]
    far_second: tuple[Any, Any, Any]


def total_rates(model: SpinEnsembles, strengths: Any) -> Rates:
    """Rates at given strengths of (drive, pump, repump) [3]: dark + sum of strength times rates [leaves 2]."""
    return jax.tree.map(
        lambda k, d, p, r: k + strengths[0] * d + strengths[1] * p + strengths[2] * r,
        model.dark,
        model.drive,
        model.pump,
        model.repump,
    )


def one_way(model: SpinEnsembles, rates: Rates) -> tuple[Any, Any]:
    """Strengths of the two effects that light from I has on II [1/s].

    Returns:
        (shared, drive): `shared` = sqrt(t dG_I dG_II)(mu_I nu_II + nu_I mu_II), the common vacuum noise that
        entangles; `drive` = sqrt(t dG_I dG_II)(mu_I nu_II - nu_I mu_II), the signal of I that displaces II. The two
        sidebands cancel in `drive` when both ensembles have the same Z.
    """
    t, (first, second) = model.transmission, (rates.collective[0], rates.collective[1])
    # sqrt(c_I c_II) has no derivative where a factor is zero. Where the drive is off in both, it rises with the common
    # strength, c_I sqrt(D_II/D_I) for drive rates D; where both D are zero, its slope along equal ensembles is that of
    # the mean. Where light reaches only one ensemble, or none passes, both effects vanish and slope 0 is returned.
    dark, blocked = (first == 0) & (second == 0), (t == 0) | (first == 0) | (second == 0)
    full = model.drive.collective[0], model.drive.collective[1]
    lit = (full[0] > 0) & (full[1] > 0)
    rising = first * jnp.sqrt(jnp.where(lit, full[1], 1.0) / jnp.where(lit, full[0], 1.0))
    off = jnp.where(lit, rising, (first + second) / 2)
    path = jnp.sqrt(jnp.where(t == 0, 1.0, t))
    both = jnp.sqrt(jnp.where(blocked, 1.0, first)) * jnp.sqrt(jnp.where(blocked, 1.0, second))
    root = path * jnp.where(dark & (t != 0), off, jnp.where(blocked, 0.0, both))
    passive, active = model.mu[0] * model.nu[1], model.nu[0] * model.mu[1]
    return root * (passive + active), root * (passive - active)


def mean_field(m: Moments, inverse_atoms: Any) -> Products:
    """Decorrelate jx of each atom from the other atoms: <{O,Jx}> -> 2<O><Jx>(1 - 1/N), and alike for the others.

    Atoms add (O = sum o_i) and {o_i, jx_i} = 0 in the two-level subsystem; so with e = 1/N and moments per atom
    <Jx^2> -> x^2 + (n_2/4 - x^2) e,   <{O,{O,Jx}}>/2 -> 2 x <O^2> (1 - 2e) + e n_2 x/2.

    Args:
        m: scaled moments.
        inverse_atoms: 1/N_j, or 0 for N to infinity [2].

    Validity: relative error O(1/N) (001 App. C1, confirmed by exact solutions at small N); correlations of three atoms
    are neglected.
    """
    x, e = m.x, inverse_atoms
    pairs, triples, alone = 2 * x - 2 * x * e, 2 * x - 4 * x * e, m.two_level * x * e / 2
    cross = (m.cross_yy, m.cross_yz, m.cross_zy, m.cross_zz)
    return Products(
        xx=x**2 + (m.two_level / 4 - x**2) * e,
        x_x=x[0] * x[1],
        y_x=m.y * pairs,
        z_x=m.z * pairs,
        yy_x=m.yy * triples + alone,
        zz_x=m.zz * triples + alone,
        yz_x=m.yz * triples,
        first=tuple(pairs[0] * c for c in cross),
        second=tuple(pairs[1] * c for c in cross),
        far=(m.y[0] * x[1], m.z[0] * x[1]),
        far_second=(m.yy[0] * x[1], m.zz[0] * x[1], m.yz[0] * x[1]),
    )


def moment_rates(
    m: Moments,
    w: Products,
    model: SpinEnsembles,
    rates: Rates,
    *,
    inverse_atoms: Any,
    loss_term: bool = True,
) -> Moments:
    """Time derivatives of all moments; exact when `w` holds the true products and `inverse_atoms` is 1/N.

    Args:
        m: scaled moments [leaves 2].
        w: products with Jx, from `mean_field` or from a density operator.
        model: the two ensembles (mu, nu, larmor, transmission are used).
        rates: total rates at this time [leaves 2].
        inverse_atoms: 1/N_j, or 0 for N to infinity [2].
        loss_term: the term (1/4) dN_2/dt of the transverse variances; the papers leave it out.

    Returns:
        Derivatives, shaped as `m` [1/s].
    """
    dG, Gt, delta = rates.collective, rates.transverse, model.larmor
    weight = model.mu**2 + model.nu**2
    shared, drive = one_way(model, rates)

    lost = (rates.h_to_up + rates.h_to_down) * m.h - rates.up_to_h * m.up - rates.down_to_h * m.down
    towards_up = rates.cooling * m.down - rates.heating * m.up
    collective_x = dG * inverse_atoms * (m.yy + m.zz - weight * m.x)
    behind = only_second(m.up)  # what light from I does happens to ensemble II only
    collective_x = collective_x - behind * (2 * drive * inverse_atoms[1] * (m.cross_yy - m.cross_zz))

    source = Gt * m.two_level / 4 + (lost / 4 if loss_term else 0.0) + dG * weight * w.xx
    damp = Gt + dG * weight * inverse_atoms

    yy_x, yz_x, zy_x, zz_x = w.second
    mean_damp = (damp[0] + damp[1]) / 2
    a, b = dG[0] / 2, dG[1] / 2
    f, s = w.first, w.second
    return Moments(
        up=towards_up - rates.up_to_h * m.up + rates.h_to_up * m.h + collective_x,
        down=-towards_up - rates.down_to_h * m.down + rates.h_to_down * m.h - collective_x,
        h=-lost,
        y=-damp / 2 * m.y - dG / 2 * w.y_x - delta * m.z + behind * (2 * drive * w.far[0]),
        z=-damp / 2 * m.z - dG / 2 * w.z_x + delta * m.y - behind * (2 * drive * w.far[1]),
        yy=-damp * m.yy - dG * w.yy_x + source - 2 * delta * m.yz + behind * (2 * drive * yy_x),
        zz=-damp * m.zz - dG * w.zz_x + source + 2 * delta * m.yz - behind * (2 * drive * zz_x),
        yz=-damp * m.yz - dG * w.yz_x + delta * (m.yy - m.zz) + behind * (drive * (yz_x - zy_x)),
        cross_yy=-mean_damp * m.cross_yy
        - a * f[0]
        - b * s[0]
        - shared * w.x_x
        - delta[0] * m.cross_zy
        - delta[1] * m.cross_yz
        + 2 * drive * w.far_second[0],
        cross_yz=-mean_damp * m.cross_yz
        - a * f[1]
        - b * s[1]
        - delta[0] * m.cross_zz
        + delta[1] * m.cross_yy
        - 2 * drive * w.far_second[2],
        cross_zy=-mean_damp * m.cross_zy
        - a * f[2]
        - b * s[2]
        + delta[0] * m.cross_yy
        - delta[1] * m.cross_zz
        + 2 * drive * w.far_second[2],
        cross_zz=-mean_damp * m.cross_zz
        - a * f[3]
        - b * s[3]
        + shared * w.x_x
        + delta[0] * m.cross_yz
        + delta[1] * m.cross_zy
        - 2 * drive * w.far_second[1],
    )
