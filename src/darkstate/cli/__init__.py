"""The command `darkstate`: what it does is a few lines of Python over `experiments` and `report`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; problems go to stderr, one sentence each, and the exit code is 2."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # a terminal that lacks a letter shows its code instead of failing
                stream.reconfigure(errors="backslashreplace")

        from darkstate.cli.app import app
        from darkstate.errors import DarkstateError

        try:
            app(prog_name="darkstate")
        except DarkstateError as error:
            print(error, file=sys.stderr)
            sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
