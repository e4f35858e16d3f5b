"""The text of a lab file: read with limits, parsed as TOML, every key with its line; and `--set section.key=value`.

Up: `labfile` gives the parsed text its meaning. Nothing here knows what a key stands for.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from darkstate.errors import InputError
from darkstate.units import shown

Key = tuple[str | int, ...]
"""Where a value stands: section, name and, in lists of tables, the number counted from 0."""

MAX_BYTES = 1 << 20
MAX_LINE = 2000
MAX_DEPTH = 8
MAX_PROBLEMS = 100


_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_NAME = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_NAME})\s*\]")
_ENTRY = re.compile(rf"\s*({_NAME})\s*=")


def one_line(text: str) -> str:
    """A path or a sentence as a message shows it: on one line, at most its last 200 characters."""
    return "".join(c if c.isprintable() else "?" for c in text[-200:])


def dotted(key: Key) -> str:
    """A key as the user writes it, such as drive.rate."""
    return ".".join(shown(str(part))[1:-1] for part in key)


def nearest(word: str, known: list[str]) -> str:
    """The known word that is most like `word`, or an empty text."""
    return next(iter(difflib.get_close_matches(word[:100], known, n=1)), "")


def refuse(problems: list[tuple[int, str]]) -> InputError:
    """All problems of a file as one error: in the order of the lines, each once, at most 100 of them."""
    lines = list(dict.fromkeys(text for _, text in sorted(problems, key=lambda p: p[0])))
    if len(lines) > MAX_PROBLEMS:
        lines = [*lines[:MAX_PROBLEMS], f"these are the first {MAX_PROBLEMS} problems; there are more"]
    return InputError(lines)


def read_text(path: str | Path, what: str = "lab") -> str:
    """The text of a lab file, or of another `what` file.

    Raises:
        InputError: not there, not a file, larger than 1 MiB (nothing is read then), or not UTF-8.
    """
    path, name = Path(path), one_line(str(path))
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise InputError([f"{name} is a folder, not a {what} file{_beside(path / f'{what}.toml', what)}"])
        if not stat.S_ISREG(found.st_mode):
            raise InputError([f"{name} is not a regular file; give the path of a {what} file (TOML)"])
        if found.st_size > MAX_BYTES:
            raise InputError(
                [f"{name} has {found.st_size / 1e6:.1f} MB; a {what} file has at most 1 MiB, check the path"]
            )
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError([f"{name} does not exist{_beside(path, what)}"]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the name is not one a file can have"
        raise InputError([f"{name} cannot be read: {reason}; check the path and its permissions"]) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError([f"{name}:{line} is not UTF-8 text; save the file as UTF-8"]) from None
    return text.replace("\r\n", "\n")


def _beside(path: Path, what: str) -> str:
    """The TOML file in the same folder whose name is nearest, as a hint."""
    try:
        names = [entry.name for entry in os.scandir(path.parent) if entry.name.endswith(".toml")]
    except (OSError, ValueError):
        names = []
    likely = nearest(path.name, names) or nearest(path.name + ".toml", names)
    likely = one_line(str(path.with_name(likely))) if likely else ""
    return f"; did you mean {likely}?" if likely else f"; give the path of a {what} file (TOML)"


def read_toml(text: str, name: str) -> dict[str, Any]:
    """The tables of a TOML text.

    Args:
        text: the text.
        name: what messages call it, usually the path.

    Raises:
        InputError: the text is empty or not TOML, with the line.
    """
    if not text.strip():
        raise InputError([f"{name} is empty; `darkstate new NAME` writes a lab file to start from"])
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > MAX_LINE:
            raise InputError([f"{name}:{number} is longer than {MAX_LINE} characters; break the line"])
        # the parser's time and memory grow with the square of the depth of a key
        key = _HEADER.match(line) or _ENTRY.match(line)
        if key and len(re.findall(_PART, key[key.lastindex or 0])) > MAX_DEPTH:
            raise InputError([f"{name}:{number} names a table nested too deeply; a lab file needs five levels"])
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise InputError([f"{name} has lists or tables nested too deeply; a lab file needs five levels"]) from None
    except ValueError as error:
        raise InputError([_toml_problem(str(error), text, name)]) from None


def _toml_problem(message: str, text: str, name: str) -> str:
    match = re.fullmatch(r"(.*) \(at (?:line ([0-9]+), column ([0-9]+)|end of document)\)", message, re.DOTALL)
    if match is None:
        return f"{name} holds a number that is too long; write it with an exponent, such as 1e12"
    reason = re.sub(r"\('(.*?)',?\)", lambda key: key[1].replace("', '", "."), match[1])
    reason = one_line(reason[:1].lower() + reason[1:])
    last = len(text.rstrip("\n").split("\n"))
    line, column = (int(match[2]), f", column {match[3]}") if match[2] else (last, "")
    if line > last:
        line, column = last, ""
    return f'{name}:{line} is not valid TOML ({reason}{column}); a line reads key = 2.5 or key = "28 /s"'


_TOKEN = re.compile(r'"""|\'\'\'|"(?:[^"\\]|\\.)*"|\'[^\']*\'|#.*|[\[\]{}]')
_CLOSING = {'"""': re.compile(r'\\.|(""")', re.DOTALL), "'''": re.compile(r"(''')")}


class Lines:
    r"""The line of every key of a valid TOML text.

    Example:
        >>> Lines("[drive]\nz = 2.5\nrate = '2 /s'\n").of(("drive", "rate"))
        3
    """

    def __init__(self, text: str) -> None:
        self._line: dict[Key, int] = {}
        self._count: dict[Key, int] = {}
        table: Key = ()
        depth, quote = 0, ""
        for number, line in enumerate(text.split("\n"), 1):
            if depth == 0 and not quote:
                if header := _HEADER.match(line):
                    table = self._open(header[1] == "[[", _parts(header[2]))
                    self._note(table, number)
                    continue
                if entry := _ENTRY.match(line):
                    self._note(table + _parts(entry[1]), number)
                    line = line[entry.end() :]
            depth, quote = _advance(line, depth, quote)

    def of(self, key: Key) -> int:
        """The line of a key, or of the nearest table around it; 0 where it stands in none."""
        return next((self._line[key[:n]] for n in range(len(key), 0, -1) if key[:n] in self._line), 0)

    def _note(self, key: Key, number: int) -> None:
        for n in range(1, len(key) + 1):
            self._line.setdefault(key[:n], number)

    def _open(self, is_list: bool, name: Key) -> Key:
        """The full key of a table header; a name inside a list of tables belongs to its last table."""
        table: Key = ()
        for n, part in enumerate(name, 1):
            table += (part,)
            if is_list and n == len(name):
                self._count[table] = self._count.get(table, -1) + 1
            if table in self._count:
                table += (self._count[table],)
        return table


def _parts(name: str) -> Key:
    return tuple(next(iter(tomllib.loads(f"{part} = 0"))) for part in re.findall(_PART, name))


def _advance(rest: str, depth: int, quote: str) -> tuple[int, str]:
    """Brackets and many-line strings that are still open at the end of a line."""
    position = 0
    while position < len(rest):
        if quote:
            closing = next((m for m in _CLOSING[quote].finditer(rest, position) if m[1]), None)
            if closing is None:
                return depth, quote
            position, quote = closing.end(), ""
            continue
        token = _TOKEN.search(rest, position)
        if token is None:
            return depth, ""
        position = token.end()
        if token[0] in _CLOSING:
            quote = token[0]
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
    return depth, quote


def read_override(text: str) -> tuple[Key, Any]:
    """Read one `--set section.key=value`: the value as a TOML scalar if it is one, else as a bare string.

    Raises:
        InputError: there is no "=" or no key before it.

    Example:
        >>> read_override("drive.rate=2pi*5 kHz"), read_override("protocol.segments.0.strength=1")
        ((('drive', 'rate'), '2pi*5 kHz'), (('protocol', 'segments', 0, 'strength'), 1))
    """
    name, sign, value = text.partition("=")
    parts = [part.strip() for part in name.split(".")]
    if not sign or not all(re.fullmatch(r"[A-Za-z0-9_-]+", part) for part in parts) or len(parts) > MAX_DEPTH:
        raise InputError([f'--set {one_line(text)}: write section.key=value, such as drive.rate="2 /ms"'])
    key = tuple(int(part) if re.fullmatch(r"[0-9]{1,6}", part) else part for part in parts)
    return key, _scalar(value.strip())


def _scalar(text: str) -> Any:
    if "\n" in text or len(text) > MAX_LINE:
        return text
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, (dict, list)) else value
