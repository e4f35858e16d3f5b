"""How fast are maps of xi of a cascade? Ratios to SciPy over a random subset of the same points, in the same run.

Run:  .venv/bin/python benchmarks/gaussian.py            (about a minute on two cores)

The peer is what a careful notebook does: the matrices of Huang et al. (2018), Eqs. (3)-(5), written by hand for every
point, scipy.linalg.solve_continuous_lyapunov or solve_continuous_are with its cross term, xi. darkstate takes the
public path: lab, network of components, solution with all its checks, witness. Each map is timed as one vectorised call
and in parts of 48 points, which stay in the cache. Goals: 30 and 80 times faster, and the smallest xi over both angles
at 100 x 100 points within a minute. Absolute times are those of this machine and are not promised.
"""

from __future__ import annotations

import os
import platform
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more only wait on matrices this small

import numpy as np
from scipy.linalg import solve_continuous_are, solve_continuous_lyapunov

import darkstate as ds
from darkstate.backend import jax, jnp

SIDE, SUBSET, SEED, OFTEN = 300, 500, 1, 4
ANGLES = 0.79, 1.2
"""theta_S, theta_M: both oscillators are stable for all cooperativities."""
OPTIMISED, PART = 100, 48
AGREEMENT = 1e-8

jax.config.update("jax_enable_compilation_cache", False)
lab = ds.load(ds.shipped_labs()["huang2018"]).experiment


def grid(side):
    """C_S and C_M [side^2 each], logarithmic from 1 to 1000."""
    axis = jnp.logspace(0, 3, side)
    return tuple(c.ravel() for c in jnp.meshgrid(axis, axis))


def experiment(c_s, c_m, theta_s, theta_m):
    values = {
        "spin.cooperativity": c_s,
        "mechanics.cooperativity": c_m,
        "spin.theta": theta_s,
        "mechanics.theta": theta_m,
    }
    return ds.with_values(lab, values)


def xi_unconditional(c_s, c_m, *angles):
    e = experiment(c_s, c_m, *(angles or ANGLES))
    return ds.epr_variance(ds.steady_state(e.model(), throw=False).state, e.gain).value


def xi_conditional(c_s, c_m):
    e = experiment(c_s, c_m, *ANGLES)
    return ds.epr_variance(ds.condition(e.model(), e.detector(), throw=False).state, e.gain).value


def smallest_xi(c_s, c_m):
    # Above pi/4 both oscillators are stable for all cooperativities.
    low = jnp.full(2, np.pi / 4 + 1e-3)
    return ds.optimum(lambda angles: xi_unconditional(c_s, c_m, *angles), low, jnp.full(2, np.pi / 2))[1]


def motion(c_s, c_m):
    """A, D of 004 in the order X_S, X_M, P_S, P_M: the P block is the X block with P_M -> -P_M."""
    theta_s, theta_m = ANGLES
    noise_s, noise_m = lab.spin.linewidth * (lab.spin.occupation + 0.5), lab.mechanics.decoherence
    rate_s, rate_m = c_s * noise_s, c_m * noise_m
    s, m = (lab.spin.linewidth - rate_s * np.cos(2 * theta_s)) / 2, -rate_m * np.cos(2 * theta_m) / 2
    root = np.sqrt(rate_s * rate_m)
    r, both = -root * np.sin(theta_m - theta_s), -root * np.sin(theta_s + theta_m) / 2
    d_s, d_m = rate_s / 2 + noise_s, rate_m / 2 + noise_m
    a = np.array([[-s, 0, 0, 0], [r, -m, 0, 0], [0, 0, -s, 0], [0, 0, -r, -m]])
    return a, np.array([[d_s, both, 0, 0], [both, d_m, 0, 0], [0, 0, d_s, -both], [0, 0, -both, d_m]])


def amplitudes(c_s, c_m):
    """How strongly the light couples to S and M."""
    noise_s = lab.spin.linewidth * (lab.spin.occupation + 0.5)
    return np.sqrt(c_s * noise_s), np.sqrt(c_m * lab.mechanics.decoherence)


def current(c_s, c_m):
    """C, N of 004 and the gain g that the light reads out; R = 1/2."""
    (s, m), turned = amplitudes(c_s, c_m), np.array(ANGLES) - np.pi / 4
    (k_s, k_m), (n_s, n_m) = (s, m) * np.cos(turned), (s, m) * np.sin(turned) / 2
    c = np.array([[-k_s, -k_m, 0, 0], [0, 0, -k_s, k_m]])
    return c, np.array([[n_s, 0], [n_m, 0], [0, n_s], [0, -n_m]]), k_m / k_s


def gain(c_s, c_m):
    s, m = amplitudes(c_s, c_m)
    return m * np.cos(ANGLES[1] - np.pi / 4) / (s * np.cos(ANGLES[0] - np.pi / 4))


def witness(v, g):
    return (v[0, 0] + v[2, 2] + g**2 * (v[1, 1] + v[3, 3]) + 2 * g * (v[0, 1] - v[2, 3])) / (1 + g**2)


def peer_lyapunov(c_s, c_m):
    a, d = motion(c_s, c_m)
    return witness(solve_continuous_lyapunov(a, -d), gain(c_s, c_m))


def peer_riccati(c_s, c_m):
    (a, d), (c, n, g) = motion(c_s, c_m), current(c_s, c_m)
    return witness(solve_continuous_are(a.T, c.T, d, np.eye(2) / 2, s=n), g)


def in_parts(function, together):
    """The map in parts of some points: a part stays in the cache, and its loops end when it has converged."""
    return lambda *axes: jax.lax.map(lambda point: function(*point), axes, batch_size=together)


def timed(function, *arguments, often):
    """Time to compile and the shortest of a few runs [s each], and the result."""
    begin = time.perf_counter()
    compiled = jax.jit(function).lower(*arguments).compile()
    compiling, spent = time.perf_counter() - begin, []
    for _ in range(often):
        begin = time.perf_counter()
        result = jax.block_until_ready(compiled(*arguments))
        spent.append(time.perf_counter() - begin)
    return compiling, min(spent), np.asarray(result)


def verdict(reached):
    return "goal reached" if reached else "goal missed"


def report(name, function, peer, least):
    c_s, c_m = grid(SIDE)
    points = np.random.default_rng(SEED).choice(SIDE**2, SUBSET, replace=False)
    pairs = [(float(c_s[i]), float(c_m[i])) for i in points]
    begin = time.perf_counter()
    theirs = np.array([peer(*pair) for pair in pairs])
    each = (time.perf_counter() - begin) / SUBSET
    print(f"{name}, {SIDE} x {SIDE} points; SciPy takes {each * 1e3:.3g} ms per point")
    for way, whole in (("one call", jax.vmap(function)), (f"parts of {PART}", in_parts(function, PART))):
        compiling, spent, ours = timed(whole, c_s, c_m, often=OFTEN)
        ratio, apart = each * SIDE**2 / spent, np.abs(theirs / ours[points] - 1).max()
        print(
            f"  {way}: {spent:.3g} s (compiled in {compiling:.2g} s), {ratio:.0f} times faster, largest relative "
            f"difference {apart:.1e}; {verdict(ratio >= least)} (at least {least} times)"
        )
        assert apart < AGREEMENT, f"{name} differs from SciPy by {apart:.1e}"


print(
    f"{platform.machine()}, {os.cpu_count()} cores, {jax.default_backend()}, jax {jax.__version__}; peer timed on "
    f"{SUBSET} random points"
)
report("unconditional xi", xi_unconditional, peer_lyapunov, 30)
report("conditional xi", xi_conditional, peer_riccati, 80)
compiling, spent, _ = timed(in_parts(smallest_xi, PART), *grid(OPTIMISED), often=1)
print(
    f"smallest xi over both angles: {OPTIMISED} x {OPTIMISED} points in {spent:.3g} s, compiled in {compiling:.2g} s; "
    f"{verdict(spent < 60)} (under 60 s)"
)
