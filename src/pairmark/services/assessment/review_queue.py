"""The review queue as people see it: what is held and why, and clearing it.

A cleared essay joins the next generation of its batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pairmark.clock import Clock
from pairmark.errors import BadRequest
from pairmark.storage.connection import Database, execute, values

_ROWS = """
SELECT r.batch_id, b.name, e.essay_id, e.text_storage_id, r.source, r.kind, lower(r.span), upper(r.span), r.excerpt, r.reason,
    r.created_at, r.cleared_at, r.cleared_by, e.held IS NOT NULL
FROM review_queue r JOIN batch b ON b.id = r.batch_id JOIN essay e ON e.batch_id = r.batch_id AND e.ordinal = r.ordinal
"""
OPEN = (
    _ROWS + " WHERE r.cleared_at IS NULL ORDER BY r.created_at DESC, r.batch_id, r.ordinal, r.source, r.number LIMIT %s"
)
OF_BATCH = _ROWS + " WHERE r.batch_id = %s ORDER BY r.ordinal, r.source, r.number"
CLEAR = """
UPDATE review_queue r SET cleared_at = %s, cleared_by = %s FROM essay e
WHERE r.batch_id = %s AND e.batch_id = r.batch_id AND e.ordinal = r.ordinal AND e.essay_id = ANY(%s) AND r.cleared_at IS NULL
RETURNING e.essay_id
"""
READMITTED = """
SELECT e.essay_id FROM essay e JOIN review_queue r USING (batch_id, ordinal) WHERE e.batch_id = %s AND e.held IS NOT NULL
GROUP BY e.essay_id HAVING bool_and(r.cleared_at IS NOT NULL) ORDER BY e.essay_id
"""
LONGEST_NAME = 200
MOST = 10_000
"""Rows shown at once."""


@dataclass(frozen=True)
class Held:
    """One row of the queue. `end` None: somewhere in the text. `unranked`: it is not in the ranking."""

    batch_id: UUID
    batch_name: str
    essay_id: str
    text_storage_id: str
    source: str
    kind: str
    start: int
    end: int | None
    excerpt: str
    reason: str
    created_at: datetime
    cleared_at: datetime | None
    cleared_by: str | None
    unranked: bool


class ReviewQueue:
    """Looking at the queue and clearing rows of it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def waiting(self) -> list[Held]:
        """What nobody has cleared, newest first."""
        with self._database.transaction("assessment") as tx:
            return [Held(*row) for row in execute(tx, OPEN, [MOST])]

    def of_batch(self, batch_id: UUID) -> list[Held]:
        """Everything that was held of one batch, cleared or not."""
        with self._database.transaction("assessment") as tx:
            return [Held(*row) for row in execute(tx, OF_BATCH, [batch_id])]

    def clear(self, batch_id: UUID, essay_ids: Sequence[str], who: str) -> list[str]:
        """Clear these essays of a batch, all or none; returns those that were not cleared before."""
        if not 0 < len(who) <= LONGEST_NAME or not who.isprintable():
            raise BadRequest(
                "Who clears an essay must have a name.",
                remedy=f"Give --by at most {LONGEST_NAME} printable characters.",
            )
        with self._database.transaction("assessment") as tx:
            held = {row[2] for row in execute(tx, OF_BATCH, [batch_id])}
            unknown = [essay for essay in essay_ids if essay not in held]
            if unknown:
                raise BadRequest(
                    f"Batch {batch_id} holds no essay {unknown[0]!r} for review.",
                    remedy=f"`pairmark review list {str(batch_id)[:8]}` shows what it holds.",
                )
            done = set(values(execute(tx, CLEAR, [self._clock.now(), who, batch_id, list(essay_ids)])))
        return [essay for essay in dict.fromkeys(essay_ids) if essay in done]

    def readmitted(self, batch_id: UUID) -> list[str]:
        """Essays that this batch did not rank and that a person has cleared since."""
        with self._database.transaction("assessment") as tx:
            return values(execute(tx, READMITTED, [batch_id]))
