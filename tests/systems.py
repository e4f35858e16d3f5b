"""The experiments the tests are about, with the parameters of the papers, and bridges to the oracles.

001 is Muschik, Polzik, Cirac, Phys. Rev. A 83, 052312 (2011); 002 is Krauter et al., Phys. Rev. Lett. 107, 080503
(2011), SM its supplement; 000 is Muschik et al., J. Phys. B, article 124021. Rates of 002 and 000 are printed in 1/ms.
"""

import dataclasses

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.experiments import cesium_cells as cesium
from darkstate.experiments import two_level_ensembles as two_level
from darkstate.experiments.two_cells import Cells, Timing
from darkstate.spins.ensembles import Rates, SpinEnsembles
from darkstate.spins.moments import Products
from darkstate.spins.state import Moments, SpinState
from oracles import mean_field as mf
from oracles.cascade import NAMES, Cascade
from oracles.density_matrix import Ensemble, System
from oracles.moments import coherence_rate

# Gamma_out_L, 26.3839702/s: T1 = 34 ms of 002 read as the initial slope of <Jx> (docs: corrections), to rounding
LOSS_RATE = 1e3 * mf.loss_rate_from_t1(34.0, *mf.squeezing(2.5), 0.002)


def two_levels(z=1.5, *, d=30.0, x=0.0, gd_add=0.0, atoms=1e12, mismatch_hz=0.0, transmission=1.0, **second):
    """001 Sec. III D in units of Gamma = 1/s."""
    return two_level.TwoLevelEnsembles(
        two_level.Ensembles(optical_depth=d, atoms=atoms),
        two_level.Drive(rate=1.0, z=z),
        two_level.Pump(x=x),
        two_level.Noise(gamma_d_add=gd_add),
        two_level.Field(larmor_mismatch=mismatch_hz),
        Cells(transmission=transmission),
        Timing(duration=2.0),
        {key.replace("__", "."): value for key, value in second.items()},
    )


def krauter2011(case="a", *, d=None, mismatch_hz=0.0, transmission=1.0):
    """002 Fig. 2: a and b, drive alone (d = 55, 35); c, with pump light."""
    depth, tilde, pump = {"a": (55, 193, 0), "b": (35, 193, 0), "c": (37, 233, 168)}[case]
    return cesium.CesiumCells(
        cesium.Ensembles(optical_depth=depth if d is None else d),  # starts from 0.99, 0.01: 002 SM
        cesium.Drive(z=2.5, rate=2.0, loss_rate=LOSS_RATE),
        cesium.Noise(gamma_tilde=tilde, t2_dark=40e-3, collision_rate=2.0),
        cesium.Pump(rate=pump),
        field=cesium.Field(larmor_mismatch=mismatch_hz),
        cells=Cells(transmission=transmission),
        protocol=Timing(duration=60e-3),
    )


def muschik2013(d):
    """000 Fig. 3b and App. C: pump and repump light on, Gamma-tilde = 0.193 + 2 * 0.160 /ms."""
    return dataclasses.replace(
        krauter2011(d=d), pump=cesium.Pump(rate=160.0, dephasing=2.0), repump=cesium.Repump(rate=160.0)
    )


def oracle_of(model):
    """SciPy's mean-field model of equal ensembles with every light on, rates taken over as they are."""

    def total(name):
        parts = [getattr(model, light) for light in ("dark", "drive", "pump", "repump")]
        return float(sum(np.asarray(getattr(p, name)) for p in parts)[0])

    return mf.MeanField(
        float(model.mu[0]), float(model.nu[0]), total("collective"), ud=total("heating"), du=total("cooling"),
        gamma_t=total("transverse"), uh=total("up_to_h"), dh=total("down_to_h"), hu=total("h_to_up"),
        hd=total("h_to_down"), spin=float(model.hyperfine_spin), transmission=float(model.transmission),
        larmor=float(model.larmor.sum()), up0=float(model.initial_up[0]), dn0=float(model.initial_down[0]),
    )  # fmt: skip


def pair(first, second):
    """Values of ensembles I and II as an array [2]."""
    return jnp.array([float(first), float(second)])


def model_of(system: System, *, spin=0.5, up=(1.0, 1.0)) -> SpinEnsembles:
    """The production model of two ensembles that the density-matrix oracle describes."""
    ensembles: tuple[Ensemble, Ensemble] = system.ensembles

    def both(name):
        return pair(*(getattr(e, name) for e in ensembles))

    drive = Rates(
        cooling=both("cool"), heating=both("heat"), up_to_h=both("uh"), down_to_h=both("dh"), h_to_up=both("hu"),
        h_to_down=both("hd"), transverse=pair(*map(coherence_rate, ensembles)), collective=both("d_gamma"),
    )  # fmt: skip
    none = jax.tree.map(jnp.zeros_like, drive)
    return SpinEnsembles(
        atoms=both("atoms"), mu=both("mu"), nu=both("nu"), larmor=both("detuning"), initial_up=pair(*up),
        initial_down=1 - pair(*up), transmission=jnp.asarray(system.transmission), hyperfine_spin=jnp.asarray(spin),
        dark=none, drive=drive, pump=none, repump=none,
    )  # fmt: skip


def scaled(system: System, m: dict) -> Moments:
    """The oracle's expectation values per atom: N_a/N, <J>/sqrt(N), <J J'>/sqrt(N N')."""
    one, two = (e.atoms for e in system.ensembles)
    n, root = np.array([one, two]), np.sqrt([one, two])
    v = np.array([m["V_I"] / one, m["V_II"] / two])
    c = m["C"] / np.sqrt(one * two)
    return Moments(
        up=m["n_up"] / n, down=m["n_dn"] / n, h=m["n_h"] / n, y=m["o"][0::2] / root, z=m["o"][1::2] / root,
        yy=v[:, 0, 0], zz=v[:, 1, 1], yz=v[:, 0, 1],
        cross_yy=c[0, 0], cross_yz=c[0, 1], cross_zy=c[1, 0], cross_zz=c[1, 1],
    )  # fmt: skip


def scaled_products(system: System, m: dict) -> Products:
    """The oracle's moments with one Jx more, scaled by another 1/N of the ensemble that Jx belongs to."""
    one, two = (e.atoms for e in system.ensembles)
    n, joint = np.array([one, two]), np.sqrt(one * two)
    w = m["oo_jx"] / n[:, None, None] ** 2
    far = m["jx_oo"] / (one * two)
    return Products(
        xx=m["jx2"] / n**2, x_x=m["jxjx"] / (one * two),
        y_x=m["o_jx"][0::2] / n**1.5, z_x=m["o_jx"][1::2] / n**1.5,
        yy_x=w[:, 0, 0], zz_x=w[:, 1, 1], yz_x=(w[:, 0, 1] + w[:, 1, 0]) / 2,
        first=tuple(m["oj_o"].ravel() / (one * joint)), second=tuple(m["o_oj"].ravel() / (two * joint)),
        far=tuple(m["jx_o"] / (np.sqrt(one) * two)), far_second=(far[0, 0], far[1, 1], far[0, 1]),
    )  # fmt: skip


def state_of(system: System, m: dict) -> SpinState:
    """The oracle's expectation values as a state the witnesses read."""
    return SpinState(jax.tree.map(jnp.asarray, scaled(system, m)), pair(*(e.atoms for e in system.ensembles)), 0.5)


CAUSES = ("dark", "drive", "pump", "repump")


def random_models(seed, count, *, equal=False, same_z=False, levels=3, mismatch=True, spins=(0.5, 4.0)):
    """Models with every switch on [leaves count 2]: rates of order 1/s, collective rate to 30/s, Z from 1 to 3.

    A tenth of all numbers sits at the end of its range. Gamma-tilde of each cause is at least the sum of the rates that
    make it up, as the master equation demands.
    """
    rng = np.random.default_rng(seed)

    def draw(low, high, same=equal):
        value = rng.uniform(low, high, (count, 2))
        value = np.where(rng.random((count, 2)) < 0.1, low, value)
        return np.repeat(value[:, :1], 2, axis=1) if same else value

    z = draw(1.0, 3.0, equal or same_z)
    mu, nu = mf.squeezing(z)

    def rates(flips=(0.0, 0.0), collective=0.0, exchange=0.3):
        loss, back = [[draw(0, exchange) if levels == 3 else draw(0, 0) for _ in range(2)] for _ in range(2)]
        transverse = sum(flips) + sum(loss) + draw(0, 4)
        return Rates(*np.broadcast_arrays(*flips, *loss, *back, transverse, collective + draw(0, 0)))

    gamma = draw(0.05, 0.5)
    up = draw(0.6, 1.0)
    return SpinEnsembles(
        atoms=10 ** draw(9, 12), mu=mu, nu=nu, larmor=draw(-3, 3) if mismatch else draw(0, 0), initial_up=up,
        initial_down=(1 - up) * (draw(0, 1) if levels == 3 else 1.0), transmission=draw(0, 1)[:, 0],
        hyperfine_spin=rng.choice(spins, count), dark=rates(flips=(draw(0.05, 0.1), draw(0, 0.1)), exchange=0.1),
        drive=rates(flips=(mu**2 * gamma, nu**2 * gamma), collective=draw(0, 30)), pump=rates(flips=(draw(0, 3), 0.0)),
        repump=rates(exchange=1.0),
    )  # fmt: skip


def one_of(models, k):
    """The k-th model of a batch."""
    return jax.tree.map(lambda leaf: leaf[k], models)


def cascade_of(model):
    """The NumPy reference of one model, rates taken over as they are."""
    rates = np.array([[np.asarray(getattr(getattr(model, c), n)) for n in NAMES] for c in CAUSES])
    up, down = np.asarray(model.initial_up), np.asarray(model.initial_down)
    start = np.stack([up, down, 1 - up - down], axis=-1)
    mu, nu, delta = (np.asarray(v) for v in (model.mu, model.nu, model.larmor))
    return Cascade(mu, nu, delta, start, float(model.transmission), rates)
