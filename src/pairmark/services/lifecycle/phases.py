"""Following a batch: its phase and the status of its essays move forward once, when assessment announces the end."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pairmark.clock import Clock
from pairmark.domain.statuses import Status
from pairmark.events.catalogue import AssessmentCompleted, AssessmentFailed, PhaseOutcome
from pairmark.events.envelope import outgoing
from pairmark.messaging import outbox
from pairmark.messaging.messages import Message
from pairmark.services.lifecycle.front_desk import SOURCE
from pairmark.storage.connection import Database, Tx, execute, values

ADVANCE = """
UPDATE batch SET phase = %s, status = %s, ended_at = %s WHERE job_id = %s AND phase = 'requested' RETURNING entity_id
"""
MARK_ESSAYS = """
UPDATE essay SET status = CASE WHEN essay_id = ANY(%s) THEN 'cj_assessment_completed' ELSE 'cj_assessment_failed' END
WHERE entity_id = %s
"""


class Phases:
    """Handlers of completed and failed assessments."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def completed(self, tx: Tx, messages: Sequence[Message]) -> None:
        """The batch is ranked."""
        for message in messages:
            event = message.event
            if isinstance(event, AssessmentCompleted):
                done = event.processing_summary.successful_essay_ids
                self._advance(tx, message, event.cj_assessment_job_id, "completed", event.status, done)

    def failed(self, tx: Tx, messages: Sequence[Message]) -> None:
        """The batch ended without a result."""
        for message in messages:
            event = message.event
            if isinstance(event, AssessmentFailed):
                phase = "cancelled" if event.status == Status.CANCELLED else "failed"
                self._advance(tx, message, event.cj_assessment_job_id, phase, event.status, [])

    def _advance(self, tx: Tx, message: Message, job: str, phase: str, status: str, done: list[str]) -> None:
        """Compare-and-set from `requested`; a batch of another platform's request is not known here and is left alone."""
        now = self._clock.now()
        moved = values(execute(tx, ADVANCE, [phase, status, now, job]))
        if not moved:
            return
        entity = moved[0]
        execute(tx, MARK_ESSAYS, [done, entity])
        essays = values(execute(tx, "SELECT essay_id FROM essay WHERE entity_id = %s ORDER BY essay_id", [entity]))
        outcome = PhaseOutcome(
            event_name=PhaseOutcome.topic,
            entity_id=entity,
            timestamp=now,
            batch_id=entity,
            phase_status=phase,
            processed_essay_ids=done,
            failed_essay_ids=[essay for essay in essays if essay not in set(done)],
        )
        outbox.append(
            tx, [outgoing(outcome, aggregate_id=entity, source=SOURCE, correlation_id=message.correlation_id)]
        )


class LifecycleQueries:
    """Read side of lifecycle."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, text: str, limit: int = 5) -> list[tuple[UUID, str]]:
        """Job and entity ids of requests whose ids begin with `text`, or whose name equals it; newest first."""
        with self._database.transaction("lifecycle") as tx:
            rows = execute(
                tx,
                "SELECT job_id, entity_id FROM batch WHERE starts_with(job_id, %(t)s) OR starts_with(entity_id, %(t)s) "
                "OR name = %(t)s ORDER BY requested_at DESC LIMIT %(n)s",
                {"t": text, "n": limit},
            )
        return [(UUID(row[0]), row[1]) for row in rows]

    def view(self, entity: str) -> dict[str, Any] | None:
        """Phase and status of the batch, and how many essays are in which status."""
        with self._database.transaction("lifecycle") as tx:
            rows = execute(tx, "SELECT phase, status, generation FROM batch WHERE entity_id = %s", [entity])
            essays = execute(
                tx, "SELECT status, count(*) FROM essay WHERE entity_id = %s GROUP BY status ORDER BY status", [entity]
            )
        if not rows:
            return None
        return {"phase": rows[0][0], "status": rows[0][1], "generation": rows[0][2], "essays": dict(essays)}
