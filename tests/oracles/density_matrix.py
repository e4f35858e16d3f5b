"""Two atomic ensembles as a full density matrix: every atom its own tensor factor, no symmetry used.

Single atom, levels (up, dn) or (up, dn, h):

    s  = |up><dn|      jx = (|up><up| - |dn><dn|)/2      jy = (s + s^+)/2      jz = i (s^+ - s)/2
    [jy, jz] = i jx and cyclic;   collective J = sum j,   S = sum s = Jy + i Jz  (S RAISES Jx)

Master equation, D[L] r = L r L^+ - {L^+ L, r}/2, ensemble j = I, II, c_j = (d Gamma)_j / N_j:

    engineered reservoir, a cascade from I to II in two sideband channels, power transmission t between the cells
        channel A   L_I = sqrt(c_I) mu_I S_I       L_II = sqrt(c_II) nu_II S_II^+
        channel B   L_I = sqrt(c_I) nu_I S_I^+     L_II = sqrt(c_II) mu_II S_II
        per channel D[sqrt(t) L_I + L_II] + D[sqrt(1 - t) L_I],  H = -(i/2) sqrt(t) (L_II^+ L_I - L_I^+ L_II)
    each atom   cool D[|up><dn|] + heat D[|dn><up|] + uu D[|up><up|] + dd D[|dn><dn|]
                + uh D[|h><up|] + dh D[|h><dn|] + hu D[|up><h|] + hd D[|dn><h|]
    H = sum_j detuning_j Jx_j
    optional collective dephasing, rate k (all atoms of both ensembles, [Muschik2011] App. C 2):
        k D[C] + k D[D],  C = sqrt(1/N_I) mu_I n_dn,I + sqrt(1/N_II) nu_II n_up,II,  D the same with I <-> II

With t = 1, equal N, rates and mu, nu the two Hamiltonians cancel and the channels are sqrt(d Gamma) A, sqrt(d Gamma) B
of [Muschik2011] Eq. (13), A = (mu S_I + nu S_II^+)/sqrt(N).  The sign of H is fixed by causality: the dynamics of
ensemble I must not depend on anything in ensemble II.

Sizes: two levels N = 1, 2, 3 each (dimension 4, 16, 64; 256 for short evolutions), three levels N = 1, 2 (9, 81).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import expm_multiply

Matrix = NDArray[np.complex128]
LEVELS = ("up", "dn", "h")
# name of a single-atom rate -> (final level, initial level) of its jump operator |final><initial|
JUMPS = {
    "cool": ("up", "dn"), "heat": ("dn", "up"), "uu": ("up", "up"), "dd": ("dn", "dn"),
    "uh": ("h", "up"), "dh": ("h", "dn"), "hu": ("up", "h"), "hd": ("dn", "h"),
}  # fmt: skip


@dataclass(frozen=True)
class Ensemble:
    """Atoms and rates of one ensemble (all rates full Lindblad rates, any common unit).

    `dd` is the dephasing rate Gamma_d of [Muschik2011] Eq. (13); `uu` is the alternative D[|up><up|].
    """

    atoms: int
    mu: float = 1.0
    nu: float = 0.0
    d_gamma: float = 0.0
    cool: float = 0.0
    heat: float = 0.0
    uu: float = 0.0
    dd: float = 0.0
    uh: float = 0.0
    dh: float = 0.0
    hu: float = 0.0
    hd: float = 0.0
    detuning: float = 0.0

    @property
    def coupling(self) -> float:
        """c_j = (d Gamma)_j / N_j."""
        return self.d_gamma / self.atoms


def build(
    first: Ensemble,
    second: Ensemble,
    *,
    levels: int = 2,
    transmission: float = 1.0,
    collective_dephasing: float = 0.0,
) -> System:
    """The pair of ensembles, light passing `first` (I) before `second` (II)."""
    if levels == 2 and any(getattr(e, k) for e in (first, second) for k in ("uh", "dh", "hu", "hd")):
        raise ValueError("rates to or from h need levels=3")
    return System((first, second), levels, transmission, collective_dephasing)


@dataclass(frozen=True)
class System:
    """Operators and generator; operators are dense matrices, index = (atoms of I, atoms of II)."""

    ensembles: tuple[Ensemble, Ensemble]
    levels: int
    transmission: float
    collective_dephasing: float

    # ---- operators ----
    @property
    def atoms(self) -> int:
        return self.ensembles[0].atoms + self.ensembles[1].atoms

    @property
    def dim(self) -> int:
        return self.levels**self.atoms

    def members(self, ensemble: int) -> range:
        """Positions of the atoms of ensemble 0 (I) or 1 (II) in the tensor product."""
        n = self.ensembles[0].atoms
        return range(n) if ensemble == 0 else range(n, self.atoms)

    def embed(self, local: Matrix, atom: int) -> Matrix:
        """A one-atom operator acting on one atom."""
        left, right = self.levels**atom, self.levels ** (self.atoms - atom - 1)
        return np.kron(np.kron(np.eye(left), local), np.eye(right)).astype(complex)

    def transition(self, final: str, initial: str, ensemble: int) -> Matrix:
        """sum over the atoms of one ensemble of |final><initial|."""
        local = np.zeros((self.levels, self.levels))
        local[LEVELS.index(final), LEVELS.index(initial)] = 1.0
        return sum(self.embed(local, i) for i in self.members(ensemble))

    @cached_property
    def S(self) -> list[Matrix]:
        """Collective raising operators, [I, II]."""
        return [self.transition("up", "dn", e) for e in (0, 1)]

    @cached_property
    def N(self) -> list[dict[str, Matrix]]:
        """Population operators, [ensemble][level]."""
        return [{a: self.transition(a, a, e) for a in LEVELS[: self.levels]} for e in (0, 1)]

    @cached_property
    def J(self) -> list[dict[str, Matrix]]:
        """Collective spin, [ensemble]["x" | "y" | "z"], of the subspace {up, dn}."""
        return [
            {"x": (n["up"] - n["dn"]) / 2, "y": (s + s.conj().T) / 2, "z": 1j * (s.conj().T - s) / 2}
            for s, n in zip(self.S, self.N, strict=True)
        ]

    # ---- generator ----
    @cached_property
    def cascade(self) -> list[tuple[Matrix, Matrix]]:
        """(L_I, L_II) of the channels A and B."""
        one, two = self.ensembles
        g1, g2 = np.sqrt(one.coupling), np.sqrt(two.coupling)
        s1, s2 = self.S
        return [(g1 * one.mu * s1, g2 * two.nu * s2.conj().T), (g1 * one.nu * s1.conj().T, g2 * two.mu * s2)]

    @cached_property
    def collective_jumps(self) -> list[Matrix]:
        """Jump operators that act on many atoms at once (rates absorbed)."""
        r, loss = np.sqrt(self.transmission), np.sqrt(1 - self.transmission)
        jumps = [r * a + b for a, b in self.cascade] + [loss * a for a, _ in self.cascade]
        (one, two), k = self.ensembles, self.collective_dephasing
        for e, f, i, j in ((one, two, 0, 1), (two, one, 1, 0)):
            dephasing = e.mu * self.N[i]["dn"] / np.sqrt(e.atoms) + f.nu * self.N[j]["up"] / np.sqrt(f.atoms)
            jumps.append(np.sqrt(k) * dephasing)
        return [j for j in jumps if np.any(j)]

    @cached_property
    def atom_jumps(self) -> list[tuple[int, int, int, float]]:
        """(atom, final level, initial level, rate) of every single-atom jump."""
        return [
            (atom, LEVELS.index(final), LEVELS.index(initial), getattr(ens, name))
            for e, ens in enumerate(self.ensembles)
            for name, (final, initial) in JUMPS.items()
            if getattr(ens, name) != 0.0
            for atom in self.members(e)
        ]

    @cached_property
    def hamiltonian(self) -> Matrix:
        """Larmor detunings and the cascade's interaction."""
        h = sum(e.detuning * j["x"] for e, j in zip(self.ensembles, self.J, strict=True))
        for first, second in self.cascade:
            forward = second.conj().T @ first
            h = h - 0.5j * np.sqrt(self.transmission) * (forward - forward.conj().T)
        return h

    @cached_property
    def effective(self) -> Matrix:
        """H - (i/2) sum of rate L^+ L."""
        decay = sum((j.conj().T @ j for j in self.collective_jumps), np.zeros((self.dim, self.dim), complex))
        diagonal = np.zeros((self.levels,) * self.atoms)
        for atom, _, initial, rate in self.atom_jumps:
            np.moveaxis(diagonal, atom, 0)[initial] += rate
        return self.hamiltonian - 0.5j * (decay + np.diag(diagonal.ravel()))

    def _blocks(self, matrix: Matrix, atom: int) -> Matrix:
        """View with axes (left, level, right, left', level', right') around one atom."""
        shape = (self.levels**atom, self.levels, self.levels ** (self.atoms - atom - 1))
        return matrix.reshape(shape + shape)

    def rhs(self, rho: Matrix) -> Matrix:
        """d rho / dt."""
        out = -1j * (self.effective @ rho - rho @ self.effective.conj().T)
        for jump in self.collective_jumps:
            out += jump @ rho @ jump.conj().T
        for atom, final, initial, rate in self.atom_jumps:
            source = self._blocks(np.ascontiguousarray(rho), atom)
            self._blocks(out, atom)[:, final, :, :, final, :] += rate * source[:, initial, :, :, initial, :]
        return out

    def adjoint(self, operator: Matrix) -> Matrix:
        """The Heisenberg generator: Tr(adjoint(O) rho) = Tr(O rhs(rho))."""
        out = 1j * (self.effective.conj().T @ operator - operator @ self.effective)
        for jump in self.collective_jumps:
            out += jump.conj().T @ operator @ jump
        for atom, final, initial, rate in self.atom_jumps:
            source = self._blocks(np.ascontiguousarray(operator), atom)
            self._blocks(out, atom)[:, initial, :, :, initial, :] += rate * source[:, final, :, :, final, :]
        return out

    def rate(self, operator: Matrix, rho: Matrix) -> float:
        """d<O>/dt for a Hermitian O, exact; no superoperator is built."""
        return float(np.real(np.einsum("ij,ji->", operator, self.rhs(rho))))

    def expect(self, operator: Matrix, rho: Matrix) -> float:
        """<O> for a Hermitian O."""
        return float(np.real(np.einsum("ij,ji->", operator, rho)))

    # ---- solutions ----
    @cached_property
    def superoperator(self) -> sparse.csr_matrix:
        """Sparse generator on vec(rho), row-major: vec(A rho B) = kron(A, B^T) vec(rho)."""
        eye = sparse.identity(self.dim, format="csr")
        heff = sparse.csr_matrix(self.effective)
        total = -1j * (sparse.kron(heff, eye) - sparse.kron(eye, heff.conj()))
        jumps = [sparse.csr_matrix(j) for j in self.collective_jumps]
        for atom, final, initial, rate in self.atom_jumps:
            local = np.zeros((self.levels, self.levels))
            local[final, initial] = np.sqrt(rate)
            jumps.append(sparse.csr_matrix(self.embed(local, atom)))
        total = sum((sparse.kron(j, j.conj()) for j in jumps), total).tocsr()
        total.data[np.abs(total.data) < 1e-15 * np.abs(total.data).max()] = 0.0
        total.eliminate_zeros()
        return total

    @cached_property
    def _components(self) -> NDArray[np.int32]:
        """Label of the dynamically closed block each matrix element belongs to."""
        pattern = self.superoperator.copy()
        pattern.data = np.ones(pattern.nnz)
        return connected_components(pattern, directed=False)[1]

    def steady_state(self, tolerance: float = 1e-9) -> Matrix:
        """The null vector of the generator, block by block; refuses unless it is unique.

        Every closed block of matrix elements is checked by its singular values, so that a second stationary
        state, or a stationary coherence, is found wherever it hides.
        """
        found, labels = [], self._components
        for label in range(labels.max() + 1):
            where = np.flatnonzero(labels == label)
            if len(where) > 1000:
                raise ValueError(f"a block of {len(where)} elements is too large for a dense null space")
            _, values, right = np.linalg.svd(self.superoperator[where][:, where].toarray())
            null = np.flatnonzero(values < tolerance * max(1.0, values[0]))
            found += [(where, right[k].conj()) for k in null]
        if len(found) != 1:
            raise ValueError(f"the steady state is not unique: {len(found)} null vectors")
        rho = np.zeros(self.dim**2, complex)
        rho[found[0][0]] = found[0][1]
        rho = rho.reshape(self.dim, self.dim)
        rho = rho / np.trace(rho)
        return (rho + rho.conj().T) / 2

    def evolve(self, rho0: Matrix, times: NDArray[np.float64] | list[float]) -> Matrix:
        """rho at increasing `times` (rho0 is the state at time 0), shape (times, dim, dim)."""
        start = rho0.reshape(-1)
        where = np.flatnonzero(np.isin(self._components, np.unique(self._components[np.abs(start) > 0])))
        block = self.superoperator[where][:, where]
        vector, now, states = start[where].astype(complex), 0.0, []
        for time in times:
            vector, now = expm_multiply(block * (time - now), vector) if time > now else vector, time
            full = np.zeros(self.dim**2, complex)
            full[where] = vector
            states.append(full.reshape(self.dim, self.dim))
        return np.array(states)

    # ---- states ----
    def product_state(self, first: Matrix, second: Matrix) -> Matrix:
        """Every atom of I in the one-atom density matrix `first`, every atom of II in `second`."""
        factors = [first] * self.ensembles[0].atoms + [second] * self.ensembles[1].atoms
        return reduce(np.kron, [np.asarray(f, complex) for f in factors])

    def atom_state(self, bloch: tuple[float, float, float], h: float = 0.0) -> Matrix:
        """One atom with 2<j> = (1 - h) (x, y, z) and a fraction h outside the two-level system."""
        x, y, z = bloch
        two = np.array([[1 + x, y - 1j * z], [y + 1j * z, 1 - x]]) / 2  # <s> = <jy> + i<jz> = rho[dn, up]
        rho = np.zeros((self.levels, self.levels), complex)
        rho[:2, :2] = (1 - h) * two
        if self.levels == 3:
            rho[2, 2] = h
        elif h:
            raise ValueError("h needs levels=3")
        return rho

    def coherent_state(
        self, first: tuple[float, float, float] = (1, 0, 0), second: tuple[float, float, float] = (1, 0, 0)
    ) -> Matrix:
        """Coherent spin states along the unit vectors (x, y, z); default all atoms up."""
        unit = [self.atom_state(tuple(np.asarray(v, float) / np.linalg.norm(v))) for v in (first, second)]
        return self.product_state(*unit)

    def polarised_state(self, first: float, second: float, *, h: tuple[float, float] = (0.0, 0.0)) -> Matrix:
        """Product state of polarisations P_I, P_II (of the two-level system) along x."""
        return self.product_state(self.atom_state((first, 0, 0), h[0]), self.atom_state((second, 0, 0), h[1]))

    def random_state(self, seed: int, *, symmetric: bool = False) -> Matrix:
        """A full-rank random density matrix, optionally invariant under permutations inside each ensemble."""
        rng = np.random.default_rng(seed)
        g = rng.normal(size=(self.dim, self.dim)) + 1j * rng.normal(size=(self.dim, self.dim))
        # half the weight on one random vector: the moments are far from those of the identity
        rho = g @ g.conj().T + 2 * self.dim * _random_projector(rng, self.dim)
        rho = rho / np.trace(rho)
        return self.symmetrise(rho) if symmetric else rho

    def symmetrise(self, rho: Matrix) -> Matrix:
        """Average over all permutations of the atoms inside each ensemble."""
        tensor = rho.reshape((self.levels,) * (2 * self.atoms))
        orders = [a + b for a, b in product(*(permutations(self.members(e)) for e in (0, 1)))]
        total = sum(tensor.transpose(o + tuple(self.atoms + k for k in o)) for o in orders)
        return (total / len(orders)).reshape(self.dim, self.dim)


def _random_projector(rng: np.random.Generator, dim: int) -> Matrix:
    """Projector on a random vector."""
    psi = rng.normal(size=dim) + 1j * rng.normal(size=dim)
    return np.outer(psi, psi.conj())
