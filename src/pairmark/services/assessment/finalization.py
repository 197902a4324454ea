"""The one way a batch ends: compare-and-set, scores, and every terminal event in one transaction (G1, G2, G3).

However many triggers call it, one wins; the others find another version and change nothing. Each public function states one end.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pairmark.clock import Clock
from pairmark.domain.statuses import STATUS_OF_STOP, Status, StopReason
from pairmark.errors import BrokenData
from pairmark.events.catalogue import (
    AssessmentCompleted,
    AssessmentFailed,
    Event,
    ProcessingSummary,
    ResourceConsumed,
    ResultPublished,
    SystemMetadata,
)
from pairmark.events.envelope import outgoing
from pairmark.messaging import outbox
from pairmark.services.assessment import batches, review
from pairmark.services.assessment.batches import Batch
from pairmark.services.assessment.intake import SOURCE
from pairmark.services.assessment.review import Hold
from pairmark.services.assessment.scores import Scores
from pairmark.storage.connection import Database, Tx, execute, values

CANCEL_TRIES = 20
USABLE = "SELECT essay_id FROM essay WHERE batch_id = %s AND problem IS NULL AND held IS NULL ORDER BY ordinal"
LEFT_OUT = """
SELECT essay_id FROM essay WHERE batch_id = %s AND (problem IS NOT NULL OR held IS NOT NULL) ORDER BY ordinal
"""


class Finalization:
    """Ends batches. Every method returns whether this call was the one that ended the batch."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def finalize_scoring(self, seen: Batch, scores: Scores, held: Sequence[Hold] = ()) -> bool:
        """A scored batch: the status follows from the reason fixed when scoring began. `held` joins the review queue with it."""
        if seen.status is not Status.SCORING or seen.stop_reason is None:
            return False
        status = STATUS_OF_STOP[StopReason(seen.stop_reason)]
        with self._database.transaction("assessment") as tx:
            if not self._end(tx, seen, status, StopReason(seen.stop_reason), None):
                return False
            unranked = {one.ordinal for one in held} - set(scores.ordinals)
            review.store(tx, seen.id, held, unranked, self._clock.now())
            scores.store(tx, seen.id)
            self._announce_complete(tx, seen, StopReason(seen.stop_reason), scores)
        return True

    def finalize_single_essay(self, seen: Batch) -> bool:
        """Fewer than two essays to rank: complete, with nothing compared and nothing charged."""
        reason = StopReason.INSUFFICIENT_ESSAYS
        with self._database.transaction("assessment") as tx:
            if not self._end(tx, seen, STATUS_OF_STOP[reason], reason, None):
                return False
            usable = values(execute(tx, USABLE, [seen.id]))
            self._announce_complete(tx, seen, reason, Scores.of_single(usable))
        return True

    def finalize_failure(self, tx: Tx, seen: Batch, reason: StopReason, error: str) -> bool:
        """A batch that cannot be assessed, or was cancelled; inside the caller's transaction."""
        status = STATUS_OF_STOP[reason]
        if not self._end(tx, seen, status, reason, error):
            return False
        now = self._clock.now()
        failed = AssessmentFailed(
            event_name=AssessmentFailed.topic,
            entity_id=seen.entity_id,
            timestamp=now,
            status=status,
            system_metadata=_metadata(seen, AssessmentFailed.topic, now, {"error_code": reason, "message": error}),
            cj_assessment_job_id=str(seen.id),
        )
        self._append(tx, seen, [failed])
        return True

    def fail(self, seen: Batch, reason: StopReason, error: str, held: Sequence[Hold] = ()) -> bool:
        """`finalize_failure` in a transaction of its own; `held` joins the review queue with it, for the next generation."""
        with self._database.transaction("assessment") as tx:
            done = self.finalize_failure(tx, seen, reason, error)
            if done:
                review.store(tx, seen.id, held, {one.ordinal for one in held}, self._clock.now())
        return done

    def cancel(self, batch_id: UUID, who: str) -> Batch | None:
        """Cancel the batch wherever it stands. Only cancel reads again and tries again; returns the batch as it is then."""
        for _ in range(CANCEL_TRIES):
            with self._database.transaction("assessment") as tx:
                seen = batches.locked(tx, batch_id)
                if seen is None or seen.status.is_terminal:
                    return seen
                self.finalize_failure(tx, seen, StopReason.CANCELLED, f"Cancelled by {who}.")
        raise BrokenData(
            f"Batch {batch_id} changed {CANCEL_TRIES} times while it was being cancelled; nothing was done."
        )

    def _end(self, tx: Tx, seen: Batch, status: Status, reason: StopReason, error: str | None) -> bool:
        """Lock, then the compare-and-set that only one caller can win."""
        batches.lock(tx, [seen.id])
        now = self._clock.now()
        return batches.move(tx, seen, status, reason=reason, error=error, finished_at=now)

    def _announce_complete(self, tx: Tx, seen: Batch, reason: StopReason, scores: Scores) -> None:
        row = execute(tx, "SELECT counted, reused, sent, answered FROM batch WHERE id = %s", [seen.id])[0]
        counted = int(row[0])
        failed = values(execute(tx, LEFT_OUT, [seen.id]))
        now = self._clock.now()
        self._append(
            tx,
            seen,
            [
                _completed(seen, STATUS_OF_STOP[reason], scores, failed, now),
                _result(seen, reason, scores, counted, now),
                _consumed(seen, counted, now),
            ],
        )

    def _append(self, tx: Tx, seen: Batch, events: Sequence[Event]) -> None:
        outbox.append(
            tx,
            [
                outgoing(event, aggregate_id=str(seen.id), source=SOURCE, correlation_id=seen.correlation_id)
                for event in events
            ],
        )


def _metadata(seen: Batch, event: str, now: datetime, error: dict[str, Any] | None = None) -> SystemMetadata:
    return SystemMetadata(
        entity_id=seen.entity_id,
        timestamp=now,
        processing_stage="failed" if error else "completed",
        event=event,
        error_info=error or {},
    )


def _completed(seen: Batch, status: Status, scores: Scores, failed: list[str], now: datetime) -> AssessmentCompleted:
    return AssessmentCompleted(
        event_name=AssessmentCompleted.topic,
        entity_id=seen.entity_id,
        timestamp=now,
        status=status,
        system_metadata=_metadata(seen, AssessmentCompleted.topic, now),
        cj_assessment_job_id=str(seen.id),
        processing_summary=ProcessingSummary(
            total_essays=seen.essays,
            successful=seen.essays - len(failed),
            failed=len(failed),
            successful_essay_ids=scores.essay_ids,
            failed_essay_ids=failed,
            processing_time_seconds=(now - seen.created_at).total_seconds(),
            single_essay_batch=seen.essays == 1,
        ),
    )


def _result(seen: Batch, reason: StopReason, scores: Scores, counted: int, now: datetime) -> ResultPublished:
    return ResultPublished(
        event_name=ResultPublished.topic,
        entity_id=seen.entity_id,
        timestamp=now,
        batch_id=seen.entity_id,
        cj_assessment_job_id=str(seen.id),
        assignment_id=seen.assignment_id,
        model_used=seen.design.judge.partition(":")[0],
        model_provider="pairmark",
        essay_results=scores.essay_results(),
        assessment_metadata=scores.metadata
        | {"status": STATUS_OF_STOP[reason], "stop_reason": reason, "comparisons": counted},
        assessed_at=now,
    )


def _consumed(seen: Batch, counted: int, now: datetime) -> ResourceConsumed:
    return ResourceConsumed(
        event_name=ResourceConsumed.topic,
        entity_id=seen.entity_id,
        timestamp=now,
        user_id=seen.user_id,
        org_id=seen.org_id,
        quantity=counted,
        processing_id=str(seen.id),
        consumed_at=now,
    )
