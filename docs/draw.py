"""Draws the pictures of the pages: set-ups, level schemes, and the curve of the start page.

`conf.py` calls `draw_curves` at every build. `python docs/draw.py` writes what is kept in docs/images.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle

import darkstate as ds
from darkstate.report.papers import finite, ruksasakchai2026
from darkstate.report.style import COLOURS, new_figure, separable_line

HERE = Path(__file__).parent
BLUE, RED, GREEN, PURPLE, ORANGE = COLOURS[:5]
GREY = "0.35"
COOL, HEAT = "k", "0.45"
SMALL = 7


def canvas(width, height, xlim, ylim):
    """A figure without axes, one unit of x as long as one of y."""
    figure, (ax,) = new_figure()
    figure.set_size_inches(width, height)
    ax.set(xlim=xlim, ylim=ylim, aspect="equal")
    ax.axis("off")
    return figure, ax


def arrow(ax, start, end, colour="k", *, width=1.2, style="-|>", dashes="-", bend=0.0, head=8):
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle=style,
            mutation_scale=head,
            color=colour,
            linewidth=width,
            linestyle=dashes,
            shrinkA=0,
            shrinkB=0,
            connectionstyle=f"arc3,rad={bend}",
        )
    )


def words(ax, x, y, text, colour="k", *, size=SMALL, ha="center", va="center", box=False):
    background = {"facecolor": "white", "edgecolor": "none", "pad": 0.6} if box else None
    ax.text(x, y, text, color=colour, fontsize=size, ha=ha, va=va, bbox=background, linespacing=1.25)


def cell(ax, x, name, spin, field):
    """A vapour cell with its spin and its field; `spin` is the direction along x, +1 or -1."""
    ax.add_patch(
        FancyBboxPatch(
            (x - 0.75, -0.6),
            1.5,
            1.2,
            boxstyle="round,pad=0,rounding_size=0.12",
            facecolor="#EAF3F9",
            edgecolor=GREY,
            linewidth=0.8,
        )
    )
    words(ax, x, -0.86, name)
    arrow(ax, (x, -0.42 * spin), (x, 0.42 * spin), "k", width=2.6, head=13)
    words(ax, x + 0.14, 0.34 * spin, r"$J_x$", ha="left")
    arrow(ax, (x - 0.95, -0.45), (x - 0.95, 0.45), PURPLE)
    words(ax, x - 0.95, 0.6, field, PURPLE)


def light_path(ax):
    """The laser through both cells, and what it becomes at the detector."""
    ax.plot([-4.35, 3.1], [0, 0], color=GREEN, linewidth=4.5, alpha=0.45, solid_capstyle="butt", zorder=0)
    arrow(ax, (-0.3, 0), (0.1, 0), GREEN, width=1.4)
    words(ax, -4.35, 0.26, r"laser at $\omega_L$, $y$-polarised", GREEN, ha="left")
    words(ax, -0.08, -0.26, "$t$", GREY)
    for k, (colour, text) in enumerate(((BLUE, r"$\omega_L+\Omega$"), (RED, r"$\omega_L-\Omega$"))):
        y = 0.16 - 0.32 * k
        arrow(ax, (2.45, y), (3.05, y), colour)
        words(ax, 2.42, y + (0.2 if k == 0 else -0.2), text, colour, ha="left")


def frame(ax, x, y):
    """The axes: x up, z along the light."""
    arrow(ax, (x, y), (x + 0.5, y), GREY, width=0.9, head=6)
    arrow(ax, (x, y), (x, y + 0.5), GREY, width=0.9, head=6)
    words(ax, x + 0.58, y, "$z$", GREY, ha="left")
    words(ax, x, y + 0.6, "$x$", GREY, va="bottom")


def two_level_setup() -> Figure:
    figure, ax = canvas(6.2, 1.95, (-4.5, 4.6), (-1.3, 1.25))
    light_path(ax)
    cell(ax, -1.35, "ensemble I", 1, "$B$")
    cell(ax, 1.45, "ensemble II", 1, "$B$")
    words(ax, 3.3, 0, "traced out:\nnothing is\nmeasured", GREY, ha="left")
    words(ax, 0.05, 1.08, "forward-scattered light of both ensembles shares one mode: the common reservoir", GREY)
    frame(ax, -4.2, -1.1)
    return figure


def cesium_setup() -> Figure:
    figure, ax = canvas(6.2, 2.1, (-4.5, 4.6), (-1.5, 1.35))
    light_path(ax)
    cell(ax, -1.35, r"$^{133}$Cs cell I", 1, "$B$")
    cell(ax, 1.45, r"$^{133}$Cs cell II", -1, "$B$")
    for x in (-1.35, 1.45):
        arrow(ax, (x - 0.3, 1.02), (x - 0.3, 0.62), ORANGE)
        arrow(ax, (x + 0.3, 1.02), (x + 0.3, 0.62), ORANGE, dashes=(0, (2, 1.5)))
    words(ax, 0.05, 1.18, "optical pumping along $x$: pump (solid) and repump (dashed), on or off", ORANGE)
    ax.add_patch(Rectangle((3.1, -0.36), 0.16, 0.72, facecolor="0.25", edgecolor="none"))
    words(ax, 3.36, 0, "detector\nof $S_2$, to\nverify only", GREY, ha="left")
    words(ax, 0.05, -1.28, r"$|\uparrow\rangle = |4,\pm4\rangle$ in cell I, II: spins point along $\pm x$", "k")
    frame(ax, -4.2, -1.2)
    return figure


def cascade() -> Figure:
    """Two oscillators in one light beam, with what each of them sees of the other."""
    figure, ax = canvas(6.2, 1.95, (-4.5, 4.6), (-1.3, 1.55))
    ax.plot([-4.35, 3.1], [0, 0], color=GREEN, linewidth=4.5, alpha=0.45, solid_capstyle="butt", zorder=0)
    words(ax, -4.35, 0.26, "light, carrier and\ntwo sidebands", GREEN, ha="left", va="bottom")
    for x, name, turn in ((-1.6, "S: negative mass", -1), (1.45, "M: positive mass", 1)):
        oscillator(ax, x, name, turn)
    for x, text in ((-1.6, r"$\Gamma_S,\ \theta_S$"), (1.45, r"$\Gamma_M,\ \theta_M$")):
        words(ax, x, 0.98, text)
    for x, side, text in ((-1.6, -1, r"bath $\tilde\gamma_{S0}$"), (1.45, 1, r"bath $\tilde\gamma_{M0}$")):
        arrow(ax, (x + side * 0.9, -0.9), (x + side * 0.52, -0.52), HEAT, dashes=(0, (2, 1.5)))
        words(ax, x + side * 0.95, -1.0, text, GREY, ha="left" if side > 0 else "right")
    ax.plot([-0.28, 0.08], [0.18, -0.18], color="k", linewidth=1.4, solid_capstyle="butt")
    arrow(ax, (-0.1, -0.02), (-0.1, -0.72), GREEN, width=1.0)
    words(ax, -0.1, -0.9, r"loss $\epsilon$", GREEN)
    words(ax, -0.1, 0.7, r"$R$", RED)
    arrow(ax, (-0.72, 0.72), (0.6, 0.72), RED, bend=-0.25)
    words(ax, -0.1, 1.36, "the light of S drives M, never the reverse", RED)
    ax.add_patch(Rectangle((3.1, -0.36), 0.16, 0.72, facecolor="0.25", edgecolor="none"))
    words(ax, 3.36, 0, "homodyne\ndetector of\n$X_S+gX_M$,\n$P_S-gP_M$", GREY, ha="left")
    return figure


def oscillator(ax, x, name, turn):
    """A mode as its phase space, with the sense in which it turns."""
    ax.add_patch(Circle((x, 0), 0.68, facecolor="#EAF3F9", edgecolor=GREY, linewidth=0.8))
    arrow(ax, (x - 0.5, 0), (x + 0.5, 0), GREY, width=0.8, head=6)
    arrow(ax, (x, -0.5), (x, 0.5), GREY, width=0.8, head=6)
    words(ax, x + 0.52, -0.14, "$X$", GREY)
    words(ax, x - 0.14, 0.48, "$P$", GREY)
    # A positive mass turns clockwise in phase space, from X to -P.
    start, end = (x + 0.02, 0.36), (x + 0.36, 0.02)
    arrow(ax, *((start, end) if turn > 0 else (end, start)), PURPLE, width=1.6, bend=-0.4 * turn)
    words(ax, x, -0.88, name)


def level(ax, x, y, text, *, width=0.9, side="left"):
    ax.plot([x - width / 2, x + width / 2], [y, y], color="k", linewidth=1.6, solid_capstyle="butt")
    offset = -width / 2 - 0.06 if side == "left" else width / 2 + 0.06
    words(ax, x + offset, y, text, ha="right" if side == "left" else "left", size=8)


def sidebands() -> Figure:
    """Who emits into which sideband: the two paths to one photon."""
    figure, ax = canvas(3.4, 1.75, (-2.75, 2.75), (-1.42, 1.42))
    up, down = r"$|\uparrow\rangle$", r"$|\downarrow\rangle$"
    for x, name, top, bottom in ((-1.3, "ensemble I", up, down), (1.45, "ensemble II", down, up)):
        level(ax, x, 0.55, top)
        level(ax, x, -0.55, bottom)
        words(ax, x, 1.2, name)
        arrow(ax, (x - 0.2, -0.52), (x - 0.2, 0.53), RED, width=2.2 if x < 0 else 1.2)
        arrow(ax, (x + 0.2, 0.52), (x + 0.2, -0.53), BLUE, width=1.2 if x < 0 else 2.2)
        words(ax, x - 0.29, 0, r"$\mu$" if x < 0 else r"$\nu$", RED, ha="right", size=8)
        words(ax, x + 0.29, 0, r"$\nu$" if x < 0 else r"$\mu$", BLUE, ha="left", size=8)
    words(ax, 0.07, -0.98, r"$\omega_L-\Omega$: $A=(\mu S_I+\nu S_{II}^\dagger)/\sqrt{N}$", RED)
    words(ax, 0.07, -1.28, r"$\omega_L+\Omega$: $B=(\mu S_{II}+\nu S_I^\dagger)/\sqrt{N}$", BLUE)
    ax.annotate("", (-2.35, 0.5), (-2.35, -0.5), arrowprops={"arrowstyle": "<->", "color": GREY, "linewidth": 0.7})
    words(ax, -2.47, 0, r"$\Omega$", GREY, ha="right")
    return figure


def flips(ax, up, down):
    """Cooling and heating between two drawn levels, with the dephasing of both."""
    arrow(ax, (-0.2, down + 0.03), (-0.2, up - 0.02), COOL, width=2.2)
    arrow(ax, (0.2, up - 0.03), (0.2, down + 0.02), HEAT)
    words(ax, -0.3, (up + down) / 2, r"$\Gamma_{\rm cool}$", COOL, ha="right", size=8)
    words(ax, 0.3, (up + down) / 2, r"$\Gamma_{\rm heat}$", HEAT, ha="left", size=8)


def two_level_rates() -> Figure:
    figure, ax = canvas(3.4, 1.5, (-2.75, 2.75), (-1.1, 1.25))
    level(ax, 0, 0.6, r"$|\uparrow\rangle$", width=1.5)
    level(ax, 0, -0.6, r"$|\downarrow\rangle$", width=1.5)
    flips(ax, 0.6, -0.6)
    words(ax, 1.0, 0.6, r"dephasing $\Gamma_d$", PURPLE, ha="left")
    words(ax, -1.0, 0.02, r"$(1+x)\mu^2\Gamma$", COOL, ha="right")
    words(ax, 1.0, 0.02, r"$\nu^2\Gamma$", HEAT, ha="left")
    words(ax, 0, 1.08, "what happens to single atoms: noise", GREY)
    words(ax, 0, -0.95, r"$\tilde\Gamma=\Gamma_{\rm cool}+\Gamma_{\rm heat}+\Gamma_d$", PURPLE)
    return figure


def cesium_levels() -> Figure:
    figure, ax = canvas(3.4, 2.35, (-2.5, 3.0), (-2.1, 1.7))
    level(ax, 0, 1.0, r"$|\uparrow\rangle=|4,4\rangle$", width=1.3)
    level(ax, 0, -0.1, r"$|\downarrow\rangle=|4,3\rangle$", width=1.3)
    level(ax, 1.6, -1.45, r"$|h\rangle=|3,3\rangle$", width=1.1)
    flips(ax, 1.0, -0.1)
    loss = (0, (3, 1.5))
    arrow(ax, (0.45, -0.13), (1.2, -1.41), ORANGE, dashes=loss)
    arrow(ax, (1.02, -1.42), (0.27, -0.14), GREEN)
    arrow(ax, (0.68, 0.98), (1.65, -1.41), ORANGE, dashes=loss, bend=-0.2)
    arrow(ax, (1.9, -1.42), (0.7, 1.04), GREEN, bend=0.3)
    words(ax, 1.24, 0.0, r"$\Gamma_{\rm out}$", ORANGE, ha="right", size=8, box=True)
    words(ax, 1.95, 0.35, r"$\Gamma_{\rm in}$", GREEN, ha="left", size=8)
    words(ax, 0.48, -0.85, r"$\Gamma_{\rm in}$", GREEN, ha="right", size=8)
    words(ax, 0.92, -0.62, r"$\Gamma_{\rm out}$", ORANGE, ha="left", size=8)
    words(ax, 0, 1.5, "cell I; cell II has the signs of $m_F$ reversed", GREY)
    words(ax, -2.45, -0.75, r"$\Gamma_{\rm cool}=\mu^2\Gamma+\Gamma_{\rm pump}+\Gamma_{\rm col}$", COOL, ha="left")
    words(ax, -2.45, -1.1, r"$\Gamma_{\rm heat}=\nu^2\Gamma+\Gamma_{\rm col}$", HEAT, ha="left")
    words(ax, -2.45, -1.62, r"$\Gamma_{\rm out}=\Gamma_{\rm out}^L+\Gamma_{\rm col}$", ORANGE, ha="left")
    words(ax, -2.45, -1.97, r"$\Gamma_{\rm in}=\Gamma_{\rm repump}+\Gamma_{\rm col}$", GREEN, ha="left")
    return figure


def tweezers(ax, x, centres, atoms):
    """Tweezers side by side, with an atom of each colour at the bottom of one of them."""
    reach = 0.95 if len(centres) > 1 else 0.8
    u = np.linspace(-reach, reach, 121)
    width = 0.3 if len(centres) > 1 else 0.42
    ax.plot(x + u, 0.5 - sum(np.exp(-2 * ((u - c) / width) ** 2) for c in centres), color=GREY, linewidth=1.2)
    for place, colour in atoms:
        ax.add_patch(Circle((x + place, -0.3), 0.1, facecolor=colour, edgecolor="none"))


def tweezer_setup() -> Figure:
    """What is done to two atoms, and which of their spin states collisions couple."""
    figure, ax = canvas(6.2, 2.55, (-4.6, 4.6), (-2.75, 1.05))
    tweezers(ax, -3.55, (-0.5, 0.5), [(-0.5, BLUE), (0.5, BLUE)])
    tweezers(ax, -1.05, (0.0,), [(-0.12, BLUE), (0.12, BLUE)])
    tweezers(ax, 1.25, (0.0,), [(-0.12, RED), (0.12, GREEN)])
    tweezers(ax, 3.65, (0.0,), [(0.0, GREEN)])
    for x in (-2.4, -0.05, 2.3):
        arrow(ax, (x, -0.05), (x + 0.35, -0.05))
    arrow(ax, (1.25, 1.0), (1.25, -0.02), RED, width=2.0)
    arrow(ax, (3.78, -0.12), (4.1, 0.95), RED, dashes=(0, (2, 1.5)))
    for x, text in (
        (-3.55, "two atoms in $m = 0$"),
        (-1.05, "one tweezer, 0.5 G:\nthey collide for 100 ms"),
        (1.25, r"8.5 G: Raman pulse, area $\theta$"),
        (3.65, "$m = 1$ ejected,\nthe rest counted: 0, 1, 2"),
    ):
        words(ax, x, -0.68, text, GREY, va="top")
    spin_states(ax, -1.6)
    return figure


def spin_states(ax, y):
    """The three states that collisions reach, and what the pulse does to one of them."""
    for x, text in (
        (-3.55, r"$|0,0\rangle$"),
        (-1.05, r"$|\chi_1\rangle=(|1,{-1}\rangle+|{-1},1\rangle)/\sqrt{2}$"),
        (2.45, r"$|\chi_2\rangle=(|2,{-2}\rangle+|{-2},2\rangle)/\sqrt{2}$"),
    ):
        level(ax, x, y, "", width=1.1)
        words(ax, x, y - 0.22, text, size=8)
    for start, end in ((-2.9, -1.7), (-0.4, 1.8)):
        arrow(ax, (start, y), (end, y), ORANGE, style="<|-|>")
        words(ax, (start + end) / 2, y + 0.15, "collisions", ORANGE)
    arrow(ax, (-1.05, y - 0.4), (-1.05, y - 0.75), RED, width=2.0)
    words(
        ax,
        -1.05,
        y - 0.95,
        r"$\theta=\pi/2$:  $(|1,1\rangle+|{-1},-1\rangle)/\sqrt{2}$, never one of each",
        RED,
        size=8,
    )


def krauter2011() -> Figure:
    """xi(t) of the published experiment with its three cases."""
    labels = {"a": "a: drive, $d=55$", "b": "b: drive, $d=35$", "c": "c: drive and pump, $d=37$"}
    figure, (ax,) = new_figure()
    for k, (case, lab) in enumerate(ds.load_cases(ds.shipped_labs()["krauter2011"]).items()):
        ds.predict(lab).plot(ax, label=labels[case], curve=k)
    ax.axhline(1.0, color=GREY, linewidth=0.8)
    words(ax, 44, 1.028, r"separable: $\xi \geq 1$", GREY, ha="right")
    ax.set_ylim(0.75, 1.5)
    ax.legend(loc="upper left")
    return figure


SCHEMES = {
    "two_level_setup": two_level_setup,
    "two_level_rates": two_level_rates,
    "cascade": cascade,
    "sidebands": sidebands,
    "cesium_setup": cesium_setup,
    "cesium_levels": cesium_levels,
    "tweezer_setup": tweezer_setup,
}
"""Drawings without numbers; they are kept in docs/images, so that the pages can be read unbuilt."""


def write(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"metadata": {"Date": None}} if path.suffix == ".svg" else {"dpi": 200}
    figure.savefig(path, **options)


def draw_curves(folder: Path) -> None:
    """The pictures that hold results; drawn at every build."""
    write(krauter2011(), folder / "krauter2011.svg")
    for name, draw in (("populations", ruksasakchai2026.populations), ("fig3", ruksasakchai2026.fig3)):
        write(draw()[1], folder / f"ruksasakchai2026-{name}.svg")
    write(finite.n(atoms=(*range(2, 11), 12, 14, 16))[1], folder / "finite-n.svg")


def demo_picture(path: Path) -> None:
    """What `darkstate demo` draws, small enough to keep beside README.md."""
    figure, (ax,) = new_figure()
    ds.predict(ds.load(ds.shipped_labs()["krauter2011"])).plot(ax)
    separable_line(ax)
    write(figure, path)


if __name__ == "__main__":
    for name, scheme in SCHEMES.items():
        write(scheme(), HERE / "images" / f"{name}.svg")
    demo_picture(HERE / "images" / "krauter2011.png")
