"""Whole assessments over HTTP: whatever goes wrong, every comparison counts once, and the money is the provider's own."""

import pytest

from pairmark.clock import SystemClock
from support.faults import rows
from support.hostile import essays_of
from support.in_jobs import ALL, MODELS
from support.invariants import violations
from support.model_batches import submit_texts
from support.over_http import JUDGE, differences, lead_to, scene
from support.processes import KILLED, Journal, Nursery
from support.providers import FakeProviders, Traits
from support.system import books, submit

pytest.importorskip("pydantic_ai")

WRONG = "5% refusal, 5% invalid, 5% 429(retry_after=0.05), 2% 500, cut at 60"
ONCE = """
SELECT count(*) FROM assessment.comparison c WHERE 1 <> (
    SELECT count(*) FROM assessment.judgement j WHERE j.batch_id = c.batch_id AND j.ordinal = c.ordinal AND j.closing)
"""
FROM_CALLS = """
SELECT count(*) FROM judging.verdict v LEFT JOIN judging.model_call c ON c.id = v.call_id
WHERE (c.kind, c.winner) IS DISTINCT FROM (v.kind, v.winner)
"""


def run_to_its_end(system, database, clock, ticket) -> None:
    """Tries in vain wait half a minute at most."""
    system.drain()
    while books(database, ticket).status == "PERFORMING_COMPARISONS":
        clock.advance(31)
        system.drain()


def check(database, entries, ticket) -> None:
    assert books(database, ticket).status.startswith("COMPLETE_")
    assert differences(database, entries) == []
    assert rows(database, ONCE) == [(0,)]
    assert rows(database, FROM_CALLS) == [(0,)]
    assert violations(database) == []


def test_a_whole_assessment_with_all_that_goes_wrong(system, database, clock, monkeypatch, tmp_path):
    with FakeProviders(scene(WRONG, delay=0.01, seed=4)) as providers:
        lead_to(providers.environment(), monkeypatch, tmp_path)
        ticket = submit(system, 12, judge=JUDGE, stability_threshold=0.0)
        run_to_its_end(system, database, clock, ticket)
        entries = providers.book.entries
    assert {entry.status for entry in entries} >= {200, 429, 500}
    assert {row[0] for row in rows(database, "SELECT DISTINCT kind FROM judging.model_call")} >= {
        "verdict",
        "refused",
        "invalid",
    }
    check(database, entries, ticket)


@pytest.mark.parametrize("die_at", [("judging.calls_begun", 1), ("judging.calls_landed", 2)])
def test_a_whole_assessment_killed_on_the_way(system, database, clock, conninfo, monkeypatch, tmp_path, die_at):
    """The process dies with calls in flight; another one goes on, and the book tells which calls those were."""
    with FakeProviders(scene(WRONG, delay=0.03, seed=5)) as providers:
        lead_to(providers.environment(), monkeypatch, tmp_path)
        order = {"essays": 12, "judge": JUDGE, "stability_threshold": 0.0}
        with Nursery() as nursery:
            journal = Journal(tmp_path / "journal")
            died = nursery.run(conninfo, journal.path, die_at=die_at, **order)
            assert died == KILLED
        clock.current = SystemClock().now()  # which the process that died went by
        flying = rows(database, "SELECT count(*) FROM judging.model_call WHERE kind IS NULL")[0][0]
        ticket = submit(system, 12, judge=JUDGE, stability_threshold=0.0)
        run_to_its_end(system, database, clock, ticket)
        entries = providers.book.entries
    assert flying > 0
    assert rows(database, "SELECT count(*) FROM judging.model_call WHERE kind = 'lost'") == [(flying,)]
    check(database, entries, ticket)


def test_the_order_effect_is_recovered_whatever_goes_wrong(system, database, clock, monkeypatch, tmp_path):
    """The fake judge adds 1.2 logits for the text it sees first."""
    planted = Traits(sd=1.5, sharpness=2.0, order_bias=1.2)
    with FakeProviders(scene(WRONG, delay=0.0, seed=2, judge=planted)) as providers:
        lead_to(providers.environment(), monkeypatch, tmp_path)
        ticket = submit(system, 28, judge=JUDGE, stability_threshold=0.0, budget=300)
        run_to_its_end(system, database, clock, ticket)
        entries = providers.book.entries
    check(database, entries, ticket)
    metadata = rows(database, "SELECT metadata FROM assessment.result")[0][0]
    effect, error = metadata["order_effects"][JUDGE]
    assert error < 0.3
    assert abs(effect - 1.2) < 2.5 * error


@pytest.mark.parametrize("provider", ALL)
def test_calls_come_in_an_order_that_providers_keep_prefixes_of(
    system, database, clock, monkeypatch, tmp_path, provider
):
    """Three input tokens of ten are read from the cache: instructions and first text, which many calls share."""
    card = MODELS[provider]
    with FakeProviders(scene(delay=0.0, cards=[card])) as providers:
        lead_to(providers.environment(), monkeypatch, tmp_path)
        ticket = submit_texts(system, essays_of(24), f"{provider}:{card.name}", stability_threshold=0.0, budget=144)
        run_to_its_end(system, database, clock, ticket)
        share = providers.book.cached_share()
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    assert share >= 0.3
