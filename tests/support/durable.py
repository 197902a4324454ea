"""A system on an embedded server that really writes to the disk (fsync on), as users have it; and what that disk can do.

For benchmarks only. Tests use the fast server of `support.postgres`.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from pairmark.bootstrap import System
from pairmark.storage.connection import Database
from pairmark.storage.embedded import EmbeddedServer
from pairmark.storage.schema import upgrade

# Commit times are read from the server in one benchmark; recording them costs 10 bytes a transaction.
_SETTINGS = {"track_commit_timestamp": "on", "max_connections": "200"}


@contextmanager
def fresh_home() -> Iterator[Path]:
    """A data folder of its own, gone at the end."""
    home = Path(tempfile.mkdtemp(prefix="pm-bench-"))
    home.chmod(0o711)  # root's server runs as an ordinary user
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def durable() -> Iterator[System]:
    """Everything wired over a fresh database whose commits survive a power cut; nothing runs until it is told to."""
    with durable_system() as system:
        yield system


@contextmanager
def durable_system() -> Iterator[System]:
    """A server, a migrated database and a system of their own."""
    with fresh_home() as home, EmbeddedServer.open(home, settings=_SETTINGS) as server:
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            connection.execute("CREATE DATABASE bench")
        database = Database(server.conninfo("bench"), direct_login=True)
        upgrade(database)
        system = System(database)
        system.accounts.ensure_default()
        yield system
        system.close()


@contextmanager
def another(system: System) -> Iterator[System]:
    """One more system over the same database, as a process of its own would be: a system runs once."""
    fresh = System(Database(system.database.conninfo, direct_login=True))
    yield fresh
    fresh.close()


@dataclass(frozen=True)
class Limits:
    """What this disk and this server do with nothing of ours in the way: rows of two columns with a unique index, one client."""

    single_commits: float
    rows_in_sets: float
    copied_rows: float


@pytest.fixture(scope="session")
def raw_limits() -> Limits:
    """Rows per second: one row a commit, 100 rows a statement and commit, COPY of 20,000 rows."""
    with durable_system() as system, system.database.connect() as connection:
        connection.execute("CREATE TABLE public.bare (id uuid PRIMARY KEY, body text NOT NULL)")

        def single() -> int:
            connection.execute("INSERT INTO public.bare VALUES (%s, %s)", [uuid4(), "x" * 100])
            return 1

        def hundred() -> int:
            rows = [[uuid4() for _ in range(100)], ["x" * 100] * 100]
            connection.execute("INSERT INTO public.bare SELECT * FROM unnest(%b::uuid[], %b::text[])", rows)
            return 100

        def copied() -> int:
            with connection.cursor().copy("COPY public.bare FROM STDIN") as copy:
                for _ in range(20_000):
                    copy.write_row((uuid4(), "x" * 100))
            return 20_000

        return Limits(per_second(single, 1.5), per_second(hundred, 1.5), per_second(copied, 1.0))


def per_second(work: Callable[[], int], seconds: float) -> float:
    """How much `work` does a second, over at least `seconds`, after one run to warm up."""
    work()
    begin, done = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        done += work()
    return done / (time.perf_counter() - begin)
