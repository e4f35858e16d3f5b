"""The Gaussian oracles agree with each other, with the commutators and with known numbers.

Nothing of darkstate is imported: this file is about the references other tests lean on.  "Sheet" is the project's
physics sheet on Gaussian networks; 000 is [Muschik2013], 004 is [Huang2018].
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from oracles import gaussian as ga
from oracles import gaussian_cascade as ca
from oracles import gaussian_filter as fi
from oracles import gaussian_reference as ref
from oracles import gaussian_witness as wi

SIZES = [(1, 1), (1, 3), (2, 2), (3, 2), (4, 4)]
STATES = wi.random_states(np.random.default_rng(5), 12)


def relative(found, expected):
    return np.abs(np.asarray(found) - expected).max() / np.abs(expected).max()


# ---- networks in general ----


@pytest.mark.parametrize(("modes", "channels"), SIZES)
def test_random_networks_keep_the_commutators_and_the_uncertainty_relation(modes, channels):
    system = ga.random_open_system(np.random.default_rng(modes), modes, channels)
    om, om_u, A, B = ga.symplectic_form(modes), ga.symplectic_form(channels), system.A, system.B
    assert relative(A @ om + om @ A.T, -B @ om_u @ B.T) < 1e-13
    assert np.linalg.eigvals(A).real.max() < 0
    free, watched = ga.lyapunov(A, system.D), ga.care(A, system.D, *system.measurement)
    assert ga.uncertainty(free) > 0
    assert ga.uncertainty(watched) > 0
    # law of total variance: what the record tells is a covariance
    assert np.linalg.eigvalsh(free - watched).min() > -1e-12


@pytest.mark.parametrize(("modes", "channels"), SIZES)
def test_perfectly_watched_vacuum_makes_a_pure_state(modes, channels):
    system = ga.random_open_system(np.random.default_rng(10 + modes), modes, channels, perfect=True)
    V = ga.care(system.A, system.D, *system.measurement)
    nu = np.abs(np.linalg.eigvals(1j * ga.symplectic_form(modes) @ V))
    assert nu == pytest.approx(np.full(2 * modes, 0.5), abs=1e-9)
    # vacuum in, vacuum for what is lost: shot noise whatever the efficiency
    R = replace(system, efficiency=np.full(channels, 0.5)).measurement[2]
    assert R == pytest.approx(np.eye(channels) / 2, abs=1e-15)


def test_steady_state_is_the_kronecker_solution():
    system = ga.random_open_system(np.random.default_rng(3), 3, 2)
    one = np.eye(6)
    by_kron = np.linalg.solve(np.kron(system.A, one) + np.kron(one, system.A), -system.D.ravel())
    assert relative(ga.lyapunov(system.A, system.D).ravel(), by_kron) < 1e-11


def test_filter_is_where_the_riccati_equation_ends():
    system = ga.random_open_system(np.random.default_rng(4), 2, 3)
    measured = system.measurement

    def rhs(_, v):
        return ga.riccati_rhs(v.reshape(4, 4), system.A, system.D, *measured).ravel()

    end = 40 / np.abs(np.linalg.eigvals(system.A).real).min()
    found = solve_ivp(rhs, (0, end), np.eye(4).ravel() * 3, method="LSODA", rtol=1e-11, atol=1e-13)
    V = ga.care(system.A, system.D, *measured)
    assert relative(found.y[:, -1].reshape(4, 4), V) < 1e-8
    unwatched = replace(system, efficiency=np.full(3, 1e-9))
    assert relative(ga.care(system.A, system.D, *unwatched.measurement), ga.lyapunov(system.A, system.D)) < 1e-7


# ---- the cascade of 004 ----


@pytest.mark.parametrize("frequency", [None, 0.0, 3.0])
@pytest.mark.parametrize("loss", [0.0, 0.4])
def test_cascade_keeps_all_commutators(loss, frequency):
    h = ca.random_hybrid(np.random.default_rng(6), loss)
    system = ca.rotating(h) if frequency is None else ca.lab(h, frequency)
    K, K_u, B, T = np.diag([1, -1, 1, -1]), system.commutator, system.inlet, system.through
    assert relative(system.drift @ K + K @ system.drift.conj().T, -B @ K_u @ B.conj().T) < 1e-14
    # [z(t), light_out(t)^+] = 0: what has left does not see what comes later
    assert relative(B @ K_u @ T.conj().T, -K @ system.outlet.conj().T) < 1e-14
    assert relative(T @ K_u @ T.conj().T, np.diag(np.tile([1, -1], len(T) // 2))) < 1e-14


@pytest.mark.parametrize("seed", range(8))
def test_three_routes_to_the_steady_cascade(seed):
    h = ca.random_hybrid(np.random.default_rng(seed))
    V = ca.steady(ca.rotating(h))
    assert relative(ca.steady_by_formula(h), V) < 1e-12
    assert relative(ca.steady_by_time(ca.rotating(h)), V) < 1e-12
    assert relative(ca.steady_by_time(ca.lab(h, 5.0)), ca.steady(ca.lab(h, 5.0))) < 1e-12


def test_matched_widths_make_a_jordan_block_and_no_trouble():
    s = ca.Oscillator(4.0, 0.9, 1.0, 1.5)
    m = ca.Oscillator(2.0, 1.2, 1.0, 0.7)
    h = ca.Hybrid(s, replace(m, damping=s.width - m.width + m.damping), 0.2)
    assert h.spin.width == pytest.approx(h.motion.width, rel=1e-15)
    assert relative(ca.steady_by_formula(h), ca.steady(ca.rotating(h))) < 1e-12
    assert relative(ca.steady_by_time(ca.rotating(h)), ca.steady(ca.rotating(h))) < 1e-12


@pytest.mark.parametrize("seed", range(4))
def test_quadrature_blocks_are_those_of_the_sheet(seed):
    """Sheet, "X block" and "Output"; the sign of the current is free."""
    h = ca.random_hybrid(np.random.default_rng(seed))
    s, m, t = h.spin, h.motion, np.sqrt(1 - h.loss)
    A, D, C, N, _ = ca.measurement(h, phase=np.pi / 2, efficiency=1.0)
    cross = -t / 2 * np.sqrt(s.coupling * m.coupling) * np.sin(s.theta + m.theta)
    read = np.sqrt([(1 - h.loss) * s.coupling, m.coupling])
    turned = np.array([s.theta, m.theta]) - np.pi / 4
    x, R = np.ix_([0, 2], [0, 2]), -np.sqrt(m.coupling * s.coupling) * np.sin(m.theta - s.theta)
    assert relative(A[x], [[-s.width / 2, 0], [t * R, -m.width / 2]]) < 1e-14
    assert relative(D[x], [[s.coupling / 2 + s.thermal, cross], [cross, m.coupling / 2 + m.thermal]]) < 1e-14
    assert relative(C[0], [-(read * np.cos(turned))[0], 0, -(read * np.cos(turned))[1], 0]) < 1e-14
    assert relative(N[[0, 2], 0], read * np.sin(turned) / 2) < 1e-14
    assert C[0, 2] / C[0, 0] == pytest.approx(h.gain, rel=1e-13)
    # the P block is the same with P_M -> -P_M
    flip, p = np.diag([1.0, -1.0]), np.ix_([1, 3], [1, 3])
    assert relative(flip @ A[p] @ flip, A[x]) < 1e-14
    assert relative(flip @ D[p] @ flip, D[x]) < 1e-14


@pytest.mark.parametrize("row", ref.SHEET)
def test_watching_helps_and_the_other_quadrature_helps_more(row):
    h = ref.at_optimum(row)
    unwatched = ref.unconditional_xi(h)
    by_p, by_x = (ref.conditional_xi(h, phase=phase) for phase in (np.pi / 2, 0.0))
    assert by_p == pytest.approx(ref.conditional_xi_by_x_block(h), rel=1e-10)
    assert by_x < by_p < unwatched
    # sheet: the P_L sidebands gain 0.1 to 1.5 % at the parameters of the table
    assert 0.001 < 1 - by_p / unwatched < 0.015
    assert by_p < ref.conditional_xi(h, efficiency=0.5) < unwatched
    assert ref.conditional_xi(h, efficiency=1e-9) == pytest.approx(unwatched, rel=1e-7)


def test_ideal_detection_makes_theta_of_the_motion_a_gauge():
    """Sheet: only theta_S and sqrt(Gamma_M) cos(theta_M') matter."""
    h = ref.at_optimum((10.0, 0.1))
    other = 1.1
    ratio = np.cos(h.motion.theta - np.pi / 4) / np.cos(other - np.pi / 4)
    turned = replace(h, motion=replace(h.motion, theta=other, coupling=h.motion.coupling * ratio**2))
    assert relative(ca.conditional(turned), ca.conditional(h)) < 1e-10
    assert relative(ca.steady_by_formula(turned), ca.steady_by_formula(h)) > 0.01


@pytest.mark.parametrize("seed", range(4))
def test_fast_oscillators_obey_the_rotating_wave_approximation(seed):
    h = ca.random_hybrid(np.random.default_rng(seed))
    # the counter-rotating terms move V by some rate/frequency, here 10/1e5
    assert relative(ca.steady(ca.lab(h, 1e5)), ca.steady(ca.rotating(h))) < 1e-4


def test_beyond_the_rotating_wave_approximation():
    """Sheet: C_S = 100, eps = 0, omega = 2 pi 1 MHz: 0.116 becomes 0.329, E_N 3.18 becomes 3.09 bits."""
    h = ref.at_optimum((100.0, 0.0), spin_thermal=1.5 * 2 * np.pi * 5e3)
    rwa = ca.steady(ca.rotating(h))
    full = [ca.steady(ca.lab(h, 2 * np.pi * 1e6 * k)) for k in (1, 8, 16)]
    xi = [ca.epr_variance(V, h.gain) for V in full]
    assert xi[0] == pytest.approx(0.329, abs=5e-4)
    assert ca.epr_variance(rwa, h.gain) == pytest.approx(0.116, abs=5e-4)
    assert wi.log_negativity(rwa) / np.log(2) == pytest.approx(3.18, abs=5e-3)
    assert wi.log_negativity(full[0]) / np.log(2) == pytest.approx(3.09, abs=5e-3)
    error = np.array(xi) - ca.epr_variance(rwa, h.gain)
    # omega^-2, next term omega^-4: (Gamma/omega)^2 is about 0.01 at 2 pi 8 MHz
    assert error[1] / error[2] == pytest.approx(4, rel=1e-2)
    assert min(ga.uncertainty(V) for V in full) > 0


# ---- the optimum ----


def assert_free_columns(row, free, xi_same_angle):
    xi, theta_S, theta_M, C_M, same_angle, _ = ref.SHEET[row]
    assert [free.xi, xi_same_angle] == pytest.approx([xi, same_angle], abs=6e-7)
    assert [free.theta_S, free.theta_M] == pytest.approx([theta_S, theta_M], abs=6e-6)
    assert free.C_M == pytest.approx(C_M, abs=6e-3)


@pytest.mark.parametrize("row", ref.SHEET)
def test_reference_table_without_the_watched_column(row):
    assert_free_columns(row, ref.optimum(*row, seed=2), ref.optimum(*row, seed=2, same_angle=True).xi)


def test_limits_of_the_optimum():
    # sheet: 1.18323 against 1.15470 at n_S = 1, r = 4/3; 8.9 % at n_S = 0, r = 0
    assert ref.asymptote() == pytest.approx(1.18323, abs=5e-6)
    assert ref.asymptote_conditional() == pytest.approx(1.15470, abs=5e-6)
    assert ref.asymptote(0.0, 0.0) / ref.asymptote_conditional(0.0, 0.0) - 1 == pytest.approx(0.089, abs=5e-4)
    # n_S -> infinity: 004 prints sqrt(2 (1 + r)) for R = 0, and u -> 0 makes the free one sqrt((1 + r)/2)
    assert ref.asymptote_same_angle(1e9, 4 / 3) == pytest.approx(np.sqrt(14 / 3), rel=1e-9)
    assert ref.asymptote(1e4, 4 / 3) == pytest.approx(np.sqrt(7 / 6), rel=1e-3)


@pytest.mark.slow
def test_reference_table():
    for row in ref.reference_table():
        assert_free_columns((row.C_S, row.loss), row.free, row.xi_same_angle)
        assert row.xi_conditional == pytest.approx(ref.SHEET[row.C_S, row.loss][5], abs=6e-7)
    watched = ref.optimum(1e4, 0.0, xi=ref.conditional_xi_by_x_block).xi * 1e2  # corrections fall as 1/sqrt(C_S)
    assert watched == pytest.approx(ref.asymptote_conditional(), rel=1e-2)


def test_optimum_reaches_its_limits():
    strong = 1e6  # corrections fall as 1/sqrt(C_S)
    assert ref.optimum(strong, 0.0).xi * 1e3 == pytest.approx(ref.asymptote(), rel=1e-3)
    assert ref.optimum(strong, 0.0, same_angle=True).xi * 1e3 == pytest.approx(ref.asymptote_same_angle(), rel=1e-3)
    lossy = ref.optimum(1e8, 0.1)
    assert lossy.xi == pytest.approx(ref.loss_bound(0.1), rel=1e-5)
    gain = ref.hybrid(1e8, lossy.C_M, lossy.theta_S, lossy.theta_M, 0.1).gain
    assert gain**2 == pytest.approx(1.9 / 1.8, rel=5e-3)  # sheet: (2 - eps)/(2 (1 - eps)); flat optimum
    assert ref.optimum(1e8, 0.1, same_angle=True).xi == pytest.approx(ref.loss_bound_same_angle(0.1), rel=1e-5)


def test_entanglement_begins_where_the_sheet_says():
    """C_S > r/2 with R free, C_S > 3.9485 with R = 0, both at eps = 0."""
    assert ref.optimum(0.66, 0.0).xi > 1 > ref.optimum(0.68, 0.0).xi
    assert ref.optimum(3.948, 0.0, same_angle=True).xi > 1 > ref.optimum(3.949, 0.0, same_angle=True).xi


# ---- monitored cells ----


def test_stationary_cells():
    # sheet, Z = 2.5: x = 0.5 gives 0.44 and 0.325657, x = 1 gives 0.58 and 0.4
    found = [(fi.stationary(c), fi.stationary_conditional(c)) for c in (fi.Cells(1, 0.5, 2.5), fi.Cells(1, 1, 2.5))]
    assert np.array(found) == pytest.approx(np.array([[0.44, 0.325657], [0.58, 0.4]]), abs=5e-7)
    # 000, last formulas of Sec. IV, eta = w = 1
    x, Z = 0.3, 1.7
    printed = (1 - x + np.sqrt((1 - x) ** 2 + 4 * Z**2 * x)) / (2 * Z**2)
    assert fi.stationary_conditional(fi.Cells(2.0, 0.6, Z)) == pytest.approx(printed, rel=1e-14)


@pytest.mark.parametrize("cells", [fi.Cells(0.1, 0.17, 2.5), fi.Cells(0.3, 0.1, 1.6, 0.7, 1.4)])
@pytest.mark.parametrize("start", [0.05, 1.0, 4.0])
def test_variances_in_time(cells, start):
    t = np.array([0.0, 0.3, 2.0, 7.0, 60.0])
    by_ode = fi.variance_by_ode(cells, t, start)
    assert fi.conditional_variance(cells, t, start) == pytest.approx(by_ode, rel=1e-10)
    assert by_ode[-1] == pytest.approx(fi.stationary_conditional(cells), rel=1e-6)
    unwatched = fi.variance_by_ode(replace(cells, efficiency=0.0), t, start)
    assert fi.variance(cells, t, start) == pytest.approx(unwatched, rel=1e-10)


def test_ideal_cells_follow_the_paper_at_twice_its_rate():
    """000 below Eq. (5), with e^(-2 gamma_s t) for its e^(-gamma_s t)."""
    Z, start, t = 2.5, 1.3, np.array([0.1, 1.0, 5.0])
    fall = np.exp(-2 * 0.2 * t)
    found = fi.conditional_variance(fi.Cells(0.2, 0.0, Z), t, start)
    assert found == pytest.approx(1 / (fall / start + Z**2 * (1 - fall)), rel=1e-13)


@pytest.mark.parametrize(("efficiency", "bath"), [(1.0, 1.0), (0.6, 1.3)])
def test_measurement_cycles_converge_to_the_closed_form(efficiency, bath):
    cells = fi.Cells(0.1, 0.17, 2.5, efficiency, bath)
    exact = fi.stationary_conditional(cells)
    coarse, _ = fi.stationary_by_cycles(cells, 0.2, 1)
    finer, limit = fi.stationary_by_cycles(cells, 0.1, 4)
    # first order in tau, and nothing left of it after Richardson
    assert (coarse - exact) / (finer - exact) == pytest.approx(2, abs=0.1)
    assert abs(finer - exact) > 1e-3
    assert limit == pytest.approx(exact, abs=1e-7)
    unwatched = fi.stationary_by_cycles(replace(cells, efficiency=0.0), 0.1, 4)[1]
    assert unwatched == pytest.approx(fi.stationary(cells), abs=1e-7)


def test_cells_are_a_cascade_without_drive():
    """Sheet: R = 0, n = 0, theta = atan(mu/nu), Gamma = 2 gamma_s (mu^2 + nu^2), gamma_0 = 2 gamma_extra."""
    mu, nu = 1.45, 1.05  # mu^2 - nu^2 = 1
    cell = fi.Cells(0.3, 0.2, mu + nu, 0.8, 1.3)
    coupling, damping = 2 * cell.gamma_s * (mu**2 + nu**2), 2 * cell.gamma_extra
    one = ca.Oscillator(coupling, np.arctan2(mu, nu), damping, damping * cell.bath / 2)
    pair = ca.Hybrid(one, one)
    assert ca.epr_variance(ca.steady(ca.rotating(pair)), pair.gain) == pytest.approx(fi.stationary(cell), rel=1e-12)
    watched = ca.epr_variance(ca.conditional(pair, efficiency=cell.efficiency), pair.gain)
    assert watched == pytest.approx(fi.stationary_conditional(cell), rel=1e-12)


def test_records_obey_the_law_of_total_variance():
    count, cycles, cells = 20000, 120, fi.Cells(0.1, 0.17, 2.5, 0.7, 1.2)
    found = fi.trajectories(np.random.default_rng(11), cells, tau=0.2, cycles=cycles, count=count)
    spread = 4 * np.sqrt(2 / count)  # four standard errors of a relative variance
    assert 2 * found.P.var() == pytest.approx(found.v, rel=spread)
    assert 2 * (found.P - found.mean).var() == pytest.approx(found.v_conditional, rel=spread)
    assert 2 * found.mean.var() == pytest.approx(found.v - found.v_conditional, rel=spread)
    # stationary by now, and far enough apart for the three lines above to mean something
    assert found.v - found.v_conditional > 0.2
    late = found.innovations[-50:]
    assert late.var() == pytest.approx(1, abs=4 * np.sqrt(2 / late.size))
    for lag in (1, 2, 5):
        assert (late[lag:] * late[:-lag]).mean() == pytest.approx(0, abs=4 / np.sqrt(late[lag:].size))


# ---- witnesses ----


@pytest.mark.parametrize("r", [0.0, 0.3, 1.0, 2.5])
def test_two_mode_squeezed_vacuum(r):
    V = wi.two_mode_squeezed_vacuum(r)
    assert ca.epr_variance(V, 1.0) == pytest.approx(np.exp(-2 * r), rel=1e-12)
    assert wi.best_gain_epr(V)[0] == pytest.approx(np.exp(-2 * r), rel=1e-12)
    # float64 keeps the smallest eigenvalue to 1e-16 e^(4r) (sheet, Conventions): 2e-12 at r = 2.5
    assert wi.log_negativity(V) == pytest.approx(2 * r, abs=1e-11)
    assert wi.steering(V, by=1) == pytest.approx(1 / np.cosh(2 * r), rel=1e-11)
    fidelity, error = wi.teleportation_fidelity(np.random.default_rng(2), V, 40000)
    assert fidelity == pytest.approx(1 / (1 + np.exp(-2 * r)), abs=4 * error)
    assert error < 2e-3


def test_witnesses_of_random_states_by_second_routes():
    for V in STATES:
        A, B, C = V[:2, :2], V[2:, 2:], V[:2, 2:]
        seralian = np.linalg.det(A) + np.linalg.det(B) - 2 * np.linalg.det(C)
        nu = np.sqrt((seralian - np.sqrt(seralian**2 - 4 * np.linalg.det(V))) / 2)
        assert wi.log_negativity(V) == pytest.approx(max(0.0, -np.log(2 * nu)), abs=1e-10)
        off = C[0, 0] - C[1, 1]
        xi = np.linalg.eigvalsh([[np.trace(A), off], [off, np.trace(B)]])[0]
        best, gain = wi.best_gain_epr(V)
        assert best == pytest.approx(xi, rel=1e-12)
        assert ca.epr_variance(V, gain) == best
        inverse = np.linalg.inv(V)
        assert wi.steering(V, by=1) == pytest.approx(2 / np.sqrt(np.linalg.det(inverse[2:, 2:])), rel=1e-10)
        assert wi.steering(V, by=2) == pytest.approx(2 / np.sqrt(np.linalg.det(inverse[:2, :2])), rel=1e-10)
        rows = np.hstack([np.eye(2), np.diag([1, -1])])
        fidelity, error = wi.teleportation_fidelity(np.random.default_rng(1), V, 20000)
        assert fidelity == pytest.approx(np.linalg.det(np.eye(2) + rows @ V @ rows.T) ** -0.5, abs=4 * error)


def test_witnesses_rank_the_random_states():
    """xi < 1 needs E_N > 0, and steering needs E_N > 0; the random states hold all three kinds."""
    entangled = [wi.log_negativity(V) > 0 for V in STATES]
    seen = [wi.best_gain_epr(V)[0] < 1 for V in STATES]
    steered = [min(wi.steering(V, by=1), wi.steering(V, by=2)) < 1 for V in STATES]
    assert all(e or not (x or s) for e, x, s in zip(entangled, seen, steered, strict=True))
    assert 0 < sum(steered) <= sum(entangled) < len(entangled)


@pytest.mark.parametrize("seed", range(4))
def test_rotating_wave_entanglement_is_minus_log_of_the_best_xi(seed):
    """Sheet: E_N = -log min_g xi_g exactly in the RWA model."""
    h = ref.hybrid(*np.random.default_rng(seed).uniform([5, 5, 0.79, 0.9], [50, 50, 0.85, 1.5]), 0.05)
    V = ca.steady(ca.rotating(h))
    assert wi.log_negativity(V) == pytest.approx(-np.log(wi.best_gain_epr(V)[0]), abs=1e-11)
    assert wi.log_negativity(V) > 0
