"""Two ensembles of spins that share one reservoir: atoms, rates and light path, as one model.

    d rho/dt = sum over both sidebands of the engineered reservoir (001 Eq. 13; one-way light, transmission t)
               + single-atom cooling, heating, dephasing and exchange with a third level h (001 App. D)

Model and rates carry no algorithm: `populations` and `moments` hold the equations of motion. This file does not load
JAX, so that lab files can be checked without it.
"""

from __future__ import annotations

from typing import Any

from darkstate.parameters import parameter, pytree


@pytree
class Rates:
    """Rates that one cause (the dark, drive, pump or repump light) gives the atoms of one ensemble [1/s].

    Add two of them with `+` and scale one with `scaled`; every rate is what decays: `transverse` damps <Jy>, <Jz> at
    half its value, as does `collective` times the polarisation.
    """

    cooling: Any = parameter(default=0.0, unit="1/s", symbol="Gamma_cool", doc="|down> to |up>", source="001 Eq. (13)")
    heating: Any = parameter(default=0.0, unit="1/s", symbol="Gamma_heat", doc="|up> to |down>", source="001 Eq. (13)")
    up_to_h: Any = parameter(default=0.0, unit="1/s", symbol="Gamma_uh", doc="|up> lost to |h>", source="001 Eq. (20)")
    down_to_h: Any = parameter(
        default=0.0, unit="1/s", symbol="Gamma_dh", doc="|down> lost to |h>", source="001 Eq. (20)"
    )
    h_to_up: Any = parameter(default=0.0, unit="1/s", symbol="Gamma_hu", doc="|h> back to |up>", source="001 Eq. (20)")
    h_to_down: Any = parameter(
        default=0.0, unit="1/s", symbol="Gamma_hd", doc="|h> back to |down>", source="001 Eq. (20)"
    )
    transverse: Any = parameter(
        default=0.0,
        unit="1/s",
        symbol="Gamma-tilde",
        doc="decay rate of the transverse variances from single-atom events: cooling + heating + losses + dephasing",
        source="001 Eq. (14)",
    )
    collective: Any = parameter(
        default=0.0,
        unit="1/s",
        symbol="d Gamma",
        doc="collective decay rate (optical depth times Gamma)",
        source="001 Eq. (13)",
    )


@pytree
class SpinEnsembles:
    """The model: ensembles I and II in the order light meets them. Arrays over the two ensembles have shape [2].

    Args:
        atoms: number of atoms N_j [2].
        mu, nu: amplitudes of the passive and the active coupling, mu^2 - nu^2 = 1 [2].
        larmor: Larmor frequency offset delta_j of H = sum delta_j Jx_j [2; rad/s].
        initial_up, initial_down: fraction of the atoms in |up>, |down> at t = 0; the rest is in |h> [2].
        transmission: power transmission t of the light path from I to II.
        hyperfine_spin: F of the level whose outermost states are |up>, |down>; 1/2 = true two-level atoms.
        dark, drive, pump, repump: `Rates` at strength 1 of each cause [leaves 2].
    """

    atoms: Any
    mu: Any
    nu: Any
    larmor: Any
    initial_up: Any
    initial_down: Any
    transmission: Any
    hyperfine_spin: Any
    dark: Rates
    drive: Rates
    pump: Rates
    repump: Rates
