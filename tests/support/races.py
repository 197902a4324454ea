"""Races that are set up rather than hoped for: everybody is brought to the decisive moment before anybody may go on."""

from threading import Barrier, BrokenBarrierError, Event, Thread

import pytest

from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.domain.statuses import StopReason
from pairmark.services.assessment import batches, continuation, waves
from pairmark.services.lifecycle.front_desk import Ticket
from pairmark.storage.connection import Database, execute
from pairmark.storage.waiting import until
from support.callbacks import answer, answer_all_but, lower_wins, open_comparisons, put, receive
from support.system import books, submit


def end_together(system: System, clock: ManualClock, patched: pytest.MonkeyPatch) -> list[object]:
    """Four have scored the same batch before any finalises it; what each came to: won, lost, or an error."""
    ticket = submit(system, 4, stability_threshold=0.0)
    answer_all_but(system, [ticket], 0)
    with system.database.transaction("assessment") as tx:
        batch = batches.locked(tx, ticket.job_id)
        assert batch is not None
        assert system.continuation.begin_scoring(tx, batch, StopReason.BUDGET_SPENT)
    scored = Barrier(4)
    original = continuation.score
    came_to: list[object] = []

    def meet(batch, evidence):  # type: ignore[no-untyped-def]
        scores = original(batch, evidence)
        scored.wait(15)
        return scores

    def finish(one: System) -> None:
        try:
            came_to.append(one.continuation.advance(ticket.job_id))
        except Exception as error:
            came_to.append(error)

    with patched.context() as here:
        here.setattr(continuation, "score", meet)
        threads = [Thread(target=finish, args=[System(system.database, clock=clock)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    return came_to


def plan_together(database: Database, clock: ManualClock, ticket: Ticket, patched: pytest.MonkeyPatch) -> list[object]:
    """Six plan the next wave from the same view, and none sends before all have; what each came to, or its error."""
    planned = Barrier(6)
    original = waves.plan

    def meet(*args):  # type: ignore[no-untyped-def]
        plan = original(*args)
        try:
            planned.wait(15)
        except BrokenBarrierError:
            return None
        return plan

    moved: list[object] = []

    def advance(one: System) -> None:
        try:
            moved.append(one.continuation.advance(ticket.job_id))
        except Exception as error:
            moved.append(error)

    with patched.context() as here:
        here.setattr(waves, "plan", meet)
        threads = [Thread(target=advance, args=[System(database, clock=clock)]) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    return moved


def cut_off_holds(system: System, database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Hold a recording in the middle, let scoring begin, let the recording go on; is the charge what was scored?"""
    ticket = submit(system, 4, budget=8, completion_threshold=0.8, stability_threshold=0.0)
    answer_all_but(system, [ticket], 1)
    ((last, first, second),) = open_comparisons(database, ticket)
    body = answer(last, lower_wins(first, second))
    may_finalise = Event()
    scored = Event()
    original = continuation.score

    def pause(batch, evidence):  # type: ignore[no-untyped-def]
        scores = original(batch, evidence)
        scored.set()
        assert may_finalise.wait(20)
        return scores

    with monkeypatch.context() as patched, database.connect() as blocker, database.connect() as watcher:
        patched.setattr(continuation, "score", pause)
        blocker.execute("BEGIN")  # an uncommitted answer to the same comparison, taken back later
        blocker.execute(
            "INSERT INTO assessment.judgement (batch_id, ordinal, event_id, kind, winner, closing, judge, provider, model, "
            "recorded_at) SELECT batch_id, ordinal, gen_random_uuid(), 'verdict', 'tie', true, '', '', '', now() "
            "FROM assessment.comparison WHERE id = %s",
            [last],
        )
        with database.connect() as connection:
            put(connection, body, str(ticket.job_id))
        recording = Thread(target=lambda: receive(system))
        deciding = Thread(target=lambda: System(database, clock=clock).continuation.advance(ticket.job_id))
        recording.start()
        assert until(lambda: _waiting(watcher) == 1, 10)
        deciding.start()
        assert until(lambda: _waiting(watcher) == 2 or scored.is_set(), 10)
        blocker.execute("ROLLBACK")
        recording.join(20)
        may_finalise.set()
        deciding.join(20)
    system.drain()
    stored = system.assessment.result(ticket.job_id)
    assert stored is not None
    in_result = sum(row[4] for row in stored.scores) // 2
    return books(database, ticket).charged == in_result == stored.batch.counted


def _waiting(watcher) -> int:  # type: ignore[no-untyped-def]
    """Sessions of assessment that wait for a lock."""
    rows = execute(
        watcher,
        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'pairmark_assessment' AND wait_event_type = 'Lock' "
        "AND datname = current_database()",
    )
    return int(rows[0][0])
