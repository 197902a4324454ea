"""Batches that wait for thousands of answers without any judge having been asked, and the answers, as judging would send them."""

from itertools import count
from uuid import UUID

from pairmark.bootstrap import System
from pairmark.events.catalogue import ComparisonResult
from pairmark.events.envelope import Outgoing, outgoing
from pairmark.events.identity import comparison_id
from pairmark.services.assessment.batches import Batch
from pairmark.storage.connection import Tx
from support.system import submit

_seeds = count(1)


def asked_batches(system: System, number: int, essays: int, answers: int) -> list[UUID]:
    """So many batches that wait for `answers` answers each."""
    tickets = [submit(system, essays, budget=answers, seed=next(_seeds)) for _ in range(number)]
    waiting = {ticket.job_id: None for ticket in tickets}
    begun: dict[UUID, Batch] = {}
    while waiting:
        system.relay_step()
        system.consumers["assessment"].step()
        system.consumers["entitlements"].step()
        system.continuation.step()
        for job in list(waiting):
            batch = system.assessment.batch(job)
            if batch is not None and batch.sent:
                begun[job] = batch
                del waiting[job]
    with system.database.connect() as admin:
        for batch in begun.values():
            _ask_for_the_rest(admin, batch, essays, answers)
        admin.execute("ANALYZE assessment.comparison")
    return list(begun)


def _ask_for_the_rest(admin: Tx, batch: Batch, essays: int, answers: int) -> None:
    rest = {"id": batch.id, "to": answers}
    admin.execute("INSERT INTO assessment.wave (batch_id, wave, size, planned_at) VALUES (%s, 2, %s, now())",
                  [batch.id, max(answers - batch.sent, 1)])  # fmt: skip
    admin.execute("UPDATE assessment.batch SET sent = %(to)s, wave = 2, version = version + 1 WHERE id = %(id)s", rest)
    ids = [comparison_id(batch.id, ordinal) for ordinal in range(batch.sent, answers)]
    admin.execute(
        "INSERT INTO assessment.comparison (batch_id, ordinal, id, wave, first, second, repeat) "
        "SELECT %s, o, i, 2, o %% %s, (o + 1) %% %s, 0 FROM unnest(%b::int[], %b::uuid[]) AS c (o, i)",
        [batch.id, essays, essays, list(range(batch.sent, answers)), ids],
    )


WHY = "The first text gives reasons, the second repeats its claim."


def callback(batch_id: UUID, ordinal: int, justification: str = WHY) -> Outgoing:
    """The answer to one comparison of a batch."""
    request = comparison_id(batch_id, ordinal)
    event = ComparisonResult(
        event_name=ComparisonResult.topic,
        entity_id=str(batch_id),
        request_id=str(request),
        winner="Essay A" if ordinal % 2 else "Essay B",
        justification=justification,
        confidence=4.0,
        provider="pairmark",
        model="simulated",
        response_time_ms=900,
        cost_estimate=0.0004,
        request_metadata={"cj_batch_id": str(batch_id), "presented_order": "ab", "judge": "simulated"},
    )
    return outgoing(
        event, aggregate_id=str(batch_id), source="judging", correlation_id=batch_id, fact_key=f"{request}, attempt 1"
    )
