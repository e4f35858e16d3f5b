"""Expectation values of collective spins, and the equations of motion they obey exactly.

`moments` measures a density matrix; `operators` names each moment; `exact_rates` writes down the exact equations
of motion of two UNEQUAL ensembles joined by a lossy cascade (the generator of `density_matrix`).  They do not
close: the right-hand sides hold third moments, which are taken from the state.  a, b run over (y, z); a prime
marks an operator of ensemble II.

    c_j = (d Gamma)_j/N_j,  m_j = c_j (mu_j^2 - nu_j^2),  p_j = c_j (mu_j^2 + nu_j^2),  T_j = Jy^2 + Jz^2
    a1 = sqrt(c_I) mu_I,  a2 = sqrt(c_II) nu_II,  b1 = sqrt(c_I) nu_I,  b2 = sqrt(c_II) mu_II
    k = sqrt(t) (a1 a2 - b1 b2)  (one-way drive),  l = sqrt(t) (a1 a2 + b1 b2)  (entangling source)
    s_y = +1, s_z = -1

each ensemble alone, collective part:
    d<Jx>   = m <T> - p <Jx>
    d<J_a>  = -(m/2) <{J_a, Jx}> - (p/2) <J_a>
    dV_ab   = -p V_ab + delta_ab p <Jx^2> - m <W_ab>
              V_ab = <{J_a, J_b}>/2,  W_ab = {J_a, {J_b, Jx}}/2 = W_ba
    d<Jx^2> = m <{T, Jx}> - 2p <Jx^2> + p <T> - m <Jx>
cross, C_ab = <J_a J_b'>:
    dC_ab      = -(p_I + p_II)/2 C_ab - (m_I/2) <{J_a, Jx} J_b'> - (m_II/2) <J_a {J_b', Jx'}>
                 - delta_ab s_a l <Jx Jx'> + 2 k s_b <Jx' {J_a, J_b}/2>
    d<Jx Jx'>  = <(m_I T - p_I Jx) Jx'> + <Jx (m_II T' - p_II Jx')>
                 - k sum_a s_a <{Jx, J_a} J_a'> - l sum_a s_a C_aa
one-way drive of II by I (nothing in I changes):
    d<J_a'>    += 2 k s_a <Jx' J_a>
    d<Jx'>     += -2 k sum_a s_a C_aa
    dV'_ab     += k [ s_a <{Jx', J_b'} J_a> + s_b <{Jx', J_a'} J_b> ]
    d<Jx'^2>   += -2 k sum_a s_a <J_a {Jx', J_a'}>
single atoms, Gbar = cool + heat + uh + dh + uu + dd, n = (N_up, N_dn, N_h), rate matrix M, v = (1, -1, 0)/2:
    d<n> = M <n>,   d<Jx> = v.M<n>,   d<J_a> = -(Gbar/2) <J_a>
    dV_ab = -Gbar (V_ab - delta_ab <N2>/4) + (delta_ab/4) d<N2>/dt,   N2 = N_up + N_dn
    dC_ab = -(Gbar_I + Gbar_II)/2 C_ab
    d<n n^T> = M G + G M^T + sum over transitions c -> d of rate <n_c> (e_d - e_c)(e_d - e_c)^T,  G = <n n^T>
Larmor detuning w (H = w Jx): d(Jy, Jz) = w (-Jz, Jy).
collective dephasing (rate r), q_j = r (mu_j^2 + nu_j^2)/N_j, E = [[0, 1], [-1, 0]]:
    d<J_a> = -(q/2) <J_a>,   dV = -q (V - E V E^T),
    dC = -(q_I + q_II)/2 C - r (mu_I nu_II + nu_I mu_II)/sqrt(N_I N_II) E C E^T
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .density_matrix import JUMPS, LEVELS, Ensemble, Matrix, System

Moments = dict[str, NDArray[np.float64]]
SIGN = np.array([1.0, -1.0])  # s_y, s_z


def _anti(a: Matrix, b: Matrix) -> Matrix:
    return a @ b + b @ a


@lru_cache(maxsize=2)
def operators(system: System) -> dict[str, Matrix]:
    """The Hermitian operators behind `moments`; the last two axes are the matrix.

    Axes before them are e (ensemble I, II), a and b (y, z; of I and II if two ensembles meet), l (up, dn[, h]):

    jx[e]  jx2[e]  jxjx  n[e, l]        Jx, Jx^2, Jx Jx', populations;  nn[e, l, l]: N_k N_l
    o[4]  o_jx[4]                       O and {O, Jx} of its ensemble, O = Jy_I, Jz_I, Jy_II, Jz_II
    V_I[a, b]  V_II[a, b]  C[a, b]      {J_a, J_b}/2 of I, of II;  J_a J_b'
    oo_jx[e, a, b]  t_jx[e]             W_ab, {T, Jx}
    oj_o[a, b]  o_oj[a, b]              {J_a, Jx} J_b',  J_a {J_b', Jx'}
    jx_o[a]  jx_oo[a, b]  t_x[2]        Jx' J_a,  Jx' {J_a, J_b}/2 (both of I),  (T Jx', Jx T')
    n_jx[e, l]                          N_l of e times Jx of the other ensemble
    """
    spin, names = system.J, LEVELS[: system.levels]
    x = [j["x"] for j in spin]
    q = [[j["y"], j["z"]] for j in spin]
    number = [[n[a] for a in names] for n in system.N]
    q_jx = [[_anti(a, x[e]) for a in q[e]] for e in (0, 1)]
    sym = [[[_anti(a, b) / 2 for b in q[e]] for a in q[e]] for e in (0, 1)]
    transverse = [sym[e][0][0] + sym[e][1][1] for e in (0, 1)]
    found = {
        "jx": x, "o": q[0] + q[1], "V_I": sym[0], "V_II": sym[1], "C": [[a @ b for b in q[1]] for a in q[0]],
        "jx2": [a @ a for a in x], "jxjx": x[0] @ x[1], "o_jx": q_jx[0] + q_jx[1],
        "oo_jx": [[[_anti(a, b) / 2 for b in q_jx[e]] for a in q[e]] for e in (0, 1)],
        "t_jx": [_anti(transverse[e], x[e]) for e in (0, 1)],
        "t_x": [transverse[0] @ x[1], x[0] @ transverse[1]],
        "oj_o": [[a @ b for b in q[1]] for a in q_jx[0]], "o_oj": [[a @ b for b in q_jx[1]] for a in q[0]],
        "jx_oo": [[x[1] @ v for v in row] for row in sym[0]], "jx_o": [x[1] @ a for a in q[0]],
        "n": number, "nn": [[[a @ b for b in n] for a in n] for n in number],
        "n_jx": [[a @ x[1 - e] for a in number[e]] for e in (0, 1)],
    }  # fmt: skip
    return {name: np.array(value) for name, value in found.items()}


def moments(system: System, rho: Matrix) -> Moments:
    """Expectation values of `operators`, plus n_up, n_dn, n_h (each e).

    Linear in rho: `moments(system, system.rhs(rho))` are their exact time derivatives.
    """
    found = {k: np.einsum("...ij,ji->...", v, rho).real for k, v in operators(system).items()}
    absent = {f"n_{a}": np.zeros(2) for a in LEVELS}
    return found | absent | {f"n_{a}": found["n"][:, k] for k, a in enumerate(LEVELS[: system.levels])}


def epr_variance(m: Moments, gain: float = 1.0) -> float:
    """xi_g = [var(Jy_I + g Jy_II) + var(Jz_I - g Jz_II)] / (|Jx_I| + g^2 |Jx_II|), separable bound 1."""
    mean, g = m["o"], gain
    own = np.trace(m["V_I"]) - mean[:2] @ mean[:2] + g**2 * (np.trace(m["V_II"]) - mean[2:] @ mean[2:])
    cross = SIGN @ (np.diag(m["C"]) - mean[:2] * mean[2:])
    return float((own + 2 * g * cross) / (abs(m["jx"][0]) + g**2 * abs(m["jx"][1])))


def rate_matrix(ensemble: Ensemble, levels: int) -> NDArray[np.float64]:
    """M of d<n> = M <n>, single-atom rates only (columns sum to zero)."""
    matrix = np.zeros((3, 3))
    for name, (final, initial) in JUMPS.items():
        matrix[LEVELS.index(final), LEVELS.index(initial)] += getattr(ensemble, name)
        matrix[LEVELS.index(initial), LEVELS.index(initial)] -= getattr(ensemble, name)
    return matrix[:levels, :levels]


def coherence_rate(ensemble: Ensemble) -> float:
    """Gbar, twice the decay rate of |up><dn|."""
    e = ensemble
    return e.cool + e.heat + e.uh + e.dh + e.uu + e.dd


def exact_rates(system: System, m: Moments) -> Moments:
    """Time derivatives of jx, o, V_I, V_II, C, jx2, jxjx, n from the equations at the head of this file."""
    parts = [_single_ensemble(system, m, e) for e in (0, 1)]
    (one, two), t = system.ensembles, system.transmission
    scale = np.sqrt(t * one.coupling * two.coupling)
    k = scale * (one.mu * two.nu - one.nu * two.mu)
    l = scale * (one.mu * two.nu + one.nu * two.mu)  # noqa: E741
    gain, loss = ([e.coupling * (e.mu**2 + s * e.nu**2) for e in (one, two)] for s in (-1, 1))
    decay = (coherence_rate(one) + coherence_rate(two) + sum(loss)) / 2
    turn = [np.array([[0.0, -e.detuning], [e.detuning, 0.0]]) for e in (one, two)]
    out = {name: np.array([p[name] for p in parts]) for name in ("jx", "jx2", "n")}
    out["o"] = np.concatenate([p["o"] for p in parts])
    out["V_I"], drive = parts[0]["V"], SIGN[:, None] * m["o_oj"].reshape(2, 2)
    out["V_II"] = parts[1]["V"] + k * (drive + drive.T)
    out["o"][2:] += 2 * k * SIGN * m["jx_o"]
    entangled, driven = SIGN @ np.diag(m["C"]), SIGN @ np.diag(m["o_oj"])
    out["jx"][1] -= 2 * k * entangled
    out["jx2"][1] -= 2 * k * driven
    out["n"][1, :2] += -2 * k * entangled * np.array([1, -1])
    out["C"] = -decay * m["C"] - (gain[0] * m["oj_o"] + gain[1] * m["o_oj"]) / 2
    out["C"] += turn[0] @ m["C"] + m["C"] @ turn[1].T
    out["C"] += 2 * k * m["jx_oo"] * SIGN - l * np.diag(SIGN) * m["jxjx"]
    _add_collective_dephasing(system, m, out)
    half = np.array([0.5, -0.5, 0.0])[: system.levels]
    single = sum(half @ rate_matrix(e, system.levels) @ m["n_jx"][i] for i, e in enumerate((one, two)))
    out["jxjx"] = single + np.dot(gain, m["t_x"]) - sum(loss) * m["jxjx"]
    out["jxjx"] -= k * SIGN @ np.diag(m["oj_o"]) + l * entangled
    return out


def _single_ensemble(system: System, m: Moments, e: int) -> Moments:
    """Everything ensemble e does by itself."""
    ens, levels = system.ensembles[e], system.levels
    gain, loss = (ens.coupling * (ens.mu**2 + s * ens.nu**2) for s in (-1, 1))
    gbar, matrix = coherence_rate(ens), rate_matrix(ens, levels)
    half = np.array([0.5, -0.5, 0.0])[:levels]
    v, n, jx, jx2 = m[("V_I", "V_II")[e]], m["n"][e], m["jx"][e], m["jx2"][e]
    o, o_jx = m["o"][2 * e : 2 * e + 2], m["o_jx"][2 * e : 2 * e + 2]
    dn = matrix @ n
    collective = gain * np.trace(v) - loss * jx
    two, noise = n[:2].sum(), 0.0
    for a in range(levels):
        for b in range(levels):
            if a != b:
                noise += matrix[b, a] * n[a] * (half[b] - half[a]) ** 2
    djx2 = 2 * half @ matrix @ m["nn"][e] @ half + noise
    turn = np.array([[0.0, -ens.detuning], [ens.detuning, 0.0]])
    eye = np.eye(2)
    return {
        "n": dn + collective * np.array([1.0, -1.0, 0.0])[:levels],
        "jx": half @ dn + collective,
        "jx2": djx2 + gain * m["t_jx"][e] - 2 * loss * jx2 + loss * np.trace(v) - gain * jx,
        "o": -(gbar + loss) / 2 * o - gain / 2 * o_jx + turn @ o,
        "V": -gbar * (v - eye * two / 4) + eye * dn[:2].sum() / 4
        - loss * v + eye * loss * jx2 - gain * m["oo_jx"][e] + turn @ v + v @ turn.T,
    }  # fmt: skip


def _add_collective_dephasing(system: System, m: Moments, out: Moments) -> None:
    """The channels C and D; populations and Jx do not move."""
    one, two = system.ensembles
    q = [system.collective_dephasing * (e.mu**2 + e.nu**2) / e.atoms for e in (one, two)]
    joint = system.collective_dephasing * (one.mu * two.nu + one.nu * two.mu) / np.sqrt(one.atoms * two.atoms)
    swap = np.array([[0.0, 1.0], [-1.0, 0.0]])
    out["o"] -= np.repeat(q, 2) / 2 * m["o"]
    for name, rate in zip(("V_I", "V_II"), q, strict=True):
        out[name] = out[name] - rate * (m[name] - swap @ m[name] @ swap.T)
    out["C"] -= sum(q) / 2 * m["C"] + joint * swap @ m["C"] @ swap.T
