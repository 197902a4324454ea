"""G13: the same request sent twice is the same batch; after a failure or a cancel it opens the next generation."""

from hashlib import sha256
from threading import Barrier, Thread

import msgspec
import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.domain.statuses import Status, StopReason
from pairmark.errors import BadRequest
from pairmark.events.catalogue import AssessmentRequested, EssayRef, ResultPublished
from pairmark.events.identity import job_id
from pairmark.messaging.transport import MAX_BODY, MAX_REQUEST
from pairmark.services.assessment import batches, intake
from pairmark.services.assessment.again import again
from pairmark.services.assessment.scores import Scores
from pairmark.services.lifecycle import front_desk
from pairmark.services.lifecycle.front_desk import Ticket
from pairmark.storage.connection import Database, execute
from support.callbacks import answer_until_last_wave, answers, deliver, open_comparisons, receive, settle
from support.system import BEGIN, books, submit

REUSED = """
SELECT e.essay_id, f.essay_id, j.winner, j.event_id FROM assessment.judgement j
JOIN assessment.comparison c USING (batch_id, ordinal)
JOIN assessment.essay e ON e.batch_id = c.batch_id AND e.ordinal = c.first
JOIN assessment.essay f ON f.batch_id = c.batch_id AND f.ordinal = c.second
WHERE j.batch_id = %s AND j.closing AND j.kind = 'verdict' AND c.wave = ANY(%s) ORDER BY c.ordinal
"""


def number_of(database: Database, table: str) -> int:
    with database.connect() as connection:
        return int(execute(connection, f"SELECT count(*) FROM {table}")[0][0])  # type: ignore[arg-type]


def test_g13_the_same_request_twice_is_one_batch(system: System, database: Database):
    first = submit(system, 4)
    again_ = submit(system, 4)
    assert (again_.job_id, again_.entity_id, again_.opened) == (first.job_id, first.entity_id, False)
    system.drain()
    assert submit(system, 4).opened is False
    system.drain()
    assert number_of(database, "assessment.batch") == 1
    assert number_of(database, "entitlements.reservation") == 1


@pytest.mark.parametrize(
    "change", [{"seed": 2}, {"budget": 5}, {"name": "other"}, {"user_id": "other"}, {"org_id": "o"}]
)
def test_g13_a_request_that_differs_is_another_batch(system: System, change: dict[str, object]):
    assert submit(system, 4).job_id != submit(system, 4, **change).job_id  # type: ignore[arg-type]


def test_g13_the_same_request_from_eight_threads_at_once_is_one_batch(system: System, database: Database):
    together = Barrier(8)
    tickets: list[Ticket] = []

    def ask() -> None:
        together.wait(20)
        tickets.append(submit(system, 4))

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(tickets) == 8
    assert len({ticket.job_id for ticket in tickets}) == 1
    assert sum(ticket.opened for ticket in tickets) == 1
    system.drain()
    assert number_of(database, "assessment.batch") == 1
    assert books(database, tickets[0]).captures == 1
    assert self_check(database).findings == []


def test_g13_a_request_delivered_again_after_its_inbox_row_was_pruned_is_one_batch(system: System, database: Database):
    """The request's own key holds also where the inbox has forgotten it."""
    ticket = submit(system, 4)
    system.drain()
    before = system.assessment.batch(ticket.job_id)
    with database.connect() as connection:
        connection.execute("DELETE FROM assessment.inbox")
        connection.execute(
            "INSERT INTO transport.delivery (group_name, event_id, topic, event_key, body, headers) "
            "SELECT 'assessment', id, topic, event_key, event_data::text, headers FROM lifecycle.event_outbox "
            "WHERE event_type = 'huleedu.els.cj_assessment.requested.v1'"
        )
    system.drain()
    assert system.assessment.batch(ticket.job_id) == before
    assert number_of(database, "assessment.batch") == 1
    assert self_check(database).findings == []


def test_g13_the_ids_follow_from_the_request(system: System):
    ticket = submit(system, 4)
    assert ticket.job_id == job_id(ticket.entity_id)
    assert ticket.generation == 1


def cancel_half_way(system: System, database: Database, **design: object) -> Ticket:
    """Two waves are answered, a third is asked; then somebody cancels."""
    ticket = submit(system, 6, stability_threshold=0.0, **design)  # type: ignore[arg-type]
    for _ in range(2):
        settle(system)
        deliver(database, answers(open_comparisons(database, ticket)), str(ticket.job_id))
        receive(system)
    settle(system)
    system.finalization.cancel(ticket.job_id, "a teacher")
    system.drain()
    return ticket


def test_g13_after_a_cancel_the_same_request_opens_the_next_generation(system: System, database: Database):
    """Earlier verdicts are taken over, uncharged; the reservation is a new one."""
    first = cancel_half_way(system, database)
    assert books(database, first).charged == 0
    second = submit(system, 6, stability_threshold=0.0)
    assert (second.opened, second.generation) == (True, 2)
    assert second.job_id != first.job_id
    settle(system)
    batch = system.assessment.batch(second.job_id)
    assert batch is not None
    assert (batch.parent_id, batch.generation, batch.reused) == (first.job_id, 2, 12)
    assert (batch.answered, batch.counted, batch.sent) == (0, 0, 6)
    system.drain()
    done = system.assessment.result(second.job_id)
    assert done is not None
    assert done.batch.status is Status.COMPLETE_MAX_COMPARISONS
    seen = books(database, second)
    assert (seen.captures, seen.charged) == (1, done.batch.counted)
    assert sum(row[4] for row in done.scores) == 2 * (done.batch.counted + 12)
    account = system.entitlements.view(str(second.job_id))
    assert (account["reserved"], account["released"]) == (done.batch.budget, done.batch.budget - done.batch.counted)
    assert system.entitlements.view(str(first.job_id))["charged"] == 0
    assert self_check(database).findings == []


def test_g13_reused_verdicts_are_the_earlier_ones_to_the_letter(system: System, database: Database):
    first = cancel_half_way(system, database)
    second = submit(system, 6, stability_threshold=0.0)
    settle(system)
    with database.connect() as connection:
        earlier = execute(connection, REUSED, [first.job_id, [1, 2]])
        taken = execute(connection, REUSED, [second.job_id, [0]])
    assert len(taken) == 12
    assert taken == earlier


def test_g13_no_pair_is_asked_more_often_than_allowed_over_all_generations(system: System, database: Database):
    first = cancel_half_way(system, database)
    second = submit(system, 6, stability_threshold=0.0)
    system.drain()
    with database.connect() as connection:
        most = execute(
            connection,
            "SELECT max(n) FROM (SELECT count(*) AS n FROM assessment.comparison WHERE batch_id = %s "
            "GROUP BY least(first, second), greatest(first, second)) p",
            [second.job_id],
        )[0][0]
    assert most <= 4
    assert books(database, first).status == "CANCELLED"


def test_g13_generations_go_on_after_each_failure_and_stop_after_a_result(system: System, database: Database):
    tickets = []
    for generation in (1, 2, 3):
        ticket = submit(system, 6)
        assert (ticket.opened, ticket.generation) == (True, generation)
        settle(system)
        deliver(database, answers(open_comparisons(database, ticket)), str(ticket.job_id))
        receive(system)
        if generation < 3:
            system.finalization.cancel(ticket.job_id, "a test")
        system.drain()
        tickets.append(ticket)
    parents = [system.assessment.batch(ticket.job_id) for ticket in tickets]
    assert [one.parent_id for one in parents if one] == [None, tickets[0].job_id, tickets[1].job_id]
    assert [one.reused for one in parents if one] == [0, 6, 12]
    last = submit(system, 6)
    assert (last.opened, last.job_id) == (False, tickets[2].job_id)
    assert self_check(database).findings == []


def test_g13_a_generation_that_has_nothing_left_to_ask_is_scored_from_what_it_took_over(
    system: System, database: Database
):
    """Everything was answered, then scoring was cancelled: the next generation asks nothing and charges nothing."""
    first = submit(system, 2, stability_threshold=0.0)
    answer_until_last_wave(system, [first])
    deliver(database, answers(open_comparisons(database, first)), str(first.job_id))
    receive(system)
    with database.transaction("assessment") as tx:
        batch = batches.locked(tx, first.job_id)
        assert batch is not None
        assert system.continuation.begin_scoring(tx, batch, StopReason.BUDGET_SPENT)
    system.finalization.cancel(first.job_id, "a teacher")
    system.drain()
    second = submit(system, 2, stability_threshold=0.0)
    system.drain()
    stored = system.assessment.result(second.job_id)
    assert stored is not None
    assert (stored.batch.reused, stored.batch.sent) == (4, 0)
    assert (stored.batch.status, stored.batch.stop_reason) == ("COMPLETE_MAX_COMPARISONS", "nothing_left_to_ask")
    assert len(stored.scores) == 2
    assert books(database, second).charged == 0
    assert self_check(database).findings == []


def test_g13_retry_of_an_open_batch_asks_again_in_place(system: System, database: Database, clock: ManualClock):
    ticket = submit(system, 6)
    settle(system)
    before = system.assessment.batch(ticket.job_id)
    clock.advance(100)
    assert again(database, ticket.job_id, clock) == 6
    after = system.assessment.batch(ticket.job_id)
    assert before is not None
    assert after is not None
    assert (after.sent, after.budget, after.wave, after.id) == (before.sent, before.budget, before.wave, before.id)
    assert after.version == before.version + 1
    assert after.deadline is not None
    assert before.deadline is not None
    assert (after.deadline - before.deadline).total_seconds() == 100
    system.drain()
    assert books(database, ticket).terminal_events["huleedu.cj_assessment.completed.v1"] == 1
    assert self_check(database).findings == []


@pytest.mark.parametrize("how", ["complete", "cancelled"])
def test_g13_retry_of_an_ended_batch_does_not_touch_it(
    system: System, database: Database, clock: ManualClock, how: str
):
    ticket = submit(system, 4)
    if how == "cancelled":
        settle(system)
        system.finalization.cancel(ticket.job_id, "a test")
    system.drain()
    before = system.assessment.batch(ticket.job_id)
    assert again(database, ticket.job_id, clock) == 0
    assert system.assessment.batch(ticket.job_id) == before
    reopened = system.front_desk.reopen(ticket.entity_id)
    assert reopened is not None
    assert reopened.opened is (how == "cancelled")
    assert reopened.generation == (2 if how == "cancelled" else 1)


def test_g13_a_request_whose_result_would_be_too_long_to_read_is_refused_at_once(system: System, monkeypatch):
    """Half the limit of a message is never passed by the result of a request that is let in (real limits, real encoders)."""
    monkeypatch.setattr(front_desk, "MAX_REQUEST", 2_000)
    with pytest.raises(BadRequest, match="12 essays with ids as long as these"):
        submit(system, 12)
    assert number_of(system.database, "lifecycle.batch") == 0
    monkeypatch.setattr(intake, "MAX_REQUEST", 1_000)
    ticket = submit(system, 3)
    system.drain()
    refused = system.assessment.batch(ticket.job_id)
    assert refused is not None
    assert refused.status == "ERROR_PROCESSING"
    assert "its result could not be sent" in str(refused.error)


@pytest.mark.parametrize("length", [1, 250])
def test_g13_the_result_of_the_longest_request_can_be_read(length: int):
    """As many essays as one request can name, with short and with long ids."""
    ids = [f"{number:06d}" + "x" * length for number in range(2_000)]
    request = AssessmentRequested(
        essays_for_cj=[EssayRef(essay_id=one, text_storage_id=sha256(one.encode()).hexdigest()) for one in ids],
        user_id="local",
    )
    many = [0.12345678901234567] * len(ids)
    scores = Scores(
        list(range(len(ids))),
        ids,
        list(range(len(ids))),
        many,
        many,
        many,
        [20] * len(ids),
        many,
        0.9,
        0.9,
        1.0,
        "",
        {},
    )
    result = ResultPublished(
        entity_id="", batch_id="", cj_assessment_job_id="", essay_results=scores.essay_results(), assessed_at=BEGIN,
        model_used="", model_provider="", assignment_id=None, assessment_metadata={},
    )  # fmt: skip
    growth = len(msgspec.json.encode(result)) / len(msgspec.json.encode(request))
    assert growth * MAX_REQUEST < MAX_BODY
