"""Runs the Python code of README.md and of the pages in docs, each from top to bottom in one namespace.

Every compiled program takes some memory maps, and Linux grants a process 65 530 of them: beyond, the compiler crashes.
After a long test that leaves a process near a quarter of that, all programs are dropped; what is needed compiles again.
"""

import gc
import time
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=ELLIPSIS | NORMALIZE_WHITESPACE), SkipParser()],
    patterns=["README.md", "docs/*.md", "docs/*/*.md"],
).pytest()

MAPS = Path("/proc/self/maps")
MANY_MAPS = 15_000


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol():
    begin = time.perf_counter()
    finished = yield
    compiled = time.perf_counter() - begin > 1  # counting takes milliseconds, which short tests need not pay
    if compiled and MAPS.exists() and MAPS.read_bytes().count(b"\n") > MANY_MAPS:
        import jax

        jax.clear_caches()
        gc.collect()
    return finished
