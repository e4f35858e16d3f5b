"""Figures 2 to 4 of Ruksasakchai et al. 2026 (003), and the populations during the collisions.

Its measured points are not available as numbers; the points drawn here are simulated counts.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate.experiments.labfile import load, shipped_labs
from darkstate.pair.detection import count_probabilities, ideal_probabilities
from darkstate.pair.motion import contact_fraction
from darkstate.pair.sequence import fringe_spacing_hz, ramsey_pair, ramsey_probability, ramsey_separate
from darkstate.report.counting import CONTROL, DESTRUCTION, fidelities, probabilities, simulate_counts
from darkstate.report.pair import LABELS
from darkstate.report.papers.curves import dataset, lab
from darkstate.report.style import COLOURS, DASHES, new_figure
from darkstate.solve.evolve import evolve
from darkstate.solve.methods import Structured

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

SOURCE = "ruksasakchai2026"
FIDELITIES = (1.0, 0.9, 0.5)
REFERENCES = (1.0, 0.5)
THETA = np.linspace(0.0, np.pi, 181)
SEED = 3

_THETA = ("theta", THETA, {"units": "rad", "long_name": "area of the Raman pulse"})
_N = ("n", [0, 1, 2], {"units": "1", "long_name": "number of atoms"})
_IDEAL = "probability of n atoms in m = -1, given m = +-1 before the pulse"
_LEFT = "probability of n atoms left, with all imperfections"


def fig2() -> tuple[xr.Dataset, Figure]:
    """Probabilities of 0, 1, 2 atoms against the pulse area: ideal, and with imperfections."""
    e = lab(SOURCE)
    f = np.array(FIDELITIES)[:, None]
    counted = simulate_counts(load(shipped_labs()[SOURCE]), seed=SEED)
    data = dataset(
        {
            "p": (("fidelity", "n", "theta"), _last_to_middle(ideal_probabilities(THETA, f)), _IDEAL),
            "p_model": (("fidelity", "n", "theta"), _last_to_middle(count_probabilities(THETA, f, e.detection)), _LEFT),
            "simulated": (("n", "area"), _shares(counted), "shares of simulated counts at fidelity 1"),
        },
        {
            "fidelity": ("fidelity", list(FIDELITIES), {"units": "1", "long_name": "fidelity with chi_1 in m = +-1"}),
            "n": _N,
            "theta": _THETA,
            "area": ("area", counted.theta.values, {"units": "rad", "long_name": "pulse areas of the counts"}),
        },
        source=SOURCE,
    )
    data.attrs |= {"shots": e.counting.shots, "seed": SEED}
    figure, (left, right) = new_figure(2)
    for k, fidelity in enumerate(FIDELITIES):
        for n in (1, 2):  # none is as likely as two
            left.plot(THETA, data.p.sel(fidelity=fidelity, n=n), DASHES[_DASH[k]], color=COLOURS[n])
        for n in (0, 1, 2):
            right.plot(THETA, data.p_model.sel(fidelity=fidelity, n=n), DASHES[_DASH[k]], color=COLOURS[n])
    _points(right, data.area, data.simulated, e.counting.shots)
    _area_axis(left, "ideal; none as likely as two")
    _area_axis(right, "with imperfections; simulated counts")
    _legends(left, right, [f"F = {f:g}" for f in FIDELITIES])
    return data, figure


_DASH = (0, 3, 1)
"""Line styles of the fidelities: 1 solid, 0.9 dash-dotted, 0.5 dashed as in the paper."""


def fig3() -> tuple[xr.Dataset, Figure]:
    """The same after the destruction of entanglement, and for the control taken in between."""
    e, groups = lab(SOURCE), (DESTRUCTION, CONTROL)
    file = load(shipped_labs()[SOURCE])
    f = np.array([fidelities(e)[name] for name in groups])[:, None]
    counted = simulate_counts(file, sequence="interleaved", seed=SEED)
    shares = np.stack([_shares(counted.isel(setting=counted.group.values == name)) for name in groups])
    areas = counted.theta.values[counted.group.values == groups[0]]

    def model(name: str, fidelity: float) -> np.ndarray:
        return np.asarray(probabilities(e, "theta", THETA, fidelity, destroyed=name == DESTRUCTION)).T

    data = dataset(
        {
            "p": (("group", "n", "theta"), _last_to_middle(ideal_probabilities(THETA, f)), _IDEAL),
            "p_model": (
                ("group", "n", "theta"),
                np.stack([model(*g) for g in zip(groups, f[:, 0], strict=True)]),
                _LEFT,
            ),
            "p_reference": (
                ("group", "reference", "n", "theta"),
                np.stack([[model(name, x) for x in REFERENCES] for name in groups]),
                f"{_LEFT}; entangled and unentangled model",
            ),
            "simulated": (("group", "n", "area"), shares, "shares of simulated counts"),
        },
        {
            "group": ("group", list(groups)),
            "fidelity": ("group", f[:, 0], {"units": "1", "long_name": "fidelity with chi_1 in m = +-1"}),
            "reference": ("reference", list(REFERENCES), {"units": "1", "long_name": "fidelity of the two models"}),
            "n": _N,
            "theta": _THETA,
            "area": ("area", areas, {"units": "rad", "long_name": "pulse areas of the counts"}),
        },
        source=SOURCE,
    )
    data.attrs |= {"shots": e.counting.shots, "seed": SEED}
    figure, panels = new_figure(2)
    for ax, name, title in zip(panels, groups, ("after destruction", "control"), strict=True):
        for n, (k, reference) in product((0, 1, 2), enumerate(REFERENCES)):
            ax.plot(THETA, data.p_reference.sel(group=name, reference=reference, n=n), DASHES[k], color=COLOURS[n])
        _points(ax, data.area, data.simulated.sel(group=name), e.counting.shots)
        _area_axis(ax, title)
    _legends(panels[0], panels[1], [f"F = {f:g}" for f in REFERENCES], (0, 1))
    return data, figure


def fig4() -> tuple[xr.Dataset, Figure]:
    """Ramsey fringes of the entangled pair, and of two separate atoms in |1>."""
    e, delta = lab(SOURCE), np.linspace(-200.0, 200.0, 801)
    r = e.ramsey
    p = ramsey_probability(delta * 1e3, r.half_pulse, r.dark_time)
    single = np.asarray(ramsey_separate(p))
    axis, same = ("delta_khz",), "in m = -1, two separate atoms in |1>"
    data = dataset(
        {
            "p1_pair": (axis, np.asarray(ramsey_pair(p))[:, 1], "probability of one atom in m = -1, chi_1"),
            "p1_single": (axis, single[:, 1], f"probability of one atom {same}"),
            "p2_single": (axis, single[:, 2], f"probability of two atoms {same}"),
            "mean_single": (axis, single[:, 1] + 2 * single[:, 2], f"mean number of atoms {same}"),
        },
        {"delta_khz": ("delta_khz", delta, {"units": "kHz", "long_name": "Raman detuning"})},
        source=SOURCE,
    )
    data.attrs["spacing_khz"] = float(fringe_spacing_hz(r.half_pulse, r.dark_time)) / 1e3
    figure, (left, right) = new_figure(2)
    left.plot(delta, data.p1_pair, color=COLOURS[1])
    right.plot(delta, data.p2_single, DASHES[0], color=COLOURS[2], label="two atoms")
    right.plot(delta, data.mean_single / 2, DASHES[1], color=COLOURS[0], label="mean number/2")
    right.plot(delta, data.p1_single, DASHES[2], color=COLOURS[1], label="one atom")
    left.annotate("", (data.spacing_khz, 1.04), (0, 1.04), arrowprops={"arrowstyle": "<->", "linewidth": 0.6})
    left.text(data.spacing_khz / 2, 1.06, f"{data.spacing_khz:.0f} kHz", fontsize=6, ha="center", va="bottom")
    for ax, title in ((left, r"entangled, $|\chi_1\rangle$"), (right, r"separate atoms, both in $|1\rangle$")):
        ax.set(xlim=(-200, 200), ylim=(0, 1.2), xlabel=r"Raman detuning $\delta$ (kHz)", title=title)
        ax.set_yticks(np.linspace(0, 1, 6))
    left.set_ylabel("probability of one atom in m = −1")
    right.set_ylabel("probability; mean number/2")
    right.legend(loc="upper center", ncols=3, columnspacing=1.0, handlelength=1.6)
    return data, figure


def populations() -> tuple[xr.Dataset, Figure]:
    """Populations during the collisions: kinetic model without and with effective range, and pairs of a harmonic trap.

    The harmonic trap lets only some of the pairs collide; their populations are shown.
    """
    e, t = lab(SOURCE), np.linspace(0.0, 100.0, 201)
    contact = e.pair(mean_length=0.0)
    found = {
        "kinetic": evolve(contact, t * 1e-3),
        "kinetic_effective_range": evolve(e.pair(), t * 1e-3),
        "harmonic": evolve(contact, t * 1e-3, method=Structured()),
    }
    values = np.stack([np.asarray(s.state.populations).T for s in found.values()])
    share = contact_fraction(e.well, e.atoms.temperature)
    data = dataset(
        {"population": (("model", "state", "t_ms"), values, "population of pairs with both atoms prepared")},
        {
            "model": ("model", list(found)),
            "state": ("state", ["00", "chi_1", "chi_2"]),
            "t_ms": ("t_ms", t, {"units": "ms", "long_name": "collision time"}),
        },
        source=SOURCE,
    )
    data.attrs["harmonic_share"] = share
    figure, (left, right) = new_figure(2)
    for k, label in enumerate(LABELS):
        left.plot(t, values[1, k], DASHES[0], color=COLOURS[k], label=label)
        left.plot(t, values[0, k], DASHES[2], color=COLOURS[k])
        right.plot(t, values[2, k], DASHES[0], color=COLOURS[k], linewidth=0.8)
    left.plot([], [], DASHES[2], color="0.3", label="no effective range")
    for ax, title in (
        (left, "kinetic model"),
        (right, f"harmonic trap, the {100 * share:.0f} % of the pairs that collide"),
    ):
        ax.set(xlim=(0, 100), ylim=(0, 1), xlabel="collision time $t$ (ms)", ylabel="population", title=title)
    left.legend(loc="upper right")
    return data, figure


def _last_to_middle(values: Any) -> np.ndarray:
    """[a theta n] -> [a n theta]."""
    return np.moveaxis(np.asarray(values), -1, -2)


def _shares(counted: xr.Dataset) -> np.ndarray:
    counts = counted.counts.values
    return (counts / counts.sum(1, keepdims=True)).T


def _atoms(n: int) -> str:
    return ("no atom", "one atom", "two atoms")[n]


def _points(ax: Any, areas: Any, shares: Any, shots: int) -> None:
    """Shares of counts with the standard errors of a binomial."""
    for n in (0, 1, 2):
        p = np.asarray(shares.sel(n=n))
        error = np.sqrt(p * (1 - p) / shots)
        ax.errorbar(areas, p, error, fmt="os^"[n], color=COLOURS[n], markersize=2.5, linewidth=0.7)


def _area_axis(ax: Any, title: str) -> None:
    ax.set(xlim=(-0.06, np.pi + 0.06), ylim=(0, 1.15), xlabel=r"pulse area $\theta$ (rad)", title=title)
    ax.set_xticks([0, np.pi / 4, np.pi / 2, 3 * np.pi / 4, np.pi], ["0", "π/4", "π/2", "3π/4", "π"])
    ax.set_yticks(np.linspace(0, 1, 6))
    ax.set_ylabel("probability")


def _legends(left: Any, right: Any, texts: list[str], dashes: tuple[int, ...] = _DASH) -> None:
    """Colours of the numbers of atoms on the left, line styles of the fidelities on the right."""
    left.legend(
        handles=[left.plot([], [], color=COLOURS[n], label=_atoms(n))[0] for n in (0, 1, 2)],
        loc="upper center",
        ncols=3,
    )
    right.legend(
        handles=[right.plot([], [], DASHES[d], color="0.3", label=t)[0] for t, d in zip(texts, dashes, strict=True)],
        loc="upper center",
        ncols=3,
    )
