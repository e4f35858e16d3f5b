"""The figures of the papers, one file per paper; loads neither JAX nor matplotlib until a figure is drawn."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

RECORD_FIGURES = {
    "krauter2011-fig2d": "xi over time from two initial states, given the past light and not; simulated (002 Fig. 2d)",
    "krauter2011-figs1": "spin noise and kappa^2 against the Faraday angle; simulated (002 SM, Fig. S.1)",
    "krauter2011-figs3": "magneto-optical resonance and the orientation from it; simulated (002 SM, Fig. S.3)",
    "muschik2013-fig5": "kappa^2, rates and spin noise against the Faraday angle; simulated (000 Fig. 5)",
    "muschik2013-fig6": "pulse sequence and modes of the light, with and without the light before (000 Fig. 6)",
}
"""Figures of measurements, here from simulated records; their functions are in PAPER_records."""

FIGURES = {
    "muschik2011-fig3": "steady-state xi against Z, by dephasing rate (001 Fig. 3); polarisation (inset of Fig. 4)",
    "muschik2011-fig4": "xi at the best Z, and that Z, against the pump parameter x (001 Fig. 4)",
    "muschik2011-fig7": "steady-state xi of caesium against the repump light, 95 % pump rule (001 Fig. 7)",
    "muschik2011-fig8": "xi of caesium over time without repump light, t in 1/Gamma (001 Fig. 8)",
    "muschik2011-z": "squeezing parameter Z against detuning, x and y light, Cs and Rb D2 (001 Sec. IV A)",
    "krauter2011-fig2a": "variance and mean spin over time, case a (002 Fig. 2a)",
    "krauter2011-fig2b": "xi over time for optical depths 35 and 55, and without drive (002 Fig. 2b)",
    "krauter2011-fig2c": "xi over time with pump light, and its decay after the drive stops (002 Fig. 2c)",
    "muschik2013-fig3a": "xi over time for Larmor mismatches of 0, 20 and 40 Hz (000 Fig. 3a)",
    "muschik2013-fig3b": "xi over time with pump and repump light for d = 55, 100, 150 (000 Fig. 3b)",
    "muschik2013-fig4b": "steady-state xi against decay, with the light measured and not (000 Fig. 4b)",
    "huang2018-fig2": "xi of spin and membrane against both cooperativities, at the best angles (004 Fig. 2)",
    "huang2018-fig3": "xi at the best angles and C_M against C_S, with loss, and if measured (004 Fig. 3)",
    "ruksasakchai2026-fig2": "probabilities of 0, 1, 2 atoms against the pulse area, ideal and real (003 Fig. 2)",
    "ruksasakchai2026-fig3": "the same after the destruction of entanglement, and for its control (003 Fig. 3)",
    "ruksasakchai2026-fig4": "Ramsey fringes of the entangled pair and of two separate atoms (003 Fig. 4)",
    "ruksasakchai2026-populations": "populations during collisions, kinetic models and harmonic trap (003 Fig. S1)",
    "finite-n": "steady-state xi of N = 2 to 50 atoms without approximation, against closed forms; some 4 minutes",
    **RECORD_FIGURES,
}
"""Figure names and what they show."""

LONG = ("finite-n",)
"""Figures that take minutes and say how far they are."""


def draw(name: str, folder: str | Path, progress: Callable[[float], None] | None = None) -> list[Path]:
    """Compute a figure of a paper and write NAME.nc and NAME.png.

    Args:
        name: a key of `FIGURES`; folder: where to write; progress: of a figure in `LONG`, called with the share done.

    Returns:
        Paths written.

    Raises:
        InputError: unknown name, or the folder cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in draw("muschik2011-fig3", folder)]
        ['muschik2011-fig3.nc', 'muschik2011-fig3.png']
    """
    from difflib import get_close_matches

    from darkstate.errors import InputError

    if name not in FIGURES:
        near = get_close_matches(name, FIGURES, 1)
        hint = f"did you mean {near[0]!r}?" if near else "`darkstate figure --list` shows them all"
        raise InputError([f"figure {name!r} is not known; {hint}"])
    paper, figure = name.split("-")
    module = import_module(f"darkstate.report.papers.{paper}{'_records' if name in RECORD_FIGURES else ''}")

    from darkstate.report.papers.curves import write

    compute = getattr(module, figure)
    data, drawing = compute(progress=progress) if name in LONG else compute()
    return write(name, data, drawing, Path(folder))
