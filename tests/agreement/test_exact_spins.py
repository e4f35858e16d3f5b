"""Exact spins against density matrices of all 2N spins, reference values and closed forms."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from darkstate.backend import jax, jnp
from darkstate.solve.evolve import evolve
from darkstate.solve.exact_spins import exact_gradient, exact_states, exact_steady_state
from darkstate.solve.methods import ExactLiouvillian
from darkstate.solve.steady_state import steady_state
from darkstate.spins.exact.basis import sector
from darkstate.spins.exact.channels import SHIFT, amplitude
from darkstate.spins.exact.generator import coefficients, jump_coefficients
from darkstate.spins.exact.jumps import Collective, JumpModel, ProductStart, SpinStart, jump_model, one_ensemble
from darkstate.spins.protocol import protocol
from darkstate.witness.epr import epr_variance
from oracles.collective_spins import Spins
from oracles.density_matrix import Ensemble, build
from oracles.moments import moments
from systems import model_of, scaled, two_levels

EXACT = ExactLiouvillian()
CHANNELS = {
    "cool": ({"cool": 0.9}, {"cool": 1.3}),
    "heat": ({"heat": 0.7}, {"heat": 0.4}),
    "dephasing": ({"dd": 1.1}, {"dd": 0.6}),
    "collective": ({"mu": 1.3, "nu": 0.8, "d_gamma": 3.0}, {"mu": 1.1, "nu": 0.5, "d_gamma": 2.2}),
    "mismatch": ({"detuning": 0.9}, {"detuning": 0.5}),
}
SETS = [*((name,) for name in CHANNELS), *combinations(CHANNELS, 2), tuple(CHANNELS)]


def pair_of(names, first, second, transmission=0.7):
    one, two = ({k: v for name in names for k, v in CHANNELS[name][e].items()} for e in (0, 1))
    return build(Ensemble(first, **one), Ensemble(second, **two), transmission=transmission)


def spin_distribution(system, rho):
    """Probability of every j of I and II, j falling, from the eigenvectors of J^2."""
    found = []
    for e, ensemble in enumerate(system.ensembles):
        values, vectors = np.linalg.eigh(sum(system.J[e][a] @ system.J[e][a] for a in "xyz"))
        weight = np.einsum("ik,ij,jk->k", vectors.conj(), rho, vectors).real
        j = np.arange(ensemble.atoms, -1, -2) / 2
        found.append([weight[np.abs(values - k * (k + 1)) < 1e-6].sum() for k in j])
    return found


def assert_same(system, state, rho):
    """Every moment, the distribution of j, and the purity, which sees every entry of the density operator."""
    expected, found = scaled(system, moments(system, rho)), state.isotropic.moments
    for name, value in vars(expected).items():
        np.testing.assert_allclose(getattr(found, name), value, atol=1e-9, err_msg=name)
    for (_, ours), theirs in zip(state.spin_distribution, spin_distribution(system, rho), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)
    assert state.purity == pytest.approx(np.vdot(rho, rho).real, abs=1e-9)
    assert state.smallest_eigenvalues.min() > -1e-12


@pytest.mark.parametrize(("first", "second"), [(1, 1), (2, 2), (3, 3), (1, 3), (3, 2)])
@pytest.mark.parametrize("names", SETS, ids="+".join)
def test_dynamics_is_that_of_all_spins(names, first, second):
    """Channels alone, in pairs and all together; unequal ensembles, polarisations 0.8 and 0.3, lossy light path."""
    system = pair_of(names, first, second)
    times = [0.15, 0.6]
    states = exact_states(model_of(system, up=(0.9, 0.65)), times)
    for state, rho in zip(states, system.evolve(system.polarised_state(0.8, 0.3), times), strict=True):
        assert_same(system, state, rho)


@pytest.mark.parametrize(("first", "second"), [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("names", [("cool", "heat", "dephasing", "collective"), tuple(CHANNELS)], ids=["plain", "all"])
def test_steady_state_is_that_of_all_spins(names, first, second):
    """The oracle finds the null vector by singular values."""
    system = pair_of(names, first, second)
    assert_same(system, exact_steady_state(model_of(system)), system.steady_state())


def test_light_pulses_follow_each_other_as_in_the_density_matrix():
    """Drive for 0.2, dark for 0.3, drive at half strength: three generators one after the other."""
    lit, dark = pair_of(tuple(CHANNELS), 2, 2), pair_of(("mismatch",), 2, 2)
    weak = [replace(e, cool=e.cool / 2, heat=e.heat / 2, dd=e.dd / 2, d_gamma=e.d_gamma / 2) for e in lit.ensembles]
    half = build(*weak, transmission=0.7)
    states = exact_states(
        model_of(lit), [0.1, 0.2, 0.4, 0.7], protocol=protocol(("drive", 0.2), ("dark", 0.3), ("drive", 1.0, 0.5))
    )
    rho = lit.evolve(lit.coherent_state(), [0.1, 0.2])
    later = dark.evolve(rho[1], [0.2, 0.3])
    for state, expected in zip(states, [*rho, later[0], half.evolve(later[1], [0.2])[0]], strict=True):
        assert_same(lit, state, expected)


@pytest.mark.parametrize("atoms", [2, 3, 4])
def test_jump_amplitudes_are_partial_traces_of_explicit_spins(atoms):
    """sum_i Tr(P_j' s_i P_jm s_i^+)/d_j for every (j, m) and j', P from the eigenvectors of J^2 + a Jx."""
    system = build(Ensemble(atoms, cool=1.0), Ensemble(1))
    size = 2**atoms
    spin = {a: system.J[0][a].reshape(size, 2, size, 2)[:, 0, :, 0] for a in "xyz"}
    values, vectors = np.linalg.eigh(sum(spin[a] @ spin[a] for a in "xyz") + np.sqrt(2) * 0.01 * spin["x"])
    one = {"cooling": [[0, 1], [0, 0]], "heating": [[0, 0], [1, 0]], "dephasing": [[0.5, 0], [0, -0.5]]}
    s = sector(atoms, 0)

    def projector(j, m):
        mine = vectors[:, np.abs(values - j * (j + 1) - np.sqrt(2) * 0.01 * m) < 1e-9]
        return mine @ mine.conj().T

    for kind, local in one.items():
        jumps = [np.kron(np.kron(np.eye(2**i), local), np.eye(2 ** (atoms - i - 1))) for i in range(atoms)]
        for j, m in zip(s.j, s.ket, strict=True):
            mine = projector(j, m)
            for step in (-1, 0, 1):
                other = projector(j + step, m + SHIFT[kind])
                weight = sum(np.trace(other @ a @ mine @ a.T).real for a in jumps) / np.trace(mine).real
                square = amplitude(kind, atoms, np.array([j]), np.array([m]), step)[0] ** 2
                assert square == pytest.approx(weight, abs=1e-12), (kind, j, m, step)


HARD = {"z": 2.5, "d": 30.0, "gd_add": 2.0}


@pytest.mark.parametrize(
    ("atoms", "xi"), [(1, 2.006165), (2, 2.155781), (3, 2.159966), (4, 2.146872), (5, 2.131028), (6, 2.115472)]
)
def test_xi_of_few_atoms_is_that_of_an_independent_solver(atoms, xi):
    """QuTiP's permutation-symmetric solver, a product of two ensembles written by hand: all up, t = 2/Gamma."""
    solution = evolve(two_levels(**HARD, atoms=atoms).model(), [2.0], method=EXACT)
    assert float(epr_variance(solution.state).value[0]) == pytest.approx(xi, abs=6e-7)
    assert float(solution.state.moments.x[0, 0]) == pytest.approx(0.156006, abs=1e-6)


@pytest.mark.parametrize(("atoms", "xi"), [(8, 2.087737224), (10, 2.064697651), (20, 1.993703895)])
def test_steady_xi_is_that_of_an_eigenvector_prototype(atoms, xi):
    """A NumPy program that decomposes the uncoupled generators into eigenvectors, residual 3e-11."""
    solution = steady_state(two_levels(**HARD, atoms=atoms).model(), method=EXACT)
    assert float(epr_variance(solution.state).value) == pytest.approx(xi, abs=1e-9)
    # with Gamma_cool : Gamma_heat = mu^2 : nu^2, P = 1/(mu^2 + nu^2) at every N
    np.testing.assert_allclose(solution.state.polarization, 1 / 3.205, rtol=1e-10)
    checks = {name: float(value) for name, value in solution.checks.items()}
    assert checks["residual"] < 1e-9 and checks["trace_defect"] < 1e-12 and checks["positivity_defect"] < 1e-14
    assert checks["charge_leak"] == 0 and -7.5 < checks["growth_rate"] < -5


@pytest.mark.parametrize(
    ("atoms", "time", "delta", "xi"),
    [
        (1, 0.2, 0.0, 0.935003486613),
        (2, 0.2, 0.0, 0.880640787588),
        (4, 0.2, 0.0, 0.852243360762),
        (2, 0.2, 0.8, 0.881448892315),
        (2, None, 0.0, 1.025577465968),
    ],
)
def test_xi_at_finite_n_is_that_of_the_density_matrix(atoms, time, delta, xi):
    """Z = 1.5, d Gamma = 5, Gamma_d = 2(cooling + heating) + 2; H = (delta/2)(Jx_I + Jx_II); master equation, SciPy."""
    model = two_levels(1.5, d=5.0, gd_add=2.0, atoms=atoms).model()
    model = replace(model, larmor=jnp.array([delta / 2, delta / 2]))
    if time is None:
        found = steady_state(model, method=EXACT).state
    else:
        found = evolve(model, [time], method=EXACT).state
    assert float(jnp.ravel(epr_variance(found).value)[0]) == pytest.approx(xi, abs=2e-11)


@pytest.mark.parametrize(
    ("z", "d", "x", "gd_add", "tolerance"),
    [
        (1.5, 5.0, 0.0, 2.0, 2e-5),
        (1.5, 30.0, 0.0, 2.0, 2e-4),
        (2.0, 30.0, 0.0, 0.0, 1e-3),
        (1.5, 30.0, 5.0, 20.0, 2e-5),
    ],
)
def test_xi_approaches_the_closed_form_as_one_over_n(z, d, x, gd_add, tolerance):
    """001 Eq. (15); the polynomial in 1/N through N = 8, 12, 16, 20 is continued to 1/N = 0."""
    closed = float(epr_variance(steady_state(two_levels(z, d=d, x=x, gd_add=gd_add).model()).state).value)
    atoms = np.array([8, 12, 16, 20])
    models = [two_levels(z, d=d, x=x, gd_add=gd_add, atoms=n).model() for n in atoms.tolist()]
    xi = [float(epr_variance(steady_state(m, method=EXACT, throw=False).state).value) for m in models]
    distance = np.abs(np.array(xi) - closed)
    assert np.all(np.diff(distance) < 0)
    assert np.polyfit(1 / atoms, xi, 3)[-1] == pytest.approx(closed, abs=tolerance)


def test_one_pair_of_atoms_with_collective_noise_alone_ends_pure():
    """The state mu |up up> - nu |down down> is dark: xi = 1/Z^2 and purity 1."""
    light = {"mu": 1.45, "nu": 1.05, "d_gamma": 3.0}  # Z = 2.5
    state = exact_steady_state(model_of(build(Ensemble(1, **light), Ensemble(1, **light))))
    assert state.purity == pytest.approx(1, abs=1e-12)
    assert float(epr_variance(state.spin_state).value) == pytest.approx(0.16, abs=1e-12)


XI = [("drive", "cooling"), ("drive", "heating"), ("drive", "transverse"), ("drive", "collective")]


@pytest.mark.parametrize("ensemble", [0, 1])
@pytest.mark.parametrize(("light", "rate"), XI)
def test_derivatives_of_xi_are_those_of_differences(light, rate, ensemble):
    """Unequal ensembles, mismatch, lossy light path; central differences with Richardson extrapolation."""
    model = model_of(pair_of(tuple(CHANNELS), 3, 2))

    def figure(state):
        return epr_variance(state).value

    def moved(h):
        rates = getattr(model, light)
        value = getattr(rates, rate)
        changed = replace(model, **{light: replace(rates, **{rate: value.at[ensemble].add(h)})})
        return float(figure(exact_steady_state(changed).spin_state))

    coarse, fine = ((moved(h) - moved(-h)) / (2 * h) for h in (2e-2, 1e-2))
    value, slope = exact_gradient(model, figure)
    assert value == pytest.approx(moved(0.0), abs=1e-12)
    assert float(getattr(getattr(slope, light), rate)[ensemble]) == pytest.approx((4 * fine - coarse) / 3, abs=1e-6)


def test_derivatives_by_coupling_path_and_mismatch_are_those_of_differences():
    """mu, nu, transmission and the Larmor frequency; a figure that only the mismatch moves, at mismatch zero."""
    plain = model_of(pair_of(tuple(CHANNELS)[:-1], 2, 2))

    def figure(state):
        return epr_variance(state).value + state.moments.cross_yz

    _, slope = exact_gradient(plain, figure)

    def difference(change):
        def moved(h):
            return float(figure(exact_steady_state(change(h)).spin_state))

        coarse, fine = ((moved(h) - moved(-h)) / (2 * h) for h in (2e-2, 1e-2))
        return (4 * fine - coarse) / 3

    first = jnp.array([1.0, 0.0])
    found = {
        "mu": (slope.mu[0], difference(lambda h: replace(plain, mu=plain.mu + h * first))),
        "nu": (slope.nu[0], difference(lambda h: replace(plain, nu=plain.nu + h * first))),
        "larmor": (slope.larmor[0], difference(lambda h: replace(plain, larmor=plain.larmor + h * first))),
        "path": (slope.transmission, difference(lambda h: replace(plain, transmission=plain.transmission + h))),
    }
    for name, (ours, theirs) in found.items():
        assert abs(theirs) > 1e-3, name
        assert float(ours) == pytest.approx(theirs, abs=2e-6), name


def test_the_moment_equations_with_exact_products_are_not_needed_here():
    """Both methods agree where nothing is decorrelated: no collective light."""
    model = model_of(pair_of(("cool", "heat", "dephasing"), 3, 3), up=(0.9, 0.65))
    exact, approximate = (evolve(model, [0.0, 0.4], method=m, throw=False) for m in (EXACT, None))
    for ours, theirs in zip(jax.tree.leaves(exact.state), jax.tree.leaves(approximate.state), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-7)


SIDEBANDS = (Collective((1.2, 0.0), (0.0, 0.7)), Collective((0.0, 0.9), (0.5, 0.0)), Collective((0.4, 0.0), (0.0, 0.8)))
JUMP_MODELS = {
    "one sideband": {"collective": SIDEBANDS[:1]},
    "two, no exchange": {"collective": SIDEBANDS[:2]},
    "opposite signs": {"collective": (Collective((1.2, 0.0), (0.0, -0.7)),), "exchange": 0.3},
    "exchange alone": {"exchange": -1.3, "larmor": (0.5, 0.2)},
    "along": {"collective": (SIDEBANDS[0], Collective(along=(0.8, -0.3)), Collective(along=(0.4, 0.9)))},
    "all": {
        "collective": (
            *SIDEBANDS,
            Collective(along=(0.8, 0.5)),
            Collective((0.6, 0.0)),
            Collective((0.0, 0.0), (0.0, 0.3)),
        ),
        "exchange": 0.9,
        "larmor": (0.7, -0.2),
        "local": ((0.9, 1.3), (0.7, 0.4), (1.1, 0.6), *((0.0, 0.0),) * 4),
    },
}
STARTS = (ProductStart(0.9, 0.1), ProductStart(0.65, 0.35))


def oracle_of_jumps(model):
    jumps = [(c.raising, c.lowering, c.along) for c in model.collective]
    return Spins(model.atoms, jumps, model.local, model.exchange, model.larmor, 3 if model.three_levels else 2)


def start_of(model):
    """The start of the model as a density matrix."""
    spins, parts = oracle_of_jumps(model), []
    for group, begin in enumerate(model.start):
        if isinstance(begin, SpinStart):
            parts.append(sum(p * spins.collective(group, j, m) for j, m, p in begin.states))
        else:
            parts.append(spins.product(group, begin.up, begin.down))
    return np.kron(*parts)


def assert_jumps(model, state, rho):
    spins = oracle_of_jumps(model)
    for name, value in spins.moments(rho).items():
        np.testing.assert_allclose(getattr(state.isotropic.moments, name), value, atol=1e-9, err_msg=name)
    for group, (j, p) in enumerate(state.spin_distribution):
        expected = spins.spin_distribution(rho, group)
        np.testing.assert_allclose(p, expected[np.rint(2 * j).astype(int)], atol=1e-9)
    assert state.purity == pytest.approx(np.vdot(rho, rho).real, abs=1e-9)


@pytest.mark.parametrize("atoms", [(1, 1), (2, 2), (1, 3), (3, 2)])
@pytest.mark.parametrize("name", JUMP_MODELS)
def test_any_jump_operators_that_keep_the_charge_are_those_of_all_spins(name, atoms):
    """Also such as no light from I to II makes: II then acts back on I."""
    model = JumpModel(atoms, start=STARTS, **JUMP_MODELS[name])
    times = [0.15, 0.6]
    for state, rho in zip(
        exact_states(model, times), oracle_of_jumps(model).evolve(start_of(model), times), strict=True
    ):
        assert_jumps(model, state, rho)


def test_the_steady_state_of_any_jump_operators_is_the_late_state_of_all_spins():
    model = JumpModel((2, 2), start=STARTS, **JUMP_MODELS["all"])
    state = exact_steady_state(model)
    assert max(state.figures["residual"], state.figures["trace_defect"]) < 1e-9
    assert_jumps(model, state, oracle_of_jumps(model).evolve(start_of(model), [20.0])[0])


def test_a_start_in_spin_states_is_that_of_all_spins():
    """A Dicke state beside a mixture that holds the singlet."""
    mixed = SpinStart(((1, -1, 0.2), (1, 0, 0.3), (0, 0, 0.5)))
    model = JumpModel((3, 2), start=(SpinStart(((1.5, 0.5, 1.0),)), mixed), **JUMP_MODELS["all"])
    for state, rho in zip(
        exact_states(model, [0.0, 0.4]), oracle_of_jumps(model).evolve(start_of(model), [0.0, 0.4]), strict=True
    ):
        assert_jumps(model, state, rho)


@pytest.mark.parametrize("transmission", [1.0, 0.7, 0.0])
def test_a_model_and_its_jump_operators_have_the_same_coefficients(transmission):
    """`jump_model` sums squares of amplitudes, the differentiable function writes 001 Eq. (13) down directly."""
    model = model_of(pair_of(tuple(CHANNELS), 3, 2, transmission), up=(0.9, 0.65))
    found, expected = jump_coefficients(jump_model(model)), coefficients(model, jnp.ones(3))
    for name, value in vars(expected).items():
        np.testing.assert_allclose(getattr(found, name), value, rtol=1e-13, atol=1e-15, err_msg=name)


@pytest.mark.parametrize("atoms", [1, 3, 4])
def test_one_ensemble_is_that_of_all_spins(atoms):
    """Superradiance, collective pumping and dephasing, and every single-atom rate, as PIQS names them."""
    model = one_ensemble(
        atoms, emission=0.3, dephasing=0.8, pumping=0.2, collective_emission=1.1, collective_dephasing=0.7,
        collective_pumping=0.4, start=ProductStart(0.8, 0.2),
    )  # fmt: skip
    times = [0.2, 0.7]
    for state, rho in zip(
        exact_states(model, times), oracle_of_jumps(model).evolve(start_of(model), times), strict=True
    ):
        assert_jumps(model, state, rho)
    assert_jumps(model, exact_steady_state(model), oracle_of_jumps(model).evolve(start_of(model), [60.0])[0])


def test_superradiance_of_two_atoms_and_decay_of_fifty_have_closed_forms():
    """Gross, Haroche, Phys. Rep. 93, 301 (1982): |1,1> -> |1,0> -> |1,-1>, both steps at 2 Gamma."""
    times = np.array([0.1, 0.5, 1.5])
    for t, state in zip(times, exact_states(one_ensemble(2, collective_emission=1.0), times), strict=True):
        first = np.exp(-2 * t)
        expected = [first, 2 * t * first, 1 - (1 + 2 * t) * first, 0]
        np.testing.assert_allclose(state.populations[0], expected, atol=1e-12)
    for t, state in zip(times, exact_states(one_ensemble(50, emission=1.0), times), strict=True):
        assert state.spin[0] == pytest.approx(25 * (2 * np.exp(-t) - 1), rel=1e-9)
        assert state.isotropic.transverse[0] == pytest.approx(0.25, rel=1e-9)  # uncorrelated
        np.testing.assert_array_equal(state.spin[1], 0.0)


def test_collective_dephasing_leaves_dicke_states_alone():
    """D[Jx] is diagonal in m; what single atoms lose to it, a Dicke state keeps."""
    dicke = SpinStart(((3, 1, 0.6), (2, -1, 0.4)))
    state = exact_states(one_ensemble(6, collective_dephasing=2.0, start=dicke), [3.0])[0]
    assert state.collective_purity == pytest.approx(0.52, abs=1e-14)
    assert state.spin[0] == pytest.approx(0.2, abs=1e-14)
