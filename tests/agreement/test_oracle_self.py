"""The oracles agree with each other, with exact identities of the master equation and with known numbers.

Nothing of darkstate is imported: this file is about the references other tests lean on. "Sec. n" in a comment
is a section of the project's physics sheet on spin ensembles, whose numbers come from an exact
permutation-invariant solver and two other integrators; its papers 001, 002 and 000 are [Muschik2011],
[Krauter2011] and [Muschik2012] (see oracles/mean_field.py).  Longer than most files: it is one long list of numbers.
"""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from oracles import mean_field as mf
from oracles.density_matrix import Ensemble, build
from oracles.moments import SIGN, epr_variance, exact_rates, moments

EXACT = 1e-12
SIZES = [(2, 1, 1), (2, 2, 1), (2, 1, 3), (2, 2, 2), (2, 3, 3), (3, 1, 1), (3, 1, 2), (3, 2, 2)]


def anti(a, b):
    return a @ b + b @ a


def commutator(a, b):
    return a @ b - b @ a


def random_pair(levels, first, second, seed, **same):
    """Two ensembles that share no number, or (same=...) the named ones."""
    rng = np.random.default_rng(seed)
    names = ["cool", "heat", "uu", "dd"] + (["uh", "dh", "hu", "hd"] if levels == 3 else [])

    def ensemble(atoms):
        rates = {name: rng.uniform(0.1, 1.5) for name in names}
        mu, nu = rng.uniform(1.0, 1.6), rng.uniform(0.2, 1.2)
        return Ensemble(atoms, mu, nu, d_gamma=rng.uniform(1, 5), detuning=rng.normal(), **rates)

    return build(
        ensemble(first),
        ensemble(second),
        levels=levels,
        transmission=same.get("transmission", rng.uniform(0.3, 1)),
        collective_dephasing=same.get("collective_dephasing", rng.uniform(0, 2)),
    )


def identical_pair(atoms, *, z=1.5, d_gamma=5.0, x=0.0, gd_add=2.0, larmor=0.0, gd=None, **options):
    """001 Eq. (13) with Gamma = 1; H = (larmor/2)(JxI + JxII)."""
    mu, nu = mf.squeezing(z)
    cool, heat = (1 + x) * mu**2, nu**2
    dephasing = 2 * (cool + heat) + gd_add if gd is None else gd
    one = Ensemble(atoms, mu, nu, d_gamma, cool=cool, heat=heat, dd=dephasing, detuning=larmor / 2)
    return build(one, one, **options)


# ---- the generator itself ----


@pytest.mark.parametrize(("levels", "first", "second"), [(2, 1, 2), (2, 2, 2), (3, 1, 1)])
def test_generator_is_one_map_in_four_forms(levels, first, second):
    system = random_pair(levels, first, second, seed=3)
    rho, operator = system.random_state(1), system.random_state(2)
    by_matrix = (system.superoperator @ rho.reshape(-1)).reshape(rho.shape)
    assert np.abs(system.rhs(rho) - by_matrix).max() < EXACT
    assert system.rate(operator, rho) == pytest.approx(np.trace(operator @ by_matrix).real, abs=EXACT)
    assert system.rate(operator, rho) == pytest.approx(system.expect(system.adjoint(operator), rho), abs=EXACT)
    assert np.abs(system.adjoint(np.eye(system.dim))).max() < EXACT  # trace is kept


@pytest.mark.parametrize("atoms", [1, 2, 3])
def test_symmetric_cascade_is_the_master_equation_of_the_paper(atoms):
    """001 Eq. (13): jump operators A and B and single-atom terms, written out as dense matrices."""
    system = identical_pair(atoms, x=0.7)
    ens, (s1, s2) = system.ensembles[0], system.S
    jumps = [np.sqrt(ens.d_gamma / atoms) * (ens.mu * s1 + ens.nu * s2.conj().T)]
    jumps += [np.sqrt(ens.d_gamma / atoms) * (ens.mu * s2 + ens.nu * s1.conj().T)]
    raising = np.array([[0, 1], [0, 0]])
    for i in range(2 * atoms):
        for rate, local in ((ens.cool, raising), (ens.heat, raising.T), (ens.dd, np.diag([0, 1]))):
            jumps.append(np.sqrt(rate) * system.embed(local, i))
    rho = system.random_state(atoms)
    want = sum(j @ rho @ j.conj().T - anti(j.conj().T @ j, rho) / 2 for j in jumps)
    assert np.abs(system.rhs(rho) - want).max() < EXACT


@pytest.mark.parametrize("transmission", [1.0, 0.37])
def test_ensemble_one_does_not_feel_ensemble_two(transmission):
    """Causality fixes the sign of the cascade's Hamiltonian: the opposite sign breaks it at once."""
    first, other = random_pair(2, 2, 2, 5).ensembles
    local = build(first, first).random_state(8)  # any operator of four atoms; its trace over II is one of two
    local = np.einsum("ajbj->ab", local.reshape(4, 4, 4, 4))
    operator = np.kron(local, np.eye(4))
    seen = [build(first, e, transmission=transmission) for e in (Ensemble(2), other)]
    alone, together = (s.adjoint(operator) for s in seen)
    assert np.abs(alone - together).max() < EXACT
    larmor = first.detuning * seen[1].J[0]["x"] + other.detuning * seen[1].J[1]["x"]
    cascade = seen[1].hamiltonian - larmor
    reversed_sign = together - 2j * (cascade @ operator - operator @ cascade)
    assert np.abs(reversed_sign - alone).max() > 1e-2


def test_cascade_hamiltonian_cancels_only_for_equal_squeezing():
    """The two sidebands cancel if mu_I nu_II = nu_I mu_II, whatever the optical depths; else they do not."""
    mu, nu = mf.squeezing(2.5)
    for other, cancels in (((mu, nu), True), ((1.3 * mu, 1.3 * nu), True), (mf.squeezing(2.0), False)):
        system = build(Ensemble(2, mu, nu, 30), Ensemble(1, *other, 12), transmission=0.8)
        assert (np.abs(system.hamiltonian).max() < 1e-12) == cancels


def test_coupling_between_the_ensembles_in_commutator_form():
    """-(1/2)[l (ad S' ad S + h.c.) + k (ad S' {S, .} - ad S'^+ {S^+, .})]; k = 0 leaves the symmetric form."""
    system = random_pair(2, 2, 2, seed=6, collective_dephasing=0.0)
    (one, two), (s1, s2) = system.ensembles, system.S
    rho = system.random_state(6)
    scale = np.sqrt(system.transmission * one.coupling * two.coupling)
    k = scale * (one.mu * two.nu - one.nu * two.mu)
    l = scale * (one.mu * two.nu + one.nu * two.mu)  # noqa: E741
    r1, r2 = s1.conj().T, s2.conj().T
    want = -l / 2 * (commutator(s2, commutator(s1, rho)) + commutator(r2, commutator(r1, rho)))
    want = want - k / 2 * (commutator(s2, anti(s1, rho)) - commutator(r2, anti(r1, rho)))
    uncoupled = build(one, two, transmission=0.0)
    assert np.abs(system.rhs(rho) - uncoupled.rhs(rho) - want).max() < EXACT


def test_dephasing_of_either_level_is_the_same_for_two_levels():
    """Gd D[s_dd] = (Gd/4) D[s_z] = Gd D[s_uu] (Sec. 1, row 28)."""
    by_dd, by_uu = (build(Ensemble(2, **{k: 0.9}), Ensemble(1, **{k: 0.4})) for k in ("dd", "uu"))
    rho = by_dd.random_state(4)
    assert np.abs(by_dd.rhs(rho) - by_uu.rhs(rho)).max() < EXACT
    tilted = by_dd.coherent_state((0, 1, 0), (0, 0, 1))
    fall = moments(by_dd, by_dd.rhs(tilted))["o"]
    assert fall == pytest.approx([-0.45 * 1.0, 0.0, 0.0, -0.2 * 0.5], abs=EXACT)  # coherence decays at Gd/2


def test_states_have_the_spin_they_are_named_after():
    system = build(Ensemble(2), Ensemble(3))
    up = moments(system, system.coherent_state())
    tilted = moments(system, system.coherent_state((0, 1, 0), (0, 0, -1)))
    assert up["jx"] == pytest.approx([1.0, 1.5])
    assert np.diag(up["V_I"]) == pytest.approx([0.5, 0.5])  # N/4: coherent spin state
    assert epr_variance(up) == pytest.approx(1.0)
    assert tilted["o"] == pytest.approx([1.0, 0.0, 0.0, -1.5])
    mixed = moments(system, system.polarised_state(0.5, -0.2))
    assert mixed["jx"] == pytest.approx([0.5, -0.3])
    assert mixed["jx2"] == pytest.approx([0.5 + 2 * 0.25**2, 0.75 + 6 * 0.1**2])
    for symmetric in (False, True):
        rho = system.random_state(0, symmetric=symmetric)
        assert np.linalg.eigvalsh(rho).min() > 1e-6
        assert np.trace(rho) == pytest.approx(1.0)
        assert (np.abs(system.symmetrise(rho) - rho).max() < EXACT) == symmetric


# ---- exact identities ----


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize(("levels", "first", "second"), SIZES)
def test_exact_moment_equations_of_unequal_ensembles(levels, first, second, symmetric):
    """Every equation at the head of oracles/moments.py, on random states: nothing is approximated in them."""
    for seed in (11, 12):
        system = random_pair(levels, first, second, seed)
        rho = system.random_state(seed, symmetric=symmetric)
        measured, written = moments(system, system.rhs(rho)), exact_rates(system, moments(system, rho))
        for name, value in written.items():
            assert np.abs(measured[name] - value).max() < EXACT, name


@pytest.mark.parametrize("atoms", [1, 2, 3])
@pytest.mark.parametrize("symmetric", [False, True])
def test_identities_of_the_sheet(atoms, symmetric):
    """Sec. 0, line by line as printed there (identical ensembles, nothing neglected), on a random state."""
    system = identical_pair(atoms, x=0.7, gd_add=1.1)
    ens, (one, two) = system.ensembles[0], system.J
    rho = system.random_state(20 + atoms, symmetric=symmetric)
    mean, rate = partial(system.expect, rho=rho), partial(system.rate, rho=rho)
    n, collective, mu, nu = atoms, ens.d_gamma / atoms, ens.mu, ens.nu
    both, gt = mu**2 + nu**2, ens.cool + ens.heat + ens.dd
    jx = one["x"]
    square = one["y"] @ one["y"] + one["z"] @ one["z"]
    want = -(ens.cool + ens.heat) * mean(jx) + n / 2 * (ens.cool - ens.heat)
    assert rate(jx) == pytest.approx(want + collective * (mean(square) - both * mean(jx)), abs=EXACT)
    for axis, sign in (("y", -1), ("z", 1)):
        o, p = one[axis], two[axis]
        want = -gt / 2 * mean(o) - collective / 2 * (mean(anti(o, jx)) + both * mean(o))
        assert rate(o) == pytest.approx(want, abs=EXACT)
        nested = mean(anti(o, anti(o, jx))) / 2
        want = -gt * (mean(o @ o) - n / 4) + collective * (both * (mean(jx @ jx) - mean(o @ o)) - nested)
        assert rate(o @ o) == pytest.approx(want, abs=EXACT)
        decay = mean(anti(o, jx) @ p + o @ anti(p, two["x"])) / 2 + both * mean(o @ p)
        want = -gt * mean(o @ p) + collective * (sign * 2 * mu * nu * mean(jx @ two["x"]) - decay)
        assert rate(o @ p) == pytest.approx(want, abs=EXACT)


@pytest.mark.parametrize("atoms", [1, 2, 3])
def test_single_atom_part_of_jx_squared(atoms):
    """Sec. 0: d<Jx^2> = -2(Gc+Gh)(<Jx^2> - N/4) + (N-1)(Gc-Gh)<Jx>; 001 footnote 76 has N for N - 1."""
    ens = Ensemble(atoms, cool=1.3, heat=0.4, dd=0.8)
    system = build(ens, ens)
    rho = system.random_state(atoms)
    m = moments(system, rho)
    want = -2 * 1.7 * (m["jx2"] - atoms / 4) + (atoms - 1) * 0.9 * m["jx"]
    assert moments(system, system.rhs(rho))["jx2"] == pytest.approx(want, abs=EXACT)


@pytest.mark.parametrize("atoms", [1, 2])
def test_three_level_sources_hold_the_loss_term(atoms):
    """Sec. 0 and row 19: Gt(N/4) becomes Gbar N2/4 + (1/4) dN2/dt, and G obeys its own closed equation."""
    ens = Ensemble(atoms, cool=0.5, heat=0.2, uu=0.7, dd=0.3, uh=0.6, dh=0.9, hu=0.05, hd=0.15)
    system = build(ens, ens, levels=3)
    rho = system.random_state(atoms + 6)
    m = moments(system, rho)
    dm = moments(system, system.rhs(rho))
    n2, dn2 = m["n"][0, :2].sum(), dm["n"][0, :2].sum()
    want = -(0.5 + 0.2 + 0.7 + 0.3 + 0.6 + 0.9) * (m["V_I"] - np.eye(2) * n2 / 4) + np.eye(2) * dn2 / 4
    assert dm["V_I"] == pytest.approx(want, abs=EXACT)
    assert abs(dn2) > 0.1
    # rows of M from the papers' Eq. (20), corrected: column sums vanish
    matrix = np.array([[-0.8, 0.5, 0.05], [0.2, -1.4, 0.15], [0.6, 0.9, -0.2]])
    assert dm["n"][0] == pytest.approx(matrix @ m["n"][0], abs=EXACT)
    noise = sum(
        matrix[b, a] * m["n"][0, a] * np.outer(np.eye(3)[b] - np.eye(3)[a], np.eye(3)[b] - np.eye(3)[a])
        for a in range(3)
        for b in range(3)
        if a != b
    )
    assert dm["nn"][0] == pytest.approx(matrix @ m["nn"][0] + m["nn"][0] @ matrix.T + noise, abs=EXACT)


@pytest.mark.parametrize("atoms", [1, 2, 3])
def test_collective_dephasing(atoms):
    """Sec. 0 last line and rows 13, 14: both cross terms carry the same sign and a damping of their own."""
    mu, nu = mf.squeezing(2.5)
    system = build(Ensemble(atoms, mu, nu), Ensemble(atoms, mu, nu), collective_dephasing=1.7)
    rho = system.random_state(atoms)
    m = moments(system, rho)
    dm = moments(system, system.rhs(rho))
    both, yy, zz = mu**2 + nu**2, *np.diag(m["C"])
    want = [-1.7 / atoms * (both * a + 2 * mu * nu * b) for a, b in ((yy, zz), (zz, yy))]
    assert np.diag(dm["C"]) == pytest.approx(want, abs=EXACT)
    assert dm["o"] == pytest.approx(-1.7 / (2 * atoms) * both * m["o"], abs=EXACT)
    assert dm["jx"] == pytest.approx([0.0, 0.0], abs=EXACT)


# ---- exact numbers at finite N ----


@pytest.mark.parametrize(
    ("atoms", "larmor", "value"),
    [  # Sec. 3: Z = 1.5, d Gamma = 5, x = 0, Gd_add = 2, all up, t = 0.2
        (1, 0.0, 0.935003486613),
        (2, 0.0, 0.880640787588),
        (4, 0.0, 0.852243360762),
        (2, 0.8, 0.881448892315),
    ],
)
def test_time_evolution_at_finite_number(atoms, larmor, value):
    system = identical_pair(atoms, larmor=larmor)
    rho = system.evolve(system.coherent_state(), [0.2])[0]
    assert epr_variance(moments(system, rho)) == pytest.approx(value, abs=1e-11)


@pytest.mark.parametrize(("atoms", "value"), [(1, 2.006165), (2, 2.155781), (3, 2.159966)])
def test_strong_squeezing_at_late_times(atoms, value):
    """d = 30, Z = 2.5, t = 2: from QuTiP and coupled Sylvester blocks (exact spins, Sec. 7), 7 digits."""
    system = identical_pair(atoms, z=2.5, d_gamma=30.0)
    m = moments(system, system.evolve(system.coherent_state(), [0.5, 2.0])[1])
    assert epr_variance(m) == pytest.approx(value, abs=6e-7)
    assert m["jx"] == pytest.approx([0.156006 * atoms] * 2, abs=1e-6 * atoms)


def test_evolution_agrees_with_an_ode_solver():
    system = random_pair(2, 2, 1, seed=9)
    rho = system.random_state(9)
    found = solve_ivp(
        lambda _, y: system.rhs(y.reshape(rho.shape)).reshape(-1),
        (0, 0.5), rho.reshape(-1), method="DOP853", rtol=1e-11, atol=1e-12, t_eval=[0.2, 0.5],
    )  # fmt: skip
    assert np.abs(system.evolve(rho, [0.2, 0.5]).reshape(2, -1) - found.y.T).max() < 1e-9


def test_steady_state_of_two_plus_two_atoms():
    system = identical_pair(2)
    rho = system.steady_state()
    assert np.abs(system.rhs(rho)).max() < 1e-12
    assert epr_variance(moments(system, rho)) == pytest.approx(1.025577465968, abs=1e-11)  # Sec. 3


def test_steady_state_refuses_if_it_is_not_unique():
    """The reservoir alone keeps every total spin: with two atoms each there are several dark states."""
    mu, nu = mf.squeezing(1.5)
    system = build(Ensemble(2, mu, nu, 5), Ensemble(2, mu, nu, 5))
    with pytest.raises(ValueError, match="not unique"):
        system.steady_state()


@pytest.mark.parametrize("atoms", [1, 2, 3])
def test_probe_only_steady_state_is_known_for_every_number(atoms):
    """Sec. 0: with Gcool : Gheat = mu^2 : nu^2, <Jx> = N P/2, P = 1/(mu^2 + nu^2), <Jy^2> = N/4, any Gd."""
    system = identical_pair(atoms, gd=1.3)
    m = moments(system, system.steady_state())
    mu, nu = mf.squeezing(1.5)
    assert m["jx"] == pytest.approx([atoms / 2 / (mu**2 + nu**2)] * 2, abs=EXACT)
    for name in ("V_I", "V_II"):
        assert m[name] == pytest.approx(np.eye(2) * atoms / 4, abs=EXACT)
    if atoms == 2:  # the statement is about the probe only: pumping breaks it at finite N
        pumped_system = identical_pair(2, x=1.0)
        pumped = moments(pumped_system, pumped_system.steady_state())
        assert abs(pumped["V_I"][0, 0] - 0.5) > 1e-3


def three_levels(atoms):
    """Sec. 3, last line: D1 with full rates, d Gamma = 4, Z = 1.5."""
    mu, nu = mf.squeezing(1.5)
    ens = Ensemble(atoms, mu, nu, 4.0, heat=0.2, cool=0.5, uh=0.6, dh=0.6, hu=0.05, hd=0.05, uu=0.7, dd=0.7)
    return build(ens, ens, levels=3)


def test_three_levels():
    """Sigma_2/N at t = 0.6: N = 2 exactly; mean field with and without the loss term (Sec. 3, row 19)."""
    per_atom = []
    for atoms in (1, 2):
        system = three_levels(atoms)
        m = moments(system, system.evolve(system.coherent_state(), [0.6])[0])
        per_atom.append((np.trace(m["V_I"] + m["V_II"]) + 2 * SIGN @ np.diag(m["C"])) / atoms)
    assert per_atom[1] == pytest.approx(0.522977446, abs=1e-9)
    mu, nu = mf.squeezing(1.5)
    gbar = 0.2 + 0.5 + 0.6 + 0.6 + 0.7 + 0.7
    model = mf.MeanField(mu, nu, 4.0, ud=0.2, du=0.5, gamma_t=gbar, uh=0.6, dh=0.6, hu=0.05, hd=0.05)
    limit, without = (mf.solve(model, 0.6, loss_term=k)(0.6)[3:5].sum() for k in (True, False))
    assert limit == pytest.approx(0.497476, abs=5e-7)
    assert without == pytest.approx(0.57022, abs=5e-6)
    # a first Richardson step in 1/N lands at the corrected limit, far from the other one
    assert 2 * per_atom[1] - per_atom[0] == pytest.approx(limit, abs=0.02)


# ---- mean field ----


@pytest.mark.parametrize(
    ("z", "d", "x", "gd_add", "xi", "digits"),
    [  # Sec. 3: 001 Fig. 3, then the four sets of the 1/N law
        (1.5, 30, 0, 0, 0.583128114563, 1e-12),
        (1.5, 30, 0, 20, 0.913121173145, 1e-12),
        (2.5, 30, 0, 0, 1.702930029190, 1e-12),
        (1.5, 5, 0, 2, 1.003685556, 1e-9),
        (1.5, 30, 0, 2, 0.637109181, 1e-9),
        (2.0, 30, 0, 0, 0.833288482, 1e-9),
        (1.5, 30, 5, 20, 0.804006512, 1e-9),
    ],
)
def test_steady_state_two_levels(z, d, x, gd_add, xi, digits):
    model = mf.two_level(z, d=d, x=x, gd_add=gd_add)
    assert mf.steady_xi(model) == pytest.approx(xi, abs=digits)
    integrated = mf.curve(model, "corrected", 40.0)(40.0)
    assert integrated == pytest.approx(xi, abs=max(digits, 1e-10))


@pytest.mark.parametrize(
    ("x", "gd_add", "z", "xi"),
    [  # Sec. 3: optima of 001 Fig. 3 (first two) and Fig. 4
        (0, 0, 1.544195757, 0.580769816471),
        (0, 10, 1.369208461, 0.770360781253),
        (0, 20, 1.2892953396, 0.850243268438),
        (5, 20, 1.6393701645, 0.798494128883),
    ],
)
def test_optimal_squeezing(x, gd_add, z, xi):
    assert mf.optimum(30, x, gd_add) == pytest.approx((z, xi), abs=1e-8)


def test_dephasing_that_leaves_fifteen_percent():
    """001 Sec. III D, "15 %" (Sec. 3): Gd_add = 19.95696 (x = 0) and 36.84631 (x = 5)."""
    for x, gd_add in ((0, 19.95696), (5, 36.84631)):
        assert mf.optimum(30, x, gd_add)[1] == pytest.approx(0.85, abs=1e-7)


def test_time_evolution_two_levels():
    """Sec. 3: Z = 1.5, d = 30, Gd_add = 2, all up, t = 0.1."""
    model = mf.two_level(1.5, d=30, x=0, gd_add=2)
    u, d, _ = model.populations(0.1)
    assert u - d == pytest.approx(0.967515114501, abs=1e-12)
    assert mf.curve(model, "eq21", 1.0)(0.1) == pytest.approx(0.560571712974, abs=1e-12)  # Eq. (14)
    assert mf.curve(model, "corrected", 1.0)(0.1) == pytest.approx(0.562169740076, abs=1e-11)


def test_cesium_cells_of_the_second_paper():
    """Sec. 3, 002 Fig. 2, times in ms, and the slope of row 22."""
    model = mf.cesium_cells(55)
    assert model.uh - mf.COLLISIONS == pytest.approx(0.0263839702, abs=1e-10)  # default Gamma_out_L
    known = {  # minimum, its time, first and last crossing of 1
        "eq21": (0.8880304198, 6.6807, 0.391979, 19.050076),
        "paper_ode": (0.9097456839, None, None, 14.723957),
        "corrected": (0.8225018847, None, None, 22.829475),
    }
    for variant, (lowest, when, first, last) in known.items():
        xi = mf.curve(model, variant, 60.0)
        assert xi(0.0) == pytest.approx(1.020050125313, abs=1e-12)
        time, value = mf.minimum(xi, 1.0, 30.0)
        assert value == pytest.approx(lowest, abs=1e-10)
        assert mf.crossing(xi, time, 50.0) == pytest.approx(last, abs=1e-6)
        if when:
            assert time == pytest.approx(when, abs=5e-5)
            assert mf.crossing(xi, 0.01, time) == pytest.approx(first, abs=1e-6)
    xi = mf.curve(mf.cesium_cells(35), "eq21", 60.0)
    time, value = mf.minimum(xi, 1.0, 30.0)
    assert value == pytest.approx(0.9644898119, abs=1e-10)
    assert mf.crossing(xi, time, 50.0) == pytest.approx(12.913630, abs=1e-6)


def test_initial_slope_of_the_second_paper():
    """Row 22: slope of Sigma_exp/(2 |Jx(0)|), formula and curve; -0.084/ms without the loss term."""
    model = mf.cesium_cells(55)
    polarisation, squeezed, jx = 0.98, (model.mu - model.nu) ** 2, 3.99
    formula = -4 * model.d_gamma * polarisation * (1 - polarisation * squeezed)
    formula += 7 * model.ud * polarisation - 7 * (model.uh + model.du - model.ud) * 0.01
    assert formula / jx == pytest.approx(-0.084, abs=5e-4)
    for loss_term in (False, True):
        step, path = 1e-3, mf.solve(model, 1.0, loss_term=loss_term)
        times = step * np.arange(3)
        spread = 8 * path(times)[:, 3:5].sum(axis=-1) + 14 * path(times)[:, 1]
        slope = (-3 * spread[0] + 4 * spread[1] - spread[2]) / (2 * step) / (2 * jx)
        loss = -4 * model.uh if loss_term else 0.0  # 4 dN2/dt(0) = -4 Gamma_out
        assert slope == pytest.approx((formula + loss) / jx, abs=2e-6)


@pytest.mark.parametrize(("d", "xi"), [(55, 1.066243558926), (150, 0.918246828607)])  # Sec. 3, 000 Fig. 3b
def test_pumped_and_repumped_steady_state(d, xi):
    model = mf.cesium_cells(d, tilde=0.193 + 2 * 0.160, pump=0.160, repump=0.160)
    assert mf.steady_xi(model) == pytest.approx(xi, abs=1e-11)
    assert mf.curve(model, "corrected", 400.0)(400.0) == pytest.approx(xi, abs=1e-9)


def test_larmor_mismatch():
    """Sec. 3: cells of 002, d = 55, 20 Hz: minimum 0.8674, below 1 until 11.9 ms; and the steady formula."""
    xi = mf.curve(mf.cesium_cells(55, larmor=2 * np.pi * 0.020), "corrected", 60.0)
    time, value = mf.minimum(xi, 0.5, 30.0)
    assert value == pytest.approx(0.8674, abs=5e-5)
    assert mf.crossing(xi, time, 40.0) == pytest.approx(11.9, abs=0.05)
    mu, nu = mf.squeezing(1.5)
    model = mf.MeanField(mu, nu, 30.0, ud=nu**2, du=mu**2, gamma_t=9.0, larmor=7.0)
    assert mf.curve(model, "corrected", 60.0)(60.0) == pytest.approx(mf.steady_xi(model), abs=1e-10)


@pytest.mark.parametrize(("transmission", "floor"), [(1.0, 0.160), (0.9, 0.316)])  # Sec. 2, Z = 2.5
def test_floor_set_by_loss_between_the_cells(transmission, floor):
    mu, nu = mf.squeezing(2.5)
    model = mf.MeanField(mu, nu, 30.0, ud=0.0, du=1e-9, gamma_t=0.0, transmission=transmission)
    assert mf.curve(model, "corrected", 3.0)(3.0) == pytest.approx(floor, abs=5e-4)
    exact = mu**2 + nu**2 - 2 * mu * nu * np.sqrt(transmission)
    assert mf.steady_xi(model) == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("transmission", [1.0, 0.6])
def test_mean_field_is_the_limit_of_the_density_matrix(transmission):
    """xi(t = 0.2) at N = 1...4 extrapolated by a cubic in 1/N; Larmor mismatch, loss between the cells."""
    values = []
    for atoms in (1, 2, 3, 4):
        system = identical_pair(atoms, larmor=0.8, transmission=transmission)
        values.append(epr_variance(moments(system, system.evolve(system.coherent_state(), [0.2])[0])))
    limit = np.polyfit(1 / np.arange(1, 5), values, 3)[-1]
    model = replace(mf.two_level(1.5, d=5, x=0, gd_add=2), larmor=0.8, transmission=transmission)
    assert limit == pytest.approx(mf.curve(model, "corrected", 0.2)(0.2), abs=5e-4)


@pytest.mark.parametrize("transmission", [1.0, 0.7])
def test_one_way_drive_of_unequal_ensembles_survives_the_limit(transmission):
    """Z = 1.5 before Z = 2.2: the cascade's Hamiltonian does not cancel and moves xi by 0.15 even for N -> infinity."""
    kinds = [{"z": 1.5, "d_gamma": 8.0, "x": 0.0, "gd": 1.0}, {"z": 2.2, "d_gamma": 5.0, "x": 1.0, "gd": 2.0}]
    values = []
    for atoms in (1, 2, 3, 4):
        one, two = (identical_pair(atoms, **kind).ensembles[0] for kind in kinds)
        system = build(one, two, transmission=transmission)
        values.append(epr_variance(moments(system, system.evolve(system.coherent_state(), [0.15])[0])))
    limit = np.polyfit(1 / np.arange(1, 5), values, 3)[-1]
    models = []
    for e in (one, two):
        total = e.cool + e.heat + e.dd
        models.append(mf.MeanField(e.mu, e.nu, e.d_gamma, e.heat, e.cool, total, transmission=transmission))
    with_drive, without = (mf.unequal_cascade(*models, 0.15, drive=k) for k in (True, False))
    xi, undriven = (2 * (y[2] + y[3] + 2 * y[4]) / (y[0] + y[1]) for y in (with_drive, without))
    assert limit == pytest.approx(xi, abs=2e-3)
    assert abs(limit - undriven) > 0.1


def test_unequal_cascade_contains_the_equal_one():
    model = replace(mf.two_level(1.7, d=20, x=1, gd_add=3), transmission=0.8)
    p, _, v_one, v_two, c = mf.unequal_cascade(model, model, 0.3)
    assert v_one == v_two
    assert (v_one + v_two + 2 * c) / p == pytest.approx(mf.curve(model, "corrected", 0.3)(0.3), abs=1e-10)


def test_oracles_share_no_code_with_what_they_check():
    sources = list(Path(mf.__file__).parent.glob("*.py"))
    assert len(sources) >= 4
    for source in sources:
        found = re.search(r"^\s*(import|from)\s+(darkstate|jax)", source.read_text(), re.MULTILINE)
        assert found is None, source.name
