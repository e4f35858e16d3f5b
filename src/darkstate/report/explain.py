"""Explain a number: the formula, its source, the numbers put in, step by step, so that it can be redone by hand."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from math import cos, sin, sqrt
from typing import Any

from darkstate.errors import InputError, Outcome
from darkstate.experiments import Experiment, TwoCells
from darkstate.experiments.labfile import Lab
from darkstate.experiments.monitored_cells import MonitoredCells
from darkstate.experiments.spin_mechanics import SpinMechanics
from darkstate.experiments.tweezer_pair import TweezerPair
from darkstate.experiments.two_cells import second_cell
from darkstate.report.pair_explain import QUANTITIES as PAIR_QUANTITIES


def explain(quantity: str, lab: Lab) -> str:
    """Formula, numbers and equation number of one quantity of a lab file.

    Args:
        quantity: a key of `quantities(lab.experiment)`.
        lab: from `darkstate.load`.

    Returns:
        Text of a few lines.

    Raises:
        InputError: the quantity is not known.

    Example:
        >>> import darkstate as ds
        >>> print(explain("polarization", ds.load(ds.shipped_labs()["muschik2011"])))
        Polarisation in the steady state (001 Eq. 15; with a third level 001 Eq. 20, corrected)
          P = (Gamma_cool - Gamma_heat) / (Gamma_cool + Gamma_heat)
            = (1.17361 - 0.173611) / (1.17361 + 0.173611)
            = 0.742268
    """
    known = quantities(lab.experiment)
    if quantity not in known:
        near = get_close_matches(quantity, known, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError([f"quantity {quantity!r} is not known; {hint}allowed: {', '.join(known)}"])
    return known[quantity](lab.experiment)


def _n(value: float) -> str:
    return f"{float(value):.6g}"


def _z(e: TwoCells) -> str:
    cell = e.cell
    return "\n".join(
        [
            "Squeezing parameter and couplings (001 Sec. II; mu^2 - nu^2 = 1)",
            f"  Z = 1/(mu - nu) = {_n(cell.z)}",
            f"  mu = (Z + 1/Z)/2 = {_n(cell.mu)},  nu = (Z - 1/Z)/2 = {_n(cell.nu)}",
            f"  ideal steady state: xi = (mu - nu)^2 = 1/Z^2 = {_n(1 / cell.z**2)}",
        ]
    )


def _transverse(e: TwoCells) -> str:
    cell = e.cell
    parts = [(name, getattr(cell, name).transverse) for name in ("dark", "drive", "pump", "repump")]
    return "\n".join(
        [
            "Gamma-tilde, the single-atom decay of transverse variances (001 below Eq. 14; 002 note S3), all light on",
            "  Gamma-tilde = " + " + ".join(f"{name}" for name, _ in parts),
            "              = " + " + ".join(_n(v) for _, v in parts),
            f"              = {_n(cell.total.transverse)} /s   (T2 from single atoms = 2/Gamma-tilde = "
            f"{_n(2e3 / cell.total.transverse)} ms)",
        ]
    )


def _polarization(e: TwoCells) -> str:
    k = e.cell.total
    head = "Polarisation in the steady state (001 Eq. 15; with a third level 001 Eq. 20, corrected)"
    up, down, h = _populations(e)
    if h == 0:
        return "\n".join(
            [
                head,
                "  P = (Gamma_cool - Gamma_heat) / (Gamma_cool + Gamma_heat)",
                f"    = ({_n(k.cooling)} - {_n(k.heating)}) / ({_n(k.cooling)} + {_n(k.heating)})",
                f"    = {_n((up - down) / (up + down))}",
            ]
        )
    return "\n".join(
        [
            head,
            f"  rates [1/s]: down->up {_n(k.cooling)}, up->down {_n(k.heating)}, up->h {_n(k.up_to_h)}, "
            f"down->h {_n(k.down_to_h)}, h->up {_n(k.h_to_up)}, h->down {_n(k.h_to_down)}",
            f"  populations: up {_n(up)}, down {_n(down)}, h {_n(h)}",
            f"  N_2/N = up + down = {_n(up + down)}",
            f"  P_2 = (up - down)/(up + down) = {_n((up - down) / (up + down))}",
        ]
    )


def _populations(e: TwoCells) -> tuple[float, float, float]:
    """Steady fractions of ensemble I as the closed form gives them."""
    from darkstate.solve.steady_state import steady_state

    m = steady_state(e.model(), throw=False).state.moments
    return float(m.up[0]), float(m.down[0]), float(m.h[0])


def _xi(e: TwoCells) -> str:
    from darkstate.solve.steady_state import steady_state
    from darkstate.witness.epr import best_gain, epr_variance

    cell, k = e.cell, e.cell.total
    solution = steady_state(e.model(), throw=False)
    outcome = Outcome(int(solution.outcome))
    if outcome is not Outcome.ok:
        return f"xi of the steady state cannot be explained, {outcome.name}: {outcome.meaning}. Cure: {outcome.cure}."
    state = solution.state
    value = float(epr_variance(state).value)
    plain = second_cell(e) == e and float(e.cells.transmission) == 1 and float(e.field.larmor_mismatch) == 0
    lines = ["EPR variance in the steady state, all light on (001 Eqs. 5, 15; 23 for caesium); separable: xi >= 1"]
    if not plain:
        gain = best_gain(state)
        lines += [
            "  unequal cells, transmission below 1 or Larmor mismatch: no one-line formula; the moment equations give",
            f"  xi = {_n(value)},  best gain g = {_n(gain)},  xi_g = {_n(epr_variance(state, gain).value)}",
        ]
        return "\n".join(lines)
    up, down, _ = _populations(e)
    n2, p = up + down, (up - down) / (up + down)
    gt, dg = k.transverse, k.collective * n2
    ratio = (gt + dg * (p / cell.z) ** 2) / (gt + dg * p)
    lines += [
        f"  P = {_n(p)}, N_2/N = {_n(n2)}, Gamma-tilde = {_n(gt)} /s, d Gamma = {_n(k.collective)} /s, "
        f"(mu - nu)^2 = {_n(1 / cell.z**2)}",
        "  Sigma_2/N_2 = [Gamma-tilde + d Gamma (N_2/N) P^2 (mu - nu)^2] / [Gamma-tilde + d Gamma (N_2/N) P]",
        f"              = [{_n(gt)} + {_n(dg)} x {_n(p)}^2 x {_n(1 / cell.z**2)}] / [{_n(gt)} + {_n(dg)} x {_n(p)}]"
        f" = {_n(ratio)}",
    ]
    if e.hyperfine_spin == 0.5:
        lines.append(f"  xi = (Sigma_2/N_2)/P = {_n(ratio)}/{_n(p)} = {_n(value)}")
    else:
        lines += [
            "  xi = [8 Sigma_2/N_2 + 14 N_down/N_2] / (P + 7)",
            f"     = [8 x {_n(ratio)} + 14 x {_n(down / n2)}] / ({_n(p)} + 7) = {_n(value)}",
        ]
    return "\n".join(lines)


def _rates(e: SpinMechanics) -> str:
    s, m = e.rates.first, e.rates.second
    lines = ["Rates of both oscillators (004 below Eq. 5); gamma must be above 0"]
    for j, o in (("S", s), ("M", m)):
        lines += [
            f"  Gamma_{j} = {_n(o.rate)} /s, theta_{j} = {_n(o.theta)}: "
            f"Gamma_{j}B = Gamma sin^2 theta = {_n(o.passive)} /s, Gamma_{j}P = Gamma cos^2 theta = {_n(o.active)} /s",
            f"  gamma_{j} = gamma_{j}0 - Gamma_{j} cos 2 theta_{j} = {_n(o.linewidth)} - {_n(o.rate)} x "
            f"{_n(cos(2 * o.theta))} = {_n(o.effective_linewidth)} /s",
            f"  C_{j} = Gamma_{j}/gt_{j} = {_n(o.rate)}/{_n(o.decoherence)} = {_n(o.cooperativity)}",
        ]
    r = e.rates.interference
    return "\n".join(
        [
            *lines,
            f"  R = -sqrt(Gamma_M Gamma_S) sin(theta_M - theta_S) = -sqrt({_n(m.rate)} x {_n(s.rate)}) x "
            f"{_n(sin(m.theta - s.theta))} = {_n(r)} /s",
            f"  read-out gain g = sqrt(Gamma_M/((1-eps) Gamma_S)) cos(theta_M - pi/4)/cos(theta_S - pi/4) = "
            f"{_n(e.rates.readout_gain) if e.path.loss < 1 else 'infinite, eps = 1'}",
        ]
    )


def _hybrid_xi(e: SpinMechanics) -> str:
    s, m, t, r = e.rates.first, e.rates.second, sqrt(1 - e.path.loss), e.rates.interference
    lines = ["EPR variance in the steady state, rotating-wave approximation (004 Eqs. 7, 8); separable: xi >= 1"]
    gs, gm, g = s.effective_linewidth, m.effective_linewidth, e.gain
    if min(gs, gm) <= 0:
        return "\n".join(
            [*lines, f"  gamma_S = {_n(gs)} /s, gamma_M = {_n(gm)} /s: no steady state, both must be above 0"]
        )
    var_s = (s.rate / 2 + s.decoherence) / gs
    drive = sqrt(s.rate) * sqrt(m.rate) * sin(m.theta + s.theta)
    both = -2 * t / (gs + gm) * (drive - 2 * r * var_s)
    var_m = (m.rate / 2 + m.decoherence + t * r * both) / gm
    xi = 2 * (var_s + g * g * var_m + g * both) / (1 + g * g)
    lines += [
        f"  var X_S = (Gamma_S/2 + gt_S)/gamma_S = ({_n(s.rate / 2)} + {_n(s.decoherence)})/{_n(gs)} = {_n(var_s)}",
        "  <X_S,X_M> = -2 sqrt(1-eps)/(gamma_S + gamma_M) [sqrt(Gamma_S Gamma_M) sin(theta_M + theta_S) - 2 R var X_S]",
        f"            = -2 x {_n(t)}/({_n(gs)} + {_n(gm)}) x [{_n(drive)} - 2 x {_n(r)} x {_n(var_s)}] = {_n(both)}"
        "   (twice the covariance)",
        "  var X_M = [Gamma_M/2 + gt_M + sqrt(1-eps) R <X_S,X_M>]/gamma_M",
        f"          = [{_n(m.rate / 2)} + {_n(m.decoherence)} + {_n(t)} x {_n(r)} x {_n(both)}]/{_n(gm)} = {_n(var_m)}",
        f"  xi = 2 [var X_S + g^2 var X_M + g <X_S,X_M>]/(1 + g^2), g = {_n(g)}",
        f"     = 2 x [{_n(var_s)} + {_n(g * g * var_m)} + {_n(g * both)}]/{_n(1 + g * g)} = {_n(xi)}",
    ]
    return "\n".join(lines)


def _monitored_xi(e: MonitoredCells) -> str:
    x, w, eta, floor = e.x, e.bath.variance, e.detection.efficiency, 1 / (e.z * e.z)
    free = (floor + x * w) / (1 + x)
    lines = [
        "EPR variance in the steady state (000 Sec. IV, with bath noise w and efficiency eta); separable: xi >= 1",
        f"  x = gamma_extra/gamma_s = {_n(e.gamma_extra)}/{_n(e.gamma_s)} = {_n(x)}, 1/Z^2 = {_n(floor)}, w = {_n(w)}, "
        f"eta = {_n(eta)}",
        f"  not measured: xi = (1/Z^2 + x w)/(1 + x) = ({_n(floor)} + {_n(x * w)})/{_n(1 + x)} = {_n(free)}",
    ]
    if eta == 0:
        return "\n".join([*lines, "  eta = 0: nothing is measured, so the conditional xi is the same"])
    root = sqrt((1 + x) * (1 + x) + 4 * eta * x * (w / floor - 1))
    value = (2 * eta - 1 - x + root) / (2 * eta) * floor
    return "\n".join(
        [
            *lines,
            "  measured: xi = {2 eta - 1 - x + sqrt[(1+x)^2 + 4 eta x (w Z^2 - 1)]}/(2 eta Z^2)",
            f"                = [{_n(2 * eta - 1 - x)} + {_n(root)}]/{_n(2 * eta / floor)} = {_n(value)}",
        ]
    )


QUANTITIES: dict[str, Callable[[TwoCells], str]] = {
    "xi": _xi,
    "polarization": _polarization,
    "gamma_tilde": _transverse,
    "z": _z,
}
"""What can be explained of two cells."""

HYBRID_QUANTITIES: dict[str, Callable[[SpinMechanics], str]] = {"xi": _hybrid_xi, "rates": _rates}
"""What can be explained of a spin and a mechanical oscillator."""

MONITORED_QUANTITIES: dict[str, Callable[[MonitoredCells], str]] = {"xi": _monitored_xi}
"""What can be explained of monitored cells."""


def quantities(experiment: Experiment) -> dict[str, Callable[[Any], str]]:
    """What can be explained of an experiment: name to the function that does it.

    Example:
        >>> import darkstate as ds
        >>> list(quantities(ds.load(ds.shipped_labs()["huang2018"]).experiment))
        ['xi', 'rates']
    """
    if isinstance(experiment, SpinMechanics):
        return HYBRID_QUANTITIES
    if isinstance(experiment, TweezerPair):
        return PAIR_QUANTITIES
    return MONITORED_QUANTITIES if isinstance(experiment, MonitoredCells) else QUANTITIES
