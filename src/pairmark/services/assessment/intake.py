"""Taking a request in: batch, essays and the request for credits, in one transaction. The same request twice is one batch (G13).

Texts that come with a request are put into the content store first; should the transaction fail, they lie there and harm nobody.
A request that can never be worked on is answered at once; one that lacks what somebody can set right here is held.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from pairmark.clock import Clock
from pairmark.domain.stopping import MOST_ESSAYS, largest_budget
from pairmark.errors import BrokenData
from pairmark.events.catalogue import AssessmentRequested, Design, EssayRef, ReserveRequested
from pairmark.events.envelope import outgoing
from pairmark.events.identity import job_id
from pairmark.messaging import outbox
from pairmark.messaging.messages import Message
from pairmark.messaging.transport import MAX_REQUEST
from pairmark.storage.connection import Tx, execute
from pairmark.storage.texts import TextStore

if TYPE_CHECKING:
    from pairmark.services.assessment.refusal import Refusal

SOURCE = "assessment"
LONGEST_ID = 500
"""Characters of an entity id; an index must be able to hold it."""

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


class Unworkable(Exception):
    """A request that makes no sense as a whole, whoever reads it and when."""


class Intake:
    """Handler of assessment requests."""

    def __init__(
        self, texts: TextStore, refusal: "Refusal", clock: Clock, judge: tuple[str, str] | None = None
    ) -> None:
        """`judge`: name and digest of who judges where a request names nobody."""
        self._texts = texts
        self._refusal = refusal
        self._clock = clock
        self._judge = judge

    def __call__(self, tx: Tx, messages: Sequence[Message]) -> None:
        """Make a batch of each request that is not known yet."""
        for message in messages:
            request = message.event
            if not isinstance(request, AssessmentRequested):
                continue
            _check_entity(request)
            try:
                _check(request, len(message.delivery.body))
            except Unworkable as why:
                essays = len(request.essays_for_cj)
                self._refusal.refuse(tx, request.entity_id, message.correlation_id, str(why), essays)
            else:
                self._take_in(tx, message, self._with_judge(request))

    def _with_judge(self, request: AssessmentRequested) -> AssessmentRequested:
        if request.design.judge:
            return request
        if self._judge is None:
            raise BrokenData(
                f"Request {request.entity_id} names no judge, and this service has none of its own.",
                remedy="Set PAIRMARK_JUDGE for its workers, then `pairmark deadletter replay`.",
            )
        name, digest = self._judge
        return replace(request, design=replace(request.design, judge=name, judge_digest=digest))

    def _take_in(self, tx: Tx, message: Message, request: AssessmentRequested) -> None:
        essays = sorted(request.essays_for_cj, key=lambda essay: essay.essay_id)
        budget = budget_of(request.design, len(essays))
        batch = job_id(request.entity_id)
        if not execute(tx, INSERT_BATCH, self._row(message, request, budget)):
            return
        execute(
            tx,
            INSERT_ESSAYS,
            [batch, [essay.essay_id for essay in essays], self._storage_ids(essays)],
        )
        reserve = ReserveRequested(
            event_name=ReserveRequested.topic,
            entity_id=request.entity_id,
            timestamp=self._clock.now(),
            cj_assessment_job_id=str(batch),
            user_id=request.user_id or "",
            org_id=request.org_id,
            quantity=budget,
        )
        outbox.append(
            tx, [outgoing(reserve, aggregate_id=str(batch), source=SOURCE, correlation_id=message.correlation_id)]
        )

    def _storage_ids(self, essays: Sequence[EssayRef]) -> list[str]:
        """Where each text is found; those that came with the request are stored now."""
        given = [essay.text for essay in essays if essay.text is not None]
        stored = iter(self._texts.put(given) if given else ())
        return [essay.text_storage_id or "" if essay.text is None else next(stored) for essay in essays]

    def _row(self, message: Message, request: AssessmentRequested, budget: int) -> dict[str, Any]:
        now = self._clock.now()
        return {
            "id": job_id(request.entity_id),
            "entity_id": request.entity_id,
            "parent": request.parent_id,
            "generation": request.design.generation,
            "name": request.design.name,
            "user_id": request.user_id or "",
            "org_id": request.org_id,
            "assignment_id": request.assignment_id,
            "correlation_id": message.correlation_id,
            "design": msgspec.json.encode(request.design).decode(),
            "essays": len(request.essays_for_cj),
            "budget": budget,
            "deadline": now + timedelta(seconds=request.design.deadline_seconds),
            "now": now,
        }


def _check_entity(request: AssessmentRequested) -> None:
    """Without a batch to name, nobody can be answered."""
    if not 0 < len(request.entity_id) <= LONGEST_ID:
        raise BrokenData(f"A request has no entity_id, or one of more than {LONGEST_ID} characters.")
    if "\x00" in request.entity_id:
        raise BrokenData(f"Request {request.entity_id} has an entity_id that no database can hold.")


def _check(request: AssessmentRequested, length: int) -> None:
    """What no field by itself can say about a request."""
    essays, design = request.essays_for_cj, request.design
    if not essays:
        raise Unworkable("The request has no essays.")
    if len({essay.essay_id for essay in essays}) != len(essays):
        raise Unworkable("The request names an essay twice.")
    if len(essays) > MOST_ESSAYS:
        raise Unworkable(
            f"The request holds {len(essays):,} essays; one batch takes at most {MOST_ESSAYS:,}. Send them as several requests."
        )
    without = [essay.essay_id for essay in essays if essay.text is None and essay.text_storage_id is None]
    if without:
        raise Unworkable(f"The request gives neither text nor text_storage_id of {without[0]}.")
    if not request.user_id and not request.org_id:
        raise Unworkable("The request names neither a user nor an organisation.")
    kept = (request.user_id, request.org_id, request.parent_id, request.assignment_id, design.name, design.judge,
            design.judge_digest)  # fmt: skip
    if any("\x00" in one for one in kept if one):
        raise Unworkable("The request holds a zero character where a name is wanted.")
    if length > MAX_REQUEST:
        raise Unworkable(f"The request is so long ({length:,} characters) that its result could not be sent.")


def budget_of(design: Design, essays: int) -> int:
    """Comparisons to reserve: what was asked for, but never more than can be asked at all."""
    wanted = design.budget or (essays * design.comparisons_per_essay + 1) // 2
    return min(wanted, largest_budget(essays, design.pair_limit))
