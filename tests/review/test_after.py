"""What models say of a text afterwards: a pattern over several partners takes its weight, and asks for a person."""

import pytest

from pairmark.bootstrap import System
from pairmark.domain.statuses import Status
from pairmark.outcome import collect
from pairmark.storage.connection import Database
from support.callbacks import answer, deliver, open_comparisons, settle
from support.invariants import violations
from support.model_batches import PANEL, PEOPLE, essays, finds_in, judge_all, nothing_found, sql, submit_texts
from support.system import books


def test_an_essay_that_models_keep_finding_instructions_in_is_not_ranked(system: System, database: Database):
    ticket = submit_texts(system, essays(8))
    judge_all(system, ticket, finds_in(5))
    result = collect(system, ticket.job_id)
    assert len(result.essays) == 7
    assert violations(database) == []
    assert "essay-005" not in {essay.essay_id for essay in result.essays}
    (one,) = result.held
    assert (one.essay_id, one.source, one.kind, one.ranked) == ("essay-005", "models", "instructions_found", False)
    assert "different texts" in one.reason
    kept = "SELECT count(*) FROM assessment.comparison WHERE batch_id = %s AND 5 NOT IN (first, second)"
    assert sum(essay.comparisons for essay in result.essays) == 2 * sql(database, kept, ticket)[0][0]
    assert (
        books(database, ticket).charged
        == sql(database, "SELECT counted FROM assessment.batch WHERE id = %s", ticket)[0][0]
    )


def test_the_ranking_without_it_is_that_of_the_others_alone(system: System):
    held = submit_texts(system, essays(8), name="held")
    judge_all(system, held, finds_in(0))
    assert [essay.essay_id for essay in sorted(collect(system, held.job_id).essays, key=lambda one: one.rank)] == [
        f"essay-{number:03d}" for number in range(1, 8)
    ]


def test_two_bad_essays_do_not_take_their_partners_with_them(system: System):
    ticket = submit_texts(system, essays(10))
    judge_all(system, ticket, finds_in(2, 7))
    assert {one.essay_id for one in collect(system, ticket.job_id).held} == {"essay-002", "essay-007"}


def test_a_judge_that_finds_instructions_everywhere_is_not_listened_to(system: System):
    ticket = submit_texts(system, essays(6))
    judge_all(system, ticket, lambda first, second: {"instructions_found": True})
    result = collect(system, ticket.job_id)
    assert (len(result.essays), result.held) == (6, [])


def test_verdicts_of_people_keep_their_weight(system: System):
    """In a panel, people's verdicts on the same essay rank it all the same; the row in the queue stands beside it."""
    ticket = submit_texts(system, essays(8), PANEL)
    turn = iter(range(10_000))

    def by_turns(first: int, second: int) -> dict[str, object]:
        found = {"instructions_found": 3 in (first, second)}
        return found if next(turn) % 2 else {"judge": "surface"}

    judge_all(system, ticket, by_turns)
    result = collect(system, ticket.job_id)
    assert len(result.essays) == 8
    assert {(one.essay_id, one.ranked) for one in result.held} == {("essay-003", True)}


def test_a_flag_from_a_batch_that_people_judge_changes_nothing(system: System):
    ticket = submit_texts(system, essays(6), PEOPLE)
    judge_all(system, ticket, finds_in(1))
    assert collect(system, ticket.job_id).held == []


def test_where_the_rest_hangs_together_only_through_it_the_next_generation_asks_the_rest(
    system: System, database: Database
):
    """A star: every verdict there is goes through one essay. The batch says so, and what models found is not forgotten."""
    ticket = submit_texts(system, essays(4), budget=12, success_rate=0.0)
    settle(system)
    while waiting := open_comparisons(database, ticket):
        bodies = [
            answer(identity, "Essay A", request_metadata={"instructions_found": 3 not in (first, second)})
            if 0 in (first, second)
            else answer(identity, None, error_detail={"error_code": "refused"})
            for identity, first, second in waiting
        ]
        deliver(database, bodies, str(ticket.job_id))
        settle(system)
    result = collect(system, ticket.job_id)
    assert result.status == Status.ERROR_PROCESSING
    assert "without what is held for review" in (result.error or "")
    assert {one.essay_id for one in result.held} == {"essay-000"}
    again = system.front_desk.reopen(ticket.entity_id)
    assert again is not None
    assert judge_all(system, again) == {1, 2, 3}
    assert len(collect(system, again.job_id).essays) == 3


def test_cleared_after_the_run_it_is_ranked_by_the_verdicts_there_are_and_not_held_again(
    system: System, database: Database
):
    ticket = submit_texts(system, essays(6), budget=15)
    judge_all(system, ticket, finds_in(4))
    assert len(collect(system, ticket.job_id).essays) == 5
    system.review.clear(ticket.job_id, ["essay-004"], "Ms Ek")
    again = system.front_desk.reopen(ticket.entity_id, after_result=True)
    assert again is not None
    judge_all(system, again, finds_in(4))
    result = collect(system, again.job_id)
    assert (len(result.essays), result.held) == (6, [])
    found = "SELECT count(*) FROM assessment.judgement WHERE batch_id = %s AND reused AND instructions_found"
    assert sql(database, found, again)[0][0] > 0


def test_not_cleared_it_stays_held_in_the_next_generation(system: System, database: Database):
    ticket = submit_texts(system, essays(6, speaking=[0]), budget=15)
    judge_all(system, ticket, finds_in(4))
    system.review.clear(ticket.job_id, ["essay-000"], "Ms Ek")
    again = system.front_desk.reopen(ticket.entity_id, after_result=True)
    assert again is not None
    assert 4 not in judge_all(system, again)
    assert {(one.essay_id, one.source) for one in collect(system, again.job_id).held} == {("essay-004", "models")}


@pytest.mark.parametrize("value", ["yes", 1, None, [True]])
def test_only_a_yes_or_no_counts(system: System, database: Database, value: object):
    ticket = submit_texts(system, essays(4), budget=4)
    judge_all(
        system,
        ticket,
        lambda first, second: {"instructions_found": value, "evidence_1": "a\x00b" * 900, "call_id": "x"},
    )
    kept = (
        "SELECT DISTINCT instructions_found, length(evidence_1), call_id FROM assessment.judgement WHERE batch_id = %s"
    )
    assert sql(database, kept, ticket) == [(None, 1000, None)]


def test_nothing_found_holds_nobody(system: System):
    ticket = submit_texts(system, essays(5))
    judge_all(system, ticket, nothing_found)
    assert collect(system, ticket.job_id).held == []
