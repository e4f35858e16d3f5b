"""The state of two spin ensembles as far as second moments tell: populations, means and correlations.

Operators are scaled per atom, so that N may be 1 or 1e12: populations N_a/N, means <J>/sqrt(N), second moments
<J J'>/N. Axes: every leaf of an ensemble ends in [2] (I, II); correlations between the ensembles have no such axis.
Up: `solve` returns these states, `witness` reads them; down: `moments` moves them.
"""

from __future__ import annotations

from typing import Any

from darkstate.backend import jnp
from darkstate.parameters import pytree


@pytree
class Moments:
    """Populations, first and symmetrised second moments in the two-level subsystem {|up>, |down>}.

    Args:
        up, down, h: fractions of the atoms in the three levels [... 2].
        y, z: <Jy>/sqrt(N), <Jz>/sqrt(N) [... 2].
        yy, zz, yz: <Jy^2>/N, <Jz^2>/N, <JyJz + JzJy>/2N [... 2].
        cross_yy, cross_yz, cross_zy, cross_zz: <J_I J'_II>/sqrt(N_I N_II), first letter ensemble I [...].
    """

    up: Any
    down: Any
    h: Any
    y: Any
    z: Any
    yy: Any
    zz: Any
    yz: Any
    cross_yy: Any
    cross_yz: Any
    cross_zy: Any
    cross_zz: Any

    @property
    def x(self) -> Any:
        """<Jx>/N = (N_up - N_down)/2N of the two-level subsystem [... 2]."""
        return (self.up - self.down) / 2

    @property
    def two_level(self) -> Any:
        """N_2/N, the fraction of atoms in the two-level subsystem [... 2]."""
        return self.up + self.down


@pytree
class SpinState:
    """What is known of both ensembles.

    Args:
        moments: scaled `Moments` [... 2].
        atoms: N_j that the scaling refers to [... 2].
        hyperfine_spin: F; 1/2 for true two-level atoms [...].
    """

    moments: Moments
    atoms: Any
    hyperfine_spin: Any

    @property
    def polarization(self) -> Any:
        """P_2 = (N_up - N_down)/N_2 [... 2]."""
        return 2 * self.moments.x / self.moments.two_level

    @property
    def covariance(self) -> Any:
        """Covariance of (Jy_I, Jz_I, Jy_II, Jz_II), each over sqrt(N_j), in the two-level subsystem [... 4 4].

        A coherent spin state has N_2/4N on the diagonal.
        """
        m = self.moments
        i, ii = jnp.s_[..., 0], jnp.s_[..., 1]
        rows = [
            [m.yy[i], m.yz[i], m.cross_yy, m.cross_yz],
            [m.yz[i], m.zz[i], m.cross_zy, m.cross_zz],
            [m.cross_yy, m.cross_zy, m.yy[ii], m.yz[ii]],
            [m.cross_yz, m.cross_zz, m.yz[ii], m.zz[ii]],
        ]
        second = jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)
        mean = jnp.stack([m.y[i], m.z[i], m.y[ii], m.z[ii]], axis=-1)
        return second - mean[..., :, None] * mean[..., None, :]

    @property
    def uncertainty_defect(self) -> Any:
        """Smallest eigenvalue of the covariance plus i/2 times the mean commutator; negative = unphysical [...].

        The Robertson relation for [Jy, Jz] = i Jx of both ensembles, per atom.
        """
        x = self.moments.x
        block = jnp.array([[0, 1.0], [-1.0, 0]])
        form = jnp.zeros((*x.shape[:-1], 4, 4))
        form = form.at[..., :2, :2].set(x[..., 0, None, None] * block)
        form = form.at[..., 2:, 2:].set(x[..., 1, None, None] * block)
        return jnp.linalg.eigvalsh(self.covariance + 0.5j * form)[..., 0]


@pytree
class Isotropic:
    """A state without means that looks the same from every transverse direction; the equations keep it so.

    Args:
        up, down, h: fractions of the atoms [... 2].
        transverse: <Jy^2>/N = <Jz^2>/N [... 2].
        pair_re, pair_im: <Jy Jy'> = -<Jz Jz'> and <Jy Jz'> = <Jz Jy'>, over sqrt(N_I N_II) [...].
    """

    up: Any
    down: Any
    h: Any
    transverse: Any
    pair_re: Any
    pair_im: Any

    @property
    def uncertainty_defect(self) -> Any:
        """As `SpinState.uncertainty_defect`, in closed form: the matrix falls into two 2 x 2 blocks [...]."""
        v, x = self.transverse, (self.up - self.down) / 4
        pair = self.pair_re**2 + self.pair_im**2

        def lowest(a: Any, b: Any) -> Any:
            gap = ((a - b) / 2) ** 2 + pair
            return (a + b) / 2 - jnp.where(gap == 0, 0.0, jnp.sqrt(jnp.where(gap == 0, 1.0, gap)))

        first, second = (v[..., 0], x[..., 0]), (v[..., 1], x[..., 1])
        return jnp.minimum(
            lowest(first[0] - first[1], second[0] + second[1]), lowest(first[0] + first[1], second[0] - second[1])
        )

    @property
    def moments(self) -> Moments:
        """All moments."""
        v, re, im, zero = self.transverse, self.pair_re, self.pair_im, 0 * self.up
        return Moments(self.up, self.down, self.h, zero, zero, v, v, zero, re, im, im, -re)


def product_state(*, up: Any, down: Any) -> Isotropic:
    """Uncorrelated atoms without coherence: <Jy^2> = <Jz^2> = N_2/4, all else zero.

    Args:
        up, down: fractions in |up>, |down>; the rest is in |h> [... 2].
    """
    up, down = jnp.asarray(up, float), jnp.asarray(down, float)
    none = jnp.zeros_like(up[..., 0])
    return Isotropic(up, down, 1 - up - down, (up + down) / 4, none, none)
