"""JAX as darkstate uses it: 64 bit, compiled programs kept on disk, dataclasses as pytrees.

Variances are differences of large numbers: single precision certifies nothing, so `import darkstate` switches 64 bit on
for the whole process; it is made sure of here. Compiled programs live in the user's cache folder;
JAX_COMPILATION_CACHE_DIR moves them.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import jax
import jax.numpy as jnp

from darkstate.parameters import register_pending


def _cache_folder() -> Path:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")
    return Path(base) / "darkstate" / "jax"


jax.config.update("jax_enable_x64", True)
if not jax.config.jax_compilation_cache_dir:  # type: ignore[attr-defined]
    with contextlib.suppress(OSError):  # a folder that cannot be written means no cache, not a warning per program
        folder = _cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            jax.config.update("jax_compilation_cache_dir", str(folder))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
register_pending()

__all__ = ["jax", "jnp"]
