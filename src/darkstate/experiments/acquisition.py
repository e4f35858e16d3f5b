"""How the light of two cells is detected and stored: what a digital twin and a reconstruction need to know."""

from __future__ import annotations

from darkstate.parameters import parameter, pytree


@pytree
class Detection:
    """Homodyne detection of the light that leaves the second cell, in the quadrature that reads both cells."""

    efficiency: float = parameter(
        default=1.0,
        unit="1",
        symbol="eta",
        doc="share of the light that is detected",
        source="002: 0.84(3); 000 Sec. IV takes 1",
        minimum=0,
        maximum=1,
    )
    electronic_noise: float = parameter(
        default=0.0,
        unit="1",
        symbol="-",
        doc="noise of the detector without light, in units of shot noise",
        source="not in the papers",
        minimum=0,
    )


@pytree
class Acquisition:
    """The digitiser and how often the experiment is repeated; only records depend on it."""

    probe: float = parameter(
        default=1e-3,
        unit="s",
        symbol="t_probe",
        doc="length of the read-out window, from the time at which the state is wanted",
        source="002 SM: 0.5 ms to 3 ms",
        above=0,
    )
    cycles: int = parameter(
        default=800,
        unit="1",
        symbol="-",
        doc="repetitions of the sequence",
        source="not in the papers",
        minimum=20,
        maximum=10_000_000,
        whole=True,
    )
    shot_cycles: int = parameter(
        default=400,
        unit="1",
        symbol="-",
        doc="repetitions without atoms, for the shot noise",
        source="not in the papers",
        minimum=20,
        maximum=10_000_000,
        whole=True,
    )
    sample_rate: float = parameter(
        default=1e6, unit="Hz", symbol="-", doc="samples per second", source="not in the papers", above=0
    )
    carrier: float = parameter(
        default=322e3,
        unit="Hz",
        symbol="Omega/2pi",
        doc="Larmor frequency, at which the light is demodulated",
        source="002: 322 kHz",
        above=0,
    )
    bits: int = parameter(
        default=14,
        unit="1",
        symbol="-",
        doc="bits of the digitiser, its full scale at 8 standard deviations of shot noise",
        source="not in the papers",
        minimum=4,
        maximum=16,
        whole=True,
    )
    edge: float = parameter(
        default=0.0,
        unit="s",
        symbol="-",
        doc="how long the light takes to turn on and off",
        source="000 Fig. 5a: smoothly",
        minimum=0,
    )
