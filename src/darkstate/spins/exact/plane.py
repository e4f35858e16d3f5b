"""Quantum trajectories on the whole plane |k_I, k_II>: for jumps that conserve neither m_I - m_II nor m_I + m_II.

    dc/dt = G c,  G = -K/2 - i H,  K = sum L^+ L,  between jumps; the next jump comes when the norm^2 has fallen to r

A trajectory is a matrix of (2j_I + 1)(2j_II + 1) amplitudes. A step of limited |G| h is a Taylor series G^n c h^n/n!,
whose scalar products are the norm^2 inside the step as a polynomial: the jump is its root. The mean of K stays out of
the vectors. Cost: the size of the plane per step, so for few atoms. Up: `sampling`; down: `irreps`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from darkstate.spins.exact.irreps import CHANGE, DEPHASING, SOURCE, WEIGHT, lines, up_square, weights

ORDER = 18
"""Highest power of G h; with |G| h <= REACH the rest is 2e-14."""
REACH = 1.5


@njit(nogil=True, cache=True)
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
    """Run the trajectories of one block, one after the other.

    Args:
        tables: local rates [s 7 2], operators as rows (raising, lowering, along), each of (I, II), [s n 6],
            (exchange, larmor_I, larmor_II) [s 3], atoms [2].
        ends: end of each segment of constant light, the last one infinite [s; s].
        times: increasing times at which the state is read [t; s].
        start: (N_2, 2j, k) of both ensembles [r 2 3]; seeds: [r].
        options: the largest plane, in sites, first.
        sums: expectation values are added [t 25]; counts: histograms of 2j [t 2 N+1], or empty.
        finals: not used, amplitudes of a plane are not kept.
        figures: (0, 1 if a plane was too large, number of jumps, 0) [4].
    """
    for i in range(seeds.shape[0]):
        np.random.seed(seeds[i])
        jumps = _trajectory(tables, ends, times, start[i], options[0], sums, counts)
        if jumps < 0:
            figures[1] = 1.0
            return
        figures[2] += jumps


@njit(cache=True)
def _trajectory(tables: Any, ends: Any, times: Any, start: Any, largest: float, sums: Any, counts: Any) -> int:
    """One trajectory; returns the number of its jumps, -1 if the plane became too large."""
    labels = start[:, :2].copy()
    c = np.zeros((labels[0, 1] + 1, labels[1, 1] + 1), np.complex128)
    c[start[0, 2], start[1, 2]] = 1.0
    now, jumps, segment, fresh = 0.0, 0, 0, True
    first = second = np.zeros((0, 0))
    left = -np.log(1.0 - np.random.random())  # how much of -log norm^2 remains until the jump
    for t in range(times.shape[0]):
        while now < times[t]:
            if c.size > largest:
                return -1
            while ends[segment] <= now:
                segment, fresh = segment + 1, True
            border = min(times[t], ends[segment])
            local, operators, scalars = tables[0][segment], tables[1][segment], tables[2][segment]
            if fresh:
                first = _amplitudes(local[:, 0], labels[0], tables[3][0], _marginal(c, 0))
                second = _amplitudes(local[:, 1], labels[1], tables[3][1], _marginal(c, 1))
                fresh = False
            c, passed, left, due = _step(operators, scalars, first, second, c, border - now, left)
            now = border if passed == border - now else now + passed
            if due:
                c = _jump(operators, first, second, labels, c)
                left = -np.log(1.0 - np.random.random())
                jumps, fresh = jumps + 1, True
        _record(labels, c, sums[t])
        if counts.size > 0:
            counts[t, 0, labels[0, 1]] += 1
            counts[t, 1, labels[1, 1]] += 1
    return jumps


@njit(cache=True)
def _marginal(c: Any, ensemble: int) -> Any:
    """Probability of each k of one ensemble."""
    p = c.real**2 + c.imag**2
    return p.sum(axis=1 - ensemble)


@njit(cache=True)
def _amplitudes(rates: Any, label: Any, atoms: int, p: Any) -> Any:
    """Amplitudes of the single-atom channels of one ensemble by k, rates included [17 2j+1].

    Dephasing that keeps j vanishes at the present <k>. That must not move before the next jump (or border): the lengths
    of steps know when the jump comes, and the average would be biased.
    """
    twice_j, w = float(label[1]), np.empty(6)
    weights(float(label[0]), float(atoms - label[0]), twice_j, w)
    size, reference = p.size, np.sum(p * np.arange(p.size))
    out = np.zeros((SOURCE.size, size))
    for channel in range(SOURCE.size):
        scale = rates[SOURCE[channel]] * w[WEIGHT[channel]]
        if scale > 0.0:
            a, s, b, t = lines(channel, twice_j, 0.0, reference)
            for k in range(size):
                sign = -1.0 if channel == DEPHASING and k < reference else 1.0
                out[channel, k] = sign * np.sqrt(scale * (a + s * k) * (b + t * k))
    return out


@njit(cache=True)
def _ladders(c: Any) -> Any:
    """Norms of S |k> of both ensembles for k = 0 ... 2j + 1, the last one 0."""
    rows, columns = c.shape
    first = np.sqrt(np.array([up_square(float(k), rows - 1.0) for k in range(rows + 1)]))
    return first, np.sqrt(np.array([up_square(float(k), columns - 1.0) for k in range(columns + 1)]))


@njit(cache=True)
def _act(row: Any, ladders: Any, c: Any, out: Any) -> None:
    """out = L c."""
    (rows, columns), (first, second) = c.shape, ladders
    for a in range(rows):
        for b in range(columns):
            value = (row[4] * ((rows - 1) / 2 - a) + row[5] * ((columns - 1) / 2 - b)) * c[a, b]
            if a + 1 < rows:
                value += row[0] * first[a + 1] * c[a + 1, b]
            if b + 1 < columns:
                value += row[1] * second[b + 1] * c[a, b + 1]
            if a > 0:
                value += row[2] * first[a] * c[a - 1, b]
            if b > 0:
                value += row[3] * second[b] * c[a, b - 1]
            out[a, b] = value


@njit(cache=True)
def _generate(operators: Any, exchange: float, diagonal: Any, ladders: Any, c: Any, out: Any) -> None:
    """out = G c; the single-atom jumps, the constant and the Larmor offsets are in `diagonal`."""
    (rows, columns), (first, second) = c.shape, ladders
    for a in range(rows):
        for b in range(columns):
            value = diagonal[a, b] * c[a, b]
            if a + 1 < rows and b + 1 < columns:
                value -= exchange / 2 * first[a + 1] * second[b + 1] * c[a + 1, b + 1]
            if a > 0 and b > 0:
                value += exchange / 2 * first[a] * second[b] * c[a - 1, b - 1]
            out[a, b] = value
    image, back = np.empty_like(c), np.empty_like(c)
    for n in range(operators.shape[0]):
        row = operators[n]
        _act(row, ladders, c, image)
        _act(np.array([row[2], row[3], row[0], row[1], row[4], row[5]]), ladders, image, back)
        out -= back / 2


@njit(cache=True)
def _bound(operators: Any, exchange: float, diagonal: Any) -> float:
    """An upper bound of |G|."""
    rows, columns = diagonal.shape  # S is at most j + 1/2
    total = np.abs(diagonal).max() + abs(exchange) * rows * columns / 4
    for n in range(operators.shape[0]):
        x = np.abs(operators[n])
        total += ((x[0] + x[2] + x[4]) * rows / 2 + (x[1] + x[3] + x[5]) * columns / 2) ** 2 / 2
    return total


@njit(cache=True)
def _step(operators: Any, scalars: Any, first: Any, second: Any, c: Any, reach: float, left: float) -> Any:
    """Go on until the next jump, but at most for `reach` and as far as the Taylor series does.

    Returns:
        (normalised state, time passed, what is left of -log norm^2, whether a jump is due).
    """
    rows, columns = c.shape
    one, two, ladders = (first**2).sum(axis=0), (second**2).sum(axis=0), _ladders(c)
    mean = np.sum(one * _marginal(c, 0)) + np.sum(two * _marginal(c, 1))
    image = np.empty_like(c)
    for n in range(operators.shape[0]):
        _act(operators[n], ladders, c, image)
        mean += _norm2(image)
    diagonal = np.empty((rows, columns), np.complex128)
    for a in range(rows):
        for b in range(columns):
            turn = scalars[1] * ((rows - 1) / 2 - a) + scalars[2] * ((columns - 1) / 2 - b)
            diagonal[a, b] = complex((mean - one[a] - two[b]) / 2, -turn)
    bound = _bound(operators, scalars[0], diagonal)
    h = reach if bound * reach <= REACH else REACH / bound
    if mean * h > max(2 * left, 1e-9):  # beyond the jump, and not so short that log norm^2 is rounding
        h = max(2 * left, 1e-9) / mean
    series = np.zeros((ORDER + 1, rows, columns), np.complex128)
    series[0] = c
    for n in range(1, ORDER + 1):
        _generate(operators, scalars[0], diagonal, ladders, series[n - 1], series[n])
        series[n] *= h / n
        if _norm2(series[n]) < 1e-36:
            break
    new = series.sum(axis=0)
    lost = mean * h - np.log(_norm2(new))
    if lost < left:
        return new / np.sqrt(_norm2(new)), h, left - lost, False
    s = _root(series, mean * h, left)
    new[:] = 0.0
    for n in range(ORDER, -1, -1):
        new = new * s + series[n]
    return new / np.sqrt(_norm2(new)), s * h, 0.0, True


@njit(cache=True)
def _norm2(c: Any) -> float:
    return np.sum(c.real**2 + c.imag**2)


@njit(cache=True)
def _root(series: Any, mean: float, left: float) -> float:
    """The fraction s of a step at which mean s - log norm^2(s) = left, by Newton's method inside a bracket."""
    q = np.zeros(2 * ORDER + 1)
    for n in range(ORDER + 1):
        for m in range(n, ORDER + 1):
            product = np.sum(series[n].real * series[m].real + series[n].imag * series[m].imag)
            q[n + m] += product if n == m else 2 * product
    low, high, s = 0.0, 1.0, min(left / mean, 1.0) if mean > 0 else 0.5
    for _ in range(100):
        value, slope = 0.0, 0.0
        for n in range(q.size - 1, -1, -1):
            slope = slope * s + value
            value = value * s + q[n]
        miss = mean * s - np.log(value) - left
        if miss < 0:
            low = s
        else:
            high = s
        rate = mean - slope / value
        new = s - miss / rate if rate > 0 else -1.0
        if not low <= new <= high:
            new = (low + high) / 2
        if abs(new - s) <= 1e-14:
            return new
        s = new
    return s


@njit(cache=True)
def _jump(operators: Any, first: Any, second: Any, labels: Any, c: Any) -> Any:
    """Draw one channel by its rate and apply it; `labels` change in place."""
    n = operators.shape[0]
    image, rates, ladders = np.empty_like(c), np.empty(n + 2 * SOURCE.size), _ladders(c)
    for i in range(n):
        _act(operators[i], ladders, c, image)
        rates[i] = _norm2(image)
    one, two = _marginal(c, 0), _marginal(c, 1)
    for i in range(SOURCE.size):
        rates[n + i] = np.sum(first[i] ** 2 * one)
        rates[n + SOURCE.size + i] = np.sum(second[i] ** 2 * two)
    draw, chosen = np.random.random() * rates.sum(), -1
    for i in range(rates.size):
        if rates[i] > 0.0 and draw >= 0.0:  # the last possible one if rounding leaves a rest
            chosen = i
            draw -= rates[i]
    if chosen < 0:
        return c
    if chosen < n:
        _act(operators[chosen], ladders, c, image)
    elif chosen < n + SOURCE.size:
        image = _single_atom(chosen - n, first, labels[0], c)
    else:
        image = _single_atom(chosen - n - SOURCE.size, second, labels[1], c.T.copy()).T.copy()
    return image / np.sqrt(_norm2(image))


@njit(cache=True)
def _single_atom(channel: int, amplitudes: Any, label: Any, c: Any) -> Any:
    """A jump of one atom of the ensemble along the first axis; its label changes in place."""
    out = np.zeros((c.shape[0] + CHANGE[channel, 1], c.shape[1]), np.complex128)
    for k in range(c.shape[0]):
        if amplitudes[channel, k] != 0.0:
            out[k + CHANGE[channel, 2]] = amplitudes[channel, k] * c[k]
    label[0] += CHANGE[channel, 0]
    label[1] += CHANGE[channel, 1]
    return out


@njit(cache=True)
def _record(labels: Any, c: Any, out: Any) -> None:
    """Add the expectation values of one state."""
    rows, columns = c.shape
    first, second = _ladders(c)
    j, i = (rows - 1) / 2, (columns - 1) / 2
    pair = s_1 = s_2 = ss_1 = ss_2 = swap = 0j
    for a in range(rows):
        for b in range(columns):
            p, m, n = abs(c[a, b]) ** 2, j - a, i - b
            out[0] += p * m
            out[1] += p * n
            out[4] += p * (j + 2 * j * a - a * a)
            out[5] += p * (i + 2 * i * b - b * b)
            out[8] += p * m * m
            out[9] += p * n * n
            out[10] += p * m * n
            x = c[a, b]
            if a > 0:
                s_1 += np.conj(c[a - 1, b]) * first[a] * x
            if b > 0:
                s_2 += np.conj(c[a, b - 1]) * second[b] * x
            if a > 0 and b > 0:
                pair += np.conj(c[a - 1, b - 1]) * first[a] * second[b] * x
            if a > 1:
                ss_1 += np.conj(c[a - 2, b]) * first[a - 1] * first[a] * x
            if b > 1:
                ss_2 += np.conj(c[a, b - 2]) * second[b - 1] * second[b] * x
            if a > 0 and b + 1 < columns:
                swap += np.conj(c[a - 1, b + 1]) * first[a] * second[b + 1] * x
    for e in range(2):
        spin = labels[e, 1] / 2
        out[2 + e] += labels[e, 0]
        out[11 + e] += spin
        out[13 + e] += spin * spin
    for n, value in ((6, pair), (15, s_1), (17, s_2), (19, ss_1), (21, ss_2), (23, swap)):
        out[n] += value.real
        out[n + 1] += value.imag
