"""The server that other tests run on: clones are apart from each other, and killed test runs leave nothing for long."""

import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from support.server_users import ServerUser

if TYPE_CHECKING:
    from support.postgres import Databases

pytest_plugins = ["support.postgres"]


@pytest.fixture(scope="module")
def template(postgres: "Databases") -> str:
    name = postgres.create("apart")
    with psycopg.connect(postgres.conninfo(name)) as connection:
        connection.execute("CREATE TABLE note (text text); INSERT INTO note VALUES ('from the template')")
    return name


def notes(postgres: "Databases", database: str) -> list[str]:
    with psycopg.connect(postgres.conninfo(database)) as connection:
        return [str(text) for (text,) in connection.execute("SELECT text FROM note").fetchall()]


def test_what_one_clone_writes_no_other_sees(postgres: "Databases", clone: Callable[[str], str], template: str) -> None:
    first, second = clone(template), clone(template)
    with psycopg.connect(postgres.conninfo(first)) as connection:
        connection.execute("INSERT INTO note VALUES ('mine')")
    assert notes(postgres, first) == ["from the template", "mine"]
    assert notes(postgres, second) == ["from the template"]
    assert notes(postgres, clone(template)) == ["from the template"]


def test_what_a_killed_test_run_left_is_stopped_and_removed() -> None:
    from support.postgres import sweep  # noqa: PLC0415  (as a plugin it must not be imported before pytest does)

    home = Path(tempfile.mkdtemp(prefix="pm-test-"))
    with ServerUser(home) as killed:
        conninfo = killed.read()
        sweep()
        assert killed.ask("query SELECT 1") == "1"  # it has a user, so it stays
        killed.signal(signal.SIGKILL)
    assert psycopg.pq.PGconn.ping(conninfo.encode()) == psycopg.pq.Ping.OK
    sweep()
    assert psycopg.pq.PGconn.ping(conninfo.encode()) == psycopg.pq.Ping.NO_RESPONSE
    assert not home.exists()
