"""Recording answers in sets: one insert for all of them, one count for each batch, one decision for each set.

A comparison is closed by the first answer to it (unique index); later, repeated and too-late answers are kept, uncounted (G7).
Only a verdict counts; an error, a refusal or an unreadable winner never becomes one (G11).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pairmark.clock import Clock
from pairmark.domain import stopping
from pairmark.domain.statuses import Status
from pairmark.events.catalogue import ComparisonResult
from pairmark.messaging.messages import Message, Unusable, quarantine
from pairmark.storage.connection import Tx, execute

WINNERS = {"Essay A": "first", "Essay B": "second", "Tie": "tie"}
FAILURES = frozenset({"refused", "truncated", "invalid", "blocked", "timed_out", "unavailable", "failed"})

FIND = """
WITH wanted AS (SELECT id, batch_id, ordinal FROM comparison WHERE id = ANY(%b::uuid[])),
locked AS MATERIALIZED (
    SELECT id, status FROM batch WHERE id IN (SELECT batch_id FROM wanted) ORDER BY id FOR NO KEY UPDATE)
SELECT w.id, w.batch_id, w.ordinal, l.status FROM wanted w JOIN locked l ON l.id = w.batch_id
"""
RECORD = """
INSERT INTO judgement (batch_id, ordinal, event_id, kind, winner, swapped, closing, judge, provider, model, justification,
    confidence, response_time_ms, cost, recorded_at)
SELECT b, o, e, k, w, s, %s, j, p, m, t, c, r, x, %s
FROM unnest(%b::uuid[], %b::int[], %b::uuid[], %b::text[], %b::text[], %b::bool[], %b::text[], %b::text[], %b::text[], %b::text[],
    %b::real[], %b::int[], %b::float8[]) AS a (b, o, e, k, w, s, j, p, m, t, c, r, x)
ON CONFLICT DO NOTHING
"""
COUNT = (
    "WITH recorded AS ("  # noqa: S608 - made of constants
    + RECORD
    + """RETURNING batch_id, kind),
a AS (SELECT batch_id AS id, count(*) AS answered, count(*) FILTER (WHERE kind = 'verdict') AS counted
    FROM recorded GROUP BY batch_id)
UPDATE batch SET answered = batch.answered + a.answered, counted = batch.counted + a.counted FROM a WHERE batch.id = a.id
RETURNING a.answered, batch.id, budget, sent, batch.answered, batch.counted, (design->>'target_reliability')::float8,
    (design->>'stability_threshold')::float8, (design->>'success_rate')::float8, (design->>'completion_threshold')::float8
"""
)
CLOSED_BY = """
SELECT event_id FROM judgement WHERE closing AND event_id = ANY(%s)
    AND (batch_id, ordinal) IN (SELECT * FROM unnest(%s::uuid[], %s::int[]))
"""


@dataclass(frozen=True, slots=True)
class _Answer:
    batch_id: UUID
    ordinal: int
    message: Message
    kind: str
    winner: str | None
    in_time: bool


class Callbacks:
    """Handler of judges' answers; marks a batch as due when it wants a decision."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, tx: Tx, messages: Sequence[Message]) -> None:
        """Record a set of answers. Those to batches that still compare close and count; all others are kept, uncounted."""
        answers, unusable = _match(tx, messages)
        quarantine(tx, unusable)
        in_time = [answer for answer in answers if answer.in_time]
        closed = self._count(tx, in_time) if in_time else 0
        if closed < len(answers):
            late = _without_closing(tx, answers)
            if late:
                execute(tx, RECORD, [False, self._clock.now(), *_columns(late)])

    def _count(self, tx: Tx, answers: Sequence[_Answer]) -> int:
        """Record answers that close their comparison; returns how many did. Batches that want a decision become due."""
        rows = execute(tx, COUNT, [True, self._clock.now(), *_columns(answers)])
        due = []
        for _, batch_id, budget, sent, done, verdicts, *rules in rows:
            tally, limits = stopping.Tally(budget, sent, done, verdicts), stopping.Rules(*rules)
            if stopping.is_due(tally, limits) or stopping.below_success_rate(tally, limits):
                due.append(batch_id)
        if due:
            execute(tx, "UPDATE batch SET due = true WHERE id = ANY(%s)", [due])
        return sum(int(row[0]) for row in rows)


def _columns(answers: Sequence[_Answer]) -> list[list[Any]]:
    events = [answer.message.event for answer in answers]
    callbacks = [event for event in events if isinstance(event, ComparisonResult)]
    return [
        [answer.batch_id for answer in answers],
        [answer.ordinal for answer in answers],
        [answer.message.event_id for answer in answers],
        [answer.kind for answer in answers],
        [answer.winner for answer in answers],
        [callback.request_metadata.get("presented_order") == "ba" for callback in callbacks],
        [_clean(str(one.request_metadata.get("judge") or one.model or "unknown"), 200) for one in callbacks],
        [_clean(one.provider, 200) for one in callbacks],
        [_clean(one.model, 200) for one in callbacks],
        [_clean(one.justification or "", 500) for one in callbacks],
        [_confidence(one.confidence) for one in callbacks],
        [min(max(callback.response_time_ms, 0), 2_000_000_000) for callback in callbacks],
        [callback.cost_estimate for callback in callbacks],
    ]


def _match(tx: Tx, messages: Sequence[Message]) -> tuple[list[_Answer], list[Unusable]]:
    """Find the comparison each answer belongs to, under its batch's lock, and what the answer is."""
    asked: dict[UUID, Message] = {}
    unusable: list[Unusable] = []
    pairs: list[tuple[UUID, Message]] = []
    for message in messages:
        identity = _uuid(message.event.request_id) if isinstance(message.event, ComparisonResult) else None
        if identity is None:
            unusable.append(Unusable(message.delivery, message.event_id, "request_id is not a UUID"))
            continue
        asked[identity] = message
        pairs.append((identity, message))
    rows = execute(tx, FIND, [list(asked)]) if asked else []
    found = {row[0]: (row[1], row[2], row[3] == Status.PERFORMING_COMPARISONS) for row in rows}
    answers = []
    for identity, message in pairs:
        place, verdict = found.get(identity), _verdict(message.event)
        if place is None:
            unusable.append(Unusable(message.delivery, message.event_id, f"no comparison {identity} is known"))
        elif verdict is None:
            cause = "not exactly one of a known winner and error_detail"
            unusable.append(Unusable(message.delivery, message.event_id, cause))
        else:
            answers.append(_Answer(place[0], place[1], message, *verdict, in_time=place[2]))
    return answers, unusable


def _without_closing(tx: Tx, answers: Sequence[_Answer]) -> list[_Answer]:
    """Leave out answers that closed their comparison themselves, now or before the inbox forgot them."""
    columns = [
        [answer.message.event_id for answer in answers],
        [answer.batch_id for answer in answers],
        [answer.ordinal for answer in answers],
    ]
    closing = {row[0] for row in execute(tx, CLOSED_BY, columns)}
    return [answer for answer in answers if answer.message.event_id not in closing]


def _verdict(event: object) -> tuple[str, str | None] | None:
    """Kind and winner of a callback; None when it says both, neither, or a winner nobody knows."""
    if not isinstance(event, ComparisonResult) or (event.winner is None) == (event.error_detail is None):
        return None
    if event.winner is not None:
        winner = WINNERS.get(event.winner)
        return None if winner is None else ("verdict", winner)
    code = event.error_detail.get("error_code") if isinstance(event.error_detail, dict) else None
    return (code if isinstance(code, str) and code in FAILURES else "failed"), None


def _clean(text: str, longest: int) -> str:
    """Text that PostgreSQL can hold, within its bound."""
    return text.replace("\x00", "")[:longest]


def _confidence(value: float | None) -> float | None:
    """Confidence on the contract's scale, 1 to 5; anything else is no confidence at all."""
    return value if value is not None and 1 <= value <= 5 else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
