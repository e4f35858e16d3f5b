"""What a pulse of light reads from two cells, with decay: the corrected input-output relations.

    var y_det = eta [kappa^2 var P + (U^2 + V^2 w)/2] + (1 - eta)/2            (vacuum variance 1/2)
    a = gamma_extra/gamma,  e = exp(-gamma T),  kappa^2 = Z^2 (1-a)(1-e^2)

y is the light in the mode that falls as exp(-gamma t). They replace 000 Eq. (8) and 002 (S.2), whose light parts do not
keep the commutators. Down: nothing; up: `records.reconstruct`, `records.calibrate`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from darkstate.backend import jnp


class Readout(NamedTuple):
    """Weights of what the mode y consists of: y = kappa P + (light, U^2) + (bath, V^2); any shape."""

    kappa2: Any
    light: Any
    bath: Any


def coupling(z: Any, gamma_s: Any, gamma_extra: Any, duration: Any) -> Any:
    """Coupling constant kappa^2 = Z^2 (1-a)(1-e^2) of a pulse of length `duration` (000 below Eq. 7).

    Example:
        >>> print(f"{coupling(2.5, 100.0, 170.0, 1e-3):.6f}")
        0.965861
    """
    gamma = gamma_s + gamma_extra
    return -(z**2) * gamma_s / gamma * jnp.expm1(-2 * gamma * duration)


def readout(z: Any, gamma_s: Any, gamma_extra: Any, duration: Any) -> Readout:
    """kappa^2, U^2 and V^2 of the mode that falls as exp(-gamma t) over a pulse, constant rates.

    Formula: U^2 = a^2 + 2a(1-a) eo + (1-a)^2 e^2, V^2 = Z^2 a(1-a)(1 - 2 eo + e^2), eo = 2 gamma T e^2/(1-e^2).
    Correction: the papers' Eq. (8) reads a -> a^2 and sqrt(1 - ...) in places where the commutators need these.

    Args:
        z: Z; gamma_s, gamma_extra: amplitude rates [1/s]; duration: T [s]. Any shape.

    Example:
        >>> r = readout(2.5, 100.0, 170.0, 1e-3)
        >>> print(f"{r.kappa2:.6f} {r.light:.6f} {r.bath:.6f}")
        0.965861 0.828117 0.108411
    """
    gamma = gamma_s + gamma_extra
    a = gamma_extra / gamma
    e2 = jnp.exp(-2 * gamma * duration)
    eo = -2 * gamma * duration * e2 / jnp.expm1(-2 * gamma * duration)
    light = a**2 + 2 * a * (1 - a) * eo + (1 - a) ** 2 * e2
    return Readout(coupling(z, gamma_s, gamma_extra, duration), light, z**2 * a * (1 - a) * (1 - 2 * eo + e2))


def readout_of_mode(weights: Any, step: Any, z: Any, gamma_s: Any, gamma_extra: Any) -> Readout:
    """The same for any temporal mode and rates that change, by integrating backwards.

    Formula: Lambda(s) = int_s^T F(t) Z sqrt(2 gamma_s(t)) exp(-int_s^t gamma) dt; kappa = Lambda(0),
    U^2 = int (F - sqrt(2 gamma_s) Lambda/Z)^2, V^2 = int 2 gamma_extra Lambda^2.

    Args:
        weights: F, one number per sample, sum of squares 1 [... t]; step: length of a sample [s];
        z: Z; gamma_s, gamma_extra: at the samples [t] or numbers.

    Validity: samples short against 1/gamma; the error is of relative order (gamma step)^2.

    Example:
        >>> step, t = 1e-6, (jnp.arange(1000) + 0.5) * 1e-6
        >>> f = jnp.exp(-270 * t) / jnp.sqrt(jnp.sum(jnp.exp(-540 * t)))
        >>> r = readout_of_mode(f, step, 2.5, 100.0, 170.0)
        >>> print(f"{r.kappa2:.6f} {r.light:.6f} {r.bath:.6f}")
        0.965861 0.828117 0.108411
    """
    f = jnp.asarray(weights) / jnp.sqrt(step)
    gamma_s, gamma_extra = jnp.broadcast_to(gamma_s, f.shape), jnp.broadcast_to(gamma_extra, f.shape)
    lost = (gamma_s + gamma_extra) * step
    decayed = jnp.cumsum(lost, -1) - lost / 2
    read = f * z * jnp.sqrt(2 * gamma_s) * jnp.exp(-decayed) * step
    later = jnp.flip(jnp.cumsum(jnp.flip(read, -1), -1), -1)
    costate = jnp.exp(decayed) * (later - read / 2)
    light = ((f - jnp.sqrt(2 * gamma_s) * costate / z) ** 2).sum(-1) * step
    return Readout(later[..., 0] ** 2, light, (2 * gamma_extra * costate**2).sum(-1) * step)


def detected(xi: Any, r: Readout, efficiency: Any, bath: Any) -> Any:
    """Variances of both detected quadratures, cosine plus sine, in units where light alone gives 1.

    Example:
        >>> print(f"{detected(1.0, readout(2.5, 100.0, 170.0, 1e-3), 0.84, 1.0):.4f}")
        1.7580
    """
    return efficiency * (r.kappa2 * xi + r.light + r.bath * bath) + 1 - efficiency


def epr_from_light(total: Any, r: Readout, efficiency: Any, bath: Any) -> Any:
    """EPR variance of the cells when the pulse begins, from the detected light; the inverse of `detected`.

    Formula: xi = [(V_c + V_s) - (1 - eta) - eta (U^2 + V^2 w)]/(eta kappa^2), with V_c + V_s = 1 for light alone.

    Example:
        >>> r = readout(2.5, 100.0, 170.0, 1e-3)
        >>> print(f"{epr_from_light(detected(0.9, r, 0.84, 1.0), r, 0.84, 1.0):.4f}")
        0.9000
    """
    return (total - (1 - efficiency) - efficiency * (r.light + r.bath * bath)) / (efficiency * r.kappa2)


def rates_of_coupling(z: Any, gamma: Any, kappa2: Any, duration: Any) -> tuple[Any, Any]:
    """(gamma_s, gamma_extra) from the total decay and a measured kappa^2; gamma_extra < 0 means it is impossible.

    Example:
        >>> s, extra = rates_of_coupling(2.5, 270.0, 0.965861, 1e-3)
        >>> print(f"{s:.2f} {extra:.2f}")
        100.00 170.00
    """
    share = -kappa2 / (z**2 * jnp.expm1(-2 * gamma * duration))
    return share * gamma, (1 - share) * gamma
