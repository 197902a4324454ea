"""The command as people run it: in a process of its own, with a data folder of its own.

Below full size a command that runs to its end is forked (`support.forked`); one that is stopped on its way is always started.
A module shares one data folder, whose server is kept up meanwhile: starting one takes longer than most commands.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from pairmark.storage.embedded import EmbeddedServer
from pairmark.storage.waiting import until
from support.forked import forks
from support.memory import places
from support.sizes import size

ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).with_name("pairmark")
T31 = ROOT / "examples" / "ukpconvarg1-t31"
TEXTS = T31 / "texts.csv"
VOTES = T31 / "votes.csv"
LONGEST = 120  # seconds; a command that hangs fails its test


@dataclass(frozen=True)
class Done:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    def document(self) -> Any:
        """The one JSON document on stdout; anything else there is an error."""
        return json.loads(self.out)

    def refused(self, *words: str, code: int = 2) -> str:
        """Check that it refused in one sentence, which has these words, and return that."""
        said = self.err.strip()
        assert self.code == code, (self.code, self.out, self.err)
        assert "Traceback" not in self.err
        assert said.startswith("pairmark: ")
        assert len(said.splitlines()) == 1, said
        assert self.out == ""
        for word in words:
            assert word in said, f"{word!r} is missing in {said!r}"
        return said


class Pairmark:
    """The command with one data folder, or one database."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PAIRMARK_")}
        self.environment = {**kept, "PAIRMARK_HOME": str(home), "COLUMNS": "100", **environment}

    def run(self, *words: str | Path, timeout: float = LONGEST, cwd: Path | None = None) -> Done:
        """Run one command to its end: at full size as people start it, else forked from a process that has loaded everything."""
        return size(self.forked, self.spawned)(words, timeout, cwd)

    def forked(self, words: Sequence[str | Path], timeout: float = LONGEST, cwd: Path | None = None) -> Done:
        """Run one command without the start of Python, see `support.forked`."""
        return Done(*forks().run([str(word) for word in words], self.environment, cwd, timeout))

    def spawned(self, words: Sequence[str | Path], timeout: float = LONGEST, cwd: Path | None = None) -> Done:
        """Run one command as people do."""
        done = subprocess.run(
            [COMMAND, *words],
            env=self.environment,
            cwd=cwd,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def json(self, *words: str | Path, code: int = 0) -> Any:
        """Run a command with --json; its document."""
        done = self.run(*words, "--json")
        assert done.code == code, (done.code, done.out, done.err)
        return done.document()

    @contextmanager
    def started(self, *words: str | Path) -> Iterator["Running"]:
        """A command that runs beside the test; killed at the end if it is still there."""
        process = subprocess.Popen(
            [COMMAND, *words],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=_heed_interrupts,  # noqa: PLW1509 - no other thread runs here
        )
        try:
            yield Running(process)
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def connect(self) -> psycopg.Connection[Any]:
        """A look into the embedded database, as its superuser."""
        with EmbeddedServer.open(self.home) as server:
            return psycopg.connect(server.conninfo("pairmark"), autocommit=True)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What a query on the embedded database gives; nothing while there is no such database or table yet."""
        try:
            with self.connect() as connection:
                return connection.execute(query.encode(), parameters).fetchall()
        except (psycopg.OperationalError, psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            return []

    def wait_for(self, query: str, *parameters: Any, seconds: float = 60) -> list[tuple[Any, ...]]:
        """Ask until the query gives rows."""
        found = until(lambda: self.rows(query, *parameters), seconds, pause=0.02)
        assert found, f"nothing came of {query} within {seconds} s"
        return found


def _heed_interrupts() -> None:
    """A test run in the background ignores SIGINT, and its children would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Running:
    """A command under way."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def signal(self, number: int) -> None:
        """Send a signal to it, not to its server."""
        self.process.send_signal(number)

    def line(self) -> str:
        """The next line it says on stderr."""
        assert self.process.stderr is not None
        return self.process.stderr.readline()

    def end(self, timeout: float = LONGEST) -> Done:
        """Wait for its end."""
        out, err = self.process.communicate(timeout=timeout)
        return Done(self.process.returncode, out, err)


@contextmanager
def data_folder() -> Iterator[Pairmark]:
    """A short path for a data folder whose server stays up, with every schema, until the end."""
    with tempfile.TemporaryDirectory(prefix="pm-acc-", dir=places()[0], ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # root's server runs as an ordinary user
        pairmark = Pairmark(Path(folder) / "home")
        with EmbeddedServer.open(pairmark.home, settings={"fsync": "off"}):
            assert pairmark.run("db", "upgrade").code == 0
            yield pairmark


def write_texts(path: Path, rows: Sequence[Sequence[object]], header: Sequence[str] = ("essay_id", "text")) -> Path:
    """A CSV of texts."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def essays(number: int) -> list[tuple[str, str]]:
    """Invented texts, all different."""
    return [(f"essay-{index:04d}", f"Text number {index} says something of its own.") for index in range(number)]
