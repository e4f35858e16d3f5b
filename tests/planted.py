"""Experiments on two cells of known xi, for tests and for validation/record_coverage.py.

Raw: samples of the digital twin cut into experiments. Modes: its exact currents in bins, thousands of experiments.
"""

import dataclasses
from functools import cached_property

import numpy as np
from scipy import stats

from darkstate.errors import InputError
from darkstate.records.calibration import calibration
from darkstate.records.conditional import best_exponential, exponents
from darkstate.records.estimate import estimate
from darkstate.records.light import Bins, falling, readout_of_bins, rising
from darkstate.records.reconstruct import reconstruct
from darkstate.records.schema import Pulse, record, sequence
from darkstate.records.simulate import Cells, Digitizer, simulate, simulate_modes
from darkstate.records.statistics import variance
from oracles import past_light

Z, GAMMA_S, EXTRA = 2.5, 100.0, 170.0
GAMMA = GAMMA_S + EXTRA
DIGITISER = {"sample_rate_hz": 7e5, "carrier_hz": 322e3, "full_scale": 100.0}

ERRORS = {"z": 0.03, "gamma": 5.0, "kappa2": 0.02, "efficiency": 0.02, "bath": 0.05, "shot_noise": 0.005}
"""Standard errors of a careful calibration: 1 to 2 % each, 0.5 % of the shot noise."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """xi at the start, eta, w, the read-out window and the light before it [s], method, memory between cycles."""

    xi: float
    eta: float
    w: float
    probe: float
    feed: float = 0.0
    method: str = "unconditional"
    correlation: float = 0.0

    @cached_property
    def truth(self):
        """xi at the read-out window, given what the method knows."""
        rates = (Z, GAMMA_S, EXTRA, self.w)
        if self.method == "unconditional":
            return past_light.unobserved(self.xi, self.feed, *rates)
        if self.method == "kalman":
            return past_light.filtered(self.xi, self.feed, *rates, self.eta)
        tried = np.geomspace(GAMMA, 20 * GAMMA, 100)
        return min(past_light.exponential(self.xi, self.feed, m, *rates, self.eta)[0] for m in tried)

    def cells(self, **more):
        """The cells of the digital twin."""
        given = {"z": Z, "gamma_s": GAMMA_S, "gamma_extra": EXTRA, "bath": self.w, "xi": self.xi}
        return Cells(**{**given, "correlation": self.correlation, **more})

    def calibration(self, **more):
        """The true calibration; kappa^2 = Z^2 (1 - a)(1 - exp(-2 gamma T))."""
        given = {"z": Z, "gamma": GAMMA, "efficiency": self.eta, "bath": self.w, "kappa2_duration": self.probe}
        return calibration(**{**given, "kappa2": kappa2(self.probe), **more})


def kappa2(duration):
    """kappa^2 of a pulse."""
    return Z**2 * GAMMA_S / GAMMA * (1 - np.exp(-2 * GAMMA * duration))


def raw_record(setting, cycles, seed, *, cells=None, digitizer=None, **more):
    """Signal and shot noise, so many cycles of each."""
    pulses = sequence(Pulse("drive", setting.feed + setting.probe))
    light = Digitizer(efficiency=setting.eta, **(DIGITISER | (digitizer or {})))
    return simulate(setting.cells(**(cells or {})), pulses, light, cycles=cycles, shot_cycles=cycles, seed=seed, **more)


def raw_pulls(setting, experiments, cycles, seed):
    """(xi - truth)/xi_err of every experiment, from one long record cut into pieces: its cycles are independent."""
    data = raw_record(setting, experiments * cycles, seed)
    found = []
    for k in range(experiments):
        part = slice(k * cycles, (k + 1) * cycles)
        one = reconstruct(
            data.isel(cycle=part, shot_cycle=part),
            setting.calibration(),
            starts=[setting.feed],
            methods=(setting.method,),
        ).estimates[setting.method][0]
        found.append((one.xi - setting.truth) / one.xi_err)
    return np.array(found)


def binned(setting, bins_per_probe=25):
    """The bins of a pulse, for currents that come in bins already."""
    step = setting.probe / bins_per_probe
    number = round((setting.feed + setting.probe) / step)
    pulse = Pulse("drive", number * step)
    blank = record(np.zeros((1, number)), sample_rate_hz=1 / step, carrier_hz=0.1 / step, pulses=[pulse])
    return Bins(blank, pulse, 0, 1, number)


def experiments(setting, count, cycles, seed, block=250):
    """Currents in units of shot noise [c b 2], independent experiments; a block of them at a time in memory."""
    bins = binned(setting)
    for first in range(0, count, block):
        y, _ = simulate_modes(
            setting.cells(),
            bins.number * bins.step,
            cycles=cycles,
            efficiency=setting.eta,
            bins=bins.number,
            seed=seed + first,
            experiments=min(block, count - first),
        )
        yield from y / np.sqrt(bins.step)


def estimates(setting, count, cycles, seed, *, errors=None, confidences=(0.95,)):
    """The `Estimate` of every experiment at every confidence, and the variance left if the past is chosen in-sample.

    With `errors`, each experiment has a calibration of its own, drawn about the true one.
    """
    bins, rng = binned(setting), np.random.default_rng(seed)
    errors = {k: e for k, e in (errors or {}).items() if not (k == "efficiency" and setting.eta == 1)}
    for k, y in enumerate(experiments(setting, count, cycles, seed)):
        true = setting.calibration(**({"shot_noise": 1.0} if errors else {}))
        known = setting.calibration(**{n: (true[n].value + e * rng.standard_normal(), e) for n, e in errors.items()})
        read = falling(bins, setting.feed, setting.probe, known["gamma"].value)
        found = np.einsum("cbq,b->cq", y, read)
        rates, naive = exponents(known["gamma"].value), np.nan
        if setting.feed:
            past = np.einsum("cbq,mb->cmq", y, np.stack([rising(bins, setting.feed, m) for m in rates]))
            naive = in_sample(found, past)
            found = best_exponential(found, past, rates).residual
        left, light, r = variance(found), variance(rng.standard_normal((cycles, 2))), readout_of_bins(bins, read, known)
        window = {"lit": setting.feed, "duration": setting.probe, "seed": k}
        yield [estimate(left, light, None, r, known, confidence=c, **window) for c in confidences], naive


def coverage(setting, count, cycles, seed, *, errors=None):
    """Share of experiments whose 68 % and 95 % intervals hold the truth, and mean and width of the pulls."""
    made = [e for e, _ in estimates(setting, count, cycles, seed, errors=errors, confidences=(0.68, 0.95))]
    one, two = (np.mean([e[k].low <= setting.truth <= e[k].high for e in made]) for k in (0, 1))
    pulls = [(e[0].xi - setting.truth) / e[0].total for e in made]
    return float(one), float(two), float(np.mean(pulls)), float(np.std(pulls))


def false_verdicts(eta, count, cycles, seed):
    """Experiments at xi = 1 given the light, the worst separable state: p-values, and those of choosing in-sample.

    w follows from dv/dt = 0 of the Riccati equation at v = 1. In-sample: R and its own degrees of freedom, the same F.
    """
    w = (GAMMA - GAMMA_S / Z**2 + eta * GAMMA_S * (Z - 1 / Z) ** 2) / EXTRA
    start = past_light.stationary(Z, GAMMA_S, EXTRA, w)
    setting = Setting(xi=start, eta=eta, w=w, probe=1e-3, feed=4e-3, method="exponential")
    honest, naive = [], []
    for (e,), left in estimates(setting, count, cycles, seed):
        honest.append(e.p_value)
        bound = eta * float(e.readout.kappa2 + e.readout.light + e.readout.bath * w) + 1 - eta
        naive.append(stats.f.cdf(left / e.shot.value / bound, e.atoms.dof, e.shot.dof))
    return setting, np.array(honest), np.array(naive)


def in_sample(read, feed):
    """Variance left after the best exponent and gain, judged on the very cycles they were chosen on."""
    y, x = read - read.mean(0), feed - feed.mean(0)
    cross, power = np.einsum("cq,cmq->m", y, x), np.einsum("cmq,cmq->m", x, x)
    return ((y**2).sum() - (cross**2 / power).max()) / (y.size - y.shape[1])


def refused(call, text):
    """Whether a call is refused with this sentence."""
    try:
        call()
    except InputError as error:
        return text in str(error)
    return False
