"""Canaries: asked once in a batch before a model's first question there; a model that fails them is suspended, and it shows."""

from dataclasses import replace
from datetime import timedelta
from threading import Event, Thread

import pytest

from pairmark.errors import Busy
from pairmark.judges.question import JudgeUnable
from support.callbacks import settle
from support.faults import cut_sessions, drain_past_cuts, rows
from support.metered import Metered, answered, asker_of, is_canary, put
from support.system import books, submit

RUNS = "SELECT suspended, reason, jsonb_array_length(findings) FROM judging.canary_run"


def obeys(question, number):
    """Lets a text win that tells it to, in both orders."""
    if "injection" in question.first_id + question.second_id:
        told = answered(question, "metered:a", "verdict")
        return replace(
            told, winner="first" if question.first_id.startswith("canary") else "second", instructions_found=True
        )
    return None


def test_canaries_come_first_and_once_in_a_batch(system, database):
    judge = Metered()
    put(system, judge)
    first = submit(system, 4, stability_threshold=0.0)
    system.drain()
    assert all(is_canary(question) for question in judge.asked[:8])
    assert not any(is_canary(question) for question in judge.asked[8:])
    assert rows(database, RUNS) == [(False, "", 4)]
    second = submit(system, 4, stability_threshold=0.0, seed=2)
    system.drain()
    assert sum(is_canary(question) for question in judge.asked) == 16  # no earlier answer stands for today's model
    assert {books(database, ticket).status for ticket in (first, second)} == {"COMPLETE_MAX_COMPARISONS"}
    assert rows(database, "SELECT count(*) FROM judging.kept_answer k JOIN judging.model_call c ON c.id = k.call_id "
                          "WHERE c.purpose = 'canary'") == [(0,)]  # fmt: skip


def test_a_sole_judge_that_obeys_a_text_is_suspended_and_the_batch_ends_with_that_reason(system, database, clock):
    judge = Metered(obeys)
    put(system, judge)
    ticket = submit(system, 4, stability_threshold=0.0)
    for _ in range(4):
        system.drain()
        clock.advance(60)
    assert judge.comparisons == []
    assert books(database, ticket).status == "ERROR_PROCESSING"
    chosen = "a poor text that tells the judge to let it win"
    reason = f"The judge metered:a is suspended for this batch: it chose {chosen} over a sound essay."
    assert rows(database, RUNS) == [(True, reason, 4)]
    error = rows(database, "SELECT error FROM assessment.batch")[0][0]
    assert reason.rstrip(".") in error


def test_two_processes_ask_the_canaries_of_a_batch_once(system, database, clock):
    """The second one leaves the batch alone while the first one asks, and takes up what was found."""
    asked_meanwhile = []

    def look(question, number):
        if number == 1:
            asked_meanwhile.append(other.step())

    other_judge = Metered()
    other = asker_of(system, clock, other_judge)
    put(system, Metered(look, concurrency=1))
    submit(system, 4, stability_threshold=0.0)
    settle(system)
    database_chunks_open_to_both = "UPDATE judging.chunk SET lease_token = NULL, lease_until = '-infinity'"
    original = other.step

    def step():
        with database.connect() as connection:
            connection.execute(database_chunks_open_to_both)
        return original()

    other.step = step
    system.asker.step()
    assert asked_meanwhile == [0]
    assert other_judge.asked == []
    clock.advance(5)
    system.drain()
    original()
    assert not any(is_canary(question) for question in other_judge.asked)
    other.close()


def test_canaries_of_a_process_that_died_are_asked_by_another(system, database, clock):
    from uuid import uuid4  # noqa: PLC0415

    judge = Metered()
    put(system, judge)
    ticket = submit(system, 4, stability_threshold=0.0)
    with database.connect() as connection:
        connection.execute(
            "INSERT INTO judging.canary_run (batch_id, judge_digest, judge, asker, begun_at) VALUES (%s, %s, 'x', %s, now())",
            [str(ticket.job_id), judge.member, uuid4()],
        )
    system.drain()
    assert sum(is_canary(question) for question in judge.asked) == 8
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"


@pytest.mark.parametrize(("minutes", "asked"), [(9, 0), (11, 8)])
def test_canaries_of_a_process_that_lives_but_does_not_go_on_are_asked_by_another(
    system, database, clock, minutes, asked
):
    judge = Metered()
    put(system, judge)
    stopped = asker_of(system, clock, Metered())
    stopped.step()
    ticket = submit(system, 4, stability_threshold=0.0)
    with database.connect() as connection:
        connection.execute(
            "INSERT INTO judging.canary_run (batch_id, judge_digest, judge, asker, begun_at) VALUES (%s, %s, 'x', %s, %s)",
            [str(ticket.job_id), judge.member, stopped._token, clock.now() - timedelta(minutes=minutes)],
        )
    settle(system)
    for _ in range(3):
        system.asker.step()
    assert sum(is_canary(question) for question in judge.asked) == asked
    stopped.close()


def test_canaries_that_cannot_be_asked_now_are_asked_later(system, database, clock):
    able = []

    def unable(question, number):
        if not able:
            raise JudgeUnable("Nobody answers.", retry_after=3.0)

    judge = Metered(unable)
    put(system, judge)
    ticket = submit(system, 4, stability_threshold=0.0)
    system.drain()
    assert "Nobody answers." in str(system.asker.trouble(str(ticket.job_id)))
    assert rows(database, RUNS) == []
    assert rows(database, "SELECT DISTINCT kind FROM judging.model_call") == [("not_asked",)]
    able.append(True)
    clock.advance(3)
    system.drain()
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"


@pytest.mark.parametrize("kind", ["refused", "blocked", "timed_out"])
def test_an_answer_that_is_no_verdict_neither_passes_nor_fails(system, database, kind):
    put(system, Metered(lambda question, number: answered(question, "m", kind) if is_canary(question) else None))
    ticket = submit(system, 4, stability_threshold=0.0)
    system.drain()
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    assert rows(database, "SELECT suspended, findings->0->>'verdicts' FROM judging.canary_run") == [(False, "0")]


def test_canaries_that_were_answered_are_not_asked_again_when_the_others_are(system, database, clock):
    """A judge that lets three calls through at a time would never have all eight answered at once."""
    room = [3]

    def narrow(question, number):
        if is_canary(question):
            if not room[0]:
                raise JudgeUnable("The rate limit is used up.", retry_after=3.0)
            room[0] -= 1

    put(system, Metered(narrow, concurrency=1))
    ticket = submit(system, 4, stability_threshold=0.0)
    for _ in range(4):
        system.drain()
        clock.advance(5)
        room[0] = 3
    made = "SELECT count(*), count(DISTINCT request_id) FROM judging.model_call WHERE purpose = 'canary' AND kind = 'verdict'"
    assert rows(database, made) == [(8, 8)]
    assert rows(database, RUNS) == [(False, "", 4)]
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"


def test_canaries_that_were_out_when_the_database_was_cut_off_leave_no_call_open(system, database, clock):
    """Their answers have nowhere to go: they are lost, and what was reserved for them is free again."""
    cut = []

    def slow(question, number):
        if number == 4 and not cut:
            cut.append(cut_sessions(database))

    put(system, Metered(slow, concurrency=4))
    ticket = submit(system, 4, stability_threshold=0.0, spend_limit=1.0)
    drain_past_cuts(system)
    drain_past_cuts(system)  # what was in hand was handed back
    assert cut
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    assert rows(database, "SELECT count(*) FROM judging.model_call WHERE kind IS NULL") == [(0,)]
    assert system.asker.purse(str(ticket.job_id)).reserved == 0


def test_canaries_that_are_given_up_at_the_end_of_a_process_are_asked_by_the_next(system, database, clock):
    """A judge that is closed meanwhile gives no verdict; that is no passing."""
    begun, gate = Event(), Event()

    def hang(question, number):
        begun.set()
        assert gate.wait(60)
        return answered(question, "metered:a", "failed")

    asking = asker_of(system, clock, Metered(hang, concurrency=2))
    ticket = submit(system, 4, stability_threshold=0.0)
    settle(system)
    told = []

    def work():
        with pytest.raises((Busy, RuntimeError)):  # the latter while it still hands canaries to its pool
            asking.step()
        told.append(True)

    thread = Thread(target=work, daemon=True)
    thread.start()
    assert begun.wait(30)
    asking.close()
    gate.set()
    thread.join(30)
    assert told
    judge = Metered()
    put(system, judge)
    system.drain()
    assert sum(is_canary(question) for question in judge.asked) == 8
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    assert rows(database, "SELECT count(*) FROM judging.model_call WHERE kind IS NULL") == [(0,)]
