"""Exact derivatives of xi by what stands on the optical table, against Richardson differences; never NaN.

Every float of [vapour], [laser], [relaxation], [pump_light] and [field], and of what the second cell has of its own, in
the steady state and at the smallest xi(t). The list of parameters comes from the classes. Helpers as in
test_gradients.py, where the experiments by effective rates are.
"""

import dataclasses
from functools import lru_cache, partial

import numpy as np
import pytest

from darkstate.backend import jax, jnp
from darkstate.experiments.cesium_cells import CesiumCells, CesiumLaser, Field, PumpLight, Relaxation, Vapour
from darkstate.experiments.two_cells import Cells, Timing
from darkstate.experiments.two_level_ensembles import Ensembles, TwoLevelEnsembles, YtterbiumLaser
from darkstate.experiments.two_level_ensembles import Field as MagneticField
from darkstate.experiments.two_level_ensembles import Noise as AddedNoise
from darkstate.experiments.two_level_ensembles import Pump as SimplePump
from darkstate.experiments.values import with_values
from darkstate.parameters import specs
from darkstate.solve.evolve import evolve
from darkstate.solve.methods import MomentEquations
from darkstate.solve.steady_state import steady_state
from darkstate.witness.epr import epr_variance

RELATIVE = 1e-5
SECTIONS = ("vapour", "laser", "relaxation", "pump_light", "field")
# compared with others in warnings or checks: part of no equation
NOWHERE = {"relaxation.t1_dark", "vapour.distance", "laser.distance", "laser.temperature"}


def floats(lab):
    """(key, value) of every number that is set in the sections of a laboratory, and of cell II."""
    found = {}
    for name in SECTIONS:
        section = getattr(lab, name, None)
        for key, spec in specs(section) if section is not None else ():
            value = getattr(section, key)
            if not (spec.choices or spec.whole) and value is not None:
                found[f"{name}.{key}"] = float(value)
    return found | {f"second.{key}": value for key, value in lab.second.items()}


def unequal(lab):
    """Cell II with light, vapour and relaxation of its own, 1 to 3 % less."""
    rng = np.random.default_rng(5)
    own = {
        key: value * rng.uniform(0.97, 0.99)
        for key, value in floats(lab).items()
        if key.split(".")[0] in lab.per_cell and key not in ("laser.detuning", "vapour.temperature")
    }
    own |= {"laser.detuning": 0.998 * lab.laser.detuning}
    if hasattr(lab, "vapour"):
        own |= {"vapour.temperature": lab.vapour.temperature - 0.2}
    return dataclasses.replace(lab, second=own)


def by_temperature():
    """d from the temperature, pump and repump by power, T2 measured; y light, V1."""
    return unequal(
        CesiumCells(
            vapour=Vapour(temperature=296.0, width=0.022, length=0.021, initial_up=0.99),
            laser=CesiumLaser(detuning=850e6, power=5.6e-3, window_transmission=0.93, gamma_d_add=0.5, excess_loss=3.0),
            relaxation=Relaxation(t2_dark=0.04, t1_dark=0.13, collision_rate=6.0),
            pump_light=PumpLight(power=2e-7, repump_power=2e-7),
            field=Field(larmor_splitting=5e6, larmor_mismatch=3.0),
            cells=Cells(0.98),
            protocol=Timing(duration=0.04),
        )
    )


def by_rule():
    """d from the Faraday angle, the 95 % rule, collisions only; y light, V3."""
    return unequal(
        CesiumCells(
            vapour=Vapour(temperature=295.0, width=0.022, length=0.021, faraday_angle=0.2, initial_up=0.99),
            laser=CesiumLaser(detuning=700e6, power=5.6e-3, rayleigh="V3", gamma_d_add=2.0, excess_loss=1.0),
            relaxation=Relaxation(collision_rate=3.0),
            pump_light=PumpLight(up_fraction=0.95, repump_ratio=0.5),
            field=Field(larmor_splitting=5e6, larmor_mismatch=3.0),
            protocol=Timing(duration=0.04),
        )
    )


def along_the_field():
    """d as measured, no pump light; x light, red of all lines."""
    return unequal(
        CesiumCells(
            vapour=Vapour(temperature=295.0, width=0.022, length=0.021, optical_depth=60.0),
            laser=CesiumLaser(
                detuning=-1500e6, power=30e-3, polarization="x", rayleigh="V3", gamma_d_add=1.0, excess_loss=2.0
            ),
            relaxation=Relaxation(t2_dark=0.04, collision_rate=6.0),
            field=Field(larmor_splitting=5e6, larmor_mismatch=2.0),
            protocol=Timing(duration=0.04),
        )
    )


def ytterbium():
    return unequal(
        TwoLevelEnsembles(
            Ensembles(optical_depth=50.0, atoms=1e9, initial_polarization=0.9),
            laser=YtterbiumLaser(detuning=-4e9, power=2e-4, rayleigh="V3", window_transmission=0.9),
            pump=SimplePump(x=0.3),
            noise=AddedNoise(gamma_d_add=0.7),
            field=MagneticField(magnetic_field=0.05, larmor_mismatch=0.05),
            protocol=Timing(duration=4.0),
        )
    )


LABS = {f.__name__: f for f in (by_temperature, by_rule, along_the_field, ytterbium)}


def answers(lab):
    """xi of the steady state with all light on, and the smallest xi of a fixed grid of times [2]."""
    model = lab.model()
    steady = steady_state(model, throw=False).state
    times = jnp.linspace(0.0, 1.0, 41) * lab.protocol.duration
    course = evolve(model, times, method=MomentEquations(substeps=8), throw=False).state
    return jnp.stack([epr_variance(steady).value, epr_variance(course).value.min()])


@lru_cache
def function(name):
    """(keys, x, x -> answers, x -> elasticities) of a lab; x holds all its numbers."""
    lab = LABS[name]()
    table = floats(lab)
    keys = list(table)

    def answer(x):
        return answers(with_values(lab, {k: x[i] for i, k in enumerate(keys)}))

    slopes = jax.jit(jax.jacfwd(answer))
    return keys, jnp.array(list(table.values())), jax.jit(jax.vmap(answer)), lambda x: np.asarray(slopes(x) * x)


def richardson(batch, x, step=1e-3):
    """Derivative by x_k of every answer times x_k, from steps of 1e-3 and 5e-4 of x_k: [answer k]."""
    eye = jnp.eye(len(x))
    factors = jnp.stack([1 + s * step * eye for s in (1, -1, 0.5, -0.5)])
    up, down, up2, down2 = batch((factors * x).reshape(-1, len(x))).reshape(4, len(x), -1)
    return np.asarray((4 * (up2 - down2) / step - (up - down) / (2 * step)) / 3).T


IDLE = {
    "by_temperature": {"vapour.depth_per_degree"},  # of a Faraday angle that is not there
    "by_rule": {"vapour.temperature", "vapour.length"},  # the depth is measured, the pump as strong as the rule wants
    "along_the_field": {"vapour.temperature", "vapour.length", "vapour.depth_per_degree"},
    "ytterbium": set(),
}
MOVED = {
    "by_temperature": ("laser.detuning", "laser.power", "vapour.temperature", "pump_light.power"),
    "by_rule": ("laser.detuning", "vapour.faraday_angle", "pump_light.up_fraction", "pump_light.repump_ratio"),
    "along_the_field": ("laser.detuning", "vapour.optical_depth", "relaxation.t2_dark"),
    "ytterbium": ("laser.detuning", "laser.power", "laser.width", "field.magnetic_field"),
}


@pytest.mark.parametrize(
    "name", ["by_temperature", *(pytest.param(n, marks=pytest.mark.slow) for n in LABS if n != "by_temperature")]
)
def test_every_parameter(name):
    keys, x, batch, elasticities = function(name)
    here = np.asarray(batch(x[None]))[0]
    assert 0.3 < here[1] < 0.97  # the smallest xi lies inside the time grid
    exact, differences = elasticities(x), richardson(batch, x)
    assert np.isfinite(exact).all(), [keys[k] for _, k in np.argwhere(~np.isfinite(exact))]
    size = np.abs(differences).max(axis=1, keepdims=True)
    wrong = np.abs(exact - differences) > RELATIVE * np.abs(differences) + 1e-8 * size
    assert not wrong.any(), [(keys[k], exact[a, k], differences[a, k]) for a, k in np.argwhere(wrong)]
    # each moves xi, beside what is only compared, and the field and light count in every laboratory
    largest = dict(zip(keys, np.abs(exact).max(axis=0), strict=True))
    still = {key.removeprefix("second.") for key, slope in largest.items() if slope < 1e-9}
    assert still <= NOWHERE | IDLE[name]
    for key in (*MOVED[name], *(f"second.{k}" for k in MOVED[name] if not k.startswith("field"))):
        assert largest[key] > 1e-4, key
    field = "field.magnetic_field" if name == "ytterbium" else "field.larmor_splitting"
    assert largest[field] > 1e-6
    assert {k.split(".")[0] for k in keys} == {n for n in SECTIONS if getattr(LABS[name](), n, None)} | {"second"}


@pytest.mark.slow
def test_reverse_mode_is_the_same_derivative():
    keys, x, _, elasticities = function("by_temperature")
    lab = LABS["by_temperature"]()

    def steady(x):
        model = with_values(lab, {k: x[i] for i, k in enumerate(keys)}).model()
        return epr_variance(steady_state(model, throw=False).state).value

    reverse = np.asarray(jax.jit(jax.grad(steady))(x)) * np.asarray(x)
    assert reverse == pytest.approx(elasticities(x)[0], abs=1e-11)


# ---- places where a derivative could break ----

SPECIAL = {
    "nothing added": {"laser.gamma_d_add": 0.0, "laser.excess_loss": 0.0, "relaxation.collision_rate": 0.0},
    "all atoms up": {"vapour.initial_up": 1.0},
    "no pump light": {"pump_light.power": 0.0},
    "no repump light": {"pump_light.repump_power": 0.0},
    "hardly a field": {"field.larmor_splitting": 1e-6},
    "no field": {"field.larmor_splitting": 0.0},
    "no mismatch": {"field.larmor_mismatch": 0.0},
    "cells in one place": {"vapour.distance": 0.0},
    "melting point": {"vapour.temperature": 301.65},
}
RULE = {
    "no repump light": {"pump_light.repump_ratio": 0.0},  # the quadratic equation is linear
    "drive alone": {"pump_light.up_fraction": 0.51},  # reaches the fraction: no pump light
    "no collisions": {"relaxation.collision_rate": 0.0},
}


@pytest.mark.parametrize(
    ("name", "place"),
    [
        *(("by_temperature", place) for place in SPECIAL),
        *(pytest.param("by_rule", place, marks=pytest.mark.slow) for place in RULE),
    ],
)
def test_gradients_are_numbers_at_special_values(name, place):
    """Also where cell II is there too."""
    keys, x, batch, elasticities = function(name)
    for key, value in (SPECIAL if name == "by_temperature" else RULE)[place].items():
        for own in {key, f"second.{key}"} & set(keys):
            x = x.at[keys.index(own)].set(value)
    assert np.isfinite(np.asarray(batch(x[None]))).all()
    slopes = elasticities(x)
    assert np.isfinite(slopes).all(), [keys[k] for _, k in np.argwhere(~np.isfinite(slopes))]


# ---- many detunings in one call ----


@partial(jax.jit, static_argnames="name")
@partial(jax.vmap, in_axes=(0, None))
def over_detuning(detuning, name):
    lab = dataclasses.replace(LABS[name](), second={})
    found = steady_state(with_values(lab, {"laser.detuning": detuning}).model(), throw=False)
    return epr_variance(found.state).value, found.outcome


@pytest.mark.parametrize("name", ["by_rule", pytest.param("ytterbium", marks=pytest.mark.slow)])
def test_ten_thousand_detunings_in_one_call(name):
    low, high = (5e8, 3e9) if name == "by_rule" else (-5e9, -3e9)
    detunings = np.linspace(low, high, 10_000)
    xi, outcome = (np.asarray(a) for a in over_detuning(jnp.asarray(detunings), name))
    assert xi.shape == outcome.shape == (10_000,)
    assert (outcome == 0).all()
    lab = dataclasses.replace(LABS[name](), second={})
    for k in (0, 3141, 9999):
        model = with_values(lab, {"laser.detuning": float(detunings[k])}).model()
        assert xi[k] == pytest.approx(float(epr_variance(steady_state(model).state).value), rel=1e-11)
    assert np.ptp(xi) > 0.01
