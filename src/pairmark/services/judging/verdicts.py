"""Recording answers, each once, together with the callback that tells of it (G3, G7), and what became of the calls behind them.

Calling a judge is at-least-once; recording is exactly-once: the key (request, attempt) decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pairmark.clock import Clock
from pairmark.events.catalogue import ComparisonResult, Question
from pairmark.events.envelope import Outgoing, outgoing
from pairmark.judges.question import Answer
from pairmark.messaging import outbox
from pairmark.messaging.backoff import delay_seconds
from pairmark.services.judging import calls
from pairmark.services.judging.queue import Chunk
from pairmark.storage.connection import Database, Tx, execute

SOURCE = "judging"
MAX_TRIES = 3
FINAL_KINDS = frozenset({"verdict", "unavailable", "blocked"})
"""Kinds that asking again cannot change."""

WINNERS = {"first": "Essay A", "second": "Essay B", "tie": "Tie"}

LOCK_BATCH = "SELECT correlation_id, closed FROM batch WHERE batch_id = %s FOR NO KEY UPDATE"
RECORD = """
INSERT INTO verdict (request_id, attempt, chunk_id, kind, winner, swapped, judge, provider, model, try, cost, response_time_ms,
    call_id, answered_at)
SELECT i, a, c, k, w, s, j, p, m, n, x, r, l, %s
FROM unnest(%b::uuid[], %b::int[], %b::uuid[], %b::text[], %b::text[], %b::bool[], %b::text[], %b::text[], %b::text[], %b::int[],
    %b::float8[], %b::int[], %b::uuid[]) AS v (i, a, c, k, w, s, j, p, m, n, x, r, l)
ON CONFLICT (request_id, attempt) DO NOTHING RETURNING request_id
"""
BOOK = """
INSERT INTO call (request_id, attempt, try, kind, detail, cost, called_at)
SELECT i, a, n, k, d, x, %s FROM unnest(%s::uuid[], %s::int[], %s::int[], %s::text[], %s::text[], %s::float8[]) 
    AS c (i, a, n, k, d, x)
"""
CLOSE = """
UPDATE chunk SET open = false WHERE id = ANY(%s) AND open
    AND jsonb_array_length(questions) = (SELECT count(*) FROM verdict v WHERE v.chunk_id = chunk.id)
"""
LATER = """
UPDATE chunk SET tries = tries + 1, next_attempt_at = %s, lease_token = NULL, lease_until = '-infinity'
WHERE id = ANY(%s) AND open AND lease_token = %s
"""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer with the question and the chunk it belongs to.

    `call` is the call in the book it came from, `earlier` the one whose answer was reused instead; `tries` says how often the
    judge was asked in vain before, where the book knows that.
    """

    chunk: Chunk
    question: Question
    answer: Answer
    call: calls.Entry | None = None
    earlier: UUID | None = None
    tries: int | None = None

    @property
    def number(self) -> int:
        """Which try at this comparison and attempt this was, from 1."""
        return (self.chunk.tries if self.tries is None else self.tries) + 1

    @property
    def final(self) -> bool:
        """Whether this closes the question: a verdict, or no hope or tries left."""
        return self.answer.kind in FINAL_KINDS or self.number >= MAX_TRIES


class Verdicts:
    """Writes answers of leased chunks."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def record(self, answered: Sequence[Answered], token: UUID, finished: Sequence[Chunk] = ()) -> bool:
        """Record answers of one batch in one transaction; returns whether the batch still wants more.

        `finished` are chunks asked to the end: they close, or come up again later for what had no final answer.
        """
        now = self._clock.now()
        batch_id = (finished[0] if finished else answered[0].chunk).batch_id
        with self._database.transaction("judging") as tx:
            correlation, closed = execute(tx, LOCK_BATCH, [batch_id])[0]
            answered = _with_their_calls(tx, answered, token, now)
            fresh = self._store(tx, [item for item in answered if item.final], now)
            outbox.append(tx, [_callback(item, correlation, now) for item in fresh])
            self._book(tx, [item for item in answered if item.answer.kind != "verdict" and item.call is None], now)
            if finished:
                self._finish(tx, finished, token, now)
        return not closed

    @staticmethod
    def _finish(tx: Tx, chunks: Sequence[Chunk], token: UUID, now: datetime) -> None:
        ids = sorted(chunk.id for chunk in chunks)
        execute(tx, CLOSE, [ids])
        tries = max(chunk.tries for chunk in chunks)
        execute(tx, LATER, [now + timedelta(seconds=delay_seconds(tries + 1, longest=30.0)), ids, token])

    def _store(self, tx: Tx, final: Sequence[Answered], now: datetime) -> list[Answered]:
        if not final:
            return []
        answers = [item.answer for item in final]
        columns = [
            [item.question.request_id for item in final],
            [item.chunk.attempt for item in final],
            [item.chunk.id for item in final],
            [answer.kind for answer in answers],
            [answer.winner for answer in answers],
            [answer.swapped for answer in answers],
            [answer.judge for answer in answers],
            [answer.provider for answer in answers],
            [answer.model for answer in answers],
            [item.number for item in final],
            [answer.cost for answer in answers],
            [answer.response_time_ms for answer in answers],
            [None if item.call is None else item.call.id for item in final],
        ]
        new = {row[0] for row in execute(tx, RECORD, [now, *columns])}
        return [item for item in final if item.question.request_id in new]

    @staticmethod
    def _book(tx: Tx, without_verdict: Sequence[Answered], now: datetime) -> None:
        if without_verdict:
            columns = [
                [item.question.request_id for item in without_verdict],
                [item.chunk.attempt for item in without_verdict],
                [item.number for item in without_verdict],
                [item.answer.kind for item in without_verdict],
                [item.answer.detail for item in without_verdict],
                [item.answer.cost for item in without_verdict],
            ]
            execute(tx, BOOK, [now, *columns])


def _with_their_calls(tx: Tx, answered: Sequence[Answered], token: UUID, now: datetime) -> list[Answered]:
    """What became of the calls, in the same transaction as what they brought; an answer to a call that ended before is dropped."""
    made = [item for item in answered if item.call and item.earlier is None]
    ended = calls.end(tx, [(item.call, item.answer) for item in made if item.call], now)
    calls.reuse(tx, [(item.call, item.earlier) for item in answered if item.call and item.earlier], token, now)
    return [item for item in answered if item.call is None or item.earlier or item.call.id in ended]


def _told_by_call(item: Answered) -> dict[str, Any]:
    """What a callback tells beyond the contract when a language model answered, within bounds."""
    if item.call is None:
        return {}
    answer = item.answer
    first, second = (calls.clean(quote) for quote in answer.evidence)
    told: dict[str, Any] = {"call_id": str(item.call.id), "cached": item.earlier is not None}
    if answer.kind == "verdict":
        told |= {"instructions_found": answer.instructions_found, "evidence_1": first, "evidence_2": second}
    return told


def _callback(item: Answered, correlation: UUID, now: datetime) -> Outgoing:
    answer, question = item.answer, item.question
    verdict = answer.kind == "verdict"
    event = ComparisonResult(
        event_name=ComparisonResult.topic,
        entity_id=item.chunk.batch_id,
        entity_type="comparison",
        timestamp=now,
        request_id=str(question.request_id),
        correlation_id=str(correlation),
        winner=WINNERS[answer.winner] if verdict and answer.winner else None,
        error_detail=None if verdict else {"error_code": answer.kind, "message": answer.detail},
        justification=answer.justification or None,
        confidence=answer.confidence,
        provider=answer.provider,
        model=answer.model,
        response_time_ms=answer.response_time_ms,
        token_usage=dict(answer.token_usage),
        cost_estimate=answer.cost,
        requested_at=now,
        completed_at=now,
        request_metadata={
            "essay_a_id": question.first_id,
            "essay_b_id": question.second_id,
            "cj_batch_id": item.chunk.batch_id,
            "presented_order": "ba" if answer.swapped else "ab",
            "judge": answer.judge,
            "attempt": item.chunk.attempt,
        }
        | _told_by_call(item),
    )
    return outgoing(
        event,
        aggregate_id=item.chunk.batch_id,
        source=SOURCE,
        correlation_id=correlation,
        fact_key=f"{question.request_id}, attempt {item.chunk.attempt}",
    )
