"""What the papers could not draw: the steady state of N atoms without approximation, and where it meets Eq. (15)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate.experiments.values import with_values
from darkstate.report.papers.curves import dataset, lab
from darkstate.report.style import COLOURS, DASHES, new_figure, separable_line
from darkstate.solve.methods import ClosedForm, ExactLiouvillian
from darkstate.solve.steady_state import steady_state
from darkstate.witness.epr import epr_variance

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

SETS = ((1.5, 5.0, 0.0, 2.0), (1.5, 30.0, 0.0, 2.0), (2.0, 30.0, 0.0, 0.0), (1.5, 30.0, 5.0, 20.0))
"""Z, d, pump parameter x and Gamma_d_add/Gamma of the four curves."""

ATOMS = (*range(2, 11), 12, 14, 16, 18, 20, 25, 30, 40, 50)
"""Atoms per ensemble; the last takes most of the time, and 1.5 GB of memory."""

AXES = {
    "z": "squeezing parameter Z",
    "optical_depth": "optical depth d",
    "x": "pump parameter x",
    "gamma_d_add": "added dephasing, in units of Gamma",
}
"""What a set consists of, by name."""

MARKS = ("o", "s", "^", "D")

TICKS = (20, 10, 5, 3, 2)
"""Atom numbers named on the axis of 1/N."""


def n(atoms: Sequence[int] = ATOMS, progress: Callable[[float], None] | None = None) -> tuple[xr.Dataset, Figure]:
    """Steady-state xi against 1/N, and N times its distance from the closed form, for four sets of parameters.

    Args:
        atoms: rising atoms per ensemble, at least two numbers; progress: called with the share done.
    """
    experiments = [_experiment(values) for values in SETS]
    closed = [float(epr_variance(steady_state(e.model(), method=ClosedForm()).state).value) for e in experiments]
    xi, residual = np.zeros((2, len(SETS), len(atoms)))
    effort, done = float(sum(a**4 for a in atoms)) * len(SETS), 0.0
    for k, number in enumerate(atoms):
        for s, experiment in enumerate(experiments):
            model = with_values(experiment, {"ensembles.atoms": float(number)}).model()
            found = steady_state(model, method=ExactLiouvillian())
            xi[s, k], residual[s, k] = float(epr_variance(found.state).value), float(found.checks["residual"])
            done += number**4
            if progress is not None:
                progress(done / effort)
    data = dataset(
        {
            "xi_inf": (("set", "n"), xi, "steady-state EPR variance without approximation (separable: at least 1)"),
            "xi_inf_closed": (("set",), np.array(closed), "the same for N to infinity, 001 Eq. (15)"),
            "residual": (("set", "n"), residual, "relative error that the residual of the steady state can stand for"),
        },
        {
            "n": ("n", list(atoms), {"units": "1", "long_name": "atoms per ensemble"}),
            **{
                name: ("set", [values[k] for values in SETS], {"units": "1", "long_name": text})
                for k, (name, text) in enumerate(AXES.items())
            },
        },
        source="muschik2011",
    )
    return data, _drawn(data)


def continued(atoms: Any, xi: Any, terms: int = 4) -> np.ndarray:
    """Polynomial in 1/N through the largest atom numbers, constant first: what N to infinity gives, and the 1/N law.

    Args:
        atoms: rising N [n]; xi: [n]; terms: of the polynomial, as many as points it goes through.

    Example:
        >>> atoms = np.array([10.0, 20.0, 30.0, 40.0, 50.0])
        >>> print(continued(atoms, 0.5 + 1.2 / atoms - 3 / atoms**2)[:3].round(6))
        [ 0.5  1.2 -3. ]
    """
    terms = min(terms, len(atoms))
    inverse = 1 / np.asarray(atoms, float)[-terms:]
    return np.linalg.solve(np.vander(inverse, terms, increasing=True), np.asarray(xi, float)[-terms:])


def _experiment(values: tuple[float, ...]) -> Any:
    keys = ("drive.z", "ensembles.optical_depth", "pump.x", "noise.gamma_d_add")
    return with_values(lab("muschik2011"), dict(zip(keys, values, strict=True)))


def _drawn(data: xr.Dataset) -> Figure:
    inverse = 1 / data.n.values
    law = np.array([0.0, inverse.max()])
    figure, (left, right) = new_figure(2, height=2.7)
    for k, (z, d, x, dephasing) in enumerate(SETS):
        colour, dash, mark = COLOURS[k], DASHES[k], MARKS[k]
        xi, closed = data.xi_inf[k].values, float(data.xi_inf_closed[k])
        slope = continued(data.n.values, xi - closed)[1]
        points: dict[str, Any] = {"color": colour, "marker": mark, "markersize": 3, "linestyle": "none"}
        end = points | {"markersize": 5, "markerfacecolor": "white", "clip_on": False, "zorder": 5}
        left.plot(law, closed + slope * law, dash, color=colour, linewidth=0.8)
        left.plot(inverse, xi, **points)
        left.plot(0.0, closed, **end)
        scaled = (xi - closed) / inverse
        label = f"$Z$ = {z:g}, $d$ = {d:g}, $x$ = {x:g}, " + r"$\Gamma_d^{\rm add}$ = " + rf"{dephasing:g} $\Gamma$"
        right.plot(np.append(inverse, 0.0), np.append(scaled, slope), dash, color=colour, linewidth=0.8)
        right.plot(inverse, scaled, label=label, **points)
        right.plot(0.0, slope, **end)
    separable_line(left)
    left.set(ylim=(0.55, max(1.1, 1.03 * float(data.xi_inf.max()))), ylabel=r"steady-state $\xi_\infty$")
    right.set(ylabel=r"N ($\xi_\infty$ − closed form)")
    shown = [m for m in TICKS if m >= data.n.values.min()]
    for ax in (left, right):
        ax.set(xlim=(0, 1.05 * law[1]), xlabel="1/N, N atoms per ensemble (0: closed form)")
        ax.set_xticks([0, *(1 / m for m in shown)], ["0", *(f"1/{m}" for m in shown)])
    right.set_xlabel("1/N (0: continued)")
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
