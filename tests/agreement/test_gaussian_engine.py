"""The solvers of linear systems against SciPy: steady states, filters, delays, feedback, gradients, and outcomes.

The random networks and SciPy's answers come from the oracle, which imports nothing of darkstate.
"""

import dataclasses
from functools import cache

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import expm

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError, Outcome
from darkstate.gaussian.components import open_system, oscillator, sideband_oscillator
from darkstate.gaussian.detection import homodyne, measurement
from darkstate.gaussian.network import cascade
from darkstate.solve.condition import condition, kalman_gain
from darkstate.solve.evolve import evolve
from darkstate.solve.feedback import regulate
from darkstate.solve.steady_state import steady_state
from oracles import gaussian as ga

SIZES = {(1, 2): 60, (2, 2): 60, (3, 2): 40, (4, 3): 40}
"""Random networks per (modes, channels): 200; every fourth one ideal (vacuum in, perfect detectors)."""


def relative(found, want):
    return np.abs(found - want).max() / np.abs(want).max()


def build(g, m, noise, angle, efficiency):
    """The network of the oracle's H = x^T G x/2 + x^T M u, and its detectors."""
    ports = [f"c{k}" for k in range(m.shape[1] // 2)]
    modes = tuple(f"m{k}" for k in range(m.shape[0] // 2))
    system = open_system(modes, g, {port: m[:, 2 * k : 2 * k + 2] for k, port in enumerate(ports)})
    for k, port in enumerate(ports):
        system = system.with_input(port, occupation=noise[2 * k, 2 * k] - 0.5)
    return system, [homodyne(p, angle=angle[k], efficiency=efficiency[k]) for k, p in enumerate(ports)]


@jax.jit
@jax.vmap
def solve_all(*numbers):
    system, detectors = build(*numbers)
    free, watched = steady_state(system, throw=False), condition(system, *detectors, throw=False)
    defect = system.commutator_defect
    return free.state.covariance, watched.state.covariance, free.outcome, watched.outcome, defect


@cache
def random_networks(size):
    rng = np.random.default_rng(sum(size))
    drawn = [ga.random_open_system(rng, *size, perfect=k % 4 == 0) for k in range(SIZES[size])]
    angles = [np.arctan2(*(s.detector @ np.tile(np.eye(2), size[1]).T).T[::-1]) for s in drawn]
    stacks = [np.stack([getattr(s, n) for s in drawn]) for n in ("G", "M", "noise")]
    numbers = (*stacks, np.stack(angles), np.stack([s.efficiency for s in drawn]))
    return drawn, numbers, [np.asarray(x) for x in solve_all(*map(jnp.asarray, numbers))]


@pytest.mark.parametrize("size", [*SIZES][:2] + [pytest.param(s, marks=pytest.mark.slow) for s in [*SIZES][2:]])
def test_random_networks_against_scipy(size):
    """Lyapunov 1e-10, Riccati with cross term 1e-8 of the largest element; no good network is refused."""
    drawn, _, (free, watched, *outcomes, defect) = random_networks(size)
    worst = [0.0, 0.0]
    for k, s in enumerate(drawn):
        want = ga.lyapunov(s.A, s.D), ga.care(s.A, s.D, *s.measurement)
        worst = [max(w, relative(f[k], v)) for w, f, v in zip(worst, (free, watched), want, strict=True)]
    assert worst[0] < 1e-10
    assert worst[1] < 1e-8
    assert defect.max() < 1e-13
    assert [np.flatnonzero(o).tolist() for o in outcomes] == [[], []]


def test_nearly_defective_drift():
    """Matched oscillators (sheet): drift [[-1, 0], [R, -1 - delta]] for delta from 0 to 1e-3, by SciPy's exponential.

    V = integral e^{A t} D e^{A^T t} dt, doubled from a short step (Van Loan); eigenvectors would lose all digits.
    """
    gaps = np.array([0.0, 1e-15, 1e-12, 1e-9, 1e-7, 1e-5, 1e-3])

    @jax.jit
    @jax.vmap
    def solved(gap):
        s = sideband_oscillator("S", passive=1.5, active=0.5, negative_mass=True, damping=1.0, decoherence=2.0)
        m = sideband_oscillator("M", passive=3.0, active=1.5, damping=0.5 + gap, decoherence=3.0)
        system = cascade(s, m, channels=("upper", "lower"))
        found = steady_state(system, throw=False)
        return system.drift, system.diffusion, found.state.covariance, found.outcome

    drift, diffusion, v, outcome = map(np.asarray, solved(gaps))
    assert not outcome.any()
    assert drift[0, 0, 0] == pytest.approx(drift[0, 2, 2], rel=1e-15)
    for a, d, found in zip(drift, diffusion, v, strict=True):
        block = expm(np.block([[-a, d], [np.zeros((4, 4)), a.T]]) / 16)
        flow = block[4:, 4:].T
        want = flow @ block[:4, 4:]
        for _ in range(12):
            want, flow = flow @ want @ flow.T + want, flow @ flow
        assert relative(found, want) < 1e-12


# ---- outcomes: 200 systems that have no answer, or one that cannot be trusted ----


def two_modes(p):
    """S: watched, damped at p0, driven at p1; M: apart from it, damped at p2, driven at p3; scale of B by p4."""
    s = oscillator("S", frequency=1.0, passive=p[0], active=p[1], damping=0.1)
    m = oscillator("M", frequency=1.3, passive=p[2], active=p[3], damping=0.1)
    both = cascade(s, m, channels=("bath",))
    return dataclasses.replace(both, coupling=both.coupling * p[4])


@jax.jit
@jax.vmap
def outcomes_of(p):
    system = two_modes(p)
    seen = condition(system, homodyne("S.light"), throw=False)
    return jnp.stack([steady_state(system, throw=False).outcome, seen.outcome])


def test_every_bad_system_gets_its_code():
    rng = np.random.default_rng(31)
    good = np.column_stack([rng.uniform(1, 2, (200, 1)), rng.uniform(0, 0.9, 200), rng.uniform(1, 2, 200),
                            rng.uniform(0, 0.9, 200), np.ones(200)])  # fmt: skip
    bad = good.copy()
    bad[:50, 3] = bad[:50, 2] + rng.uniform(0.2, 2, 50)  # M grows, and no detector sees it
    bad[50:100, 1] = bad[50:100, 0] + rng.uniform(0.2, 2, 50)  # S grows; its light is watched
    bad[100:150, rng.integers(0, 4)] = np.where(np.arange(50) % 2, np.nan, np.inf)  # no numbers
    bad[150:, 4] = rng.uniform(0.1, 0.8, 50)  # damping without its noise: commutators decay
    want = np.repeat([[4, 4], [4, 0], [-1, -1], [2, 2]], 50, axis=0)
    codes = np.asarray(outcomes_of(jnp.asarray(bad)))
    # what is no number must be refused; as what, the order of severity decides
    assert np.all(codes[100:150] >= Outcome.not_converged)
    wrong = (codes != want) & (want >= 0)
    assert np.argwhere(wrong).tolist() == []
    assert np.flatnonzero(np.asarray(outcomes_of(jnp.asarray(good))).any(1)).tolist() == []


def test_rounding_is_an_outcome():
    """Passive and active rates G + 1 and G, damping 1/2: the width 3/2 is a difference of ever larger numbers.

    var P = [(sqrt(G+1) + sqrt(G))^2/2 + 1/4]/(3/2) exactly; where the outcome is ok it must hold to the 1e-8 that
    `checks["rounding"]` promises.
    """
    rates = 10.0 ** np.arange(2, 15)

    @jax.jit
    @jax.vmap
    def solved(rate):
        found = steady_state(oscillator("S", frequency=0.0, passive=rate + 1, active=rate, damping=0.5), throw=False)
        return found.state.covariance[1, 1], found.outcome

    found, outcome = map(np.asarray, solved(rates))
    want = ((np.sqrt(rates + 1) + np.sqrt(rates)) ** 2 / 2 + 0.25) / 1.5
    assert outcome[0] == 0
    believed = outcome == Outcome.ok
    assert np.abs(found / want - 1)[believed].max() < 1e-8


# ---- gradients ----


@pytest.mark.parametrize("kind", ["free", "watched"])
def test_gradients_are_central_differences(kind):
    """Of a random linear functional of V, along random changes of H, couplings, inputs, angles and efficiencies.

    Richardson from steps h and 2h leaves h^4 = 1e-12 and rounding 1e-14/h = 1e-11 times the size of the derivatives.
    """
    rng = np.random.default_rng(33)
    _, numbers, _ = random_networks((2, 2))
    keep = np.flatnonzero((numbers[-1] < 1).all(1))[:20]
    chosen = [jnp.asarray(n[keep]) for n in numbers]
    change = [jnp.asarray(rng.normal(size=n.shape)) for n in chosen]
    change[2] = jnp.asarray(np.eye(4) * np.repeat(rng.normal(size=(20, 1, 2)), 2, axis=2))
    weights = jnp.asarray(rng.normal(size=(4, 4)))

    def value(t, one, along):
        system, detectors = build(*[n + t * c for n, c in zip(one, along, strict=True)])
        found = steady_state(system, throw=False) if kind == "free" else condition(system, *detectors, throw=False)
        return (weights * found.state.covariance).sum()

    both = jax.jit(jax.vmap(jax.value_and_grad(value), in_axes=(None, 0, 0)))
    gradient = np.asarray(both(0.0, chosen, change)[1])
    h = 1e-3
    at = {k: np.asarray(both(k * h, chosen, change)[0]) for k in (-2, -1, 1, 2)}
    central = (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * h)
    assert gradient == pytest.approx(central, rel=1e-6, abs=1e-6)


# ---- over time, with delays, with feedback ----


def test_evolution_in_stages_and_driven():
    """Two stages: SciPy's exponential in each; the same as a function of time, to its stated tolerance."""
    _, numbers, _ = random_networks((2, 2))
    one, two = jax.jit(lambda: [build(*[jnp.asarray(n[k]) for n in numbers])[0] for k in (1, 2)])()
    times = np.array([0.0, 0.3, 0.7, 1.5])
    v, t, want = np.eye(4) / 2, 0.0, []
    for until in times:
        for a, d, end in ((one.drift, one.diffusion, 0.5), (two.drift, two.diffusion, np.inf)):
            step = min(until, end) - t
            if step > 0:
                block = expm(np.block([[-np.asarray(a), np.asarray(d)], [np.zeros((4, 4)), np.asarray(a).T]]) * step)
                flow = block[4:, 4:].T
                v, t = flow @ v @ flow.T + flow @ block[:4, 4:], t + step
        want.append(v)
    found = evolve([(one, 0.5), (two, 1.0)], times).state.covariance
    assert relative(np.asarray(found), np.stack(want)) < 1e-12


def test_delay_in_a_cascade_against_a_two_time_integral():
    """S at time t and M at time t, with light that takes d from S to M. By hand from 004 Eq. (6): M holds the light and
    the S of d earlier, so with c = 2R/(gamma_M - gamma_S)

    cov(X_S, X_M) = integral_0^inf e^{-gamma_S (s+d)/2} [D_SM h_M + D_SS c (h_S - h_M)] ds, h_j = e^{-gamma_j s/2}
    """
    delay, turn = 0.37, np.diag([1.0, -1.0])

    def joined(delays):
        s = sideband_oscillator("S", passive=1.5, active=0.8, negative_mass=True, damping=0.4, decoherence=1.0)
        m = sideband_oscillator("M", passive=3.0, active=1.0, damping=0.2, decoherence=2.0)
        return cascade(s, m, channels=("upper", "lower"), delays=delays)

    both = jax.jit(lambda: [steady_state(joined(t), throw=False).state.covariance for t in ([delay], [0.0])])
    v, v0 = map(np.asarray, both())
    gamma_s, gamma_m = 0.4 + 0.7, 0.2 + 2.0
    r = np.sqrt(1.5 * 1.0) - np.sqrt(3.0 * 0.8)
    d_ss, d_sm = 2.3 / 2 + 1.0, -(np.sqrt(1.5 * 1.0) + np.sqrt(0.8 * 3.0)) / 2
    c = 2 * r / (gamma_m - gamma_s)

    def kernel(t):
        own, other = np.exp(-gamma_s * t / 2), np.exp(-gamma_m * t / 2)
        return np.exp(-gamma_s * (t + delay) / 2) * (d_sm * other + d_ss * c * (own - other))

    want = quad(kernel, 0, np.inf, epsabs=1e-12)[0]
    assert v[:2, 2:] == pytest.approx(want * turn, abs=1e-10)
    # each alone does not know of the way between them
    assert v[:2, :2] == pytest.approx(v0[:2, :2], abs=1e-13)
    assert v[2:, 2:] == pytest.approx(v0[2:, 2:], abs=1e-13)
    with pytest.raises(ArgumentError, match="condition takes no delays"):
        jax.jit(lambda: condition(joined([delay]), homodyne("M.upper")))()


def test_free_control_with_delay():
    """X decays at gamma = 2 from the conditional sqrt(3)/2 towards 1: 1 + (sqrt(3)/2 - 1) e^{-gamma delay}, by hand."""
    delays = np.array([0.0, 0.1, 1.0, 20.0])

    @jax.jit
    @jax.vmap
    def late(delay):
        atoms = oscillator("S", frequency=0.0, passive=1.0, damping=1.0, decoherence=1.5)
        detector = homodyne("S.light", angle=np.pi / 2)
        return regulate(atoms, detector, cost=np.eye(2), delay=delay, throw=False).state.covariance

    v = np.asarray(late(delays))
    assert v[:, 0, 0] == pytest.approx(1 + (np.sqrt(3) / 2 - 1) * np.exp(-2 * delays), rel=1e-10)
    assert v[:, 1, 1] == pytest.approx(np.ones(4), rel=1e-10)


def test_costly_control_is_the_lyapunov_equation_of_system_and_estimate():
    """dx = (A x - B L m) dt + dw, dm = (A - B L) m dt + K (dY - C m dt) joined in one Lyapunov equation by SciPy, with
    L from SciPy's Riccati equation; between the conditional and the free state, and best of the gains around it."""
    drawn, numbers, (free, watched, *_) = random_networks((2, 2))
    k = 1
    b, effort, cost = np.eye(4)[:, :2], np.diag([0.1, 0.3]), np.diag([1.0, 2.0, 0.5, 1.0])

    @jax.jit
    def solved():
        system, detectors = build(*[jnp.asarray(n[k]) for n in numbers])
        found = regulate(system, *detectors, cost=cost, actuators=b, effort=effort, throw=False)
        current = measurement(system, *detectors)
        gain = kalman_gain(system, current, jnp.asarray(watched[k]))
        return found.state.covariance, gain, current.output, current.correlation, current.noise

    found, gain, c, n, r = map(np.asarray, solved())
    a, d = drawn[k].A, drawn[k].D
    best = np.linalg.solve(effort, b.T @ ga.care(a.T, cost, b.T, np.zeros_like(b), effort))

    def run(control):
        joint = np.block([[a, -b @ control], [gain @ c, a - b @ control - gain @ c]])
        noise = np.block([[d, n @ gain.T], [gain @ n.T, gain @ r @ gain.T]])
        v = ga.lyapunov(joint, noise)
        return v[:4, :4], np.trace(cost @ v[:4, :4]) + np.trace(control.T @ effort @ control @ v[4:, 4:])

    v, price = run(best)
    assert relative(found, v) < 1e-9
    assert np.trace(cost @ watched[k]) < np.trace(cost @ v) < np.trace(cost @ free[k])
    for other in (best * 1.1, best * 0.9, 0 * best):
        assert run(other)[1] > price
