"""Many calls in flight over the ends of leases; what is out when a process stops is recorded, what waits is handed back."""

from contextlib import suppress
from threading import Barrier, Event, Thread

import pytest

from pairmark import watch
from pairmark.errors import Busy
from pairmark.judges.question import JudgeUnable
from pairmark.services.assessment import waves
from pairmark.services.judging import asker as asker_module
from pairmark.services.judging.calls import LOST, SPARED
from pairmark.services.judging.routing import SpendLimitReached
from pairmark.services.judging.verdicts import MAX_TRIES
from support.callbacks import settle
from support.faults import cut_sessions, drain_past_cuts, rows
from support.invariants import violations
from support.metered import Metered, asker_of, is_canary, put
from support.model_batches import submit_texts
from support.system import JUDGE, books, submit

OPEN = "SELECT count(*) FROM judging.model_call WHERE kind IS NULL"
LEFT = "SELECT count(*) FROM judging.chunk WHERE open"
KINDS = "SELECT kind, count(*) FROM judging.model_call WHERE purpose = 'comparison' GROUP BY 1"
LEASED = "SELECT count(*) FROM judging.chunk WHERE open AND lease_token IS NOT NULL"


def test_calls_stay_in_flight_over_the_end_of_a_lease(system, database, monkeypatch):
    """Each lease brings five questions; eight are in flight together, or the barrier breaks."""
    monkeypatch.setattr(waves, "CHUNK", 5)
    monkeypatch.setattr(asker_module, "CHUNKS_PER_STEP", 1)
    together, first = Barrier(8), []

    def wait_for_others(question, number):
        if not is_canary(question) and len(first) < 8:
            first.append(number)
            together.wait(30)

    put(system, Metered(wait_for_others, concurrency=8))
    ticket = submit(system, 20, stability_threshold=0.0)
    system.drain()
    assert len(first) == 8
    assert rows(database, "SELECT count(*) FROM judging.model_call WHERE kind <> 'verdict'") == [(0,)]
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    assert violations(database) == []


def test_what_is_out_when_a_process_stops_is_recorded_and_the_rest_handed_back(system, database, clock):
    begun, gate = Event(), Event()

    def slow(question, number):
        if not is_canary(question):
            begun.set()
            assert gate.wait(60)

    judge = Metered(slow, concurrency=2)
    asking = asker_of(system, clock, judge)
    submit(system, 8, stability_threshold=0.0)
    settle(system)
    thread = Thread(target=asking.step)
    thread.start()
    assert begun.wait(30)
    asking.stop()
    gate.set()
    thread.join(30)
    assert not thread.is_alive()
    assert rows(database, OPEN) == [(0,)]
    assert rows(database, LEASED) == [(0,)]
    recorded = rows(database, "SELECT count(*) FROM judging.verdict")[0][0]
    assert 0 < recorded == len(judge.comparisons)
    assert rows(database, "SELECT max(tries) FROM judging.chunk") == [(0,)]
    asking.close()


def test_the_end_of_a_process_makes_no_further_call_and_leaves_none_open(system, database, clock):
    """It is closed while calls are out: those that were made are lost, and perhaps some that were about to be."""
    begun, gate = Event(), Event()

    def hang(question, number):
        if not is_canary(question):
            begun.set()
            assert gate.wait(60)

    judge = Metered(hang, concurrency=4)
    asking = asker_of(system, clock, judge)
    ticket = submit(system, 8, stability_threshold=0.0)
    settle(system)
    told = []

    def work():
        with pytest.raises(Busy) as refused:
            asking.step()
        told.append(str(refused.value))

    thread = Thread(target=work, daemon=True)
    thread.start()
    assert begun.wait(30)
    asking.close()
    assert rows(database, OPEN) == [(0,)]
    kinds = dict(rows(database, KINDS))
    gate.set()
    thread.join(30)
    assert told == ["Calls of language models were given up; they are made again."]
    assert len(judge.comparisons) <= kinds["lost"]
    assert dict(rows(database, KINDS)) == kinds
    put(system, Metered())
    system.drain()
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    assert violations(database) == []


def test_calls_out_while_the_database_is_cut_off_are_recorded_when_it_is_back(system, database, clock):
    """Nothing that was paid for is asked again, and nothing that others may have taken up since is asked here."""
    cut = []

    def slow(question, number):
        if number == 14 and not cut:
            cut.append(cut_sessions(database))

    judge = Metered(slow, concurrency=4)
    put(system, judge)
    ticket = submit(system, 8, stability_threshold=0.0)
    drain_past_cuts(system)
    assert cut
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    asked = [question.request_id for question in judge.comparisons]
    assert len(asked) == len(set(asked))
    assert rows(database, "SELECT count(*) FROM judging.model_call WHERE kind = 'lost'") == [(0,)]
    assert violations(database) == []


def test_chunks_that_want_no_call_any_more_are_closed_beside_those_that_do(system, database):
    """A new attempt asks for comparisons that were answered before, and for some that were not."""
    judge = Metered()
    put(system, judge)
    submit(system, 4, stability_threshold=0.0)
    system.drain()
    asked = len(judge.comparisons)
    with database.connect() as connection:
        connection.execute("UPDATE judging.batch SET closed = false")
        connection.execute(
            "INSERT INTO judging.chunk (id, batch_id, attempt, questions, next_attempt_at) "
            "SELECT gen_random_uuid(), batch_id, 2, questions, '-infinity' FROM judging.chunk ORDER BY position LIMIT 1"
        )
        connection.execute(
            "INSERT INTO judging.chunk (id, batch_id, attempt, questions, next_attempt_at) "
            "SELECT gen_random_uuid(), batch_id, 2, jsonb_build_array(jsonb_set(jsonb_set(questions->0, '{0}', "
            "to_jsonb(gen_random_uuid()::text)), '{5}', '99')), '-infinity' FROM judging.chunk ORDER BY position LIMIT 1"
        )
    system.asker.step()
    assert len(judge.comparisons) == asked + 1
    assert rows(database, "SELECT count(*) FROM judging.chunk WHERE open") == [(0,)]


def test_a_batch_that_ends_while_it_is_asked_is_asked_no_further(system, database):
    judge = Metered(lambda question, number: cancel() if number == 12 else None, concurrency=1)
    cancelled = []

    def cancel():
        cancelled.append(system.finalization.cancel(ticket.job_id, "a test"))
        settle(system)

    put(system, judge)
    ticket = submit(system, 8, stability_threshold=0.0)
    system.drain()
    assert cancelled
    assert len(judge.asked) <= 14
    assert rows(database, OPEN) == [(0,)]
    assert rows(database, "SELECT count(*) FROM judging.chunk WHERE lease_token IS NOT NULL") == [(0,)]


def test_a_judge_that_says_when_it_can_answer_again_is_waited_for():
    assert watch._patience(JudgeUnable("The rate limit is used up.", retry_after=40.0)) == watch.PATIENCE + 40
    assert (
        watch._patience(JudgeUnable("There is no key."))
        == watch._patience(Busy("The database is down."))
        == watch.PATIENCE
    )
    assert watch._patience(SpendLimitReached("Reached.")) == watch.LIMIT_PATIENCE


def test_an_asker_that_lost_its_connection_for_a_moment_is_not_gone_for_good(system, database, clock):
    """Another one finds its lock free then; once it is back, its leases and its calls are its own again."""
    other = asker_of(system, clock, Metered())

    def look(question, number):
        if not is_canary(question):
            other.step()

    put(system, Metered(look, concurrency=1))
    system.asker.step()
    system.asker._owned.lost(Busy("It was cut off."))
    assert other.gone(system.asker._token)
    ticket = submit(system, 4, stability_threshold=0.0)
    system.drain()
    other.close()
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    assert rows(database, "SELECT DISTINCT kind FROM judging.model_call") == [("verdict",)]


@pytest.mark.parametrize("kept", [5, 7])
def test_texts_that_were_at_hand_are_there_when_too_many_are_kept(system, database, monkeypatch, kept):
    monkeypatch.setattr(asker_module, "TEXTS_KEPT", kept)
    monkeypatch.setattr(asker_module, "CHUNKS_PER_STEP", 1)
    monkeypatch.setattr(waves, "CHUNK", 3)
    ticket = submit(system, 12, stability_threshold=0.0)
    system.drain()
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    assert rows(database, "SELECT DISTINCT kind FROM judging.verdict") == [("verdict",)]


def test_batches_of_one_judge_take_turns(system, database):
    """The one that is asked second does not wait until everything of the first is asked."""
    judge = Metered(concurrency=4)
    put(system, judge)
    tickets = [
        submit_texts(
            system, {f"{name}-{one}": f"Text {one} of {name}." for one in range(10)}, JUDGE, stability_threshold=0.0
        )
        for name in ("one", "other")
    ]
    settle(system)
    system.asker.step()
    batch_of = dict(rows(database, "SELECT id::text, batch_id FROM judging.model_call"))
    order = [batch_of[one.call_id] for one in judge.comparisons]
    assert {str(ticket.job_id) for ticket in tickets} == set(map(str, order))
    theirs = [place for place, batch in enumerate(order) if batch == order[0]]
    others = [place for place, batch in enumerate(order) if batch != order[0]]
    assert others[0] < theirs[len(theirs) // 2]


def test_what_a_dead_process_left_is_freed_while_another_is_busy(system, database, clock):
    """Its calls are lost, and its questions open, long before the other has nothing to do."""
    begun, gate, seen = Event(), Event(), []

    def hang(question, number):
        if not is_canary(question):
            begun.set()
            assert gate.wait(60)

    def look(question, number):
        clock.advance(asker_module.RENEW_SECONDS)
        seen.append(rows(database, "SELECT count(*) FROM judging.model_call WHERE kind = 'lost'")[0][0])

    dying = asker_of(system, clock, Metered(hang))
    submit(system, 4, stability_threshold=0.0)
    settle(system)
    thread = Thread(target=dying.step, daemon=True)
    thread.start()
    assert begun.wait(30)
    submit(system, 10, stability_threshold=0.0)
    settle(system)
    dying._owned.close()  # as the end of its process would
    put(system, Metered(look, concurrency=1, member="metered:b"))
    system.asker.step()
    assert seen[-1] > 0
    gate.set()
    thread.join(30)
    dying.close()


def process_that_ends_while_it_asks(system, clock, *, stopped=False) -> bool:
    """A process that asks all there is and is gone before any answer; False if there was nothing to ask.

    One that is `stopped` says so; else the next one finds that its session is gone.
    """
    begun, over, gate = Event(), Event(), Event()

    def hang(question, number):
        if not is_canary(question):
            begun.set()
            over.set()
            assert gate.wait(60)

    asking = asker_of(system, clock, Metered(hang))

    def work():
        with suppress(Busy):
            asking.step()
        over.set()

    thread = Thread(target=work, daemon=True)
    thread.start()
    assert over.wait(30)
    if begun.is_set() and not stopped:
        asking._owned.close()
        finds_it = asker_of(system, clock, Metered())
        finds_it.step()
        finds_it.close()
    asking.close()
    gate.set()
    thread.join(30)
    return begun.is_set()


def test_a_comparison_that_ends_every_process_that_asks_it_is_given_up(system, database, clock):
    ticket = submit(system, 2, stability_threshold=0.0, comparisons_per_essay=2)
    settle(system)
    ended = 0
    while rows(database, LEFT) != [(0,)] and ended < 20:  # one ends before it has asked both, now and then
        ended += process_that_ends_while_it_asks(system, clock)
    lost = "SELECT count(*) FROM judging.model_call WHERE kind = 'lost' AND detail = %s GROUP BY request_id"
    assert [row[0] for row in rows(database, lost, LOST)] == [SPARED + MAX_TRIES] * 2
    system.drain()
    assert books(database, ticket).status == "ERROR_PROCESSING"
    assert violations(database) == []


def test_a_process_that_people_stop_again_and_again_gives_no_comparison_up(system, database, clock):
    """Calls that take longer than a process waits at its end are lost each time; they say nothing of what was asked."""
    ticket = submit(system, 2, stability_threshold=0.0, comparisons_per_essay=2)
    settle(system)
    for _ in range(2 * (SPARED + MAX_TRIES)):
        assert process_that_ends_while_it_asks(system, clock, stopped=True)
    put(system, Metered())
    system.drain()
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    assert violations(database) == []
