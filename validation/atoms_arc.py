"""Do the levels and dipole matrix elements of darkstate.atoms agree with ARC and with SymPy?

Run (ARC in an environment of its own, never in the project's):
    python -m venv /tmp/arc && /tmp/arc/bin/pip install ARC-Alkali-Rydberg-Calculator==3.10.2
    HOME=/tmp/arc PYTHONPATH=src /tmp/arc/bin/python -W ignore validation/atoms_arc.py > atoms_arc.md     (ten seconds)

ARC gets the constants of darkstate, so that formulas are compared, not tables; the tables are compared on their own.
ARC has no octupole: it is checked against SymPy's 6j symbols. ARC has no 171Yb: oracles/atomic_levels.py holds it.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from importlib.metadata import version
from math import sqrt

import arc
import numpy as np
from scipy.constants import physical_constants
from sympy import Rational
from sympy.physics.wigner import wigner_3j, wigner_6j

from darkstate.atoms.angular import six_j, three_j
from darkstate.atoms.hyperfine import BOHR_HZ, breit_rabi_hz, dipole, excited_matrix, level_hz
from darkstate.atoms.light import light_rates
from darkstate.atoms.species import Line, constants, line, species
from darkstate.atoms.vapour import mean_speed, number_density, vapour_pressure

ATOMS = {"133Cs": arc.Caesium, "85Rb": arc.Rubidium85, "87Rb": arc.Rubidium87}
FIELDS = np.array([1e-6, 1e-4, 1e-3, 1e-2, 5e-2])  # T
ARC_MU_B = physical_constants["Bohr magneton in Hz/T"][0]


def spins(first: float, last: float) -> Iterator[float]:
    """first, first + 1, ..., last."""
    return (first + k for k in range(round(last - first) + 1))


def quarters(*values: float) -> list[Rational]:
    """Half-integers for SymPy."""
    return [Rational(round(2 * v), 2) for v in values]


def with_our_constants(name: str, one: Line | None, *, times: float = 1.0) -> arc.AlkaliAtom:
    """ARC's atom, its hyperfine constants (B `times` a factor) and g factors replaced by ours."""
    atom, ours = ATOMS[name](), species(name)
    a, b, g_j = (ours.hyperfine_hz, 0.0, ours.g_j) if one is None else (one.a_hz, one.b_hz, one.g_j)
    atom.getHFSCoefficients = lambda *level: (a, times * b)
    atom.getLandegjExact = lambda *level: g_j
    atom.gI = ours.g_i
    return atom


def elements(one: Line) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    """All allowed pairs (excited, ground)."""
    i, jg, je = one.species.nuclear_spin, one.species.ground_spin, one.excited_spin
    for fe, fg in itertools.product(spins(abs(i - je), i + je), spins(abs(i - jg), i + jg)):
        if abs(fe - fg) <= 1 and fe + fg > 0:
            for me, mg in itertools.product(spins(-fe, fe), spins(-fg, fg)):
                if abs(me - mg) <= 1:
                    yield (fe, me), (fg, mg)


def tables() -> None:
    """Constants side by side."""
    print("## Constants\n")
    print("Frequencies in MHz unless said. ARC has no C, its line frequencies know no isotopes, its g_J are computed.")
    print("Sigma: difference over our uncertainty; ARC states none here.\n")
    print("| level | constant | darkstate | ARC | difference | sigma |")
    print("|---|---|---|---|---|---|")
    for name in ATOMS:
        atom = ATOMS[name]()
        n, ground = atom.groundStateN, constants(name)
        rows = [
            ("ground", "A", ground["hyperfine_hz"], atom.getHFSCoefficients(n, 0, 0.5)[0], 1e-6),
            ("ground", "g_J", ground["g_j"], atom.getLandegjExact(0, 0.5), 1.0),
            ("ground", "g_I", ground["g_i"], atom.gI, 1.0),
            ("ground", "mass [u]", ground["mass_u"], atom.mass / physical_constants["atomic mass constant"][0], 1.0),
        ]
        for key in ("D1", "D2"):
            one, data = line(name, key), constants(name, key)
            j = one.excited_spin
            a, b = atom.getHFSCoefficients(n, 1, j)
            rows += [
                (key, "frequency", data["frequency_hz"], atom.getTransitionFrequency(n, 0, 0.5, n, 1, j), 1e-6),
                (key, "lifetime [ns]", data["lifetime"], atom.getStateLifetime(n, 1, j), 1e9),
                (key, "A", data["a_hz"], a, 1e-6),
                (key, "g_J", data["g_j"], atom.getLandegjExact(1, j), 1.0),
            ]
            if "b_hz" in data:
                rows.append((key, "B", data["b_hz"], b, 1e-6))
        for level, what, ours, theirs, unit in rows:
            difference = theirs - ours.value
            sigma = f"{difference / ours.uncertainty:+.1f}" if ours.uncertainty else "-"
            print(
                f"| {name} {level} | {what} | {unit * ours.value:.11g} | {unit * theirs:.11g} "
                f"| {unit * difference:+.3g} | {sigma} |"
            )


def symbols() -> tuple[int, float]:
    """three_j and six_j against SymPy: count and largest difference, for all spins of levels and dipoles, and more."""
    threes, sixes = set(), set()
    lines = [line(n, key) for n in (*ATOMS, "171Yb") for key in species(n).lines]
    for one in lines:
        i, jg, je = one.species.nuclear_spin, one.species.ground_spin, one.excited_spin
        for j in (jg, je):
            for f in spins(abs(i - j), i + j):
                threes |= {(j, i, f, a, b, -a - b) for a in spins(-j, j) for b in spins(-i, i)}
        for (fe, me), (fg, mg) in elements(one):
            threes.add((fe, 1.0, fg, -me, me - mg, mg))
            sixes.add((je, fe, i, fg, jg, 1.0))
    small = [k / 2 for k in range(6)]
    for a, b, c in itertools.product(small, repeat=3):
        if (a + b + c) % 1 == 0:
            threes |= {(a, b, c, x, y, -x - y) for x in spins(-a, a) for y in spins(-b, b)}
    sixes |= set(itertools.product([k / 2 for k in range(5)], repeat=6))
    worst, count = 0.0, 0
    for three in threes:
        allowed = abs(three[5]) <= three[2]  # elsewhere SymPy answers 0 too, after a longer thought
        exact = float(wigner_3j(*quarters(*three))) if allowed else 0.0
        worst, count = max(worst, abs(three_j(*three) - exact)), count + 1
    for six in sixes:
        try:
            exact = float(wigner_6j(*quarters(*six)))
        except ValueError:  # SymPy's word for a triangle that does not close to a whole number
            exact = 0.0
        worst, count = max(worst, abs(six_j(*six) - exact)), count + 1
    return count, worst


def levels(one: Line) -> tuple[float, float]:
    """Largest relative difference of hyperfine energies to ARC (A, B) and to SymPy's 6j symbols (A, B, C)."""
    i, j = one.species.nuclear_spin, one.excited_spin
    atom = with_our_constants(one.species.name, one)
    invented = (one.a_hz, one.b_hz or 0.3 * one.a_hz, one.c_hz or 0.1 * one.a_hz) if j > 1 else (one.a_hz, 0.0, 0.0)
    arc_worst = sympy_worst = 0.0

    def rank(k: int, f: float) -> float:
        """T^(k)(I).T^(k)(J), 1 where stretched."""
        signed = [(-1) ** round(i + j + g) * wigner_6j(*quarters(i, j, g, j, i, k)) for g in (f, i + j)]
        return float(signed[0] / signed[1])

    for f in spins(abs(i - j), i + j):
        theirs = atom.getHFSEnergyShift(j, f, one.a_hz, one.b_hz)
        arc_worst = max(arc_worst, abs(level_hz(i, j, f, one.a_hz, one.b_hz) / theirs - 1))
        parts = (invented[0] * i * j, invented[1] / 4, invented[2])
        exact = sum(p * rank(k, f) for k, p in enumerate(parts, start=1) if p)
        sympy_worst = max(sympy_worst, abs(level_hz(i, j, f, *invented) / exact - 1))
    return arc_worst, sympy_worst


def arc_against_itself(one: Line) -> float:
    """ARC's breitRabi without a field against ARC's getHFSEnergyShift, both with our A and B, over the largest."""
    atom, i, j = with_our_constants(one.species.name, one), one.species.nuclear_spin, one.excited_spin
    found = atom.breitRabi(atom.groundStateN, 1, j, np.array([0.0]))[0][0]
    shifts = [atom.getHFSEnergyShift(j, f, one.a_hz, one.b_hz) for f in spins(abs(i - j), i + j)]
    wanted = [e for f, e in zip(spins(abs(i - j), i + j), shifts, strict=True) for _ in spins(-f, f)]
    return float(np.max(np.abs(np.sort(wanted) - found)) / np.max(np.abs(wanted)))


def sublevels(one: Line | None, name: str, *, times: float = 2.0) -> float:
    """Largest difference of sublevel energies in FIELDS to ARC's matrix, over the largest energy.  C is left out.

    The quadrupole term of breitRabi is [3 (I.J)^2 + 3/2 I.J - I(I+1) J(J+1)] B/[2I(2I-1) 2J(2J-1)], half of what
    E. Arimondo et al., RMP 49, 31 (1977), and ARC's own getHFSEnergyShift have: it gets twice our B.
    """
    atom, ours = with_our_constants(name, one, times=times), species(name)
    n, fields = atom.groundStateN, FIELDS * BOHR_HZ / ARC_MU_B
    if one is None:
        energies, f, m = atom.breitRabi(n, 0, 0.5, fields)
        zero = level_hz(ours.nuclear_spin, 0.5, ours.spin, ours.hyperfine_hz)
        names = [(a, b) for a in (ours.spin, ours.spin - 1) for b in spins(-a, a)]
        if sorted(zip(f, m, strict=True)) != sorted(names):
            raise SystemExit("ARC names the ground sublevels differently")
        found = [sorted(breit_rabi_hz(ours, *state, float(b)) + zero for state in names) for b in FIELDS]
    else:
        j, i = one.excited_spin, ours.nuclear_spin
        energies = atom.breitRabi(n, 1, j, fields)[0]
        zero = level_hz(i, j, one.highest, one.a_hz, one.b_hz)
        plain = Line(**{**vars(one), "c_hz": 0.0})
        found = []
        for b in FIELDS:
            rows = []
            for m in spins(-i - j, i + j):
                diagonal, beside = excited_matrix(plain, m, float(b))
                matrix = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
                rows += list(np.linalg.eigvalsh(matrix) + zero)
            found.append(sorted(rows))
    return float(np.max(np.abs(np.array(found) - energies)) / np.max(np.abs(energies)))


def dipoles(one: Line) -> tuple[int, float, float]:
    """Number of allowed elements, largest difference to ARC's signed elements and to its branching ratios."""
    atom = ATOMS[one.species.name]()
    je, jg = one.excited_spin, one.species.ground_spin
    count, signed, squared = 0, 0.0, 0.0
    for (fe, me), (fg, mg) in elements(one):
        # ARC's q belongs to the step from state 1 to state 2
        theirs = atom.getSphericalDipoleMatrixElement(fe, me, fg, mg, round(mg - me))
        theirs *= atom._reducedMatrixElementFJ(je, fe, jg, fg) * sqrt(2 * je + 1)
        ours = dipole(one, (fe, me), (fg, mg))
        signed = max(signed, abs(ours - theirs))
        squared = max(squared, abs(ours**2 - atom.getBranchingRatio(jg, fg, mg, je, fe, me)))
        count += 1
    return count, signed, squared


def flips(one: Line, detuning_hz: float) -> tuple[float, float]:
    """nu^2/mu^2 of y light at zero field: darkstate, and from ARC's elements and levels.  C is left out of both."""
    plain = Line(**{**vars(one), "c_hz": 0.0})
    ours = light_rates(plain, detuning_hz=detuning_hz, polarization="y", rabi=1.0)
    atom, top = with_our_constants(one.species.name, one), one.species.spin
    je, jg, i = one.excited_spin, one.species.ground_spin, one.species.nuclear_spin

    def element(fe: float, me: float, mg: float) -> float:
        if abs(me) > fe:
            return 0.0
        angular = atom.getSphericalDipoleMatrixElement(fe, me, top, mg, round(mg - me))
        return angular * atom._reducedMatrixElementFJ(je, fe, jg, top)

    def rate(start: float, end: float) -> float:
        total = 0.0
        for emitted in (-1, 0, 1):
            m, amplitude = end + emitted, 0.0
            if abs(m - start) != 1:
                continue
            for fe in spins(max(abs(i - je), top - 1), min(i + je, top + 1)):
                shift = [atom.getHFSEnergyShift(je, f, one.a_hz, one.b_hz) for f in (fe, one.highest)]
                delta = detuning_hz - shift[0] + shift[1]
                amplitude += element(fe, m, end) * element(fe, m, start) / delta
            total += amplitude**2
        return total

    return ours.heating / ours.cooling, rate(top, top - 1) / rate(top - 1, top)


def vapour() -> None:
    """Saturated vapour of ARC (Alcock, Itkin, Horrigan 1984)."""
    print("\n## Saturated vapour\n")
    print("Above the melting point ARC takes the 1 % fit of the same paper, darkstate its 5 % formula.\n")
    print("| atom | T [K] | p [Pa] | ARC, relative | n [1/m^3] | mean speed [m/s] | ARC, relative |")
    print("|---|---|---|---|---|---|---|")
    for name, atom in ATOMS.items():
        one = species(name)
        for t in (290.0, 300.0, 310.0, 320.0, 350.0, 400.0):
            p, n, v = vapour_pressure(name, t), number_density(name, t), mean_speed(one.mass, t)
            theirs = atom()
            print(
                f"| {name} | {t:g} | {p:.5e} | {theirs.getPressure(t) / p - 1:+.2e} | {n:.5e} | {v:.4f} "
                f"| {theirs.getAverageSpeed(t) / v - 1:+.1e} |"
            )


def main() -> None:
    """Print the record as Markdown."""
    print("# Atoms against ARC and SymPy\n")
    print("2026-11-29, commit (to be filled in), `validation/atoms_arc.py`\n")
    print(f"ARC {version('ARC-Alkali-Rydberg-Calculator')}, SymPy {version('sympy')}, NumPy {version('numpy')}.")
    print("Wanted: formulas to 1e-10. Relative for energies, absolute for elements (at most 1).\n")
    print("## Formulas\n")
    print("| what | line | against | largest difference |")
    print("|---|---|---|---|")
    count, worst = symbols()
    print(f"| 3j and 6j symbols, {count} | all | SymPy | {worst:.1e} |")
    found = [worst]
    for name in ATOMS:
        one = line(name, "D1")
        rows = [("ground sublevels, 0 to 500 G", "ground", "ARC breitRabi", sublevels(None, name))]
        for key in species(name).lines:
            one = line(name, key)
            shift, exact = levels(one)
            number, signed, squared = dipoles(one)
            rows += [
                ("hyperfine levels, A and B", key, "ARC getHFSEnergyShift", shift),
                ("hyperfine levels, A, B and C", key, "6j of SymPy", exact),
                ("excited sublevels, 0 to 500 G", key, "ARC breitRabi, B doubled", sublevels(one, name)),
                (f"dipole elements with sign, {number}", key, "ARC", signed),
                ("their squares", key, "ARC getBranchingRatio", squared),
            ]
            ratios = [flips(one, d) for d in (0.85e9, 2.5e9, -3e9)]
            worst = max(abs(a / b - 1) for a, b in ratios)
            rows.append(("(nu/mu)^2 of y light, 3 detunings", key, "ARC's elements", worst))
        for what, key, against, difference in rows:
            print(f"| {what} | {name} {key} | {against} | {difference:.1e} |")
            found.append(difference)
    print(f"\nLargest of all: {max(found):.1e}.\n")
    print("## Where ARC is wrong\n")
    print(
        "Quadrupole term of `breitRabi`, half of its own `getHFSEnergyShift` (difference without a field, relative):\n"
    )
    for name in ATOMS:
        print(
            f"- {name} D2: ARC against itself {arc_against_itself(line(name, 'D2')):.1e}, "
            f"against darkstate with B as it is {sublevels(line(name, 'D2'), name, times=1.0):.1e}"
        )
    print()
    tables()
    vapour()
    if max(found) > 1e-10:
        sys.exit("a formula differs by more than 1e-10")


if __name__ == "__main__":
    main()
