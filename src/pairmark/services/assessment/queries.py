"""What others may ask of assessment: how a batch stands, and everything its result rests on. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pairmark.domain.statuses import Status
from pairmark.services.assessment import batches, content
from pairmark.services.assessment.batches import Batch
from pairmark.services.assessment.review_queue import OF_BATCH, Held
from pairmark.storage.connection import Database, execute

JUDGEMENTS = """
SELECT c.ordinal, c.wave, e.essay_id, f.essay_id, j.winner, j.swapped, j.judge, j.kind, j.closing AND j.kind = 'verdict',
    j.recorded_at, j.response_time_ms, j.reused
FROM judgement j JOIN comparison c USING (batch_id, ordinal)
JOIN essay e ON e.batch_id = c.batch_id AND e.ordinal = c.first JOIN essay f ON f.batch_id = c.batch_id AND f.ordinal = c.second
WHERE j.batch_id = %s ORDER BY c.ordinal, j.seq
"""
JUDGES = """
SELECT j.judge, count(*), avg(CASE WHEN j.winner = 'tie' THEN NULL WHEN (j.winner = 'first') <> j.swapped THEN 1.0 ELSE 0.0 END),
    count(*) FILTER (WHERE j.winner = 'tie'),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY j.response_time_ms) FILTER (WHERE j.response_time_ms > 0),
    bool_or(j.provider <> 'pairmark'), bool_or(j.provider = 'pairmark' AND j.model = 'replay')
FROM judgement j WHERE j.batch_id = %s AND j.closing AND j.kind = 'verdict' GROUP BY j.judge ORDER BY count(*) DESC, j.judge
"""
SCORES = """
SELECT e.essay_id, s.rank, s.theta, s.standard_error, s.comparisons, s.normalized_score, s.wins, coalesce(e.words, 0)
FROM score s JOIN essay e USING (batch_id, ordinal) WHERE s.batch_id = %s ORDER BY s.rank, e.ordinal
"""
DECIDED = """
SELECT c.first, c.second, CASE j.winner WHEN 'first' THEN 1.0 WHEN 'tie' THEN 0.5 ELSE 0.0 END::float8, j.swapped, j.judge
FROM judgement j JOIN comparison c USING (batch_id, ordinal)
WHERE j.batch_id = %s AND j.closing AND j.kind = 'verdict' ORDER BY c.ordinal
"""
TEXTS = "SELECT essay_id, text_storage_id FROM essay WHERE batch_id = %s ORDER BY ordinal"


@dataclass(frozen=True)
class Decided:
    """Counted verdicts as columns: essays by their place in `essay_ids`, in the order shown; `outcome` 1 when the first won."""

    essay_ids: list[str]
    first: list[int]
    second: list[int]
    outcome: list[float]
    judge: list[str]


@dataclass(frozen=True)
class StoredResult:
    """The stored result of a complete batch and what leads to it, as rows."""

    batch: Batch
    scores: list[tuple[Any, ...]]
    waves: list[tuple[int, int, float | None, float | None]]
    judges: list[tuple[str, int, float | None, int, float | None, bool, bool]]
    reliability: float | None
    ssr: float | None
    input_digest: str | None
    held: list[Held]


class AssessmentQueries:
    """Read side of the assessment service."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def batch(self, batch_id: UUID) -> Batch | None:
        """The batch as it stands."""
        with self._database.transaction("assessment") as tx:
            return batches.read(tx, batch_id)

    def find(self, text: str, limit: int = 20) -> list[Batch]:
        """Batches whose id or entity id begins with `text`, or whose name equals it; newest first."""
        with self._database.transaction("assessment") as tx:
            rows = execute(
                tx,
                "SELECT id FROM batch WHERE starts_with(id::text, %(t)s) OR starts_with(entity_id, %(t)s) OR name = %(t)s "
                "ORDER BY created_at DESC, id LIMIT %(n)s",
                {"t": text, "n": limit},
            )
            found = [batches.read(tx, row[0]) for row in rows]
        return [batch for batch in found if batch is not None]

    def awaited(self, batch_id: UUID) -> str | None:
        """Which texts the batch waits for, and why they have not come; None if it waits for none."""
        with self._database.transaction("assessment") as tx:
            batch = batches.read(tx, batch_id)
            waits = batch is not None and batch.status is Status.FETCHING_CONTENT
            return content.awaited(tx, batch_id) if waits else None

    def result(self, batch_id: UUID) -> StoredResult | None:
        """Everything stored about the batch's result; scores are empty unless it is complete."""
        with self._database.transaction("assessment") as tx:
            batch = batches.read(tx, batch_id)
            if batch is None:
                return None
            result = execute(tx, "SELECT reliability, ssr, input_digest FROM result WHERE batch_id = %s", [batch_id])
            scores = execute(tx, SCORES, [batch_id])
            waves = execute(
                tx,
                "SELECT wave, sum(size) OVER (ORDER BY wave)::int, reliability, largest_change FROM wave WHERE batch_id = %s "
                "ORDER BY wave",
                [batch_id],
            )
            judges = execute(tx, JUDGES, [batch_id])
            held = [Held(*row) for row in execute(tx, OF_BATCH, [batch_id])]
        reliability, ssr, digest = result[0] if result else (None, None, None)
        return StoredResult(
            batch, scores, [tuple(row) for row in waves], [tuple(row) for row in judges], reliability, ssr, digest, held
        )

    def texts(self, batch_id: UUID) -> list[tuple[str, str]]:
        """Essays of the batch with the ids of their texts."""
        with self._database.transaction("assessment") as tx:
            return [(row[0], row[1]) for row in execute(tx, TEXTS, [batch_id])]

    def decisions(self, batch_id: UUID) -> Decided:
        """Every counted verdict of the batch and who gave it, in the order of the comparisons."""
        with self._database.transaction("assessment") as tx:
            essays = [row[0] for row in execute(tx, TEXTS, [batch_id])]
            rows = execute(tx, DECIDED, [batch_id])
        shown = [(b, a, 1.0 - x, j) if swapped else (a, b, x, j) for a, b, x, swapped, j in rows]
        first, second, outcome, judge = (
            (list(column) for column in zip(*shown, strict=True)) if shown else ([], [], [], [])
        )
        return Decided(essays, first, second, outcome, judge)

    def judgements(self, batch_id: UUID) -> list[dict[str, object]]:
        """Every answer of the batch, counted or not, in the order of the comparisons."""
        with self._database.transaction("assessment") as tx:
            rows = execute(tx, JUDGEMENTS, [batch_id])
        names: Sequence[str] = (
            "comparison", "wave", "first", "second", "winner", "swapped", "judge", "kind", "counted", "recorded_at",
            "response_time_ms", "reused",
        )  # fmt: skip
        return [dict(zip(names, row, strict=True)) for row in rows]
