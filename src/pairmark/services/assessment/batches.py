"""Reading a batch, locking it, and moving it on: the compare-and-set on status and version that every decision ends in (G1).

A decision taken on an old view finds another version and is dropped; it never overwrites a newer one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from pairmark.domain.statuses import Status
from pairmark.domain.stopping import Rules, Tally
from pairmark.events.catalogue import Design
from pairmark.judges.spec import asks_in_jobs, asks_models
from pairmark.storage.connection import Tx, execute

PATIENCE_WITH_JOBS = timedelta(hours=80)
"""Three tries at a comparison, a job of at most 25 hours for each."""

_COLUMNS = """id, entity_id, parent_id, generation, name, user_id, org_id, assignment_id, correlation_id, design::text, status,
    version, stop_reason, error, essays, budget, reused, sent, answered, counted, wave, reasks, due, deadline, created_at,
    finished_at, overlap"""

READ = f"SELECT {_COLUMNS} FROM batch WHERE id = %s"  # noqa: S608 - constant columns
SETTLED = """(overlap = 0 OR sent - overlap <= answered - (SELECT count(*) FROM judgement j
    WHERE j.batch_id = batch.id AND j.closing AND j.ordinal >= batch.reused + batch.sent - batch.overlap))"""
"""Whether all comparisons before the latest wave are answered, where the next decision rests on those."""
LOCK = "SELECT id FROM batch WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"
MOVE = """
UPDATE batch SET status = %(status)s, version = version + 1, stop_reason = coalesce(%(reason)s, stop_reason), error = %(error)s,
    due = %(due)s, deadline = %(deadline)s, finished_at = %(finished_at)s
WHERE id = %(id)s AND status = %(seen_status)s AND version = %(seen_version)s RETURNING version
"""


@dataclass(frozen=True)
class Batch:
    """One row of `assessment.batch`, as seen at one moment."""

    id: UUID
    entity_id: str
    parent_id: UUID | None
    generation: int
    name: str
    user_id: str
    org_id: str | None
    assignment_id: str | None
    correlation_id: UUID
    design: Design
    status: Status
    version: int
    stop_reason: str | None
    error: str | None
    essays: int
    budget: int
    reused: int
    sent: int
    answered: int
    counted: int
    wave: int
    reasks: int
    due: bool
    deadline: datetime | None
    created_at: datetime
    finished_at: datetime | None
    overlap: int

    @property
    def tally(self) -> Tally:
        """The counts that the stopping rules look at."""
        return Tally(self.budget, self.sent, self.answered, self.counted, self.overlap)

    @property
    def asks_models(self) -> bool:
        """Whether language models judge it, alone or beside others."""
        return asks_models(self.design.judge)

    @property
    def both_orders(self) -> bool:
        """Whether every pair is asked in both orders, which models need: which text they see first sways them."""
        return self.asks_models and self.design.both_orders and self.design.pair_limit > 1

    @property
    def in_jobs(self) -> bool:
        """Whether models are asked by a batch API, where an answer may take a day."""
        return self.asks_models and asks_in_jobs(self.design.judge)

    @property
    def overlaps(self) -> bool:
        """Whether a wave is planned while the one before is asked: models answer one by one, and none should wait for the last."""
        return self.asks_models and not self.in_jobs

    @property
    def decided_by(self) -> int:
        """The last wave whose verdicts the next decision rests on: the latest, or with an overlap the one before.

        What is planned so hangs on verdicts alone, never on which came first.
        """
        return self.wave - 1 if self.overlap else self.wave

    @property
    def patience(self) -> timedelta:
        """How long it may stay in one status, or wait for one wave, before something is done about it."""
        wanted = timedelta(seconds=self.design.deadline_seconds)
        return max(wanted, PATIENCE_WITH_JOBS) if self.in_jobs else wanted

    @property
    def rules(self) -> Rules:
        """The stopping rules this batch was asked for."""
        design = self.design
        return Rules(
            design.target_reliability, design.stability_threshold, design.success_rate, design.completion_threshold
        )


def read(tx: Tx, batch_id: UUID) -> Batch | None:
    """The batch as it is now, or None."""
    rows = execute(tx, READ, [batch_id])
    if not rows:
        return None
    row = list(rows[0])
    row[9] = msgspec.json.decode(row[9], type=Design)
    row[10] = Status(row[10])
    return Batch(*row)


def settled(tx: Tx, batch_id: UUID) -> bool:
    """Whether all is answered that the next decision rests on."""
    return bool(execute(tx, f"SELECT {SETTLED} FROM batch WHERE id = %s", [batch_id])[0][0])  # noqa: S608 - constant


def lock(tx: Tx, batch_ids: Sequence[UUID]) -> None:
    """Lock these batches, in the order of their ids, in a statement of its own: whatever is read next is newer than the lock.

    Recording answers locks and counts in one statement instead; it reads nothing but the locked row, which PostgreSQL reads again
    after a wait, and unique keys.
    """
    execute(tx, LOCK, [sorted(batch_ids)])


def locked(tx: Tx, batch_id: UUID) -> Batch | None:
    """Lock one batch and read it."""
    lock(tx, [batch_id])
    return read(tx, batch_id)


def move(
    tx: Tx,
    seen: Batch,
    status: Status,
    *,
    reason: str | None = None,
    error: str | None = None,
    due: bool = False,
    deadline: datetime | None = None,
    finished_at: datetime | None = None,
) -> bool:
    """Move the batch from what was seen to `status`, if it still is what was seen. False: somebody else was first."""
    return bool(
        execute(
            tx,
            MOVE,
            {
                "id": seen.id,
                "seen_status": seen.status,
                "seen_version": seen.version,
                "status": status,
                "reason": reason,
                "error": error,
                "due": due,
                "deadline": deadline,
                "finished_at": finished_at,
            },
        )
    )
