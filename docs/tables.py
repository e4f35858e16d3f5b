"""Writes the tables of the pages from the code itself: parameters, symbols, outcomes, figures, variables of files."""

import re
from pathlib import Path

import darkstate as ds
from darkstate.atoms.species import constants as known_constants
from darkstate.experiments import CATALOGUE
from darkstate.experiments.layout import is_required, lists, sections
from darkstate.parameters import Spec, specs
from darkstate.report.explain import quantities as known
from darkstate.report.papers import FIGURES
from darkstate.spins.ensembles import Rates
from darkstate.studies.quantities import QUANTITIES
from darkstate.units import format_si

GREEK = "Gamma Omega delta Delta xi mu nu kappa gamma eta theta phi omega lambda tau".split()


def symbol(text: str) -> str:
    """A symbol such as Gamma_out_L or delta Omega/2pi as a formula."""
    if text == "-":
        return ""

    def index(match: re.Match[str]) -> str:
        parts = [part if part.isdigit() else rf"\mathrm{{{part}}}" for part in match[1].split("_")]
        return f"_{{{','.join(parts)}}}"

    text = re.sub(r"_([A-Za-z0-9_]+)", index, text)
    text = re.sub(r"^T([12])$", r"T_\1", text)
    text = text.replace("Gamma-tilde", r"\tilde Gamma").replace("2pi", r"2\pi")
    text = re.sub(r"^gt(?=_)", r"\\tilde gamma", text)
    text = re.sub(r"^eps$", r"\\epsilon", text)
    text = text.replace("abar", r"\bar a")
    return "$" + re.sub(rf"\b({'|'.join(GREEK)})(?![a-z])", r"\\\1", text) + "$"


def cell(text: str) -> str:
    """Words that may stand in a table: |up> would end the cell."""
    return text.replace("|", r"\|").replace("<", r"\<")


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def default(section: type, name: str, spec: Spec) -> str:
    if is_required(section, name):
        return "required"
    value = getattr(section, name)
    if value is None:
        return "none"
    return str(value) if isinstance(value, str) else format_si(value, spec.unit)


def rows(key: str, section: type) -> list[list[str]]:
    return [
        [
            f"`{key}.{name}`",
            symbol(spec.symbol),
            "word" if spec.choices else "number" if spec.unit == "1" else spec.unit,
            default(section, name, spec),
            cell(spec.allowed),
            f"{cell(spec.doc)}. *{cell(spec.source)}*",
        ]
        for name, spec in specs(section)
    ]


HEAD = ["key", "symbol", "unit", "default", "range", "meaning and *source*"]


def parameters(kind: str) -> str:
    """Every parameter of an experiment, one table per section."""
    parts = []
    for name, section in sections(kind).items():
        parts.append(f"**`[{name}]`** {cell((section.__doc__ or '').strip().splitlines()[0])}\n")
        parts.append(table(HEAD, rows(name, section)))
        for key, item in lists(section).items():
            parts.append(f"**`[[{name}.{key}]]`** {cell((item.__doc__ or '').strip().splitlines()[0])}\n")
            parts.append(table(HEAD, rows(f"{name}.{key}", item)))
    return "\n".join(parts)


def symbols() -> str:
    """Every symbol that stands for a parameter or a rate, with the places it is found at."""
    found: dict[str, list[str]] = {}
    places: list[tuple[str, Spec]] = []
    for kind in CATALOGUE:
        for name, section in sections(kind).items():
            places += [(f"{name}.{key}", spec) for key, spec in specs(section)]
    places += [(f"Rates.{key}", spec) for key, spec in specs(Rates)]
    for key, spec in places:
        entry = found.setdefault(symbol(spec.symbol), [spec.unit, cell(spec.doc)])
        if f"`{key}`" not in entry:
            entry.append(f"`{key}`")
    lines = [[s, unit, doc, ", ".join(keys)] for s, (unit, doc, *keys) in found.items() if s]
    return table(["symbol", "unit", "meaning", "name here"], lines)


def outcomes() -> str:
    lines = [[str(int(o)), f"`{o.name}`", o.meaning, o.cure] for o in ds.Outcome]
    return table(["code", "outcome", "what happened", "cure"], lines)


def figures() -> str:
    return table(["figure", "what it shows"], [[f"`{name}`", text] for name, text in FIGURES.items()])


EXPLAINED = {
    "two cells": "muschik2011",
    "spin_mechanics": "huang2018",
    "monitored_cells": "muschik2013-monitored",
    "tweezer_pair": "ruksasakchai2026",
}
"""Experiments whose quantities are the same, and a lab file of each kind."""


def quantities() -> str:
    """What can be explained, each with the first line of its explanation."""
    lines = []
    for kind, name in EXPLAINED.items():
        lab = ds.load(ds.shipped_labs()[name])
        lines += [[kind, f"`{q}`", cell(ds.explain(q, lab).splitlines()[0])] for q in known(lab.experiment)]
    return table(["experiment", "quantity", "what is explained"], lines)


def asked() -> str:
    """Every quantity a study may ask for."""
    lines: dict[tuple[str, ...], list[str]] = {}
    for kind, known_ones in QUANTITIES.items():
        for name, q in known_ones.items():
            bound = "" if q.bound is None else f"{q.bound:g}, entangled {q.entangled}"
            lines.setdefault((f"`{name}`", q.unit, bound, cell(q.text)), []).append(kind)
    rows_ = [[", ".join(kinds), *line] for line, kinds in lines.items()]
    return table(["experiment", "quantity", "unit", "bound", "what it is"], rows_)


def variables() -> str:
    """Variables of a prediction file."""
    lab = ds.load(ds.shipped_labs()["krauter2011"], overrides=["drive.z=2.50(4)"])
    data = ds.predict(lab).to_dataset()
    lines = [
        [
            f"`{name}`",
            ", ".join(f"`{axis}`" for axis in data[name].dims) or "none",
            data[name].attrs.get("units", "1"),
            cell(data[name].attrs.get("long_name", "outcome code, see the list of outcomes")),
        ]
        for name in data.data_vars
    ]
    return table(["variable", "axes", "unit", "meaning"], lines)


SPECIES = ("133Cs", "87Rb", "85Rb", "171Yb")


def constants() -> str:
    """Every atomic constant with its uncertainty and source."""
    lines = []
    for name in SPECIES:
        levels = [("ground level", None), *((f"line {line}", line) for line in ds.species(name).lines)]
        for where, line in levels:
            lines += [
                [name, where, f"`{key}`", f"{c.value:.16g}", f"{c.uncertainty:g}", cell(c.source)]
                for key, c in known_constants(name, line).items()
            ]
    return table(["isotope", "of", "constant", "value", "uncertainty", "source"], lines)


def write_all(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    texts = {f"parameters_{kind}": parameters(kind) for kind in CATALOGUE}
    texts |= {
        "symbols": symbols(),
        "outcomes": outcomes(),
        "constants": constants(),
        "figures": figures(),
        "quantities": quantities(),
        "asked": asked(),
        "variables": variables(),
    }
    for name, text in texts.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
