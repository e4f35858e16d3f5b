"""Sphinx configuration: strict (`-W -n`) and without network."""

import re
import sys
from pathlib import Path

import darkstate

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import draw  # noqa: E402
import tables  # noqa: E402

GENERATED = HERE / "_build" / "generated"  # pages include tables and pictures from there

project = "darkstate"
author = "The darkstate contributors"
copyright = "2026, darkstate contributors"
version = release = darkstate.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build"]
default_role = "code"  # `x` in a docstring is a name

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "none"  # shapes and units stand in the docstrings
napoleon_numpy_docstring = False

# No inventories are fetched, so names of other packages stay unlinked; our own must resolve.
nitpick_ignore_regex = [(r"py:.*", r"(?!darkstate\b)\w+(\.\w+)+")]

html_theme = "pydata_sphinx_theme"
html_title = "darkstate"
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": False,
    "header_links_before_dropdown": 9,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "pygments_light_style": "tango",
}
html_sidebars = {"**": []}

if any((HERE.parent / "examples").glob("*.py")):
    extensions.append("sphinx_gallery.gen_gallery")
    sphinx_gallery_conf = {
        "examples_dirs": "../examples",
        "gallery_dirs": "gallery",
        "filename_pattern": r"\.py$",  # every example runs, whatever its name
        "download_all_examples": False,
        "show_signature": False,
        "write_computation_times": False,
    }


def plain_text(app, what, name, obj, options, lines):
    """Docstrings are read in the editor first: |x|, x* and x_ are formulas there, not reST."""
    example = False
    for i, line in enumerate(lines):
        example = line.lstrip().startswith(">>>") or (example and bool(line.strip()))
        if not example:
            parts = re.split(r"(`+[^`]*`+)", line)
            parts[::2] = [re.sub(r"([\\|*]|_\b|\b_)", r"\\\1", part) for part in parts[::2]]
            lines[i] = "".join(parts)
    # An empty word, since napoleon takes what stands before a colon there for a type.
    for i in [n for n, line in enumerate(lines) if line.strip() == "Returns:"][::-1]:
        lines.insert(i + 1, lines[i].replace("Returns:", "    \\ "))
    if what in ("attribute", "property", "data"):
        lines.insert(0, "\\ ")


def generate(app):
    """Tables and pictures of the pages, from the code itself."""
    tables.write_all(GENERATED)
    draw.draw_curves(GENERATED)


def setup(app):
    app.connect("builder-inited", generate)
    app.connect("autodoc-process-docstring", plain_text, priority=400)  # before napoleon
