"""004 (Huang et al. 2018): the optima behind Figs. 2 and 3, point by point.

Numbers without another origin are derived reference values, recomputed by SciPy in oracles.gaussian_reference.
"""

import numpy as np
import pytest

from darkstate.backend import jnp
from darkstate.report.papers import huang2018 as figures
from oracles import gaussian_reference as oracle

EPS = np.array([0.0, 0.1])[:, None]
C_S = np.array([10.0, 100.0])

XI = [[0.351572, 0.115985], [0.398994, 0.203128]]
THETA_S = [[0.78932, 0.79217], [0.78628, 0.78811]]
THETA_M = [[1.38898, 1.01387], [1.43431, 1.16261]]
C_M = [[12.12, 79.79], [12.39, 83.22]]
XI_R0 = [[0.666061, 0.214666], [0.744994, 0.385134]]
XI_CONDITIONAL = [[0.347547, 0.113763], [0.395714, 0.201893]]


@pytest.fixture(scope="module")
def optima():
    """Both optima at every C_S that a test asks for, one call each, since a call compiles for seconds."""
    places = np.array([*C_S, 0.664, 0.669, 2.0, 3.5, 5.0, 8.0, 1e4, 1e5])
    start = np.array([*C_S, 3.9484, 3.9486])
    return places, figures.best(EPS, places), start, np.asarray(figures.best_equal(EPS, start))


@pytest.fixture(scope="module")
def found(optima):
    return figures.Best(*(np.asarray(column)[:, :2] for column in optima[1]))


def test_best_angles_and_cooperativity(found):
    """Digits as given."""
    assert found.xi == pytest.approx(np.array(XI), abs=6e-7)
    assert found.theta_s == pytest.approx(np.array(THETA_S), abs=6e-6)
    assert found.theta_m == pytest.approx(np.array(THETA_M), abs=6e-6)
    assert found.c_m == pytest.approx(np.array(C_M), abs=6e-3)


def test_one_angle(optima):
    assert optima[3][:, :2] == pytest.approx(np.array(XI_R0), abs=6e-7)


def test_map_meets_the_best_cooperativity(found):
    """Fig. 2 at C_M of the optimum is that optimum; C_M one percent away from it lies above."""
    at = figures.best_angles(EPS, C_S, found.c_m)
    assert np.asarray(at.xi) == pytest.approx(found.xi, abs=1e-12)
    assert np.asarray(at.theta_m) == pytest.approx(found.theta_m, abs=1e-6)
    for factor in (0.99, 1.01):
        assert (figures.best_angles(EPS, C_S, factor * found.c_m).xi > found.xi + 1e-8).all()


def test_measured_at_the_same_parameters(found):
    """The engine against SciPy's Riccati solution of the amplitudes."""
    got = figures.conditional(EPS, C_S, found.theta_s, found.c_m, found.theta_m)
    for i, j in np.ndindex(got.shape):
        system = oracle.hybrid(
            C_S[j], float(found.c_m[i, j]), float(found.theta_s[i, j]), float(found.theta_m[i, j]), float(EPS[i, 0])
        )
        assert float(got[i, j]) == pytest.approx(oracle.conditional_xi(system), abs=1e-9)
    assert (got < found.xi).all()


def test_membrane_angle_meets_its_bound(optima):
    """theta_M = pi/2, no down-conversion at all, up to C_S just below 4."""
    theta = np.asarray(optima[1].theta_m)[0, 4:8]  # C_S = 2, 3.5, 5, 8
    assert (theta[:2] == np.pi / 2).all()
    assert np.pi / 2 - 0.01 > theta[2] > theta[3]


def test_where_entanglement_begins(optima):
    """eps = 0: C_S > r/2 = 2/3 with R free, r = 10 kHz/7.5 kHz; C_S > 3.9485 with one angle."""
    below, above = np.asarray(optima[1].xi)[0, 2:4]  # C_S = 0.664, 0.669
    assert below >= 1 > above
    below, above = optima[3][0, 2:]  # C_S = 3.9484, 3.9486
    assert below >= 1 > above


def test_asymptotes_and_loss_bound(optima):
    """Large C_S: xi sqrt(C_S) -> 1.18323 without loss; sqrt(eps/(4 - 3 eps)) with loss, from above."""
    far = optima[0][8:]
    lossless, lossy = np.asarray(optima[1].xi)[:, 8:]
    error = lossless * np.sqrt(far) / oracle.asymptote() - 1
    assert abs(error[1]) < 2e-3 and abs(error[1]) < 0.5 * abs(error[0])
    bound = np.sqrt(0.1 / 3.7)
    assert bound < lossy[1] < lossy[0] < 1.01 * bound


def test_edge_of_stability():
    """gamma_S0 = Gamma_S cos 2 theta_S; none where Gamma_S < gamma_S0, C_S (n_S + 1/2) < 1."""
    c_s = jnp.array([0.5, 0.7, 10.0, 1000.0])
    edge = figures.spin_edge(c_s)
    assert float(edge[0]) == 0
    assert np.asarray(1.5 * c_s * jnp.cos(2 * edge))[1:] == pytest.approx(1, abs=1e-12)


@pytest.mark.slow  # second derivatives through a Riccati equation take long to compile
def test_measured_and_optimised_for_it():
    assert np.asarray(figures.best_conditional(EPS, C_S)) == pytest.approx(np.array(XI_CONDITIONAL), abs=6e-7)
