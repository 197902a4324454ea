"""G1: every status is really reached, with the events and the credits that belong to it, and every listener agrees."""

import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.domain.statuses import COMPLETE, TERMINAL, Status, StopReason
from pairmark.events.catalogue import TERMINAL_COMPLETE, TERMINAL_FAILED
from pairmark.services.lifecycle.front_desk import Ticket
from pairmark.storage.connection import execute
from support.callbacks import answers, open_comparisons, settle
from support.ends import ENDS, FOUR_HOURS, World
from support.system import books, submit


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
    if reason is StopReason.INVALID_REQUEST:
        assert view is None, "lifecycle knows its own requests only"
    else:
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
