"""The darkstate command in this process, for tests."""

import contextlib
import io
import sys

import pytest

from darkstate import cli


def darkstate(*arguments):
    """Run the command in this process; gives exit code, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["darkstate", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
    return end.value.code or 0, out.getvalue(), err.getvalue()
