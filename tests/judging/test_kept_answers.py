"""The same judge asked the same thing again: what it said is reused, at no cost, and marked."""

from dataclasses import replace

import pytest

from support.faults import rows
from support.invariants import violations
from support.metered import COST, Metered, answered, is_canary, put
from support.system import books, submit

CACHED = "SELECT count(*), sum(cost)::float8 FROM judging.model_call WHERE cached_from IS NOT NULL"
OF_BATCH = "SELECT count(*) FROM judging.verdict v JOIN judging.chunk c ON c.id = v.chunk_id WHERE batch_id = %s"
FREE = """
SELECT count(*) FROM judging.event_outbox WHERE (event_data->'data'->'request_metadata'->'cached')::bool
    AND (event_data->'data'->>'cost_estimate')::float8 = 0
"""


def test_a_batch_over_the_same_texts_reuses_what_was_answered(system, database):
    judge = Metered()
    put(system, judge)
    first = submit(system, 4, stability_threshold=0.0)
    system.drain()
    asked = len(judge.comparisons)
    second = submit(system, 4, stability_threshold=0.0, comparisons_per_essay=19)
    system.drain()
    assert {books(database, ticket).status for ticket in (first, second)} == {"COMPLETE_MAX_COMPARISONS"}
    reused, cost = rows(database, CACHED)[0]
    verdicts = rows(database, OF_BATCH, str(second.job_id))[0][0]
    assert reused > 0
    assert cost == 0
    assert len(judge.comparisons) == asked + verdicts - reused
    same = """SELECT count(*) FROM judging.model_call n JOIN judging.model_call o ON o.id = n.cached_from
        WHERE (n.winner, n.reason, n.model, n.prompt_hash, n.repeat) = (o.winner, o.reason, o.model, o.prompt_hash, o.repeat)"""
    assert rows(database, same) == [(reused,)]
    told = rows(database, FREE)
    assert told == [(reused,)]
    spent = rows(database, "SELECT spent::float8 FROM judging.purse WHERE batch_id = %s", str(second.job_id))[0][0]
    assert spent == pytest.approx(COST * (8 + verdicts - reused))
    assert violations(database) == []


def test_another_judge_and_another_prompt_are_asked(system, database):
    put(system, Metered())
    submit(system, 4, stability_threshold=0.0)
    system.drain()
    put(system, Metered(member="metered:b"))
    system.asker._judges.clear()
    submit(system, 4, stability_threshold=0.0, comparisons_per_essay=19)
    system.drain()
    assert rows(database, CACHED)[0][0] == 0


def test_g11_only_a_verdict_is_kept(system, database, clock):
    """An answer that was none is asked again, and so it is in every later batch."""
    put(
        system,
        Metered(lambda question, number: None if is_canary(question) else answered(question, "metered:a", "invalid")),
    )
    ticket = submit(system, 4, stability_threshold=0.0)
    system.drain()
    while books(database, ticket).status == "PERFORMING_COMPARISONS":
        system.drain()
        clock.advance(60)
    assert rows(database, "SELECT count(*) FROM judging.kept_answer") == [(0,)]
    judge = Metered()
    put(system, judge)
    system.asker._judges.clear()
    submit(system, 4, stability_threshold=0.0, comparisons_per_essay=19)
    system.drain()
    assert rows(database, CACHED)[0][0] == 0
    assert judge.comparisons


def test_of_two_answers_to_the_same_prompt_the_first_is_kept(system, database):
    """Two batches at once ask the same; each has its own verdict, and later ones reuse the first."""
    turned = []

    def turn(question, number):
        if is_canary(question):
            return None
        turned.append(question.request_id)
        told = answered(question, "metered:a", "verdict")
        return replace(told, winner="first" if len(turned) % 2 else "second")

    put(system, Metered(turn, concurrency=4))
    for seed in (1, 2):
        submit(system, 4, stability_threshold=0.0, seed=seed)
    system.drain()
    doubled = "SELECT count(*) FROM judging.kept_answer GROUP BY judge_digest, prompt_hash, repeat HAVING count(*) > 1"
    assert rows(database, doubled) == []
    wrong = "SELECT count(*) FROM judging.kept_answer k JOIN judging.model_call c ON c.id = k.call_id WHERE c.kind <> 'verdict'"
    assert rows(database, wrong) == [(0,)]
    assert violations(database) == []
