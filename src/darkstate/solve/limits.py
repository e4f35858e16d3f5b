"""Largest value each check may have, and the outcome beyond it; `checks` says what each figure is. Loads no JAX."""

from __future__ import annotations

from collections.abc import Mapping

from darkstate.errors import Outcome

LIMITS: dict[str, tuple[float, Outcome]] = {
    "d_over_n": (0.05, Outcome.outside_validity),
    # 002 fits Gamma-tilde = 0.233 /ms where its own rates add up to 0.235 /ms (Fig. 2c); that much is let pass.
    "transverse_excess": (0.02, Outcome.outside_validity),
    "out_of_range": (1e-9, Outcome.outside_validity),
    "inverted_decay": (0.0, Outcome.outside_validity),
    "unequal_z": (1e-9, Outcome.outside_validity),
    "uncertainty_violation": (1e-12, Outcome.unphysical_covariance),
    "not_finite": (0.5, Outcome.not_converged),
    "empty": (1 - 1e-12, Outcome.unstable),
    "adiabatic_cavity": (0.1, Outcome.outside_validity),
    "rotating_wave": (0.01, Outcome.outside_validity),
    "rounding": (1e-8, Outcome.not_converged),
    "commutators": (1e-9, Outcome.unphysical_covariance),
    "growth_rate": (-1e-300, Outcome.unstable),
    # 001 and 002 work at 700 and 850 MHz from the line at room temperature: 0.16 and 0.10
    "doppler": (0.2, Outcome.outside_validity),
    "linewidth": (1e-3, Outcome.outside_validity),
    "elimination": (1e-3, Outcome.outside_validity),
    "sidebands": (0.1, Outcome.outside_validity),
    "excited": (0.01, Outcome.outside_validity),
    "leak": (0.1, Outcome.outside_validity),
    # 001 App. C 2 wants delta_D above gamma_LW d; the collective rate is then below the single-atom one by this over d
    "pump_collective": (1.0, Outcome.outside_validity),
    "pump_saturation": (0.1, Outcome.outside_validity),
    "motion": (0.1, Outcome.outside_validity),
    "distance": (0.1, Outcome.outside_validity),
    "dilute": (0.01, Outcome.outside_validity),
    # 003 works at h f_r = 0.12 k T and (k_T abar)^2 = 0.12
    "classical": (0.2, Outcome.outside_validity),
    "zeeman": (0.1, Outcome.outside_validity),
    "range": (0.3, Outcome.outside_validity),
    "small_length": (1.0, Outcome.outside_validity),
    "contact_fraction": (1.0, Outcome.outside_validity),
    "trace_defect": (1e-9, Outcome.not_converged),
    "positivity_defect": (1e-9, Outcome.not_converged),
    "residual": (1e-8, Outcome.not_converged),
    "charge_leak": (1e-12, Outcome.outside_validity),
    "thermal_tail": (0.01, Outcome.not_converged),
    "window_tail": (1e-6, Outcome.not_converged),
    "drift": (6.0, Outcome.not_converged),
    # `validation/leaping.md`: xi of N = 1000 agrees with exact trajectories at 0.023, and with P = 0.2 at 0.1
    "leap_range": (0.1, Outcome.outside_validity),
}
"""Largest value each check may have, and the outcome beyond it; `numerical_error` has the method's tolerance."""

CURES: dict[str, str] = {
    "dilute": "a hotter gas, a softer trap, or scattering lengths away from a resonance: collisions overlap",
    "classical": "a softer trap or a higher temperature: the motion is quantised; Structured() solves its levels",
    "zeeman": "a lower field or a higher temperature: the spins take or give too much energy",
    "range": "a lower temperature: waves this short see more of the atoms than a scattering length and a range",
    "small_length": "mean_length = 0 (no effective range) for scattering lengths below it",
    "trace_defect": "a shorter time or a tighter tolerance; if this stays, please report it with the input",
    "positivity_defect": "a shorter time or a tighter tolerance; if this stays, please report it with the input",
    "leap_range": "Trajectories(): leaping holds while the ensembles stay polarised, and for many atoms",
    "drift": "exact_samples over a longer time: something relaxes slower than its single-atom rates say",
    "thermal_tail": "a larger `cutoff` of the method, 10 or more",
}
"""What to change when a check of an atom pair is beyond its limit; the cures of other checks stand in `errors`."""


def beyond(checks: Mapping[str, float], outcome: Outcome) -> dict[str, str]:
    """The checks that decided a bad outcome: name to figure and limit in words."""
    found = {name: LIMITS.get(name, (0.0, Outcome.not_converged)) for name in checks}
    return {
        name: f"{name} = {checks[name]:.3g}, limit {limit:g}"
        for name, (limit, code) in found.items()
        if name in LIMITS and code is outcome and not checks[name] <= limit
    }
