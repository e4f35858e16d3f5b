"""What the exact methods solve: atom numbers, jump operators, rates and a start, as plain numbers.

    d rho/dt = -i [H, rho] + sum D[L] rho + single-atom jumps,     D[L] rho = L rho L^+ - {L^+ L, rho}/2
    L = sum over ensembles of  raising S + lowering S^+ + along Jx,      S = sum |up><down| = Jy + i Jz raises Jx
    H = -(i/2) exchange (S_I S_II - h.c.) + sum larmor Jx

Both sidebands of the engineered reservoir are two such L; with light lost on the way, four.
Up: `sampling`, `chain`, `plane`, `leap`, `generator`; down: the rates of a `SpinEnsembles` model.
"""

from __future__ import annotations

import dataclasses
from math import isfinite
from typing import Any

import numpy as np

from darkstate.backend import jax
from darkstate.errors import ArgumentError
from darkstate.spins.ensembles import SpinEnsembles
from darkstate.spins.exact.charges import charges
from darkstate.spins.moments import total_rates

Pair = tuple[float, float]

LOCAL = ("cooling", "heating", "dephasing", "up_to_h", "down_to_h", "h_to_up", "h_to_down")
"""Single-atom jumps, in this order in every table: s, s^+, |down><down| (the same as s_x), and the third level h."""


@dataclasses.dataclass(frozen=True)
class Collective:
    """A jump operator L = sum over both ensembles of raising S + lowering S^+ + along Jx.

    Args:
        raising, lowering, along: amplitudes for (I, II), rates absorbed [sqrt(1/s)].
    """

    raising: Pair = (0.0, 0.0)
    lowering: Pair = (0.0, 0.0)
    along: Pair = (0.0, 0.0)

    def __post_init__(self) -> None:
        for name in ("raising", "lowering", "along"):
            object.__setattr__(self, name, _pair(name, getattr(self, name)))


@dataclasses.dataclass(frozen=True)
class ProductStart:
    """Uncorrelated atoms, each in |up>, |down> or |h> with these probabilities; all up is a coherent spin state."""

    up: float = 1.0
    down: float = 0.0


@dataclasses.dataclass(frozen=True)
class SpinStart:
    """A mixture of collective states |j, m>, no atom in |h>.

    Args:
        states: (j, m, probability) of each; a tilted coherent state is, for all that is read here, such a mixture.
    """

    states: tuple[tuple[float, float, float], ...]


@dataclasses.dataclass(frozen=True)
class JumpModel:
    """One or two ensembles with individual and collective jumps.

    Args:
        atoms: (N_I, N_II); N_II = 0 for one ensemble.
        collective: jump operators, `Collective`.
        local: rates of the single-atom jumps in the order of `LOCAL`, for (I, II) [7 2; 1/s].
        exchange: g of H = -(i/2) g (S_I S_II - h.c.), the one-way light of unequal ensembles [1/s].
        larmor: offsets of (I, II) [rad/s].
        start: how each ensemble starts.
        hyperfine_spin: F that the witnesses read; 1/2 for true two-level atoms.

    Raises:
        ArgumentError: an atom number is not whole, a rate is negative or not finite, a start does not exist.

    Example:
        >>> one_ensemble(4, emission=0.1, collective_emission=1.0).atoms
        (4, 0)
    """

    atoms: tuple[int, int]
    collective: tuple[Collective, ...] = ()
    local: tuple[Pair, ...] = ((0.0, 0.0),) * len(LOCAL)
    exchange: float = 0.0
    larmor: Pair = (0.0, 0.0)
    start: tuple[ProductStart | SpinStart, ProductStart | SpinStart] = (ProductStart(), ProductStart())
    hyperfine_spin: float = 0.5

    def __post_init__(self) -> None:
        n: Any = _pair("atoms", self.atoms)
        if isinstance(self.collective, Collective) or not all(isinstance(c, Collective) for c in self.collective):
            raise ArgumentError("Argument `collective` must be a tuple of jump operators, such as (Collective(...),).")
        if len(self.local) != len(LOCAL):
            raise ArgumentError(
                f"Argument `local` must hold a pair of rates for each of {', '.join(LOCAL)}, but holds "
                f"{len(self.local)}."
            )
        for name, rates in zip(LOCAL, self.local, strict=True):
            _pair(name, rates)
        if not all(isfinite(a) for a in n) or any(a != round(a) for a in n) or n[0] < 1 or n[1] < 0:
            raise ArgumentError(
                "Atom numbers must be whole, at least 1 in ensemble I and 0 (none) or more in II, but are "
                f"{n[0]:g} and {n[1]:g}."
            )
        object.__setattr__(self, "atoms", (int(n[0]), int(n[1])))
        amplitudes = [x for c in self.collective for x in (*c.raising, *c.lowering, *c.along)]
        everything = [*amplitudes, *np.ravel(self.local), self.exchange, *self.larmor]
        if not np.all(np.isfinite(everything)):
            raise ArgumentError("All rates must be finite numbers; one is infinite or not a number.")
        for name, pair in zip(LOCAL, self.local, strict=True):
            if min(pair) < 0:
                raise ArgumentError(f"Rates must be at least 0 1/s, but `{name}` is {min(pair):g}.")
        for number, start in zip(self.atoms, self.start, strict=True):
            _check_start(number, start)

    @property
    def third(self) -> tuple[bool, bool]:
        """Whether any atom of I, of II is, or can get, in the third level."""
        away = [any(pair[e] for pair in self.local[3:]) for e in (0, 1)]
        lost = [isinstance(s, ProductStart) and s.up + s.down < 1 - 1e-12 for s in self.start]
        first, second = (bool(n and (a or b)) for n, a, b in zip(self.atoms, away, lost, strict=True))
        return first, second

    @property
    def three_levels(self) -> bool:
        """Whether any atom is, or can get, in the third level."""
        return any(self.third)

    @property
    def jumps(self) -> list[Any]:
        """The jump operators as shifts of (m_I, m_II) with amplitudes, for `charges`."""
        found = []
        for c in self.collective:
            shifts = ((1, c.raising), (-1, c.lowering), (0, c.along))
            terms = [((s, 0), pair[0]) for s, pair in shifts]
            found.append(terms + [((0, s), pair[1]) for s, pair in shifts] if self.atoms[1] else terms)
        if self.exchange and self.atoms[1]:  # not a jump, but it has to keep the charge as well
            found.append([((1, 1), self.exchange), ((-1, -1), self.exchange)])
        return found

    def conserves(self, second: int) -> bool:
        """Whether m_I + second * m_II is conserved in the sense of `charges`; -1 for the engineered reservoir."""
        w, _ = charges(self.jumps)
        direction = np.array([1.0, second]) / np.sqrt(2)
        return bool(np.linalg.norm(w.T @ direction) > 1 - 1e-9) if w.size else False


def _pair(name: str, value: Any) -> Pair:
    """Two real numbers, of ensembles I and II."""
    try:
        first, second = (float(x) for x in value)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"Argument `{name}` must be two real numbers, of ensembles I and II (0 where there is no second one), but "
            f"is {value!r}."
        ) from None
    return first, second


def _check_start(atoms: int, start: ProductStart | SpinStart) -> None:
    if isinstance(start, ProductStart):
        if not (start.up >= 0 and start.down >= 0 and start.up + start.down <= 1 + 1e-12):
            raise ArgumentError(
                f"Populations at the start must be at least 0 and add up to at most 1, but are {start.up:g} up and "
                f"{start.down:g} down."
            )
        return
    for j, m, p in start.states:
        whole = 2 * j == round(2 * j) and (2 * j - atoms) % 2 == 0 and (j - m) == round(j - m)
        if not (whole and 0 <= j <= atoms / 2 and abs(m) <= j and p >= 0):
            raise ArgumentError(
                f"{atoms} atoms have no state j = {j:g}, m = {m:g} (probability {p:g}): j is one of {atoms / 2:g}, "
                f"{atoms / 2 - 1:g}, ... and m one of j, j - 1, ..., -j."
            )
    if not abs(sum(p for _, _, p in start.states) - 1) < 1e-9:
        raise ArgumentError("The probabilities of the states at the start must add up to 1.")


def jump_model(model: SpinEnsembles, strengths: Any = (1.0, 1.0, 1.0)) -> JumpModel:
    """The jump operators of two ensembles in the light, strengths of (drive, pump, repump) held constant.

    Formula: for each sideband sqrt(t) L_I + L_II and sqrt(1 - t) L_I, with the exchange of a one-way cascade; see
    `spins.exact.generator`. Source: 001 Eqs. (13), D1 as full-rate Lindblad terms.

    Raises:
        ArgumentError: the model has parameters out of range, or is traced by jit, vmap or grad.

    Example:
        >>> from darkstate.experiments.two_level_ensembles import *
        >>> lab = TwoLevelEnsembles(Ensembles(optical_depth=30, atoms=100), Drive(rate=1.0, z=2.0))
        >>> for c in jump_model(lab.model()).collective:
        ...     print(np.round(c.raising, 4), np.round(c.lowering, 4))
        [0.6847 0.    ] [0.     0.4108]
        [0.     0.6847] [0.4108 0.    ]
    """
    _check(model, strengths)
    r = total_rates(model, np.asarray(strengths, float))
    values = {f.name: np.asarray(getattr(r, f.name), float) for f in dataclasses.fields(r)}
    parts = sum(values[name] for name in ("cooling", "heating", "up_to_h", "down_to_h"))
    # 002 fits a Gamma-tilde one per cent below the sum of its own rates: taken as no dephasing, as `checks` allow
    short = values["transverse"] < parts * (1 - 0.02) - 1e-300
    if np.any(short):
        raise ArgumentError(
            "Gamma-tilde must not be below cooling plus heating plus losses, which it includes, but leaves the "
            f"dephasing at {float(np.min(values['transverse'] - parts)):.3g} 1/s."
        )
    values["dephasing"] = np.maximum(values["transverse"] - parts, 0.0)
    t, atoms = float(model.transmission), np.asarray(model.atoms, float)
    root = np.sqrt(values["collective"] / atoms)
    passive, active = root * np.asarray(model.mu), root * np.asarray(model.nu)
    sidebands = []
    for part, second in ((float(np.sqrt(t)), 1.0), (float(np.sqrt(1 - t)), 0.0)):
        first = (part * float(passive[0]), 0.0), (0.0, second * float(active[1]))
        sidebands += [Collective(*first), Collective((0.0, second * float(passive[1])), (part * float(active[0]), 0.0))]
    up, down = np.asarray(model.initial_up, float), np.asarray(model.initial_down, float)
    return JumpModel(
        atoms=(int(atoms[0]), int(atoms[1])),
        collective=tuple(c for c in sidebands if any(c.raising + c.lowering)),
        local=tuple((float(values[name][0]), float(values[name][1])) for name in LOCAL),
        exchange=float(np.sqrt(t) * (passive[0] * active[1] - active[0] * passive[1])),
        larmor=(float(model.larmor[0]), float(model.larmor[1])),
        start=(ProductStart(float(up[0]), float(down[0])), ProductStart(float(up[1]), float(down[1]))),
        hyperfine_spin=float(model.hyperfine_spin),
    )


def jumps_of(model: SpinEnsembles | JumpModel, strengths: Any = (1.0, 1.0, 1.0)) -> JumpModel:
    """A `JumpModel` as it is, or that of two ensembles in the light.

    Raises:
        ArgumentError: another kind of model, strengths for a `JumpModel`, or as `jump_model`.

    Example:
        >>> jumps_of(JumpModel((3, 0))).atoms
        (3, 0)
    """
    if isinstance(model, SpinEnsembles):
        return jump_model(model, strengths)
    if not isinstance(model, JumpModel):
        raise ArgumentError(
            f"Argument `model` must be a SpinEnsembles or a JumpModel, but is a {type(model).__name__}; from a lab "
            "file take `lab.experiment.model()`."
        )
    if np.any(np.asarray(strengths, float) != 1):
        raise ArgumentError(
            "A JumpModel holds its rates as they are: leave out `protocol` and `strengths`, or take the SpinEnsembles "
            "model that has separate lights."
        )
    return model


def _check(model: SpinEnsembles, strengths: Any) -> None:
    """Refuse parameters out of range that `JumpModel` does not see."""
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((model, strengths))):
        raise ArgumentError("Exact methods do not run inside jit, vmap or grad; exact_gradient gives derivatives.")
    if any(not np.all(np.isfinite(np.asarray(leaf, float))) for leaf in jax.tree.leaves(model)):
        raise ArgumentError("All parameters of the model must be finite numbers; one is infinite or not a number.")
    one, two = (float(n) for n in np.asarray(model.atoms))
    if min(one, two) < 1 or one != round(one) or two != round(two):
        raise ArgumentError(
            f"Exact methods count atoms: both numbers must be whole and at least 1, but are {one:g} and {two:g}."
        )
    if not np.all(np.asarray(strengths, float) >= 0):
        raise ArgumentError(f"Argument `strengths` must hold numbers of at least 0, but is {strengths}.")
    for name in ("dark", "drive", "pump", "repump"):
        for field in dataclasses.fields(model.drive):
            rate = float(np.min(np.asarray(getattr(getattr(model, name), field.name))))
            if rate < 0:
                raise ArgumentError(f"Rates must be at least 0 1/s, but `{name}.{field.name}` is {rate:g}.")
    if not 0 <= float(model.transmission) <= 1:
        raise ArgumentError(
            f"The transmission between the ensembles must lie between 0 and 1, but is {float(model.transmission):g}."
        )


def one_ensemble(
    atoms: int,
    *,
    emission: float = 0.0,
    dephasing: float = 0.0,
    pumping: float = 0.0,
    collective_emission: float = 0.0,
    collective_dephasing: float = 0.0,
    collective_pumping: float = 0.0,
    start: ProductStart | SpinStart | None = None,
) -> JumpModel:
    """One ensemble of two-level atoms, with the rates as QuTiP's PIQS names them.

    Formula: D[J-] at `collective_emission`, D[J+] at `collective_pumping`, D[Jz] at `collective_dephasing`; for every
    atom D[s-], D[s+], D[sz/2] at `emission`, `pumping`, `dephasing`. PIQS' z is the quantisation axis here (x).
    Source: N. Shammah et al., Phys. Rev. A 98, 063815 (2018), Eq. (1), gamma/2 (2 L rho L^+ - ...) = gamma D[L].

    Args:
        atoms: N; rates: [1/s]; start: None = all atoms up.

    Example:
        >>> one_ensemble(20, dephasing=0.1, collective_emission=1.0).collective[0].lowering
        (1.0, 0.0)
    """
    rates = {"collective_emission": collective_emission, "collective_pumping": collective_pumping}
    rates |= {"emission": emission, "pumping": pumping, "dephasing": dephasing}
    for name, rate in (rates | {"collective_dephasing": collective_dephasing}).items():
        if rate < 0:
            raise ArgumentError(f"Rates must be at least 0 1/s, but `{name}` is {rate:g}.")
    operators = (
        Collective(lowering=(float(np.sqrt(collective_emission)), 0.0)),
        Collective(raising=(float(np.sqrt(collective_pumping)), 0.0)),
        Collective(along=(float(np.sqrt(collective_dephasing)), 0.0)),
    )
    local = {"cooling": pumping, "heating": emission, "dephasing": dephasing}
    return JumpModel(
        atoms=(atoms, 0),
        collective=tuple(c for c in operators if any(c.raising + c.lowering + c.along)),
        local=tuple((float(local.get(name, 0.0)), 0.0) for name in LOCAL),
        start=(start or ProductStart(), ProductStart()),
    )
