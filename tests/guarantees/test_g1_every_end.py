"""G1: every status is really reached, with the events and the credits that belong to it, and every listener agrees."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.domain.statuses import COMPLETE, TERMINAL, Status, StopReason
from pairmark.events.catalogue import TERMINAL_COMPLETE, TERMINAL_FAILED, Design, EssayRef
from pairmark.judges.spec import parse_judge
from pairmark.services.lifecycle.front_desk import Request, Ticket
from pairmark.storage.connection import Database, execute
from support.callbacks import answer, answers, deliver, lower_wins, open_comparisons, receive, settle
from support.system import JUDGE, books, submit

FOUR_HOURS = Design().deadline_seconds + 1


@dataclass
class World:
    """One system and the clock it runs by."""

    system: System
    database: Database
    clock: ManualClock

    def give(self, ticket: Ticket, bodies: list[str]) -> None:
        """Have answers come in and be recorded."""
        deliver(self.database, bodies, str(ticket.job_id))
        receive(self.system)

    def pass_deadline(self) -> None:
        """Let the deadline pass and everything happen that then may."""
        self.clock.advance(FOUR_HOURS)
        settle(self.system)


@pytest.fixture
def world(system: System, database: Database, clock: ManualClock) -> World:
    return World(system, database, clock)


def by_target_reliability(world: World) -> Ticket:
    ticket = submit(world.system, 12, judge="simulated:sd=3,seed=3", target_reliability=0.6, stability_threshold=0.0)
    world.system.drain()
    return ticket


def by_stable_scores(world: World) -> Ticket:
    ticket = submit(world.system, 12, stability_threshold=10.0)
    world.system.drain()
    return ticket


def by_budget(world: World) -> Ticket:
    ticket = submit(world.system, 5, stability_threshold=0.0)
    world.system.drain()
    return ticket


def by_nothing_left_to_ask(world: World) -> Ticket:
    """One pair cannot be judged any more, so the budget cannot be spent."""
    ticket = submit(world.system, 4, stability_threshold=0.0, success_rate=0.1)
    settle(world.system)
    while waiting := open_comparisons(world.database, ticket):
        lost = {"error_code": "unavailable", "message": "no vote was recorded"}
        world.give(ticket, [
            answer(one, None, error_detail=lost) if {first, second} == {0, 1} else answer(one, lower_wins(first, second))
            for one, first, second in waiting
        ])  # fmt: skip
        settle(world.system)
    return ticket


def by_forced_recovery(world: World) -> Ticket:
    """Stragglers never answer; what there is connects all texts."""
    ticket = submit(world.system, 6)
    settle(world.system)
    world.give(ticket, answers(open_comparisons(world.database, ticket)))
    settle(world.system)
    world.give(ticket, answers(open_comparisons(world.database, ticket)[1:]))
    world.pass_deadline()
    assert books(world.database, ticket).status == Status.PERFORMING_COMPARISONS  # asked again first
    world.pass_deadline()
    return ticket


def by_one_essay(world: World) -> Ticket:
    ticket = submit(world.system, 1)
    world.system.drain()
    return ticket


def by_refused_credits(world: World) -> Ticket:
    world.system.accounts.grant("user", "poor", 79, "grant-1", world.clock.now())
    ticket = submit(world.system, 8, user_id="poor")
    world.system.drain()
    return ticket


def by_success_rate(world: World) -> Ticket:
    ticket = submit(world.system, 12)
    settle(world.system)
    waiting = open_comparisons(world.database, ticket)
    refused = [answer(one, None, error_detail={"error_code": "refused"}) for one, _, _ in waiting[:4]]
    world.give(ticket, refused + answers(waiting[4:]))
    settle(world.system)
    return ticket


def by_deadline(world: World) -> Ticket:
    ticket = submit(world.system, 6)
    settle(world.system)
    world.pass_deadline()
    world.pass_deadline()
    return ticket


def by_scoring_that_fails(world: World) -> Ticket:
    """Two comparisons cannot connect four texts."""
    ticket = submit(world.system, 4, budget=2)
    world.system.drain()
    return ticket


def by_unusable_text(world: World) -> Ticket:
    bodies = ["A text.", " \n\t ", "Another text."]
    refs = [
        EssayRef(essay_id=f"e{number}", text_storage_id=key)
        for number, key in enumerate(world.system.texts.put(bodies))
    ]
    spec = parse_judge(JUDGE)
    design = Design(judge=spec.canonical, judge_digest=spec.digest)
    ticket = world.system.front_desk.submit(Request("unusable", refs, design, "local"))
    world.system.drain()
    return ticket


def by_cancel(world: World) -> Ticket:
    ticket = submit(world.system, 6)
    settle(world.system)
    world.give(ticket, answers(open_comparisons(world.database, ticket)))
    world.system.finalization.cancel(ticket.job_id, "a teacher")
    world.system.drain()
    return ticket


ENDS: dict[StopReason, tuple[Callable[[World], Ticket], Status]] = {
    StopReason.RELIABILITY_REACHED: (by_target_reliability, Status.COMPLETE_STABLE),
    StopReason.SCORES_STABLE: (by_stable_scores, Status.COMPLETE_STABLE),
    StopReason.BUDGET_SPENT: (by_budget, Status.COMPLETE_MAX_COMPARISONS),
    StopReason.NOTHING_LEFT_TO_ASK: (by_nothing_left_to_ask, Status.COMPLETE_MAX_COMPARISONS),
    StopReason.FORCED_RECOVERY: (by_forced_recovery, Status.COMPLETE_FORCED_RECOVERY),
    StopReason.INSUFFICIENT_ESSAYS: (by_one_essay, Status.COMPLETE_INSUFFICIENT_ESSAYS),
    StopReason.CREDITS_REFUSED: (by_refused_credits, Status.ERROR_PROCESSING),
    StopReason.SUCCESS_RATE_BELOW_LIMIT: (by_success_rate, Status.ERROR_PROCESSING),
    StopReason.DEADLINE_PASSED: (by_deadline, Status.ERROR_PROCESSING),
    StopReason.SCORING_FAILED: (by_scoring_that_fails, Status.ERROR_PROCESSING),
    StopReason.TEXTS_UNUSABLE: (by_unusable_text, Status.ERROR_ESSAY_PROCESSING),
    StopReason.CANCELLED: (by_cancel, Status.CANCELLED),
}


def test_g1_the_ends_below_are_all_ends_there_are():
    assert set(ENDS) == set(StopReason)
    assert {status for _, status in ENDS.values()} == TERMINAL


@pytest.mark.parametrize("reason", list(ENDS), ids=str)
def test_g1_each_end_is_reached_announced_and_settled(world: World, reason: StopReason):
    reach, status = ENDS[reason]
    ticket = reach(world)
    world.system.drain()
    batch = world.system.assessment.batch(ticket.job_id)
    assert batch is not None
    assert (batch.status, batch.stop_reason) == (status, reason)
    seen = books(world.database, ticket)
    wanted = TERMINAL_COMPLETE if status in COMPLETE else TERMINAL_FAILED
    assert seen.terminal_events == dict.fromkeys(wanted, 1)
    account = world.system.entitlements.view(str(ticket.job_id))
    assert account["charged"] == (batch.counted if status in COMPLETE else 0)
    assert account["reserved"] == (0 if reason is StopReason.CREDITS_REFUSED else batch.budget)
    assert account["charged"] + account["released"] == account["reserved"]
    assert seen.captures == (1 if status in COMPLETE else 0)
    phase = {Status.CANCELLED: "cancelled"}.get(status, "completed" if status in COMPLETE else "failed")
    view = world.system.lifecycle.view(ticket.entity_id)
    assert view is not None
    assert (view["phase"], view["status"]) == (phase, status)
    if status in COMPLETE:
        assert published(world, ticket) == (status, reason)
    assert self_check(world.database).findings == []


def published(world: World, ticket: Ticket) -> tuple[str, str]:
    """Status and stop reason as every reader of the result sees them."""
    with world.database.connect() as connection:
        query = "SELECT metadata->>'status', metadata->>'stop_reason' FROM results.outcome WHERE job_id = %s"
        status, reason = execute(connection, query, [str(ticket.job_id)])[0]
    return status, reason


@pytest.mark.parametrize("reason", list(ENDS), ids=str)
def test_g1_an_end_says_why_in_words_if_and_only_if_there_is_no_result(world: World, reason: StopReason):
    reach, status = ENDS[reason]
    ticket = reach(world)
    batch = world.system.assessment.batch(ticket.job_id)
    assert batch is not None
    assert bool(batch.error) == (status not in COMPLETE)


def _in_pending(world: World) -> Ticket:
    return submit(world.system, 4)


def _in_fetching_content(world: World) -> Ticket:
    ticket = submit(world.system, 4)
    _until(world, ticket, Status.FETCHING_CONTENT)
    return ticket


def _in_comparisons(world: World) -> Ticket:
    ticket = submit(world.system, 4)
    settle(world.system)
    return ticket


def _in_scoring(world: World) -> Ticket:
    ticket = submit(world.system, 4, budget=4)
    settle(world.system)
    world.give(ticket, answers(open_comparisons(world.database, ticket)))
    batch = world.system.assessment.batch(ticket.job_id)
    assert batch is not None
    with world.database.transaction("assessment") as tx:
        assert world.system.continuation.begin_scoring(tx, batch, StopReason.BUDGET_SPENT)
    return ticket


def _until(world: World, ticket: Ticket, status: Status) -> None:
    """Move messages only, until the batch stands in `status`."""
    moves = [world.system.relay_step, *(consumer.step for consumer in world.system.consumers.values())]
    for _ in range(20):
        batch = world.system.assessment.batch(ticket.job_id)
        if batch is not None and batch.status is status:
            return
        for move in moves:
            move()
    raise AssertionError(f"the batch never came to {status}")


OPEN_STATUSES = {
    Status.PENDING: _in_pending,
    Status.FETCHING_CONTENT: _in_fetching_content,
    Status.PERFORMING_COMPARISONS: _in_comparisons,
    Status.SCORING: _in_scoring,
}


def test_g1_the_open_statuses_below_are_all_there_are():
    assert set(OPEN_STATUSES) == set(Status) - TERMINAL


@pytest.mark.parametrize("status", list(OPEN_STATUSES), ids=str)
def test_g1_a_batch_can_be_cancelled_in_every_open_status(world: World, status: Status):
    ticket = OPEN_STATUSES[status](world)
    if status is Status.PENDING:
        _until(world, ticket, status)
    batch = world.system.assessment.batch(ticket.job_id)
    assert batch is not None
    assert batch.status is status
    cancelled = world.system.finalization.cancel(ticket.job_id, "a test")
    again = world.system.finalization.cancel(ticket.job_id, "a test")
    world.system.drain()
    assert again is not None
    assert again.status is Status.CANCELLED
    assert cancelled is not None
    seen = books(world.database, ticket)
    assert seen.status == Status.CANCELLED
    assert seen.terminal_events == {TERMINAL_FAILED[0]: 1}
    assert (seen.captures, seen.charged) == (0, 0)
    assert self_check(world.database).findings == []


@pytest.mark.parametrize("status", list(OPEN_STATUSES), ids=str)
def test_g1_an_open_batch_that_nobody_serves_ends_by_its_deadlines(world: World, status: Status):
    """Only the monitor is left running: whatever the status, the batch comes to an end."""
    ticket = OPEN_STATUSES[status](world)
    if status is Status.PENDING:
        _until(world, ticket, status)
    for _ in range(4):
        world.clock.advance(FOUR_HOURS)
        world.system.monitor.recover()
    with world.database.connect() as connection:
        reached = execute(connection, "SELECT status FROM assessment.batch WHERE id = %s", [ticket.job_id])[0][0]
    assert Status(reached) in TERMINAL
