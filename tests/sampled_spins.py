"""Quantum trajectories against the density matrix of all spins: models, and how far off every number is.

`tests/agreement/test_trajectories.py` and `validation/trajectories.py` share them; the truth comes from the oracles.
"""

from dataclasses import replace
from itertools import combinations

import numpy as np

from darkstate.backend import jnp
from darkstate.solve.methods import Trajectories
from darkstate.solve.trajectories import exact_samples
from darkstate.spins.exact.jumps import LOCAL, Collective, JumpModel, ProductStart, SpinStart
from oracles.collective_spins import Spins
from oracles.density_matrix import Ensemble, build

# ---- channels of two ensembles in the light ----
CHANNELS = {
    "cool": ({"cool": 0.9}, {"cool": 1.3}),
    "heat": ({"heat": 0.7}, {"heat": 0.4}),
    "dephasing": ({"dd": 1.1}, {"dd": 0.6}),
    "collective": ({"mu": 1.3, "nu": 0.8, "d_gamma": 3.0}, {"mu": 1.1, "nu": 0.5, "d_gamma": 2.2}),
    "mismatch": ({"detuning": 0.9}, {"detuning": 0.5}),
}
SETS = [*((name,) for name in CHANNELS), *combinations(CHANNELS, 2), tuple(CHANNELS)]
TIMES = [0.15, 0.6]


def pair_of(names, first, second, transmission=0.7):
    """All spins of two ensembles with these channels, light lost between them."""
    one, two = ({k: v for name in names for k, v in CHANNELS[name][e].items()} for e in (0, 1))
    return build(Ensemble(first, **one), Ensemble(second, **two), transmission=transmission)


# ---- models with any jump operators ----
RATES = {
    "cooling": (0.9, 1.3), "heating": (0.7, 0.4), "dephasing": (1.1, 0.6), "up_to_h": (0.8, 1.2),
    "down_to_h": (1.3, 0.9), "h_to_up": (1.6, 0.7), "h_to_down": (0.6, 1.1),
}  # fmt: skip
SPINS, THIRD = LOCAL[:3], LOCAL[3:]
MIXED = (ProductStart(0.85, 0.15), ProductStart(0.35, 0.65))
SPREAD = (ProductStart(0.6, 0.15), ProductStart(0.25, 0.45))
FLAT = (SpinStart(((1, 0, 1.0),)), SpinStart(((1, 0, 1.0),)))
LADDERS = (Collective((1.1, 0.0), (0.0, 0.7)), Collective((0.0, 0.9), (0.6, 0.0)))  # keep m_I - m_II
BOTH = (Collective(lowering=(0.9, 0.7)), Collective(raising=(0.3, 0.5)))  # keep m_I + m_II
LINES = (Collective(along=(0.9, 0.6)), Collective(along=(0.0, 0.8)), Collective(along=(0.7, -0.7)))
NEITHER = (Collective((1.2, 0.3), (0.8, 0.6), (0.9, -0.7)), Collective((0.0, 0.7), (0.4, -0.5), (0.0, 0.6)))


def local(*names):
    """These single-atom jumps at the rates above."""
    return tuple(RATES[name] if name in names else (0.0, 0.0) for name in LOCAL)


MODELS = {
    "reservoir, one way, mismatch": JumpModel((2, 2), LADDERS, local(*LOCAL), 0.8, (0.9, 0.5), SPREAD),
    "reservoir, unequal": JumpModel((1, 3), LADDERS, local(*SPINS), 0.8, start=MIXED),
    "light from both": JumpModel((3, 2), BOTH, start=MIXED),
    "light from both, noise": JumpModel((2, 3), BOTH, local(*SPINS), larmor=(0.9, -0.5), start=MIXED),
    "light from both, third level": JumpModel((2, 2), BOTH, local(*LOCAL), start=SPREAD),
    "collective dephasing": JumpModel((3, 2), LADDERS + LINES, local("cooling"), start=MIXED),
    "collective dephasing, light from both": JumpModel((2, 2), BOTH + LINES, local("heating"), start=MIXED),
    "dephased pairs": JumpModel((2, 2), (), local("dephasing"), 3.0, start=FLAT),
    "collectively dephased pairs": JumpModel((2, 2), LINES[:1], exchange=1.5, start=FLAT),
    "mixtures of j and m": JumpModel((3, 2), LADDERS, local(*SPINS), start=(
        SpinStart(((1.5, 0.5, 0.5), (0.5, -0.5, 0.3), (0.5, 0.5, 0.2))), SpinStart(((0, 0, 0.4), (1, -1, 0.6))))),
    "one ensemble": JumpModel((3, 0), (Collective((1.1, 0.0)), Collective(lowering=(1.4, 0.0)),
        Collective(along=(0.8, 0.0))), local(*SPINS), larmor=(0.7, 0.0), start=MIXED),
    "one ensemble, third level": JumpModel((3, 0), (Collective((1.1, 0.0)),), local(*LOCAL), start=SPREAD),
    "squeezed bath": JumpModel((3, 0), (Collective((1.3, 0.0), (0.8, 0.0)),), local(*SPINS), start=MIXED),
    "neither charge": JumpModel((2, 2), NEITHER, local(*LOCAL), 0.8, (0.9, 0.5), SPREAD),
    "neither charge, every moment": JumpModel((2, 2), NEITHER, local("heating"), 0.8, (1.5, 2.5),
        (ProductStart(), ProductStart(0.9, 0.1))),
    "neither charge, real": JumpModel((3, 1), NEITHER, local(*SPINS), 0.8, start=MIXED),
    "neither charge, dephased pairs": JumpModel((2, 2), NEITHER[1:], local("dephasing"), 3.0, start=FLAT),
}  # fmt: skip

# ---- models that a factor of 2 in any of their rates changes most ----
SENSITIVE = {
    **{name: JumpModel((2, 2), (), local(name), start=SPREAD if name[0] == "h" else FLAT) for name in RATES},
    "reservoir": JumpModel((2, 2), LADDERS, exchange=0.8, larmor=(0.9, 0.5)),
    "reservoir, collective dephasing": JumpModel((2, 2), LADDERS + LINES[:1]),
    "light from both": JumpModel((2, 2), BOTH, start=FLAT),
    "light from both, collective dephasing": JumpModel(
        (2, 2), (*BOTH[:1], Collective(along=(1.2, -0.9))), larmor=(1.9, -0.5), start=FLAT),
    "neither": JumpModel((2, 2), NEITHER, exchange=0.8, larmor=(1.5, 2.5)),
}  # fmt: skip


def doubled(model):
    """By name: the model with one rate doubled, of one ensemble, jump operator, or term of one in the plane."""
    for k, name in enumerate(LOCAL):
        for e in (0, 1):
            if model.local[k][e]:
                rates = [list(pair) for pair in model.local]
                rates[k][e] *= 2
                yield f"{name} {'I' if e == 0 else 'II'}", replace(model, local=tuple(map(tuple, rates)))
    for k, c in enumerate(model.collective):
        for what, more in _louder(c, all(model.conserves(sign) is False for sign in (1, -1))):
            changed = (*model.collective[:k], more, *model.collective[k + 1 :])
            yield f"operator {k + 1}{what}", replace(model, collective=changed)
    if model.exchange:
        yield "exchange", replace(model, exchange=2 * model.exchange)
    if any(model.larmor):
        yield "mismatch", replace(model, larmor=tuple(2 * x for x in model.larmor))


def _louder(operator, each_term):
    parts = {name: getattr(operator, name) for name in ("raising", "lowering", "along")}
    if not each_term:
        yield "", Collective(**{name: tuple(np.sqrt(2) * x for x in pair) for name, pair in parts.items()})
        return
    for name, (one, two) in parts.items():
        if one:
            yield f" {name} I", replace(operator, **{name: (np.sqrt(2) * one, two)})
        if two:
            yield f" {name} II", replace(operator, **{name: (one, np.sqrt(2) * two)})


NAMES = ("up", "down", "h", "y", "z", "yy", "zz", "yz", "cross_yy", "cross_yz", "cross_zy", "cross_zz")


def every_moment(state):
    """All leaves of the moments in one array [t 20]."""
    leaves = [jnp.asarray(getattr(state.moments, name)) for name in NAMES]
    both = leaves[0].shape
    return jnp.concatenate([x if x.shape == both else x[..., None] for x in leaves], -1)


def labels():
    """What `deviations` counts, in its order."""
    both = [f"{name}_{e}" for name in NAMES[:8] for e in ("I", "II")]
    return [*both, *NAMES[8:]]


def deviations(found, moments, distributions):
    """By name: every moment at every time, the distribution of j at the last one, in standard errors.

    Numbers that no trajectory varies must be right to 1e-9 (0, else infinite); they are left out of the counting.
    """
    value, error = found.estimate(every_moment)
    expected = np.array([np.concatenate([np.ravel(m[name]) for name in NAMES]) for m in moments])
    off = {}
    for k, name in enumerate(labels()):
        for t in range(len(moments)):
            off[f"{name} at {found.times[t]:g}"] = _off(value[t, k], expected[t, k], error[t, k])
    for e, ((j, p, _), truth) in enumerate(zip(found.spin_distribution, distributions, strict=True)):
        for spin, ours in zip(j, p, strict=True):
            theirs = truth[round(2 * spin)]
            sigma = np.sqrt(max(theirs * (1 - theirs), 0.0) / found.trajectories)
            off[f"j = {spin:g} of {'I' if e == 0 else 'II'}"] = _off(ours, theirs, sigma)
    return {name: x for name, x in off.items() if x is not None}


def _off(value, expected, error):
    miss = abs(float(value) - float(expected))
    if error < 1e-9:
        return None if miss < 1e-9 else np.inf
    return miss / float(error)


def all_spins(model):
    """The density-matrix oracle of a `JumpModel`."""
    jumps = [(c.raising, c.lowering, c.along) for c in model.collective]
    levels = 3 if model.three_levels else 2
    return Spins(model.atoms, jumps, model.local, model.exchange, model.larmor, levels)


def start_of(spins, model):
    """rho at the start."""
    parts = []
    for e, start in enumerate(model.start):
        if isinstance(start, ProductStart):
            parts.append(spins.product(e, start.up, start.down))
        else:
            parts.append(sum(p * spins.collective(e, j, m) for j, m, p in start.states))
    return np.kron(*parts)


def truth_of(model, times=TIMES):
    """Moments at each time and distributions of j at the last one."""
    spins = all_spins(model)
    states = spins.evolve(start_of(spins, model), times)
    return [spins.moments(rho) for rho in states], [spins.spin_distribution(states[-1], e) for e in (0, 1)]


def distributions_of(system, rho):
    """Probability of 2j = 0, 1, ..., N of I and II, from the eigenvectors of J^2 of `oracles.density_matrix`."""
    found = []
    for e, ensemble in enumerate(system.ensembles):
        values, vectors = np.linalg.eigh(sum(system.J[e][a] @ system.J[e][a] for a in "xyz"))
        weight = np.einsum("ik,ij,jk->k", vectors.conj(), rho, vectors).real
        j = np.arange(ensemble.atoms + 1) / 2
        found.append(np.array([weight[np.abs(values - k * (k + 1)) < 1e-6].sum() for k in j]))
    return found


def sampled(model, number, seed, times=TIMES, **more):
    """Trajectories on one core."""
    return exact_samples(model, times, method=Trajectories(number=number, seed=seed, threads=1), **more)
