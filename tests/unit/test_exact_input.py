"""What the exact method refuses, and the parts that its certificates rest on."""

from dataclasses import replace

import numpy as np
import pytest

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError, Outcome, OutcomeError
from darkstate.solve.evolve import evolve
from darkstate.solve.exact_spins import exact_gradient, exact_states, exact_steady_state
from darkstate.solve.methods import ExactLiouvillian
from darkstate.solve.steady_state import steady_state
from darkstate.spins.exact.basis import sector, unknowns, ways
from darkstate.spins.exact.channels import GAIN, SHIFT, amplitude, steps
from darkstate.spins.exact.charges import charges
from darkstate.spins.exact.generator import coefficients, generator, inner
from darkstate.spins.exact.jumps import Collective, JumpModel, ProductStart, SpinStart, jump_model, one_ensemble
from darkstate.spins.exact.layout import Layout
from darkstate.spins.exact.steady import problem, spectral_gap
from darkstate.spins.moments import total_rates
from darkstate.spins.protocol import protocol
from darkstate.witness.epr import epr_variance
from oracles.density_matrix import Ensemble, build
from systems import krauter2011, model_of, two_levels

EXACT = ExactLiouvillian()
FEW = two_levels(1.5, d=5.0, gd_add=2.0, atoms=3).model()


def changed(**values):
    """Rates of FEW with some replaced, in both ensembles; all of them caused by the drive."""
    rates = replace(total_rates(FEW, jnp.ones(3)), **{k: jnp.full(2, v) for k, v in values.items()})
    none = jax.tree.map(jnp.zeros_like, rates)
    return replace(FEW, dark=none, drive=rates, pump=none, repump=none)


REFUSED = [
    ("no atoms", replace(FEW, atoms=jnp.array([0.0, 3.0])), "whole and at least 1, but are 0 and 3"),
    ("negative number", replace(FEW, atoms=jnp.array([3.0, -2.0])), "whole and at least 1"),
    ("half an atom", replace(FEW, atoms=jnp.array([2.5, 3.0])), "whole and at least 1, but are 2.5 and 3"),
    ("not finite", replace(FEW, atoms=jnp.array([3.0, jnp.inf])), "finite"),
    ("no atom number", replace(FEW, atoms=jnp.array([3.0, jnp.nan])), "finite"),
    ("no number", changed(cooling=jnp.nan), "finite"),
    ("negative rate", changed(heating=-1.0), r"`drive.heating` is -1"),
    ("too little decay", changed(transverse=0.1), "leaves the dephasing at -"),
    ("too many atoms", replace(FEW, atoms=jnp.full(2, 1e12)), r"needs .*e\+\d+ bytes, more than the 4.29e\+09 allowed"),
    ("too much loss", changed(up_to_h=50.0), "plus losses, which it includes, but leaves the dephasing at -"),
    ("negative return", changed(h_to_up=-0.2), "`drive.h_to_up` is -0.2"),
    ("transmission", replace(FEW, transmission=jnp.asarray(1.5)), "transmission .* between 0 and 1, but is 1.5"),
    ("start beyond", replace(FEW, initial_up=jnp.full(2, 1.1), initial_down=jnp.full(2, -0.1)), "1.1 up and -0.1 down"),
    ("another model", krauter2011(), "must be a SpinEnsembles or a JumpModel, but is a CesiumCells"),
]


@pytest.mark.parametrize(("model", "message"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_models_without_an_exact_solution_are_refused(model, message):
    with pytest.raises(ArgumentError, match=message):
        exact_steady_state(model)
    with pytest.raises(ArgumentError, match=message):
        exact_states(model, [0.0, 1.0])


SIDEBAND = Collective((1.0, 0.0), (0.0, 0.5))
NO_JUMPS = [
    ("sum", (2, 2), (Collective((1.0, 1.0)),), r"keep m_I \+ m_II: take the method Trajectories"),
    ("nothing", (2, 2), (Collective((1.0, 1.0)), SIDEBAND), r"keep no such number: take the method Trajectories"),
    ("one quadrature", (3, 0), (Collective((1.0, 0.0), (1.0, 0.0)),), r"no such number: take the method Trajectories"),
    ("too many", (9000, 0), (SIDEBAND,), r"9000 and 0 atoms needs .*e\+\d+ bytes.*memory=.*Trajectories"),
]


@pytest.mark.parametrize(("atoms", "collective", "message"), [r[1:] for r in NO_JUMPS], ids=[r[0] for r in NO_JUMPS])
def test_jump_models_outside_the_sector_are_refused(atoms, collective, message):
    model = JumpModel(atoms, collective, local=((0.1, 0.1), *((0.0, 0.0),) * 6))
    for solve in (exact_steady_state, lambda m: exact_states(m, [1.0])):
        with pytest.raises(ArgumentError, match=message):
            solve(model)


def test_what_acts_on_the_missing_ensemble_does_not_count():
    """x S_I + y S_II with nobody in II is x S_I."""
    model = JumpModel((3, 0), (Collective((1.0, 0.7)),), exchange=0.4)
    plain = JumpModel((3, 0), (Collective((1.0, 0.0)),))
    one, two = (exact_states(replace(m, start=(ProductStart(0.0, 1.0),) * 2), [0.7])[0] for m in (model, plain))
    np.testing.assert_array_equal(one.populations[0], two.populations[0])
    with pytest.raises(ArgumentError, match="not unique: ensemble I has 2 stationary states"):
        exact_steady_state(model)


def test_jump_models_take_no_lights():
    model = one_ensemble(3, emission=0.5)
    with pytest.raises(ArgumentError, match="holds its rates as they are: leave out `protocol` and `strengths`"):
        exact_states(model, [1.0], protocol=protocol(("drive", 1.0, 0.5)))
    with pytest.raises(ArgumentError, match="holds its rates as they are"):
        exact_steady_state(model, strengths=(1.0, 0.0, 0.0))
    with pytest.raises(ArgumentError, match="differentiates a SpinEnsembles model, but got a JumpModel"):
        exact_gradient(model, lambda state: state.polarization[0])


BAD_JUMPS = [
    ({"atoms": (0, 1)}, "at least 1 in ensemble I"),
    ({"atoms": (2.5, 1)}, "whole.*2.5 and 1"),
    ({"atoms": (np.inf, 1)}, "whole.*inf and 1"),
    ({"atoms": (np.nan, 1)}, "whole.*nan and 1"),
    ({"collective": (Collective((np.nan, 0.0)),)}, "finite"),
    ({"local": ((-1.0, 0.0), *((0.0, 0.0),) * 6)}, "`cooling` is -1"),
    ({"start": (ProductStart(0.8, 0.3), ProductStart())}, "0.8 up and 0.3 down"),
    ({"start": (SpinStart(((1.5, 0.5, 1.0),)), ProductStart())}, "2 atoms have no state j = 1.5"),
    ({"start": (SpinStart(((1.0, 0.0, 0.6),)), ProductStart())}, "add up to 1"),
]


@pytest.mark.parametrize(("values", "message"), BAD_JUMPS)
def test_jump_models_that_do_not_exist_are_refused(values, message):
    with pytest.raises(ArgumentError, match=message):
        JumpModel(**({"atoms": (2, 2)} | values))


def test_one_atom_alone_decays_and_rests():
    """Up with exp(-t); with pumping, P = (pumping - emission)/(pumping + emission)."""
    state = exact_states(one_ensemble(1, emission=1.0), [0.8])[0]
    assert state.spin[0] == pytest.approx(np.exp(-0.8) - 0.5, abs=1e-14)
    rest = exact_steady_state(one_ensemble(1, emission=1.0, pumping=3.0))
    assert rest.polarization[0] == pytest.approx(0.5, abs=1e-14) and np.isnan(rest.polarization[1])
    with pytest.raises(ArgumentError, match="All rates of the model are zero"):
        exact_steady_state(one_ensemble(1))
    assert exact_states(one_ensemble(1), [5.0])[0].purity == pytest.approx(1, abs=1e-15)
    assert exact_states(JumpModel((2.0, np.int64(1))), [1.0])[0].atoms == (2, 1)  # whole numbers of any type


def test_atoms_that_start_in_h_without_rates_stay():
    """The number of atoms in |h> is then conserved: a steady state is not unique, the evolution is."""
    model = replace(FEW, initial_up=jnp.full(2, 0.9), initial_down=jnp.zeros(2))
    with pytest.raises(ArgumentError, match=r"not unique: .* its Jx or its atoms in \|h>.*loss or return"):
        exact_steady_state(model)
    np.testing.assert_allclose(exact_states(model, [1.0])[0].isotropic.h, 0.1, atol=1e-12)


def test_three_level_cells_of_a_laboratory_are_too_large_until_few():
    """002 Fig. 2 case c, whose Gamma-tilde lies one per cent below the sum of its rates."""
    cells = krauter2011("c").model()
    with pytest.raises(ArgumentError, match=r"1e\+12 and 1e\+12 atoms needs .* bytes"):
        evolve(cells, [1e-3], method=EXACT)
    state = exact_states(replace(cells, atoms=jnp.full(2, 2.0)), [1e-3])[0]
    assert state.third == (True, True) and state.smallest_eigenvalues.min() > -1e-12
    assert 0 < float(state.isotropic.h[0]) < 0.1 and state.trace == pytest.approx(1, abs=1e-12)


def test_a_state_too_large_names_its_bytes():
    """N = 100: 1.4e8 entries, 1.1 GB per vector."""
    assert unknowns(100, 100) == pytest.approx(1.4e8, rel=0.02)
    with pytest.raises(ArgumentError, match=r"100 and 100 atoms needs 4\.\d*e\+10 bytes"):
        exact_states(two_levels(atoms=100).model(), [1.0])


def test_atoms_at_rest_have_no_steady_state_of_their_own():
    still = changed(cooling=0.0, heating=0.0, transverse=0.0, collective=0.0)
    with pytest.raises(ArgumentError, match="All rates of the model are zero"):
        exact_steady_state(still)
    # but they evolve: nothing moves
    assert float(epr_variance(evolve(still, [0.0, 5.0], method=EXACT).state).value[1]) == pytest.approx(1, abs=1e-14)


def test_collective_noise_alone_has_no_unique_steady_state():
    """j is conserved: floor(N/2) + 1 stationary states of each ensemble; for N = 2, the triplet and the singlet."""
    light = {"mu": 1.25, "nu": 0.75, "d_gamma": 3.0}
    for atoms, count in ((2, 2), (3, 2), (4, 3)):
        model = model_of(type("Cells", (), {"ensembles": (Ensemble(atoms, **light),) * 2, "transmission": 1.0})())
        with pytest.raises(ArgumentError, match=f"not unique: ensemble I has {count} stationary states.*total spin j"):
            exact_steady_state(model)
    with pytest.raises(ArgumentError, match="not unique"):
        exact_steady_state(model_of(build(Ensemble(1, dd=1.0), Ensemble(1, cool=1.0))))


def test_two_pairs_of_distinguishable_spins_are_refused():
    """All spins have six stationary operators: a state for each (j_I, j_II), and two coherences between dark states."""
    light = Ensemble(2, mu=1.25, nu=0.75, d_gamma=3.0)
    system = build(light, light)
    with pytest.raises(ValueError, match="not unique: 6 null vectors"):
        system.steady_state()
    with pytest.raises(ArgumentError, match="ensemble I has 2 stationary states of its own, because .* total spin j"):
        exact_steady_state(model_of(system))
    decay = JumpModel((2, 2), (Collective(lowering=(1.0, 0.0)), Collective(lowering=(0.0, 1.0))))
    with pytest.raises(ArgumentError, match="ensemble I has 2 stationary states of its own, because .* total spin j"):
        exact_steady_state(decay)


def test_an_exchange_may_make_unique_what_the_ensembles_alone_are_not():
    """II has no rates of its own, and the exchange with I moves it: the sentence claims no more than is known."""
    model = JumpModel((2, 1), exchange=1.0, local=((0.4, 0.0), (0.9, 0.0), *((0.0, 0.0),) * 5))
    with pytest.raises(ArgumentError, match="cannot tell whether the steady state is unique: ensemble II has 2"):
        exact_steady_state(model)


def test_an_almost_degenerate_steady_state_is_refused():
    """Single-atom rates 1e-9 of the collective one: the gap drowns in rounding, and the certificate says so."""
    weak = Ensemble(4, mu=1.45, nu=1.05, d_gamma=3.0, cool=1e-9, heat=1e-9, dd=1e-9)
    model = model_of(type("Cells", (), {"ensembles": (weak, weak), "transmission": 1.0})())
    with pytest.raises(OutcomeError, match="residual") as caught:
        steady_state(model, method=EXACT)
    assert caught.value.outcome is Outcome.not_converged


def test_ramps_and_traced_models_are_refused():
    with pytest.raises(ArgumentError, match="constant light"):
        evolve(FEW, [1.0], protocol=protocol(("drive", 1.0, (0.0, 1.0))), method=EXACT)
    with pytest.raises(ArgumentError, match="exact_gradient"):
        jax.grad(lambda m: epr_variance(steady_state(m, method=EXACT).state).value)(FEW)
    with pytest.raises(ArgumentError, match="`strengths`"):
        steady_state(FEW, strengths=(-1.0, 0.0, 0.0), method=EXACT)
    for bad in ({"tolerance": 0.0}, {"memory": -1.0}, {"tolerance": np.nan}):
        with pytest.raises(ArgumentError, match="`tolerance` and `memory`"):
            ExactLiouvillian(**bad)


@pytest.mark.parametrize("atoms", [1, 2, 5, 8])
@pytest.mark.parametrize("kind", list(SHIFT))
def test_squared_amplitudes_add_up_to_the_jump_rate(kind, atoms):
    """sum over j' = N_down, N_up, N_2/4 for s_x of all, 1 per atom in |h>; no amplitude leads out of the basis."""
    s = sector(atoms, 0, third=True)
    total = 0.0
    for step in steps(kind):
        square = amplitude(kind, s.two_level, s.j, s.ket, step) ** 2
        _, there = s.place(s.two_level + GAIN[kind], s.twice_j + int(2 * step), s.k + int(step - SHIFT[kind]))
        np.testing.assert_allclose((square * (s.two_level < atoms if GAIN[kind] > 0 else 1))[~there], 0, atol=1e-14)
        total = total + square
    up, down = s.two_level / 2 + s.ket, s.two_level / 2 - s.ket
    rate = {"cooling": down, "heating": up, "dephasing": s.two_level / 4, "up_to_h": up, "down_to_h": down}
    np.testing.assert_allclose(total, rate.get(kind, np.ones(s.size)), atol=1e-12)


def unequal(detuning=0.0):
    first = Ensemble(3, mu=1.3, nu=0.8, d_gamma=3.0, cool=0.9, heat=0.7, dd=1.1, detuning=detuning)
    second = Ensemble(2, mu=1.1, nu=0.5, d_gamma=2.2, cool=1.3, heat=0.4, dd=0.6)
    return model_of(build(first, second, transmission=0.7))


@pytest.mark.parametrize("detuning", [0.0, 0.8])
def test_the_adjoint_is_the_transpose_and_the_gap_an_eigenvalue(detuning):
    """Against the dense matrix of the sector and its eigenvalues (numpy)."""
    g = generator((3, 2), coefficients(unequal(detuning), jnp.ones(3)))
    layout, rng = Layout.of(g), np.random.default_rng(4)
    x, y = (layout.split(rng.normal(size=layout.size)) for _ in range(2))
    assert inner(y, g.apply(x)) == pytest.approx(inner(g.adjoint().apply(y), x), rel=1e-12)
    dense = np.array([layout.join(g.apply(layout.split(e))) for e in np.eye(layout.size)]).T
    decay = np.sort(-np.linalg.eigvals(dense).real)
    assert abs(decay[0]) < 1e-12
    assert spectral_gap(problem(g)) == pytest.approx(decay[1], rel=0.05)


def test_the_charge_follows_from_the_jump_operators():
    """Two sidebands conserve m_I - m_II alone; without nu, or without collective light, m_I and m_II both."""

    def of(model):
        return charges(jump_model(model).jumps)

    w, leak = of(FEW)
    np.testing.assert_allclose(w[0], -w[1], atol=1e-15)
    assert w.shape == (2, 1) and leak == 0
    assert of(replace(FEW, nu=jnp.zeros(2)))[0].shape == (2, 2)
    assert of(changed(collective=0.0))[0].shape == (2, 2)


def test_a_jump_that_breaks_the_charge_is_noticed():
    """Both sidebands, of which one has a tenth of its amplitude in a term that raises both ensembles."""
    sound = [((1, 0), 2.0), ((0, -1), 1.0)]
    w, leak = charges([sound, [*sound, ((0, 1), 0.1)]])
    assert w.shape == (2, 0)
    assert leak == pytest.approx(0.1 / np.sqrt(10.01), rel=1e-12)


def test_one_atom_beside_many_keeps_a_purity():
    """All up, 1 and 60 atoms: a pure state; the number of ways to form j = 0 exceeds 1e15."""
    model = replace(FEW, atoms=jnp.array([1.0, 60.0]))
    state = exact_states(model, [0.0])[0]
    assert state.purity == pytest.approx(1, abs=1e-14) and state.collective_purity == pytest.approx(1, abs=1e-14)
    assert ways(60, 60, 0) > 1e15
    np.testing.assert_allclose(state.spin, [0.5, 30.0], rtol=1e-14)


def test_a_solution_prints_its_certificate():
    text = str(steady_state(FEW, method=EXACT))
    for figure in ("residual", "trace_defect", "positivity_defect", "growth_rate", "charge_leak 0"):
        assert figure in text


def test_the_gradient_leaves_no_trace_on_what_cannot_move_the_state():
    """P of I depends on nothing of II: light goes from I to II."""
    value, slope = exact_gradient(unequal(), lambda state: state.polarization[0])
    assert value == pytest.approx(exact_steady_state(unequal()).polarization[0], abs=1e-13)
    assert abs(float(slope.drive.cooling[0])) > 0.01
    assert abs(float(slope.drive.cooling[1])) < 1e-10 and abs(float(slope.transmission)) < 1e-10
