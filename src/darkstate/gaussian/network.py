"""A network joins components by light: an output becomes an input.

    u_i = y_i:   A' = A + B_i K C_i,  B' = B_e + B_i K E_ie,  C' = C_e + E_ei K C_i,  E' = E_ee + E_ei K E_ie,
    K = (1 - E_ii)^{-1}   (i: joined, e: left open)

One way, side by side, or back into itself: the series product, the concatenation and the feedback reduction of open
quantum networks, here for the quadratures, so that squeezing components need nothing special. What comes out is a
`LinearSystem` again; joining is associative.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from darkstate.backend import jax, jnp
from darkstate.errors import ArgumentError
from darkstate.gaussian.elimination import solve
from darkstate.gaussian.linear_system import LinearSystem
from darkstate.gaussian.state import nearest_names, quadratures

Link = tuple[str, str] | tuple[str, str, float]
"""Output, input, and the delay between them [s]; 0 if left out."""


def network(*components: LinearSystem, links: Sequence[Link] = ()) -> LinearSystem:
    """Components side by side, with some outputs led into inputs.

    Args:
        components: `LinearSystem` objects; no mode and no port may be named twice.
        links: (output, input) or (output, input, delay in s).

    Returns:
        A `LinearSystem` whose ports are those left open.

    Validity: loops without delay, of the kind where the light that goes round fades (1 - E_ii invertible).

    Raises:
        ArgumentError: an unknown port, a port used twice, a mode named twice, a loop in which light goes round for
            ever, a delay inside a loop, or two paths of different delay to one component.

    Example:
        >>> from darkstate.gaussian.components import loss, oscillator
        >>> atoms, mirror = (oscillator(n, frequency=0.0, passive=1.0) for n in "SM")
        >>> ways = [("S.light", "path.light"), ("path.light", "M.light")]
        >>> network(atoms, loss("path", 0.1), mirror, links=ways).outputs
        ('S.bath', 'path.lost', 'M.light', 'M.bath')
    """
    for one in components:
        if not isinstance(one, LinearSystem):
            raise ArgumentError(
                f"A network is made of LinearSystem objects, one argument each, but got a {type(one).__name__}."
            )
    for link in links:
        if isinstance(link, str) or len(link) not in (2, 3):
            raise ArgumentError(f"A link is (output, input) or (output, input, delay), but one is {link!r}.")
    _refuse_names_given_twice(components)
    joined = _side_by_side(components)
    if not links:
        return joined
    pairs = [(link[0], link[1], float(link[2]) if len(link) == 3 else 0.0) for link in links]
    _check_ports(joined, pairs)
    shifts = _shifts(components, pairs)
    joined = _shifted(joined, components, shifts)
    out_i, in_i = tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)
    rounds = _longest_way(components, pairs)
    if rounds is None:
        _refuse_algebraic_loop(joined, out_i, in_i)
    return _closed(joined, out_i, in_i, rounds)


def cascade(
    *components: LinearSystem, channels: tuple[str, ...] = ("light",), delays: Sequence[float] | None = None
) -> LinearSystem:
    """Components one after the other in one beam: the output NAME.CHANNEL of each feeds that of the next.

    Args:
        components: in the order the light meets them.
        channels: what the beam consists of; ("upper", "lower") for two sidebands.
        delays: travel time to the second, third, ... component [s]; none if left out.

    Raises:
        ArgumentError: a component has no open port of that channel or several, or anything `network` refuses.

    Example:
        >>> from darkstate.gaussian.components import oscillator, phase_shift
        >>> beam = cascade(oscillator("S", frequency=0.0, passive=1.0), phase_shift("half", phase=np.pi))
        >>> beam.inputs, beam.outputs
        (('S.light', 'S.bath'), ('S.bath', 'half.light'))
    """
    if not components or not all(isinstance(one, LinearSystem) for one in components):
        raise ArgumentError(
            "A cascade is made of LinearSystem objects, one argument each, in the order light meets them."
        )
    times = [0.0] * (len(components) - 1) if delays is None else list(delays)
    if len(times) != len(components) - 1:
        raise ArgumentError(
            f"Argument `delays` must hold {len(components) - 1} times, one per way between components, but holds "
            f"{len(times)}."
        )
    links = []
    for first, second, delay in zip(components, components[1:], times, strict=False):
        for channel in channels:
            links.append((_port(first.outputs, channel, "output"), _port(second.inputs, channel, "input"), delay))
    return network(*components, links=links)


def _port(names: tuple[str, ...], channel: str, kind: str) -> str:
    found = [name for name in names if name.endswith(f".{channel}")]
    if len(found) != 1:
        said = "none" if not found else " and ".join(found)
        raise ArgumentError(
            f"A cascade through {channel!r} needs one open {kind} NAME.{channel} per component, but finds {said} among "
            f"{', '.join(names)}; join it with network(..., links=[...])."
        )
    return found[0]


def _refuse_names_given_twice(components: Sequence[LinearSystem]) -> None:
    for field, what in (("modes", "Mode"), ("inputs", "Input"), ("outputs", "Output")):
        names = [name for c in components for name in getattr(c, field)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ArgumentError(f"{what} {twice[0]!r} is named twice; give every component a name of its own.")


@jax.jit
def _side_by_side(components: Sequence[LinearSystem]) -> LinearSystem:
    def all_of(field: str) -> tuple[str, ...]:
        return tuple(name for c in components for name in getattr(c, field))

    def block(field: str) -> Any:
        parts = [getattr(c, field) for c in components]
        # Written by hand, because parts may have no rows or no columns.
        rows, columns = (sum(p.shape[k] for p in parts) for k in (0, 1))
        whole, r, c = jnp.zeros((rows, columns)), 0, 0
        for p in parts:
            if p.size:
                whole = whole.at[r : r + p.shape[0], c : c + p.shape[1]].set(p)
            r, c = r + p.shape[0], c + p.shape[1]
        return whole

    matrices = ("drift", "coupling", "output", "feedthrough", "input_noise", "force_noise")
    delays = {
        f"{kind}_delays": tuple(t for c in components for t in _delays(c, kind)) for kind in ("mode", "input", "output")
    }
    return LinearSystem(
        **{name: block(name) for name in matrices},
        modes=all_of("modes"),
        inputs=all_of("inputs"),
        outputs=all_of("outputs"),
        **delays,
    )


def _delays(system: LinearSystem, kind: str) -> tuple[float, ...]:
    return getattr(system, f"{kind}_delays") or (0.0,) * len(getattr(system, f"{kind}s"))


def _check_ports(system: LinearSystem, pairs: list[tuple[str, str, float]]) -> None:
    for known, kind, position in ((system.outputs, "Output", 0), (system.inputs, "Input", 1)):
        named = [p[position] for p in pairs]
        for name in named:
            if name not in known:
                raise ArgumentError(f"{kind} {name!r} is not here; " + nearest_names(str(name), known))
            if named.count(name) > 1:
                cure = "split it with a beam_splitter" if position == 0 else "combine the beams with a beam_splitter"
                raise ArgumentError(f"{kind} {name!r} is linked twice; {cure}.")
    for source, target, delay in pairs:
        if not (np.isfinite(delay) and delay >= 0):
            raise ArgumentError(
                f"The delay from {source!r} to {target!r} must be a time of at least 0 s, but is {delay:g}."
            )


def _shifts(components: Sequence[LinearSystem], pairs: list[tuple[str, str, float]]) -> list[float]:
    """How much later the clock of each component runs than the earliest one it is joined with [s]."""
    owner_out = {name: k for k, c in enumerate(components) for name in c.outputs}
    owner_in = {name: k for k, c in enumerate(components) for name in c.inputs}
    ways: dict[int, list[tuple[int, float]]] = {k: [] for k in range(len(components))}
    for source, target, delay in pairs:
        a, b = owner_out[source], owner_in[target]
        lag = delay + _delays(components[a], "output")[components[a].outputs.index(source)]
        lag -= _delays(components[b], "input")[components[b].inputs.index(target)]
        ways[a].append((b, lag))
        ways[b].append((a, -lag))
    shifts = [0.0] * len(components)
    seen: set[int] = set()
    for start in range(len(components)):
        if start in seen:
            continue
        group, queue = {start: 0.0}, deque([start])
        while queue:
            a = queue.popleft()
            for b, lag in ways[a]:
                if b not in group:
                    group[b] = group[a] + lag
                    queue.append(b)
                elif abs(group[b] - group[a] - lag) > 1e-12 * (abs(lag) + abs(group[b])):
                    raise ArgumentError(
                        "The delays cannot be taken out by a shift of time: light goes round a loop, or reaches one "
                        "component by two ways of different delay. Only one-way cascades may have delays; set those of "
                        "the loop to 0, which holds while they are short against every rate."
                    )
        seen |= set(group)
        first = min(group.values())
        for k, shift in group.items():
            shifts[k] = shift - first
    return shifts


def _shifted(joined: LinearSystem, components: Sequence[LinearSystem], shifts: list[float]) -> LinearSystem:
    def late(kind: str) -> tuple[float, ...]:
        return tuple(s + t for s, c in zip(shifts, components, strict=True) for t in _delays(c, kind))

    return dataclasses.replace(
        joined, mode_delays=late("mode"), input_delays=late("input"), output_delays=late("output")
    )


def _longest_way(components: Sequence[LinearSystem], pairs: list[tuple[str, str, float]]) -> int | None:
    """Largest number of links light passes one after the other, or None where it can go round."""
    owner_out = {name: k for k, c in enumerate(components) for name in c.outputs}
    owner_in = {name: k for k, c in enumerate(components) for name in c.inputs}
    ways = {(owner_out[source], owner_in[target]) for source, target, _ in pairs}
    longest = dict.fromkeys(range(len(components)), 0)
    for _ in components:
        for a, b in ways:
            longest[b] = max(longest[b], longest[a] + 1)
    most = max(longest.values())
    return most if most < len(components) else None


@partial(jax.jit, static_argnames=("out_i", "in_i", "rounds"))
def _closed(system: LinearSystem, out_i: tuple[str, ...], in_i: tuple[str, ...], rounds: int | None) -> LinearSystem:
    out_e = tuple(name for name in system.outputs if name not in out_i)
    in_e = tuple(name for name in system.inputs if name not in in_i)
    yi, ye = quadratures(system.outputs, out_i), quadratures(system.outputs, out_e)
    ui, ue = quadratures(system.inputs, in_i), quadratures(system.inputs, in_e)
    b, c, e = system.coupling, system.output, system.feedthrough
    inside, entering = e[yi[:, None], ui], jnp.concatenate([c[yi], e[yi[:, None], ue]], axis=1)
    if rounds is None:
        through = solve(jnp.eye(len(yi)) - inside, entering)
    else:
        # One way: the series 1 + E_ii + E_ii^2 + ... ends where the light does.
        through = entering
        for _ in range(rounds - 1):
            through = entering + inside @ through
    from_modes, from_inputs = through[:, : c.shape[1]], through[:, c.shape[1] :]

    def kept(names: tuple[str, ...], known: tuple[str, ...], delays: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(delays[known.index(name)] for name in names)

    return LinearSystem(
        drift=system.drift + b[:, ui] @ from_modes,
        coupling=b[:, ue] + b[:, ui] @ from_inputs,
        output=c[ye] + e[ye[:, None], ui] @ from_modes,
        feedthrough=e[ye[:, None], ue] + e[ye[:, None], ui] @ from_inputs,
        input_noise=system.input_noise[ue[:, None], ue],
        force_noise=system.force_noise,
        modes=system.modes,
        inputs=in_e,
        outputs=out_e,
        mode_delays=system.mode_delays,
        input_delays=kept(in_e, system.inputs, system.input_delays),
        output_delays=kept(out_e, system.outputs, system.output_delays),
    )


def _refuse_algebraic_loop(system: LinearSystem, out_i: tuple[str, ...], in_i: tuple[str, ...]) -> None:
    """Refuse light that goes round without loss: nothing says how much of it there is."""
    if isinstance(system.feedthrough, jax.core.Tracer):
        return
    yi, ui = quadratures(system.outputs, out_i), quadratures(system.inputs, in_i)
    round_trip = np.eye(len(yi)) - np.asarray(system.feedthrough)[yi[:, None], ui]
    smallest = np.linalg.svd(round_trip, compute_uv=False).min(initial=1.0)
    if smallest < 1e-9:
        raise ArgumentError(
            f"The links {', '.join(f'{a} -> {b}' for a, b in zip(out_i, in_i, strict=True))} form an algebraic loop in "
            "which light goes round without loss or phase, so that its amount is not determined; let it leave by a "
            "beam_splitter or loss, or put a cavity mode (optomechanics, open_system) in its place."
        )
