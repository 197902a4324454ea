"""G8: no batch stays in a status past its deadline; every status that is not an end is parked here and must be left."""

from threading import Barrier, Thread

import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.bootstrap import System
from pairmark.domain.statuses import Status, StopReason
from pairmark.events.catalogue import Design
from pairmark.services.assessment import batches
from support.callbacks import answer_all_but, answers, deliver, open_comparisons, receive, settle
from support.faults import rows
from support.system import books, submit

PAST = Design().deadline_seconds + 1
OPEN_STATUSES = [status for status in Status if not status.is_terminal]


def park(system: System, status: Status):
    """A batch in `status` with nobody to move it on."""
    ticket = submit(system, 6)
    system.relays["lifecycle"].step()
    system.consumers["assessment"].step()
    if status is Status.PENDING:
        return ticket
    system.relays["assessment"].step()
    system.consumers["entitlements"].step()
    system.relays["entitlements"].step()
    system.consumers["assessment"].step()
    if status is Status.FETCHING_CONTENT:
        return ticket
    if status is Status.PERFORMING_COMPARISONS:
        settle(system)
        return ticket
    answer_all_but(system, [ticket], 0)
    with system.database.transaction("assessment") as tx:
        batch = batches.locked(tx, ticket.job_id)
        assert batch is not None
        assert system.continuation.begin_scoring(tx, batch, StopReason.BUDGET_SPENT)
    return ticket


def status_of(system: System, ticket) -> str:
    return rows(system.database, "SELECT status FROM assessment.batch WHERE id = %s", ticket.job_id)[0][0]


@pytest.mark.parametrize("status", OPEN_STATUSES)
def test_g8_recovery_moves_a_batch_out_of_every_open_status_at_its_deadline_and_not_before(system, clock, status):
    ticket = park(system, status)
    assert status_of(system, ticket) == status
    clock.advance(PAST - 2)
    assert system.monitor.recover() == 0
    for _ in range(3):
        clock.advance(PAST)
        system.monitor.recover()
    assert Status(status_of(system, ticket)).is_terminal
    system.drain()
    assert self_check(system.database).findings == []


def test_g8_silent_judge_is_asked_once_more_then_the_batch_fails_with_the_reason(system, database, clock):
    ticket = park(system, Status.PERFORMING_COMPARISONS)
    asked = len(open_comparisons(database, ticket))
    clock.advance(PAST)
    assert system.monitor.recover() == 1
    attempts = "SELECT attempt, count(*) FROM assessment.comparison GROUP BY 1"
    assert rows(database, attempts) == [(2, asked)]
    assert system.monitor.recover() == 0, "it has a new deadline"
    clock.advance(PAST)
    assert system.monitor.recover() == 1
    assert rows(database, attempts) == [(2, asked)], "only once"
    assert status_of(system, ticket) == Status.ERROR_PROCESSING
    assert rows(database, "SELECT stop_reason FROM assessment.batch") == [("deadline_passed",)]


def test_g8_connected_batch_whose_judge_falls_silent_is_scored_by_force_and_charged_for_what_counts(
    system, database, clock
):
    ticket = submit(system, 6)
    answer_all_but(system, [ticket], 2)
    for _ in range(2):
        clock.advance(PAST)
        system.monitor.recover()
    settle(system)
    counted, sent = rows(database, "SELECT counted, sent FROM assessment.batch")[0]
    assert counted == sent - 2
    assert books(database, ticket).status == Status.COMPLETE_FORCED_RECOVERY
    assert books(database, ticket).charged == counted
    assert self_check(database).findings == []


def test_g8_judge_who_comes_back_after_the_second_asking_brings_the_batch_to_its_ordinary_end(system, database, clock):
    ticket = park(system, Status.PERFORMING_COMPARISONS)
    clock.advance(PAST)
    system.monitor.recover()
    system.drain()
    assert books(database, ticket).status == Status.COMPLETE_MAX_COMPARISONS
    assert books(database, ticket).charged == 60
    assert rows(database, "SELECT count(DISTINCT request_id) FROM judging.verdict") == [(60,)]
    assert self_check(database).findings == []


@pytest.mark.parametrize("status", [Status.FETCHING_CONTENT, Status.PERFORMING_COMPARISONS, Status.SCORING])
def test_g8_sweep_takes_up_what_a_lost_process_left_undecided(system, database, status):
    """Also when the mark that a decision is due went with it."""
    ticket = park(system, status)
    if status is Status.PERFORMING_COMPARISONS:
        deliver(database, answers(open_comparisons(database, ticket)), str(ticket.job_id))
        receive(system)
        rows(database, "UPDATE assessment.batch SET due = false RETURNING 1")
    before = rows(database, "SELECT version FROM assessment.batch")
    assert system.monitor.sweep() == 1
    assert rows(database, "SELECT version FROM assessment.batch") > before
    if status is Status.SCORING:
        assert Status(status_of(system, ticket)).is_complete


def test_g8_monitor_runs_by_its_interval(system, clock):
    ticket = park(system, Status.SCORING)
    assert system.monitor.step() == 0, "it ran when the batch was parked"
    clock.advance(301)
    assert system.monitor.step() == 1
    assert Status(status_of(system, ticket)).is_complete


@pytest.mark.parametrize("status", OPEN_STATUSES)
def test_g8_two_monitors_at_once_recover_a_batch_once(system, database, clock, status):
    tickets = [park(system, status)]
    other = System(database, clock=clock)
    begin = Barrier(2)

    def recover(one: System) -> None:
        begin.wait(10)
        one.monitor.sweep()
        one.monitor.recover()

    for _ in range(3):
        clock.advance(PAST)
        threads = [Thread(target=recover, args=(one,)) for one in (system, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert rows(database, "SELECT max(reasks) <= 2 FROM assessment.batch") == [(True,)]
    system.drain()
    other.close()
    terminal = books(database, tickets[0]).terminal_events
    assert set(terminal.values()) == {1}
    assert self_check(database).findings == []


def test_g8_generation_that_has_every_answer_already_is_decided_and_not_left_waiting(system, database, clock):
    """Cancelled after the last answer: the next generation takes all verdicts over and has nothing to ask."""
    ticket = submit(system, 3)
    answer_all_but(system, [ticket], 0)
    assert not Status(status_of(system, ticket)).is_terminal
    system.finalization.cancel(ticket.job_id, "a test")
    system.drain()
    again = submit(system, 3)
    assert again.generation == 2
    system.drain()
    assert books(database, again).status == Status.COMPLETE_MAX_COMPARISONS
    assert books(database, again).charged == 0
    assert rows(database, "SELECT reused, sent FROM assessment.batch WHERE id = %s", again.job_id) == [(12, 0)]
    assert self_check(database).findings == []
