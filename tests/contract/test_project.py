"""What a clone may rely on: pinned and hashed requirements, one version, no trace of a machine."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import darkstate

ROOT = Path(__file__).parents[2]
LINE_BUDGET = 400


def _join(*parts: str) -> str:
    """A pattern put together here, so that this file does not contain what it forbids."""
    return "".join(parts)


FORBIDDEN = [
    _join("index", "-url"),
    _join("find", "-links"),
    _join("files.python", "hosted"),
    _join("pypi.org", "/simple"),
    _join("file:", "//"),
    *(_join("/", folder, "/") for folder in ("root", "work", "home", "Users")),
]


def _project_files() -> list[Path]:
    """Files git tracks; in an unpacked archive, all files outside hidden and built folders."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        listed = ""
    if listed:
        paths = [ROOT / name for name in listed.split("\0") if name]
    else:
        built = {"_build", "__pycache__", "gallery", "build", "dist"}
        paths = [
            path
            for path in ROOT.rglob("*")
            if not any(p in built or p.startswith(".") for p in path.relative_to(ROOT).parts)
        ]
    return [path for path in paths if path.is_file()]


def test_no_file_names_a_registry_or_a_machine():
    found = []
    for path in _project_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {pattern}" for pattern in FORBIDDEN if pattern in text]
    assert found == []


def test_requirements_are_pinned_and_hashed():
    text = (ROOT / "requirements.txt").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    pinned = re.compile(r"[\w.-]+==[\w.+!-]+ .*--hash=sha256:[0-9a-f]{64}")
    assert len(lines) > 0
    assert [line[:60] for line in lines if not pinned.match(line)] == []


def test_requirements_cover_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = project["dependencies"] + project["optional-dependencies"]["dev"]
    pinned = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE))
    assert {re.match(r"[\w.-]+", name).group() for name in asked} - pinned == set()


def test_one_version_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    citation = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), flags=re.MULTILINE).group(1)
    assert darkstate.__version__ == project
    assert citation == project


@pytest.mark.parametrize("path", sorted((ROOT / "src").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_source_file_keeps_its_line_budget(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINE_BUDGET
