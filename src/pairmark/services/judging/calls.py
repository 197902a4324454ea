"""The book of calls that cost money: a row before each call, exactly one outcome after it, and the purse they are paid from.

All statements are set-based. What is reserved, spent, or perhaps spent follows from the rows by triggers; a second outcome, a
changed one, and a call beyond the spend limit are refused by the database. Who is called, and when, is not decided here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pairmark.clock import Clock
from pairmark.judges.question import Answer, Forecast
from pairmark.storage.connection import Database, Tx, execute, values

Purpose = Literal["comparison", "canary"]

FRUITLESS = ("refused", "truncated", "invalid", "blocked", "timed_out", "unavailable", "failed")
"""Outcomes that spend a try. A call that was not made spends none, nor do the first that were lost with their process."""
SPARED = 2
"""Calls for one comparison that may be lost with their process; if there are more, the comparison may be what ends it.

What is lost because people stop a process says nothing of the comparison.
"""
LONGEST_ANSWER = 20_000
LONGEST_DETAIL = 500
LOST = "the process that made the call ended before it recorded the answer"
STOPPED = "the process that made the call was stopped before the answer was there"
NOT_MADE = "the call was not made"

OPEN_PURSE = "INSERT INTO purse (batch_id) VALUES (%s) ON CONFLICT (batch_id) DO NOTHING"
LIMITED_PURSE = "INSERT INTO purse (batch_id, spend_limit) VALUES (%s, %s) ON CONFLICT (batch_id) DO NOTHING"
ALLOW = """
INSERT INTO purse (batch_id, spend_limit) VALUES (%s, %s)
ON CONFLICT (batch_id) DO UPDATE SET spend_limit = EXCLUDED.spend_limit
"""
STANDING = "SELECT spend_limit, reserved, spent, perhaps FROM purse WHERE batch_id = %s"
BEGIN = """
WITH held AS MATERIALIZED (
    SELECT spend_limit - reserved - spent - perhaps AS room FROM purse WHERE batch_id = %s FOR NO KEY UPDATE),
wanted AS (
    SELECT *, sum(coalesce(x, 0)::numeric) OVER (ORDER BY n) AS running
    FROM unnest(%b::uuid[], %b::uuid[], %b::int[], %b::int[], %b::text[], %b::text[], %b::text[], %b::int[], %b::text[], %b::text[],
        %b::float8[]) WITH ORDINALITY AS w (i, q, a, t, j, d, h, r, f, s, x, n))
INSERT INTO model_call (id, batch_id, purpose, request_id, attempt, try, judge, judge_digest, prompt_hash, repeat, first_id,
    second_id, estimated_cost, asker, begun_at)
SELECT i, %s, %s, q, a, t, j, d, h, r, f, s, x::numeric, %s, %s FROM wanted LEFT JOIN held ON true
WHERE room IS NULL OR x = 0 OR (x IS NOT NULL AND running <= room) ORDER BY n
RETURNING id
"""
"""What costs nothing is always paid for.

The purse is locked and read in one statement: it is one row, which PostgreSQL reads again after it waited for the lock.
"""
END = """
UPDATE model_call c SET kind = o.k, ended_at = %s, winner = o.w, detail = o.d, reason = o.j, evidence_1 = o.e1, evidence_2 = o.e2,
    instructions_found = o.f, model = o.m, provider = o.p, provider_request_id = o.pr, finish = o.fi, input_tokens = o.it,
    cached_tokens = o.ct, output_tokens = o.ot, reasoning_tokens = o.rt, cost = o.x::numeric, price = o.pe, latency_ms = o.l,
    wire_requests = o.wr, answer = o.a
FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::bool[], %b::text[], %b::text[],
    %b::text[], %b::text[], %b::int[], %b::int[], %b::int[], %b::int[], %b::float8[], %b::text[], %b::int[], %b::int[], %b::text[])
    AS o (i, k, w, d, j, e1, e2, f, m, p, pr, fi, it, ct, ot, rt, x, pe, l, wr, a)
WHERE c.id = o.i AND c.kind IS NULL RETURNING c.id
"""
NEVER_MADE = """
UPDATE model_call SET kind = 'not_asked', ended_at = %s, detail = %s, cost = 0 WHERE id = ANY(%s) AND kind IS NULL
"""
KEEP = """
INSERT INTO kept_answer (judge_digest, prompt_hash, repeat, call_id)
SELECT judge_digest, prompt_hash, repeat, id FROM model_call
WHERE id = ANY(%s) AND purpose = 'comparison' AND prompt_hash <> '' ORDER BY 1, 2, 3, 4 ON CONFLICT DO NOTHING
"""
KEPT = """
SELECT k.judge_digest, k.prompt_hash, k.repeat, c.id, c.winner, c.judge, c.provider, c.model, c.reason, c.evidence_1, c.evidence_2,
    c.instructions_found
FROM unnest(%b::text[], %b::text[], %b::int[]) AS w (d, h, r)
JOIN kept_answer k ON (k.judge_digest, k.prompt_hash, k.repeat) = (w.d, w.h, w.r) JOIN model_call c ON c.id = k.call_id
"""
REUSE = """
INSERT INTO model_call (id, batch_id, purpose, request_id, attempt, try, judge, judge_digest, prompt_hash, repeat, first_id,
    second_id, estimated_cost, asker, begun_at, cached_from, kind, ended_at, winner, reason, evidence_1, evidence_2,
    instructions_found, model, provider, finish, cost, price, latency_ms, wire_requests)
SELECT n.i, n.b, 'comparison', n.q, n.a, n.t, c.judge, c.judge_digest, c.prompt_hash, c.repeat, n.f, n.s, 0, %s, %s, c.id,
    'verdict', %s, c.winner, c.reason, c.evidence_1, c.evidence_2, c.instructions_found, c.model, c.provider, c.finish, 0, '', 0, 0
FROM unnest(%b::uuid[], %b::text[], %b::uuid[], %b::int[], %b::int[], %b::text[], %b::text[], %b::uuid[])
    AS n (i, b, q, a, t, f, s, o) JOIN model_call c ON c.id = n.o ON CONFLICT (id) DO NOTHING
"""
VERDICTS_OF = """
SELECT DISTINCT ON (request_id) request_id, winner, judge, provider, model, reason, evidence_1, evidence_2, instructions_found
FROM model_call WHERE request_id = ANY(%s) AND purpose = %s AND kind = 'verdict' ORDER BY request_id, begun_at, id
"""
TRIED = f"""
SELECT request_id, attempt, count(*) FILTER (WHERE kind <> 'lost')
    + greatest(count(*) FILTER (WHERE kind = 'lost' AND detail IS DISTINCT FROM %s) - {SPARED}, 0)
FROM model_call WHERE request_id = ANY(%s) AND purpose = 'comparison' AND kind = ANY(%s) GROUP BY 1, 2
"""  # noqa: S608 - constant
OTHER_ASKERS = """
SELECT DISTINCT asker FROM model_call WHERE kind IS NULL AND asker <> %s
    AND asker NOT IN (SELECT id FROM job WHERE ended_at IS NULL)
"""
"""Calls in a job have the job as their asker: it lives without any process."""
LOCK_PURSES = """
SELECT FROM purse WHERE batch_id IN (SELECT batch_id FROM model_call WHERE kind IS NULL AND asker = ANY(%s) AND id <> ALL(%s))
ORDER BY batch_id FOR NO KEY UPDATE
"""
LOSE = """
UPDATE model_call SET kind = 'lost', ended_at = %s, detail = %s WHERE kind IS NULL AND asker = ANY(%s) AND id <> ALL(%s)
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A call as it is written down before it is made; `number` counts the tries at this comparison and attempt, from 1."""

    id: UUID
    batch_id: str
    request_id: UUID
    attempt: int
    number: int
    forecast: Forecast
    repeat: int
    first_id: str
    second_id: str
    purpose: Purpose = "comparison"


@dataclass(frozen=True, slots=True)
class Purse:
    """What a batch may spend, in US dollars, and how that stands.

    `reserved` is the most that calls in flight may cost, `perhaps` the most that ended calls may have cost of which nobody told
    the cost: timed out, cut off, or lost with a process.
    """

    limit: float | None
    reserved: float
    spent: float
    perhaps: float


class Calls:
    """The book, as one asker writes it."""

    def __init__(self, database: Database, clock: Clock, token: UUID) -> None:
        self._database = database
        self._clock = clock
        self._token = token
        self._purses: set[str] = set()

    def begin(self, batch_id: str, entries: Sequence[Entry]) -> set[UUID]:
        """Write down calls of one batch that are about to be made; returns the ids of those that the purse pays for.

        With a spend limit, a call of which nobody knows the price is never one of them.
        """
        if batch_id not in self._purses:
            self._database.at_once("judging", OPEN_PURSE, [batch_id])
            self._purses.add(batch_id)
        row = _begun(batch_id, entries, self._token, self._clock.now())
        return set(values(self._database.at_once("judging", BEGIN, row)))

    def never_made(self, ids: Sequence[UUID]) -> None:
        """Calls that were written down and then not made: they cost nothing and spend no try."""
        if ids:
            self._database.at_once("judging", NEVER_MADE, [self._clock.now(), NOT_MADE, list(ids)])

    def kept(self, forecasts: Sequence[tuple[Forecast, int]]) -> dict[tuple[str, str, int], tuple[UUID, Answer]]:
        """Verdicts that these judges gave to these very prompts before, by digest, prompt hash and repeat."""
        columns: list[list[Any]] = [
            [forecast.digest for forecast, _ in forecasts],
            [forecast.prompt_hash for forecast, _ in forecasts],
            [repeat for _, repeat in forecasts],
        ]
        return {
            (row[0], row[1], row[2]): (row[3], _answer(row[4:]))
            for row in self._database.at_once("judging", KEPT, columns)
        }

    def verdicts_of(self, request_ids: Sequence[UUID], purpose: Purpose) -> dict[UUID, Answer]:
        """The first verdict the book has of each of these, where it has one."""
        rows = self._database.at_once("judging", VERDICTS_OF, [list(request_ids), purpose])
        return {row[0]: _answer(row[1:]) for row in rows}

    def tried(self, request_ids: Sequence[UUID]) -> dict[tuple[UUID, int], int]:
        """How many calls were made in vain for each comparison and attempt."""
        rows = self._database.at_once("judging", TRIED, [STOPPED, list(request_ids), [*FRUITLESS, "lost"]])
        return {(row[0], row[1]): row[2] for row in rows}

    def other_askers(self) -> list[UUID]:
        """Tokens of other askers that have calls in flight, or died with them."""
        return values(self._database.at_once("judging", OTHER_ASKERS, [self._token]))

    def lose(self, tokens: Sequence[UUID], but: Sequence[UUID] = (), *, why: str = LOST) -> None:
        """Calls of askers that are gone have no outcome any more: perhaps they were charged, and nobody guesses.

        `but` are calls whose outcome somebody still knows.
        """
        with self._database.transaction("judging") as tx:
            execute(tx, LOCK_PURSES, [list(tokens), list(but)])
            execute(tx, LOSE, [self._clock.now(), why, list(tokens), list(but)])

    def allow(self, batch_id: str, limit: float) -> None:
        """Set the spend limit of a batch; lowering it stops new calls only."""
        self._database.at_once("judging", ALLOW, [batch_id, limit])

    def purse(self, batch_id: str) -> Purse:
        """How the batch's money stands."""
        rows = self._database.at_once("judging", STANDING, [batch_id])
        limit, reserved, spent, perhaps = rows[0] if rows else (None, 0, 0, 0)
        return Purse(None if limit is None else float(limit), float(reserved), float(spent), float(perhaps))


def begin_in_job(tx: Tx, batch_id: str, entries: Sequence[Entry], job: UUID, now: datetime) -> set[UUID]:
    """Write down calls of one batch that a job will hold, in the caller's transaction; returns those that the purse pays for."""
    execute(tx, OPEN_PURSE, [batch_id])
    return set(values(execute(tx, BEGIN, _begun(batch_id, entries, job, now))))


def _begun(batch_id: str, entries: Sequence[Entry], asker: UUID, now: datetime) -> list[Any]:
    """The parameters of `BEGIN`."""
    forecasts = [one.forecast for one in entries]
    columns = [
        [one.id for one in entries], [one.request_id for one in entries], [one.attempt for one in entries],
        [one.number for one in entries], [clean(one.judge) for one in forecasts], [one.digest for one in forecasts],
        [one.prompt_hash for one in forecasts], [one.repeat for one in entries], [one.first_id for one in entries],
        [one.second_id for one in entries], [one.cost for one in forecasts],
    ]  # fmt: skip
    return [batch_id, *columns, batch_id, entries[0].purpose, asker, now]


def end(tx: Tx, outcomes: Sequence[tuple[Entry, Answer]], now: datetime) -> set[UUID]:
    """Write down what became of calls, in the caller's transaction; returns those that had no outcome yet.

    Verdicts are kept for whoever asks the same judge the same thing.
    """
    if not outcomes:
        return set()
    columns = [list(column) for column in zip(*(_outcome(entry, answer) for entry, answer in outcomes), strict=True)]
    ended = set(values(execute(tx, END, [now, *columns])))
    verdicts = [entry.id for entry, answer in outcomes if entry.id in ended and answer.kind == "verdict"]
    if verdicts:
        execute(tx, KEEP, [verdicts])
    return ended


def reuse(tx: Tx, reused: Sequence[tuple[Entry, UUID]], token: UUID, now: datetime) -> None:
    """Write down answers that are reused from earlier calls, at no cost, in the caller's transaction."""
    if not reused:
        return
    entries = [entry for entry, _ in reused]
    columns: list[list[Any]] = [
        [one.id for one in entries], [one.batch_id for one in entries], [one.request_id for one in entries],
        [one.attempt for one in entries], [one.number for one in entries], [one.first_id for one in entries],
        [one.second_id for one in entries], [earlier for _, earlier in reused],
    ]  # fmt: skip
    execute(tx, REUSE, [token, now, now, *columns])


def dollars(amount: float | None) -> str:
    """An amount for people; a small one with as many digits as it needs."""
    if amount is None:
        return "no known amount"
    return f"${amount:,.2f}" if amount == 0 or amount >= 0.1 else f"${amount:.2g}"


def clean(text: str, longest: int = LONGEST_DETAIL) -> str:
    """Text that PostgreSQL can hold, within its bound."""
    return text[:longest].replace("\x00", "").encode("utf-8", "replace").decode()


def _counted(number: int | None) -> int | None:
    """A count that the column can hold; one that cannot be true is none."""
    return number if number is not None and 0 <= number < 2**31 else None


def _charged(cost: float | None) -> float | None:
    return cost if cost is not None and 0 <= cost < math.inf else None


def _outcome(entry: Entry, answer: Answer) -> tuple[Any, ...]:
    """The columns of `END`. A model's answer that tells nothing about its call has an unknown cost, never 0."""
    call = answer.call
    said = (
        entry.id, answer.kind, answer.winner, clean(answer.detail), clean(answer.justification), clean(answer.evidence[0]),
        clean(answer.evidence[1]), answer.instructions_found,
    )  # fmt: skip
    if call is None:
        cost = None if entry.forecast.prompt_hash else 0.0
        return (
            *said,
            clean(answer.model),
            clean(answer.provider),
            "",
            "",
            None,
            None,
            None,
            None,
            cost,
            "",
            None,
            None,
            "",
        )
    return (
        *said, clean(call.model), clean(answer.provider), clean(call.provider_request_id), clean(call.finish),
        _counted(call.input_tokens), _counted(call.cached_tokens), _counted(call.output_tokens), _counted(call.reasoning_tokens),
        _charged(call.cost), clean(call.price), _counted(call.latency_ms), call.attempts, clean(call.answer, LONGEST_ANSWER),
    )  # fmt: skip


def _answer(row: Sequence[Any]) -> Answer:
    winner, judge, provider, model, reason, evidence_1, evidence_2, found = row
    return Answer(
        request_id="", kind="verdict", winner=winner, swapped=False, judge=judge, provider=provider, model=model,
        justification=reason, evidence=(evidence_1, evidence_2), instructions_found=found,
    )  # fmt: skip
