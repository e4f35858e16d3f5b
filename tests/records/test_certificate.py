"""Certificates: the verdict on records whose truth is known, and that nothing in a certificate can be altered unseen.

Truth of two cells with the drive on (000 Sec. IV): d xi/dt = -2 gamma xi + 2 gamma_s/Z^2 + 2 gamma_extra w, xi(0) = 1.
"""

import copy
import dataclasses
import json

import numpy as np
import pytest
from jsonschema import Draft202012Validator

import darkstate as ds
from darkstate.errors import ArgumentError, InputError
from darkstate.records.calibration import Quantity
from darkstate.records.io import open_record, save_record
from darkstate.records.reconstruct import reconstruct
from darkstate.report.certificate import (
    SECTIONS,
    Certificate,
    canonical,
    certificate_schema,
    layout_problems,
    read_certificate,
    sealed,
)
from darkstate.report.recording import lab_calibration, simulate_lab
from darkstate.report.verdict import certify
from darkstate.report.verification import verify

Z, GAMMA_S, EXTRA = 2.5, 275.0, 275.0
PATH = ds.shipped_labs()["muschik2013-monitored"]
# d Gamma/2 = 55 * 10/2 = 275 /s and Gamma-tilde/2 = 275 /s; 64 periods per ms, so sums of cos^2 are exactly 1/2
CHANGES = [
    "drive.rate=0.01 /ms",
    "noise.gamma_tilde=0.55 /ms",
    "detection.electronic_noise=0.05",
    "acquisition.carrier=64 kHz",
    "acquisition.sample_rate=200 kHz",
    "acquisition.shot_cycles=500",
]


def lab(*changes):
    return ds.load(PATH, case="x1", overrides=[*CHANGES, *changes])


def recorded(which, *, cycles=400, seed=3, duration=3e-3):
    return simulate_lab(which, cycles=cycles, duration=duration, seed=seed)


@pytest.fixture(scope="module")
def cells():
    return lab()


@pytest.fixture(scope="module")
def one(cells):
    return recorded(cells)


@pytest.fixture(scope="module")
def made(one, cells):
    return certify(one, cells, at=2e-3, method="exponential")


def altered(content, path, value):
    """A copy with one field changed."""
    found = copy.deepcopy(content)
    node = found
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return found


def leaves(node, path=()):
    """Path and value of every field that holds no other."""
    if isinstance(node, (dict, list)) and node:
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(child, (*path, key))
    else:
        yield path, node


def other_values(value):
    """Values close to the given one, of which at least one has a type the schema allows."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1]
    if isinstance(value, float):
        return [value * (1 + 1e-6) if value else 1e-6]
    if value == [] or value == {}:
        return [["more"], {"more": 0.1}]
    return ["0" * 7 if value is None else value[:-1] + ("0" if value[-1:] != "0" else "1"), 0.25]


# the verdict


def test_an_entangled_record_is_entangled(made, one, cells):
    """Given the record xi = 0.40 in the steady state (000 Fig. 4b, x = 1, eta = 1); p is far in the tail."""
    claim = made.content["claim"]
    assert made.verdict == "entangled"
    assert abs(claim["value"] - 0.40) < 4 * claim["statistical"] < 0.3
    assert claim["interval"][0] < claim["value"] < claim["interval"][1] < 1 == claim["bound"]
    assert claim["p_value"] < 1e-6
    assert made.content["method"]["chosen"] == [] and made.content["method"]["judged_on"] == [0, 399]
    assert all(c["passed"] for c in made.content["checks"]) and len(made.content["checks"]) >= 7
    assert len(str(made).splitlines()) in range(6, 12) and str(made).startswith("entangled\n")


def test_the_value_is_that_of_the_equations(one, cells):
    """xi = (R - U^2 - V^2 w)/kappa^2 of the mode exp(-gamma t), demodulated here; at eta = 1.

    The mode as a staircase of 50 bins differs by less than 1e-3; the shot noise is that of all three windows.
    """
    gamma, a, T = GAMMA_S + EXTRA, EXTRA / (GAMMA_S + EXTRA), 1e-3
    e, eo = np.exp(-gamma * T), 2 * gamma * T / np.expm1(2 * gamma * T)
    kappa2 = Z**2 * (1 - a) * (1 - e**2)
    U2 = a**2 + 2 * a * (1 - a) * eo + (1 - a) ** 2 * e**2
    V2 = Z**2 * a * (1 - a) * (1 - 2 * eo + e**2)
    t = one.time.values

    def variance(name, start):
        on = (t > start) & (t < start + T)
        f, phase = np.exp(-gamma * (t[on] - start)), 2 * np.pi * 64e3 * t[on]
        y = one[name].values[:, on].astype(float) @ np.stack([f * np.cos(phase), f * np.sin(phase)], 1)
        return y.var(0, ddof=1).mean()

    shot, dark = (np.mean([variance(n, s) for s in (0.0, 1e-3, 2e-3)]) for n in ("shot_noise", "dark"))
    want = ((variance("signal", 2e-3) - dark) / (shot - dark) - U2 - V2) / kappa2
    found = certify(one, cells, at=2e-3, method="unconditional").content["claim"]
    assert found["value"] == pytest.approx(want, abs=5e-3)
    # 0.58 in the limit, from 1 as e^{-2 gamma t}
    assert abs(want - 0.58 - 0.42 * np.exp(-2 * gamma * 2e-3)) < 4 * found["statistical"]


def test_separable_cells_are_not_shown_to_be_entangled():
    """w = 12: xi rises from 1 to 6.08, and given the record to sqrt(4 + 4 * 74)/12.5 = 1.39; never below 1."""
    which = lab("bath.variance=12")
    found = certify(recorded(which), which)
    assert found.verdict == "not shown" and found.content["claim"]["p_value"] > 0.05
    assert found.content["claim"]["value"] > 0.8


def test_a_clipped_record_is_inconsistent(one, cells):
    """Cut off at 1.2 standard deviations: a lower variance, which would pass for entanglement."""
    high = float(1.2 * one.signal.std())
    clipped = one.assign(signal=one.signal.clip(-high, high).astype("int16")).assign_attrs(full_scale=np.floor(high))
    found = certify(clipped, cells, at=2e-3, method="unconditional")
    assert found.verdict == "inconsistent"
    assert any("digitiser" in text for text in found.content["claim"]["reasons"])
    assert [c["name"] for c in found.content["checks"] if not c["passed"]][0] == "clipped"


def test_a_change_between_the_halves_is_inconsistent(one, cells):
    """The cycles that judge are good; the gain was another one while window and method were chosen."""
    gain = np.where(np.arange(400) < 200, 0.8, 1.0)[:, None]
    found = certify(one.assign(signal=one.signal * gain), cells)
    assert found.verdict == "inconsistent" and "during the run" in str(found)


def test_an_impossible_calibration_is_inconsistent(one, cells):
    """kappa^2 may not exceed Z^2 (1 - a)(1 - e^2) with a >= 0; Z^2 = 6.25 bounds it."""
    c = lab_calibration(cells)
    wrong = dataclasses.replace(c, quantities={**c.quantities, "kappa2": Quantity(7.0)})
    found = certify(one, cells, calibration=wrong)
    assert found.verdict == "inconsistent" and found.content["claim"]["value"] is None
    assert "kappa^2 = 7 is impossible" in found.content["claim"]["reasons"][0]
    assert layout_problems(found.content) == [] and "none" in str(found)
    assert verify(found, one, lab=PATH).ok


def test_the_test_is_one_sided(cells):
    """Entangled means p < 1 - confidence: twice p is enough, half of p is not."""
    record = recorded(cells, cycles=60)

    def found(confidence):
        return certify(record, cells, at=1e-3, method="unconditional", confidence=confidence)

    p = found(0.95).content["claim"]["p_value"]
    assert 1e-4 < p < 0.2
    assert found(1 - 2 * p).verdict == "entangled" and found(1 - p / 2).verdict == "not shown"


def test_chosen_on_one_half_and_judged_on_the_other(one, cells):
    found = certify(one, cells)
    method = found.content["method"]
    assert (method["chosen"], method["chosen_on"], method["judged_on"]) == (["start_s", "name"], [0, 199], [200, 399])
    assert "chosen on cycles 0 to 199, judged on 200 to 399" in str(found)
    # the same window and method, judged on those cycles alone
    again = certify(one.isel(cycle=slice(200, None)), cells, at=method["start_s"], method=method["name"])
    assert again.content["claim"]["value"] == pytest.approx(found.content["claim"]["value"], rel=1e-12)
    # noise in the half that judges has no part in the choice
    rng = np.random.default_rng(1)
    noisy = one.signal.values.copy()
    noisy[200:] += rng.normal(0, one.signal.std(), noisy[200:].shape).astype(noisy.dtype)
    other = certify(one.assign(signal=(one.signal.dims, noisy)), cells).content["method"]
    assert (other["start_s"], other["name"]) == (method["start_s"], method["name"])
    assert found.verdict == "entangled" and verify(found, one, lab=PATH).ok


@pytest.mark.slow
def test_choosing_makes_no_false_claims():
    """xi(t) = 1 at all times if w = 1 + (gamma_s/gamma_extra)(1 - 1/Z^2) = 1.84: a claim is false, and 5 % are.

    Of 50 at most 8: more have a chance of 0.1 % (binomial). Judged on the cycles that chose it, the best of six windows
    would claim in 1 - 0.95^6 = 26 %.
    """
    which = lab("bath.variance=1.84", "acquisition.shot_cycles=2000")
    claims, greedy, c = 0, 0, lab_calibration(which)
    for seed in range(50):
        record = recorded(which, cycles=200, seed=seed, duration=6e-3)
        claims += certify(record, which, method="unconditional").verdict == "entangled"
        greedy += min(reconstruct(record, c, methods=["unconditional"]).values("p_value")) < 0.05
    assert claims <= 8 < greedy


def test_the_prediction_stands_beside_it(made, one, cells):
    """1 - e^{-2 gamma t} of the way from 1 to 0.58 without the record; no part of the verdict."""
    found = certify(one, cells, at=2e-3, method="unconditional").content
    want = 0.58 + 0.42 * np.exp(-2 * 550.0 * 2e-3)
    # straight lines between the 241 points of 60 ms: h^2/8 times the curvature, 0.42 (1100 /s)^2 e^{-2.2} (0.25 ms)^2/8
    assert found["prediction"]["value"] == pytest.approx(want, abs=5e-4)
    claim = found["claim"]
    sigma = (claim["value"] - found["prediction"]["value"]) / np.hypot(claim["statistical"], claim["systematic"])
    assert found["prediction"]["difference_sigma"] == pytest.approx(sigma)
    assert "given the record" in made.content["prediction"]["text"]


@pytest.mark.slow
def test_cesium_cells_are_compared_without_the_record_only():
    """The error of the prediction is that of the inputs; given the record there is no prediction for this model."""
    changes = ["acquisition.sample_rate=800 kHz", "detection.electronic_noise=0.05", "protocol.duration=8 ms"]
    which = ds.load(ds.shipped_labs()["krauter2011"], case="a", overrides=[*changes, "drive.z=2.5 +- 0.1"])
    record = simulate_lab(which, cycles=400, seed=1)
    found = certify(record, which, at=5e-3, method="unconditional")
    claim, expected = found.content["claim"], found.content["prediction"]
    p = ds.predict(which)
    assert expected["value"] == pytest.approx(np.interp(5e-3, p.times, p.xi.value), rel=1e-12)
    assert expected["error"] == pytest.approx(np.interp(5e-3, p.times, p.xi.uncertainty), rel=1e-12)
    total = np.sqrt(claim["statistical"] ** 2 + claim["systematic"] ** 2 + expected["error"] ** 2)
    assert expected["difference_sigma"] == pytest.approx((claim["value"] - expected["value"]) / total)
    assert abs(expected["difference_sigma"]) < 4 and claim["systematic"] > 0
    assert verify(found, record, lab=which.path).ok
    assert "without the record only" in certify(record, which, at=5e-3, method="kalman").content["prediction"]["text"]


def test_what_cannot_be_certified_is_refused(one, cells):
    with pytest.raises(ArgumentError, match="no light before 0 s"):
        certify(one, cells, at=0.0, method="kalman")
    with pytest.raises(ArgumentError, match="`at` must be at most 0.002 s"):
        certify(one, cells, at=2.5e-3, method="unconditional")
    with pytest.raises(ArgumentError, match="must be one of unconditional"):
        certify(one, cells, at=0.0, method="best")
    with pytest.raises(InputError, match="has 30 cycles; half of them choose"):
        certify(one.isel(cycle=slice(30)), cells)
    with pytest.raises(InputError, match="another system"):
        certify(one, ds.load(ds.shipped_labs()["huang2018"]))
    for bad in ({"confidence": 1.0}, {"confidence": float("nan")}, {"seed": -1}, {"at": float("nan")}):
        with pytest.raises(ArgumentError, match=f"`{next(iter(bad))}` must"):
            certify(one, cells, **bad)


# the file


def test_the_file_obeys_the_schema(made, tmp_path):
    """jsonschema, which the package itself does not use, accepts what the reader accepts and nothing else."""
    Draft202012Validator.check_schema(certificate_schema())
    schema = Draft202012Validator(certificate_schema())
    path = made.save(tmp_path / "certificate.json")
    content = json.loads(path.read_text())
    schema.validate(content)
    assert read_certificate(path) == made
    for where, value in list(leaves(content)):
        for new in (*other_values(value), None, "text", -1.5):
            changed = altered(content, where, new)
            assert schema.is_valid(changed) == (layout_problems(changed) == []), (where, new)
    for name in content:
        rest = {k: v for k, v in content.items() if k != name}
        assert layout_problems(rest) == [f"{name} is missing"] and not schema.is_valid(rest)
    assert "://" not in certificate_schema()["$id"]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"claim": {"value": 0.4', "no certificate"),
        ("[" * 100_000, "no certificate"),
        ("", "no certificate"),
        ("[]", "it must be object"),
        ('{"schema_version": 2}', "schema_version is 2; it must be 1"),
        ('{"schema_version": 1, "schema_version": 1}', "a key is written twice"),
        ('{"schema_version": 1, "extra": 1}', "extra is no field of a certificate"),
    ],
)
def test_other_files_are_refused(text, match, tmp_path):
    path = tmp_path / "certificate.json"
    path.write_text(text)
    with pytest.raises(InputError, match=match):
        read_certificate(path)


def test_truncated_anywhere_it_is_refused(made, tmp_path):
    text = made.save(tmp_path / "certificate.json").read_bytes()
    for length in range(0, len(text) - 2, 97):
        (tmp_path / "cut.json").write_bytes(text[:length])
        with pytest.raises(InputError, match=r"cut\.json is no certificate"):
            read_certificate(tmp_path / "cut.json")


def test_the_canonical_form_knows_no_order_and_no_spaces(made):
    def turned(node):
        if isinstance(node, dict):
            return {k: turned(v) for k, v in reversed(node.items())}
        return [turned(v) for v in node] if isinstance(node, list) else node

    text = json.dumps(turned(made.content), indent=7)
    assert list(json.loads(text)) == list(made.content)[::-1]
    assert canonical(json.loads(text)) == canonical(made.content)
    assert verify(Certificate(json.loads(text))).ok
    assert canonical({"z": "\N{GREEK SMALL LETTER XI}", "a": 1e-300}) == r'{"a":1e-300,"z":"\u03be"}'


def test_the_same_question_gives_the_same_bytes(one, cells, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    files = [certify(one, cells).save(tmp_path / name).read_bytes() for name in ("a.json", "b.json")]
    assert files[0] == files[1]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000001")
    later = json.loads(certify(one, cells).save(tmp_path / "c.json").read_bytes())
    first = json.loads(files[0])
    changed = {p for (p, a), (_, b) in zip(leaves(first), leaves(later), strict=True) if a != b}
    times = {("software", "created"), ("calibration", "date")}
    assert changed == times | {("digests", "software"), ("digests", "calibration"), ("digest",)}


# verification


def test_every_altered_field_is_found_and_its_section_named(made):
    """Without the record: any field, any value close to it, `layout` or `digests` says where."""
    fields = list(leaves(made.content))
    assert len(fields) > 100
    for path, value in fields:
        section = path[1] if path[0] == "digests" else path[0]
        for new in other_values(value):
            found = verify(Certificate(altered(made.content, path, new)))
            assert not found.ok, path
            failed = [s.text for s in found.steps if s.passed is False]
            assert any(section in text for text in failed), (path, failed)


ATTACKED = [
    (("claim", "value"), 0.2),
    (("claim", "statistical"), 0.001),
    (("claim", "p_value"), 1e-30),
    (("claim", "verdict"), "not shown"),
    (("claim", "reasons", 0), "because"),
    (("claim", "interval", 1), 0.5),
    (("method", "seed"), 1),
    (("method", "alpha"), 0.5),
    (("method", "start_s"), 1e-3),
    (("method", "name"), "kalman"),
    (("record", "cycles"), 4000),
    (("calibration", "quantities", "kappa2", "value"), 2.0),
    (("checks", 0, "value"), 1e-6),
]


@pytest.mark.parametrize(("path", "value"), ATTACKED)
def test_altered_with_its_digests_the_record_tells(path, value, made, one):
    forged = sealed({n: altered(made.content, path, value)[n] for n in SECTIONS})
    assert verify(forged).ok  # nobody can tell without the record
    found = verify(forged, one)
    assert not found.ok
    lines = str(found).splitlines()
    assert len(lines) == len(found.steps) and any(line.startswith("FAILED") for line in lines)
    if path[0] in ("claim", "record", "checks"):
        said = ".".join(map(str, path))
        assert f"{said}: the certificate says {value!r}, found" in str(found)


@pytest.mark.slow
def test_every_field_of_the_result_follows_from_the_record(made, one):
    """Each leaf of claim, method and checks, altered together with its digests."""
    for path, value in leaves({n: made.content[n] for n in ("claim", "record", "method", "checks")}):
        if path == ("record", "file"):  # where it lies is no part of it
            continue
        for new in other_values(value):
            content = altered(made.content, path, new)
            if layout_problems(content) == []:
                assert not verify(sealed({n: content[n] for n in SECTIONS}), one).ok, (path, new)


def test_altered_with_its_digests_the_lab_file_tells(made):
    for path, value in [
        (("lab", "parameters", "drive.z"), 3.0),
        (("lab", "overrides", 0), "drive.rate=0.02 /ms"),
        (("calibration", "quantities", "kappa2", "value"), 2.0),
        (("prediction", "value"), 0.5),
    ]:
        found = verify(sealed({n: altered(made.content, path, value)[n] for n in SECTIONS}), lab=PATH)
        assert [s.name for s in found.steps if s.passed is False] == ["lab"]
    assert verify(made, lab=PATH).ok
    other = verify(made, lab=ds.shipped_labs()["muschik2011"])
    assert not other.ok and "lab" in str(other)


def test_another_record_is_noticed(made, one, cells):
    found = verify(made, recorded(cells, seed=4))
    assert [s.name for s in found.steps if s.passed is False] == ["record"] and "another one" in str(found)
    sample = one.copy(deep=True)
    sample.signal.values[17, 5] += 1
    assert not verify(made, sample).ok


def test_a_saved_record_and_a_saved_certificate_agree(one, cells, tmp_path):
    with open_record(save_record(one, tmp_path / "one.zarr")) as record:
        path = certify(record, cells).save(tmp_path / "certificate.json")
    assert read_certificate(path).content["record"]["file"] == "one.zarr"
    with open_record(save_record(one, tmp_path / "elsewhere.nc")) as record:
        found = verify(read_certificate(path), record, lab=PATH)
    assert found.ok and all(s.passed for s in found.steps)


def test_values_that_no_certificate_was_made_with_are_no_crash(made, one):
    for path, value in [
        (("method", "start_s"), 1e9),
        (("calibration", "quantities", "kappa2_duration", "value"), 1e-9),
        (("method", "judged_on"), None),
        (("calibration", "quantities", "gamma", "value"), -1e308),
        (("calibration", "quantities", "z", "value"), 1e308),
        (("calibration", "quantities"), {}),
        (("claim", "interval"), None),
        (("claim", "statistical"), None),
    ]:
        forged = sealed({n: altered(made.content, path, value)[n] for n in SECTIONS})
        assert not verify(forged, one).ok and str(forged)


def test_other_versions_are_said_and_are_no_failure(made):
    content = altered(made.content, ("software", "versions", "numpy"), "1.0")
    found = verify(sealed({n: content[n] for n in SECTIONS}))
    assert found.ok and "numpy 1.0, now " in str(found)
