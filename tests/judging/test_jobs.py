"""Whole assessments by the batch APIs over HTTP: half the price, any order, parts that fail, cancelled and limited ones."""

import pytest

from pairmark.assessing import Progress
from pairmark.cli.live import Live
from pairmark.errors import BadRequest
from pairmark.judges.llm.config import LlmOptions
from pairmark.judges.spec import parse_judge, parse_panel
from pairmark.report.judge_words import with_the_provider
from support.faults import rows
from support.in_jobs import (
    ALL,
    KINDS,
    MODELS,
    ONCE,
    STATES,
    check,
    judge_of,
    run_to_its_end,
)
from support.invariants import violations
from support.over_http import differences
from support.providers import BatchPlan
from support.system import books, submit

pytest.importorskip("pydantic_ai")


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


def test_what_is_with_the_provider_is_told_to_whoever_waits(system, database, clock, providers):
    providers(plan=BatchPlan(polls=2))
    ticket = submit(system, 6, judge=judge_of("openai"), stability_threshold=0.0)
    system.drain()
    out = system.judging.jobs_out(str(ticket.job_id))
    flying = rows(database, "SELECT count(*) FROM judging.model_call WHERE kind IS NULL")
    assert [(out.questions,)] == flying
    assert (out.jobs, out.since) == (1, clock.now())
    assert with_the_provider(out).startswith(f"{out.questions} comparisons with the provider in 1 job since ")
    run_to_its_end(system, database, clock, ticket)
    assert system.judging.jobs_out(str(ticket.job_id)) is None


def test_several_things_that_hold_for_long_are_each_said_once(system, database, clock, providers, capsys):
    providers(plan=BatchPlan(polls=2))
    ticket = submit(system, 6, judge=judge_of("openai"), stability_threshold=0.0)
    system.drain()
    batch, out = system.assessment.batch(ticket.job_id), system.judging.jobs_out(str(ticket.job_id))
    with Live() as live:
        for _ in range(5):
            live.show(Progress(batch, watching=True, trouble="The provider is slow.", found="unfinished", jobs=out))
    said = capsys.readouterr().err
    for sentence in ("Another pairmark process", "The provider is slow.", "with the provider in 1 job"):
        assert said.count(sentence) == 1


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


def test_members_of_a_panel_have_jobs_of_their_own(system, database, clock, providers):
    """A chunk with questions in two jobs comes up again when both have ended; what one model failed, the other is asked."""
    fake = providers("15% invalid", BatchPlan(polls=2), seed=5)
    names = [f"openai:{MODELS['openai'].name}=60%", f"anthropic:{MODELS['anthropic'].name}=40%"]
    judge = parse_panel(names, LlmOptions(batch=True)).canonical
    ticket = submit(system, 8, judge=judge, stability_threshold=0.0)
    run_to_its_end(system, database, clock, ticket)
    check(database, fake, ticket)
    assert {row[0] for row in rows(database, "SELECT DISTINCT judge FROM judging.job")} == {
        name.partition("=")[0] for name in names
    }
    assert not [entry for entry in fake.book.entries if not entry.batch][16:]  # canaries alone are asked singly
