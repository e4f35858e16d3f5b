"""Exact derivatives against Richardson differences, for every float parameter of both experiments; never NaN.

The list of parameters comes from the classes: a parameter added there is differentiated here.
"""

import dataclasses
from functools import lru_cache, partial

import numpy as np
import pytest

from darkstate.backend import jax, jnp
from darkstate.errors import Outcome
from darkstate.experiments.two_cells import Cells, Segment, Timing
from darkstate.experiments.two_level_ensembles import Drive
from darkstate.experiments.values import with_values
from darkstate.parameters import specs
from darkstate.solve.evolve import evolve
from darkstate.solve.methods import AdiabaticClosedForm, MomentEquations
from darkstate.solve.optimum import optimum
from darkstate.solve.steady_state import steady_state
from darkstate.spins.protocol import protocol
from darkstate.witness.epr import best_gain, epr_variance
from systems import krauter2011, muschik2013, two_levels

RELATIVE = 1e-6
# compared with others in warnings, or the strength of light that is off: part of no equation
NOWHERE = {
    "noise.t1_dark",
    "field.larmor_splitting",
    "field.magnetic_field",  # counts with a laser only
    "protocol.segments.1.strength",
    "protocol.segments.1.strength_end",
    # how the light is recorded
    "detection.efficiency",
    "detection.electronic_noise",
    "acquisition.probe",
    "acquisition.carrier",
    "acquisition.edge",
    "acquisition.sample_rate",
}


def parameters(section, prefix):
    """(key, value) of every float of a section that is set."""
    for name, spec in specs(section):
        value = getattr(section, name)
        if not (spec.choices or spec.whole) and value is not None:
            yield f"{prefix}.{name}", float(value)


def floats(lab):
    """(key, value) of every differentiable parameter of an experiment, those of cell II and of segments included."""
    found = {}
    for field in dataclasses.fields(lab):
        section = getattr(lab, field.name)
        if dataclasses.is_dataclass(section):
            found |= dict(parameters(section, field.name))
    for k, segment in enumerate(lab.protocol.segments):
        found |= dict(parameters(segment, f"protocol.segments.{k}"))
    return found | {f"second.{key}": value for key, value in lab.second.items()}


SEGMENTS = (
    Segment("drive", 0.4, 1.0, 0.6),
    Segment("dark", 0.05, 1.0, 0.9),
    Segment("pump", 0.1, 0.7, 0.8),
    Segment("probe", 0.3, 0.9, 1.2),
)


def different(lab, unit):
    """Nothing at a special value, and everything different in cell II; durations in units of `unit`."""
    segments = tuple(dataclasses.replace(s, duration=s.duration * unit) for s in SEGMENTS)
    lab = dataclasses.replace(lab, cells=Cells(0.8), protocol=Timing(segments=segments))
    rng = np.random.default_rng(3)
    second = {k: v * rng.uniform(0.9, 0.97) for k, v in floats(lab).items() if k.split(".")[0] in lab.per_cell}
    return dataclasses.replace(lab, second=second)


def cesium():
    lab = different(muschik2013(55), 0.02)
    lab = dataclasses.replace(lab, noise=dataclasses.replace(lab.noise, t1_dark=0.13))
    return with_values(lab, {"field.larmor_mismatch": 7.0, "ensembles.atoms": 3e11, "ensembles.initial_down": 0.008})


def by_z():
    lab = different(two_levels(1.6, d=25, x=1.2, gd_add=3, mismatch_hz=0.4), 1.0)
    return with_values(lab, {"ensembles.initial_polarization": 0.85, "second.ensembles.initial_polarization": 0.9})


def by_detuning():
    lab = dataclasses.replace(
        two_levels(d=25, x=1.2, gd_add=3), drive=Drive(rate=1.1, detuning=850e6, larmor_splitting=322e6)
    )
    return dataclasses.replace(different(lab, 1.0), field=dataclasses.replace(lab.field, larmor_mismatch=-0.3))


LABS = {"cesium": cesium, "two levels by Z": by_z, "two levels by detuning": by_detuning}


def steady(lab):
    state = steady_state(lab.model(), throw=False).state
    return jnp.stack([epr_variance(state).value, epr_variance(state, best_gain(state)).value])


def pulsed(lab):
    """xi at fixed parts of the whole protocol, its end included: durations move borders and times."""
    times = jnp.array([0.2, 0.6, 0.9, 1.0]) * lab.protocol.total
    method = MomentEquations(substeps=16)
    state = evolve(lab.model(), times, protocol=lab.protocol.protocol(), method=method, throw=False).state
    return jnp.concatenate([epr_variance(state).value, epr_variance(state, best_gain(state)).value])


def adiabatic(lab):
    """Eq. (21) holds for equal cells."""
    equal = dataclasses.replace(lab, second={})
    return epr_variance(
        evolve(equal.model(), jnp.array([0.01, 0.3]), method=AdiabaticClosedForm(), throw=False).state
    ).value


def best_pump(lab):
    """The optimum over a common factor of pump light, and where it is; the steady state of unequal cells."""
    key = "pump.x" if hasattr(lab.pump, "x") else "pump.rate"
    top = 8.0 if hasattr(lab.pump, "x") else 500.0
    return jnp.stack(optimum(lambda value: steady(with_values(lab, {key: value}))[0], 1e-3 * top, top))


QUESTIONS = {"steady": steady, "pulsed": pulsed, "adiabatic": adiabatic, "best_pump": best_pump}


@lru_cache
def function(name, question):
    """(keys, values, x -> answers, x -> elasticities) of a lab; x holds all its parameters."""
    lab = LABS[name]()
    table = floats(lab)
    keys = list(table)

    def answer(x):
        return QUESTIONS[question](with_values(lab, {k: x[i] for i, k in enumerate(keys)}))

    slopes = jax.jit(jax.jacfwd(answer))
    return keys, jnp.array(list(table.values())), answer, lambda x: np.asarray(slopes(x) * x)


def richardson(answer, x, step=1e-3):
    """Derivative by x_k of every answer times x_k, from steps of 1e-3 and 5e-4 of x_k: [answer k]."""
    eye = jnp.eye(len(x))
    factors = jnp.stack([1 + s * step * eye for s in (1, -1, 0.5, -0.5)])
    up, down, up2, down2 = jax.jit(jax.vmap(answer))((factors * x).reshape(-1, len(x))).reshape(4, len(x), -1)
    return np.asarray((4 * (up2 - down2) / step - (up - down) / (2 * step)) / 3).T


QUICK = [("cesium", "pulsed"), *((name, "steady") for name in LABS)]
LONG = [("cesium", "best_pump"), ("cesium", "adiabatic"), ("two levels by Z", "pulsed")]
LONG += [("two levels by detuning", q) for q in ("pulsed", "adiabatic", "best_pump")]


@pytest.mark.parametrize(
    ("name", "question"), [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in LONG)]
)
def test_every_parameter(name, question):
    keys, x, answer, elasticities = function(name, question)
    exact = elasticities(x)
    differences = richardson(answer, x)
    assert np.isfinite(exact).all()
    size = np.abs(differences).max(axis=1, keepdims=True)  # the largest elasticity of each answer
    wrong = np.abs(exact - differences) > RELATIVE * np.abs(differences) + 1e-9 * size
    assert not wrong.any(), [(keys[k], exact[a, k], differences[a, k]) for a, k in np.argwhere(wrong)]


def test_the_list_of_parameters_is_complete_and_each_one_matters():
    """Every float of every section is differentiated, and moves xi somewhere unless it is in no equation."""
    for name, questions in (("cesium", ("pulsed", "steady")), ("two levels by Z", ("steady",))):
        moved = {}
        for question in questions:
            keys, x, _, elasticities = function(name, question)
            for key, slope in zip(keys, np.abs(elasticities(x)).max(axis=0), strict=True):
                moved[key] = max(moved.get(key, 0.0), slope)
        timed = ("ensembles.initial", "protocol") if questions == ("steady",) else "nothing"
        still = {k for k, v in moved.items() if v < 1e-9 and not k.removeprefix("second.").startswith(timed)}
        assert {k.removeprefix("second.") for k in still} <= NOWHERE
        lab = LABS[name]()
        sections = {f.name for f in dataclasses.fields(lab) if dataclasses.is_dataclass(getattr(lab, f.name))}
        assert {k.split(".")[0] for k in moved} == sections | {"second"}
        assert sum(k.startswith("second.") for k in moved) >= 5
        assert sum(k.startswith("protocol.segments.") for k in moved) == 12


@pytest.mark.parametrize("question", [pytest.param("pulsed", marks=pytest.mark.slow), "steady"])
def test_reverse_and_forward_mode_are_one_derivative(question):
    _, x, answer, elasticities = function("cesium", question)
    forward = elasticities(x)
    reverse = np.asarray(jax.jit(jax.grad(lambda x: answer(x).sum()))(x)) * np.asarray(x)
    assert reverse == pytest.approx(forward.sum(axis=0), abs=1e-11)


# ---- places where a derivative could break ----


def after_the_dark(durations, times):
    """xi of 002 at the last of some times: drive, dark, drive again."""
    pulses = protocol(("drive", durations[0]), ("dark", durations[1]), ("drive", 1.0))
    method = MomentEquations(substeps=64)
    state = evolve(krauter2011().model(), times, protocol=pulses, method=method, throw=False).state
    return epr_variance(state).value[-1:]


slopes = jax.jit(jax.jacfwd(after_the_dark))


@pytest.mark.parametrize(
    "times", [[0.005, 0.015, 0.016], [0.005, 0.015, 0.03], [0.015, 0.02, 0.03], [0.014, 0.019, 0.03]]
)
def test_a_wanted_time_on_a_border(times):
    """xi is smooth in the durations of earlier segments, also where the grid has a point on a border, as grids do."""
    durations, times = jnp.array([0.015, 0.005]), jnp.array(times)
    exact = np.asarray(slopes(durations, times)) * np.asarray(durations)
    assert exact == pytest.approx(richardson(partial(after_the_dark, times=times), durations), rel=RELATIVE, abs=1e-8)


def test_duration_of_an_empty_segment():
    """The first dark instant has a price: slope at duration 0 (forward difference of third order)."""
    times, h = jnp.array([0.003, 0.021, 0.03]), 1e-5
    values = [float(after_the_dark(jnp.array([0.015, k * h]), times)[0]) for k in range(4)]
    difference = np.array(values) @ [-11, 18, -9, 2] / (6 * h)
    assert abs(difference) > 1
    assert float(slopes(jnp.array([0.015, 0.0]), times)[0, 1]) == pytest.approx(difference, rel=1e-5)


@pytest.mark.slow
def test_slope_where_the_light_comes_on():
    """Strength 0 of unequal cells: the joint source sqrt(s D_I s D_II) has the slope sqrt(D_I D_II), not the mean."""
    model = two_levels(1.5, d=40, gd_add=2, ensembles__optical_depth=10.0).model()

    def xi(strength):
        pulses = protocol(("drive", 0.1, (strength, strength)), ("dark", 1.0))
        state = evolve(model, jnp.array([0.2]), protocol=pulses, method=MomentEquations(substeps=16), throw=False).state
        return epr_variance(state).value[0]

    h, slope = 1e-4, jax.jit(jax.grad(xi))
    difference = float(jax.jit(jax.vmap(xi))(h * jnp.arange(4.0)) @ jnp.array([-11.0, 18.0, -9.0, 2.0])) / (6 * h)
    assert float(slope(1e-7)) == pytest.approx(difference, rel=1e-5)
    assert float(slope(0.0)) == pytest.approx(difference, rel=1e-5)


SPECIAL = {
    "defaults": {},
    "no light through": {"cells.transmission": 0.0},
    "no optical depth": {"ensembles.optical_depth": 0.0},
    "dark second cell": {"second.ensembles.optical_depth": 0.0},
    "no squeezing": {"drive.z": 1.0},
    "unpolarised": {"ensembles.initial_polarization": 0.0},
    "light off": {"protocol.segments.0.strength": 0.0, "protocol.segments.0.strength_end": 0.0},
    "empty segment": {"protocol.segments.1.duration": 0.0},
}


@lru_cache
def special(question):
    """Default values as in a fresh lab file (mismatch 0, x = 0, t = 1, equal cells); the sum of the answers."""
    lab = dataclasses.replace(two_levels(1.5, d=30), protocol=Timing(segments=SEGMENTS))
    lab = dataclasses.replace(lab, second={"ensembles.optical_depth": 30.0})
    table = floats(lab)

    def answer(x):
        return QUESTIONS[question](with_values(lab, {key: x[i] for i, key in enumerate(table)})).sum()

    return list(table), jnp.array(list(table.values())), jax.jit(jax.value_and_grad(answer))


@pytest.mark.parametrize(
    "question", ["steady", *(pytest.param(q, marks=pytest.mark.slow) for q in ("pulsed", "adiabatic"))]
)
@pytest.mark.parametrize("place", SPECIAL)
def test_gradients_are_numbers_at_special_values(place, question):
    keys, x, value_and_slopes = special(question)
    for key, value in SPECIAL[place].items():
        x = x.at[keys.index(key)].set(value)
    value, gradient = value_and_slopes(x)
    assert np.isfinite(float(value))
    assert np.isfinite(np.asarray(gradient)).all(), [
        k for k, g in zip(keys, gradient, strict=True) if not np.isfinite(g)
    ]
    # xi depends on the square of the mismatch
    assert abs(float(gradient[keys.index("field.larmor_mismatch")])) < 1e-12


# ---- many points in one call ----


def sweep(count):
    """Parameters of `count` labs: optical depth, Z, pump, added dephasing, mismatch, transmission."""
    rng = np.random.default_rng(9)
    low, high = np.array([[1, 1.0, 0, 0, -1, 0.1], [100, 3.0, 5, 20, 1, 1.0]])
    return jnp.asarray(rng.uniform(low, high, (count, 6)))


NAMES = [
    "ensembles.optical_depth",
    "drive.z",
    "pump.x",
    "noise.gamma_d_add",
    "field.larmor_mismatch",
    "cells.transmission",
]


@partial(jax.jit, static_argnames="timed")
@partial(jax.vmap, in_axes=(0, None))
def point(values, timed):
    model = with_values(two_levels(), dict(zip(NAMES, values, strict=True))).model()
    if timed:
        found = evolve(model, [0.05, 0.2, 1.0], method=MomentEquations(substeps=64), throw=False)
    else:
        found = steady_state(model, throw=False)
    return epr_variance(found.state).value, found.outcome


@pytest.mark.parametrize("timed", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_hundred_thousand_points_in_one_call(timed):
    """One compiled call; single calls agree on points picked from it."""
    values = sweep(100_000)
    xi, outcome = point(values, timed)
    assert xi.shape[0] == outcome.shape[0] == 100_000
    assert float((outcome == Outcome.ok).mean()) > 0.95
    for k in (0, 31_415, 99_999):
        model = with_values(two_levels(), dict(zip(NAMES, map(float, values[k]), strict=True))).model()
        alone = evolve(model, [0.05, 0.2, 1.0]) if timed else steady_state(model)
        assert np.asarray(xi[k]) == pytest.approx(np.asarray(epr_variance(alone.state).value), abs=1e-6)
