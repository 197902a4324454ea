"""Deciding what a batch needs next: wait, another wave, the end, or failure. Any trigger may call it, any number of times.

Callbacks, the completion threshold, and the monitor's sweep and recovery all come here; every decision is taken under the
batch's row lock on fresh counts and ends in a compare-and-set, so that late and doubled triggers change nothing.
"""

from collections.abc import Callable, Iterable
from uuid import UUID

import structlog

from pairmark.clock import Clock
from pairmark.domain import stopping
from pairmark.domain.statuses import Status, StopReason
from pairmark.errors import Busy
from pairmark.services.assessment import batches, review, waves
from pairmark.services.assessment.batches import Batch
from pairmark.services.assessment.content import Content
from pairmark.services.assessment.evidence import Evidence, Standing, read_asked, read_evidence, standing
from pairmark.services.assessment.finalization import Finalization
from pairmark.services.assessment.scores import score
from pairmark.services.assessment.waves import Plan, WaveEnd
from pairmark.storage.connection import Database, Tx, execute, values

USUAL_REASON = """
SELECT justification, count(*) FROM judgement WHERE batch_id = %s AND closing AND kind <> 'verdict' AND justification <> ''
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1
"""
DUE = "SELECT id FROM batch WHERE due AND deadline IS NOT NULL AND id > %s ORDER BY id LIMIT 50"
FIRST = UUID(int=0)

_log = structlog.get_logger(__name__)


def each(batch_ids: Iterable[UUID], act: Callable[[UUID], bool]) -> int:
    """Act on every batch and count what changed; one that cannot be moved is told as `Busy` after all had their turn."""
    changed, trouble = 0, None
    for batch_id in batch_ids:
        try:
            changed += act(batch_id)
        except Busy:
            raise
        except Exception as error:
            _log.warning("batch_does_not_move", batch=str(batch_id), reason=str(error))
            trouble = Busy(f"Batch {batch_id} cannot be moved on: {error}")
    if trouble is not None:
        raise trouble
    return changed


class Continuation:
    """Moves batches on. `step` serves every batch that is due; `advance` serves one, whoever asks."""

    def __init__(self, database: Database, content: Content, finalization: Finalization, clock: Clock) -> None:
        self._database = database
        self._content = content
        self._finalization = finalization
        self._clock = clock
        self._after = FIRST

    def step(self) -> int:
        """Advance due batches, some at a time and all in turn, so that none that cannot move keeps its place; how many moved."""
        with self._database.transaction("assessment") as tx:
            due = values(execute(tx, DUE, [self._after]))
            if not due and self._after != FIRST:
                due = values(execute(tx, DUE, [FIRST]))
        self._after = due[-1] if due else FIRST
        return self.advance_each(due)

    def advance_each(self, batch_ids: Iterable[UUID]) -> int:
        """Advance these batches, each whatever becomes of the others."""
        return each(batch_ids, self.advance)

    def advance(self, batch_id: UUID) -> bool:
        """Do what this batch needs now; returns whether this call changed it."""
        with self._database.transaction("assessment") as tx:
            seen = batches.read(tx, batch_id)
        if seen is None or seen.status.is_terminal:
            return False
        if seen.status is Status.FETCHING_CONTENT:
            return self._content.fetch(seen)
        if seen.status is Status.PERFORMING_COMPARISONS:
            return self._decide(seen)
        return seen.status is Status.SCORING and self._score(seen)

    def _decide(self, seen: Batch) -> bool:
        if stopping.below_success_rate(seen.tally, seen.rules):
            message = (
                f"Only {seen.counted} of {seen.answered} comparisons brought a verdict; "
                f"at least {seen.rules.success_rate:.0%} must.{self._usual_reason(seen)}"
            )
            return self._finalization.fail(seen, StopReason.SUCCESS_RATE_BELOW_LIMIT, message)
        if not stopping.is_due(seen.tally, seen.rules):
            return self._wait(seen)
        with self._database.transaction("assessment") as tx:
            settled = batches.settled(tx, seen.id)
            evidence = read_evidence(tx, seen.id, by_judge=seen.asks_models, up_to=seen.decided_by) if settled else None
        if evidence is None:
            return self._wait(seen)
        before, before_sd = self._a_wave_ago(seen)
        now_standing = standing(evidence, before, before_sd, at_the_end=seen.tally.sent >= seen.tally.budget)
        if seen.overlap:
            if stopping.may_end(len(evidence.first), seen.overlap, now_standing.scale, seen.rules):
                return self._wait_for_all(seen, now_standing)
        elif reason := stopping.stop_reason(seen.tally, now_standing.scale, seen.rules):
            return self._begin_scoring(seen, reason, now_standing, evidence)
        return self._plan(seen, now_standing, evidence)

    def _a_wave_ago(self, seen: Batch) -> WaveEnd:
        """How the scale stood after the wave before. The last wave of a budget may have been planned while that was open."""
        left = seen.wave - 1
        with self._database.transaction("assessment") as tx:
            end = waves.wave_end(tx, seen.id, seen.decided_by - 1)
            if end[0] is not None or seen.tally.sent < seen.tally.budget or left < 1 or not seen.overlaps:
                return end
            evidence = read_evidence(tx, seen.id, by_judge=seen.asks_models, up_to=left)
            earlier, earlier_sd = waves.wave_end(tx, seen.id, left - 1)
        stood = standing(evidence, earlier, earlier_sd)
        with self._database.transaction("assessment") as tx:
            batch = batches.locked(tx, seen.id)
            if batch is not None and batch.version == seen.version:
                waves.close_wave(tx, seen.id, left, stood)
        return stood.theta, stood.prior_sd

    def _plan(self, seen: Batch, now_standing: Standing, evidence: Evidence) -> bool:
        with self._database.transaction("assessment") as tx:
            first, second, blocked = read_asked(tx, seen.id, up_to=seen.decided_by)
        theta = now_standing.theta
        if theta is None and seen.both_orders:
            theta = evidence.provisional()
        plan = waves.plan(seen, (first, second), blocked, theta, evidence.ordinals)
        if plan is not None:
            return self._next_wave(seen, plan, now_standing)
        if seen.overlap:
            return self._wait_for_all(seen, now_standing)
        return self._begin_scoring(seen, StopReason.NOTHING_LEFT_TO_ASK, now_standing, evidence)

    def _usual_reason(self, seen: Batch) -> str:
        """What judges said most often where they gave no verdict."""
        with self._database.transaction("assessment") as tx:
            rows = execute(tx, USUAL_REASON, [seen.id])
        return f" The reason given most often ({rows[0][1]} times): {rows[0][0].rstrip('.')}." if rows else ""

    def _wait(self, seen: Batch) -> bool:
        """Not all there yet: clear the mark, unless the counts have changed since."""
        with self._database.transaction("assessment") as tx:
            batch = batches.locked(tx, seen.id)
            if batch is not None and batch.due and batch.version == seen.version and batch.answered == seen.answered:
                execute(tx, "UPDATE batch SET due = false WHERE id = %s", [seen.id])
        return False

    def _next_wave(self, seen: Batch, plan: Plan, now_standing: Standing) -> bool:
        with self._database.transaction("assessment") as tx:
            batches.lock(tx, [seen.id])
            texts = execute(
                tx, "SELECT essay_id, text_storage_id FROM essay WHERE batch_id = %s ORDER BY ordinal", [seen.id]
            )
            if not waves.send(tx, seen, plan, [(row[0], row[1]) for row in texts], self._clock.now()):
                return False
            waves.close_wave(tx, seen.id, seen.decided_by, now_standing)
        return True

    def _wait_for_all(self, seen: Batch, now_standing: Standing) -> bool:
        """The latest wave may be the last: no other is planned before it is answered."""
        with self._database.transaction("assessment") as tx:
            batches.lock(tx, [seen.id])
            if not waves.wait_for_all(tx, seen):
                return False
            waves.close_wave(tx, seen.id, seen.decided_by, now_standing)
        return True

    def begin_scoring(self, tx: Tx, seen: Batch, reason: StopReason) -> bool:
        """Fix the judgement cut-off: whatever arrives after this commit is late."""
        deadline = self._clock.now() + seen.patience
        return batches.move(tx, seen, Status.SCORING, reason=reason, due=True, deadline=deadline)

    def _begin_scoring(self, seen: Batch, reason: StopReason, now_standing: Standing, known: Evidence) -> bool:
        with self._database.transaction("assessment") as tx:
            batches.lock(tx, [seen.id])
            if not self.begin_scoring(tx, seen, reason):
                return False
            waves.close_wave(tx, seen.id, seen.wave, now_standing)
        with self._database.transaction("assessment") as tx:
            batch = batches.read(tx, seen.id)
        if batch is not None and batch.status is Status.SCORING:
            self._score(batch, known)
        return True

    def _score(self, seen: Batch, known: Evidence | None = None) -> bool:
        """Fit outside any transaction, on the verdicts before the cut-off. Anyone may do it; one result is kept.

        `known` is what was read before the cut-off: its fit is used if nothing was added since.
        """
        with self._database.transaction("assessment") as tx:
            held = review.found_by_models(tx, seen)
            evidence = read_evidence(tx, seen.id, {one.ordinal for one in held}, by_judge=seen.asks_models)
        if known is not None and known.digest == evidence.digest:
            evidence = known
        try:
            scores = score(seen, _required(evidence))
        except ValueError as error:
            without = f" without what is held for review ({len(held)} texts)" if held else ""
            message = f"The verdicts carry no scale{without}: {error}.{self._usual_reason(seen)}"
            return self._finalization.fail(seen, StopReason.SCORING_FAILED, message, held)
        return self._finalization.finalize_scoring(seen, scores, held)


def _required(evidence: Evidence) -> Evidence:
    if not len(evidence.first):
        raise ValueError("there are none")
    return evidence
