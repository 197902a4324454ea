"""From delivered bytes to typed messages, and where the ones that cannot be used are kept (G7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

import msgspec

from pairmark.errors import BrokenData
from pairmark.events.catalogue import BY_TOPIC, ComparisonResult, Event
from pairmark.events.envelope import Envelope, NewerSchema, decode
from pairmark.messaging.transport import MAX_ANSWER, MAX_BODY, Delivery
from pairmark.storage.connection import Tx, execute


@dataclass(frozen=True, slots=True)
class Message:
    """A delivery whose envelope and data were understood."""

    event_id: UUID
    topic: str
    key: str
    correlation_id: UUID
    event: Event
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Unusable:
    """A delivery that no handler can use, with the reason."""

    delivery: Delivery
    event_id: UUID | None
    cause: str
    foreign: bool = False
    """Whether it is an event of another type than its topic carries."""

    @property
    def quarantine_id(self) -> str:
        """The event id, or the digest of the body when there is none."""
        return str(self.event_id) if self.event_id else sha256(self.delivery.body.encode()).hexdigest()


_decoders = {topic: msgspec.json.Decoder(kind) for topic, kind in BY_TOPIC.items()}


def read(delivery: Delivery) -> Message | Unusable:
    """Decode one delivery. For what somebody else may send it raises nothing but `BrokenData` for what a later version understands.

    Such a message is to be held: it becomes a dead letter, which can be replayed after the upgrade.
    """
    envelope: Envelope | None = None
    try:
        if delivery.flaw is not None:
            return Unusable(delivery, None, delivery.flaw)
        limit = MAX_ANSWER if delivery.topic == ComparisonResult.topic else MAX_BODY
        if len(delivery.body) > limit:
            return Unusable(delivery, None, f"body of {len(delivery.body)} characters is over the limit of {limit}")
        envelope = decode(delivery.body)
        if envelope.event_type != delivery.topic:
            cause = f"event type {envelope.event_type} came on topic {delivery.topic}"
            return Unusable(delivery, envelope.event_id, cause, foreign=True)
        event = _decoders[delivery.topic].decode(envelope.data)
    except NewerSchema as newer:
        raise BrokenData(f"{newer}; upgrade, then replay it.") from newer
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        return Unusable(delivery, envelope.event_id if envelope else None, str(error))
    return Message(envelope.event_id, delivery.topic, delivery.key, envelope.correlation_id, event, delivery)


def quarantine(tx: Tx, unusable: Sequence[Unusable]) -> None:
    """Keep what cannot be used, once, with its cause; seen again, it is only counted."""
    for item in unusable:
        execute(
            tx,
            "INSERT INTO quarantine AS q (id, topic, event_key, body, cause) VALUES (%s, %s, %s, %s, %s) "
            "ON CONFLICT (id) DO UPDATE SET seen = q.seen + 1",
            [item.quarantine_id, item.delivery.topic, item.delivery.key, item.delivery.body, item.cause],
        )
