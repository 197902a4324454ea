"""`retry` on a batch that has not ended: ask for open comparisons once more, and take a decision anew."""

from uuid import UUID

from pairmark.clock import Clock
from pairmark.domain.statuses import Status
from pairmark.services.assessment import batches, waves
from pairmark.storage.connection import Database, execute

RENEW = """
UPDATE batch SET due = true, deadline = %s, version = version + 1 WHERE id = %s AND version = %s RETURNING id
"""


def again(database: Database, batch_id: UUID, clock: Clock) -> int:
    """Give the batch a new deadline and a new decision; returns how many comparisons are asked again."""
    with database.transaction("assessment") as tx:
        batch = batches.locked(tx, batch_id)
        if batch is None or batch.status.is_terminal:
            return 0
        now, asked = clock.now(), 0
        if batch.status is Status.PERFORMING_COMPARISONS:
            asked = waves.ask_again(tx, batch, now)
        execute(tx, RENEW, [now + batch.patience, batch.id, batch.version])
    return asked
