"""Planted mistakes are named first, with their size; a good record names none."""

import pytest

from calibration_records import given, transferred
from darkstate.records.calibration import calibration
from darkstate.records.fingerprint import fingerprint
from darkstate.records.schema import Pulse, sequence
from darkstate.records.simulate import Cells, Digitizer, simulate

KAPPA2, UNREDUCED, BEHIND_ATOMS = 0.965861, 1.132933, 1.0623
"""1 ms at gamma_s = 100, gamma_extra = 170 /s, Z = 2.5; 6.25 (1 - e^{-0.2}); and with atoms in the input, /0.909."""


def recorded(**digitizer):
    cells = Cells(z=2.5, gamma_s=100.0, gamma_extra=170.0)
    seen = Digitizer(sample_rate_hz=7e5, efficiency=0.84, full_scale=20.0, **digitizer)
    return simulate(cells, sequence(Pulse("drive", 3e-3)), seen, cycles=8000, shot_cycles=8000, seed=2)


def known(**changed):
    usual = {"z": 2.5, "gamma": 270.0, "kappa2": (KAPPA2, 0.005), "kappa2_duration": 1e-3, "efficiency": (0.84, 0.005)}
    return calibration(**{**usual, **changed})


@pytest.fixture(scope="module")
def good():
    return recorded()


@pytest.mark.parametrize("expected", [None, 1.0])
def test_a_good_record_is_left_alone(good, expected):
    assert fingerprint(good, known(), expected_xi=expected) == []


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("unreduced_kappa2", {"kappa2": (UNREDUCED, 0.005)}),
        ("efficiency", {"efficiency": 1.0}),
    ],
)
def test_mistakes_of_the_calibration(good, name, changed):
    suspects = fingerprint(good, known(**changed), expected_xi=1.0)
    assert suspects and suspects[0].name == name, suspects


def test_atoms_in_the_input_record_are_seen_in_their_record(good):
    """10 % of kappa^2 stay below three standard deviations in this science record; the input record tells."""
    wrong = known(kappa2=(BEHIND_ATOMS, 0.002))
    both = fingerprint(good, wrong, expected_xi=1.0, given=given(atoms=True), transferred=transferred())
    assert both[0].name == "atoms_in_input" and both[0].sigma > 4


def test_the_undone_mistake_gives_the_true_number(good):
    assert "decay leaves 0.96" in fingerprint(good, known(kappa2=(UNREDUCED, 0.005)), expected_xi=1.0)[0].text
    text = fingerprint(good, known(efficiency=1.0), expected_xi=1.0)[0].text
    assert 0.78 < float(text.split("fits if ")[1].split(" ")[0]) < 0.90


@pytest.mark.parametrize("expected", [None, 1.0])
def test_shot_noise_that_is_off_is_seen_with_and_without_the_state(good, expected):
    """5 % more light noise in amplitude: the true shot noise is 1/1.1025 of the recorded one."""
    louder = good.assign(shot_noise=good.shot_noise * 1.05)
    first = fingerprint(louder, known(), expected_xi=expected)[0]
    assert first.name == "shot_noise"
    assert float(first.text.split("truly is ")[1].split(" ")[0]) == pytest.approx(0.907, abs=0.02)


@pytest.mark.slow
def test_carrier_and_clipping():
    first = fingerprint(recorded(carrier_error_hz=60.0), known(), expected_xi=1.0)[0]
    assert first.name == "carrier" and 40 < float(first.text.split("some ")[1].split(" ")[0]) < 80
    clipped = recorded()
    clipped = clipped.assign(signal=clipped.signal.clip(-2.0, 2.0)).assign_attrs(full_scale=2.0)
    assert fingerprint(clipped, known(), expected_xi=1.0)[0].name == "clipped"
