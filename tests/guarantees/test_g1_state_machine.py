"""G1: the table of legal moves stands in the database too, and refuses what breaks it, also from psql as superuser."""

from itertools import product
from uuid import UUID, uuid4

import psycopg
import pytest

from pairmark.bootstrap import System
from pairmark.domain.statuses import LEGAL_MOVES, TERMINAL, Status, StopReason
from pairmark.errors import BrokenData
from pairmark.services.assessment import batches
from pairmark.storage.connection import Database, execute
from support.callbacks import settle
from support.system import submit

NEW_BATCH = """
INSERT INTO assessment.batch (id, entity_id, generation, name, user_id, correlation_id, design, essays, budget, deadline,
    created_at)
VALUES (%s, %s, 1, '', 'local', gen_random_uuid(), '{}', 4, 24, now(), now())
"""
MOVE = """
UPDATE assessment.batch SET status = %s, version = version + 1, stop_reason = 'budget_spent',
    deadline = CASE WHEN %s THEN NULL ELSE now() END, finished_at = now() WHERE id = %s
"""
ANNOUNCE = """
INSERT INTO assessment.event_outbox (id, aggregate_id, aggregate_type, event_type, event_data, event_key, topic, headers)
SELECT gen_random_uuid(), %(id)s, 'cj_batch', t, '{}', %(id)s, t, '{}' FROM unnest(%(types)s::text[]) t
"""
COMPLETED = [
    "huleedu.cj_assessment.completed.v1",
    "huleedu.assessment.result.published.v1",
    "huleedu.resource.consumption.v1",
]
FAILED = ["huleedu.cj_assessment.failed.v1"]
SHORTEST_WAY = {
    Status.PENDING: [],
    Status.FETCHING_CONTENT: [Status.FETCHING_CONTENT],
    Status.PERFORMING_COMPARISONS: [Status.FETCHING_CONTENT, Status.PERFORMING_COMPARISONS],
    Status.SCORING: [Status.FETCHING_CONTENT, Status.PERFORMING_COMPARISONS, Status.SCORING],
    Status.COMPLETE_INSUFFICIENT_ESSAYS: [Status.FETCHING_CONTENT, Status.COMPLETE_INSUFFICIENT_ESSAYS],
    Status.ERROR_PROCESSING: [Status.ERROR_PROCESSING],
    Status.ERROR_ESSAY_PROCESSING: [Status.FETCHING_CONTENT, Status.ERROR_ESSAY_PROCESSING],
    Status.CANCELLED: [Status.CANCELLED],
} | {
    status: [Status.FETCHING_CONTENT, Status.PERFORMING_COMPARISONS, Status.SCORING, status]
    for status in (Status.COMPLETE_STABLE, Status.COMPLETE_MAX_COMPARISONS, Status.COMPLETE_FORCED_RECOVERY)
}


def make(connection: psycopg.Connection, status: Status) -> UUID:
    """A batch that was brought to `status` by legal moves, announced where it ends."""
    batch = uuid4()
    connection.execute(NEW_BATCH, [batch, str(batch)])
    for step in SHORTEST_WAY[status]:
        move(connection, batch, step)
    return batch


def move(connection: psycopg.Connection, batch: UUID, status: Status) -> None:
    """Move it, with the events that its end wants, in one transaction."""
    with connection.transaction():
        connection.execute(MOVE, [status, status in TERMINAL, batch])
        if status in TERMINAL:
            types = COMPLETED if status.is_complete else FAILED
            connection.execute(ANNOUNCE, {"id": str(batch), "types": types})


def test_g1_the_table_in_the_database_is_the_table_in_the_program(database: Database):
    with database.connect() as connection:
        stored = set(execute(connection, "SELECT from_status, to_status FROM assessment.legal_move"))
    assert stored == {(str(before), str(after)) for before, moves in LEGAL_MOVES.items() for after in moves}
    assert set(LEGAL_MOVES) == set(Status)
    assert all(not LEGAL_MOVES[status] for status in TERMINAL)


def test_g1_the_database_lets_exactly_the_legal_moves_through(database: Database):
    """All pairs of statuses, tried with everything else as it should be."""
    with database.connect() as connection:
        let_through, refused = set(), set()
        for before, after in product(Status, Status):
            batch = make(connection, before)
            try:
                move(connection, batch, after)
            except psycopg.Error as error:
                refused.add(error.sqlstate)
            else:
                let_through.add((before, after))
    assert refused == {"PM002"}
    same = {(status, status) for status in Status if status not in TERMINAL}
    assert let_through - same == {(before, after) for before, moves in LEGAL_MOVES.items() for after in moves}


LEAVING = [
    "UPDATE assessment.batch SET status = 'SCORING', deadline = now(), version = version + 1 WHERE id = %s",
    "UPDATE assessment.batch SET status = 'CANCELLED', version = version + 1 WHERE id = %s",
    "UPDATE assessment.batch SET deadline = now() WHERE id = %s",
    "UPDATE assessment.batch SET error = 'changed' WHERE id = %s",
    "UPDATE assessment.batch SET version = version + 1 WHERE id = %s",
    "UPDATE assessment.batch SET counted = counted + 1 WHERE id = %s",
    "DELETE FROM assessment.batch WHERE id = %s",
]


@pytest.mark.parametrize("statement", LEAVING)
@pytest.mark.parametrize("status", sorted(TERMINAL), ids=str)
def test_g1_nothing_changes_an_ended_batch_even_by_hand(database: Database, status: Status, statement: str):
    with database.connect() as connection:
        batch = make(connection, status)
        before = connection.execute("SELECT b::text FROM assessment.batch b WHERE id = %s", [batch]).fetchone()
        with pytest.raises(psycopg.Error) as refused:
            connection.execute(statement, [batch])  # type: ignore[arg-type]
        assert refused.value.sqlstate in {"PM001", "PM002"}
        after = connection.execute("SELECT b::text FROM assessment.batch b WHERE id = %s", [batch]).fetchone()
    assert after == before


OPEN_REFUSED = {
    "delete": "DELETE FROM assessment.batch WHERE id = %(id)s",
    "truncate": "TRUNCATE assessment.batch CASCADE",
    "sent backwards": "UPDATE assessment.batch SET sent = sent - 1 WHERE id = %(id)s",
    "answered backwards": "UPDATE assessment.batch SET answered = answered - 1 WHERE id = %(id)s",
    "counted backwards": "UPDATE assessment.batch SET counted = counted - 1 WHERE id = %(id)s",
    "version backwards": "UPDATE assessment.batch SET version = version - 1 WHERE id = %(id)s",
    "status without version": "UPDATE assessment.batch SET status = 'SCORING', stop_reason = 'x' WHERE id = %(id)s",
    "two versions at once": "UPDATE assessment.batch SET status = 'SCORING', stop_reason = 'x', version = version + 2 "
    "WHERE id = %(id)s",
    "wave without version": "UPDATE assessment.batch SET wave = wave + 1 WHERE id = %(id)s",
    "other id": "UPDATE assessment.batch SET id = gen_random_uuid() WHERE id = %(id)s",
    "other request": "UPDATE assessment.batch SET entity_id = 'other' WHERE id = %(id)s",
    "other budget": "UPDATE assessment.batch SET budget = budget + 1 WHERE id = %(id)s",
    "other user": "UPDATE assessment.batch SET user_id = 'other' WHERE id = %(id)s",
    "other organisation": "UPDATE assessment.batch SET org_id = 'other' WHERE id = %(id)s",
    "other essays": "UPDATE assessment.batch SET essays = essays + 1 WHERE id = %(id)s",
    "other generation": "UPDATE assessment.batch SET generation = generation + 1 WHERE id = %(id)s",
    "no deadline": "UPDATE assessment.batch SET deadline = NULL WHERE id = %(id)s",
    "more sent than reserved": "UPDATE assessment.batch SET sent = budget + 1 WHERE id = %(id)s",
    "more answers than sent": "UPDATE assessment.batch SET answered = sent + 1 WHERE id = %(id)s",
    "more counted than answered": "UPDATE assessment.batch SET counted = answered + 1 WHERE id = %(id)s",
    "scoring without a reason": "UPDATE assessment.batch SET status = 'SCORING', version = version + 1, stop_reason = NULL "
    "WHERE id = %(id)s",
    "unknown status": "UPDATE assessment.batch SET status = 'DONE', version = version + 1 WHERE id = %(id)s",
}


@pytest.mark.parametrize("attempt", OPEN_REFUSED)
def test_g1_what_breaks_an_open_batch_is_refused_even_by_hand(database: Database, attempt: str):
    with database.connect() as connection:
        batch = make(connection, Status.PERFORMING_COMPARISONS)
        connection.execute("UPDATE assessment.batch SET sent = 9, answered = 6, counted = 3 WHERE id = %s", [batch])
        before = connection.execute("SELECT b::text FROM assessment.batch b").fetchall()
        with pytest.raises(psycopg.Error) as refused:
            connection.execute(OPEN_REFUSED[attempt], {"id": batch})  # type: ignore[arg-type]
        assert refused.value.sqlstate in {"PM001", "PM002", "23514"}
        assert connection.execute("SELECT b::text FROM assessment.batch b").fetchall() == before


@pytest.mark.parametrize(
    "column",
    ["status", "version", "sent"],
)
def test_g1_a_batch_begins_at_the_beginning(database: Database, column: str):
    value = {"status": "'FETCHING_CONTENT'", "version": "1", "sent": "1"}[column]
    statement = NEW_BATCH.replace("created_at)", f"created_at, {column})").replace(
        "now(), now())", f"now(), now(), {value})"
    )
    with database.connect() as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute(statement, [uuid4(), "x"])  # type: ignore[arg-type]
    assert refused.value.sqlstate == "PM001"


def test_g1_a_decision_on_an_old_view_is_dropped(system: System, database: Database):
    """Version and status are both part of the view: either one changed, nothing happens, and nothing is announced."""
    ticket = submit(system, 4)
    settle(system)
    seen = system.assessment.batch(ticket.job_id)
    assert seen is not None
    with database.transaction("assessment") as tx:
        execute(tx, "UPDATE batch SET version = version + 1 WHERE id = %s", [ticket.job_id])
    assert system.finalization.fail(seen, StopReason.DEADLINE_PASSED, "an old view") is False
    other_status = batches.Batch(**(vars(seen) | {"status": Status.SCORING, "version": seen.version + 1}))
    assert system.finalization.fail(other_status, StopReason.DEADLINE_PASSED, "a wrong view") is False
    with database.connect() as connection:
        assert execute(connection, "SELECT count(*) FROM assessment.terminal_fact")[0][0] == 0
    fresh = system.assessment.batch(ticket.job_id)
    assert fresh is not None
    assert fresh.status is Status.PERFORMING_COMPARISONS
    assert system.finalization.fail(fresh, StopReason.DEADLINE_PASSED, "the present view") is True
    assert system.finalization.fail(fresh, StopReason.DEADLINE_PASSED, "the present view, again") is False


def test_g1_the_service_role_may_not_even_try(system: System, database: Database):
    """What the triggers refuse, the role of the service has no right to in the first place."""
    submit(system, 4)
    settle(system)
    forbidden = ["DELETE FROM batch", "TRUNCATE batch", "UPDATE batch SET budget = 1", "DELETE FROM judgement",
                 "UPDATE terminal_fact SET kind = 'failed'", "INSERT INTO emitted_fact VALUES ('a', 'b')",
                 "DELETE FROM event_outbox", "UPDATE event_outbox SET published_at = NULL"]  # fmt: skip
    for statement in forbidden:
        with database.connect("assessment") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)  # type: ignore[arg-type]


def test_g1_the_database_refusing_is_an_error_of_ours(database: Database):
    """A guard that fires is told as broken data, in one sentence, not as a driver's error."""
    with database.connect() as connection:
        batch = make(connection, Status.CANCELLED)
    with pytest.raises(BrokenData, match="CANCELLED and never changes again"), database.transaction("assessment") as tx:
        execute(tx, "UPDATE batch SET due = true WHERE id = %s", [batch])
