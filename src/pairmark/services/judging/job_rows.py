"""The rows of jobs: each step of a job is one compare-and-set, so of two processes that look after one only one goes on.

Set-based, in the caller's transaction. When each step is taken is decided in `jobs`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import msgspec

from pairmark.events.catalogue import Question
from pairmark.judges.question import Forecast
from pairmark.messaging.backoff import delay_seconds
from pairmark.services.judging.calls import NEVER_MADE, Entry, begin_in_job
from pairmark.services.judging.queue import Chunk
from pairmark.services.judging.sitting import Item
from pairmark.services.judging.verdicts import CLOSE
from pairmark.storage.connection import Tx, execute, values

FIRST_LOOK = 30.0
LONGEST_PAUSE = 600.0
TAKEN_TOGETHER = 16
NOT_HANDED_IN = "the job was not handed in"

WRITE = """
INSERT INTO job (id, batch_id, judge, judge_digest, begun_at, asker, next_look_at) VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
HOLD = (
    "INSERT INTO job_call (call_id, job_id, chunk_id) SELECT c, %s, k FROM unnest(%b::uuid[], %b::uuid[]) AS h (c, k)"
)
PARK = "UPDATE chunk SET in_jobs = true, lease_token = NULL, lease_until = '-infinity' WHERE id = ANY(%s)"
DUE = """
SELECT j.id, j.batch_id, j.judge, j.judge_digest, j.begun_at, coalesce(j.sent_at, j.begun_at), j.asker, j.state,
    coalesce(j.handle, ''), j.submissions, j.looks, j.strangers, j.cancelled_at IS NOT NULL, b.closed
FROM job j JOIN batch b USING (batch_id)
WHERE j.ended_at IS NULL AND j.next_look_at <= %s AND j.id <> ALL(%s) ORDER BY j.next_look_at LIMIT %s
"""
TAKE = """
UPDATE job j SET asker = %s, looks = j.looks + 1, submissions = j.submissions + (j.state = 'written')::int, next_look_at = t.next
FROM unnest(%b::uuid[], %b::text[], %b::int[], %b::timestamptz[]) AS t (id, state, looks, next)
WHERE (j.id, j.state, j.looks) = (t.id, t.state, t.looks) AND j.ended_at IS NULL RETURNING j.id, j.looks, j.submissions
"""
KNOWN = "SELECT provider_job FROM job WHERE judge_digest = %s AND provider_job IS NOT NULL AND begun_at >= %s"
NOTE = """
UPDATE job SET state = 'sent', provider_job = %(identity)s, handle = %(handle)s, sent_at = %(now)s, looks = 0,
    next_look_at = %(next)s
WHERE id = %(id)s AND state = 'written' AND ended_at IS NULL
  AND NOT EXISTS (SELECT FROM job o WHERE o.judge_digest = job.judge_digest AND o.provider_job = %(identity)s)
RETURNING id
"""
LOOKED = """
UPDATE job SET handle = %s, cancelled_at = coalesce(cancelled_at, %s) WHERE id = %s AND state = 'sent' AND ended_at IS NULL
"""
DISOWN = """
UPDATE job SET state = 'written', strangers = array_append(strangers, provider_job), provider_job = NULL, handle = NULL,
    sent_at = NULL, next_look_at = %s, detail = %s
WHERE id = %s AND state = 'sent' AND ended_at IS NULL
"""
HELD = """
SELECT c.id, c.batch_id, c.request_id, c.attempt, c.try, c.judge, c.judge_digest, c.prompt_hash, c.repeat, c.first_id, c.second_id,
    c.estimated_cost::float8, k.id, k.tries, q.value::text
FROM job_call h JOIN model_call c ON c.id = h.call_id JOIN chunk k ON k.id = h.chunk_id
CROSS JOIN LATERAL jsonb_array_elements(k.questions) AS q
WHERE h.job_id = %s AND c.kind IS NULL AND (q.value ->> 0)::uuid = c.request_id
ORDER BY c.first_id, c.id
"""
"""Calls with the same first text follow each other: a provider reads an equal beginning cheaper."""
OPEN_CALLS = "SELECT c.id FROM job_call h JOIN model_call c ON c.id = h.call_id WHERE h.job_id = %s AND c.kind IS NULL"
END = "UPDATE job SET state = %s, detail = %s, ended_at = %s WHERE id = %s AND ended_at IS NULL RETURNING id"
UNPARK = """
UPDATE chunk SET in_jobs = false
WHERE in_jobs AND id IN (SELECT chunk_id FROM job_call WHERE job_id = %s)
  AND NOT EXISTS (SELECT FROM job_call h JOIN model_call c ON c.id = h.call_id WHERE h.chunk_id = chunk.id AND c.kind IS NULL)
RETURNING id
"""
AGAIN = "UPDATE chunk SET tries = tries + 1, next_attempt_at = %s WHERE id = ANY(%s) AND open"


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it was taken up. `closed`: its batch is over; `submissions` counts this one in, if it is to be handed in."""

    id: UUID
    batch_id: str
    judge: str
    digest: str
    begun_at: datetime
    sent_at: datetime
    asker: UUID
    state: str
    handle: str
    submissions: int
    looks: int
    strangers: list[str]
    cancelled: bool
    closed: bool


@dataclass(frozen=True, slots=True)
class Held:
    """A call that a job holds and that has no outcome yet, with the question behind it."""

    entry: Entry
    chunk: Chunk
    question: Question


def write(tx: Tx, batch_id: str, items: Sequence[Item], token: UUID, now: datetime) -> set[UUID]:
    """Write down a job and its calls, as far as the purse pays for them, and keep their chunks for it."""
    entries = {item.entry.id: item for item in items if item.entry is not None}
    forecast = items[0].forecast
    if not entries or forecast is None:
        return set()
    job = uuid4()
    paid = begin_in_job(tx, batch_id, [item.entry for item in entries.values() if item.entry], job, now)
    if paid:
        execute(tx, WRITE, [job, batch_id, forecast.judge, forecast.digest, now, token, now])
        calls = sorted(paid)
        chunks = [entries[call].chunk.id for call in calls]
        execute(tx, HOLD, [job, calls, chunks])
        execute(tx, PARK, [sorted(set(chunks))])
    return paid


def due(tx: Tx, now: datetime, but: Sequence[UUID]) -> list[Job]:
    """Open jobs whose time has come."""
    rows = execute(tx, DUE, [now, list(but), TAKEN_TOGETHER])
    return [Job(*row) for row in rows]


def take(tx: Tx, jobs: Sequence[Job], token: UUID, now: datetime) -> list[Job]:
    """Make these jobs ours for their next step, unless another process was quicker; they are due again later."""
    later = [now + timedelta(seconds=pause(job.looks)) for job in jobs]
    rows = execute(
        tx, TAKE, [token, [job.id for job in jobs], [job.state for job in jobs], [job.looks for job in jobs], later]
    )
    taken = {row[0]: row[1:] for row in rows}
    return [
        replace(job, asker=token, looks=taken[job.id][0], submissions=taken[job.id][1])
        for job in jobs
        if job.id in taken
    ]


def pause(looks: int) -> float:
    """Seconds until the next look at a job that was looked at so often."""
    return delay_seconds(looks + 1, first=FIRST_LOOK, longest=LONGEST_PAUSE)


def known(tx: Tx, job: Job) -> list[str]:
    """Jobs at the provider that are not this one: those of others, and strangers."""
    return values(execute(tx, KNOWN, [job.digest, job.begun_at - timedelta(days=1)])) + job.strangers


def note(tx: Tx, job: Job, identity: str, handle: str, now: datetime) -> bool:
    """The job is at the provider under this id; False if that was noted before, of another submission of it."""
    told = {
        "id": job.id,
        "identity": identity,
        "handle": handle,
        "now": now,
        "next": now + timedelta(seconds=FIRST_LOOK),
    }
    return bool(execute(tx, NOTE, told))


def looked(tx: Tx, job: Job, handle: str, now: datetime) -> None:
    """The job as the provider says it stands; one of a batch that is over was asked to stop."""
    execute(tx, LOOKED, [handle, now if job.closed else None, job.id])


def disown(tx: Tx, job: Job, why: str, now: datetime) -> None:
    """The job is not at the provider after all."""
    execute(tx, DISOWN, [now, why, job.id])


def held(tx: Tx, job: Job) -> list[Held]:
    """The calls of a job that have no outcome yet."""
    return [_held(*row) for row in execute(tx, HELD, [job.id])]


def refuse(tx: Tx, job: Job, why: str, now: datetime) -> None:
    """The job was surely never made: its calls were not either, and its chunks are free as they were."""
    execute(tx, NEVER_MADE, [now, NOT_HANDED_IN, values(execute(tx, OPEN_CALLS, [job.id]))])
    execute(tx, END, ["refused", why, now, job.id])
    execute(tx, UNPARK, [job.id])


def end(tx: Tx, job: Job, state: str, detail: str, now: datetime) -> None:
    """All calls of the job have their outcome: its chunks close, or come up again for what has no final answer."""
    if not execute(tx, END, [state, detail, now, job.id]):
        return
    free = sorted(values(execute(tx, UNPARK, [job.id])))
    execute(tx, CLOSE, [free])
    execute(tx, AGAIN, [now + timedelta(seconds=delay_seconds(1)), free])


def _held(
    call: UUID, batch_id: str, request: UUID, attempt: int, number: int, judge: str, digest: str, prompt_hash: str,
    repeat: int, first_id: str, second_id: str, estimate: float | None, chunk: UUID, tries: int, question: str,
) -> Held:  # fmt: skip
    forecast = Forecast(judge, digest, prompt_hash, estimate, in_jobs=True, cost_in_job=estimate)
    entry = Entry(call, batch_id, request, attempt, number, forecast, repeat, first_id, second_id)
    return Held(
        entry,
        Chunk(chunk, batch_id, attempt, tries, [], {}),
        msgspec.json.decode(question, type=Question),
    )
