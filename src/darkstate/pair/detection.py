"""Detection turns the spin state of a pair into the number of atoms left: stochastic maps on the joint distribution of
both atoms over the 12 ground sublevels of 85Rb.

    J -> M J M^T (each atom by itself),   J -> J (1 - table) (both lost),   P_0, P_1, P_2 = survivors counted

A pulse (or a sequence of them) that moves |1> to |-1> with probability p turns both atoms alike, whatever its detuning:
chi_1 is left in the sector m = +-1 as different spins with (1 - 2p)^2, chi_- always. Therefore J after the pulse holds
all there is to know, and the steps after it are classical. Each step is a function of its own.
Up: `records` fits counts with this; down: `imperfections` (model R1).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.pair.imperfections import Imperfections

LEVELS = tuple((f, m) for f in (2, 3) for m in range(-f, f + 1))
"""(F, m) of the 12 ground sublevels, the axis of every distribution here."""

_UPPER = np.array([f == 3 for f, _ in LEVELS])
_UNIT = {level: np.eye(12)[i] for i, level in enumerate(LEVELS)}


def _pair(first: tuple[int, int], second: tuple[int, int]) -> np.ndarray:
    """One atom in each of two sublevels, whichever it is [12 12]."""
    one = np.outer(_UNIT[first], _UNIT[second])
    return (one + one.T) / 2


_DIFFERENT = _pair((2, 1), (2, -1))
_ALIKE = (_pair((2, 1), (2, 1)) + _pair((2, -1), (2, -1))) / 2
_RESTING = _pair((2, 0), (2, 0))
_OUTER = _pair((2, 2), (2, -2))
_MISPREPARED = sum(_UNIT[2, m] for m in (-2, -1, 1, 2)) / 4
_ONE_WRONG = np.outer(_MISPREPARED, _UNIT[2, 0]) + np.outer(_UNIT[2, 0], _MISPREPARED)
_BOTH_WRONG = np.outer(_MISPREPARED, _MISPREPARED)


def _ejection_map(sublevels: tuple[int, ...]) -> np.ndarray:
    """What a certain transfer F = 2, m -> F = 3, m of these m changes [12 12], columns are where an atom comes from."""
    return np.sum([np.outer(_UNIT[3, m] - _UNIT[2, m], _UNIT[2, m]) for m in sublevels], axis=0)


_EJECT, _EJECT_OTHER = _ejection_map((1,)), _ejection_map((-2, -1, 0, 2))


def ideal_probabilities(theta: Any, fidelity: Any) -> Any:
    """Probabilities of 0, 1, 2 atoms in m = -1 after a pulse on a pair of the sector m = +-1, nothing else going wrong.

    Formula: P_1 = 1 - F sin^2 theta, P_0 = P_2 = (F/2) sin^2 theta, F = <chi_1|rho|chi_1>; chi_- stays as it is.
    Source: 003 Fig. 2a, for F = 1 and the equal mixture F = 1/2.

    Args:
        theta: area of the pulse [...; rad]; fidelity: F [...].

    Returns:
        [... 3]. Separable pairs have F <= 1/2.

    Raises:
        ArgumentError: a negative area, or a fidelity outside 0 to 1.

    Example:
        >>> print(ideal_probabilities(jnp.pi / 2, 1.0).round(6), ideal_probabilities(jnp.pi / 2, 0.5).round(6))
        [0.5 0.  0.5] [0.25 0.5  0.25]
    """
    _refuse(theta, "theta", 0.0, np.inf, "an area of at least 0 in rad")
    _refuse(fidelity, "fidelity", 0.0, 1.0, "between 0 and 1")
    same = jnp.asarray(fidelity) * jnp.sin(theta) ** 2 / 2
    return jnp.stack([same, 1 - 2 * same, same], axis=-1)


def pulsed_pairs(transfer: Any, fidelity: Any, imperfections: Imperfections) -> Any:
    """Joint distribution of the pairs of 003 after collisions and pulse, before anything is scattered (R1, step 1).

    Formula: P_s {(1 - 4 F p (1 - p)) different + 4 F p (1 - p) alike} + (q^2 - P_s) dark + misprepared.
    Choices of R1: P_s is a share of all pairs. Dark pairs are in |00>, or in chi_2 with the share `outer`. A
    misprepared atom is in m = -2, -1, 1, 2 alike and does not collide; the pulse mixes its m = +-1, which already are
    alike. Its partner, if well prepared, rests in m = 0.

    Args:
        transfer: p of one atom from |1> to |-1> [...]; fidelity: F of the sector [...]; imperfections: R1, each [...].

    Returns:
        J [... 12 12], both axes in the order of LEVELS, symmetric, of sum 1.

    Example:
        >>> joint = pulsed_pairs(0.5, 1.0, Imperfections())
        >>> up, down = LEVELS.index((2, 1)), LEVELS.index((2, -1))
        >>> print(f"{joint[up, up]:.4f} {joint[up, down]:.4f}")  # the second: two misprepared atoms only
        0.1853 0.0003
    """
    q, outer = jnp.asarray(imperfections.preparation), jnp.asarray(imperfections.outer)
    alike = 4 * jnp.asarray(fidelity) * transfer * (1 - jnp.asarray(transfer))
    sector = _cell(imperfections.sector) * (_cell(1 - alike) * _DIFFERENT + _cell(alike) * _ALIKE)
    dark = _cell(imperfections.dark) * (_cell(1 - outer) * _RESTING + _cell(outer) * _OUTER)
    return sector + dark + _cell(q * (1 - q)) * _ONE_WRONG + _cell((1 - q) ** 2) * _BOTH_WRONG


def pulsed_atoms(transfer: Any, imperfections: Imperfections) -> Any:
    """Joint distribution of two separate atoms prepared in |1>, after the pulse (003 Fig. 4, lower panel).

    Choice: each atom is in |1> with q, otherwise in another m of F = 2, all alike; collisions are left out.

    Args:
        transfer: p of one atom from |1> to |-1> [...]; imperfections: of which `preparation` counts here.

    Returns:
        J [... 12 12], as `pulsed_pairs`.

    Example:
        >>> joint = pulsed_atoms(0.5, Imperfections(preparation=1.0))
        >>> print(joint[LEVELS.index((2, -1)), LEVELS.index((2, -1))])
        0.25
    """
    p, q = jnp.asarray(transfer)[..., None], jnp.asarray(imperfections.preparation)[..., None]
    moved = (1 - p) * _UNIT[2, 1] + p * _UNIT[2, -1]
    other = p * _UNIT[2, 1] + (1 - p) * _UNIT[2, -1] + _UNIT[2, 0] + _UNIT[2, 2] + _UNIT[2, -2]
    one = q * moved + (1 - q) / 4 * other
    return one[..., :, None] * one[..., None, :]


def scatter(joint: Any, area: Any, imperfections: Imperfections) -> Any:
    """Joint distribution after spontaneous scattering during the pulse (R1, step 2).

    Formula: each atom by itself becomes uniform over the 12 sublevels with 1 - exp(-s area/pi).
    Choice of R1: this follows the whole pulse, and sublevels outside the pulse scatter alike.

    Args:
        joint: [... 12 12]; area: of all pulses together [...; rad]; imperfections: `scattering`.

    Example:
        >>> joint = scatter(pulsed_pairs(1.0, 1.0, Imperfections()), jnp.pi, Imperfections())
        >>> print(f"{joint[5:].sum():.4f} = {7 / 12 * (1 - np.exp(-0.03)):.4f}")  # this atom in F = 3
        0.0172 = 0.0172
    """
    p = _cell(-jnp.expm1(-jnp.asarray(imperfections.scattering) * area / jnp.pi)) / 12
    kept, rows, columns = 1 - 12 * p, joint.sum(-1, keepdims=True), joint.sum(-2, keepdims=True)
    return kept**2 * joint + kept * p * (rows + columns) + p**2 * joint.sum((-1, -2), keepdims=True)


def eject(joint: Any, imperfections: Imperfections) -> Any:
    """Joint distribution after the ejection pulse F = 2, m = 1 -> F = 3, m = 1 (R1, step 3).

    Choices of R1: any other m of F = 2 goes to the same m of F = 3; what scattering left in F = 3 stays there.

    Args:
        joint: [... 12 12]; imperfections: `ejection` of |1>, `ejection_other` of the others.

    Example:
        >>> joint = eject(pulsed_pairs(0.0, 1.0, Imperfections()), Imperfections())
        >>> print(f"{joint[5:, :5].sum():.4f}")  # first atom in F = 3, second in F = 2
        0.1982
    """
    transfer = np.eye(12) + _cell(imperfections.ejection) * _EJECT + _cell(imperfections.ejection_other) * _EJECT_OTHER
    return transfer @ joint @ jnp.swapaxes(transfer, -1, -2)


def collide(joint: Any, imperfections: Imperfections, *, inelastic: Any = None) -> tuple[Any, Any]:
    """Joint distribution of pairs that survive inelastic collisions, and the share that does not (R1, step 4).

    Choices of R1: exactly one atom in F = 3 costs both with one probability, or with one per combination of m; two
    atoms in F = 3, or in F = 2, cost none.

    Args:
        joint: [... 12 12]; imperfections: `inelastic`, the probability for all combinations of m.
        inelastic: instead of it, a table [7 5] over m = -3, ..., 3 of F = 3 and m = -2, ..., 2 of F = 2.

    Returns:
        Joint distribution [... 12 12], and the probability of losing both [...], linear in `inelastic`.

    Raises:
        ArgumentError: a table of another shape, or with numbers outside 0 to 1.

    Example:
        >>> kept, lost = collide(eject(pulsed_pairs(0.0, 1.0, Imperfections()), Imperfections()), Imperfections())
        >>> print(f"{kept.sum():.4f} + {lost:.4f}")
        0.8018 + 0.1982
    """
    if inelastic is None:
        costs = _cell(imperfections.inelastic) * (_UPPER[:, None] ^ _UPPER)
    else:
        _refuse(inelastic, "inelastic", 0.0, 1.0, "a table [7 5] of probabilities between 0 and 1", shape=(7, 5))
        table = jnp.asarray(inelastic, float)
        costs = jnp.block([[jnp.zeros((5, 5)), table.T], [table, jnp.zeros((7, 7))]])
    return joint * (1 - costs), (joint * costs).sum((-1, -2))


def count(joint: Any, lost: Any, imperfections: Imperfections) -> Any:
    """Probabilities of 0, 1, 2 atoms left after push-out and other loss (R1, step 5).

    Choice of R1: all atoms left are counted, whatever their sublevel.

    Args:
        joint: of pairs still there [... 12 12]; lost: share of pairs lost before [...].
        imperfections: `pushout` of F = 3, `pushout_other` of F = 2, `loss` of whatever is left.

    Returns:
        [... 3], of sum 1.

    Example:
        >>> " ".join(f"{p:.5f}" for p in count(pulsed_pairs(0.0, 1.0, Imperfections()), 0.0, Imperfections()))
        '0.00062 0.04856 0.95082'
    """
    pushed, other, loss = (
        jnp.asarray(x)[..., None] for x in (imperfections.pushout, imperfections.pushout_other, imperfections.loss)
    )
    stays = (1 - jnp.where(_UPPER, pushed, other)) * (1 - loss)
    gone = 1 - stays
    both, none = ((x[..., :, None] * joint * x[..., None, :]).sum((-1, -2)) for x in (stays, gone))
    one = 2 * (stays[..., :, None] * joint * gone[..., None, :]).sum((-1, -2))
    return jnp.stack(jnp.broadcast_arrays(lost + none, one, both), axis=-1)


def detect(joint: Any, area: Any, imperfections: Imperfections, *, inelastic: Any = None) -> Any:
    """Probabilities of 0, 1, 2 atoms left from the joint distribution after the pulse: `scatter` to `count`.

    Args:
        joint: symmetric in both atoms [... 12 12]; area: of all pulses together [...; rad]; imperfections: R1.
        inelastic: table [7 5] per m of F = 3 and m of F = 2, or None for one probability.

    Returns:
        [... 3], of sum 1.

    Example:
        >>> atoms = pulsed_atoms(1.0, Imperfections())  # pi pulse: nearly all in m = -1, which is not ejected
        >>> print(detect(atoms, jnp.pi, Imperfections()).round(4))
        [0.0471 0.0863 0.8666]
    """
    return count(
        *collide(eject(scatter(joint, area, imperfections), imperfections), imperfections, inelastic=inelastic),
        imperfections,
    )


def count_probabilities(theta: Any, fidelity: Any, imperfections: Imperfections, *, inelastic: Any = None) -> Any:
    """Probabilities of 0, 1, 2 atoms left after a resonant pulse of area theta on the pairs of 003.

    Formula: model R1, `pulsed_pairs` with p = sin^2(theta/2), then `detect`; see `imperfections` for its numbers.
    Source: 003 Fig. 2b names the steps; R1 chooses their order and what its supplement holds.

    Args:
        theta: area 2 pi (Rabi frequency in Hz) (duration) [...; rad]; fidelity: F of the sector [...].
        imperfections: R1, numbers or arrays [...]; inelastic: table [7 5] per m of F = 3 and m of F = 2, or None for
            the one probability `imperfections.inelastic`.

    Returns:
        [... 3], of sum 1; linear in the fidelity and in the inelastic losses. Separable pairs have F <= 1/2.

    Raises:
        ArgumentError: a negative area, a fidelity outside 0 to 1, more sector than prepared pairs, a wrong table.

    Example:
        >>> print(count_probabilities(jnp.array([0.0, jnp.pi / 2]), 1.0, Imperfections()).round(5))
        [[0.20755 0.22056 0.57189]
         [0.2074  0.07757 0.71503]]
    """
    _refuse(theta, "theta", 0.0, np.inf, "an area of at least 0 in rad")
    _refuse_pair(fidelity, imperfections)
    joint = pulsed_pairs(jnp.sin(jnp.asarray(theta) / 2) ** 2, fidelity, imperfections)
    return detect(joint, theta, imperfections, inelastic=inelastic)


def ramsey_count_probabilities(
    transfer: Any, fidelity: Any, imperfections: Imperfections, *, area: Any = np.pi, inelastic: Any = None
) -> Any:
    """Probabilities of 0, 1, 2 atoms left after a sequence of pulses on the pairs of 003 (Fig. 4, upper panel).

    Formula: `count_probabilities` with p of the sequence (`sequence.ramsey_probability`) in place of sin^2(theta/2).
    For two separate atoms: `detect(pulsed_atoms(transfer, imperfections), area, imperfections)`.

    Args:
        transfer: p of one atom from |1> to |-1> [...]; fidelity: F of the sector [...]; imperfections: R1.
        area: of all pulses together [rad], two pi/2 pulses unless given; inelastic: as for `count_probabilities`.

    Returns:
        [... 3], of sum 1.

    Raises:
        ArgumentError: a probability or fidelity outside 0 to 1, more sector than prepared pairs, a wrong table.

    Example:
        >>> print(ramsey_count_probabilities(0.5, 1.0, Imperfections(), area=jnp.pi / 2).round(5))  # = one pi/2 pulse
        [0.2074  0.07757 0.71503]
    """
    _refuse(transfer, "transfer", 0.0, 1.0, "a probability between 0 and 1")
    _refuse_pair(fidelity, imperfections)
    return detect(pulsed_pairs(transfer, fidelity, imperfections), area, imperfections, inelastic=inelastic)


def simulate_counts(probabilities: Any, shots: Any, seed: int) -> np.ndarray:
    """Monte Carlo counts: how many of the shots at each setting leave 0, 1, 2 atoms.

    Args:
        probabilities: of 0, 1, 2 atoms [s 3]; shots: per setting, whole number(s) of at least 1, one or [s].
        seed: the same one gives the same counts, and settings added at the end change none before.

    Returns:
        Whole numbers [s 3], multinomial, each row of sum `shots`.

    Raises:
        ArgumentError: probabilities that are not [s 3] or not of sum 1, or shots that are no whole numbers from 1.

    Example:
        >>> areas = jnp.array([0.0, jnp.pi / 2])
        >>> simulate_counts(count_probabilities(areas, 1.0, Imperfections()), 300, seed=1)
        array([[ 55,  71, 174],
               [ 72,  23, 205]])
    """
    p, n = np.asarray(probabilities, float), np.asarray(shots)
    if p.ndim != 2 or p.shape[1] != 3 or not (p >= -1e-12).all() or not (abs(p.sum(1) - 1) < 1e-9).all():
        raise ArgumentError(
            "Argument `probabilities` must be [s 3], none negative and each row of sum 1, but is of shape "
            f"{p.shape}{f' with sums {p.sum(1)}' if p.ndim == 2 else ''}; take them from count_probabilities."
        )
    if n.shape not in ((), (len(p),)) or not (n >= 1).all() or (n % 1).any():
        raise ArgumentError(
            f"Argument `shots` must be a whole number of at least 1, or one per setting, but is {shots}."
        )
    p = np.clip(p, 0, None)
    return np.random.default_rng(seed).multinomial(n.astype(int), p / p.sum(1, keepdims=True))


def _cell(number: Any) -> Any:
    """A number per batch entry [...] as a factor of joint distributions [... 1 1]."""
    return jnp.asarray(number)[..., None, None]


def _refuse_pair(fidelity: Any, imperfections: Imperfections) -> None:
    """Refuse a fidelity that is none, and more pairs in the sector than are prepared."""
    _refuse(fidelity, "fidelity", 0.0, 1.0, "between 0 and 1")
    if not isinstance(imperfections.dark, jax.core.Tracer) and np.any(np.asarray(imperfections.dark) < -1e-12):
        raise ArgumentError(
            "Argument `sector` must be at most preparation^2, since only pairs of prepared atoms collide, but is "
            f"{np.max(imperfections.sector):.6g} at preparation = {np.min(imperfections.preparation):.6g}: lower it."
        )


def _refuse(value: Any, name: str, low: float, high: float, allowed: str, shape: tuple[int, ...] | None = None) -> None:
    """Refuse what lies outside a range or has another shape; traced values pass, since they have no value yet."""
    if shape is not None and np.shape(value) != shape:
        raise ArgumentError(f"Argument `{name}` must be {allowed}, but has shape {np.shape(value)}.")
    if isinstance(value, jax.core.Tracer):
        return
    numbers = np.asarray(value, float)
    wrong = numbers[~(np.isfinite(numbers) & (numbers >= low) & (numbers <= high))]
    if wrong.size:
        raise ArgumentError(f"Argument `{name}` must be {allowed}, but is {wrong.flat[0]:g}.")
