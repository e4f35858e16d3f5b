"""Atoms in a field by brute force: one matrix in the basis |m_I, m_J>, diagonalised; no F, no Racah algebra.

H / h = A I.J + B Q + C O + (mu_B/h) B (g_J J_z + g_I I_z) for the ground and the excited level of one line.  The
dipole acts on the electron only: <J' m'| d_q |J m> = <J m; 1 q | J' m'>, so all decays of an excited state sum to 1.
Scattering is second-order perturbation theory, M_q = sum_l <b| d_q^+ |l><l| d.e |a> / Delta_l.

Every constant is an argument.  Frequencies in Hz, fields in T, amplitudes in s.  States are named by the (F, m) they
grow from at zero field; signs of eigenvectors are free, so an amplitude between two states is known up to one sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
State = tuple[float, float]

MU_B = 9.2740100783e-24 / 6.62607015e-34
"""mu_B / h [Hz/T], CODATA 2018."""

LIGHT = {"x": {0: 1.0}, "y": {1: np.sqrt(0.5), -1: np.sqrt(0.5)}, "sigma+": {1: 1.0}, "sigma-": {-1: 1.0}}
"""Amplitudes of pi (0) and sigma+- (+-1) light, the field along x."""


def spin(j: float) -> tuple[Array, Array]:
    """(J_z, J_+), rows and columns m = j ... -j."""
    m = np.arange(j, -j - 1, -1)
    return np.diag(m), np.diag(np.sqrt(j * (j + 1) - m[1:] * (m[1:] + 1)), 1)


def clebsch_gordan(j1: float, j2: float, j: float) -> Array:
    """<j1 m1; j2 m2 | j m> [m m1 m2] by lowering the stretched state; Condon-Shortley: <j1 j1; j2 j-j1 | j j> > 0."""
    (z1, p1), (z2, p2) = spin(j1), spin(j2)
    one, two = np.eye(len(z1)), np.eye(len(z2))
    up = np.kron(p1, two) + np.kron(one, p2)
    here = np.isclose(np.diag(np.kron(z1, two) + np.kron(one, z2)), j)
    top = np.zeros(len(up))
    top[here] = np.linalg.svd(up[:, here])[2][-1]  # the one combination that J_+ annihilates
    rows = [top * np.sign(top[here][0])]
    for m in np.arange(j, -j, -1):
        rows.append(up.T @ rows[-1] / np.sqrt((j + m) * (j - m + 1)))
    return np.array(rows).reshape(-1, len(z1), len(z2))


def multipole(product: Array, order: int) -> Array:
    """The invariant T^(k)(I).T^(k)(J), k = order, as a polynomial of degree k in I.J (`product`), 1 where stretched.

    Invariants of different rank are orthogonal under the trace, so Gram-Schmidt on 1, I.J, (I.J)^2, ... finds them;
    the stretched state is the first basis vector.
    """
    found: list[Array] = []
    for _ in range(order + 1):
        new = product @ found[-1] if found else np.eye(len(product))
        for _ in range(2):
            for old in found:
                new = new - old * np.sum(old * new) / np.sum(old * old)
        found.append(new / new[0, 0])
    return found[order]


@dataclass(frozen=True)
class Level:
    """One fine-structure level; energies count from its centre of gravity."""

    nuclear: float
    electron: float
    hyperfine_hz: tuple[float, float, float]  # A, B, C
    g_j: float
    g_i: float

    @property
    def fs(self) -> Array:
        """All F, lowest first."""
        return np.arange(abs(self.nuclear - self.electron), self.nuclear + self.electron + 1)

    @cached_property
    def product(self) -> Array:
        """I.J [n n]."""
        (iz, ip), (jz, jp) = spin(self.nuclear), spin(self.electron)
        return np.kron(iz, jz) + (np.kron(ip, jp.T) + np.kron(ip.T, jp)) / 2

    @cached_property
    def coupling(self) -> Array:
        """A I.J + B Q + C O [n n], Hz: A I J + B/4 + C where stretched defines the constants."""
        stretched = (
            self.hyperfine_hz[0] * self.nuclear * self.electron,
            self.hyperfine_hz[1] / 4,
            self.hyperfine_hz[2],
        )
        terms = [s * multipole(self.product, k) for k, s in enumerate(stretched, start=1) if s]
        return sum(terms, np.zeros_like(self.product))

    @cached_property
    def zero_field(self) -> dict[float, float]:
        """Energy of each F [Hz]: the coupling averaged over the projector onto F."""
        i, j = self.nuclear, self.electron
        out = {}
        for f in self.fs:
            states = clebsch_gordan(i, j, f).reshape(round(2 * f) + 1, -1)
            out[float(f)] = float(np.mean(np.sum(states @ self.coupling * states, axis=1)))
        return out

    @property
    def reference(self) -> float:
        """Energy of the largest F at zero field [Hz], from which detunings and ground energies count."""
        return self.zero_field[self.nuclear + self.electron]

    def states(self, field: float) -> dict[State, tuple[float, Array]]:
        """(energy [Hz], vector [n]) by (F, m): eigenstates for each m, in the order of the zero-field levels."""
        iz, jz = spin(self.nuclear)[0], spin(self.electron)[0]
        zeeman = np.kron(iz * self.g_i, np.eye(len(jz))) + np.kron(np.eye(len(iz)), jz * self.g_j)
        h = self.coupling + MU_B * field * zeeman
        m_of = np.diag(np.kron(iz, np.eye(len(jz))) + np.kron(np.eye(len(iz)), jz))
        order = sorted(self.zero_field, key=self.zero_field.__getitem__)
        out = {}
        for m in np.unique(m_of):
            here = np.flatnonzero(m_of == m)
            energies, vectors = np.linalg.eigh(h[np.ix_(here, here)])
            for k, f in enumerate(f for f in order if f >= abs(m)):
                vector = np.zeros(len(h))
                vector[here] = vectors[:, k]
                out[f, float(m)] = float(energies[k]), vector
        return out


@dataclass(frozen=True)
class Line:
    """A ground and an excited level and the dipole between them."""

    ground: Level
    excited: Level

    @cached_property
    def dipole(self) -> dict[int, Array]:
        """d_q [n_excited n_ground], q = -1, 0, 1: raises m by q."""
        c = clebsch_gordan(self.ground.electron, 1.0, self.excited.electron)
        nuclear = np.eye(round(2 * self.ground.nuclear) + 1)
        return {q: np.kron(nuclear, c[:, :, k]) for k, q in enumerate((1, 0, -1))}

    def decays(self, field: float) -> Array:
        """Total decay of each excited state in the field: sum over q and ground states of |<b| d_q^+ |l>|^2."""
        ground = np.array([v for _, v in self.ground.states(field).values()])
        excited = np.array([v for _, v in self.excited.states(field).values()])
        return sum(((excited @ d @ ground.T) ** 2).sum(axis=1) for d in self.dipole.values())

    def detunings(self, start: State, *, detuning_hz: float, field: float) -> dict[State, float]:
        """Delta_l [Hz], blue positive: laser minus transition frequency from `start`.

        `detuning_hz` counts from the largest F to the largest F', both at zero field.
        """
        here = self.ground.states(field)[start][0] - self.ground.reference
        there = self.excited.states(field).items()
        return {name: detuning_hz + here - (energy - self.excited.reference) for name, (energy, _) in there}

    def paths(
        self, start: State, end: State, *, detuning_hz: float, polarization: str, field: float = 0.0
    ) -> dict[int, Array]:
        """<b| d_q^+ |l><l| d.e |a> / Delta_l [l] in s, by the emitted q: sum them for the amplitude."""
        ground, excited = self.ground.states(field), self.excited.states(field)
        a, b = ground[start][1], ground[end][1]
        delta = self.detunings(start, detuning_hz=detuning_hz, field=field)
        absorbed = sum(w * self.dipole[q] for q, w in LIGHT[polarization].items()) @ a
        vectors = np.array([v for _, v in excited.values()])
        weight = vectors @ absorbed / (2 * np.pi * np.array([delta[name] for name in excited]))
        return {q: weight * (vectors @ d @ b) for q, d in self.dipole.items()}

    def amplitudes(self, start: State, end: State, **light: float | str) -> dict[int, float]:
        """M_q [s] by the emitted q; arguments as for `paths`."""
        return {q: float(p.sum()) for q, p in self.paths(start, end, **light).items()}

    def rate(self, start: State, end: State, **light: float | str) -> float:
        """sum_q |M_q|^2 [s^2]: times Omega^2 gamma a rate.  Coherent over F', incoherent over what is emitted."""
        return sum(m**2 for m in self.amplitudes(start, end, **light).values())

    def light_shift(self, state: State, *, detuning_hz: float, polarization: str, field: float = 0.0) -> float:
        """sum_l |<l| d.e |a>|^2 / Delta_l [s]: times Omega^2 the shift in rad/s, up for blue light."""
        light = {"detuning_hz": detuning_hz, "polarization": polarization, "field": field}
        forward = self.amplitudes(state, state, **light)
        return sum(w * forward[q] for q, w in LIGHT[polarization].items())


def line_of(data: Any) -> Line:
    """The line with the constants of an object that has those of a `darkstate.atoms.species.Line`: numbers only."""
    atom = data.species
    ground = Level(atom.nuclear_spin, atom.ground_spin, (atom.hyperfine_hz, 0.0, 0.0), atom.g_j, atom.g_i)
    excited = (data.a_hz, data.b_hz, data.c_hz)
    return Line(ground, Level(atom.nuclear_spin, data.excited_spin, excited, data.g_j, atom.g_i))


def from_splittings(nuclear: float, electron: float, splittings_hz: list[float]) -> tuple[float, float, float]:
    """(A, B, C) [Hz] of a level whose neighbouring F, highest first, lie `splittings_hz` apart."""
    columns = []
    for unit in np.eye(3)[: len(splittings_hz)]:
        e = Level(nuclear, electron, tuple(unit), 0.0, 0.0).zero_field
        top = nuclear + electron
        columns.append([e[top - k] - e[top - k - 1] for k in range(len(splittings_hz))])
    found = np.linalg.solve(np.array(columns).T, splittings_hz)
    return tuple(np.concatenate([found, np.zeros(3 - len(found))]))
