"""What entitlements answers to a reservation: work begins, or the batch ends with a reason a person understands.

An answer that reaches a batch which has moved on changes nothing; entitlements releases by itself when a batch fails.
"""

from collections.abc import Sequence
from uuid import UUID

from pairmark.clock import Clock
from pairmark.domain.statuses import Status, StopReason
from pairmark.events.catalogue import ReserveGranted, ReserveRefused
from pairmark.messaging.messages import Message
from pairmark.services.assessment import batches
from pairmark.services.assessment.finalization import Finalization
from pairmark.storage.connection import Tx


class CreditAnswers:
    """Handlers of granted and refused reservations."""

    def __init__(self, finalization: Finalization, clock: Clock) -> None:
        self._finalization = finalization
        self._clock = clock

    def granted(self, tx: Tx, messages: Sequence[Message]) -> None:
        """Begin to fetch the texts."""
        for message in messages:
            if not isinstance(message.event, ReserveGranted):
                continue
            batch = batches.locked(tx, UUID(message.event.cj_assessment_job_id))
            if batch is not None and batch.status is Status.PENDING:
                deadline = self._clock.now() + batch.patience
                batches.move(tx, batch, Status.FETCHING_CONTENT, due=True, deadline=deadline)

    def refused(self, tx: Tx, messages: Sequence[Message]) -> None:
        """End the batch; nothing was reserved and nothing is charged."""
        for message in messages:
            if not isinstance(message.event, ReserveRefused):
                continue
            batch = batches.locked(tx, UUID(message.event.cj_assessment_job_id))
            if batch is not None and batch.status is Status.PENDING:
                self._finalization.finalize_failure(tx, batch, StopReason.CREDITS_REFUSED, message.event.reason)
