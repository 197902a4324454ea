"""A real PostgreSQL for tests: one embedded server per pytest process, and a database cloned from a template per test.

Under pytest-xdist every worker is such a process. What a template holds is decided by whoever makes it.
Use: `pytest_plugins = ["support.postgres"]` in the top conftest, then the fixtures `postgres` and `clone`.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from urllib.parse import quote, urlencode

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from pairmark.errors import PairmarkError
from pairmark.storage.embedded import EmbeddedServer
from pairmark.storage.file_locks import exclusive, is_free
from support import memory

_PREFIX = "pm-test-"
# Nothing here must survive a power cut; a killed server, which tests do cause, still keeps every commit.
_FAST = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}


class Databases:
    """The databases of one embedded server."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server
        self._number = count(1)

    def conninfo(self, database: str = "postgres", user: str = "postgres") -> str:
        """Connection string of one database."""
        return self.server.conninfo(database, user)

    def create(self, name: str) -> str:
        """Make an empty database, to be filled and then cloned; returns its name."""
        self._do(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return name

    def clone(self, template: str) -> str:
        """Copy a database to which nobody is connected; returns the copy's name.

        FILE_COPY took 48 ms and WAL_LOG 94 ms (medians of 15, template of 60 tables, fsync off, 2 cores, on a disk).
        """
        name = f"{template}_{next(self._number)}"
        command = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        self._do(command.format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def drop(self, name: str) -> None:
        """Remove a database, ending the sessions in it."""
        self._do(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _do(self, command: sql.Composed) -> None:
        with psycopg.connect(self.conninfo(), autocommit=True) as connection:
            connection.execute(command)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Databases]:
    """The server of this pytest process, gone with all its data at the end."""
    sweep()
    home = memory.fresh(_PREFIX)
    home.chmod(0o711)  # mkdtemp makes it 0700; root's server runs as an ordinary user
    with EmbeddedServer.open(home, settings=_FAST) as server:
        yield Databases(server)
    shutil.rmtree(home)


@pytest.fixture
def clone(postgres: Databases) -> Iterator[Callable[[str], str]]:
    """`clone(template)`: the name of a fresh copy, dropped after the test."""
    made: list[str] = []

    def copy(template: str) -> str:
        made.append(postgres.clone(template))
        return made[-1]

    yield copy
    for name in made:
        postgres.drop(name)


def as_url(conninfo: str) -> str:
    """A connection string in the form that people write."""
    parts = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    user, name = quote(parts.pop("user")), quote(parts.pop("dbname"))
    return f"postgresql://{user}@/{name}?{urlencode(parts)}"


def sweep() -> None:
    """Stop and remove what killed test runs left behind: homes of this kind which have no user any more."""
    for home in (home for place in memory.places() for home in place.glob(f"{_PREFIX}*")):
        with suppress(OSError, PairmarkError):
            if (home / "users.lock").exists() and is_free(home / "users.lock"):
                with exclusive(home / "sweep.lock", patience=0):
                    EmbeddedServer.open(home).close()
                    shutil.rmtree(home)
