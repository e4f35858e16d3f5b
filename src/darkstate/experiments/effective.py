"""Two caesium cells by the papers' effective rates (002, 000), as sections of a lab file.

`laboratory` has the same by what stands on the optical table; `monitored_cells` takes some of these.
"""

from __future__ import annotations

from darkstate.parameters import parameter, pytree


@pytree
class Ensembles:
    """The atoms; |up> = |4,4>, |down> = |4,3>, |h> = |3,3> (signs reversed in ensemble II)."""

    optical_depth: float = parameter(
        unit="1", symbol="d", doc="resonant optical depth of one cell", source="002 Fig. 2", minimum=0
    )
    atoms: float = parameter(
        default=1e12,
        unit="1",
        symbol="N",
        doc="atoms in one cell",
        source="000 Sec. II: 1e12 in each cell",
        minimum=1,
    )
    initial_up: float = parameter(
        default=0.99,
        unit="1",
        symbol="N_44(0)/N",
        doc="fraction in |up> at t = 0",
        source="002 supplement",
        minimum=0,
        maximum=1,
    )
    initial_down: float | None = parameter(
        default=None,
        unit="1",
        symbol="N_43(0)/N",
        doc="fraction in |down> at t = 0; left out = all that is not in |up>",
        source="002 supplement",
        minimum=0,
        maximum=1,
    )


@pytree
class Drive:
    """The off-resonant laser that entangles."""

    z: float = parameter(
        unit="1",
        symbol="Z",
        doc="squeezing parameter 1/(mu - nu); the ideal steady state has xi = 1/Z^2",
        source="002: (mu - nu)^2 = 0.16",
        minimum=1,
    )
    rate: float = parameter(
        unit="1/s", symbol="Gamma", doc="single-atom decay rate that the drive causes", source="002 Fig. 2", above=0
    )
    loss_rate: float = parameter(
        default=26.3839702,
        unit="1/s",
        symbol="Gamma_out_L",
        doc="rate at which the drive takes atoms to |h>",
        source="not given in 002; T1 = 34 ms read as the initial slope of <Jx>",
        minimum=0,
    )


@pytree
class Pump:
    """Light that pumps |down> to |up>; it stays on while the drive is on."""

    rate: float = parameter(
        default=0.0, unit="1/s", symbol="Gamma_pump", doc="pump rate", source="002 Fig. 2c, 000 App. C", minimum=0
    )
    dephasing: float = parameter(
        default=0.0,
        unit="1",
        symbol="-",
        doc="what the pump adds to Gamma-tilde, in units of its rate; 0 where "
        "`noise.gamma_tilde` was measured with the pump on",
        source="000 App. C: 2",
        minimum=0,
    )


@pytree
class Repump:
    """Light that brings atoms from |h> back to |up> and |down>."""

    rate: float = parameter(
        default=0.0, unit="1/s", symbol="Gamma_repump", doc="repump rate", source="000 App. C", minimum=0
    )


@pytree
class Noise:
    """What single-atom events do to the transverse spin."""

    gamma_tilde: float = parameter(
        unit="1/s",
        symbol="Gamma-tilde",
        doc="total transverse rate with the drive on (cooling, heating, losses and dephasing included)",
        source="002 Fig. 2",
        minimum=0,
    )
    t2_dark: float = parameter(
        unit="s",
        symbol="T2",
        doc="transverse decay time without light; Gamma-tilde is then 2/T2",
        source="002: 40 ms",
        above=0,
    )
    collision_rate: float = parameter(
        default=0.0,
        unit="1/s",
        symbol="Gamma_col",
        doc="collision rate of every transition",
        source="002 Fig. 2",
        minimum=0,
    )
    t1_dark: float | None = parameter(
        default=None,
        unit="s",
        symbol="T1",
        doc="population decay time without light; only compared with T2",
        source="002: 130 ms",
        above=0,
    )


@pytree
class Field:
    """The magnetic fields of the two cells."""

    larmor_mismatch: float = parameter(
        default=0.0,
        unit="Hz",
        symbol="delta Omega/2pi",
        doc="difference of the Larmor frequencies of the two cells",
        source="000 Fig. 3a",
    )
    larmor_splitting: float = parameter(
        default=322e3,
        unit="Hz",
        symbol="Omega/2pi",
        doc="Zeeman splitting of neighbouring sublevels",
        source="002: 322 kHz",
        above=0,
        maximum=1e9,
    )
