"""A real MariaDB for tests: one private server per pytest process, from Debian's package, with a folder and a port of its own.

Where the programs are missing, a test that wants it is skipped, which counts as a failure on CI.
"""

import atexit
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pymysql
import pytest

from support import memory

NEEDED = ("mariadbd", "mariadb-install-db")
SPARING = ["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--innodb-flush-log-at-trx-commit=0",
           "--skip-log-bin", "--lock-wait-timeout=20", "--performance-schema=OFF", "--skip-name-resolve"]  # fmt: skip


class MariaDB:
    """One server. `socket` and `port`: where it listens, on this machine only; `admin` has every right and no password."""

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        folder.mkdir(exist_ok=True)
        self._number = count(1)
        self.folder, self.socket = folder, folder / "s"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        as_user = ["--user=root"] if os.geteuid() == 0 else []  # root has to say that it means to
        _run(["mariadb-install-db", "--no-defaults", f"--datadir={folder / 'data'}", *as_user, "--skip-test-db",
              "--auth-root-authentication-method=normal"])  # fmt: skip
        self.process = subprocess.Popen(
            [str(_program("mariadbd")), "--no-defaults", f"--datadir={folder / 'data'}", f"--socket={self.socket}",
             f"--port={self.port}", "--bind-address=127.0.0.1", f"--pid-file={folder / 'pid'}", *as_user, *SPARING, *options],
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, start_new_session=True,
            preexec_fn=_dies_with_us if sys.platform == "linux" else None,  # noqa: PLW1509 - one thread so far
        )  # fmt: skip
        self._wait()

    def _wait(self) -> None:
        """Until it says that it is ready."""
        assert self.process.stderr is not None
        told = []
        for line in self.process.stderr:
            told.append(line)
            if "ready for connections" in line:
                threading.Thread(target=self.process.stderr.read, daemon=True).start()
                return
        raise AssertionError("".join(told))

    def rows(self, statement: str, values: Sequence[Any] | None = None, *, many: bool = False) -> list[tuple[Any, ...]]:
        """What a statement gives; `many`: run for each of `values`."""
        with (
            pymysql.connect(**self.login(), init_command="SET time_zone = '+00:00'") as connection,
            connection.cursor() as cursor,
        ):
            (cursor.executemany if many else cursor.execute)(statement, values)
            return list(cursor.fetchall())

    def login(self) -> dict[str, Any]:
        """How the driver comes in with every right."""
        return {"unix_socket": str(self.socket), "user": "root", "charset": "utf8mb4", "autocommit": True}

    def fresh(self) -> str:
        """The name of a new, empty database."""
        name = f"theirs_{next(self._number)}"
        self.rows(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return name

    def address(self, database: str, table: str | None = None, user: str = "root") -> str:
        """The address of a table over the socket."""
        return f"mysql://{user}@localhost/{database}?socket={self.socket}" + (f"&table={table}" if table else "")

    def close(self) -> None:
        """Stop it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
        shutil.rmtree(self.folder, ignore_errors=True)


def _program(name: str) -> Path | None:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    return Path(found) if found else None


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]


@cache
def running() -> MariaDB:
    """The server of this process, started when it is first asked for."""
    needed()
    server = MariaDB(memory.fresh("pm-maria-"))
    atexit.register(server.close)
    return server


def needed() -> None:
    """Skip where the programs are missing."""
    for name in NEEDED:
        if _program(name) is None:
            pytest.skip(f"{name} is missing (Debian: apt-get install mariadb-server)")


@pytest.fixture
def mariadb() -> MariaDB:
    """That server; it is gone with all its data when the process ends."""
    return running()


def _dies_with_us() -> None:
    """Linux ends the server if this process is killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def certificate_in(folder: Path) -> tuple[Path, Path]:
    """A key, and a certificate of it for this machine that nobody vouches for."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2",
         "-subj", f"/CN={uuid4()}", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True,
    )  # fmt: skip
    return key, certificate
