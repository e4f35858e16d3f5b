"""How long does a certified steady state of N atoms per ensemble take, and how much memory?

Run:  .venv/bin/python benchmarks/exact.py [N ...]            (10 and 20 by default: seconds; 50: minutes)

001 Sec. III D at d = 30, Z = 2.5, Gamma_d = 2(cooling + heating) + 2: solution, smallest eigenvalue of every block and
spectral gap, after one call that loads and compiles. Goals on two cores: 0.5 s, 1 s, 60 s and 4 GiB. For N up to 6 the
same steady state comes from SciPy's sparse LU decomposition of the same generator, assembled column by column.
"""

from __future__ import annotations

import platform
import resource
import sys
import time

import numpy as np
import scipy
from scipy import sparse
from scipy.sparse.linalg import splu

from darkstate.backend import jax, jnp
from darkstate.experiments.two_level_ensembles import Drive, Ensembles, Noise, TwoLevelEnsembles
from darkstate.solve.exact_spins import exact_steady_state
from darkstate.spins.exact.generator import coefficients, generator
from darkstate.spins.exact.layout import Layout
from darkstate.spins.exact.state import ExactState
from darkstate.witness.epr import epr_variance


def model(atoms: int):
    return TwoLevelEnsembles(Ensembles(optical_depth=30, atoms=atoms), Drive(1.0, z=2.5), noise=Noise(2.0)).model()


def xi(state: ExactState) -> float:
    return float(epr_variance(state.spin_state).value)


def direct(atoms: int) -> float:
    """xi from one column of the generator replaced by the trace, and a sparse LU decomposition."""
    g = generator((atoms, atoms), coefficients(model(atoms), jnp.ones(3)))
    layout = Layout.of(g)
    columns = [sparse.csc_array(layout.join(g.apply(layout.split(e)))[:, None]) for e in np.eye(layout.size)]
    matrix = sparse.hstack(columns).tolil()
    trace = layout.split(np.zeros(layout.size))
    trace[0][:] = 1
    matrix[0] = layout.join(trace)
    found = splu(matrix.tocsc()).solve(np.eye(layout.size)[0])
    return xi(ExactState((atoms, atoms), layout.split(found), 0.5, {}))


print(f"{platform.machine()}, {jax.default_backend()}, scipy {scipy.__version__}, numpy {np.__version__}")
xi(exact_steady_state(model(4)))
for atoms in [int(a) for a in sys.argv[1:]] or [6, 10, 20]:
    begin, processor = time.perf_counter(), time.process_time()
    state = exact_steady_state(model(atoms))
    spent, processor = time.perf_counter() - begin, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    figures = ", ".join(f"{name} {value:.1e}" for name, value in state.figures.items())
    print(f"N = {atoms:3d}: {spent:7.2f} s ({processor:.2f} s of processor time), peak {peak:.2f} GiB")
    print(f"         xi = {xi(state):.9f}; {figures}")
    if atoms <= 6:
        begin = time.perf_counter()
        other = direct(atoms)
        spent = time.perf_counter() - begin
        print(f"         {spent:7.2f} s by sparse LU, difference of xi {abs(other - xi(state)):.0e}")
