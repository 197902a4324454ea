"""The monitor: no batch stays in a status past its deadline (G8). It looks by deadline only, so no status can be forgotten.

The completion sweep takes up batches whose answers are all there but whose decision was lost with a process; recovery acts on
batches past their deadline. Both end in the same compare-and-set as everything else.
"""

from datetime import datetime, timedelta
from uuid import UUID

import structlog

from pairmark.clock import Clock
from pairmark.domain.statuses import Status, StopReason
from pairmark.services.assessment import batches, content, waves
from pairmark.services.assessment.batches import Batch
from pairmark.services.assessment.continuation import Continuation, each
from pairmark.services.assessment.evidence import read_evidence
from pairmark.services.assessment.finalization import Finalization
from pairmark.storage.connection import Database, Tx, execute, values

REASKS = 1
"""How often open comparisons are asked again before the batch is scored or given up."""

OVERDUE = "SELECT id FROM batch WHERE deadline < %s ORDER BY deadline"
SERVED = "SELECT at FROM served FOR UPDATE"
SERVE = "UPDATE served SET at = greatest(at, %s)"
POSTPONE = "UPDATE batch SET deadline = deadline + %s, version = version + 1 WHERE deadline IS NOT NULL"
SWEEP = """
SELECT id FROM batch WHERE deadline IS NOT NULL AND (due OR status = 'SCORING'
    OR (status = 'PERFORMING_COMPARISONS' AND answered = sent)) ORDER BY id
"""

_log = structlog.get_logger(__name__)


class Monitor:
    """Runs every `interval` seconds of its clock."""

    def __init__(
        self,
        database: Database,
        continuation: Continuation,
        finalization: Finalization,
        clock: Clock,
        *,
        interval: float = 300.0,
    ) -> None:
        self._database = database
        self._continuation = continuation
        self._finalization = finalization
        self._clock = clock
        self._interval = interval
        self._next = float("-inf")

    def resume(self) -> timedelta:
        """A process takes up its work: time in which no process was there counts for no deadline. Returns how much that was."""
        now = self._clock.now()
        with self._database.transaction("assessment") as tx:
            last = execute(tx, SERVED)[0][0]
            away = now - last if last is not None else timedelta(0)
            if away > timedelta(seconds=2 * self._interval):
                execute(tx, POSTPONE, [away])
            else:
                away = timedelta(0)
            execute(tx, SERVE, [now])
        return away

    def step(self) -> int:
        """Sweep and recover when the interval has passed; returns how many batches changed."""
        if self._clock.monotonic() < self._next:
            return 0
        self._next = self._clock.monotonic() + self._interval
        with self._database.transaction("assessment") as tx:
            execute(tx, SERVE, [self._clock.now()])
        try:
            recovered = self.recover()
        finally:
            swept = self.sweep()
        return recovered + swept

    def sweep(self) -> int:
        """The completion sweep: decide wherever a decision is open."""
        with self._database.transaction("assessment") as tx:
            ids = values(execute(tx, SWEEP))
        return self._continuation.advance_each(ids)

    def recover(self) -> int:
        """Stuck-batch recovery: every batch past its deadline moves, by progress, forced scoring or failure."""
        now = self._clock.now()
        with self._database.transaction("assessment") as tx:
            overdue = values(execute(tx, OVERDUE, [now]))
        return each(overdue, lambda batch_id: self._recover(batch_id, now))

    def _recover(self, batch_id: UUID, now: datetime) -> bool:
        with self._database.transaction("assessment") as tx:
            batch = batches.locked(tx, batch_id)
            if batch is None or batch.deadline is None or batch.deadline >= now:
                return False
            _log.warning("batch_overdue", batch=str(batch_id), status=batch.status)
            if batch.status is Status.PERFORMING_COMPARISONS:
                changed = self._recover_comparisons(tx, batch, now)
            elif batch.status is Status.SCORING and batch.reasks <= REASKS:
                changed = self._extend(tx, batch, now)
            else:
                awaited = content.awaited(tx, batch_id) if batch.status is Status.FETCHING_CONTENT else None
                message = (
                    f"Nothing moved in status {batch.status} until the deadline{f': {awaited}' if awaited else ''}."
                )
                changed = self._finalization.finalize_failure(tx, batch, StopReason.DEADLINE_PASSED, message)
        if changed:
            self._continuation.advance_each([batch_id])
        return changed

    def _recover_comparisons(self, tx: Tx, batch: Batch, now: datetime) -> bool:
        """Ask again; then score what is there, if it is connected; else give up."""
        if batch.reasks < REASKS and waves.ask_again(tx, batch, now):
            return self._extend(tx, batch, now)
        if batch.counted + batch.reused and read_evidence(tx, batch.id).connected:
            return self._continuation.begin_scoring(tx, batch, StopReason.FORCED_RECOVERY)
        open_now = batch.tally.outstanding
        message = (
            f"{open_now} comparisons were not answered before the deadline, and the rest do not connect all texts."
        )
        return self._finalization.finalize_failure(tx, batch, StopReason.DEADLINE_PASSED, message)

    def _extend(self, tx: Tx, batch: Batch, now: datetime) -> bool:
        deadline = now + batch.patience
        rows = execute(
            tx,
            "UPDATE batch SET deadline = %s, reasks = reasks + 1, version = version + 1 WHERE id = %s AND version = %s "
            "RETURNING id",
            [deadline, batch.id, batch.version],
        )
        return bool(rows)
