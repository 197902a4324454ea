"""Taking a request in: batch, essays and the request for credits, in one transaction. The same request twice is one batch (G13)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from pairmark.clock import Clock
from pairmark.domain.stopping import largest_budget
from pairmark.errors import BrokenData
from pairmark.events.catalogue import AssessmentRequested, Design, ReserveRequested
from pairmark.events.envelope import outgoing
from pairmark.events.identity import job_id
from pairmark.messaging import outbox
from pairmark.messaging.messages import Message
from pairmark.messaging.transport import MAX_REQUEST
from pairmark.storage.connection import Tx, execute

SOURCE = "assessment"

INSERT_BATCH = """
INSERT INTO batch (id, entity_id, parent_id, generation, name, user_id, org_id, assignment_id, correlation_id, design,
    essays, budget, deadline, created_at)
SELECT %(id)s, %(entity_id)s, (SELECT id FROM batch WHERE entity_id = %(parent)s), %(generation)s, %(name)s, %(user_id)s,
    %(org_id)s, %(assignment_id)s, %(correlation_id)s, %(design)s::jsonb, %(essays)s, %(budget)s, %(deadline)s, %(now)s
ON CONFLICT (entity_id) DO NOTHING RETURNING id
"""
INSERT_ESSAYS = """
INSERT INTO essay (batch_id, ordinal, essay_id, text_storage_id)
SELECT %s, ordinal - 1, essay_id, storage_id FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY 
    AS e (essay_id, storage_id, ordinal)
"""


class Intake:
    """Handler of assessment requests."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, tx: Tx, messages: Sequence[Message]) -> None:
        """Make a batch of each request that is not known yet."""
        for message in messages:
            if isinstance(message.event, AssessmentRequested):
                self._take_in(tx, message, message.event)

    def _take_in(self, tx: Tx, message: Message, request: AssessmentRequested) -> None:
        essays = sorted(request.essays_for_cj, key=lambda essay: essay.essay_id)
        if not essays or len({essay.essay_id for essay in essays}) != len(essays):
            raise BrokenData(f"Request {request.entity_id} has no essays or names one twice.")
        if len(message.delivery.body) > MAX_REQUEST:
            raise BrokenData(f"Request {request.entity_id} is so long that its result could not be sent.")
        budget = budget_of(request.design, len(essays))
        batch = job_id(request.entity_id)
        if not execute(tx, INSERT_BATCH, self._row(message, request, budget)):
            return
        execute(
            tx,
            INSERT_ESSAYS,
            [batch, [essay.essay_id for essay in essays], [essay.text_storage_id for essay in essays]],
        )
        reserve = ReserveRequested(
            event_name=ReserveRequested.topic,
            entity_id=request.entity_id,
            timestamp=self._clock.now(),
            cj_assessment_job_id=str(batch),
            user_id=request.user_id,
            org_id=request.org_id,
            quantity=budget,
        )
        outbox.append(
            tx, [outgoing(reserve, aggregate_id=str(batch), source=SOURCE, correlation_id=message.correlation_id)]
        )

    def _row(self, message: Message, request: AssessmentRequested, budget: int) -> dict[str, Any]:
        now = self._clock.now()
        return {
            "id": job_id(request.entity_id),
            "entity_id": request.entity_id,
            "parent": request.parent_id,
            "generation": request.design.generation,
            "name": request.design.name,
            "user_id": request.user_id,
            "org_id": request.org_id,
            "assignment_id": request.assignment_id,
            "correlation_id": message.correlation_id,
            "design": msgspec.json.encode(request.design).decode(),
            "essays": len(request.essays_for_cj),
            "budget": budget,
            "deadline": now + timedelta(seconds=request.design.deadline_seconds),
            "now": now,
        }


def budget_of(design: Design, essays: int) -> int:
    """Comparisons to reserve: what was asked for, but never more than can be asked at all."""
    wanted = design.budget or (essays * design.comparisons_per_essay + 1) // 2
    return min(wanted, largest_budget(essays, design.pair_limit))
