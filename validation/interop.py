"""Do QuTiP, thewalrus and MrMustard read our states as we mean them, and we theirs?

Run (each in an environment of its own, never in the project's; MrMustard needs an older NumPy than JAX does):
    python -m venv .venv-qutip && .venv-qutip/bin/pip install qutip thewalrus jax scipy pydantic xarray h5netcdf numba
    python -m venv .venv-mrmustard && .venv-mrmustard/bin/pip install mrmustard
    PYTHONPATH=src .venv-qutip/bin/python validation/interop.py .venv-mrmustard/bin/python > interop.md   (a minute)

Expected values are closed forms or the packages' own states; nothing is compared with itself.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.pop(0)  # this folder: Numba would take its coverage.py for the package of that name

import numpy as np
import qutip as qt
import qutip.continuous_variables as cv
import thewalrus.quantum as walrus
from qutip.piqs.piqs import Dicke, excited, jspin

import darkstate as ds
from darkstate.experiments.two_level_ensembles import Drive, Ensembles, Noise, TwoLevelEnsembles
from darkstate.gaussian.state import GaussianState, product, thermal, two_mode_squeezed
from darkstate.pair.state import sector_state
from darkstate.report.interop import from_package, to_package, to_qutip

R, ALPHA, CUT = 0.6, 1 + 0.5j, 30
DEPTH, Z = 30.0, 2.5
MU, NU = (Z + 1 / Z) / 2, (Z - 1 / Z) / 2
wrong: list[str] = []

MUSTARD = """
import json, sys
import numpy as np
from mrmustard import settings, __version__
from mrmustard.lab import Coherent, State, TMSV, Thermal
given = json.load(sys.stdin)
settings.HBAR = given["hbar"]
own = {"squeezed": TMSV(given["r"], np.pi), "thermal": Thermal(3.0), "coherent": Coherent(given["x"], given["y"])}
found = {"version": __version__, "hbar": settings.HBAR}
found["own"] = {k: [np.asarray(s.means).tolist(), np.asarray(s.cov).tolist()] for k, s in own.items()}
read = {k: State(means=np.array(m), cov=np.array(v)) for k, (m, v) in given["states"].items()}
found["number"] = {k: np.asarray(s.number_means).tolist() for k, s in read.items()}
print(json.dumps(found))
"""


def same(what: str, found: Any, expected: Any, limit: float) -> None:
    """A line of the table: largest difference; noted as wrong beyond the limit."""
    difference = float(np.abs(np.asarray(found) - np.asarray(expected)).max())
    if not difference <= limit:
        wrong.append(f"{what}: {difference:.1e}, allowed {limit:.0e}")
    print(f"| {what} | {difference:.0e} | {limit:.0e} |")


def table(title: str) -> None:
    print(f"\n## {title}\n\n| compared | largest difference | allowed |\n|---|---|---|")


def states() -> dict[str, GaussianState]:
    """Two-mode squeezed vacuum, a thermal state of n = 3, a coherent state."""
    mean = np.sqrt(2) * np.array([ALPHA.real, ALPHA.imag])
    coherent = GaussianState(mean, np.eye(2) / 2, ("a",))
    return {"squeezed": two_mode_squeezed("a", "b", R), "thermal": thermal("a", 3.0), "coherent": coherent}


def hybrid() -> tuple[GaussianState, float]:
    """The steady state of 004 and its log-negativity."""
    lab = ds.load(ds.shipped_labs()["huang2018"], case="cs10-loss")
    state = ds.steady_state(lab.experiment.model()).state
    return state, float(ds.log_negativity(state, "S").nats)


def qutip() -> None:
    """Moments of QuTiP's own Fock states, and its log-negativity."""
    table(f"QuTiP {qt.__version__}, covariances")
    a, b = qt.tensor(qt.destroy(CUT), qt.qeye(CUT)), qt.tensor(qt.qeye(CUT), qt.destroy(CUT))
    ket = sum((-np.tanh(R)) ** n / np.cosh(R) * qt.tensor(qt.basis(CUT, n), qt.basis(CUT, n)) for n in range(CUT))
    for g in (np.sqrt(2), 2.0):
        theirs = cv.wigner_covariance_matrix(a, b, rho=qt.ket2dm(ket), g=g)
        mean, v = to_package(states()["squeezed"], "qutip", hbar=2 / g**2)
        same(f"two-mode squeezed vacuum, g = {g:.3g}: covariance of its Fock state", v, theirs, 1e-8)
        read = from_package("qutip", theirs, ("a", "b"), hbar=2 / g**2)
        same(f"the same read by us: log-negativity 2r, g = {g:.3g}", ds.log_negativity(read, "a").nats, 2 * R, 1e-7)
    same(
        "log-negativity 2r by QuTiP",
        cv.logarithmic_negativity(to_package(states()["squeezed"], "qutip")[1]),
        2 * R,
        1e-9,
    )
    state, value = hybrid()
    same(
        "log-negativity of the steady state of 004",
        cv.logarithmic_negativity(to_package(state, "qutip")[1]),
        value,
        1e-9,
    )
    one, x = qt.coherent(40, ALPHA), (qt.destroy(40) + qt.create(40)) / np.sqrt(2)
    p = (qt.destroy(40) - qt.create(40)) / (1j * np.sqrt(2))
    same(
        "coherent state: means",
        to_package(states()["coherent"], "qutip")[0],
        [qt.expect(x, one), qt.expect(p, one)],
        1e-6,
    )
    warm = qt.thermal_dm(200, 3.0)
    x = (qt.destroy(200) + qt.create(200)) / np.sqrt(2)
    same("thermal state: variance", to_package(states()["thermal"], "qutip")[1][0, 0], qt.expect(x * x, warm), 1e-6)


def thewalrus() -> None:
    """Photon statistics and log-negativity of our moments in thewalrus."""
    table(f"thewalrus {version('thewalrus')}")
    for hbar in (2.0, 1.0):
        mean, v = to_package(states()["squeezed"], "thewalrus", hbar=hbar)
        amplitudes = walrus.state_vector(mean, v, cutoff=4, hbar=hbar)
        expected = np.diag([(-np.tanh(R)) ** n / np.cosh(R) for n in range(4)])
        same(
            f"two-mode squeezed vacuum, hbar = {hbar:g}: amplitudes",
            amplitudes * np.exp(-1j * np.angle(amplitudes[0, 0])),
            expected,
            1e-9,
        )
        same(f"log-negativity 2r, hbar = {hbar:g}", walrus.log_negativity(v * 2 / hbar, split=1), 2 * R, 1e-9)
        mean, v = to_package(states()["coherent"], "thewalrus", hbar=hbar)
        expected = np.exp(-(abs(ALPHA) ** 2) / 2) * np.array([1, ALPHA, ALPHA**2 / np.sqrt(2)])
        same(
            f"coherent state, hbar = {hbar:g}: amplitudes",
            walrus.state_vector(mean, v, cutoff=3, hbar=hbar),
            expected,
            1e-9,
        )
        mean, v = to_package(states()["thermal"], "thewalrus", hbar=hbar)
        expected = 0.75 ** np.arange(5) / 4
        same(
            f"thermal state, hbar = {hbar:g}: populations",
            np.diag(walrus.density_matrix(mean, v, cutoff=5, hbar=hbar)),
            expected,
            1e-9,
        )
    mean, v = to_package(product(states()["coherent"], thermal("b", 3.0)), "thewalrus")
    numbers = [walrus.photon_number_mean(mean, v, j) for j in (0, 1)]
    same("coherent beside thermal: mean numbers, so the order of modes", numbers, [abs(ALPHA) ** 2, 3.0], 1e-9)
    state, value = hybrid()
    same(
        "log-negativity of the steady state of 004",
        walrus.log_negativity(to_package(state, "thewalrus")[1], split=1),
        value,
        1e-9,
    )


def mrmustard(python: str) -> None:
    """MrMustard's own states against ours, both ways."""
    for hbar in (2.0, 1.0):
        moments = {k: [x.tolist() for x in to_package(s, "mrmustard", hbar=hbar)] for k, s in states().items()}
        given = {"hbar": hbar, "r": R, "x": ALPHA.real, "y": ALPHA.imag, "states": moments}
        done = subprocess.run([python, "-c", MUSTARD], input=json.dumps(given), capture_output=True, text=True)
        if done.returncode:
            wrong.append(f"MrMustard did not run: {done.stderr.strip().splitlines()[-1]}")
            return
        found = json.loads(done.stdout.splitlines()[-1])
        if hbar == 2.0:
            table(f"MrMustard {found['version']}")
        for k, (mean, v) in found["own"].items():
            same(f"{k}, hbar = {hbar:g}: covariance", moments[k][1], v, 1e-12)
            same(f"{k}, hbar = {hbar:g}: means", moments[k][0], mean, 1e-12)
        squeezed = from_package("mrmustard", found["own"]["squeezed"][1], ("a", "b"), hbar=hbar)
        same(
            f"its squeezed state read by us, hbar = {hbar:g}: log-negativity 2r",
            ds.log_negativity(squeezed, "a").nats,
            2 * R,
            1e-9,
        )
        same(f"mean numbers of ours, hbar = {hbar:g}", found["number"]["squeezed"], [np.sinh(R) ** 2] * 2, 1e-6)
        same(f"mean number of the coherent one, hbar = {hbar:g}", found["number"]["coherent"], [abs(ALPHA) ** 2], 1e-6)


def density() -> None:
    """Density matrices as Qobj."""
    table(f"QuTiP {qt.__version__}, density matrices")
    pair = to_qutip(sector_state([0.39, 0.36, 0.25], 0.9))
    up, down = qt.basis(5, 1), qt.basis(5, 3)
    chi = (qt.tensor(up, down) + qt.tensor(down, up)).unit()
    same("atom pair: fidelity with chi_1 in the sector", qt.expect(qt.ket2dm(chi), pair) / 0.36, 0.9, 1e-12)
    z = qt.tensor(qt.jmat(2, "z"), qt.qeye(5)) + qt.tensor(qt.qeye(5), qt.jmat(2, "z"))
    same("atom pair: (F_z1 + F_z2)^2", qt.expect(z * z, pair), 0.0, 1e-12)
    same("atom pair: populations of m of one atom", pair.ptrace(0).diag(), [0.125, 0.18, 0.39, 0.18, 0.125], 1e-12)
    for atoms in (1, 2, 3, 4):
        model = TwoLevelEnsembles(
            Ensembles(optical_depth=DEPTH, atoms=atoms), Drive(1.0, z=Z), noise=Noise(2.0)
        ).model()
        ours = ds.exact_states(model, [0.0, 0.1], method=ds.ExactLiouvillian(tolerance=1e-11))[-1]
        rho = to_qutip(ours)
        theirs = evolved(atoms, 0.1)
        assert rho.dims == theirs.dims
        same(f"ensembles of {atoms}, t = 0.1/Gamma: every entry against mesolve", rho.full(), theirs.full(), 1e-7)
        rest = [qt.qeye(jspin(atoms, "z").dims[0]), jspin(atoms, "z")]
        spins = [qt.expect(qt.tensor(*order), rho) for order in (rest[::-1], rest)]
        same(f"ensembles of {atoms}: <Jz> by QuTiP, our <Jx>", spins, ours.spin, 1e-10)


def evolved(atoms: int, time: float) -> Any:
    """Two ensembles, all up, by PIQS and mesolve."""
    one = qt.qeye(jspin(atoms, "+").dims[0])
    first, second = (qt.tensor(*o) for o in ((jspin(atoms, "+"), one), (one, jspin(atoms, "+"))))
    root = np.sqrt(DEPTH / atoms)
    jumps = [root * (MU * a + NU * b.dag()) for a, b in ((first, second), (second, first))]
    local = Dicke(atoms, emission=NU**2, pumping=MU**2, dephasing=2 * (MU**2 + NU**2) + 2).lindbladian()
    same_ = qt.to_super(one)
    whole = (
        sum(qt.lindblad_dissipator(a) for a in jumps) + qt.super_tensor(local, same_) + qt.super_tensor(same_, local)
    )
    up = qt.tensor(excited(atoms), excited(atoms))
    options = {"method": "dop853", "rtol": 1e-11, "atol": 1e-13, "nsteps": 10**6, "store_final_state": True}
    return qt.mesolve(whole, up, [0.0, time], options=options).final_state


def main() -> None:
    """Print the record as Markdown."""
    where = Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=where, capture_output=True, text=True).stdout.strip()

    later = " with changes made after it" if git("--no-optional-locks", "status", "--porcelain", "../src") else ""
    print("# States in QuTiP, thewalrus and MrMustard\n")
    print(f"{date.today()}, commit {git('rev-parse', '--short', 'HEAD')}{later}, `validation/interop.py`\n")
    names = ("qutip", "thewalrus", "numpy", "scipy", "jax")
    print(", ".join(f"{name} {version(name)}" for name in names) + f", Python {platform.python_version()}.")
    print(f"r = {R}, alpha = {ALPHA}; PIQS keeps generators in single precision, so 1e-7 is what can be asked there.")
    qutip()
    thewalrus()
    if len(sys.argv) > 1:
        mrmustard(sys.argv[1])
    else:
        print("\nMrMustard was not asked: no interpreter was given.")
    density()
    print("\n## Verdict\n")
    print("\n".join(f"- {line}" for line in wrong) if wrong else "Everything compared agrees within the limits stated.")
    if wrong:
        sys.exit("something differs by more than allowed")


if __name__ == "__main__":
    main()
