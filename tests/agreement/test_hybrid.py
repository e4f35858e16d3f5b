"""The hybrid cascade of 004 by the network engine, against its closed form, an independent oracle and its limits.

"Sheet" is the physics sheet on Gaussian networks; 004 is [Huang2018]. The oracle imports nothing of darkstate.
"""

from functools import cache, partial

import numpy as np
import pytest

from darkstate.backend import jax, jnp
from darkstate.experiments.hybrid_rates import HybridRates, OscillatorRates
from darkstate.experiments.labfile import load, shipped_labs
from darkstate.experiments.spin_mechanics import Detection, Mechanics, Path, Spin, SpinMechanics
from darkstate.gaussian.closed_forms import cascade_xi
from darkstate.gaussian.components import sideband_oscillator
from darkstate.gaussian.network import cascade, network
from darkstate.gaussian.state import GaussianState
from darkstate.solve.condition import condition
from darkstate.solve.optimum import optimum
from darkstate.solve.steady_state import steady_state
from darkstate.witness.epr import best_gain, epr_variance
from darkstate.witness.separability import log_negativity
from oracles import gaussian_cascade as ca
from oracles import gaussian_reference as ref

CASES = {"cs10": (10.0, 0.0), "cs100": (100.0, 0.0), "cs10-loss": (10.0, 0.1), "cs100-loss": (100.0, 0.1)}
SIDEBANDS = ("upper", "lower")


@cache
def lab(case, frequency=None):
    extra = [] if frequency is None else [f"field.frequency={frequency} MHz"]
    return load(shipped_labs()["huang2018"], case=case, overrides=extra).experiment


def xi(state, gain):
    return np.asarray(epr_variance(state, gain).value)


def rates(c_s, c_m, theta_s, theta_m, loss, n_s=1.0, r=4 / 3):
    """004 Fig. 3 in units of gt_S: gamma_S0 = 1/(n_S + 1/2), gt_M = r, gamma_M0 -> 0."""
    spin = OscillatorRates(rate=c_s, theta=theta_s, linewidth=1 / (n_s + 0.5), decoherence=1.0)
    return HybridRates(spin, OscillatorRates(rate=r * c_m, theta=theta_m, linewidth=0.0, decoherence=r), loss)


# ---- one compiled program for many hybrids, one for many optima ----


def experiment(p):
    """Rate, angle, linewidth, gt of S, then of M; loss, efficiency, homodyne angle."""
    spin = Spin(rate=p[0], theta=p[1], linewidth=p[2], occupation=p[3] / p[2] - 0.5)
    mechanics = Mechanics(rate=p[4], theta=p[5], linewidth=p[6], decoherence=p[7])
    return SpinMechanics(
        spin=spin, mechanics=mechanics, path=Path(loss=p[8]), detection=Detection(efficiency=p[9], angle=p[10])
    )


def row_of(h, efficiency=1.0, angle=0.0):
    sides = [getattr(o, f) for o in (h.spin, h.motion) for f in ("coupling", "theta", "damping", "thermal")]
    return [*sides, h.loss, efficiency, angle]


@jax.jit
@jax.vmap
def engine(p):
    e = experiment(p)
    free, watched = steady_state(e.model(), throw=False), condition(e.model(), e.detector(), throw=False)
    unwatched, closed = epr_variance(free.state, e.gain).value, cascade_xi(e.rates, e.gain)
    return {
        "free": free.state.covariance,
        "watched": watched.state.covariance,
        "outcome": jnp.stack([free.outcome, watched.outcome]),
        "gain": e.gain,
        "xi": unwatched,
        "closed": closed,
    }


def free_optimum(c_s, loss, n_s, r, widest):
    """(theta_S, theta_M, log C_M) and xi with the read-out gain; the angles end at pi/4 + widest."""

    def value(x):
        pair = rates(c_s, jnp.exp(x[2]), x[0], x[1], loss, n_s, r)
        return cascade_xi(pair, pair.readout_gain)

    # gamma_S > 0 ends the box below; Gamma_M from a hundredth to a thousand times Gamma_S, as in the oracle.
    lowest, equal = jnp.arccos(jnp.minimum(1.0, 1 / (n_s + 0.5) / c_s)) / 2, jnp.log(c_s / r)
    low = jnp.stack([lowest, jnp.asarray(np.pi / 4), equal - np.log(100.0)])
    high = jnp.stack([np.pi / 4 + widest, np.pi / 4 + widest, equal + np.log(1000.0)])
    return optimum(value, low, high, starts=24)


def same_angle_optimum(c_s, loss, n_s, r, widest):
    """theta_S = theta_M, so R = 0: (theta, log C_M) and xi."""

    def value(x):
        pair = rates(c_s, jnp.exp(x[1]), x[0], x[0], loss, n_s, r)
        return cascade_xi(pair, pair.readout_gain)

    equal = jnp.log(c_s / r)
    low = jnp.stack([jnp.asarray(np.pi / 4), equal - np.log(100.0)])
    return optimum(value, low, jnp.stack([np.pi / 4 + widest, equal + np.log(1000.0)]), starts=24)


STRONG, LOSSY = (1e3, 1e5, 1e7), (0.1, 0.3)
BATHS, HUGE = ((1.0, 4 / 3), (0.2, 0.5)), (1e4, 1e6)
LOSSES = np.linspace(0, 0.6, 7)
FAMILIES = {
    "table": [(*key, 1.0, 4 / 3, np.pi / 4) for key in CASES.values()],
    "bounds": [(c, eps, 1.0, 4 / 3, np.pi / 4) for c in STRONG for eps in LOSSY],
    # the optimum lies within 10/sqrt(C_S) of pi/4
    "asymptotes": [(c, 0.0, *bath, 10 / np.sqrt(c)) for c in HUGE for bath in BATHS],
    "losses": [(c, eps, 1.0, 4 / 3, np.pi / 4) for c in (30.0, 300.0) for eps in LOSSES],
}


@cache
def optima(kind):
    """Optima of all families [p]: places and values by family name; every one confirmed by 24 searches."""
    search = {"free": free_optimum, "same angle": same_angle_optimum}[kind]
    columns = np.array([row for family in FAMILIES.values() for row in family]).T
    x, value = map(np.asarray, jax.jit(jax.vmap(search))(*columns))
    ends = np.cumsum([len(family) for family in FAMILIES.values()])[:-1]
    return dict(zip(FAMILIES, zip(np.split(x, ends), np.split(value, ends), strict=True), strict=True))


@cache
def solved():
    """The engine at 200 random points (loss to 0.6, efficiency 0.2 to 1, all homodyne angles), at the table, and at the
    optimum of C_S = 1e4."""
    rng = np.random.default_rng(17)
    drawn = [ca.random_hybrid(rng) for _ in range(200)]
    efficiency = np.where(np.arange(200) % 5 == 0, 1.0, rng.uniform(0.2, 1, 200))
    angle = np.choose(np.arange(200) % 3, [np.zeros(200), np.full(200, np.pi / 2), rng.uniform(0, np.pi, 200)])
    theta_s, theta_m, log_c = optima("free")["asymptotes"][0][0]
    strong = ref.hybrid(1e4, np.exp(log_c), theta_s, theta_m)
    p = [row_of(h, e, a) for h, e, a in zip(drawn, efficiency, angle, strict=True)]
    p += [row_of(ref.at_optimum(key)) for key in CASES.values()] + [row_of(strong)]
    return drawn, efficiency, angle, {k: np.asarray(v) for k, v in engine(jnp.asarray(p)).items()}


# ---- the reference table ----


@pytest.mark.parametrize("case", CASES)
def test_engine_gives_the_table(case):
    """Sheet: xi = 0.351572, 0.115985, 0.398994, 0.203128 at the angles and C_M of the lab file."""
    k = 200 + list(CASES).index(case)
    found = solved()[3]
    assert found["xi"][k] == pytest.approx(ref.SHEET[CASES[case]][0], abs=1e-5)
    # engine = closed form, Eqs. (7), (8)
    assert found["xi"][k] == pytest.approx(found["closed"][k], rel=1e-10)
    # the lab file holds these numbers, in 1/s
    e, h = lab(case), ref.at_optimum(CASES[case], spin_thermal=1.5 * 2 * np.pi * 5e3)
    want = [h.spin.coupling, h.motion.coupling, h.gain]
    assert [e.rates.first.rate, e.rates.second.rate, e.gain] == pytest.approx(want)
    assert float(cascade_xi(e.rates, e.gain)) == pytest.approx(found["closed"][k], rel=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_table_is_optimal(case):
    """24 local searches find the sheet's angles to 1e-3 (its last digit: 1e-5), C_M to 1 %, and no lower xi."""
    want_xi, theta_s, theta_m, c_m, want_same, _ = ref.SHEET[CASES[case]]
    k = list(CASES).index(case)
    (x, value), (_, same) = optima("free")["table"], optima("same angle")["table"]
    assert x[k, :2] == pytest.approx([theta_s, theta_m], abs=1e-3)
    assert np.exp(x[k, 2]) == pytest.approx(c_m, rel=1e-2)
    # R = 0 column: 0.666061, 0.214666, 0.744994, 0.385134; the sheet has six digits
    assert [value[k], same[k]] == pytest.approx([want_xi, want_same], abs=1e-6)


@pytest.mark.slow
def test_conditional_column():
    """Sheet, re-optimised with the light measured: 0.347547, 0.113763, 0.395714, 0.201893, through `condition`.

    With ideal detection theta_M is a gauge (sheet), so it stays where the unconditional optimum has it.
    """

    def search(p):
        def value(x):
            e = experiment(p.at[1].set(x[0]).at[4].set(jnp.exp(x[1])))
            return epr_variance(condition(e.model(), e.detector(), throw=False).state, e.gain).value

        lowest, middle = jnp.arccos(p[2] / p[0]) / 2, jnp.log(p[4])  # gamma_S > 0
        low, high = jnp.stack([lowest, middle - 3]), jnp.stack([np.pi / 4 + 0.2, middle + 3])
        return optimum(value, low, high, starts=2, scan=32)[1]

    keys = list(CASES.values())
    found = np.asarray(jax.jit(jax.vmap(search))(jnp.asarray([row_of(ref.at_optimum(key)) for key in keys])))
    assert found == pytest.approx([ref.SHEET[key][5] for key in keys], abs=1e-6)


# ---- engine and oracle at random parameters ----


def test_engine_is_the_oracle_at_random_parameters():
    """Relative to the largest element of V: 1e-10 for the steady state, 1e-8 for SciPy's Riccati equation."""
    drawn, efficiency, angle, found = solved()
    assert not found["outcome"].any()
    worst = np.zeros(2)
    for k, h in enumerate(drawn):
        want = ca.steady(ca.rotating(h)), ca.conditional(h, phase=np.pi / 2 - angle[k], efficiency=efficiency[k])
        pairs = zip((found["free"][k], found["watched"][k]), want, strict=True)
        worst = np.maximum(worst, [np.abs(f - w).max() / np.abs(w).max() for f, w in pairs])
        assert found["gain"][k] == pytest.approx(h.gain, rel=1e-12)
    assert worst[0] < 1e-10
    assert worst[1] < 1e-8


def test_negativity_is_minus_log_of_the_best_xi():
    """Sheet: exactly so in the rotating-wave model, at any parameters."""
    v = solved()[3]["free"]
    state = GaussianState(jnp.zeros((len(v), 4)), jnp.asarray(v), ("S", "M"))
    best = xi(state, best_gain(state))
    assert (best < 1).sum() > 15  # 15 random ones, the table and the strong one: 20
    want = np.where(best < 1, -np.log(best), 0.0)
    assert np.asarray(log_negativity(state, "S").nats) == pytest.approx(want, abs=1e-9)


# ---- limits ----


def test_loss_bounds_are_approached_from_above():
    """004: xi >= sqrt(eps/(4 - 3 eps)); sheet: sqrt(1 - [4(1-eps)/(1+sqrt(1-eps))^2]^2) for R = 0; eps = 0.1, 0.3."""
    for kind, bound in (("free", ref.loss_bound), ("same angle", ref.loss_bound_same_angle)):
        value = optima(kind)["bounds"][1].reshape(3, 2)
        above = value / [bound(eps) for eps in LOSSY] - 1
        assert np.all(above > 0)
        # corrections fall as 1/sqrt(C_S) or faster: by a factor 8 and more for 100 times the cooperativity
        assert np.all(above[1:] < above[:-1] / 8)
        assert np.all(above[-1] < 1e-3)


@pytest.mark.parametrize(("kind", "limit"), [("free", ref.asymptote), ("same angle", ref.asymptote_same_angle)])
def test_exact_asymptotes(kind, limit):
    """Sheet: xi sqrt(C_S) -> min of an explicit function; at n_S = 1, r = 4/3 it is 1.18323 (R free)."""
    scaled = optima(kind)["asymptotes"][1].reshape(2, 2) * np.sqrt(HUGE)[:, None]
    apart = np.abs(scaled / [limit(*bath) for bath in BATHS] - 1)
    assert np.all(apart[0] < 1e-2)  # the next term is relative 1/sqrt(C_S) = 1e-2 times a number below 1
    assert np.all(apart[1] < apart[0] / 8)


def test_engine_reaches_the_asymptote():
    """The engine at the optimum of C_S = 1e4, 004 Fig. 3 parameters: xi sqrt(C_S) within a few 1e-3 of 1.18323."""
    found = solved()[3]
    assert found["xi"][-1] == pytest.approx(optima("free")["asymptotes"][1][0], rel=1e-8)
    assert found["xi"][-1] * 100 == pytest.approx(1.18323, rel=5e-3)


def test_more_loss_never_helps_the_optimum():
    for kind in ("free", "same angle"):
        value = optima(kind)["losses"][1].reshape(2, 7)
        assert np.all(value < 1)
        assert np.all(np.diff(value, axis=1) > 0)


# ---- what the light does ----


@partial(jax.jit, static_argnames=("negative", "order", "linked"))
def covariance(theta_s, theta_m, hot=2.0, negative=(True, False), order="SM", linked=True):
    """Steady state of S and M; `negative`: which of them has negative mass, `order`: which the light meets first."""
    heat = {"S": hot, "M": 3.0}
    rate, theta, gamma = {"S": 4.0, "M": 6.0}, {"S": theta_s, "M": theta_m}, {"S": 1.0, "M": 0.3}
    made = {
        n: sideband_oscillator(
            n, **angles(rate[n], theta[n]), negative_mass=mass, damping=gamma[n], decoherence=heat[n]
        )
        for n, mass in zip("SM", negative, strict=True)
    }
    both = [made[n] for n in order]
    joined = cascade(*both, channels=SIDEBANDS) if linked else network(*both)
    return steady_state(joined, throw=False).state.select("S", "M").covariance


def angles(rate, theta):
    return {"passive": rate * jnp.sin(theta) ** 2, "active": rate * jnp.cos(theta) ** 2}


@pytest.mark.parametrize("theta", [np.pi / 4, 1.0, 1.4])
def test_without_interference_the_order_does_not_matter(theta):
    """004: for R = 0 and eps = 0 "the ordering of oscillators becomes immaterial"; for R != 0 it is not."""

    one, other = (covariance(theta, theta, order=order) for order in ("SM", "MS"))
    assert np.asarray(one) == pytest.approx(np.asarray(other), abs=1e-12)
    one, other = (covariance(theta, theta + 0.1, order=order) for order in ("SM", "MS"))
    assert np.abs(one - other).max() > 0.01


def test_interference_does_not_need_opposite_masses():
    """004 below Eq. (6): the interference of R < 0 "does not rely on the opposite signs of masses" and suppresses the
    thermal noise of S, too.

    With S at theta_S = pi/4 the light drives M with the response of S at the same rate R = -sqrt(Gamma_M Gamma_S)
    sin(theta_M - pi/4) for both signs of the mass of M; so what the bath of S adds to V is the same up to P_M -> -P_M,
    and it leaves X_S + X_M where 2 R/gamma_M -> -1.
    """
    flip = np.diag([1.0, 1.0, 1.0, -1.0])

    def thermal_part(negative, linked=True):
        cold, hot = (covariance(np.pi / 4, 1.2, heat, negative, linked=linked) for heat in (0.5, 10.5))
        return np.asarray(hot - cold)

    opposite, same = thermal_part((True, False)), thermal_part((False, False))
    assert same == pytest.approx(flip @ opposite @ flip, abs=1e-12)
    weights = np.array([1.0, 0.0, 1.0, 0.0])
    alone = weights @ thermal_part((False, False), linked=False) @ weights
    assert alone == pytest.approx(10.0, rel=1e-12)  # 10 quanta of decoherence over gamma_S = 1
    # by hand from Eq. (6): S in X_S + X_M responds as e^{-t/2} + a (e^{-t/2} - e^{-gamma_M t/2}), a = 2R/(gamma_M - 1)
    gamma_m = 0.3 - 6 * np.cos(2.4)
    a = -2 * np.sqrt(24.0) * np.sin(1.2 - np.pi / 4) / (gamma_m - 1)
    by_hand = 10 * ((1 + a) ** 2 - 4 * a * (1 + a) / (1 + gamma_m) + a**2 / gamma_m)
    quiet = weights @ same @ weights
    assert quiet == pytest.approx(by_hand, rel=1e-11)
    assert quiet < 0.25 * alone
    # and quantum noise with it: the whole variance of X_S + X_M lies below what R = 0 (theta_M = pi/4) leaves
    whole = [weights @ covariance(np.pi / 4, t, 10.5, (False, False)) @ weights for t in (1.2, np.pi / 4)]
    assert whole[0] < 0.5 * whole[1]


# ---- beyond the rotating-wave approximation ----


def test_without_the_rotating_wave_approximation():
    """Sheet: C_S = 100, omega = 2pi 1 MHz: 0.116 becomes 0.329, E_N 3.18 becomes 3.09 bits."""
    e = lab("cs100", 1.0)
    rwa, full = jax.jit(lambda: [steady_state(m(), throw=False).state for m in (e.model, e.full_model)])()
    assert [xi(s, e.gain).item() for s in (rwa, full)] == pytest.approx([0.115985, 0.32914], abs=1e-5)
    bits = [float(log_negativity(s, "S").ebits) for s in (rwa, full)]
    assert bits == pytest.approx([3.18, 3.09], abs=5e-3)  # last digit of the sheet


@jax.jit
def full_covariance(experiment):
    return steady_state(experiment.full_model(), throw=False).state.covariance


@pytest.mark.parametrize("case", ["cs100", "cs10-loss"])
def test_full_model_is_the_oracle_and_its_error_falls_as_the_square_of_the_frequency(case):
    h = ref.at_optimum(CASES[case], spin_thermal=1.5 * 2 * np.pi * 5e3)
    error = []
    for e, megahertz in ((lab(case, f), f) for f in (1.0, 8.0, 16.0)):
        v = np.asarray(full_covariance(e))
        want = ca.steady(ca.lab(h, 2 * np.pi * 1e6 * megahertz))
        # rates and frequency lie a factor 1e3 apart; both routes keep 1e-10
        assert np.abs(v - want).max() < 1e-10 * np.abs(want).max()
        error.append(ca.epr_variance(v, e.gain) - float(cascade_xi(e.rates, e.gain)))
    # the next term is omega^-4, relative (Gamma/omega)^2 = 0.01 at 8 MHz
    assert error[1] / error[2] == pytest.approx(4.0, rel=2e-2)
