"""Which road events take is written down in the database: looking never changes it, and nothing is lost where two could meet."""

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pairmark.bootstrap import System
from pairmark.clock import SystemClock
from pairmark.errors import BrokenData, Busy
from pairmark.events.catalogue import PhaseOutcome
from pairmark.messaging import outbox, road
from pairmark.messaging.kafka_connection import KafkaConnection
from pairmark.storage.connection import Database
from support.command import Pairmark, essays, write_texts
from support.faults import made, rows
from support.fleet import Fleet, over
from support.roads import cluster_of, until
from support.system import submit

NOBODY = "127.0.0.1:1"


@pytest.fixture
def platform(database: Database) -> Iterator[Pairmark]:
    """The command over the test's database, with the address of a Kafka that is not there."""
    with tempfile.TemporaryDirectory(prefix="pm-road-") as folder:
        yield Pairmark(
            Path(folder), PAIRMARK_DATABASE=Fleet(database, KafkaConnection(NOBODY)).url, PAIRMARK_KAFKA=NOBODY
        )


@pytest.mark.parametrize("words", [("status",), ("credits", "show"), ("outbox", "status"), ("doctor",)], ids=" ".join)
def test_looking_brings_no_events_onto_kafka(platform: Pairmark, database: Database, words: tuple[str, ...]):
    assert platform.run(*words).code == 0
    assert road.kind(database) == "local"


def test_a_kafka_that_does_not_answer_is_never_taken(platform: Pairmark, database: Database, tmp_path: Path):
    texts = write_texts(tmp_path / "texts.csv", essays(3))
    for words in (
        ("worker", "--wait", "0"),
        ("worker", "--once", "--wait", "0"),
        ("assess", texts, "--judge", "surface"),
    ):
        done = platform.run(*words)
        assert done.code == 75, done.err
        assert "127.0.0.1:1 cannot be reached" in done.err
    assert road.kind(database) == "local"
    assert rows(database, "SELECT count(*) FROM assessment.batch") == [(0,)]


def test_g4_what_is_on_the_local_road_goes_over_with_the_change_and_nothing_more_enters_it(request, database, clock):
    local = System(database, clock=clock)
    local.accounts.ensure_default()
    ticket = submit(local, 4, stability_threshold=0.0)
    local.relay_step()
    assert rows(database, "SELECT count(*) FROM transport.delivery") == [(1,)]
    local.close()
    connection = cluster_of(request, "mock")
    over(connection, database)
    assert rows(database, "SELECT count(*) FROM transport.delivery") == [(0,)]
    system = System(Database(database.conninfo, direct_login=True), kafka=connection)
    ended = f"SELECT 1 FROM assessment.batch WHERE id = '{ticket.job_id}' AND status LIKE 'COMPLETE%'"
    with system.running():
        until(lambda: rows(database, ended) == [(1,)], lambda: threading.Event().wait(0.05))
    system.close()


@pytest.mark.parametrize("heard", [True, False], ids=["an event with listeners", "an event without"])
def test_g4_a_process_of_the_local_road_marks_nothing_sent_after_the_change(request, database, clock, heard):
    local = System(database, clock=clock)
    local.accounts.ensure_default()
    over(cluster_of(request, "mock"), database)
    if heard:
        submit(local, 3)
    else:
        event = PhaseOutcome(batch_id="b", phase_status="x", processed_essay_ids=[], failed_essay_ids=[])
        with database.transaction("lifecycle") as tx:
            outbox.append(tx, [made(event, "b")])
    with pytest.raises(BrokenData, match="go over Kafka"):
        local.relay_step()
    assert rows(database, "SELECT count(*) FROM lifecycle.event_outbox WHERE published_at IS NOT NULL") == [(0,)]
    local.close()


def test_a_process_without_roles_delivers_nothing(database, clock):
    looking = System(database, clock=clock, roles=())
    looking.accounts.ensure_default()
    submit(looking, 3)
    assert looking.deliver() == 0
    assert rows(database, "SELECT count(*) FROM lifecycle.event_outbox WHERE published_at IS NOT NULL") == [(0,)]
    looking.close()


def test_g10_trouble_of_one_outbox_holds_up_no_other(system, database):
    submit(system, 3)

    def down() -> int:
        raise Busy("its database is away")

    system.relays["assessment"].step = down
    with pytest.raises(Busy, match="away"):
        system.relay_step()
    assert rows(database, "SELECT count(*) FROM lifecycle.event_outbox WHERE published_at IS NULL") == [(0,)]


def test_a_stop_is_short_while_kafka_is_down_and_an_offset_is_under_way(request, database):
    connection = cluster_of(request, "mock")
    over(connection, database)
    system = System(database, kafka=connection)
    system.accounts.ensure_default()
    submit(system, 3)
    until(
        lambda: rows(database, "SELECT 1 FROM assessment.inbox") != [],
        lambda: [step() for step in system.steps().values()],
    )
    request.getfixturevalue("mock_kafka").go_down()
    clock = SystemClock()
    begin = clock.monotonic()
    system.close()
    assert clock.monotonic() - begin < 6


def test_a_stop_is_short_while_the_database_is_down():
    system = System(Database(f"postgresql://nobody@{NOBODY}/nothing"))
    clock = SystemClock()
    begin = clock.monotonic()
    system.close()
    assert clock.monotonic() - begin < 6
