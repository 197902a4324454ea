"""G2: at most one event of a terminal type for a batch, published or pruned; completed and failed exclude each other."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from pairmark.bootstrap import System
from pairmark.errors import BrokenData
from pairmark.events.catalogue import TERMINAL_COMPLETE, TERMINAL_FAILED, AssessmentFailed, SystemMetadata
from pairmark.events.envelope import outgoing
from pairmark.events.identity import event_id
from pairmark.messaging import outbox
from pairmark.services.lifecycle.front_desk import Ticket
from pairmark.storage.connection import Database, Tx, execute
from support.callbacks import settle
from support.system import books, submit

TERMINAL_TYPES = (*TERMINAL_COMPLETE, *TERMINAL_FAILED)
INSERT = """
INSERT INTO assessment.event_outbox (id, aggregate_id, aggregate_type, event_type, event_data, event_key, topic, headers)
VALUES (%(event)s, %(batch)s, 'cj_batch', %(type)s, '{}', %(batch)s, %(type)s, '{}')
"""
END = """
UPDATE assessment.batch SET status = %s, version = version + 1, stop_reason = 'cancelled', deadline = NULL, finished_at = now()
WHERE id = %s
"""


def announce(tx: Tx, batch: object, event_type: str) -> None:
    """Write an event of this type, as somebody with every right and a new id would."""
    execute(tx, INSERT, {"event": uuid4(), "batch": str(batch), "type": event_type})


def announce_together(connection: Tx, batch: UUID, types: Sequence[str], status: str | None = None) -> None:
    """End the batch, if a status is given, and announce these types, in one transaction."""
    with connection.transaction():
        if status is not None:
            execute(connection, END, [status, batch])
        for event_type in types:
            announce(connection, batch, event_type)


@pytest.fixture
def complete(system: System) -> Ticket:
    ticket = submit(system, 3)
    system.drain()
    assert books(system.database, ticket).status.startswith("COMPLETE_")
    return ticket


@pytest.fixture
def cancelled(system: System) -> Ticket:
    ticket = submit(system, 3)
    settle(system)
    system.finalization.cancel(ticket.job_id, "a test")
    system.drain()
    return ticket


def prune(database: Database, ticket: Ticket) -> None:
    """Take away what was published, as a pruning job would."""
    with database.connect() as connection:
        done = execute(
            connection,
            "DELETE FROM assessment.event_outbox WHERE aggregate_id = %s AND published_at IS NOT NULL RETURNING 1",
            [str(ticket.job_id)],
        )
    assert len(done) >= 1


@pytest.mark.parametrize("pruned", [False, True], ids=["published", "pruned"])
@pytest.mark.parametrize("event_type", TERMINAL_TYPES)
def test_g2_no_second_terminal_event_of_a_complete_batch(
    complete: Ticket, database: Database, event_type: str, pruned: bool
):
    if pruned:
        prune(database, complete)
    with database.connect() as connection, pytest.raises(psycopg.Error) as refused:
        announce(connection, complete.job_id, event_type)
    assert refused.value.sqlstate in {"23505", "PM003"}


@pytest.mark.parametrize("pruned", [False, True], ids=["published", "pruned"])
@pytest.mark.parametrize("event_type", TERMINAL_TYPES)
def test_g2_no_second_terminal_event_of_a_failed_batch(
    cancelled: Ticket, database: Database, event_type: str, pruned: bool
):
    if pruned:
        prune(database, cancelled)
    with database.connect() as connection, pytest.raises(psycopg.Error) as refused:
        announce(connection, cancelled.job_id, event_type)
    assert refused.value.sqlstate in {"23505", "PM003"}


def test_g2_no_second_terminal_event_while_the_first_waits_for_the_relay(system: System, database: Database):
    ticket = submit(system, 3)
    settle(system)
    system.finalization.cancel(ticket.job_id, "a test")
    with database.connect() as connection:
        waiting = execute(
            connection,
            "SELECT published_at FROM assessment.event_outbox WHERE aggregate_id = %s AND event_type = %s",
            [str(ticket.job_id), TERMINAL_FAILED[0]],
        )
        assert waiting == [(None,)]
        with pytest.raises(psycopg.errors.UniqueViolation):
            announce(connection, ticket.job_id, TERMINAL_FAILED[0])


@pytest.mark.parametrize("table", ["terminal_fact", "emitted_fact"])
@pytest.mark.parametrize("verb", ["DELETE FROM {}", "UPDATE {} SET batch_id = 'other'", "TRUNCATE {} CASCADE"])
def test_g2_facts_are_permanent_for_everyone(complete: Ticket, database: Database, table: str, verb: str):
    statement = sql.SQL(verb.format("assessment." + table))  # type: ignore[arg-type]
    with database.connect() as connection:
        before = connection.execute("SELECT * FROM assessment.emitted_fact ORDER BY 2").fetchall()
        with pytest.raises(psycopg.Error) as refused:
            connection.execute(statement)
        assert refused.value.sqlstate == "PM001"
        assert connection.execute("SELECT * FROM assessment.emitted_fact ORDER BY 2").fetchall() == before
    assert before == [(str(complete.job_id), topic) for topic in sorted(TERMINAL_COMPLETE)]


@pytest.mark.parametrize("column", ["id", "aggregate_id", "event_type", "event_data", "topic", "headers", "event_key"])
def test_g2_an_event_never_changes_once_written(complete: Ticket, database: Database, column: str):
    value = {"id": "gen_random_uuid()", "event_data": "'{}'", "headers": "'{}'"}.get(column, "'other'")
    statement = f"UPDATE assessment.event_outbox SET {column} = {value} WHERE aggregate_id = %s"
    with database.connect() as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute(statement, [str(complete.job_id)])  # type: ignore[arg-type]
    assert refused.value.sqlstate == "PM001"


def test_g2_an_unpublished_event_cannot_be_pruned(system: System, database: Database):
    ticket = submit(system, 3)
    settle(system)
    system.finalization.cancel(ticket.job_id, "a test")
    for statement in (
        "DELETE FROM assessment.event_outbox WHERE published_at IS NULL",
        "TRUNCATE assessment.event_outbox",
    ):
        with database.connect() as connection, pytest.raises(psycopg.Error) as refused:
            connection.execute(statement)  # type: ignore[arg-type]
        assert refused.value.sqlstate == "PM001"


def test_g2_completed_and_failed_exclude_each_other_within_one_transaction(system: System, database: Database):
    ticket = submit(system, 3)
    settle(system)
    with database.connect() as connection, pytest.raises(psycopg.Error) as refused:
        announce_together(connection, ticket.job_id, [TERMINAL_COMPLETE[0], TERMINAL_FAILED[0]])
    assert refused.value.sqlstate == "PM003"


def test_g2_completed_and_failed_exclude_each_other_between_two_transactions(system: System, database: Database):
    """Neither has committed when both have written: the second waits for the first, and is then refused."""
    ticket = submit(system, 3)
    settle(system)
    with database.connect() as first, database.connect() as second:
        first.execute("BEGIN")
        execute(first, END, ["CANCELLED", ticket.job_id])
        announce(first, ticket.job_id, TERMINAL_FAILED[0])
        second.execute("SET lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            announce(second, ticket.job_id, TERMINAL_COMPLETE[0])
        first.execute("COMMIT")
        with pytest.raises(psycopg.Error) as refused:
            announce(second, ticket.job_id, TERMINAL_COMPLETE[0])
    assert refused.value.sqlstate == "PM003"
    assert books(database, ticket).terminal_events == {TERMINAL_FAILED[0]: 1}


@pytest.mark.parametrize(
    ("status", "types"),
    [
        ("CANCELLED", []),
        ("CANCELLED", [TERMINAL_COMPLETE[0]]),
        ("ERROR_PROCESSING", []),
        ("COMPLETE_STABLE", []),
        ("COMPLETE_STABLE", TERMINAL_COMPLETE[:1]),
        ("COMPLETE_STABLE", TERMINAL_COMPLETE[:2]),
        ("COMPLETE_STABLE", TERMINAL_FAILED),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} events",
)
def test_g2_an_end_without_exactly_its_events_does_not_commit(
    system: System, database: Database, status: str, types: list[str]
):
    ticket = submit(system, 3)
    settle(system)
    with database.connect() as connection:
        if status.startswith("COMPLETE_"):
            execute(connection, "UPDATE assessment.batch SET status = 'SCORING', stop_reason = 'budget_spent', "
                                "version = version + 1 WHERE id = %s", [ticket.job_id])  # fmt: skip
        with pytest.raises(psycopg.Error) as refused:
            announce_together(connection, ticket.job_id, types, status)
    assert refused.value.sqlstate == "PM003"
    assert books(database, ticket).terminal_events == {}
    assert not books(database, ticket).status.startswith(status)


@pytest.mark.parametrize("event_type", TERMINAL_TYPES)
def test_g2_an_announcement_without_its_end_does_not_commit(system: System, database: Database, event_type: str):
    ticket = submit(system, 3)
    settle(system)
    with database.connect() as connection, pytest.raises(psycopg.Error) as refused:
        announce(connection, ticket.job_id, event_type)
    assert refused.value.sqlstate == "PM003"
    assert books(database, ticket).terminal_events == {}


@pytest.mark.parametrize("event_type", TERMINAL_TYPES)
def test_g2_nothing_is_announced_for_a_batch_that_does_not_exist(database: Database, event_type: str):
    with database.connect() as connection, pytest.raises(psycopg.Error) as refused:
        announce(connection, uuid4(), event_type)
    assert refused.value.sqlstate == "PM003"


def test_g2_the_unique_index_covers_exactly_the_terminal_types_and_is_valid(database: Database):
    with database.connect() as connection:
        unique, valid, columns, predicate = execute(
            connection,
            """SELECT indisunique, indisvalid, (SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
                   WHERE attrelid = indexrelid), pg_get_expr(indpred, indrelid)
               FROM pg_index WHERE indexrelid = 'assessment.event_outbox_one_terminal_event'::regclass""",
        )[0]
    assert (unique, valid, columns) == (True, True, ["aggregate_id", "event_type"])
    assert {topic for topic in TERMINAL_TYPES if f"'{topic}'" in predicate} == set(TERMINAL_TYPES)
    assert predicate.count("huleedu.") == len(TERMINAL_TYPES)
    assert "published_at" not in predicate  # the incident's own fix was unique only while unpublished


def test_g2_the_ids_of_terminal_events_are_derived_from_the_batch(complete: Ticket, database: Database):
    with database.connect() as connection:
        rows = execute(
            connection,
            "SELECT event_type, id, event_data->>'event_id', headers->>'event_id' FROM assessment.event_outbox "
            "WHERE aggregate_id = %s AND event_type = ANY(%s)",
            [str(complete.job_id), list(TERMINAL_TYPES)],
        )
    assert len(rows) == 3
    for event_type, identity, in_body, in_headers in rows:
        assert identity == event_id(event_type, str(complete.job_id))
        assert str(identity) == in_body == in_headers


def test_g2_a_winner_whose_event_is_not_inserted_fails_loudly(system: System, database: Database):
    """The compare-and-set is won, but the outbox has the event already: nothing may commit (here the outbox is tampered with)."""
    ticket = submit(system, 3)
    settle(system)
    with database.connect() as connection:
        connection.execute("ALTER TABLE assessment.event_outbox DISABLE TRIGGER terminal_facts_are_recorded")
        failed = AssessmentFailed.topic
        identity = event_id(failed, str(ticket.job_id))
        execute(connection, INSERT, {"event": identity, "batch": str(ticket.job_id), "type": failed})
        connection.execute("ALTER TABLE assessment.event_outbox ENABLE TRIGGER terminal_facts_are_recorded")
    before = system.assessment.batch(ticket.job_id)
    with pytest.raises(BrokenData, match="announced before"):
        system.finalization.cancel(ticket.job_id, "a test")
    assert system.assessment.batch(ticket.job_id) == before


def test_g2_appending_an_event_twice_is_an_error(system: System, database: Database):
    ticket = submit(system, 3)
    settle(system)
    batch = system.assessment.batch(ticket.job_id)
    assert batch is not None
    event = AssessmentFailed(
        entity_id=batch.entity_id,
        status="CANCELLED",
        system_metadata=SystemMetadata(),
        cj_assessment_job_id=str(batch.id),
    )
    one = outgoing(event, aggregate_id=str(batch.id), source="assessment", correlation_id=batch.correlation_id)
    with (
        pytest.raises(BrokenData, match="1 of 2 events were announced before"),
        database.transaction("assessment") as tx,
    ):
        outbox.append(tx, [one, one])
