"""Quantum trajectories of two ensembles whose jump operators keep D = k_I - k_II between jumps, compiled.

    d c/dt = -(K/2 + i H) c until |c|^2 has fallen to a random number, then one jump      K = sum L^+ L

A trajectory lives on a chain |k_I + i, k_II + i> of one pair of irreps; -(K/2 + i H) is tridiagonal on it, its diagonal
quadratic in i, and only the first tens of sites are occupied by cold collective modes: the cost of a jump does not grow
with N. A step takes the Taylor vectors of the generator, without its mean, from which follow the norm as a polynomial
in time and, by Newton's method, the time of the jump. Rates of all channels need <i>, <i^2> and one coherence.
Up: `sampling`, and `leap`, which takes the same steps; down: `chain_window`, `irreps`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from darkstate.spins.exact.chain_steps import ORDER, REACH, combine, polynomial, root, site, taylor
from darkstate.spins.exact.chain_window import (
    couplings,
    ladder_jump,
    largest_coupling,
    line_jump,
    local_jump,
    moments,
    room,
    settle,
)
from darkstate.spins.exact.irreps import CHANGE, CHANNELS, DEPHASING, quadratics, weights

TRIM = 1e-14
"""Weight of a site that may be left out; beyond such sites GUARD more are kept, for amplitude to go within a step."""
GUARD = 3
EDGE = 1e-12
"""Weight of an outermost site above which a step is repeated with a wider window."""
AHEAD = 1.2
"""Length of a step over the time to the jump at the present rate."""
FAINT = 1e-12
"""Share of the total rate below which a channel is rounding."""
LOCAL_ROWS = 2 * len(CHANNELS)


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
        tables: (local [s 7 2], lower [s a 2], upper [s b 2], along [s c 2], scalars [s 2], atoms [2]) per segment of
            constant light; a row (x, y) of `lower` is x S_I + y S_II^+, of `upper` x S_I^+ + y S_II, of `along`
            x Jx_I + y Jx_II; scalars are (exchange, sum of the Larmor offsets) [1/s].
        ends: end of each segment, the last infinite [s]; times: record times [t; s].
        start: (N, 2j, k) of each trajectory and ensemble [r 2 3]; seeds: one per trajectory [r].
        options: (largest window in sites, weight of a site left out or 0, unused).
        sums: expectation values, added to [t 25]; counts: numbers of trajectories by 2j, added to [t 2 N+1] or empty.
        finals: labels and real amplitudes of the last states [r 8+W], or empty.
        figures: largest weight left out, 1 if the window was too small, number of jumps, 0 [4].

    Example:
        >>> local, none = np.zeros((1, 7, 2)), np.zeros((1, 0, 2))
        >>> local[0, 1, 0] = 1.0  # heating of ensemble I, four atoms
        >>> tables = local, none, none, none, np.zeros((1, 2)), np.array([4, 0])
        >>> start, seeds = np.array([[[4, 4, 0], [0, 0, 0]]]), np.array([1], np.uint32)
        >>> sums, figures = np.zeros((1, 25)), np.zeros(4)
        >>> into = sums, np.zeros((0, 0, 0), np.int64), np.zeros((0, 0)), figures
        >>> block(tables, np.array([np.inf]), np.array([9.0]), start, seeds, np.array([4096.0, 0, 0]), *into)
        >>> print(sums[0, :2], figures[2])  # all down, after one jump each
        [-2.  0.] 4.0
    """
    size = int(min(options[0], np.min(tables[5]) + 1)) + 3
    kind = np.complex128 if np.any(tables[4][:, 1]) else np.float64
    vectors = np.zeros((ORDER + 1, size + 1), kind)
    diagonal = np.zeros(size + 1, kind)
    unit = 1j if kind is np.complex128 else 0.0
    rest = (start, seeds, options, sums, counts, finals, figures)
    _block(vectors, diagonal, np.zeros(size + 1), unit, tables, ends, times, *rest)


@njit(cache=True, nogil=True, error_model="numpy")
def _block(
    v: Any,
    d: Any,
    s: Any,
    unit: Any,
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
    rows = LOCAL_ROWS + tables[1].shape[1] + tables[2].shape[1] + tables[3].shape[1]
    quad, rates = np.zeros((rows, 4)), np.zeros(rows)
    p, mean, now = np.zeros(2 * ORDER + 2), np.zeros(4), np.zeros(5)
    w, labels, size = np.zeros(6), np.zeros((2, 3), np.int64), np.zeros(2, np.int64)
    trim = options[1] if options[1] > 0 else TRIM
    for r in range(start.shape[0]):
        np.random.seed(seeds[r])
        labels[:] = start[r]
        v[0, 1], size[0], size[1] = 1.0, 1, GUARD
        now[:] = 0.0
        _trajectory(v, d, s, unit, p, mean, now, size, labels, quad, rates, w, tables, ends, times, trim, sums, counts)
        figures[0] = max(figures[0], now[2])
        figures[2] += now[3]
        if size[0] == 0:
            figures[1] = 1.0
            return
        if finals.shape[0] == start.shape[0]:
            _keep(v[0], labels, size[0], finals[r])


@njit(cache=True, error_model="numpy")
def _trajectory(
    v: Any,
    d: Any,
    s: Any,
    unit: Any,
    p: Any,
    mean: Any,
    now: Any,
    size: Any,
    labels: Any,
    quad: Any,
    rates: Any,
    w: Any,
    tables: Any,
    ends: Any,
    times: Any,
    trim: float,
    sums: Any,
    counts: Any,
) -> None:
    """One trajectory; now = (time, fall of the log norm until the jump, weight left out, jumps, reference).

    size = (width, guard), width 0 for a window that is too small. The reference, <i> after the last jump, must not
    move before the next one: the lengths of steps know when that comes, and the average would be biased.
    """
    local, lower, upper, along, scalars, atoms = tables
    largest, segment, record, changed, jumped = v.shape[1] - 4, 0, 0, 3, True
    now[1] = -np.log(1.0 - np.random.random())
    while True:
        origin = labels[0, 2]
        width, lost, moved = settle(v[0], labels, size[0], trim, size[1], largest)
        size[0], now[2] = width, now[2] + lost
        if width == 0:
            return
        couplings(s, labels, width)
        moments(v[0], s, width, mean)
        now[4] = mean[0] if jumped else now[4] + (origin - labels[0, 2])
        while record < times.shape[0] and times[record] <= now[0]:
            add_record(labels, mean, record, sums, counts)
            record += 1
        if record == times.shape[0]:
            return
        while now[0] >= ends[segment]:
            segment, changed = segment + 1, 3
        if moved:
            changed = 3
        _local(local[segment], atoms, labels, changed, w, quad)
        cross = ladder_rates(lower[segment], upper[segment], labels, quad)
        set_references(along[segment], now[4], quad)
        stop = min(times[record], ends[segment])
        changed = 0
        jumped = one_step(v, d, s, p, mean, now, size, labels, quad, cross, scalars[segment], unit, stop)
        if jumped:
            now[3] += 1.0
            now[1] = -np.log(1.0 - np.random.random())
            moments(v[0], s, size[0], mean)
            changed = one_jump(v[0], mean, size, labels, quad, rates, lower[segment], upper[segment])


@njit(cache=True, error_model="numpy")
def _local(local: Any, atoms: Any, labels: Any, changed: int, w: Any, quad: Any) -> None:
    """Rates of the single-atom channels, of the ensembles whose labels changed (bits 1 and 2)."""
    for e in range(2):
        if changed & (1 << e):
            n, twice_j, k = float(labels[e, 0]), float(labels[e, 1]), float(labels[e, 2])
            weights(n, float(atoms[e]) - n, twice_j, w)
            quadratics(local[:, e], w, twice_j, k, 0.0, quad[e * len(CHANNELS) : (e + 1) * len(CHANNELS)])


@njit(cache=True)
def ladder_rates(lower: Any, upper: Any, labels: Any, quad: Any) -> float:
    """Rates of the ladder jump operators, as q_0 + q_1 <i> + q_2 <i^2> + q_3 Re <S_I S_II>; returns K between sites."""
    cross, a = 0.0, lower.shape[0]
    for row in range(a + upper.shape[0]):
        down = 1 if row < a else 0  # the ensemble S^+ acts on
        x, y = (lower[row, 0], lower[row, 1]) if row < a else (upper[row - a, 1], upper[row - a, 0])
        zu, ku = float(labels[1 - down, 1]), float(labels[1 - down, 2])
        zd, kd = float(labels[down, 1]), float(labels[down, 2])
        up, lo = ku * (zu - ku + 1.0), (kd + 1.0) * (zd - kd)
        out = quad[LOCAL_ROWS + row]
        out[0] = x * x * up + y * y * lo
        out[1] = x * x * (zu - 2.0 * ku + 1.0) + y * y * (zd - 2.0 * kd - 1.0)
        out[2] = -(x * x + y * y)
        out[3] = 2.0 * x * y
        cross += x * y
    return cross


@njit(cache=True)
def set_references(along: Any, reference: float, quad: Any) -> None:
    """Jumps that keep the labels, and vanish at the reference: collective Jx, and dephasing with j kept."""
    n = len(CHANNELS)
    for e in range(2):
        out = quad[e * n + DEPHASING]
        out[0], out[1] = out[2] * reference * reference, -2.0 * out[2] * reference
    first = quad.shape[0] - along.shape[0]
    for row in range(along.shape[0]):
        out, strength = quad[first + row], (along[row, 0] + along[row, 1]) ** 2
        out[0], out[1], out[2], out[3] = strength * reference * reference, -2.0 * strength * reference, strength, 0.0


@njit(cache=True, error_model="numpy")
def one_step(
    v: Any,
    d: Any,
    s: Any,
    p: Any,
    mean: Any,
    now: Any,
    size: Any,
    labels: Any,
    quad: Any,
    cross: float,
    scalars: Any,
    unit: Any,
    stop: float,
) -> bool:
    """Evolve towards `stop`, but not beyond a jump: whether one is due. The state is normalised up to rounding."""
    q1, q2, q3, width = 0.0, 0.0, 0.0, size[0]
    total = 0.0
    for row in range(quad.shape[0]):
        total += quad[row, 0]
        q1 += quad[row, 1]
        q2 += quad[row, 2]
        q3 += quad[row, 3]
    total = max(total + q1 * mean[0] + q2 * mean[1] + q3 * mean[2], 0.0)
    g, delta = scalars[0], scalars[1]
    up, down = -(cross + g) / 2, -(cross - g) / 2  # elements <i|G|i+1>, <i+1|G|i> over those of S_I S_II
    bound = _diagonal(d, width, q1, q2, q3 * mean[2], mean, unit * delta)
    bound += (abs(up) + abs(down)) * largest_coupling(labels, width)
    h = stop - now[0]
    if total > 0.0:
        h = min(h, AHEAD * now[1] / total)
    if bound > 0.0:
        h = min(h, REACH / bound)
    symmetric = g == 0.0 and delta == 0.0
    n = taylor(v, d, s, width, up, down, h, p, symmetric)
    degree = 2 * n if symmetric else n
    spent = total * h - np.log(polynomial(p, degree, 1.0)[0])
    due = spent >= now[1]
    x = root(p, degree, total * h, now[1]) if due else 1.0
    below, above = room(labels, width)
    low = site(v, n, 1, x) if below > 0 else 0.0
    high = site(v, n, width, x) if above > 0 else 0.0
    if max(low, high) > EDGE:
        size[1] = max(4 + size[1], width // 2)  # repeat with a wider window
        return False
    size[1] = GUARD
    now[2] += low + high
    combine(v, n, width, x, 1.0 / np.sqrt(polynomial(p, degree, x)[0]))
    if due:
        now[0] += x * h
        return True
    now[1] = max(now[1] - spent, 1e-16)
    now[0] = stop if h == stop - now[0] else now[0] + h
    return False


@njit(cache=True, error_model="numpy")
def _diagonal(d: Any, width: int, q1: float, q2: float, between: float, mean: Any, rotation: Any) -> float:
    """Diagonal of the generator without its mean; returns the largest modulus, a bound."""
    base = (q1 * mean[0] + q2 * mean[1] + between) / 2
    for i in range(1, width + 1):
        x = float(i - 1)
        d[i] = base - x * (q1 + q2 * x) / 2 + rotation * (x - mean[0])
    end = width - 1.0
    bound = max(abs(base), abs(base - end * (q1 + q2 * end) / 2))
    top = -q1 / (2 * q2) if q2 != 0.0 else -1.0
    if 0.0 < top < end:
        bound = max(bound, abs(base - top * (q1 + q2 * top) / 2))
    return bound + abs(rotation) * width


@njit(cache=True, error_model="numpy")
def one_jump(c: Any, mean: Any, size: Any, labels: Any, quad: Any, rates: Any, lower: Any, upper: Any) -> int:
    """Choose a channel and apply it; returns which ensembles changed, in bits 1 and 2."""
    total, last = 0.0, -1
    for row in range(quad.shape[0]):
        rate = quad[row, 0] + quad[row, 1] * mean[0] + quad[row, 2] * mean[1] + quad[row, 3] * mean[2]
        total += max(rate, 0.0)
        rates[row] = rate
    at, n = np.random.random() * total, len(CHANNELS)
    for row in range(quad.shape[0]):
        if rates[row] > FAINT * total:
            last = row
            at -= rates[row]
            if at < 0.0:
                break
    if last < 0:
        return 0
    reference = -quad[last, 1] / (2 * quad[last, 2])  # of the channels that have one
    if last < LOCAL_ROWS:
        e, channel = last // n, last % n
        local_jump(c, size[0], channel, float(labels[e, 1]), float(labels[e, 2]), reference, mean)
        labels[e, 0] += CHANGE[channel, 0]
        labels[e, 1] += CHANGE[channel, 1]
        labels[e, 2] += CHANGE[channel, 2]
        return 0 if channel == DEPHASING else 1 << e
    row, scale = last - LOCAL_ROWS, 1.0 / np.sqrt(rates[last])
    a, b = lower.shape[0], upper.shape[0]
    if row < a:
        size[0] = ladder_jump(c, labels, size[0], 1, scale * lower[row, 0], scale * lower[row, 1])
        return 1
    if row < a + b:
        size[0] = ladder_jump(c, labels, size[0], 0, scale * upper[row - a, 1], scale * upper[row - a, 0])
        return 2
    line_jump(c, size[0], reference, np.sqrt(quad[last, 2] / rates[last]))
    return 0


@njit(cache=True)
def add_record(labels: Any, mean: Any, row: int, sums: Any, counts: Any) -> None:
    """Add the expectation values of the present state."""
    out, x, y = sums[row], mean[0], mean[1]
    first = np.zeros(2)
    for e in range(2):
        n, z, k = float(labels[e, 0]), float(labels[e, 1]), float(labels[e, 2])
        j, m = z / 2, z / 2 - k  # m of the first site
        first[e] = m
        out[e] += m - x
        out[2 + e] += n
        out[4 + e] += j + z * (k + x) - (k * k + 2 * k * x + y)
        out[8 + e] += m * m - 2 * m * x + y
        out[11 + e] += j
        out[13 + e] += j * j
        if counts.shape[0] > 0:
            counts[row, e, labels[e, 1]] += 1
    out[6] += mean[2]
    out[7] += mean[3]
    out[10] += first[0] * first[1] - (first[0] + first[1]) * x + y


@njit(cache=True)
def _keep(c: Any, labels: Any, width: int, out: Any) -> None:
    """Labels and amplitudes of the last state."""
    out[:] = 0.0
    for e in range(2):
        out[2 * e], out[2 * e + 1], out[4 + e] = labels[e, 0], labels[e, 1], labels[e, 2]
    out[6] = width
    for i in range(min(width, out.shape[0] - 8)):
        out[8 + i] = c[1 + i].real
