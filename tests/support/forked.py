"""Commands without the start of Python, which takes longer than most of them: processes forked from one that has loaded everything.

Each is a process of its own, with its own words, environment, folder, output and end. At full size commands are started as people
start them (`support.command`), and a test holds the two against each other. Run as a program this is the one that forks.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

PIECE = 65_536
LOADED_LATE = ("alembic.command", "docx", "jinja2", "platformdirs", "psycopg.conninfo", "pypdf", "rich.console", "rich.table",
               "scipy.linalg.lapack", "scipy.sparse.csgraph", "scipy.special", "scipy.stats", "sqlalchemy")  # fmt: skip
"""What commands load only when they need it, besides our own modules."""


class Forks:
    """The process that forks, as seen by the test."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__)), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
        theirs.close()

    def run(
        self, words: Sequence[str], environment: Mapping[str, str], folder: Path | None, timeout: float
    ) -> tuple[int, str, str]:
        """Run one command to its end: exit code (negative for a signal), stdout and stderr."""
        order = {"words": [*words], "environment": dict(environment), "folder": str(folder or Path.cwd())}
        ours, theirs = socket.socketpair()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, ours:
            self._send(f"{json.dumps(order)}\n".encode(), [out.fileno(), err.fileno(), theirs.fileno()])
            theirs.close()
            code = self._end(ours, timeout, words)
            return code, _text(out), _text(err)

    def _send(self, order: bytes, files: list[int]) -> None:
        gone = socket.send_fds(self._control, [order], files)
        self._control.sendall(order[gone:])

    @staticmethod
    def _end(line: socket.socket, timeout: float, words: Sequence[str]) -> int:
        told = line.makefile()
        number = int(told.readline())
        line.settimeout(timeout)
        try:
            return int(told.readline())
        except TimeoutError:
            os.kill(number, signal.SIGKILL)
            line.settimeout(None)
            line.recv(1)  # it has ended
            raise subprocess.TimeoutExpired(list(words), timeout) from None


def _text(file: Any) -> str:
    """What the command wrote, with the line ends of a text stream."""
    file.seek(0)
    return str(file.read().decode(errors="replace")).replace("\r\n", "\n").replace("\r", "\n")


@cache
def forks() -> Forks:
    """The one of this process; it ends with us."""
    return Forks()


def _load() -> None:
    """Import all that commands import, ours and theirs; what an extra lacks is not there for a command either."""
    import pairmark  # noqa: PLC0415 - only in the program

    names = [one.name for one in pkgutil.walk_packages(pairmark.__path__, "pairmark.") if ".migrations" not in one.name]
    for name in [*names, *LOADED_LATE]:
        with suppress(ImportError):
            importlib.import_module(name)


def _serve(control: socket.socket) -> list[str]:
    """Fork for each order until nobody can send any more; only a forked command returns from here, with its words."""
    while True:
        order, files, _, _ = socket.recv_fds(control, PIECE, 3)
        while order and not order.endswith(b"\n"):
            order += control.recv(PIECE)
        if not order:
            os._exit(0)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if os.fork() == 0:
            control.close()
            return _command(json.loads(order), *files)
        for file in files:
            os.close(file)


def _command(order: dict[str, Any], out: int, err: int, line: int) -> list[str]:
    """Fork the command, and wait for it to tell how it ended."""
    child = os.fork()
    if child:
        os.close(out)
        os.close(err)
        os.write(line, f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        with suppress(OSError):
            os.write(line, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    for file in (out, err, line):
        os.close(file)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    return list(order["words"])


def main() -> int:
    """Load everything, then be each command that is ordered."""
    _load()
    words = _serve(socket.socket(fileno=int(sys.argv[1])))
    from pairmark.cli.main import main as command  # noqa: PLC0415 - loaded above

    sys.argv = [str(Path(sys.executable).with_name("pairmark")), *words]
    return command()


if __name__ == "__main__":
    sys.exit(main())
