"""The command within the process of the test, for what needs no process of its own: the same words, the same answers."""

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from pairmark.cli.main import main
from support.command import Done


def run(*words: str | Path | float) -> Done:
    """Run one command to its end."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(word) for word in words])
    return Done(code, out.getvalue(), err.getvalue())
