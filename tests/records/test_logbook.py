"""The logbook page: complete in itself, nothing of a record is taken as HTML, verdicts after Bonferroni, spectra."""

import base64
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from darkstate.experiments.labfile import load, shipped_labs
from darkstate.records.calibration import calibration
from darkstate.records.demodulate import lock_in
from darkstate.records.io import record_digest
from darkstate.records.reconstruct import reconstruct
from darkstate.records.schema import Pulse, sequence
from darkstate.records.simulate import Cells, Digitizer, simulate
from darkstate.report.logbook import _spectrum, save_logbook, verdict
from darkstate.report.runs import Run

LAB = load(shipped_labs()["krauter2011-steady"], overrides=["acquisition.cycles=400"])
KNOWN = calibration(z=(2.5, 0.04), gamma=270.0, kappa2=0.965861, kappa2_duration=1e-3, efficiency=0.84, bath=1.8855)
NAME = 'run <b>1 & "2".zarr'
# gamma_s, gamma_extra, w and eta of the lab file
PLANTED = {"z": 2.5, "gamma_s": 100.0, "gamma_extra": 170.0, "bath": 1.8855}


@cache
def run(xi=1.0, cycles=400, seed=1, spikes=0.0):
    seen = Digitizer(efficiency=0.84, spikes=spikes, electronic_noise=0.1)
    record = simulate(
        Cells(**PLANTED, xi=xi),
        sequence(Pulse("drive", 2e-3)),
        seen,
        cycles=cycles,
        shot_cycles=cycles,
        dark_cycles=50,
        seed=seed,
        lab_digest="<script>alert(1)</script>",
    )
    return Run(Path(NAME), record, reconstruct(record, KNOWN))


class Tags(HTMLParser):
    """Which tags there are, whether each is closed, and the text between them."""

    def __init__(self, page):
        super().__init__()
        self.found, self.open, self.text = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("book") / "day" / "page.html"
    assert save_logbook(path, LAB, [run(), run(spikes=1e-3)]) == path
    return path.read_text(encoding="utf-8")


def test_page_is_complete_and_quiet(page):
    """Nothing is loaded or executed; every picture is inside, two for each of two runs."""
    read = Tags(page)
    assert page.startswith("<!DOCTYPE html>") and not read.open
    names = {tag for tag, _ in read.found}
    assert not names & {"script", "link", "iframe", "object", "b", "form"} and "http" not in page
    assert not any(key.startswith("on") or key == "href" for _, attrs in read.found for key in attrs)
    sources = [attrs["src"] for tag, attrs in read.found if tag == "img"]
    assert len(sources) == 4
    for source in sources:
        kind, data = source.split(",")
        assert kind == "data:image/png;base64" and base64.b64decode(data)[:8] == b"\x89PNG\r\n\x1a\n"


def test_page_says_what_is_known(page):
    text = " ".join(Tags(page).text.split())
    good, spiky = run(), run(spikes=1e-3)
    for words in (NAME, record_digest(good.data), record_digest(spiky.data), LAB.digest, "drive 2 ms", "1000 / 322"):
        assert words in text
    assert "400 / 400 / 50" in text and "changed: acquisition.cycles=400" in text
    # every failed check in words; spikes of 20 standard deviations are clipped at 8
    assert not good.result.failed and {c.name for c in spiky.result.failed} >= {"clipped"}
    for check in spiky.result.failed:
        assert f"failed: {check.text}" in text
    assert text.count("passed") == sum(c.passed for r in (good, spiky) for c in r.result.checks)
    assert verdict(good.result) in text and verdict(spiky.result) in text
    # a quantity with its error, and the split of gamma
    assert re.search(r"z ?2\.5 ?0\.04 ?1", text) and re.search(r"gamma_s ?100 ?1/s", text)


def test_verdicts_count_every_look():
    """Smallest p of both windows, unconditional and with two kinds of past, times their number."""
    data = run(xi=0.5, cycles=1500).result.to_dataset()
    chance = data.p_value.size * float(data.p_value.min())
    assert data.p_value.size == 6 and chance < 0.05
    found = verdict(run(xi=0.5, cycles=1500).result)
    assert found.startswith("entangled: ") and f"{chance:.2g} < 0.05" in found and "6 windows" in found
    assert verdict(run().result).startswith("not shown: ")
    assert verdict(run(spikes=1e-3).result).startswith("inconsistent: ")


def test_one_small_p_among_many_is_not_shown():
    """p = 0.02 of one window of six: 0.12."""
    result = run().result
    estimates = {m: list(found) for m, found in result.estimates.items()}
    for found in estimates.values():
        found[:] = [type(e)(**{**e.__dict__, "p_value": 0.5}) for e in found]
    estimates["kalman"][1] = type(found[1])(**{**found[1].__dict__, "p_value": 0.02})
    changed = type(result)(**{**result.__dict__, "estimates": estimates})
    assert "p = 0.02; times 6 windows and methods 0.12 >= 0.05" in verdict(changed)


@pytest.mark.parametrize("demodulated", [False, True])
def test_spectra_are_centred_on_the_carrier(demodulated):
    """Spins displaced by 50 precess 2 kHz above the carrier; shot noise of variance 1 per sample has density 1/rate."""
    record = simulate(
        Cells(z=2.5, gamma_s=100.0, gamma_extra=100.0),
        sequence(Pulse("rf", displacement=(50.0, 0.0)), Pulse("drive", 5e-3)),
        Digitizer(carrier_error_hz=2e3),
        cycles=40,
        shot_cycles=200,
        seed=1,
        purpose="decay",
    )
    if demodulated:
        record = lock_in(record, 1e-6, order=1, decimate=1)
    f, density = _spectrum(record, "signal")
    assert (f[0], f[-1]) == pytest.approx((-20e3, 20e3), abs=250)
    assert f[np.argmax(density)] == 2e3
    if not demodulated:
        _, shot = _spectrum(record, "shot_noise")
        # 161 frequencies of 200 cycles, a Hann window's overlap leaves some 200 x 1.5 independent numbers each
        assert shot.mean() == pytest.approx(1e-6, rel=4 / np.sqrt(161 * 200))


def test_many_runs_make_a_series(tmp_path):
    """Six runs: one more picture."""
    six = [run(cycles=100, seed=k) for k in range(6)]
    page = save_logbook(tmp_path / "page.html", LAB, six).read_text(encoding="utf-8")
    assert page.count("<img") == 13 and "Allan deviation of the mean xi of each run" in page
