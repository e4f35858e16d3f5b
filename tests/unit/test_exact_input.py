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
from darkstate.spins.exact.basis import multiplicities, sector, unknowns
from darkstate.spins.exact.channels import SHIFT, amplitude
from darkstate.spins.exact.generator import charges, coefficients, generator, inner, jump_operators
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
    ("no number", changed(cooling=jnp.nan), "finite"),
    ("negative rate", changed(heating=-1.0), "`heating` is negative"),
    ("too little decay", changed(transverse=0.1), "leaves the dephasing at -"),
    ("too many atoms", replace(FEW, atoms=jnp.full(2, 1e12)), r"needs .*e\+\d+ bytes, more than the 4.29e\+09 allowed"),
    ("third level", changed(up_to_h=0.1, transverse=20.0), r"third level h \(up_to_h\).*MomentEquations"),
    ("start in h", replace(FEW, initial_up=jnp.full(2, 0.9)), "third level h"),
    ("start beyond", replace(FEW, initial_up=jnp.full(2, 1.1), initial_down=jnp.full(2, -0.1)), "between 0 and 1"),
]


@pytest.mark.parametrize(("model", "message"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_models_without_an_exact_solution_are_refused(model, message):
    with pytest.raises(ArgumentError, match=message):
        steady_state(model, method=EXACT)
    with pytest.raises(ArgumentError, match=message):
        evolve(model, [0.0, 1.0], method=EXACT)


def test_three_level_cells_are_refused():
    with pytest.raises(ArgumentError, match="third level h"):
        evolve(krauter2011().model(), [1e-3], method=EXACT)


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
@pytest.mark.parametrize("kind", ["cooling", "heating", "dephasing"])
def test_squared_amplitudes_add_up_to_the_jump_rate(kind, atoms):
    """sum over j' = N_down, N_up, and N/4 for s_x of every atom; no amplitude leads out of the basis."""
    s = sector(atoms, 0)
    total = 0.0
    for step in (-1, 0, 1):
        square = amplitude(kind, atoms, s.j, s.ket, step) ** 2
        _, there = s.place(s.twice_j + 2 * step, s.k + step - SHIFT[kind])
        np.testing.assert_allclose(square[~there], 0, atol=1e-14)
        total = total + square
    rate = {"cooling": atoms / 2 - s.ket, "heating": atoms / 2 + s.ket, "dephasing": np.full(s.size, atoms / 4)}
    np.testing.assert_allclose(total, rate[kind], atol=1e-12)


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
        return charges(jump_operators(coefficients(model, jnp.ones(3))))

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
    assert multiplicities(60)[-1] > 1e15
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
