"""Lab and study files gone wrong: characters, tokens, values, lines and structure of good ones changed at random."""

import random
import re

from darkstate.experiments.labfile import shipped_labs

RICH = """
experiment = "cesium_cells"
default_case = "strong"
[ensembles]
optical_depth = "55 +- 2"
[drive]
z = 2.5
rate = "2pi*0.3 Hz"
loss_rate = "26 /s"
[noise]
gamma_tilde = "0.193(5) /ms"
t2_dark = "40 ms"
[protocol]
points = 11
[[protocol.segments]]
kind = "drive"
duration = "15 ms"
strength = 1
strength_end = 0.5
[[protocol.segments]]
kind = "dark"
duration = "5 ms"
[second.ensembles]
optical_depth = 40
[second.drive]
rate = "2.1 /s"
[cases.strong.drive]
z = 3
[cases.short.protocol]
duration = "1 ms"
"""

VALUES = [
    *("nan", "inf", "-inf", "-1", "0", "1e308", "1e-320", "5", "0.5", "true", "[]", "[1, 2]", "{}", "{a = 1}", "''"),
    *("1979-05-27", "07:32:00", '"""\na\n"""', "9" * 50, "9" * 4400, "0x10", "0b1", "1_000", "[" * 3000),
    *('"5 kHz"', '"2pi*5 kHz"', '"5 /s"', '"-5 /s"', '"0 /s"', '"5 ms"', '"5 MHz"', '"1e308 /ns"', '"1e-320 s"'),
    *('"nan /s"', '"5 %"', '"5 +- 2"', '"5(1)"', '"5 +- 0"', '"drive"', '"all"', '"\\u0000"', '"\\n"', '"é 5 /s"'),
]
LINES = [
    *("[drive]", "[cases]", "[cases.all]", "[cases.x.drive]", "[second]", "[second.field]", "[[drive]]", "[a.b.c.d]"),
    *("[protocol.segments]", "[[protocol.segments]]", "[[protocol.segments]]\nkind = 'probe'", "[cases.'a b'.drive]"),
    *("drive.rate = 3", "second = 1", "cases = []", "default_case = 'nobody'", "title = 3", "experiment = 'x'"),
    *('"a\\nb" = 1', "'' = 1", "\x00", "\ufeff", "a.b.c.d.e.f = 1", "segments = [{kind='dark'}]", "duration = '1 s'"),
    *("z = 1e200", "x = 1", 'title = """', "segments = 3", "kind = 3", "# " + "x" * 3000, "rate = '1e300 /s'"),
]


def mutated(seed: random.Random, texts: tuple[str, ...] = ()) -> str:
    """One to four changes to a good file: one of `texts`, else a lab file."""
    text = seed.choice(texts or [RICH, *(path.read_text("utf-8") for path in shipped_labs().values())])
    for _ in range(seed.randint(1, 4)):
        text = seed.choice([_character, _value, _line, _word, _cut])(text, seed)
    return text


def _character(text: str, seed: random.Random) -> str:
    at = seed.randrange(len(text) + 1)
    new = seed.choice(["", *"\"'[]{}=.#\\,+-eE0159 \n\t%*()µπé", "\x00", "\u2028", "\U0001f600"])
    return text[:at] + new + text[at + seed.randint(0, 2) :]


def _value(text: str, seed: random.Random) -> str:
    places = list(re.finditer(r"(?<== ).+", text))
    if not places:
        return text
    place = seed.choice(places)
    return text[: place.start()] + seed.choice(VALUES) + text[place.end() :]


def _line(text: str, seed: random.Random) -> str:
    lines = text.split("\n")
    at = seed.randrange(len(lines))
    change = seed.randrange(4)
    if change == 0:
        del lines[at]
    elif change == 1:
        lines.insert(at, seed.choice(LINES))
    elif change == 2:
        lines.insert(at, seed.choice(lines))
    else:
        other = seed.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    return "\n".join(lines)


def _word(text: str, seed: random.Random) -> str:
    words = list(re.finditer(r"\w+", text))
    if not words:
        return text
    old, new = seed.choice(words), seed.choice(words)[0]
    return text[: old.start()] + new + text[old.end() :]


def _cut(text: str, seed: random.Random) -> str:
    return text[: seed.randrange(len(text) + 1)]
