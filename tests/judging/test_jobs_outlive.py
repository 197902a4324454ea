"""Jobs outlive processes: restarts, crashes at every step, providers that are away, answers that come late."""

import psycopg
import pytest

from pairmark.bootstrap import System
from pairmark.services.judging import jobs as jobs_module
from support.faults import rows
from support.in_jobs import (
    ALL,
    DAY,
    KINDS,
    ONCE,
    STATES,
    Crash,
    another,
    check,
    crash_at,
    judge_of,
    run_to_its_end,
)
from support.invariants import violations
from support.over_http import differences
from support.providers import BatchPlan
from support.system import books, submit

pytest.importorskip("pydantic_ai")


@pytest.mark.parametrize("provider", ALL)
def test_a_job_outlives_the_process_that_handed_it_in(system, database, clock, providers, provider):
    fake = providers(plan=BatchPlan(polls=2))
    ticket = submit(system, 8, judge=judge_of(provider), stability_threshold=0.0)
    system.drain()
    assert rows(database, STATES) == [("sent", 1)]
    calls = rows(database, "SELECT count(*) FROM judging.model_call WHERE kind IS NULL")
    second = another(system, database, clock)
    clock.advance(DAY / 2)
    second.drain()
    assert rows(database, "SELECT count(*) FROM judging.model_call WHERE kind = 'lost'") == [(0,)]
    assert rows(database, "SELECT count(*) FROM judging.model_call WHERE kind IS NULL") == calls
    assert len(fake.jobs.all(next(iter(fake.jobs._jobs.values())).dialect)) == 1
    run_to_its_end(second, database, clock, ticket, step=700)
    second.close()
    check(database, fake, ticket)


@pytest.mark.parametrize(
    ("provider", "point"),
    [
        ("openai", "judging.job_written"),
        ("openai", "judging.job_collected"),
        ("anthropic", "judging.job_partly_recorded"),
        *((provider, "judging.job_submitted") for provider in ALL),
    ],
)
def test_a_crash_anywhere_costs_no_verdict_and_no_second_job(
    system, database, clock, providers, provider, point, monkeypatch
):
    """Also between handing a job in and noting it: the job is found where the provider lists it."""
    monkeypatch.setattr(jobs_module, "RECORDED_TOGETHER", 7)
    fake = providers(plan=BatchPlan(polls=1))
    ticket = submit(system, 8, judge=judge_of(provider), stability_threshold=0.0)
    crash_at(point)
    with pytest.raises(Crash):
        run_to_its_end(system, database, clock, ticket)
    second = another(system, database, clock)
    run_to_its_end(second, database, clock, ticket)
    second.close()
    check(database, fake, ticket)
    asked = [entry.request_id for entry in fake.book.entries]
    assert len(asked) == len(set(asked))
    assert len(fake.jobs._jobs) == rows(database, "SELECT count(*) FROM judging.job")[0][0]


def test_a_job_that_nobody_can_find_is_handed_in_again(system, database, clock, providers):
    fake = providers()
    ticket = submit(system, 6, judge=judge_of("anthropic"), stability_threshold=0.0)
    crash_at("judging.job_submitted")
    with pytest.raises(Crash):
        system.drain()
    fake.jobs._jobs.clear()
    second = another(system, database, clock)
    run_to_its_end(second, database, clock, ticket)
    second.close()
    check(database, fake, ticket)
    assert rows(database, "SELECT max(submissions) FROM judging.job") == [(2,)]


def test_a_job_of_somebody_else_that_looks_like_ours_is_given_back(system, database, clock, providers):
    """Anthropic lists no requests, so a job of the same size and time is taken until its results tell."""
    fake = providers()
    ticket = submit(system, 6, judge=judge_of("anthropic"), stability_threshold=0.0)
    crash_at("judging.job_submitted")
    with pytest.raises(Crash):
        system.drain()
    for line in next(iter(fake.jobs._jobs.values())).lines:
        line.custom_id = f"theirs-{line.custom_id}"[:40]
    second = another(system, database, clock)
    run_to_its_end(second, database, clock, ticket)
    second.close()
    assert books(database, ticket).status.startswith("COMPLETE_")
    assert rows(database, "SELECT cardinality(strangers) FROM judging.job ORDER BY begun_at LIMIT 1") == [(1,)]
    assert rows(database, ONCE) == [(0,)]
    assert violations(database) == []


def test_a_job_that_never_ends_is_given_up_after_a_day_and_its_late_answers_change_nothing(
    system, database, clock, providers
):
    fake = providers(plan=BatchPlan(polls=10_000))
    ticket = submit(system, 6, judge=judge_of("openai"), stability_threshold=0.0)
    system.drain()
    clock.advance(DAY + 3_700)
    late = next(iter(fake.jobs._jobs.values()))
    fake.jobs.plan = BatchPlan(polls=1)
    late.polls = -10_000
    system.drain()
    assert rows(database, STATES)[0] == ("given_up", 1)
    assert late.state == "cancelling"
    fake.jobs.look(late)
    assert late.state == "ended"
    run_to_its_end(system, database, clock, ticket)
    check_late = "SELECT kind, count(cost), count(*) > 0 FROM judging.model_call WHERE detail = %s GROUP BY 1"
    with database.connect() as connection:
        assert connection.execute(check_late, [jobs_module.GIVEN_UP]).fetchall() == [("timed_out", 0, True)]
    assert books(database, ticket).status.startswith("COMPLETE_")
    assert rows(database, ONCE) == [(0,)]
    assert rows(database, "SELECT perhaps > 0 FROM judging.purse") == [(True,)]
    assert differences(database, fake.book.entries) == []


def test_a_wrong_key_spends_no_try_and_is_told(system, database, clock, providers, monkeypatch):
    fake = providers()
    ticket = submit(system, 6, judge=judge_of("openai"), stability_threshold=0.0)
    crash_at("judging.job_written")
    with pytest.raises(Crash):
        system.drain()
    system.close()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-wrong-key-indeed")
    second = System(database, clock=clock)
    second.drain()
    told = str(second.asker.trouble(str(ticket.job_id)))
    assert "refuses the key" in told
    assert rows(database, STATES) == [("refused", 1)]
    assert rows(database, KINDS) == [("not_asked", rows(database, "SELECT count(*) FROM judging.job_call")[0][0])]
    assert rows(database, "SELECT reserved, perhaps FROM judging.purse") == [(0, 0)]
    second.close()
    monkeypatch.setenv("OPENAI_API_KEY", fake.scene.keys["openai"])
    third = System(database, clock=clock)
    run_to_its_end(third, database, clock, ticket)
    third.close()
    check(database, fake, ticket)


@pytest.mark.parametrize(
    ("provider", "polls", "step"), [("google", 0, "judging.job_submitted"), ("openai", 2, "judging.job_written")]
)
def test_after_days_without_a_process_a_job_that_ended_is_collected_and_one_never_handed_in_gets_its_whole_day(
    system, database, clock, providers, provider, polls, step
):
    fake = providers(plan=BatchPlan(polls=polls))
    ticket = submit(system, 6, judge=judge_of(provider), stability_threshold=0.0)
    crash_at(step)
    with pytest.raises(Crash):
        system.drain()
    clock.advance(3 * DAY)
    second = another(system, database, clock)
    run_to_its_end(second, database, clock, ticket)
    second.close()
    check(database, fake, ticket)
    assert dict(rows(database, STATES)).keys() == {"ended"}


def test_a_provider_that_is_away_for_a_while_is_asked_again(system, database, clock, providers):
    fake = providers()
    ticket = submit(system, 6, judge=judge_of("openai"), stability_threshold=0.0)
    system.drain()
    known, fake.jobs.look = fake.jobs.look, None  # the server falls over
    clock.advance(31)
    system.drain()
    fake.jobs.look = known
    assert fake.faults.pop()
    assert rows(database, STATES) == [("sent", 1)]
    run_to_its_end(system, database, clock, ticket)
    check(database, fake, ticket)


def test_two_processes_look_after_the_same_jobs(system, database, clock, providers):
    fake = providers(plan=BatchPlan(polls=1))
    ticket = submit(system, 8, judge=judge_of("anthropic"), stability_threshold=0.0)
    system.drain()
    second = System(database, clock=clock)
    for _ in range(12):
        clock.advance(61)
        second.drain()
        system.drain()
    second.close()
    check(database, fake, ticket)
    asked = [entry.request_id for entry in fake.book.entries]
    assert len(asked) == len(set(asked))


def test_the_database_ends_a_job_once_and_whole(system, database, providers):
    providers()
    submit(system, 4, judge=judge_of("openai"), stability_threshold=0.0)
    system.drain()
    with database.connect("judging") as connection:
        with pytest.raises(psycopg.Error, match="has calls without an outcome"):
            connection.execute("UPDATE job SET state = 'ended', ended_at = now()")
        connection.execute("UPDATE model_call SET kind = 'not_asked', ended_at = now(), cost = 0 WHERE kind IS NULL")
        connection.execute("UPDATE job SET state = 'refused', ended_at = now()")
        with pytest.raises(psycopg.Error, match="ended before"):
            connection.execute("UPDATE job SET state = 'written', ended_at = NULL")
        with pytest.raises(psycopg.Error):
            connection.execute("INSERT INTO job_call SELECT call_id, job_id, chunk_id FROM job_call LIMIT 1")


def test_a_job_whose_texts_are_gone_when_it_is_looked_for_ends_and_keeps_no_money_aside(
    system, database, clock, providers
):
    providers(plan=BatchPlan(polls=0))
    ticket = submit(system, 6, judge=judge_of("openai"), stability_threshold=0.0)
    crash_at("judging.job_submitted")
    with pytest.raises(Crash):
        system.drain()
    with database.connect() as connection:
        connection.execute("TRUNCATE content.text CASCADE")
    clock.advance(61)
    second = another(system, database, clock)
    run_to_its_end(second, database, clock, ticket)
    second.close()
    assert rows(database, STATES) == [("refused", 1)]
    assert rows(database, "SELECT count(*) FROM judging.model_call WHERE kind IS NULL") == [(0,)]
    assert rows(database, "SELECT reserved FROM judging.purse") == [(0,)]
    assert books(database, ticket).status == "ERROR_PROCESSING"
