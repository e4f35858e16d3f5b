"""How fast are maps of xi? Ratios to a SciPy loop over a random subset of the same points, in the same run.

Run:  .venv/bin/python benchmarks/maps.py            (about a minute on two cores)

The peer is what a careful notebook does: the four equations N_up, N_down, N_h, Sigma of two equal cells, written by
hand, solved point by point with scipy.integrate.solve_ivp at rtol 1e-8. Three of its methods are timed; the ratio is
stated against each. Absolute times are those of this machine and are not promised.
"""

from __future__ import annotations

import platform
import time

import numpy as np
from scipy.integrate import solve_ivp

import darkstate as ds
from darkstate.backend import jax, jnp

SIDE, TIMES, SUBSET, SEED = 300, 100, 60, 1
DURATION = 60e-3
OFTEN = 3

lab = ds.load(ds.shipped_labs()["krauter2011"], case="a").experiment
d, z = (axis.ravel() for axis in jnp.meshgrid(jnp.linspace(20, 150, SIDE), jnp.linspace(1.1, 4.0, SIDE)))
times = jnp.linspace(0.0, DURATION, TIMES)


def experiment(d, z):
    return ds.with_values(lab, {"ensembles.optical_depth": d, "drive.z": z})


@jax.jit
def steady_map(d, z):
    return jax.vmap(lambda d, z: ds.epr_variance(ds.steady_state(experiment(d, z).model(), throw=False).state).value)(
        d, z
    )


@jax.jit
def time_map(d, z):
    def one(point):
        method = ds.MomentEquations(substeps=1)
        return ds.epr_variance(ds.evolve(experiment(*point).model(), times, method=method, throw=False).state).value

    return jax.lax.map(one, (d, z), batch_size=256)


def peer(d, z, t_eval, **options):
    """The same physics by hand; returns xi at t_eval."""
    e = lab
    mu, nu = (z + 1 / z) / 2, (z - 1 / z) / 2
    col = e.noise.collision_rate
    cool, heat = mu**2 * e.drive.rate + col, nu**2 * e.drive.rate + col
    out, back, gt, dg = e.drive.loss_rate + col, col, e.noise.gamma_tilde, d * e.drive.rate

    def rhs(t, y):
        up, dn, h, sigma = y
        dup = -(heat + out) * up + cool * dn + back * h
        ddn = heat * up - (cool + out) * dn + back * h
        n2 = up + dn
        p = (up - dn) / n2
        dsigma = -(gt + dg * n2 * p) * sigma + n2 * (gt + dg * n2 * p**2 / z**2) + dup + ddn
        return [dup, ddn, out * n2 - 2 * back * h, dsigma]

    start = [e.cell.initial_up, e.cell.initial_down, 0.0, 1.0]
    up, dn, _, sigma = solve_ivp(rhs, (0, t_eval[-1]), start, t_eval=t_eval, rtol=1e-8, atol=1e-11, **options).y
    n2 = up + dn
    return (8 * sigma + 14 * dn) / (n2 * ((up - dn) / n2 + 7))


def best_of(function, *arguments):
    """Shortest of a few runs, the compiling one left out [s], and the result."""
    result = jax.block_until_ready(function(*arguments))
    spent = []
    for _ in range(OFTEN):
        begin = time.perf_counter()
        jax.block_until_ready(function(*arguments))
        spent.append(time.perf_counter() - begin)
    return min(spent), np.asarray(result)


def report(name, function, t_eval, pick):
    spent, ours = best_of(function, d, z)
    points = np.random.default_rng(SEED).choice(SIDE**2, SUBSET, replace=False)
    print(f"{name}: {SIDE} x {SIDE} points in {spent:.3g} s ({spent / SIDE**2 * 1e6:.3g} us per point)")
    for method in ("LSODA", "RK45", "DOP853"):
        begin = time.perf_counter()
        theirs = np.array([pick(peer(float(d[i]), float(z[i]), t_eval, method=method)) for i in points])
        each = (time.perf_counter() - begin) / SUBSET
        ratio, apart = each * SIDE**2 / spent, np.abs(theirs - ours[points]).max()
        print(
            f"  {ratio:8.0f} times faster than a loop of solve_ivp({method}), {each * 1e3:.2f} ms per point;"
            f" largest difference {apart:.1e}"
        )


print(f"{platform.machine()}, {jax.default_backend()}, jax {jax.__version__}; peer timed on {SUBSET} random points")
# The slowest mode of the populations takes about 0.2 s; the peer runs until it has died out to 1e-8.
report("xi_inf", steady_map, np.array([0.0, 4.0]), lambda xi: xi[-1])
report(f"xi(t) at {TIMES} times", time_map, np.asarray(times), lambda xi: xi)
