"""G11: an answer that is not a verdict is never counted as one, in particular not as a win for the first text."""

import pytest

from pairmark.bootstrap import System
from pairmark.judges.question import KINDS
from pairmark.services.assessment.callbacks import FAILURES
from pairmark.services.assessment.evidence import read_evidence
from pairmark.storage.connection import Database, execute
from support.callbacks import answer, deliver, lower_wins, open_comparisons, receive, settle
from support.system import books, submit

ERRORS = {
    **{code: {"error_code": code, "message": "no"} for code in sorted(FAILURES)},
    "unknown code": {"error_code": "who knows"},
    "no code": {"message": "no"},
    "empty object": {},
    "code that is no text": {"error_code": ["verdict"]},
    "code verdict": {"error_code": "verdict", "winner": "Essay A"},
    "text": "The judge said: Essay A wins.",
    "empty text": "",
}


def test_g11_every_kind_of_answer_but_a_verdict_is_a_failure():
    assert KINDS - {"verdict"} == FAILURES


@pytest.mark.parametrize("kind", ERRORS)
def test_g11_an_answer_without_a_verdict_is_answered_but_never_counted(system: System, database: Database, kind: str):
    ticket = submit(system, 6, success_rate=0.0)
    settle(system)
    one = open_comparisons(database, ticket)[0][0]
    deliver(database, [answer(one, None, error_detail=ERRORS[kind])], str(ticket.job_id))
    receive(system)
    with database.connect() as connection:
        rows = execute(connection, "SELECT kind, winner, closing FROM assessment.judgement")
        assert execute(connection, "SELECT count(*) FROM assessment.quarantine") == [(0,)]
    assert rows == [(kind if kind in FAILURES else "failed", None, True)]
    batch = system.assessment.batch(ticket.job_id)
    assert batch is not None
    assert (batch.answered, batch.counted) == (1, 0)
    with database.transaction("assessment") as tx:
        assert len(read_evidence(tx, ticket.job_id).first) == 0


def test_g11_failed_comparisons_reach_neither_the_scores_nor_the_bill(system: System, database: Database):
    """Every third answer is a failure; wins, appearances and the charge speak of the rest alone."""
    ticket = submit(system, 6, stability_threshold=0.0, success_rate=0.0)
    settle(system)
    verdicts = failures = 0
    while waiting := open_comparisons(database, ticket):
        bodies = []
        for number, (one, first, second) in enumerate(waiting):
            failed = number % 3 == 0
            verdicts, failures = verdicts + (not failed), failures + failed
            bodies.append(
                answer(one, None, error_detail={"error_code": "refused"})
                if failed
                else answer(one, lower_wins(first, second))
            )
        deliver(database, bodies, str(ticket.job_id))
        receive(system)
        settle(system)
    stored = system.assessment.result(ticket.job_id)
    assert stored is not None
    assert failures > 0
    assert sum(row[4] for row in stored.scores) == 2 * verdicts
    assert sum(row[6] for row in stored.scores) == verdicts
    assert books(database, ticket).charged == verdicts == stored.batch.counted
    assert stored.batch.answered == verdicts + failures


def test_g11_a_tie_is_half_a_win_for_each_and_no_win_for_the_first(system: System, database: Database):
    ticket = submit(system, 4, stability_threshold=0.0)
    settle(system)
    while waiting := open_comparisons(database, ticket):
        deliver(database, [answer(one, "Tie") for one, _, _ in waiting], str(ticket.job_id))
        receive(system)
        settle(system)
    stored = system.assessment.result(ticket.job_id)
    assert stored is not None
    assert [row[2] for row in stored.scores] == pytest.approx([0.0] * 4)
    assert [row[6] for row in stored.scores] == [row[4] / 2 for row in stored.scores]
    assert {row[1] for row in stored.scores} == {stored.scores[0][1]}
    assert stored.judges[0][2] is None  # nobody's first seat won


def test_g11_a_verdict_shown_in_the_other_order_keeps_its_winner(system: System, database: Database):
    """`presented_order: ba` turns the seats, not the winner: Essay A is still the text asked first."""
    ticket = submit(system, 2, stability_threshold=0.0)
    settle(system)
    while waiting := open_comparisons(database, ticket):
        bodies = [
            answer(one, lower_wins(first, second), request_metadata={"presented_order": "ba"})
            for one, first, second in waiting
        ]
        deliver(database, bodies, str(ticket.job_id))
        receive(system)
        settle(system)
    stored = system.assessment.result(ticket.job_id)
    assert stored is not None
    assert [row[0] for row in stored.scores] == ["essay-0000", "essay-0001"]
    assert stored.scores[0][6] == stored.scores[0][4] > 0


def test_g11_a_judge_who_always_fails_ends_the_batch_without_a_result(system: System, database: Database):
    ticket = submit(system, 6, judge="simulated:sd=1,seed=3,fail=1")
    for _ in range(10):
        system.drain()
        system.clock.advance(60)  # type: ignore[attr-defined]
    batch = system.assessment.batch(ticket.job_id)
    assert batch is not None
    assert (batch.status, batch.stop_reason) == ("ERROR_PROCESSING", "success_rate_below_limit")
    assert batch.counted == 0
    assert books(database, ticket).charged == 0
