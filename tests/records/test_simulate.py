"""The digital twin against the closed forms of its equations, written here once more; no analysis code is used.

    y_-out = a y_- + (1-a) e y_+ + kappa P + Z sqrt(a(1-a)) (F_- - e F_+),   e = exp(-gamma T), a = gamma_extra/gamma

f ~ exp(-gamma t) is the falling mode y_-, exp(+gamma t) the rising one y_+. Statistical tolerances are 4 standard
errors: of a variance from n values sqrt(2/n), of a mean sqrt(variance/n), of a correlation 1/sqrt(n).
"""

import json

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.special import erfc

from darkstate.errors import InputError
from darkstate.records import cells as spins
from darkstate.records import simulate as twin
from darkstate.records.schema import Pulse, sequence
from darkstate.records.simulate import Cells, Digitizer, simulate, simulate_modes

Z, GAMMA_S, EXTRA, GAMMA = 2.5, 100.0, 170.0, 270.0
RATE, CARRIER = 2e5, 64e3  # 64 periods per ms: sums over a ms of cos^2 are exactly 1/2


def cells(**changed):
    return Cells(**{"z": Z, "gamma_s": GAMMA_S, "gamma_extra": EXTRA, **changed})


def digitizer(**changed):
    return Digitizer(**{"sample_rate_hz": RATE, "carrier_hz": CARRIER, "full_scale": 100.0, **changed})


def kappa(T, z=Z):
    return z * np.sqrt(GAMMA_S / GAMMA * (1 - np.exp(-2 * GAMMA * T)))


def falling_variance(T, *, w=1.0, xi=1.0, eta=1.0, z=Z):
    """eta [U^2/2 + V^2 w/2 + kappa^2 xi/2] + (1 - eta)/2."""
    e, a, eo = np.exp(-GAMMA * T), EXTRA / GAMMA, 2 * GAMMA * T / np.expm1(2 * GAMMA * T)
    U2 = a**2 + 2 * a * (1 - a) * eo + (1 - a) ** 2 * e**2
    V2 = z**2 * a * (1 - a) * (1 - 2 * eo + e**2)
    return eta * (U2 + V2 * w + kappa(T, z) ** 2 * xi) / 2 + (1 - eta) / 2


def mode(data, start, T, rate=-GAMMA, offset_hz=0.0, variable="signal"):
    """y_c, y_s of the mode exp(rate t) of the light from `start` on [cycle 2]; its vacuum variance is 1/2."""
    t = data.time.values
    on = (t > start) & (t < start + T)
    phase = 2 * np.pi * (data.carrier_hz + offset_hz) * t[on]
    f = np.exp(rate * (t[on] - start))
    f /= np.sqrt(np.sum(f**2))
    return data[variable].values[:, on] @ np.stack([f * np.cos(phase), f * np.sin(phase)], 1)


def assert_variance(found, want):
    assert np.mean(found**2) == pytest.approx(want, rel=4 * np.sqrt(2 / found.size))


def assert_mean(found, want, variance):
    assert found.mean(axis=0) == pytest.approx(np.asarray(want), abs=4 * np.sqrt(variance / len(found)))


def test_the_closed_form_has_the_published_numbers():
    """The example of the derivation: gamma_s 0.1/ms, gamma_extra 0.17/ms, T = 1 ms, Z = 2.5."""
    assert kappa(1e-3) ** 2 == pytest.approx(0.965861, abs=1e-6)
    assert falling_variance(1e-3) == pytest.approx((0.828117 + 0.108411 + 0.965861) / 2, abs=1e-6)


RAW = [(1e-3, 1.0, 1.0, 0.3), (1e-3, 0.84, 1.0, 1.6), (3e-3, 1.0, 1.3, 1.6), (3e-3, 0.84, 1.3, 0.3)]


@pytest.mark.parametrize(("T", "eta", "w", "xi"), RAW)
def test_variance_of_the_falling_mode(T, eta, w, xi):
    pulses = sequence(Pulse("drive", T))
    y = mode(simulate(cells(bath=w, xi=xi), pulses, digitizer(efficiency=eta), cycles=4000, seed=2), 0.0, T)
    assert_variance(y, falling_variance(T, w=w, xi=xi, eta=eta))
    assert abs(np.corrcoef(y.T)[0, 1]) < 4 / np.sqrt(len(y))  # c and s are independent


def test_the_error_is_of_second_order():
    """gamma dt = 0.135, cos^2 = 1/2 at every sample: misplaced light, decay or bath noise change 5 to 11 %."""
    pulses, coarse = sequence(Pulse("drive", 5e-3)), digitizer(sample_rate_hz=2e3, carrier_hz=500.0)
    y = mode(simulate(cells(xi=0.3), pulses, coarse, cycles=10000, seed=2), 0.0, 5e-3)
    assert_variance(y, falling_variance(5e-3, xi=0.3))


def test_variance_of_the_other_quadrature():
    """X meets q with Z and 1/Z exchanged: S3 obeys the same law with 1/Z, here of X with var 3."""
    one = sequence(Pulse("drive", 1e-3))
    data = simulate(cells(x_variance=6.0), one, digitizer(), cycles=4000, seed=3, measure="S3")
    assert_variance(mode(data, 0.0, 1e-3), falling_variance(1e-3, xi=6.0, z=1 / Z))


@pytest.mark.parametrize("w", [1.0, 1.3])
def test_steady_state(w):
    """After 15 ms xi = (1/Z^2 + x w)/(1 + x), x = gamma_extra/gamma_s: exp(-2 gamma t) < 4e-4 of the start is left."""
    x = EXTRA / GAMMA_S
    start, T = 15e-3, 3e-3
    data = simulate(cells(bath=w), sequence(Pulse("drive", start + T)), digitizer(), cycles=3000, seed=4)
    y = mode(data, start, T)
    assert_variance(y, falling_variance(T, w=w, xi=(1 / Z**2 + x * w) / (1 + x)))


@pytest.mark.parametrize("eta", [0.84, 1.0])
def test_what_the_light_before_tells(eta):
    """Read-out less its regression on the mode exp(m t) before: the stationary conditional variance."""
    w, x, T, past, h = 1.3, EXTRA / GAMMA_S, 1e-3, 8e-3, 2.5e-5
    found, bins = [], int((past + T) / h)
    y, _ = simulate_modes(cells(bath=w), past + T, cycles=15000, efficiency=eta, bins=bins, seed=5)
    xi = (1 / Z**2 + x * w) / (1 + x)
    m = np.sqrt(GAMMA * (GAMMA + 4 * eta * GAMMA_S * (Z**2 * xi - 1)))
    t = (np.arange(bins) + 0.5) * h - past
    read, feed = np.where(t > 0, np.exp(-GAMMA * t), 0), np.where(t < 0, np.exp(m * t), 0)
    for c in (0, 1):
        late, early = y[:, :, c] @ (read / np.sqrt(2 * h * np.sum(read**2))), y[:, :, c] @ feed
        found.append(late - early * (early @ late) / (early @ early))
    root = np.sqrt((1 + x) ** 2 + 4 * eta * x * (w * Z**2 - 1))
    conditional = (2 * eta - 1 - x + root) / (2 * eta * Z**2)
    assert_variance(np.array(found), falling_variance(T, w=w, xi=conditional, eta=eta))
    # the past does tell something
    assert np.mean(np.square(found)) < 0.95 * falling_variance(T, w=w, xi=xi, eta=eta)


def test_a_displaced_spin_decays_with_the_light_on():
    """<y_-> = kappa d of the first ms, exp(-gamma 1 ms) of it in the second; S2 only sees P."""
    d, T = np.array([40.0, -25.0]), 1e-3
    pulses = sequence(Pulse("rf", displacement=tuple(d)), Pulse("drive", 2 * T))
    data = simulate(cells(), pulses, digitizer(), cycles=400, seed=6)
    for start in (0.0, T):
        assert_mean(mode(data, start, T), kappa(T) * d * np.exp(-GAMMA * start), 1.0)


def test_a_displaced_spin_decays_in_the_dark():
    """<y_-> = kappa d exp(-gamma_dark t); the variance goes to that of the coherent spin state with twice the rate."""
    d, T, dark, rate = np.array([40.0, -25.0]), 1e-3, 10e-3, 60.0
    pulses = sequence(Pulse("rf", displacement=tuple(d)), Pulse("dark", dark), Pulse("drive", T))
    data = simulate(cells(gamma_dark=rate, xi=3.0), pulses, digitizer(), cycles=3000, seed=7)
    y, want = mode(data, dark, T), kappa(T) * d * np.exp(-rate * dark)
    assert_mean(y, want, 1.2)
    assert_variance(y - want, falling_variance(T, xi=1 + 2 * np.exp(-2 * rate * dark)))
    assert (data.signal.values[:, : int(dark * RATE)] == 0).all()


def test_mean_transfer_from_light_to_light():
    """Displaced light, X turned into P, read out: <y_-> / <q_+> = kappa^2, q_+ measured without atoms."""
    d, T = np.array([60.0, -30.0]), 1e-3
    first = Pulse("drive", T, displacement=tuple(d))
    without = {"atoms": False, "measure": "S3", "purpose": "input"}
    light = simulate(cells(), sequence(first), digitizer(), cycles=400, seed=8, **without)
    q = mode(light, 0.0, T, rate=GAMMA)
    assert_mean(q, d, 0.5)
    pulses = sequence(first, Pulse("rotate"), Pulse("drive", T))
    data = simulate(cells(), pulses, digitizer(), cycles=400, seed=9, purpose="transfer")
    y = mode(data, T, T)
    assert_mean(y, kappa(T) ** 2 * d, 4.0)
    assert y.mean(axis=0) / q.mean(axis=0) == pytest.approx(kappa(T) ** 2, rel=0.01)


def test_signs_of_the_rotation_and_of_s3():
    """RF d on P, turned into X = -d: S3 shows -(1/Z^2) kappa X = +kappa d/Z^2."""
    d, T = np.array([90.0, -60.0]), 1e-3
    pulses = sequence(Pulse("rf", displacement=tuple(d)), Pulse("rotate"), Pulse("drive", T))
    data = simulate(cells(), pulses, digitizer(), cycles=400, seed=10, measure="S3")
    assert_mean(mode(data, 0.0, T), kappa(T) * d / Z**2, 1.0)


def test_rates_that_change():
    """Readout Z sqrt(2 gamma_s(t)) d exp(-int gamma): a straight rise of gamma_extra and a decay of <J_x>."""
    d, T, j = 200.0, 4e-3, 150.0
    changing = cells(times=[0.0, T], gamma_extra=[100.0, 500.0], jx_decay=j)
    pulses = sequence(Pulse("rf", displacement=(d, 0.0)), Pulse("drive", T))
    data = simulate(changing, pulses, digitizer(), cycles=300, seed=11)
    for start in (0.0, 1e-3, 3e-3):
        t = start + (np.arange(1000) + 0.5) * 1e-6
        total = GAMMA_S * (1 - np.exp(-j * t)) / j + 100.0 * t + 400.0 / T * t**2 / 2
        readout = Z * np.sqrt(2 * GAMMA_S * np.exp(-j * t)) * d * np.exp(-total)
        # a flat mode of 1 ms, vacuum variance 1/2: mean readout times sqrt(1 ms)
        assert_mean(mode(data, start, 1e-3, rate=0.0)[:, 0], readout.mean() * np.sqrt(1e-3), 1.2)


def test_shot_noise_is_white_with_variance_1_and_dark_noise_is_electronic():
    dig = digitizer(efficiency=0.84, electronic_noise=0.05)
    data = simulate(cells(), sequence(Pulse("drive", 5e-3)), dig, cycles=1, shot_cycles=300, dark_cycles=300, seed=12)
    shot, dark = data.shot_noise.values, data.dark.values
    assert_variance(shot, 1.05)
    assert_variance(dark, 0.05)
    for lag in range(1, 6):
        assert abs(np.mean(shot[:, lag:] * shot[:, :-lag])) < 4 * 1.05 / np.sqrt(shot[:, lag:].size)


def test_edges_are_half_a_cosine_in_power():
    """Shot noise follows the power of the local oscillator; middle of the edge: 1/2, a quarter of it: sin^2(pi/8)."""
    pulses = sequence(Pulse("dark", 1e-3), Pulse("drive", 2e-3, edge=5e-4))
    data = simulate(cells(), pulses, digitizer(), cycles=1, shot_cycles=5000, seed=13)
    power = np.mean(data.shot_noise.values.astype(float) ** 2, axis=0)
    t, error = data.time.values - 1e-3, 4 * np.sqrt(2 / 5000)
    assert (power[t < 0] == 0).all()
    for at, want in ((1.25e-4, np.sin(np.pi / 8) ** 2), (2.5e-4, 0.5), (1e-3, 1.0), (1.75e-3, 0.5)):
        near = np.abs(t - at) < 1.1 / RATE
        assert power[near].mean() == pytest.approx(want, rel=error)


def test_an_edge_slows_the_decay():
    """Two edges of length b take b of full light away: the mean after them is d exp(-gamma (T - b) - gamma_dark b)."""
    d, T, b, dark = 200.0, 2e-3, 5e-4, 40.0
    pulses = sequence(Pulse("rf", displacement=(d, 0.0)), Pulse("drive", T, edge=b), Pulse("drive", 1e-3))
    data = simulate(cells(gamma_dark=dark), pulses, digitizer(), cycles=300, seed=14)
    want = kappa(1e-3) * d * np.exp(-GAMMA * (T - b) - dark * b)
    assert_mean(mode(data, T, 1e-3)[:, 0], want, 1.0)


def test_clipping_and_counts():
    """Beyond 1.5 standard deviations lies erfc(1.5/sqrt 2); 12 bits of it are counts up to 2047."""
    pulses = sequence(Pulse("drive", 5e-3))
    both = (digitizer(full_scale=1.5, bits=bits) for bits in (None, 12))
    floats, counts = (simulate(cells(), pulses, dig, cycles=1, shot_cycles=200, seed=15) for dig in both)
    shot = floats.shot_noise.values
    n = shot.size
    assert shot.dtype == np.float32 and floats.attrs["full_scale"] == 1.5 and np.abs(shot).max() == 1.5
    p = erfc(1.5 / np.sqrt(2))
    assert np.mean(np.abs(shot) == 1.5) == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / n))
    assert counts.shot_noise.dtype == np.int16 and counts.shot_noise.attrs["units"] == "counts"
    assert counts.attrs["full_scale"] == 2047 and np.abs(counts.shot_noise.values).max() == 2047
    assert np.abs(counts.shot_noise.values - shot * 2047 / 1.5).max() <= 0.501  # rounding, and that of 32 bits


def test_gain_drifts_in_equal_steps():
    dig = digitizer(gain_drift=0.5)
    data = simulate(cells(), sequence(Pulse("drive", 5e-2)), dig, cycles=1, shot_cycles=11, seed=16)
    assert data.shot_noise.values.std(axis=1) == pytest.approx(
        np.linspace(1.0, 1.5, 11), rel=4 * np.sqrt(1 / (2 * data.sizes["time"]))
    )


def test_lost_samples_and_spikes():
    pulses = sequence(Pulse("drive", 5e-3))
    lost = simulate(cells(), pulses, digitizer(missing=0.03), cycles=100, seed=17).signal.values
    assert np.isnan(lost).mean() == pytest.approx(0.03, abs=4 * np.sqrt(0.03 / lost.size))
    hit = simulate(cells(), pulses, digitizer(spikes=0.03), cycles=1, shot_cycles=100, seed=18).shot_noise.values
    spikes = np.abs(hit) > 12
    assert spikes.mean() == pytest.approx(0.03, abs=4 * np.sqrt(0.03 / hit.size))
    assert np.mean(np.abs(hit[spikes])) == pytest.approx(20.0, abs=4 / np.sqrt(spikes.sum()))
    assert abs(np.mean(hit[spikes] > 0) - 0.5) < 4 * 0.5 / np.sqrt(spikes.sum())


def test_a_wrong_carrier_turns_the_phase():
    """At 300 Hz from the carrier the phase advances by 0.6 pi between windows 1 ms apart; demodulated right, by 0."""
    pulses = sequence(Pulse("rf", displacement=(300.0, 0.0)), Pulse("drive", 1.25e-3))
    data = simulate(cells(), pulses, Digitizer(carrier_error_hz=300.0, full_scale=100.0), cycles=50, seed=19)
    assert data.attrs["carrier_hz"] == 322e3
    for offset, want in ((0.0, 0.6 * np.pi), (300.0, 0.0)):
        # cos((Omega + delta) t) is c = cos(delta t), s = -sin(delta t)
        early, late = (mode(data, at, 2.5e-4, offset_hz=offset).mean(axis=0) @ [1, -1j] for at in (0.0, 1e-3))
        # twice the carrier leaks by at most 1/(n sin(2 pi 0.322)) = 0.0044 into each window of n = 250 samples
        assert np.angle(late / early) == pytest.approx(want, abs=0.01)


def test_low_pass_of_the_detector():
    """One pole: white noise keeps (1 - r)/(1 + r) of its variance, r = exp(-2 pi B dt); electronic noise keeps all."""
    B = 4e4
    dig = digitizer(bandwidth_hz=B, electronic_noise=0.1)
    data = simulate(cells(), sequence(Pulse("drive", 5e-3)), dig, cycles=1, shot_cycles=400, dark_cycles=100, seed=20)
    r = np.exp(-2 * np.pi * B / RATE)
    settled = data.shot_noise.values[:, 20:]
    error = 4 * np.sqrt(2 / settled.size * (1 + r**2) / (1 - r**2))  # neighbours are correlated
    assert np.mean(settled**2) == pytest.approx((1 - r) / (1 + r) + 0.1, rel=error)
    assert_variance(data.dark.values, 0.1)


def test_lock_in_amplifier():
    """Four RC stages: e^{-gamma t} grows by (1 - gamma tau)^-4, white noise falls to 5 dt/(32 tau) of its variance."""
    tau, d = 5e-5, 3000.0
    dig = Digitizer(filter_time_constant=tau, filter_order=4, decimate=20, full_scale=1e3)
    pulses = sequence(Pulse("rf", displacement=(d, -d / 2)), Pulse("drive", 3e-3))
    data = simulate(cells(), pulses, dig, cycles=60, shot_cycles=2000, seed=21)
    assert data.attrs["kind"] == "demodulated" and data.attrs["filter_order"] == 4
    assert data.sizes["time"] == 150 and data.attrs["sample_rate_hz"] == 5e4
    late = data.time.values > 20 * tau
    per_sample = np.sqrt(2) * Z * np.sqrt(2 * GAMMA_S * 1e-6)
    one = per_sample * np.exp(-GAMMA * data.time.values[late]) / (1 - GAMMA * tau) ** 4
    # one raw sample of delay is 3e-4 of the decay, the ripple at twice the carrier (4 pi 322 kHz tau)^-4 < 1e-8
    found = data.signal.values[:, late].mean(axis=0)
    assert found == pytest.approx(np.outer(one, [d, -d / 2]), rel=3e-3)
    shot = data.shot_noise.values[:, late][:, ::25]  # 10 time constants apart: independent
    assert np.mean(shot**2) == pytest.approx(5 * 1e-6 / (32 * tau), rel=4 * np.sqrt(2 / shot.size))


def test_starting_states_of_neighbouring_cycles_are_correlated():
    _, p = simulate_modes(cells(xi=0.6, correlation=0.8), 1e-5, cycles=40000, bins=1, seed=22)
    effective = p.size * (1 - 0.8**2) / (1 + 0.8**2)
    assert np.mean(p**2) == pytest.approx(0.3, rel=4 * np.sqrt(2 / effective))
    for lag in (1, 3):
        assert np.mean(p[lag:] * p[:-lag]) / np.mean(p**2) == pytest.approx(0.8**lag, abs=4 * np.sqrt(1 / effective))
    # the first cycle has the same variance: over 4000 experiments of one cycle
    _, first = simulate_modes(cells(xi=0.6, correlation=0.8), 1e-5, cycles=1, bins=1, seed=23, experiments=4000)
    assert_variance(first, 0.3)


def test_a_cycle_does_not_depend_on_how_many_there_are():
    pulses, planted = sequence(Pulse("drive", 1e-3), Pulse("rotate"), Pulse("drive", 1e-3)), cells(correlation=0.5)
    dig = digitizer(efficiency=0.8, electronic_noise=0.1, spikes=0.01)
    few, many = (simulate(planted, pulses, dig, cycles=n, shot_cycles=n, seed=24) for n in (3, 70))
    assert all((few[name].values == many[name].values[:3]).all() for name in ("signal", "shot_noise"))
    # cycles, parts of the record and seeds are different
    light, other = (simulate(planted, pulses, dig, cycles=3, shot_cycles=3, seed=k, atoms=False) for k in (24, 25))
    rows = np.concatenate([one[name].values for one in (light, other) for name in ("signal", "shot_noise")])
    assert np.abs(np.corrcoef(rows) - np.eye(12)).max() < 5 / np.sqrt(400)


def test_pieces_do_not_matter(monkeypatch):
    """A cycle in pieces of 37 samples, and in blocks of 5 cycles, is the same up to the rounding of 32 bits."""
    pulses = sequence(Pulse("drive", 1e-3, edge=1e-4), Pulse("dark", 1e-3), Pulse("drive", 1e-3))
    dig = Digitizer(efficiency=0.8, bandwidth_hz=4e5, filter_time_constant=1e-5, decimate=7)
    whole = simulate(cells(), pulses, dig, cycles=12, seed=26)
    monkeypatch.setattr(spins, "_PIECE", 37)
    monkeypatch.setattr(twin, "_BLOCK", 5)
    pieces = simulate(cells(), pulses, dig, cycles=12, seed=26)
    assert pieces.signal.values == pytest.approx(whole.signal.values, abs=1e-6)


def test_strong_decay_in_one_piece():
    """e^{-gamma t} over a piece would leave the range of numbers: gamma 2e5/s for 10 ms; the light is vacuum again."""
    fast = cells(gamma_s=0.0, gamma_extra=2e5)
    data = simulate(fast, sequence(Pulse("drive", 1e-2)), Digitizer(), cycles=20, seed=27)
    assert_variance(data.signal.values, 1.0)


@pytest.mark.parametrize(("h", "eta"), [(2e-5, 0.84), (1e-3, 1.0), (2e-2, 0.84)])
def test_bins_of_any_length_are_exact(h, eta):
    """Mean and covariance of (P', current) from Van Loan's matrix exponential of the equations: 1e-7."""
    w, c = 1.3, np.sqrt(2 * GAMMA_S)
    drift = np.array([[-GAMMA, 0.0], [np.sqrt(2 * eta) * Z * c, 0.0]])
    into = np.array([[-c / Z, np.sqrt(2 * EXTRA * w), 0.0], [np.sqrt(2 * eta), 0.0, np.sqrt(2 * (1 - eta))]])
    noise = into @ into.T / 2
    block = expm(np.block([[-drift, noise], [np.zeros((2, 2)), drift.T]]) * h)
    flow = block[2:, 2:].T
    stay, read, kick, along, rest = twin._bin(cells(bath=w), h, eta)
    assert [stay, read] == pytest.approx(flow[:, 0], rel=1e-9)
    found = np.array([[kick**2, kick * along], [kick * along, along**2 + rest**2]])
    assert found == pytest.approx(flow @ block[:2, 2:], rel=1e-7)


@pytest.mark.parametrize(("T", "w", "xi"), [(1e-3, 1.0, 0.3), (3e-3, 1.3, 1.6)])
def test_variance_of_the_falling_mode_from_bins(T, w, xi):
    """30 bins follow exp(-gamma t) to (gamma h)^2/24 < 4e-5; 10 experiments of 4000 cycles are all different."""
    y, p = simulate_modes(cells(bath=w, xi=xi), T, cycles=4000, efficiency=0.9, bins=30, seed=28, experiments=10)
    h = T / 30
    f = np.exp(-GAMMA * (np.arange(30) + 0.5) * h)
    found = np.einsum("rcbq,b->rcq", y, f / np.sqrt(2 * h * np.sum(f**2)))
    assert_variance(found, falling_variance(T, w=w, xi=xi, eta=0.9))
    assert_variance(p, xi / 2)
    # <y_- P> = sqrt(eta) kappa var P, positive
    assert np.mean(found * p) == pytest.approx(np.sqrt(0.9) * kappa(T) * xi / 2, rel=4 * np.sqrt(3 / p.size))
    assert len(np.unique(p)) == p.size


def test_samples_and_bins_tell_the_same():
    """Covariance of the current in 5 bins of 0.2 ms, one simulator against the other."""
    T, n, cycles = 1e-3, 5, 5000
    planted = cells(bath=1.3, xi=0.4)
    data = simulate(planted, sequence(Pulse("drive", T)), digitizer(efficiency=0.9), cycles=cycles, seed=29)
    raw = np.concatenate([mode(data, k * T / n, T / n, rate=0.0) for k in range(n)]).reshape(n, -1) * np.sqrt(2 * T / n)
    binned, _ = simulate_modes(planted, T, cycles=cycles, efficiency=0.9, bins=n, seed=30)
    fine = np.moveaxis(binned, 1, 0).reshape(n, -1)
    a, b = raw @ raw.T / raw.shape[1], fine @ fine.T / raw.shape[1]
    error = np.sqrt(2 * (np.outer(np.diag(b), np.diag(b)) + b**2) / raw.shape[1])
    assert (np.abs(a - b) < 4 * error).all()


def test_truth_and_progress_are_told():
    done, planted, pulses = [], cells(times=[0.0, 1.0], bath=[1.0, 1.3]), sequence(Pulse("drive", 1e-4))
    data = simulate(planted, pulses, digitizer(), cycles=40, seed=31, progress=done.append, power_w=0.005)
    truth = json.loads(data.attrs["truth"])
    assert truth["cells"]["bath"] == [1.0, 1.3] and truth["digitizer"]["sample_rate_hz"] == RATE
    assert data.attrs["power_w"] == 0.005 and data.attrs["seed"] == 31
    assert done == sorted(done) and done[-1] == 1.0 and len(done) > 1


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: cells(z=0.5), "z is 0.5; it must be at least 1"),
        (lambda: cells(gamma_extra=-1.0), "gamma_extra is -1.0"),
        (lambda: cells(xi=0.5, x_variance=1.0), r"xi \* x_variance is 0.5"),
        (lambda: cells(bath=[1.0, 1.1]), "one value for each of `times`"),
        (lambda: digitizer(efficiency=1.2), "efficiency is 1.2; it must be from 0 to 1"),
        (lambda: digitizer(carrier_hz=RATE), "half the sample rate"),
        (lambda: digitizer(bits=12, missing=0.1), "counts hold no NaN"),
        (lambda: digitizer(decimate=4), "only a lock-in"),
        (lambda: simulate(cells(), sequence(Pulse("drive", 1.0)), digitizer(), cycles=10000, seed=1), "8.0 GB.*cycles"),
        (lambda: simulate(cells(), sequence(Pulse("rf")), digitizer(), cycles=1, seed=1), "shorter than one"),
        (lambda: simulate(cells(), sequence(Pulse("drive", 1e-3)), digitizer(), cycles=0, seed=1), "at least one"),
        (lambda: simulate_modes(cells(jx_decay=1.0), 1e-3, cycles=1, bins=1, seed=1), "constant rates"),
        (lambda: simulate_modes(cells(), 1e-3, cycles=1, bins=0, seed=1), "0 bins"),
    ],
)
def test_what_cannot_be_is_refused(make, text):
    with pytest.raises(InputError, match=text):
        make()
