"""G13 and G8 for people who stop and come back: nothing is asked twice, no time counts in which nobody served, nothing is lost."""

from datetime import timedelta

import pytest

from pairmark import watch
from pairmark.assessing import revive
from pairmark.audit.selfcheck import self_check
from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.errors import BrokenData
from pairmark.messaging import held
from pairmark.messaging.crashes import CrashLog
from pairmark.messaging.transport import Delivery
from pairmark.services.assessment.again import again
from pairmark.storage.connection import Database
from support.callbacks import answers, deliver, open_comparisons, receive, settle
from support.faults import rows
from support.system import books, submit

NIGHT = 12 * 3600


@pytest.mark.parametrize("prepare", [lambda system: None, settle], ids=["pending", "comparing"])
def test_g8_a_night_in_which_no_process_was_there_counts_for_no_deadline(
    system: System, database: Database, clock: ManualClock, prepare
):
    ticket = submit(system, 4, stability_threshold=0.0)
    system.monitor.resume()
    system.consumers["lifecycle"].step()
    system.relays["lifecycle"].step()
    system.consumers["assessment"].step()
    prepare(system)
    clock.advance(NIGHT)
    assert system.monitor.resume() == timedelta(seconds=NIGHT)
    assert system.monitor.step() == 0
    system.drain()
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    assert rows(database, "SELECT count(*) FROM judging.verdict") == rows(database, "SELECT sent FROM assessment.batch")


def test_g8_time_in_which_somebody_served_counts(system: System, database: Database, clock: ManualClock):
    """Another process that starts while one is at work gives nobody more time."""
    ticket = submit(system, 4, stability_threshold=0.0)
    system.monitor.resume()
    settle(system)
    for _ in range(110):  # two deadlines of four hours: one more asking, then the end
        clock.advance(300)
        system.monitor.step()
        assert system.monitor.resume() == timedelta(0)
    assert books(database, ticket).status == "ERROR_PROCESSING"


def test_g13_retry_of_an_interrupted_batch_asks_no_question_twice(
    system: System, database: Database, clock: ManualClock
):
    """The new attempt takes the place of what the old one still waits for."""
    ticket = submit(system, 8, stability_threshold=0.0)
    settle(system)
    first = open_comparisons(database, ticket)[:3]
    deliver(database, answers(first), str(ticket.job_id))
    receive(system)
    assert again(database, ticket.job_id, clock) > 0
    system.drain()
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    asked = rows(database, "SELECT request_id FROM judging.verdict")
    assert len(asked) == len(set(asked))


def test_g13_verdicts_survive_a_generation_that_ended_before_it_began(system: System, database: Database):
    """Cancelled with verdicts, then refused, then done: the verdicts of the first are not paid for again."""
    ticket = submit(system, 6, stability_threshold=0.0)
    settle(system)
    deliver(database, answers(open_comparisons(database, ticket)), str(ticket.job_id))
    receive(system)
    system.finalization.cancel(ticket.job_id, "a test")
    settle(system)
    kept = rows(database, "SELECT count(*) FROM assessment.judgement WHERE closing AND kind = 'verdict'")[0][0]
    second = submit(system, 6, stability_threshold=0.0)
    system.relays["lifecycle"].step()
    system.consumers["assessment"].step()
    system.finalization.cancel(second.job_id, "a test")
    settle(system)
    third = submit(system, 6, stability_threshold=0.0)
    assert (second.generation, third.generation) == (2, 3)
    system.drain()
    batch = system.assessment.batch(third.job_id)
    assert batch is not None
    assert batch.reused == kept > 0
    assert books(database, third).charged == batch.counted
    fourth_source = rows(database, "SELECT count(DISTINCT event_id) FROM assessment.judgement WHERE reused")
    assert fourth_source == [(kept,)]
    assert self_check(database).findings == []


def dead_intake(system: System, database: Database):
    """A request whose intake ended five processes."""
    ticket = submit(system, 4, stability_threshold=0.0)
    system.relays["lifecycle"].step()
    (found,) = rows(
        database, "SELECT position, event_id, topic, event_key, body, headers::text FROM transport.delivery"
    )
    system.consumers["assessment"].close()
    for _ in range(5):
        log = CrashLog(database, "assessment", system.subscriptions["assessment"])
        log.suspects()
        log.starting([Delivery(*found)])
    system.drain()
    assert [row[4] for row in held.dead_letters(database, "assessment")] == [
        "the process ended 5 times while handling it"
    ]
    return ticket


def test_g10_a_dead_letter_of_crashes_is_tried_again_when_it_is_replayed(
    system: System, database: Database, clock: ManualClock
):
    ticket = dead_intake(system, database)
    revive(system, ticket.job_id, ticket.entity_id)
    system.close()
    later = System(database, clock=clock)
    clock.advance(2)
    later.drain()
    later.close()
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    assert held.dead_letters(database, "assessment") == []


def test_g10_what_nothing_will_try_again_ends_the_watch_in_one_sentence(
    system: System, database: Database, monkeypatch: pytest.MonkeyPatch
):
    ticket = dead_intake(system, database)
    monkeypatch.setattr(watch, "PATIENCE", 0.2)
    with pytest.raises(BrokenData, match="set it aside; `pairmark retry"):
        watch.run(system, ticket)
