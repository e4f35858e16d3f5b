"""What the network engine refuses: the sentence names what was read, and says what to do."""

import re

import numpy as np
import pytest

from darkstate.backend import jax
from darkstate.errors import ArgumentError, OutcomeError
from darkstate.gaussian.components import (
    beam_splitter,
    loss,
    open_system,
    optomechanics,
    oscillator,
    parametric_oscillator,
    phase_shift,
    sideband_oscillator,
    spin_ensemble,
    squeezer,
)
from darkstate.gaussian.detection import heterodyne, homodyne, measurement, sideband_homodyne
from darkstate.gaussian.network import cascade, network
from darkstate.gaussian.state import Convention, gaussian_state, product, thermal, vacuum
from darkstate.solve.condition import condition, retrodict
from darkstate.solve.evolve import evolve
from darkstate.solve.feedback import feedback, regulate
from darkstate.solve.sensor import force_noise
from darkstate.solve.steady_state import steady_state


def atoms(name="S", **rates):
    return oscillator(name, **({"frequency": 0.0, "passive": 1.0} | rates))


def mirror():
    return atoms("M")


def delayed():
    return cascade(atoms(), mirror(), delays=[1e-3])


def two_sidebands():
    return sideband_oscillator("S", passive=1.0, active=0.5)


NAN, INF = float("nan"), float("inf")
LIGHT = homodyne("S.light")
X = Convention("xxpp", 1.0)

# what is called, what the sentence must hold (as a regular expression): what was read ... what to do
REFUSED = {
    "negative rate": (
        lambda: atoms(passive=-2.0),
        r"`passive` of 'S'.*is -2\.0.*negative mass is a negative frequency",
    ),
    "negative damping": (lambda: atoms(damping=-0.1), r"`damping` of 'S'.*at least 0, but is -0\.1"),
    "rate not a number": (lambda: atoms(active=NAN), r"`active` of 'S'.*finite number.*is nan"),
    "infinite rate": (lambda: two_sidebands_with(INF), r"`active` of 'S'.*finite number.*is inf"),
    "too little decoherence": (
        lambda: atoms(damping=2.0, decoherence=0.5),
        r"`decoherence` of 'S'.*at least 1,.*is 0\.5; it is damping \* \(occupation \+ 1/2\)",
    ),
    "infinite decoherence": (lambda: atoms(damping=2.0, decoherence=INF), r"`decoherence` of 'S'.*finite.*is inf"),
    "negative depth": (
        lambda: spin_ensemble("S", optical_depth=-3, scattering_rate=20.0, larmor_frequency=1e6),
        r"'S'.*at least 0, but is -\d+",
    ),
    "negative linewidth": (
        lambda: parametric_oscillator("opo", linewidth=-1.0, pump=0.1),
        r"`linewidth` of 'opo'.*is -1\.0",
    ),
    "overcoupling": (
        lambda: optomechanics("M", linewidth=1.0, detuning=-1.0, coupling=0.1, frequency=1.0, overcoupling=1.2),
        r"`overcoupling`.*between 0 and 1, but is 1\.2",
    ),
    "loss above 1": (lambda: loss("path", 1.5), r"`loss`.*between 0 and 1, but is 1\.5"),
    "loss below 0": (lambda: loss("path", -0.1), r"`loss`.*between 0 and 1, but is -0\.1"),
    "loss not a number": (lambda: loss("path", NAN), r"`loss`.*between 0 and 1, but is nan"),
    "loss bath": (lambda: loss("path", 0.1, occupation=-1.0), r"`occupation`.*at least 0, but is -1\.0"),
    "transmission": (lambda: beam_splitter("bs", transmission=2.0), r"`transmission`.*between 0 and 1, but is 2\.0"),
    "efficiency above 1": (lambda: homodyne("S.light", efficiency=1.01), r"`efficiency`.*0 and 1, but is 1\.01"),
    "efficiency below 0": (lambda: heterodyne("S.light", efficiency=-0.2), r"`efficiency`.*0 and 1, but is -0\.2"),
    "efficiency in percent": (
        lambda: sideband_homodyne("a", "b", efficiency=80),
        r"`efficiency`.*power fraction.*but is 80",
    ),
    "unknown input": (
        lambda: atoms().with_input("S.ligth"),
        r"Input 'S\.ligth' is not here; did you mean 'S\.light'\? known: S\.light, S\.bath",
    ),
    "hot input": (lambda: atoms().with_input("S.bath", occupation=-0.5), r"`occupation`.*at least 0, but is -0\.5"),
    "unknown port": (
        lambda: network(atoms(), mirror(), links=[("S.licht", "M.light")]),
        r"Output 'S\.licht' is not here; did you mean 'S\.light'\?",
    ),
    "unknown target": (
        lambda: network(atoms(), mirror(), links=[("S.light", "M.lihgt")]),
        r"Input 'M\.lihgt' is not here; did you mean 'M\.light'\?",
    ),
    "no such light": (lambda: measurement(atoms(), homodyne("M.light")), r"Output 'M\.light' is not here.*'S\.light'"),
    "mode twice": (
        lambda: network(atoms(), atoms()),
        r"Mode 'S' is named twice; give every component a name of its own",
    ),
    "port twice": (
        lambda: network(phase_shift("x", phase=0.1), squeezer("x", r=0.1)),
        r"Input 'x\.light' is named twice; give every",
    ),
    "mode twice in one": (lambda: open_system(("a", "a"), np.zeros((4, 4)), {}), r"a, a name one mode twice"),
    "output linked twice": (
        lambda: network(atoms(), mirror(), atoms("N"), links=[("S.light", "M.light"), ("S.light", "N.light")]),
        r"Output 'S\.light' is linked twice; split it with a beam_splitter",
    ),
    "input linked twice": (
        lambda: network(atoms(), mirror(), atoms("N"), links=[("S.light", "M.light"), ("N.light", "M.light")]),
        r"Input 'M\.light' is linked twice; combine the beams with a beam_splitter",
    ),
    "algebraic loop": (
        lambda: network(phase_shift("x", phase=0.0), links=[("x.light", "x.light")]),
        r"x\.light -> x\.light form an algebraic loop.*let it leave by a beam_splitter or loss",
    ),
    "loop of two": (
        lambda: network(atoms(), mirror(), links=[("S.light", "M.light"), ("M.light", "S.light")]),
        r"S\.light -> M\.light, M\.light -> S\.light form an algebraic loop",
    ),
    "negative delay": (
        lambda: network(atoms(), mirror(), links=[("S.light", "M.light", -1.0)]),
        r"delay from 'S\.light' to 'M\.light'.*at least 0 s, but is -1",
    ),
    "delay not a number": (
        lambda: network(atoms(), mirror(), links=[("S.light", "M.light", NAN)]),
        r"delay from 'S\.light'.*but is nan",
    ),
    "delay in a loop": (
        lambda: network(
            beam_splitter("bs", transmission=0.5), atoms(), links=[("bs.b", "S.light", 1e-3), ("S.light", "bs.b")]
        ),
        r"delays cannot be taken out.*loop.*to 0",
    ),
    "two ways of unequal delay": (
        lambda: network(
            two_sidebands(),
            sideband_oscillator("M", passive=1.0, active=0.5),
            links=[("S.upper", "M.upper", 1e-3), ("S.lower", "M.lower", 2e-3)],
        ),
        r"two ways of different delay",
    ),
    "number of delays": (
        lambda: cascade(atoms(), loss("path", 0.1), mirror(), delays=[1e-3]),
        r"`delays` must hold 2 times.*but holds 1",
    ),
    "no common channel": (
        lambda: cascade(atoms(), two_sidebands_named("M")),
        r"'light' needs one open input NAME\.light.*finds none among M\.upper, M\.lower, M\.bath; join it with network",
    ),
    "shape of the Hamiltonian": (
        lambda: open_system(("a",), np.zeros((4, 4)), {}),
        r"shape \(2, 2\), but has \(4, 4\)",
    ),
    "shape of a coupling": (
        lambda: open_system(("a",), np.zeros((2, 2)), {"x": np.eye(4)}),
        r"'x' must have shape \(2, 2\), but has \(4, 4\)",
    ),
    "infinite covariance": (
        lambda: gaussian_state([[INF, 0.0], [0.0, 1.0]], "a"),
        r"`covariance`.*finite numbers.*infinity or not a number",
    ),
    "covariance not a number": (lambda: gaussian_state([[NAN, 0.0], [0.0, 1.0]], "a"), r"`covariance`.*finite numbers"),
    "shape of a covariance": (
        lambda: gaussian_state(np.eye(2), ("a", "b")),
        r"`covariance` must have shape \(\.\.\., 4, 4\).*a, b, but has \(2, 2\)",
    ),
    "shape of a mean": (
        lambda: gaussian_state(np.eye(2), "a", mean=[1.0]),
        r"`mean` must have shape \(\.\.\., 2\).*\(1,\)",
    ),
    "covariance not symmetric": (
        lambda: gaussian_state([[1.0, 0.5], [0.0, 1.0]], "a"),
        r"`covariance` must be symmetric; pass \(V \+ V\^T\)/2",
    ),
    "order": (lambda: Convention(order="ppxx"), r"`order` must be 'xpxp' or 'xxpp', but is 'ppxx'"),
    "vacuum variance": (lambda: Convention(vacuum=0.0), r"`vacuum` must be greater than 0.*but is 0\.0"),
    "unequal conventions": (
        lambda: product(vacuum("a"), vacuum("b").to(X)),
        r"unequal convention.*order xpxp, vacuum variance 0\.5 and order xxpp, vacuum variance 1.*state\.to\(OURS\)",
    ),
    "foreign convention": (lambda: vacuum("a").to(X).select("a"), r"order xxpp.*convert it with state\.to\(OURS\)"),
    "modes twice in a product": (lambda: product(vacuum("a"), thermal("a", 1.0)), r"a, a name one mode twice"),
    "unknown mode": (
        lambda: vacuum("spin", "membrane").select("membran"),
        r"'membran' is not here; did you mean 'membrane'",
    ),
    "same light twice": (
        lambda: measurement(atoms(), LIGHT, homodyne("S.light", angle=1.0)),
        r"detected twice.*heterodyne for both, or split.*beam_splitter",
    ),
    "no detector": (lambda: condition(atoms()), r"[Aa]t least one detector.*homodyne\('M\.light'\)"),
    "condition with delay": (
        lambda: condition(delayed(), homodyne("M.light")),
        r"condition takes no delays.*steady_state",
    ),
    "retrodict with delay": (lambda: retrodict(delayed(), homodyne("M.light")), r"retrodict takes no delays"),
    "evolve with delay": (lambda: evolve(delayed(), [0.0, 1.0]), r"evolve takes no delays"),
    "record without times": (lambda: condition(atoms(), LIGHT, record=[[1.0]]), r"`record`.*need `times`"),
    "smooth without record": (
        lambda: condition(atoms(), LIGHT, times=[0.0, 1.0], smooth=True),
        r"needs a `record`.*retrodict",
    ),
    "record of a wrong length": (
        lambda: condition(atoms(), LIGHT, times=[0.0, 1.0], record=[[1.0], [2.0]]),
        r"shape \(1, 1\).*has \(2, 1\)",
    ),
    "record not a number": (
        lambda: condition(atoms(), LIGHT, times=[0.0, 1.0], record=[[NAN]]),
        r"`record` must hold finite numbers",
    ),
    "record from later on": (
        lambda: condition(atoms(), LIGHT, times=[0.5, 1.0], record=[[1.0]]),
        r"starts at t = 0, but.*0\.5 s",
    ),
    "times backwards": (lambda: evolve(atoms(), [1.0, 0.0]), r"`times`.*increasing.*first 1, last 0"),
    "start of other modes": (
        lambda: evolve(atoms(), [0.0, 1.0], initial=vacuum("M")),
        r"modes S in this order.*one of M; order them",
    ),
    "start in another convention": (
        lambda: evolve(atoms(), [0.0, 1.0], initial=vacuum("S").to(X)),
        r"order xxpp.*state\.to\(OURS\)",
    ),
    "stages of unequal modes": (lambda: evolve([(atoms(), 1.0), (mirror(), 1.0)], [0.0, 1.0]), r"same modes.*S and M"),
    "no stages": (lambda: evolve([], [0.0, 1.0]), r"LinearSystem or a list of pairs"),
    "gain of a wrong shape": (lambda: feedback(atoms(), LIGHT, gain=np.eye(3)), r"shape \(2, 1\).*\(3, 3\)"),
    "cost of a wrong shape": (
        lambda: regulate(atoms(), LIGHT, cost=np.eye(3)),
        r"`cost` must have shape \(2, 2\).*\(3, 3\)",
    ),
    "actuators without effort": (
        lambda: regulate(atoms(), LIGHT, cost=np.eye(2), actuators=np.eye(2)[:, :1]),
        r"needs its `effort`",
    ),
    "force on nothing": (lambda: force_noise(atoms(), "M", [0.0], LIGHT), r"'M' is not here.*known: S"),
    "not a model": (lambda: steady_state("S"), r"LinearSystem, but is a str"),
}


def two_sidebands_with(active):
    return sideband_oscillator("S", passive=1.0, active=active)


def two_sidebands_named(name):
    return sideband_oscillator(name, passive=1.0, active=0.5)


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_what_was_read_and_what_to_do(case):
    call, sentence = REFUSED[case]
    with pytest.raises(ArgumentError) as refused:
        call()
    text = str(refused.value)
    assert re.search(sentence, text, flags=re.DOTALL), text
    # one sentence for a person: it ends, and no array or address is printed into it
    assert text.endswith(".")
    assert not re.search(r"Traced|0x[0-9a-f]{6}|Array\(", text)


def test_outcome_carries_its_cure():
    with pytest.raises(OutcomeError, match=r"unstable.*Cure: .*more damping"):
        steady_state(oscillator("S", frequency=0.0, passive=0.5, active=1.0))


def test_compiled_programs_refuse_nothing_and_say_so_in_the_outcome():
    """Inside vmap a value is not known: a rate that is none comes back as a code, not as a number that looks well."""
    codes = jax.vmap(lambda rate: steady_state(atoms(damping=rate, active=0.5), throw=False).outcome)(
        np.array([1.0, NAN, INF, -2.0])
    )
    assert int(codes[0]) == 0
    assert np.all(np.asarray(codes[1:]) != 0)
