"""Several models before one batch: who is written down is asked, who is suspended or unable is passed over."""

from dataclasses import replace

import pytest

from pairmark.judges.llm.config import LlmOptions
from pairmark.judges.panel import Panel
from pairmark.judges.spec import build_judge, parse_panel
from support.faults import rows
from support.over_http import CARD, lead_to, scene
from support.providers import Card, FakeProviders, Traits
from support.system import books, submit

pytest.importorskip("pydantic_ai")

MODELS = ("openai:examiner-1", "anthropic:examiner-2")
CARDS = [CARD, Card("examiner-2", "anthropic")]
TOLD = "SELECT DISTINCT judge FROM judging.model_call WHERE purpose = 'comparison' AND kind = 'verdict' ORDER BY 1"
AS_WRITTEN = """
SELECT count(*) FROM judging.verdict v JOIN judging.model_call c ON c.id = v.call_id WHERE v.judge <> c.judge
"""


def panel():
    return build_judge(parse_panel(MODELS, LlmOptions()))


def of_panel(system, database, **design):
    spec = parse_panel(MODELS, LlmOptions())
    return submit(system, 6, judge=spec.canonical, stability_threshold=0.0, **design)


def test_a_question_goes_to_the_member_that_was_foretold_and_to_no_other():
    judge = panel()
    assert isinstance(judge, Panel)
    from pairmark.judges.question import Question  # noqa: PLC0415

    questions = [Question("r", f"a{n}", f"b{n}", f"text {n}", f"other {n}", 0, 1) for n in range(40)]
    forecasts = [judge.forecast(question) for question in questions]
    assert {one.judge for one in forecasts} == set(MODELS)
    for question, forecast in zip(questions, forecasts, strict=True):
        pinned = replace(question, attempt=2, member=forecast.digest)
        assert judge.member_for(pinned).config.digest == forecast.digest
        other = judge.forecast(question, frozenset([forecast.digest]))
        assert other.digest != forecast.digest
        assert judge.forecast(question, frozenset([forecast.digest, other.digest])) is None


def test_a_member_that_obeys_a_text_is_suspended_and_the_other_goes_on(system, database, monkeypatch, tmp_path):
    with FakeProviders(scene(cards=CARDS, judges={"examiner-2": Traits(gullible=True)})) as providers:
        lead_to(providers.environment(), monkeypatch, tmp_path)
        ticket = of_panel(system, database)
        system.drain()
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    assert rows(database, "SELECT judge, suspended FROM judging.canary_run ORDER BY 1") == [
        (MODELS[1], True),
        (MODELS[0], False),
    ]
    assert rows(database, TOLD) == [(MODELS[0],)]
    assert rows(database, AS_WRITTEN) == [(0,)]


def test_a_member_that_is_unable_is_passed_over(system, database, monkeypatch, tmp_path):
    """No key for one of them: the batch is the other's, and no try is spent."""
    with FakeProviders(scene(cards=CARDS)) as providers:
        lead_to(providers.environment() | {"ANTHROPIC_API_KEY": ""}, monkeypatch, tmp_path)
        ticket = of_panel(system, database)
        system.drain()
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    assert rows(database, TOLD) == [(MODELS[0],)]
    assert rows(database, "SELECT max(try) FROM judging.model_call") == [(1,)]


def test_both_members_judge_and_each_verdict_is_of_whom_the_book_names(system, database, monkeypatch, tmp_path):
    with FakeProviders(scene(cards=CARDS)) as providers:
        lead_to(providers.environment(), monkeypatch, tmp_path)
        ticket = of_panel(system, database)
        system.drain()
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    assert rows(database, TOLD) == [(name,) for name in sorted(MODELS)]
    assert rows(database, AS_WRITTEN) == [(0,)]


def test_a_member_that_is_no_model_costs_nothing_and_meets_no_canary(system, database, monkeypatch, tmp_path):
    named = (MODELS[0], "simulated:sd=1,seed=3")
    with FakeProviders(scene(cards=CARDS)) as providers:
        lead_to(providers.environment(), monkeypatch, tmp_path)
        spec = parse_panel(named, LlmOptions())
        ticket = submit(system, 6, judge=spec.canonical, stability_threshold=0.0)
        system.drain()
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    assert rows(database, TOLD) == [(MODELS[0],), ("simulated",)]
    assert rows(database, AS_WRITTEN) == [(0,)]
    assert rows(database, "SELECT judge FROM judging.canary_run") == [(MODELS[0],)]
    assert rows(database, "SELECT DISTINCT cost FROM judging.model_call WHERE judge = 'simulated'") == [(0,)]
    kept = "SELECT count(*) FROM judging.kept_answer k JOIN judging.model_call c ON c.id = k.call_id WHERE c.judge = 'simulated'"
    assert rows(database, kept) == [(0,)]
