"""Where requests are made: the same texts and design are the same batch, unless the last one failed or was cancelled (G13).

Lifecycle keeps the request as it was sent and the phase of batch and essays, which moves only forward.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

import msgspec

from pairmark.clock import Clock
from pairmark.errors import BadRequest
from pairmark.events.catalogue import AssessmentRequested, Design, EssayRef, SystemMetadata
from pairmark.events.envelope import outgoing
from pairmark.events.identity import BATCHES, entity_id, job_id
from pairmark.messaging import outbox
from pairmark.messaging.transport import MAX_REQUEST
from pairmark.storage.connection import Database, Tx, execute

SOURCE = "lifecycle"
ENDED_WITHOUT_RESULT = ("failed", "cancelled")

LATEST = """
SELECT entity_id, job_id, generation, phase FROM batch WHERE request_digest = %s ORDER BY generation DESC LIMIT 1
"""
INSERT = """
INSERT INTO batch (entity_id, job_id, request_digest, generation, parent_id, name, request, correlation_id, requested_at)
VALUES (%s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s) ON CONFLICT (request_digest, generation) DO NOTHING RETURNING entity_id
"""


@dataclass(frozen=True)
class Ticket:
    """Where a request stands: the batch that answers it, and whether this call opened it."""

    entity_id: str
    job_id: UUID
    generation: int
    opened: bool


@dataclass(frozen=True)
class Request:
    """What somebody wants ranked. `digest` identifies it: texts, judge, design options, seed and name."""

    digest: str
    essays: Sequence[EssayRef]
    design: Design
    user_id: str
    org_id: str | None = None


class FrontDesk:
    """Takes requests and opens generations."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def submit(self, request: Request, *, after: str | None = None) -> Ticket:
        """The batch for this request: the one that exists, or the next generation if that ended without a result.

        `after`: the entity whose result shall be followed by another generation, if it still is the latest.
        """
        with self._database.transaction("lifecycle") as tx:
            execute(tx, "SELECT pg_advisory_xact_lock(hashtextextended(%s, 2))", [request.digest])
            latest = execute(tx, LATEST, [request.digest])
            if latest and latest[0][3] not in ENDED_WITHOUT_RESULT and latest[0][0] != after:
                entity, job, generation, _ = latest[0]
                return Ticket(entity, UUID(job), generation, opened=False)
            generation = latest[0][2] + 1 if latest else 1
            return self._open(tx, request, generation, latest[0][0] if latest else None)

    def reopen(self, entity: str, *, after_result: bool = False) -> Ticket | None:
        """The next generation of a request that was made before, from the request as it was kept.

        `after_result`: also of one that is complete.
        """
        with self._database.transaction("lifecycle") as tx:
            rows = execute(tx, "SELECT request_digest, request::text FROM batch WHERE entity_id = %s", [entity])
        if not rows:
            return None
        event = msgspec.json.decode(rows[0][1], type=AssessmentRequested)
        request = Request(rows[0][0], event.essays_for_cj, event.design, event.user_id or "", event.org_id)
        return self.submit(request, after=entity if after_result else None)

    def _open(self, tx: Tx, request: Request, generation: int, parent: str | None) -> Ticket:
        entity, now = str(entity_id(request.digest, generation)), self._clock.now()
        correlation = uuid5(BATCHES, f"correlation\x1f{entity}")
        event = AssessmentRequested(
            event_name=AssessmentRequested.topic,
            entity_id=entity,
            parent_id=parent,
            timestamp=now,
            system_metadata=SystemMetadata(entity_id=entity, timestamp=now, event=AssessmentRequested.topic),
            essays_for_cj=list(request.essays),
            user_id=request.user_id,
            org_id=request.org_id,
            design=msgspec.structs.replace(request.design, generation=generation),
        )
        wanted = outgoing(event, aggregate_id=entity, source=SOURCE, correlation_id=correlation)
        if len(wanted.body) > MAX_REQUEST:
            raise BadRequest(
                f"A request for {len(request.essays)} essays with ids as long as these takes {len(wanted.body):,} characters; "
                f"the most is {MAX_REQUEST:,}.",
                remedy="Use shorter ids, or split the batch.",
            )
        job = job_id(entity)
        execute(
            tx,
            INSERT,
            [entity, str(job), request.digest, generation, parent, request.design.name,
             msgspec.json.encode(event).decode(), correlation, now],
        )  # fmt: skip
        execute(
            tx,
            "INSERT INTO essay (entity_id, essay_id) SELECT %s, unnest(%s::text[])",
            [entity, [essay.essay_id for essay in request.essays]],
        )
        outbox.append(tx, [wanted])
        return Ticket(entity, job, generation, opened=True)
