"""G7: each comparison counts once. A late, repeated, unknown or malformed callback changes nothing, is kept, and is visible."""

import json
from datetime import timedelta
from threading import Barrier, Thread
from uuid import uuid4

import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.domain.statuses import Status, StopReason
from pairmark.events.catalogue import AssessmentFailed, ComparisonResult, Design
from pairmark.events.envelope import outgoing
from pairmark.messaging.messages import Message, read
from pairmark.messaging.transport import Delivery
from pairmark.services.assessment import batches
from pairmark.services.assessment.callbacks import Callbacks
from pairmark.services.lifecycle.front_desk import Ticket
from pairmark.storage.connection import Database, execute
from support.callbacks import (
    answer,
    answer_all_but,
    answers,
    deliver,
    lower_wins,
    open_comparisons,
    receive,
    settle,
)
from support.races import cut_off_holds
from support.system import books, submit

JUDGEMENTS = """
SELECT kind, winner, closing FROM assessment.judgement WHERE batch_id = %s ORDER BY seq
"""


@pytest.fixture
def ticket(system: System) -> Ticket:
    """Six essays whose first wave waits for answers."""
    ticket = submit(system, 6, stability_threshold=0.0)
    settle(system)
    return ticket


def counts(database: Database, ticket: Ticket) -> tuple[int, int]:
    """Answered and counted comparisons."""
    with database.connect() as connection:
        row = execute(connection, "SELECT answered, counted FROM assessment.batch WHERE id = %s", [ticket.job_id])[0]
    return row[0], row[1]


def kept(database: Database, ticket: Ticket) -> list[tuple[str, str | None, bool]]:
    with database.connect() as connection:
        return [(row[0], row[1], row[2]) for row in execute(connection, JUDGEMENTS, [ticket.job_id])]


def quarantined(database: Database) -> list[tuple[str, str, int]]:
    with database.connect() as connection:
        rows = execute(connection, "SELECT body, cause, seen FROM assessment.quarantine ORDER BY first_seen_at, id")
    return [(row[0], row[1], row[2]) for row in rows]


def test_g7_two_answers_to_one_comparison_in_one_set_count_once(system: System, database: Database, ticket: Ticket):
    one = open_comparisons(database, ticket)[0][0]
    deliver(database, [answer(one, "Essay A"), answer(one, "Essay B"), answer(one, "Tie")], str(ticket.job_id))
    receive(system)
    assert counts(database, ticket) == (1, 1)
    assert kept(database, ticket) == [
        ("verdict", "first", True),
        ("verdict", "second", False),
        ("verdict", "tie", False),
    ]


def test_g7_two_answers_in_two_sets_count_once(system: System, database: Database, ticket: Ticket):
    one = open_comparisons(database, ticket)[0][0]
    for winner in ("Essay B", "Essay A"):
        deliver(database, [answer(one, winner)], str(ticket.job_id))
        receive(system)
    assert counts(database, ticket) == (1, 1)
    assert kept(database, ticket) == [("verdict", "second", True), ("verdict", "first", False)]


def test_g7_the_same_event_twice_in_one_set_and_once_more_later_is_one_answer(
    system: System, database: Database, ticket: Ticket
):
    body = answer(open_comparisons(database, ticket)[0][0])
    deliver(database, [body, body], str(ticket.job_id))
    receive(system)
    deliver(database, [body], str(ticket.job_id))
    receive(system)
    assert counts(database, ticket) == (1, 1)
    assert kept(database, ticket) == [("verdict", "first", True)]


def test_g7_an_answer_after_a_failure_of_the_same_comparison_does_not_count(
    system: System, database: Database, ticket: Ticket
):
    """The comparison is closed by its first answer, whatever that was."""
    one = open_comparisons(database, ticket)[0][0]
    deliver(database, [answer(one, None, error_detail={"error_code": "refused"}), answer(one)], str(ticket.job_id))
    receive(system)
    assert counts(database, ticket) == (1, 0)
    assert kept(database, ticket) == [("refused", None, True), ("verdict", "first", False)]


def test_g7_answers_after_the_cut_off_are_kept_and_do_not_count(system: System, database: Database):
    ticket = submit(system, 4, budget=6, stability_threshold=0.0)
    answer_all_but(system, [ticket], 1)
    late = open_comparisons(database, ticket)
    with database.transaction("assessment") as tx:
        batch = batches.locked(tx, ticket.job_id)
        assert batch is not None
        assert system.continuation.begin_scoring(tx, batch, StopReason.BUDGET_SPENT)
    before = counts(database, ticket)
    deliver(database, answers(late), str(ticket.job_id))
    receive(system)
    assert counts(database, ticket) == before
    assert kept(database, ticket)[-1][2] is False
    system.drain()
    assert books(database, ticket).charged == before[1]
    assert self_check(database).findings == []


@pytest.mark.parametrize("how", ["complete", "cancelled"])
def test_g7_answers_after_the_end_are_kept_and_change_nothing(system: System, database: Database, how: str):
    ticket = submit(system, 4, budget=6, stability_threshold=0.0, completion_threshold=0.8)
    answer_all_but(system, [ticket], 1)
    late = open_comparisons(database, ticket)
    if how == "cancelled":
        system.finalization.cancel(ticket.job_id, "a test")
    settle(system)
    before = system.assessment.batch(ticket.job_id)
    result = system.assessment.result(ticket.job_id)
    assert before is not None
    assert before.status.is_terminal
    number = len(kept(database, ticket))
    deliver(database, answers(late), str(ticket.job_id))
    settle(system)
    assert system.assessment.batch(ticket.job_id) == before
    after = system.assessment.result(ticket.job_id)
    assert after is not None
    assert result is not None
    assert (after.scores, after.input_digest) == (result.scores, result.input_digest)
    assert len(kept(database, ticket)) == number + 1
    assert kept(database, ticket)[-1][2] is False
    assert self_check(database).findings == []


def envelope(**changes: object) -> str:
    """A callback envelope with some of its fields changed."""
    whole = json.loads(answer(uuid4()))
    data = whole["data"] | changes.pop("data", {})  # type: ignore[operator]
    return json.dumps(whole | changes | {"data": data})


UNUSABLE = {
    "unknown request": lambda one: answer(uuid4()),
    "request that is no id": lambda one: answer("first comparison, please"),
    "empty request id": lambda one: answer(""),
    "malformed JSON": lambda one: '{"event_id": ',
    "nothing": lambda one: "",
    "not an envelope": lambda one: '{"winner": "Essay A"}',
    "a list": lambda one: "[1, 2, 3]",
    "null": lambda one: "null",
    "deep nesting": lambda one: "[" * 100_000,
    "event id that is none": lambda one: envelope(event_id="7"),
    "foreign event type": lambda one: (
        outgoing(
            AssessmentFailed(status="CANCELLED", system_metadata={}, cj_assessment_job_id="x"),  # type: ignore[arg-type]
            aggregate_id="x",
            source="somebody",
            correlation_id=uuid4(),
        ).body
    ),
    "unknown event type": lambda one: envelope(event_type="somebody.else.v1"),
    "neither winner nor error": lambda one: answer(one, None),
    "both winner and error": lambda one: answer(one, "Essay A", error_detail={"error_code": "failed"}),
    "lower-case winner": lambda one: answer(one, "essay a"),
    "empty winner": lambda one: answer(one, ""),
    "winner's name": lambda one: answer(one, "essay-0001"),
    "winner with a space": lambda one: answer(one, "Essay A "),
    "number as winner": lambda one: envelope(data={"request_id": str(one), "winner": 1}),
    "list as winner": lambda one: envelope(data={"request_id": str(one), "winner": ["Essay A"]}),
    "number as confidence": lambda one: envelope(data={"request_id": str(one), "confidence": "high"}),
    "fraction of a millisecond": lambda one: envelope(data={"request_id": str(one), "response_time_ms": "1"}),
    "half a surrogate": lambda one: answer(one, justification="x").replace('"x"', '"\\ud800"'),
    "5 MB": lambda one: answer(one, justification="x" * 5_000_000),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_g7_what_cannot_be_used_changes_nothing_and_is_kept_with_its_cause(
    system: System, database: Database, ticket: Ticket, kind: str
):
    """It comes in the middle of a set of good answers, which are recorded all the same."""
    waiting = open_comparisons(database, ticket)
    bad = UNUSABLE[kind](waiting[0][0])
    good = answers(waiting[1:])
    deliver(database, [*good[:2], bad, *good[2:]], str(ticket.job_id))
    receive(system)
    assert counts(database, ticket) == (len(good), len(good))
    ((body, cause, seen),) = quarantined(database)
    assert (body, seen) == (bad, 1)
    assert cause
    # It comes again: seen once more at most, and still nothing changes.
    deliver(database, [bad], str(ticket.job_id))
    receive(system)
    assert counts(database, ticket) == (len(good), len(good))
    assert len(quarantined(database)) == 1
    with database.connect() as connection:
        left = execute(connection, "SELECT (SELECT count(*) FROM transport.delivery WHERE group_name = 'assessment') + "
                                   "(SELECT count(*) FROM assessment.held_message) + "
                                   "(SELECT count(*) FROM assessment.dead_letter)")  # fmt: skip
    assert left == [(0,)]


def test_g7_an_unusable_answer_leaves_its_comparison_open_for_a_usable_one(
    system: System, database: Database, ticket: Ticket
):
    one, first, second = open_comparisons(database, ticket)[0]
    deliver(database, [answer(one, "essay a"), answer(one, lower_wins(first, second))], str(ticket.job_id))
    receive(system)
    assert counts(database, ticket) == (1, 1)


@pytest.mark.parametrize("confidence", [-1.0, 0.0, 0.5, 5.5, 100.0, 1e300])
def test_g7_a_confidence_outside_its_scale_is_none_and_the_verdict_counts(
    system: System, database: Database, ticket: Ticket, confidence: float
):
    one = open_comparisons(database, ticket)[0][0]
    deliver(database, [answer(one, confidence=confidence)], str(ticket.job_id))
    receive(system)
    with database.connect() as connection:
        assert execute(connection, "SELECT confidence, closing FROM assessment.judgement") == [(None, True)]


def test_g7_a_zero_byte_and_an_endless_justification_are_cut_out_and_the_verdict_counts(
    system: System, database: Database, ticket: Ticket
):
    one, two = (item[0] for item in open_comparisons(database, ticket)[:2])
    bodies = [
        answer(
            one, justification="good\x00 style", model="m\x00", provider="\x00", request_metadata={"judge": "j\x00"}
        ),
        answer(two, justification="x" * 10_000, model="m" * 10_000, response_time_ms=10**15),
    ]
    deliver(database, bodies, str(ticket.job_id))
    receive(system)
    assert counts(database, ticket) == (2, 2)
    with database.connect() as connection:
        rows = execute(
            connection,
            "SELECT justification, model, judge, length(justification) FROM assessment.judgement ORDER BY seq",
        )
    assert rows[0] == ("good style", "m", "j", 10)
    assert rows[1][3] == 500


def test_g7_an_answer_under_a_foreign_key_still_finds_its_batch(system: System, database: Database, ticket: Ticket):
    """The comparison is what the answer names, not what the message is keyed by."""
    one = open_comparisons(database, ticket)[0][0]
    deliver(database, [answer(one)], "some other key")
    receive(system)
    assert counts(database, ticket) == (1, 1)


def test_g7_answers_of_two_batches_in_one_set_are_told_apart(system: System, database: Database):
    tickets = [submit(system, essays, stability_threshold=0.0) for essays in (4, 5)]
    settle(system)
    both = [body for one in tickets for body in answers(open_comparisons(database, one))]
    deliver(database, both, "mixed")
    receive(system)
    assert [counts(database, one) for one in tickets] == [(4, 4), (5, 5)]


def delivered(bodies: list[str], key: str) -> list[Message]:
    """Messages as a consumer hands them to its handler."""
    messages = []
    for position, body in enumerate(bodies):
        message = read(Delivery(position, uuid4(), ComparisonResult.topic, key, body, "{}"))
        assert isinstance(message, Message)
        messages.append(message)
    return messages


def at_once(threads: list[Thread]) -> None:
    """Start all, then wait for all."""
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)


@pytest.mark.parametrize("turn", range(4))
def test_g7_two_sets_recorded_at_the_same_moment_leave_one_decision_and_nobody_waiting(
    system: System, database: Database, clock: ManualClock, turn: int
):
    """The two halves of a wave, by two threads: each could see the other missing, and wait for ever."""
    ticket = submit(system, 8, stability_threshold=0.0, seed=turn + 1)
    settle(system)
    bodies = answers(open_comparisons(database, ticket))
    halves = [delivered(bodies[::2], "x"), delivered(bodies[1::2], "x")]
    together = Barrier(2)
    failures: list[BaseException] = []

    def record(half: list[Message]) -> None:
        try:
            with database.transaction("assessment") as tx:
                execute(tx, "SELECT 1")
                together.wait(20)
                Callbacks(clock)(tx, half)
        except BaseException as error:
            failures.append(error)

    at_once([Thread(target=record, args=[half]) for half in halves])
    assert failures == []
    batch = system.assessment.batch(ticket.job_id)
    assert batch is not None
    assert (batch.answered, batch.due, batch.wave) == (8, True, 1)
    systems = [System(database, clock=clock) for _ in range(3)]
    at_once([Thread(target=one.continuation.advance, args=[ticket.job_id]) for one in systems])
    after = system.assessment.batch(ticket.job_id)
    assert after is not None
    assert (after.wave, after.sent) == (2, 16)
    system.drain()
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    assert self_check(database).findings == []


def test_g7_a_set_that_is_being_recorded_is_waited_for_before_the_cut_off(
    system: System, database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
):
    """What is charged is what the result rests on, also when the last answer is on its way as scoring begins."""
    assert cut_off_holds(system, database, clock, monkeypatch)


def test_g7_a_recovered_batch_ignores_answers_to_its_earlier_attempts_once_closed(
    system: System, database: Database, clock: ManualClock, ticket: Ticket
):
    """Asked again after the deadline: the first answer of any attempt closes, the others are kept."""
    waiting = open_comparisons(database, ticket)
    clock.advance(Design().deadline_seconds + 1)
    settle(system)
    batch = system.assessment.batch(ticket.job_id)
    assert batch is not None
    assert (batch.status, batch.reasks, batch.sent) == (Status.PERFORMING_COMPARISONS, 1, 6)
    assert batch.deadline == clock.now() + timedelta(seconds=Design().deadline_seconds)
    deliver(database, answers(waiting) + answers(waiting), str(ticket.job_id))
    receive(system)
    assert counts(database, ticket) == (6, 6)
    assert [row[2] for row in kept(database, ticket)] == [True] * 6 + [False] * 6
