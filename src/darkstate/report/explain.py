"""Explain a number: the formula, its source, the numbers put in, step by step, so that it can be redone by hand."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from darkstate.errors import InputError, Outcome
from darkstate.experiments import Experiment
from darkstate.experiments.labfile import Lab
from darkstate.experiments.two_cells import second_cell


def explain(quantity: str, lab: Lab) -> str:
    """Formula, numbers and equation number of one quantity of a lab file.

    Args:
        quantity: a key of `QUANTITIES`.
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
    if quantity not in QUANTITIES:
        near = get_close_matches(quantity, QUANTITIES, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError([f"quantity {quantity!r} is not known; {hint}allowed: {', '.join(QUANTITIES)}"])
    return QUANTITIES[quantity](lab.experiment)


def _n(value: float) -> str:
    return f"{float(value):.6g}"


def _z(e: Experiment) -> str:
    cell = e.cell
    return "\n".join(
        [
            "Squeezing parameter and couplings (001 Sec. II; mu^2 - nu^2 = 1)",
            f"  Z = 1/(mu - nu) = {_n(cell.z)}",
            f"  mu = (Z + 1/Z)/2 = {_n(cell.mu)},  nu = (Z - 1/Z)/2 = {_n(cell.nu)}",
            f"  ideal steady state: xi = (mu - nu)^2 = 1/Z^2 = {_n(1 / cell.z**2)}",
        ]
    )


def _transverse(e: Experiment) -> str:
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


def _polarization(e: Experiment) -> str:
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


def _populations(e: Experiment) -> tuple[float, float, float]:
    """Steady fractions of ensemble I as the closed form gives them."""
    from darkstate.solve.steady_state import steady_state

    m = steady_state(e.model(), throw=False).state.moments
    return float(m.up[0]), float(m.down[0]), float(m.h[0])


def _xi(e: Experiment) -> str:
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


QUANTITIES: dict[str, Callable[[Experiment], str]] = {
    "xi": _xi,
    "polarization": _polarization,
    "gamma_tilde": _transverse,
    "z": _z,
}
"""What can be explained."""
