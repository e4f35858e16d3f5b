"""Runs the commands that the pages show and compares what they print, so that text and program cannot part.

A block `console` holds lines "$ darkstate ..." followed by their output ("..." stands for anything); a code block with
a caption is written to the file of that name first. All commands of a page share one folder, with labs/ in it.
"""

import contextlib
import doctest
import io
import os
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(
    r"^```console\n(?P<transcript>.*?)^```|^```\{code-block\} \w+\n:caption: (?P<file>\S+)\n+(?P<text>.*?)^```",
    re.M | re.S,
)


def run(arguments: list[str]) -> str:
    """What `darkstate` prints on both streams."""
    from darkstate.cli import main

    out = io.StringIO()
    with mock.patch.object(sys, "argv", ["darkstate", *arguments]), contextlib.redirect_stdout(out):
        with contextlib.redirect_stderr(out), contextlib.suppress(SystemExit):
            main()
    return out.getvalue()


def commands(transcript: str) -> list[tuple[str, str]]:
    """Command lines of a console block and the text below each."""
    parts = re.split(r"^\$ (.*)\n", transcript.replace("\\\n", ""), flags=re.M)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def check(page: str) -> None:
    """Run every command of a page; says which one printed something else."""
    text = (ROOT / page).read_text(encoding="utf-8")
    same = doctest.OutputChecker()
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    wrong = []
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        shutil.copytree(ROOT / "labs", "labs")
        for block in BLOCK.finditer(text):
            if block["file"]:
                Path(block["file"]).write_text(block["text"], encoding="utf-8")
            for line, expected in commands(block["transcript"] or ""):
                words = shlex.split(line, comments=True)
                if words[:1] != ["darkstate"]:
                    continue
                found = run(words[1:]).replace(os.sep, "/")
                if expected.strip() and not same.check_output(expected, found, flags):
                    wrong.append(f"$ {line}\nexpected:\n{expected}\nfound:\n{found}")
    assert not wrong, "\n\n".join([page, *wrong])
