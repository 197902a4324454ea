"""`pairmark db copy` and `db prune` as people use them: from a laptop to a server in the middle of a batch."""

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.config import Config
from pairmark.opening import open_database
from pairmark.storage import installation
from pairmark.storage.connection import Database
from pairmark.storage.waiting import until
from support.command import Pairmark, data_folder, essays, write_texts
from support.postgres import Databases, as_url

JUDGE = "simulated:sd=1,seed=3,delay_ms=100"
BUDGET = 60
ANSWERED = "SELECT id::text FROM assessment.batch WHERE answered >= %s"


@pytest.fixture(scope="module")
def laptop() -> Iterator[Pairmark]:
    with data_folder() as pairmark:
        yield pairmark


@pytest.fixture
def server(postgres: Databases) -> Iterator[str]:
    """Address of an empty database."""
    yield as_url(postgres.conninfo(postgres.create("server")))
    postgres.drop("server")


def standing(server: str) -> str | None:
    """What the new database says of itself."""
    with closing(Database(server)) as database, database.connect() as connection:
        here = installation.standing(connection)
    return here.state if here else None


def test_a_batch_begun_on_a_laptop_ends_on_a_server(laptop: Pairmark, server: str, tmp_path: Path):
    texts = write_texts(tmp_path / "texts.csv", essays(6))
    words = ["assess", texts, "--judge", JUDGE, "--out", tmp_path / "out"]
    with laptop.started(*words) as running:
        batch = laptop.wait_for(ANSWERED, 1)[0][0]
        running.signal(signal.SIGKILL)
        running.end()
    with open_database(Config(laptop.home)):
        laptop.run("db", "copy", "--to", server).refused("1 process is at work on the embedded database", code=75)
    with laptop.started("db", "copy", "--to", server) as running:
        assert until(lambda: standing(server) == "arriving", 60)
        running.signal(signal.SIGINT)
        stopped = running.end()
    assert stopped.code == 128 + signal.SIGINT
    assert stopped.err.splitlines()[-1].startswith("pairmark: Stopped. The same command goes on")
    assert laptop.run("status").code == 0  # the laptop works until all is there
    Pairmark(laptop.home, PAIRMARK_DATABASE=server).run("status").refused("goal of a copy from the embedded database")
    moved = laptop.json("db", "copy", "--to", server)
    assert (moved["moved_before"], moved["rows"] > 100) == (False, True)
    assert laptop.json("db", "copy", "--to", server)["moved_before"]
    for command in (words, ["status"], ["credits", "show"], ["db", "upgrade"], ["db", "prune", "--older-than", "1d"]):
        laptop.run(*command).refused("This Pairmark moved to postgresql://postgres@/server on ", "PAIRMARK_DATABASE")
    assert "moved to" in laptop.run("doctor").out
    there = Pairmark(laptop.home, PAIRMARK_DATABASE=server)
    done = there.json(*words)
    assert done["batch_id"] == batch
    assert done["status"].startswith("COMPLETE_")
    assert done["comparisons"] == done["credits"]["charged"] == BUDGET
    assert done["self_check"]["findings"] == []
    assert all(number == 1 for event, number in done["events"].items() if "completed" in event or "consum" in event)
    assert there.json("doctor")["good"]
    counted = there.json("db", "prune", "--older-than", "1s", "--dry-run")
    assert counted["dry_run"]
    with psycopg.connect(server) as connection:
        assert connection.execute("SELECT count(*) FROM lifecycle.event_outbox").fetchone() != (0,)
    there.json("db", "prune", "--older-than", "1s")
    with closing(Database(server)) as database:
        assert self_check(database).findings == []
    assert there.json(*words)["batch_id"] == batch


def test_bad_words_of_db_are_refused_in_one_sentence(laptop: Pairmark):
    laptop.run("db", "copy", "--to", "mysql://me:secret@host/x").refused("is not a PostgreSQL URL")
    assert "secret" not in laptop.run("db", "copy", "--to", "mysql://me:secret@host/x").err
    laptop.run("db", "copy").refused("--to")
    laptop.run("db", "prune", "--older-than", "soon").refused("soon is no length of time")
    spread = Pairmark(laptop.home, PAIRMARK_DATABASE_JUDGING="postgresql://postgres@/judging")
    spread.run("db", "copy", "--to", "postgresql://x/y").refused("judging stand in databases of their own")
