"""Steady-state xi of 2 to 50 atoms per ensemble without approximation, and does it meet the closed form in 1/N -> 0?

Run:  .venv/bin/python validation/finite_n.py > finite_n.md     (some four minutes and 1.5 GB on one core)

The figure finite-n shows the same numbers. tests/unit/test_exact_report.py does it up to N = 10.
"""

from __future__ import annotations

import datetime
import subprocess
import time

from darkstate.report.papers.finite import AXES, continued, n

TERMS = (3, 4, 5, 6)


def main() -> None:
    """Print the tables as Markdown."""
    begin = time.process_time()
    data, _ = n()
    spent = time.process_time() - begin
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    sets = [", ".join(f"{short} = {data[name].values[s]:g}" for name, short in zip(AXES, ("Z", "d", "x", "Gamma_d_add"),
            strict=True)) for s in range(data.sizes["set"])]  # fmt: skip
    print("# Steady-state xi of N atoms per ensemble\n")
    print(f"{datetime.date.today()}, commit {commit}, `validation/finite_n.py`, {spent:.0f} s of processor time\n")
    print(
        "`steady_state(model, method=ExactLiouvillian())` of the lab file muschik2011 with these parameters, Gamma = 1;"
    )
    print(f"largest certificate |L rho|/(gap |rho|): {float(data.residual.max()):.0e}.\n")
    print(f"| N | {' | '.join(sets)} |")
    print("|" + "---|" * (1 + len(sets)))
    for number in data.n.values:
        print(f"| {number} | {' | '.join(f'{float(x):.9f}' for x in data.xi_inf.sel(n=number))} |")
    print(f"| closed form | {' | '.join(f'{float(x):.9f}' for x in data.xi_inf_closed)} |\n")
    print("# Continued in 1/N to zero\n")
    print("Polynomial in 1/N through as many of the largest N as it has terms, minus the closed form 001 Eq. (15); and")
    print("its slope, N (xi - closed form) for N to infinity.\n")
    print(f"| terms | {' | '.join(sets)} |")
    print("|" + "---|" * (1 + len(sets)))
    for terms in TERMS:
        found = [continued(data.n.values, x.values, terms) for x in data.xi_inf]
        rest = [f"{f[0] - float(c):+.1e}, slope {f[1]:.6f}" for f, c in zip(found, data.xi_inf_closed, strict=True)]
        print(f"| {terms} | {' | '.join(rest)} |")


if __name__ == "__main__":
    main()
