"""Whole assessments by the batch APIs over HTTP: half the price, any order, parts that fail, restarts, answers that come late."""

import json

import psycopg
import pytest

from pairmark.bootstrap import System
from pairmark.errors import BadRequest
from pairmark.judges.llm.config import LlmOptions
from pairmark.judges.spec import parse_judge
from pairmark.services.judging import jobs as jobs_module
from pairmark.storage import faults
from support.faults import rows
from support.invariants import violations
from support.over_http import CARD, differences, lead_to, scene
from support.providers import BatchPlan, Card, FakeProviders
from support.system import books, submit

pytest.importorskip("pydantic_ai")

MODELS = {
    "openai": CARD,
    "anthropic": Card("examiner-a", "anthropic", input=1.0, cached=0.1, cache_write=1.25, output=4.0),
    "google": Card("examiner-g", "google", input=1.0, cached=0.1, output=4.0),
}
ALL = list(MODELS)
ONCE = """
SELECT count(*) FROM assessment.comparison c WHERE 1 <> (
    SELECT count(*) FROM assessment.judgement j WHERE j.batch_id = c.batch_id AND j.ordinal = c.ordinal AND j.closing)
"""
STATES = "SELECT state, count(*) FROM judging.job GROUP BY 1 ORDER BY 1"
KINDS = "SELECT kind, count(*) FROM judging.model_call WHERE purpose = 'comparison' GROUP BY 1"
DAY = 86_400


class Crash(BaseException):
    """The process is no more."""


def crash_at(point, number=1):
    reached = []

    def act(name):
        if name == point:
            reached.append(name)
            if len(reached) == number:
                faults.install(None)
                raise Crash

    faults.install(act)


@pytest.fixture(autouse=True)
def no_fault():
    yield
    faults.install(None)


def judge_of(provider, **options):
    return parse_judge(f"{provider}:{MODELS[provider].name}", LlmOptions(batch=True, **options)).canonical


@pytest.fixture
def providers(monkeypatch, tmp_path):
    started = []

    def start(rules="", plan=None, **fields):
        fake = FakeProviders(scene(rules, cards=list(MODELS.values()), batch=plan or BatchPlan(), **fields)).start()
        started.append(fake)
        lead_to(fake.environment(), monkeypatch, tmp_path)
        prices = {
            f"{name}:{card.name}": {
                "input": card.input,
                "cached": card.cached,
                "written": card.cache_write,
                "output": card.output,
            }
            for name, card in MODELS.items()
        }
        (tmp_path / "prices.json").write_text(json.dumps(prices))
        return fake

    yield start
    for fake in started:
        fake.close()
        assert fake.faults == []


def run_to_its_end(system, database, clock, ticket, step=61.0, most=60):
    system.drain()
    for _ in range(most):
        if books(database, ticket).status != "PERFORMING_COMPARISONS":
            return
        clock.advance(step)
        system.drain()


def check(database, fake, ticket):
    assert books(database, ticket).status.startswith("COMPLETE_")
    assert differences(database, fake.book.entries) == []
    assert rows(database, ONCE) == [(0,)]
    assert rows(database, "SELECT count(*) FROM judging.chunk WHERE in_jobs") == [(0,)]
    assert violations(database) == []


@pytest.mark.parametrize("provider", ALL)
def test_a_whole_assessment_in_jobs_at_half_the_price(system, database, clock, providers, provider):
    fake = providers(plan=BatchPlan(polls=2))
    ticket = submit(system, 10, judge=judge_of(provider), stability_threshold=0.0)
    run_to_its_end(system, database, clock, ticket)
    check(database, fake, ticket)
    in_jobs = [entry for entry in fake.book.entries if entry.batch]
    alone = [entry for entry in fake.book.entries if not entry.batch]
    assert len(alone) == 8  # canaries, which are asked at once and at full price
    assert len(in_jobs) == rows(database, "SELECT count(*) FROM judging.verdict")[0][0] > 0
    spent = sum(entry.charged for entry in in_jobs)
    card = MODELS[provider]
    full = sum(
        (entry.input_tokens - entry.cached_tokens - entry.written_tokens) * card.input
        + entry.cached_tokens * card.cached
        + entry.written_tokens * card.cache_write
        + entry.output_tokens * card.output
        for entry in in_jobs
    )
    assert spent == pytest.approx(full / 2e6)
    ours = rows(database, "SELECT sum(cost)::float8 FROM judging.model_call WHERE purpose = 'comparison'")[0][0]
    assert ours == pytest.approx(spent)
    assert dict(rows(database, STATES)).keys() == {"ended"}
    assert len({entry.batch for entry in in_jobs}) <= 4


@pytest.mark.parametrize("provider", ALL)
def test_parts_that_fail_or_never_run_are_asked_again(system, database, clock, providers, provider):
    plan = BatchPlan(ends="expired", unrun=0.15, twice=0.2, stranger=True)
    fake = providers("5% refusal, 10% invalid, 10% 500", plan, seed=6)
    ticket = submit(system, 10, judge=judge_of(provider), stability_threshold=0.0)
    run_to_its_end(system, database, clock, ticket)
    check(database, fake, ticket)
    kinds = dict(rows(database, KINDS))
    assert {"verdict", "timed_out", "failed"} <= kinds.keys()
    told = "SELECT DISTINCT cost::float8 FROM judging.model_call WHERE kind IN ('timed_out', 'failed')"
    assert rows(database, told) == [(0.0,)]
    assert max(row[0] for row in rows(database, "SELECT max(try) FROM judging.model_call")) in (2, 3)


@pytest.mark.parametrize("provider", ALL)
def test_a_part_without_a_result_may_have_been_charged(system, database, clock, providers, provider):
    fake = providers(plan=BatchPlan(missing=0.2), seed=3)
    ticket = submit(system, 8, judge=judge_of(provider), stability_threshold=0.0)
    run_to_its_end(system, database, clock, ticket)
    check(database, fake, ticket)
    lost = "SELECT count(*), count(cost) FROM judging.model_call WHERE detail = %s"
    with database.connect() as connection:
        missing, known = connection.execute(lost, ["the job ended without a result for this request"]).fetchone()
    assert missing > 0
    assert known == 0
    assert rows(database, "SELECT perhaps > 0 FROM judging.purse") == [(True,)]


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_results_that_come_twice_or_contradict_each_other_are_one_verdict(system, database, clock, providers, provider):
    fake = providers(plan=BatchPlan(twice=0.3, contradicted=0.4, stranger=True), seed=3)
    ticket = submit(system, 8, judge=judge_of(provider), stability_threshold=0.0)
    run_to_its_end(system, database, clock, ticket)
    assert books(database, ticket).status.startswith("COMPLETE_")
    asked = rows(database, "SELECT count(*) FROM judging.model_call WHERE purpose = 'comparison'")[0][0]
    assert rows(database, "SELECT count(*), count(DISTINCT call_id) FROM judging.verdict") == [(asked, asked)]
    told = (
        "SELECT count(*) FROM judging.verdict v JOIN judging.model_call c ON c.id = v.call_id AND c.winner = v.winner"
    )
    assert rows(database, told) == [(asked,)]
    assert rows(database, ONCE) == [(0,)]
    assert sum(entry.charged for entry in fake.book.entries) == pytest.approx(
        rows(database, "SELECT spent::float8 FROM judging.purse")[0][0]
    )
    assert violations(database) == []


def another(system, database, clock):
    """The process ends; another one begins over the same database."""
    system.close()
    return System(database, clock=clock)


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


def test_waiting_for_a_job_is_no_reason_to_end_a_batch(system, database, clock, providers):
    providers(plan=BatchPlan(polls=10_000))
    ticket = submit(system, 6, judge=judge_of("openai"), stability_threshold=0.0)
    system.drain()
    for _ in range(11):
        clock.advance(2 * 3_600)
        system.drain()
        for monitor in (system.monitor.sweep, system.monitor.recover):
            monitor()
    assert books(database, ticket).status == "PERFORMING_COMPARISONS"
    assert rows(database, "SELECT reasks FROM assessment.batch") == [(0,)]
    assert rows(database, STATES) == [("sent", 1)]


def test_a_batch_that_is_cancelled_stops_its_job(system, database, clock, providers):
    fake = providers(plan=BatchPlan(polls=10_000))
    ticket = submit(system, 6, judge=judge_of("anthropic"), stability_threshold=0.0)
    system.drain()
    system.finalization.cancel(ticket.job_id, "a test")
    system.drain()
    for _ in range(3):
        clock.advance(700)
        system.drain()
    assert next(iter(fake.jobs._jobs.values())).ends == "cancelled"
    assert rows(database, STATES) == [("ended", 1)]
    assert rows(database, "SELECT reserved FROM judging.purse") == [(0,)]
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


def test_jobs_keep_a_spend_limit(system, database, clock, providers):
    """Only what the purse pays for goes into a job; the rest follows when it is known what that cost."""
    fake = providers()
    ticket = submit(system, 8, judge=judge_of("openai"), stability_threshold=0.0, spend_limit=0.2)
    run_to_its_end(system, database, clock, ticket)
    check(database, fake, ticket)
    assert rows(database, "SELECT count(*) FROM judging.job")[0][0] > 3
    assert sum(entry.charged for entry in fake.book.entries) <= 0.2


@pytest.mark.parametrize("name", ["openrouter:vendor/model", "http://127.0.0.1:9/v1#model"])
def test_a_judge_without_a_batch_api_is_refused_in_a_sentence(name):
    with pytest.raises(BadRequest, match="has no batch API: only OpenAI, Anthropic and Google have one"):
        parse_judge(name, LlmOptions(batch=True))


def test_a_job_that_ended_while_no_process_was_there_is_collected_days_later(system, database, clock, providers):
    fake = providers(plan=BatchPlan(polls=0))
    ticket = submit(system, 6, judge=judge_of("google"), stability_threshold=0.0)
    crash_at("judging.job_submitted")
    with pytest.raises(Crash):
        system.drain()
    clock.advance(3 * DAY)
    second = another(system, database, clock)
    run_to_its_end(second, database, clock, ticket)
    second.close()
    check(database, fake, ticket)
    assert dict(rows(database, STATES)).keys() == {"ended"}


def test_a_job_that_was_written_down_and_never_handed_in_gets_its_whole_day(system, database, clock, providers):
    fake = providers(plan=BatchPlan(polls=2))
    ticket = submit(system, 6, judge=judge_of("openai"), stability_threshold=0.0)
    crash_at("judging.job_written")
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
