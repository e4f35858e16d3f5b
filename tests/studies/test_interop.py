"""States in the conventions of other programs, without these: signs, factors of 2, round trips, whole matrices.

The packages themselves are asked in validation/interop.py.
"""

import subprocess
import sys
import types

import numpy as np
import pytest

import darkstate as ds
from darkstate.errors import ArgumentError
from darkstate.gaussian.state import GaussianState, gaussian_state, product, thermal, two_mode_squeezed
from darkstate.pair.state import sector_state, symmetric_state
from darkstate.report.interop import PACKAGES, density_matrix, from_package, to_package, to_qutip
from darkstate.report.plan import plan
from darkstate.solve.exact_spins import exact_states
from oracles.density_matrix import Ensemble, build
from systems import model_of

CHANNELS = [
    {"cool": 0.9, "heat": 0.7, "dd": 1.1, "mu": 1.3, "nu": 0.8, "d_gamma": 3.0, "detuning": 0.9},
    {"cool": 1.3, "heat": 0.4, "dd": 0.6, "mu": 1.1, "nu": 0.5, "d_gamma": 2.2, "detuning": 0.5},
]


def log_negativity(covariance, order, hbar):
    """Of two modes by the determinants of Simon (2000): 2 nu^2 = D - sqrt(D^2 - 4 det V), vacuum variance 1/2."""
    v = np.asarray(covariance) / hbar
    if order == "xxpp":
        v = v[np.ix_([0, 2, 1, 3], [0, 2, 1, 3])]
    a, b, c = v[:2, :2], v[2:, 2:], v[:2, 2:]
    d = np.linalg.det(a) + np.linalg.det(b) - 2 * np.linalg.det(c)
    return -np.log(2 * np.sqrt((d - np.sqrt(d**2 - 4 * np.linalg.det(v))) / 2))


@pytest.mark.parametrize(
    ("package", "hbar"), [("qutip", 1.0), ("thewalrus", 2.0), ("mrmustard", 2.0), ("mrmustard", 1.0)]
)
def test_two_mode_squeezed_vacuum(package, hbar):
    """E_N = 2r; x1 and x1: hbar cosh(2r)/2, x1 and x2: -hbar sinh(2r)/2, p1 and p2 the opposite (001 App. A)."""
    r = 0.7
    mean, v = to_package(two_mode_squeezed("a", "b", r), package, hbar=hbar)
    order = PACKAGES[package].order
    x1, x2, p1, p2 = (0, 1, 2, 3) if order == "xxpp" else (0, 2, 1, 3)
    assert v[x1, x1] == pytest.approx(hbar * np.cosh(2 * r) / 2)
    assert v[x1, x2] == pytest.approx(-hbar * np.sinh(2 * r) / 2)
    assert v[p1, p2] == pytest.approx(hbar * np.sinh(2 * r) / 2)
    assert v[x1, p1] == 0 and (mean == 0).all()
    assert log_negativity(v, order, hbar) == pytest.approx(2 * r, rel=1e-9)


@pytest.mark.parametrize("package", list(PACKAGES))
def test_thermal_and_coherent(package):
    """n = 3: (n + 1/2) hbar; |alpha = 1 + 2i> has means sqrt(2 hbar)(1, 2), since a = (x + ip)/sqrt(2 hbar)."""
    hbar = PACKAGES[package].hbar
    moved = GaussianState(np.sqrt(2) * np.array([1.0, 2.0]), np.eye(2) / 2, ("b",))
    mean, v = to_package(product(thermal("a", 3.0), moved), package)
    np.testing.assert_allclose(np.diag(v)[[0, 1] if PACKAGES[package].order == "xpxp" else [0, 2]], 3.5 * hbar)
    last = [2, 3] if PACKAGES[package].order == "xpxp" else [1, 3]
    np.testing.assert_allclose(mean[last], np.sqrt(2 * hbar) * np.array([1.0, 2.0]))
    np.testing.assert_allclose(np.diag(v)[last], hbar / 2)


@pytest.mark.parametrize("package", list(PACKAGES))
@pytest.mark.parametrize("hbar", [None, 0.5, 1.0, 2.0])
def test_round_trips_are_exact(package, hbar):
    """Powers of two scale without rounding: mean and covariance of three random modes come back bit for bit."""
    rng = np.random.default_rng(3)
    half = rng.standard_normal((6, 6))
    state = gaussian_state(half @ half.T + 3 * np.eye(6), ("a", "b", "c"), mean=rng.standard_normal(6))
    mean, v = to_package(state, package, hbar=hbar)
    back = from_package(package, v, ("a", "b", "c"), mean=mean, hbar=hbar)
    assert np.array_equal(back.covariance, state.covariance)
    np.testing.assert_allclose(back.mean, state.mean, rtol=1e-15)
    assert back.modes == state.modes


def test_wrong_hbar_and_names_are_noticed():
    """Vacuum of hbar = 1 read as one of hbar = 2 has half the allowed variance."""
    with pytest.raises(ArgumentError, match="no quantum state"):
        from_package("thewalrus", np.eye(4) / 2, ("a", "b"))
    with pytest.raises(ArgumentError, match="did you mean 'thewalrus'"):
        to_package(thermal("a", 1.0), "walrus")
    with pytest.raises(ArgumentError, match="hbar"):
        to_package(thermal("a", 1.0), "thewalrus", hbar=0)
    with pytest.raises(ArgumentError, match="GaussianState"):
        to_package(sector_state([0.5, 0.5], 1.0), "qutip")


def test_pair_state_in_both_spins():
    """chi_1 of F = 2 is (|1,-1> + |-1,1>)/sqrt 2: m = 1 is place 1 of 5, m = -1 place 3; total M = 0."""
    chi_1 = symmetric_state(np.diag([0.0, 1.0, 0.0]))
    rho, sizes = density_matrix(chi_1)
    ket = np.zeros((5, 5))
    ket[1, 3] = ket[3, 1] = 1 / np.sqrt(2)
    assert sizes == [5, 5]
    np.testing.assert_allclose(rho, np.outer(ket, ket), atol=1e-15)
    m = np.diag([2.0, 1.0, 0.0, -1.0, -2.0])
    total = np.kron(m, np.eye(5)) + np.kron(np.eye(5), m)
    assert abs(np.trace(total @ total @ rho)) < 1e-15
    with pytest.raises(ArgumentError, match="one pair state"):
        density_matrix(sector_state(np.full((3, 3), 1 / 3), 0.9))


def dicke(atoms):
    """|j, m> of one or two atoms as columns, up first; the singlet last."""
    if atoms == 1:
        return np.eye(2)
    s = 1 / np.sqrt(2)
    return np.array([[1, 0, 0, 0], [0, s, 0, s], [0, s, 0, -s], [0, 0, 1, 0]], float)


@pytest.mark.parametrize("atoms", [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_exact_state_is_the_density_matrix_of_all_spins(atoms):
    """With at most two atoms each j occurs once: the matrix is that of all spins, turned to the Dicke basis."""
    system = build(*(Ensemble(n, **c) for n, c in zip(atoms, CHANNELS, strict=True)), transmission=0.7)
    state = exact_states(model_of(system, up=(0.9, 0.65)), [0.6])[-1]
    expected = system.evolve(system.polarised_state(0.8, 0.3), [0.6])[-1]
    basis = np.kron(dicke(atoms[0]), dicke(atoms[1]))
    rho, sizes = density_matrix(state)
    assert sizes == [2 if n == 1 else 4 for n in atoms]
    assert np.abs(expected - np.diag(np.diag(expected))).max() > 0.01  # there are coherences to get wrong
    np.testing.assert_allclose(rho.toarray(), basis.T @ expected @ basis, atol=1e-9)


def test_exact_state_of_more_atoms():
    """Three and two atoms: trace, purity of the collective spins, smallest eigenvalue, and <S_I S_II> by ladders."""
    system = build(*(Ensemble(n, **c) for n, c in zip((3, 2), CHANNELS, strict=True)), transmission=0.7)
    state = exact_states(model_of(system, up=(0.9, 0.65)), [0.6])[-1]
    sparse, sizes = density_matrix(state)
    rho = sparse.toarray()
    assert sizes == [4 + 2, 3 + 1] and np.trace(rho) == pytest.approx(1.0)
    assert np.vdot(rho, rho).real == pytest.approx(state.collective_purity)
    assert np.linalg.eigvalsh(rho)[0] == pytest.approx(state.smallest_eigenvalues.min(), abs=1e-12)
    one, two = raising(3), raising(2)
    pair = np.trace(rho @ np.kron(one, two)) / np.sqrt(3 * 2)
    m = state.isotropic.moments
    # S S = (Jy + i Jz)(Jy + i Jz)
    expected = complex(m.cross_yy - m.cross_zz, m.cross_yz + m.cross_zy)
    assert abs(pair) > 0.05 and pair == pytest.approx(expected, abs=1e-12)


def raising(atoms):
    """sqrt((j - m)(j + m + 1)) on |j, m>, j falling and m falling."""
    blocks = [np.diag([np.sqrt((j - m) * (j + m + 1)) for m in np.arange(j - 1, -j - 1, -1)], 1)
              for j in np.arange(atoms / 2, -0.1, -1)]  # fmt: skip
    size = sum(len(b) for b in blocks)
    found, at = np.zeros((size, size)), 0
    for block in blocks:
        found[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    return found


def test_to_qutip_hands_over_matrix_and_dimensions(monkeypatch):
    """A stand-in that keeps what it is given; without the package, one sentence says what to do."""
    fake = types.ModuleType("qutip")
    fake.Qobj = lambda matrix, dims: (matrix, dims)
    monkeypatch.setitem(sys.modules, "qutip", fake)
    state = sector_state([0.4, 0.6, 0.0], 0.8)
    matrix, dims = to_qutip(state)
    assert dims == [[5, 5], [5, 5]] and np.array_equal(matrix, density_matrix(state)[0])
    monkeypatch.setitem(sys.modules, "qutip", None)
    with pytest.raises(ArgumentError, match="QuTiP is not installed"):
        to_qutip(state)
    with pytest.raises(ArgumentError, match="GaussianState, which has no density matrix here"):
        density_matrix(thermal("a", 1.0))


ALONE = """
import sys
sys.modules["darkstate"] = sys.modules["jax"] = None  # an import of either fails
import xarray as xr
for path in sys.argv[1:]:
    opened = xr.open_zarr(path) if path.endswith(".zarr") else xr.open_dataset(path, engine="h5netcdf")
    with opened as data:
        for name, variable in data.load().variables.items():
            assert variable.size == 0 or variable.values.dtype.kind in "biufcUOT", (name, variable.dtype)
        assert data.attrs["lab_digest"].startswith("sha256:") and data.attrs["darkstate_version"]
        print(len(data.variables))
"""


def opened_alone(paths):
    """Number of variables of each file, by xarray in a process that cannot import darkstate."""
    done = subprocess.run([sys.executable, "-c", ALONE, *map(str, paths)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.split()]


@pytest.mark.slow
def test_every_prediction_opens_with_xarray_alone(tmp_path):
    labs = ("krauter2011", "huang2018", "muschik2013-monitored", "ruksasakchai2026")
    paths = [ds.predict(ds.load(ds.shipped_labs()[name])).save(tmp_path / name)[0] for name in labs]
    assert all(count > 3 for count in opened_alone(paths))


def test_a_plan_opens_with_xarray_alone(tmp_path):
    study = tmp_path / "next.toml"
    study.write_text('lab = "krauter2011"\n[set]\n"drive.z" = "2.50(4)"\n[plan]\nquantity = "xi_inf"\n')
    assert opened_alone([plan(study).save(tmp_path / "out")[0]]) == [10]
