"""Counts of a lab with two atoms in a tweezer: what a run will show, how well it tells the fidelity, what it told.

    settings -> probabilities of 0, 1, 2 atoms (model R1) -> counts;   counts -> count model with calibrations -> F

The uncertain numbers of the lab file that a count depends on are the nuisances of the count model.
Down: `pair`, `records`; up: cli, the figures of 003.
"""

from __future__ import annotations

import dataclasses
from math import inf, pi, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError, InputError
from darkstate.experiments.labfile import Lab
from darkstate.experiments.layout import find
from darkstate.experiments.tweezer_pair import TweezerPair
from darkstate.experiments.values import value_at, with_values
from darkstate.pair.detection import count_probabilities, ramsey_count_probabilities
from darkstate.pair.detection import simulate_counts as draw
from darkstate.pair.imperfections import Imperfections
from darkstate.pair.kinetic import kinetic_states
from darkstate.pair.sequence import ramsey_probability
from darkstate.parameters import specs
from darkstate.records.count_model import CountModel
from darkstate.records.counts import count_table
from darkstate.records.fidelity import expected_error
from darkstate.report.pair import destroyed_state, final_state, physical_fidelity

if TYPE_CHECKING:
    import xarray as xr

SEQUENCES = ("raman", "interleaved", "ramsey", "populations")
"""What can be simulated: one pulse of growing area; the same with and without destruction, in turn; two pulses against
detuning; no pulse against collision time."""

DESTRUCTION, CONTROL = "destruction", "control"
"""Names of the groups of interleaved counts."""

TIMES = 11
"""Collision times of the sequence `populations`, from 0 to the duration of the lab file."""

_NUISANCES = {
    "theta": (),
    "tau": ("raman.pi_time",),
    "detuning_hz": ("ramsey.half_pulse", "ramsey.dark_time"),
}
"""What counts depend on beside `detection`, by the setting that was changed."""

_PROCEDURE = ("destruction.sector", "destruction.loss")
"""What counts after a destruction depend on in place of, or beside, `detection`."""


def only_pairs(lab: Lab) -> TweezerPair:
    """The experiment of a lab, if it is a pair in a tweezer.

    Raises:
        InputError: another experiment; ArgumentError: no lab at all.
    """
    if not isinstance(lab, Lab):
        raise ArgumentError(f"Argument `lab` must be a lab from darkstate.load, but is a {type(lab).__name__}.")
    if not isinstance(lab.experiment, TweezerPair):
        raise InputError([f"{lab.name} describes another system; counts are for tweezer_pair"])
    return lab.experiment


def fidelities(e: TweezerPair) -> dict[str, float]:
    """Fidelity with chi_1 of the pairs in m = +-1 that the models of collisions and destruction give, by group.

    Example:
        >>> import darkstate as ds
        >>> e = ds.load(ds.shipped_labs()["ruksasakchai2026"]).experiment
        >>> {name: round(f, 3) for name, f in fidelities(e).items()}
        {'control': 1.0, 'destruction': 0.5}
    """
    state = final_state(e)
    found = {CONTROL: physical_fidelity(state)}
    if e.destruction is not None:
        found[DESTRUCTION] = physical_fidelity(destroyed_state(e, state))
    return found


def settings(e: TweezerPair, sequence: str) -> tuple[str, np.ndarray]:
    """Coordinate and values of the settings of a sequence; pulse areas [rad], detunings [Hz] or times [s].

    Raises:
        ArgumentError: no such sequence.

    Example:
        >>> import darkstate as ds
        >>> name, values = settings(ds.load(ds.shipped_labs()["ruksasakchai2026"]).experiment, "raman")
        >>> name, len(values), round(float(values[-1]), 4)
        ('theta', 11, 3.1416)
    """
    if sequence in ("raman", "interleaved"):
        return "theta", np.linspace(0.0, e.raman.largest_area, e.raman.areas)
    if sequence == "ramsey":
        return "detuning_hz", np.linspace(-e.ramsey.span, e.ramsey.span, e.ramsey.points)
    if sequence == "populations":
        return "time", np.linspace(0.0, e.collisions.duration, TIMES)
    raise ArgumentError(f"Argument `sequence` must be one of {', '.join(SEQUENCES)}, but is {sequence!r}.")


def probabilities(e: TweezerPair, setting: str, values: Any, fidelity: Any, *, destroyed: bool = False) -> Any:
    """Probabilities of 0, 1, 2 atoms left at every setting; a JAX function of all numbers.

    Args:
        e: the experiment; setting: theta, tau, detuning_hz or time; values: [s; SI]; fidelity: F of the pairs in
            m = +-1; with `time`, the share in m = +-1 is that of the kinetic model and F does not count.
        destroyed: after the destruction, with the share in m = +-1 and the loss of [destruction].

    Returns:
        [s 3].

    Example:
        >>> import darkstate as ds
        >>> e = ds.load(ds.shipped_labs()["ruksasakchai2026"]).experiment
        >>> print(probabilities(e, "tau", jnp.array([0.0, 1.62e-6]), 0.5).round(5))
        [[0.20755 0.22056 0.57189]
         [0.21093 0.1503  0.63877]]
    """
    if setting == "time":
        populations = jnp.diagonal(kinetic_states(e.pair(), values), axis1=-2, axis2=-1).real
        return count_probabilities(jnp.zeros(len(populations)), 1.0, with_populations(e, populations))
    if destroyed:
        return _after_loss(e, lambda detection: _counted(e, setting, values, fidelity, detection))
    return _counted(e, setting, values, fidelity, e.detection)


def _counted(e: TweezerPair, setting: str, values: Any, fidelity: Any, detection: Imperfections) -> Any:
    if setting == "detuning_hz":
        p = ramsey_probability(values, e.ramsey.half_pulse, e.ramsey.dark_time)
        return ramsey_count_probabilities(p, fidelity, detection)
    area = values if setting == "theta" else pi * jnp.asarray(values) / e.raman.pi_time
    return count_probabilities(area, fidelity, detection)


def _after_loss(e: TweezerPair, counted: Any) -> Any:
    """Probabilities [... 3] if each atom may be lost before the pulse; one left alone has nothing to collide with."""
    detection, loss = e.destroyed_detection, e.destruction.loss if e.destruction is not None else 0.0
    alone = counted(dataclasses.replace(detection, inelastic=0.0))
    stays = (alone[..., 1] + 2 * alone[..., 2]) / 2
    one = jnp.stack([1 - stays, stays, 0 * stays], axis=-1)
    none = jnp.array([1.0, 0.0, 0.0])
    return (1 - loss) ** 2 * counted(detection) + 2 * loss * (1 - loss) * one + loss**2 * none


def with_populations(e: TweezerPair, populations: Any) -> Imperfections:
    """Imperfections with the shares in m = +-1 and +-2 of these populations of prepared pairs [t 3]."""
    left = jnp.maximum(populations[..., 0] + populations[..., 2], 1e-12)
    outer: Any = jnp.clip(populations[..., 2] / left, 0.0, 1.0)
    return dataclasses.replace(e.detection, sector=e.prepared_pairs * populations[..., 1], outer=outer)


def simulate_counts(
    lab: Lab, *, sequence: str = "raman", shots: int | None = None, fidelity: float | None = None, seed: int = 0
) -> xr.Dataset:
    """Counts that a run of a lab would give, drawn from its probabilities.

    Args:
        lab: of the experiment tweezer_pair; sequence: raman, interleaved, ramsey or populations; shots: pairs per
            setting instead of counting.shots.
        fidelity: F of the pairs in m = +-1 instead of what the models give, 1 by symmetry; not after a destruction.
        seed: of the random numbers.

    Returns:
        A count table, see `records.counts`; interleaved counts have the groups "destruction" and "control".

    Raises:
        InputError: another experiment, or interleaved counts without [destruction]; ArgumentError: no such sequence,
            shots below 1, a fidelity outside 0 to 1.

    Example:
        >>> import darkstate as ds
        >>> data = simulate_counts(ds.load(ds.shipped_labs()["ruksasakchai2026"]), seed=1)
        >>> data.counts.shape, int(data.counts[0].sum())
        ((11, 3), 300)
    """
    e = only_pairs(lab)
    if fidelity is not None and not 0 <= fidelity <= 1:
        raise ArgumentError(f"Argument `fidelity` must be between 0 and 1, but is {fidelity:g}.")
    if fidelity is not None and sequence == "populations":
        raise ArgumentError("Argument `fidelity` has no effect without a pulse: leave it out for populations.")
    name, values = settings(e, sequence)
    where: Any = {name: values}
    count = e.counting.shots if shots is None else shots
    made = fidelities(e) if sequence == "interleaved" or (fidelity is None and sequence != "populations") else {}
    control = made.get(CONTROL, 1.0) if fidelity is None else float(fidelity)
    if sequence != "interleaved":
        return count_table(draw(probabilities(e, name, values, control), count, seed), **where)
    if DESTRUCTION not in made:
        raise InputError([f"{lab.name} has no [destruction], which interleaved counts compare with; add this section"])
    each = [probabilities(e, name, values, made[DESTRUCTION], destroyed=True), probabilities(e, name, values, control)]
    both = np.stack([np.asarray(p) for p in each], axis=1).reshape(-1, 3)  # every area without and with, in turn
    group = [DESTRUCTION, CONTROL] * len(values)
    return count_table(draw(both, count, seed), group=group, theta=np.repeat(values, 2))


def count_model(lab: Lab, setting: str = "theta", *, destroyed: bool = False) -> CountModel:
    """The count model of a lab: its uncertain calibrations are the nuisances, all others are taken as exact.

    Args:
        lab: of the experiment tweezer_pair; setting: theta, tau or detuning_hz, as the count table has it.
        destroyed: of counts after the destruction; its share in m = +-1 and its loss are free where the lab file has
            no error of them, since heating alone must not look like lost entanglement.

    Raises:
        InputError: another experiment, or counts after a destruction without [destruction]; ArgumentError: a setting
            that has no fidelity.

    Example:
        >>> import darkstate as ds
        >>> model = count_model(ds.load(ds.shipped_labs()["ruksasakchai2026"], overrides=["detection.loss=0.02"]))
        >>> model.names[:2]
        ('detection.preparation', 'detection.sector')
        >>> model.exact
        ('detection.ejection_other', 'detection.pushout_other', 'detection.loss')
    """
    e = only_pairs(lab)
    if setting not in _NUISANCES:
        raise ArgumentError(f"Argument `setting` must be one of {', '.join(_NUISANCES)}, but is {setting!r}.")
    if destroyed and e.destruction is None:
        text = f"has no [destruction], which the counts of the group {DESTRUCTION} come from; add this section"
        raise InputError([f"{lab.name} {text}"])
    # `outer` shows in a search of inelastic losses only
    uses = [f"detection.{name}" for name, _ in specs(Imperfections) if name != "outer"]
    uses += [*_NUISANCES[setting], *(_PROCEDURE if destroyed else ())]
    if destroyed:
        uses.remove("detection.sector")
    sigmas = {k: lab.uncertainties.get(k, inf if k in _PROCEDURE else 0.0) for k in uses}
    keys = tuple(k for k in uses if sigmas[k])

    @jax.jit
    def function(values: Any, fidelity: Any, nuisances: Any) -> Any:
        changed = with_values(e, dict(zip(keys, nuisances, strict=True)))
        return probabilities(changed, setting, values, fidelity, destroyed=destroyed)

    return CountModel(
        function,
        keys,
        tuple(_value(e, k) for k in keys),
        tuple(float(sigmas[k]) for k in keys),
        tuple(_range(e, k) for k in keys),
        setting,
        tuple(k for k in uses if k not in keys),
    )


def _value(e: TweezerPair, key: str) -> float:
    return float(e.destroyed_detection.sector if key == "destruction.sector" else value_at(e, key))


def _range(e: TweezerPair, key: str) -> tuple[float, float]:
    """Where a nuisance may go.

    Pairs in m = +-1 are prepared ones, sector <= preparation^2, in every corner of the ranges: what lies between both
    is divided halfway.
    """
    value = _value(e, key)
    most = (float(e.prepared_pairs) + max(float(e.detection.sector), float(e.destroyed_detection.sector))) / 2
    if key in ("detection.sector", "destruction.sector"):
        return 0.0, most
    if key == "detection.preparation":
        return sqrt(most), 1.0
    spec = find("tweezer_pair", tuple(key.split(".")))
    assert spec is not None
    if spec.above is not None:
        return value / 10, 10 * value
    return spec.minimum or 0.0, 10 * value + 1 if spec.maximum is None else spec.maximum


def raman_error(lab: Lab, *, fidelity: float = 1.0, use: str = "joint") -> float:
    """Standard error of F that the Raman sequence of a lab will reach, by its Fisher information.

    Args:
        lab: of the experiment tweezer_pair; fidelity: supposed; use: joint, or two_atoms: 2 atoms against fewer, which
            inelastic collisions do not disturb (003).

    Example:
        >>> import darkstate as ds
        >>> lab = ds.load(ds.shipped_labs()["ruksasakchai2026"])
        >>> f"{raman_error(lab):.3f} {raman_error(lab, use='two_atoms'):.3f}"
        '0.083 0.119'
    """
    e = only_pairs(lab)
    return expected_error(settings(e, "raman")[1], e.counting.shots, count_model(lab), fidelity=fidelity, use=use)
