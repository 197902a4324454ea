"""The scan before models are asked: what it holds is not shown to any judge and not ranked, and everybody can see why."""

import csv
import io
import json

import psycopg
import pytest

from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.domain.statuses import Status
from pairmark.errors import BadRequest
from pairmark.judges.hostile import scan
from pairmark.outcome import collect
from pairmark.report.tables import results_csv
from pairmark.services.assessment import batches, review
from pairmark.services.lifecycle.front_desk import Ticket
from pairmark.storage.connection import Database, execute
from support.invariants import violations
from support.model_batches import MODEL, PANEL, PEOPLE, essays, judge_all, sql, submit_texts
from support.system import books

COMPLETED = "SELECT event_data->'data' FROM assessment.event_outbox WHERE aggregate_id = %s::text AND event_type = %s"


def completed(
    database: Database, ticket: Ticket, event_type: str = "huleedu.cj_assessment.completed.v1"
) -> dict[str, object]:
    with database.connect() as connection:
        data = execute(connection, COMPLETED, [ticket.job_id, event_type])[0][0]
    return data if isinstance(data, dict) else json.loads(data)


@pytest.mark.parametrize("judge", [MODEL, PANEL], ids=["model", "panel"])
def test_a_text_that_speaks_to_its_judge_is_shown_to_none_and_the_rest_is_ranked(
    system: System, database: Database, judge: str
):
    ticket = submit_texts(system, essays(8, speaking=[3]), judge)
    shown = judge_all(system, ticket)
    assert shown == {0, 1, 2, 4, 5, 6, 7}
    result = collect(system, ticket.job_id)
    assert Status(result.status).is_complete
    assert violations(database) == []
    assert sorted(essay.rank for essay in result.essays) == list(range(1, 8))
    assert [essay.essay_id for essay in sorted(result.essays, key=lambda one: one.rank)] == [
        f"essay-{n:03d}" for n in (0, 1, 2, 4, 5, 6, 7)
    ]
    assert {(one.essay_id, one.source, one.ranked) for one in result.held} == {("essay-003", "scan", False)}
    assert any("essay-003" in warning and "review" in warning for warning in result.warnings)
    summary = completed(database, ticket)["processing_summary"]
    assert summary["failed_essay_ids"] == ["essay-003"]  # type: ignore[index]
    assert (summary["successful"], summary["failed"]) == (7, 1)  # type: ignore[index]
    published = completed(database, ticket, "huleedu.assessment.result.published.v1")
    assert len(published["essay_results"]) == 7  # type: ignore[arg-type]
    assert books(database, ticket).charged == result.comparisons
    assert result.comparisons_per_essay == pytest.approx(2 * result.comparisons / 7)


def test_files_name_the_held_text_and_what_was_found(system: System):
    ticket = submit_texts(system, essays(5, speaking=[1]))
    judge_all(system, ticket)
    result = collect(system, ticket.job_id)
    rows = list(csv.DictReader(io.StringIO(results_csv(result).decode())))
    assert len(rows) == 5
    assert (rows[-1]["essay_id"], rows[-1]["rank"], rows[-1]["theta"]) == ("essay-001", "", "")
    assert "instruction" in rows[-1]["held"]
    assert {row["held"] for row in rows[:-1]} == {""}
    (one, *_) = result.as_dict()["held"]
    text = essays(5, speaking=[1])["essay-001"]
    assert "previous instructions" in text[one["start"] : one["end"]].lower()


def test_texts_that_people_judge_are_not_looked_at(system: System, database: Database):
    ticket = submit_texts(system, essays(4, speaking=[0, 1]), PEOPLE)
    judge_all(system, ticket, says=lambda first, second: {})
    assert len(collect(system, ticket.job_id).essays) == 4
    assert sql(database, "SELECT count(*) FROM assessment.review_queue WHERE batch_id = %s", ticket) == [(0,)]


@pytest.mark.parametrize("left", [0, 1])
def test_with_fewer_than_two_left_nothing_is_compared_or_charged(system: System, database: Database, left: int):
    ticket = submit_texts(system, essays(4, speaking=range(left, 4)))
    assert judge_all(system, ticket) == set()
    result = collect(system, ticket.job_id)
    assert result.status == Status.COMPLETE_INSUFFICIENT_ESSAYS
    assert completed(database, ticket)["processing_summary"]["failed_essay_ids"] == [
        f"essay-{n:03d}" for n in range(left, 4)
    ]  # type: ignore[index]
    assert books(database, ticket).charged == 0
    assert len({one.essay_id for one in result.held}) == 4 - left


def test_the_whole_budget_goes_to_those_who_take_part(system: System, database: Database):
    ticket = submit_texts(system, essays(6, speaking=[0, 5]), budget=12)
    shown = judge_all(system, ticket)
    assert shown == {1, 2, 3, 4}
    assert sql(database, "SELECT sent, counted FROM assessment.batch WHERE id = %s", ticket) == [(12, 12)]


def test_clearing_says_who_and_the_next_generation_ranks_all_with_the_verdicts_there_are(
    system: System, database: Database, clock: ManualClock
):
    ticket = submit_texts(system, essays(6, speaking=[2]), budget=15)
    judge_all(system, ticket)
    first = collect(system, ticket.job_id)
    assert system.review.readmitted(ticket.job_id) == []
    assert system.review.clear(ticket.job_id, ["essay-002"], "Ms Ek") == ["essay-002"]
    assert system.review.clear(ticket.job_id, ["essay-002"], "Mr Al") == []
    assert {row.cleared_by for row in system.review.of_batch(ticket.job_id)} == {"Ms Ek"}
    assert system.review.waiting() == []
    again = system.front_desk.reopen(ticket.entity_id, after_result=True)
    assert again is not None
    assert again.generation == 2
    assert system.front_desk.reopen(ticket.entity_id, after_result=True) == again.__class__(
        again.entity_id, again.job_id, 2, opened=False
    )
    assert 2 in judge_all(system, again)
    result = collect(system, again.job_id)
    assert sorted(essay.essay_id for essay in result.essays) == [f"essay-{n:03d}" for n in range(6)]
    assert result.held == []
    assert sql(database, "SELECT reused FROM assessment.batch WHERE id = %s", again) == [(first.comparisons,)]
    assert books(database, again).charged == result.comparisons - first.comparisons
    assert collect(system, ticket.job_id).essays == first.essays


def test_one_cleared_and_one_not(system: System):
    ticket = submit_texts(system, essays(6, speaking=[2, 4]), budget=15)
    judge_all(system, ticket)
    system.review.clear(ticket.job_id, ["essay-002"], "Ms Ek")
    again = system.front_desk.reopen(ticket.entity_id, after_result=True)
    assert again is not None
    assert judge_all(system, again) >= {2}
    result = collect(system, again.job_id)
    assert {one.essay_id for one in result.held} == {"essay-004"}
    assert len(result.essays) == 5


def test_an_essay_that_is_not_held_cannot_be_cleared_and_nothing_is_half_done(system: System):
    ticket = submit_texts(system, essays(4, speaking=[1]))
    judge_all(system, ticket)
    with pytest.raises(BadRequest, match="holds no essay 'essay-000'"):
        system.review.clear(ticket.job_id, ["essay-001", "essay-000"], "Ms Ek")
    with pytest.raises(BadRequest, match="must have a name"):
        system.review.clear(ticket.job_id, ["essay-001"], "")
    assert len(system.review.waiting()) >= 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE assessment.review_queue SET excerpt = 'x'",
        "UPDATE assessment.review_queue SET cleared_at = NULL, cleared_by = NULL",
        "UPDATE assessment.review_queue SET cleared_at = now(), cleared_by = 'x' WHERE cleared_at IS NOT NULL",
        "DELETE FROM assessment.review_queue",
        "TRUNCATE assessment.review_queue",
        "UPDATE assessment.essay SET held = NULL WHERE held IS NOT NULL",
    ],
)
def test_the_database_keeps_what_was_held(system: System, database: Database, statement: str):
    ticket = submit_texts(system, essays(4, speaking=[1]))
    judge_all(system, ticket)
    system.review.clear(ticket.job_id, ["essay-001"], "Ms Ek")
    with database.connect() as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute(statement)  # type: ignore[arg-type]
    assert refused.value.sqlstate in {"PM001", "PM002", "23514"}


def test_a_look_at_a_batch_that_has_moved_on_holds_nothing(system: System, database: Database, clock: ManualClock):
    """A process that read the batch before another one cancelled it finds another version when it comes to hold."""
    ticket = submit_texts(system, essays(4, speaking=[1]))
    system.deliver()
    system.deliver()
    system.deliver()
    with database.transaction("assessment") as tx:
        seen = batches.read(tx, ticket.job_id)
    assert seen is not None
    assert seen.status is Status.FETCHING_CONTENT
    system.finalization.cancel(ticket.job_id, "a person")
    with database.transaction("assessment") as tx:
        assert not review.hold_before(tx, seen, {1: scan(essays(4, speaking=[1])["essay-001"])}, clock.now())
    assert sql(database, "SELECT count(*) FROM assessment.review_queue WHERE batch_id = %s", ticket) == [(0,)]
