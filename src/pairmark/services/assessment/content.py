"""FETCHING_CONTENT: looking at every text once before anything is asked, and taking over the verdicts of an earlier generation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from pairmark.clock import Clock
from pairmark.domain.statuses import Status, StopReason
from pairmark.judges.hostile import Finding, scan
from pairmark.messaging.ownership import held_by_somebody
from pairmark.services.assessment import batches, review, waves
from pairmark.services.assessment.batches import Batch
from pairmark.services.assessment.evidence import read_asked, read_ranked
from pairmark.services.assessment.finalization import Finalization
from pairmark.storage.connection import Database, Tx, execute
from pairmark.storage.texts import LONGEST_TEXT, TextStore

REUSE = """
WITH RECURSIVE earlier AS (
    SELECT id, parent_id, generation FROM batch WHERE id = %(parent)s
    UNION ALL SELECT b.id, b.parent_id, b.generation FROM batch b JOIN earlier e ON b.id = e.parent_id
), old AS (
    SELECT row_number() OVER (ORDER BY g.generation, c.ordinal) - 1 AS ordinal, c.batch_id, c.ordinal AS old_ordinal,
        m.ordinal AS first, n.ordinal AS second, c.repeat
    FROM earlier g JOIN comparison c ON c.batch_id = g.id
    JOIN judgement j ON j.batch_id = c.batch_id AND j.ordinal = c.ordinal AND j.closing AND j.kind = 'verdict' AND NOT j.reused
    JOIN essay e ON e.batch_id = c.batch_id AND e.ordinal = c.first
    JOIN essay f ON f.batch_id = c.batch_id AND f.ordinal = c.second
    JOIN essay m ON m.batch_id = %(id)s AND m.essay_id = e.essay_id AND m.text_storage_id = e.text_storage_id
    JOIN essay n ON n.batch_id = %(id)s AND n.essay_id = f.essay_id AND n.text_storage_id = f.text_storage_id
), counted AS (
    UPDATE batch SET reused = (SELECT count(*) FROM old) WHERE id = %(id)s AND reused = 0 AND (SELECT count(*) FROM old) > 0
    RETURNING id
), wave_zero AS (
    INSERT INTO wave (batch_id, wave, size, planned_at)
    SELECT id, 0, (SELECT count(*) FROM old), %(now)s FROM counted RETURNING batch_id
), kept AS (
    INSERT INTO comparison (batch_id, ordinal, id, wave, first, second, repeat)
    SELECT w.batch_id, o.ordinal, gen_random_uuid(), 0, o.first, o.second, o.repeat FROM old o, wave_zero w
    RETURNING batch_id, ordinal
)
INSERT INTO judgement (batch_id, ordinal, event_id, kind, winner, swapped, closing, reused, judge, provider, model, justification,
    confidence, response_time_ms, cost, recorded_at, instructions_found, evidence_1, evidence_2, call_id)
SELECT k.batch_id, k.ordinal, j.event_id, j.kind, j.winner, j.swapped, true, true, j.judge, j.provider, j.model, j.justification,
    j.confidence, j.response_time_ms, 0, j.recorded_at, j.instructions_found, j.evidence_1, j.evidence_2, j.call_id
FROM kept k JOIN old o ON o.ordinal = k.ordinal
JOIN judgement j ON j.batch_id = o.batch_id AND j.ordinal = o.old_ordinal AND j.closing AND j.kind = 'verdict'
"""
NOTE_TEXTS = """
UPDATE essay SET words = x.words, problem = x.problem FROM unnest(%s::int[], %s::int[], %s::text[]) AS x (ordinal, words, problem)
WHERE essay.batch_id = %s AND essay.ordinal = x.ordinal
"""


LEAVE = (
    "UPDATE batch SET due = false WHERE id = %s AND version = %s AND due AND status = 'FETCHING_CONTENT' RETURNING id"
)
LEFT = """
UPDATE essay SET problem = %s FROM batch WHERE batch.id = essay.batch_id AND batch.id = %s AND version = %s AND due
    AND status = 'FETCHING_CONTENT' AND text_storage_id = ANY(%s)
"""
NOBODY_FETCHES = "no process was there that knows the content service (PAIRMARK_CONTENT_URL)"
AWAITED = "SELECT count(*), max(problem) FROM essay WHERE batch_id = %s AND problem IS NOT NULL"
NAMED = 5
PORTION = 50
"""Texts in memory at once; one may be a million characters."""
FETCHING = "fetching"
"""The lock of the process that fetches."""


@dataclass
class _Look:
    """What was seen of the texts of a batch, essay by essay."""

    words: list[int] = field(default_factory=list)
    problems: list[str | None] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    found: dict[int, list[Finding]] = field(default_factory=dict)


class Content:
    """Brings a batch from FETCHING_CONTENT to its first wave, or to its end."""

    def __init__(
        self,
        database: Database,
        texts: TextStore,
        finalization: Finalization,
        clock: Clock,
        *,
        fetched: bool = False,
    ) -> None:
        """`fetched`: this process fetches texts that are not here; otherwise another one may."""
        self._fetched = fetched
        self._database = database
        self._texts = texts
        self._finalization = finalization
        self._clock = clock

    def fetch(self, seen: Batch) -> bool:
        """Read all texts; returns whether the batch moved on."""
        with self._database.transaction("assessment") as tx:
            essays = execute(
                tx,
                "SELECT ordinal, essay_id, text_storage_id FROM essay WHERE batch_id = %s ORDER BY ordinal",
                [seen.id],
            )
        look = self._look([row[2] for row in essays], scanned=seen.asks_models)
        if look.missing:
            there = self._somebody_fetches()
            if there or self._texts.any_fetched():
                return self._leave(seen, [] if there else look.missing)
        with self._database.transaction("assessment") as tx:
            execute(tx, NOTE_TEXTS, [[row[0] for row in essays], look.words, look.problems, seen.id])
        bad = [f"{row[1]} ({problem})" for row, problem in zip(essays, look.problems, strict=True) if problem]
        if bad:
            return self._finalization.fail(seen, StopReason.TEXTS_UNUSABLE, texts_unusable(bad, len(essays)))
        with self._database.transaction("assessment") as tx:
            if seen.asks_models and not review.hold_before(tx, seen, look.found, self._clock.now()):
                return False
            ranked = len(read_ranked(tx, seen.id))
        if ranked < 2:
            return self._finalization.finalize_single_essay(seen)
        return self._begin(seen, [(row[1], row[2]) for row in essays])

    def _look(self, storage_ids: Sequence[str], *, scanned: bool) -> _Look:
        """Read the texts, some at a time; `scanned`: look for what speaks to a model."""
        look = _Look()
        for portion in _portions(storage_ids):
            bodies = self._texts.fetch(portion)
            for place, one in enumerate(portion, start=len(look.words)) if scanned else ():
                if found := scan(bodies.get(one, "")):
                    look.found[place] = found
            look.words += [len(bodies.get(one, "").split()) for one in portion]
            look.problems += [_problem(bodies.get(one)) for one in portion]
            look.missing += [one for one in portion if one not in bodies]
        return look

    def _somebody_fetches(self) -> bool:
        """Whether a process is there that knows the content service: this one or another."""
        if self._fetched:
            return True
        with self._database.transaction("assessment") as tx:
            return held_by_somebody(tx, FETCHING)

    def _leave(self, seen: Batch, in_vain: Sequence[str]) -> bool:
        """Leave the batch to `Fetching`; of texts that nobody will fetch now, everybody can see why."""
        with self._database.transaction("assessment") as tx:
            if in_vain:
                execute(tx, LEFT, [NOBODY_FETCHES, seen.id, seen.version, list(in_vain)])
            return bool(execute(tx, LEAVE, [seen.id, seen.version]))

    def _begin(self, seen: Batch, texts: Sequence[tuple[str, str]]) -> bool:
        """Take over earlier verdicts, then send the first wave."""
        with self._database.transaction("assessment") as tx:
            batch = batches.locked(tx, seen.id)
            if batch is None or batch.version != seen.version:
                return False
            if batch.parent_id is not None and batch.reused == 0:
                self._reuse(tx, batch.id, batch.parent_id)
                batch = batches.read(tx, seen.id) or batch
            first, second, blocked = read_asked(tx, seen.id)
            plan = waves.plan(batch, (first, second), blocked, None, read_ranked(tx, seen.id))
            if plan is None:  # earlier generations have asked it all: the next decision scores what was taken over
                deadline = self._clock.now() + batch.patience
                return batches.move(tx, batch, Status.PERFORMING_COMPARISONS, due=True, deadline=deadline)
            return waves.send(tx, batch, plan, texts, self._clock.now())

    def _reuse(self, tx: Tx, batch_id: UUID, parent_id: UUID) -> None:
        execute(tx, REUSE, {"id": batch_id, "parent": parent_id, "now": self._clock.now()})


def texts_unusable(bad: Sequence[str], essays: int) -> str:
    """The sentence that ends a batch whose texts cannot be used; `bad` are essays with what is wrong with each."""
    more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    return f"{len(bad)} of {essays} texts cannot be used: {', '.join(bad[:NAMED])}{more}."


def awaited(tx: Tx, batch_id: UUID) -> str | None:
    """What a batch in FETCHING_CONTENT waits for, if it waits: how many texts, and why they have not come."""
    number, reason = execute(tx, AWAITED, [batch_id])[0]
    return f"{number} texts have not come yet: {reason}" if number else None


def _portions(storage_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(storage_ids), PORTION):
        yield storage_ids[begin : begin + PORTION]


def _problem(body: str | None) -> str | None:
    if body is None:
        return "the text store does not have it"
    if len(body) > LONGEST_TEXT:
        return f"it has more than {LONGEST_TEXT:,} characters"
    return None if body.strip() else "it is empty"
