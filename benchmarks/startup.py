"""How long does the command line keep one waiting? Whole processes, against importing jax.numpy in the same run.

Run:  .venv/bin/python benchmarks/startup.py         (about half a minute on two cores)

Goals: `darkstate --help` at most 0.6 times, `darkstate predict` with a warm compilation cache at most 6 times the time
of `python -c "import jax.numpy"`. Commands are timed in turn, so that a machine that slows down slows all of them.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 7
LAB = str(Path(__file__).parents[1] / "labs" / "krauter2011.toml")


def seconds(command, folder):
    begin = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - begin


def main():
    darkstate = os.path.join(os.path.dirname(sys.executable), "darkstate")
    commands = {
        "import jax.numpy": [sys.executable, "-c", "import jax.numpy"],
        "darkstate --help": [darkstate, "--help"],
        "darkstate check": [darkstate, "check", LAB],
        "darkstate predict": [darkstate, "predict", LAB],
    }
    with tempfile.TemporaryDirectory() as folder:
        for command in commands.values():
            seconds(command, folder)
        rounds = [{name: seconds(command, folder) for name, command in commands.items()} for _ in range(ROUNDS)]
    base = statistics.median(r["import jax.numpy"] for r in rounds)
    print(f"import jax.numpy    {base:.2f} s (median of {ROUNDS})")
    for name in list(commands)[1:]:
        ratios = [r[name] / r["import jax.numpy"] for r in rounds]
        print(f"{name:<18}  {statistics.median(ratios):5.2f} times ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
