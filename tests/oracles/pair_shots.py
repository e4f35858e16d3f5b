"""Two atoms followed shot by shot, and the same by enumeration of all outcomes; an independent reference for counts.

The pulse acts on amplitudes: two atoms in {|1>, |-1>}^2, order (1, 1), (1, -1), (-1, 1), (-1, -1), each under
exp(i theta sigma_x/2). The mixture F chi_1 + (1 - F) chi_- is a draw of one or the other. All else is a draw, too:

    prepare (prob. q per atom) -> pair in the sector with P_s of ALL pairs -> pulse -> scatter -> eject -> both
    lost with p_in if one of two is in F = 3 -> push out -> lose -> count

A setting is a dictionary with the keys of `STANDARD`; an atom is (F, m).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import expm

STANDARD = {
    "preparation": 0.93,
    "sector": 0.37,
    "outer": 0.39,
    "scattering": 0.03,
    "ejection": 0.96,
    "ejection_other": 0.01,
    "inelastic": 0.5,
    "pushout": 0.99,
    "pushout_other": 0.005,
    "loss": 0.02,
}
GROUND = [(2, m) for m in (2, 1, 0, -1, -2)] + [(3, m) for m in (3, 2, 1, 0, -1, -2, -3)]
WRONG = [(2, -2), (2, -1), (2, 1), (2, 2)]
SPINS = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
CHI_PLUS = np.array([0, 1, 1, 0]) / math.sqrt(2)
CHI_MINUS = np.array([0, 1, -1, 0]) / math.sqrt(2)


def pulse(theta: float) -> np.ndarray:
    """One atom: |+-1> -> cos(theta/2)|+-1> + i sin(theta/2)|-+1>, by exponentiating its Hamiltonian."""
    return expm(0.5j * theta * np.array([[0, 1], [1, 0]]))


def outcomes(state: np.ndarray, one: np.ndarray) -> np.ndarray:
    """Probabilities of the four pairs of spins after the unitary `one` on each atom."""
    return abs(np.kron(one, one) @ state) ** 2


def inelastic_cost(first: tuple, second: tuple, setting: dict, table: dict | None) -> float:
    """Probability that a pair is lost: exactly one atom in F = 3; `table` has it by (m of F = 3, m of F = 2)."""
    if (first[0] == 3) == (second[0] == 3):
        return 0.0
    if table is None:
        return setting["inelastic"]
    upper, lower = (first, second) if first[0] == 3 else (second, first)
    return table[upper[1], lower[1]]


def shoot(theta: float, fidelity: float, setting: dict, shots: int, seed: int, table: dict | None = None) -> list[int]:
    """How many of the shots end with 0, 1, 2 atoms; one shot after the other."""
    rng = np.random.default_rng(seed)
    one = pulse(theta)
    cumulative = {name: np.cumsum(outcomes(chi, one)) for name, chi in (("+", CHI_PLUS), ("-", CHI_MINUS))}
    flip = abs(one[0, 1]) ** 2
    scatter = 1 - math.exp(-setting["scattering"] * theta / math.pi)
    found = [0, 0, 0]
    for draw in rng.random((shots, 24)):
        dice = iter(draw)
        atoms = _after_pulse(dice, fidelity, setting, cumulative, flip)
        for k in (0, 1):
            if next(dice) < scatter:
                atoms[k] = GROUND[int(12 * next(dice))]
            f, m = atoms[k]
            if f == 2 and next(dice) < (setting["ejection"] if m == 1 else setting["ejection_other"]):
                atoms[k] = (3, m)
        if next(dice) < inelastic_cost(*atoms, setting, table):
            found[0] += 1
            continue
        left = 0
        for f, _ in atoms:
            pushed = next(dice) < (setting["pushout"] if f == 3 else setting["pushout_other"])
            left += not pushed and next(dice) >= setting["loss"]
        found[left] += 1
    return found


def _after_pulse(dice, fidelity, setting, cumulative, flip):
    """Sublevels of both atoms when the pulse is over."""
    good = [next(dice) < setting["preparation"] for _ in range(2)]
    if all(good):
        # P_s is a share of all pairs, reached by those of them that are prepared
        if next(dice) < setting["sector"] / setting["preparation"] ** 2:
            table = cumulative["+" if next(dice) < fidelity else "-"]
            return [(2, m) for m in SPINS[min(int(np.searchsorted(table, next(dice))), 3)]]
        if next(dice) < setting["outer"]:
            return [(2, 2), (2, -2)] if next(dice) < 0.5 else [(2, -2), (2, 2)]
        return [(2, 0), (2, 0)]
    atoms = []
    for is_good in good:
        f, m = (2, 0) if is_good else WRONG[int(4 * next(dice))]
        if abs(m) == 1 and next(dice) < flip:
            m = -m
        atoms.append((f, m))
    return atoms


def enumerate_counts(
    start: dict[tuple, float], scatter: float, setting: dict, table: dict | None = None
) -> tuple[float, float, float]:
    """Probabilities of 0, 1, 2 atoms from those of both sublevels after the pulse, by going through all outcomes."""
    pairs = _each_atom(start, lambda atom: _scattered(atom, scatter))
    pairs = _each_atom(pairs, lambda atom: _ejected(atom, setting))
    counts = [0.0, 0.0, 0.0]
    for (first, second), p in pairs.items():
        cost = inelastic_cost(first, second, setting, table)
        counts[0] += p * cost
        keep = [
            (1 - setting["pushout" if f == 3 else "pushout_other"]) * (1 - setting["loss"]) for f, _ in (first, second)
        ]
        for a in (0, 1):
            for b in (0, 1):
                share = (keep[0] if a else 1 - keep[0]) * (keep[1] if b else 1 - keep[1])
                counts[a + b] += p * (1 - cost) * share
    return tuple(counts)


def pairs_after(one: np.ndarray, fidelity: float, setting: dict) -> dict[tuple, float]:
    """Sublevels of both atoms after any unitary `one` on {|1>, |-1>} of each, for the pairs made by collisions."""
    found: dict[tuple, float] = {}
    q, sector = setting["preparation"], setting["sector"]
    for weight, state in ((fidelity, CHI_PLUS), (1 - fidelity, CHI_MINUS)):
        for (m, n), p in zip(SPINS, outcomes(state, one), strict=True):
            _add(found, ((2, m), (2, n)), sector * weight * p)
    dark = q**2 - sector
    _add(found, ((2, 0), (2, 0)), dark * (1 - setting["outer"]))
    for m in (2, -2):
        _add(found, ((2, m), (2, -m)), dark * setting["outer"] / 2)
    right = {(2, 0): q}
    wrong = _turned(dict.fromkeys(WRONG, (1 - q) / 4), one)
    for first, second in ((right, wrong), (wrong, right), (wrong, wrong)):
        for a, p in first.items():
            for b, r in second.items():
                _add(found, (a, b), p * r)
    return found


def atoms_after(one: np.ndarray, setting: dict) -> dict[tuple, float]:
    """Sublevels of two separate atoms after `one`, each prepared in |1> or else in another m of F = 2."""
    q = setting["preparation"]
    each = _turned({(2, m): q if m == 1 else (1 - q) / 4 for m in (-2, -1, 0, 1, 2)}, one)
    return {(a, b): p * r for a, p in each.items() for b, r in each.items()}


def _turned(atom: dict[tuple, float], one: np.ndarray) -> dict[tuple, float]:
    found: dict[tuple, float] = {}
    for (f, m), p in atom.items():
        if abs(m) == 1:
            column = 0 if m == 1 else 1
            for row, target in ((0, 1), (1, -1)):
                _add(found, (f, target), p * abs(one[row, column]) ** 2)
        else:
            _add(found, (f, m), p)
    return found


def _add(table: dict, key: tuple, p: float) -> None:
    table[key] = table.get(key, 0.0) + p


def _each_atom(pairs: dict[tuple, float], step) -> dict[tuple, float]:
    found: dict[tuple, float] = {}
    for (first, second), p in pairs.items():
        for a, pa in step(first).items():
            for b, pb in step(second).items():
                _add(found, (a, b), p * pa * pb)
    return found


def _scattered(atom: tuple, p: float) -> dict[tuple, float]:
    found = dict.fromkeys(GROUND, p / 12)
    found[atom] += 1 - p
    return found


def _ejected(atom: tuple, setting: dict) -> dict[tuple, float]:
    if atom[0] == 3:
        return {atom: 1.0}
    p = setting["ejection"] if atom[1] == 1 else setting["ejection_other"]
    return {(3, atom[1]): p, atom: 1 - p}
