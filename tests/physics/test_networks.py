"""Relations every network keeps, whatever it is made of: 10 000 random networks of twelve topologies.

Each topology is built for all its parameters at once, then padded with a damped vacuum mode to three modes and with
dark ports to nine inputs, so that one compiled program solves all of them.
"""

from functools import cache

import numpy as np
import pytest

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.gaussian.components import (
    beam_splitter,
    loss,
    open_system,
    optomechanics,
    oscillator,
    parametric_oscillator,
    phase_shift,
    sideband_oscillator,
    spin_ensemble,
    squeezer,
)
from darkstate.gaussian.detection import homodyne, measurement
from darkstate.gaussian.linear_system import LinearSystem
from darkstate.gaussian.network import cascade, network
from darkstate.gaussian.state import GaussianState, two_mode_squeezed
from darkstate.solve.condition import condition, kalman_gain
from darkstate.solve.feedback import feedback
from darkstate.solve.steady_state import steady_state
from darkstate.witness.separability import log_negativity

SIDEBANDS = ("upper", "lower")
COUNT = 840
"""Networks per topology; twelve of them make 10 080."""


# ---- the topologies: p in (0, 1)^10 -> a network with one output to be measured ----


def single(p):
    return oscillator(
        "a", frequency=5 * p[0], passive=1 + p[1], active=p[2], damping=p[3], decoherence=p[3] / 2 + 3 * p[4]
    )


def side(name, p, negative):
    return sideband_oscillator(
        name, passive=1 + p[0], active=p[1], negative_mass=negative, damping=0.1 + p[2], decoherence=1 + 3 * p[3]
    )


def hybrid(p):
    path = loss("path", 0.5 * p[8], channels=SIDEBANDS)
    return cascade(side("S", p[:4], True), path, side("M", p[4:8], False), channels=SIDEBANDS)


def laboratory_pair(p):
    s = oscillator("S", frequency=-20 * p[0], passive=1 + p[1], active=p[2], damping=0.1, decoherence=1 + p[3])
    m = oscillator("M", frequency=20 * p[4], passive=1 + p[5], active=p[6], damping=0.1, decoherence=2 * p[7] + 1)
    return cascade(s, loss("path", 0.5 * p[8]), phase_shift("turn", phase=6 * p[9]), m)


def passive_pair(p):
    a = oscillator("a", frequency=4 * p[0] - 2, passive=0.2 + p[1], damping=p[2])
    b = oscillator("b", frequency=4 * p[3] - 2, passive=0.2 + p[4], damping=p[5])
    return cascade(a, loss("path", p[6]), phase_shift("turn", phase=6 * p[7]), b)


def passive_loop(p):
    """Two cavities in a ring that a beam splitter closes."""
    a, b = (oscillator(n, frequency=4 * f - 2, passive=0.2 + g) for n, f, g in (("a", p[0], p[1]), ("b", p[2], p[3])))
    ring = [("mix.b", "a.light"), ("a.light", "turn.light"), ("turn.light", "b.light"), ("b.light", "mix.b")]
    parts = beam_splitter("mix", transmission=0.9 * p[4]), a, phase_shift("turn", phase=6 * p[5]), b
    return network(*parts, links=ring)


def cooled_membrane(p):
    """A cavity red-detuned by the mechanical frequency, 5; the sideband cools more than it heats."""
    return optomechanics(
        "M", linewidth=1 + 3 * p[0], detuning=-5.0, coupling=0.3 * p[1], frequency=5.0, overcoupling=0.5 + p[2] / 2,
        damping=0.05 + 0.1 * p[3], decoherence=0.2 + p[4],
    )  # fmt: skip


def squeezed_drive(p):
    opo = parametric_oscillator("opo", linewidth=2.0, pump=0.9 * p[0], overcoupling=0.5 + p[1] / 2)
    atoms = oscillator("a", frequency=5 * p[2], passive=1 + p[3], active=p[4], damping=p[5])
    return cascade(opo, loss("path", p[6]), atoms)


def squeezed_optic(p):
    atoms = oscillator("a", frequency=3 * p[2], passive=1 + p[3], active=p[4], damping=p[5], decoherence=p[5] + p[6])
    return cascade(squeezer("sq", r=1.5 * p[0], angle=6 * p[1]), loss("path", p[7], occupation=p[8]), atoms)


def spin_and_oscillator(p):
    spin = spin_ensemble(
        "S", optical_depth=20 * p[0], scattering_rate=0.2, larmor_frequency=5.0, theta=np.pi / 4 + 0.7 * p[1],
        dark_linewidth=0.5, occupation=p[2],
    )  # fmt: skip
    m = oscillator("M", frequency=5 + p[3], passive=1 + p[4], active=p[5], damping=0.1, decoherence=1 + p[6])
    return cascade(spin, m)


def three_in_a_row(p):
    parts = [oscillator(n, frequency=6 * p[3 * k] - 3, passive=1 + p[3 * k + 1], active=p[3 * k + 2]) for k, n in
             enumerate("abc")]  # fmt: skip
    return cascade(*parts)


def entangled_beams(p, lost=(0.0, 0.0)):
    """Two squeezers mixed on a beam splitter; each beam is taken up by a cavity of its own after a loss."""
    k = {n: squeezer(n, r=0.2 + 1.2 * p[j], angle=a) for j, (n, a) in enumerate((("x", 0.0), ("y", np.pi / 2)))}
    takers = [oscillator(n, frequency=p[2 + j], passive=0.5 + p[4 + j]) for j, n in enumerate("ab")]
    ways = [loss(f"way{n}", amount) for n, amount in zip("ab", lost, strict=True)]
    mix = beam_splitter("mix", transmission=0.3 + 0.4 * p[6])
    links = [("x.light", "mix.a"), ("y.light", "mix.b"), ("mix.a", "waya.light"), ("mix.b", "wayb.light")]
    links += [("waya.light", "a.light"), ("wayb.light", "b.light")]
    return network(k["x"], k["y"], mix, *ways, *takers, links=links)


def hand_made(p):
    """Any quadratic Hamiltonian of two modes, damped in both."""
    seed = jnp.sin(97 * jnp.outer(p[:8], jnp.arange(1.0, 5)))  # numbers in (-1, 1)
    g = seed[:4] + seed[:4].T
    extra = 0.3 * seed[4:].reshape(4, 4)[:, :2]
    damped = [jnp.zeros((4, 2)).at[2 * k : 2 * k + 2].set(np.sqrt(8.0) * jnp.eye(2)) for k in (0, 1)]
    return open_system(("a", "b"), g, {"out": extra + damped[0], "bath": damped[1]})


TOPOLOGIES = {
    single: "a.light", hybrid: "M.upper", laboratory_pair: "M.light", passive_pair: "b.light",
    passive_loop: "mix.a", cooled_membrane: "M.light", squeezed_drive: "a.light", squeezed_optic: "a.light",
    spin_and_oscillator: "M.light", three_in_a_row: "c.light", entangled_beams: "b.light", hand_made: "out",
}  # fmt: skip
VACUUM = [passive_pair, passive_loop]
INPUTS = tuple(f"in{k}" for k in range(9))


def padded(system, output):
    """Three modes, nine inputs, one output; and the defect of the commutators before that."""
    q, u = system.drift.shape[0], system.coupling.shape[1]
    y = 2 * system.outputs.index(output) + np.arange(2)
    drift = -0.5 * jnp.eye(6)
    coupling = jnp.zeros((6, 18)).at[np.arange(q, 6), 12 + np.arange(q, 6)].set(1.0)
    return (
        LinearSystem(
            drift=drift.at[:q, :q].set(system.drift),
            coupling=coupling.at[:q, :u].set(system.coupling),
            output=jnp.zeros((2, 6)).at[:, :q].set(system.output[y]),
            feedthrough=jnp.zeros((2, 18)).at[:, :u].set(system.feedthrough[y]),
            input_noise=(jnp.eye(18) / 2).at[:u, :u].set(system.input_noise),
            force_noise=jnp.zeros((6, 6)).at[:q, :q].set(system.force_noise),
            modes=("1", "2", "3"),
            inputs=INPUTS,
            outputs=("out",),
        ),
        system.commutator_defect,
    )


@jax.jit
@jax.vmap
def solve_all(system, angle, efficiency):
    detector = homodyne("out", angle=angle, efficiency=efficiency)
    free, watched = steady_state(system, throw=False), condition(system, detector, throw=False)
    current = measurement(system, detector)
    gain = kalman_gain(system, current, watched.state.covariance)
    closed = steady_state(feedback(system, detector, gain=-gain), throw=False)
    return {
        "free": free.state.covariance,
        "watched": watched.state.covariance,
        "closed": closed.state.covariance,
        "known": gain @ current.noise @ gain.T,
        "drift": system.drift,
        "outcome": jnp.stack([free.outcome, watched.outcome]),
    }


@cache
def solved():
    """All networks [12 840 ...]."""
    rng = np.random.default_rng(21)
    built = []
    for topology, output in TOPOLOGIES.items():
        p = jnp.asarray(rng.uniform(0, 1, (COUNT, 10)))
        built.append(jax.jit(jax.vmap(lambda p, t=topology, o=output: padded(t(p), o)))(p))
    systems, defects = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *built)
    angle, efficiency = rng.uniform(0, np.pi, 12 * COUNT), rng.uniform(0.3, 1.0, 12 * COUNT)
    found = solve_all(systems, jnp.asarray(angle), jnp.asarray(efficiency))
    return {k: np.asarray(v) for k, v in found.items()} | {"defect": np.asarray(defects)}


def largest(v):
    return np.abs(v).max((-2, -1))


def test_all_networks_are_solved():
    assert len(solved()["free"]) >= 10_000
    codes, counts = np.unique(solved()["outcome"], return_counts=True)
    assert dict(zip(codes.tolist(), counts.tolist(), strict=True)) == {0: 24 * COUNT}


def test_commutators_are_kept():
    assert solved()["defect"].max() <= 1e-12


@pytest.mark.parametrize("kind", ["free", "watched"])
def test_uncertainty_relation_holds(kind):
    """V + i Omega/2 >= -1e-12 |V| for the unconditional and the conditional state."""
    v = solved()[kind]
    omega = np.kron(np.eye(3), [[0.0, 1.0], [-1.0, 0.0]])
    lowest = np.linalg.eigvalsh(v + 0.5j * omega)[:, 0]
    assert (lowest / largest(v)).min() >= -1e-12


def test_law_of_total_variance():
    """V_unc = V_cond + Cov(means): the means move as dm = A m dt + K dnu, <dnu dnu^T> = R dt, solved by NumPy."""
    found = solved()
    a, eye = found["drift"], np.eye(6)
    kronecker = np.einsum("nij,kl->nikjl", a, eye) + np.einsum("ij,nkl->nikjl", eye, a)
    known = np.linalg.solve(kronecker.reshape(-1, 36, 36), -found["known"].reshape(-1, 36, 1)).reshape(-1, 6, 6)
    apart = found["free"] - found["watched"] - known
    assert (largest(apart) / largest(found["free"])).max() < 1e-9
    # a record never makes anything less certain
    assert (np.linalg.eigvalsh(known)[:, 0] / largest(found["free"])).min() > -1e-12


def test_feedback_with_the_kalman_gain_makes_the_conditional_state():
    """A' = A - K C, D' = D - K N^T - N K^T + K R K^T: V_unc of it is V_cond."""
    found = solved()
    assert (largest(found["closed"] - found["watched"]) / largest(found["watched"])).max() < 1e-8


@pytest.mark.parametrize("topology", VACUUM)
def test_passive_networks_in_vacuum_stay_in_vacuum(topology):
    k = list(TOPOLOGIES).index(topology) * COUNT
    for kind in ("free", "watched"):
        assert np.abs(solved()[kind][k : k + COUNT] - np.eye(6) / 2).max() < 1e-10


def test_loss_never_raises_the_negativity():
    """Two entangled beams, each taken up by a cavity behind a loss of its own; loss before a passive cavity is loss of
    the cavity's mode, so V -> T V T + (1 - T^2)/2 with T^2 = diag of what is left: the engine must give that."""

    @jax.jit
    @jax.vmap
    def states(p, lost):
        return steady_state(entangled_beams(p, lost), throw=False).state.covariance

    rng = np.random.default_rng(22)
    p = np.repeat(rng.uniform(0, 1, (200, 10)), 3, axis=0)
    lost = rng.uniform(0, 1, (200, 2))
    steps = np.stack([np.zeros((200, 2)), lost * [1, 0], lost], axis=1).reshape(-1, 2)
    v = np.asarray(states(jnp.asarray(p), jnp.asarray(steps))).reshape(200, 3, 4, 4)
    t = np.sqrt(1 - np.repeat(lost, 2, axis=1))
    want = t[:, :, None] * v[:, 0] * t[:, None, :] + (1 - t**2)[:, :, None] * np.eye(4) / 2
    assert v[:, 2] == pytest.approx(want, abs=1e-12)
    nats = np.asarray(log_negativity(GaussianState(jnp.zeros((200, 3, 4)), jnp.asarray(v), ("a", "b")), "a").nats)
    assert (nats[:, 0] > 0).sum() > 100  # cavities of unequal frequency hold light that is not entangled
    assert np.all(np.diff(nats, axis=1) <= 1e-12)


# ---- joining ----


def same(one, other):
    """Equal systems up to the order of their modes and ports."""

    def order(names, wanted):
        return np.array([2 * names.index(n) + k for n in wanted for k in (0, 1)], int)

    x, u, y = (order(getattr(other, n), getattr(one, n)) for n in ("modes", "inputs", "outputs"))
    for name, (r, c) in {"drift": (x, x), "coupling": (x, u), "output": (y, x), "feedthrough": (y, u),
                         "input_noise": (u, u), "force_noise": (x, x)}.items():  # fmt: skip
        left, right = np.asarray(getattr(one, name)), np.asarray(getattr(other, name))[np.ix_(r, c)]
        assert left == pytest.approx(right, abs=1e-12)


def test_joining_is_associative():
    """In a row, and around a ring closed in two orders."""
    parts = [side("S", [0.3, 0.6, 0.2, 0.5], True), loss("path", 0.3, occupation=0.2, channels=SIDEBANDS),
             side("M", [0.7, 0.1, 0.4, 0.9], False)]  # fmt: skip
    a, b, c = parts
    left = cascade(cascade(a, b, channels=SIDEBANDS), c, channels=SIDEBANDS)
    same(left, cascade(a, cascade(b, c, channels=SIDEBANDS), channels=SIDEBANDS))
    same(left, cascade(a, b, c, channels=SIDEBANDS))
    opo, mix = parametric_oscillator("o", linewidth=2.0, pump=0.3), beam_splitter("mix", transmission=0.4)
    first, second = ("mix.b", "o.light"), ("o.light", "mix.b")
    same(network(opo, mix, links=[first, second]), network(network(mix, opo, links=[second]), links=[first]))


def test_passive_loop_against_the_direct_formula():
    """Light from port b of a beam splitter goes back into b through a phase: with t, r amplitudes, e = e^{i phi},
    a_out = [t - r^2 e/(1 - t e)] a. With a cavity c of rate Gamma in the loop the light in front of it is
    -(i t sqrt(Gamma) c + r a)/(1 - t), so that c decays at (Gamma/2)(1 + t)/(1 - t)."""
    t, phi = 0.6, 0.7
    r, e = np.sqrt(1 - t**2), np.exp(1j * phi)
    loop = network(
        beam_splitter("mix", transmission=t**2), phase_shift("turn", phase=phi),
        links=[("mix.b", "turn.light"), ("turn.light", "mix.b")],
    )  # fmt: skip
    z = t - r**2 * e / (1 - t * e)
    assert abs(z) == pytest.approx(1.0, abs=1e-15)
    want = [[z.real, -z.imag], [z.imag, z.real]]
    assert np.asarray(loop.feedthrough) == pytest.approx(np.array(want), abs=1e-12)
    cavity = network(
        beam_splitter("mix", transmission=t**2), oscillator("c", frequency=0.0, passive=1.5),
        links=[("mix.b", "c.light"), ("c.light", "mix.b")],
    )  # fmt: skip
    assert np.asarray(cavity.drift) == pytest.approx(-0.75 * (1 + t) / (1 - t) * np.eye(2), abs=1e-12)


# ---- engineered reservoirs ----


def test_reservoirs_of_001_make_the_two_mode_squeezed_state():
    """001 Eq. (2), App. A: A = mu a + nu b^dag and B = mu b + nu a^dag, each decaying into a bath of its own, at any
    rates kappa_A, kappa_B, leave the two-mode squeezed state with mu = cosh r."""

    @jax.jit
    @jax.vmap
    def covariance(r, rate_a, rate_b):
        mu, nu = jnp.cosh(r) * jnp.eye(2), jnp.sinh(r) * jnp.diag(jnp.array([1.0, -1.0]))
        couplings = {
            "A": jnp.sqrt(rate_a) * jnp.concatenate([mu, nu]),
            "B": jnp.sqrt(rate_b) * jnp.concatenate([nu, mu]),
        }
        found = steady_state(open_system(("a", "b"), jnp.zeros((4, 4)), couplings), throw=False)
        return found.state.covariance, two_mode_squeezed("a", "b", r).covariance, found.outcome

    rng = np.random.default_rng(23)
    r, rates = rng.uniform(0.1, 2.0, 100), np.exp(rng.uniform(-2, 2, (2, 100)))
    found, want, outcome = map(np.asarray, covariance(jnp.asarray(r), *jnp.asarray(rates)))
    assert not outcome.any()
    # the steady states' tolerance; rates up to cosh^2(2) e^4 = 770 apart cost three digits
    assert (largest(found - want) / largest(want)).max() < 1e-10


def test_delay_inside_a_loop_is_refused():
    with pytest.raises(ArgumentError, match="delays cannot be taken out"):
        network(
            beam_splitter("mix", transmission=0.5), oscillator("c", frequency=0.0, passive=1.0),
            links=[("mix.b", "c.light", 1e-3), ("c.light", "mix.b")],
        )  # fmt: skip
