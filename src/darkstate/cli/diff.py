"""`darkstate diff`: what changed between two files."""

from __future__ import annotations

from typing import Annotated

import typer


def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="A lab file (or FILE:CASE), calibration, result ...")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one of the same kind.")],
) -> None:
    """What changed between two lab files or results, in standard errors.

    Lab files may be followed by a case, as in krauter2011.toml:b, and those that come along go by their name. Results
    are .nc, .h5 and .zarr; two calibrations or two certificates can be compared, too. The exit code is 0 also where
    something differs.

    Example: darkstate diff krauter2011:a krauter2011:b
    """
    from darkstate.report.diff import diff as compare

    print(compare(first, second))
