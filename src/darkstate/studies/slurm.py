"""A batch script for SLURM that starts a Dask scheduler and workers beside a sweep."""

from __future__ import annotations

import shlex
from pathlib import Path

_SCRIPT = """\
#!/bin/bash
#SBATCH --job-name={job}
#SBATCH --ntasks=16              # workers; each computes one chunk at a time
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=2G
#SBATCH --time=04:00:00
#SBATCH --requeue                # started again it goes on where it was
# Submit with: sbatch THIS_FILE. Activate the environment darkstate is installed in here, with its extra "studies".
set -eu
export OMP_NUM_THREADS=1
where=$(mktemp -d "$PWD/.dask-XXXXXX")    # a folder that all nodes see
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$where"' EXIT

dask scheduler --scheduler-file "$where/scheduler.json" --port 0 --no-dashboard &
while [ ! -s "$where/scheduler.json" ]; do sleep 1; done
srun dask worker --scheduler-file "$where/scheduler.json" --nthreads 1 --no-dashboard --local-directory "$where" &

darkstate sweep {study} --out {out} --resume --scheduler "$where/scheduler.json"
"""


def batch_script(name: str, study: Path, out: Path) -> str:
    """The script for a study.

    Args:
        name: of the study; study: its file; out: the folder of the sweep.

    Example:
        >>> print(batch_script("map", Path("map.toml"), Path("results/map")).splitlines()[-1])
        darkstate sweep map.toml --out results/map --resume --scheduler "$where/scheduler.json"
    """
    job = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)[:40]
    return _SCRIPT.format(job=job, study=shlex.quote(str(study)), out=shlex.quote(str(out)))
