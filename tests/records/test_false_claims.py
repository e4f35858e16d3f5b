"""What a tired experimenter may hand in: none of it may be called entangled without a word.

Good cells: Z = 2.5, gamma_s = 100/s, gamma_extra = 170/s, w = 1.3, 4 ms of light; xi falls from 1 to 0.89.
"""

import dataclasses

import numpy as np
import pytest

import darkstate as ds
from darkstate.errors import ArgumentError, InputError
from darkstate.records.calibration import calibration
from darkstate.records.demodulate import lock_in
from darkstate.records.reconstruct import reconstruct
from darkstate.records.schema import Pulse, sequence
from darkstate.records.simulate import Cells, Digitizer, simulate
from darkstate.report.recording import lab_calibration, simulate_lab

CELLS = Cells(z=2.5, gamma_s=100.0, gamma_extra=170.0, bath=1.3)
SEEN = Digitizer(sample_rate_hz=7e5, efficiency=0.84, full_scale=20.0)
LIGHT = sequence(Pulse("drive", 4e-3))
KNOWN = calibration(
    z=2.5, gamma=270.0, kappa2=(0.965861, 0.01), kappa2_duration=1e-3, efficiency=(0.84, 0.01), bath=1.3
)


def recorded(*, digitizer=SEEN, seed=3, cycles=1500, **more):
    return simulate(CELLS, LIGHT, digitizer, cycles=cycles, shot_cycles=800, seed=seed, **more)


def failed(data, known=KNOWN):
    return {c.name for c in reconstruct(data, known, methods=("unconditional",)).failed}


@pytest.fixture(scope="module")
def good():
    return recorded()


def test_the_good_record_passes(good):
    r = reconstruct(good, KNOWN)
    # xi_inf = (1/Z^2 + 1.7 w)/2.7 = 0.878, approached as exp(-0.54 t)
    expected = 0.878 + 0.122 * np.exp(-0.54 * np.arange(4))
    assert r.failed == [] and np.abs((r.values("xi") - expected) / r.values("xi_err")).max() < 3


def test_no_atoms_in_the_light():
    """R = 1 reads as xi = (1 - U^2 - V^2 w)/kappa^2 = 0.03."""
    data = recorded(atoms=False)
    r = reconstruct(data, KNOWN, methods=("unconditional",))
    assert r.values("xi").mean() == pytest.approx(0.03, abs=0.1) and "course" in {c.name for c in r.failed}


def test_atoms_left_in_the_shot_noise(good):
    atoms = recorded(seed=4).signal.values[:800]
    assert "white" in failed(good.assign(shot_noise=(("shot_cycle", "time"), atoms)))


@pytest.mark.parametrize("off", [5e3, -20e3])
def test_a_carrier_that_is_far_off(off):
    assert "course" in failed(recorded(digitizer=dataclasses.replace(SEEN, carrier_error_hz=off)))


def test_a_carrier_that_the_calibration_knows_better(good):
    found = calibration(**{n: (q.value, q.error) for n, q in KNOWN.quantities.items()}, carrier=(325e3, 0.1))
    with pytest.raises(InputError, match="demodulated at 322000 Hz, but the calibration found the spins at 325000 Hz"):
        reconstruct(good, found)


@pytest.mark.parametrize("gain", [1.05, 0.95])
def test_shot_noise_at_another_power(good, gain):
    assert "light" in failed(good.assign(shot_noise=good.shot_noise * gain))


def test_another_time_constant_of_the_lock_in(good):
    filtered = lock_in(good, 30e-6, order=1, decimate=20)
    assert failed(filtered) == set()
    assert "white" in failed(filtered.assign_attrs(filter_time_constant=60e-6))


def test_the_kalman_filter_of_a_lock_in_record_is_that_of_the_light_itself():
    """Samples share light over (order - 1) steps; a filter that uses them subtracts shot noise of the window."""
    data = recorded(cycles=3000, seed=7)
    raw = reconstruct(data, KNOWN).values("xi", "kalman")[1:]
    for order, tau, decimate in ((2, 50e-6, 35), (4, 100e-6, 70)):
        r = reconstruct(lock_in(data, tau, order=order, decimate=decimate), KNOWN)
        assert np.mean(r.values("xi", "kalman")[1:] - raw) > -0.02


def test_a_dark_record_above_the_light_is_refused(good):
    loud = good.assign(dark=(("dark_cycle", "time"), 3 * good.shot_noise.values[:100]))
    with pytest.raises(InputError, match="dark record is noisier than the light"):
        reconstruct(loud, KNOWN)


def test_electronic_noise_without_a_dark_record_is_refused(good):
    known = calibration(**{n: (q.value, q.error) for n, q in KNOWN.quantities.items()}, electronic_noise=(0.1, 0.01))
    with pytest.raises(InputError, match="the record has no `dark`"):
        reconstruct(good, known)


@pytest.mark.parametrize("purpose", ["input", "power", "decay"])
def test_records_of_another_purpose_are_refused(good, purpose):
    with pytest.raises(InputError, match=f"is of purpose {purpose}"):
        reconstruct(good.assign_attrs(purpose=purpose), KNOWN)


def test_copies_of_one_channel_or_of_cycles(good):
    filtered = lock_in(good, 30e-6, order=1, decimate=20)
    same = filtered.signal.values.copy()
    same[..., 1] = same[..., 0]
    assert "balanced" in failed(filtered.assign(signal=(filtered.signal.dims, same)))
    assert "repeated" in failed(good.isel(shot_cycle=np.tile(np.arange(200), 4)))
    jittered = good.isel(cycle=np.tile(np.arange(300), 5))
    noise = 1e-5 * np.random.default_rng(1).standard_normal(jittered.signal.shape).astype("f4")
    assert "repeated" in failed(jittered.assign(signal=jittered.signal + noise))


def test_light_before_the_window_counts_for_the_decay_of_jx():
    """A drive pulse of 8 ms, darkness, and one of 9 ms that is read: <Jx> has fallen when the second begins."""
    cells = dataclasses.replace(CELLS, jx_decay=60.0, bath=1.0)
    pulses = sequence(Pulse("drive", 8e-3), Pulse("dark", 1e-3), Pulse("drive", 9e-3))
    data = simulate(cells, pulses, SEEN, cycles=800, shot_cycles=400, seed=8)
    known = calibration(**{n: (q.value, q.error) for n, q in KNOWN.quantities.items() if n != "bath"}, jx_decay=60.0)
    late = reconstruct(data, known, methods=("unconditional",))
    # v -> (gamma_s/Z^2 + gamma_extra)/(gamma_s + gamma_extra) with gamma_s = 100 exp(-0.06 (8 to 17)): 0.77 to 0.85
    assert late.failed == [] and 0.70 < late.values("xi")[2:].mean() < 0.92


def test_exact_copies_of_a_number_are_no_noise(good):
    with pytest.raises(InputError, match="same in every cycle"):
        reconstruct(good.assign(shot_noise=good.shot_noise * 0 + 0.3), KNOWN)


@pytest.mark.slow
def test_the_course_of_caesium_cells_is_followed():
    """000 Fig. 3b, pump and repump: xi goes from 1.02 through 0.94 at 2 ms to 1.066; lines for <Jx> and w gave 0.84."""
    lab = ds.load(ds.shipped_labs()["muschik2013"])
    r = reconstruct(simulate_lab(lab, cycles=1500, duration=30e-3), lab_calibration(lab), methods=("unconditional",))
    p = ds.predict(lab).to_dataset()
    expected = np.interp(r.starts, p.t.values, p.xi.values)
    pulls = (r.values("xi") - expected) / r.values("xi_err")
    assert r.failed == [] and abs(pulls.mean()) < 0.6 and pulls.std() < 1.4


def test_certify_says_when_nothing_shows_atoms():
    """One window: the course cannot tell, so that the noise itself must differ from that of light."""
    lab = ds.load(ds.shipped_labs()["krauter2011-steady"])
    data = simulate(CELLS, sequence(Pulse("drive", 1e-3)), SEEN, cycles=800, shot_cycles=800, seed=3, atoms=False)
    made = ds.certify(data, lab, calibration=KNOWN, at=0.0, method="unconditional")
    assert made.verdict == "not shown" and "nothing shows that there are atoms" in made.content["claim"]["reasons"][1]
    with pytest.raises(ArgumentError, match=r"at least 0\.9"):
        ds.certify(data, lab, calibration=KNOWN, at=0.0, method="unconditional", confidence=0.001)


def test_a_carrier_in_kilohertz(good):
    with pytest.raises(InputError, match=r"carrier of 0\.322 Hz turns 0\.0013 times per cycle"):
        ds.record(good.signal.values, sample_rate_hz=7e5, carrier_hz=0.322, pulses=LIGHT)


def test_paths_in_place_of_what_they_hold(good):
    lab = ds.load(ds.shipped_labs()["krauter2011-steady"])
    for call, said in (
        (lambda: ds.reconstruct("run.zarr", KNOWN), "open_record"),
        (lambda: ds.reconstruct(good, lab), "lab_calibration"),
        (lambda: ds.certify("run.zarr", lab), "open_record"),
        (lambda: ds.certify(good, "lab.toml"), "load"),
        (lambda: ds.verify("cert.json", good), "read_certificate"),
    ):
        with pytest.raises(ArgumentError, match=said):
            call()


def test_light_before_the_pulse_stays_out_of_a_filtered_record():
    """Undoing the filter at a border needs the samples before it: a pulse after another reads as if alone."""
    pulses = sequence(Pulse("drive", 1e-3), Pulse("dark", 1e-4), Pulse("drive", 3e-3))
    raw = simulate(CELLS, pulses, SEEN, cycles=100, shot_cycles=100, seed=9)
    mode = ds.TemporalMode("falling", start=1.1e-3, duration=1e-3, rate=270.0)
    # one stage per raw sample, so that nothing is lost by thinning out and the filter is undone exactly
    filtered = lock_in(raw, 50e-6, order=2)
    phase = 2 * np.pi * 322e3 * raw.time.values
    mixed = raw.signal.values[..., None] * np.sqrt(2) * np.stack([np.cos(phase), np.sin(phase)], -1)
    expected = np.einsum("ctq,t->cq", mixed, mode.weights(raw.time.values))
    np.testing.assert_allclose(ds.quadratures(filtered, [mode])[:, 0], expected, atol=1e-9)
    np.testing.assert_allclose(ds.quadratures(raw, [mode])[:, 0], expected, atol=1e-9)
