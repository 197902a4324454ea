"""Users of an embedded server which are processes of their own, spoken to line by line through pipes.

Run as a program this is such a user; imported it starts one. Each answer is awaited on the pipe, so no test sleeps.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from pairmark.storage.embedded import EmbeddedServer


class ServerUser:
    """A child process that opened the server of `home`; it lives until it is told to leave, or killed."""

    def __init__(self, home: Path, *, patience: float = 30.0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(home), str(patience)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
        )

    def read(self) -> str:
        """Its next line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self, line: str) -> None:
        """Send a command and do not wait."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")

    def ask(self, line: str) -> str:
        """Send a command and wait for the answer."""
        self.tell(line)
        return self.read()

    def leave(self) -> None:
        """Close the server and end."""
        assert self.ask("leave") == "left"
        assert self.process.wait() == 0

    def signal(self, number: int) -> int:
        """Send a signal to its whole process group, as a terminal does, and wait for its end."""
        os.killpg(self.process.pid, number)
        return self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def insert_until_told(server: EmbeddedServer, writer: int) -> None:
    """Insert keys 1, 2, 3 … and print each one only after its commit is certain; stop at the next line from outside."""
    key = 1
    connection = None
    while True:
        try:
            connection = connection or psycopg.connect(server.conninfo(), autocommit=True)
            # Inserting again settles a commit whose outcome the crash left unknown.
            connection.execute("INSERT INTO load VALUES (%s, %s) ON CONFLICT DO NOTHING", (writer, key))
        except psycopg.OperationalError:
            connection = None
            server.ensure_running()
            continue
        if _answer(str(key)) == "stop":
            return
        key += 1


def _answer(line: str) -> str:
    print(line, flush=True)
    return sys.stdin.readline().strip()


def _main(home: Path, patience: float) -> None:
    with EmbeddedServer.open(home, patience=patience) as server:
        command = _answer(server.conninfo())
        while command != "leave":
            verb, _, argument = command.partition(" ")
            if verb == "query":
                with psycopg.connect(server.conninfo()) as connection:
                    row = connection.execute(argument.encode()).fetchone()
                command = _answer(str(row[0] if row else None))
            elif verb == "insert":
                insert_until_told(server, int(argument))
                command = _answer("stopped")
            else:
                raise SystemExit(f"unknown command {command!r}")
    print("left", flush=True)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), float(sys.argv[2]))
