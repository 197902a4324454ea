"""Whole assessments by the batch APIs over HTTP: half the price, any order, parts that fail, restarts, answers that come late."""

import json

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
