"""Quantities of every experiment, against the predictions they are part of; batches and slopes."""

import numpy as np
import pytest

import darkstate as ds
from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError, Outcome
from darkstate.experiments import kind_of
from darkstate.experiments.values import value_at, with_values
from darkstate.studies.quantities import QUANTITIES, evaluator


def loaded(name, *overrides, case=None):
    return ds.load(ds.shipped_labs()[name], case=case, overrides=overrides)


SEGMENTS = ["krauter2011", "krauter2011-lab", "muschik2011", "muschik2013"]


@pytest.mark.parametrize("name", ["krauter2011", *(pytest.param(n, marks=pytest.mark.slow) for n in SEGMENTS[1:])])
def test_cells_as_predicted(name):
    """`predict` fits cubics to its grid (witness/window.py): 1e-6; here parabolas, and straight lines at the window."""
    lab = loaded(name)
    e, p = lab.experiment, ds.predict(lab)
    values, outcome = evaluator(e, tuple(QUANTITIES[kind_of(e)]))(e)
    step = float(np.diff(p.times).max())
    assert float(values["xi_inf"]) == pytest.approx(float(p.steady_xi.value), rel=1e-12)
    assert float(values["xi_min"]) == pytest.approx(p.window.minimum, rel=1e-5)
    assert float(values["t_min"]) == pytest.approx(p.window.at, abs=0.05 * step)
    assert float(values["xi_end"]) == pytest.approx(float(p.xi.value[-1]), rel=1e-6)
    assert int(outcome) == max(int(p.outcome), int(p.steady.outcome))
    if p.window.opens is not None:
        assert float(values["window_start"]) == pytest.approx(p.window.opens, abs=0.05 * step)
        end = np.inf if p.window.open_ended else p.window.closes
        assert float(values["window_end"]) == pytest.approx(end, abs=0.05 * step)


def test_no_window_where_nothing_is_entangled():
    """002: at d = 30 with ten times the decoherence xi stays above 1."""
    e = loaded("krauter2011", "noise.gamma_tilde=5 /ms").experiment
    values, _ = evaluator(e, ("xi_min", "window_start", "window_end"))(e)
    assert float(values["xi_min"]) >= 1 and np.isnan([values["window_start"], values["window_end"]]).all()


@pytest.mark.parametrize("name", ["huang2018", pytest.param("membrane-cell", marks=pytest.mark.slow)])
def test_two_oscillators_as_predicted(name):
    lab = loaded(name)
    e, data = lab.experiment, ds.predict(lab).to_dataset()
    for quantity in QUANTITIES["spin_mechanics"]:
        values, outcome = evaluator(e, (quantity,))(e)
        assert float(values[quantity]) == pytest.approx(float(data[quantity]), rel=1e-9), quantity
        assert int(outcome) == 0


def test_cells_whose_light_is_measured_as_predicted():
    """000 Sec. IV at x = 1: 0.58 and 0.4 (gaussian reference numbers)."""
    e = loaded("muschik2013-monitored", case="x1").experiment
    values, _ = evaluator(e, ("xi_inf", "xi_inf_conditional"))(e)
    assert (float(values["xi_inf"]), float(values["xi_inf_conditional"])) == pytest.approx((0.58, 0.4), abs=1e-9)
    nats = [float(evaluator(e, (n,))(e)[0][n]) for n in ("log_negativity", "log_negativity_conditional")]
    assert nats == pytest.approx([-np.log(0.58), -np.log(0.4)], abs=1e-9)  # E_N = -ln xi of a symmetric state


def test_two_atoms_as_predicted():
    lab = loaded("ruksasakchai2026")
    p, e = ds.predict(lab), lab.experiment
    values, outcome = evaluator(e, tuple(QUANTITIES["tweezer_pair"]))(e)
    found = [float(values[n]) for n in ("p_0", "p_1", "p_2")]
    assert found == pytest.approx(p.populations[-1].tolist(), abs=1e-9)
    assert float(values["pairs"]) == pytest.approx(float(p.sector.value), rel=1e-9)
    assert float(values["fidelity"]) == pytest.approx(float(p.fidelity.value), rel=1e-9)
    assert int(outcome) == int(p.outcome)


LABS = [("muschik2011", "drive.z"), ("huang2018", "path.loss"), ("muschik2013-monitored", "detection.efficiency")]


@pytest.mark.parametrize(("name", "key"), LABS)
def test_batches_and_slopes(name, key):
    """A batch is its points; a slope is the central difference, error (h^2/6) f'''."""
    e = loaded(name).experiment
    quantity = next(iter(QUANTITIES[kind_of(e)]))
    function = evaluator(e, (quantity,))

    def at(x):
        values, outcome = function(with_values(e, {key: x}))
        return values[quantity], outcome

    x = float(value_at(e, key)) * np.array([0.9, 0.95, 0.99]) if value_at(e, key) else np.array([0.1, 0.2, 0.3])
    found, outcomes = jax.jit(jax.vmap(at))(jnp.asarray(x))
    assert np.asarray(outcomes).tolist() == [0, 0, 0]
    for value, single in zip(np.asarray(found), x, strict=True):
        assert value == pytest.approx(float(at(single)[0]), rel=1e-12)
    slope, h = float(jax.grad(lambda y: at(y)[0])(x[1])), 1e-4 * x[1]
    assert slope == pytest.approx((float(at(x[1] + h)[0]) - float(at(x[1] - h)[0])) / (2 * h), rel=1e-5)


def test_bad_points_have_codes():
    """All at once: without any drive there is nothing to predict, with too little cooling nothing is stable."""
    e = loaded("huang2018").experiment
    function = evaluator(e, ("xi",))
    _, outcome = jax.vmap(lambda x: function(with_values(e, {"spin.theta": x})))(jnp.array([0.1, 1.2]))
    assert Outcome(int(outcome[0])) is Outcome.unstable


@pytest.mark.parametrize("change", [{"field.frequency": 1e6}, {"field.frequency": 1e9}])
def test_the_rotating_wave_approximation_is_checked_as_predict_does(change):
    """gaussian reference: at 1 MHz 0.32914 without it, 0.11598 with it, at C_S = 100; the error falls as 1/omega^2."""
    (key, hertz), lab = next(iter(change.items())), ds.shipped_labs()["huang2018"]
    lab = ds.load(lab, case="cs100", overrides=[f"{key}={hertz:g} Hz"])
    _, outcome = jax.jit(evaluator(lab.experiment, ("xi",)))(lab.experiment)
    wanted = Outcome.outside_validity if hertz < 1e7 else Outcome.ok
    assert Outcome(int(outcome)) is ds.predict(lab).outcome is wanted


def test_a_cavity_too_slow_for_its_membrane_is_outside_validity():
    """solve/limits.py: g/kappa up to 0.1; a hundred times narrower cavities follow no longer."""
    e = loaded("membrane-cell").experiment
    narrow = with_values(e, {"membrane.cavity_linewidth": e.membrane.cavity_linewidth / 100})
    outcomes = [Outcome(int(evaluator(x, ("xi",))(x)[1])) for x in (e, narrow)]
    assert outcomes[0] is Outcome.ok and outcomes[1] >= Outcome.outside_validity


def test_a_number_that_is_none_is_no_result():
    """All light lost on the way: the read-out gain, and with it xi_g, is infinity times zero."""
    e = loaded("huang2018").experiment
    values, outcome = jax.vmap(lambda x: evaluator(e, ("xi",))(with_values(e, {"path.loss": x})))(jnp.array([0.0, 1.0]))
    assert np.isnan(np.asarray(values["xi"])).tolist() == [False, True]
    assert [Outcome(int(o)) for o in outcome] == [Outcome.ok, Outcome.not_converged]


def test_an_unknown_name_says_the_nearest():
    e = loaded("krauter2011").experiment
    with pytest.raises(ArgumentError, match="'xi_mim' is no quantity of cesium_cells; did you mean xi_min"):
        evaluator(e, ("xi_mim",))
