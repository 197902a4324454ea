"""Essays held for review: found by the static scan before models are asked, or by what models say of them afterwards.

A held essay is not ranked in its generation: it takes no part in planning, or its verdicts by models have no weight. What people do
with the queue is in `review_queue`.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pairmark.domain.suspicion import Suspect, Told, suspects
from pairmark.judges.hostile import Finding
from pairmark.services.assessment import batches
from pairmark.services.assessment.batches import Batch
from pairmark.storage.connection import Tx, execute

EARLIER = """
WITH RECURSIVE earlier AS (
    SELECT id, parent_id, generation FROM batch WHERE id = (SELECT parent_id FROM batch WHERE id = %(id)s)
    UNION ALL SELECT b.id, b.parent_id, b.generation FROM batch b JOIN earlier e ON b.id = e.parent_id
)
SELECT m.ordinal, r.cleared_at IS NOT NULL, r.source, r.kind, lower(r.span), upper(r.span), r.excerpt, r.reason
FROM earlier g JOIN review_queue r ON r.batch_id = g.id
JOIN essay e ON e.batch_id = r.batch_id AND e.ordinal = r.ordinal
JOIN essay m ON m.batch_id = %(id)s AND m.essay_id = e.essay_id AND m.text_storage_id = e.text_storage_id
ORDER BY m.ordinal, g.generation, r.number
"""
"""What was held in earlier generations, of essays whose texts are the same."""
INSERT = """
INSERT INTO review_queue (batch_id, ordinal, number, source, kind, span, excerpt, reason, created_at)
SELECT %s, o, n, s, k, int4range(b, e), x, r, %s
FROM unnest(%s::int[], %s::int[], %s::text[], %s::text[], %s::int[], %s::int[], %s::text[], %s::text[])
    AS h (o, n, s, k, b, e, x, r) ON CONFLICT DO NOTHING
"""
MARK = """
UPDATE essay SET held = h.s FROM unnest(%s::int[], %s::text[]) AS h (o, s)
WHERE essay.batch_id = %s AND essay.ordinal = h.o AND essay.held IS NULL
"""
TOLD = """
SELECT c.first, c.second, j.instructions_found, j.judge FROM judgement j JOIN comparison c USING (batch_id, ordinal)
WHERE j.batch_id = %s AND j.closing AND j.kind = 'verdict' AND j.instructions_found IS NOT NULL ORDER BY c.ordinal
"""
BY_MODELS = "instructions_found"
"""The kind of what models said."""


@dataclass(frozen=True)
class Hold:
    """One row of the queue: a place in an essay, by its ordinal. `end` None: somewhere in the text."""

    ordinal: int
    source: str
    kind: str
    start: int
    end: int | None
    excerpt: str
    reason: str


@dataclass(frozen=True)
class Earlier:
    """What people and earlier generations know about the essays of a batch."""

    cleared: frozenset[int]
    by_models: tuple[Hold, ...]


def hold_before(tx: Tx, seen: Batch, found: Mapping[int, Sequence[Finding]], now: datetime) -> bool:
    """Hold what the scan found, and what models found in an earlier generation, unless a person has cleared it.

    False: the batch is not what was seen any more, and nothing was done.
    """
    batch = batches.locked(tx, seen.id)
    if batch is None or (batch.version, batch.status) != (seen.version, seen.status):
        return False
    known = earlier(tx, seen.id)
    holds = [
        Hold(ordinal, "scan", one.kind, one.start, one.end, one.excerpt, one.reason)
        for ordinal, findings in found.items()
        for one in findings
        if ordinal not in known.cleared
    ]
    scanned = {one.ordinal for one in holds}
    holds += [one for one in known.by_models if one.ordinal not in scanned]
    store(tx, seen.id, holds, {one.ordinal for one in holds}, now)
    return True


def earlier(tx: Tx, batch_id: UUID) -> Earlier:
    """What earlier generations held of the same texts: cleared since, or still held for what models said."""
    rows = execute(tx, EARLIER, {"id": batch_id})
    cleared = frozenset(row[0] for row in rows if row[1])
    latest = {row[0]: Hold(row[0], *row[2:]) for row in rows if row[2] == "models" and row[0] not in cleared}
    return Earlier(cleared, tuple(latest.values()))


def found_by_models(tx: Tx, seen: Batch) -> list[Hold]:
    """Essays that models keep finding instructions in, by the verdicts before the cut-off; those a person cleared are left out."""
    if not seen.asks_models:
        return []
    told = [Told(*row) for row in execute(tx, TOLD, [seen.id])]
    if not any(one.found for one in told):
        return []
    cleared = earlier(tx, seen.id).cleared
    return [_hold(one) for one in suspects(told) if one.essay not in cleared]


def _hold(suspect: Suspect) -> Hold:
    reason = (
        f"In {suspect.found} of {suspect.verdicts} comparisons, with {suspect.partners} different texts, models said that a text "
        "speaks to its judge; this one is in all of them."
    )
    return Hold(suspect.essay, "models", BY_MODELS, 0, None, "", reason)


def store(tx: Tx, batch_id: UUID, holds: Iterable[Hold], unranked: Collection[int], now: datetime) -> None:
    """Put rows into the queue and mark the essays that are not ranked, in the caller's transaction."""
    rows, numbers = list(holds), defaultdict[tuple[int, str], int](int)
    if not rows:
        return
    counted = []
    for one in rows:
        counted.append(numbers[one.ordinal, one.source])
        numbers[one.ordinal, one.source] += 1
    columns = [
        [one.ordinal for one in rows], counted, [one.source for one in rows], [one.kind for one in rows],
        [one.start for one in rows], [one.end for one in rows], [one.excerpt for one in rows], [one.reason for one in rows],
    ]  # fmt: skip
    execute(tx, INSERT, [batch_id, now, *columns])
    sources = {one.ordinal: one.source for one in reversed(rows) if one.ordinal in set(unranked)}
    execute(tx, MARK, [list(sources), list(sources.values()), batch_id])
