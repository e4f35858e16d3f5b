"""Do the exact methods agree with QuTiP's solver of permutation-symmetric spins (PIQS), and what does either cost?

Run (QuTiP in an environment of its own, never in the project's):
    python -m venv /tmp/qutip && /tmp/qutip/bin/pip install qutip==5.3.1 '.[exact]'
    OPENBLAS_NUM_THREADS=1 /tmp/qutip/bin/python validation/qutip_spins.py > qutip_spins.md    (10 minutes, 8 GiB)

PIQS has one ensemble; two are a product written here by hand.  QuTiP's z is the quantisation axis x of darkstate.
Each size of the product runs in a process of its own, whose peak memory is what the operating system counted.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import resource
import subprocess
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import expm, null_space

import darkstate as ds
from darkstate.experiments.two_level_ensembles import Drive, Ensembles, Noise, TwoLevelEnsembles

DEPTH, Z = 30.0, 2.5
MU, NU = (Z + 1 / Z) / 2, (Z - 1 / Z) / 2
SIZES = (2, 6, 8, 10, 12)
LONG = {"maxiter": 100_000}
TIGHT = LONG | {"rtol": 1e-12, "atol": 0.0}
SOLVERS = {
    "as it comes": ({}, 12),
    "method='power'": ({"method": "power"}, 2),
    "method='eigen'": ({"method": "eigen"}, 2),
    "method='svd'": ({"method": "svd"}, 2),
    "solver='bicgstab'": ({"solver": "bicgstab"} | LONG, 6),
    "solver='bicgstab', rtol=1e-12": ({"solver": "bicgstab"} | TIGHT, 12),
    "solver='gmres', rtol=1e-12": ({"solver": "gmres", "restart": 50} | TIGHT, 6),
}
"""Options of `steadystate`, and the largest size they are tried at."""

SECONDS, BYTES = 600, 10 * 2**30
"""What one solution may take."""

DECAY = {"collective_emission": 1.0, "dephasing": 1.0, "emission": 0.1}
TIMES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0)
PUMPS = (1.0, 5.0, 10.0, 20.0)
ATOMS, TRAJECTORIES = 20, 20_000
wrong: list[str] = []
"""What turned out not to agree."""


def agree(what: str, difference: float, limit: float) -> float:
    """The difference; noted as wrong beyond the limit."""
    if not abs(difference) <= limit:
        wrong.append(f"{what}: {difference:.1e}, allowed {limit:.1e}")
    return difference


def model(atoms: int) -> Any:
    """001 Eq. (13) in units of Gamma, dephasing 2(mu^2 + nu^2) + 2."""
    return TwoLevelEnsembles(Ensembles(optical_depth=DEPTH, atoms=atoms), Drive(1.0, z=Z), noise=Noise(2.0)).model()


def xi_of(state: Any) -> Any:
    return ds.epr_variance(state).value


def intensity(state: Any) -> Any:
    """<S S^+> of ensemble I: Jy^2 + Jz^2 + Jx."""
    m, n = state.moments, state.atoms
    return (n * (m.yy + m.zz + (m.up - m.down) / 2))[..., 0]


def spin(state: Any) -> Any:
    """<Jx> of ensemble I."""
    return (state.atoms * (state.moments.up - state.moments.down) / 2)[..., 0]


class Product:
    """Two ensembles in QuTiP: Liouvillian, all atoms up, and xi."""

    def __init__(self, raising: Any, local: Any, atoms: int, up: Any) -> None:
        """From the raising operator, single-atom jumps and start of one ensemble."""
        import qutip as qt

        one = qt.qeye(raising.dims[0])
        first, second = qt.tensor(raising, one), qt.tensor(one, raising)
        root = np.sqrt(DEPTH / atoms)
        self.reservoir = [root * (MU * a + NU * b.dag()) for a, b in ((first, second), (second, first))]
        self.liouvillian = sum(qt.lindblad_dissipator(a) for a in self.reservoir)
        if local is not None:
            same = qt.to_super(one)
            self.liouvillian += qt.super_tensor(local, same) + qt.super_tensor(same, local)
        self.up = qt.tensor(up, up)
        pair = first * second
        self.sigma = sum((a * a.dag() + a.dag() * a) / 2 for a in (first, second)) + pair + pair.dag()
        self.z = [(a * a.dag() - a.dag() * a) / 2 for a in (first, second)]

    def xi(self, rho: Any) -> complex:
        import qutip as qt

        return complex(qt.expect(self.sigma, rho) / sum(abs(qt.expect(z, rho)) for z in self.z))


def permutation_symmetric(atoms: int) -> Product:
    from qutip.piqs.piqs import Dicke, excited, jspin

    rates = {"emission": NU**2, "pumping": MU**2, "dephasing": 2 * (MU**2 + NU**2) + 2}
    return Product(jspin(atoms, "+"), Dicke(atoms, **rates).lindbladian(), atoms, excited(atoms))


def one_solution(package: str, atoms: int, solver: str) -> dict[str, Any]:
    """The steady state of two ensembles: xi or what went wrong, processor time [s] and peak memory [GiB]."""
    found: dict[str, Any] = {}
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    if package == "darkstate":
        xi_of(ds.exact_steady_state(model(4)).spin_state)  # loads and compiles
        begin = time.process_time()
        found["xi"] = float(xi_of(ds.exact_steady_state(model(atoms)).spin_state))
    else:
        import qutip as qt

        begin = time.process_time()
        two = permutation_symmetric(atoms)
        try:
            found["xi"] = two.xi(qt.steadystate(two.liouvillian, **SOLVERS[solver][0])).real
        except Exception as reason:  # whatever it says is the record
            found["reason"] = f"{type(reason).__name__}: {reason}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return found | {"seconds": time.process_time() - begin, "peak": peak}


def apart(package: str, atoms: int, solver: str = "-") -> dict[str, Any]:
    """`one_solution` in a process of its own."""
    call = [sys.executable, __file__, package, str(atoms), solver]
    try:
        done = subprocess.run(call, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return {"reason": f"stopped after {SECONDS} s", "seconds": float(SECONDS), "peak": np.nan}
    if done.returncode:
        return {
            "reason": f"crashed within {BYTES / 2**30:g} GiB, code {done.returncode}",
            "seconds": np.nan,
            "peak": np.nan,
        }
    return json.loads(done.stdout.splitlines()[-1])


def precision() -> None:
    """By how much PIQS' generators of unit rate change the trace."""
    from qutip.piqs.piqs import Dicke

    print("\n## Precision of PIQS\n")
    print("Largest rate at which a generator of unit rate changes the trace, over its largest entry; 0 is right.\n")
    print("| N | `lindbladian()`, emission | dephasing | pumping | `coefficient_matrix()`, emission | dephasing |")
    print("|---|---|---|---|---|---|")
    for atoms in (2, 3, 6, 10, 20):
        row = []
        for kind in ("emission", "dephasing", "pumping"):
            matrix = Dicke(atoms, **{kind: 1.0}).lindbladian().data.as_scipy()
            trace = np.eye(round(matrix.shape[0] ** 0.5)).ravel()
            row.append(np.abs(trace @ matrix).max() / np.abs(matrix).max())
        for kind in ("emission", "dephasing"):
            matrix = Dicke(atoms, **{kind: 1.0}).coefficient_matrix()
            row.append(np.abs(matrix.sum(axis=0)).max() / np.abs(matrix).max())
        print(f"| {atoms} | " + " | ".join(f"{leak:.0e}" for leak in row) + " |")
    print("\n`_piqs.pyx` declares rates and quantum numbers as `cdef float`, which is single precision in Cython;")
    print("what follows from a `lindbladian()` is therefore right to about seven digits.")


def steady() -> None:
    """Two ensembles, steady state: a product by hand against the exact blocks."""
    print("\n## Two ensembles, steady state\n")
    print("001 Eq. (13), d = 30, Z = 2.5, dephasing 2(cooling + heating) + 2: `exact_steady_state` and `steadystate`.")
    print(
        "Processor time on one thread, matrices and certificates included; peak memory of the process, 0.1 to 0.2 GiB"
    )
    print(f"of it for the packages. At most {SECONDS} s and {BYTES / 2**30:g} GiB of address space.\n")
    singular = np.linalg.svd(permutation_symmetric(2).liouvillian.full(), compute_uv=False)
    null = np.sum(singular < 1e-10 * singular[0])
    print("`lindbladian()` lets no single atom disturb coherences between different j, and the reservoir keeps some of")
    print(f"them: at N = 2 the null space of the product has dimension {null}, of its physical part 1. Solvers fail on")
    print("it, unless rounding hides it.\n")
    print("| N | unknowns | solver | xi | relative difference | digits | s | GiB |")
    print("|---|---|---|---|---|---|---|---|")
    for atoms in SIZES:
        ours = apart("darkstate", atoms)
        layers = (atoms // 2 + 1) * ((atoms + 1) // 2 + 1)
        stored = sum((layers_of(atoms, q)) ** 2 for q in range(atoms + 1))
        print(
            f"| {atoms} | {stored:,} | darkstate | {ours['xi']:.9f} | - | - "
            f"| {ours['seconds']:.2f} | {ours['peak']:.2f} |"
        )
        for solver, (options, largest) in SOLVERS.items():
            if atoms > largest:
                continue
            theirs = apart("qutip", atoms, solver)
            if "xi" not in theirs:
                outcome = f"{theirs['reason']} | - | 0"
            else:
                difference = theirs["xi"] / ours["xi"] - 1
                if "rtol" in options:
                    agree(f"steady xi, N = {atoms}, {solver}", difference, 5e-7)
                outcome = f"{theirs['xi']:.9f} | {difference:+.0e} | {-np.log10(abs(difference)):.1f}"
            print(
                f"| | {layers**4:,} | QuTiP, {solver} | {outcome} "
                f"| {theirs['seconds']:.2f} | {theirs['peak']:.2f} |".replace("nan", "-"),
                flush=True,
            )


def layers_of(atoms: int, charge: int) -> int:
    """Number of (j, m) with a partner m - charge."""
    return sum(max(0, twice_j + 1 - charge) for twice_j in range(atoms, -1, -2))


def evolution() -> None:
    """Two ensembles from all up to t = 2/Gamma."""
    import qutip as qt

    print("\n## Two ensembles, all up, t = 2/Gamma\n")
    print(f"`mesolve` by dop853, rtol 1e-11; seconds of processor time; {TRAJECTORIES} trajectories with standard")
    print("errors and the deviation from the exact state in them.\n")
    print("| N | xi, QuTiP | s | xi, `exact_states` | s | relative difference | trajectories | sigma |")
    print("|---|---|---|---|---|---|---|---|")
    options = {"method": "dop853", "rtol": 1e-11, "atol": 1e-13, "nsteps": 10**7, "store_final_state": True}
    exact = ds.ExactLiouvillian(tolerance=1e-10)
    ds.exact_states(model(1), [0.0, 2.0], method=exact)
    for atoms in (1, 2, 3, 4, 6):
        begin = time.process_time()
        two = permutation_symmetric(atoms)
        theirs = two.xi(qt.mesolve(two.liouvillian, two.up, [0.0, 2.0], options=options).final_state).real
        middle = time.process_time()
        ours = float(xi_of(ds.exact_states(model(atoms), [0.0, 2.0], method=exact)[-1].spin_state))
        end = time.process_time()
        difference = agree(f"xi(2/Gamma), N = {atoms}", theirs / ours - 1, 1e-7)
        sampled = ds.exact_samples(model(atoms), [2.0], method=ds.Trajectories(number=TRAJECTORIES))
        (value,), (error,) = sampled.estimate(xi_of)
        sigma = agree(f"xi(2/Gamma), N = {atoms}, trajectories", (value - ours) / error, 4.0)
        print(
            f"| {atoms} | {theirs:.9f} | {middle - begin:.2f} | {ours:.9f} | {end - middle:.2f} | {difference:+.0e} "
            f"| {value:.4f} +- {error:.4f} | {sigma:+.1f} |",
            flush=True,
        )


def compare(what: str, theirs: float, exact: float, sampled: float, error: float) -> str:
    """Cells: QuTiP, relative difference of the exact states, trajectories and their deviation."""
    difference = agree(f"{what}, exact", (exact - theirs) / max(abs(theirs), 1.0), 1e-8)
    sigma = (sampled - exact) / error if error > 1e-12 else 0.0
    agree(f"{what}, trajectories", sigma, 4.0)
    return f"{theirs:.9f} | {difference:+.0e} | {sampled:.4f} +- {error:.4f} | {sigma:+.1f}"


def decay() -> None:
    """One ensemble, superradiant decay with dephasing."""
    import qutip as qt
    from qutip.piqs.piqs import Dicke, excited, jspin

    print(f"\n## One ensemble of {ATOMS}, superradiant decay\n")
    print("All up; collective emission 1, dephasing 1 and emission 0.1 per atom. QuTiP: exponential of PIQS'")
    print(
        "`coefficient_matrix()` (populations, double precision); exact: difference over the larger of 1 and the value;"
    )
    print(f"{TRAJECTORIES} trajectories with standard errors and the deviation from the exact state in them.\n")
    print("| t | <Jx>, QuTiP | exact | trajectories | sigma | <S S^+>, QuTiP | exact | trajectories | sigma |")
    print("|---|---|---|---|---|---|---|---|---|")
    lowering, z = jspin(ATOMS, "-"), jspin(ATOMS, "z")
    rows = [operator.diag().real for operator in (z, lowering.dag() * lowering)]
    matrix, start = Dicke(ATOMS, **DECAY).coefficient_matrix().toarray(), excited(ATOMS).diag().real
    atoms = ds.one_ensemble(ATOMS, **DECAY)
    states = ds.exact_states(atoms, TIMES, method=ds.ExactLiouvillian(tolerance=1e-11))
    begin = time.process_time()
    sampled = ds.exact_samples(atoms, TIMES, method=ds.Trajectories(number=TRAJECTORIES))
    spent = time.process_time() - begin
    estimates = [sampled.estimate(figure) for figure in (spin, intensity)]
    for i, t in enumerate(TIMES):
        p, state = expm(t * matrix) @ start, states[i].spin_state
        cells = [
            compare(f"decay, t = {t}", row @ p, float(figure(state)), value[i], error[i])
            for row, figure, (value, error) in zip(rows, (spin, intensity), estimates, strict=True)
        ]
        print(f"| {t:g} | " + " | ".join(cells) + " |")
    options = {"method": "dop853", "rtol": 1e-10, "atol": 1e-12, "nsteps": 10**7}
    whole = qt.mesolve(Dicke(ATOMS, **DECAY).liouvillian(), excited(ATOMS), TIMES, e_ops=[z], options=options)
    furthest = max(abs(a - float(spin(s.spin_state))) for a, s in zip(whole.expect[0], states, strict=True))
    agree("decay, mesolve of the whole density matrix", furthest, 1e-6)
    print(f"\n`mesolve` of PIQS' `liouvillian()`: <Jx> differs by {furthest:.0e} at most. The trajectories took")
    print(f"{spent:.1f} s of processor time, {sampled.jumps:.1f} jumps each.")


def superradiance() -> None:
    """One ensemble, steady-state superradiance."""
    import qutip as qt
    from qutip.piqs.piqs import Dicke, jspin

    print(f"\n## One ensemble of {ATOMS}, steady-state superradiance\n")
    print("Collective emission 1, pumping w and dephasing 1 per atom. Columns as above; QuTiP: null vector of PIQS'")
    print(f"`coefficient_matrix()`; {TRAJECTORIES // 20} trajectories, averaged over time; last column: `steadystate`")
    print("of PIQS' `liouvillian()`, relative difference of <S S^+>.\n")
    print("| w | <Jx>, QuTiP | exact | trajectories | sigma | <S S^+>, QuTiP | exact | trajectories | sigma | whole |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    lowering, z = jspin(ATOMS, "-"), jspin(ATOMS, "z")
    emitted = lowering.dag() * lowering
    for pump in PUMPS:
        rates = {"collective_emission": 1.0, "dephasing": 1.0, "pumping": pump}
        theirs, atoms = Dicke(ATOMS, **rates), ds.one_ensemble(ATOMS, **rates)
        (p,) = null_space(theirs.coefficient_matrix().toarray(), rcond=1e-12).T
        p = p / p.sum()
        state = ds.exact_steady_state(atoms).spin_state
        sampled = ds.steady_samples(atoms, method=ds.Trajectories(number=TRAJECTORIES // 20))
        cells = []
        for operator, figure in ((z, spin), (emitted, intensity)):
            (value,), (error,) = sampled.estimate(figure)
            value_q = operator.diag().real @ p
            cells.append(compare(f"pumping {pump}", value_q, float(figure(state)), value, error))
        whole = qt.expect(emitted, qt.steadystate(theirs.liouvillian(), solver="bicgstab", **TIGHT))
        difference = agree(f"pumping {pump}, whole", whole / float(intensity(state)) - 1, 1e-6)
        print(f"| {pump:g} | " + " | ".join(cells) + f" | {difference:+.0e} |", flush=True)


def degenerate() -> None:
    """Two pairs of distinguishable spins with collective noise alone."""
    import qutip as qt

    print("\n## A steady state that is not unique\n")
    one = qt.qeye(2)
    raising = qt.tensor(qt.sigmap(), one) + qt.tensor(one, qt.sigmap())
    two = Product(raising, None, 2, qt.ket2dm(qt.basis([2, 2], [0, 0])))
    singular = np.linalg.svd(two.liouvillian.full(), compute_uv=False)
    print("Two pairs of spins, collective noise alone (d = 30, Z = 2.5), as 16 x 16 density matrices: the Liouvillian")
    print(f"has a null space of dimension {np.sum(singular < 1e-10 * singular[0])}. QuTiP gives, without a warning:\n")
    print("| call | smallest eigenvalue | xi | largest entry of L rho |")
    print("|---|---|---|---|")
    dense = {"method": "eigen", "sparse": False}
    calls = [{}, {"use_rcm": True}, {"solver": "solve"}, {"solver": "lstsq"}, {"method": "svd"}, dense]
    for call in [*calls, {"method": "power"}, {"solver": "gmres"}]:
        rho = qt.steadystate(two.liouvillian, **call)
        least = np.linalg.eigvalsh((rho + rho.dag()).full() / 2)[0]
        words = ", ".join(f"{k}={v!r}" for k, v in call.items()) or "as it comes"
        left = np.abs(two.liouvillian(rho).full()).max()
        print(f"| `{words}` | {least:+.3f} | {np.real_if_close(two.xi(rho)):.3f} | {left:.0e} |")
    options = {"store_final_state": True, "method": "bdf", "rtol": 1e-9, "atol": 1e-11, "nsteps": 10**6}
    final = qt.mesolve(two.liouvillian, two.up, [0.0, 20.0], options=options).final_state
    jumps = ds.jump_model(model(2))
    alone = dataclasses.replace(jumps, local=tuple((0.0, 0.0) for _ in jumps.local))
    ours = float(xi_of(ds.exact_states(alone, [0.0, 20.0])[-1].spin_state))
    agree("pairs from all up", two.xi(final).real - ours, 1e-5)
    agree("pairs from all up, 1/Z^2", ours - 1 / Z**2, 1e-7)
    print(f"\nFrom all up to t = 20/Gamma: xi = {two.xi(final).real:.6f} (`mesolve`), {ours:.6f} (`exact_states`);")
    print(f"1/Z^2 = {1 / Z**2:.6f} of the pure state that this start leads to. darkstate refuses a steady state:\n")
    try:
        ds.exact_steady_state(alone)
        wrong.append("exact_steady_state accepted a steady state that is not unique")
    except ds.ArgumentError as reason:
        print(f"> {reason}")


def main() -> None:
    """Print the record as Markdown."""
    where = Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=where, capture_output=True, text=True).stdout.strip()

    commit = git("rev-parse", "--short", "HEAD")
    later = " with changes made after it" if git("--no-optional-locks", "status", "--porcelain", "../src") else ""
    print("# Exact spin ensembles against QuTiP\n")
    print(f"{date.today()}, commit {commit}{later}, `validation/qutip_spins.py`\n")
    names = ("qutip", "numpy", "scipy", "jax", "numba")
    print(", ".join(f"{name} {version(name)}" for name in names) + f", Python {platform.python_version()};")
    print(f"a shared {platform.machine()} machine with {os.cpu_count()} cores.")
    for part in (precision, steady, evolution, decay, superradiance, degenerate):
        part()
    print("\n## Verdict\n")
    print("\n".join(f"- {line}" for line in wrong) if wrong else "Everything compared agrees within the limits stated.")
    if wrong:
        sys.exit("something differs by more than allowed")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(one_solution(sys.argv[1], int(sys.argv[2]), sys.argv[3])))
    else:
        main()
