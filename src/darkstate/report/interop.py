"""States in the conventions of other programs: moments of Gaussian states, density matrices for QuTiP.

    QuTiP       (x1, p1, x2, p2, ...), hbar = 2/g^2 = 1        vacuum variance hbar/2
    thewalrus   (x1, x2, ..., p1, p2, ...), hbar = 2
    MrMustard   (x1, x2, ..., p1, p2, ...), hbar = 2 (1 in other versions)

None of these packages is needed, except by `to_qutip`. Down: `gaussian.state`, `pair.state`, `spins.exact`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import sparse

from darkstate.errors import ArgumentError
from darkstate.experiments.tomltext import nearest
from darkstate.gaussian.state import Convention, GaussianState, gaussian_state
from darkstate.pair.state import PairState
from darkstate.spins.exact.basis import sector, unknowns
from darkstate.spins.exact.state import ExactState

LARGEST = 1e7
"""Entries of a density matrix that are written out."""


class _Package(NamedTuple):
    order: Literal["xpxp", "xxpp"]
    hbar: float


PACKAGES = {"qutip": _Package("xpxp", 1.0), "thewalrus": _Package("xxpp", 2.0), "mrmustard": _Package("xxpp", 2.0)}
"""Order of quadratures and the default of hbar."""


def convention_of(package: str, *, hbar: float | None = None) -> Convention:
    """How a package writes covariances.

    Args:
        package: of `PACKAGES`; hbar: as it is set there, [x, p] = i hbar; None: its default.

    Raises:
        ArgumentError: an unknown package; hbar not above 0.

    Example:
        >>> str(convention_of("thewalrus")), str(convention_of("mrmustard", hbar=1))
        ('order xxpp, vacuum variance 1', 'order xxpp, vacuum variance 0.5')
    """
    if package not in PACKAGES:
        likely = nearest(str(package), list(PACKAGES))
        hint = f"did you mean {likely!r}?" if likely else f"known are {', '.join(PACKAGES)}"
        raise ArgumentError(f"Argument `package` is {package!r}, which is not known; {hint}")
    known = PACKAGES[package]
    value = known.hbar if hbar is None else hbar
    if not value > 0:
        raise ArgumentError(f"Argument `hbar` must be greater than 0, but is {value!r}; {package} has {known.hbar:g}.")
    return Convention(known.order, value / 2)


def to_package(state: GaussianState, package: str, *, hbar: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Mean [q] and covariance [q q] of a Gaussian state as another package writes them.

    Args:
        state: with modes in the order wanted there (`state.select("a", "b")` changes it); package, hbar: see
            `convention_of`.

    Example:
        >>> from darkstate.gaussian.state import two_mode_squeezed
        >>> mean, v = to_package(two_mode_squeezed("a", "b", 1.0), "thewalrus")
        >>> print(v[0, :2].round(3))  # x1 with x1 and x2
        [ 3.762 -3.627]
    """
    if not isinstance(state, GaussianState):
        raise ArgumentError(f"Argument `state` must be a GaussianState, but is a {type(state).__name__}.")
    state.require_ours()
    there = state.to(convention_of(package, hbar=hbar))
    return np.asarray(there.mean), np.asarray(there.covariance)


def from_package(
    package: str, covariance: Any, modes: tuple[str, ...] | str, *, mean: Any = None, hbar: float | None = None
) -> GaussianState:
    """A Gaussian state from the mean and covariance of another package.

    Args:
        package, hbar: see `convention_of`; covariance: [q q]; modes: names for the modes, in order; mean: [q] or None.

    Raises:
        ArgumentError: as `gaussian_state`: also where the numbers break the uncertainty relation, as the vacuum of
            hbar = 1 does that is read with hbar = 2. The wrong order may go unnoticed: it has no entanglement.

    Example:
        >>> from_package("thewalrus", [[1, 0], [0, 1]], "a").covariance.tolist()
        [[0.5, 0.0], [0.0, 0.5]]
    """
    return gaussian_state(covariance, modes, mean=mean, convention=convention_of(package, hbar=hbar))


def density_matrix(state: PairState | ExactState) -> tuple[Any, list[int]]:
    """Density matrix of an atom pair or of two exact spin ensembles, and the dimensions of its tensor factors.

    Pair: both spins F in full, |m_1> (x) |m_2>, m = F, ..., -F. Ensembles: the Dicke basis |j, m>, j falling and m
    falling, of I (x) II, without the copies of each j, as PIQS has it; m is the eigenvalue of Jx here and of Jz there:
    our (Jx, Jy, Jz) are (Jz, Jx, Jy) of QuTiP. With a third level the blocks are (N_2, j), both falling.

    Args:
        state: from `exact_states`, `exact_steady_state`, or of an atom pair (one, no batch).

    Returns:
        Matrix [n n] (a NumPy array, for ensembles a sparse one of SciPy) and the dimensions, product n.

    Raises:
        ArgumentError: another kind of state, which has no density matrix here, or one that is too large.

    Example:
        >>> from darkstate.pair.state import sector_state
        >>> rho, sizes = density_matrix(sector_state([0.4, 0.6, 0.0], 1.0))
        >>> rho.shape, sizes, f"{np.trace(rho).real:.1f}"
        ((25, 25), [5, 5], '1.0')
    """
    if isinstance(state, PairState):
        return _pair(np.asarray(state.matrix))
    if isinstance(state, ExactState):
        return _ensembles(state)
    raise ArgumentError(
        f"Argument `state` is a {type(state).__name__}, which has no density matrix here; a PairState and the exact "
        "states of spin ensembles have one, and to_package writes the covariance of a GaussianState."
    )


def to_qutip(state: PairState | ExactState) -> Any:
    """A QuTiP Qobj of a state with a density matrix; see `density_matrix` for its basis.

    Raises:
        ArgumentError: QuTiP is not installed, or the state has no density matrix.
    """
    matrix, sizes = density_matrix(state)
    try:
        qobj = import_module("qutip").Qobj
    except ImportError:
        raise ArgumentError(
            "QuTiP is not installed, which to_qutip needs; `pip install qutip`, or take density_matrix(state)."
        ) from None
    return qobj(matrix, dims=[sizes, sizes])


def _pair(matrix: np.ndarray) -> tuple[np.ndarray, list[int]]:
    if matrix.ndim != 2:
        raise ArgumentError(f"Argument `state` must be one pair state, but its matrix has shape {matrix.shape}.")
    n = len(matrix)
    places = np.arange(n) * n + np.arange(n)[::-1]  # |m, -m> among |m_1> (x) |m_2>
    found = np.zeros((n * n, n * n), complex)
    found[np.ix_(places, places)] = matrix
    return found, [n, n]


def _ensembles(state: ExactState) -> tuple[Any, list[int]]:
    entries = unknowns(*state.atoms, state.third)
    if entries > LARGEST:
        raise ArgumentError(
            f"The density matrix of {state.atoms[0]} + {state.atoms[1]} atoms has {entries:.2g} entries; at most "
            f"{LARGEST:.0e} are written out: take fewer atoms."
        )
    whole = [sector(n, 0, third) for n, third in zip(state.atoms, state.third, strict=True)]
    n, m = whole[0].size, whole[1].size
    rows, columns, values = [], [], []
    for q, block in state.blocks.items():
        kets, bras = [], []
        for atoms, third, s in zip(state.atoms, state.third, whole, strict=True):
            of_q = sector(atoms, q, third)
            start = np.array([s.starts[label] for label in of_q.starts], int)
            first = np.repeat(start, of_q.labels[:, 1] + 1 - q) + of_q.k
            kets.append(first)
            bras.append(first + q)
        ket, bra = (np.add.outer(one * m, two).ravel() for one, two in (kets, bras))
        rows += [ket, bra] if q else [ket]
        columns += [bra, ket] if q else [bra]
        entry = np.asarray(block).ravel()
        values += [entry, entry.conj()] if q else [entry]
    matrix = sparse.coo_array(
        (np.concatenate(values).astype(complex), (np.concatenate(rows), np.concatenate(columns))), (n * m, n * m)
    ).tocsr()
    return matrix, [n, m] if m > 1 else [n]
