"""How many cycles a verdict needs: the error model of `records.estimate`, turned round.

    err^2 = a/(n - 1) + b/(m - 1) + g/c + F^2,   a = (R/(eta kappa^2))^2,  b = a/K,  cycles = n + m + 7 c
    least cycles:  n - 1 = sqrt(a) q,  m - 1 = sqrt(b) q,  c = sqrt(g/7) q,  q = (sqrt a + sqrt b + sqrt 7g)/(E^2 - F^2)

n cycles with atoms, m of light alone (K windows each), c in every calibration record; F: what no cycle makes smaller;
E = (1 - xi)/k, the error that shows xi < 1 by k standard errors. Down: `calibration_error`, `division`; up: report.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import InputError
from darkstate.gaussian.input_output import (
    Readout,
    coupling,
    detected,
    epr_from_light,
    rates_of_coupling,
    readout,
    readout_of_mode,
)
from darkstate.records.calibration import Calibration
from darkstate.records.cells import Cells
from darkstate.records.estimate import SYSTEMATIC
from darkstate.studies.calibration_error import RECORDS, Runs, decay_error, transfer_error
from darkstate.studies.division import COSTS, divided

PROBES, STARTS = 60, 61
"""Lengths of the read-out window and starting times that are compared."""

MOST = 1e12
"""Cycles that are no measurement any more."""

LONGEST = 1000.0
"""Decay times that a drive pulse may last: beyond, there are more windows than anybody reads."""

_SAMPLES = 200  # of a window: kappa^2 then is right to 1e-5
_GRID = 4000  # steps in which xi is followed through the pulse


@dataclasses.dataclass(frozen=True)
class Apparatus:
    """What is measured, and how well it is known; SI units.

    Args:
        cells: the spins; calibration: of the apparatus, with errors; its kappa^2 belongs to any length of window here.
        duration, edge: of the drive pulse; electronic_noise: over shot noise; dark_cycles: without light.
        shortest: shortest window that holds enough samples.
        runs: calibration runs that give gamma and kappa^2; None: their errors are those of `calibration`.
    """

    cells: Cells
    calibration: Calibration
    duration: float
    edge: float
    electronic_noise: float
    dark_cycles: int
    shortest: float
    runs: Runs | None


@dataclasses.dataclass(frozen=True)
class Windows:
    """Every window compared: start and length, and the terms of its error [window].

    Args:
        start, probe: [s]; xi: EPR variance at the start; atoms, light, runs: a, b, g.
        dark: squared error from the cycles without light; fixed: from the calibration that no cycle improves.
        shares: what one standard error of each quantity of the calibration changes xi by [window quantity].
    """

    start: np.ndarray
    probe: np.ndarray
    xi: np.ndarray
    atoms: np.ndarray
    light: np.ndarray
    runs: np.ndarray
    dark: np.ndarray
    fixed: np.ndarray
    shares: np.ndarray

    @property
    def floor(self) -> np.ndarray:
        """F^2, the squared error that is left with very many cycles."""
        return self.dark + self.fixed

    def cycles(self, sigmas: float) -> np.ndarray:
        """Least n - 1, m - 1 and c for xi < 1 by so many standard errors; infinite where none are enough [3 window]."""
        room = (np.maximum(1 - self.xi, 0.0) / sigmas) ** 2 - self.floor
        terms = np.stack([self.atoms, self.light, self.runs])
        found = divided(terms, np.where(room > 0, room, 1.0))
        return np.where(room > 0, found, np.inf)


@dataclasses.dataclass(frozen=True)
class Shots:
    """The measurement that needs the fewest cycles.

    Args:
        start, probe: of the read-out window [s]; xi: there; sigmas: wanted.
        cycles, shot_cycles: with atoms and without; run_cycles: of each of the seven calibration records, 0: none.
        xi_err, xi_sys: statistical and systematic standard error then; budget: shares of `xi_sys` by quantity.
        starts: of all windows of one record [s]; windows: everything compared; best: which of them this is.
    """

    start: float
    probe: float
    xi: float
    sigmas: float
    cycles: int
    shot_cycles: int
    run_cycles: int
    xi_err: float
    xi_sys: float
    budget: dict[str, float]
    starts: np.ndarray
    windows: Windows
    best: int

    @property
    def total(self) -> int:
        """All cycles."""
        return self.cycles + self.shot_cycles + RECORDS * self.run_cycles

    @property
    def calibration_share(self) -> float:
        """Share of the cycles that is spent on light alone and on calibration runs."""
        return 1 - self.cycles / self.total

    @property
    def significance(self) -> float:
        """(1 - xi) in standard errors, both kinds together."""
        return float((1 - self.xi) / np.hypot(self.xi_err, self.xi_sys))

    def curve(self) -> tuple[np.ndarray, np.ndarray]:
        """Significances around the wanted one that can be reached, and the cycles each needs with the same window."""
        w, k = self.windows, self.best
        most = 0.95 * (1 - self.xi) / np.sqrt(w.floor[k]) if w.floor[k] else np.inf
        levels = np.linspace(0.3, max(1.0, min(1.8, most / self.sigmas)), 61) * self.sigmas
        return levels, np.array([float((COSTS * w.cycles(level)).sum(0)[k]) for level in levels])

    def by_probe(self) -> tuple[np.ndarray, np.ndarray]:
        """Lengths of the window compared [s], and the fewest cycles with each, from any start."""
        needed, probe = (COSTS * self.windows.cycles(self.sigmas)).sum(0), self.windows.probe
        lengths = np.unique(probe)
        return lengths, np.array([needed[probe == length].min() for length in lengths])


def shots(apparatus: Apparatus, sigmas: float, *, probe: float | None = None, start: float | None = None) -> Shots:
    """The fewest cycles for xi < 1 at so many standard errors.

    Args:
        apparatus: what is measured; sigmas: k; probe, start: of the window [s], where they are given already.

    Raises:
        InputError: xi is never below 1, the window does not fit, or the calibration alone is not good enough.

    Example:
        >>> from darkstate.records.calibration import calibration
        >>> cells = Cells(z=2.5, gamma_s=200.0, gamma_extra=100.0)
        >>> c = calibration(z=2.5, gamma=300.0, kappa2=1.8799, kappa2_duration=1e-3, efficiency=0.84)
        >>> lab = Apparatus(cells, c, 8e-3, 0.0, 0.0, 0, 5e-5, None)
        >>> best = shots(lab, 3.0, probe=1e-3)
        >>> best.cycles, best.shot_cycles, f"{best.significance:.2f}"
        (36, 21, '3.03')
    """
    with np.errstate(all="ignore"):  # numbers beyond all measure are refused below
        w = windows(apparatus, probe=probe, start=start)
        needed = (COSTS * w.cycles(sigmas)).sum(0)
    if not (w.xi < 1).any():
        raise InputError(
            [f"xi is {w.xi.min():.4f} or more in every window, so no number of cycles shows xi < 1; see `optimise`"]
        )
    needed = np.where(np.isnan(needed), np.inf, needed)
    k = int(np.argmin(needed))
    if not needed[k] <= MOST:
        raise InputError([_never(apparatus, w, sigmas, float(needed[k]))])
    return _planned(apparatus, w, k, sigmas)


def _never(a: Apparatus, w: Windows, sigmas: float, needed: float) -> str:
    """Why no number of cycles is enough, or a number that nobody takes."""
    errors = np.sqrt(w.floor)
    known = np.isfinite(errors)
    if not known.any() or np.isfinite(needed):
        return f"{sigmas:g} standard errors would take more than {MOST:g} cycles; find settings with a smaller xi first"
    k = int(np.argmax(np.where(known, (1 - w.xi) / np.where(errors > 0, errors, np.inf), -np.inf)))
    shares = [(abs(share), name) for share, name in zip(w.shares[k], SYSTEMATIC, strict=True)]
    shares.append((float(np.sqrt(w.dark[k])), f"the noise of {a.dark_cycles} cycles without light"))
    share, name = max(shares)
    return (
        f"the calibration alone leaves an error of {errors[k]:.3g} of xi = {w.xi[k]:.3g}, so that no number of cycles "
        f"shows xi < 1 by {sigmas:g} standard errors; {name} has the largest share, {share:.3g}: measure it better"
    )


def _planned(apparatus: Apparatus, w: Windows, k: int, sigmas: float) -> Shots:
    """Whole numbers of cycles, and the errors they give."""
    n, m, c = (int(x) for x in np.ceil(w.cycles(sigmas)[:, k]) + (1, 1, 0))
    budget = dict(zip(SYSTEMATIC, w.shares[k], strict=True))
    runs = w.runs[k] / c if c else 0.0
    return Shots(
        start=float(w.start[k]),
        probe=float(w.probe[k]),
        xi=float(w.xi[k]),
        sigmas=sigmas,
        cycles=n,
        shot_cycles=m,
        run_cycles=c,
        xi_err=float(np.sqrt(w.atoms[k] / (n - 1) + w.light[k] / (m - 1) + w.dark[k])),
        xi_sys=float(np.sqrt(w.fixed[k] + runs)),
        budget={name: abs(float(share)) for name, share in budget.items() if share},
        starts=_starts(apparatus, float(w.start[k]), float(w.probe[k])),
        windows=w,
        best=k,
    )


def windows(apparatus: Apparatus, *, probe: float | None = None, start: float | None = None) -> Windows:
    """The terms of the error for every start and length of the window, or for those given.

    Raises:
        InputError: a window that is too short or does not fit into the plateau of the pulse.
    """
    a, c = apparatus, apparatus.calibration
    longest = _longest(a, probe, start)
    lengths = np.geomspace(max(a.shortest, longest / 300), longest, PROBES) if probe is None else np.array([probe])
    pairs = []
    for length in lengths:
        last = a.duration - a.edge - length
        begin = np.linspace(a.edge, last, STARTS) if start is None else np.array([start])
        pairs += [(t, length) for t in begin if t <= last * (1 + 1e-12)]
    at, length = np.array(pairs).T
    times, xi_of = course(a.cells, a.duration, a.edge)
    xi = np.interp(at, times, xi_of)
    table = (times, np.asarray(c.jx(times)), np.asarray(c.bath(times)))
    theta = jnp.array([c[name].value for name in SYSTEMATIC])
    ratio, slopes, at_r = (np.asarray(x) for x in _terms(at, length, xi, _kappa2(a, length), table, theta))
    number = np.array([_counts(a, t, p) for t, p in zip(at, length, strict=True)]).sum(1)
    e, d = a.electronic_noise, max(a.dark_cycles - 1, 1)
    per_cycle = (at_r * ratio) ** 2
    covariance = c.covariance(SYSTEMATIC)
    runs = np.zeros(len(at))
    if a.runs is not None:
        given = [SYSTEMATIC.index(name) for name in ("gamma", "kappa2")]
        covariance[given] = covariance[:, given] = 0.0
        one = {p: (decay_error(a.runs), transfer_error(a.runs, p)) for p in lengths}
        runs = ((slopes[:, given] * np.array([one[p] for p in length])) ** 2).sum(1)
    return Windows(
        start=at,
        probe=length,
        xi=xi,
        atoms=per_cycle * ((ratio + e) / ratio) ** 2,
        light=per_cycle * (1 + e) ** 2 / number,
        runs=runs,
        dark=per_cycle * e**2 * (1 + 1 / ratio**2) / (number * d),
        fixed=np.einsum("ki,ij,kj->k", slopes, covariance, slopes),
        shares=slopes * np.sqrt(np.diag(covariance)),
    )


def _kappa2(a: Apparatus, length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """kappa^2 and the length of pulse it belongs to: with calibration runs that of the window, else one for all."""
    c = a.calibration
    if a.runs is None:
        return np.full(len(length), c["kappa2"].value), np.full(len(length), c["kappa2_duration"].value)
    return np.asarray(coupling(c["z"].value, *c.rates, length)), length


def course(cells: Cells, duration: float, edge: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """xi of the spins through a drive pulse: times [t] and xi [t], by the equations of the digital twin.

    Formula: d xi/dt = -2 gamma xi + 2 gamma_s/Z^2 + 2 gamma_extra w, without light -2 gamma_dark (xi - 1).

    Example:
        >>> t, xi = course(Cells(z=2.5, gamma_s=200.0, gamma_extra=100.0), 8e-3)
        >>> print(f"{xi[0]:.1f} {xi[-1]:.4f}")
        1.0 0.4446
    """
    t = np.linspace(0.0, duration, _GRID + 1)
    middle, h = (t[1:] + t[:-1]) / 2, duration / _GRID
    rise = np.clip(np.minimum(middle, duration - middle) / edge, 0, 1) if edge else np.ones_like(middle)
    power = (1 - np.cos(np.pi * rise)) / 2
    lit = (np.cumsum(power) - power / 2) * h

    def over_time(value: Any) -> np.ndarray:
        return np.interp(middle, cells.times, value) if np.ndim(value) else np.full(_GRID, float(value))

    s = over_time(cells.gamma_s) * np.exp(-cells.jx_decay * lit) * power
    extra, dark = over_time(cells.gamma_extra) * power, (1 - power) * cells.gamma_dark
    gamma = s + extra + dark
    target = (s / cells.z**2 + extra * over_time(cells.bath) + dark) / gamma
    stay = np.exp(-2 * gamma * h)
    xi = [cells.xi]
    for keep, towards in zip(stay, target, strict=True):
        xi.append(towards + keep * (xi[-1] - towards))
    return t, np.array(xi)


@jax.jit
def _terms(at: Any, length: Any, xi: Any, kappa2: Any, table: Any, theta: Any) -> tuple[Any, Any, Any]:
    """R, slopes of xi by the quantities of the calibration at fixed R, and d xi/d R, for every window.

    `kappa2`: value and the length of pulse it belongs to, for every window; `table`: times, <Jx> and w there.
    """
    return jax.vmap(lambda *window: _term(*window, table=table, theta=theta))(at, length, xi, *kappa2)


def _term(at: Any, length: Any, xi: Any, kappa2: Any, belongs: Any, *, table: Any, theta: Any) -> tuple[Any, Any, Any]:
    times, jx, bath = table
    step = length / _SAMPLES
    t = (jnp.arange(_SAMPLES) + 0.5) * step
    theta = theta.at[0].set(kappa2)
    _, eta, shot, gamma, z, bath_first, decays = theta
    s, extra = rates_of_coupling(z, gamma, kappa2, belongs)
    weights = jnp.exp(-gamma * t) / jnp.linalg.norm(jnp.exp(-gamma * t))
    actual = readout_of_mode(weights, step, z, s * jnp.interp(at + t, times, jx), extra)
    left, w = jnp.interp(at, times, jx), jnp.interp(at, times, bath)

    def closed(theta: Any) -> Readout:
        s, extra = rates_of_coupling(theta[4], theta[3], theta[0], belongs)
        return readout(theta[4], s * left * jnp.exp(-(theta[6] - decays) * at), extra, length)

    # without other decay there is no bath to scale
    scale = [jnp.where(b == 0, 1.0, a / jnp.where(b == 0, 1.0, b)) for a, b in zip(actual, closed(theta), strict=True)]
    ratio = detected(xi, actual, eta, w) * shot

    def xi_of(theta: Any) -> Any:
        r = Readout(*(a * b for a, b in zip(closed(theta), scale, strict=True)))
        return epr_from_light(ratio / theta[2], r, theta[1], theta[5] + w - bath_first)

    return ratio, jax.grad(xi_of)(theta), 1 / (shot * eta * actual.kappa2)


def _longest(a: Apparatus, probe: float | None, start: float | None) -> float:
    """Length of the longest window that is compared, a few decay times at most.

    Raises:
        InputError: a window that is given and does not fit, a pulse without room for any, or with room for very many.
    """
    plateau, decay = a.duration - 2 * a.edge, 1 / a.calibration["gamma"].value
    if not a.shortest <= plateau < np.inf:
        raise InputError(
            [
                f"a drive pulse of {a.duration:g} s with edges of {a.edge:g} s has no room for a window of ten "
                f"samples, {a.shortest:g} s; make it longer, or sample faster"
            ]
        )
    if not a.shortest <= 5 * decay or not plateau <= LONGEST * decay:
        raise InputError(
            [
                f"the spins decay within {decay:g} s, which must be at least a fifth of ten samples ({a.shortest:g} s) "
                f"and 1/{LONGEST:g} of the drive pulse ({a.duration:g} s); change protocol.duration or sample_rate"
            ]
        )
    if probe is not None and not a.shortest <= probe <= plateau * (1 + 1e-9):
        raise InputError(
            [f"a window of {probe:g} s must last from {a.shortest:g} to {plateau:g} s, as samples and light allow"]
        )
    if start is not None and not a.edge <= start <= a.duration - a.edge - (probe or a.shortest):
        raise InputError(
            [f"a window that starts at {start:g} s does not fit between {a.edge:g} and {a.duration - a.edge:g} s"]
        )
    return float(min(plateau, 5 * decay))


def _counts(a: Apparatus, start: float, probe: float) -> tuple[int, int]:
    """Whole windows on the plateau before one that begins at `start`, and from there on."""
    before, after = (int(t / probe * (1 + 1e-9)) for t in (start - a.edge, a.duration - a.edge - start))
    return before, max(1, after)


def _starts(a: Apparatus, start: float, probe: float) -> np.ndarray:
    """Windows one after the other on the plateau, of which one begins at `start` [s]."""
    before, after = _counts(a, start, probe)
    return np.maximum(start + probe * np.arange(-before, after), 0.0)
