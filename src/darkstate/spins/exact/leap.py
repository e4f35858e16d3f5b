"""Leaping: quantum trajectories of 10^3 to 10^12 atoms at a cost that does not depend on their number, compiled.

    cooling j + 1, heating j - 1, up_to_h j - 1/2, down_to_h j + 1/2, h_to_up j + 1/2, h_to_down j - 1/2

These six jumps of an ensemble come at rates R of order N, keep k = j - m and multiply the amplitudes by 1 + O(k/j). A
step draws how many of each happen. Between them the labels (N_2, 2j) go along a straight line, and the amplitude of k
is multiplied by exp(-D(k) step/2), one half of it before the step and one behind it:

    D(k) = sum over the six of  R(0) (f - 1 - ln f) + (R(0) - count/step) ln f,      f = R(k)/R(0)

All other jumps, some tens on the way to the steady state at every N, are sampled as in `chain`, with the generator of
the labels' average over the step. The grid of steps is fixed beforehand: a step that ended at a jump would have used
labels too far ahead, those of the middle of the whole step, a bias of the first order. As it is the error is of second
order; for xi of two ensembles at d = 30, Z = 2.5 it is -6, -1.7, -0.07 % at 0.1, 0.05, 0.01 / Gamma.

Approximations besides the step: of relative order 1/N and (k/j)^2, so j must stay far above the occupied k, and above
the noise of the labels in a step. Up: `sampling`; down: `chain`, `irreps`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from darkstate.spins.exact.chain import (
    GUARD,
    LOCAL_ROWS,
    TRIM,
    add_record,
    ladder_rates,
    one_jump,
    one_step,
    set_references,
)
from darkstate.spins.exact.chain_steps import ORDER
from darkstate.spins.exact.chain_window import couplings, moments, settle
from darkstate.spins.exact.irreps import CHANGE, CHANNELS, SOURCE, WEIGHT, lines, quadratics, weights

HOPELESS = 1.0
"""Range of a trajectory from which on it is not followed: j has come down to the occupied k."""

LEAPED = np.array([2, 4, 9, 12, 14, 15])
"""The channels of `irreps.CHANNELS` that are drawn as counts [6]."""


@njit(cache=True)
def rates_at(local: Any, atoms: float, two: float, twice_j: float, k: float, out: Any) -> None:
    """Rates of the six channels at a mean k, labels brought into their bounds.

    Args:
        local: rates of one atom in the order of `jumps.LOCAL` [7; 1/s].
        atoms: N; two: N_2; twice_j: 2j; k: mean of j - m.
        out: filled [6; 1/s].

    Example:
        >>> out = np.empty(6)
        >>> rates_at(np.array([0, 1.0, 0, 0, 0, 0, 0]), 1000.0, 1000.0, 1000.0, 0.0, out)
        >>> print(out)  # all up: every heated atom lowers j
        [   0. 1000.    0.    0.    0.    0.]
    """
    w = np.empty(6)
    n = min(max(two, 0.0), atoms)
    z = min(max(twice_j, 0.0), n)
    weights(n, atoms - n, z, w)
    for i in range(6):
        c = LEAPED[i]
        out[i] = 0.0
        if local[SOURCE[c]] > 0.0:
            a, _, b, _ = lines(c, z, k, 0.0)
            out[i] = max(local[SOURCE[c]] * w[WEIGHT[c]] * a * b, 0.0)


@njit(cache=True)
def draw(local: Any, atoms: int, labels: Any, k: float, step: float, middle: Any, counts: Any) -> float:
    """Draw the counts of a step; labels go to its end, `middle` gets their average over it.

    The mean counts follow the mean labels through the step (Runge-Kutta of fourth order).

    Args:
        labels: (N_2, 2j), changed [2]; k: mean of j - m; step: [s].
        middle: filled with (N_2, 2j) [2]; counts: filled [6]; others: see `rates_at`.

    Returns:
        The sum of the mean counts.

    Example:
        >>> np.random.seed(0)
        >>> labels, middle, counts = np.array([1000, 1000]), np.empty(2), np.empty(6)
        >>> mean = draw(np.array([0, 1.0, 0, 0, 0, 0, 0]), 1000, labels, 0.0, 0.1, middle, counts)
        >>> print(f"{mean:.2f}", 2 * counts[1] == 1000 - labels[1])  # 1000 (1 - exp(-0.1)) turn down, 0.1 with j kept
        95.06 True
    """
    rates, path = np.empty((4, 6)), np.empty((4, 2))
    for stage in range(4):
        part = step if stage == 3 else step / 2
        for x in range(2):
            path[stage, x] = labels[x]
            for i in range(6 if stage else 0):
                path[stage, x] += part * rates[stage - 1, i] * CHANGE[LEAPED[i], x]
        rates_at(local, float(atoms), path[stage, 0], path[stage, 1], k, rates[stage])
    for x in range(2):
        middle[x] = (path[0, x] + 2 * path[1, x] + 2 * path[2, x] + path[3, x]) / 6
    total = 0.0
    for i in range(6):
        mean = step * (rates[0, i] + 2 * rates[1, i] + 2 * rates[2, i] + rates[3, i]) / 6
        counts[i] = float(np.random.poisson(mean)) if mean > 0.0 else 0.0
        total += mean
        for x in range(2):
            middle[x] += (counts[i] - mean) / 2 * CHANGE[LEAPED[i], x]
            labels[x] += int(counts[i]) * CHANGE[LEAPED[i], x]
    middle[0] = min(max(middle[0], 0.0), float(atoms))
    middle[1] = min(max(middle[1], 0.0), middle[0])
    bring_back(labels, atoms)
    return total


@njit(cache=True)
def bring_back(labels: Any, atoms: int) -> None:
    """Labels (N_2, 2j) [2] that fluctuated out of 0 <= 2j <= N_2 <= N, brought back with equal parity.

    Example:
        >>> labels = np.array([10, 12])
        >>> bring_back(labels, 10)
        >>> print(labels)
        [10 10]
    """
    labels[0] = min(max(labels[0], 0), atoms)
    labels[1] = min(max(labels[1], 0), labels[0])
    if (labels[0] - labels[1]) % 2:
        labels[1] += 1 if labels[1] == 0 else -1


@njit(cache=True)
def back_action(local: Any, w: Any, twice_j: float, counts: Any, step: float, out: Any) -> None:
    """D(k) = out[0] k + out[1] k^2 of one ensemble, in second order of ln f; f is a product of straight lines.

    Args:
        local: see `rates_at`; w: prefactors of `irreps.weights` [6]; twice_j: 2j; counts: of the step [6]; step: [s].
        out: filled [2; 1/s].
    """
    out[:] = 0.0
    for i in range(6):
        c = LEAPED[i]
        a, s, b, t = lines(c, twice_j, 0.0, 0.0)
        rate = local[SOURCE[c]] * w[WEIGHT[c]] * a * b
        if rate > 0.0:
            first = s / a + t / b
            excess = rate - counts[i] / step
            out[0] += excess * first
            out[1] += rate * first**2 / 2 - excess * ((s / a) ** 2 + (t / b) ** 2) / 2


@njit(cache=True)
def _act(c: Any, width: int, labels: Any, back: Any, mean: float, time: float) -> None:
    """Multiply by exp(-D time/2), up to a factor: D is taken relative to the mean k."""
    for i in range(1, width + 1):
        x, exponent = i - 1 - mean, 0.0
        for e in range(2):
            exponent -= x * (back[e, 0] + back[e, 1] * (2 * (labels[e, 2] + mean) + x)) * time / 2
        c[i] *= np.exp(min(max(exponent, -50.0), 50.0))


@njit(cache=True, error_model="numpy")
def _channels(local: Any, atoms: Any, middle: Any, w: Any, quad: Any) -> None:
    """Rates of all local channels but the six, on the window of `middle` [2 3]."""
    n = len(CHANNELS)
    for e in range(2):
        part = quad[e * n : (e + 1) * n]
        weights(middle[e, 0], max(atoms[e] - middle[e, 0], 0.0), middle[e, 1], w)
        quadratics(local[:, e], w, middle[e, 1], middle[e, 2], 0.0, part)
        for i in range(6):
            part[LEAPED[i]] = 0.0


@njit(cache=True, error_model="numpy")
def _between(state: Any, space: Any, light: Any, trim: float, step: float) -> None:
    """Evolve for one step, with all jumps but the six, at the labels `middle`; `labels` are those of its end."""
    v, mean, now, size, labels, middle = state
    d, s, unit, p, quad, rates, w = space
    local, lower, upper, along, scalars, atoms = light
    before, jumped, reference = np.empty((2, 3)), True, 0.0
    now[0] = 0.0
    while now[0] < step:
        origin = labels[0, 2]
        width, lost, moved = settle(v[0], labels, size[0], trim, size[1], v.shape[1] - 4)
        size[0], now[2] = width, now[2] + lost
        if width == 0:
            return
        for e in range(2):
            middle[e, 2] = labels[e, 2]
            middle[e, 1] = max(middle[e, 1], labels[e, 2] + (width - 1.0))  # k <= 2j all over the window
        couplings(s, middle, width)
        moments(v[0], s, width, mean)
        reference = mean[0] if jumped else reference + (origin - labels[0, 2])  # see `chain`: fixed until the next jump
        if jumped or moved:
            _channels(local, atoms, middle, w, quad)
        cross = ladder_rates(lower, upper, middle, quad)
        set_references(along, reference, quad)
        jumped = one_step(v, d, s, p, mean, now, size, labels, quad, cross, scalars, unit, step)
        if jumped:
            now[3] += 1.0
            now[1] = -np.log(1.0 - np.random.random())
            moments(v[0], s, size[0], mean)
            before[:] = middle
            one_jump(v[0], mean, size, middle, quad, rates, lower, upper)
            for e in range(2):
                for x in range(3):
                    labels[e, x] += int(round(middle[e, x] - before[e, x]))


@njit(cache=True, error_model="numpy")
def _leap(state: Any, space: Any, light: Any, trim: float, step: float) -> None:
    """One step; `mean` holds the moments of the state before and after."""
    v, mean, now, size, labels, middle = state
    s, w, local, atoms = space[1], space[6], light[0], light[5]
    counts, back = np.empty(6), np.empty((2, 2))
    for e in range(2):
        j, k = labels[e, 1] / 2, labels[e, 2] + mean[0]
        noise = draw(local[:, e], atoms[e], labels[e], k, step, middle[e], counts)
        labels[e, 2] = min(labels[e, 2], labels[e, 1])  # where j is too small to leap, go on until it is refused
        if atoms[e] > 0:
            now[4] = max(now[4], (k + np.sqrt(noise)) / j if j > 0 else HOPELESS)
        weights(middle[e, 0], max(atoms[e] - middle[e, 0], 0.0), middle[e, 1], w)
        back_action(local[:, e], w, middle[e, 1], counts, step, back[e])
    if now[4] >= HOPELESS:
        return
    _act(v[0], size[0], labels, back, mean[0], step / 2)
    _between(state, space, light, trim, step)
    if size[0] == 0:
        return
    moments(v[0], s, size[0], mean)
    _act(v[0], size[0], labels, back, mean[0], step / 2)
    for e in range(2):
        bring_back(labels[e], atoms[e])
    couplings(s, labels, size[0])
    moments(v[0], s, size[0], mean)


@njit(cache=True, error_model="numpy")
def _trajectory(
    state: Any, space: Any, tables: Any, ends: Any, times: Any, trim: float, step: float, sums: Any, counts: Any
) -> None:
    """One trajectory; now = (time in the step, log of the norm left until the jump, weight left out, jumps, range)."""
    local, lower, upper, along, scalars, atoms = tables
    _, mean, now, size, labels, _ = state
    now[1] = -np.log(1.0 - np.random.random())
    time, segment = 0.0, 0
    for record in range(times.shape[0]):
        while time < times[record]:
            stop = min(times[record], ends[segment])
            light = local[segment], lower[segment], upper[segment], along[segment], scalars[segment], atoms
            steps = int(np.ceil((stop - time) / step - 1e-9)) if stop > time else 0
            for _ in range(steps):
                _leap(state, space, light, trim, (stop - time) / steps)
                if size[0] == 0 or now[4] >= HOPELESS:
                    return
            time = stop
            if stop == ends[segment]:
                segment += 1
        add_record(labels, mean, record, sums, counts)


def block(
    tables: Any,
    ends: Any,
    times: Any,
    start: Any,
    seeds: Any,
    options: Any,
    sums: Any,
    counts: Any,
    finals: Any,
    figures: Any,
) -> None:
    """Run trajectories one after another and add up what is read from them.

    Args:
        options: (largest window in sites, weight of a site left out or 0, longest step [s]).
        finals: not filled.
        figures: largest weight left out; 1 if the window was too small; number of jumps that were sampled one by one;
            the range: how close k comes to j, [<k> + sqrt(mean number of counts in the step)]/j, at the worst time and
            ensemble of a trajectory, mean over the trajectories [4].
        others: as in `chain.block`.
    """
    size = int(min(options[0], np.min(tables[5]) + 1)) + 3
    kind = np.complex128 if np.any(tables[4][:, 1]) else np.float64
    vectors, diagonal = np.zeros((ORDER + 1, size + 1), kind), np.zeros(size + 1, kind)
    unit = 1j if kind is np.complex128 else 0.0
    rows = LOCAL_ROWS + tables[1].shape[1] + tables[2].shape[1] + tables[3].shape[1]
    space = (
        diagonal,
        np.zeros(size + 1),
        unit,
        np.zeros(2 * ORDER + 2),
        np.zeros((rows, 4)),
        np.zeros(rows),
        np.zeros(6),
    )
    state = vectors, np.zeros(4), np.zeros(5), np.zeros(2, np.int64), np.zeros((2, 3), np.int64), np.zeros((2, 3))
    _block(state, space, tables, ends, times, start, seeds, options, sums, counts, figures)


@njit(cache=True, nogil=True, error_model="numpy")
def _block(
    state: Any,
    space: Any,
    tables: Any,
    ends: Any,
    times: Any,
    start: Any,
    seeds: Any,
    options: Any,
    sums: Any,
    counts: Any,
    figures: Any,
) -> None:
    v, mean, now, size, labels, _ = state
    trim = options[1] if options[1] > 0 else TRIM
    for r in range(start.shape[0]):
        np.random.seed(seeds[r])
        labels[:] = start[r]
        v[0, 1], size[0], size[1] = 1.0, 1, GUARD
        now[:], mean[:] = 0.0, 0.0
        _trajectory(state, space, tables, ends, times, trim, options[2], sums, counts)
        figures[0] = max(figures[0], now[2])
        figures[2] += now[3]
        figures[3] += now[4] / start.shape[0]
        if size[0] == 0 or now[4] >= HOPELESS:
            figures[1], figures[3] = 1.0, max(HOPELESS, now[4])
            return
