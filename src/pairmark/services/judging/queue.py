"""Requests for verdicts: taken in as chunks, leased to one asker at a time, closed when every comparison has its answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from pairmark.clock import Clock
from pairmark.events.catalogue import AssessmentCompleted, AssessmentFailed, JudgingRequested, Question
from pairmark.judges.question import Answer
from pairmark.messaging.messages import Message
from pairmark.services.judging.calls import LIMITED_PURSE
from pairmark.storage.connection import Tx, execute, values

LEASE_SECONDS = 60.0
"""An asker that lives renews its leases well before; one that died is found by its session lock, one that hangs by this time."""

OPEN_BATCH = """
INSERT INTO batch (batch_id, judge, judge_digest, correlation_id) VALUES (%s, %s, %s, %s) ON CONFLICT (batch_id) DO NOTHING
"""
CLOSE_BATCH = """
INSERT INTO batch (batch_id, judge, judge_digest, correlation_id, closed) VALUES (%s, '', '', %s, true)
ON CONFLICT (batch_id) DO UPDATE SET closed = true
"""
ENQUEUE = """
INSERT INTO chunk (id, batch_id, attempt, questions, next_attempt_at) VALUES (%s, %s, %s, %s::jsonb, %s) ON CONFLICT (id) DO NOTHING
"""
REPLACE = "UPDATE chunk SET open = false WHERE batch_id = %s AND attempt < %s AND open"
"""A new attempt asks for everything of the batch that is open, so what earlier attempts still wait for is asked there."""
LEASE = """
UPDATE chunk SET lease_token = %(token)s, lease_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE id IN (
    SELECT c.id FROM chunk c JOIN batch b USING (batch_id)
    WHERE c.open AND NOT c.in_jobs AND NOT b.closed AND c.lease_until < clock_timestamp() AND c.next_attempt_at <= %(now)s
        AND c.batch_id <> ALL(%(without)s)
    ORDER BY c.position LIMIT %(limit)s FOR UPDATE OF c SKIP LOCKED)
RETURNING id, batch_id, attempt, questions::text, tries, position
"""
ANSWERED = "SELECT request_id FROM verdict WHERE chunk_id = ANY(%s)"
KNOWN = """
SELECT DISTINCT ON (request_id) request_id, winner, swapped, judge, provider, model, response_time_ms FROM verdict
WHERE request_id = ANY(%s) AND kind = 'verdict' ORDER BY request_id, attempt
"""
OTHERS = "SELECT DISTINCT lease_token FROM chunk WHERE open AND lease_until > clock_timestamp() AND lease_token <> %s"
RENEW = """
UPDATE chunk SET lease_until = clock_timestamp() + make_interval(secs => %s) WHERE open AND lease_token = %s
"""
HAND_BACK = (
    "UPDATE chunk SET lease_token = NULL, lease_until = '-infinity' WHERE id = ANY(%s) AND open AND lease_token = %s"
)
RELEASE = """
UPDATE chunk SET lease_token = NULL, lease_until = '-infinity' WHERE open AND lease_token = ANY(%s) AND id <> ALL(%s)
"""


@dataclass(frozen=True)
class Chunk:
    """A leased chunk with the questions that still want an answer.

    `known` holds verdicts of an earlier attempt at the same comparisons: they are told again, not asked again.
    """

    id: UUID
    batch_id: str
    attempt: int
    tries: int
    questions: list[Question]
    known: dict[UUID, Answer]


class Queue:
    """Handlers that fill and close the queue."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def requested(self, tx: Tx, messages: Sequence[Message]) -> None:
        """Take chunks in; the id of the request is the id of the chunk."""
        for message in messages:
            event = message.event
            if isinstance(event, JudgingRequested):
                execute(tx, OPEN_BATCH, [event.cj_batch_id, event.judge, event.judge_digest, message.correlation_id])
                execute(tx, REPLACE, [event.cj_batch_id, event.attempt])
                if event.spend_limit is not None:  # what was allowed since stays
                    execute(tx, LIMITED_PURSE, [event.cj_batch_id, event.spend_limit])
                questions = msgspec.json.encode(event.questions).decode()
                execute(tx, ENQUEUE, [message.event_id, event.cj_batch_id, event.attempt, questions, self._clock.now()])

    def ended(self, tx: Tx, messages: Sequence[Message]) -> None:
        """The batch is over: nothing of it is asked any more, not even what is requested only later (topics keep no order)."""
        ended = {
            message.event.cj_assessment_job_id: message.correlation_id
            for message in messages
            if isinstance(message.event, AssessmentCompleted | AssessmentFailed)
        }
        for job in sorted(ended):
            execute(tx, CLOSE_BATCH, [job, ended[job]])


def lease(tx: Tx, token: UUID, now: datetime, limit: int, without: Sequence[str] = ()) -> list[Chunk]:
    """Lease open chunks whose time has come, oldest first, but none of the batches in `without`."""
    scope = {"token": token, "seconds": LEASE_SECONDS, "now": now, "limit": limit, "without": list(without)}
    rows = execute(tx, LEASE, scope)
    rows.sort(key=lambda row: row[5])
    done = set(values(execute(tx, ANSWERED, [[row[0] for row in rows]]))) if rows else set()
    chunks = []
    for identity, batch_id, attempt, text, tries, _ in rows:
        questions = [item for item in msgspec.json.decode(text, type=list[Question]) if item.request_id not in done]
        known = _known(tx, questions) if attempt > 1 else {}
        chunks.append(Chunk(identity, batch_id, attempt, tries, questions, known))
    return chunks


def renew(tx: Tx, token: UUID) -> None:
    """Prolong the leases of everything this asker has in hand."""
    execute(tx, RENEW, [LEASE_SECONDS, token])


def hand_back(tx: Tx, chunks: Sequence[Chunk], token: UUID) -> None:
    """Give these chunks back as they are, for anyone to take; it is no failed try."""
    execute(tx, HAND_BACK, [[chunk.id for chunk in chunks], token])


def release(tx: Tx, tokens: Sequence[UUID], but: Sequence[UUID] = ()) -> None:
    """Give the leases of these askers back, except for the chunks in `but`."""
    execute(tx, RELEASE, [list(tokens), list(but)])


def other_askers(tx: Tx, token: UUID) -> list[UUID]:
    """Tokens under which other askers hold open chunks."""
    return values(execute(tx, OTHERS, [token]))


def _known(tx: Tx, questions: Sequence[Question]) -> dict[UUID, Answer]:
    rows = execute(tx, KNOWN, [[question.request_id for question in questions]])
    return {
        row[0]: Answer(str(row[0]), "verdict", row[1], row[2], row[3], row[4], row[5], response_time_ms=row[6])
        for row in rows
    }
