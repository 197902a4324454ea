"""Answering requests that can never be worked on: each becomes a batch that ends at once, so that whoever asked hears why.

Only what the request itself is to blame for is answered so, and only where it says which batch it is about. What somebody can set
right here (no judge is named, a schema is newer) is held and may be replayed: a batch that was told as failed never completes.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated
from uuid import UUID

import msgspec

from pairmark.clock import Clock
from pairmark.domain.statuses import StopReason
from pairmark.events.catalogue import Design
from pairmark.events.identity import job_id
from pairmark.messaging.messages import Unusable
from pairmark.services.assessment import batches
from pairmark.services.assessment.finalization import Finalization
from pairmark.services.assessment.intake import LONGEST_ID
from pairmark.storage.connection import Tx, execute

OPEN = """
INSERT INTO batch (id, entity_id, generation, name, user_id, correlation_id, design, essays, budget, deadline, created_at)
VALUES (%s, %s, 1, '', '', %s, %s::jsonb, %s, 0, %s, %s) ON CONFLICT (entity_id) DO NOTHING RETURNING id
"""
NOTHING_CHOSEN = msgspec.json.encode(Design()).decode()


class _Named(msgspec.Struct):
    entity_id: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID, pattern=r"^[^\x00]*$")]


class _Readable(msgspec.Struct):
    """What must be readable of a message for it to be answered."""

    correlation_id: UUID
    data: _Named


_decoder = msgspec.json.Decoder(_Readable)


class Refusal:
    """Opens and ends batches of requests that are refused. A batch that is there already is left as it is."""

    def __init__(self, finalization: Finalization, clock: Clock) -> None:
        self._finalization = finalization
        self._clock = clock

    def refuse(self, tx: Tx, entity_id: str, correlation_id: UUID, why: str, essays: int = 0) -> bool:
        """End the batch of this request with the reason; returns whether that is told now, and not before."""
        now, batch = self._clock.now(), job_id(entity_id)
        deadline = now + timedelta(seconds=1)  # it has none, but a batch begins with one
        if not execute(tx, OPEN, [batch, entity_id, correlation_id, NOTHING_CHOSEN, essays, deadline, now]):
            return False
        opened = batches.locked(tx, batch)
        return opened is not None and self._finalization.finalize_failure(tx, opened, StopReason.INVALID_REQUEST, why)

    def unusable(self, tx: Tx, messages: Sequence[Unusable]) -> None:
        """Answer those that break the contract in a field and still say which batch they are about."""
        for one in messages:
            if one.event_id is None or one.foreign:
                continue
            try:
                readable = _decoder.decode(one.delivery.body)
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                continue
            why = one.cause.replace("\x00", "")[:500]
            self.refuse(
                tx, readable.data.entity_id, readable.correlation_id, f"The request breaks the contract: {why}."
            )
