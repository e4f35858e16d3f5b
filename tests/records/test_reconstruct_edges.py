"""Records as laboratories write them: lost samples, spikes, clipping, drifts, lock-in amplifiers, soft edges.

Each is made by the digital twin with xi planted. Either xi comes back, or the check named says why not.
"""

import numpy as np
import pytest
import xarray as xr

from darkstate.records.demodulate import lock_in
from darkstate.records.reconstruct import reconstruct
from darkstate.records.schema import Pulse, sequence
from darkstate.records.simulate import Digitizer, simulate
from oracles import past_light
from planted import EXTRA, GAMMA, GAMMA_S, Setting, Z, kappa2, raw_record, refused

PLAIN = Setting(xi=0.6, eta=0.84, w=1.0, probe=1e-3)
ONCE = {"methods": ("unconditional",)}


def found(data, setting=PLAIN, **more):
    """The reconstruction, and the estimate of its first window."""
    calibration = setting.calibration(**more.pop("calibration", {}))
    made = reconstruct(data, calibration, **({"starts": [setting.feed]} | ONCE | more))
    return made, made.estimates["unconditional"][0]


def failed(data, **more):
    return {c.name for c in found(data, **more)[0].failed}


def assert_planted(data, truth=PLAIN.truth, setting=PLAIN, **more):
    made, one = found(data, setting, **more)
    assert one.xi == pytest.approx(truth, abs=4 * one.xi_err)
    assert made.failed == []
    return one


def test_lost_samples_cost_their_cycles():
    """1e-3 of 700 samples: exp(-0.7) = 50 % of the cycles are left at 1e-3, 81 % at 3e-4; nan is never a number."""
    one = assert_planted(raw_record(PLAIN, 3000, seed=1, digitizer={"missing": 3e-4}))
    assert one.atoms.cycles == pytest.approx(3000 * np.exp(-0.21), abs=4 * np.sqrt(3000 * 0.81 * 0.19))
    assert failed(raw_record(PLAIN, 500, seed=2, digitizer={"missing": 2e-3})) == {"missing"}


def test_many_small_spikes_are_flagged():
    """One cycle in seven holds a spike of 20 standard deviations, in signal and shot noise: xi is 0.06 too small."""
    assert "spikes" in failed(raw_record(PLAIN, 4000, seed=3, digitizer={"spikes": 2e-4, "full_scale": 1e3}))


def test_copied_cycles_are_flagged():
    """A record of 300 cycles pasted twice looks twice as precise."""
    one = raw_record(PLAIN, 300, seed=12)
    twice = one.isel(cycle=np.tile(np.arange(300), 2))
    assert "repeated" in failed(twice)


def test_few_large_spikes_are_flagged():
    """One sample in 2000 cycles that reads 200 standard deviations, as when a relay switches."""
    data = raw_record(PLAIN, 2000, seed=4)
    data.signal.values[777, 300] = 200.0
    assert "gaussian" in failed(data)


@pytest.mark.parametrize("told", [True, False])
def test_clipping_is_flagged(told):
    """At 2.5 standard deviations 1.2 % are at the limit, whether the record names its full scale or not."""
    data = raw_record(PLAIN, 400, seed=5, digitizer={"full_scale": 2.5})
    if not told:
        del data.attrs["full_scale"]
    assert "clipped" in failed(data)
    counts = raw_record(PLAIN, 400, seed=5, digitizer={"full_scale": 2.5, "bits": 12})
    if not told:
        del counts.attrs["full_scale"]
    assert "clipped" in failed(counts)


def test_counts_of_twelve_bits_are_as_good_as_numbers():
    assert_planted(raw_record(PLAIN, 3000, seed=6, digitizer={"full_scale": 8.0, "bits": 12}))


def test_two_runs_in_one_file_are_told_apart_at_their_cycle():
    """xi = 0.3 for 700 cycles, 1.6 for 1300: the detected variance changes by a factor 1.6; the cycle to 5 %."""
    low, high = (raw_record(Setting(xi, 0.84, 1.0, 1e-3), 2000, seed=7) for xi in (0.3, 1.6))
    signal = xr.concat([low.signal[:700], high.signal[:1300]], "cycle")
    both = low.drop_vars("signal").assign(signal=signal).assign_attrs(low.attrs)
    check = next(c for c in found(both)[0].failed if c.name == "stationary")
    cycle = int(check.text.split("most at cycle ")[1].split(",")[0])
    assert cycle == pytest.approx(700, abs=35)
    # var = eta (U^2 + V^2 + kappa^2 xi) + 1 - eta = 1.19 and 2.24 (common numbers U^2 0.828117, V^2 0.108411)
    ratios = [0.84 * (0.828117 + 0.108411 + 0.965861 * xi) + 0.16 for xi in (0.3, 1.6)]
    factor = float(check.text.split("factor ")[1].split(":")[0])
    assert factor == pytest.approx(ratios[1] / ratios[0], rel=4 * np.sqrt(1 / 700 + 1 / 1300))


def test_a_drifting_gain_is_flagged():
    """The gain rises by 30 % over the run, the variance by 69 %; blocks of 500 cycles are known to 4.5 %."""
    assert failed(raw_record(PLAIN, 4000, seed=8, digitizer={"gain_drift": 0.3})) == {"stationary"}


def test_a_carrier_off_by_a_hundred_hertz_is_flagged():
    """Spins of xi = 1.6 turn by 0.3 rad between the halves of a window; at the right frequency they do not."""
    setting = Setting(xi=4.0, eta=0.84, w=1.0, probe=2e-3)
    off = raw_record(setting, 4000, seed=9, digitizer={"carrier_error_hz": 100.0})
    check = next(c for c in found(off, setting)[0].checks if c.name == "carrier")
    assert not check.passed
    right = off.assign_attrs(carrier_hz=off.attrs["carrier_hz"] + 100.0)
    assert_planted(right, setting=setting, truth=4.0)
    # and the sentence names some 100 Hz, to a third
    assert abs(float(check.text.split("at some ")[1].split(" Hz")[0])) == pytest.approx(100.0, rel=0.35)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("order", "tau", "every"), [(1, 2e-5, 1), (1, 1e-4, 10), (2, 5e-5, 10), (4, 2e-5, 20), (4, 1e-4, 20)]
)
def test_lock_in_amplifiers(order, tau, every):
    """The amplifier's own record, and the raw one sent through another: the same light, one xi."""
    setting = Setting(xi=0.6, eta=0.84, w=1.0, probe=1e-3, feed=1e-3)
    dig = {"filter_order": order, "filter_time_constant": tau, "decimate": every, "full_scale": 1e3}
    own = raw_record(setting, 3000, seed=10, digitizer=dig | {"sample_rate_hz": 1e6})
    assert_planted(own, setting.truth, setting)
    raw = raw_record(setting, 3000, seed=11, digitizer={"sample_rate_hz": 1e6})
    first = assert_planted(raw, setting.truth, setting)
    second = assert_planted(lock_in(raw, tau, order=order, decimate=every), setting.truth, setting)
    # the same samples: what differs is a filter's length of light at the ends of the window
    assert second.xi == pytest.approx(first.xi, abs=1.5 * first.xi_err)


@pytest.mark.slow
@pytest.mark.parametrize(("order", "tau"), [(1, 1e-4), (4, 5e-5)])
def test_pulls_of_lock_in_records(order, tau):
    """100 experiments of 200 cycles, decimated to 50 kHz."""
    setting = Setting(xi=0.6, eta=0.84, w=1.0, probe=1e-3, feed=1e-3)
    dig = {"filter_order": order, "filter_time_constant": tau, "decimate": 20, "full_scale": 1e3}
    data = raw_record(setting, 20000, seed=12, digitizer=dig | {"sample_rate_hz": 1e6})
    pulls = []
    for k in range(100):
        part = slice(200 * k, 200 * (k + 1))
        one = found(data.isel(cycle=part, shot_cycle=part), setting)[1]
        pulls.append((one.xi - setting.truth) / one.xi_err)
    assert abs(np.mean(pulls)) < 4 / np.sqrt(100)
    assert np.std(pulls) == pytest.approx(1.0, abs=3 / np.sqrt(200))


def pulsed(setting, duration, cycles, seed, *, edge=0.0, cells=None, digitizer=None, dark=0):
    light = Digitizer(**({"sample_rate_hz": 7e5, "efficiency": setting.eta, "full_scale": 1e3} | (digitizer or {})))
    pulses = sequence(Pulse("drive", duration, edge=edge))
    planted = setting.cells(**(cells or {}))
    return simulate(planted, pulses, light, cycles=cycles, shot_cycles=cycles, dark_cycles=dark, seed=seed)


@pytest.mark.slow
def test_soft_edges():
    """Windows in the rise, on the plateau and at the end; the state decays with the light that there is."""
    edge, total = 3e-4, 2.5e-3
    data = pulsed(PLAIN, total, 4000, 13, edge=edge)
    made, _ = found(data, starts=[0.0, 5e-4, 1.5e-3])
    # light up to t: over a half-cosine edge one half of it, edge/2 in all; without light gamma_dark = 25/s, w = 1
    for start, lit in ((0.0, 0.0), (5e-4, 5e-4 - edge / 2), (1.5e-3, 1.5e-3 - edge / 2)):
        one = made.estimates["unconditional"][int(np.argmin(np.abs(made.starts - start)))]
        truth = past_light.unobserved(0.6, lit, Z, GAMMA_S, EXTRA, 1.0)
        # the dark share of the edge: 25/s for 0.15 ms towards 1
        assert one.xi == pytest.approx(truth, abs=4 * one.xi_err + 2 * 25 * edge / 2 * abs(1 - truth))
    assert made.failed == []


@pytest.mark.slow
def test_decay_of_the_mean_spin():
    """gamma_s falls as exp(-t/10 ms); xi from dv/dt = -2 gamma v + 2 gamma_s/Z^2 + 2 gamma_extra w, by SciPy."""
    from scipy.integrate import solve_ivp

    data = pulsed(PLAIN, 5e-3, 4000, 14, cells={"jx_decay": 100.0})
    starts = [0.0, 2e-3, 4e-3]
    made, _ = found(data, starts=starts, calibration={"jx_decay": 100.0})

    def slope(t, v):
        s = GAMMA_S * np.exp(-100.0 * t)
        return -2 * (s + EXTRA) * v + 2 * s / Z**2 + 2 * EXTRA

    truth = solve_ivp(slope, (0, 5e-3), [0.6], t_eval=starts, rtol=1e-9, atol=1e-12).y[0]
    for one, want in zip(made.estimates["unconditional"], truth, strict=True):
        assert one.xi == pytest.approx(want, abs=4 * one.xi_err)
    # left out, kappa^2 is taken too large by 1 - exp(-0.4) at 4 ms: xi comes out too small, and that is seen
    wrong = found(data, starts=starts)[0].estimates["unconditional"][2]
    assert wrong.xi < truth[2] - 4 * wrong.xi_err


def test_electronic_noise_is_taken_off():
    """A tenth of the shot noise; without the dark record R is (R + 0.1)/1.1 and xi is too large or too small by it."""
    data = pulsed(PLAIN, 1e-3, 6000, 15, digitizer={"electronic_noise": 0.1}, dark=6000)
    assert_planted(data)
    _, one = found(data.drop_vars("dark"))
    true = 0.84 * (0.828117 + 0.108411 + 0.965861 * 0.6) + 0.16
    assert one.ratio == pytest.approx((true + 0.1) / 1.1, abs=4 * one.ratio * np.sqrt(2 / 6000))


def test_the_wrong_efficiency_moves_xi_as_the_budget_says():
    """d xi/d eta = -(R - 1)/(eta^2 kappa^2): taken 0.1 too large, xi is too small by it to first order."""
    data = raw_record(PLAIN, 4000, seed=16)
    one = found(data)[1]
    taken = found(data, calibration={"efficiency": 0.85})[1]
    want = -(one.ratio - 1) / (0.84 * 0.85 * kappa2(1e-3)) * 0.01
    assert taken.xi - one.xi == pytest.approx(want, rel=1e-3)
    budget = found(data, calibration={"efficiency": (0.84, 0.01)})[1].budget["efficiency"]
    assert budget == pytest.approx(want, rel=0.02)


def test_windows_anywhere():
    """Six windows, not on the grid of bins, that overlap: each gives xi of its time."""
    data = pulsed(Setting(1.6, 0.84, 1.3, 1e-3), 3e-3, 4000, 17)
    setting = Setting(1.6, 0.84, 1.3, 1e-3)
    starts = [0.0, 0.123e-3, 0.77e-3, 1.001e-3, 1.5e-3, 2e-3]
    made, _ = found(data, setting, starts=starts)
    for t, one in zip(made.starts, made.estimates["unconditional"], strict=True):
        # a window begins at the nearest bin, at most 10 us away: 4e-3 of a decay of 540/s
        want = past_light.unobserved(1.6, t, Z, GAMMA_S, EXTRA, 1.3)
        assert one.xi == pytest.approx(want, abs=4 * one.xi_err + 540 * 1e-5 * 0.8)


@pytest.mark.parametrize("probe", [0.5e-3, 1e-3, 2e-3])
def test_any_probe_length_gives_the_same_xi(probe):
    """kappa^2 is calibrated at 1 ms; 0.547, 0.966 and 1.53 of the pulses follow from it."""
    data = pulsed(PLAIN, 2e-3, 4000, 18)
    one = assert_planted(data, probe=probe)
    assert one.readout.kappa2 == pytest.approx(kappa2(probe), rel=1e-3)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (
            {"kappa2": 1.21, "gamma_s": GAMMA_S},
            "kappa^2 = 1.21 is impossible with these gammas; the largest is 0.966. "
            "Most likely the unreduced value Z^2 (1 - exp(-2 gamma_s T)) was given",
        ),
        (
            {"kappa2": 1.21, "gamma_extra": EXTRA},
            "kappa^2 = 1.21 is impossible with these gammas; the largest is 0.966",
        ),
        # all of the decay in the entangling process: Z^2 (1 - exp(-0.54)) = 2.608
        ({"kappa2": 3.0}, "kappa^2 = 3 is impossible with these gammas; the largest is 2.61"),
        ({"efficiency": 1.2}, "efficiency = 1.2 +- 0 must be greater than 0 and at most 1"),
        ({"kapa2": 1.0}, "did you mean kappa2?"),
    ],
)
def test_impossible_calibrations_are_refused(more, text):
    assert refused(lambda: PLAIN.calibration(**more), text)
    assert GAMMA == GAMMA_S + EXTRA


@pytest.mark.slow
def test_good_records_pass_every_check():
    """300 records of 200 cycles, three windows, all methods: at 4.5 standard deviations none may fail."""
    setting = Setting(xi=1.0, eta=0.84, w=1.3, probe=0.5e-3, feed=1e-3)
    data = raw_record(setting, 60000, seed=19)
    alarms = {}
    for k in range(300):
        part = slice(200 * k, 200 * (k + 1))
        made = reconstruct(data.isel(cycle=part, shot_cycle=part), setting.calibration())
        for check in made.failed:
            alarms[check.name] = alarms.get(check.name, 0) + 1
    assert alarms == {}
