"""What others may ask of judging: what the calls of a batch came to and cost, and every call behind one judgement. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pairmark.domain.judged import CallsMade, Cost, JobsOut, Money
from pairmark.judges.llm.canaries import Finding
from pairmark.storage.connection import Database, execute

LOST, VERDICT = "lost", "verdict"

MADE = """
SELECT judge, kind, purpose, cached_from IS NOT NULL, count(*), count(*) FILTER (WHERE kind IS NOT NULL AND cost IS NULL),
    coalesce(sum(cost), 0)::float8, coalesce(sum(input_tokens), 0), coalesce(sum(cached_tokens), 0),
    coalesce(sum(output_tokens), 0)
FROM model_call WHERE batch_id = %s AND kind IS DISTINCT FROM 'not_asked' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
CANARIES = "SELECT judge, suspended, reason, findings FROM canary_run WHERE batch_id = %s AND suspended IS NOT NULL"
PURSE = "SELECT spent::float8, spend_limit::float8, perhaps::float8 FROM purse WHERE batch_id = %s"
JOBS_OUT = """
SELECT count(DISTINCT job.id), count(*), min(job.sent_at) FROM job JOIN job_call ON job_id = job.id
WHERE batch_id = %s AND state = 'sent'
"""
CALLS = """
SELECT c.id, c.request_id, c.purpose, c.attempt, c.try, c.judge, c.judge_digest, c.prompt_hash, c.kind, c.winner, c.detail,
    c.reason, c.evidence_1, c.evidence_2, c.instructions_found, c.model, c.provider, c.provider_request_id, c.finish,
    c.input_tokens, c.cached_tokens, c.output_tokens, c.reasoning_tokens, c.cost::float8, c.price, c.latency_ms, c.wire_requests,
    c.answer, c.first_id, c.second_id, c.begun_at, c.ended_at, c.cached_from,
    EXISTS (SELECT FROM verdict v WHERE v.call_id = c.id)
FROM model_call c WHERE c.request_id = ANY(%s) AND c.purpose = 'comparison' ORDER BY c.request_id, c.begun_at, c.id
"""


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One call of the book, as it was begun and as it ended; `recorded`: its answer is the one that was recorded.

    `kind` is None while it is in flight; `cached_from` names the earlier call whose answer was used again.
    """

    id: UUID
    request_id: UUID
    purpose: str
    attempt: int
    number: int
    judge: str
    judge_digest: str
    prompt_hash: str
    kind: str | None
    winner: str | None
    detail: str
    reason: str
    evidence_1: str
    evidence_2: str
    instructions_found: bool | None
    model: str
    provider: str
    provider_request_id: str
    finish: str
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cost: float | None
    price: str
    latency_ms: int | None
    wire_requests: int | None
    answer: str
    first_id: str
    second_id: str
    begun_at: datetime
    ended_at: datetime | None
    cached_from: UUID | None
    recorded: bool


class JudgingQueries:
    """Read side of the judging service."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def made(self, batch_id: str) -> dict[str, CallsMade]:
        """What the calls of each judge of the batch came to; judges that are not called are not named."""
        with self._database.transaction("judging") as tx:
            rows = execute(tx, MADE, [batch_id])
            runs = {row[0]: row[1:] for row in execute(tx, CANARIES, [batch_id])}
        judges = dict.fromkeys(row[0] for row in rows)
        return {judge: _made([row[1:] for row in rows if row[0] == judge], runs.get(judge)) for judge in judges}

    def money(self, batch_id: str) -> Money | None:
        """What the batch has cost so far; None where no call costs anything and there is no limit."""
        with self._database.transaction("judging") as tx:
            rows = execute(tx, PURSE, [batch_id])
        return Money(*rows[0]) if rows else None

    def jobs_out(self, batch_id: str) -> JobsOut | None:
        """Jobs of the batch that are with a provider; None if there are none."""
        with self._database.transaction("judging") as tx:
            found = execute(tx, JOBS_OUT, [batch_id])[0]
        return JobsOut(*found) if found[0] else None

    def cost(self, batch_id: str) -> Cost | None:
        """The same with the calls it was for, which takes longer to count."""
        money = self.money(batch_id)
        if money is None:
            return None
        with self._database.transaction("judging") as tx:
            rows = execute(tx, MADE, [batch_id])
        made = [row for row in rows if not row[3]]
        lost = sum(row[4] for row in made if row[1] == LOST)
        return Cost(
            money=money,
            calls=sum(row[4] for row in made),
            unpriced=sum(row[5] for row in made) - lost,
            lost=lost,
            reused=sum(row[4] for row in rows if row[3]),
        )

    def calls(self, request_ids: Sequence[UUID]) -> list[RecordedCall]:
        """Every call made for these comparisons, in the order in which each was begun."""
        with self._database.transaction("judging") as tx:
            return [RecordedCall(*row) for row in execute(tx, CALLS, [list(request_ids)])]


def _made(rows: Sequence[Sequence[Any]], run: Sequence[Any] | None) -> CallsMade:
    """Rows are (kind, purpose, reused, number, unpriced, cost, input, cached, output)."""
    ours = [row for row in rows if row[1] == "comparison"]
    made = [row for row in ours if not row[2]]
    lost = sum(row[3] for row in rows if row[0] == LOST)
    suspended, reason, findings = run or (False, "", [])
    return CallsMade(
        calls=sum(row[3] for row in made),
        verdicts=sum(row[3] for row in made if row[0] == VERDICT),
        failures={row[0]: row[3] for row in made if row[0] not in (None, VERDICT, LOST)},
        lost=lost,
        unpriced=sum(row[4] for row in rows) - lost,
        reused=sum(row[3] for row in ours if row[2]),
        input_tokens=sum(row[6] for row in rows),
        cached_tokens=sum(row[7] for row in rows),
        output_tokens=sum(row[8] for row in rows),
        cost=sum(row[5] for row in rows),
        canaries=len(findings),
        canaries_failed=sum(Finding(**one).failed for one in findings),
        canaries_unanswered=sum(one["verdicts"] == 0 for one in findings),
        suspended=reason if suspended else "",
    )
