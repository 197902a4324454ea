"""What the relay and the consumers need of a transport, whether local tables or Kafka carry the events."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

MAX_BODY = 24_000_000
"""Characters; longer messages are set aside unread."""
MAX_ANSWER = 1_000_000
"""Characters of one answer of a judge, which comes from outside."""
MAX_REQUEST = MAX_BODY // 3
"""Characters; longer requests are refused, since a result says up to twice as much of each essay as its request does."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An outbox row on its way out: `body` and `headers` are sent as they were stored."""

    id: UUID
    key: str
    topic: str
    body: str
    headers: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message handed to a consumer group; `position` acknowledges it."""

    position: int
    event_id: UUID
    topic: str
    key: str
    body: str
    headers: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an event was not taken. A fatal failure will not heal by itself."""

    reason: str
    fatal: bool


class Transport(Protocol):
    """The way out. `Busy` means that the transport as a whole is unreachable."""

    delivery_timeout: float
    late_sends_reorder: bool
    """Whether a send that its owner began before it died may still put events behind newer ones. Then a new owner waits."""

    def publish(self, events: Sequence[Stored]) -> dict[UUID, Failure]:
        """Send events in this order; returns those not acknowledged. After a failure no later event of that key is sent."""
        ...


class Subscription(Protocol):
    """The way in for one consumer group."""

    @property
    def owner(self) -> bool:
        """Whether this process, and no other, deals with what the group holds back and with what a dead owner had in hand."""
        ...

    def poll(self, limit: int) -> list[Delivery]:
        """The next unacknowledged messages in order; empty when there are none or another process owns the group."""
        ...

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """These messages are dealt with; call it only after the commit that did so."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...
