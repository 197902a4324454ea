"""The query side: what was published about a batch, each outcome and each essay once."""

from collections.abc import Sequence
from typing import Any

import msgspec

from pairmark.events.catalogue import AssessmentFailed, ResultPublished
from pairmark.messaging.messages import Message
from pairmark.storage.connection import Database, Tx, execute

INSERT_OUTCOME = """
INSERT INTO outcome (job_id, batch_id, kind, event_id, metadata, at) VALUES (%s, %s, %s, %s, %s::jsonb, %s)
ON CONFLICT (job_id) DO NOTHING RETURNING job_id
"""
INSERT_ESSAYS = """
INSERT INTO essay_result (job_id, essay_id, rank, bt_score, normalized_score, letter_grade, confidence_score, confidence_label,
    is_anchor)
SELECT %s, e, r, b, n, g, c, l, a FROM unnest(%s::text[], %s::int[], %s::float8[], %s::float8[], %s::text[], %s::float8[],
    %s::text[], %s::bool[]) AS x (e, r, b, n, g, c, l, a)
"""


def published(tx: Tx, messages: Sequence[Message]) -> None:
    """Store a result that is not there yet; the batch's id is its natural key."""
    for message in messages:
        event = message.event
        if isinstance(event, ResultPublished) and _outcome(
            tx,
            event.cj_assessment_job_id,
            event.batch_id,
            "published",
            message,
            event.assessment_metadata,
            event.assessed_at,
        ):
            rows = event.essay_results
            columns = [
                [row.essay_id for row in rows],
                [row.rank for row in rows],
                [row.bt_score for row in rows],
                [row.normalized_score for row in rows],
                [row.letter_grade for row in rows],
                [row.confidence_score for row in rows],
                [row.confidence_label for row in rows],
                [row.is_anchor for row in rows],
            ]
            execute(tx, INSERT_ESSAYS, [event.cj_assessment_job_id, *columns])


def failed(tx: Tx, messages: Sequence[Message]) -> None:
    """Note that there will be no result, and why."""
    for message in messages:
        event = message.event
        if isinstance(event, AssessmentFailed):
            metadata = {"status": event.status} | event.system_metadata.error_info
            _outcome(tx, event.cj_assessment_job_id, event.entity_id, "failed", message, metadata, event.timestamp)


def _outcome(tx: Tx, job: str, batch: str, kind: str, message: Message, metadata: dict[str, Any], at: object) -> bool:
    encoded = msgspec.json.encode(metadata).decode()
    return bool(execute(tx, INSERT_OUTCOME, [job, batch, kind, message.event_id, encoded, at]))


class ResultsQueries:
    """Read side of results."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def view(self, job_id: str) -> dict[str, Any]:
        """Kind of outcome, when, and how many essay rows stand."""
        with self._database.transaction("results") as tx:
            outcome = execute(tx, "SELECT kind, at FROM outcome WHERE job_id = %s", [job_id])
            rows = execute(tx, "SELECT count(*) FROM essay_result WHERE job_id = %s", [job_id])
        kind, at = outcome[0] if outcome else (None, None)
        return {"outcome": kind, "rows": rows[0][0], "published_at": at.isoformat() if at else None}
