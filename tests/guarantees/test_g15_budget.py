"""G15: a wave is planned once, and comparisons sent never exceed the reserved budget."""

from threading import Barrier, Thread

import psycopg
import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.events.catalogue import Design
from pairmark.services.lifecycle.front_desk import Ticket
from pairmark.storage.connection import Database, execute
from support.callbacks import answers, deliver, open_comparisons, receive, settle
from support.races import plan_together
from support.system import books, submit

ADD = """
INSERT INTO {schema}comparison (batch_id, ordinal, id, wave, first, second, repeat)
SELECT batch_id, ordinal + {by}, gen_random_uuid(), wave, first, second, repeat FROM {schema}comparison WHERE batch_id = %s
"""


@pytest.fixture
def answered(system: System, database: Database) -> Ticket:
    """Six essays; the first wave is answered and the second wants to be planned."""
    ticket = submit(system, 6, stability_threshold=0.0)
    settle(system)
    deliver(database, answers(open_comparisons(database, ticket)), str(ticket.job_id))
    receive(system)
    return ticket


def waves_of(database: Database, ticket: Ticket) -> list[tuple[int, int, int]]:
    """Number, size as noted, and comparisons found of each wave."""
    with database.connect() as connection:
        rows = execute(
            connection,
            "SELECT w.wave, w.size, (SELECT count(*) FROM assessment.comparison c WHERE c.batch_id = w.batch_id "
            "AND c.wave = w.wave) FROM assessment.wave w WHERE w.batch_id = %s ORDER BY 1",
            [ticket.job_id],
        )
    return [(row[0], row[1], row[2]) for row in rows]


def test_g15_a_wave_planned_by_six_at_once_is_sent_once(
    system: System, database: Database, clock: ManualClock, answered: Ticket, monkeypatch: pytest.MonkeyPatch
):
    moved = plan_together(database, clock, answered, monkeypatch)
    assert (moved.count(True), moved.count(False)) == (1, 5)
    assert waves_of(database, answered) == [(1, 6, 6), (2, 6, 6)]
    system.drain()
    assert books(database, answered).status == "COMPLETE_MAX_COMPARISONS"
    assert self_check(database).findings == []


def test_g15_the_first_wave_planned_by_two_at_once_is_sent_once(
    system: System, database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
):
    ticket = submit(system, 6)
    for step in ("relay", "assessment", "relay", "entitlements", "relay", "assessment"):
        system.steps()[step]()
    batch = system.assessment.batch(ticket.job_id)
    assert batch is not None
    assert batch.status == "FETCHING_CONTENT"
    systems = [System(database, clock=clock) for _ in range(4)]
    read = Barrier(4)
    for one in systems:
        fetch = one.texts.fetch

        def meet(keys, fetch=fetch):  # type: ignore[no-untyped-def]
            bodies = fetch(keys)
            read.wait(15)
            return bodies

        monkeypatch.setattr(one.texts, "fetch", meet)
    moved: list[bool] = []
    threads = [Thread(target=lambda one=one: moved.append(one.continuation.advance(ticket.job_id))) for one in systems]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(moved) == [False] * 3 + [True]
    assert waves_of(database, ticket) == [(1, 6, 6)]


@pytest.mark.parametrize("budget", [1, 3, 5, 6, 7, 11, 24, 1000])
def test_g15_no_budget_is_ever_exceeded(system: System, database: Database, budget: int):
    """The last wave is cut to what is left; what was reserved is the most that is sent."""
    ticket = submit(system, 4, budget=budget, stability_threshold=0.0)
    system.drain()
    batch = system.assessment.batch(ticket.job_id)
    assert batch is not None
    reserved = system.entitlements.view(str(ticket.job_id))["reserved"]
    assert batch.sent == batch.budget == reserved == min(budget, 24)  # 6 pairs, 4 times each
    sizes = waves_of(database, ticket)
    assert sum(size for _, size, _ in sizes) == batch.sent
    assert all(size == found for _, size, found in sizes)
    assert self_check(database).findings == []


def test_g15_the_database_refuses_comparisons_past_the_budget_even_by_hand(
    system: System, database: Database, answered: Ticket
):
    batch = system.assessment.batch(answered.job_id)
    assert batch is not None
    with database.connect() as connection, pytest.raises(psycopg.Error) as by_superuser:
        connection.execute(ADD.format(schema="assessment.", by=batch.budget), [answered.job_id])  # type: ignore[arg-type]
    assert by_superuser.value.sqlstate == "PM004"
    with database.connect("assessment") as connection, pytest.raises(psycopg.Error) as by_service:
        connection.execute(ADD.format(schema="", by=batch.budget - 5), [answered.job_id])  # type: ignore[arg-type]
    assert by_service.value.sqlstate == "PM004"


def test_g15_the_database_refuses_a_second_wave_of_the_same_number(database: Database, answered: Ticket):
    with database.connect("assessment") as connection, pytest.raises(psycopg.errors.UniqueViolation):
        execute(connection, "INSERT INTO wave (batch_id, wave, size, planned_at) VALUES (%s, 1, 1, now())",
                [answered.job_id])  # fmt: skip


def test_g15_asking_again_uses_no_budget(system: System, database: Database, clock: ManualClock):
    ticket = submit(system, 6, stability_threshold=0.0)
    settle(system)
    before = system.assessment.batch(ticket.job_id)
    clock.advance(Design().deadline_seconds + 1)
    settle(system)
    after = system.assessment.batch(ticket.job_id)
    assert before is not None
    assert after is not None
    assert (after.reasks, after.sent, after.wave) == (1, before.sent, before.wave)
    assert waves_of(database, ticket) == [(1, 6, 6)]
    with database.connect() as connection:
        attempts = execute(connection, "SELECT DISTINCT attempt FROM assessment.comparison")
        requests = execute(
            connection,
            "SELECT count(*), count(DISTINCT id) FROM assessment.event_outbox WHERE event_type = 'pairmark.judging.requested.v1'",
        )
    assert attempts == [(2,)]
    assert requests == [(2, 2)]
    system.drain()
    done = system.assessment.batch(ticket.job_id)
    assert done is not None
    assert done.status.is_complete
    assert books(database, ticket).charged == done.counted == done.budget
    assert self_check(database).findings == []
