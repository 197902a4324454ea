"""Recording answers in sets: one insert for all of them, one count for each batch, one decision for each set.

A comparison is closed by the first answer to it (unique index); later, repeated and too-late answers are kept, uncounted (G7).
Only a verdict counts; an error, a refusal or an unreadable winner never becomes one (G11).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from pairmark.clock import Clock
from pairmark.domain import stopping
from pairmark.events.catalogue import ComparisonResult
from pairmark.messaging.messages import Message, Unusable, quarantine
from pairmark.services.assessment.batches import SETTLED
from pairmark.storage.connection import Tx, execute

WINNERS = {"Essay A": "first", "Essay B": "second", "Tie": "tie"}
LONGEST_EVIDENCE = 1_000
FAILURES = frozenset({"refused", "truncated", "invalid", "blocked", "timed_out", "unavailable", "failed"})

COUNT = """
WITH told AS (
    SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::bool[], %b::text[], %b::text[], %b::text[], %b::text[],
        %b::real[], %b::int[], %b::float8[], %b::bool[], %b::text[], %b::text[], %b::uuid[])
        WITH ORDINALITY AS a (i, e, k, w, s, j, p, m, t, c, r, x, f, u, v, l, n)),
placed AS (SELECT q.batch_id, q.ordinal, told.* FROM told JOIN comparison q ON q.id = told.i),
comparing AS MATERIALIZED (
    SELECT id FROM batch WHERE id IN (SELECT batch_id FROM placed) AND status = 'PERFORMING_COMPARISONS'
    ORDER BY id FOR NO KEY UPDATE),
recorded AS (
    INSERT INTO judgement (batch_id, ordinal, event_id, kind, winner, swapped, closing, judge, provider, model, justification,
        confidence, response_time_ms, cost, instructions_found, evidence_1, evidence_2, call_id, recorded_at)
    SELECT batch_id, ordinal, e, k, w, s, true, j, p, m, t, c, r, x, f, u, v, l, %s
    FROM placed JOIN comparing ON comparing.id = batch_id
    ORDER BY n ON CONFLICT DO NOTHING RETURNING batch_id, kind),
a AS (
    SELECT batch_id AS id, count(*) AS answered, count(*) FILTER (WHERE kind = 'verdict') AS counted
    FROM recorded GROUP BY batch_id)
UPDATE batch SET answered = batch.answered + a.answered, counted = batch.counted + a.counted FROM a WHERE batch.id = a.id
RETURNING a.answered, batch.id, budget, sent, batch.answered, batch.counted, (design->>'target_reliability')::float8,
    (design->>'stability_threshold')::float8, (design->>'success_rate')::float8, (design->>'completion_threshold')::float8,
    overlap
"""
"""Answers that close their comparison, recorded and counted under the lock of their batch, in one statement."""
DUE = f"UPDATE batch SET due = true WHERE id = ANY(%s) OR id = ANY(%s) AND {SETTLED}"  # noqa: S608 - constant
PLACES = """
SELECT q.id, q.batch_id, q.ordinal, j.event_id FROM comparison q
LEFT JOIN judgement j ON j.batch_id = q.batch_id AND j.ordinal = q.ordinal AND j.closing WHERE q.id = ANY(%b::uuid[])
"""
RECORD = """
INSERT INTO judgement (batch_id, ordinal, event_id, kind, winner, swapped, closing, judge, provider, model, justification,
    confidence, response_time_ms, cost, instructions_found, evidence_1, evidence_2, call_id, recorded_at)
SELECT b, o, e, k, w, s, %s, j, p, m, t, c, r, x, f, u, v, l, %s
FROM unnest(%b::uuid[], %b::int[], %b::uuid[], %b::text[], %b::text[], %b::bool[], %b::text[], %b::text[], %b::text[], %b::text[],
    %b::real[], %b::int[], %b::float8[], %b::bool[], %b::text[], %b::text[], %b::uuid[])
    AS a (b, o, e, k, w, s, j, p, m, t, c, r, x, f, u, v, l)
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class _Answer:
    comparison: UUID
    message: Message
    event: ComparisonResult
    kind: str
    winner: str | None


class Callbacks:
    """Handler of judges' answers; marks a batch as due when it wants a decision."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, tx: Tx, messages: Sequence[Message]) -> None:
        """Record a set of answers. Those to batches that still compare close and count; all others are kept, uncounted."""
        answers, unusable = _understand(messages)
        closed = self._count(tx, answers) if answers else 0
        if closed < len(answers):
            unusable += self._keep_others(tx, answers)
        quarantine(tx, unusable)

    def _count(self, tx: Tx, answers: Sequence[_Answer]) -> int:
        """Record answers that close their comparison; returns how many did. Batches that want a decision become due."""
        columns = [[answer.comparison for answer in answers], *_columns(answers)]
        rows = execute(tx, COUNT, [*columns, self._clock.now()])
        due, failing = [], []
        for _, batch_id, budget, sent, done, verdicts, *rules, overlap in rows:
            tally, limits = stopping.Tally(budget, sent, done, verdicts, overlap), stopping.Rules(*rules)
            if stopping.below_success_rate(tally, limits):
                failing.append(batch_id)
            elif stopping.is_due(tally, limits):
                due.append(batch_id)
        if due or failing:
            execute(tx, DUE, [failing, due])
        return sum(int(row[0]) for row in rows)

    def _keep_others(self, tx: Tx, answers: Sequence[_Answer]) -> list[Unusable]:
        """Keep answers that closed nothing, but for those that did so before the inbox forgot them; returns answers to nothing."""
        rows = execute(tx, PLACES, [[answer.comparison for answer in answers]])
        places, closing = {row[0]: (row[1], row[2]) for row in rows}, {row[3] for row in rows}
        late = [one for one in answers if one.comparison in places and one.message.event_id not in closing]
        if late:
            where = [places[answer.comparison] for answer in late]
            columns = [[place[0] for place in where], [place[1] for place in where], *_columns(late)]
            execute(tx, RECORD, [False, self._clock.now(), *columns])
        unknown = [answer for answer in answers if answer.comparison not in places]
        return [_unusable(one.message, f"no comparison {one.comparison} is known") for one in unknown]


def _columns(answers: Sequence[_Answer]) -> list[list[Any]]:
    events = [answer.event for answer in answers]
    told = [event.request_metadata or {} for event in events]
    return [
        [answer.message.event_id for answer in answers],
        [answer.kind for answer in answers],
        [answer.winner for answer in answers],
        [metadata.get("presented_order") == "ba" for metadata in told],
        [
            _clean(str(metadata.get("judge") or event.model or "unknown"), 200)
            for event, metadata in zip(events, told, strict=True)
        ],
        [_clean(event.provider or "", 200) for event in events],
        [_clean(event.model or "", 200) for event in events],
        [_clean(_said(event), 500) for event in events],
        [_confidence(event.confidence) for event in events],
        [min(max(event.response_time_ms or 0, 0), 2_000_000_000) for event in events],
        [event.cost_estimate or 0.0 for event in events],
        *_of_models(told),
    ]


def _of_models(told: Sequence[dict[str, Any]]) -> list[list[Any]]:
    """What a model says of a comparison beside its winner; other judges say none of it."""
    found = [metadata.get("instructions_found") for metadata in told]
    return [
        [one if isinstance(one, bool) else None for one in found],
        [_clean(str(metadata.get("evidence_1") or ""), LONGEST_EVIDENCE) for metadata in told],
        [_clean(str(metadata.get("evidence_2") or ""), LONGEST_EVIDENCE) for metadata in told],
        [_uuid(str(metadata.get("call_id") or "")) for metadata in told],
    ]


def _understand(messages: Sequence[Message]) -> tuple[list[_Answer], list[Unusable]]:
    """What each message says about which comparison; those that say neither cannot be used."""
    answers, unusable = [], []
    for message in messages:
        event = message.event
        comparison = _uuid(event.request_id) if isinstance(event, ComparisonResult) else None
        verdict = _verdict(event)
        if comparison is None or not isinstance(event, ComparisonResult):
            unusable.append(_unusable(message, "request_id is not a UUID"))
        elif verdict is None:
            unusable.append(_unusable(message, "not exactly one of a known winner and error_detail"))
        else:
            answers.append(_Answer(comparison, message, event, *verdict))
    return answers, unusable


def _unusable(message: Message, cause: str) -> Unusable:
    return Unusable(message.delivery, message.event_id, cause)


def _verdict(event: object) -> tuple[str, str | None] | None:
    """Kind and winner of a callback; None when it says both, neither, or a winner nobody knows."""
    if not isinstance(event, ComparisonResult) or (event.winner is None) == (event.error_detail is None):
        return None
    if event.winner is not None:
        winner = WINNERS.get(event.winner)
        return None if winner is None else ("verdict", winner)
    code = event.error_detail.get("error_code") if isinstance(event.error_detail, dict) else None
    return (code if isinstance(code, str) and code in FAILURES else "failed"), None


def _said(event: ComparisonResult) -> str:
    """Why the judge chose as it did, or why there is no verdict."""
    if event.winner is not None or event.justification:
        return event.justification or ""
    detail = event.error_detail
    return str(detail.get("message") or "") if isinstance(detail, dict) else detail or ""


def _clean(text: str, longest: int) -> str:
    """Text that PostgreSQL can hold, within its bound."""
    return text.replace("\x00", "")[:longest]


def _confidence(value: float | None) -> float | None:
    """Confidence on the contract's scale, 1 to 5; anything else is no confidence at all."""
    return value if value is not None and 1 <= value <= 5 else None


def _uuid(text: str) -> UUID | None:
    try:
        return msgspec.convert(text, UUID)
    except msgspec.ValidationError:
        return None
