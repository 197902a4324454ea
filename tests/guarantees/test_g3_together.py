"""G3: a state change and the events that tell of it commit together or not at all."""

import inspect
from collections.abc import Iterator
from uuid import UUID

import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.bootstrap import System
from pairmark.errors import BrokenData
from pairmark.events.catalogue import TERMINAL_COMPLETE, PhaseOutcome
from pairmark.events.envelope import outgoing
from pairmark.messaging import outbox
from pairmark.services.lifecycle.front_desk import Ticket
from pairmark.storage import faults
from pairmark.storage.connection import Database, execute
from support.callbacks import answer_all_but, settle
from support.system import books, submit

FAIL = """
CREATE FUNCTION assessment.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'out of order'; END $$;
CREATE TRIGGER fails BEFORE INSERT ON assessment.{table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION assessment.fail();
"""
PLACES = {
    "result": ("result", "true"),
    "first score": ("score", "true"),
    "last score": ("score", "NEW.ordinal = 3"),
    "emitted fact": ("emitted_fact", "true"),
    "terminal fact": ("terminal_fact", "true"),
} | {topic: ("event_outbox", f"NEW.event_type = '{topic}'") for topic in TERMINAL_COMPLETE}


class Trouble(Exception):
    """What the fault points of these tests raise."""


@pytest.fixture
def due(system: System) -> Ticket:
    """A batch of four essays that wants only its end."""
    ticket = submit(system, 4, stability_threshold=0.0)
    answer_all_but(system, [ticket], 0)
    return ticket


@pytest.fixture(autouse=True)
def no_faults_left() -> Iterator[None]:
    yield
    faults.install(None)


def rows_of_the_end(database: Database, ticket: Ticket) -> dict[str, int]:
    """How many rows of each kind an end has left."""
    with database.connect() as connection:
        return {
            table: execute(
                connection, f"SELECT count(*) FROM assessment.{table} WHERE {key} = %s", [str(ticket.job_id)]
            )[0][0]  # type: ignore[arg-type]
            for table, key in (
                ("result", "batch_id::text"),
                ("score", "batch_id::text"),
                ("terminal_fact", "batch_id"),
                ("emitted_fact", "batch_id"),
            )
        } | {"events": sum(books(database, ticket).terminal_events.values())}


NOTHING = {"result": 0, "score": 0, "terminal_fact": 0, "emitted_fact": 0, "events": 0}
EVERYTHING = {"result": 1, "score": 4, "terminal_fact": 1, "emitted_fact": 3, "events": 3}


@pytest.mark.parametrize("place", PLACES)
def test_g3_failing_in_the_middle_of_finalisation_leaves_nothing(
    system: System, database: Database, due: Ticket, place: str
):
    table, condition = PLACES[place]
    with database.connect() as connection:
        connection.execute(FAIL.format(table=table, condition=condition))  # type: ignore[arg-type]
    with pytest.raises(BrokenData, match="out of order"):
        system.continuation.advance(due.job_id)
    assert rows_of_the_end(database, due) == NOTHING
    batch = system.assessment.batch(due.job_id)
    assert batch is not None
    assert (batch.status, batch.finished_at) == ("SCORING", None)  # the cut-off stands; scoring may be resumed
    with database.connect() as connection:
        connection.execute(f"DROP TRIGGER fails ON assessment.{table}")  # type: ignore[arg-type]
    system.drain()
    assert rows_of_the_end(database, due) == EVERYTHING
    assert self_check(database).findings == []


@pytest.mark.parametrize("when", ["before_commit", "after_commit"])
def test_g3_an_error_at_any_commit_of_the_way_to_the_end_leaves_all_or_nothing(
    system: System, database: Database, due: Ticket, when: str
):
    """The k-th commit fails, for every k, until the batch has ended."""
    failed_at = 0
    for k in range(1, 30):
        countdown = [k]

        def fail(point: str, countdown: list[int] = countdown) -> None:
            if point == f"assessment.{when}":
                countdown[0] -= 1
                if countdown[0] == 0:
                    raise Trouble

        faults.install(fail)
        try:
            system.continuation.advance(due.job_id)
        except Trouble:
            failed_at += 1
        faults.install(None)
        ended = books(database, due).status.startswith("COMPLETE_")
        assert rows_of_the_end(database, due) == (EVERYTHING if ended else NOTHING)
        if ended:
            break
    assert failed_at >= 3
    system.drain()
    assert rows_of_the_end(database, due) == EVERYTHING
    assert self_check(database).findings == []


def test_g3_an_end_is_one_transaction(system: System, database: Database, due: Ticket):
    """Status, result, scores, facts and events carry the number of the same transaction."""
    system.continuation.advance(due.job_id)
    with database.connect() as connection:
        numbers = execute(
            connection,
            """SELECT 'batch', xmin::text FROM assessment.batch WHERE id = %(id)s
               UNION SELECT 'result', xmin::text FROM assessment.result WHERE batch_id = %(id)s
               UNION SELECT 'score', xmin::text FROM assessment.score WHERE batch_id = %(id)s
               UNION SELECT 'fact', xmin::text FROM assessment.emitted_fact WHERE batch_id = %(id)s::text
               UNION SELECT event_type, xmin::text FROM assessment.event_outbox
                   WHERE aggregate_id = %(id)s::text AND event_type = ANY(%(types)s)""",
            {"id": due.job_id, "types": list(TERMINAL_COMPLETE)},
        )
    assert {name for name, _ in numbers} == {"batch", "result", "score", "fact", *TERMINAL_COMPLETE}
    assert len({number for _, number in numbers}) == 1


def test_g3_intake_and_every_wave_are_one_transaction_each(system: System, database: Database):
    """Batch and reservation request; wave, comparisons and requests to judges."""
    ticket = submit(system, 4)
    system.relay_step()
    system.consumers["assessment"].step()
    assert _numbers(database, "SELECT xmin::text FROM assessment.batch", "SELECT xmin::text FROM assessment.event_outbox",
                    "SELECT xmin::text FROM assessment.essay") == 1  # fmt: skip
    for step in ("relay", "entitlements", "relay", "assessment", "continuation"):
        system.steps()[step]()
    judging = "SELECT xmin::text FROM assessment.event_outbox WHERE event_type = 'pairmark.judging.requested.v1'"
    assert _numbers(database, "SELECT xmin::text FROM assessment.batch", "SELECT xmin::text FROM assessment.wave",
                    "SELECT xmin::text FROM assessment.comparison", judging) == 1  # fmt: skip
    assert books(database, ticket).status == "PERFORMING_COMPARISONS"


def _numbers(database: Database, *queries: str) -> int:
    """How many transactions wrote these rows; each query must find some."""
    found: set[str] = set()
    with database.connect() as connection:
        for query in queries:
            rows = execute(connection, query)  # type: ignore[arg-type]
            assert rows
            found |= {row[0] for row in rows}
    return len(found)


def event_of(batch: UUID) -> PhaseOutcome:
    return PhaseOutcome(batch_id=str(batch), phase_status="failed", processed_essay_ids=[], failed_essay_ids=[])


def test_g3_the_writer_of_events_lives_in_the_transaction_it_is_given(system: System, database: Database):
    """What the caller takes back was never announced."""
    ticket = submit(system, 4)
    settle(system)
    with database.connect() as connection:
        count = "SELECT count(*) FROM lifecycle.event_outbox"
        before = execute(connection, count)
    one = outgoing(event_of(ticket.job_id), aggregate_id="x", source="t", correlation_id=ticket.job_id)

    def append_and_think_better_of_it() -> None:
        with database.transaction("lifecycle") as tx:
            outbox.append(tx, [one])
            assert execute(tx, "SELECT count(*) FROM event_outbox WHERE id = %s", [one.id]) == [(1,)]
            raise Trouble

    with pytest.raises(Trouble):
        append_and_think_better_of_it()
    with database.connect() as connection:
        assert execute(connection, count) == before


def test_g3_the_writer_of_events_has_nothing_to_open_a_transaction_with():
    """It takes a transaction first, and knows neither a database nor a pool."""
    names = {name for name in vars(outbox) if not name.startswith("_")}
    assert next(iter(inspect.signature(outbox.append).parameters)) == "tx"
    assert not names & {"Database", "ConnectionPool", "psycopg", "connect"}


def test_g3_an_event_that_exists_takes_the_state_change_with_it(system: System, database: Database):
    """The second append is refused, and so is everything else of its transaction."""
    ticket = submit(system, 4)
    one = outgoing(event_of(ticket.job_id), aggregate_id="x", source="t", correlation_id=ticket.job_id)
    with database.transaction("lifecycle") as tx:
        outbox.append(tx, [one])

    def fail_and_announce_again() -> None:
        with database.transaction("lifecycle") as tx:
            execute(tx, "UPDATE batch SET phase = 'failed' WHERE entity_id = %s", [ticket.entity_id])
            outbox.append(tx, [one])

    with pytest.raises(BrokenData, match="1 of 1 events were announced before"):
        fail_and_announce_again()
    view = system.lifecycle.view(ticket.entity_id)
    assert view is not None
    assert view["phase"] == "requested"
