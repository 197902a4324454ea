"""The measured traps of exactly-once, one test each; those that need a whole file are told there (G4, G5, G6, G8, G9, G10)."""

from pathlib import Path
from threading import Event, Thread

import psycopg
import pytest

import pairmark
from pairmark.domain.statuses import Status, StopReason
from pairmark.errors import BrokenData
from pairmark.messaging import outbox
from pairmark.services.assessment import batches
from pairmark.storage import faults
from support.faults import Refusing, failed, plant, reserve, rows
from support.system import books, submit


def test_g1_trap_read_status_then_write(system, database):
    """Two triggers have read the same status; the second decision changes nothing, not even a version."""
    ticket = submit(system, 4)
    system.relays["lifecycle"].step()
    system.consumers["assessment"].step()
    with database.transaction("assessment") as tx:
        seen = batches.read(tx, ticket.job_id)
    assert seen is not None
    ended = [system.finalization.fail(seen, StopReason.DEADLINE_PASSED, "late") for _ in range(2)]
    assert ended == [True, False]
    assert books(database, ticket).terminal_events == {"huleedu.cj_assessment.failed.v1": 1}


@pytest.mark.parametrize("pruned", [False, True], ids=["published", "pruned"])
def test_g2_trap_unique_only_while_unpublished(system, database, pruned):
    """The key of a terminal event is held after it was published, and after its row is gone."""
    submit(system, 4)
    system.drain()
    assert rows(database, "SELECT count(*) FROM assessment.event_outbox WHERE published_at IS NULL") == [(0,)]
    with database.connect() as connection:
        connection.execute("CREATE TEMP TABLE kept AS SELECT * FROM assessment.event_outbox")
        if pruned:
            connection.execute("DELETE FROM assessment.event_outbox")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(
                "INSERT INTO assessment.event_outbox (id, aggregate_id, aggregate_type, event_type, event_data, event_key, "
                "topic, headers) SELECT gen_random_uuid(), aggregate_id, aggregate_type, event_type, event_data, event_key, "
                "topic, headers FROM kept WHERE event_type = 'huleedu.cj_assessment.completed.v1'"
            )


def test_g4_trap_fresh_uuid_for_every_event():
    """The same fact has the same id, whoever makes the event and whenever."""
    assert failed("one").id == failed("one").id
    assert failed("one").id != failed("two").id != reserve("two", 1).id


def test_g3_trap_integrity_error_inside_a_transaction(system, database):
    """A conflict is told by a count, so the transaction is still usable, and nobody reads the text of an error."""
    with database.transaction("assessment") as tx:
        outbox.append(tx, [reserve("one", 1)])
        with pytest.raises(BrokenData, match="announced before"):
            outbox.append(tx, [reserve("one", 1)])
        outbox.append(tx, [reserve("two", 1)])
    assert rows(database, "SELECT count(*) FROM assessment.event_outbox") == [(2,)]


def test_g1_trap_lock_and_read_in_one_statement(system, database):
    """Who waited for the lock reads what the one before it wrote, not what stood there when the waiting began."""
    ticket = submit(system, 4)
    system.relays["lifecycle"].step()
    system.consumers["assessment"].step()
    read, waiting = [], Event()

    def second() -> None:
        with database.transaction("assessment") as tx:
            pid.append(tx.info.backend_pid)
            waiting.set()
            read.append(batches.locked(tx, ticket.job_id))

    pid: list[int] = []
    with database.transaction("assessment") as tx:
        seen = batches.locked(tx, ticket.job_id)
        assert seen is not None
        thread = Thread(target=second)
        thread.start()
        assert waiting.wait(10)
        blocked = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
        while rows(database, blocked, pid[0]) != [(True,)]:
            assert thread.is_alive()
        batches.move(tx, seen, Status.FETCHING_CONTENT, deadline=seen.deadline)
    thread.join(10)
    assert (read[0].status, read[0].version) == (Status.FETCHING_CONTENT, seen.version + 1)


def test_g4_trap_notify_in_every_business_commit():
    """It serialises commits (11.0k to 4.3k a second at 32 clients); ours is one statement by itself, for many events."""
    source = {path.name: path.read_text() for path in Path(pairmark.__file__).parent.rglob("*.py")}
    notifying = [
        name for name, text in source.items() if "NOTIFY " in text.replace("no NOTIFY", "") or "pg_notify" in text
    ]
    assert notifying == ["wakeups.py"]
    told = [line.strip() for line in source["wakeups.py"].splitlines() if "pg_notify" in line]
    assert [line.startswith("self._database.at_once(") for line in told] == [True]
    assert ".transaction(" not in source["wakeups.py"]


def test_g4_trap_lock_held_across_the_broker_call(system, database):
    """While the transport has the events, no session of a relay is in a transaction."""
    states = []

    def look(_):
        states.extend(rows(database, "SELECT state FROM pg_stat_activity WHERE usename = 'pairmark_relay' "
                                     "AND datname = current_database()"))  # fmt: skip

    system.relays["lifecycle"]._transport = Refusing(system.transport, look)
    submit(system, 4)
    assert system.relays["lifecycle"].step() == 1
    assert states
    assert set(states) == {("idle",)}


def test_g5_trap_offset_before_the_database_commit(system, database):
    """When the acknowledgement begins, the effect is committed and the message is still there to come again."""
    seen = []

    def look(point: str) -> None:
        if point == "assessment.before_acknowledge":
            seen.append(rows(database, "SELECT (SELECT count(*) FROM assessment.batch), (SELECT count(*) FROM assessment.inbox), "
                                       "(SELECT count(*) FROM transport.delivery WHERE group_name = 'assessment')"))  # fmt: skip

    submit(system, 4)
    system.relays["lifecycle"].step()
    faults.install(look)
    try:
        system.consumers["assessment"].step()
    finally:
        faults.install(None)
    assert seen == [[(1, 1, 1)]]


def test_g5_trap_dedupe_by_position(system, database):
    """A producer's resend has a new position and the same id."""
    for _ in range(3):
        plant(database, "entitlements", reserve("one", 5))
        system.consumers["entitlements"].step()
    assert rows(database, "SELECT kind, amount FROM entitlements.ledger") == [("reserve", -5)]


@pytest.mark.parametrize("role", ["assessment", "entitlements", "lifecycle", "results", "judging", "transport"])
def test_g3_trap_commit_that_does_not_wait_for_the_disk(database, role):
    """Only marks and notes that may be lost are written so, each in a transaction of its own."""
    with database.transaction(role) as tx:
        assert tx.execute("SHOW synchronous_commit").fetchone() == ("on",)


def test_g2_trap_partitioned_table(database):
    """Its unique keys would have to contain the partition key."""
    assert rows(database, "SELECT relname FROM pg_class WHERE relkind = 'p'") == []
    invalid = "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid"
    assert rows(database, invalid) == []
